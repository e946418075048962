/**
 * Usage as the Responses API states it (openai SDK, `ResponseUsage`), and as the hosts that imitate it do.
 *
 * `input_tokens` includes what was read from a cache and written to one, `output_tokens` includes reasoning. Should the total say that a host counts reasoning
 * apart, the total is believed.
 */
import type { Extra, Usage } from "../../Conversation.ts"
import { noteOthers, present } from "../extras.ts"
import { countAt, field, isObject, objectAt, type Json } from "../json.ts"

const totals = ["input_tokens", "output_tokens", "total_tokens"]

/** Reads a `usage` object; undefined where it counts nothing: to take that for no tokens would make an answer free whose host has not told its usage. */
export const readUsage = (usage: unknown): Usage | undefined => {
  if (!isObject(usage) || !totals.some((name) => typeof field(usage, name) === "number")) return undefined
  const inputDetails = objectAt(usage, "input_tokens_details")
  const input = countAt(usage, "input_tokens")
  const output = countAt(usage, "output_tokens")
  const reasoning = countAt(objectAt(usage, "output_tokens_details"), "reasoning_tokens")
  const apart = reasoning > 0 && countAt(usage, "total_tokens") === input + output + reasoning
  const outputTokens = apart ? output + reasoning : output
  const cachedInputTokens = Math.min(countAt(inputDetails, "cached_tokens"), input)
  return {
    inputTokens: input,
    cachedInputTokens,
    cacheWriteInputTokens: Math.min(countAt(inputDetails, "cache_write_tokens"), input - cachedInputTokens),
    outputTokens,
    reasoningTokens: Math.min(reasoning, outputTokens)
  }
}

/** Usage of a whole answer. */
export const usageOf = (body: unknown): Usage | undefined => readUsage(field(body, "usage"))

/** Writes a `usage` object. */
export const writeUsage = (usage: Usage): Json => ({
  input_tokens: usage.inputTokens,
  input_tokens_details: { cached_tokens: usage.cachedInputTokens, cache_write_tokens: usage.cacheWriteInputTokens },
  output_tokens: usage.outputTokens,
  output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  total_tokens: usage.inputTokens + usage.outputTokens
})

const known = new Set(["input_tokens", "output_tokens", "total_tokens", "input_tokens_details", "output_tokens_details"])
const knownInput = new Set(["cached_tokens", "cache_write_tokens"])
const knownOutput = new Set(["reasoning_tokens"])

/** Notes what a `usage` object says besides the counts, and counts that do not add up as the model has them. */
export const noteUsage = (extras: Array<Extra>, usage: Json, read: Usage): void => {
  const written = writeUsage(read)
  const compare = (path: string, there: Json, here: Json): void => {
    for (const key of Object.keys(here)) {
      const found = there[key]
      if (present(found) && !isObject(here[key]) && found !== here[key])
        extras.push({ field: `${path}.${key}`, value: found, matters: false })
    }
  }
  const details = (name: string, knownNames: ReadonlySet<string>): void => {
    const there = objectAt(usage, name)
    if (there === undefined) return
    compare(`usage.${name}`, there, written[name] as Json)
    noteOthers(extras, `usage.${name}`, there, knownNames, false)
  }
  compare("usage", usage, written)
  details("input_tokens_details", knownInput)
  details("output_tokens_details", knownOutput)
  noteOthers(extras, "usage", usage, known, false)
}
