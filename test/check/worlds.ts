/** Policies whose routes get in each other's way, and calls that go where they do. */
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { type Compiled, compile } from "../../src/Compile.ts"
import { factNames, typeOf } from "../../src/Facts.ts"
import { type ConditionJson, decode, type Policy, type PolicyEncoded, type StrategyEncoded } from "../../src/Policy.ts"
import { conditionOver, type FactSpec, loosePolicy, meet, policy, prices, requestTo, valuesOf } from "../generators.ts"
import type { FactValues } from "../reference.ts"
import { settled } from "./calls.ts"

const budget = (limit: number) => ({ per: "key" as const, every: "month" as const, limit: { usd: limit } })
const secret = { env: "SECRET" }
const base = {
  name: "world",
  metadata: ["tier"],
  tags: ["vip"],
  providers: {
    openai: { dialect: "openai" as const, key: { env: "OPENAI_API_KEY" } },
    pair: { dialect: "openai" as const, keys: [{ env: "OPENAI_API_KEY" }, { env: "OPENAI_API_KEY_2" }] as const }
  },
  targets: {
    mini: { provider: "openai", model: "gpt-4o-mini" },
    big: { provider: "openai", model: "gpt-4o" },
    // One deployment with `mini`.
    twin: { provider: "openai", model: "gpt-4o-mini" },
    // Down only together with `mini`, whose credential is one of its two.
    either: { provider: "pair", model: "gpt-4o-mini" }
  }
}
const may = ["mini", "big", "twin", "either"]
const bases = [
  base,
  {
    ...base,
    budgets: { month: budget(5) },
    classes: { eng: { may, within: ["month"] }, guest: { may } },
    keys: {
      alice: { secret, class: "eng", team: "core", tags: ["vip"] },
      bob: { secret, class: "eng" },
      carol: { secret, class: "eng", team: "red" }
    }
  }
]
const few =
  /^(request\.(model|stream|messages|maxOutputTokens|metadata\.tier|needs\.tools)|caller\.(class|team|key|tags\.vip)|time\.hour|health\.(mini|twin|either)\.up|budget\.month\.usedRatio)$/
const decoded = (json: unknown): Policy => Result.getOrThrow(decode(json))
const specsOf = (json: object): ReadonlyArray<FactSpec> => {
  const of = decoded({ ...json, routes: [{ name: "all", to: "mini" }] })
  return factNames(of).map((name) => ({ name, ...typeOf(name, of)! }))
}

const nat = fc.nat({ max: 0xffff })

/** A condition of which some comparisons are hidden in what cannot be analysed. */
const veiled = (json: ConditionJson, n: number): ConditionJson => {
  const rule = json as Readonly<Record<string, any>>
  const [operator] = Object.keys(rule) as [string]
  const operands = rule[operator]
  if (operator === "and" || operator === "or") return { [operator]: operands.map((part: ConditionJson, i: number) => veiled(part, n >> i)) }
  if (operator === "!") return { "!": [veiled(Array.isArray(operands) ? operands[0] : operands, n)] }
  if (n % 3 !== 0) return json
  // The second throws where the fact is absent or false.
  return { opaque: n % 2 === 0 ? json : { if: [{ var: operator === "var" ? operands : operands[0].var }, json, { "*": [] }] } }
}

/** A condition that looks first at what cannot be analysed, of streams alone or of everything, and throws where there is no tier. */
const warded = (json: ConditionJson, ofStreams: boolean): ConditionJson => ({
  and: [...(ofStreams ? [{ var: "request.stream" }] : []), { opaque: { if: [{ var: "request.metadata.tier" }, true, { "*": [] }] } }, json]
})

const strategies = (specs: ReadonlyArray<FactSpec>): fc.Arbitrary<StrategyEncoded> =>
  fc.letrec<{ strategy: StrategyEncoded }>((tie) => ({
    strategy: fc.oneof(
      { maxDepth: 2, depthSize: "small" },
      { weight: 4, arbitrary: fc.constantFrom<StrategyEncoded>("mini", "big") },
      { weight: 1, arbitrary: fc.constant<StrategyEncoded>({ _tag: "First", of: ["big", "mini"] }) },
      {
        weight: 2,
        arbitrary: fc.record({
          _tag: fc.constant("When" as const),
          if: conditionOver(specs),
          then: tie("strategy"),
          otherwise: tie("strategy")
        })
      }
    )
  })).strategy

/** Policies of a few facts, so that their routes meet; a third cannot be seen through. */
const crowded: fc.Arbitrary<PolicyEncoded> = fc.constantFrom(...bases).chain((json) => {
  const specs = specsOf(json)
  const narrow = specs.filter(({ name }) => few.test(name))
  const wide = fc.oneof({ weight: 3, arbitrary: conditionOver(narrow) }, { weight: 1, arbitrary: conditionOver(specs) })
  return fc
    .record({
      whens: fc.array(wide, { minLength: 1, maxLength: 6 }),
      // Now and then a condition comes back, or its opposite.
      again: fc.array(nat, { minLength: 6, maxLength: 6 }),
      tos: fc.array(strategies(narrow), { minLength: 7, maxLength: 7 }),
      guard: fc.option(
        fc.oneof(
          { weight: 3, arbitrary: conditionOver(narrow) },
          { weight: 1, arbitrary: fc.constant<ConditionJson>({ ">": [{ var: "time.hour" }, 23] }) }
        ),
        { freq: 3 }
      ),
      veil: fc.option(nat, { freq: 3 }),
      isOpen: fc.boolean()
    })
    .map(({ again, guard, isOpen, tos, veil, whens }): PolicyEncoded => {
      const conditions = whens.map((when, i): ConditionJson => {
        const earlier = whens[again[i]! % (i + 1)]!
        if (i === 0 || again[i]! % 5 > 1) return when
        return again[i]! % 2 === 0 ? { "!": [earlier] } : { and: [earlier, when] }
      })
      const routes = conditions.map((when, i) => ({
        name: `r${i}`,
        when: veil === null ? when : (veil >> i) % 4 === 1 ? warded(when, (veil >> i) % 8 === 1) : veiled(when, veil >> i),
        to: tos[i]!
      }))
      const all = isOpen ? routes : [...routes, { name: "default", to: tos[6]! }]
      return {
        ...json,
        ...(guard === null
          ? {}
          : { guards: [{ name: "g", when: veil === null ? guard : warded(guard, veil % 2 === 0), forbid: { targets: ["twin"] } }] }),
        routes: all as unknown as PolicyEncoded["routes"]
      }
    })
})

const conditionsIn = (strategy: StrategyEncoded): ReadonlyArray<ConditionJson> =>
  typeof strategy !== "string" && strategy._tag === "When"
    ? [strategy.if, ...conditionsIn(strategy.then), ...conditionsIn(strategy.otherwise)]
    : []

/** Requests to a crowded policy that mostly just meet one of its routes, or just miss one. */
const callsTo = (json: PolicyEncoded): fc.Arbitrary<FactValues> =>
  fc.record({ values: valuesOf(specsOf(json)), n: nat, route: nat }).map(({ n, route, values }) => {
    const facts = { ...values }
    const { routes } = json
    const chosen = routes[route % routes.length]!
    for (const { when } of routes.slice(0, routes.indexOf(chosen))) if (when !== undefined) meet(when, false, facts, n >> 3)
    for (const condition of conditionsIn(chosen.to)) meet(condition, n % 2 === 0, facts, n >> 2)
    if (chosen.when !== undefined) meet(chosen.when, n % 8 !== 0, facts, n >> 5)
    return facts
  })

/** The policy, with a route for requests that have none. */
export const compiledOf = (json: PolicyEncoded): Compiled =>
  compile(
    decoded(json.routes.at(-1)!.when === undefined ? json : { ...json, routes: [...json.routes, { name: "none", to: { _tag: "Asked" } }] }),
    prices
  )

export interface World {
  readonly json: PolicyEncoded
  /** Of the policy's keys, and of keys that it does not name. */
  readonly calls: ReadonlyArray<{ readonly facts: FactValues; readonly issued: boolean }>
}

/** A policy that compiles, and `calls` to it; some of a whole language, most of few facts. */
export const world = (calls: number): fc.Arbitrary<World> =>
  fc.oneof({ weight: 4, arbitrary: crowded }, { weight: 1, arbitrary: policy }, { weight: 1, arbitrary: loosePolicy }).chain((json) => {
    const compiled = compiledOf(json)
    return fc.array(json.name === "world" ? callsTo(json) : requestTo(json), { minLength: calls, maxLength: calls }).map((raw): World => ({
      json,
      calls: raw.map((facts, i) => ({ facts: settled(compiled, facts, i % 4 === 3), issued: i % 4 === 3 }))
    }))
  })
