/**
 * A stream of `chat.completion.chunk`s, decoded.
 *
 * A chunk says many things at once: pieces of the answer become events, everything else an extra at its path in the chunk. Behind each chunk comes one extra more, its `object`:
 * by that a caller's encoder of this dialect knows that it may give all of it back as it was, and where a chunk ends.
 *
 * The end of an answer is told with `[DONE]`, because hosts give their reason twice, or a piece of the answer behind it.
 */
import type { Extra, StopReason, StreamEvent } from "../../../Conversation.ts"
import type { SseEvent, StreamDecoder } from "../../../Dialect.ts"
import { emptyAnswer } from "../../broken.ts"
import { noteOthers, present } from "../../extras.ts"
import { malformed } from "../../failures.ts"
import { field, isObject, type Json, listAt, parse, print, textAt } from "../../json.ts"
import { citationOf } from "../citations.ts"
import { failureIn } from "../failure.ts"
import { isInterrupted, isOdd, noSuchReason, stopOf } from "../finish.ts"
import { sourceOf } from "../media.ts"
import { asWritten } from "../reading.ts"
import { gathered, googleContent, googleSignature, hostSeal, sealingKeys } from "../seals.ts"
import { usageExtras, usageOf } from "../usage.ts"
import { argumentsOf, imageUrl, ownId, saysLogprobs, thinkingOf } from "./answer.ts"

/** A tool call that has begun, by the provider's index. */
interface Begun {
  readonly index: number
  readonly id: string
}

/** How far a stream has got. */
interface Decoding {
  readonly started: boolean
  readonly over: boolean
  readonly id: string | undefined
  readonly model: string | undefined
  readonly calls: ReadonlyArray<Begun>
  /** Why the answer ended, as far as it was told. */
  readonly finish: unknown
  /** Fields whose loss was told: once is enough. */
  readonly told: ReadonlySet<string>
  /** What the provider has signed, and not yet been told as a seal. */
  readonly sealing: Json
  /** Thinking is under way, which a seal can close. */
  readonly thinking: boolean
  /** Something has come that is no thinking. */
  readonly spoken: boolean
}

const initial: Decoding = {
  started: false,
  over: false,
  id: undefined,
  model: undefined,
  calls: [],
  finish: undefined,
  told: new Set(),
  sealing: {},
  thinking: false,
  spoken: false
}

export const chunkObject = "chat.completion.chunk"

/** What stands behind every chunk. */
const border: StreamEvent = { _tag: "Extra", extra: { field: "object", value: chunkObject, matters: false } }

const chunkKeys = new Set(["id", "model", "object", "choices", "usage"])
const choiceKeys = new Set(["index", "delta", "finish_reason", "logprobs"])
const deltaKeys = new Set(["content", "reasoning_content", "reasoning", "refusal", "tool_calls", "function_call", "annotations", "images"])
const callKeys = new Set(["index", "id", "type", "function"])
const functionKeys = new Set(["name", "arguments"])
const sources = new Set(["citations", "search_results"])

const at = "choices[0].delta"

/** One chunk on its way into events. */
interface Reading {
  readonly events: Array<StreamEvent>
  readonly extras: Array<Extra>
  state: Decoding
}

/** Tells what was signed so far: as the end of the thinking where that is under way. */
const tellSeal = (reading: Reading): void => {
  const { sealing, thinking } = reading.state
  const seal = hostSeal(sealing)
  if (seal !== undefined) {
    reading.events.push({ _tag: thinking ? "Sealed" : "SealedReasoning", seal })
    reading.state = { ...reading.state, sealing: {}, thinking: false }
  } else if (thinking) reading.state = { ...reading.state, thinking: false }
}

/** The answer goes on with something that is no thinking. */
const speak = (reading: Reading, event: StreamEvent): void => {
  if (reading.state.thinking) tellSeal(reading)
  if (!reading.state.spoken) reading.state = { ...reading.state, spoken: true }
  reading.events.push(event)
}

const readReasoning = (reading: Reading, delta: Json): void => {
  const { extras } = reading
  const { reasoning, reasoning_content: content } = delta
  const text = typeof content === "string" && content !== "" ? content : typeof reasoning === "string" ? reasoning : ""
  if (text !== "") {
    reading.events.push({ _tag: "ReasoningDelta", text })
    if (!reading.state.thinking) reading.state = { ...reading.state, thinking: true }
  }
  if ((content !== text || content === "") && (text !== "" || present(content)))
    asWritten(extras, `${at}.reasoning_content`, content ?? undefined)
  if (present(reasoning)) asWritten(extras, `${at}.reasoning`, reasoning)
  for (const key of sealingKeys) {
    const value = delta[key]
    if (!present(value)) continue
    const { sealing } = reading.state
    const before = sealing[key]
    const now = Array.isArray(value) ? gathered(Array.isArray(before) ? before : [], value) : value
    reading.state = { ...reading.state, sealing: { ...sealing, [key]: now } }
  }
}

const readContent = (reading: Reading, delta: Json): void => {
  const { extras } = reading
  const { content, refusal } = delta
  if (typeof content === "string" && content !== "") speak(reading, { _tag: "TextDelta", text: content })
  else if (present(content)) {
    asWritten(extras, `${at}.content`, content)
    for (const part of Array.isArray(content) ? (content as ReadonlyArray<unknown>) : []) {
      const thought = thinkingOf(part)
      const text = textAt(part, "text")
      if (thought !== undefined) {
        asWritten(extras, `${at}.reasoning_content`, undefined)
        if (thought !== "") reading.events.push({ _tag: "ReasoningDelta", text: thought })
      } else if (text !== undefined) {
        if (text !== "") speak(reading, { _tag: "TextDelta", text })
      } else
        speak(reading, { _tag: "Whole", part: { _tag: "Foreign", type: textAt(part, "type") ?? "part", value: part, at: `${at}.content` } })
    }
  }
  if (typeof refusal === "string" && refusal !== "") speak(reading, { _tag: "RefusalDelta", text: refusal })
  else if (present(refusal)) asWritten(extras, `${at}.refusal`, refusal)
  const annotations = listAt(delta, "annotations")
  annotations.forEach((annotation, index) => {
    const citation = citationOf(annotation)
    if (citation === undefined) extras.push({ field: `${at}.annotations[${index}]`, value: annotation, matters: true })
    else reading.events.push({ _tag: "Cited", citation })
  })
  const images = listAt(delta, "images")
  if (images.length > 0) asWritten(extras, `${at}.images`, images)
  for (const image of images) {
    const url = imageUrl(image)
    speak(reading, {
      _tag: "Whole",
      part:
        url === undefined ? { _tag: "Foreign", type: "image", value: image, at: `${at}.images` } : { _tag: "Image", source: sourceOf(url) }
    })
  }
}

const isTaken = (calls: Decoding["calls"], id: string): boolean => id !== "" && calls.some((call) => call.id === id)

const begin = (reading: Reading, begun: Begun, name: string, call: unknown): number => {
  const { calls } = reading.state
  const signature = googleSignature(call)
  const seal = signature === undefined ? {} : ({ seal: { dialect: "chat.completions", data: print(googleContent(signature)) } } as const)
  const id = ownId(begun.id, calls.length, isTaken(calls, begun.id))
  speak(reading, { _tag: "ToolCallStart", index: calls.length, id, name, ...seal })
  reading.state = { ...reading.state, calls: [...calls, begun] }
  return calls.length
}

/** Notes what a piece of a call says otherwise than our own encoder would. `starts` where the call begins with it. */
const noteCall = (extras: Array<Extra>, where: string, call: Json, position: number, starts: boolean): void => {
  const called = field(call, "function")
  const expect = (path: string, value: unknown, expected: unknown): void => {
    if ((value ?? undefined) !== expected) asWritten(extras, `${where}.${path}`, value ?? undefined)
  }
  expect("index", call["index"], position)
  if (!starts || textAt(call, "id") === "" || textAt(call, "id") === undefined) expect("id", call["id"], undefined)
  expect("type", call["type"], starts ? "function" : undefined)
  if (!starts) expect("function.name", field(called, "name"), undefined)
  if (typeof field(called, "arguments") !== "string")
    asWritten(extras, `${where}.function.arguments`, field(called, "arguments") ?? undefined)
  noteOthers(extras, where, call, callKeys, false)
  if (isObject(called)) noteOthers(extras, `${where}.function`, called, functionKeys, false)
}

const readCall = (reading: Reading, call: unknown, where: string): void => {
  const { calls } = reading.state
  const called = field(call, "function")
  const name = textAt(called, "name") ?? ""
  const id = textAt(call, "id") ?? ""
  const given = field(call, "index")
  const index = typeof given === "number" ? given : id === "" ? (calls.at(-1)?.index ?? 0) : calls.length
  const known = calls.findLastIndex((one) => one.index === index && (id === "" || one.id === id))
  if (known < 0 && name === "") {
    reading.extras.push({ field: where, value: call, matters: true, reason: "a call of this kind has no place in another dialect" })
    return
  }
  // A caller of this dialect gets the host's own id back.
  if (known < 0 && isTaken(calls, id)) asWritten(reading.extras, `${where}.id`, id)
  const position = known < 0 ? begin(reading, { index, id }, name, call) : known
  const text = argumentsOf(called)
  if (known >= 0 && text === "") asWritten(reading.extras, where, call)
  else if (isObject(call)) noteCall(reading.extras, where, call, position, known < 0)
  if (text !== "") reading.events.push({ _tag: "ToolCallDelta", index: position, arguments: text })
}

/** The index of a call in the deprecated form, of which an answer has one. */
const deprecated = -1

const readCalls = (reading: Reading, delta: Json): void => {
  const { extras } = reading
  const { function_call: called, tool_calls: list } = delta
  const calls = listAt(delta, "tool_calls")
  if (present(list) && calls.length === 0) asWritten(extras, `${at}.tool_calls`, list)
  calls.forEach((call, index) => readCall(reading, call, `${at}.tool_calls[${index}]`))
  if (!present(called)) return
  const name = textAt(called, "name") ?? ""
  let position = reading.state.calls.findIndex(({ index }) => index === deprecated)
  if (position < 0 && name !== "") position = begin(reading, { index: deprecated, id: "" }, name, called)
  const text = argumentsOf(called)
  if (position >= 0 && text !== "") reading.events.push({ _tag: "ToolCallDelta", index: position, arguments: text })
  if (position >= 0) asWritten(extras, `${at}.tool_calls`, calls.length > 0 ? calls : undefined)
  asWritten(extras, `${at}.function_call`, called)
}

const readChoice = (reading: Reading, choice: Json): void => {
  const { extras } = reading
  const { delta, finish_reason: finish, index, logprobs } = choice
  // That there is a choice is part of the chunk.
  asWritten(extras, "choices[0].index", index)
  noteOthers(extras, "choices[0]", choice, choiceKeys, false)
  if (present(logprobs)) extras.push({ field: "choices[0].logprobs", value: logprobs, matters: saysLogprobs(logprobs) })
  if (isObject(delta)) {
    if (!Object.values(delta).some(present)) asWritten(extras, at, {})
    readReasoning(reading, delta)
    readContent(reading, delta)
    readCalls(reading, delta)
    noteOthers(extras, at, delta, deltaKeys, false)
  } else if (present(delta)) asWritten(extras, at, delta)
  if (!present(finish)) return
  if (isOdd(finish)) extras.push({ field: "choices[0].finish_reason", value: finish, matters: true, reason: noSuchReason })
  else asWritten(extras, "choices[0].finish_reason", finish)
  if (finish !== "") reading.state = { ...reading.state, finish }
}

const readChunk = (reading: Reading, chunk: Json): void => {
  const { events, extras } = reading
  const id = textAt(chunk, "id")
  const model = textAt(chunk, "model")
  if (!reading.state.started) {
    events.push({ _tag: "Start", ...(id === undefined ? {} : { id }), ...(model === undefined ? {} : { model }) }, border)
    reading.state = { ...reading.state, started: true, id, model }
  }
  if (id !== reading.state.id) asWritten(extras, "id", id)
  if (model !== reading.state.model) asWritten(extras, "model", model)
  if (chunk["object"] !== chunkObject) asWritten(extras, "object", chunk["object"] ?? undefined)
  noteOthers(extras, "", chunk, chunkKeys, (key) => sources.has(key))
  let first = true
  for (const choice of listAt(chunk, "choices")) {
    const index = field(choice, "index") ?? 0
    if (first && index === 0 && isObject(choice)) {
      first = false
      readChoice(reading, choice)
    } else
      extras.push({ field: `choices[${String(index)}]`, value: choice, matters: true, reason: "only the first answer is carried over" })
  }
  const usage = usageOf(chunk)
  if (usage !== undefined) events.push({ _tag: "Usage", usage })
  usageExtras(extras, chunk)
}

/** Tells each loss once. */
const tellOf = (reading: Reading, { field, matters, reason, value }: Extra): StreamEvent => {
  const { told } = reading.state
  if (!matters) return { _tag: "Extra", extra: { field, value, matters } }
  if (told.has(field)) return { _tag: "Extra", extra: { field, value, matters: false } }
  reading.state = { ...reading.state, told: new Set([...told, field]) }
  return { _tag: "Extra", extra: { field, value, matters, ...(reason === undefined ? {} : { reason }) } }
}

const close = (state: Decoding): readonly [Decoding, ReadonlyArray<StreamEvent>] => {
  const broken = isInterrupted(state.finish)
  if (broken && !state.spoken) return [{ ...state, over: true }, [{ _tag: "Failed", failure: emptyAnswer(state.finish, "overloaded") }]]
  const reading: Reading = { events: [], extras: [], state }
  tellSeal(reading)
  const reason: StopReason = stopOf(state.finish, state.calls.length > 0)
  reading.events.push(
    ...state.calls.map((_call, index): StreamEvent => ({ _tag: "ToolCallEnd", index })),
    { _tag: "Stop", reason, ...(broken ? { broken } : {}) },
    { _tag: "End" }
  )
  return [{ ...reading.state, over: true }, reading.events]
}

const step = (state: Decoding, event: SseEvent): readonly [Decoding, ReadonlyArray<StreamEvent>] => {
  if (state.over) return [state, []]
  const over: Decoding = { ...state, over: true }
  if (event.data.trim() === "[DONE]")
    return state.started ? close(state) : [over, [{ _tag: "Failed", failure: malformed("expected an answer before `[DONE]`") }]]
  const chunk = parse(event.data)
  if (!isObject(chunk)) return [over, [{ _tag: "Failed", failure: malformed("expected a JSON object in the provider's stream") }]]
  const failed = failureIn(chunk)
  if (failed !== undefined) return [over, [{ _tag: "Failed", failure: failed }]]
  const reading: Reading = { events: [], extras: [], state }
  readChunk(reading, chunk)
  for (const extra of reading.extras) reading.events.push(tellOf(reading, extra))
  reading.events.push(border)
  return [reading.state, reading.events]
}

/** Decodes a stream of chunks. */
export const streamDecoder: StreamDecoder<Decoding> = {
  initial,
  step,
  end: (state) =>
    state.over ? [] : [{ _tag: "Failed", failure: { class: "stream-cut", message: "the provider's stream ended without `[DONE]`" } }]
}
