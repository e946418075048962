/**
 * Where the top-level members of a JSON object lie in its bytes, so that a value can be replaced and every other byte stays as the caller wrote it.
 *
 * Re-encoding would corrupt large integers and drop duplicates; patching ranges does neither, and the scanner that finds them also refuses a key that
 * stands there twice, escaped spellings included: what the policy has judged is what the provider reads. Runs on text that `JSON.parse` has accepted.
 */

export interface Member {
  readonly key: string
  /** Whether the key is spelt with an escape. */
  readonly escaped: boolean
  /** The bytes of the value are `bytes[start, end)`. */
  readonly start: number
  readonly end: number
}

export interface Scan {
  readonly members: ReadonlyArray<Member>
  /** A key that stands in the object twice. */
  readonly duplicate: string | undefined
  /** The index of the closing brace. */
  readonly close: number
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

// A byte order mark inside a text is a character of it.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** The index after the string that opens at `i`. Short strings are walked, long ones searched natively. */
const skipString = (bytes: Uint8Array, i: number): number => {
  let at = i + 1
  for (;;) {
    const near = Math.min(at + 24, bytes.length)
    let quote = -1
    for (let j = at; j < near; j++) {
      if (bytes[j] === QUOTE) {
        quote = j
        break
      }
    }
    if (quote === -1) quote = bytes.indexOf(QUOTE, near)
    // INVARIANT: the text is valid JSON, so every string closes.
    if (quote === -1) return bytes.length
    let slashes = 0
    while (bytes[quote - 1 - slashes] === BACKSLASH) slashes++
    at = quote + 1
    if ((slashes & 1) === 0) return at
  }
}

/** The index after the value that begins at `i`. */
const skipValue = (bytes: Uint8Array, i: number): number => {
  const first = bytes[i]
  if (first === QUOTE) return skipString(bytes, i)
  if (first === OPEN_BRACE || first === OPEN_BRACKET) {
    let depth = 0
    let at = i
    while (at < bytes.length) {
      const byte = bytes[at]!
      if (byte === QUOTE) {
        at = skipString(bytes, at)
        continue
      }
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++
      else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) return at + 1
      at++
    }
    return at
  }
  let at = i
  while (at < bytes.length) {
    const byte = bytes[at]!
    if (byte === COMMA || byte === CLOSE_BRACE || isSpace(byte)) break
    at++
  }
  return at
}

const readKey = (bytes: Uint8Array, start: number, end: number): string => {
  const raw = decoder.decode(bytes.subarray(start, end))
  return raw.includes("\\") ? (JSON.parse(`"${raw}"`) as string) : raw
}

const isEscaped = (bytes: Uint8Array, start: number, end: number): boolean => {
  for (let i = start; i < end; i++) if (bytes[i] === BACKSLASH) return true
  return false
}

/** The first key at any depth, as it is spelt, that has an escape and passes `test`. */
export const findEscapedKey = (bytes: Uint8Array, test: (raw: string) => boolean): string | undefined => {
  let at = 0
  for (;;) {
    const quote = bytes.indexOf(QUOTE, at)
    if (quote === -1) return undefined
    at = skipString(bytes, quote)
    let next = at
    while (isSpace(bytes[next]!)) next++
    if (bytes[next] !== COLON || !isEscaped(bytes, quote + 1, at - 1)) continue
    const raw = decoder.decode(bytes.subarray(quote + 1, at - 1))
    if (test(raw)) return raw
  }
}

/** Whether the key written in `bytes[start, end)` is `key`, letter for letter; an escaped spelling is not. */
const isWritten = (bytes: Uint8Array, start: number, end: number, key: string): boolean => {
  if (key.length !== end - start) return false
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i)
    if (code > 0x7f || code === BACKSLASH || bytes[start + i] !== code) return false
  }
  return true
}

/** From here on a set looks for duplicates: comparing each key with all before it would let one large body hold everybody up for minutes. */
const manyKeys = 32

/** Scans the object whose valid JSON text `bytes` is. `keys`, those that parsing found in it, spare most of the decoding. */
export const scan = (bytes: Uint8Array, keys: ReadonlyArray<string> = []): Scan => {
  const members: Array<Member> = []
  let duplicate: string | undefined
  let seen: Set<string> | undefined
  let at = bytes.indexOf(OPEN_BRACE) + 1
  for (;;) {
    while (isSpace(bytes[at]!) || bytes[at] === COMMA) at++
    if (bytes[at] !== QUOTE) return { members, duplicate, close: at }
    const end = skipString(bytes, at)
    const likely = keys[members.length]
    const written = likely !== undefined && isWritten(bytes, at + 1, end - 1, likely)
    const key = written ? likely : readKey(bytes, at + 1, end - 1)
    const escaped = !written && isEscaped(bytes, at + 1, end - 1)
    at = end
    while (isSpace(bytes[at]!) || bytes[at] === COLON) at++
    const start = at
    at = skipValue(bytes, at)
    if (members.length < manyKeys) {
      for (const member of members) if (member.key === key) duplicate ??= key
    } else {
      seen ??= new Set(members.map((member) => member.key))
      if (seen.has(key)) duplicate ??= key
      seen.add(key)
    }
    members.push({ key, escaped, start, end: at })
  }
}

/** A replacement of a member's value by JSON text, or, where the key is not there yet, an addition. */
export interface Change {
  readonly key: string
  readonly json: string
}

const encoder = new TextEncoder()

const slabBytes = 64 * 1024
let slab = new Uint8Array(slabBytes)
let used = 0

/** Bytes for a body: small ones out of a shared slab, because an allocation outside the heap for each call costs more than filling it. */
const allocate = (length: number): Uint8Array => {
  if (length > slabBytes / 8) return new Uint8Array(length)
  if (used + length > slabBytes) {
    slab = new Uint8Array(slabBytes)
    used = 0
  }
  used += length
  return slab.subarray(used - length, used)
}

/** UTF-8 of a text; a short plain one, as names of models are, needs no encoder. */
const bytesOf = (text: string): Uint8Array => {
  const { length } = text
  if (length > 64) return encoder.encode(text)
  const bytes = allocate(length)
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return encoder.encode(text)
    bytes[i] = code
  }
  return bytes
}

/** The object's bytes with `changes` made and every other byte kept. */
export const patch = (bytes: Uint8Array, { close, members }: Scan, changes: ReadonlyArray<Change>): Uint8Array => {
  if (changes.length === 0) return bytes
  let isFirst = members.length === 0
  const edits = changes
    .map(({ json, key }): { readonly start: number; readonly end: number; readonly text: Uint8Array } => {
      const member = members.find((candidate) => candidate.key === key)
      if (member !== undefined) return { start: member.start, end: member.end, text: bytesOf(json) }
      const separator = isFirst ? "" : ","
      isFirst = false
      return { start: close, end: close, text: bytesOf(`${separator}${JSON.stringify(key)}:${json}`) }
    })
    .sort((a, b) => a.start - b.start)
  let length = bytes.length
  for (const { end, start, text } of edits) length += text.length - (end - start)
  const patched = allocate(length)
  let from = 0
  let to = 0
  for (const { end, start, text } of edits) {
    patched.set(bytes.subarray(from, start), to)
    to += start - from
    patched.set(text, to)
    to += text.length
    from = end
  }
  patched.set(bytes.subarray(from), to)
  return patched
}
