/**
 * What has to change in a Messages request so that it says what is set, whatever its caller wrote. Runs once an attempt, and only where something is set.
 *
 * An effort is said as the generation of Claude takes it that will read the request. From Claude 4.6 on, and where the name tells nothing (an alias of the policy), that is adaptive thinking with `output_config.effort`;
 * before, or where the caller thinks by a budget and the name tells nothing, it is a budget that is a share of `max_tokens`. `none` switches thinking off, or comes as near to it as the model allows. A budget is not
 * set where the API would refuse the request for it: beside a demanded tool call, in a tool loop that was begun without thinking, and where the maximum leaves no room.
 *
 * One change may need another. A budget must stay below the maximum, so it is lowered with it; and beside a budget no temperature but 1 is taken.
 */
import type { CallerDialect } from "../../Dialect.ts"
import type { Effort } from "../../Conversation.ts"
import type { Change } from "../../JsonScan.ts"
import { isObject, type Json, listAt, objectAt, print, textAt } from "../json.ts"
import { isClaude, traitsOf } from "./models.ts"
import { budgetOf, effortOf, leastBudget, unsignedLoop } from "./thinking.ts"

const isCount = (value: unknown): value is number => typeof value === "number" && Number.isSafeInteger(value) && value >= 0

/** The fields that are to be set; those that say so already need no change, and what is nested too deeply to print is not touched. */
const changesOf = (body: Json, wanted: Json): ReadonlyArray<Change> =>
  Object.keys(wanted).flatMap((key) => {
    const json = print(wanted[key])
    return json === "" || json === print(body[key]) ? [] : [{ key, json }]
  })

/** What the caller said of showing its thoughts. */
const displayOf = (body: Json): Json => {
  const display = objectAt(body, "thinking")?.["display"]
  return display === undefined ? {} : { display }
}

const turnsOf = (body: Json): Parameters<typeof unsignedLoop>[0] =>
  listAt(body, "messages").map((message) => ({
    role: textAt(message, "role") === "assistant" ? "assistant" : "user",
    content: listAt(message, "content").filter(isObject)
  }))

/** A budget, with the temperature that it demands; nothing where the request would be refused for it. */
const withBudget = (body: Json, effort: Exclude<Effort, "none">, maxTokens: number): Json => {
  const choice = textAt(objectAt(body, "tool_choice"), "type")
  const budget = budgetOf(effort, maxTokens)
  if (budget === undefined || choice === "any" || choice === "tool" || unsignedLoop(turnsOf(body))) return {}
  return {
    thinking: { type: "enabled", budget_tokens: budget, ...displayOf(body) },
    ...((body["temperature"] ?? 1) === 1 ? {} : { temperature: 1 })
  }
}

const withEffort = (body: Json, effort: string): Json => ({
  thinking: { type: "adaptive", ...displayOf(body) },
  output_config: { ...objectAt(body, "output_config"), effort }
})

const thinkingOf = (body: Json, effort: Effort, maxTokens: number, model: string): Json => {
  const known = isClaude(model)
  const traits = traitsOf(model)
  if (effort === "none") {
    if (known && traits.off === "never") return withEffort(body, "low")
    if (known && traits.off === "between-tools") return { thinking: { type: "between_tools" } }
    // Where it is off by default, and nothing was said, it is off.
    if (body["thinking"] === undefined && known && traits.off === "default") return {}
    return { thinking: { type: "disabled" } }
  }
  const budgeted = textAt(objectAt(body, "thinking"), "type") === "enabled"
  if (known ? traits.thinking === "adaptive" : !budgeted)
    return withEffort(body, known ? effortOf(effort, traits) : effortOf(effort, { effort: "xhigh" }))
  return known && traits.thinking === "none" ? {} : withBudget(body, effort, maxTokens)
}

/** The thinking that the caller asked for, where its budget fits into `maxTokens` no longer. */
const fitting = (body: Json, maxTokens: number): Json => {
  const thinking = objectAt(body, "thinking")
  const budget = thinking?.["budget_tokens"]
  if (thinking === undefined || !isCount(budget) || budget < maxTokens) return {}
  return { thinking: maxTokens > leastBudget ? { ...thinking, budget_tokens: maxTokens - 1 } : { type: "disabled" } }
}

/** The changes to a Messages request. */
export const overrides: CallerDialect["overrides"] = (
  body,
  { maxOutputTokens: most, model = textAt(body, "model") ?? "", reasoningEffort, temperature }
) => {
  const said = body["max_tokens"]
  const lowered = most !== undefined && !(isCount(said) && said <= most)
  const maxTokens = lowered ? most : isCount(said) ? said : Infinity
  // Claude's ends at 1.
  const drawn = temperature === undefined ? {} : { temperature: Math.min(temperature, 1) }
  return changesOf(body, {
    ...drawn,
    ...(lowered ? { max_tokens: most, ...fitting(body, most) } : {}),
    ...(reasoningEffort === undefined ? {} : thinkingOf({ ...body, ...drawn }, reasoningEffort, maxTokens, model))
  })
}
