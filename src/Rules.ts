/**
 * What keeps a candidate out before anything is sent: the grants of the caller's class, the guards, and what its model is known to lack, asked in this order.
 *
 * One list of rules for each target, made once with only the rules that can apply to it, and evaluated when deciding; every way to a target (`send`, a member of
 * `spread`, the model asked for) goes through the same list, so no strategy leads around one. A rejected candidate is never replaced here: that is its surroundings' affair.
 *
 * The first rule that rejects is the one that is told. A guard whose condition may throw is asked all the same: else a further rule could hide what denies the call, and so
 * open a way to other candidates, and laying a rule over a policy would not always narrow it.
 *
 * Only a known lack rejects. Context is held against the estimate of input tokens, output against the most that the caller will take where the limit is the model's own;
 * a `maxOutputTokens` of the policy is not a lack but its cap.
 */
import * as Condition from "./Condition.ts"
import { ConditionThrew, mayThrow } from "./condition/opaque.ts"
import { open, passes, type Screen, screenOf } from "./condition/screen.ts"
import type { Facts } from "./Facts.ts"
import type { Grant } from "./Grants.ts"
import { type GatewayError, refuse } from "./GatewayError.ts"
import { keepsOut } from "./Guards.ts"
import type { Caller } from "./Keys.ts"
import { guardsOf } from "./Layers.ts"
import type { Capabilities } from "./Models.ts"
import type { Capability, Policy } from "./Policy.ts"
import { modelsOf, type Target } from "./Target.ts"

export interface Rule {
  readonly by: "grant" | "guard" | "capability"
  /** In the summary of a decision, behind the target's name: `not-granted`, `guard-eu-only`, `lacks-vision`. */
  readonly label: string
  /** What must hold of a call for it to keep its target out, … */
  readonly screen: Screen
  /** … and what else. */
  readonly test: Condition.Test | undefined
  /** Whether asking may throw. */
  readonly mayThrow: boolean
  /** What the caller is told if this is what decides. */
  readonly error: (caller: Caller) => GatewayError
  /** Why, in words. */
  readonly why: (caller: Caller) => string
}

/** What a request can need, with the fact that says so. */
export const needs = {
  vision: "request.needs.vision",
  audio: "request.needs.audio",
  files: "request.needs.files",
  tools: "request.needs.tools",
  structuredOutput: "request.needs.structuredOutput",
  reasoning: "request.needs.reasoning"
} as const satisfies Record<Capability, string>

const lacking: Record<Capability, string> = {
  vision: "reads no images",
  audio: "hears no sound",
  files: "reads no files",
  tools: "calls no tools",
  structuredOutput: "keeps to no schema",
  reasoning: "does not reason"
}

/** Something that a model is known to lack, and the fact by which a request needs it: whether it is true, or how much it is. */
export interface Lack {
  readonly label: string
  readonly says: string
  readonly fact: string
  /** The most that there is; undefined where there is nothing of it. */
  readonly most: number | undefined
}

const lacksOfModel = (capabilities: Capabilities): ReadonlyArray<Lack> => {
  const lacks: Array<Lack> = []
  for (const [name, fact] of Object.entries(needs) as ReadonlyArray<[Capability, string]>)
    if (capabilities[name] === false) lacks.push({ label: name, says: lacking[name], fact, most: undefined })
  const { contextWindow, maxOutputTokens } = capabilities
  if (contextWindow !== undefined)
    lacks.push({ label: "context", says: `reads ${contextWindow} tokens at most`, fact: "request.inputTokens", most: contextWindow })
  if (maxOutputTokens !== undefined)
    lacks.push({
      label: "output",
      says: `answers ${maxOutputTokens} tokens at most`,
      fact: "request.maxOutputTokens",
      most: maxOutputTokens
    })
  return lacks
}

/** What a target is known to lack. A maximum of the policy's own caps its answers, so that the model's is no lack. */
export const lacksOf = (policy: Pick<Policy, "targets">, { capabilities, declared, name, set }: Target): ReadonlyArray<Lack> => {
  const lacks = lacksOfModel(capabilities)
  const capped = (declared && policy.targets[name]!.maxOutputTokens !== undefined) || set?.maxOutputTokens !== undefined
  return capped ? lacks.filter(({ label }) => label !== "output") : lacks
}

/** The facts that rules of models can read which no policy names: what the catalog says of those of an open provider is found when a caller names one. */
export const factsOfOpenModels = (policy: Pick<Policy, "providers">): ReadonlySet<string> => {
  const facts = new Set<string>()
  for (const provider of Object.values(policy.providers)) {
    if (!provider.open) continue
    for (const capabilities of modelsOf(provider)?.names.values() ?? []) for (const { fact } of lacksOfModel(capabilities)) facts.add(fact)
  }
  return facts
}

/** Where rules find the facts that they read. */
export interface RuleSources {
  readonly policy: Policy
  readonly slotOf: (fact: string) => number
  readonly grants: (className: string) => Grant
  /** Whether there are grants at all. */
  readonly restricted: boolean
  readonly conditionOf: (json: unknown) => Condition.Condition
}

/** Makes the rules of targets. */
export const makeRules = ({ conditionOf, grants, policy, restricted, slotOf }: RuleSources): ((target: Target) => ReadonlyArray<Rule>) => {
  const classSlot = restricted ? slotOf("caller.class") : -1
  const classes = Object.keys(policy.classes)
  const always = { screen: open, test: undefined, mayThrow: false }
  const holding = (condition: Condition.Condition): Pick<Rule, "screen" | "test" | "mayThrow"> => {
    const { screen, whole } = screenOf(condition, slotOf)
    return { screen, test: whole ? undefined : Condition.compile(condition, slotOf), mayThrow: mayThrow(condition) }
  }
  const guards = guardsOf(policy).map(({ guard, layer }) => ({
    guard,
    layer,
    holds: guard.when === undefined ? always : holding(conditionOf(guard.when))
  }))

  const grantRule = (target: Target): Rule => {
    const granted = classes.filter((name) => grants(name)(target) === undefined)
    const [only, ...others] = granted
    const set = new Set<unknown>(granted)
    const why = (caller: Caller): string => `class \`${caller.class}\` may not use \`${target.name}\`: ${grants(caller.class)(target)}`
    return {
      by: "grant",
      label: "not-granted",
      ...(only !== undefined && others.length === 0
        ? { screen: { slot: classSlot, how: "is not", value: only }, test: undefined }
        : { screen: open, test: (facts) => !set.has(facts[classSlot]) }),
      mayThrow: false,
      why,
      error: (caller) => refuse("not_granted", why(caller), { final: true })
    }
  }

  const guardRule = (target: Target, { guard, holds, layer }: (typeof guards)[0], unknown: boolean): Rule => {
    const whose = `guard \`${guard.name}\`${layer === undefined ? "" : ` of \`${layer}\``}`
    const why = (): string => `${whose} keeps \`${target.name}\` out${unknown ? ", because what it asks is not known of it" : ""}`
    return {
      by: "guard",
      label: `guard-${guard.name}`,
      ...holds,
      why,
      error: () => refuse("guard_forbids", why(), { final: true })
    }
  }

  const lackRule = (target: Target, { fact, label, most, says }: Lack): Rule => {
    const slot = slotOf(fact)
    const why = (): string => `\`${target.name}\` ${says}`
    return {
      by: "capability",
      label: `lacks-${label}`,
      // An absent maximum counts as 0, and is not above any.
      screen: most === undefined ? { slot, how: "is", value: true } : { slot, how: ">", value: most },
      test: undefined,
      mayThrow: false,
      why,
      error: () => refuse("missing_capability", `the request cannot be served: ${why()}`, { final: true })
    }
  }

  const make = (target: Target): ReadonlyArray<Rule> => {
    const rules: Array<Rule> = restricted ? [grantRule(target)] : []
    for (const guard of guards) {
      const { out, unknown } = keepsOut(guard.guard, target)
      if (out) rules.push(guardRule(target, guard, unknown))
    }
    for (const lack of lacksOf(policy, target)) rules.push(lackRule(target, lack))
    return rules
  }

  const made = new WeakMap<Target, ReadonlyArray<Rule>>()
  return (target) => {
    const known = made.get(target)
    if (known !== undefined) return known
    const rules = make(target)
    made.set(target, rules)
    return rules
  }
}

const rejects = ({ screen, test }: Rule, facts: Facts): boolean => passes(screen, facts) && (test === undefined || test(facts))

/** The first rule that keeps a candidate out: its place behind one, or 0 where none does. */
export const ruledOut = (rules: ReadonlyArray<Rule>, facts: Facts): number => {
  for (let i = 0; i < rules.length; i++) {
    if (!rejects(rules[i]!, facts)) continue
    for (let j = i + 1; j < rules.length; j++) if (rules[j]!.mayThrow) rejects(rules[j]!, facts)
    return i + 1
  }
  return 0
}

/** Whether nothing keeps a candidate out. What cannot be evaluated lets nothing through. */
export const permits = (rules: ReadonlyArray<Rule>, facts: Facts): boolean => {
  try {
    return ruledOut(rules, facts) === 0
  } catch (error) {
    if (!(error instanceof ConditionThrew)) throw error
    return false
  }
}
