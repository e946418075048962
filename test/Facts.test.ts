import { assert, describe, it } from "@effect/vitest"
import type { Ask } from "../src/Ask.ts"
import { factNames, type FactSource, makeTable, typeOf } from "../src/Facts.ts"
import { askOf, callerOf, decoded, only } from "./scripted.ts"

const policy = decoded(
  only("a", {
    metadata: ["tier"],
    headers: ["x-app"],
    tags: ["vip", "batch"],
    zone: "America/St_Johns",
    budgets: { month: { per: "class", limit: { usd: 2 }, every: "month" } },
    layers: [{ name: "org", budgets: { all: { per: "organisation", limit: { usd: 1 }, every: "day" } } }]
  })
)

const source = (facts: Parameters<typeof askOf>[0] = {}, more: Partial<FactSource> = {}): FactSource => ({
  id: "call-1",
  api: "messages",
  ask: askOf(facts),
  caller: callerOf(facts),
  // A quarter past four in UTC, a quarter to one at St John's.
  time: Date.parse("2026-11-23T04:15:00Z"),
  standing: (_, budget) => ({ spentNanoDollars: budget === "all" ? 250_000_000 : 0, limitNanoDollars: 1e9 }),
  health: (target) => (target === "b" ? { up: false, latencyMillis: 12.5 } : { up: true, latencyMillis: null }),
  ...more
})

const read = (name: string, from: FactSource) => {
  const table = makeTable(policy)
  const slot = table.slotOf(name)
  return table.read(from)[slot]
}

describe("facts", () => {
  const rows: ReadonlyArray<readonly [name: string, from: FactSource, value: string | number | boolean | null]> = [
    ["request.needs.audio", source({ "asks.audio": 1 }), true],
    ["request.needs.audio", source({ "asks.files": 1 }), false],
    ["request.needs.files", source({ "asks.files": 2 }), true],
    ["request.needs.files", source(), false],
    ["caller.tags.vip", source({ "caller.tags.vip": true }), true],
    ["caller.tags.batch", source({ "caller.tags.vip": true }), false],
    ["caller.organisation", source(), null],
    ["caller.organisation", source({ "caller.organisation": "acme" }), "acme"],
    ["time.hour", source(), 0],
    ["time.weekday", source(), "monday"],
    ["time.weekday", source({}, { time: Date.parse("2026-11-23T03:29:59Z") }), "sunday"],
    ["health.a.up", source(), true],
    ["health.a.latencyMillis", source(), null],
    ["health.b.up", source(), false],
    ["health.b.latencyMillis", source(), 12.5],
    ["budget.all.spent", source(), 0.25],
    ["budget.all.remaining", source(), 0.75],
    ["budget.all.usedRatio", source(), 0.25],
    ["budget.month.spent", source(), 0]
  ]
  for (const [name, from, value] of rows) it(`${name} is ${JSON.stringify(value)}`, () => assert.strictEqual(read(name, from), value))

  it("are those that the policy declares, each by its whole name", () => {
    for (const name of factNames(policy)) assert.isDefined(typeOf(name, policy), name)
    for (const name of [
      "budget.month",
      "budget.month.limit",
      "budget.month.spent.x",
      "budget.none.spent",
      "budget.constructor.spent",
      "budget.month.constructor",
      "health.a",
      "health.a.up.x",
      "health.a.constructor",
      "health.none.up",
      "health.constructor.up",
      "health.__proto__.up",
      "caller.tags",
      "caller.tags.none",
      "caller.tags.vip.x",
      "time",
      "time.minute",
      "request.metadata.tier.x",
      "request.headers.constructor",
      "constructor",
      "__proto__",
      ""
    ])
      assert.isUndefined(typeOf(name, policy), name)
  })

  it("may be absent only where their type says so", () => {
    const optional = factNames(policy).filter((name) => typeOf(name, policy)!.optional)
    assert.sameMembers(optional, [
      "request.maxOutputTokens",
      "caller.team",
      "caller.organisation",
      "request.metadata.tier",
      "request.headers.x-app",
      ...[..."abcdef"].map((name) => `health.${name}.latencyMillis`)
    ])
  })

  it("are computed only if a policy mentions them", () => {
    const asked: Array<string> = []
    const watched = new Proxy(askOf({}), {
      get: (target, name) => {
        asked.push(String(name))
        return target[name as keyof Ask]
      }
    })
    const refuse = (): never => {
      throw new Error("nobody asks for this")
    }
    const table = makeTable(policy)
    for (const name of ["request.needs.audio", "caller.tags.vip", "request.model", "request.needs.audio"]) table.slotOf(name)
    const facts = table.read(source({}, { ask: watched, standing: refuse, health: refuse }))
    assert.deepStrictEqual([...table.names], ["request.needs.audio", "caller.tags.vip", "request.model"])
    assert.deepStrictEqual([...facts], [false, false, "a"])
    assert.deepStrictEqual(asked, ["media", "model"])
  })
})
