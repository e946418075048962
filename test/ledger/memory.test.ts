import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "fast-check"
import { makeMemory } from "../../src/ledger/memory.ts"
import { TestStore } from "./doubles.ts"

const account = fc.record({
  budget: fc.constantFrom("daily", "monthly"),
  scope: fc.constantFrom("alice", "bob"),
  window: fc.constantFrom("2026-11-22", "2026-11-23", "2026-11", "2026-12")
})

describe("the store in memory", () => {
  it("answers at once, and as the tests' own does", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.record({ account, nanoDollars: fc.nat({ max: 50 }), limitNanoDollars: fc.constantFrom(0, 60, 200) }),
            fc.record({ account, settledNanoDollars: fc.constant(0), bookedNanoDollars: fc.integer({ min: -20, max: 20 }) })
          ),
          { maxLength: 40, size: "max" }
        ),
        (steps) => {
          const [memory, other] = [makeMemory(), new TestStore("at once").service(() => true)]
          for (const step of steps) {
            if ("nanoDollars" in step) {
              const [drawn, expected] = [memory.draw([step]), other.draw([step])]
              assert.isTrue(Exit.isExit(drawn))
              assert.deepStrictEqual(Effect.runSync(drawn), Effect.runSync(expected))
            } else for (const store of [memory, other]) store.post(step)
          }
          const names = (store: typeof memory) =>
            Effect.runSync(store.open)
              .filter(({ bookedNanoDollars }) => bookedNanoDollars !== 0)
              .map(({ account, bookedNanoDollars }) => `${account.budget} ${account.scope} ${account.window} ${bookedNanoDollars}`)
              .sort()
          assert.deepStrictEqual(names(memory), names(other))
        }
      )
    )
  })

  it("forgets the window that was begun longest ago when a fifth begins", () => {
    const memory = makeMemory()
    const want = (window: string) => ({ account: { budget: "daily", scope: "alice", window }, nanoDollars: 1, limitNanoDollars: 10 })
    for (const day of [22, 23, 24, 25, 26, 26]) Effect.runSync(memory.draw([want(`2026-11-${day}`)]))
    assert.deepStrictEqual(
      Effect.runSync(memory.open).map(({ account, bookedNanoDollars }) => [account.window, bookedNanoDollars]),
      [
        ["2026-11-26", 2],
        ["2026-11-25", 1],
        ["2026-11-24", 1],
        ["2026-11-23", 1]
      ]
    )
  })
})
