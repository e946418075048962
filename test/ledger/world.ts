/** A ledger on a test store, driven step by step beside the reference; after each step everything that is promised is checked. */
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { type Binding, Ledger, type Refusal, type Reservation, type Unavailable } from "../../src/Ledger.ts"
import { LedgerStore } from "../../src/LedgerStore.ts"
import { ManualClock, type Mode, TestStore } from "./doubles.ts"
import { keyOf, type Open, Reference } from "./reference.ts"

const pool = [
  { budget: "daily", per: "key", scope: "alice", every: "day" },
  { budget: "daily", per: "key", scope: "bob", every: "day" },
  { budget: "monthly", per: "team", scope: "research", every: "month" },
  { budget: "everyone", per: "class", scope: "staff", every: "day" }
] as const

/** What a caller does in the very moment in which the answer reaches it. */
export type Then = "nothing" | "settle" | "reserve" | "interrupt another"

interface Request {
  readonly bindings: ReadonlyArray<Binding>
  readonly keys: ReadonlyArray<string>
  readonly nanoDollars: number
  readonly time: number
  readonly askedAt: number
  readonly interruptible: boolean
  readonly then: Then
  fiber: Fiber.Fiber<void> | undefined
}

interface Holding {
  readonly reservation: Reservation
  readonly open: Open
  closed: boolean
}

/** What is known of an account from outside. */
interface Watch {
  settled: number
  overrun: number
  highestLimit: number
  limit: number
  /** The latest reservation since the limit was last changed. */
  latest: number
  /** The largest slice since the last look, or settlement: until then it is not given back. */
  peak: number
  slack: number
}

export const startTime = Date.UTC(2026, 10, 22, 12)

export class World {
  readonly store: TestStore
  readonly reference = new Reference()
  /** How often each thing has happened. */
  readonly seen: Record<string, number>
  readonly limits: Array<number>
  time = startTime
  clock = new ManualClock()
  #everBack = false
  #ledger!: Ledger["Service"]
  #scope!: Scope.Closeable
  #life = 0
  #pending: Array<Request> = []
  readonly #held: Array<Holding> = []
  readonly #watched = new Map<string, Watch>()
  /** The account that calls come to, by budget and scope. */
  readonly #current = new Map<string, string>()
  readonly #touched = new Set<string>()
  readonly #granted = new Set<string>()
  /** What has been thrown in a fibre, where nobody sees it. */
  readonly #errors: Array<unknown> = []
  #failing = false
  #stopping = false
  /** Something has changed between a decision and its arrival, so that it cannot be checked to the last nano-dollar. */
  #disturbed = false

  constructor(mode: Mode, limits: ReadonlyArray<number>, seen: Record<string, number>) {
    this.store = new TestStore(mode)
    this.limits = [...limits]
    this.seen = seen
    this.#begin()
  }

  #count(what: string): void {
    this.seen[what] = (this.seen[what] ?? 0) + 1
  }

  #begin(): void {
    const life = ++this.#life
    this.reference.begin([...this.store.rows].map(([key, { booked }]) => [key, booked]))
    for (const row of this.store.rows.values()) row.leaked = 0
    this.#held.length = 0
    this.#pending = []
    this.#current.clear()
    this.#touched.clear()
    this.#granted.clear()
    for (const key of this.store.rows.keys()) this.#touched.add(key)
    for (const watch of this.#watched.values()) Object.assign(watch, { latest: 0, peak: 0, slack: 0 })
    this.clock = new ManualClock()
    this.#scope = Scope.makeUnsafe()
    const store = this.store.service(() => this.#life === life)
    const layer = Layer.provide(Ledger.layer, Layer.succeed(LedgerStore, store))
    this.#ledger = Context.get(Effect.runSync(Layer.buildWithScope(layer, this.#scope)), Ledger)
    Effect.runSync(Effect.all([this.#ledger.open, this.#ledger.open]))
  }

  #fork<A>(effect: Effect.Effect<A>): Fiber.Fiber<A> {
    return Effect.runForkWith(Context.make(Clock.Clock, this.clock))(effect)
  }

  #watch(key: string): Watch {
    let watch = this.#watched.get(key)
    if (watch === undefined) {
      watch = { settled: 0, overrun: 0, highestLimit: 0, limit: 0, latest: 0, peak: 0, slack: 0 }
      this.#watched.set(key, watch)
    }
    return watch
  }

  bindings(which: ReadonlyArray<number>): ReadonlyArray<Binding> {
    return which.map((i) => ({ ...pool[i]!, limitNanoDollars: this.limits[i]! }))
  }

  /** What the store counts as spent and nobody has spent or holds: the slice, and what a draw under way brings. */
  #slack(key: string): number {
    const { booked, leaked } = this.store.rows.get(key)!
    return booked - this.reference.spent(key) - this.reference.reserved(key) - leaked
  }

  // The steps.

  reserve(bindings: ReadonlyArray<Binding>, nanoDollars: number, interruptible: boolean, then: Then): void {
    const { time } = this
    const keys = bindings.map((binding) => keyOf(binding, time))
    for (const [i, { budget, limitNanoDollars, scope }] of bindings.entries()) {
      const watch = this.#watch(keys[i]!)
      if (limitNanoDollars !== watch.limit) {
        const peak = Math.max(watch.peak, watch.latest, Math.floor(watch.limit / 100))
        Object.assign(watch, { limit: limitNanoDollars, latest: 0, peak })
      }
      watch.highestLimit = Math.max(watch.highestLimit, limitNanoDollars)
      this.#current.set(`${budget} ${scope}`, keys[i]!)
    }
    const covered =
      this.store.pending === undefined &&
      this.#pending.length === 0 &&
      !this.#everBack &&
      this.reference.refusal(bindings, nanoDollars, time) === undefined &&
      keys.every((key) => this.#granted.has(key) && this.store.rows.get(key)!.leaked === 0 && this.#slack(key) >= nanoDollars)
    const request: Request = {
      bindings,
      keys,
      nanoDollars,
      time,
      askedAt: this.clock.now,
      interruptible,
      then,
      fiber: undefined
    }
    this.#pending.push(request)
    const reserving = this.#ledger.reserve(bindings, nanoDollars, time)
    if (Exit.isExit(reserving)) {
      assert.isTrue(Exit.isSuccess(reserving))
      this.#arrived(request, (reserving as Exit.Success<Reservation | Refusal | Unavailable>).value)
      return
    }
    assert.strictEqual(this.store.mode, "when told", "only a store that takes its time makes anybody wait")
    must(!covered || this.#stopping, "what the slices cover does not wait")
    this.#count("waited")
    const waiting = Effect.map(reserving, (outcome) => {
      try {
        this.#arrived(request, outcome)
      } catch (error) {
        this.#errors.push(error)
      }
    })
    const fiber = this.#fork(interruptible ? waiting : Effect.uninterruptible(waiting))
    request.fiber = fiber
  }

  #arrived(request: Request, outcome: Reservation | Refusal | Unavailable): void {
    const { bindings, keys, nanoDollars, time } = request
    const index = this.#pending.indexOf(request)
    assert.isAtLeast(index, 0, "an outcome reaches a caller once, and none that has left")
    const earlier = this.#pending.slice(0, index)
    this.#pending.splice(index, 1)
    this.#count(outcome._tag)
    const refusal = this.reference.refusal(bindings, nanoDollars, time)
    switch (outcome._tag) {
      case "Reservation": {
        assert.strictEqual(outcome.nanoDollars, nanoDollars)
        // Somebody who was told before may have taken more since, by a policy with a higher limit.
        const highest = bindings.map((binding, i) => ({ ...binding, limitNanoDollars: this.#watch(keys[i]!).highestLimit }))
        const beyond = this.#disturbed ? this.reference.refusal(highest, nanoDollars, time) : refusal
        assert.isUndefined(beyond, "nothing is granted beyond a limit")
        if (!this.#disturbed)
          for (const other of earlier)
            assert.isFalse(
              other.keys.some((key) => keys.includes(key)),
              "nobody passes an earlier one"
            )
        for (const key of keys) {
          this.#touched.add(key)
          this.#granted.add(key)
          const watch = this.#watch(key)
          watch.peak = Math.max(watch.peak, watch.latest, nanoDollars)
          watch.latest = this.#disturbed ? Math.max(watch.latest, nanoDollars) : nanoDollars
        }
        this.#held.push({ reservation: outcome, open: this.reference.hold(bindings, nanoDollars, time), closed: false })
        break
      }
      case "Refusal": {
        const { binding, remainingNanoDollars } = outcome
        const key = keyOf(binding, time)
        this.#touched.add(key)
        assert.isAbove(nanoDollars, remainingNanoDollars)
        if (this.#disturbed) this.#count("disturbed")
        else if (this.store.mode !== "when told") assert.deepStrictEqual(outcome, refusal)
        else {
          assert.include(bindings, binding)
          const remaining = this.reference.remaining(binding, time)
          // What was booked by a draw that failed counts as spent.
          assert.strictEqual(remainingNanoDollars, remaining - (this.store.rows.get(key)?.leaked ?? 0), "a refusal is exact")
        }
        break
      }
      case "Unavailable":
        if (outcome.why.includes("within 100 ms")) {
          this.#count("late")
          assert.strictEqual(this.clock.now - request.askedAt, 100)
        } else if (outcome.why.includes("told so")) assert.isTrue(this.#failing || this.store.down)
        else assert.isTrue(this.#stopping, outcome.why)
    }
    if (request.fiber !== undefined) this.#then(request.then, outcome, bindings)
  }

  #then(then: Then, outcome: Reservation | Refusal | Unavailable, bindings: ReadonlyArray<Binding>): void {
    if (then === "nothing" || this.#stopping) return
    this.#count(then)
    this.#disturbed = true
    if (then === "settle" && outcome._tag === "Reservation") this.settle(this.#held.length - 1, 1)
    else if (then === "reserve") this.reserve(bindings, 1, false, "nothing")
    else if (then === "interrupt another") this.interrupt(0)
  }

  interrupt(which: number): void {
    const choice = this.#pending.filter(({ fiber, interruptible }) => interruptible && fiber !== undefined)
    const request = choice[which % choice.length]
    if (request === undefined) return
    this.#count("interrupted")
    this.#pending.splice(this.#pending.indexOf(request), 1)
    request.fiber!.interruptUnsafe()
    // It may have been granted in this very step, and released.
    if (this.#disturbed) for (const key of request.keys) this.#watch(key).latest = Math.max(this.#watch(key).latest, request.nanoDollars)
    assert.isDefined(request.fiber!.pollUnsafe())
  }

  /** Settles at `share` of what is held; at 0 it is released. A second time changes nothing. */
  settle(which: number, share: number): void {
    const holding = this.#held[which % this.#held.length]
    if (holding === undefined) return
    const { closed, open, reservation } = holding
    const nanoDollars = Math.ceil(open.nanoDollars * share)
    if (share === 0) this.#ledger.release(reservation)
    else this.#ledger.settle(reservation, nanoDollars)
    this.#count(closed ? "settled again" : share === 0 ? "released" : nanoDollars > open.nanoDollars ? "overrun" : "settled")
    if (closed) return
    holding.closed = true
    this.reference.settle(open, nanoDollars)
    for (const key of open.keys) {
      const watch = this.#watch(key)
      watch.settled += nanoDollars
      watch.overrun += Math.max(0, nanoDollars - open.nanoDollars)
      // Whatever else the slice held before is given back now. (An account on which only nothing was held may have been forgotten.)
      if (open.nanoDollars > 0) Object.assign(watch, { slack: 0, peak: 0 })
    }
  }

  answer(): void {
    if (this.store.pending !== undefined) this.#count("answered")
    this.store.answer()
  }

  fail(booked: boolean): void {
    this.#failing = true
    this.store.fail(booked)
    this.#failing = false
  }

  advance(millis: number): void {
    this.clock.advance(millis)
  }

  pass(hours: number): void {
    this.time += hours * 3_600_000
    if (hours < 0) this.#everBack = true
  }

  crash(): void {
    this.#count("crash")
    this.store.abandon()
    this.#begin()
  }

  /** Ends the process: attempts still open may settle with the last breath; a draw under way is answered, or is not. */
  stop(settling: boolean, answered: boolean): void {
    this.#count("stop")
    this.#stopping = true
    const closing = this.#fork(Scope.close(this.#scope, Exit.void))
    assert.strictEqual(this.#pending.length, 0, "nobody is left waiting")
    if (this.store.pending !== undefined) {
      assert.isUndefined(closing.pollUnsafe())
      if (answered) this.store.answer()
      else {
        this.clock.advance(100)
        this.store.abandon()
      }
    }
    assert.isDefined(closing.pollUnsafe())
    this.reserve(this.bindings([0]), 1, false, "nothing")
    if (settling) for (let i = 0; i < this.#held.length; i++) this.settle(i, 1 / 2)
    for (const [key, { booked, leaked }] of this.store.rows)
      assert.strictEqual(booked, this.reference.spent(key) + this.reference.reserved(key) + leaked, `${key}: all is given back`)
    this.#stopping = false
    this.#begin()
  }

  /** Lets everything come to its end. */
  finish(): void {
    while (this.store.pending !== undefined) this.answer()
    assert.strictEqual(this.#pending.length, 0)
    for (let i = 0; i < this.#held.length; i++) this.settle(i, 1)
    this.check()
    this.stop(false, true)
  }

  // What is promised.

  check(): void {
    this.#disturbed = false
    const { reference, store, time } = this
    for (const error of this.#errors) throw error
    must(store.faults.length === 0, store.faults[0])
    if (this.#pending.length > 0) must(store.pending !== undefined, "whoever waits, waits for a draw")
    for (const { askedAt } of this.#pending) must(this.clock.now - askedAt < 100, "nobody waits for longer")
    must(this.clock.sleeping === this.#pending.length, "no timer outlives its wait")
    for (const [key, { account, booked, settled }] of store.rows) {
      const watch = this.#watch(key)
      must(settled === watch.settled, "settled once", key, settled, watch.settled)
      const slack = this.#slack(key)
      must(slack >= 0, "booked covers what is spent and open", key, slack)
      must(booked <= watch.highestLimit + watch.overrun, "no limit is passed", key, booked, watch.highestLimit, watch.overrun)
      if (store.pending !== undefined || this.#pending.some(({ keys }) => keys.includes(key))) continue
      const slice = Math.max(Math.floor(watch.limit / 100), watch.latest, watch.peak)
      const current = this.#current.get(`${account.budget} ${account.scope}`)
      if (current === key) must(slack <= Math.max(slice, watch.slack), "the slice is kept small", key, slack, slice, watch.slack)
      else if (current !== undefined) must(slack === 0, "a window that is over keeps no slice", key, slack)
      watch.slack = slack
      watch.peak = 0
    }
    for (const binding of this.bindings([0, 1, 2, 3])) {
      const key = keyOf(binding, time)
      const { reservedNanoDollars, spentNanoDollars } = this.#ledger.balance(binding, time)
      const [reserved, leaked] = [reference.reserved(key), store.rows.get(key)?.leaked ?? 0]
      must(reservedNanoDollars === reserved, "reserved is what is open", key, reservedNanoDollars, reserved)
      if (spentNanoDollars === 0 && reserved === 0 && (this.#everBack || !this.#touched.has(key))) continue
      const spent = reference.spent(key) + reserved
      must(
        spentNanoDollars >= spent && spentNanoDollars <= spent + leaked,
        "spent is settled and reserved",
        key,
        spentNanoDollars,
        spent,
        leaked
      )
    }
  }
}

/** An assertion that costs nothing where it holds. */
const must = (holds: boolean, ...what: ReadonlyArray<unknown>): void => {
  if (!holds) assert.fail(what.join(", "))
}
