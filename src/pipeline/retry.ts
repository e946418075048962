/**
 * `retry`: tries again what has failed in a way that a moment's wait may mend, before anything has reached the caller.
 *
 * The waits are the policy's backoff, doubled from try to try up to its longest, with full jitter: each is anything from nothing to that, so that callers do not return in step (Brooker,
 * "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). Which is a hash of the call's id and the try, not a random number, so that a call waits as long again when it is replayed. A
 * provider that asks to be left alone is: no wait is shorter unless another candidate is free, and where it asks for longer than the policy waits at all, or a wait would not end before the
 * deadline, or no attempt is left, the failure stands at once.
 *
 * A rejection is not waited for: one that comes after a failure leaves the failure as the answer.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Attempted, Call, Settled } from "../Call.ts"
import type { Plan } from "../Compile.ts"
import { murmur3 } from "../Murmur3.ts"
import type { Target } from "../Target.ts"
import { rotates } from "./attempts.ts"
import { onwards } from "./failover.ts"
import type { Lane, Step } from "./lane.ts"
import { targetsOf } from "./reach.ts"

export interface RetryServices {
  readonly clock: Clock.Clock
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Milliseconds until any credential of a target may be tried. */
  readonly freeIn: (target: Target) => number
}

export interface Backoff {
  readonly firstMillis: number
  readonly longestMillis: number
}

/** Whole milliseconds from the failure of the try of this number, counted from 1, to the next; undefined where the provider asks for longer than is waited at all. */
export const waitAfter = ({ firstMillis, longestMillis }: Backoff, id: string, tries: number, retryAfterMillis = 0): number | undefined => {
  if (retryAfterMillis > longestMillis) return undefined
  const most = Math.min(longestMillis, firstMillis * 2 ** (tries - 1))
  return Math.ceil(Math.max(retryAfterMillis, most * (murmur3(id, tries) / 2 ** 32)))
}

/** Links a retry of `step`. */
export const retry = (
  { clock, freeIn, now }: RetryServices,
  { attempts, of, on, ...backoff }: Extract<Plan, { readonly _tag: "Retry" }>,
  step: Step
): Step => {
  /** Until the first of what is tried again may be tried: what a provider asks for counts only where nothing else could answer sooner. */
  const wanted = (call: Call, { failure, target }: Attempted): number => {
    // Another credential is something else only where it is the credential that has failed.
    let least = Math.max(freeIn(target), rotates.has(failure!.class) ? 0 : (failure!.retryAfterMillis ?? 0))
    if (least > 0) for (const other of targetsOf(of, call)) if (other.identity !== target.identity) least = Math.min(least, freeIn(other))
    return least
  }
  /** How long to wait before another try; undefined where there is none. */
  const wait = (call: Call, lane: Lane, tries: number, settled: Attempted): number | undefined => {
    const { committed, failure } = settled
    if (failure === undefined || committed || tries === attempts || !on.has(failure.class) || call.begun >= call.limits.attempts)
      return undefined
    const millis = waitAfter(backoff, call.id, tries, wanted(call, settled))
    return millis === undefined || now() + millis >= lane.commitBy ? undefined : millis
  }
  /** Until then and no earlier: a timer may fire within its last millisecond, in which a provider that asked to be left alone is still kept out. */
  const sleptUntil = (time: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      // What is left by rounding alone is not slept for.
      const left = time - now()
      return left < 1e-3 ? Effect.void : Effect.flatMap(clock.sleep(Duration.millis(Math.ceil(left - 1e-3))), () => sleptUntil(time))
    })
  const go = (call: Call, lane: Lane, tries: number, failed: Attempted | undefined): Effect.Effect<Settled> =>
    Effect.flatMap(step(call, lane), (settled) => {
      if (settled._tag !== "Attempted") return Effect.succeed(settled._tag === "Rejected" ? (failed ?? settled) : settled)
      const millis = wait(call, lane, tries, settled)
      return millis === undefined
        ? Effect.succeed(settled)
        : Effect.flatMap(sleptUntil(now() + millis), () =>
            go(call, onwards(call, lane, !on.has("context-length"), "retry"), tries + 1, settled)
          )
    })
  return (call, lane) => go(call, lane, 1, undefined)
}
