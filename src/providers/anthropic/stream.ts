/**
 * A stream of the Messages API, decoded: a pure state machine over framed events.
 *
 *     waiting  --message_start-->  open  --message_delta (stop_reason)-->  open  --message_stop-->  over
 *        any   --error, or data that breaks the rules-->  over (Failed)
 *
 * Event types that are not known are passed over, as the provider asks of its clients; known types of a broken shape are `malformed`. A stream
 * that ends before `message_stop` is `stream-cut`, however complete it looks. The type is read from the data, not from the `event:` line, which
 * some proxies leave out.
 */
import type { SseEvent, StreamDecoder } from "../../Dialect.ts"
import type { StreamEvent } from "../../Conversation.ts"
import { malformed } from "../failures.ts"
import { field, isObject, parse, print, textAt } from "../json.ts"
import type { Json } from "../json.ts"
import { explanationOf, stopOf } from "./answer.ts"
import { failureIn } from "./failure.ts"
import { none, updated, usageFrom } from "./usage.ts"
import type { Counts } from "./usage.ts"

/** A tool call whose block is open. */
interface OpenCall {
  readonly block: number
  readonly index: number
  /** Whether any text of its arguments has come. */
  readonly written: boolean
}

/** How far a stream has got. */
export interface Decoding {
  readonly phase: "waiting" | "open" | "over"
  readonly calls: number
  readonly open: ReadonlyArray<OpenCall>
  readonly counts: Counts
  readonly stopped: boolean
  /** The block whose citations have been reported as lost, so that each block is reported once. */
  readonly cited: number
}

const initial: Decoding = { phase: "waiting", calls: 0, open: [], counts: none, stopped: false, cited: -1 }

type Step = readonly [Decoding, ReadonlyArray<StreamEvent>]

const nothing: ReadonlyArray<StreamEvent> = []

const broken = (state: Decoding, message: string): Step => [{ ...state, phase: "over" }, [{ _tag: "Failed", failure: malformed(message) }]]

const messageStart = (state: Decoding, data: Json): Step => {
  const message = field(data, "message")
  if (!isObject(message)) return broken(state, "expected `message` in `message_start`")
  if (state.phase !== "waiting") return broken(state, "expected one `message_start`")
  const id = textAt(message, "id")
  const model = textAt(message, "model")
  // These counts are the beginning of the bill. Were they told now, a stream that is cut would be settled at them.
  const counts = updated(none, field(message, "usage"))
  return [
    { ...state, phase: "open", counts },
    [{ _tag: "Start", ...(id === undefined ? {} : { id }), ...(model === undefined ? {} : { model }) }]
  ]
}

const blockStart = (state: Decoding, data: Json, block: number): Step => {
  const content = field(data, "content_block")
  const type = textAt(content, "type")
  switch (type) {
    case undefined:
      return broken(state, "expected `content_block.type` in `content_block_start`")
    case "text": {
      const text = textAt(content, "text")
      return [state, text === undefined || text === "" ? nothing : [{ _tag: "TextDelta", text }]]
    }
    case "thinking": {
      const text = textAt(content, "thinking")
      return [state, text === undefined || text === "" ? nothing : [{ _tag: "ReasoningDelta", text }]]
    }
    case "redacted_thinking":
      return [state, [{ _tag: "SealedReasoning", data: textAt(content, "data") ?? "" }]]
    case "tool_use": {
      const id = textAt(content, "id")
      const name = textAt(content, "name")
      if (id === undefined || name === undefined) return broken(state, "expected `id` and `name` of a `tool_use` block")
      const index = state.calls
      const events: Array<StreamEvent> = [{ _tag: "ToolCallStart", index, id, name }]
      // The input comes in deltas and starts as `{}`; hosts that do not stream it put it here whole.
      const input = field(content, "input")
      const whole = isObject(input) && Object.keys(input).length > 0
      if (whole) events.push({ _tag: "ToolCallDelta", index, arguments: print(input) })
      return [{ ...state, calls: index + 1, open: [...state.open, { block, index, written: whole }] }, events]
    }
    default:
      return [state, [{ _tag: "Lost", field: `content[${block}]`, reason: `\`${type}\` has no place in the caller's dialect` }]]
  }
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
      return [state, text === "" ? nothing : [{ _tag: "TextDelta", text }]]
    }
    case "thinking_delta": {
      const text = textAt(delta, "thinking")
      if (text === undefined) return broken(state, "expected `delta.thinking` of a `thinking_delta`")
      return [state, text === "" ? nothing : [{ _tag: "ReasoningDelta", text }]]
    }
    case "signature_delta": {
      const signature = textAt(delta, "signature")
      return [state, signature === undefined || signature === "" ? nothing : [{ _tag: "ReasoningSignature", signature }]]
    }
    case "input_json_delta": {
      const text = textAt(delta, "partial_json")
      if (text === undefined) return broken(state, "expected `delta.partial_json` of an `input_json_delta`")
      // The input of the provider's own tools was reported when their block began.
      const call = state.open.find((open) => open.block === block)
      if (call === undefined || text === "") return [state, nothing]
      const events: ReadonlyArray<StreamEvent> = [{ _tag: "ToolCallDelta", index: call.index, arguments: text }]
      if (call.written) return [state, events]
      return [{ ...state, open: state.open.map((open) => (open === call ? { ...open, written: true } : open)) }, events]
    }
    case "citations_delta":
      if (state.cited === block) return [state, nothing]
      return [
        { ...state, cited: block },
        [{ _tag: "Lost", field: `content[${block}].citations`, reason: "the caller's dialect cannot cite these sources" }]
      ]
    default:
      return [state, nothing]
  }
}

const blockStop = (state: Decoding, block: number): Step => {
  const call = state.open.find((open) => open.block === block)
  if (call === undefined) return [state, nothing]
  const next = { ...state, open: state.open.filter((open) => open !== call) }
  // A call without arguments streams none, and callers parse what they were sent.
  return [next, call.written ? nothing : [{ _tag: "ToolCallDelta", index: call.index, arguments: "{}" }]]
}

const messageDelta = (state: Decoding, data: Json): Step => {
  const delta = field(data, "delta")
  if (!isObject(delta)) return broken(state, "expected `delta` in `message_delta`")
  const events: Array<StreamEvent> = []
  const reason = field(delta, "stop_reason")
  const stops = typeof reason === "string" && !state.stopped
  if (stops) {
    const explanation = reason === "refusal" ? explanationOf(delta) : undefined
    if (explanation !== undefined) events.push({ _tag: "RefusalDelta", text: explanation })
    const stop = stopOf(reason)
    if (stop === "paused" || stop === "unknown") {
      events.push({ _tag: "Lost", field: "stop_reason", reason: "no reason of the caller's dialect means the same" })
    }
    events.push({ _tag: "Stop", reason: stop })
  }
  const usage = field(data, "usage")
  const counts = updated(state.counts, usage)
  if (isObject(usage)) events.push({ _tag: "Usage", usage: usageFrom(counts) })
  return [{ ...state, counts, stopped: state.stopped || stops }, events]
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
      return messageStart(state, data)
    case "content_block_start":
    case "content_block_delta":
    case "content_block_stop": {
      if (state.phase === "waiting") return broken(state, `expected \`message_start\` before \`${type}\``)
      const block = field(data, "index")
      if (typeof block !== "number") return broken(state, `expected \`index\` in \`${type}\``)
      if (type === "content_block_delta") return blockDelta(state, data, block)
      return type === "content_block_start" ? blockStart(state, data, block) : blockStop(state, block)
    }
    case "message_delta":
      return state.phase === "waiting" ? broken(state, "expected `message_start` before `message_delta`") : messageDelta(state, data)
    case "message_stop": {
      if (state.phase === "waiting") return broken(state, "expected `message_start` before `message_stop`")
      const end: StreamEvent = { _tag: "End" }
      return [{ ...state, phase: "over" }, state.stopped ? [end] : [{ _tag: "Stop", reason: "unknown" }, end]]
    }
    case undefined: {
      const failed = failureIn(data)
      if (failed === undefined) return broken(state, "expected `type` in the provider's stream")
      return [{ ...state, phase: "over" }, [{ _tag: "Failed", failure: failed }]]
    }
    default:
      return [state, nothing]
  }
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
