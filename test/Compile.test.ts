import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { check } from "../src/Check.ts"
import { summary } from "../src/Decision.ts"
import type { PolicyEncoded } from "../src/Policy.ts"
import { asked, looselyAsked, policy, prices, requestTo } from "./generators.ts"
import { decide, type FactValues } from "./reference.ts"
import { callerOf, compiled, decoded } from "./scripted.ts"

const decisionOf = (encoded: PolicyEncoded, facts: FactValues) => {
  const made = compiled(encoded, prices)
  const decision = made.decide(made.facts.of(facts))
  const { asked } = decision
  return {
    route: decision.route,
    summary: summary(made, decision),
    threw: decision.threw !== undefined,
    asked:
      asked === undefined
        ? undefined
        : asked._tag === "Found"
          ? [asked.target.name, asked.target.provider, asked.target.model]
          : asked._tag === "RuledOut"
            ? [`${asked.rule.by}: ${asked.rule.label}`, asked.target.name, String(asked.rule.error(callerOf(facts)).status)]
            : asked._tag === "Ambiguous"
              ? ["ambiguous", ...asked.targets]
              : ["unknown"]
  }
}

const referenceOf = (encoded: PolicyEncoded, facts: FactValues): ReturnType<typeof decisionOf> => {
  const { asked, route, summary, threw } = decide(decoded(encoded), facts, prices)
  return {
    route,
    summary,
    threw,
    asked:
      asked === undefined
        ? undefined
        : asked._tag === "Found"
          ? [asked.deployment.name, asked.deployment.provider, asked.deployment.model]
          : asked._tag === "RuledOut"
            ? [`${asked.rule.by}: ${asked.rule.word}`, asked.deployment.name, String(asked.rule.error.status)]
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
    it(name, { timeout: 120_000 }, () => {
      fc.assert(
        fc.property(cases, ({ facts, policy }) => {
          const decision = decisionOf(policy, facts)
          seen.routes.add(decision.route)
          for (const word of decision.summary.split("/").slice(1)) seen.words.add(word)
          const [word, ...more] = decision.asked ?? ["nothing asked"]
          seen.asked.add(/^(?:grant|guard|capability): /.exec(word!)?.[0] ?? (more.length === 2 && word !== "ambiguous" ? "found" : word!))
          assert.deepStrictEqual(decision, referenceOf(policy, facts))
        }),
        { numRuns: 2_000 }
      )
    })

  it("…where the generator has reached every construct", () => {
    assert.isAtLeast(seen.routes.size, 5)
    assert.includeMembers([...seen.words], ["when.then", "when.otherwise", "split.control", "split.next", "split.c", "split.D-4"])
    assert.includeMembers([...seen.words], ["mini.not-granted", "constructor.not-granted", "condition-failed"])
    for (const label of ["guard-no-trial", "guard-eu-only", "guard-cheap", "guard-later", "lacks-vision", "lacks-tools", "lacks-files"])
      assert.isTrue(
        [...seen.words].some((word) => word.endsWith(`.${label}`)),
        label
      )
    for (const label of ["lacks-audio", "lacks-structuredOutput", "lacks-reasoning", "lacks-context", "lacks-output"])
      assert.isTrue(
        [...seen.words].some((word) => word.endsWith(`.${label}`)),
        label
      )
    assert.includeMembers([...seen.asked], ["found", "grant: ", "guard: ", "capability: ", "ambiguous", "unknown", "nothing asked"])
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

describe("policies of the generator", () => {
  it("check without an error", { timeout: 120_000 }, () => {
    const seen = { codes: new Set<string>(), keys: 0, budgets: 0 }
    fc.assert(
      fc.property(policy, (encoded) => {
        const { findings, policy } = check(encoded, prices)
        assert.deepStrictEqual(
          findings.filter(({ level }) => level === "error"),
          []
        )
        assert.isDefined(policy)
        for (const { code } of findings) seen.codes.add(code)
        if (Object.keys(policy.keys).length > 0) seen.keys++
        if (Object.keys(policy.budgets).length > 0) seen.budgets++
      }),
      { numRuns: 1_000 }
    )
    assert.includeMembers([...seen.codes], ["grant-removes", "guard-removes", "class-without-keys"])
    assert.isAbove(Math.min(seen.keys, seen.budgets), 300)
  })
})
