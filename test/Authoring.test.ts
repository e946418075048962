import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import jsonLogic from "json-logic-js"
import { vi } from "vitest"
import { env, policy, sha256, usd } from "../src/Authoring.ts"
import type { Condition, Words } from "../src/Authoring.ts"
import { canonical, decode } from "../src/Policy.ts"
import example from "./authoring/example.ts"
import everyWord from "./authoring/everyWord.ts"

// The examples import the package by its name, as authors do.
vi.mock("turnout", () => import("../src/index.ts"))

const base = {
  name: "test",
  metadata: ["tier"],
  headers: ["x-app"],
  providers: { openai: { dialect: "openai" } },
  targets: { mini: { provider: "openai", model: "gpt-4o-mini" }, big: { provider: "openai", model: "gpt-4o" } },
  budgets: { month: { per: "key", limit: usd(20), every: "month" } }
} as const

type TestWords = Words<"mini" | "big", "month", never, never, "tier", "x-app">

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
    for (const written of [example, everyWord]) {
      assert.deepStrictEqual(JSON.parse(JSON.stringify(written)), written)
      const decoded = decode(written)
      if (Result.isFailure(decoded)) assert.fail(String(decoded.failure))
      assert.strictEqual(canonical(Result.getOrThrow(decode(JSON.parse(canonical(decoded.success))))), canonical(decoded.success))
    }
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

  it("send names a target", () => assert.deepStrictEqual(built(({ send }) => send("big")) as unknown, { _tag: "Send", target: "big" }))
})

describe("conditions", () => {
  it("an absent fact stands first, in a list of its own", () => {
    const tier = { var: "request.metadata.tier" }
    const maximum = { var: "request.maxOutputTokens" }
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
      [({ any, not, request }) => any(not(request.stream)), { or: [{ "!": [{ var: "request.stream" }] }] }]
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
