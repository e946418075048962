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
  /** Why a condition could not be evaluated, which denies the call. */
  readonly threw: string | undefined
}

/** The decision in one line: the route's name, every branch and arm taken, and what is kept out of it by which rule: `canary/split.next/mini.guard-eu-only`. */
export const summary = (compiled: Pick<Compiled, "routes">, { route, slots, threw }: Decision): string => {
  let node = compiled.routes[route]!.summaries
  if (threw !== undefined) return `${node.text}/condition-failed`
  for (const value of slots) {
    let next = node.after.get(value)
    if (next === undefined) node.after.set(value, (next = extend(node, value)))
    node = next
  }
  return node.text
}

/**
 * Summaries of one route, by what its slots say: a tree that grows as decisions occur. A summary goes into a header and a record of every call, so it is
 * put together once and kept whole (a joined text, not a rope).
 */
export interface Summaries {
  readonly text: string
  readonly labels: ReadonlyArray<ReadonlyArray<string>>
  readonly depth: number
  readonly after: Map<number, Summaries>
}

export const makeSummaries = (name: string, labels: ReadonlyArray<ReadonlyArray<string>>): Summaries => ({
  text: name,
  labels,
  depth: 0,
  after: new Map()
})

const extend = ({ depth, labels, text }: Summaries, value: number): Summaries => ({
  // A label that says nothing is what is usual there.
  text: value === -1 || labels[depth]![value] === "" ? text : [text, labels[depth]![value]!].join("/"),
  labels,
  depth: depth + 1,
  after: new Map()
})
