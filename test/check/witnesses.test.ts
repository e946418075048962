/**
 * What the checker says of grants, guards and needs is so: every witness has the outcome that its finding claims, of whatever is claimed of all calls no call is an exception,
 * and where nothing is said nothing is lost.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { candidatesOf } from "../../src/check/candidates.ts"
import { regionsOf } from "../../src/check/regions.ts"
import { check } from "../../src/Check.ts"
import { type Compiled, compile } from "../../src/Compile.ts"
import type { Decision } from "../../src/Decision.ts"
import type { Finding } from "../../src/Finding.ts"
import { decode, type PolicyEncoded } from "../../src/Policy.ts"
import { ruledOut } from "../../src/Rules.ts"
import { situate, type Situation } from "../../src/Situation.ts"
import { loosePolicy, policy, prices, requestTo, sized } from "../generators.ts"
import { isLost, open, planAt, plausible, ruleOf } from "./outcomes.ts"

const compiled = (json: PolicyEncoded): Compiled => compile(Result.getOrThrow(decode(json)), prices)

const decided = (of: Compiled, witness: Situation): Decision => {
  const situated = Result.getOrThrow(situate(of, witness))
  assert.deepStrictEqual(situated.notes, [])
  return of.decide(of.facts.read(situated.source))
}

const levels: Readonly<Record<string, "grant" | "guard" | "capability">> = {
  "grant-removes-all": "grant",
  "grant-removes": "grant",
  "guard-removes-all": "guard",
  "guard-removes": "guard",
  "capability-removes-all": "capability",
  "capability-removes": "capability",
  "fallback-weaker": "capability"
}

/** A policy and requests to it. */
const world = fc
  .oneof(policy, loosePolicy)
  .chain((json) => fc.record({ json: fc.constant(json), requests: fc.array(requestTo(json).map(sized), { minLength: 12, maxLength: 12 }) }))

describe("findings about candidates", () => {
  it("are shown by calls that have the outcome", () => {
    const seen: Record<string, number> = {}
    fc.assert(
      fc.property(fc.oneof(policy, loosePolicy), (json) => {
        const { findings } = check(json, prices)
        const of = compiled(json)
        for (const finding of findings) {
          const level = levels[finding.code]
          if (level === undefined) continue
          assert.isDefined(finding.witness, `${finding.code} at ${finding.place} without a witness`)
          const decision = decided(of, finding.witness!)
          const plan = planAt(of, decision, finding.path)
          const told = `${finding.code} at ${finding.place}: ${finding.message}\n${JSON.stringify(finding.witness)}`
          assert.isDefined(plan, `does not get there: ${told}`)
          const rules = open(plan!, decision).map((send) => ruleOf(send, decision)?.by)
          assert.include(rules, level, told)
          // A member of a pool has no place of its own.
          const member = plan!._tag === "Spread" && finding.message.includes("this member `")
          if (!member) assert.isTrue(isLost(plan!, decision), told)
          if (!member && level === "grant")
            assert.isTrue(
              rules.every((by) => by === "grant"),
              told
            )
          if (!member && level === "guard") assert.notInclude(rules, "capability", told)
          if (/-removes$|weaker/.test(finding.code) && level === "capability")
            assert.isFalse(isLost(of.routes[decision.route]!.plan, decision), told)
          seen[finding.code] = (seen[finding.code] ?? 0) + 1
        }
      }),
      { numRuns: 400, endOnFailure: true }
    )
    // What is weaker than a known better is seldom generated, and has a table of its own.
    for (const code of Object.keys(levels).filter((name) => name !== "fallback-weaker"))
      assert.isAbove(seen[code] ?? 0, 0, `${code}: ${JSON.stringify(seen)}`)
  })

  it("that say all of a route is lost are right about every call", () => {
    let calls = 0
    fc.assert(
      fc.property(world, ({ json, requests }) => {
        const whole = check(json, prices).findings.filter(
          ({ code, level, message }) => level === "error" && /^(guard|capability)-removes-all$/.test(code) && !message.includes("for class")
        )
        const of = compiled(json)
        for (const facts of requests) {
          const known = plausible(of, facts, false)
          if (known === undefined) continue
          const decision = of.decide(of.facts.of(known))
          if (decision.threw !== undefined || !whole.some(({ path }) => path[1] === decision.route)) continue
          calls++
          assert.isTrue(isLost(of.routes[decision.route]!.plan, decision), JSON.stringify([facts, json]))
        }
      }),
      { numRuns: 400, endOnFailure: true }
    )
    assert.isAbove(calls, 20)
  })

  it("are there wherever a call of a declared key loses everything", () => {
    const seen: Record<string, number> = {}
    fc.assert(
      fc.property(world, ({ json, requests }) => {
        const { findings } = check(json, prices)
        const of = compiled(json)
        for (const raw of requests) {
          const facts = plausible(of, raw, false)
          if (facts === undefined) continue
          const decision = of.decide(of.facts.of(facts))
          const { plan } = of.routes[decision.route]!
          if (decision.threw !== undefined || !isLost(plan, decision)) continue
          const by = open(plan, decision).map((send) => ruleOf(send, decision)!)
          // An end that no other target of the policy lies beyond is nobody's mistake.
          if (by.some(({ label }) => label === "lacks-context" || label === "lacks-output")) continue
          if (JSON.stringify(json).includes('"opaque"') || findings.some(({ code }) => code === "unknown-class")) continue
          const about = findings.filter(({ code, path }: Finding) => path[1] === decision.route && /-removes(-all)?$/.test(code))
          assert.isNotEmpty(
            about,
            JSON.stringify([decision.route, decision.slots, by.map((rule) => rule.label), findings.map(({ code, place }) => [code, place])])
          )
          for (const kind of new Set(by.map((rule) => rule.by))) seen[kind] = (seen[kind] ?? 0) + 1
        }
      }),
      { numRuns: 800, endOnFailure: true }
    )
    assert.isAbove(Math.min(seen["grant"] ?? 0, seen["guard"] ?? 0, seen["capability"] ?? 0), 0, JSON.stringify(seen))
  })
})

const throws = (f: () => unknown): boolean => {
  try {
    f()
    return false
  } catch {
    return true
  }
}

describe("regions of candidates", () => {
  it("are where the rules that deciding asks keep them out", () => {
    const seen = { in: 0, out: 0 }
    fc.assert(
      fc.property(world, ({ json, requests }) => {
        const of = compiled(json)
        const candidates = candidatesOf(regionsOf(of.policy), prices)
        for (const [name, target] of of.targets) {
          const candidate = candidates.candidateOf({ _tag: "Send", target: name })!
          const rules = of.rulesOf(target)
          for (const raw of requests) {
            const facts = plausible(of, raw, false)
            if (facts === undefined) continue
            const values = of.facts.of(facts)
            if (rules.some((rule) => throws(() => ruledOut([rule], values)))) continue
            const by = (["grant", "guard", "capability"] as const).map((kind) =>
              rules.some((rule) => rule.by === kind && ruledOut([rule], values) > 0)
            )
            for (const [level, kind] of (["grant", "guard", "capability"] as const).entries()) {
              const causes = candidate.causes.filter((cause) => cause.level === level)
              const out = causes.some(({ where }) => candidates.space.contains(where.must, facts))
              const mayBe = causes.some(({ where }) => candidates.space.contains(where.may, facts))
              const told = `${kind} of ${name} ${JSON.stringify(facts)}`
              if (out) assert.isTrue(by[level], told)
              if (by[level]) assert.isTrue(mayBe, told)
              if (out === mayBe) seen[out ? "out" : "in"]++
            }
          }
        }
      }),
      { numRuns: 200, endOnFailure: true }
    )
    assert.isAbove(Math.min(seen.in, seen.out), 300, JSON.stringify(seen))
  })
})
