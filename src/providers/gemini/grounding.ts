/**
 * Grounding metadata and citations, in both directions (ai.google.dev, "Grounding with Google Search"; `GroundingSupport`, `Segment`).
 *
 * A segment is counted in bytes of UTF-8. The reference counts from the start of a part, and names the part; the service leaves `partIndex` out and counts from the start of the
 * answer's text, as its own examples read it, also where other parts come before the text. The segment's text, which stands beside it, decides; so both are read, and the second is written.
 */
import type { Citation } from "../../Conversation.ts"
import { field, isObject, type Json, listAt, objectAt, textAt } from "../json.ts"

/** A text of an answer. */
export interface Passage {
  /** The provider's index of its part. */
  readonly index: number
  readonly text: string
}

/** A citation, and which of the passages it belongs to. */
export interface Cited {
  readonly passage: number
  readonly citation: Citation
}

/** What of grounding metadata is said by citations. */
export interface Grounding {
  readonly cited: ReadonlyArray<Cited>
  /** Whether that is all of its sources. */
  readonly complete: boolean
}

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

/** Reads offsets in bytes of a text as offsets in its UTF-16 code units. */
const counterOf = (text: string): ((byte: number) => number) => {
  const bytes = encoder.encode(text)
  if (bytes.length === text.length) return (byte) => Math.min(byte, text.length)
  return (byte) => Math.min(decoder.decode(bytes.subarray(0, byte)).length, text.length)
}

interface Stretch {
  readonly passage: number
  readonly start: number
  readonly end: number
}

/** Finds the segments of an answer. */
const finderOf = (passages: ReadonlyArray<Passage>): ((segment: unknown) => Stretch | undefined) => {
  const whole = passages.map(({ text }) => text).join("")
  const inWhole = counterOf(whole)
  const inPart = passages.map(({ text }) => counterOf(text))
  const fits = (text: string, start: number, end: number, said: string | undefined): boolean =>
    start < end && (said === undefined || text.slice(start, end) === said)
  return (segment) => {
    const number = (name: string): number => {
      const found = field(segment, name)
      return typeof found === "number" && found >= 0 ? found : 0
    }
    const [part, from, to, said] = [number("partIndex"), number("startIndex"), number("endIndex"), textAt(segment, "text")]
    const named = passages.findIndex(({ index }) => index === part)
    if (named >= 0) {
      const [start, end] = [inPart[named]!(from), inPart[named]!(to)]
      if (fits(passages[named]!.text, start, end, said)) return { passage: named, start, end }
    }
    const [start, end] = [inWhole(from), inWhole(to)]
    if (fits(whole, start, end, said)) {
      let before = 0
      for (const [passage, { text }] of passages.entries()) {
        if (start < before + text.length) return { passage, start: start - before, end: Math.min(end - before, text.length) }
        before += text.length
      }
    }
    if (said === undefined || said === "") return undefined
    for (const [passage, { text }] of passages.entries()) {
      const at = text.indexOf(said)
      if (at >= 0) return { passage, start: at, end: at + said.length }
    }
    return undefined
  }
}

const sourceOf = (chunk: unknown): Pick<Citation, "url" | "title" | "quote"> | undefined => {
  const source = objectAt(chunk, "web") ?? objectAt(chunk, "retrievedContext") ?? objectAt(chunk, "maps")
  if (source === undefined) return undefined
  const [url, title, quote] = [textAt(source, "uri"), textAt(source, "title"), textAt(source, "text")]
  if (url === undefined && title === undefined && quote === undefined) return undefined
  return {
    ...(url === undefined ? {} : { url }),
    ...(title === undefined ? {} : { title }),
    ...(quote === undefined ? {} : { quote })
  }
}

/** The citations that grounding metadata makes of an answer's passages. */
export const groundingOf = (metadata: unknown, passages: ReadonlyArray<Passage>): Grounding => {
  const chunks = listAt(metadata, "groundingChunks")
  if (chunks.length === 0) return { cited: [], complete: true }
  const find = finderOf(passages)
  const cited: Array<Cited> = []
  const used = new Set<unknown>()
  let placed = true
  for (const support of listAt(metadata, "groundingSupports")) {
    const segment = field(support, "segment")
    const found = find(segment)
    if (found === undefined) {
      placed = false
      continue
    }
    const { passage, ...stretch } = found
    for (const index of listAt(support, "groundingChunkIndices")) {
      const chunk = typeof index === "number" ? chunks[index] : undefined
      const source = sourceOf(chunk)
      if (source === undefined) continue
      used.add(index)
      cited.push({ passage, citation: { ...source, ...stretch, value: { segment, ...(isObject(chunk) ? chunk : {}) } } })
    }
  }
  return { cited, complete: placed && used.size === chunks.length }
}

/** A citation of an answer's text as a whole: offsets in UTF-16 code units of all of it. */
export interface Placed {
  readonly citation: Citation
  readonly start: number
  readonly end: number
}

/** Whether the dialect can say what is cited. */
export const isSayable = ({ quote, title, url }: Citation): boolean => url !== undefined || title !== undefined || quote !== undefined

const chunkOf = ({ quote, title, url }: Citation): Json => {
  const named = title === undefined ? {} : { title }
  // What has no address is a text that was retrieved.
  return url === undefined
    ? { retrievedContext: { ...named, ...(quote === undefined ? {} : { text: quote }) } }
    : { web: { uri: url, ...named } }
}

/** Grounding metadata of citations in `text`. */
export const writeGrounding = (text: string, placed: ReadonlyArray<Placed>): Json => {
  const chunks: Array<Json> = []
  const indexes = new Map<string, number>()
  const supports = new Map<string, { readonly segment: Json; readonly groundingChunkIndices: Array<number> }>()
  for (const { citation, end, start } of placed) {
    const chunk = chunkOf(citation)
    const key = JSON.stringify(chunk)
    const index = indexes.get(key) ?? chunks.push(chunk) - 1
    indexes.set(key, index)
    const stretch = `${start}:${end}`
    const support = supports.get(stretch)
    if (support === undefined) {
      const startIndex = encoder.encode(text.slice(0, start)).length
      const said = text.slice(start, end)
      const segment = { ...(startIndex === 0 ? {} : { startIndex }), endIndex: startIndex + encoder.encode(said).length, text: said }
      supports.set(stretch, { segment, groundingChunkIndices: [index] })
    } else if (!support.groundingChunkIndices.includes(index)) support.groundingChunkIndices.push(index)
  }
  return { groundingChunks: chunks, groundingSupports: [...supports.values()] }
}
