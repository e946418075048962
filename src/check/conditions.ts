/**
 * Conditions that say what their author means: of routes, of branches, of guards. One that always or never holds is no condition, and a part that changes nothing of its
 * condition is either needless or not what was meant.
 *
 * A branch is judged for the requests that come to it, past the routes before it and the branches around it. All of it must hold for any key that the classes might be
 * given, and not only for those that there are. What a condition may be made of is the parser's affair (`../Condition.ts`).
 */
import type { Found } from "../Check.ts"
import * as Condition from "../Condition.ts"
import type { Path } from "../Finding.ts"
import { guardsOf } from "../Layers.ts"
import type { ConditionJson, Strategy } from "../Policy.ts"
import { isExact, type Regions } from "./regions.ts"
import { alwaysTrueRoute } from "./routes.ts"
import { type Bounds, everything, isEmpty, nothing, type Point, type Region } from "./space.ts"
import { partsOf, within } from "./walk.ts"

/** Whether every call meets a condition, whatever comes to it. */
const alwaysHolds = ({ space }: Regions, { must }: Bounds): boolean => {
  // One box that narrows anything leaves something.
  if (must.length < 2) return must[0]?.at.length === 0
  return space.leftOf(everything, must)._tag === "Nothing"
}

/** Whether no call meets a condition, and none is denied because it throws. */
const neverHolds = ({ boundsOf }: Regions, json: ConditionJson): boolean => {
  const { may, throws = nothing } = boundsOf(json)
  return isEmpty(may) && isEmpty(throws)
}

type Branch = "then" | "otherwise"

interface DeadBranch {
  readonly path: Path
  readonly branch: Branch
  /** Whether no call at all takes it, and not only none that comes here. */
  readonly plainly: boolean
  /** A call that comes here and takes the other; not where a split decides who comes here. */
  readonly point: Point | undefined
}

/** The conditions of a strategy's branches. */
const branchesIn = (strategy: Strategy): ReadonlyArray<ConditionJson> =>
  within(strategy, []).flatMap(({ of }) => (of._tag === "When" ? [of.if] : []))

/** The branches of a route that no call takes. */
const deadBranches = (regions: Regions, route: number, unknown: (path: Path) => void): ReadonlyArray<DeadBranch> => {
  const { before, boundsOf, comesTo, policy, space } = regions
  const dead: Array<DeadBranch> = []
  const { to, when } = policy.routes[route]!
  // A guard or a branch that cannot be evaluated denies the call wherever it goes, so no such call shows anything.
  const denied = [...guardsOf(policy).map(({ guard }) => guard.when), ...branchesIn(to)].flatMap((json) => boundsOf(json).throws ?? nothing)
  const both = (a: Region, b: Region, sure: boolean): Region => (a === everything ? b : (space.intersect(a, b) ?? (sure ? nothing : a)))
  const without = (a: Region, b: Region, sure: boolean): Region => space.subtract(a, b) ?? (sure ? nothing : a)

  const go = (strategy: Strategy, path: Path, here: Bounds, isInArm: boolean): void => {
    if (strategy._tag !== "When") {
      for (const part of partsOf(strategy, path)) {
        // Which calls are copied is drawn as arms are.
        const isDrawn = strategy._tag === "Split" || (strategy._tag === "Shadow" && part.path.at(-1) === "copy")
        go(part.of, part.path, here, isInArm || isDrawn)
      }
      return
    }
    const holds = boundsOf(strategy.if)
    const throws = [...(here.throws ?? nothing), ...(holds.throws ?? nothing)]
    const sides: Record<Branch, Bounds> = {
      then: { must: both(here.must, holds.must, true), may: both(here.may, holds.may, false), throws },
      otherwise: { must: without(here.must, holds.may, true), may: without(here.may, holds.must, false), throws }
    }
    const shown = (of: Region, throws: Region): Point | undefined => {
      const keeps = (point: Point): boolean => comesTo(route, point) && !space.holds(throws, point)
      for (const box of of) {
        const point = space.pointIn(box)
        if (keeps(point)) return point
      }
      const left = space.leftOf(of, [...before(route).may, ...throws])
      return left._tag === "Something" ? space.pointOf(left, keeps) : undefined
    }
    const points = { then: shown(sides.then.must, throws), otherwise: shown(sides.otherwise.must, throws) }
    /** A call that takes a branch and is let through. */
    const taking = (branch: Branch): Point | undefined => {
      const point = points[branch]
      return point === undefined || !space.holds(denied, point) ? point : shown(sides[branch].must, [...throws, ...denied])
    }
    for (const branch of ["then", "otherwise"] as const) {
      const at = [...path, branch]
      if (points[branch] !== undefined) {
        go(strategy[branch], at, sides[branch], isInArm)
        continue
      }
      const left = space.leftOf(sides[branch].may, before(route).must)
      if (left._tag === "Nothing") {
        const plainly = branch === "then" ? isEmpty(holds.may) : alwaysHolds(regions, holds)
        dead.push({ path: at, branch, plainly, point: isInArm ? undefined : taking(branch === "then" ? "otherwise" : "then") })
      } else {
        unknown(at)
        go(strategy[branch], at, sides[branch], isInArm)
      }
    }
  }
  go(to, ["routes", route, "to"], boundsOf(when), false)
  return dead
}

/** Whether a part says only whether a fact is there: an ordering needs that beside it, though it says as much. */
const isPresence = (part: Condition.Condition): boolean =>
  ((part._tag === "Is" || part._tag === "IsNot") && part.value === null) || (part._tag === "Not" && isPresence(part.of))

/** A part without which its condition would be the same, by its place in the JSON. */
interface Needless {
  readonly path: Path
  readonly of: Condition.Condition
  /** Whether it would be true anyway, or false anyway. */
  readonly outcome: boolean
}

/** The parts of a condition that others settle. Opaque ones settle nothing, and are never settled: leaving one out would let through what it throws at. */
const needlessParts = (regions: Regions, condition: Condition.Condition, json: unknown, path: Path): ReadonlyArray<Needless> => {
  const operands = (operator: string): unknown => (json as Readonly<Record<string, unknown>>)[operator]
  if (condition._tag === "Not") {
    const of = operands("!")
    return Array.isArray(of)
      ? needlessParts(regions, condition.of, of[0], [...path, "!", 0])
      : needlessParts(regions, condition.of, of, [...path, "!"])
  }
  if (condition._tag !== "All" && condition._tag !== "Any") return []
  const { space } = regions
  const isAll = condition._tag === "All"
  const operator = isAll ? "and" : "or"
  const at = [...path, operator]
  const parts = operands(operator) as ReadonlyArray<unknown>
  const inner = condition.of.flatMap((part, i) => needlessParts(regions, part, parts[i], [...at, i]))
  if (inner.length > 0 || condition.of.length < 2 || condition.of.some(isPresence)) return inner
  const bounds = condition.of.map((part) => space.boundsOf(part))
  if (!bounds.every(isExact)) return []
  const needless: Array<Needless> = []
  const left = new Set(condition.of.keys())
  // The later of two that say the same is the one to go.
  for (const i of [...condition.of.keys()].toReversed()) {
    const others = [...left].filter((other) => other !== i).map((other) => bounds[other]!.must)
    if (others.length === 0) break
    let settled: boolean
    if (isAll) {
      const rest = others.reduce<Region | undefined>((a, b) => (a === undefined ? undefined : space.intersect(a, b)), everything)
      // What can never hold is found as such.
      settled = rest !== undefined && !isEmpty(rest) && space.leftOf(rest, bounds[i]!.must)._tag === "Nothing"
    } else settled = space.leftOf(bounds[i]!.must, others.flat())._tag === "Nothing"
    if (!settled) continue
    left.delete(i)
    needless.push({ path: [...at, i], of: condition.of[i]!, outcome: isAll })
  }
  return needless.toReversed()
}

export const checkConditions = (regions: Regions, wide: () => Regions, found: Found): void => {
  const { boundsOf, conditionOf, policy, reachOf, space, unproved } = regions

  const checkParts = (json: ConditionJson, path: Path): void => {
    const condition = conditionOf(json)
    if (condition === undefined) return
    const parts = needlessParts(regions, condition, json, path)
    if (parts.length === 0) return
    const still = new Set(needlessParts(wide(), condition, json, path).map((part) => JSON.stringify(part.path)))
    for (const part of parts) {
      if (!still.has(JSON.stringify(part.path))) continue
      const why = part.outcome ? "holds wherever the other parts do" : "never holds where the other parts do not"
      found("note", part.path, "redundant-part", `\`${Condition.show(part.of)}\` changes nothing: it ${why}`, "leave it out")
    }
  }
  const isAlwaysTrue = (json: ConditionJson): boolean => {
    const holds = boundsOf(json)
    return isExact(holds) && alwaysHolds(regions, holds) && alwaysHolds(wide(), wide().boundsOf(json))
  }

  const always = alwaysTrueRoute(regions, wide)
  for (const [i, { when }] of policy.routes.entries()) {
    const reach = reachOf(i)
    const place = ["routes", i, "when"]
    if (when !== undefined) {
      const shown = reach._tag === "Reached" ? space.situationAt(reach.point) : undefined
      if (isAlwaysTrue(when)) found("warning", place, "always-true", "this condition always holds", "leave `when` out", shown)
      else {
        if (i === always) {
          const message = "this condition always holds here: the routes before it take every request that does not meet it"
          found("warning", place, "always-true", message, "leave `when` out", shown)
        }
        if (reach._tag !== "Impossible") checkParts(when, place)
      }
    }
    if (reach._tag === "Impossible" || reach._tag === "Covered") continue
    const dead = deadBranches(regions, i, () => unproved.add("whether a branch can be taken", `\`${policy.routes[i]!.name}\``))
    const still = new Set(dead.length === 0 ? [] : deadBranches(wide(), i, () => {}).map(({ path }) => JSON.stringify(path)))
    for (const { branch, path, plainly, point } of dead) {
      if (!still.has(JSON.stringify(path))) continue
      const holds = branch === "then" ? "never" : "always"
      found(
        "warning",
        path,
        "dead-branch",
        `\`${branch}\` is never taken: its condition ${holds} holds${plainly ? "" : " for the requests that come here"}`,
        `write \`${branch === "then" ? "otherwise" : "then"}\` alone, or mend the condition`,
        point === undefined ? undefined : space.situationAt(point)
      )
    }
  }

  const visit = (strategy: Strategy, path: Path): void => {
    if (strategy._tag === "When") checkParts(strategy.if, [...path, "if"])
    for (const part of partsOf(strategy, path)) visit(part.of, part.path)
  }
  for (const [i, { to }] of policy.routes.entries()) visit(to, ["routes", i, "to"])

  for (const { guard, layer, path } of guardsOf(policy)) {
    if (guard.when === undefined) continue
    // An organisation lays its guards over policies that it has not seen.
    const level = layer === undefined ? "warning" : "note"
    const at = [...path, "when"]
    if (neverHolds(regions, guard.when) && neverHolds(wide(), guard.when)) {
      found(
        level,
        at,
        "always-false",
        `this condition never holds, so guard \`${guard.name}\` keeps nothing out`,
        "mend it, or leave the guard out"
      )
    } else if (isAlwaysTrue(guard.when)) {
      found(level, at, "always-true", "this condition always holds", "leave `when` out")
    } else checkParts(guard.when, at)
  }
}
