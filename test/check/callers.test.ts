import { assert, describe, it } from "@effect/vitest"
import { check } from "../../src/Check.ts"
import { codes } from "../../src/check/codes.ts"
import { rowsOf, type Row, table as tableOf, type Cases } from "./table.ts"

const families = ["form", "names", "access", "money"]
const table = (title: string, cases: Cases) => tableOf(title, cases, undefined, families)

const key = (name: string, more: object = {}) => ({ secret: { env: `${name.toUpperCase()}_KEY` }, class: "eng", ...more })
const base = {
  name: "test",
  providers: {
    openai: { dialect: "openai", key: { env: "OPENAI_API_KEY" } },
    eu: { dialect: "mistral", region: "eu", key: { env: "MISTRAL_API_KEY" } },
    router: { dialect: "openrouter", open: true, key: { env: "OPENROUTER_API_KEY" } }
  },
  targets: {
    mini: { provider: "openai", model: "m" },
    big: { provider: "openai", model: "b", region: "us" },
    french: { provider: "eu", model: "f" }
  },
  classes: { eng: { may: ["mini"] } },
  keys: { alice: key("alice") },
  routes: [{ name: "default", to: { _tag: "Asked" } }]
}
const eng = (may: ReadonlyArray<string>, more: object = {}) => ({ classes: { eng: { may, ...more } } })
const to = (strategy: unknown, more: object = {}) => ({ ...base, ...more, routes: [{ name: "default", to: strategy }] })
const first = (...of: ReadonlyArray<unknown>) => ({ _tag: "First", of })
const is = (fact: string, value: string | null) => ({ "===": [{ var: fact }, value] })
const when = (condition: unknown, then: unknown, otherwise: unknown) => ({ _tag: "When", if: condition, then, otherwise })

table("keys", {
  "one secret twice": [
    { ...base, keys: { alice: key("alice"), bob: key("alice") } },
    [
      "error",
      "key-secret-twice",
      "keys.bob.secret",
      "`alice` has the same secret, so nobody could tell whose call it is",
      "give each key a secret of its own"
    ]
  ],
  "one hash twice": [
    {
      ...base,
      keys: { alice: { secret: { sha256: "a".repeat(64) }, class: "eng" }, bob: { secret: { sha256: "a".repeat(64) }, class: "eng" } }
    },
    [
      "error",
      "key-secret-twice",
      "keys.bob.secret",
      "`alice` has the same secret, so nobody could tell whose call it is",
      "give each key a secret of its own"
    ]
  ],
  "a secret for its hash, which is not repeated": [
    { ...base, keys: { alice: { secret: { sha256: "sk-live-123" }, class: "eng" } } },
    ["error", "wrong-form", "keys.alice.secret.sha256", "expected a SHA-256 as 64 hexadecimal digits in lower case"]
  ],
  "a secret for the name of its variable, which is not repeated": [
    { ...base, keys: { alice: { secret: { env: "sk-live-123" }, class: "eng" } } },
    ["error", "wrong-form", "keys.alice.secret.env", "expected the name of an environment variable"]
  ],
  "a misspelt field of a secret": [
    { ...base, keys: { alice: { secret: { env: "A", sha265: "0".repeat(64) }, class: "eng" } } },
    ["error", "unknown-field", "keys.alice.secret.sha265", "`sha265` is not a field here", "known are env"],
    ["error", "unknown-field", "keys.alice.secret.sha265", "`sha265` is not a field here", "did you mean `sha256`?"]
  ],
  "no secret": [
    { ...base, keys: { alice: { secret: {}, class: "eng" } } },
    ["error", "missing-field", "keys.alice.secret.env", "`env` is missing"],
    ["error", "missing-field", "keys.alice.secret.sha256", "`sha256` is missing"]
  ],
  "a secret for a whole key, which is not repeated": [
    { ...base, keys: { alice: "sk-live-123" } },
    ["error", "wrong-form", "keys.alice", "expected object"]
  ],
  "a secret as it is, which is not repeated": [
    { ...base, keys: { alice: { secret: "sk-live-123", class: "eng" } } },
    ["error", "wrong-form", "keys.alice.secret", "expected object", 'name the variable that holds it: `{ "env": "NAME" }`']
  ],
  "a misspelt class": [
    { ...base, keys: { alice: key("alice"), bob: key("bob", { class: "egn" }) } },
    ["error", "unknown-class", "keys.bob.class", "unknown class `egn`", "did you mean `eng`?"]
  ],
  "an inherited name for a class": [
    { ...base, keys: { alice: key("alice"), bob: key("bob", { class: "constructor" }) } },
    ["error", "unknown-class", "keys.bob.class", "unknown class `constructor`"]
  ],
  "nothing wrong": [base]
})

table("classes", {
  "a misspelt target": [
    { ...base, ...eng(["mini", "bgi"]) },
    ["error", "unknown-target", "classes.eng.may[1]", "unknown target `bgi`", "did you mean `big`?"]
  ],
  "an inherited name for a target": [
    { ...base, ...eng(["mini", "toString"]) },
    ["error", "unknown-target", "classes.eng.may[1]", "unknown target `toString`"]
  ],
  "an alias, which is not what grants name": [
    { ...base, aliases: { small: "mini" }, ...eng(["small", "mini"]) },
    ["error", "unknown-target", "classes.eng.may[0]", "unknown target `small`"]
  ],
  "models of a provider that is not open": [
    { ...base, ...eng(["mini", "openai/*"]) },
    [
      "error",
      "not-open",
      "classes.eng.may[1]",
      "`openai` is not open, so it has no models beside the declared targets",
      "name targets, or say `open: true` of `openai`"
    ]
  ],
  "models of a provider that is": [{ ...base, ...eng(["mini", "router/*"]) }],
  "models of no provider": [
    { ...base, ...eng(["mini", "ruoter/*"]) },
    ["error", "unknown-target", "classes.eng.may[1]", "unknown target `ruoter/*`"]
  ],
  "a misspelt provider": [
    { ...base, ...eng(["mini"], { providers: ["openia", "eu"] }) },
    ["error", "unknown-provider", "classes.eng.providers[0]", "unknown provider `openia`", "did you mean `openai`?"]
  ],
  "a region where nothing is served": [
    { ...base, ...eng(["mini"], { regions: ["ue", "eu", "us"] }) },
    ["warning", "unknown-region", "classes.eng.regions[0]", "nothing is served in `ue`", "did you mean `us`?"]
  ],
  "a region that only a provider has": [
    { ...base, providers: { ...base.providers, openai: { dialect: "openai", region: "north" } }, ...eng(["mini"], { regions: ["north"] }) }
  ],
  "a class that nobody is of": [
    { ...base, classes: { ...base.classes, ops: { may: ["mini"] } } },
    ["warning", "class-without-keys", "classes.ops", "no key is of class `ops`"]
  ],
  "`local` where callers need keys": [
    { ...base, classes: { ...base.classes, local: { may: ["mini"] } } },
    ["warning", "class-without-keys", "classes.local", "no key is of class `local`"]
  ],
  "`local` where they need none": [{ ...base, keys: {}, classes: { local: { may: ["mini"] } } }],
  "something else for `any`": [
    { ...base, ...eng(["mini"], { providers: "all" }) },
    ["error", "wrong-form", "classes.eng.providers", 'expected "any" | array, but found `"all"`']
  ]
})

const missing = (target: string, class_ = "eng") => `it may not use \`${target}\` (\`classes.${class_}.may\` does not name it)`
const removes = (place: string, what: string, cause: string, class_ = "eng"): Row => [
  "warning",
  "grant-removes",
  place,
  `this ${what} is rejected for class \`${class_}\`: ${cause}`,
  "grant it, or leave the class another way here"
]
const removesAll = (place: string, cause: string, class_ = "eng"): Row => [
  "error",
  "grant-removes-all",
  place,
  `nothing is left of this route for class \`${class_}\`: ${cause}`,
  "grant a target of it, or keep the class out with a `when` on `caller.class`"
]
const split = (...targets: ReadonlyArray<string>) => ({
  _tag: "Split",
  by: { fact: "request.id" },
  salt: "s",
  arms: targets.map((target, i) => ({ name: `arm-${i}`, weight: 100 / targets.length, to: target }))
})
const atDefault = 'routes[0] "default".to'
const modelIsA = is("request.model", "a")

table("what grants leave of a route", {
  "nothing of a target": [to("big"), removesAll(atDefault, missing("big"))],
  "nothing of a failover": [
    to(first("big", { _tag: "Within", duration: "1 seconds", of: "french" })),
    removesAll(atDefault, missing("big"))
  ],
  "a first choice": [to(first("big", "mini")), removes(`${atDefault}.first[0]`, "first choice", missing("big"))],
  "a fallback": [to(first("mini", "big")), removes(`${atDefault}.first[1]`, "fallback", missing("big"))],
  "an arm": [to(split("mini", "big")), removes(`${atDefault}.split.arm-1`, "arm `arm-1`", missing("big"))],
  "nothing of a split": [to(split("french", "big")), removesAll(atDefault, missing("french"))],
  "a branch, because a request decides": [
    to(when(modelIsA, "mini", "big")),
    removes(`${atDefault}.when.otherwise`, "branch", missing("big"))
  ],
  "a failover inside a split, whole": [
    to({
      ...split("mini", "mini"),
      arms: [
        { name: "a", weight: 50, to: "mini" },
        { name: "b", weight: 50, to: first("big", "french") }
      ]
    }),
    removes(`${atDefault}.split.b`, "arm `b`", missing("big"))
  ],
  "everything is rejected, but the model asked for may not be": [
    to(first("big", { _tag: "Asked" })),
    removes(`${atDefault}.first[0]`, "first choice", missing("big"))
  ],
  "an author's own refusal is left": [
    to(first("big", { _tag: "Deny", status: 403, code: "not_today", message: "no" })),
    removes(`${atDefault}.first[0]`, "first choice", missing("big"))
  ],
  "a provider that the class is kept from": [
    to("mini", eng(["mini"], { providers: ["eu"] })),
    removesAll(atDefault, "it may not use `mini` (`classes.eng.providers` does not name `openai`)")
  ],
  "a region that the class is kept from": [
    to("big", eng(["big"], { regions: ["eu"] })),
    removesAll(atDefault, "it may not use `big` (`classes.eng.regions` does not name `us`)")
  ],
  "no region at all": [
    to("mini", eng(["mini"], { regions: ["eu", "us"] })),
    removesAll(atDefault, "it may not use `mini` (`classes.eng.regions` needs a region, and it has none)")
  ],
  "the region of its provider": [to("french", eng(["french"], { regions: ["eu"] }))],
  "for each class by itself": [
    to(first("mini", "big"), {
      classes: { eng: { may: ["mini"] }, ops: { may: ["big"] }, guest: { may: ["french"] } },
      keys: { alice: key("alice"), bob: key("bob", { class: "ops" }), eve: key("eve", { class: "guest" }) }
    }),
    removesAll(atDefault, missing("mini", "guest"), "guest"),
    removes(`${atDefault}.first[0]`, "first choice", missing("mini", "ops"), "ops"),
    removes(`${atDefault}.first[1]`, "fallback", missing("big"))
  ],
  "callers without keys": [
    to("big", { keys: {}, classes: { local: { may: ["mini"] } } }),
    removesAll(atDefault, missing("big", "local"), "local")
  ],
  "callers without keys and rules": [to("big", { keys: {}, classes: {} })]
})

/** Two routes: the first under a condition, to what the class may not use. */
const kept = (condition: unknown, more: object = {}) => ({
  ...base,
  keys: { alice: key("alice", { team: "core" }) },
  ...more,
  routes: [
    { name: "some", when: condition, to: "big" },
    { name: "default", to: "mini" }
  ]
})
const [atSome, cause] = ['routes[0] "some".to', missing("big")]

table("conditions that keep a class out", {
  "of another class": [kept(is("caller.class", "ops"))],
  "of its own class": [kept(is("caller.class", "eng")), removesAll(atSome, cause)],
  "of some classes": [kept({ in: [{ var: "caller.class" }, ["ops", "guest"]] })],
  "not of a class": [kept({ "!==": [{ var: "caller.class" }, "eng"] })],
  "of another key": [kept(is("caller.key", "bob"))],
  "of one of its keys": [kept(is("caller.key", "bob"), { keys: { alice: key("alice"), bob: key("bob") } }), removesAll(atSome, cause)],
  "of another team": [kept(is("caller.team", "red"))],
  "of its team": [kept(is("caller.team", "core")), removesAll(atSome, cause)],
  "of no team": [kept(is("caller.team", null))],
  "of no team, which a key of it has": [kept(is("caller.team", null), { keys: { alice: key("alice") } }), removesAll(atSome, cause)],
  "of an organisation, which no key of a policy has": [kept({ "!==": [{ var: "caller.organisation" }, null] })],
  "of another class and something of the request": [kept({ and: [modelIsA, is("caller.class", "ops")] })],
  "of another class or something of the request": [kept({ or: [modelIsA, is("caller.class", "ops")] }), removesAll(atSome, cause)],
  "that only the request decides": [kept(modelIsA), removesAll(atSome, cause)],
  "a key that was issued elsewhere may be of any team": [
    kept(is("caller.team", "red"), { classes: { eng: { may: ["mini"] }, ops: { may: ["mini"] } } }),
    removesAll(atSome, missing("big", "ops"), "ops"),
    ["warning", "class-without-keys", "classes.ops", "no key is of class `ops`"]
  ],
  "a route that takes the class before": [
    {
      ...base,
      routes: [
        { name: "ours", when: is("caller.class", "eng"), to: "mini" },
        { name: "default", to: "big" }
      ]
    }
  ],
  "a route that may take it before": [
    {
      ...base,
      routes: [
        { name: "ours", when: modelIsA, to: "mini" },
        { name: "default", to: "big" }
      ]
    },
    removesAll('routes[1] "default".to', cause)
  ],
  "a branch that the class never takes": [to(when(is("caller.class", "ops"), "big", "mini"))],
  "a branch that the class always takes": [to(when(is("caller.class", "eng"), "big", "mini")), removesAll(atDefault, cause)],
  "a branch that some keys of the class take": [
    to(first(when(is("caller.key", "alice"), "big", "mini"), "french"), {
      ...eng(["mini", "french"]),
      keys: { alice: key("alice"), bob: key("bob") }
    }),
    removes(`${atDefault}.first[0]`, "first choice", cause)
  ]
})

describe("a class and its routes", () => {
  it("says the same of several keys once", () => {
    const keys = { alice: key("alice"), bob: key("bob"), carol: key("carol", { team: "core" }) }
    assert.deepStrictEqual(rowsOf(check(to(first("mini", "big"), { keys })).findings), [
      removes(`${atDefault}.first[1]`, "fallback", cause)
    ])
  })

  it("says nothing of targets that are misspelt, which is said elsewhere", () => {
    assert.deepStrictEqual(
      check(to("bgi")).findings.map(({ code }) => code),
      ["unknown-target"]
    )
  })
})

table("a class to which nothing is left", {
  "nothing is named": [
    { ...base, ...eng([]) },
    [
      "error",
      "class-reaches-nothing",
      "classes.eng",
      "class `eng` may use nothing: of what `may` names, `providers` and `regions` leave no target",
      "grant it a target, or leave the class out"
    ]
  ],
  "what is named is at another provider": [
    { ...base, ...eng(["mini"], { providers: ["eu"] }) },
    [
      "error",
      "class-reaches-nothing",
      "classes.eng",
      "class `eng` may use nothing: of what `may` names, `providers` and `regions` leave no target",
      "grant it a target, or leave the class out"
    ]
  ],
  "open models are enough": [{ ...base, ...eng(["router/*"]) }]
})

describe("a condition on a budget", () => {
  it("keeps a class out that does not spend from it", () => {
    const price = { input: { usd: 1 }, output: { usd: 1 } }
    const { findings } = check({
      ...base,
      targets: {
        mini: { provider: "openai", model: "m", price, maxOutputTokens: 10 },
        big: { provider: "openai", model: "b", price, maxOutputTokens: 10 }
      },
      budgets: { team: { per: "class", limit: { usd: 5 }, every: "day" } },
      classes: { eng: { may: ["mini"], within: ["team"] }, other: { may: ["big"] } },
      keys: { alice: key("alice"), bob: key("bob", { class: "other" }) },
      routes: [
        { name: "thrift", when: { ">=": [{ var: "budget.team.usedRatio" }, 0.9] }, to: "mini" },
        { name: "low", when: { "<": [{ var: "budget.team.remaining" }, 1] }, to: "mini" },
        { name: "default", to: { _tag: "Asked" } }
      ]
    })
    assert.deepStrictEqual(rowsOf(findings.filter(({ code }) => families.includes(codes[code]!.family))), [])
  })
})
