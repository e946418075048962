/**
 * Finds the first route whose condition holds, without asking every condition before it.
 *
 * Policies have rows of routes that each want one fact to be a certain value: a model, a team, a feature. Each such route is filed under those values, so that a call looks
 * its own value up once and asks only the routes that are filed there, and those that are filed nowhere, in their order. What this skips would not have held: the condition
 * has a part that must hold and does not. A part counts only if nothing opaque stands before it, which might have thrown.
 *
 * The routes to ask are bits of a mask, since that takes no memory per call and keeps the order. Made at load.
 */
import type { Condition, Test } from "../Condition.ts"
import { mayThrow } from "../condition/opaque.ts"
import { open, passes, screenOf } from "../condition/screen.ts"
import type { Facts, FactValue } from "../Facts.ts"

/** Fewer values than this are compared with sooner than looked up. */
const worthwhile = 4

interface Wanted {
  readonly fact: string
  readonly values: ReadonlyArray<FactValue>
}

/** Facts that must each be one of some values for a condition to hold. */
const wantedBy = (condition: Condition): ReadonlyArray<Wanted> => {
  switch (condition._tag) {
    case "Is":
      return [{ fact: condition.fact, values: [condition.value] }]
    case "OneOf":
      return [condition]
    case "All": {
      const opaque = condition.of.findIndex(mayThrow)
      return (opaque === -1 ? condition.of : condition.of.slice(0, opaque)).flatMap(wantedBy)
    }
    default:
      return []
  }
}

export interface Findable {
  readonly condition: Condition | undefined
  readonly test: Test | undefined
}

/** The index of the first route that a call meets. Throws what the condition of a route throws. */
export const makeFinder = (routes: ReadonlyArray<Findable>, slotOf: (fact: string) => number): ((facts: Facts) => number) => {
  // INVARIANT: the last route has no test: it takes whatever comes to it.
  const screens = routes.map(({ condition, test }) =>
    condition === undefined || test === undefined ? { screen: open, whole: true } : screenOf(condition, slotOf)
  )
  const candidates = routes.map(({ test }, i) => ({ screen: screens[i]!.screen, test: screens[i]!.whole ? undefined : test }))
  const wants = routes.map(({ condition, test }) => (condition === undefined || test === undefined ? [] : wantedBy(condition)))

  /** The values that routes want a fact to have: the more there are, the fewer routes are left for one. */
  const spread = new Map<string, Set<FactValue>>()
  for (const { fact, values } of wants.flat()) {
    const all = spread.get(fact) ?? new Set<FactValue>()
    spread.set(fact, all)
    for (const value of values) all.add(value)
  }
  const sizeOf = ({ fact }: Wanted): number => spread.get(fact)!.size

  const words = Math.ceil(routes.length / 32)
  const unfiled = new Int32Array(words)
  const filed = new Map<string, Map<FactValue, Int32Array>>()
  const mark = (mask: Int32Array, route: number): void => {
    mask[route >> 5]! |= 1 << (route & 31)
  }
  for (const [route, wanted] of wants.entries()) {
    const best = wanted.toSorted((a, b) => sizeOf(b) - sizeOf(a))[0]
    if (best === undefined || sizeOf(best) < worthwhile) mark(unfiled, route)
    else {
      const masks = filed.get(best.fact) ?? new Map<FactValue, Int32Array>()
      filed.set(best.fact, masks)
      for (const value of best.values) {
        const mask = masks.get(value) ?? new Int32Array(words)
        masks.set(value, mask)
        mark(mask, route)
      }
    }
  }
  const files = [...filed].map(([fact, masks]) => ({ slot: slotOf(fact), masks }))
  const toAsk = new Int32Array(words)

  return (facts) => {
    for (let word = 0; word < words; word++) toAsk[word] = unfiled[word]!
    for (let i = 0; i < files.length; i++) {
      const mask = files[i]!.masks.get(facts[files[i]!.slot]!)
      if (mask !== undefined) for (let word = 0; word < words; word++) toAsk[word]! |= mask[word]!
    }
    for (let word = 0; ; word++) {
      for (let bits = toAsk[word]!; bits !== 0; bits &= bits - 1) {
        const route = (word << 5) + 31 - Math.clz32(bits & -bits)
        const { screen, test } = candidates[route]!
        if (passes(screen, facts) && (test === undefined || test(facts))) return route
      }
    }
  }
}
