/**
 * One attempt of a call: view health → reserve → send → settle (`settlement.ts`), with one credential after the other, or the rejection of a candidate that is not tried (`rejections.ts`).
 *
 * Where a target takes only so many at once, a place on it comes before all that: nobody holds a probe's place or money while waiting for one.
 *
 * Whatever is held for an attempt is in `call.underway` from the moment at which it is held, so that a call that is given up, or that dies, settles it all the same.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { accountsInTurn } from "../Accounts.ts"
import type { Attempt, Outcome } from "../Attempt.ts"
import type { Bound } from "../Bound.ts"
import type { Attempted, Call, Rejected, Settled, Side, Underway } from "../Call.ts"
import type { Failure, FailureClass } from "../Failure.ts"
import type { Health } from "../Health.ts"
import type { Ledger, Reservation } from "../Ledger.ts"
import type { Rule } from "../Rules.ts"
import type { Slots } from "../Slots.ts"
import type { Account, Capacity, Target } from "../Target.ts"
import { type Admission, admissionsOver } from "./admission.ts"
import { candidatesOver } from "./candidates.ts"
import { because, isWithin, type Lane, laneUntil } from "./lane.ts"
import * as rejections from "./rejections.ts"
import { settlementOver, tokensOf } from "./settlement.ts"

export interface Services {
  readonly attempt: Attempt["Service"]
  readonly health: Health["Service"]
  readonly ledger: Ledger["Service"]
  readonly slots: Slots["Service"]
  readonly clock: Clock.Clock
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** What a strategy can do with a candidate. */
export interface Attempts {
  readonly tryTarget: (call: Call, target: Target, lane: Lane) => Effect.Effect<Settled>
  /** Whether an attempt on a target would be made now, as far as can be seen (`candidates.ts`). */
  readonly isOpen: (call: Call, target: Target, lane: Lane) => boolean
  /** Milliseconds until any credential of a target may be tried; 0 where one may at once. */
  readonly freeIn: (target: Target) => number
  /** Whether a target has as much under way as it takes. */
  readonly isFull: (target: Target) => boolean
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

/** The failures for which another credential may do better. */
export const rotates: ReadonlySet<FailureClass> = new Set(["rate-limited", "quota-exhausted", "auth"])

/** The credentials of a target as a call takes them; those that have failed it already, or that another side of a hedge is busy with, come last. */
const orderOf = (call: Call, target: Target): ReadonlyArray<Account> => {
  const met = ({ identity }: Account): boolean =>
    call.attempts.some(({ account, failure }) => failure !== undefined && account.identity === identity) ||
    call.underway.some(({ account }) => account.identity === identity)
  const drawn = accountsInTurn(call.id, target)
  return call.begun === 0 ? drawn : [...drawn.filter((account) => !met(account)), ...drawn.filter(met)]
}

export const attemptsOver = ({ attempt, clock, health, ledger, now, slots }: Services): Attempts => {
  const admissions = admissionsOver(health)
  const isFull = ({ capacity, identity }: Target): boolean => capacity !== undefined && slots.full(identity)
  const { isOpen, weigh } = candidatesOver({ admissions, attempt, clock, isFull, ledger })
  const conclude = settlementOver({ admissions, health, ledger, now })

  const reject = (call: Call, rejected: Rejected): Effect.Effect<Settled> => {
    call.rejections.push(rejected)
    return Effect.succeed(rejected)
  }

  /** The attempt, where a layer that throws instead of giving an Effect dies like any other, within its call. */
  const started = (call: Call, underway: Underway, lane: Lane): Effect.Effect<Outcome> => {
    const { account, credentialTicket, target, ticket } = underway
    // What a probe was made to find out is known once an answer has begun: nobody waits for its end.
    const told: Lane =
      ticket.tests || credentialTicket.tests
        ? {
            ...lane,
            claim: () => {
              if (lane.claim?.() === false) return false
              admissions.vouch(underway, now())
              return true
            }
          }
        : lane
    try {
      return attempt.run(call, target, told, account, underway)
    } catch (error) {
      return Effect.die(error)
    }
  }

  /** Takes note of an attempt from the moment at which something is held for it, so that it is settled on every way out. */
  const enter = (
    call: Call,
    target: Target,
    { side, why }: Lane,
    startedAt: number,
    queuedMillis: number,
    { account, credentialTicket, ticket }: Admission,
    bound: number | undefined,
    held: Reservation | undefined
  ): Underway => {
    const underway: Underway = {
      number: call.begun++,
      target,
      account,
      why,
      ticket,
      credentialTicket,
      gauge: health.begin(target.identity, tokensOf(call)),
      side,
      queuedMillis,
      startedAt,
      bound,
      held,
      sent: held === undefined
    }
    if (bound !== undefined) call.spentNanoDollars += bound
    call.underway.push(underway)
    return underway
  }

  const send = (call: Call, lane: Lane, underway: Underway): Effect.Effect<Settled> =>
    andThen(started(call, underway, lane), (outcome) => {
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

  /** Where breakers keep every credential of a target out. The one that is free soonest would be probed. */
  const keptOut = (call: Call, target: Target, { commitBy }: Lane, at: number, bound: Bound | undefined): Effect.Effect<Settled> => {
    const { account, shut } = admissions.soonest(target, at)
    return reject(call, rejections.keptOut(target, shut, { target, account, commitBy, bound }))
  }

  /** Lets a candidate through with a credential, reserves for it, and sends. One that is not sent gives the probe's place back. */
  const pay = (
    call: Call,
    target: Target,
    lane: Lane,
    startedAt: number,
    queuedMillis: number,
    account: Account,
    bound: Bound | undefined
  ): Effect.Effect<Settled> => {
    const enterWith = lane.why === "probe" ? () => admissions.force(account, startedAt) : () => admissions.admit(account, startedAt)
    if (bound === undefined || call.bindings.length === 0) {
      const admission = enterWith()
      return admission === undefined
        ? keptOut(call, target, lane, startedAt, bound)
        : send(call, lane, enter(call, target, lane, startedAt, queuedMillis, admission, bound?.nanoDollars, undefined))
    }
    // Between being admitted, a reservation and the note of it nothing may come, or the probe's place and the amount would be held for ever.
    return Effect.uninterruptibleMask((restore) => {
      const admission = enterWith()
      if (admission === undefined) return keptOut(call, target, lane, startedAt, bound)
      const time = clock.currentTimeMillisUnsafe()
      return andThen(ledger.reserve(call.bindings, bound.nanoDollars, time), (held) => {
        if (held._tag !== "Reservation") {
          admissions.giveBack(admission, startedAt)
          return reject(call, rejections.unpaid(target, bound, held, time))
        }
        // A reservation may have waited for its slice, and another attempt of a hedge may have begun meanwhile.
        const late =
          lane.commitBy !== Infinity && now() >= lane.commitBy ? rejections.tooLate(target) : rejections.usedUp(call, target, bound)
        if (late !== undefined) {
          ledger.release(held)
          admissions.giveBack(admission, startedAt)
          return reject(call, late)
        }
        const underway = enter(call, target, lane, startedAt, queuedMillis, admission, bound.nanoDollars, held)
        return restore(
          Effect.suspend(() => {
            underway.sent = true
            return send(call, lane, underway)
          })
        )
      })
    })
  }

  /** With one credential after the other, as long as it is the credential that fails. */
  const rotate = (
    call: Call,
    target: Target,
    lane: Lane,
    startedAt: number,
    queuedMillis: number,
    bound: Bound | undefined
  ): Effect.Effect<Settled> => {
    const order = orderOf(call, target)
    const go = (from: number, lane: Lane, at: number, last: Attempted | undefined): Effect.Effect<Settled> => {
      let i = from
      while (i < order.length && admissions.shut(order[i]!, at) !== undefined) i++
      const account = order[i]
      if (account === undefined) return last === undefined ? keptOut(call, target, lane, at, bound) : Effect.succeed(last)
      return andThen(pay(call, target, lane, at, from === 0 ? queuedMillis : 0, account, bound), (settled) => {
        if (settled._tag === "Rejected") return Effect.succeed(last ?? settled)
        if (settled._tag === "Denied" || settled.committed || settled.failure === undefined || !rotates.has(settled.failure.class))
          return Effect.succeed(settled)
        const next = now()
        if (i + 1 === order.length || next >= lane.commitBy || rejections.usedUp(call, target, bound) !== undefined)
          return Effect.succeed(settled)
        return go(i + 1, because(lane, "credential"), next, settled)
      })
    }
    return Effect.suspend(() => go(0, lane, startedAt, undefined))
  }

  const begin = (
    call: Call,
    target: Target,
    lane: Lane,
    startedAt: number,
    queuedMillis: number,
    bound: Bound | undefined
  ): Effect.Effect<Settled> =>
    target.accounts.length === 1
      ? pay(call, target, lane, startedAt, queuedMillis, target.accounts[0], bound)
      : rotate(call, target, lane, startedAt, queuedMillis, bound)

  /** Has `go` carried out in a place on its target, which is left on every way out, waiting for one where there is room to wait. */
  const placed = (
    call: Call,
    target: Target,
    capacity: Capacity,
    lane: Lane,
    bound: Bound | undefined,
    go: typeof begin
  ): Effect.Effect<Settled> =>
    Effect.uninterruptibleMask((restore) => {
      const { identity } = target
      const came = now()
      // What nobody would be let through to is not waited for.
      if (lane.why !== "probe" && slots.full(identity) && admissions.soonest(target, came).shut !== undefined)
        return keptOut(call, target, lane, came, bound)
      // A copy takes what is free, and nothing from a caller who would wait.
      const mayQueue = call.shadowOf === undefined || !slots.full(identity)
      const place = mayQueue ? slots.enter(identity, capacity) : undefined
      if (place === undefined)
        return reject(call, rejections.busy(target, capacity.queued === 0 || !mayQueue ? "nobody may wait for it" : "its queue is full"))
      const wait = Math.min(capacity.waitMillis, lane.commitBy - came)
      const turn = (): Effect.Effect<Settled> => {
        if (place.state !== "held")
          return reject(
            call,
            wait < capacity.waitMillis
              ? rejections.tooLate(target)
              : rejections.busy(target, `no place has come free within ${wait / 1_000} s`)
          )
        const startedAt = now()
        // Another attempt of a hedge may have begun meanwhile.
        const late = startedAt >= lane.commitBy ? rejections.tooLate(target) : rejections.usedUp(call, target, bound)
        return late !== undefined ? reject(call, late) : go(call, target, lane, startedAt, startedAt - came, bound)
      }
      return Effect.onExit(
        restore(
          place.state === "held"
            ? Effect.suspend(() => go(call, target, lane, came, 0, bound))
            : Effect.flatMap(Effect.raceFirst(slots.turn(place), clock.sleep(Duration.millis(wait))), turn)
        ),
        () => Effect.sync(() => slots.leave(place))
      )
    })

  const tryTarget = (call: Call, target: Target, lane: Lane): Effect.Effect<Settled> => {
    const startedAt = now()
    const weighed = weigh(call, target, lane, startedAt)
    if (weighed?._tag === "Rejected") return reject(call, weighed)
    return target.capacity === undefined
      ? begin(call, target, lane, startedAt, 0, weighed)
      : placed(call, target, target.capacity, lane, weighed, begin)
  }

  const freeIn = (target: Target): number => admissions.soonest(target, now()).shut?.forMillis ?? 0

  const probe = (call: Call): Effect.Effect<Settled> | undefined => {
    // What a rule keeps out is no candidate, whatever its breaker says, and no more is a model that there is not.
    const permitted = call.rejections.filter(({ by }) => !noCandidate.has(by))
    if (permitted.length === 0 || !permitted.every((rejection) => rejection.by === "breaker")) return undefined
    const candidate = permitted.find(({ asked }) => asked !== true)?.candidate
    if (candidate === undefined) return undefined
    // INVARIANT: nothing was tried, so no time has passed and no effort is spent, and no hedge is left to win.
    const { account, bound, commitBy, target } = candidate
    const lane = because(laneUntil(commitBy), "probe")
    const send: typeof begin = (call, target, lane, startedAt, queuedMillis, bound) =>
      pay(call, target, lane, startedAt, queuedMillis, account, bound)
    return target.capacity === undefined
      ? send(call, target, lane, now(), 0, bound)
      : placed(call, target, target.capacity, lane, bound, send)
  }

  const ruledOut = (call: Call, target: Target, rule: Rule): Effect.Effect<Settled> => reject(call, rejections.ruledOut(call, target, rule))

  return { tryTarget, isOpen: (call, target, lane) => isOpen(call, target, lane, now()), freeIn, isFull, probe, ruledOut, reject, abandon }
}
