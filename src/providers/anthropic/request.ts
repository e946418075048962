/**
 * A conversation as the body of a Messages request. Pure; runs once an attempt. What a caller of this very dialect has said is given back as it was (`own.ts`); the rest is about callers of
 * others.
 *
 * What the target cannot carry is left out and named, never approximated in silence. Four decisions are made here:
 *
 * - **Later instructions.** `system` holds those before the first message. A later one is sent in its place as a `system` message where
 *   the model takes that: behind a user turn and before the assistant's, or at the end. It waits for such a place, and moving past user
 *   content is a loss. For other models it joins `system`, which keeps its authority and loses its place, and is reported. It is never
 *   put into the user's mouth, with one reported exception: a conversation without any message, which the API refuses.
 * - **Maximum.** The API demands one: the caller's, else the target's, else 4,096. A caller's above the target's is cut and reported.
 * - **Thinking** is asked for as the model's generation takes it (`thinking.ts`).
 * - **Blank text.** The API refuses blocks without visible text, so they are left out; a message of which nothing remains is reported.
 */
import type { Dialect, TargetModel } from "../../Dialect.ts"
import type { Tool } from "../../Conversation.ts"
import { addAll, lossesOf } from "../extras.ts"
import type { Json } from "../json.ts"
import { writeMessages } from "./messages.ts"
import type { Turn } from "./messages.ts"
import { ownBody } from "./own.ts"
import { enforceable } from "./schema.ts"
import { writeThinking } from "./thinking.ts"
import { blank, cacheControl, lose, named, writingOf } from "./writing.ts"
import type { Body, Writing } from "./writing.ts"

const defaultMaxTokens = 4096

/** What the API refuses at the top of a tool's schema, and takes further down. */
const combining = ["allOf", "anyOf", "oneOf"] as const

const toolOf = (writing: Writing, tool: Tool): Body => {
  const { traits } = writing
  const strict = tool.strict === true && traits.structured
  if (tool.strict === true && !traits.structured) lose(writing, `${tool.at}.strict`, "this model cannot be held to a schema")
  let schema: Json = tool.schema ?? { type: "object", properties: {} }
  if (schema["type"] !== "object") {
    if (schema["type"] !== undefined) lose(writing, `${tool.at}.parameters.type`, "arguments are always an object")
    schema = { ...schema, type: "object" }
  }
  const refused = combining.filter((name) => schema[name] !== undefined)
  if (refused.length > 0) {
    const { allOf: _, anyOf: __, oneOf: ___, ...rest } = schema
    schema = rest
    lose(writing, `${tool.at}.parameters.${refused[0]}`, "the arguments as a whole cannot be one of several shapes")
  }
  if (strict) {
    const enforced = enforceable(schema)
    schema = enforced.schema
    if (enforced.dropped.length > 0) {
      lose(writing, `${tool.at}.parameters`, `not enforced: ${enforced.dropped.map((name) => `\`${name}\``).join(", ")}`)
    }
  }
  return {
    name: tool.name,
    ...(tool.description === undefined ? {} : { description: tool.description }),
    input_schema: schema,
    ...(strict ? { strict: true } : {}),
    ...cacheControl(tool.cache)
  }
}

/** Writes tools and choice, and returns whether a call is demanded. */
const writeTools = (writing: Writing, body: Body): boolean => {
  const { conversation, traits } = writing
  const choice = conversation.toolChoice
  const among = choice?._tag === "Among" ? new Set(choice.names) : undefined
  const tools = among === undefined ? conversation.tools : conversation.tools.filter((tool) => among.has(tool.name))
  const demanded = choice?._tag === "Required" || choice?._tag === "Named" || (choice?._tag === "Among" && choice.required)
  if (tools.length === 0) {
    if (demanded) lose(writing, named(writing, "toolChoice"), "there is no tool to call")
    return false
  }
  body["tools"] = tools.map((tool) => toolOf(writing, tool))
  const forced = demanded && traits.forcedTools
  if (demanded && !forced) lose(writing, named(writing, "toolChoice"), "this model decides by itself whether to call a tool")
  const single = conversation.parallelToolCalls === false ? { disable_parallel_tool_use: true } : {}
  if (choice?._tag === "None") body["tool_choice"] = { type: "none" }
  else if (forced)
    body["tool_choice"] = choice._tag === "Named" ? { type: "tool", name: choice.name, ...single } : { type: "any", ...single }
  else if (choice !== undefined || conversation.parallelToolCalls === false) body["tool_choice"] = { type: "auto", ...single }
  return forced
}

/** Writes what asks for thinking and for a format, and returns whether the model will think. */
const writeOutput = (writing: Writing, body: Body, maxTokens: number, forced: boolean, turns: ReadonlyArray<Turn>): boolean => {
  const { conversation, traits } = writing
  const { format } = conversation
  const output: Body = {}
  const { active, effort } = writeThinking(writing, body, maxTokens, forced, turns)
  if (effort !== undefined) output["effort"] = effort
  if (format?._tag === "JsonObject") lose(writing, named(writing, "format"), "Claude writes JSON to a schema, or not for certain")
  if (format?._tag === "JsonSchema") {
    if (!traits.structured) lose(writing, named(writing, "format"), "this model cannot be held to a schema")
    else {
      const { dropped, schema } = enforceable(format.schema)
      if (dropped.length > 0) {
        lose(writing, format.at ?? named(writing, "format"), `not enforced: ${dropped.map((name) => `\`${name}\``).join(", ")}`)
      }
      const described = format.description !== undefined && schema["description"] === undefined
      output["format"] = { type: "json_schema", schema: described ? { ...schema, description: format.description } : schema }
    }
  }
  if (Object.keys(output).length > 0) body["output_config"] = output
  return active
}

const writeSampling = (writing: Writing, body: Body, thinks: boolean): void => {
  const { conversation, traits } = writing
  const { frequencyPenalty, presencePenalty, seed, stop, temperature, topK, topP } = conversation.sampling
  const fixed =
    traits.sampling === "none"
      ? "this model does not let its sampling be set"
      : thinks
        ? "sampling cannot be set for a model that thinks"
        : undefined
  // 1 is the default of both, so it says nothing.
  const shapes = topP !== undefined && topP !== 1
  if (temperature !== undefined) {
    if (fixed !== undefined) {
      if (temperature !== 1) lose(writing, named(writing, "temperature"), fixed)
    } else if (!(temperature === 1 && shapes && traits.sampling === "one")) {
      const clamped = Math.min(Math.max(temperature, 0), 1)
      body["temperature"] = clamped
      if (clamped !== temperature)
        lose(writing, named(writing, "temperature"), `Claude's temperature ends at 1: ${temperature} becomes ${clamped}`)
    }
  }
  if (shapes) {
    if (traits.sampling === "none" || (thinks && topP < 0.95)) lose(writing, named(writing, "topP"), fixed ?? "")
    else if (traits.sampling === "one" && body["temperature"] !== undefined) {
      lose(writing, named(writing, "topP"), "this model takes either a temperature or `top_p`, and the temperature is sent")
    } else body["top_p"] = topP
  }
  if (topK !== undefined) {
    if (fixed === undefined) body["top_k"] = topK
    else lose(writing, named(writing, "topK"), fixed)
  }
  if (stop !== undefined) {
    const visible = stop.filter((sequence) => !blank(sequence))
    if (visible.length < stop.length) lose(writing, named(writing, "stop"), "a stop sequence needs a visible character")
    if (visible.length > 0) body["stop_sequences"] = visible
  }
  if (seed !== undefined) lose(writing, named(writing, "seed"), "Claude has no seed")
  if (frequencyPenalty !== undefined && frequencyPenalty !== 0) lose(writing, named(writing, "frequencyPenalty"), "Claude has no penalties")
  if (presencePenalty !== undefined && presencePenalty !== 0) lose(writing, named(writing, "presencePenalty"), "Claude has no penalties")
}

const maximum = (writing: Writing, target: TargetModel): number => {
  const wanted = writing.conversation.maxOutputTokens
  const limit = target.maxOutputTokens
  if (wanted === undefined) return limit ?? defaultMaxTokens
  if (limit === undefined || wanted <= limit) return wanted
  lose(writing, named(writing, "maxOutputTokens"), `the target answers with at most ${limit} tokens`)
  return limit
}

/** Encodes a conversation as the body of a Messages request. */
export const encodeRequest: Dialect["encodeRequest"] = (conversation, target) => {
  const writing = writingOf(conversation, target.model)
  const maxTokens = maximum(writing, target)
  const body: Body = { model: target.deployment ?? target.model, max_tokens: maxTokens }
  if (conversation.dialect === "messages") {
    ownBody(writing, body, maxTokens)
    return { body, losses: writing.losses }
  }
  const turns = writeMessages(writing, body)
  const forced = writeTools(writing, body)
  const thinks = writeOutput(writing, body, maxTokens, forced, turns)
  writeSampling(writing, body, thinks)
  if (conversation.userId !== undefined) body["metadata"] = { user_id: conversation.userId }
  if (conversation.stream) body["stream"] = true
  if (conversation.answers > 1) lose(writing, named(writing, "answers"), "one answer is given")
  addAll(writing.losses, lossesOf(conversation.extras, "the Messages API"))
  return { body, losses: writing.losses }
}
