/**
 * Why an answer ended, in the words of Chat Completions and in the model's.
 */
import type { StopReason } from "../../Conversation.ts"

/** The nearest of the dialect's own reasons; an unfinished answer is never called finished. */
const finishReasons = {
  end: "stop",
  "stop-sequence": "stop",
  "max-tokens": "length",
  "tool-calls": "tool_calls",
  "content-filter": "content_filter",
  refusal: "content_filter",
  paused: "length",
  "context-window": "length",
  unknown: "stop"
} as const satisfies Record<StopReason, string>

/** What an answer says of its end; one that has `calls` waits for their results, whatever else it says of a good end. */
export const finishOf = (stop: StopReason, calls: boolean): string =>
  calls && finishReasons[stop] === "stop" ? "tool_calls" : finishReasons[stop]

const stopReasons: Readonly<Record<string, StopReason>> = {
  stop: "end",
  length: "max-tokens",
  tool_calls: "tool-calls",
  function_call: "tool-calls",
  content_filter: "content-filter",
  // Servers of open models name the token that ended it.
  eos: "end",
  eos_token: "end"
}

/** Words of hosts for an answer that they have broken off: DeepSeek lacked resources ("Create Chat Completion", `finish_reason`). */
const interruptions: ReadonlySet<unknown> = new Set(["insufficient_system_resource"])

/** Whether the answer is not whole. */
export const isInterrupted = (value: unknown): boolean => interruptions.has(value)

/** Whether a provider's reason is a word that no other dialect has. */
export const isOdd = (value: unknown): boolean => typeof value === "string" && value !== "" && !Object.hasOwn(stopReasons, value)

/** Why an odd word is a loss. */
export const noSuchReason = "no reason of the caller's dialect means the same"

/** What a provider's reason means; some say `stop` beside the calls that they wait for. */
export const stopOf = (value: unknown, calls: boolean): StopReason => {
  if (isInterrupted(value)) return "unknown"
  const found = typeof value === "string" && Object.hasOwn(stopReasons, value) ? stopReasons[value]! : "unknown"
  return calls && (found === "end" || found === "unknown") ? "tool-calls" : found
}
