import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import jsonLogic from "json-logic-js"
import { compile, type Condition, parse, show } from "../src/Condition.ts"
import { factNames, type FactValue, typeOf } from "../src/Facts.ts"
import type { Path } from "../src/Finding.ts"
import { conditionOver, type FactSpec, factsOf, meet, unguardedOver, valuesOf } from "./generators.ts"
import { holds, nested, type FactValues } from "./reference.ts"

const declared = {
  metadata: ["tier", "constructor"],
  headers: ["x-app"],
  budgets: { month: { per: "class", limit: { usd: 5 }, every: "month" } },
  tags: ["vip", "toString"],
  zone: "UTC",
  layers: [{ name: "org", guards: [], budgets: { all: { per: "key", limit: { usd: 1 }, every: "day" } } }],
  targets: { mini: { provider: "p", model: "m", tags: [], capabilities: {} } }
} as const
const vocabulary = { names: factNames(declared), typeOf: (name: string) => typeOf(name, declared) }
const facts = factsOf(declared)

interface Report {
  readonly path: Path
  readonly code: string
  readonly message: string
  readonly fix?: string
}

const judge = (rule: unknown): { readonly condition: Condition | undefined; readonly reports: ReadonlyArray<Report> } => {
  const reports: Array<Report> = []
  const condition = parse(
    rule,
    [],
    vocabulary,
    (path, code, message, fix) => void reports.push({ path, code, message, ...(fix === undefined ? {} : { fix }) })
  )
  return { condition, reports }
}

/** Whether the closure holds of facts by name. */
const test = (condition: Condition, values: FactValues): boolean => {
  const names: Array<string> = []
  const slotOf = (name: string) => (names.includes(name) ? names.indexOf(name) : names.push(name) - 1)
  const closure = compile(condition, slotOf)
  return closure(names.map((name): FactValue => values[name]!))
}

/** Values that often meet the condition, or just miss it. */
const steered = (rule: unknown, values: FactValues, outcome: boolean | null, n: number): FactValues => {
  if (outcome === null) return values
  const met = { ...values }
  meet(rule, outcome, met, n)
  return met
}
const steering = [valuesOf(facts), fc.option(fc.boolean()), fc.nat({ max: 0xff })] as const

const optional = facts.filter((fact) => fact.optional)

describe("accepted conditions", () => {
  it("the generator's facts are the policy's", () => {
    assert.deepStrictEqual(
      facts.map(({ name, optional, type }) => [name, { optional, type }]).toSorted(),
      vocabulary.names
        .map((name) => {
          const { optional, type } = vocabulary.typeOf(name)!
          return [name, { optional, type }]
        })
        .toSorted()
    )
  })

  it("mean what json-logic-js says, for every well-typed facts object", () => {
    const answers = { true: 0, false: 0 }
    fc.assert(
      fc.property(conditionOver(facts), ...steering, (rule, values, outcome, n) => {
        const { condition, reports } = judge(rule)
        assert.deepStrictEqual(reports, [])
        const met = steered(rule, values, outcome, n)
        const answer = test(condition!, met)
        assert.strictEqual(answer, holds(rule, met))
        answers[`${answer}`]++
      }),
      { numRuns: 6_000 }
    )
    assert.isAbove(Math.min(answers.true, answers.false), 1_000)
  })

  it("are unmoved by inherited names and odd values", () => {
    const names = ["constructor", "__proto__", "toString", "hasOwnProperty", ""]
    for (const fact of ["request.metadata.constructor", "request.metadata.tier", "request.headers.x-app", "caller.team"]) {
      for (const rule of [
        { "!==": [{ var: fact }, null] },
        { "===": [{ var: fact }, "constructor"] },
        { in: [{ var: fact }, ["__proto__", null]] }
      ]) {
        const { condition } = judge(rule)
        for (const value of [null, ...names]) assert.strictEqual(test(condition!, { [fact]: value }), holds(rule, { [fact]: value }))
      }
    }
  })

  it("never let an ordering see absence, which would count as 0", () => {
    // The same rules, with orderings that refuse what they would coerce.
    const strict = (rule: unknown): unknown =>
      Array.isArray(rule)
        ? rule.map(strict)
        : typeof rule === "object" && rule !== null
          ? Object.fromEntries(Object.entries(rule).map(([key, value]) => [/^[<>]=?$/.test(key) ? `strict ${key}` : key, strict(value)]))
          : rule
    const orders = {
      "<": (a: number, b: number) => a < b,
      "<=": (a: number, b: number) => a <= b,
      ">": (a: number, b: number) => a > b,
      ">=": (a: number, b: number) => a >= b
    }
    for (const [name, order] of Object.entries(orders)) {
      jsonLogic.add_operation(`strict ${name}`, (a: unknown, b: unknown) => {
        if (typeof a !== "number" || typeof b !== "number") throw new TypeError(`${String(a)} ${name} ${String(b)}`)
        return order(a, b)
      })
    }
    const absent = optional.find(({ type }) => type === "number")!
    const few: ReadonlyArray<FactSpec> = [absent, facts.find(({ name }) => name === "request.stream")!]
    const counted = { accepted: 0, refused: 0, ordered: 0 }
    fc.assert(
      fc.property(unguardedOver(few), valuesOf(few), fc.nat({ max: 0xff }), (rule, values, n) => {
        const { condition, reports } = judge(rule)
        if (condition === undefined) {
          counted.refused++
          assert.isNotEmpty(reports)
          assert.isTrue(reports.every(({ code }) => code === "condition-absent"))
          return
        }
        counted.accepted++
        if (/"[<>]=?":/.test(JSON.stringify(rule))) counted.ordered++
        for (const met of [values, steered(rule, values, true, n), { ...values, [absent.name]: null }])
          jsonLogic.apply(strict(rule) as jsonLogic.RulesLogic, nested(met))
      }),
      { numRuns: 6_000 }
    )
    assert.isAbove(Math.min(counted.accepted, counted.refused), 1_000)
    assert.isAbove(counted.ordered, 40, "orderings under a guard that the generator hit by chance")
  })
})

describe("guards", () => {
  const fact = { var: "request.maxOutputTokens" }
  const below = { "<": [fact, 100] }
  const present = { "!==": [fact, null] }
  const absent = { "===": [fact, null] }
  const other = { var: "request.stream" }

  const accepted: ReadonlyArray<unknown> = [
    { and: [present, below] },
    { and: [other, present, other, below] },
    { or: [absent, below] },
    { or: [other, absent, below] },
    { and: [{ "!": absent }, below] },
    { and: [{ "!": [absent] }, below] },
    { or: [{ "!": present }, below] },
    { and: [{ "===": [fact, 5] }, below] },
    { and: [{ in: [fact, [5, 6]] }, below] },
    { or: [{ "!==": [fact, 5] }, below] },
    { and: [present, { or: [other, below] }] },
    { and: [present, { "!": below }] },
    { and: [{ and: [other, present] }, below] },
    { and: [{ "!": { or: [other, absent] } }, below] },
    { or: [{ or: [other, absent] }, below] },
    { or: [{ "!": { and: [other, present] } }, { and: [present, below] }] },
    { or: [absent, { and: [other, below] }] }
  ]
  const refused: ReadonlyArray<unknown> = [
    below,
    { "!": below },
    { and: [below, present] },
    { or: [present, below] },
    { and: [absent, below] },
    { or: [below, absent] },
    { and: [{ or: [present, other] }, below] },
    { and: [{ "!": present }, below] },
    { and: [{ in: [fact, [5, null]] }, below] },
    { and: [{ "!": { in: [fact, [5]] } }, below] },
    { and: [{ "!==": [fact, 5] }, below] },
    { or: [{ "===": [fact, 5] }, below] },
    { or: [{ and: [other, absent] }, below] },
    { or: [{ and: [present, other] }, below] },
    {
      and: [{ and: [present, other] }, { or: [other, other] }, { "!==": [{ var: "caller.team" }, null] }, { or: [{ and: [other] }] }],
      x: 1
    },
    { and: [{ "!==": [{ var: "caller.team" }, null] }, below] }
  ]

  for (const rule of accepted) it(`accepts ${JSON.stringify(rule)}`, () => assert.deepStrictEqual(judge(rule).reports, []))
  for (const rule of refused) {
    it(`refuses ${JSON.stringify(rule)}`, () => {
      const { condition, reports } = judge(rule)
      assert.isUndefined(condition)
      assert.strictEqual(reports.length, 1)
    })
  }

  it("says what would guard it", () => {
    assert.deepStrictEqual(judge({ and: [other, below] }).reports, [
      {
        path: ["and", 1, "<"],
        code: "condition-absent",
        message: "`request.maxOutputTokens` may be absent, and absence would count as 0",
        fix: 'put {"!==": [{"var": "request.maxOutputTokens"}, null]} before it in an `and`'
      }
    ])
  })
})

describe("refused", () => {
  const model = { var: "request.model" }
  const tokens = { var: "request.inputTokens" }
  const stream = { var: "request.stream" }
  const team = { var: "caller.team" }
  const fact = (found: string) => ({
    message: `expected a fact, {"var": "…"}, but found ${found}`,
    fix: "write the fact first and the literal second"
  })
  const known = "known are === !== < <= > >= in and or ! var opaque"
  const marked = (operator: string) => `what cannot be analysed can be marked: {"opaque": {"${operator}": …}}`
  const analysed = (operator: string) => `\`${operator}\` is not an operator that can be analysed`

  const rows: ReadonlyArray<readonly [why: string, rule: unknown, path: Path, code: string, message: string, fix?: string]> = [
    // Operators.
    ["loose equality", { "==": [model, "a"] }, [], "condition-operator", analysed("=="), `did you mean \`===\`? ${marked("==")}`],
    ["loose inequality", { "!=": [model, "a"] }, [], "condition-operator", analysed("!="), `did you mean \`!==\`? ${marked("!=")}`],
    ["truthiness", { "!!": [model] }, [], "condition-operator", analysed("!!"), `did you mean \`!\`? ${marked("!!")}`],
    ["arithmetic", { "+": [tokens, 1] }, [], "condition-operator", analysed("+"), marked("+")],
    ["a conditional", { if: [stream, true, false] }, [], "condition-operator", analysed("if"), `did you mean \`in\`? ${marked("if")}`],
    [
      "`missing`, a test of presence that takes empty for absent",
      { missing: ["caller.team"] },
      [],
      "condition-operator",
      analysed("missing"),
      known
    ],
    ["a quantifier", { some: [[1], stream] }, [], "condition-operator", analysed("some"), marked("some")],
    ["text building", { cat: [model, "a"] }, [], "condition-operator", analysed("cat"), marked("cat")],
    ["logging, which is an effect", { log: [model] }, [], "condition-operator", analysed("log"), known],
    ["an inherited name as operator", { constructor: [model, "a"] }, [], "condition-operator", analysed("constructor"), known],
    ["an inherited name with a dot", { "a.b": [model, "a"] }, [], "condition-operator", analysed("a.b"), known],
    ["a misspelt `and`", { adn: [stream] }, [], "condition-operator", analysed("adn"), "did you mean `and`?"],
    // Operands.
    [
      "`in` on a text, which would look for a substring",
      { in: [model, "gpt-4"] },
      ["in", 1],
      "condition",
      "`in` takes a literal list of at least one value: on a text it would look for a substring"
    ],
    [
      "`in` an empty list",
      { in: [model, []] },
      ["in", 1],
      "condition",
      "`in` takes a literal list of at least one value: on a text it would look for a substring"
    ],
    ["`in` the other way round", { in: ["a", model] }, ["in", 0], "condition", fact('`"a"`').message, fact("").fix],
    [
      "`in` with a fact among the values",
      { in: [model, ["a", model]] },
      ["in", 1, 1],
      "condition",
      'expected a literal to compare `request.model` with, but found `{"var":"request.model"}`'
    ],
    [
      "`in` with a value of another type",
      { in: [model, ["a", 1]] },
      ["in", 1, 1],
      "condition-type",
      "`request.model` is a string, but is compared with `1`, a number"
    ],
    ["a missing operand", { "===": [model] }, ["==="], "condition", "`===` takes a fact and a literal"],
    ["no operand", { "===": [] }, ["==="], "condition", "`===` takes a fact and a literal"],
    ["an operand that is no list", { "===": model }, ["==="], "condition", "`===` takes a fact and a literal"],
    ["three operands of `===`", { "===": [model, "a", "b"] }, ["==="], "condition", "`===` takes a fact and a literal"],
    ["between, by three operands", { "<": [1, tokens, 5] }, ["<"], "condition", "`<` takes a fact and a literal"],
    ["the literal first", { "===": ["a", model] }, ["===", 0], "condition", fact('`"a"`').message, fact("").fix],
    [
      "two facts",
      { "===": [model, { var: "request.id" }] },
      ["===", 1],
      "condition",
      'expected a literal to compare `request.model` with, but found `{"var":"request.id"}`'
    ],
    [
      "a list as literal",
      { "===": [model, ["a"]] },
      ["===", 1],
      "condition",
      'expected a literal to compare `request.model` with, but found `["a"]`'
    ],
    [
      "a calculated literal",
      { "===": [tokens, { "+": [1, 1] }] },
      ["===", 1],
      "condition",
      'expected a literal to compare `request.inputTokens` with, but found `{"+":[1,1]}`'
    ],
    ["an empty `and`", { and: [] }, ["and"], "condition", "expected a list of at least one condition"],
    ["an `or` of no list", { or: stream }, ["or"], "condition", "expected a list of at least one condition"],
    [
      "a `!` of two",
      { "!": [stream, stream] },
      ["!"],
      "condition",
      'expected a condition, an object with one operator, but found `[{"var":"request.stream"},{"var":"request.stream"}]`'
    ],
    // `var`.
    [
      "a `var` with a default",
      { var: ["request.stream", true] },
      [],
      "condition",
      fact('`{"var":["request.stream",true]}`').message,
      fact("").fix
    ],
    [
      "a `var` in a list",
      { "===": [{ var: ["request.model"] }, "a"] },
      ["===", 0],
      "condition",
      fact('`{"var":["request.model"]}`').message,
      fact("").fix
    ],
    ["a `var` by index", { "===": [{ var: 0 }, "a"] }, ["===", 0], "condition", fact('`{"var":0}`').message, fact("").fix],
    [
      "a `var` that is calculated",
      { "===": [{ var: { cat: ["request", ".model"] } }, "a"] },
      ["===", 0],
      "condition",
      fact('`{"var":{"cat":["request",".model"]}}`').message,
      fact("").fix
    ],
    ["all facts at once", { "===": [{ var: "" }, "a"] }, ["===", 0, "var"], "unknown-fact", "unknown fact ``"],
    // Names.
    [
      "a misspelt fact",
      { "===": [{ var: "request.modle" }, "a"] },
      ["===", 0, "var"],
      "unknown-fact",
      "unknown fact `request.modle`",
      "did you mean `request.model`?"
    ],
    ["a fact of nothing", { "===": [{ var: "weather" }, "a"] }, ["===", 0, "var"], "unknown-fact", "unknown fact `weather`"],
    [
      "a family instead of a fact",
      { "!==": [{ var: "request.metadata" }, null] },
      ["!==", 0, "var"],
      "unknown-fact",
      "unknown fact `request.metadata`",
      "did you mean `request.metadata.tier`?"
    ],
    [
      "inherited names",
      { "===": [{ var: "constructor.name" }, "Object"] },
      ["===", 0, "var"],
      "unknown-fact",
      "unknown fact `constructor.name`"
    ],
    [
      "a level below a text",
      { "===": [{ var: "request.model.length" }, 3] },
      ["===", 0, "var"],
      "unknown-fact",
      "unknown fact `request.model.length`",
      "did you mean `request.model`?"
    ],
    [
      "undeclared metadata",
      { "===": [{ var: "request.metadata.department" }, "a"] },
      ["===", 0, "var"],
      "unknown-fact",
      "unknown fact `request.metadata.department`",
      "declare `department` in `metadata` of the policy"
    ],
    [
      "misspelt metadata",
      { "===": [{ var: "request.metadata.teir" }, "a"] },
      ["===", 0, "var"],
      "unknown-fact",
      "unknown fact `request.metadata.teir`",
      "did you mean `request.metadata.tier`?"
    ],
    [
      "an undeclared header",
      { "===": [{ var: "request.headers.x-forwarded-for" }, "a"] },
      ["===", 0, "var"],
      "unknown-fact",
      "unknown fact `request.headers.x-forwarded-for`",
      "declare `x-forwarded-for` in `headers` of the policy"
    ],
    [
      "a name with a dot",
      { "===": [{ var: "request.metadata.cost.centre.of.everything" }, "a"] },
      ["===", 0, "var"],
      "unknown-fact",
      "unknown fact `request.metadata.cost.centre.of.everything`",
      "names in `metadata` hold no dot"
    ],
    // Types.
    [
      "a text by itself",
      model,
      [],
      "condition-type",
      "`request.model` is a string, not a condition by itself",
      "compare it with something"
    ],
    [
      "a number by itself",
      { and: [stream, tokens] },
      ["and", 1],
      "condition-type",
      "`request.inputTokens` is a number, not a condition by itself",
      "compare it with something"
    ],
    [
      "a number compared with a text",
      { "===": [tokens, "5"] },
      ["===", 1],
      "condition-type",
      '`request.inputTokens` is a number, but is compared with `"5"`, a string'
    ],
    [
      "a flag compared with a number",
      { "===": [stream, 1] },
      ["===", 1],
      "condition-type",
      "`request.stream` is a boolean, but is compared with `1`, a number"
    ],
    [
      "a text in order",
      { "<": [model, 5] },
      ["<", 1],
      "condition-type",
      "`<` orders a number fact and a number, but `request.model` is a string and the other is `5`"
    ],
    [
      "an order by a text",
      { ">=": [tokens, "5"] },
      [">=", 1],
      "condition-type",
      '`>=` orders a number fact and a number, but `request.inputTokens` is a number and the other is `"5"`'
    ],
    [
      "an order by null",
      { "<": [tokens, null] },
      ["<", 1],
      "condition-type",
      "`<` orders a number fact and a number, but `request.inputTokens` is a number and the other is `null`"
    ],
    [
      "presence of what is always present",
      { "!==": [model, null] },
      ["!==", 1],
      "condition-type",
      "`request.model` is always present, so comparing it with null says nothing"
    ],
    [
      "a number that JSON has not",
      { "<": [tokens, Infinity] },
      ["<", 1],
      "condition-type",
      "`<` orders a number fact and a number, but `request.inputTokens` is a number and the other is `null`"
    ],
    [
      "not a number",
      { "===": [tokens, Number.NaN] },
      ["===", 1],
      "condition",
      "expected a literal to compare `request.inputTokens` with, but found `null`"
    ],
    // Shapes.
    ["a bare true", true, [], "condition", "expected a condition, an object with one operator, but found `true`"],
    ["null", null, [], "condition", "expected a condition, an object with one operator, but found `null`"],
    ["a list", [stream], [], "condition", 'expected a condition, an object with one operator, but found `[{"var":"request.stream"}]`'],
    ["an empty object", {}, [], "condition", "expected a condition, an object with one operator, but found `{}`"],
    [
      "two operators in one object",
      { "===": [model, "a"], "!==": [team, null] },
      [],
      "condition",
      'expected a condition, an object with one operator, but found `{"===":[{"var":"request.model"},"a"],"!==":[{"var":"calle...`'
    ]
  ]

  for (const [why, rule, path, code, message, fix] of rows) {
    it(why, () => {
      const { condition, reports } = judge(rule)
      assert.isUndefined(condition)
      assert.deepStrictEqual(reports, [{ path, code, message, ...(fix === undefined ? {} : { fix }) }])
    })
  }

  it("every fault is found at once", () => {
    const { reports } = judge({ and: [{ "==": [model, 1] }, { or: [{ "<": [team, 1] }, stream, model] }] })
    assert.deepStrictEqual(
      reports.map(({ path }) => path),
      [
        ["and", 0],
        ["and", 1, "or", 0, "<", 1],
        ["and", 1, "or", 2]
      ]
    )
  })

  it("nesting that no author reaches", () => {
    const deep = (levels: number): unknown => Array.from({ length: levels }).reduce((rule) => ({ "!": rule }), stream)
    assert.deepStrictEqual(judge(deep(64)).reports, [])
    assert.deepStrictEqual(
      judge(deep(65)).reports.map(({ code, message }) => [code, message]),
      [["condition", "conditions nest at most 64 deep"]]
    )
    assert.strictEqual(judge(deep(5_000)).reports.length, 1)
  })

  it("whatever JSON it is, it is either refused with a reason or compiled to something that answers", () => {
    const operator = fc.constantFrom("===", "!==", "<", "<=", ">", ">=", "in", "and", "or", "!", "var", "==", "if")
    const name = fc.oneof(fc.constantFrom(...vocabulary.names), fc.string())
    const json = fc.letrec((tie) => ({
      rule: fc.oneof(
        { maxDepth: 4 },
        fc.jsonValue({ maxDepth: 1 }),
        name,
        fc.record({ var: name }),
        fc.dictionary(operator, tie("operands"), { maxKeys: 2 })
      ),
      operands: fc.oneof({ maxDepth: 4 }, tie("rule"), fc.array(tie("rule"), { maxLength: 3 }))
    })).rule
    fc.assert(
      fc.property(json, valuesOf(facts), (rule, values) => {
        const { condition, reports } = judge(rule)
        if (condition === undefined) assert.isNotEmpty(reports)
        else assert.strictEqual(test(condition, values), holds(rule, values))
      }),
      { numRuns: 4_000 }
    )
  })
})

describe("show", () => {
  it("reads as it was written", () => {
    const rule = {
      and: [
        { "===": [{ var: "request.model" }, "gpt-4"] },
        { or: [{ "===": [{ var: "request.maxOutputTokens" }, null] }, { "<=": [{ var: "request.maxOutputTokens" }, 100] }] },
        { "!": [{ in: [{ var: "caller.team" }, ["core", null]] }] },
        { "!==": [{ var: "request.stream" }, true] },
        { var: "request.needs.tools" }
      ]
    }
    assert.strictEqual(
      show(judge(rule).condition!),
      '(request.model is "gpt-4" and (request.maxOutputTokens is null or request.maxOutputTokens <= 100) and not caller.team is one of "core", null and request.stream is not true and request.needs.tools)'
    )
  })
})
