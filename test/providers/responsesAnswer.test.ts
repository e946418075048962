/**
 * Answers and streams of the Responses API by hand: what hosts leave out, what goes wrong, and what callers get of other dialects' answers, read by OpenAI's own SDK.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { APIError, OpenAI } from "openai"
import type { Answer, Citation, Part, Seal, StreamEvent } from "../../src/Conversation.ts"
import type { AnswerContext, SseEvent } from "../../src/Dialect.ts"
import type { DialectName } from "../../src/Providers.ts"
import { refuse } from "../../src/GatewayError.ts"
import { responses, responsesApi, responsesCaller } from "../../src/providers/responses.ts"
import { eventsOf, translate } from "./sse.ts"

type Any = any

const context: AnswerContext = {
  id: "7",
  model: "smart",
  createdSeconds: 1_760_000_000,
  includeUsage: true,
  request: { model: "smart", input: "x", instructions: "be brief", temperature: 0.5, metadata: { team: "a" }, text: { verbosity: "low" } }
}

const usage = { inputTokens: 10, cachedInputTokens: 4, cacheWriteInputTokens: 2, outputTokens: 7, reasoningTokens: 3 }
const answerOf = (parts: ReadonlyArray<Part>, more: Partial<Answer> = {}): Answer => ({
  dialect: "messages",
  parts,
  stop: "end",
  usage,
  extras: [],
  ...more
})
const encoded = (parts: ReadonlyArray<Part>, more?: Partial<Answer>) => {
  const { body, losses } = responsesCaller.encodeAnswer(answerOf(parts, more), context)
  return { body: body as Any, losses: losses.map(({ field }) => field) }
}
const decoded = (body: unknown): Answer => Result.getOrThrow(responses.decodeAnswer(body))
const failureOf = (body: unknown): string | undefined => {
  const result = responses.decodeAnswer(body)
  return Result.isFailure(result) ? result.failure.class : undefined
}

/** What an encoder writes of these events. */
const written = (events: ReadonlyArray<StreamEvent>) => {
  const encoder = responsesCaller.streamEncoder(context)
  let state: unknown = encoder.initial
  let text = ""
  const losses: Array<string> = []
  for (const event of events) {
    const [next, more, lost = []] = encoder.step(state, event)
    state = next
    text += more
    losses.push(...lost.map(({ field }) => field))
  }
  return { text, losses, types: eventsOf(text).map(({ event }) => event), final: JSON.parse(eventsOf(text).at(-1)!.data).response as Any }
}

const clientOf = (text: string) =>
  new OpenAI({
    apiKey: "none",
    maxRetries: 0,
    fetch: () => Promise.resolve(new Response(text, { headers: { "content-type": "text/event-stream" } }))
  })
const accumulated = async (text: string): Promise<Any> => clientOf(text).responses.stream({ model: "m", input: "x" }).finalResponse()

const frame = (type: string, fields: object): SseEvent => ({ event: type, data: JSON.stringify({ type, ...fields }) })
const created = frame("response.created", { response: { id: "resp_1", object: "response", status: "in_progress", model: "m", output: [] } })
const completed = (output: ReadonlyArray<unknown>, more: object = {}): SseEvent =>
  frame("response.completed", {
    response: { id: "resp_1", object: "response", status: "completed", model: "m", output, error: null, ...more }
  })
const stepsOf = (events: ReadonlyArray<SseEvent>): ReadonlyArray<StreamEvent> =>
  translate(events, responses, responsesCaller, context).steps.filter(({ _tag }) => _tag !== "Extra")

const message = (text: string, id = "msg_1") => ({
  id,
  type: "message",
  status: "completed",
  role: "assistant",
  content: [
    { type: "output_text", text, annotations: [{ type: "url_citation", url: "https://a.b", title: "A", start_index: 0, end_index: 2 }] }
  ]
})
const call = { id: "fc_1", type: "function_call", status: "completed", call_id: "call_1", name: "f", arguments: '{"a":1}' }
const thought = { id: "rs_1", type: "reasoning", summary: [{ type: "summary_text", text: "hm" }], encrypted_content: "SEAL" }

describe("a stream says everything once", () => {
  const at = { output_index: 0, content_index: 0, item_id: "msg_1" }
  const tellings: Readonly<Record<string, ReadonlyArray<SseEvent>>> = {
    "the last event alone": [completed([message("hello")])],
    "the item alone": [frame("response.output_item.done", { output_index: 0, item: message("hello") }), completed([message("hello")])],
    "the part alone": [
      frame("response.output_item.added", { output_index: 0, item: { ...message(""), content: [] } }),
      frame("response.output_text.done", { ...at, text: "hello" }),
      frame("response.output_item.done", { output_index: 0, item: message("hello") }),
      completed([message("hello")])
    ],
    "deltas without anything around them": [
      frame("response.output_text.delta", { ...at, delta: "hel" }),
      frame("response.output_text.delta", { ...at, delta: "lo" }),
      completed([message("hello")])
    ],
    everything: [
      frame("response.output_item.added", { output_index: 0, item: { ...message(""), content: [] } }),
      frame("response.content_part.added", { ...at, part: { type: "output_text", text: "", annotations: [] } }),
      frame("response.output_text.delta", { ...at, delta: "hel" }),
      frame("response.output_text.delta", { ...at, delta: "lo" }),
      frame("response.output_text.annotation.added", { ...at, annotation_index: 0, annotation: message("").content[0]!.annotations[0] }),
      frame("response.output_text.done", { ...at, text: "hello" }),
      frame("response.content_part.done", { ...at, part: message("hello").content[0] }),
      frame("response.output_item.done", { output_index: 0, item: message("hello") }),
      completed([message("hello")])
    ]
  }
  for (const [name, events] of Object.entries(tellings)) {
    it(`told by ${name}`, () => {
      const steps = stepsOf([created, ...events])
      assert.strictEqual(steps.flatMap((step) => (step._tag === "TextDelta" ? [step.text] : [])).join(""), "hello")
      const citations = steps.flatMap((step) => (step._tag === "Cited" ? [step.citation] : []))
      assert.deepStrictEqual(
        citations.map(({ end, start, title, url }) => ({ end, start, title, url })),
        [{ url: "https://a.b", title: "A", start: 0, end: 2 }]
      )
      assert.deepStrictEqual(
        steps.filter(({ _tag }) => _tag === "Item"),
        [{ _tag: "Item", id: "msg_1" }]
      )
      assert.deepStrictEqual(steps.slice(-2), [{ _tag: "Stop", reason: "end" }, { _tag: "End" }])
      assert.deepStrictEqual(steps[0], { _tag: "Start", id: "resp_1", model: "m" })
    })
  }

  const calling: Readonly<Record<string, ReadonlyArray<SseEvent>>> = {
    "the last event": [],
    "the item": [frame("response.output_item.done", { output_index: 0, item: call })],
    "its end": [
      frame("response.output_item.added", { output_index: 0, item: { ...call, arguments: "" } }),
      frame("response.function_call_arguments.done", { output_index: 0, item_id: "fc_1", arguments: '{"a":1}' }),
      frame("response.output_item.done", { output_index: 0, item: call })
    ],
    "deltas that no end follows": [
      frame("response.output_item.added", { output_index: 0, item: { ...call, arguments: "" } }),
      frame("response.function_call_arguments.delta", { output_index: 0, item_id: "fc_1", delta: '{"a"' }),
      frame("response.function_call_arguments.delta", { output_index: 0, item_id: "fc_1", delta: ":1}" })
    ]
  }
  for (const [name, events] of Object.entries(calling)) {
    it(`a call told by ${name}`, () => {
      const steps = stepsOf([created, ...events, completed([call])])
      assert.deepStrictEqual(
        steps.filter(({ _tag }) => _tag === "ToolCallStart"),
        [{ _tag: "ToolCallStart", index: 0, id: "call_1", name: "f" }]
      )
      assert.strictEqual(steps.flatMap((step) => (step._tag === "ToolCallDelta" ? [step.arguments] : [])).join(""), '{"a":1}')
      assert.strictEqual(steps.filter(({ _tag }) => _tag === "ToolCallEnd").length, 1)
      assert.deepStrictEqual(steps.at(-2), { _tag: "Stop", reason: "tool-calls" })
    })
  }

  it("a seal closes the reasoning that it seals, and stands alone where nothing is shown", () => {
    const steps = stepsOf([created, frame("response.output_item.done", { output_index: 0, item: thought }), completed([thought])])
    assert.deepStrictEqual(steps.slice(1, 4), [
      { _tag: "Item", id: "rs_1" },
      { _tag: "ReasoningDelta", text: "hm" },
      { _tag: "Sealed", seal: { dialect: "responses", data: "SEAL", id: "rs_1" } }
    ])
    const hidden = { ...thought, summary: [] }
    assert.deepStrictEqual(stepsOf([created, completed([hidden])])[2], {
      _tag: "SealedReasoning",
      seal: { dialect: "responses", data: "SEAL", id: "rs_1" }
    })
  })

  it("progress of the provider's own tools says nothing, and their items come whole", () => {
    const item = { id: "ws_1", type: "web_search_call", status: "completed", action: { type: "search", query: "x" } }
    const steps = stepsOf([
      created,
      frame("response.output_item.added", { output_index: 0, item: { ...item, status: "in_progress" } }),
      frame("response.web_search_call.searching", { output_index: 0, item_id: "ws_1" }),
      frame("response.mcp_call.failed", { output_index: 0, item_id: "ws_1", status: "failed" }),
      frame("response.something.new", { output_index: 0, item_id: "ws_1", error: null }),
      frame("response.output_item.done", { output_index: 0, item }),
      completed([item])
    ])
    assert.deepStrictEqual(steps.slice(1, -2), [
      { _tag: "Whole", part: { _tag: "Foreign", type: "web_search_call", value: item, at: "output[0]" } }
    ])
  })
})

describe("why an answer ended", () => {
  const cases: ReadonlyArray<readonly [object, Answer["stop"]]> = [
    [{ status: "completed", output: [message("x")] }, "end"],
    [{ status: "completed", output: [message("x"), call] }, "tool-calls"],
    [{ status: "completed", output: [{ ...message("x"), content: [{ type: "refusal", refusal: "no" }] }] }, "refusal"],
    [{ status: "incomplete", incomplete_details: { reason: "max_output_tokens" }, output: [message("x"), call] }, "max-tokens"],
    [{ status: "incomplete", incomplete_details: { reason: "content_filter" }, output: [] }, "content-filter"],
    [{ status: "incomplete", incomplete_details: { reason: "of another kind" }, output: [] }, "unknown"],
    [{ status: "queued", output: [] }, "paused"],
    [{ output: [message("x")] }, "unknown"]
  ]
  for (const [body, stop] of cases) {
    it(`${JSON.stringify(body).slice(0, 80)} is ${stop}, whole and streamed, and comes back`, () => {
      const answer = decoded(body)
      assert.strictEqual(answer.stop, stop)
      const again = responsesCaller.encodeAnswer(answer, context).body as Any
      assert.strictEqual(again.status ?? undefined, (body as Any).status)
      assert.deepStrictEqual(again.incomplete_details ?? undefined, (body as Any).incomplete_details)
      const type = (body as Any).status === "incomplete" ? "response.incomplete" : "response.completed"
      const status = (body as Any).status === undefined ? "completed" : undefined
      const streamed = stepsOf([created, frame(type, { response: { ...body, ...(status === undefined ? {} : { status }) } })])
      const broken = stop === "unknown" && status === undefined ? { broken: true } : {}
      assert.deepStrictEqual(streamed.at(-2), { _tag: "Stop", reason: status === undefined ? stop : "end", ...broken })
    })
  }
})

describe("failures", () => {
  it("a failed response inside a success is one, by its code, and no error is none", () => {
    const failed = (code: string, text = "it broke") => ({ status: "failed", error: { code, message: text }, output: [] })
    assert.strictEqual(failureOf(failed("server_error")), "server-error")
    assert.strictEqual(failureOf(failed("rate_limit_exceeded")), "rate-limited")
    assert.strictEqual(failureOf(failed("insufficient_quota")), "quota-exhausted")
    assert.strictEqual(failureOf(failed("invalid_prompt", "Invalid prompt: it was flagged")), "content-filter")
    assert.strictEqual(failureOf(failed("invalid_prompt")), "bad-request")
    assert.strictEqual(failureOf(failed("vector_store_timeout")), "timeout")
    assert.strictEqual(failureOf({ status: "failed", error: null, output: [] }), "server-error")
    assert.strictEqual(failureOf({ status: "cancelled", error: null, output: [] }), "server-error")
    assert.isUndefined(failureOf({ status: "completed", error: null, output: [] }))
    assert.isUndefined(responses.failureIn({ status: "completed", error: null, output: [] }))
  })

  it("an answer of a broken shape is malformed", () => {
    for (const body of [
      null,
      [],
      {},
      { output: {} },
      { output: [1] },
      { output: [{ type: "message" }] },
      { output: [{ type: "function_call" }] }
    ])
      assert.strictEqual(failureOf(body), "malformed", JSON.stringify(body))
  })

  const error = { code: "rate_limit_exceeded", message: "slow down", param: null }
  const streams: Readonly<Record<string, ReadonlyArray<SseEvent>>> = {
    "an error in an object of its own": [created, frame("error", { error: { type: "x", ...error }, sequence_number: 1 })],
    "an error in the event": [created, frame("error", { ...error, sequence_number: 1 })],
    "a failed response": [created, frame("response.failed", { response: { status: "failed", error } })],
    "a failed response that calls itself completed": [created, completed([], { status: "failed", error })],
    "an error of something before the provider": [created, { event: "", data: JSON.stringify({ error }) }]
  }
  for (const [name, events] of Object.entries(streams)) {
    it(`a stream fails by ${name}, and a glance sees it`, () => {
      const { failure, steps, text } = translate(events, responses, responsesCaller, context)
      assert.strictEqual(failure?.class, "rate-limited")
      assert.strictEqual(failure?.message, "slow down")
      assert.strictEqual(steps.filter(({ _tag }) => _tag === "Failed").length, 1)
      assert.notMatch(text, /^event: response\.(?:completed|incomplete)/m)
      assert.strictEqual(responses.peek(events.at(-1)!).failure?.class, "rate-limited")
    })
  }

  it("OpenAI's SDK raises on the last words of a stream, however it is read", async () => {
    const begun = written([{ _tag: "Start" }, { _tag: "TextDelta", text: "hel" }]).text
    const ends = [
      responsesApi.errorEvent(refuse("deadline_exceeded", "too late")),
      written([{ _tag: "Failed", failure: { class: "timeout", message: "too late" } }]).text
    ]
    for (const end of ends) {
      const read = async (): Promise<void> => {
        for await (const _ of await clientOf(begun + end).responses.create({ model: "m", input: "x", stream: true })) void _
      }
      const helped = (): Promise<unknown> => accumulated(begun + end)
      for (const run of [read, helped]) {
        const raised: unknown = await run().then(
          () => undefined,
          (reason: unknown) => reason
        )
        assert.instanceOf(raised, APIError)
        assert.include((raised as APIError).message, "too late")
      }
    }
    assert.strictEqual(JSON.parse(responsesApi.errorBody(refuse("invalid_json", "no"))).error.code, "invalid_json")
  })

  it("nothing follows a failure", () => {
    const failed: StreamEvent = { _tag: "Failed", failure: { class: "timeout", message: "x" } }
    const after: ReadonlyArray<StreamEvent> = [{ _tag: "TextDelta", text: "y" }, { _tag: "End" }, failed]
    assert.strictEqual(written([failed, ...after]).text, written([failed]).text)
  })
})

const sealOf = (dialect: DialectName, data: string): Seal => ({ dialect, data })

/** What the caller sends back of an answer, as its SDK does: the output items are the next input. */
const sentBack = (output: ReadonlyArray<unknown>): ReadonlyArray<Part> =>
  Result.getOrThrow(responsesCaller.decodeRequest({ model: "smart", input: [{ role: "user", content: "x" }, ...output] })).messages.flatMap(
    ({ parts, role }) => (role === "assistant" ? parts : [])
  )

describe("answers of other dialects as responses", () => {
  it("repeats the request, with the API's own defaults, and keeps nothing", () => {
    const { body } = encoded([{ _tag: "Text", text: "hi" }])
    assert.strictEqual(body.id, "resp_7")
    assert.strictEqual(body.object, "response")
    assert.strictEqual(body.created_at, 1_760_000_000)
    assert.strictEqual(body.model, "smart")
    assert.strictEqual(body.instructions, "be brief")
    assert.strictEqual(body.temperature, 0.5)
    assert.deepStrictEqual(body.metadata, { team: "a" })
    assert.deepStrictEqual(body.text, { format: { type: "text" }, verbosity: "low" })
    assert.strictEqual(body.tool_choice, "auto")
    assert.deepStrictEqual(body.tools, [])
    assert.isFalse(body.store)
    assert.isNull(body.error)
    assert.deepStrictEqual(body.usage, {
      input_tokens: 10,
      input_tokens_details: { cached_tokens: 4, cache_write_tokens: 2 },
      output_tokens: 7,
      output_tokens_details: { reasoning_tokens: 3 },
      total_tokens: 17
    })
    assert.deepStrictEqual(body.output, [
      {
        id: "msg_7_0",
        type: "message",
        status: "completed",
        role: "assistant",
        content: [{ type: "output_text", text: "hi", annotations: [], logprobs: [] }]
      }
    ])
  })

  it("seals of every dialect come back from a caller that keeps no state", () => {
    const signed = sealOf("messages", "SIG==")
    const { body, losses } = encoded([
      { _tag: "Reasoning", text: "let me see", seal: signed },
      { _tag: "SealedReasoning", seal: sealOf("messages", "HIDDEN") },
      { _tag: "Text", text: "so" },
      { _tag: "ToolCall", id: "a", name: "f", arguments: "{}", seal: sealOf("generateContent", "THOUGHT") }
    ])
    assert.deepStrictEqual(losses, [])
    assert.deepStrictEqual(
      body.output.map(({ type }: Any) => type),
      ["reasoning", "reasoning", "message", "reasoning", "function_call"]
    )
    const back = sentBack(body.output)
    assert.deepStrictEqual(
      back.map((part) => [part._tag, "seal" in part ? part.seal : undefined]),
      [
        ["Reasoning", signed],
        ["SealedReasoning", sealOf("messages", "HIDDEN")],
        ["Text", undefined],
        ["SealedReasoning", sealOf("generateContent", "THOUGHT")],
        ["ToolCall", undefined]
      ]
    )
  })

  it("an own seal is given back as the provider wrote it", () => {
    const answer = decoded({ status: "completed", output: [thought, call] })
    assert.deepStrictEqual(answer.parts[0], {
      _tag: "Reasoning",
      text: "hm",
      item: "rs_1",
      seal: { dialect: "responses", data: "SEAL", id: "rs_1" }
    })
    const body = responsesCaller.encodeAnswer(answer, context).body as Any
    assert.strictEqual(body.output[0].encrypted_content, "SEAL")
    const part = sentBack(body.output)[0]
    assert.deepStrictEqual(part?._tag === "Reasoning" ? part.seal : undefined, { dialect: "responses", data: "SEAL", id: "rs_1" })
  })

  it("a refusal is one; a refusal that no part tells is no finished answer", () => {
    assert.deepStrictEqual(encoded([{ _tag: "Refusal", text: "no" }], { stop: "refusal" }).body.output[0].content, [
      { type: "refusal", refusal: "no" }
    ])
    assert.strictEqual(encoded([{ _tag: "Refusal", text: "no" }], { stop: "refusal" }).body.status, "completed")
    const silent = encoded([{ _tag: "Text", text: "I" }], { stop: "refusal" }).body
    assert.deepStrictEqual([silent.status, silent.incomplete_details], ["incomplete", { reason: "content_filter" }])
  })

  it("an unfinished answer is never called completed", () => {
    for (const stop of ["max-tokens", "content-filter", "paused", "context-window"] as const) {
      const { body } = encoded([{ _tag: "Text", text: "hal" }], { stop })
      assert.strictEqual(body.status, "incomplete", stop)
      assert.isString(body.incomplete_details.reason, stop)
      assert.strictEqual(body.output[0].status, "incomplete", stop)
      const { final, types } = written([
        { _tag: "Start" },
        { _tag: "TextDelta", text: "hal" },
        { _tag: "Stop", reason: stop },
        { _tag: "End" }
      ])
      assert.strictEqual(types.at(-1), "response.incomplete", stop)
      assert.strictEqual(final.output[0].status, "incomplete", stop)
    }
  })

  it("sources with an address are cited, the others are a loss", () => {
    const cited: Citation = { url: "https://a.b", title: "A", value: { type: "web_search_result_location" } }
    const { body, losses } = encoded([
      { _tag: "Text", text: "so it is", citations: [cited] },
      { _tag: "Text", text: "and so", citations: [cited, { quote: "q", value: { type: "page_location" } }] }
    ])
    const annotation = { type: "url_citation", url: "https://a.b", title: "A", start_index: 0 }
    assert.deepStrictEqual(body.output[0].content[0].annotations, [{ ...annotation, end_index: 8 }])
    assert.deepStrictEqual(body.output[0].content[1].annotations, [{ ...annotation, end_index: 6 }])
    assert.deepStrictEqual(losses, ["content[1].citations"])
    const streamed = written([
      { _tag: "Start" },
      { _tag: "TextDelta", text: "so it is" },
      { _tag: "Cited", citation: cited },
      { _tag: "Cited", citation: { value: {} } },
      { _tag: "End" }
    ])
    assert.deepStrictEqual(streamed.final.output[0].content[0].annotations, [{ ...annotation, end_index: 8 }])
    assert.deepStrictEqual(streamed.losses, ["citations"])
  })

  it("a picture is an item of the provider's tool for pictures", () => {
    const picture: Part = { _tag: "Image", source: { _tag: "Base64", mediaType: "image/png", data: "AAAA" } }
    const { body, losses } = encoded([picture, { _tag: "Image", source: { _tag: "Url", url: "https://a.b/c.png" } }])
    assert.deepStrictEqual(
      body.output.map(({ result, type }: Any) => [type, result]),
      [["image_generation_call", "AAAA"]]
    )
    assert.deepStrictEqual(losses, ["content[1]"])
    const streamed = written([{ _tag: "Start" }, { _tag: "Whole", part: picture }, { _tag: "End" }])
    assert.strictEqual(streamed.final.output[0].result, "AAAA")
  })

  it("foreign parts and what matters beside them are losses, named as the provider names them", () => {
    const foreign: Part = { _tag: "Foreign", type: "server_tool_use", value: { type: "server_tool_use" }, at: "content[0]" }
    const extras = [
      { field: "container", value: {}, matters: true },
      { field: "type", value: "message", matters: false }
    ]
    assert.deepStrictEqual(encoded([foreign], { extras }).losses, ["content[0]", "container"])
    assert.deepStrictEqual(written([{ _tag: "Start" }, { _tag: "Whole", part: foreign as never }, { _tag: "End" }]).losses, ["content[0]"])
  })

  it("calls without ids or arguments get some, and two calls never share an id", () => {
    const one: Part = { _tag: "ToolCall", id: "", name: "f", arguments: "" }
    const ids = encoded([one, one, { ...one, id: "x" }, { ...one, id: "x" }], { stop: "tool-calls" }).body.output.map((item: Any) => [
      item.call_id,
      item.arguments
    ])
    assert.deepStrictEqual(ids, [
      ["call_7_0", "{}"],
      ["call_7_1", "{}"],
      ["x", "{}"],
      ["x_1", "{}"]
    ])
  })
})

describe("streams of other dialects as OpenAI's SDK accumulates them", () => {
  it("text, reasoning and calls that are interleaved", async () => {
    const { text, types } = written([
      { _tag: "Start", id: "msg_x", model: "claude" },
      { _tag: "ReasoningDelta", text: "let me " },
      { _tag: "ReasoningDelta", text: "see" },
      { _tag: "Sealed", seal: sealOf("messages", "SIG") },
      { _tag: "TextDelta", text: "I look" },
      { _tag: "PartEnd" },
      { _tag: "TextDelta", text: " it up" },
      { _tag: "ToolCallStart", index: 0, id: "a", name: "f" },
      { _tag: "ToolCallStart", index: 1, id: "b", name: "g" },
      { _tag: "ToolCallDelta", index: 1, arguments: '{"y":' },
      { _tag: "ToolCallDelta", index: 0, arguments: '{"x":1}' },
      { _tag: "ToolCallDelta", index: 1, arguments: "2}" },
      { _tag: "ToolCallEnd", index: 0 },
      { _tag: "Stop", reason: "tool-calls" },
      { _tag: "Usage", usage },
      { _tag: "End" }
    ])
    const final = await accumulated(text)
    assert.strictEqual(final.output_text, "I look it up")
    assert.deepStrictEqual(
      final.output.map((item: Any) => [
        item.type,
        item.arguments ?? item.content?.length ?? item.summary.map((one: Any) => one.text).join("")
      ]),
      [
        ["reasoning", "let me see"],
        ["message", 2],
        ["function_call", '{"x":1}'],
        ["function_call", '{"y":2}']
      ]
    )
    assert.strictEqual(final.usage.total_tokens, 17)
    assert.strictEqual(final.status, "completed")
    assert.deepStrictEqual(types.slice(0, 8), [
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.reasoning_summary_part.added",
      "response.reasoning_summary_text.delta",
      "response.reasoning_summary_text.delta",
      "response.reasoning_summary_text.done",
      "response.reasoning_summary_part.done"
    ])
  })

  it("a seal that comes after its text stands behind it", async () => {
    const { text } = written([{ _tag: "TextDelta", text: "hi" }, { _tag: "Sealed", seal: sealOf("generateContent", "S") }, { _tag: "End" }])
    const final = await accumulated(text)
    assert.deepStrictEqual(
      final.output.map(({ type }: Any) => type),
      ["message", "reasoning"]
    )
    const last = sentBack(final.output)[1]
    assert.deepStrictEqual(last, { ...last, _tag: "SealedReasoning", seal: sealOf("generateContent", "S") })
  })

  it("a call's seal goes before it, and both are seen by the SDK", async () => {
    const { text } = written([
      { _tag: "ToolCallStart", index: 0, id: "", name: "f", seal: sealOf("generateContent", "S") },
      { _tag: "ToolCallEnd", index: 0 },
      { _tag: "Stop", reason: "tool-calls" },
      { _tag: "End" }
    ])
    const final = await accumulated(text)
    assert.deepStrictEqual(
      final.output.map((item: Any) => [item.type, item.call_id, item.arguments]),
      [
        ["reasoning", undefined, undefined],
        ["function_call", "call_7_0", "{}"]
      ]
    )
  })

  it("an answer of nothing at all", async () => {
    const final = await accumulated(written([{ _tag: "End" }]).text)
    assert.deepStrictEqual([final.status, final.output, final.usage], ["completed", [], null])
  })
})

describe("a glance", () => {
  it("parses all of what it forwards", () => {
    const broken = { event: "response.output_text.delta", data: "{" }
    assert.strictEqual(responses.peek(broken).failure?.class, "malformed")
    const cut = { event: "", data: `{"type":"response.output_text.delta","delta":` }
    assert.strictEqual(responses.peek(cut).failure?.class, "malformed")
    assert.strictEqual(responses.peek({ event: "", data: "{" }).failure?.class, "malformed")
  })

  it("tells content from what surrounds it", () => {
    const item = (type: string) => frame("response.output_item.added", { output_index: 0, item: { type } })
    assert.isFalse(responses.peek(item("message")).content)
    assert.isFalse(responses.peek(item("reasoning")).content)
    assert.isTrue(responses.peek(item("function_call")).content)
    assert.isFalse(responses.peek(created).content)
    assert.isTrue(responses.peek(completed([])).done)
    assert.isTrue(responses.peek(frame("response.incomplete", { response: { output: [] } })).done)
    assert.isFalse(responses.peek({ event: "", data: "[DONE]" }).done)
  })
})

describe("awkward input", () => {
  // A key that is a number makes the engine print by recursion.
  const deep = JSON.parse(`${'{"0":['.repeat(50_000)}${"]}".repeat(50_000)}`) as unknown

  it("nesting that no stack holds is left out, and the rest is printed", () => {
    const body = {
      status: "completed",
      output: [
        { ...message("hi"), deep },
        { type: "x", id: "x", deep }
      ],
      deep
    }
    const { body: again, losses } = responsesCaller.encodeAnswer(decoded(body), context)
    assert.include(JSON.stringify(again), '"hi"')
    assert.deepStrictEqual(
      losses.map(({ field }) => field),
      ["output[1]", "output[0].deep"]
    )
    const asked = { ...context, request: { tools: [deep], metadata: { deep }, instructions: "x" } }
    assert.include(JSON.stringify(responsesCaller.encodeAnswer(answerOf([]), asked).body), '"tools":[]')
    const events = [created, frame("response.output_text.delta", { output_index: 0, delta: "hi" })]
    const text = translate([...events, completed([])], responses, responsesCaller, asked).text
    assert.include(text, "event: response.completed")
  })

  it("names that objects have by themselves are names like others", () => {
    const body = JSON.parse(
      '{"status":"completed","__proto__":{"a":1},"output":[{"type":"constructor","__proto__":1}],"usage":{"__proto__":2}}'
    ) as unknown
    const again = responsesCaller.encodeAnswer(decoded(body), context).body
    assert.isUndefined(({} as Any).a)
    assert.isString(JSON.stringify(again))
    assert.isUndefined(
      translate([frame("toString", {}), frame("constructor", {}), completed([])], responses, responsesCaller, context).failure
    )
  })
})
