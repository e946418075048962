/**
 * Budgets that hold: each binds somebody, every account has an owner, and whatever a class may reach under one has a price and an end.
 */
import type { Found } from "../Check.ts"
import { makeGrants } from "../Grants.ts"
import { local } from "../Keys.ts"
import type { Policy } from "../Policy.ts"
import type { PriceSource } from "../Price.ts"
import { didYouMean } from "../Suggest.ts"
import { priceOf, regionOf } from "../Target.ts"

export const checkBudgets = (policy: Policy, found: Found, prices: PriceSource): void => {
  const bound = new Set<string>()
  const grants = makeGrants(policy)
  const judged = new Set<string>()

  for (const [name, { within }] of Object.entries(policy.classes)) {
    for (const [i, budget] of within.entries()) {
      bound.add(budget)
      if (!Object.hasOwn(policy.budgets, budget)) {
        const fix = didYouMean(budget, Object.keys(policy.budgets))
        found("error", ["classes", name, "within", i], "unknown-budget", `unknown budget \`${budget}\``, fix)
        continue
      }
      if (policy.budgets[budget]!.per !== "team") continue
      for (const [key, spec] of Object.entries(policy.keys)) {
        if (spec.class !== name || spec.team !== undefined) continue
        found(
          "error",
          ["keys", key],
          "key-without-team",
          `budget \`${budget}\` is kept for each team, and \`${key}\` has none`,
          "say its `team`"
        )
      }
      if (name === local.class && Object.keys(policy.keys).length === 0) {
        found(
          "error",
          ["classes", name, "within", i],
          "key-without-team",
          `budget \`${budget}\` is kept for each team, and callers without keys have none`
        )
      }
    }
    if (within.length === 0) continue
    const grant = grants(name)
    for (const [target, spec] of Object.entries(policy.targets)) {
      const provider = Object.hasOwn(policy.providers, spec.provider) ? policy.providers[spec.provider]! : undefined
      if (provider === undefined || judged.has(target)) continue
      if (grant({ name: target, declared: true, provider: spec.provider, region: regionOf(policy, spec) }) !== undefined) continue
      judged.add(target)
      const why = `class \`${name}\` may use it under budget \`${within[0]!}\``
      if (priceOf(provider, spec, prices) === undefined) {
        found(
          "error",
          ["targets", target],
          "unpriced-target",
          `the price of \`${spec.model}\` is not known, and ${why}`,
          "say its `price`, in dollars for a million tokens"
        )
      }
      if (spec.maxOutputTokens === undefined) {
        found(
          "error",
          ["targets", target],
          "unlimited-target",
          `how long an answer of \`${target}\` can be is not known, and ${why}, so nothing could be reserved`,
          "say its `maxOutputTokens`"
        )
      }
    }
  }
  for (const budget of Object.keys(policy.budgets)) {
    if (bound.has(budget)) continue
    found("error", ["budgets", budget], "budget-binds-nobody", `no class spends from \`${budget}\``, "name it in `within` of a class")
  }
}
