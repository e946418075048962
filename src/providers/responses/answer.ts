/**
 * Whole answers of the Responses API, decoded.
 *
 * An answer is a list of items, of which a reasoning item and the function calls that follow it belong together: each part keeps its item's id. Why it ended is told by its status, the reason
 * of an incomplete one, and what its items are: there is no stop reason for a tool call.
 *
 * Source: https://platform.openai.com/docs/api-reference/responses, "The response object".
 */
import * as Result from "effect/Result"
import type { Answer, Extra, Part, StopReason } from "../../Conversation.ts"
import type { Failure } from "../../Failure.ts"
import { toldOf } from "../broken.ts"
import { malformed } from "../failures.ts"
import { noteOthers, present, under } from "../extras.ts"
import { field, isObject, type Json, objectAt, textAt } from "../json.ts"
import { failureIn } from "./failure.ts"
import { type Item, readItem } from "./items.ts"
import { noteUsage, readUsage } from "./usage.ts"

/** What an answer holds that decides why it ended. */
export interface Held {
  readonly calls: boolean
  readonly refused: boolean
}

/** A response's status, and why it is incomplete. */
export interface Status {
  readonly status: "completed" | "incomplete"
  readonly reason?: "max_output_tokens" | "content_filter"
}

const completed: Status = { status: "completed" }
const cut: Status = { status: "incomplete", reason: "max_output_tokens" }
const filtered: Status = { status: "incomplete", reason: "content_filter" }

/** The nearest status; an answer that is not finished is never called completed, and a refusal that no part tells is a filter's. */
export const statusOf = (stop: StopReason, refused: boolean): Status => {
  switch (stop) {
    case "max-tokens":
    case "context-window":
    case "paused":
      return cut
    case "content-filter":
      return filtered
    case "refusal":
      return refused ? completed : filtered
    default:
      return completed
  }
}

const incomplete: Readonly<Record<string, StopReason>> = { max_output_tokens: "max-tokens", content_filter: "content-filter" }

/** Why a response ended. */
export const stopOf = (body: Json, { calls, refused }: Held, status: string | undefined = textAt(body, "status")): StopReason => {
  switch (status) {
    case "incomplete": {
      const reason = textAt(body["incomplete_details"], "reason") ?? ""
      return Object.hasOwn(incomplete, reason) ? incomplete[reason]! : "unknown"
    }
    case "completed":
      return calls ? "tool-calls" : refused ? "refusal" : "end"
    // A background response, which is asked for again until it is done.
    case "queued":
    case "in_progress":
      return "paused"
    default:
      return calls ? "tool-calls" : "unknown"
  }
}

/** Whether a response says that it is not whole, and why in a word that is not known. */
export const isBroken = (stop: StopReason, body: Json, status: string | undefined = textAt(body, "status")): boolean =>
  stop === "unknown" && status === "incomplete"

const known = new Set(["id", "object", "model", "status", "output", "usage", "incomplete_details", "error"])

/**
 * Notes what a response says besides its items. Most of it repeats the request. Of what the model has a place for only that is noted which would not be written again as it
 * is, so that an encoder's own words stand wherever nothing else is known.
 */
export const noteResponse = (extras: Array<Extra>, body: Json, stop: StopReason, refused: boolean): void => {
  for (const key of Object.keys(body)) if (!known.has(key)) extras.push({ field: under("", key), value: body[key], matters: false })
  const written = statusOf(stop, refused)
  const status = body["status"]
  if (status !== written.status) extras.push({ field: "status", value: status ?? null, matters: present(status) })
  const details = body["incomplete_details"] ?? null
  if (field(details, "reason") !== written.reason) extras.push({ field: "incomplete_details", value: details, matters: present(details) })
  else if (isObject(details)) noteOthers(extras, "incomplete_details", details, new Set(["reason"]), false)
  const usage = objectAt(body, "usage")
  const read = readUsage(usage)
  if (usage !== undefined && read !== undefined) noteUsage(extras, usage, read)
  else if (usage !== undefined) extras.push({ field: "usage", value: usage, matters: false })
}

const partsOf = (item: Item): ReadonlyArray<Part> => {
  switch (item._tag) {
    case "Pieces": {
      const { id, pieces, seal } = item
      const parts: Array<Part> = pieces.map(({ part }) => part)
      const last = parts.at(-1)
      if (seal === undefined) return parts
      if (last?._tag === "Reasoning") return [...parts.slice(0, -1), { ...last, seal }]
      return [...parts, { _tag: "SealedReasoning", seal, ...(id === undefined ? {} : { item: id }) }]
    }
    case "Call":
      return [item.call]
    case "Whole":
      return [item.part]
    case "Empty":
      return []
  }
}

/** Decodes a response. */
export const decodeAnswer = (body: unknown): Result.Result<Answer, Failure> => {
  if (!isObject(body)) return Result.fail(malformed("expected a JSON object as the provider's answer"))
  const failure = failureIn(body)
  if (failure !== undefined) return Result.fail(failure)
  const output = body["output"]
  if (!Array.isArray(output)) return Result.fail(malformed("expected `output` in the provider's answer"))
  const parts: Array<Part> = []
  const extras: Array<Extra> = []
  for (const [index, value] of output.entries()) {
    const item = readItem(value, index)
    if (typeof item === "string") return Result.fail(malformed(`${item} of the provider's answer`))
    for (const part of partsOf(item)) parts.push(part)
    if (item._tag === "Empty") extras.push(item.extra)
    else if (item._tag !== "Whole") for (const extra of item.extras) extras.push(extra)
  }
  const held = { calls: parts.some(({ _tag }) => _tag === "ToolCall"), refused: parts.some(({ _tag }) => _tag === "Refusal") }
  const stop = stopOf(body, held)
  const broken = isBroken(stop, body)
  noteResponse(extras, body, toldOf(stop, broken), held.refused)
  const id = textAt(body, "id")
  const model = textAt(body, "model")
  const usage = readUsage(body["usage"])
  return Result.succeed({
    dialect: "responses",
    ...(id === undefined ? {} : { id }),
    ...(model === undefined ? {} : { model }),
    parts,
    stop,
    ...(broken ? { broken } : {}),
    ...(usage === undefined ? {} : { usage }),
    extras
  })
}
