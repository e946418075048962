/**
 * What reserving and settling cost over three budgets with a store in memory: once where the slices are large, so that the store is only posted to, and once
 * where a slice is one reservation, so that each call also draws and gives back.
 *
 * Node 26.10, two shared cores, November 2026 (medians of three processes):
 *
 *     reserve and settle, three budgets, from slices             105 ns
 *     reserve and settle, three budgets, with a draw for each    463 ns
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { type Binding, Ledger, type Reservation } from "../src/Ledger.ts"
import { measure } from "./measure.ts"

const time = 1_795_300_000_000
const most = 5_000_000

for (const [name, limitNanoDollars, bound] of [
  ["from slices", 1e14, { limit: 1_000 }],
  ["with a draw for each", 5e8, {}]
] as const) {
  const scope = Scope.makeUnsafe()
  const { reserve, settle, balance } = Context.get(Effect.runSync(Layer.buildWithScope(Layer.fresh(Ledger.layerMemory), scope)), Ledger)
  const bindings: ReadonlyArray<Binding> = [
    { budget: "daily", per: "key", scope: "alice", every: "day", limitNanoDollars },
    { budget: "monthly", per: "team", scope: "research", every: "month", limitNanoDollars },
    { budget: "everyone", per: "class", scope: "staff", every: "month", limitNanoDollars }
  ]
  let calls = 0
  measure(
    `reserve and settle, three budgets, ${name}`,
    () => {
      const reserving = reserve(bindings, most, time)
      // Settled at 1 of 5 million, so that no run comes to the end of a budget.
      if (Exit.isExit(reserving) && Exit.isSuccess(reserving)) settle(reserving.value as Reservation, 1)
      calls++
    },
    bound
  )
  const { reservedNanoDollars, spentNanoDollars } = balance(bindings[0]!, time)
  if (spentNanoDollars !== calls || reservedNanoDollars !== 0) throw new Error(`${calls} calls, but ${spentNanoDollars} spent`)
  Effect.runSync(Scope.close(scope, Exit.void))
}
