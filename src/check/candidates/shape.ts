/**
 * What strategies are made of, for those who ask who is left of them: their alternatives, their targets, and what their splits draw.
 */
import type { FactValue } from "../../Facts.ts"
import type { Path } from "../../Finding.ts"
import { bucketOf } from "../../Murmur3.ts"
import type { Policy, Send, Strategy } from "../../Policy.ts"
import { within } from "../walk.ts"

/** Finds the members of a pool. */
export interface Pools {
  readonly membersOf: (pool: string) => ReadonlyArray<Send>
}

export const poolsOf = (policy: Pick<Policy, "pools">): Pools => ({
  membersOf: (pool) => (Object.hasOwn(policy.pools, pool) ? policy.pools[pool]!.of : [])
})

/** The arm that a split assigns. */
export const armOf = (
  { arms, by, salt }: Extract<Strategy, { readonly _tag: "Split" }>,
  facts: Readonly<Record<string, FactValue>>
): number => {
  const total = arms.reduce((sum, arm) => sum + arm.weight, 0)
  const bucket = bucketOf(salt, (facts[by.fact] as string | null | undefined) ?? by.or ?? "", total)
  let end = 0
  return arms.findIndex((arm) => bucket < (end += arm.weight))
}

/** The parts of a strategy of which each can be the answer where others are rejected, with what they are in words. */
export const alternatives = (
  pools: Pools,
  strategy: Strategy,
  path: Path
): ReadonlyArray<{ readonly of: Strategy; readonly path: Path; readonly is: string }> | undefined => {
  switch (strategy._tag) {
    case "First":
      return strategy.of.map((of, i) => ({ of, path: [...path, "of", i], is: i === 0 ? "first choice" : "fallback" }))
    case "Hedge":
      return [
        { of: strategy.of, path: [...path, "of"], is: "first choice" },
        { of: strategy.with, path: [...path, "with"], is: "hedge" }
      ]
    case "Escalate":
      return [
        { of: strategy.of, path: [...path, "of"], is: "first choice" },
        { of: strategy.to, path: [...path, "to"], is: "escalation" }
      ]
    case "Split":
      return strategy.arms.map(({ name, to }, i) => ({ of: to, path: [...path, "arms", i], is: `arm \`${name}\`` }))
    case "Spread":
      return strategy.of.map((of, i) => ({ of, path: [...path, "of", i], is: "member" }))
    case "Pool":
      return pools.membersOf(strategy.pool).map((of) => ({ of, path, is: `member \`${of.target}\`` }))
    default:
      return undefined
  }
}

/** Every target that a strategy may send to, in the author's order. */
export const sendsIn = (pools: Pools, strategy: Strategy): ReadonlyArray<Send> => {
  const parts = alternatives(pools, strategy, [])
  if (parts !== undefined) return parts.flatMap(({ of }) => sendsIn(pools, of))
  switch (strategy._tag) {
    case "Send":
      return [strategy]
    case "When":
      return [...sendsIn(pools, strategy.then), ...sendsIn(pools, strategy.otherwise)]
    // Nobody waits for a copy: what it lacks takes nothing from a caller.
    case "Shadow":
    case "Within":
    case "Retry":
      return sendsIn(pools, strategy.of)
    default:
      return []
  }
}

/** What a split assigns by, and how many of a hundred texts come to an arm, as a fraction. */
export interface Drawn {
  readonly fact: string
  readonly chance: number
}

/** What a split draws for one of its arms, or for the rarest. */
export const drawnBy = ({ arms, by }: Extract<Strategy, { readonly _tag: "Split" }>, arm?: number): Drawn => {
  const total = arms.reduce((sum, { weight }) => sum + weight, 0)
  const weight = arm === undefined ? Math.min(...arms.map((one) => one.weight)) : arms[arm]!.weight
  return { fact: by.fact, chance: weight / total }
}

/** What draws the calls that a shadow copies, as a split of which the first arm is copied (`../../Compile.ts`). */
export const splitOf = (
  { copy, of, sample }: Extract<Strategy, { readonly _tag: "Shadow" }>,
  route: string
): Extract<Strategy, { readonly _tag: "Split" }> => ({
  _tag: "Split",
  by: { fact: "request.id" },
  salt: `shadow ${route}`,
  arms: [
    { name: "copied", weight: sample, to: copy },
    { name: "others", weight: 100 - sample, to: of }
  ]
})

/** What the splits of a strategy draw. */
export const drawsIn = (strategy: Strategy): ReadonlyArray<Drawn> =>
  within(strategy, []).flatMap(({ of }) => (of._tag === "Split" ? [drawnBy(of)] : []))
