/**
 * A call whose every step can be its last: fibres yield after each operation, nothing moves by itself, and the caller goes away after any number of steps.
 *
 * For what must hold however an interruption falls. Timers never fire here, and the store of the ledger takes some steps to answer.
 */
import { Clock, Context, Duration, Effect, Fiber, Layer, Logger, Scheduler, Scope } from "effect"
import { Attempt } from "../src/Attempt.ts"
import { Health } from "../src/Health.ts"
import { Keys } from "../src/Keys.ts"
import { Ledger } from "../src/Ledger.ts"
import { LedgerStore } from "../src/LedgerStore.ts"
import { make } from "../src/Pipeline.ts"
import type { PolicyEncoded } from "../src/Policy.ts"
import { type CallRecord, Recorder } from "../src/Recorder.ts"
import { Slots } from "../src/Slots.ts"
import { compiled, incomingOf, ManualClock, nobodyTold } from "./scripted.ts"

/** A clock whose sleepers never wake, unless they sleep for no time. */
class StoppedClock extends ManualClock {
  override sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Duration.toMillis(duration) === 0 ? Effect.yieldNow : Effect.never
  }
}

export interface Stepped {
  /** Begins a call. */
  readonly call: () => Fiber.Fiber<unknown>
  /** Runs so many steps of whoever is waiting to run; less where nobody is. Gives the number run. */
  readonly steps: (n: number) => number
  readonly ledger: Ledger["Service"]
  readonly health: Health["Service"]
  readonly identity: (target: string) => string
  /** Opens the circuit of a target so long ago that the next call is its probe. */
  readonly trip: (target: string) => void
  readonly records: ReadonlyArray<CallRecord>
  /** How many attempts have been begun. */
  readonly sent: () => number
}

const manySteps = 10_000

/** `run` is the attempt; `drawSteps` is how long the store takes. */
export const stepped = (policy: PolicyEncoded, run: Attempt["Service"]["run"], drawSteps: number): Stepped => {
  const tasks: Array<() => void> = []
  const scheduler: Scheduler.Scheduler = {
    executionMode: "async",
    // Resuming takes two: fewer would never come to the operation itself.
    shouldYield: (fiber) => fiber.currentOpCount >= 3,
    makeDispatcher: () => ({ scheduleTask: (task) => void tasks.push(task), flush: () => {} })
  }
  const records: Array<CallRecord> = []
  let sent = 0
  const store = Layer.effect(
    LedgerStore,
    Effect.map(LedgerStore, ({ draw, open, post }) => ({
      open,
      post,
      draw: (wants) =>
        Array.from({ length: drawSteps }).reduce<ReturnType<typeof draw>>((then) => Effect.andThen(Effect.yieldNow, then), draw(wants))
    }))
  ).pipe(Layer.provide(LedgerStore.layerMemory))
  const services = Layer.mergeAll(
    Layer.succeed(Attempt, {
      run: (...args) => {
        sent++
        return run(...args)
      }
    }),
    Health.layer(),
    Slots.layer,
    Keys.layerNames,
    Ledger.layer.pipe(Layer.provide(store)),
    Recorder.layerOf((record) => void records.push(record))
  )
  const outside = Context.make(Clock.Clock, new StoppedClock()).pipe(
    Context.add(Scheduler.Scheduler, scheduler),
    Context.add(Logger.CurrentLoggers, new Set())
  )

  const steps = (n: number): number => {
    let done = 0
    while (done < n && tasks.length > 0) {
      tasks.shift()!()
      done++
    }
    return done
  }
  /** Runs an effect to its end, one step after the other. */
  const settle = <A>(effect: Effect.Effect<A>): A => {
    const fiber = Effect.runForkWith(outside)(effect)
    steps(manySteps)
    const exit = fiber.pollUnsafe()
    if (exit?._tag !== "Success") throw new Error("it has not come to its end")
    return exit.value
  }

  const context = settle(Layer.buildWithScope(services, Scope.makeUnsafe()))
  const ledger = Context.get(context, Ledger)
  settle(Effect.orDie(ledger.open))
  const pipeline = settle(Effect.provideContext(make(compiled(policy)), context))
  const health = Context.get(context, Health)
  const identity = (target: string): string => pipeline.compiled.targets.get(target)!.identity
  let calls = 0
  return {
    health,
    identity,
    trip: (target) => {
      for (let i = 0; i < 5; i++) health.report(identity(target), "bad", -20_000)
    },
    call: () => Effect.runForkWith(outside)(pipeline.run(incomingOf({ "request.id": `call-${calls++}` }, nobodyTold()))),
    steps,
    ledger,
    records,
    sent: () => sent
  }
}
