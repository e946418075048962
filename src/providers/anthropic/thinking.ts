/**
 * What asks a Claude to think, or not to, written for the model's generation.
 *
 * An effort becomes adaptive thinking with that effort, or before Claude 4.6 a budget that is a share of the maximum (minimal 10 %, low 20 %, medium 50 %, high 80 %, above it 90 %; from
 * 1,024 up to 32,000, and below the maximum). It is dropped, and reported, beside a demanded tool call, and before 4.6 also where a tool loop is continued without the signed
 * thinking that began it: the API refuses both. Thoughts are asked to be shown, or hidden, only where the model would not by itself.
 *
 * Source: https://platform.claude.com/docs/en/build-with-claude/thinking and /effort.
 */
import type { Effort, Thinking } from "../../Conversation.ts"
import type { Turn } from "./messages.ts"
import type { Traits } from "./models.ts"
import { lose, named } from "./writing.ts"
import type { Body, Writing } from "./writing.ts"

/** The least that a budget may be. */
export const leastBudget = 1024
const greatestBudget = 32_000

const shares: Readonly<Record<Exclude<Effort, "none">, number>> = { minimal: 0.1, low: 0.2, medium: 0.5, high: 0.8, xhigh: 0.9, max: 0.9 }

/** The budget that an effort is, of `maxTokens`; undefined where those leave no room for one. */
export const budgetOf = (effort: Exclude<Effort, "none">, maxTokens: number): number | undefined =>
  maxTokens <= leastBudget
    ? undefined
    : Math.min(Math.max(Math.min(greatestBudget, Math.floor(maxTokens * shares[effort])), leastBudget), maxTokens - 1)

/** The word for an effort that a model knows: it has none below `low`, and may have none between `high` and `max`. */
export const effortOf = (effort: Exclude<Effort, "none">, traits: Pick<Traits, "effort">): string =>
  effort === "minimal" ? "low" : effort === "xhigh" ? traits.effort : effort

/** Whether the conversation stands in the middle of a tool loop that did not begin with signed thinking. */
export const unsignedLoop = (
  turns: ReadonlyArray<{ readonly role: Turn["role"]; readonly content: ReadonlyArray<Readonly<Record<string, unknown>>> }>
): boolean => {
  const assistant = turns.findLast((turn) => turn.role === "assistant")
  if (assistant === undefined || !assistant.content.some((block) => block["type"] === "tool_use")) return false
  const first = assistant.content[0]?.["type"]
  return first !== "thinking" && first !== "redacted_thinking"
}

/** Whether thoughts are shown, where that is not what the model does anyway. */
const displayOf = ({ traits }: Writing, { show }: Thinking): Body => {
  if (show === undefined) return {}
  if (show === false) return traits.display === "summarized" ? { display: "omitted" } : {}
  return traits.display === "omitted" ? { display: "summarized" } : {}
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
  const effort = thinking._tag === "Effort" && thinking.effort !== "none" ? thinking.effort : "medium"
  const budget =
    thinking._tag === "Budget"
      ? Math.min(Math.max(Math.floor(thinking.tokens), leastBudget), maxTokens - 1)
      : (budgetOf(effort, maxTokens) ?? leastBudget)
  if (thinking._tag === "Budget" && budget !== thinking.tokens)
    lose(writing, field, `the budget of ${thinking.tokens} tokens becomes ${budget}`)
  body["thinking"] = { type: "enabled", budget_tokens: budget, ...displayOf(writing, thinking) }
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
  const effort = thinking._tag === "Effort" ? thinking.effort : undefined
  if (effort === "none") return { active: false, effort: withoutThinking(writing, body) }
  if (!forced) body["thinking"] = { type: "adaptive", ...displayOf(writing, thinking) }
  else if (traits.off === "default") lose(writing, field, "the model does not think when a tool call is demanded")
  if (thinking._tag === "Budget") {
    lose(writing, field, "this model decides by itself how long it thinks")
    return { active: !forced, effort: undefined }
  }
  if (effort === undefined) return { active: !forced, effort: undefined }
  if (effort === "minimal") lose(writing, field, "the lowest effort is `low`")
  if (effort === "xhigh" && traits.effort === "high") lose(writing, field, "this model has no effort between `high` and `max`")
  return { active: !forced, effort: effortOf(effort, traits) }
}

/** Asks for thinking as the model's generation takes it. Returns whether the model will think, and with what effort. */
export const writeThinking = (
  writing: Writing,
  body: Body,
  maxTokens: number,
  forced: boolean,
  turns: ReadonlyArray<Turn>
): { readonly active: boolean; readonly effort: string | undefined } => {
  const { conversation, traits } = writing
  const { thinking } = conversation
  if (traits.thinking === "budget") return { active: writeBudget(writing, body, maxTokens, forced, turns), effort: undefined }
  if (traits.thinking === "adaptive") return writeAdaptive(writing, body, forced)
  if (thinking !== undefined && !(thinking._tag === "Effort" && thinking.effort === "none"))
    lose(writing, named(writing, "thinking"), "this model does not think")
  return { active: false, effort: undefined }
}
