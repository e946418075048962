/** The ledger against the reference, by random steps of a whole life: calls, windows, limits, crashes, and stores of every temper. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Mode } from "./doubles.ts"
import type { Reference } from "./reference.ts"
import { type Then, World } from "./world.ts"

/** One step; what must hold after it is checked by the world. */
class Step implements fc.Command<Reference, World> {
  readonly name: string
  readonly step: (world: World) => void

  constructor(name: string, step: (world: World) => void) {
    this.name = name
    this.step = step
  }

  check(): boolean {
    return true
  }

  run(_: Reference, world: World): void {
    this.step(world)
    world.check()
  }

  toString(): string {
    return this.name
  }
}

const which = fc.uniqueArray(fc.nat({ max: 3 }), { minLength: 1, maxLength: 3 })
const limit = fc.constantFrom(0, 40, 200, 1_000, 1_000, 1_000, 20_000, 20_000)

/** So many nano-dollars, or what the first budget has left and one less or more. */
const amount = fc.oneof(
  { weight: 6, arbitrary: fc.nat({ max: 60 }).map((nanoDollars) => ({ left: false, nanoDollars })) },
  { weight: 1, arbitrary: fc.nat({ max: 2_000 }).map((nanoDollars) => ({ left: false, nanoDollars })) },
  { weight: 2, arbitrary: fc.integer({ min: -1, max: 1 }).map((nanoDollars) => ({ left: true, nanoDollars })) }
)

const reserve = (thens: ReadonlyArray<Then>) =>
  fc.record({ which, amount, interruptible: fc.boolean(), then: fc.constantFrom(...thens) }).map(
    ({ amount, interruptible, then, which }) =>
      new Step(
        `reserve ${amount.left ? "what is left +" : ""}${amount.nanoDollars} of ${which}${interruptible ? " interruptibly" : ""}, then ${then}`,
        (world) => {
          const bindings = world.bindings(which)
          const left = amount.left ? world.reference.remaining(bindings[0]!, world.time) : 0
          world.reserve(bindings, Math.max(0, left + amount.nanoDollars), interruptible, then)
        }
      )
  )

const settle = fc
  .record({ which: fc.nat({ max: 30 }), share: fc.constantFrom(0, 0.1, 0.5, 1, 1.5, 20) })
  .map(({ share, which }) => new Step(`settle ${which} at ${share}`, (world) => world.settle(which, share)))

const pass = fc
  .constantFrom(1, 11, 12, 13, 24, 24 * 9, -1, -13, -24)
  .map((hours) => new Step(`${hours} hours pass`, (world) => world.pass(hours)))

const relimit = fc
  .record({ which: fc.nat({ max: 3 }), limit })
  .map(({ limit, which }) => new Step(`limit ${which} becomes ${limit}`, (world) => void (world.limits[which] = limit)))

const stop = fc
  .record({ settling: fc.boolean(), answered: fc.boolean() })
  .map(
    ({ answered, settling }) => new Step(`stop, settling: ${settling}, answered: ${answered}`, (world) => world.stop(settling, answered))
  )

const crash = fc.constant(new Step("crash", (world) => world.crash()))
const down = fc
  .constantFrom(true, false, false)
  .map((down) => new Step(`the store is ${down ? "down" : "up"}`, (world) => void (world.store.down = down)))
const answer = fc.constant(new Step("answer", (world) => world.answer()))
const fail = fc.boolean().map((booked) => new Step(`fail, booked: ${booked}`, (world) => world.fail(booked)))
const advance = fc.constantFrom(1, 50, 99, 100).map((millis) => new Step(`${millis} ms pass`, (world) => world.advance(millis)))
const interrupt = fc.nat({ max: 5 }).map((which) => new Step(`interrupt ${which}`, (world) => world.interrupt(which)))

const weighted = (...parts: ReadonlyArray<readonly [weight: number, arbitrary: fc.Arbitrary<Step>]>): fc.Arbitrary<Step> =>
  fc.oneof(...parts.map(([weight, arbitrary]) => ({ weight, arbitrary })))

/** Runs steps against the reference, to a clean end. */
const agree = (modes: ReadonlyArray<Mode>, steps: fc.Arbitrary<Step>, numRuns: number): Record<string, number> => {
  const seen: Record<string, number> = {}
  fc.assert(
    fc.property(
      fc.constantFrom(...modes),
      fc.array(limit, { minLength: 4, maxLength: 4 }),
      fc.commands([steps], { maxCommands: 50, size: "max" }),
      (mode, limits, commands) => {
        const world = new World(mode, limits, seen)
        fc.modelRun(() => ({ model: world.reference, real: world }), commands)
        world.store.down = false
        world.finish()
      }
    ),
    { numRuns }
  )
  return seen
}

const often = (seen: Record<string, number>, least: number, ...what: ReadonlyArray<string>): void => {
  for (const name of what) assert.isAtLeast(seen[name] ?? 0, least, `${name}: ${JSON.stringify(seen)}`)
}

describe("Ledger, beside its reference", () => {
  it("does what the reference does over a store that answers at once, whatever happens in whatever order", () => {
    const seen = agree(
      ["at once", "in a fibre"],
      weighted([10, reserve(["nothing"])], [8, settle], [2, pass], [1, relimit], [1, stop], [1, crash], [1, down]),
      5_000
    )
    often(seen, 500, "Reservation", "Refusal", "Unavailable", "settled", "released", "overrun", "settled again", "crash", "stop")
  })

  it("does so over a store that takes its time, fails, or does not answer", () => {
    const seen = agree(
      ["when told"],
      weighted(
        [10, reserve(["nothing", "nothing", "settle", "reserve", "interrupt another"])],
        [8, settle],
        [6, answer],
        [1, fail],
        [2, advance],
        [1, interrupt],
        [1, pass],
        [1, relimit],
        [1, stop],
        [1, crash]
      ),
      5_000
    )
    often(seen, 300, "waited", "Reservation", "Refusal", "Unavailable", "late", "settle", "reserve", "interrupt another", "interrupted")
  })
})
