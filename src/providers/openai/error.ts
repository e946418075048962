/**
 * Errors in OpenAI's shape: `{ "error": { message, type, param, code } }`, from which its SDKs choose their exception (by status) and its text.
 *
 * Source: https://platform.openai.com/docs/guides/error-codes
 */
import type { ErrorKind, GatewayError } from "../../GatewayError.ts"

const types: Record<ErrorKind, string> = {
  "invalid-request": "invalid_request_error",
  authentication: "authentication_error",
  permission: "permission_error",
  budget: "insufficient_quota",
  "not-found": "invalid_request_error",
  "rate-limit": "rate_limit_error",
  upstream: "server_error",
  unavailable: "server_error"
}

/** The body of an error answer. */
export const errorBody = ({ code, kind, message, param }: GatewayError): string =>
  JSON.stringify({ error: { message, type: types[kind], param: param ?? null, code } })

/** An error inside a stream that has begun: an event that every SDK raises on, and no `[DONE]` after it. */
export const errorEvent = (error: GatewayError): string => `data: ${errorBody(error)}\n\n`
