import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { standingOver } from "../src/Budgets.ts"
import { summary } from "../src/Decision.ts"
import type { Operation } from "../src/Dialect.ts"
import { explain } from "../src/Explain.ts"
import { unmeasured } from "../src/Facts.ts"
import type { PolicyEncoded } from "../src/Policy.ts"
import { looselyAsked, prices, sized } from "./generators.ts"
import type { FactValues } from "./reference.ts"
import { askOf, callerOf, compiled, only } from "./scripted.ts"

const explained = (encoded: PolicyEncoded, facts: FactValues = {}, operation: Operation = "generate"): ReadonlyArray<string> => {
  const made = compiled(encoded, prices)
  return explain(made, {
    id: "call-1",
    api: "chat.completions",
    ask: { ...askOf(facts), operation },
    caller: callerOf(facts),
    time: Date.parse("2026-11-23T09:30:00Z"),
    standing: standingOver(made.budgets, () => 250_000_000),
    health: (name) => (name === "b" ? { up: false, latencyMillis: 1_250 } : unmeasured)
  })
}
/** The lines from one that begins so, up to an empty one. */
const from = (lines: ReadonlyArray<string>, beginning: string): ReadonlyArray<string> => {
  const start = lines.findIndex((line) => line.startsWith(beginning))
  const end = lines.indexOf("", start)
  return lines.slice(start, end === -1 ? undefined : end)
}

describe("an explanation", () => {
  it("says who calls under which layers, what was read, and why each route was passed over", () => {
    const lines = explained(
      {
        ...only("a", {
          tags: ["vip"],
          zone: "Asia/Kathmandu",
          layers: [
            {
              name: "org",
              guards: [{ name: "no-b", forbid: { targets: ["b"] } }],
              budgets: { all: { per: "organisation", limit: { usd: 1 }, every: "day" } }
            }
          ]
        }),
        routes: [
          { name: "night", when: { "<": [{ var: "time.hour" }, 6] }, to: "b" },
          { name: "sick", when: { and: [{ var: "health.b.up" }, { var: "caller.tags.vip" }] }, to: "b" },
          { name: "rest", to: "a" }
        ]
      },
      { "caller.key": "alice", "caller.class": "eng", "caller.organisation": "acme", "caller.tags.vip": true }
    )
    assert.deepStrictEqual(lines.slice(1, 4), [
      "layer     org: guard no-b, budget all",
      "caller    key alice, class eng, organisation acme, tags vip",
      "budget    all of organisation acme: $1 a day, $0.75 left"
    ])
    assert.deepStrictEqual(from(lines, "facts"), [
      "facts that the policy reads:",
      "  time.hour = 15",
      "  health.b.up = false",
      "  caller.tags.vip = true"
    ])
    assert.deepStrictEqual(from(lines, "routes"), [
      "routes, in order:",
      "  no   night: time.hour < 6",
      "  no   sick: (health.b.up and caller.tags.vip)",
      "  yes  rest: no condition"
    ])
  })

  it("names the rule that keeps each candidate out, and goes on", () => {
    const lines = explained(
      only(
        { _tag: "First", of: ["a", { _tag: "Spread", by: "latency", of: ["b", "c"] }, "d"] },
        {
          classes: { local: { may: ["b", "c", "d"] } },
          guards: [{ name: "no-b", forbid: { targets: ["b"] } }],
          targets: Object.fromEntries(
            [..."abcd"].map((name) => [
              name,
              { provider: "openai", model: `m-${name}`, ...(name === "c" ? { capabilities: { vision: false } } : {}) }
            ])
          )
        }
      ),
      { "request.needs.vision": true }
    )
    assert.deepStrictEqual(from(lines, "decision"), [
      "decision  only/a.not-granted/b.guard-no-b/c.lacks-vision",
      "  first of, moving on for the usual failures:",
      "    reject a, with 403 if nothing else is left: class `local` may not use `a`: `classes.local.may` does not name it",
      "    one of, by latency, the best that nothing keeps out:",
      "      reject b, with 403 if nothing else is left: guard `no-b` keeps `b` out",
      "      reject c, with 422 if nothing else is left: `c` reads no images",
      "    send to d (m-d at openai)"
    ])
  })

  it("says what is set, where it is served, and what waits and tries there are", () => {
    const set = {
      temperature: 0.2,
      maxOutputTokens: 20_000,
      reasoningEffort: "low",
      headers: { "x-mode": "careful" },
      region: "eu",
      deployment: "prod"
    } as const
    const lines = explained(
      only({ _tag: "Hedge", of: { _tag: "Send", target: "a", set }, after: "2 seconds", with: { _tag: "Retry", attempts: 3, of: "c" } })
    )
    assert.deepStrictEqual(from(lines, "decision"), [
      "decision  only",
      "  send to a (model-a as prod at openai, eu)",
      "    with temperature 0.2, at most 20,000 tokens of output, reasoning effort low, header x-mode: careful",
      "  hedged after 2000 ms without content, and at once after a failure, with:",
      "    up to 3 times, with waits of up to 500 ms, doubled up to 8000 ms:",
      "      send to c (model-c at openai)"
    ])
  })

  it("says with which keys a target is called, by their names and in which shares, where there are several", () => {
    const base = only({ _tag: "First", of: ["a", "c", "b"] })
    const keys = [{ key: { env: "LEFT_KEY" }, weight: 3 }, { env: "RIGHT_KEY" }] as const
    const lines = explained({ ...base, providers: { ...base.providers, openai: { dialect: "openai", keys } } })
    assert.deepStrictEqual(from(lines, "decision").slice(1), [
      "  first of, moving on for the usual failures:",
      "    send to a (model-a at openai)",
      "      with RIGHT_KEY (1 of 4 calls), and where the key is refused with LEFT_KEY (3 of 4 calls)",
      "    send to c (model-c at openai)",
      "      with LEFT_KEY (3 of 4 calls), and where the key is refused with RIGHT_KEY (1 of 4 calls)",
      "    pass b over as long as its breaker is open, unless breakers alone leave nothing else: then the first that is passed over is tried all the same"
    ])
    const named = explained({ ...base, providers: { openai: { dialect: "openai", key: { env: "ONLY_KEY" } } } })
    assert.notInclude(named.join("\n"), "ONLY_KEY")
  })

  it("says of a model asked for what it says of a target: that its breaker is open, and how much it takes at once", () => {
    const target = (name: string) => ({ provider: "openai", model: `m-${name}`, capacity: { inFlight: 4 } })
    const policy = only({ _tag: "Asked" }, { targets: { a: target("a"), b: target("b") } })
    assert.deepStrictEqual(from(explained(policy, { "request.model": "a" }), "decision").slice(1), [
      "  the model asked for is a (m-a at openai)",
      "    at most 4 at once"
    ])
    assert.deepStrictEqual(from(explained(policy, { "request.model": "b" }), "decision").slice(1), [
      "  pass b over as long as its breaker is open, unless breakers alone leave nothing else: then the first that is passed over is tried all the same"
    ])
  })

  it("says of a copy that nothing is probed for its sake", () => {
    const lines = explained(only({ _tag: "Shadow", of: "a", copy: "b", sample: 100 }))
    assert.deepStrictEqual(from(lines, "decision").slice(1), [
      "  send to a (model-a at openai)",
      "  copied, as 100 of 100 calls are, without being waited for, to:",
      "    pass b over as long as its breaker is open"
    ])
  })

  it("says of an answer that is judged that it is held back, and of what is none that it is not", () => {
    const cascade = { _tag: "Escalate", of: "a", if: { var: "answer.refused" }, to: "c" } as const
    const policy = only({ _tag: "First", of: [cascade, "d"] })
    assert.deepStrictEqual(from(explained(policy), "limits").slice(1, 2), [
      "  an answer has begun with its first content, and one that is held back when it has come whole, and nothing fails over after that"
    ])
    assert.include(explained(policy).join("\n"), "held back until it is whole, and if answer.refused, or after a failure, thrown away for:")
    const counted = explained(policy, {}, "count").join("\n")
    assert.include(counted, "not judged, because it is no answer that could be better, and after a failure:")
    assert.include(counted, "an answer has begun with its first content, and nothing fails over after that")
    const elsewhere = only({ _tag: "When", if: { var: "request.stream" }, then: cascade, otherwise: "d" })
    assert.include(explained(elsewhere).join("\n"), "an answer has begun with its first content, and nothing fails over after that")
  })

  it("says the limits of the route, and only those that there are", () => {
    const plain = explained(only("a"))
    assert.deepStrictEqual(from(plain, "limits"), [
      "limits of the route:",
      "  an answer has begun with its first content, and nothing fails over after that",
      "  an attempt may take 5 s to connect, 120 s to the headers, 60 s between two chunks",
      "  the call may take 10 attempts"
    ])
    const price = { input: { usd: 1 }, output: { usd: 1_000 } }
    const lines = explained({
      ...only("a", { targets: { a: { provider: "openai", model: "m", price, maxOutputTokens: 1_000 } } }),
      routes: [
        {
          name: "only",
          to: "a",
          commit: "whole",
          timeouts: { total: "90 seconds", idle: "none", firstToken: "250 millis" },
          effort: { attempts: 1, time: "2 minutes", dollars: { usd: 0.5 } }
        }
      ]
    })
    assert.deepStrictEqual(from(lines, "limits"), [
      "limits of the route:",
      "  an answer has begun when it has come whole, and nothing fails over after that",
      "  an attempt may take 5 s to connect, 120 s to the headers, 250 ms to the first token, 90 s in all",
      "  the call may take 1 attempt, 120 s to a beginning, $0.50"
    ])
    assert.include(lines.join("\n"), "which is more than the call may cost: rejected, with 402 if nothing else is left")
  })

  it("says what could not be evaluated, and where", () => {
    const throwing = { opaque: { "*": [] } }
    const lines = explained({
      ...only("a"),
      routes: [
        { name: "odd", when: throwing, to: "b" },
        { name: "rest", to: "a" }
      ]
    } as PolicyEncoded)
    assert.deepStrictEqual(from(lines, "routes"), ["routes, in order:", '  ???  odd: opaque {"*":[]}', "  (1 further not looked at)"])
    assert.deepStrictEqual(from(lines, "decision"), [
      "decision  odd/condition-failed",
      "  refuse with 403 condition_failed: a condition of this route, or of a guard, could not be evaluated: Reduce of empty array with no initial value"
    ])
  })

  it("tells of the decision that is served, whatever the policy and the request", () => {
    fc.assert(
      fc.property(looselyAsked, ({ facts, policy }) => {
        const made = compiled(policy, prices)
        const request = sized(facts)
        const lines = explained(policy, request)
        const caller = callerOf(request)
        const decision = made.decide(
          made.facts.read({
            id: "call-1",
            api: "chat.completions",
            ask: askOf(request),
            caller,
            time: Date.parse("2026-11-23T09:30:00Z"),
            standing: standingOver(made.budgets, () => 250_000_000),
            health: (name) => (name === "b" ? { up: false, latencyMillis: 1_250 } : unmeasured)
          })
        )
        assert.include(lines, `decision  ${summary(made, decision)}`)
        // Every rejection of the summary is explained.
        const rejected = summary(made, decision)
          .split("/")
          .filter((word) => /\.(?:not-granted|guard-|lacks-)/.test(word))
        for (const word of rejected)
          assert.isTrue(
            lines.some((line) => line.includes(`reject ${word.split(".")[0]},`)),
            word
          )
      }),
      { numRuns: 300 }
    )
  })
})
