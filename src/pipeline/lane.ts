/**
 * Where a strategy runs: the deadline of its surroundings, and the sides of hedges that it belongs to.
 *
 * A lane is handed down from the route to its attempts and only ever narrows: `within` brings its deadline forward, `hedge` splits it in two. It is also what an attempt is
 * given as its limits, so nothing is made for one.
 */
import type { Effect } from "effect/Effect"
import type { Limits } from "../Attempt.ts"
import type { Call, Settled, Side, Why } from "../Call.ts"

export interface Lane extends Limits {
  /** Why what comes next is tried. */
  readonly why: Why
  /** Only targets with a known context window of more tokens than this are tried: a smaller one could not hold the request. */
  readonly roomierThan: number | undefined
  /** Undefined outside of hedges. */
  readonly side: Side | undefined
}

/** A strategy linked to its services: takes the call and where it runs. */
export type Step = (call: Call, lane: Lane) => Effect<Settled>

const unlimited: Lane = { commitBy: Infinity, claim: undefined, accepts: undefined, side: undefined, why: "first", roomierThan: undefined }

/** The lane that a call begins in. */
export const laneUntil = (commitBy: number): Lane => (commitBy === Infinity ? unlimited : { ...unlimited, commitBy })

/** `lane` with a deadline that is no later than `commitBy`. */
export const sooner = (lane: Lane, commitBy: number): Lane => (commitBy < lane.commitBy ? { ...lane, commitBy } : lane)

/** `lane` for an attempt that is made because of what came of another. */
export const because = (lane: Lane, why: Why): Lane => (lane.why === why ? lane : { ...lane, why })

/** Whether `side` is `of`, or lies within it. */
export const isWithin = (side: Side | undefined, of: Side): boolean => {
  for (let outer = side; outer !== undefined; outer = outer.outer) if (outer === of) return true
  return false
}
