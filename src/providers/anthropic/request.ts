/**
 * A conversation as the body of a Messages request. Pure; runs once an attempt, for callers of another dialect.
 *
 * What the target cannot carry is left out and named, never approximated in silence. Four decisions are made here:
 *
 * - **Later instructions.** `system` holds those before the first message. A later one is sent in its place as a `system` message where
 *   the model takes that: behind a user turn and before the assistant's, or at the end. It waits for such a place, and moving past user
 *   content is a loss. For other models it joins `system`, which keeps its authority and loses its place, and is reported. It is never
 *   put into the user's mouth, with one reported exception: a conversation without any message, which the API refuses.
 * - **Maximum.** The API demands one: the caller's, else the target's, else 4,096. A caller's above the target's is cut and reported.
 * - **Thinking.** An effort becomes adaptive thinking with that effort, or before Claude 4.6 a budget that is a share of the maximum (minimal 10 %,
 *   low 20 %, medium 50 %, high 80 %, above it 90 %; from 1,024 up to 32,000, and below the maximum). It is dropped, and reported, beside a
 *   demanded tool call, and before 4.6 also where a tool loop is continued without the signed thinking that began it: the API refuses both.
 * - **Blank text.** The API refuses blocks without visible text, so they are left out; a message of which nothing remains is reported.
 */
import type { Loss, TargetModel } from "../../Dialect.ts"
import type { Conversation, Effort, Tool } from "../../Conversation.ts"
import type { Json } from "../json.ts"
import { writeMessages } from "./messages.ts"
import type { Turn } from "./messages.ts"
import { traitsOf } from "./models.ts"
import { enforceable } from "./schema.ts"
import { blank, cacheControl, lose, named } from "./writing.ts"
import type { Body, Writing } from "./writing.ts"

const defaultMaxTokens = 4096
const leastBudget = 1024
const greatestBudget = 32_000

const toolOf = (writing: Writing, tool: Tool): Body => {
  const { traits } = writing
  const strict = tool.strict === true && traits.structured
  if (tool.strict === true && !traits.structured) lose(writing, `${tool.at}.strict`, "this model cannot be held to a schema")
  let schema: Json = tool.schema ?? { type: "object", properties: {} }
  if (schema["type"] !== "object") {
    if (schema["type"] !== undefined) lose(writing, `${tool.at}.parameters.type`, "arguments are always an object")
    schema = { ...schema, type: "object" }
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

const shares: Readonly<Record<Exclude<Effort, "none">, number>> = { minimal: 0.1, low: 0.2, medium: 0.5, high: 0.8, xhigh: 0.9, max: 0.9 }

/** Whether the conversation stands in the middle of a tool loop that did not begin with signed thinking. */
const unsignedLoop = (turns: ReadonlyArray<Turn>): boolean => {
  const assistant = turns.findLast((turn) => turn.role === "assistant")
  if (assistant === undefined || !assistant.content.some((block) => block["type"] === "tool_use")) return false
  const first = assistant.content[0]?.["type"]
  return first !== "thinking" && first !== "redacted_thinking"
}

const writeBudget = (writing: Writing, body: Body, maxTokens: number, forced: boolean, turns: ReadonlyArray<Turn>): boolean => {
  const { thinking } = writing.conversation
  const field = named(writing, "thinking")
  if (thinking === undefined || (thinking._tag === "Effort" && thinking.effort === "none")) return false
  const obstacle = forced
    ? "the model cannot think when a tool call is demanded"
    : unsignedLoop(turns)
      ? "the model cannot think on in a tool loop whose earlier thinking was not sent back"
      : maxTokens <= leastBudget
        ? `thinking takes at least ${leastBudget} tokens, and the maximum leaves no room`
        : undefined
  if (obstacle !== undefined) {
    lose(writing, field, obstacle)
    return false
  }
  const wanted =
    thinking._tag === "Budget"
      ? thinking.tokens
      : Math.min(greatestBudget, Math.floor(maxTokens * (thinking.effort === "none" ? 0 : shares[thinking.effort])))
  const budget = Math.min(Math.max(Math.floor(wanted), leastBudget), maxTokens - 1)
  if (thinking._tag === "Budget" && budget !== thinking.tokens)
    lose(writing, field, `the budget of ${thinking.tokens} tokens becomes ${budget}`)
  body["thinking"] = { type: "enabled", budget_tokens: budget }
  return true
}

const withoutThinking = (writing: Writing, body: Body): string | undefined => {
  const field = named(writing, "thinking")
  switch (writing.traits.off) {
    case "default":
      return undefined
    case "disabled":
      body["thinking"] = { type: "disabled" }
      return undefined
    case "between-tools":
      body["thinking"] = { type: "between_tools" }
      return lose(writing, field, "this model cannot be kept from thinking between tool calls")
    case "never":
      lose(writing, field, "this model cannot be kept from thinking, so it is asked for little")
      return "low"
  }
}

const writeAdaptive = (
  writing: Writing,
  body: Body,
  forced: boolean
): { readonly active: boolean; readonly effort: string | undefined } => {
  const { conversation, traits } = writing
  const { thinking } = conversation
  const field = named(writing, "thinking")
  if (thinking === undefined) return { active: false, effort: undefined }
  if (thinking._tag === "Effort" && thinking.effort === "none") return { active: false, effort: withoutThinking(writing, body) }
  if (!forced) body["thinking"] = { type: "adaptive" }
  else if (traits.off === "default") lose(writing, field, "the model does not think when a tool call is demanded")
  if (thinking._tag === "Budget") {
    lose(writing, field, "this model decides by itself how long it thinks")
    return { active: !forced, effort: undefined }
  }
  const { effort } = thinking
  if (effort === "minimal") lose(writing, field, "the lowest effort is `low`")
  if (effort === "xhigh" && traits.effort === "high") lose(writing, field, "this model has no effort between `high` and `max`")
  return { active: !forced, effort: effort === "minimal" ? "low" : effort === "xhigh" ? traits.effort : effort }
}

/** Writes what asks for thinking and for a format, and returns whether the model will think. */
const writeOutput = (writing: Writing, body: Body, maxTokens: number, forced: boolean, turns: ReadonlyArray<Turn>): boolean => {
  const { conversation, traits } = writing
  const { format, thinking } = conversation
  const output: Body = {}
  let active = false
  if (traits.thinking === "budget") active = writeBudget(writing, body, maxTokens, forced, turns)
  else if (traits.thinking === "adaptive") {
    const adaptive = writeAdaptive(writing, body, forced)
    active = adaptive.active
    if (adaptive.effort !== undefined) output["effort"] = adaptive.effort
  } else if (thinking !== undefined && !(thinking._tag === "Effort" && thinking.effort === "none")) {
    lose(writing, named(writing, "thinking"), "this model does not think")
  }
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
export const encodeRequest = (
  conversation: Conversation,
  target: TargetModel
): { readonly body: Readonly<Record<string, unknown>>; readonly losses: ReadonlyArray<Loss> } => {
  const writing: Writing = { conversation, traits: traitsOf(target.model), losses: [] }
  const maxTokens = maximum(writing, target)
  const body: Body = { model: target.deployment ?? target.model, max_tokens: maxTokens }
  const turns = writeMessages(writing, body)
  const forced = writeTools(writing, body)
  const thinks = writeOutput(writing, body, maxTokens, forced, turns)
  writeSampling(writing, body, thinks)
  if (conversation.userId !== undefined) body["metadata"] = { user_id: conversation.userId }
  if (conversation.stream) body["stream"] = true
  if (conversation.answers > 1) lose(writing, named(writing, "answers"), "one answer is given")
  for (const extra of conversation.extras) {
    if (extra.matters) lose(writing, extra.field, extra.reason ?? "the Messages API has no such field")
  }
  return { body, losses: writing.losses }
}
