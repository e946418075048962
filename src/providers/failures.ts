/**
 * What the failure tables of all dialects share: what a bare status means, how long to wait, and what of a provider's words may be shown.
 *
 * A dialect's own table looks at type, code and message first; `classOfStatus` is where it ends when they say nothing.
 */
import type { Failure, FailureClass } from "../Failure.ts"
import { field, isObject, print } from "./json.ts"

/** Headers of an answer, names in lower case. */
export type Headers = Readonly<Record<string, string | undefined>>

const classes: Readonly<Record<number, FailureClass>> = {
  401: "auth",
  402: "quota-exhausted",
  403: "auth",
  // A completion is posted to one fixed address, so what was not found is the model or the deployment: the credential cannot use it, and the
  // caller, who knows neither, is not to blame.
  404: "auth",
  408: "timeout",
  // The providers answer 409 to a clash on their side, and say that it may be tried again.
  409: "server-error",
  // Too many bytes for the provider's front door. The request is well formed, and a target with more room is the one that can take it.
  413: "context-length",
  429: "rate-limited",
  503: "overloaded",
  529: "overloaded"
}

/** What `status` means when nothing else is known. */
export const classOfStatus = (status: number): FailureClass =>
  classes[status] ?? (status >= 400 && status < 500 ? "bad-request" : "server-error")

const longestWaitMillis = 24 * 60 * 60 * 1000

const wait = (millis: number): number | undefined =>
  Number.isFinite(millis) && millis >= 0 ? Math.min(Math.ceil(millis), longestWaitMillis) : undefined

/**
 * How long the provider asks to wait. A date counts only beside the answer's own `date` header, which makes it relative: there is no clock
 * here. Never more than a day.
 */
export const retryAfterMillis = (headers: Headers): number | undefined => {
  const millis = headers["retry-after-ms"]
  if (millis !== undefined && millis.trim() !== "") {
    const found = wait(Number(millis))
    if (found !== undefined) return found
  }
  const after = headers["retry-after"]
  if (after === undefined || after.trim() === "") return undefined
  const seconds = Number(after)
  if (!Number.isNaN(seconds)) return wait(seconds * 1000)
  const now = headers["date"]
  return now === undefined ? undefined : wait(Math.max(0, Date.parse(after) - Date.parse(now)))
}

const longestMessage = 2000
// Providers quote the credential that they refuse, sometimes whole.
const credential = /\b(?:sk|pk|rk|gsk|xai|key|AIza|eyJ|ya29)[-_.][\w.*\-/+=]{3,}|\bAIza[\w-]{10,}|\bbearer\s+[\w.*\-/+=]{3,}/gi
const quoted = /(\b(?:api[ _-]?key|token|credential)(?: (?:provided|supplied|given|used|is|was)){0,2}\s?[:=]\s?)(["'`]?)[^\s"'`,;]{4,}\2/gi

/** What of a provider's message may be shown: no credential, one line, at most 2,000 characters. */
export const presentable = (message: string): string => {
  // Cut before searching, so that a huge message costs no more than a long one.
  const text = message
    .slice(0, longestMessage * 2)
    .replace(/\s+/g, " ")
    .trim()
  const clean = text.replace(credential, "[redacted]").replace(quoted, "$1[redacted]")
  return clean.length > longestMessage ? `${clean.slice(0, longestMessage - 1)}…` : clean
}

/** What a provider's error object says, as far as it says it. */
export interface Said {
  readonly type?: string | undefined
  readonly code?: string | undefined
  readonly message?: string | undefined
  readonly param?: string | undefined
}

const answered = (status: number | undefined): string =>
  status === undefined ? "the provider reported an error without a message" : `the provider answered ${status} without a message`

/** Builds the failure that a table has found. */
export const failure = (found: FailureClass, status: number | undefined, said: Said, headers: Headers = {}): Failure => {
  const retry = retryAfterMillis(headers)
  const code = said.code ?? said.type
  const message = presentable(said.message ?? "")
  return {
    class: found,
    message: message === "" ? answered(status) : message,
    ...(status === undefined ? {} : { status }),
    ...(code === undefined || code === "" ? {} : { code: presentable(code).slice(0, 200) }),
    ...(said.param === undefined || said.param === "" ? {} : { param: presentable(said.param).slice(0, 200) }),
    ...(retry === undefined ? {} : { retryAfterMillis: retry })
  }
}

/** The message of a body that is not the dialect's error object: text, or an object of some proxy before the provider. */
export const looseMessage = (body: unknown): string | undefined => {
  if (typeof body === "string") return body.trimStart().startsWith("<") ? "the provider answered with a page, not with JSON" : body
  if (!isObject(body)) return undefined
  for (const name of ["message", "detail", "error", "msg", "title"]) {
    const found = field(body, name)
    if (typeof found === "string") return found
    if (name === "detail" && found !== undefined) return print(found)
  }
  return undefined
}

/** A stream that broke its dialect's rules. */
export const malformed = (message: string): Failure => ({ class: "malformed", message })
