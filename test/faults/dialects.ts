/**
 * What the fault-injecting upstream says in each of the four APIs: an answer whole and as a stream of events, errors of every kind as a body and as an event.
 *
 * The answer is the fixtures' text answer (`test/fixtures/answers.ts`), which counts 20 tokens of input and 9 of output. Error bodies are those of the providers' references: OpenAI,
 * "Error codes" and, for the Responses stream, "Streaming events"; platform.claude.com, "Errors"; ai.google.dev, "Troubleshooting guide" with google.rpc `Status`.
 */
import type { DialectName } from "../../src/Providers.ts"
import { answerFeatures, streamOf } from "../fixtures/answers.ts"

type Json = Readonly<Record<string, unknown>>

export const dialects: ReadonlyArray<DialectName> = ["chat.completions", "responses", "messages", "generateContent"]

export const usage = { input: 20, output: 9 }
/** The text of an answer of the usual length. */
export const text = "Left at the points. 🚦"

/** An answer as its API gives it. */
export interface Spoken {
  readonly whole: string
  /** The stream, one event a piece. */
  readonly events: ReadonlyArray<string>
  /** How many events come before the first content. */
  readonly head: number
  /** The stream's bytes in one. */
  readonly streamed: string
}

const found = answerFeatures.find(({ name }) => name === "text")!

const textOf = (words: number): string => (words < 3 ? text : `Left ${"on ".repeat(words - 2)}end.`)

const spokenOf = (dialect: DialectName, words: number): Spoken => {
  const said = textOf(words)
  const whole = JSON.stringify(found.answers[dialect]).replaceAll(JSON.stringify(text), JSON.stringify(said))
  const streamed = streamOf[dialect](JSON.parse(whole) as Json)
  const events = streamed.split(/(?<=\r?\n\r?\n)/)
  const head = events.findIndex((event) => event.includes('"Left "'))
  // The fixtures say an answer in two pieces, five letters and the rest; a longer one is said word by word.
  const rest = JSON.stringify(said.slice(5))
  const all =
    words < 3
      ? events
      : events.flatMap((event, at) =>
          at === head + 1
            ? [...Array.from({ length: words - 2 }, () => events[head]!.replace('"Left "', '"on "')), event.replace(rest, '"end."')]
            : [event]
        )
  return { whole, events: all, head, streamed: all.join("") }
}

const spoken = new Map<string, Spoken>()

/** The answer of so many words; of the usual length for fewer than three. */
export const spokenIn = (dialect: DialectName, words = 0): Spoken => {
  const key = `${dialect} ${words}`
  const known = spoken.get(key)
  if (known !== undefined) return known
  const made = spokenOf(dialect, words)
  spoken.set(key, made)
  return made
}

/** What an error is about; each dialect has its own words for it. */
export type ErrorKind =
  | "bad-request"
  | "context"
  | "filter"
  | "auth"
  | "payment"
  | "forbidden"
  | "not-found"
  | "timeout"
  | "conflict"
  | "too-large"
  | "rate"
  | "quota"
  | "server"
  | "overloaded"

const message: Readonly<Record<ErrorKind, string>> = {
  "bad-request": "The request is not understood.",
  context: "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
  filter: "The response was filtered due to the prompt triggering our content management policy.",
  auth: "The credential is not valid.",
  payment: "Payment is required.",
  forbidden: "You may not use this model.",
  "not-found": "The model does not exist or you do not have access to it.",
  timeout: "The request took too long.",
  conflict: "The request was in conflict with another.",
  "too-large": "The request is too large.",
  rate: "Rate limit reached for requests.",
  quota: "You exceeded your current quota, please check your plan and billing details.",
  server: "The server had an error while processing your request.",
  overloaded: "The engine is currently overloaded, please try again later."
}

const openai: Readonly<Record<ErrorKind, readonly [type: string, code: string | null]>> = {
  "bad-request": ["invalid_request_error", null],
  context: ["invalid_request_error", "context_length_exceeded"],
  filter: ["invalid_request_error", "content_filter"],
  auth: ["invalid_request_error", "invalid_api_key"],
  payment: ["insufficient_quota", "insufficient_quota"],
  forbidden: ["invalid_request_error", "permission_denied"],
  "not-found": ["invalid_request_error", "model_not_found"],
  timeout: ["timeout", "request_timeout"],
  conflict: ["server_error", null],
  "too-large": ["invalid_request_error", "request_too_large"],
  rate: ["requests", "rate_limit_exceeded"],
  quota: ["insufficient_quota", "insufficient_quota"],
  server: ["server_error", "server_error"],
  overloaded: ["server_error", "engine_overloaded"]
}

const anthropic: Readonly<Record<ErrorKind, readonly [type: string, message?: string, details?: Json]>> = {
  "bad-request": ["invalid_request_error"],
  context: ["invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"],
  filter: ["invalid_request_error", "Output blocked by content filtering policy"],
  auth: ["authentication_error", "invalid x-api-key"],
  payment: ["billing_error"],
  forbidden: ["permission_error"],
  "not-found": ["not_found_error", "model: claude-nope"],
  timeout: ["timeout_error"],
  conflict: ["conflict_error"],
  "too-large": ["request_too_large", "Request exceeds the maximum allowed number of bytes."],
  rate: ["rate_limit_error", "This request would exceed your organization's rate limit."],
  quota: ["rate_limit_error", "The spend limit was reached.", { error_code: "enforced_spend_limit_reached" }],
  server: ["api_error", "Internal server error"],
  overloaded: ["overloaded_error", "Overloaded"]
}

const perDay = {
  "@type": "type.googleapis.com/google.rpc.QuotaFailure",
  violations: [{ quotaId: "GenerateRequestsPerDayPerProjectPerModel", quotaValue: "250" }]
}
const invalidKey = { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID", domain: "googleapis.com" }
const unbilled = { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "BILLING_DISABLED", domain: "googleapis.com" }

const gemini: Readonly<Record<ErrorKind, readonly [status: string, message?: string, detail?: Json]>> = {
  "bad-request": ["INVALID_ARGUMENT"],
  context: ["INVALID_ARGUMENT", "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."],
  filter: ["INVALID_ARGUMENT", "The prompt could not be submitted. It may violate our Responsible AI practices."],
  auth: ["UNAUTHENTICATED", "API key not valid. Please pass a valid API key.", invalidKey],
  payment: ["FAILED_PRECONDITION", "This API method requires billing to be enabled.", unbilled],
  forbidden: ["PERMISSION_DENIED"],
  "not-found": ["NOT_FOUND", "models/nope is not found for API version v1beta"],
  timeout: ["DEADLINE_EXCEEDED"],
  conflict: ["ABORTED"],
  "too-large": ["INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes."],
  rate: ["RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."],
  quota: ["RESOURCE_EXHAUSTED", "You exceeded your current quota.", perDay],
  server: ["INTERNAL", "An internal error has occurred."],
  overloaded: ["UNAVAILABLE", "The model is overloaded. Please try again later."]
}

/** The error object of a dialect, as the body of an answer of `status`. */
export const errorOf = (dialect: DialectName, kind: ErrorKind, status: number): Json => {
  if (dialect === "messages") {
    const [type, words = message[kind], details] = anthropic[kind]
    return { type: "error", error: { type, message: words, ...(details === undefined ? {} : { details }) }, request_id: "req_fault" }
  }
  if (dialect === "generateContent") {
    const [canonical, words = message[kind], detail] = gemini[kind]
    return { error: { code: status, message: words, status: canonical, ...(detail === undefined ? {} : { details: [detail] }) } }
  }
  const [type, code] = openai[kind]
  const param = kind === "context" ? (dialect === "responses" ? "input" : "messages") : null
  return { error: { message: message[kind], type, param, code } }
}

/** The status that an error has where it stands inside a success. */
const insideOf: Readonly<Partial<Record<ErrorKind, number>>> = {
  rate: 429,
  quota: 429,
  overloaded: 503,
  context: 400,
  filter: 400,
  "bad-request": 400
}

/** An error inside a body that calls itself a success. */
export const errorInside = (dialect: DialectName, kind: ErrorKind): Json => {
  const error = errorOf(dialect, kind, insideOf[kind] ?? 500)
  if (dialect !== "responses") return error
  const whole = JSON.parse(spokenIn("responses").whole) as Json
  return { ...whole, status: "failed", output: [], usage: null, error: { code: openai[kind][1], message: message[kind] } }
}

/** An error inside a stream: an event, but for Gemini, which breaks the framing there (googleapis/js-genai, `_api_client.ts`, looks for the bare JSON). */
export const errorEvent = (dialect: DialectName, kind: ErrorKind): string => {
  if (dialect === "responses") {
    const event = { type: "error", code: openai[kind][1], message: message[kind], param: null, sequence_number: 9 }
    return `event: error\ndata: ${JSON.stringify(event)}\n\n`
  }
  const data = JSON.stringify(errorOf(dialect, kind, insideOf[kind] ?? 500))
  return dialect === "messages" ? `event: error\ndata: ${data}\n\n` : dialect === "generateContent" ? data : `data: ${data}\n\n`
}
