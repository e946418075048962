/**
 * Budgets that hold: each binds somebody, and every account has an owner. What is spent under them is judged in `money.ts`.
 */
import type { Found } from "../Check.ts"
import type { Path } from "../Finding.ts"
import { local } from "../Keys.ts"
import type { Budget, Policy } from "../Policy.ts"
import { didYouMean } from "../Suggest.ts"

interface Kept {
  /** As messages name it. */
  readonly called: string
  readonly per: Budget["per"]
  readonly binds: (className: string) => boolean
  readonly path: Path
}

/** Accounts of teams and organisations need callers that have one. */
const checkOwners = (policy: Policy, found: Found, { binds, called, path, per }: Kept): void => {
  if (per !== "team" && per !== "organisation") return
  const code = per === "team" ? "key-without-team" : "key-without-organisation"
  for (const [key, spec] of Object.entries(policy.keys)) {
    if (binds(spec.class) && spec[per] === undefined)
      found("error", ["keys", key], code, `budget ${called} is kept for each ${per}, and \`${key}\` has none`, `say its \`${per}\``)
  }
  if (binds(local.class) && Object.keys(policy.keys).length === 0)
    found("error", path, code, `budget ${called} is kept for each ${per}, and callers without keys have none`)
}

export const checkBudgets = (policy: Policy, found: Found): void => {
  const bound = new Set<string>()

  for (const [name, { within }] of Object.entries(policy.classes)) {
    for (const [i, budget] of within.entries()) {
      bound.add(budget)
      if (!Object.hasOwn(policy.budgets, budget)) {
        const fix = didYouMean(budget, Object.keys(policy.budgets))
        found("error", ["classes", name, "within", i], "unknown-budget", `unknown budget \`${budget}\``, fix)
        continue
      }
      checkOwners(policy, found, {
        called: `\`${budget}\``,
        per: policy.budgets[budget]!.per,
        binds: (of) => of === name,
        path: ["classes", name, "within", i]
      })
    }
  }
  for (const [i, { budgets, name: layer }] of policy.layers.entries()) {
    for (const [budget, { per }] of Object.entries(budgets)) {
      const path = ["layers", i, "budgets", budget]
      checkOwners(policy, found, { called: `\`${budget}\` of \`${layer}\``, per, binds: () => true, path })
    }
  }
  for (const budget of Object.keys(policy.budgets)) {
    if (bound.has(budget)) continue
    found("error", ["budgets", budget], "budget-binds-nobody", `no class spends from \`${budget}\``, "name it in `within` of a class")
  }
}
