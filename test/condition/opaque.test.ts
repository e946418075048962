import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import jsonLogic from "json-logic-js"
import { compile, type Condition, parse } from "../../src/Condition.ts"
import { ConditionThrew } from "../../src/condition/opaque.ts"
import { factNames, type FactValue, typeOf } from "../../src/Facts.ts"
import { factsOf, valuesOf } from "../generators.ts"
import { type FactValues, nested } from "../reference.ts"
import { account, compiled, decoded, only, surroundings } from "../scripted.ts"

const policy = decoded(only("a", { metadata: ["tier"], tags: ["vip"] }))
const vocabulary = { names: factNames(policy), typeOf: (name: string) => typeOf(name, policy) }
const facts = factsOf(policy)

const judge = (rule: unknown) => {
  const reports: Array<readonly [place: string, code: string, message: string, fix?: string]> = []
  const condition = parse(rule, [], vocabulary, (path, code, message, fix) => {
    reports.push(fix === undefined ? [path.join("."), code, message] : [path.join("."), code, message, fix])
  })
  return { condition, reports }
}

/** What a condition comes to; undefined where it throws. */
const answer = (condition: Condition, values: FactValues): boolean | undefined => {
  const names: Array<string> = []
  const closure = compile(condition, (name) => (names.includes(name) ? names.indexOf(name) : names.push(name) - 1))
  try {
    return closure(names.map((name): FactValue => values[name]!))
  } catch (error) {
    assert.instanceOf(error, ConditionThrew)
    assert.isString((error as ConditionThrew).reason)
    return undefined
  }
}

/** What json-logic-js says by itself, of plain objects. */
const plainly = (rule: unknown, values: FactValues): boolean | undefined => {
  try {
    return jsonLogic.truthy(jsonLogic.apply(rule as jsonLogic.RulesLogic, nested(values)))
  } catch {
    return undefined
  }
}

/** JsonLogic with every operator that is let in, over facts that there are; `elements` where `var` reads an element. */
const ruleOver = (names: ReadonlyArray<string>): fc.Arbitrary<unknown> => {
  const literal = fc.oneof(fc.constantFrom<unknown>("", "a", "gpt", "0", 0, 1, -1, 2.5, true, false, null), fc.string({ maxLength: 3 }))
  const made = fc.letrec((tie) => {
    const many = (operators: ReadonlyArray<string>, operand: string, minLength: number, maxLength: number) =>
      fc
        .record({ operator: fc.constantFrom(...operators), of: fc.array(tie(operand), { minLength, maxLength }) })
        .map(({ of, operator }) => ({ [operator]: of }))
    const level = (self: string, variable: fc.Arbitrary<unknown>) =>
      fc.oneof(
        { maxDepth: 4, depthSize: "medium" as const },
        literal,
        { weight: 4, arbitrary: variable },
        { weight: 2, arbitrary: many(["==", "===", "!=", "!==", "-", "/", "%", "in"], self, 1, 2) },
        { weight: 2, arbitrary: many(["<", "<=", ">", ">="], self, 2, 3) },
        { weight: 2, arbitrary: many(["if", "?:", "and", "or"], self, 0, 4) },
        { weight: 2, arbitrary: many(["+", "*", "min", "max", "cat", "merge"], self, 0, 3) },
        { weight: 1, arbitrary: many(["!", "!!", "substr"], self, 1, 3) },
        { weight: 1, arbitrary: tie(self).map((of) => ({ "!": of })) },
        { weight: 1, arbitrary: fc.array(tie(self), { maxLength: 3 }) },
        {
          weight: 2,
          arbitrary: fc
            .tuple(fc.constantFrom("map", "filter", "all", "none", "some"), tie(self), tie("element"))
            .map(([operator, list, of]) => ({ [operator]: [list, of] }))
        },
        {
          weight: 1,
          arbitrary: fc.tuple(tie(self), tie("element"), tie(self)).map(([list, of, from]) => ({ reduce: [list, of, from] }))
        }
      )
    return {
      rule: level(
        "rule",
        fc
          .tuple(fc.constantFrom(...names), fc.option(literal), fc.boolean())
          .map(([name, otherwise, bare]) => ({ var: otherwise !== null ? [name, otherwise] : bare ? name : [name] }))
      ),
      element: level(
        "element",
        fc.constantFrom<unknown>("", "current", "accumulator", "0", 0, "length", "current.length", "1.0").map((name) => ({ var: name }))
      )
    }
  })
  return made.rule
}

const few = ["request.model", "request.inputTokens", "request.maxOutputTokens", "request.stream", "request.metadata.tier", "time.hour"]

describe("an opaque condition", () => {
  it("comes to what json-logic-js says by itself, and throws where that throws", () => {
    const seen = { true: 0, false: 0, undefined: 0 }
    fc.assert(
      fc.property(ruleOver(few), valuesOf(facts.filter(({ name }) => few.includes(name))), fc.boolean(), (rule, values, bare) => {
        // A list by itself stands for its one rule.
        const marked = bare && !Array.isArray(rule) ? rule : [rule]
        const { condition, reports } = judge({ opaque: marked })
        assert.deepStrictEqual(reports, [])
        const expected = plainly(rule, values)
        assert.strictEqual(answer(condition!, values), expected)
        seen[`${expected}`]++
      }),
      { numRuns: 6_000 }
    )
    assert.isAbove(Math.min(seen.true, seen.false), 1_000)
    assert.isAbove(seen.undefined, 50)
  })

  it("is a boolean beside what can be analysed: in `and`, `or` and `!`", () => {
    const stream = { var: "request.stream" }
    fc.assert(
      fc.property(ruleOver(few), valuesOf(facts.filter(({ name }) => few.includes(name))), (rule, values) => {
        const opaque = { opaque: [rule] }
        for (const [marked, plain] of [
          [{ and: [stream, opaque] }, { and: [stream, rule] }],
          [{ or: [stream, opaque] }, { or: [stream, rule] }],
          [{ "!": opaque }, { "!": [rule] }],
          [{ or: [{ and: [opaque, stream] }, { "!": [opaque] }] }, { or: [{ and: [rule, stream] }, { "!": [rule] }] }]
        ])
          assert.strictEqual(answer(judge(marked).condition!, values), plainly(plain, values))
      }),
      { numRuns: 1_000 }
    )
  })

  it("knows which facts it reads, those that stand for a default and inside lists among them", () => {
    const rule = { some: [[{ var: ["caller.team", { var: "request.id" }] }], { "===": [{ var: "" }, { cat: ["a", { var: "0" }] }] }] }
    const { condition } = judge({ opaque: rule })
    assert.deepStrictEqual((condition as Extract<Condition, { _tag: "Opaque" }>).facts, ["caller.team", "request.id"])
  })

  it("sees frozen facts without prototypes, and no others", () => {
    const seen: Array<unknown> = []
    jsonLogic.add_operation("cat", function (this: unknown, ...parts: ReadonlyArray<unknown>) {
      seen.push(this)
      return parts.join("")
    })
    try {
      answer(judge({ opaque: { cat: [{ var: "request.model" }] } }).condition!, { "request.model": "m", "request.id": "i" })
    } finally {
      jsonLogic.add_operation("cat", (...parts: ReadonlyArray<unknown>) => parts.join(""))
    }
    const root = seen[0] as { readonly request: object }
    for (const level of [root, root.request]) {
      assert.isNull(Object.getPrototypeOf(level))
      assert.isFrozen(level)
    }
    assert.deepEqual({ ...root.request }, { model: "m" })
  })

  const model = { var: "request.model" }
  const element = 'name "" for the element, an index, or in `reduce` `current` and `accumulator`; facts are named outside'
  const textual = "an opaque condition names its facts as texts, so that it is known what it reads"
  const refused: ReadonlyArray<readonly [why: string, rule: unknown, place: string, code: string, message: string, fix?: string]> = [
    ["logging", { log: model }, "", "condition-operator", "`log` is not an operator that only computes"],
    ["a method", { method: [model, "trim"] }, "", "condition-operator", "`method` is not an operator that only computes"],
    ["an operator of nobody", { constructor: [1] }, "", "condition-operator", "`constructor` is not an operator that only computes"],
    ["an operator with dots", { "a.b": [1] }, "", "condition-operator", "`a.b` is not an operator that only computes"],
    [
      "`missing`",
      { missing: ["caller.team"] },
      "",
      "condition-operator",
      "`missing` says nothing here: every fact is there, with null for absent",
      'compare the fact with null: {"===": [{"var": "…"}, null]}'
    ],
    [
      "logging in the default of a fact",
      { var: ["request.model", { log: 1 }] },
      "var.1",
      "condition-operator",
      "`log` is not an operator that only computes"
    ],
    [
      "logging behind the default",
      { var: ["request.model", 1, { log: 1 }] },
      "var.2",
      "condition-operator",
      "`log` is not an operator that only computes"
    ],
    [
      "logging as the name of an element",
      { some: [[1], { var: { log: "x" } }] },
      "some.1.var",
      "condition",
      'in `some` a `var` reads the element at hand, of which {"log":"x"} is no part',
      element
    ],
    ["an opaque rule in another", { opaque: model }, "", "condition-operator", "`opaque` is not an operator that only computes"],
    [
      "an unknown fact",
      { "!!": { var: "request.modle" } },
      "!!.var",
      "unknown-fact",
      "unknown fact `request.modle`",
      "did you mean `request.model`?"
    ],
    [
      "a level below a text",
      { var: "request.model.length" },
      "var",
      "unknown-fact",
      "unknown fact `request.model.length`",
      "did you mean `request.model`?"
    ],
    [
      "undeclared metadata",
      { var: "request.metadata.constructor" },
      "var",
      "unknown-fact",
      "unknown fact `request.metadata.constructor`",
      "declare `constructor` in `metadata` of the policy"
    ],
    ["a calculated name", { var: { cat: ["request", ".model"] } }, "var", "condition", textual],
    ["all facts at once", { var: "" }, "var", "unknown-fact", "unknown fact ``"],
    ["all facts without a name", { "!!": { var: [] } }, "!!.var", "condition", textual],
    ["a name that is a number", { var: [1] }, "var.0", "condition", textual],
    [
      "a fact inside a list, where it would be null",
      { some: [["a"], { "==": [{ var: "" }, model] }] },
      "some.1.==.1.var",
      "condition",
      'in `some` a `var` reads the element at hand, of which "request.model" is no part',
      element
    ],
    [
      "an inherited name of an element, which would be there",
      { all: [[1], { var: "constructor" }] },
      "all.1.var",
      "condition",
      'in `all` a `var` reads the element at hand, of which "constructor" is no part',
      element
    ],
    [
      "an inherited name behind an index",
      { reduce: [[[1]], { var: "current.0.constructor" }, 0] },
      "reduce.1.var",
      "condition",
      'in `reduce` a `var` reads the element at hand, of which "current.0.constructor" is no part',
      element
    ],
    [
      "two operators in one object, which would always hold",
      { "==": [1, 2], "!=": [1, 1] },
      "",
      "condition",
      "expected JsonLogic: an object with one operator"
    ],
    [
      "an empty object, which would always hold",
      { and: [true, {}] },
      "and.1",
      "condition",
      "expected JsonLogic: an object with one operator"
    ]
  ]
  for (const [why, rule, place, code, message, fix] of refused) {
    it(`refuses ${why}`, () => {
      const { condition, reports } = judge({ opaque: [rule] })
      assert.isUndefined(condition)
      assert.deepStrictEqual(reports, [
        [`opaque.0${place === "" ? "" : `.${place}`}`, code, message, ...(fix === undefined ? [] : [fix])] as never
      ])
    })
  }

  it("refuses several rules, and none: a list would hold whatever is in it", () => {
    for (const opaque of [[], [model, model]])
      assert.deepStrictEqual(judge({ opaque }).reports, [["opaque", "condition", "`opaque` takes one rule"]])
  })

  it("refuses nesting that no author reaches", () => {
    const deep = (levels: number): unknown => Array.from({ length: levels }).reduce((rule) => ({ "!": rule }), true)
    assert.deepStrictEqual(judge({ opaque: deep(65) }).reports, [])
    assert.strictEqual(judge({ opaque: deep(66) }).reports[0]![2], "conditions nest at most 64 deep")
    assert.strictEqual(judge({ opaque: deep(5_000) }).reports.length, 1)
  })
})

describe("what throws", () => {
  const throwing = { opaque: { if: [{ var: "request.stream" }, { "*": [] }, false] } }
  const serves = () => ({ failure: undefined, commitsAfter: 0, endsAfter: 0 }) as const
  const call = (more: Parameters<typeof only>[1] & { readonly routes?: never }, routes: ReadonlyArray<object>, model = "a") => {
    const world = surroundings()
    const pipeline = world.link(compiled({ ...only("a", more), routes: routes as never }))
    return [false, true].map((stream) => {
      const { code, served, status, summary } = account(world.call(pipeline, { "request.stream": stream, "request.model": model }, serves))
      return `${status} ${code ?? served} ${summary}`
    })
  }

  it("denies the call at the route where it stands, and is not asked where an earlier route is met", () => {
    const routes = [
      { name: "early", when: { "===": [{ var: "request.model" }, "early"] }, to: "b" },
      { name: "odd", when: throwing, to: "c" },
      { name: "rest", to: "a" }
    ]
    assert.deepStrictEqual(call({}, routes), ["200 a rest", "403 condition_failed odd/condition-failed"])
    assert.deepStrictEqual(call({}, routes, "early"), ["200 b early", "200 b early"])
  })

  it("denies it from a branch of a strategy, and not from one that is not reached", () => {
    const when = (condition: unknown) => [
      {
        name: "only",
        to: {
          _tag: "When",
          if: { "!": { var: "request.stream" } },
          then: "a",
          otherwise: { _tag: "When", if: condition, then: "b", otherwise: "c" }
        }
      }
    ]
    assert.deepStrictEqual(call({}, when(throwing)), ["200 a only/when.then", "403 condition_failed only/condition-failed"])
  })

  it("denies it from a guard that speaks of a candidate, though another candidate is free of it", () => {
    const guards = [{ name: "odd", when: throwing, forbid: { targets: ["b"] } }]
    assert.deepStrictEqual(call({ guards } as never, [{ name: "only", to: { _tag: "First", of: ["a", "b"] } }]), [
      "200 a only",
      "403 condition_failed only/condition-failed"
    ])
    assert.deepStrictEqual(call({ guards } as never, [{ name: "only", to: "a" }]), ["200 a only", "200 a only"])
  })

  it("denies a model asked for, and suggests none that it might forbid", () => {
    const guards = [{ name: "odd", when: throwing, forbid: { targets: ["b"] } }]
    const routes = [{ name: "only", to: { _tag: "Asked" } }]
    assert.deepStrictEqual(call({ guards } as never, routes, "b"), ["200 b only", "403 condition_failed only/condition-failed"])
    assert.deepStrictEqual(call({ guards } as never, routes, "bb"), ["404 model_not_found only", "404 model_not_found only"])
  })
})
