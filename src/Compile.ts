/**
 * From a checked policy to what serves: conditions and splits become closures, strategies a tree of plans with numbered slots, names become targets.
 *
 * Total after a clean check, and nothing here is interpreted per call: `decide` runs the closures of routes in order and fills the slots of the one that
 * matches. `Pipeline.ts` turns each route's plan into the Effect that carries it out. Runs at load.
 */
import * as Match from "effect/Match"
import { answerSlotOf, answerVocabulary, factsOfAnswer } from "./AnswerFacts.ts"
import type { AnswerFacts } from "./Attempt.ts"
import { type Budgets, makeBudgets } from "./Budgets.ts"
import * as Condition from "./Condition.ts"
import { makeFinder } from "./compile/finder.ts"
import { ConditionThrew } from "./condition/opaque.ts"
import { type Decision, makeSummaries, type Summaries } from "./Decision.ts"
import { type Facts, type FactTable, factNames, makeTable, typeOf } from "./Facts.ts"
import type { FailureClass } from "./Failure.ts"
import { recoverableByDefault, retriedByDefault } from "./Failure.ts"
import { type Grant, grantsAll, makeGrants } from "./Grants.ts"
import { bucketOf } from "./Murmur3.ts"
import { type Limits, limitsOf } from "./Limits.ts"
import { type Policy, type Send, type SpreadBy, type Strategy, hash, toMillis } from "./Policy.ts"
import { noPrices, type PriceSource } from "./Price.ts"
import { factsOfOpenModels, makeRules, permits, type Rule, ruledOut } from "./Rules.ts"
import { makeModels, makeTargets, type Models, overriddenTarget, type Resolution, type Target } from "./Target.ts"

/** A strategy ready to be carried out. `slot` is where a decision keeps what was settled for this node. */
export type Plan =
  | SendPlan
  | { readonly _tag: "Asked" }
  | { readonly _tag: "Deny"; readonly status: number; readonly code: string; readonly message: string }
  /** `roomier`: after a request that was too long it goes on with larger windows alone. */
  | { readonly _tag: "First"; readonly of: ReadonlyArray<Plan>; readonly on: ReadonlySet<FailureClass>; readonly roomier: boolean }
  | { readonly _tag: "Split"; readonly slot: number; readonly arms: ReadonlyArray<{ readonly name: string; readonly plan: Plan }> }
  | { readonly _tag: "When"; readonly slot: number; readonly condition: Condition.Condition; readonly then: Plan; readonly otherwise: Plan }
  /** Spreads of one `state` choose in turn together: a pool is one, wherever it is used. */
  | { readonly _tag: "Spread"; readonly by: SpreadBy; readonly state: string; readonly of: ReadonlyArray<SendPlan> }
  | { readonly _tag: "Hedge"; readonly of: Plan; readonly afterMillis: number; readonly with: Plan }
  /** `slot` is 1 where a call is copied. */
  | { readonly _tag: "Shadow"; readonly slot: number; readonly of: Plan; readonly copy: Plan; readonly sample: number }
  | {
      readonly _tag: "Escalate"
      readonly of: Plan
      readonly condition: Condition.Condition
      readonly accepts: (answer: AnswerFacts) => boolean
      readonly to: Plan
    }
  | { readonly _tag: "Within"; readonly millis: number; readonly of: Plan }
  | {
      readonly _tag: "Retry"
      readonly attempts: number
      readonly firstMillis: number
      readonly longestMillis: number
      readonly on: ReadonlySet<FailureClass>
      readonly of: Plan
    }

/** One target. The slot says which of its rules keeps it out, counted from 1, or 0; it is -1 where the target has no rules. */
export interface SendPlan {
  readonly _tag: "Send"
  readonly target: Target
  readonly slot: number
  readonly rules: ReadonlyArray<Rule>
}

export interface CompiledRoute {
  readonly index: number
  readonly name: string
  readonly condition: Condition.Condition | undefined
  readonly test: Condition.Test | undefined
  readonly plan: Plan
  readonly limits: Limits
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
  /** What keeps a target out before anything is sent, in the order in which it is asked. */
  readonly rulesOf: (target: Target) => ReadonlyArray<Rule>
  /** Whether nothing keeps a target out of a call with these facts. */
  readonly permits: (target: Target, facts: Facts) => boolean
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

interface LoweredRoute extends CompiledRoute {
  readonly settle: Settle
  /** Slots of which nothing is settled. */
  readonly blank: ReadonlyArray<number>
  /** Where the model asked for lies; -1 where the route does not ask. */
  readonly modelSlot: number
}

const nothing: Settle = () => {}

/** Whether all could be settled. */
const settles = (settle: Settle, facts: Facts, slots: Array<number>): boolean => {
  try {
    settle(facts, slots)
    return true
  } catch (error) {
    if (!(error instanceof ConditionThrew)) throw error
    return false
  }
}

const holdsOrThrows = (test: Condition.Test, facts: Facts): boolean => {
  try {
    return test(facts)
  } catch {
    return true
  }
}

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
  const vocabulary: Condition.Vocabulary = { names, typeOf: (name) => typeOf(name, policy) }
  // INVARIANT: the checker has reported every condition that does not parse.
  const conditionOf = (json: unknown): Condition.Condition => Condition.parse(json, [], vocabulary, () => {})!
  const conditions: Array<Condition.Condition> = []
  const grants = makeGrants(policy)
  const rulesOf = makeRules({ policy, slotOf: facts.slotOf, grants, restricted: !grantsAll(policy), conditionOf })

  const routes = policy.routes.map((route, index): LoweredRoute => {
    const labels: Array<ReadonlyArray<string>> = []
    let asks = false
    let spreads = 0
    const together = (parts: ReadonlyArray<Lowered>): Settle => {
      const settles = parts.map((part) => part.settle).filter((settle) => settle !== nothing)
      if (settles.length === 0) return nothing
      if (settles.length === 1) return settles[0]!
      return (facts, slots) => {
        for (let i = 0; i < settles.length; i++) settles[i]!(facts, slots)
      }
    }
    const send = ({ set, target: name }: Send): Lowered & { readonly plan: SendPlan } => {
      const target = set === undefined ? targets.get(name)! : overriddenTarget(policy, name, set, prices)
      const rules = rulesOf(target)
      if (rules.length === 0) return { plan: { _tag: "Send", target, slot: -1, rules }, settle: nothing }
      const slot = labels.push(["", ...rules.map((rule) => `${name}.${rule.label}`)]) - 1
      return {
        plan: { _tag: "Send", target, slot, rules },
        settle: (facts, slots) => {
          slots[slot] = ruledOut(rules, facts)
        }
      }
    }
    const spread = (by: SpreadBy, state: string, of: ReadonlyArray<Send>): Lowered => {
      const parts = of.map(send)
      return { plan: { _tag: "Spread", by, state, of: parts.map((part) => part.plan) }, settle: together(parts) }
    }
    const lower: (strategy: Strategy) => Lowered = Match.typeTags<Strategy>()({
      Send: send,
      Asked: (): Lowered => {
        asks = true
        return { plan: { _tag: "Asked" }, settle: nothing }
      },
      Deny: ({ code, message, status }): Lowered => ({ plan: { _tag: "Deny", status, code, message }, settle: nothing }),
      First: ({ of, on }): Lowered => {
        const parts = of.map(lower)
        return {
          plan: { _tag: "First", of: parts.map((part) => part.plan), on: new Set(on ?? recoverableByDefault), roomier: on === undefined },
          settle: together(parts)
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
      Spread: ({ by, of }): Lowered => spread(by, `${route.name}/${spreads++}`, of),
      Pool: ({ pool }): Lowered => spread(policy.pools[pool]!.by, pool, policy.pools[pool]!.of),
      When: (strategy): Lowered => {
        const slot = labels.push(["when.otherwise", "when.then"]) - 1
        const condition = conditionOf(strategy.if)
        conditions.push(condition)
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
      Hedge: ({ after, of, with: other }): Lowered => {
        const parts = [lower(of), lower(other)] as const
        return { plan: { _tag: "Hedge", of: parts[0].plan, afterMillis: toMillis(after), with: parts[1].plan }, settle: together(parts) }
      },
      // What a condition of the copy throws at is not copied: its caller never sees it fail.
      Shadow: ({ copy, of, sample }): Lowered => {
        const slot = labels.push(["", "shadow"]) - 1
        const unit = facts.slotOf("request.id")
        const parts = [lower(of), lower(copy)] as const
        return {
          plan: { _tag: "Shadow", slot, of: parts[0].plan, copy: parts[1].plan, sample },
          settle: (facts, slots) => {
            const isCopied = bucketOf(`shadow ${route.name}`, facts[unit] as string, 100) < sample
            slots[slot] = isCopied ? 1 : 0
            parts[0].settle(facts, slots)
            if (!isCopied) return
            const before = slots.slice()
            if (settles(parts[1].settle, facts, slots)) return
            for (let i = 0; i < slots.length; i++) slots[i] = before[i]!
            slots[slot] = 0
          }
        }
      },
      Escalate: ({ if: json, of, to }): Lowered => {
        const parts = [lower(of), lower(to)] as const
        // INVARIANT: the checker has reported every condition that does not parse.
        const condition = Condition.parse(json, [], answerVocabulary, () => {})!
        const test = Condition.compile(condition, answerSlotOf)
        const accepts = (answer: AnswerFacts): boolean => {
          try {
            return !test(factsOfAnswer(answer))
          } catch (error) {
            // What cannot be evaluated lets nothing through.
            if (!(error instanceof ConditionThrew)) throw error
            return false
          }
        }
        return { plan: { _tag: "Escalate", of: parts[0].plan, condition, accepts, to: parts[1].plan }, settle: together(parts) }
      },
      Within: ({ duration, of }): Lowered => {
        const { plan, settle } = lower(of)
        return { plan: { _tag: "Within", millis: toMillis(duration), of: plan }, settle }
      },
      Retry: ({ attempts, backoff, of, on }): Lowered => {
        const { plan, settle } = lower(of)
        const [firstMillis, longestMillis] = [toMillis(backoff.first), toMillis(backoff.longest)]
        return { plan: { _tag: "Retry", attempts, firstMillis, longestMillis, on: new Set(on ?? retriedByDefault), of: plan }, settle }
      }
    })
    const condition = route.when === undefined ? undefined : conditionOf(route.when)
    if (condition !== undefined) conditions.push(condition)
    // INVARIANT: a condition of the last route holds of whatever comes to it, so that it is not asked.
    const test = condition === undefined || index === policy.routes.length - 1 ? undefined : Condition.compile(condition, facts.slotOf)
    const { plan, settle } = lower(route.to)
    return {
      index,
      name: route.name,
      condition,
      test,
      slots: labels.length,
      summaries: makeSummaries(route.name, labels),
      plan,
      limits: limitsOf(policy, route),
      settle,
      blank: new Array<number>(labels.length).fill(-1),
      modelSlot: asks ? facts.slotOf("request.model") : -1
    }
  })
  if (routes.some((route) => route.modelSlot !== -1)) {
    // What the rules of any model may read gets its slot before the first call is read.
    for (const target of targets.values()) rulesOf(target)
    for (const fact of factsOfOpenModels(policy)) facts.slotOf(fact)
  }
  const models = makeModels(policy, targets, mentionedModels(conditions), prices)

  const find = makeFinder(routes, facts.slotOf)

  const resolve = (facts: Facts, modelSlot: number): Resolution => {
    const resolution = models.resolve(facts[modelSlot] as string)
    if (resolution._tag !== "Found") return resolution
    const rules = rulesOf(resolution.target)
    const out = ruledOut(rules, facts)
    return out === 0 ? resolution : { _tag: "RuledOut", target: resolution.target, rule: rules[out - 1]! }
  }

  const decide = (facts: Facts): Decision => {
    try {
      const index = find(facts)
      const { blank, modelSlot, settle } = routes[index]!
      const slots = blank.slice()
      settle(facts, slots)
      return { route: index, slots, asked: modelSlot === -1 ? undefined : resolve(facts, modelSlot), threw: undefined }
    } catch (error) {
      if (!(error instanceof ConditionThrew)) throw error
      return denied(facts, error.reason)
    }
  }

  /** A condition that cannot be evaluated lets nothing through: the call is denied at the route where it stands. */
  const denied = (facts: Facts, reason: string): Decision => {
    const index = routes.findIndex(({ test }) => test === undefined || holdsOrThrows(test, facts))
    return { route: index, slots: routes[index]!.blank, asked: undefined, threw: reason }
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
    rulesOf,
    permits: (target, facts) => permits(rulesOf(target), facts),
    budgets: makeBudgets(policy),
    decide
  }
}
