/**
 * A Messages request, decoded. Runs once a call, and only for a target of another dialect.
 *
 * Strict about shape, lenient about novelty: a known field of the wrong type is a `BadField`, as it would be a 400 at the provider; what is not known becomes an
 * `Extra`. `null` is absence.
 *
 * Thinking is said in two places, `thinking` and `output_config.effort`, and the model has one. An effort beside adaptive thinking, or alone, is the model's `Effort`, and its
 * name (`named.thinking`) tells which; beside a budget or `disabled` it is an extra. `between_tools` is what some models have in place of `disabled`, so it counts as no thinking and is
 * an extra as well.
 *
 * Source: https://platform.claude.com/docs/en/api/messages, "Create a Message", and the types of the provider's own client library.
 */
import * as Result from "effect/Result"
import type { CallerDialect, BadField } from "../../Dialect.ts"
import type { Conversation, Effort, Extra, Format, Sampling, Setting, Thinking, Tool } from "../../Conversation.ts"
import { present, under } from "../extras.ts"
import { field, isObject } from "../json.ts"
import type { Json } from "../json.ts"
import { readMessages, readSystem } from "./decodeMessages.ts"
import { aCount, aNumber, anObject, aText, cacheOf, maybeBoolean, maybeText, note, noteUnknown, refuse } from "./reading.ts"
import type { Reading } from "./reading.ts"

/** A conversation that is still being read. */
type Draft = { -readonly [Key in keyof Conversation]: Conversation[Key] }

interface Drafts {
  readonly draft: Draft
  readonly sampling: { -readonly [Key in keyof Sampling]: Sampling[Key] }
  readonly named: Partial<Record<Setting, string>>
}

const toolKeys = new Set(["name", "description", "input_schema", "strict", "cache_control"])

/** What of a tool changes neither which tools there are nor what the model knows of them. */
const toolMatters = (key: string, value: unknown): boolean => {
  switch (key) {
    case "type":
    case "eager_input_streaming":
      return false
    case "defer_loading":
      return value === true
    case "allowed_callers":
      return !(Array.isArray(value) && value.length === 1 && value[0] === "direct")
    default:
      return true
  }
}

const readTool = (reading: Reading, tool: unknown, at: string): Tool | undefined => {
  if (!isObject(tool)) return refuse(reading, at, "expected an object")
  const type = maybeText(reading, `${at}.type`, field(tool, "type")) ?? "custom"
  if (type !== "custom") {
    note(reading, at, tool, true, { reason: `\`${type}\` is a tool of the provider's own` })
    return undefined
  }
  const name = aText(reading, `${at}.name`, field(tool, "name"))
  const description = maybeText(reading, `${at}.description`, field(tool, "description"))
  const schema = field(tool, "input_schema")
  const strict = maybeBoolean(reading, `${at}.strict`, field(tool, "strict"))
  if (!isObject(schema)) return refuse(reading, `${at}.input_schema`, "expected a JSON Schema object")
  if (name === undefined) return undefined
  noteUnknown(reading, at, tool, toolKeys, toolMatters)
  return {
    name,
    at,
    schema,
    ...cacheOf(reading, tool, at),
    ...(description === undefined ? {} : { description }),
    ...(strict === undefined ? {} : { strict })
  }
}

const readTools = (reading: Reading, list: unknown): ReadonlyArray<Tool> => {
  if (!Array.isArray(list)) return refuse(reading, "tools", "expected a list") ?? []
  return list.flatMap((tool: unknown, index) => readTool(reading, tool, `tools[${index}]`) ?? [])
}

const choiceKeys = new Set(["type", "name", "disable_parallel_tool_use"])

const readToolChoice = (reading: Reading, { draft, named }: Drafts, value: unknown): void => {
  const choice = anObject(reading, "tool_choice", value)
  if (choice === undefined) return
  const type = aText(reading, "tool_choice.type", field(choice, "type"))
  if (type === undefined) return
  const single = maybeBoolean(reading, "tool_choice.disable_parallel_tool_use", field(choice, "disable_parallel_tool_use"))
  const name = type === "tool" ? aText(reading, "tool_choice.name", field(choice, "name")) : undefined
  switch (type) {
    case "auto":
      draft.toolChoice = { _tag: "Auto" }
      break
    case "any":
      draft.toolChoice = { _tag: "Required" }
      break
    case "none":
      draft.toolChoice = { _tag: "None" }
      break
    case "tool":
      if (name === undefined) return
      draft.toolChoice = { _tag: "Named", name }
      break
    default:
      return note(reading, "tool_choice", choice, true, { reason: `\`${type}\` is not a choice that is known` })
  }
  named.toolChoice = "tool_choice"
  if (single !== undefined) {
    draft.parallelToolCalls = !single
    named.parallelToolCalls = "tool_choice.disable_parallel_tool_use"
  }
  noteUnknown(reading, "tool_choice", choice, type === "tool" ? choiceKeys : new Set([...choiceKeys].filter((key) => key !== "name")))
}

const formatKeys = new Set(["type", "schema"])

const readFormat = (reading: Reading, { draft, named }: Drafts, value: unknown, at: string): void => {
  const format = anObject(reading, at, value)
  if (format === undefined) return
  const type = aText(reading, `${at}.type`, field(format, "type"))
  if (type === undefined) return
  if (type !== "json_schema" || draft.format !== undefined) return note(reading, at, format, true)
  const schema = anObject(reading, `${at}.schema`, field(format, "schema"))
  if (schema === undefined) return
  const read: Format = { _tag: "JsonSchema", schema, at: `${at}.schema` }
  draft.format = read
  named.format = at
  noteUnknown(reading, at, format, formatKeys)
}

const efforts = new Set<string>(["low", "medium", "high", "xhigh", "max"])
const isEffort = (value: string | undefined): value is Exclude<Effort, "none" | "minimal"> => value !== undefined && efforts.has(value)

const outputKeys = new Set(["effort", "format"])
const thinkingKeys = new Set(["type", "display"])
const budgetKeys = new Set([...thinkingKeys, "budget_tokens"])

/** `omitted` thoughts are not shown; any other word is kept, so that it can be given back. */
const showOf = (display: string | undefined): Pick<Thinking, "show"> =>
  display === undefined ? {} : { show: display === "omitted" ? false : display }

const readThinking = (reading: Reading, { draft, named }: Drafts, value: unknown, output: Json | undefined): void => {
  const said = maybeText(reading, "output_config.effort", field(output, "effort"))
  const effort = isEffort(said) ? said : undefined
  const noteEffort = (reason?: string): void => {
    if (said !== undefined) note(reading, "output_config.effort", said, true, reason === undefined ? {} : { reason })
  }
  if (effort === undefined) noteEffort("not an effort that is known")
  if (!present(value)) {
    if (effort === undefined) return
    draft.thinking = { _tag: "Effort", effort }
    named.thinking = "output_config.effort"
    return
  }
  const thinking = anObject(reading, "thinking", value)
  const type = thinking && aText(reading, "thinking.type", field(thinking, "type"))
  if (thinking === undefined || type === undefined) return
  const show = showOf(maybeText(reading, "thinking.display", field(thinking, "display")))
  const beside = (): void => (effort === undefined ? undefined : noteEffort("one of a budget and an effort is told"))
  switch (type) {
    case "adaptive":
      draft.thinking = effort === undefined ? { _tag: "Auto", ...show } : { _tag: "Effort", effort, ...show }
      named.thinking = "thinking"
      noteUnknown(reading, "thinking", thinking, thinkingKeys)
      return
    case "enabled": {
      const tokens = aCount(reading, "thinking.budget_tokens", field(thinking, "budget_tokens"))
      if (tokens === undefined) return
      draft.thinking = { _tag: "Budget", tokens, ...show }
      named.thinking = "thinking.budget_tokens"
      beside()
      noteUnknown(reading, "thinking", thinking, budgetKeys)
      return
    }
    case "disabled":
    case "between_tools":
      draft.thinking = { _tag: "Effort", effort: "none", ...(type === "disabled" ? show : {}) }
      named.thinking = "thinking"
      beside()
      if (type === "disabled") noteUnknown(reading, "thinking", thinking, thinkingKeys)
      else note(reading, "thinking", thinking, true, { reason: "thinking between tool calls alone cannot be asked for" })
      return
    default:
      beside()
      note(reading, "thinking", thinking, true, { reason: `\`${type}\` is not a way of thinking that is known` })
  }
}

const readStop = (reading: Reading, value: unknown): ReadonlyArray<string> | undefined => {
  if (!Array.isArray(value)) return refuse(reading, "stop_sequences", "expected a list of strings")
  const bad = value.findIndex((sequence) => typeof sequence !== "string")
  return bad < 0 ? value : refuse(reading, `stop_sequences[${bad}]`, "expected a string")
}

const readMetadata = (reading: Reading, { draft, named }: Drafts, value: unknown): void => {
  const metadata = anObject(reading, "metadata", value)
  if (metadata === undefined) return
  const userId = maybeText(reading, "metadata.user_id", field(metadata, "user_id"))
  if (userId !== undefined) {
    draft.userId = userId
    named.userId = "metadata.user_id"
  }
  const others = Object.entries(metadata).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string" && entry[0] !== "user_id" && entry[0] !== "__proto__"
  )
  if (others.length > 0) {
    draft.metadata = Object.fromEntries(others)
    named.metadata = "metadata"
  }
  noteUnknown(reading, "metadata", metadata, new Set(["user_id", ...others.map(([name]) => name)]), false)
}

/** Fields that change neither the answer nor how it is served, at least when they hold one of these values: what steers the cache and the bill is among them. */
const changesNothing = (name: string, value: unknown): boolean => {
  switch (name) {
    case "cache_control":
    case "diagnostics":
    case "fallback_credit_token":
    case "anthropic_version":
      return true
    case "service_tier":
      return value === "auto" || value === "standard_only"
    case "speed":
      return value === "standard"
    case "mcp_servers":
      return Array.isArray(value) && value.length === 0
    default:
      return false
  }
}

/** Fields without which another thing would be asked: what the provider keeps is left out, or a summary is wanted and no answer. */
const isNeeded = (name: string): boolean => name === "thread" || name === "compaction"

const readField = (reading: Reading, drafts: Drafts, name: string, value: unknown): void => {
  const { draft, named, sampling } = drafts
  const number = (setting: "temperature" | "topP" | "topK"): void => {
    const found = aNumber(reading, name, value)
    if (found === undefined) return
    sampling[setting] = found
    named[setting] = name
  }
  switch (name) {
    case "model":
    case "system":
    case "messages":
    case "thinking":
      return
    case "max_tokens": {
      const limit = aCount(reading, name, value, 0)
      if (limit === 0) note(reading, name, 0, true, { needed: true, reason: "the cache is filled and nothing is answered" })
      else if (limit !== undefined) {
        draft.maxOutputTokens = limit
        named.maxOutputTokens = name
      }
      return
    }
    case "stream":
      draft.stream = maybeBoolean(reading, name, value) ?? false
      return
    case "temperature":
      return number("temperature")
    case "top_p":
      return number("topP")
    case "top_k":
      return number("topK")
    case "stop_sequences": {
      const stop = readStop(reading, value)
      if (stop === undefined || stop.length === 0) return
      sampling.stop = stop
      named.stop = name
      return
    }
    case "tools":
      draft.tools = readTools(reading, value)
      return
    case "tool_choice":
      return readToolChoice(reading, drafts, value)
    case "output_config": {
      const output = anObject(reading, name, value)
      if (output === undefined) return
      const format = field(output, "format")
      if (present(format)) readFormat(reading, drafts, format, "output_config.format")
      return noteUnknown(reading, name, output, outputKeys)
    }
    case "output_format":
      return readFormat(reading, drafts, value, name)
    case "metadata":
      return readMetadata(reading, drafts, value)
    default:
      return note(reading, under("", name), value, !changesNothing(name, value), isNeeded(name) ? { needed: true } : {})
  }
}

/** Decodes the parsed body of a Messages request. Where the address names the model, as in the clouds of others, `ask` does. */
export const decodeRequest: CallerDialect["decodeRequest"] = (body, ask): Result.Result<Conversation, BadField> => {
  if (!isObject(body)) return Result.fail({ path: "", message: "expected a JSON object" })
  const extras: Array<Extra> = []
  const reading: Reading = { bad: undefined, extras }
  const given = field(body, "model")
  const model = present(given) ? aText(reading, "model", given) : (ask?.model ?? refuse(reading, "model", "expected a string"))
  const instructions = readSystem(reading, field(body, "system"))
  const { messages, system } = readMessages(reading, field(body, "messages"))
  const sampling: Drafts["sampling"] = {}
  const named: Drafts["named"] = {}
  const draft: Draft = {
    dialect: "messages",
    model: model ?? "",
    system: [...instructions, ...system],
    messages,
    tools: [],
    sampling,
    stream: false,
    // Every stream of the dialect tells its usage.
    includeUsage: true,
    answers: 1,
    extras,
    named
  }
  const drafts: Drafts = { draft, sampling, named }
  for (const name of Object.keys(body)) {
    if (present(body[name])) readField(reading, drafts, name, body[name])
  }
  const output = field(body, "output_config")
  readThinking(reading, drafts, field(body, "thinking"), isObject(output) ? output : undefined)
  return reading.bad === undefined ? Result.succeed(draft) : Result.fail(reading.bad)
}
