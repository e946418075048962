/** Virtual time against a sorted list, and Effect programs under it against the same programs under `TestClock`. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { make, type Timer, type VirtualTime, VirtualTimeError } from "../src/VirtualTime.ts"

/** What a script does when its timer runs: sets further timers at delays (microseconds) and cancels one of those known so far. */
interface Script {
  readonly delay: number
  readonly cancels: number | undefined
  readonly then: ReadonlyArray<Script>
}

const script: fc.Arbitrary<ReadonlyArray<Script>> = fc.letrec<{ scripts: ReadonlyArray<Script> }>((tie) => ({
  scripts: fc.array(
    fc.record({
      // Few instants, so that ties are common; some in the past, some never.
      delay: fc.oneof({ weight: 12, arbitrary: fc.nat({ max: 6 }) }, { weight: 1, arbitrary: fc.constantFrom(-3, Infinity, Number.NaN) }),
      cancels: fc.option(fc.nat({ max: 30 }), { nil: undefined }),
      then: fc.oneof({ maxDepth: 3, withCrossShrink: true }, fc.constant([]), tie("scripts"))
    }),
    { maxLength: 8 }
  )
})).scripts

interface Queue {
  readonly now: () => number
  readonly set: (at: number, f: () => void) => () => void
  readonly drain: () => void
}

/** The obvious queue: a list, sorted by time and then by arrival before every step. */
const naive = (): Queue => {
  let list: Array<{ at: number; order: number; f: () => void }> = []
  let [now, order] = [0, 0]
  return {
    now: () => now,
    set: (at, f) => {
      const entry = { at: at > now ? at : now, order: order++, f }
      list.push(entry)
      return () => {
        list = list.filter((other) => other !== entry)
      }
    },
    drain: () => {
      for (;;) {
        list.sort((a, b) => a.at - b.at || a.order - b.order)
        const next = list[0]
        if (next === undefined || next.at === Infinity) return
        list.shift()
        now = next.at
        next.f()
      }
    }
  }
}

const heap = (slice = Infinity): Queue => {
  const time = make()
  return {
    now: time.now,
    set: (at, f) => {
      const timer = time.schedule(at, f)
      return () => time.cancel(timer)
    },
    drain: () => {
      while (time.run({ steps: slice }) === "more");
    }
  }
}

const play = (queue: Queue, scripts: ReadonlyArray<Script>): ReadonlyArray<string> => {
  const log: Array<string> = []
  const cancels: Array<() => void> = []
  const start = (scripts: ReadonlyArray<Script>): void => {
    for (const { cancels: which, delay, then } of scripts) {
      const id = cancels.length
      const cancel = queue.set(queue.now() + delay, () => {
        log.push(`${id}@${queue.now()}`)
        start(then)
      })
      cancels.push(cancel)
      if (which !== undefined) cancels[which % cancels.length]!()
    }
  }
  start(scripts)
  queue.drain()
  return log
}

describe("the heap", () => {
  it("runs what a sorted list runs, in its order, whatever is cancelled and however it is sliced", () => {
    let [ran, ties] = [0, 0]
    fc.assert(
      fc.property(script, fc.integer({ min: 1, max: 5 }), (scripts, slice) => {
        const expected = play(naive(), scripts)
        assert.deepStrictEqual(play(heap(), scripts), expected)
        assert.deepStrictEqual(play(heap(slice), scripts), expected)
        ran += expected.length
        ties += expected.length - new Set(expected.map((entry) => entry.split("@")[1])).size
      }),
      { numRuns: 2_000 }
    )
    assert.isAbove(ran, 10_000)
    assert.isAbove(ties, 3_000)
  })

  it("stays in order when most timers are cancelled and thrown out", () => {
    const time = make()
    const log: Array<number> = []
    const timers: Array<readonly [number, Timer]> = []
    let at = 1
    for (let i = 0; i < 20_000; i++) {
      at = (at * 48_271) % 2_147_483_647
      const due = at
      timers.push([due, time.schedule(due, () => log.push(due))])
    }
    const kept = timers.flatMap(([due, timer], i) => {
      if (i % 10 === 0) return [due]
      time.cancel(timer)
      time.cancel(timer)
      return []
    })
    assert.strictEqual(time.run(), "idle")
    assert.deepStrictEqual(
      log,
      kept.sort((a, b) => a - b)
    )
  })

  it("has no second life for a timer that has run", () => {
    const time = make()
    let runs = 0
    const timer = time.schedule(1, () => runs++)
    time.run()
    time.cancel(timer)
    time.schedule(2, () => runs++)
    time.run()
    assert.strictEqual(runs, 2)
  })
})

type Step =
  | { readonly kind: "sleep"; readonly millis: number }
  | { readonly kind: "race" | "both"; readonly left: ReadonlyArray<Step>; readonly right: ReadonlyArray<Step> }
  | { readonly kind: "timeout"; readonly millis: number; readonly of: ReadonlyArray<Step> }
  | { readonly kind: "fork"; readonly of: ReadonlyArray<Step> }
  | { readonly kind: "yield" }

const millis = fc.constantFrom(1, 3, 7, 20, 45, 101, 250, 700, 1_600)

const program: fc.Arbitrary<ReadonlyArray<Step>> = fc.letrec<{ steps: ReadonlyArray<Step>; step: Step }>((tie) => ({
  steps: fc.array(tie("step"), { maxLength: 4 }),
  step: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.record({ kind: fc.constant("sleep" as const), millis }),
    fc.record({ kind: fc.constant("yield" as const) }),
    fc.record({ kind: fc.constantFrom("race" as const, "both" as const), left: tie("steps"), right: tie("steps") }),
    fc.record({ kind: fc.constant("timeout" as const), millis, of: tie("steps") }),
    fc.record({ kind: fc.constant("fork" as const), of: tie("steps") })
  )
})).steps

/**
 * Carries a program out and says when each of its steps ended, and which were given up. Every wait is as long as the script says times 2³⁰, plus a power of two
 * of its own, so that no two sums of waits are equal: which side of a race wins at one instant is no promise of either clock.
 */
const carriedOut = (steps: ReadonlyArray<Step>): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function* () {
    const numbers = new Map<string, number>()
    const waiting = (millis: number, path: string): number => {
      if (!numbers.has(path)) numbers.set(path, numbers.size)
      return millis * 2 ** 30 + 2 ** (numbers.get(path)! % 30)
    }
    const log: Array<string> = []
    const note = (what: string) => Effect.map(Clock.currentTimeMillis, (now) => void log.push(`${now} ${what}`))
    const all = (steps: ReadonlyArray<Step>, path: string): Effect.Effect<void> =>
      Effect.forEach(steps, (step, i) => one(step, `${path}.${i}`), { discard: true })
    const one = (step: Step, path: string): Effect.Effect<void> => {
      const run = (): Effect.Effect<unknown> => {
        switch (step.kind) {
          case "sleep":
            return Effect.sleep(waiting(step.millis, path))
          case "yield":
            return Effect.yieldNow
          case "race":
            return Effect.race(all(step.left, `${path}l`), Effect.andThen(Effect.sleep(waiting(1, path)), all(step.right, `${path}r`)))
          case "both":
            return Effect.all([all(step.left, `${path}l`), all(step.right, `${path}r`)], { concurrency: 2 })
          case "timeout":
            return Effect.timeoutOption(all(step.of, `${path}t`), waiting(step.millis, path))
          case "fork":
            return Effect.flatMap(Effect.forkChild(all(step.of, `${path}f`)), Fiber.join)
        }
      }
      return Effect.onExit(run(), (exit) => note(`${path} ${Exit.isSuccess(exit) ? "done" : "given up"}`))
    }
    yield* all(steps, "")
    // What happens at one instant in two fibres has no order that either clock promises.
    return log.sort()
  })

const underVirtualTime = <A>(effect: Effect.Effect<A>, startMillis = 0): { readonly time: VirtualTime; readonly value: A } => {
  const time = make(startMillis)
  const fiber = time.fork(effect)
  assert.strictEqual(time.run(), "idle")
  const exit = fiber.pollUnsafe()
  if (exit === undefined || !Exit.isSuccess(exit)) throw new Error(`the program came to ${String(exit)}`)
  assert.strictEqual(time.unfinished(), 0)
  return { time, value: exit.value }
}

const underTestClock = <A>(effect: Effect.Effect<A>): Effect.Effect<A> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    // What happens at the first instant takes macrotasks, which `adjust` does not wait for.
    for (let i = 0; i < 40; i++) yield* Effect.yieldNow
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("10000 days")
    return yield* Fiber.join(fiber)
  }).pipe(Effect.provide(TestClock.layer()), Effect.scoped)

describe("effects", () => {
  it("are the same program as under TestClock", { timeout: 120_000 }, async () => {
    let [events, givenUp] = [0, 0]
    await fc.assert(
      fc.asyncProperty(program, async (steps) => {
        const { value } = underVirtualTime(carriedOut(steps))
        const expected = await Effect.runPromise(underTestClock(carriedOut(steps)))
        assert.deepStrictEqual(value, expected)
        events += value.length
        givenUp += value.filter((line) => line.endsWith("given up")).length
      }),
      { numRuns: 300 }
    )
    assert.isAbove(events, 500)
    assert.isAbove(givenUp, 30)
  })

  it("read the time at which they are: a wall clock from its start, a monotonic one from 0", () => {
    const readings = Effect.gen(function* () {
      const first = yield* Clock.monotonicTimeNanos
      yield* Effect.sleep(Duration.millis(1))
      const second = yield* Clock.monotonicTimeNanos
      yield* Effect.sleep(Duration.millis(0.5))
      return [
        first,
        second,
        yield* Clock.currentTimeMillis,
        yield* Clock.currentTimeNanos,
        yield* Clock.monotonicTimeNanos,
        yield* Effect.clockWith((clock) => Effect.succeed(clock.currentTimeMillisUnsafe()))
      ]
    })
    const start = Date.UTC(2026, 0, 31, 23, 59, 59, 999)
    assert.deepStrictEqual(underVirtualTime(readings, start).value, [
      0n,
      1_000_000n,
      start + 1,
      BigInt(start) * 1_000_000n + 1_500_000n,
      1_500_000n,
      start + 1
    ])
  })

  it("sleep at least a microsecond, yield for nothing, and never wake from a sleep without end", () => {
    const { time, value } = underVirtualTime(
      Effect.gen(function* () {
        const log: Array<string> = []
        const other = yield* Effect.forkChild(Effect.sync(() => log.push("other")))
        yield* Effect.sleep(-5)
        yield* Effect.sleep(0)
        log.push("after zero")
        yield* Fiber.join(other)
        yield* Effect.sleep(Duration.nanos(1n))
        return log
      })
    )
    assert.deepStrictEqual(value, ["other", "after zero"])
    assert.strictEqual(time.now(), 1)

    const endless = make()
    endless.fork(Effect.sleep(Duration.infinity))
    assert.strictEqual(endless.run(), "idle")
    assert.strictEqual(endless.unfinished(), 1)
  })

  it("run a year of days exactly", () => {
    const day = Effect.sleep("1 day")
    const { time } = underVirtualTime(Effect.forEach(Array.from({ length: 365 }), () => day, { discard: true }))
    assert.strictEqual(time.now(), 365 * 86_400 * 1_000_000)
  })

  it("let go of the timers of what is interrupted", () => {
    const time = make()
    for (let i = 0; i < 5_000; i++) time.fork(Effect.timeoutOption(Effect.sleep(1), "1 day"))
    let last = 0
    while (time.run({ steps: 1 }) === "more") last = time.now()
    assert.strictEqual(time.unfinished(), 0)
    assert.strictEqual(last, 1_000)
  })

  it("may run as long as they like without taking time, but are interrupted by others in between", () => {
    const { time, value } = underVirtualTime(
      Effect.gen(function* () {
        let spins = 0
        const spin: Effect.Effect<never> = Effect.suspend(() => {
          spins++
          return spin
        })
        const busy = yield* Effect.forkChild(spin)
        yield* Effect.yieldNow
        yield* Fiber.interrupt(busy)
        return spins
      })
    )
    assert.isAbove(value, 100)
    assert.strictEqual(time.now(), 0)
  })
})

describe("what time cannot carry", () => {
  it("a fibre that waits for nothing in the heap is unfinished", () => {
    const time = make()
    time.fork(Effect.flatMap(Deferred.make<void>(), Deferred.await))
    time.fork(Effect.sleep("1 second"))
    assert.strictEqual(time.run(), "idle")
    assert.strictEqual(time.unfinished(), 1)
  })

  it("counts fibres that detach themselves", () => {
    const time = make()
    time.fork(Effect.forkDetach(Effect.never))
    time.run()
    assert.strictEqual(time.unfinished(), 1)
  })

  it("a Promise that comes back between two slices is found", async () => {
    const later = [
      Effect.promise(async () => 1),
      Effect.andThen(
        Effect.promise(async () => 1),
        Effect.sleep(5)
      ),
      Effect.andThen(
        Effect.promise(async () => 1),
        Clock.currentTimeMillis
      ),
      Effect.forkDetach(
        Effect.andThen(
          Effect.promise(async () => 1),
          Effect.never
        )
      ).pipe(
        Effect.andThen(
          Effect.andThen(
            Effect.promise(async () => 1),
            Effect.yieldNow
          )
        )
      )
    ]
    for (const effect of later) {
      const time = make()
      time.fork(effect)
      time.schedule(10, () => {})
      assert.strictEqual(time.run({ steps: 0 }), "more")
      await new Promise((resolve) => setTimeout(resolve, 1))
      assert.throws(() => time.run(), VirtualTimeError, /while no virtual time was passing/)
    }
  })

  it("time that stands still is found", { timeout: 60_000 }, () => {
    const time = make()
    time.fork(Effect.forever(Effect.yieldNow))
    assert.throws(() => time.run(), VirtualTimeError, /time stands still at 0 ms/)
  })

  it("what a timer throws leaves `run`", () => {
    const time = make()
    time.schedule(1, () => {
      throw new Error("mine")
    })
    assert.throws(() => time.run(), "mine")
  })
})

describe("run", () => {
  it("stops when it has had enough, and goes on where it stood", () => {
    const time = make()
    const log: Array<number> = []
    for (const at of [1, 2, 3, 4]) time.schedule(at, () => log.push(at))
    assert.strictEqual(time.run({ enough: () => log.length === 2 }), "enough")
    assert.deepStrictEqual(log, [1, 2])
    assert.strictEqual(time.run({ steps: 1 }), "more")
    assert.deepStrictEqual(log, [1, 2, 3])
    assert.strictEqual(time.run(), "idle")
    assert.deepStrictEqual(log, [1, 2, 3, 4])
  })
})
