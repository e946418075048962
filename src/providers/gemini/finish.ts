/**
 * Why a candidate ended, in both directions (ai.google.dev, "Generating content", `FinishReason`; cloud.google.com, "Vertex AI API", `Candidate.FinishReason`).
 *
 * `STOP` is said beside function calls too. Reasons that mean a broken answer (`MALFORMED_FUNCTION_CALL`, `LANGUAGE`, `OTHER`, …) have no like in other dialects: they are
 * `unknown`, with the provider's word as an extra that matters, and the answer is broken: to others it is told as unfinished, and where nothing has come of it as a failure. Writing, nothing looks better than it is: what is neither whole nor cut by a limit is `OTHER`.
 */
import type { Extra, StopReason } from "../../Conversation.ts"

const stopReasons: Readonly<Record<string, StopReason>> = {
  STOP: "end",
  MAX_TOKENS: "max-tokens",
  SAFETY: "content-filter",
  RECITATION: "content-filter",
  BLOCKLIST: "content-filter",
  PROHIBITED_CONTENT: "content-filter",
  SPII: "content-filter",
  MODEL_ARMOR: "content-filter",
  IMAGE_SAFETY: "content-filter",
  IMAGE_PROHIBITED_CONTENT: "content-filter",
  IMAGE_RECITATION: "content-filter"
}

/** The numbers of the enum that mean the same in both services; clients of the gRPC surface write them. */
const numbered: ReadonlyArray<string> = ["", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION"]

const nameOf = (value: unknown): string | undefined =>
  typeof value === "number" ? numbered[value] : typeof value === "string" ? value : undefined

/** Whether `value` says that the candidate has ended. */
export const isFinish = (value: unknown): boolean =>
  typeof value === "string" ? value !== "" && value !== "FINISH_REASON_UNSPECIFIED" : typeof value === "number" && value > 0

/** The reason that `value` names, of a candidate with or without function calls. */
export const stopOf = (value: unknown, calls: boolean): StopReason => {
  const name = nameOf(value)
  const stop = name !== undefined && Object.hasOwn(stopReasons, name) ? (stopReasons[name] ?? "unknown") : "unknown"
  return stop === "end" && calls ? "tool-calls" : stop
}

/** Whether a candidate has ended, and not well: every word for a good end is known. */
export const isBroken = (value: unknown, stop: StopReason): boolean => stop === "unknown" && isFinish(value)

/** The nearest of the dialect's own reasons. */
export const finishReasons = {
  end: "STOP",
  "stop-sequence": "STOP",
  "max-tokens": "MAX_TOKENS",
  "tool-calls": "STOP",
  "content-filter": "SAFETY",
  refusal: "SAFETY",
  paused: "OTHER",
  "context-window": "MAX_TOKENS",
  unknown: "OTHER"
} as const satisfies Record<StopReason, string>

/** The provider's own word, where the model's says less than it. */
export const noteFinish = (extras: Array<Extra>, value: unknown, stop: StopReason): void => {
  if (value === undefined || value === null || (stop !== "unknown" && finishReasons[stop] === value)) return
  extras.push({
    field: "candidates[0].finishReason",
    value,
    matters: isBroken(value, stop),
    reason: "no reason of the caller's dialect means the same"
  })
}
