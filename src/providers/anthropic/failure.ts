/**
 * The failure table of the Messages API.
 *
 * The statuses 402 and 529 are certain. Else `details.error_code` decides, then the few messages by which an `invalid_request_error` or a `rate_limit_error` says that it is
 * something else (a prompt that is too long, an account without credit, a spend limit, an answer that a filter held back), then the type, then the status.
 *
 * A month's spend cap is told as a 429 of type `rate_limit_error` without `retry-after`, and as a 400 where the customer has set the limit: neither passes by waiting. A 529 is
 * everybody's traffic and no limit of ours.
 *
 * Source: platform.claude.com, "Claude API errors" and "Rate limits" ("Reaching your spend limit"); the codes of details, the types of the official SDK (`resources/shared`).
 */
import type { Failure } from "../../Failure.ts"
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
import { field, isObject, objectAt, textAt } from "../json.ts"

const byType: Table = {
  authentication_error: ends("auth"),
  permission_error: is("auth"),
  // Posted to one fixed address, so what was not found is the model.
  not_found_error: is("auth"),
  billing_error: ends("quota-exhausted"),
  rate_limit_error: is("rate-limited"),
  request_too_large: is("context-length"),
  timeout_error: is("timeout"),
  conflict_error: is("server-error"),
  api_error: is("server-error"),
  overloaded_error: is("overloaded")
}

const byDetail: Table = {
  contract_spend_limit_reached: ends("quota-exhausted"),
  enforced_spend_limit_reached: ends("quota-exhausted"),
  // The limit or the bill of whom the caller acts for: the credential serves others still.
  linked_organization_spend_limit_reached: is("quota-exhausted"),
  linked_organization_billing_unavailable: is("quota-exhausted"),
  ramp_limit_exceeded: is("rate-limited"),
  organization_on_hold: ends("auth"),
  claude_code_key_creator_not_member: ends("auth"),
  // Settings of the account, whatever the status says: the caller is not to blame, and another account may answer.
  organization_type_not_supported: is("auth"),
  parent_organization_required: is("auth"),
  // The workspace's own encryption key is off, and with it the workspace.
  cmek_key_disabled: ends("auth"),
  cmek_key_network_blocked: is("auth"),
  // What was not found is not the model, but what the caller wants continued.
  thread_not_found: is("bad-request"),
  // Codes of a gateway like this one.
  context_length_exceeded: is("context-length"),
  content_filter: is("content-filter")
}

const byWords: ReadonlyArray<Phrase> = [
  {
    words: /prompt is too long|exceeds? (?:the )?(?:model's )?(?:maximum )?context (?:limit|length|window)|input is too long/i,
    verdict: is("context-length")
  },
  {
    words: /credit balance is too low|usage limits?\b.*(?:reached|exceeded)|reached your specified .*usage limits?|spend(?:ing)? limit/i,
    verdict: ends("quota-exhausted")
  },
  { words: /organization has been disabled/i, verdict: ends("auth") },
  { words: /content filtering policy|output blocked/i, verdict: is("content-filter") }
]

/** The types that are given to more than they say. */
const isVague = (type: string | undefined): boolean => type === undefined || type === "invalid_request_error" || type === "rate_limit_error"

const errorIn = (body: unknown): unknown => {
  const error = field(body, "error")
  return isObject(error) ? error : undefined
}

const judge = (status: number | undefined, body: unknown, headers: Headers): Failure => {
  const error = errorIn(body)
  const type = textAt(error, "type")
  const detail = textAt(objectAt(error, "details"), "error_code")
  const message = textAt(error, "message") ?? looseMessage(body)
  const said = { type, code: detail, message, param: textAt(error, "param") }
  const shown = status !== undefined && status >= 400 ? status : undefined
  const found: Verdict =
    certain(shown) ??
    look(byDetail, detail) ??
    (isVague(type) ? saidBy(byWords, message ?? "", shown) : undefined) ??
    look(byType, type) ??
    // The type `invalid_request_error` is also given to statuses that say more than a plain 400.
    (shown !== undefined ? verdictOfStatus(shown) : is(type === "invalid_request_error" ? "bad-request" : "server-error"))
  return failure(found, status, said, headers)
}

/** The class of an answer that is not a success. */
export const classify = (status: number, body: unknown, headers: Headers): Failure => judge(status, body, headers)

/** An error object inside an answer that calls itself a success, or in a stream. */
export const failureIn = (body: unknown): Failure | undefined =>
  textAt(body, "type") === "error" || errorIn(body) !== undefined ? judge(undefined, body, {}) : undefined
