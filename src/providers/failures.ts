/**
 * What the failure tables of all dialects share: what a row says, what a bare status means, and what of a provider's words may be shown.
 *
 * A dialect's own tables look at the code, the type and the message first; `verdictOfStatus` is where they end when these say nothing. Only the two statuses of `certain`
 * come before everything else.
 */
import type { Failure, FailureClass } from "../Failure.ts"
import { field, isObject, print } from "./json.ts"
import { first, type Headers, retryAfterMillis } from "./rateLimits.ts"

export type { Headers } from "./rateLimits.ts"

/** What a row of a table says of a failure. */
export interface Verdict {
  readonly class: FailureClass
  readonly endsCredential?: true
}

/** Verdicts by a code, a type or a reason. */
export type Table = Readonly<Record<string, Verdict>>

/** A failure of this request, this model, this place or this moment. */
export const is = (found: FailureClass): Verdict => ({ class: found })

/** A failure of the credential itself: it is refused, or there is no money behind it, whatever is asked. */
export const ends = (found: "auth" | "quota-exhausted"): Verdict => ({ class: found, endsCredential: true })

/** The row of this name. */
export const look = (table: Table, name: string | undefined): Verdict | undefined =>
  name !== undefined && Object.hasOwn(table, name) ? table[name] : undefined

/** A row for what is told by its message alone. */
export interface Phrase {
  readonly words: RegExp
  readonly verdict: Verdict
  /** The statuses beside which the words mean it; absent is any. An error inside a success has none, and the words are believed. */
  readonly at?: ReadonlyArray<number>
  /** The classes that it corrects; absent is any, and a failure of no class is always corrected. */
  readonly corrects?: ReadonlyArray<FailureClass>
}

/** Longer ones are told in part. */
const longestMessage = 2000

/**
 * The first row whose words stand in the beginning of the message. Not in all of it: some rows look for words behind others, which takes the square of its length, and providers quote what callers have
 * written.
 */
export const saidBy = (
  phrases: ReadonlyArray<Phrase>,
  message: string,
  status: number | undefined,
  named?: Verdict
): Verdict | undefined => {
  const beginning = message.slice(0, longestMessage * 2)
  return phrases.find(
    ({ at, corrects, words }) =>
      (at === undefined || status === undefined || at.includes(status)) &&
      (corrects === undefined || named === undefined || corrects.includes(named.class)) &&
      words.test(beginning)
  )?.verdict
}

const byStatus: Readonly<Record<number, Verdict>> = {
  401: ends("auth"),
  402: ends("quota-exhausted"),
  // The credential is known, but may not do this: use this model, or call from this place.
  403: is("auth"),
  // A completion is posted to one fixed address, so what was not found is the model or the deployment: the credential cannot use it, and the
  // caller, who knows neither, is not to blame.
  404: is("auth"),
  408: is("timeout"),
  // The providers answer 409 to a clash on their side, and say that it may be tried again.
  409: is("server-error"),
  // Too many bytes for the provider's front door. The request is well formed, and a target with more room is the one that can take it.
  413: is("context-length"),
  429: is("rate-limited"),
  503: is("overloaded"),
  529: is("overloaded")
}

/** What `status` means when nothing else is known. */
export const verdictOfStatus = (status: number): Verdict =>
  byStatus[status] ?? is(status >= 400 && status < 500 ? "bad-request" : "server-error")

/** What no body can make something else of: that there is no money, and that everybody's requests are too many, which is not a limit of ours. */
export const certain = (status: number | undefined): Verdict | undefined =>
  status === 402 || status === 529 ? byStatus[status] : undefined

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

/** A limit that no wait lifts: the provider says neither when to come again nor that one may. Both makers' clients obey this header (openai and @anthropic-ai/sdk, `shouldRetry`). */
const isFinal = (found: Verdict, headers: Headers, retry: number | undefined): boolean =>
  found.class === "rate-limited" && retry === undefined && first(headers["x-should-retry"]) === "false"

const page = "the provider answered with a page, not with JSON"

/** Whether nothing shows that it was the provider that answered. */
const isAnybodys = ({ code, message = "", type }: Said): boolean =>
  code === undefined && type === undefined && (message === "" || message === page)

/** Builds the failure that a table has found. */
export const failure = (found: Verdict, status: number | undefined, said: Said, headers: Headers = {}): Failure => {
  const retry = retryAfterMillis(headers)
  const code = said.code ?? said.type
  const message = presentable(said.message ?? "")
  return {
    class: isFinal(found, headers, retry) ? "quota-exhausted" : found.class,
    message: message === "" ? answered(status) : message,
    ...(status === undefined ? {} : { status }),
    ...(code === undefined || code === "" ? {} : { code: presentable(code).slice(0, 200) }),
    ...(said.param === undefined || said.param === "" ? {} : { param: presentable(said.param).slice(0, 200) }),
    ...(retry === undefined ? {} : { retryAfterMillis: retry }),
    // A page or an empty body may come from some proxy, which knows nothing of the credential; a payment is asked for by nobody else.
    ...(found.endsCredential === undefined || (isAnybodys(said) && status !== 402) ? {} : { endsCredential: found.endsCredential })
  }
}

/** The message of a body that is not the dialect's error object: text, or an object of some proxy before the provider. */
export const looseMessage = (body: unknown): string | undefined => {
  if (typeof body === "string") return body.trimStart().startsWith("<") ? page : body
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
