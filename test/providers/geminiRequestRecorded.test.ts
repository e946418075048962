/**
 * Recorded requests to Gemini's API and to Vertex AI: each decodes, and encodes into what it said. Compared by a walker that knows how Google reads JSON, and nothing of our code.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Conversation } from "../../src/Conversation.ts"
import { counting, countingCaller, vertexCounting } from "../../src/providers/gemini/counting.ts"
import { decodeRequest } from "../../src/providers/gemini/decode.ts"
import { encodeRequest } from "../../src/providers/gemini/request.ts"
import { said, sent } from "./geminiSaid.ts"
import { present, type Recorded, recorded } from "./recorded.ts"

const addressed = (exchange: Recorded): { readonly model: string; readonly stream: boolean } => {
  const { url } = exchange.request as unknown as { readonly url: string }
  const [, model = "", method = ""] = /\/models\/([^/:]+):(\w+)/.exec(url) ?? []
  return { model, stream: method === "streamGenerateContent" }
}

const decoded = (exchange: Recorded): Conversation => {
  const result = decodeRequest(structuredClone(exchange.request!.body), addressed(exchange))
  if (Result.isFailure(result)) assert.fail(`${exchange.id}: ${result.failure.path}: ${result.failure.message}`)
  return result.success
}

const files = [
  ["gemini-generate-content", 242],
  ["vertex-generate-content", 67]
] as const

describe.runIf(present(...files.map(([name]) => name)))("recorded requests", () => {
  for (const [name, count] of files) {
    it(`of ${name} decode and encode into what they said`, () => {
      const requests = recorded(name).filter(({ request }) => request !== null)
      assert.strictEqual(requests.length, count)
      for (const exchange of requests) {
        const conversation = decoded(exchange)
        const { body, losses } = encodeRequest(conversation, { model: addressed(exchange).model })
        assert.deepStrictEqual(said(sent(body)), said(exchange.request!.body), exchange.id)
        assert.deepStrictEqual(losses, [], exchange.id)
      }
    })

    it(`of ${name} say in the model what they say`, () => {
      let calls = 0
      let results = 0
      for (const exchange of recorded(name)) {
        if (exchange.request === null) continue
        const conversation = decoded(exchange)
        const body = said(exchange.request.body) as {
          readonly contents: ReadonlyArray<{ readonly role: string; readonly parts: ReadonlyArray<Record<string, unknown>> }>
        }
        assert.strictEqual(conversation.model, addressed(exchange).model)
        assert.strictEqual(conversation.stream, addressed(exchange).stream)
        assert.strictEqual(conversation.messages.length, body.contents.length, exchange.id)
        const ids = new Set<string>()
        conversation.messages.forEach(({ parts, role }, index) => {
          const content = body.contents[index]!
          assert.strictEqual(role === "assistant", content.role === "model")
          assert.strictEqual(parts.length, content.parts.length)
          parts.forEach((part, at) => {
            const written = content.parts[at]!
            if (written["functionCall"] !== undefined) {
              assert.strictEqual(part._tag, "ToolCall")
              if (part._tag !== "ToolCall") return
              calls++
              const call = written["functionCall"] as { readonly name: string; readonly args?: unknown }
              assert.deepStrictEqual([part.name, JSON.parse(part.arguments)], [call.name, call.args ?? {}])
              assert.isFalse(ids.has(part.id), exchange.id)
              assert.isNotEmpty(part.id)
              ids.add(part.id)
            }
            if (written["functionResponse"] !== undefined) {
              assert.strictEqual(part._tag, "ToolResult")
              if (part._tag !== "ToolResult") return
              results++
              assert.isTrue(ids.has(part.callId), `${exchange.id}: ${part.callId}`)
              assert.deepStrictEqual(part.object, (written["functionResponse"] as { readonly response?: never }).response)
            }
          })
        })
      }
      assert.isAbove(calls, 30)
      assert.isAbove(results, 30)
    })
  }
})

describe.runIf(present("gemini-count-tokens", "vertex-count-tokens"))("recorded counts", () => {
  for (const [name, dialect, count] of [
    ["gemini-count-tokens", counting, 2],
    ["vertex-count-tokens", vertexCounting, 1]
  ] as const) {
    it(`of ${name}`, () => {
      const exchanges = recorded(name)
      assert.strictEqual(exchanges.length, count)
      for (const exchange of exchanges) {
        const { model } = addressed(exchange)
        const asked = Result.getOrThrow(countingCaller.decodeRequest!(structuredClone(exchange.request!.body), { model, stream: false }))
        const { body, losses } = dialect.encodeRequest(asked, { model })
        const whole = (request: unknown): unknown =>
          said((request as { readonly generateContentRequest?: unknown }).generateContentRequest ?? request)
        assert.deepStrictEqual(whole(sent(body)), whole(exchange.request!.body))
        assert.deepStrictEqual(losses, [])
        const answer = exchange.response.body as { readonly totalTokens: number }
        assert.deepStrictEqual(dialect.decodeAnswer(exchange.response.body), Result.succeed(answer.totalTokens))
        assert.deepStrictEqual(countingCaller.encodeAnswer(answer.totalTokens), { totalTokens: answer.totalTokens })
        assert.strictEqual(dialect.path(model), `/models/${model}:countTokens`)
      }
    })
  }
})
