/**
 * A conversation as the body of a Chat Completions request. Pure; runs once an attempt.
 *
 * A caller of the same dialect comes here only where its bytes cannot go on as they are. It gets everything back that it wrote, by its names and in its places. For all
 * others the request says what every host understands, and what it cannot say is named. An allowed list of tools becomes the list of tools, since few hosts know `allowed_tools`.
 *
 * Source: https://platform.openai.com/docs/api-reference/chat/create
 */
import type { Format, Tool } from "../../../Conversation.ts"
import type { Dialect, TargetModel } from "../../../Dialect.ts"
import { addAll, lossesOf, restore } from "../../extras.ts"
import { fits } from "../../responses/strict.ts"
import { cacheControl } from "../reading.ts"
import { messagesOf } from "./messages.ts"
import { choiceOf, effortOf, formatOf, functionChoice, lose, metadataOf, named, stopsOf, userOf, type Writing } from "./settings.ts"

type Body = Record<string, unknown>

/** Whether strict mode can be asked for: a schema that it would change or refuse makes the whole request a bad one. Responses has the same mode, so what its callers call strict fits. */
const isHeld = ({ conversation, own }: Writing, schema: Tool["schema"]): boolean =>
  own || schema === undefined || conversation.dialect === "responses" || fits(schema)

const toolOf = (writing: Writing, { at, cache, description, name, schema, strict }: Tool): Body => {
  const held = strict !== true || isHeld(writing, schema)
  if (!held) lose(writing, `${at}.strict`, "strict mode would change or refuse this schema, so its calls are not held to it")
  return {
    type: "function",
    function: {
      name,
      ...(description === undefined ? {} : { description }),
      ...(schema === undefined ? {} : { parameters: schema }),
      // Where it is absent it stays absent: to be strict makes every property required.
      ...(strict === undefined || !held ? {} : { strict })
    },
    ...(writing.own ? cacheControl(cache) : {})
  }
}

/** Dialects whose providers hold an answer to its schema without being asked to. */
const enforced: ReadonlySet<string> = new Set(["messages", "generateContent"])

/** A format of another dialect, strict where its answers would be. */
const foreignFormat = (writing: Writing, format: Format): unknown => {
  if (format._tag !== "JsonSchema") return formatOf(format, "answer")
  const { strict = enforced.has(writing.conversation.dialect) ? true : undefined, ...rest } = format
  if (strict === true && !isHeld(writing, format.schema)) {
    const field = format.at ?? named(writing, "format")
    lose(writing, field, "strict mode would change or refuse this schema, so the answer is not held to it")
    return formatOf(rest, "answer")
  }
  return formatOf(strict === undefined ? rest : { ...rest, strict }, "answer")
}

const put = (body: Body, name: string, value: unknown): void => {
  if (value !== undefined) body[name] = value
}

/** What both kinds of callers say in the same way. */
const writeCommon = (body: Body, { conversation }: Writing): void => {
  const { sampling } = conversation
  put(body, "temperature", sampling.temperature)
  put(body, "top_p", sampling.topP)
  put(body, "seed", sampling.seed)
  put(body, "frequency_penalty", sampling.frequencyPenalty)
  put(body, "presence_penalty", sampling.presencePenalty)
  if (conversation.stream) body["stream"] = true
}

const writeOwn = (body: Body, writing: Writing): void => {
  const { conversation, target } = writing
  const { extras, format, named, sampling, thinking, toolChoice } = conversation
  // The older list of tools is given back with the extras.
  const tools = conversation.tools.filter(({ at }) => !at.startsWith("functions["))
  if (tools.length > 0) body["tools"] = tools.map((tool) => toolOf(writing, tool))
  if (toolChoice !== undefined) {
    const older = named.toolChoice === "function_call"
    body[older ? "function_call" : "tool_choice"] = older ? functionChoice(toolChoice) : choiceOf(toolChoice)
  }
  put(body, "parallel_tool_calls", conversation.parallelToolCalls)
  put(body, "top_k", sampling.topK)
  put(body, "stop", sampling.stop)
  put(body, named.maxOutputTokens ?? target.habits?.maxTokensField ?? "max_completion_tokens", conversation.maxOutputTokens)
  put(body, "response_format", format && formatOf(format))
  if (named.answers !== undefined || conversation.answers > 1) body["n"] = conversation.answers
  const elsewhere = named.thinking === "reasoning" && extras.some(({ field }) => field === "reasoning")
  if (thinking?._tag === "Effort" && !elsewhere) body["reasoning_effort"] = thinking.effort
  put(body, named.userId ?? "user", conversation.userId)
  put(body, "metadata", conversation.metadata)
  if (conversation.stream && (conversation.includeUsage || target.habits?.reportsStreamUsage !== false))
    body["stream_options"] = { include_usage: true }
}

const writeTools = (body: Body, writing: Writing): void => {
  const { parallelToolCalls, toolChoice, tools: all } = writing.conversation
  const among = toolChoice?._tag === "Among" ? new Set(toolChoice.names) : undefined
  const tools = among === undefined ? all : all.filter(({ name }) => among.has(name))
  const demanded = toolChoice?._tag === "Required" || toolChoice?._tag === "Named" || (toolChoice?._tag === "Among" && toolChoice.required)
  // Neither field may be there without tools.
  if (tools.length === 0) {
    if (demanded) lose(writing, named(writing, "toolChoice"), "there is no tool to call")
    return
  }
  body["tools"] = tools.map((tool) => toolOf(writing, tool))
  if (toolChoice !== undefined)
    body["tool_choice"] = toolChoice._tag === "Among" ? (toolChoice.required ? "required" : "auto") : choiceOf(toolChoice)
  put(body, "parallel_tool_calls", parallelToolCalls)
}

const writeForeign = (body: Body, writing: Writing): void => {
  const { conversation, target } = writing
  const { format, sampling, thinking } = conversation
  writeTools(body, writing)
  if (sampling.topK !== undefined) lose(writing, named(writing, "topK"), "Chat Completions has no such setting")
  if (sampling.stop !== undefined && sampling.stop.length > 0) body["stop"] = stopsOf(writing, sampling.stop)
  put(body, target.habits?.maxTokensField ?? "max_completion_tokens", conversation.maxOutputTokens)
  put(body, "response_format", format && foreignFormat(writing, format))
  if (thinking !== undefined) body["reasoning_effort"] = effortOf(writing, thinking)
  const user = conversation.userId === undefined ? undefined : userOf(writing, conversation.userId)
  if (user !== undefined) body[user[0]] = user[1]
  put(body, "metadata", conversation.metadata && metadataOf(writing, conversation.metadata))
  if (conversation.stream && target.habits?.reportsStreamUsage !== false) body["stream_options"] = { include_usage: true }
  // An answer is translated with its first choice alone, and the others would be paid for.
  if (conversation.answers > 1) lose(writing, named(writing, "answers"), "one answer is given")
}

/** Encodes a conversation as the body of a Chat Completions request. */
export const encodeRequest: Dialect["encodeRequest"] = (conversation, target: TargetModel) => {
  const own = conversation.dialect === "chat.completions"
  const writing: Writing = { conversation, own, target, losses: [] }
  const body: Body = { model: target.deployment ?? target.model, messages: messagesOf(writing) }
  writeCommon(body, writing)
  if (own) writeOwn(body, writing)
  else writeForeign(body, writing)
  addAll(writing.losses, lossesOf(own ? restore(body, conversation.extras) : conversation.extras, "Chat Completions"))
  return { body, losses: writing.losses }
}
