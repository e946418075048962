/**
 * Which deployments are worth trying: a circuit breaker for each deployment under a credential and for each credential (`health/breakers.ts`), and what first tokens take, how
 * many attempts fail and how much is under way (`health/gauges.ts`); fed by attempts, and read as synchronous views at the start of each.
 *
 * State is kept under the content of a target, so that it survives a reload of the policy. Both tables are bounded. No number that it is told can spoil it: what is no time is no
 * measurement, what is no pause pauses nothing.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import type { TargetHealth } from "./Facts.ts"
import type { FailureClass } from "./Failure.ts"
import { Breakers, ordinary, type Shut, type Ticket, type Verdict } from "./health/breakers.ts"
import { end, type Gauge, Gauges, measure, usualTokens, waited } from "./health/gauges.ts"

export { type Gauge, ordinary, type Shut, type Ticket, type Verdict }

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
  cancelled: "neutral",
  escalated: "good"
}

export const verdictOf = (failure: FailureClass | undefined): Verdict => (failure === undefined ? "good" : verdicts[failure])

export interface HealthOptions {
  /** Consecutive failures that open a circuit; 5. */
  readonly failures?: number
  /** Over how long failures are counted beside: from a half to the whole of it; 30 seconds. */
  readonly window?: Duration.Input
  /** Of no fewer attempts in it; 20, or `failures` where that is more. */
  readonly windowAttempts?: number
  /** The share that opens the circuit; 0.5. */
  readonly windowShare?: number
  /** How long it is open at first, 10 seconds, and at most, which bounds what a provider asks for too; 5 minutes. */
  readonly coolDown?: Duration.Input
  readonly maxCoolDown?: Duration.Input
  /** The same for a credential that its provider has ended; 1 minute, and 15. */
  readonly deadCoolDown?: Duration.Input
  readonly maxDeadCoolDown?: Duration.Input
}

/** A target as far as health looks: the deployment that its latency is kept by, and what its breakers are. */
export interface Reached {
  readonly identity: string
  readonly accounts: ReadonlyArray<{ readonly identity: string; readonly credential: string }>
}

/** No circuit is open for longer than this, whatever is set. */
const longestMillis = 86_400_000

const spanOf = (input: Duration.Input | undefined, usual: Duration.Input): number =>
  Math.min(longestMillis, Math.max(1, Duration.toMillis(input ?? usual)))

export class Health extends Context.Service<
  Health,
  {
    /** What `identity` may be tried with at `now` (monotonic milliseconds); undefined where it is kept out. In half-open state it is the probe's place. Must be reported on. */
    readonly admits: (identity: string, now: number) => Ticket | undefined
    /** What `identity` is tried with where nothing else is left, whatever its circuit says; as its probe where there is none. Must be reported on. */
    readonly force: (identity: string, now: number) => Ticket
    /** What an admitted (or forced) attempt came to. */
    readonly report: (identity: string, verdict: Verdict, now: number, ticket?: Ticket) => void
    /** The provider has asked to leave `identity` alone for so long. */
    readonly pause: (identity: string, millis: number, now: number) => void
    /** Nothing more will come of `identity`, as its provider says: it opens at once, and is probed much later. */
    readonly condemn: (identity: string, now: number, ticket?: Ticket) => void
    /** Why `identity` would not be admitted at `now`; undefined where it would. Takes no place. */
    readonly shut: (identity: string, now: number) => Shut | undefined
    /** An attempt of so many tokens on a deployment has begun: its gauge, which must be told of the end, with as many. */
    readonly begin: (identity: string, tokens?: number) => Gauge
    readonly end: (gauge: Gauge, tokens?: number, verdict?: Verdict, now?: number) => void
    /** The first token of an attempt took so long. */
    readonly measure: (gauge: Gauge, millis: number, now: number) => void
    /** An attempt was given up after so long without a token. */
    readonly waited: (gauge: Gauge, millis: number, now: number) => void
    /** How many attempts are under way on a deployment. */
    readonly busy: (identity: string) => number
    /** How many tokens they come to. */
    readonly load: (identity: string) => number
    /** What a first token may be expected to take if an attempt of so many tokens begins now, weighed by what is under way and by what fails: less is better. -1 for what should be measured, infinite for what is being. */
    readonly score: (identity: string, tokens: number, now: number) => number
    /** Whether a call would be let through to `target` with any of its credentials. Takes no probe's place. */
    readonly isUp: (target: Reached, now: number) => boolean
    /** How `target` stands at `now`: whether it is up, and what its first tokens take. */
    readonly view: (target: Reached, now: number) => ReturnType<TargetHealth>
    /** The identities whose circuit is not closed. */
    readonly open: (now: number) => ReadonlyArray<{ readonly identity: string; readonly forMillis: number }>
  }
>()("turnout/Health") {
  static readonly layer = (options: HealthOptions = {}) =>
    Layer.sync(Health, () => {
      const breakers = new Breakers({
        failures: options.failures ?? 5,
        window: spanOf(options.window, "30 seconds"),
        windowAttempts: options.windowAttempts ?? Math.max(20, options.failures ?? 0),
        windowShare: options.windowShare ?? 0.5,
        coolDown: spanOf(options.coolDown, "10 seconds"),
        maxCoolDown: spanOf(options.maxCoolDown, "5 minutes"),
        deadCoolDown: spanOf(options.deadCoolDown, "1 minute"),
        maxDeadCoolDown: spanOf(options.maxDeadCoolDown, "15 minutes")
      })
      const gauges = new Gauges()
      const isUp = ({ accounts }: Reached, now: number): boolean => {
        for (const { credential, identity } of accounts) if (breakers.lets(identity, now) && breakers.lets(credential, now)) return true
        return false
      }
      return Health.of({
        admits: (identity, now) => breakers.admits(identity, now),
        force: (identity, now) => breakers.force(identity, now),
        report: (identity, verdict, now, ticket = ordinary) => breakers.report(identity, verdict, now, ticket),
        pause: (identity, millis, now) => breakers.pause(identity, millis, now),
        condemn: (identity, now, ticket = ordinary) => breakers.condemn(identity, now, ticket),
        shut: (identity, now) => breakers.shut(identity, now),
        begin: (identity, tokens = usualTokens) => gauges.begin(identity, tokens),
        end: (gauge, tokens = usualTokens, verdict = "neutral", now = 0) => end(gauge, tokens, verdict, now),
        measure,
        waited,
        busy: (identity) => gauges.busy(identity),
        load: (identity) => gauges.load(identity),
        score: (identity, tokens, now) => gauges.score(identity, tokens, now),
        isUp,
        view: (target, now) => ({ up: isUp(target, now), latencyMillis: gauges.latency(target.identity, now) }),
        open: (now) => breakers.open(now)
      })
    })
}
