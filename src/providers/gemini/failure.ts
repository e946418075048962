/**
 * The failure table of `generateContent`, at AI Studio and Vertex AI (google.rpc `Code`, `ErrorInfo`, `QuotaFailure`, `RetryInfo`; google.api `ErrorReason`; ai.google.dev,
 * "Troubleshooting guide").
 *
 * The reason of an `ErrorInfo` decides first, since a key that is not valid comes as a plain 400 `INVALID_ARGUMENT`; then the canonical status with what its details say: a quota of the
 * day will not come back by waiting, one of the minute will. `NOT_FOUND` is the model, which stands in the address. Vertex AI wraps the error in a list where a stream was
 * asked for.
 *
 * A prompt that was blocked (`promptFeedback.blockReason`, no candidates) is no failure here: the provider answers it with a 200, bills it, and a caller of this dialect must get its
 * bytes unchanged. For callers of other dialects it is an answer without parts that a content filter stopped, as their own providers would say it (`answer.ts`).
 */
import type { Failure, FailureClass } from "../../Failure.ts"
import { classOfStatus, failure, looseMessage } from "../failures.ts"
import type { Headers } from "../failures.ts"
import { field, isObject, listAt, textAt } from "../json.ts"

const byReason: Readonly<Record<string, FailureClass>> = {
  API_KEY_INVALID: "auth",
  API_KEY_SERVICE_BLOCKED: "auth",
  API_KEY_HTTP_REFERRER_BLOCKED: "auth",
  API_KEY_IP_ADDRESS_BLOCKED: "auth",
  API_KEY_ANDROID_APP_BLOCKED: "auth",
  API_KEY_IOS_APP_BLOCKED: "auth",
  ACCESS_TOKEN_EXPIRED: "auth",
  ACCESS_TOKEN_SCOPE_INSUFFICIENT: "auth",
  ACCESS_TOKEN_TYPE_UNSUPPORTED: "auth",
  ACCOUNT_STATE_INVALID: "auth",
  CREDENTIALS_MISSING: "auth",
  CONSUMER_INVALID: "auth",
  CONSUMER_SUSPENDED: "auth",
  IAM_PERMISSION_DENIED: "auth",
  SERVICE_DISABLED: "auth",
  LOCATION_POLICY_VIOLATED: "auth",
  USER_PROJECT_DENIED: "auth",
  BILLING_DISABLED: "quota-exhausted"
}

const byStatus: Readonly<Record<string, FailureClass>> = {
  UNAUTHENTICATED: "auth",
  PERMISSION_DENIED: "auth",
  NOT_FOUND: "auth",
  RESOURCE_EXHAUSTED: "rate-limited",
  UNAVAILABLE: "overloaded",
  DEADLINE_EXCEEDED: "timeout",
  INTERNAL: "server-error",
  UNKNOWN: "server-error",
  DATA_LOSS: "server-error",
  ABORTED: "server-error",
  CANCELLED: "server-error",
  FAILED_PRECONDITION: "bad-request",
  INVALID_ARGUMENT: "bad-request",
  OUT_OF_RANGE: "bad-request",
  ALREADY_EXISTS: "bad-request",
  UNIMPLEMENTED: "bad-request"
}

const tooLong =
  /input token count|token count .*exceeds|exceeds the (?:maximum|limit) .*tokens|maximum number of (?:input )?tokens|payload size exceeds|context (?:length|window)/i
const badKey = /api[_ ]key not (?:valid|found)|api key expired|invalid authentication credentials/i
const filtered =
  /responsible ai|violat\w* .*(?:polic|practices|guidelines)|blocked (?:by|due to) (?:safety|the safety|model armor|prohibited)/i
const broke =
  /\bbilling\b.*(?:disabled|enabled|not active)|enable billing|prepay\w* credits|credits? (?:are|is) depleted|spend(?:ing)? (?:cap|limit)/i
const perDay = /per[ _-]?day|daily/i
const place = /location is not supported|not available in your (?:country|region)/i
const again = /retry in (\d+(?:\.\d+)?)(ms|s)\b/i

const own = (table: Readonly<Record<string, FailureClass>>, name: string | undefined): FailureClass | undefined =>
  name !== undefined && Object.hasOwn(table, name) ? table[name] : undefined

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

/** A status whose class the words of the message may correct. */
const isVague = (found: FailureClass | undefined): boolean => found === undefined || found === "bad-request" || found === "server-error"

const judge = (status: number | undefined, body: unknown, headers: Headers): Failure => {
  const error = errorIn(body)
  const canonical = textAt(error, "status")
  const reason = textAt(detailOf(error, "ErrorInfo"), "reason")
  const message = textAt(error, "message") ?? (typeof error === "string" ? error : looseMessage(body)) ?? ""
  // Inside a success the error object carries the status that it would have had.
  const shown = status !== undefined && status >= 400 ? status : statusIn(error)
  const told = own(byStatus, canonical)
  // A refused credential is ours and never the caller's fault, whatever else is said of it.
  const isRefused = told === "bad-request" && (shown === 401 || shown === 403)
  const named = told !== undefined && !isRefused ? told : shown === undefined ? undefined : classOfStatus(shown)
  const found: FailureClass =
    own(byReason, reason) ??
    (named === "rate-limited"
      ? isSpent(error, message) || broke.test(message)
        ? "quota-exhausted"
        : named
      : isVague(named) && tooLong.test(message)
        ? "context-length"
        : named === "bad-request" && badKey.test(message)
          ? "auth"
          : broke.test(message)
            ? "quota-exhausted"
            : place.test(message)
              ? "auth"
              : isVague(named) && filtered.test(message)
                ? "content-filter"
                : (named ?? "server-error"))
  const retry = retryMillis(error, message)
  const waits = retry === undefined || headers["retry-after"] !== undefined || headers["retry-after-ms"] !== undefined
  const [violation] = listAt(detailOf(error, "BadRequest"), "fieldViolations")
  const said = { type: canonical, code: reason, message, param: textAt(violation, "field") }
  return failure(found, shown ?? status, said, waits ? headers : { ...headers, "retry-after-ms": String(retry) })
}

/** The class of an answer that is not a success. */
export const classify = (status: number, body: unknown, headers: Headers): Failure => judge(status, body, headers)

/** An error object inside an answer that calls itself a success, or in a stream. */
export const failureIn = (body: unknown): Failure | undefined => (errorIn(body) === undefined ? undefined : judge(undefined, body, {}))
