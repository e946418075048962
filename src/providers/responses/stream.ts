/**
 * A stream of the Responses API, decoded: a pure state machine over framed events.
 *
 *     waiting  --any event of a response-->  open  --response.completed, response.incomplete-->  over
 *        any   --error, response.failed, or data that breaks the rules-->  over (Failed)
 *
 * Everything is said several times: in deltas, whole at the end of its part, of its item, and of the response. The first telling counts, so a host may leave out any but one of them.
 * Items may be interleaved, so pieces are known by the indexes of their item and their part. Progress of the provider's own tools is passed over: their
 * items come whole when they are done. Event types that are not known are passed over too.
 *
 * Source: https://platform.openai.com/docs/api-reference/responses-streaming.
 */
import type { Citation, Extra, Foreign, StreamEvent } from "../../Conversation.ts"
import type { SseEvent, StreamDecoder } from "../../Dialect.ts"
import { toldOf } from "../broken.ts"
import { failure, is, malformed } from "../failures.ts"
import { field, isObject, type Json, listAt, objectAt, parse, textAt } from "../json.ts"
import { isBroken, noteResponse, stopOf } from "./answer.ts"
import { readCitation } from "./citations.ts"
import { failureIn, failureOfError } from "./failure.ts"
import { type Kind, type Piece, readItem } from "./items.ts"
import { readUsage } from "./usage.ts"

/** A piece that has begun. */
interface Begun {
  readonly kind: Kind
  readonly index: number
  /** How many of its sources have been told. */
  readonly cited: number
}

/** An item that is not done. */
interface Open {
  readonly output: number
  readonly id: string | undefined
  readonly pieces: ReadonlyArray<Begun>
  /** The index of its tool call, where it is one that has begun. */
  readonly call: number | undefined
  /** Some of the call's arguments have come. */
  readonly argued: boolean
}

/** The piece whose deltas come. */
interface Under {
  readonly output: number
  readonly kind: Kind
  readonly index: number
}

/** How far a stream has got. */
export interface Decoding {
  readonly phase: "waiting" | "open" | "over"
  readonly open: ReadonlyArray<Open>
  readonly ended: ReadonlyArray<Pick<Open, "output" | "id">>
  readonly under: Under | undefined
  /** The id of the item that the last piece lay in. */
  readonly item: string | undefined
  readonly calls: number
  readonly refused: boolean
}

const initial: Decoding = { phase: "waiting", open: [], ended: [], under: undefined, item: undefined, calls: 0, refused: false }

type Step = readonly [Decoding, ReadonlyArray<StreamEvent>]

const nothing: ReadonlyArray<StreamEvent> = []

const broken = (state: Decoding, message: string): Step => [{ ...state, phase: "over" }, [{ _tag: "Failed", failure: malformed(message) }]]

const extraEvent = (extra: Extra): StreamEvent => ({ _tag: "Extra", extra })

const numberAt = (data: Json, name: string): number | undefined => {
  const found = data[name]
  return typeof found === "number" ? found : undefined
}

const itemAt = (state: Decoding, output: number): Open | undefined => state.open.find((item) => item.output === output)

const opened = (output: number, id: string | undefined): Open => ({ output, id, pieces: [], call: undefined, argued: false })

/** The state with one item in place of what was known of it. */
const withItem = (state: Decoding, item: Open): Decoding => ({
  ...state,
  open:
    itemAt(state, item.output) === undefined ? [...state.open, item] : state.open.map((old) => (old.output === item.output ? item : old))
})

const isThought = (kind: Kind): boolean => kind === "summary" || kind === "thought"

/** Whether two pieces say the same kind of thing, so that the end between them has to be told. */
const alike = (a: Kind, b: Kind): boolean => a === b || (isThought(a) && isThought(b))

/** The response begins, with what its first snapshot says. */
const start = (state: Decoding, response: Json): Step => {
  const id = textAt(response, "id")
  const model = textAt(response, "model")
  const extras: Array<Extra> = []
  // Its status and its usage are not known yet.
  noteResponse(extras, { ...response, status: "completed", incomplete_details: null, usage: null }, "end", false)
  return [
    { ...state, phase: "open" },
    [
      { _tag: "Start", ...(id === undefined ? {} : { id }), ...(model === undefined ? {} : { model }) },
      // What a stream is in its own dialect is told by what it calls its answer.
      extraEvent({ field: "object", value: "response", matters: false }),
      ...extras.map(extraEvent)
    ]
  ]
}

/** Makes a piece the one under way; `id` is of its item, where the item is not known. */
const begin = (state: Decoding, output: number, kind: Kind, index: number, id: string | undefined): Step => {
  const { under } = state
  if (under !== undefined && under.output === output && under.kind === kind && under.index === index) return [state, nothing]
  const item = itemAt(state, output) ?? opened(output, id)
  const events: Array<StreamEvent> = []
  if (under !== undefined && alike(under.kind, kind)) events.push({ _tag: "PartEnd" })
  if (item.id !== undefined && item.id !== state.item) events.push({ _tag: "Item", id: item.id })
  if (kind === "thought")
    events.push(extraEvent({ field: `output[${output}].content[${index}].type`, value: "reasoning_text", matters: false }))
  const pieces = item.pieces.some((piece) => piece.kind === kind && piece.index === index)
    ? item.pieces
    : [...item.pieces, { kind, index, cited: 0 }]
  const next = withItem(state, { ...item, pieces })
  return [{ ...next, under: { output, kind, index }, item: item.id ?? state.item, refused: state.refused || kind === "refusal" }, events]
}

const deltaOf = (kind: Kind, text: string): StreamEvent =>
  kind === "text" ? { _tag: "TextDelta", text } : kind === "refusal" ? { _tag: "RefusalDelta", text } : { _tag: "ReasoningDelta", text }

const say = (state: Decoding, output: number, kind: Kind, index: number, text: string, id: string | undefined): Step => {
  if (text === "") return [state, nothing]
  const [next, events] = begin(state, output, kind, index, id)
  const delta = deltaOf(kind, text)
  return [next, events.length === 0 ? [delta] : [...events, delta]]
}

const hasBegun = (state: Decoding, output: number, kind: Kind, index: number): boolean =>
  itemAt(state, output)?.pieces.some((piece) => piece.kind === kind && piece.index === index) ?? false

/** Says a piece that comes whole, unless its deltas came. */
const sayWhole = (state: Decoding, output: number, kind: Kind, index: number, text: string, id: string | undefined): Step =>
  hasBegun(state, output, kind, index) || state.ended.some((item) => item.output === output)
    ? [state, nothing]
    : say(state, output, kind, index, text, id)

const citedAt = (state: Decoding, output: number, index: number): number =>
  itemAt(state, output)?.pieces.find((piece) => piece.kind === "text" && piece.index === index)?.cited ?? 0

/** Tells sources of a text. */
const cite = (state: Decoding, output: number, index: number, citations: ReadonlyArray<Citation>, id: string | undefined): Step => {
  if (citations.length === 0) return [state, nothing]
  const { under } = state
  const elsewhere = under === undefined || under.output !== output || under.kind !== "text" || under.index !== index
  if (elsewhere && hasBegun(state, output, "text", index)) {
    // Another part is under way, and would be taken for what they belong to.
    const value = citations.map((citation) => citation.value)
    return [state, [extraEvent({ field: `output[${output}].content[${index}].annotations`, value, matters: true })]]
  }
  const [next, events] = begin(state, output, "text", index, id)
  const item = itemAt(next, output)!
  const pieces = item.pieces.map((piece) =>
    piece.kind === "text" && piece.index === index ? { ...piece, cited: piece.cited + citations.length } : piece
  )
  return [withItem(next, { ...item, pieces }), [...events, ...citations.map((citation): StreamEvent => ({ _tag: "Cited", citation }))]]
}

/** Begins the tool call of an item. */
const beginCall = (state: Decoding, item: Open, value: unknown, name: string): Step => {
  const index = state.calls
  const events: Array<StreamEvent> = item.id === undefined ? [] : [{ _tag: "Item", id: item.id }]
  events.push({ _tag: "ToolCallStart", index, id: textAt(value, "call_id") ?? "", name })
  const next = withItem(state, { ...item, call: index })
  return [{ ...next, calls: index + 1, under: undefined, item: item.id }, events]
}

const argue = (state: Decoding, item: Open, text: string): Step => {
  if (item.call === undefined || text === "") return [state, nothing]
  const events: ReadonlyArray<StreamEvent> = [{ _tag: "ToolCallDelta", index: item.call, arguments: text }]
  return [item.argued ? state : withItem(state, { ...item, argued: true }), events]
}

const itemAdded = (state: Decoding, data: Json, output: number): Step => {
  const value = data["item"]
  if (!isObject(value)) return broken(state, "expected `item` in `response.output_item.added`")
  // Its numbering is the host's own affair, but nothing is to be told twice.
  if (itemAt(state, output) !== undefined) return [state, nothing]
  const item = opened(output, textAt(value, "id"))
  const name = textAt(value, "name")
  if (textAt(value, "type") === "function_call" && name !== undefined) return beginCall(state, item, value, name)
  return [withItem(state, item), nothing]
}

const pieceDone = (state: Decoding, output: number, { kind, index, part }: Piece, id: string | undefined): Step => {
  if (part._tag === "Foreign") {
    const events: Array<StreamEvent> = id === undefined || id === state.item ? [] : [{ _tag: "Item", id }]
    return [{ ...state, under: undefined, item: id ?? state.item }, [...events, { _tag: "Whole", part }]]
  }
  const [said, events] = sayWhole(state, output, kind, index, part.text, id)
  if (part._tag !== "Text" || part.citations === undefined) return [said, events]
  const [next, more] = cite(said, output, index, part.citations.slice(citedAt(said, output, index)), id)
  return [next, [...events, ...more]]
}

const whole = (state: Decoding, part: Foreign): Step => [{ ...state, under: undefined }, [{ _tag: "Whole", part }]]

/** What is left to be said of an item that is done. Its extras come first, since what follows may end it. */
const finish = (state: Decoding, value: unknown, output: number): Step => {
  const read = readItem(value, output)
  if (typeof read === "string") return broken(state, `${read} of the provider's stream`)
  if (read._tag === "Whole") return whole(state, read.part)
  if (read._tag === "Empty") return [state, [extraEvent(read.extra)]]
  const events = read.extras.map(extraEvent)
  if (read._tag === "Call") {
    let next = state
    const take = ([after, said]: Step): void => {
      next = after
      events.push(...said)
    }
    let item = itemAt(next, output) ?? opened(output, read.call.item)
    if (item.call === undefined) take(beginCall(next, item, value, read.call.name))
    item = itemAt(next, output)!
    if (!item.argued) take(argue(next, item, read.call.arguments))
    events.push({ _tag: "ToolCallEnd", index: item.call! })
    return [next, events]
  }
  let next = state
  for (const piece of read.pieces) {
    const [after, said] = pieceDone(next, output, piece, read.id)
    next = after
    events.push(...said)
  }
  if (read.seal === undefined) return [next, events]
  if (next.under?.output === output && isThought(next.under.kind))
    return [{ ...next, under: undefined }, [...events, { _tag: "Sealed", seal: read.seal }]]
  if (read.id !== undefined && read.id !== next.item) events.push({ _tag: "Item", id: read.id })
  return [{ ...next, under: undefined, item: read.id ?? next.item }, [...events, { _tag: "SealedReasoning", seal: read.seal }]]
}

const itemDone = (state: Decoding, value: unknown, output: number): Step => {
  if (state.ended.some((item) => item.output === output)) return [state, nothing]
  const [next, events] = finish(state, value, output)
  return [
    { ...next, open: next.open.filter((item) => item.output !== output), ended: [...next.ended, { output, id: textAt(value, "id") }] },
    events
  ]
}

/** The items that only the finished response tells: the host left out their events. */
const untold = (state: Decoding, output: ReadonlyArray<unknown>): ReadonlyArray<readonly [number, unknown]> =>
  state.ended.length >= output.length
    ? []
    : [...output.entries()].filter(([index, value]) => {
        const id = textAt(value, "id")
        return !state.ended.some((item) => item.output === index || (id !== undefined && item.id === id))
      })

const ended = (state: Decoding, response: Json, status: string): Step => {
  const failed = failureIn(response)
  if (failed !== undefined) return [{ ...state, phase: "over" }, [{ _tag: "Failed", failure: failed }]]
  let next = state
  const events: Array<StreamEvent> = []
  for (const [index, value] of untold(state, listAt(response, "output"))) {
    const [after, said] = itemDone(next, value, index)
    next = after
    events.push(...said)
    if (next.phase === "over") return [next, events]
  }
  for (const { call } of next.open) if (call !== undefined) events.push({ _tag: "ToolCallEnd", index: call })
  const said = textAt(response, "status") ?? status
  const stop = stopOf(response, { calls: next.calls > 0, refused: next.refused }, said)
  const broken = isBroken(stop, response, said)
  const extras: Array<Extra> = []
  noteResponse(extras, { status, ...response }, toldOf(stop, broken), next.refused)
  events.push(...extras.map(extraEvent), { _tag: "Stop", reason: stop, ...(broken ? { broken } : {}) })
  const usage = readUsage(field(response, "usage"))
  if (usage !== undefined) events.push({ _tag: "Usage", usage })
  events.push({ _tag: "End" })
  return [{ ...next, phase: "over" }, events]
}

const deltas: Readonly<Record<string, readonly [Kind, string]>> = {
  "response.output_text.delta": ["text", "content_index"],
  "response.refusal.delta": ["refusal", "content_index"],
  "response.reasoning_summary_text.delta": ["summary", "summary_index"],
  "response.reasoning_text.delta": ["thought", "content_index"]
}

const dones: Readonly<Record<string, readonly [kind: Kind, index: string, text: string]>> = {
  "response.output_text.done": ["text", "content_index", "text"],
  "response.refusal.done": ["refusal", "content_index", "refusal"],
  "response.reasoning_summary_text.done": ["summary", "summary_index", "text"],
  "response.reasoning_text.done": ["thought", "content_index", "text"]
}

const itemEvents = new Set([
  ...Object.keys(deltas),
  ...Object.keys(dones),
  "response.output_item.added",
  "response.output_item.done",
  "response.output_text.annotation.added",
  "response.function_call_arguments.delta",
  "response.function_call_arguments.done"
])

/** An event of one item. */
const itemStep = (state: Decoding, type: string, data: Json): Step => {
  const output = numberAt(data, "output_index")
  if (output === undefined) return broken(state, `expected \`output_index\` in \`${type}\``)
  const id = textAt(data, "item_id")
  const delta = deltas[type]
  if (delta !== undefined) {
    const text = textAt(data, "delta")
    if (text === undefined) return broken(state, `expected \`delta\` in \`${type}\``)
    return say(state, output, delta[0], numberAt(data, delta[1]) ?? 0, text, id)
  }
  const done = dones[type]
  if (done !== undefined) return sayWhole(state, output, done[0], numberAt(data, done[1]) ?? 0, textAt(data, done[2]) ?? "", id)
  switch (type) {
    case "response.output_item.added":
      return itemAdded(state, data, output)
    case "response.output_item.done":
      return itemDone(state, data["item"], output)
    case "response.output_text.annotation.added":
      return cite(state, output, numberAt(data, "content_index") ?? 0, [readCitation(data["annotation"])], id)
    default: {
      const item = itemAt(state, output)
      if (item === undefined) return [state, nothing]
      if (type.endsWith(".delta")) return argue(state, item, textAt(data, "delta") ?? "")
      return item.argued ? [state, nothing] : argue(state, item, textAt(data, "arguments") ?? "")
    }
  }
}

const lifecycle = new Set(["response.created", "response.queued", "response.in_progress", "response.completed", "response.incomplete"])

const responseStep = (state: Decoding, type: string, data: Json): Step => {
  const response = objectAt(data, "response")
  if (response === undefined) return broken(state, `expected \`response\` in \`${type}\``)
  const begun: Step = state.phase === "waiting" ? start(state, response) : [state, nothing]
  if (type !== "response.completed" && type !== "response.incomplete") return begun
  const [next, events] = ended(begun[0], response, type.slice("response.".length))
  return [next, [...begun[1], ...events]]
}

const step = (state: Decoding, event: SseEvent): Step => {
  if (state.phase === "over" || event.data === "[DONE]") return [state, nothing]
  const data = parse(event.data)
  if (!isObject(data)) return broken(state, "expected a JSON object in the provider's stream")
  const type = textAt(data, "type") ?? event.event
  if (itemEvents.has(type)) {
    if (state.phase === "open") return itemStep(state, type, data)
    const [begun, events] = start(state, {})
    const [next, more] = itemStep(begun, type, data)
    return [next, [...events, ...more]]
  }
  if (lifecycle.has(type)) return responseStep(state, type, data)
  if (type === "error") return [{ ...state, phase: "over" }, [{ _tag: "Failed", failure: failureOfError(data) }]]
  if (type === "response.failed") {
    const found = failureIn(data["response"]) ?? failure(is("server-error"), undefined, { message: "the provider's response failed" })
    return [{ ...state, phase: "over" }, [{ _tag: "Failed", failure: found }]]
  }
  // What is no event of this API may be an error of something before the provider.
  const found = type.startsWith("response.") ? undefined : failureIn(data)
  if (found !== undefined) return [{ ...state, phase: "over" }, [{ _tag: "Failed", failure: found }]]
  return type === "" ? broken(state, "expected `type` in the provider's stream") : [state, nothing]
}

/** Decodes a stream of events. */
export const streamDecoder: StreamDecoder<Decoding> = {
  initial,
  step,
  end: (state) =>
    state.phase === "over"
      ? nothing
      : [{ _tag: "Failed", failure: { class: "stream-cut", message: "the provider's stream ended without `response.completed`" } }]
}
