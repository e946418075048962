/** Findings that a policy accepts: they are gone, they are kept with their reason, and nothing else is. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { check, codes } from "../../src/Check.ts"
import type { Finding } from "../../src/Finding.ts"
import { table } from "./table.ts"

const unused = (...pools: ReadonlyArray<string>) => ({
  name: "test",
  providers: { openai: { dialect: "openai" } },
  targets: { mini: { provider: "openai", model: "m" }, big: { provider: "openai", model: "n" } },
  pools: Object.fromEntries(pools.map((name) => [name, { by: "cost", of: ["mini"] }])),
  commit: "headers",
  routes: [{ name: "default", to: { _tag: "First", of: ["mini", "big"] } }]
})
const note = [
  "note",
  "commit-forestalls-failover",
  'routes[0] "default".to',
  "the answers of `default` count as begun with their headers, so one that is cut, empty or slow after them is not tried elsewhere",
  'commit with the "first-content", or with the "whole"'
] as const
const isUnused = (name: string) =>
  ["warning", "pool-unused", `pools.${name}`, `no route uses pool \`${name}\``, "use it, or leave it out"] as const
/** Those that these policies are about. */
const families = ["names", "strategies", "accept"]
const because = "it comes next week"

table(
  "accept",
  {
    "everything of a code": [{ ...unused("p", "q"), accept: [{ finding: "pool-unused", because }] }, note],
    "a note": [{ ...unused(), accept: [{ finding: "commit-forestalls-failover", because }] }],
    "what is at one place": [{ ...unused("p", "q"), accept: [{ finding: "pool-unused", at: "pools.q", because }] }, isUnused("p"), note],
    "an error is none of it": [
      { ...unused(), routes: [{ name: "default", to: "mnii" }], accept: [{ finding: "unknown-target", because }] },
      ["error", "unknown-target", 'routes[0] "default".to', "unknown target `mnii`", "did you mean `mini`?"],
      ["error", "cannot-accept", "accept[0]", '`unknown-target` at routes[0] "default".to is an error, which cannot be accepted', "mend it"]
    ],
    "a code that does not exist": [
      {
        ...unused("p"),
        accept: [
          { finding: "pool-unusd", because },
          { finding: "whatever-else", because }
        ]
      },
      ["error", "unknown-finding", "accept[0].finding", "there is no finding `pool-unusd`", "did you mean `pool-unused`?"],
      ["error", "unknown-finding", "accept[1].finding", "there is no finding `whatever-else`", "`turnout check --codes` lists them"],
      isUnused("p"),
      note
    ],
    "what is not found": [
      {
        ...unused("p"),
        accept: [
          { finding: "hedge-same", because },
          { finding: "pool-unused", at: "pools.q", because }
        ]
      },
      isUnused("p"),
      ["warning", "accepts-nothing", "accept[0]", "nothing is found that this accepts", "leave it out"],
      [
        "warning",
        "accepts-nothing",
        "accept[1]",
        "nothing is found that this accepts: `pool-unused` is at pools.p",
        "say a part of that place in `at`, or leave it out"
      ],
      note
    ],
    "with an error nobody knows what else would be found": [
      { ...unused(), routes: [{ name: "default", to: "mnii" }], accept: [{ finding: "hedge-same", because }] },
      ["error", "unknown-target", 'routes[0] "default".to', "unknown target `mnii`", "did you mean `mini`?"]
    ],
    "an entry that accepts nothing is not accepted by another": [
      {
        ...unused(),
        accept: [
          { finding: "hedge-same", because },
          { finding: "accepts-nothing", because }
        ]
      },
      ["warning", "accepts-nothing", "accept[0]", "nothing is found that this accepts", "leave it out"],
      ["warning", "accepts-nothing", "accept[1]", "nothing is found that this accepts", "leave it out"],
      note
    ]
  },
  undefined,
  families
)

describe("what is accepted", () => {
  it("is kept with the reason of the first entry that means it", () => {
    const { accepted } = check({
      ...unused("p", "q"),
      accept: [
        { finding: "pool-unused", at: "pools.q", because: "soon" },
        { finding: "pool-unused", because: "later" }
      ]
    })
    assert.deepStrictEqual(
      accepted.map(({ because, finding, path }) => [finding.place, because, path]),
      [
        ["pools.p", "later", ["accept", 1]],
        ["pools.q", "soon", ["accept", 0]]
      ]
    )
  })

  it("and what is not are together what is found without `accept`, each as it was", () => {
    const names = ["a", "b", "ab", "c"]
    fc.assert(
      fc.property(
        fc.subarray(names),
        fc.array(
          fc.record(
            {
              finding: fc.constantFrom("pool-unused", "commit-forestalls-failover", "hedge-same"),
              at: fc.constantFrom("pools.a", "pools.ab", "default", "a", "nowhere"),
              because: fc.constant("x")
            },
            { requiredKeys: ["finding", "because"] }
          ),
          { maxLength: 3 }
        ),
        (pools, accept) => {
          const ours = ({ code }: Finding) => families.includes(codes[code]!.family)
          const all = check(unused(...pools)).findings.filter(ours)
          const checked = check({ ...unused(...pools), accept })
          const { accepted, findings } = { ...checked, findings: checked.findings.filter(ours) }
          const left = findings.filter(({ code }) => code !== "accepts-nothing")
          const isAt = (place: string, at: string | undefined) => at === undefined || new RegExp(`(?<![\\w-])${at}(?![\\w-])`).test(place)
          const isMeant = ({ code, place }: (typeof all)[0]) => accept.some(({ at, finding }) => finding === code && isAt(place, at))
          assert.deepStrictEqual(
            left,
            all.filter((finding) => !isMeant(finding))
          )
          assert.deepStrictEqual(
            accepted.map(({ finding }) => finding),
            all.filter(isMeant)
          )
          const idle = accept.filter(({ at, finding }) => !all.some(({ code, place }) => code === finding && isAt(place, at)))
          assert.strictEqual(findings.length - left.length, idle.length)
        }
      ),
      { numRuns: 300 }
    )
  })
})
