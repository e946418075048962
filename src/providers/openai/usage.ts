/**
 * Usage as Chat Completions states it, and as the hosts that imitate it do.
 *
 * `prompt_tokens` includes cached tokens everywhere. `completion_tokens` includes reasoning at OpenAI, but not at some hosts (xAI): there the
 * total alone tells, and it is believed when it adds up exactly.
 */
import type { Extra, Usage } from "../../Conversation.ts"
import { under } from "../extras.ts"
import { countAt, field, isObject, type Json, objectAt } from "../json.ts"

const totals = ["prompt_tokens", "completion_tokens", "total_tokens"]

/** Reads a `usage` object; undefined where it counts nothing: to take that for no tokens would make an answer free whose host has not told its usage. */
export const readUsage = (usage: unknown): Usage | undefined => {
  if (!isObject(usage) || !totals.some((name) => typeof field(usage, name) === "number")) return undefined
  const input = countAt(usage, "prompt_tokens")
  const completion = countAt(usage, "completion_tokens")
  const inputDetails = objectAt(usage, "prompt_tokens_details")
  // DeepSeek and Moonshot count their cache hits outside the details.
  const cached = countAt(inputDetails, "cached_tokens") || countAt(usage, "prompt_cache_hit_tokens") || countAt(usage, "cached_tokens")
  const reasoning = countAt(objectAt(usage, "completion_tokens_details"), "reasoning_tokens") || countAt(usage, "reasoning_tokens")
  const apart = reasoning > 0 && countAt(usage, "total_tokens") === input + completion + reasoning
  const output = apart ? completion + reasoning : completion
  const cachedInputTokens = Math.min(cached, input)
  return {
    inputTokens: input,
    cachedInputTokens,
    cacheWriteInputTokens: Math.min(countAt(inputDetails, "cache_write_tokens"), input - cachedInputTokens),
    outputTokens: output,
    reasoningTokens: Math.min(reasoning, output)
  }
}

/** Usage in a whole answer or a stream's chunk. */
export const usageOf = (body: unknown): Usage | undefined =>
  // Groq repeats it under a name of its own, which is the only one when the stream was not asked for usage.
  readUsage(field(body, "usage")) ?? readUsage(field(field(body, "x_groq"), "usage"))

/** Writes a `usage` object. */
export const writeUsage = (usage: Usage): Readonly<Record<string, unknown>> => ({
  prompt_tokens: usage.inputTokens,
  completion_tokens: usage.outputTokens,
  total_tokens: usage.inputTokens + usage.outputTokens,
  prompt_tokens_details: { cached_tokens: usage.cachedInputTokens, cache_write_tokens: usage.cacheWriteInputTokens },
  completion_tokens_details: { reasoning_tokens: usage.reasoningTokens }
})

/** Notes what differs between a host's object and what `writeUsage` makes of the counts in it. */
const differences = (extras: Array<Extra>, path: string, said: Json, written: Json): void => {
  for (const key of Object.keys(written)) {
    const [told, ours] = [said[key], written[key]]
    if (isObject(ours) && isObject(told)) differences(extras, under(path, key), told, ours)
    else if (told !== ours) extras.push({ field: under(path, key), value: told ?? undefined, matters: false })
  }
  for (const key of Object.keys(said)) {
    if (!Object.hasOwn(written, key) && said[key] !== null) extras.push({ field: under(path, key), value: said[key], matters: false })
  }
}

/** Notes what a host says of its usage beside the counts, or otherwise than `write` does. */
export const usageExtras = (extras: Array<Extra>, body: unknown, write: (usage: Usage) => Json = writeUsage): void => {
  const said = field(body, "usage")
  const usage = usageOf(body)
  if (isObject(said) && usage !== undefined) differences(extras, "usage", said, write(usage))
  // It stands elsewhere, or is nothing that can be read.
  else if (usage !== undefined || (said !== undefined && said !== null))
    extras.push({ field: "usage", value: said ?? undefined, matters: false })
}
