/**
 * The APIs that callers may speak, each at its path. A new one is one line here and a dialect that can be spoken by callers.
 */
import type { Api } from "./Call.ts"
import { openaiCaller } from "./providers/openai.ts"
import { parseChat } from "./providers/openai/ask.ts"
import { errorBody, errorEvent } from "./providers/openai/error.ts"

const chat: Api = { name: "chat.completions", speaks: "openai", dialect: openaiCaller, parse: parseChat, errorBody, errorEvent }

/** Every API by its path. */
export const apis: ReadonlyMap<string, Api> = new Map([
  ["/v1/chat/completions", chat],
  ["/openai/v1/chat/completions", chat],
  ["/openai/chat/completions", chat]
])

/** Errors of requests that reached no API are told in this one's shape. */
export const fallbackApi = chat
