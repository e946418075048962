/**
 * What has to change in a generateContent request so that it says what is set, whatever its caller wrote. Runs once an attempt, and only where something is set.
 *
 * Everything that can be set lies in `generationConfig`, which is replaced as a whole, under the name that the caller gave it. Within it a setting keeps the caller's spelling, and one that it has twice
 * is said once. An effort is said in the words of the target's generation; where the target is not known, in those that the caller uses, else as a level.
 */
import type { CallerDialect, Settings } from "../../Dialect.ts"
import { isObject, type Json, print } from "../json.ts"
import { camel } from "./names.ts"
import { traitsOf } from "./models.ts"
import { amountOf } from "./thinking.ts"

/** `config` with fields set, and with none of them in another spelling. */
const withFields = (config: Json, fields: Json, without: ReadonlyArray<string> = []): Json => {
  const names = new Set([...Object.keys(fields), ...without])
  const kept = Object.entries(config).filter(([key]) => !names.has(camel(key)))
  const spelt = new Map(Object.keys(config).map((key) => [camel(key), key]))
  return Object.fromEntries([...kept, ...Object.entries(fields).map(([name, value]) => [spelt.get(name) ?? name, value] as const)])
}

/** The values that stand under a name, in either spelling. */
const valuesOf = (config: Json, name: string): ReadonlyArray<unknown> =>
  Object.entries(config).flatMap(([key, value]) => (camel(key) === name && value !== null ? [value] : []))

const levelled = traitsOf("gemini")
const budgeted = traitsOf("gemini-2.5-flash")

/** The wanted effort in `thinkingConfig`, in place of every amount that is there. */
const thinkingConfig = (config: Json, effort: Settings["reasoningEffort"], model: string | undefined, most: number | undefined): Json => {
  const [said] = valuesOf(config, "thinkingConfig")
  const given = isObject(said) ? said : {}
  if (effort === undefined) return given
  const known = valuesOf(given, "thinkingBudget").length > 0 ? budgeted : levelled
  const { config: amount } = amountOf({ _tag: "Effort", effort }, model === undefined ? known : traitsOf(model), most)
  return withFields(given, amount, ["thinkingLevel", "thinkingBudget"])
}

const isLess = (value: unknown, most: number): boolean =>
  typeof value === "number" && Number.isSafeInteger(value) && value > 0 && value <= most

/** The changes to a generateContent request. */
export const overrides = (
  body: Json,
  { maxOutputTokens, model, reasoningEffort, temperature }: Settings
): ReturnType<CallerDialect["overrides"]> => {
  const key = Object.keys(body).find((name) => camel(name) === "generationConfig") ?? "generationConfig"
  const config = isObject(body[key]) ? body[key] : {}
  const fields: Record<string, unknown> = {}
  const temperatures = valuesOf(config, "temperature")
  if (temperature !== undefined && !(temperatures.length === 1 && temperatures[0] === temperature)) fields["temperature"] = temperature
  const limits = valuesOf(config, "maxOutputTokens")
  if (maxOutputTokens !== undefined && !(limits.length === 1 && isLess(limits[0], maxOutputTokens)))
    fields["maxOutputTokens"] = maxOutputTokens
  if (reasoningEffort !== undefined) {
    const thinking = thinkingConfig(config, reasoningEffort, model, maxOutputTokens)
    const [said] = valuesOf(config, "thinkingConfig")
    const json = print(thinking)
    if (json === "" || print(said ?? {}) !== json)
      fields["thinkingConfig"] = json === "" ? thinkingConfig({}, reasoningEffort, model, maxOutputTokens) : thinking
  }
  // What is nested too deeply to be printed is not sent, but what is set is.
  return Object.keys(fields).length === 0 ? [] : [{ key, json: print(withFields(config, fields)) || print(fields) }]
}
