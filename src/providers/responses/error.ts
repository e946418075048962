/**
 * An error inside a stream of the Responses API that has begun.
 *
 * The SDKs raise on an event that is named `error`. Their types have the error's fields in the event, the API itself puts them into an object of their own, and readers of
 * either are in use, so they stand in both places. No `response.completed` follows.
 */
import type { GatewayError } from "../../GatewayError.ts"
import { errorBody } from "../openai/error.ts"

/** The event, as the one of this number. */
export const numberedErrorEvent = (error: GatewayError, sequence: number): string => {
  const { code, message, param } = error
  const { error: nested } = JSON.parse(errorBody(error)) as { readonly error: unknown }
  return `event: error\ndata: ${JSON.stringify({ type: "error", code, message, param: param ?? null, sequence_number: sequence, error: nested })}\n\n`
}

/** A stream's last words, where nobody knows how many events came before. */
export const errorEvent = (error: GatewayError): string => numberedErrorEvent(error, 0)
