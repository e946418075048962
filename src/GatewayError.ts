/**
 * What a caller is told when there is no answer: a status, a stable code and a sentence, before the caller's dialect gives it its shape.
 *
 * Plain values, made once per refused call: a tagged error would capture a stack that nobody reads, at several times the cost of the decision. The codes
 * are part of the product: a code never changes its meaning.
 */
import type { Failure, FailureClass } from "./Failure.ts"

/** What kind of thing went wrong, in the terms in which SDKs choose their exception. */
export type ErrorKind =
  | "invalid-request"
  | "authentication"
  | "budget"
  | "permission"
  | "not-found"
  | "rate-limit"
  | "upstream"
  | "unavailable"

export interface GatewayError {
  readonly status: number
  /** Stable, in snake_case. */
  readonly code: string
  readonly kind: ErrorKind
  readonly message: string
  /** The field of the request at fault. */
  readonly param?: string
  /** Sent wherever waiting helps. */
  readonly retryAfterMillis?: number
  /** Our own failover is exhausted: an SDK's retry would multiply it. */
  readonly final?: boolean
}

const refusals = {
  invalid_json: [400, "invalid-request"],
  invalid_utf8: [400, "invalid-request"],
  duplicate_key: [400, "invalid-request"],
  invalid_request: [400, "invalid-request"],
  missing_model: [400, "invalid-request"],
  conflicting_keys: [400, "invalid-request"],
  invalid_api_key: [401, "authentication"],
  unpriced_model: [402, "budget"],
  unpriced_request: [402, "budget"],
  unbounded_request: [402, "budget"],
  budget_exhausted: [402, "budget"],
  not_granted: [403, "permission"],
  guard_forbids: [403, "permission"],
  condition_failed: [403, "permission"],
  missing_capability: [422, "invalid-request"],
  translation_loss: [400, "invalid-request"],
  untranslatable: [400, "invalid-request"],
  effort_exhausted: [402, "budget"],
  ledger_unavailable: [503, "unavailable"],
  foreign_host: [403, "permission"],
  foreign_origin: [403, "permission"],
  not_found: [404, "not-found"],
  model_not_found: [404, "not-found"],
  model_ambiguous: [404, "not-found"],
  method_not_allowed: [405, "invalid-request"],
  request_timeout: [408, "invalid-request"],
  body_too_large: [413, "invalid-request"],
  malformed_http: [400, "invalid-request"],
  headers_too_large: [431, "invalid-request"],
  unsupported_media_type: [415, "invalid-request"],
  no_target_available: [503, "unavailable"],
  target_paused: [429, "rate-limit"],
  target_busy: [503, "unavailable"],
  overloaded: [503, "unavailable"],
  shadow_dropped: [503, "unavailable"],
  shutting_down: [503, "unavailable"],
  deadline_exceeded: [504, "upstream"],
  internal_error: [500, "unavailable"]
} satisfies Record<string, readonly [status: number, kind: ErrorKind]>

export type RefusalCode = keyof typeof refusals

/** A refusal of the gateway's own, by its code. */
export const refuse = (
  code: RefusalCode,
  message: string,
  more?: Pick<GatewayError, "param" | "retryAfterMillis" | "final">
): GatewayError => ({ status: refusals[code][0], code, kind: refusals[code][1], message, ...more })

/** A call without a key where one is needed. */
export const missingKey = refuse(
  "invalid_api_key",
  "a key is needed: send it as `authorization: Bearer …`, or in the header that your SDK uses",
  {
    final: true
  }
)

/** A call with a key that is nobody's. */
export const unknownKey = refuse("invalid_api_key", "the key is not known here", { final: true })

/** A refusal that the policy's author wrote. */
export const denied = (status: number, code: string, message: string): GatewayError => ({
  status,
  code,
  message,
  kind:
    status === 401
      ? "authentication"
      : status === 403
        ? "permission"
        : status === 404
          ? "not-found"
          : status === 429
            ? "rate-limit"
            : status < 500
              ? "invalid-request"
              : "unavailable",
  final: true
})

/** How each class of failure looks to the caller; a 401 or 403 of the provider is our credential's, so it becomes a 502. */
const answers: Record<FailureClass, readonly [status: number, code: string, kind: ErrorKind]> = {
  "rate-limited": [429, "upstream_rate_limited", "rate-limit"],
  "quota-exhausted": [429, "upstream_quota_exhausted", "rate-limit"],
  overloaded: [503, "upstream_overloaded", "unavailable"],
  "server-error": [502, "upstream_error", "upstream"],
  timeout: [504, "upstream_timeout", "upstream"],
  connection: [502, "upstream_connection_failed", "upstream"],
  "stream-cut": [502, "upstream_stream_cut", "upstream"],
  malformed: [502, "upstream_malformed", "upstream"],
  "context-length": [400, "context_length_exceeded", "invalid-request"],
  "content-filter": [400, "content_filter", "invalid-request"],
  "bad-request": [400, "upstream_bad_request", "invalid-request"],
  auth: [502, "upstream_auth_failed", "upstream"],
  cancelled: [499, "cancelled", "invalid-request"],
  // Never the last word of a call: what it is escalated to is.
  escalated: [502, "upstream_escalated", "upstream"]
}

/** A code that says more than its class; `invalid_request_error` and its like are types, which dialects fall back to. */
const exact = /^(?!.*_error$)[a-z][a-z0-9_]{0,63}$/

/** What the caller is told when `target` has failed and nothing else could answer. */
export const failed = (target: string, failure: Failure): GatewayError => {
  const [status, code, kind] = answers[failure.class]
  const fault = kind === "invalid-request"
  return {
    // A provider's own client error keeps its status: 413 and 422 say more than 400.
    status: fault && failure.status !== undefined && failure.status >= 400 && failure.status < 500 ? failure.status : status,
    // So does its code, where the provider is more exact than the class.
    code: failure.class === "bad-request" && failure.code !== undefined && exact.test(failure.code) ? failure.code : code,
    kind,
    message: fault ? failure.message : `target \`${target}\` failed (${failure.class}): ${failure.message}`,
    final: true,
    ...(failure.param === undefined ? {} : { param: failure.param }),
    ...(failure.retryAfterMillis === undefined ? {} : { retryAfterMillis: failure.retryAfterMillis })
  }
}
