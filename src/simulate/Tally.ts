/**
 * What a simulation saw, counted as it happens: one record at the end of each call, for its route, arms, class and targets.
 *
 * Nothing is kept of a single call, so memory does not grow with traffic. Latencies go into histograms (`Histogram.ts`), money is summed in integers.
 */
import type { Compiled, CompiledRoute, Plan } from "../Compile.ts"
import type { Attempted } from "../Call.ts"
import type { Failure } from "../Failure.ts"
import type { Verdict } from "../Health.ts"
import type { CallRecord } from "../Recorder.ts"
import type { Account, Target } from "../Target.ts"
import { Histogram } from "./Histogram.ts"

/** Counts by name, in the order of first appearance; reports sort them. */
export type Counts = Map<string, number>

const bump = (counts: Counts, name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1)

const micros = (millis: number): number => Math.round(millis * 1_000)

/** What a group of calls saw: all of them, those of a route, an arm, or a class. */
export class Calls {
  calls = 0
  served = 0
  failed = 0
  refused = 0
  cancelled = 0
  /** Calls that were served although an attempt had failed or a candidate was rejected before. */
  failovers = 0
  attempts = 0
  inputTokens = 0
  outputTokens = 0
  nanoDollars = 0
  /** Attempts of which nobody knows what they cost. */
  unpriced = 0
  readonly refusedBy: Counts = new Map()
  readonly failedBy: Counts = new Map()
  /** From the beginning of a served call to its first token, where it streams. */
  readonly firstToken = new Histogram()
  /** From the beginning of a served call to its end. */
  readonly whole = new Histogram()

  add(record: CallRecord, sum: Sum): void {
    this.calls++
    this[record.ending]++
    if (record.ending === "refused") bump(this.refusedBy, record.error!.code)
    else if (record.ending === "failed") bump(this.failedBy, record.error!.code)
    this.attempts += sum.attempts
    this.inputTokens += sum.inputTokens
    this.outputTokens += sum.outputTokens
    this.nanoDollars += sum.nanoDollars
    this.unpriced += sum.unpriced
    if (record.ending !== "served") return
    if (sum.movedOn) this.failovers++
    this.whole.add(sum.whole)
    if (sum.firstToken !== undefined) this.firstToken.add(sum.firstToken)
  }
}

/** One call's own numbers, added up once for all its groups. */
interface Sum {
  attempts: number
  inputTokens: number
  outputTokens: number
  nanoDollars: number
  unpriced: number
  movedOn: boolean
  whole: number
  firstToken: number | undefined
}

/** What came of one credential of a target. */
export class Credential {
  attempts = 0
  served = 0
  /** How often its provider has said that it is worth nothing any more. */
  ended = 0

  add(failure: Failure | undefined): void {
    this.attempts++
    if (failure === undefined) this.served++
    else if (failure.endsCredential === true) this.ended++
  }
}

/** What a target saw: attempts, and what kept them away. */
export class Attempts {
  attempts = 0
  served = 0
  probes = 0
  /** Attempts that have waited for a place. */
  queued = 0
  /** The part of the attempts that copies of calls have made, and what they cost. */
  copies = 0
  copiesNanoDollars = 0
  /** How often it was not tried because its provider had asked to be left alone. */
  paused = 0
  /** How often its breaker opened. */
  opened = 0
  inputTokens = 0
  outputTokens = 0
  nanoDollars = 0
  /** The part of it that was charged without usage: the reservation. */
  estimatedNanoDollars = 0
  unpriced = 0
  readonly failedBy: Counts = new Map()
  /** Why it was tried. */
  readonly why: Counts = new Map()
  /** By the variables of their keys; of a target with several alone. */
  readonly credentials = new Map<string, Credential>()
  /** Why it was not tried. */
  readonly rejectedBy: Counts = new Map()
  /** From the beginning of a served attempt to its first token, where it streams. */
  readonly firstToken = new Histogram()
  readonly whole = new Histogram()

  add(attempted: Attempted, isCopy: boolean): void {
    const { account, endedMillis, estimated, failure, firstTokenMillis, nanoDollars, queuedMillis, startedMillis, usage, why } = attempted
    this.attempts++
    bump(this.why, why)
    if (why === "probe") this.probes++
    if (queuedMillis > 0) this.queued++
    if (isCopy) {
      this.copies++
      this.copiesNanoDollars += nanoDollars ?? 0
    }
    if (attempted.target.accounts.length > 1) this.#credentialOf(account).add(failure)
    if (usage !== undefined) {
      this.inputTokens += usage.inputTokens
      this.outputTokens += usage.outputTokens
    }
    if (nanoDollars === undefined) this.unpriced++
    else {
      this.nanoDollars += nanoDollars
      if (estimated) this.estimatedNanoDollars += nanoDollars
    }
    if (failure !== undefined) return bump(this.failedBy, failure.class)
    this.served++
    this.whole.add(micros(endedMillis - startedMillis))
    if (firstTokenMillis !== undefined) this.firstToken.add(micros(firstTokenMillis - startedMillis))
  }

  #credentialOf({ name = "without a key" }: Account): Credential {
    let found = this.credentials.get(name)
    if (found === undefined) this.credentials.set(name, (found = new Credential()))
    return found
  }
}

/** A split's arm, with the calls that were assigned to it, whoever answered them in the end. */
export interface Arm {
  readonly route: string
  readonly arm: string
  readonly seen: Calls
}

interface RouteTally {
  readonly seen: Calls
  /** By slot and value; undefined where the slot is no split's. */
  readonly slots: ReadonlyArray<ReadonlyArray<Calls> | undefined>
}

/** The splits of a plan, in the author's order. */
const splitsOf = (plan: Plan): ReadonlyArray<Plan & { readonly _tag: "Split" }> => {
  switch (plan._tag) {
    case "Split":
      return [plan, ...plan.arms.flatMap((arm) => splitsOf(arm.plan))]
    case "First":
      return plan.of.flatMap(splitsOf)
    case "When":
      return [...splitsOf(plan.then), ...splitsOf(plan.otherwise)]
    case "Shadow":
    case "Within":
      return splitsOf(plan.of)
    default:
      return []
  }
}

export class Tally {
  readonly total = new Calls()
  /** Copies of calls, which are none of the callers' calls; their attempts are among those of targets. */
  readonly copies = new Calls()
  readonly arms: ReadonlyArray<Arm>
  readonly classes = new Map<string, Calls>()
  /** By name; targets that the policy declares come first, in its order. */
  readonly targets = new Map<string, Attempts>()
  readonly #routes: ReadonlyArray<RouteTally>
  readonly #compiled: Compiled
  readonly #names = new Map<string, Array<string>>()
  readonly #sum: Sum = {
    attempts: 0,
    inputTokens: 0,
    outputTokens: 0,
    nanoDollars: 0,
    unpriced: 0,
    movedOn: false,
    whole: 0,
    firstToken: undefined
  }
  /** A failure inside the pipeline itself. */
  broken: CallRecord | undefined

  constructor(compiled: Compiled) {
    this.#compiled = compiled
    const arms: Array<Arm> = []
    this.#routes = compiled.routes.map((route) => this.#routeOf(route, arms))
    this.arms = arms
    for (const target of compiled.targets.values()) this.#targetOf(target)
    for (const name of Object.keys(compiled.policy.classes)) this.classes.set(name, new Calls())
  }

  get routes(): ReadonlyArray<{ readonly route: string; readonly seen: Calls }> {
    return this.#routes.map(({ seen }, i) => ({ route: this.#compiled.routes[i]!.name, seen }))
  }

  #routeOf({ name, plan, slots }: CompiledRoute, arms: Array<Arm>): RouteTally {
    const bySlot: Array<ReadonlyArray<Calls> | undefined> = Array.from({ length: slots })
    const splits = splitsOf(plan)
    splits.forEach((split, i) => {
      bySlot[split.slot] = split.arms.map((arm) => {
        const seen = new Calls()
        arms.push({ route: name, arm: splits.length === 1 ? arm.name : `${i + 1}.${arm.name}`, seen })
        return seen
      })
    })
    return { seen: new Calls(), slots: bySlot }
  }

  #targetOf(target: Target): Attempts {
    let found = this.targets.get(target.name)
    if (found === undefined) {
      this.targets.set(target.name, (found = new Attempts()))
      for (const { identity } of target.accounts) {
        const names = this.#names.get(identity)
        if (names === undefined) this.#names.set(identity, [target.name])
        else names.push(target.name)
      }
    }
    return found
  }

  /** Counts one call, or one copy of a call. */
  record(record: CallRecord): void {
    const { call, ending } = record
    const sum = this.#sum
    sum.attempts = sum.inputTokens = sum.outputTokens = sum.nanoDollars = sum.unpriced = 0
    sum.movedOn = false
    sum.firstToken = undefined
    sum.whole = micros(record.durationMillis)
    if (record.error?.code === "internal_error") this.broken ??= record
    if (call === undefined) {
      this.total.add(record, sum)
      return
    }
    const isCopy = call.shadowOf !== undefined
    for (const attempted of call.attempts) {
      this.#targetOf(attempted.target).add(attempted, isCopy)
      sum.attempts++
      if (attempted.usage !== undefined) {
        sum.inputTokens += attempted.usage.inputTokens
        sum.outputTokens += attempted.usage.outputTokens
      }
      if (attempted.nanoDollars === undefined) sum.unpriced++
      else sum.nanoDollars += attempted.nanoDollars
      if (attempted.failure === undefined && attempted.firstTokenMillis !== undefined) sum.firstToken = micros(attempted.firstTokenMillis)
    }
    for (const { asked, by, target } of call.rejections) {
      const found = this.targets.get(target)
      if (found === undefined) continue
      bump(found.rejectedBy, by)
      if (asked === true) found.paused++
    }
    sum.movedOn = ending === "served" && (sum.attempts > 1 || call.rejections.length > 0)
    if (isCopy) {
      this.copies.add(record, sum)
      return
    }
    this.total.add(record, sum)
    let seen = this.classes.get(call.caller.class)
    if (seen === undefined) this.classes.set(call.caller.class, (seen = new Calls()))
    seen.add(record, sum)
    const route = this.#routes[call.decision.route]!
    route.seen.add(record, sum)
    const { slots } = call.decision
    for (let i = 0; i < slots.length; i++) {
      const value = slots[i]!
      if (value !== -1) route.slots[i]?.[value]!.add(record, sum)
    }
  }

  /** Notes that the breaker of a deployment has opened. */
  opened(identity: string): void {
    for (const name of this.#names.get(identity) ?? []) this.targets.get(name)!.opened++
  }
}

/** Whether a report to health has opened a breaker: it was closed, or half open, and is open now. */
export const hasOpened = (verdict: Verdict, before: number, after: number): boolean => verdict === "bad" && before <= 0 && after > 0
