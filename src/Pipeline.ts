/**
 * One Effect per call: the only module that combines services.
 *
 * `make` links a compiled policy to the services of its surroundings, once: every route's plan becomes a function that returns the Effect which carries it out,
 * so that nothing is interpreted, provided or looked up per call. The live gateway, the tests and the simulator run this same code under different layers.
 *
 * Outcomes are values and travel in the success channel: `first` looks at a class and moves on, an exhausted one gives back its last failure, so that
 * nesting it changes nothing. A deadline is a number that only shrinks on the way down (see `Attempt.ts`).
 *
 * Times are monotonic milliseconds of the clock that was in scope when the pipeline was made: a wall clock that jumps moves no deadline.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Match from "effect/Match"
import { Attempt, type Outcome } from "./Attempt.ts"
import {
  type Attempted,
  type Call,
  type Denied,
  type Incoming,
  type Rejected,
  type Settled,
  type Underway,
  decisionHeaders
} from "./Call.ts"
import type { Compiled, Plan } from "./Compile.ts"
import type { Failure } from "./Failure.ts"
import { denied, failed, type GatewayError, refuse } from "./GatewayError.ts"
import { Health, verdictOf } from "./Health.ts"
import { Keys } from "./Keys.ts"
import { Ledger, type Refusal, type Reservation } from "./Ledger.ts"
import { costOf } from "./Money.ts"
import { utf8Length } from "./Text.ts"
import { Recorder } from "./Recorder.ts"
import type { Target } from "./Target.ts"

/** The order of a call, the same for every path and dialect. `turnout explain` prints it. */
export const order = [
  "authenticate: whose key is it",
  "parse: is the request well formed",
  "facts: what the policy's rules read of it",
  "decide: the route, every branch and every arm",
  "attempt, for each candidate in turn: view health → reserve → send → settle",
  "record: one line, whatever happened"
] as const

export interface Pipeline {
  readonly compiled: Compiled
  /** Carries one call out, to its record. Never fails; interruption means that the caller has gone. */
  readonly run: (incoming: Incoming) => Effect.Effect<unknown>
  /** Turns away what never became a call, with its record. */
  readonly refuse: (incoming: Incoming, error: GatewayError) => void
}

/** A strategy linked to its services: takes the call and the deadline of its surroundings. */
type Step = (call: Call, commitBy: number) => Effect.Effect<Settled>

const cancelled: Failure = { class: "cancelled", message: "the caller has gone" }

const isError = (value: object): value is GatewayError => "status" in value && "code" in value

/** `flatMap`, at once where the first effect is a value already: services in memory answer so, and a step of the fibre costs more than their answer. */
const andThen = <A, B>(effect: Effect.Effect<A>, f: (value: A) => Effect.Effect<B>): Effect.Effect<B> =>
  Exit.isExit(effect) && Exit.isSuccess(effect) ? f(effect.value as A) : Effect.flatMap(effect, f)

/** Links `compiled` to the services in scope. */
export const make = Effect.fnUntraced(function* (compiled: Compiled) {
  const attempt = yield* Attempt
  const health = yield* Health
  const keys = yield* Keys
  const ledger = yield* Ledger
  const recorder = yield* Recorder
  const clock = yield* Clock.Clock
  const now = (): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

  const reject = (call: Call, rejected: Rejected): Effect.Effect<Settled> => {
    call.rejections.push(rejected)
    return Effect.succeed(rejected)
  }

  /** Writes down what an attempt came to, on every way out of it. */
  const conclude = (call: Call, { probe, startedAt, target }: Underway, outcome: Outcome): Attempted => {
    const endedAt = now()
    health.report(target.identity, verdictOf(outcome.failure?.class), endedAt)
    const attempted: Attempted = {
      _tag: "Attempted",
      target,
      failure: outcome.failure,
      committed: outcome.committed,
      status: outcome.status,
      usage: outcome.usage,
      losses: outcome.losses,
      startedMillis: startedAt - call.began,
      firstTokenMillis: outcome.firstTokenAt === undefined ? undefined : outcome.firstTokenAt - call.began,
      endedMillis: endedAt - call.began,
      nanoDollars: outcome.usage === undefined ? undefined : costOf(target, outcome.usage),
      probe
    }
    call.attempts.push(attempted)
    return attempted
  }

  /** The attempt, where a layer that throws instead of giving an Effect dies like any other, within its call. */
  const started = (call: Call, target: Target, commitBy: number): Effect.Effect<Outcome> => {
    try {
      return attempt.run(call, target, { commitBy })
    } catch (error) {
      return Effect.die(error)
    }
  }

  /** Reserves for an admitted candidate, which may hold the probe's place: where it is never sent, the place is given back. */
  const reserve = (call: Call, target: Target, startedAt: number): Effect.Effect<Reservation | Refusal> => {
    const reserving = ledger.reserve(call, target)
    if (Exit.isExit(reserving) && Exit.isSuccess(reserving)) return reserving
    return Effect.onExit(reserving, (exit) => {
      if (Exit.isFailure(exit)) health.report(target.identity, "neutral", startedAt)
      return Effect.void
    })
  }

  const send = (
    call: Call,
    target: Target,
    commitBy: number,
    startedAt: number,
    probe: boolean,
    held: Reservation | Refusal
  ): Effect.Effect<Settled> => {
    if (held._tag === "Refusal") {
      health.report(target.identity, "neutral", startedAt)
      return reject(call, { _tag: "Rejected", target: target.name, by: "budget", error: held.error })
    }
    const underway: Underway = { target, startedAt, probe, held }
    call.underway.push(underway)
    return andThen(started(call, target, commitBy), (outcome) => {
      call.underway.splice(call.underway.indexOf(underway), 1)
      const attempted = conclude(call, underway, outcome)
      return andThen(ledger.settle(held, attempted.nanoDollars), () => Effect.succeed(attempted))
    })
  }

  /** Ends what was under way when its call was given up: an attempt that was sent may have been billed, so it settles as estimated. */
  const abandon = (call: Call, failure: Failure): Effect.Effect<void> =>
    Effect.forEach(
      call.underway.splice(0),
      (underway) => {
        const { begun: committed } = call.incoming.reply
        conclude(call, underway, { failure, committed, status: undefined, usage: undefined, firstTokenAt: undefined, losses: [] })
        return ledger.settle(underway.held, undefined)
      },
      { discard: true }
    )

  const tryTarget = (call: Call, target: Target, commitBy: number): Effect.Effect<Settled> => {
    const startedAt = now()
    if (startedAt >= commitBy) {
      return reject(call, {
        _tag: "Rejected",
        target: target.name,
        by: "deadline",
        error: refuse("deadline_exceeded", `no time was left to try \`${target.name}\``)
      })
    }
    if (!health.admits(target.identity, startedAt)) {
      const error = refuse("no_target_available", `target \`${target.name}\` has failed repeatedly and is not tried for now`)
      return reject(call, { _tag: "Rejected", target: target.name, by: "breaker", error, candidate: { target, commitBy } })
    }
    return andThen(reserve(call, target, startedAt), (held) => send(call, target, commitBy, startedAt, false, held))
  }

  const asked: Step = (call, commitBy) => {
    const resolution = call.decision.asked!
    if (resolution._tag === "Found") return tryTarget(call, resolution.target, commitBy)
    const { model } = call.ask
    if (resolution._tag === "Ambiguous") {
      const error = refuse(
        "model_ambiguous",
        `model \`${model}\` could be ${resolution.targets.map((name) => `\`${name}\``).join(" or ")}: ask for one of these`,
        { param: "model", final: true }
      )
      return reject(call, { _tag: "Rejected", target: model, by: "ambiguous-model", error })
    }
    const near = compiled.models.suggest(model)
    const hint =
      near.length === 0 ? "`GET /v1/models` lists what there is" : `did you mean ${near.map((name) => `\`${name}\``).join(", ")}?`
    const error = refuse("model_not_found", `unknown model \`${model.slice(0, 256)}\`; ${hint}`, { param: "model", final: true })
    return reject(call, { _tag: "Rejected", target: model.slice(0, 256), by: "unknown-model", error })
  }

  const first = (steps: ReadonlyArray<Step>, moveOn: (attempted: Attempted) => boolean): Step => {
    const go = (i: number, call: Call, commitBy: number, failure: Attempted | undefined): Effect.Effect<Settled> => {
      const step = steps[i]!(call, commitBy)
      return Effect.flatMap(step, (settled) => {
        const over = i + 1 === steps.length
        switch (settled._tag) {
          case "Denied":
            return Effect.succeed(settled)
          case "Rejected":
            return over ? Effect.succeed(failure ?? settled) : go(i + 1, call, commitBy, failure)
          case "Attempted":
            return over || settled.failure === undefined || settled.committed || !moveOn(settled)
              ? Effect.succeed(settled)
              : go(i + 1, call, commitBy, settled)
        }
      })
    }
    return (call, commitBy) => go(0, call, commitBy, undefined)
  }

  const link: (plan: Plan) => Step = Match.typeTags<Plan>()({
    Send:
      ({ target }): Step =>
      (call, commitBy) =>
        tryTarget(call, target, commitBy),
    Asked: (): Step => asked,
    Deny: ({ code, message, status }): Step => {
      const settled = Effect.succeed<Denied>({ _tag: "Denied", error: denied(status, code, message) })
      return () => settled
    },
    // INVARIANT: a failed attempt has a failure.
    First: ({ of, on }): Step => (of.length === 1 ? link(of[0]!) : first(of.map(link), (attempted) => on.has(attempted.failure!.class))),
    Split: ({ arms, slot }): Step => {
      const steps = arms.map((arm) => link(arm.plan))
      return (call, commitBy) => steps[call.decision.slots[slot]!]!(call, commitBy)
    },
    When: ({ otherwise, slot, then }): Step => {
      const steps = [link(otherwise), link(then)]
      return (call, commitBy) => steps[call.decision.slots[slot]!]!(call, commitBy)
    },
    Within: ({ millis, of }): Step => {
      const step = link(of)
      return (call, commitBy) => step(call, Math.min(commitBy, now() + millis))
    }
  })
  const steps = compiled.routes.map((route) => link(route.plan))

  /** If breakers alone stood in the way, the first permitted candidate is probed rather than nothing tried. */
  const probed = (call: Call, settled: Settled): Effect.Effect<Settled> => {
    if (settled._tag !== "Rejected" || call.attempts.length > 0 || !call.rejections.every((rejection) => rejection.by === "breaker"))
      return Effect.succeed(settled)
    const { commitBy, target } = call.rejections[0]!.candidate!
    const startedAt = now()
    return Effect.flatMap(reserve(call, target, startedAt), (held) => send(call, target, commitBy, startedAt, true, held))
  }

  /**
   * The first failed attempt decides the answer; without an attempt, the first rejection in the author's order. An answer that was cut after its commit
   * has its own cause, which the caller has been told in the stream.
   */
  const errorOf = (call: Call, settled: Settled): GatewayError | undefined => {
    if (settled._tag === "Denied") return settled.error
    if (settled._tag === "Attempted") {
      if (settled.failure === undefined) return undefined
      if (settled.committed) return failed(settled.target.name, settled.failure)
    }
    const cause = call.attempts.find((attempted) => attempted.failure !== undefined)
    if (cause !== undefined) return failed(cause.target.name, cause.failure!)
    return call.rejections[0]!.error
  }

  const answer = (incoming: Incoming, error: GatewayError, headers: ReadonlyArray<string>): void => {
    if (incoming.reply.begun) return
    const body = incoming.api.errorBody(error)
    const extra: Array<string> = ["content-type", "application/json", "content-length", String(utf8Length(body))]
    if (error.retryAfterMillis !== undefined) extra.push("retry-after", String(Math.max(1, Math.ceil(error.retryAfterMillis / 1_000))))
    if (error.final === true) extra.push("x-should-retry", "false")
    incoming.reply.begin(error.status, [...extra, ...headers])
    incoming.reply.end(body)
  }

  const finish = (call: Call, settled: Settled): void => {
    const error = errorOf(call, settled)
    const ended = settled._tag === "Attempted" ? settled.endedMillis : now() - call.began
    if (error !== undefined) answer(call.incoming, error, decisionHeaders(call, undefined, call.attempts.length))
    const committed = settled._tag === "Attempted" && settled.committed
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
    const caller = keys.find(incoming.secret)
    if (caller === undefined) {
      turnAway(incoming, refuse("invalid_api_key", "the key is not known here", { final: true }), time, began)
      return Effect.void
    }
    const parsed = incoming.parse()
    if (isError(parsed)) {
      turnAway(incoming, parsed, time, began)
      return Effect.void
    }
    const { ask } = parsed
    const facts = compiled.facts.read({ id: incoming.id, api: incoming.api.name, ask, caller })
    const decision = compiled.decide(facts)
    const call: Call = {
      id: incoming.id,
      api: incoming.api.name,
      ask,
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
      underway: []
    }
    return Effect.onExit(
      Effect.flatMap(steps[decision.route]!(call, Infinity), (settled) =>
        settled._tag === "Rejected" ? probed(call, settled) : Effect.succeed(settled)
      ),
      (exit) => {
        if (Exit.isSuccess(exit)) {
          finish(call, exit.value)
          return Effect.void
        }
        return Exit.hasInterrupts(exit)
          ? Effect.map(abandon(call, cancelled), () => gone(call, "cancelled", failed("", cancelled)))
          : Effect.flatMap(abandon(call, { class: "malformed", message: "the gateway failed while handling the answer" }), () => {
              const error = refuse("internal_error", "the gateway has failed; its log says why")
              const { api, reply } = call.incoming
              if (reply.begun) reply.end(call.ask.stream ? api.errorEvent(error) : undefined)
              else answer(call.incoming, error, decisionHeaders(call, undefined, call.attempts.length))
              gone(call, "failed", error)
              return Effect.logError(`call ${call.id} failed inside the gateway`, exit.cause)
            })
      }
    )
  }

  /** Records a call that did not come to its end: its caller has gone, or something of ours has thrown. */
  const gone = (call: Call, ending: "cancelled" | "failed", error: GatewayError): void =>
    recorder.record({
      time: call.time,
      id: call.id,
      api: call.api,
      ending,
      status: error.status,
      durationMillis: now() - call.began,
      error,
      call,
      served: undefined
    })

  const pipeline: Pipeline = {
    compiled,
    run,
    refuse: (incoming, error) => turnAway(incoming, error, clock.currentTimeMillisUnsafe(), now())
  }
  return pipeline
})
