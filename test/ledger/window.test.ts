import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { windowAt, windowOf } from "../../src/ledger/window.ts"
import { windowOf as dated } from "./reference.ts"

describe("windows", () => {
  it("are the days and months that `Date` tells, over a hundred and forty years and at every edge", () => {
    const day = 86_400_000
    const times = [0, Date.UTC(2000, 1, 29), Date.UTC(2026, 11, 31, 23, 59, 59, 999), Date.UTC(2100, 1, 28), Date.UTC(1999, 11, 31)]
    for (let time = Date.UTC(1970); time < Date.UTC(2110); time += day) times.push(time)
    for (const time of times)
      for (const at of [time, time - 1])
        for (const every of ["day", "month"] as const) {
          const window = windowAt(every, at)
          const { name, until } = dated(every, at)
          if (window.name !== name || window.until !== until || at < window.from || at >= window.until)
            assert.deepStrictEqual(window, { name, until, from: at })
          const named = windowOf(name)
          if (named.from !== window.from || named.until !== window.until || named.every !== every)
            assert.deepStrictEqual(named, { every, ...window })
        }
  })

  it("follow one another without a gap", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8e12 }), fc.constantFrom<"day" | "month">("day", "month"), (time, every) => {
        const window = windowAt(every, time)
        assert.strictEqual(windowAt(every, window.until).from, window.until)
        assert.deepStrictEqual(windowAt(every, window.until - 1), window)
        assert.deepStrictEqual(windowAt(every, window.from), window)
      })
    )
  })
})
