/** Cascades one at a time, in virtual time: what is thrown away, when, for whose sake, and who pays. */
import { assert, describe, it } from "@effect/vitest"
import type { FailureClass } from "../../src/Failure.ts"
import type { ConditionJson, PolicyEncoded, StrategyEncoded } from "../../src/Policy.ts"
import type { FactValues, Play } from "../reference.ts"
import { account, compiled, only, paid, surroundings } from "../scripted.ts"

const like = (facts: FactValues): FactValues => ({
  "answer.stop": "end",
  "answer.outputTokens": 9,
  "answer.characters": 36,
  "answer.toolCalls": 0,
  "answer.refused": false,
  "answer.isJson": false,
  ...facts
})
const says = (facts: FactValues = {}, commitsAfter = 5, endsAfter = commitsAfter + 5): Play => ({
  failure: undefined,
  commitsAfter,
  endsAfter,
  answer: like(facts)
})
const fails = (failure: FailureClass, more: Partial<Play> = {}): Play => ({ failure, commitsAfter: undefined, endsAfter: 10, ...more })
/** An answer that was cut at its maximum. */
const cut = (commitsAfter?: number, endsAfter?: number): Play => says({ "answer.stop": "max-tokens" }, commitsAfter, endsAfter)

const isCut: ConditionJson = { "===": [{ var: "answer.stop" }, "max-tokens"] }
const isRefused: ConditionJson = { var: "answer.refused" }
const escalate = (of: StrategyEncoded, to: StrategyEncoded, condition = isCut): StrategyEncoded => ({
  _tag: "Escalate",
  of,
  if: condition,
  to
})
const hedge = (of: StrategyEncoded, other: StrategyEncoded): StrategyEncoded => ({ _tag: "Hedge", of, after: "100 millis", with: other })

const world = (policy: PolicyEncoded) => {
  const around = surroundings()
  const pipeline = around.link(compiled(policy))
  return {
    ...around,
    target: (name: string) => pipeline.compiled.targets.get(name)!,
    identity: (name: string) => pipeline.compiled.targets.get(name)!.identity,
    call: (plays: ReadonlyArray<Play>, facts: FactValues = { "request.stream": true }, goneAfter?: number) => {
      const seen = around.call(pipeline, facts, (n) => plays[n]!, goneAfter)
      return { ...account(seen), told: seen.told, attempts: seen.records[0]!.call!.attempts }
    }
  }
}
const tried = (of: { readonly tried: ReturnType<typeof account>["tried"] }) =>
  of.tried!.map(({ failure, startedAt, target, why }) => [target, startedAt, why, failure])

describe("a cascade", () => {
  it("holds a stream back until its end, and hands on what will do", () => {
    const one = world(only(escalate("a", "b"))).call([says({}, 20, 3_000)])
    assert.deepStrictEqual(tried(one), [["a", 0, "first", undefined]])
    assert.deepStrictEqual([one.served, one.endedAt, one.ends], ["a", 3_000, 1])
  })

  it("throws away what will not, when it is whole, and asks the other", () => {
    const one = world(only(escalate("a", "b"))).call([cut(20, 3_000), says({}, 50, 500)])
    assert.deepStrictEqual(tried(one), [
      ["a", 0, "first", "escalated"],
      ["b", 3_000, "escalation", undefined]
    ])
    assert.deepStrictEqual([one.served, one.endedAt, one.told.heads.length, one.told.body], ["b", 3_500, 1, "answer"])
  })

  it("does not judge what it has escalated to", () => {
    assert.strictEqual(world(only(escalate("a", "b"))).call([cut(), cut()]).served, "b")
  })

  it("goes on from one to the next, each judged by its own condition", () => {
    const three = escalate("a", escalate("b", "c", isRefused))
    const one = world(only(three)).call([cut(), says({ "answer.refused": true }), cut()])
    assert.deepStrictEqual(tried(one), [
      ["a", 0, "first", "escalated"],
      ["b", 10, "escalation", "escalated"],
      ["c", 20, "escalation", undefined]
    ])
    // The second may be cut: that is not what it is asked about.
    assert.strictEqual(world(only(three)).call([cut(), cut()]).served, "b")
  })

  it("within another has two judges, and what either throws away goes to the inner one's better target first", () => {
    const both = escalate(escalate("a", "b", isRefused), "c", isCut)
    assert.deepStrictEqual(tried(world(only(both)).call([cut(), cut(), says()])), [
      ["a", 0, "first", "escalated"],
      ["b", 10, "escalation", "escalated"],
      ["c", 20, "escalation", undefined]
    ])
    assert.strictEqual(world(only(both)).call([says({ "answer.refused": true }), says({ "answer.refused": true })]).served, "b")
    assert.strictEqual(world(only(both)).call([says()]).served, "a")
  })

  it("comes to what `first` does where its first has no candidate or fails, and stands where another target mends nothing", () => {
    const { call, health, identity } = world(only(escalate("a", "b")))
    assert.deepStrictEqual(tried(call([fails("overloaded"), says()])), [
      ["a", 0, "first", "overloaded"],
      ["b", 10, "failover", undefined]
    ])
    const stands = call([fails("bad-request")])
    assert.deepStrictEqual([stands.code, stands.tried!.length], ["upstream_bad_request", 1])
    const both = call([fails("server-error"), fails("rate-limited")])
    assert.strictEqual(both.code, "upstream_error")
    for (let i = 0; i < 5; i++) health.report(identity("a"), "bad", 30)
    const rejected = call([says()])
    assert.deepStrictEqual([rejected.served, rejected.refused], ["b", [{ target: "a", by: "breaker" }]])
  })

  it("comes to the failure, the rejection or the denial of what it has escalated to", () => {
    const failed = world(only(escalate("a", "b"))).call([cut(), fails("rate-limited")])
    assert.deepStrictEqual([failed.code, failed.served, failed.told.heads.length], ["upstream_rate_limited", undefined, 1])
    const deny: StrategyEncoded = { _tag: "Deny", status: 422, code: "not_good", message: "not good enough" }
    const denied = world(only(escalate("a", deny))).call([cut()])
    assert.deepStrictEqual([denied.status, denied.code], [422, "not_good"])
  })

  it("hands on what it has where nobody can be asked for better", () => {
    const { call, clock, health, identity } = world(only(escalate("a", "b")))
    for (let i = 0; i < 5; i++) health.report(identity("b"), "bad", 0)
    const one = call([cut()])
    assert.deepStrictEqual([one.served, tried(one).length, one.refused], ["a", 1, []])
    // As soon as it may be tried again, it is.
    clock.millis = 10_000
    assert.strictEqual(call([cut(), says()]).served, "b")

    // `b` may cost ten times as much, which neither the route nor the budget has left.
    const { targets, ...rest } = paid(escalate("a", "b"))
    const dear = { ...rest, targets: { ...targets, b: { ...targets["b"]!, price: { input: { usd: 0 }, output: { usd: 10 } } } } }
    const limit = { per: "class", every: "day" } as const
    for (const [more, served] of [
      [{}, "b"],
      [{ effort: { dollars: { usd: 0.0099 } } }, "a"],
      [{ budgets: { day: { ...limit, limit: { usd: 0.0099 } } } }, "a"],
      [{ budgets: { day: { ...limit, limit: { usd: 0.011 } } } }, "b"],
      [{ effort: { attempts: 1 } }, "a"]
    ] as const) {
      const one = world({ ...dear, ...more }).call([cut(2, 5), says()])
      assert.deepStrictEqual([one.served, tried(one).length, one.refused], [served, served === "a" ? 1 : 2, []], JSON.stringify(more))
    }
    // An author's own no is an answer.
    const deny: StrategyEncoded = { _tag: "Deny", status: 422, code: "not_good", message: "not good enough" }
    const both = escalate("a", { _tag: "First", of: ["b", deny] })
    const shut = world(only(both))
    for (let i = 0; i < 5; i++) shut.health.report(shut.identity("b"), "bad", 0)
    assert.strictEqual(shut.call([cut()]).code, "not_good")
  })

  it("pays for both by their usage, and holds neither against its deployment", () => {
    const usage = { inputTokens: 100, cachedInputTokens: 0, cacheWriteInputTokens: 0, outputTokens: 50, reasoningTokens: 0 }
    const { call, clock, health, target } = world(paid(escalate("a", "b")))
    for (let n = 0; n < 20; n++) {
      const one = call([
        { ...cut(), usage },
        { ...says(), usage: { ...usage, outputTokens: 70 } }
      ])
      assert.deepStrictEqual(
        one.tried!.map(({ estimated, nanoDollars, reservedNanoDollars }) => [nanoDollars, estimated, reservedNanoDollars]),
        [
          [50_000, false, 1_000_000],
          [70_000, false, 1_000_000]
        ]
      )
    }
    assert.isTrue(health.view(target("a"), clock.millis).up)
  })

  it("must have its answer whole by the deadline, though it began before", () => {
    const within: StrategyEncoded = { _tag: "Within", duration: "1 seconds", of: escalate("a", "b") }
    const late = world(only(within)).call([says({}, 20, 1_000)])
    assert.deepStrictEqual([tried(late), late.code], [[["a", 0, "first", "timeout"]], "upstream_timeout"])
    const inTime = world(only(within)).call([says({}, 20, 999)])
    assert.strictEqual(inTime.served, "a")
    // What it is escalated to begins as the route says, so that it need not be whole.
    const begun = world(only(within)).call([cut(20, 500), says({}, 499, 5_000)])
    assert.deepStrictEqual([begun.served, begun.endedAt], ["b", 5_500])
  })

  it("does not try again what was thrown away", () => {
    const again: StrategyEncoded = { _tag: "Retry", attempts: 3, of: "a" }
    assert.deepStrictEqual(tried(world(only(escalate(again, "b"))).call([cut(), says()])), [
      ["a", 0, "first", "escalated"],
      ["b", 10, "escalation", undefined]
    ])
  })

  it("is given up with its caller, and nothing begins afterwards", () => {
    const one = world(only(escalate("a", "b"))).call([says({}, 20, 3_000)], { "request.stream": true }, 1_000)
    assert.deepStrictEqual([tried(one), one.ending, one.told.heads], [[["a", 0, "first", "cancelled"]], "cancelled", []])
  })

  it("counts its attempts among those of its call", () => {
    const one = world(only(escalate("a", escalate("b", "c")), { effort: { attempts: 2 } })).call([cut(), cut()])
    // None is left for `c`, so what `b` has answered is better than nothing.
    assert.deepStrictEqual([tried(one).length, one.served, one.code], [2, "b", undefined])
  })
})

describe("a cascade and a hedge", () => {
  it("around one, what begins first may still be whole last", () => {
    const one = world(only(escalate(hedge("a", "b"), "c"))).call([says({}, 120, 3_000), says({}, 120, 500)])
    assert.deepStrictEqual(tried(one), [
      ["a", 0, "first", "cancelled"],
      ["b", 100, "hedge", undefined]
    ])
    assert.deepStrictEqual([one.served, one.endedAt], ["b", 600])
  })

  it("around one, the second side's poor answer does not stop the first", () => {
    const one = world(only(escalate(hedge("a", "b"), "c"))).call([says({}, 120, 3_000), cut(120, 500)])
    assert.deepStrictEqual([one.served, one.endedAt], ["a", 3_000])
    const none = world(only(escalate(hedge("a", "b"), "c"))).call([fails("overloaded", { endsAfter: 3_000 }), cut(120, 500), says()])
    assert.deepStrictEqual(tried(none), [
      ["a", 0, "first", "overloaded"],
      ["b", 100, "hedge", "escalated"],
      ["c", 3_000, "escalation", undefined]
    ])
  })

  it("around one, the first side's poor answer ends the hedge", () => {
    const one = world(only(escalate(hedge("a", "b"), "c"))).call([cut(120, 500), says({}, 120, 5_000), says()])
    assert.deepStrictEqual(tried(one), [
      ["a", 0, "first", "escalated"],
      ["b", 100, "hedge", "cancelled"],
      ["c", 500, "escalation", undefined]
    ])
  })

  it("within one, the whole cascade runs against the other side", () => {
    const won = world(only(hedge(escalate("a", "b"), "c"))).call([cut(20, 90), says({}, 50, 60), says({}, 60)])
    assert.deepStrictEqual([won.served, won.endedAt], ["b", 150])
    const lost = world(only(hedge(escalate("a", "b"), "c"))).call([cut(20, 150), says({}, 20, 3_000), says({}, 10, 2_000)])
    assert.deepStrictEqual(tried(lost), [
      ["a", 0, "first", "cancelled"],
      ["c", 100, "hedge", undefined]
    ])
  })
})
