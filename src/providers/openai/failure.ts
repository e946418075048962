/**
 * The failure table of Chat Completions: OpenAI's own codes first, then those of Azure and the hosts that imitate the dialect.
 *
 * Code and type decide before the status, since one status has several meanings: a 429 may be a limit that passes or a bill that was not paid,
 * a 400 may be the caller's mistake, a prompt that a larger window would take, or a filter. Where a host gives neither code nor type, its
 * message is searched for the few phrases that they all copied.
 */
import type { Failure, FailureClass } from "../../Failure.ts"
import { classOfStatus, failure, looseMessage } from "../failures.ts"
import type { Headers, Said } from "../failures.ts"
import { field, isObject, objectAt, textAt } from "../json.ts"

const byCode: Readonly<Record<string, FailureClass>> = {
  insufficient_quota: "quota-exhausted",
  billing_hard_limit_reached: "quota-exhausted",
  billing_not_active: "quota-exhausted",
  quota_exceeded: "quota-exhausted",
  insufficient_balance: "quota-exhausted",
  context_length_exceeded: "context-length",
  too_many_prompt_tokens: "context-length",
  max_tokens_exceeded: "context-length",
  request_too_large: "context-length",
  content_filter: "content-filter",
  content_policy_violation: "content-filter",
  moderation_blocked: "content-filter",
  responsibleaipolicyviolation: "content-filter",
  invalid_api_key: "auth",
  authentication_error: "auth",
  permission_error: "auth",
  permission_denied: "auth",
  account_deactivated: "auth",
  model_not_found: "auth",
  deploymentnotfound: "auth",
  rate_limit_exceeded: "rate-limited",
  rate_limit_error: "rate-limited",
  tokens: "rate-limited",
  requests: "rate-limited",
  server_overloaded: "overloaded",
  engine_overloaded: "overloaded",
  engine_overloaded_error: "overloaded",
  overloaded_error: "overloaded",
  slow_down: "overloaded",
  service_unavailable: "overloaded",
  // The model wrote a call that does not fit its tool, and the host says so instead of passing it on: the request is fine, the answer is broken.
  tool_use_failed: "malformed",
  output_parse_failed: "malformed",
  timeout: "timeout",
  request_timeout: "timeout",
  server_error: "server-error",
  internal_error: "server-error",
  internal_server_error: "server-error",
  api_error: "server-error"
}

const tooLong =
  /maximum context length|context (?:length|window)|prompt (?:is )?too long|too many (?:input |prompt )?tokens|total length of all messages is too long|input is too long/i
const flagged = /content (?:management |filtering )?policy|was flagged|content filter/i
const broke = /insufficient (?:balance|credits?|funds|quota)|exceeded your current quota|requires more credits|out of credits/i

const lookUp = (name: string | undefined): FailureClass | undefined => {
  if (name === undefined) return undefined
  const key = name.toLowerCase()
  return Object.hasOwn(byCode, key) ? byCode[key] : undefined
}

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
  const named = lookUp(said.code) ?? lookUp(textAt(objectAt(error, "innererror"), "code")) ?? lookUp(said.type)
  const found: FailureClass =
    named === "rate-limited" && broke.test(message)
      ? "quota-exhausted"
      : named !== undefined
        ? named
        : tooLong.test(message) && (shown === undefined || shown === 400 || shown === 413 || shown === 422 || shown === 500)
          ? "context-length"
          : flagged.test(message) && (shown === undefined || shown === 400 || shown === 403)
            ? "content-filter"
            : broke.test(message)
              ? "quota-exhausted"
              : shown !== undefined
                ? classOfStatus(shown)
                : said.type === "invalid_request_error" || said.type === "BadRequestError"
                  ? "bad-request"
                  : "server-error"
  return failure(found, shown ?? status, said, headers)
}

/** The class of an answer that is not a success. */
export const classify = (status: number, body: unknown, headers: Headers): Failure => judge(status, body, headers)

/** An error object inside an answer that calls itself a success. */
export const failureIn = (body: unknown): Failure | undefined => (errorIn(body) === undefined ? undefined : judge(undefined, body, {}))
