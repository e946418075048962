import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { compile, type Condition, parse } from "../../src/Condition.ts"
import { makeFinder } from "../../src/compile/finder.ts"
import { factNames, makeTable, typeOf } from "../../src/Facts.ts"
import { decoded, only } from "../scripted.ts"

const policy = decoded(only("a"))
const vocabulary = { names: factNames(policy), typeOf: (name: string) => typeOf(name, policy) }
const letters = [..."abcdefghijklmnopqrstuvwxy"]

describe("the first route that a call meets", () => {
  const is = fc
    .tuple(fc.constantFrom("request.model", "caller.key"), fc.constantFrom(...letters))
    .map(([fact, value]) => ({ "===": [{ var: fact }, value] }))
  const team = fc.constantFrom(...letters, null).map((value) => ({ "===": [{ var: "caller.team" }, value] }))
  const oneOf = fc.subarray(letters, { minLength: 1, maxLength: 3 }).map((values) => ({ in: [{ var: "request.model" }, values] }))
  const tokens = fc
    .tuple(fc.constantFrom("<", "<=", ">", ">="), fc.constantFrom(0, 1, 2))
    .map(([order, value]) => ({ [order]: [{ var: "request.inputTokens" }, value] }))
  const flag = fc.constantFrom<unknown>(
    { var: "request.stream" },
    { "!": { var: "request.stream" } },
    { "!==": [{ var: "request.id" }, "a"] }
  )
  /** Throws where the request is no stream. */
  const opaque = fc.constant({ opaque: { if: [{ var: "request.stream" }, true, { "*": [] }] } })
  const filed = fc.oneof(is, team, oneOf)
  const atom = fc.oneof({ weight: 3, arbitrary: filed }, tokens, flag, opaque)
  const condition = fc.oneof(
    { weight: 20, arbitrary: filed },
    { weight: 20, arbitrary: fc.tuple(filed, fc.array(atom, { maxLength: 2 })).map(([first, more]) => ({ and: [first, ...more] })) },
    { weight: 5, arbitrary: fc.tuple(atom, atom, filed).map(([a, b, c]) => ({ and: [{ and: [a, b] }, c] })) },
    { weight: 1, arbitrary: atom },
    { weight: 1, arbitrary: fc.array(atom, { minLength: 1, maxLength: 2 }).map((or) => ({ or })) }
  )
  const call = fc.record({
    "request.model": fc.constantFrom(...letters, "z"),
    "request.id": fc.constantFrom("a", "b"),
    "caller.key": fc.constantFrom(...letters, "z"),
    "caller.team": fc.constantFrom(...letters, null),
    "request.inputTokens": fc.constantFrom(-0, 0, 1, 2, 3),
    "request.stream": fc.boolean()
  })

  it("is the one that asking each in turn finds, however many there are, and throws where that throws", () => {
    const seen = { late: 0, threw: 0, last: 0 }
    fc.assert(
      fc.property(fc.array(condition, { maxLength: 80, size: "max" }), fc.array(call, { minLength: 3, maxLength: 6 }), (rules, calls) => {
        const table = makeTable(policy)
        const routes = [...rules, undefined].map((rule) => {
          const condition: Condition | undefined = rule === undefined ? undefined : parse(rule, [], vocabulary, () => {})!
          return { condition, test: condition === undefined ? undefined : compile(condition, table.slotOf) }
        })
        const find = makeFinder(routes, table.slotOf)
        const inTurn = (facts: ReturnType<typeof table.of>) => routes.findIndex(({ test }) => test === undefined || test(facts))
        const comesTo = (f: () => number): number | "threw" => {
          try {
            return f()
          } catch {
            return "threw"
          }
        }
        for (const values of calls) {
          const facts = table.of(values)
          const expected = comesTo(() => inTurn(facts))
          assert.strictEqual(
            comesTo(() => find(facts)),
            expected
          )
          if (expected === "threw") seen.threw++
          else if (expected === routes.length - 1) seen.last++
          else if (expected > 31) seen.late++
        }
      }),
      { numRuns: 2_000 }
    )
    for (const [name, count] of Object.entries(seen)) assert.isAbove(count, 20, name)
  })
})
