/**
 * The Messages API: what the generations of Claude accept, the failure table, and what a glance at a forwarded stream tells.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { providers } from "../../src/Providers.ts"
import { anthropic } from "../../src/providers/anthropic.ts"
import { openaiCaller } from "../../src/providers/openai.ts"
import { failures } from "../fixtures/anthropic/failures.ts"
import { streamPairs } from "../fixtures/anthropic/streams.ts"
import { context, eventsOf, translate } from "./sse.ts"

/** What is sent to `model` for a request with sampling, thinking and a later instruction. */
const sentTo = (model: string) => {
  const asked = {
    model: "gpt-4o",
    messages: [
      { role: "user", content: "Hello" },
      { role: "system", content: "Be brief." }
    ],
    temperature: 0.5,
    reasoning_effort: "xhigh",
    response_format: { type: "json_schema", json_schema: { name: "a", schema: { type: "object" } } },
    max_completion_tokens: 2000
  }
  return anthropic.encodeRequest(Result.getOrThrow(openaiCaller.decodeRequest(asked)), { model }).body
}

describe("what a model's name says", () => {
  const adaptive = { type: "adaptive" }
  const budget = { type: "enabled", budget_tokens: 1800 }
  const table: ReadonlyArray<
    readonly [model: string, thinking: unknown, effort: string | undefined, structured: boolean, laterSystem: boolean]
  > = [
    ["claude-3-5-haiku-latest", undefined, undefined, false, false],
    ["claude-3-7-sonnet-20250219", budget, undefined, false, false],
    ["claude-sonnet-4-20250514", budget, undefined, false, false],
    ["claude-sonnet-4-0", budget, undefined, false, false],
    ["claude-opus-4-1-20250805", budget, undefined, true, false],
    ["claude-sonnet-4-5-20250929", budget, undefined, true, false],
    ["claude-haiku-4.5", budget, undefined, true, false],
    ["us.anthropic.claude-opus-4-6-v1:0", adaptive, "high", true, false],
    ["claude-opus-4-7", adaptive, "xhigh", true, false],
    ["claude-opus-4-8", adaptive, "xhigh", true, true],
    ["claude-sonnet-5", adaptive, "xhigh", true, false],
    ["claude-opus-5", adaptive, "xhigh", true, true],
    ["claude-haiku-5-5", adaptive, "xhigh", true, true],
    ["claude-fable-5", adaptive, "xhigh", true, true],
    ["claude-mythos-preview", adaptive, "xhigh", true, true],
    ["claude-next", adaptive, "xhigh", true, true],
    // Another vendor's copy of the dialect.
    ["glm-4.6", budget, undefined, false, false]
  ]
  for (const [model, thinking, effort, structured, laterSystem] of table) {
    it(model, () => {
      const body = sentTo(model) as {
        thinking?: unknown
        temperature?: number
        output_config?: { effort?: string; format?: unknown }
        messages: ReadonlyArray<{ role: string }>
      }
      assert.deepStrictEqual(body.thinking, thinking)
      assert.strictEqual(body.output_config?.effort, effort)
      assert.strictEqual(body.output_config?.format !== undefined, structured)
      assert.strictEqual(body.messages.at(-1)?.role === "system", laterSystem)
      // Sampling and thinking exclude each other, so only a model that cannot think keeps its temperature here.
      assert.strictEqual(body.temperature, thinking === undefined ? 0.5 : undefined)
    })
  }
})

describe("failures", () => {
  for (const [status, body, found] of failures) {
    it(`${status} ${JSON.stringify(body)?.slice(0, 90)}`, () => {
      const failure = anthropic.classify(status, body, { "retry-after": "3" })
      assert.strictEqual(failure.class, found)
      assert.strictEqual(failure.status, status)
      assert.strictEqual(failure.retryAfterMillis, 3000)
      assert.isNotEmpty(failure.message)
    })
  }

  it("inside a success are found by their type alone", () => {
    const hidden = failures.filter(([, body]) => (body as { type?: unknown } | null)?.type === "error")
    for (const [, body, found] of hidden) assert.strictEqual(anthropic.failureIn(body)?.class, found)
    for (const body of [{ type: "message", content: [] }, null, "", []]) assert.isUndefined(anthropic.failureIn(body))
  })
})

describe("a glance at a forwarded stream", () => {
  for (const pair of streamPairs) {
    it(pair.name, () => {
      const events = eventsOf(pair.anthropic)
      const glances = events.map(anthropic.peek)
      const translated = translate(events, anthropic, openaiCaller, context)
      const failed = glances.findIndex(({ failure }) => failure !== undefined)
      // Data that is not JSON is a delta by its `event:` line, and is forwarded as what it is.
      if (pair.failure !== "malformed")
        assert.strictEqual(
          failed < 0 ? undefined : glances[failed]?.failure?.class,
          pair.failure === "stream-cut" ? undefined : pair.failure
        )
      if (pair.failure === undefined) assert.isTrue(glances.at(-1)?.done)
      if (pair.failure === "stream-cut") assert.isFalse(glances.some(({ done }) => done))
      if (translated.usage !== undefined) {
        // Each event tells its part, so whoever adds up keeps the greater; what still grows is not a total.
        const told = glances.flatMap(({ usage, usageSoFar }) => [usage, usageSoFar].filter((counts) => counts !== undefined))
        assert.strictEqual(Math.max(...told.map(({ inputTokens }) => inputTokens)), translated.usage.inputTokens)
        assert.strictEqual(Math.max(...told.map(({ outputTokens }) => outputTokens)), translated.usage.outputTokens)
        assert.isDefined(glances.findLast(({ usage }) => usage !== undefined))
      }
    })
  }
})

describe("the stream decoder", () => {
  const start = { type: "message_start", message: { id: "msg_1", model: "m", usage: { input_tokens: 1, output_tokens: 1 } } }
  const run = (...events: ReadonlyArray<unknown>) =>
    translate(
      events.map((data) => ({ event: "", data: JSON.stringify(data) })),
      anthropic,
      openaiCaller,
      context
    )

  it("calls a known event of a broken shape malformed, and says nothing after it", () => {
    for (const broken of [
      { type: "content_block_delta", delta: { type: "text_delta", text: "x" } },
      { type: "content_block_delta", index: 0 },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta" } },
      { type: "content_block_start", index: 0 },
      { type: "content_block_start", index: 0, content_block: { type: "tool_use", name: "f" } },
      { type: "message_delta" },
      start,
      {},
      7
    ]) {
      const { steps } = run(start, broken, { type: "message_stop" })
      assert.deepStrictEqual(
        steps.map(({ _tag }) => _tag),
        ["Start", "Failed"]
      )
      assert.strictEqual(steps[1]?._tag === "Failed" ? steps[1].failure.class : "", "malformed")
    }
  })

  it("begins with `message_start`", () => {
    for (const type of ["content_block_stop", "message_delta", "message_stop"]) {
      assert.strictEqual(run({ type, index: 0, delta: {} }).failure?.class, "malformed")
    }
  })

  it("tells no usage of a stream that was cut, since what came is only its beginning", () => {
    const cut = run(start, { type: "content_block_start", index: 0, content_block: { type: "text", text: "x" } })
    assert.isUndefined(cut.usage)
    assert.strictEqual(cut.failure?.class, "stream-cut")
  })

  it("keeps the counts of the start that the end does not repeat", () => {
    const { usage } = run(
      {
        type: "message_start",
        message: {
          usage: { input_tokens: 5, cache_creation_input_tokens: 7, cache_creation: { ephemeral_1h_input_tokens: 6 }, output_tokens: 1 }
        }
      },
      { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 9 } },
      { type: "message_stop" }
    )
    assert.deepStrictEqual(usage, {
      inputTokens: 12,
      cachedInputTokens: 0,
      cacheWriteInputTokens: 7,
      longCacheWriteInputTokens: 6,
      outputTokens: 9,
      reasoningTokens: 0
    })
  })
})

describe("the target", () => {
  it("is reached with its own header and version", () => {
    assert.deepStrictEqual(anthropic.headers, { "anthropic-version": "2023-06-01" })
    assert.deepStrictEqual(providers.anthropic.credential("k"), { "x-api-key": "k" })
    assert.strictEqual(anthropic.path("claude", true), "/messages")
  })

  it("answers that are no message are malformed", () => {
    for (const body of [null, 7, "", [], {}, { type: "message" }, { content: "x" }]) {
      assert.strictEqual(
        Result.match(anthropic.decodeAnswer(body), { onFailure: (failure) => failure.class, onSuccess: () => "answer" }),
        "malformed"
      )
    }
  })
})
