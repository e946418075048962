/**
 * Why an attempt failed, as values.
 *
 * A failure is never thrown and carries no stack: strategies recover by its class, the ledger and the breaker read it, and only
 * what the caller finally sees becomes an error object (`GatewayError.ts`). A provider's dialect assigns the class from a typed table on
 * status, error type, code and headers, never from the status alone.
 */
import * as Schema from "effect/Schema"

/** Every way in which an attempt can fail. `escalated` is one that has answered, and whose route wanted a better answer. */
export const FailureClass = Schema.Literals([
  "rate-limited",
  "quota-exhausted",
  "overloaded",
  "server-error",
  "timeout",
  "connection",
  "stream-cut",
  "malformed",
  "context-length",
  "content-filter",
  "bad-request",
  "auth",
  "cancelled",
  "escalated"
])
export type FailureClass = typeof FailureClass.Type

/** The classes on which `first` moves on when the author names none. `auth` is there because the broken credential is ours, not the caller's. */
export const recoverableByDefault: ReadonlyArray<FailureClass> = [
  "rate-limited",
  "quota-exhausted",
  "overloaded",
  "server-error",
  "timeout",
  "connection",
  "stream-cut",
  "malformed",
  "auth"
]

/** The classes after which `retry` tries again when the author names none: what a moment's wait may mend. */
export const retriedByDefault: ReadonlyArray<FailureClass> = [
  "rate-limited",
  "overloaded",
  "server-error",
  "timeout",
  "connection",
  "stream-cut",
  "malformed"
]

/** What is known of a failed attempt. */
export interface Failure {
  readonly class: FailureClass
  /** One sentence for people: what happened, in the provider's words where it gave some. Never holds a credential. */
  readonly message: string
  /** HTTP status of the provider's answer; absent when there was none. */
  readonly status?: number
  /** The provider's own error code or type (`context_length_exceeded`, `overloaded_error`). */
  readonly code?: string
  /** The field of the request that the provider blames. */
  readonly param?: string
  /** How long the provider asks to wait, in milliseconds. */
  readonly retryAfterMillis?: number
  /** The provider will serve nothing more on this credential, whatever is asked: it is wrong, revoked or out of money. */
  readonly endsCredential?: true
}
