/**
 * OpenAI Chat Completions, as a target and as callers speak it.
 *
 * Compatible hosts are this dialect at another address, so what they add to it is read here too. The parts that a call between two
 * dialects needs live in `openai/`; what the fast path needs of every stream event, `peek`, is below.
 */
import type { Api } from "../Call.ts"
import type { CallerDialect, Dialect, Peek, SseEvent } from "../Dialect.ts"
import { malformed } from "./failures.ts"
import { field, isObject, listAt, parse } from "./json.ts"
import { encodeAnswer } from "./openai/answer.ts"
import { parseChat } from "./openai/ask.ts"
import { embeddingCaller, embeddingDialect, parseEmbeddings } from "./openai/embeddings.ts"
import { errorBody, errorEvent } from "./openai/error.ts"
import { classify, failureIn } from "./openai/failure.ts"
import { pauseMillis } from "./openai/limits.ts"
import { overrides } from "./openai/overrides.ts"
import { decodeRequest } from "./openai/request.ts"
import { streamEncoder } from "./openai/stream.ts"
import { decodeAnswer } from "./openai/target/answer.ts"
import { encodeRequest } from "./openai/target/request.ts"
import { streamDecoder } from "./openai/target/stream.ts"
import { usageOf } from "./openai/usage.ts"

const nothing: Peek = { content: false, usageOnly: false, done: false }
const content: Peek = { content: true, usageOnly: false, done: false }
const done: Peek = { content: false, usageOnly: false, done: true }
const broken: Peek = { ...nothing, failure: malformed("expected a JSON object in the provider's stream") }

const some = (value: unknown): boolean =>
  typeof value === "string" ? value !== "" : Array.isArray(value) ? value.length > 0 : typeof value === "object" && value !== null

const contentKeys = [
  "content",
  "tool_calls",
  "reasoning_content",
  "reasoning",
  "refusal",
  "function_call",
  "audio",
  "images",
  "thinking_blocks"
]

const showsContent = (choice: unknown): boolean => {
  const delta = field(choice, "delta")
  return contentKeys.some((key) => some(field(delta, key)))
}

/** A glance at one event. All of it is parsed: what is cut or garbled must not reach a caller whose library would choke on it. */
const peek = ({ data }: SseEvent): Peek => {
  if (data.charCodeAt(0) !== 123 && data.trim() === "[DONE]") return done
  const chunk = parse(data)
  if (!isObject(chunk)) return broken
  const failure = failureIn(chunk)
  if (failure !== undefined) return { ...nothing, failure }
  const choices = listAt(chunk, "choices")
  const shown = choices.some(showsContent)
  const usage = usageOf(chunk)
  if (usage === undefined) return shown ? content : nothing
  return { content: shown, usage, usageOnly: choices.length === 0 && isObject(field(chunk, "usage")), done: false }
}

/** OpenAI Chat Completions as a target. */
export const openai: Dialect = {
  name: "chat.completions",
  path: () => "/chat/completions",
  headers: {},
  passes: [],
  encodeRequest,
  decodeAnswer,
  streamDecoder,
  classify,
  answerParts: { generate: ["choices"], embed: ["data"] },
  pauseMillis,
  usageOf,
  failureIn,
  peek,
  embeddings: embeddingDialect
}

const wantsUsage: CallerDialect["wantsUsage"] = (body) => {
  const options = body["stream_options"]
  return typeof options === "object" && options !== null && (options as { readonly include_usage?: unknown }).include_usage === true
}

const usageWish: CallerDialect["usageWish"] = (body) => {
  const options = body["stream_options"]
  return { key: "stream_options", json: JSON.stringify({ ...(typeof options === "object" ? options : {}), include_usage: true }) }
}

/** OpenAI Chat Completions as callers speak it. */
export const openaiCaller: CallerDialect = {
  name: "chat.completions",
  decodeRequest,
  overrides,
  modelField: "model",
  wantsUsage,
  usageWish,
  encodeAnswer,
  streamEncoder,
  embeddings: embeddingCaller
}

/** The Chat Completions API: how its requests are read, and how its errors look. */
export const chatCompletions: Api = {
  name: "chat.completions",
  operation: "generate",
  dialect: openaiCaller,
  parse: parseChat,
  errorBody,
  errorEvent
}

/** The Embeddings API, in the dialect of the same family. */
export const embeddings: Api = {
  name: "embeddings",
  operation: "embed",
  dialect: openaiCaller,
  parse: parseEmbeddings,
  errorBody,
  errorEvent
}
