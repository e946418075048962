/**
 * One story, to be played twice: a policy, its callers' traffic and what goes wrong at the providers.
 *
 * A call arrives every `gridMillis`. An error comes at once, an answer after `answerMillis`, a slow one after nine times that. What goes wrong begins and ends at `turnMillis` before
 * an arrival. Times are far apart by their choice, and what they come to along a call is looked at by playing a story with everything a little late (`story/plays.ts`): one that
 * comes out otherwise then is a race, and is not told. A story is shorter than a breaker's cool-down.
 *
 * Each story has a theme, which it must show: a part of failing over that is rarer than others.
 */
import * as fc from "fast-check"
import type { FailureClass } from "../../src/Failure.ts"
import type { PolicyEncoded, StrategyEncoded } from "../../src/Policy.ts"
import type { Event, Model } from "../../src/simulate/Model.ts"

export const gridMillis = 400
export const answerMillis = 150
export const slowFactor = 9
export const perTokenMillis = 25
const deadlineMillis = 900
const turnMillis = 110
const slots = 18

/** Every provider, and the one target on it. `dead` is an address at which nobody listens; the tokens of `c` come one by one. */
export const targetNames = ["a", "b", "c", "d", "dead"] as const
export type TargetName = (typeof targetNames)[number]

/** The keys of the providers that want one, with their shares. */
const keysOf: Readonly<Partial<Record<TargetName, ReadonlyArray<{ readonly name: string; readonly weight: number }>>>> = {
  a: [
    { name: "A_ONE", weight: 2 },
    { name: "A_TWO", weight: 1 }
  ],
  b: [
    { name: "B_ONE", weight: 1 },
    { name: "B_TWO", weight: 1 },
    { name: "B_THREE", weight: 3 }
  ],
  c: [{ name: "C_ONE", weight: 1 }]
}
/** Their secrets, by the variables that hold them. */
export const providerSecrets: Readonly<Record<string, string>> = Object.fromEntries(
  Object.values(keysOf).flatMap((keys) => keys.map(({ name }) => [name, `${name.toLowerCase()}~hush~0123456789`]))
)

/** What can go wrong with a provider that listens. */
export const troubles = [
  "rate-limited",
  "quota-exhausted",
  "overloaded",
  "server-error",
  "timeout",
  "stream-cut",
  "malformed",
  "context-length",
  "content-filter",
  "bad-request",
  "auth",
  "stall"
] as const satisfies ReadonlyArray<FailureClass | "stall">
export type Trouble = (typeof troubles)[number]

export interface Episode {
  readonly target: Exclude<TargetName, "dead">
  /** Slots, the second exclusive. */
  readonly from: number
  readonly to: number
  readonly is: Trouble | "slow"
  /** The one key that it strikes; all where undefined. */
  readonly credential: string | undefined
  /** For how many seconds a provider that limits its callers asks to be left alone. */
  readonly retryAfter: number | undefined
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

export const themes = [
  "keys",
  "dead key",
  "pause",
  "silence",
  "stall",
  "whole",
  "total",
  "deadline",
  "escalate",
  "shadow",
  "spread",
  "queue",
  "retry",
  "hedge",
  "budget"
] as const
export type Theme = (typeof themes)[number]

export interface Story {
  readonly theme: Theme
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
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("within" as const), of: tie("strategy") }) }
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

/** What the first route does. Its theme is all that is under test where times are short, so it comes first and the rest stands behind it. */
const themed = (theme: Theme, raw: Raw, pool: Array<string>, n: number): StrategyEncoded => {
  const take = (): string => pool.shift()!
  const behind = (head: StrategyEncoded): StrategyEncoded => ({ _tag: "First", of: [head, build(raw, pool)] })
  switch (theme) {
    case "escalate": {
      const stop = { var: "answer.stop" }
      const asks = [
        { "===": [stop, "max-tokens"] },
        { or: [{ "===": [stop, "max-tokens"] }, { "<": [{ var: "answer.characters" }, 100] }] },
        { and: [{ "===": [stop, "end"] }, { ">": [{ var: "answer.outputTokens" }, 30] }] }
      ]
      return { _tag: "Escalate", of: take(), if: asks[n % asks.length]!, to: build(raw, pool) }
    }
    case "shadow": {
      const copy: StrategyEncoded = n % 2 === 0 ? take() : { _tag: "First", of: [take(), take()] }
      return { _tag: "Shadow", sample: 60, copy, of: behind(take()) }
    }
    case "spread":
      return behind({ _tag: "Spread", by: "round-robin", of: [take(), take(), take()] })
    case "retry":
      return {
        _tag: "Retry",
        attempts: 2 + (n % 2),
        backoff: { first: "900 millis", longest: n % 3 === 0 ? "2 seconds" : "900 millis" },
        of: behind(take())
      }
    case "hedge":
      return { _tag: "Hedge", of: take(), after: "550 millis", with: build(raw, pool) }
    case "deadline":
      return { _tag: "Within", duration: `${deadlineMillis} millis`, of: behind(take()) }
    default:
      return behind(take())
  }
}

type RouteSpec = PolicyEncoded["routes"][number]

/** How long attempts of the first route may take. Silence lasts long enough for a slow answer, but where it is its theme. */
const limitsOf = (theme: Theme, n: number): Pick<RouteSpec, "timeouts" | "commit"> => {
  const timeouts = { connect: "5 seconds", headers: "2200 millis", firstToken: "none", idle: "700 millis", total: "none" }
  const commits = ["first-content", "headers", "whole"] as const
  switch (theme) {
    case "silence":
      return { timeouts: n % 2 === 0 ? { ...timeouts, headers: "700 millis" } : { ...timeouts, firstToken: "700 millis" } }
    case "whole":
      return { timeouts, commit: "whole" }
    case "total":
      return { timeouts: { ...timeouts, total: "1000 millis" }, commit: commits[n % 3]! }
    default:
      return { timeouts, commit: commits[n % 2]! }
  }
}

const shuffled = (names: ReadonlyArray<string>) => fc.shuffledSubarray([...names], { minLength: names.length, maxLength: names.length })

/** What goes wrong is mostly what a story is about. */
const likely: Readonly<Partial<Record<Theme, ReadonlyArray<Episode["is"]>>>> = {
  keys: ["rate-limited", "auth", "quota-exhausted"],
  "dead key": ["auth", "quota-exhausted"],
  pause: ["rate-limited"],
  silence: ["timeout"],
  stall: ["stall"],
  whole: ["stream-cut", "stall", "malformed"],
  total: ["slow", "stall"],
  deadline: ["slow", "timeout"],
  queue: ["slow"],
  retry: ["overloaded", "server-error", "malformed", "rate-limited"],
  hedge: ["slow", "timeout"],
  shadow: ["slow", "overloaded"],
  spread: ["overloaded", "slow"]
}

/** Stories of a theme whose providers answer at `baseUrl`. */
export const story = (theme: Theme, baseUrl: (name: TargetName) => string): fc.Arbitrary<Story> =>
  fc
    .record({
      routes: fc.tuple(raw, raw),
      pools: fc.tuple(shuffled(theme === "pause" ? ["a", "b", "c", "d"] : targetNames), shuffled(targetNames)),
      n: fc.nat({ max: 99 }),
      limits: fc.tuple(fc.integer({ min: 5_000_000, max: 80_000_000 }), fc.integer({ min: 3_000_000, max: 60_000_000 })),
      prices: fc.array(fc.constantFrom(0.1, 1, 10, 37.5), { minLength: 10, maxLength: 10 }),
      narrow: fc.shuffledSubarray([...targetNames], { minLength: 2, maxLength: 4 }),
      calls: fc.array(
        fc.record({
          key: fc.constantFrom("ann", "ben", "cy"),
          model: fc.constantFrom(...Array<string>(16).fill("routed"), ...targetNames),
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
          length: fc.integer({ min: 2, max: 9 }),
          is: fc.oneof(
            { weight: 3, arbitrary: fc.constantFrom(...(likely[theme] ?? troubles)) },
            { weight: 2, arbitrary: fc.constantFrom(...troubles, ...Array<"slow">(4).fill("slow")) }
          ),
          key: fc.nat({ max: 4 }),
          retryAfter: fc.constantFrom(undefined, 1, 3)
        }),
        { minLength: 6, maxLength: 14 }
      )
    })
    .map(({ calls, episodes, limits, n, narrow, pools, prices, routes }): Story => {
      // A copy and its call, and the sides of a hedge, ask for money in one moment.
      const scale = theme === "shadow" || theme === "hedge" ? 1_000 : 1
      const policy: PolicyEncoded = {
        name: "story",
        providers: Object.fromEntries(
          targetNames.map((name) => {
            const keys = keysOf[name]?.map(({ name, weight }) => ({ key: { env: name }, weight }))
            return [
              name,
              {
                dialect: "openai",
                baseUrl: baseUrl(name),
                ...(keys === undefined
                  ? {}
                  : keys.length === 1
                    ? { key: keys[0]!.key }
                    : { keys: keys as unknown as readonly [(typeof keys)[0]] })
              }
            ]
          })
        ),
        targets: Object.fromEntries(
          targetNames.map((name, i) => [
            name,
            {
              provider: name,
              model: `model-${name}`,
              price: { input: { usd: prices[2 * i]! }, output: { usd: prices[2 * i + 1]! } },
              maxOutputTokens: 100,
              ...(theme === "queue" ? { capacity: { inFlight: 1, queued: (n + i) % 2, wait: "1 seconds" } } : {})
            }
          ])
        ),
        budgets: {
          shared: { per: "class", limit: { usd: (scale * limits[0]) / 1e9 }, every: "month" },
          own: { per: "key", limit: { usd: (scale * limits[1]) / 1e9 }, every: "day" }
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
          {
            name: "routed",
            when: { "===": [{ var: "request.model" }, "routed"] },
            to: themed(theme, routes[0], [...pools[0]], n),
            ...limitsOf(theme, n)
          },
          {
            name: "wide",
            when: { "===": [{ var: "caller.class" }, "wide"] },
            to: build(routes[1], [...pools[1]]),
            ...limitsOf("budget", n)
          },
          { name: "default", to: { _tag: "Asked" }, ...limitsOf("budget", 0) }
        ]
      }
      // Where several strike at once the first in the list does, in both plays.
      return {
        theme,
        policy,
        calls: calls.map((call, slot) => ({ ...call, slot, id: `call-${slot}` })),
        episodes: episodes.map(({ from, is, key, length, retryAfter, target: drawn }) => {
          // Where in an answer something breaks is the simulator's luck, where its tokens take time.
          const target = drawn === "c" && (is === "stream-cut" || is === "stall") ? "d" : drawn
          return {
            target,
            is,
            from,
            to: Math.min(slots + 8, from + length),
            credential: is === "slow" || key === 4 ? undefined : keysOf[target]?.[key]?.name,
            retryAfter: is === "rate-limited" ? retryAfter : undefined
          }
        })
      }
    })

/** What strikes `target`, asked with `credential`, at `millis` since the first arrival. */
export const strikes = (
  { episodes }: Story,
  target: string,
  credential: string | undefined,
  millis: number
): { readonly trouble: Episode | undefined; readonly slow: boolean } => {
  const now = episodes.filter(
    (episode) =>
      episode.target === target &&
      (episode.credential === undefined || episode.credential === credential) &&
      millis >= episode.from * gridMillis - turnMillis &&
      millis < episode.to * gridMillis - turnMillis
  )
  return { trouble: now.find(({ is }) => is !== "slow"), slow: now.some(({ is }) => is === "slow") }
}

/** The same for the simulator. The dead address refuses all along. Times begin where a turn can come before the first arrival. */
export const modelOf = ({ episodes }: Story): Model => {
  const at = (slot: number): string => `${leadMillis + slot * gridMillis - turnMillis} millis`
  const slow = new Set<string>()
  return {
    version: 1,
    default: { firstToken: `${answerMillis} millis`, perToken: "0 millis", failAfter: "1 millis", errors: {} },
    targets: { c: { perToken: `${perTokenMillis} millis` } },
    events: [
      { targets: ["dead"], outage: "connection" },
      ...episodes.flatMap(({ credential, from, is, retryAfter, target, to }): ReadonlyArray<Event> => {
        const common = {
          targets: [target],
          from: at(from),
          to: at(to),
          ...(credential === undefined ? {} : { credentials: [credential] })
        }
        if (retryAfter !== undefined) return [{ ...common, storm: { rate: 1, retryAfter: `${retryAfter} seconds` } }]
        if (is !== "slow") return [{ ...common, outage: is }]
        // Twice slow is not slower: each slot once.
        const fresh: Array<Event> = []
        for (let slot = from; slot < to; slot++) {
          if (slow.has(`${target} ${slot}`)) continue
          slow.add(`${target} ${slot}`)
          fresh.push({ targets: [target], from: at(slot), to: at(slot + 1), slow: slowFactor })
        }
        return fresh
      })
    ]
  }
}

/** When the first call arrives in the simulation. */
export const leadMillis = 1_000
