/**
 * Usage as the Messages API states it: `input_tokens` counts neither what was read from a cache nor what was written to one.
 */
import type { Usage } from "../../Conversation.ts"
import { countAt, field, isObject, objectAt } from "../json.ts"
import type { Json } from "../json.ts"

/** The counts of one `usage` object, which in a stream may come in pieces. */
export interface Counts {
  readonly input: number
  readonly read: number
  readonly written: number
  readonly writtenLong: number
  readonly output: number
  readonly thinking: number
}

/** No tokens. */
export const none: Counts = { input: 0, read: 0, written: 0, writtenLong: 0, output: 0, thinking: 0 }

/** The fields whose counts the model has whole; what else is said beside them are extras. */
export const counted: ReadonlySet<string> = new Set([
  "input_tokens",
  "cache_read_input_tokens",
  "cache_creation_input_tokens",
  "output_tokens"
])

/** The counts so far, where `usage` says something newer. Totals are cumulative, so a later one replaces an earlier one. */
export const updated = (counts: Counts, usage: unknown): Counts => {
  if (!isObject(usage)) return counts
  const newer = (name: string, old: number): number => (typeof field(usage, name) === "number" ? countAt(usage, name) : old)
  const creation = objectAt(usage, "cache_creation")
  const details = objectAt(usage, "output_tokens_details")
  return {
    input: newer("input_tokens", counts.input),
    read: newer("cache_read_input_tokens", counts.read),
    written: newer("cache_creation_input_tokens", counts.written),
    writtenLong: creation === undefined ? counts.writtenLong : countAt(creation, "ephemeral_1h_input_tokens"),
    output: newer("output_tokens", counts.output),
    thinking: details === undefined ? counts.thinking : countAt(details, "thinking_tokens")
  }
}

/** The counts in the model's own terms. */
export const usageFrom = (counts: Counts): Usage => ({
  inputTokens: counts.input + counts.read + counts.written,
  cachedInputTokens: counts.read,
  cacheWriteInputTokens: counts.written,
  ...(counts.writtenLong > 0 ? { longCacheWriteInputTokens: Math.min(counts.writtenLong, counts.written) } : {}),
  outputTokens: counts.output,
  reasoningTokens: Math.min(counts.thinking, counts.output)
})

/** Usage in a whole answer. */
export const usageOf = (body: unknown): Usage | undefined => {
  const usage = field(body, "usage")
  return isObject(usage) ? usageFrom(updated(none, usage)) : undefined
}

/** Writes a `usage` object. The details come only where they say something: older versions of the SDK do not know them. */
export const writeUsage = (usage: Usage): Json => {
  const { cachedInputTokens, cacheWriteInputTokens, longCacheWriteInputTokens: long = 0, outputTokens, reasoningTokens } = usage
  return {
    input_tokens: Math.max(0, usage.inputTokens - cachedInputTokens - cacheWriteInputTokens),
    cache_creation_input_tokens: cacheWriteInputTokens,
    cache_read_input_tokens: cachedInputTokens,
    ...(long > 0
      ? { cache_creation: { ephemeral_5m_input_tokens: Math.max(0, cacheWriteInputTokens - long), ephemeral_1h_input_tokens: long } }
      : {}),
    output_tokens: outputTokens,
    ...(reasoningTokens > 0 ? { output_tokens_details: { thinking_tokens: reasoningTokens } } : {})
  }
}
