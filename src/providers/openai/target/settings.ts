/**
 * The settings of a conversation in the words of Chat Completions. Pure; each returns what to write, and names what cannot be said.
 */
import type { Conversation, Effort, Format, Setting, Thinking, ToolChoice } from "../../../Conversation.ts"
import type { Loss, TargetModel } from "../../../Dialect.ts"

/** One encoding under way. */
export interface Writing {
  readonly conversation: Conversation
  /** The caller speaks this dialect too: what it wrote is given back as it wrote it. */
  readonly own: boolean
  readonly target: TargetModel
  readonly losses: Array<Loss>
}

/** Reports a loss. */
export const lose = ({ losses }: Writing, field: string, reason: string): undefined => void losses.push({ field, reason })

/** The caller's name for a setting. */
export const named = ({ conversation }: Writing, setting: Setting): string => conversation.named[setting] ?? setting

/** Whether the host has kept OpenAI's older names: it then knows no `developer`, and no `safety_identifier` either. */
export const isOlder = ({ target }: Writing): boolean => target.habits?.maxTokensField === "max_tokens"

/** A choice of tools. */
export const choiceOf = (choice: ToolChoice): unknown => {
  switch (choice._tag) {
    case "Auto":
      return "auto"
    case "None":
      return "none"
    case "Required":
      return "required"
    case "Named":
      return { type: "function", function: { name: choice.name } }
    case "Among":
      return {
        type: "allowed_tools",
        allowed_tools: {
          mode: choice.required ? "required" : "auto",
          tools: choice.names.map((name) => ({ type: "function", function: { name } }))
        }
      }
  }
}

/** A choice in the older words, beside `functions`. */
export const functionChoice = (choice: ToolChoice): unknown => (choice._tag === "Named" ? { name: choice.name } : choiceOf(choice))

/** A format; `name` is what one without a name is called, which the API demands. */
export const formatOf = (format: Format, name?: string): unknown => {
  switch (format._tag) {
    case "Text":
      return { type: "text" }
    case "JsonObject":
      return { type: "json_object" }
    case "JsonSchema": {
      const { _tag, at: _at, ...rest } = format
      return { type: "json_schema", json_schema: { ...(name === undefined ? {} : { name }), ...rest } }
    }
  }
}

/** Budgets up to which an effort is the nearest, halfway between those that Google's compatible endpoint gives to efforts: 1,024, 8,192 and 24,576 ("OpenAI compatibility"). */
const efforts: ReadonlyArray<readonly [most: number, effort: Effort]> = [
  [0, "none"],
  [4_608, "low"],
  [16_384, "medium"],
  [Infinity, "high"]
]

/** The effort for which a caller of another dialect asks. */
export const effortOf = (writing: Writing, thinking: Thinking): Effort => {
  const field = named(writing, "thinking")
  if (thinking.show !== undefined && thinking.show !== false) lose(writing, field, "Chat Completions cannot be asked to show the thoughts")
  switch (thinking._tag) {
    case "Effort":
      return thinking.effort
    case "Auto":
      lose(writing, field, "Chat Completions takes an effort: the model is asked for `medium`")
      return "medium"
    case "Budget": {
      const effort = efforts.find(([most]) => thinking.tokens <= most)?.[1] ?? "high"
      if (effort !== "none")
        lose(writing, field, `Chat Completions takes an effort: a budget of ${thinking.tokens} tokens becomes \`${effort}\``)
      return effort
    }
  }
}

const mostStops = 4

/** As many stop sequences as the API takes. */
export const stopsOf = (writing: Writing, stop: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (stop.length > mostStops)
    lose(
      writing,
      named(writing, "stop"),
      `of ${stop.length} stop sequences the first ${mostStops} are sent: Chat Completions takes no more`
    )
  return stop.slice(0, mostStops)
}

const mostPairs = 16
const longestKey = 64
const longestValue = 512

/** What OpenAI takes of metadata: 16 pairs, keys of 64 characters and values of 512. */
export const metadataOf = (writing: Writing, metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> | undefined => {
  const pairs = Object.entries(metadata)
  const taken = pairs.filter(([key, value]) => key.length <= longestKey && value.length <= longestValue).slice(0, mostPairs)
  if (taken.length < pairs.length)
    lose(writing, named(writing, "metadata"), `OpenAI takes ${mostPairs} pairs of at most ${longestKey} and ${longestValue} characters`)
  return taken.length === 0 ? undefined : Object.fromEntries(taken)
}

const longestId = 128

/** The end user, under the name that the host knows. */
export const userOf = (writing: Writing, id: string): readonly [field: string, id: string] | undefined => {
  if (id.length <= longestId) return [isOlder(writing) ? "user" : "safety_identifier", id]
  return lose(writing, named(writing, "userId"), `the name of a user has at most ${longestId} characters`)
}
