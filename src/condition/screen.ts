/**
 * The first comparison of a condition as data, by which most conditions are settled: comparing costs a third of a call.
 *
 * Conditions are closures, and where many are asked in a row (routes, rules) every call of one is a jump to code that the processor has not foreseen. So the first comparison is
 * kept beside the closure, and a closure is called only where that holds and is not all of it. Made at load.
 */
import type { Condition, Order } from "../Condition.ts"
import type { Facts, FactValue } from "../Facts.ts"

/** One comparison of a fact. */
export interface Screen {
  readonly slot: number
  readonly how: "is" | "is not" | Order | "any"
  readonly value: FactValue
}

/** Holds of every call. */
export const open: Screen = { slot: 0, how: "any", value: 0 }

export const passes = ({ how, slot, value }: Screen, facts: Facts): boolean => {
  const fact = facts[slot]!
  switch (how) {
    case "is":
      return fact === value
    case ">":
      return (fact as number) > (value as number)
    case ">=":
      return (fact as number) >= (value as number)
    case "<":
      return (fact as number) < (value as number)
    case "<=":
      return (fact as number) <= (value as number)
    case "is not":
      return fact !== value
    case "any":
      return true
  }
}

/** The first comparison of a condition, and whether it is all of it. */
export const screenOf = (condition: Condition, slotOf: (fact: string) => number): { readonly screen: Screen; readonly whole: boolean } => {
  switch (condition._tag) {
    case "Is":
      return { screen: { slot: slotOf(condition.fact), how: "is", value: condition.value }, whole: true }
    case "IsNot":
      return { screen: { slot: slotOf(condition.fact), how: "is not", value: condition.value }, whole: true }
    case "Flag":
      return { screen: { slot: slotOf(condition.fact), how: "is", value: true }, whole: true }
    case "Ordered":
      return { screen: { slot: slotOf(condition.fact), how: condition.order, value: condition.value }, whole: true }
    case "All": {
      const { screen, whole } = screenOf(condition.of[0]!, slotOf)
      return { screen, whole: whole && condition.of.length === 1 }
    }
    default:
      return { screen: open, whole: false }
  }
}
