/**
 * What routing asks of a generateContent request, read from its parsed body; each answer only when a rule wants it.
 *
 * The address names the model and says whether the answer is streamed. Names are read in either spelling; a body that has one of them in both is refused, because readers may disagree on which
 * counts. A repeated field may hold a single entry without a list around it, as the provider reads it.
 *
 * Source: https://ai.google.dev/api/generate-content
 */
import type { Ask, Media } from "../../Ask.ts"
import type { Api } from "../../Call.ts"
import type { Operation } from "../../Dialect.ts"
import { type GatewayError, refuse } from "../../GatewayError.ts"
import { isRefused, readBody } from "../body.ts"
import { present } from "../extras.ts"
import { field, isObject, type Json } from "../json.ts"
import { bytesOf, collectJson, list } from "../measure.ts"
import { camel, either, entries } from "./names.ts"
import { numeric } from "./reading.ts"

/** Fields of the body that no model reads. */
const unread = new Set(
  "model contents toolConfig safetySettings generationConfig cachedContent labels serviceTier store modelArmorConfig".split(" ")
)

/** Fields of `generationConfig` that a model reads. */
const read = new Set(["responseSchema", "responseJsonSchema", "_responseJsonSchema"])

/** Tiers at the list price or below. */
const usualTiers = new Set(["", "standard", "default", "auto", "flex", "service_tier_unspecified"])

/** The parts of all contents, and those within results of tools. */
const partsOf = (contents: unknown): ReadonlyArray<Json> =>
  entries(contents).flatMap((content) =>
    entries(field(content, "parts")).flatMap((part) => {
      if (!isObject(part)) return []
      const nested = entries(field(either(part, "functionResponse", "function_response"), "parts")).filter(isObject)
      return nested.length === 0 ? [part] : [part, ...nested]
    })
  )

const mediumOf = (part: Json): keyof Media | undefined => {
  const held = either(part, "inlineData", "inline_data") ?? either(part, "fileData", "file_data")
  if (!present(held)) return undefined
  const uri = either(held, "fileUri", "file_uri")
  // A video, whatever it calls itself.
  if (typeof uri === "string" && /youtu\.?be/i.test(uri)) return "files"
  const type = either(held, "mimeType", "mime_type")
  if (typeof type !== "string") return "files"
  return type.startsWith("image/") ? "images" : type.startsWith("audio/") ? "audio" : "files"
}

/** Counts what of contents is not text. */
export const mediaOf = (contents: unknown): Media => {
  const found = { images: 0, audio: 0, files: 0 }
  for (const part of partsOf(contents)) {
    const medium = mediumOf(part)
    if (medium !== undefined) found[medium]++
  }
  return found
}

/** Gathers the texts of contents, and returns the characters around them: all of a part but its media. */
export const measure = (contents: unknown, texts: Array<string>): number => {
  let around = 0
  for (const content of entries(contents)) {
    for (const part of entries(field(content, "parts"))) {
      if (!isObject(part)) continue
      for (const key of Object.keys(part)) {
        const value = part[key]
        const name = camel(key)
        if (typeof value === "string") texts.push(value)
        else if (name === "functionResponse" && isObject(value)) {
          for (const inner of Object.keys(value)) if (inner !== "parts") around += collectJson(value[inner], texts)
        } else if (name !== "inlineData" && name !== "fileData" && present(value)) around += collectJson(value, texts)
      }
    }
  }
  return around
}

class GenerateAsk implements Ask {
  readonly operation: Operation
  readonly model: string
  readonly stream: boolean
  readonly #body: Json
  readonly #config: unknown
  readonly #ascii: boolean
  readonly #header: (name: string) => string | null
  #inputBytes = -1

  constructor(operation: Operation, body: Json, model: string, stream: boolean, ascii: boolean, header: (name: string) => string | null) {
    this.operation = operation
    this.model = model
    this.stream = stream
    this.#body = body
    this.#config = either(body, "generationConfig", "generation_config")
    this.#ascii = ascii
    this.#header = header
  }

  /** At least as many as the tokens of all that the model reads: contents, and of the other fields all but those known not to reach it. */
  inputBytes(): number {
    // Rules and reservations ask, each attempt anew.
    if (this.#inputBytes === -1) this.#inputBytes = this.#measure()
    return this.#inputBytes
  }

  #measure(): number {
    const texts: Array<string> = []
    let around = measure(this.#body["contents"], texts)
    for (const key of Object.keys(this.#body)) {
      const value = this.#body[key]
      if (!unread.has(camel(key)) && present(value)) around += collectJson(value, texts)
    }
    if (isObject(this.#config)) {
      for (const key of Object.keys(this.#config)) if (read.has(camel(key))) around += collectJson(this.#config[key], texts)
    }
    return around + bytesOf(texts, this.#ascii)
  }

  maxOutputTokens(): number | null {
    return numeric(either(this.#config, "maxOutputTokens", "max_output_tokens")) ?? null
  }

  messages(): number {
    return entries(this.#body["contents"]).length
  }

  needsTools(): boolean {
    return entries(this.#body["tools"]).length > 0
  }

  needsVision(): boolean {
    return this.media().images > 0
  }

  needsStructuredOutput(): boolean {
    return (
      present(either(this.#config, "responseSchema", "response_schema")) ||
      present(either(this.#config, "responseJsonSchema", "response_json_schema")) ||
      present(either(this.#config, "_responseJsonSchema", "_response_json_schema"))
    )
  }

  hasFormat(): boolean {
    const type = either(this.#config, "responseMimeType", "response_mime_type")
    return this.needsStructuredOutput() || (typeof type === "string" && type !== "" && type !== "text/plain")
  }

  needsReasoning(): boolean {
    const thinking = either(this.#config, "thinkingConfig", "thinking_config")
    const budget = numeric(either(thinking, "thinkingBudget", "thinking_budget"))
    if (budget !== undefined) return budget !== 0
    return present(either(thinking, "thinkingLevel", "thinking_level")) || either(thinking, "includeThoughts", "include_thoughts") === true
  }

  /** `candidateCount` as the most that a lenient reader makes of it. */
  choices(): number {
    const count = numeric(either(this.#config, "candidateCount", "candidate_count")) ?? 1
    return count > 1 ? Math.min(Math.ceil(count), Number.MAX_SAFE_INTEGER) : 1
  }

  media(): Media {
    const said = mediaOf(this.#body["contents"])
    const told = mediaOf(either(this.#body, "systemInstruction", "system_instruction"))
    return { images: said.images + told.images, audio: said.audio + told.audio, files: said.files + told.files }
  }

  extras(): ReadonlyArray<string> {
    const found: Array<string> = []
    if (present(either(this.#body, "cachedContent", "cached_content"))) found.push("cachedContent")
    const tier = either(this.#body, "serviceTier", "service_tier")
    if (present(tier) && !(typeof tier === "string" && usualTiers.has(tier.toLowerCase()))) found.push("serviceTier")
    const modalities = either(this.#config, "responseModalities", "response_modalities")
    if (!list(modalities).every((modality) => modality === 1 || (typeof modality === "string" && modality.toUpperCase() === "TEXT")))
      found.push("generationConfig.responseModalities")
    entries(this.#body["tools"]).forEach((tool, index) => {
      if (!isObject(tool) || Object.keys(tool).some((key) => camel(key) !== "functionDeclarations" && present(tool[key])))
        found.push(`tools[${index}]`)
    })
    return found
  }

  metadata(name: string): string | null {
    const value = field(this.#body["labels"], name)
    return typeof value === "string" ? value : null
  }

  header(name: string): string | null {
    return this.#header(name)
  }
}

/** What is read of a body besides its text: one of two spellings. */
const twiceIn = (value: unknown, path: string): GatewayError | undefined => {
  if (!isObject(value)) return undefined
  const seen = new Set<string>()
  for (const key of Object.keys(value)) {
    const name = camel(key)
    if (seen.has(name))
      return refuse(
        "duplicate_key",
        `\`${path}${name.slice(0, 64)}\` stands in the body in both of its spellings, so readers may disagree on what it says`,
        {
          param: `${path}${name.slice(0, 64)}`
        }
      )
    seen.add(name)
  }
  return undefined
}

/** What is wrong with a body and the address that it was sent to. */
const fault = (json: Json, model: string | undefined, path: string): GatewayError | undefined => {
  if (model === undefined || model === "")
    return refuse("missing_model", "the address names no model: name a target, an alias or `provider/model` in it", { param: "model" })
  const config = either(json, "generationConfig", "generation_config")
  const twice =
    twiceIn(json, path) ??
    twiceIn(config, `${path}generationConfig.`) ??
    twiceIn(either(config, "thinkingConfig", "thinking_config"), `${path}generationConfig.thinkingConfig.`)
  if (twice !== undefined) return twice
  const { contents } = json
  return Array.isArray(contents) || isObject(contents)
    ? undefined
    : refuse("invalid_request", `\`${path}contents\` must be a list of contents`, { param: `${path}contents` })
}

/** Reads a request for an answer. */
export const parseGenerate =
  (stream: boolean): Api["parse"] =>
  (bytes, header, utf8, model) => {
    const body = readBody(bytes, utf8)
    if (isRefused(body)) return body
    const { ascii, json } = body
    return fault(json, model, "") ?? { ...body, ask: new GenerateAsk("generate", json, model ?? "", stream, ascii, header) }
  }

/** The request whose tokens are counted: the body's own fields, or those of the whole request in it. */
export const countedIn = (json: Json): Json => {
  const whole = either(json, "generateContentRequest", "generate_content_request")
  return isObject(whole) ? whole : json
}

/** Reads a request to count tokens. */
export const parseCount: Api["parse"] = (bytes, header, utf8, model) => {
  const body = readBody(bytes, utf8)
  if (isRefused(body)) return body
  const { ascii, json } = body
  const counted = countedIn(json)
  const path = counted === json ? "" : "generateContentRequest."
  const wrong = (counted === json ? undefined : twiceIn(json, "")) ?? fault(counted, model, path)
  return wrong ?? { ...body, ask: new GenerateAsk("count", counted, model ?? "", false, ascii, header) }
}
