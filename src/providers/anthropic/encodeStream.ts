/**
 * Answers as a Messages caller reads them, as a stream: a pure state machine whose blocks follow one another, numbered from 0.
 *
 *     message_start  (content_block_start  content_block_delta*  content_block_stop)*  message_delta  message_stop
 *
 * Clients keep one block open at a time, so what comes while a call is open waits until that call has ended: calls that other providers interleave are
 * told one after another. `message_start` waits for the first content, since what its provider says of the message comes after `Start`; the end waits
 * for `End`, because usage may follow the reason. How many tokens went in is known from other providers at the end alone: `message_delta` tells the totals,
 * which its SDKs take over (`MessageStream` of the official one).
 *
 * Answers of this dialect give back what the model has no place for. They are known by the `type` of their message, which comes as an extra.
 *
 * Source: platform.claude.com, "Streaming messages".
 */
import type { Extra, StopReason, StreamEvent, Usage } from "../../Conversation.ts"
import type { AnswerContext, Loss, StreamEncoder } from "../../Dialect.ts"
import type { Failure } from "../../Failure.ts"
import { failed } from "../../GatewayError.ts"
import { restore } from "../extras.ts"
import { isObject, parseExact, print, textAt } from "../json.ts"
import { sealText } from "../seal.ts"
import { errorEvent } from "./error.ts"
import { citationDelta, frame, inputDelta, signatureDelta, textDelta, thinkingDelta } from "./frames.ts"
import { writeUsage } from "./usage.ts"
import { callId, noInput, noUsage, stopDetails, stopReasonOf, uncited, unheld, unsigned, untold } from "./write.ts"
import type { Body } from "./writing.ts"

type Content = Extract<
  StreamEvent,
  {
    readonly _tag: "TextDelta" | "Cited" | "ReasoningDelta" | "Sealed" | "SealedReasoning" | "RefusalDelta" | "PartEnd" | "Whole" | "Extra"
  }
>
type Start = Extract<StreamEvent, { readonly _tag: "ToolCallStart" }>

/** A call whose block is open. */
interface OpenCall {
  readonly index: number
  /** Its arguments so far. */
  readonly text: string
  /** Whether they are told as they come: they begin as an object does. Undefined before they begin. */
  readonly told: boolean | undefined
}

/** What came while a call was open: a call with all that is known of it, or anything else. */
type Waiting =
  | { readonly _tag: "Call"; readonly start: Start; readonly text: string; readonly ended: boolean }
  | { readonly _tag: "Content"; readonly event: Content }

/** How far a stream has got. */
interface Encoding {
  readonly begun: boolean
  readonly over: boolean
  /** The answer is of this dialect. */
  readonly own: boolean
  readonly id: string | undefined
  readonly model: string | undefined
  /** Those of this dialect that have not been given back. */
  readonly extras: ReadonlyArray<Extra>
  /** Of the block that is open, or of the next. */
  readonly index: number
  readonly open: "none" | "text" | "thinking" | "refusal" | "call"
  /** The block has been signed, or the loss of its citations told. */
  readonly marked: boolean
  readonly call: OpenCall | undefined
  readonly waiting: ReadonlyArray<Waiting>
  readonly calls: number
  readonly refused: boolean
  readonly refusal: string
  readonly stop: { readonly reason: StopReason; readonly sequence?: string; readonly broken?: boolean } | undefined
  readonly usage: Usage | undefined
}

const initial: Encoding = {
  begun: false,
  over: false,
  own: false,
  id: undefined,
  model: undefined,
  extras: [],
  index: 0,
  open: "none",
  marked: false,
  call: undefined,
  waiting: [],
  calls: 0,
  refused: false,
  refusal: "",
  stop: undefined,
  usage: undefined
}

/** One step under way: the state that it leaves, and what it says. */
type Draft = { -readonly [Key in keyof Encoding]: Encoding[Key] }
interface Saying {
  readonly draft: Draft
  readonly context: AnswerContext
  text: string
  readonly losses: Array<Loss>
}

const inBlock = ({ field }: Extra): boolean => field.startsWith("content[")

/** Whether an extra is told after `message_start`: with its block, or with the end. */
const isLater = (extra: Extra): boolean => inBlock(extra) || extra.field.startsWith("stop_")

/** The path within its block: `content[2].caller` is `caller`. */
const within = (path: string): string => {
  const rest = path.slice(path.indexOf("]") + 1)
  return rest.startsWith(".") ? rest.slice(1) : rest
}

/** JSON of `body` with extras put back; without them where they are nested too deeply to print. */
const printWith = (body: Body, put: () => void): string => {
  const bare = print(body)
  put()
  return print(body) || bare
}

const begin = (saying: Saying): void => {
  const { context, draft } = saying
  if (draft.begun) return
  draft.begun = true
  const message: Body = {
    id: draft.own && draft.id !== undefined ? draft.id : `msg_${context.id}`,
    type: "message",
    role: "assistant",
    model: draft.own && draft.model !== undefined ? draft.model : context.model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: writeUsage(draft.usage === undefined ? noUsage : { ...draft.usage, outputTokens: 0, reasoningTokens: 0 })
  }
  const extras = draft.extras.filter((extra) => !isLater(extra))
  draft.extras = draft.extras.filter(isLater)
  saying.text += frame("message_start", `,"message":${printWith(message, () => void restore(message, extras))}`)
}

/** Whether an extra is of the block with this index. */
const isOf = ({ field }: Extra, index: number): boolean => field.startsWith(`content[${index}]`)

const openBlock = (saying: Saying, block: Body): void => {
  const { draft } = saying
  begin(saying)
  const { extras, index } = draft
  if (extras.length > 0) draft.extras = extras.filter((extra) => !inBlock(extra))
  const put = (): void => {
    for (const extra of extras) if (isOf(extra, index)) restore(block, [{ ...extra, field: within(extra.field) }])
  }
  draft.marked = false
  saying.text += frame("content_block_start", `,"index":${index},"content_block":${printWith(block, put)}`)
}

const stopBlock = (saying: Saying): void => {
  saying.text += frame("content_block_stop", `,"index":${saying.draft.index}`)
  saying.draft.index++
  saying.draft.open = "none"
}

/** Ends the text or thought under way. */
const endPart = (saying: Saying): void => {
  const { draft } = saying
  if (draft.open === "none" || draft.open === "call") return
  if (draft.open === "thinking" && !draft.marked && !draft.own) saying.text += signatureDelta(draft.index, unsigned)
  stopBlock(saying)
}

/** A block that begins and ends at once. */
const whole = (saying: Saying, block: Body, then = ""): void => {
  endPart(saying)
  openBlock(saying, block)
  saying.text += then
  stopBlock(saying)
}

const redacted = (saying: Saying, data: string): void => whole(saying, { type: "redacted_thinking", data })

const ensure = (saying: Saying, open: "text" | "thinking" | "refusal"): void => {
  const { draft } = saying
  if (draft.open === open) return
  endPart(saying)
  openBlock(saying, open === "thinking" ? { type: "thinking", thinking: "", signature: "" } : { type: "text", text: "" })
  draft.open = open
}

/** A block of the provider's own tools, as its provider streams it: its input, or what it was condensed to, in a delta. */
const foreign = (saying: Saying, value: unknown): void => {
  if (!isObject(value) || print(value) === "") return
  const { index } = saying.draft
  const next = saying.draft.open === "none" ? index : index + 1
  const { input } = value
  if (isObject(input) && Object.keys(input).length > 0) return whole(saying, { ...value, input: {} }, inputDelta(next, print(input)))
  if (textAt(value, "type") === "compaction") {
    const { content, encrypted_content: sealed, ...rest } = value
    const said = { type: "compaction_delta", content: content ?? null, ...(sealed === undefined ? {} : { encrypted_content: sealed }) }
    return whole(saying, { ...rest, content: null }, frame("content_block_delta", `,"index":${next},"delta":${print(said)}`))
  }
  whole(saying, { ...value })
}

const place = (saying: Saying, event: Content): void => {
  const { draft, losses } = saying
  switch (event._tag) {
    case "TextDelta":
      if (event.text === "" && !draft.own) return
      ensure(saying, "text")
      if (event.text !== "") saying.text += textDelta(draft.index, event.text)
      return
    case "RefusalDelta":
      draft.refused = true
      draft.refusal += event.text
      // Where this dialect itself has it, it is no block.
      if (draft.own || event.text === "") return
      ensure(saying, "refusal")
      saying.text += textDelta(draft.index, event.text)
      return
    case "ReasoningDelta":
      if (event.text === "" && !draft.own) return
      ensure(saying, "thinking")
      if (event.text !== "") saying.text += thinkingDelta(draft.index, event.text)
      return
    case "Cited":
      if (draft.own) {
        ensure(saying, "text")
        const value = print(event.citation.value)
        if (value !== "") saying.text += citationDelta(draft.index, value)
      } else if (!draft.marked || draft.open !== "text") {
        losses.push({ field: `content[${draft.index}].citations`, reason: uncited })
        if (draft.open === "text") draft.marked = true
      }
      return
    case "Sealed": {
      const signature = sealText(event.seal, "messages")
      if (draft.open !== "thinking" && event.seal.dialect !== "messages") return redacted(saying, signature)
      ensure(saying, "thinking")
      saying.text += signatureDelta(draft.index, signature)
      draft.marked = true
      return endPart(saying)
    }
    case "SealedReasoning":
      return redacted(saying, sealText(event.seal, "messages"))
    case "PartEnd":
      return endPart(saying)
    case "Whole":
      if (draft.own && event.part._tag === "Foreign") foreign(saying, event.part.value)
      else
        losses.push({
          field: event.part.at ?? `content[${draft.open === "none" ? draft.index : draft.index + 1}]`,
          reason: unheld(event.part)
        })
      return
    case "Extra":
      return extra(saying, event.extra)
  }
}

const extra = (saying: Saying, found: Extra): void => {
  const { draft } = saying
  if (found.field === "type" && found.value === "message" && !draft.begun) draft.own = true
  if (!draft.own) return
  const type = textAt(found.value, "type")
  // A delta of a kind that is not known here.
  if (draft.open !== "none" && type !== undefined && isOf(found, draft.index) && found.field.endsWith(`.${type}`))
    saying.text += frame("content_block_delta", `,"index":${draft.index},"delta":${print(found.value)}`)
  else draft.extras = [...draft.extras, found]
}

const argue = (saying: Saying, call: OpenCall, text: string): void => {
  const { draft } = saying
  const soFar = call.text + text
  // Arguments that are no object are told at the end, as the text of one: clients read them as they come. What came before they began is blank.
  const told = call.told ?? (text.trim() === "" ? undefined : draft.own || text.trimStart().startsWith("{"))
  if (told === true && text !== "") saying.text += inputDelta(draft.index, call.told === undefined ? soFar : text)
  draft.call = { ...call, text: soFar, told }
}

const openCall = (saying: Saying, { id, index, name, seal }: Start): void => {
  const { context, draft } = saying
  endPart(saying)
  if (seal !== undefined) redacted(saying, sealText(seal, "messages"))
  openBlock(saying, { type: "tool_use", id: callId(id, context, draft.calls, draft.own), name, input: {} })
  draft.calls++
  draft.open = "call"
  draft.call = { index, text: "", told: undefined }
}

const endCall = (saying: Saying, call: OpenCall): void => {
  const { draft, losses } = saying
  const field = `content[${draft.index}].input`
  if (call.told === false) {
    saying.text += inputDelta(draft.index, print({ arguments: call.text }))
    losses.push({ field, reason: noInput })
  } else if (call.told === true && !draft.own && !isObject(parseExact(call.text)))
    losses.push({ field, reason: "the arguments of this call are broken JSON" })
  draft.call = undefined
  stopBlock(saying)
}

/** Says what has waited, up to the next call that has not ended. */
const resume = (saying: Saying, all: boolean): void => {
  const { draft } = saying
  const { waiting } = draft
  let position = 0
  while (position < waiting.length && draft.call === undefined) {
    const next = waiting[position]!
    position++
    if (next._tag === "Content") place(saying, next.event)
    else {
      openCall(saying, next.start)
      argue(saying, draft.call!, next.text)
      if (next.ended || all) endCall(saying, draft.call!)
    }
  }
  draft.waiting = waiting.slice(position)
}

const waits = (draft: Draft, index: number, change: (call: Extract<Waiting, { readonly _tag: "Call" }>) => Waiting): void => {
  const position = draft.waiting.findLastIndex((one) => one._tag === "Call" && one.start.index === index)
  const call = draft.waiting[position]
  if (call?._tag === "Call") draft.waiting = draft.waiting.with(position, change(call))
}

/** Fields that `message_delta` has beside its delta and usage, and not within it. */
const besideDelta = new Set(["context_management", "input_transformations"])

const finish = (saying: Saying): void => {
  const { draft, losses } = saying
  if (draft.call !== undefined) endCall(saying, draft.call)
  resume(saying, true)
  endPart(saying)
  begin(saying)
  const { own, refused, stop, usage } = draft
  if (usage === undefined && !own) losses.push(untold)
  const said: Body = {
    stop_reason: stopReasonOf({ own, stop: stop?.reason ?? "unknown", broken: stop?.broken, called: draft.calls > 0, refused }, losses),
    stop_sequence: stop?.sequence ?? null,
    ...stopDetails(draft.refusal)
  }
  const event: Body = { delta: said, usage: writeUsage(usage ?? noUsage) }
  const put = (): void => {
    for (const extra of draft.extras) {
      const key = extra.field.split(/[.[]/, 1)[0]!
      if (!inBlock(extra)) restore(key === "usage" || besideDelta.has(key) ? event : said, [extra])
    }
  }
  saying.text += frame("message_delta", `,${printWith(event, put).slice(1, -1)}`) + frame("message_stop", "")
  draft.over = true
}

const say = (saying: Saying, event: StreamEvent): void => {
  const { draft } = saying
  switch (event._tag) {
    case "Start":
      if (draft.begun) return
      draft.id = event.id
      draft.model = event.model
      return
    case "Item":
      return
    case "Usage":
      draft.usage = event.usage
      return
    case "Stop":
      draft.stop ??= event
      return
    case "ToolCallStart":
      if (draft.call === undefined) openCall(saying, event)
      else draft.waiting = [...draft.waiting, { _tag: "Call", start: event, text: "", ended: false }]
      return
    case "ToolCallDelta":
      if (draft.call?.index === event.index) argue(saying, draft.call, event.arguments)
      else waits(draft, event.index, (call) => ({ ...call, text: call.text + event.arguments }))
      return
    case "ToolCallEnd":
      if (draft.call?.index === event.index) {
        endCall(saying, draft.call)
        resume(saying, false)
      } else waits(draft, event.index, (call) => ({ ...call, ended: true }))
      return
    case "End":
      return finish(saying)
    case "Failed":
      draft.over = true
      saying.text += failureEvent(event.failure, saying.context)
      return
    default:
      // Where no block is open, extras are kept for the one that they precede.
      if (draft.call === undefined || (event._tag === "Extra" && (!inBlock(event.extra) || isOf(event.extra, draft.index))))
        place(saying, event)
      else draft.waiting = [...draft.waiting, { _tag: "Content", event }]
  }
}

/** The gateway's own shape and codes, in the provider's words alone: the encoder does not know the target. */
const failureEvent = (failure: Failure, { model }: AnswerContext): string =>
  errorEvent({ ...failed(model, failure), message: failure.message })

/** A stream encoder for one answer. */
export const streamEncoder = (context: AnswerContext): StreamEncoder<Encoding> => ({
  initial,
  step: (state, event) => {
    if (state.over) return [state, ""]
    // What most events are changes nothing.
    if (event._tag === "TextDelta" && state.open === "text" && event.text !== "") return [state, textDelta(state.index, event.text)]
    if (event._tag === "ReasoningDelta" && state.open === "thinking" && event.text !== "")
      return [state, thinkingDelta(state.index, event.text)]
    const saying: Saying = { draft: { ...state }, context, text: "", losses: [] }
    say(saying, event)
    return saying.losses.length === 0 ? [saying.draft, saying.text] : [saying.draft, saying.text, saying.losses]
  }
})
