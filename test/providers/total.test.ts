/**
 * Nothing throws, whatever JSON comes: arbitrary values, and real shapes with something of them changed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import type { Dialect, SseEvent } from "../../src/Dialect.ts"
import { anthropic } from "../../src/providers/anthropic.ts"
import { openai, openaiCaller } from "../../src/providers/openai.ts"
import { answerPairs } from "../fixtures/anthropic/answers.ts"
import { failures as anthropicFailures } from "../fixtures/anthropic/failures.ts"
import { requestPairs } from "../fixtures/anthropic/requests.ts"
import { streamPairs } from "../fixtures/anthropic/streams.ts"
import { failures as openaiFailures } from "../fixtures/openai/failures.ts"
import { context, eventsOf, translate } from "./sse.ts"

const runs = 2000
const dialects: ReadonlyArray<Dialect> = [openai, anthropic]
const models = ["claude-3-5-haiku-latest", "claude-sonnet-4-5", "claude-opus-4-8", "claude-sonnet-5-5", "glm-4.6"]

/** Every place in a JSON value. */
const placesOf = (value: unknown, path: ReadonlyArray<string | number> = []): ReadonlyArray<ReadonlyArray<string | number>> => {
  if (typeof value !== "object" || value === null) return [path]
  const keys: ReadonlyArray<string | number> = Array.isArray(value) ? [...value.keys()] : Object.keys(value)
  return [path, ...keys.flatMap((key) => placesOf((value as Record<string | number, unknown>)[key], [...path, key]))]
}

const replaced = (value: unknown, path: ReadonlyArray<string | number>, by: unknown): unknown => {
  const [key, ...rest] = path
  if (key === undefined) return by
  if (Array.isArray(value)) return value.map((entry: unknown, index) => (index === key ? replaced(entry, rest, by) : entry))
  return { ...(value as object), [key]: replaced((value as Record<string | number, unknown>)[key], rest, by) }
}

/** A value of `values` with one place replaced by anything, often by something awkward. */
const mutated = (values: ReadonlyArray<unknown>): fc.Arbitrary<unknown> =>
  fc
    .constantFrom(...values)
    .chain((value) =>
      fc
        .tuple(
          fc.constantFrom(...placesOf(value)),
          fc.oneof(
            fc.jsonValue(),
            fc.constantFrom<unknown>(null, "", 0, -1, 1e308, [], {}, [[]], [null], { type: 1 }, "__proto__", "constructor", "[DONE]")
          )
        )
        .map(([path, by]) => replaced(value, path, by))
    )

const awkward = (values: ReadonlyArray<unknown>) =>
  fc.oneof(
    fc.jsonValue(),
    mutated(values),
    fc.jsonValue().map((value) => JSON.parse(`{"__proto__":${JSON.stringify(value)},"model":"m","messages":[{"role":"user"}]}`) as unknown)
  )

const requests = requestPairs.flatMap(({ anthropic, openai }) => [openai, anthropic])
const answers = answerPairs.flatMap(({ anthropic, openai }) => [openai, anthropic])
const failures = [...anthropicFailures, ...openaiFailures].map(([, body]) => body)
const streamed = streamPairs.flatMap(({ anthropic, openai }) =>
  [...eventsOf(anthropic), ...eventsOf(openai)].filter(({ data }) => data.startsWith('{"') && data.endsWith("}"))
)

describe("nothing throws", () => {
  it("on a request, and what decodes also encodes", () => {
    fc.assert(
      fc.property(awkward(requests), fc.constantFrom(...models), (body, model) => {
        const decoded = openaiCaller.decodeRequest(body)
        if (Result.isFailure(decoded)) {
          assert.isString(decoded.failure.path)
          assert.isNotEmpty(decoded.failure.message)
          return
        }
        for (const dialect of dialects) {
          const encoded = dialect.encodeRequest(decoded.success, { model, maxOutputTokens: 5000 })
          assert.isString(JSON.stringify(encoded))
          for (const loss of encoded.losses) assert.isNotEmpty(loss.field)
        }
      }),
      { numRuns: runs * 2 }
    )
  })

  it("on an answer, and what decodes also encodes", () => {
    fc.assert(
      fc.property(awkward([...answers, ...failures]), (body) => {
        for (const dialect of dialects) {
          dialect.failureIn(body)
          for (const count of Object.values(dialect.usageOf(body) ?? {})) assert.isTrue(Number.isSafeInteger(count) && count >= 0)
          const decoded = dialect.decodeAnswer(body)
          if (Result.isSuccess(decoded)) assert.isString(JSON.stringify(openaiCaller.encodeAnswer(decoded.success, context)))
          else assert.isNotEmpty(decoded.failure.message)
        }
      }),
      { numRuns: runs }
    )
  })

  it("on a failure", () => {
    const headers = fc.dictionary(fc.constantFrom("retry-after", "retry-after-ms", "date"), fc.oneof(fc.string(), fc.integer().map(String)))
    fc.assert(
      fc.property(
        awkward(failures),
        fc.oneof(fc.integer({ min: 100, max: 999 }), fc.constantFrom(0, -1, 400, 429)),
        headers,
        (body, status, given) => {
          for (const dialect of dialects) {
            const failure = dialect.classify(status, body, given)
            assert.isAtMost(failure.message.length, 2000)
            assert.isNotEmpty(failure.message)
            assert.strictEqual(failure.class === "cancelled" || failure.class === "connection", false)
            assert.isTrue(failure.retryAfterMillis === undefined || Number.isSafeInteger(failure.retryAfterMillis))
          }
        }
      ),
      { numRuns: runs }
    )
  })

  it("on a stream, and exactly one end comes, last", () => {
    const data = fc.oneof(
      fc.string(),
      fc.jsonValue().map((value) => JSON.stringify(value)),
      mutated(streamed.map((event) => JSON.parse(event.data) as unknown)).map((value) => JSON.stringify(value))
    )
    const event: fc.Arbitrary<SseEvent> = fc.record({
      event: fc.constantFrom("", "ping", "error", "content_block_delta", "message_delta"),
      data
    })
    const broken = fc
      .tuple(
        fc.constantFrom(...streamPairs.flatMap(({ anthropic, openai }) => [eventsOf(anthropic), eventsOf(openai)])),
        fc.array(event, { maxLength: 3 }),
        fc.nat()
      )
      .map(([events, more, at]) => events.toSpliced(at % (events.length + 1), at % 2, ...more))
    fc.assert(
      fc.property(fc.oneof(fc.array(event), broken), (events) => {
        for (const dialect of dialects) {
          for (const one of events) assert.isBoolean(dialect.peek(one).content)
          const { steps, text } = translate(events, dialect, openaiCaller, context)
          const ends = steps.filter(({ _tag }) => _tag === "End" || _tag === "Failed")
          assert.strictEqual(ends.length, 1)
          assert.strictEqual(steps.at(-1), ends[0])
          assert.strictEqual(text.includes("data: [DONE]\n\n"), ends[0]?._tag === "End")
          for (const line of text.split("\n\n").filter((frame) => frame !== "" && frame !== "data: [DONE]"))
            assert.isObject(JSON.parse(line.slice(6)))
        }
      }),
      { numRuns: runs }
    )
  })

  it("on nesting that no stack holds", () => {
    const deep = JSON.parse(`${"[".repeat(50_000)}${"]".repeat(50_000)}`) as unknown
    const schema = JSON.parse(`${'{"properties":{"a":'.repeat(20_000)}{}${"}}".repeat(20_000)}`) as Record<string, unknown>
    const asked = {
      model: "m",
      messages: [
        { role: "user", content: "x" },
        { role: "assistant", tool_calls: [{ id: "a", function: { name: "f", arguments: deep } }] }
      ],
      tools: [{ type: "function", function: { name: "f", strict: true, parameters: schema } }],
      deep
    }
    const conversation = Result.getOrThrow(openaiCaller.decodeRequest(asked))
    for (const dialect of dialects) dialect.encodeRequest(conversation, { model: "claude-sonnet-4-5" })
    for (const dialect of dialects) dialect.classify(400, { detail: deep, error: deep }, {})
    assert.isTrue(Result.isSuccess(anthropic.decodeAnswer({ content: [{ type: "tool_use", id: "a", name: "f", input: deep }] })))
  })
})
