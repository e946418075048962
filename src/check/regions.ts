/**
 * Where the calls of each route are, in the one space of a check: its own condition, and what the routes before it take.
 *
 * Everything is bounded from both sides, because some questions ask whether there is a call and some whether there is none. What a route may take includes what may end at
 * it by throwing: such a call is denied and comes to no later route. Asked by every part of the checker that proves things; each condition is read once.
 */
import * as Condition from "../Condition.ts"
import { factNames, typeOf } from "../Facts.ts"
import { guardsOf } from "../Layers.ts"
import type { ConditionJson, Policy } from "../Policy.ts"
import {
  type Bounds,
  type Box,
  type Callers,
  defaultLimits,
  everything,
  isEmpty,
  nothing,
  type Point,
  type Region,
  type Space,
  spaceOf
} from "./space.ts"
import { impossibleHealth } from "./space/deployments.ts"
import { makeUnproved, type Unproved } from "./unproved.ts"
import { within } from "./walk.ts"

/** What routes take. */
export interface Taken {
  /** For certain. */
  readonly must: Region
  /** Perhaps, or deny because they cannot tell. */
  readonly may: Region
}

export interface Regions {
  readonly policy: Policy
  readonly space: Space
  /** A condition of the policy as it is read; undefined for one that is not sound, which is found elsewhere. */
  readonly conditionOf: (json: ConditionJson) => Condition.Condition | undefined
  /** Where a condition of the policy holds: everywhere where there is none, everywhere perhaps where it is not sound. */
  readonly boundsOf: (json: ConditionJson | undefined) => Bounds
  /** What the routes before one take. */
  readonly before: (route: number) => Taken
  /** Whether no route before one may take a call. */
  readonly comesTo: (route: number, point: Point) => boolean
  /** Where a call that comes to a route may be denied because a condition throws: the route's own, those within it, and those of guards. */
  readonly throwsOf: (route: number) => Region
  /** Whether a route is ever chosen. */
  readonly reachOf: (route: number) => Reach
  readonly unproved: Unproved
}

export type Reach =
  /** By this call. */
  | { readonly _tag: "Reached"; readonly point: Point }
  /** Its condition never holds. */
  | { readonly _tag: "Impossible" }
  /** The routes before it take every call that meets it; these boxes of theirs alone do. */
  | { readonly _tag: "Covered"; readonly by: ReadonlySet<Box> }
  | { readonly _tag: "Unknown" }

/** How many boxes of a condition are tried before what is left of it is asked for. */
const maxBoxes = 4

const always: Bounds = { must: everything, may: everything }

/** The regions of `policy`, for calls of the keys that it declares or of any that its classes might be given. */
export const regionsOf = (policy: Policy, callers: Callers = "declared"): Regions => {
  const space = spaceOf(policy, defaultLimits, callers)
  const vocabulary = { names: factNames(policy), typeOf: (name: string) => typeOf(name, policy) }

  const conditions = new WeakMap<object, Condition.Condition | undefined>()
  const conditionOf = (json: ConditionJson): Condition.Condition | undefined => {
    if (typeof json !== "object" || json === null) return undefined
    if (conditions.has(json)) return conditions.get(json)
    const condition = Condition.parse(json, [], vocabulary, () => {})
    conditions.set(json, condition)
    return condition
  }

  const known = new WeakMap<object, Bounds>()
  const boundsOf = (json: ConditionJson | undefined): Bounds => {
    if (json === undefined) return always
    const condition = conditionOf(json)
    if (condition === undefined) return { must: nothing, may: everything }
    const found = known.get(json as object) ?? space.boundsOf(condition)
    known.set(json as object, found)
    return found
  }

  // What no call can be, no route is left.
  const impossible = impossibleHealth(policy).flatMap((condition) => space.boundsOf(condition).must)
  const must: Array<Box> = [...impossible]
  const may: Array<Box> = [...impossible]
  const shelf = space.shelf()
  for (const box of impossible) shelf.add(box)
  /** How many boxes the routes before each take. */
  const ends: Array<readonly [must: number, may: number]> = [[must.length, may.length]]
  const takenBefore = (route: number): readonly [must: number, may: number] => {
    for (let i = ends.length - 1; i < route; i++) {
      const bounds = boundsOf(policy.routes[i]!.when)
      must.push(...bounds.must)
      for (const box of [...bounds.may, ...(bounds.throws ?? nothing)]) {
        may.push(box)
        shelf.add(box)
      }
      ends.push([must.length, may.length])
    }
    return ends[route]!
  }
  let last: { readonly route: number; readonly taken: Taken } | undefined
  const before = (route: number): Taken => {
    if (last?.route === route) return last.taken
    const [certain, perhaps] = takenBefore(route)
    // Only the last is kept: all of them together would be the square of the routes.
    last = { route, taken: { must: must.slice(0, certain), may: may.slice(0, perhaps) } }
    return last.taken
  }

  const guards = guardsOf(policy).map(({ guard }) => guard.when)
  const throwing: Array<Region | undefined> = []
  const isOpaque = JSON.stringify([policy.routes, guards]).includes('"opaque"')
  const throwsOf = (route: number): Region => {
    if (!isOpaque) return nothing
    const { to, when } = policy.routes[route]!
    const inside = within(to, []).flatMap(({ of }) => (of._tag === "When" ? [of.if] : []))
    return (throwing[route] ??= [when, ...inside, ...guards].flatMap((json) => boundsOf(json).throws ?? nothing))
  }

  const comesTo = (route: number, point: Point): boolean => !shelf.holds(point, takenBefore(route)[1])

  const find = (route: number): Reach => {
    const bounds = boundsOf(policy.routes[route]!.when)
    if (isEmpty(bounds.may) || (impossible.length > 0 && space.leftOf(bounds.may, impossible)._tag === "Nothing"))
      return { _tag: "Impossible" }
    const throws = bounds.throws ?? nothing
    const keeps = (point: Point): boolean => comesTo(route, point) && !space.holds(throws, point)
    // Most routes are reached by the most usual call that meets them, and it is much sooner asked than what is left of them.
    for (const box of bounds.must.slice(0, maxBoxes)) {
      const point = space.pointIn(box)
      if (keeps(point)) return { _tag: "Reached", point }
    }
    const taken = before(route)
    const left = space.leftOf(bounds.must, isEmpty(throws) ? taken.may : [...taken.may, ...throws])
    if (left._tag === "Something") return { _tag: "Reached", point: space.pointOf(left, keeps) ?? space.pointIn(left.region[0]!) }
    const covered = space.leftOf(bounds.may, taken.must)
    return covered._tag === "Nothing" ? { _tag: "Covered", by: covered.by } : { _tag: "Unknown" }
  }
  const reaches: Array<Reach | undefined> = []
  const reachOf = (route: number): Reach => (reaches[route] ??= find(route))

  return { comesTo, reachOf, throwsOf, policy, space, conditionOf, boundsOf, before, unproved: makeUnproved() }
}

/** Whether both bounds are one, so that what is true of one call in the region is true of the condition. */
export const isExact = ({ may, must, throws }: Bounds): boolean => must === may && (throws === undefined || isEmpty(throws))
