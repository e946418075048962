/**
 * A Chat Completions request, decoded. Runs once a call, and only for a target of another dialect.
 *
 * Strict about shape, lenient about novelty: a known field of the wrong type is a `BadField`, as it would be a 400 at the provider; a field that is not
 * known becomes an `Extra`, so that it is reported and not forgotten. `null` is absence everywhere, as in the provider's own schema.
 */
import * as Result from "effect/Result"
import type { BadField } from "../../Dialect.ts"
import type { CacheHint, Conversation, Effort, Format, Sampling, Setting, Tool, ToolChoice } from "../../Conversation.ts"
import { noteOthers, present, under } from "../extras.ts"
import { field, isObject, print, textAt } from "../json.ts"
import { readMessages } from "./messages.ts"
import { aBoolean, aCount, aNumber, aText, asWritten, cacheOf, note, noteUnknown, refuse } from "./reading.ts"
import type { Reading } from "./reading.ts"
import { choiceOf, functionChoice } from "./target/settings.ts"

const toolKeys = new Set(["type", "function", "cache_control"])
const functionKeys = new Set(["name", "description", "parameters", "strict"])

const readFunction = (reading: Reading, value: unknown, at: string, cache: { readonly cache?: CacheHint }): Tool | undefined => {
  if (!isObject(value)) return refuse(reading, at, "expected an object")
  const name = aText(reading, `${at}.name`, field(value, "name"))
  if (name === undefined) return undefined
  const description = field(value, "description")
  const parameters = field(value, "parameters")
  const strict = field(value, "strict")
  if (present(description)) aText(reading, `${at}.description`, description)
  if (present(parameters) && !isObject(parameters)) refuse(reading, `${at}.parameters`, "expected a JSON Schema object")
  if (present(strict)) aBoolean(reading, `${at}.strict`, strict)
  noteUnknown(reading, at, value, functionKeys)
  if (description === "") asWritten(reading.extras, `${at}.description`, description)
  return {
    name,
    at,
    ...cache,
    ...(typeof description === "string" && description !== "" ? { description } : {}),
    ...(isObject(parameters) ? { schema: parameters } : {}),
    ...(typeof strict === "boolean" ? { strict } : {})
  }
}

const readTools = (reading: Reading, list: unknown, tools: Array<Tool>): void => {
  if (!Array.isArray(list)) return refuse(reading, "tools", "expected a list")
  if (list.length === 0) asWritten(reading.extras, "tools", list)
  for (let index = 0; index < list.length; index++) {
    const tool: unknown = list[index]
    const at = `tools[${index}]`
    const type = textAt(tool, "type")
    if (type !== undefined && type !== "function") {
      note(reading, at, tool, true, `\`${type}\` is a tool of the provider's own`)
      continue
    }
    const found = readFunction(reading, field(tool, "function"), `${at}.function`, isObject(tool) ? cacheOf(reading, tool, at) : {})
    if (found === undefined || !isObject(tool)) return
    noteUnknown(reading, at, tool, toolKeys)
    if (type === undefined) asWritten(reading.extras, `${at}.type`, undefined)
    tools.push(found)
  }
}

const readFunctions = (reading: Reading, list: unknown, tools: Array<Tool>): void => {
  if (!Array.isArray(list)) return refuse(reading, "functions", "expected a list")
  for (let index = 0; index < list.length; index++) {
    const found = readFunction(reading, list[index], `functions[${index}]`, {})
    if (found !== undefined) tools.push(found)
  }
  note(reading, "functions", list, list.length > 0, "calls come back as `tool_calls`, not as `function_call`")
}

const namesOf = (list: unknown): ReadonlyArray<string> =>
  Array.isArray(list) ? list.flatMap((tool: unknown) => textAt(field(tool, "function"), "name") ?? textAt(tool, "name") ?? []) : []

const readToolChoice = (reading: Reading, value: unknown): ToolChoice | undefined => {
  if (value === "auto") return { _tag: "Auto" }
  if (value === "none") return { _tag: "None" }
  // `any` is how Mistral spells it.
  if (value === "required" || value === "any") return { _tag: "Required" }
  const name = textAt(field(value, "function"), "name")
  if (name !== undefined) return { _tag: "Named", name }
  const among = field(value, "allowed_tools")
  if (textAt(value, "type") === "allowed_tools" && isObject(among)) {
    return { _tag: "Among", names: namesOf(field(among, "tools")), required: textAt(among, "mode") === "required" }
  }
  if (textAt(value, "type") === "custom") {
    note(reading, "tool_choice", value, true, "`custom` is a tool of the provider's own")
    return undefined
  }
  return refuse(reading, "tool_choice", "expected `auto`, `none`, `required` or the name of a function")
}

const formatKeys = new Set(["type", "json_schema"])
const describedKeys = new Set(["name", "description", "schema", "strict"])

const readFormat = (reading: Reading, value: unknown): Format | undefined => {
  const type = textAt(value, "type")
  if (isObject(value) && (type === "text" || type === "json_object" || type === "json_schema"))
    noteOthers(reading.extras, "response_format", value, formatKeys, true)
  if (type === "text") return { _tag: "Text" }
  if (type === "json_object") return { _tag: "JsonObject" }
  if (type !== "json_schema") {
    if (type === undefined) return refuse(reading, "response_format.type", "expected `text`, `json_object` or `json_schema`")
    note(reading, "response_format", value, true, `\`${type}\` is not a format of Chat Completions`)
    return undefined
  }
  const described = field(value, "json_schema")
  if (!isObject(described)) return refuse(reading, "response_format.json_schema", "expected an object")
  const schema = field(described, "schema")
  if (!present(schema)) {
    asWritten(reading.extras, "response_format", value)
    return { _tag: "JsonObject" }
  }
  if (!isObject(schema)) return refuse(reading, "response_format.json_schema.schema", "expected a JSON Schema object")
  noteUnknown(reading, "response_format.json_schema", described, describedKeys)
  const name = textAt(described, "name")
  const description = textAt(described, "description")
  const strict = field(described, "strict")
  return {
    _tag: "JsonSchema",
    schema,
    at: "response_format.json_schema.schema",
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(typeof strict === "boolean" ? { strict } : {})
  }
}

const efforts = new Set<string>(["none", "minimal", "low", "medium", "high", "xhigh", "max"])
const isEffort = (value: unknown): value is Effort => typeof value === "string" && efforts.has(value)

const readStop = (reading: Reading, value: unknown): ReadonlyArray<string> | undefined => {
  if (typeof value === "string") {
    asWritten(reading.extras, "stop", value)
    return [value]
  }
  if (!Array.isArray(value)) return refuse(reading, "stop", "expected a string or a list of strings")
  if (value.length === 0) asWritten(reading.extras, "stop", value)
  for (let index = 0; index < value.length; index++) {
    if (aText(reading, `stop[${index}]`, value[index]) === undefined) return undefined
  }
  return value
}

/** Fields that change neither the answer nor how it is served, at least when they hold one of these values. What only steers OpenAI's cache is among them. */
const changesNothing = (name: string, value: unknown): boolean => {
  switch (name) {
    case "store":
    case "prediction":
    case "prompt_cache_key":
    case "prompt_cache_retention":
    case "prompt_cache_options":
    // OpenRouter's wish that usage be told, which it is.
    case "usage":
      return true
    case "logprobs":
      return value === false
    case "top_logprobs":
      return value === 0
    case "logit_bias":
      return isObject(value) && Object.keys(value).length === 0
    case "service_tier":
      return value === "auto" || value === "default"
    case "modalities":
      return Array.isArray(value) && value.length === 1 && value[0] === "text"
    case "verbosity":
      return value === "medium"
    default:
      return false
  }
}

const streamKeys = new Set(["include_usage"])

/** A conversation that is still being read. */
type Draft = { -readonly [Key in keyof Conversation]: Conversation[Key] }

interface Drafts {
  readonly draft: Draft
  readonly sampling: { -readonly [Key in keyof Sampling]: Sampling[Key] }
  readonly tools: Array<Tool>
  readonly named: Partial<Record<Setting, string>>
}

const reasoningKeys = new Set(["effort", "max_tokens", "enabled", "exclude"])

/** What routers read beside `reasoning_effort`, which counts where both are given (OpenRouter, "Reasoning Tokens"). */
const readReasoning = (reading: Reading, draft: Draft, named: Drafts["named"], value: unknown): void => {
  if (!isObject(value)) return note(reading, "reasoning", value, true)
  const { effort, enabled, exclude, max_tokens: tokens } = value
  const show = typeof exclude === "boolean" ? { show: !exclude } : {}
  const thinking = isEffort(effort)
    ? ({ _tag: "Effort", effort, ...show } as const)
    : typeof tokens === "number" && Number.isSafeInteger(tokens) && tokens >= 0
      ? ({ _tag: "Budget", tokens, ...show } as const)
      : enabled === true
        ? ({ _tag: "Auto", ...show } as const)
        : enabled === false
          ? ({ _tag: "Effort", effort: "none", ...show } as const)
          : undefined
  const others = Object.keys(value).some((key) => !reasoningKeys.has(key) && present(value[key]))
  note(reading, "reasoning", value, thinking === undefined || others)
  if (thinking === undefined || named.thinking === "reasoning_effort") return
  draft.thinking = thinking
  named.thinking = "reasoning"
}

const readField = (reading: Reading, { draft, named, sampling, tools }: Drafts, name: string, value: unknown): void => {
  const number = (setting: "temperature" | "topP" | "topK" | "seed" | "frequencyPenalty" | "presencePenalty") => {
    const found = aNumber(reading, name, value)
    if (found === undefined) return
    sampling[setting] = found
    named[setting] = name
  }
  switch (name) {
    case "model":
    case "messages":
      return
    case "stream_options": {
      if (!isObject(value)) return refuse(reading, name, "expected an object")
      return noteOthers(reading.extras, name, value, streamKeys, false)
    }
    case "stream": {
      draft.stream = aBoolean(reading, name, value) ?? false
      return
    }
    case "temperature":
      return number("temperature")
    case "top_p":
      return number("topP")
    case "top_k":
      return number("topK")
    case "seed":
      return number("seed")
    case "frequency_penalty":
      return number("frequencyPenalty")
    case "presence_penalty":
      return number("presencePenalty")
    case "stop": {
      const stop = readStop(reading, value)
      if (stop === undefined || stop.length === 0) return
      sampling.stop = stop
      named.stop = name
      return
    }
    case "max_completion_tokens":
    case "max_tokens": {
      const limit = aCount(reading, name, value)
      if (limit === undefined) return
      // Where both are given the newer name counts, as it does at the provider.
      if (named.maxOutputTokens === "max_completion_tokens") return asWritten(reading.extras, name, value)
      if (named.maxOutputTokens !== undefined) asWritten(reading.extras, named.maxOutputTokens, draft.maxOutputTokens)
      draft.maxOutputTokens = limit
      named.maxOutputTokens = name
      return
    }
    case "n": {
      draft.answers = aCount(reading, name, value) ?? 1
      named.answers = name
      return
    }
    case "tools":
      return readTools(reading, value, tools)
    case "functions":
      return readFunctions(reading, value, tools)
    case "tool_choice":
    case "function_call": {
      const choice = readToolChoice(reading, name === "function_call" && isObject(value) ? { function: value } : value)
      if (choice === undefined) return
      if (print(name === "function_call" ? functionChoice(choice) : choiceOf(choice)) !== print(value))
        asWritten(reading.extras, name, value)
      // Where both are given the newer name counts.
      if (named.toolChoice === "tool_choice") return asWritten(reading.extras, name, value)
      if (draft.toolChoice !== undefined) asWritten(reading.extras, "function_call", functionChoice(draft.toolChoice))
      draft.toolChoice = choice
      named.toolChoice = name
      return
    }
    case "parallel_tool_calls": {
      const parallel = aBoolean(reading, name, value)
      if (parallel === undefined) return
      draft.parallelToolCalls = parallel
      named.parallelToolCalls = name
      return
    }
    case "response_format": {
      const format = readFormat(reading, value)
      if (format === undefined) return
      draft.format = format
      named.format = name
      return
    }
    case "reasoning_effort": {
      if (isEffort(value)) {
        draft.thinking = { _tag: "Effort", effort: value, ...(draft.thinking?.show === undefined ? {} : { show: draft.thinking.show }) }
        named.thinking = name
      } else if (aText(reading, name, value) !== undefined) note(reading, name, value, true, "not an effort that is known")
      return
    }
    case "reasoning":
      return readReasoning(reading, draft, named, value)
    case "user":
    case "safety_identifier": {
      const id = aText(reading, name, value)
      if (id === undefined) return
      if (named.userId === "safety_identifier") return asWritten(reading.extras, name, value)
      if (named.userId !== undefined) asWritten(reading.extras, named.userId, draft.userId)
      draft.userId = id
      named.userId = name
      return
    }
    case "metadata": {
      if (!isObject(value)) return refuse(reading, name, "expected an object")
      const entries = Object.entries(value)
      draft.metadata = Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"))
      for (const [key, other] of entries)
        if (typeof other !== "string" && present(other)) asWritten(reading.extras, under(name, key), other)
      named.metadata = name
      return
    }
    default:
      note(reading, name, value, !changesNothing(name, value))
  }
}

/** Decodes the parsed body of a Chat Completions request. */
export const decodeRequest = (body: unknown): Result.Result<Conversation, BadField> => {
  if (!isObject(body)) return Result.fail({ path: "", message: "expected a JSON object" })
  const reading: Reading = { bad: undefined, extras: [], functionCalls: new Map() }
  const model = aText(reading, "model", field(body, "model")) ?? ""
  const { messages, system } = readMessages(reading, field(body, "messages"))
  const sampling: Drafts["sampling"] = {}
  const named: Drafts["named"] = {}
  const tools: Array<Tool> = []
  const draft: Draft = {
    dialect: "chat.completions",
    model,
    system,
    messages,
    tools,
    sampling,
    stream: false,
    includeUsage: field(field(body, "stream_options"), "include_usage") === true,
    answers: 1,
    extras: reading.extras,
    named
  }
  const drafts: Drafts = { draft, sampling, tools, named }
  for (const name of Object.keys(body)) {
    if (present(body[name])) readField(reading, drafts, name, body[name])
  }
  return reading.bad === undefined ? Result.succeed(draft) : Result.fail(reading.bad)
}
