import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import jsonLogic from "json-logic-js"
import { vi } from "vitest"
import { answerVocabulary } from "../src/AnswerFacts.ts"
import { env, guards, organisation, policy, routes, sections, sha256, under, usd } from "../src/Authoring.ts"
import type { Condition, Naming, Words } from "../src/Authoring.ts"
import { catalog } from "../src/Catalog.ts"
import { check } from "../src/Check.ts"
import { factNames } from "../src/Facts.ts"
import * as Language from "../src/Policy.ts"
import { canonical, decode, hash } from "../src/Policy.ts"
import oneFile from "./authoring/composed/oneFile.ts"
import acme from "./authoring/composed/organisation.ts"
import search from "./authoring/composed/search.ts"
import example from "./authoring/example.ts"
import everyWord from "./authoring/everyWord.ts"

// The examples import the package by its name, as authors do.
vi.mock("turnout", () => import("../src/index.ts"))

const base = {
  name: "test",
  metadata: ["tier"],
  headers: ["x-app"],
  tags: ["beta"],
  providers: { openai: { dialect: "openai" } },
  targets: { mini: { provider: "openai", model: "gpt-4o-mini" }, big: { provider: "openai", model: "gpt-4o" } },
  pools: { chat: { by: "latency", of: ["mini", { target: "big", set: { temperature: 0 } }] } },
  budgets: { month: { per: "key", limit: usd(20), every: "month" } }
} as const

type TestWords = Words<Naming<"mini" | "big", "chat", "month", never, never, "beta", "tier", "x-app">>

/** The JsonLogic that a condition written with the words ends up as. */
const emitted = (write: (words: TestWords) => Condition) =>
  policy({ ...base, routes: (words) => [{ name: "only", when: write(words), to: "mini" }] }).routes[0].when

/** The strategy that ends up in the policy. */
const built = (write: (words: TestWords) => ReturnType<TestWords["asked"]>) =>
  policy({ ...base, routes: (words) => [{ name: "only", to: write(words) }] }).routes[0].to

/** Sets a fact by its path, as JsonLogic reads it. */
const factsOf = (fact: string, value: unknown) =>
  fact.split(".").reduceRight((inner: unknown, name) => Object.assign(Object.create(null), { [name]: inner }), value) as object

const holds = (condition: unknown, fact: string, value: unknown) => jsonLogic.apply(condition as jsonLogic.RulesLogic, factsOf(fact, value))

describe("policy", () => {
  it("the example is plain data", () => {
    assert.deepStrictEqual(example.routes as unknown, [
      {
        name: "retired",
        when: { "===": [{ var: "request.model" }, "gpt-4"] },
        to: { _tag: "Deny", status: 410, code: "model_retired", message: "gpt-4 is gone: ask for gpt-4o" }
      },
      { name: "thrift", when: { ">=": [{ var: "budget.engineering.usedRatio" }, 0.8] }, to: "mini" },
      {
        name: "long",
        when: { and: [{ ">": [{ var: "request.inputTokens" }, 100_000] }, { var: "request.stream" }] },
        to: { _tag: "Within", duration: "60 seconds", of: "sonnet" }
      },
      {
        name: "canary",
        when: { "===": [{ var: "caller.team" }, "core"] },
        to: {
          _tag: "First",
          of: [
            {
              _tag: "Split",
              by: { fact: "caller.key" },
              salt: "sonnet-5",
              arms: [
                { name: "sonnet", weight: 95, to: "sonnet" },
                { name: "next", weight: 5, to: "next" }
              ]
            },
            "mini"
          ]
        }
      },
      {
        name: "nested",
        to: {
          _tag: "First",
          of: [
            {
              _tag: "When",
              if: { var: "request.stream" },
              then: "sonnet",
              otherwise: { _tag: "Within", duration: "5 seconds", of: "gpt" }
            },
            { _tag: "Asked" }
          ]
        }
      },
      { name: "default", to: { _tag: "First", of: ["sonnet", "mini"] } }
    ])
    assert.deepStrictEqual(Object.keys(example), ["name", "providers", "targets", "budgets", "classes", "keys", "routes"])
    assert.deepStrictEqual(example.keys as unknown, { alice: { secret: { env: "ALICE_KEY" }, class: "engineering", team: "core" } })
  })

  it("survives JSON and decodes, every word of it", () => {
    for (const written of [example, everyWord, search]) {
      assert.deepStrictEqual(JSON.parse(JSON.stringify(written)), written)
      const decoded = decode(written)
      if (Result.isFailure(decoded)) assert.fail(String(decoded.failure))
      assert.strictEqual(canonical(Result.getOrThrow(decode(JSON.parse(canonical(decoded.success))))), canonical(decoded.success))
    }
  })

  it("the examples use every section, field, strategy and fact, and the checker knows each", () => {
    const keys = new Set<string>()
    const texts = new Set<string>()
    const note = (value: unknown): void => {
      if (typeof value === "string") texts.add(value)
      else if (typeof value === "object" && value !== null)
        for (const [key, inner] of Object.entries(value)) {
          keys.add(key)
          note(inner)
        }
    }
    note([example, everyWord])
    const without = (names: ReadonlyArray<string>, had: ReadonlySet<string>) => names.filter((name) => !had.has(name))
    const { splitHash: _hash, version: _version, ...fields } = Language.Policy.fields
    const structs = [Language.ProviderSpec, Language.TargetSpec, Language.CapabilitiesSpec, Language.Overrides, Language.Selector]
    const more = [Language.Guard, Language.Budget, Language.Class, Language.Key, Language.Pool, Language.Layer, Language.Route]
    for (const of of [fields, ...[...structs, ...more].map((struct) => struct.fields)]) {
      assert.deepStrictEqual(without(Object.keys(of), keys), [])
    }
    const tags: ReadonlyArray<Language.Strategy["_tag"]> = Object.keys({
      Send: 0,
      Asked: 0,
      Deny: 0,
      First: 0,
      Split: 0,
      Spread: 0,
      Pool: 0,
      When: 0,
      Hedge: 0,
      Shadow: 0,
      Within: 0,
      Retry: 0,
      Escalate: 0
    } satisfies Record<Language.Strategy["_tag"], 0>) as never
    assert.deepStrictEqual(without(tags, texts), [])
    // One of each family of facts with names in them.
    const family = (fact: string) => fact.replace(/^(request\.(?:metadata|headers)|caller\.tags|health|budget)\.[^.]+/, "$1.*")
    const facts = new Set([...texts].map(family))
    assert.deepStrictEqual(without(factNames(Result.getOrThrow(decode(everyWord))).map(family), facts), [])
    assert.deepStrictEqual(without(answerVocabulary.names, facts), [])

    const unknown = check(everyWord, catalog).findings.filter(({ code }) =>
      /^(unknown-(?!region)|condition|wrong-form|missing-field)/.test(code)
    )
    assert.deepStrictEqual(unknown, [])
  })

  it("says what cannot be data, and where", () => {
    const route = (to: unknown) => () => policy({ ...base, routes: () => [{ name: "only", to: to as "mini" }] })
    const cyclic: Record<string, unknown> = { _tag: "Within", duration: "1 seconds" }
    cyclic["of"] = cyclic
    assert.throws(route(Math.abs), "`routes[0].to` holds the function `abs` (is it called?)")
    assert.throws(route(new Map()), "`routes[0].to` holds an instance of `Map`")
    assert.throws(route([1n]), "`routes[0].to[0]` holds a bigint")
    assert.throws(route(cyclic), "`routes[0].to.of` holds itself")
    assert.throws(() => emitted(({ request }) => request.inputTokens.gt(Number.NaN)), "`routes[0].when.>[1]` holds `NaN`")
    assert.throws(() => policy({ ...base, routes: [] as never }), "expected `routes` to be a function of the words")
    const list = { guards: [] } as never as object
    assert.throws(() => policy({ ...base, ...list, routes: () => [{ name: "only", to: "mini" }] }), "expected `guards` to be a function")
    assert.throws(() => organisation({ name: "acme", ...list }), "`organisation({ … })`: expected `guards` to be a function of the words")
  })
})

describe("usd, env and sha256", () => {
  it("usd takes dollars", () => {
    assert.deepStrictEqual([usd(0), usd(0.15)], [{ usd: 0 }, { usd: 0.15 }])
    assert.throws(() => usd(-1), "`usd(-1)`: expected dollars, a finite number from 0")
    assert.throws(() => usd(Number.NaN), "`usd(NaN)`")
    assert.throws(() => usd(Number.POSITIVE_INFINITY), "`usd(Infinity)`")
    assert.throws(() => usd("5" as never), '`usd("5")`')
  })

  it("env takes a name, and does not repeat what may be a secret", () => {
    assert.deepStrictEqual(env("OPENAI_API_KEY"), { env: "OPENAI_API_KEY" })
    assert.throws(() => env("sk-live-123"), /^(?!.*sk-live).*expected the name of an environment variable/)
  })

  it("sha256 takes a hash, and does not repeat what may be a secret", () => {
    const hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    assert.deepStrictEqual(sha256(hash), { sha256: hash })
    const other = /^(?!.*(sk-live|9F86)).*expected 64 hexadecimal digits in lower case, and not the secret$/
    for (const wrong of ["sk-live-123", hash.toUpperCase(), hash.slice(1), `${hash}0`, `${hash}\n`])
      assert.throws(() => sha256(wrong), other)
    assert.throws(() => sha256(5 as never), other)
  })
})

describe("strategies", () => {
  it("first takes its options last", () => {
    assert.deepStrictEqual(built(({ first }) => first("mini", "big", { on: ["timeout"] })) as unknown, {
      _tag: "First",
      of: ["mini", "big"],
      on: ["timeout"]
    })
    assert.throws(
      () => built(({ first }) => first("mini", { on: ["timeout"] }, "big")),
      "the options `{ on: [ … ] }` come once, after the last strategy"
    )
  })

  it("split takes any text that is there, or has a value for absence", () => {
    const by = (unit: (words: TestWords) => Parameters<TestWords["split"]>[0]["by"]) =>
      built((words) => words.split({ by: unit(words), salt: "s" }, { big: 1, mini: 99 }))
    assert.deepStrictEqual(by(({ caller }) => caller.team.or("none")) as unknown, {
      _tag: "Split",
      by: { fact: "caller.team", or: "none" },
      salt: "s",
      arms: [
        { name: "big", weight: 1, to: "big" },
        { name: "mini", weight: 99, to: "mini" }
      ]
    })
    assert.deepInclude(
      by(({ request }) => request.header("x-app").or("")),
      { by: { fact: "request.headers.x-app", or: "" } }
    )
  })

  const shapes: ReadonlyArray<readonly [name: string, write: (words: TestWords) => ReturnType<TestWords["asked"]>, expected: unknown]> = [
    ["send names a target", ({ send }) => send("big"), { _tag: "Send", target: "big" }],
    [
      "send says what is set",
      ({ send }) => send("big", { temperature: 0, headers: { "x-tier": "batch" } }),
      { _tag: "Send", target: "big", set: { temperature: 0, headers: { "x-tier": "batch" } } }
    ],
    [
      "spread takes targets and sends",
      ({ send, spread }) => spread("least-busy", ["mini", send("big", { region: "eu" })]),
      { _tag: "Spread", by: "least-busy", of: ["mini", { _tag: "Send", target: "big", set: { region: "eu" } }] }
    ],
    ["pool names a pool", ({ pool }) => pool("chat"), { _tag: "Pool", pool: "chat" }],
    ["retry leaves the usual waits out", ({ retry }) => retry({ attempts: 3 }, "mini"), { _tag: "Retry", attempts: 3, of: "mini" }],
    [
      "retry says how long it waits, and after what",
      ({ retry }) => retry({ attempts: 2, first: "1 seconds", on: ["timeout"] }, "mini"),
      { _tag: "Retry", attempts: 2, backoff: { first: "1 seconds" }, on: ["timeout"], of: "mini" }
    ],
    [
      "hedge says when the second starts",
      ({ asked, hedge }) => hedge("mini", { after: "800 millis", with: asked() }),
      { _tag: "Hedge", of: "mini", after: "800 millis", with: { _tag: "Asked" } }
    ],
    [
      "shadow says where the copies go, and how many of a hundred",
      ({ hedge, pool, shadow }) => shadow(hedge("mini", { after: "1 seconds", with: "big" }), { copy: pool("chat"), sample: 5 }),
      {
        _tag: "Shadow",
        of: { _tag: "Hedge", of: "mini", after: "1 seconds", with: "big" },
        copy: { _tag: "Pool", pool: "chat" },
        sample: 5
      }
    ],
    [
      "escalate asks about the answer",
      ({ all, answer, escalate, not, pool }) =>
        escalate("mini", { if: all(answer.stop.is("max-tokens"), not(answer.refused)), to: pool("chat") }),
      {
        _tag: "Escalate",
        of: "mini",
        if: { and: [{ "===": [{ var: "answer.stop" }, "max-tokens"] }, { "!": [{ var: "answer.refused" }] }] },
        to: { _tag: "Pool", pool: "chat" }
      }
    ],
    [
      "split takes a list of arms that lead anywhere",
      ({ caller, pool, split }) => split({ by: caller.key, salt: "s" }, [{ name: "all", weight: 100, to: pool("chat") }]),
      {
        _tag: "Split",
        by: { fact: "caller.key" },
        salt: "s",
        arms: [{ name: "all", weight: 100, to: { _tag: "Pool", pool: "chat" } }]
      }
    ]
  ]
  for (const [name, write, expected] of shapes) it(name, () => assert.deepStrictEqual(built(write) as unknown, expected))

  it("a pool's member with settings is a send", () =>
    assert.deepStrictEqual(policy({ ...base, routes: ({ pool }) => [{ name: "only", to: pool("chat") }] }).pools as unknown, {
      chat: { by: "latency", of: ["mini", { _tag: "Send", target: "big", set: { temperature: 0 } }] }
    }))
})

describe("composition", () => {
  const decoded = (json: unknown) => Result.getOrThrow(decode(json))

  it("a policy in many files is the policy in one", () => {
    assert.strictEqual(canonical(decoded(search)), canonical(decoded(oneFile)))
    assert.strictEqual(hash(decoded(search)), hash(decoded(oneFile)))
    assert.deepStrictEqual(
      check(search, catalog).findings.filter(({ level }) => level === "error"),
      []
    )
  })

  it("routes and guards are data at once, and sections are what they were", () => {
    const house = sections({ ...base })
    assert.deepStrictEqual(house as unknown, base)
    assert.deepStrictEqual(routes(house, ({ pool, request }) => [{ name: "a", when: request.stream, to: pool("chat") }]) as unknown, [
      { name: "a", when: { var: "request.stream" }, to: { _tag: "Pool", pool: "chat" } }
    ])
    assert.deepStrictEqual(
      guards(house, ({ caller }) => [{ name: "a", when: caller.tag("beta"), forbid: { targets: ["big"] } }]) as unknown,
      [{ name: "a", when: { var: "caller.tags.beta" }, forbid: { targets: ["big"] } }]
    )
  })

  it("an organisation's file is a layer", () => {
    assert.deepStrictEqual(organisation({ name: "holding" }) as unknown, { name: "holding", guards: [], budgets: {} })
    assert.deepStrictEqual(acme as unknown, {
      name: "acme",
      guards: [
        { name: "no-routers", forbid: { vendors: ["router"] } },
        {
          name: "eu-only",
          when: { or: [{ "===": [{ var: "caller.organisation" }, "acme-eu"] }, { var: "request.needs.files" }] },
          require: { regions: ["eu"] }
        }
      ],
      budgets: { company: { per: "organisation", limit: { usd: 5_000 }, every: "month" } }
    })
    assert.deepStrictEqual(decoded({ ...example, layers: [acme] }).layers as unknown, [acme])
  })

  it("`under` lays a layer over a policy, above those that it has and once", () => {
    const holding = organisation({ name: "holding" })
    const names = (policy: { readonly layers?: ReadonlyArray<{ readonly name: string }> }) => policy.layers?.map(({ name }) => name)
    assert.deepStrictEqual(names(under(acme, example)), ["acme"])
    assert.deepStrictEqual(names(under(holding, under(acme, example))), ["holding", "acme"])
    assert.deepStrictEqual(under(acme, under(acme, example)), under(acme, example))
    assert.deepStrictEqual(names(under(acme, under(holding, search))), ["acme", "holding"])
    // As the canonical form has it, with its keys in another order, it is the same layer.
    const built = JSON.parse(canonical(decoded(under(holding, example)))) as typeof example
    assert.deepStrictEqual(names(under(holding, built)), ["holding"])
    assert.deepStrictEqual(names(under({ name: "holding" } as never, built)), ["holding"])
    assert.deepStrictEqual(names(under(organisation({ name: "holding", budgets: acme.budgets }), built)), ["holding", "holding"])
  })
})

describe("conditions", () => {
  it("an absent fact stands first, in a list of its own", () => {
    const tier = { var: "request.metadata.tier" }
    const maximum = { var: "request.maxOutputTokens" }
    const latency = { var: "health.mini.latencyMillis" }
    const shapes: ReadonlyArray<readonly [(words: TestWords) => Condition, unknown]> = [
      [({ request }) => request.metadata("tier").or("free").is("pro"), { "===": [tier, "pro"] }],
      [({ request }) => request.metadata("tier").or("pro").is("pro"), { or: [{ "===": [tier, null] }, { "===": [tier, "pro"] }] }],
      [({ request }) => request.metadata("tier").or("a").oneOf("b", "c"), { in: [tier, ["b", "c"]] }],
      [({ request }) => request.metadata("tier").or("b").oneOf("b", "c"), { or: [{ "===": [tier, null] }, { in: [tier, ["b", "c"]] }] }],
      [({ request }) => request.metadata("tier").present(), { "!==": [tier, null] }],
      [({ request }) => request.maxOutputTokens.or(5).gt(4), { or: [{ "===": [maximum, null] }, { ">": [maximum, 4] }] }],
      [({ request }) => request.maxOutputTokens.or(4).gt(4), { and: [{ "!==": [maximum, null] }, { ">": [maximum, 4] }] }],
      [({ request }) => request.maxOutputTokens.or(4).is(4), { or: [{ "===": [maximum, null] }, { "===": [maximum, 4] }] }],
      [({ request }) => request.stream, { var: "request.stream" }],
      [({ request }) => request.needs.tools.is(false), { "===": [{ var: "request.needs.tools" }, false] }],
      [({ any, not, request }) => any(not(request.stream)), { or: [{ "!": [{ var: "request.stream" }] }] }],
      [({ caller }) => caller.tag("beta"), { var: "caller.tags.beta" }],
      [({ request }) => request.needs.audio, { var: "request.needs.audio" }],
      [({ request }) => request.needs.files.is(true), { "===": [{ var: "request.needs.files" }, true] }],
      [({ time }) => time.hour.lt(9), { "<": [{ var: "time.hour" }, 9] }],
      [({ time }) => time.weekday.oneOf("monday", "friday"), { in: [{ var: "time.weekday" }, ["monday", "friday"]] }],
      [({ health }) => health("mini").up, { var: "health.mini.up" }],
      [({ health }) => health("mini").latencyMillis.present(), { "!==": [latency, null] }],
      [({ health }) => health("mini").latencyMillis.or(0).gt(500), { and: [{ "!==": [latency, null] }, { ">": [latency, 500] }] }],
      [({ opaque }) => opaque({ "%": [{ var: "request.messages" }, 2] }), { opaque: { "%": [{ var: "request.messages" }, 2] } }]
    ]
    for (const [write, expected] of shapes) assert.deepStrictEqual(emitted(write) as unknown, expected)
  })

  const orders = {
    gt: (a: number, b: number) => a > b,
    gte: (a: number, b: number) => a >= b,
    lt: (a: number, b: number) => a < b,
    lte: (a: number, b: number) => a <= b,
    is: (a: number, b: number) => a === b
  }
  const order = fc.constantFrom(...(Object.keys(orders) as ReadonlyArray<keyof typeof orders>))
  // Small ranges, so that equal values meet often; around 0, which is what JsonLogic takes null for.
  const number = fc.oneof(fc.integer({ min: -2, max: 2 }), fc.double({ noNaN: true, noDefaultInfinity: true }))
  const word = fc.oneof(fc.constantFrom("", "a", "b", "null", "0", "constructor"), fc.string())
  const runs = { numRuns: 2_000 }

  it("numbers that may be absent: `or(d)` means `fact ?? d`", () => {
    fc.assert(
      fc.property(fc.option(number), number, number, order, (fact, value, absent, name) => {
        const condition = emitted(({ request }) => request.maxOutputTokens.or(absent)[name](value))
        assert.strictEqual(holds(condition, "request.maxOutputTokens", fact), orders[name](fact ?? absent, value))
      }),
      runs
    )
  })

  it("numbers that are always there", () => {
    fc.assert(
      fc.property(number, number, order, (fact, value, name) => {
        const condition = emitted(({ budget }) => budget("month").remaining[name](value))
        assert.strictEqual(holds(condition, "budget.month.remaining", fact), orders[name](fact, value))
      }),
      runs
    )
  })

  it("texts that may be absent: `or(d)` means `fact ?? d`", () => {
    fc.assert(
      fc.property(fc.option(word), word, word, fc.array(word, { minLength: 1, maxLength: 4 }), (fact, value, absent, values) => {
        const is = emitted(({ caller }) => caller.team.or(absent).is(value))
        const oneOf = emitted(({ caller }) => caller.team.or(absent).oneOf(...(values as [string])))
        const present = emitted(({ caller }) => caller.team.present())
        assert.strictEqual(holds(is, "caller.team", fact), (fact ?? absent) === value)
        assert.strictEqual(holds(oneOf, "caller.team", fact), values.includes(fact ?? absent))
        assert.strictEqual(holds(present, "caller.team", fact), fact !== null)
      }),
      runs
    )
  })

  it("texts that are always there, and flags", () => {
    fc.assert(
      fc.property(word, fc.array(word, { minLength: 1, maxLength: 4 }), fc.boolean(), fc.boolean(), (fact, values, flag, value) => {
        assert.strictEqual(
          holds(
            emitted(({ request }) => request.model.is(values[0]!)),
            "request.model",
            fact
          ),
          fact === values[0]
        )
        assert.strictEqual(
          holds(
            emitted(({ request }) => request.model.oneOf(...(values as [string]))),
            "request.model",
            fact
          ),
          values.includes(fact)
        )
        assert.strictEqual(
          holds(
            emitted(({ request }) => request.stream),
            "request.stream",
            flag
          ),
          flag
        )
        assert.strictEqual(
          holds(
            emitted(({ request }) => request.stream.is(value)),
            "request.stream",
            flag
          ),
          flag === value
        )
        assert.strictEqual(
          holds(
            emitted(({ not, request }) => not(request.stream)),
            "request.stream",
            flag
          ),
          !flag
        )
      }),
      runs
    )
  })
})
