/**
 * What routing asks of a Chat Completions request, read from its parsed body; each answer only when a rule wants it.
 *
 * Source: https://platform.openai.com/docs/api-reference/chat/create
 */
import type { Ask, Media } from "../../Ask.ts"
import type { Api } from "../../Call.ts"
import { refuse } from "../../GatewayError.ts"
import { isRefused, modelIn, oddStream, readBody } from "../body.ts"
import { field, isObject, type Json } from "../json.ts"
import { bytesOf, collect, collectJson, list } from "../measure.ts"

/** Fields that hold media or a place where media is, not text that a model reads; each with the kind that it counts as. */
const mediaFields: Readonly<Record<string, keyof Media>> = {
  image_url: "images",
  input_audio: "audio",
  audio_url: "audio",
  audio: "audio",
  file: "files",
  video_url: "files"
}

/** Fields that no model reads. */
const unread = new Set(
  (
    "model messages stream stream_options metadata user safety_identifier stop logit_bias prediction store service_tier modalities audio models route provider " +
    "plugins reasoning reasoning_effort verbosity prompt_cache_key prompt_cache_retention prompt_cache_options"
  ).split(" ")
)

const textTypes = new Set(["text", "input_text", "output_text", "refusal", "thinking", "redacted_thinking", "reasoning"])

/**
 * What a part of a message counts as besides text: everything that its fields name, and what its type names if none does. A kind that is not known counts as a
 * file, so that nothing passes for free.
 */
const mediaOf = (part: unknown): ReadonlyArray<keyof Media> => {
  if (!isObject(part)) return []
  const found = Object.keys(part).flatMap((key) => (Object.hasOwn(mediaFields, key) && part[key] !== null ? [mediaFields[key]!] : []))
  if (found.length > 0) return found
  const { type } = part
  if (typeof type !== "string" || textTypes.has(type)) return []
  return [type.includes("image") ? "images" : type.includes("audio") ? "audio" : "files"]
}

/** Fields with which a provider bills more than tokens, or other tokens; null, false and an empty list ask for nothing. */
const billedFields = [
  // Searches, billed by the search: OpenAI, xAI, OpenRouter (which also bills the reading of PDFs there).
  "web_search_options",
  "search_parameters",
  "plugins",
  // Other models or hosts than the target's, at their own prices: OpenRouter.
  "models",
  "route",
  "provider",
  "preset",
  // Answers that are made and thrown away.
  "best_of",
  // What is predicted and does not come is billed as output on top, and OpenAI takes no maximum beside it.
  "prediction",
  // Spoken answers have their own prices.
  "audio",
  // Faster or placed answers at a premium: Anthropic.
  "speed",
  "inference_geo",
  // Tools of the provider's own.
  "mcp_servers",
  "compound_custom"
]

/** Tiers at the list price or below; `auto` and none at all are what the account is set to. */
const usualTiers = new Set<unknown>(["auto", "default", "flex", "on_demand", "standard", "standard_only"])

const asksNothing = (value: unknown): boolean =>
  value === undefined || value === null || value === false || (Array.isArray(value) && value.length === 0)

const isFinite = (value: unknown): value is number => Number.isFinite(value)

class ChatAsk implements Ask {
  readonly operation = "generate"
  readonly model: string
  readonly stream: boolean
  readonly #body: Json
  readonly #ascii: boolean
  readonly #header: (name: string) => string | null
  #inputBytes = -1

  constructor(body: Json, model: string, ascii: boolean, header: (name: string) => string | null) {
    this.model = model
    this.stream = body["stream"] === true
    this.#body = body
    this.#ascii = ascii
    this.#header = header
  }

  /**
   * At least as many as the tokens of all that the model reads: messages, and of the other fields all but those known not to reach it (a host may have fields
   * that do, such as `documents`). Roles and the marks between messages are the provider's addition (`Bound.ts`).
   */
  inputBytes(): number {
    // Rules and reservations ask, each attempt anew.
    if (this.#inputBytes === -1) this.#inputBytes = this.#measure()
    return this.#inputBytes
  }

  #measure(): number {
    const texts: Array<string> = []
    let around = 0
    for (const message of list(this.#body["messages"])) {
      if (!isObject(message)) continue
      for (const key in message) {
        if (key === "role" || key === "audio" || key === "images") continue
        const value = message[key]
        if (key === "content" || typeof value === "string") collect(value, texts, mediaFields)
        else if (value !== null) around += collectJson(value, texts)
      }
    }
    for (const field in this.#body) {
      const value = this.#body[field]
      if (unread.has(field) || value === null || (typeof value !== "object" && typeof value !== "string")) continue
      around += collectJson(value, texts)
    }
    return around + bytesOf(texts, this.#ascii)
  }

  /** Where both are named, a host may go by either. */
  maxOutputTokens(): number | null {
    const { max_completion_tokens: newer, max_tokens: older } = this.#body
    const limit = Math.max(isFinite(newer) ? newer : -Infinity, isFinite(older) ? older : -Infinity)
    return limit === -Infinity ? null : limit
  }

  messages(): number {
    return list(this.#body["messages"]).length
  }

  needsTools(): boolean {
    return list(this.#body["tools"]).length > 0 || list(this.#body["functions"]).length > 0
  }

  needsVision(): boolean {
    return this.media().images > 0
  }

  needsStructuredOutput(): boolean {
    const format = this.#body["response_format"]
    return isObject(format) && format["type"] === "json_schema"
  }

  hasFormat(): boolean {
    const format = this.#body["response_format"]
    return isObject(format) && (format["type"] === "json_schema" || format["type"] === "json_object")
  }

  needsReasoning(): boolean {
    return typeof this.#body["reasoning_effort"] === "string" && this.#body["reasoning_effort"] !== "none"
  }

  /** `n` as the most that a lenient reader makes of it: `"3"` and 2.5 are three answers. */
  choices(): number {
    const { n } = this.#body
    const count = typeof n === "number" ? n : typeof n === "string" ? Number(n) : 1
    return count > 1 ? Math.min(Math.ceil(count), Number.MAX_SAFE_INTEGER) : 1
  }

  media(): Media {
    const found = { images: 0, audio: 0, files: 0 }
    for (const message of list(this.#body["messages"])) {
      if (!isObject(message)) continue
      for (const part of isObject(message["content"]) ? [message["content"]] : list(message["content"])) {
        for (const medium of mediaOf(part)) found[medium]++
      }
      // An earlier answer that was spoken, by its id; pictures that an earlier answer drew.
      if (isObject(message["audio"])) found.audio++
      found.images += list(message["images"]).length
    }
    return found
  }

  extras(): ReadonlyArray<string> {
    const body = this.#body
    const found = billedFields.filter(
      (name) => !asksNothing(body[name]) && !(name === "search_parameters" && field(body[name], "mode") === "off")
    )
    const tier = body["service_tier"]
    if (tier !== undefined && tier !== null && !usualTiers.has(tier)) found.push("service_tier")
    const { modalities } = body
    if (modalities !== undefined && modalities !== null && !list(modalities).every((modality) => modality === "text"))
      found.push("modalities")
    const tools = list(body["tools"])
    for (let index = 0; index < tools.length; index++) {
      const tool = tools[index]
      const type = isObject(tool) ? (tool["type"] ?? "function") : undefined
      if (type !== "function" && type !== "custom") found.push(`tools[${index}]`)
    }
    return found
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

/** What routing asks of a parsed request; `ascii` where its text has a byte for each character. */
export const askOf = (json: Json, model: string, ascii: boolean, header: (name: string) => string | null): Ask =>
  new ChatAsk(json, model, ascii, header)

/** Reads a request's body. */
export const parseChat: Api["parse"] = (bytes, header, read) => {
  const body = readBody(bytes, read)
  if (isRefused(body)) return body
  const { json } = body
  const { messages } = json
  const model = modelIn(json)
  if (typeof model !== "string") return model
  if (!Array.isArray(messages)) return refuse("invalid_request", "`messages` must be a list of messages", { param: "messages" })
  const odd = oddStream(json)
  if (odd !== undefined) return odd
  return { ...body, ask: askOf(json, model, body.ascii, header) }
}
