/**
 * What grants and guards leave of the routes, and for whom: nothing, or less than the author has written.
 *
 * A grant is about a class, so its findings are for each class. A guard of a layer is an organisation's, and its findings name it: that is how a team learns what has been
 * narrowed. Whatever is found is found of a call that is shown, except for callers that no case can name.
 */
import type { Found } from "../Check.ts"
import type { Path } from "../Finding.ts"
import { local } from "../Keys.ts"
import type { Strategy } from "../Policy.ts"
import { armOf, type Candidates, type Cause, drawsIn, grant, guard, type Level, sendsIn, type Shown } from "./candidates.ts"
import { removedParts } from "./candidates/parts.ts"
import { everything, isEmpty, type Region } from "./space.ts"

/** Everybody of a class, and each of its keys where there are not too many to ask after. */
const maxKeys = 64

interface Subject {
  readonly class: string
  readonly region: Region
}

/** The calls of a class, and of each of its keys where it has several. */
const subjectsOf = (
  { both, policy, where }: Candidates,
  name: string
): { readonly whole: Subject; readonly keys: ReadonlyArray<Subject> } => {
  const whole: Subject = { class: name, region: where({ _tag: "Is", fact: "caller.class", value: name }).must }
  const keys = Object.entries(policy.keys).filter(([, key]) => key.class === name)
  return {
    whole,
    keys:
      keys.length < 2 || keys.length > maxKeys
        ? []
        : keys.map(([key]) => ({ class: name, region: both(whole.region, where({ _tag: "Is", fact: "caller.key", value: key }).must) }))
  }
}

/** The innermost branch or arm of a strategy that a call comes to, and what to call it. */
export const innermost = (
  candidates: Candidates,
  strategy: Strategy,
  path: Path,
  facts: Shown["facts"]
): { readonly path: Path; readonly is: string } => {
  let [of, at] = [strategy, path]
  let is = "route"
  let inner = path
  for (;;) {
    if (of._tag === "Within" || of._tag === "Retry") {
      ;[of, inner] = [of.of, [...inner, "of"]]
    } else if (of._tag === "When") {
      const key = candidates.space.contains(candidates.boundsOf(of.if).must, facts) ? "then" : "otherwise"
      ;[of, inner, is] = [of[key], [...inner, key], "branch"]
      at = inner
    } else if (of._tag === "Split") {
      const i = armOf(of, facts)
      at = [...inner, "arms", i]
      is = `arm \`${of.arms[i]!.name}\``
      ;[of, inner] = [of.arms[i]!.to, [...at, "to"]]
    } else return { path: at, is }
  }
}

/** So many boxes are looked into for a call whose arms are those that are lost. */
const maxBoxes = 32

/** A call of `region` that reaches a route, lies in none of `without`, and loses everything to rules of a level, but not to those before. */
export const showLost = (
  candidates: Candidates,
  route: number,
  level: Level,
  region: Region,
  ...without: ReadonlyArray<Region>
): Shown | undefined => {
  const { assignedReasonOf, policy, show, some } = candidates
  const { to } = policy.routes[route]!
  const draws = drawsIn(to)
  const isLost = (facts: Shown["facts"]): boolean =>
    assignedReasonOf(to, level, facts) !== undefined && (level === 0 || assignedReasonOf(to, (level - 1) as Level, facts) === undefined)
  // Without splits all of it is lost, and any call will do.
  for (const part of draws.length === 0 ? [region] : region.slice(0, maxBoxes).map((box) => [box])) {
    const left = some(route, part, ...without)
    const shown = left === undefined ? undefined : show(left, draws, isLost)
    if (shown !== undefined) return shown
  }
  return undefined
}

const grantsChecked = (candidates: Candidates, found: Found): ((i: number) => void) => {
  const { all, boundsOf, both, concerns, isSettled, outOf, perhapsBoth, policy, reasonOf, show, some } = candidates
  const classes = Object.keys(policy.classes).map((name) => subjectsOf(candidates, name))
  return (i) => {
    const route = policy.routes[i]!
    if (!concerns(route.to, grant)) return
    isSettled(i)
    const condition = boundsOf(route.when)
    const at = ["routes", i, "to"]
    const lost = outOf(route.to, grant, "any")
    for (const { keys, whole } of classes) {
      const name = whole.class
      const here = both(condition.must, whole.region)
      /** A call of somebody of whom nothing of the route is left, however they call. */
      const nothingLeft = (subject: Subject): Region | undefined => {
        const region = some(i, both(both(condition.must, subject.region), lost))
        return region !== undefined && all(i, perhapsBoth(condition.may, subject.region), lost) ? region : undefined
      }
      let region: Region | undefined
      if (!isEmpty(lost) && some(i, both(here, lost)) !== undefined) {
        region = nothingLeft(whole)
        for (const key of keys) region ??= nothingLeft(key)
      }
      if (region !== undefined) {
        const shown = show(region, [], () => true)!
        found(
          "error",
          at,
          "grant-removes-all",
          `nothing is left of this route for class \`${name}\`: ${reasonOf(route.to, grant, shown.facts)!.says(name)}`,
          "grant a target of it, or keep the class out with a `when` on `caller.class`",
          shown.situation
        )
      }
      removedParts(candidates, i, grant, route.to, at, here, region === undefined ? [] : [lost], (part) => {
        const shown = show(part.region, part.draws, part.isAssigned)
        // An arm that nobody is assigned is taken away from nobody.
        if (shown === undefined) return false
        found(
          "warning",
          part.path,
          "grant-removes",
          `this ${part.is} is rejected for class \`${name}\`: ${reasonOf(part.of, grant, shown.facts)!.says(name)}`,
          "grant it, or leave the class another way here",
          shown.situation
        )
        return true
      })
    }
  }
}

/** What a guard has to do with a call that has lost a strategy: the first that keeps a candidate out of it. */
const guardOf = (candidates: Candidates, strategy: Strategy, facts: Shown["facts"]): Cause =>
  sendsIn(candidates, strategy)
    .flatMap((send) => candidates.reasonOf(send, guard, facts) ?? [])
    .find(({ level }) => level === guard)!

const guardsChecked = (candidates: Candidates, found: Found): ((i: number) => void) => {
  const { all, boundsOf, both, concerns, isSettled, outOf, perhapsBoth, policy, show } = candidates
  const names = [...new Set([...Object.keys(policy.classes), ...(Object.keys(policy.keys).length === 0 ? [local.class] : [])])]
  const subjects = names.map((name) => subjectsOf(candidates, name))
  return (i) => {
    const route = policy.routes[i]!
    if (!concerns(route.to, guard)) return
    isSettled(i)
    const condition = boundsOf(route.when)
    const at = ["routes", i, "to"]
    const shown = showLost(candidates, i, guard, both(condition.must, outOf(route.to, guard, "some")), outOf(route.to, grant, "any"))
    const lost = outOf(route.to, guard, "any")
    if (shown !== undefined) {
      const said = ({ facts }: Shown): string => guardOf(candidates, route.to, facts).says(String(facts["caller.class"]))
      /** A call of somebody of whom guards leave nothing of the route, however they call. */
      const nothingLeft = (subject: Pick<Subject, "region">): Shown | undefined => {
        const region = both(both(condition.must, subject.region), lost)
        const call = showLost(candidates, i, guard, region, outOf(route.to, grant, "any"))
        return call !== undefined && all(i, perhapsBoth(condition.may, subject.region), lost) ? call : undefined
      }
      let call = isEmpty(lost) ? undefined : nothingLeft({ region: everything })
      let whom = ""
      for (const { keys, whole } of isEmpty(lost) || call !== undefined ? [] : subjects) {
        for (const subject of [whole, ...keys]) call ??= nothingLeft(subject)
        if (call === undefined) continue
        whom = ` for class \`${whole.class}\``
        break
      }
      if (call !== undefined) {
        found(
          "error",
          at,
          "guard-removes-all",
          `nothing is left of this route${whom}: ${said(call)}`,
          "name a target that the guard lets through, or keep such calls out with a `when`",
          call.situation
        )
      } else {
        const place = innermost(candidates, route.to, at, shown.facts)
        found(
          "warning",
          place.path,
          "guard-removes-all",
          `for some calls nothing is left of this ${place.is}: ${said(shown)}`,
          "name a target that the guard lets through, or route such calls elsewhere",
          shown.situation
        )
      }
    }
    // Where no call was found that loses all of it, its parts are looked into for the same calls.
    const about = shown === undefined ? [] : [outOf(route.to, guard, "some")]
    removedParts(candidates, i, guard, route.to, at, condition.must, about, (part) => {
      const call = show(part.region, part.draws, part.isAssigned)
      if (call === undefined) return false
      const { where, says } = guardOf(candidates, part.of, call.facts)
      const always = all(i, condition.may, where.must)
      found(
        "note",
        part.path,
        "guard-removes",
        `this ${part.is} is ${always ? "always" : "sometimes"} rejected: ${says(String(call.facts["caller.class"]))}`,
        undefined,
        call.situation
      )
      return true
    })
  }
}

export const checkAccess = (candidates: Candidates, found: Found): void => {
  const checks = [grantsChecked(candidates, found), guardsChecked(candidates, found)]
  // Route by route, since what routes before one take is kept for one route alone.
  for (const i of candidates.policy.routes.keys()) for (const check of checks) check(i)
}
