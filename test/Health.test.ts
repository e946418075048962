import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import * as fc from "fast-check"
import type { FailureClass } from "../src/Failure.ts"
import { type Gauge, Health, type HealthOptions, verdictOf } from "../src/Health.ts"
import { failures } from "./generators.ts"
import { Breakers, Watch } from "./reference.ts"

const health = (options?: HealthOptions): Health["Service"] =>
  Context.get(Effect.runSync(Effect.scoped(Layer.build(Health.layer(options)))), Health)

const trip = (one: Health["Service"], identity: string, now: number): void => {
  for (let i = 0; i < 5; i++) one.report(identity, "bad", now)
}

describe("Health", () => {
  it("does what the textbook breaker does, whatever happens in whatever order", () => {
    const command = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant("attempt" as const),
          target: fc.nat({ max: 1 }),
          failure: fc.constantFrom(undefined, ...failures, "cancelled" as const)
        })
      },
      {
        weight: 6,
        arbitrary: fc.record({
          kind: fc.constant("attempt" as const),
          target: fc.nat({ max: 1 }),
          failure: fc.constant("server-error" as const)
        })
      },
      // A call that was admitted before, or forced, comes to its end.
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant("late" as const),
          target: fc.nat({ max: 1 }),
          failure: fc.constantFrom<FailureClass | undefined>(undefined, "timeout", "bad-request")
        })
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("admit" as const), target: fc.nat({ max: 1 }) }) },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant("wait" as const),
          millis: fc.constantFrom(1, 9_999, 10_000, 20_000, 40_000, 299_999, 300_000)
        })
      }
    )
    const seen = { rejected: 0, admitted: 0 }
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60, size: "max" }), (commands) => {
        const [one, textbook] = [health(), new Breakers()]
        let now = 0
        for (const command of commands) {
          if (command.kind === "wait") {
            now += command.millis
            continue
          }
          const identity = `target-${command.target}`
          if (command.kind !== "late") {
            const admitted = one.admits(identity, now)
            assert.strictEqual(admitted, textbook.admits(identity, now))
            seen[admitted ? "admitted" : "rejected"]++
            if (!admitted || command.kind === "admit") continue
          }
          one.report(identity, verdictOf(command.failure), now)
          textbook.report(identity, command.failure, now)
        }
      }),
      { numRuns: 2_000 }
    )
    assert.isAbove(Math.min(seen.admitted, seen.rejected), 1_000)
  })

  it("doubles the cool-down at each failed probe, up to its maximum", () => {
    const one = health({ coolDown: "1 seconds", maxCoolDown: "5 seconds" })
    trip(one, "a", 0)
    let now = 0
    for (const seconds of [1, 2, 4, 5, 5]) {
      assert.deepStrictEqual(one.open(now), [{ identity: "a", forMillis: seconds * 1_000 }])
      assert.isFalse(one.admits("a", now + seconds * 1_000 - 1))
      now += seconds * 1_000
      assert.isTrue(one.admits("a", now), "the probe")
      assert.isFalse(one.admits("a", now), "and no other beside it")
      one.report("a", "bad", now)
    }
    now += 5_000
    assert.isTrue(one.admits("a", now))
    one.report("a", "good", now)
    assert.deepStrictEqual(one.open(now), [])
    trip(one, "a", now)
    assert.deepStrictEqual(one.open(now), [{ identity: "a", forMillis: 1_000 }], "a success begins anew")
  })

  it("opens after as many failures as it is told", () => {
    for (const failures of [1, 2, 7]) {
      const one = health({ failures })
      for (let i = 1; i <= failures; i++) {
        assert.isTrue(one.admits("a", 0))
        one.report("a", "bad", 0)
      }
      assert.isFalse(one.admits("a", 0))
    }
  })

  it("failures of calls that began before it opened do not keep it open", () => {
    const one = health()
    trip(one, "a", 0)
    one.report("a", "bad", 9_000)
    assert.isTrue(one.admits("a", 10_000))
  })

  it("says nothing of a deployment when the fault is the request's or the caller's", () => {
    const neutral = [...failures, "cancelled" as const].filter((failure) => verdictOf(failure) === "neutral")
    assert.deepStrictEqual(neutral, ["context-length", "content-filter", "bad-request", "cancelled"])
    assert.strictEqual(verdictOf(undefined), "good")
  })

  it("expects of first tokens what the reference does, whatever was measured when", () => {
    const command = fc.record({
      kind: fc.constantFrom("measure", "measure", "waited", "begin", "end", "wait"),
      target: fc.nat({ max: 1 }),
      millis: fc.constantFrom(0, 1, 20, 300, 5_000, 9_657, 9_659, 30_000, 90_000)
    })
    let faded = 0
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40, size: "max" }), (commands) => {
        const [one, reference] = [health(), new Watch()]
        const under: [Array<Gauge>, Array<Gauge>] = [[], []]
        let now = 0
        for (const { kind, millis, target } of commands) {
          const identity = `target-${target}`
          const busy = under[target as 0 | 1]
          if (kind === "wait") now += millis
          else if (kind === "begin") busy.push(one.begin(identity))
          else if (kind === "end" && busy.length > 0) one.end(busy.pop()!)
          else if (kind === "measure" || kind === "waited") {
            const gauge = one.begin(identity)
            one.end(gauge)
            one[kind](gauge, millis, now)
            reference.see(identity, millis, now, kind === "waited")
          }
          assert.strictEqual(one.busy(identity), busy.length)
          const { latencyMillis } = one.view(identity, now)
          const expected = reference.latency(identity, now, busy.length)
          if (expected === null || latencyMillis === null) assert.strictEqual(latencyMillis, expected)
          else assert.closeTo(latencyMillis, expected, 1e-9 * Math.max(1, expected))
          if (latencyMillis !== null && latencyMillis > 0 && latencyMillis !== one.view(identity, now - 30_000).latencyMillis) faded++
        }
      }),
      { numRuns: 1_000 }
    )
    assert.isAbove(faded, 1_000)
  })

  it("sees no probe's place taken by a view", () => {
    const one = health()
    trip(one, "a", 0)
    assert.isFalse(one.view("a", 9_999).up)
    assert.isTrue(one.view("a", 10_000).up)
    assert.isTrue(one.view("a", 10_000).up)
    assert.isTrue(one.admits("a", 10_000), "the probe")
    assert.isFalse(one.view("a", 10_000).up)
  })

  it("keeps no more gauges than it can hold, and every one that is in use", () => {
    const one = health()
    const gauge = one.begin("busy")
    for (let i = 0; i < 10_100; i++) {
      const idle = one.begin(`target-${i}`)
      one.measure(idle, 100, 0)
      one.end(idle)
    }
    assert.isNull(one.view("target-0", 0).latencyMillis)
    assert.strictEqual(one.view("target-10099", 0).latencyMillis, 100)
    assert.strictEqual(one.busy("busy"), 1)
    one.end(gauge)
    assert.strictEqual(one.busy("busy"), 0)
  })

  it("keeps no more circuits than it can hold, the newest among them", () => {
    const one = health({ failures: 1 })
    for (let i = 0; i < 10_001; i++) one.report(`target-${i}`, "bad", 0)
    assert.strictEqual(one.open(0).length, 10_000)
    assert.isTrue(one.admits("target-0", 0))
    assert.isFalse(one.admits("target-10000", 0))
  })
})
