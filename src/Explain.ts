/**
 * A decision, step by step, for people: what was read, which routes were passed over and why, and what would be tried in which order.
 *
 * Derived from the compiled policy and the decision that it really makes, so it cannot tell another story than the one that is served.
 */
import { accountsInTurn } from "./Accounts.ts"
import { type Bound, boundOf, type Unbounded } from "./Bound.ts"
import type { FactSource } from "./Facts.ts"
import type { Compiled, Plan } from "./Compile.ts"
import { show } from "./Condition.ts"
import { type Decision, summary } from "./Decision.ts"
import type { Caller } from "./Keys.ts"
import type { Limits } from "./Limits.ts"
import { order } from "./Pipeline.ts"
import type { Rule } from "./Rules.ts"
import type { Target } from "./Target.ts"
import { dollars } from "./Text.ts"

/** Digits in threes. */
const count = (tokens: number): string => String(tokens).replace(/\B(?=(\d{3})+$)/g, ",")

const targetLine = (target: Target): string =>
  `${target.name} (${target.model}${target.deployment === target.model ? "" : ` as ${target.deployment}`} at ${target.provider}${target.region === null ? "" : `, ${target.region}`}${
    target.price === undefined ? "" : `, $${target.price.input / 1e6} in and $${target.price.output / 1e6} out per million tokens`
  })`

/** The keys that this call is sent with, where there are several, and the shares in which calls begin with each. */
const keyLines = (id: string, target: Target, indent: string): ReadonlyArray<string> => {
  if (target.accounts.length === 1) return []
  const all = target.accounts.reduce((sum, { weight }) => sum + weight, 0)
  const [first, ...others] = accountsInTurn(id, target).map(({ name, weight }) => `${name} (${weight} of ${all} calls)`)
  return [`${indent}with ${first}, and where the key is refused with ${others.join(", then ")}`]
}

const span = (millis: number): string => (millis < 1_000 ? `${millis} ms` : `${millis / 1_000} s`)

/** How much of it may be under way, where that is limited. */
const capacityLines = ({ capacity }: Target, indent: string): ReadonlyArray<string> => {
  if (capacity === undefined) return []
  const { inFlight, queued, waitMillis } = capacity
  const waits = queued === 0 ? "" : `; up to ${count(queued)} more wait ${span(waitMillis)} for a place`
  return [`${indent}at most ${count(inFlight)} at once${waits}`]
}

/** What is set of the request, whatever its caller says. */
const setLines = ({ set }: Target, indent: string): ReadonlyArray<string> => {
  if (set === undefined) return []
  const { headers = {}, maxOutputTokens, reasoningEffort, temperature } = set
  const parts = [
    ...(temperature === undefined ? [] : [`temperature ${temperature}`]),
    ...(maxOutputTokens === undefined ? [] : [`at most ${count(maxOutputTokens)} tokens of output`]),
    ...(reasoningEffort === undefined ? [] : [`reasoning effort ${reasoningEffort}`]),
    ...Object.entries(headers).map(([name, value]) => `header ${name}: ${value}`)
  ]
  return parts.length === 0 ? [] : [`${indent}with ${parts.join(", ")}`]
}

const begun: Record<Limits["commit"], string> = {
  headers: "with the provider's headers",
  "first-content": "with its first content",
  whole: "when it has come whole"
}

/** Whether an answer may have to be held back and judged, in what the decision has reached of `plan`. */
const judges = (plan: Plan, slots: Decision["slots"]): boolean => {
  switch (plan._tag) {
    case "Escalate":
      return true
    case "First":
      return plan.of.some((part) => judges(part, slots))
    case "Split":
      return slots[plan.slot] !== -1 && judges(plan.arms[slots[plan.slot]!]!.plan, slots)
    case "When":
      return slots[plan.slot] !== -1 && judges(slots[plan.slot] === 1 ? plan.then : plan.otherwise, slots)
    case "Hedge":
      return judges(plan.of, slots) || judges(plan.with, slots)
    case "Shadow":
    case "Retry":
    case "Within":
      return judges(plan.of, slots)
    case "Send":
    case "Asked":
    case "Deny":
    case "Spread":
      return false
  }
}

/** The limits of a route, those that there are. */
const limitLines = (limits: Limits, judged: boolean, indent: string): ReadonlyArray<string> => {
  const { attempts, connectMillis, effortMillis, effortNanoDollars, firstTokenMillis, headersMillis, idleMillis, totalMillis } = limits
  const waits = (
    [
      ["to connect", connectMillis],
      ["to the headers", headersMillis],
      ["to the first token", firstTokenMillis],
      ["between two chunks", idleMillis],
      ["in all", totalMillis]
    ] as const
  )
    .filter(([, millis]) => millis !== Infinity)
    .map(([what, millis]) => `${span(millis)} ${what}`)
  const effort = [
    `${attempts} attempt${attempts === 1 ? "" : "s"}`,
    ...(effortMillis === Infinity ? [] : [`${span(effortMillis)} to a beginning`]),
    ...(effortNanoDollars === Infinity ? [] : [dollars(effortNanoDollars)])
  ]
  return [
    `${indent}an answer has begun ${begun[limits.commit]}${judged && limits.commit !== "whole" ? ", and one that is held back when it has come whole" : ""}, and nothing fails over after that`,
    `${indent}an attempt may take ${waits.join(", ")}`,
    `${indent}the call may take ${effort.join(", ")}`
  ]
}

/** What was decided, and what it is told with: the rules of the caller's class, and what an attempt on a target would reserve. */
interface Told {
  readonly decision: Decision
  readonly caller: Caller
  /** Whether an answer can be judged at all: embeddings and counts are none that could be better. */
  readonly judged: boolean
  /** Whether something is tried where breakers leave nothing: for a copy nothing is. */
  readonly probes: boolean
  readonly isUp: (target: Target) => boolean
  /** The keys that a target is called with. */
  readonly keys: (target: Target, indent: string) => ReadonlyArray<string>
  readonly reserve: (target: Target, indent: string) => ReadonlyArray<string>
}

const ifNothing = (rule: Rule, caller: Caller): string => `, with ${rule.error(caller).status} if nothing else is left: ${rule.why(caller)}`

/** What becomes of a target that no rule keeps out: it is tried, and how, unless its breaker is open. */
const tryLines = (said: string, target: Target, { isUp, keys, probes, reserve }: Told, indent: string): ReadonlyArray<string> => {
  if (!isUp(target))
    return [
      `${indent}pass ${target.name} over as long as its breaker is open${probes ? ", unless breakers alone leave nothing else: then the first that is passed over is tried all the same" : ""}`
    ]
  const inner = `${indent}  `
  return [
    `${indent}${said} ${targetLine(target)}`,
    ...capacityLines(target, inner),
    ...keys(target, inner),
    ...setLines(target, inner),
    ...reserve(target, inner)
  ]
}

const planLines = (plan: Plan, told: Told, indent: string): ReadonlyArray<string> => {
  const inner = `${indent}  `
  const { caller, decision } = told
  switch (plan._tag) {
    case "Send": {
      const out = plan.slot === -1 ? 0 : decision.slots[plan.slot]!
      if (out > 0) return [`${indent}reject ${plan.target.name}${ifNothing(plan.rules[out - 1]!, caller)}`]
      return tryLines("send to", plan.target, told, indent)
    }
    case "Asked": {
      const { asked } = decision
      if (asked?._tag === "Found") return tryLines("the model asked for is", asked.target, told, indent)
      if (asked?._tag === "RuledOut") return [`${indent}reject the model asked for, ${asked.target.name}${ifNothing(asked.rule, caller)}`]
      if (asked?._tag === "Ambiguous")
        return [`${indent}reject with 404 if nothing else is left: the model asked for could be ${asked.targets.join(" or ")}`]
      return [`${indent}reject with 404 if nothing else is left: nothing is called by the model asked for`]
    }
    case "Deny":
      return [`${indent}refuse with ${plan.status} ${plan.code}: ${plan.message}`]
    case "First":
      return [
        `${indent}first of, moving on ${plan.roomier ? "for the usual failures" : `for ${[...plan.on].join(", ")}`}:`,
        ...plan.of.flatMap((part) => planLines(part, told, inner))
      ]
    case "Split": {
      const chosen = decision.slots[plan.slot]!
      if (chosen === -1) return [`${indent}split, not reached`]
      const arm = plan.arms[chosen]!
      return [
        `${indent}split, assigned to arm ${arm.name} of ${plan.arms.map(({ name }) => name).join(", ")}:`,
        ...planLines(arm.plan, told, inner)
      ]
    }
    case "When": {
      const chosen = decision.slots[plan.slot]!
      if (chosen === -1) return [`${indent}when, not reached`]
      return [
        `${indent}${show(plan.condition)}: ${chosen === 1 ? "yes" : "no"}`,
        ...planLines(chosen === 1 ? plan.then : plan.otherwise, told, inner)
      ]
    }
    case "Spread":
      return [
        `${indent}one of, by ${plan.by}, the best that nothing keeps out:`,
        ...plan.of.flatMap((part) => planLines(part, told, inner))
      ]
    case "Hedge":
      return [
        ...planLines(plan.of, told, indent),
        `${indent}hedged after ${plan.afterMillis} ms without content, and at once after a failure, with:`,
        ...planLines(plan.with, told, inner)
      ]
    case "Shadow":
      return [
        ...planLines(plan.of, told, indent),
        decision.slots[plan.slot] === 1
          ? `${indent}copied, as ${plan.sample} of 100 calls are, without being waited for, to:`
          : `${indent}not copied, as ${plan.sample} of 100 calls are`,
        ...(decision.slots[plan.slot] === 1 ? planLines(plan.copy, { ...told, probes: false }, inner) : [])
      ]
    case "Escalate":
      return [
        ...planLines(plan.of, told, indent),
        told.judged
          ? `${indent}held back until it is whole, and if ${show(plan.condition)}, or after a failure, thrown away for:`
          : `${indent}not judged, because it is no answer that could be better, and after a failure:`,
        ...planLines(plan.to, told, inner)
      ]
    case "Retry":
      return [
        `${indent}up to ${plan.attempts} times, with waits of up to ${plan.firstMillis} ms, doubled up to ${plan.longestMillis} ms:`,
        ...planLines(plan.of, told, inner)
      ]
    case "Within":
      return [`${indent}within ${plan.millis} ms, to the first content:`, ...planLines(plan.of, told, inner)]
  }
}

const perMillion = (picoDollars: number): string => `${dollars(picoDollars * 1_000)} a million`

/** What an attempt would reserve, with its arithmetic. */
const boundLines = (bound: Bound | Unbounded, indent: string): ReadonlyArray<string> => {
  if (bound._tag === "Unbounded") return [`${indent}rejected, with 402 if nothing else is left: ${bound.message}`]
  const { addedTokens, choices, inputPrice, mediaTokens, nanoDollars, outputPrice, outputTokens, textTokens } = bound
  const input = textTokens + mediaTokens + addedTokens
  return [
    `${indent}reserves ${dollars(nanoDollars)}, the most that it can cost:`,
    `${indent}  input   ${count(textTokens)} bytes of text + ${count(mediaTokens)} for media + ${count(addedTokens)} that the provider adds = ${count(input)} tokens × ${perMillion(inputPrice)}`,
    `${indent}  output  ${choices} × ${count(outputTokens)} tokens × ${perMillion(outputPrice)}`
  ]
}

/** The lines of an explanation. */
export const explain = (compiled: Compiled, source: FactSource): ReadonlyArray<string> => {
  const facts = compiled.facts.read(source)
  const decision = compiled.decide(facts)
  const { ask, caller, standing } = source
  const bindings = compiled.budgets.of(caller)
  const { limits, plan } = compiled.routes[decision.route]!
  const bounded = bindings.length > 0 || limits.effortNanoDollars !== Infinity
  const judged = ask.operation === "generate"
  const told: Told = {
    decision,
    caller,
    judged,
    probes: true,
    isUp: ({ declared, name }) => !declared || source.health(name).up,
    keys: (target, indent) => keyLines(source.id, target, indent),
    reserve: (target, indent) => {
      if (!bounded) return []
      const bound = boundOf(ask, target)
      const spent = bindings.find(
        ({ budget, limitNanoDollars }) =>
          bound._tag === "Bound" && limitNanoDollars - standing(caller, budget).spentNanoDollars < bound.nanoDollars
      )
      const refused =
        bound._tag === "Bound" && bound.nanoDollars > limits.effortNanoDollars
          ? [`${indent}which is more than the call may cost: rejected, with 402 if nothing else is left`]
          : spent === undefined
            ? []
            : [`${indent}which budget ${spent.budget} cannot cover: rejected, with 402 if nothing else is left`]
      return [...boundLines(bound, indent), ...refused]
    }
  }
  return [
    `policy    ${compiled.policy.name} ${compiled.hash.slice(0, 12)}`,
    ...compiled.policy.layers.map(
      ({ budgets, guards, name }) =>
        `layer     ${name}: ${[...guards.map((guard) => `guard ${guard.name}`), ...Object.keys(budgets).map((budget) => `budget ${budget}`)].join(", ") || "nothing"}`
    ),
    `caller    ${[
      `key ${caller.key}`,
      `class ${caller.class}`,
      ...(caller.team === null ? [] : [`team ${caller.team}`]),
      ...(caller.organisation === null ? [] : [`organisation ${caller.organisation}`]),
      ...(caller.tags.length === 0 ? [] : [`tags ${caller.tags.join(", ")}`])
    ].join(", ")}`,
    ...bindings.map(({ budget, every, limitNanoDollars, per, scope }) => {
      const { spentNanoDollars } = standing(caller, budget)
      return `budget    ${budget} of ${per} ${scope}: ${dollars(limitNanoDollars)} a ${every}, ${dollars(limitNanoDollars - spentNanoDollars)} left`
    }),
    "",
    "facts that the policy reads:",
    ...(facts.length === 0 ? ["  none"] : compiled.facts.names.map((name, slot) => `  ${name} = ${JSON.stringify(facts[slot])}`)),
    "",
    "routes, in order:",
    ...compiled.routes.slice(0, decision.route + 1).map((route, i) => {
      const why = route.condition === undefined ? "no condition" : show(route.condition)
      return `  ${i === decision.route ? (decision.threw === undefined ? "yes" : "???") : "no "}  ${route.name}: ${why}`
    }),
    ...(compiled.routes.length > decision.route + 1 ? [`  (${compiled.routes.length - decision.route - 1} further not looked at)`] : []),
    "",
    `decision  ${summary(compiled, decision)}`,
    ...(decision.threw === undefined
      ? planLines(plan, told, "  ")
      : [`  refuse with 403 condition_failed: a condition of this route, or of a guard, could not be evaluated: ${decision.threw}`]),
    "",
    "limits of the route:",
    ...limitLines(limits, judged && judges(plan, decision.slots), "  "),
    "",
    "order of a call:",
    ...order.map((step, i) => `  ${i + 1}. ${step}`)
  ]
}
