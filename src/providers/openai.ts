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

const skipSpace = (text: string, from: number): number => {
  let at = from
  while (text.charCodeAt(at) === 32) at++
  return at
}

/**
 * Where the value of `key` begins, -1 where the key is nowhere, -2 where that takes parsing to tell. A quote inside a JSON string is escaped, so a name
 * between two bare quotes and before a colon is a key. The search leaves out the first quote, of which every chunk is full: it is six times faster.
 */
const valueOf = (data: string, key: string): number => {
  const at = data.indexOf(key)
  if (at < 0) return -1
  if (data.charCodeAt(at - 1) !== 34) return -2
  const colon = skipSpace(data, at + key.length)
  return data.charCodeAt(colon) === 58 ? skipSpace(data, colon + 1) : -2
}

/** Whether the event is plainly a piece of text and nothing else, found without parsing it. */
const isPlainText = (data: string): boolean => {
  if (data.includes(`rror"`)) return false
  const usage = valueOf(data, `usage"`)
  // A usage of null is what OpenAI sends in every chunk but the last.
  if (usage === -2 || (usage >= 0 && !data.startsWith("null", usage))) return false
  const at = valueOf(data, `content"`)
  return at >= 0 && data.charCodeAt(at) === 34 && data.charCodeAt(at + 1) !== 34
}

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

const peek = (event: SseEvent): Peek => {
  const { data } = event
  if (isPlainText(data)) return content
  if (data.trim() === "[DONE]") return done
  const chunk = parse(data)
  if (!isObject(chunk)) return { ...nothing, failure: malformed("expected a JSON object in the provider's stream") }
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
