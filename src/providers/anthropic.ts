/**
 * Anthropic's Messages API, as a target and as callers speak it.
 *
 * It is spoken at `anthropic-version: 2023-06-01`, the version under which every generation of Claude and every compatible host answers; what newer
 * models refuse of it is left out by the model's name (`anthropic/models.ts`). The parts live in `anthropic/`; what the fast path needs of
 * every stream event, `peek`, is below.
 */
import type { Api } from "../Call.ts"
import type { CallerDialect, Dialect, Peek, SseEvent } from "../Dialect.ts"
import { malformed } from "./failures.ts"
import { field, isObject, listAt, parse, textAt } from "./json.ts"
import { decodeAnswer } from "./anthropic/answer.ts"
import { parseCount, parseMessages } from "./anthropic/ask.ts"
import { counting, countingCaller } from "./anthropic/counting.ts"
import { decodeRequest } from "./anthropic/decode.ts"
import { streamEncoder } from "./anthropic/encodeStream.ts"
import { errorBody, errorEvent } from "./anthropic/error.ts"
import { classify, failureIn } from "./anthropic/failure.ts"
import { pauseMillis } from "./anthropic/limits.ts"
import { overrides } from "./anthropic/overrides.ts"
import { encodeRequest } from "./anthropic/request.ts"
import { streamDecoder } from "./anthropic/stream.ts"
import { usageOf } from "./anthropic/usage.ts"
import { encodeAnswer } from "./anthropic/write.ts"

const nothing: Peek = { content: false, usageOnly: false, done: false }
const content: Peek = { content: true, usageOnly: false, done: false }
const done: Peek = { content: false, usageOnly: false, done: true }
const broken: Peek = { ...nothing, failure: malformed("expected a JSON object in the provider's stream") }

/** Blocks that hold content from their first event on; text and thinking begin empty. */
const silentBlocks = new Set<unknown>(["text", "thinking", "redacted_thinking", undefined])

/**
 * A glance at one event. All but a ping is parsed: what is cut or garbled must not reach a caller whose library would choke on it. Usage comes in two events, and the second leaves out what has not changed on some hosts: whoever adds up keeps the
 * greater of each count.
 */
const peek = (event: SseEvent): Peek => {
  if (event.event === "ping") return nothing
  const data = parse(event.data)
  if (!isObject(data)) return broken
  if (event.event === "content_block_delta") return content
  const type = textAt(data, "type")
  switch (type) {
    case "message_start": {
      const message = field(data, "message")
      const usage = usageOf(message)
      const shown = listAt(message, "content").length > 0 ? content : nothing
      if (usage === undefined) return shown
      // A message that comes whole is over with its first event, and so are its counts.
      return { ...shown, ...(typeof field(message, "stop_reason") === "string" ? { usage } : { usageSoFar: usage }) }
    }
    case "message_delta": {
      const usage = usageOf(data)
      return usage === undefined ? nothing : { ...nothing, usage }
    }
    case "content_block_start":
      return silentBlocks.has(textAt(field(data, "content_block"), "type")) ? nothing : content
    case "content_block_delta":
      return content
    case "message_stop":
      return done
    default: {
      const failure = failureIn(data)
      return failure === undefined ? nothing : { ...nothing, failure }
    }
  }
}

/** Anthropic's Messages API as a target. */
export const anthropic: Dialect = {
  name: "messages",
  path: () => "/messages",
  headers: { "anthropic-version": "2023-06-01" },
  passes: ["anthropic-beta"],
  encodeRequest,
  decodeAnswer,
  streamDecoder,
  classify,
  answerParts: { generate: ["content"], count: ["input_tokens"] },
  pauseMillis,
  usageOf,
  failureIn,
  peek,
  counting
}

/** Anthropic's Messages API as callers speak it. */
export const anthropicCaller: CallerDialect = {
  name: "messages",
  decodeRequest,
  overrides,
  modelField: "model",
  wantsUsage: () => true,
  usageWish: () => undefined,
  encodeAnswer,
  streamEncoder,
  counting: countingCaller
}

/** The Messages API: how its requests are read, and how its errors look. */
export const messages: Api = {
  name: "messages",
  operation: "generate",
  dialect: anthropicCaller,
  parse: parseMessages,
  errorBody,
  errorEvent
}

/** The same API's count of a request's tokens. */
export const countTokens: Api = { ...messages, name: "messages.count_tokens", operation: "count", parse: parseCount }
