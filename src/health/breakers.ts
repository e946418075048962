/**
 * Circuit breakers: whether a deployment under a credential, or a credential, is worth an attempt. Read and told synchronously, in monotonic milliseconds.
 *
 * **Closed**: attempts run. It opens after `failures` failures in a row, or where of at least `windowAttempts` attempts that have ended lately at least `windowShare` have failed: a
 * deployment that answers every other time never fails five times in a row, and is down all the same. Both are asked when a failure is reported; a success opens nothing.
 * *Lately* is the present and the last half of `window`, cut where the clock is a multiple of them: from a half to the whole of it, for four numbers a circuit and no list.
 * **Open** for `coolDown`, doubled at each failed probe up to `maxCoolDown`. **Half-open** when that has passed: one attempt at a time is the probe. Its success closes the circuit and forgets
 * all failures; its failure opens it again; where it has told nothing, the next attempt is the probe.
 *
 * What an attempt was let through with (`Ticket`) names the opening that it tests, so nothing that began before a circuit opened can close it, keep it open or give its probe's
 * place away, however late it ends. A probe that has not ended after the longest cool-down loses its place to the next; so no circuit is open for ever, even where a report is lost.
 *
 * **Paused**: the provider has said for how long it wants to be left alone. Nothing is let through, not even a probe, for so long, or `maxCoolDown` where that is shorter. Then it is as it
 * was: where it was closed attempts run at once, since the provider has named the time itself and a single probe would hold the others up for a whole answer; where it was open its probe is next.
 * **Dead**: the provider has ended the credential (revoked, nothing left to spend). It opens at the first word of it, for `deadCoolDown`, doubled at each probe that hears the same, up to
 * `maxDeadCoolDown`: only a person mends it, and nobody tells the gateway when.
 *
 * Numbers: five in a row and five minutes at most are Envoy's (outlier detection, `consecutive_5xx` and `max_ejection_time`); twenty attempts and a half Hystrix's
 * (`requestVolumeThreshold`, `errorThresholdPercentage`), a half also Resilience4j's (`failureRateThreshold`), which waits for a hundred: more than most deployments of a model see in half a minute.
 * Ten seconds, half a minute, a minute and a quarter of an hour are ours.
 *
 * Not here: spreading cool-downs by chance. A probe is one attempt of one process, so there is no crowd to part; where the same hash spread them, all processes would agree on it again.
 * Effect's `CircuitBreaker` has the same states behind an effectful store; here the view must be readable without a fibre.
 *
 * Circuits are bounded; where there are too many the oldest that is neither open nor paused goes first, so that naming many models does not close an open circuit.
 */

/** What an attempt says of its deployment: served, failed by its fault, or nothing. */
export type Verdict = "good" | "bad" | "neutral"

/** What an attempt is let through with. Only one that tests a circuit which is not closed can close or open it again, and only the opening that it was let through in. */
export interface Ticket {
  readonly tests: boolean
  /** The opening that it tests, counted over all circuits; 0 for none. */
  readonly opening: number
}

/** The circuit is closed. */
export const ordinary: Ticket = { tests: false, opening: 0 }

/** Why an identity is kept out. */
export interface Shut {
  readonly forMillis: number
  /** Its provider has asked to be left alone for so long, or ended the credential: nothing is gained by trying sooner. */
  readonly asked: boolean
  /** Its provider has ended the credential. */
  readonly dead: boolean
}

/** In milliseconds. */
export interface BreakerSettings {
  readonly failures: number
  readonly window: number
  readonly windowAttempts: number
  readonly windowShare: number
  readonly coolDown: number
  readonly maxCoolDown: number
  readonly deadCoolDown: number
  readonly maxDeadCoolDown: number
}

interface Circuit {
  consecutive: number
  /** Which half of a window `good` and `bad` count. */
  half: number
  good: number
  bad: number
  /** Of the half before. */
  goodBefore: number
  badBefore: number
  /** 0 while closed. */
  opening: number
  openUntil: number
  /** How often it has opened without a success in between. */
  trips: number
  dead: boolean
  /** What the probe was let through with, and when. */
  probe: Ticket | undefined
  probedAt: number
  pausedUntil: number
  /** Whether it is among those that are counted: not closed, or paused when it was last told of anything. */
  troubled: boolean
}

/** Deployments named by callers (open models) could grow the table. */
const maxCircuits = 10_000

/** Doubled no oftener than this, so that no number overflows. */
const maxDoublings = 30

export class Breakers {
  readonly #settings: BreakerSettings
  readonly #circuits = new Map<string, Circuit>()
  #openings = 0
  /** How many are troubled: while there is none, as nearly always, nobody need be looked up. */
  #troubled = 0

  constructor(settings: BreakerSettings) {
    this.#settings = settings
  }

  /** What `identity` may be tried with; undefined where it is kept out. */
  admits(identity: string, now: number): Ticket | undefined {
    const circuit = this.#troubled === 0 ? undefined : this.#circuits.get(identity)
    if (circuit === undefined) return ordinary
    if (now < circuit.pausedUntil) return undefined
    if (circuit.opening === 0) return ordinary
    return this.#hasPlace(circuit, now) ? probe(circuit, now) : undefined
  }

  /** Lets an attempt through whatever the circuit says; as its probe where there is none. */
  force(identity: string, now: number): Ticket {
    const circuit = this.#circuits.get(identity)
    if (circuit === undefined || circuit.opening === 0) return ordinary
    return this.#hasPlace(circuit, now) ? probe(circuit, now) : { tests: true, opening: circuit.opening }
  }

  report(identity: string, verdict: Verdict, now: number, ticket: Ticket): void {
    let circuit = this.#circuits.get(identity)
    if (circuit === undefined) {
      if (verdict === "neutral") return
      circuit = this.#add(identity)
    }
    const wasProbe = leave(circuit, ticket)
    if (verdict === "neutral") return
    if (circuit.opening === 0) this.#count(circuit, verdict === "bad", now)
    else if (ticket.opening === circuit.opening) {
      if (verdict === "good") {
        close(circuit)
        this.#note(circuit)
      } else if (wasProbe) this.#open(circuit, now)
    }
  }

  pause(identity: string, millis: number, now: number): void {
    if (!(millis > 0)) return
    const circuit = this.#circuits.get(identity) ?? this.#add(identity)
    const until = now + Math.min(this.#settings.maxCoolDown, millis)
    if (!(until > circuit.pausedUntil)) return
    circuit.pausedUntil = until
    this.#note(circuit)
  }

  condemn(identity: string, now: number, ticket: Ticket): void {
    const circuit = this.#circuits.get(identity) ?? this.#add(identity)
    const wasProbe = leave(circuit, ticket)
    if (circuit.opening !== 0 && !wasProbe) return
    if (!circuit.dead) circuit.trips = 0
    circuit.dead = true
    this.#open(circuit, now)
  }

  /** Why `identity` would not be admitted; undefined where it would. Takes no place. */
  shut(identity: string, now: number): Shut | undefined {
    const circuit = this.#circuits.get(identity)
    if (circuit === undefined) return undefined
    const { dead, openUntil, opening, pausedUntil } = circuit
    if (opening === 0) return now < pausedUntil ? { forMillis: pausedUntil - now, asked: true, dead } : undefined
    const until = Math.max(openUntil, pausedUntil)
    if (now < until) return { forMillis: until - now, asked: dead || now < pausedUntil, dead }
    return this.#hasPlace(circuit, now) ? undefined : { forMillis: 0, asked: dead, dead }
  }

  /** Whether `identity` would be admitted: `shut`, without an object. */
  lets(identity: string, now: number): boolean {
    if (this.#troubled === 0) return true
    const circuit = this.#circuits.get(identity)
    return circuit === undefined || (!(now < circuit.pausedUntil) && (circuit.opening === 0 || this.#hasPlace(circuit, now)))
  }

  open(now: number): ReadonlyArray<{ readonly identity: string; readonly forMillis: number }> {
    return [...this.#circuits]
      .filter(([, { opening }]) => opening !== 0)
      .map(([identity, { openUntil }]) => ({ identity, forMillis: Math.max(0, openUntil - now) }))
  }

  #add(identity: string): Circuit {
    if (this.#circuits.size >= maxCircuits) {
      // What was counted of a closed circuit is old in half a minute anyway.
      let oldest: string | undefined
      for (const [name, { troubled }] of this.#circuits) {
        oldest ??= name
        if (troubled) continue
        oldest = name
        break
      }
      if (this.#circuits.get(oldest!)!.troubled) this.#troubled--
      this.#circuits.delete(oldest!)
    }
    const circuit: Circuit = {
      consecutive: 0,
      half: 0,
      good: 0,
      bad: 0,
      goodBefore: 0,
      badBefore: 0,
      opening: 0,
      openUntil: 0,
      trips: 0,
      dead: false,
      probe: undefined,
      probedAt: 0,
      pausedUntil: 0,
      troubled: false
    }
    this.#circuits.set(identity, circuit)
    return circuit
  }

  /** Whether the cool-down has passed, and nobody is the probe. */
  #hasPlace({ openUntil, probe, probedAt }: Circuit, now: number): boolean {
    return !(now < openUntil) && (probe === undefined || now - probedAt >= this.#settings.maxCoolDown)
  }

  #count(circuit: Circuit, isBad: boolean, now: number): void {
    const { failures, window, windowAttempts, windowShare } = this.#settings
    const half = Math.floor(now / (window / 2))
    if (half !== circuit.half) {
      const follows = half === circuit.half + 1
      circuit.goodBefore = follows ? circuit.good : 0
      circuit.badBefore = follows ? circuit.bad : 0
      circuit.good = 0
      circuit.bad = 0
      circuit.half = half
      // A pause that is over says nothing any more.
      if (circuit.pausedUntil <= now && circuit.troubled) {
        circuit.pausedUntil = 0
        this.#note(circuit)
      }
    }
    if (!isBad) {
      circuit.good++
      circuit.consecutive = 0
      return
    }
    circuit.bad++
    circuit.consecutive++
    const bad = circuit.bad + circuit.badBefore
    const all = bad + circuit.good + circuit.goodBefore
    if (circuit.consecutive >= failures || (all >= windowAttempts && bad >= windowShare * all)) this.#open(circuit, now)
  }

  #open(circuit: Circuit, now: number): void {
    const { coolDown, deadCoolDown, maxCoolDown, maxDeadCoolDown } = this.#settings
    const doubled = 2 ** Math.min(circuit.trips++, maxDoublings)
    circuit.opening = ++this.#openings
    circuit.openUntil = now + (circuit.dead ? Math.min(maxDeadCoolDown, deadCoolDown * doubled) : Math.min(maxCoolDown, coolDown * doubled))
    circuit.probe = undefined
    this.#note(circuit)
  }

  #note(circuit: Circuit): void {
    const troubled = circuit.opening !== 0 || circuit.pausedUntil !== 0
    if (troubled === circuit.troubled) return
    circuit.troubled = troubled
    this.#troubled += troubled ? 1 : -1
  }
}

const probe = (circuit: Circuit, now: number): Ticket => {
  circuit.probedAt = now
  return (circuit.probe = { tests: true, opening: circuit.opening })
}

/** Gives the probe's place back, where it is held with `ticket`. */
const leave = (circuit: Circuit, ticket: Ticket): boolean => {
  if (circuit.probe !== ticket) return false
  circuit.probe = undefined
  return true
}

/** What its provider has asked for stands. */
const close = (circuit: Circuit): void => {
  circuit.consecutive = 0
  circuit.good = 0
  circuit.bad = 0
  circuit.goodBefore = 0
  circuit.badBefore = 0
  circuit.opening = 0
  circuit.trips = 0
  circuit.dead = false
  circuit.probe = undefined
}
