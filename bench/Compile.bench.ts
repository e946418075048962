/**
 * What a decision costs: on the quickstart and on fifty routes, by itself, with the facts taken out of a parsed body, and with a body of 10 KB read and checked too.
 *
 * On fifty routes under guards, a split and a budget it is held against the same written by hand for this policy alone: both in turn, in one process, over the same facts. By
 * hand takes about two fifths of the time, of which most is the split's hash.
 */
import { fallbackApi } from "../src/Apis.ts"
import { byHand } from "./byHand.ts"
import { compare, measure } from "./measure.ts"
import { body, fiftyRoutes, fresh, guardedCalls, guardedRoutes, quickstart, source } from "./scenarios.ts"

const bytes = body(10_000)
const parse = fallbackApi.parse
const none = () => null

for (const [name, policy] of [
  ["quickstart", await quickstart()],
  ["50 routes", fiftyRoutes()]
] as const) {
  const { decide, facts } = policy
  const sources = Array.from({ length: 16 }, (_, i) => source(bytes, `request-${i}`))
  // In 2 KB, so that the quickstart's split is reached and not its route for long prompts.
  const taken = sources.map((_, i) => facts.read(source(body(2_000), `request-${i}`)))
  let turn = 0
  let sum = 0
  measure(
    `decide, ${name}`,
    () => {
      sum += decide(taken[turn++ & 15]!).route + 1
    },
    { limit: 2_000 }
  )
  const ask = fresh(bytes)
  measure(`facts of a parsed 10 KB body, then decide, ${name}`, () => {
    sum += decide(facts.read({ ...sources[turn++ & 15]!, ask: ask() })).route + 1
  })
  if (sum === 0) throw new Error("nothing was decided")
}

const { decide, facts } = guardedRoutes()
const hand = byHand(facts.slotOf)
const calls = guardedCalls.map((values) => facts.of(values))
for (const call of calls) {
  if (JSON.stringify(decide(call)) !== JSON.stringify(hand(call))) throw new Error("both must decide the same")
}
let turn = 0
let sum = 0
measure(
  "decide, 50 routes with guards, a split and a budget",
  () => {
    sum += decide(calls[turn++ & 15]!).route
  },
  { limit: 1_000, limit99: 10_000 }
)
compare(
  "the same, to a function written by hand",
  () => {
    sum += decide(calls[turn++ & 15]!).route
  },
  () => {
    sum += hand(calls[turn++ & 15]!).route
  },
  { limit: 3 }
)
if (sum === 0) throw new Error("nothing was decided")

let read = 0
measure("reading a 10 KB body: UTF-8, JSON, duplicate keys", () => {
  if ("ask" in parse(bytes, none)) read++
})
if (read === 0) throw new Error("the body must be read")
