/**
 * How much text a request holds: what the `Ask`s of all dialects share.
 *
 * Every count is at least the number of tokens that the model can read, since a token is at least a byte. Keeps its own stack: callers can nest deeper than the engine's.
 */
import { utf8Length } from "../Text.ts"
import type { Json } from "./json.ts"

/** The entries of a list; nothing of anything else. */
export const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

/** Gathers every text in `value` but those under a key of `media`. */
export const collect = (value: unknown, texts: Array<string>, media: Readonly<Record<string, unknown>>): void => {
  if (typeof value === "string") {
    texts.push(value)
    return
  }
  const waiting = [value]
  while (waiting.length > 0) {
    const next = waiting.pop()
    if (typeof next === "string") texts.push(next)
    else if (Array.isArray(next)) for (const entry of next) waiting.push(entry)
    else if (typeof next === "object" && next !== null)
      for (const key in next) if (!Object.hasOwn(media, key)) waiting.push((next as Json)[key])
  }
}

const escaped = /["\\]|[^\u0020-\uffff]/

/**
 * Gathers every text in `value`, names and literals too, and returns the characters of the JSON around them: providers show a model its tools and schemas as
 * JSON or something shorter, and there a quote, an escape or a line break may be a token as well. Two brackets, two line breaks and a comma are five, and no
 * value has more; a name's quotes, colon and space are four.
 */
export const collectJson = (value: unknown, texts: Array<string>): number => {
  let around = 0
  const waiting = [value]
  while (waiting.length > 0) {
    const next = waiting.pop()
    around += 5
    if (typeof next === "string") {
      texts.push(next)
      if (escaped.test(next)) around += JSON.stringify(next).length - next.length - 2
    } else if (Array.isArray(next)) for (const entry of next) waiting.push(entry)
    else if (typeof next === "object" && next !== null) {
      for (const key in next) {
        texts.push(key)
        around += 4
        waiting.push((next as Json)[key])
      }
    } else texts.push(String(next))
  }
  return around
}

/** UTF-8 bytes of all texts, of which `ascii` says that a character of each is a byte. */
export const bytesOf = (texts: ReadonlyArray<string>, ascii: boolean): number => {
  if (ascii) {
    let length = 0
    for (const text of texts) length += text.length
    return length
  }
  // One measurement of all texts together, since each has its price; the line breaks keep halves of surrogate pairs apart.
  return utf8Length(texts.join("\n")) - Math.max(0, texts.length - 1)
}
