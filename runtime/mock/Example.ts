/**
 * A small JSON value that fits a JSON schema: what the mock provider fills tool calls and structured answers with.
 *
 * Deterministic and best effort, not a validator: it honours types, required fields, `enum`, `const`, references and the usual bounds, and ignores what
 * it cannot satisfy by construction (`pattern`, `not`, `if`). Optional fields are left out, except where a schema requires nothing at all. A schema that
 * recurses, or multiplies, stops at fixed bounds. Runs per call of the mock.
 */

type Json = Record<string, unknown>

const maxDepth = 24
const maxNodes = 2_000
/** From this depth on, lists are as short and alternatives as plain as the schema allows. */
const plainFromDepth = 4

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)
const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])
const number = (value: unknown): number | undefined => (typeof value === "number" && Number.isFinite(value) ? value : undefined)
const own = (value: unknown, key: string): unknown =>
  (isObject(value) || Array.isArray(value)) && Object.hasOwn(value, key) ? (value as Json)[key] : undefined

const pointed = (root: unknown, reference: string): unknown =>
  reference
    .split("/")
    .slice(1)
    .reduce((at, step) => own(at, step.replaceAll("~1", "/").replaceAll("~0", "~")), root)

const formats: Record<string, string> = {
  date: "2026-01-02",
  "date-time": "2026-01-02T03:04:05Z",
  time: "03:04:05Z",
  duration: "PT1H",
  email: "someone@example.com",
  hostname: "example.com",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  uri: "https://example.com/",
  uuid: "00000000-0000-4000-8000-000000000000"
}

const stringOf = (schema: Json, name: string, index: number): string => {
  const format = typeof schema.format === "string" && Object.hasOwn(formats, schema.format) ? formats[schema.format] : undefined
  if (format !== undefined) return format
  const text = index === 0 ? name : `${name} ${index + 1}`
  return text.padEnd(Math.min(number(schema.minLength) ?? 0, 10_000), ".").slice(0, Math.max(0, number(schema.maxLength) ?? Infinity))
}

const numberOf = (schema: Json, index: number, whole: boolean): number => {
  const step = number(schema.multipleOf) ?? (whole ? 1 : 0.5)
  const above = number(schema.exclusiveMinimum)
  const below = number(schema.exclusiveMaximum)
  const least = Math.max(number(schema.minimum) ?? -Infinity, above ?? -Infinity)
  const most = Math.min(number(schema.maximum) ?? Infinity, below ?? Infinity)
  const from = least > -Infinity ? Math.ceil(least / step) * step : Math.min(1, most < Infinity ? Math.floor(most / step) * step : 1)
  const first = from === above ? from + step : from === below ? from - step : from
  const value = first + index * (whole ? Math.max(1, step) : step)
  return value > most || value === below ? first : value
}

/** A value that fits `schema`. Text is `name` where nothing says more. */
export const example = (schema: unknown, name = "value"): unknown => {
  let nodes = 0

  /** The schema with its references, `allOf` and alternatives resolved. */
  const flat = (schema: unknown, depth: number): Json => {
    if (!isObject(schema) || depth > maxDepth) return {}
    const { $ref, allOf, anyOf, oneOf, ...rest } = schema
    const alternatives = list(anyOf ?? oneOf)
    const isNull = (alternative: unknown) => isObject(alternative) && alternative.type === "null"
    const chosen =
      (depth >= plainFromDepth ? alternatives.find(isNull) : undefined) ?? alternatives.find((one) => !isNull(one)) ?? alternatives[0]
    const parts = [
      ...(typeof $ref === "string" ? [pointed(root, $ref)] : []),
      ...list(allOf).slice(0, 100),
      ...(chosen === undefined ? [] : [chosen])
    ]
    return parts.reduce<Json>((sum, part) => {
      if (++nodes > maxNodes) return sum
      const next = flat(part, depth + 1)
      return {
        ...sum,
        ...next,
        ...(isObject(sum.properties) && isObject(next.properties) ? { properties: { ...sum.properties, ...next.properties } } : {}),
        ...(Array.isArray(sum.required) && Array.isArray(next.required) ? { required: [...sum.required, ...next.required] } : {})
      }
    }, rest)
  }

  const typeOf = (schema: Json, depth: number): unknown => {
    if (Array.isArray(schema.type)) {
      return depth >= plainFromDepth && schema.type.includes("null") ? "null" : (schema.type.find((type) => type !== "null") ?? "null")
    }
    if (schema.type !== undefined) return schema.type
    if (schema.properties !== undefined || schema.required !== undefined) return "object"
    if (schema.items !== undefined || schema.prefixItems !== undefined) return "array"
    return schema.minimum !== undefined || schema.maximum !== undefined ? "number" : "string"
  }

  const value = (schema: unknown, name: string, depth: number, index: number): unknown => {
    if (depth > maxDepth || ++nodes > maxNodes) return null
    const known = flat(schema, depth)
    if ("const" in known) return known.const
    const choices = list(known.enum)
    if (choices.length > 0) return choices[index % choices.length]
    if (index === 0 && "default" in known) return known.default
    switch (typeOf(known, depth)) {
      case "object": {
        const properties = isObject(known.properties) ? known.properties : {}
        const required = list(known.required).filter((key) => typeof key === "string")
        const keys = required.length > 0 ? [...new Set(required)] : depth < plainFromDepth ? Object.keys(properties) : []
        return Object.fromEntries(keys.map((key) => [key, value(own(properties, key) ?? {}, key, depth + 1, 0)]))
      }
      case "array": {
        const first = list(known.prefixItems)
        const wanted = Math.max(number(known.minItems) ?? 0, first.length, depth < plainFromDepth ? 1 : 0)
        const length = Math.max(0, Math.min(wanted, number(known.maxItems) ?? Infinity, maxNodes))
        return Array.from({ length }, (_, at) => value(first[at] ?? known.items, name, depth + 1, at))
      }
      case "integer":
        return numberOf(known, index, true)
      case "number":
        return numberOf(known, index, false)
      case "boolean":
        return index % 2 === 0
      case "null":
        return null
      default:
        return stringOf(known, name, index)
    }
  }

  const root = schema
  return value(schema, name, 0, 0)
}
