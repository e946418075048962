/**
 * Generators of policies, of requests that go where the policy is interesting, and of what the world does with their attempts.
 *
 * A generator makes a tree of numbers and shapes, and a plain function builds from it something valid: names are picked among those that exist, weights add up,
 * a failover never comes back to a target that has failed, every class is granted something of every route. So every policy checks without an error, and
 * shrinking stays simple. Policies that are `loose` lack only what the checker wants of keys, grants and budgets, and compile all the same.
 */
import * as fc from "fast-check"
import type { FailureClass } from "../src/Failure.ts"
import type { ArmEncoded, ConditionJson, PolicyEncoded, StrategyEncoded } from "../src/Policy.ts"
import type { PriceSource, Rates } from "../src/Price.ts"
import type { FactValues, Play, Usage, Value } from "./reference.ts"

type Kind = "string" | "number" | "boolean"

export interface FactSpec {
  readonly name: string
  readonly type: Kind
  readonly optional: boolean
}

/** Every fact of a policy that declares this metadata, these headers and these budgets. */
export const factsOf = (policy: {
  readonly metadata?: ReadonlyArray<string>
  readonly headers?: ReadonlyArray<string>
  readonly budgets?: Readonly<Record<string, unknown>>
}): ReadonlyArray<FactSpec> => {
  const fact = (type: Kind, optional: boolean, ...names: ReadonlyArray<string>) => names.map((name): FactSpec => ({ name, type, optional }))
  return [
    ...fact("string", false, "request.model", "request.id", "request.api", "caller.key", "caller.class"),
    ...fact("number", false, "request.inputTokens", "request.messages"),
    ...fact("number", true, "request.maxOutputTokens"),
    ...fact("boolean", false, "request.stream", "request.needs.tools", "request.needs.vision"),
    ...fact("boolean", false, "request.needs.structuredOutput", "request.needs.reasoning"),
    ...fact("string", true, "caller.team", "caller.organisation"),
    ...fact("string", true, ...(policy.metadata ?? []).map((name) => `request.metadata.${name}`)),
    ...fact("string", true, ...(policy.headers ?? []).map((name) => `request.headers.${name}`)),
    ...Object.keys(policy.budgets ?? {}).flatMap((name) =>
      fact("number", false, `budget.${name}.spent`, `budget.${name}.remaining`, `budget.${name}.usedRatio`)
    )
  ]
}

const texts = [
  "",
  "core",
  "none",
  "constructor",
  "__proto__",
  "toString",
  "null",
  "0",
  "gpt-4",
  "mini",
  "gpt-4o",
  "eng",
  "guest",
  "alice",
  "müller",
  "日本語",
  "😀",
  "a\u0000b",
  "\ud800"
]
const numbers = [
  0,
  1,
  -1,
  2,
  100,
  99.5,
  -0.5,
  0.1,
  2_000,
  0.5,
  0.001,
  1e9,
  -1e9,
  1e21,
  5e-324,
  Number.MAX_SAFE_INTEGER,
  Number.MAX_VALUE,
  -Number.MAX_VALUE
]

/** Texts as they occur in requests and policies, the awkward ones among them. */
export const text = fc.oneof(fc.constantFrom(...texts), fc.string({ unit: "binary", maxLength: 6 }))
/** Finite numbers of any size; not -0, which the canonical form of a policy prints as 0. */
export const number = fc.oneof(
  fc.constantFrom(...numbers),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)
)

/** Picks by number, so that what is picked from can depend on what was generated before. */
const pick = <A>(from: ReadonlyArray<A>, n: number): A => from[n % from.length]!
const nat = fc.nat({ max: 0xffff })

// Conditions

type RawCondition =
  | {
      readonly kind: "compare"
      readonly fact: number
      readonly how: number
      readonly text: string
      readonly number: number
      readonly flag: boolean
    }
  | { readonly kind: "and" | "or"; readonly of: ReadonlyArray<RawCondition> }
  | { readonly kind: "not"; readonly of: RawCondition; readonly bare: boolean }

const rawCondition = fc.letrec<{ condition: RawCondition; compare: RawCondition }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3, depthSize: "small", withCrossShrink: true },
    { arbitrary: tie("compare"), weight: 3 },
    {
      arbitrary: fc.record({
        kind: fc.constantFrom("and" as const, "or" as const),
        of: fc.array(tie("condition"), { minLength: 1, maxLength: 3 })
      }),
      weight: 2
    },
    { arbitrary: fc.record({ kind: fc.constant("not" as const), of: tie("condition"), bare: fc.boolean() }), weight: 1 }
  ),
  compare: fc.record({ kind: fc.constant("compare" as const), fact: nat, how: nat, text, number, flag: fc.boolean() })
})).condition

const orders = ["<", "<=", ">", ">="] as const

/** A literal that fits the fact; `null` where it may be absent and the number says so. */
const literal = (fact: FactSpec, raw: Extract<RawCondition, { readonly kind: "compare" }>, n: number): Value => {
  if (fact.optional && n % 4 === 0) return null
  return fact.type === "string" ? raw.text : fact.type === "number" ? raw.number : raw.flag
}

/** `guarded`: an ordering of a fact that may be absent gets a guard before it. */
const buildCondition = (raw: RawCondition, facts: ReadonlyArray<FactSpec>, guarded: boolean): ConditionJson => {
  switch (raw.kind) {
    case "and":
    case "or":
      return { [raw.kind]: raw.of.map((part) => buildCondition(part, facts, guarded)) }
    case "not": {
      const of = buildCondition(raw.of, facts, guarded)
      return { "!": raw.bare ? of : [of] }
    }
    case "compare": {
      const fact = pick(facts, raw.fact)
      const variable = { var: fact.name }
      const how = raw.how % 8
      if (fact.type === "boolean" && how < 4) return variable
      if (fact.type === "number" && how < 5) {
        const ordering = { [pick(orders, raw.how >> 3)]: [variable, raw.number] }
        if (!fact.optional || !guarded) return ordering
        return raw.flag ? { and: [{ "!==": [variable, null] }, ordering] } : { or: [{ "===": [variable, null] }, ordering] }
      }
      if (how === 7 || how === 3) {
        const values = [
          literal(fact, raw, raw.how >> 3),
          literal(fact, raw, raw.how >> 5),
          ...(raw.flag && fact.type === "string" ? ["mini"] : [])
        ]
        return { in: [variable, values] }
      }
      return { [how % 2 === 0 ? "===" : "!=="]: [variable, literal(fact, raw, raw.how >> 3)] }
    }
  }
}

/** Conditions that the checker accepts, over `facts`. */
export const conditionOver = (facts: ReadonlyArray<FactSpec>): fc.Arbitrary<ConditionJson> =>
  rawCondition.map((raw) => buildCondition(raw, facts, true))

/** Conditions that are well formed, but may order what may be absent. */
export const unguardedOver = (facts: ReadonlyArray<FactSpec>): fc.Arbitrary<ConditionJson> =>
  rawCondition.map((raw) => buildCondition(raw, facts, false))

const oneFact = (fact: FactSpec): fc.Arbitrary<Value> => {
  const value: fc.Arbitrary<Value> =
    fact.type === "string" ? text : fact.type === "number" ? fc.oneof(number, fc.constant(-0)) : fc.boolean()
  return fact.optional ? fc.option(value, { freq: 3 }) : value
}

/** Well-typed values for `facts`. */
export const valuesOf = (facts: ReadonlyArray<FactSpec>): fc.Arbitrary<FactValues> =>
  fc.record(Object.fromEntries(facts.map((fact) => [fact.name, oneFact(fact)])))

type Rule = Readonly<Record<string, unknown>>

/** Does what a few assignments can so that `rule` comes out as `outcome`. `n` chooses among ways. */
export const meet = (rule: unknown, outcome: boolean, facts: Record<string, Value>, n: number): void => {
  const operator = Object.keys(rule as Rule)[0]!
  const operands = (rule as Rule)[operator] as ReadonlyArray<any>
  const fact = (operands as ReadonlyArray<any>)[0]?.var as string
  switch (operator) {
    case "var":
      facts[operands as unknown as string] = outcome
      return
    case "===":
    case "!==":
      if ((operator === "===") === outcome) facts[fact] = operands[1]
      else if (facts[fact] === operands[1] && typeof operands[1] === "boolean") facts[fact] = !operands[1]
      else if (facts[fact] === operands[1]) facts[fact] = fact.endsWith("Tokens") || fact.endsWith("messages") ? 7 : "other"
      return
    case "in":
      if (outcome) facts[fact] = pick(operands[1], n)
      return
    case "and":
    case "or":
      if ((operator === "and") === outcome) for (const part of operands) meet(part, outcome, facts, n)
      else meet(pick(operands, n), outcome, facts, n >> 2)
      return
    case "!":
      meet(Array.isArray(operands) ? operands[0] : operands, !outcome, facts, n)
      return
    default: {
      const bound = operands[1] as number
      const [near, far] = operator.startsWith("<") ? [bound, bound - 1] : [bound, bound + 1]
      const beyond = operator.startsWith("<") ? bound + 1 : bound - 1
      facts[fact] = outcome ? (operator.length === 2 && n % 2 === 0 ? near : far) : operator.length === 1 && n % 2 === 0 ? near : beyond
    }
  }
}

// Strategies

type RawStrategy =
  | { readonly kind: "send"; readonly n: number }
  | { readonly kind: "asked" }
  | { readonly kind: "deny"; readonly n: number }
  | { readonly kind: "first"; readonly of: ReadonlyArray<RawStrategy>; readonly on: ReadonlyArray<FailureClass> }
  | {
      readonly kind: "split"
      readonly arms: ReadonlyArray<{ readonly weight: number; readonly to: RawStrategy }>
      readonly n: number
      readonly salt: string
      readonly or: string
    }
  | { readonly kind: "when"; readonly if: RawCondition; readonly then: RawStrategy; readonly otherwise: RawStrategy }
  | { readonly kind: "within"; readonly n: number; readonly of: RawStrategy }

/** Every class that `on` may name. */
export const failures: ReadonlyArray<FailureClass> = [
  "rate-limited",
  "quota-exhausted",
  "overloaded",
  "server-error",
  "timeout",
  "connection",
  "stream-cut",
  "malformed",
  "context-length",
  "content-filter",
  "bad-request",
  "auth"
]

const salt = fc
  .oneof(fc.constantFrom("next-1", "s", "日本", "salt\n"), fc.string({ unit: "binary", minLength: 1, maxLength: 6 }))
  .map((s) => s.replaceAll("\0", "0") || "s")

const rawStrategy = (maxDepth: number) =>
  fc.letrec<{ strategy: RawStrategy }>((tie) => ({
    strategy: fc.oneof(
      { maxDepth, depthSize: "medium", withCrossShrink: true },
      { weight: 5, arbitrary: fc.record({ kind: fc.constant("send" as const), n: nat }) },
      { weight: 2, arbitrary: fc.constant({ kind: "asked" as const }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("deny" as const), n: nat }) },
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant("first" as const),
          of: fc.array(tie("strategy"), { minLength: 1, maxLength: 4 }),
          on: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.subarray([...failures], { minLength: 1 }) })
        })
      },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant("split" as const),
          arms: fc.array(fc.record({ weight: fc.integer({ min: 1, max: 50 }), to: tie("strategy") }), { minLength: 1, maxLength: 4 }),
          n: nat,
          salt,
          or: text
        })
      },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("when" as const), if: rawCondition, then: tie("strategy"), otherwise: tie("strategy") })
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("within" as const), n: nat, of: tie("strategy") }) }
    )
  })).strategy

const statuses = [400, 401, 403, 404, 410, 422, 429, 451, 500, 503, 599]
const durations = [
  "1 millis",
  "250 millis",
  "0.5 seconds",
  "1 seconds",
  "1.5 seconds",
  "5 seconds",
  "60 seconds",
  "2 minutes",
  "1 hours",
  "1 days"
]

/** The targets that `strategy` tries whatever the request is. */
const certain = (strategy: StrategyEncoded): ReadonlyArray<string> => {
  if (typeof strategy === "string") return [strategy]
  switch (strategy._tag) {
    case "Send":
      return [strategy.target]
    case "First":
      return strategy.of.flatMap(certain)
    case "Within":
      return certain(strategy.of)
    case "Split":
      return certain(strategy.arms[0].to).filter((target) => strategy.arms.every((arm) => certain(arm.to).includes(target)))
    case "When":
      return certain(strategy.then).filter((target) => certain(strategy.otherwise).includes(target))
    default:
      return []
  }
}

interface Names {
  readonly targets: ReadonlyArray<string>
  readonly facts: ReadonlyArray<FactSpec>
}

const isDeny = (strategy: StrategyEncoded): boolean => typeof strategy !== "string" && strategy._tag === "Deny"

/** `failed`: the targets that have certainly failed when this is tried. */
const buildStrategy = (raw: RawStrategy, names: Names, failed: ReadonlyArray<string>): StrategyEncoded => {
  switch (raw.kind) {
    case "send": {
      const left = names.targets.filter((target) => !failed.includes(target))
      if (left.length === 0) return { _tag: "Asked" }
      const target = pick(left, raw.n >> 1)
      return raw.n % 2 === 0 ? target : { _tag: "Send", target }
    }
    case "asked":
      return { _tag: "Asked" }
    case "deny":
      return {
        _tag: "Deny",
        status: pick(statuses, raw.n),
        code: pick(["not_today", "model_retired"], raw.n >> 4),
        message: "the policy says no: ask for another"
      }
    case "first": {
      const of: Array<StrategyEncoded> = []
      for (const part of raw.of) {
        of.push(buildStrategy(part, names, [...failed, ...of.flatMap(certain)]))
        // Nothing after a deny is ever tried, and the checker says so.
        if (isDeny(of.at(-1)!)) break
      }
      return { _tag: "First", of: of as unknown as [StrategyEncoded], ...(raw.on.length === 0 ? {} : { on: raw.on }) }
    }
    case "split": {
      const units = names.facts.filter((fact) => fact.type === "string")
      const unit = pick(units, raw.n >> 1)
      const total = raw.n % 2 === 0 ? 100 : 10_000
      const sum = raw.arms.reduce((all, arm) => all + arm.weight, 0)
      const arms = raw.arms.map(({ to, weight }, i): ArmEncoded => {
        const share = 1 + Math.floor(((total - raw.arms.length) * weight) / sum)
        return { name: pick(["control", "next", "c", "D-4"], i), weight: share, to: buildStrategy(to, names, failed) }
      })
      const left = total - arms.reduce((all, arm) => all + arm.weight, 0)
      const [one, ...others] = arms
      return {
        _tag: "Split",
        by: { fact: unit.name, ...(unit.optional || raw.n % 5 === 0 ? { or: raw.or } : {}) },
        salt: raw.salt,
        arms: [{ ...one!, weight: one!.weight + left }, ...others]
      }
    }
    case "when":
      return {
        _tag: "When",
        if: buildCondition(raw.if, names.facts, true),
        then: buildStrategy(raw.then, names, failed),
        otherwise: buildStrategy(raw.otherwise, names, failed)
      }
    case "within":
      return { _tag: "Within", duration: pick(durations, raw.n), of: buildStrategy(raw.of, names, failed) }
  }
}

const providerPool = {
  openai: { dialect: "openai", key: { env: "OPENAI_API_KEY" } },
  second: { dialect: "openai", key: { env: "OPENAI_API_KEY_2" }, region: "us" },
  claude: { dialect: "anthropic", key: { env: "ANTHROPIC_API_KEY" }, region: "eu" },
  router: { dialect: "openrouter", open: true },
  here: { dialect: "openai", baseUrl: "http://127.0.0.1:8081/v1/" }
} as const
const providerNames = Object.keys(providerPool) as ReadonlyArray<keyof typeof providerPool>
const models = [
  "gpt-4o",
  "gpt-4o-mini",
  "claude-sonnet-4-5",
  "openai/gpt-4o",
  "claude/claude-sonnet-4-5",
  "router/x",
  "mini",
  "müller-7b",
  "__proto__"
]
const targetNames = ["mini", "sonnet", "big", "constructor", "next", "opus-4_1", "toString"]
const aliasNames = ["fast", "gpt-4", "smart", "openai/gpt-4o", "claude-sonnet-4-5", "hasOwnProperty", "é", "router/x"]
const routeNames = ["retired", "thrift", "long", "canary", "other"]

type TargetEncoded = PolicyEncoded["targets"][string]
type ClassEncoded = NonNullable<PolicyEncoded["classes"]>[string]

const price = (input: number, output: number, more: object = {}) => ({ input: { usd: input }, output: { usd: output }, ...more })
const policyPrices = [
  price(0.15, 0.6),
  price(3, 15, { cacheRead: { usd: 0.3 }, cacheWrite: { usd: 3.75 } }),
  price(0.000001, 0.123457, { cacheRead: { usd: 1 } }),
  price(0, 0)
]
const maxima = [7, 200, 1_000, 4_096]

/** List prices of the models that are asked for most, one of them dearer for long requests. */
export const prices: PriceSource = (kind, model) => {
  const rates = (input: number): Rates => ({
    input: input * 1e6,
    output: input * 4e6,
    cacheRead: input * 1e5,
    cacheWrite: input * 125e4,
    cacheWriteLong: input * 2e6
  })
  if (model === "gpt-4o-mini") return { ...rates(2), tiers: [] }
  if (kind === "openrouter" && (model === "some-model" || model === "openai/gpt-4o"))
    return { ...rates(1), tiers: [{ aboveInputTokens: 1_000, rates: rates(3) }] }
  return undefined
}

// Keys, classes, budgets

const classNames = ["eng", "guest", "valueOf"]
const keyNames = ["alice", "bob", "carol", "constructor", "robot"]
const teamNames = ["core", "red"]
const budgetNames = ["month", "day", "hasOwnProperty"]
/** Most are spent after a few calls. */
const limits = [0, 0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 10]

const rawRights = fc.record({
  /** How callers come: without keys and rules, without keys but under a class `local`, with keys. */
  kind: fc.constantFrom("open", "local", "local", "keys", "keys", "keys"),
  classes: fc
    .uniqueArray(fc.constantFrom(...classNames), { minLength: 1, maxLength: 3 })
    .chain((names) =>
      fc.tuple(
        ...names.map((name) => fc.record({ name: fc.constant(name), may: nat, need: nat, within: nat, providers: nat, regions: nat }))
      )
    ),
  keys: fc.array(fc.record({ of: nat, team: nat, hashed: fc.boolean() }), { minLength: 1, maxLength: 5 }),
  budgets: fc.array(fc.record({ limit: nat, per: fc.constantFrom("key", "class", "team"), every: fc.constantFrom("day", "month") }), {
    minLength: 1,
    maxLength: 3
  })
})
type RawRights = typeof rawRights extends fc.Arbitrary<infer A> ? A : never

/** Targets that leave something of a strategy whichever branch is taken, chosen by `n`. */
const needed = (strategy: StrategyEncoded, n: number): ReadonlyArray<string> => {
  if (typeof strategy === "string") return [strategy]
  /** One of the parts is enough. */
  const one = (parts: ReadonlyArray<StrategyEncoded>): ReadonlyArray<string> =>
    parts.some((part) => needed(part, n).length === 0) ? [] : needed(pick(parts, n), n >> 2)
  switch (strategy._tag) {
    case "Send":
      return [strategy.target]
    case "Asked":
    case "Deny":
      return []
    case "First":
      return one(strategy.of)
    case "Split":
      return one(strategy.arms.map((arm) => arm.to))
    case "When":
      return [...needed(strategy.then, n), ...needed(strategy.otherwise, n)]
    case "Within":
      return needed(strategy.of, n)
  }
}

const subset = <A>(from: ReadonlyArray<A>, n: number): ReadonlyArray<A> => from.filter((_, i) => ((n >> i) & 1) === 1)

/** Adds keys, classes and budgets to a policy without any. */
const withRights = (policy: PolicyEncoded, raw: RawRights, loose: boolean): PolicyEncoded => {
  if (raw.kind === "open") return policy
  const targets: Record<string, TargetEncoded> = { ...policy.targets }
  const providersOf = (names: ReadonlyArray<string>) => names.map((name) => targets[name]!.provider)
  const regionOf = (name: string): string | undefined =>
    targets[name]!.region ?? (providerPool as Record<string, { readonly region?: string }>)[targets[name]!.provider]!.region
  const budgets = Object.fromEntries(
    raw.budgets.map(({ every, limit, per }, i) => {
      // Callers without keys have no team.
      const of = raw.kind === "local" && !loose && per === "team" ? "class" : per
      return [budgetNames[i]!, { per: of, every, limit: { usd: pick(limits, limit) } }] as const
    })
  )

  const classes: Record<string, ClassEncoded> = {}
  for (const [i, { may, name, need, providers, regions, within }] of raw.classes.entries()) {
    const wanted = loose ? [] : policy.routes.flatMap(({ to }) => needed(to, need))
    // Every class may use something.
    const needs = loose || wanted.length > 0 ? wanted : Object.keys(targets).slice(0, 1)
    const wishes = [...subset(Object.keys(targets), may), ...(may % 3 === 0 ? ["router/*"] : [])]
    const known = needs.map(regionOf)
    // Every budget binds somebody: the first class spends from whatever no other does.
    const rest = Object.keys(budgets).filter((_, at) => !raw.classes.slice(1).some((other) => ((other.within >> at) & 1) === 1))
    const bound = i === 0 ? [...new Set([...subset(Object.keys(budgets), within), ...rest])] : subset(Object.keys(budgets), within)
    classes[raw.kind === "local" && i === 0 ? "local" : name] = {
      may: [...new Set([...needs, ...wishes])],
      ...(providers % 3 === 0 ? { providers: [...new Set([...providersOf(needs), ...subset([...providerNames], providers >> 2)])] } : {}),
      ...(regions % 3 === 0 && !known.includes(undefined)
        ? { regions: [...new Set([...(known as ReadonlyArray<string>), ...subset(["eu", "us"], regions >> 2)])] }
        : {}),
      ...(bound.length === 0 ? {} : { within: within % 2 === 0 ? bound : bound.toReversed() })
    }
  }

  if (!loose) {
    for (const { may, within = [] } of Object.values(classes)) {
      if (within.length === 0) continue
      for (const [at, name] of may.entries()) {
        if (name === "router/*") continue
        const spec = targets[name]!
        targets[name] = { ...spec, price: spec.price ?? policyPrices[at % 2]!, maxOutputTokens: spec.maxOutputTokens ?? pick(maxima, at) }
      }
    }
  }

  const names = Object.keys(classes)
  const keys = raw.keys.map(({ hashed, of, team }, i) => {
    const name = keyNames[i]!
    const unknown = loose && of % 7 === 0
    const spec = {
      secret: hashed ? { sha256: String(i).repeat(64) } : { env: `KEY_${i}` },
      class: unknown ? "nobody" : pick(names, of),
      // A key without a team has no account under a budget of teams, and the checker says so.
      ...(loose && team % 3 === 0 ? {} : { team: pick(teamNames, team) })
    }
    return [name, spec] as const
  })
  return { ...policy, targets, budgets, classes, ...(raw.kind === "keys" ? { keys: Object.fromEntries(keys) } : {}) }
}

// Policies

const rawPolicy = fc.record({
  targets: fc
    .uniqueArray(fc.constantFrom(...targetNames), { minLength: 1, maxLength: 6 })
    .chain((names) => fc.tuple(...names.map((name) => fc.record({ name: fc.constant(name), n: nat, m: nat })))),
  aliases: fc.uniqueArray(fc.record({ name: fc.constantFrom(...aliasNames), n: nat }), { maxLength: 3, selector: ({ name }) => name }),
  metadata: fc.subarray(["tier", "constructor", "app"]),
  headers: fc.subarray(["x-app", "x-tenant"]),
  explicit: fc.boolean(),
  routes: fc.array(fc.record({ when: rawCondition, to: rawStrategy(4) }), { maxLength: 5 }),
  last: rawStrategy(4),
  rights: rawRights
})

const buildPolicy = (raw: typeof rawPolicy extends fc.Arbitrary<infer A> ? A : never, loose: boolean): PolicyEncoded => {
  const targets = Object.fromEntries(
    raw.targets.map(({ m, n, name }) => {
      const spec = {
        provider: pick(providerNames, n),
        model: pick(models, n >> 3),
        ...(n % 7 === 0 ? { region: "us" } : {}),
        ...(n % 5 < 3 ? { price: pick(policyPrices, n >> 5) } : {}),
        ...(n % 11 < 8 ? { maxOutputTokens: pick(maxima, m) } : {}),
        ...(m % 2 === 0 ? { addedTokens: pick([0, 1, 100], m >> 1) } : {}),
        ...(m % 3 === 0 ? { mediaTokens: { image: 50, ...(m % 9 === 0 ? { audio: 70, file: 90 } : {}) } } : {})
      }
      return [name, spec]
    })
  )
  const names = Object.keys(targets)
  const aliases: Record<string, string> = {}
  for (const { n, name } of raw.aliases) aliases[name] = pick([...names, ...Object.keys(aliases)], n)
  const used = new Set(Object.values(targets).map(({ provider }) => provider))
  const budgets = raw.rights.kind === "open" ? {} : Object.fromEntries(raw.rights.budgets.map((_, i) => [budgetNames[i]!, {}]))
  const known = { targets: names, facts: factsOf({ ...raw, budgets }) }
  const conditions = new Set<string>()
  const routes = raw.routes.flatMap(({ to, when }, i) => {
    const condition = buildCondition(when, known.facts, true)
    // A second route with the same condition can never be chosen, and the checker says so.
    if (conditions.has(JSON.stringify(condition))) return []
    conditions.add(JSON.stringify(condition))
    return [{ name: routeNames[i]!, when: condition, to: buildStrategy(to, known, []) }]
  })
  const all: ReadonlyArray<PolicyEncoded["routes"][0]> = [...routes, { name: "default", to: buildStrategy(raw.last, known, []) }]
  const policy: PolicyEncoded = {
    name: "generated",
    providers: Object.fromEntries(
      Object.entries(providerPool).filter(([name]) => raw.rights.kind !== "open" || name === "router" || used.has(name as "router"))
    ),
    targets,
    ...(raw.explicit || raw.metadata.length > 0 ? { metadata: raw.metadata } : {}),
    ...(raw.explicit || raw.headers.length > 0 ? { headers: raw.headers } : {}),
    ...(raw.explicit || raw.aliases.length > 0 ? { aliases } : {}),
    ...(raw.explicit ? { version: 1 as const, splitHash: "murmur3-x86-32" as const, budgets: {}, classes: {}, keys: {} } : {}),
    routes: all as PolicyEncoded["routes"]
  }
  return withRights(policy, raw.rights, loose)
}

/** A policy as JSON, valid by construction. */
export const policy: fc.Arbitrary<PolicyEncoded> = rawPolicy.map((raw) => buildPolicy(raw, false))

/** A policy that compiles, though the checker may refuse it for what its keys, classes and budgets leave out. */
export const loosePolicy: fc.Arbitrary<PolicyEncoded> = rawPolicy.map((raw) => buildPolicy(raw, true))

/** A strategy over the targets `names`, without conditions on undeclared facts. */
export const strategyOver = (targets: ReadonlyArray<string>, maxDepth = 3): fc.Arbitrary<StrategyEncoded> =>
  rawStrategy(maxDepth).map((raw) => buildStrategy(raw, { targets, facts: factsOf({}) }, []))

// Requests

const rawRequest = fc.record({
  model: nat,
  picks: fc.array(nat, { minLength: 31, maxLength: 31 }),
  route: fc.option(nat, { freq: 8 }),
  ways: nat,
  caller: nat,
  asks: nat
})

const conditionsIn = (strategy: StrategyEncoded): ReadonlyArray<unknown> => {
  if (typeof strategy === "string") return []
  switch (strategy._tag) {
    case "First":
      return strategy.of.flatMap(conditionsIn)
    case "Split":
      return strategy.arms.flatMap((arm) => conditionsIn(arm.to))
    case "When":
      return [strategy.if, ...conditionsIn(strategy.then), ...conditionsIn(strategy.otherwise)]
    case "Within":
      return conditionsIn(strategy.of)
    default:
      return []
  }
}

/** Names that callers ask for: what the policy declares in every spelling, and what nearly is that. */
const askedNames = (policy: PolicyEncoded): ReadonlyArray<string> => {
  const targets = Object.entries(policy.targets)
  const known = [
    ...targets.map(([name]) => name),
    ...Object.keys(policy.aliases ?? {}),
    ...targets.map(([, { model, provider }]) => `${provider}/${model}`),
    ...targets.map(([, { model }]) => model)
  ]
  return [
    ...known,
    ...known.map((name) => `${name}x`),
    "router/some-model",
    "router/openai/gpt-4o",
    "router/some-model",
    "router/",
    "/x",
    "nobody",
    "valueOf",
    "here/__proto__"
  ]
}

/** The callers that a policy knows, as facts. */
const callersTo = (policy: PolicyEncoded): ReadonlyArray<FactValues> => {
  const caller = (key: string, name: string, team: string | null) => ({
    "caller.key": key,
    "caller.class": name,
    "caller.team": team,
    "caller.organisation": null
  })
  const keys = Object.entries(policy.keys ?? {})
  return keys.length === 0 ? [caller("local", "local", null)] : keys.map(([key, spec]) => caller(key, spec.class, spec.team ?? null))
}

/** What a request has beside its facts; mostly one answer in text alone. */
const asksOf = (n: number): FactValues => ({
  ...(n % 7 === 0 ? { "asks.choices": 1 + (n % 3) } : {}),
  ...(n % 11 === 0 ? { "asks.images": 1 + (n % 2) } : {}),
  ...(n % 37 === 0 ? { "asks.audio": 1 } : {}),
  ...(n % 41 === 0 ? { "asks.files": 2 } : {}),
  ...(n % 23 === 0 ? { "asks.extras": "web_search_options" } : {})
})

/** The same request as one can come: with whole counts, and mostly of a size that the budgets of these policies cover. */
export const sized = (facts: FactValues): FactValues => {
  const count = (name: string) => Math.ceil(Math.abs(Number(facts[name])))
  const [tokens, messages] = [count("request.inputTokens"), count("request.messages")]
  return {
    ...facts,
    "request.inputTokens": tokens > 5_000 && tokens !== 1e9 ? tokens % 500 : tokens,
    "request.messages": messages > 1_000 ? messages % 9 : messages
  }
}

/** Facts of a request to `policy`: values that its own conditions name, and often all that a route's condition wants. */
export const requestTo = (policy: PolicyEncoded): fc.Arbitrary<FactValues> => {
  const facts = factsOf(policy)
  const names = askedNames(policy)
  const literals =
    JSON.stringify(policy.routes)
      .match(/-?\d+(\.\d+)?(e[+-]?\d+)?/g)
      ?.map(Number) ?? []
  const callers = callersTo(policy)
  return rawRequest.map(({ asks, caller, model, picks, route, ways }) => {
    const values: Record<string, Value> = {}
    for (const [i, { name, optional, type }] of facts.entries()) {
      const n = picks[i % picks.length]!
      if (optional && n % 3 === 0) values[name] = null
      else if (type === "string") values[name] = pick([...texts, "team-a", "user-1", "user-2"], n >> 2)
      else if (type === "boolean") values[name] = n % 2 === 0
      else values[name] = pick([...numbers, ...literals], n >> 2)
    }
    values["request.model"] = pick(names, model)
    if (route !== null) {
      const chosen = pick(policy.routes, route)
      const earlier = policy.routes.slice(0, policy.routes.indexOf(chosen))
      for (const condition of conditionsIn(chosen.to)) meet(condition, (ways & 1) === 0, values, ways >> 1)
      for (const { when } of earlier) meet(when, false, values, ways >> 3)
      if (chosen.when !== undefined) meet(chosen.when, true, values, ways >> 5)
    }
    // The pipeline takes no request without a model.
    if (values["request.model"] === "") values["request.model"] = "nobody"
    // Mostly somebody whom the policy knows, whatever the conditions want; else somebody whose key was issued elsewhere.
    if (caller % 5 !== 0) Object.assign(values, pick(callers, caller))
    else if (caller % 10 === 0) values["caller.class"] = pick([...Object.keys(policy.classes ?? {}), "nobody"], caller)
    if (values["caller.key"] === "") values["caller.key"] = "issued"
    return { ...values, ...asksOf(asks) }
  })
}

const withRequest = (policies: fc.Arbitrary<PolicyEncoded>) =>
  policies.chain((encoded) => requestTo(encoded).map((facts) => ({ policy: encoded, facts })))

/** A policy and a request to it. */
export const asked = withRequest(policy)

/** The same of policies that only compile. */
export const looselyAsked = withRequest(loosePolicy)

// What the world does

const times = [0, 1, 100, 250, 499, 500, 999, 1_000, 1_500, 10_000, 61_000]

const rawPlay = fc.record({
  failure: fc.oneof({ weight: 1, arbitrary: fc.constant(undefined) }, { weight: 4, arbitrary: fc.constantFrom(...failures) }),
  committed: nat,
  first: nat,
  more: nat,
  detail: nat,
  usage: fc.option(fc.record({ input: nat, cached: nat, written: nat, long: nat, output: nat }), { freq: 4 })
})

/** Mostly a few hundred tokens; now and then more than was foreseen, or parts that are more than the whole. */
const usageOf = ({ cached, input, long, output, written }: Record<"cached" | "input" | "long" | "output" | "written", number>): Usage => ({
  inputTokens: input % 600,
  cachedInputTokens: cached % 3 === 0 ? cached % 400 : 0,
  cacheWriteInputTokens: written % 3 === 0 ? written % 400 : 0,
  ...(long % 4 === 0 ? { longCacheWriteInputTokens: long % 300 } : {}),
  outputTokens: output % (output % 11 === 0 ? 60_000 : 400),
  reasoningTokens: 0
})

/** What one attempt meets; mostly failures, because one success ends a call. */
export const play: fc.Arbitrary<Play> = rawPlay.map(({ committed, detail, failure, first, more, usage }): Play => {
  const begins = pick(times, first)
  const ends = begins + pick(times, more)
  const said = usage === null ? {} : { usage: usageOf(usage) }
  if (failure === undefined) return { failure, commitsAfter: begins, endsAfter: ends, ...said }
  const some = detail % 2 === 0 ? said : {}
  // Only some failures come in the middle of an answer.
  if (committed % 5 === 0) {
    const cut = pick(["stream-cut", "timeout", "malformed", "cancelled"] as const, committed)
    return { failure: cut, commitsAfter: begins, endsAfter: ends, ...some }
  }
  return {
    failure,
    commitsAfter: undefined,
    endsAfter: begins,
    ...some,
    ...(more % 3 === 0 ? { unbilled: true } : {}),
    ...(detail % 3 === 0 ? { retryAfterMillis: pick([0, 1, 999, 1_000, 1_001, 30_000], detail) } : {}),
    ...(detail % 4 === 0 ? { status: pick([400, 413, 422, 429, 500, 503], detail) } : {}),
    ...(detail % 8 === 0 ? { code: pick(["invalid_value", "too_long"], detail >> 3) } : {})
  }
})

/** What the attempts of a call meet, in turn. */
export const script: fc.Arbitrary<ReadonlyArray<Play>> = fc.array(play, { minLength: 1, maxLength: 6 })
