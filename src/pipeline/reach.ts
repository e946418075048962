/**
 * Where a plan may lead a call, by what its decision has settled: the arms and branches that were taken, and what no rule keeps out. What moves while a call is under way (breakers, budgets) is
 * asked only by who says so.
 */
import type { Call } from "../Call.ts"
import type { Plan } from "../Compile.ts"
import type { Target } from "../Target.ts"

/** The targets that a plan may send a call to. */
export const targetsOf = (plan: Plan, call: Call): ReadonlyArray<Target> => {
  const { slots } = call.decision
  const of = (part: Plan): ReadonlyArray<Target> => targetsOf(part, call)
  switch (plan._tag) {
    case "Send":
      return plan.slot === -1 || slots[plan.slot] === 0 ? [plan.target] : []
    case "Asked":
      return call.decision.asked?._tag === "Found" ? [call.decision.asked.target] : []
    case "Deny":
      return []
    case "First":
    case "Spread":
      return plan.of.flatMap(of)
    case "Split":
      return of(plan.arms[slots[plan.slot]!]!.plan)
    case "When":
      return of(slots[plan.slot] === 1 ? plan.then : plan.otherwise)
    case "Hedge":
      return [...of(plan.of), ...of(plan.with)]
    case "Escalate":
      return [...of(plan.of), ...of(plan.to)]
    case "Shadow":
    case "Within":
    case "Retry":
      return of(plan.of)
  }
}

/** Whether a plan can come to anything for a call but rejections: an attempt on a target that `isOpen`, or its author's own no. */
export const leadsOn = (plan: Plan, call: Call, isOpen: (target: Target) => boolean = () => true): boolean => {
  const { slots } = call.decision
  const of = (part: Plan): boolean => leadsOn(part, call, isOpen)
  switch (plan._tag) {
    case "Send":
    case "Asked":
      return targetsOf(plan, call).some(isOpen)
    case "Deny":
      return true
    case "First":
    case "Spread":
      return plan.of.some(of)
    case "Split":
      return of(plan.arms[slots[plan.slot]!]!.plan)
    case "When":
      return of(slots[plan.slot] === 1 ? plan.then : plan.otherwise)
    case "Hedge":
      return of(plan.of) || of(plan.with)
    case "Escalate":
      return of(plan.of) || of(plan.to)
    case "Shadow":
    case "Within":
    case "Retry":
      return of(plan.of)
  }
}
