import { readdirSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { judge } from "../../runtime/Policies.ts"
import { check } from "../../src/Check.ts"
import type { Compiled } from "../../src/Compile.ts"
import type { Decision } from "../../src/Decision.ts"
import { type Finding, type Path, valueAt } from "../../src/Finding.ts"
import { decode, type Policy } from "../../src/Policy.ts"
import { situate } from "../../src/Situation.ts"
import { prices } from "../generators.ts"
import { type FactValues, holds } from "../reference.ts"
import { planAt } from "./outcomes.ts"
import { shownTable } from "./table.ts"
import { compiledOf, world } from "./worlds.ts"

const v = (name: string) => ({ var: name })
const is = (fact: string, value: string | boolean | null) => ({ "===": [v(fact), value] })
const above = (tokens: number) => ({ ">": [v("request.inputTokens"), tokens] })
const upTo = (tokens: number) => ({ "<=": [v("request.inputTokens"), tokens] })
const never = { ">": [v("time.hour"), 23] }
const unsure = { opaque: { "==": [v("request.model"), "a"] } }
const base = {
  name: "test",
  metadata: ["tier"],
  providers: { openai: { dialect: "openai", baseUrl: "http://127.0.0.1:1/v1" } },
  targets: { mini: { provider: "openai", model: "m" }, big: { provider: "openai", model: "b" } }
}
const keyed = {
  classes: { eng: { may: ["mini", "big"] } },
  keys: { alice: { secret: { env: "ALICE" }, class: "eng", team: "core" } }
}
const last = { name: "default", to: "mini" }
const routes = (...of: ReadonlyArray<unknown>) => ({ ...base, routes: of })
const when = (condition: unknown, then: unknown = "big", otherwise: unknown = "mini") => ({ _tag: "When", if: condition, then, otherwise })
const guarded = (condition: unknown) => ({ ...routes(last), guards: [{ name: "g", when: condition, forbid: { targets: ["big"] } }] })

shownTable(
  "conditions that always hold",
  {
    "of a route": [
      routes({ name: "a", when: { or: [above(5), upTo(9)] }, to: "mini" }),
      ["warning", "always-true", 'routes[0] "a".when', "this condition always holds", "leave `when` out", {}]
    ],
    "of a route, of all that comes to it": [
      routes({ name: "a", when: above(5), to: "big" }, { name: "b", when: upTo(5), to: "mini" }),
      [
        "warning",
        "always-true",
        'routes[1] "b".when',
        "this condition always holds here: the routes before it take every request that does not meet it",
        "leave `when` out",
        {}
      ]
    ],
    "of a route, as long as there is no other class": [
      { ...routes({ name: "a", when: is("caller.class", "eng"), to: "big" }), ...keyed },
      ["warning", "always-true", 'routes[0] "a".when', "this condition always holds", "leave `when` out", { as: "alice" }]
    ],
    "of a route, for the keys that there are": [{ ...routes({ name: "a", when: is("caller.team", "core"), to: "big" }, last), ...keyed }],
    "of a guard": [
      guarded({ "<=": [v("time.hour"), 23] }),
      ["warning", "always-true", 'guards[0] "g".when', "this condition always holds", "leave `when` out"]
    ],
    perhaps: [routes({ name: "a", when: { or: [unsure, above(5)] }, to: "big" }, last)]
  },
  /^always-true/
)

shownTable(
  "guards whose condition never holds",
  {
    "their own": [
      guarded(never),
      [
        "warning",
        "always-false",
        'guards[0] "g".when',
        "this condition never holds, so guard `g` keeps nothing out",
        "mend it, or leave the guard out"
      ]
    ],
    "of an organisation": [
      { ...routes(last), layers: [{ name: "org", guards: [{ name: "g", when: never, forbid: { targets: ["big"] } }] }] },
      [
        "note",
        "always-false",
        'layers[0] "org".guards[0] "g".when',
        "this condition never holds, so guard `g` keeps nothing out",
        "mend it, or leave the guard out"
      ]
    ],
    "for the keys that there are": [{ ...guarded(is("caller.team", "blue")), ...keyed }]
  },
  /^always-false/
)

shownTable(
  "dead branches",
  {
    "one that nobody takes": [
      routes({ name: "a", to: when(never) }),
      [
        "warning",
        "dead-branch",
        'routes[0] "a".to.when.then',
        "`then` is never taken: its condition never holds",
        "write `otherwise` alone, or mend the condition",
        {}
      ]
    ],
    "one that nobody takes who meets the route": [
      routes({ name: "a", when: above(100), to: { _tag: "Within", duration: "9 seconds", of: when(above(50)) } }, last),
      [
        "warning",
        "dead-branch",
        'routes[0] "a".to.within.when.otherwise',
        "`otherwise` is never taken: its condition always holds for the requests that come here",
        "write `then` alone, or mend the condition",
        { request: { inputTokens: 101 } }
      ]
    ],
    "one that nobody takes whom earlier routes leave": [
      routes({ name: "a", when: above(100), to: "big" }, { name: "b", to: when(above(500)) }),
      [
        "warning",
        "dead-branch",
        'routes[1] "b".to.when.then',
        "`then` is never taken: its condition never holds for the requests that come here",
        "write `otherwise` alone, or mend the condition",
        {}
      ]
    ],
    "one inside another": [
      routes({ name: "a", to: when(is("request.model", "x"), when(is("request.model", "y"), "big", "mini")) }),
      [
        "warning",
        "dead-branch",
        'routes[0] "a".to.when.then.when.then',
        "`then` is never taken: its condition never holds for the requests that come here",
        "write `otherwise` alone, or mend the condition",
        { request: { model: "x" } }
      ]
    ],
    "none inside a dead one": [
      routes({ name: "a", to: when(never, when(never)) }),
      [
        "warning",
        "dead-branch",
        'routes[0] "a".to.when.then',
        "`then` is never taken: its condition never holds",
        "write `otherwise` alone, or mend the condition",
        {}
      ]
    ],
    "of which no call is shown, because a guard may deny any": [
      { ...routes({ name: "a", to: when(never) }), guards: [{ name: "g", when: unsure, forbid: { targets: ["big"] } }] },
      [
        "warning",
        "dead-branch",
        'routes[0] "a".to.when.then',
        "`then` is never taken: its condition never holds",
        "write `otherwise` alone, or mend the condition"
      ]
    ],
    "none of which it is not known": [routes({ name: "a", to: when(unsure) })],
    "none for the keys that there are alone": [{ ...routes({ name: "a", to: when(is("caller.team", "core")) }), ...keyed }]
  },
  /^dead/
)

shownTable(
  "parts that change nothing",
  {
    "what another says more sharply": [
      routes({ name: "a", when: { and: [above(50), v("request.stream"), above(80)] }, to: "big" }, last),
      [
        "note",
        "redundant-part",
        'routes[0] "a".when.and[0]',
        "`request.inputTokens > 50` changes nothing: it holds wherever the other parts do",
        "leave it out"
      ]
    ],
    "one thing twice": [
      routes({ name: "a", to: when({ or: [is("request.model", "x"), is("request.model", "x")] }) }),
      [
        "note",
        "redundant-part",
        'routes[0] "a".to.when.if.or[1]',
        '`request.model is "x"` changes nothing: it never holds where the other parts do not',
        "leave it out"
      ]
    ],
    "what others say together": [
      routes({ name: "a", when: { or: [{ "!": [above(9)] }, above(5), is("request.model", "x")] }, to: "mini" })
      // All of it always holds, which says enough.
    ],
    "deep inside": [
      guarded({ "!": [{ and: [is("request.model", "x"), { or: [above(5), above(6)] }] }] }),
      [
        "note",
        "redundant-part",
        'guards[0] "g".when["!"][0].and[1].or[1]',
        "`request.inputTokens > 6` changes nothing: it never holds where the other parts do not",
        "leave it out"
      ]
    ],
    "what makes an ordering possible is needed": [
      routes(
        {
          name: "a",
          when: { and: [{ "!==": [v("request.maxOutputTokens"), null] }, { ">": [v("request.maxOutputTokens"), 5] }] },
          to: "big"
        },
        last
      )
    ],
    "what cannot be seen through": [routes({ name: "a", when: { and: [above(50), unsure, above(80)] }, to: "big" }, last)]
  },
  /^redundant-part/
)

const decided = (compiled: Compiled, finding: Finding): Decision => {
  const situated = Result.getOrThrow(situate(compiled, finding.witness!))
  return compiled.decide(compiled.facts.read(situated.source))
}
const about = (finding: Finding, facts?: FactValues): string =>
  `${finding.code} at ${finding.place}: ${finding.message}\n${JSON.stringify(finding.witness)}\n${JSON.stringify(facts)}`

describe("what is said of conditions", () => {
  it("is true of steered calls: no call takes a dead branch, and what is shown takes the other", () => {
    const seen = { branches: 0, calls: 0 }
    fc.assert(
      fc.property(world(30), ({ calls, json }) => {
        const dead = check(json, prices).findings.filter(({ code }) => code === "dead-branch")
        if (dead.length === 0) return
        const compiled = compiledOf(json)
        for (const finding of dead) {
          seen.branches++
          const beside: Path = [...finding.path.slice(0, -1), finding.path.at(-1) === "then" ? "otherwise" : "then"]
          if (finding.witness !== undefined) assert.isDefined(planAt(compiled, decided(compiled, finding), beside), about(finding))
          for (const { facts } of calls) {
            const decision = compiled.decide(compiled.facts.of(facts))
            if (planAt(compiled, decision, beside) !== undefined) seen.calls++
            assert.isUndefined(planAt(compiled, decision, finding.path), about(finding, facts))
          }
        }
      }),
      { numRuns: 700, endOnFailure: true }
    )
    assert.isAbove(seen.branches, 80)
    assert.isAbove(seen.calls, 400)
  })

  it("is true of steered calls: what always or never holds does, and what changes nothing does not", () => {
    const seen: Record<string, number> = {}
    const without = (policy: Policy, path: Path): unknown => {
      const copy = structuredClone(policy)
      const list = valueAt(copy, path.slice(0, -1)) as Array<unknown>
      list.splice(path.at(-1) as number, 1)
      return copy
    }
    const outcome = (rule: unknown, facts: FactValues): boolean | "throws" => {
      try {
        return holds(rule, facts)
      } catch {
        return "throws"
      }
    }
    /** The whole condition in which a part stands. */
    const whole = (path: Path): Path => path.slice(0, path.findIndex((key, i) => i > 1 && (key === "when" || key === "if")) + 1)
    fc.assert(
      fc.property(world(12), ({ calls, json }) => {
        const policy = Result.getOrThrow(decode(json))
        const compiled = compiledOf(json)
        for (const finding of check(json, prices).findings) {
          const { code, message, path } = finding
          if (!["always-true", "always-false", "redundant-part"].includes(code)) continue
          seen[code] = (seen[code] ?? 0) + 1
          for (const { facts } of calls) {
            const told = `${about(finding, facts)}\n${JSON.stringify(valueAt(policy, path))}`
            if (code === "always-false") assert.isFalse(holds(valueAt(policy, path), facts), told)
            else if (code === "redundant-part") {
              const at = whole(path)
              assert.strictEqual(outcome(valueAt(without(policy, path), at), facts), outcome(valueAt(policy, at), facts), told)
            } else if (message.includes("here")) {
              const { route, threw } = compiled.decide(compiled.facts.of(facts))
              assert.isTrue(threw !== undefined || route <= (path[1] as number), told)
            } else assert.isTrue(holds(valueAt(policy, path), facts), told)
          }
        }
      }),
      { numRuns: 700, endOnFailure: true }
    )
    assert.isAbove(Math.min(...["always-true", "always-false", "redundant-part"].map((code) => seen[code] ?? 0)), 0, JSON.stringify(seen))
  })
})

describe("policies that people copy", () => {
  const directory = new URL("../../policies/", import.meta.url)
  const files = readdirSync(directory).filter((name) => name.endsWith(".ts") && !name.endsWith(".cases.ts"))
  for (const file of files) {
    it.effect(`has no fault in the order of routes or in a condition: ${file}`, () =>
      Effect.gen(function* () {
        const { checked } = yield* judge(new URL(file, directory).pathname)
        const meant = /^(unreachable|impossible|redundant-route|no-default|always|dead|not-proved)/
        assert.deepStrictEqual(
          checked.findings.filter(({ code }) => meant.test(code)),
          []
        )
      })
    )
  }
})
