/**
 * What a reservation costs before its ledger: the bound of a body of 10 KB, of which counting the bytes of its text is a part, and the cost of an answer.
 *
 * Node 26.10, two shared cores, November 2026 (medians of three processes):
 *
 *     bound of a body, 10 KB (its bytes of text alone)              0.28 (0.10) µs
 *     bound of a body, 10 KB, not ASCII (its bytes of text alone)   1.62 (1.40) µs
 *     bound of a body, 10 KB and four tools (its bytes alone)       1.09 (0.90) µs
 *     cost of an answer (beyond exact doubles)                           19 (71) ns
 */
import { boundOf } from "../src/Bound.ts"
import { costOf } from "../src/Money.ts"
import type { Policy } from "../src/Policy.ts"
import type { Price } from "../src/Price.ts"
import { makeTargets } from "../src/Target.ts"
import { body, fresh, parsed } from "./scenarios.ts"
import { measure } from "./measure.ts"

const rates = { input: 3_000_000, output: 15_000_000, cacheRead: 300_000, cacheWrite: 3_750_000, cacheWriteLong: 6_000_000 }
const price: Price = { ...rates, tiers: [{ aboveInputTokens: 200_000, rates: { ...rates, input: 6_000_000, output: 22_500_000 } }] }
const policy = {
  providers: { p: { dialect: "anthropic" } },
  targets: { t: { provider: "p", model: "claude-sonnet-4-5", maxOutputTokens: 64_000 } },
  aliases: {}
} as unknown as Policy
const target = makeTargets(policy, () => price).get("t")!

const plain = body(10_000)
/** The same with a letter that takes two bytes, so that its text has to be measured. */
const accented = new TextEncoder().encode(new TextDecoder().decode(plain).replaceAll("coast", "côte"))
const { json } = parsed(plain)
const tool = (name: string) => ({
  type: "function",
  function: {
    name,
    description: "Looks something up.",
    parameters: { type: "object", properties: { city: { type: "string", description: "Where." } } }
  }
})
const withTools = new TextEncoder().encode(JSON.stringify({ ...(json as object), tools: ["a", "b", "c", "d"].map(tool) }))

let held = 0
for (const [name, bytes] of [
  ["10 KB", plain],
  ["10 KB, not ASCII", accented],
  ["10 KB and four tools", withTools]
] as const) {
  const ask = fresh(bytes)
  measure(`bound of a body, ${name}`, () => {
    const bound = boundOf(ask(), target)
    if (bound._tag === "Bound") held += bound.nanoDollars
  })
  measure(`its bytes of text alone, ${name}`, () => {
    held += ask().inputBytes()
  })
}

const usages = Array.from({ length: 16 }, (_, i) => ({
  inputTokens: 250_000 - i * 10_000,
  cachedInputTokens: i * 1_000,
  cacheWriteInputTokens: i * 500,
  outputTokens: 400 + i
}))
let turn = 0
measure("cost of an answer", () => {
  held += costOf(price, usages[turn++ & 15]!)!
})
const dear: Price = { ...price, input: 900_000_000, tiers: [] }
const huge = usages.map((usage) => ({ ...usage, inputTokens: usage.inputTokens * 1_000 }))
measure("cost of an answer beyond exact doubles", () => {
  held += costOf(dear, huge[turn++ & 15]!)!
})
if (held === 0) throw new Error("nothing was measured")
