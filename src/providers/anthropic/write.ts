/**
 * Answers as a Messages caller reads them, whole; what a stream of one shares with it is exported.
 *
 * A seal of another provider stands where Claude's own would: as the signature of a thought, or, where it seals what has no signature here, in a
 * `redacted_thinking` block before it. A thought that nobody signed gets an empty seal of another dialect: Claude refuses a thought without its own signature, and by that
 * seal it is known for what it is when it comes back (`seal.ts`), even where the request would otherwise be forwarded as it is.
 */
import type { Answer, Part, StopReason } from "../../Conversation.ts"
import type { AnswerContext, Loss, Written } from "../../Dialect.ts"
import { toldOf } from "../broken.ts"
import { lossesOf, restore } from "../extras.ts"
import { isObject, parseExact } from "../json.ts"
import type { Json } from "../json.ts"
import { cleaned } from "./calls.ts"
import { nobodys, sealText } from "../seal.ts"
import { explained } from "./answer.ts"
import { writeUsage } from "./usage.ts"
import type { Body } from "./writing.ts"

/** The signature of a thought that nobody signed. */
export const unsigned = sealText(nobodys("messages"), "messages")

/** Reasons of other dialects by the nearest here; an unfinished answer is never called finished. */
const stopReasons = {
  end: "end_turn",
  "stop-sequence": "stop_sequence",
  "max-tokens": "max_tokens",
  "tool-calls": "tool_use",
  "content-filter": "refusal",
  refusal: "refusal",
  paused: "pause_turn",
  "context-window": "model_context_window_exceeded",
  unknown: null
} as const satisfies Record<StopReason, string | null>

const finished = new Set<StopReason>(["end", "stop-sequence", "unknown"])

/** What an answer's end depends on. */
export interface Ending {
  /** It is of this dialect. */
  readonly own: boolean
  readonly stop: StopReason
  readonly broken: boolean | undefined
  readonly called: boolean
  readonly refused: boolean
}

/** The `stop_reason`. */
export const stopReasonOf = ({ broken, called, own, refused, stop: reason }: Ending, losses: Array<Loss>): string | null => {
  if (own) return stopReasons[reason]
  const stop = toldOf(reason, broken)
  if (finished.has(stop) && refused) return "refusal"
  if (finished.has(stop) && called) return "tool_use"
  if (stop === "unknown") {
    losses.push({ field: "stop_reason", reason: "the provider did not say why its model stopped, or in a word that is not known" })
    return "end_turn"
  }
  if (stop === "paused") {
    // A paused turn would be sent back to be continued, which only its own provider can do.
    losses.push({
      field: "stop_reason",
      reason: "the provider stopped before the answer was whole, and is not asked to go on in this dialect"
    })
    return "max_tokens"
  }
  return stopReasons[stop]
}

/** What is said of a refusal besides that it is one. */
export const stopDetails = (explanation: string): Body =>
  explanation === "" ? {} : { stop_details: { type: "refusal", category: null, explanation } }

/** The reason why arguments are no `input`. */
export const noInput = "the arguments of this call are not a JSON object, so they are given as the text of one"

/** The `input` of a call: an object, as the official SDK and the API itself demand. */
const inputOf = (text: string, own: boolean, at: string, losses: Array<Loss>): unknown => {
  const trimmed = text.trim()
  if (trimmed === "") return {}
  const value = parseExact(trimmed)
  if (own ? value !== undefined : isObject(value) && trimmed.startsWith("{")) return value
  losses.push({ field: `${at}.input`, reason: noInput })
  return { arguments: text }
}

/** The id of a call: one for a call that came without, and another provider's as Claude takes it when it comes back. */
export const callId = (id: string, context: AnswerContext, index: number, own: boolean): string =>
  id === "" ? `toolu_${context.id}_${index}` : own ? id : cleaned(id)

/** The losses of a part that no block holds. */
export const unheld = (part: Part): string =>
  part._tag === "Foreign"
    ? `\`${part.type}\` has no place in an answer of the Messages API`
    : "an answer of the Messages API holds no such content"

/** Why sources of other providers are not cited. */
export const uncited = "a citation of the Messages API is a place in the caller's own documents or in Claude's own search"

/** The usage of an answer whose provider told none. */
export const noUsage = { inputTokens: 0, cachedInputTokens: 0, cacheWriteInputTokens: 0, outputTokens: 0, reasoningTokens: 0 }
export const untold: Loss = { field: "usage", reason: "the provider did not say how many tokens there were" }

/** Encodes a whole answer as a `message`. */
export const encodeAnswer = (answer: Answer, context: AnswerContext): Written => {
  const own = answer.dialect === "messages"
  const losses: Array<Loss> = []
  const content: Array<unknown> = []
  let calls = 0
  let refusal = ""
  let refused = false
  const redacted = (data: string) => void content.push({ type: "redacted_thinking", data })
  answer.parts.forEach((part, position) => {
    const at = part.at ?? `content[${position}]`
    switch (part._tag) {
      case "Text":
        if (part.seal !== undefined) redacted(sealText(part.seal, "messages"))
        if (!own && part.citations !== undefined && part.citations.length > 0) losses.push({ field: `${at}.citations`, reason: uncited })
        content.push({
          type: "text",
          text: part.text,
          ...(own && part.citations !== undefined ? { citations: part.citations.map(({ value }) => value) } : {})
        })
        return
      case "Refusal":
        refusal += part.text
        refused = true
        if (part.at !== explained) content.push({ type: "text", text: part.text })
        return
      case "Reasoning": {
        const signature = part.seal === undefined ? (own ? "" : unsigned) : sealText(part.seal, "messages")
        content.push({ type: "thinking", thinking: part.text, signature })
        return
      }
      case "SealedReasoning":
        return redacted(sealText(part.seal, "messages"))
      case "ToolCall":
        if (part.seal !== undefined) redacted(sealText(part.seal, "messages"))
        content.push({
          type: "tool_use",
          id: callId(part.id, context, calls, own),
          name: part.name,
          input: inputOf(part.arguments, own, at, losses)
        })
        calls++
        return
      case "Foreign":
        if (own) content.push(part.value)
        else losses.push({ field: at, reason: unheld(part) })
        return
      case "Image":
      case "File":
      case "Audio":
      case "ToolResult":
        losses.push({ field: at, reason: unheld(part) })
        return
    }
  })
  if (answer.usage === undefined && !own) losses.push(untold)
  const usage: Json | undefined = answer.usage === undefined ? (own ? undefined : writeUsage(noUsage)) : writeUsage(answer.usage)
  const body: Body = {
    id: own && answer.id !== undefined ? answer.id : `msg_${context.id}`,
    type: "message",
    role: "assistant",
    model: own && answer.model !== undefined ? answer.model : context.model,
    content,
    stop_reason: stopReasonOf({ own, stop: answer.stop, broken: answer.broken, called: calls > 0, refused }, losses),
    stop_sequence: answer.stopSequence ?? null,
    ...stopDetails(refusal),
    ...(usage === undefined ? {} : { usage })
  }
  if (own) restore(body, answer.extras)
  else losses.push(...lossesOf(answer.extras, "an answer of the Messages API"))
  return { body, losses }
}
