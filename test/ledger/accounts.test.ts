import { assert, describe, it } from "@effect/vitest"
import * as Exit from "effect/Exit"
import * as Effect from "effect/Effect"
import type { Binding, Reservation } from "../../src/Ledger.ts"
import { Book } from "../../src/ledger/book.ts"
import { TestStore } from "./doubles.ts"
import { startTime } from "./world.ts"

const day = 86_400_000
const bindings = (scope: string): ReadonlyArray<Binding> => [
  { budget: "daily", per: "key", scope, every: "day", limitNanoDollars: 10_000 },
  { budget: "monthly", per: "team", scope: "research", every: "month", limitNanoDollars: 1e9 }
]

const make = (): readonly [Book, TestStore] => {
  const store = new TestStore("at once")
  return [
    new Book(
      store.service(() => true),
      Effect.runFork
    ),
    store
  ]
}

const hold = (book: Book, scope: string, time: number): Reservation => {
  const outcome = book.reserve(bindings(scope), 10, time)
  if (!Exit.isExit(outcome) || !Exit.isSuccess(outcome)) assert.fail("it waits")
  return outcome.value as Reservation
}

describe("accounts in memory", () => {
  it("are those of the running windows, however many callers come and go", () => {
    const [book] = make()
    for (let i = 0; i < 400; i++) {
      for (let n = 0; n < 5; n++) book.settle(hold(book, `caller ${i} ${n}`, startTime + i * day), 7)
      assert.strictEqual(book.accounts.size, 6)
    }
  })

  it("give back their slices when a window ends, also where no call comes to them any more", () => {
    const [book, store] = make()
    for (const scope of ["alice", "bob"]) book.settle(hold(book, scope, startTime), 7)
    hold(book, "carol", startTime + day)
    for (const scope of ["alice", "bob"]) {
      const { booked, settled } = store.rows.get(`daily ${scope} 2026-11-22`)!
      assert.deepStrictEqual([booked, settled], [7, 7])
    }
  })

  it("stay as long as an attempt is open, and settle in the window that they were reserved in", () => {
    const [book, store] = make()
    const late = hold(book, "alice", startTime)
    for (let i = 1; i <= 3; i++) book.settle(hold(book, "alice", startTime + i * day), 7)
    assert.strictEqual(book.accounts.size, 3)
    assert.strictEqual(book.accounts.balance(bindings("alice")[0]!, startTime).reservedNanoDollars, 10)
    book.settle(late, 9)
    assert.strictEqual(book.accounts.size, 2)
    assert.deepStrictEqual(
      [...store.rows.values()]
        .filter(({ account }) => account.budget === "daily")
        .map(({ booked, settled }) => [booked, settled])
        .slice(0, 3),
      [
        [9, 9],
        [7, 7],
        [7, 7]
      ]
    )
  })

  it("are found again by a clock that is set back", () => {
    const [book, store] = make()
    const early = hold(book, "alice", startTime)
    book.settle(hold(book, "alice", startTime + day), 7)
    const again = hold(book, "alice", startTime)
    assert.strictEqual(book.accounts.balance(bindings("alice")[0]!, startTime).reservedNanoDollars, 20)
    book.release(early)
    book.settle(again, 4)
    assert.strictEqual(store.rows.get("daily alice 2026-11-22")!.settled, 4)
    book.settle(hold(book, "alice", startTime + day), 7)
    assert.deepStrictEqual(
      ["2026-11-22", "2026-11-23"].map((window) => store.rows.get(`daily alice ${window}`)!.settled),
      [4, 14]
    )
    assert.strictEqual(store.rows.get("daily alice 2026-11-22")!.booked, 4)
  })
})
