/**
 * A conversation as the body of a Responses request. Pure; runs once an attempt that is translated.
 *
 * What was written in Responses is written again, whatever it says. For callers of other dialects:
 *
 * - **Stateless.** Nothing is stored, and reasoning is asked for in its sealed form wherever the model reasons, so that it survives until the next request. A model that does
 *   not reason refuses that wish.
 * - **Strictness.** The API takes tools for strict unless told otherwise, which makes every optional property required. So `strict` is always said: it is false where the
 *   caller did not ask for it, or where strict mode would not take the schema as it is.
 * - **Thinking.** It is an effort here. A budget becomes one by its share of the maximum, or where there is none by its size; an effort that the model does not have
 *   becomes the nearest.
 * - **Maximum.** It is at least 16; a smaller one is raised.
 */
import type { Effort, Format, Thinking, Tool, ToolChoice } from "../../Conversation.ts"
import type { Dialect, TargetModel } from "../../Dialect.ts"
import { addAll, lossesOf, restore } from "../extras.ts"
import { type Body, lose, named, type Writing } from "./encode.ts"
import { closeGaps, writeInput } from "./encodeInput.ts"
import { effortsOf, nearest } from "./models.ts"
import { fits } from "./strict.ts"

const leastMaximum = 16
const longestUserId = 128

const noSuchField = "the Responses API"

const strictOf = (writing: Writing, { at, schema, strict }: Tool): Body => {
  if (writing.own) return strict === undefined ? {} : { strict }
  if (strict !== true) return { strict: false }
  // Chat Completions has the same strict mode, so what its callers call strict fits.
  if (schema === undefined || writing.conversation.dialect === "chat.completions" || fits(schema)) return { strict: true }
  lose(writing, `${at}.strict`, "strict mode would change or refuse this schema, so its calls are not held to it")
  return { strict: false }
}

const toolOf = (writing: Writing, tool: Tool): Body => ({
  type: "function",
  name: tool.name,
  ...(tool.description === undefined ? {} : { description: tool.description }),
  parameters: tool.schema ?? (writing.own ? null : { type: "object", properties: {} }),
  ...strictOf(writing, tool)
})

const choiceOf = (choice: ToolChoice): unknown => {
  switch (choice._tag) {
    case "Auto":
      return "auto"
    case "None":
      return "none"
    case "Required":
      return "required"
    case "Named":
      return { type: "function", name: choice.name }
    case "Among":
      return {
        type: "allowed_tools",
        mode: choice.required ? "required" : "auto",
        tools: choice.names.map((name) => ({ type: "function", name }))
      }
  }
}

const writeTools = (writing: Writing, body: Body): void => {
  const { parallelToolCalls, toolChoice, tools } = writing.conversation
  if (tools.length > 0) body["tools"] = tools.map((tool) => toolOf(writing, tool))
  if (tools.length > 0 || writing.own) {
    if (toolChoice !== undefined) body["tool_choice"] = choiceOf(toolChoice)
    if (parallelToolCalls !== undefined) body["parallel_tool_calls"] = parallelToolCalls
  } else if (toolChoice?._tag === "Required" || toolChoice?._tag === "Named")
    lose(writing, named(writing, "toolChoice"), "there is no tool to call")
}

/** Dialects whose formats are enforced without saying so. */
const enforced = new Set<string>(["messages", "generateContent"])

const formatOf = (writing: Writing, format: Format): Body => {
  switch (format._tag) {
    case "Text":
      return { type: "text" }
    case "JsonObject":
      return { type: "json_object" }
    case "JsonSchema": {
      const { description, name = "answer", schema, strict } = format
      const { conversation, own } = writing
      const wanted = strict ?? (enforced.has(conversation.dialect) ? true : own ? undefined : false)
      const held = wanted === true && !own && conversation.dialect !== "chat.completions" ? fits(schema) : wanted
      if (wanted === true && held === false)
        lose(
          writing,
          format.at ?? named(writing, "format"),
          "strict mode would change or refuse this schema, so the answer is not held to it"
        )
      return {
        type: "json_schema",
        name,
        schema,
        ...(description === undefined ? {} : { description }),
        ...(held === undefined ? {} : { strict: held })
      }
    }
  }
}

/** The effort that stands for a budget: the inverse of what an effort becomes where budgets are asked for. */
const effortOf = (tokens: number, maximum: number | undefined): Effort => {
  if (tokens <= 0) return "none"
  const share = maximum === undefined ? tokens / 24_000 : tokens / maximum
  return share <= 0.35 ? "low" : share <= 0.65 ? "medium" : "high"
}

const summaryOf = ({ show }: Thinking): Body => {
  if (show === undefined || show === false) return {}
  return { summary: show === "concise" || show === "detailed" ? show : "auto" }
}

/** The effort to ask for, where there is one to ask for. */
const wantedEffort = (writing: Writing, thinking: Thinking, known: ReadonlyArray<Effort> | undefined): Effort | undefined => {
  const field = named(writing, "thinking")
  // From GPT-5.1 on a model that is not told to reason may not do so at all.
  if (thinking._tag === "Auto") {
    const effort = nearest("medium", known ?? ["medium"])
    lose(writing, field, `how long to think is told by an effort: the model is asked for \`${effort}\``)
    return effort
  }
  const wanted = thinking._tag === "Effort" ? thinking.effort : effortOf(thinking.tokens, writing.conversation.maxOutputTokens)
  const found = known === undefined ? wanted : nearest(wanted, known)
  if (found !== wanted) lose(writing, field, `this model has no effort \`${wanted}\`, so it is asked for \`${found}\``)
  else if (thinking._tag === "Budget" && thinking.tokens > 0)
    lose(writing, field, `how long to think is told by an effort: ${thinking.tokens} tokens become \`${found}\``)
  return found
}

const isNone = (thinking: Thinking): boolean =>
  (thinking._tag === "Effort" && thinking.effort === "none") || (thinking._tag === "Budget" && thinking.tokens <= 0)

/** Whether the request sends reasoning back. */
const sendsReasoning = ({ input }: Body): boolean =>
  Array.isArray(input) && input.some((item: Body | undefined) => item?.["type"] === "reasoning")

const writeReasoning = (writing: Writing, body: Body, model: string): void => {
  const { thinking } = writing.conversation
  const known = effortsOf(model)
  if (known?.length === 0) {
    if (thinking !== undefined && !isNone(thinking)) lose(writing, named(writing, "thinking"), "this model does not reason")
    return
  }
  if (thinking !== undefined) {
    const effort = wantedEffort(writing, thinking, known)
    const reasoning = { ...(effort === undefined ? {} : { effort }), ...(isNone(thinking) ? {} : summaryOf(thinking)) }
    if (Object.keys(reasoning).length > 0) body["reasoning"] = reasoning
  }
  if (known !== undefined || sendsReasoning(body) || (thinking !== undefined && !isNone(thinking)))
    body["include"] = ["reasoning.encrypted_content"]
}

const writeOwnReasoning = ({ conversation: { thinking } }: Writing, body: Body): void => {
  if (thinking === undefined) return
  const reasoning = {
    ...(thinking._tag === "Effort" ? { effort: thinking.effort } : {}),
    ...(typeof thinking.show === "string" ? { summary: thinking.show } : {})
  }
  if (Object.keys(reasoning).length > 0) body["reasoning"] = reasoning
}

const writeSampling = (writing: Writing, body: Body): void => {
  const { frequencyPenalty, presencePenalty, seed, stop, temperature, topK, topP } = writing.conversation.sampling
  if (temperature !== undefined) body["temperature"] = temperature
  if (topP !== undefined) body["top_p"] = topP
  const none = "the Responses API has no such setting"
  if (topK !== undefined) lose(writing, named(writing, "topK"), none)
  if (stop !== undefined && stop.length > 0) lose(writing, named(writing, "stop"), none)
  if (seed !== undefined) lose(writing, named(writing, "seed"), none)
  if (frequencyPenalty !== undefined && frequencyPenalty !== 0) lose(writing, named(writing, "frequencyPenalty"), none)
  if (presencePenalty !== undefined && presencePenalty !== 0) lose(writing, named(writing, "presencePenalty"), none)
}

const maximumOf = (writing: Writing): number | undefined => {
  const { maxOutputTokens } = writing.conversation
  if (maxOutputTokens === undefined || writing.own || maxOutputTokens >= leastMaximum) return maxOutputTokens
  lose(
    writing,
    named(writing, "maxOutputTokens"),
    `the least maximum of Responses is ${leastMaximum}: ${maxOutputTokens} becomes ${leastMaximum}`
  )
  return leastMaximum
}

const userOf = (writing: Writing): Body => {
  const { named: names, userId } = writing.conversation
  if (userId === undefined) return {}
  if (writing.own) return { [names.userId ?? "safety_identifier"]: userId }
  if (userId.length <= longestUserId) return { safety_identifier: userId }
  lose(writing, named(writing, "userId"), `an id of a user has at most ${longestUserId} characters`)
  return {}
}

/** Fields of Chat Completions that mean the same here. */
const shared = new Set(["service_tier", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options"])

const writeExtras = (writing: Writing, body: Body): void => {
  const { dialect, extras } = writing.conversation
  if (writing.own) {
    const left = restore(body, extras)
    closeGaps(body)
    addAll(writing.losses, lossesOf(left, noSuchField))
    return
  }
  const kin = dialect === "chat.completions"
  const foreign = extras.filter(({ field, value }) => {
    if (kin && shared.has(field)) body[field] = value
    else if (kin && field === "verbosity") body["text"] = { ...(body["text"] as Body | undefined), verbosity: value }
    else return true
    return false
  })
  addAll(writing.losses, lossesOf(foreign, noSuchField))
}

/** Encodes a conversation as the body of a Responses request. */
export const encodeRequest: Dialect["encodeRequest"] = (conversation, target: TargetModel) => {
  const own = conversation.dialect === "responses"
  const writing: Writing = { conversation, own, losses: [] }
  const body: Body = { model: target.deployment ?? target.model }
  writeInput(writing, body)
  writeTools(writing, body)
  if (conversation.format !== undefined) body["text"] = { format: formatOf(writing, conversation.format) }
  if (own) writeOwnReasoning(writing, body)
  else writeReasoning(writing, body, target.model)
  writeSampling(writing, body)
  const maximum = maximumOf(writing)
  if (maximum !== undefined) body["max_output_tokens"] = maximum
  Object.assign(body, userOf(writing))
  // A copy, since extras are put back into it.
  if (conversation.metadata !== undefined) body["metadata"] = { ...conversation.metadata }
  if (conversation.answers > 1) lose(writing, named(writing, "answers"), "one answer is given")
  if (conversation.stream) body["stream"] = true
  if (!own) body["store"] = false
  writeExtras(writing, body)
  return { body, losses: writing.losses }
}
