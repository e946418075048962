/**
 * Time as data: a heap for a clock and a queue for a scheduler, under which any Effect runs as fast as it can be computed.
 *
 * `Clock` and `Scheduler` are services in Effect, so nothing of what runs here is written twice: fibres that sleep wait in the heap, fibres that yield wait
 * in the queue, and when both are drained nothing is left that could ever happen. The simulator runs the live pipeline so; no other code may.
 *
 * Time is counted in whole microseconds from the start, exact for centuries; it begins at a chosen Unix time for the wall clock and at 0 for the monotonic
 * one. It only moves forward. What is due at one instant runs in the order in which it was asked for, tasks before timers. Sleeping for zero or less yields, as
 * the live clock does; for ever never wakes; anything else takes at least a microsecond.
 *
 * A Promise lives outside: nothing here can wait for one. A fibre that does is unfinished when nothing is left to happen, or comes back between two
 * slices of `run`, where no time is. Both are found, by counting fibres through Effect's own metrics hook, and said aloud.
 *
 * Roads not taken: `TestClock` sorts an array and awaits real macrotasks at each step (50,000 sleepers take it 10 s); a calendar queue is faster than a heap
 * only for millions of open timers; priorities of tasks are ignored, because between two macrotasks of the live scheduler they mean little and the
 * pipeline uses none.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Scheduler from "effect/Scheduler"

/** Something that will happen. */
export interface Timer {
  /** Microseconds from the start. */
  readonly at: number
  /** Ties go by it. */
  readonly order: number
  /** Undefined once it has run or was cancelled. */
  run: (() => void) | undefined
}

/** Why a run stopped: nothing is left to happen, its condition holds, or its steps are used up. */
export type Stopped = "idle" | "enough" | "more"

export interface VirtualTime {
  /** The clock, the scheduler and the count of fibres: everything that runs under virtual time is given these. */
  readonly services: Context.Context<never>
  /** Microseconds from the start. */
  readonly now: () => number
  /** Unix time in milliseconds, whole. */
  readonly wallMillis: () => number
  /** Runs `f` at `at` (microseconds from the start): at once, after what is due already, where that is past; never where it is infinite. */
  readonly schedule: (at: number, f: () => void) => Timer
  readonly cancel: (timer: Timer) => void
  /** Begins `effect` now. */
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  /** Lets time pass until nothing is left to happen, until `enough` holds (asked between two timers), or for so many timers. */
  readonly run: (options?: { readonly steps?: number; readonly enough?: () => boolean }) => Stopped
  /** Fibres that have begun and not ended, whoever has forked them. */
  readonly unfinished: () => number
}

/** Something was done under virtual time that it cannot carry. A defect of the program, never of its input. */
export class VirtualTimeError extends Error {
  override readonly name = "VirtualTimeError"
}

/** Timers and tasks of one instant, after which time is said to stand still. */
const maxPerInstant = 10_000_000

/** Operations of a fibre before it yields, as under the live scheduler. */
const opsBeforeYield = 2_048

/** Cancelled timers are thrown out of the heap when they are at least this many and its larger part. */
const minDead = 1_024

const before = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

/** Milliseconds in whole microseconds: never none for some. */
const toMicros = (millis: number): number => Math.max(1, Math.round(millis * 1_000))

/** Makes a time that starts at `startMillis` (Unix time). `more` is given to everything that runs under it, beside the clock. */
export const make = (startMillis = 0, more: Context.Context<never> = Context.empty()): VirtualTime => {
  const start = Math.floor(startMillis)
  const startNanos = BigInt(start) * 1_000_000n
  let heap: Array<Timer> = []
  let dead = 0
  let order = 0
  let now = 0
  let nanosAt = 0
  let nanos = 0n
  let ready: Array<() => void> = []
  let head = 0
  let atThisInstant = 0
  let fibres = 0
  /** How deep we are in code that time knows of. */
  let inside = 0
  let intruder: string | undefined

  /** Notes what happens while no time is: its moment would be that of the machine. */
  const expectInside = (what: string): void => {
    if (inside === 0) intruder ??= what
  }

  const siftUp = (i: number, timer: Timer): void => {
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (before(heap[parent]!, timer)) break
      heap[i] = heap[parent]!
      i = parent
    }
    heap[i] = timer
  }
  const siftDown = (i: number, timer: Timer): void => {
    const { length } = heap
    for (;;) {
      let child = 2 * i + 1
      if (child >= length) break
      if (child + 1 < length && before(heap[child + 1]!, heap[child]!)) child++
      if (before(timer, heap[child]!)) break
      heap[i] = heap[child]!
      i = child
    }
    heap[i] = timer
  }
  const pop = (): Timer => {
    const top = heap[0]!
    const last = heap.pop()!
    if (heap.length > 0) siftDown(0, last)
    return top
  }
  const compact = (): void => {
    heap = heap.filter((timer) => timer.run !== undefined)
    dead = 0
    for (let i = (heap.length >> 1) - 1; i >= 0; i--) siftDown(i, heap[i]!)
  }

  const schedule = (at: number, f: () => void): Timer => {
    expectInside("a timer was set")
    // Written so that NaN, which has no place in a heap, is now.
    const timer: Timer = { at: at > now ? at : now, order: order++, run: f }
    if (timer.at !== Infinity) siftUp(heap.push(timer) - 1, timer)
    return timer
  }
  const cancel = (timer: Timer): void => {
    if (timer.run === undefined) return
    timer.run = undefined
    if (timer.at === Infinity) return
    dead++
    if (dead >= minDead && dead * 2 > heap.length) compact()
  }

  const wallMillis = (): number => start + Math.floor(now / 1_000)
  const monotonicNanos = (): bigint => {
    if (nanosAt !== now) {
      nanosAt = now
      nanos = BigInt(now) * 1_000n
    }
    return nanos
  }
  const read =
    <A>(f: () => A): (() => A) =>
    () => {
      expectInside("the clock was read")
      return f()
    }
  const [readWall, readMonotonic] = [read(wallMillis), read(monotonicNanos)]
  const readWallNanos = (): bigint => startNanos + readMonotonic()
  const clock: Clock.Clock = {
    currentTimeMillisUnsafe: readWall,
    currentTimeMillis: Effect.sync(readWall),
    currentTimeNanosUnsafe: readWallNanos,
    currentTimeNanos: Effect.sync(readWallNanos),
    monotonicTimeNanosUnsafe: readMonotonic,
    monotonicTimeNanos: Effect.sync(readMonotonic),
    sleep: (duration) => {
      const millis = Duration.toMillis(duration)
      if (millis <= 0) return Effect.yieldNow
      if (millis === Infinity) return Effect.never
      const micros = toMicros(millis)
      return Effect.callback<void>((resume) => {
        const timer = schedule(now + micros, () => resume(Effect.void))
        return Effect.sync(() => cancel(timer))
      })
    }
  }

  const count = (): void => {
    if (++atThisInstant > maxPerInstant) {
      throw new VirtualTimeError(`time stands still at ${now / 1_000} ms: ${maxPerInstant} things have happened at this instant`)
    }
  }
  /** Runs every task that is waiting, and those that they add. Again from within a task it goes on where that one stands. */
  const settle = (): void => {
    // Truncating an empty array costs more than looking at it.
    if (ready.length === 0) return
    while (head < ready.length) {
      const task = ready[head++]!
      if (head === 65_536) {
        ready = ready.slice(head)
        head = 0
      }
      count()
      task()
    }
    ready.length = 0
    head = 0
  }
  const within = <A>(f: () => A): A => {
    inside++
    try {
      return f()
    } finally {
      inside--
    }
  }
  const dispatcher: Scheduler.SchedulerDispatcher = {
    scheduleTask: (task) => {
      expectInside("a fibre was resumed")
      ready.push(task)
    },
    flush: () => within(settle)
  }
  const scheduler: Scheduler.Scheduler = {
    executionMode: "sync",
    shouldYield: (fiber) => fiber.currentOpCount >= opsBeforeYield,
    makeDispatcher: () => dispatcher
  }
  const fibreCount: Metric.FiberRuntimeMetricsService = {
    recordFiberStart: () => {
      expectInside("a fibre began")
      fibres++
    },
    recordFiberEnd: () => {
      expectInside("a fibre ended")
      fibres--
    }
  }
  const services = more.pipe(
    Context.add(Clock.Clock, clock),
    Context.add(Scheduler.Scheduler, scheduler),
    Context.add(Metric.FiberRuntimeMetrics, fibreCount)
  )
  const forkWith = Effect.runForkWith(services)

  const run = (steps: number, enough: (() => boolean) | undefined): Stopped => {
    for (let step = 0; ; step++) {
      settle()
      if (enough?.() === true) return "enough"
      if (step >= steps) return "more"
      let timer: Timer | undefined
      while (heap.length > 0) {
        timer = pop()
        if (timer.run !== undefined) break
        dead--
        timer = undefined
      }
      if (timer === undefined) return "idle"
      if (timer.at !== now) {
        now = timer.at
        atThisInstant = 0
      }
      count()
      const f = timer.run!
      timer.run = undefined
      f()
    }
  }

  return {
    services,
    now: () => now,
    wallMillis,
    schedule: (at, f) => within(() => schedule(at, f)),
    cancel,
    fork: (effect) => within(() => forkWith(effect)),
    run: (options = {}) => {
      if (intruder !== undefined) {
        throw new VirtualTimeError(
          `${intruder} while no virtual time was passing: something under it waits for a Promise, or for a timer of the machine`
        )
      }
      return within(() => run(options.steps ?? Infinity, options.enough))
    },
    unfinished: () => fibres
  }
}
