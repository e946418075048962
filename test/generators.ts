/**
 * Generators of policies, of requests that go where the policy is interesting, and of what the world does with their attempts.
 *
 * A generator makes a tree of numbers and shapes, and a plain function builds from it something valid: names are picked among those that exist, weights add up,
 * a failover never comes back to a target that has failed, every class is granted something of every route. So every policy checks without an error, and
 * shrinking stays simple. Policies that are `loose` lack only what the checker wants of keys, grants and budgets, and compile all the same.
 */
import * as fc from "fast-check"
import { regionsOf } from "../src/check/regions.ts"
import type { FailureClass } from "../src/Failure.ts"
import { type ArmEncoded, type ConditionJson, decode, type Overrides, type PolicyEncoded, type StrategyEncoded } from "../src/Policy.ts"
import type { PriceSource, Rates } from "../src/Price.ts"
import { declared, type FactValues, type Play, type Usage, type Value } from "./reference.ts"
import { forbids } from "./reference/rules.ts"

type Kind = "string" | "number" | "boolean"

export interface FactSpec {
  readonly name: string
  readonly type: Kind
  readonly optional: boolean
}

/** What conditions of answers may read. */
export const answerFacts: ReadonlyArray<FactSpec> = [
  { name: "answer.stop", type: "string", optional: false },
  { name: "answer.outputTokens", type: "number", optional: true },
  { name: "answer.characters", type: "number", optional: false },
  { name: "answer.toolCalls", type: "number", optional: false },
  { name: "answer.refused", type: "boolean", optional: false },
  { name: "answer.isJson", type: "boolean", optional: false }
]

/** Every fact of a policy that declares these names. */
export const factsOf = (policy: {
  readonly metadata?: ReadonlyArray<string>
  readonly headers?: ReadonlyArray<string>
  readonly tags?: ReadonlyArray<string>
  readonly targets?: Readonly<Record<string, unknown>>
  readonly layers?: ReadonlyArray<{ readonly budgets?: Readonly<Record<string, unknown>> }>
  readonly budgets?: Readonly<Record<string, unknown>>
}): ReadonlyArray<FactSpec> => {
  const fact = (type: Kind, optional: boolean, ...names: ReadonlyArray<string>) => names.map((name): FactSpec => ({ name, type, optional }))
  return [
    ...fact("string", false, "request.model", "request.id", "request.api", "caller.key", "caller.class"),
    ...fact("number", false, "request.inputTokens", "request.messages"),
    ...fact("number", true, "request.maxOutputTokens"),
    ...fact("boolean", false, "request.stream", "request.needs.tools", "request.needs.vision"),
    ...fact("boolean", false, "request.needs.structuredOutput", "request.needs.reasoning"),
    ...fact("boolean", false, "request.needs.audio", "request.needs.files"),
    ...fact("number", false, "time.hour"),
    ...fact("string", false, "time.weekday"),
    ...fact("string", true, "caller.team", "caller.organisation"),
    ...fact("string", true, ...(policy.metadata ?? []).map((name) => `request.metadata.${name}`)),
    ...fact("string", true, ...(policy.headers ?? []).map((name) => `request.headers.${name}`)),
    ...fact("boolean", false, ...(policy.tags ?? []).map((name) => `caller.tags.${name}`)),
    ...Object.keys(policy.targets ?? {}).flatMap((name) => [
      ...fact("boolean", false, `health.${name}.up`),
      ...fact("number", true, `health.${name}.latencyMillis`)
    ]),
    ...[...(policy.layers ?? []), policy]
      .flatMap(({ budgets }) => Object.keys(budgets ?? {}))
      .flatMap((name) => fact("number", false, `budget.${name}.spent`, `budget.${name}.remaining`, `budget.${name}.usedRatio`))
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
  | { readonly kind: "opaque"; readonly fact: number; readonly how: number; readonly text: string; readonly number: number }
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
    { arbitrary: fc.record({ kind: fc.constant("not" as const), of: tie("condition"), bare: fc.boolean() }), weight: 1 },
    { arbitrary: fc.record({ kind: fc.constant("opaque" as const), fact: nat, how: nat, text, number }), weight: 1 }
  ),
  compare: fc.record({ kind: fc.constant("compare" as const), fact: nat, how: nat, text, number, flag: fc.boolean() })
})).condition

const orders = ["<", "<=", ">", ">="] as const
/** Why answers end. */
const stops = [
  "end",
  "stop-sequence",
  "max-tokens",
  "tool-calls",
  "content-filter",
  "refusal",
  "paused",
  "context-window",
  "unknown"
] as const
const weekdays = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

/** JsonLogic of every kind that cannot be analysed; the last throws for some. */
const opaqueRule = (fact: FactSpec, raw: Extract<RawCondition, { readonly kind: "opaque" }>): ConditionJson => {
  const variable = { var: fact.name }
  return pick<ConditionJson>(
    [
      { "!!": [variable] },
      { "==": [variable, raw.text] },
      { "<": [0, { var: [fact.name, raw.number] }, 100] },
      { in: [raw.text, variable] },
      { some: [[raw.text, variable, [1]], { "===": [{ var: "" }, raw.text] }] },
      { ">": [{ reduce: [[1, 2, variable], { "+": [{ var: "accumulator" }, { var: "current" }] }, 0] }, raw.number] },
      { if: [variable, { "%": [raw.number, 2] }, { cat: ["", { substr: [raw.text, 0, 1] }] }] },
      { filter: [{ merge: [variable, [0, ""]] }, { var: "" }] },
      { if: [variable, true, { "*": [] }] }
    ],
    raw.how >> 4
  )
}

/** A literal that fits the fact; `null` where it may be absent and the number says so. */
const literal = (fact: FactSpec, raw: Extract<RawCondition, { readonly kind: "compare" }>, n: number): Value => {
  if (fact.optional && n % 4 === 0) return null
  if (fact.name === "time.weekday") return pick(weekdays, n)
  if (fact.name === "time.hour") return n % 24
  if (fact.name === "answer.stop") return pick(stops, n)
  return fact.type === "string" ? raw.text : fact.type === "number" ? raw.number : raw.flag
}

/** `guarded`: an ordering of a fact that may be absent gets a guard before it. Without `opaque` all of it can be analysed. */
const buildCondition = (raw: RawCondition, facts: ReadonlyArray<FactSpec>, guarded: boolean, opaque = false): ConditionJson => {
  switch (raw.kind) {
    case "and":
    case "or":
      return { [raw.kind]: raw.of.map((part) => buildCondition(part, facts, guarded, opaque)) }
    case "not": {
      const of = buildCondition(raw.of, facts, guarded, opaque)
      return { "!": raw.bare ? of : [of] }
    }
    case "opaque": {
      if (!opaque) return buildCondition({ ...raw, kind: "compare", flag: raw.how % 2 === 0 }, facts, guarded)
      const rule = opaqueRule(pick(facts, raw.fact), raw)
      return { opaque: raw.how % 2 === 0 ? rule : [rule] }
    }
    case "compare": {
      const fact = pick(facts, raw.fact)
      const variable = { var: fact.name }
      const how = raw.how % 8
      if (fact.type === "boolean" && how < 4) return variable
      if (fact.type === "number" && how < 5) {
        const bound = fact.name === "time.hour" ? literal(fact, raw, raw.how >> 5) : raw.number
        const ordering = { [pick(orders, raw.how >> 3)]: [variable, bound] }
        if (!fact.optional || !guarded) return ordering
        return raw.flag ? { and: [{ "!==": [variable, null] }, ordering] } : { or: [{ "===": [variable, null] }, ordering] }
      }
      if (how === 7 || how === 3) {
        const values = [
          literal(fact, raw, raw.how >> 3),
          literal(fact, raw, raw.how >> 5),
          ...(raw.flag && fact.name === "request.model" ? ["mini"] : [])
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
    fact.name === "time.weekday"
      ? fc.constantFrom(...weekdays)
      : fact.name === "time.hour"
        ? fc.integer({ min: 0, max: 23 })
        : fact.type === "string"
          ? text
          : fact.type === "number"
            ? fc.oneof(number, fc.constant(-0))
            : fc.boolean()
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
    case "opaque":
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
  | { readonly kind: "spread"; readonly n: number; readonly of: ReadonlyArray<number> }
  | { readonly kind: "pool"; readonly n: number }
  | { readonly kind: "retry"; readonly n: number; readonly on: ReadonlyArray<FailureClass>; readonly of: RawStrategy }
  | { readonly kind: "hedge"; readonly n: number; readonly of: RawStrategy; readonly with: RawStrategy }
  | { readonly kind: "shadow"; readonly n: number; readonly of: RawStrategy; readonly copy: RawStrategy }
  | { readonly kind: "escalate"; readonly of: RawStrategy; readonly if: RawCondition; readonly to: RawStrategy }

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

const rawOn = fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.subarray([...failures], { minLength: 1 }) })

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
          on: rawOn
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
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("within" as const), n: nat, of: tie("strategy") }) },
      {
        weight: 3,
        arbitrary: fc.record({ kind: fc.constant("spread" as const), n: nat, of: fc.array(nat, { minLength: 1, maxLength: 4 }) })
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("pool" as const), n: nat }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("retry" as const), n: nat, on: rawOn, of: tie("strategy") }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant("hedge" as const), n: nat, of: tie("strategy"), with: tie("strategy") }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("shadow" as const), n: nat, of: tie("strategy"), copy: tie("strategy") }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant("escalate" as const), of: tie("strategy"), if: rawCondition, to: tie("strategy") })
      }
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
    case "Hedge":
      return [...certain(strategy.of), ...certain(strategy.with)]
    case "Escalate":
      return [...certain(strategy.of), ...certain(strategy.to)]
    case "Shadow":
    case "Retry":
      return certain(strategy.of)
    case "Spread":
      return strategy.of.length === 1 ? certain(strategy.of[0]) : []
    case "When":
      return certain(strategy.then).filter((target) => certain(strategy.otherwise).includes(target))
    default:
      return []
  }
}

interface Names {
  readonly targets: ReadonlyArray<string>
  readonly facts: ReadonlyArray<FactSpec>
  /** Whether conditions may be opaque, and targets served elsewhere than they say. */
  readonly loose?: boolean
  readonly pools?: Pools
}

type Pools = NonNullable<PolicyEncoded["pools"]>
const waysToSpread = ["round-robin", "least-busy", "latency", "cost"] as const
const waits = ["1 millis", "100 millis", "250 millis", "0.5 seconds", "1 seconds", "10 seconds"]

/** Members of a spread, no target twice. */
const membersOf = (picks: ReadonlyArray<number>, targets: ReadonlyArray<string>, loose: boolean): Pools[string]["of"] =>
  [...new Map(picks.map((n) => [pick(targets, n >> 1), n]))].map(([target, n]) =>
    sendOf(target, n, loose)
  ) as unknown as Pools[string]["of"]

const sendOf = (target: string, n: number, loose: boolean): string | Extract<StrategyEncoded, { readonly _tag: "Send" }> =>
  n % 2 === 0 ? target : { _tag: "Send", target, ...(n % 5 === 0 ? { set: overridesOf(n, loose) } : {}) }

/** What a `send` sets, by a number. */
const overridesOf = (n: number, loose: boolean): Overrides => ({
  ...(n % 2 === 0 ? { maxOutputTokens: pick([5, 300, 100_000], n >> 3) } : { temperature: 0.5 }),
  ...(loose && n % 3 === 0 ? { region: pick(["eu", "us"], n >> 2) } : {}),
  ...(loose && n % 5 === 0 ? { deployment: pick(["prod-1", "gpt-4o"], n >> 2) } : {})
})

const isDeny = (strategy: StrategyEncoded): boolean => typeof strategy !== "string" && strategy._tag === "Deny"

/** `failed`: the targets that have certainly failed when this is tried. */
const buildStrategy = (raw: RawStrategy, names: Names, failed: ReadonlyArray<string>): StrategyEncoded => {
  switch (raw.kind) {
    case "send": {
      const left = names.targets.filter((target) => !failed.includes(target))
      if (left.length === 0) return { _tag: "Asked" }
      return sendOf(pick(left, raw.n >> 1), raw.n, names.loose === true)
    }
    case "spread": {
      const left = names.targets.filter((target) => !failed.includes(target))
      if (left.length === 0) return { _tag: "Asked" }
      return { _tag: "Spread", by: pick(waysToSpread, raw.n), of: membersOf(raw.of, left, names.loose === true) }
    }
    case "pool": {
      const isLeft = ({ of }: Pools[string]): boolean =>
        of.some((member) => !failed.includes(typeof member === "string" ? member : member.target))
      const left = Object.entries(names.pools ?? {}).filter(([, pool]) => isLeft(pool))
      return left.length === 0 ? { _tag: "Asked" } : { _tag: "Pool", pool: pick(left, raw.n)[0] }
    }
    case "retry":
      return {
        _tag: "Retry",
        attempts: 2 + (raw.n % 3),
        ...(raw.n % 4 === 0
          ? {}
          : { backoff: { first: pick(waits, raw.n >> 2), longest: pick(["10 seconds", "30 seconds"], raw.n >> 5) } }),
        ...(raw.on.length === 0 ? {} : { on: raw.on }),
        of: buildStrategy(raw.of, names, failed)
      }
    case "hedge": {
      const of = buildStrategy(raw.of, names, failed)
      return { _tag: "Hedge", of, after: pick(waits, raw.n), with: buildStrategy(raw.with, names, failed) }
    }
    case "shadow":
      return {
        _tag: "Shadow",
        of: buildStrategy(raw.of, names, failed),
        copy: buildStrategy(raw.copy, names, []),
        sample: pick([1, 10, 50, 100], raw.n)
      }
    case "escalate": {
      const of = buildStrategy(raw.of, names, failed)
      // Nothing after a deny is ever tried, and the checker says so.
      if (isDeny(of)) return of
      const json = buildCondition(raw.if, answerFacts, true, names.loose)
      return { _tag: "Escalate", of, if: json, to: buildStrategy(raw.to, names, [...failed, ...certain(of)]) }
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
      const units = names.facts.filter((fact) => fact.type === "string" && fact.name !== "time.weekday")
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
        if: buildCondition(raw.if, names.facts, true, names.loose),
        then: buildStrategy(raw.then, names, failed),
        otherwise: buildStrategy(raw.otherwise, names, failed)
      }
    case "within":
      return { _tag: "Within", duration: pick(durations, raw.n), of: buildStrategy(raw.of, names, failed) }
  }
}

const providerPool = {
  openai: { dialect: "openai", key: { env: "OPENAI_API_KEY" } },
  // The first of its keys is also that of another provider.
  second: { dialect: "openai", keys: [{ env: "OPENAI_API_KEY" }, { key: { env: "OPENAI_API_KEY_2" }, weight: 3 }], region: "us" },
  claude: { dialect: "anthropic", key: { env: "ANTHROPIC_API_KEY" }, region: "eu" },
  router: { dialect: "openrouter", open: true },
  here: { dialect: "openai", baseUrl: "http://127.0.0.1:8081/v1/" },
  many: { dialect: "openai", baseUrl: "http://127.0.0.1:8082/v1/", keys: [{ env: "A" }, { env: "B" }, { env: "C" }] }
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
const organisationNames = ["acme", "zeta"]
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
const needed = (strategy: StrategyEncoded, n: number, pools: Pools = {}): ReadonlyArray<string> => {
  if (typeof strategy === "string") return [strategy]
  /** One of the parts is enough. */
  const one = (parts: ReadonlyArray<StrategyEncoded>): ReadonlyArray<string> =>
    parts.some((part) => needed(part, n, pools).length === 0) ? [] : needed(pick(parts, n), n >> 2, pools)
  switch (strategy._tag) {
    case "Send":
      return [strategy.target]
    case "Pool":
      return one(pools[strategy.pool]!.of)
    case "Asked":
    case "Deny":
      return []
    case "First":
      return one(strategy.of)
    case "Split":
      return one(strategy.arms.map((arm) => arm.to))
    case "When":
      return [...needed(strategy.then, n, pools), ...needed(strategy.otherwise, n, pools)]
    case "Shadow":
    case "Retry":
      return needed(strategy.of, n, pools)
    case "Hedge":
      return one([strategy.of, strategy.with])
    case "Escalate":
      return one([strategy.of, strategy.to])
    case "Spread":
      return one(strategy.of)
    case "Within":
      return needed(strategy.of, n, pools)
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
    const wanted = loose ? [] : policy.routes.flatMap(({ to }) => needed(to, need, policy.pools))
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
      if (within.length === 0 && !(policy.layers ?? []).some(({ budgets = {} }) => Object.keys(budgets).length > 0)) continue
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
      ...(loose && team % 3 === 0 ? {} : { team: pick(teamNames, team) }),
      ...(loose && team % 5 === 0 ? {} : { organisation: pick(organisationNames, team >> 3) }),
      ...(team % 2 === 0 ? { tags: subset(policy.tags ?? [], team >> 4) } : {})
    }
    return [name, spec] as const
  })
  return { ...policy, targets, budgets, classes, ...(raw.kind === "keys" ? { keys: Object.fromEntries(keys) } : {}) }
}

// Guards and layers

const capabilityNames = ["vision", "audio", "files", "tools", "structuredOutput", "reasoning"] as const
const targetTags = ["hosted", "trial", "eu-only"]

/** What a target declares to be able to do. What it lacks would leave requests of a policy that is to check without an answer. */
const capabilitiesFrom = (n: number, loose: boolean): NonNullable<TargetEncoded["capabilities"]> => ({
  ...Object.fromEntries(subset(capabilityNames, n).map((name, i) => [name, !loose || (n >> i) % 3 === 0])),
  ...(loose && n % 3 === 0 ? { contextWindow: pick([10, 400, 100_000], n >> 4) } : {})
})

const guardNames = ["no-trial", "eu-only", "cheap", "able", "names", "later"]

const rawGuard = fc.record({ fields: nat, values: nat, more: nat, require: fc.boolean(), when: fc.option(rawCondition, { freq: 2 }) })
type RawGuard = typeof rawGuard extends fc.Arbitrary<infer A> ? A : never
type GuardEncoded = NonNullable<PolicyEncoded["guards"]>[number]
type LayerEncoded = NonNullable<PolicyEncoded["layers"]>[number]

/** What a guard speaks of: mostly one thing, now and then two. */
const selectorOf = (
  { fields, more, values }: RawGuard,
  targets: ReadonlyArray<string>,
  providers: ReadonlyArray<string>
): NonNullable<GuardEncoded["forbid"]> => {
  const limits = [0, 0.15, 0.150001, 0.6, 2, 3, 8, 15]
  const kinds = [
    { targets: [pick(targets, values), pick(targets, values >> 4)] },
    { models: [pick(models, values), pick(["GPT-4o", "prod-1", "some-model"], values >> 4)] },
    { providers: [pick(providers, values)] },
    { regions: [pick(["eu", "us"], values)] },
    { vendors: [pick(["maker", "host", "router", "own", "cloud"] as const, values), pick(["maker", "own"] as const, values >> 4)] },
    { tags: [pick(targetTags, values)] },
    { capabilities: [pick(capabilityNames, values), pick(capabilityNames, values >> 4)] },
    { inputAbove: { usd: pick(limits, values) } },
    { outputAbove: { usd: pick(limits, values) } }
  ]
  return { ...pick(kinds, fields), ...(more % 3 === 0 ? pick(kinds, fields >> 5) : {}) } as NonNullable<GuardEncoded["forbid"]>
}

const rawLayers = fc.record({
  own: fc.array(rawGuard, { maxLength: 2 }),
  layers: fc.array(
    fc.record({
      guards: fc.array(rawGuard, { maxLength: 2 }),
      budgets: fc.array(fc.record({ per: nat, every: fc.constantFrom("day" as const, "month" as const), limit: nat }), { maxLength: 1 })
    }),
    { maxLength: 2 }
  )
})

/** Where the policy is to check, what a class needs of each route is kept out by no guard, and lacks nothing. */
const withGuards = (
  bare: PolicyEncoded,
  { layers, own }: typeof rawLayers extends fc.Arbitrary<infer A> ? A : never,
  rights: RawRights,
  facts: ReadonlyArray<FactSpec>,
  loose: boolean
): PolicyEncoded => {
  const ways = rights.kind === "open" ? [0] : rights.classes.map(({ need }) => need)
  const needs = loose
    ? []
    : [Object.keys(bare.targets)[0]!, ...ways.flatMap((n) => bare.routes.flatMap(({ to }) => needed(to, n, bare.pools)))]
  // What is needed lacks nothing, or requests that only it could answer would have no candidate.
  const able = Object.entries(bare.targets).map(([name, spec], i) => {
    const all = { ...Object.fromEntries(capabilityNames.map((capability) => [capability, true])), contextWindow: Number.MAX_SAFE_INTEGER }
    return [name, needs.includes(name) ? { ...spec, capabilities: all, maxOutputTokens: spec.maxOutputTokens ?? pick(maxima, i) } : spec]
  })
  const policy: PolicyEncoded = { ...bare, targets: Object.fromEntries(able) }
  const result = decode(policy)
  if (result._tag === "Failure") throw new Error(String(result.failure))
  const made = result.success
  const guardsOf = (raws: ReadonlyArray<RawGuard>, from: number): ReadonlyArray<GuardEncoded> =>
    raws.flatMap((raw, i) => {
      const selector = selectorOf(raw, Object.keys(policy.targets), Object.keys(policy.providers))
      const guard = {
        name: guardNames[from + i]!,
        ...(raw.when === null ? {} : { when: buildCondition(raw.when, facts, true, loose) }),
        ...(raw.require ? { require: selector } : { forbid: selector })
      }
      return needs.some((name) => forbids(made, guard as never, declared(made, name), prices)) ? [] : [guard]
    })
  const guards = guardsOf(own, 0)
  const laid = layers.map(({ guards }, i): LayerEncoded => ({ ...policy.layers![i]!, guards: guardsOf(guards, 2 * i + 2) }))
  return { ...policy, ...(guards.length > 0 ? { guards } : {}), ...(laid.length > 0 ? { layers: laid } : {}) }
}

// Policies

const zones = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia"]

const poolNames = ["shared", "cheap"]

/** How much a call may cost over all its attempts, mostly what the policy says by default. What can be bounded in dollars is no matter of chance, and the checker looks. */
const effortOf = (n: number, loose: boolean): Pick<PolicyEncoded, "effort"> => {
  const effort = {
    ...(n % 3 === 0 ? { attempts: 1 + ((n >> 2) % 4) } : {}),
    ...((n >> 4) % 5 === 0 ? { time: pick(["250 millis", "1 seconds", "60 seconds"], n >> 6) } : {}),
    ...(loose && (n >> 6) % 5 === 0 ? { dollars: { usd: pick([0.0005, 0.002, 0.01, 0.1], n >> 8) } } : {})
  }
  return Object.keys(effort).length === 0 ? {} : { effort }
}

const rawPolicy = fc.record({
  tags: fc.subarray(["batch", "vip"]),
  zone: nat,
  rules: rawLayers,
  targets: fc
    .uniqueArray(fc.constantFrom(...targetNames), { minLength: 1, maxLength: 6 })
    .chain((names) => fc.tuple(...names.map((name) => fc.record({ name: fc.constant(name), n: nat, m: nat })))),
  aliases: fc.uniqueArray(fc.record({ name: fc.constantFrom(...aliasNames), n: nat }), { maxLength: 3, selector: ({ name }) => name }),
  metadata: fc.subarray(["tier", "constructor", "app"]),
  headers: fc.subarray(["x-app", "x-tenant"]),
  explicit: fc.boolean(),
  pools: fc.array(fc.record({ n: nat, of: fc.array(nat, { minLength: 2, maxLength: 4 }) }), { maxLength: 2 }),
  effort: nat,
  routes: fc.array(fc.record({ when: rawCondition, to: rawStrategy(4), effort: nat }), { maxLength: 5 }),
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
        ...(n % 11 < (loose ? 4 : 8) ? { maxOutputTokens: pick(maxima, m) } : {}),
        ...(m % 2 === 0 ? { addedTokens: pick([0, 1, 100], m >> 1) } : {}),
        ...(m % 3 === 0 ? { mediaTokens: { image: 50, ...(m % 9 === 0 ? { audio: 70, file: 90 } : {}) } } : {}),
        ...(m % 4 === 0 ? { tags: subset(targetTags, m >> 3) } : {}),
        ...(m % 5 === 0 ? { deployment: pick(["prod-1", "gpt-4o"], m >> 3) } : {}),
        ...(m % 2 === 1 ? { capabilities: capabilitiesFrom(m >> 1, loose) } : {})
      }
      return [name, spec]
    })
  )
  const names = Object.keys(targets)
  const aliases: Record<string, string> = {}
  for (const { n, name } of raw.aliases) aliases[name] = pick([...names, ...Object.keys(aliases)], n)
  const used = new Set(Object.values(targets).map(({ provider }) => provider))
  const budgets = raw.rights.kind === "open" ? {} : Object.fromEntries(raw.rights.budgets.map((_, i) => [budgetNames[i]!, {}]))
  const layers = raw.rules.layers.map(({ budgets }, i): LayerEncoded => {
    const scopes = loose ? (["key", "class", "team", "organisation"] as const) : (["key", "class"] as const)
    const made = budgets.map(({ every, limit, per }) => ({ per: pick(scopes, per), every, limit: { usd: pick(limits, limit) } }))
    return { name: `org-${i}`, ...(raw.rights.kind === "open" || made.length === 0 ? {} : { budgets: { [`org-${i}`]: made[0]! } }) }
  })
  const facts = factsOf({ ...raw, targets, budgets, layers })
  const pools: Record<string, Pools[string]> = {}
  for (const [i, { n, of }] of raw.pools.entries()) {
    const members = membersOf(of, names, loose)
    // A pool of one would be that one, which the failover may have come from.
    if (members.length > 1) pools[poolNames[i]!] = { by: pick(waysToSpread, n), of: members }
  }
  const known = { targets: names, facts, loose, pools }
  const conditions = new Set<string>()
  const routes = raw.routes.flatMap(({ effort, to, when }, i) => {
    const condition = buildCondition(when, known.facts, true, loose)
    // A second route with the same condition can never be chosen, and the checker says so.
    if (conditions.has(JSON.stringify(condition))) return []
    conditions.add(JSON.stringify(condition))
    return [{ name: routeNames[i]!, when: condition, ...effortOf(effort, loose), to: buildStrategy(to, known, []) }]
  })
  const all: ReadonlyArray<PolicyEncoded["routes"][0]> = [...routes, { name: "default", to: buildStrategy(raw.last, known, []) }]
  const usedPools = Object.entries(pools).filter(([name]) => JSON.stringify(all).includes(`"pool":"${name}"`))
  const policy: PolicyEncoded = {
    name: "generated",
    providers: Object.fromEntries(
      Object.entries(providerPool).filter(([name]) => raw.rights.kind !== "open" || name === "router" || used.has(name as "router"))
    ),
    targets,
    ...(raw.explicit || raw.metadata.length > 0 ? { metadata: raw.metadata } : {}),
    ...(raw.explicit || raw.headers.length > 0 ? { headers: raw.headers } : {}),
    ...(raw.explicit || raw.tags.length > 0 ? { tags: raw.tags } : {}),
    ...(raw.explicit || raw.zone % 2 === 0 ? { zone: pick(zones, raw.zone >> 1) } : {}),
    ...(layers.length > 0 ? { layers } : {}),
    ...effortOf(raw.effort, loose),
    ...(raw.explicit || usedPools.length > 0 ? { pools: Object.fromEntries(usedPools) } : {}),
    ...(raw.explicit || raw.aliases.length > 0 ? { aliases } : {}),
    ...(raw.explicit ? { version: 1 as const, splitHash: "murmur3-x86-32" as const, budgets: {}, classes: {}, keys: {} } : {}),
    routes: all as PolicyEncoded["routes"]
  }
  return withGuards(withRights(policy, raw.rights, loose), raw.rules, raw.rights, known.facts, loose)
}

/** Without the routes that no call can come to, which the checker refuses; the last takes what is left. */
const withoutUnreachable = (policy: PolicyEncoded): PolicyEncoded => {
  const result = decode(policy)
  if (result._tag === "Failure") throw new Error(String(result.failure))
  const { reachOf } = regionsOf(result.success, "any")
  const routes = policy.routes.filter((_, i) => reachOf(i)._tag === "Reached" || reachOf(i)._tag === "Unknown")
  const { when: _, ...last } = routes.pop()!
  return { ...policy, routes: [...routes, last] as unknown as PolicyEncoded["routes"] }
}

/** A policy as JSON, valid by construction. */
export const policy: fc.Arbitrary<PolicyEncoded> = rawPolicy.map((raw) => withoutUnreachable(buildPolicy(raw, false)))

/** A policy that compiles, though the checker may refuse it for what its keys, classes and budgets leave out. */
export const loosePolicy: fc.Arbitrary<PolicyEncoded> = rawPolicy.map((raw) => buildPolicy(raw, true))

/** The same policies, with more under way at a time: each route hedges with what another would do, or tries again what it does. */
export const busier = (policies: fc.Arbitrary<PolicyEncoded>): fc.Arbitrary<PolicyEncoded> =>
  fc.tuple(policies, nat, nat).map(([policy, n, m]) => {
    const to = (route: PolicyEncoded["routes"][0], i: number): StrategyEncoded => {
      const other = pick(policy.routes, n + i).to
      if ((m >> i) % 4 === 0) return { _tag: "Retry", attempts: 3, backoff: { first: pick(waits, n), longest: "30 seconds" }, of: route.to }
      return { _tag: "Hedge", of: route.to, after: pick(waits, m >> i), with: other }
    }
    return { ...policy, routes: policy.routes.map((route, i) => ({ ...route, to: to(route, i) })) as unknown as PolicyEncoded["routes"] }
  })

/** A layer to lay over a policy: guards over its facts, and now and then a budget of another name. */
export const layer = (policy: PolicyEncoded): fc.Arbitrary<LayerEncoded> =>
  fc
    .record({
      guards: fc.array(rawGuard, { maxLength: 3 }),
      budgets: fc.array(fc.record({ per: fc.constantFrom("key", "class", "organisation"), limit: fc.constantFrom(...limits) }), {
        maxLength: 1
      })
    })
    .map(({ budgets, guards }): LayerEncoded => {
      const facts = factsOf(policy).filter(({ name }) => !name.endsWith(".latencyMillis"))
      return {
        name: "over",
        guards: guards.map((raw, i) => {
          const selector = selectorOf(raw, Object.keys(policy.targets), Object.keys(policy.providers))
          const when = raw.when === null ? {} : { when: buildCondition(raw.when, facts, true, true) }
          return { name: `over-${i}`, ...when, ...(raw.require ? { require: selector } : { forbid: selector }) }
        }),
        budgets: Object.fromEntries(budgets.map(({ limit, per }) => ["over", { per, every: "day" as const, limit: { usd: limit } }]))
      }
    })

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
    case "Hedge":
      return [...conditionsIn(strategy.of), ...conditionsIn(strategy.with)]
    case "Split":
      return strategy.arms.flatMap((arm) => conditionsIn(arm.to))
    case "When":
      return [strategy.if, ...conditionsIn(strategy.then), ...conditionsIn(strategy.otherwise)]
    case "Escalate":
      return [...conditionsIn(strategy.of), ...conditionsIn(strategy.to)]
    case "Shadow":
      return [...conditionsIn(strategy.of), ...conditionsIn(strategy.copy)]
    case "Within":
    case "Retry":
      return conditionsIn(strategy.of)
    default:
      return []
  }
}

const guardsIn = (policy: PolicyEncoded): ReadonlyArray<GuardEncoded> => [
  ...(policy.layers ?? []).flatMap(({ guards }) => guards ?? []),
  ...(policy.guards ?? [])
]

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
  type Spec = Partial<NonNullable<PolicyEncoded["keys"]>[string]>
  const caller = (key: string, name: string, { organisation = null, tags = [], team = null }: { [K in keyof Spec]: Spec[K] | null }) => ({
    "caller.key": key,
    "caller.class": name,
    "caller.team": team,
    "caller.organisation": organisation,
    ...Object.fromEntries((policy.tags ?? []).map((tag) => [`caller.tags.${tag}`, tags!.includes(tag)]))
  })
  const keys = Object.entries(policy.keys ?? {})
  return keys.length === 0 ? [caller("local", "local", {})] : keys.map(([key, spec]) => caller(key, spec.class, spec))
}

/** What a request has beside its facts; mostly one answer in text alone. */
const asksOf = (n: number, facts: FactValues): FactValues => ({
  ...(n % 7 === 0 ? { "asks.choices": 1 + (n % 3) } : {}),
  ...(n % 11 === 0 ? { "asks.images": 1 + (n % 2) } : {}),
  ...(facts["request.needs.audio"] === true ? { "asks.audio": 1 } : {}),
  ...(facts["request.needs.files"] === true ? { "asks.files": 2 } : {}),
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
      else if (type === "string" && name !== "time.weekday") values[name] = pick([...texts, "team-a", "user-1", "user-2"], n >> 2)
      else if (name === "time.weekday") values[name] = pick(weekdays, n)
      else if (name === "time.hour") values[name] = n % 24
      else if (name === "request.needs.audio" || name === "request.needs.files") values[name] = n % 17 === 0
      else if (type === "boolean") values[name] = n % 2 === 0
      else values[name] = pick([...numbers, ...literals], n >> 2)
    }
    values["request.model"] = pick(names, model)
    if (route !== null) {
      const chosen = pick(policy.routes, route)
      const earlier = policy.routes.slice(0, policy.routes.indexOf(chosen))
      for (const { when } of guardsIn(policy)) if (when !== undefined) meet(when, (ways & 2) === 0, values, ways >> 2)
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
    return { ...values, ...asksOf(asks, values) }
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
  answer: nat,
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

/** What an answer is like, by a number. */
const answerFrom = (n: number): FactValues => ({
  "answer.stop": pick(stops, n),
  "answer.outputTokens": n % 4 === 0 ? null : pick(numbers, n >> 2),
  "answer.characters": pick([0, 1, 2, 100, 2_000], n >> 3),
  "answer.toolCalls": n % 3,
  "answer.refused": (n & 32) === 0,
  "answer.isJson": (n & 64) === 0
})

/** What one attempt meets; mostly failures, because one success ends a call. */
export const play: fc.Arbitrary<Play> = rawPlay.map(({ answer, committed, detail, failure, first, more, usage }): Play => {
  const begins = pick(times, first)
  const ends = begins + pick(times, more)
  // Mostly what is left of a limit is enough.
  const pause = answer % 9 === 0 ? { pauseMillis: pick([1, 1_000, 30_000, 1_000_000], answer) } : {}
  const said = { ...(usage === null ? {} : { usage: usageOf(usage) }), ...pause }
  if (failure === undefined) return { failure, commitsAfter: begins, endsAfter: ends, ...said, answer: answerFrom(answer) }
  const some = detail % 2 === 0 ? said : pause
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
    ...((failure === "auth" && detail % 3 > 0) || (failure === "quota-exhausted" && detail % 2 === 0) ? { endsCredential: true } : {}),
    ...(detail % 8 === 0 ? { code: pick(["invalid_value", "too_long"], detail >> 3) } : {})
  }
})

/** An attempt that is served, late enough for others to begin beside it. */
export const slow: fc.Arbitrary<Play> = fc
  .record({ commitsAfter: fc.constantFrom(2, 101, 251, 600, 1_001), more: fc.constantFrom(0, 1, 10_000) })
  .map(({ commitsAfter, more }): Play => ({ failure: undefined, commitsAfter, endsAfter: commitsAfter + more }))

/** What the attempts of a call meet, in turn. */
export const script: fc.Arbitrary<ReadonlyArray<Play>> = fc.array(play, { minLength: 1, maxLength: 6 })
