/**
 * What is settled before anything is sent, and why: plain data, so that it can be recorded, compared and replayed.
 *
 * A decision is a pure function of facts. What moves while a call is under way (breakers, reservations) is read by each attempt and recorded with it.
 */
import type { Compiled } from "./Compile.ts"
import type { Resolution } from "./Target.ts"

export interface Decision {
  /** The index of the route that matched: every earlier one did not. */
  readonly route: number
  /** For each numbered node of the route, the branch or arm that was settled; -1 where the node cannot be reached. */
  readonly slots: ReadonlyArray<number>
  /** What the model that the caller names comes to, where the route may send there. */
  readonly asked: Resolution | undefined
}

/** The decision in one line: the route's name and every branch and arm taken, `canary/split.next`. */
export const summary = (compiled: Pick<Compiled, "routes">, decision: Decision): string => {
  const route = compiled.routes[decision.route]!
  let text = route.name
  for (let slot = 0; slot < decision.slots.length; slot++) {
    const value = decision.slots[slot]!
    if (value !== -1) text += `/${route.labels[slot]![value]!}`
  }
  return text
}
