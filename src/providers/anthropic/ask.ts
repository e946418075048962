/**
 * What routing asks of a Messages request, read from its parsed body; each answer only when a rule wants it.
 *
 * Sources: https://platform.claude.com/docs/en/api/messages and https://platform.claude.com/docs/en/about-claude/pricing
 */
import type { Ask, Media } from "../../Ask.ts"
import type { Api, Parsed } from "../../Call.ts"
import type { Operation } from "../../Dialect.ts"
import { type GatewayError, refuse } from "../../GatewayError.ts"
import type { ReadUtf8 } from "../../Text.ts"
import { isRefused, modelIn, oddStream, readBody } from "../body.ts"
import { field, isObject, type Json, objectAt, textAt } from "../json.ts"
import { bytesOf, collectJson, list } from "../measure.ts"

/** Fields of the body that no model reads. */
const unread = new Set(
  (
    "model messages system tools tool_choice thinking output_config output_format max_tokens metadata stop_sequences stream service_tier speed inference_geo container " +
    "cache_control diagnostics fallbacks fallback_credit_token billing_policy thread mcp_servers anthropic_version"
  ).split(" ")
)

/** Fields of a block that are read by their value alone, or not at all; of any other the model may read the name too. */
const plain = new Set(["text", "content", "title", "context", "source", "data", "thinking", "signature", "id", "tool_use_id", "name"])
const unseen = new Set(["type", "cache_control", "citations", "media_type"])

/** Where the bytes of a picture or a document are, which are not text that a model reads. */
const isMedia = (source: unknown): boolean => {
  const type = textAt(source, "type")
  return type === "base64" || type === "url" || type === "file"
}

const mediaOf = (block: Json): keyof Media | undefined => {
  switch (block["type"]) {
    case "image":
      return "images"
    case "document":
      return isMedia(block["source"]) ? "files" : undefined
    case "container_upload":
      return "files"
    default:
      return undefined
  }
}

/** Gathers every text that the model reads of a content, and returns the characters around what it reads as JSON. */
const collectBlocks = (content: unknown, texts: Array<string>): number => {
  let around = 0
  const waiting = [content]
  while (waiting.length > 0) {
    const next = waiting.pop()
    if (typeof next === "string") texts.push(next)
    else if (Array.isArray(next)) for (const entry of next) waiting.push(entry)
    else if (isObject(next)) {
      for (const key of Object.keys(next)) {
        const value = next[key]
        if (unseen.has(key) || value === null || (key === "source" && isMedia(value))) continue
        if (plain.has(key)) waiting.push(value)
        else {
          texts.push(key)
          // A call's arguments are shown to the model as JSON or something shorter.
          if (key === "input") around += 9 + collectJson(value, texts)
          else {
            around += 9
            waiting.push(value)
          }
        }
      }
    } else if (next !== undefined) texts.push(String(next))
  }
  return around
}

/**
 * Tools that the provider has described and the caller runs: they cost nothing but the tokens of their descriptions. The dearest that is recorded (memory) takes 1,581 and the dearest that is
 * documented (computer use) 1,234.
 */
const described = /^(?:bash|text_editor|computer|memory)_\d/
const descriptionTokens = 4_096

const isOwnTool = (tool: unknown): boolean => {
  const type = field(tool, "type")
  return type === undefined || type === null || type === "custom"
}

/** Fields with which more is billed than the tokens of this request, or at other prices; null, false and an empty list ask for nothing. */
const billedFields: Readonly<Record<string, (value: unknown) => boolean>> = {
  // What the provider's tools read and write, in as many rounds as they like.
  mcp_servers: () => true,
  container: () => true,
  // Earlier messages that the provider keeps.
  thread: () => true,
  // Other models, at their own prices.
  fallbacks: () => true,
  // Faster answers, and answers of one country, at a premium.
  speed: (value) => value !== "standard",
  inference_geo: (value) => value !== "global",
  // A summary of what was said is written, and billed, beside the answer.
  compaction: () => true,
  context_management: (value) => list(field(value, "edits")).some((edit) => textAt(edit, "type")?.startsWith("compact") !== false),
  service_tier: (value) => value !== "auto" && value !== "standard_only"
}

const asksNothing = (value: unknown): boolean =>
  value === undefined || value === null || value === false || (Array.isArray(value) && value.length === 0)

class MessagesAsk implements Ask {
  readonly operation: Operation
  readonly model: string
  readonly stream: boolean
  readonly #body: Json
  readonly #ascii: boolean
  readonly #header: (name: string) => string | null
  #inputBytes = -1

  constructor(operation: Operation, body: Json, model: string, ascii: boolean, header: (name: string) => string | null) {
    this.operation = operation
    this.model = model
    this.stream = operation === "generate" && body["stream"] === true
    this.#body = body
    this.#ascii = ascii
    this.#header = header
  }

  /** At least as many as the tokens of all that the model reads: encrypted thinking is as long as what it hides, so it counts as it stands. */
  inputBytes(): number {
    // Rules and reservations ask, each attempt anew.
    if (this.#inputBytes === -1) this.#inputBytes = this.#measure()
    return this.#inputBytes
  }

  #measure(): number {
    const texts: Array<string> = []
    let around = collectBlocks(this.#body["system"], texts)
    for (const message of list(this.#body["messages"])) {
      if (!isObject(message)) continue
      for (const key of Object.keys(message)) {
        const value = message[key]
        if (key === "content") around += collectBlocks(value, texts)
        else if (key !== "role" && value !== null) around += collectJson(value, texts)
      }
    }
    for (const tool of list(this.#body["tools"])) {
      around += collectJson(tool, texts)
      if (!isOwnTool(tool)) around += descriptionTokens
    }
    const format = this.#format()
    if (format !== undefined) around += collectJson(format, texts)
    for (const name of Object.keys(this.#body)) {
      const value = this.#body[name]
      if (unread.has(name) || value === null || (typeof value !== "object" && typeof value !== "string")) continue
      around += collectJson(value, texts)
    }
    return around + bytesOf(texts, this.#ascii)
  }

  #format(): Json | undefined {
    return objectAt(objectAt(this.#body, "output_config"), "format") ?? objectAt(this.#body, "output_format")
  }

  maxOutputTokens(): number | null {
    const limit = this.#body["max_tokens"]
    return typeof limit === "number" && Number.isFinite(limit) ? limit : null
  }

  messages(): number {
    return list(this.#body["messages"]).length
  }

  needsTools(): boolean {
    return list(this.#body["tools"]).length > 0 || list(this.#body["mcp_servers"]).length > 0
  }

  needsVision(): boolean {
    return this.media().images > 0
  }

  needsStructuredOutput(): boolean {
    return textAt(this.#format(), "type") === "json_schema"
  }

  hasFormat(): boolean {
    return this.needsStructuredOutput()
  }

  needsReasoning(): boolean {
    const type = textAt(objectAt(this.#body, "thinking"), "type")
    return type !== undefined && type !== "disabled"
  }

  choices(): number {
    return 1
  }

  media(): Media {
    const found = { images: 0, audio: 0, files: 0 }
    // Results of tools hold blocks of their own.
    const waiting = list(this.#body["messages"]).map((message) => field(message, "content"))
    while (waiting.length > 0) {
      const next = waiting.pop()
      if (Array.isArray(next)) for (const entry of next) waiting.push(entry)
      else if (isObject(next)) {
        const medium = mediaOf(next)
        if (medium !== undefined) found[medium]++
        // A document in blocks holds them in its source.
        for (const inner of [next["content"], next["source"]]) if (typeof inner === "object" && inner !== null) waiting.push(inner)
      }
    }
    return found
  }

  extras(): ReadonlyArray<string> {
    const found = Object.keys(billedFields).filter((name) => {
      const value = this.#body[name]
      return !asksNothing(value) && billedFields[name]!(value)
    })
    const tools = list(this.#body["tools"])
    for (let index = 0; index < tools.length; index++) {
      const tool = tools[index]
      if (!isOwnTool(tool) && !described.test(textAt(tool, "type") ?? "")) found.push(`tools[${index}]`)
    }
    return found
  }

  metadata(name: string): string | null {
    return textAt(objectAt(this.#body, "metadata"), name) ?? null
  }

  header(name: string): string | null {
    return this.#header(name)
  }
}

const bad = (param: string, message: string): GatewayError => refuse("invalid_request", message, { param })

const parse = (
  operation: Operation,
  bytes: Uint8Array,
  header: (name: string) => string | null,
  read: ReadUtf8 | undefined
): Parsed | GatewayError => {
  const body = readBody(bytes, read)
  if (isRefused(body)) return body
  const { json } = body
  const { max_tokens: most, messages } = json
  const model = modelIn(json)
  if (typeof model !== "string") return model
  if (!Array.isArray(messages)) return bad("messages", "`messages` must be a list of messages")
  if (operation === "generate") {
    if (most === undefined || most === null)
      return bad("max_tokens", "`max_tokens` is missing: the Messages API wants the most tokens that the answer may have")
    // None fills the provider's cache and answers nothing.
    if (typeof most !== "number" || !Number.isSafeInteger(most) || most < 0)
      return bad("max_tokens", "`max_tokens` must be a positive integer")
    const odd = oddStream(json)
    if (odd !== undefined) return odd
  }
  return { ...body, ask: new MessagesAsk(operation, json, model, body.ascii, header) }
}

/** Reads the body of a request for an answer. */
export const parseMessages: Api["parse"] = (bytes, header, read) => parse("generate", bytes, header, read)

/** Reads the body of a request for a count. */
export const parseCount: Api["parse"] = (bytes, header, read) => parse("count", bytes, header, read)
