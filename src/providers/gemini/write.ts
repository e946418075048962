/**
 * An answer as a Gemini caller reads it: whole.
 *
 * Thoughts are parts with `thought`, and what signs a part stands on it as `thoughtSignature`, that of another dialect wrapped. Reasoning that another provider has sealed goes on the text or
 * call that follows it, and is an empty text where there is none: the provider's own client forgets a turn that holds one (googleapis/js-genai, `chats.ts`). A refusal has no part of its own: it is text, and the candidate ends with `SAFETY`, never `STOP`. A call
 * whose arguments are no object is left out, because a caller would run it with others; as the service does then, the candidate ends with `MALFORMED_FUNCTION_CALL` and its message
 * quotes the call. Citations become grounding metadata.
 */
import type { Answer, Extra, Part, Seal, Source, StopReason } from "../../Conversation.ts"
import type { AnswerContext, Loss, Written } from "../../Dialect.ts"
import { lossesOf, restore } from "../extras.ts"
import { isObject, type Json, parseExact } from "../json.ts"
import { nobodys, sealText } from "../seal.ts"
import { isBlocked } from "./answer.ts"
import { finishReasons } from "./finish.ts"
import { isSayable, type Placed, writeGrounding } from "./grounding.ts"
import { audioType } from "./part.ts"
import { toolUseOf, writeUsage } from "./usage.ts"

/** A part's signature. */
export const signature = (seal: Seal | undefined): Json =>
  seal === undefined ? {} : { thoughtSignature: sealText(seal, "generateContent") }

/** A seal that stands alone. */
export const sealPart = (seal: Seal): Json => ({ text: "", ...signature(seal) })

/** A call's arguments as the object that the dialect exchanges; undefined where they are none. No text at all is no arguments. */
export const argsOf = (text: string): Json | undefined => {
  const args = text.trim() === "" ? {} : parseExact(text)
  return isObject(args) ? args : undefined
}

/** A function call. */
export const callPart = ({ name, seal }: { readonly name: string; readonly seal?: Seal | undefined }, id: string, args: Json): Json => ({
  functionCall: { ...(id === "" ? {} : { id }), name, args },
  ...signature(seal)
})

const longestQuote = 1_000

/** How the service quotes a call that nobody can run. */
export const quoteCall = (name: string, text: string): string => `Malformed function call: ${name}(${text.slice(0, longestQuote)})`

const blobOf = (source: Source): Json | undefined => {
  switch (source._tag) {
    case "Base64":
      return { inlineData: { mimeType: source.mediaType, data: source.data } }
    case "Url":
      return source.mediaType === undefined ? undefined : { fileData: { mimeType: source.mediaType, fileUri: source.url } }
    case "Plain":
    case "Uploaded":
      return undefined
  }
}

/** A picture, a file or sound; undefined where the dialect has no place for it. */
export const mediaPart = (part: Extract<Part, { readonly _tag: "Image" | "File" | "Audio" }>): Json | undefined =>
  part._tag === "Audio" ? { inlineData: { mimeType: audioType(part.format), data: part.data } } : blobOf(part.source)

/** Why the candidate ended, with what was found out while it was written. */
export const finishOf = (stop: StopReason, refused: boolean, malformedCall: string | undefined): Json => {
  const reason = finishReasons[stop]
  if (malformedCall !== undefined && reason === "STOP") return { finishReason: "MALFORMED_FUNCTION_CALL", finishMessage: malformedCall }
  return { finishReason: refused && reason === "STOP" ? "SAFETY" : reason }
}

export const noPlace = {
  media: "an answer of the Gemini API holds only what is sent with it",
  args: "the arguments of a call must be a JSON object",
  citation: "a source without address, title or quote cannot be cited",
  result: "an answer of the Gemini API holds no results of the caller's tools",
  foreign: (type: string): string => `\`${type}\` has no place in an answer of the Gemini API`
} as const

/** What is being written. */
interface Draft {
  readonly own: boolean
  readonly context: AnswerContext
  readonly parts: Array<Json>
  readonly losses: Array<Loss>
  readonly placed: Array<Placed>
  text: string
  calls: number
  refused: boolean
  malformedCall: string | undefined
}

const place = (draft: Draft, part: Part, at: string): void => {
  const lose = (what: string, reason: string): void => void draft.losses.push({ field: `${part.at ?? at}${what}`, reason })
  switch (part._tag) {
    case "Text": {
      if (part.text === "" && part.seal === undefined) return
      draft.parts.push({ text: part.text, ...signature(part.seal) })
      const before = draft.text.length
      draft.text += part.text
      for (const citation of part.citations ?? []) {
        const start = before + Math.max(0, citation.start ?? 0)
        const end = before + Math.min(part.text.length, citation.end ?? part.text.length)
        if (isSayable(citation)) draft.placed.push({ citation, start, end: Math.max(start, end) })
        else lose(".citations", noPlace.citation)
      }
      return
    }
    case "Refusal":
      draft.parts.push({ text: part.text })
      draft.text += part.text
      draft.refused = true
      return
    case "Reasoning":
      if (part.text === "" && part.seal === undefined) return
      draft.parts.push({ text: part.text, thought: true, ...signature(part.seal) })
      return
    case "SealedReasoning":
      draft.parts.push(sealPart(part.seal))
      return
    case "ToolCall": {
      const args = argsOf(part.arguments)
      const index = draft.calls++
      if (args === undefined) {
        draft.malformedCall ??= quoteCall(part.name, part.arguments)
        return lose(".arguments", noPlace.args)
      }
      const seal = part.seal ?? (index === 0 && !draft.own ? nobodys("generateContent") : undefined)
      const sealed = seal === undefined ? part : { ...part, seal }
      draft.parts.push(callPart(sealed, part.id === "" && !draft.own ? `call_${draft.context.id}_${index}` : part.id, args))
      return
    }
    case "Image":
    case "File":
    case "Audio": {
      const media = mediaPart(part)
      if (media === undefined) return lose("", noPlace.media)
      draft.parts.push(media)
      return
    }
    case "ToolResult":
      return lose("", noPlace.result)
    case "Foreign":
      if (!draft.own) return lose("", noPlace.foreign(part.type))
      draft.parts.push(part.value as Json)
  }
}

/** Whether a part takes the seal of another provider that stands before it. */
const takes = (part: Part | undefined): part is Extract<Part, { readonly _tag: "Text" | "ToolCall" }> =>
  part?._tag === "Text"
    ? part.text !== "" && part.seal === undefined
    : part?._tag === "ToolCall" && part.seal === undefined && argsOf(part.arguments) !== undefined

const placeAll = (draft: Draft, parts: ReadonlyArray<Part>): void => {
  let carried: Seal | undefined
  for (const [index, part] of parts.entries()) {
    const next = parts[index + 1]
    if (part._tag === "SealedReasoning" && part.seal.dialect !== "generateContent" && takes(next)) carried = part.seal
    else {
      place(draft, carried !== undefined && takes(part) ? { ...part, seal: carried } : part, `content[${index}]`)
      carried = undefined
    }
  }
}

/** Whether the provider gave no candidate, because it blocked the prompt, as the extras of an answer without parts tell. */
export const isCandidateless = (stop: StopReason, extras: ReadonlyArray<Extra>): boolean =>
  stop === "content-filter" &&
  extras.some(({ field, value }) => field === "promptFeedback" && isBlocked({ promptFeedback: value })) &&
  !extras.some(({ field }) => field.startsWith("candidates["))

/** The candidate; undefined where the provider gave none, because it blocked the prompt. */
const candidateOf = ({ extras, stop }: Answer, { malformedCall, own, parts, placed, refused, text }: Draft): Json | undefined => {
  if (own) {
    if (parts.length === 0 && isCandidateless(stop, extras)) return undefined
    // An unknown reason is an extra, where there was one at all.
    return {
      ...(parts.length === 0 ? {} : { content: { role: "model", parts } }),
      ...(stop === "unknown" ? {} : finishOf(stop, refused, malformedCall))
    }
  }
  return {
    content: { role: "model", parts },
    ...finishOf(stop, refused, malformedCall),
    index: 0,
    ...(placed.length === 0 ? {} : { groundingMetadata: writeGrounding(text, placed) })
  }
}

/** Encodes a whole answer as a `GenerateContentResponse`. */
export const encodeAnswer = (answer: Answer, context: AnswerContext): Written => {
  const own = answer.dialect === "generateContent"
  const draft: Draft = {
    own,
    context,
    parts: [],
    losses: [],
    placed: [],
    text: "",
    calls: 0,
    refused: false,
    malformedCall: undefined
  }
  placeAll(draft, answer.parts)
  const candidate = candidateOf(answer, draft)
  const body: Record<string, unknown> = {
    ...(candidate === undefined ? {} : { candidates: [candidate] }),
    ...(answer.usage === undefined ? {} : { usageMetadata: writeUsage(answer.usage, own ? toolUseOf(answer.extras) : 0) }),
    modelVersion: context.model,
    responseId: answer.id ?? context.id
  }
  if (!own) return { body, losses: [...draft.losses, ...lossesOf(answer.extras, "the Gemini API")] }
  restore(body, answer.extras)
  return { body, losses: draft.losses }
}
