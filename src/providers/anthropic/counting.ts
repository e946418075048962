/**
 * Counting the tokens of a Messages request without answering it, on both sides.
 *
 * Source: https://platform.claude.com/docs/en/api/messages/count_tokens. The request is one for an answer without what is about the answer alone.
 */
import * as Result from "effect/Result"
import type { CallerDialect, CountingDialect } from "../../Dialect.ts"
import type { Setting } from "../../Conversation.ts"
import { malformed } from "../failures.ts"
import { field } from "../json.ts"
import { encodeRequest } from "./request.ts"

/** What of a request its input depends on; the API refuses the rest. */
const counted = new Set(["model", "messages", "system", "tools", "tool_choice", "thinking", "output_config"])

/** Settings that say nothing of the input. */
const uncounted: ReadonlyArray<Setting> = [
  "temperature",
  "topP",
  "topK",
  "stop",
  "seed",
  "frequencyPenalty",
  "presencePenalty",
  "maxOutputTokens",
  "userId",
  "metadata",
  "answers"
]

/** Counting as a target does it. */
export const counting: CountingDialect = {
  path: () => "/messages/count_tokens",
  encodeRequest: (conversation, target) => {
    const own = conversation.dialect === "messages"
    const { maxOutputTokens: _, ...model } = target
    // Nothing is answered, so there is no maximum for a budget of thinking to stay below.
    const { body, losses } = encodeRequest(own ? conversation : { ...conversation, maxOutputTokens: Number.MAX_SAFE_INTEGER }, model)
    if (own) {
      const said = conversation.maxOutputTokens !== undefined || conversation.extras.some(({ field }) => field === "max_tokens")
      return said ? { body, losses } : { body: Object.fromEntries(Object.entries(body).filter(([name]) => name !== "max_tokens")), losses }
    }
    const silent = new Set(uncounted.flatMap((setting) => conversation.named[setting] ?? []))
    return {
      body: Object.fromEntries(Object.entries(body).filter(([name]) => counted.has(name))),
      losses: losses.filter((loss) => !silent.has(loss.field))
    }
  },
  decodeAnswer: (body) => {
    const tokens = field(body, "input_tokens")
    return typeof tokens === "number" && Number.isSafeInteger(tokens) && tokens >= 0
      ? Result.succeed(tokens)
      : Result.fail(malformed("expected a number of tokens at `input_tokens` in the provider's answer"))
  }
}

/** Counting as callers ask for it. */
export const countingCaller: NonNullable<CallerDialect["counting"]> = { encodeAnswer: (tokens) => ({ input_tokens: tokens }) }
