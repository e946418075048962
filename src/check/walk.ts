/**
 * The ways through a policy's strategies, each with its path, for checks that look at every part and care little for what it is in.
 */
import type { Path } from "../Finding.ts"
import type { Policy, Send, Strategy } from "../Policy.ts"

export interface Placed<A> {
  readonly of: A
  readonly path: Path
}

/** The strategies directly inside one. The members of `spread` are among them, those of a pool are not: they stand elsewhere. */
export const partsOf = (strategy: Strategy, path: Path): ReadonlyArray<Placed<Strategy>> => {
  switch (strategy._tag) {
    case "Send":
    case "Asked":
    case "Deny":
    case "Pool":
      return []
    case "First":
    case "Spread":
      return strategy.of.map((of, i) => ({ of, path: [...path, "of", i] }))
    case "Split":
      return strategy.arms.map(({ to }, i) => ({ of: to, path: [...path, "arms", i, "to"] }))
    case "When":
      return [
        { of: strategy.then, path: [...path, "then"] },
        { of: strategy.otherwise, path: [...path, "otherwise"] }
      ]
    case "Hedge":
      return [
        { of: strategy.of, path: [...path, "of"] },
        { of: strategy.with, path: [...path, "with"] }
      ]
    case "Shadow":
      return [
        { of: strategy.of, path: [...path, "of"] },
        { of: strategy.copy, path: [...path, "copy"] }
      ]
    case "Escalate":
      return [
        { of: strategy.of, path: [...path, "of"] },
        { of: strategy.to, path: [...path, "to"] }
      ]
    case "Within":
    case "Retry":
      return [{ of: strategy.of, path: [...path, "of"] }]
  }
}

/** A strategy and everything inside it, from the outside in. */
export const within = (strategy: Strategy, path: Path): ReadonlyArray<Placed<Strategy>> => [
  { of: strategy, path },
  ...partsOf(strategy, path).flatMap((part) => within(part.of, part.path))
]

/** Everything that the routes of a policy are made of. */
export const strategiesOf = (policy: Pick<Policy, "routes">): ReadonlyArray<Placed<Strategy>> =>
  policy.routes.flatMap(({ to }, i) => within(to, ["routes", i, "to"]))

/** Every place at which a target is sent to: in the routes, then in the pools. */
export const sendsOf = (policy: Pick<Policy, "routes" | "pools">): ReadonlyArray<Placed<Send>> => [
  ...strategiesOf(policy).filter((placed): placed is Placed<Send> => placed.of._tag === "Send"),
  ...Object.entries(policy.pools).flatMap(([name, { of }]) => of.map((send, i) => ({ of: send, path: ["pools", name, "of", i] })))
]
