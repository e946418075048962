/**
 * Which budgets bind a caller, compiled once, and what a caller is told when one is spent. Accounts and amounts are the ledger's.
 */
import type { Bound } from "./Bound.ts"
import type { Standing } from "./Facts.ts"
import { type GatewayError, refuse } from "./GatewayError.ts"
import type { Caller } from "./Keys.ts"
import { budgetsOf, budgetsOfAll } from "./Layers.ts"
import type { Binding, Refusal } from "./Ledger.ts"
import { type Policy, toNanoDollars } from "./Policy.ts"
import { dollars } from "./Text.ts"

export interface Budgets {
  /** The budgets that a caller spends from: those that bind everybody, then those of its class, in the class's order. Empty where it has none. */
  readonly of: (caller: Caller) => ReadonlyArray<Binding>
  /** The limit of a budget in nano-dollars. */
  readonly limitOf: (name: string) => number
}

const none: ReadonlyArray<never> = []

const scopeOf = (per: Binding["per"], caller: Caller): string =>
  // INVARIANT: the checker wants a team on every key under a team's budget; one that is issued without spends from an account without a name.
  per === "key" ? caller.key : per === "class" ? caller.class : per === "team" ? (caller.team ?? "") : (caller.organisation ?? "")

export const makeBudgets = (policy: Pick<Policy, "budgets" | "classes" | "layers">): Budgets => {
  const declared = new Map(
    Object.entries(budgetsOf(policy)).map(([name, budget]) => [name, { ...budget, limit: toNanoDollars(budget.limit) }])
  )
  const classes = new Map(Object.entries(policy.classes).map(([name, { within }]) => [name, within]))
  const ofAll = budgetsOfAll(policy)
  const bindings = new WeakMap<Caller, ReadonlyArray<Binding>>()
  const bind = (caller: Caller): ReadonlyArray<Binding> => {
    // A class may name what binds it anyway, and pays it once.
    const names = new Set([...ofAll, ...(classes.get(caller.class) ?? none)])
    return [...names].map((budget) => {
      const { every, limit, per } = declared.get(budget)!
      return { budget, per, scope: scopeOf(per, caller), every, limitNanoDollars: limit }
    })
  }
  return {
    of: (caller) => {
      if (declared.size === 0) return none
      const found = bindings.get(caller)
      if (found !== undefined) return found
      const made = bind(caller)
      bindings.set(caller, made)
      return made
    },
    limitOf: (name) => declared.get(name)!.limit
  }
}

/** How callers stand with their budgets, as conditions read it, where `spentOf` tells what is spent on an account. */
export const standingOver =
  (budgets: Budgets, spentOf: (binding: Binding) => number): Standing =>
  (caller, budget) => {
    const binding = budgets.of(caller).find((one) => one.budget === budget)
    return binding === undefined
      ? { spentNanoDollars: 0, limitNanoDollars: budgets.limitOf(budget), outside: true }
      : { spentNanoDollars: spentOf(binding), limitNanoDollars: binding.limitNanoDollars }
  }

/** The answer to a caller whose budget cannot cover a call: which one, what is left, what was needed, and when it starts anew. */
export const exhausted = (
  { binding: { budget, every, limitNanoDollars, per, scope }, remainingNanoDollars, resetsAt }: Refusal,
  target: string,
  bound: Pick<Bound, "nanoDollars">,
  time: number
): GatewayError =>
  refuse(
    "budget_exhausted",
    `budget \`${budget}\` of ${per} \`${scope}\` has ${dollars(Math.max(0, remainingNanoDollars))} left of ${dollars(limitNanoDollars)} a ${every}, and this call could cost ${dollars(bound.nanoDollars)} on \`${target}\`; it starts anew at ${new Date(resetsAt).toISOString()}`,
    { retryAfterMillis: Math.max(0, resetsAt - time), final: true }
  )
