/**
 * Output items of a response, read: what whole answers and streams share.
 *
 * A message and a reasoning item hold pieces, a function call is one part, and every other item (the provider's own tools, and what it invents next) stays as it is.
 * What an item says besides becomes an extra by its path, so that the item can be written again.
 *
 * Source: openai SDK, `ResponseOutputItem`.
 */
import type { Extra, Foreign, Reasoning, Refusal, Seal, Text, ToolCall } from "../../Conversation.ts"
import { present, under } from "../extras.ts"
import { field, isObject, type Json, print, textAt } from "../json.ts"
import { sealOf } from "../seal.ts"
import { readCitation } from "./citations.ts"

/** What a piece is: `summary` and `thought` are the two lists of a reasoning item. */
export type Kind = "text" | "refusal" | "summary" | "thought" | "other"

/** One piece of an item, and its index in the item's list. */
export interface Piece {
  readonly kind: Kind
  readonly index: number
  readonly part: Text | Refusal | Reasoning | Foreign
}

export type Item =
  | {
      readonly _tag: "Pieces"
      readonly id: string | undefined
      readonly pieces: ReadonlyArray<Piece>
      /** Encrypted reasoning. */
      readonly seal?: Seal
      readonly extras: ReadonlyArray<Extra>
    }
  | { readonly _tag: "Call"; readonly call: ToolCall; readonly extras: ReadonlyArray<Extra> }
  | { readonly _tag: "Whole"; readonly part: Foreign }
  /** It says nothing, and is only remembered: reasoning that is not shown. */
  | { readonly _tag: "Empty"; readonly extra: Extra }

const messageKeys = new Set(["type", "id", "role", "content"])
const reasoningKeys = new Set(["type", "id", "summary", "encrypted_content"])
const callKeys = new Set(["type", "id", "call_id", "name", "arguments"])
const textKeys = new Set(["type", "text", "annotations"])
const refusalKeys = new Set(["type", "refusal"])
const thoughtKeys = new Set(["type", "text"])

/** Fields that say nothing which is not plain from the rest of an answer. */
const cosmetic = new Set(["status", "role", "item_id", "output_index", "obfuscation"])

const matters = (key: string, value: unknown): boolean => {
  if (cosmetic.has(key) || !present(value)) return false
  // Which tokens were likely is there when it was asked for; which part of a turn is its last word a caller of another dialect need not be told.
  if (Array.isArray(value) && value.length === 0) return false
  return !(key === "phase" && value === "final_answer")
}

/** Notes the other fields, null ones too: some readers tell null from absence. */
const note = (extras: Array<Extra>, path: string, value: Json, known: ReadonlySet<string>): void => {
  for (const key of Object.keys(value))
    if (!known.has(key)) extras.push({ field: under(path, key), value: value[key], matters: matters(key, value[key]) })
}

const foreign = (value: unknown, at: string, item: string | undefined): Foreign => ({
  _tag: "Foreign",
  type: textAt(value, "type") ?? "unknown",
  value,
  at,
  ...(item === undefined ? {} : { item })
})

const place = (id: string | undefined): { readonly item?: string } => (id === undefined ? {} : { item: id })

const textPiece = (value: Json, index: number, at: string, id: string | undefined, extras: Array<Extra>): Piece => {
  const annotations = value["annotations"]
  const citations = Array.isArray(annotations) ? annotations.map(readCitation) : []
  note(extras, at, value, textKeys)
  return {
    kind: "text",
    index,
    part: { _tag: "Text", text: textAt(value, "text")!, ...(citations.length === 0 ? {} : { citations }), ...place(id) }
  }
}

const messagePieces = (content: ReadonlyArray<unknown>, at: string, id: string | undefined, extras: Array<Extra>): ReadonlyArray<Piece> =>
  content.map((value, index): Piece => {
    const path = `${at}.content[${index}]`
    const type = textAt(value, "type")
    if (type === "output_text" && isObject(value) && textAt(value, "text") !== undefined) return textPiece(value, index, path, id, extras)
    const refusal = type === "refusal" && isObject(value) ? textAt(value, "refusal") : undefined
    if (refusal === undefined || !isObject(value)) return { kind: "other", index, part: foreign(value, path, id) }
    note(extras, path, value, refusalKeys)
    return { kind: "refusal", index, part: { _tag: "Refusal", text: refusal, ...place(id) } }
  })

const thoughtPieces = (
  list: ReadonlyArray<unknown>,
  kind: "summary" | "thought",
  at: string,
  id: string | undefined,
  extras: Array<Extra>
): ReadonlyArray<Piece> =>
  list.flatMap((value, index): ReadonlyArray<Piece> => {
    const path = `${at}[${index}]`
    const text = textAt(value, "text")
    if (textAt(value, "type") !== (kind === "summary" ? "summary_text" : "reasoning_text") || text === undefined || !isObject(value)) {
      extras.push({ field: path, value, matters: true })
      return []
    }
    note(extras, path, value, thoughtKeys)
    // Where it stands tells which of the two lists a thought belongs to.
    return [{ kind, index, part: { _tag: "Reasoning", text, ...(kind === "thought" ? { at: path } : {}), ...place(id) } }]
  })

const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

/** Reads the item that stands at `output[index]`, or says what is wrong with it. */
export const readItem = (value: unknown, index: number): Item | string => {
  const at = `output[${index}]`
  const type = textAt(value, "type")
  if (!isObject(value) || type === undefined) return `expected an item with a \`type\` at \`${at}\``
  const id = textAt(value, "id")
  const extras: Array<Extra> = []
  const empty: Item = { _tag: "Empty", extra: { field: at, value, matters: false } }
  switch (type) {
    case "message": {
      const content = value["content"]
      if (!Array.isArray(content)) return `expected \`content\` at \`${at}\``
      if (content.length === 0) return empty
      if (value["role"] !== "assistant") extras.push({ field: `${at}.role`, value: value["role"], matters: false })
      note(extras, at, value, messageKeys)
      return { _tag: "Pieces", id, pieces: messagePieces(content, at, id, extras), extras }
    }
    case "reasoning": {
      const sealed = textAt(value, "encrypted_content")
      const content = value["content"]
      for (const key of Object.keys(value))
        if (!reasoningKeys.has(key) && (key !== "content" || list(content).length === 0))
          extras.push({ field: under(at, key), value: value[key], matters: matters(key, value[key]) })
      if (sealed === undefined && Object.hasOwn(value, "encrypted_content"))
        extras.push({ field: `${at}.encrypted_content`, value: value["encrypted_content"], matters: false })
      const pieces = [
        ...thoughtPieces(list(value["summary"]), "summary", `${at}.summary`, id, extras),
        ...thoughtPieces(list(content), "thought", `${at}.content`, id, extras)
      ]
      if (pieces.length === 0 && (sealed === undefined || sealed === "")) return empty
      const seal = sealed === undefined ? undefined : sealOf(sealed, "responses", id)
      return {
        _tag: "Pieces",
        id,
        pieces,
        extras,
        ...(seal === undefined || (seal.data === "" && seal.dialect !== "responses") ? {} : { seal })
      }
    }
    case "function_call": {
      const name = textAt(value, "name")
      if (name === undefined) return `expected \`name\` at \`${at}\``
      const given = field(value, "arguments")
      note(extras, at, value, callKeys)
      return {
        _tag: "Call",
        call: {
          _tag: "ToolCall",
          id: textAt(value, "call_id") ?? "",
          name,
          arguments: typeof given === "string" ? given : present(given) ? print(given) : "",
          ...place(id)
        },
        extras
      }
    }
    default:
      return { _tag: "Whole", part: foreign(value, at, undefined) }
  }
}
