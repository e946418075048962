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
import type { Attempted, Call, Rejected, Settled, Underway } from "../Call.ts"
import type { Failure } from "../Failure.ts"
import { refuse } from "../GatewayError.ts"
import { type Health, verdictOf } from "../Health.ts"
import type { Ledger, Refusal, Reservation, Unavailable } from "../Ledger.ts"
import { costOf } from "../Money.ts"
import type { Target } from "../Target.ts"

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
  readonly tryTarget: (call: Call, target: Target, commitBy: number) => Effect.Effect<Settled>
  /** Tries the first candidate that only its breaker has kept out, whatever health says now. Undefined where another rule stands in the way too. */
  readonly probe: (call: Call) => Effect.Effect<Settled> | undefined
  readonly notGranted: (call: Call, target: Target, rule: string) => Effect.Effect<Settled>
  readonly reject: (call: Call, rejected: Rejected) => Effect.Effect<Settled>
  /** Ends what is under way when the call is given up. */
  readonly abandon: (call: Call, failure: Failure) => void
}

/** `flatMap`, at once where the first effect is a value already: services in memory answer so, and a step of the fibre costs more than their answer. */
const andThen = <A, B>(effect: Effect.Effect<A>, f: (value: A) => Effect.Effect<B>): Effect.Effect<B> =>
  Exit.isExit(effect) && Exit.isSuccess(effect) ? f(effect.value as A) : Effect.flatMap(effect, f)

export const attemptsOver = ({ attempt, clock, health, ledger, now }: Services): Attempts => {
  const reject = (call: Call, rejected: Rejected): Effect.Effect<Settled> => {
    call.rejections.push(rejected)
    return Effect.succeed(rejected)
  }

  /** Charges an attempt: what it has cost where that is known, nothing where it certainly cost nothing, else what was held for it. */
  const charge = (
    held: Reservation | undefined,
    { failure, unbilled, usage }: Outcome,
    target: Target
  ): Pick<Attempted, "nanoDollars" | "estimated"> => {
    // Usage that counts nothing tells nothing: a host may use other names.
    const cost = usage === undefined || usage.inputTokens + usage.outputTokens === 0 ? undefined : costOf(target.price, usage)
    if (held === undefined) return { nanoDollars: unbilled ? 0 : cost, estimated: false }
    if (unbilled) {
      ledger.release(held)
      return { nanoDollars: 0, estimated: false }
    }
    // Usage that a broken answer has told so far may not be the last of it, but it is the least.
    const known = failure === undefined ? cost : undefined
    const nanoDollars = known ?? Math.max(held.nanoDollars, cost ?? 0)
    ledger.settle(held, nanoDollars)
    return { nanoDollars, estimated: known === undefined }
  }

  /** Settles an attempt and writes down what it came to, on every way out of it. */
  const conclude = (call: Call, { held, probe, startedAt, target }: Underway, outcome: Outcome): Attempted => {
    const endedAt = now()
    health.report(target.identity, verdictOf(outcome.failure?.class), endedAt)
    const { estimated, nanoDollars } = charge(held, outcome, target)
    const attempted: Attempted = {
      _tag: "Attempted",
      target,
      failure: outcome.failure,
      committed: outcome.committed,
      status: outcome.status,
      usage: outcome.usage,
      losses: outcome.losses,
      startedMillis: startedAt - call.began,
      firstTokenMillis: outcome.firstTokenAt === undefined ? undefined : outcome.firstTokenAt - call.began,
      endedMillis: endedAt - call.began,
      nanoDollars,
      reservedNanoDollars: held?.nanoDollars,
      estimated,
      probe
    }
    call.attempts.push(attempted)
    return attempted
  }

  /** The attempt, where a layer that throws instead of giving an Effect dies like any other, within its call. */
  const started = (call: Call, target: Target, commitBy: number): Effect.Effect<Outcome> => {
    try {
      return attempt.run(call, target, { commitBy })
    } catch (error) {
      return Effect.die(error)
    }
  }

  /** Takes note of an attempt from the moment at which something is held for it, so that it is settled on every way out. */
  const enter = (call: Call, target: Target, startedAt: number, probe: boolean, held: Reservation | undefined, sent: boolean): Underway => {
    const underway: Underway = { target, startedAt, probe, held, sent }
    call.underway.push(underway)
    return underway
  }

  const send = (call: Call, commitBy: number, underway: Underway): Effect.Effect<Settled> =>
    andThen(started(call, underway.target, commitBy), (outcome) => {
      call.underway.splice(call.underway.indexOf(underway), 1)
      return Effect.succeed(conclude(call, underway, outcome))
    })

  /** Ends what was under way when its call was given up: an attempt that was sent may have been billed, so it settles as estimated. */
  const abandon = (call: Call, failure: Failure): void => {
    const { begun: committed } = call.incoming.reply
    for (const underway of call.underway.splice(0)) {
      const unbilled = !underway.sent
      conclude(call, underway, { failure, committed, status: undefined, usage: undefined, firstTokenAt: undefined, losses: [], unbilled })
    }
  }

  /** Where the breaker keeps a candidate out: its rejection. An admitted one may hold the probe's place, and must be reported on. */
  const keptOut = (
    call: Call,
    target: Target,
    commitBy: number,
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
    commitBy: number,
    startedAt: number,
    probe: boolean,
    bound: Bound | undefined
  ): Effect.Effect<Settled> => {
    const admit = (): Effect.Effect<Settled> | undefined => (probe ? undefined : keptOut(call, target, commitBy, startedAt, bound))
    if (bound === undefined) return admit() ?? send(call, commitBy, enter(call, target, startedAt, probe, undefined, true))
    // Between being admitted, a reservation and the note of it nothing may come, or the probe's place and the amount would be held for ever.
    return Effect.uninterruptibleMask((restore) => {
      const out = admit()
      if (out !== undefined) return out
      const time = clock.currentTimeMillisUnsafe()
      return andThen(ledger.reserve(call.bindings, bound.nanoDollars, time), (held) => {
        if (held._tag !== "Reservation") return refused(call, target, startedAt, bound, held, time)
        // A reservation may have waited for its slice.
        if (commitBy !== Infinity && now() >= commitBy) {
          ledger.release(held)
          health.report(target.identity, "neutral", startedAt)
          return tooLate(call, target)
        }
        const underway = enter(call, target, startedAt, probe, held, false)
        return restore(
          Effect.suspend(() => {
            underway.sent = true
            return send(call, commitBy, underway)
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

  const notGranted = (call: Call, target: Target, rule: string): Effect.Effect<Settled> => {
    const error = refuse("not_granted", `class \`${call.caller.class}\` may not use \`${target.name}\`: ${rule}`, { final: true })
    return reject(call, { _tag: "Rejected", target: target.name, by: "grant", error })
  }

  const tooLate = (call: Call, target: Target): Effect.Effect<Settled> => {
    const error = refuse("deadline_exceeded", `no time was left to try \`${target.name}\``)
    return reject(call, { _tag: "Rejected", target: target.name, by: "deadline", error })
  }

  const tryTarget = (call: Call, target: Target, commitBy: number): Effect.Effect<Settled> => {
    const startedAt = now()
    if (startedAt >= commitBy) return tooLate(call, target)
    let bound: Bound | undefined
    if (call.bindings.length > 0) {
      const known = boundOf(call.ask, target)
      if (known._tag === "Unbounded") {
        const error = refuse(known.code, known.message, { final: true })
        return reject(call, { _tag: "Rejected", target: target.name, by: "budget", error })
      }
      bound = known
    }
    return pay(call, target, commitBy, startedAt, false, bound)
  }

  const probe = (call: Call): Effect.Effect<Settled> | undefined => {
    const permitted = call.rejections.filter((rejection) => rejection.by !== "grant")
    if (permitted.length === 0 || !permitted.every((rejection) => rejection.by === "breaker")) return undefined
    const { bound, commitBy, target } = permitted[0]!.candidate!
    return pay(call, target, commitBy, now(), true, bound)
  }

  return { tryTarget, probe, notGranted, reject, abandon }
}
