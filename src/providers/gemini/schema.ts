/**
 * The two languages in which Gemini takes a schema: its own `Schema`, a part of OpenAPI 3.0 (`parameters`, `responseSchema`), and JSON Schema (`parametersJsonSchema`, `responseJsonSchema`). The model between
 * the dialects holds JSON Schema.
 *
 * `fromOpenApi` and `toOpenApi` are each other's inverse on what both can say: names of types in capitals, `nullable` for a union with null, counts and numbers that are written as texts. What
 * neither knows passes through. JSON Schema goes to Gemini as it is but for what its documentation does not list: `acceptable` says those things in listed words where there
 * are any, and names the others, which are sent and not enforced.
 *
 * Sources: ai.google.dev, "Generating content" (`GenerationConfig.responseJsonSchema`), "Caching" (`Schema`); cloud.google.com, "Schema"
 */
import { isObject, type Json } from "../json.ts"
import { camel } from "./names.ts"

/** A schema nested deeper than this is passed on as it is: no provider compiles it, and the walk must end. */
const deepest = 64

const types = ["type_unspecified", "string", "number", "integer", "boolean", "array", "object", "null"]

/** Fields of `Schema` that are written in snake_case as well. */
const spelt = new Set(
  "propertyOrdering anyOf oneOf allOf prefixItems minItems maxItems uniqueItems minLength maxLength minProperties maxProperties additionalProperties".split(
    " "
  )
)

const counts = new Set("minItems maxItems minLength maxLength minProperties maxProperties".split(" "))
const lists = new Set(["anyOf", "oneOf", "allOf", "prefixItems"])
const maps = new Set(["properties", "$defs", "defs", "definitions", "patternProperties"])
const nested = new Set(["items", "additionalProperties", "not"])

type Entry = readonly [string, unknown]
type Walk = (schema: unknown) => unknown

/** The value of a keyword with the schemas in it walked. */
const walked = (name: string, value: unknown, walk: Walk): unknown => {
  if (maps.has(name) && isObject(value)) return Object.fromEntries(Object.entries(value).map(([key, schema]) => [key, walk(schema)]))
  if (nested.has(name)) return Array.isArray(value) ? value.map(walk) : walk(value)
  return lists.has(name) && Array.isArray(value) ? value.map(walk) : value
}

const typeName = (value: unknown): unknown => {
  if (typeof value === "number") return types[value] ?? value
  const name = typeof value === "string" ? value.toLowerCase() : value
  return typeof name === "string" && types.includes(name) ? name : value
}

const isNumeric = (type: unknown): boolean => type === "integer" || type === "number"

const withNull = (entries: ReadonlyArray<Entry>): ReadonlyArray<Entry> => {
  const type = entries.find(([name]) => name === "type")?.[1]
  const typed = typeof type === "string" || Array.isArray(type)
  return entries.map(([name, value]): Entry => {
    if (name === "type") {
      const all: ReadonlyArray<unknown> = Array.isArray(value) ? value : [value]
      return [name, all.includes("null") ? value : [...all, "null"]]
    }
    if (name === "enum" && Array.isArray(value)) return [name, value.includes(null) ? value : [...(value as ReadonlyArray<unknown>), null]]
    return name === "anyOf" && !typed && Array.isArray(value)
      ? [name, [...(value as ReadonlyArray<unknown>), { type: "null" }]]
      : [name, value]
  })
}

const fromAny = (schema: unknown, depth: number): unknown => {
  if (!isObject(schema) || depth > deepest) return schema
  const walk: Walk = (inner) => fromAny(inner, depth + 1)
  const entries: Array<Entry> = []
  let type: unknown
  let nullable = false
  for (const [key, value] of Object.entries(schema)) {
    const name = spelt.has(camel(key)) ? camel(key) : key
    if (name === "nullable") nullable = value === true
    else if (name === "type") {
      type = Array.isArray(value) ? value.map(typeName) : typeName(value)
      if (type !== "type_unspecified") entries.push([name, type])
    } else if (counts.has(name)) entries.push([name, typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value])
    else if (name === "ref" && typeof value === "string") entries.push(["$ref", value.replace(/^#\/defs\//, "#/$defs/")])
    else entries.push([name === "defs" && isObject(value) ? "$defs" : name, walked(name, value, walk)])
  }
  const numbers = isNumeric(type)
    ? entries.map(([name, value]): Entry => (name === "enum" && Array.isArray(value) ? [name, value.map(numberOf)] : [name, value]))
    : entries
  return Object.fromEntries(nullable ? withNull(numbers) : numbers)
}

const numberOf = (value: unknown): unknown =>
  typeof value === "string" && value.trim() !== "" && !Number.isNaN(Number(value)) ? Number(value) : value

/** A schema of Gemini's own as JSON Schema. */
export const fromOpenApi = (schema: Json): Json => {
  const found = fromAny(schema, 0)
  return isObject(found) ? found : schema
}

const capital = (type: unknown): unknown => (typeof type === "string" && types.includes(type) ? type.toUpperCase() : type)

const toAny = (schema: unknown, depth: number): unknown => {
  if (!isObject(schema) || depth > deepest) return schema
  const walk: Walk = (inner) => toAny(inner, depth + 1)
  const entries: Array<Entry> = []
  let nullable = false
  for (const [name, value] of Object.entries(schema)) {
    if (name === "type" && Array.isArray(value)) {
      const rest = value.filter((type) => type !== "null")
      nullable = rest.length < value.length && rest.length > 0
      if (rest.length <= 1) entries.push([name, capital(rest[0] ?? "null")])
      else entries.push(["anyOf", rest.map((type) => ({ type: capital(type) }))])
    } else if (name === "type") entries.push([name, capital(value)])
    else if (name === "$ref" && typeof value === "string") entries.push(["ref", value.replace(/^#\/\$defs\//, "#/defs/")])
    else entries.push([name === "$defs" ? "defs" : name, walked(name, value, walk)])
  }
  const written = entries.map(([name, value]): Entry =>
    name === "enum" && Array.isArray(value)
      ? [name, value.filter((one) => !(nullable && one === null)).map((one) => (typeof one === "number" ? String(one) : (one as unknown)))]
      : [name, value]
  )
  return Object.fromEntries(nullable ? [...written, ["nullable", true]] : written)
}

/** JSON Schema as a schema of Gemini's own. */
export const toOpenApi = (schema: Json): Json => {
  const found = toAny(schema, 0)
  return isObject(found) ? found : schema
}

/** The keywords of JSON Schema that are documented as supported. */
const supported = new Set(
  (
    "$id $defs $ref $anchor type format title description enum items prefixItems minItems maxItems minimum maximum anyOf oneOf properties additionalProperties required " +
    "propertyOrdering"
  ).split(" ")
)
// They constrain nothing.
const silent = new Set(
  "$schema $comment default examples example deprecated nullable readOnly writeOnly contentMediaType contentEncoding".split(" ")
)

/** Keywords that say what there is, and not only which values of it are good. */
const structural = new Set("allOf not if then else patternProperties dependentSchemas dependentRequired const".split(" "))

const pointer = (ref: string): string => ref.replace(/^#\/definitions\//, "#/$defs/")

/** A reference stands alone: what is said beside it is said around it. */
const referring = (entries: ReadonlyArray<Entry>): ReadonlyArray<Entry> => {
  const ref = entries.find(([name]) => name === "$ref")
  const beside = entries.filter(([name]) => !name.startsWith("$"))
  if (ref === undefined || beside.length === 0 || beside.some(([name]) => name === "anyOf")) return entries
  return [...entries.filter(([name]) => name !== "$ref"), ["anyOf", [Object.fromEntries([ref])]]]
}

/** Enumerations hold texts and numbers, so a null among them is said as a type of its own. */
const enumerating = (entries: ReadonlyArray<Entry>): ReadonlyArray<Entry> => {
  const values = entries.find(([name]) => name === "enum")?.[1]
  if (!Array.isArray(values) || !values.includes(null) || entries.some(([name]) => name === "anyOf")) return entries
  const type = entries.find(([name]) => name === "type")?.[1]
  const rest = values.filter((value) => value !== null) as ReadonlyArray<unknown>
  const kept = Array.isArray(type) ? type.filter((name) => name !== "null") : type === undefined ? [] : [type]
  const typed: ReadonlyArray<Entry> = kept.length === 0 ? [] : [["type", kept.length === 1 ? kept[0] : kept]]
  const one = rest.length === 0 ? [] : [Object.fromEntries([...typed, ["enum", rest]])]
  return [...entries.filter(([name]) => name !== "enum" && name !== "type"), ["anyOf", [...one, { type: "null" }]]]
}

const acceptAny = (schema: unknown, lost: Set<string>, depth: number): unknown => {
  if (!isObject(schema) || depth > deepest) return schema
  const walk: Walk = (inner) => acceptAny(inner, lost, depth + 1)
  const entries: Array<Entry> = []
  for (const [name, value] of Object.entries(schema)) {
    if (name === "definitions" && isObject(value) && !isObject(schema["$defs"])) entries.push(["$defs", walked(name, value, walk)])
    else if (name === "$ref" && typeof value === "string") entries.push([name, pointer(value)])
    else if (name === "const" && (typeof value === "string" || typeof value === "number") && schema["enum"] === undefined) {
      entries.push(["enum", [value]])
      if (schema["type"] === undefined) entries.push(["type", typeof value])
    } else {
      if (!supported.has(name) && !silent.has(name)) lost.add(name)
      entries.push([name, walked(name, value, walk)])
    }
  }
  return Object.fromEntries(referring(enumerating(entries)))
}

/** What Gemini makes of JSON Schema. */
export interface Acceptable {
  readonly schema: Json
  /** Keywords that it does not enforce. */
  readonly unenforced: ReadonlyArray<string>
  /** Those of them without which the schema describes something else. */
  readonly structural: ReadonlyArray<string>
}

/** JSON Schema in the words that Gemini is documented to read. */
export const acceptable = (schema: Json): Acceptable => {
  const lost = new Set<string>()
  const found = acceptAny(schema, lost, 0)
  const unenforced = [...lost]
  return {
    schema: isObject(found) ? found : schema,
    unenforced,
    structural: unenforced.filter((name) => structural.has(name))
  }
}
