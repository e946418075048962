/**
 * What attempts on deployments have shown beside whether they are up: what the first token takes, how many of them fail, and how much is under way.
 *
 * The **estimate** of the time to the first token is an average in which what was measured before weighs at most four fifths, and half as much with every thirty seconds that
 * have passed since: `sample + (before − sample) × min(0.8, 2^(−age / 30 s))`. An answer that comes whole counts to its end. An attempt that was given up before its first token
 * (by its deadline, its hedge or its caller) says only that it takes longer: it raises the estimate, and never lowers it. While no attempt is under way the estimate fades, by half
 * every thirty seconds, so that what was slow once looks quick in the end and is tried again; the attempt that finds out holds it where it was, so that not every call goes to see.
 * The **share that fails** is the same average of ones and zeros, and fades always: to fail quickly leaves nothing under way that could hold it.
 *
 * The **score** is what a first token may be expected to take, counting that a failed attempt has to be made again: `estimate × (1 + tokens / 2,000) / share that serves`, where the
 * tokens are those of all attempts under way and of the one to be made, at its bytes over four and a thousand for its answer. Less is better.
 *
 * It is Finagle's peak EWMA (`com.twitter.finagle.loadbalancer`, `PeakEwma`) but for two things that were measured: tokens instead of a count, and no jump to the peak. Six runs of ten minutes of
 * virtual time each, prompts lognormal about 800 tokens (σ 1.5), one member six times slower for two minutes, in half of the runs every other member slower by a half; the first token in milliseconds
 * as median / 99th percentile, and how much of the traffic the slow member got meanwhile. *Hosted*: time does not depend on what is under way, ten calls a second. *Own*: a prompt
 * waits for those before it, 0.8 calls a second and member.
 *
 * | | hosted, 2 | hosted, 6 | own, 2 | own, 6 |
 * | --- | --- | --- | --- | --- |
 * | as here | 578 / 4,494, 25 % | 547 / 2,933, 6 % | 866 / 25,245, 22 % | 709 / 14,728, 7 % |
 * | with the jump | 568 / 4,278, 20 % | 547 / 2,958, 6 % | 939 / 33,538, 24 % | 731 / 16,896, 6 % |
 * | with the jump, and a count | 562 / 4,175, 18 % | 541 / 2,644, 4 % | 1,155 / 37,710, 22 % | 849 / 38,835, 6 % |
 * | the least estimate alone, of all | 524 / 2,666, 4 % | 495 / 2,138, 1 % | 2,936 / 82,244, 26 % | 15,395 / 273,096, 11 % |
 *
 * So the load is a trade: where requests queue it saves most of the wait, and where they do not it costs a tenth of the median, up to two thirds of the 99th percentile, and sends a slow member of two a quarter of
 * the calls instead of a twenty-fifth. Queues are what nobody can see from outside, and where there are none `first` or `hedge` says more about a slow member. The jump takes one long prompt for a slow member. The least score of all members instead of the better of two was
 * somewhat better still (657 / 11,053 for six of our own): one process knows exactly what it has under way. Two are drawn because several processes do not know of each other, and all would run to one.
 */
import type { Verdict } from "./breakers.ts"

/** What attempts on a deployment have shown; opaque to whoever makes them. */
export interface Gauge {
  /** Attempts under way. */
  busy: number
  /** Their tokens. */
  tokens: number
  /** The estimate when it was last measured; undefined where it never was. */
  millis: number | undefined
  /** Only given up so far: the estimate is a lower bound, and gives way to the first measurement. */
  atLeast: boolean
  /** Monotonic milliseconds. */
  measuredAt: number
  /** The share of attempts that fail, when it was last told of one. */
  failing: number
  /** Monotonic milliseconds. */
  toldAt: number
}

/** Deployments named by callers (open models) could grow the table: the oldest that is idle goes first. */
const maxGauges = 10_000

const halfLifeMillis = 30_000
/** What was measured before weighs no more than this. */
const mostWeight = 0.8
/** What an attempt counts for where nobody says. */
export const usualTokens = 2_000
/** However many fail, it is taken to be this likely to serve: what is certain to fail is for its breaker. */
const leastShare = 0.05
/** A deployment that nothing was measured of is tried first only where no more than this has failed lately. */
const mostFailing = 0.1

const faded = (ageMillis: number): number => (ageMillis > 0 ? 2 ** (-ageMillis / halfLifeMillis) : 1)
/** The age at which what was measured begins to weigh less. */
const freshMillis = -Math.log2(mostWeight) * halfLifeMillis

const weightAt = (ageMillis: number): number => (ageMillis < freshMillis ? mostWeight : faded(ageMillis))

const isSpan = (millis: number): boolean => millis >= 0 && millis < Infinity

const tokensIn = (tokens: number): number => (tokens > 0 && tokens < Infinity ? tokens : usualTokens)

export class Gauges {
  readonly #gauges = new Map<string, Gauge>()

  begin(identity: string, tokens: number): Gauge {
    const gauge = this.#gauges.get(identity) ?? this.#add(identity)
    gauge.busy++
    gauge.tokens += tokensIn(tokens)
    return gauge
  }

  busy(identity: string): number {
    return this.#gauges.get(identity)?.busy ?? 0
  }

  load(identity: string): number {
    return this.#gauges.get(identity)?.tokens ?? 0
  }

  latency(identity: string, now: number): number | null {
    const gauge = this.#gauges.get(identity)
    return gauge?.millis === undefined ? null : estimate(gauge, gauge.millis, now)
  }

  score(identity: string, tokens: number, now: number): number {
    const gauge = this.#gauges.get(identity)
    if (gauge === undefined) return -1
    const failing = gauge.failing === 0 ? 0 : gauge.failing * faded(now - gauge.toldAt)
    if (gauge.millis === undefined) return gauge.busy === 0 && failing <= mostFailing ? -1 : Infinity
    const load = 1 + (gauge.tokens + tokensIn(tokens)) / usualTokens
    return (estimate(gauge, gauge.millis, now) * load) / Math.max(leastShare, 1 - failing)
  }

  #add(identity: string): Gauge {
    if (this.#gauges.size >= maxGauges) for (const [idle, { busy }] of this.#gauges) if (busy === 0 && this.#gauges.delete(idle)) break
    const gauge: Gauge = { busy: 0, tokens: 0, millis: undefined, atLeast: false, measuredAt: 0, failing: 0, toldAt: 0 }
    this.#gauges.set(identity, gauge)
    return gauge
  }
}

const estimate = ({ busy, measuredAt }: Gauge, millis: number, now: number): number =>
  busy > 0 ? millis : millis * faded(now - measuredAt)

export const end = (gauge: Gauge, tokens: number, verdict: Verdict, now: number): void => {
  gauge.busy = Math.max(0, gauge.busy - 1)
  gauge.tokens = gauge.busy === 0 ? 0 : Math.max(0, gauge.tokens - tokensIn(tokens))
  if (verdict === "neutral" || (verdict === "good" && gauge.failing === 0)) return
  const told = verdict === "bad" ? 1 : 0
  gauge.failing = told + (gauge.failing - told) * weightAt(now - gauge.toldAt)
  gauge.toldAt = now
}

export const measure = (gauge: Gauge, millis: number, now: number): void => {
  if (!isSpan(millis)) return
  const before = gauge.millis === undefined || gauge.atLeast ? millis : gauge.millis
  gauge.millis = millis + (before - millis) * weightAt(now - gauge.measuredAt)
  gauge.atLeast = false
  gauge.measuredAt = now
}

export const waited = (gauge: Gauge, millis: number, now: number): void => {
  if (!isSpan(millis) || (gauge.millis !== undefined && gauge.millis >= millis)) return
  gauge.atLeast ||= gauge.millis === undefined
  gauge.millis = millis
  gauge.measuredAt = now
}
