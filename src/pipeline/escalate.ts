/**
 * `escalate(a, { if, to })`: a cascade. `a` answers first; its answer is held back until it is whole and is handed on unless `if` holds of it, in which case it is thrown away, paid
 * for and recorded as `escalated`, and `to` answers. Where `a` has no candidate, or fails in a way that another target may mend, it comes to what `first(a, to)` would.
 *
 * What `a` answers is judged by the layer that has it (`Attempt.ts`, `accepts`), in the moment before anything is handed on: nothing of an answer reaches a caller who gets another one. An answer that
 * lies in two cascades must suit both, and any will do where nothing of `to` is left: for grants, guards and needs from the start, and for breakers, budgets, effort and deadlines in the moment of judging,
 * since no answer is worse than one in hand. What `to` sends begins as the route says.
 */
import * as Effect from "effect/Effect"
import type { AnswerFacts } from "../Attempt.ts"
import type { Call, Settled } from "../Call.ts"
import { type FailureClass, recoverableByDefault } from "../Failure.ts"
import { goesOn, onwards } from "./failover.ts"
import type { Lane, Step } from "./lane.ts"

const movesOn: ReadonlySet<FailureClass> = new Set<FailureClass>([...recoverableByDefault, "escalated"])

/** Links a cascade. `leadsOn` says whether rules leave anything of `to`, or with its lane, whether anything of it could be tried now. */
export const escalate =
  (a: Step, accepts: (answer: AnswerFacts) => boolean, to: Step, leadsOn: (call: Call, lane?: Lane) => boolean): Step =>
  (call, lane) => {
    const outer = lane.accepts
    const own = (answer: AnswerFacts): boolean => accepts(answer) || !leadsOn(call, onwards(call, lane, true, "escalation"))
    // Embeddings and counts are no answers that could be better, and nothing is held back where rules leave nobody who could give another.
    const judged: Lane =
      call.ask.operation === "generate" && leadsOn(call)
        ? { ...lane, accepts: outer === undefined ? own : (answer) => outer(answer) && own(answer) }
        : lane
    return Effect.flatMap(a(call, judged), (settled): Effect.Effect<Settled> => {
      if (settled._tag === "Denied") return Effect.succeed(settled)
      if (settled._tag === "Attempted" && (settled.committed || !goesOn(settled, movesOn, true))) return Effect.succeed(settled)
      const escalated = settled._tag === "Attempted" && settled.failure?.class === "escalated"
      const next = to(call, onwards(call, lane, true, escalated ? "escalation" : "failover"))
      // An answer that was thrown away is no reason for anything.
      return escalated ? next : Effect.map(next, (then) => (then._tag === "Rejected" ? settled : then))
    })
  }
