/**
 * Which efforts OpenAI's models reason with, by their names: the API refuses every other, and any at all for a model that does not reason.
 *
 * From developers.openai.com, "Reasoning models" and the pages of the models, and from the API's own refusals, which list what a model takes. Runs once a translated
 * request.
 */
import type { Effort } from "../../Conversation.ts"

/** From the least to the most. */
const all: ReadonlyArray<Effort> = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]

/** The first that matches counts. */
const families: ReadonlyArray<readonly [RegExp, ReadonlyArray<Effort>]> = [
  [/^(?:gpt-3|gpt-4|chatgpt|gpt-audio|gpt-5-chat|o1-mini|o1-preview)/, []],
  [/^gpt-5\.\d+-chat/, ["medium"]],
  [/^gpt-5-pro/, ["high"]],
  [/^gpt-5\.\d+-pro/, ["medium", "high", "xhigh"]],
  [/^o\d|^gpt-5-codex/, ["low", "medium", "high"]],
  [/^gpt-5(?:-mini|-nano)?(?:-20\d\d-\d\d-\d\d)?$/, ["minimal", "low", "medium", "high"]],
  [/^gpt-5\.1-codex-max/, ["low", "medium", "high", "xhigh"]],
  [/^gpt-5\.\d+-codex/, ["low", "medium", "high", "xhigh"]],
  [/^gpt-5\.1/, ["none", "low", "medium", "high"]],
  [/^gpt-5\.[2-5]/, ["none", "low", "medium", "high", "xhigh"]],
  [/^gpt-[5-9]/, ["none", "low", "medium", "high", "xhigh", "max"]]
]

/** The efforts of a model; none for one that does not reason, undefined for one that is not known here. */
export const effortsOf = (model: string): ReadonlyArray<Effort> | undefined => {
  const name = model.slice(model.lastIndexOf("/") + 1).toLowerCase()
  return families.find(([names]) => names.test(name))?.[1]
}

/** The effort of `known` that comes nearest: the next above, or else the greatest. */
export const nearest = (effort: Effort, known: ReadonlyArray<Effort>): Effort =>
  all.slice(all.indexOf(effort)).find((candidate) => known.includes(candidate)) ?? known.at(-1) ?? effort
