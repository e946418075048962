/**
 * What the generations of Gemini accept, read off the model's name.
 *
 * The API refuses with a 400 what a generation has lost, and ignores the rest of it, so an encoder that knew only the field names would turn good requests into bad ones. A Gemini without a
 * version counts as the newest, since new models take the least; Gemma and other names take what was there first, and do not think.
 *
 * Read off the provider's pages in November 2026: "Gemini thinking" (budgets of 2.5, levels from 3 on), "What's new in Gemini 3.6 Flash and 3.5 Flash-Lite" (no sampling, no penalties, no
 * closing model turn), "Structured outputs" (with tools from 3 on), "Thought signatures", "File input methods" (URLs not before 2.5).
 */

/** What one model accepts. */
export interface Traits {
  /** How thinking is asked for: not at all, by a number of tokens, or by a level. */
  readonly thinking: "none" | "budget" | "level"
  /** The fewest and the most tokens of a budget, and whether 0 switches thinking off. */
  readonly budget: { readonly least: number; readonly most: number; readonly off: boolean }
  /** The levels that there are, the lowest first. */
  readonly levels: ReadonlyArray<Level>
  /** Temperature and the like, and penalties, may be set. */
  readonly sampling: boolean
  /** A format may be asked for beside tools. */
  readonly formatWithTools: boolean
  /** A tool's result may hold pictures and documents. */
  readonly mediaInResults: boolean
  /** The calls of a turn are refused without the signature of the first of each step. */
  readonly signsCalls: boolean
  /** Arguments can be held to their schema without demanding a call. */
  readonly validates: boolean
  /** A public URL may stand for a file. */
  readonly urls: boolean
  /** A closing model turn is continued; otherwise it is refused. */
  readonly prefill: boolean
}

export type Level = "minimal" | "low" | "medium" | "high"

const newest = 99

const versionOf = (name: string): number => {
  // `gemini-2.5-flash-lite`, `gemini-3-pro-preview`, `models/gemini-4-argon`, `google/gemini-2.0-flash-001`.
  const found = /gemini-(\d{1,2})(?:\.(\d{1,2}))?(?![\d.])/.exec(name)
  return found === null ? newest : Number(found[1]) + Number(found[2] ?? 0) / 100
}

const levelsOf = (name: string, version: number): ReadonlyArray<Level> => {
  const pro = name.includes("pro")
  if (pro && version < 3.01) return ["low", "high"]
  const minimal = !pro && name.includes("flash") && (version < 3.07 || name.includes("lite"))
  return minimal ? ["minimal", "low", "medium", "high"] : ["low", "medium", "high"]
}

const budgetOf = (name: string): Traits["budget"] => {
  if (name.includes("pro")) return { least: 128, most: 32_768, off: false }
  return { least: name.includes("lite") ? 512 : 1, most: 24_576, off: true }
}

/** What `model` accepts. */
export const traitsOf = (model: string): Traits => {
  const name = model.toLowerCase()
  const version = name.includes("gemini") ? versionOf(name) : 2
  const thinks = version >= 2.05 && !(version < 3 && /image|tts/.test(name))
  const lite = name.includes("lite")
  const sampling = version < 3.06 && !(lite && version >= 3.05)
  return {
    thinking: !thinks ? "none" : version < 3 ? "budget" : "level",
    budget: budgetOf(name),
    levels: levelsOf(name, version),
    sampling,
    formatWithTools: version >= 3,
    mediaInResults: version >= 3,
    signsCalls: version >= 3,
    validates: version >= 2.05,
    urls: version >= 2.05,
    prefill: sampling
  }
}
