/**
 * What routing asks of a Responses request, read from its parsed body; each answer only when a rule wants it.
 *
 * Source: developers.openai.com, "Create a model response".
 */
import type { Ask, Media } from "../../Ask.ts"
import type { Api } from "../../Call.ts"
import { refuse } from "../../GatewayError.ts"
import { isRefused, modelIn, oddStream, readBody } from "../body.ts"
import { addAll, present } from "../extras.ts"
import { field, isObject, type Json, textAt } from "../json.ts"
import { bytesOf, collect, collectJson, list } from "../measure.ts"

/** Fields of parts and items that hold media or a place where media is, not text that a model reads; each with the kind that it counts as. */
const mediaFields: Readonly<Record<string, keyof Media>> = {
  image_url: "images",
  input_audio: "audio",
  file_data: "files",
  file_url: "files",
  file_id: "files"
}

/** Fields of the body that no model reads. */
const unread = new Set(
  (
    "model input stream stream_options metadata user safety_identifier store service_tier include background truncation max_tool_calls reasoning conversation " +
    "previous_response_id context_management prompt_cache_key prompt_cache_retention prompt_cache_options moderation access_programs image"
  ).split(" ")
)

/** Fields of an item that no model reads. What is sealed is read, and its text is longer than what it seals. */
const unreadOfItem = new Set(["role", "type", "id", "status", "phase"])

/** Fields of an item that hold parts; others that are no texts are shown as JSON, if at all. */
const spoken = new Set(["content", "output", "summary"])

const textTypes = new Set(["input_text", "output_text", "text", "refusal", "summary_text", "reasoning_text"])

/**
 * What a part counts as besides text: everything that its fields name, and what its type names if none does. A kind that is not known counts as a file, so that
 * nothing passes for free.
 */
const mediaOf = (part: unknown): ReadonlyArray<keyof Media> => {
  if (!isObject(part)) return []
  const found = Object.keys(part).flatMap((key) => (Object.hasOwn(mediaFields, key) && present(part[key]) ? [mediaFields[key]!] : []))
  const { type } = part
  if (type === "input_image") return ["images"]
  if (found.length > 0 || typeof type !== "string" || textTypes.has(type)) return found
  if (type.includes("image") || type.includes("screenshot")) return ["images"]
  return [type.includes("audio") ? "audio" : "files"]
}

/** The parts of an item: of a message, or of what a tool has given; a single one may stand for itself. */
const partsOf = (item: Json): ReadonlyArray<unknown> => {
  if (textAt(item, "type") === "image_generation_call") return [item]
  const { content, output, type } = item
  // What a shell has printed has types of its own, and is text.
  const given = typeof type === "string" && type.includes("shell") ? [] : isObject(output) ? [output] : list(output)
  return [...(type === "reasoning" ? [] : list(content)), ...given]
}

/** Items of which the provider keeps what they say, or a part of it. */
const kept = new Set<unknown>(["item_reference", "web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call"])

/** Whether how many tokens an item counts cannot be told from what it says. */
const isKept = (item: unknown): boolean => {
  if (!isObject(item)) return false
  const { encrypted_content: sealed, role, type } = item
  if (!present(type)) return !present(role)
  return kept.has(type) || ((type === "reasoning" || type === "compaction") && typeof sealed !== "string" && present(item["id"]))
}

/** Kinds of tools that the caller itself runs, or that only hold such. */
const ownTools = new Set<unknown>(["function", "custom", "namespace"])

/** Whether a tool is run by the provider; a list of tools inside of it may be as deep as its caller likes. */
const isHosted = (tool: unknown): boolean => {
  const waiting = [tool]
  while (waiting.length > 0) {
    const next = waiting.pop()
    const type = field(next, "type")
    if (!ownTools.has(type ?? "function")) return true
    if (type === "namespace") addAll(waiting, list(field(next, "tools")))
  }
  return false
}

/** Fields with which a provider bills more than tokens, or tokens that the request does not show; null, false and an empty list ask for nothing. */
const billedFields = [
  // What the provider keeps is read and billed again.
  "previous_response_id",
  "conversation",
  "prompt",
  // An answer that goes on without its caller, so that its usage never comes.
  "background",
  // Compaction is an answer of its own.
  "context_management",
  "moderation",
  // Other models or hosts than the target's, at their own prices: OpenRouter.
  "models",
  "route",
  "provider",
  "plugins",
  "preset",
  // Searches, billed by the search: xAI.
  "search_parameters"
]

/** Tiers at the list price or below; `auto` and none at all are what the account is set to. */
const usualTiers = new Set<unknown>(["auto", "default", "flex"])

const asksNothing = (value: unknown): boolean => !present(value) || value === false || (Array.isArray(value) && value.length === 0)

class ResponsesAsk implements Ask {
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

  #items(): ReadonlyArray<unknown> {
    return list(this.#body["input"])
  }

  /**
   * At least as many as the tokens of all that the model reads and that the request shows: items, and of the other fields all but those known not to reach it. Roles and
   * the marks between items are the provider's addition (`Bound.ts`).
   */
  inputBytes(): number {
    // Rules and reservations ask, each attempt anew.
    if (this.#inputBytes === -1) this.#inputBytes = this.#measure()
    return this.#inputBytes
  }

  #measure(): number {
    const texts: Array<string> = []
    let around = 0
    const { input } = this.#body
    if (typeof input === "string") texts.push(input)
    for (const item of this.#items()) {
      if (!isObject(item)) continue
      for (const key in item) {
        // A picture that an earlier answer drew counts as media.
        if (unreadOfItem.has(key) || (key === "result" && item["type"] === "image_generation_call")) continue
        const value = item[key]
        if (spoken.has(key) || typeof value === "string") collect(value, texts, mediaFields)
        else if (value !== null) around += collectJson(value, texts)
      }
    }
    for (const name in this.#body) {
      const value = this.#body[name]
      if (unread.has(name) || value === null || (typeof value !== "object" && typeof value !== "string")) continue
      around += collectJson(value, texts)
    }
    return around + bytesOf(texts, this.#ascii)
  }

  maxOutputTokens(): number | null {
    const limit = this.#body["max_output_tokens"]
    return typeof limit === "number" && Number.isFinite(limit) ? limit : null
  }

  /** A text is a message, and so is what the provider keeps. */
  messages(): number {
    return Math.max(1, this.#items().length)
  }

  needsTools(): boolean {
    return list(this.#body["tools"]).length > 0
  }

  needsVision(): boolean {
    return this.media().images > 0
  }

  #formatType(): string | undefined {
    return textAt(field(this.#body["text"], "format"), "type")
  }

  needsStructuredOutput(): boolean {
    return this.#formatType() === "json_schema"
  }

  hasFormat(): boolean {
    const type = this.#formatType()
    return type === "json_schema" || type === "json_object"
  }

  needsReasoning(): boolean {
    const effort = textAt(this.#body["reasoning"], "effort")
    return effort !== undefined && effort !== "none"
  }

  /** The API gives one answer. */
  choices(): number {
    return 1
  }

  media(): Media {
    const found = { images: 0, audio: 0, files: 0 }
    for (const item of this.#items()) {
      if (!isObject(item)) continue
      for (const part of partsOf(item)) for (const medium of mediaOf(part)) found[medium]++
    }
    return found
  }

  extras(): ReadonlyArray<string> {
    const body = this.#body
    const found = billedFields.filter(
      (name) => !asksNothing(body[name]) && !(name === "search_parameters" && field(body[name], "mode") === "off")
    )
    const tier = body["service_tier"]
    if (present(tier) && !usualTiers.has(tier)) found.push("service_tier")
    const mode = field(body["reasoning"], "mode")
    // Several attempts at one answer.
    if (present(mode) && mode !== "standard") found.push("reasoning.mode")
    const tools = list(body["tools"])
    for (let index = 0; index < tools.length; index++) if (isHosted(tools[index])) found.push(`tools[${index}]`)
    const items = this.#items()
    for (let index = 0; index < items.length; index++) {
      const item = items[index]
      if (isKept(item)) found.push(`input[${index}]`)
      else if (list(field(item, "tools")).some(isHosted)) found.push(`input[${index}].tools`)
    }
    return found
  }

  metadata(name: string): string | null {
    return textAt(this.#body["metadata"], name) ?? null
  }

  header(name: string): string | null {
    return this.#header(name)
  }
}

/** What routing asks of a parsed request; `ascii` where its text has a byte for each character. */
export const askOf = (json: Json, model: string, ascii: boolean, header: (name: string) => string | null): Ask =>
  new ResponsesAsk(json, model, ascii, header)

/** Reads a request's body. */
export const parseResponses: Api["parse"] = (bytes, header, read) => {
  const body = readBody(bytes, read)
  if (isRefused(body)) return body
  const { json } = body
  const { conversation, input, previous_response_id: previous, prompt } = json
  const model = modelIn(json)
  if (typeof model !== "string") return model
  const elsewhere = present(conversation) || present(previous) || present(prompt)
  if (typeof input !== "string" && !Array.isArray(input) && (present(input) || !elsewhere))
    return refuse("invalid_request", "`input` must be a text or a list of items", { param: "input" })
  const odd = oddStream(json)
  if (odd !== undefined) return odd
  return { ...body, ask: askOf(json, model, body.ascii, header) }
}
