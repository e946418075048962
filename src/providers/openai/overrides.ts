/**
 * What has to change in a Chat Completions request so that it says what is set, whatever its caller wrote. Runs once an attempt, and only where something is set.
 *
 * Compatible hosts have second names for two of the settings, and may go by either, so both are seen to: the older name of the maximum, and `reasoning`, the
 * object that routers read beside `reasoning_effort`.
 */
import type { CallerDialect, Settings } from "../../Dialect.ts"
import type { Change } from "../../JsonScan.ts"
import { isObject, type Json } from "../json.ts"

/** The names under which a request says how long its answer may be. A host that knows one of them may take no notice of the other. */
const maximums = ["max_completion_tokens", "max_tokens"] as const

/** What makes the answer no longer than `most`, by whichever name the host goes. */
const maximum = (body: Json, most: number, field: Settings["maxTokensField"] = "max_completion_tokens"): ReadonlyArray<Change> => {
  const json = String(most)
  const named = maximums.filter((key) => (body[key] ?? null) !== null)
  const changes = named.flatMap((key) => {
    const value = body[key]
    return typeof value === "number" && Number.isSafeInteger(value) && value > 0 && value <= most ? [] : [{ key, json }]
  })
  // OpenAI refuses both names at once, and goes by either; a host of the older name may not know the newer.
  const missing = named.length === 0 || (field === "max_tokens" && !named.includes("max_tokens"))
  return missing ? [...changes, { key: field, json }] : changes
}

/** An effort goes by the usual name; where a caller wrote `reasoning` as well, it says the same there, and nothing that would contradict it. */
const effort = (body: Json, wanted: string): ReadonlyArray<Change> => {
  const changes = body["reasoning_effort"] === wanted ? [] : [{ key: "reasoning_effort", json: JSON.stringify(wanted) }]
  const { reasoning } = body
  if (!isObject(reasoning)) return changes
  const { effort: said, enabled, max_tokens: tokens, ...rest } = reasoning
  if (said === wanted && enabled === undefined && tokens === undefined) return changes
  return [...changes, { key: "reasoning", json: JSON.stringify({ ...rest, effort: wanted }) }]
}

/** The changes to a request of Chat Completions. */
export const overrides: CallerDialect["overrides"] = (body, { maxOutputTokens, maxTokensField, reasoningEffort, temperature }) => [
  ...(temperature === undefined || body["temperature"] === temperature ? [] : [{ key: "temperature", json: JSON.stringify(temperature) }]),
  ...(reasoningEffort === undefined ? [] : effort(body, reasoningEffort)),
  ...(maxOutputTokens === undefined ? [] : maximum(body, maxOutputTokens, maxTokensField))
]
