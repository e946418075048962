/** What a decision leaves of a route and of each part of it, read off the compiled plan and its slots. */
import { apiNames } from "../../src/Apis.ts"
import type { Compiled, Plan, SendPlan } from "../../src/Compile.ts"
import type { Decision } from "../../src/Decision.ts"
import { budgetFacts } from "../../src/Facts.ts"
import type { Path } from "../../src/Finding.ts"
import { callersOf, local } from "../../src/Keys.ts"
import { budgetsOf, budgetsOfAll } from "../../src/Layers.ts"
import type { Rule } from "../../src/Rules.ts"
import type { Target } from "../../src/Target.ts"
import { weekdays } from "../../src/ZonedClock.ts"
import type { FactValues, Value } from "../reference.ts"
import { sharedHealth } from "./calls.ts"

export const ruleOf = ({ rules, slot }: SendPlan, { slots }: Decision): Rule | undefined =>
  slot === -1 || slots[slot]! < 1 ? undefined : rules[slots[slot]! - 1]

/** The parts of a plan of which one is enough; undefined of one that has none. */
const alternatives = (plan: Plan): ReadonlyArray<Plan> | undefined => {
  switch (plan._tag) {
    case "First":
    case "Spread":
      return plan.of
    case "Hedge":
      return [plan.of, plan.with]
    case "Escalate":
      return [plan.of, plan.to]
    default:
      return undefined
  }
}

/** The plan that a decision settles on, of those of which it chooses one. */
const chosen = (plan: Plan, { slots }: Decision): Plan | undefined => {
  switch (plan._tag) {
    case "Split":
      return plan.arms[slots[plan.slot]!]?.plan
    case "When":
      return slots[plan.slot] === 1 ? plan.then : plan.otherwise
    // Nobody waits for a copy.
    case "Shadow":
    case "Within":
    case "Retry":
      return plan.of
    default:
      return undefined
  }
}

/** The sends that may be carried out. */
export const open = (plan: Plan, decision: Decision): ReadonlyArray<SendPlan> => {
  if (plan._tag === "Send") return [plan]
  const inner = chosen(plan, decision)
  return inner === undefined ? (alternatives(plan) ?? []).flatMap((part) => open(part, decision)) : open(inner, decision)
}

/** Whether a plan is refused by its author before anything is sent. */
const isDenied = (plan: Plan, decision: Decision): boolean => {
  if (plan._tag === "Deny") return true
  const inner = chosen(plan, decision)
  if (inner !== undefined) return isDenied(inner, decision)
  return (plan._tag === "First" || plan._tag === "Hedge" || plan._tag === "Escalate") && isDenied(alternatives(plan)![0]!, decision)
}

/** The targets that a call, and its copies, may be sent to, if those before them are refused or fail: none after a `deny`. */
export const sent = (plan: Plan, decision: Decision, copied = true): ReadonlyArray<Target> => {
  if (plan._tag === "Send") return ruleOf(plan, decision) === undefined ? [plan.target] : []
  if (plan._tag === "Asked") return decision.asked?._tag === "Found" ? [decision.asked.target] : []
  if (plan._tag === "Shadow") {
    const own = sent(plan.of, decision)
    return [...own, ...(copied && own.length > 0 && decision.slots[plan.slot] === 1 ? sent(plan.copy, decision, false) : [])]
  }
  const inner = chosen(plan, decision)
  if (inner !== undefined) return sent(inner, decision, copied)
  const parts = alternatives(plan) ?? []
  const end = parts.findIndex((part) => isDenied(part, decision))
  return (end === -1 ? parts : parts.slice(0, end)).flatMap((part) => sent(part, decision, copied))
}

/** Whether nothing of a plan is left. */
export const isLost = (plan: Plan, decision: Decision): boolean => {
  if (plan._tag === "Send") return ruleOf(plan, decision) !== undefined
  const inner = chosen(plan, decision)
  if (inner !== undefined) return isLost(inner, decision)
  return alternatives(plan)?.every((part) => isLost(part, decision)) ?? false
}

/** What stands at a finding's path, undefined where the decision does not come by there. */
export const planAt = ({ policy, routes }: Compiled, decision: Decision, path: Path): Plan | undefined => {
  if (decision.route !== path[1] || decision.threw !== undefined) return undefined
  let plan: Plan | undefined = routes[decision.route]!.plan
  for (let i = 3; plan !== undefined && i < path.length; i++) {
    const at: Plan = plan
    switch (at._tag) {
      case "First":
      case "Spread":
        plan = at.of[path[++i] as number]
        break
      case "Hedge":
        plan = path[i] === "with" ? at.with : at.of
        break
      case "Escalate":
        plan = path[i] === "to" ? at.to : at.of
        break
      case "Shadow":
        plan = path[i] === "copy" ? (decision.slots[at.slot] === 1 ? at.copy : undefined) : at.of
        break
      case "Split": {
        const arm = path[++i] as number
        plan = decision.slots[at.slot] === arm ? at.arms[arm]!.plan : undefined
        if (path[i + 1] === "to") i++
        break
      }
      case "When":
        plan = (decision.slots[at.slot] === 1) === (path[i] === "then") ? (path[i] === "then" ? at.then : at.otherwise) : undefined
        break
      case "Within":
      case "Retry":
        plan = at.of
        break
      default:
        throw new Error(`nothing is at ${path.join(".")} of ${JSON.stringify(policy.routes[decision.route])}`)
    }
  }
  return plan
}

/** The same facts as a call can have them, of a key that the policy declares or of another that was `issued`; undefined where there is no such caller. */
export const plausible = (of: Compiled, given: FactValues, issued = true): FactValues | undefined => {
  const { budgets, policy, targets } = of
  const facts: Record<string, Value> = { ...given }
  const { keys, tags } = policy
  const key = String(facts["caller.key"])
  const keyless = Object.keys(keys).length === 0
  if (Object.hasOwn(keys, key) || (keyless && key === "local")) {
    const { class: name, organisation = null, tags: own, team = null } = callersOf(policy).get(key) ?? local
    Object.assign(facts, { "caller.class": name, "caller.team": team, "caller.organisation": organisation })
    for (const tag of tags) facts[`caller.tags.${tag}`] = own.includes(tag)
  } else if (!issued || !Object.hasOwn(policy.classes, String(facts["caller.class"])) || (keyless && facts["caller.class"] === "local"))
    return undefined
  if (!apiNames.includes(String(facts["request.api"]))) facts["request.api"] = apiNames[0]!
  if (facts["request.model"] === "") facts["request.model"] = "x"
  for (const name of Object.keys(facts))
    if (name.endsWith(".latencyMillis") && facts[name] !== null) facts[name] = Math.abs(Number(facts[name]) || 0)
  // The health of one deployment is one, under whatever names it goes.
  const deployments = new Map<string, string>()
  for (const { identity, name } of targets.values()) {
    const first = deployments.get(identity) ?? name
    deployments.set(identity, first)
    for (const what of ["up", "latencyMillis"]) {
      const value = facts[`health.${first}.${what}`]
      if (value !== undefined) facts[`health.${name}.${what}`] = value
    }
  }
  Object.assign(facts, sharedHealth(of, facts))
  facts["time.hour"] = Math.abs(Math.trunc(Number(facts["time.hour"]) || 0)) % 24
  if (!(weekdays as ReadonlyArray<unknown>).includes(facts["time.weekday"])) facts["time.weekday"] = "monday"
  const name = String(facts["caller.class"])
  const bound = new Set([...budgetsOfAll(policy), ...(Object.hasOwn(policy.classes, name) ? policy.classes[name]!.within : [])])
  for (const budget of Object.keys(budgetsOf(policy))) {
    const limit = budgets.limitOf(budget)
    const binds = bound.has(budget)
    const spent = binds ? Math.round(Math.min(1e6, Math.abs(Number(facts[`budget.${budget}.spent`]) || 0)) * 1e9) : 0
    for (const [what, amount] of Object.entries(budgetFacts)) facts[`budget.${budget}.${what}`] = amount(spent, limit, !binds)
  }
  return facts
}
