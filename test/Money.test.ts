import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { costOf } from "../src/Money.ts"
import { toNanoDollars, toPicoDollarsPerToken } from "../src/Policy.ts"

/** The same in integers of any size. */
const exactly = (price: { readonly input: number; readonly output: number }, inputTokens: number, outputTokens: number): bigint =>
  (BigInt(inputTokens) * BigInt(price.input) + BigInt(outputTokens) * BigInt(price.output) + 999n) / 1_000n

describe("costOf", () => {
  const tokens = fc.oneof(fc.nat({ max: 10 }), fc.nat({ max: 2_000_000 }), fc.constantFrom(0, 1, 1_000_000, 1_048_576))
  const price = fc.oneof(
    fc.nat({ max: 100 }),
    fc.nat({ max: 1_000_000_000 }),
    fc.constantFrom(0, 1, 999, 1_000, 1_001, 150_000, 75_000_000)
  )

  it("is exact, and rounds up once, wherever the sum of the products is an exact double", () => {
    fc.assert(
      fc.property(price, price, tokens, tokens, (input, output, inputTokens, outputTokens) => {
        fc.pre(inputTokens * input + outputTokens * output <= Number.MAX_SAFE_INTEGER)
        const cost = costOf({ price: { input, output } }, { inputTokens, outputTokens })
        assert.strictEqual(BigInt(cost!), exactly({ input, output }, inputTokens, outputTokens))
      }),
      { numRuns: 10_000 }
    )
  })

  it("is exact to the last pico-dollar below the largest safe sum", () => {
    for (let n = 0; n < 3_000; n++) {
      const pico = Number.MAX_SAFE_INTEGER - n
      assert.strictEqual(
        BigInt(costOf({ price: { input: pico, output: 0 } }, { inputTokens: 1, outputTokens: 0 })!),
        (BigInt(pico) + 999n) / 1_000n
      )
    }
  })

  it("rounds the sum and not its parts", () => {
    assert.strictEqual(costOf({ price: { input: 400, output: 600 } }, { inputTokens: 1, outputTokens: 1 }), 1)
    assert.strictEqual(costOf({ price: { input: 401, output: 600 } }, { inputTokens: 1, outputTokens: 1 }), 2)
  })

  it("is nothing for nothing, and unknown without a price", () => {
    assert.strictEqual(costOf({ price: { input: 1, output: 1 } }, { inputTokens: 0, outputTokens: 0 }), 0)
    assert.isUndefined(costOf({ price: undefined }, { inputTokens: 1, outputTokens: 1 }))
  })
})

describe("amounts", () => {
  it("a price of a million tokens is exact to the millionth of a dollar", () => {
    fc.assert(
      fc.property(fc.nat({ max: 2_000_000_000 }), (pico) => assert.strictEqual(toPicoDollarsPerToken({ usd: pico / 1e6 }), pico)),
      { numRuns: 5_000 }
    )
    assert.deepStrictEqual(
      [0.15, 0.6, 3, 15, 0.075, 1.1, 0.000001].map((usd) => toPicoDollarsPerToken({ usd })),
      [150_000, 600_000, 3_000_000, 15_000_000, 75_000, 1_100_000, 1]
    )
  })

  it("a limit is exact to the nano-dollar, up to a million dollars", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000_000_000_000 }), (nano) =>
        assert.strictEqual(toNanoDollars({ usd: nano / 1e9 }), nano)
      ),
      { numRuns: 5_000 }
    )
  })
})
