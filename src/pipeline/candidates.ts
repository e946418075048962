/**
 * What stands in the way of a candidate before anything is taken for it: what holds for the call whoever else is at it (`weigh`), and whether it could be tried at all at this moment, as far as that
 * can be seen without asking a store or taking a place (`isOpen`).
 */
import type * as Clock from "effect/Clock"
import type { Attempt } from "../Attempt.ts"
import { type Bound, boundOf } from "../Bound.ts"
import type { Call, Rejected } from "../Call.ts"
import type { Ledger } from "../Ledger.ts"
import type { Account, Target } from "../Target.ts"
import type { Admissions } from "./admission.ts"
import type { Lane } from "./lane.ts"
import * as rejections from "./rejections.ts"

export interface CandidateServices {
  readonly attempt: Attempt["Service"]
  readonly admissions: Admissions
  readonly ledger: Ledger["Service"]
  readonly clock: Clock.Clock
  /** Whether a target has as much under way as it takes. */
  readonly isFull: (target: Target) => boolean
}

/** All times are monotonic milliseconds. */
export interface Candidates {
  /** Why a target is not tried by a call that has spent so much; else what an attempt on it can cost at most, where that counts. */
  readonly weigh: (call: Call, target: Target, lane: Lane, at: number, spent?: number) => Rejected | Bound | undefined
  /** Whether an attempt on a target would be made, once what the call has under way is over and has come to nothing. */
  readonly isOpen: (call: Call, target: Target, lane: Lane, at: number) => boolean
}

export const candidatesOver = ({ admissions, attempt, clock, isFull, ledger }: CandidateServices): Candidates => {
  const weigh: Candidates["weigh"] = (call, target, lane, at, spent = call.spentNanoDollars) => {
    if (at >= lane.commitBy) return rejections.tooLate(target)
    if (lane.roomierThan !== undefined && !((target.capabilities.contextWindow ?? 0) > lane.roomierThan)) return rejections.tooSmall(target)
    const obstacle = attempt.obstacle?.(call, target)
    if (obstacle !== undefined) return rejections.untranslatable(target, obstacle)
    if (!call.bounded) return rejections.usedUp(call, target, undefined)
    const bound = boundOf(call.ask, target)
    if (bound._tag === "Unbounded") return rejections.unbounded(target, bound)
    return rejections.usedUp(call, target, bound, spent) ?? bound
  }
  return {
    weigh,
    isOpen: (call, target, lane, at) => {
      let [most, held] = [0, 0]
      for (const underway of call.underway) {
        most += underway.bound ?? 0
        held += underway.held?.nanoDollars ?? 0
      }
      const weighed = weigh(call, target, lane, at, call.spentNanoDollars - most)
      if (weighed?._tag === "Rejected") return false
      const { account, shut } = admissions.soonest(target, at)
      // A probe's place that the call holds itself will be free.
      const isOwn = (one: Account): boolean => one.identity === account.identity || one.credential === account.credential
      if (shut !== undefined && (shut.forMillis > 0 || !call.underway.some((one) => isOwn(one.account)))) return false
      // A queue may move on; where there is none, nobody is let in, and copies do not wait.
      if (isFull(target) && (target.capacity!.queued === 0 || call.shadowOf !== undefined)) return false
      if (weighed === undefined) return true
      const time = clock.currentTimeMillisUnsafe()
      return call.bindings.every(
        (binding) => ledger.balance(binding, time).spentNanoDollars - held + weighed.nanoDollars <= binding.limitNanoDollars
      )
    }
  }
}
