/**
 * The worst case of each route, for a request of so many tokens: how many attempts it can come to, how long until the last of them has stalled, and what all of them cost.
 *
 * Everything is tried and fails after it has been paid for. An input of 1,000 tokens where nothing else is said, of text alone, none of it cached, with what the provider adds;
 * every answer as long as its target allows, and one of it. What is not known is `unknown`, never 0, and what has no bound is infinite. The limits of a call's effort
 * hold: no more attempts than it has, those that cost most; no more dollars; no more time.
 *
 * Not here: what is likely. For that there is `simulate`.
 */
import type { Ask } from "./Ask.ts"
import { boundOf } from "./Bound.ts"
import { candidatesOf, type Candidates } from "./check/candidates.ts"
import { regionsOf } from "./check/regions.ts"
import { credentialsOf, mostAttempts, stallOf } from "./check/worst.ts"
import { limitsOf } from "./Limits.ts"
import type { Policy, Route, Strategy } from "./Policy.ts"
import { noPrices, type PriceSource } from "./Price.ts"
import type { Target } from "./Target.ts"
import { dollars } from "./Text.ts"

export interface WorstCase {
  readonly route: string
  readonly attempts: number
  /** Where every attempt stalls until its headers are due; `Infinity` where they never are. */
  readonly millis: number
  readonly nanoDollars: number | "unknown"
}

/** A request of so many tokens of text, for which nobody has said how long its answer may be. */
export const askOfTokens = (tokens: number, maxOutputTokens: number | null = null): Ask => ({
  operation: "generate",
  model: "",
  stream: false,
  inputBytes: () => tokens,
  messages: () => 1,
  maxOutputTokens: () => maxOutputTokens,
  choices: () => 1,
  extras: () => [],
  media: () => ({ images: 0, audio: 0, files: 0 }),
  needsTools: () => false,
  needsVision: () => false,
  needsStructuredOutput: () => false,
  hasFormat: () => false,
  needsReasoning: () => false,
  metadata: () => null,
  header: () => null
})

type Cost = number | "unknown"

const costOf = (target: Target | undefined, ask: Ask): Cost => {
  const bound = target === undefined ? undefined : boundOf(ask, target)
  return bound?._tag === "Bound" ? bound.nanoDollars : "unknown"
}

const dear = (cost: Cost): number => (cost === "unknown" ? Infinity : cost)

/** What the dearest attempts of a strategy cost each, no more of them than a call has; the dearest first. */
const costsOf = (candidates: Candidates, strategy: Strategy, ask: Ask, most: number): ReadonlyArray<Cost> => {
  const { policy } = candidates
  const dearest = (costs: ReadonlyArray<Cost>, n = most): ReadonlyArray<Cost> =>
    costs.toSorted((a, b) => (dear(a) === dear(b) ? 0 : dear(b) - dear(a))).slice(0, n)
  /** The dearer of several ways, attempt by attempt. */
  const worst = (ways: ReadonlyArray<ReadonlyArray<Cost>>): ReadonlyArray<Cost> =>
    Array.from({ length: Math.max(0, ...ways.map((way) => way.length)) }, (_, i) => dearest(ways.flatMap((way) => way.slice(i, i + 1)))[0]!)
  const go = (of: Strategy): ReadonlyArray<Cost> => {
    switch (of._tag) {
      case "Send":
        return Array.from({ length: credentialsOf(policy, of.target) }, () => costOf(candidates.candidateOf(of)?.target, ask))
      case "Asked": {
        const open = Object.values(policy.providers).some((provider) => provider.open)
        const declared = Object.keys(policy.targets).map((target) => go({ _tag: "Send", target }))
        return worst(open ? [...declared, ["unknown"]] : declared)
      }
      case "Deny":
        return []
      case "First":
        return dearest(of.of.flatMap(go))
      case "Hedge":
        return dearest([...go(of.of), ...go(of.with)])
      // Its caller pays for a copy too.
      case "Shadow":
        return dearest([...go(of.of), ...go(of.copy)])
      case "Escalate":
        return dearest([...go(of.of), ...go(of.to)])
      case "Spread":
        return worst(of.of.map(go))
      case "Pool":
        return worst(candidates.membersOf(of.pool).map(go))
      case "Split":
        return worst(of.arms.map((arm) => go(arm.to)))
      case "When":
        return worst([go(of.then), go(of.otherwise)])
      case "Within":
        return go(of.of)
      case "Retry": {
        const inner = go(of.of)
        // Around a spread each try may go elsewhere, but never to what is dearer than the dearest.
        return dearest(Array.from({ length: of.attempts }, () => inner).flat())
      }
    }
  }
  return dearest(go(strategy))
}

const worstOf = (candidates: Candidates, route: Route, tokens: number): WorstCase => {
  const limits = limitsOf(candidates.policy, route)
  const costs = costsOf(candidates, route.to, askOfTokens(tokens), limits.attempts)
  // What is refused for want of a price is not paid for, but then nothing is known of what is left either.
  const sum = costs.includes("unknown") ? ("unknown" as const) : (costs as ReadonlyArray<number>).reduce((a, b) => a + b, 0)
  return {
    route: route.name,
    attempts: Math.min(limits.attempts, mostAttempts(candidates.policy, route.to)),
    millis: Math.min(limits.effortMillis, stallOf(route.to, limits).millis),
    nanoDollars: limits.effortNanoDollars === Infinity ? sum : Math.min(dear(sum), limits.effortNanoDollars)
  }
}

/** The worst case of a route of a policy that checks without errors. */
export const worstCaseOf = (policy: Policy, route: Route, prices: PriceSource = noPrices, tokens = 1_000): WorstCase =>
  worstOf(candidatesOf(regionsOf(policy), prices), route, tokens)

/** The same of all its routes. */
export const worstCasesOf = (policy: Policy, prices: PriceSource = noPrices, tokens = 1_000): ReadonlyArray<WorstCase> => {
  const candidates = candidatesOf(regionsOf(policy), prices)
  return policy.routes.map((route) => worstOf(candidates, route, tokens))
}

/** Worst cases as a table for people. */
export const costLines = (cases: ReadonlyArray<WorstCase>, tokens = 1_000): ReadonlyArray<string> => {
  const rows = [
    ["route", "attempts", "longest wait", "dearest call"],
    ...cases.map(({ attempts, millis, nanoDollars, route }) => [
      route,
      String(attempts),
      millis === Infinity ? "no limit" : `${millis / 1_000} s`,
      nanoDollars === "unknown" ? "unknown" : dollars(nanoDollars)
    ])
  ]
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return [
    `worst case of a call with ${tokens} input tokens: everything is tried and fails after it has been paid for, and every answer is as long as it may be`,
    ...rows.map(
      (row) =>
        `  ${row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join("  ")
          .trimEnd()}`
    )
  ]
}
