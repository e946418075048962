/**
 * A stream of the Messages API, decoded: a pure state machine over framed events.
 *
 *     waiting  --message_start-->  open  --message_delta (stop_reason)-->  open  --message_stop-->  over
 *        any   --error, or data that breaks the rules-->  over (Failed)
 *
 * Event types that are not known are passed over, as the provider asks of its clients; known types of a broken shape are `malformed`. A stream
 * that ends before `message_stop` is `stream-cut`, however complete it looks. The type is read from the data, not from the `event:` line, which
 * some proxies leave out.
 *
 * A message that needed no model, such as the next call of a program that is running already, comes whole in `message_start`.
 *
 * Source: platform.claude.com, "Streaming messages".
 */
import type { SseEvent, StreamDecoder } from "../../Dialect.ts"
import type { Extra, StreamEvent } from "../../Conversation.ts"
import { malformed } from "../failures.ts"
import { field, isObject, listAt, parse, parseExact, print, textAt } from "../json.ts"
import type { Json } from "../json.ts"
import { citationOf, explanationOf, noteBlock, noteMessage, noteStop, noteUsage, stopOf } from "./answer.ts"
import { sealOf } from "../seal.ts"
import { failureIn } from "./failure.ts"
import { none, updated, usageFrom } from "./usage.ts"
import type { Counts } from "./usage.ts"

/** A block that has begun and not ended. */
interface Open {
  readonly block: number
  readonly kind: "text" | "thinking" | "call" | "foreign"
  /** Of a call. */
  readonly index: number
  /** Whether any of its content has been told. */
  readonly told: boolean
  /** What is not told before the block ends: the signature of a thought, the input of a block that comes in one piece. */
  readonly held: string
  /** The block itself, where it comes in one piece. */
  readonly value: Json
}

/** How far a stream has got. */
export interface Decoding {
  readonly phase: "waiting" | "open" | "over"
  readonly calls: number
  readonly open: ReadonlyArray<Open>
  /** The block of the text or thought under way, or -1. */
  readonly current: number
  readonly counts: Counts
  readonly stopped: boolean
  /** The end of a message that came whole. */
  readonly whole: Json | undefined
}

const initial: Decoding = { phase: "waiting", calls: 0, open: [], current: -1, counts: none, stopped: false, whole: undefined }

type Step = readonly [Decoding, ReadonlyArray<StreamEvent>]

const nothing: ReadonlyArray<StreamEvent> = []
const partEnd: StreamEvent = { _tag: "PartEnd" }

const broken = (state: Decoding, message: string): Step => [{ ...state, phase: "over" }, [{ _tag: "Failed", failure: malformed(message) }]]

const extrasOf = (note: (extras: Array<Extra>) => void): ReadonlyArray<StreamEvent> => {
  const extras: Array<Extra> = []
  note(extras)
  return extras.length === 0 ? nothing : extras.map((extra) => ({ _tag: "Extra", extra }))
}

const ofStart: ReadonlySet<string> = new Set(["id", "role", "model", "content", "stop_reason", "stop_sequence", "stop_details", "usage"])

const messageStart = (state: Decoding, data: Json): Step => {
  const message = field(data, "message")
  if (!isObject(message)) return broken(state, "expected `message` in `message_start`")
  if (state.phase !== "waiting") return broken(state, "expected one `message_start`")
  const id = textAt(message, "id")
  const model = textAt(message, "model")
  const events: Array<StreamEvent> = [
    { _tag: "Start", ...(id === undefined ? {} : { id }), ...(model === undefined ? {} : { model }) },
    // Its `type` is told too: an encoder of this dialect knows by it that what follows is of its own.
    ...extrasOf((extras) => {
      noteMessage(extras, message, ofStart)
      noteUsage(extras, field(message, "usage"))
    })
  ]
  // These counts are the beginning of the bill. Were they told now, a stream that is cut would be settled at them.
  let next: Decoding = { ...state, phase: "open", counts: updated(none, field(message, "usage")) }
  for (const [block, content] of listAt(message, "content").entries()) {
    for (const step of [(now: Decoding) => blockStart(now, content, block), (now: Decoding) => blockStop(now, block)]) {
      const [after, more] = step(next)
      events.push(...more)
      if (after.phase === "over") return [after, events]
      next = after
    }
  }
  return [typeof field(message, "stop_reason") === "string" ? { ...next, whole: message } : next, events]
}

const begun = (state: Decoding, entry: Pick<Open, "block" | "kind"> & Partial<Open>): Decoding => {
  const open = { index: 0, told: false, held: "", value: {}, ...entry }
  return { ...state, open: [...state.open, open], ...(open.told && open.kind !== "call" ? { current: open.block } : {}) }
}

/** A text or thought that ends because another block says something. */
const ending = (state: Decoding): ReadonlyArray<StreamEvent> => (state.current < 0 ? nothing : [partEnd])

const blockStart = (state: Decoding, content: unknown, block: number): Step => {
  const type = textAt(content, "type")
  if (!isObject(content) || type === undefined) return broken(state, "expected `content_block.type` in `content_block_start`")
  const extras = extrasOf((noted) => noteBlock(noted, content, `content[${block}]`))
  switch (type) {
    case "text": {
      const text = textAt(content, "text") ?? ""
      const citations = field(content, "citations")
      const events: Array<StreamEvent> = [...extras]
      if (Array.isArray(citations) && citations.length === 0)
        events.push({ _tag: "Extra", extra: { field: `content[${block}].citations`, value: citations, matters: false } })
      const sources = listAt(content, "citations")
      const told = text !== "" || sources.length > 0
      if (told) events.push(...ending(state), { _tag: "TextDelta", text })
      for (const source of sources) events.push({ _tag: "Cited", citation: citationOf(source) })
      return [begun(state, { block, kind: "text", told }), events]
    }
    case "thinking": {
      const text = textAt(content, "thinking") ?? ""
      const held = textAt(content, "signature") ?? ""
      const next = begun(state, { block, kind: "thinking", told: text !== "", held })
      return [next, text === "" ? extras : [...extras, ...ending(state), { _tag: "ReasoningDelta", text }]]
    }
    case "redacted_thinking":
      return [state, [...extras, { _tag: "SealedReasoning", seal: sealOf(textAt(content, "data") ?? "", "messages") }]]
    case "tool_use": {
      const id = textAt(content, "id")
      const name = textAt(content, "name")
      if (id === undefined || name === undefined) return broken(state, "expected `id` and `name` of a `tool_use` block")
      const index = state.calls
      const events: Array<StreamEvent> = [...extras, { _tag: "ToolCallStart", index, id, name }]
      // The input comes in deltas and starts as `{}`; hosts that do not stream it put it here whole.
      const input = field(content, "input")
      const whole = isObject(input) && Object.keys(input).length > 0
      if (whole) events.push({ _tag: "ToolCallDelta", index, arguments: print(input) })
      return [begun({ ...state, calls: index + 1 }, { block, kind: "call", index, told: whole }), events]
    }
    default:
      return [begun(state, { block, kind: "foreign", value: content }), nothing]
  }
}

const indexOf = (state: Decoding, block: number, kind: Open["kind"]): number =>
  state.open.findIndex((open) => open.block === block && open.kind === kind)

const changed = (state: Decoding, position: number, change: Partial<Open>): Decoding => ({
  ...state,
  open: state.open.with(position, { ...state.open[position]!, ...change })
})

/** A piece of a text or thought. Blocks may overlap, and then each piece is a part of its own. */
const piece = (state: Decoding, block: number, kind: "text" | "thinking", event: StreamEvent): Step => {
  if (state.current === block) return [state, [event]]
  const position = indexOf(state, block, kind)
  const next = position < 0 ? begun(state, { block, kind, told: true }) : changed(state, position, { told: true })
  return [{ ...next, current: block }, [...ending(state), event]]
}

const blockDelta = (state: Decoding, data: Json, block: number): Step => {
  const delta = field(data, "delta")
  const type = textAt(delta, "type")
  switch (type) {
    case undefined:
      return broken(state, "expected `delta.type` in `content_block_delta`")
    case "text_delta": {
      const text = textAt(delta, "text")
      if (text === undefined) return broken(state, "expected `delta.text` of a `text_delta`")
      return text === "" ? [state, nothing] : piece(state, block, "text", { _tag: "TextDelta", text })
    }
    case "thinking_delta": {
      const text = textAt(delta, "thinking")
      if (text === undefined) return broken(state, "expected `delta.thinking` of a `thinking_delta`")
      return text === "" ? [state, nothing] : piece(state, block, "thinking", { _tag: "ReasoningDelta", text })
    }
    case "signature_delta": {
      const position = indexOf(state, block, "thinking")
      const held = textAt(delta, "signature") ?? ""
      // As the official SDK has it, the last one counts.
      return [position < 0 ? begun(state, { block, kind: "thinking", held }) : changed(state, position, { held }), nothing]
    }
    case "input_json_delta": {
      const text = textAt(delta, "partial_json")
      if (text === undefined) return broken(state, "expected `delta.partial_json` of an `input_json_delta`")
      const position = state.open.findIndex((open) => open.block === block)
      const entry = state.open[position]
      if (entry === undefined || text === "") return [state, nothing]
      if (entry.kind === "foreign") return [changed(state, position, { held: entry.held + text }), nothing]
      if (entry.kind !== "call") return [state, nothing]
      const events: ReadonlyArray<StreamEvent> = [{ _tag: "ToolCallDelta", index: entry.index, arguments: text }]
      return [entry.told ? state : changed(state, position, { told: true }), events]
    }
    case "citations_delta":
      return piece(state, block, "text", { _tag: "Cited", citation: citationOf(field(delta, "citation")) })
    case "compaction_delta": {
      const position = indexOf(state, block, "foreign")
      const entry = state.open[position]
      if (entry === undefined || !isObject(delta)) return [state, nothing]
      // It says what the block's fields are, not what to add to them.
      const { type: _, ...fields } = delta
      return [changed(state, position, { value: { ...entry.value, ...fields } }), nothing]
    }
    default:
      // The provider adds to them, and asks its clients to pass over what they do not know.
      return [state, [{ _tag: "Extra", extra: { field: `content[${block}].${type}`, value: delta, matters: false } }]]
  }
}

const endOf = (state: Decoding, { block, held, index, kind, told, value }: Open): ReadonlyArray<StreamEvent> => {
  const underway = state.current === block
  switch (kind) {
    case "text":
      if (underway) return [partEnd]
      return told ? nothing : [...ending(state), { _tag: "TextDelta", text: "" }, partEnd]
    case "thinking": {
      // The thought may be kept from the caller: then its signature is all there is.
      const events: Array<StreamEvent> = told ? [] : [...ending(state), { _tag: "ReasoningDelta", text: "" }]
      const seal = sealOf(held, "messages")
      if (seal.data !== "") events.push({ _tag: "Sealed", seal })
      else if (underway || !told) events.push(partEnd)
      return events
    }
    case "call":
      // A call without arguments streams none, and callers parse what they were sent.
      return [...(told ? [] : [{ _tag: "ToolCallDelta", index, arguments: "{}" } as const]), { _tag: "ToolCallEnd", index }]
    case "foreign": {
      const part = {
        _tag: "Foreign",
        type: textAt(value, "type") ?? "block",
        value: held === "" ? value : { ...value, input: parseExact(held) ?? held },
        at: `content[${block}]`
      } as const
      return [{ _tag: "Whole", part }]
    }
  }
}

const blockStop = (state: Decoding, block: number): Step => {
  const entry = state.open.find((open) => open.block === block)
  if (entry === undefined) return [state, nothing]
  const ends = state.current === block || ((entry.kind === "text" || entry.kind === "thinking") && !entry.told)
  return [{ ...state, open: state.open.filter((open) => open !== entry), current: ends ? -1 : state.current }, endOf(state, entry)]
}

/** Ends blocks whose end was not told, because something follows that says it. */
const stopped = (state: Decoding, events: Array<StreamEvent>, which: (open: Open) => boolean): Decoding => {
  let next = state
  for (const open of state.open) {
    if (!which(open)) continue
    const [after, more] = blockStop(next, open.block)
    next = after
    events.push(...more)
  }
  return next
}

const every = (): boolean => true
/** Calls may overlap; what is told as it comes is over when another block begins. */
const spoken = ({ kind }: Open): boolean => kind === "text" || kind === "thinking"

/** What `holder` says of the end. */
const stopEvents = (holder: Json): ReadonlyArray<StreamEvent> => {
  const reason = field(holder, "stop_reason")
  const sequence = textAt(holder, "stop_sequence")
  const stop = stopOf(reason)
  const explanation = stop === "refusal" ? explanationOf(holder) : undefined
  return [
    ...(explanation === undefined ? [] : [{ _tag: "RefusalDelta", text: explanation } as const, partEnd]),
    ...extrasOf((extras) => noteStop(extras, holder, stop)),
    { _tag: "Stop", reason: stop, ...(sequence === undefined ? {} : { sequence }) }
  ]
}

const ofDelta: ReadonlySet<string> = new Set(["stop_reason", "stop_sequence", "stop_details"])
const ofEnd: ReadonlySet<string> = new Set(["type", "delta", "usage"])

const messageDelta = (state: Decoding, data: Json): Step => {
  const delta = field(data, "delta")
  if (!isObject(delta)) return broken(state, "expected `delta` in `message_delta`")
  const usage = field(data, "usage")
  const events: Array<StreamEvent> = [
    ...extrasOf((extras) => {
      noteMessage(extras, delta, ofDelta)
      noteMessage(extras, data, ofEnd)
      noteUsage(extras, usage)
    })
  ]
  const stops = typeof field(delta, "stop_reason") === "string" && !state.stopped
  const next = stops ? stopped(state, events, every) : state
  if (stops) events.push(...stopEvents(delta))
  const counts = updated(state.counts, usage)
  if (isObject(usage)) events.push({ _tag: "Usage", usage: usageFrom(counts) })
  return [{ ...next, counts, stopped: state.stopped || stops }, events]
}

const messageStop = (state: Decoding): Step => {
  const events: Array<StreamEvent> = []
  stopped(state, events, every)
  if (!state.stopped && state.whole !== undefined) {
    events.push(...stopEvents(state.whole))
    if (isObject(field(state.whole, "usage"))) events.push({ _tag: "Usage", usage: usageFrom(state.counts) })
  } else if (!state.stopped) events.push({ _tag: "Stop", reason: "unknown" })
  events.push({ _tag: "End" })
  return [{ ...state, phase: "over" }, events]
}

const step = (state: Decoding, event: SseEvent): Step => {
  if (state.phase === "over" || event.event === "ping") return [state, nothing]
  const data = parse(event.data)
  if (!isObject(data)) return broken(state, "expected a JSON object in the provider's stream")
  const type = textAt(data, "type")
  switch (type) {
    case "ping":
      return [state, nothing]
    case "error": {
      const failed = failureIn(data) ?? malformed("the provider reported an error without saying which")
      return [{ ...state, phase: "over" }, [{ _tag: "Failed", failure: failed }]]
    }
    case "message_start":
      return messageStart(state, exactly(event, data))
    case "content_block_start":
    case "content_block_delta":
    case "content_block_stop": {
      if (state.phase === "waiting") return broken(state, `expected \`message_start\` before \`${type}\``)
      const block = field(data, "index")
      if (typeof block !== "number") return broken(state, `expected \`index\` in \`${type}\``)
      if (type === "content_block_delta") return blockDelta(state, data, block)
      if (type === "content_block_stop") return blockStop(state, block)
      const events: Array<StreamEvent> = []
      const [next, more] = blockStart(stopped(state, events, spoken), field(exactly(event, data), "content_block"), block)
      return [next, events.length === 0 ? more : [...events, ...more]]
    }
    case "message_delta":
      return state.phase === "waiting" ? broken(state, "expected `message_start` before `message_delta`") : messageDelta(state, data)
    case "message_stop":
      return state.phase === "waiting" ? broken(state, "expected `message_start` before `message_stop`") : messageStop(state)
    case undefined: {
      const failed = failureIn(data)
      if (failed === undefined) return broken(state, "expected `type` in the provider's stream")
      return [{ ...state, phase: "over" }, [{ _tag: "Failed", failure: failed }]]
    }
    default:
      return [state, nothing]
  }
}

/** The same data, in which the integers of a tool's input are what they were. */
const exactly = ({ data }: SseEvent, parsed: Json): Json => {
  const exact = parseExact(data)
  return isObject(exact) ? exact : parsed
}

/** Decodes a stream of events. */
export const streamDecoder: StreamDecoder<Decoding> = {
  initial,
  step,
  end: (state) =>
    state.phase === "over"
      ? nothing
      : [{ _tag: "Failed", failure: { class: "stream-cut", message: "the provider's stream ended without `message_stop`" } }]
}
