/**
 * One attempt of a call: view health → reserve → send → settle, and every way in which a candidate is not tried.
 *
 * Whatever is held for an attempt is in `call.underway` from the moment at which it is held, so that a call that is given up, or that dies, settles it all the same.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Attempt, Outcome } from "../Attempt.ts"
import { type Bound, boundOf } from "../Bound.ts"
import { exhausted } from "../Budgets.ts"
import type { Attempted, Call, Rejected, Settled, Side, Underway } from "../Call.ts"
import type { Failure } from "../Failure.ts"
import { refuse } from "../GatewayError.ts"
import { type Health, verdictOf } from "../Health.ts"
import type { Ledger, Refusal, Reservation, Unavailable } from "../Ledger.ts"
import { costOf } from "../Money.ts"
import type { Rule } from "../Rules.ts"
import type { Target } from "../Target.ts"
import { dollars } from "../Text.ts"
import { isWithin, type Lane, laneUntil } from "./lane.ts"

export interface Services {
  readonly attempt: Attempt["Service"]
  readonly health: Health["Service"]
  readonly ledger: Ledger["Service"]
  readonly clock: Clock.Clock
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** What a strategy can do with a candidate. */
export interface Attempts {
  readonly tryTarget: (call: Call, target: Target, lane: Lane) => Effect.Effect<Settled>
  /** Tries the first candidate that only its breaker has kept out, whatever health says now. Undefined where another rule stands in the way too. */
  readonly probe: (call: Call) => Effect.Effect<Settled> | undefined
  readonly ruledOut: (call: Call, target: Target, rule: Rule) => Effect.Effect<Settled>
  readonly reject: (call: Call, rejected: Rejected) => Effect.Effect<Settled>
  /** Ends what is under way when the call, or one side of a hedge in it, is given up. */
  readonly abandon: (call: Call, failure: Failure, side?: Side) => void
}

const noCandidate: ReadonlySet<Rejected["by"]> = new Set([
  "grant",
  "guard",
  "capability",
  "translation",
  "unknown-model",
  "ambiguous-model"
])

/** `flatMap`, at once where the first effect is a value already: services in memory answer so, and a step of the fibre costs more than their answer. */
const andThen = <A, B>(effect: Effect.Effect<A>, f: (value: A) => Effect.Effect<B>): Effect.Effect<B> =>
  Exit.isExit(effect) && Exit.isSuccess(effect) ? f(effect.value as A) : Effect.flatMap(effect, f)

/** Takes one out, mostly the last. */
const leave = (all: Array<Underway>, one: Underway): void => {
  if (all.at(-1) === one) all.pop()
  else all.splice(all.indexOf(one), 1)
}

export const attemptsOver = ({ attempt, clock, health, ledger, now }: Services): Attempts => {
  const reject = (call: Call, rejected: Rejected): Effect.Effect<Settled> => {
    call.rejections.push(rejected)
    return Effect.succeed(rejected)
  }

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
    const known = failure === undefined ? cost : undefined
    const nanoDollars = known ?? Math.max(bound, cost ?? 0)
    if (held !== undefined) ledger.settle(held, nanoDollars)
    return { nanoDollars, estimated: known === undefined }
  }

  /** Tells health how long the first token took; of an attempt that was given up before it had one, that it takes longer. */
  const measure = ({ gauge, startedAt }: Underway, { failure, firstTokenAt }: Outcome, endedAt: number): void => {
    health.end(gauge)
    if (firstTokenAt !== undefined) health.measure(gauge, firstTokenAt - startedAt, endedAt)
    else if (failure === undefined) health.measure(gauge, endedAt - startedAt, endedAt)
    else if (failure.class === "timeout" || failure.class === "cancelled") health.waited(gauge, endedAt - startedAt, endedAt)
  }

  /** Settles an attempt and writes down what it came to, on every way out of it. */
  const conclude = (call: Call, underway: Underway, outcome: Outcome): Attempted => {
    const { bound, held, number, probe, startedAt, target } = underway
    const endedAt = now()
    health.report(target.identity, verdictOf(outcome.failure?.class), endedAt)
    measure(underway, outcome, endedAt)
    const { estimated, nanoDollars } = charge(underway, outcome)
    if (bound !== undefined) call.spentNanoDollars += nanoDollars! - bound
    const attempted: Attempted = {
      _tag: "Attempted",
      number,
      target,
      failure: outcome.failure,
      committed: outcome.committed,
      status: outcome.status,
      usage: outcome.usage,
      losses: outcome.losses,
      changed: outcome.changed ?? [],
      startedMillis: startedAt - call.began,
      firstTokenMillis: outcome.firstTokenAt === undefined ? undefined : outcome.firstTokenAt - call.began,
      endedMillis: endedAt - call.began,
      nanoDollars,
      reservedNanoDollars: held?.nanoDollars,
      estimated,
      probe
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

  /** The attempt, where a layer that throws instead of giving an Effect dies like any other, within its call. */
  const started = (call: Call, target: Target, lane: Lane): Effect.Effect<Outcome> => {
    try {
      return attempt.run(call, target, lane)
    } catch (error) {
      return Effect.die(error)
    }
  }

  /** Takes note of an attempt from the moment at which something is held for it, so that it is settled on every way out. */
  const enter = (
    call: Call,
    target: Target,
    side: Side | undefined,
    startedAt: number,
    probe: boolean,
    bound: number | undefined,
    held: Reservation | undefined
  ): Underway => {
    const underway: Underway = {
      number: call.begun++,
      target,
      gauge: health.begin(target.identity),
      side,
      startedAt,
      probe,
      bound,
      held,
      sent: held === undefined
    }
    if (bound !== undefined) call.spentNanoDollars += bound
    call.underway.push(underway)
    return underway
  }

  const send = (call: Call, lane: Lane, underway: Underway): Effect.Effect<Settled> =>
    andThen(started(call, underway.target, lane), (outcome) => {
      leave(call.underway, underway)
      return Effect.succeed(conclude(call, underway, outcome))
    })

  /** Ends what was under way when its call was given up, or its side of a hedge: an attempt that was sent may have been billed, so it settles as estimated. */
  const abandon = (call: Call, failure: Failure, side?: Side): void => {
    const all = call.underway.splice(0)
    // A side that is given up has lost: it has not committed.
    const committed = side === undefined && call.incoming.reply.begun
    for (const underway of all) {
      if (side !== undefined && !isWithin(underway.side, side)) {
        call.underway.push(underway)
        continue
      }
      const unbilled = !underway.sent
      conclude(call, underway, { failure, committed, status: undefined, usage: undefined, firstTokenAt: undefined, losses: [], unbilled })
    }
  }

  /** Where the breaker keeps a candidate out: its rejection. An admitted one may hold the probe's place, and must be reported on. */
  const keptOut = (
    call: Call,
    target: Target,
    { commitBy }: Lane,
    startedAt: number,
    bound: Bound | undefined
  ): Effect.Effect<Settled> | undefined => {
    if (health.admits(target.identity, startedAt)) return undefined
    const error = refuse("no_target_available", `target \`${target.name}\` has failed repeatedly and is not tried for now`)
    return reject(call, { _tag: "Rejected", target: target.name, by: "breaker", error, candidate: { target, commitBy, bound } })
  }

  /** Reserves for a candidate that health admits, or that is probed whatever it says, and sends. One that is not sent gives the probe's place back. */
  const pay = (
    call: Call,
    target: Target,
    lane: Lane,
    startedAt: number,
    probe: boolean,
    bound: Bound | undefined
  ): Effect.Effect<Settled> => {
    const admit = (): Effect.Effect<Settled> | undefined => (probe ? undefined : keptOut(call, target, lane, startedAt, bound))
    if (bound === undefined || call.bindings.length === 0)
      return admit() ?? send(call, lane, enter(call, target, lane.side, startedAt, probe, bound?.nanoDollars, undefined))
    // Between being admitted, a reservation and the note of it nothing may come, or the probe's place and the amount would be held for ever.
    return Effect.uninterruptibleMask((restore) => {
      const out = admit()
      if (out !== undefined) return out
      const time = clock.currentTimeMillisUnsafe()
      return andThen(ledger.reserve(call.bindings, bound.nanoDollars, time), (held) => {
        if (held._tag !== "Reservation") return refused(call, target, startedAt, bound, held, time)
        // A reservation may have waited for its slice, and another attempt of a hedge may have begun meanwhile.
        const late = lane.commitBy !== Infinity && now() >= lane.commitBy ? tooLate(call, target) : usedUp(call, target, bound)
        if (late !== undefined) {
          ledger.release(held)
          health.report(target.identity, "neutral", startedAt)
          return late
        }
        const underway = enter(call, target, lane.side, startedAt, probe, bound.nanoDollars, held)
        return restore(
          Effect.suspend(() => {
            underway.sent = true
            return send(call, lane, underway)
          })
        )
      })
    })
  }

  const refused = (
    call: Call,
    target: Target,
    startedAt: number,
    bound: Bound,
    held: Refusal | Unavailable,
    time: number
  ): Effect.Effect<Settled> => {
    health.report(target.identity, "neutral", startedAt)
    if (held._tag === "Refusal")
      return reject(call, { _tag: "Rejected", target: target.name, by: "budget", error: exhausted(held, target.name, bound, time) })
    const error = refuse("ledger_unavailable", `budgets cannot be kept now, so nothing is sent: ${held.why}`, { retryAfterMillis: 1_000 })
    return reject(call, { _tag: "Rejected", target: target.name, by: "ledger", error })
  }

  const ruledOut = (call: Call, target: Target, rule: Rule): Effect.Effect<Settled> =>
    reject(call, { _tag: "Rejected", target: target.name, by: rule.by, error: rule.error(call.caller) })

  const tooLate = (call: Call, target: Target): Effect.Effect<Settled> => {
    const error = refuse("deadline_exceeded", `no time was left to try \`${target.name}\``)
    return reject(call, { _tag: "Rejected", target: target.name, by: "deadline", error })
  }

  /** Where another attempt would be more than the route allows a call: its rejection. */
  const usedUp = (call: Call, target: Target, bound: Bound | undefined): Effect.Effect<Settled> | undefined => {
    const { attempts, effortNanoDollars } = call.limits
    const error =
      call.begun >= attempts
        ? refuse("effort_exhausted", `no attempt is left for \`${target.name}\`: its route allows ${attempts}`, { final: true })
        : bound !== undefined && call.spentNanoDollars + bound.nanoDollars > effortNanoDollars
          ? refuse(
              "effort_exhausted",
              `\`${target.name}\` may cost up to ${dollars(bound.nanoDollars)}, and of the ${dollars(effortNanoDollars)} that its route allows a call ` +
                `${dollars(Math.max(0, effortNanoDollars - call.spentNanoDollars))} is left`,
              { final: true }
            )
          : undefined
    return error && reject(call, { _tag: "Rejected", target: target.name, by: "effort", error })
  }

  const tryTarget = (call: Call, target: Target, lane: Lane): Effect.Effect<Settled> => {
    const startedAt = now()
    if (startedAt >= lane.commitBy) return tooLate(call, target)
    const obstacle = attempt.obstacle?.(call, target)
    if (obstacle !== undefined) return reject(call, { _tag: "Rejected", target: target.name, by: "translation", error: obstacle })
    let bound: Bound | undefined
    if (call.bounded) {
      const known = boundOf(call.ask, target)
      if (known._tag === "Unbounded") {
        const error = refuse(known.code, known.message, { final: true })
        return reject(call, { _tag: "Rejected", target: target.name, by: "budget", error })
      }
      bound = known
    }
    return usedUp(call, target, bound) ?? pay(call, target, lane, startedAt, false, bound)
  }

  const probe = (call: Call): Effect.Effect<Settled> | undefined => {
    // What a rule keeps out is no candidate, whatever its breaker says, and no more is a model that there is not.
    const permitted = call.rejections.filter(({ by }) => !noCandidate.has(by))
    if (permitted.length === 0 || !permitted.every((rejection) => rejection.by === "breaker")) return undefined
    // INVARIANT: nothing was tried, so no time has passed and no effort is spent, and no hedge is left to win.
    const { bound, commitBy, target } = permitted[0]!.candidate!
    return pay(call, target, laneUntil(commitBy), now(), true, bound)
  }

  return { tryTarget, probe, ruledOut, reject, abandon }
}
