/**
 * Embeddings as OpenAI's API writes them, which nearly every host of Chat Completions speaks too: what callers ask and read, what targets are sent and answer.
 *
 * Vectors are numbers, or base64 of 32-bit floats with the little end first. The official clients ask for base64 unless told otherwise and a host may answer as it likes, so
 * that either is turned into the other; no bit of a 32-bit float is lost.
 *
 * Source: https://platform.openai.com/docs/api-reference/embeddings
 */
import * as Result from "effect/Result"
import { type Ask, noMedia } from "../../Ask.ts"
import type { Api } from "../../Call.ts"
import type { Extra, Usage } from "../../Conversation.ts"
import type { BadField, CallerDialect, EmbeddingDialect, Loss } from "../../Dialect.ts"
import type { EmbeddingInput, EmbeddingRequest, Embeddings } from "../../Embedding.ts"
import type { Failure } from "../../Failure.ts"
import { refuse } from "../../GatewayError.ts"
import { isRefused, readBody } from "../body.ts"
import { lossesOf, noteOthers, present, restore } from "../extras.ts"
import { malformed } from "../failures.ts"
import { field, isObject, type Json, listAt, textAt } from "../json.ts"
import { bytesOf } from "../measure.ts"
import { failureIn } from "./failure.ts"
import { asWritten } from "./reading.ts"
import { usageExtras, usageOf } from "./usage.ts"

/** The vector that base64 spells; undefined where it spells none. */
const numbersOf = (base64: string): ReadonlyArray<number> | undefined => {
  try {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
    if (bytes.length % 4 !== 0) return undefined
    const view = new DataView(bytes.buffer)
    return Array.from({ length: bytes.length / 4 }, (_none, index) => view.getFloat32(index * 4, true))
  } catch {
    return undefined
  }
}

const base64Of = (numbers: ReadonlyArray<number>): string => {
  const view = new DataView(new ArrayBuffer(numbers.length * 4))
  numbers.forEach((number, index) => view.setFloat32(index * 4, number, true))
  let text = ""
  for (let at = 0; at < view.byteLength; at++) text += String.fromCharCode(view.getUint8(at))
  return btoa(text)
}

const isToken = (value: unknown): value is number => typeof value === "number" && Number.isSafeInteger(value) && value >= 0
const isTokens = (value: unknown): value is ReadonlyArray<number> => {
  const list: ReadonlyArray<unknown> = Array.isArray(value) ? value : []
  return list.length > 0 && list.every(isToken)
}

const shapes = "expected a text, a list of texts, a list of tokens or a list of such lists"

/** What `input` says in one of its four shapes. */
const readInput = (input: unknown): { readonly inputs: ReadonlyArray<EmbeddingInput>; readonly many: boolean } | undefined => {
  if (typeof input === "string") return { inputs: [{ _tag: "Text", text: input, at: "input" }], many: false }
  if (isTokens(input)) return { inputs: [{ _tag: "Tokens", tokens: input, at: "input" }], many: false }
  const list: ReadonlyArray<unknown> = Array.isArray(input) ? input : []
  if (list.length === 0) return undefined
  const texts = typeof list[0] === "string"
  const inputs: Array<EmbeddingInput> = []
  for (let index = 0; index < list.length; index++) {
    const value = list[index]
    const at = `input[${index}]`
    if (texts && typeof value === "string") inputs.push({ _tag: "Text", text: value, at })
    else if (!texts && isTokens(value)) inputs.push({ _tag: "Tokens", tokens: value, at })
    else return undefined
  }
  return { inputs, many: true }
}

const requestKeys = new Set(["model", "input", "dimensions", "encoding_format", "user"])

const bad = (path: string, message: string): Result.Result<never, BadField> => Result.fail({ path, message })

/** Decodes the parsed body of a request. */
const decodeRequest = (body: unknown): Result.Result<EmbeddingRequest, BadField> => {
  if (!isObject(body)) return bad("", "expected a JSON object")
  const { dimensions, encoding_format: format, input, model, user } = body
  if (typeof model !== "string") return bad("model", "expected a string")
  const read = readInput(input)
  if (read === undefined) return bad("input", shapes)
  if (present(dimensions) && !(isToken(dimensions) && dimensions > 0)) return bad("dimensions", "expected an integer of at least 1")
  if (present(format) && format !== "float" && format !== "base64") return bad("encoding_format", "expected `float` or `base64`")
  if (present(user) && typeof user !== "string") return bad("user", "expected a string")
  const extras: Array<Extra> = []
  noteOthers(extras, "", body, requestKeys, true)
  // What no other tokenizer reads is the whole of what is asked.
  const tokens = read.inputs.find(({ _tag }) => _tag === "Tokens")
  if (tokens !== undefined) extras.push({ field: tokens.at, value: undefined, matters: false, needed: true })
  return Result.succeed({
    dialect: "chat.completions",
    model,
    ...read,
    extras,
    ...(isToken(dimensions) ? { dimensions } : {}),
    ...(format === "float" || format === "base64" ? { format } : {}),
    ...(typeof user === "string" ? { userId: user } : {}),
    named: {
      ...(present(dimensions) ? { dimensions: "dimensions" } : {}),
      ...(present(format) ? { format: "encoding_format" } : {}),
      ...(present(user) ? { userId: "user" } : {})
    }
  })
}

/** Encodes a request. What cannot be embedded leaves an empty text in its place, which providers refuse: the vectors that follow must not answer for it. */
const encodeRequest: EmbeddingDialect["encodeRequest"] = (request, target) => {
  const own = request.dialect === "chat.completions"
  const losses = own ? [] : [...lossesOf(request.extras, "the embeddings API")]
  const inputs = request.inputs.map((input): unknown => {
    switch (input._tag) {
      case "Text":
        if (input.title !== undefined) losses.push({ field: input.at, reason: "a text to be embedded has no title" })
        return input.text
      case "Tokens":
        return input.tokens
      case "Foreign":
        losses.push({ field: input.at, reason: `\`${input.type}\` cannot be embedded` })
        return ""
    }
  })
  if (request.task !== undefined) losses.push({ field: request.named.task ?? "task", reason: "the embeddings API takes no task" })
  const lone = inputs.length === 1 && !request.many
  const body: Record<string, unknown> = {
    model: target.deployment ?? target.model,
    input: lone ? inputs[0] : inputs,
    ...(request.dimensions === undefined ? {} : { dimensions: request.dimensions }),
    ...(request.format === undefined ? {} : { encoding_format: request.format }),
    ...(request.userId === undefined ? {} : { user: request.userId })
  }
  if (own)
    restore(
      body,
      request.extras.filter(({ needed }) => needed !== true)
    )
  return { body, losses }
}

const answerKeys = new Set(["model", "data", "usage"])
const entryKeys = new Set(["embedding", "index", "object"])

/** Usage in an answer: there is no output. */
const writeUsage = ({ inputTokens }: Pick<Usage, "inputTokens">): Json => ({ prompt_tokens: inputTokens, total_tokens: inputTokens })

const isVector = (value: unknown): value is ReadonlyArray<number> | string =>
  typeof value === "string" ? numbersOf(value) !== undefined : Array.isArray(value) && value.every((one) => typeof one === "number")

/** The entries in the order of the inputs, which their indexes tell. */
const ordered = (data: ReadonlyArray<unknown>): ReadonlyArray<unknown> => {
  const indexes = data.map((entry, position) => {
    const index = field(entry, "index")
    return typeof index === "number" ? index : position
  })
  const order = indexes.map((index, position) => ({ index, position })).sort((one, other) => one.index - other.index)
  return order.map(({ position }) => data[position])
}

/** Decodes the parsed body of an answer. */
const decodeAnswer = (body: unknown): Result.Result<Embeddings, Failure> => {
  const failed = failureIn(body)
  if (failed !== undefined) return Result.fail(failed)
  const data = ordered(listAt(body, "data"))
  const vectors = data.map((entry) => field(entry, "embedding"))
  if (!isObject(body) || !Array.isArray(body["data"]) || !vectors.every(isVector))
    return Result.fail(malformed("expected `data[].embedding` in the provider's answer"))
  const extras: Array<Extra> = []
  data.forEach((entry, index) => {
    // INVARIANT: it has a vector, so it is an object.
    const { index: told, object } = entry as Json
    noteOthers(extras, `data[${index}]`, entry as Json, entryKeys, false)
    if (told !== index) asWritten(extras, `data[${index}].index`, told ?? undefined)
    if (object !== "embedding") asWritten(extras, `data[${index}].object`, object ?? undefined)
  })
  noteOthers(extras, "", body, answerKeys, false)
  usageExtras(extras, body, writeUsage)
  const model = textAt(body, "model")
  const usage = usageOf(body)
  return Result.succeed({
    dialect: "chat.completions",
    vectors,
    extras,
    ...(model === undefined ? {} : { model }),
    ...(usage === undefined ? {} : { usage })
  })
}

/** A vector in the format that the caller reads. */
const vectorOf = (vector: ReadonlyArray<number> | string, format: EmbeddingRequest["format"]): ReadonlyArray<number> | string => {
  if (format === "base64") return typeof vector === "string" ? vector : base64Of(vector)
  return typeof vector === "string" ? (numbersOf(vector) ?? []) : vector
}

const untold: Loss = { field: "usage", reason: "the provider did not say how many tokens there were" }

/** Encodes an answer. */
const encodeAnswer: NonNullable<CallerDialect["embeddings"]>["encodeAnswer"] = (answer, request, context) => {
  const own = answer.dialect === "chat.completions"
  const body: Record<string, unknown> = {
    object: "list",
    data: answer.vectors.map((vector, index) => ({ object: "embedding", index, embedding: vectorOf(vector, request.format) })),
    model: own ? (answer.model ?? context.model) : context.model,
    // Clients rely on it (`CreateEmbeddingResponse` in `openai/resources/embeddings.d.ts`).
    ...(answer.usage === undefined && own ? {} : { usage: writeUsage(answer.usage ?? { inputTokens: 0 }) })
  }
  const left = own ? restore(body, answer.extras) : answer.extras
  const losses = lossesOf(left, "an answer with embeddings")
  return { body, losses: answer.usage === undefined && !own ? [...losses, untold] : losses }
}

/** What a target is asked and answers. */
export const embeddingDialect: EmbeddingDialect = { path: () => "/embeddings", encodeRequest, decodeAnswer }

/** What callers ask and read. */
export const embeddingCaller: NonNullable<CallerDialect["embeddings"]> = { decodeRequest, encodeAnswer }

/** A token that the caller has made is one, however many bytes it stands for. */
const measure = (inputs: ReadonlyArray<EmbeddingInput>, ascii: boolean): number => {
  const texts: Array<string> = []
  let tokens = 0
  for (const input of inputs) {
    if (input._tag === "Text") texts.push(input.text)
    else if (input._tag === "Tokens") tokens += input.tokens.length
  }
  return bytesOf(texts, ascii) + tokens
}

const no = (): boolean => false

const askOf = ({ inputs, model }: EmbeddingRequest, ascii: boolean, header: Ask["header"]): Ask => ({
  operation: "embed",
  model,
  stream: false,
  inputBytes: () => measure(inputs, ascii),
  maxOutputTokens: () => null,
  messages: () => inputs.length,
  needsTools: no,
  needsVision: no,
  needsStructuredOutput: no,
  hasFormat: no,
  needsReasoning: no,
  metadata: () => null,
  header,
  choices: () => 1,
  media: () => noMedia,
  extras: () => []
})

/** Reads a request's body. */
export const parseEmbeddings: Api["parse"] = (bytes, header, read) => {
  const body = readBody(bytes, read)
  if (isRefused(body)) return body
  const { model } = body.json
  if (model === undefined || model === null || model === "")
    return refuse("missing_model", "`model` is missing: name a target, an alias or `provider/model`", { param: "model" })
  const decoded = decodeRequest(body.json)
  if (Result.isFailure(decoded)) {
    const { message, path } = decoded.failure
    return refuse("invalid_request", `\`${path}\`: ${message}`, { param: path })
  }
  return { ...body, ask: askOf(decoded.success, body.ascii, header) }
}
