/**
 * What the decoders of a generateContent request share: the first fault ends a decoding, everything else is collected.
 *
 * An extra without a value says that a field was not there which our encoder would write: put back, it takes the field out again.
 */
import type { Extra } from "../../Conversation.ts"
import type { BadField } from "../../Dialect.ts"
import { under } from "../extras.ts"
import { isObject } from "../json.ts"
import { Struct } from "./names.ts"

export interface Reading {
  bad: BadField | undefined
  readonly extras: Array<Extra>
}

/** Ends the decoding with a fault, unless there is one already. */
export const refuse = (reading: Reading, path: string, message: string): undefined => {
  reading.bad ??= { path, message }
  return undefined
}

/** Keeps a field that the model has no place for. */
export const note = (reading: Reading, path: string, value: unknown, matters: boolean, reason?: string): void => {
  reading.extras.push(reason === undefined ? { field: path, value, matters } : { field: path, value, matters, reason })
}

/** Notes that a field was not there. */
export const noteAbsent = (reading: Reading, path: string): void => note(reading, path, undefined, false)

/** Reads an object, or finds a fault. */
export const structAt = (reading: Reading, value: unknown, at: string): Struct | undefined => {
  if (!isObject(value)) return refuse(reading, at, "expected an object")
  const struct = new Struct(value, at)
  return struct.twice === undefined
    ? struct
    : refuse(reading, under(at, struct.twice), "the field is there twice, in both of its spellings")
}

/** Notes every field that is not known. */
export const noteOthers = (
  reading: Reading,
  struct: Struct,
  known: ReadonlySet<string>,
  matters: (name: string, value: unknown) => boolean
): void => {
  for (const name of struct.names()) {
    if (!known.has(name)) note(reading, struct.path(name), struct.get(name), matters(name, struct.get(name)))
  }
}

/** A number, which may be written as a text; or nothing. */
export const numeric = (value: unknown): number | undefined => {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value
  return typeof number === "number" && Number.isFinite(number) ? number : undefined
}

/** A number, or a fault. */
export const aNumber = (reading: Reading, path: string, value: unknown): number | undefined =>
  numeric(value) ?? refuse(reading, path, "expected a number")

/** An integer of at least 1, or a fault. */
export const aCount = (reading: Reading, path: string, value: unknown): number | undefined => {
  const count = numeric(value)
  return count !== undefined && Number.isSafeInteger(count) && count >= 1
    ? count
    : refuse(reading, path, "expected an integer of at least 1")
}

/** A string, or a fault. */
export const aText = (reading: Reading, path: string, value: unknown): string | undefined =>
  typeof value === "string" ? value : refuse(reading, path, "expected a string")

/** A truth value, or a fault. */
export const aBoolean = (reading: Reading, path: string, value: unknown): boolean | undefined =>
  typeof value === "boolean" ? value : refuse(reading, path, "expected true or false")

/** A list of strings, or a fault. */
export const texts = (reading: Reading, path: string, value: unknown): ReadonlyArray<string> | undefined => {
  if (!Array.isArray(value)) return refuse(reading, path, "expected a list of strings")
  const wrong = value.findIndex((entry) => typeof entry !== "string")
  return wrong < 0 ? (value as ReadonlyArray<string>) : refuse(reading, `${path}[${wrong}]`, "expected a string")
}
