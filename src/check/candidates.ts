/**
 * Who is left of a strategy: for each candidate the calls that a grant, a guard or a known lack keeps out of it, as regions, and what that comes to for what it stands in.
 *
 * The rules are those that deciding asks (`Rules.ts`, `Guards.ts`, `Grants.ts`), on the same targets, so the checker cannot tell another story; only their conditions are
 * regions here instead of closures. Regions are of calls that are kept out *for certain*: where a condition cannot be seen through, nothing is said to be out, so that
 * whatever is found is found of calls that there are. That a call reaches a route is bounded both ways, because some questions ask whether there is one and some whether
 * there is none.
 *
 * Everything is asked of the one space of a check (`regions.ts`) and remembered by candidate, since routes share them. What stays open is added to what is unproved. Runs
 * while checking.
 */
import * as Condition from "../Condition.ts"
import type { FactValue } from "../Facts.ts"
import { grantsAll, makeGrants } from "../Grants.ts"
import { keepsOut } from "../Guards.ts"
import { guardsOf } from "../Layers.ts"
import type { ConditionJson, Policy, Send, Strategy } from "../Policy.ts"
import type { PriceSource } from "../Price.ts"
import { type Lack, lacksOf } from "../Rules.ts"
import type { Situation } from "../Situation.ts"
import { overriddenTarget, type Target } from "../Target.ts"
import { needing, withoutAsking } from "./candidates/lacks.ts"
import { alternatives, armOf, type Drawn, poolsOf, sendsIn } from "./candidates/shape.ts"
import { saying } from "./candidates/situation.ts"
import { isExact, type Regions } from "./regions.ts"
import { type Bounds, everything, isEmpty, nothing, type Region, type Space } from "./space.ts"
import { isSound } from "./sound.ts"
import { strategiesOf, within } from "./walk.ts"

export { askingFor, needing } from "./candidates/lacks.ts"
export { alternatives, armOf, drawnBy, type Drawn, drawsIn, sendsIn, splitOf } from "./candidates/shape.ts"

/** The rules, in the order in which deciding asks them; each level has those before it too. */
export const levels = ["grant", "guard", "capability"] as const
export type Level = 0 | 1 | 2
export const [grant, guard, capability] = [0, 1, 2] as const

/** One rule that keeps a candidate out. */
export interface Cause {
  readonly level: Level
  readonly where: Bounds
  /** In words; of a grant, which speaks of a class, for that class. */
  readonly says: (className: string) => string
  /** The calls that it leaves, in a few words. */
  readonly leaves: string
  /** Of a capability. */
  readonly lack: Lack | undefined
}

/** A target with the rules that can keep it out, in their order. */
export interface Candidate {
  readonly target: Target
  readonly causes: ReadonlyArray<Cause>
  /** Where rules up to each level keep it out for certain. */
  readonly out: readonly [Region, Region, Region]
}

/** A call that shows something, and its facts. */
export interface Shown {
  readonly facts: Readonly<Record<string, FactValue>>
  readonly situation: Situation
}

export interface Candidates {
  readonly policy: Policy
  readonly space: Space
  /** Where a condition of the policy holds. */
  readonly boundsOf: (json: ConditionJson | undefined) => Bounds
  /** Where a condition that is no part of the policy holds. */
  readonly where: (condition: Condition.Condition) => Bounds
  /** Where a condition does not hold. */
  readonly otherwise: (bounds: Bounds) => Bounds
  /** Both, or nothing where that takes too many boxes: no more than both. */
  readonly both: (a: Region, b: Region) => Region
  /** Both, or all of `a` where that takes too many boxes: no less than both. */
  readonly perhapsBoth: (a: Region, b: Region) => Region
  /** A candidate; undefined of a target that is not sound, which is found elsewhere. */
  readonly candidateOf: (send: Send) => Candidate | undefined
  /** A target that a caller can ask for. */
  readonly askable: (target: Target) => Candidate
  /** The members of a pool. */
  readonly membersOf: (pool: string) => ReadonlyArray<Send>
  /** Where rules up to `level` leave no candidate of a strategy, whichever arms its splits assign; or for some arms. */
  readonly outOf: (strategy: Strategy, level: Level, arms: "any" | "some") => Region
  /** Whether any candidate of a strategy can be kept out at a level. */
  readonly concerns: (strategy: Strategy, level: Level) => boolean
  /** A part of `region`, some calls of a route's condition, that reaches the route and lies in none of `without`; undefined where none is known to. */
  readonly some: (route: number, region: Region, ...without: ReadonlyArray<Region>) => Region | undefined
  /** Whether it is known that no call of a region, as far as it reaches the route, lies outside of `within`. */
  readonly all: (route: number, region: Region, ...within: ReadonlyArray<Region>) => boolean
  /** Whether everything that matters to a route can be seen through; adds to what is unproved where it cannot. */
  readonly isSettled: (route: number) => boolean
  /** A call in the region, with the unit of a split chosen so that `holds`; undefined where none is found. */
  readonly show: (region: Region, draws: ReadonlyArray<Drawn>, holds: (facts: Shown["facts"]) => boolean) => Shown | undefined
  /** Why rules up to a level leave nothing of a strategy, by the first of its candidates in the author's order, whichever arms are assigned; undefined where something is left. */
  readonly reasonOf: (strategy: Strategy, level: Level, facts: Shown["facts"]) => Cause | undefined
  /** The same by the arms that the call is assigned. */
  readonly assignedReasonOf: (strategy: Strategy, level: Level, facts: Shown["facts"]) => Cause | undefined
}

/** How many texts are tried at most until one is assigned an arm, and how many keys. */
const maxTries = 2_000
const maxKeys = 64
/** How many boxes are looked into before what is left is asked for. */
const maxBoxes = 4
/** How many boxes are looked into beside what was found first. */
const maxOthers = 32
/** So many times as many as it should take. */
const patience = 8

/** Facts that a witness can be given any text for. */
const isFree = (fact: string): boolean => fact === "request.id" || fact === "request.model" || /^request\.(metadata|headers)\./.test(fact)

const exactly = (region: Region): Bounds => ({ must: region, may: region })

/** What stays open where a condition cannot be seen through, or there are too many cases. */
const question = "what grants, guards and needs leave of a route"

export const candidatesOf = (regions: Regions, prices: PriceSource): Candidates => {
  const { before, boundsOf, comesTo, policy, space, unproved } = regions
  const where = (condition: Condition.Condition): Bounds => space.boundsOf(condition)
  const tooMany = (): void => unproved.add(question, "too many cases")
  // So that every witness has a value for what splits assign by.
  const units = new Set(
    strategiesOf(policy).flatMap(({ of }) => (of._tag === "Split" ? [of.by.fact] : of._tag === "Shadow" ? ["request.id"] : []))
  )
  for (const fact of units) where({ _tag: "Is", fact, value: "" })
  const complement = (region: Region): Region | undefined =>
    region === everything ? nothing : isEmpty(region) ? everything : space.subtract(everything, region)
  const otherwise = ({ may, must }: Bounds): Bounds => {
    const certain = complement(may)
    if (may === must && certain !== undefined) return exactly(certain)
    if (certain === undefined) tooMany()
    return { must: certain ?? nothing, may: complement(must) ?? everything }
  }
  /** Fewer boxes of the same region. */
  const tidy = (region: Region): Region => (region.length < 2 ? region : (space.unite(nothing, region) ?? region))
  const both = (a: Region, b: Region): Region => {
    if (a === everything || isEmpty(b)) return b
    if (b === everything || isEmpty(a) || a === b) return a
    const met = space.intersect(a, b)
    if (met !== undefined) return tidy(met)
    tooMany()
    return nothing
  }
  const perhapsBoth = (a: Region, b: Region): Region => (a === everything ? b : (space.intersect(a, b) ?? a))
  const either = (regions: ReadonlyArray<Region>): Region => {
    const parts = regions.filter((region) => !isEmpty(region))
    if (parts.length < 2) return parts[0] ?? nothing
    return parts.includes(everything) ? everything : tidy(parts.flat())
  }

  // Candidates

  const restricted = !grantsAll(policy)
  const grants = makeGrants(policy)
  const classes = Object.keys(policy.classes)
  const notGranted = new Map<string, Region>()
  const ungrantedOf = (target: Target): Region => {
    const granted = classes.filter((name) => grants(name)(target) === undefined)
    const key = JSON.stringify(granted)
    const known = notGranted.get(key)
    if (known !== undefined) return known
    const region = granted.length === 0 ? everything : otherwise(where({ _tag: "OneOf", fact: "caller.class", values: granted })).must
    notGranted.set(key, region)
    return region
  }
  const guards = guardsOf(policy)

  const lackRegions = new Map<string, Bounds>()
  const lackRegionOf = (lack: Lack): Bounds => {
    const key = `${lack.fact} ${lack.most}`
    const known = lackRegions.get(key) ?? where(needing(lack))
    lackRegions.set(key, known)
    return known
  }

  const make = (target: Target): Candidate => {
    const causes: Array<Cause> = []
    if (restricted) {
      const region = ungrantedOf(target)
      if (!isEmpty(region)) {
        const says = (name: string) => `it may not use \`${target.name}\` (${grants(name)(target)})`
        causes.push({ level: grant, where: exactly(region), says, leaves: "where granted", lack: undefined })
      }
    }
    for (const { guard: rule, layer } of guards) {
      const { out, unknown } = keepsOut(rule, target)
      if (!out) continue
      const whose = `guard \`${rule.name}\`${layer === undefined ? "" : ` of \`${layer}\``}`
      const says = () => `${whose} keeps \`${target.name}\` out${unknown ? ", because what it asks is not known of it" : ""}`
      causes.push({ level: guard, where: boundsOf(rule.when), says, leaves: `unless ${whose}`, lack: undefined })
    }
    for (const lack of lacksOf(policy, target)) {
      causes.push({
        level: capability,
        where: lackRegionOf(lack),
        says: () => `\`${target.name}\` ${lack.says}`,
        leaves: withoutAsking(lack),
        lack
      })
    }
    const upTo = (level: Level): Region => either(causes.filter((cause) => cause.level <= level).map((cause) => cause.where.must))
    return { target, causes, out: [upTo(0), upTo(1), upTo(2)] }
  }

  const made = new Map<string, Candidate | undefined>()
  const bySend = new WeakMap<Send, Candidate | undefined>()
  const candidateOf = (send: Send): Candidate | undefined => {
    if (bySend.has(send)) return bySend.get(send)
    const key = send.set === undefined ? send.target : JSON.stringify([send.target, send.set])
    if (!made.has(key)) {
      // A `set` of nothing is what a target is by itself.
      made.set(key, isSound(policy, send.target) ? make(overriddenTarget(policy, send.target, send.set ?? {}, prices)) : undefined)
    }
    const candidate = made.get(key)
    bySend.set(send, candidate)
    return candidate
  }
  const pools = poolsOf(policy)

  // Strategies

  const outs = new Map<string, WeakMap<Strategy, Region>>()
  const outOf = (strategy: Strategy, level: Level, arms: "any" | "some"): Region => {
    const table = `${level} ${arms}`
    const known = outs.get(table)?.get(strategy)
    if (known !== undefined) return known
    const region = ((): Region => {
      switch (strategy._tag) {
        case "Send":
          return candidateOf(strategy)?.out[level] ?? nothing
        case "Asked":
        case "Deny":
          return nothing
        case "Shadow":
        case "Within":
        case "Retry":
          return outOf(strategy.of, level, arms)
        case "When": {
          const [then, other] = [outOf(strategy.then, level, arms), outOf(strategy.otherwise, level, arms)]
          if (isEmpty(then) && isEmpty(other)) return nothing
          const holds = boundsOf(strategy.if)
          return either([both(holds.must, then), both(otherwise(holds).must, other)])
        }
        default: {
          if (strategy._tag === "Split" && arms === "some") return either(strategy.arms.map((arm) => outOf(arm.to, level, arms)))
          // Whatever is assigned is like everything of which one is enough.
          let region: Region = everything
          const parts = alternatives(pools, strategy, [])!
          if (parts.length === 0) return nothing
          for (const { of } of parts) {
            region = both(region, outOf(of, level, arms))
            if (isEmpty(region)) return nothing
          }
          return region
        }
      }
    })()
    let regions = outs.get(table)
    if (regions === undefined) outs.set(table, (regions = new WeakMap()))
    regions.set(strategy, region)
    return region
  }
  const concerned = [new WeakMap<Strategy, boolean>(), new WeakMap<Strategy, boolean>(), new WeakMap<Strategy, boolean>()]
  const concerns = (strategy: Strategy, level: Level): boolean => {
    const known = concerned[level]!.get(strategy)
    if (known !== undefined) return known
    const does = sendsIn(pools, strategy).some((send) => candidateOf(send)?.causes.some((cause) => cause.level === level) === true)
    concerned[level]!.set(strategy, does)
    return does
  }

  // Routes

  const named = (route: number): string => `\`${policy.routes[route]!.name}\``
  /** Whether no condition that matters to a route, its own and those before it among them, is beyond seeing through. */
  let exactUntil = 0
  while (exactUntil < policy.routes.length && isExact(boundsOf(policy.routes[exactUntil]!.when))) exactUntil++
  const settled: Array<boolean | undefined> = []
  const throwing: Array<Region | undefined> = []
  /** Where a condition of a route's strategy, or of a guard, may throw, which denies the call. */
  const opaque = JSON.stringify(policy).includes('"opaque"')
  const throwsOf = (route: number): Region => {
    if (!opaque) return nothing
    const known = throwing[route]
    if (known !== undefined) return known
    const { to, when } = policy.routes[route]!
    const conditions = [
      when,
      ...within(to, []).flatMap(({ of }) => (of._tag === "When" ? [of.if] : [])),
      ...guards.map(({ guard }) => guard.when)
    ]
    return (throwing[route] = conditions.flatMap((json) => boundsOf(json).throws ?? []))
  }
  const isSettled = (route: number): boolean => {
    const known = settled[route]
    if (known !== undefined) return known
    const { to } = policy.routes[route]!
    const inside = (): boolean => within(to, []).every(({ of }) => of._tag !== "When" || isExact(boundsOf(of.if)))
    const exact =
      route < exactUntil &&
      inside() &&
      sendsIn(pools, to).every((send) => candidateOf(send)?.causes.every(({ where }) => isExact(where)) !== false)
    if (!exact) unproved.add(question, named(route))
    return (settled[route] = exact)
  }
  /** What else must be true of facts to lie in a region that is larger than what was found, because its most usual call is enough. */
  const besides = new WeakMap<Region, (facts: Shown["facts"]) => boolean>()
  /** What else of a region is known to reach its route: asked where a split's unit is fixed in what was found first. */
  const elsewhere = new WeakMap<Region, () => Region>()
  const some: Candidates["some"] = (route, region, ...without) => {
    if (isEmpty(region)) return undefined
    const out = [...without, throwsOf(route)].filter((part) => !isEmpty(part))
    if (out.includes(everything)) return undefined
    const taken = (): Region => [...out.flat(), ...before(route).may]
    const others = (): Region =>
      region.slice(0, maxOthers).flatMap((box) => {
        const left = space.leftOf([box], taken())
        return left._tag === "Something" ? left.region : []
      })
    // The most usual call is enough nearly always, and it is much sooner asked than what is left.
    for (const box of region.slice(0, maxBoxes)) {
      const point = space.pointIn(box)
      if (out.some((part) => space.holds(part, point)) || !comesTo(route, point)) continue
      const found = [box]
      elsewhere.set(found, others)
      besides.set(found, (facts) => !out.some((part) => space.contains(part, facts)) && !space.contains(before(route).may, facts))
      return found
    }
    const left = space.leftOf(region, taken())
    if (left._tag === "Unknown") unproved.add(question, named(route))
    if (left._tag !== "Something") return undefined
    elsewhere.set(left.region, others)
    return left.region
  }
  const all: Candidates["all"] = (route, region, ...within) => {
    const taken = before(route).must
    for (const box of region.slice(0, 1)) {
      const point = space.pointIn(box)
      if (!within.some((part) => space.holds(part, point)) && !space.holds(taken, point)) return false
    }
    const left = space.leftOf(region, [...within.flat(), ...taken])
    if (left._tag === "Unknown") unproved.add(question, named(route))
    return left._tag === "Nothing"
  }

  // Witnesses

  const isOut = (candidate: Candidate, level: Level, facts: Shown["facts"]): Cause | undefined =>
    candidate.causes.find((cause) => cause.level <= level && space.contains(cause.where.must, facts))
  const reason = (strategy: Strategy, level: Level, facts: Shown["facts"], assigned: boolean): Cause | undefined => {
    switch (strategy._tag) {
      case "Send": {
        const candidate = candidateOf(strategy)
        return candidate === undefined ? undefined : isOut(candidate, level, facts)
      }
      case "Asked":
      case "Deny":
        return undefined
      case "Shadow":
      case "Within":
      case "Retry":
        return reason(strategy.of, level, facts, assigned)
      case "When": {
        const holds = boundsOf(strategy.if)
        if (space.contains(holds.must, facts)) return reason(strategy.then, level, facts, assigned)
        // Where it cannot be seen which branch is taken, both must be gone.
        if (!space.contains(holds.may, facts)) return reason(strategy.otherwise, level, facts, assigned)
        const other = reason(strategy.otherwise, level, facts, assigned)
        return other === undefined ? undefined : reason(strategy.then, level, facts, assigned)
      }
      default: {
        if (strategy._tag === "Split" && assigned) {
          const arm = strategy.arms[armOf(strategy, facts)]
          return arm === undefined ? undefined : reason(arm.to, level, facts, assigned)
        }
        let why: Cause | undefined
        for (const { of } of alternatives(pools, strategy, [])!) {
          const cause = reason(of, level, facts, assigned)
          if (cause === undefined) return undefined
          why ??= cause
        }
        return why
      }
    }
  }

  const keyed = (region: Region): ReadonlyArray<Region> =>
    Object.keys(policy.keys)
      .slice(0, maxKeys)
      .map((key) => both(region, where({ _tag: "Is", fact: "caller.key", value: key }).must))
  const show: Candidates["show"] = (region, draws, holds) => {
    const units = [...new Set(draws.map(({ fact }) => fact).filter(isFree))]
    const chance = draws.reduce((product, one) => product * one.chance, 1)
    const tries = units.length === 0 ? 1 : Math.min(maxTries, Math.ceil(patience / chance))
    const lies = besides.get(region) ?? (() => true)
    const [usual] = region
    const tryBox = (box: Region[number]): Shown | undefined => {
      const witness = space.witness([box])
      if (witness === undefined) return undefined
      const isThere = (facts: Shown["facts"]): boolean => space.contains([box], facts) && lies(facts)
      // The most usual call of the first box is known to lie there.
      if (holds(witness.facts) && (box === usual || isThere(witness.facts))) {
        const said = units.filter((fact) => typeof witness.facts[fact] === "string")
        return {
          facts: witness.facts,
          situation: said.reduce((all, fact) => saying(all, fact, String(witness.facts[fact])), witness.situation)
        }
      }
      // A unit that must be absent, or one of a few texts, is left as it is.
      const free = units.filter((fact) => isThere({ ...witness.facts, [fact]: "unit-0" }))
      if (free.length === 0) return undefined
      const facts: Record<string, FactValue> = { ...witness.facts }
      for (let i = 0; i < tries; i++) {
        for (const fact of free) facts[fact] = `unit-${i}`
        if (!holds(facts) || !isThere(facts)) continue
        const said = units.filter((fact) => typeof facts[fact] === "string")
        return { facts, situation: said.reduce((all, fact) => saying(all, fact, String(facts[fact])), witness.situation) }
      }
      return undefined
    }
    for (const part of draws.length === 0 ? [() => region] : [() => region, elsewhere.get(region) ?? (() => nothing)]) {
      for (const box of part()) {
        const shown = tryBox(box)
        if (shown !== undefined) return shown
      }
    }
    // Who is assigned what may depend on who calls.
    if (!draws.some(({ fact }) => fact.startsWith("caller."))) return undefined
    for (const [box] of keyed(region)) {
      const shown = box === undefined ? undefined : tryBox(box)
      if (shown !== undefined) return shown
    }
    return undefined
  }

  return {
    policy,
    space,
    boundsOf,
    where,
    otherwise,
    both,
    perhapsBoth,
    candidateOf,
    askable: make,
    membersOf: pools.membersOf,
    outOf,
    concerns,
    some,
    all,
    isSettled,
    show,
    reasonOf: (strategy, level, facts) => reason(strategy, level, facts, false),
    assignedReasonOf: (strategy, level, facts) => reason(strategy, level, facts, true)
  }
}
