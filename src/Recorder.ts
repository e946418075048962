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

const attemptOf = (attempt: Attempted) => ({
  target: attempt.target.name,
  outcome: attempt.failure?.class ?? "served",
  started_ms: millis(attempt.startedMillis),
  ended_ms: millis(attempt.endedMillis),
  ...(attempt.status === undefined ? {} : { status: attempt.status }),
  ...(attempt.firstTokenMillis === undefined ? {} : { first_token_ms: millis(attempt.firstTokenMillis) }),
  ...(attempt.usage === undefined ? {} : { input_tokens: attempt.usage.inputTokens, output_tokens: attempt.usage.outputTokens }),
  ...(attempt.nanoDollars === undefined ? {} : { nano_dollars: attempt.nanoDollars }),
  ...(attempt.failure === undefined ? {} : { message: attempt.failure.message }),
  ...(attempt.failure !== undefined && attempt.committed ? { committed: true } : {}),
  ...(attempt.probe ? { probe: true } : {}),
  ...(attempt.losses.length === 0 ? {} : { losses: attempt.losses.map((loss) => loss.field) })
})

const rejectionOf = ({ by, target }: Rejected) => ({ target, by })

/** A record as the JSON of its access line: names in snake_case, times in milliseconds, money in nano-dollars, no content and no secret. */
export const toJson = (record: CallRecord): Readonly<Record<string, unknown>> => {
  const { call, error, served } = record
  const head = {
    time: new Date(record.time).toISOString(),
    id: record.id,
    api: record.api,
    ending: record.ending,
    status: record.status,
    duration_ms: millis(record.durationMillis)
  }
  const tail = error === undefined ? {} : { error: error.code, message: error.message }
  if (call === undefined) return { ...head, ...tail }
  return {
    ...head,
    policy: call.compiled.hash.slice(0, 12),
    key: call.caller.key,
    model: call.ask.model,
    stream: call.ask.stream,
    route: call.compiled.routes[call.decision.route]!.name,
    decision: summary(call.compiled, call.decision),
    ...(served === undefined ? {} : { target: served.name, provider: served.provider }),
    attempts: call.attempts.map(attemptOf),
    ...(call.rejections.length === 0 ? {} : { rejections: call.rejections.map(rejectionOf) }),
    ...tail
  }
}
