/**
 * Errors in Anthropic's shape: `{ "type": "error", "error": { type, message } }`. Its SDKs choose their exception by the status, and show `error.type` as its
 * `type` and `error.details.error_code` as its `errorCode`: the gateway's own code is there, and as `code` beside the field at fault, where clients of
 * other dialects look.
 *
 * Source: platform.claude.com, "Errors"; `core/error` and `core/streaming` of the official SDK.
 */
import type { ErrorKind, GatewayError } from "../../GatewayError.ts"

const types: Record<ErrorKind, string> = {
  "invalid-request": "invalid_request_error",
  authentication: "authentication_error",
  permission: "permission_error",
  budget: "billing_error",
  "not-found": "not_found_error",
  "rate-limit": "rate_limit_error",
  upstream: "api_error",
  unavailable: "overloaded_error"
}

/** Statuses whose type says more than their kind. */
const exact: Readonly<Record<number, string>> = { 413: "request_too_large", 500: "api_error", 504: "timeout_error" }

/** The body of an error answer. */
export const errorBody = ({ code, kind, message, param, status }: GatewayError): string =>
  JSON.stringify({
    type: "error",
    error: {
      type: exact[status] ?? types[kind],
      message,
      code,
      ...(param === undefined ? {} : { param }),
      details: { error_code: code }
    }
  })

/** An error inside a stream that has begun: every SDK raises on its event, and no `message_stop` comes after it. */
export const errorEvent = (error: GatewayError): string => `event: error\ndata: ${errorBody(error)}\n\n`
