/**
 * The names of fields as Google's APIs read them: every field of a protocol buffer may be written in camelCase or in snake_case, and clients use both, even side by side.
 *
 * Source: https://protobuf.dev/programming-guides/json ("ProtoJSON Format")
 */
import { present, under } from "../extras.ts"
import { field, isObject, type Json } from "../json.ts"

/** Longer than the name of any field. */
const longestName = 256

/** The camelCase of a field's name; a leading underscore is part of the name. */
export const camel = (key: string): string =>
  key.length <= longestName && key.includes("_") ? key.replace(/(?!^)_([a-z\d])/g, (_, letter: string) => letter.toUpperCase()) : key

/** An object of the API, read by the camelCase names of its fields, whichever way they are written. */
export class Struct {
  /** The caller's path of it. */
  readonly at: string
  /** A field that stands there in both spellings, of which a provider takes neither. */
  readonly twice: string | undefined
  readonly #value: Json
  readonly #keys = new Map<string, string>()

  constructor(value: Json, at: string) {
    this.at = at
    this.#value = value
    let twice: string | undefined
    for (const key of Object.keys(value)) {
      // `null` is absence.
      if (!present(value[key])) continue
      const name = camel(key)
      if (this.#keys.has(name)) twice ??= name
      this.#keys.set(name, key)
    }
    this.twice = twice
  }

  /** The camelCase names of the fields that are there. */
  names(): Iterable<string> {
    return this.#keys.keys()
  }

  has(name: string): boolean {
    return this.#keys.has(name)
  }

  get(name: string): unknown {
    const key = this.#keys.get(name)
    return key === undefined ? undefined : field(this.#value, key)
  }

  text(name: string): string | undefined {
    const value = this.get(name)
    return typeof value === "string" ? value : undefined
  }

  object(name: string): Json | undefined {
    const value = this.get(name)
    return isObject(value) ? value : undefined
  }

  /** The caller's path of a field. */
  path(name: string): string {
    return under(this.at, this.#keys.get(name) ?? name)
  }
}

/** The value of a field, in either spelling; of two the camelCase one. */
export const either = (value: unknown, name: string, snake: string): unknown => field(value, name) ?? field(value, snake)

/** The entries of a repeated field, for which a single entry may stand as well. */
export const entries = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : isObject(value) ? [value] : [])

/** A path in the spelling of our own bodies: the last name stays the caller's, which is what is put back there. */
export const canonical = (path: string): string => {
  const cut = Math.max(path.lastIndexOf("."), path.endsWith("]") ? path.lastIndexOf("[") : -1)
  // A quoted name is no field of the API, and nor is anything under it.
  return cut <= 0 || path.includes('"') ? path : path.slice(0, cut).replace(/[^.[\]]+/g, (name) => camel(name)) + path.slice(cut)
}
