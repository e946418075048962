/**
 * A stream of answers as a Gemini caller reads it: pieces of a `GenerateContentResponse`, framed as Google frames them, the last with the reason to finish and the usage. Nothing follows
 * it: the connection's end is the stream's.
 *
 * Calls are written whole when they have ended, since the provider's clients join no pieces; the rules for what has no place are those of whole answers (`write.ts`). Of a thought the latest
 * piece is held back until it is known whether a signature follows, which then stands on that piece: clients leave out pieces without text. Extras of this dialect are known by their
 * paths: they are given back with the next event.
 */
import type { Citation, Extra, Seal, StopReason, StreamEvent, Usage } from "../../Conversation.ts"
import type { AnswerContext, Loss, StreamEncoder } from "../../Dialect.ts"
import type { Failure } from "../../Failure.ts"
import { failed } from "../../GatewayError.ts"
import { restore } from "../extras.ts"
import { type Json, parseExact } from "../json.ts"
import { errorEvent } from "./error.ts"
import { isSayable, type Placed, writeGrounding } from "./grounding.ts"
import { toolUseOf, writeUsage } from "./usage.ts"
import { nobodys } from "../seal.ts"
import { argsOf, callPart, finishOf, isCandidateless, mediaPart, noPlace, quoteCall, sealPart, signature } from "./write.ts"

/** A call that has begun. */
interface Call {
  readonly index: number
  readonly id: string
  readonly name: string
  readonly seal: Seal | undefined
  readonly arguments: string
}

/** How far a stream has got. */
export interface Encoding {
  /** Everything of an event behind its parts; empty before the first. */
  readonly tail: string
  readonly id: string
  /** The provider speaks this dialect too. */
  readonly own: boolean
  readonly calls: ReadonlyArray<Call>
  /** A call has begun. */
  readonly called: boolean
  readonly kind: "text" | "reasoning" | undefined
  /** A piece of a thought that may yet be signed, or a seal of another provider that goes on the next part. */
  readonly held: string | Seal | undefined
  /** All text, and where that under way begins in it. */
  readonly text: string
  readonly from: number
  readonly cited: ReadonlyArray<{ readonly citation: Citation; readonly from: number; readonly to: number | undefined }>
  /** Extras of this dialect that wait for the next event. */
  readonly waiting: ReadonlyArray<Extra>
  /** The provider's own grounding metadata has been written. */
  readonly grounded: boolean
  readonly written: boolean
  readonly refused: boolean
  readonly malformedCall: string | undefined
  readonly stop: StopReason
  readonly usage: Usage | undefined
  readonly over: boolean
}

const initial: Encoding = {
  tail: "",
  id: "",
  own: false,
  calls: [],
  called: false,
  kind: undefined,
  held: undefined,
  text: "",
  from: 0,
  cited: [],
  waiting: [],
  grounded: false,
  written: false,
  refused: false,
  malformedCall: undefined,
  stop: "unknown",
  usage: undefined,
  over: false
}

type Step = readonly [Encoding, string, ReadonlyArray<Loss>?]

const none: ReadonlyArray<Loss> = []

const head = `data: {"candidates":[{"content":{"parts":[`
const frame = (body: Json): string => `data: ${JSON.stringify(body)}\r\n\r\n`
const ownFields = ["candidates[", "promptFeedback", "usageMetadata.", "createTime", "modelStatus"]
const isOwn = (field: string): boolean => ownFields.some((begin) => field.startsWith(begin))

/** A stream encoder for one answer. The text of an event is the head, its part, and the tail, which is the same for all. */
export const streamEncoder = (context: AnswerContext): StreamEncoder<Encoding> => {
  const model = JSON.stringify(context.model)
  const named = (id: string): Pick<Encoding, "id" | "tail"> => ({
    id,
    tail: `],"role":"model"},"index":0}],"modelVersion":${model},"responseId":${JSON.stringify(id)}}\r\n\r\n`
  })

  const event = (state: Encoding, part: string): Step => {
    if (state.waiting.length === 0) return [state.written ? state : { ...state, written: true }, head + part + state.tail]
    const body: Record<string, unknown> = {
      candidates: [{ content: { parts: [parseExact(part)], role: "model" }, index: 0 }],
      modelVersion: context.model,
      responseId: state.id
    }
    const waiting = restore(body, state.waiting)
    return [{ ...state, waiting, written: true }, frame(body)]
  }

  const put = (state: Encoding, part: Json): Step => event(state, JSON.stringify(part))

  const kindOf = (state: Encoding, kind: Encoding["kind"]): Encoding => {
    if (state.kind === kind) return state
    return {
      ...state,
      kind,
      from: state.text.length,
      cited: state.cited.map((found) => (found.to === undefined ? { ...found, to: state.text.length } : found))
    }
  }

  /** What was held back goes as it is. */
  const flush = (state: Encoding): Step => {
    const { held } = state
    if (held === undefined) return [state, ""]
    return put({ ...state, held: undefined }, typeof held === "string" ? { text: held, thought: true } : sealPart(held))
  }

  /** After what was held back. */
  const after = (state: Encoding, next: (flushed: Encoding) => Step): Step => {
    if (state.held === undefined) return next(state)
    const [flushed, before] = flush(state)
    const [last, text, losses = none] = next(flushed)
    return [last, before + text, losses]
  }

  const textDelta = (state: Encoding, text: string, refused: boolean): Step => {
    if (text === "") return [state, ""]
    const under = kindOf(state, "text")
    const said = { ...under, text: under.text + text, refused: under.refused || refused }
    if (said.held === undefined) return event(said, `{"text":${JSON.stringify(text)}}`)
    if (typeof said.held !== "string") return put({ ...said, held: undefined }, { text, ...signature(said.held) })
    return after(said, (flushed) => event(flushed, `{"text":${JSON.stringify(text)}}`))
  }

  const callEnd = (state: Encoding, call: Call): Step => {
    const calls = state.calls.filter((open) => open !== call)
    const args = argsOf(call.arguments)
    if (args === undefined) {
      const malformedCall = state.malformedCall ?? quoteCall(call.name, call.arguments)
      return [{ ...state, calls, malformedCall }, "", [{ field: `tool_calls[${call.index}].arguments`, reason: noPlace.args }]]
    }
    return put({ ...state, calls }, callPart(call, call.id === "" ? `call_${context.id}_${call.index}` : call.id, args))
  }

  /** Calls whose end was never told. */
  const allCallsEnd = (state: Encoding): Step => {
    let [next, text]: readonly [Encoding, string] = [state, ""]
    const losses: Array<Loss> = []
    for (const call of state.calls) {
      const [after, more, lost = []] = callEnd(next, call)
      next = after
      text += more
      losses.push(...lost)
    }
    return [next, text, losses]
  }

  const groundingOf = ({ cited, grounded, text }: Encoding): Json => {
    if (grounded || cited.length === 0) return {}
    const placed = cited.map(({ citation, from, to = text.length }): Placed => {
      const start = Math.min(to, from + Math.max(0, citation.start ?? 0))
      return { citation, start, end: Math.max(start, Math.min(to, citation.end === undefined ? to : from + citation.end)) }
    })
    return { groundingMetadata: writeGrounding(text, placed) }
  }

  const last = (state: Encoding): string => {
    const blocked = !state.written && isCandidateless(state.stop, state.waiting)
    const candidate = {
      content: { parts: [{ text: "" }], role: "model" },
      ...finishOf(state.stop, state.refused, state.malformedCall),
      index: 0,
      ...groundingOf(state)
    }
    const body: Record<string, unknown> = {
      ...(blocked ? {} : { candidates: [candidate] }),
      ...(state.usage === undefined ? {} : { usageMetadata: writeUsage(state.usage, toolUseOf(state.waiting)) }),
      modelVersion: context.model,
      responseId: state.id
    }
    restore(body, state.waiting)
    return frame(body)
  }

  /** The gateway's own shape and codes, in the provider's words alone: the encoder does not know the target. */
  const failureEvent = (failure: Failure): string => errorEvent({ ...failed(context.model, failure), message: failure.message })

  const sealed = (state: Encoding, seal: Seal): Step => {
    const { held, kind } = state
    const ended = kindOf(state, undefined)
    if (typeof held === "string") return put({ ...ended, held: undefined }, { text: held, thought: true, ...signature(seal) })
    return after(ended, (flushed) => put(flushed, { ...sealPart(seal), ...(kind === "reasoning" ? { thought: true } : {}) }))
  }

  const callStart = (state: Encoding, { id, index, name, seal }: Extract<StreamEvent, { readonly _tag: "ToolCallStart" }>): Step => {
    const begun = kindOf(state, undefined)
    const carried = seal === undefined && typeof begun.held === "object" ? begun.held : undefined
    const [flushed, text] = carried === undefined ? flush(begun) : [{ ...begun, held: undefined }, ""]
    const known = seal ?? carried ?? (flushed.own || flushed.called ? undefined : nobodys("generateContent"))
    return [{ ...flushed, called: true, calls: [...flushed.calls, { index, id, name, seal: known, arguments: "" }] }, text]
  }

  const said = (state: Encoding, told: StreamEvent): Step => {
    switch (told._tag) {
      case "TextDelta":
        return textDelta(state, told.text, false)
      case "RefusalDelta":
        return textDelta(state, told.text, true)
      case "ReasoningDelta": {
        const under = kindOf(state, "reasoning")
        return told.text === "" ? [under, ""] : after(under, (flushed) => [{ ...flushed, held: told.text }, ""])
      }
      case "Sealed":
        return sealed(state, told.seal)
      case "SealedReasoning":
        return after(kindOf(state, undefined), (flushed) =>
          told.seal.dialect === "generateContent" ? put(flushed, sealPart(told.seal)) : [{ ...flushed, held: told.seal }, ""]
        )
      case "PartEnd": {
        const ended = kindOf(state, undefined)
        return typeof state.held === "string" ? flush(ended) : [ended, ""]
      }
      case "Cited":
        if (!isSayable(told.citation)) return [state, "", [{ field: "citations", reason: noPlace.citation }]]
        return [
          {
            ...state,
            cited: [
              ...state.cited,
              { citation: told.citation, from: state.from, to: state.kind === "text" ? undefined : state.text.length }
            ]
          },
          ""
        ]
      case "ToolCallStart":
        return callStart(state, told)
      case "ToolCallDelta":
        return [
          {
            ...state,
            calls: state.calls.map((call) => (call.index === told.index ? { ...call, arguments: call.arguments + told.arguments } : call))
          },
          ""
        ]
      case "ToolCallEnd": {
        const call = state.calls.find(({ index }) => index === told.index)
        if (call === undefined) return [state, ""]
        return typeof state.held === "string" ? after(state, (flushed) => callEnd(flushed, call)) : callEnd(state, call)
      }
      case "Whole": {
        const { part } = told
        const own = part._tag === "Foreign" && part.at?.startsWith("candidates[") === true
        const media = part._tag === "Foreign" ? (own ? (part.value as Json) : undefined) : mediaPart(part)
        if (media !== undefined) return after(kindOf(state, undefined), (flushed) => put(flushed, media))
        const reason = part._tag === "Foreign" ? noPlace.foreign(part.type) : noPlace.media
        return [state, "", [{ field: part.at ?? "content", reason }]]
      }
      case "Extra": {
        const { extra } = told
        if (!isOwn(extra.field)) return [state, ""]
        const grounded = state.grounded || extra.field === "candidates[0].groundingMetadata"
        // It belongs to what follows.
        return after({ ...state, grounded }, (flushed) => [{ ...flushed, waiting: [...flushed.waiting, extra] }, ""])
      }
      case "Stop": {
        const [next, text, losses = none] = after(state, allCallsEnd)
        return [{ ...next, stop: told.reason }, text, losses]
      }
      case "Usage":
        return [{ ...state, usage: told.usage }, ""]
      case "End": {
        const [next, text, losses = none] = after(state, allCallsEnd)
        return [{ ...next, over: true }, text + last(next), losses]
      }
      case "Failed":
        return after(state, (flushed) => [{ ...flushed, over: true }, failureEvent(told.failure)])
      case "Start":
        return [{ ...state, own: told.dialect === "generateContent" }, ""]
      case "Item":
        return [state, ""]
    }
  }

  return {
    initial,
    step: (state, told) => {
      if (state.over) return [state, ""]
      if (state.tail !== "") return said(state, told)
      return said({ ...state, ...named(told._tag === "Start" && told.id !== undefined ? told.id : context.id) }, told)
    }
  }
}
