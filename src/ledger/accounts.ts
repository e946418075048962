/**
 * The accounts in memory: which is the one that a call comes to, when it is let go of, and what it gives back.
 *
 * In the common case an account is found by two look-ups by name and two comparisons of numbers; no string is built. When a window begins, the account of
 * the window before gives back what is not reserved, is kept aside until its last reservation has settled, and is then forgotten. Accounts that no call
 * comes to any more are let go of when the first window in memory ends, so memory is bounded by the accounts of the running windows. A clock that is set
 * back finds the old account aside, or asks the store anew.
 */
import type { Balance, Binding } from "../Ledger.ts"
import type { LedgerStore, Opened } from "../LedgerStore.ts"
import { State } from "./account.ts"
import { windowAt, windowOf } from "./window.ts"

/** Unambiguous whatever the names contain. */
const keyOf = (budget: string, scope: string, window: string): string => JSON.stringify([budget, scope, window])

export class Accounts {
  readonly #store: LedgerStore["Service"]
  /** The accounts that calls come to now, by budget and scope. */
  readonly #current = new Map<string, Map<string, State>>()
  /** Known accounts of other windows: their last reservations are open, or the store held them and no call has come yet. */
  readonly #aside = new Map<string, State>()
  /** When the first of all these windows ends. */
  #sweepAt = Infinity

  constructor(store: LedgerStore["Service"]) {
    this.#store = store
  }

  /** How many are in memory. */
  get size(): number {
    let size = this.#aside.size
    for (const scopes of this.#current.values()) size += scopes.size
    return size
  }

  /** Takes in what the store held; an account that is in memory already is known better here. */
  enter(opened: ReadonlyArray<Opened>): void {
    for (const { account, bookedNanoDollars } of opened) {
      const key = keyOf(account.budget, account.scope, account.window)
      if (this.#aside.has(key) || this.#current.get(account.budget)?.get(account.scope)?.key === key) continue
      const { every, ...window } = windowOf(account.window)
      this.#aside.set(key, new State(key, account, every, window, bookedNanoDollars))
      this.#sweepAt = Math.min(this.#sweepAt, window.until)
    }
  }

  balance({ budget, every, scope }: Binding, time: number): Balance {
    let state = this.#current.get(budget)?.get(scope)
    if (state === undefined || time < state.from || time >= state.until || state.every !== every) {
      const { name, until } = windowAt(every, time)
      state = this.#aside.get(keyOf(budget, scope, name))
      if (state === undefined) return { spentNanoDollars: 0, reservedNanoDollars: 0, resetsAt: until }
    }
    return { spentNanoDollars: state.booked - state.available, reservedNanoDollars: state.reserved, resetsAt: state.until }
  }

  stateOf(binding: Binding, time: number): State {
    const state = this.#current.get(binding.budget)?.get(binding.scope)
    if (state === undefined || time < state.from || time >= state.until || state.every !== binding.every) return this.#turn(binding, time)
    if (state.limit !== binding.limitNanoDollars) state.relimit(binding.limitNanoDollars)
    return state
  }

  /** Makes the account of `time` the current one: a window has begun, or the clock was set back, or nobody has asked for it yet. */
  #turn({ budget, every, limitNanoDollars, scope }: Binding, time: number): State {
    if (time >= this.#sweepAt) this.#sweep(time)
    const window = windowAt(every, time)
    const key = keyOf(budget, scope, window.name)
    let state = this.#aside.get(key)
    if (state === undefined) state = new State(key, { budget, scope, window: window.name }, every, window, undefined)
    else this.#aside.delete(key)
    state.ended = false
    let scopes = this.#current.get(budget)
    if (scopes === undefined) this.#current.set(budget, (scopes = new Map()))
    const before = scopes.get(scope)
    scopes.set(scope, state)
    if (before !== undefined) this.#retire(before, time)
    state.current = true
    state.relimit(limitNanoDollars)
    this.#sweepAt = Math.min(this.#sweepAt, state.until)
    return state
  }

  /** Lets go of every account whose window has ended, also of those that no call comes to any more. */
  #sweep(time: number): void {
    this.#sweepAt = Infinity
    for (const [budget, scopes] of this.#current) {
      for (const [scope, state] of scopes) {
        if (state.until > time) this.#sweepAt = Math.min(this.#sweepAt, state.until)
        else {
          scopes.delete(scope)
          this.#retire(state, time)
        }
      }
      if (scopes.size === 0) this.#current.delete(budget)
    }
    for (const [key, state] of this.#aside) {
      if (state.until > time) this.#sweepAt = Math.min(this.#sweepAt, state.until)
      else {
        state.ended = true
        if (state.idle()) this.#aside.delete(key)
      }
    }
  }

  #retire(state: State, time: number): void {
    state.current = false
    state.ended = time >= state.until
    this.#aside.set(state.key, state)
    this.trim(state)
  }

  /** Gives back what is beyond the slice, and forgets an account that is no longer current once nothing is open on it. */
  trim(state: State): void {
    this.post(state, 0, 0)
  }

  /** Posts what has been settled and what has been booked beyond the slice, less what the slice no longer needs. */
  post(state: State, settledNanoDollars: number, beyond: number): void {
    const excess = state.excess()
    state.available -= excess
    const bookedNanoDollars = beyond - excess
    state.booked += bookedNanoDollars
    if (state.drawing) state.since += bookedNanoDollars
    if (settledNanoDollars !== 0 || bookedNanoDollars !== 0)
      this.#store.post({ account: state.account, settledNanoDollars, bookedNanoDollars })
    if (state.ended && state.idle() && this.#aside.get(state.key) === state) this.#aside.delete(state.key)
  }

  /** Gives back all that is not reserved. */
  end(): void {
    for (const scopes of this.#current.values()) for (const state of scopes.values()) this.#retire(state, Infinity)
    this.#current.clear()
    for (const state of this.#aside.values()) this.trim(state)
  }
}
