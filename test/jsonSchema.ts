/**
 * Validates JSON by a JSON Schema, as far as the schema of policies goes: a keyword that is not known here is an error of the test, and nothing is passed over.
 * Written by hand because it is small, and because it must know nothing of the library that the schema comes from.
 */
import { deepStrictEqual } from "node:assert"

type Schema = { readonly [keyword: string]: any }

const equal = (a: unknown, b: unknown): boolean => {
  try {
    deepStrictEqual(a, b)
    return true
  } catch {
    return false
  }
}
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value)
const ofType: Readonly<Record<string, (value: unknown) => boolean>> = {
  object: isObject,
  array: Array.isArray,
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  integer: (value) => Number.isInteger(value),
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null
}

/** The first fault of `value`, as the place where it is; undefined where there is none. */
export const faultOf = (root: Schema, value: unknown): string | undefined => {
  const go = (schema: Schema | boolean, value: unknown, at: string): string | undefined => {
    if (typeof schema === "boolean") return schema ? undefined : at
    for (const [keyword, of] of Object.entries(schema)) {
      const fault = check(keyword, of, schema, value, at)
      if (fault !== undefined) return fault
    }
    return undefined
  }
  const firstOf = (faults: Iterable<string | undefined>): string | undefined => {
    for (const fault of faults) if (fault !== undefined) return fault
    return undefined
  }
  const must = (holds: boolean, at: string, keyword: string): string | undefined => (holds ? undefined : `${at}: ${keyword}`)

  const check = (keyword: string, of: any, schema: Schema, value: unknown, at: string): string | undefined => {
    switch (keyword) {
      case "$schema":
      case "$id":
      case "$defs":
      case "title":
      case "description":
      case "patternProperties":
        return undefined
      case "$ref": {
        const name = /^#\/\$defs\/(\w+)$/.exec(of as string)![1]!
        return go(root["$defs"][name] as Schema, value, at)
      }
      case "type":
        return must(ofType[of as string]!(value), at, keyword)
      case "const":
        return must(equal(value, of), at, keyword)
      case "enum":
        return must(
          (of as ReadonlyArray<unknown>).some((one) => equal(one, value)),
          at,
          keyword
        )
      case "anyOf":
        return must(
          (of as ReadonlyArray<Schema>).some((one) => go(one, value, at) === undefined),
          at,
          keyword
        )
      case "minimum":
        return must(typeof value !== "number" || value >= of, at, keyword)
      case "maximum":
        return must(typeof value !== "number" || value <= of, at, keyword)
      case "exclusiveMinimum":
        return must(typeof value !== "number" || value > of, at, keyword)
      case "minLength":
        return must(typeof value !== "string" || [...value].length >= of, at, keyword)
      case "pattern":
        return must(typeof value !== "string" || new RegExp(of as string, "u").test(value), at, keyword)
      case "minItems":
        return must(!Array.isArray(value) || value.length >= of, at, keyword)
      case "items":
        return Array.isArray(value) ? firstOf(value.map((item, i) => go(of as Schema, item, `${at}[${i}]`))) : undefined
      case "required":
        return isObject(value)
          ? firstOf((of as ReadonlyArray<string>).map((name) => must(Object.hasOwn(value, name), `${at}.${name}`, keyword)))
          : undefined
      case "propertyNames":
        return isObject(value) ? firstOf(Object.keys(value).map((name) => go(of as Schema, name, `${at}.${name}`))) : undefined
      case "properties":
        return isObject(value)
          ? firstOf(
              Object.entries(value).map(([name, inner]) =>
                Object.hasOwn(of as object, name) ? go(of[name] as Schema, inner, `${at}.${name}`) : undefined
              )
            )
          : undefined
      case "additionalProperties": {
        if (!isObject(value)) return undefined
        const patterns = Object.entries((schema["patternProperties"] ?? {}) as Record<string, Schema>)
        return firstOf(
          Object.entries(value).map(([name, inner]) => {
            if (Object.hasOwn((schema["properties"] ?? {}) as object, name)) return undefined
            const fitting = patterns.filter(([pattern]) => new RegExp(pattern, "u").test(name))
            if (fitting.length === 0) return go(of as Schema, inner, `${at}.${name}`)
            return firstOf(fitting.map(([, one]) => go(one, inner, `${at}.${name}`)))
          })
        )
      }
      default:
        throw new Error(`the keyword ${keyword} is not known here`)
    }
  }
  return go(root, value, "")
}
