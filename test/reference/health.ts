/** What is known of deployments: breakers, and what their first tokens take. */
import type { FailureClass } from "../../src/Failure.ts"

/** Failures that are the request's and say nothing of the deployment. */
const neutral: ReadonlySet<FailureClass> = new Set<FailureClass>(["context-length", "content-filter", "bad-request", "cancelled"])

/** What an attempt is let through with: which opening of a circuit it tests, of all that there have been. */
export interface Ticket {
  readonly tests: boolean
  readonly opening?: number
}
export const ordinary: Ticket = { tests: false }

interface Open {
  readonly number: number
  readonly until: number
  /** How often it has been opened for the same reason without a success in between. */
  readonly times: number
  /** Its provider has ended the credential. */
  readonly dead: boolean
}

/** What is known of a deployment under a credential, or of a credential. */
interface State {
  /** What has been told since it was closed, oldest first. */
  readonly told: ReadonlyArray<{ readonly bad: boolean; readonly at: number }>
  /** Undefined while it is closed. */
  readonly open: Open | undefined
  readonly probe: { readonly ticket: Ticket; readonly at: number } | undefined
  readonly pausedUntil: number
}
const closed: State = { told: [], open: undefined, probe: undefined, pausedUntil: -Infinity }

/**
 * Circuit breakers by name, of deployments under a credential and of credentials. A failure opens one if it is the fifth in a row, or if of what was told in this quarter of a minute and the one before,
 * twenty at least, a half were failures: for ten seconds, doubled each time up to five minutes. Then one call is the probe, for five minutes at most; a success closes it. What was let through before it opened
 * neither closes nor reopens it. A provider that asks to be left alone is, for five minutes at most. A credential that has come to its end opens at once, for a minute, doubled each time up to fifteen.
 */
export class Breakers {
  readonly #states = new Map<string, State>()
  #openings = 0

  #of(name: string): State {
    return this.#states.get(name) ?? closed
  }
  #change(name: string, change: Partial<State>): void {
    this.#states.set(name, { ...this.#of(name), ...change })
  }
  #open(name: string, now: number, dead: boolean): void {
    const before = this.#of(name).open
    const times = before !== undefined && before.dead === dead ? before.times + 1 : 0
    const coolDown = dead ? Math.min(900_000, 60_000 * 2 ** times) : Math.min(300_000, 10_000 * 2 ** times)
    this.#change(name, { open: { number: ++this.#openings, until: now + coolDown, times, dead }, probe: undefined })
  }
  #isProbed(name: string, now: number): boolean {
    const { probe } = this.#of(name)
    return probe !== undefined && now < probe.at + 300_000
  }
  /** The place of the probe, taken. */
  #probe(name: string, now: number): Ticket {
    const ticket = { tests: true, opening: this.#of(name).open!.number }
    this.#change(name, { probe: { ticket, at: now } })
    return ticket
  }
  /** Whether it was the probe, which it is no longer. */
  #ends(name: string, ticket: Ticket): boolean {
    if (this.#of(name).probe?.ticket !== ticket) return false
    this.#change(name, { probe: undefined })
    return true
  }

  /** Why it is kept out, which asking does not change. */
  shut(name: string, now: number): { readonly forMillis: number; readonly asked: boolean; readonly dead: boolean } | undefined {
    const { open, pausedUntil } = this.#of(name)
    const forMillis = Math.max(0, pausedUntil - now, (open?.until ?? 0) - now)
    const dead = open?.dead === true
    if (forMillis === 0 && (open === undefined || !this.#isProbed(name, now))) return undefined
    return { forMillis, asked: dead || now < pausedUntil, dead }
  }

  admits(name: string, now: number): Ticket | undefined {
    if (this.shut(name, now) !== undefined) return undefined
    return this.#of(name).open === undefined ? ordinary : this.#probe(name, now)
  }

  /** Lets one through that nothing keeps out. */
  force(name: string, now: number): Ticket {
    const { open } = this.#of(name)
    if (open === undefined) return ordinary
    return now >= open.until && !this.#isProbed(name, now) ? this.#probe(name, now) : { tests: true, opening: open.number }
  }

  report(name: string, failure: FailureClass | undefined, now: number, ticket: Ticket = ordinary): void {
    const wasProbe = this.#ends(name, ticket)
    if (failure !== undefined && neutral.has(failure)) return
    const { open, pausedUntil, told: before } = this.#of(name)
    if (open !== undefined) {
      // What was let through before it opened says nothing of how it is now.
      if (ticket.opening !== open.number) return
      if (failure === undefined) this.#states.set(name, { ...closed, pausedUntil })
      else if (wasProbe) this.#open(name, now, open.dead)
      return
    }
    const told = [...before, { bad: failure !== undefined, at: now }]
    this.#change(name, { told })
    if (failure === undefined) return
    const quarter = (at: number): number => Math.floor(at / 15_000)
    const lately = told.filter(({ at }) => quarter(at) >= quarter(now) - 1)
    const failed = lately.filter(({ bad }) => bad).length
    const inARow = told.slice(-5).filter(({ bad }) => bad).length
    if (inARow === 5 || (lately.length >= 20 && failed >= lately.length / 2)) this.#open(name, now, false)
  }

  pause(name: string, millis: number, now: number): void {
    if (millis > 0) this.#change(name, { pausedUntil: Math.max(this.#of(name).pausedUntil, now + Math.min(300_000, millis)) })
  }

  condemn(name: string, now: number, ticket: Ticket = ordinary): void {
    if (this.#ends(name, ticket) || this.#of(name).open === undefined) this.#open(name, now, true)
  }
}

/** What has been seen of deployments beside their failures, and whose turn it is. */
export class Watch {
  readonly #seen = new Map<string, Array<{ readonly millis: number; readonly at: number; readonly givenUp: boolean }>>()
  readonly #told = new Map<string, Array<{ readonly failed: 0 | 1; readonly at: number }>>()
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

  /** An attempt has failed by the fault of its deployment, or been served. */
  tell(identity: string, failure: FailureClass | undefined, at: number): void {
    if (failure !== undefined && neutral.has(failure)) return
    this.#told.set(identity, [...(this.#told.get(identity) ?? []), { failed: failure === undefined ? 0 : 1, at }])
  }

  /** The share of attempts that fail, averaged as times to the first token are, and fading whoever is busy. */
  failing(identity: string, now: number): number {
    let share = 0
    let since = 0
    for (const { at, failed } of this.#told.get(identity) ?? []) {
      // What never fails needs no average.
      if (failed === 0 && share === 0) continue
      share = failed + (share - failed) * Math.min(0.8, 2 ** -((at - since) / 30_000))
      since = at
    }
    return share * 2 ** -((now - since) / 30_000)
  }

  /** What a first token is expected to take where `busy` attempts of a thousand tokens are under way and one more is made; what nobody has measured comes first, unless somebody is at it or it has failed lately. */
  score(identity: string, now: number, busy: number): number {
    const failing = this.failing(identity, now)
    const latency = this.latency(identity, now, busy)
    if (latency === null) return busy === 0 && failing <= 0.1 ? -1 : Number.MAX_VALUE
    return (latency * (1 + (busy + 1) * 0.5)) / Math.max(0.05, 1 - failing)
  }

  /** Whose turn it is among those that share `state`, counted from 0; the next who asks is the next. */
  turn(state: unknown): number {
    const turn = this.#turns.get(state) ?? 0
    this.#turns.set(state, turn + 1)
    return turn
  }
}
