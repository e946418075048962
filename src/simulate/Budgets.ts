/**
 * What each budget's accounts saw, written down where it happens: between the pipeline and its ledger.
 *
 * The ledger that runs is the real one; this one passes everything on and keeps, for each account, what was settled when, so that a report can show how it
 * burnt down. Time is cut into at most 48 steps: they begin a second wide, and double for all accounts whenever the simulation outgrows them.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Binding, Ledger, Refusal, Reservation, Unavailable } from "../Ledger.ts"
import type { VirtualTime } from "../VirtualTime.ts"

/** The most steps that a burn-down has. */
export const maxSteps = 48

/** The parts of a limit whose crossing is noted. */
export const marks = [0.5, 0.8, 1] as const

/** One budget for one scope value in one window. */
export interface Account {
  readonly binding: Binding
  /** Unix milliseconds at which its window ends. */
  readonly until: number
  settledNanoDollars: number
  settlements: number
  refused: number
  /** Microseconds since the start. */
  firstRefusedAt: number | undefined
  /** Settlements above their reservation. */
  overruns: number
  /** Microseconds since the start, for each of `marks`. */
  readonly crossed: Array<number | undefined>
  /** What was settled in each step. */
  steps: Array<number>
}

export class Budgets {
  #stepMicros = 1_000_000
  readonly #all = new Map<string, Account>()
  readonly #current = new WeakMap<Binding, Account>()
  readonly #held = new Map<Reservation, ReadonlyArray<Account>>()
  readonly #time: VirtualTime
  readonly #ledger: Ledger["Service"]

  constructor(ledger: Ledger["Service"], time: VirtualTime) {
    this.#ledger = ledger
    this.#time = time
  }

  /** The width of a step in microseconds. */
  get stepMicros(): number {
    return this.#stepMicros
  }

  /** In the order in which they were first used. */
  get accounts(): ReadonlyArray<Account> {
    return [...this.#all.values()]
  }

  /** Reservations that have not been settled or released. */
  get open(): number {
    return this.#held.size
  }

  #accountOf(binding: Binding, time: number): Account {
    const known = this.#current.get(binding)
    if (known !== undefined && time < known.until) return known
    const until = this.#ledger.balance(binding, time).resetsAt
    const key = JSON.stringify([binding.budget, binding.scope, until])
    let account = this.#all.get(key)
    if (account === undefined) {
      account = {
        binding,
        until,
        settledNanoDollars: 0,
        settlements: 0,
        refused: 0,
        firstRefusedAt: undefined,
        overruns: 0,
        crossed: marks.map(() => undefined),
        steps: []
      }
      this.#all.set(key, account)
    }
    this.#current.set(binding, account)
    return account
  }

  #step(now: number): number {
    while (now >= this.#stepMicros * maxSteps) {
      this.#stepMicros *= 2
      for (const account of this.#all.values()) {
        const merged: Array<number> = []
        account.steps.forEach((amount, i) => {
          merged[i >> 1] = (merged[i >> 1] ?? 0) + amount
        })
        account.steps = merged
      }
    }
    return Math.floor(now / this.#stepMicros)
  }

  #note(answer: Reservation | Refusal | Unavailable, bindings: ReadonlyArray<Binding>, time: number): void {
    if (answer._tag === "Reservation") {
      this.#held.set(
        answer,
        bindings.map((binding) => this.#accountOf(binding, time))
      )
    } else if (answer._tag === "Refusal") {
      const account = this.#accountOf(answer.binding, time)
      account.refused++
      account.firstRefusedAt ??= this.#time.now()
    }
  }

  /** The ledger, watched. */
  readonly ledger = (): Ledger["Service"] => {
    const { balance, open, release, reserve, settle } = this.#ledger
    return {
      open,
      balance,
      reserve: (bindings, nanoDollars, time) => {
        const answer = reserve(bindings, nanoDollars, time)
        if (Exit.isExit(answer) && Exit.isSuccess(answer)) {
          this.#note(answer.value as Reservation | Refusal | Unavailable, bindings, time)
          return answer
        }
        return Effect.map(answer, (value) => {
          this.#note(value, bindings, time)
          return value
        })
      },
      settle: (reservation, nanoDollars) => {
        settle(reservation, nanoDollars)
        const held = this.#held.get(reservation)
        if (held === undefined) return
        this.#held.delete(reservation)
        const now = this.#time.now()
        const step = this.#step(now)
        for (const account of held) {
          account.settledNanoDollars += nanoDollars
          account.settlements++
          if (nanoDollars > reservation.nanoDollars) account.overruns++
          while (account.steps.length <= step) account.steps.push(0)
          account.steps[step]! += nanoDollars
          marks.forEach((mark, i) => {
            if (account.settledNanoDollars > 0 && account.settledNanoDollars >= mark * account.binding.limitNanoDollars)
              account.crossed[i] ??= now
          })
        }
      },
      release: (reservation) => {
        release(reservation)
        this.#held.delete(reservation)
      }
    }
  }
}
