/**
 * What the generations of Claude accept, read off the model's name.
 *
 * The Messages API refuses with a 400 what a generation has lost (sampling from 4.7, manual thinking from 4.7, a forced tool where thinking is
 * always on) or never had, so an encoder that knew only the field names would turn good requests into bad ones. A Claude without a
 * version counts as the newest, since new models take the least; a name that is no Claude's is another vendor's copy of the dialect. A table in the policy was not chosen since these are facts of the dialect and
 * not wishes of the author; it can overrule them once the catalog of models exists.
 * Read off the provider's pages on thinking, effort and mid-conversation system messages in November 2026.
 */

/** What one model accepts. */
export interface Traits {
  /** Temperature and nucleus sampling: both, one of the two, or none. */
  readonly sampling: "both" | "one" | "none"
  /** How thinking is asked for: not at all, by a token budget, or by effort with the model deciding. */
  readonly thinking: "none" | "budget" | "adaptive"
  /** What switches thinking off: it is off already, `disabled`, `between_tools` (which only lessens it), or nothing does. */
  readonly off: "default" | "disabled" | "between-tools" | "never"
  /** The highest effort below `max` that is known: `high` or `xhigh`. */
  readonly effort: "high" | "xhigh"
  /** Whether thoughts are shown where the request does not say; undefined where a request cannot say. */
  readonly display: "omitted" | "summarized" | undefined
  /** A tool call can be demanded. */
  readonly forcedTools: boolean
  /** `output_config.format` and strict tools. */
  readonly structured: boolean
  /** A `system` message may stand among the messages. */
  readonly laterSystem: boolean
  /** A closing assistant message is continued; otherwise it is refused. */
  readonly prefill: boolean
}

const families = /(opus|sonnet|haiku|fable|mythos)/
// `claude-sonnet-4-5-20250929`, `claude-sonnet-4.5`, `claude-3-5-haiku-latest`, `us.anthropic.claude-opus-4-6-v1:0`. A date is not a version.
const after = /(?:opus|sonnet|haiku|fable|mythos)[-_ ]?(\d{1,2})(?:[-_.](\d{1,2}))?(?!\d)/
const before = /claude[-_ ]?v?(\d{1,2})(?:[-_.](\d{1,2}))?(?!\d)/

const versionOf = (name: string): number => {
  const found = after.exec(name) ?? before.exec(name)
  return found === null ? newest : Number(found[1]) + Number(found[2] ?? 0) / 100
}

const newest = 99

/** Another vendor's model behind this dialect: the fields as they were when others began to copy them. */
const copied: Traits = {
  sampling: "both",
  thinking: "budget",
  off: "default",
  effort: "high",
  display: undefined,
  forcedTools: true,
  structured: false,
  laterSystem: false,
  prefill: true
}

/** What `model` accepts. */
export const traitsOf = (model: string): Traits => {
  const name = model.toLowerCase()
  const family = families.exec(name)?.[1] ?? ""
  if (family === "" && !name.includes("claude")) return copied
  const version = versionOf(name)
  // Haiku 5.5 can still be told not to think, and made to call a tool.
  const alwaysThinks = family === "fable" || family === "mythos" || (version >= 5.05 && (family !== "haiku" || version === newest))
  return {
    sampling: version >= 4.07 ? "none" : version >= 4.01 ? "one" : "both",
    thinking: version >= 4.06 ? "adaptive" : version >= 3.07 ? "budget" : "none",
    off: alwaysThinks ? (family === "sonnet" && version < newest ? "between-tools" : "never") : version >= 5 ? "disabled" : "default",
    effort: version >= 4.07 ? "xhigh" : "high",
    display: version >= 4.07 ? "omitted" : version >= 4 ? "summarized" : undefined,
    forcedTools: !alwaysThinks,
    structured: version >= 4.05 || (family === "opus" && version >= 4.01),
    laterSystem: alwaysThinks || version >= 5.05 || (family === "opus" && version >= 4.08),
    prefill: version < 4.06
  }
}

/** Whether `model` is a Claude by its name, so that what is known of Claude holds for it. */
export const isClaude = (model: string): boolean => traitsOf(model) !== copied
