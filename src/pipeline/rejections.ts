/**
 * Every way in which a candidate is not tried, as the rejection that is recorded and, where nothing else is left, told. Plain values: who rejects what, and when, stands in `attempts.ts`.
 */
import type { Bound, Unbounded } from "../Bound.ts"
import { exhausted } from "../Budgets.ts"
import type { Call, Rejected } from "../Call.ts"
import { type GatewayError, refuse } from "../GatewayError.ts"
import type { Shut } from "../Health.ts"
import type { Refusal, Unavailable } from "../Ledger.ts"
import type { Rule } from "../Rules.ts"
import type { Target } from "../Target.ts"
import { dollars } from "../Text.ts"

const rejected = ({ name }: Target, by: Rejected["by"], error: GatewayError): Rejected => ({ _tag: "Rejected", target: name, by, error })

export const ruledOut = ({ caller }: Call, target: Target, rule: Rule): Rejected => rejected(target, rule.by, rule.error(caller))

export const untranslatable = (target: Target, obstacle: GatewayError): Rejected => rejected(target, "translation", obstacle)

/** Its window is not known to be larger than that of a target that could not hold the request. */
export const tooSmall = (target: Target): Rejected =>
  rejected(
    target,
    "capability",
    refuse("missing_capability", `\`${target.name}\` is not known to hold more than the target whose context window was too small`, {
      final: true
    })
  )

export const tooLate = (target: Target): Rejected =>
  rejected(target, "deadline", refuse("deadline_exceeded", `no time was left to try \`${target.name}\``))

/** What the request can cost there cannot be known. */
export const unbounded = (target: Target, { code, message }: Unbounded): Rejected =>
  rejected(target, "budget", refuse(code, message, { final: true }))

/** Where another attempt would be more than the route allows a call that has spent so much. */
export const usedUp = (call: Call, target: Target, bound: Bound | undefined, spent = call.spentNanoDollars): Rejected | undefined => {
  const { attempts, effortNanoDollars } = call.limits
  if (call.begun >= attempts)
    return rejected(
      target,
      "effort",
      refuse("effort_exhausted", `no attempt is left for \`${target.name}\`: its route allows ${attempts}`, { final: true })
    )
  if (bound === undefined || spent + bound.nanoDollars <= effortNanoDollars) return undefined
  const left = Math.max(0, effortNanoDollars - spent)
  const message = `\`${target.name}\` may cost up to ${dollars(bound.nanoDollars)}, and of the ${dollars(effortNanoDollars)} that its route allows a call ${dollars(left)} is left`
  return rejected(target, "effort", refuse("effort_exhausted", message, { final: true }))
}

/** A budget cannot cover it, or cannot be asked. `time` is Unix milliseconds. */
export const unpaid = (target: Target, bound: Bound, held: Refusal | Unavailable, time: number): Rejected =>
  held._tag === "Refusal"
    ? rejected(target, "budget", exhausted(held, target.name, bound, time))
    : rejected(
        target,
        "ledger",
        refuse("ledger_unavailable", `budgets cannot be kept now, so nothing is sent: ${held.why}`, { retryAfterMillis: 1_000 })
      )

/** It has as much under way as it takes. */
export const busy = (target: Target, more: string): Rejected =>
  rejected(
    target,
    "busy",
    refuse("target_busy", `target \`${target.name}\` has as much under way as it takes, and ${more}`, { retryAfterMillis: 1_000 })
  )

/** Breakers keep every credential of it out; `candidate` is what a probe would try. */
export const keptOut = (target: Target, shut: Shut | undefined, candidate: NonNullable<Rejected["candidate"]>): Rejected => {
  const { asked = false, dead = false, forMillis: retryAfterMillis = 0 } = shut ?? {}
  const error = dead
    ? refuse(
        "no_target_available",
        `the provider of target \`${target.name}\` takes no credential of it, and is not asked again for now`,
        // It is for an operator to mend: a client that waits for it waits in vain.
        { retryAfterMillis, final: true }
      )
    : asked
      ? refuse("target_paused", `target \`${target.name}\` is left alone for now, as its provider has asked`, { retryAfterMillis })
      : refuse("no_target_available", `target \`${target.name}\` has failed repeatedly and is not tried for now`, { retryAfterMillis })
  return { ...rejected(target, "breaker", error), asked, candidate }
}
