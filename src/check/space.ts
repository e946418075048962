/**
 * What calls a condition takes, as an algebra of boxes over the types of a policy's facts: so the checker proves what no call can do, and shows one that can.
 *
 * Exact and total for every condition that can be analysed; there is no solver, because the facts are few, each is compared with literals alone, and those that
 * depend on each other are one variable (`space/domains.ts`). What is not known is never taken for proved: an opaque condition has two bounds, and an
 * operation that would take too many boxes answers that it does not know. Runs while checking, never for a call.
 *
 * A region may hold a point in several of its boxes. Disjoint boxes were tried on paper: they serve only to count, and alternatives on different variables take
 * exponentially many of them. For the same reason `leftOf` looks for one box that is left and does not list all.
 */
import type { Condition } from "../Condition.ts"
import type { FactValue } from "../Facts.ts"
import type { Policy } from "../Policy.ts"
import type { Situation } from "../Situation.ts"
import {
  areApart,
  type Box,
  type Effort,
  intersect,
  meetBoxes,
  type Region,
  search,
  sideOf,
  subtract,
  unite,
  withSide
} from "./space/boxes.ts"
import { type Bounds, boundsOf } from "./space/conditions.ts"
import { type Callers, domainsOf } from "./space/domains.ts"
import { makeShelf, type Shelf } from "./space/shelf.ts"
import { completed, holdsPoint, type Point, pointIn, pointOf, situationAt, type Witness, witnessAt } from "./space/witness.ts"

export { type Box, everything, nothing, type Region } from "./space/boxes.ts"
export type { Bounds } from "./space/conditions.ts"
export type { Callers } from "./space/domains.ts"
export type { Point, Witness } from "./space/witness.ts"

/** How far to go before nothing is known. */
export interface Limits {
  /** The boxes of one result, and of one search. */
  readonly boxes: number
  /** The comparisons of two boxes that everything asked of one space may take, some ten million a second. */
  readonly comparisons: number
}

export const defaultLimits: Limits = { boxes: 20_000, comparisons: 50_000_000 }

/** What some regions leave of another. */
export type Left =
  /** They cover it; these boxes of theirs do so alone. */
  | { readonly _tag: "Nothing"; readonly by: ReadonlySet<Box> }
  /** A part that they leave of one box, seldom all of it: often narrower than it need be, so that none of them is near. */
  | { readonly _tag: "Something"; readonly region: Region; readonly of: Box }
  | { readonly _tag: "Unknown" }

/**
 * The calls that a policy can get, and what can be asked of parts of them. A region means something to the space that has made it alone, and lists of boxes that are
 * put together are a region. One that is undefined would take too many boxes, so that nothing is known of it.
 */
export interface Space {
  /** Where a condition holds. Total: a part that is too large holds perhaps, as one that is opaque does. */
  readonly boundsOf: (condition: Condition) => Bounds
  /** Both. */
  readonly intersect: (a: Region, b: Region) => Region | undefined
  /** Either, in fewer boxes than the two lists where some fit together. */
  readonly unite: (a: Region, b: Region) => Region | undefined
  /** `a` without `b`, in disjoint boxes where those of `a` are. */
  readonly subtract: (a: Region, b: Region) => Region | undefined
  /** Whether `taken` leaves anything of `region`: much cheaper than subtracting where it does. */
  readonly leftOf: (region: Region, taken: Region) => Left
  /** Whether a call with these facts, all that conditions have named among them, lies in the region; never of a caller whom the policy cannot get. */
  readonly contains: (region: Region, facts: Readonly<Record<string, FactValue>>) => boolean
  /** A call that lies in the region's first box; undefined where there is none. */
  readonly witness: (region: Region) => Witness | undefined
  /** The most usual point of a box. */
  readonly pointIn: (box: Box) => Point
  /** The most usual point that `keeps`, of a part that is left and what it has been cut from; undefined where the part's own does not. */
  readonly pointOf: (left: Extract<Left, { readonly _tag: "Something" }>, keeps: (point: Point) => boolean) => Point | undefined
  /** Whether a point lies in the region. */
  readonly holds: (region: Region, point: Point) => boolean
  /** An empty shelf, for boxes of this space of which points are asked over and over. */
  readonly shelf: () => Shelf
  /** What two boxes have in common. */
  readonly meet: (a: Box, b: Box) => Box | undefined
  /** The call that a point is. */
  readonly witnessAt: (point: Point) => Witness
  /** The same as a case says it, without its facts. */
  readonly situationAt: (point: Point) => Situation
}

/** Whether no call lies in the region. */
export const isEmpty = (region: Region): boolean => region.length === 0

/**
 * The space of the calls that `policy` can get, from the keys that it declares or from any that its classes might be given. Facts find their place in it as conditions
 * name them, so it costs nothing for those that none names.
 */
export const spaceOf = (policy: Policy, limits: Limits = defaultLimits, callers: Callers = "declared"): Space => {
  const domains = domainsOf(policy, callers)
  const { universe } = domains
  const effort: Effort = { ...limits }
  return {
    boundsOf: (condition) => boundsOf(domains, effort, condition),
    intersect: (a, b) => intersect(effort, a, b),
    unite: (a, b) => unite(universe, effort, a, b),
    subtract: (a, b) => subtract(universe, effort, a, b),
    leftOf: (region, taken) => {
      const used = new Set<Box>()
      let unknown = false
      for (const box of region) {
        let left: Box | undefined
        const ending = search(universe, effort, box, taken, (part) => ((left = part), false), { used })
        if (left !== undefined) return { _tag: "Something", region: [left], of: box }
        if (ending === "gave up") unknown = true
      }
      return unknown ? { _tag: "Unknown" } : { _tag: "Nothing", by: used }
    },
    contains: (region, facts) => {
      const point = pointOf(domains, facts)
      return point !== undefined && region.some((box) => holdsPoint(box, point))
    },
    witness: ([box]) => (box === undefined ? undefined : witnessAt(domains, pointIn(domains, box))),
    pointIn: (box) => pointIn(domains, box),
    pointOf: ({ of, region: [part] }, keeps) => {
      const usual = pointIn(domains, of)
      if (keeps(usual)) return usual
      let box = part!
      let point = pointIn(domains, box)
      if (!keeps(point)) return undefined
      for (const variable of part!.at) {
        const wider = withSide(box, variable, sideOf(of, variable) ?? universe[variable]!)
        const other = pointIn(domains, wider)
        if (keeps(other)) [box, point] = [wider, other]
      }
      return point
    },
    holds: (region, some) => {
      const point = completed(domains, some)
      for (let i = 0; i < region.length; i++) if (holdsPoint(region[i]!, point)) return true
      return false
    },
    shelf: () => makeShelf((point) => completed(domains, point)),
    meet: (a, b) => (areApart(a, b) ? undefined : meetBoxes(a, b)),
    witnessAt: (point) => witnessAt(domains, point),
    situationAt: (point) => situationAt(domains, point)
  }
}
