/** Places on targets: the book of them against one kept by hand, and attempts that take them, through the pipeline in virtual time, whatever becomes of their calls. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, type Fiber, Layer, Logger, Scope } from "effect"
import * as fc from "fast-check"
import { Attempt, type Outcome } from "../src/Attempt.ts"
import { decisionHeaders } from "../src/Call.ts"
import { Health } from "../src/Health.ts"
import { Keys } from "../src/Keys.ts"
import { Ledger } from "../src/Ledger.ts"
import { make, type Pipeline } from "../src/Pipeline.ts"
import type { PolicyEncoded, StrategyEncoded } from "../src/Policy.ts"
import { type CallRecord, Recorder } from "../src/Recorder.ts"
import { type Place, Slots } from "../src/Slots.ts"
import type { Capacity } from "../src/Target.ts"
import * as VirtualTime from "../src/VirtualTime.ts"
import { compiled, incomingOf, nobodyTold, only, paid, type Told } from "./scripted.ts"
import { compiled as checked, plainly, ran, steady } from "./simulate/support.ts"

const slotsOf = (): Slots["Service"] => Context.get(Effect.runSync(Effect.scoped(Layer.build(Slots.layer))), Slots)

const capacity = (inFlight: number, queued = 0): Capacity => ({ inFlight, queued, waitMillis: 1_000 })

describe("the book of places", () => {
  it("gives places as long as there are any, then places in the queue, then none", () => {
    const slots = slotsOf()
    const of = capacity(2, 1)
    const places = Array.from({ length: 4 }, () => slots.enter("a", of))
    assert.deepStrictEqual(
      places.map((place) => place?.state),
      ["held", "held", "waiting", undefined]
    )
    assert.deepStrictEqual(slots.standing("a"), { held: 2, waiting: 1 })
    assert.isTrue(slots.full("a"))
    assert.isFalse(slots.full("b"))
    slots.leave(places[0]!)
    assert.deepStrictEqual(
      places.map((place) => place?.state),
      ["left", "held", "held", undefined]
    )
    assert.isTrue(slots.full("a"))
    slots.leave(places[1]!)
    assert.isFalse(slots.full("a"))
  })

  it("a place that is left again is not given back again, and one that has waited in vain gives nothing back", () => {
    const slots = slotsOf()
    const of = capacity(1, 2)
    const [first, second, third] = [slots.enter("a", of)!, slots.enter("a", of)!, slots.enter("a", of)!]
    slots.leave(second)
    slots.leave(second)
    assert.strictEqual(third.state, "waiting")
    slots.leave(first)
    slots.leave(first)
    assert.deepStrictEqual([first.state, second.state, third.state], ["left", "left", "held"])
    assert.deepStrictEqual(slots.standing("a"), { held: 1, waiting: 0 })
  })

  it("more places count at once for who waits, fewer for who comes, and whoever has one keeps it", () => {
    const slots = slotsOf()
    const declare = (inFlight: number, queued = 5): void => slots.declare([{ identity: "a", capacity: capacity(inFlight, queued) }])
    declare(1)
    const enter = (): Place => slots.enter("a", capacity(1, 5))!
    const places = [enter(), enter(), enter(), enter()]
    declare(3)
    assert.deepStrictEqual(
      places.map(({ state }) => state),
      ["held", "held", "held", "waiting"]
    )
    // A call that goes by the policy before has no other number of places.
    assert.strictEqual(enter().state, "waiting")
    declare(2)
    assert.strictEqual(places[2]!.state, "held")
    slots.leave(places[0]!)
    assert.strictEqual(places[3]!.state, "waiting")
    slots.leave(places[1]!)
    assert.strictEqual(places[3]!.state, "held")
    declare(2, 0)
    assert.isUndefined(slots.enter("a", capacity(1, 5)))
  })

  it("one deployment under two names has the fewer places of the two", () => {
    const slots = slotsOf()
    slots.declare([
      { identity: "a", capacity: capacity(1) },
      { identity: "a", capacity: undefined },
      { identity: "a", capacity: capacity(3) }
    ])
    assert.strictEqual(slots.enter("a", capacity(3))?.state, "held")
    assert.isUndefined(slots.enter("a", capacity(3)))
  })

  type Op =
    | { readonly op: "enter" }
    | { readonly op: "leave"; readonly which: number }
    | { readonly op: "declare"; readonly inFlight: number | null; readonly queued: number }
  const ops = fc.array(
    fc.oneof(
      { weight: 5, arbitrary: fc.constant<Op>({ op: "enter" }) },
      { weight: 5, arbitrary: fc.record({ op: fc.constant("leave" as const), which: fc.nat({ max: 30 }) }) },
      {
        weight: 1,
        arbitrary: fc.record({
          op: fc.constant("declare" as const),
          inFlight: fc.option(fc.integer({ min: 1, max: 4 })),
          queued: fc.nat({ max: 4 })
        })
      }
    ),
    { maxLength: 60 }
  )

  it("is what a list kept by hand says, whatever comes and goes", () => {
    fc.assert(
      fc.property(ops, fc.integer({ min: 1, max: 3 }), fc.nat({ max: 3 }), (script, inFlight, queued) => {
        const slots = slotsOf()
        const own = capacity(inFlight, queued)
        let declared: Capacity | undefined
        let now = own
        let held: Array<number> = []
        let waiting: Array<number> = []
        const places: Array<Place | undefined> = []
        const move = (): void => {
          while (held.length < now.inFlight && waiting.length > 0) held.push(waiting.shift()!)
        }
        for (const one of script) {
          if (one.op === "enter") {
            const n = places.length
            places.push(slots.enter("a", own))
            now = declared ?? own
            move()
            if (held.length < now.inFlight && waiting.length === 0) held.push(n)
            else if (waiting.length < now.queued) waiting.push(n)
          } else if (one.op === "leave") {
            const place = places[one.which]
            if (place !== undefined) slots.leave(place)
            held = held.filter((n) => n !== one.which)
            waiting = waiting.filter((n) => n !== one.which)
            move()
          } else {
            // What is declared no more stays as it was, until somebody comes by a policy that says otherwise.
            declared = one.inFlight === null ? undefined : capacity(one.inFlight, one.queued)
            slots.declare([{ identity: "a", capacity: declared }])
            now = declared ?? now
            move()
          }
          assert.deepStrictEqual(slots.standing("a"), { held: held.length, waiting: waiting.length })
          for (const [n, place] of places.entries()) {
            const state = held.includes(n) ? "held" : waiting.includes(n) ? "waiting" : "left"
            assert.strictEqual(place?.state ?? "left", state)
          }
        }
      }),
      { numRuns: 500 }
    )
  })
})

/** What becomes of an attempt: how long it takes, and how it ends. */
interface Fate {
  readonly takes: number
  readonly ends: "served" | "overloaded" | "dies" | "throws"
}

interface Started {
  readonly call: string
  readonly target: string
  /** Milliseconds. */
  readonly at: number
}

/** The pipeline in virtual time, over attempts that do as they are told. */
const world = (policy: PolicyEncoded, fate: (call: string, target: string) => Fate) => {
  const time = VirtualTime.make(0, Context.make(Logger.CurrentLoggers, new Set()))
  const records: Array<CallRecord> = []
  const started: Array<Started> = []
  const underway = new Map<string, number>()
  const most = new Map<string, number>()
  const count = (target: string, by: number): void => {
    const n = (underway.get(target) ?? 0) + by
    underway.set(target, n)
    most.set(target, Math.max(n, most.get(target) ?? 0))
  }
  const outcome = (served: boolean): Outcome => ({
    failure: served ? undefined : { class: "overloaded", message: "as written" },
    committed: served,
    status: served ? 200 : 529,
    usage: undefined,
    firstTokenAt: undefined,
    losses: [],
    unbilled: false
  })
  const attempt = Layer.succeed(Attempt, {
    run: (call, target, { claim }) => {
      const { ends, takes } = fate(call.id, target.name)
      started.push({ call: call.id, target: target.name, at: time.now() / 1_000 })
      if (ends === "throws") throw new Error("thrown")
      return Effect.callback<Outcome>((resume) => {
        count(target.name, 1)
        const timer = time.schedule(time.now() + takes * 1_000, () => {
          count(target.name, -1)
          if (ends === "dies") return resume(Effect.die(new Error("dead")))
          if (ends === "served" && claim?.() !== false) {
            call.incoming.reply.begin(200, decisionHeaders(call, target))
            call.incoming.reply.end("answer")
          }
          resume(Effect.succeed(outcome(ends === "served")))
        })
        return Effect.sync(() => {
          time.cancel(timer)
          count(target.name, -1)
        })
      })
    }
  })
  const services = Layer.mergeAll(
    attempt,
    Health.layer(),
    Slots.layer,
    Keys.layerNames,
    Ledger.layerMemory,
    Recorder.layerOf((record) => void records.push(record))
  )
  const settle = <A>(effect: Effect.Effect<A, unknown>): A => {
    const fiber = time.fork(effect)
    time.run({ enough: () => fiber.pollUnsafe() !== undefined })
    const exit = fiber.pollUnsafe()
    if (exit?._tag !== "Success") throw new Error("it has not come to its end")
    return exit.value
  }
  const context = settle(Layer.buildWithScope(services, Scope.makeUnsafe()))
  const ledger = Context.get(context, Ledger)
  settle(ledger.open)
  const link = (next: PolicyEncoded): Pipeline => settle(Effect.provideContext(make(compiled(next)), context))
  const slots = Context.get(context, Slots)
  let pipeline = link(policy)
  const identity = (target: string): string => pipeline.compiled.targets.get(target)!.identity
  const fibers: Array<Fiber.Fiber<unknown>> = []
  const binding = { budget: "day", per: "class", scope: "local", every: "day", limitNanoDollars: 1e9 } as const
  const reserved = (): number => ledger.balance(binding, 0).reservedNanoDollars
  return {
    time,
    started,
    reserved,
    records,
    most: (target: string) => most.get(target) ?? 0,
    health: Context.get(context, Health),
    identity,
    standing: (target: string) => slots.standing(identity(target)),
    exchange: (next: PolicyEncoded) => void (pipeline = link(next)),
    /** A call that comes at so many milliseconds, and whose caller may go away. */
    call: (id: string, at: number, goneAt?: number): Told => {
      const told = nobodyTold()
      time.schedule(at * 1_000, () => {
        const fiber = time.fork(pipeline.run(incomingOf({ "request.id": id }, told)))
        fibers.push(fiber)
        if (goneAt !== undefined) time.schedule(goneAt * 1_000, () => fiber.interruptUnsafe())
      })
      return told
    },
    /** Lets everything come to its end, and has nothing left of it. */
    end: (targets = "ab") => {
      assert.strictEqual(time.run({ steps: 1_000_000 }), "idle")
      for (const fiber of fibers) assert.isDefined(fiber.pollUnsafe())
      for (const target of targets) assert.deepStrictEqual(slots.standing(identity(target)), { held: 0, waiting: 0 })
      for (const n of underway.values()) assert.strictEqual(n, 0)
      assert.strictEqual(reserved(), 0)
    },
    record: (id: string): CallRecord => {
      const own = records.filter((record) => record.id === id)
      assert.strictEqual(own.length, 1)
      return own[0]!
    }
  }
}

/** `policy` with a capacity of `a`. */
const limited = (
  policy: PolicyEncoded,
  of: { readonly inFlight: number; readonly queued?: number; readonly wait?: string }
): PolicyEncoded => ({
  ...policy,
  targets: { ...policy.targets, a: { ...policy.targets["a"]!, capacity: of as { inFlight: number } } }
})

const both = { _tag: "First", of: ["a", "b"] } as const
const lasting =
  (takes: number): (() => Fate) =>
  () => ({ takes, ends: "served" })

const rejections = ({ call }: CallRecord) =>
  call?.rejections.map(({ by, error, target }) => `${target} ${by}: ${error.status} ${error.code}`)

describe("a target that is full", () => {
  it("is passed over for the next candidate at once where nobody may wait", () => {
    const { call, end, record, started } = world(limited(only(both), { inFlight: 1 }), lasting(100))
    call("one", 0)
    call("two", 10)
    end()
    assert.deepStrictEqual(started, [
      { call: "one", target: "a", at: 0 },
      { call: "two", target: "b", at: 10 }
    ])
    assert.deepStrictEqual(rejections(record("two")), ["a busy: 503 target_busy"])
    assert.strictEqual(record("two").ending, "served")
  })

  it("answers 503 with a time to come back where nothing else is left", () => {
    const { call, end, record } = world(limited(only("a"), { inFlight: 1 }), lasting(100))
    call("one", 0)
    const told = call("two", 10)
    end()
    const head = told.heads[0]!
    assert.strictEqual(head.status, 503)
    assert.strictEqual(head.headers["retry-after"], "1")
    assert.notProperty(head.headers, "x-should-retry")
    assert.deepInclude(record("two"), { ending: "refused", status: 503, durationMillis: 0 })
    assert.strictEqual(record("two").error?.code, "target_busy")
  })

  it("is waited for in the order of coming, and an attempt says how long it has waited", () => {
    const { call, end, record, started } = world(limited(only("a"), { inFlight: 1, queued: 3, wait: "10 seconds" }), lasting(100))
    for (const [i, id] of ["one", "two", "three", "four", "five"].entries()) call(id, i * 10)
    end()
    assert.deepStrictEqual(
      started.map(({ at, call }) => [call, at]),
      [
        ["one", 0],
        ["two", 100],
        ["three", 200],
        ["four", 300]
      ]
    )
    const [attempted] = record("four").call!.attempts
    assert.deepInclude(attempted, { queuedMillis: 270, startedMillis: 270, endedMillis: 370 })
    assert.strictEqual(record("one").call!.attempts[0]!.queuedMillis, 0)
    assert.deepStrictEqual(rejections(record("five")), ["a busy: 503 target_busy"])
  })

  it("is not waited for longer than its policy says", () => {
    const { call, end, record, started } = world(limited(only(both), { inFlight: 1, queued: 1, wait: "30 millis" }), lasting(100))
    call("one", 0)
    call("two", 10)
    end()
    assert.deepStrictEqual(started.at(-1), { call: "two", target: "b", at: 40 })
    assert.deepStrictEqual(rejections(record("two")), ["a busy: 503 target_busy"])
    assert.match(record("two").call!.rejections[0]!.error.message, /no place has come free within 0.03 s/)
  })

  it("is not waited for beyond a deadline, the route's effort among them, which is then the reason", () => {
    for (const [policy, by] of [
      [only({ _tag: "Within", duration: "20 millis", of: "a" }), 30],
      [only("a", { effort: { time: "20 millis" } }), 30]
    ] as const) {
      const { call, end, record, time } = world(limited(policy, { inFlight: 1, queued: 1 }), lasting(100))
      call("one", 0)
      const told = call("two", 10)
      let at = 0
      time.run({ enough: () => told.ends > 0 && (at = time.now()) > 0 })
      end()
      assert.strictEqual(at, by * 1_000)
      assert.deepStrictEqual(rejections(record("two")), ["a deadline: 504 deadline_exceeded"])
    }
  })

  it("a caller who goes away gives its place in the queue back, and one that it has just been given", () => {
    const { call, end, record, standing, started, time } = world(
      limited(only("a"), { inFlight: 1, queued: 2, wait: "10 seconds" }),
      lasting(100)
    )
    call("one", 0)
    call("two", 10, 50)
    call("three", 20)
    // In the very moment at which it would be its turn.
    call("four", 60, 200)
    call("five", 70)
    time.run({ enough: () => time.now() >= 60_000 })
    assert.deepStrictEqual(standing("a"), { held: 1, waiting: 2 })
    end()
    assert.deepStrictEqual(
      started.filter(({ call }) => call !== "four").map(({ at, call }) => [call, at]),
      [
        ["one", 0],
        ["three", 100]
      ]
    )
    assert.deepInclude(record("two"), { ending: "cancelled", status: 499 })
    assert.strictEqual(record("two").call!.attempts.length, 0)
    assert.strictEqual(record("five").error?.code, "target_busy")
  })

  it("the side of a hedge that waits leaves the queue when the other has begun to answer", () => {
    const policy = limited(only({ _tag: "Hedge", of: "a", with: "b", after: "20 millis" }), { inFlight: 1, queued: 1, wait: "10 seconds" })
    const { call, end, record, standing, time } = world(policy, (id) => ({ takes: id === "one" ? 15 : 40, ends: "served" }))
    const long = world(policy, (_, target) => ({ takes: target === "a" ? 1_000 : 40, ends: "served" }))
    call("one", 0)
    call("two", 5)
    end()
    // Its turn came before the hedge had to begin.
    assert.deepStrictEqual(
      record("two").call!.attempts.map(({ queuedMillis, target }) => [target.name, queuedMillis]),
      [
        ["a", 10],
        ["b", 0]
      ]
    )
    assert.deepStrictEqual(standing("a"), { held: 0, waiting: 0 })
    assert.isAbove(time.now(), 0)
    // A call of its own keeps `a` busy; the hedge is served by the other side.
    long.exchange(limited(only("a"), { inFlight: 1, queued: 1, wait: "10 seconds" }))
    long.call("one", 0)
    long.time.run({ enough: () => long.time.now() >= 1_000 || long.started.length > 0 })
    long.exchange(policy)
    long.call("two", 5)
    long.time.run({ enough: () => long.records.length > 0 })
    assert.deepStrictEqual(long.standing("a"), { held: 1, waiting: 0 })
    assert.deepStrictEqual(
      long.record("two").call!.attempts.map(({ target }) => target.name),
      ["b"]
    )
    long.end()
  })

  const trip = ({ health, identity, time }: ReturnType<typeof world>): void => {
    for (let i = 0; i < 5; i++) health.report(identity("a"), "bad", time.now() / 1_000)
  }

  it("is not waited for where its breaker is open", () => {
    const w = world(limited(only(both), { inFlight: 1, queued: 1, wait: "1 seconds" }), lasting(100))
    w.call("one", 0)
    w.call("two", 10)
    w.time.run({ enough: () => w.started.length === 1 })
    trip(w)
    w.end()
    assert.deepStrictEqual(w.started.at(-1), { call: "two", target: "b", at: 10 })
    assert.deepStrictEqual(rejections(w.record("two")), ["a breaker: 503 no_target_available"])
  })

  it("a probe has a place like any attempt, and waits for it", () => {
    const w = world(limited(only("a"), { inFlight: 1, queued: 1, wait: "1 seconds" }), lasting(100))
    w.call("one", 0)
    w.call("two", 10)
    w.time.run({ enough: () => w.started.length === 1 })
    trip(w)
    w.end()
    assert.strictEqual(w.most("a"), 1)
    assert.deepInclude(w.record("two").call!.attempts[0], { why: "probe", queuedMillis: 90, failure: undefined })
  })

  it("holds no money while it is waited for", () => {
    const w = world(limited(paid("a"), { inFlight: 1, queued: 1, wait: "10 seconds" }), lasting(100))
    w.call("one", 0)
    w.call("two", 10)
    w.time.run({ enough: () => w.standing("a").waiting === 1 })
    // A tenth of a cent, of the one that is under way.
    assert.strictEqual(w.reserved(), 1_000_000)
    w.end()
    assert.strictEqual(w.record("two").call!.attempts[0]!.queuedMillis, 90)
  })

  it("has its place back where a budget refuses what has waited for it", () => {
    const policy = limited(paid("a", { budgets: { day: { per: "class", limit: { usd: 0.001 }, every: "day" } } }), {
      inFlight: 1,
      queued: 3,
      wait: "10 seconds"
    })
    const w = world(policy, lasting(100))
    for (const [i, id] of ["one", "two", "three"].entries()) w.call(id, i)
    w.end()
    assert.deepStrictEqual(rejections(w.record("two")), ["a budget: 402 budget_exhausted"])
    assert.deepStrictEqual(rejections(w.record("three")), ["a budget: 402 budget_exhausted"])
  })

  it("is not tried after a wait in which the other side of a hedge has used up the attempts of its call", () => {
    const to = { _tag: "Hedge", of: "a", with: "b", after: "20 millis" } as const
    const policy = (effort: number) => limited(only(to, { effort: { attempts: effort } }), { inFlight: 1, queued: 1, wait: "10 seconds" })
    const w = world(policy(1), (id, target) => ({ takes: id === "one" ? 100 : target === "b" ? 500 : 10, ends: "served" }))
    w.call("one", 0)
    w.call("two", 10)
    w.end()
    assert.deepStrictEqual(
      w.started.map(({ call, target }) => `${call} ${target}`),
      ["one a", "two b"]
    )
    // What it was rejected for is written down with the call, though it was served.
    assert.include(rejections(w.record("two")) ?? [], "a effort: 402 effort_exhausted")
  })

  it("is worth less than one that is free to a spread", () => {
    const spread = { _tag: "Spread", by: "cost", of: ["a", "b"] } as const satisfies StrategyEncoded
    const { call, end, record, started } = world(limited(only(spread), { inFlight: 1, queued: 5, wait: "10 seconds" }), lasting(100))
    for (const [i, id] of ["one", "two", "three"].entries()) call(id, i * 10)
    end()
    assert.deepStrictEqual(
      started.map(({ target }) => target),
      ["a", "b", "b"]
    )
    assert.deepStrictEqual(rejections(record("three")), [])
  })

  it("a policy that is linked changes the number of places at once, and calls under way keep theirs", () => {
    const of = (inFlight: number) => limited(only("a"), { inFlight, queued: 9, wait: "10 seconds" })
    const { call, end, exchange, most, started, time } = world(of(1), lasting(100))
    for (const [i, id] of ["one", "two", "three"].entries()) call(id, i)
    time.run({ enough: () => time.now() >= 10_000 || (started.length === 1 && time.now() >= 2_000) })
    exchange(of(3))
    time.run({ enough: () => started.length === 3 })
    assert.isBelow(started[2]!.at, 100)
    exchange(of(1))
    call("four", 20)
    end()
    assert.strictEqual(started[3]!.at, started[2]!.at + 100)
    assert.strictEqual(most("a"), 3)
  })
})

describe("places under calls that come, go and end as they like", () => {
  const fates = fc.record({
    takes: fc.integer({ min: 1, max: 40 }),
    ends: fc.constantFrom<Fate["ends"]>("served", "served", "overloaded", "dies", "throws")
  })
  const calls = fc.array(fc.record({ at: fc.nat({ max: 60 }), goneAfter: fc.option(fc.nat({ max: 60 })), a: fates, b: fates }), {
    minLength: 1,
    maxLength: 24
  })
  const capacities = fc.record({
    inFlight: fc.integer({ min: 1, max: 3 }),
    queued: fc.nat({ max: 4 }),
    wait: fc.constantFrom("0 millis", "5 millis", "30 millis", "10 seconds")
  })
  const strategies: ReadonlyArray<StrategyEncoded> = [
    "a",
    both,
    { _tag: "First", of: ["a", "a"] },
    { _tag: "Within", duration: "25 millis", of: both },
    { _tag: "Hedge", of: "a", with: "b", after: "7 millis" },
    { _tag: "Hedge", of: "a", with: "a", after: "7 millis" },
    { _tag: "Retry", attempts: 3, backoff: { first: "3 millis", longest: "20 millis" }, of: "a" },
    { _tag: "Spread", by: "least-busy", of: ["a", "b"] }
  ]
  const changes = fc.array(fc.record({ at: fc.nat({ max: 80 }), inFlight: fc.integer({ min: 1, max: 3 }) }), { maxLength: 3 })

  it("never more than there are, nobody lost, nobody forgotten, one record each", () => {
    fc.assert(
      fc.property(calls, capacities, fc.constantFrom(...strategies), fc.boolean(), changes, (traffic, of, to, budgeted, reloads) => {
        const policyOf = (inFlight: number) => limited((budgeted ? paid : only)(to), { ...of, inFlight })
        const fateOf = (id: string, target: string): Fate => {
          const n = Number(id.slice("call-".length))
          return n >= traffic.length ? { takes: 10, ends: "served" } : traffic[n]![target === "a" ? "a" : "b"]
        }
        const { call, end, exchange, most, records, standing, time } = world(policyOf(of.inFlight), fateOf)
        for (const [i, { at, goneAfter }] of traffic.entries()) call(`call-${i}`, at, goneAfter === null ? undefined : at + goneAfter)
        for (const { at, inFlight } of [...reloads].sort((one, two) => one.at - two.at)) {
          time.run({ enough: () => time.now() >= at * 1_000 })
          exchange(policyOf(inFlight))
        }
        end()
        assert.isAtMost(most("a"), Math.max(of.inFlight, ...reloads.map(({ inFlight }) => inFlight)))
        assert.strictEqual(records.length, traffic.length)
        assert.deepStrictEqual(records.map(({ id }) => id).toSorted(), traffic.map((_, i) => `call-${i}`).toSorted())
        // All places are there again.
        assert.deepStrictEqual(standing("a"), { held: 0, waiting: 0 })
      }),
      { numRuns: 400 }
    )
  })

  it("who comes first is served first, nobody waits where there is room, and nobody is turned away where there is", () => {
    fc.assert(
      fc.property(calls, capacities, (traffic, of) => {
        const w = world(limited(only("a"), of), (id) => traffic[Number(id.slice("call-".length))]!.a)
        const order = [...traffic.keys()].sort((one, two) => traffic[one]!.at - traffic[two]!.at || one - two)
        for (const i of order)
          w.call(`call-${i}`, traffic[i]!.at, traffic[i]!.goneAfter === null ? undefined : traffic[i]!.at + traffic[i]!.goneAfter!)
        let told = 0
        for (let stopped: VirtualTime.Stopped = "more"; stopped !== "idle";) {
          stopped = w.time.run({ steps: 1 })
          const { held, waiting } = w.standing("a")
          assert.isTrue(waiting === 0 || held === of.inFlight)
          assert.isAtMost(held, of.inFlight)
          assert.isAtMost(waiting, of.queued)
          for (; told < w.records.length; told++) {
            const { error } = w.records[told]!
            if (error?.code === "target_busy") assert.strictEqual(held, of.inFlight)
          }
        }
        w.end("a")
        const places = new Map(order.map((i, place) => [`call-${i}`, place]))
        const begun = w.started.map(({ call }) => places.get(call)!)
        assert.deepStrictEqual(
          begun,
          begun.toSorted((one, two) => one - two)
        )
      }),
      { numRuns: 400 }
    )
  })
})

describe("the simulator", () => {
  it("has as many places as the policy says: more pass over, wait, or are turned away", async () => {
    /** What became of ten calls a second that take two seconds each, where `a` takes this much. */
    const over = async (of: Parameters<typeof limited>[1], to: StrategyEncoded) => {
      const calls: Array<CallRecord> = []
      const model = {
        default: { firstToken: { p50: "2 seconds", p99: "2 seconds" }, perToken: { p50: "1 millis", p99: "1 millis" }, errors: {} }
      }
      const lines = steady(200, 100, { outputTokens: 1 })
      const { total } = await ran(checked(limited(plainly(to), of)), lines, { model, onRecord: (record) => void calls.push(record) })
      /** The most attempts on `a` at once, from their times. */
      const edges = calls
        .flatMap(({ call }) =>
          call!.attempts.map((one) => [call!.began + one.startedMillis, call!.began + one.endedMillis, one.target.name] as const)
        )
        .filter(([, , name]) => name === "a")
        .flatMap(([from, until]) => [[from, 1] as const, [until, -1] as const])
        .sort(([at, by], [other, otherBy]) => at - other || by - otherBy)
      let [busy, most] = [0, 0]
      for (const [, by] of edges) most = Math.max(most, (busy += by))
      return {
        most,
        measured: total.measured,
        waited: calls.filter(({ call }) => call!.attempts.some(({ queuedMillis }) => queuedMillis > 0)).length
      }
    }
    const passed = await over({ inFlight: 5 }, both)
    assert.strictEqual(passed.most, 5)
    assert.strictEqual(passed.measured.served, 200)
    assert.strictEqual(passed.waited, 0)
    const turned = await over({ inFlight: 5, queued: 3, wait: "500 millis" }, "a")
    assert.strictEqual(turned.most, 5)
    assert.isAbove(turned.waited, 10)
    assert.isAbove(turned.measured.refusedBy["target_busy"] ?? 0, 100)
    assert.strictEqual(turned.measured.served + turned.measured.refused, 200)
  })
})
