/**
 * The parts of a route's strategy that rules take away from it while others remain: a first choice, a fallback, an arm, a member, and a branch that is all there is.
 *
 * A part is visited with the calls for which it is gone and what it stands in is not, so the largest part that is gone is the one that is named; and only for what rules of
 * this level add to those before.
 */
import type { Path } from "../../Finding.ts"
import type { Strategy } from "../../Policy.ts"
import { alternatives, armOf, type Candidates, drawnBy, drawsIn, type Drawn, type Level, type Shown } from "../candidates.ts"
import { everything, isEmpty, nothing, type Region } from "../space.ts"

export interface Removed {
  readonly of: Strategy
  readonly path: Path
  /** What it is to its surroundings: `fallback`, `arm \`next\``, `branch`. */
  readonly is: string
  /** The calls, or some of them, that would find it there. */
  readonly region: Region
  /** The same of some calls. */
  readonly among: (calls: Region) => Region | undefined
  /** What assigns the arms on the way to it. */
  readonly draws: ReadonlyArray<Drawn>
  /** Whether they do. */
  readonly isAssigned: (facts: Shown["facts"]) => boolean
  /** The failover in which it stands, and the place in it. */
  readonly inFirst: { readonly of: ReadonlyArray<Strategy>; readonly at: number } | undefined
}

interface Way {
  readonly here: Region
  readonly without: ReadonlyArray<Region>
  readonly draws: ReadonlyArray<Drawn>
  readonly isAssigned: (facts: Shown["facts"]) => boolean
  /** Nothing around it would take its place. */
  readonly alone: boolean
}

/** What a strategy is called of which nothing is left. */
const named: Partial<Record<Strategy["_tag"], string>> = { First: "failover", Hedge: "hedge", Spread: "spread", Pool: "pool" }

/** Visits what rules of `level` take away from `strategy` of the calls in `here`, except those in `without`. Where the visit comes to nothing (false), the parts of the part are visited for the same calls. */
export const removedParts = (
  candidates: Candidates,
  route: number,
  level: Level,
  strategy: Strategy,
  path: Path,
  here: Region,
  without: ReadonlyArray<Region>,
  visit: (removed: Removed) => boolean
): void => {
  const { assignedReasonOf, boundsOf, both, concerns, otherwise, outOf, some } = candidates
  const earlier = (of: Strategy): Region => (level === 0 ? nothing : outOf(of, (level - 1) as Level, "any"))

  /** What assigns the arms on the way to a part, and those in it, to calls of which rules of this level take it away. */
  const assigned = (of: Strategy, { draws, isAssigned }: Way): Pick<Removed, "draws" | "isAssigned"> => ({
    draws: [...draws, ...drawsIn(of)],
    isAssigned: (facts) =>
      isAssigned(facts) &&
      assignedReasonOf(of, level, facts) !== undefined &&
      (level === 0 || assignedReasonOf(of, (level - 1) as Level, facts) === undefined)
  })

  const go = (of: Strategy, path: Path, way: Way): void => {
    if (isEmpty(way.here) || !concerns(of, level)) return
    const parts = alternatives(candidates, of, path)
    if (parts !== undefined) {
      const whole = outOf(of, level, "any")
      if (way.alone && of._tag !== "Split") {
        // Nothing of it is left for some calls, and nothing around it takes its place.
        const among = (calls: Region): Region | undefined => some(route, both(both(way.here, whole), calls), ...way.without, earlier(of))
        const region = among(everything)
        if (region !== undefined)
          visit({ of, path, is: named[of._tag] ?? "strategy", region, among, ...assigned(of, way), inFirst: undefined })
      }
      for (const [i, part] of parts.entries()) {
        const inner: Way =
          of._tag === "Split"
            ? {
                ...way,
                draws: [...way.draws, drawnBy(of, i)],
                isAssigned: (facts) => way.isAssigned(facts) && armOf(of, facts) === i
              }
            : { ...way, alone: false }
        const gone = both(way.here, outOf(part.of, level, "any"))
        const among = (calls: Region): Region | undefined =>
          isEmpty(gone) ? undefined : some(route, both(gone, calls), ...way.without, whole, earlier(part.of))
        const region = among(everything)
        const inFirst = of._tag === "First" ? { of: of.of, at: i } : undefined
        const said = region !== undefined && visit({ ...part, region, among, ...assigned(part.of, inner), inFirst })
        const rest = said ? { ...inner, without: [...inner.without, gone] } : inner
        go(part.of, of._tag === "Split" ? [...part.path, "to"] : part.path, rest)
      }
      return
    }
    switch (of._tag) {
      case "Shadow":
      case "Within":
      case "Retry":
        return go(of.of, [...path, "of"], way)
      case "When": {
        const holds = boundsOf(of.if)
        for (const [key, where] of [
          ["then", holds],
          ["otherwise", otherwise(holds)]
        ] as const) {
          const branch = of[key]
          const here = both(way.here, where.must)
          const gone = outOf(branch, level, "any")
          const among = (calls: Region): Region | undefined => some(route, both(both(here, gone), calls), ...way.without, earlier(branch))
          const region = way.alone ? among(everything) : undefined
          const said =
            region !== undefined &&
            visit({ of: branch, path: [...path, key], is: "branch", region, among, ...assigned(branch, way), inFirst: undefined })
          go(branch, [...path, key], { ...way, here, without: said ? [...way.without, gone] : way.without })
        }
        return
      }
      default:
        return
    }
  }
  go(strategy, path, { here, without, draws: [], isAssigned: () => true, alone: true })
}
