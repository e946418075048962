import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { type Compiled, compile } from "../src/Compile.ts"
import { decode, type Policy, type PolicyEncoded } from "../src/Policy.ts"
import { type Reach, type Reached, reachLines, reachOf } from "../src/Reach.ts"
import { situate } from "../src/Situation.ts"
import { plausible, sent } from "./check/outcomes.ts"
import { loosePolicy, policy, prices, requestTo, sized } from "./generators.ts"

const decoded = (json: unknown): Policy => Result.getOrThrow(decode(json))

/** What the decision for these facts may send to, by name, with the routes. */
const permitted = (of: Compiled, decision: ReturnType<Compiled["decide"]>): ReadonlyArray<string> => {
  if (decision.threw !== undefined) return []
  return sent(of.routes[decision.route]!.plan, decision).map((target) => (target.declared ? target.name : `${target.provider}/*`))
}

const isOf =
  (route: number, name: string) =>
  ({ path, target }: Reached): boolean =>
    target === name && path.startsWith(`routes[${route}] `)
const world = fc
  .oneof(policy, loosePolicy)
  .chain((json) => fc.record({ json: fc.constant(json), requests: fc.array(requestTo(json).map(sized), { minLength: 8, maxLength: 8 }) }))

const compiled = (json: PolicyEncoded): Compiled => compile(decoded(json), prices)
const reachable = (reach: ReadonlyArray<Reach>, name: string): ReadonlyArray<Reached> =>
  reach.find((one) => one.class === name)?.reached ?? []

describe("reach", () => {
  it("holds everything that any call of a class, of a declared key or another, may be sent to", () => {
    let calls = 0
    fc.assert(
      fc.property(world, ({ json, requests }) => {
        const of = compiled(json)
        const reach = reachOf(of.policy, prices)
        for (const given of requests) {
          const facts = plausible(of, given)
          if (facts === undefined) continue
          const name = String(facts["caller.class"])
          const decision = of.decide(of.facts.of(facts))
          for (const target of permitted(of, decision)) {
            assert.isTrue(reachable(reach, name).some(isOf(decision.route, target)), `${target} by route ${decision.route} as ${name}`)
            calls++
          }
        }
      }),
      { numRuns: 200, endOnFailure: true }
    )
    assert.isAbove(calls, 100)
  })

  it("shows of each entry a call of the class that may be sent there", () => {
    let shown = 0
    fc.assert(
      fc.property(fc.oneof(policy, loosePolicy), (json) => {
        const of = compiled(json)
        for (const { class: name, reached } of reachOf(of.policy, prices)) {
          for (const { path, target, witness } of reached) {
            if (witness === undefined) continue
            const situated = Result.getOrThrow(situate(of, witness))
            assert.strictEqual(situated.caller.class, name)
            const decision = of.decide(of.facts.read(situated.source))
            const told = `${target} by ${path}: ${JSON.stringify(witness)}`
            assert.isTrue(path.startsWith(`routes[${decision.route}] `), told)
            assert.include(permitted(of, decision), target, told)
            shown++
          }
        }
      }),
      { numRuns: 150, endOnFailure: true }
    )
    assert.isAbove(shown, 300)
  })

  it("is a table of targets and the ways to them", () => {
    const of = decoded({
      name: "acme",
      providers: { one: { dialect: "openai", region: "eu" }, two: { dialect: "anthropic" } },
      targets: { small: { provider: "one", model: "m1" }, large: { provider: "two", model: "m2", capabilities: { vision: false } } },
      classes: { eng: { may: ["small", "large"] }, guest: { may: ["small"] } },
      keys: {
        alice: { secret: { env: "A" }, class: "eng", team: "core" },
        bob: { secret: { env: "B" }, class: "eng" },
        eve: { secret: { env: "E" }, class: "guest" }
      },
      guards: [{ name: "eu-only", when: { var: "request.stream" }, require: { regions: ["eu"] } }],
      routes: [
        { name: "core", when: { "===": [{ var: "caller.team" }, "core"] }, to: { _tag: "First", of: ["large", "small"] } },
        { name: "default", to: "small" }
      ]
    })
    assert.deepStrictEqual(reachLines(reachOf(of)), [
      "class eng",
      "  target  model  provider  region  by                            when",
      '  large   m2     two       -       routes[0] "core".to.first[0]  only alice; caller.team is "core"; unless guard `eu-only`; no images',
      '  small   m1     one       eu      routes[0] "core".to.first[1]  only alice; caller.team is "core"',
      '                                   routes[1] "default".to        only bob; otherwise',
      "",
      "class guest",
      "  target  model  provider  region  by                            when",
      '  small   m1     one       eu      routes[0] "core".to.first[1]  only keys that are issued later; caller.team is "core"',
      '                                   routes[1] "default".to        otherwise'
    ])
  })
})
