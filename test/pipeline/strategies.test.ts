/** Strategies one at a time, as an author would try them out. What they mean together is tested against the reference in `Pipeline.test.ts`. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { FailureClass } from "../../src/Failure.ts"
import { waitAfter } from "../../src/pipeline/retry.ts"
import type { PolicyEncoded, StrategyEncoded } from "../../src/Policy.ts"
import type { FactValues, Play } from "../reference.ts"
import { account, compiled, only, paid, surroundings } from "../scripted.ts"

const fails = (failure: FailureClass, more: Partial<Play> = {}): Play => ({ failure, commitsAfter: undefined, endsAfter: 10, ...more })
const serves = (commitsAfter = 5, endsAfter = commitsAfter + 5): Play => ({ failure: undefined, commitsAfter, endsAfter })
const hedge = (of: StrategyEncoded, other: StrategyEncoded): StrategyEncoded => ({ _tag: "Hedge", of, after: "100 millis", with: other })
const retry = (of: StrategyEncoded, attempts = 3): StrategyEncoded => ({
  _tag: "Retry",
  attempts,
  backoff: { first: "1 seconds", longest: "3 seconds" },
  of
})

/** A policy in a world of its own, where attempts meet what is written for their target, in turn. */
const world = (policy: PolicyEncoded) => {
  const around = surroundings()
  const pipeline = around.link(compiled(policy))
  return {
    ...around,
    identity: (name: string) => pipeline.compiled.targets.get(name)!.identity,
    call: (plays: ReadonlyArray<Play>, facts: FactValues = {}) => {
      const seen = around.call(pipeline, facts, (n) => plays[n % plays.length]!)
      return { ...account(seen), headers: seen.told.heads[0]!.headers, attempts: seen.records[0]!.call!.attempts }
    }
  }
}
const tried = ({ tried }: { readonly tried: ReturnType<typeof account>["tried"] }) =>
  tried!.map(({ failure, startedAt, target }) => [target, startedAt, failure])

describe("hedge", () => {
  it("does not begin the other side where the first has begun to answer in time", () => {
    assert.deepStrictEqual(tried(world(only(hedge("a", "b"))).call([serves(99, 60_000)])), [["a", 0, undefined]])
  })

  it("has the first to commit answer, stops the other at once and settles it as estimated", () => {
    const one = world(paid(hedge("a", "b"))).call([serves(500), serves(100, 3_000)])
    assert.deepStrictEqual(tried(one), [
      ["a", 0, "cancelled"],
      ["b", 100, undefined]
    ])
    assert.deepStrictEqual([one.served, one.endedAt, one.headers["x-turnout-attempts"]], ["b", 3_100, "2"])
    const [lost] = one.attempts
    assert.deepInclude(lost, { endedMillis: 200, estimated: true, nanoDollars: 1_000_000, committed: false })
    assert.strictEqual(lost!.failure?.message, "the other side of its hedge has decided the answer")
  })

  it("begins the other side at once where the first fails or is rejected before its time", () => {
    const { call, health, identity } = world(only(hedge("a", "b")))
    assert.deepStrictEqual(tried(call([fails("overloaded"), serves()])), [
      ["a", 0, "overloaded"],
      ["b", 10, undefined]
    ])
    for (let i = 0; i < 5; i++) health.report(identity("a"), "bad", 20)
    const next = call([serves()])
    assert.deepStrictEqual([tried(next), next.refused], [[["b", 20, undefined]], [{ target: "a", by: "breaker" }]])
  })

  it("takes what no other target would mend as the answer, and stops the other side", () => {
    const one = world(only(hedge("a", "b"))).call([fails("bad-request", { endsAfter: 150 }), serves(500)])
    assert.deepStrictEqual(tried(one), [
      ["a", 0, "bad-request"],
      ["b", 100, "cancelled"]
    ])
    assert.deepStrictEqual([one.status, one.code, one.endedAt], [400, "upstream_bad_request", 150])
  })

  it("goes on with the one where the other fails, and tells the failure of the first where both do", () => {
    const plays = [fails("rate-limited", { endsAfter: 900 }), fails("overloaded", { endsAfter: 50 })]
    const both = world(only(hedge("a", "b"))).call(plays)
    assert.deepStrictEqual([both.status, both.endedAt, both.begun], [429, 900, 2])
    assert.strictEqual(world(only(hedge("a", "b"))).call([serves(900), plays[1]!]).served, "a")
  })

  it("consults every hedge around it, so that one answer wins over all of them", () => {
    const plays = [serves(5_000), serves(4_000), serves(3_000), serves(700, 20_000)]
    const one = world(only(hedge(hedge("a", "b"), hedge("c", "d")))).call(plays)
    assert.deepStrictEqual(tried(one), [
      ["a", 0, "cancelled"],
      ["b", 100, "cancelled"],
      ["c", 100, "cancelled"],
      ["d", 200, undefined]
    ])
    assert.deepStrictEqual(
      one.attempts.map(({ endedMillis }) => endedMillis),
      [900, 900, 900, 20_200]
    )
    assert.deepStrictEqual(one.answered, [200])
  })

  it("over one pool asks two of its targets", () => {
    const pool = { pools: { all: { by: "cost", of: ["a", "b"] as const } } } as const
    const one = world(only(hedge({ _tag: "Pool", pool: "all" }, { _tag: "Pool", pool: "all" }), pool)).call([serves(5_000), serves(10)])
    assert.deepStrictEqual(
      tried(one).map(([target]) => target),
      ["a", "b"]
    )
  })

  it("that is slow is remembered: what it waited for is not the quickest next time", () => {
    const quick: StrategyEncoded = { _tag: "Spread", by: "latency", of: ["a", "b"] }
    const { call } = world(only(hedge(quick, quick)))
    assert.strictEqual(call([serves(5_000), serves(10)]).served, "b")
    const next = call([serves(10)])
    assert.deepStrictEqual([next.served, next.begun], ["b", 1])
  })
})

describe("retry", () => {
  it("waits longer from try to try, up to its longest, and as long again for the same call", () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 9 }), (id, tries) => {
        const wait = waitAfter({ firstMillis: 500, longestMillis: 8_000 }, id, tries)!
        const most = Math.min(8_000, 500 * 2 ** (tries - 1))
        assert.isAtMost(wait, most)
        assert.isAtLeast(wait, 0)
        assert.isTrue(Number.isInteger(wait))
        assert.strictEqual(waitAfter({ firstMillis: 500, longestMillis: 8_000 }, id, tries), wait)
      })
    )
    const waits = new Set(Array.from({ length: 200 }, (_, i) => waitAfter({ firstMillis: 500, longestMillis: 8_000 }, `call-${i}`, 1)))
    assert.isAbove(waits.size, 100, "callers do not return in step")
  })

  it("waits as long as the provider asks, and gives up where that is longer than it waits at all", () => {
    const asks = (retryAfterMillis: number) => fails("rate-limited", { endsAfter: 0, retryAfterMillis })
    assert.deepStrictEqual(tried(world(only(retry("a"))).call([asks(2_345), serves()])), [
      ["a", 0, "rate-limited"],
      ["a", 2_345, undefined]
    ])
    const one = world(only(retry("a"))).call([asks(3_001), serves()])
    assert.deepStrictEqual([one.begun, one.status, one.retryAfterMillis, one.endedAt], [1, 429, 3_001, 0])
  })

  it("does not wait for what a deadline or the effort of its route would cut short", () => {
    const down = fails("overloaded", { endsAfter: 0 })
    const hasty = world(only({ _tag: "Within", duration: "250 millis", of: retry("a") })).call([down])
    assert.deepStrictEqual([hasty.begun, hasty.endedAt, hasty.code], [1, 0, "upstream_overloaded"])
    const once = world({ ...only(retry("a")), effort: { attempts: 1 } }).call([down])
    assert.deepStrictEqual([once.begun, once.endedAt, once.code, once.refused], [1, 0, "upstream_overloaded", []])
  })

  it("does not try again what only another request would mend", () => {
    for (const failure of ["bad-request", "auth", "quota-exhausted", "content-filter"] as const)
      assert.strictEqual(world(only(retry("a"))).call([fails(failure)]).begun, 1)
  })

  it("around a spread goes elsewhere while there is an elsewhere", () => {
    const to = retry({ _tag: "Spread", by: "cost", of: ["a", "b"] }, 3)
    const one = world(only(to)).call([fails("overloaded")])
    assert.deepStrictEqual(
      tried(one).map(([target]) => target),
      ["a", "b", "a"]
    )
  })
})

describe("spread", () => {
  const up = [serves()]
  const spread = (by: "latency" | "least-busy" | "round-robin" | "cost", more?: Partial<PolicyEncoded>) =>
    world(only({ _tag: "Spread", by, of: ["a", "b", "c"] }, more))
  const served = ({ call }: ReturnType<typeof world>, times: number): string =>
    Array.from({ length: times }, () => call(up).served).join("")

  it("goes around, and shares what a member that is out leaves among all others", () => {
    const one = spread("round-robin")
    assert.strictEqual(served(one, 7), "abcabca")
    for (let i = 0; i < 5; i++) one.health.report(one.identity("b"), "bad", one.clock.millis)
    assert.deepStrictEqual([...served(one, 6)].sort().join(""), "aaaccc")
  })

  it("takes turns in a pool with whoever else uses it", () => {
    const pools = { all: { by: "round-robin" as const, of: ["a", "b", "c"] as const } }
    const pool = (stream: boolean) => ({ name: stream ? "streams" : "rest", to: { _tag: "Pool" as const, pool: "all" } })
    const routes = [{ ...pool(true), when: { var: "request.stream" } }, pool(false)] as unknown as PolicyEncoded["routes"]
    const { call } = world({ ...only("a"), pools, routes })
    assert.deepStrictEqual(
      [true, false, true, false].map((stream) => call(up, { "request.stream": stream }).served),
      ["a", "b", "c", "a"]
    )
  })

  it("by cost expects what the caller will take, at the tier of what is asked, and what has no price comes last", () => {
    const price = (input: number, output: number) => ({ price: { input: { usd: input }, output: { usd: output } } })
    const { targets } = only("a")
    const one = spread("cost", {
      targets: { ...targets, b: { ...targets["b"]!, ...price(1, 10) }, c: { ...targets["c"]!, ...price(4, 4) } }
    })
    const ask = (inputTokens: number, maxOutputTokens: number | null) =>
      one.call(up, { "request.inputTokens": inputTokens, "request.maxOutputTokens": maxOutputTokens }).served
    assert.deepStrictEqual([ask(10, null), ask(10_000, null), ask(1_000, 100)], ["c", "b", "b"])
  })

  it("by load takes who has the least under way, whoever has begun it", () => {
    const one = spread("least-busy")
    const [a, b] = [one.health.begin(one.identity("a")), one.health.begin(one.identity("b"))]
    assert.strictEqual(served(one, 3), "ccc")
    one.health.end(a)
    assert.deepStrictEqual([...served(one, 4)].sort().join(""), "aacc")
    one.health.end(b)
  })

  it("does not come to another member where one fails, and is rejected for what its first member is", () => {
    assert.deepStrictEqual(tried(spread("cost").call([fails("overloaded")])), [["a", 0, "overloaded"]])
    const one = world(paid({ _tag: "Spread", by: "round-robin", of: ["a", "b"] }, { classes: { local: { may: ["c"], within: ["day"] } } }))
    for (const _ of [1, 2]) assert.deepStrictEqual([one.call(up).code, one.call(up).status], ["not_granted", 403])
  })
})

describe("effort", () => {
  it("counts attempts over failovers, retries and hedges, and lets the failed attempt decide", () => {
    const to: StrategyEncoded = { _tag: "First", of: [hedge("a", "b"), retry("c"), "d"] }
    const one = world({ ...only(to), effort: { attempts: 2 } }).call([fails("overloaded")])
    assert.deepStrictEqual([one.begun, one.status, one.code], [2, 503, "upstream_overloaded"])
    assert.deepStrictEqual(
      one.refused!.map(({ by, target }) => [target, by]),
      [
        ["c", "effort"],
        ["d", "effort"]
      ]
    )
  })

  it("bounds dollars without any budget: what is under way counts what it may cost, what is over what it did", () => {
    const { budgets: _, classes: __, ...free } = paid({ _tag: "First", of: ["a", "b", "c"] })
    // An attempt may cost a tenth of a cent.
    const one = world({ ...free, effort: { dollars: { usd: 0.0021 } } }).call([fails("overloaded")])
    assert.deepStrictEqual([one.begun, one.code, one.refused], [2, "upstream_overloaded", [{ target: "c", by: "effort" }]])
    assert.deepStrictEqual(
      one.attempts.map(({ estimated, nanoDollars, reservedNanoDollars }) => [nanoDollars, reservedNanoDollars, estimated]),
      [
        [1_000_000, undefined, true],
        [1_000_000, undefined, true]
      ]
    )
    const dear = world({ ...free, effort: { dollars: { usd: 0.0009 } } }).call([serves()])
    assert.deepStrictEqual([dear.begun, dear.status, dear.code], [0, 402, "effort_exhausted"])
    const unpriced = world({ ...only("a"), effort: { dollars: { usd: 1 } } }).call([serves()])
    assert.deepStrictEqual([unpriced.begun, unpriced.status, unpriced.code], [0, 402, "unpriced_model"])
  })

  it("bounds the time from the beginning of the call to the beginning of its answer", () => {
    const one = world({ ...only({ _tag: "First", of: ["a", "b"] }), effort: { time: "1 seconds" } }).call([
      fails("overloaded", { endsAfter: 400 }),
      serves(700)
    ])
    assert.deepStrictEqual(tried(one), [
      ["a", 0, "overloaded"],
      ["b", 400, "timeout"]
    ])
    assert.strictEqual(one.endedAt, 1_000)
  })
})
