import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Usage } from "../src/Conversation.ts"
import { costOf } from "../src/Money.ts"
import { toNanoDollars, toPicoDollarsPerToken } from "../src/Policy.ts"
import type { Price, Rates } from "../src/Price.ts"

const none: Usage = { inputTokens: 0, cachedInputTokens: 0, cacheWriteInputTokens: 0, outputTokens: 0, reasoningTokens: 0 }
const flat = (input: number, output: number): Price => ({
  input,
  output,
  cacheRead: input,
  cacheWrite: input,
  cacheWriteLong: input,
  tiers: []
})

/** The same in integers of any size, by the definition: each token has one rate. */
const exactly = (price: Price, usage: Usage): bigint => {
  const tier = price.tiers.findLast(({ aboveInputTokens }) => usage.inputTokens > aboveInputTokens)
  const rates = tier?.rates ?? price
  const read = Math.min(usage.cachedInputTokens, usage.inputTokens)
  const written = Math.min(usage.cacheWriteInputTokens, usage.inputTokens - read)
  const long = Math.min(usage.longCacheWriteInputTokens ?? 0, written)
  const parts: ReadonlyArray<readonly [number, number]> = [
    [usage.inputTokens - read - written, rates.input],
    [read, rates.cacheRead],
    [written - long, rates.cacheWrite],
    [long, rates.cacheWriteLong],
    [usage.outputTokens, rates.output]
  ]
  return (parts.reduce((sum, [tokens, rate]) => sum + BigInt(tokens) * BigInt(rate), 0n) + 999n) / 1_000n
}

const tokens = fc.oneof(
  fc.nat({ max: 10 }),
  fc.nat({ max: 2_000_000 }),
  fc.nat({ max: 2 ** 31 - 1 }),
  fc.constantFrom(0, 1, 200_000, 200_001)
)
const rate = fc.oneof(
  fc.nat({ max: 100 }),
  fc.nat({ max: 1_000_000_000 }),
  fc.constantFrom(0, 1, 999, 1_000, 1_001, 150_000, 75_000_000, 1_000_000_000)
)
const rates: fc.Arbitrary<Rates> = fc.record({ input: rate, output: rate, cacheRead: rate, cacheWrite: rate, cacheWriteLong: rate })
const prices: fc.Arbitrary<Price> = fc
  .tuple(
    rates,
    fc.uniqueArray(fc.record({ aboveInputTokens: fc.oneof(fc.nat({ max: 20 }), fc.constant(200_000)), rates }), {
      maxLength: 3,
      selector: (tier) => tier.aboveInputTokens
    })
  )
  .map(([base, tiers]) => ({ ...base, tiers: tiers.toSorted((a, b) => a.aboveInputTokens - b.aboveInputTokens) }))
const usages: fc.Arbitrary<Usage> = fc.record({
  inputTokens: tokens,
  cachedInputTokens: tokens,
  cacheWriteInputTokens: tokens,
  longCacheWriteInputTokens: tokens,
  outputTokens: tokens,
  reasoningTokens: fc.constant(0)
})

describe("costOf", () => {
  it("is exact and rounds up once, whatever the counts and prices", () => {
    let large = 0
    fc.assert(
      fc.property(prices, usages, (price, usage) => {
        const cost = costOf(price, usage)!
        assert.strictEqual(BigInt(cost), exactly(price, usage))
        if (cost * 1_000 > Number.MAX_SAFE_INTEGER) large++
      }),
      { numRuns: 20_000 }
    )
    assert.isAbove(large, 1_000, "sums beyond exact doubles are among them")
  })

  it("is exact to the last pico-dollar on both sides of the largest exact double", () => {
    for (let n = -3_000; n < 3_000; n++) {
      const pico = BigInt(Number.MAX_SAFE_INTEGER) + BigInt(n)
      // The sum of two products that differ by one: an odd number of pico-dollars stays odd.
      const half = Number(pico / 2n)
      const usage = { ...none, inputTokens: 1, outputTokens: 1 }
      assert.strictEqual(
        BigInt(costOf(flat(half, Number(pico) - half), usage)!),
        (BigInt(half) + BigInt(Number(pico) - half) + 999n) / 1_000n
      )
    }
  })

  it("rounds the sum and not its parts", () => {
    assert.strictEqual(costOf(flat(400, 600), { ...none, inputTokens: 1, outputTokens: 1 }), 1)
    assert.strictEqual(costOf(flat(401, 600), { ...none, inputTokens: 1, outputTokens: 1 }), 2)
  })

  it("is nothing for nothing, and unknown without a price", () => {
    assert.strictEqual(costOf(flat(1, 1), none), 0)
    assert.isUndefined(costOf(undefined, { ...none, inputTokens: 1 }))
  })

  const claude: Price = {
    input: 3_000_000,
    output: 15_000_000,
    cacheRead: 300_000,
    cacheWrite: 3_750_000,
    cacheWriteLong: 6_000_000,
    tiers: [
      {
        aboveInputTokens: 200_000,
        rates: { input: 6_000_000, output: 22_500_000, cacheRead: 600_000, cacheWrite: 7_500_000, cacheWriteLong: 12_000_000 }
      }
    ]
  }

  it("gives each part of the input its rate", () => {
    const usage = {
      inputTokens: 1_000,
      cachedInputTokens: 500,
      cacheWriteInputTokens: 300,
      longCacheWriteInputTokens: 100,
      outputTokens: 10
    }
    // 200 × 3 + 500 × 0.3 + 200 × 3.75 + 100 × 6 + 10 × 15 dollars a million.
    assert.strictEqual(costOf(claude, usage), 600_000 + 150_000 + 750_000 + 600_000 + 150_000)
    assert.strictEqual(costOf(claude, { ...none, inputTokens: 1_000 }), 3_000_000)
  })

  it("changes all rates at once where the whole input exceeds a tier", () => {
    assert.strictEqual(costOf(claude, { ...none, inputTokens: 200_000, outputTokens: 1 }), 600_000_000 + 15_000)
    assert.strictEqual(costOf(claude, { ...none, inputTokens: 200_001, cachedInputTokens: 200_001, outputTokens: 1 }), 120_000_600 + 22_500)
  })

  it("cuts counts that contradict each other", () => {
    const all = { ...none, inputTokens: 10, cachedInputTokens: 25, cacheWriteInputTokens: 4, longCacheWriteInputTokens: 9 }
    assert.strictEqual(costOf(claude, all), costOf(claude, { ...none, inputTokens: 10, cachedInputTokens: 10 }))
    const written = { ...none, inputTokens: 10, cachedInputTokens: 4, cacheWriteInputTokens: 9, longCacheWriteInputTokens: 12 }
    assert.strictEqual(costOf(claude, written), 4 * 300 + 6 * 6_000)
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
