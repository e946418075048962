/**
 * Who pays: every attempt under a budget reserves before it is sent and settles after it, over all budgets that apply, all or nothing.
 *
 * An account is one budget for one scope value (a key, a class, a team) in one window of time. Reserving takes from a slice of each account that the store
 * has already booked as spent (`LedgerStore.ts`), so in the ordinary case no call waits for a disk, and a crash over-counts by at most the slice and
 * never under-counts. Only a reservation that a slice cannot cover waits for its top-up, and it is refused only where the budget itself cannot cover it.
 *
 * Settling and releasing are plain synchronous functions: what they change is in memory at once and reaches the store with its next group commit, so
 * that no interruption can come between an attempt and its settlement. All money is in integer nano-dollars. A budget is not looked up here: what binds
 * a caller is compiled (`Budgets.ts`), and what an attempt can cost at most is computed in `Bound.ts`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { Book } from "./ledger/book.ts"
import { LedgerStore, type LedgerStoreDown } from "./LedgerStore.ts"

/** A budget as it binds one caller. */
export interface Binding {
  /** Its name in the policy. */
  readonly budget: string
  readonly per: "key" | "class" | "team" | "organisation"
  /** The name of the key, class or team that it is kept for. */
  readonly scope: string
  /** The window at whose end it starts anew, in UTC. */
  readonly every: "day" | "month"
  readonly limitNanoDollars: number
}

/** What an attempt may cost at most, held until it is settled or released. Opaque beside its amount. */
export interface Reservation {
  readonly _tag: "Reservation"
  readonly nanoDollars: number
}

/** A budget cannot cover the attempt: at this instant limit − settled − reserved is less than what was asked for. */
export interface Refusal {
  readonly _tag: "Refusal"
  readonly binding: Binding
  /** Limit − settled − reserved; below 0 after an overrun. */
  readonly remainingNanoDollars: number
  /** Unix time in milliseconds at which the window ends. */
  readonly resetsAt: number
}

/** The store has not answered in time, or cannot: nothing is known, so nothing is sent. */
export interface Unavailable {
  readonly _tag: "Unavailable"
  readonly why: string
}

/** An account as it stands in memory; `remaining` is limit − spent. */
export interface Balance {
  /** Settled and reserved. */
  readonly spentNanoDollars: number
  /** The part of it that is reserved by open attempts of this process. */
  readonly reservedNanoDollars: number
  /** Unix time in milliseconds at which the window ends. */
  readonly resetsAt: number
}

export class Ledger extends Context.Service<
  Ledger,
  {
    /** Opens the store and reads what has been spent; must have run before the first reservation. Again it does nothing. */
    readonly open: Effect.Effect<void, LedgerStoreDown>
    /**
     * Holds `nanoDollars` on every account of `bindings` in the windows of `time` (Unix milliseconds), or on none.
     *
     * What it holds or waits for begins with the call, so call it where the effect is run, once, and run both it and the keeping of its value uninterruptibly:
     * then a reservation that was granted always arrives. A wait that times out or is interrupted has left the queue and holds nothing.
     * `bindings` names no budget twice.
     */
    readonly reserve: (
      bindings: ReadonlyArray<Binding>,
      nanoDollars: number,
      time: number
    ) => Effect.Effect<Reservation | Refusal | Unavailable>
    /** Books what the attempt has cost, in the windows that it was reserved in. More than was reserved is booked in full. Again it does nothing. */
    readonly settle: (reservation: Reservation, nanoDollars: number) => void
    /** Gives a reservation back: the attempt was provably not sent, or answered by an error that is not billed. After a settlement it does nothing. */
    readonly release: (reservation: Reservation) => void
    /** The account as it stands now. */
    readonly balance: (binding: Binding, time: number) => Balance
  }
>()("turnout/Ledger") {
  /** The ledger over the `LedgerStore` in scope; at its end it gives back what is not reserved. */
  static readonly layer: Layer.Layer<Ledger, never, LedgerStore> = Layer.effect(
    Ledger,
    Effect.gen(function* () {
      const store = yield* LedgerStore
      const book = new Book(store, Effect.runForkWith(yield* Effect.context()))
      yield* Effect.addFinalizer(() => book.end)
      const lock = Semaphore.makeUnsafe(1)
      let opened = false
      return {
        open: lock.withPermit(
          Effect.suspend(() =>
            opened
              ? Effect.void
              : Effect.map(store.open, (accounts) => {
                  book.accounts.enter(accounts)
                  opened = true
                })
          )
        ),
        reserve: book.reserve,
        settle: book.settle,
        release: book.release,
        balance: (binding, time) => book.accounts.balance(binding, time)
      }
    })
  )

  /** The ledger over a store of its own in memory. */
  static readonly layerMemory: Layer.Layer<Ledger> = Layer.provide(Ledger.layer, LedgerStore.layerMemory)
}
