/**
 * OpenAI's Responses API, as a target and as callers speak it.
 *
 * Between callers and providers of this dialect the bytes are forwarded; the parts that a call between two dialects needs live in `responses/`, and what the fast path needs of
 * every stream event, `peek`, is below. The gateway keeps no response: what a request asks of the provider's memory only a target of this dialect can answer.
 */
import type { Api } from "../Call.ts"
import type { CallerDialect, Dialect, Peek, SseEvent } from "../Dialect.ts"
import { failure, is, malformed } from "./failures.ts"
import { field, isObject, parse, textAt } from "./json.ts"
import { errorBody } from "./openai/error.ts"
import { decodeAnswer } from "./responses/answer.ts"
import { parseResponses } from "./responses/ask.ts"
import { counting } from "./responses/counting.ts"
import { decodeRequest } from "./responses/decode.ts"
import { streamEncoder } from "./responses/encodeStream.ts"
import { errorEvent } from "./responses/error.ts"
import { pauseMillis } from "./openai/limits.ts"
import { classify, failureIn, failureOfError } from "./responses/failure.ts"
import { overrides } from "./responses/overrides.ts"
import { encodeRequest } from "./responses/request.ts"
import { streamDecoder } from "./responses/stream.ts"
import { usageOf } from "./responses/usage.ts"
import { encodeAnswer } from "./responses/write.ts"

const nothing: Peek = { content: false, usageOnly: false, done: false }
const content: Peek = { content: true, usageOnly: false, done: false }
const broken: Peek = { ...nothing, failure: malformed("expected a JSON object in the provider's stream") }

/** Events that say nothing of their own, found by their name: some of them repeat the whole request. */
const silent = new Set([
  "response.created",
  "response.queued",
  "response.in_progress",
  "response.content_part.added",
  "response.reasoning_summary_part.added"
])

/** Items whose beginning is not yet content. */
const emptyItems = new Set<unknown>(["message", "reasoning"])

const ended = (data: unknown): Peek => {
  const response = field(data, "response")
  const failed = failureIn(response)
  if (failed !== undefined) return { ...nothing, failure: failed }
  const usage = usageOf(response)
  return { ...nothing, done: true, ...(usage === undefined ? {} : { usage }) }
}

/**
 * A glance at one event. All of it is parsed: what is cut or garbled must not reach a caller whose library would choke on it. Usage comes once, in the event that ends the
 * stream.
 */
const peek = ({ data, event }: SseEvent): Peek => {
  if (data === "[DONE]") return nothing
  const told = parse(data)
  if (!isObject(told)) return broken
  if (event.endsWith(".delta")) return content
  if (silent.has(event)) return nothing
  const type = textAt(told, "type") ?? event
  switch (type) {
    case "response.completed":
    case "response.incomplete":
      return ended(told)
    case "response.failed":
      return {
        ...nothing,
        failure: failureIn(field(told, "response")) ?? failure(is("server-error"), undefined, { message: "the provider's response failed" })
      }
    case "error":
      return { ...nothing, failure: failureOfError(told) }
    case "response.output_item.added":
      return emptyItems.has(textAt(field(told, "item"), "type")) ? nothing : content
    case "response.output_item.done":
      return content
    default: {
      if (type.startsWith("response.")) return type.endsWith(".delta") ? content : nothing
      const failed = failureIn(told)
      return failed === undefined ? nothing : { ...nothing, failure: failed }
    }
  }
}

/** The Responses API as a target. */
export const responses: Dialect = {
  name: "responses",
  path: () => "/responses",
  headers: {},
  passes: ["openai-beta"],
  encodeRequest,
  decodeAnswer,
  streamDecoder,
  classify,
  answerParts: { generate: ["output"], count: ["input_tokens"] },
  pauseMillis,
  usageOf,
  failureIn,
  peek,
  counting
}

/** The Responses API as callers speak it. Its streams always tell usage. */
export const responsesCaller: CallerDialect = {
  name: "responses",
  decodeRequest,
  overrides,
  modelField: "model",
  wantsUsage: () => true,
  usageWish: () => undefined,
  encodeAnswer,
  streamEncoder
}

/** The Responses API: how its requests are read, and how its errors look. */
export const responsesApi: Api = {
  name: "responses",
  operation: "generate",
  dialect: responsesCaller,
  parse: parseResponses,
  errorBody,
  errorEvent
}
