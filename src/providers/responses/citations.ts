/**
 * Annotations of an output text as citations, and back. Only a `url_citation` names a source that other dialects can; the others point to files that the provider keeps.
 *
 * Source: openai SDK, `ResponseOutputText`.
 */
import type { Citation } from "../../Conversation.ts"
import { field, isObject, type Json, textAt } from "../json.ts"

const offset = (value: unknown): value is number => typeof value === "number" && Number.isSafeInteger(value) && value >= 0

/** Reads one annotation. */
export const readCitation = (value: unknown): Citation => {
  if (textAt(value, "type") !== "url_citation") return { value }
  const url = textAt(value, "url")
  const title = textAt(value, "title")
  const start = field(value, "start_index")
  const end = field(value, "end_index")
  return {
    ...(url === undefined ? {} : { url }),
    ...(title === undefined || title === "" ? {} : { title }),
    ...(offset(start) ? { start } : {}),
    ...(offset(end) ? { end } : {}),
    value
  }
}

/** Writes a citation of a text of this length; undefined where it names no address, or has lost its own form. */
export const writeCitation = ({ end, start, title, url, value }: Citation, own: boolean, length: number): Json | undefined => {
  if (own && isObject(value)) return value
  if (url === undefined) return undefined
  return { type: "url_citation", start_index: start ?? 0, end_index: end ?? length, title: title ?? "", url }
}
