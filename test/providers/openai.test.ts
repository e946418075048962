/**
 * Chat Completions: what is refused, what a glance at a forwarded stream tells, usage, and the failure table.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { providers } from "../../src/Providers.ts"
import { openai, openaiCaller } from "../../src/providers/openai.ts"
import { failures, hidden } from "../fixtures/openai/failures.ts"

const user = { role: "user", content: "Hello" }
const asking = (more: object): unknown => ({ model: "gpt-4o", messages: [user], ...more })
const faultOf = (body: unknown): string | undefined =>
  Result.match(openaiCaller.decodeRequest(body), { onFailure: ({ path }) => path, onSuccess: () => undefined })
const glance = (data: unknown) => openai.peek({ event: "", data: typeof data === "string" ? data : JSON.stringify(data) })
const chunk = (delta: object, more: object = {}) => ({
  id: "c",
  object: "chat.completion.chunk",
  choices: [{ index: 0, delta, finish_reason: null }],
  ...more
})

describe("a request that does not decode names the field", () => {
  const faults: ReadonlyArray<readonly [body: unknown, path: string]> = [
    [null, ""],
    [[], ""],
    [{ messages: [user] }, "model"],
    [{ model: "gpt-4o" }, "messages"],
    [{ model: "gpt-4o", messages: [] }, "messages"],
    [{ model: "gpt-4o", messages: "Hello" }, "messages"],
    [{ model: "gpt-4o", messages: [user, "Hello"] }, "messages[1]"],
    [{ model: "gpt-4o", messages: [{ role: "bot", content: "Hello" }] }, "messages[0].role"],
    [{ model: "gpt-4o", messages: [{ role: "user", content: 7 }] }, "messages[0].content"],
    [{ model: "gpt-4o", messages: [{ role: "user", content: [{ text: "Hello" }] }] }, "messages[0].content[0].type"],
    [{ model: "gpt-4o", messages: [{ role: "user", content: [{ type: "text" }] }] }, "messages[0].content[0].text"],
    [
      { model: "gpt-4o", messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] },
      "messages[0].content[0].image_url.url"
    ],
    [{ model: "gpt-4o", messages: [{ role: "tool", content: "18" }] }, "messages[0].tool_call_id"],
    [{ model: "gpt-4o", messages: [{ role: "function", name: "f", content: "18" }] }, "messages[0].name"],
    [
      { model: "gpt-4o", messages: [{ role: "assistant", tool_calls: [{ id: "a", function: {} }] }] },
      "messages[0].tool_calls[0].function.name"
    ],
    [asking({ temperature: "hot" }), "temperature"],
    [asking({ max_tokens: 0 }), "max_tokens"],
    [asking({ n: 1.5 }), "n"],
    [asking({ stop: ["a", 1] }), "stop[1]"],
    [asking({ stream: "yes" }), "stream"],
    [asking({ tools: {} }), "tools"],
    [asking({ tools: [{ type: "function", function: {} }] }), "tools[0].function.name"],
    [asking({ tool_choice: "sometimes" }), "tool_choice"],
    [asking({ response_format: "json" }), "response_format.type"],
    [asking({ response_format: { type: "json_schema" } }), "response_format.json_schema"]
  ]
  for (const [body, path] of faults) it(path === "" ? JSON.stringify(body) : path, () => assert.strictEqual(faultOf(body), path))
})

describe("a glance at a forwarded stream", () => {
  it("tells content from what only frames it", () => {
    for (const delta of [
      { content: "x" },
      { content: '","usage":{}' },
      { content: '"error"' },
      { tool_calls: [{ index: 0, function: { arguments: "{" } }] },
      { reasoning_content: "hm" },
      { reasoning: "hm" },
      { refusal: "no" },
      { role: "assistant", content: "x", refusal: null }
    ]) {
      assert.deepStrictEqual(glance(chunk(delta)), { content: true, usageOnly: false, done: false })
      assert.deepStrictEqual(glance(chunk(delta, { usage: null })), { content: true, usageOnly: false, done: false })
      assert.isTrue(glance(JSON.stringify(chunk(delta), null, 1)).content)
    }
    for (const delta of [{}, { role: "assistant", content: "" }, { role: "assistant", content: null, refusal: null }, { tool_calls: [] }]) {
      assert.deepStrictEqual(glance(chunk(delta)), { content: false, usageOnly: false, done: false })
    }
    // Azure opens with a verdict on the prompt.
    assert.deepStrictEqual(glance({ choices: [], prompt_filter_results: [{ content_filter_results: {} }] }), {
      content: false,
      usageOnly: false,
      done: false
    })
  })

  it("finds usage, alone or beside content", () => {
    const usage = { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 }
    const read = { inputTokens: 9, cachedInputTokens: 0, cacheWriteInputTokens: 0, outputTokens: 4, reasoningTokens: 0 }
    assert.deepStrictEqual(glance({ choices: [], usage }), { content: false, usage: read, usageOnly: true, done: false })
    assert.deepStrictEqual(glance(chunk({ content: "x" }, { usage })), { content: true, usage: read, usageOnly: false, done: false })
    assert.deepStrictEqual(glance(chunk({}, { x_groq: { usage } })), { content: false, usage: read, usageOnly: false, done: false })
  })

  it("finds the end, failures and nonsense", () => {
    assert.isTrue(glance("[DONE]").done)
    assert.isTrue(glance(" [DONE] ").done)
    for (const [body, found] of hidden) assert.strictEqual(glance(body).failure?.class, found)
    for (const data of ["", "x", "7", "null", "[]", '{"choices":']) assert.strictEqual(glance(data).failure?.class, "malformed")
  })
})

describe("usage", () => {
  const usageOf = (usage: unknown) => openai.usageOf({ usage })
  it("counts details within the totals", () => {
    assert.deepStrictEqual(
      usageOf({
        prompt_tokens: 100,
        completion_tokens: 50,
        total_tokens: 150,
        prompt_tokens_details: { cached_tokens: 60, cache_write_tokens: 10 },
        completion_tokens_details: { reasoning_tokens: 20 }
      }),
      { inputTokens: 100, cachedInputTokens: 60, cacheWriteInputTokens: 10, outputTokens: 50, reasoningTokens: 20 }
    )
  })
  it("adds reasoning that a host counts apart, which only its total tells", () => {
    assert.strictEqual(
      usageOf({ prompt_tokens: 10, completion_tokens: 5, total_tokens: 35, completion_tokens_details: { reasoning_tokens: 20 } })
        ?.outputTokens,
      25
    )
    assert.strictEqual(
      usageOf({ prompt_tokens: 10, completion_tokens: 25, total_tokens: 35, completion_tokens_details: { reasoning_tokens: 20 } })
        ?.outputTokens,
      25
    )
  })
  it("reads the cache hits of hosts that count them elsewhere", () => {
    assert.strictEqual(usageOf({ prompt_tokens: 10, completion_tokens: 5, prompt_cache_hit_tokens: 4 })?.cachedInputTokens, 4)
    assert.strictEqual(usageOf({ prompt_tokens: 10, completion_tokens: 5, cached_tokens: 40 })?.cachedInputTokens, 10)
  })
  it("is made of counts whatever the provider writes", () => {
    for (const usage of [{ prompt_tokens: -1, completion_tokens: 1e300 }, { prompt_tokens: "9" }, {}]) {
      for (const count of Object.values(usageOf(usage) ?? {})) assert.isTrue(Number.isSafeInteger(count) && count >= 0)
    }
    for (const usage of [undefined, null, 7, []]) assert.isUndefined(usageOf(usage))
  })
})

describe("failures", () => {
  for (const [status, body, found] of failures) {
    it(`${status} ${JSON.stringify(body)?.slice(0, 80)}`, () => {
      const failure = openai.classify(status, body, {})
      assert.strictEqual(failure.class, found)
      assert.strictEqual(failure.status, status)
      assert.isNotEmpty(failure.message)
    })
  }

  it("are found inside a success", () => {
    for (const [body, found] of hidden) {
      assert.strictEqual(openai.failureIn(body)?.class, found)
      assert.strictEqual(
        Result.match(openai.decodeAnswer(body), { onFailure: (failure) => failure.class, onSuccess: () => "answer" }),
        found
      )
    }
    for (const body of [{ choices: [], error: null }, { choices: [{}] }, null, "", []]) assert.isUndefined(openai.failureIn(body))
  })

  it("say how long to wait", () => {
    const wait = (headers: Record<string, string>) => openai.classify(429, {}, headers).retryAfterMillis
    assert.strictEqual(wait({ "retry-after-ms": "250", "retry-after": "7" }), 250)
    assert.strictEqual(wait({ "retry-after": "7" }), 7000)
    assert.strictEqual(wait({ "retry-after": "0.5" }), 500)
    assert.strictEqual(wait({ "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", date: "Wed, 21 Oct 2026 07:28:00 GMT" }), 30_000)
    assert.strictEqual(wait({ "retry-after": "Wed, 21 Oct 2026 07:27:00 GMT", date: "Wed, 21 Oct 2026 07:28:00 GMT" }), 0)
    assert.isUndefined(wait({ "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT" }))
    assert.isUndefined(wait({ "retry-after": "soon", date: "now" }))
    assert.isUndefined(wait({ "retry-after": "-1" }))
    assert.strictEqual(wait({ "retry-after": "999999999" }), 86_400_000)
  })

  it("never repeat a credential, and are not long", () => {
    const said = (message: string) => openai.classify(401, { error: { message } }, {}).message
    for (const secret of [
      "sk-proj-abcDEF123",
      "sk-ant-api03-x_y-z",
      "gsk_1234567890",
      "AIzaSyA1234567890",
      "xai-12345678",
      "invalid-*****2345",
      "Zm9vYmFy"
    ]) {
      assert.notInclude(said(`Incorrect API key provided: ${secret}. You can find your API key at https://example.com.`), secret)
    }
    assert.notInclude(said("refused: Bearer abcdef123456"), "abcdef123456")
    assert.include(said("Incorrect API key provided: sk-abcdef. You can find it there."), "You can find it there.")
    assert.strictEqual(said("The task-force-list and keyboard are fine."), "The task-force-list and keyboard are fine.")
    assert.isAtMost(said("x".repeat(100_000)).length, 2000)
  })

  it("carry the provider's code and the field that it blames", () => {
    const failure = openai.classify(
      400,
      { error: { message: "No.", type: "invalid_request_error", code: "invalid_value", param: "messages[0]" } },
      {}
    )
    assert.deepStrictEqual(failure, { class: "bad-request", message: "No.", status: 400, code: "invalid_value", param: "messages[0]" })
  })
})

describe("the target", () => {
  it("is reached with a bearer, or without a key with nothing", () => {
    assert.deepStrictEqual(openai.headers, {})
    assert.deepStrictEqual(providers.openai.credential("k"), { authorization: "Bearer k" })
    assert.strictEqual(openai.path("gpt", true), "/chat/completions")
  })

  it("asks a stream for its usage, and gets its own unknown fields back", () => {
    const asked = { model: "gpt-4o", messages: [user], stream: true, max_tokens: 9, min_p: 0.1, user: "u" }
    const { body, losses } = openai.encodeRequest(Result.getOrThrow(openaiCaller.decodeRequest(asked)), { model: "gpt-5" })
    assert.deepStrictEqual(body, { ...asked, model: "gpt-5", stream_options: { include_usage: true } })
    assert.deepStrictEqual(losses, [])
  })
})
