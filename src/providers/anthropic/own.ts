/**
 * A Messages request out of a conversation that was one: what its caller said is given back, and nothing is made to fit what a model accepts.
 *
 * It is asked for where bytes cannot be forwarded: a request that carries other providers' seals, which Claude would refuse, or one that goes to another cloud. Two things are changed. Thinking that is not
 * Claude's is left out, as its model would refuse the request (a copy of the dialect that knows no signatures gets its thoughts back), and so is the demand to think on after it where that cannot be met. And an effort
 * that the policy has set in place of what the caller wrote is asked for as the model takes it.
 */
import type { CacheHint, Extra, Instruction, Message, Part, Source, Thinking } from "../../Conversation.ts"
import { lossesOf, restore } from "../extras.ts"
import { isObject, parse, parseExact } from "../json.ts"
import type { Turn } from "./messages.ts"
import { isClaude } from "./models.ts"
import { unsignedLoop, writeThinking } from "./thinking.ts"
import { lose, named } from "./writing.ts"
import type { Body, Writing } from "./writing.ts"

/** What was left out. It holds its place until the extras have been put back, since their paths count it. */
type Holes = Set<unknown>

const hole = (holes: Holes): Body => {
  const empty: Body = {}
  holes.add(empty)
  return empty
}

const cacheControl = (cache: CacheHint | undefined): Body =>
  cache === undefined ? {} : { cache_control: { type: "ephemeral", ...(cache.ttl === undefined ? {} : { ttl: cache.ttl }) } }

const sourceOf = (source: Source): Body => {
  switch (source._tag) {
    case "Url":
      return { type: "url", url: source.url }
    case "Base64":
      return { type: "base64", media_type: source.mediaType, data: source.data }
    case "Plain":
      return { type: "text", media_type: "text/plain", data: source.text }
    case "Uploaded":
      return { type: "file", file_id: source.id }
  }
}

/** A string where it was one. */
const contentOf = (writing: Writing, holes: Holes, parts: ReadonlyArray<Part>, at: string): unknown => {
  const only = parts.length === 1 ? parts[0] : undefined
  return only?._tag === "Text" && only.at === at ? only.text : parts.map((part) => blockOf(writing, holes, part, at))
}

const blockOf = (writing: Writing, holes: Holes, part: Part, around: string): unknown => {
  const at = part.at ?? around
  const left = (reason: string): Body => {
    lose(writing, at, reason)
    return hole(holes)
  }
  switch (part._tag) {
    case "Text":
      return {
        type: "text",
        text: part.text,
        ...(part.citations === undefined ? {} : { citations: part.citations.map(({ value }) => value) }),
        ...cacheControl(part.cache)
      }
    case "Image":
      return { type: "image", source: sourceOf(part.source), ...cacheControl(part.cache) }
    case "File":
      return {
        type: "document",
        source: sourceOf(part.source),
        ...(part.name === undefined ? {} : { title: part.name }),
        ...(part.cite === undefined ? {} : { citations: { enabled: part.cite } }),
        ...cacheControl(part.cache)
      }
    case "ToolCall": {
      const input = parseExact(part.arguments) ?? parse(part.arguments)
      return { type: "tool_use", id: part.id, name: part.name, input: isObject(input) ? input : {}, ...cacheControl(part.cache) }
    }
    case "ToolResult":
      return {
        type: "tool_result",
        tool_use_id: part.callId,
        ...(part.parts.length === 0 ? {} : { content: contentOf(writing, holes, part.parts, `${at}.content`) }),
        ...(part.isError === undefined ? {} : { is_error: part.isError }),
        ...cacheControl(part.cache)
      }
    case "Reasoning":
      if (part.seal?.dialect === "messages") return { type: "thinking", thinking: part.text, signature: part.seal.data }
      if (part.seal === undefined && !isClaude(writing.model)) return { type: "thinking", thinking: part.text }
      return left("earlier reasoning without a signature of Claude is not accepted")
    case "SealedReasoning":
      if (part.seal.dialect === "messages") return { type: "redacted_thinking", data: part.seal.data }
      return left("only the provider that sealed this reasoning can read it")
    case "Foreign":
      return part.value
    case "Refusal":
    case "Audio":
      return left("a Messages request has no such content")
  }
}

const instructionBlock = (instruction: Instruction): Body => ({
  type: "text",
  text: instruction.text,
  ...cacheControl(instruction.cache)
})

/** Instructions are a string where they were one. */
const instructionsOf = (instructions: ReadonlyArray<Instruction>, at: string): unknown => {
  const only = instructions.length === 1 ? instructions[0] : undefined
  return only?.at === at ? only.text : instructions.map(instructionBlock)
}

/** The path of the message that an instruction stood in; undefined for `system`. */
const messageAt = ({ at }: Instruction): string | undefined => /^messages\[\d+\]/.exec(at)?.[0]

const roles: Readonly<Record<Message["role"], string>> = {
  user: "user",
  tool: "user",
  assistant: "assistant",
  system: "system",
  developer: "system"
}

const writeTurns = (writing: Writing, holes: Holes, body: Body): void => {
  const { messages, system } = writing.conversation
  const first = system.filter((instruction) => messageAt(instruction) === undefined)
  if (first.length > 0) body["system"] = instructionsOf(first, "system")
  const leading = new Map<string, Array<Instruction>>()
  for (const instruction of system) {
    const at = messageAt(instruction)
    if (at !== undefined) leading.set(at, [...(leading.get(at) ?? []), instruction])
  }
  body["messages"] = [
    ...[...leading].map(([at, found]) => ({ role: "system", content: instructionsOf(found, `${at}.content`) })),
    ...messages.map((message) => ({
      role: roles[message.role],
      content: contentOf(writing, holes, message.parts, `${message.at}.content`)
    }))
  ]
}

const writeTools = ({ conversation }: Writing, body: Body): void => {
  const { parallelToolCalls, toolChoice, tools } = conversation
  if (tools.length > 0) {
    body["tools"] = tools.map((tool) => ({
      name: tool.name,
      ...(tool.description === undefined ? {} : { description: tool.description }),
      input_schema: tool.schema ?? { type: "object" },
      ...(tool.strict === undefined ? {} : { strict: tool.strict }),
      ...cacheControl(tool.cache)
    }))
  }
  if (toolChoice === undefined && parallelToolCalls === undefined) return
  const single = parallelToolCalls === undefined ? {} : { disable_parallel_tool_use: !parallelToolCalls }
  switch (toolChoice?._tag) {
    case "None":
      body["tool_choice"] = { type: "none", ...single }
      return
    case "Required":
      body["tool_choice"] = { type: "any", ...single }
      return
    case "Named":
      body["tool_choice"] = { type: "tool", name: toolChoice.name, ...single }
      return
    default:
      body["tool_choice"] = { type: "auto", ...single }
  }
}

const displayOf = ({ show }: Thinking): Body =>
  show === undefined ? {} : { display: typeof show === "string" ? show : show ? "summarized" : "omitted" }

/** Writes thinking where the caller had it, and returns the effort. */
const writeOwnThinking = (writing: Writing, body: Body, maxTokens: number): string | undefined => {
  const { conversation } = writing
  const { thinking } = conversation
  const place = conversation.named.thinking
  if (thinking === undefined) return undefined
  switch (thinking._tag) {
    case "Budget":
      body["thinking"] = { type: "enabled", budget_tokens: thinking.tokens, ...displayOf(thinking) }
      return undefined
    case "Auto":
      body["thinking"] = { type: "adaptive", ...displayOf(thinking) }
      return undefined
    case "Effort": {
      const { effort } = thinking
      if (effort === "none" && place === "thinking") {
        body["thinking"] = { type: "disabled", ...displayOf(thinking) }
        return undefined
      }
      if (effort === "none" || effort === "minimal" || (place !== "thinking" && place !== "output_config.effort")) {
        const forced = conversation.toolChoice?._tag === "Required" || conversation.toolChoice?._tag === "Named"
        return writeThinking(writing, body, maxTokens, forced, turnsOf(body)).effort
      }
      if (place === "thinking") body["thinking"] = { type: "adaptive", ...displayOf(thinking) }
      return effort
    }
  }
}

const turnsOf = (body: Body): Array<Turn> => {
  const messages = body["messages"] as ReadonlyArray<{ readonly role: Turn["role"]; readonly content: unknown }>
  return messages.map(({ content, role }) => ({ role, content: Array.isArray(content) ? content.filter(isObject) : [] }))
}

/** Takes the holes out, and messages that held nothing else. */
const close = (holes: Holes, body: Body): void => {
  const messages = body["messages"] as Array<unknown>
  body["messages"] = messages.flatMap((message) => {
    const content = isObject(message) ? message["content"] : undefined
    if (!Array.isArray(content) || !content.some((block) => holes.has(block))) return [message]
    const rest = content.filter((block) => !holes.has(block))
    return rest.length === 0 ? [] : [{ ...(message as Body), content: rest }]
  })
}

/** Whether an extra still holds: an effort that the policy has set takes the place of the one that was noted beside a budget. */
const stands = ({ conversation }: Writing, { field }: Extra): boolean =>
  !(field === "output_config.effort" && conversation.thinking?._tag === "Effort" && conversation.thinking.effort !== "none")

/** Writes a conversation of this dialect into `body`. */
export const ownBody = (writing: Writing, body: Body, maxTokens: number): void => {
  const { conversation } = writing
  const { format, metadata, sampling, userId } = conversation
  const holes: Holes = new Set()
  writeTurns(writing, holes, body)
  writeTools(writing, body)
  const output: Body = {}
  const effort = writeOwnThinking(writing, body, maxTokens)
  if (effort !== undefined) output["effort"] = effort
  if (format?._tag === "JsonSchema") {
    const written = { type: "json_schema", schema: format.schema }
    if (conversation.named.format === "output_format") body["output_format"] = written
    else output["format"] = written
  }
  if (Object.keys(output).length > 0) body["output_config"] = output
  if (sampling.temperature !== undefined) body["temperature"] = sampling.temperature
  if (sampling.topP !== undefined) body["top_p"] = sampling.topP
  if (sampling.topK !== undefined) body["top_k"] = sampling.topK
  if (sampling.stop !== undefined) body["stop_sequences"] = sampling.stop
  if (userId !== undefined || metadata !== undefined)
    body["metadata"] = { ...metadata, ...(userId === undefined ? {} : { user_id: userId }) }
  if (conversation.stream) body["stream"] = true
  writing.losses.push(
    ...lossesOf(
      restore(
        body,
        conversation.extras.filter((extra) => stands(writing, extra))
      ),
      "this request"
    )
  )
  if (holes.size === 0) return
  close(holes, body)
  const { thinking } = body
  if (isObject(thinking) && thinking["type"] === "enabled" && unsignedLoop(turnsOf(body))) {
    delete body["thinking"]
    lose(writing, named(writing, "thinking"), "the model cannot think on in a tool loop whose earlier thinking was not its own")
  }
}
