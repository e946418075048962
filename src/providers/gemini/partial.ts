/**
 * Arguments of a function call that Vertex AI streams value by value: pairs of a JSON path and a piece (cloud.google.com, "Introduction to function calling", "Streaming function call
 * arguments"; `PartialArg`).
 *
 * Texts of one path follow each other until one of them says that no more comes. JSON text cannot be written from the pieces as they arrive, since their order is not that of a document,
 * so they are put together when the call is whole.
 */
import { field, isObject, textAt } from "../json.ts"

/** The pieces of a call, the last first. */
export interface Pieces {
  readonly piece: unknown
  readonly before: Pieces | undefined
}

type Holder = Record<string | number, unknown>

/** The keys of a JSON path (RFC 9535) that names one value: `$.foo.bar[0]['a b']`; undefined where it is none. */
const keysOf = (path: string): ReadonlyArray<string | number> | undefined => {
  const keys: Array<string | number> = []
  let rest = path.startsWith("$") ? 1 : 0
  for (const found of path.slice(rest).matchAll(/\.?([^.[\]'"]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]/gy)) {
    const [all, name, index, single, double] = found
    keys.push(index !== undefined ? Number(index) : (name ?? (single ?? double)!.replace(/\\(.)/g, "$1")))
    rest += all.length
  }
  return rest === path.length && keys.length > 0 ? keys : undefined
}

const valueOf = (piece: unknown): unknown => {
  if (field(piece, "nullValue") !== undefined) return null
  return field(piece, "stringValue") ?? field(piece, "numberValue") ?? field(piece, "boolValue")
}

/** What stands at `key`, made where it is missing; undefined where that would leave a hole in a list. */
const within = (holder: Holder, key: string | number, next: string | number): Holder | undefined => {
  if (Array.isArray(holder) && (typeof key !== "number" || key > holder.length)) return undefined
  const found = Object.hasOwn(holder, key) ? holder[key] : undefined
  if (typeof found === "object" && found !== null) return found as Holder
  return (holder[key] = (typeof next === "number" ? [] : Object.create(null)) as Holder)
}

const put = (root: Holder, keys: ReadonlyArray<string | number>, value: unknown): boolean => {
  let holder: Holder | undefined = root
  for (let i = 0; i < keys.length - 1; i++) {
    holder = within(holder, keys[i]!, keys[i + 1]!)
    if (holder === undefined) return false
  }
  const last = keys.at(-1)!
  if (Array.isArray(holder) && (typeof last !== "number" || last > holder.length)) return false
  const before = Object.hasOwn(holder, last) ? holder[last] : undefined
  holder[last] = typeof before === "string" && typeof value === "string" ? before + value : value
  return true
}

/** The arguments that the pieces make; undefined where a piece says no place or no value. */
export const assembled = (pieces: Pieces | undefined): Readonly<Record<string, unknown>> | undefined => {
  const ordered: Array<unknown> = []
  for (let at = pieces; at !== undefined; at = at.before) ordered.push(at.piece)
  // Without a prototype, so that no name means anything but a field.
  const root = Object.create(null) as Holder
  for (const piece of ordered.toReversed()) {
    const keys = isObject(piece) ? keysOf(textAt(piece, "jsonPath") ?? "") : undefined
    const value = valueOf(piece)
    if (keys === undefined || value === undefined || !put(root, keys, value)) return undefined
  }
  return root
}
