/**
 * JSON Schema cut down to what Claude's structured outputs enforce.
 *
 * The API answers 400 to a keyword that it cannot enforce, where OpenAI's strict mode takes it. So such keywords are taken out and named, rather
 * than the request refused or the whole schema given up. The list of what stays is that of the provider's own client library.
 */
import { field, isObject } from "../json.ts"
import type { Json } from "../json.ts"

const kept = new Set([
  "type",
  "enum",
  "const",
  "anyOf",
  "allOf",
  "description",
  "title",
  "$ref",
  "$defs",
  "definitions",
  "properties",
  "required",
  "items"
])
// They constrain nothing.
const silent = new Set(["$schema", "$id", "$comment", "default", "examples", "example", "deprecated", "nullable"])
const formats = new Set(["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"])

/** A schema nested deeper than this is passed on as it is: no provider compiles it, and the walk must end. */
const deepest = 64

const mapValues = (value: unknown, walk: (schema: unknown) => unknown): unknown =>
  isObject(value) ? Object.fromEntries(Object.entries(value).map(([name, schema]) => [name, walk(schema)])) : value

const walk = (schema: unknown, dropped: Set<string>, depth: number): unknown => {
  if (!isObject(schema) || depth > deepest) return schema
  const next = (inner: unknown): unknown => walk(inner, dropped, depth + 1)
  const entries: Array<readonly [string, unknown]> = []
  for (const [name, value] of Object.entries(schema)) {
    if (name === "properties" || name === "$defs" || name === "definitions") entries.push([name, mapValues(value, next)])
    else if (name === "items") {
      // What may follow a tuple would be all that a list may hold, since the tuple itself is not enforced.
      if (schema["prefixItems"] === undefined) entries.push([name, next(value)])
      else dropped.add(name)
    } else if ((name === "anyOf" || name === "allOf") && Array.isArray(value)) entries.push([name, value.map(next)])
    else if (name === "oneOf" && Array.isArray(value)) {
      dropped.add("oneOf")
      entries.push(["anyOf", value.map(next)])
    } else if (
      name === "format"
        ? typeof value === "string" && formats.has(value)
        : name === "minItems"
          ? value === 0 || value === 1
          : kept.has(name)
    ) {
      entries.push([name, value])
    } else if (name === "additionalProperties") {
      if (value !== false) dropped.add(name)
    } else if (!silent.has(name)) dropped.add(name)
  }
  // Objects must be closed. Most schemas that leave it open never meant to.
  if (field(schema, "type") === "object" || isObject(field(schema, "properties"))) entries.push(["additionalProperties", false])
  return Object.fromEntries(entries)
}

/** The schema as it can be enforced, and the keywords that cannot. */
export const enforceable = (schema: Json): { readonly schema: Json; readonly dropped: ReadonlyArray<string> } => {
  const dropped = new Set<string>()
  const found = walk(schema, dropped, 0)
  return { schema: isObject(found) ? found : schema, dropped: [...dropped] }
}
