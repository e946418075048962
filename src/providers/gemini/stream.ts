/**
 * A stream of `generateContent`, decoded: a pure state machine over framed events.
 *
 *     waiting  --first response-->  open  --finishReason or a blocked prompt-->  open, may end  --connection ends-->  over
 *         any  --an error object, or data that breaks the rules-->  over (Failed)
 *
 * Every event is a piece of a whole answer, and nothing ends the stream but its connection: only then is it known that no event follows, since older models say `STOP` in each, and
 * that no error does, since the service can report one after it. So `Stop` and the usage, of which each event tells what has been counted so far, are told at the end. A connection that
 * ends before a reason to finish is `stream-cut`.
 *
 * Function calls come whole and each is a call of its own, however many are in one event; Vertex AI can stream a call's arguments in pieces (`partial.ts`). Where several answers were
 * asked for, the one of index 0 is told.
 */
import type { Citation, Extra, Part, StreamEvent, Usage } from "../../Conversation.ts"
import type { SseEvent, StreamDecoder } from "../../Dialect.ts"
import { emptyAnswer } from "../broken.ts"
import { noteOthers, present } from "../extras.ts"
import { malformed } from "../failures.ts"
import { field, isObject, type Json, listAt, objectAt, parseExact, print, textAt } from "../json.ts"
import { isBlocked, matters, noteFeedback } from "./answer.ts"
import { failureIn } from "./failure.ts"
import { isBroken, isFinish, noteFinish, stopOf } from "./finish.ts"
import { groundingOf } from "./grounding.ts"
import { assembled, type Pieces } from "./partial.ts"
import { decodePart, sealIn } from "./part.ts"
import { noteUsage, readUsage } from "./usage.ts"

/** A call whose arguments come in pieces. */
interface OpenCall {
  readonly index: number
  readonly args: Json
  readonly pieces: Pieces | undefined
}

/** How far a stream has got. */
export interface Decoding {
  readonly phase: "waiting" | "open" | "over"
  readonly calls: number
  readonly open: OpenCall | undefined
  /** What a delta of the same kind continues. */
  readonly kind: "text" | "reasoning" | undefined
  /** The text before the one under way, and that one: citations are counted in both. */
  readonly before: string
  readonly text: string
  /** The citations that have been told, since later events repeat them. */
  readonly cited: ReadonlySet<string>
  readonly candidates: ReadonlySet<number>
  readonly finish: unknown
  readonly blocked: boolean
  /** Something has come that is neither text nor thinking. */
  readonly whole: boolean
  readonly usage: Usage | undefined
  /** The last usage object. */
  readonly counted: unknown
}

const initial: Decoding = {
  phase: "waiting",
  calls: 0,
  open: undefined,
  kind: undefined,
  before: "",
  text: "",
  cited: new Set(),
  candidates: new Set(),
  finish: undefined,
  blocked: false,
  whole: false,
  usage: undefined,
  counted: undefined
}

type Step = readonly [Decoding, ReadonlyArray<StreamEvent>]

const nothing: ReadonlyArray<StreamEvent> = []

const broken = (state: Decoding, message: string): Step => [{ ...state, phase: "over" }, [{ _tag: "Failed", failure: malformed(message) }]]

const extra = (found: Extra): StreamEvent => ({ _tag: "Extra", extra: found })

/** One event's changes to the state, and what it says. */
class Reading {
  state: Decoding
  readonly events: Array<StreamEvent> = []
  /** Why the stream breaks its rules. */
  fault: string | undefined

  constructor(state: Decoding) {
    this.state = state
  }

  set(change: Partial<Decoding>): void {
    this.state = { ...this.state, ...change }
  }

  say(event: StreamEvent): void {
    this.events.push(event)
  }

  note(extras: ReadonlyArray<Extra>): void {
    for (const found of extras) this.say(extra(found))
  }

  /** What was under way has ended. */
  endText(): void {
    const { before, kind, text } = this.state
    if (kind !== undefined) this.set({ kind: undefined, before: before + text, text: "" })
  }

  part(part: Part): void {
    const { calls, kind, text } = this.state
    switch (part._tag) {
      case "Text":
        if (kind !== "text") this.endText()
        this.set({ kind: "text", text: kind === "text" ? text + part.text : part.text })
        this.say({ _tag: "TextDelta", text: part.text })
        break
      case "Reasoning":
        if (kind !== "reasoning") this.endText()
        this.set({ kind: "reasoning" })
        if (part.text !== "" || kind !== "reasoning") this.say({ _tag: "ReasoningDelta", text: part.text })
        break
      case "SealedReasoning":
        this.endText()
        this.say({ _tag: "SealedReasoning", seal: part.seal })
        return
      case "ToolCall":
        this.endText()
        this.set({ calls: calls + 1 })
        this.say({
          _tag: "ToolCallStart",
          index: calls,
          id: part.id,
          name: part.name,
          ...(part.seal === undefined ? {} : { seal: part.seal })
        })
        this.say({ _tag: "ToolCallDelta", index: calls, arguments: part.arguments })
        this.say({ _tag: "ToolCallEnd", index: calls })
        return
      case "Image":
      case "File":
      case "Audio":
      case "Foreign":
        this.endText()
        this.set({ whole: true })
        this.say({ _tag: "Whole", part })
        return
      case "Refusal":
      case "ToolResult":
        return
    }
    if (part.seal !== undefined) {
      this.say({ _tag: "Sealed", seal: part.seal })
      this.endText()
    }
  }

  /** A call that is streamed in pieces begins, goes on or ends; true where the part was one. */
  streamed(part: unknown): boolean {
    const call = objectAt(part, "functionCall")
    if (call === undefined) return false
    const name = textAt(call, "name")
    const continues = field(call, "willContinue") === true
    const { calls, open } = this.state
    if (name !== undefined && name !== "") {
      this.endCall()
      const pieces = listAt(call, "partialArgs")
      if (!continues && pieces.length === 0) return false
      this.endText()
      const id = textAt(call, "id") ?? ""
      this.set({ calls: calls + 1, open: { index: calls, args: objectAt(call, "args") ?? {}, pieces: undefined } })
      this.say({ _tag: "ToolCallStart", index: calls, id, name, ...sealIn(part) })
    } else if (open === undefined) return false
    this.gather(call)
    if (!continues) this.endCall()
    return true
  }

  gather(call: Json): void {
    const { open } = this.state
    if (open === undefined) return
    let { pieces } = open
    for (const piece of listAt(call, "partialArgs")) pieces = { piece, before: pieces }
    this.set({ open: { ...open, args: { ...open.args, ...objectAt(call, "args") }, pieces } })
  }

  endCall(): void {
    const { open } = this.state
    if (open === undefined) return
    this.set({ open: undefined })
    const pieced = assembled(open.pieces)
    const text = pieced === undefined ? "" : print({ ...open.args, ...pieced })
    if (text === "") this.fault ??= "expected pieces of arguments with a path and a value in `partialArgs`"
    this.say({ _tag: "ToolCallDelta", index: open.index, arguments: text })
    this.say({ _tag: "ToolCallEnd", index: open.index })
  }

  parts(content: unknown): void {
    for (const part of listAt(content, "parts")) {
      if (this.streamed(part)) continue
      const extras: Array<Extra> = []
      // Each part is told alone, so that it is the first of its event.
      const decoded = decodePart(part, "candidates[0].content.parts[0]", extras)
      if (decoded === undefined) continue
      this.note(extras)
      this.part(decoded)
    }
  }

  /** The citations of the text under way, which come where its last delta of this event was, or before whatever else the event says. */
  cite(candidate: unknown, under: Decoding): void {
    const metadata = field(candidate, "groundingMetadata")
    if (!present(metadata)) return
    const at = this.events.findLastIndex(({ _tag }) => _tag === "TextDelta") + 1
    const { before, kind, text } = at > 0 ? this.textAfter(under) : under
    const passages = [
      { index: -1, text: before },
      { index: 0, text }
    ]
    const { cited, complete } = groundingOf(metadata, passages)
    const told = new Set(this.state.cited)
    const sayable: Array<Citation> = []
    let all = complete
    for (const { citation, passage } of cited) {
      const key = `${citation.url}\n${citation.title}\n${citation.start}:${citation.end}`
      if (told.has(key)) continue
      if (passage !== 1 || kind !== "text") all = false
      else {
        told.add(key)
        sayable.push(citation)
      }
    }
    this.set({ cited: told })
    this.events.splice(at, 0, ...sayable.map((citation): StreamEvent => ({ _tag: "Cited", citation })))
    this.say(extra({ field: "candidates[0].groundingMetadata", value: metadata, matters: !all }))
  }

  /** The texts as they were after the last delta of this event, which other parts may have followed. */
  textAfter(under: Decoding): Pick<Decoding, "before" | "kind" | "text"> {
    if (this.state.kind === "text") return this.state
    const whole = this.state.before + this.state.text
    const from = under.kind === "text" && whole.startsWith(under.text, under.before.length) ? under.before.length : 0
    return { before: whole.slice(0, from), text: whole.slice(from), kind: "text" }
  }
}

const knownTop = new Set(["candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId", "createTime"])
const knownCandidate = new Set(["content", "finishReason", "groundingMetadata", "index"])

const start = (reading: Reading, data: Json): void => {
  const id = textAt(data, "responseId")
  const model = textAt(data, "modelVersion")
  reading.set({ phase: "open" })
  reading.say({ _tag: "Start", dialect: "generateContent", ...(id === undefined ? {} : { id }), ...(model === undefined ? {} : { model }) })
  const created = field(data, "createTime")
  if (present(created)) reading.say(extra({ field: "createTime", value: created, matters: false }))
}

const indexOf = (candidate: unknown): number => {
  const index = field(candidate, "index")
  return typeof index === "number" ? index : 0
}

/** Candidates beside the one that is told are kept whole; that they are left out is told once of each. */
const beside = (reading: Reading, candidates: ReadonlyArray<unknown>): void => {
  for (const value of candidates) {
    const index = indexOf(value)
    const fresh = !reading.state.candidates.has(index)
    if (fresh) reading.set({ candidates: new Set([...reading.state.candidates, index]) })
    reading.say(extra({ field: `candidates[${index}]`, value, matters: fresh, reason: "the caller's dialect shows one answer here" }))
  }
}

const candidateOf = (reading: Reading, candidate: Json): void => {
  const extras: Array<Extra> = []
  noteOthers(extras, "candidates[0]", candidate, knownCandidate, matters)
  reading.note(extras)
  const under = reading.state
  reading.parts(field(candidate, "content"))
  reading.cite(candidate, under)
  const reason = field(candidate, "finishReason")
  if (isFinish(reason)) reading.set({ finish: reason })
}

const counted = (reading: Reading, data: Json): void => {
  const metadata = field(data, "usageMetadata")
  const usage = readUsage(metadata)
  // The last is the truth: what early events say of the input is an estimate, and may be more.
  if (usage !== undefined) reading.set({ usage, counted: metadata })
}

const step = (state: Decoding, event: SseEvent): Step => {
  if (state.phase === "over") return [state, nothing]
  const data = parseExact(event.data)
  const failed = failureIn(data)
  if (failed !== undefined) return [{ ...state, phase: "over" }, [{ _tag: "Failed", failure: failed }]]
  if (!isObject(data)) return broken(state, "expected a JSON object in the provider's stream")
  const reading = new Reading(state)
  if (state.phase === "waiting") start(reading, data)
  const extras: Array<Extra> = []
  noteFeedback(extras, data)
  noteOthers(extras, "", data, knownTop, matters)
  reading.note(extras)
  if (isBlocked(data)) reading.set({ blocked: true })
  const candidates = listAt(data, "candidates")
  const told = candidates.find((candidate) => indexOf(candidate) === 0)
  if (candidates.length > 1 || told === undefined) {
    beside(
      reading,
      candidates.filter((candidate) => candidate !== told && isObject(candidate))
    )
  }
  if (isObject(told)) candidateOf(reading, told)
  counted(reading, data)
  return reading.fault === undefined ? [reading.state, reading.events] : broken(reading.state, reading.fault)
}

const end = (state: Decoding): ReadonlyArray<StreamEvent> => {
  if (state.phase === "over") return nothing
  if (state.finish === undefined && !state.blocked) {
    return [{ _tag: "Failed", failure: { class: "stream-cut", message: "the provider's stream ended without a reason to finish" } }]
  }
  const reading = new Reading(state)
  reading.endCall()
  if (reading.fault !== undefined) return [{ _tag: "Failed", failure: malformed(reading.fault) }]
  const stop = state.finish === undefined ? "content-filter" : stopOf(state.finish, state.calls > 0)
  const broken = isBroken(state.finish, stop)
  if (broken && !state.whole && state.calls === 0 && state.before + state.text === "") {
    if (state.usage !== undefined) reading.say({ _tag: "Usage", usage: state.usage })
    reading.say({ _tag: "Failed", failure: emptyAnswer(state.finish) })
    return reading.events
  }
  const extras: Array<Extra> = []
  if (state.finish !== undefined) noteFinish(extras, state.finish, stop)
  noteUsage(extras, state.counted)
  reading.note(extras)
  reading.say({ _tag: "Stop", reason: stop, ...(broken ? { broken } : {}) })
  if (state.usage !== undefined) reading.say({ _tag: "Usage", usage: state.usage })
  reading.say({ _tag: "End" })
  return reading.events
}

/** Decodes a stream of events. */
export const streamDecoder: StreamDecoder<Decoding> = { initial, step, end }
