/**
 * What becomes of every documented error of every kind of provider: its class, whether it ends the credential, how long it asks to wait, and whether `retry` tries again.
 *
 * The rows are the providers' own error pages (developers.openai.com, "Error codes"; help.openai.com, "Troubleshooting API rate limits and 429 errors"; learn.microsoft.com, "Troubleshoot
 * errors" of Azure OpenAI; platform.claude.com, "Claude API errors" and "Rate limits"; ai.google.dev, "API errors" and "Rate limits"; google.api `ErrorReason`), and beside them what was
 * recorded.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Dialect } from "../../src/Dialect.ts"
import { type Failure, type FailureClass, recoverableByDefault, retriedByDefault } from "../../src/Failure.ts"
import { anthropic } from "../../src/providers/anthropic.ts"
import { gemini } from "../../src/providers/gemini.ts"
import { openai } from "../../src/providers/openai.ts"
import { responses } from "../../src/providers/responses.ts"
import { vertex } from "../../src/providers/vertex.ts"
import { present, recorded } from "./recorded.ts"

/** What is expected: the class, `ends` where the credential is at its end, and the wait that is asked for in milliseconds. */
type Expected = readonly [found: FailureClass, ends: "ends" | "stays", wait?: number]

interface Row {
  readonly status: number
  readonly type?: string | undefined
  readonly code?: string | number | null | undefined
  readonly message?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Where the body is not the usual error object. */
  readonly body?: unknown
  readonly is: Expected
}

const quota = "You exceeded your current quota, please check your plan and billing details."
const spent = { type: "insufficient_quota", message: quota }

const openAiRows: ReadonlyArray<Row> = [
  { status: 400, type: "invalid_request_error", code: null, message: "Invalid 'temperature'.", is: ["bad-request", "stays"] },
  {
    status: 400,
    type: "invalid_request_error",
    code: "context_length_exceeded",
    message: "This model's maximum context length is 128000 tokens.",
    is: ["context-length", "stays"]
  },
  {
    status: 400,
    type: "invalid_request_error",
    code: "content_policy_violation",
    message: "Your request was rejected as a result of our safety system.",
    is: ["content-filter", "stays"]
  },
  {
    status: 401,
    type: "invalid_request_error",
    code: "invalid_api_key",
    message: "Incorrect API key provided: sk-proj-abc123.",
    is: ["auth", "ends"]
  },
  { status: 401, type: "invalid_request_error", code: null, message: "Invalid Authentication", is: ["auth", "ends"] },
  {
    status: 401,
    type: "invalid_request_error",
    code: null,
    message: "You must be a member of an organization to use the API",
    is: ["auth", "ends"]
  },
  { status: 401, type: "invalid_request_error", code: "ip_not_authorized", message: "IP not authorized", is: ["auth", "ends"] },
  {
    status: 401,
    type: "invalid_request_error",
    code: null,
    message: "You have insufficient permissions for this operation. Missing scopes: model.request.",
    is: ["auth", "stays"]
  },
  {
    status: 401,
    type: "invalid_request_error",
    code: "account_deactivated",
    message: "Your account has been deactivated.",
    is: ["auth", "ends"]
  },
  {
    status: 403,
    type: "request_forbidden",
    code: "unsupported_country_region_territory",
    message: "Country, region, or territory not supported",
    is: ["auth", "stays"]
  },
  {
    status: 403,
    type: "invalid_request_error",
    code: "model_not_found",
    message: "Project does not have access to model `o3`",
    is: ["auth", "stays"]
  },
  { status: 404, type: "invalid_request_error", code: "model_not_found", message: "The model `x` does not exist", is: ["auth", "stays"] },
  { status: 408, is: ["timeout", "stays"] },
  { status: 409, is: ["server-error", "stays"] },
  { status: 413, is: ["context-length", "stays"] },
  { status: 422, type: "invalid_request_error", message: "Unprocessable", is: ["bad-request", "stays"] },
  {
    status: 429,
    type: "requests",
    code: "rate_limit_exceeded",
    message: "Rate limit reached for requests",
    headers: { "retry-after": "2" },
    is: ["rate-limited", "stays", 2000]
  },
  {
    status: 429,
    type: "tokens",
    code: "rate_limit_exceeded",
    message: "Rate limit reached for gpt-5 on tokens per min",
    headers: { "retry-after-ms": "312", "retry-after": "1" },
    is: ["rate-limited", "stays", 312]
  },
  { status: 429, type: "rate_limit_error", code: "slow_down", message: "Slow down", is: ["overloaded", "stays"] },
  { status: 429, ...spent, code: "insufficient_quota", is: ["quota-exhausted", "ends"] },
  { status: 429, ...spent, code: "credit_balance_exhausted", is: ["quota-exhausted", "ends"] },
  { status: 429, ...spent, code: "organization_spend_limit_exceeded", is: ["quota-exhausted", "ends"] },
  { status: 429, ...spent, code: "organization_usage_limit_exceeded", is: ["quota-exhausted", "ends"] },
  { status: 429, ...spent, code: "project_spend_limit_exceeded", is: ["quota-exhausted", "ends"] },
  { status: 429, code: "project_spend_limit_exceeded", is: ["quota-exhausted", "ends"] },
  { status: 429, ...spent, code: "billing_hard_limit_reached", is: ["quota-exhausted", "ends"] },
  {
    status: 429,
    type: "billing_not_active",
    code: "billing_not_active",
    message: "Your account is not active",
    is: ["quota-exhausted", "ends"]
  },
  // The provider says that no wait helps.
  { status: 429, type: "requests", code: "rate_limit_exceeded", headers: { "x-should-retry": "false" }, is: ["quota-exhausted", "stays"] },
  { status: 429, headers: { "x-should-retry": "false", "retry-after": "5" }, is: ["rate-limited", "stays", 5000] },
  { status: 500, type: "server_error", message: "The server had an error while processing your request", is: ["server-error", "stays"] },
  { status: 503, type: "service_unavailable_error", code: "slow_down", message: "Slow Down", is: ["overloaded", "stays"] },
  {
    status: 503,
    type: "service_unavailable_error",
    code: "server_is_overloaded",
    message: "The engine is currently overloaded, please try again later",
    headers: { "retry-after": "Sun, 22 Nov 2026 10:00:30 GMT", date: "Sun, 22 Nov 2026 10:00:00 GMT" },
    is: ["overloaded", "stays", 30_000]
  },
  { status: 504, is: ["server-error", "stays"] },
  { status: 529, type: "rate_limit_error", message: "Too many", is: ["overloaded", "stays"] },
  // A 402 of anybody.
  {
    status: 402,
    body: { error: { code: 402, message: "This request requires more credits, or fewer max_tokens." } },
    is: ["quota-exhausted", "ends"]
  },
  {
    status: 402,
    body: { error: { message: "Insufficient Balance", type: "unknown_error", param: null, code: "invalid_request_error" } },
    is: ["quota-exhausted", "ends"]
  },
  { status: 402, body: { detail: "Payment required" }, is: ["quota-exhausted", "ends"] },
  { status: 402, body: "", is: ["quota-exhausted", "ends"] },
  { status: 402, type: "rate_limit_error", code: "rate_limit_exceeded", is: ["quota-exhausted", "ends"] },
  // One model's quota at a host that has no code for it.
  {
    status: 429,
    body: { error: { code: 429, message: `${quota} Please retry in 11s.`, status: "RESOURCE_EXHAUSTED" } },
    is: ["quota-exhausted", "stays"]
  }
]

const azureRows: ReadonlyArray<Row> = [
  { status: 400, code: "BadRequest", message: "Unsupported parameter", is: ["bad-request", "stays"] },
  {
    status: 400,
    code: "context_length_exceeded",
    message: "This model's maximum context length is 8192 tokens",
    is: ["context-length", "stays"]
  },
  {
    status: 400,
    body: {
      error: {
        message: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        type: null,
        param: "prompt",
        code: "content_filter",
        status: 400,
        innererror: { code: "ResponsibleAIPolicyViolation", content_filter_result: { hate: { filtered: true, severity: "high" } } }
      }
    },
    is: ["content-filter", "stays"]
  },
  {
    status: 401,
    code: "401",
    message: "Access denied due to invalid subscription key or wrong API endpoint.",
    is: ["auth", "ends"]
  },
  {
    status: 401,
    body: { statusCode: 401, message: "Unauthorized. Access token is missing, invalid, audience is incorrect or have expired." },
    is: ["auth", "ends"]
  },
  {
    status: 401,
    code: "PermissionDenied",
    message: "The principal lacks the required data action to perform this operation",
    is: ["auth", "ends"]
  },
  { status: 403, code: "403", message: "Access denied due to Virtual Network/Firewall rules.", is: ["auth", "stays"] },
  {
    status: 403,
    code: "403",
    message: "Your resource has been temporarily blocked because we detected behavior that may violate our content policy.",
    is: ["auth", "ends"]
  },
  {
    status: 403,
    body: { statusCode: 403, message: "Out of call volume quota. Quota will be replenished in 04:23:34." },
    is: ["quota-exhausted", "stays"]
  },
  { status: 404, code: "DeploymentNotFound", message: "The API deployment for this resource does not exist.", is: ["auth", "stays"] },
  { status: 404, code: "404", message: "Resource not found", is: ["auth", "stays"] },
  {
    status: 429,
    code: "429",
    message:
      "Requests to the ChatCompletions_Create Operation have exceeded token rate limit of your current pricing tier. Please retry after 37 seconds.",
    headers: { "retry-after-ms": "36500", "retry-after": "37" },
    is: ["rate-limited", "stays", 36_500]
  },
  {
    status: 429,
    code: "RateLimitReached",
    message: "Rate limit is exceeded. Try again in 9 seconds.",
    headers: { "retry-after": "9" },
    is: ["rate-limited", "stays", 9000]
  },
  { status: 429, code: "NoCapacity", message: "The system is currently experiencing high demand", is: ["rate-limited", "stays"] },
  { status: 500, code: "InternalServerError", message: "Backend returned unexpected response", is: ["server-error", "stays"] },
  {
    status: 503,
    code: "ServiceUnavailable",
    message: "The service is temporarily unable to process your request.",
    is: ["overloaded", "stays"]
  }
]

const claude = (type: string, message: string, code?: string) => ({
  type: "error",
  error: { type, message, ...(code === undefined ? {} : { details: { error_code: code } }) },
  request_id: "req_1"
})

const anthropicRows: ReadonlyArray<Row> = [
  { status: 400, body: claude("invalid_request_error", "max_tokens: Field required"), is: ["bad-request", "stays"] },
  {
    status: 400,
    body: claude("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
    is: ["context-length", "stays"]
  },
  { status: 400, body: claude("invalid_request_error", "Output blocked by content filtering policy"), is: ["content-filter", "stays"] },
  {
    status: 400,
    body: claude("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
    is: ["quota-exhausted", "ends"]
  },
  {
    status: 400,
    body: claude(
      "invalid_request_error",
      "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."
    ),
    is: ["quota-exhausted", "ends"]
  },
  {
    status: 400,
    body: claude("invalid_request_error", "You have reached your specified workspace API usage limits."),
    is: ["quota-exhausted", "ends"]
  },
  { status: 400, body: claude("invalid_request_error", "This organization has been disabled."), is: ["auth", "ends"] },
  { status: 401, body: claude("authentication_error", "invalid x-api-key"), is: ["auth", "ends"] },
  { status: 402, body: claude("billing_error", "There is an issue with your billing."), is: ["quota-exhausted", "ends"] },
  { status: 402, body: claude("rate_limit_error", "Pay first."), is: ["quota-exhausted", "ends"] },
  { status: 402, body: "", is: ["quota-exhausted", "ends"] },
  {
    status: 403,
    body: claude("permission_error", "Your API key does not have permission to use the specified resource."),
    is: ["auth", "stays"]
  },
  { status: 403, body: claude("permission_error", "On hold.", "organization_on_hold"), is: ["auth", "ends"] },
  { status: 403, body: claude("permission_error", "Not a member.", "claude_code_key_creator_not_member"), is: ["auth", "ends"] },
  { status: 403, body: claude("permission_error", "Not supported.", "organization_type_not_supported"), is: ["auth", "stays"] },
  { status: 403, body: claude("permission_error", "The key is disabled.", "cmek_key_disabled"), is: ["auth", "ends"] },
  { status: 404, body: claude("not_found_error", "model: claude-9"), is: ["auth", "stays"] },
  { status: 409, body: claude("conflict_error", "Try again."), is: ["server-error", "stays"] },
  {
    status: 413,
    body: claude("request_too_large", "Request exceeds the maximum allowed number of bytes."),
    is: ["context-length", "stays"]
  },
  {
    status: 429,
    body: claude("rate_limit_error", "This request would exceed your organization's rate limit of 50 requests per minute."),
    headers: { "retry-after": "12" },
    is: ["rate-limited", "stays", 12_000]
  },
  {
    status: 429,
    body: claude("rate_limit_error", "Too fast.", "ramp_limit_exceeded"),
    headers: { "retry-after": "4" },
    is: ["rate-limited", "stays", 4000]
  },
  // A month's cap: the type of a rate limit, and no `retry-after`.
  { status: 429, body: claude("rate_limit_error", "Usage is paused.", "enforced_spend_limit_reached"), is: ["quota-exhausted", "ends"] },
  { status: 429, body: claude("rate_limit_error", "Usage is paused.", "contract_spend_limit_reached"), is: ["quota-exhausted", "ends"] },
  { status: 429, body: claude("rate_limit_error", "You have reached your organization's spend limit."), is: ["quota-exhausted", "ends"] },
  {
    status: 429,
    body: claude("rate_limit_error", "Not them.", "linked_organization_spend_limit_reached"),
    is: ["quota-exhausted", "stays"]
  },
  { status: 429, body: claude("rate_limit_error", "No."), headers: { "x-should-retry": "false" }, is: ["quota-exhausted", "stays"] },
  { status: 500, body: claude("api_error", "Internal server error"), is: ["server-error", "stays"] },
  { status: 504, body: claude("timeout_error", "Request timed out."), is: ["timeout", "stays"] },
  { status: 529, body: claude("overloaded_error", "Overloaded"), is: ["overloaded", "stays"] },
  { status: 529, body: claude("overloaded_error", "Overloaded"), headers: { "retry-after": "3" }, is: ["overloaded", "stays", 3000] },
  { status: 529, body: claude("rate_limit_error", "You have reached your specified API usage limits."), is: ["overloaded", "stays"] },
  { status: 529, body: "<html>", is: ["overloaded", "stays"] }
]

const detail = (type: string, more: Readonly<Record<string, unknown>>) => ({ "@type": `type.googleapis.com/google.rpc.${type}`, ...more })
const google = (code: number, status: string, message: string, ...details: ReadonlyArray<unknown>) => ({
  error: { code, message, status, ...(details.length === 0 ? {} : { details }) }
})
const reason = (name: string) => detail("ErrorInfo", { reason: name, domain: "googleapis.com" })
const quotaOf = (quotaId: string, quotaValue = "20") => detail("QuotaFailure", { violations: [{ quotaId, quotaValue }] })

const geminiRows: ReadonlyArray<Row> = [
  { status: 400, body: google(400, "INVALID_ARGUMENT", "Invalid JSON payload received."), is: ["bad-request", "stays"] },
  {
    status: 400,
    body: google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", reason("API_KEY_INVALID")),
    is: ["auth", "ends"]
  },
  { status: 400, body: google(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key."), is: ["auth", "ends"] },
  {
    status: 400,
    body: google(400, "INVALID_ARGUMENT", "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."),
    is: ["context-length", "stays"]
  },
  { status: 400, body: google(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), is: ["auth", "stays"] },
  {
    status: 400,
    body: google(
      400,
      "FAILED_PRECONDITION",
      "Gemini API free tier is not available in your country. Please enable billing on your project."
    ),
    is: ["quota-exhausted", "stays"]
  },
  { status: 400, body: google(400, "FAILED_PRECONDITION", "Billing is disabled for this project."), is: ["quota-exhausted", "ends"] },
  { status: 401, body: google(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."), is: ["auth", "ends"] },
  { status: 401, body: google(401, "UNAUTHENTICATED", "Missing.", reason("CREDENTIALS_MISSING")), is: ["auth", "ends"] },
  { status: 401, body: google(401, "UNAUTHENTICATED", "Expired.", reason("ACCESS_TOKEN_EXPIRED")), is: ["auth", "stays"] },
  { status: 402, body: google(402, "RESOURCE_EXHAUSTED", "Out of prepaid money."), is: ["quota-exhausted", "ends"] },
  { status: 403, body: google(403, "PERMISSION_DENIED", "The caller does not have permission"), is: ["auth", "stays"] },
  { status: 403, body: google(403, "PERMISSION_DENIED", "Denied on resource.", reason("IAM_PERMISSION_DENIED")), is: ["auth", "stays"] },
  { status: 403, body: google(403, "PERMISSION_DENIED", "Disabled.", reason("SERVICE_DISABLED")), is: ["auth", "ends"] },
  { status: 403, body: google(403, "PERMISSION_DENIED", "Blocked.", reason("API_KEY_SERVICE_BLOCKED")), is: ["auth", "ends"] },
  { status: 403, body: google(403, "PERMISSION_DENIED", "Suspended.", reason("CONSUMER_SUSPENDED")), is: ["auth", "ends"] },
  { status: 403, body: google(403, "PERMISSION_DENIED", "No billing.", reason("BILLING_DISABLED")), is: ["quota-exhausted", "ends"] },
  { status: 403, body: google(403, "PERMISSION_DENIED", "Not from there.", reason("LOCATION_POLICY_VIOLATED")), is: ["auth", "stays"] },
  {
    status: 403,
    body: google(403, "PERMISSION_DENIED", "Your API key was reported as leaked. Please use another API key."),
    is: ["auth", "ends"]
  },
  { status: 404, body: google(404, "NOT_FOUND", "models/x is not found for API version v1beta"), is: ["auth", "stays"] },
  {
    status: 429,
    body: google(
      429,
      "RESOURCE_EXHAUSTED",
      quota,
      quotaOf("GenerateRequestsPerMinutePerProjectPerModel"),
      detail("RetryInfo", { retryDelay: "48.5s" })
    ),
    is: ["rate-limited", "stays", 48_500]
  },
  {
    status: 429,
    body: google(
      429,
      "RESOURCE_EXHAUSTED",
      quota,
      quotaOf("GenerateRequestsPerDayPerProjectPerModel-FreeTier"),
      detail("RetryInfo", { retryDelay: "3s" })
    ),
    is: ["quota-exhausted", "stays", 3000]
  },
  {
    status: 429,
    body: google(429, "RESOURCE_EXHAUSTED", quota, quotaOf("GenerateContentInputTokensPerModelPerMinute-FreeTier", "0")),
    is: ["quota-exhausted", "stays"]
  },
  {
    status: 429,
    body: google(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    is: ["rate-limited", "stays"]
  },
  { status: 429, body: google(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."), is: ["quota-exhausted", "ends"] },
  {
    status: 429,
    body: google(429, "RESOURCE_EXHAUSTED", "Your project has exceeded its monthly spending cap."),
    is: ["quota-exhausted", "ends"]
  },
  {
    status: 429,
    body: google(429, "RESOURCE_EXHAUSTED", "You have exceeded the spend limit of your tier.", detail("RetryInfo", { retryDelay: "20s" })),
    is: ["rate-limited", "stays", 20_000]
  },
  { status: 499, body: google(499, "CANCELLED", "The operation was cancelled."), is: ["server-error", "stays"] },
  { status: 500, body: google(500, "INTERNAL", "An internal error has occurred."), is: ["server-error", "stays"] },
  { status: 503, body: google(503, "UNAVAILABLE", "The model is overloaded. Please try again later."), is: ["overloaded", "stays"] },
  { status: 504, body: google(504, "DEADLINE_EXCEEDED", "The request timed out."), is: ["timeout", "stays"] },
  // Vertex AI, where a stream was asked for.
  {
    status: 429,
    body: [google(429, "RESOURCE_EXHAUSTED", "Quota exceeded for online_prediction_requests_per_base_model.")],
    is: ["rate-limited", "stays"]
  },
  { status: 403, body: [google(403, "PERMISSION_DENIED", "No billing.", reason("BILLING_DISABLED"))], is: ["quota-exhausted", "ends"] }
]

const kinds: ReadonlyArray<readonly [name: string, dialects: ReadonlyArray<Dialect>, rows: ReadonlyArray<Row>]> = [
  ["OpenAI", [openai, responses], openAiRows],
  ["Azure OpenAI", [openai, responses], azureRows],
  ["Anthropic", [anthropic], anthropicRows],
  ["Gemini and Vertex AI", [gemini, vertex], geminiRows]
]

const bodyOf = ({ body, code, message, type }: Row): unknown =>
  body ?? { error: { message: message ?? "", type: type ?? null, param: null, code: code ?? null } }

const judged = ({ class: found, endsCredential, retryAfterMillis }: Failure): Expected =>
  retryAfterMillis === undefined
    ? [found, endsCredential === true ? "ends" : "stays"]
    : [found, endsCredential === true ? "ends" : "stays", retryAfterMillis]

const line = (row: { readonly status: number }, failure: Failure): string =>
  [
    String(row.status),
    (failure.code ?? "-").slice(0, 36).padEnd(36),
    failure.class.padEnd(15),
    failure.endsCredential === true ? "ends " : "stays",
    (failure.retryAfterMillis === undefined ? "-" : `${failure.retryAfterMillis} ms`).padEnd(8),
    retriedByDefault.includes(failure.class) ? "retried" : recoverableByDefault.includes(failure.class) ? "next   " : "stops  ",
    failure.message.slice(0, 70)
  ].join("  ")

describe("documented errors", () => {
  for (const [name, dialects, rows] of kinds) {
    it(name, () => {
      const table: Array<string> = []
      for (const dialect of dialects) {
        for (const row of rows) {
          const failure = dialect.classify(row.status, bodyOf(row), row.headers ?? {})
          assert.deepStrictEqual(judged(failure), row.is, `${dialect.name} ${row.status} ${JSON.stringify(bodyOf(row))}`)
          if (dialect === dialects[0]) table.push(line(row, failure))
        }
      }
      console.log(`${name}: status, code, class, credential, wait, by default, message\n${table.join("\n")}`)
    })
  }

  it("of a filter or a full context keep their reason", () => {
    const filter = azureRows.find(({ is }) => is[0] === "content-filter")!
    assert.deepInclude(openai.classify(400, bodyOf(filter), {}), {
      code: "content_filter",
      message: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
      param: "prompt"
    })
    assert.deepInclude(anthropic.classify(400, claude("invalid_request_error", "Output blocked by content filtering policy"), {}), {
      code: "invalid_request_error",
      message: "Output blocked by content filtering policy"
    })
    assert.deepInclude(openai.classify(400, bodyOf(openAiRows[1]!), {}), {
      code: "context_length_exceeded",
      message: "This model's maximum context length is 128000 tokens."
    })
  })

  it("are known by how they begin: what providers quote of callers behind it says nothing", () => {
    const words = "Output blocked by content filtering policy"
    const told = (message: string) => anthropic.classify(400, claude("invalid_request_error", message), {}).class
    assert.deepStrictEqual([told(`x`.repeat(3_000) + words), told("x".repeat(4_000) + words)], ["content-filter", "bad-request"])
  })

  it("whose credential is at its end are never retried on it", () => {
    for (const [, dialects, rows] of kinds)
      for (const dialect of dialects)
        for (const row of rows) {
          const failure = dialect.classify(row.status, bodyOf(row), row.headers ?? {})
          if (failure.endsCredential === true) assert.include(["auth", "quota-exhausted"], failure.class)
          if (failure.class === "quota-exhausted") assert.notInclude(retriedByDefault, failure.class)
        }
  })

  it("inside a success, where no header or status is told, end the credential as well", () => {
    assert.deepInclude(openai.failureIn({ error: { ...spent, code: "credit_balance_exhausted" } }), {
      class: "quota-exhausted",
      endsCredential: true
    })
    assert.deepInclude(responses.failureIn({ status: "failed", error: { code: "insufficient_quota", message: quota } }), {
      class: "quota-exhausted",
      endsCredential: true
    })
    assert.deepInclude(anthropic.failureIn(claude("billing_error", "Pay.")), { class: "quota-exhausted", endsCredential: true })
    assert.deepInclude(gemini.failureIn(google(402, "RESOURCE_EXHAUSTED", "Pay.")), { class: "quota-exhausted", endsCredential: true })
    assert.isUndefined(anthropic.failureIn(claude("overloaded_error", "Overloaded"))?.endsCredential)
  })
})

const files: ReadonlyArray<readonly [file: string, dialect: Dialect]> = [
  ["openai-chat", openai],
  ["openai-responses", responses],
  ["openai-embeddings", openai],
  ["azure-openai-chat", openai],
  ["compat-openai-chat", openai],
  ["anthropic-messages", anthropic],
  ["anthropic-count-tokens", anthropic],
  ["gemini-generate-content", gemini],
  ["vertex-generate-content", vertex],
  ["vertex-embeddings", vertex]
]

/** By what was recorded: the key was wrong, or it was not. */
const isRefusedKey = (status: number, text: string): boolean => status === 401 || text.includes("API_KEY_INVALID")

describe.skipIf(!present(...files.map(([file]) => file)))("recorded errors", () => {
  it("end the credential only where the key was wrong", () => {
    const table: Array<string> = []
    for (const [file, dialect] of files) {
      for (const { id, response } of recorded(file)) {
        if (response.status < 400) continue
        const failure = dialect.classify(response.status, response.body, response.headers)
        const text = JSON.stringify(response.body)
        assert.strictEqual(failure.endsCredential === true, isRefusedKey(response.status, text), `${file} ${id}: ${text}`)
        if (isRefusedKey(response.status, text)) assert.strictEqual(failure.class, "auth", id)
        if (response.status === 429) assert.strictEqual(failure.class, "rate-limited", `${id}: ${text}`)
        table.push(`${file.padEnd(24)} ${line(response, failure)}`)
      }
    }
    assert.isAbove(table.length, 40)
    console.log(`recorded: ${table.length}\n${table.join("\n")}`)
  })
})
