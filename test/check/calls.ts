/** Calls that can be: facts of a generated request, settled to what hangs together. */
import { apiNames } from "../../src/Apis.ts"
import type { Compiled } from "../../src/Compile.ts"
import { budgetFacts } from "../../src/Facts.ts"
import { budgetsOf, budgetsOfAll } from "../../src/Layers.ts"
import type { FactValues, Value } from "../reference.ts"

/** A steered fact may be `"other"` than it was. */
const size = (value: Value | undefined): number => (value === "other" ? 7 : Math.abs(Number(value ?? 0)))

/** A target is up as long as one of its credentials is, whatever names share them. */
export const sharedHealth = ({ targets }: Compiled, facts: Readonly<Record<string, Value>>): Record<string, Value> => {
  const upOf = (name: string): string => `health.${name}.up`
  const down = new Set(
    [...targets.values()].flatMap(({ accounts, name }) => (facts[upOf(name)] === false ? accounts.map(({ identity }) => identity) : []))
  )
  const shared = [...targets.values()].filter(({ name }) => facts[upOf(name)] !== undefined)
  return Object.fromEntries(shared.map(({ accounts, name }) => [upOf(name), accounts.some(({ identity }) => !down.has(identity))]))
}

/** The same call of a key that the policy declares, whichever is meant, or of somebody of a class of it where `issued` says so. */
export const settled = (of: Compiled, given: FactValues, issued = false): FactValues => {
  const { budgets, policy, targets } = of
  const facts: Record<string, Value> = { ...given }
  const { classes, keys, tags } = policy
  const names = Object.keys(keys)
  const key = names.includes(String(facts["caller.key"]))
    ? String(facts["caller.key"])
    : names[String(facts["caller.key"]).length % Math.max(1, names.length)]
  const known = Object.keys(classes).concat(names.length === 0 ? ["local"] : [])
  if (issued && known.length > 0) {
    if (key === facts["caller.key"]) facts["caller.key"] = "from elsewhere"
    if (!known.includes(String(facts["caller.class"]))) facts["caller.class"] = known[String(facts["caller.class"]).length % known.length]!
  } else {
    const caller = key === undefined ? { class: "local", tags: [] } : keys[key]!
    facts["caller.key"] = key ?? "local"
    facts["caller.class"] = caller.class
    facts["caller.team"] = ("team" in caller ? caller.team : undefined) ?? null
    facts["caller.organisation"] = ("organisation" in caller ? caller.organisation : undefined) ?? null
    for (const tag of tags) facts[`caller.tags.${tag}`] = (caller.tags as ReadonlyArray<string>).includes(tag)
  }
  for (const count of ["request.inputTokens", "request.messages"])
    facts[count] = Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(size(facts[count])))
  facts["time.hour"] = Math.ceil(size(facts["time.hour"])) % 24
  if (!apiNames.includes(String(facts["request.api"]))) facts["request.api"] = apiNames[0]!
  if (facts["request.model"] === "") facts["request.model"] = "x"
  if (facts["request.maxOutputTokens"] === "other") facts["request.maxOutputTokens"] = 7
  const health = new Map<string, readonly [up: Value, latencyMillis: Value]>()
  for (const [name, { identity }] of targets) {
    const [up, latency] = health.get(identity) ?? [facts[`health.${name}.up`]!, facts[`health.${name}.latencyMillis`]!]
    const latencyMillis = latency === null ? null : size(latency)
    health.set(identity, [up, latencyMillis])
    Object.assign(facts, { [`health.${name}.up`]: up, [`health.${name}.latencyMillis`]: latencyMillis })
  }
  Object.assign(facts, sharedHealth(of, facts))
  const name = String(facts["caller.class"])
  const bound = new Set([...budgetsOfAll(policy), ...(Object.hasOwn(classes, name) ? classes[name]!.within : [])])
  for (const budget of Object.keys(budgetsOf(policy))) {
    const limit = budgets.limitOf(budget)
    const binds = bound.has(budget)
    const spent = binds ? Math.round(Math.min(1e6, size(facts[`budget.${budget}.spent`])) * 1e9) : 0
    for (const [what, amount] of Object.entries(budgetFacts)) facts[`budget.${budget}.${what}`] = amount(spent, limit, !binds)
  }
  return facts
}
