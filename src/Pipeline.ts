/**
 * One Effect per call: the only module that combines services. What one attempt is stands in `pipeline/attempts.ts`, how attempts follow each other in
 * `pipeline/strategies.ts`.
 *
 * `make` links a compiled policy to the services of its surroundings, once: every route's plan becomes a function that returns the Effect which carries it out,
 * so that nothing is interpreted, provided or looked up per call. The live gateway, the tests and the simulator run this same code under different layers.
 *
 * Times are monotonic milliseconds of the clock that was in scope when the pipeline was made: a wall clock that jumps moves no deadline.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Attempt } from "./Attempt.ts"
import { standingOver } from "./Budgets.ts"
import { type Call, type Denied, type Incoming, type Rejected, type Settled, decisionHeaders } from "./Call.ts"
import type { Compiled } from "./Compile.ts"
import type { TargetHealth } from "./Facts.ts"
import type { Failure, FailureClass } from "./Failure.ts"
import { failed, type GatewayError, missingKey, refuse, unknownKey } from "./GatewayError.ts"
import { Health } from "./Health.ts"
import { type Find, Keys } from "./Keys.ts"
import { Ledger } from "./Ledger.ts"
import { attemptsOver } from "./pipeline/attempts.ts"
import { laneUntil } from "./pipeline/lane.ts"
import { copiesOver, noCopies, startCopies } from "./pipeline/shadow.ts"
import { strategiesOf } from "./pipeline/strategies.ts"
import { Recorder } from "./Recorder.ts"
import { Slots } from "./Slots.ts"
import { utf8Length } from "./Text.ts"

/** The order of a call, the same for every path and dialect. `turnout explain` prints it. */
export const order = [
  "authenticate: whose key is it",
  "parse: is the request well formed",
  "facts: what the policy's rules read of it",
  "decide: the route, every branch and every arm, and what the caller's class may not reach",
  "attempt, for each candidate in turn: place → view health → reserve → send → settle",
  "record: one line, whatever happened"
] as const

export interface Pipeline {
  readonly compiled: Compiled
  /** Whether callers need keys. */
  readonly keyed: boolean
  /** The caller whose secret this is. */
  readonly find: Find
  /** Carries one call out, to its record. Never fails; interruption means that the caller has gone. */
  readonly run: (incoming: Incoming) => Effect.Effect<unknown>
  /** Turns away what never became a call, with its record. */
  readonly refuse: (incoming: Incoming, error: GatewayError) => void
  /** How many copies of calls are under way, which calls do not wait for. */
  readonly copies: () => number
}

const cancelled: Failure = { class: "cancelled", message: "the caller has gone" }
/** A copy has no caller who could go. */
const stoppedShort: Failure = { class: "cancelled", message: "the gateway has stopped" }

/** What says nothing of why there is no answer. */
const stopped: ReadonlySet<FailureClass> = new Set(["cancelled", "escalated"])

/**
 * The makers' SDKs wait for 8 s at most of their own accord, but for as long as `retry-after` says: Anthropic's for days, without a word to whoever waits. So nobody is asked to try again by
 * himself after more than that (openai and @anthropic-ai/sdk, `client.js`, `retryRequest`).
 */
const longestRetryMillis = 8_000

const isError = (value: object): value is GatewayError => "status" in value && "code" in value

/** Links `compiled` to the services in scope. */
export const make = Effect.fnUntraced(function* (compiled: Compiled) {
  const attempt = yield* Attempt
  const health = yield* Health
  const find = (yield* Keys).of(compiled.policy)
  const ledger = yield* Ledger
  const recorder = yield* Recorder
  const slots = yield* Slots
  const clock = yield* Clock.Clock
  const now = (): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

  const { budgets } = compiled

  const healthOf: TargetHealth = (name) => health.view(compiled.targets.get(name)!, now())
  const standing = standingOver(budgets, (binding) => ledger.balance(binding, clock.currentTimeMillisUnsafe()).spentNanoDollars)

  const attempts = attemptsOver({ attempt, health, ledger, slots, clock, now })

  /** A condition that cannot be evaluated lets nothing through. */
  const unevaluable = (reason: string): Effect.Effect<Settled> => {
    const error = refuse("condition_failed", `a condition of the policy could not be evaluated: ${reason}`, { final: true })
    return Effect.succeed<Denied>({ _tag: "Denied", error })
  }

  /** If breakers alone stood in the way of what the caller may use, the first such candidate is probed rather than nothing tried. */
  const probed = (call: Call, rejected: Rejected): Effect.Effect<Settled> => {
    const probe = call.begun === 0 ? attempts.probe(call) : undefined
    if (probe === undefined) return Effect.succeed(rejected)
    // What keeps even the probe out is not what has rejected the candidates.
    return Effect.map(probe, (settled) => (settled._tag === "Rejected" ? rejected : settled))
  }

  /**
   * The first attempt to begin that has failed decides the answer, other than by being stopped; without an attempt, the first rejection in the author's order. An
   * answer that was cut after its commit has its own cause, which the caller has been told in the stream.
   */
  const errorOf = (call: Call, settled: Settled): GatewayError | undefined => {
    if (settled._tag === "Denied") return settled.error
    if (settled._tag === "Attempted") {
      if (settled.failure === undefined) return undefined
      if (settled.committed) return failed(settled.target.name, settled.failure)
    }
    const cause = call.attempts.find(({ failure }) => failure !== undefined && !stopped.has(failure.class))
    if (cause !== undefined) return failed(cause.target.name, cause.failure!)
    return settled._tag === "Attempted" ? failed(settled.target.name, settled.failure!) : settled.error
  }

  const answer = (incoming: Incoming, error: GatewayError, headers: ReadonlyArray<string>): void => {
    if (incoming.reply.begun) return
    const body = incoming.api.errorBody(error)
    const extra: Array<string> = ["content-type", "application/json", "content-length", String(utf8Length(body))]
    if (error.retryAfterMillis !== undefined) extra.push("retry-after", String(Math.max(1, Math.ceil(error.retryAfterMillis / 1_000))))
    if (error.final === true || (error.retryAfterMillis ?? 0) > longestRetryMillis) extra.push("x-should-retry", "false")
    incoming.reply.begin(error.status, [...extra, ...headers])
    incoming.reply.end(body)
  }

  const finish = (call: Call, settled: Settled): void => {
    const error = errorOf(call, settled)
    const ended = settled._tag === "Attempted" ? settled.endedMillis : now() - call.began
    const committed = settled._tag === "Attempted" && settled.committed
    try {
      // What was paid for in vain, and thrown away, would be paid for again.
      if (error !== undefined) answer(call.incoming, call.begun > 0 ? { ...error, final: true } : error, decisionHeaders(call, undefined))
    } finally {
      recorder.record({
        time: call.time,
        id: call.id,
        api: call.api,
        ending: error === undefined ? "served" : call.attempts.length > 0 ? "failed" : "refused",
        status: error === undefined || committed ? 200 : error.status,
        durationMillis: ended,
        error,
        call,
        served: settled._tag === "Attempted" && (settled.failure === undefined || committed) ? settled.target : undefined
      })
    }
  }

  /** Records a call that did not come to its end: its caller has gone, something of ours has thrown, or it is a copy that is not made. */
  const gone = (call: Call, ending: "cancelled" | "failed" | "refused", error: GatewayError, status = error.status): void =>
    recorder.record({
      time: call.time,
      id: call.id,
      api: call.api,
      ending,
      status,
      durationMillis: now() - call.began,
      error,
      call,
      served: undefined
    })

  /** Ends a call for a reason of ours: what has begun must not look finished. */
  const cutOff = (call: Call, error: GatewayError): void => {
    const { api, reply } = call.incoming
    const { begun } = reply
    try {
      if (begun) reply.end(call.ask.stream ? api.errorEvent(error) : undefined)
      else answer(call.incoming, error, decisionHeaders(call, undefined))
    } finally {
      gone(call, "failed", error, begun ? 200 : error.status)
    }
  }

  /** What is left to do when a call has come to an end, with its record. */
  const end = (call: Call, exit: Exit.Exit<Settled>): Effect.Effect<void> => {
    if (Exit.isSuccess(exit)) {
      finish(call, exit.value)
      return Effect.void
    }
    if (Exit.hasInterrupts(exit)) {
      const stop = call.shadowOf === undefined ? call.incoming.stopped?.() : undefined
      const failure = call.shadowOf === undefined && stop === undefined ? cancelled : stoppedShort
      attempts.abandon(call, failure)
      if (stop === undefined) gone(call, "cancelled", failed("", failure))
      else cutOff(call, stop)
      return Effect.void
    }
    attempts.abandon(call, { class: "malformed", message: "the gateway failed while handling the answer" })
    cutOff(call, refuse("internal_error", "the gateway has failed; its log says why"))
    return Effect.logError(`call ${call.id} failed inside the gateway`, exit.cause)
  }

  /** A call that was refused costs nothing, so it is not copied either; and when the gateway stops nothing begins. */
  const carryOut = (call: Call, strategy: Effect.Effect<Settled>): Effect.Effect<Settled> =>
    Effect.onExit(strategy, (exit) => {
      const rest = end(call, exit)
      if (call.begun > 0 && call.incoming.stopped?.() === undefined) startCopies(call)
      call.copies = noCopies
      return rest
    })

  const copies = copiesOver({ carryOut, clock, drop: (copy, error) => gone(copy, "refused", error), now })
  const link = strategiesOf(compiled, { attempts, copies, health, clock, now })
  const steps = compiled.routes.map((route) => link(route.plan))
  slots.declare(compiled.targets.values())

  /** A call that ends before it is decided. */
  const turnAway = (incoming: Incoming, error: GatewayError, time: number, began: number): void => {
    answer(incoming, error, ["x-request-id", incoming.id])
    recorder.record({
      time,
      id: incoming.id,
      api: incoming.api.name,
      ending: "refused",
      status: error.status,
      durationMillis: now() - began,
      error,
      call: undefined,
      served: undefined
    })
  }

  /** Nothing below may be left unanswered, should reading or deciding throw (a body that is nested beyond the stack). */
  const run = (incoming: Incoming): Effect.Effect<unknown> =>
    Effect.suspend(() => {
      const time = clock.currentTimeMillisUnsafe()
      const began = now()
      try {
        return begin(incoming, time, began)
      } catch (error) {
        turnAway(incoming, refuse("internal_error", "the gateway has failed; its log says why"), time, began)
        return Effect.logError(`call ${incoming.id} failed before it was decided`, Cause.die(error))
      }
    })

  const begin = (incoming: Incoming, time: number, began: number): Effect.Effect<unknown> => {
    const caller = find(incoming.secret)
    if (caller === undefined) {
      turnAway(incoming, incoming.secret === undefined ? missingKey : unknownKey, time, began)
      return Effect.void
    }
    const parsed = incoming.parse()
    if (isError(parsed)) {
      turnAway(incoming, parsed, time, began)
      return Effect.void
    }
    const { ask } = parsed
    const facts = compiled.facts.read({ id: incoming.id, api: incoming.api.name, ask, caller, time, standing, health: healthOf })
    const decision = compiled.decide(facts)
    const { limits } = compiled.routes[decision.route]!
    const bindings = budgets.of(caller)
    const call: Call = {
      id: incoming.id,
      api: incoming.api.name,
      ask,
      standing,
      health: healthOf,
      limits,
      bounded: bindings.length > 0 || limits.effortNanoDollars !== Infinity,
      bindings,
      incoming,
      parsed,
      caller,
      compiled,
      facts,
      decision,
      time,
      began,
      attempts: [],
      rejections: [],
      underway: [],
      begun: 0,
      spentNanoDollars: 0,
      shadowOf: undefined,
      copies: noCopies
    }
    return carryOut(
      call,
      Effect.flatMap(
        decision.threw === undefined ? steps[decision.route]!(call, laneUntil(began + limits.effortMillis)) : unevaluable(decision.threw),
        (settled) => (settled._tag === "Rejected" ? probed(call, settled) : Effect.succeed(settled))
      )
    )
  }

  const pipeline: Pipeline = {
    compiled,
    keyed: Object.keys(compiled.policy.keys).length > 0,
    find,
    run,
    refuse: (incoming, error) => turnAway(incoming, error, clock.currentTimeMillisUnsafe(), now()),
    copies: copies.underway
  }
  return pipeline
})
