/**
 * Which deployments are worth trying: one circuit breaker per target, what its first tokens take, and how busy it is; fed by attempts, and read as synchronous views
 * at the start of each.
 *
 * Closed: calls run. After `failures` consecutive failures that speak against the deployment (not against the request) it opens for `coolDown`, doubled each time
 * up to `maxCoolDown`. Half-open: when the cool-down has passed, one call is the probe; others are rejected until it reports. A success closes.
 *
 * Effect's `CircuitBreaker` has the same states behind an effectful store; here the view must be readable without a fibre, and a target's state is kept
 * under its content, so that it survives a reload of the policy. Only troubled deployments, and those that have been tried, take memory, each kind up to a limit.
 *
 * The estimate of the time to the first token is an average in which what was measured before weighs at most four fifths, and half as much with every thirty seconds that
 * have passed since: `sample + (before − sample) × min(0.8, 2^(−age / 30 s))`. An answer that comes whole counts to its end. An attempt that was given up before its first token
 * (by its deadline, its hedge or its caller) says only that it takes longer: it raises the estimate, and never lowers it. While no attempt is under way the estimate fades, by half
 * every thirty seconds, so that what was slow once looks quick in the end and is tried again; the attempt that finds out holds it where it was, so that not every call goes to see.
 * It is the decay of Finagle's peak EWMA without the jump to the peak: times to a first token vary with the prompt, and one long prompt says little of the next.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import type { TargetHealth } from "./Facts.ts"
import type { FailureClass } from "./Failure.ts"

/** What an attempt says of its deployment: served, failed by its fault, or nothing. */
export type Verdict = "good" | "bad" | "neutral"

const verdicts: Record<FailureClass, Verdict> = {
  "rate-limited": "bad",
  "quota-exhausted": "bad",
  overloaded: "bad",
  "server-error": "bad",
  timeout: "bad",
  connection: "bad",
  "stream-cut": "bad",
  malformed: "bad",
  auth: "bad",
  "context-length": "neutral",
  "content-filter": "neutral",
  "bad-request": "neutral",
  cancelled: "neutral"
}

export const verdictOf = (failure: FailureClass | undefined): Verdict => (failure === undefined ? "good" : verdicts[failure])

interface Circuit {
  consecutive: number
  /** How often it has opened without a success in between. */
  trips: number
  /** Monotonic milliseconds; 0 while closed. */
  openUntil: number
  probing: boolean
}

export interface HealthOptions {
  /** Consecutive failures that open the circuit. */
  readonly failures?: number
  readonly coolDown?: Duration.Input
  readonly maxCoolDown?: Duration.Input
}

/** What attempts on a deployment have shown; opaque to whoever makes them. */
export interface Gauge {
  /** Attempts under way. */
  busy: number
  /** The estimate when it was last measured; undefined where it never was. */
  millis: number | undefined
  /** Only given up so far: the estimate is a lower bound, and gives way to the first measurement. */
  atLeast: boolean
  /** Monotonic milliseconds. */
  measuredAt: number
}

/** Deployments named by callers (open models) could grow the tables: the oldest goes first. */
const maxDeployments = 10_000

const halfLifeMillis = 30_000
/** What was measured before weighs no more than this. */
const mostWeight = 0.8

const faded = (ageMillis: number): number => (ageMillis <= 0 ? 1 : 2 ** (-ageMillis / halfLifeMillis))
/** The age at which what was measured begins to weigh less. */
const freshMillis = -Math.log2(mostWeight) * halfLifeMillis

export class Health extends Context.Service<
  Health,
  {
    /** Whether `identity` may be tried at `now` (monotonic milliseconds). A true in half-open state takes the probe's place, and must be reported on. */
    readonly admits: (identity: string, now: number) => boolean
    /** What an admitted (or forced) attempt came to. */
    readonly report: (identity: string, verdict: Verdict, now: number) => void
    /** An attempt on `identity` has begun: its gauge, which must be told of the end. */
    readonly begin: (identity: string) => Gauge
    readonly end: (gauge: Gauge) => void
    /** The first token of an attempt took so long. */
    readonly measure: (gauge: Gauge, millis: number, now: number) => void
    /** An attempt was given up after so long without a token. */
    readonly waited: (gauge: Gauge, millis: number, now: number) => void
    /** How many attempts are under way on `identity`. */
    readonly busy: (identity: string) => number
    /** How `identity` stands at `now`: whether a call would be let through (without taking the probe's place), and what its first tokens take. */
    readonly view: (identity: string, now: number) => ReturnType<TargetHealth>
    /** The deployments whose circuit is not closed. */
    readonly open: (now: number) => ReadonlyArray<{ readonly identity: string; readonly forMillis: number }>
  }
>()("turnout/Health") {
  static readonly layer = (options: HealthOptions = {}) =>
    Layer.sync(Health, () => {
      const failures = options.failures ?? 5
      const coolDown = Duration.toMillis(options.coolDown ?? "10 seconds")
      const maxCoolDown = Duration.toMillis(options.maxCoolDown ?? "5 minutes")
      const circuits = new Map<string, Circuit>()
      const gauges = new Map<string, Gauge>()
      const addGauge = (identity: string): Gauge => {
        if (gauges.size >= maxDeployments) for (const [idle, { busy }] of gauges) if (busy === 0 && gauges.delete(idle)) break
        const gauge: Gauge = { busy: 0, millis: undefined, atLeast: false, measuredAt: 0 }
        gauges.set(identity, gauge)
        return gauge
      }
      return Health.of({
        admits: (identity, now) => {
          const circuit = circuits.get(identity)
          if (circuit === undefined || circuit.openUntil === 0) return true
          if (now < circuit.openUntil || circuit.probing) return false
          circuit.probing = true
          return true
        },
        report: (identity, verdict, now) => {
          const circuit = circuits.get(identity)
          if (verdict === "good") {
            if (circuit !== undefined) circuits.delete(identity)
            return
          }
          if (verdict === "neutral") {
            if (circuit !== undefined) circuit.probing = false
            return
          }
          if (circuit === undefined) {
            if (circuits.size >= maxDeployments) circuits.delete(circuits.keys().next().value!)
            circuits.set(identity, {
              consecutive: 1,
              trips: failures <= 1 ? 1 : 0,
              openUntil: failures <= 1 ? now + coolDown : 0,
              probing: false
            })
            return
          }
          circuit.consecutive++
          const wasOpen = circuit.openUntil !== 0
          // Calls admitted before the trip may still fail while it is open; only a probe's failure, or one after the cool-down, opens it again.
          if (wasOpen ? circuit.probing || now >= circuit.openUntil : circuit.consecutive >= failures) {
            circuit.openUntil = now + Math.min(maxCoolDown, coolDown * 2 ** Math.min(circuit.trips, 20))
            circuit.trips++
          }
          circuit.probing = false
        },
        begin: (identity) => {
          const gauge = gauges.get(identity) ?? addGauge(identity)
          gauge.busy++
          return gauge
        },
        end: (gauge) => {
          gauge.busy--
        },
        measure: (gauge, millis, now) => {
          const before = gauge.millis === undefined || gauge.atLeast ? millis : gauge.millis
          const age = now - gauge.measuredAt
          gauge.millis = millis + (before - millis) * (age < freshMillis ? mostWeight : faded(age))
          gauge.atLeast = false
          gauge.measuredAt = now
        },
        waited: (gauge, millis, now) => {
          if (gauge.millis !== undefined && gauge.millis >= millis) return
          gauge.atLeast ||= gauge.millis === undefined
          gauge.millis = millis
          gauge.measuredAt = now
        },
        busy: (identity) => gauges.get(identity)?.busy ?? 0,
        view: (identity, now) => {
          const circuit = circuits.get(identity)
          const up = circuit === undefined || (now >= circuit.openUntil && !circuit.probing)
          const gauge = gauges.get(identity)
          if (gauge?.millis === undefined) return { up, latencyMillis: null }
          return { up, latencyMillis: gauge.busy > 0 ? gauge.millis : gauge.millis * faded(now - gauge.measuredAt) }
        },
        open: (now) =>
          [...circuits]
            .filter(([, circuit]) => circuit.openUntil !== 0)
            .map(([identity, circuit]) => ({ identity, forMillis: Math.max(0, circuit.openUntil - now) }))
      })
    })
}
