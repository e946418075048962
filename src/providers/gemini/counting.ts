/**
 * Counting the tokens of a request without answering it.
 *
 * Gemini's API counts either `contents` alone or a whole `generateContentRequest`, which names its model; Vertex AI takes the fields of a request side by side. So each has its own half as a target; a caller
 * may use either shape. What only steers the answer is not counted, and not sent for callers of other dialects.
 *
 * Sources: https://ai.google.dev/api/tokens; cloud.google.com, "CountTokens API"
 */
import * as Result from "effect/Result"
import type { Conversation } from "../../Conversation.ts"
import type { CallerDialect, CountingDialect, TargetModel, Written } from "../../Dialect.ts"
import type { Change } from "../../JsonScan.ts"
import { malformed } from "../failures.ts"
import { field, isObject, type Json, print } from "../json.ts"
import { countedIn } from "./ask.ts"
import { decodeRequest, modelName } from "./decode.ts"
import { encodeRequest } from "./request.ts"
import { numeric } from "./reading.ts"

/** What of a conversation is counted. */
const counted = (conversation: Conversation): Conversation => {
  const {
    answers: _answers,
    format: _format,
    maxOutputTokens: _most,
    thinking: _thinking,
    toolChoice: _choice,
    userId: _user,
    ...rest
  } = conversation
  return { ...rest, answers: 1, sampling: {} }
}

const requestOf = (conversation: Conversation, target: TargetModel): Written =>
  encodeRequest(conversation.dialect === "generateContent" ? conversation : counted(conversation), target)

const path = (deployment: string): string => `/models/${encodeURIComponent(deployment)}:countTokens`

const decodeAnswer: CountingDialect["decodeAnswer"] = (body) => {
  const tokens = numeric(field(body, "totalTokens"))
  return tokens !== undefined && Number.isSafeInteger(tokens) && tokens >= 0
    ? Result.succeed(tokens)
    : Result.fail(malformed("expected `totalTokens` in the provider's answer"))
}

/** Gemini's API as a target. */
export const counting: CountingDialect = {
  path,
  encodeRequest: (conversation, target) => {
    const { body, losses } = requestOf(conversation, target)
    return { body: { generateContentRequest: { model: `models/${target.deployment ?? target.model}`, ...body } }, losses }
  },
  decodeAnswer
}

/** Fields that Vertex AI counts. */
const fields = new Set(["contents", "systemInstruction", "tools", "generationConfig"])

/** Vertex AI as a target. */
export const vertexCounting: CountingDialect = {
  path,
  encodeRequest: (conversation, target) => {
    const { body, losses } = requestOf(conversation, target)
    return { body: Object.fromEntries(Object.entries(body).filter(([name]) => fields.has(name))), losses }
  },
  decodeAnswer
}

/** What has to change in a body that names its model so that it names this one: the address of a forwarded request is not its only place. */
export const renamed = (body: Json, deployment: string): ReadonlyArray<Change> => {
  const key = ["generateContentRequest", "generate_content_request"].find((name) => isObject(field(body, name)))
  const whole = key === undefined ? undefined : field(body, key)
  if (key === undefined || !isObject(whole)) return []
  const { model } = whole
  if (typeof model !== "string" || modelName(model) === deployment) return []
  const json = print({ ...whole, model: `models/${deployment}` })
  return json === "" ? [] : [{ key, json }]
}

/** Callers of either. */
export const countingCaller: NonNullable<CallerDialect["counting"]> = {
  decodeRequest: (body, ask) => decodeRequest(isObject(body) ? countedIn(body) : body, ask),
  encodeAnswer: (totalTokens) => ({ totalTokens }),
  renamed
}
