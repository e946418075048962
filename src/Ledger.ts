/**
 * Who pays: every attempt reserves before it is sent and settles after it, over all budgets that apply, all or nothing.
 *
 * Without budgets there is nothing to reserve; the place in the order of a call is the same.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Call } from "./Call.ts"
import type { GatewayError } from "./GatewayError.ts"
import type { Target } from "./Target.ts"

/** What an attempt may cost at most, held until it is settled or released. */
export interface Reservation {
  readonly _tag: "Reservation"
  readonly nanoDollars: number
}

/** A budget that cannot cover the attempt. */
export interface Refusal {
  readonly _tag: "Refusal"
  readonly error: GatewayError
}

export class Ledger extends Context.Service<
  Ledger,
  {
    readonly reserve: (call: Call, target: Target) => Effect.Effect<Reservation | Refusal>
    /** Books what the attempt has cost; `undefined` where usage never came, which books the reservation, marked as estimated. */
    readonly settle: (reservation: Reservation, nanoDollars: number | undefined) => Effect.Effect<void>
    /** Gives a reservation back: the attempt was provably not sent, or answered by an error that is not billed. */
    readonly release: (reservation: Reservation) => Effect.Effect<void>
  }
>()("turnout/Ledger") {
  /** No budgets. */
  static readonly layerNone = Layer.sync(Ledger, () => {
    const nothing = Effect.succeed<Reservation>({ _tag: "Reservation", nanoDollars: 0 })
    return { reserve: () => nothing, settle: () => Effect.void, release: () => Effect.void }
  })
}
