import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { costLines, worstCaseOf, worstCasesOf } from "../src/Costs.ts"
import { decode, type Policy } from "../src/Policy.ts"

const price = (input: number, output: number) => ({ input: { usd: input }, output: { usd: output } })
const policy = (to: unknown, more: object = {}, route: object = {}): Policy =>
  Result.getOrThrow(
    decode({
      name: "test",
      providers: { one: { dialect: "openai" }, router: { dialect: "openrouter" } },
      targets: {
        cheap: { provider: "one", model: "m1", price: price(1, 2), maxOutputTokens: 1_000, addedTokens: 0 },
        dear: { provider: "one", model: "m2", price: price(10, 20), maxOutputTokens: 1_000, addedTokens: 0 },
        free: { provider: "one", model: "m3", maxOutputTokens: 1_000 },
        endless: { provider: "one", model: "m4", price: price(1, 2) }
      },
      routes: [{ name: "default", to, ...route }],
      ...more
    })
  )
const worst = (to: unknown, more: object = {}, route: object = {}) => {
  const of = policy(to, more, route)
  const { attempts, millis, nanoDollars } = worstCaseOf(of, of.routes[0])
  return [attempts, millis / 1_000, nanoDollars === "unknown" ? nanoDollars : nanoDollars / 1e9]
}
const first = (...of: ReadonlyArray<unknown>) => ({ _tag: "First", of })
const retry = (attempts: number, of: unknown) => ({ _tag: "Retry", attempts, of })
const [cheap, dear] = [0.003, 0.03]

describe("the worst case of a route", () => {
  it("is one attempt, as long as its headers may take", () => assert.deepStrictEqual(worst("cheap"), [1, 120, cheap]))
  it("is every candidate in turn", () => assert.deepStrictEqual(worst(first("cheap", "dear")), [2, 240, 0.033]))
  it("is the dearest of several ways", () =>
    assert.deepStrictEqual(worst({ _tag: "Spread", by: "cost", of: ["cheap", "dear"] }), [1, 120, dear]))
  it("is every try, with the waits between them", () => assert.deepStrictEqual(worst(retry(3, "cheap")), [3, 361.5, 0.009]))
  it("is both sides of a hedge", () =>
    assert.deepStrictEqual(worst({ _tag: "Hedge", of: "cheap", after: "2 seconds", with: "dear" }), [2, 122, 0.033]))
  it("keeps to a deadline", () =>
    assert.deepStrictEqual(worst({ _tag: "Within", duration: "10 seconds", of: first("cheap", "dear") }), [2, 10, 0.033]))
  it("keeps to the call's effort: no more attempts, those that cost most", () =>
    assert.deepStrictEqual(worst(retry(4, first("cheap", "dear")), { effort: { attempts: 2, time: "30 seconds" } }), [2, 30, 0.06]))
  it("keeps to the call's effort in dollars", () =>
    assert.deepStrictEqual(worst(first("cheap", "dear"), {}, { effort: { dollars: { usd: 0.01 } } }), [2, 240, 0.01]))
  it("is not known without a price, and not without an end", () => {
    assert.deepStrictEqual(worst(first("cheap", "free")), [2, 240, "unknown"])
    assert.deepStrictEqual(worst("endless"), [1, 120, "unknown"])
  })
  it("of the model that is asked for is that of any", () => assert.deepStrictEqual(worst({ _tag: "Asked" }), [1, 120, "unknown"]))
  it("costs nothing where the policy refuses", () =>
    assert.deepStrictEqual(worst({ _tag: "Deny", status: 403, code: "no", message: "no" }), [0, 0, 0]))
  it("is a table", () =>
    assert.deepStrictEqual(costLines(worstCasesOf(policy(first("cheap", "free")))), [
      "worst case of a call with 1000 input tokens: everything is tried and fails after it has been paid for, and every answer is as long as it may be",
      "  route    attempts  longest wait  dearest call",
      "  default  2         240 s         unknown"
    ]))
})
