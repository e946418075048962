/**
 * One record for every call, written last, even for a call that was refused at the door or given up by its caller.
 *
 * `record` is synchronous and must be cheap: a layer that writes somewhere slow keeps a buffer. The JSON form of a record is the access line.
 */
import { Context, Layer } from "effect"
import type { Attempted, Call, Rejected } from "./Call.ts"
import { summary } from "./Decision.ts"
import type { GatewayError } from "./GatewayError.ts"
import type { Target } from "./Target.ts"

/** How a call ended for its caller. */
export type Ending = "served" | "failed" | "refused" | "cancelled"

export interface CallRecord {
  /** Unix time in milliseconds at its beginning. */
  readonly time: number
  readonly id: string
  readonly api: string
  readonly ending: Ending
  /** The status that the caller saw, or would have seen. */
  readonly status: number
  readonly durationMillis: number
  /** The error that the caller was told, or that cut its stream short. */
  readonly error: GatewayError | undefined
  /** Undefined for a call that was refused before it was decided. */
  readonly call: Call | undefined
  /** The target whose answer the caller got. */
  readonly served: Target | undefined
}

export class Recorder extends Context.Service<
  Recorder,
  {
    readonly record: (record: CallRecord) => void
  }
>()("turnout/Recorder") {
  /** Hands every record to `f`. */
  static readonly layerOf = (f: (record: CallRecord) => void) => Layer.succeed(Recorder, { record: f })
}

const millis = (value: number): number => Math.round(value * 100) / 100

type Line = Record<string, unknown>

// Built field by field: spreading optional parts together took longer than the decision.
const attemptOf = ({
  committed,
  endedMillis,
  failure,
  firstTokenMillis,
  losses,
  nanoDollars,
  probe,
  startedMillis,
  status,
  target,
  usage
}: Attempted): Line => {
  const line: Line = {
    target: target.name,
    outcome: failure?.class ?? "served",
    started_ms: millis(startedMillis),
    ended_ms: millis(endedMillis)
  }
  if (status !== undefined) line["status"] = status
  if (firstTokenMillis !== undefined) line["first_token_ms"] = millis(firstTokenMillis)
  if (usage !== undefined) {
    line["input_tokens"] = usage.inputTokens
    line["output_tokens"] = usage.outputTokens
  }
  if (nanoDollars !== undefined) line["nano_dollars"] = nanoDollars
  if (failure !== undefined) {
    line["message"] = failure.message
    if (committed) line["committed"] = true
  }
  if (probe) line["probe"] = true
  if (losses.length > 0) line["losses"] = losses.map((loss) => loss.field)
  return line
}

const rejectionOf = ({ by, target }: Rejected): Line => ({ target, by })

/** A record as the JSON of its access line: names in snake_case, times in milliseconds, money in nano-dollars, no content and no secret. */
export const toJson = ({
  api,
  call,
  durationMillis,
  ending,
  error,
  id,
  served,
  status,
  time
}: CallRecord): Readonly<Record<string, unknown>> => {
  const line: Line = { time: new Date(time).toISOString(), id, api, ending, status, duration_ms: millis(durationMillis) }
  if (call !== undefined) {
    line["policy"] = call.compiled.shortHash
    line["key"] = call.caller.key
    line["model"] = call.ask.model
    line["stream"] = call.ask.stream
    line["route"] = call.compiled.routes[call.decision.route]!.name
    line["decision"] = summary(call.compiled, call.decision)
    if (served !== undefined) {
      line["target"] = served.name
      line["provider"] = served.provider
    }
    line["attempts"] = call.attempts.map(attemptOf)
    if (call.rejections.length > 0) line["rejections"] = call.rejections.map(rejectionOf)
  }
  if (error !== undefined) {
    line["error"] = error.code
    line["message"] = error.message
  }
  return line
}
