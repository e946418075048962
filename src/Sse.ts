/**
 * Server-sent events (WHATWG HTML, section 9.2) out of bytes, for streams that are forwarded as they are.
 *
 * A library's parser gives the events but not where their bytes lie, and forwarding needs both: whole events are handed on untouched, and one can be left out.
 * Bytes are kept until their event is complete, so an event cut anywhere gives the same result.
 */
import type { SseEvent } from "./Dialect.ts"

const LF = 0x0a
const CR = 0x0d

// A byte order mark may begin the stream, and is part of the text everywhere else.
const leading = new TextDecoder("utf-8")
const following = new TextDecoder("utf-8", { ignoreBOM: true })

/** Reads the fields of one event; undefined for a block that says nothing, such as a comment. */
const readEvent = (block: Uint8Array, decoder: TextDecoder): SseEvent | undefined => {
  const text = decoder.decode(block)
  // The usual event is one line of data.
  if (text.startsWith("data: ")) {
    const end = text.search(/[\r\n]/)
    const rest = end === -1 ? "" : text.slice(end)
    if (!/[^\r\n]/.test(rest)) return { event: "", data: text.slice(6, end === -1 ? undefined : end) }
  }
  let event = ""
  let data: string | undefined
  for (const line of text.split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(":")
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1)
    if (field === "event") event = value
    else if (field === "data") data = data === undefined ? value : `${data}\n${value}`
  }
  if (data !== undefined) return { event, data }
  // Google tells an error in mid-stream as bare JSON, which its own clients look for.
  const bare = text.trim()
  return bare.startsWith("{") ? { event, data: bare } : undefined
}

/** The index after the blank line that ends the first event at or after `from`, or -1. `\r\n`, `\n` and `\r` end lines. */
const endOfEvent = (bytes: Uint8Array, from: number): number => {
  for (let i = from; i < bytes.length; i++) {
    const byte = bytes[i]
    if (byte === LF) {
      const next = bytes[i + 1]
      if (next === LF) return i + 2
      if (next === CR) {
        if (i + 2 >= bytes.length) return -1
        return bytes[i + 2] === LF ? i + 3 : i + 2
      }
    } else if (byte === CR) {
      const next = bytes[i + 1]
      if (next === undefined) return -1
      if (next === CR) {
        if (i + 2 >= bytes.length) return -1
        return bytes[i + 2] === LF ? i + 3 : i + 2
      }
    }
  }
  return -1
}

const empty = new Uint8Array(0)

export const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  if (parts.length === 1) return parts[0]!
  let length = 0
  for (const part of parts) length += part.length
  const whole = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Splits a byte stream into events. Blocks without data (comments, keep-alives) come with `event` undefined. */
export class SseSplitter {
  #rest: Uint8Array = empty
  /** Where `#rest` lies once it has been copied; what is behind it there is free. */
  #room: Uint8Array = empty
  #decoder = leading
  readonly #maxBytes: number

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Whether an unfinished event has outgrown the limit. */
  get overflown(): boolean {
    return this.#rest.length > this.#maxBytes
  }

  /** The unfinished event with more of it. From its second copy on there is room for as much again, or one that comes in many pieces would be copied once for each. */
  #grown(chunk: Uint8Array): Uint8Array {
    const rest = this.#rest
    const from = rest.byteOffset
    const length = rest.length + chunk.length
    if (rest.buffer === this.#room.buffer && from + length <= this.#room.length) {
      // INVARIANT: bytes that were handed on lie before `#rest`.
      this.#room.set(chunk, from + rest.length)
      return this.#room.subarray(from, from + length)
    }
    const room = new Uint8Array(rest.buffer === this.#room.buffer ? length * 2 : length)
    room.set(rest)
    room.set(chunk, rest.length)
    this.#room = room
    return room.subarray(0, length)
  }

  push(chunk: Uint8Array, take: (event: SseEvent | undefined, bytes: Uint8Array) => void): void {
    // Where the search may begin: a terminator can straddle the seam by at most three bytes.
    let search = Math.max(0, this.#rest.length - 3)
    const bytes = this.#rest.length === 0 ? chunk : this.#grown(chunk)
    let start = 0
    for (;;) {
      const end = endOfEvent(bytes, search)
      if (end === -1) break
      const block = bytes.subarray(start, end)
      take(readEvent(block, this.#decoder), block)
      this.#decoder = following
      start = end
      search = end
    }
    this.#rest = start === bytes.length ? empty : bytes.subarray(start)
    if (this.#rest.length === 0) this.#room = empty
  }

  /** The stream has ended: what is left is an event whose blank line never came. */
  end(take: (event: SseEvent | undefined, bytes: Uint8Array) => void): void {
    const rest = this.#rest
    this.#rest = empty
    if (rest.length > 0) take(readEvent(rest, this.#decoder), rest)
  }
}
