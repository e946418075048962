/**
 * What the decoders of a Chat Completions request share: the first fault ends a decoding, everything else is collected.
 */
import type { BadField } from "../../Dialect.ts"
import type { CacheHint, Extra } from "../../Conversation.ts"
import { noteOthers, present } from "../extras.ts"
import { field, isObject, textAt } from "../json.ts"
import type { Json } from "../json.ts"

/** One decoding under way: the first fault ends it, the rest is collected. */
export interface Reading {
  bad: BadField | undefined
  readonly extras: Array<Extra>
  /** The id given to the last call of each deprecated function, by name. */
  readonly functionCalls: Map<string, string>
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

/** Keeps how a host or a caller writes what the model says, where this dialect's encoder writes it otherwise; `undefined` where it is not written at all. */
export const asWritten = (extras: Array<Extra>, path: string, value: unknown): void => {
  extras.push({ field: path, value, matters: false })
}

/** A number, or a fault. */
export const aNumber = (reading: Reading, path: string, value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) ? value : refuse(reading, path, "expected a number")

/** An integer of at least 1, or a fault. */
export const aCount = (reading: Reading, path: string, value: unknown): number | undefined =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 1
    ? value
    : refuse(reading, path, "expected an integer of at least 1")

/** A string, or a fault. */
export const aText = (reading: Reading, path: string, value: unknown): string | undefined =>
  typeof value === "string" ? value : refuse(reading, path, "expected a string")

/** A truth value, or a fault. */
export const aBoolean = (reading: Reading, path: string, value: unknown): boolean | undefined =>
  typeof value === "boolean" ? value : refuse(reading, path, "expected true or false")

/** Fields that change no answer: what steers a cache alone, and the index that clients keep of a streamed call. */
const idle = new Set(["prompt_cache_breakpoint", "cache_control", "index"])

/** Notes every field of `value` that is neither known nor null. */
export const noteUnknown = (reading: Reading, path: string, value: Json, known: ReadonlySet<string>): void =>
  noteOthers(reading.extras, path, value, known, (key) => !idle.has(key))

const cacheKeys = new Set(["type", "ttl"])

/** The hint that clients of several providers put on a part, in Anthropic's words. */
export const cacheOf = (reading: Reading, value: Json, at: string): { readonly cache?: CacheHint } => {
  const control = field(value, "cache_control")
  if (!isObject(control)) {
    if (present(control)) note(reading, `${at}.cache_control`, control, false)
    return {}
  }
  noteOthers(reading.extras, `${at}.cache_control`, control, cacheKeys, false)
  if (control["type"] !== "ephemeral") asWritten(reading.extras, `${at}.cache_control.type`, control["type"])
  const ttl = textAt(control, "ttl")
  return { cache: ttl === undefined ? {} : { ttl } }
}

/** Writes the hint where it was. */
export const cacheControl = (cache: CacheHint | undefined): { readonly cache_control?: Json } =>
  cache === undefined ? {} : { cache_control: { type: "ephemeral", ...cache } }
