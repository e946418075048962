import { assert, describe, it } from "@effect/vitest"
import { check } from "../../src/Check.ts"
import { type Row, rowsOf, table } from "./table.ts"

const target = (provider: string, model: string, capabilities: object = {}) => ({ provider, model, capabilities })
const base = {
  name: "test",
  providers: { one: { dialect: "openai" }, two: { dialect: "anthropic" } },
  targets: {
    text: target("one", "x1", { vision: false, tools: true, contextWindow: 8_000 }),
    mute: target("two", "x2", { vision: true, tools: false, contextWindow: 100_000 }),
    full: target("two", "x3", { vision: true, tools: true, contextWindow: 200_000 }),
    dim: target("two", "x4")
  },
  routes: [{ name: "default", to: "full" }]
}
const to = (strategy: unknown, more: object = {}) => ({ ...base, ...more, routes: [{ name: "default", to: strategy }] })
const some = (when: unknown, strategy: unknown) => ({ ...base, routes: [{ name: "some", when, to: strategy }, ...base.routes] })
const first = (...of: ReadonlyArray<unknown>) => ({ _tag: "First", of })
const split = (one: unknown, other: unknown) => ({
  _tag: "Split",
  by: { fact: "request.id" },
  salt: "s",
  arms: [
    { name: "a", weight: 99, to: one },
    { name: "b", weight: 1, to: other }
  ]
})
const vision = { var: "request.needs.vision" }
const [at, fix] = ['routes[0] "default".to', "name a target here that has it, or route such requests elsewhere before"]
const lost = (level: "error" | "warning" | "note", place: string, message: string): Row => [
  level,
  "capability-removes-all",
  place,
  message,
  fix
]

table(
  "what needs leave of a route",
  {
    "nothing for what another target could take; an end that another target has later": [
      to("text"),
      lost("warning", at, "requests with images have no candidate in this route: `text` reads no images"),
      lost("note", at, "requests with more than 8000 input tokens have no candidate in this route: `text` reads 8000 tokens at most")
    ],
    "nothing for what no target could take": [
      to("text", { targets: { text: target("one", "x1", { vision: false, contextWindow: 8_000 }) } }),
      lost("note", at, "requests with images have no candidate in this route: `text` reads no images")
    ],
    "what is not known": [to("dim")],
    "nothing at all, by the route's own condition": [
      some(vision, "text"),
      lost("error", 'routes[0] "some".to', "no request of this route has a candidate: `text` reads no images")
    ],
    "what a route before has taken": [
      {
        ...base,
        routes: [
          { name: "some", when: vision, to: "full" },
          { name: "default", to: "mute" }
        ]
      },
      lost("warning", 'routes[1] "default".to', "requests with tools have no candidate in this route: `mute` calls no tools"),
      lost(
        "note",
        'routes[1] "default".to',
        "requests with more than 100000 input tokens have no candidate in this route: `mute` reads 100000 tokens at most"
      )
    ],
    "nothing of a size that the route speaks of": [
      some({ and: [{ ">": [{ var: "request.inputTokens" }, 5_000] }, { "!": vision }] }, "text"),
      lost(
        "warning",
        'routes[0] "some".to',
        "requests with more than 8000 input tokens have no candidate in this route: `text` reads 8000 tokens at most"
      )
    ],
    "nothing of an arm": [
      to(split("full", "text")),
      lost("warning", `${at}.split.b`, "requests with images have no candidate in this arm `b`: `text` reads no images"),
      lost(
        "note",
        `${at}.split.b`,
        "requests with more than 8000 input tokens have no candidate in this arm `b`: `text` reads 8000 tokens at most"
      )
    ],
    "nothing of a branch": [
      to({ _tag: "When", if: { var: "request.stream" }, then: "text", otherwise: "full" }),
      lost("warning", `${at}.when.then`, "requests with images have no candidate in this branch: `text` reads no images"),
      lost(
        "note",
        `${at}.when.then`,
        "requests with more than 8000 input tokens have no candidate in this branch: `text` reads 8000 tokens at most"
      )
    ],
    "a fallback that is weaker": [
      to(first("full", "text")),
      [
        "note",
        "fallback-weaker",
        `${at}.first[1]`,
        "this fallback is weaker than `full`: for requests with images and more than 8000 input tokens it is none, since `text` reads no images, `text` reads 8000 tokens at most"
      ]
    ],
    "a first choice, an arm that a fallback stands behind": [
      to(first(split("full", "text"), "dim")),
      [
        "note",
        "capability-removes",
        `${at}.first[0]`,
        "this first choice is rejected for requests with more than 200000 input tokens: `full` reads 200000 tokens at most, `text` reads 8000 tokens at most"
      ],
      [
        "note",
        "capability-removes",
        `${at}.first[0].split.b`,
        "this arm `b` is rejected for requests with images and more than 8000 input tokens: `text` reads no images, `text` reads 8000 tokens at most"
      ]
    ],
    "nothing for two needs together": [
      to(first("text", "mute"), { targets: { text: target("one", "x1", { vision: false }), mute: target("two", "x2", { tools: false }) } }),
      lost(
        "warning",
        at,
        "requests with images and tools together have no candidate in this route: `text` reads no images, `mute` calls no tools"
      ),
      ["note", "capability-removes", `${at}.first[0]`, "this first choice is rejected for requests with images: `text` reads no images"],
      ["note", "capability-removes", `${at}.first[1]`, "this fallback is rejected for requests with tools: `mute` calls no tools"]
    ],
    "a caller names the target": [to({ _tag: "Asked" })],
    "a need that a condition implies, of which nothing is known": [
      some(vision, first("full", "dim")),
      [
        "warning",
        "capability-unknown",
        'routes[0] "some".to.first[1]',
        "every request here comes with images, and whether `dim` can take that is not known",
        "say `vision` in its `capabilities`"
      ],
      [
        "note",
        "capability-removes",
        'routes[0] "some".to.first[0]',
        "this first choice is rejected for requests with more than 200000 input tokens: `full` reads 200000 tokens at most"
      ]
    ]
  },
  undefined,
  ["capabilities"]
)

describe("what guards leave of a route", () => {
  const require = (name: string, more: object = {}) => ({ name, require: { providers: ["two"] }, ...more })
  const layers = (guard: object) => ({ layers: [{ name: "acme", guards: [guard] }] })
  const said = (policy: unknown) => rowsOf(check(policy).findings.filter(({ code }) => code.startsWith("guard-removes")))

  it("names the layer where it takes everything", () =>
    assert.deepStrictEqual(said(to("text", layers(require("only-two")))), [
      [
        "error",
        "guard-removes-all",
        at,
        "nothing is left of this route: guard `only-two` of `acme` keeps `text` out",
        "name a target that the guard lets through, or keep such calls out with a `when`"
      ]
    ]))

  it("warns where it takes everything of some calls", () =>
    assert.deepStrictEqual(said(to("text", layers(require("only-two", { when: vision })))), [
      [
        "warning",
        "guard-removes-all",
        at,
        "for some calls nothing is left of this route: guard `only-two` of `acme` keeps `text` out",
        "name a target that the guard lets through, or route such calls elsewhere"
      ]
    ]))

  it("errs where it takes everything of some caller", () => {
    const callers = {
      classes: { eng: { may: ["text", "full"] }, ops: { may: ["text", "full"] } },
      keys: { alice: { secret: { env: "A" }, class: "eng" }, bob: { secret: { env: "B" }, class: "ops" } }
    }
    const guard = require("only-two", { when: { "===": [{ var: "caller.class" }, "ops"] } })
    assert.deepStrictEqual(said(to("text", { ...callers, ...layers(guard) })), [
      [
        "error",
        "guard-removes-all",
        at,
        "nothing is left of this route for class `ops`: guard `only-two` of `acme` keeps `text` out",
        "name a target that the guard lets through, or keep such calls out with a `when`"
      ]
    ])
  })

  it("notes what else it takes", () =>
    assert.deepStrictEqual(said(to(first("text", "full"), { guards: [require("mine")] })), [
      ["note", "guard-removes", `${at}.first[0]`, "this first choice is always rejected: guard `mine` keeps `text` out"]
    ]))

  it("claims nothing of what cannot be seen through, and says so", () => {
    const { findings } = check(to("text", layers(require("only-two", { when: { opaque: { "==": [{ var: "request.model" }, 1] } } }))))
    assert.deepStrictEqual(
      findings.filter(({ code }) => code.startsWith("guard-removes") || code === "not-proved").map(({ code }) => code),
      ["not-proved"]
    )
  })
})
