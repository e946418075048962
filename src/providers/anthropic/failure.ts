/**
 * The failure table of the Messages API.
 *
 * The error's type decides, then its `details.error_code`, then the few messages by which an `invalid_request_error` says that it is something else:
 * a prompt that is too long, an account without credit, an answer that a filter held back.
 *
 * Source: platform.claude.com, "Claude API errors"; the codes of details, the types of the official SDK.
 */
import type { Failure, FailureClass } from "../../Failure.ts"
import { classOfStatus, failure, looseMessage } from "../failures.ts"
import type { Headers } from "../failures.ts"
import { field, isObject, objectAt, textAt } from "../json.ts"

const byType: Readonly<Record<string, FailureClass>> = {
  authentication_error: "auth",
  permission_error: "auth",
  // Posted to one fixed address, so what was not found is the model.
  not_found_error: "auth",
  billing_error: "quota-exhausted",
  rate_limit_error: "rate-limited",
  request_too_large: "context-length",
  timeout_error: "timeout",
  conflict_error: "server-error",
  api_error: "server-error",
  overloaded_error: "overloaded"
}

const byDetail: Readonly<Record<string, FailureClass>> = {
  contract_spend_limit_reached: "quota-exhausted",
  enforced_spend_limit_reached: "quota-exhausted",
  linked_organization_spend_limit_reached: "quota-exhausted",
  linked_organization_billing_unavailable: "quota-exhausted",
  ramp_limit_exceeded: "rate-limited",
  organization_on_hold: "auth",
  // Settings of the account, whatever the status says: the caller is not to blame, and another account may answer.
  organization_type_not_supported: "auth",
  parent_organization_required: "auth",
  cmek_key_disabled: "auth",
  cmek_key_network_blocked: "auth",
  // What was not found is not the model, but what the caller wants continued.
  thread_not_found: "bad-request",
  // Codes of a gateway like this one.
  context_length_exceeded: "context-length",
  content_filter: "content-filter"
}

const tooLong = /prompt is too long|exceeds? (?:the )?(?:model's )?(?:maximum )?context (?:limit|length|window)|input is too long/i
const broke = /credit balance is too low|usage limits?\b.*(?:reached|exceeded)|reached your specified .*usage limits?|spend(?:ing)? limit/i
const filtered = /content filtering policy|output blocked/i

const own = (table: Readonly<Record<string, FailureClass>>, name: string | undefined): FailureClass | undefined =>
  name !== undefined && Object.hasOwn(table, name) ? table[name] : undefined

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
  const text = message ?? ""
  const shown = status !== undefined && status >= 400 ? status : undefined
  const clientError = type === "invalid_request_error" || type === undefined || type === "rate_limit_error"
  const found: FailureClass =
    own(byDetail, detail) ??
    (clientError && tooLong.test(text)
      ? "context-length"
      : clientError && broke.test(text)
        ? "quota-exhausted"
        : clientError && filtered.test(text)
          ? "content-filter"
          : (own(byType, type) ??
            // The type `invalid_request_error` is also given to statuses that say more than a plain 400.
            (shown !== undefined ? classOfStatus(shown) : type === "invalid_request_error" ? "bad-request" : "server-error")))
  return failure(found, status, said, headers)
}

/** The class of an answer that is not a success. */
export const classify = (status: number, body: unknown, headers: Headers): Failure => judge(status, body, headers)

/** An error object inside an answer that calls itself a success, or in a stream. */
export const failureIn = (body: unknown): Failure | undefined =>
  textAt(body, "type") === "error" || errorIn(body) !== undefined ? judge(undefined, body, {}) : undefined
