/**
 * From a route's plan to the function that carries it out, once: nothing is interpreted, provided or looked up per call.
 *
 * Outcomes are values and travel in the success channel: `first` looks at a class and moves on, an exhausted one gives back its last failure, so that nesting it changes
 * nothing. Where a strategy had no candidate at all, it comes to the first rejection in the author's order, whatever the order in which its candidates were looked at.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Match from "effect/Match"
import type { Attempted, Call, Denied, Rejected, Settled } from "../Call.ts"
import type { Compiled, Plan } from "../Compile.ts"
import type { FailureClass } from "../Failure.ts"
import { denied, refuse } from "../GatewayError.ts"
import type { Health } from "../Health.ts"
import type { Target } from "../Target.ts"
import type { Attempts } from "./attempts.ts"
import { escalate } from "./escalate.ts"
import { goesOn, onwards } from "./failover.ts"
import { hedge } from "./hedge.ts"
import { type Lane, sooner, type Step } from "./lane.ts"
import { type Cursor, rankOver } from "./rank.ts"
import { leadsOn } from "./reach.ts"
import { retry } from "./retry.ts"
import type { Copies } from "./shadow.ts"

export interface StrategyServices {
  readonly attempts: Attempts
  readonly copies: Copies
  readonly health: Health["Service"]
  readonly clock: Clock.Clock
  /** Monotonic milliseconds. */
  readonly now: () => number
}

/** Failover: a rejected candidate is passed over whatever `on` says, a failed one before its commit if its class is one to move on for. */
const first = (steps: ReadonlyArray<Step>, on: ReadonlySet<FailureClass>, roomier: boolean): Step => {
  const next = (call: Call, lane: Lane): Lane => onwards(call, lane, roomier, "failover")
  /** `soFar` is what it comes to if nothing follows: the last failure, else the first rejection. */
  const go = (i: number, call: Call, lane: Lane, soFar: Attempted | Rejected | undefined): Effect.Effect<Settled> => {
    const step = steps[i]!(call, lane)
    return Effect.flatMap(step, (settled) => {
      const over = i + 1 === steps.length
      switch (settled._tag) {
        case "Denied":
          return Effect.succeed(settled)
        case "Rejected":
          return over ? Effect.succeed(soFar ?? settled) : go(i + 1, call, next(call, lane), soFar ?? settled)
        case "Attempted":
          return over || settled.committed || !goesOn(settled, on, roomier)
            ? Effect.succeed(settled)
            : go(i + 1, call, next(call, lane), settled)
      }
    })
  }
  return (call, lane) => go(0, call, lane, undefined)
}

/** The best member that is not rejected. One that fails moves outward, never sideways. */
const spread = (steps: ReadonlyArray<Step>, rank: (call: Call) => ReadonlyArray<number>): Step => {
  /** `at` is the author's place of the rejection `out`. */
  const go = (
    order: ReadonlyArray<number>,
    i: number,
    call: Call,
    lane: Lane,
    out: Rejected | undefined,
    at: number
  ): Effect.Effect<Settled> => {
    const place = order[i]!
    return Effect.flatMap(steps[place]!(call, lane), (settled) => {
      if (settled._tag !== "Rejected") return Effect.succeed(settled)
      const [earlier, where] = out === undefined || place < at ? [settled, place] : [out, at]
      return i + 1 === order.length ? Effect.succeed(earlier) : go(order, i + 1, call, lane, earlier, where)
    })
  }
  return (call, lane) => Effect.suspend(() => go(rank(call), 0, call, lane, undefined, 0))
}

/** Links the plans of `compiled`. */
export const strategiesOf = (compiled: Compiled, services: StrategyServices): ((plan: Plan) => Step) => {
  const { attempts, clock, copies, health, now } = services
  const { reject, ruledOut, tryTarget } = attempts
  const hedgeServices = { ...services, abandon: attempts.abandon }
  const cursors = new Map<string, Cursor>()
  const cursorOf = (state: string): Cursor => {
    const known = cursors.get(state)
    if (known !== undefined) return known
    const cursor: Cursor = { turn: 0 }
    cursors.set(state, cursor)
    return cursor
  }

  const asked: Step = (call, lane) => {
    const resolution = call.decision.asked!
    if (resolution._tag === "Found") return tryTarget(call, resolution.target, lane)
    if (resolution._tag === "RuledOut") return ruledOut(call, resolution.target, resolution.rule)
    const { model } = call.ask
    const permits = (target: Target): boolean => compiled.permits(target, call.facts)
    if (resolution._tag === "Ambiguous") {
      // INVARIANT: only declared targets share a spelling. Names that the caller may not use are none of its business.
      const names = resolution.targets.filter((name) => permits(compiled.targets.get(name)!))
      const which = names.length === 0 ? "stands for several targets" : `could be ${names.map((name) => `\`${name}\``).join(" or ")}`
      const error = refuse("model_ambiguous", `model \`${model}\` ${which}: ask for one target by its name`, {
        param: "model",
        final: true
      })
      return reject(call, { _tag: "Rejected", target: model, by: "ambiguous-model", error })
    }
    const near = compiled.models.suggest(model, permits)
    const hint =
      near.length === 0 ? "`GET /v1/models` lists what there is" : `did you mean ${near.map((name) => `\`${name}\``).join(", ")}?`
    const error = refuse("model_not_found", `unknown model \`${model.slice(0, 256)}\`; ${hint}`, { param: "model", final: true })
    return reject(call, { _tag: "Rejected", target: model.slice(0, 256), by: "unknown-model", error })
  }

  const link: (plan: Plan) => Step = Match.typeTags<Plan>()({
    Send:
      ({ rules, slot, target }): Step =>
      (call, lane) => {
        const out = slot === -1 ? 0 : call.decision.slots[slot]!
        return out > 0 ? ruledOut(call, target, rules[out - 1]!) : tryTarget(call, target, lane)
      },
    Asked: (): Step => asked,
    Deny: ({ code, message, status }): Step => {
      const settled = Effect.succeed<Denied>({ _tag: "Denied", error: denied(status, code, message) })
      return () => settled
    },
    First: ({ of, on, roomier }): Step => (of.length === 1 ? link(of[0]!) : first(of.map(link), on, roomier)),
    Split: ({ arms, slot }): Step => {
      const steps = arms.map((arm) => link(arm.plan))
      return (call, lane) => steps[call.decision.slots[slot]!]!(call, lane)
    },
    Spread: ({ by, of, state }): Step => spread(of.map(link), rankOver(by, of, cursorOf(state), health, now, attempts.isFull)),
    When: ({ otherwise, slot, then }): Step => {
      const steps = [link(otherwise), link(then)]
      return (call, lane) => steps[call.decision.slots[slot]!]!(call, lane)
    },
    Hedge: ({ afterMillis, of, with: other }): Step => hedge(hedgeServices, link(of), afterMillis, link(other)),
    Shadow: ({ copy, of, slot }): Step => copies.shadow(link(of), slot, link(copy)),
    Escalate: ({ accepts, of, to }): Step =>
      escalate(link(of), accepts, link(to), (call, lane) =>
        leadsOn(to, call, lane === undefined ? undefined : (target) => attempts.isOpen(call, target, lane))
      ),
    Within: ({ millis, of }): Step => {
      const step = link(of)
      return (call, lane) => step(call, sooner(lane, now() + millis))
    },
    Retry: (plan): Step => retry({ clock, now, freeIn: attempts.freeIn }, plan, link(plan.of))
  })
  return link
}
