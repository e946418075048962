/**
 * What a simulation saw, as data: what `--json` prints, and what the table is made from (`Table.ts`).
 *
 * Every number stands under `measured` or `modelled`. Measured is what the compiled policy, its ledger and its breakers did to this traffic: counts, why
 * calls were refused, and dollars by the policy's prices and rules. Modelled is what the assumed providers did: failures, tokens of answers, latencies.
 * Versioned: a field keeps its meaning for as long as `simulation` keeps its number.
 */
import type { Compiled } from "../Compile.ts"
import { budgetsOf } from "../Layers.ts"
import { type Account, type Budgets, marks } from "./Budgets.ts"
import { type Histogram, relativeError } from "./Histogram.ts"
import { assumed, assumedModel, type Behaviour, type Model } from "./Model.ts"
import type { Attempts, Calls, Counts, Tally } from "./Tally.ts"
import { showTime } from "./Time.ts"

/** A distribution of times in milliseconds, to the microsecond. */
export interface Latencies {
  readonly count: number
  readonly mean: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
}

/** How often, by name; the most frequent first. */
export type Reasons = Readonly<Record<string, number>>

/** A group of calls. */
export interface CallsSeen {
  readonly measured: {
    readonly calls: number
    readonly served: number
    readonly failed: number
    readonly refused: number
    readonly cancelled: number
    readonly refusedBy: Reasons
    readonly attempts: number
    /** Calls served after an attempt had failed or a candidate was rejected. */
    readonly failovers: number
    readonly inputTokens: number
    readonly nanoDollars: number
    /** Attempts of which nobody knows what they cost. */
    readonly unpricedAttempts: number
  }
  readonly modelled: {
    readonly failedBy: Reasons
    readonly outputTokens: number
    /** Of served calls, from their beginning; only streams have a first token. */
    readonly firstTokenMillis: Latencies
    readonly answerMillis: Latencies
  }
}

/** A target's attempts. */
export interface TargetSeen {
  readonly measured: {
    readonly attempts: number
    readonly served: number
    /** Attempts by why they were made: `first`, or `failover`, `retry`, `credential`, `hedge`, `escalation`, `probe`. */
    readonly why: Reasons
    /** By the variables of their keys, and how often each was said to be worth nothing any more; where there are several. */
    readonly credentials?: Readonly<Record<string, { readonly attempts: number; readonly served: number; readonly ended: number }>>
    /** The part of it that copies of calls have made; absent where there are none. */
    readonly copies?: { readonly attempts: number; readonly nanoDollars: number }
    /** Candidates that were not tried, by what kept them away. */
    readonly rejectedBy: Reasons
    /** The part of those that a breaker kept away because their provider had asked to be left alone. */
    readonly paused: number
    /** Attempts that have waited for a place. */
    readonly queued: number
    readonly breakerOpened: number
    readonly probes: number
    readonly inputTokens: number
    readonly nanoDollars: number
    /** The part that was charged as reserved, because usage never came. */
    readonly estimatedNanoDollars: number
    readonly unpricedAttempts: number
  }
  readonly modelled: {
    readonly failedBy: Reasons
    readonly outputTokens: number
    /** Of served attempts, from their beginning. */
    readonly firstTokenMillis: Latencies
    readonly answerMillis: Latencies
  }
}

/** One account of a budget. */
export interface BudgetSeen {
  readonly budget: string
  readonly per: "key" | "class" | "team" | "organisation"
  readonly scope: string
  /** `2026-01-05`, or `2026-01`. */
  readonly window: string
  readonly measured: {
    readonly limitNanoDollars: number
    readonly settledNanoDollars: number
    readonly settlements: number
    readonly refused: number
    readonly firstRefused: string | null
    readonly overruns: number
    /** When so many per cent of the limit were settled. */
    readonly crossed: Readonly<Record<string, string | null>>
    /** What had been settled by the end of each step, from the first in which something was. */
    readonly burnDown: { readonly from: string; readonly stepMillis: number; readonly settledNanoDollars: ReadonlyArray<number> }
  }
}

export interface Report {
  /** The version of this format. */
  readonly simulation: 1
  /** It was stopped before its end: calls in flight are missing. */
  readonly partial: boolean
  readonly policy: { readonly name: string; readonly hash: string }
  readonly seed: number
  readonly start: string
  readonly virtualMillis: number
  readonly traffic: { readonly format: "jsonl" | "csv"; readonly calls: number; readonly inFlight: number }
  readonly labels: { readonly measured: string; readonly modelled: string; readonly latencies: string }
  /** What was assumed of each declared target; `default` says whether anybody said otherwise. */
  readonly model: { readonly default: boolean; readonly targets: Readonly<Record<string, Behaviour>>; readonly events: Model["events"] }
  readonly total: CallsSeen
  /** Copies of calls, made by `shadow`: not among the calls, and never seen by a caller. Absent where there are none. */
  readonly copies?: CallsSeen
  readonly routes: ReadonlyArray<{ readonly route: string } & CallsSeen>
  readonly arms: ReadonlyArray<{ readonly route: string; readonly arm: string } & CallsSeen>
  readonly classes: ReadonlyArray<{ readonly class: string } & CallsSeen>
  readonly targets: ReadonlyArray<{ readonly target: string } & TargetSeen>
  readonly budgets: ReadonlyArray<BudgetSeen>
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const reasons = (counts: Counts): Reasons => Object.fromEntries([...counts].sort(([a, n], [b, m]) => m - n || order(a, b)))

/** Microseconds as milliseconds with three digits. */
const millis = (micros: number): number => Math.round(micros) / 1_000

const latencies = (histogram: Histogram): Latencies => ({
  count: histogram.count,
  mean: millis(histogram.mean),
  p50: millis(histogram.quantile(0.5)),
  p90: millis(histogram.quantile(0.9)),
  p99: millis(histogram.quantile(0.99)),
  max: millis(histogram.max)
})

const callsSeen = (seen: Calls): CallsSeen => ({
  measured: {
    calls: seen.calls,
    served: seen.served,
    failed: seen.failed,
    refused: seen.refused,
    cancelled: seen.cancelled,
    refusedBy: reasons(seen.refusedBy),
    attempts: seen.attempts,
    failovers: seen.failovers,
    inputTokens: seen.inputTokens,
    nanoDollars: seen.nanoDollars,
    unpricedAttempts: seen.unpriced
  },
  modelled: {
    failedBy: reasons(seen.failedBy),
    outputTokens: seen.outputTokens,
    firstTokenMillis: latencies(seen.firstToken),
    answerMillis: latencies(seen.whole)
  }
})

const credentials = ({ credentials }: Attempts): NonNullable<TargetSeen["measured"]["credentials"]> =>
  Object.fromEntries(
    [...credentials].sort(([a], [b]) => order(a, b)).map(([name, { attempts, ended, served }]) => [name, { attempts, served, ended }])
  )

const targetSeen = (seen: Attempts): TargetSeen => ({
  measured: {
    attempts: seen.attempts,
    served: seen.served,
    why: reasons(seen.why),
    ...(seen.credentials.size === 0 ? {} : { credentials: credentials(seen) }),
    ...(seen.copies === 0 ? {} : { copies: { attempts: seen.copies, nanoDollars: seen.copiesNanoDollars } }),
    rejectedBy: reasons(seen.rejectedBy),
    paused: seen.paused,
    queued: seen.queued,
    breakerOpened: seen.opened,
    probes: seen.probes,
    inputTokens: seen.inputTokens,
    nanoDollars: seen.nanoDollars,
    estimatedNanoDollars: seen.estimatedNanoDollars,
    unpricedAttempts: seen.unpriced
  },
  modelled: {
    failedBy: reasons(seen.failedBy),
    outputTokens: seen.outputTokens,
    firstTokenMillis: latencies(seen.firstToken),
    answerMillis: latencies(seen.whole)
  }
})

const budgetSeen = (account: Account, stepMicros: number, startMillis: number): BudgetSeen => {
  const { binding, crossed, firstRefusedAt, overruns, refused, settledNanoDollars, settlements, steps, until } = account
  const at = (micros: number | undefined): string | null =>
    micros === undefined ? null : showTime(startMillis + Math.floor(micros / 1_000))
  const first = Math.max(
    0,
    steps.findIndex((amount) => amount > 0)
  )
  let sum = 0
  return {
    budget: binding.budget,
    per: binding.per,
    scope: binding.scope,
    window: showTime(until - 1).slice(0, binding.every === "day" ? 10 : 7),
    measured: {
      limitNanoDollars: binding.limitNanoDollars,
      settledNanoDollars,
      settlements,
      refused,
      firstRefused: at(firstRefusedAt),
      overruns,
      crossed: Object.fromEntries(marks.map((mark, i) => [`${mark * 100}%`, at(crossed[i])])),
      burnDown: {
        from: at(first * stepMicros)!,
        stepMillis: stepMicros / 1_000,
        settledNanoDollars: steps.slice(first).map((amount) => (sum += amount))
      }
    }
  }
}

export interface Seen {
  readonly compiled: Compiled
  readonly tally: Tally
  readonly budgets: Budgets | undefined
  readonly model: Model
  readonly seed: number
  readonly startMillis: number
  readonly traffic: "jsonl" | "csv"
  /** Microseconds since the start. */
  readonly at: number
  readonly begun: number
  readonly partial: boolean
}

/** Puts together what has been seen, in an order that depends on names alone. */
export const reportOf = ({ at, begun, budgets, compiled, model, partial, seed, startMillis, tally, traffic }: Seen): Report => {
  const declared = Object.keys(budgetsOf(compiled.policy))
  const accounts = [...(budgets?.accounts ?? [])].sort(
    (a, b) =>
      declared.indexOf(a.binding.budget) - declared.indexOf(b.binding.budget) ||
      order(a.binding.scope, b.binding.scope) ||
      a.until - b.until
  )
  const open = [...tally.targets].filter(([name]) => !compiled.targets.has(name)).sort(([a], [b]) => order(a, b))
  const targets = [...[...tally.targets].filter(([name]) => compiled.targets.has(name)), ...open]
  const others = [...tally.classes].filter(([name]) => !Object.hasOwn(compiled.policy.classes, name)).sort(([a], [b]) => order(a, b))
  const classes = [...[...tally.classes].filter(([name]) => Object.hasOwn(compiled.policy.classes, name)), ...others]
  return {
    simulation: 1,
    partial,
    policy: { name: compiled.policy.name, hash: compiled.hash },
    seed,
    start: showTime(startMillis),
    virtualMillis: millis(at),
    traffic: { format: traffic, calls: begun, inFlight: begun - tally.total.calls },
    labels: {
      measured: "what the compiled policy, its budgets and its breakers did to this traffic",
      modelled: "what follows from the assumed behaviour of the providers: failures, tokens of answers, latencies",
      latencies: `quantiles are within ${Math.round(relativeError * 1_000) / 10} % of the value of their rank`
    },
    model: {
      default: model === assumedModel,
      targets: Object.fromEntries(
        [...compiled.targets.keys()].map((name) => [
          name,
          { ...assumed, ...model.default, ...(Object.hasOwn(model.targets, name) ? model.targets[name] : {}) }
        ])
      ),
      events: model.events
    },
    total: callsSeen(tally.total),
    ...(tally.copies.calls === 0 ? {} : { copies: callsSeen(tally.copies) }),
    routes: tally.routes.map(({ route, seen }) => ({ route, ...callsSeen(seen) })),
    arms: tally.arms.map(({ arm, route, seen }) => ({ route, arm, ...callsSeen(seen) })),
    classes: classes.map(([name, seen]) => ({ class: name, ...callsSeen(seen) })),
    targets: targets.map(([name, seen]) => ({ target: name, ...targetSeen(seen) })),
    budgets: accounts.map((account) => budgetSeen(account, budgets!.stepMicros, startMillis))
  }
}
