/**
 * What has to change in a Responses request so that it says what is set, whatever its caller wrote. Runs once an attempt, and only where something is set.
 */
import type { CallerDialect } from "../../Dialect.ts"
import type { Change } from "../../JsonScan.ts"
import { isObject } from "../json.ts"

/** The effort stands in an object, and the wishes beside it stay the caller's. */
const effort = (reasoning: unknown, wanted: string): ReadonlyArray<Change> => {
  if (!isObject(reasoning)) return [{ key: "reasoning", json: JSON.stringify({ effort: wanted }) }]
  return reasoning["effort"] === wanted ? [] : [{ key: "reasoning", json: JSON.stringify({ ...reasoning, effort: wanted }) }]
}

const maximum = (limit: unknown, most: number): ReadonlyArray<Change> =>
  typeof limit === "number" && Number.isSafeInteger(limit) && limit > 0 && limit <= most
    ? []
    : [{ key: "max_output_tokens", json: String(most) }]

/** The changes to a request of Responses. */
export const overrides: CallerDialect["overrides"] = (body, { maxOutputTokens, reasoningEffort, temperature }) => [
  ...(temperature === undefined || body["temperature"] === temperature ? [] : [{ key: "temperature", json: JSON.stringify(temperature) }]),
  ...(reasoningEffort === undefined ? [] : effort(body["reasoning"], reasoningEffort)),
  ...(maxOutputTokens === undefined ? [] : maximum(body["max_output_tokens"], maxOutputTokens))
]
