/**
 * Embeddings: `embedContent` for one input, `batchEmbedContents` for several, and Vertex AI's `predict`, which says the same in other words.
 *
 * Each request of a batch has its own settings; the model has one of each for all. The first request's count, and where another differs it is kept as an extra. A content of one text is an input;
 * several parts, or a picture, are one input that only this API takes.
 *
 * An input that only its caller's own API can read is `needed`, so that no provider of another is asked for the rest. Where one is asked all the same (Vertex AI, for more than a text), it is reported and
 * sent empty, which the API refuses: leaving it out would give the vectors of the others to the wrong inputs.
 *
 * Sources: https://ai.google.dev/api/embeddings; cloud.google.com, "Text embeddings API"
 */
import * as Result from "effect/Result"
import type { Ask } from "../../Ask.ts"
import { noMedia } from "../../Ask.ts"
import type { Api } from "../../Call.ts"
import type { Extra, Usage } from "../../Conversation.ts"
import type { CallerDialect, EmbeddingDialect, Loss } from "../../Dialect.ts"
import type { EmbeddingInput, EmbeddingRequest, Embeddings } from "../../Embedding.ts"
import { refuse as refuseCall } from "../../GatewayError.ts"
import type { Change } from "../../JsonScan.ts"
import { isRefused, readBody } from "../body.ts"
import { lossesOf, noteOthers as noteFields, restore } from "../extras.ts"
import { malformed } from "../failures.ts"
import { countAt, field, isObject, type Json, listAt, print } from "../json.ts"
import { bytesOf } from "../measure.ts"
import { measure, mediaOf } from "./ask.ts"
import { modelName } from "./decode.ts"
import { canonical, either, entries, type Struct } from "./names.ts"
import { aCount, aText, note, noteAbsent, noteOthers, type Reading, refuse, structAt } from "./reading.ts"

type Body = Record<string, unknown>

const pathOf = (deployment: string, method: string): string => `/models/${encodeURIComponent(deployment)}:${method}`

const isBatch = ({ inputs, many }: EmbeddingRequest): boolean => many || inputs.length !== 1

const contentOf = (input: EmbeddingInput, own: boolean, losses: Array<Loss>): unknown => {
  if (input._tag === "Text") return { parts: [{ text: input.text }] }
  if (input._tag === "Foreign" && own) return input.value
  losses.push({
    field: input.at,
    reason:
      input._tag === "Tokens"
        ? "Gemini takes texts, not the tokens of another tokenizer"
        : `\`${input.type}\` has no place in a request for embeddings`
  })
  return { parts: [] }
}

const lossesIn = (request: EmbeddingRequest, what: string): Array<Loss> => {
  const losses: Array<Loss> = []
  if (request.userId !== undefined) losses.push({ field: request.named.userId ?? "user", reason: "Gemini is not told who the end user is" })
  if (request.dialect !== "generateContent") losses.push(...lossesOf(request.extras, what))
  return losses
}

const encodeRequest: EmbeddingDialect["encodeRequest"] = (request, target) => {
  const own = request.dialect === "generateContent"
  const losses = lossesIn(request, "Gemini's API")
  const model = `models/${target.deployment ?? target.model}`
  const requests = request.inputs.map((input): Body => ({
    model,
    content: contentOf(input, own, losses),
    ...(request.task === undefined ? {} : { taskType: request.task }),
    ...(input._tag === "Text" && input.title !== undefined ? { title: input.title } : {}),
    ...(request.dimensions === undefined ? {} : { outputDimensionality: request.dimensions })
  }))
  const body: Body = isBatch(request) ? { requests } : requests[0]!
  if (own)
    restore(
      body,
      request.extras.flatMap((extra) => (extra.needed === true ? [] : [{ ...extra, field: canonical(extra.field) }]))
    )
  return { body, losses }
}

const vectorOf = (value: unknown): ReadonlyArray<number> | undefined => {
  const values = field(value, "values")
  return Array.isArray(values) && values.every((one) => typeof one === "number") ? (values as ReadonlyArray<number>) : undefined
}

const usage = (inputTokens: number): Usage => ({
  inputTokens,
  cachedInputTokens: 0,
  cacheWriteInputTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0
})

const answerOf = (vectors: ReadonlyArray<ReadonlyArray<number> | undefined>, extras: ReadonlyArray<Extra>, tokens: number | undefined) => {
  const whole = vectors.filter((vector) => vector !== undefined)
  if (whole.length === 0 || whole.length < vectors.length)
    return Result.fail(malformed("expected vectors of numbers in the provider's answer"))
  const answer: Embeddings = { dialect: "generateContent", vectors: whole, extras }
  return Result.succeed(tokens === undefined ? answer : { ...answer, usage: usage(tokens) })
}

const decodeAnswer: EmbeddingDialect["decodeAnswer"] = (body) => {
  if (!isObject(body)) return Result.fail(malformed("expected a JSON object in the provider's answer"))
  const lone = field(body, "embedding")
  const list = lone === undefined ? listAt(body, "embeddings") : [lone]
  const extras: Array<Extra> = []
  noteFields(extras, "", body, new Set(["embedding", "embeddings", "usageMetadata"]), false)
  list.forEach((vector, index) => {
    const at = lone === undefined ? `embeddings[${index}]` : "embedding"
    if (isObject(vector)) noteFields(extras, at, vector, new Set(["values"]), false)
  })
  const counted = field(body, "usageMetadata")
  if (isObject(counted)) noteFields(extras, "usageMetadata", counted, new Set(["promptTokenCount"]), false)
  return answerOf(list.map(vectorOf), extras, isObject(counted) ? countAt(counted, "promptTokenCount") : undefined)
}

/** Gemini's API as a target. */
export const embeddings: EmbeddingDialect = {
  path: (deployment, request) => pathOf(deployment, isBatch(request) ? "batchEmbedContents" : "embedContent"),
  encodeRequest,
  decodeAnswer
}

/** Vertex AI as a target: a body of its own, so a caller's bytes never go on as they are. */
export const vertexEmbeddings: EmbeddingDialect = {
  forwards: false,
  path: (deployment) => pathOf(deployment, "predict"),
  encodeRequest: (request) => {
    const losses = lossesIn(request, "Vertex AI's API")
    if (request.dialect === "generateContent") losses.push(...lossesOf(request.extras, "Vertex AI's API"))
    const instances = request.inputs.map((input) => ({
      content: input._tag === "Text" ? input.text : (contentOf(input, false, losses), ""),
      ...(request.task === undefined ? {} : { task_type: request.task }),
      ...(input._tag === "Text" && input.title !== undefined ? { title: input.title } : {})
    }))
    return {
      body: { instances, ...(request.dimensions === undefined ? {} : { parameters: { outputDimensionality: request.dimensions } }) },
      losses
    }
  },
  decodeAnswer: (body) => {
    const list = listAt(body, "predictions").map((prediction) => field(prediction, "embeddings"))
    const tokens = list.map((vector) => countAt(field(vector, "statistics"), "token_count"))
    const counted = list.some((vector) => field(field(vector, "statistics"), "token_count") !== undefined)
    const total = tokens.reduce((sum, one) => sum + one, 0)
    const extras: ReadonlyArray<Extra> = list.flatMap((vector, index) =>
      field(field(vector, "statistics"), "truncated") === true
        ? [
            {
              field: `predictions[${index}].embeddings.statistics.truncated`,
              value: true,
              matters: true,
              reason: "only the beginning of this input was read"
            }
          ]
        : []
    )
    return answerOf(list.map(vectorOf), extras, counted ? total : undefined)
  }
}

const requestKeys = new Set(["model", "content", "taskType", "title", "outputDimensionality"])

interface Settings {
  readonly task: string | undefined
  readonly dimensions: number | undefined
}

const settingsOf = (reading: Reading, request: Struct): Settings => ({
  task: request.has("taskType") ? aText(reading, request.path("taskType"), request.get("taskType")) : undefined,
  dimensions: request.has("outputDimensionality")
    ? aCount(reading, request.path("outputDimensionality"), request.get("outputDimensionality"))
    : undefined
})

/** Keeps what one request of a batch says otherwise than the first. */
const noteDifferences = (reading: Reading, request: Struct, said: Settings, first: Settings): void => {
  const differ = (name: string, mine: unknown, common: unknown): void => {
    if (mine !== common) note(reading, request.path(name), mine, true, "the inputs of one request share their settings")
  }
  differ("taskType", said.task, first.task)
  differ("outputDimensionality", said.dimensions, first.dimensions)
}

const inputOf = (reading: Reading, request: Struct): EmbeddingInput | undefined => {
  const place = request.path("content")
  const content = structAt(reading, request.get("content"), place)
  if (content === undefined) return undefined
  const parts = entries(content.get("parts"))
  const [only] = parts
  const title = request.has("title") ? aText(reading, request.path("title"), request.get("title")) : undefined
  const text = parts.length === 1 && isObject(only) && Object.keys(only).length === 1 ? field(only, "text") : undefined
  if (typeof text === "string") {
    for (const name of content.names()) if (name !== "parts") note(reading, content.path(name), content.get(name), false)
    return { _tag: "Text", text, at: place, ...(title === undefined ? {} : { title }) }
  }
  if (title !== undefined) note(reading, request.path("title"), title, true)
  // Without it there is nothing to embed, or not what was asked for.
  reading.extras.push({ field: place, value: undefined, matters: false, needed: true })
  return { _tag: "Foreign", type: "content", value: request.get("content"), at: place }
}

const decodeRequest: NonNullable<CallerDialect["embeddings"]>["decodeRequest"] = (body, ask) => {
  const reading: Reading = { bad: undefined, extras: [] }
  const top = structAt(reading, body, "")
  const many = top?.has("requests") === true
  const list = many ? entries(top.get("requests")) : [body]
  if (many && list.length === 0) refuse(reading, "requests", "expected a list of requests")
  if (many && top !== undefined) noteOthers(reading, top, new Set(["requests", "model"]), () => true)
  const inputs: Array<EmbeddingInput> = []
  const named: { -readonly [Key in keyof EmbeddingRequest["named"]]: EmbeddingRequest["named"][Key] } = {}
  let first: Settings | undefined
  for (let index = 0; index < list.length && reading.bad === undefined; index++) {
    const request = structAt(reading, list[index], many ? `requests[${index}]` : "")
    if (request === undefined) break
    const said = settingsOf(reading, request)
    if (first === undefined) {
      if (said.task !== undefined) named.task = request.path("taskType")
      if (said.dimensions !== undefined) named.dimensions = request.path("outputDimensionality")
    } else noteDifferences(reading, request, said, first)
    first ??= said
    noteOthers(reading, request, requestKeys, () => true)
    if (!request.has("model")) noteAbsent(reading, request.path("model"))
    const input = inputOf(reading, request)
    if (input !== undefined) inputs.push(input)
  }
  if (reading.bad !== undefined) return Result.fail(reading.bad)
  return Result.succeed({
    dialect: "generateContent",
    model: ask?.model ?? modelName(top?.text("model") ?? ""),
    inputs,
    many,
    ...(first?.dimensions === undefined ? {} : { dimensions: first.dimensions }),
    ...(first?.task === undefined ? {} : { task: first.task }),
    extras: reading.extras,
    named
  })
}

/** The numbers of base64 of 32-bit floats; undefined where it is none. */
const floats = (text: string): ReadonlyArray<number> | undefined => {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.replace(/=+$/, "").length % 4 === 1) return undefined
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  if (bytes.length % 4 !== 0) return undefined
  const view = new DataView(bytes.buffer)
  return Array.from({ length: bytes.length / 4 }, (_, index) => view.getFloat32(index * 4, true))
}

const encodeAnswer: NonNullable<CallerDialect["embeddings"]>["encodeAnswer"] = (answer, request) => {
  const losses: Array<Loss> = []
  const vectors = answer.vectors.map((vector, index) => {
    const values = typeof vector === "string" ? floats(vector) : vector
    if (values === undefined) losses.push({ field: `data[${index}].embedding`, reason: "the vector is no base64 of 32-bit floats" })
    return { values: values ?? [] }
  })
  const body: Body = isBatch(request) ? { embeddings: vectors } : { embedding: vectors[0] ?? { values: [] } }
  if (answer.usage !== undefined) body["usageMetadata"] = { promptTokenCount: answer.usage.inputTokens }
  if (answer.dialect === "generateContent") losses.push(...lossesOf(restore(body, answer.extras), "the answer"))
  else losses.push(...lossesOf(answer.extras, "Gemini's API"))
  return { body, losses }
}

/** Callers of Gemini's API. */
/** What has to change in a body that names its model so that it names this one: the address of a forwarded request is not its only place. */
export const renamed = (body: Json, deployment: string): ReadonlyArray<Change> => {
  const model = `models/${deployment}`
  const wrong = (request: unknown): boolean => {
    const name = field(request, "model")
    return typeof name === "string" && modelName(name) !== deployment
  }
  const { requests } = body
  if (!Array.isArray(requests)) return wrong(body) ? [{ key: "model", json: JSON.stringify(model) }] : []
  if (!requests.some(wrong)) return []
  const told = requests.map((request: unknown) => (isObject(request) && wrong(request) ? { ...request, model } : request))
  const json = print(told)
  return json === "" ? [] : [{ key: "requests", json }]
}

export const embeddingsCaller: NonNullable<CallerDialect["embeddings"]> = { decodeRequest, encodeAnswer, renamed }

const nothing = {
  maxOutputTokens: () => null,
  needsTools: () => false,
  needsStructuredOutput: () => false,
  hasFormat: () => false,
  needsReasoning: () => false
}

const askOf = (
  contents: ReadonlyArray<unknown>,
  titles: ReadonlyArray<string>,
  model: string,
  ascii: boolean,
  header: Ask["header"]
): Ask => ({
  ...nothing,
  operation: "embed",
  model,
  stream: false,
  inputBytes: () => {
    const texts = [...titles]
    const around = measure(contents, texts)
    return around + bytesOf(texts, ascii)
  },
  messages: () => contents.length,
  needsVision: () => mediaOf(contents).images > 0,
  metadata: () => null,
  header,
  choices: () => 1,
  media: () => (contents.length === 0 ? noMedia : mediaOf(contents)),
  extras: () => []
})

/** Reads a request for the vector of one input, or for those of several. */
export const parseEmbed =
  (batch: boolean): Api["parse"] =>
  (bytes, header, utf8, model) => {
    const body = readBody(bytes, utf8)
    if (isRefused(body)) return body
    if (model === undefined || model === "")
      return refuseCall("missing_model", "the address names no model: name a target, an alias or `provider/model` in it", {
        param: "model"
      })
    const { ascii, json } = body
    if (batch !== Object.hasOwn(json, "requests")) {
      return batch
        ? refuseCall("invalid_request", "`requests` must be a list of requests", { param: "requests" })
        : refuseCall("invalid_request", "`requests` belongs to `batchEmbedContents`: expected one `content`", { param: "requests" })
    }
    const decoded = decodeRequest(json, { model })
    if (Result.isFailure(decoded)) {
      const { message, path } = decoded.failure
      return refuseCall("invalid_request", `\`${path}\`: ${message}`, { param: path })
    }
    const requests = batch ? entries(json["requests"]) : [json]
    const titles = requests.flatMap((request) => {
      const title = either(request, "title", "title")
      return typeof title === "string" ? [title] : []
    })
    return {
      ...body,
      ask: askOf(
        requests.map((request) => field(request, "content")),
        titles,
        model,
        ascii,
        header
      )
    }
  }
