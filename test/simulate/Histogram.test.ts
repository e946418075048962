import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Histogram, relativeError } from "../../src/simulate/Histogram.ts"

const filled = (values: ReadonlyArray<number>): Histogram => {
  const histogram = new Histogram()
  for (const value of values) histogram.add(value)
  return histogram
}

/** Microseconds of every magnitude, from none to a year. */
const micros = fc
  .tuple(fc.integer({ min: 0, max: 45 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([e, f]) => Math.floor(2 ** e * (1 + f)) - 1)

describe("Histogram", () => {
  it("tells any single value to within its error, which is below 1 %", () => {
    assert.isAtMost(relativeError, 0.01)
    fc.assert(
      fc.property(micros, micros, (value, larger) => {
        const told = filled([value, value + larger + 1]).quantile(0.5)
        assert.isAtMost(Math.abs(told - value), value * relativeError)
        if (value < 128) assert.strictEqual(told, value)
      }),
      { numRuns: 20_000 }
    )
  })

  it("tells quantiles as a sorted array does, to within its error", () => {
    fc.assert(
      fc.property(
        fc.array(micros, { minLength: 1, maxLength: 300, size: "max" }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, q) => {
          const sorted = [...values].sort((a, b) => a - b)
          const exact = sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1]!
          assert.isAtMost(Math.abs(filled(values).quantile(q) - exact), exact * relativeError)
        }
      ),
      { numRuns: 3_000 }
    )
  })

  it("counts, adds up and knows its greatest exactly", () => {
    const histogram = filled([5, 1_000_003, 7, -2])
    assert.deepStrictEqual([histogram.count, histogram.max, histogram.mean], [4, 1_000_003, 250_003.75])
    assert.strictEqual(histogram.quantile(1), 1_000_003)
  })

  it("is 0 where there is nothing", () => {
    const histogram = new Histogram()
    assert.deepStrictEqual([histogram.count, histogram.quantile(0.5), histogram.max, histogram.mean], [0, 0, 0, 0])
  })

  it("never falls as the part grows", () => {
    fc.assert(
      fc.property(fc.array(micros, { minLength: 1, maxLength: 50 }), (values) => {
        const histogram = filled(values)
        let last = 0
        for (let q = 0; q <= 1; q += 0.05) {
          const told = histogram.quantile(q)
          assert.isAtLeast(told, last)
          last = told
        }
      })
    )
  })
})
