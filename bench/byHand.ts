/**
 * `guardedRoutes` of `scenarios.ts` as one would write it by hand: a function for this policy alone, over the same facts, with the same decisions.
 */
import type { Decision } from "../src/Decision.ts"
import type { Facts } from "../src/Facts.ts"
import { bucketOf } from "../src/Murmur3.ts"

const retired = new Map<unknown, number>(Array.from({ length: 20 }, (_, i) => [`legacy-${i}`, 1 + i]))
const teams = new Map<unknown, number>(Array.from({ length: 10 }, (_, i) => [`team-${i}`, 21 + i]))
const features = new Map<unknown, number>(
  Array.from({ length: 10 }, (_, i) => [`chat-${i}`, `draft-${i}`].map((name) => [name, 31 + i] as const)).flat()
)

/** Decides by hand, where `slotOf` says where the facts lie. */
export const byHand = (slotOf: (name: string) => number): ((facts: Facts) => Decision) => {
  const model = slotOf("request.model")
  const stream = slotOf("request.stream")
  const inputTokens = slotOf("request.inputTokens")
  const vision = slotOf("request.needs.vision")
  const reasoning = slotOf("request.needs.reasoning")
  const key = slotOf("caller.key")
  const className = slotOf("caller.class")
  const team = slotOf("caller.team")
  const vip = slotOf("caller.tags.vip")
  const batch = slotOf("caller.tags.batch")
  const tier = slotOf("request.metadata.tier")
  const feature = slotOf("request.metadata.feature")
  const residency = slotOf("request.metadata.residency")
  const usedRatio = slotOf("budget.engineering.usedRatio")

  const decided = (route: number, slots: ReadonlyArray<number>): Decision => ({ route, slots, asked: undefined, threw: undefined })

  // Which rule keeps each target out: its grant, then guards, then what it lacks.
  const small = (facts: Facts): number => {
    if (facts[className] !== "engineering" && facts[className] !== "interns") return 1
    if (facts[reasoning] === true) return 2
    return (facts[inputTokens] as number) > 128_000 ? 3 : 0
  }
  const large = (facts: Facts): number => {
    if (facts[className] !== "engineering") return 1
    if (facts[residency] === "eu") return 2
    return (facts[inputTokens] as number) > 200_000 ? 3 : 0
  }
  const next = (facts: Facts): number => {
    if (facts[className] !== "engineering") return 1
    if ((facts[usedRatio] as number) >= 0.9) return 2
    if (facts[residency] === "eu") return 3
    if (facts[vip] !== true) return 4
    if (facts[vision] === true) return 5
    return (facts[inputTokens] as number) > 200_000 ? 6 : 0
  }
  const long = (facts: Facts): number => {
    if (facts[className] !== "engineering" && facts[className] !== "interns") return 1
    return (facts[inputTokens] as number) > 1_000_000 ? 2 : 0
  }

  return (facts) => {
    if ((facts[usedRatio] as number) >= 0.95) return decided(0, [small(facts)])
    const gone = retired.get(facts[model])
    if (gone !== undefined) return decided(gone, [])
    const ofTeam = teams.get(facts[team])
    if (ofTeam !== undefined) return decided(ofTeam, [large(facts), small(facts)])
    if (facts[tier] === "gold") {
      const ofFeature = features.get(facts[feature])
      if (ofFeature !== undefined) return decided(ofFeature, [large(facts), long(facts), small(facts)])
    }
    const tokens = facts[inputTokens] as number
    if (tokens > 500_000) {
      const streams = facts[stream] === true
      if (tokens > 900_000 && streams) return decided(41, [long(facts)])
      if (tokens > 800_000 && !streams) return decided(42, [long(facts)])
      if (tokens > 700_000 && streams) return decided(43, [long(facts)])
      if (tokens > 600_000 && !streams) return decided(44, [long(facts)])
      if (streams) return decided(45, [long(facts)])
    }
    if (facts[vision] === true) return decided(facts[stream] === true ? 47 : 46, [large(facts), small(facts)])
    if (facts[batch] === true) return decided(48, [small(facts)])
    return bucketOf("canary", facts[key] as string, 100) < 90
      ? decided(49, [0, large(facts), -1, small(facts)])
      : decided(49, [1, -1, next(facts), small(facts)])
  }
}
