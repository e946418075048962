import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { regionsOf } from "../../src/check/regions.ts"
import { reachedBy } from "../../src/check/routes.ts"
import { check } from "../../src/Check.ts"
import { type Compiled, compile } from "../../src/Compile.ts"
import type { Decision } from "../../src/Decision.ts"
import { factNames, makeTable } from "../../src/Facts.ts"
import type { Finding } from "../../src/Finding.ts"
import { limitsOf } from "../../src/Limits.ts"
import { decode, type PolicyEncoded } from "../../src/Policy.ts"
import { situate, type Situation } from "../../src/Situation.ts"
import { prices } from "../generators.ts"
import { type FactValues, holds } from "../reference.ts"
import { weekdays as days } from "../../src/ZonedClock.ts"
import { shownTable } from "./table.ts"
import { compiledOf, world } from "./worlds.ts"

const v = (name: string) => ({ var: name })
const is = (fact: string, value: string | boolean | null) => ({ "===": [v(fact), value] })
const above = (tokens: number) => ({ ">": [v("request.inputTokens"), tokens] })
const upTo = (tokens: number) => ({ "<=": [v("request.inputTokens"), tokens] })
const unsure = { opaque: { "==": [v("request.model"), "a"] } }
const base = {
  name: "test",
  metadata: ["tier"],
  providers: { openai: { dialect: "openai", baseUrl: "http://127.0.0.1:1/v1" } },
  targets: { mini: { provider: "openai", model: "m" }, big: { provider: "openai", model: "b" } }
}
const keyed = {
  classes: { eng: { may: ["mini", "big"] } },
  keys: { alice: { secret: { env: "ALICE" }, class: "eng", team: "core" }, bob: { secret: { env: "BOB" }, class: "eng", team: "red" } }
}
const route = (name: string, when: unknown, to: unknown = "mini", more: object = {}) => ({ name, when, to, ...more })
const last = { name: "default", to: "mini" }
const routes = (...of: ReadonlyArray<unknown>) => ({ ...base, routes: of })
const first = { _tag: "First", of: ["big", "mini"] }
const spread = { _tag: "Spread", by: "round-robin", of: ["mini", "big"] }

const shared = {
  ...base,
  providers: {
    one: { dialect: "openai", key: { env: "A" } },
    other: { dialect: "openai", key: { env: "B" } },
    both: { dialect: "openai", keys: [{ env: "A" }, { env: "B" }] }
  },
  targets: {
    one: { provider: "one", model: "m" },
    other: { provider: "other", model: "m" },
    mini: { provider: "both", model: "m" }
  }
}
const [up, down] = [(name: string) => v(`health.${name}.up`), (name: string) => ({ "!": v(`health.${name}.up`) })]

shownTable(
  "impossible routes",
  {
    "two parts that exclude each other": [
      routes(route("a", { and: [is("request.model", "x"), { and: [above(5), is("request.model", "y")] }] }), last),
      [
        "error",
        "impossible-route",
        'routes[0] "a".when',
        'this route can never be chosen: no request meets its condition, because `request.model is "x"` and `request.model is "y"` exclude each other',
        "mend the condition, or leave the route out"
      ]
    ],
    "a target that is up while its only credential is down with others": [
      { ...shared, routes: [route("a", { and: [down("mini"), up("one")] }), last] },
      [
        "error",
        "impossible-route",
        'routes[0] "a".when',
        "this route can never be chosen: no request meets its condition, because a target is up as long as one of its credentials is, whatever names share them",
        "mend the condition, or leave the route out"
      ]
    ],
    "a target that is up while all of its credentials are down with others": [
      { ...shared, routes: [route("a", { and: [up("mini"), down("one"), down("other")] }), last] },
      [
        "error",
        "impossible-route",
        'routes[0] "a".when',
        "this route can never be chosen: no request meets its condition, because a target is up as long as one of its credentials is, whatever names share them",
        "mend the condition, or leave the route out"
      ]
    ],
    "a part that never holds": [
      routes(route("a", { and: [above(5), { ">": [v("time.hour"), 23] }] }), last),
      [
        "error",
        "impossible-route",
        'routes[0] "a".when',
        "this route can never be chosen: no request meets its condition, because `time.hour > 23` never does",
        "mend the condition, or leave the route out"
      ]
    ],
    "no part alone": [
      routes(
        route("a", { and: [{ or: [above(5), is("request.model", "x")] }, { "!": [above(5)] }, { "!==": [v("request.model"), "x"] }] }),
        last
      ),
      [
        "error",
        "impossible-route",
        'routes[0] "a".when',
        "this route can never be chosen: no request meets its condition",
        "mend the condition, or leave the route out"
      ]
    ],
    "a team that no key has": [
      { ...routes(route("a", is("caller.team", "blue"), "big"), last), ...keyed },
      [
        "warning",
        "impossible-route",
        'routes[0] "a".when',
        "this route is never chosen: no key of the policy meets this condition",
        "leave it out until there is one"
      ]
    ],
    "a team without keys": [
      routes(route("a", is("caller.team", "blue"), "big"), last),
      [
        "warning",
        "impossible-route",
        'routes[0] "a".when',
        "this route is never chosen: without keys nobody meets this condition",
        "declare `keys`"
      ]
    ],
    "a class that there is not": [
      { ...routes(route("a", is("caller.class", "egn"), "big"), last), ...keyed },
      [
        "error",
        "impossible-route",
        'routes[0] "a".when',
        "this route can never be chosen: no request meets its condition",
        "mend the condition, or leave the route out"
      ]
    ],
    "one that cannot be seen through": [routes(route("a", { and: [unsure, is("request.model", "x")] }, "big"), last)]
  },
  /^impossible/
)

shownTable(
  "unreachable routes",
  {
    "covered by one that is wider": [
      routes(route("a", above(100)), route("x", is("request.model", "x"), "big"), route("b", above(500), "big"), last),
      [
        "error",
        "unreachable-route",
        'routes[2] "b".when',
        "this route can never be chosen: every request that meets its condition is taken by `a` before it",
        "move it up, or leave it out"
      ]
    ],
    "covered by several together": [
      routes(
        route("a", { "<": [v("time.hour"), 8] }),
        route("x", is("request.model", "x"), "big"),
        route("b", { ">": [v("time.hour"), 16] }),
        route("c", { and: [{ ">": [v("time.hour"), 7] }, { "<": [v("time.hour"), 20] }] }, "big"),
        route("d", is("request.metadata.tier", "gold"), "big"),
        last
      ),
      [
        "error",
        "unreachable-route",
        'routes[4] "d".when',
        "this route can never be chosen: every request that meets its condition is taken by `a`, `b` or `c` before it",
        "move it up, or leave it out"
      ],
      [
        "error",
        "unreachable-default",
        'routes[5] "default"',
        "the default route can never be chosen: `a`, `b` and `c` take every request before it",
        "leave it out, or take less in the routes before it"
      ]
    ],
    "covered by many": [
      routes(
        ...Array.from({ length: 7 }, (_, i) => route(`h${i}`, { in: [v("time.weekday"), [days[i]]] }, i % 2 === 0 ? "mini" : "big")),
        last
      ),
      [
        "error",
        "unreachable-default",
        'routes[7] "default"',
        "the default route can never be chosen: `h0`, `h1`, `h2`, `h3` and 3 more take every request before it",
        "leave it out, or take less in the routes before it"
      ]
    ],
    "covered for the keys that there are": [
      {
        ...routes(route("a", is("caller.team", "core")), route("b", is("caller.team", "red"), "big"), route("c", above(9), "big"), last),
        ...keyed
      },
      [
        "warning",
        "unreachable-route",
        'routes[2] "c".when',
        "this route is never chosen: of the callers that there are, every request that meets its condition is taken by `a` or `b` before it",
        "move it up, or leave it out until there are others"
      ]
    ],
    "covered but for what cannot be seen through": [
      routes(route("a", { and: [above(5), unsure] }, "big"), route("b", upTo(5), "big"), last)
    ],
    "reached by one request between": [
      routes(route("a", above(100)), route("b", { "<": [v("request.inputTokens"), 100] }), { ...last, to: "big" })
    ]
  },
  /^unreachable/
)

shownTable(
  "routes that make no difference",
  {
    "one that the default answers alike": [
      routes(route("a", above(100)), route("b", is("request.model", "x"), "big"), route("c", is("request.model", "y")), last),
      [
        "warning",
        "redundant-route",
        'routes[2] "c"',
        "this route makes no difference: without it its requests would get the same answer from the routes after it",
        "leave it out",
        { request: { model: "y" } }
      ]
    ],
    "one that two others answer alike": [
      routes(
        route("a", { and: [above(10), is("request.model", "x")] }, first),
        route("b", above(100), "big"),
        route("c", is("request.model", "x"), first),
        last
      )
    ],
    "one whose limits are other": [routes(route("a", above(100), "mini", { effort: { attempts: 1 } }), last)],
    "one that says the limits that there are": [
      routes(route("a", above(100), "mini", { effort: { attempts: 10 } }), last),
      [
        "warning",
        "redundant-route",
        'routes[0] "a"',
        "this route makes no difference: without it its requests would get the same answer from the routes after it",
        "leave it out",
        { request: { inputTokens: 101 } }
      ]
    ],
    "a spread takes turns of its own": [routes(route("a", above(100), spread), { ...last, to: spread })],
    "what comes after cannot be seen through": [routes(route("a", above(100)), route("b", unsure, "big"), last)],
    "only for the keys that there are": [
      {
        ...routes(route("a", is("caller.team", "core")), route("b", { "!": [{ in: [v("caller.team"), ["core", "red"]] }] }, "big"), last),
        ...keyed
      },
      [
        "warning",
        "redundant-route",
        'routes[0] "a"',
        "this route makes no difference: without it its requests would get the same answer from the routes after it",
        "leave it out",
        { as: "alice" }
      ]
    ]
  },
  /^redundant-route/
)

shownTable(
  "shadows",
  {
    "two conditions that cross": [
      routes(route("a", above(100), "big"), route("b", is("request.metadata.tier", "gold"), first), last),
      [
        "note",
        "shadowed-route",
        'routes[1] "b".when',
        "`a` before it takes some requests that meet this condition too, and answers them differently",
        { request: { inputTokens: 101, metadata: { tier: "gold" } } }
      ]
    ],
    "the special before the general, twice": [
      routes(
        route("a", { and: [above(100), is("request.model", "x")] }, "big"),
        route("b", { and: [above(200), v("request.stream")] }, "big"),
        route("c", above(50), first),
        last
      ),
      [
        "note",
        "shadowed-route",
        'routes[2] "c".when',
        "`a` and `b` before it take some requests that meet this condition too, and answer them differently",
        { request: { inputTokens: 101, model: "x" } }
      ]
    ],
    "the same answer": [routes(route("a", above(100), first), route("b", is("request.model", "x"), first), last)],
    "nothing in common": [routes(route("a", is("request.model", "y"), "big"), route("b", is("request.model", "x"), first), last)],
    "by one that is shadowed itself, of what is left to it": [
      routes(
        route("a", above(100), first),
        route("b", { and: [above(50), is("request.model", "x")] }, "big"),
        route("c", is("request.model", "x"), first),
        last
      ),
      [
        "note",
        "shadowed-route",
        'routes[1] "b".when',
        "`a` before it takes some requests that meet this condition too, and answers them differently",
        { request: { inputTokens: 101, model: "x" } }
      ],
      [
        "note",
        "shadowed-route",
        'routes[2] "c".when',
        "`b` before it takes some requests that meet this condition too, and answers them differently",
        { request: { inputTokens: 51, model: "x" } }
      ]
    ]
  },
  /^shadowed/
)

shownTable(
  "requests without a route",
  {
    "some are shown": [
      routes(route("a", above(100), "big"), route("b", is("request.model", "mini"))),
      [
        "error",
        "no-default",
        'routes[1] "b".when',
        "a request that meets no condition has no route",
        "end with a route without `when`: `asked()`, a target, or a `deny`",
        { request: { model: "big" } }
      ]
    ],
    "only of a key that is still to come": [
      { ...routes(route("a", is("caller.team", "core")), route("b", is("caller.team", "red"), "big")), ...keyed },
      [
        "error",
        "no-default",
        'routes[1] "b".when',
        "a request that meets no condition has no route",
        "end with a route without `when`: `asked()`, a target, or a `deny`",
        { as: { class: "eng" } }
      ]
    ],
    "none are known": [
      routes(route("a", above(100), "big"), route("b", unsure)),
      [
        "error",
        "no-default",
        'routes[1] "b".when',
        "a request that meets no condition has no route",
        "end with a route without `when`: `asked()`, a target, or a `deny`"
      ]
    ],
    "none are left": [
      routes(
        route("a", above(100), "big"),
        route("b", { "<": [v("request.inputTokens"), 50] }),
        route("c", { and: [{ ">=": [v("request.inputTokens"), 50] }, upTo(100)] }, first)
      )
    ]
  },
  /^no-default/
)

describe("a last route that takes all that is left", () => {
  it("is chosen without being asked", () => {
    const { policy } = check(routes(route("a", above(100), "big"), route("b", upTo(100))))
    const compiled = compile(policy!)
    const chosen = (tokens: number) => compiled.decide(compiled.facts.of({ "request.inputTokens": tokens })).route
    assert.deepStrictEqual([chosen(100), chosen(101)], [1, 0])
  })
})

describe("what could not be proved", () => {
  it("is said in one note, with the routes", () => {
    const found = check(
      routes(route("a", unsure, "big"), route("b", above(5), { _tag: "When", if: unsure, then: "big", otherwise: "mini" }), last)
    ).findings
    const notes = found.filter(({ code }) => code === "not-proved")
    assert.lengthOf(notes, 1)
    assert.deepStrictEqual([notes[0]!.level, notes[0]!.place], ["note", ""])
    for (const part of ["whether a route can be reached (`a`, `b`, `default`)", "whether a branch can be taken (`b`)"])
      assert.include(notes[0]!.message, part)
  })
})

const decided = (compiled: Compiled, situation: Situation): { readonly decision: Decision; readonly facts: FactValues } => {
  const situated = Result.getOrThrow(situate(compiled, situation))
  assert.deepStrictEqual(situated.notes, [])
  const table = makeTable(compiled.policy)
  for (const name of factNames(compiled.policy)) table.slotOf(name)
  const read = table.read(situated.source)
  const facts = Object.fromEntries(table.names.map((name, i) => [name, read[i]!]))
  return { decision: compiled.decide(compiled.facts.read(situated.source)), facts }
}
const about = (finding: Finding): string => `${finding.code} at ${finding.place}: ${finding.message}\n${JSON.stringify(finding.witness)}`
const routeOf = ({ path }: Finding): number => path[1] as number
/** What a route comes to, whatever it is called. */
const answer = ({ policy }: Compiled, route: number): string =>
  JSON.stringify([policy.routes[route]!.to, limitsOf(policy, policy.routes[route]!)])
const isOpaque = (json: unknown): boolean => JSON.stringify(json).includes('"opaque"')

describe("what is said of routes", () => {
  it("is that each is reached, by a call that is shown, or never", () => {
    const seen = { reached: 0, never: 0, unknown: 0, seeThrough: 0 }
    fc.assert(
      fc.property(world(0), ({ json }) => {
        const compiled = compiledOf(json)
        const { findings } = check(json, prices)
        const never = new Set(findings.filter(({ code }) => /^(unreachable|impossible)-/.test(code)).map(routeOf))
        const regions = regionsOf(Result.getOrThrow(decode(json)))
        for (const [i, witness] of reachedBy(regions).entries()) {
          if (witness === undefined) {
            if (never.has(i)) seen.never++
            else seen.unknown++
            // A default for callers who are still to come goes without saying.
            const isPrudent = compiled.policy.routes[i]!.when === undefined && regions.reachOf(i)._tag === "Covered"
            if (!isOpaque(json)) {
              seen.seeThrough++
              assert.isTrue(never.has(i) || isPrudent, `nothing is known of routes[${i}] of ${JSON.stringify(json.routes)}`)
            }
            continue
          }
          assert.isFalse(never.has(i))
          const { decision, facts } = decided(compiled, witness.situation)
          const told = JSON.stringify([witness.situation, json.routes])
          assert.strictEqual(decision.route, i, told)
          // A guard may throw and deny it, but no condition of the routes does.
          const outcomes = compiled.policy.routes.slice(0, i + 1).map(({ when }) => when === undefined || holds(when, facts))
          assert.deepStrictEqual(outcomes, [...Array<boolean>(i).fill(false), true], told)
          seen.reached++
        }
      }),
      { numRuns: 600, endOnFailure: true }
    )
    assert.isAbove(Math.min(seen.reached, seen.never, seen.seeThrough), 100, JSON.stringify(seen))
  })

  it("is true of steered calls: those that are never chosen are not", () => {
    const seen = { error: 0, warning: 0 }
    fc.assert(
      fc.property(world(40), ({ calls, json }) => {
        const compiled = compiledOf(json)
        const never = check(json, prices).findings.filter(({ code }) => /^(unreachable|impossible)-/.test(code))
        if (never.length === 0) return
        for (const { facts, issued } of calls) {
          const decision = compiled.decide(compiled.facts.of(facts))
          for (const finding of never) {
            if (finding.level === "note" || (finding.level === "warning" && issued)) continue
            seen[finding.level]++
            // Who is denied because a condition throws has been given no route.
            if (decision.threw === undefined)
              assert.notStrictEqual(decision.route, routeOf(finding), `${about(finding)}\n${JSON.stringify(facts)}`)
          }
        }
      }),
      { numRuns: 600, endOnFailure: true }
    )
    assert.isAbove(seen.error, 10_000)
    assert.isAbove(seen.warning, 200)
  })

  it("of shadows is shown by a call that an earlier route answers in another way", () => {
    let seen = 0
    fc.assert(
      fc.property(world(0), ({ json }) => {
        const compiled = compiledOf(json)
        for (const finding of check(json, prices).findings) {
          if (finding.code !== "shadowed-route") continue
          const { decision, facts } = decided(compiled, finding.witness!)
          const by = /^`([^`]+)`/.exec(finding.message)![1]
          const { routes } = compiled.policy
          assert.deepStrictEqual([routes[decision.route]!.name, decision.threw], [by, undefined], about(finding))
          assert.notStrictEqual(answer(compiled, decision.route), answer(compiled, routeOf(finding)), about(finding))
          // What is behind an opaque part that throws would be no answer.
          if (!isOpaque(routes[routeOf(finding)]!.when)) assert.isTrue(holds(routes[routeOf(finding)]!.when, facts), about(finding))
          seen++
        }
      }),
      { numRuns: 600, endOnFailure: true }
    )
    assert.isAbove(seen, 150)
  })

  it("of those that make no difference is so: without them every call gets the same answer", () => {
    const seen = { routes: 0, calls: 0 }
    fc.assert(
      fc.property(world(20), ({ calls, json }) => {
        const compiled = compiledOf(json)
        for (const finding of check(json, prices).findings) {
          if (finding.code !== "redundant-route") continue
          seen.routes++
          const at = routeOf(finding)
          assert.strictEqual(decided(compiled, finding.witness!).decision.route, at, about(finding))
          const without = compiledOf({ ...json, routes: json.routes.toSpliced(at, 1) as unknown as PolicyEncoded["routes"] })
          for (const { facts } of calls) {
            const [before, after] = [compiled, without].map((one) => ({ one, decision: one.decide(one.facts.of(facts)) })) as [
              { one: Compiled; decision: Decision },
              { one: Compiled; decision: Decision }
            ]
            if (before.decision.route === at) seen.calls++
            const told = `${about(finding)}\n${JSON.stringify(facts)}`
            assert.strictEqual(before.decision.threw === undefined, after.decision.threw === undefined, told)
            if (before.decision.threw !== undefined) continue
            assert.strictEqual(answer(before.one, before.decision.route), answer(after.one, after.decision.route), told)
          }
        }
      }),
      { numRuns: 600, endOnFailure: true }
    )
    assert.isAbove(Math.min(seen.routes, seen.calls), 2, JSON.stringify(seen))
  })

  it("of requests without a route is so, and where it is not said there are none", () => {
    const seen = { open: 0, closed: 0 }
    fc.assert(
      fc.property(world(12), ({ calls, json }) => {
        const compiled = compiledOf(json)
        const { routes } = Result.getOrThrow(decode(json))
        if (routes.some(({ when }) => when === undefined)) return
        const finding = check(json, prices).findings.find(({ code }) => code === "no-default")
        const meets = (facts: FactValues): boolean => routes.some(({ when }) => holds(when, facts))
        if (finding?.witness !== undefined) {
          assert.isFalse(meets(decided(compiled, finding.witness).facts), about(finding))
          seen.open++
        }
        if (finding !== undefined || isOpaque(json)) return
        seen.closed++
        for (const { facts } of calls) assert.isTrue(meets(facts), JSON.stringify([facts, json.routes]))
      }),
      { numRuns: 600, endOnFailure: true }
    )
    assert.isAbove(seen.open, 40)
    assert.isAbove(seen.closed, 0)
  })
})
