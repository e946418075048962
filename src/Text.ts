/**
 * Text and its bytes.
 */

/** The text of valid UTF-8, a byte order mark included; undefined for bytes that are not. A runtime that has a faster one brings it. */
export type ReadUtf8 = (bytes: Uint8Array) => string | undefined

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

export const readUtf8: ReadUtf8 = (bytes) => {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}

const encoder = new TextEncoder()
const scratch = new Uint8Array(48 * 1024)

/** UTF-8 bytes of `text`, as `TextEncoder` would make them. */
export const utf8Length = (text: string): number => {
  // Short texts are counted by the encoder itself, which is native; a long one would need a buffer of three times its length.
  if (text.length * 3 <= scratch.length) return encoder.encodeInto(text, scratch).written
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x80) continue
    if (code < 0x800) bytes++
    else if (code >= 0xd800 && code <= 0xdbff && i + 1 < text.length && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      bytes += 2
      i++
    } else bytes += 2
  }
  return bytes
}

const printable = /^[\x20-\x7e]*$/

/** `text` as a header can carry it: percent-encoded unless it is printable ASCII. */
export const headerValue = (text: string): string => (printable.test(text) ? text : encodeURIComponent(text.toWellFormed()))

/** An amount in nano-dollars as people write it, exact: `$1.5`, `$0.000000001`, `-$2`. */
export const dollars = (nanoDollars: number): string => {
  const amount = Math.abs(nanoDollars)
  const whole = Math.floor(amount / 1e9)
  const part = String(amount % 1e9)
    .padStart(9, "0")
    .replace(/0+$/, "")
  return `${nanoDollars < 0 ? "-" : ""}$${whole}${part === "" ? "" : `.${part.padEnd(2, "0")}`}`
}
