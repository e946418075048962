/**
 * Usage as `generateContent` states it (ai.google.dev, "Generating content", `UsageMetadata`).
 *
 * `promptTokenCount` holds what was read from a cache, and not what the provider's own tools brought in: that is `toolUsePromptTokenCount`, billed as input. Thinking stands
 * beside `candidatesTokenCount`, not in it. A count of 0 is left out by the provider.
 */
import type { Extra, Usage } from "../../Conversation.ts"
import { noteOthers } from "../extras.ts"
import { countAt, field, isObject } from "../json.ts"

const counts = ["promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount"]

/** Reads a `usageMetadata` object; undefined where it counts nothing, as in the early events of Vertex AI, which say only who pays. */
export const readUsage = (usage: unknown): Usage | undefined => {
  if (!isObject(usage) || !counts.some((name) => typeof field(usage, name) === "number")) return undefined
  const input = countAt(usage, "promptTokenCount") + countAt(usage, "toolUsePromptTokenCount")
  const reasoningTokens = countAt(usage, "thoughtsTokenCount")
  return {
    inputTokens: input,
    cachedInputTokens: Math.min(countAt(usage, "cachedContentTokenCount"), input),
    cacheWriteInputTokens: 0,
    outputTokens: countAt(usage, "candidatesTokenCount") + reasoningTokens,
    reasoningTokens
  }
}

/** Usage in a whole answer or a stream's event. */
export const usageOf = (body: unknown): Usage | undefined => readUsage(field(body, "usageMetadata"))

const known = new Set(["promptTokenCount", "cachedContentTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount"])

/** Notes what a `usageMetadata` object says besides the counts of the model: modalities, tiers, the tools' part of the input. */
export const noteUsage = (extras: Array<Extra>, usage: unknown): void => {
  if (!isObject(usage)) return
  noteOthers(extras, "usageMetadata", usage, known, false)
  const [read, total] = [readUsage(usage), field(usage, "totalTokenCount")]
  if (read !== undefined && typeof total === "number" && total !== read.inputTokens + read.outputTokens)
    extras.push({ field: "usageMetadata.totalTokenCount", value: total, matters: false })
}

/** Writes a `usageMetadata` object. `toolUse` is the part of the input that the provider's tools brought in, which `extras` state. */
export const writeUsage = (usage: Usage, toolUse = 0): Record<string, unknown> => ({
  promptTokenCount: Math.max(0, usage.inputTokens - toolUse),
  ...(usage.cachedInputTokens > 0 ? { cachedContentTokenCount: usage.cachedInputTokens } : {}),
  candidatesTokenCount: Math.max(0, usage.outputTokens - usage.reasoningTokens),
  ...(usage.reasoningTokens > 0 ? { thoughtsTokenCount: usage.reasoningTokens } : {}),
  totalTokenCount: usage.inputTokens + usage.outputTokens
})

/** The part of the input that the provider's tools brought in, as an answer's extras state it. */
export const toolUseOf = (extras: ReadonlyArray<Extra>): number => {
  const found = extras.find(({ field: name }) => name === "usageMetadata.toolUsePromptTokenCount")
  return found === undefined ? 0 : countAt(found, "value")
}
