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
  type Account,
  armOf,
  isCopied,
  type Decided,
  decide,
  declared,
  type Deployment,
  factsNow,
  type FactValues,
  holds,
  mayTry,
  murmur3Bytes,
  resolve
} from "../reference.ts"
import type { Breakers, Ticket, Watch } from "./health.ts"
import { type Accounts, bound, callerOf, cost, expected, pursesOf, type Usage, windowOf } from "./money.ts"
import { capabilities, ruledOut } from "./rules.ts"
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
  /** For how long the headers of the answer ask to leave the deployment alone. */
  readonly pauseMillis?: number
  /** The provider will serve nothing more on the credential. */
  readonly endsCredential?: boolean
  /** What the provider said that it came to. */
  readonly usage?: Usage
  /** It certainly costs nothing. */
  readonly unbilled?: boolean
  /** What the answer is like, by the names that conditions of answers use. */
  readonly answer?: FactValues
}

export interface Ended {
  readonly failure: FailureClass | undefined
  readonly committed: boolean
  readonly endedAt: number
  /** When the caller has seen the first of it; undefined where nothing reaches the caller. */
  readonly committedAt: number | undefined
  /** The deadline has ended it, and not the provider. */
  readonly expired: boolean
}

/** What an answer is like where nothing is said of it. */
const plainAnswer: FactValues = {
  "answer.stop": "end",
  "answer.outputTokens": 100,
  "answer.characters": 400,
  "answer.toolCalls": 0,
  "answer.refused": false,
  "answer.isJson": false
}
export const answerOf = ({ answer }: Play): FactValues => ({ ...plainAnswer, ...answer })

/**
 * What an attempt comes to: a deadline bounds the time to its commit, and nothing after. An answer that is to be judged is held back until it is whole, and has then still to suit.
 */
export const attemptUnder = (play: Play, startedAt: number, commitBy: number, held: boolean): Ended => {
  const endedAt = startedAt + play.endsAfter
  const commitsAfter = !held ? play.commitsAfter : play.failure === undefined ? play.endsAfter : undefined
  const decisive = startedAt + (commitsAfter ?? play.endsAfter)
  if (decisive >= commitBy) return { failure: "timeout", committed: false, committedAt: undefined, endedAt: commitBy, expired: true }
  const committedAt = commitsAfter === undefined ? undefined : decisive
  return { failure: play.failure, committed: committedAt !== undefined, committedAt, endedAt, expired: false }
}

/** Why an attempt is made: as its route begins, or because of what came of those before it. */
export type Why = "first" | "failover" | "retry" | "credential" | "hedge" | "escalation" | "probe"

/** An attempt that was made. */
export interface Tried {
  readonly target: string
  readonly commitBy: number
  readonly startedAt: number
  readonly failure: FailureClass | undefined
  readonly committed: boolean
  readonly why: Why
  /** The credential that it was made with; undefined where the provider wants none. */
  readonly credential: string | undefined
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

/** What a call has come to, or a copy of one. */
export interface Course {
  readonly id: string
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

export interface Carried extends Course {
  readonly decided: Decided
  /** What shadows have made of it, in the order in which they began. */
  readonly copies: ReadonlyArray<Course>
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
    cancelled: [499, "cancelled"],
    escalated: [502, "upstream_escalated"]
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
      readonly to: Deployment
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
  readonly why: Why
  /** Only deployments with a known window of more tokens are tried. */
  readonly roomierThan: number
  /** What an answer must not be like, or somebody else is asked. */
  readonly unsuitable: ReadonlyArray<{ readonly rule: unknown; readonly isMended: () => boolean }>
  /** A shadow stands around it: what answers has the copies begin. */
  readonly isCopied: boolean
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

/** Whether a hedge may pass on. */
const passesOn = (result: Result): boolean =>
  result._tag === "Rejected" || (result._tag === "Failed" && !result.committed && usual.includes(result.failure))

/** Failures that are the credential's: another one may do better. */
const ofCredential: ReadonlySet<FailureClass> = new Set(["rate-limited", "quota-exhausted", "auth"])
/** Whether an answer is known not to be as a rule says. */
const isUnlike = (rule: unknown, answer: FactValues): boolean => {
  try {
    return !holds(rule, answer)
  } catch {
    return false
  }
}
/** What is no cause of anything. */
const isStopped = (failure: FailureClass | undefined): boolean => failure === "cancelled" || failure === "escalated"

/** The classes after which `retry` tries again when the author names none: what a moment may mend. */
const retried = usual.filter((name) => name !== "quota-exhausted" && name !== "auth")

const utf8 = new TextEncoder()

interface Begun extends Tried {
  readonly identity: string
  readonly account: Account
  readonly number: number
  readonly error: Told | undefined
  /** The window of the deployment, where it is known. */
  readonly window: number | undefined
}
/** A candidate that its breakers keep out: what a probe of it would be. */
type Candidate = readonly [Deployment, Account, number]

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
  /** The deployments of attempts under way, of the call and of its copies, and the most that each can cost. */
  const busyWith = new Map<Course["id"], Set<{ readonly identity: string; readonly account: Account; readonly most: number }>>()
  const copies: Array<Course> = []

  /** A call, or a copy of one, which is a call of its own but that nobody waits for it and that it is neither probed nor copied. */
  function* carry(id: string, began: number, strategy: Strategy, isCopy: boolean): Process<Course> {
    const tried: Array<Begun> = []
    const refused: Array<Refused & { readonly candidate?: Candidate; readonly asked?: boolean }> = []
    const underway = new Set<{ readonly identity: string; readonly account: Account; readonly most: number }>()
    busyWith.set(id, underway)
    const shadows: Array<Extract<Strategy, { readonly _tag: "Shadow" }>> = []
    let shadowsBegun = 0
    let begun = 0
    let begunAtAnswer: number | undefined

    const beginCopies = (): void => {
      while (shadowsBegun < shadows.length) {
        const nth = shadowsBegun++
        timeline.begin(copyOf(shadows[nth]!, nth))
      }
    }
    function* copyOf({ copy }: (typeof shadows)[0], nth: number): Process<void> {
      const now = timeline.now
      // What its call does in this moment comes first.
      yield { at: now }
      copies.push(yield* carry(`${id}.shadow${nth === 0 ? "" : nth + 1}`, now, copy, true))
    }
    /** Whether a shadow copies this call. */
    const isDrawn = (shadow: (typeof shadows)[0]): boolean => isCopied(policy, route.name, shadow, facts, prices)

    const windowOfModel = (to: Deployment): number | undefined => capabilities(policy, to).contextWindow

    /** The largest window that this call was too long for; 0 where none is known. */
    const tooLongFor = (): number => Math.max(0, ...tried.map(({ failure, window }) => (failure === "context-length" ? (window ?? 0) : 0)))

    const refuse = (refusal: (typeof refused)[0]): Result => {
      refused.push(refusal)
      return { _tag: "Rejected", error: refusal.error }
    }

    /** What an attempt is charged: nothing where it certainly cost nothing; what it has cost where that is known; else the most that it can have cost. */
    const charge = (to: Deployment, play: Play, { expired, failure }: Ended, most: number | undefined) => {
      if (play.unbilled === true && !expired) return { nanoDollars: 0, estimated: false }
      const { usage } = play
      const counts = usage !== undefined && usage.inputTokens + usage.outputTokens > 0
      const known = !counts || expired ? undefined : cost(policy, to, usage, prices)
      if (most === undefined) return { nanoDollars: known, estimated: false }
      // An answer that was thrown away is paid for like any other.
      if (known !== undefined && (failure === undefined || failure === "escalated")) return { nanoDollars: known, estimated: false }
      // What a broken answer has told of its usage is the least that it costs.
      return { nanoDollars: Math.max(most, known ?? 0), estimated: true }
    }

    function* run(to: Deployment, account: Account, lane: Lane): Process<Result> {
      const startedAt = timeline.now
      const { commitBy, why } = lane
      const time = world.time + (startedAt - world.now)
      // INVARIANT: what cannot be bounded has been refused before.
      const most = isBounded ? (bound(policy, to, facts, prices) as number) : undefined
      const held = purses.length > 0 ? most : undefined
      if (held !== undefined) {
        const short = accounts.short(purses, time, held)
        if (short !== undefined) {
          const wait = windowOf(short.every, time).end - time
          return refuse({ target: to.name, by: "budget", error: { status: 402, code: "budget_exhausted", retryAfterMillis: wait } })
        }
        for (const purse of purses) accounts.spend(purse, time, held)
      }
      // INVARIANT: whoever is not forced has looked before, in this same moment.
      const enter = (name: string): Ticket => (why === "probe" ? breakers.force(name, startedAt) : breakers.admits(name, startedAt)!)
      const tickets = { deployment: enter(account.identity), credential: enter(account.credential) }
      const number = begun++
      const play = world.play(number)
      const mine = { identity: to.identity, account, most: most ?? 0 }
      /** Whether the answer is thrown away, now that it is whole: it does not suit, and there is somebody who could give a better one. */
      const isPoor = (): boolean => lane.unsuitable.some(({ isMended, rule }) => !isUnlike(rule, answerOf(play)) && isMended())
      underway.add(mine)
      let ended: Ended | undefined
      try {
        let coming = attemptUnder(play, startedAt, commitBy, lane.unsuitable.length > 0)
        if (coming.committedAt !== undefined) yield { at: coming.committedAt }
        const poor = coming.committedAt !== undefined && isPoor()
        // What was held back has ended in this moment.
        if (poor) coming = { ...coming, failure: "escalated", committed: false }
        else if (coming.committedAt !== undefined) {
          if (!claim(lane)) throw new Error("one that has lost is stopped")
          // A probe has found out what it was made for.
          if (tickets.deployment.tests) breakers.report(account.identity, undefined, timeline.now, tickets.deployment)
          if (tickets.credential.tests) breakers.report(account.credential, undefined, timeline.now, tickets.credential)
          begunAtAnswer = begun
          if (lane.isCopied) beginCopies()
        }
        if (!poor) yield { at: coming.endedAt }
        ended = coming
      } finally {
        const now = timeline.now
        const { committed, expired, failure } = ended ?? { committed: false, expired: true, failure: "cancelled" as const }
        const said: Partial<Play> = expired ? {} : play
        underway.delete(mine)

        // Whoever has answered, however weakly, works.
        breakers.report(account.identity, failure === "escalated" ? undefined : failure, now, tickets.deployment)
        watch.tell(to.identity, failure === "escalated" ? undefined : failure, now)
        const pause = Math.max(said.pauseMillis ?? 0, failure === "rate-limited" ? (said.retryAfterMillis ?? 0) : 0)
        if (pause > 0) breakers.pause(account.identity, pause, now)
        const hasAnswered = committed || failure === "escalated" || said.status !== undefined
        if (failure !== undefined && said.endsCredential === true) breakers.condemn(account.credential, now, tickets.credential)
        // Any other answer shows that the credential is known, which is news only where it was in doubt.
        else if (tickets.credential.tests)
          breakers.report(account.credential, hasAnswered ? undefined : "cancelled", now, tickets.credential)

        const isWhole = committed || failure === "escalated"
        if (isWhole && facts["request.stream"] === true) watch.see(to.identity, play.commitsAfter!, now, false)
        else if (failure === undefined || failure === "escalated") watch.see(to.identity, now - startedAt, now, false)
        else if (failure === "timeout" || failure === "cancelled") watch.see(to.identity, now - startedAt, now, true)

        const charged = charge(to, play, { committed, committedAt: undefined, expired, failure, endedAt: now }, most)
        if (held !== undefined) for (const purse of purses) accounts.spend(purse, time, charged.nanoDollars! - held)
        tried.push({
          target: to.name,
          identity: to.identity,
          account,
          number,
          commitBy,
          startedAt,
          failure,
          committed,
          why,
          credential: account.name,
          error: failure === undefined ? undefined : told(failure, said),
          window: windowOfModel(to),
          ...charged,
          reservedNanoDollars: held
        })
      }
      const { committed, expired, failure } = ended
      return failure === undefined
        ? { _tag: "Served", target: to.name }
        : { _tag: "Failed", target: to.name, failure, committed, error: told(failure, expired ? {} : play), to }
    }

    /** How long a deployment is kept out under a credential; undefined where it is not. What its provider has asked for is asked for, however long it is kept out beside. */
    const keptOut = ({
      credential,
      identity
    }: Account): { readonly forMillis: number; readonly asked: boolean; readonly dead: boolean } | undefined => {
      const why = [identity, credential].flatMap((name) => breakers.shut(name, timeline.now) ?? [])
      return why.length === 0
        ? undefined
        : {
            forMillis: Math.max(...why.map(({ forMillis }) => forMillis)),
            asked: why.some(({ asked }) => asked),
            dead: why.some(({ dead }) => dead)
          }
    }

    /** How long until a deployment may be tried under one of its credentials. */
    const freeIn = (to: Deployment): number => Math.min(...to.accounts.map((account) => keptOut(account)?.forMillis ?? 0))

    /**
     * The credentials of a deployment in the order in which this call takes them: drawn one after the other without putting back, by weight, with luck that is the call's own; those that
     * have failed it, or that it is busy with, come last.
     */
    const inTurn = (to: Deployment): ReadonlyArray<Account> => {
      const drawn = to.accounts.map((account, i) => {
        const luck = (murmur3Bytes(utf8.encode(`${id} ${to.name}`), i) + 1) / (2 ** 32 + 1)
        return { account, late: -Math.log(luck) / account.weight }
      })
      drawn.sort((a, b) => a.late - b.late)
      const isOn = ({ identity }: Account, one: { readonly account: Account }) => one.account.identity === identity
      const hasMet = (account: Account) =>
        tried.some((one) => one.failure !== undefined && isOn(account, one)) || [...underway].some((one) => isOn(account, one))
      const all = drawn.map(({ account }) => account)
      return [...all.filter((account) => !hasMet(account)), ...all.filter(hasMet)]
    }

    function* attempt(to: Deployment, lane: Lane): Process<Result> {
      const target = to.name
      const rule = ruledOut(policy, to, facts, prices)
      if (rule !== undefined) return refuse({ target, by: rule.by, error: rule.error })
      if (timeline.now >= lane.commitBy) return refuse({ target, by: "deadline", error: { status: 504, code: "deadline_exceeded" } })
      if (lane.roomierThan > 0 && (windowOfModel(to) ?? 0) <= lane.roomierThan)
        return refuse({ target, by: "capability", error: { status: 422, code: "missing_capability" } })
      const most = isBounded ? bound(policy, to, facts, prices) : 0
      if (typeof most !== "number") return refuse({ target, by: "budget", error: most })
      /** Whether the effort of the call is used up: over all attempts that it has made, and those that it is making. */
      const isUsedUp = (): boolean => {
        const spent = tried.reduce((all, one) => all + (one.nanoDollars ?? 0), 0) + [...underway].reduce((all, one) => all + one.most, 0)
        return begun >= effort.attempts || (isBounded && spent + most > dollars)
      }
      if (isUsedUp()) return refuse({ target, by: "effort", error: { status: 402, code: "effort_exhausted" } })
      let last: Result | undefined
      for (const account of inTurn(to)) {
        if (!mayTry(breakers, account, timeline.now)) continue
        if (last !== undefined && (timeline.now >= lane.commitBy || isUsedUp())) return last
        const result: Result = yield* run(to, account, last === undefined ? lane : { ...lane, why: "credential" })
        if (result._tag === "Rejected") return last ?? result
        if (result._tag !== "Failed" || result.committed || !ofCredential.has(result.failure)) return result
        last = result
      }
      if (last !== undefined) return last
      const [soonest] = to.accounts.map((account) => ({ account, ...keptOut(account)! })).sort((a, b) => a.forMillis - b.forMillis)
      const { account, asked, dead, forMillis } = soonest!
      const error = {
        ...(asked && !dead ? { status: 429, code: "target_paused" } : { status: 503, code: "no_target_available" }),
        retryAfterMillis: forMillis
      }
      return refuse({ target, by: "breaker", error, asked, candidate: [to, account, lane.commitBy] })
    }

    /** Two different ones of so many, drawn by the call's id and whose turn it is. */
    const drawn = (of: number, turn: number): ReadonlyArray<number> => {
      const hash = murmur3Bytes(utf8.encode(id), turn)
      const one = hash % of
      const step = 1 + (Math.floor(hash / of) % (of - 1))
      return [one, (one + step) % of]
    }

    /** The members of a spread as it would take them. `state` is what it shares its turns with. */
    const ranked = (by: SpreadBy, members: ReadonlyArray<Send>, state: unknown): ReadonlyArray<Send> => {
      const turn = watch.turn(state)
      const busyIn = (all: Iterable<{ readonly identity: string }>, identity: string) =>
        [...all].filter((one) => one.identity === identity).length
      const busy = (identity: string) => [...busyWith.values()].reduce((sum, all) => sum + busyIn(all, identity), 0)
      const groups: ReadonlyArray<Array<{ readonly member: Send; readonly key: number }>> = [[], [], [], []]
      for (const member of members) {
        const to = declared(policy, member.target, member.set)
        const { identity } = to
        const key = {
          "round-robin": () => 0,
          // All that is under way is of this call and its copies, so tokens are as many as attempts.
          "least-busy": () => busy(identity),
          latency: () => watch.score(identity, timeline.now, busy(identity)),
          cost: () => expected(policy, to, facts, prices) ?? Number.MAX_VALUE
        }[by]()
        const met = busyIn(underway, identity) > 0 || tried.some((one) => one.failure !== undefined && one.identity === identity)
        const isOut = !to.accounts.some((account) => mayTry(breakers, account, timeline.now))
        const group = ruledOut(policy, to, facts, prices) !== undefined ? 3 : isOut ? 2 : met ? 1 : 0
        groups[group]!.push({ member, key })
      }
      const sorted = groups.map((group) => {
        const start = by === "round-robin" || by === "least-busy" ? turn % Math.max(1, group.length) : 0
        const turned = [...group.slice(start), ...group.slice(0, start)]
        return turned.sort((a, b) => a.key - b.key).map(({ member }) => member)
      })
      const best = sorted.find((group) => group.length > 0)!
      if (by === "latency" && best.length > 1) {
        const [better] = best.splice(Math.min(...drawn(best.length, turn)), 1)
        best.unshift(better!)
      }
      return sorted.flat()
    }

    /** Whether a failover goes on after a failure: of a request that was too long it is said in `tooLongFor` where. */
    const movesOn = ({ failure, to }: Extract<Result, { readonly _tag: "Failed" }>, on?: ReadonlyArray<FailureClass>): boolean =>
      (on ?? usual).includes(failure) || (on === undefined && failure === "context-length" && windowOfModel(to) !== undefined)

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

    /** The wait after the n-th try, in whole milliseconds: anything up to what is doubled each time, and never less than is wanted. */
    const waitAfter = (n: number, { first, longest }: { readonly first: string; readonly longest: string }, wanted: number): number => {
      let most = millisOf(first)
      for (let i = 1; i < n; i++) most *= 2
      const luck = murmur3Bytes(utf8.encode(id), n) / 2 ** 32
      return Math.ceil(Math.max(wanted, Math.min(most, millisOf(longest)) * luck))
    }

    /** The deployments that this call may be sent to by a strategy. */
    const withinReach = (strategy: Strategy): ReadonlyArray<Deployment> => {
      const sends = (of: ReadonlyArray<Strategy>): ReadonlyArray<Deployment> => of.flatMap(withinReach)
      switch (strategy._tag) {
        case "Send": {
          const to = declared(policy, strategy.target, strategy.set)
          return ruledOut(policy, to, facts, prices) === undefined ? [to] : []
        }
        case "Asked":
          return decided.asked?._tag === "Found" ? [decided.asked.deployment] : []
        case "Deny":
          return []
        case "First":
        case "Spread":
          return sends(strategy.of)
        case "Pool":
          return sends(policy.pools[strategy.pool]!.of)
        case "Split":
          return withinReach(armOf(strategy, facts).to)
        case "When":
          return withinReach(holds(strategy.if, facts) ? strategy.then : strategy.otherwise)
        case "Hedge":
          return sends([strategy.of, strategy.with])
        case "Escalate":
          return sends([strategy.of, strategy.to])
        case "Shadow":
        case "Within":
        case "Retry":
          return withinReach(strategy.of)
      }
    }

    /** How long must be waited after a failure because its provider says so: not where something else of what is tried again may be tried sooner. */
    const wanted = (of: Strategy, { error, failure, to }: Extract<Result, { readonly _tag: "Failed" }>): number => {
      const others = withinReach(of).filter(({ identity }) => identity !== to.identity)
      const own = Math.max(freeIn(to), ofCredential.has(failure) ? 0 : (error.retryAfterMillis ?? 0))
      return Math.min(own, ...others.map(freeIn))
    }

    /** Whether an attempt would be made now, if what is under way came to nothing. */
    const isOpen = (to: Deployment, lane: Lane): boolean => {
      if (timeline.now >= lane.commitBy || (lane.roomierThan > 0 && (windowOfModel(to) ?? 0) <= lane.roomierThan)) return false
      const out = to.accounts.map((account) => ({ account, forMillis: keptOut(account)?.forMillis }))
      const [soonest] = out.sort((a, b) => (a.forMillis ?? -1) - (b.forMillis ?? -1))
      // Where an attempt of this very call is what finds out whether it works, that is known soon.
      const tests = ({ credential, identity }: Account): boolean =>
        [...underway].some(({ account }) => account.identity === identity || account.credential === credential)
      const isShut = soonest!.forMillis !== undefined && (soonest!.forMillis > 0 || !tests(soonest!.account))
      if (begun >= effort.attempts || isShut) return false
      if (!isBounded) return true
      const most = bound(policy, to, facts, prices)
      if (typeof most !== "number" || tried.reduce((all, one) => all + (one.nanoDollars ?? 0), 0) + most > dollars) return false
      const held = [...underway].reduce((all, one) => all + one.most, 0)
      return accounts.short(purses, world.time + (timeline.now - world.now), most - held) === undefined
    }

    /** Whether a strategy can come to more than rejections, as far as rules say, or whatever keeps a deployment from being `open`. */
    const leadsOn = (strategy: Strategy, open: (to: Deployment) => boolean = () => true): boolean => {
      switch (strategy._tag) {
        case "Deny":
          return true
        case "Send":
        case "Asked":
        case "Spread":
        case "Pool":
          return withinReach(strategy).some(open)
        case "First":
          return strategy.of.some((one) => leadsOn(one, open))
        case "Split":
          return leadsOn(armOf(strategy, facts).to, open)
        case "When":
          return leadsOn(holds(strategy.if, facts) ? strategy.then : strategy.otherwise, open)
        case "Hedge":
          return leadsOn(strategy.of, open) || leadsOn(strategy.with, open)
        case "Escalate":
          return leadsOn(strategy.of, open) || leadsOn(strategy.to, open)
        case "Shadow":
        case "Within":
        case "Retry":
          return leadsOn(strategy.of, open)
      }
    }

    function* retry({ attempts, backoff, of, on = retried }: Extract<Strategy, { readonly _tag: "Retry" }>, lane: Lane): Process<Result> {
      let last: Result | undefined
      // A request that was too long for a deployment is too long the next time.
      const again = (): Lane => ({
        ...lane,
        why: "retry",
        roomierThan: Math.max(lane.roomierThan, on.includes("context-length") ? 0 : tooLongFor())
      })
      for (let n = 1; ; n++) {
        const result: Result = yield* go(of, n === 1 ? lane : again())
        if (result._tag === "Rejected") return last ?? result
        if (result._tag !== "Failed" || result.committed || !on.includes(result.failure) || n === attempts) return result
        last = result
        const least = wanted(of, result)
        const wait = waitAfter(n, backoff, least)
        // What cannot come to anything is not waited for.
        if (least > millisOf(backoff.longest) || timeline.now + wait >= lane.commitBy || begun >= effort.attempts) return result
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
        const why = side === 0 ? lane.why : "hedge"
        sides[side] = timeline.begin(go(strategy, { ...lane, why, races: [...lane.races, [race, side]] }))
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
          let here = lane
          for (const part of strategy.of) {
            const result: Result = yield* go(part, here)
            here = { ...lane, why: "failover", roomierThan: Math.max(lane.roomierThan, strategy.on === undefined ? tooLongFor() : 0) }
            if (result._tag === "Rejected") {
              last ??= result
              continue
            }
            if (result._tag !== "Failed") return result
            last = result
            if (result.committed || !movesOn(result, strategy.on)) return result
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
        case "Shadow":
          // A copy is a call of its own, and nothing to this one.
          if (isCopy || !isDrawn(strategy)) return yield* go(strategy.of, lane)
          if (!shadows.includes(strategy)) shadows.push(strategy)
          return yield* go(strategy.of, { ...lane, isCopied: true })
        case "Escalate": {
          const beyond = (): Lane => ({ ...lane, roomierThan: Math.max(lane.roomierThan, tooLongFor()) })
          const isMended = (): boolean => leadsOn(strategy.to, (to) => isOpen(to, beyond()))
          const result = yield* go(strategy.of, {
            ...lane,
            unsuitable: leadsOn(strategy.to) ? [...lane.unsuitable, { rule: strategy.if, isMended }] : lane.unsuitable
          })
          if (result._tag === "Failed" && result.failure === "escalated") return yield* go(strategy.to, { ...beyond(), why: "escalation" })
          const ends = result._tag === "Failed" ? result.committed || !movesOn(result) : result._tag !== "Rejected"
          if (ends) return result
          // Otherwise it is `first`.
          const next = yield* go(strategy.to, { ...beyond(), why: "failover" })
          return next._tag === "Rejected" ? result : next
        }
        case "Within":
          return yield* go(strategy.of, { ...lane, commitBy: Math.min(lane.commitBy, timeline.now + millisOf(strategy.duration)) })
        case "Retry":
          return yield* retry(strategy, lane)
      }
    }

    function* whole(): Process<Result> {
      if (decided.threw) return { _tag: "Denied", error: { status: 403, code: "condition_failed" } }
      const commitBy = effort.time === "none" ? Infinity : began + millisOf(effort.time)
      const fresh: Lane = { commitBy, races: [], why: "first", roomierThan: 0, unsuitable: [], isCopied: false }
      const result = yield* go(strategy, fresh)
      // What a rule forbids is no candidate. If breakers alone have rejected every candidate, the first is probed rather than nothing tried.
      const candidates = refused.filter(({ by }) => !["grant", "guard", "capability", "unknown-model", "ambiguous-model"].includes(by))
      if (isCopy || result._tag !== "Rejected" || begun > 0) return result
      if (candidates.length === 0 || candidates.some(({ by }) => by !== "breaker")) return result
      // Whoever has asked to be left alone is.
      const candidate = candidates.find(({ asked }) => asked !== true)?.candidate
      if (candidate === undefined) return result
      const [to, account, deadline] = candidate
      const probed = yield* run(to, account, { ...fresh, commitBy: deadline, why: "probe" })
      return probed._tag === "Rejected" ? result : probed
    }

    const result = yield* whole()
    const endedAt = timeline.now
    // A call that was refused has cost nothing, and no more shall its copies.
    if (begun > 0) beginCopies()
    tried.sort((a, b) => a.number - b.number)
    const answered = result._tag === "Served" || (result._tag === "Failed" && result.committed)
    // Whatever was stopped is no reason for anything.
    const cause = tried.find(({ failure }) => failure !== undefined && !isStopped(failure))
    const error =
      result._tag === "Served" ? undefined : answered || result._tag === "Denied" ? result.error : (cause?.error ?? result.error)
    return {
      id,
      tried,
      refused: refused.map(({ by, error, target }) => ({ by, target, error })),
      ending: error === undefined ? "served" : begun > 0 ? "failed" : "refused",
      status: answered ? 200 : error!.status,
      error,
      served: result._tag === "Served" || (result._tag === "Failed" && answered) ? result.target : undefined,
      begun: begunAtAnswer ?? begun,
      endedAt
    }
  }

  const own = timeline.run(carry(String(facts["request.id"] ?? "call-1"), world.now, route.to, false))
  timeline.finish()
  return { ...own, decided, copies: copies.toSorted((a, b) => (a.id < b.id ? -1 : 1)) }
}
