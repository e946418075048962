/** What the checker says of guards, and that it keeps its word about what a guard lets through. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { check } from "../../src/Check.ts"
import { compile } from "../../src/Compile.ts"
import { keepsOut } from "../../src/Guards.ts"
import type { PolicyEncoded } from "../../src/Policy.ts"
import { type Cases, table } from "./table.ts"

const providers = {
  openai: { dialect: "openai" },
  own: { dialect: "openai", baseUrl: "https://llm.example/v1", region: "eu" },
  other: { dialect: "openai", baseUrl: "https://other.example/v1" }
} as const
const targets = {
  mini: { provider: "openai", model: "gpt-4o-mini", region: "us" },
  local: { provider: "own", model: "llama", tags: ["private"], price: { input: { usd: 1 }, output: { usd: 2 } } },
  far: { provider: "other", model: "qwen", capabilities: { vision: true } }
}
const guarded = (...guards: ReadonlyArray<object>) => ({
  name: "test",
  providers,
  targets,
  guards: guards.map((guard, i) => ({ name: `g${i}`, ...guard })),
  routes: [{ name: "default", to: { _tag: "First", of: ["mini", "local", "far"] } }]
})
const laid = (guard: object, policy: object = guarded()) => ({
  ...policy,
  layers: [{ name: "acme", guards: [{ name: "theirs", ...guard }] }]
})
const open = (policy: { readonly providers: object }) => ({
  ...policy,
  providers: { ...policy.providers, router: { dialect: "openrouter", open: true } }
})

/** What guards leave of a route is another question. */
const guardTable = (title: string, cases: Cases) => table(title, cases, undefined, ["guards", "names", "conditions"])

guardTable("names in guards", {
  "unknown targets and providers": [
    guarded({ forbid: { targets: ["mni", "local"] } }, { forbid: { providers: ["opnai", "own"] } }),
    ["error", "unknown-target", 'guards[0] "g0".forbid.targets[0]', "no target is called `mni`", "did you mean `mini`?"],
    ["error", "unknown-provider", 'guards[1] "g1".forbid.providers[0]', "no provider is called `opnai`", "did you mean `openai`?"]
  ],
  "a region, a tag and a model that nothing has": [
    guarded({ forbid: { tags: ["privat", "private"] } }, { forbid: { models: ["GPT-4o-mini", "gpt-4o"] } }),
    ["warning", "guard-matches-nothing", 'guards[0] "g0".forbid.tags[0]', "no target has the tag `privat`", "did you mean `private`?"],
    ["warning", "guard-matches-nothing", 'guards[1] "g1".forbid.models[1]', "no target is of the model `gpt-4o`"]
  ],
  "a region in which nothing is served": [
    guarded({ forbid: { providers: ["openai", "own"], regions: ["uk", "us"] } }),
    ["warning", "guard-matches-nothing", 'guards[0] "g0".forbid.regions[0]', "nothing is served in `uk`", "did you mean `us`?"]
  ],
  "callers of an open provider may name any model": [open(guarded({ forbid: { models: ["gpt-4o"] } }))],
  "of a layer, which is about others too, a note is enough": [
    laid({ forbid: { providers: ["deepseek"], tags: ["secret"] } }),
    [
      "note",
      "guard-matches-nothing",
      'layers[0] "acme".guards[0] "theirs".forbid',
      "no target is all of this at once, so nothing is forbidden"
    ],
    ["note", "guard-matches-nothing", 'layers[0] "acme".guards[0] "theirs".forbid.providers[0]', "no provider is called `deepseek`"],
    ["note", "guard-matches-nothing", 'layers[0] "acme".guards[0] "theirs".forbid.tags[0]', "no target has the tag `secret`"]
  ],
  "a condition over facts that are not there, of the policy's guard and of a layer's": [
    laid(
      { when: { var: "caller.tags.eu" }, forbid: { targets: ["mini"] } },
      guarded({ when: { "===": [{ var: "caller.tem" }, "a"] }, forbid: { targets: ["mini"] } })
    ),
    [
      "error",
      "unknown-fact",
      'layers[0] "acme".guards[0] "theirs".when.var',
      "unknown fact `caller.tags.eu`",
      "declare `eu` in `tags` of the policy"
    ],
    ["error", "unknown-fact", 'guards[0] "g0".when["==="][0].var', "unknown fact `caller.tem`", "did you mean `caller.team`?"]
  ]
})

guardTable("what guards keep out", {
  "two targets of three, and something of the third is not known": [
    guarded({ require: { regions: ["eu"] } }),
    [
      "warning",
      "guard-unknown",
      'guards[0] "g0".require.regions',
      "guard `g0` keeps `far` out: it is not known where each is served",
      "declare the `region` of each, or of its provider"
    ]
  ],
  "several things not known, each of several targets": [
    guarded({ forbid: { inputAbove: { usd: 5 } } }, { forbid: { capabilities: ["audio"] } }),
    [
      "warning",
      "guard-unknown",
      'guards[0] "g0".forbid.inputAbove',
      "guard `g0` keeps `mini`, `far` out: it is not known what each costs",
      "declare the `price` of each"
    ],
    [
      "warning",
      "guard-unknown",
      'guards[1] "g1".forbid.capabilities',
      "guard `g1` keeps `mini`, `local`, `far` out: it is not known what each can do",
      "declare it in `capabilities` of each"
    ]
  ],
  "what is not known does not matter where something else settles it": [guarded({ forbid: { targets: ["mini"], regions: ["us"] } })],
  "nothing at all": [
    guarded({ forbid: { tags: ["private"], vendors: ["maker"] } }),
    ["warning", "guard-matches-nothing", 'guards[0] "g0".forbid', "no target is all of this at once, so nothing is forbidden"]
  ],
  everything: [
    guarded({ forbid: { vendors: ["maker", "own"] } }, { require: { vendors: ["router"] } }),
    [
      "error",
      "guard-leaves-nothing",
      'guards[0] "g0".forbid',
      "this forbids every target, so nothing could be called",
      "forbid less, or say `when`"
    ],
    [
      "error",
      "guard-leaves-nothing",
      'guards[1] "g1".require',
      "no target meets this, so nothing could be called",
      "declare a target that does"
    ]
  ],
  "everything of some calls": [
    guarded(
      { when: { var: "request.stream" }, forbid: { vendors: ["maker", "own"] } },
      { when: { var: "request.stream" }, require: { vendors: ["router"] } }
    ),
    [
      "error",
      "guard-leaves-nothing",
      'guards[1] "g1".require',
      "no target meets this, so nothing could be called",
      "declare a target that does, or `deny` these calls in a route"
    ]
  ],
  "everything declared, but models of an open provider meet it": [open(guarded({ require: { vendors: ["router"] } }))],
  "everything, by a layer": [
    laid({ require: { providers: ["azure"] } }),
    [
      "error",
      "guard-leaves-nothing",
      'layers[0] "acme".guards[0] "theirs".require',
      "no target meets this, so nothing could be called",
      "declare a target that does"
    ],
    ["note", "guard-matches-nothing", 'layers[0] "acme".guards[0] "theirs".require.providers[0]', "no provider is called `azure`"]
  ],
  "a region that is set is looked at too": [
    {
      ...guarded({ require: { regions: ["eu-2"] } }),
      providers: { own: { dialect: "openai", baseUrl: "https://{region}.llm.example/v1", region: "eu-1" } },
      targets: { a: { provider: "own", model: "m" } },
      routes: [{ name: "default", to: { _tag: "Send", target: "a", set: { region: "eu-2" } } }]
    }
  ]
})

describe("a guard that leaves nothing", () => {
  const some = <A>(from: ReadonlyArray<A>) => fc.subarray([...from], { minLength: 1 })
  const selector = fc
    .record(
      {
        targets: some(Object.keys(targets)),
        providers: some(Object.keys(providers)),
        regions: some(["eu", "us", "uk"]),
        vendors: some(["maker", "own", "router"]),
        tags: some(["private"]),
        capabilities: some(["vision", "tools"]),
        inputAbove: fc.constantFrom({ usd: 0 }, { usd: 0.5 }, { usd: 5 })
      },
      { requiredKeys: [] }
    )
    .filter((fields) => Object.keys(fields).length > 0)

  it("is found exactly where it keeps every target out and nothing is unknown, and targets that are unknown are named", () => {
    const seen = { left: 0, nothing: 0, unknown: 0 }
    fc.assert(
      fc.property(selector, fc.constantFrom("forbid", "require"), (fields, kind) => {
        const policy = guarded({ [kind]: fields }) as unknown as PolicyEncoded
        const { findings } = check(policy)
        // The finding keeps the policy from compiling, so the targets come from the same policy without its guard.
        const free = compile(check({ ...policy, guards: [] }).policy!)
        const guard = { name: "g0", [kind]: fields } as Parameters<typeof keepsOut>[0]
        const outcomes = [...free.targets.values()].map((target) => ({ name: target.name, ...keepsOut(guard, target) }))
        const nothing = outcomes.every(({ out, unknown }) => out && !unknown)
        assert.strictEqual(
          findings.some(({ code }) => code === "guard-leaves-nothing"),
          nothing
        )
        const named = new Set(
          findings.filter(({ code }) => code === "guard-unknown").flatMap(({ message }) => message.match(/`\w+`/g) ?? [])
        )
        for (const { name, unknown } of outcomes) assert.strictEqual(named.has(`\`${name}\``), unknown, name)
        seen[nothing ? "nothing" : outcomes.some(({ unknown }) => unknown) ? "unknown" : "left"]++
      }),
      { numRuns: 500 }
    )
    assert.isAbove(Math.min(...Object.values(seen)), 4)
  })
})
