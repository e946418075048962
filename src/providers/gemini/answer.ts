/**
 * A whole answer of `generateContent`, decoded (ai.google.dev, "Generating content", `GenerateContentResponse`).
 *
 * The first candidate is the answer; further ones are extras by their path. A prompt that was blocked has no candidates: it is an answer without parts that a content filter stopped,
 * with the provider's reason as an extra that matters (`failure.ts` says why it is no failure). No candidates and no such reason is `malformed`.
 */
import * as Result from "effect/Result"
import type { Answer, Citation, Extra, Part, Usage } from "../../Conversation.ts"
import type { Failure } from "../../Failure.ts"
import { emptyAnswer, isThought } from "../broken.ts"
import { noteOthers, present } from "../extras.ts"
import { malformed } from "../failures.ts"
import { field, isObject, type Json, listAt, textAt } from "../json.ts"
import { failureIn } from "./failure.ts"
import { isBroken, noteFinish, stopOf } from "./finish.ts"
import { groundingOf, type Passage } from "./grounding.ts"
import { decodePart } from "./part.ts"
import { noteUsage, usageOf } from "./usage.ts"

const knownTop = new Set(["candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId"])
const knownCandidate = new Set(["content", "finishReason", "groundingMetadata"])
const knownContent = new Set(["parts"])

/** What a candidate says of itself and not of its answer. */
const cosmetic = new Set([
  "index",
  "finishMessage",
  "safetyRatings",
  "avgLogprobs",
  "tokenCount",
  "createTime",
  "sdkHttpResponse",
  "modelStatus"
])

/** Whether leaving out a field of an answer is a loss. */
export const matters = (key: string): boolean => !cosmetic.has(key)

/** Whether the prompt was blocked, so that there is no answer. */
export const isBlocked = (body: unknown): boolean => present(field(field(body, "promptFeedback"), "blockReason"))

/** What the provider says of the prompt. */
export const noteFeedback = (extras: Array<Extra>, body: unknown): void => {
  const value = field(body, "promptFeedback")
  if (!present(value)) return
  extras.push({
    field: "promptFeedback",
    value,
    matters: isBlocked(body),
    reason: "why the prompt was blocked is told only as a stop by a content filter"
  })
}

const partsOf = (
  content: unknown,
  extras: Array<Extra>
): { readonly parts: Array<Part>; readonly passages: Array<Passage & { readonly at: number }> } => {
  const parts: Array<Part> = []
  const passages: Array<Passage & { readonly at: number }> = []
  for (const [index, given] of listAt(content, "parts").entries()) {
    const part = decodePart(given, `candidates[0].content.parts[${index}]`, extras)
    if (part === undefined) continue
    if (part._tag === "Text") passages.push({ index, text: part.text, at: parts.length })
    parts.push(part)
  }
  return { parts, passages }
}

/** Gives the texts their citations. */
const cite = (
  candidate: unknown,
  parts: Array<Part>,
  passages: ReadonlyArray<Passage & { readonly at: number }>,
  extras: Array<Extra>
): void => {
  const metadata = field(candidate, "groundingMetadata")
  if (!present(metadata)) return
  const { cited, complete } = groundingOf(metadata, passages)
  for (const [passage, { at }] of passages.entries()) {
    const citations = cited.flatMap((found): ReadonlyArray<Citation> => (found.passage === passage ? [found.citation] : []))
    const part = parts[at]
    if (citations.length > 0 && part?._tag === "Text") parts[at] = { ...part, citations }
  }
  extras.push({ field: "candidates[0].groundingMetadata", value: metadata, matters: !complete })
}

const named = (body: Json, parts: ReadonlyArray<Part>, usage: Usage | undefined): Pick<Answer, "id" | "model" | "parts" | "usage"> => {
  const id = textAt(body, "responseId")
  const model = textAt(body, "modelVersion")
  return {
    parts,
    ...(id === undefined ? {} : { id }),
    ...(model === undefined ? {} : { model }),
    ...(usage === undefined ? {} : { usage })
  }
}

/** Decodes the parsed body of an answer. */
export const decodeAnswer = (body: unknown): Result.Result<Answer, Failure> => {
  const failed = failureIn(body)
  if (failed !== undefined) return Result.fail(failed)
  const [candidate, ...further] = listAt(body, "candidates")
  const blocked = candidate === undefined && isBlocked(body)
  if (!isObject(body) || (!isObject(candidate) && !blocked)) {
    return Result.fail(malformed("expected a list of candidates at `candidates` in the provider's answer"))
  }
  const extras: Array<Extra> = []
  noteFeedback(extras, body)
  noteOthers(extras, "", body, knownTop, matters)
  noteUsage(extras, field(body, "usageMetadata"))
  const usage = usageOf(body)
  if (!isObject(candidate)) {
    return Result.succeed({ dialect: "generateContent", stop: "content-filter", extras, ...named(body, [], usage) })
  }
  const content = field(candidate, "content")
  const { parts, passages } = partsOf(content, extras)
  if (isObject(content)) noteOthers(extras, "candidates[0].content", content, knownContent, (key) => key !== "role")
  noteOthers(extras, "candidates[0]", candidate, knownCandidate, matters)
  cite(candidate, parts, passages, extras)
  const reason = field(candidate, "finishReason")
  const stop = stopOf(
    reason,
    parts.some(({ _tag }) => _tag === "ToolCall")
  )
  const broken = isBroken(reason, stop)
  if (broken && parts.every((part) => isThought(part) || (part._tag === "Text" && part.text === "")))
    return Result.fail(emptyAnswer(reason))
  noteFinish(extras, reason, stop)
  for (const [index, value] of further.entries()) {
    extras.push({ field: `candidates[${index + 1}]`, value, matters: true, reason: "the caller's dialect shows one answer here" })
  }
  return Result.succeed({ dialect: "generateContent", stop, ...(broken ? { broken } : {}), extras, ...named(body, parts, usage) })
}
