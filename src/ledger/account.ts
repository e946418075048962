/**
 * An account in memory, and what is held on it.
 *
 * Three amounts and no fourth: `available` is drawn and unreserved (the slice), `reserved` is held by open attempts, `booked` is what the store counts as
 * spent, as far as this process knows. So spent (settled and reserved) is `booked − available`, and settling changes one number.
 *
 * All sums are exact: amounts are integers, and no sum passes booked + what one reservation asks for. Limits end at 9 × 10¹⁵ nano-dollars, doubles are exact up to
 * 9.007 × 10¹⁵, so there is room for overruns of seven thousand dollars beyond the largest limit, and for any overrun beyond a usual one.
 */
import type { Binding, Reservation } from "../Ledger.ts"
import type { Account } from "../LedgerStore.ts"
import type { Window } from "./window.ts"

export class State {
  /** One string for budget, scope and window. */
  readonly key: string
  readonly account: Account
  readonly every: Binding["every"]
  readonly from: number
  readonly until: number

  available = 0
  reserved = 0
  booked: number
  /** Whether the store has said what is booked. */
  known: boolean
  /** Reservations in the queue that need it. */
  waiting = 0
  /** Whether it is the account of its budget and scope that calls come to now. Another gives back all that is not reserved. */
  current = false

  /** Its window has ended, as far as anybody knows: it can be forgotten once nothing is open on it. */
  ended = false

  /** The limit as the latest reservation had it. */
  limit = 0
  /** 1 % of the limit. */
  share = 0
  /** How much may be available while nobody waits: its share, or the latest reservation if that is larger. */
  slice = 0

  /** It is in the draw under way, or in the next one. */
  asked = false
  /** It is in the draw under way. */
  drawing = false
  /** Booked by postings since that draw began, which its answer does not know of. */
  since = 0

  // What the draw that is being put together needs of it.
  round = 0
  need = 0
  largest = 0
  highest = 0
  short = false
  /** The pass in which an earlier reservation that needs it went on waiting. */
  blockedIn = 0

  constructor(key: string, account: Account, every: Binding["every"], window: Window, booked: number | undefined) {
    this.key = key
    this.account = account
    this.every = every
    this.from = window.from
    this.until = window.until
    this.booked = booked ?? 0
    this.known = booked !== undefined
  }

  /** Takes notice of a limit; the next reservation is under it, whatever the slice was drawn under. */
  relimit(limit: number): void {
    this.limit = limit
    this.share = Math.floor(limit / 100)
    this.slice = this.share
  }

  /** Limit − settled − reserved. */
  remaining(limit: number): number {
    return limit - this.booked + this.available
  }

  take(nanoDollars: number): void {
    this.available -= nanoDollars
    this.reserved += nanoDollars
    this.slice = nanoDollars > this.share ? nanoDollars : this.share
  }

  /** What is available beyond the slice; nothing while somebody waits for it. */
  excess(): number {
    if (this.waiting !== 0) return 0
    return this.current ? Math.max(0, this.available - this.slice) : this.available
  }

  idle(): boolean {
    return this.reserved === 0 && this.available === 0 && this.waiting === 0 && !this.asked
  }
}

/** A reservation with the accounts that it is held on, in the windows that it was made in. */
export class Held implements Reservation {
  readonly _tag = "Reservation"
  readonly nanoDollars: number
  readonly states: ReadonlyArray<State>
  /** It has been settled or released. */
  closed = false

  constructor(nanoDollars: number, states: ReadonlyArray<State>) {
    this.nanoDollars = nanoDollars
    this.states = states
  }
}
