/**
 * What routing asks of a Chat Completions request, read from its parsed body; each answer only when a rule wants it.
 *
 * Source: https://platform.openai.com/docs/api-reference/chat/create
 */
import type { Ask } from "../../Ask.ts"
import type { Parsed } from "../../Call.ts"
import { type GatewayError, refuse } from "../../GatewayError.ts"
import { findEscapedKey, type Scan, scan } from "../../JsonScan.ts"
import { utf8Length } from "../../Text.ts"
import { isObject } from "../json.ts"

type Json = Readonly<Record<string, unknown>>

const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

/** Fields that hold media or a place where media is, not text that a model reads. */
const media = new Set(["image_url", "input_audio", "file", "video_url", "audio"])

/** Gathers every text in `value`, and with `keys` the field names and literals too. Keeps its own stack: callers can nest deeper than the engine's. */
const collect = (value: unknown, keys: boolean, texts: Array<string>): void => {
  if (typeof value === "string") {
    texts.push(value)
    return
  }
  const waiting = [value]
  while (waiting.length > 0) {
    const next = waiting.pop()
    if (typeof next === "string") texts.push(next)
    else if (Array.isArray(next)) for (const entry of next) waiting.push(entry)
    else if (typeof next === "object" && next !== null) {
      for (const key in next) {
        if (media.has(key) && !keys) continue
        if (keys) texts.push(key)
        waiting.push((next as Json)[key])
      }
    } else if (keys && (typeof next === "number" || typeof next === "boolean")) texts.push(String(next))
  }
}

class ChatAsk implements Ask {
  readonly model: string
  readonly stream: boolean
  readonly #body: Json
  readonly #ascii: boolean
  readonly #header: (name: string) => string | null

  constructor(body: Json, model: string, ascii: boolean, header: (name: string) => string | null) {
    this.model = model
    this.stream = body["stream"] === true
    this.#body = body
    this.#ascii = ascii
    this.#header = header
  }

  inputBytes(): number {
    const texts: Array<string> = []
    for (const message of list(this.#body["messages"])) {
      if (!isObject(message)) continue
      const { content } = message
      if (typeof content === "string") texts.push(content)
      else collect(content, false, texts)
      for (const key in message) if (key !== "role" && key !== "content" && key !== "audio") collect(message[key], false, texts)
    }
    collect(this.#body["tools"], true, texts)
    collect(this.#body["functions"], true, texts)
    collect(this.#body["response_format"], true, texts)
    let length = 0
    for (const text of texts) length += text.length
    // One measurement of all texts together, since each has its price; the line breaks keep halves of surrogate pairs apart.
    return this.#ascii ? length : utf8Length(texts.join("\n")) - Math.max(0, texts.length - 1)
  }

  maxOutputTokens(): number | null {
    const limit = this.#body["max_completion_tokens"] ?? this.#body["max_tokens"]
    return typeof limit === "number" && Number.isFinite(limit) ? limit : null
  }

  messages(): number {
    return list(this.#body["messages"]).length
  }

  needsTools(): boolean {
    return list(this.#body["tools"]).length > 0 || list(this.#body["functions"]).length > 0
  }

  needsVision(): boolean {
    for (const message of list(this.#body["messages"])) {
      if (!isObject(message)) continue
      for (const part of list(message["content"])) if (isObject(part) && part["type"] === "image_url") return true
    }
    return false
  }

  needsStructuredOutput(): boolean {
    const format = this.#body["response_format"]
    return isObject(format) && (format["type"] === "json_schema" || format["type"] === "json_object")
  }

  needsReasoning(): boolean {
    return typeof this.#body["reasoning_effort"] === "string" && this.#body["reasoning_effort"] !== "none"
  }

  metadata(name: string): string | null {
    const metadata = this.#body["metadata"]
    if (!isObject(metadata) || !Object.hasOwn(metadata, name)) return null
    const value = metadata[name]
    return typeof value === "string" ? value : null
  }

  header(name: string): string | null {
    return this.#header(name)
  }
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

const textOf = (bytes: Uint8Array): string | undefined => {
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}

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

/** Reads a request's body: refuses what is not the JSON of a request, and whatever a provider could read differently from us. */
export const parseChat = (bytes: Uint8Array, header: (name: string) => string | null): Parsed | GatewayError => {
  const text = textOf(bytes)
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
  const { messages, model, stream } = json
  if (model === undefined || model === null || model === "")
    return refuse("missing_model", "`model` is missing: name a target, an alias or `provider/model`", { param: "model" })
  if (typeof model !== "string") return refuse("invalid_request", "`model` must be a text", { param: "model" })
  if (!Array.isArray(messages)) return refuse("invalid_request", "`messages` must be a list of messages", { param: "messages" })
  if (stream !== undefined && stream !== null && typeof stream !== "boolean")
    return refuse("invalid_request", "`stream` must be true or false", { param: "stream" })
  return { ask: new ChatAsk(json, model, bytes.length === text.length, header), json, bytes, scan: found }
}
