import { type Row, table } from "./table.ts"

const base = {
  name: "test",
  providers: { one: { dialect: "openai", key: { env: "A" } }, two: { dialect: "anthropic", key: { env: "B" } } },
  targets: {
    a: { provider: "one", model: "m1" },
    b: { provider: "two", model: "m2" },
    blind: { provider: "two", model: "m3", capabilities: { vision: false, tools: true } }
  }
}
const shadow = (of: unknown, copy: unknown) => ({ _tag: "Shadow", of, copy, sample: 10 })
const to = (strategy: unknown, more: object = {}, when?: unknown) => ({
  ...base,
  ...more,
  routes:
    when === undefined
      ? [{ name: "default", to: strategy }]
      : [
          { name: "some", when, to: strategy },
          { name: "default", to: "a" }
        ]
})
const vision = { "===": [{ var: "request.needs.vision" }, true] }
const noB = { guards: [{ name: "no-b", forbid: { targets: ["b"] } }] }
const sometimes = { guards: [{ name: "no-b", when: vision, forbid: { targets: ["b"] } }] }
const never = (place: string, route: string, why: string): Row => [
  "warning",
  "shadow-never",
  place,
  `this copy is made of no call of \`${route}\`: ${why}`,
  "copy to a target that these calls may go to, or leave the shadow out"
]
const at = 'routes[0] "default".to'

table(
  "a copy that is never made",
  {
    "because guards forbid all of it": [to(shadow("a", "b"), noB), never(`${at}.shadow.copy`, "default", "guards forbid it")],
    "because nobody may use it": [
      to(shadow("a", "b"), { classes: { eng: { may: ["a"] } }, keys: { alice: { secret: { env: "K" }, class: "eng" } } }),
      never(`${at}.shadow.copy`, "default", "no class that comes here may use it")
    ],
    "because it lacks what every call of its route needs": [
      to(shadow("a", "blind"), {}, vision),
      never('routes[0] "some".to.shadow.copy', "some", "it lacks what they need")
    ],
    "though a part of it is left": [to(shadow("a", { _tag: "First", of: ["b", "blind"] }), noB)],
    "though it is for some calls": [to(shadow("a", "b"), sometimes)],
    "of any call of its route": [
      to(shadow("a", "b"), sometimes, vision),
      never('routes[0] "some".to.shadow.copy', "some", "guards forbid it")
    ],
    "because it is in a copy": [
      to(shadow("a", shadow("b", "blind"))),
      [
        "warning",
        "shadow-nested",
        `${at}.shadow.copy`,
        "a copy is not copied in turn, so that nothing goes to this one",
        "put one shadow around the other instead"
      ]
    ],
    "and not because another is made beside it": [to(shadow(shadow("a", "b"), "blind"))]
  },
  undefined,
  ["strategies"]
)
