/**
 * A whole answer of the Messages API, decoded.
 *
 * Blocks that only Claude's own tools produce become `Foreign` parts, in their place, so that the caller's dialect can say what it leaves out; fields without a
 * place become extras by their path. `content[2]` and its like are the provider's own indexes.
 *
 * Source: platform.claude.com, "Create a Message", "Stop reasons and fallback".
 */
import * as Result from "effect/Result"
import type { Answer, Citation, Extra, Part, StopReason } from "../../Conversation.ts"
import type { Failure } from "../../Failure.ts"
import { noteOthers } from "../extras.ts"
import { malformed } from "../failures.ts"
import { field, isObject, print, textAt } from "../json.ts"
import type { Json } from "../json.ts"
import { sealOf } from "../seal.ts"
import { failureIn } from "./failure.ts"
import { counted, usageOf } from "./usage.ts"

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

/** Where the explanation of a refusal stands, which is no block. */
export const explained = "stop_details.explanation"

const cited = (value: unknown, url: string | undefined): Citation => {
  const title = textAt(value, "title")
  const quote = textAt(value, "cited_text")
  return {
    ...(url === undefined ? {} : { url }),
    ...(title === undefined ? {} : { title }),
    ...(quote === undefined ? {} : { quote }),
    value
  }
}

/** A citation. Those of the caller's own documents name no address. */
export const citationOf = (value: unknown): Citation => {
  switch (textAt(value, "type")) {
    case "web_search_result_location":
      return cited(value, textAt(value, "url"))
    case "search_result_location": {
      // The caller named the source, and need not have named it by an address.
      const source = textAt(value, "source")
      return cited(value, source !== undefined && /^https?:\/\//i.test(source) ? source : undefined)
    }
    default:
      return { value }
  }
}

/** The seal that `text` is, if it is one: a thought of another provider that was not signed carries an empty one. */
const signed = (text: string | undefined): { readonly seal?: ReturnType<typeof sealOf> } => {
  if (text === undefined || text === "") return {}
  const seal = sealOf(text, "messages")
  return seal.data === "" ? {} : { seal }
}

const known = {
  text: new Set(["type", "text", "citations"]),
  thinking: new Set(["type", "thinking", "signature"]),
  redacted_thinking: new Set(["type", "data"]),
  tool_use: new Set(["type", "id", "name", "input"])
} satisfies Record<string, ReadonlySet<string>>

/** Calls that the model makes itself say so, and others are made by code that it wrote. */
const matters = (key: string, value: unknown): boolean => key !== "caller" || textAt(value, "type") !== "direct"

/** Notes what the model has no place for in a block, if it has a place for the block. */
export const noteBlock = (extras: Array<Extra>, block: unknown, at: string): void => {
  const type = textAt(block, "type")
  if (isObject(block) && type !== undefined && Object.hasOwn(known, type))
    noteOthers(extras, at, block, known[type as keyof typeof known], matters)
}

const foreign = (type: string, value: unknown, at: string): Part => ({ _tag: "Foreign", type, value, at })

const partOf = (block: unknown, at: string): Part => {
  const type = textAt(block, "type") ?? "block"
  switch (type) {
    case "text": {
      const citations = field(block, "citations")
      return {
        _tag: "Text",
        text: textAt(block, "text") ?? "",
        ...(Array.isArray(citations) ? { citations: citations.map(citationOf) } : {})
      }
    }
    case "thinking":
      return { _tag: "Reasoning", text: textAt(block, "thinking") ?? "", ...signed(textAt(block, "signature")) }
    case "redacted_thinking":
      return { _tag: "SealedReasoning", seal: sealOf(textAt(block, "data") ?? "", "messages") }
    case "tool_use": {
      const id = textAt(block, "id")
      const name = textAt(block, "name")
      const text = print(field(block, "input") ?? {})
      // What cannot be printed is nested deeper than any reader's stack.
      if (id === undefined || name === undefined || text === "") return foreign(type, block, at)
      return { _tag: "ToolCall", id, name, arguments: text }
    }
    default:
      return foreign(type, block, at)
  }
}

const ofMessage = new Set(["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "stop_details", "usage"])
const serving = new Set(["container", "context_management", "input_transformations"])

/** Notes what a message says beside its blocks, its counts and its end: `known` are the fields that were read. */
export const noteMessage = (extras: Array<Extra>, message: Json, known: ReadonlySet<string> = ofMessage): void =>
  noteOthers(extras, "", message, known, (key) => serving.has(key))

/** Notes what `usage` says beside its counts. */
export const noteUsage = (extras: Array<Extra>, usage: unknown): void => {
  if (isObject(usage)) noteOthers(extras, "usage", usage, counted, false)
}

const ofDetails: ReadonlySet<string> = new Set(["type", "explanation"])

/** Notes what is said of the end: the details, and a reason that no other dialect has. */
export const noteStop = (extras: Array<Extra>, holder: unknown, stop: StopReason): void => {
  const details = field(holder, "stop_details")
  if (isObject(details)) {
    if (stop === "refusal" && explanationOf(holder) !== undefined) noteOthers(extras, "stop_details", details, ofDetails, false)
    else extras.push({ field: "stop_details", value: details, matters: false })
  }
  const reason = field(holder, "stop_reason")
  if (stop === "paused" || (stop === "unknown" && typeof reason === "string"))
    extras.push({ field: "stop_reason", value: reason, matters: true, reason: "no reason of the caller's dialect means the same" })
}

/** Decodes the parsed body of a message. */
export const decodeAnswer = (body: unknown): Result.Result<Answer, Failure> => {
  const failed = failureIn(body)
  if (failed !== undefined) return Result.fail(failed)
  const content = field(body, "content")
  if (!isObject(body) || !Array.isArray(content))
    return Result.fail(malformed("expected a list of blocks at `content` in the provider's answer"))
  const stop = stopOf(field(body, "stop_reason"))
  const sequence = textAt(body, "stop_sequence")
  const extras: Array<Extra> = []
  noteMessage(extras, body)
  noteUsage(extras, field(body, "usage"))
  noteStop(extras, body, stop)
  const parts = content.map((block: unknown, index): Part => {
    const at = `content[${index}]`
    const part = partOf(block, at)
    if (part._tag !== "Foreign") noteBlock(extras, block, at)
    return part
  })
  const explanation = stop === "refusal" ? explanationOf(body) : undefined
  if (explanation !== undefined) parts.push({ _tag: "Refusal", text: explanation, at: explained })
  const id = textAt(body, "id")
  const model = textAt(body, "model")
  const usage = usageOf(body)
  return Result.succeed({
    dialect: "messages",
    parts,
    stop,
    extras,
    ...(sequence === undefined ? {} : { stopSequence: sequence }),
    ...(id === undefined ? {} : { id }),
    ...(model === undefined ? {} : { model }),
    ...(usage === undefined ? {} : { usage })
  })
}
