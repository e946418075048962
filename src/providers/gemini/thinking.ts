/**
 * How much Gemini shall think, in the words of its generation: a number of tokens for 2.5, a level from 3 on.
 *
 * An effort as a budget is what Google's own translation of OpenAI's API makes of it (ai.google.dev, "OpenAI compatibility", "Thinking"): minimal and low 1,024 tokens, medium 8,192, high 24,576; more is
 * the model's most. It stays below four fifths of the answer's maximum, which counts thoughts too. A budget as a level goes by the same numbers: below 4,096 low, below 16,384 medium, else high.
 * A level that a model lacks becomes the next that it has, upwards; thinking that cannot be switched off becomes as little as there is. Both are losses, as is a budget that becomes a level.
 */
import type { Effort, Thinking } from "../../Conversation.ts"
import type { Level, Traits } from "./models.ts"

/** Fields of `thinkingConfig`, and what of the wish they do not say. */
export interface Amount {
  readonly config: Readonly<Record<string, unknown>>
  readonly loss?: string
}

const efforts: Readonly<Record<Exclude<Effort, "none" | "xhigh" | "max">, number>> = {
  minimal: 1024,
  low: 1024,
  medium: 8192,
  high: 24_576
}
const order: ReadonlyArray<Level> = ["minimal", "low", "medium", "high"]

const levelOf = (level: Level, traits: Traits): Level =>
  traits.levels.find((known) => order.indexOf(known) >= order.indexOf(level)) ?? traits.levels.at(-1) ?? "high"

const levelConfig = (level: Level): Readonly<Record<string, unknown>> => ({ thinkingLevel: level.toUpperCase() })

const off = ({ budget, levels, thinking }: Traits): Amount => {
  if (thinking === "none") return { config: {} }
  const loss = "this model cannot be kept from thinking, so it is asked for little"
  if (thinking === "level") return { config: levelConfig(levels[0] ?? "low"), loss }
  return budget.off ? { config: { thinkingBudget: 0 } } : { config: { thinkingBudget: budget.least }, loss }
}

const effortOf = (effort: Exclude<Effort, "none">, traits: Traits, most: number | undefined): Amount => {
  if (traits.thinking === "budget") {
    const wanted = effort === "xhigh" || effort === "max" ? traits.budget.most : efforts[effort]
    const room = most === undefined ? wanted : Math.floor(most * 0.8)
    return { config: { thinkingBudget: Math.max(traits.budget.least, Math.min(wanted, room, traits.budget.most)) } }
  }
  if (effort === "xhigh" || effort === "max") return { config: levelConfig("high"), loss: "the highest level is `high`" }
  const level = levelOf(effort, traits)
  return {
    config: levelConfig(level),
    ...(level === effort ? {} : { loss: `this model has no level \`${effort}\`: it becomes \`${level}\`` })
  }
}

const budgetOf = (tokens: number, traits: Traits): Amount => {
  if (traits.thinking === "budget") {
    const budget = Math.min(Math.max(Math.floor(tokens), traits.budget.least), traits.budget.most)
    return {
      config: { thinkingBudget: budget },
      ...(budget === tokens ? {} : { loss: `the budget of ${tokens} tokens becomes ${budget}` })
    }
  }
  const level = levelOf(tokens < 4096 ? "low" : tokens < 16_384 ? "medium" : "high", traits)
  return { config: levelConfig(level), loss: `this model thinks by level: the budget of ${tokens} tokens becomes \`${level}\`` }
}

/** What asks a model for this much thinking; `most` is the answer's maximum. */
export const amountOf = (thinking: Thinking, traits: Traits, most: number | undefined): Amount => {
  if (thinking._tag === "Effort" && thinking.effort === "none") return off(traits)
  if (traits.thinking === "none") return { config: {}, loss: "this model does not think" }
  switch (thinking._tag) {
    case "Effort":
      return thinking.effort === "none" ? off(traits) : effortOf(thinking.effort, traits, most)
    case "Budget":
      return budgetOf(thinking.tokens, traits)
    case "Auto":
      // From 3 on a model that is told nothing decides by itself.
      return { config: traits.thinking === "budget" ? { thinkingBudget: -1 } : {} }
  }
}
