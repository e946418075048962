/**
 * What each class of callers can reach, and by which path: every target, model, provider and region, proved from the policy alone.
 *
 * An entry is there unless it is known that no call of the class gets the target by that path, whatever fails and whatever is spent. It is certain where a call is shown that
 * gets it, if what comes before it fails; else (an `opaque` condition, too many boxes) it stands as one that may be. So what is not listed cannot be reached, which is what
 * the reader wants to be sure of. Keys that are issued later are of a class as well; an entry that only some of the class's keys in the policy get names them.
 *
 * Not a finding: nothing is wrong with reaching something. Runs in tools, never for a call.
 */
import { alternatives, armOf, type Candidate, type Candidates, candidatesOf, drawnBy, type Shown, splitOf } from "./check/candidates.ts"
import { regionsOf } from "./check/regions.ts"
import { type Bounds, everything, isEmpty, nothing, type Region } from "./check/space.ts"
import * as Condition from "./Condition.ts"
import { type Path, placeOf } from "./Finding.ts"
import { local } from "./Keys.ts"
import type { ConditionJson, Policy, Strategy } from "./Policy.ts"
import { noPrices, type PriceSource } from "./Price.ts"
import type { Situation } from "./Situation.ts"
import { makeModels, makeTargets } from "./Target.ts"

export interface Reached {
  /** The target's name; `provider/*` for the models of an open provider that nobody has declared. */
  readonly target: string
  readonly model: string
  readonly provider: string
  readonly region: string | null
  /** Where the policy sends it, in the author's terms. */
  readonly path: string
  /** What a call must be like, in words; empty where any is. */
  readonly when: ReadonlyArray<string>
  /** The keys of the policy that get it, where not all of the class do. */
  readonly only: ReadonlyArray<string> | undefined
  /** A call that gets it; undefined where it is not known that one does. */
  readonly witness: Situation | undefined
}

export interface Reach {
  readonly class: string
  readonly reached: ReadonlyArray<Reached>
}

/** The calls of those who may come to call: of any key that a class may be given, or of the keys that the policy declares. */
type View = (route: number, place: Place, calls: Region) => { readonly mayBe: boolean; readonly shown: Situation | undefined }

/** A place where a target is sent to. */
interface Place {
  readonly candidate: Candidate
  readonly path: Path
  /** The calls that come to it as far as conditions tell. */
  readonly here: Bounds
  readonly when: ReadonlyArray<string>
  readonly units: ReadonlyArray<Assigned>
  /** Of a copy, where its call is sent to: it begins with an answer from one of these. */
  readonly beside: ReadonlyArray<Place> | undefined
}

interface Assigned {
  readonly split: Extract<Strategy, { readonly _tag: "Split" }>
  readonly arm: number
}

/** Where a strategy ends in a `deny`, so that nothing after it is tried: for certain, and perhaps. */
const deniesOf = (candidates: Candidates, strategy: Strategy): Bounds => {
  const go = (of: Strategy): Bounds => {
    switch (of._tag) {
      case "Deny":
        return { must: everything, may: everything }
      case "Send":
      case "Asked":
      case "Spread":
      case "Pool":
        return { must: nothing, may: nothing }
      case "Shadow":
      case "Within":
      case "Retry":
        return go(of.of)
      case "When": {
        const holds = candidates.boundsOf(of.if)
        const [not, then, other] = [candidates.otherwise(holds), go(of.then), go(of.otherwise)]
        return {
          must: [...candidates.both(holds.must, then.must), ...candidates.both(not.must, other.must)],
          may: [...candidates.perhapsBoth(then.may, holds.may), ...candidates.perhapsBoth(other.may, not.may)]
        }
      }
      default: {
        const parts = alternatives(candidates, of, [])!.map((part) => go(part.of))
        // The first is always tried; of a split, any arm may be.
        return { must: of._tag === "Split" ? nothing : parts[0]!.must, may: parts.flatMap(({ may }) => may) }
      }
    }
  }
  return go(strategy)
}

/** Every place of a policy at which a target is sent to, by route, as one set of regions sees it. */
const placesOf = (policy: Policy, prices: PriceSource, callers: "declared" | "any") => {
  const regions = regionsOf(policy, callers)
  const candidates = candidatesOf(regions, prices)
  const { all, both, boundsOf, candidateOf, otherwise, perhapsBoth, show, some, space, where } = candidates
  const models = makeModels(policy, makeTargets(policy, prices), [], prices)
  /** What asked models can be: each target, by its own name or another, and a model of each open provider. */
  const names = [
    ...Object.keys(policy.targets),
    ...Object.entries(policy.providers).flatMap(([name, { open }]) => (open ? [`${name}/any-model`] : []))
  ]
  const asked = names.flatMap((model) => {
    const resolution = models.resolve(model)
    if (resolution._tag !== "Found") return []
    return [{ candidate: candidates.askable(resolution.target), calls: where({ _tag: "Is", fact: "request.model", value: model }).must }]
  })
  const said = (json: ConditionJson, holds: boolean): string => {
    const condition = regions.conditionOf(json)
    const text = condition === undefined ? "a condition that is not sound" : Condition.show(condition)
    return holds ? text.replace(/^\((.*)\)$/, "$1") : `not ${text}`
  }

  const placesIn = (strategy: Strategy, path: Path, around: Omit<Place, "candidate" | "path">): ReadonlyArray<Place> => {
    switch (strategy._tag) {
      case "Shadow": {
        const own = placesIn(strategy.of, [...path, "of"], around)
        // A copy is not copied.
        if (around.beside !== undefined) return own
        const copies = placesIn(strategy.copy, [...path, "copy"], {
          ...around,
          when: [...around.when, `a copy of ${strategy.sample} calls in 100`],
          units: [...around.units, { split: splitOf(strategy, policy.routes[path[1] as number]!.name), arm: 0 }],
          beside: own.filter(({ beside }) => beside === undefined)
        })
        return [...own, ...copies]
      }
      case "Send": {
        const candidate = candidateOf(strategy)
        return candidate === undefined ? [] : [{ ...around, candidate, path }]
      }
      case "Asked":
        return asked.map(({ calls, candidate }) => ({
          ...around,
          candidate,
          path,
          here: { must: both(around.here.must, calls), may: around.here.may },
          when: [...around.when, "asked for"]
        }))
      case "Deny":
        return []
      case "Within":
      case "Retry":
        return placesIn(strategy.of, [...path, "of"], around)
      case "When": {
        const holds = boundsOf(strategy.if)
        return (["then", "otherwise"] as const).flatMap((key) => {
          const side = key === "then" ? holds : otherwise(holds)
          const here = { must: both(around.here.must, side.must), may: perhapsBoth(around.here.may, side.may) }
          return placesIn(strategy[key], [...path, key], { ...around, here, when: [...around.when, said(strategy.if, key === "then")] })
        })
      }
      default: {
        let denied: Bounds = { must: nothing, may: nothing }
        return alternatives(candidates, strategy, path)!.flatMap((part, i) => {
          const here: Bounds = isEmpty(denied.may)
            ? around.here
            : {
                must: space.subtract(around.here.must, denied.may) ?? nothing,
                may: space.subtract(around.here.may, denied.must) ?? around.here.may
              }
          if (strategy._tag === "Split")
            return placesIn(part.of, [...part.path, "to"], { ...around, units: [...around.units, { split: strategy, arm: i }] })
          const more = deniesOf(candidates, part.of)
          denied = { must: [...denied.must, ...more.must], may: [...denied.may, ...more.may] }
          return placesIn(part.of, part.path, { ...around, here })
        })
      }
    }
  }

  /** A call that is sent to all of some places, if what comes before each fails. */
  const shownAt = (route: number, calls: Region, places: ReadonlyArray<Place>): Situation | undefined => {
    const here = places.reduce((region, place) => both(region, place.here.must), calls)
    const region = some(route, here, ...places.flatMap(({ candidate }) => candidate.causes.map((cause) => cause.where.may)))
    const units = places.flatMap((place) => place.units)
    const isAssigned = (facts: Shown["facts"]): boolean => units.every(({ arm, split }) => armOf(split, facts) === arm)
    const draws = units.map(({ arm, split }) => drawnBy(split, arm))
    return region === undefined ? undefined : show(region, draws, isAssigned)?.situation
  }
  const view: View = (route, place, calls) => {
    const { beside, candidate, here } = place
    const { causes, target } = candidate
    // What keeps models of an open provider out depends on their names, but for the grant.
    const out = causes.filter(({ level }) => target.declared || level === 0).map((cause) => cause.where.must)
    if (all(route, perhapsBoth(here.may, calls), ...out)) return { mayBe: false, shown: undefined }
    if (beside === undefined) return { mayBe: true, shown: shownAt(route, calls, [place]) }
    for (const own of beside) {
      const shown = shownAt(route, calls, [place, own])
      if (shown !== undefined) return { mayBe: true, shown }
    }
    return { mayBe: true, shown: undefined }
  }
  /** What a call must not be like to get the target. */
  const limitsOf = (route: number, { candidate, here }: Place, calls: Region): ReadonlyArray<string> =>
    candidate.causes.flatMap(({ leaves, level, where: out }) =>
      level > 0 && some(route, both(both(here.must, calls), out.may)) !== undefined ? [leaves] : []
    )

  return {
    where,
    both,
    view,
    limitsOf,
    places: policy.routes.map((route, i) =>
      placesIn(route.to, ["routes", i, "to"], {
        here: boundsOf(route.when),
        when: route.when === undefined ? (i === 0 ? [] : ["otherwise"]) : [said(route.when, true)],
        units: [],
        beside: undefined
      })
    )
  }
}

/** What each class can reach under a policy that checks without errors. */
export const reachOf = (policy: Policy, prices: PriceSource = noPrices): ReadonlyArray<Reach> => {
  const anybody = placesOf(policy, prices, "any")
  const declared = placesOf(policy, prices, "declared")
  const keyed = Object.keys(policy.keys).length > 0
  const classes = [...new Set([...(keyed ? [] : [local.class]), ...Object.keys(policy.classes)])]

  /** Whether a caller is described who would have the name of a key that the policy declares. */
  const isAnother = (situation: Situation | undefined): boolean =>
    typeof situation?.as === "object" && situation.as.key !== undefined && Object.hasOwn(policy.keys, situation.as.key)

  return classes.map((name) => {
    const ofClass: Condition.Condition = { _tag: "Is", fact: "caller.class", value: name }
    const [wide, known] = [anybody.where(ofClass).must, declared.where(ofClass).must]
    const keys = Object.entries(policy.keys).flatMap(([key, spec]) => (spec.class === name ? [key] : []))
    const reached = anybody.places.flatMap((places, i) =>
      places.flatMap((place, at): ReadonlyArray<Reached> => {
        const whole = anybody.view(i, place, wide)
        if (!whole.mayBe) return []
        const same = declared.places[i]![at]!
        const getting = keys.filter(
          (key) => declared.view(i, same, declared.both(known, declared.where({ _tag: "Is", fact: "caller.key", value: key }).must)).mayBe
        )
        const { target } = place.candidate
        return [
          {
            target: target.declared ? target.name : `${target.provider}/*`,
            model: target.declared ? target.model : "*",
            provider: target.provider,
            region: target.region,
            path: placeOf(policy, place.path),
            when: [...new Set([...place.when, ...anybody.limitsOf(i, place, wide)])],
            only: getting.length === keys.length ? undefined : getting,
            witness: declared.view(i, same, known).shown ?? (isAnother(whole.shown) ? undefined : whole.shown)
          }
        ]
      })
    )
    return { class: name, reached }
  })
}

const pad = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]!)))
      .join("  ")
      .trimEnd()
  )
}

/** What is asked of a call on one path, in words. */
const conditionsOf = ({ only, when, witness }: Reached): string => {
  const some = only === undefined ? [] : [`only ${only.length === 0 ? "keys that are issued later" : only.join(", ")}`]
  const all = [...(witness === undefined ? ["not proved"] : []), ...some, ...when]
  return all.length === 0 ? "always" : all.join("; ")
}

/** The reach of each class as a table for people: targets with what they are, and a line for each path that leads to one. */
export const reachLines = (reach: ReadonlyArray<Reach>): ReadonlyArray<string> =>
  reach.flatMap(({ class: name, reached }, i) => {
    const title = [...(i === 0 ? [] : [""]), `class ${name}`]
    if (reached.length === 0) return [...title, "  reaches nothing"]
    const what = ({ model, provider, region, target }: Reached): ReadonlyArray<string> => [target, model, provider, region ?? "-"]
    const kinds = [...new Set(reached.map((one) => JSON.stringify(what(one))))]
    const rows = kinds.flatMap((kind) =>
      reached
        .filter((one) => JSON.stringify(what(one)) === kind)
        .map((one, at) => [...(at === 0 ? what(one) : ["", "", "", ""]), one.path, conditionsOf(one)])
    )
    return [...title, ...pad([["target", "model", "provider", "region", "by", "when"], ...rows]).map((line) => `  ${line}`)]
  })
