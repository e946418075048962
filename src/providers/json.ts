/**
 * Reading JSON that came from outside, without trusting it: total functions from `unknown` to a narrower type or `undefined`.
 *
 * Hand-written rather than a schema, since a dialect reads a few known fields out of documents that grow new ones every month, on the
 * path of every stream event. Runs per call and per event.
 */

/** A JSON object, whatever its fields. */
export type Json = Readonly<Record<string, unknown>>

/** Whether `value` is a JSON object (an array is not one). */
export const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !("rawJSON" in value && exact.isRawJSON(value))

/** The own field `name` of `value`, so that `constructor` and its like are absent unless written. */
export const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name) ? (value as Json)[name] : undefined

/** The string at `name`. */
export const textAt = (value: unknown, name: string): string | undefined => {
  const found = field(value, name)
  return typeof found === "string" ? found : undefined
}

/** The object at `name`. */
export const objectAt = (value: unknown, name: string): Json | undefined => {
  const found = field(value, name)
  return isObject(found) ? found : undefined
}

/** The array at `name`, or an empty one. */
export const listAt = (value: unknown, name: string): ReadonlyArray<unknown> => {
  const found = field(value, name)
  return Array.isArray(found) ? found : []
}

/** The number at `name` as a count: an integer of at least 0, and 0 where there is none. */
export const countAt = (value: unknown, name: string): number => {
  const found = field(value, name)
  return typeof found === "number" && found > 0 && found <= Number.MAX_SAFE_INTEGER ? Math.floor(found) : 0
}

/** The JSON value that `text` spells, or `undefined`, which JSON cannot spell. */
export const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** JSON text of `value`; empty where it is nested too deeply to print. */
export const print = (value: unknown): string => {
  try {
    return JSON.stringify(value) ?? ""
  } catch {
    return ""
  }
}

/** A run of digits that a double may not hold. */
const longNumber = /\d{16}/

interface Exact {
  readonly rawJSON: (text: string) => unknown
  readonly isRawJSON: (value: unknown) => boolean
  readonly parse: (text: string, revive: (key: string, value: unknown, context: { readonly source?: string }) => unknown) => unknown
}

/** TypeScript does not know these yet (ECMAScript, "JSON.parse source text access"). */
const exact = JSON as unknown as Exact

/**
 * The JSON value that `text` spells, in which an integer that no double holds stays what it was: it is printed again digit for digit. `undefined` where it is no JSON.
 */
export const parseExact = (text: string): unknown => {
  if (!longNumber.test(text)) return parse(text)
  try {
    return exact.parse(text, (_key, value, { source }) =>
      typeof value === "number" && !Number.isSafeInteger(value) && source !== undefined && /^-?\d{16,}$/.test(source)
        ? exact.rawJSON(source)
        : value
    )
  } catch {
    // Nested more deeply than the reviver goes.
    return parse(text)
  }
}
