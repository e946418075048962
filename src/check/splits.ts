/**
 * Splits that do not assign what their author means: each request of a conversation by itself, two experiments the same callers, or everybody the same target.
 */
import type { Found } from "../Check.ts"
import type { Policy, Strategy } from "../Policy.ts"
import { placeOf, type Path } from "../Finding.ts"
import { strategiesOf } from "./walk.ts"

type Split = Extract<Strategy, { readonly _tag: "Split" }>

/** What it assigns: one experiment that several routes take part in has the same arms everywhere. */
const experimentOf = ({ arms }: Split): string => JSON.stringify(arms.map(({ name, weight }) => [name, weight]))

export const checkSplits = (policy: Policy, found: Found): void => {
  const salted = new Map<string, { readonly split: Split; readonly path: Path }>()
  for (const { of, path } of strategiesOf(policy)) {
    if (of._tag !== "Split") continue
    if (of.by.fact === "request.id" && of.arms.length > 1) {
      found(
        "note",
        [...path, "by", "fact"],
        "split-unit-fine",
        "each request is assigned by itself, so that one conversation may be answered by several arms",
        "assign by `caller.key`, or by a field of `metadata` that names the conversation"
      )
    }
    const [one] = of.arms
    if (of.arms.length > 1 && of.arms.every(({ to }) => JSON.stringify(to) === JSON.stringify(one.to))) {
      found(
        "warning",
        [...path, "arms"],
        "split-same",
        "every arm leads to the same, so that nothing is split",
        "give the arms different targets"
      )
    }
    const key = JSON.stringify([of.salt, of.by.fact])
    const twin = salted.get(key)
    if (twin === undefined) salted.set(key, { split: of, path })
    else if (experimentOf(twin.split) !== experimentOf(of)) {
      found(
        "warning",
        [...path, "salt"],
        "split-salt-reused",
        `${placeOf(policy, twin.path)} has the same salt and unit, so that the two splits assign the same callers together, and neither's effect can be told from the other's`,
        "give each split a salt of its own"
      )
    }
  }
}
