/** Luck is a function of what it is for, and looks like luck. */
import { assert, describe, it } from "@effect/vitest"
import { below, derive, deriveText, normalQuantile, uniform } from "../../src/simulate/Random.ts"

const n = 200_000

describe("uniform", () => {
  it("fills (0, 1) evenly along every line that a simulation draws on: calls, attempts, draws, seeds", () => {
    const lines: Record<string, (i: number) => number> = {
      calls: (i) => uniform(derive(derive(deriveText(1, "sonnet"), i), 0), 0),
      attempts: (i) => uniform(derive(derive(deriveText(1, "sonnet"), 5), i), 0),
      draws: (i) => uniform(derive(derive(deriveText(1, "sonnet"), 5), 0), i),
      seeds: (i) => uniform(derive(derive(deriveText(i, "sonnet"), 5), 0), 0),
      names: (i) => uniform(derive(derive(deriveText(1, `target-${i}`), 5), 0), 0)
    }
    for (const [name, line] of Object.entries(lines)) {
      const counts = new Array<number>(100).fill(0)
      let [sum, product, last] = [0, 0, 0.5]
      for (let i = 0; i < n; i++) {
        const value = line(i)
        assert.isTrue(value > 0 && value < 1)
        counts[Math.floor(value * 100)]!++
        sum += value
        product += (value - 0.5) * (last - 0.5)
        last = value
      }
      assert.closeTo(sum / n, 0.5, 0.004, name)
      // Chi-square with 99 degrees of freedom: 99.99 % lie below 161.
      const expected = n / 100
      assert.isBelow(
        counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0),
        161,
        name
      )
      // The correlation of neighbours has a standard deviation of 1 / √n.
      assert.isBelow(Math.abs((product / n) * 12), 4.5 / Math.sqrt(n), name)
    }
  })

  it("is the same for the same, and another for another", () => {
    assert.strictEqual(uniform(deriveText(1, "a"), 0), uniform(deriveText(1, "a"), 0))
    assert.strictEqual(
      new Set([deriveText(1, "a"), deriveText(2, "a"), deriveText(1, "b"), deriveText(1, "a\0"), deriveText(1, "")]).size,
      5
    )
  })

  it("has kept its values", () => {
    assert.deepStrictEqual(
      [derive(0, 0), derive(1, 2), deriveText(1, "sonnet"), below(derive(7, 7), 3, 1_000)],
      [-1832243442, -305576539, -470675657, 741]
    )
  })
})

describe("normalQuantile", () => {
  it("knows the table", () => {
    for (const [p, z] of [
      [0.5, 0],
      [0.99, 2.3263478740408408],
      [0.975, 1.959963984540054],
      [0.9, 1.2815515655446004],
      [0.01, -2.3263478740408408],
      [1e-6, -4.753424308822899],
      [1 - 1e-9, 5.997807015007773]
    ] as const) {
      assert.closeTo(normalQuantile(p), z, 1e-7)
    }
  })
})
