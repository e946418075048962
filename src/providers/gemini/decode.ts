/**
 * A generateContent request, decoded. Runs once a call, and only for a target of another dialect.
 *
 * Every name may be in camelCase or snake_case. Strict about shape, lenient about novelty: a known field of the wrong type is a `BadField`, as it would be a 400 at the provider; a field that is
 * not known becomes an `Extra`. The model and whether to stream are named by the address, not by the body.
 *
 * Sources: https://ai.google.dev/api/generate-content; cloud.google.com, "Generate content with the Gemini API in Vertex AI"
 */
import * as Result from "effect/Result"
import type { Conversation, Effort, Format, Sampling, Setting, Thinking, Tool, ToolChoice } from "../../Conversation.ts"
import type { CallerDialect } from "../../Dialect.ts"
import { isObject } from "../json.ts"
import { readContents, readInstruction } from "./contents.ts"
import { entries, type Struct } from "./names.ts"
import { aBoolean, aCount, aNumber, aText, note, noteAbsent, noteOthers, type Reading, refuse, structAt, texts } from "./reading.ts"
import { fromOpenApi } from "./schema.ts"

/** A conversation that is still being read. */
type Draft = { -readonly [Key in keyof Conversation]: Conversation[Key] }

interface Drafts {
  readonly reading: Reading
  readonly draft: Draft
  readonly sampling: { -readonly [Key in keyof Sampling]: Sampling[Key] }
  readonly named: Partial<Record<Setting, string>>
}

const declarationKeys = new Set(["name", "description", "parameters", "parametersJsonSchema"])

const readDeclaration = (reading: Reading, value: unknown, at: string): Tool | undefined => {
  const declaration = structAt(reading, value, at)
  if (declaration === undefined) return undefined
  const name = aText(reading, declaration.path("name"), declaration.get("name"))
  const description = declaration.has("description")
    ? aText(reading, declaration.path("description"), declaration.get("description"))
    : undefined
  const field = declaration.has("parametersJsonSchema") ? "parametersJsonSchema" : "parameters"
  const given = declaration.get(field)
  if (given !== undefined && !isObject(given)) return refuse(reading, declaration.path(field), "expected a schema")
  if (field === "parameters" && given !== undefined) noteAbsent(reading, `${at}.parametersJsonSchema`)
  else if (declaration.has("parameters")) note(reading, declaration.path("parameters"), declaration.get("parameters"), true)
  noteOthers(reading, declaration, declarationKeys, (key) => key !== "behavior")
  if (name === undefined) return undefined
  return {
    name,
    at,
    ...(description === undefined ? {} : { description }),
    ...(given === undefined ? {} : { schema: field === "parameters" ? fromOpenApi(given) : given })
  }
}

const ofItsOwn = (name: string): string => `\`${name}\` is a tool of the provider's own`

const readTools = (reading: Reading, value: unknown, at: string): ReadonlyArray<Tool> => {
  const tools: Array<Tool> = []
  if (!Array.isArray(value) && !isObject(value)) {
    refuse(reading, at, "expected a list of tools")
    return tools
  }
  const list = entries(value)
  for (let index = 0; index < list.length && reading.bad === undefined; index++) {
    const place = `${at}[${index}]`
    const tool = structAt(reading, list[index], place)
    if (tool === undefined) break
    const declarations = entries(tool.get("functionDeclarations"))
    if (declarations.length === 0) {
      const own = [...tool.names()].find((name) => name !== "functionDeclarations")
      note(reading, place, list[index], own !== undefined, own && ofItsOwn(own))
      continue
    }
    for (let one = 0; one < declarations.length; one++) {
      const found = readDeclaration(reading, declarations[one], `${tool.path("functionDeclarations")}[${one}]`)
      if (found !== undefined) tools.push(found)
    }
    for (const name of tool.names()) {
      if (name !== "functionDeclarations") note(reading, tool.path(name), tool.get(name), true, ofItsOwn(name))
    }
  }
  return tools
}

/** The modes by their numbers, which are read as well. */
const modes: Readonly<Record<number, string>> = { 1: "AUTO", 2: "ANY", 3: "NONE" }
const choiceKeys = new Set(["mode", "allowedFunctionNames"])

const choiceOf = (drafts: Drafts, config: Struct): ToolChoice | undefined => {
  const { reading } = drafts
  const given = config.get("mode")
  const mode = typeof given === "number" ? modes[given] : typeof given === "string" ? given.toUpperCase() : "MODE_UNSPECIFIED"
  const names = config.has("allowedFunctionNames")
    ? texts(reading, config.path("allowedFunctionNames"), config.get("allowedFunctionNames"))
    : []
  if (names === undefined) return undefined
  switch (mode) {
    case "NONE":
      return { _tag: "None" }
    case "ANY":
      if (names.length === 0) return { _tag: "Required" }
      return names.length === 1 ? { _tag: "Named", name: names[0]! } : { _tag: "Among", names, required: true }
    case "VALIDATED":
      note(reading, config.path("mode"), given, true, "whether arguments keep to their schema is said of each tool elsewhere")
      return names.length === 0 ? { _tag: "Auto" } : { _tag: "Among", names, required: false }
    case "AUTO":
      return names.length === 0 ? { _tag: "Auto" } : { _tag: "Among", names, required: false }
    case "MODE_UNSPECIFIED":
      if (names.length > 0) note(reading, config.path("allowedFunctionNames"), names, true)
      return undefined
    default:
      return refuse(reading, config.path("mode"), "expected `AUTO`, `ANY`, `NONE` or `VALIDATED`")
  }
}

const readToolConfig = (drafts: Drafts, value: unknown, at: string): void => {
  const { draft, named, reading } = drafts
  const config = structAt(reading, value, at)
  if (config === undefined) return
  noteOthers(reading, config, new Set(["functionCallingConfig"]), () => true)
  if (!config.has("functionCallingConfig")) return
  const calling = structAt(reading, config.get("functionCallingConfig"), config.path("functionCallingConfig"))
  if (calling === undefined) return
  noteOthers(reading, calling, choiceKeys, (name) => name !== "streamFunctionCallArguments")
  const choice = choiceOf(drafts, calling)
  if (choice === undefined) return
  draft.toolChoice = choice
  named.toolChoice = calling.at
}

/** The fields that hold a schema; of two, the first is read. */
const schemas = ["responseJsonSchema", "_responseJsonSchema", "responseSchema"]

const readFormat = ({ draft, named, reading }: Drafts, config: Struct): void => {
  const type = config.has("responseMimeType") ? aText(reading, config.path("responseMimeType"), config.get("responseMimeType")) : undefined
  const [field, ...rest] = schemas.filter((name) => config.has(name))
  const readable = type === undefined || type === "application/json"
  const unread = readable ? rest : schemas.filter((name) => config.has(name))
  for (const name of unread) note(reading, config.path(name), config.get(name), true)
  if (readable && field !== undefined) {
    const given = config.get(field)
    if (!isObject(given)) return refuse(reading, config.path(field), "expected a schema")
    if (type === undefined) noteAbsent(reading, `${config.at}.responseMimeType`)
    const format: Format = { _tag: "JsonSchema", schema: field === "responseSchema" ? fromOpenApi(given) : given, at: config.path(field) }
    draft.format = format
    named.format = config.path(field)
  } else if (type !== undefined) {
    const format = type === "application/json" ? "JsonObject" : type === "text/plain" ? "Text" : undefined
    if (format === undefined) return note(reading, config.path("responseMimeType"), type, true)
    draft.format = { _tag: format }
    named.format = config.path("responseMimeType")
  }
}

const levels: Readonly<Record<string, Effort>> = { MINIMAL: "minimal", LOW: "low", MEDIUM: "medium", HIGH: "high" }

/** How much to think, where the caller says it. */
const amountOf = (reading: Reading, config: Struct): readonly [Thinking, string] | undefined => {
  const level = config.get("thinkingLevel")
  if (level !== undefined) {
    const effort = typeof level === "string" && Object.hasOwn(levels, level.toUpperCase()) ? levels[level.toUpperCase()] : undefined
    if (config.has("thinkingBudget")) note(reading, config.path("thinkingBudget"), config.get("thinkingBudget"), true)
    if (effort !== undefined) return [{ _tag: "Effort", effort }, config.path("thinkingLevel")]
    note(reading, config.path("thinkingLevel"), level, level !== "THINKING_LEVEL_UNSPECIFIED")
    return undefined
  }
  if (!config.has("thinkingBudget")) return undefined
  const budget = aNumber(reading, config.path("thinkingBudget"), config.get("thinkingBudget"))
  if (budget === undefined) return undefined
  const thinking: Thinking =
    budget === 0 ? { _tag: "Effort", effort: "none" } : budget < 0 ? { _tag: "Auto" } : { _tag: "Budget", tokens: budget }
  return [thinking, config.path("thinkingBudget")]
}

const readThinking = ({ draft, named, reading }: Drafts, value: unknown, at: string): void => {
  const config = structAt(reading, value, at)
  if (config === undefined) return
  noteOthers(reading, config, new Set(["thinkingLevel", "thinkingBudget", "includeThoughts"]), () => true)
  const show = config.has("includeThoughts") ? aBoolean(reading, config.path("includeThoughts"), config.get("includeThoughts")) : undefined
  const amount = amountOf(reading, config)
  if (amount !== undefined) {
    draft.thinking = { ...amount[0], ...(show === undefined ? {} : { show }) }
    named.thinking = amount[1]
  } else if (show === true) {
    // Thoughts are wanted, as many as the model likes.
    draft.thinking = { _tag: "Auto", show }
    named.thinking = config.path("includeThoughts")
  } else if (show !== undefined) note(reading, config.path("includeThoughts"), show, false)
}

/** Fields that change nothing, at least when they hold one of these values. */
const changesNothing = (name: string, value: unknown): boolean => {
  switch (name) {
    case "responseModalities":
      return Array.isArray(value) && value.every((modality) => modality === 1 || String(modality).toUpperCase() === "TEXT")
    case "responseLogprobs":
    case "audioTimestamp":
    case "enableEnhancedCivicAnswers":
      return value === false
    case "mediaResolution":
      return value === "MEDIA_RESOLUTION_UNSPECIFIED"
    default:
      return false
  }
}

const readSetting = (drafts: Drafts, config: Struct, name: string): void => {
  const { draft, named, reading, sampling } = drafts
  const value = config.get(name)
  const path = config.path(name)
  switch (name) {
    case "temperature":
    case "topP":
    case "topK":
    case "seed":
    case "frequencyPenalty":
    case "presencePenalty": {
      const number = aNumber(reading, path, value)
      if (number === undefined) return
      sampling[name] = number
      named[name] = path
      return
    }
    case "stopSequences": {
      const stop = texts(reading, path, value)
      if (stop === undefined || stop.length === 0) return
      sampling.stop = stop
      named.stop = path
      return
    }
    case "maxOutputTokens": {
      const limit = aCount(reading, path, value)
      if (limit === undefined) return
      draft.maxOutputTokens = limit
      named.maxOutputTokens = path
      return
    }
    case "candidateCount": {
      draft.answers = aCount(reading, path, value) ?? 1
      named.answers = path
      return
    }
    case "thinkingConfig":
      return readThinking(drafts, value, path)
    case "responseMimeType":
    case "responseSchema":
    case "responseJsonSchema":
    case "_responseJsonSchema":
      return
    default:
      note(reading, path, value, !changesNothing(name, value))
  }
}

const readConfig = (drafts: Drafts, value: unknown, at: string): void => {
  const config = structAt(drafts.reading, value, at)
  if (config === undefined) return
  for (const name of config.names()) readSetting(drafts, config, name)
  readFormat(drafts, config)
}

const readLabels = ({ draft, named, reading }: Drafts, value: unknown, at: string): void => {
  if (!isObject(value)) return refuse(reading, at, "expected an object")
  const wrong = Object.keys(value).find((key) => typeof value[key] !== "string")
  if (wrong !== undefined) return refuse(reading, at, "expected texts")
  draft.metadata = value as Readonly<Record<string, string>>
  named.metadata = at
}

const readField = (drafts: Drafts, body: Struct, name: string): void => {
  const { draft, reading } = drafts
  const value = body.get(name)
  const path = body.path(name)
  switch (name) {
    case "model":
    case "contents":
      return
    case "systemInstruction": {
      draft.system = readInstruction(reading, value, path)
      return
    }
    case "tools": {
      draft.tools = readTools(reading, value, path)
      return
    }
    case "toolConfig":
      return readToolConfig(drafts, value, path)
    case "generationConfig":
      return readConfig(drafts, value, path)
    case "labels":
      return readLabels(drafts, value, path)
    case "cachedContent": {
      reading.extras.push({
        field: path,
        value,
        matters: true,
        needed: true,
        reason: "only the provider that keeps this content can read it"
      })
      return
    }
    case "store":
      return note(reading, path, value, false)
    default:
      note(reading, path, value, !(Array.isArray(value) && value.length === 0))
  }
}

/** The name of a model without the collection that it lies in. */
export const modelName = (name: string): string => name.replace(/^.*\//s, "")

/** Decodes the parsed body of a generateContent request. */
export const decodeRequest: CallerDialect["decodeRequest"] = (body, ask) => {
  const reading: Reading = { bad: undefined, extras: [] }
  const top = structAt(reading, body, "")
  if (top === undefined) return Result.fail(reading.bad ?? { path: "", message: "expected a JSON object" })
  const sampling: Drafts["sampling"] = {}
  const named: Drafts["named"] = {}
  const draft: Draft = {
    dialect: "generateContent",
    model: ask?.model ?? modelName(top.text("model") ?? ""),
    system: [],
    messages: readContents(reading, top.get("contents")),
    tools: [],
    sampling,
    stream: ask?.stream ?? false,
    includeUsage: true,
    answers: 1,
    extras: reading.extras,
    named
  }
  const drafts: Drafts = { reading, draft, sampling, named }
  for (const name of top.names()) readField(drafts, top, name)
  return reading.bad === undefined ? Result.succeed(draft) : Result.fail(reading.bad)
}
