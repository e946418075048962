/**
 * One story, to be played twice: a policy, its callers' traffic and what goes wrong at the providers, with times so far apart that no order is a race.
 *
 * A call arrives every `gridMillis`. An error comes at once, an answer after `answerMillis`, a slow one after `slowMillis`, which ends at the same offset in a
 * later slot; deadlines are `deadlineMillis`, at least 200 ms from all of these. What goes wrong begins and ends at `turnMillis` before an arrival, when nothing
 * else happens. A story is shorter than a breaker's cool-down.
 */
import * as fc from "fast-check"
import type { FailureClass } from "../../src/Failure.ts"
import type { PolicyEncoded, StrategyEncoded } from "../../src/Policy.ts"
import type { Event, Model } from "../../src/simulate/Model.ts"

export const gridMillis = 300
export const answerMillis = 100
export const slowMillis = 6 * gridMillis + answerMillis
export const deadlineMillis = 2 * gridMillis + 20
export const turnMillis = 75
const slots = 20

/** Every provider, and the one target on it. `dead` is an address at which nobody listens. */
export const targetNames = ["a", "b", "c", "d", "dead"] as const
export type TargetName = (typeof targetNames)[number]

/** What can go wrong with a provider that listens. */
export const troubles = [
  "rate-limited",
  "quota-exhausted",
  "overloaded",
  "server-error",
  "stream-cut",
  "malformed",
  "context-length",
  "content-filter",
  "bad-request",
  "auth"
] as const satisfies ReadonlyArray<FailureClass>
export type Trouble = (typeof troubles)[number]

export interface Episode {
  readonly target: Exclude<TargetName, "dead">
  /** Slots, the second exclusive. */
  readonly from: number
  readonly to: number
  readonly is: Trouble | "slow"
}

export interface CallSpec {
  readonly slot: number
  readonly id: string
  readonly key: string
  readonly model: string
  readonly stream: boolean
  readonly inputTokens: number
  readonly outputTokens: number
  readonly maxOutputTokens: number | undefined
  readonly text: string
}

export interface Story {
  readonly policy: PolicyEncoded
  readonly calls: ReadonlyArray<CallSpec>
  readonly episodes: ReadonlyArray<Episode>
}

type Raw =
  | { readonly kind: "send" | "asked" | "deny" }
  | { readonly kind: "first" | "split"; readonly of: ReadonlyArray<Raw>; readonly n: number }
  | { readonly kind: "when"; readonly then: Raw; readonly otherwise: Raw; readonly n: number }
  | { readonly kind: "within"; readonly of: Raw }

const raw = fc.letrec<{ strategy: Raw }>((tie) => ({
  strategy: fc.oneof(
    { maxDepth: 3, depthSize: "medium" },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("send" as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("asked" as const, "deny" as const) }) },
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constantFrom("first" as const, "first" as const, "first" as const, "split" as const),
        of: fc.array(tie("strategy"), { minLength: 2, maxLength: 3 }),
        n: fc.nat({ max: 99 })
      })
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("when" as const),
        then: tie("strategy"),
        otherwise: tie("strategy"),
        n: fc.nat({ max: 99 })
      })
    },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("within" as const), of: tie("strategy") }) }
  )
})).strategy

/** Each target stands once in a strategy, so that no failover comes back; where none is left, the author says no. */
const build = (raw: Raw, pool: Array<string>): StrategyEncoded => {
  const deny: StrategyEncoded = { _tag: "Deny", status: 410, code: "no_more", message: "nothing is left to try" }
  switch (raw.kind) {
    case "send":
      return pool.shift() ?? deny
    case "asked":
      return { _tag: "Asked" }
    case "deny":
      return deny
    case "first": {
      const of: Array<StrategyEncoded> = []
      for (const part of raw.of) {
        const built = build(part, pool)
        of.push(built)
        if (built === deny || (typeof built === "object" && built._tag === "Deny")) break
      }
      const on = raw.n % 4 === 0 ? { on: ["rate-limited", "server-error", "context-length", "timeout"] as const } : {}
      return { _tag: "First", of: of as unknown as readonly [StrategyEncoded], ...on }
    }
    case "split": {
      const [one, two] = raw.of
      const weight = 20 + (raw.n % 60)
      return {
        _tag: "Split",
        by: { fact: "request.id" },
        salt: `s${raw.n}`,
        arms: [
          { name: "one", weight, to: build(one!, pool) },
          { name: "two", weight: 100 - weight, to: build(two!, pool) }
        ]
      }
    }
    case "when": {
      const conditions = [
        { var: "request.stream" },
        { ">": [{ var: "request.inputTokens" }, 20] },
        { ">=": [{ var: "budget.shared.usedRatio" }, 0.4] },
        { "===": [{ var: "caller.class" }, "wide"] }
      ]
      return {
        _tag: "When",
        if: conditions[raw.n % conditions.length]!,
        then: build(raw.then, pool),
        otherwise: build(raw.otherwise, pool)
      }
    }
    case "within":
      return { _tag: "Within", duration: `${deadlineMillis} millis`, of: build(raw.of, pool) }
  }
}

const shuffled = (names: ReadonlyArray<string>) => fc.shuffledSubarray([...names], { minLength: names.length, maxLength: names.length })

/** Stories whose providers answer at `baseUrl`. */
export const story = (baseUrl: (name: TargetName) => string): fc.Arbitrary<Story> =>
  fc
    .record({
      routes: fc.tuple(raw, raw),
      pools: fc.tuple(shuffled(targetNames), shuffled(targetNames)),
      limits: fc.tuple(fc.integer({ min: 5_000_000, max: 80_000_000 }), fc.integer({ min: 3_000_000, max: 60_000_000 })),
      prices: fc.array(fc.constantFrom(0.1, 1, 10, 37.5), { minLength: 10, maxLength: 10 }),
      narrow: fc.shuffledSubarray([...targetNames], { minLength: 2, maxLength: 4 }),
      calls: fc.array(
        fc.record({
          key: fc.constantFrom("ann", "ben", "cy"),
          model: fc.constantFrom(...Array<string>(12).fill("routed"), ...targetNames),
          stream: fc.boolean(),
          inputTokens: fc.integer({ min: 1, max: 60 }),
          outputTokens: fc.integer({ min: 0, max: 80 }),
          maxOutputTokens: fc.option(fc.integer({ min: 1, max: 120 }), { nil: undefined }),
          text: fc.constantFrom("hello", "x".repeat(90), "grüße 日本".repeat(3))
        }),
        { minLength: slots, maxLength: slots }
      ),
      episodes: fc.array(
        fc.record({
          target: fc.constantFrom("a" as const, "b" as const, "c" as const, "d" as const),
          from: fc.nat({ max: slots - 1 }),
          length: fc.integer({ min: 2, max: 10 }),
          is: fc.constantFrom(...troubles, ...Array<"slow">(4).fill("slow"))
        }),
        { minLength: 6, maxLength: 14 }
      )
    })
    .map(({ calls, episodes, limits, narrow, pools, prices, routes }): Story => {
      const policy: PolicyEncoded = {
        name: "story",
        providers: Object.fromEntries(targetNames.map((name) => [name, { dialect: "openai", baseUrl: baseUrl(name) }])),
        targets: Object.fromEntries(
          targetNames.map((name, i) => [
            name,
            {
              provider: name,
              model: `model-${name}`,
              price: { input: { usd: prices[2 * i]! }, output: { usd: prices[2 * i + 1]! } },
              maxOutputTokens: 100
            }
          ])
        ),
        budgets: {
          shared: { per: "class", limit: { usd: limits[0] / 1e9 }, every: "month" },
          own: { per: "key", limit: { usd: limits[1] / 1e9 }, every: "day" }
        },
        classes: {
          wide: { may: [...targetNames], within: ["shared", "own"] },
          narrow: { may: narrow, within: ["shared"] }
        },
        keys: {
          ann: { secret: { env: "ANN_KEY" }, class: "wide" },
          ben: { secret: { env: "BEN_KEY" }, class: "wide" },
          cy: { secret: { env: "CY_KEY" }, class: "narrow" }
        },
        routes: [
          { name: "routed", when: { "===": [{ var: "request.model" }, "routed"] }, to: build(routes[0], [...pools[0]]) },
          { name: "wide", when: { "===": [{ var: "caller.class" }, "wide"] }, to: build(routes[1], [...pools[1]]) },
          { name: "default", to: { _tag: "Asked" } }
        ]
      }
      // Where several strike at once the first in the list does, in both plays.
      return {
        policy,
        calls: calls.map((call, slot) => ({ ...call, slot, id: `call-${slot}` })),
        episodes: episodes.map(({ from, is, length, target }) => ({ target, is, from, to: Math.min(slots + 8, from + length) }))
      }
    })

/** What strikes `target` at `millis` since the first arrival. */
export const strikes = (
  { episodes }: Story,
  target: string,
  millis: number
): { readonly trouble: Trouble | undefined; readonly slow: boolean } => {
  const now = episodes.filter(
    (episode) =>
      episode.target === target && millis >= episode.from * gridMillis - turnMillis && millis < episode.to * gridMillis - turnMillis
  )
  return {
    trouble: now.map(({ is }) => is).find((is): is is Trouble => is !== "slow"),
    slow: now.some(({ is }) => is === "slow")
  }
}

/** The same for the simulator. The dead address refuses all along. Times begin where a turn can come before the first arrival. */
export const modelOf = ({ episodes }: Story): Model => {
  const at = (slot: number): string => `${leadMillis + slot * gridMillis - turnMillis} millis`
  const slow = new Set<string>()
  return {
    version: 1,
    default: { firstToken: `${answerMillis} millis`, perToken: "0 millis", failAfter: "1 millis", errors: {} },
    targets: {},
    events: [
      { targets: ["dead"], outage: "connection" },
      ...episodes.flatMap(({ from, is, target, to }): ReadonlyArray<Event> => {
        const common = { targets: [target], from: at(from), to: at(to) }
        if (is !== "slow") return [{ ...common, outage: is }]
        // Twice slow is not slower: each slot once.
        const fresh: Array<Event> = []
        for (let slot = from; slot < to; slot++) {
          if (slow.has(`${target} ${slot}`)) continue
          slow.add(`${target} ${slot}`)
          fresh.push({ targets: [target], from: at(slot), to: at(slot + 1), slow: slowMillis / answerMillis })
        }
        return fresh
      })
    ]
  }
}

/** When the first call arrives in the simulation. */
export const leadMillis = 1_000
