/**
 * Where a condition holds, as two regions that bound it: where it holds for certain, and where it may.
 *
 * They are one region unless the condition has a part that is opaque, names a fact that the policy does not have, or would take too many boxes. Such a part holds
 * nowhere for certain and everywhere perhaps, and `!` turns one bound into the other, so what is proved of the bounds is true of the condition.
 *
 * A negation in a conjunction is taken away from the rest and never spelt out: subtracting two conjunctions leaves few boxes where De Morgan's
 * alternatives, multiplied, would leave a number that doubles with each.
 */
import type { Condition } from "../../Condition.ts"
import { type Effort, everything, intersect, nothing, type Region, subtract, unite } from "./boxes.ts"
import type { Domains } from "./domains.ts"

/** Where a condition holds for certain, and where it may. */
export interface Bounds {
  readonly must: Region
  /** The same list as `must` where both are one region. */
  readonly may: Region
  /** Where an opaque part may be asked and throw, which denies the call; absent where there is none. */
  readonly throws?: Region
}

const isOpaque = (condition: Condition): boolean => {
  switch (condition._tag) {
    case "Opaque":
      return true
    case "Not":
      return isOpaque(condition.of)
    case "All":
    case "Any":
      return condition.of.some(isOpaque)
    default:
      return false
  }
}

export const boundsOf = (domains: Domains, effort: Effort, condition: Condition): Bounds => {
  const { universe } = domains
  let exact = true

  const unknown = (sure: boolean): Region => {
    exact = false
    return sure ? nothing : everything
  }

  /** `sure` asks for the lower bound. */
  const go = (part: Condition, sure: boolean): Region => {
    switch (part._tag) {
      case "Opaque":
        return unknown(sure)
      case "Not":
        return subtract(universe, effort, everything, go(part.of, !sure)) ?? unknown(sure)
      case "Any": {
        let region = nothing
        for (const one of part.of) {
          const united = unite(universe, effort, region, go(one, sure))
          if (united === undefined) return unknown(sure)
          region = united
        }
        return region
      }
      case "All": {
        let region = everything
        for (const one of part.of) {
          const left = one._tag === "Not" ? subtract(universe, effort, region, go(one.of, !sure)) : intersect(effort, region, go(one, sure))
          if (left !== undefined) region = left
          else if (sure) return unknown(sure)
          // What is left out of a conjunction makes it larger, which an upper bound may be.
          else exact = false
        }
        return region
      }
      default:
        return domains.where(part) ?? unknown(sure)
    }
  }

  /** Where an opaque part is asked: parts are asked in order, until one settles the rest. */
  const asked = (part: Condition): Region => {
    switch (part._tag) {
      case "Opaque":
        return everything
      case "Not":
        return asked(part.of)
      case "All":
      case "Any": {
        let region = nothing
        let reached = everything
        for (const one of part.of) {
          if (isOpaque(one)) {
            const here = intersect(effort, reached, asked(one))
            const both = here === undefined ? undefined : unite(universe, effort, region, here)
            if (both === undefined) return everything
            region = both
          }
          const on = part._tag === "All" ? intersect(effort, reached, go(one, false)) : subtract(universe, effort, reached, go(one, true))
          reached = on ?? reached
        }
        return region
      }
      default:
        return nothing
    }
  }

  const must = go(condition, true)
  if (exact) return { must, may: must }
  const may = go(condition, false)
  return isOpaque(condition) ? { must, may, throws: asked(condition) } : { must, may }
}
