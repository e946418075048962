import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { type Binding, Ledger, type Reservation } from "../src/Ledger.ts"
import { LedgerStore, LedgerStoreDown } from "../src/LedgerStore.ts"
import { type Mode, TestStore } from "./ledger/doubles.ts"
import { startTime as time } from "./ledger/world.ts"

describe("Ledger", () => {
  it("never waits in the ordinary case: slices are topped up while nobody waits", () => {
    const [ledger, store] = over("when told")
    const first = Effect.runFork(ledger.reserve([daily], 400, time))
    store.answer()
    assert.isTrue(Exit.isSuccess(first.pollUnsafe()!))
    // A tenth of a per cent of the limit each; every draw is answered two calls late.
    for (let i = 0; i < 500; i++) {
      assert.isTrue(Exit.isExit(ledger.reserve([daily], 100, time)), `call ${i}`)
      if (i % 3 === 2) store.answer()
    }
    assert.isBelow(store.draws, 170)
    assert.strictEqual(ledger.balance(daily, time).reservedNanoDollars, 50_400)
  })

  it("serves all who wait with one draw, and keeps a slice beyond", () => {
    const [ledger, store] = over("when told")
    const waiting = [10, 20, 3_000].map((nanoDollars) => Effect.runFork(ledger.reserve([daily, monthly], nanoDollars, time)))
    // The first asked for itself; the second draw is for the two who came later.
    store.answer()
    assert.deepStrictEqual(
      waiting.map((fiber) => fiber.pollUnsafe() !== undefined),
      [true, true, false]
    )
    store.answer()
    assert.deepStrictEqual(
      waiting.map((fiber) => fiber.pollUnsafe() !== undefined),
      [true, true, true]
    )
    assert.deepStrictEqual(
      [...store.rows.values()].map(({ booked }) => booked),
      [30 + 3_000 + 3_000, 30 + 3_000 + 3_000]
    )
    assert.strictEqual(store.draws, 2)
  })

  it("draws nothing for a reservation without hope", () => {
    const [ledger, store] = over("when told")
    Effect.runFork(ledger.reserve([daily], 1, time))
    store.answer()
    const hopeless = Effect.runFork(ledger.reserve([daily, monthly], 100_000, time))
    assert.deepStrictEqual(
      store.pending?.wants.map(({ nanoDollars }) => nanoDollars),
      [0, 1_000]
    )
    store.answer()
    assert.strictEqual(Effect.runSync(Fiber.join(hopeless))._tag, "Refusal")
    assert.strictEqual([...store.rows.values()][0]!.booked, 1_001)
  })

  it("serves callers under an old and a new limit with one draw", () => {
    const [ledger, store] = over("when told")
    const lower = { ...daily, limitNanoDollars: 500 }
    Effect.runFork(ledger.reserve([monthly], 1, time))
    const waiting = [Effect.runFork(ledger.reserve([lower], 400, time)), Effect.runFork(ledger.reserve([daily], 400, time))]
    store.answer()
    store.answer()
    assert.deepStrictEqual(
      waiting.map((fiber) => Effect.runSync(Fiber.join(fiber))._tag),
      ["Reservation", "Reservation"]
    )
  })

  it("fails with a draw only those whom it was made for", () => {
    const [ledger, store] = over("when told")
    const [first, second] = [Effect.runFork(ledger.reserve([daily], 1, time)), Effect.runFork(ledger.reserve([daily], 2, time))]
    store.fail(false)
    assert.deepStrictEqual(Effect.runSync(Fiber.join(first)), { _tag: "Unavailable", why: "the store of the budgets is down: told so" })
    assert.isUndefined(second.pollUnsafe())
    store.answer()
    assert.strictEqual(Effect.runSync(Fiber.join(second))._tag, "Reservation")
  })

  it("keeps for those who wait what they count on", () => {
    const [ledger, store] = over("when told")
    Effect.runFork(ledger.reserve([daily], 9_000, time))
    store.answer()
    const small = held(ledger.reserve([daily], 1, time))
    const waiting = Effect.runFork(ledger.reserve([daily, monthly], 8_000, time))
    // The slice is 1,000 now: what is more would be given back, were it not waited for.
    ledger.settle(small, 1)
    store.answer()
    assert.isDefined(waiting.pollUnsafe())
  })

  it("refuses with the first budget that cannot cover it, what it has left, and when it starts anew", () => {
    const [ledger] = over("at once")
    const [small, large] = [
      { ...daily, limitNanoDollars: 500 },
      { ...monthly, limitNanoDollars: 700 }
    ]
    assert.strictEqual(now(ledger.reserve([large, small], 450, time))._tag, "Reservation")
    const [day, month] = [Date.UTC(2026, 10, 23), Date.UTC(2026, 11, 1)]
    assert.deepStrictEqual(now(ledger.reserve([large, small], 51, time)), {
      _tag: "Refusal",
      binding: small,
      remainingNanoDollars: 50,
      resetsAt: day
    })
    assert.deepStrictEqual(now(ledger.reserve([large, small], 251, time)), {
      _tag: "Refusal",
      binding: large,
      remainingNanoDollars: 250,
      resetsAt: month
    })
    assert.strictEqual(now(ledger.reserve([large], 250, time))._tag, "Reservation", "nothing of it was held")
  })

  it("counts an overrun in full, and says how far it went", () => {
    const [ledger, store] = over("at once")
    const small = { ...daily, limitNanoDollars: 500 }
    ledger.settle(held(ledger.reserve([small], 100, time)), 800)
    assert.deepStrictEqual(ledger.balance(small, time), { spentNanoDollars: 800, reservedNanoDollars: 0, resetsAt: Date.UTC(2026, 10, 23) })
    const refusal = now(ledger.reserve([small], 0, time))
    assert.strictEqual(refusal._tag === "Refusal" && refusal.remainingNanoDollars, -300)
    assert.deepStrictEqual(
      [...store.rows.values()].map(({ booked, settled }) => [booked, settled]),
      [[800, 800]]
    )
  })

  it("keeps a day and a month of one budget apart", () => {
    const [ledger, store] = over("at once")
    const byMonth: Binding = { ...daily, every: "month" }
    const [one, two] = [held(ledger.reserve([daily], 10, time)), held(ledger.reserve([byMonth], 20, time))]
    assert.strictEqual(ledger.balance(byMonth, time).reservedNanoDollars, 20)
    assert.strictEqual(ledger.balance(daily, time).reservedNanoDollars, 10)
    ledger.settle(one, 10)
    ledger.settle(two, 20)
    assert.deepStrictEqual(
      [...store.rows.values()].map(({ account, settled }) => [account.window, settled]),
      [
        ["2026-11-22", 10],
        ["2026-11", 20]
      ]
    )
  })

  it("is exact up to the largest limit", () => {
    const [ledger, store] = over("at once")
    const huge = { ...daily, limitNanoDollars: 9e15 }
    const first = held(ledger.reserve([huge], 9e15 - 1, time))
    assert.strictEqual(now(ledger.reserve([huge], 2, time))._tag, "Refusal")
    const last = held(ledger.reserve([huge], 1, time))
    assert.strictEqual(now(ledger.reserve([huge], 1, time))._tag, "Refusal")
    ledger.settle(first, 9e15 - 3)
    assert.strictEqual(ledger.balance(huge, time).spentNanoDollars, 9e15 - 2)
    ledger.release(last)
    const rest = held(ledger.reserve([huge], 3, time))
    assert.strictEqual(now(ledger.reserve([huge], 1, time))._tag, "Refusal")
    ledger.settle(rest, 1_000_000_000_003)
    assert.strictEqual(ledger.balance(huge, time).spentNanoDollars, 9_001_000_000_000_000)
    assert.strictEqual([...store.rows.values()][0]!.booked, 9_001_000_000_000_000)
    for (const nanoDollars of [Infinity, Number.MAX_SAFE_INTEGER])
      assert.strictEqual(now(ledger.reserve([daily], nanoDollars, time))._tag, "Refusal")
  })

  it("needs no budget to make a reservation of what was asked for", () => {
    const [ledger, store] = over("when told")
    const reservation = held(ledger.reserve([], 500, time))
    assert.strictEqual(reservation.nanoDollars, 500)
    ledger.settle(reservation, 400)
    assert.strictEqual(store.rows.size, 0)
  })

  it("tells what was spent before it has begun, once it is open", () => {
    const [before, store] = over("at once")
    before.settle(held(before.reserve([daily, monthly], 70, time)), 60)
    const booked = [...store.rows.values()].map((row) => row.booked)
    const [after] = over("at once", store)
    assert.strictEqual(after.balance(daily, time).spentNanoDollars, 0)
    Effect.runSync(after.open)
    assert.deepStrictEqual(
      [daily, monthly].map((binding) => after.balance(binding, time).spentNanoDollars),
      booked
    )
    assert.strictEqual(after.balance(daily, time + 86_400_000).spentNanoDollars, 0)
  })

  it.effect("opens the store once, however many ask, and again only where that has failed", () =>
    Effect.gen(function* () {
      let opened = 0
      const down = Effect.fail(new LedgerStoreDown({ why: "not yet" }))
      const open = Effect.suspend(() => Effect.andThen(Effect.sleep("1 second"), ++opened === 1 ? down : Effect.succeed([])))
      const store = Layer.succeed(LedgerStore, { ...new TestStore("at once").service(() => true), open })
      const ledger = Context.get(yield* Layer.build(Layer.provide(Ledger.layer, store)), Ledger)
      const all = yield* Effect.forkChild(Effect.all([Effect.exit(ledger.open), ledger.open, ledger.open], { concurrency: "unbounded" }))
      yield* TestClock.adjust("10 seconds")
      const [first] = yield* Fiber.join(all)
      assert.isTrue(Exit.isFailure(first))
      yield* ledger.open
      assert.strictEqual(opened, 2)
    })
  )

  it.effect("waits for the store for 100 ms, on the caller's clock, and then holds nothing", () =>
    Effect.gen(function* () {
      const [ledger, store] = over("when told")
      const waiting = yield* Effect.forkChild(ledger.reserve([daily], 400, time))
      yield* TestClock.adjust("99 millis")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* Fiber.join(waiting))._tag, "Unavailable")
      store.answer()
      assert.deepStrictEqual(ledger.balance(daily, time), { spentNanoDollars: 0, reservedNanoDollars: 0, resetsAt: Date.UTC(2026, 10, 23) })
    })
  )

  it.effect("has a store of its own in memory, and says so when it has ended", () =>
    Effect.gen(function* () {
      const scope = Scope.makeUnsafe()
      const ledger = Context.get(yield* Layer.buildWithScope(Ledger.layerMemory, scope), Ledger)
      yield* ledger.open
      const reservation = held(ledger.reserve([daily, monthly], 400, time))
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(now(ledger.reserve([daily], 1, time)), { _tag: "Unavailable", why: "the gateway is stopping" })
      ledger.settle(reservation, 300)
    })
  )

  it("takes a store that breaks for one that is down", () => {
    const store = new TestStore("at once")
    const service = { ...store.service(() => true), draw: () => Effect.die("broken") }
    const ledger = build(service)
    const outcome = now(ledger.reserve([daily], 1, time))
    assert.deepStrictEqual(outcome, { _tag: "Unavailable", why: "the store of the budgets has failed" })
  })

  it("passes no limit where two processes share a store, and refuses by what the store says", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ who: fc.nat({ max: 1 }), nanoDollars: fc.integer({ min: 1, max: 40 }), share: fc.constantFrom(0, 0.5, 1, 2) }),
          {
            maxLength: 60,
            size: "max"
          }
        ),
        (calls) => {
          const small = { ...daily, limitNanoDollars: 300 }
          const store = new TestStore("at once")
          const ledgers = [over("at once", store)[0], over("at once", store)[0]]
          const open: Array<readonly [Ledger["Service"], Reservation]> = []
          let sum = 0
          for (const { nanoDollars, share, who } of calls) {
            const ledger = ledgers[who]!
            if (share === 2 && open.length > 0) {
              const [ledger, reservation] = open.shift()!
              ledger.release(reservation)
              sum -= reservation.nanoDollars
              continue
            }
            const row = store.rows.get("daily alice 2026-11-22")
            const slices = (row?.booked ?? 0) - sum
            const outcome = now(ledger.reserve([small], nanoDollars, time))
            if (outcome._tag === "Reservation") {
              sum += nanoDollars
              open.push([ledger, outcome])
            } else assert.isAbove(nanoDollars, 300 - sum - slices, "only what the other has drawn can stand in the way")
            assert.isAtMost(sum, 300)
            assert.isAtMost(store.rows.get("daily alice 2026-11-22")!.booked, 300)
          }
        }
      ),
      { numRuns: 300 }
    )
  })
})

const daily: Binding = { budget: "daily", per: "key", scope: "alice", every: "day", limitNanoDollars: 100_000 }
const monthly: Binding = { budget: "monthly", per: "team", scope: "research", every: "month", limitNanoDollars: 100_000 }

const build = (store: LedgerStore["Service"]): Ledger["Service"] =>
  Context.get(
    Effect.runSync(Layer.buildWithScope(Layer.provide(Ledger.layer, Layer.succeed(LedgerStore, store)), Scope.makeUnsafe())),
    Ledger
  )

/** A ledger over a store that a test can look into. */
const over = (mode: Mode, store = new TestStore(mode)): readonly [Ledger["Service"], TestStore] => [build(store.service(() => true)), store]

/** The value of an effect that has come to its end without a fibre. */
const now = <A>(effect: Effect.Effect<A>): A => {
  assert.isTrue(Exit.isExit(effect), "no waiting, no fibre")
  return Effect.runSync(effect)
}

const held = (effect: ReturnType<Ledger["Service"]["reserve"]>): Reservation => {
  const outcome = now(effect)
  if (outcome._tag !== "Reservation") assert.fail(outcome._tag)
  return outcome
}
