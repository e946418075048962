/**
 * Errors in Google's shape: `{ "error": { code, message, status, details } }`, with our own code as the reason of an `ErrorInfo` (google.aip.dev, AIP-193 "Errors").
 *
 * Inside a stream Google breaks the framing: the error's JSON stands there as it is, without `data:`. Its clients are written for that and for nothing else. The one for JavaScript
 * looks for `error` in what it has read from the network, and in a framed event sees an answer without candidates, so that a broken stream would end like a whole one
 * (googleapis/js-genai, `_api_client.ts`; python-genai and go-genai likewise). No blank line follows: with one, text that arrives together with the error would hide it.
 */
import type { ErrorKind, GatewayError } from "../../GatewayError.ts"

const statuses: Record<ErrorKind, string> = {
  "invalid-request": "INVALID_ARGUMENT",
  authentication: "UNAUTHENTICATED",
  permission: "PERMISSION_DENIED",
  budget: "RESOURCE_EXHAUSTED",
  "not-found": "NOT_FOUND",
  "rate-limit": "RESOURCE_EXHAUSTED",
  upstream: "INTERNAL",
  unavailable: "UNAVAILABLE"
}

const type = (name: string): string => `type.googleapis.com/google.rpc.${name}`

/** The body of an error answer. */
export const errorBody = ({ code, kind, message, param, retryAfterMillis, status }: GatewayError): string =>
  JSON.stringify({
    error: {
      code: status,
      message,
      status: status === 504 ? "DEADLINE_EXCEEDED" : statuses[kind],
      details: [
        { "@type": type("ErrorInfo"), reason: code, domain: "turnout" },
        ...(param === undefined ? [] : [{ "@type": type("BadRequest"), fieldViolations: [{ field: param, description: message }] }]),
        ...(retryAfterMillis === undefined ? [] : [{ "@type": type("RetryInfo"), retryDelay: `${retryAfterMillis / 1000}s` }])
      ]
    }
  })

/** An error inside a stream that has begun. */
export const errorEvent = (error: GatewayError): string => errorBody(error)
