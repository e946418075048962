/**
 * `shadow(a, { copy, sample })`: `a` answers; of the calls that deciding has drawn, a copy goes to `copy` as well, whose answer is recorded and thrown away.
 *
 * A copy is a call of its own: the same request, facts, decision and budgets, but attempts, effort and a record of its own, and a reply that nobody reads. It runs in a fibre of its own under the services
 * that its call has, so that whatever keeps a call from a candidate, limits it or is told of it holds for the copy too. Its caller never waits for it and never sees it fail.
 *
 * It begins when the answer of `a` has begun, in the moment after its first byte; where `a` does not answer, when its call has ended, its caller's leaving included. So a copy takes no slot, no
 * probe's place and nothing of a budget from an attempt of its own call, and what its call comes to is what it would be without it. Each shadow copies a call once, whatever `retry`, `hedge` or `first`
 * stands around it. A call that was refused before anything was sent is not copied: a refusal costs nothing. Nor is a copy copied, and where breakers have kept out every candidate of one, nothing is probed.
 *
 * Roads not taken: beginning beside `a`, which has the two contend for one breaker, one queue and one budget; a child fibre, which would hold up the end of its call, or end with it.
 */
import type * as Clock from "effect/Clock"
import type { Context } from "effect/Context"
import * as Effect from "effect/Effect"
import type { Call, Copy, Settled } from "../Call.ts"
import { type GatewayError, refuse } from "../GatewayError.ts"
import { silent } from "../Reply.ts"
import { laneUntil, type Step } from "./lane.ts"

/** Further copies are dropped: a provider that is slow to answer them must not gather them without end. */
export const maxUnderway = 64

export interface CopyServices {
  readonly clock: Clock.Clock
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Carries a call out to its record, interrupted or not. */
  readonly carryOut: (call: Call, strategy: Effect.Effect<Settled>) => Effect.Effect<unknown>
  /** Records a copy that is not made. */
  readonly drop: (copy: Call, error: GatewayError) => void
}

/** The copies of the calls of one pipeline. */
export interface Copies {
  /** Links a shadow. */
  readonly shadow: (of: Step, slot: number, copy: Step) => Step
  /** How many are under way. */
  readonly underway: () => number
}

export const noCopies: ReadonlyArray<Copy> = []

/** Starts the copies that a call has come to and that have not started. Never waits. */
export const startCopies = ({ copies }: Call): void => {
  for (let nth = 0; nth < copies.length; nth++) {
    const copy = copies[nth]!
    if (copy.started) continue
    copy.started = true
    copy.start(nth)
  }
}

/** A call as it was decided, to be carried out anew. */
const again = (call: Call, nth: number, time: number, began: number): Call => {
  const id = `${call.id}.shadow${nth === 0 ? "" : nth + 1}`
  const { api, secret, stopped } = call.incoming
  return {
    ...call,
    id,
    shadowOf: call.id,
    incoming: { id, api, secret, parse: () => call.parsed, reply: silent(), ...(stopped === undefined ? {} : { stopped }) },
    time,
    began,
    attempts: [],
    rejections: [],
    underway: [],
    begun: 0,
    spentNanoDollars: 0,
    copies: noCopies
  }
}

export const copiesOver = ({ carryOut, clock, drop, now }: CopyServices): Copies => {
  let underway = 0

  const start = (call: Call, nth: number, step: Step, context: Context<never>): void => {
    const copy = again(call, nth, clock.currentTimeMillisUnsafe(), now())
    const full =
      underway >= maxUnderway
        ? `${maxUnderway} copies are under way already`
        : call.incoming.mayCopy?.() === false
          ? "copies hold as much memory as they may"
          : undefined
    if (full !== undefined) {
      drop(copy, refuse("shadow_dropped", `${full}, so this one was not made`))
      return
    }
    underway++
    const answer = Effect.suspend(() => step(copy, laneUntil(copy.began + copy.limits.effortMillis)))
    // The first byte of the call leaves before its copy does anything, and nothing interrupts the copy before it is certain to be recorded.
    const fiber = Effect.runForkWith(context)(carryOut(copy, Effect.interruptible(Effect.andThen(Effect.yieldNow, answer))), {
      uninterruptible: true
    })
    fiber.addObserver(() => void underway--)
    call.incoming.background?.(fiber)
  }

  const shadow =
    (of: Step, slot: number, copy: Step): Step =>
    (call, lane) => {
      if (call.decision.slots[slot] !== 1 || call.shadowOf !== undefined) return of(call, lane)
      return Effect.withFiber(({ context }) => {
        if (!call.copies.some((one) => one.slot === slot))
          call.copies = [...call.copies, { slot, start: (nth) => start(call, nth, copy, context), started: false }]
        return of(call, {
          ...lane,
          claim: () => {
            if (lane.claim?.() === false) return false
            startCopies(call)
            return true
          }
        })
      })
    }

  return { shadow, underway: () => underway }
}
