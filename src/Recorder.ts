/**
 * One record for every call, written last, even for a call that was refused at the door or given up by its caller; and one for every copy that a `shadow` makes of one.
 *
 * `record` is synchronous and must be cheap: a layer that writes somewhere slow keeps a buffer. The JSON form of a record is the access line.
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type { Attempted, Call } from "./Call.ts"
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
  /** Undefined for a call that was refused before it was decided. Of a copy, whose caller saw nothing of all this, `shadowOf` says of which call it is made. */
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

let lastTime = -1
let lastIso = ""
/** Calls of one millisecond share the text of their time. */
const isoOf = (time: number): string => {
  if (time !== lastTime) {
    lastTime = time
    lastIso = new Date(time).toISOString()
  }
  return lastIso
}

/** JSON of a number of milliseconds, to a hundredth. */
const millis = (value: number): string => String(Math.round(value * 100) / 100)

const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/
/** JSON of a text; most need no escape. */
const quote = (text: string): string => (plain.test(text) ? `"${text}"` : JSON.stringify(text))

/** Callers choose how long the names of models and fields are, and how many are lost; a line has an end all the same. */
const [longestName, maxLosses] = [256, 50]

const attemptLine = ({
  account,
  changed,
  committed,
  endedMillis,
  estimated,
  failure,
  firstTokenMillis,
  losses,
  nanoDollars,
  queuedMillis,
  reservedNanoDollars,
  startedMillis,
  status,
  target,
  usage,
  why
}: Attempted): string => {
  let line = `{"target":${quote(target.name)},"why":"${why}",`
  if (account.name !== undefined) line += `"credential":${quote(account.name)},`
  line += `"outcome":"${failure?.class ?? "served"}","started_ms":${millis(startedMillis)},"ended_ms":${millis(endedMillis)}`
  if (queuedMillis > 0) line += `,"queued_ms":${millis(queuedMillis)}`
  if (status !== undefined) line += `,"status":${status}`
  if (firstTokenMillis !== undefined) line += `,"first_token_ms":${millis(firstTokenMillis)}`
  if (usage !== undefined) line += `,"input_tokens":${usage.inputTokens},"output_tokens":${usage.outputTokens}`
  if (nanoDollars !== undefined) line += `,"nano_dollars":${nanoDollars}`
  if (reservedNanoDollars !== undefined) line += `,"reserved_nano_dollars":${reservedNanoDollars}`
  if (estimated) line += `,"estimated":true`
  if (failure !== undefined) {
    line += `,"message":${quote(failure.message)}`
    if (committed) line += `,"committed":true`
  }
  if (changed.length > 0) line += `,"changed":${JSON.stringify(changed)}`
  if (losses.length > 0) line += `,"losses":${JSON.stringify(losses.slice(0, maxLosses).map(({ field }) => field.slice(0, longestName)))}`
  if (losses.length > maxLosses) line += `,"more_losses":${losses.length - maxLosses}`
  return `${line}}`
}

/**
 * A record as its access line, a JSON object: names in snake_case, times in milliseconds, money in nano-dollars, no content and no secret.
 *
 * Written as text at once: an object that is only made to be stringified costs three times as much.
 */
export const toLine = ({ api, call, durationMillis, ending, error, id, served, status, time }: CallRecord): string => {
  let line = `{"time":"${isoOf(time)}","id":${quote(id)},"api":"${api}","ending":"${ending}","status":${status},"duration_ms":${millis(durationMillis)}`
  if (call !== undefined) {
    if (call.shadowOf !== undefined) line += `,"shadow_of":${quote(call.shadowOf)}`
    const { ask, attempts, caller, compiled, decision, rejections } = call
    line += `,"policy":"${compiled.shortHash}","key":${quote(caller.key)},"model":${quote(ask.model.slice(0, longestName))},"stream":${ask.stream}`
    line += `,"route":"${compiled.routes[decision.route]!.name}","decision":"${summary(compiled, decision)}"`
    if (served !== undefined) line += `,"target":${quote(served.name)},"provider":"${served.provider}"`
    line += `,"attempts":[${attempts.length === 1 ? attemptLine(attempts[0]!) : attempts.map(attemptLine).join(",")}]`
    if (rejections.length > 0) line += `,"rejections":${JSON.stringify(rejections.map(({ by, target }) => ({ target, by })))}`
  }
  if (error !== undefined) line += `,"error":${quote(error.code)},"message":${quote(error.message)}`
  return `${line}}`
}
