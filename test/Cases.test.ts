/**
 * Cases: every statement that does not hold is found, scripts and waits come out as they are written, matrices and tables become the cases that they stand for, and coverage
 * counts what the pipeline has done.
 *
 * Seen to catch: a `null` taken for nothing stated, `rejected` compared by its order, a script that starts anew with every attempt, a deadline or a route's timeout that is not kept,
 * a first-token limit on what is not streamed, an arm counted when it was only assigned, a fallback counted whenever its failover was entered, a pool counted once for each
 * use, a first try counted as another, a guard counted for its neighbour, a condition that held counted as passed over, a member counted that was not chosen, watching that
 * changes a target's identity, a budget of `given` merged with the case's own, needs taken for alternatives, a value of a matrix left out, a `"-"` that says something.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type Case, type CasesSource, coverageLines, failureLines, parseCases, passed, play, run, type Tested } from "../src/Cases.ts"
import { Watcher } from "../src/cases/Coverage.ts"
import { compile, type Compiled } from "../src/Compile.ts"
import { render } from "../src/Simulate.ts"
import { type Situation, situate } from "../src/Situation.ts"
import { decode, type PolicyEncoded } from "../src/Policy.ts"
import { failures, policy as anyPolicy } from "./generators.ts"
import { compiled, only } from "./scripted.ts"

const model = (name: string) => ({ "===": [{ var: "request.model" }, name] })

/** Names of the cases that fail, with the fields that do not hold. */
const wrong = ({ verdicts }: Tested) =>
  Object.fromEntries(
    verdicts.flatMap((verdict) =>
      passed(verdict) ? [] : [[verdict.placed.case.name, verdict.broken ?? verdict.differences.map(({ field }) => field)]]
    )
  )

const tested = (built: Compiled, source: unknown): Tested => {
  const parsed = parseCases(source, built)
  if (parsed._tag === "Failure") throw new Error(parsed.failure.map(render).join("\n"))
  return run(built, parsed.success)
}
const problems = (built: Compiled, source: unknown): ReadonlyArray<string> => {
  const parsed = parseCases(source, built)
  return parsed._tag === "Failure" ? parsed.failure.map(render) : []
}
const seen = (built: Compiled, when: Situation, script: Pick<Case, "fails" | "takes"> = {}) => {
  const situated = situate(built, when)
  if (situated._tag === "Failure") throw new Error(situated.failure.map(render).join("\n"))
  return play(built, situated.success, script)
}

/** Two arms, the second under a lack of vision, then a fallback. */
const chat: PolicyEncoded = {
  ...only("a"),
  targets: {
    a: { provider: "openai", model: "model-a" },
    b: { provider: "openai", model: "model-b", capabilities: { vision: false } },
    c: { provider: "openai", model: "model-c" }
  },
  routes: [
    { name: "gone", when: model("gone"), to: { _tag: "Deny", status: 410, code: "model_retired", message: "ask for chat" } },
    {
      name: "chat",
      when: model("chat"),
      to: {
        _tag: "First",
        of: [
          {
            _tag: "Split",
            by: { fact: "request.id" },
            salt: "s",
            arms: [
              { name: "old", weight: 50, to: "a" },
              { name: "new", weight: 50, to: "b" }
            ]
          },
          "c"
        ]
      }
    },
    { name: "rest", to: { _tag: "Asked" } }
  ]
}
/** Of the arms `new` and `old`. */
const [newId, oldId] = ["new", "old"].map((arm) => {
  const built = compiled(chat)
  return Array.from({ length: 50 }, (_, i) => String(i)).find((id) => seen(built, { request: { model: "chat", id } }).arms[0] === arm)!
}) as [string, string]

describe("what is stated", () => {
  const right = {
    route: "chat",
    decision: "chat/split.new/b.lacks-vision",
    arm: "new",
    tried: ["c"],
    served: null,
    status: 503,
    code: "upstream_overloaded",
    rejected: { b: "capability" }
  }
  const others = {
    route: "rest",
    decision: "chat/split.new",
    arm: "old",
    tried: ["c", "a"],
    served: "c",
    status: 500,
    code: null,
    rejected: { b: "guard" }
  } as const
  const of = (expect: object) => ({
    name: "it",
    when: { request: { model: "chat", id: newId, needs: ["vision"] } },
    fails: { c: "overloaded" },
    expect
  })

  it("holds where it is right", () => {
    assert.deepStrictEqual(wrong(tested(compiled(chat), { cases: [of(right)] })), {})
  })

  it.each(Object.keys(others) as ReadonlyArray<keyof typeof others>)("is found where `%s` is wrong, and nothing else", (field) => {
    assert.deepStrictEqual(wrong(tested(compiled(chat), { cases: [of({ ...right, [field]: others[field] })] })), { it: [field] })
    // What is not stated is not compared.
    assert.deepStrictEqual(wrong(tested(compiled(chat), { cases: [of({ [field]: others[field] })] })), { it: [field] })
    assert.deepStrictEqual(wrong(tested(compiled(chat), { cases: [of({ [field]: right[field] })] })), {})
  })

  it("is compared whole and in order", () => {
    const built = compiled(chat)
    const both = {
      name: "both",
      when: { request: { model: "chat", id: oldId } },
      fails: { a: "timeout", c: "timeout" },
      expect: { tried: ["c", "a"] }
    }
    assert.deepStrictEqual(
      wrong(
        tested(built, {
          cases: [both, { ...both, name: "one", expect: { tried: ["a"] } }, { ...both, name: "right", expect: { tried: ["a", "c"] } }]
        })
      ),
      {
        both: ["tried"],
        one: ["tried"]
      }
    )
    const served = { name: "served", when: { request: { model: "a" } }, expect: { served: null, code: null, rejected: {}, arm: [] } }
    assert.deepStrictEqual(wrong(tested(built, { cases: [served] })), { served: ["served"] })
  })

  it("is told with the trace of the call", () => {
    const [verdict] = tested(compiled(chat), { cases: [of({ ...right, status: 500 })] }).verdicts
    const lines = failureLines(verdict!, "here")
    assert.deepStrictEqual(lines.slice(0, 2), ["fail  it  (here)", "      status    expected 500, got 503"])
    const trace = lines.join("\n")
    for (const part of [
      "split, assigned to arm new of old, new:",
      "c: overloaded, from 0 ms to 0 ms",
      "b, by capability: ",
      "ended     failed, 503 upstream_overloaded"
    ])
      assert.include(trace, part)
    assert.notInclude(trace, "order of a call")
  })
})

describe("scripts", () => {
  it("end attempts in turn, and the last goes on", () => {
    const built = compiled(only({ _tag: "Retry", attempts: 4, backoff: { first: "1 seconds", longest: "1 seconds" }, of: "a" }))
    const overloaded = { class: "overloaded", retryAfter: "1 seconds" } as const
    const { record, sent, tried } = seen(built, {}, { fails: { a: [overloaded, "timeout", "served"] } })
    assert.deepStrictEqual([tried, record.ending], [["a", "a", "a"], "served"])
    assert.deepStrictEqual(
      record.call!.attempts.map(({ failure }) => failure?.class),
      ["overloaded", "timeout", undefined]
    )
    // The wait that was asked for has passed, in virtual time.
    assert.strictEqual(sent[1]!.startedMillis, 1_000)
    assert.deepStrictEqual(seen(built, {}, { fails: { a: ["overloaded", "timeout"] } }).tried, ["a", "a", "a", "a"])
  })

  it("take the time that they are said to take, within deadlines and the route's timeouts", () => {
    const within = compiled(only({ _tag: "First", of: [{ _tag: "Within", duration: "2 seconds", of: "a" }, "b"] }))
    const classes = (built: Compiled, script: Pick<Case, "fails" | "takes">, stream = false) =>
      seen(built, { request: { stream } }, script).record.call!.attempts.map(({ endedMillis, failure, target, startedMillis }) => [
        target.name,
        failure?.class,
        startedMillis,
        endedMillis
      ])
    assert.deepStrictEqual(classes(within, { takes: { a: "1 seconds" } }), [["a", undefined, 0, 1_000]])
    assert.deepStrictEqual(classes(within, { takes: { a: "3 seconds" } }), [
      ["a", "timeout", 0, 2_000],
      ["b", undefined, 2_000, 2_000]
    ])
    assert.deepStrictEqual(classes(within, { takes: { a: "1 seconds" }, fails: { a: "server-error" } }), [
      ["a", "server-error", 0, 1_000],
      ["b", undefined, 1_000, 1_000]
    ])
    const limited = compiled({ ...only({ _tag: "First", of: ["a", "b"] }), timeouts: { firstToken: "2 seconds", headers: "10 seconds" } })
    assert.deepStrictEqual(
      classes(limited, { takes: { a: "3 seconds" } }, true).map(([, name]) => name),
      ["timeout", undefined]
    )
    // Nothing of an answer that is not streamed has a first token.
    assert.deepStrictEqual(
      classes(limited, { takes: { a: "3 seconds" } }).map(([, name]) => name),
      [undefined]
    )
    assert.deepStrictEqual(
      classes(limited, { takes: { a: "10 seconds" } }).map(([, name]) => name),
      ["timeout", undefined]
    )
  })

  it("let one attempt of a hedge answer", () => {
    const built = compiled(only({ _tag: "Hedge", of: "a", after: "1 seconds", with: "b" }))
    assert.deepInclude(seen(built, {}), { tried: ["a"], served: "a" })
    assert.deepInclude(seen(built, {}, { takes: { a: "3 seconds" } }), { tried: ["a", "b"], served: "b" })
    assert.deepInclude(seen(built, {}, { takes: { a: "3 seconds", b: "5 seconds" } }), { tried: ["a", "b"], served: "a" })
    // In the order in which they began, whoever ends first.
    const both = { takes: { a: "3 seconds" }, fails: { a: "overloaded", b: "overloaded" } } as const
    assert.deepStrictEqual(seen(built, {}, both).tried, ["a", "b"])
  })

  it("can fail after a part of the answer, when nothing else can be tried any more", () => {
    const built = compiled(only({ _tag: "First", of: ["a", "b"] }))
    const cut = seen(built, { request: { stream: true } }, { fails: { a: { class: "stream-cut", committed: true } } })
    assert.deepInclude(cut, { tried: ["a"], served: "a", status: 200, code: "upstream_stream_cut" })
    const asked = seen(compiled(only("a")), {}, { fails: { a: { class: "rate-limited", retryAfter: "30 seconds" } } })
    assert.strictEqual(asked.record.error!.retryAfterMillis, 30_000)
  })
})

describe("what surrounds a call", () => {
  const paid: PolicyEncoded = {
    ...only({ _tag: "First", of: ["a", "b"] }),
    targets: Object.fromEntries(
      ["a", "b"].map((name, i) => [
        name,
        { provider: "openai", model: name, price: { input: { usd: 0 }, output: { usd: 1_000 / 10 ** i } }, maxOutputTokens: 100 }
      ])
    ),
    budgets: { day: { per: "class", limit: { usd: 1 }, every: "day" } },
    classes: { local: { may: ["a", "b"], within: ["day"] } }
  }

  it("is enforced, not only told: a spent budget refuses, a cheaper candidate follows", () => {
    const built = compiled(paid)
    assert.deepInclude(seen(built, {}), { served: "a", status: 200 })
    const nearly = seen(built, { budgets: { day: { spent: 0.95 } } })
    assert.deepEqual([nearly.tried, { ...nearly.rejected }], [["b"], { a: "budget" }])
    assert.deepInclude(seen(built, { budgets: { day: { usedRatio: 1 } } }), { tried: [], status: 402, code: "budget_exhausted" })
    assert.deepInclude(seen(built, { budgets: { day: { usedRatio: 1.5 } } }), { tried: [], status: 402 })
  })

  it("opens real breakers, which are probed where nothing else is left", () => {
    const built = compiled(only({ _tag: "First", of: ["a", "b"] }))
    const one = seen(built, { health: { a: { up: false } } })
    assert.deepEqual([one.tried, { ...one.rejected }], [["b"], { a: "breaker" }])
    const both = seen(built, { health: { a: { up: false }, b: { up: false } } })
    assert.deepStrictEqual([both.tried, both.record.call!.attempts[0]!.why], [["a"], "probe"])
  })

  it("steers spreads by what was measured", () => {
    const built = compiled(only({ _tag: "Spread", by: "latency", of: ["a", "b", "c"] }))
    const health = { a: { latencyMillis: 300 }, b: { latencyMillis: 100 }, c: { latencyMillis: 200 } }
    assert.deepStrictEqual(seen(built, { health }).tried, ["b"])
    assert.deepStrictEqual(seen(built, { health: { ...health, b: { latencyMillis: 100, up: false } } }).tried, ["c"])
  })
})

describe("matrices, tables and what is given", () => {
  const names = (source: unknown): ReadonlyArray<readonly [string, Situation | undefined]> => {
    const parsed = parseCases(source, compiled({ ...chat, metadata: ["tier"], headers: ["x-app"] }))
    if (parsed._tag === "Failure") throw new Error(parsed.failure.map(render).join("\n"))
    return parsed.success.map((placed) => [placed.case.name, placed.case.when])
  }

  it("are every combination, each named by what is its own", () => {
    const source: CasesSource = {
      matrices: [
        {
          name: "m",
          when: {
            request: {
              model: ["a", "c"],
              stream: [true, false],
              needs: [[], ["vision", "tools"]],
              metadata: { tier: ["x", "y", "z"] },
              messages: 3
            }
          },
          fails: [{}, { a: "overloaded" }],
          expect: { route: "rest" }
        }
      ]
    }
    const all = names(source)
    assert.strictEqual(all.length, 2 * 2 * 2 * 3 * 2)
    assert.strictEqual(new Set(all.map(([name]) => name)).size, all.length)
    assert.deepStrictEqual(all[0], [
      "m (request.model: a, request.stream: true, request.needs: [], request.metadata.tier: x, fails: {})",
      { request: { model: "a", stream: true, needs: [], metadata: { tier: "x" }, messages: 3 } }
    ])
    assert.deepStrictEqual(all.at(-1)![1], {
      request: { model: "c", stream: false, needs: ["vision", "tools"], metadata: { tier: "z" }, messages: 3 }
    })
  })

  it("take a list of needs for one value", () => {
    const all = names({ matrices: [{ name: "m", when: { request: { needs: ["vision", "tools"] } }, expect: { route: "rest" } }] })
    assert.deepStrictEqual(all, [["m", { request: { needs: ["vision", "tools"] } }]])
  })

  it("multiply, whatever the numbers of values are", () => {
    const models = ["a", "b", "c", "chat", "gone"]
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.constantFrom(...models), { minLength: 1 }),
        fc.uniqueArray(fc.boolean(), { minLength: 1, maxLength: 2 }),
        fc.uniqueArray(fc.nat({ max: 9 }), { minLength: 1, maxLength: 4 }),
        (model, stream, hours) => {
          const all = names({
            matrices: [{ name: "m", when: { request: { model, stream }, at: { hour: hours } }, expect: { status: 200 } }]
          })
          const combinations = new Set(
            all.map(([, when]) => JSON.stringify([when!.request!.model, when!.request!.stream, (when!.at as { hour: number }).hour]))
          )
          const expected = model.flatMap((one) => stream.flatMap((two) => hours.map((three) => JSON.stringify([one, two, three]))))
          assert.deepStrictEqual(combinations, new Set(expected))
          assert.strictEqual(all.length, expected.length)
        }
      )
    )
  })

  it("has rows that are cases, and cells that say nothing", () => {
    const source: CasesSource = {
      tables: [
        {
          name: "t",
          when: { request: { model: "chat" } },
          columns: ["request.id", "request.needs", "fails.a", "takes.c", "health.c.up", "expect.served", "expect.tried"],
          rows: [
            [oldId, "-", "-", "-", "-", "a", ["a"]],
            [oldId, "-", ["overloaded", "served"], "1 seconds", "-", "c", ["a", "c"]],
            [newId, ["vision"], "-", "-", true, "c", ["c"]]
          ]
        }
      ]
    }
    assert.deepStrictEqual(wrong(tested(compiled(chat), source)), {})
    const [, second, third] = names(source)
    assert.deepStrictEqual(second![1], { request: { model: "chat", id: oldId } })
    assert.deepStrictEqual(third, [
      `t (request.id: ${newId}, request.needs: ["vision"], health.c.up: true)`,
      { request: { model: "chat", id: newId, needs: ["vision"] }, health: { c: { up: true } } }
    ])
  })

  it("lie over what is given; an instant, a caller and a budget are said whole", () => {
    const given = { at: "2026-03-02T09:00:00Z", request: { model: "a", stream: true }, health: { a: { up: false } } }
    const [own] = names({
      given,
      cases: [{ name: "own", when: { at: { hour: 3 }, request: { model: "c" }, health: { c: { up: false } } }, expect: { route: "rest" } }]
    })
    assert.deepStrictEqual(own![1], {
      at: { hour: 3 },
      request: { model: "c", stream: true },
      health: { a: { up: false }, c: { up: false } }
    })
    const budgets = compiled({
      ...chat,
      budgets: { day: { per: "class", limit: { usd: 1 }, every: "day" } },
      classes: { local: { may: ["a"], within: ["day"] } }
    })
    const parsed = parseCases(
      {
        given: { budgets: { day: { spent: 1 } } },
        cases: [{ name: "x", when: { budgets: { day: { usedRatio: 0.5 } } }, expect: { status: 200 } }]
      },
      budgets
    )
    assert.deepStrictEqual(parsed._tag === "Success" && parsed.success[0]!.case.when!.budgets, { day: { usedRatio: 0.5 } })
  })
})

describe("what is wrong with cases", () => {
  const built = compiled(chat)
  const one = (more: object) => problems(built, { cases: [{ name: "x", when: {}, expect: { status: 200 }, ...more }] })

  it.each([
    ["a field", { when: { request: { modl: "a" } } }, "cases[0].when.request.modl: unknown field `modl`; did you mean `model`?"],
    ["a statement", { expect: { rout: "chat" } }, "cases[0].expect.rout: unknown field `rout`; did you mean `route`?"],
    ["a route", { expect: { route: "chta" } }, "cases[0].expect.route: unknown route `chta`; did you mean `chat`?"],
    [
      "a route in a decision",
      { expect: { decision: "chta/split.old" } },
      "cases[0].expect.decision: unknown route `chta`; did you mean `chat`?"
    ],
    ["an arm", { expect: { arm: "odl" } }, "cases[0].expect.arm: unknown arm `odl`; did you mean `old`?"],
    ["a target", { expect: { tried: ["a", "z"] } }, "cases[0].expect.tried[1]: unknown target `z`; known are `a`, `b`, `c`"],
    ["a failure", { fails: { a: "overlaoded" } }, "cases[0].fails.a: unknown word `overlaoded`; did you mean `overloaded`?"],
    ["a target that fails", { fails: { z: "overloaded" } }, "cases[0].fails.z: unknown target `z`; known are `a`, `b`, `c`"],
    ["a need", { when: { request: { needs: ["vison"] } } }, "cases[0].when.request.needs[0]: unknown word `vison`; did you mean `vision`?"],
    ["a key", { when: { as: "alice" } }, "cases[0].when.as: the policy has no keys, so every caller is `local`"],
    ["nothing stated", { expect: {} }, "cases[0].expect: it states nothing, so that nothing is tested"]
  ])("names %s", (_, more, message) => {
    assert.deepStrictEqual(one(more), [message])
  })

  it("says where in matrices and tables, once", () => {
    const source = {
      matrices: [{ name: "m", when: { request: { model: ["a", "b"], strem: [true, false] } }, expect: { served: "z" } }],
      tables: [
        { name: "t", columns: ["request.model", "expect.served", "expect.rout"], rows: [["a", "z", "x"], ["a"]] },
        { name: "u", columns: ["expect.status"], rows: [["-"]] }
      ]
    }
    assert.deepStrictEqual([...problems(built, source)].sort(), [
      "matrices[0].when.request.strem: unknown field `strem`; did you mean `stream`?",
      "tables[0].rows[0][2]: unknown field `rout`; did you mean `route`?",
      "tables[0].rows[1]: expected 3 cells, one for each column, but found 1",
      "tables[1].rows[0]: it states nothing, so that nothing is tested"
    ])
    assert.deepStrictEqual(problems(built, { cases: [] }), ["there is no case in it: expected `cases`, `matrices` or `tables`"])
    assert.deepStrictEqual(problems(built, []), ["expected cases, an object, but found `[]`"])
    assert.include(
      problems(built, {
        matrices: [
          {
            name: "m",
            when: { request: { id: Array.from({ length: 400 }, String), api: Array.from({ length: 400 }, String) } },
            expect: {}
          }
        ]
      })[0],
      "at most 100000 combinations"
    )
  })
})

describe("coverage", () => {
  /** One of everything. */
  const everything: PolicyEncoded = {
    ...only("a"),
    targets: Object.fromEntries(
      [..."abcdef"].map((name) => [name, { provider: "openai", model: `model-${name}`, ...(name === "f" ? { tags: ["far"] } : {}) }])
    ),
    pools: { both: { by: "round-robin", of: ["a", "b"] } },
    guards: [
      { name: "near", when: { var: "request.stream" }, forbid: { tags: ["far"] } },
      { name: "quiet", forbid: { tags: ["loud"] } }
    ],
    routes: [
      {
        name: "pooled",
        when: model("pooled"),
        to: {
          _tag: "First",
          of: [
            { _tag: "Pool", pool: "both" },
            { _tag: "Pool", pool: "both" }
          ]
        }
      },
      { name: "hedged", when: model("hedged"), to: { _tag: "Hedge", of: "c", after: "1 seconds", with: "d" } },
      {
        name: "nested",
        when: model("nested"),
        to: {
          _tag: "First",
          of: [
            { _tag: "When", if: { var: "request.stream" }, then: { _tag: "Retry", attempts: 2, backoff: {}, of: "a" }, otherwise: "b" },
            {
              _tag: "Split",
              by: { fact: "request.id" },
              salt: "s",
              arms: [
                { name: "x", weight: 50, to: "e" },
                { name: "y", weight: 50, to: "f" }
              ]
            },
            { _tag: "Deny", status: 503, code: "all_gone", message: "come back later" }
          ]
        }
      },
      { name: "default", to: "a" }
    ]
  }
  const built = compiled(everything)
  const coverageOf = (...cases: ReadonlyArray<Omit<Case, "name" | "expect">>) =>
    tested(built, { cases: cases.map((one) => ({ name: "x", expect: { status: 200 }, ...one })) }).coverage
  const asks = (name: string, more: object = {}): Situation => ({ request: { model: name, id: "1", ...more } })
  const reachedIn = (...cases: ReadonlyArray<Omit<Case, "name" | "expect">>) =>
    coverageOf(...cases).points.flatMap(({ kind, missing, place, reached }) => (reached ? [`${kind} ${place}: ${missing}`] : []))

  it("knows everything that can be reached", () => {
    const { percent, points } = coverageOf({ when: asks("nobody") })
    const counts = new Map<string, number>()
    for (const { kind } of points) counts.set(kind, (counts.get(kind) ?? 0) + 1)
    // The pool is one, though two places use it.
    assert.deepStrictEqual(Object.fromEntries(counts), {
      route: 4,
      condition: 8,
      member: 2,
      fallback: 3,
      hedge: 1,
      retry: 1,
      arm: 2,
      guard: 2
    })
    assert.strictEqual(percent, (100 * 4) / 23)
  })

  it("counts conditions that were passed over, and no others", () => {
    assert.deepStrictEqual(reachedIn({ when: asks("hedged") }), [
      'condition routes[0] "pooled".when: always holds',
      'route routes[1] "hedged": never chosen',
      'condition routes[1] "hedged".when: never holds'
    ])
  })

  it("counts what was entered, not what a decision settled", () => {
    const base = reachedIn({ when: asks("nested") })
    assert.deepStrictEqual(
      base.filter((text) => text.includes(".to")),
      ['condition routes[2] "nested".to.first[0].when.if: always holds']
    )
    const fallback = reachedIn({ when: asks("nested"), fails: { b: "overloaded" } }).filter((text) => !base.includes(text))
    assert.strictEqual(fallback.length, 2)
    assert.strictEqual(fallback[1], 'fallback routes[2] "nested".to.first[0] → [1]: never taken')
    assert.match(fallback[0]!, /^arm routes\[2\] "nested"\.to\.first\[1\]\.split\.[xy]: never taken$/)
    const denied = reachedIn({ when: asks("nested"), fails: { b: "overloaded", e: "overloaded", f: "overloaded" } }).filter(
      (text) => !base.includes(text) && !fallback.includes(text)
    )
    assert.deepStrictEqual(denied, ['fallback routes[2] "nested".to.first[1] → [2]: never taken'])
  })

  it("counts tries after the first, hedges that began, and members that were chosen", () => {
    const reached = (one: Omit<Case, "name" | "expect">, kind: string) => reachedIn(one).filter((text) => text.startsWith(kind))
    const streamed = { when: asks("nested", { stream: true }) }
    assert.deepStrictEqual(reached(streamed, "retry"), [])
    assert.strictEqual(reached({ ...streamed, fails: { a: ["overloaded", "served"] } }, "retry").length, 1)
    assert.deepStrictEqual(reached({ when: asks("hedged") }, "hedge"), [])
    assert.strictEqual(reached({ when: asks("hedged"), takes: { c: "2 seconds" } }, "hedge").length, 1)
    assert.deepStrictEqual(reached({ when: asks("pooled") }, "member"), ['member pools.both[0] "a": never tried'])
    assert.strictEqual(reached({ when: asks("pooled"), fails: { a: "overloaded" } }, "member").length, 2)
  })

  it("counts a guard that kept something out, by its name", () => {
    const far = ["1", "2", "3", "4", "5", "6"].find((id) => seen(built, asks("nested", { id })).arms[0] === "y")!
    const guards = (stream: boolean) =>
      reachedIn({ when: asks("nested", { id: far, stream }), fails: { a: "overloaded", b: "overloaded" } }).filter((text) =>
        text.startsWith("guard")
      )
    assert.deepStrictEqual(guards(true), ['guard guards[0] "near": never kept anything out'])
    assert.deepStrictEqual(guards(false), [])
  })

  it("adds up over cases, and says by place what is missing", () => {
    const coverage = coverageOf({ when: asks("pooled") }, { when: asks("hedged") })
    const lines = coverageLines(coverage)
    assert.strictEqual(lines[0], "coverage                        reached     of")
    assert.include(lines, "routes                                2      4")
    assert.isTrue(lines.some((line) => line.startsWith('  hedge      routes[1] "hedged".to.') && line.endsWith(": never started")))
    assert.match(
      lines.find((line) => line.startsWith("all "))!,
      /^all +6 +23 {2}26\.0%$/
    )
  })

  it("does not round up to the whole", () => {
    const { points } = coverageOf({ when: asks("pooled") })
    const nearly = { percent: 99.99, points }
    assert.isTrue(coverageLines(nearly).some((line) => line.endsWith("  99.9%")))
  })

  it("changes nothing of what it watches", () => {
    fc.assert(
      fc.property(
        anyPolicy,
        fc.array(fc.tuple(fc.nat(), fc.constantFrom(...failures, "served" as const))),
        fc.nat(),
        fc.boolean(),
        (encoded, script, n, stream) => {
          const decoded = decode(encoded)
          if (decoded._tag === "Failure") throw new Error(String(decoded.failure))
          const plain = compile(decoded.success)
          const watcher = new Watcher(plain)
          const targets = [...plain.targets.keys()]
          const models = [...targets, ...Object.keys(encoded.aliases ?? {}), ...plain.models.mentioned, "nobody"]
          const fails = Object.fromEntries(script.map(([at, ending]) => [targets[at % targets.length]!, ending]))
          const down = targets[n % targets.length]!
          const when: Situation = {
            health: n % 3 === 0 ? { [down]: { up: false } } : {},
            request: { model: models[n % models.length] === "" ? "x" : models[n % models.length]!, stream }
          }
          const account = (of: Compiled) => {
            const { copies, record, sent, ...rest } = seen(of, when, { fails })
            return {
              ...rest,
              copies: copies.map(({ ending, id }) => [id, ending]),
              ending: record.ending,
              at: sent.map(({ startedMillis }) => startedMillis),
              classes: record.call?.attempts.map(({ failure }) => failure?.class)
            }
          }
          assert.deepStrictEqual(account(watcher.compiled), account(plain))
          watcher.note(seen(watcher.compiled, when, { fails }))
          const { points } = watcher.coverage()
          assert.strictEqual(points.filter(({ kind, reached }) => kind === "route" && reached).length, 1)
        }
      ),
      { numRuns: 200 }
    )
  })
})
