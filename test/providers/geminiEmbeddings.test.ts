/**
 * Embeddings of Gemini's API and of Vertex AI, as a target and for callers.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { EmbeddingRequest } from "../../src/Embedding.ts"
import { embeddings, embeddingsCaller, parseEmbed, renamed, vertexEmbeddings } from "../../src/providers/gemini/embeddings.ts"
import { present, recorded } from "./recorded.ts"
import { context } from "./sse.ts"

const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
const sent = (body: unknown): unknown => JSON.parse(JSON.stringify(body))
const decode = (body: unknown): EmbeddingRequest =>
  Result.getOrThrow(embeddingsCaller.decodeRequest(body, { model: "gemini-embedding-001" }))

const chat = (inputs: EmbeddingRequest["inputs"], more: Partial<EmbeddingRequest> = {}): EmbeddingRequest => ({
  dialect: "chat.completions",
  model: "m",
  inputs,
  many: true,
  extras: [],
  named: {},
  ...more
})

describe.runIf(present("gemini-embeddings", "vertex-embeddings"))("recorded embeddings", () => {
  it("of Gemini's API: requests and answers encode into what they said", () => {
    const exchanges = recorded("gemini-embeddings")
    assert.strictEqual(exchanges.length, 4)
    for (const { id, request, response } of exchanges) {
      const body = request!.body as { readonly requests: ReadonlyArray<{ readonly model: string }> }
      const model = body.requests[0]!.model.slice("models/".length)
      const asked = Result.getOrThrow(embeddingsCaller.decodeRequest(structuredClone(body), { model }))
      const written = embeddings.encodeRequest(asked, { model })
      assert.deepStrictEqual(sent(written.body), body, id)
      assert.deepStrictEqual(written.losses, [])
      assert.strictEqual(embeddings.path(model, asked), `/models/${model}:batchEmbedContents`)
      const answer = Result.getOrThrow(embeddings.decodeAnswer(response.body))
      const told = embeddingsCaller.encodeAnswer(answer, asked, context)
      assert.deepStrictEqual(sent(told.body), response.body, id)
      assert.deepStrictEqual(told.losses, [])
    }
  })

  it("of Vertex AI: requests are written, and answers decode with their usage", () => {
    const exchanges = recorded("vertex-embeddings")
    assert.strictEqual(exchanges.length, 4)
    let served = 0
    for (const { request, response } of exchanges) {
      const { instances } = request!.body as {
        readonly instances: ReadonlyArray<{ readonly content: string; readonly task_type?: string }>
      }
      const task = instances[0]!.task_type
      const asked = chat(
        instances.map(({ content }, index) => ({ _tag: "Text", text: content, at: `input[${index}]` })),
        task === undefined ? {} : { task }
      )
      const written = vertexEmbeddings.encodeRequest(asked, { model: "m" })
      assert.deepStrictEqual(written, { body: request!.body as never, losses: [] })
      const answer = vertexEmbeddings.decodeAnswer(response.body)
      if (response.status !== 200) {
        assert.isTrue(Result.isFailure(answer))
        continue
      }
      served++
      const { predictions } = response.body as {
        readonly predictions: ReadonlyArray<{
          readonly embeddings: { readonly values: ReadonlyArray<number>; readonly statistics: { readonly token_count: number } }
        }>
      }
      assert.deepStrictEqual(
        Result.getOrThrow(answer).vectors,
        predictions.map((prediction) => prediction.embeddings.values)
      )
      assert.strictEqual(Result.getOrThrow(answer).usage?.inputTokens, predictions[0]!.embeddings.statistics.token_count)
    }
    assert.strictEqual(served, 2)
  })
})

describe("a caller of Gemini's API", () => {
  it("asks for one vector and gets one", () => {
    const asked = decode({ content: { parts: [{ text: "a" }] }, task_type: "RETRIEVAL_DOCUMENT", title: "t", output_dimensionality: 3 })
    assert.deepStrictEqual(asked.inputs, [{ _tag: "Text", text: "a", at: "content", title: "t" }])
    assert.deepStrictEqual([asked.many, asked.task, asked.dimensions], [false, "RETRIEVAL_DOCUMENT", 3])
    assert.strictEqual(embeddings.path("m", asked), "/models/m:embedContent")
    assert.deepStrictEqual(sent(embeddings.encodeRequest(asked, { model: "m" }).body), {
      content: { parts: [{ text: "a" }] },
      taskType: "RETRIEVAL_DOCUMENT",
      title: "t",
      outputDimensionality: 3
    })
    // 1 and -2 as 32-bit floats, little end first.
    const answer = { dialect: "chat.completions", vectors: ["AACAPwAAAMA="], extras: [] } as const
    assert.deepStrictEqual(embeddingsCaller.encodeAnswer(answer, asked, context), { body: { embedding: { values: [1, -2] } }, losses: [] })
  })

  it("keeps what the requests of a batch say differently", () => {
    const body = {
      requests: [
        { model: "models/m", content: { parts: [{ text: "a" }] }, taskType: "CLUSTERING" },
        { model: "models/m", content: { parts: [{ text: "b" }] } },
        { model: "models/m", content: { parts: [{ text: "c" }] }, taskType: "CLASSIFICATION", outputDimensionality: 8 }
      ]
    }
    const asked = decode(body)
    assert.deepStrictEqual(sent(embeddings.encodeRequest(asked, { model: "m" }).body), body)
    const lost = vertexEmbeddings.encodeRequest(asked, { model: "m" }).losses.map(({ field }) => field)
    assert.deepStrictEqual(lost, ["requests[1].taskType", "requests[2].taskType", "requests[2].outputDimensionality"])
  })

  it("is told what is wrong", () => {
    for (const [batch, body, param] of [
      [true, { content: {} }, "requests"],
      [false, { requests: [] }, "requests"],
      [true, { requests: [{ content: 1 }] }, "requests[0].content"],
      [true, { requests: [] }, "requests"],
      [false, { content: { parts: [] }, outputDimensionality: 0 }, "outputDimensionality"]
    ] as const) {
      const parsed = parseEmbed(batch)(bytes(body), () => null, undefined, "m")
      assert.deepInclude(parsed, { status: 400, param })
    }
    assert.deepInclude(
      parseEmbed(false)(bytes({ content: {} }), () => null, undefined, ""),
      { code: "missing_model" }
    )
  })

  it("is measured", () => {
    const picture = { inline_data: { mime_type: "image/png", data: "AAAA" } }
    const body = { requests: [{ content: { parts: [{ text: "hällo" }, picture] }, title: "t" }, { content: { parts: [{ text: "b" }] } }] }
    const parsed = parseEmbed(true)(bytes(body), () => null, undefined, "m")
    assert.isTrue("ask" in parsed)
    if (!("ask" in parsed)) return
    assert.deepStrictEqual([parsed.ask.operation, parsed.ask.model, parsed.ask.messages(), parsed.ask.inputBytes()], ["embed", "m", 2, 8])
    assert.deepStrictEqual(parsed.ask.media(), { images: 1, audio: 0, files: 0 })
    assert.isTrue(parsed.ask.needsVision())
  })

  it("who names the model in the body too is led to the target's", () => {
    assert.deepStrictEqual(renamed({ requests: [{ model: "models/a", content: {} }, { content: {} }] }, "b"), [
      { key: "requests", json: '[{"model":"models/b","content":{}},{"content":{}}]' }
    ])
    assert.deepStrictEqual(renamed({ requests: [{ model: "models/b" }] }, "b"), [])
    assert.deepStrictEqual(renamed({ model: "models/a", content: {} }, "b"), [{ key: "model", json: '"models/b"' }])
  })
})

describe("a caller of another API", () => {
  it("gets a batch for a list, with all that Gemini knows", () => {
    const asked = chat(
      [
        { _tag: "Text", text: "a", at: "input[0]" },
        { _tag: "Text", text: "b", at: "input[1]" }
      ],
      { dimensions: 2, userId: "u", named: { userId: "user" } }
    )
    const { body, losses } = embeddings.encodeRequest(asked, { model: "m", deployment: "d" })
    const one = (text: string) => ({ model: "models/d", content: { parts: [{ text }] }, outputDimensionality: 2 })
    assert.deepStrictEqual(body, { requests: [one("a"), one("b")] })
    assert.deepStrictEqual(
      losses.map(({ field }) => field),
      ["user"]
    )
  })

  it("is not given the vector of another input for tokens that cannot be read", () => {
    const { body, losses } = embeddings.encodeRequest(chat([{ _tag: "Tokens", tokens: [1], at: "input[0]" }]), { model: "m" })
    assert.deepStrictEqual(body, { requests: [{ model: "models/m", content: { parts: [] } }] })
    assert.deepStrictEqual(
      losses.map(({ field }) => field),
      ["input[0]"]
    )
  })

  it("gets an answer that holds no vectors as a failure", () => {
    for (const body of [null, {}, { embeddings: [] }, { embeddings: [{ values: ["a"] }] }, { predictions: [{}] }]) {
      assert.isTrue(Result.isFailure(embeddings.decodeAnswer(body)))
      assert.isTrue(Result.isFailure(vertexEmbeddings.decodeAnswer(body)))
    }
  })
})
