import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { check } from "../src/Check.ts"
import { compile } from "../src/Compile.ts"
import { summary } from "../src/Decision.ts"
import type { PolicyEncoded, StrategyEncoded } from "../src/Policy.ts"
import { asked, failures, looselyAsked, policy, prices, requestTo, script, strategyOver } from "./generators.ts"
import { decide, type FactValues, type Play } from "./reference.ts"
import { account, compiled, decoded, only, type Seen, surroundings } from "./scripted.ts"

const decisionOf = (encoded: PolicyEncoded, facts: FactValues) => {
  const made = compiled(encoded)
  const decision = made.decide(made.facts.of(facts))
  const { asked } = decision
  return {
    route: decision.route,
    summary: summary(made, decision),
    asked:
      asked === undefined
        ? undefined
        : asked._tag === "Found"
          ? [asked.target.name, asked.target.provider, asked.target.model]
          : asked._tag === "NotGranted"
            ? ["not granted", asked.target.name]
            : asked._tag === "Ambiguous"
              ? ["ambiguous", ...asked.targets]
              : ["unknown"]
  }
}

const referenceOf = (encoded: PolicyEncoded, facts: FactValues): ReturnType<typeof decisionOf> => {
  const { asked, route, summary } = decide(decoded(encoded), facts)
  return {
    route,
    summary,
    asked:
      asked === undefined
        ? undefined
        : asked._tag === "Found"
          ? [asked.deployment.name, asked.deployment.provider, asked.deployment.model]
          : asked._tag === "NotGranted"
            ? ["not granted", asked.deployment.name]
            : asked._tag === "Ambiguous"
              ? ["ambiguous", ...asked.names]
              : ["unknown"]
  }
}

describe("decide", () => {
  const seen = { routes: new Set<number>(), words: new Set<string>(), asked: new Set<string>() }

  for (const [name, cases] of [
    ["equals the reference", asked],
    ["equals the reference where the checker would refuse what classes are left with", looselyAsked]
  ] as const)
    it(name, () => {
      fc.assert(
        fc.property(cases, ({ facts, policy }) => {
          const decision = decisionOf(policy, facts)
          seen.routes.add(decision.route)
          for (const word of decision.summary.split("/").slice(1)) seen.words.add(word)
          const [word, ...more] = decision.asked ?? ["nothing asked"]
          seen.asked.add(more.length === 2 && word !== "ambiguous" ? "found" : word!)
          assert.deepStrictEqual(decision, referenceOf(policy, facts))
        }),
        { numRuns: 2_000 }
      )
    })

  it("…where the generator has reached every construct", () => {
    assert.isAtLeast(seen.routes.size, 5)
    assert.includeMembers([...seen.words], ["when.then", "when.otherwise", "split.control", "split.next", "split.c", "split.D-4"])
    assert.includeMembers([...seen.words], ["mini.not-granted", "constructor.not-granted"])
    assert.includeMembers([...seen.asked], ["found", "not granted", "ambiguous", "unknown", "nothing asked"])
  })

  it("is a function of facts alone: the same policy compiled twice, decided in any order, gives equal decisions", () => {
    const requests = policy.chain((encoded) => fc.tuple(fc.constant(encoded), fc.array(requestTo(encoded), { minLength: 2, maxLength: 4 })))
    fc.assert(
      fc.property(requests, ([encoded, all]) => {
        const [one, other] = [compiled(encoded), compiled(encoded)]
        const forward = all.map((facts) => one.decide(one.facts.of(facts)))
        const backward = all.toReversed().map((facts) => other.decide(other.facts.of(facts)))
        assert.deepStrictEqual(
          forward.map((decision) => summary(one, decision)),
          backward.toReversed().map((decision) => summary(other, decision))
        )
      }),
      { numRuns: 200 }
    )
  })

  it("resolves the model asked for by target, alias, `provider/model`, vendor's name, in this order", () => {
    const made = compiled({
      name: "test",
      providers: { openai: { dialect: "openai" }, router: { dialect: "openrouter", open: true }, groq: { dialect: "groq" } },
      targets: {
        direct: { provider: "openai", model: "gpt-4o" },
        routed: { provider: "router", model: "openai/gpt-4o" },
        "gpt-4o-mini": { provider: "openai", model: "gpt-4o-mini-2024" },
        twin: { provider: "groq", model: "llama" },
        other: { provider: "router", model: "llama" },
        crossed: { provider: "groq", model: "router/free" }
      },
      aliases: { fast: "twin", "gpt-4o-mini-2024": "direct", quick: "fast" },
      routes: [{ name: "default", to: { _tag: "Asked" } }]
    })
    const nameOf = (model: string) => {
      const resolution = made.models.resolve(model)
      return resolution._tag === "Found" ? resolution.target.name : resolution._tag === "Ambiguous" ? resolution.targets : undefined
    }
    assert.strictEqual(nameOf("direct"), "direct")
    assert.strictEqual(nameOf("gpt-4o-mini"), "gpt-4o-mini", "a target before anything else")
    assert.strictEqual(nameOf("gpt-4o-mini-2024"), "direct", "an alias before a vendor's name")
    assert.strictEqual(nameOf("quick"), "twin", "an alias of an alias")
    assert.strictEqual(nameOf("openai/gpt-4o"), "direct", "`provider/model` before a vendor's name that looks like one")
    assert.strictEqual(nameOf("gpt-4o"), "direct")
    assert.deepStrictEqual(nameOf("llama"), ["twin", "other"])
    assert.strictEqual(nameOf("router/llama"), "other")
    assert.strictEqual(nameOf("router/undeclared/model"), "router/undeclared/model", "an open provider takes any model")
    assert.strictEqual(nameOf("router/free"), "router/free", "an open provider before a vendor's name that looks like its own")
    assert.isUndefined(nameOf("groq/undeclared"))
    assert.isUndefined(nameOf("router/"))
    assert.isUndefined(nameOf("/llama"))
    for (const inherited of ["constructor", "__proto__", "__proto__/x", "toString"]) assert.isUndefined(nameOf(inherited))
  })
})

describe("the laws", () => {
  const facts = requestTo(only("a"))
  const strategy = strategyOver([..."abcdef"])
  const on = fc.oneof(fc.constant(undefined), fc.subarray([...failures], { minLength: 1 }))
  const runs = { numRuns: 400 }

  const see = (to: StrategyEncoded, facts: FactValues, plays: ReadonlyArray<Play>, broken: ReadonlyArray<string>): Seen => {
    const world = surroundings()
    const pipeline = world.link(compile(decoded(only(to))))
    for (const name of broken) {
      const { identity } = pipeline.compiled.targets.get(name)!
      for (let i = 0; i < 5; i++) world.health.report(identity, "bad", 0)
    }
    return world.call(pipeline, facts, (n) => plays[n % plays.length]!)
  }

  /** Both strategies come to the same for every request, whatever attempts meet and whichever breakers are open. */
  const law = (
    name: string,
    sides: fc.Arbitrary<readonly [StrategyEncoded, StrategyEncoded]>,
    options: { readonly labels: boolean } = { labels: true }
  ) =>
    it(name, () => {
      fc.assert(
        fc.property(sides, facts, script, fc.subarray([..."abcdef"]), ([left, right], facts, plays, broken) => {
          const [one, other] = [left, right].map((side) => account(see(side, facts, plays, broken)))
          if (options.labels) assert.deepStrictEqual(one, other)
          else assert.deepStrictEqual({ ...one, summary: "" }, { ...other, summary: "" })
        }),
        runs
      )
    })

  const first = (of: ReadonlyArray<StrategyEncoded>, on?: ReadonlyArray<(typeof failures)[number]>): StrategyEncoded => ({
    _tag: "First",
    of: of as [StrategyEncoded],
    ...(on === undefined ? {} : { on: on as never })
  })
  const deny: StrategyEncoded = { _tag: "Deny", status: 403, code: "not_today", message: "no" }

  law(
    "first(a) = a",
    fc.tuple(strategy, on).map(([a, on]) => [first([a], on), a])
  )
  law(
    "first(first(a, b), c) = first(a, first(b, c)) for equal `on`",
    fc
      .tuple(strategy, strategy, strategy, on)
      .map(([a, b, c, on]) => [first([first([a, b], on), c], on), first([a, first([b, c], on)], on)])
  )
  law(
    "first(first(a, b), c) = first(a, b, c) for equal `on`",
    fc.tuple(strategy, strategy, strategy, on).map(([a, b, c, on]) => [first([first([a, b], on), c], on), first([a, b, c], on)])
  )
  law(
    "first(deny, x) = deny",
    fc.tuple(strategy, on).map(([x, on]) => [first([deny, x], on), deny]),
    { labels: false }
  )
  law(
    "a one-armed split is its arm",
    strategy.map((arm) => [{ _tag: "Split", by: { fact: "request.id" }, salt: "s", arms: [{ name: "all", weight: 100, to: arm }] }, arm]),
    { labels: false }
  )
  law(
    "scaling all weights changes nothing",
    fc.tuple(fc.array(strategy, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 96 })).map(([arms, share]) => {
      const weights = arms.map((_, i) => (i === 0 ? share : 1))
      weights[weights.length - 1]! += 100 - weights.reduce((sum, weight) => sum + weight, 0)
      const split = (scale: number): StrategyEncoded => ({
        _tag: "Split",
        by: { fact: "request.id" },
        salt: "s",
        arms: arms.map((to, i) => ({ name: `arm-${i}`, weight: weights[i]! * scale, to })) as never
      })
      return [split(1), split(100)] as const
    })
  )
  const duration = fc.constantFrom("1 millis", "250 millis", "500 millis", "1 seconds", "1.5 seconds", "2 minutes")
  const millis = (duration: string) =>
    Number(duration.split(" ")[0]) * { millis: 1, seconds: 1_000, minutes: 60_000 }[duration.split(" ")[1] as "millis"]
  const within = (duration: string, of: StrategyEncoded): StrategyEncoded => ({ _tag: "Within", duration, of })
  law(
    "within nests to the minimum",
    fc
      .tuple(duration, duration, strategy)
      .map(([outer, inner, s]) => [within(outer, within(inner, s)), within(millis(outer) < millis(inner) ? outer : inner, s)])
  )
  const condition = { "===": [{ var: "request.stream" }, true] }
  law(
    "when(c, a, a) = a",
    strategy.map((a) => [{ _tag: "When", if: condition, then: a, otherwise: a }, a]),
    { labels: false }
  )
  law(
    "within(d, when(c, a, b)) = when(c, within(d, a), within(d, b))",
    fc
      .tuple(duration, strategy, strategy)
      .map(([d, a, b]) => [
        within(d, { _tag: "When", if: condition, then: a, otherwise: b }),
        { _tag: "When", if: condition, then: within(d, a), otherwise: within(d, b) }
      ])
  )
})

describe("policies of the generator", () => {
  it("check without an error, and with known warnings only", () => {
    const known = new Set(["ambiguous-model", "deadline", "grant-removes", "class-without-keys", "unknown-region"])
    const seen = { codes: new Set<string>(), keys: 0, budgets: 0 }
    fc.assert(
      fc.property(policy, (encoded) => {
        const { findings, policy } = check(encoded, prices)
        assert.deepStrictEqual(
          findings.filter(({ code, level }) => level === "error" || !known.has(code)),
          []
        )
        assert.isDefined(policy)
        for (const { code } of findings) seen.codes.add(code)
        if (Object.keys(policy.keys).length > 0) seen.keys++
        if (Object.keys(policy.budgets).length > 0) seen.budgets++
      }),
      { numRuns: 1_000 }
    )
    assert.includeMembers([...seen.codes], ["grant-removes", "class-without-keys"])
    assert.isAbove(Math.min(seen.keys, seen.budgets), 300)
  })
})
