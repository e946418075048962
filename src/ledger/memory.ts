/**
 * A store in memory: the arithmetic of the durable ones, and every draw answered at once. For the simulator, the tests, and a gateway that may forget.
 *
 * Of each budget and scope it keeps the windows that were begun last. What is settled is not kept: nobody reads it here, where nothing outlives the process.
 */
import * as Effect from "effect/Effect"
import type { Account, LedgerStore, Opened, Want } from "../LedgerStore.ts"

interface Row {
  readonly account: Account
  booked: number
}

/** Windows are kept for attempts that began in them and for a clock that is set back. */
const windowsKept = 4

export const makeMemory = (): LedgerStore["Service"] => {
  const budgets = new Map<string, Map<string, Array<Row>>>()

  const rowOf = (account: Account): Row => {
    const { budget, scope, window } = account
    let scopes = budgets.get(budget)
    if (scopes === undefined) budgets.set(budget, (scopes = new Map()))
    let rows = scopes.get(scope)
    if (rows === undefined) scopes.set(scope, (rows = []))
    for (let i = 0; i < rows.length; i++) if (rows[i]!.account.window === window) return rows[i]!
    const row: Row = { account, booked: 0 }
    // The newest first, where nearly every look ends.
    rows.unshift(row)
    if (rows.length > windowsKept) rows.pop()
    return row
  }

  const drawn = ({ account, limitNanoDollars, nanoDollars }: Want) => {
    const row = rowOf(account)
    const grantedNanoDollars = Math.max(0, Math.min(nanoDollars, limitNanoDollars - row.booked))
    row.booked += grantedNanoDollars
    return { grantedNanoDollars, bookedNanoDollars: row.booked }
  }

  return {
    open: Effect.sync(() => {
      const opened: Array<Opened> = []
      for (const scopes of budgets.values())
        for (const rows of scopes.values()) for (const { account, booked } of rows) opened.push({ account, bookedNanoDollars: booked })
      return opened
    }),
    draw: (wants) => Effect.succeed(wants.map(drawn)),
    post: ({ account, bookedNanoDollars }) => {
      if (bookedNanoDollars !== 0) rowOf(account).booked += bookedNanoDollars
    }
  }
}
