/**
 * Answers as a Chat Completions caller reads them in a stream of chunks.
 *
 * Text, refusals, thoughts and calls leave as they come. Sources and signatures leave together before the reason of the end, each list in one piece: of the official clients one
 * puts a list that comes later into the place of the earlier one, and another refuses it. A stream that fails ends with an error object and never with `[DONE]`.
 *
 * A provider of the same dialect is known by the `object` behind each of its chunks. What is said between two of them is one chunk again, with all that the host said besides.
 */
import type { Citation, Part, StreamEvent, Usage } from "../../Conversation.ts"
import type { AnswerContext, Loss, StreamEncoder } from "../../Dialect.ts"
import type { Failure } from "../../Failure.ts"
import { failed } from "../../GatewayError.ts"
import { toldOf } from "../broken.ts"
import { restore } from "../extras.ts"
import { type Json, print } from "../json.ts"
import { answerId, callId, callSeal, sealedBlock, thinkingBlock } from "./answer.ts"
import { annotationOf } from "./citations.ts"
import { errorEvent } from "./error.ts"
import { finishOf } from "./finish.ts"
import { urlOf } from "./media.ts"
import { imageOf } from "./target/answer.ts"
import { chunkObject } from "./target/stream.ts"
import { writeUsage } from "./usage.ts"

/** A chunk under construction, for a provider of the same dialect. */
interface Draft {
  readonly delta: Record<string, unknown>
  readonly usage: Usage | undefined
  readonly extras: ReadonlyArray<Extract<StreamEvent, { readonly _tag: "Extra" }>["extra"]>
}

const blank: Draft = { delta: {}, usage: undefined, extras: [] }

/** How far a stream has got. */
interface Encoding {
  /** Everything of a chunk before its `choices`; empty before the first event. */
  readonly head: string
  /** The role has been told. */
  readonly opened: boolean
  /** What the provider said before its dialect was known, and since its last chunk ended where it is ours. */
  readonly own: Draft | undefined
  readonly id: string | undefined
  readonly model: string | undefined
  readonly finished: boolean
  readonly over: boolean
  readonly usage: Usage | undefined
  readonly calls: boolean
  /** The part under way, counted as in a whole answer, and its kind. */
  readonly part: number
  readonly kind: Part["_tag"] | undefined
  /** The length of all text so far, and where the part under way begins in it. */
  readonly length: number
  readonly from: number
  /** The thoughts under way. */
  readonly thought: string
  readonly thinking: ReadonlyArray<Json>
  /** The sources of the text under way, and those of texts before it. */
  readonly cited: ReadonlyArray<Citation>
  readonly annotations: ReadonlyArray<Json>
  /** The part whose sources were reported as lost. */
  readonly lost: number
}

const waiting: Encoding = {
  head: "",
  opened: false,
  own: undefined,
  id: undefined,
  model: undefined,
  finished: false,
  over: false,
  usage: undefined,
  calls: false,
  part: -1,
  kind: undefined,
  length: 0,
  from: 0,
  thought: "",
  thinking: [],
  cited: [],
  annotations: [],
  lost: -1
}

type Step = readonly [Encoding, string, ReadonlyArray<Loss>?]

/** The part under way has ended. */
const closed = (state: Encoding): Encoding => {
  if (state.cited.length === 0) return state.kind === undefined ? state : { ...state, kind: undefined, thought: "" }
  // INVARIANT: those without a URL are not kept.
  const annotations = state.cited.map((citation) => annotationOf(citation, state.from, state.length)!)
  return { ...state, kind: undefined, thought: "", cited: [], annotations: [...state.annotations, ...annotations] }
}

/** A part of this kind is under way. */
const within = (state: Encoding, kind: Part["_tag"]): Encoding =>
  state.kind === kind ? state : { ...closed(state), kind, part: state.part + 1, from: state.length }

/** A part has come whole. */
const passed = (state: Encoding, thinking: ReadonlyArray<Json> = state.thinking): Encoding => ({
  ...closed(state),
  part: state.part + 1,
  thinking
})

/** The chunk of a provider of this dialect, as it was. */
const rebuilt = ({ id, model }: Encoding, { delta, extras, usage }: Draft): Json => {
  const choice: Record<string, unknown> = Object.keys(delta).length === 0 ? {} : { delta }
  const choices: Array<unknown> = [choice]
  const body: Record<string, unknown> = {
    id,
    object: chunkObject,
    model,
    choices,
    ...(usage === undefined ? {} : { usage: writeUsage(usage) })
  }
  // Other choices are entries of their own, in the order in which they came.
  const others = extras.filter(({ field }) => field !== "choices[0].index" && /^choices\[\d+\]$/.test(field))
  const taken = new Set(others)
  restore(
    body,
    extras.filter((extra) => !taken.has(extra))
  )
  if (Object.keys(choice).length === 0) choices.length = 0
  choices.push(...others.map(({ value }) => value))
  return body
}

const pieces = (list: unknown): ReadonlyArray<Json> => (Array.isArray(list) ? (list as ReadonlyArray<Json>) : [])

/** Adds a piece of the answer to a chunk. */
const drafted = (delta: Readonly<Record<string, unknown>>, event: StreamEvent): Record<string, unknown> => {
  const grown = (key: string, text: string) => ({ ...delta, [key]: `${typeof delta[key] === "string" ? delta[key] : ""}${text}` })
  switch (event._tag) {
    case "TextDelta":
      return grown("content", event.text)
    case "ReasoningDelta":
      return grown("reasoning_content", event.text)
    case "RefusalDelta":
      return grown("refusal", event.text)
    case "Cited":
      return { ...delta, annotations: [...pieces(delta["annotations"]), event.citation.value] }
    case "ToolCallStart": {
      const { id, index, name, seal } = event
      const call = { index, id, type: "function", function: { name, arguments: "" }, ...callSeal(seal) }
      return { ...delta, tool_calls: [...pieces(delta["tool_calls"]), call] }
    }
    case "ToolCallDelta": {
      const calls = pieces(delta["tool_calls"])
      const last = calls.at(-1) as { readonly index: number; readonly function: { readonly arguments: string } } | undefined
      const said = { arguments: event.arguments }
      if (last?.index !== event.index) return { ...delta, tool_calls: [...calls, { index: event.index, function: said }] }
      const whole = { ...last, function: { ...last.function, arguments: last.function.arguments + event.arguments } }
      return { ...delta, tool_calls: [...calls.slice(0, -1), whole] }
    }
    default:
      return delta as Record<string, unknown>
  }
}

/** The text of a chunk; none where it tells nothing but the usage that only the gateway has asked for. */
const chunkOf = (state: Encoding, own: Draft, includeUsage: boolean): string => {
  const chunk = rebuilt(state, own)
  if (own.usage !== undefined && !includeUsage && pieces(chunk["choices"]).length === 0) return ""
  const text = print(chunk)
  return text === "" ? "" : `data: ${text}\n\n`
}

/** The next event of a provider of this dialect. */
const owned = (state: Encoding, own: Draft, event: StreamEvent, includeUsage: boolean): Step => {
  switch (event._tag) {
    case "Extra": {
      const { extra } = event
      if (extra.field !== "object" || extra.value !== chunkObject)
        return [{ ...state, own: { ...own, extras: [...own.extras, extra] } }, ""]
      if (own === blank) return [state, ""]
      return [{ ...state, own: blank }, chunkOf(state, own, includeUsage)]
    }
    case "Usage":
      return [{ ...state, own: { ...own, usage: event.usage } }, ""]
    case "End":
      return [{ ...state, over: true }, "data: [DONE]\n\n"]
    default: {
      const delta = drafted(own.delta, event)
      return delta === own.delta ? [state, ""] : [{ ...state, own: { ...own, delta } }, ""]
    }
  }
}

/** A stream encoder for one answer. The text of every chunk but the first and last ones is the head, one JSON string, and the tail. */
export const streamEncoder = (context: AnswerContext): StreamEncoder<Encoding> => {
  const tail = context.includeUsage ? `],"usage":null}\n\n` : `]}\n\n`
  const headOf = (id: string): string =>
    `data: {"id":${JSON.stringify(id)},"object":"${chunkObject}","created":${context.createdSeconds},"model":${JSON.stringify(context.model)},"choices":[`
  const chunk = (head: string, delta: string, finish = "null"): string =>
    `${head}{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${finish}}${tail}`
  const opening = (head: string): string => chunk(head, `{"role":"assistant","content":"","refusal":null}`)

  /** What waits for the end. */
  const gathered = (state: Encoding): string => {
    const { annotations, thinking } = state
    if (annotations.length + thinking.length === 0) return ""
    const lists = { ...(thinking.length === 0 ? {} : { thinking_blocks: thinking }), ...(annotations.length === 0 ? {} : { annotations }) }
    return chunk(state.head, JSON.stringify(lists))
  }

  const finish = (state: Encoding, reason: string): string => gathered(state) + chunk(state.head, "{}", JSON.stringify(reason))

  const sealed = (state: Encoding, event: Extract<StreamEvent, { readonly _tag: "Sealed" }>): Encoding => {
    const { kind, part, thinking, thought } = state
    if (kind === "Text") return { ...closed(state), thinking: [...thinking, sealedBlock(event.seal)] }
    const block = thinkingBlock(thought, event.seal)
    return { ...closed(state), part: kind === "Reasoning" ? part : part + 1, thinking: [...thinking, block] }
  }

  const cite = (state: Encoding, citation: Citation): Step => {
    const next = within(state, "Text")
    if (citation.url !== undefined) return [{ ...next, cited: [...next.cited, citation] }, ""]
    if (next.lost === next.part) return [next, ""]
    const loss = { field: `content[${next.part}].citations`, reason: "a chat completion cites only sources that have a URL" }
    return [{ ...next, lost: next.part }, "", [loss]]
  }

  const whole = (state: Encoding, { part }: Extract<StreamEvent, { readonly _tag: "Whole" }>): Step => {
    const next = passed(state)
    const url = part._tag === "Image" ? urlOf(part.source) : undefined
    if (url !== undefined) return [next, chunk(state.head, JSON.stringify({ images: [imageOf(url)] }))]
    const reason =
      part._tag === "Foreign" ? `\`${part.type}\` has no place in a chat completion` : "a chat completion holds no such content"
    return [next, "", [{ field: part.at ?? `content[${next.part}]`, reason }]]
  }

  const started = (state: Encoding, { id, index, name, seal }: Extract<StreamEvent, { readonly _tag: "ToolCallStart" }>): Step => {
    const next = passed(state, seal === undefined ? state.thinking : [...state.thinking, sealedBlock(seal)])
    const more = seal === undefined ? "" : `,${JSON.stringify(callSeal(seal)).slice(1, -1)}`
    const call = `{"index":${index},"id":${JSON.stringify(callId(id, context, index))},"type":"function","function":{"name":${JSON.stringify(name)},"arguments":""}${more === "," ? "" : more}}`
    return [next.calls ? next : { ...next, calls: true }, chunk(state.head, `{"tool_calls":[${call}]}`)]
  }

  const continued = (state: Encoding, event: StreamEvent): Step => {
    switch (event._tag) {
      case "TextDelta": {
        const next = within(state, "Text")
        return [{ ...next, length: next.length + event.text.length }, chunk(state.head, `{"content":${JSON.stringify(event.text)}}`)]
      }
      case "ReasoningDelta": {
        const next = within(state, "Reasoning")
        return [{ ...next, thought: next.thought + event.text }, chunk(state.head, `{"reasoning_content":${JSON.stringify(event.text)}}`)]
      }
      case "RefusalDelta":
        return [within(state, "Refusal"), chunk(state.head, `{"refusal":${JSON.stringify(event.text)}}`)]
      case "ToolCallStart":
        return started(state, event)
      case "ToolCallDelta":
        return [
          state,
          chunk(state.head, `{"tool_calls":[{"index":${event.index},"function":{"arguments":${JSON.stringify(event.arguments)}}}]}`)
        ]
      case "Sealed":
        return [sealed(state, event), ""]
      case "SealedReasoning":
        return [passed(state, [...state.thinking, sealedBlock(event.seal)]), ""]
      case "Cited":
        return cite(state, event.citation)
      case "Whole":
        return whole(state, event)
      case "PartEnd":
        return [closed(state), ""]
      case "Usage":
        return [{ ...state, usage: event.usage }, ""]
      case "Stop": {
        if (state.finished) return [state, ""]
        const next = closed(state)
        return [{ ...next, finished: true }, finish(next, finishOf(toldOf(event.reason, event.broken), next.calls))]
      }
      case "End": {
        const next = closed(state)
        const reason = state.finished ? "" : finish(next, finishOf("unknown", next.calls))
        const usage =
          context.includeUsage && state.usage !== undefined ? `${state.head}],"usage":${JSON.stringify(writeUsage(state.usage))}}\n\n` : ""
        return [{ ...next, finished: true, over: true }, `${reason}${usage}data: [DONE]\n\n`]
      }
      default:
        return [state, ""]
    }
  }

  /** The gateway's own shape and codes, in the provider's words alone: the encoder does not know the target. */
  const failureEvent = (failure: Failure): string => errorEvent({ ...failed(context.model, failure), message: failure.message })

  const begun = (state: Encoding, id: string | undefined, model: string | undefined): Encoding =>
    state.head === "" ? { ...state, head: headOf(answerId(id, context)), id, model } : state

  return {
    initial: waiting,
    step: (state, event) => {
      if (state.over) return [state, ""]
      if (state.own !== undefined && event._tag !== "Failed") return owned(state, state.own, event, context.includeUsage)
      if (event._tag === "Extra") {
        const { field, value } = event.extra
        return [state.opened || field !== "object" || value !== chunkObject ? state : { ...state, own: blank }, ""]
      }
      if (event._tag === "Start") return [begun(state, event.id, event.model), ""]
      if (event._tag === "Usage" && !state.opened) return [{ ...state, usage: event.usage }, ""]
      // A decoder that never said `Start` is forgiven.
      const ready = begun(state, undefined, undefined)
      const role = ready.opened || (event._tag === "Failed" && (ready.own !== undefined || state.head === "")) ? "" : opening(ready.head)
      if (event._tag === "Failed") return [{ ...ready, over: true }, role + failureEvent(event.failure)]
      const [next, text, losses] = continued(ready.opened ? ready : { ...ready, opened: true }, event)
      return losses === undefined ? [next, role + text] : [next, role + text, losses]
    }
  }
}
