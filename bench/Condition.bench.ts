/**
 * What one condition costs: compiled, against `json-logic-js` on the same facts.
 */
import jsonLogic from "json-logic-js"
import { compile, parse } from "../src/Condition.ts"
import { factNames, makeTable, typeOf } from "../src/Facts.ts"
import { measure } from "./measure.ts"

const policy = { metadata: ["tier"], headers: [], budgets: {}, tags: [], zone: "UTC", layers: [], targets: {} }
const rule = { and: [{ ">": [{ var: "request.inputTokens" }, 100] }, { in: [{ var: "request.metadata.tier" }, ["gold", "silver"]] }] }
const table = makeTable(policy)
const condition = parse(rule, [], { names: factNames(policy), typeOf: (name) => typeOf(name, policy) }, (_, __, message) => {
  throw new Error(message)
})!
const test = compile(condition, table.slotOf)
// Several requests in turn, and a count of what held: a constant would be folded away, and the figure would be of nothing.
const requests = [50, 500, 5_000, 50_000].flatMap((inputTokens) =>
  ["gold", "silver", "bronze", null].map((tier) => ({ inputTokens, tier }))
)
const flat = requests.map(({ inputTokens, tier }) => table.of({ "request.inputTokens": inputTokens, "request.metadata.tier": tier }))
const nested = requests.map(({ inputTokens, tier }) => ({ request: { inputTokens, metadata: { tier } } }))
const apply = jsonLogic.apply as (rule: unknown, facts: unknown) => unknown
if (flat.some((facts, i) => test(facts) !== apply(rule, nested[i]))) throw new Error("the two must agree")
let turn = 0
let held = 0

measure("one condition, compiled", () => {
  if (test(flat[turn++ & 15]!)) held++
})
measure("one condition, json-logic-js", () => {
  if (apply(rule, nested[turn++ & 15]) === true) held++
})
if (held === 0) throw new Error("the condition never held")
