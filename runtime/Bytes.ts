/**
 * Reading bytes the way Node does it fastest: half the time of a `TextDecoder`, which every call pays twice.
 */
import { isUtf8 } from "node:buffer"
import type { ReadUtf8 } from "../src/Text.ts"

/** The text of valid UTF-8, a byte order mark included. */
export const readUtf8: ReadUtf8 = (bytes) => {
  if (!isUtf8(bytes)) return undefined
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return buffer.toString("utf8")
}
