/**
 * What the encoder of a stream knows, and how it writes an event: `encodeStream.ts` says which events come when.
 */
import type { Extra, StopReason, Usage } from "../../Conversation.ts"
import type { Loss } from "../../Dialect.ts"
import { restore } from "../extras.ts"
import type { Kind } from "./items.ts"
import { type Body, refusalPart, textPart } from "./write.ts"

export type Shown = Exclude<Kind, "other">

/** The part whose deltas are written. */
export interface OpenPart {
  readonly kind: Shown
  readonly index: number
  /** Its deltas up to their text. */
  readonly head: string
  readonly annotations: ReadonlyArray<unknown>
}

/** A message or a reasoning item that is not done. */
export interface OpenItem {
  readonly type: "message" | "reasoning"
  readonly id: string
  readonly output: number
  /** Parts of the message, or the reasoning's own text. */
  readonly content: ReadonlyArray<Body>
  readonly summary: ReadonlyArray<Body>
}

export interface OpenCall {
  readonly index: number
  readonly id: string
  readonly output: number
  readonly callId: string
  readonly name: string
  readonly arguments: string
  readonly head: string
}

/** The items that are done, the last one first: a list that grows without being copied. */
interface Done {
  readonly output: number
  readonly item: Body
  readonly before: Done | undefined
}

/** How far a stream has got. */
export interface Encoding {
  /** The response's id; empty until the first event is written. */
  id: string
  /** The provider's id of it. */
  theirs: string | undefined
  /** The provider speaks this dialect. */
  own: boolean
  sequence: number
  /** How many items have begun. */
  items: number
  /** The id that the next item shall have. */
  given: string | undefined
  /** The next reasoning is the model's own text and not a summary. */
  thought: boolean
  item: OpenItem | undefined
  part: OpenPart | undefined
  /** Of the part under way. */
  text: string
  calls: ReadonlyArray<OpenCall>
  done: Done | undefined
  extras: ReadonlyArray<Extra>
  refused: boolean
  stop: StopReason | undefined
  usage: Usage | undefined
  over: boolean
}

/** The state being written into, and what the step says. */
export interface Pen extends Encoding {
  out: string
  losses: Array<Loss> | undefined
}

export const initial: Encoding = {
  id: "",
  theirs: undefined,
  own: false,
  sequence: 0,
  items: 0,
  given: undefined,
  thought: false,
  item: undefined,
  part: undefined,
  text: "",
  calls: [],
  done: undefined,
  extras: [],
  refused: false,
  stop: undefined,
  usage: undefined,
  over: false
}

export const head = (type: string): string => `event: ${type}\ndata: {"type":"${type}",`

/** Writes an event; `fields` are JSON members. */
export const emit = (pen: Pen, type: string, fields: string): void => {
  pen.out += `${head(type)}${fields},"sequence_number":${pen.sequence++}}\n\n`
}

export const lose = (pen: Pen, field: string, reason: string): void => void (pen.losses ??= []).push({ field, reason })

/** Puts the extras that lie under `path` into a value. */
export const withExtras = (pen: Pen, path: string, value: Body): Body => {
  if (!pen.own) return value
  const inside = pen.extras.flatMap((extra) =>
    extra.field.startsWith(path) && /^[.[]/.test(extra.field.slice(path.length))
      ? [{ ...extra, field: extra.field.slice(path.length) }]
      : []
  )
  if (inside.length > 0) restore(value, inside)
  return value
}

export const outputOf = (pen: Pen): ReadonlyArray<Body> => {
  const output: Array<Body> = []
  for (let done = pen.done; done !== undefined; done = done.before) output[done.output] = done.item
  return output
}

export const partNames = {
  text: ["content_part", "output_text", "content_index"],
  refusal: ["content_part", "refusal", "content_index"],
  thought: ["content_part", "reasoning_text", "content_index"],
  summary: ["reasoning_summary_part", "reasoning_summary_text", "summary_index"]
} as const satisfies Record<Shown, readonly [part: string, text: string, index: string]>

export const placeOf = (item: Pick<OpenItem, "id" | "output">): string =>
  `"item_id":${JSON.stringify(item.id)},"output_index":${item.output}`

export const indexOf = (item: OpenItem, { index, kind }: Pick<OpenPart, "index" | "kind">): string =>
  `${placeOf(item)},"${partNames[kind][2]}":${index}`

/** A part that holds this text. */
export const partOf = (pen: Pen, kind: Shown, text: string, annotations: ReadonlyArray<unknown>): Body => {
  switch (kind) {
    case "text":
      return textPart(text, annotations, pen.own)
    case "refusal":
      return refusalPart(text)
    case "thought":
      return { type: "reasoning_text", text }
    case "summary":
      return { type: "summary_text", text }
  }
}
