/**
 * The order of routes: each can be chosen, each makes a difference, and no request is left without one.
 *
 * What is said of a route is proved, and shown by a call where there is one; what cannot be proved is left to `unproved.ts`. A route may be out of reach only because no
 * key of the policy is such a caller. That is no error, because keys come and go with less care than routes.
 */
import type { Found } from "../Check.ts"
import * as Condition from "../Condition.ts"
import { limitsOf } from "../Limits.ts"
import type { Policy } from "../Policy.ts"
import type { Situation } from "../Situation.ts"
import { isExact, type Regions, type Taken } from "./regions.ts"
import { type Box, everything, isEmpty, nothing, type Point, type Region, type Witness } from "./space.ts"

/** More names than these are counted. */
const maxNames = 5
/** So many routes are looked through for fewer that cover another. */
const maxCovering = 40

const listed = (names: ReadonlyArray<string>, word: "and" | "or"): string => {
  const shown = names.length > maxNames ? [...names.slice(0, maxNames - 1), `${names.length - maxNames + 1} more`] : names
  return shown.length === 1 ? shown[0]! : `${shown.slice(0, -1).join(", ")} ${word} ${shown.at(-1)!}`
}

/** A call that each route answers; undefined for one that none is known to reach. */
export const reachedBy = ({ policy, reachOf, space }: Regions): ReadonlyArray<Witness | undefined> =>
  policy.routes.map((_, i) => {
    const reach = reachOf(i)
    return reach._tag === "Reached" ? space.witnessAt(reach.point) : undefined
  })

/** The least that there is of the routes whose boxes cover a region, each of which alone would not. */
const covering = ({ before, boundsOf, policy, space }: Regions, route: number, by: ReadonlySet<Box>): ReadonlyArray<number> => {
  const region = boundsOf(policy.routes[route]!.when).may
  const takenBy = (route: number): Region => boundsOf(policy.routes[route]!.when).must
  const impossible = before(0).must
  const covers = (routes: ReadonlyArray<number>): boolean =>
    space.leftOf(region, [...impossible, ...routes.flatMap(takenBy)])._tag === "Nothing"
  let routes: ReadonlyArray<number> = [...policy.routes.keys()].slice(0, route).filter((i) => takenBy(i).some((box) => by.has(box)))
  if (routes.length > maxCovering) return routes
  const alone = routes.find((i) => covers([i]))
  if (alone !== undefined) return [alone]
  for (const i of routes.toReversed()) {
    const others = routes.filter((other) => other !== i)
    if (covers(others)) routes = others
  }
  return routes
}

/** Why a condition can never hold, where that is one part of it or two. */
const contradiction = ({ space }: Regions, condition: Condition.Condition): string | undefined => {
  const partsOf = (of: Condition.Condition): ReadonlyArray<Condition.Condition> => (of._tag === "All" ? of.of.flatMap(partsOf) : [of])
  const parts = partsOf(condition).map((of) => ({ of, may: space.boundsOf(of).may }))
  if (parts.length === 1) return undefined
  const never = parts.find(({ may }) => isEmpty(may))
  if (never !== undefined) return `\`${Condition.show(never.of)}\` never does`
  for (const [i, one] of parts.entries()) {
    for (const other of parts.slice(i + 1)) {
      const both = space.intersect(one.may, other.may)
      if (both !== undefined && isEmpty(both)) return `\`${Condition.show(one.of)}\` and \`${Condition.show(other.of)}\` exclude each other`
    }
  }
  return undefined
}

/** What routes answer, one text for all that answer alike. */
const outcomesOf = (policy: Policy): ReadonlyArray<string> =>
  policy.routes.map((route) => {
    const to = JSON.stringify(route.to)
    // A spread of a route's own takes turns for that route alone.
    return JSON.stringify([to, to.includes('"_tag":"Spread"') ? route.name : "", limitsOf(policy, route)])
  })

const witnessOf = ({ space }: Regions, point: Point): Situation => space.situationAt(point)

/** What routes with a condition take, all of them together. */
const takenByAll = ({ before, boundsOf, policy }: Regions): Taken => {
  const last = policy.routes.length - 1
  const { must, may } = before(last)
  const { when } = policy.routes[last]!
  if (when === undefined) return { must, may }
  const bounds = boundsOf(when)
  return { must: [...must, ...bounds.must], may: [...may, ...bounds.may, ...(bounds.throws ?? nothing)] }
}

/** The first route before whose end every call is taken; undefined where some are not known to be. */
const coveredUntil = (regions: Regions): number | undefined => {
  const { before, boundsOf, policy, space } = regions
  const usual = space.pointIn(everything[0]!)
  const all = takenByAll(regions)
  if (!space.holds(all.must, usual) || space.leftOf(everything, all.must)._tag !== "Nothing") return undefined
  let [from, to] = [0, policy.routes.length - 1]
  while (from < to) {
    const middle = (from + to) >> 1
    const taken = [...before(middle).must, ...boundsOf(policy.routes[middle]!.when).must]
    if (space.leftOf(everything, taken)._tag === "Nothing") to = middle
    else from = middle + 1
  }
  return from
}

export const checkRoutes = (regions: Regions, wide: () => Regions, found: Found): void => {
  const { boundsOf, comesTo, before, conditionOf, policy, reachOf, space, unproved } = regions
  const { routes } = policy
  const last = routes.length - 1
  const named = (index: number): string => `\`${routes[index]!.name}\``
  const outcomes = outcomesOf(policy)
  const alike = new Map<string, Array<number>>()
  for (const [i, outcome] of outcomes.entries()) {
    const same = alike.get(outcome)
    if (same === undefined) alike.set(outcome, [i])
    else same.push(i)
  }
  const hasKeys = Object.keys(policy.keys).length > 0

  const byName = new Map<string, number>()
  for (const [i, route] of routes.entries()) {
    const twin = byName.get(route.name)
    if (twin === undefined) byName.set(route.name, i)
    else found("error", ["routes", i, "name"], "route-name-twice", `routes[${twin}] is called ${named(i)} already`)
  }

  /** Says that a route is never chosen, of those that can be seen from their form. */
  const byCondition = new Map<string, number>()
  let catchesAll: number | undefined
  const isPlainlyUnreachable = (i: number): boolean => {
    const { when } = routes[i]!
    const condition = JSON.stringify(when)
    const same = when === undefined ? undefined : byCondition.get(condition)
    if (catchesAll !== undefined) {
      const isDefault = i === last && when === undefined
      found(
        "error",
        ["routes", i],
        isDefault ? "unreachable-default" : "unreachable-route",
        `${isDefault ? "the default route" : "this route"} can never be chosen: ${named(catchesAll)} has no \`when\` and takes every request before it`,
        `give ${named(catchesAll)} a \`when\`, or move it to the end`
      )
      return true
    }
    if (when === undefined) catchesAll = i
    else if (same === undefined) byCondition.set(condition, i)
    if (same === undefined) return false
    found(
      "error",
      ["routes", i, "when"],
      "unreachable-route",
      `this route can never be chosen: ${named(same)} has the same condition and comes first`
    )
    return true
  }

  const impossible = (i: number): void => {
    const { when } = routes[i]!
    const path = ["routes", i, "when"]
    if (wide().reachOf(i)._tag !== "Impossible") {
      const whom = hasKeys ? "no key of the policy meets this condition" : "without keys nobody meets this condition"
      found(
        "warning",
        path,
        "impossible-route",
        `this route is never chosen: ${whom}`,
        hasKeys ? "leave it out until there is one" : "declare `keys`"
      )
      return
    }
    const condition = conditionOf(when!)
    const why = !isEmpty(boundsOf(when).may)
      ? "a target is up as long as one of its credentials is, whatever names share them"
      : condition === undefined
        ? undefined
        : contradiction(regions, condition)
    found(
      "error",
      path,
      "impossible-route",
      `this route can never be chosen: no request meets its condition${why === undefined ? "" : `, because ${why}`}`,
      "mend the condition, or leave the route out"
    )
  }

  const unreachable = (i: number, by: ReadonlySet<Box>): void => {
    const isDefault = routes[i]!.when === undefined
    const far = wide().reachOf(i)
    if (far._tag === "Covered" || far._tag === "Impossible") {
      const names = covering(regions, i, by).map(named)
      const taken = isDefault
        ? `${listed(names, "and")} ${names.length === 1 ? "takes" : "take"} every request before it`
        : `every request that meets its condition is taken by ${listed(names, "or")} before it`
      found(
        "error",
        isDefault ? ["routes", i] : ["routes", i, "when"],
        isDefault ? "unreachable-default" : "unreachable-route",
        `${isDefault ? "the default route" : "this route"} can never be chosen: ${taken}`,
        isDefault ? "leave it out, or take less in the routes before it" : "move it up, or leave it out"
      )
      return
    }
    // A default for callers who are still to come is only prudent.
    if (isDefault) return
    const names = covering(regions, i, by).map(named)
    found(
      "warning",
      ["routes", i, "when"],
      "unreachable-route",
      `this route is never chosen: of the callers that there are, every request that meets its condition is taken by ${listed(names, "or")} before it`,
      "move it up, or leave it out until there are others"
    )
  }

  /** The first routes before one that take some of its requests and answer them differently, with a call that the first of them answers. */
  const shadowsOf = (i: number): { readonly by: ReadonlyArray<number>; readonly point: Point } | undefined => {
    const own = boundsOf(routes[i]!.when).must
    const by: Array<number> = []
    let shown: Point | undefined
    for (let j = 0; j < i && by.length <= maxNames; j++) {
      if (outcomes[j] === outcomes[i]) continue
      const bounds = boundsOf(routes[j]!.when)
      const throws = regions.throwsOf(j)
      const keeps = (point: Point): boolean => comesTo(j, point) && !space.holds(throws, point)
      pairs: for (const a of own)
        for (const b of bounds.must) {
          const both = space.meet(a, b)
          if (both === undefined) continue
          let point: Point | undefined = space.pointIn(both)
          if (!keeps(point)) {
            const left = space.leftOf([both], [...before(j).may, ...throws])
            point = left._tag === "Something" ? space.pointOf(left, keeps) : undefined
          }
          if (point === undefined) continue
          by.push(j)
          shown ??= point
          break pairs
        }
    }
    return shown === undefined ? undefined : { by, point: shown }
  }

  /** Whether everything that a route takes would get the same answer without it; undefined where that cannot be seen. */
  const isRedundant = (of: Regions, i: number): boolean | undefined => {
    const bounds = of.boundsOf(routes[i]!.when)
    if (!isExact(bounds)) return false
    const taken = [...of.before(i).must]
    let open = false
    for (let k = i + 1; k <= last; k++) {
      const later = of.boundsOf(routes[k]!.when)
      const other = [...(outcomes[k] === outcomes[i] ? nothing : later.may), ...(later.throws ?? nothing)]
      const both = of.space.intersect(bounds.must, other)
      if (both === undefined || (!isEmpty(both) && of.space.leftOf(both, taken)._tag !== "Nothing")) {
        if (isExact(later)) return false
        open = true
      }
      if (later.must === everything) return open ? undefined : true
      taken.push(...later.must)
    }
    return open ? undefined : of.space.leftOf(bounds.must, taken)._tag === "Nothing"
  }

  /** Whether the route that would answer a call instead of one answers alike, for all that can be seen. */
  const mayBeRedundant = (i: number, point: Point): boolean => {
    // What only other answers are left for is not redundant, and that is soon seen.
    if (!alike.get(outcomes[i]!)!.some((k) => k > i && space.holds(boundsOf(routes[k]!.when).may, point))) return false
    for (let k = i + 1; k <= last; k++) {
      const { may, must } = boundsOf(routes[k]!.when)
      if (!space.holds(may, point)) continue
      if (outcomes[k] === outcomes[i]) return true
      if (must === may) return false
    }
    return false
  }

  for (const [i, { when }] of routes.entries()) {
    if (isPlainlyUnreachable(i)) continue
    const reach = reachOf(i)
    if (reach._tag === "Impossible") impossible(i)
    else if (reach._tag === "Covered") unreachable(i, reach.by)
    else if (reach._tag === "Unknown") unproved.add("whether a route can be reached", named(i))
    if (reach._tag !== "Reached") continue

    const redundant = i < last && mayBeRedundant(i, reach.point) ? isRedundant(regions, i) : false
    if (redundant === undefined) unproved.add("whether a route makes a difference", named(i))
    if (redundant === true && isRedundant(wide(), i) === true) {
      found(
        "warning",
        ["routes", i],
        "redundant-route",
        "this route makes no difference: without it its requests would get the same answer from the routes after it",
        "leave it out",
        witnessOf(regions, reach.point)
      )
    }
    if (when === undefined) continue
    const shadows = shadowsOf(i)
    if (shadows === undefined) continue
    const names = listed(shadows.by.map(named), "and")
    found(
      "note",
      ["routes", i, "when"],
      "shadowed-route",
      `${names} before it ${shadows.by.length === 1 ? "takes" : "take"} some requests that meet this condition too, and ${shadows.by.length === 1 ? "answers" : "answer"} them differently`,
      undefined,
      witnessOf(regions, shadows.point)
    )
  }
  if (catchesAll === undefined) checkDefault(regions, wide, found)
}

/** What comes to no route, where the last has a condition too. */
const checkDefault = (regions: Regions, wide: () => Regions, found: Found): void => {
  const of = [regions, wide()].find((one) => coveredUntil(one) === undefined)
  if (of === undefined) return
  const left = of.space.leftOf(everything, takenByAll(of).may)
  found(
    "error",
    ["routes", of.policy.routes.length - 1, "when"],
    "no-default",
    "a request that meets no condition has no route",
    "end with a route without `when`: `asked()`, a target, or a `deny`",
    left._tag === "Something"
      ? witnessOf(of, of.space.pointOf(left, (point) => !of.space.holds(takenByAll(of).may, point)) ?? of.space.pointIn(left.region[0]!))
      : undefined
  )
}

/** The first route whose condition holds of whatever comes to it, since those before it take everything else. */
export const alwaysTrueRoute = (regions: Regions, wide: () => Regions): number | undefined => {
  const first = coveredUntil(regions)
  return first !== undefined && regions.policy.routes[first]!.when !== undefined && coveredUntil(wide()) === first ? first : undefined
}
