/**
 * Embeddings of OpenAI's API: recorded exchanges through their own dialect, the formats of vectors turned into each other, and what is refused.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import OpenAI from "openai"
import type { EmbeddingRequest } from "../../src/Embedding.ts"
import { embeddings, openai, openaiCaller } from "../../src/providers/openai.ts"
import { present, recorded } from "./recorded.ts"
import { context } from "./sse.ts"

type Any = any

const files = ["openai-embeddings", "azure-embeddings"]
const caller = openaiCaller.embeddings!
const target = openai.embeddings!

/** A JSON value without its nulls in objects. */
const bare = (value: Any): unknown =>
  Array.isArray(value)
    ? value.map(bare)
    : typeof value === "object" && value !== null
      ? Object.fromEntries(Object.entries(value).flatMap(([key, one]) => (one === null || one === undefined ? [] : [[key, bare(one)]])))
      : value

/** The floats that base64 spells, by another road than the one under test. */
const floats = (base64: string): ReadonlyArray<number> => {
  const bytes = Buffer.from(base64, "base64")
  return Array.from({ length: bytes.length / 4 }, (_none, index) => bytes.readFloatLE(index * 4))
}
const base64 = (numbers: ReadonlyArray<number>): string => {
  const bytes = Buffer.alloc(numbers.length * 4)
  numbers.forEach((number, index) => bytes.writeFloatLE(number, index * 4))
  return bytes.toString("base64")
}

describe.skipIf(!present(...files))("recorded embeddings, in their own dialect", () => {
  for (const file of files) {
    it(file, () => {
      let requests = 0
      let answers = 0
      for (const { id, request, response } of recorded(file)) {
        const body = request?.body as Any
        const decoded = Result.getOrThrow(caller.decodeRequest(body))
        const encoded = target.encodeRequest(decoded, { model: body.model })
        assert.deepStrictEqual(bare(encoded.body), bare(body), id)
        assert.deepStrictEqual(encoded.losses, [], id)
        requests++
        if (response.status !== 200) {
          assert.isTrue(Result.isFailure(target.decodeAnswer(response.body)), id)
          continue
        }
        const answer = Result.getOrThrow(target.decodeAnswer(response.body))
        const again = caller.encodeAnswer(answer, decoded, context)
        assert.deepStrictEqual(bare(JSON.parse(JSON.stringify(again.body))), bare(response.body), id)
        assert.deepStrictEqual(again.losses, [], id)
        assert.strictEqual(answer.usage?.inputTokens, (response.body as Any).usage.prompt_tokens, id)
        // The other format than the one that came.
        const came = (response.body as Any).data.map(({ embedding }: Any) => embedding)
        const other: EmbeddingRequest = { ...decoded, format: typeof came[0] === "string" ? "float" : "base64" }
        const turned = (caller.encodeAnswer(answer, other, context).body as Any).data.map(({ embedding }: Any) => embedding)
        assert.deepStrictEqual(
          turned,
          came.map((vector: Any) => (typeof vector === "string" ? floats(vector) : base64(vector))),
          id
        )
        answers++
      }
      assert.isAbove(answers, 0)
      console.log(`${file}: ${requests} requests, ${answers} answers`)
    })
  }
})

describe("vectors", () => {
  const asking: EmbeddingRequest = {
    dialect: "chat.completions",
    model: "m",
    inputs: [{ _tag: "Text", text: "x", at: "input" }],
    many: false,
    extras: [],
    named: {}
  }
  const shown = (vector: unknown, format: "float" | "base64"): Any => {
    const answer = Result.getOrThrow(target.decodeAnswer({ data: [{ embedding: vector }] }))
    return (caller.encodeAnswer(answer, { ...asking, format }, context).body as Any).data[0].embedding
  }

  it("keep every 32-bit float on both roads", () => {
    const numbers = fc.array(
      fc.float({ noNaN: true }).map((value) => (Object.is(value, -0) ? 0 : value)),
      { maxLength: 20 }
    )
    fc.assert(
      fc.property(numbers, (vector) => {
        assert.strictEqual(shown(vector, "base64"), base64(vector))
        assert.deepStrictEqual(shown(base64(vector), "float"), vector)
        assert.deepStrictEqual(shown(shown(vector, "base64"), "float"), vector)
      })
    )
  })

  it("stand in the order of the inputs, whatever the order of the answer", () => {
    const data = [2, 0, 1].map((index) => ({ object: "embedding", index, embedding: [index] }))
    const { vectors } = Result.getOrThrow(target.decodeAnswer({ object: "list", data }))
    assert.deepStrictEqual(vectors, [[0], [1], [2]])
  })

  it("are what the official client reads, which asks for base64 by itself", async () => {
    let asked: Any
    const client = new OpenAI({
      apiKey: "none",
      fetch: async (_url, init) => {
        asked = JSON.parse(String(init?.body))
        const request = Result.getOrThrow(caller.decodeRequest(asked))
        const answer = Result.getOrThrow(
          target.decodeAnswer({ data: [{ embedding: [0.5, -2] }], usage: { prompt_tokens: 3, total_tokens: 3 } })
        )
        return new Response(JSON.stringify(caller.encodeAnswer(answer, request, context).body), {
          headers: { "content-type": "application/json" }
        })
      }
    })
    const read = await client.embeddings.create({ model: "m", input: "x" })
    assert.strictEqual(asked.encoding_format, "base64")
    assert.deepStrictEqual(read.data[0]!.embedding, [0.5, -2])
    assert.deepStrictEqual(read.usage, { prompt_tokens: 3, total_tokens: 3 })
    const plain = await client.embeddings.create({ model: "m", input: "x", encoding_format: "float" })
    assert.deepStrictEqual(plain.data[0]!.embedding, [0.5, -2])
  })

  it("that are none are a malformed answer", () => {
    for (const body of [
      null,
      {},
      { data: [{}] },
      { data: [{ embedding: "?" }] },
      { data: [{ embedding: ["1"] }] },
      { data: [{ embedding: "AAA=" }] }
    ]) {
      assert.strictEqual(
        Result.match(target.decodeAnswer(body), { onFailure: (failure) => failure.class, onSuccess: () => "answer" }),
        "malformed",
        JSON.stringify(body)
      )
    }
  })
})

describe("requests", () => {
  const parse = (body: unknown): Any => embeddings.parse(new TextEncoder().encode(JSON.stringify(body)), () => null)

  it("count what the model reads", () => {
    const bytes = (input: unknown): number => parse({ model: "m", input }).ask.inputBytes()
    assert.strictEqual(bytes("čau"), 4)
    assert.strictEqual(bytes(["ab", "č"]), 4)
    assert.strictEqual(bytes([1, 2, 3]), 3)
    assert.strictEqual(bytes([[1, 2], [3]]), 3)
    const { ask } = parse({ model: "m", input: ["a", "b"] })
    assert.deepStrictEqual([ask.operation, ask.model, ask.stream, ask.messages(), ask.maxOutputTokens()], ["embed", "m", false, 2, null])
  })

  it("of a wrong shape are refused by the field", () => {
    const cases: ReadonlyArray<readonly [unknown, string]> = [
      [{ input: "x" }, "model"],
      [{ model: 7, input: "x" }, "model"],
      [{ model: "m" }, "input"],
      ...[7, null, {}, [], [[]], ["a", 1], [1, "a"], [[1], "a"], [1.5], [-1], [["a"]], [{}]].map(
        (input) => [{ model: "m", input }, "input"] as const
      ),
      [{ model: "m", input: "x", dimensions: 0 }, "dimensions"],
      [{ model: "m", input: "x", encoding_format: "int8" }, "encoding_format"],
      [{ model: "m", input: "x", user: 1 }, "user"]
    ]
    for (const [body, param] of cases) {
      const { param: blamed, status } = parse(body)
      assert.deepStrictEqual([status, blamed], [400, param], JSON.stringify(body))
    }
  })

  it("of tokens come back as they were to a provider that reads them", () => {
    for (const input of [
      [1, 2],
      [[1, 2], [3]]
    ]) {
      const read = Result.getOrThrow(caller.decodeRequest({ model: "m", input }))
      const { body, losses } = target.encodeRequest(read, { model: "m" })
      assert.deepStrictEqual([body["input"], losses], [input, []])
    }
  })

  it("of other callers keep their places, and name what cannot be said", () => {
    const { body, losses } = target.encodeRequest(
      {
        dialect: "generateContent",
        model: "gemini",
        inputs: [
          { _tag: "Text", text: "a", title: "A", at: "requests[0].content" },
          { _tag: "Foreign", type: "image", value: {}, at: "requests[1].content" },
          { _tag: "Text", text: "b", at: "requests[2].content" }
        ],
        many: true,
        dimensions: 8,
        task: "RETRIEVAL_QUERY",
        extras: [{ field: "autoTruncate", value: false, matters: true }],
        named: { task: "requests[0].taskType" }
      },
      { model: "m", deployment: "d" }
    )
    assert.deepStrictEqual(body, { model: "d", input: ["a", "", "b"], dimensions: 8 })
    assert.deepStrictEqual(losses.map(({ field }) => field).toSorted(), [
      "autoTruncate",
      "requests[0].content",
      "requests[0].taskType",
      "requests[1].content"
    ])
  })
})
