/**
 * `retry`: tries again what has failed in a way that a moment's wait may mend, before anything has reached the caller.
 *
 * The waits are the policy's backoff, doubled from try to try up to its longest, and each shortened by up to a half so that callers do not return in step. By how much is a
 * hash of the call's id and the try, not a random number, so that a call waits as long again when it is replayed. A provider that asks to be left alone is: no wait is
 * shorter, and where it asks for longer than the policy waits at all, or a wait would not end before the deadline, or no attempt is left, the failure stands at once.
 *
 * A rejection is not waited for: one that comes after a failure leaves the failure as the answer.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Attempted, Call, Settled } from "../Call.ts"
import type { Plan } from "../Compile.ts"
import { murmur3 } from "../Murmur3.ts"
import type { Lane, Step } from "./lane.ts"

export interface RetryServices {
  readonly clock: Clock.Clock
  /** Monotonic milliseconds. */
  readonly now: () => number
}

export interface Backoff {
  readonly firstMillis: number
  readonly longestMillis: number
}

/** Whole milliseconds from the failure of the try of this number, counted from 1, to the next; undefined where the provider asks for longer than is waited at all. */
export const waitAfter = ({ firstMillis, longestMillis }: Backoff, id: string, tries: number, retryAfterMillis = 0): number | undefined => {
  if (retryAfterMillis > longestMillis) return undefined
  const most = Math.min(longestMillis, firstMillis * 2 ** (tries - 1))
  return Math.ceil(Math.max(retryAfterMillis, most * (1 - murmur3(id, tries) / 2 ** 33)))
}

/** Links a retry of `step`. */
export const retry = (
  { clock, now }: RetryServices,
  { attempts, on, ...backoff }: Extract<Plan, { readonly _tag: "Retry" }>,
  step: Step
): Step => {
  /** How long to wait before another try; undefined where there is none. */
  const wait = (call: Call, lane: Lane, tries: number, { committed, failure }: Attempted): number | undefined => {
    if (failure === undefined || committed || tries === attempts || !on.has(failure.class) || call.begun >= call.limits.attempts)
      return undefined
    const millis = waitAfter(backoff, call.id, tries, failure.retryAfterMillis)
    return millis === undefined || now() + millis >= lane.commitBy ? undefined : millis
  }
  const go = (call: Call, lane: Lane, tries: number, failed: Attempted | undefined): Effect.Effect<Settled> =>
    Effect.flatMap(step(call, lane), (settled) => {
      if (settled._tag !== "Attempted") return Effect.succeed(settled._tag === "Rejected" ? (failed ?? settled) : settled)
      const millis = wait(call, lane, tries, settled)
      return millis === undefined
        ? Effect.succeed(settled)
        : Effect.flatMap(clock.sleep(Duration.millis(millis)), () => go(call, lane, tries + 1, settled))
    })
  return (call, lane) => go(call, lane, 1, undefined)
}
