import { assert, describe, it } from "@effect/vitest"
import { catalog } from "../../src/Catalog.ts"
import { check } from "../../src/Check.ts"
import type { PriceSource } from "../../src/Price.ts"
import teams from "../../policies/teams.ts"
import { rowsOf, type Row, table } from "./table.ts"

const key = (name: string, more: object = {}) => ({ secret: { env: `${name.toUpperCase()}_KEY` }, class: "eng", ...more })
const price = { input: { usd: 1 }, output: { usd: 2 } }
const limited = { price, maxOutputTokens: 1_000 }
const month = { per: "class", limit: { usd: 1 }, every: "month" }
const base = {
  name: "test",
  providers: { openai: { dialect: "openai" }, eu: { dialect: "mistral", region: "eu" } },
  targets: { mini: { provider: "openai", model: "m", ...limited }, french: { provider: "eu", model: "f" } },
  budgets: { month },
  classes: { eng: { may: ["mini"], within: ["month"] } },
  keys: { alice: key("alice") },
  routes: [{ name: "default", to: { _tag: "Asked" } }]
}
const eng = (may: ReadonlyArray<string>, more: object = {}) => ({ classes: { eng: { may, within: ["month"], ...more } } })
const mini = (more: object) => ({ targets: { mini: { provider: "openai", model: "m", ...more } } })

const unpriced = (target: string, model: string, class_ = "eng", budget = "month"): Row => [
  "error",
  "unpriced-target",
  `targets.${target}`,
  `the price of \`${model}\` is not known, and class \`${class_}\` may use it under budget \`${budget}\``,
  "say its `price`, in dollars for a million tokens"
]
const unlimited = (target: string, class_ = "eng", budget = "month"): Row => [
  "error",
  "unlimited-target",
  `targets.${target}`,
  `how long an answer of \`${target}\` can be is not known, and class \`${class_}\` may use it under budget \`${budget}\`, so nothing could be reserved`,
  "say its `maxOutputTokens`"
]

table("names", {
  "nothing wrong": [base],
  "a misspelt budget": [
    { ...base, ...eng(["mini"], { within: ["month", "monht"] }) },
    ["error", "unknown-budget", "classes.eng.within[1]", "unknown budget `monht`", "did you mean `month`?"]
  ],
  "an inherited name for a budget": [
    { ...base, ...eng(["mini"], { within: ["month", "constructor"] }) },
    ["error", "unknown-budget", "classes.eng.within[1]", "unknown budget `constructor`"]
  ],
  "a budget that binds nobody": [
    { ...base, ...eng(["mini"], { within: [] }) },
    ["error", "budget-binds-nobody", "budgets.month", "no class spends from `month`", "name it in `within` of a class"]
  ]
})

table("teams", {
  "a key without one": [
    { ...base, budgets: { month: { ...month, per: "team" } }, keys: { alice: key("alice"), bob: key("bob", { team: "core" }) } },
    ["error", "key-without-team", "keys.alice", "budget `month` is kept for each team, and `alice` has none", "say its `team`"]
  ],
  "a key without one, whose class spends from another budget": [
    {
      ...base,
      budgets: { month: { ...month, per: "team" } },
      classes: { eng: { may: ["mini"] }, ops: { may: ["mini"], within: ["month"] } },
      keys: { alice: key("alice"), bob: key("bob", { class: "ops", team: "core" }) }
    }
  ],
  "callers without keys": [
    { ...base, budgets: { month: { ...month, per: "team" } }, classes: { local: { may: ["mini"], within: ["month"] } }, keys: {} },
    ["error", "key-without-team", "classes.local.within[0]", "budget `month` is kept for each team, and callers without keys have none"]
  ],
  "callers without keys, by class": [{ ...base, classes: { local: { may: ["mini"], within: ["month"] } }, keys: {} }]
})

table("what may be used under a budget", {
  "without a price": [{ ...base, ...mini({ maxOutputTokens: 5 }) }, unpriced("mini", "m")],
  "without an end": [{ ...base, ...mini({ price }) }, unlimited("mini")],
  "without either": [{ ...base, ...mini({}) }, unpriced("mini", "m"), unlimited("mini")],
  "without either, by nobody under a budget": [
    {
      ...base,
      ...eng(["mini"]),
      keys: { alice: key("alice"), bob: key("bob", { class: "free" }) },
      classes: { eng: { may: ["mini"], within: ["month"] }, free: { may: ["mini", "french"] } }
    }
  ],
  "without either, in a region that the class is kept from": [
    { ...base, ...eng(["mini", "french"], { regions: ["us"] }), targets: { ...base.targets, mini: { ...base.targets.mini, region: "us" } } }
  ],
  "by two classes: said of the first": [
    {
      ...base,
      ...mini({ price }),
      budgets: { month, day: { ...month, every: "day" } },
      classes: { ops: { may: ["mini"], within: ["day"] }, eng: { may: ["mini"], within: ["month"] } },
      keys: { alice: key("alice"), bob: key("bob", { class: "ops" }) }
    },
    unlimited("mini", "ops", "day")
  ],
  "by callers without keys": [
    { ...base, ...mini({}), classes: { local: { may: ["mini"], within: ["month"] } }, keys: {} },
    unpriced("mini", "m", "local"),
    unlimited("mini", "local")
  ],
  "at no price, which is a price": [{ ...base, ...mini({ price: { input: { usd: 0 }, output: { usd: 0 } }, maxOutputTokens: 1 }) }]
})

const listed: PriceSource = (kind, model) =>
  kind === "mistral" && model === "f" ? { input: 1, output: 1, cacheRead: 1, cacheWrite: 1, cacheWriteLong: 1, tiers: [] } : undefined

table(
  "what has a list price",
  {
    "needs none of its own": [
      { ...base, ...eng(["mini", "french"]), targets: { ...base.targets, french: { provider: "eu", model: "f", maxOutputTokens: 5 } } }
    ],
    "at another provider has none": [{ ...base, ...mini({ maxOutputTokens: 5, model: "f" }) }, unpriced("mini", "f")]
  },
  listed
)

describe("policies/teams.ts", () => {
  it("has nothing wrong where prices are known", () =>
    assert.deepStrictEqual(rowsOf(check(teams, catalog).findings.filter(({ level }) => level !== "note")), []))

  it("needs prices for all that its classes may use", () => {
    assert.deepStrictEqual(
      check(teams)
        .findings.filter(({ level }) => level !== "note")
        .map(({ code, place }) => [code, place]),
      ["sonnet", "next", "mini", "gpt-4o"].map((name) => ["unpriced-target", name === "gpt-4o" ? "targets.gpt-4o" : `targets.${name}`])
    )
  })
})
