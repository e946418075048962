/** Cases that say what a target answers: a cascade is proved as it is told, and what is misspelt is found. */
import { assert, describe, it } from "@effect/vitest"
import { type CasesSource, parseCases, passed, run } from "../../src/Cases.ts"
import { render } from "../../src/Simulate.ts"
import { compiled, only } from "../scripted.ts"

const condition = {
  or: [
    { "===": [{ var: "answer.stop" }, "max-tokens"] },
    { var: "answer.refused" },
    { ">": [{ var: "answer.toolCalls" }, 2] },
    { "<": [{ var: "answer.characters" }, 8] },
    { and: [{ "!==": [{ var: "answer.outputTokens" }, null] }, { ">": [{ var: "answer.outputTokens" }, 500] }] }
  ]
}
const cascade = compiled(only({ _tag: "Escalate", of: "a", if: condition, to: { _tag: "First", of: ["b", "c"] } }))
const json = compiled(only({ _tag: "Escalate", of: "a", if: { "!": [{ var: "answer.isJson" }] }, to: "b" }))

/** What each case of a file comes to, by its name. */
const verdicts = (source: CasesSource, policy = cascade) => {
  const parsed = parseCases(source, policy)
  if (parsed._tag === "Failure") throw new Error(parsed.failure.map(render).join("\n"))
  return Object.fromEntries(run(policy, parsed.success).verdicts.map((verdict) => [verdict.placed.case.name, passed(verdict)]))
}

const escalates = { tried: ["a", "b"], served: "b", status: 200 }
const stays = { tried: ["a"], served: "a", status: 200 }

describe("answers in cases", () => {
  it("are what a cascade judges", () => {
    const all = verdicts({
      cases: [
        { name: "usual", expect: stays },
        { name: "cut", answers: { a: { stop: "max-tokens" } }, expect: escalates },
        { name: "refused", answers: { a: { refused: true } }, expect: escalates },
        { name: "filtered", answers: { a: { stop: "content-filter" } }, expect: escalates },
        { name: "calls", answers: { a: { stop: "tool-calls", toolCalls: 3 } }, expect: escalates },
        { name: "few calls", answers: { a: { toolCalls: 2 } }, expect: stays },
        { name: "short", answers: { a: { outputTokens: 1 } }, expect: escalates },
        { name: "short in letters", answers: { a: { outputTokens: 90, characters: 7 } }, expect: escalates },
        { name: "long", answers: { a: { outputTokens: 501 } }, expect: escalates },
        { name: "of another", answers: { b: { refused: true } }, expect: stays }
      ]
    })
    assert.deepStrictEqual(Object.values(all).filter(Boolean).length, 10, JSON.stringify(all))
    assert.deepStrictEqual(verdicts({ cases: [{ name: "wrong", answers: { a: { refused: true } }, expect: stays }] }), { wrong: false })
  })

  it("are JSON where the request asks for it, unless they are said not to be", () => {
    const when = { request: { needs: ["structuredOutput"] as const } }
    assert.deepStrictEqual(
      verdicts(
        {
          cases: [
            { name: "asked", when, expect: stays },
            { name: "broken", when, answers: { a: { isJson: false } }, expect: escalates },
            { name: "not asked", expect: escalates }
          ]
        },
        json
      ),
      { asked: true, broken: true, "not asked": true }
    )
  })

  it("stand beside failures and waits, in matrices and in tables", () => {
    const all = verdicts({
      cases: [
        {
          name: "then fails",
          answers: { a: { refused: true } },
          fails: { b: "overloaded" },
          expect: { tried: ["a", "b", "c"], served: "c" }
        },
        {
          name: "cut while it is held back",
          when: { request: { stream: true } },
          fails: { a: { class: "stream-cut", committed: true } },
          expect: { tried: ["a", "b"], served: "b", status: 200 }
        },
        {
          name: "nobody is left",
          answers: { a: { refused: true } },
          fails: { b: "timeout", c: "overloaded" },
          expect: { served: null, status: 504 }
        }
      ],
      matrices: [{ name: "m", when: { request: { stream: [true, false] } }, answers: { a: { stop: "max-tokens" } }, expect: escalates }],
      tables: [
        {
          name: "t",
          answers: { a: { toolCalls: 9 } },
          columns: ["answers.a", "expect.served"],
          rows: [
            [{ refused: true }, "b"],
            ["-", "b"],
            [{ stop: "end" }, "a"]
          ]
        }
      ]
    })
    assert.lengthOf(Object.keys(all), 8)
    assert.deepStrictEqual(
      Object.entries(all).filter(([, holds]) => !holds),
      []
    )
  })

  it("judge what was thrown away as paid for", () => {
    const parsed = parseCases(
      { cases: [{ name: "paid", answers: { a: { refused: true, outputTokens: 40 } }, expect: escalates }] },
      cascade
    )
    const [verdict] = run(cascade, parsed._tag === "Success" ? parsed.success : []).verdicts
    const attempts = verdict?.seen?.record.call?.attempts.map(({ failure, usage, why }) => [failure?.class, usage?.outputTokens, why])
    assert.deepStrictEqual(attempts, [
      ["escalated", 40, "first"],
      [undefined, 20, "escalation"]
    ])
  })

  it("name a target, a fact and a reason that there are", () => {
    const problems = (answers: unknown): ReadonlyArray<string> => {
      const parsed = parseCases({ cases: [{ name: "x", answers, expect: stays }] }, cascade)
      return parsed._tag === "Failure" ? parsed.failure.map(render) : []
    }
    assert.match(problems({ aa: { refused: true } }).join(), /answers.*aa/)
    assert.match(problems({ a: { stop: "max-token" } }).join(), /did you mean `max-tokens`/)
    assert.match(problems({ a: { refuse: true } }).join(), /refuse/)
    assert.match(problems({ a: { outputTokens: -1 } }).join(), /outputTokens/)
    assert.deepStrictEqual(problems({ a: { stop: "paused", isJson: true, characters: 0 } }), [])
  })
})
