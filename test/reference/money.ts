/**
 * What the reference knows of money: whose account a call is paid from, what is left on it, what an answer has cost and what a request can cost at most.
 *
 * Sums are of whole numbers of any size and windows are read off a date, so neither the engine's arithmetic nor its calendar is used twice.
 */
import type { Policy } from "../../src/Policy.ts"
import type { PriceSource, Rates } from "../../src/Price.ts"
import { hostAdds, type Provider, providers } from "../../src/Providers.ts"
import type { Deployment, FactValues, Told, Value } from "../reference.ts"
import { capabilities } from "./rules.ts"

export interface Caller {
  readonly key: string
  readonly class: string
  readonly team: string | null
  readonly organisation: string | null
}

/** Who calls, by the facts; without any, a caller without a key. */
export const callerOf = (facts: FactValues): Caller => ({
  key: String(facts["caller.key"] ?? "local"),
  class: String(facts["caller.class"] ?? "local"),
  team: facts["caller.team"] === undefined ? null : (facts["caller.team"] as string | null),
  organisation: facts["caller.organisation"] === undefined ? null : (facts["caller.organisation"] as string | null)
})

/** An account, whatever its window. */
export interface Purse {
  readonly budget: string
  readonly scope: string
  readonly every: "day" | "month"
  readonly limit: number
}

/** Every budget, those of layers first. */
const budgetsOf = (policy: Policy): ReadonlyMap<string, Policy["budgets"][string]> =>
  new Map([...policy.layers, policy].flatMap(({ budgets }) => Object.entries(budgets)))

/** The budgets that a caller spends from, each with whose account it is: those of layers, which bind everybody, then those of its class in its order. */
export const pursesOf = (policy: Policy, caller: Caller): ReadonlyArray<Purse> => {
  const own = Object.hasOwn(policy.classes, caller.class) ? policy.classes[caller.class]!.within : []
  const names = [...new Set([...policy.layers.flatMap(({ budgets }) => Object.keys(budgets)), ...own])]
  return names.map((budget) => {
    const { every, limit, per } = budgetsOf(policy).get(budget)!
    return {
      budget,
      every,
      limit: Math.round(limit.usd * 1e9),
      scope: { key: caller.key, class: caller.class, team: caller.team ?? "", organisation: caller.organisation ?? "" }[per]
    }
  })
}

/** The day or the month in UTC, and when it ends. */
export const windowOf = (every: "day" | "month", time: number): { readonly name: string; readonly end: number } => {
  const date = new Date(time)
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
  return every === "day"
    ? { name: date.toISOString().slice(0, 10), end: Date.UTC(year, month, day + 1) }
    : { name: date.toISOString().slice(0, 7), end: Date.UTC(year, month + 1, 1) }
}

/** What has been spent, by budget, scope and window. Calls come one after the other here, so nothing is reserved beside what is asked for. */
export class Accounts {
  readonly #spent = new Map<string, number>()

  spent({ budget, every, scope }: Purse, time: number): number {
    return this.#spent.get(JSON.stringify([budget, scope, windowOf(every, time).name])) ?? 0
  }

  spend({ budget, every, scope }: Purse, time: number, nanoDollars: number): void {
    const account = JSON.stringify([budget, scope, windowOf(every, time).name])
    this.#spent.set(account, (this.#spent.get(account) ?? 0) + nanoDollars)
  }

  /** The first budget that cannot cover an amount. */
  short(purses: ReadonlyArray<Purse>, time: number, nanoDollars: number): Purse | undefined {
    return purses.find((purse) => purse.limit - this.spent(purse, time) < nanoDollars)
  }
}

/** What conditions read of budgets, in dollars: as they stand now for a caller that they bind; for any other nothing is spent. */
export const budgetFacts = (policy: Policy, caller: Caller, accounts: Accounts, time: number): FactValues => {
  const facts: Record<string, Value> = {}
  for (const [name, budget] of budgetsOf(policy)) {
    const purse = pursesOf(policy, caller).find((one) => one.budget === name)
    const limit = Math.round(budget.limit.usd * 1e9)
    const spent = purse === undefined ? 0 : accounts.spent(purse, time)
    facts[`budget.${name}.spent`] = spent / 1e9
    facts[`budget.${name}.remaining`] = (limit - spent) / 1e9
    // A budget of nothing is used up from the beginning.
    facts[`budget.${name}.usedRatio`] = limit === 0 ? (purse === undefined ? 0 : 1) : spent / limit
  }
  return facts
}

/** What a provider says that an answer came to. */
export interface Usage {
  readonly inputTokens: number
  readonly cachedInputTokens: number
  readonly cacheWriteInputTokens: number
  readonly longCacheWriteInputTokens?: number
  readonly outputTokens: number
  readonly reasoningTokens: number
}

/** Whether a provider answers at its usual address, so that what is known of it holds. */
export const isAtHome = (policy: Policy, { provider }: Deployment): boolean => {
  const { baseUrl, dialect } = policy.providers[provider]!
  return baseUrl === undefined || baseUrl.replace(/\/+$/, "") === (providers[dialect] as Provider).baseUrl
}

/** The prices of a deployment for requests up to a size, and beyond it: the policy's own, else the list's for what is at its usual address. */
export const tariffs = (
  policy: Policy,
  to: Deployment,
  prices: PriceSource
): ReadonlyArray<{ readonly above: number; readonly rates: Rates }> | undefined => {
  const own = Object.hasOwn(policy.targets, to.name) ? policy.targets[to.name]!.price : undefined
  if (own !== undefined) {
    const pico = ({ usd }: { readonly usd: number }): number => Math.round(usd * 1e6)
    const cacheWrite = pico(own.cacheWrite ?? own.input)
    const rates = { input: pico(own.input), output: pico(own.output), cacheRead: pico(own.cacheRead ?? own.input), cacheWrite }
    return [{ above: -1, rates: { ...rates, cacheWriteLong: cacheWrite } }]
  }
  const listed = isAtHome(policy, to) ? prices(policy.providers[to.provider]!.dialect, to.deployment) : undefined
  return listed && [{ above: -1, rates: listed }, ...listed.tiers.map((tier) => ({ above: tier.aboveInputTokens, rates: tier.rates }))]
}

/** The sum of amounts of tokens at their prices, exact, in nano-dollars rounded up once. */
const sum = (...parts: ReadonlyArray<readonly [tokens: number, picoDollars: number]>): number => {
  const pico = parts.reduce((all, [tokens, price]) => all + BigInt(tokens) * BigInt(price), 0n)
  return Number((pico + 999n) / 1_000n)
}

/** What an answer has cost; undefined where there is no price. Cached and written tokens are parts of the input, whatever the provider says. */
export const cost = (policy: Policy, to: Deployment, usage: Usage, prices: PriceSource): number | undefined => {
  const { rates } = tariffs(policy, to, prices)?.findLast(({ above }) => usage.inputTokens > above) ?? {}
  if (rates === undefined) return undefined
  const read = Math.min(usage.inputTokens, usage.cachedInputTokens)
  const written = Math.min(usage.inputTokens - read, usage.cacheWriteInputTokens)
  const long = Math.min(written, usage.longCacheWriteInputTokens ?? 0)
  return sum(
    [usage.inputTokens - read - written, rates.input],
    [read, rates.cacheRead],
    [written - long, rates.cacheWrite],
    [long, rates.cacheWriteLong],
    [usage.outputTokens, rates.output]
  )
}

/** The most that a request can cost, or why that is not known. */
export const bound = (policy: Policy, to: Deployment, facts: FactValues, prices: PriceSource): number | Told => {
  const number = (name: string): number => Number(facts[name] ?? 0)
  const spec = Object.hasOwn(policy.targets, to.name) ? policy.targets[to.name]! : undefined
  const known = tariffs(policy, to, prices)
  if (known === undefined) return { status: 402, code: "unpriced_model" }
  if ((facts["asks.extras"] ?? null) !== null) return { status: 402, code: "unpriced_request" }

  const registered: Provider = providers[policy.providers[to.provider]!.dialect]
  const atHome = isAtHome(policy, to)
  const media = [
    [number("asks.images"), spec?.mediaTokens?.image ?? (atHome ? registered.imageTokens?.(to.model) : undefined)],
    [number("asks.audio"), spec?.mediaTokens?.audio],
    [number("asks.files"), spec?.mediaTokens?.file]
  ] as const
  if (media.some(([pieces, each]) => pieces > 0 && each === undefined)) return { status: 402, code: "unbounded_request" }

  const asks = Number.isSafeInteger(facts["request.maxOutputTokens"]) ? number("request.maxOutputTokens") : 0
  const longest = spec?.maxOutputTokens ?? capabilities(policy, to).maxOutputTokens
  const maxima = [asks, longest ?? 0, to.set?.maxOutputTokens ?? 0].filter((most) => most > 0)
  if (maxima.length === 0) return { status: 402, code: "unbounded_request" }

  const adds = atHome ? registered.adds : hostAdds
  const usual =
    adds.request +
    adds.message * number("request.messages") +
    (facts["request.needs.tools"] === true ? adds.tools : 0) +
    (facts["request.needs.structuredOutput"] === true ? adds.format : 0)
  const input =
    4 * number("request.inputTokens") + (spec?.addedTokens ?? usual) + media.reduce((all, [pieces, each]) => all + pieces * (each ?? 0), 0)
  const rates = known.filter(({ above }) => input > above).map((tariff) => tariff.rates)
  const dearestInput = Math.max(
    ...rates.flatMap(({ cacheRead, cacheWrite, cacheWriteLong, input }) => [cacheRead, cacheWrite, cacheWriteLong, input])
  )
  const dearestOutput = Math.max(...rates.map(({ output }) => output))
  return sum([input, dearestInput], [Number(facts["asks.choices"] ?? 1) * Math.min(...maxima), dearestOutput])
}

/** What a request may be expected to cost: a quarter of its bytes, and as much of an answer as the caller will take, else a thousand tokens. */
export const expected = (policy: Policy, to: Deployment, facts: FactValues, prices: PriceSource): number | undefined => {
  const input = Number(facts["request.inputTokens"] ?? 0)
  const { rates } = tariffs(policy, to, prices)?.findLast(({ above }) => input > above) ?? {}
  if (rates === undefined) return undefined
  const most = facts["request.maxOutputTokens"] ?? null
  const asked = Number.isSafeInteger(most) && Number(most) > 0 ? Number(most) : 1_000
  const spec = Object.hasOwn(policy.targets, to.name) ? policy.targets[to.name]! : undefined
  const own = spec?.maxOutputTokens ?? capabilities(policy, to).maxOutputTokens ?? Infinity
  const answer = Math.min(asked, own, to.set?.maxOutputTokens ?? Infinity)
  return sum([input, rates.input], [Number(facts["asks.choices"] ?? 1) * answer, rates.output])
}
