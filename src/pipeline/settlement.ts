/**
 * What an attempt has come to: health is told, budgets are charged, and it is written down, on every way out of it.
 */
import type { Outcome } from "../Attempt.ts"
import type { Attempted, Call, Underway } from "../Call.ts"
import type { Failure } from "../Failure.ts"
import { type Health, type Verdict, verdictOf } from "../Health.ts"
import type { Ledger } from "../Ledger.ts"
import { costOf } from "../Money.ts"
import type { Admissions } from "./admission.ts"

export interface SettlementServices {
  readonly admissions: Admissions
  readonly health: Health["Service"]
  readonly ledger: Ledger["Service"]
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** What an attempt weighs among those under way, in tokens: what its request comes to, and an answer of usual length. */
export const tokensOf = ({ parsed }: Call): number => parsed.bytes.length / 4 + 1_000

/** What an attempt says of its deployment. A model that neither embeds nor counts answers both with 403 or 404, which says nothing of the answers that it gives. */
const verdictOn = ({ ask }: Call, failure: Failure | undefined): Verdict =>
  failure?.class === "auth" && failure.endsCredential !== true && ask.operation !== "generate" ? "neutral" : verdictOf(failure?.class)

export const settlementOver = ({
  admissions,
  health,
  ledger,
  now
}: SettlementServices): ((call: Call, underway: Underway, outcome: Outcome) => Attempted) => {
  /**
   * Charges an attempt: what it has cost where that is known, nothing where it certainly cost nothing, else the most that it can have cost: what was held for it, or would
   * have been where only its route's effort is bounded.
   */
  const charge = (
    { bound, held, target }: Underway,
    { failure, unbilled, usage }: Outcome
  ): Pick<Attempted, "nanoDollars" | "estimated"> => {
    if (unbilled) {
      if (held !== undefined) ledger.release(held)
      return { nanoDollars: 0, estimated: false }
    }
    // Usage that counts nothing tells nothing: a host may use other names.
    const cost = usage === undefined || usage.inputTokens + usage.outputTokens === 0 ? undefined : costOf(target.price, usage)
    if (bound === undefined) return { nanoDollars: cost, estimated: false }
    // Usage that a broken answer has told so far may not be the last of it, but it is the least.
    const known = failure === undefined || failure.class === "escalated" ? cost : undefined
    const nanoDollars = known ?? Math.max(bound, cost ?? 0)
    if (held !== undefined) ledger.settle(held, nanoDollars)
    return { nanoDollars, estimated: known === undefined }
  }

  /** Tells health how long the first token took; of an attempt that was given up before it had one, that it takes longer. */
  const measure = (
    call: Call,
    { gauge, startedAt }: Underway,
    { failure, firstTokenAt }: Outcome,
    verdict: Verdict,
    endedAt: number
  ): void => {
    health.end(gauge, tokensOf(call), verdict, endedAt)
    if (firstTokenAt !== undefined) health.measure(gauge, firstTokenAt - startedAt, endedAt)
    else if (failure === undefined || failure.class === "escalated") health.measure(gauge, endedAt - startedAt, endedAt)
    else if (failure.class === "timeout" || failure.class === "cancelled") health.waited(gauge, endedAt - startedAt, endedAt)
  }

  return (call, underway, outcome) => {
    const { account, bound, held, number, queuedMillis, startedAt, target, why } = underway
    const endedAt = now()
    const verdict = verdictOn(call, outcome.failure)
    admissions.tell(underway, outcome, verdict, endedAt)
    measure(call, underway, outcome, verdict, endedAt)
    const { estimated, nanoDollars } = charge(underway, outcome)
    if (bound !== undefined) call.spentNanoDollars += nanoDollars! - bound
    const attempted: Attempted = {
      _tag: "Attempted",
      number,
      target,
      account,
      why,
      failure: outcome.failure,
      committed: outcome.committed,
      status: outcome.status,
      usage: outcome.usage,
      losses: outcome.losses,
      changed: outcome.changed ?? [],
      queuedMillis,
      startedMillis: startedAt - call.began,
      firstTokenMillis: outcome.firstTokenAt === undefined ? undefined : outcome.firstTokenAt - call.began,
      endedMillis: endedAt - call.began,
      nanoDollars,
      reservedNanoDollars: held?.nanoDollars,
      estimated
    }
    const { attempts } = call
    attempts.push(attempted)
    // In the order in which they have begun.
    for (let at = attempts.length - 1; at > 0 && attempts[at - 1]!.number > number; at--) {
      attempts[at] = attempts[at - 1]!
      attempts[at - 1] = attempted
    }
    return attempted
  }
}
