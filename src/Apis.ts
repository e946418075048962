/**
 * The APIs that callers may speak, each at its paths. A new one is a dialect that can be spoken by callers, and its paths here.
 */
import type { Api } from "./Call.ts"
import { chatCompletions } from "./providers/openai.ts"

/** Every API by its path; the prefixed ones are for clients whose base URL names a provider. */
export const apis: ReadonlyMap<string, Api> = new Map([
  ["/v1/chat/completions", chatCompletions],
  ["/openai/v1/chat/completions", chatCompletions],
  ["/openai/chat/completions", chatCompletions]
])

/** Errors of requests that reached no API are told in this one's shape. */
export const fallbackApi = chatCompletions
