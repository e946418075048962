/**
 * From a checked policy to what serves: conditions and splits become closures, strategies a tree of plans with numbered slots, names become targets.
 *
 * Total after a clean check, and nothing here is interpreted per call: `decide` runs the closures of routes in order and fills the slots of the one that
 * matches. `Pipeline.ts` turns each route's plan into the Effect that carries it out. Runs at load.
 */
import * as Match from "effect/Match"
import { type Budgets, makeBudgets } from "./Budgets.ts"
import * as Condition from "./Condition.ts"
import { type Decision, makeSummaries, type Summaries } from "./Decision.ts"
import { type Facts, type FactTable, factNames, makeTable, typeOf } from "./Facts.ts"
import type { FailureClass } from "./Failure.ts"
import { recoverableByDefault } from "./Failure.ts"
import { type Grant, grantsAll, makeGrants } from "./Grants.ts"
import { bucketOf } from "./Murmur3.ts"
import { type Policy, type Strategy, hash, toMillis } from "./Policy.ts"
import { noPrices, type PriceSource } from "./Price.ts"
import { makeModels, makeTargets, type Models, type Resolution, type Target } from "./Target.ts"

/** A strategy ready to be carried out. `slot` is where a decision keeps what was settled for this node. */
export type Plan =
  /** The slot says whether the caller's class may reach the target: 0 or 1 for no; -1 where everybody may. */
  | { readonly _tag: "Send"; readonly target: Target; readonly slot: number }
  | { readonly _tag: "Asked" }
  | { readonly _tag: "Deny"; readonly status: number; readonly code: string; readonly message: string }
  | { readonly _tag: "First"; readonly of: ReadonlyArray<Plan>; readonly on: ReadonlySet<FailureClass> }
  | { readonly _tag: "Split"; readonly slot: number; readonly arms: ReadonlyArray<{ readonly name: string; readonly plan: Plan }> }
  | { readonly _tag: "When"; readonly slot: number; readonly condition: Condition.Condition; readonly then: Plan; readonly otherwise: Plan }
  | { readonly _tag: "Within"; readonly millis: number; readonly of: Plan }

export interface CompiledRoute {
  readonly index: number
  readonly name: string
  readonly condition: Condition.Condition | undefined
  readonly test: Condition.Test | undefined
  readonly plan: Plan
  /** How many slots its decisions have. */
  readonly slots: number
  /** What the slots say, in words. */
  readonly summaries: Summaries
}

export interface Compiled {
  readonly policy: Policy
  readonly hash: string
  /** The beginning of the hash, as headers and records show it. */
  readonly shortHash: string
  readonly facts: FactTable
  readonly targets: ReadonlyMap<string, Target>
  readonly routes: ReadonlyArray<CompiledRoute>
  readonly models: Models
  readonly grants: (className: string) => Grant
  readonly budgets: Budgets
  /** Pure and synchronous: equal facts give equal decisions. */
  readonly decide: (facts: Facts) => Decision
}

/** Settles what depends on facts alone, for the part of the plan that can still be reached. */
type Settle = (facts: Facts, slots: Array<number>) => void

/** A strategy compiled: what to carry out, and what to settle beforehand. */
interface Lowered {
  readonly plan: Plan
  readonly settle: Settle
}

const nothing: Settle = () => {}

/** The model names that conditions ask for by name. */
const mentionedModels = (conditions: ReadonlyArray<Condition.Condition>): ReadonlyArray<string> => {
  const names = new Set<string>()
  const go = (condition: Condition.Condition): void => {
    if (condition._tag === "All" || condition._tag === "Any") condition.of.forEach(go)
    else if (condition._tag === "Is" && condition.fact === "request.model") names.add(String(condition.value))
    else if (condition._tag === "OneOf" && condition.fact === "request.model") condition.values.forEach((value) => names.add(String(value)))
  }
  conditions.forEach(go)
  return [...names]
}

/** Compiles a checked policy. */
export const compile = (policy: Policy, prices: PriceSource = noPrices): Compiled => {
  const facts = makeTable(policy)
  const targets = makeTargets(policy, prices)
  const names = factNames(policy)
  const conditionOf = (json: unknown): Condition.Condition =>
    // INVARIANT: the checker has accepted every condition.
    Condition.parse(json, [], { names, typeOf: (name) => typeOf(name, policy) }, () => {})!
  const models = makeModels(
    policy,
    targets,
    mentionedModels(policy.routes.flatMap((route) => (route.when === undefined ? [] : [conditionOf(route.when)]))),
    prices
  )

  const grants = makeGrants(policy)
  const restricted = !grantsAll(policy)
  // What a class may reach is a fact's consequence like any other, so the decision reads the class where a rule restricts it.
  const classSlot = restricted ? facts.slotOf("caller.class") : -1

  const routes = policy.routes.map((route, index): CompiledRoute & { readonly settle: Settle; readonly modelSlot: number } => {
    const labels: Array<ReadonlyArray<string>> = []
    let asks = false
    const lower: (strategy: Strategy) => Lowered = Match.typeTags<Strategy>()({
      Send: ({ target: name }): Lowered => {
        const target = targets.get(name)!
        if (!restricted) return { plan: { _tag: "Send", target, slot: -1 }, settle: nothing }
        const slot = labels.push(["", `${name}.not-granted`]) - 1
        const granted = new Set(Object.keys(policy.classes).filter((className) => grants(className)(target) === undefined))
        return {
          plan: { _tag: "Send", target, slot },
          settle: (facts, slots) => {
            slots[slot] = granted.has(facts[classSlot] as string) ? 0 : 1
          }
        }
      },
      Asked: (): Lowered => {
        asks = true
        return { plan: { _tag: "Asked" }, settle: nothing }
      },
      Deny: ({ code, message, status }): Lowered => ({ plan: { _tag: "Deny", status, code, message }, settle: nothing }),
      First: ({ of, on }): Lowered => {
        const parts = of.map(lower)
        const settles = parts.map((part) => part.settle).filter((settle) => settle !== nothing)
        return {
          plan: { _tag: "First", of: parts.map((part) => part.plan), on: new Set(on ?? recoverableByDefault) },
          settle:
            settles.length === 0
              ? nothing
              : (facts, slots) => {
                  for (const settle of settles) settle(facts, slots)
                }
        }
      },
      Split: ({ arms, by, salt }): Lowered => {
        const slot = labels.push(arms.map((arm) => `split.${arm.name}`)) - 1
        const unit = facts.slotOf(by.fact)
        const absent = by.or ?? ""
        const total = arms.reduce((sum, arm) => sum + arm.weight, 0)
        const parts = arms.map((arm) => lower(arm.to))
        const settles = parts.map((part) => part.settle)
        const bounds: Array<number> = []
        for (const arm of arms) bounds.push((bounds.at(-1) ?? 0) + arm.weight)
        return {
          plan: { _tag: "Split", slot, arms: arms.map((arm, i) => ({ name: arm.name, plan: parts[i]!.plan })) },
          settle: (facts, slots) => {
            const bucket = bucketOf(salt, (facts[unit] as string | null) ?? absent, total)
            let arm = 0
            while (bucket >= bounds[arm]!) arm++
            slots[slot] = arm
            settles[arm]!(facts, slots)
          }
        }
      },
      When: (strategy): Lowered => {
        const slot = labels.push(["when.otherwise", "when.then"]) - 1
        const condition = conditionOf(strategy.if)
        const test = Condition.compile(condition, facts.slotOf)
        const [then, otherwise] = [lower(strategy.then), lower(strategy.otherwise)]
        return {
          plan: { _tag: "When", slot, condition, then: then.plan, otherwise: otherwise.plan },
          settle: (facts, slots) => {
            const holds = test(facts)
            slots[slot] = holds ? 1 : 0
            if (holds) then.settle(facts, slots)
            else otherwise.settle(facts, slots)
          }
        }
      },
      Within: ({ duration, of }): Lowered => {
        const { plan, settle } = lower(of)
        return { plan: { _tag: "Within", millis: toMillis(duration), of: plan }, settle }
      }
    })
    const condition = route.when === undefined ? undefined : conditionOf(route.when)
    const test = condition === undefined ? undefined : Condition.compile(condition, facts.slotOf)
    const { plan, settle } = lower(route.to)
    return {
      index,
      name: route.name,
      condition,
      test,
      slots: labels.length,
      summaries: makeSummaries(route.name, labels),
      plan,
      settle,
      modelSlot: asks ? facts.slotOf("request.model") : -1
    }
  })

  const resolve = (facts: Facts, modelSlot: number): Resolution => {
    const resolution = models.resolve(facts[modelSlot] as string)
    if (classSlot === -1 || resolution._tag !== "Found") return resolution
    const rule = grants(facts[classSlot] as string)(resolution.target)
    return rule === undefined ? resolution : { _tag: "NotGranted", target: resolution.target, rule }
  }

  const decide = (facts: Facts): Decision => {
    let i = 0
    // INVARIANT: the last route has no condition.
    while (i < routes.length - 1 && routes[i]!.test !== undefined && !routes[i]!.test!(facts)) i++
    const route = routes[i]!
    const slots: Array<number> = new Array(route.slots).fill(-1)
    route.settle(facts, slots)
    return { route: i, slots, asked: route.modelSlot === -1 ? undefined : resolve(facts, route.modelSlot) }
  }

  const content = hash(policy)
  return {
    policy,
    hash: content,
    shortHash: content.slice(0, 12),
    facts,
    targets,
    routes,
    models,
    grants,
    budgets: makeBudgets(policy),
    decide
  }
}
