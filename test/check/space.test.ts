import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { apiNames } from "../../src/Apis.ts"
import { defaultLimits, everything, isEmpty, type Limits, nothing, type Region, type Space, spaceOf } from "../../src/check/space.ts"
import { type Condition, parse } from "../../src/Condition.ts"
import { compile } from "../../src/Compile.ts"
import { factNames, makeTable, typeOf } from "../../src/Facts.ts"
import { decode, type Policy } from "../../src/Policy.ts"
import { type Situation, situate } from "../../src/Situation.ts"
import { conditionOver, type FactSpec, meet, valuesOf } from "../generators.ts"
import { type FactValues, holds, type Value } from "../reference.ts"

const decoded = (json: unknown): Policy => Result.getOrThrow(decode(json))

const common = {
  name: "space",
  metadata: ["tier", "constructor"],
  headers: ["x-app"],
  tags: ["vip", "beta"],
  providers: { openai: { dialect: "openai" } },
  targets: { mini: { provider: "openai", model: "gpt-4o-mini" }, big: { provider: "openai", model: "gpt-4o" } },
  routes: [{ name: "all", to: "mini" }]
}
const budget = (limit: number) => ({ per: "key", every: "month", limit: { usd: limit } })
const secret = { env: "SECRET" }

/** Keys, a class without keys, a budget of nothing, one for everybody. */
const keyed = decoded({
  ...common,
  layers: [{ name: "org", budgets: { cap: budget(100) } }],
  budgets: { month: budget(5), day: budget(0), tiny: budget(0.000_000_003) },
  classes: {
    eng: { may: ["mini"], within: ["month", "day"] },
    support: { may: ["mini"], within: ["tiny"] },
    guest: { may: ["mini"], within: ["day"] }
  },
  keys: {
    alice: { secret, class: "eng", team: "core", organisation: "acme", tags: ["vip"] },
    bob: { secret, class: "eng", team: "red", tags: ["vip", "beta"] },
    carol: { secret, class: "support" }
  }
})
/** Nobody has a key, and somebody may have one of the class `guest`. */
const keyless = decoded({
  ...common,
  budgets: { month: budget(5) },
  classes: { local: { may: ["mini"], within: ["month"] }, guest: { may: ["mini"] } }
})
/** Nothing is said of callers. */
const open = decoded(common)
const policies = { keyed, keyless, open }
type PolicyName = keyof typeof policies
const policyName = fc.constantFrom<PolicyName>("keyed", "keyed", "keyless", "open")

const specsOf = (policy: Policy): ReadonlyArray<FactSpec> => factNames(policy).map((name) => ({ name, ...typeOf(name, policy)! }))
const specs = Object.fromEntries(Object.entries(policies).map(([name, policy]) => [name, specsOf(policy)])) as Record<
  PolicyName,
  ReadonlyArray<FactSpec>
>

const read = (rule: unknown, policy: Policy): Condition => {
  const vocabulary = { names: factNames(policy), typeOf: (name: string) => typeOf(name, policy) }
  const condition = parse(rule, [], vocabulary, (path, code, message) =>
    assert.fail(`${path.join(".")}: ${code}: ${message} in ${JSON.stringify(rule)}`)
  )
  return condition!
}
const regionOf = (space: Space, policy: Policy, rule: unknown): Region => {
  const { may, must } = space.boundsOf(read(rule, policy))
  assert.strictEqual(must, may)
  return must
}

// Calls that can be

const weekdays = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]

/** The callers of a policy, as facts; what is not known of one is left out. */
const subjects: Record<PolicyName, ReadonlyArray<FactValues>> = {
  keyed: [
    ["alice", "eng", "core", "acme", true, false],
    ["bob", "eng", "red", null, true, true],
    ["carol", "support", null, null, false, false]
  ]
    .map(([key, name, team, organisation, vip, beta]): FactValues => ({
      "caller.key": key!,
      "caller.class": name!,
      "caller.team": team!,
      "caller.organisation": organisation!,
      "caller.tags.vip": vip!,
      "caller.tags.beta": beta!
    }))
    .concat({ "caller.class": "guest" }),
  keyless: [],
  open: []
}
const local: FactValues = {
  "caller.key": "local",
  "caller.class": "local",
  "caller.team": null,
  "caller.organisation": null,
  "caller.tags.vip": false,
  "caller.tags.beta": false
}
subjects.keyless = [local, { "caller.class": "guest" }]
subjects.open = [local]

/** `meet` makes any fact `"other"` to be another. */
const size = (value: Value | undefined): number => (value === "other" ? 7 : Math.abs(Number(value)))

const pick = <A>(from: ReadonlyArray<A>, n: number): A => from[n % from.length]!

/** The budgets of each policy with those whom they bind. */
const budgets: Record<PolicyName, Readonly<Record<string, { readonly limit: number; readonly of: ReadonlyArray<string> }>>> = {
  keyed: {
    cap: { limit: 100e9, of: ["eng", "support", "guest"] },
    month: { limit: 5e9, of: ["eng"] },
    day: { limit: 0, of: ["eng", "guest"] },
    tiny: { limit: 3, of: ["support"] }
  },
  keyless: { month: { limit: 5e9, of: ["local"] } },
  open: {}
}

/** The same call as one can come: of somebody who may call, with whole counts, and with one amount behind the facts of a budget. */
const settled = (policy: PolicyName, values: FactValues, n: number): FactValues => {
  const facts: Record<string, Value> = { ...values }
  const likeness = (subject: FactValues): number => Object.entries(subject).filter(([name, value]) => facts[name] === value).length
  const most = Math.max(...subjects[policy].map(likeness))
  const who = pick(n % 5 === 0 ? subjects[policy] : subjects[policy].filter((subject) => likeness(subject) === most), n)
  if (who["caller.key"] === undefined && subjects[policy].some((subject) => subject["caller.key"] === facts["caller.key"]))
    facts["caller.key"] += "x"
  Object.assign(facts, who)
  for (const count of ["request.inputTokens", "request.messages"])
    facts[count] = Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(size(facts[count])))
  facts["time.hour"] = Math.ceil(size(facts["time.hour"])) % 24
  if (!weekdays.includes(String(facts["time.weekday"]))) facts["time.weekday"] = pick(weekdays, n)
  if (!apiNames.includes(String(facts["request.api"]))) facts["request.api"] = pick(apiNames, n)
  if (facts["request.model"] === "") facts["request.model"] = "nobody"
  for (const name of Object.keys(facts)) if (name.endsWith(".latencyMillis") && facts[name] !== null) facts[name] = size(facts[name])
  for (const [i, [name, { limit, of }]] of Object.entries(budgets[policy]).entries()) {
    const amount = (what: string): number => {
      const value = facts[`budget.${name}.${what}`]
      return value === "other" ? 7 : Number(value)
    }
    const wished = [amount("spent") * 1e9, limit - amount("remaining") * 1e9, amount("usedRatio") * limit][(n >> i) % 3]!
    const near = Math.round(Math.min(2 ** 50, Math.abs(wished))) + ((n >> (i + 2)) % 3) - 1
    const bound = of.includes(String(facts["caller.class"]))
    const spent = bound ? Math.max(0, near) : 0
    facts[`budget.${name}.spent`] = spent / 1e9
    facts[`budget.${name}.remaining`] = (limit - spent) / 1e9
    facts[`budget.${name}.usedRatio`] = limit === 0 ? (bound ? 1 : 0) : spent / limit
  }
  return facts
}

interface Raw {
  readonly values: FactValues
  readonly n: number
}
const raw = (name: PolicyName): fc.Arbitrary<Raw> => fc.record({ values: valuesOf(specs[name]), n: fc.nat({ max: 0xffff }) })

/** A call that mostly meets what it is steered to, or just misses it. */
const steered = (policy: PolicyName, { n, values }: Raw, wishes: ReadonlyArray<readonly [rule: unknown, outcome: boolean]>): FactValues => {
  const facts = { ...values }
  for (const [rule, outcome] of wishes) meet(rule, outcome, facts, n >> 4)
  return settled(policy, facts, n)
}

/** Few facts, so that conditions meet: two of the caller, a number that may be absent, whole numbers, a text, a flag. */
const narrowOf = (name: PolicyName): ReadonlyArray<FactSpec> =>
  specs[name].filter(({ name: fact }) =>
    /^(caller\.(class|team)|request\.(model|messages|maxOutputTokens|stream)|time\.hour|budget\.day\.(spent|usedRatio))$/.test(fact)
  )

/** The facts that a generated world is over: all, few enough to meet, or budgets, whose bounds are found by halving. */
const over = { all: (name: PolicyName) => specs[name], few: narrowOf, budgets: (name: PolicyName) => budgetsOf(name) }
const budgetsOf = (name: PolicyName): ReadonlyArray<FactSpec> =>
  specs[name].filter(({ name: fact }) => fact.startsWith("budget.") || fact === "caller.class")

/** Conditions of one policy, and calls. */
const world = (rules: number, calls: number) =>
  fc
    .tuple(policyName, fc.constantFrom("all" as const, "all" as const, "few" as const, "few" as const, "budgets" as const))
    .chain(([name, of]) =>
      fc.record({
        name: fc.constant(name),
        rules: fc.array(conditionOver(over[of](name)), { minLength: rules, maxLength: rules }),
        calls: fc.array(raw(name), { minLength: calls, maxLength: calls })
      })
    )

describe("where a condition holds", () => {
  it("is where json-logic-js says, for every call that can be", () => {
    const answers = { true: 0, false: 0 }
    fc.assert(
      fc.property(world(1, 4), ({ calls, name, rules: [rule] }) => {
        const space = spaceOf(policies[name])
        const region = regionOf(space, policies[name], rule)
        for (const [i, call] of calls.entries()) {
          const facts = steered(name, call, i === 0 ? [] : [[rule, i % 2 === 1]])
          const answer = holds(rule, facts)
          assert.strictEqual(space.contains(region, facts), answer, JSON.stringify(facts))
          answers[`${answer}`]++
        }
      }),
      { numRuns: 4_000 }
    )
    assert.isAbove(Math.min(answers.true, answers.false), 3_000)
  })

  it("is the whole of its type or a part, where an ordering counts absence as 0", () => {
    // What the checker refuses has the meaning that JsonLogic gives it, so that a region is never without a complement.
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom("<", "<=", ">", ">="), { minLength: 1, maxLength: 3 }),
        fc.integer({ min: -2, max: 2 }),
        (orders, x) => {
          const space = spaceOf(open)
          const of: ReadonlyArray<Condition> = orders.map((order, i) => ({
            _tag: "Ordered",
            fact: "request.maxOutputTokens",
            order: order as "<",
            value: x + i
          }))
          const rule = { or: orders.map((order, i) => ({ [order]: [{ var: "request.maxOutputTokens" }, x + i] })) }
          const { may, must } = space.boundsOf({ _tag: "Any", of })
          const not = space.boundsOf({ _tag: "Not", of: { _tag: "Any", of } })
          for (const value of [null, -3, -1, -0, 0, 0.5, 1, 2, 3, 9]) {
            const facts = { ...local, "request.maxOutputTokens": value }
            assert.deepStrictEqual([space.contains(must, facts), space.contains(may, facts)], Array(2).fill(holds(rule, facts)))
            assert.strictEqual(space.contains(not.must, facts), !holds(rule, facts))
          }
        }
      ),
      { numRuns: 300 }
    )
  })

  it("turns at the very nano-dollar at which the fact crosses the literal", () => {
    const { limit } = budgets.keyed["month"]!
    const amounts = [0, 1, 7, 1e7 + 1, 123_456_789, 3e8, 1e9, 1_000_000_001, 4_999_999_999, limit, limit + 1, 12_345_678_901]
    const facts = amounts
      .flatMap((spent) => [spent - 1, spent, spent + 1].filter((near) => near >= 0))
      .map((spent): FactValues => ({
        ...subjects.keyed[0],
        "budget.month.spent": spent / 1e9,
        "budget.month.remaining": (limit - spent) / 1e9,
        "budget.month.usedRatio": spent / limit
      }))
    for (const name of ["spent", "remaining", "usedRatio"].map((what) => `budget.month.${what}`)) {
      for (const order of ["<", "<=", ">", ">=", "===", "!=="]) {
        for (const spent of amounts) {
          const near = facts.find((one) => one["budget.month.spent"] === spent / 1e9)!
          const rule = { [order]: [{ var: name }, near[name]] }
          const space = spaceOf(keyed)
          const region = regionOf(space, keyed, rule)
          for (const one of facts) assert.strictEqual(space.contains(region, one), holds(rule, one), JSON.stringify([rule, one]))
        }
      }
    }
  })

  it("lies between its bounds, whatever its opaque parts come to", () => {
    const seen = { certain: 0, never: 0, open: 0 }
    const flags = ["request.needs.tools", "request.needs.vision"]
    /** The condition with these flags as opaque parts. */
    const veiled = (condition: Condition): Condition => {
      switch (condition._tag) {
        case "All":
        case "Any":
          return { ...condition, of: condition.of.map(veiled) }
        case "Not":
          return { ...condition, of: veiled(condition.of) }
        default:
          return "fact" in condition && flags.includes(condition.fact)
            ? { _tag: "Opaque", facts: [condition.fact], rule: { var: condition.fact } }
            : condition
      }
    }
    const few = specs.open.filter(({ name }) => [...flags, "request.model", "request.messages", "request.stream"].includes(name))
    fc.assert(
      fc.property(conditionOver(few), fc.array(raw("open"), { minLength: 4, maxLength: 4 }), (rule, calls) => {
        const space = spaceOf(open)
        const { may, must } = space.boundsOf(veiled(read(rule, open)))
        assert.strictEqual(space.leftOf(must, may)._tag, "Nothing")
        for (const [i, call] of calls.entries()) {
          const facts = steered("open", call, [[rule, i % 2 === 1]])
          const outcomes = new Set(
            [0, 1, 2, 3].map((bits) => holds(rule, { ...facts, [flags[0]!]: (bits & 1) === 1, [flags[1]!]: (bits & 2) === 2 }))
          )
          if (space.contains(must, facts)) {
            assert.deepStrictEqual([...outcomes], [true])
            seen.certain++
          } else if (space.contains(may, facts)) seen.open++
          else {
            assert.deepStrictEqual([...outcomes], [false])
            seen.never++
          }
        }
      }),
      { numRuns: 2_000 }
    )
    assert.isAbove(Math.min(seen.certain, seen.never, seen.open), 300)
  })

  it("is not known of a fact that the policy does not have", () => {
    const space = spaceOf(open)
    assert.deepStrictEqual(space.boundsOf({ _tag: "Flag", fact: "request.nothing" }), { must: nothing, may: everything })
  })
})

describe("the algebra", () => {
  it("agrees with membership", () => {
    const seen = { both: 0, alone: 0, neither: 0 }
    fc.assert(
      fc.property(world(2, 6), ({ calls, name, rules: [one, other] }) => {
        const space = spaceOf(policies[name])
        const [a, b] = [regionOf(space, policies[name], one), regionOf(space, policies[name], other)]
        const [both, either, alone] = [space.intersect(a, b)!, space.unite(a, b)!, space.subtract(a, b)!]
        const not = space.subtract(everything, a)!
        for (const [i, call] of calls.entries()) {
          const facts = steered(name, call, [
            [one, (i & 1) === 0],
            [other, (i & 2) === 0]
          ])
          const [inA, inB] = [holds(one, facts), holds(other, facts)]
          assert.strictEqual(space.contains(both, facts), inA && inB)
          assert.strictEqual(space.contains(either, facts), inA || inB)
          assert.strictEqual(space.contains(alone, facts), inA && !inB)
          assert.strictEqual(space.contains(not, facts), !inA)
          assert.strictEqual(space.contains([...a, ...b], facts), inA || inB)
          seen[inA && inB ? "both" : inA ? "alone" : "neither"]++
        }
      }),
      { numRuns: 3_000 }
    )
    assert.isAbove(Math.min(seen.both, seen.alone, seen.neither), 1_000)
  })

  it("finds what is left exactly where subtraction does, and names boxes that are enough where nothing is", () => {
    const seen = { Nothing: 0, Something: 0, Unknown: 0 }
    fc.assert(
      fc.property(world(4, 0), fc.boolean(), ({ name, rules: [of, ...others] }, negated) => {
        const space = spaceOf(policies[name])
        const region = regionOf(space, policies[name], of)
        const taken = others.flatMap((rule) => regionOf(space, policies[name], negated ? { "!": [rule] } : rule))
        const left = space.leftOf(region, taken)
        const all = space.subtract(region, taken)!
        seen[left._tag]++
        assert.strictEqual(left._tag, isEmpty(all) ? "Nothing" : "Something")
        if (left._tag === "Nothing") {
          assert.isTrue([...left.by].every((box) => taken.includes(box)))
          assert.deepStrictEqual(space.subtract(region, [...left.by]), [])
        }
        if (left._tag === "Something") {
          assert.isNotEmpty(left.region)
          assert.deepStrictEqual(space.subtract(left.region, all), [])
        }
        // What is left is cut into boxes of which no two have a call in common.
        const [first, ...rest] = space.subtract(everything, taken)!
        if (first !== undefined) assert.deepStrictEqual(space.intersect([first], rest), [])
      }),
      { numRuns: 3_000 }
    )
    assert.isAbove(Math.min(seen.Nothing, seen.Something), 500)
    assert.strictEqual(seen.Unknown, 0)
  })

  it("calls nothing empty that holds a call", () => {
    const seen = { empty: 0, calls: 0 }
    fc.assert(
      fc.property(world(3, 40), ({ calls, name, rules: [a, b, c] }) => {
        const space = spaceOf(policies[name])
        const part = (rule: unknown) => regionOf(space, policies[name], rule)
        const rule = { and: [a, { "!": [b] }, { or: [c, { "!": [a] }] }] }
        const left = space.leftOf(space.intersect(part(a), part({ or: [c, { "!": [a] }] }))!, part(b))
        assert.strictEqual(left._tag === "Nothing", isEmpty(part(rule)))
        if (left._tag !== "Nothing") return
        seen.empty++
        for (const [i, call] of calls.entries()) {
          const facts = steered(name, call, [
            [c, (i & 1) === 0],
            [b, (i & 2) === 0],
            [a, (i & 4) === 0]
          ])
          assert.isFalse(holds(rule, facts), JSON.stringify(facts))
          seen.calls++
        }
      }),
      { numRuns: 3_000 }
    )
    assert.isAbove(seen.empty, 300)
    assert.isAbove(seen.calls, 10_000)
  })
})

describe("witnesses", () => {
  it("lie in their region, meet the condition, and are calls that can be", () => {
    let found = 0
    fc.assert(
      fc.property(world(3, 0), ({ name, rules: [a, b, c] }) => {
        const policy = policies[name]
        const space = spaceOf(policy)
        const [one, other, more] = [a, b, c].map((rule) => regionOf(space, policy, rule)) as [Region, Region, Region]
        const left = space.leftOf(one, [...other, ...more])
        assert.notStrictEqual(left._tag, "Unknown")
        if (left._tag !== "Something") return
        found++
        const { facts } = space.witness(left.region)!
        assert.isTrue(space.contains(left.region, facts))
        // Every fact that a condition names is there.
        assert.deepStrictEqual(
          [a, b, c].map((rule) => holds(rule, facts)),
          [true, false, false],
          JSON.stringify(facts)
        )
        for (const [fact, value] of Object.entries(facts)) {
          const { optional, type } = typeOf(fact, policy)!
          if (value === null) assert.isTrue(optional, fact)
          else assert.strictEqual(typeof value, type, fact)
        }
        const who = subjects[name].find(
          (subject) => subject["caller.class"] === facts["caller.class"] && subject["caller.key"] === facts["caller.key"]
        )
        if (who === undefined) assert.strictEqual(facts["caller.class"], "guest")
        else for (const [fact, value] of Object.entries(who)) assert.strictEqual(facts[fact], value)
        for (const [budget, { limit, of }] of Object.entries(budgets[name])) {
          const spent = facts[`budget.${budget}.spent`]
          if (spent === undefined) continue
          const bound = of.includes(String(facts["caller.class"]))
          const nano = Math.round(Number(spent) * 1e9)
          assert.isTrue(bound || nano === 0)
          assert.strictEqual(facts[`budget.${budget}.remaining`], (limit - nano) / 1e9)
          assert.strictEqual(facts[`budget.${budget}.usedRatio`], limit === 0 ? (bound ? 1 : 0) : nano / limit)
        }
        for (const count of ["request.inputTokens", "request.messages", "time.hour"])
          if (count in facts) assert.isTrue(Number.isSafeInteger(facts[count]) && Number(facts[count]) >= 0)
      }),
      { numRuns: 3_000 }
    )
    assert.isAbove(found, 1_000)
  })

  const v = (name: string) => ({ var: name })
  const shown = (rule: unknown) => {
    const space = spaceOf(keyed)
    return space.witness(regionOf(space, keyed, rule))?.situation
  }
  const rows: ReadonlyArray<readonly [rule: unknown, situation: Situation]> = [
    [{ "===": [v("request.model"), "chat"] }, { request: { model: "chat" }, as: "alice" }],
    [{ "!==": [v("request.model"), "mini"] }, { request: { model: "big" }, as: "alice" }],
    [{ "!==": [v("request.model"), "big"] }, { as: "alice" }],
    [{ "!": [{ in: [v("request.model"), ["mini", "big", "anything"]] }] }, { request: { model: "anything-2" }, as: "alice" }],
    [{ "!==": [v("request.metadata.tier"), null] }, { request: { metadata: { tier: "anything" } }, as: "alice" }],
    [{ "!==": [v("request.metadata.tier"), "gold"] }, { as: "alice" }],
    [{ "===": [v("request.headers.x-app"), "ci"] }, { request: { headers: { "x-app": "ci" } }, as: "alice" }],
    [
      { and: [v("request.stream"), v("request.needs.tools"), { "!": v("request.needs.vision") }] },
      { request: { stream: true, needs: ["tools"] }, as: "alice" }
    ],
    [{ "===": [v("request.stream"), false] }, { as: "alice" }],
    [
      { and: [{ ">": [v("request.inputTokens"), 50_000] }, { "<": [v("request.messages"), 9] }] },
      { request: { inputTokens: 50_001 }, as: "alice" }
    ],
    [{ "<": [v("request.inputTokens"), 3] }, { request: { inputTokens: 0 }, as: "alice" }],
    // Without messages there is no length, unless it is said.
    [
      { and: [{ "<": [v("request.messages"), 1] }, { ">": [v("request.inputTokens"), 0] }] },
      { request: { messages: 0, inputTokens: 3 }, as: "alice" }
    ],
    // What is needed makes the request longer, and how long it is matters here.
    [
      { and: [v("request.needs.vision"), { "<": [v("request.inputTokens"), 9] }] },
      { request: { needs: ["vision"], inputTokens: 3 }, as: "alice" }
    ],
    [
      { and: [{ "!==": [v("request.maxOutputTokens"), null] }, { ">": [v("request.maxOutputTokens"), 99.5] }] },
      { request: { maxOutputTokens: 100 }, as: "alice" }
    ],
    [{ "===": [v("caller.team"), "red"] }, { as: "bob" }],
    [{ and: [v("caller.tags.beta"), { "===": [v("caller.class"), "eng"] }] }, { as: "bob" }],
    [{ "===": [v("caller.class"), "guest"] }, { as: { class: "guest" } }],
    [
      { and: [v("caller.tags.beta"), { "!": [{ in: [v("caller.class"), ["eng", "support"]] }] }, { "!==": [v("caller.team"), null] }] },
      { as: { class: "guest", team: "anything", tags: ["beta"] } }
    ],
    [{ ">": [v("budget.month.spent"), 1] }, { as: "alice", budgets: { month: { spent: 1.1 } } }],
    [{ ">=": [v("budget.month.usedRatio"), 0.8] }, { as: "alice", budgets: { month: { spent: 4 } } }],
    [{ "<": [v("budget.cap.remaining"), 10] }, { as: "alice", budgets: { cap: { spent: 91 } } }],
    [
      { and: [{ in: [v("time.weekday"), ["saturday", "sunday"]] }, { ">=": [v("time.hour"), 22] }] },
      { as: "alice", at: { weekday: "saturday", hour: 22 } }
    ],
    [{ ">": [v("time.hour"), 6] }, { as: "alice" }],
    [{ "!": v("health.mini.up") }, { as: "alice", health: { mini: { up: false } } }],
    [
      { and: [{ "!==": [v("health.big.latencyMillis"), null] }, { ">": [v("health.big.latencyMillis"), 500] }] },
      { as: "alice", health: { big: { latencyMillis: 501 } } }
    ]
  ]
  for (const [rule, situation] of rows) it(`show ${JSON.stringify(rule)}`, () => assert.deepStrictEqual(shown(rule), situation))

  it("name nobody where there are no keys", () => {
    const space = spaceOf(open)
    assert.deepStrictEqual(space.witness(everything)?.situation, {})
  })

  it("mean the very call that they are when a case says them", () => {
    let said = 0
    fc.assert(
      fc.property(world(2, 0), ({ name, rules: [a, b] }) => {
        const space = spaceOf(policies[name])
        const [one, other] = [regionOf(space, policies[name], a), regionOf(space, policies[name], b)]
        const left = space.leftOf(one, other)
        if (left._tag !== "Something") return
        const point = space.pointOf(left, (point) => space.holds(one, point) && !space.holds(other, point))!
        const { facts, situation } = space.witnessAt(point)
        const compiled = compile(policies[name])
        const situated = Result.getOrThrow(situate(compiled, situation))
        for (const [fact, value] of Object.entries(facts)) {
          const table = makeTable(policies[name])
          table.slotOf(fact)
          const [read] = table.read(situated.source)
          assert.deepStrictEqual([fact, read], [fact, value])
        }
        assert.deepStrictEqual(situated.notes, [])
        said++
      }),
      { numRuns: 2_000 }
    )
    assert.isAbove(said, 700)
  })

  it("are as usual as what is left lets them be", () => {
    const space = spaceOf(keyed)
    const part = (rule: unknown) => regionOf(space, keyed, rule)
    const [of, taken] = [
      part({ ">": [v("request.inputTokens"), 9] }),
      part({
        or: [
          { "===": [v("request.model"), "mini"] },
          { "===": [v("request.metadata.tier"), "gold"] },
          { and: [v("request.stream"), v("request.needs.tools")] }
        ]
      })
    ]
    const left = space.leftOf(of, taken)
    assert.strictEqual(left._tag, "Something")
    if (left._tag !== "Something") return
    const point = space.pointOf(left, (point) => space.holds(of, point) && !space.holds(taken, point))!
    assert.deepStrictEqual(space.witnessAt(point).situation, { request: { inputTokens: 10, model: "big" }, as: "alice" })
    assert.isUndefined(space.pointOf(left, () => false))
  })

  it("are none where there is no call", () => assert.isUndefined(spaceOf(open).witness(nothing)))
})

describe("what cannot be", () => {
  const v = (name: string) => ({ var: name })
  const rows: ReadonlyArray<readonly [why: string, policy: PolicyName, rule: unknown, possible: boolean]> = [
    [
      "no count lies between two neighbours",
      "open",
      { and: [{ ">": [v("request.messages"), 5] }, { "<": [v("request.messages"), 6] }] },
      false
    ],
    ["a count can be a literal", "open", { and: [{ ">=": [v("request.messages"), 5] }, { "<": [v("request.messages"), 6] }] }, true],
    ["no count is a fraction", "open", { "===": [v("request.inputTokens"), 99.5] }, false],
    ["no count is negative", "open", { "<": [v("request.inputTokens"), 0] }, false],
    [
      "a maximum may be a fraction",
      "open",
      {
        and: [
          { "!==": [v("request.maxOutputTokens"), null] },
          { ">": [v("request.maxOutputTokens"), 5] },
          { "<": [v("request.maxOutputTokens"), 6] }
        ]
      },
      true
    ],
    ["the day has 24 hours", "open", { ">": [v("time.hour"), 23] }, false],
    ["the week has seven days", "open", { "!": [{ in: [v("time.weekday"), weekdays] }] }, false],
    ["and each of them", "open", { "!": [{ in: [v("time.weekday"), weekdays.slice(1)] }] }, true],
    ["no other API is spoken", "open", { "!": [{ in: [v("request.api"), [...apiNames]] }] }, false],
    ["every request names a model", "open", { "===": [v("request.model"), ""] }, false],
    [
      "a latency is not negative",
      "open",
      { and: [{ "!==": [v("health.mini.latencyMillis"), null] }, { "<": [v("health.mini.latencyMillis"), 0] }] },
      false
    ],
    ["without keys everybody is local", "open", { "!==": [v("caller.class"), "local"] }, false],
    ["unless a class is declared", "keyless", { "!==": [v("caller.class"), "local"] }, true],
    [
      "a class has the teams of its keys",
      "keyed",
      { and: [{ "===": [v("caller.class"), "eng"] }, { "!": [{ in: [v("caller.team"), ["core", "red"]] }] }] },
      false
    ],
    [
      "a class without keys may have any",
      "keyed",
      { and: [{ "===": [v("caller.class"), "guest"] }, { "===": [v("caller.team"), "core"] }] },
      true
    ],
    ["no two keys call at once", "keyed", { and: [{ "===": [v("caller.key"), "alice"] }, { "===": [v("caller.team"), "red"] }] }, false],
    [
      "a name belongs to one caller",
      "keyed",
      { and: [{ "===": [v("caller.key"), "alice"] }, { "===": [v("caller.class"), "guest"] }] },
      false
    ],
    ["nobody is of a class that does not exist", "keyed", { "===": [v("caller.class"), "valueOf"] }, false],
    [
      "tags belong to keys",
      "keyed",
      { and: [v("caller.tags.beta"), { "===": [v("caller.organisation"), "acme"] }, { "!==": [v("caller.class"), "guest"] }] },
      false
    ],
    ["a budget is one amount", "keyed", { and: [{ ">": [v("budget.month.spent"), 3] }, { ">": [v("budget.month.remaining"), 2] }] }, false],
    ["up to the nano-dollar", "keyed", { and: [{ ">=": [v("budget.month.spent"), 3] }, { ">=": [v("budget.month.remaining"), 2] }] }, true],
    [
      "nothing lies between two nano-dollars",
      "keyed",
      { and: [{ ">": [v("budget.month.spent"), 1] }, { "<": [v("budget.month.spent"), 1.000_000_001] }] },
      false
    ],
    [
      "whom a budget does not bind has spent nothing of it",
      "keyed",
      { and: [{ ">": [v("budget.month.spent"), 0] }, { "!==": [v("caller.class"), "eng"] }] },
      false
    ],
    ["a budget can be overspent", "keyed", { "<": [v("budget.month.remaining"), 0] }, true],
    [
      "a budget of nothing is used up from the beginning",
      "keyed",
      { and: [{ "<": [v("budget.day.usedRatio"), 1] }, { "!==": [v("caller.class"), "support"] }] },
      false
    ],
    ["but not for others", "keyed", { "<": [v("budget.day.usedRatio"), 1] }, true],
    [
      "a layer's budget binds everybody",
      "keyed",
      { and: [{ ">": [v("budget.cap.spent"), 50] }, { "===": [v("caller.class"), "guest"] }] },
      true
    ]
  ]
  for (const [why, name, rule, possible] of rows) {
    it(why, () => {
      const space = spaceOf(policies[name])
      assert.strictEqual(!isEmpty(regionOf(space, policies[name], rule)), possible)
    })
  }
})

describe("limits", () => {
  /** One of two values on each of many variables: nothing covers the other half. */
  const wide = decoded({ ...common, metadata: Array.from({ length: 40 }, (_, i) => `m${i}`) })
  const pair = (i: number, value: string) => ({
    and: [{ "===": [{ var: `request.metadata.m${2 * i}` }, value] }, { "===": [{ var: `request.metadata.m${2 * i + 1}` }, value] }]
  })
  const hard = { or: Array.from({ length: 20 }, (_, i) => pair(i, "a")) }
  const limited = (limits: Partial<Limits>): Space => spaceOf(wide, { ...defaultLimits, ...limits })

  it("make a subtraction unknown, and never too small", () => {
    const space = limited({ boxes: 100 })
    const region = regionOf(space, wide, hard)
    assert.lengthOf(region, 20)
    assert.isUndefined(space.subtract(everything, region))
    // Something is found to be left all the same.
    assert.strictEqual(space.leftOf(everything, region)._tag, "Something")
  })

  it("make bounds of a condition that would take too many boxes", () => {
    const space = limited({ boxes: 100 })
    const { may, must } = space.boundsOf(read({ "!": [hard] }, wide))
    assert.deepStrictEqual([must, may], [nothing, everything])
    const both = space.boundsOf(read({ and: [{ "===": [{ var: "request.model" }, "a"] }, { "!": [hard] }] }, wide))
    assert.deepStrictEqual(both.must, nothing)
    assert.lengthOf(both.may, 1)
    assert.isTrue(space.contains(both.may, { ...local, "request.model": "a" }))
    assert.isFalse(space.contains(both.may, { ...local, "request.model": "b" }))
  })

  it("make a search unknown, and never proved", () => {
    // Whoever has none of these pairs misses one half of each, so nothing is left; but that takes all the ways to miss them.
    const pairs = Array.from({ length: 6 }, (_, i) => pair(i, "a"))
    const misses = Array.from({ length: 64 }, (_, ways) => ({
      and: pairs.map(({ and }, i) => ({ "!": [and[(ways >> i) & 1]] }))
    }))
    const nothingLeft = (space: Space): string => {
      const taken = [...pairs, ...misses].flatMap((rule) => regionOf(space, wide, rule))
      return space.leftOf(everything, taken)._tag
    }
    assert.strictEqual(nothingLeft(limited({})), "Nothing")
    assert.strictEqual(nothingLeft(limited({ boxes: 30 })), "Unknown")
  })

  it("end everything that is asked of a space at last", () => {
    const space = limited({ comparisons: 2_000 })
    const region = regionOf(space, wide, hard)
    let answers = ""
    for (let i = 0; i < 200; i++) answers = space.leftOf(everything, region)._tag
    assert.strictEqual(answers, "Unknown")
    assert.isUndefined(space.subtract(region, region))
    assert.isUndefined(space.intersect(region, region))
    assert.isUndefined(space.unite(region, region))
    assert.deepStrictEqual(space.boundsOf(read({ "!": [hard] }, wide)), { must: nothing, may: everything })
  })
})
