/**
 * Answers of any dialect as a Messages caller reads them: examples by hand, the laws of the round trip, and errors as the official client raises them.
 */
import Anthropic, {
  APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  PermissionDeniedError,
  RateLimitError
} from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import type { Answer, Extra, Part, StopReason, StreamEvent, Usage } from "../../src/Conversation.ts"
import { failed, refuse } from "../../src/GatewayError.ts"
import { anthropic, anthropicCaller, countTokens, messages } from "../../src/providers/anthropic.ts"
import { accumulated, type Any, meaning } from "./messagesAnswer.ts"
import { context, eventsOf } from "./sse.ts"

const wire = (value: unknown): Any => JSON.parse(JSON.stringify(value))
const usage: Usage = { inputTokens: 10, cachedInputTokens: 4, cacheWriteInputTokens: 1, outputTokens: 7, reasoningTokens: 2 }

const answer = (parts: ReadonlyArray<Part>, more: Partial<Answer> = {}): Answer => ({
  dialect: "chat.completions",
  id: "chatcmpl-9",
  model: "gpt",
  parts,
  stop: "end",
  usage,
  extras: [],
  ...more
})

const written = (parts: ReadonlyArray<Part>, more: Partial<Answer> = {}) => {
  const { body, losses } = anthropicCaller.encodeAnswer(answer(parts, more), context)
  return { body: wire(body), lost: losses.map(({ field }) => field) }
}

/** What is written for these events, and what is lost of them. */
const streamed = (events: ReadonlyArray<StreamEvent>) => {
  const encoder = anthropicCaller.streamEncoder(context)
  let state: unknown = encoder.initial
  let text = ""
  const lost: Array<string> = []
  for (const event of events) {
    const [next, more, losses = []] = encoder.step(state, event)
    state = next
    text += more
    lost.push(...losses.map(({ field }) => field))
  }
  return { text, lost }
}

const read = (events: ReadonlyArray<StreamEvent>) => {
  const { lost, text } = streamed(events)
  return { message: accumulated(eventsOf(text), "stream"), lost }
}

const start: StreamEvent = { _tag: "Start", id: "chatcmpl-9", model: "gpt" }
const ends = (reason: StopReason = "end"): ReadonlyArray<StreamEvent> => [
  { _tag: "Stop", reason },
  { _tag: "Usage", usage },
  { _tag: "End" }
]

describe("an answer of another dialect, whole", () => {
  it("is a message with its own id, the model that was asked for, and usage as this API counts it", () => {
    const { body, lost } = written([{ _tag: "Text", text: "Hi." }])
    assert.deepStrictEqual(lost, [])
    assert.deepStrictEqual(body, {
      id: "msg_1",
      type: "message",
      role: "assistant",
      model: "smart",
      content: [{ type: "text", text: "Hi." }],
      stop_reason: "end_turn",
      stop_sequence: null,
      usage: {
        input_tokens: 5,
        cache_creation_input_tokens: 1,
        cache_read_input_tokens: 4,
        output_tokens: 7,
        output_tokens_details: { thinking_tokens: 2 }
      }
    })
  })

  it("has an empty list for nothing", () => {
    assert.deepStrictEqual(written([]).body.content, [])
  })

  it("calls tools with objects, whose large integers stay what they are, and with ids where there were none", () => {
    const { body, lost } = written(
      [
        { _tag: "ToolCall", id: "", name: "a", arguments: '{"n":1}' },
        { _tag: "ToolCall", id: "call_7", name: "b", arguments: " " },
        { _tag: "ToolCall", id: "", name: "c", arguments: "[1]" },
        { _tag: "ToolCall", id: "", name: "d", arguments: '{"n":' }
      ],
      { stop: "end" }
    )
    assert.deepStrictEqual(
      body.content.map(({ id, input }: Any) => [id, input]),
      [
        ["toolu_1_0", { n: 1 }],
        ["call_7", {}],
        ["toolu_1_2", { arguments: "[1]" }],
        ["toolu_1_3", { arguments: '{"n":' }]
      ]
    )
    assert.deepStrictEqual(lost, ["content[2].input", "content[3].input"])
    // A provider's `stop` beside calls is no reason to let them lie.
    assert.strictEqual(body.stop_reason, "tool_use")
    const exact = anthropicCaller.encodeAnswer(
      answer([{ _tag: "ToolCall", id: "a", name: "f", arguments: '{"n":12345678901234567890}' }]),
      context
    )
    assert.include(JSON.stringify(exact.body), '{"n":12345678901234567890}')
  })

  it("shows a refusal as text, and says that it is one", () => {
    const { body, lost } = written([{ _tag: "Refusal", text: "I cannot." }])
    assert.deepStrictEqual(lost, [])
    assert.deepStrictEqual(body.content, [{ type: "text", text: "I cannot." }])
    assert.strictEqual(body.stop_reason, "refusal")
    assert.deepStrictEqual(body.stop_details, { type: "refusal", category: null, explanation: "I cannot." })
  })

  it("carries seals of others in signatures and sealed thoughts, and takes them out again", () => {
    const { body } = written([
      { _tag: "Reasoning", text: "Hm.", seal: { dialect: "responses", data: "c2VhbA==", id: "rs_1" } },
      { _tag: "Reasoning", text: "Nobody signed this." },
      { _tag: "SealedReasoning", seal: { dialect: "generateContent", data: "sig" } },
      { _tag: "ToolCall", id: "c", name: "f", arguments: "{}", seal: { dialect: "generateContent", data: "call" } }
    ])
    assert.deepStrictEqual(
      body.content.map(({ type }: Any) => type),
      ["thinking", "thinking", "redacted_thinking", "redacted_thinking", "tool_use"]
    )
    const back = Result.getOrThrow(anthropic.decodeAnswer(body))
    assert.deepStrictEqual(
      back.parts.map((part) => ("seal" in part ? part.seal : undefined)),
      [
        { dialect: "responses", data: "c2VhbA==", id: "rs_1" },
        undefined,
        { dialect: "generateContent", data: "sig" },
        { dialect: "generateContent", data: "call" },
        undefined
      ]
    )
    // Claude refuses what it did not sign, so even a thought that nobody signed is marked as another provider's.
    assert.match(body.content[1].signature, /^dHVybm91dDp2MDE6/)
  })

  it("names what no block holds", () => {
    const { body, lost } = written(
      [
        { _tag: "Image", source: { _tag: "Url", url: "https://example.com/a.png" } },
        { _tag: "Foreign", type: "web_search_call", value: { type: "web_search_call" }, at: "output[0]" },
        { _tag: "Text", text: "x", citations: [{ url: "https://example.com", value: {} }] },
        { _tag: "Audio", format: "wav", data: "" }
      ],
      {
        extras: [
          { field: "logprobs", value: {}, matters: true },
          { field: "created", value: 1, matters: false }
        ]
      }
    )
    assert.deepStrictEqual(lost, ["content[0]", "output[0]", "content[2].citations", "content[3]", "logprobs"])
    assert.deepStrictEqual(body.content, [{ type: "text", text: "x" }])
  })

  const stops: ReadonlyArray<readonly [StopReason, boolean, string, ReadonlyArray<string>]> = [
    ["end", false, "end_turn", []],
    ["end", true, "tool_use", []],
    ["tool-calls", true, "tool_use", []],
    ["max-tokens", false, "max_tokens", []],
    ["max-tokens", true, "max_tokens", []],
    ["content-filter", false, "refusal", []],
    ["content-filter", true, "refusal", []],
    ["refusal", false, "refusal", []],
    ["stop-sequence", false, "stop_sequence", []],
    ["context-window", false, "model_context_window_exceeded", []],
    ["paused", false, "max_tokens", ["stop_reason"]],
    ["unknown", false, "end_turn", ["stop_reason"]],
    ["unknown", true, "tool_use", []]
  ]
  for (const [stop, called, expected, losses] of stops) {
    it(`that stopped by ${stop}${called ? " with a call" : ""} stops by ${expected}`, () => {
      const parts: ReadonlyArray<Part> = called ? [{ _tag: "ToolCall", id: "a", name: "f", arguments: "{}" }] : []
      const { body, lost } = written(parts, { stop })
      assert.strictEqual(body.stop_reason, expected)
      assert.deepStrictEqual(lost, losses)
      const stream = read([start, ...eventsFrom(answer(parts, { stop }), plainly)])
      assert.strictEqual(stream.message.stop_reason, expected)
      assert.deepStrictEqual(stream.lost, losses)
    })
  }

  it("without usage says so", () => {
    const { usage: _, ...without } = answer([])
    const { body, losses } = anthropicCaller.encodeAnswer(without, context)
    assert.deepStrictEqual(
      losses.map(({ field }) => field),
      ["usage"]
    )
    assert.strictEqual(wire(body).usage.output_tokens, 0)
  })
})

describe("an answer of another dialect, streamed", () => {
  it("tells the totals once, at the end, wherever they came", () => {
    const text: StreamEvent = { _tag: "TextDelta", text: "Hi." }
    const stop: StreamEvent = { _tag: "Stop", reason: "end" }
    const counts: StreamEvent = { _tag: "Usage", usage }
    const end: StreamEvent = { _tag: "End" }
    for (const events of [
      [start, text, stop, counts, end],
      [start, counts, text, stop, end],
      [counts, text, stop, end],
      [text, counts, stop, end]
    ]) {
      const { lost, message } = read(events)
      assert.deepStrictEqual(lost, [])
      assert.deepStrictEqual(meaning(message), meaning(written([{ _tag: "Text", text: "Hi." }]).body))
    }
  })

  it("tells interleaved calls one after another, each whole", () => {
    const { lost, message } = read([
      start,
      { _tag: "ToolCallStart", index: 0, id: "a", name: "f" },
      { _tag: "ToolCallStart", index: 1, id: "b", name: "g" },
      { _tag: "ToolCallDelta", index: 1, arguments: '{"b"' },
      { _tag: "ToolCallDelta", index: 0, arguments: '{"a"' },
      { _tag: "ToolCallStart", index: 2, id: "", name: "h" },
      { _tag: "ToolCallEnd", index: 1 },
      { _tag: "TextDelta", text: "beside" },
      { _tag: "ToolCallDelta", index: 0, arguments: ":1}" },
      { _tag: "ToolCallDelta", index: 1, arguments: ":2}" },
      { _tag: "ToolCallEnd", index: 0 },
      { _tag: "ToolCallDelta", index: 2, arguments: "{}" },
      ...ends("tool-calls")
    ])
    assert.deepStrictEqual(lost, [])
    assert.deepStrictEqual(
      message.content.flatMap(({ input }: Any) => (input === undefined ? [] : [input])),
      [{ a: 1 }, { b: 2 }, {}]
    )
    assert.deepStrictEqual(
      message.content.map(({ id, text, type }: Any) => [type, id ?? text]),
      [
        ["tool_use", "a"],
        ["tool_use", "b"],
        ["tool_use", "toolu_1_2"],
        ["text", "beside"]
      ]
    )
  })

  it("passes arguments on as they come, and wraps those that are no object", () => {
    const { lost, message } = read([
      start,
      { _tag: "ToolCallStart", index: 0, id: "a", name: "f" },
      { _tag: "ToolCallDelta", index: 0, arguments: " " },
      { _tag: "ToolCallDelta", index: 0, arguments: "not " },
      { _tag: "ToolCallDelta", index: 0, arguments: "JSON" },
      { _tag: "ToolCallEnd", index: 0 },
      ...ends()
    ])
    assert.deepStrictEqual(message.content[0].input, { arguments: " not JSON" })
    assert.deepStrictEqual(lost, ["content[0].input"])
    const encoder = anthropicCaller.streamEncoder(context)
    let [state] = encoder.step(encoder.initial, { _tag: "ToolCallStart", index: 0, id: "a", name: "f" })
    for (const piece of ['{"a', '":1}']) {
      const [next, text] = encoder.step(state, { _tag: "ToolCallDelta", index: 0, arguments: piece })
      assert.include(text, JSON.stringify(piece))
      state = next
    }
  })

  it("needs neither a start nor a reason", () => {
    const { lost, message } = read([{ _tag: "TextDelta", text: "x" }, { _tag: "End" }])
    assert.deepStrictEqual([message.stop_reason, message.id], ["end_turn", "msg_1"])
    assert.deepStrictEqual(lost, ["usage", "stop_reason"])
    assert.deepStrictEqual(read([{ _tag: "End" }]).message.content, [])
  })

  it("seals what has been said, and names what it cannot say", () => {
    const { lost, message } = read([
      start,
      { _tag: "ReasoningDelta", text: "Hm." },
      { _tag: "Sealed", seal: { dialect: "responses", data: "x", id: "rs_1" } },
      { _tag: "ReasoningDelta", text: "Unsigned." },
      { _tag: "TextDelta", text: "Hi" },
      { _tag: "Cited", citation: { url: "https://example.com", value: {} } },
      { _tag: "Cited", citation: { url: "https://example.com", value: {} } },
      { _tag: "Sealed", seal: { dialect: "generateContent", data: "text" } },
      { _tag: "Whole", part: { _tag: "Image", source: { _tag: "Url", url: "https://example.com/a.png" } } },
      { _tag: "Whole", part: { _tag: "Foreign", type: "executableCode", value: {}, at: "candidates[0].content.parts[3]" } },
      { _tag: "RefusalDelta", text: "No" },
      { _tag: "RefusalDelta", text: "." },
      ...ends()
    ])
    assert.deepStrictEqual(
      message.content.map(({ type }: Any) => type),
      ["thinking", "thinking", "text", "redacted_thinking", "text"]
    )
    assert.deepStrictEqual(lost, ["content[2].citations", "content[4]", "candidates[0].content.parts[3]"])
    assert.strictEqual(message.stop_reason, "refusal")
    assert.strictEqual(message.stop_details.explanation, "No.")
  })

  it("ends with an error event and nothing more where it failed", async () => {
    const { text } = streamed([
      start,
      { _tag: "TextDelta", text: "x" },
      { _tag: "Failed", failure: { class: "stream-cut", message: "cut" } },
      { _tag: "TextDelta", text: "y" },
      { _tag: "End" }
    ])
    assert.notInclude(text, "message_stop")
    const said = eventsOf(text)
    assert.strictEqual(said.at(-1)?.event, "error")
    const error = await clientOf(text, "text/event-stream")
      .messages.stream({ model: "m", max_tokens: 1, messages: [] })
      .finalMessage()
      .catch((error: unknown) => error)
    assert.instanceOf(error, APIError)
    assert.strictEqual((error as InstanceType<typeof APIError>).type, "api_error")
    assert.include(String(error), "upstream_stream_cut")
  })

  it("says the same at every length of its pieces", () => {
    const parts: ReadonlyArray<Part> = [
      { _tag: "Reasoning", text: "čau 👋", seal: { dialect: "responses", data: "x" } },
      { _tag: "Text", text: 'He said "👋"\n' },
      { _tag: "ToolCall", id: "a", name: "f", arguments: '{"a":"👋"}' }
    ]
    const expected = read([start, ...eventsFrom(answer(parts), plainly)]).message
    for (let length = 1; length < 12; length++) {
      const cut = (text: string) =>
        Array.from({ length: Math.ceil(text.length / length) }, (_, i) => text.slice(i * length, (i + 1) * length))
      assert.deepStrictEqual(read([start, ...eventsFrom(answer(parts), { cut, mix: (lists) => lists.flat() })]).message, expected)
    }
  })
})

/** How a stream comes: in which pieces a text, and in which order calls that stand side by side. */
interface Manner {
  readonly cut: (text: string) => ReadonlyArray<string>
  readonly mix: (calls: ReadonlyArray<ReadonlyArray<StreamEvent>>) => ReadonlyArray<StreamEvent>
}

const plainly: Manner = { cut: (text) => [text], mix: (calls) => calls.flat() }

/** The events that tell an answer, but for its start. */
const eventsFrom = ({ parts, stop, stopSequence, usage }: Answer, { cut, mix }: Manner): ReadonlyArray<StreamEvent> => {
  const events: Array<StreamEvent> = []
  let waiting: Array<ReadonlyArray<StreamEvent>> = []
  let calls = 0
  const flush = () => {
    events.push(...mix(waiting))
    waiting = []
  }
  for (const part of parts) {
    if (part._tag === "ToolCall") {
      const index = calls++
      waiting.push([
        { _tag: "ToolCallStart", index, id: part.id, name: part.name },
        ...cut(part.arguments).map((text) => ({ _tag: "ToolCallDelta", index, arguments: text }) as const),
        { _tag: "ToolCallEnd", index }
      ])
      continue
    }
    flush()
    switch (part._tag) {
      case "Text":
        events.push(...cut(part.text).map((text) => ({ _tag: "TextDelta", text }) as const))
        for (const citation of part.citations ?? []) events.push({ _tag: "Cited", citation })
        events.push({ _tag: "PartEnd" })
        break
      case "Reasoning":
        events.push(...cut(part.text).map((text) => ({ _tag: "ReasoningDelta", text }) as const))
        events.push(part.seal === undefined ? { _tag: "PartEnd" } : { _tag: "Sealed", seal: part.seal })
        break
      case "SealedReasoning":
        events.push({ _tag: "SealedReasoning", seal: part.seal })
        break
      case "Refusal":
        events.push(...cut(part.text).map((text) => ({ _tag: "RefusalDelta", text }) as const))
        break
      case "Foreign":
      case "Image":
      case "File":
      case "Audio":
        events.push({ _tag: "Whole", part })
        break
      case "ToolResult":
        break
    }
  }
  flush()
  events.push({ _tag: "Stop", reason: stop, ...(stopSequence === undefined ? {} : { sequence: stopSequence }) })
  if (usage !== undefined) events.push({ _tag: "Usage", usage })
  return [...events, { _tag: "End" }]
}

/** The answer that events tell. */
const gathered = (events: ReadonlyArray<StreamEvent>): Any => {
  const found: Any = { dialect: "messages", parts: [], extras: [], stop: "unknown" }
  let open: Any
  const ensure = (tag: string): Any => {
    if (open?._tag !== tag) found.parts.push((open = { _tag: tag, text: "" }))
    return open
  }
  const calls: Array<Any> = []
  for (const event of events) {
    switch (event._tag) {
      case "Start":
        Object.assign(found, event.id === undefined ? {} : { id: event.id }, event.model === undefined ? {} : { model: event.model })
        break
      case "TextDelta":
        ensure("Text").text += event.text
        break
      case "Cited":
        ensure("Text").citations = [...(open.citations ?? []), event.citation]
        break
      case "ReasoningDelta":
        ensure("Reasoning").text += event.text
        break
      case "Sealed":
        ensure("Reasoning").seal = event.seal
        open = undefined
        break
      case "SealedReasoning":
        open = undefined
        found.parts.push({ _tag: "SealedReasoning", seal: event.seal })
        break
      case "RefusalDelta":
        Object.assign(ensure("Refusal"), { text: (open.text as string) + event.text, at: "stop_details.explanation" })
        break
      case "ToolCallStart":
        open = undefined
        found.parts.push((calls[event.index] = { _tag: "ToolCall", id: event.id, name: event.name, arguments: "" }))
        break
      case "ToolCallDelta":
        calls[event.index].arguments += event.arguments
        break
      case "Whole":
        open = undefined
        found.parts.push(event.part)
        break
      case "PartEnd":
        open = undefined
        break
      case "Extra":
        found.extras.push(event.extra)
        break
      case "Stop":
        found.stop = event.reason
        if (event.sequence !== undefined) found.stopSequence = event.sequence
        break
      case "Usage":
        found.usage = event.usage
        break
      case "Item":
      case "ToolCallEnd":
      case "End":
      case "Failed":
        break
    }
  }
  return found
}

const text = fc.string({ minLength: 1, maxLength: 12, unit: "binary" })
const word = fc.stringMatching(/^[a-z]{1,8}$/)
const object = fc.dictionary(word, fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.constant([1, { a: "b" }])), { maxKeys: 3 })
const seal = (dialect: "messages" | "responses") =>
  fc.record({ dialect: fc.constant(dialect), data: fc.stringMatching(/^[A-Za-z0-9+/]{4,16}$/) })

const citation = fc.oneof(
  fc.record({ url: fc.webUrl(), title: text, cited_text: text, encrypted_index: word }).map((fields) => ({
    url: fields.url,
    title: fields.title,
    quote: fields.cited_text,
    value: { type: "web_search_result_location", ...fields }
  })),
  fc
    .record({ cited_text: text, document_index: fc.nat(3), document_title: text, start_char_index: fc.nat(9), end_char_index: fc.nat(99) })
    .map((fields) => ({ value: { type: "char_location", ...fields } }))
)

const call = fc
  .record({ id: word.map((id) => `toolu_${id}`), name: word, input: object })
  .map(({ id, input, name }): Part => ({ _tag: "ToolCall", id, name, arguments: JSON.stringify(input) }))

const shared = (dialect: "messages" | "responses"): ReadonlyArray<fc.Arbitrary<Part>> => [
  text.map((text): Part => ({ _tag: "Text", text })),
  fc.tuple(text, seal(dialect)).map(([text, seal]): Part => ({ _tag: "Reasoning", text, seal })),
  seal(dialect).map((seal): Part => ({ _tag: "SealedReasoning", seal })),
  call,
  call
]

const counts = fc
  .record({ fresh: fc.nat(999), read: fc.nat(999), written: fc.nat(999), output: fc.nat(999), thinking: fc.nat(999) })
  .map(({ fresh, output, read, thinking, written }): Usage => ({
    inputTokens: fresh + read + written,
    cachedInputTokens: read,
    cacheWriteInputTokens: written,
    outputTokens: output + thinking,
    reasoningTokens: thinking
  }))

/** Blocks that only Claude has. */
const block = fc.oneof(
  fc.record({ id: word, name: fc.constant("web_search"), input: object }).map((fields): Part & { _tag: "Foreign" } => ({
    _tag: "Foreign",
    type: "server_tool_use",
    value: { type: "server_tool_use", ...fields }
  })),
  fc.record({ tool_use_id: word, content: fc.array(object, { maxLength: 2 }) }).map((fields): Part & { _tag: "Foreign" } => ({
    _tag: "Foreign",
    type: "web_search_tool_result",
    value: { type: "web_search_tool_result", ...fields }
  })),
  text.map((content): Part & { _tag: "Foreign" } => ({ _tag: "Foreign", type: "compaction", value: { type: "compaction", content } }))
)

const ownStops: ReadonlyArray<StopReason> = ["end", "stop-sequence", "max-tokens", "tool-calls", "refusal", "paused", "context-window"]

/** An answer of this dialect. */
const ownAnswer = fc
  .record({
    parts: fc.array(
      fc.oneof(
        ...shared("messages"),
        fc
          .tuple(text, fc.array(citation, { minLength: 1, maxLength: 2 }))
          .map(([text, citations]): Part => ({ _tag: "Text", text, citations })),
        fc.constant<Part>({ _tag: "Reasoning", text: "unsigned" }),
        seal("messages").map((seal): Part => ({ _tag: "Reasoning", text: "", seal })),
        block
      ),
      { maxLength: 6 }
    ),
    stop: fc.constantFrom(...ownStops),
    explanation: fc.option(text, { nil: undefined }),
    usage: counts,
    callers: fc.boolean(),
    container: fc.boolean(),
    tier: fc.constantFrom("standard", "priority")
  })
  .map(({ callers, container, explanation, parts, stop, tier, usage }): Answer => {
    const said = stop === "refusal" && explanation !== undefined ? [...parts, { _tag: "Refusal", text: explanation } as Part] : parts
    const extras: Array<Extra> = [
      { field: "usage.service_tier", value: tier, matters: false },
      ...(usage.reasoningTokens > 0
        ? [{ field: "usage.output_tokens_details", value: { thinking_tokens: usage.reasoningTokens }, matters: false }]
        : []),
      ...(container ? [{ field: "container", value: { id: "container_1" }, matters: true }] : []),
      ...(stop === "paused"
        ? [{ field: "stop_reason", value: "pause_turn", matters: true, reason: "no reason of the caller's dialect means the same" }]
        : []),
      ...(stop === "refusal" && explanation !== undefined ? [{ field: "stop_details.category", value: "cyber", matters: false }] : []),
      ...parts.flatMap((part, index) =>
        callers && part._tag === "ToolCall" ? [{ field: `content[${index}].caller`, value: { type: "direct" }, matters: false }] : []
      )
    ]
    return {
      dialect: "messages",
      id: "msg_own",
      model: "claude",
      parts: said.map((part, index) =>
        part._tag === "Foreign"
          ? { ...part, at: `content[${index}]` }
          : part._tag === "Refusal"
            ? { ...part, at: "stop_details.explanation" }
            : part
      ),
      stop,
      ...(stop === "stop-sequence" ? { stopSequence: "END" } : {}),
      usage,
      extras
    }
  })

const sorted = (value: Any): Any => ({ ...value, extras: value.extras.toSorted((a: Extra, b: Extra) => (a.field < b.field ? -1 : 1)) })

/** Cuts every text at these places, and takes the next event of one of the calls by these numbers. */
const manner = fc
  .record({ length: fc.integer({ min: 1, max: 9 }), picks: fc.array(fc.nat(), { maxLength: 40 }) })
  .map(({ length, picks }): Manner => ({
    cut: (text) => {
      const points = Array.from(text)
      return points.length === 0
        ? [""]
        : Array.from({ length: Math.ceil(points.length / length) }, (_, i) => points.slice(i * length, (i + 1) * length).join(""))
    },
    mix: (calls) => {
      const rest = calls.map((events) => [...events])
      const mixed: Array<StreamEvent> = []
      // The order of the calls is that of their starts.
      let started = 0
      for (let at = 0; rest.some((events) => events.length > 0); at++) {
        const open = rest.slice(0, started + 1).filter((events) => events.length > 0)
        const from = open[(picks[at] ?? 0) % open.length]!
        const event = from.shift()!
        if (event._tag === "ToolCallStart") started++
        mixed.push(event)
      }
      return mixed
    }
  }))

describe("laws", () => {
  it("what is encoded decodes to the same, of an answer of this dialect, and nothing is lost", () => {
    fc.assert(
      fc.property(ownAnswer, (answer) => {
        const { body, losses } = anthropicCaller.encodeAnswer(answer, context)
        assert.deepStrictEqual(losses, [])
        assert.deepStrictEqual(sorted(Result.getOrThrow(anthropic.decodeAnswer(wire(body)))), sorted(answer))
      }),
      { numRuns: 400 }
    )
  })

  it("and streamed, in whatever pieces it comes", () => {
    fc.assert(
      fc.property(ownAnswer, manner, (answer, how) => {
        // What a block has beside its fields is told before it.
        const beside = answer.extras.filter(({ field }) => field.startsWith("content["))
        const events: Array<StreamEvent> = [{ _tag: "Start", id: "msg_own", model: "claude" }]
        const marks: ReadonlyArray<Extra> = [{ field: "type", value: "message", matters: false }, ...answer.extras]
        for (const extra of marks) if (!beside.includes(extra)) events.push({ _tag: "Extra", extra })
        const told = eventsFrom(answer, beside.length > 0 ? plainly : how)
        const calls = answer.parts.flatMap((part, index) => (part._tag === "ToolCall" ? [index] : []))
        for (const event of told) {
          if (event._tag === "ToolCallStart") {
            const at = `content[${calls[event.index]}].`
            for (const extra of beside) if (extra.field.startsWith(at)) events.push({ _tag: "Extra", extra })
          }
          events.push(event)
        }
        const { lost, text } = streamed(events)
        assert.deepStrictEqual(lost, [])
        const message = accumulated(eventsOf(text), "stream")
        assert.deepStrictEqual(meaning(message), meaning(wire(anthropicCaller.encodeAnswer(answer, context).body)))
        const back = decoded(text)
        assert.deepStrictEqual(
          sorted({
            ...back,
            extras: [...new Map<string, Extra>(back.extras.map((extra: Extra) => [extra.field, extra])).values()].filter(
              ({ field }) => field !== "type"
            )
          }),
          sorted(answer)
        )
      }),
      { numRuns: 400 }
    )
  })

  const lossy: ReadonlyArray<Part> = [
    { _tag: "Image", source: { _tag: "Base64", mediaType: "image/png", data: "" } },
    { _tag: "Foreign", type: "executableCode", value: {} },
    { _tag: "Text", text: "x", citations: [{ url: "https://example.com", value: {} }] },
    { _tag: "ToolCall", id: "toolu_x", name: "f", arguments: "7" }
  ]

  it("of another dialect: it comes back the same exactly when nothing is lost, whole and streamed", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(...shared("responses")), { maxLength: 6 }),
        fc.option(fc.constantFrom(...lossy), { nil: undefined }),
        fc.constantFrom<StopReason>("max-tokens", "context-window", "refusal", "end"),
        counts,
        manner,
        (parts, odd, stop, usage, how) => {
          const called = parts.some(({ _tag }) => _tag === "ToolCall") || odd?._tag === "ToolCall"
          const given: Answer = {
            dialect: "responses",
            parts: odd === undefined ? parts : [...parts, odd],
            stop: stop === "end" && called ? "tool-calls" : stop,
            usage,
            extras: []
          }
          const { body, losses } = anthropicCaller.encodeAnswer(given, context)
          const stream = streamed([start, ...eventsFrom(given, how)])
          assert.strictEqual(losses.length === 0, odd === undefined)
          assert.strictEqual(stream.lost.length === 0, odd === undefined)
          const said = ({ parts, stop, usage }: Any) => ({ parts, stop, usage })
          const [whole, pieces] = [Result.getOrThrow(anthropic.decodeAnswer(wire(body))), decoded(stream.text)]
          assert.deepStrictEqual(said(whole), said(pieces))
          if (odd === undefined) assert.deepStrictEqual(said(whole), said(given))
          else assert.notDeepEqual(said(whole), said(given))
        }
      ),
      { numRuns: 400 }
    )
  })

  it("whatever events come in whatever order, the stream keeps its grammar, and one end is last", () => {
    const index = fc.nat(3)
    const event: fc.Arbitrary<StreamEvent> = fc.oneof(
      fc.constant(start),
      fc.constant<StreamEvent>({ _tag: "Item", id: "x" }),
      fc.string().map((text): StreamEvent => ({ _tag: "TextDelta", text })),
      fc.string().map((text): StreamEvent => ({ _tag: "ReasoningDelta", text })),
      fc.string().map((text): StreamEvent => ({ _tag: "RefusalDelta", text })),
      fc
        .constantFrom<"messages" | "responses">("messages", "responses")
        .map((dialect): StreamEvent => ({ _tag: "Sealed", seal: { dialect, data: "x" } })),
      fc.constant<StreamEvent>({ _tag: "SealedReasoning", seal: { dialect: "messages", data: "x" } }),
      fc.constant<StreamEvent>({ _tag: "PartEnd" }),
      fc.constant<StreamEvent>({ _tag: "Cited", citation: { value: { type: "x" } } }),
      index.map((index): StreamEvent => ({ _tag: "ToolCallStart", index, id: "", name: "f" })),
      fc
        .tuple(index, fc.constantFrom("{}", "", "x", '{"a":'))
        .map(([index, text]): StreamEvent => ({ _tag: "ToolCallDelta", index, arguments: text })),
      index.map((index): StreamEvent => ({ _tag: "ToolCallEnd", index })),
      block.map((part): StreamEvent => ({ _tag: "Whole", part })),
      fc
        .tuple(
          fc.constantFrom("type", "usage.x", "container", "content[0].caller", "content[1].x_delta", "__proto__", "usage.__proto__.x"),
          fc.jsonValue()
        )
        .map(([field, value]): StreamEvent => ({
          _tag: "Extra",
          extra: { field, value: field === "type" ? "message" : value, matters: false }
        })),
      fc.constant<StreamEvent>({ _tag: "Stop", reason: "end" }),
      fc.constant<StreamEvent>({ _tag: "Usage", usage })
    )
    fc.assert(
      fc.property(fc.array(event, { maxLength: 25 }), fc.boolean(), (events, whole) => {
        const said = streamed([...events, whole ? { _tag: "End" } : { _tag: "Failed", failure: { class: "timeout", message: "late" } }])
        const frames = eventsOf(said.text)
        assert.strictEqual(frames.at(-1)?.event, whole ? "message_stop" : "error")
        assert.strictEqual(frames.filter(({ event }) => event === "message_delta").length, whole ? 1 : 0)
        let open = -1
        let next = 0
        for (const { data, event } of frames) {
          const frame = JSON.parse(data) as Any
          assert.strictEqual(frame.type, event)
          if (event === "content_block_start") {
            assert.deepStrictEqual([open, frame.index], [-1, next])
            open = next++
          } else if (event === "content_block_delta") assert.strictEqual(frame.index, open)
          else if (event === "content_block_stop") {
            assert.strictEqual(frame.index, open)
            open = -1
          }
        }
        assert.isTrue(!whole || open === -1)
        assert.isTrue(!frames.some(({ event }) => event.startsWith("content_block")) || frames[0]?.event === "message_start")
      }),
      { numRuns: 1000 }
    )
  })
})

const decoded = (text: string): Any => {
  const events: Array<StreamEvent> = []
  let state: unknown = anthropic.streamDecoder.initial
  for (const event of eventsOf(text)) {
    const [next, said] = anthropic.streamDecoder.step(state, event)
    state = next
    events.push(...said)
  }
  assert.strictEqual(events.at(-1)?._tag, "End")
  return gathered(events)
}

/** The official client, answered with `body`. */
const clientOf = (body: string, contentType: string, status = 200): Anthropic =>
  new Anthropic({
    apiKey: "none",
    maxRetries: 0,
    fetch: async () => new Response(body, { status, headers: { "content-type": contentType } })
  })

describe("the decoder", () => {
  const message = { id: "msg_1", type: "message", role: "assistant", model: "m", content: [], usage: { input_tokens: 1, output_tokens: 1 } }
  const run = (...data: ReadonlyArray<unknown>) => {
    let state: unknown = anthropic.streamDecoder.initial
    return data.flatMap((one) => {
      const [next, said] = anthropic.streamDecoder.step(state, { event: "", data: typeof one === "string" ? one : JSON.stringify(one) })
      state = next
      return said
    })
  }
  const tags = (events: ReadonlyArray<StreamEvent>) => events.map(({ _tag }) => _tag).filter((tag) => tag !== "Extra")

  it("ends every part and every call, before the reason, though a host leaves the ends of blocks out", () => {
    const events = run(
      { type: "message_start", message },
      { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "", signature: "" } },
      { type: "content_block_delta", index: 0, delta: { type: "signature_delta", signature: "c2ln" } },
      { type: "content_block_start", index: 1, content_block: { type: "text", text: "" } },
      { type: "content_block_delta", index: 1, delta: { type: "text_delta", text: "x" } },
      { type: "content_block_start", index: 2, content_block: { type: "tool_use", id: "a", name: "f", input: {} } },
      { type: "content_block_start", index: 3, content_block: { type: "server_tool_use", id: "b", name: "web_search", input: {} } },
      { type: "content_block_delta", index: 3, delta: { type: "input_json_delta", partial_json: '{"q":12345678901234567890}' } },
      { type: "message_delta", delta: { stop_reason: "tool_use" }, usage: { output_tokens: 2 } },
      { type: "message_stop" }
    )
    assert.deepStrictEqual(tags(events), [
      "Start",
      "ReasoningDelta",
      "Sealed",
      "TextDelta",
      "PartEnd",
      "ToolCallStart",
      "ToolCallDelta",
      "ToolCallEnd",
      "Whole",
      "Stop",
      "Usage",
      "End"
    ])
    const whole = events.find((event) => event._tag === "Whole")
    assert.include(JSON.stringify(whole), '"input":{"q":12345678901234567890}')
  })

  it("reads a message that comes whole in its first event", () => {
    const events = run(
      {
        type: "message_start",
        message: {
          ...message,
          content: [{ type: "tool_use", id: "a", name: "f", input: { p: 1 }, caller: { type: "code_execution_20250825", tool_id: "s" } }],
          stop_reason: "tool_use",
          container: { id: "c" }
        }
      },
      { type: "message_stop" }
    )
    assert.deepStrictEqual(tags(events), ["Start", "ToolCallStart", "ToolCallDelta", "ToolCallEnd", "Stop", "Usage", "End"])
    const lost = events.flatMap((event) => (event._tag === "Extra" && event.extra.matters ? [event.extra.field] : []))
    assert.deepStrictEqual(lost, ["container", "content[0].caller"])
  })

  it("names the sources of a text, by address where they have one", () => {
    const body = {
      ...message,
      content: [
        {
          type: "text",
          text: "x",
          citations: [
            { type: "web_search_result_location", url: "https://a.example", title: "A", cited_text: "a", encrypted_index: "e" },
            { type: "search_result_location", source: "https://b.example", title: null, cited_text: "b", search_result_index: 0 },
            { type: "search_result_location", source: "handbook", title: "C", cited_text: "c", search_result_index: 0 },
            { type: "page_location", cited_text: "d", document_index: 0 }
          ]
        }
      ],
      stop_reason: "end_turn"
    }
    const [part] = Result.getOrThrow(anthropic.decodeAnswer(body)).parts
    assert.deepStrictEqual(part?._tag === "Text" ? part.citations?.map(({ quote, title, url }) => wire({ quote, title, url })) : [], [
      { url: "https://a.example", title: "A", quote: "a" },
      { url: "https://b.example", quote: "b" },
      { title: "C", quote: "c" },
      {}
    ])
  })

  it("keeps its stack where blocks are nested deeper than any", () => {
    const deep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`
    const body = JSON.parse(
      `{"type":"message","role":"assistant","x":${deep},"usage":{"x":${deep}},"content":[{"type":"tool_use","id":"a","name":"f","input":{"d":${deep}}},{"type":"text","text":"t","citations":[${deep}],"__proto__":{"x":1}},{"type":"y","d":${deep}}]}`
    ) as unknown
    const answer = Result.getOrThrow(anthropic.decodeAnswer(body))
    const found = answer.parts.map(({ _tag }) => _tag)
    // Whether such an input can be printed is the engine's affair; where it cannot, the block stays what it is.
    assert.include(["ToolCall", "Foreign"], found[0])
    assert.deepStrictEqual(found.slice(1), ["Text", "Foreign"])
    assert.isUndefined(({} as Any).x)
    const events = run(
      `{"type":"message_start","message":{"type":"message","content":[],"container":{"d":${deep}},"usage":{"input_tokens":1,"output_tokens":1}}}`,
      `{"type":"content_block_start","index":0,"content_block":{"type":"y","d":${deep}}}`,
      `{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":${deep}}}`,
      { type: "content_block_stop", index: 0 },
      `{"type":"message_delta","delta":{"stop_reason":"end_turn","container":{"d":${deep}}},"usage":{"output_tokens":2}}`,
      { type: "message_stop" }
    )
    assert.strictEqual(accumulated(eventsOf(streamed(events).text), "deep").stop_reason, "end_turn")
  })
})

describe("errors", () => {
  const kinds: ReadonlyArray<readonly [Parameters<typeof messages.errorBody>[0], string, unknown]> = [
    [refuse("invalid_request", "wrong", { param: "messages[0]" }), "invalid_request_error", BadRequestError],
    [refuse("invalid_api_key", "who"), "authentication_error", AuthenticationError],
    [refuse("budget_exhausted", "spent"), "billing_error", APIError],
    [refuse("not_granted", "no"), "permission_error", PermissionDeniedError],
    [refuse("model_not_found", "where"), "not_found_error", NotFoundError],
    [refuse("body_too_large", "big"), "request_too_large", APIError],
    [failed("a", { class: "rate-limited", message: "slow" }), "rate_limit_error", RateLimitError],
    [failed("a", { class: "overloaded", message: "full" }), "overloaded_error", InternalServerError],
    [failed("a", { class: "timeout", message: "late" }), "timeout_error", InternalServerError],
    [failed("a", { class: "server-error", message: "oh" }), "api_error", InternalServerError],
    [refuse("internal_error", "oh"), "api_error", InternalServerError]
  ]
  for (const [error, type, raised] of kinds) {
    it(`${error.code} is raised as ${type}`, async () => {
      for (const api of [messages, countTokens]) {
        const client = clientOf(api.errorBody(error), "application/json", error.status)
        const found = await client.messages.create({ model: "m", max_tokens: 1, messages: [] }).catch((error: unknown) => error)
        assert.instanceOf(found, raised as typeof APIError)
        const seen = found as InstanceType<typeof APIError> & { readonly errorCode: string | null }
        assert.strictEqual(seen.status, error.status)
        assert.strictEqual(seen.type, type)
        assert.strictEqual(seen.errorCode, error.code)
        assert.include(seen.message, error.message)
        assert.strictEqual(wire(seen.error).error.param, error.param)
        assert.strictEqual(wire(seen.error).error.code, error.code)
      }
    })
  }

  it("are known for what they are by a gateway in front of this one", () => {
    for (const [error, type] of kinds) {
      const body = JSON.parse(messages.errorBody(error)) as unknown
      assert.isDefined(anthropic.failureIn(body))
      assert.strictEqual(anthropic.classify(error.status, body, {}).code, error.code, type)
    }
  })

  it("of the provider are judged by what they name, where it says more than their status", () => {
    const judged = (status: number, type: string, error_code: string) =>
      anthropic.classify(status, { type: "error", error: { type, message: "no", details: { error_code } } }, {}).class
    assert.strictEqual(judged(404, "not_found_error", "thread_not_found"), "bad-request")
    assert.strictEqual(judged(404, "not_found_error", "anything_else"), "auth")
    assert.strictEqual(judged(400, "invalid_request_error", "cmek_key_disabled"), "auth")
    assert.strictEqual(judged(403, "permission_error", "parent_organization_required"), "auth")
    assert.strictEqual(judged(400, "invalid_request_error", "context_length_exceeded"), "context-length")
    assert.strictEqual(judged(529, "overloaded_error", "compaction_unavailable"), "overloaded")
    assert.strictEqual(judged(429, "rate_limit_error", "enforced_spend_limit_reached"), "quota-exhausted")
    assert.strictEqual(judged(400, "invalid_request_error", "image_dimensions_too_large"), "bad-request")
  })

  it("in a stream are an event that the official client raises on", async () => {
    const error = failed("a", { class: "server-error", message: "oh" })
    const body = messages.errorEvent(error)
    assert.match(body, /^event: error\ndata: \{"type":"error".*\}\n\n$/)
    assert.strictEqual(anthropic.peek(eventsOf(body)[0]!).failure?.class, "server-error")
    const stream = await clientOf(body, "text/event-stream").messages.create({ model: "m", max_tokens: 1, messages: [], stream: true })
    const readAll = async () => {
      for await (const event of stream) assert.fail(event.type)
    }
    const found = await readAll().catch((error: unknown) => error)
    assert.instanceOf(found, APIError)
  })
})

describe("the caller's half", () => {
  it("names its operations, its model's field, and that streams always tell usage", () => {
    assert.deepStrictEqual(
      [messages.name, messages.operation, countTokens.name, countTokens.operation],
      ["messages", "generate", "messages.count_tokens", "count"]
    )
    assert.strictEqual(anthropicCaller.modelField, "model")
    assert.isTrue(anthropicCaller.wantsUsage({}))
    assert.isUndefined(anthropicCaller.usageWish({}))
    assert.deepStrictEqual(anthropic.passes, ["anthropic-beta"])
  })
})
