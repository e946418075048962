/**
 * A Responses request, decoded. Runs once a call, and only where it is translated.
 *
 * Strict about shape, lenient about novelty: a known field of the wrong type is a `BadField`, as it would be a 400 at the provider; what is not known becomes an `Extra`.
 * `null` is absence everywhere, as in the provider's own schema.
 *
 * Two defaults of this API are not those of the others. What it answers is stored unless `store` says otherwise, which no caller of a gateway relies on: it cannot be
 * fetched here. And what has a schema is strict unless `strict` says otherwise, which is decoded as said (`strict.ts`).
 *
 * Source: developers.openai.com, "Create a model response".
 */
import * as Result from "effect/Result"
import type { Conversation, Effort, Format, Instruction, Sampling, Setting, Thinking, Tool, ToolChoice } from "../../Conversation.ts"
import type { CallerDialect } from "../../Dialect.ts"
import { noteOthers, present, under } from "../extras.ts"
import { field, isObject, textAt } from "../json.ts"
import { aBoolean, aCount, aNumber, aText, note, type Reading, refuse } from "../openai/reading.ts"
import { readInput } from "./input.ts"
import { closed, fits } from "./strict.ts"

const toolKeys = new Set(["type", "name", "description", "parameters", "strict"])

/** The strictness of a tool that does not say: where it cannot be had without making optional properties required, it is lost and not the properties. */
const defaultStrict = (reading: Reading, schema: Readonly<Record<string, unknown>>, at: string): Partial<Tool> => {
  const properties = field(schema, "properties")
  if (!isObject(properties) || Object.keys(properties).length === 0) return { schema }
  const strict = closed(schema)
  if (strict === undefined) {
    note(
      reading,
      `${at}.strict`,
      null,
      true,
      "unless it says otherwise, only the Responses API holds a call to its schema with every property required"
    )
    return { schema }
  }
  note(reading, `${at}.parameters`, schema, false)
  note(reading, `${at}.strict`, null, false)
  return { schema: strict, strict: true }
}

const readTool = (reading: Reading, tool: unknown, at: string): Tool | undefined => {
  if (!isObject(tool)) return refuse(reading, at, "expected an object with a `type`")
  const type = textAt(tool, "type")
  if (type === undefined) return refuse(reading, `${at}.type`, "expected the name of a kind of tool")
  if (type !== "function") {
    note(reading, at, tool, true, `\`${type}\` is a tool of the provider's own`)
    return undefined
  }
  const name = aText(reading, `${at}.name`, field(tool, "name"))
  const description = field(tool, "description")
  const schema = field(tool, "parameters")
  const strict = field(tool, "strict")
  if (present(description)) aText(reading, `${at}.description`, description)
  if (present(schema) && !isObject(schema)) refuse(reading, `${at}.parameters`, "expected a JSON Schema object")
  if (present(strict)) aBoolean(reading, `${at}.strict`, strict)
  if (name === undefined || reading.bad !== undefined) return undefined
  // An empty description is none, and some providers refuse it.
  if (description === "") note(reading, `${at}.description`, description, false)
  // How the provider loads a function, or what it knows of its results, changes none of its calls.
  noteOthers(reading.extras, at, tool, toolKeys, false)
  return {
    name,
    at,
    ...(typeof description === "string" && description !== "" ? { description } : {}),
    ...(!isObject(schema) ? {} : present(strict) ? { schema } : defaultStrict(reading, schema, at)),
    ...(typeof strict === "boolean" ? { strict } : {})
  }
}

const readTools = (reading: Reading, list: unknown, tools: Array<Tool>): void => {
  if (!Array.isArray(list)) return refuse(reading, "tools", "expected a list")
  for (let index = 0; index < list.length && reading.bad === undefined; index++) {
    const tool = readTool(reading, list[index], `tools[${index}]`)
    if (tool !== undefined) tools.push(tool)
  }
}

const functionNames = (tools: unknown): ReadonlyArray<string> | undefined => {
  if (!Array.isArray(tools)) return undefined
  const names = tools.map((tool: unknown) => (textAt(tool, "type") === "function" ? textAt(tool, "name") : undefined))
  return names.includes(undefined) ? undefined : (names as ReadonlyArray<string>)
}

const readToolChoice = (reading: Reading, value: unknown): ToolChoice | undefined => {
  if (value === "auto") return { _tag: "Auto" }
  if (value === "none") return { _tag: "None" }
  if (value === "required") return { _tag: "Required" }
  const type = textAt(value, "type")
  if (type === undefined) return refuse(reading, "tool_choice", "expected `auto`, `none`, `required` or an object with a `type`")
  const name = textAt(value, "name")
  if (type === "function")
    return name === undefined ? refuse(reading, "tool_choice.name", "expected the name of a function") : { _tag: "Named", name }
  const names = type === "allowed_tools" ? functionNames(field(value, "tools")) : undefined
  if (names !== undefined) return { _tag: "Among", names, required: textAt(value, "mode") === "required" }
  note(reading, "tool_choice", value, true, `\`${type}\` chooses among tools of the provider's own`)
  return undefined
}

const formatKeys = new Set(["type", "name", "description", "schema", "strict"])

const readFormat = (reading: Reading, value: unknown): Format | undefined => {
  const at = "text.format"
  const type = textAt(value, "type")
  if (!isObject(value) || type === undefined) return refuse(reading, `${at}.type`, "expected `text`, `json_object` or `json_schema`")
  if (type === "text") return { _tag: "Text" }
  if (type === "json_object") return { _tag: "JsonObject" }
  if (type !== "json_schema") {
    note(reading, at, value, true, `\`${type}\` is a format of the provider's own`)
    return undefined
  }
  const schema = field(value, "schema")
  if (!isObject(schema)) return refuse(reading, `${at}.schema`, "expected a JSON Schema object")
  const name = textAt(value, "name")
  const description = textAt(value, "description")
  const strict = field(value, "strict")
  if (present(strict) && typeof strict !== "boolean") return refuse(reading, `${at}.strict`, "expected true or false")
  noteOthers(reading.extras, at, value, formatKeys, true)
  return {
    _tag: "JsonSchema",
    schema,
    at: `${at}.schema`,
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    // What fits is strict unless it says otherwise.
    ...(typeof strict === "boolean" ? { strict } : fits(schema) ? { strict: true } : {})
  }
}

const efforts = new Set<string>(["none", "minimal", "low", "medium", "high", "xhigh", "max"])
const isEffort = (value: unknown): value is Effort => typeof value === "string" && efforts.has(value)

const reasoningKeys = new Set(["effort", "summary", "generate_summary"])

const readThinking = (reading: Reading, value: unknown): Thinking | undefined => {
  if (!isObject(value)) return refuse(reading, "reasoning", "expected an object")
  const effort = field(value, "effort")
  const summary = field(value, "summary") ?? field(value, "generate_summary")
  if (present(effort)) aText(reading, "reasoning.effort", effort)
  if (present(summary)) aText(reading, "reasoning.summary", summary)
  noteOthers(reading.extras, "reasoning", value, reasoningKeys, (_key, found) => found !== "auto" && found !== "standard")
  const show = typeof summary === "string" ? { show: summary } : {}
  if (isEffort(effort)) return { _tag: "Effort", effort, ...show }
  if (typeof effort === "string") note(reading, "reasoning.effort", effort, true, "not an effort that is known")
  // Who wants to read the thoughts wants the model to think.
  return typeof summary === "string" ? { _tag: "Auto", ...show } : undefined
}

/** Fields that change neither the answer nor how it is served, at least when they hold one of these values. What only steers OpenAI's cache is among them. */
const changesNothing = (name: string, value: unknown): boolean => {
  switch (name) {
    case "store":
    case "stream_options":
    case "prompt_cache_key":
    case "prompt_cache_retention":
    case "prompt_cache_options":
    // It counts the calls of the provider's own tools, which are named themselves.
    case "max_tool_calls":
      return true
    case "background":
      return value === false
    case "top_logprobs":
      return value === 0
    case "truncation":
      return value === "disabled"
    case "service_tier":
      return value === "auto" || value === "default"
    // Sealed reasoning goes its own way.
    case "include":
      return Array.isArray(value) && value.every((entry) => entry === "reasoning.encrypted_content")
    default:
      return false
  }
}

/** What the provider keeps, or does at its own time: without it the request would be another one. */
const keptElsewhere: Readonly<Record<string, string>> = {
  previous_response_id: "only the provider that keeps the earlier response knows what was said",
  conversation: "only the provider that keeps the conversation knows what was said",
  prompt: "only the provider that keeps the prompt knows what it says",
  background: "only the provider that works in the background can be asked for the answer"
}

/** A conversation that is still being read. */
type Draft = { -readonly [Key in keyof Conversation]: Conversation[Key] }

interface Drafts {
  readonly draft: Draft
  readonly sampling: { -readonly [Key in keyof Sampling]: Sampling[Key] }
  readonly tools: Array<Tool>
  readonly named: Partial<Record<Setting, string>>
}

const readText = (reading: Reading, { draft, named }: Drafts, value: unknown): void => {
  if (!isObject(value)) return refuse(reading, "text", "expected an object")
  const format = field(value, "format")
  if (present(format)) {
    const found = readFormat(reading, format)
    if (found !== undefined) {
      draft.format = found
      named.format = "text.format"
    }
  }
  noteOthers(reading.extras, "text", value, new Set(["format"]), (key, found) => key !== "verbosity" || found !== "medium")
}

const readMetadata = (reading: Reading, { draft, named }: Drafts, value: unknown): void => {
  if (!isObject(value)) return refuse(reading, "metadata", "expected an object")
  const texts: Array<readonly [string, string]> = []
  for (const key of Object.keys(value)) {
    const found = value[key]
    if (typeof found === "string") texts.push([key, found])
    else if (present(found)) note(reading, under("metadata", key), found, false)
  }
  draft.metadata = Object.fromEntries(texts)
  named.metadata = "metadata"
}

const readField = (reading: Reading, drafts: Drafts, name: string, value: unknown): void => {
  const { draft, named, sampling, tools } = drafts
  switch (name) {
    case "model":
    case "input":
    case "instructions":
      return
    case "stream":
      draft.stream = aBoolean(reading, name, value) ?? false
      return
    case "temperature":
    case "top_p": {
      const setting = name === "top_p" ? "topP" : name
      const found = aNumber(reading, name, value)
      if (found === undefined) return
      sampling[setting] = found
      named[setting] = name
      return
    }
    case "max_output_tokens": {
      const limit = aCount(reading, name, value)
      if (limit === undefined) return
      draft.maxOutputTokens = limit
      named.maxOutputTokens = name
      return
    }
    case "tools":
      return readTools(reading, value, tools)
    case "tool_choice": {
      const choice = readToolChoice(reading, value)
      if (choice === undefined) return
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
    case "text":
      return readText(reading, drafts, value)
    case "reasoning": {
      const thinking = readThinking(reading, value)
      if (thinking === undefined) return
      draft.thinking = thinking
      named.thinking = thinking._tag === "Effort" ? "reasoning.effort" : "reasoning.summary"
      return
    }
    case "user":
    case "safety_identifier": {
      const id = aText(reading, name, value)
      if (id === undefined) return
      // The newer name counts; the older then says something else, which the provider's cache alone goes by.
      const older = name === "user" ? id : draft.userId
      if (named.userId !== undefined) note(reading, "user", older, false)
      if (named.userId === "safety_identifier") return
      draft.userId = id
      named.userId = name
      return
    }
    case "metadata":
      return readMetadata(reading, drafts, value)
    default: {
      const elsewhere = Object.hasOwn(keptElsewhere, name) && value !== false ? keptElsewhere[name] : undefined
      if (elsewhere === undefined) note(reading, name, value, !changesNothing(name, value))
      else reading.extras.push({ field: name, value, matters: true, needed: true, reason: elsewhere })
    }
  }
}

/** Decodes the parsed body of a Responses request. */
export const decodeRequest: CallerDialect["decodeRequest"] = (body) => {
  if (!isObject(body)) return Result.fail({ path: "", message: "expected a JSON object" })
  const reading: Reading = { bad: undefined, extras: [], functionCalls: new Map() }
  const model = aText(reading, "model", field(body, "model")) ?? ""
  const system: Array<Instruction> = []
  const instructions = field(body, "instructions")
  if (present(instructions)) {
    const text = aText(reading, "instructions", instructions)
    if (text !== undefined) system.push({ role: "system", text, at: "instructions" })
  }
  const messages = readInput(reading, field(body, "input"), system)
  const sampling: Drafts["sampling"] = {}
  const named: Drafts["named"] = {}
  const tools: Array<Tool> = []
  const draft: Draft = {
    dialect: "responses",
    model,
    system,
    messages,
    tools,
    sampling,
    stream: false,
    includeUsage: true,
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
