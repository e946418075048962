/**
 * The body of a request before any dialect reads it: refused where it is not a JSON object, and where a provider could read it differently from us.
 */
import { type GatewayError, refuse } from "../GatewayError.ts"
import { findEscapedKey, type Scan, scan } from "../JsonScan.ts"
import { type ReadUtf8, readUtf8 } from "../Text.ts"
import { isObject, type Json } from "./json.ts"
import { holdsForeign } from "./seal.ts"

export interface Body {
  readonly json: Json
  readonly bytes: Uint8Array
  readonly scan: Scan
  /** Whether every character of its texts is a byte. */
  readonly ascii: boolean
  /** Whether it carries seals of other dialects. */
  readonly sealed: boolean
}

export const isRefused = (body: Body | GatewayError): body is GatewayError => "code" in body

const needless = /\\u00[2-7][0-9a-f]/i

/**
 * A field's name that is spelt with needless escapes: any at the top, a letter's or digit's further down. No client writes one, and the engine cannot
 * be trusted with it: V8 may read an escaped name as a similar one that it has seen before (nodejs/node#63785), so that what is judged is not what the
 * provider reads.
 */
const oddKey = (text: string, bytes: Uint8Array, { members }: Scan): string | undefined => {
  if (!text.includes("\\")) return undefined
  const atTop = members.find((member) => member.escaped)
  if (atTop !== undefined) return atTop.key
  return text.includes("\\u00") ? findEscapedKey(bytes, (raw) => needless.test(raw)) : undefined
}

/** Reads a body's bytes. */
export const readBody = (bytes: Uint8Array, read: ReadUtf8 = readUtf8): Body | GatewayError => {
  const text = read(bytes)
  if (text === undefined) return refuse("invalid_utf8", "the body is not valid UTF-8")
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    // The engine's message quotes the body, which has no place in a log; where it broke is enough.
    const at = /at position (\d+)/.exec(String(error))?.[1]
    return refuse(
      "invalid_json",
      bytes.length === 0
        ? "the body is empty: expected a JSON object"
        : `the body is not valid JSON${at === undefined ? "" : `: it breaks off at character ${at}`}`
    )
  }
  if (!isObject(json)) return refuse("invalid_request", "expected the body to be a JSON object")
  const found = scan(bytes, Object.keys(json))
  if (found.duplicate !== undefined) {
    return refuse(
      "duplicate_key",
      `\`${found.duplicate.slice(0, 64)}\` stands in the body twice, so readers may disagree on what it says`,
      { param: found.duplicate.slice(0, 64) }
    )
  }
  const odd = oddKey(text, bytes, found)
  if (odd !== undefined) {
    return refuse(
      "invalid_request",
      `the name \`${odd.slice(0, 64)}\` is written with escapes that it does not need, so readers may disagree on what it says`
    )
  }
  // An escape may stand for a character of several bytes.
  const ascii = bytes.length === text.length && !text.includes("\\u")
  return { json, bytes, scan: found, ascii, sealed: holdsForeign(text) }
}

/** The model that a body names, or why it names none. */
export const modelIn = ({ model }: Json): string | GatewayError => {
  if (model === undefined || model === null || model === "")
    return refuse("missing_model", "`model` is missing: name a target, an alias or `provider/model`", { param: "model" })
  return typeof model === "string" ? model : refuse("invalid_request", "`model` must be a text", { param: "model" })
}

/** Why a body does not say whether to stream; undefined where it does, or leaves it to its API. */
export const oddStream = ({ stream }: Json): GatewayError | undefined =>
  stream === undefined || stream === null || typeof stream === "boolean"
    ? undefined
    : refuse("invalid_request", "`stream` must be true or false", { param: "stream" })
