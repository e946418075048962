import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { summary } from "../src/Decision.ts"
import type { PolicyEncoded, StrategyEncoded } from "../src/Policy.ts"
import { loosePolicy, policy, prices, requestTo, script, sized } from "./generators.ts"
import { declared, type FactValues, type Play } from "./reference.ts"
import { forbids, granted, ruledOut } from "./reference/rules.ts"
import { account, compiled, decoded, only, paid, surroundings } from "./scripted.ts"

type GuardEncoded = NonNullable<PolicyEncoded["guards"]>[number]

const fails: Play = { failure: "overloaded", commitsAfter: undefined, endsAfter: 0 }
const serves: Play = { failure: undefined, commitsAfter: 0, endsAfter: 0 }

/** The decision in one line, and how the call ended. */
const decidedOf = (encoded: PolicyEncoded, facts: FactValues = {}) => {
  const world = surroundings()
  const { code, refused, served, status, summary } = account(world.call(world.link(compiled(encoded, prices)), facts, () => serves))
  return { summary, ended: `${status} ${code ?? served}`, refused: refused!.map(({ by, target }) => `${by} ${target}`) }
}

describe("the promise", () => {
  const cases = fc.oneof(policy, loosePolicy).chain((encoded) =>
    fc.record({
      policy: fc.constant(encoded),
      calls: fc.array(fc.record({ facts: requestTo(encoded).map(sized), plays: script, hard: fc.boolean() }), {
        minLength: 1,
        maxLength: 4
      }),
      broken: fc.subarray(Object.keys(encoded.targets))
    })
  )

  it(
    "no attempt of any kind violates a grant, a guard or a known lack, whichever breakers are open; and no rejection is without its rule",
    { timeout: 120_000 },
    () => {
      const seen = { sent: 0, guarded: 0, probes: 0, guard: 0, capability: 0, open: 0, moved: 0 }
      fc.assert(
        fc.property(cases, ({ broken, calls, policy: encoded }) => {
          const world = surroundings()
          const pipeline = world.link(compiled(encoded, prices))
          const made = decoded(encoded)
          for (const name of broken)
            for (let i = 0; i < 5; i++) world.health.report(pipeline.compiled.targets.get(name)!.identity, "bad", 0)
          for (const { facts, hard, plays } of calls) {
            const { records } = world.call(pipeline, facts, (n) => (hard ? fails : plays[n % plays.length]!))
            const { attempts, facts: read, rejections } = records[0]!.call!
            // What the call was decided by, where the policy reads it.
            const known = { ...facts, ...Object.fromEntries(pipeline.compiled.facts.names.map((name, slot) => [name, read[slot]!])) }
            for (const { target, why } of attempts) {
              const to = { ...target, set: target.set }
              assert.isUndefined(ruledOut(made, to, known, prices), `${target.name} was tried`)
              seen.sent++
              if (why === "probe") seen.probes++
              if (!target.declared) seen.open++
              if (target.set?.region !== undefined) seen.moved++
              if ([...made.guards, ...made.layers.flatMap(({ guards }) => guards)].length > 0) seen.guarded++
            }
            for (const { by, target } of rejections) {
              if (by !== "guard" && by !== "capability") continue
              seen[by]++
              if (by === "guard" && Object.hasOwn(made.targets, target))
                assert.isTrue(
                  [...made.guards, ...made.layers.flatMap(({ guards }) => guards)].some((guard) =>
                    [
                      declared(made, target),
                      ...["eu", "us"].flatMap((region) =>
                        ["prod-1", "gpt-4o"].flatMap((deployment) => [
                          declared(made, target, { region }),
                          declared(made, target, { deployment }),
                          declared(made, target, { region, deployment })
                        ])
                      )
                    ].some((to) => forbids(made, guard, to, prices))
                  )
                )
            }
          }
        }),
        { numRuns: 1_500 }
      )
      for (const [name, count] of Object.entries(seen)) assert.isAbove(count, 0, name)
    }
  )
})

describe("the order in which rules are asked", () => {
  const guard = (name: string, tag: string): GuardEncoded => ({ name, forbid: { tags: [tag] } })
  const target = (tags: ReadonlyArray<string>, tools?: boolean) => ({
    provider: "openai",
    model: "m",
    tags,
    ...(tools === undefined ? {} : { capabilities: { tools } })
  })
  const policy = (more: Partial<PolicyEncoded>): PolicyEncoded =>
    only("a", {
      targets: { a: target(["x", "y", "z"], false) },
      classes: { local: { may: [] } },
      guards: [guard("own", "x"), guard("second", "x")],
      layers: [
        { name: "org", guards: [guard("first", "y")] },
        { name: "group", guards: [guard("next", "z")] }
      ],
      ...more
    })
  const may = { local: { may: ["a"] } }
  const facts = { "request.needs.tools": true }
  const rows: ReadonlyArray<readonly [why: string, more: Partial<PolicyEncoded>, summary: string, ended: string]> = [
    ["the grant", {}, "only/a.not-granted", "403 not_granted"],
    ["then a layer's guard", { classes: may }, "only/a.guard-first", "403 guard_forbids"],
    [
      "those of the layers in their order",
      { classes: may, targets: { a: target(["x", "z"], false) } },
      "only/a.guard-next",
      "403 guard_forbids"
    ],
    ["then the policy's own in theirs", { classes: may, targets: { a: target(["x"], false) } }, "only/a.guard-own", "403 guard_forbids"],
    ["then what the model lacks", { classes: may, targets: { a: target([], false) } }, "only/a.lacks-tools", "422 missing_capability"],
    ["then nothing", { classes: may, targets: { a: target([]) } }, "only", "200 a"]
  ]
  for (const [why, more, summary, ended] of rows)
    it(why, () => {
      const decided = decidedOf(policy(more), facts)
      assert.deepStrictEqual([decided.summary, decided.ended], [summary, ended])
    })
})

describe("what a guard keeps out", () => {
  const guard: GuardEncoded = { name: "no-b", forbid: { targets: ["b"] } }
  const guards = [guard]
  const rows: ReadonlyArray<readonly [why: string, to: StrategyEncoded, summary: string]> = [
    ["a target", "b", "only/b.guard-no-b"],
    ["a target with what is set for it", { _tag: "Send", target: "b", set: { temperature: 0 } }, "only/b.guard-no-b"],
    ["a fallback", { _tag: "First", of: ["a", "b"] }, "only/b.guard-no-b"],
    ["a member of `spread`", { _tag: "Spread", by: "cost", of: ["a", "b"] }, "only/b.guard-no-b"],
    ["a member of a pool", { _tag: "Pool", pool: "both" }, "only/b.guard-no-b"],
    ["the second try of a hedge", { _tag: "Hedge", of: "a", after: "1 seconds", with: "b" }, "only/b.guard-no-b"],
    ["what is tried again", { _tag: "Retry", attempts: 2, of: "b" }, "only/b.guard-no-b"],
    ["what is under a deadline", { _tag: "Within", duration: "1 seconds", of: "b" }, "only/b.guard-no-b"]
  ]
  for (const [why, to, line] of rows)
    it(why, () => {
      const made = compiled(only(to, { guards, pools: { both: { by: "cost", of: ["a", "b"] } } }))
      assert.strictEqual(summary(made, made.decide(made.facts.of({}))), line)
    })

  it("the model asked for, by whatever name, and models of an open provider", () => {
    const made = compiled(
      only(
        { _tag: "Asked" },
        {
          guards: [...guards, { name: "no-x", forbid: { models: ["vendor/X"] } }],
          aliases: { bee: "b" },
          providers: { openai: { dialect: "openai" }, router: { dialect: "openrouter", open: true } }
        }
      )
    )
    const askedFor = (model: string) => {
      const { asked } = made.decide(made.facts.of({ "request.model": model }))
      return asked?._tag === "RuledOut" ? asked.rule.label : asked?._tag
    }
    for (const name of ["b", "bee", "openai/model-b", "model-b"]) assert.strictEqual(askedFor(name), "guard-no-b", name)
    assert.strictEqual(askedFor("a"), "Found")
    assert.strictEqual(askedFor("router/vendor/x"), "guard-no-x")
    assert.strictEqual(askedFor("router/vendor/y"), "Found")
  })

  it("only where its condition holds", () => {
    const when = { "===": [{ var: "caller.tags.vip" }, false] }
    const made = only("b", { tags: ["vip"], guards: [{ ...guard, when }] })
    const from = (vip: boolean) => decidedOf({ ...made }, { "caller.tags.vip": vip, "caller.key": "alice" }).ended
    assert.deepStrictEqual([from(true), from(false)], ["200 b", "403 guard_forbids"])
  })

  it("leaves what follows it, and is told by its name", () => {
    const decided = decidedOf(only({ _tag: "First", of: ["b", "a"] }, { guards }))
    assert.deepStrictEqual(decided, { summary: "only/b.guard-no-b", ended: "200 a", refused: ["guard b"] })
  })

  it("says whose guard it is, and where it is out of caution", () => {
    const guarded = (more: Partial<PolicyEncoded>): string => {
      const made = compiled(only("b", more))
      const [rule] = made.rulesOf(made.targets.get("b")!)
      return rule!.error({ key: "local", class: "local", team: null, organisation: null, tags: [] }).message
    }
    assert.strictEqual(guarded({ guards }), "guard `no-b` keeps `b` out")
    assert.strictEqual(guarded({ layers: [{ name: "org", guards }] }), "guard `no-b` of `org` keeps `b` out")
    assert.strictEqual(
      guarded({ guards: [{ name: "eu-only", require: { regions: ["eu"] } }] }),
      "guard `eu-only` keeps `b` out, because what it asks is not known of it"
    )
  })
})

describe("what a model lacks", () => {
  const one = (target: Partial<PolicyEncoded["targets"][string]>, more: Partial<PolicyEncoded> = {}, set?: object): PolicyEncoded =>
    only(set === undefined ? "a" : { _tag: "Send", target: "a", set }, {
      targets: { a: { provider: "openai", model: "unheard-of", ...target } },
      ...more
    })
  const ended = (policy: PolicyEncoded, facts: FactValues) => decidedOf(policy, facts).summary
  const tokens = (n: number) => ({ "request.inputTokens": n })
  const most = (n: number | null) => ({ "request.maxOutputTokens": n })

  it("rejects only where it is known", () => {
    for (const [name, fact] of [
      ["vision", "request.needs.vision"],
      ["tools", "request.needs.tools"],
      ["structuredOutput", "request.needs.structuredOutput"],
      ["reasoning", "request.needs.reasoning"]
    ] as const) {
      const said = (value: boolean | undefined) => one(value === undefined ? {} : { capabilities: { [name]: value } })
      assert.strictEqual(ended(said(false), { [fact]: true }), `only/a.lacks-${name}`)
      assert.strictEqual(ended(said(false), { [fact]: false }), "only")
      assert.strictEqual(ended(said(true), { [fact]: true }), "only")
      assert.strictEqual(ended(said(undefined), { [fact]: true }), "only")
    }
    for (const [name, asks] of [
      ["audio", "asks.audio"],
      ["files", "asks.files"]
    ] as const) {
      assert.strictEqual(ended(one({ capabilities: { [name]: false } }), { [asks]: 1 }), `only/a.lacks-${name}`)
      assert.strictEqual(ended(one({ capabilities: { [name]: false } }), {}), "only")
    }
  })

  it("holds the estimate of input against the window, to the token", () => {
    const policy = one({ capabilities: { contextWindow: 100 } })
    assert.deepStrictEqual([ended(policy, tokens(100)), ended(policy, tokens(101))], ["only", "only/a.lacks-context"])
    assert.strictEqual(ended(one({}), tokens(1e9)), "only")
  })

  it("is looked up in the catalog, unless the policy says otherwise, and only at the provider's own address", () => {
    const gpt = { model: "gpt-4o-mini" }
    assert.strictEqual(ended(one(gpt), tokens(1e6)), "only/a.lacks-context")
    assert.strictEqual(ended(one({ model: "GPT-4o-mini-2024-07-18" }), tokens(1e6)), "only/a.lacks-context")
    assert.strictEqual(ended(one({ ...gpt, capabilities: { contextWindow: 2_000_000 } }), tokens(1e6)), "only")
    const elsewhere = { providers: { openai: { dialect: "openai" as const, baseUrl: "http://127.0.0.1:1/v1" } } }
    assert.strictEqual(ended(one(gpt, elsewhere), tokens(1e6)), "only")
  })

  it("holds the caller's maximum against the catalog's limit, but not against the policy's, which caps it", () => {
    const gpt = { model: "gpt-4o-mini" }
    assert.deepStrictEqual(
      [ended(one(gpt), most(16_384)), ended(one(gpt), most(16_385)), ended(one(gpt), most(null))],
      ["only", "only/a.lacks-output", "only"]
    )
    assert.strictEqual(ended(one({ ...gpt, maxOutputTokens: 100 }), most(1e6)), "only")
    assert.strictEqual(ended(one(gpt, {}, { maxOutputTokens: 100 }), most(1e6)), "only")
    assert.strictEqual(ended(one(gpt, {}, { temperature: 0 }), most(1e6)), "only/a.lacks-output")
  })

  it("under a budget a maximum beyond the declared one reserves the declared one, and one from the catalog what the catalog says", () => {
    const reserved = (target: object, maximum: number | null, set?: object) => {
      const { targets, ...rest } = paid(set === undefined ? "a" : { _tag: "Send", target: "a", set })
      const { maxOutputTokens: _, ...a } = targets["a"]!
      const world = surroundings()
      const pipeline = world.link(compiled({ ...rest, targets: { a: { ...a, ...target } } }))
      const one = account(world.call(pipeline, { "request.model": "a", ...most(maximum) }, () => serves))
      return one.tried![0]?.reservedNanoDollars ?? one.code
    }
    // At a dollar for a million tokens of output.
    assert.strictEqual(reserved({ maxOutputTokens: 1_000 }, 5_000), 1_000_000)
    assert.strictEqual(reserved({ maxOutputTokens: 1_000 }, 10), 10_000)
    assert.strictEqual(reserved({ model: "gpt-4o-mini" }, null), 16_384_000)
    assert.strictEqual(reserved({ model: "gpt-4o-mini" }, 16_385), "missing_capability")
    assert.strictEqual(reserved({ model: "gpt-4o-mini" }, 1e6, { maxOutputTokens: 7 }), 7_000)
    assert.strictEqual(reserved({ maxOutputTokens: 1_000 }, 1e6, { maxOutputTokens: 2_000 }), 1_000_000)
    assert.strictEqual(reserved({}, null), "unbounded_request")
  })

  it("is known of models that only callers name, though no rule of the policy reads those facts", () => {
    const made = compiled(only({ _tag: "Asked" }, { providers: { openai: { dialect: "openai", open: true } } }))
    assert.includeMembers([...made.facts.names], ["request.inputTokens", "request.maxOutputTokens", "request.needs.vision"])
    const asked = (facts: FactValues) => {
      const { asked } = made.decide(made.facts.of({ "request.model": "openai/gpt-4o-mini", ...facts }))
      return asked?._tag === "RuledOut" ? asked.rule.label : asked?._tag
    }
    assert.deepStrictEqual(
      [asked({}), asked(tokens(1e6)), asked(most(16_385)), asked({ "request.model": "openai/o3-mini", "request.needs.vision": true })],
      ["Found", "lacks-context", "lacks-output", "lacks-vision"]
    )
  })

  it("reads no facts for it where nothing is known", () => {
    const bare = compiled(
      only({ _tag: "Asked" }, { providers: { openai: { dialect: "openai", baseUrl: "http://127.0.0.1:1", open: true } } })
    )
    assert.deepStrictEqual([...bare.facts.names], ["request.model"])
  })
})

describe("where a target is served elsewhere than it says", () => {
  const policy = (set: object, more: Partial<PolicyEncoded> = {}): PolicyEncoded =>
    only(
      { _tag: "Send", target: "a", set },
      {
        providers: { openai: { dialect: "openai", baseUrl: "https://{region}.example.com/v1" } },
        targets: { a: { provider: "openai", model: "m", region: "us" } },
        ...more
      }
    )
  const planned = (set: object) => {
    const { plan } = compiled(policy(set)).routes[0]!
    if (plan._tag !== "Send") throw new Error(plan._tag)
    return plan.target
  }

  it("is another deployment: its address, its health and what is asked for", () => {
    const identities = [{}, { region: "eu" }, { deployment: "d" }, { region: "eu", deployment: "d" }].map((set) => planned(set).identity)
    assert.strictEqual(new Set(identities).size, 4)
    assert.strictEqual(planned({ temperature: 1, maxOutputTokens: 5 }).identity, identities[0])
    const { baseUrl, deployment, model, region } = planned({ region: "eu", deployment: "d" })
    assert.deepStrictEqual(
      { baseUrl, deployment, model, region },
      { baseUrl: "https://eu.example.com/v1", deployment: "d", model: "m", region: "eu" }
    )
  })

  it("is judged where it is served, by grants and by guards", () => {
    const classes = { local: { may: ["a"], regions: ["us"] } }
    assert.strictEqual(decidedOf(policy({}, { classes })).ended, "200 a")
    assert.strictEqual(decidedOf(policy({ region: "eu" }, { classes })).ended, "403 not_granted")
    const guards: ReadonlyArray<GuardEncoded> = [{ name: "eu-only", require: { regions: ["eu"] } }]
    assert.strictEqual(decidedOf(policy({}, { guards })).ended, "403 guard_forbids")
    assert.strictEqual(decidedOf(policy({ region: "eu" }, { guards })).ended, "200 a")
    const named: ReadonlyArray<GuardEncoded> = [{ name: "no-d", forbid: { models: ["d"] } }]
    assert.strictEqual(decidedOf(policy({ deployment: "d" }, { guards: named })).ended, "403 guard_forbids")
  })
})

describe("the reference", () => {
  it("knows a class without a name for nobody", () => {
    const made = decoded(only("a", { classes: { local: { may: ["a"] } } }))
    assert.isTrue(granted(made, "local", declared(made, "a")))
    assert.isFalse(granted(made, "local", declared(made, "b")))
    assert.isFalse(granted(made, "nobody", declared(made, "a")))
  })
})
