/**
 * One Effect per call: the only module that combines services. What one attempt is stands in `pipeline/attempts.ts`, how attempts follow each other here.
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
import { Attempt } from "./Attempt.ts"
import { standingOver } from "./Budgets.ts"
import { type Attempted, type Call, type Denied, type Incoming, type Settled, decisionHeaders } from "./Call.ts"
import type { Compiled, Plan } from "./Compile.ts"
import type { Failure } from "./Failure.ts"
import { denied, failed, type GatewayError, missingKey, refuse, unknownKey } from "./GatewayError.ts"
import { Health } from "./Health.ts"
import { type Find, Keys } from "./Keys.ts"
import { Ledger } from "./Ledger.ts"
import { attemptsOver } from "./pipeline/attempts.ts"
import { Recorder } from "./Recorder.ts"
import { utf8Length } from "./Text.ts"

/** The order of a call, the same for every path and dialect. `turnout explain` prints it. */
export const order = [
  "authenticate: whose key is it",
  "parse: is the request well formed",
  "facts: what the policy's rules read of it",
  "decide: the route, every branch and every arm, and what the caller's class may not reach",
  "attempt, for each candidate in turn: view health → reserve → send → settle",
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
}

/** A strategy linked to its services: takes the call and the deadline of its surroundings. */
type Step = (call: Call, commitBy: number) => Effect.Effect<Settled>

const cancelled: Failure = { class: "cancelled", message: "the caller has gone" }

const isError = (value: object): value is GatewayError => "status" in value && "code" in value

/** Links `compiled` to the services in scope. */
export const make = Effect.fnUntraced(function* (compiled: Compiled) {
  const attempt = yield* Attempt
  const health = yield* Health
  const find = (yield* Keys).of(compiled.policy)
  const ledger = yield* Ledger
  const recorder = yield* Recorder
  const clock = yield* Clock.Clock
  const now = (): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

  const { budgets, grants } = compiled

  const standing = standingOver(budgets, (binding) => ledger.balance(binding, clock.currentTimeMillisUnsafe()).spentNanoDollars)

  const { abandon, notGranted, probe, reject, tryTarget } = attemptsOver({ attempt, health, ledger, clock, now })

  const asked: Step = (call, commitBy) => {
    const resolution = call.decision.asked!
    if (resolution._tag === "Found") return tryTarget(call, resolution.target, commitBy)
    if (resolution._tag === "NotGranted") return notGranted(call, resolution.target, resolution.rule)
    const { model } = call.ask
    const grant = grants(call.caller.class)
    if (resolution._tag === "Ambiguous") {
      // INVARIANT: only declared targets share a spelling. Names that the caller may not use are none of its business.
      const names = resolution.targets.filter((name) => grant(compiled.targets.get(name)!) === undefined)
      const which = names.length === 0 ? "stands for several targets" : `could be ${names.map((name) => `\`${name}\``).join(" or ")}`
      const error = refuse("model_ambiguous", `model \`${model}\` ${which}: ask for one target by its name`, {
        param: "model",
        final: true
      })
      return reject(call, { _tag: "Rejected", target: model, by: "ambiguous-model", error })
    }
    const near = compiled.models.suggest(model, (target) => grant(target) === undefined)
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
      ({ slot, target }): Step =>
      (call, commitBy) =>
        slot !== -1 && call.decision.slots[slot] === 1
          ? notGranted(call, target, grants(call.caller.class)(target)!)
          : tryTarget(call, target, commitBy),
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

  /** If breakers alone stood in the way of what the caller may use, the first such candidate is probed rather than nothing tried. */
  const probed = (call: Call, settled: Settled): Effect.Effect<Settled> =>
    (settled._tag === "Rejected" && call.attempts.length === 0 ? probe(call) : undefined) ?? Effect.succeed(settled)

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
    const facts = compiled.facts.read({ id: incoming.id, api: incoming.api.name, ask, caller, standing })
    const decision = compiled.decide(facts)
    const call: Call = {
      id: incoming.id,
      api: incoming.api.name,
      ask,
      standing,
      bindings: budgets.of(caller),
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
        if (Exit.hasInterrupts(exit)) {
          abandon(call, cancelled)
          gone(call, "cancelled", failed("", cancelled))
          return Effect.void
        }
        abandon(call, { class: "malformed", message: "the gateway failed while handling the answer" })
        const error = refuse("internal_error", "the gateway has failed; its log says why")
        const { api, reply } = call.incoming
        if (reply.begun) reply.end(call.ask.stream ? api.errorEvent(error) : undefined)
        else answer(call.incoming, error, decisionHeaders(call, undefined, call.attempts.length))
        gone(call, "failed", error)
        return Effect.logError(`call ${call.id} failed inside the gateway`, exit.cause)
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
    keyed: Object.keys(compiled.policy.keys).length > 0,
    find,
    run,
    refuse: (incoming, error) => turnAway(incoming, error, clock.currentTimeMillisUnsafe(), now())
  }
  return pipeline
})
