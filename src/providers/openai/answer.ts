/**
 * Answers as a Chat Completions caller reads them, whole; `stream.ts` beside this does the same in chunks.
 *
 * Reasoning has no field in the provider's own schema. It is written as `reasoning_content`, the name that most clients of other models already
 * read, and where it carries signatures also as `thinking_blocks`, which `decodeRequest` takes back: without them a model that thinks between
 * tool calls could not be asked again. Gemini's signature of a call stands at the call too, where clients of its compatible endpoint look for it.
 */
import type { Answer, Part, Seal } from "../../Conversation.ts"
import type { AnswerContext, CallerDialect, Loss } from "../../Dialect.ts"
import { toldOf } from "../broken.ts"
import { lossesOf, restore } from "../extras.ts"
import type { Json } from "../json.ts"
import { sealText } from "../seal.ts"
import { annotationOf } from "./citations.ts"
import { finishOf } from "./finish.ts"
import { urlOf } from "./media.ts"
import { googleContent, sealedFields } from "./seals.ts"
import { imageOf } from "./target/answer.ts"
import { writeUsage } from "./usage.ts"

/** A message under construction. */
interface Drafted {
  /** The provider speaks this dialect too. */
  readonly own: boolean
  readonly context: AnswerContext
  text: string | undefined
  refusal: string | undefined
  reasoning: string
  readonly thinking: Array<Json>
  readonly annotations: Array<unknown>
  readonly images: Array<Json>
  readonly calls: Array<unknown>
  /** Fields that a host of this dialect has signed. */
  readonly sealed: Record<string, unknown>
  readonly losses: Array<Loss>
}

/** Thinking with its signature. */
export const thinkingBlock = (text: string, seal: Seal): Json => ({
  type: "thinking",
  thinking: text,
  signature: sealText(seal, "messages")
})

/** What only its provider can read. */
export const sealedBlock = (seal: Seal): Json => ({ type: "redacted_thinking", data: sealText(seal, "messages") })

/** The field in which a call carries its signature. */
export const callSeal = (seal: Seal | undefined): Json =>
  seal === undefined ? {} : seal.dialect === "generateContent" ? googleContent(seal.data) : sealedFields(seal)

/** A call's id: the provider's, or one of our own making. */
export const callId = (id: string, context: AnswerContext, index: number): string => (id === "" ? `call_${context.id}_${index}` : id)

const placeText = (
  drafted: Drafted,
  part: Extract<Part, { readonly _tag: "Text" }>,
  lose: (what: string, reason: string) => void
): void => {
  const from = drafted.text?.length ?? 0
  drafted.text = (drafted.text ?? "") + part.text
  if (part.seal !== undefined) drafted.thinking.push(sealedBlock(part.seal))
  const cited = (part.citations ?? []).map((citation) =>
    drafted.own ? citation.value : annotationOf(citation, from, from + part.text.length)
  )
  drafted.annotations.push(...cited.filter((annotation) => annotation !== undefined))
  if (cited.includes(undefined)) lose(".citations", "a chat completion cites only sources that have a URL")
}

/** Adds what one part says to the message, or says that it cannot be said. */
const place = (drafted: Drafted, part: Part, index: number): void => {
  const { context, own } = drafted
  const lose = (what: string, reason: string) => void drafted.losses.push({ field: `${part.at ?? `content[${index}]`}${what}`, reason })
  switch (part._tag) {
    case "Text":
      return placeText(drafted, part, lose)
    case "Refusal":
      drafted.refusal = (drafted.refusal ?? "") + part.text
      return
    case "Reasoning":
      drafted.reasoning += part.text
      if (part.seal === undefined) return
      if (own) Object.assign(drafted.sealed, sealedFields(part.seal))
      else drafted.thinking.push(thinkingBlock(part.text, part.seal))
      return
    case "SealedReasoning":
      if (own) Object.assign(drafted.sealed, sealedFields(part.seal))
      else drafted.thinking.push(sealedBlock(part.seal))
      return
    case "ToolCall": {
      const id = callId(part.id, context, drafted.calls.length)
      drafted.calls.push({ id, type: "function", function: { name: part.name, arguments: part.arguments }, ...callSeal(part.seal) })
      if (!own && part.seal !== undefined) drafted.thinking.push(sealedBlock(part.seal))
      return
    }
    case "Image": {
      const url = urlOf(part.source)
      return url === undefined ? lose("", "only its provider can read this image") : void drafted.images.push(imageOf(url))
    }
    case "Foreign":
      if (!own) return lose("", `\`${part.type}\` has no place in a chat completion`)
      // Others stand in lists that are given back with the extras.
      if (part.at?.includes(".tool_calls[") === true) drafted.calls.push(part.value)
      return
    case "File":
    case "Audio":
    case "ToolResult":
      return lose("", "a chat completion holds no such content")
  }
}

const messageOf = ({ annotations, calls, images, reasoning, refusal, sealed, text, thinking }: Drafted): Json => ({
  role: "assistant",
  content: text ?? null,
  refusal: refusal ?? null,
  ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
  ...(thinking.length === 0 ? {} : { thinking_blocks: thinking }),
  ...(annotations.length === 0 ? {} : { annotations }),
  ...(images.length === 0 ? {} : { images }),
  ...(calls.length === 0 ? {} : { tool_calls: calls }),
  ...sealed
})

/** The provider's id, or one of our own making. */
export const answerId = (id: string | undefined, context: AnswerContext): string =>
  id === undefined || id === "" ? `chatcmpl-${context.id}` : id

/** Encodes a whole answer as a `chat.completion`. */
export const encodeAnswer: CallerDialect["encodeAnswer"] = (answer: Answer, context) => {
  const own = answer.dialect === "chat.completions"
  const drafted: Drafted = {
    own,
    context,
    text: undefined,
    refusal: undefined,
    reasoning: "",
    thinking: [],
    annotations: [],
    images: [],
    calls: [],
    sealed: {},
    losses: []
  }
  answer.parts.forEach((part, index) => place(drafted, part, index))
  const calls = answer.parts.some(({ _tag }) => _tag === "ToolCall")
  const body: Record<string, unknown> = {
    id: own ? (answer.id ?? answerId(undefined, context)) : answerId(answer.id, context),
    object: "chat.completion",
    created: context.createdSeconds,
    model: own ? (answer.model ?? context.model) : context.model,
    choices: [
      { index: 0, message: messageOf(drafted), logprobs: null, finish_reason: finishOf(toldOf(answer.stop, answer.broken), calls) }
    ],
    ...(answer.usage === undefined ? {} : { usage: writeUsage(answer.usage) })
  }
  const left = own ? restore(body, answer.extras) : answer.extras
  return { body, losses: [...drafted.losses, ...lossesOf(left, "a chat completion")] }
}
