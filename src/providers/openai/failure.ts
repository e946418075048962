/**
 * The failure table of Chat Completions: OpenAI's own codes first, then those of Azure and the hosts that imitate the dialect.
 *
 * Code and type decide before the status, since one status has several meanings: a 429 may be a limit that passes or a bill that was not paid,
 * a 400 may be the caller's mistake, a prompt that a larger window would take, or a filter. Only the statuses 402 and 529 are certain. Where a host gives neither code nor type, its
 * message is searched for the few phrases that they all copied.
 *
 * Sources: developers.openai.com, "Error codes"; help.openai.com, "Troubleshooting API rate limits and 429 errors" (the four codes under the type `insufficient_quota`);
 * learn.microsoft.com, "Troubleshoot errors" of Azure OpenAI.
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
import type { Headers, Said } from "../failures.ts"
import { field, isObject, objectAt, textAt } from "../json.ts"

/** By code, and by type; in lower case. */
const byCode: Table = {
  insufficient_quota: ends("quota-exhausted"),
  credit_balance_exhausted: ends("quota-exhausted"),
  organization_spend_limit_exceeded: ends("quota-exhausted"),
  organization_usage_limit_exceeded: ends("quota-exhausted"),
  // A key belongs to one project.
  project_spend_limit_exceeded: ends("quota-exhausted"),
  billing_hard_limit_reached: ends("quota-exhausted"),
  billing_not_active: ends("quota-exhausted"),
  insufficient_balance: ends("quota-exhausted"),
  // Hosts say so of one model's quota as well.
  quota_exceeded: is("quota-exhausted"),
  context_length_exceeded: is("context-length"),
  too_many_prompt_tokens: is("context-length"),
  max_tokens_exceeded: is("context-length"),
  request_too_large: is("context-length"),
  content_filter: is("content-filter"),
  content_policy_violation: is("content-filter"),
  moderation_blocked: is("content-filter"),
  responsibleaipolicyviolation: is("content-filter"),
  invalid_api_key: ends("auth"),
  authentication_error: ends("auth"),
  account_deactivated: ends("auth"),
  permission_error: is("auth"),
  permission_denied: is("auth"),
  model_not_found: is("auth"),
  deploymentnotfound: is("auth"),
  rate_limit_exceeded: is("rate-limited"),
  rate_limit_error: is("rate-limited"),
  tokens: is("rate-limited"),
  requests: is("rate-limited"),
  server_overloaded: is("overloaded"),
  server_is_overloaded: is("overloaded"),
  engine_overloaded: is("overloaded"),
  engine_overloaded_error: is("overloaded"),
  overloaded_error: is("overloaded"),
  slow_down: is("overloaded"),
  service_unavailable: is("overloaded"),
  service_unavailable_error: is("overloaded"),
  // The model wrote a call that does not fit its tool, and the host says so instead of passing it on: the request is fine, the answer is broken.
  tool_use_failed: is("malformed"),
  output_parse_failed: is("malformed"),
  timeout: is("timeout"),
  request_timeout: is("timeout"),
  server_error: is("server-error"),
  internal_error: is("server-error"),
  internal_server_error: is("server-error"),
  api_error: is("server-error")
}

/** What is not a limit that passes, whatever its code says. */
const bySpending: ReadonlyArray<Phrase> = [
  {
    words: /insufficient (?:balance|credits?|funds|quota)|requires more credits|out of credits|spend(?:ing)? limit/i,
    verdict: ends("quota-exhausted")
  },
  // Without the code some hosts say this of one model's quota.
  { words: /exceeded your current quota|out of call volume quota/i, verdict: is("quota-exhausted") }
]

const byWords: ReadonlyArray<Phrase> = [
  {
    words:
      /maximum context length|context (?:length|window)|prompt (?:is )?too long|too many (?:input |prompt )?tokens|total length of all messages is too long|input is too long/i,
    at: [400, 413, 422, 500],
    verdict: is("context-length")
  },
  // Azure names its policy here as well, but means what went before.
  { words: /resource has been (?:temporarily |permanently )?blocked/i, at: [403], verdict: ends("auth") },
  // A key may be kept from one operation and do others.
  { words: /missing scopes?|insufficient permissions/i, at: [401, 403], verdict: is("auth") },
  { words: /content (?:management |filtering )?policy|was flagged|content filter/i, at: [400, 403], verdict: is("content-filter") },
  ...bySpending
]

const named = (name: string | undefined): Verdict | undefined => look(byCode, name?.toLowerCase())

const statusIn = (...values: ReadonlyArray<unknown>): number | undefined => {
  for (const value of values) {
    const number = typeof value === "string" ? Number(value) : value
    if (typeof number === "number" && Number.isInteger(number) && number >= 400 && number <= 599) return number
  }
  return undefined
}

const asText = (value: unknown): string | undefined =>
  typeof value === "string" ? value : typeof value === "number" ? String(value) : undefined

/** The error object of a body: under `error`, or the body itself as vLLM writes it. */
const errorIn = (body: unknown): unknown => {
  const error = field(body, "error")
  if (isObject(error) || (typeof error === "string" && error !== "")) return error
  return field(body, "object") === "error" ? body : undefined
}

const judge = (status: number | undefined, body: unknown, headers: Headers): Failure => {
  const error = errorIn(body)
  const said: Said = {
    type: textAt(error, "type"),
    code: asText(field(error, "code")),
    message: textAt(error, "message") ?? (typeof error === "string" ? error : looseMessage(body)),
    param: textAt(error, "param")
  }
  const message = said.message ?? ""
  // Inside a success the error object may carry the status that it would have had.
  const shown =
    status !== undefined && status >= 400 ? status : statusIn(field(error, "code"), field(error, "status_code"), field(error, "status"))
  const told = named(said.code) ?? named(textAt(objectAt(error, "innererror"), "code")) ?? named(said.type)
  const found: Verdict =
    certain(shown) ??
    (told?.class === "rate-limited" ? saidBy(bySpending, message, shown) : undefined) ??
    told ??
    saidBy(byWords, message, shown) ??
    (shown !== undefined
      ? verdictOfStatus(shown)
      : is(said.type === "invalid_request_error" || said.type === "BadRequestError" ? "bad-request" : "server-error"))
  return failure(found, shown ?? status, said, headers)
}

/** The class of an answer that is not a success. */
export const classify = (status: number, body: unknown, headers: Headers): Failure => judge(status, body, headers)

/** An error object inside an answer that calls itself a success. */
export const failureIn = (body: unknown): Failure | undefined => (errorIn(body) === undefined ? undefined : judge(undefined, body, {}))
