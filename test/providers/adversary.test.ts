/**
 * What a hostile caller, or an odd host, could do to the layer between the dialects: bodies that would take the square of their size, or overflow the engine's stack; usage that is lost; ids
 * of calls that come back in a request which a provider refuses.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { relayOf } from "../../src/exchange/relay.ts"
import type { Transfer } from "../../src/exchange/transfer.ts"
import type { Conversation, Usage } from "../../src/Conversation.ts"
import type { CallerDialect, Dialect } from "../../src/Dialect.ts"
import { anthropic, anthropicCaller, messages } from "../../src/providers/anthropic.ts"
import { gemini, geminiCaller } from "../../src/providers/gemini.ts"
import { chatCompletions, openai, openaiCaller } from "../../src/providers/openai.ts"
import { responses, responsesCaller } from "../../src/providers/responses.ts"

const targets: ReadonlyArray<readonly [Dialect, model: string]> = [
  [openai, "gpt-4o"],
  [responses, "gpt-5"],
  [anthropic, "claude-sonnet-4-5"],
  [gemini, "gemini-3-pro-preview"]
]

const decoded = (caller: CallerDialect, body: unknown): Conversation => {
  const read = caller.decodeRequest(body, { model: "x", stream: false })
  assert.isTrue(Result.isSuccess(read), JSON.stringify(read))
  return Result.getOrThrow(read)
}

const many = <A>(length: number, make: (index: number) => A): Array<A> => Array.from({ length }, (_, index) => make(index))

/** A multiple of what it takes in proportion to its size, and a fraction of what it took in proportion to its square. */
const millis = 6_000

describe("bodies as large as callers can make them", () => {
  const call = (id: string, more: object = {}) => ({ id, type: "function", function: { name: "f", arguments: "{}" }, ...more })
  const cases: ReadonlyArray<readonly [what: string, caller: CallerDialect, body: () => unknown]> = [
    [
      "messages of the assistant that follow each other",
      openaiCaller,
      () => ({ model: "x", messages: [{ role: "user", content: "q" }, ...many(90_000, () => ({ role: "assistant", content: "a" }))] })
    ],
    [
      "calls of one id",
      openaiCaller,
      () => ({
        model: "x",
        messages: [
          { role: "user", content: "q" },
          { role: "assistant", tool_calls: many(60_000, () => call("a")) },
          ...many(60_000, () => ({ role: "tool", tool_call_id: "a", content: "r" }))
        ]
      })
    ],
    [
      "fields that nobody knows",
      openaiCaller,
      () => ({
        model: "x",
        messages: [{ role: "user", content: "q", ...Object.fromEntries(many(200_000, (index) => [`k${index}`, 1])) }]
      })
    ],
    [
      "sealed thoughts beside signed calls",
      openaiCaller,
      () => ({
        model: "x",
        messages: [
          { role: "user", content: "q" },
          {
            role: "assistant",
            thinking_blocks: many(50_000, (index) => ({ type: "redacted_thinking", data: `d${index}` })),
            tool_calls: many(20_000, () => call("a", { extra_content: { google: { thought_signature: "zz" } } }))
          }
        ]
      })
    ],
    [
      "instructions that are no texts",
      openaiCaller,
      () => ({
        model: "x",
        messages: [
          {
            role: "system",
            content: [...many(20_000, () => ({ type: "image_url", image_url: { url: "x", z: 1 }, q: 1 })), { type: "text", text: "x" }]
          },
          { role: "user", content: "q" }
        ]
      })
    ],
    [
      "calls without ids",
      geminiCaller,
      () => ({
        contents: [
          { role: "user", parts: [{ text: "q" }] },
          { role: "model", parts: many(60_000, (index) => ({ functionCall: { name: `f${index}`, args: {} } })) },
          { role: "user", parts: many(60_000, (index) => ({ functionResponse: { name: `f${59_999 - index}`, response: {} } })) }
        ]
      })
    ]
  ]
  for (const [what, caller, body] of cases)
    it(`are read and written in time: ${what}`, { timeout: 120_000 }, () => {
      const began = performance.now()
      const conversation = decoded(caller, body())
      for (const [target, model] of targets) assert.isObject(target.encodeRequest(conversation, { model }).body)
      assert.isBelow(performance.now() - began, millis)
    })

  it("answers with calls of one id are written in time, whole and streamed, each by a name of its own", { timeout: 120_000 }, () => {
    const callers = [openaiCaller, responsesCaller, anthropicCaller, geminiCaller]
    const context = { id: "i", model: "m", createdSeconds: 1, includeUsage: true, request: { model: "m", input: "q" } }
    const calls = many(40_000, () => call("a"))
    const answer = Result.getOrThrow(
      openai.decodeAnswer({
        id: "x",
        choices: [{ index: 0, message: { role: "assistant", tool_calls: calls }, finish_reason: "tool_calls" }]
      })
    )
    const began = performance.now()
    for (const caller of callers) assert.isObject(caller.encodeAnswer(answer, context).body)
    const { output } = responsesCaller.encodeAnswer(answer, context).body as {
      readonly output: ReadonlyArray<{ readonly call_id: string }>
    }
    assert.deepStrictEqual([new Set(output.map((item) => item.call_id)).size, output[1]?.call_id], [calls.length, "a_1"])

    const events = [
      ...many(4_000, (index) => JSON.stringify({ choices: [{ index: 0, delta: { tool_calls: [{ index, ...call("a") }] } }] })),
      JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: "tool_calls" }] }),
      "[DONE]"
    ]
    for (const caller of callers) {
      const { initial, step } = caller.streamEncoder(context)
      let [read, written] = [openai.streamDecoder.initial, initial]
      let text = ""
      for (const data of events) {
        const [next, said] = openai.streamDecoder.step(read, { event: "", data })
        read = next
        for (const one of said) {
          const [after, bytes] = step(written, one)
          written = after
          text += bytes
        }
      }
      assert.isNotEmpty(text)
    }
    assert.isBelow(performance.now() - began, millis * 2)
  })

  it("a `data:` URL is not taken apart without end", () => {
    const url = `data:${";".repeat(20_000_000)},x`
    const began = performance.now()
    const [message] = decoded(openaiCaller, {
      model: "x",
      messages: [{ role: "user", content: [{ type: "image_url", image_url: { url } }] }]
    }).messages
    assert.isBelow(performance.now() - began, 1_000)
    const [image] = message!.parts
    assert.strictEqual(image?._tag === "Image" ? image.source._tag : undefined, "Url")
  })
})

describe("results of calls without ids", () => {
  it("go to the first call of their name that has none, whatever their order", () => {
    const part = (name: string, tag: "functionCall" | "functionResponse") =>
      tag === "functionCall" ? { [tag]: { name, args: {} } } : { [tag]: { name, response: {} } }
    const { messages: said } = decoded(geminiCaller, {
      contents: [
        { role: "user", parts: [{ text: "q" }] },
        { role: "model", parts: [part("f", "functionCall"), part("g", "functionCall"), part("f", "functionCall")] },
        { role: "user", parts: [part("g", "functionResponse"), part("f", "functionResponse"), part("f", "functionResponse")] }
      ]
    })
    const ids = said[1]!.parts.map((one) => (one._tag === "ToolCall" ? one.id : ""))
    const answered = said[2]!.parts.map((one) => (one._tag === "ToolResult" ? one.callId : ""))
    assert.deepStrictEqual(answered, [ids[1], ids[0], ids[2]])
  })
})

describe("usage that says nothing", () => {
  for (const [dialect, api] of [
    ["a chat completion", openai],
    ["a response", responses]
  ] as const)
    it(`is not taken for no tokens: ${dialect}`, () => {
      for (const usage of [{}, { cost: 1 }, { prompt_tokens: null, input_tokens: null, total_tokens: "3" }])
        assert.isUndefined(api.usageOf({ usage }))
      assert.strictEqual(api.usageOf({ usage: { prompt_tokens: 0, input_tokens: 0 } })?.inputTokens, 0)
    })

  it("does not break a response", () => {
    const read = responses.decodeAnswer({ id: "r", status: "completed", output: [], usage: {} })
    assert.isUndefined(Result.getOrThrow(read).usage)
    const written = responsesCaller.encodeAnswer(Result.getOrThrow(read), {
      id: "1",
      model: "x",
      createdSeconds: 1,
      includeUsage: true,
      request: {}
    })
    assert.deepStrictEqual(written.body["usage"], {})
  })
})

interface Told {
  readonly usage: Usage | undefined
  readonly out: string
}

/** What a relay makes of an answer. */
const relayed = (caller: "chat" | "messages", stream: boolean, text: string, id = "req_1", began = 1): Told => {
  let out = ""
  const api = caller === "chat" ? chatCompletions : messages
  const call = {
    id,
    time: 1_700_000_000_000,
    began,
    ask: { stream, model: "x" },
    incoming: { api },
    parsed: { json: {} },
    limits: { commit: "first-content" }
  }
  const transfer = {
    call,
    dialect: openai,
    forwards: caller === "chat",
    maxAnswerBytes: 1_000_000,
    readUtf8: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
    clean: (said: string) => said,
    losses: [],
    committed: true,
    usage: undefined as Usage | undefined,
    begin: () => {},
    commit: () => {},
    write: (bytes: Uint8Array | string) => void (out += typeof bytes === "string" ? bytes : new TextDecoder().decode(bytes)),
    done: (bytes?: Uint8Array | string) => void (out += typeof bytes === "string" ? bytes : ""),
    fail: (failure: { readonly message: string }) => assert.fail(failure.message)
  }
  const relay = relayOf(transfer as unknown as Transfer, 200, { "content-type": stream ? "text/event-stream" : "application/json" })
  relay.data(new TextEncoder().encode(text))
  relay.end()
  return { usage: transfer.usage, out }
}

const chunk = (body: object): string => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", model: "m", ...body })}\n\n`

describe("usage that is told twice", () => {
  const none = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }
  const text =
    chunk({ choices: [{ index: 0, delta: { content: "a" }, finish_reason: null }] }) +
    chunk({
      choices: [{ index: 0, delta: {}, finish_reason: "stop" }],
      usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }
    }) +
    chunk({ choices: [], usage: none }) +
    "data: [DONE]\n\n"
  for (const caller of ["chat", "messages"] as const)
    it(`counts as the greater of both: ${caller}`, () => {
      const { usage } = relayed(caller, true, text)
      assert.strictEqual(usage?.inputTokens, 10)
      assert.strictEqual(usage?.outputTokens, 5)
    })
})

describe("ids of tool calls", () => {
  const answer = (...ids: ReadonlyArray<string>): string =>
    JSON.stringify({
      id: "c",
      object: "chat.completion",
      model: "m",
      choices: [
        {
          index: 0,
          finish_reason: "tool_calls",
          message: {
            role: "assistant",
            content: null,
            tool_calls: ids.map((id) => ({ id, type: "function", function: { name: "f", arguments: "{}" } }))
          }
        }
      ]
    })
  const given = (out: string): ReadonlyArray<string> =>
    (JSON.parse(out) as { readonly content: ReadonlyArray<{ readonly id: string }> }).content.map(({ id }) => id)

  it("of our own making are short, and no two calls share one, whatever callers call their requests", () => {
    const id = "123e4567-e89b-12d3-a456-426614174000".repeat(3)
    const made = [1, 2].flatMap((began) => given(relayed("messages", false, answer("", ""), id, began).out))
    assert.strictEqual(new Set(made).size, 4)
    for (const one of made) assert.isAtMost(one.length, 40)
  })

  it("are no longer than OpenAI takes, and those of results the same", () => {
    const id = `toolu_${"x".repeat(90)}`
    const conversation = decoded(anthropicCaller, {
      model: "x",
      max_tokens: 10,
      messages: [
        { role: "user", content: "q" },
        { role: "assistant", content: [{ type: "tool_use", id, name: "f", input: {} }] },
        { role: "user", content: [{ type: "tool_result", tool_use_id: id, content: "r" }] }
      ]
    })
    const { messages: written } = openai.encodeRequest(conversation, { model: "gpt-4o" }).body as {
      readonly messages: ReadonlyArray<{ readonly tool_calls?: ReadonlyArray<{ readonly id: string }>; readonly tool_call_id?: string }>
    }
    const called = written[1]!.tool_calls![0]!.id
    assert.isAtMost(called.length, 40)
    assert.strictEqual(written[2]!.tool_call_id, called)
  })
})
