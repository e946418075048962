/**
 * The failure table of `generateContent`, at AI Studio and Vertex AI (google.rpc `Code`, `ErrorInfo`, `QuotaFailure`, `RetryInfo`; google.api `ErrorReason`; ai.google.dev,
 * "Troubleshooting guide" and "Rate limits").
 *
 * The reason of an `ErrorInfo` decides first, since a key that is not valid comes as a plain 400 `INVALID_ARGUMENT`; then the canonical status with what its details say: a quota of the
 * day will not come back by waiting, one of the minute will. A 402 is certain: prepaid credits are spent, and every key of the account with them. `NOT_FOUND` is the model, which stands in the address. Vertex AI wraps the error in a list where a stream was
 * asked for.
 *
 * A prompt that was blocked (`promptFeedback.blockReason`, no candidates) is no failure here: the provider answers it with a 200, bills it, and a caller of this dialect must get its
 * bytes unchanged. For callers of other dialects it is an answer without parts that a content filter stopped, as their own providers would say it (`answer.ts`).
 */
import type { Failure, FailureClass } from "../../Failure.ts"
import {
  certain,
  ends,
  failure,
  is,
  look,
  looseMessage,
  type Phrase,
  saidBy,
  type Table,
  type Verdict,
  verdictOfStatus
} from "../failures.ts"
import type { Headers } from "../failures.ts"
import { field, isObject, listAt, textAt } from "../json.ts"

const byReason: Table = {
  API_KEY_INVALID: ends("auth"),
  // What a key is restricted to holds for all that we ask with it.
  API_KEY_SERVICE_BLOCKED: ends("auth"),
  API_KEY_HTTP_REFERRER_BLOCKED: ends("auth"),
  API_KEY_IP_ADDRESS_BLOCKED: ends("auth"),
  API_KEY_ANDROID_APP_BLOCKED: ends("auth"),
  API_KEY_IOS_APP_BLOCKED: ends("auth"),
  // The next token is another one.
  ACCESS_TOKEN_EXPIRED: is("auth"),
  ACCESS_TOKEN_SCOPE_INSUFFICIENT: ends("auth"),
  ACCESS_TOKEN_TYPE_UNSUPPORTED: ends("auth"),
  ACCOUNT_STATE_INVALID: ends("auth"),
  CREDENTIALS_MISSING: ends("auth"),
  CONSUMER_INVALID: ends("auth"),
  CONSUMER_SUSPENDED: ends("auth"),
  SERVICE_DISABLED: ends("auth"),
  // One resource, one place.
  IAM_PERMISSION_DENIED: is("auth"),
  LOCATION_POLICY_VIOLATED: is("auth"),
  USER_PROJECT_DENIED: is("auth"),
  BILLING_DISABLED: ends("quota-exhausted")
}

const byStatus: Table = {
  UNAUTHENTICATED: ends("auth"),
  PERMISSION_DENIED: is("auth"),
  NOT_FOUND: is("auth"),
  RESOURCE_EXHAUSTED: is("rate-limited"),
  UNAVAILABLE: is("overloaded"),
  DEADLINE_EXCEEDED: is("timeout"),
  INTERNAL: is("server-error"),
  UNKNOWN: is("server-error"),
  DATA_LOSS: is("server-error"),
  ABORTED: is("server-error"),
  CANCELLED: is("server-error"),
  FAILED_PRECONDITION: is("bad-request"),
  INVALID_ARGUMENT: is("bad-request"),
  OUT_OF_RANGE: is("bad-request"),
  ALREADY_EXISTS: is("bad-request"),
  UNIMPLEMENTED: is("bad-request")
}

/** Classes of statuses that say so little that the words of the message may correct them. */
const vague: ReadonlyArray<FailureClass> = ["bad-request", "server-error"]

const place = /location is not supported|not available in your (?:country|region)/i

/** There is no money, and none comes back by itself. */
const broke: Phrase = {
  words: /\bbilling\b.*(?:disabled|enabled|not active)|enable billing|prepay\w* credits|credits? (?:are|is) depleted/i,
  verdict: ends("quota-exhausted")
}
/** A month's cap, which is told without a wait; a limit on what is spent in ten minutes is a rate. */
const capped: Phrase = { words: /spend(?:ing)? (?:cap|limit)/i, verdict: ends("quota-exhausted") }

const byWords: ReadonlyArray<Phrase> = [
  {
    words:
      /input token count|token count .*exceeds|exceeds the (?:maximum|limit) .*tokens|maximum number of (?:input )?tokens|payload size exceeds|context (?:length|window)/i,
    corrects: vague,
    verdict: is("context-length")
  },
  {
    words: /api[_ ]key not (?:valid|found)|api key expired|invalid authentication credentials/i,
    corrects: ["bad-request"],
    verdict: ends("auth")
  },
  { words: /reported as leaked|unregistered callers|project has been (?:denied|suspended)/i, corrects: ["auth"], verdict: ends("auth") },
  // Without billing nothing is free in some places, and the same key may serve from elsewhere.
  { words: new RegExp(`(?:${place.source}).*enable billing`, "i"), verdict: is("quota-exhausted") },
  broke,
  capped,
  { words: place, verdict: is("auth") },
  {
    words: /responsible ai|violat\w* .*(?:polic|practices|guidelines)|blocked (?:by|due to) (?:safety|the safety|model armor|prohibited)/i,
    corrects: vague,
    verdict: is("content-filter")
  }
]

const perDay = /per[ _-]?day|daily/i
const again = /retry in (\d+(?:\.\d+)?)(ms|s)\b/i

/** The error object of a body, which may be the first entry of a list. */
const errorIn = (body: unknown): unknown => {
  const error = field(Array.isArray(body) ? body[0] : body, "error")
  return isObject(error) || (typeof error === "string" && error !== "") ? error : undefined
}

const detailOf = (error: unknown, type: string): unknown =>
  listAt(error, "details").find((detail) => textAt(detail, "@type")?.endsWith(`google.rpc.${type}`) === true)

/** A quota that a moment's wait does not mend: that of a day, or none at all. */
const isSpent = (error: unknown, message: string): boolean => {
  const violations = listAt(detailOf(error, "QuotaFailure"), "violations")
  if (violations.length === 0) return perDay.test(message)
  return violations.some(
    (violation) =>
      perDay.test(textAt(violation, "quotaId") ?? textAt(violation, "quotaMetric") ?? textAt(violation, "description") ?? "") ||
      textAt(violation, "quotaValue") === "0"
  )
}

const retryMillis = (error: unknown, message: string): number | undefined => {
  const delay = field(detailOf(error, "RetryInfo"), "retryDelay")
  const seconds =
    typeof delay === "string" && delay.endsWith("s") ? Number(delay.slice(0, -1)) : Number(field(delay, "seconds") ?? Number.NaN)
  if (Number.isFinite(seconds)) return seconds * 1000
  const found = again.exec(message)
  return found === null ? undefined : Number(found[1]) * (found[2] === "ms" ? 1 : 1000)
}

const statusIn = (error: unknown): number | undefined => {
  const code = field(error, "code")
  return typeof code === "number" && Number.isInteger(code) && code >= 400 && code <= 599 ? code : undefined
}

const judge = (status: number | undefined, body: unknown, headers: Headers): Failure => {
  const error = errorIn(body)
  const canonical = textAt(error, "status")
  const reason = textAt(detailOf(error, "ErrorInfo"), "reason")
  const message = textAt(error, "message") ?? (typeof error === "string" ? error : looseMessage(body)) ?? ""
  // Inside a success the error object carries the status that it would have had.
  const shown = status !== undefined && status >= 400 ? status : statusIn(error)
  const told = look(byStatus, canonical)
  // A refused credential is ours and never the caller's fault, whatever else is said of it.
  const isRefused = told?.class === "bad-request" && (shown === 401 || shown === 403)
  const named = told !== undefined && !isRefused ? told : shown === undefined ? undefined : verdictOfStatus(shown)
  const retry = retryMillis(error, message)
  const hasHeader = headers["retry-after"] !== undefined || headers["retry-after-ms"] !== undefined
  const isRate = named?.class === "rate-limited"
  const found: Verdict =
    certain(shown) ??
    look(byReason, reason) ??
    (isRate
      ? saidBy(retry === undefined && !hasHeader ? [broke, capped] : [broke], message, shown)
      : saidBy(byWords, message, shown, named)) ??
    (isRate && isSpent(error, message) ? is("quota-exhausted") : (named ?? is("server-error")))
  const [violation] = listAt(detailOf(error, "BadRequest"), "fieldViolations")
  const said = { type: canonical, code: reason, message, param: textAt(violation, "field") }
  return failure(found, shown ?? status, said, retry === undefined || hasHeader ? headers : { ...headers, "retry-after-ms": String(retry) })
}

/** The class of an answer that is not a success. */
export const classify = (status: number, body: unknown, headers: Headers): Failure => judge(status, body, headers)

/** An error object inside an answer that calls itself a success, or in a stream. */
export const failureIn = (body: unknown): Failure | undefined => (errorIn(body) === undefined ? undefined : judge(undefined, body, {}))
