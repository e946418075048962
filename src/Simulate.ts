/**
 * A day of traffic in seconds: the compiled pipeline, its ledger and its breakers, unchanged, under virtual time and a model of the providers.
 *
 * What is counted is what the policy did to this traffic; what providers do is assumed (`simulate/Model.ts`), and a report says of every number which of
 * the two it is. Calls begin one at a time, the next when the last has come, so traffic may be longer than memory. The same inputs and
 * seed give the same report, byte for byte: nothing here reads a clock, a random source or a locale of the machine.
 *
 * `make` gives a simulation that is driven in slices, so that a process stays responsive between them; `simulate` drives one to its end. An error inside the
 * pipeline, a call that never ends, and a reservation that nobody settles end it loudly.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import type { Attempt } from "./Attempt.ts"
import type { Compiled } from "./Compile.ts"
import { Health, type HealthOptions } from "./Health.ts"
import { Keys } from "./Keys.ts"
import { Ledger } from "./Ledger.ts"
import * as Pipeline from "./Pipeline.ts"
import { type CallRecord, Recorder } from "./Recorder.ts"
import { Arrival } from "./simulate/Arrival.ts"
import { Budgets } from "./simulate/Budgets.ts"
import type { Callers } from "./simulate/Callers.ts"
import type { Model } from "./simulate/Model.ts"
import * as ModelledAttempt from "./simulate/ModelledAttempt.ts"
import { type Report, reportOf } from "./simulate/Report.ts"
import { hasOpened, Tally } from "./simulate/Tally.ts"
import type { Row, Traffic, TrafficProblem } from "./simulate/Traffic.ts"
import { showSpan } from "./simulate/Time.ts"
import { Slots } from "./Slots.ts"
import * as VirtualTime from "./VirtualTime.ts"

// The door of `simulate/`: what whoever reads files and prints reports needs of it.
export { callers, type CallerOptions } from "./simulate/Callers.ts"
export { placeOf, type Problem, problemsOf, render, unknownName } from "./simulate/Form.ts"
export { assumedModel, type Model, parseModel, problemsWithTimes } from "./simulate/Model.ts"
export type { Report } from "./simulate/Report.ts"
export { count, toJson, toText } from "./simulate/Table.ts"
export { parseTime, showSpan } from "./simulate/Time.ts"
export { open, repeated } from "./simulate/Traffic.ts"

/** When traffic does not say when it starts: a Monday, so that a year of it has whole weeks. */
export const usualStart = Date.UTC(2026, 0, 5)

export interface Options {
  readonly model: Model
  readonly callers: Callers
  readonly seed: number
  /** Unix milliseconds at which virtual time starts; the traffic's own where absent, else `usualStart`. */
  readonly startMillis?: number | undefined
  readonly health?: HealthOptions
  /** Told of every record, in the order in which calls end. */
  readonly onRecord?: (record: CallRecord) => void
  /** Another way to play the providers than the model. */
  readonly attempt?: (time: VirtualTime.VirtualTime) => Layer.Layer<Attempt>
}

/** Why a simulation has no report to trust. */
export const Reason = Schema.TaggedUnion({
  /** A line of the traffic cannot be read. */
  BadTraffic: { line: Schema.Int, message: Schema.String },
  /** Something in the pipeline threw. */
  Broken: { message: Schema.String },
  /** Nothing is left to happen, or nothing but what goes on for ever, and calls have not ended. */
  Unfinished: { message: Schema.String }
})

export class SimulationError extends Schema.TaggedError<SimulationError>()("SimulationError", { reason: Reason }) {
  override get message() {
    const { reason } = this
    return reason._tag === "BadTraffic" ? `line ${reason.line}: ${reason.message}` : `the simulation has failed: ${reason.message}`
  }
}

const fail = (reason: typeof Reason.Type): never => {
  throw new SimulationError({ reason })
}

/** How far a simulation has come. */
export interface Progress {
  readonly calls: number
  /** Microseconds of virtual time. */
  readonly at: number
}

export interface Simulation {
  /** Goes on for about so many steps; throws a `SimulationError`, after which it must not be called again. */
  readonly runUnsafe: (steps: number) => "more" | "done"
  readonly progress: () => Progress
  /** What has been seen so far; partial until it is done. */
  readonly report: () => Report
}

/** The longest that a call may go on after the last one has begun, where something else keeps time passing. */
const patienceMicros = 7 * 86_400 * 1_000_000

/** Steps that beginning and ending may take. */
const patienceSteps = 1_000_000

/** A simulation of `traffic` through `compiled`: a model of the providers, and every other service as it is live, in memory. */
export const make = (compiled: Compiled, traffic: Traffic, options: Options): Simulation => {
  const { callers, model, seed } = options
  const startMillis = Math.floor(options.startMillis ?? traffic.startMillis ?? usualStart)

  let logged: string | undefined
  const logger = Logger.make<unknown, void>(({ cause, logLevel, message }) => {
    if (logLevel !== "Error" && logLevel !== "Fatal") return
    const said = (Array.isArray(message) ? message : [message]).map(String).join(" ")
    logged ??= cause.reasons.length === 0 ? said : `${said}: ${Cause.pretty(cause)}`
  })
  const time = VirtualTime.make(startMillis, Context.make(Logger.CurrentLoggers, new Set([logger])))
  const tally = new Tally(compiled)
  const scope = Scope.makeUnsafe()
  let budgets: Budgets | undefined
  let begun = 0
  let ended = 0
  let exhausted = false
  let trouble: TrafficProblem | undefined
  let done = false
  let pipeline: Pipeline.Pipeline | undefined

  const watchedHealth = Layer.effect(
    Health,
    Effect.map(Health, (health): Health["Service"] => {
      const openFor = (identity: string, now: number): number => {
        const { open } = health
        return open(now).find((circuit) => circuit.identity === identity)?.forMillis ?? 0
      }
      return {
        ...health,
        report: (identity, verdict, now, ticket) => {
          if (verdict !== "bad") return health.report(identity, verdict, now, ticket)
          const before = openFor(identity, now)
          health.report(identity, verdict, now, ticket)
          if (hasOpened(verdict, before, openFor(identity, now))) tally.opened(identity)
        }
      }
    })
  ).pipe(Layer.provide(Health.layer(options.health)))
  const watchedLedger = Layer.effect(
    Ledger,
    Effect.map(Ledger, (ledger) => {
      budgets = new Budgets(ledger, time)
      return budgets.ledger()
    })
  ).pipe(Layer.provide(Ledger.layerMemory))
  const services = Layer.mergeAll(
    options.attempt?.(time) ?? ModelledAttempt.layer({ model, seed, startMillis, time }),
    watchedHealth,
    watchedLedger,
    Slots.layer,
    Keys.layerNames,
    Recorder.layerOf((record) => {
      if (record.call?.shadowOf === undefined) ended++
      tally.record(record)
      options.onRecord?.(record)
    })
  )

  /** Carries out what belongs to beginning and ending, which must not take for ever. */
  const carryOut = <A>(effect: Effect.Effect<A, unknown>, what: string): A => {
    const fiber: Fiber.Fiber<A, unknown> = time.fork(effect)
    time.run({ steps: patienceSteps, enough: () => fiber.pollUnsafe() !== undefined })
    const exit = fiber.pollUnsafe()
    if (exit === undefined) return fail({ _tag: "Unfinished", message: `${what} waits for something outside virtual time` })
    return Exit.isSuccess(exit) ? exit.value : fail({ _tag: "Broken", message: `${what}: ${Cause.pretty(exit.cause)}` })
  }

  /** The first call is scheduled when the simulation first runs. */
  const start = (): Pipeline.Pipeline => {
    const linked = carryOut(
      Effect.flatMap(Layer.buildWithScope(services, scope), (context) =>
        Effect.andThen(Context.get(context, Ledger).open, Effect.provideContext(Pipeline.make(compiled), context))
      ),
      "the start of the services"
    )
    schedule()
    return linked
  }

  let ahead: Row | undefined
  /** When the latest call began. */
  let lastAt = 0
  const schedule = (): void => {
    const row = traffic.next()
    if (row === undefined || "_tag" in row) {
      exhausted = true
      trouble = row
      return
    }
    ahead = row
    time.schedule(row.at, arrive)
  }
  const arrive = (): void => {
    const row = ahead!
    lastAt = row.at
    const number = begun++
    const key = callers.keyOf(row, number)
    time.fork(pipeline!.run(new Arrival(number, row, key, callers.modelOf(row, key))))
    schedule()
  }

  const enough = (): boolean => (exhausted && begun === ended && pipeline?.copies() === 0) || trouble !== undefined || logged !== undefined
  const check = (): void => {
    if (logged !== undefined || tally.broken !== undefined) {
      fail({ _tag: "Broken", message: logged ?? `call \`${tally.broken!.id}\` failed inside the pipeline` })
    }
    if (trouble !== undefined) fail({ _tag: "BadTraffic", line: trouble.line, message: trouble.message })
  }
  const counted = (n: number, word: string): string => `${n} ${word}${n === 1 ? "" : "s"}`

  const finish = (): void => {
    carryOut(Scope.close(scope, Exit.void), "the end of the services")
    time.run({ steps: patienceSteps, enough: () => time.unfinished() === 0 })
    check()
    const fibres = time.unfinished()
    if (fibres > 0) {
      fail({
        _tag: "Unfinished",
        message: `every call has ended, but ${counted(fibres, "fibre")} of the pipeline ${fibres === 1 ? "has" : "have"} not`
      })
    }
    const held = budgets!.open
    if (held > 0)
      fail({ _tag: "Unfinished", message: `every call has ended, but ${counted(held, "reservation")} was never settled or released` })
    done = true
  }
  const stuck = (why: string): never =>
    fail({
      _tag: "Unfinished",
      message:
        `${counted(begun - ended, "call")} of ${begun} did not end: ${why} at ${showSpan(time.now())}, ` +
        "so the pipeline waits for a Promise, or for something that nobody completes"
    })

  const runUnsafe = (steps: number): "more" | "done" => {
    if (done) return "done"
    try {
      pipeline ??= start()
      check()
      const stopped = time.run({ steps, enough })
      check()
      if (exhausted && !enough() && time.now() - lastAt > patienceMicros) stuck("only timers are left")
      if (stopped === "more") return "more"
      if (stopped === "idle" && !enough()) stuck("nothing is left to happen")
      finish()
      return "done"
    } catch (error) {
      if (error instanceof VirtualTime.VirtualTimeError) fail({ _tag: "Broken", message: error.message })
      throw error
    }
  }

  return {
    runUnsafe,
    progress: () => ({ calls: begun, at: time.now() }),
    report: () =>
      reportOf({
        compiled,
        tally,
        budgets,
        model,
        seed,
        startMillis,
        traffic: traffic.format,
        at: time.now(),
        begun,
        partial: !done
      })
  }
}

/** Steps of virtual time between two macrotasks: a few milliseconds. */
export const sliceSteps = 2_000

/** Drives a simulation to its end, giving way to the process between slices. Interrupting it leaves the simulation as it is, for a partial report. */
export const drive = (simulation: Simulation, onProgress?: (progress: Progress) => void): Effect.Effect<Report, SimulationError> => {
  const slice: Effect.Effect<Report, SimulationError> = Effect.suspend(() => {
    let stopped: "more" | "done"
    try {
      stopped = simulation.runUnsafe(sliceSteps)
    } catch (error) {
      if (error instanceof SimulationError) return Effect.fail(error)
      throw error
    }
    onProgress?.(simulation.progress())
    return stopped === "done" ? Effect.sync(simulation.report) : Effect.andThen(Effect.yieldNow, slice)
  })
  return slice
}

/** Runs `traffic` through `compiled` to its end. */
export const simulate = (compiled: Compiled, traffic: Traffic, options: Options): Effect.Effect<Report, SimulationError> =>
  Effect.suspend(() => drive(make(compiled, traffic, options)))
