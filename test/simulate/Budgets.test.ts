/** What budgets do in a simulation: they end, refuse, begin anew, and burn down. */
import { assert, describe, it } from "@effect/vitest"
import type { Compiled } from "../../src/Compile.ts"
import { compiled, ran, steady, team } from "./support.ts"

describe("budgets", () => {
  const limited = (limit: number, every: "day" | "month" = "day"): Compiled =>
    compiled({
      ...team,
      budgets: { engineering: { per: "class", limit: { usd: limit }, every }, agent: { per: "key", limit: { usd: 10_000 }, every: "day" } }
    })
  const model = { default: { firstToken: "100 millis", perToken: "1 millis", errors: {} } }
  /** 1,000 tokens in and 100 out of `sonnet` cost $0.0045. */
  const each = 4_500_000
  /** At most it costs its bytes, four a token, and 80 tokens that the provider may add: 4,080 × $3 and 100 × $15 a million. */
  const bound = 13_740_000

  it("are spent to their limit and no further, then refuse with 402", async () => {
    const { budgets, total } = await ran(limited(2), steady(1_000, 1_000, { key: "alice", model: "sonnet", maxOutputTokens: 100 }), {
      model
    })
    assert.strictEqual(budgets.length, 1)
    const { measured } = budgets[0]!
    assert.deepStrictEqual(total.measured.refusedBy, { budget_exhausted: 1_000 - total.measured.served })
    assert.strictEqual(measured.settledNanoDollars, total.measured.served * each)
    assert.strictEqual(measured.refused, total.measured.refused)
    assert.isAtMost(measured.settledNanoDollars, 2e9)
    assert.isAbove(measured.settledNanoDollars, 2e9 - bound)
    assert.strictEqual(total.measured.served, Math.floor((2e9 - bound) / each) + 1)
    // Half of the limit is reached by the 223rd settlement; a call takes 199 ms.
    assert.strictEqual(measured.crossed["50%"], new Date(Date.UTC(2026, 0, 5) + 222_199).toISOString())
    assert.isNotNull(measured.crossed["80%"])
    assert.isNull(measured.crossed["100%"])
    assert.strictEqual(
      measured.firstRefused,
      new Date(Date.UTC(2026, 0, 5) + total.measured.served * 1_000).toISOString().replace(".000Z", "Z")
    )
  })

  it("begin anew with the UTC day and month, from the start that is chosen", async () => {
    const lines = steady(7_200, 1_000, { key: "alice", model: "sonnet", maxOutputTokens: 100 })
    const windows = async (every: "day" | "month", start: string) =>
      (await ran(limited(2, every), lines, { model, startMillis: Date.parse(start) })).budgets.map(({ measured, window }) => [
        window,
        measured.settledNanoDollars > 1.9e9
      ])
    assert.deepStrictEqual(await windows("day", "2026-01-05T00:00:00Z"), [["2026-01-05", true]])
    assert.deepStrictEqual(await windows("day", "2026-01-05T23:00:00Z"), [
      ["2026-01-05", true],
      ["2026-01-06", true]
    ])
    assert.deepStrictEqual(await windows("month", "2026-02-28T23:00:00Z"), [
      ["2026-02", true],
      ["2026-03", true]
    ])
  })

  it("charge what was reserved where usage never came", async () => {
    const { targets, total } = await ran(limited(100), steady(200, 1_000, { key: "alice", model: "sonnet", maxOutputTokens: 100 }), {
      model: { default: { ...model.default, errors: { "stream-cut": 1 } } },
      health: { failures: Infinity }
    })
    assert.deepStrictEqual([targets[0]!.measured.estimatedNanoDollars, total.measured.nanoDollars], [200 * bound, 200 * bound])
    const free = await ran(limited(100), steady(200, 1_000, { key: "alice", model: "sonnet" }), {
      model: { default: { ...model.default, errors: { overloaded: 1 } } },
      health: { failures: Infinity }
    })
    assert.strictEqual(free.total.measured.nanoDollars, 0)
    assert.strictEqual(free.budgets[0]!.measured.settlements, 0)
  })

  it("shows the burn-down in at most 48 steps, however long it takes", async () => {
    for (const everyMillis of [1, 1_000, 500_000]) {
      const { budgets } = await ran(limited(10_000, "month"), steady(500, everyMillis, { key: "alice", model: "sonnet" }), { model })
      const { burnDown, settledNanoDollars } = budgets[0]!.measured
      assert.isAtMost(burnDown.settledNanoDollars.length, 48)
      if (everyMillis > 1) assert.isAbove(burnDown.settledNanoDollars.length, 20)
      assert.strictEqual(burnDown.settledNanoDollars.at(-1), settledNanoDollars)
      // Steady spending is a straight line: half of it after half of the time.
      const middle = burnDown.settledNanoDollars[Math.floor(burnDown.settledNanoDollars.length / 2) - 1]! / settledNanoDollars
      if (everyMillis > 1) assert.closeTo(middle, 0.5, 0.1)
    }
  })
})
