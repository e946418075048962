/**
 * What the reference knows of rules: who may reach what, what guards say of a deployment, and what its model is known to lack.
 *
 * Written from the words of the policy language (`Policy.ts`) and the design. The registry and its tables of models are read as the data that they are.
 */
import type { Capabilities } from "../../src/Models.ts"
import type { Guard, Policy, Selector } from "../../src/Policy.ts"
import type { PriceSource } from "../../src/Price.ts"
import { type Provider, providers } from "../../src/Providers.ts"
import { type Deployment, type FactValues, holds } from "../reference.ts"
import { callerOf, isAtHome, tariffs } from "./money.ts"

const isDeclared = (policy: Policy, { name }: Deployment): boolean => Object.hasOwn(policy.targets, name)

/**
 * Whether a class of callers may reach a deployment. Declared targets are granted by name, other models of an open provider as `provider/*`; of these only what the
 * class's providers serve in the class's regions. A class that the policy does not know is granted nothing. Nobody is restricted where there are no keys
 * and no rule for callers without one.
 */
export const granted = (policy: Policy, className: string, to: Deployment): boolean => {
  if (Object.keys(policy.keys).length === 0 && !Object.hasOwn(policy.classes, "local")) return true
  if (!Object.hasOwn(policy.classes, className)) return false
  const { may, providers, regions } = policy.classes[className]!
  return (
    may.includes(isDeclared(policy, to) ? to.name : `${to.provider}/*`) &&
    (providers === "any" || providers.includes(to.provider)) &&
    (regions === "any" || (to.region !== null && regions.includes(to.region)))
  )
}

/** What the provider's own table says of a model: under its name in any case, or under the name of which it is a dated snapshot. */
const listed = (policy: Policy, to: Deployment): Capabilities => {
  const { models }: Provider = providers[policy.providers[to.provider]!.dialect]
  if (models === undefined || !isAtHome(policy, to)) return {}
  const asked = to.deployment.toLowerCase()
  const suffix = models.snapshot && new RegExp(`^(?:${models.snapshot.source})`)
  for (const [name, known] of models.names) if (name === asked) return known
  for (const [name, known] of models.names) {
    if (!asked.startsWith(name) || suffix === undefined || models.snapshot!.test(name)) continue
    if (suffix.test(asked.slice(name.length))) return known
  }
  return {}
}

/** What a deployment is known to do: as its target declares, else as its provider's table says. */
export const capabilities = (policy: Policy, to: Deployment): Capabilities => ({
  ...listed(policy, to),
  ...(isDeclared(policy, to) ? policy.targets[to.name]!.capabilities : {})
})

type Verdict = "yes" | "no" | "unknown"
const verdict = (known: boolean): Verdict => (known ? "yes" : "no")
/** A list fits where one of it does. */
const oneOf = (verdicts: ReadonlyArray<Verdict>): Verdict =>
  verdicts.includes("yes") ? "yes" : verdicts.every((one) => one === "no") ? "no" : "unknown"

/** Whether a price is dearer than so many dollars for a million tokens, which is as many micro-dollars for one. */
const dearer = (
  policy: Policy,
  to: Deployment,
  prices: PriceSource,
  rate: "input" | "output",
  { usd }: { readonly usd: number }
): Verdict => {
  const known = tariffs(policy, to, prices)
  if (known === undefined) return "unknown"
  return verdict(known.some(({ rates }) => BigInt(rates[rate]) > BigInt(Math.round(usd * 1e6))))
}

/** What each field of a selector says of a deployment. */
const chosen = (policy: Policy, to: Deployment, prices: PriceSource, selector: Selector): Verdict => {
  const spec = isDeclared(policy, to) ? policy.targets[to.name] : undefined
  const known = capabilities(policy, to) as Readonly<Record<string, boolean | undefined>>
  const { vendor }: Provider = providers[policy.providers[to.provider]!.dialect]
  const verdicts: Array<Verdict> = []
  if (selector.targets) verdicts.push(verdict(spec !== undefined && selector.targets.includes(to.name)))
  if (selector.models) {
    const names = new Set(selector.models.map((name) => name.toLowerCase()))
    const both = [to.model, to.deployment].filter((name) => names.has(name.toLowerCase())).length
    verdicts.push(both === 2 ? "yes" : both === 0 ? "no" : "unknown")
  }
  if (selector.providers) verdicts.push(verdict(selector.providers.includes(to.provider)))
  if (selector.regions) verdicts.push(to.region === null ? "unknown" : verdict(selector.regions.includes(to.region)))
  if (selector.vendors) verdicts.push(verdict(selector.vendors.includes(isAtHome(policy, to) ? vendor : "own")))
  if (selector.tags) verdicts.push(verdict(selector.tags.some((tag) => spec !== undefined && spec.tags.includes(tag))))
  if (selector.capabilities)
    verdicts.push(oneOf(selector.capabilities.map((name) => (known[name] === undefined ? "unknown" : verdict(known[name])))))
  if (selector.inputAbove) verdicts.push(dearer(policy, to, prices, "input", selector.inputAbove))
  if (selector.outputAbove) verdicts.push(dearer(policy, to, prices, "output", selector.outputAbove))
  // Every field that is given must fit.
  return verdicts.includes("no") ? "no" : verdicts.every((one) => one === "yes") ? "yes" : "unknown"
}

/** Whether a guard forbids a deployment, should its condition hold. What is not known of it counts against it. */
export const forbids = (policy: Policy, guard: Guard, to: Deployment, prices: PriceSource): boolean =>
  guard.forbid !== undefined ? chosen(policy, to, prices, guard.forbid) !== "no" : chosen(policy, to, prices, guard.require!) !== "yes"

/** What a request needs that a model is known to lack, in words: `vision`, `context`. A maximum that the policy sets is a cap, and nothing that the model lacks. */
const lacking = (policy: Policy, to: Deployment, facts: FactValues): string | undefined => {
  const known = capabilities(policy, to)
  for (const need of ["vision", "audio", "files", "tools", "structuredOutput", "reasoning"] as const)
    if (facts[`request.needs.${need}`] === true && known[need] === false) return need
  if (known.contextWindow !== undefined && Number(facts["request.inputTokens"] ?? 0) > known.contextWindow) return "context"
  const capped = to.set?.maxOutputTokens !== undefined || (isDeclared(policy, to) && policy.targets[to.name]!.maxOutputTokens !== undefined)
  const most = facts["request.maxOutputTokens"] ?? null
  if (!capped && known.maxOutputTokens !== undefined && most !== null && Number(most) > known.maxOutputTokens) return "output"
  return undefined
}

/** A rule that keeps a candidate out. */
export interface RuledOut {
  readonly by: "grant" | "guard" | "capability"
  /** As the summary of a decision has it. */
  readonly word: string
  readonly error: { readonly status: number; readonly code: string }
}

/**
 * The first rule that keeps a deployment out: a grant, then a guard (those of layers before the policy's own), then what its model lacks. Every guard that speaks of the
 * deployment is asked, whatever else keeps it out, and what asking it throws denies the call.
 */
export const ruledOut = (policy: Policy, to: Deployment, facts: FactValues, prices: PriceSource): RuledOut | undefined => {
  const speaking = [...policy.layers.flatMap((layer) => layer.guards), ...policy.guards].filter((guard) =>
    forbids(policy, guard, to, prices)
  )
  const held = speaking.map(({ when }) => when === undefined || holds(when, facts))
  const guard = speaking.find((_, i) => held[i])
  if (!granted(policy, callerOf(facts).class, to)) return { by: "grant", word: "not-granted", error: { status: 403, code: "not_granted" } }
  if (guard !== undefined) return { by: "guard", word: `guard-${guard.name}`, error: { status: 403, code: "guard_forbids" } }
  const lack = lacking(policy, to, facts)
  return lack === undefined ? undefined : { by: "capability", word: `lacks-${lack}`, error: { status: 422, code: "missing_capability" } }
}
