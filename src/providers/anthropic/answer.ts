/**
 * A whole answer of the Messages API, decoded.
 *
 * Blocks that only Claude's own tools produce become `Foreign` parts, in their place, so that the caller's dialect can say what it leaves out.
 */
import * as Result from "effect/Result"
import type { Answer, Extra, Part, StopReason } from "../../Conversation.ts"
import type { Failure } from "../../Failure.ts"
import { malformed } from "../failures.ts"
import { field, isObject, print, textAt } from "../json.ts"
import { failureIn } from "./failure.ts"
import { usageOf } from "./usage.ts"

const stopReasons: Readonly<Record<string, StopReason>> = {
  end_turn: "end",
  stop_sequence: "stop-sequence",
  max_tokens: "max-tokens",
  tool_use: "tool-calls",
  refusal: "refusal",
  pause_turn: "paused",
  model_context_window_exceeded: "context-window"
}

/** The reason that `value` names. */
export const stopOf = (value: unknown): StopReason =>
  typeof value === "string" && Object.hasOwn(stopReasons, value) ? (stopReasons[value] ?? "unknown") : "unknown"

/** What the provider says of a refusal, if it says anything. */
export const explanationOf = (holder: unknown): string | undefined => {
  const text = textAt(field(holder, "stop_details"), "explanation")
  return text === "" ? undefined : text
}

const partOf = (block: unknown): Part => {
  const type = textAt(block, "type") ?? "block"
  switch (type) {
    case "text": {
      const citations = field(block, "citations")
      return {
        _tag: "Text",
        text: textAt(block, "text") ?? "",
        ...(Array.isArray(citations) && citations.length > 0 ? { citations } : {})
      }
    }
    case "thinking": {
      const signature = textAt(block, "signature")
      return {
        _tag: "Reasoning",
        text: textAt(block, "thinking") ?? "",
        ...(signature === undefined || signature === "" ? {} : { signature })
      }
    }
    case "redacted_thinking":
      return { _tag: "SealedReasoning", data: textAt(block, "data") ?? "" }
    case "tool_use": {
      const id = textAt(block, "id")
      const name = textAt(block, "name")
      if (id === undefined || name === undefined) return { _tag: "Foreign", type, value: block }
      return { _tag: "ToolCall", id, name, arguments: print(field(block, "input") ?? {}) }
    }
    default:
      return { _tag: "Foreign", type, value: block }
  }
}

const extrasOf = (body: unknown, stop: StopReason): ReadonlyArray<Extra> => {
  const extras: Array<Extra> = []
  const container = field(body, "container")
  if (isObject(container)) extras.push({ field: "container", value: container, matters: true })
  const managed = field(body, "context_management")
  if (isObject(managed)) extras.push({ field: "context_management", value: managed, matters: true })
  const reason = field(body, "stop_reason")
  if (stop === "paused" || (stop === "unknown" && typeof reason === "string")) {
    extras.push({ field: "stop_reason", value: reason, matters: true, reason: "no reason of the caller's dialect means the same" })
  }
  return extras
}

/** Decodes the parsed body of a message. */
export const decodeAnswer = (body: unknown): Result.Result<Answer, Failure> => {
  const failed = failureIn(body)
  if (failed !== undefined) return Result.fail(failed)
  const content = field(body, "content")
  if (!Array.isArray(content)) return Result.fail(malformed("expected a list of blocks at `content` in the provider's answer"))
  const stop = stopOf(field(body, "stop_reason"))
  const parts = content.map(partOf)
  const explanation = stop === "refusal" ? explanationOf(body) : undefined
  if (explanation !== undefined) parts.push({ _tag: "Refusal", text: explanation })
  const id = textAt(body, "id")
  const model = textAt(body, "model")
  const usage = usageOf(body)
  return Result.succeed({
    parts,
    stop,
    extras: extrasOf(body, stop),
    ...(id === undefined ? {} : { id }),
    ...(model === undefined ? {} : { model }),
    ...(usage === undefined ? {} : { usage })
  })
}
