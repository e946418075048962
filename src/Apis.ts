/**
 * The APIs that callers speak, each at its addresses: the provider's own, so that a client needs another base URL and nothing else, and the same behind a prefix for clients whose
 * base URL names a provider. A new API is its dialect's caller half, and its addresses here.
 */
import type { Api } from "./Call.ts"
import { type GatewayError, refuse } from "./GatewayError.ts"
import { countTokens, messages } from "./providers/anthropic.ts"
import { anthropicModelList } from "./providers/anthropic/list.ts"
import {
  batchEmbedContents,
  countTokens as countGeminiTokens,
  embedContent,
  generateContent,
  streamGenerateContent
} from "./providers/gemini.ts"
import { chatCompletions, embeddings } from "./providers/openai.ts"
import { openaiModelList } from "./providers/openai/list.ts"
import { geminiModelList } from "./providers/gemini/list.ts"
import { responsesApi } from "./providers/responses.ts"
import type { ModelList } from "./ModelList.ts"

/** The APIs that are spoken at one address each. */
const fixed: ReadonlyMap<string, Api> = new Map(
  (
    [
      ["chat/completions", chatCompletions, "/v1/", "/openai/v1/", "/openai/"],
      ["responses", responsesApi, "/v1/", "/openai/v1/", "/openai/"],
      ["embeddings", embeddings, "/v1/", "/openai/v1/", "/openai/"],
      ["messages", messages, "/v1/", "/anthropic/v1/", "/anthropic/"],
      ["messages/count_tokens", countTokens, "/v1/", "/anthropic/v1/", "/anthropic/"]
    ] as const
  ).flatMap(([name, api, ...prefixes]) => prefixes.map((prefix) => [`${prefix}${name}`, api] as const))
)

/** The APIs whose address names the model, by what stands behind it. */
const methods: Readonly<Record<string, Api>> = {
  generateContent,
  streamGenerateContent,
  countTokens: countGeminiTokens,
  embedContent,
  batchEmbedContents
}

/** `/v1beta/models/{model}:generateContent`, and where clients of the cloud's API put it. A model's name may hold slashes. */
const addressed =
  /^(?:\/genai)?\/(?:v1|v1beta|v1beta1|v1alpha)\/(?:(?:projects\/[^/]+\/locations\/[^/]+\/)?publishers\/google\/)?(?:models|tunedModels)\/(.+):([A-Za-z]+)$/

/** An API that an address names. */
export interface Addressed {
  readonly api: Api
  /** The model that the address names; absent where the body does. */
  readonly model?: string
  /** Why it is not answered at this address. */
  readonly refusal?: GatewayError
}

const known: ReadonlyMap<string, Addressed> = new Map([...fixed].map(([path, api]) => [path, { api }]))

const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** What of a stream can be read: without `alt=sse` its own provider sends one long JSON array, which no SDK asks for. */
const asked = (query: string): boolean => new URLSearchParams(query).get("alt") === "sse"

/** Whether `path` names a method of a model, known or not. */
export const namesMethod = (path: string): boolean => /\/(?:models|tunedModels)\/.*:[A-Za-z]+$/.test(path)

/** The API at `path`; undefined where there is none. */
export const apiAt = (path: string, query = ""): Addressed | undefined => {
  const found = known.get(path)
  if (found !== undefined) return found
  const [, model, method] = addressed.exec(path) ?? []
  if (model === undefined || method === undefined || !Object.hasOwn(methods, method)) return undefined
  const api = methods[method]!
  const name = decoded(model)
  if (name === undefined) return { api, refusal: refuse("invalid_request", "the model in the address is not written as a URL demands") }
  if (api === streamGenerateContent && !asked(query))
    return { api, model: name, refusal: refuse("invalid_request", "a stream is answered as server-sent events only: add `?alt=sse`") }
  return { api, model: name }
}

/** The API of a request of which nothing is said. */
export const fallbackApi = chatCompletions

/** An API in whose shape errors are told of requests that have reached none: records name it so. */
const inShapeOf = (api: Api): Api => ({ ...api, name: "none" })
const [messagesShape, generateContentShape] = [inShapeOf(messages), inShapeOf(generateContent)]

/** Errors of requests that have reached no API, and are of no other dialect, are told in this one's shape. */
export const fallbackShape = inShapeOf(fallbackApi)

/** The API in whose shape an error at `path` is told, where none answers there. */
export const nearestApi = (path: string): Api =>
  /^\/(?:anthropic(?:\/|$)|v1\/messages(?:\/|$))/.test(path)
    ? messagesShape
    : /^\/(?:genai(?:\/|$)|v1beta|v1alpha)/.test(path)
      ? generateContentShape
      : fallbackShape

/** The APIs that answer, by what a person calls each: its name, or the method in its address, of which two may be one API. */
export const apis: ReadonlyMap<string, Api> = new Map([
  ...[...fixed.values()].map((api) => [api.name, api] as const),
  ...Object.entries(methods)
])

/** The names of all APIs, as facts and records have them. */
export const apiNames: ReadonlyArray<string> = [...new Set([...fixed.values(), ...Object.values(methods)].map(({ name }) => name))]

const lists: ReadonlyArray<readonly [address: RegExp, list: ModelList, api: Api]> = [
  [/^\/anthropic(?:\/v1)?\/models(?:\/(.+))?$/, anthropicModelList, messagesShape],
  [/^(?:\/genai)?\/(?:v1beta|v1alpha)\/models(?:\/(.+))?$|^\/genai\/v1\/models(?:\/(.+))?$/, geminiModelList, generateContentShape],
  [/^(?:\/v1|\/openai\/v1|\/openai)\/models(?:\/(.+))?$/, openaiModelList, fallbackShape]
]

/** A list of models, or one of them. */
export interface ModelsAddressed {
  readonly list: ModelList
  readonly model: string | undefined
  /** In whose shape an error is told. */
  readonly api: Api
}

/** Where models are listed, and the one that the address asks for; undefined elsewhere. An SDK that shares an address with another is known by its own headers. */
export const modelsAt = (path: string, header: (name: string) => string | undefined): ModelsAddressed | undefined => {
  for (const [address, list, api] of lists) {
    const found = address.exec(path)
    if (found === null) continue
    const named = found[1] ?? found[2]
    const model = named === undefined ? undefined : decoded(named)
    if (named !== undefined && model === undefined) return undefined
    if (list !== openaiModelList) return { list, model, api }
    if (header("anthropic-version") !== undefined) return { list: anthropicModelList, model, api: messagesShape }
    if (header("x-goog-api-key") !== undefined) return { list: geminiModelList, model, api: generateContentShape }
    return { list, model, api }
  }
  return undefined
}
