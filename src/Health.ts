/**
 * Which deployments are worth trying: one circuit breaker per target, fed by outcomes and read as a synchronous view at the start of each attempt.
 *
 * Closed: calls run. After `failures` consecutive failures that speak against the deployment (not against the request) it opens for `coolDown`, doubled each time
 * up to `maxCoolDown`. Half-open: when the cool-down has passed, one call is the probe; others are rejected until it reports. A success closes.
 *
 * Effect's `CircuitBreaker` has the same states behind an effectful store; here the view must be readable without a fibre, and a target's state is kept
 * under its content, so that it survives a reload of the policy. Only troubled deployments take memory.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
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

/** Deployments named by callers (open models) could grow the table: the oldest goes first. */
const maxCircuits = 10_000

export class Health extends Context.Service<
  Health,
  {
    /** Whether `identity` may be tried at `now` (monotonic milliseconds). A true in half-open state takes the probe's place, and must be reported on. */
    readonly admits: (identity: string, now: number) => boolean
    /** What an admitted (or forced) attempt came to. */
    readonly report: (identity: string, verdict: Verdict, now: number) => void
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
            if (circuits.size >= maxCircuits) circuits.delete(circuits.keys().next().value!)
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
        open: (now) =>
          [...circuits]
            .filter(([, circuit]) => circuit.openUntil !== 0)
            .map(([identity, circuit]) => ({ identity, forMillis: Math.max(0, circuit.openUntil - now) }))
      })
    })
}
