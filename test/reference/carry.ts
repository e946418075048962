/**
 * What carrying out a call means: attempts in time, side by side where a hedge says so, each under its deadline, its budgets and its breaker.
 *
 * A strategy is a generator that stops wherever it waits, for a time or for another, and a timeline takes whichever is due next: nothing of Effect, its fibres or its clock. Giving
 * one up is to make it return where it stands, and what it must still do then is in a `finally`.
 */
import type { FailureClass } from "../../src/Failure.ts"
import type { Policy, Send, SpreadBy, Strategy } from "../../src/Policy.ts"
import type { PriceSource } from "../../src/Price.ts"
import {
  armOf,
  type Breakers,
  type Decided,
  decide,
  declared,
  type Deployment,
  factsNow,
  type FactValues,
  holds,
  murmur3Bytes,
  resolve
} from "../reference.ts"
import { type Accounts, bound, callerOf, cost, expected, pursesOf, type Usage, windowOf } from "./money.ts"
import { ruledOut } from "./rules.ts"
import { type Process, type Thread, Timeline } from "./timeline.ts"

/** What the world does with one attempt, if no deadline comes first. */
export interface Play {
  /** Undefined where the answer is handed on whole. */
  readonly failure: FailureClass | undefined
  /** When the first content reaches the caller, from the start; undefined where nothing does. A whole answer always commits. */
  readonly commitsAfter: number | undefined
  /** When it is over, from the start. */
  readonly endsAfter: number
  /** What the provider said beside the class. */
  readonly status?: number
  readonly code?: string
  readonly retryAfterMillis?: number
  /** What the provider said that it came to. */
  readonly usage?: Usage
  /** It certainly costs nothing. */
  readonly unbilled?: boolean
}

export interface Ended {
  readonly failure: FailureClass | undefined
  readonly committed: boolean
  readonly endedAt: number
  /** The deadline has ended it, and not the provider. */
  readonly expired: boolean
}

/** What an attempt comes to: a deadline bounds the time to its commit, and nothing after. */
export const attemptUnder = (play: Play, startedAt: number, commitBy: number): Ended => {
  const committed = play.commitsAfter !== undefined
  const decisive = startedAt + (play.commitsAfter ?? play.endsAfter)
  if (decisive >= commitBy) return { failure: "timeout", committed: false, endedAt: commitBy, expired: true }
  return { failure: play.failure, committed, endedAt: startedAt + play.endsAfter, expired: false }
}

/** An attempt that was made. */
export interface Tried {
  readonly target: string
  readonly commitBy: number
  readonly startedAt: number
  readonly failure: FailureClass | undefined
  readonly committed: boolean
  readonly probe: boolean
  /** What it was charged; undefined where that is not known. */
  readonly nanoDollars: number | undefined
  /** What was held for it, on every account of the caller. */
  readonly reservedNanoDollars: number | undefined
  /** It was charged the most that it can have cost, because nobody knows what it has. */
  readonly estimated: boolean
}

/** A candidate that was not tried. */
export interface Refused {
  readonly target: string
  readonly by: "breaker" | "budget" | "deadline" | "effort" | "grant" | "guard" | "capability" | "unknown-model" | "ambiguous-model"
  /** What the caller is told if this is what decides. */
  readonly error: Told
}

/** An error as the caller sees it. */
export interface Told {
  readonly status: number
  readonly code: string
  readonly retryAfterMillis?: number | undefined
}

export interface Carried {
  readonly decided: Decided
  readonly tried: ReadonlyArray<Tried>
  readonly refused: ReadonlyArray<Refused>
  readonly ending: "served" | "failed" | "refused"
  /** The status that the caller saw. */
  readonly status: number
  /** The error that the caller was told, or that cut the stream short. */
  readonly error: Told | undefined
  /** The target whose answer the caller got, all or a part of it. */
  readonly served: string | undefined
  /** How many attempts had begun when the caller was answered. */
  readonly begun: number
  readonly endedAt: number
}

/** What has been seen of deployments beside their failures, and whose turn it is. */
export class Watch {
  readonly #seen = new Map<string, Array<{ readonly millis: number; readonly at: number; readonly givenUp: boolean }>>()
  readonly #turns = new Map<unknown, number>()

  /** An attempt has shown how long its first token took, or that it takes longer than this. */
  see(identity: string, millis: number, at: number, givenUp: boolean): void {
    this.#seen.set(identity, [...(this.#seen.get(identity) ?? []), { millis, at, givenUp }])
  }

  /**
   * The time to the first token to be expected. Of two measurements the older weighs four fifths at most, and half as much for every half minute between them; one that
   * was given up counts where it is above what was expected, and is forgotten with the first real one. It halves every half minute in which nobody is `busy` measuring.
   */
  latency(identity: string, now: number, busy: number): number | null {
    let expected: { readonly millis: number; readonly at: number; readonly real: boolean } | undefined
    for (const { at, givenUp, millis } of this.#seen.get(identity) ?? []) {
      if (givenUp) {
        if (expected === undefined || expected.millis < millis) expected = { millis, at, real: expected?.real ?? false }
      } else if (expected === undefined || !expected.real) {
        expected = { millis, at, real: true }
      } else {
        const weight = Math.min(0.8, 2 ** -((at - expected.at) / 30_000))
        expected = { millis: millis + (expected.millis - millis) * weight, at, real: true }
      }
    }
    if (expected === undefined) return null
    return busy > 0 ? expected.millis : expected.millis * 2 ** -((now - expected.at) / 30_000)
  }

  /** Whose turn it is among those that share `state`, counted from 0; the next who asks is the next. */
  turn(state: unknown): number {
    const turn = this.#turns.get(state) ?? 0
    this.#turns.set(state, turn + 1)
    return turn
  }
}

/** The world of one call: what attempts meet, the breakers that stand, what has been spent, and the time at which it begins. */
export interface World {
  /** What the n-th attempt of the call meets. */
  readonly play: (n: number) => Play
  readonly breakers: Breakers
  readonly accounts: Accounts
  readonly watch: Watch
  /** List prices. */
  readonly prices: PriceSource
  /** Monotonic milliseconds. */
  readonly now: number
  /** Unix milliseconds at that moment. */
  readonly time: number
}

/** The classes on which `first` moves on when the author names none. */
const usual: ReadonlyArray<FailureClass> = [
  "rate-limited",
  "quota-exhausted",
  "overloaded",
  "server-error",
  "timeout",
  "connection",
  "stream-cut",
  "malformed",
  "auth"
]

/** How a failure looks to the caller. A credential of ours that does not work is no fault of the caller's. */
const told = (failure: FailureClass, play: Partial<Play>): Told => {
  const table: Record<FailureClass, readonly [number, string]> = {
    "rate-limited": [429, "upstream_rate_limited"],
    "quota-exhausted": [429, "upstream_quota_exhausted"],
    overloaded: [503, "upstream_overloaded"],
    "server-error": [502, "upstream_error"],
    timeout: [504, "upstream_timeout"],
    connection: [502, "upstream_connection_failed"],
    "stream-cut": [502, "upstream_stream_cut"],
    malformed: [502, "upstream_malformed"],
    "context-length": [400, "context_length_exceeded"],
    "content-filter": [400, "content_filter"],
    "bad-request": [400, "upstream_bad_request"],
    auth: [502, "upstream_auth_failed"],
    cancelled: [499, "cancelled"]
  }
  const [status, code] = table[failure]
  // What the provider says of the caller's own mistake is more exact than a class.
  const mistake = failure === "context-length" || failure === "content-filter" || failure === "bad-request" || failure === "cancelled"
  return {
    status: mistake && play.status !== undefined && play.status >= 400 && play.status < 500 ? play.status : status,
    code: failure === "bad-request" ? (play.code ?? code) : code,
    retryAfterMillis: play.retryAfterMillis
  }
}

const unitMillis: Readonly<Record<string, number>> = { millis: 1, seconds: 1_000, minutes: 60_000, hours: 3_600_000, days: 86_400_000 }
const millisOf = (duration: string): number => {
  const [amount, unit] = duration.split(" ")
  return Number(amount) * unitMillis[unit!]!
}

// Calls

/** How a strategy has come out. */
type Result =
  | { readonly _tag: "Served"; readonly target: string }
  | {
      readonly _tag: "Failed"
      readonly target: string
      readonly failure: FailureClass
      readonly committed: boolean
      readonly error: Told
    }
  /** Every candidate was rejected; the error is that of the first in the author's order. */
  | { readonly _tag: "Rejected"; readonly error: Told }
  | { readonly _tag: "Denied"; readonly error: Told }

/** A hedge: which of its two sides has begun to answer, and how to stop them. */
interface Race {
  winner: 0 | 1 | undefined
  readonly stop: (side: 0 | 1) => void
}

/** Where an attempt runs. */
interface Lane {
  readonly commitBy: number
  /** The hedges around it, each with the side on which it runs. */
  readonly races: ReadonlyArray<readonly [Race, 0 | 1]>
}

/** Asks for the right to begin to answer, and has every rival stopped. */
const claim = ({ races }: Lane): boolean => {
  if (races.some(([race, side]) => race.winner !== undefined && race.winner !== side)) return false
  for (const [race, side] of races) {
    race.winner = side
    race.stop(side === 0 ? 1 : 0)
  }
  return true
}

/** Whether `first` may pass on by default. */
const passesOn = (result: Result): boolean =>
  result._tag === "Rejected" || (result._tag === "Failed" && !result.committed && usual.includes(result.failure))

/** The classes after which `retry` tries again when the author names none: what a moment may mend. */
const retried = usual.filter((name) => name !== "quota-exhausted" && name !== "auth")

const utf8 = new TextEncoder()

interface Begun extends Tried {
  readonly identity: string
  readonly number: number
  readonly error: Told | undefined
}

/** Carries out one call. */
export const carryOut = (policy: Policy, request: FactValues, world: World): Carried => {
  const facts = factsNow(policy, request, world)
  const decided = decide(policy, facts, world.prices)
  const route = policy.routes[decided.route]!
  const model = String(facts["request.model"])
  const caller = callerOf(facts)
  const purses = pursesOf(policy, caller)
  const { accounts, breakers, prices, watch } = world
  const effort = { ...policy.effort, ...route.effort }
  const dollars = effort.dollars === "none" ? Infinity : Math.round(effort.dollars.usd * 1e9)
  const isBounded = purses.length > 0 || dollars !== Infinity
  const timeline = new Timeline(world.now)
  const tried: Array<Begun> = []
  const refused: Array<Refused & { readonly candidate?: readonly [Deployment, number] }> = []
  /** The deployments of attempts under way, and the most that each can cost. */
  const underway = new Set<{ readonly identity: string; readonly most: number }>()
  let begun = 0
  let begunAtAnswer: number | undefined

  const refuse = (refusal: (typeof refused)[0]): Result => {
    refused.push(refusal)
    return { _tag: "Rejected", error: refusal.error }
  }

  /** What an attempt is charged: nothing where it certainly cost nothing; what it has cost where that is known; else the most that it can have cost. */
  const charge = (to: Deployment, play: Play, { expired, failure }: Ended, most: number | undefined) => {
    if (play.unbilled === true && !expired) return { nanoDollars: 0, estimated: false }
    const known = play.usage === undefined || expired ? undefined : cost(policy, to, play.usage, prices)
    if (most === undefined) return { nanoDollars: known, estimated: false }
    if (known !== undefined && failure === undefined) return { nanoDollars: known, estimated: false }
    // What a broken answer has told of its usage is the least that it costs.
    return { nanoDollars: Math.max(most, known ?? 0), estimated: true }
  }

  function* run(to: Deployment, lane: Lane, probe: boolean): Process<Result> {
    const startedAt = timeline.now
    const { commitBy } = lane
    const time = world.time + (startedAt - world.now)
    // INVARIANT: what cannot be bounded has been refused before.
    const most = isBounded ? (bound(policy, to, facts, prices) as number) : undefined
    const held = purses.length > 0 ? most : undefined
    if (held !== undefined) {
      const short = accounts.short(purses, time, held)
      if (short !== undefined) {
        // It says nothing of the deployment: if this was a probe, the next call is.
        breakers.report(to.identity, "cancelled", startedAt)
        const wait = windowOf(short.every, time).end - time
        return refuse({ target: to.name, by: "budget", error: { status: 402, code: "budget_exhausted", retryAfterMillis: wait } })
      }
      for (const purse of purses) accounts.spend(purse, time, held)
    }
    const number = begun++
    const play = world.play(number)
    const mine = { identity: to.identity, most: most ?? 0 }
    underway.add(mine)
    let ended: Ended | undefined
    try {
      const coming = attemptUnder(play, startedAt, commitBy)
      if (coming.committed) {
        yield { at: startedAt + play.commitsAfter! }
        if (!claim(lane)) throw new Error("one that has lost is stopped")
        begunAtAnswer = begun
      }
      yield { at: coming.endedAt }
      ended = coming
    } finally {
      const { committed, expired, failure } = ended ?? { committed: false, expired: true, failure: "cancelled" as const }
      const now = timeline.now
      underway.delete(mine)
      breakers.report(to.identity, failure, now)
      if (committed && facts["request.stream"] === true) watch.see(to.identity, play.commitsAfter!, now, false)
      else if (failure === undefined) watch.see(to.identity, now - startedAt, now, false)
      else if (failure === "timeout" || failure === "cancelled") watch.see(to.identity, now - startedAt, now, true)
      const charged = charge(to, play, { committed, expired, failure, endedAt: now }, most)
      if (held !== undefined) for (const purse of purses) accounts.spend(purse, time, charged.nanoDollars! - held)
      const error = failure === undefined ? undefined : told(failure, expired ? {} : play)
      const { identity, name: target } = to
      tried.push({
        target,
        identity,
        number,
        commitBy,
        startedAt,
        failure,
        committed,
        probe,
        error,
        ...charged,
        reservedNanoDollars: held
      })
    }
    const { committed, expired, failure } = ended
    return failure === undefined
      ? { _tag: "Served", target: to.name }
      : { _tag: "Failed", target: to.name, failure, committed, error: told(failure, expired ? {} : play) }
  }

  function* attempt(to: Deployment, lane: Lane): Process<Result> {
    const target = to.name
    const rule = ruledOut(policy, to, facts, prices)
    if (rule !== undefined) return refuse({ target, by: rule.by, error: rule.error })
    if (timeline.now >= lane.commitBy) return refuse({ target, by: "deadline", error: { status: 504, code: "deadline_exceeded" } })
    const most = isBounded ? bound(policy, to, facts, prices) : 0
    if (typeof most !== "number") return refuse({ target, by: "budget", error: most })
    // Over all attempts that the call has made, and those that it is making.
    const spent = tried.reduce((all, one) => all + (one.nanoDollars ?? 0), 0) + [...underway].reduce((all, one) => all + one.most, 0)
    if (begun >= effort.attempts || (isBounded && spent + most > dollars))
      return refuse({ target, by: "effort", error: { status: 402, code: "effort_exhausted" } })
    if (!breakers.admits(to.identity, timeline.now))
      return refuse({ target, by: "breaker", error: { status: 503, code: "no_target_available" }, candidate: [to, lane.commitBy] })
    return yield* run(to, lane, false)
  }

  /** The members of a spread as it would take them. `state` is what it shares its turns with. */
  const ranked = (by: SpreadBy, members: ReadonlyArray<Send>, state: unknown): ReadonlyArray<Send> => {
    const turn = watch.turn(state)
    const busy = (identity: string) => [...underway].filter((one) => one.identity === identity).length
    const groups: ReadonlyArray<Array<{ readonly member: Send; readonly key: number }>> = [[], [], [], []]
    for (const member of members) {
      const to = declared(policy, member.target, member.set)
      const { identity } = to
      const latency = watch.latency(identity, timeline.now, busy(identity))
      const key = {
        "round-robin": () => 0,
        "least-busy": () => busy(identity),
        // What nobody has measured comes first, unless somebody is at it.
        latency: () => latency ?? (busy(identity) > 0 ? Number.MAX_VALUE : -1),
        cost: () => expected(policy, to, facts, prices) ?? Number.MAX_VALUE
      }[by]()
      const met = busy(identity) > 0 || tried.some((one) => one.failure !== undefined && one.identity === identity)
      const group = ruledOut(policy, to, facts, prices) !== undefined ? 3 : !breakers.stands(identity, timeline.now) ? 2 : met ? 1 : 0
      groups[group]!.push({ member, key })
    }
    return groups.flatMap((group) => {
      const start = by === "round-robin" || by === "least-busy" ? turn % Math.max(1, group.length) : 0
      const turned = [...group.slice(start), ...group.slice(0, start)]
      return turned.sort((a, b) => a.key - b.key).map(({ member }) => member)
    })
  }

  function* spread(by: SpreadBy, members: ReadonlyArray<Send>, lane: Lane, state: unknown): Process<Result> {
    const errors = new Map<Send, Told>()
    for (const member of ranked(by, members, state)) {
      const result = yield* go(member, lane)
      // A failed member moves outward, never sideways.
      if (result._tag !== "Rejected") return result
      errors.set(member, result.error)
    }
    return { _tag: "Rejected", error: errors.get(members[0]!)! }
  }

  /** The wait after the n-th try, in whole milliseconds: doubled each time, shortened by up to a half, and never less than the provider wants. */
  const waitAfter = (n: number, { first, longest }: { readonly first: string; readonly longest: string }, wanted: number): number => {
    let wait = millisOf(first)
    for (let i = 1; i < n; i++) wait *= 2
    const luck = murmur3Bytes(utf8.encode(String(facts["request.id"] ?? "call-1")), n) / 2 ** 32
    return Math.ceil(Math.max(wanted, Math.min(wait, millisOf(longest)) * (1 - luck / 2)))
  }

  function* retry({ attempts, backoff, of, on = retried }: Extract<Strategy, { readonly _tag: "Retry" }>, lane: Lane): Process<Result> {
    let last: Result | undefined
    for (let n = 1; ; n++) {
      const result: Result = yield* go(of, lane)
      if (result._tag === "Rejected") return last ?? result
      if (result._tag !== "Failed" || result.committed || !on.includes(result.failure) || n === attempts) return result
      last = result
      const wanted = result.error.retryAfterMillis ?? 0
      const wait = waitAfter(n, backoff, wanted)
      // What cannot come to anything is not waited for.
      if (wanted > millisOf(backoff.longest) || timeline.now + wait >= lane.commitBy || begun >= effort.attempts) return result
      yield { at: timeline.now + wait }
    }
  }

  function* hedge({ after, of, with: other }: Extract<Strategy, { readonly _tag: "Hedge" }>, lane: Lane): Process<Result> {
    const sides: [Thread<Result> | undefined, Thread<Result> | undefined] = [undefined, undefined]
    const stopped = [false, false]
    const race: Race = {
      winner: undefined,
      stop: (side) => {
        stopped[side] = true
        timeline.stop(sides[side])
      }
    }
    const begin = (side: 0 | 1, strategy: Strategy): void => {
      if (sides[side] !== undefined || stopped[side]) return
      sides[side] = timeline.begin(go(strategy, { ...lane, races: [...lane.races, [race, side]] }))
    }
    function* late(): Process<void> {
      yield { at: timeline.now + millisOf(after) }
      begin(1, other)
    }
    begin(0, of)
    const alarm = timeline.now + millisOf(after) < lane.commitBy ? timeline.begin(late()) : undefined
    try {
      // Who wins has the other stopped.
      yield { until: () => (race.winner === 1 ? sides[1]! : sides[0]!).over }
      const one = sides[race.winner ?? 0]!.result!
      if (race.winner !== undefined || !passesOn(one)) return one
      begin(1, other)
      yield { until: () => sides[1]!.over }
      const two = sides[1]!.result!
      return two._tag === "Rejected" ? one : two
    } finally {
      timeline.stop(alarm)
      race.stop(0)
      race.stop(1)
    }
  }

  function* go(strategy: Strategy, lane: Lane): Process<Result> {
    switch (strategy._tag) {
      case "Send":
        return yield* attempt(declared(policy, strategy.target, strategy.set), lane)
      case "Asked": {
        const asked = resolve(policy, model)
        if (asked._tag === "Found") return yield* attempt(asked.deployment, lane)
        return refuse(
          asked._tag === "Ambiguous"
            ? { target: model, by: "ambiguous-model", error: { status: 404, code: "model_ambiguous" } }
            : { target: model.slice(0, 256), by: "unknown-model", error: { status: 404, code: "model_not_found" } }
        )
      }
      case "Deny":
        return { _tag: "Denied", error: { status: strategy.status, code: strategy.code } }
      case "First": {
        // `first(a) = a`, and otherwise: a rejected candidate is passed over whatever `on` says, a failed one before its commit if its class is one
        // to move on for. Where nothing is left, what has been tried last is what it came to, else the first rejection.
        let last: Result | undefined
        for (const part of strategy.of) {
          const result: Result = yield* go(part, lane)
          if (result._tag === "Rejected") {
            last ??= result
            continue
          }
          if (result._tag !== "Failed") return result
          last = result
          if (result.committed || !(strategy.on ?? usual).includes(result.failure)) return result
        }
        return last!
      }
      case "Split":
        // A failed arm moves outward, never sideways.
        return yield* go(armOf(strategy, facts).to, lane)
      case "Spread":
        return yield* spread(strategy.by, strategy.of, lane, strategy)
      case "Pool": {
        const pool = policy.pools[strategy.pool]!
        return yield* spread(pool.by, pool.of, lane, pool)
      }
      case "When":
        return yield* go(holds(strategy.if, facts) ? strategy.then : strategy.otherwise, lane)
      case "Hedge":
        return yield* hedge(strategy, lane)
      case "Within":
        return yield* go(strategy.of, { ...lane, commitBy: Math.min(lane.commitBy, timeline.now + millisOf(strategy.duration)) })
      case "Retry":
        return yield* retry(strategy, lane)
    }
  }

  function* whole(): Process<Result> {
    if (decided.threw) return { _tag: "Denied", error: { status: 403, code: "condition_failed" } }
    const commitBy = effort.time === "none" ? Infinity : world.now + millisOf(effort.time)
    const result = yield* go(route.to, { commitBy, races: [] })
    // What a rule forbids is no candidate. If breakers alone have rejected every candidate, the first is probed rather than nothing tried.
    const candidates = refused.filter(({ by }) => !["grant", "guard", "capability", "unknown-model", "ambiguous-model"].includes(by))
    if (result._tag !== "Rejected" || begun > 0 || candidates.length === 0 || candidates.some(({ by }) => by !== "breaker")) return result
    const [to, deadline] = candidates[0]!.candidate!
    const probed = yield* run(to, { commitBy: deadline, races: [] }, true)
    return probed._tag === "Rejected" ? result : probed
  }

  const result = timeline.run(whole())
  tried.sort((a, b) => a.number - b.number)
  const answered = result._tag === "Served" || (result._tag === "Failed" && result.committed)
  // Whatever was stopped is no reason for anything.
  const cause = tried.find(({ failure }) => failure !== undefined && failure !== "cancelled")
  const error = result._tag === "Served" ? undefined : result._tag === "Failed" && !answered ? (cause?.error ?? result.error) : result.error
  return {
    decided,
    tried,
    refused: refused.map(({ by, error, target }) => ({ by, target, error })),
    ending: error === undefined ? "served" : begun > 0 ? "failed" : "refused",
    status: answered ? 200 : error!.status,
    error,
    served: result._tag === "Served" || (result._tag === "Failed" && answered) ? result.target : undefined,
    begun: begunAtAnswer ?? begun,
    endedAt: timeline.now
  }
}
