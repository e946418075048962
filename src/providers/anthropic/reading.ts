/**
 * What the decoders of a Messages request share: the first fault ends a decoding, everything else is collected.
 */
import type { BadField } from "../../Dialect.ts"
import type { CacheHint, Extra } from "../../Conversation.ts"
import { noteOthers, present } from "../extras.ts"
import { field, isObject, textAt } from "../json.ts"
import type { Json } from "../json.ts"

/** One decoding under way. */
export interface Reading {
  bad: BadField | undefined
  readonly extras: Array<Extra>
}

/** Ends the decoding with a fault, unless there is one already. */
export const refuse = (reading: Reading, path: string, message: string): undefined => {
  reading.bad ??= { path, message }
  return undefined
}

/** Keeps what the model has no place for. */
export const note = (reading: Reading, path: string, value: unknown, matters: boolean, more?: Pick<Extra, "needed" | "reason">): void => {
  reading.extras.push({ field: path, value, matters, ...more })
}

/** Keeps every field of `value` that is not known. */
export const noteUnknown = (
  reading: Reading,
  path: string,
  value: Json,
  known: ReadonlySet<string>,
  matters: boolean | ((key: string, value: unknown) => boolean) = true
): void => noteOthers(reading.extras, path, value, known, matters)

/** A number, or a fault. */
export const aNumber = (reading: Reading, path: string, value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) ? value : refuse(reading, path, "expected a number")

/** An integer of at least `least`, or a fault. */
export const aCount = (reading: Reading, path: string, value: unknown, least = 1): number | undefined =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= least
    ? value
    : refuse(reading, path, `expected an integer of at least ${least}`)

/** A string, or a fault. */
export const aText = (reading: Reading, path: string, value: unknown): string | undefined =>
  typeof value === "string" ? value : refuse(reading, path, "expected a string")

/** A string where there is something, or a fault. */
export const maybeText = (reading: Reading, path: string, value: unknown): string | undefined =>
  present(value) ? aText(reading, path, value) : undefined

/** A truth value where there is something, or a fault. */
export const maybeBoolean = (reading: Reading, path: string, value: unknown): boolean | undefined =>
  typeof value === "boolean" ? value : present(value) ? refuse(reading, path, "expected true or false") : undefined

/** An object, or a fault. */
export const anObject = (reading: Reading, path: string, value: unknown): Json | undefined =>
  isObject(value) ? value : refuse(reading, path, "expected an object")

const cacheKeys = new Set(["type", "ttl"])

/** The cache breakpoint that a block or a tool sets. It changes the bill alone, so nothing in it is a loss. */
export const cacheOf = (reading: Reading, holder: Json, at: string): { readonly cache?: CacheHint } => {
  const control = field(holder, "cache_control")
  if (!present(control)) return {}
  const path = `${at}.cache_control`
  if (!isObject(control)) return refuse(reading, path, "expected an object") ?? {}
  const type = textAt(control, "type")
  if (type === undefined) return refuse(reading, `${path}.type`, "expected a string") ?? {}
  if (type !== "ephemeral") {
    note(reading, path, control, false)
    return {}
  }
  const ttl = maybeText(reading, `${path}.ttl`, field(control, "ttl"))
  noteUnknown(reading, path, control, cacheKeys, false)
  return { cache: ttl === undefined ? {} : { ttl } }
}
