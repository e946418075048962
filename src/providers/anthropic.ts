/**
 * Anthropic's Messages API as a target.
 *
 * It is spoken at `anthropic-version: 2023-06-01`, the version under which every generation of Claude and every compatible host answers; what newer
 * models refuse of it is left out by the model's name (`anthropic/models.ts`). The parts live in `anthropic/`; what the fast path needs of
 * every stream event, `peek`, is below.
 */
import type { Dialect, Peek, SseEvent } from "../Dialect.ts"
import { malformed } from "./failures.ts"
import { field, isObject, parse, textAt } from "./json.ts"
import { decodeAnswer } from "./anthropic/answer.ts"
import { classify, failureIn } from "./anthropic/failure.ts"
import { encodeRequest } from "./anthropic/request.ts"
import { streamDecoder } from "./anthropic/stream.ts"
import { usageOf } from "./anthropic/usage.ts"

const nothing: Peek = { content: false, usageOnly: false, done: false }
const content: Peek = { content: true, usageOnly: false, done: false }
const done: Peek = { content: false, usageOnly: false, done: true }

/** Blocks that hold content from their first event on; text and thinking begin empty. */
const silentBlocks = new Set<unknown>(["text", "thinking", "redacted_thinking", undefined])

/**
 * A glance at one event. Usage comes in two events, and the second leaves out what has not changed on some hosts: whoever adds up keeps the
 * greater of each count.
 */
const peek = (event: SseEvent): Peek => {
  if (event.event === "content_block_delta") return content
  if (event.event === "ping" || event.event === "content_block_stop") return nothing
  const data = parse(event.data)
  if (!isObject(data)) return { ...nothing, failure: malformed("expected a JSON object in the provider's stream") }
  const type = textAt(data, "type")
  switch (type) {
    case "message_start": {
      const usage = usageOf(field(data, "message"))
      return usage === undefined ? nothing : { ...nothing, usage }
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
  path: "/messages",
  headers: (key): Readonly<Record<string, string>> => ({
    "anthropic-version": "2023-06-01",
    ...(key === undefined ? {} : { "x-api-key": key })
  }),
  encodeRequest,
  decodeAnswer,
  streamDecoder,
  classify,
  usageOf,
  failureIn,
  peek
}
