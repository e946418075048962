import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import * as fc from "fast-check"
import type { FailureClass } from "../src/Failure.ts"
import { type Gauge, Health, type HealthOptions, type Ticket, verdictOf } from "../src/Health.ts"
import { failures } from "./generators.ts"
import { Breakers, type Ticket as Told, Watch } from "./reference/health.ts"

const health = (options?: HealthOptions): Health["Service"] =>
  Context.get(Effect.runSync(Effect.scoped(Layer.build(Health.layer(options)))), Health)

const trip = (one: Health["Service"], identity: string, now: number): void => {
  for (let i = 0; i < 5; i++) one.report(identity, "bad", now)
}

const target = (identity: string) => ({ identity, accounts: [{ identity, credential: `${identity} key` }] })

const names = ["a", "b"] as const

/** What can happen to breakers: attempts that are let through and end at any time, in any order. */
const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("admits" as const), name: fc.constantFrom(...names) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("force" as const), name: fc.constantFrom(...names) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      which: fc.nat({ max: 5 }),
      failure: fc.constantFrom<FailureClass | undefined>(
        undefined,
        undefined,
        "server-error",
        "server-error",
        "server-error",
        "timeout",
        "bad-request"
      )
    })
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("burst" as const),
      name: fc.constantFrom(...names),
      pattern: fc.array(fc.boolean(), { minLength: 3, maxLength: 12 })
    })
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("pause" as const),
      name: fc.constantFrom(...names),
      millis: fc.constantFrom(-5, 0, 2_000, 60_000, 1e12)
    })
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("condemn" as const), which: fc.nat({ max: 5 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      millis: fc.constantFrom(0, 1, 4_000, 9_999, 10_000, 15_000, 20_000, 40_000, 59_999, 60_000, 299_999, 300_000, 900_000, 1e9)
    })
  }
)

describe("breakers", () => {
  it("do what the textbook's do, whatever happens in whatever order", () => {
    const seen = { shut: 0, admitted: 0, probes: 0, reopened: 0, asked: 0, dead: 0, byShare: 0 }
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60, size: "max" }), (commands) => {
        const [one, textbook] = [health(), new Breakers()]
        const held: Array<{ readonly name: string; readonly mine: Ticket; readonly theirs: Told }> = []
        let now = 0
        for (const command of commands) {
          if (command.kind === "wait") now += command.millis
          else if (command.kind === "pause") {
            one.pause(command.name, command.millis, now)
            textbook.pause(command.name, command.millis, now)
          } else if (command.kind === "burst") {
            const before = one.open(now).length
            let inARow = 0
            for (const good of command.pattern) {
              const failure = good ? undefined : "overloaded"
              inARow = good ? 0 : inARow + 1
              one.report(command.name, verdictOf(failure), now)
              textbook.report(command.name, failure, now)
            }
            if (one.open(now).length > before && inARow < 5 && !command.pattern.join().includes("false,false,false,false,false"))
              seen.byShare++
          } else if (command.kind === "admits" || command.kind === "force") {
            const { kind, name } = command
            const [mine, theirs] = [one[kind](name, now), textbook[kind](name, now)]
            assert.strictEqual(mine?.tests, theirs?.tests)
            seen[mine === undefined ? "shut" : "admitted"]++
            if (mine?.tests === true) seen.probes++
            if (mine !== undefined && theirs !== undefined) held.push({ name, mine, theirs })
          } else {
            const [ended] = held.splice(command.which, 1)
            if (ended === undefined) continue
            const { mine, name, theirs } = ended
            if (command.kind === "condemn") {
              one.condemn(name, now, mine)
              textbook.condemn(name, now, theirs)
            } else {
              one.report(name, verdictOf(command.failure), now, mine)
              textbook.report(name, command.failure, now, theirs)
              if (mine.tests && command.failure === "server-error") seen.reopened++
            }
          }
          for (const name of names) {
            const shut = one.shut(name, now)
            assert.deepStrictEqual(shut, textbook.shut(name, now))
            assert.strictEqual(one.isUp({ identity: name, accounts: [{ identity: name, credential: "none" }] }, now), shut === undefined)
            if (shut?.asked === true) seen[shut.dead ? "dead" : "asked"]++
          }
        }
      }),
      { numRuns: 3_000 }
    )
    for (const [name, count] of Object.entries(seen)) assert.isAbove(count, 200, name)
  })

  it("let somebody through again sooner or later, one probe at a time, and nothing that is older than an opening touches it", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60, size: "max" }), (commands) => {
        const one = health()
        const held: Array<{ readonly name: string; readonly ticket: Ticket; readonly at: number }> = []
        let now = 0
        for (const command of commands) {
          if (command.kind === "wait") now += command.millis
          else if (command.kind === "pause") one.pause(command.name, command.millis, now)
          else if (command.kind === "burst")
            for (const good of command.pattern) {
              const before = one.open(now)
              one.report(command.name, good ? "good" : "bad", now)
              if (before.some(({ identity }) => identity === command.name)) assert.deepStrictEqual(one.open(now), before)
            }
          else if (command.kind === "admits") {
            const ticket = one.admits(command.name, now)
            if (ticket === undefined) continue
            // Whoever has not ended within five minutes has lost its place.
            const others = held.filter(({ at, name, ticket }) => ticket.tests && name === command.name && now - at < 300_000)
            if (ticket.tests)
              assert.isFalse(
                others.some((other) => other.ticket.opening === ticket.opening),
                "two probes"
              )
            held.push({ name: command.name, ticket, at: now })
          } else if (command.kind === "end" || command.kind === "condemn") {
            const [ended] = held.splice(command.which, 1)
            if (ended === undefined) continue
            const before = one.open(now)
            const wasOpen = before.some(({ identity }) => identity === ended.name)
            if (command.kind === "condemn") one.condemn(ended.name, now, ended.ticket)
            else one.report(ended.name, verdictOf(command.failure), now, ended.ticket)
            if (wasOpen && !ended.ticket.tests) assert.deepStrictEqual(one.open(now), before)
          }
        }
        for (const name of names) {
          const shut = one.shut(name, now)
          if (shut === undefined) continue
          assert.isAtMost(shut.forMillis, shut.dead ? 900_000 : 300_000)
          // Whatever was lost on the way.
          assert.isDefined(one.admits(name, now + Math.max(300_000, shut.forMillis)))
        }
      }),
      { numRuns: 2_000 }
    )
  })

  it("double the cool-down at each failed probe, up to its maximum", () => {
    const one = health({ coolDown: "1 seconds", maxCoolDown: "5 seconds" })
    trip(one, "a", 0)
    let now = 0
    for (const seconds of [1, 2, 4, 5, 5]) {
      assert.deepStrictEqual(one.open(now), [{ identity: "a", forMillis: seconds * 1_000 }])
      assert.isUndefined(one.admits("a", now + seconds * 1_000 - 1))
      now += seconds * 1_000
      const probe = one.admits("a", now)
      assert.isTrue(probe?.tests, "the probe")
      assert.isUndefined(one.admits("a", now), "and no other beside it")
      one.report("a", "bad", now, probe)
    }
    now += 5_000
    one.report("a", "good", now, one.admits("a", now))
    assert.deepStrictEqual(one.open(now), [])
    trip(one, "a", now)
    assert.deepStrictEqual(one.open(now), [{ identity: "a", forMillis: 1_000 }], "a success begins anew")
  })

  it("open after as many failures as they are told", () => {
    for (const failures of [1, 2, 7]) {
      const one = health({ failures })
      for (let i = 1; i <= failures; i++) {
        assert.isDefined(one.admits("a", 0))
        one.report("a", "bad", 0)
      }
      assert.isUndefined(one.admits("a", 0))
    }
  })

  it("open where half of what ended lately has failed, and by a failure only", () => {
    const every = (n: number, times: number, from = 0) => {
      const one = health()
      for (let i = 0; i < times; i++) one.report("a", i % n === 0 ? "bad" : "good", from + i * 100)
      return one.open(from + times * 100).length === 1
    }
    assert.deepStrictEqual([every(2, 18), every(2, 20), every(2, 21), every(3, 200)], [false, false, true, false])
    // Five a half-minute is too little to judge by.
    const seldom = health()
    for (let i = 0; i < 100; i++) seldom.report("a", i % 2 === 0 ? "bad" : "good", i * 6_000)
    assert.deepStrictEqual(seldom.open(600_000), [])
    // What was good half a minute ago says nothing of now.
    const turned = health()
    for (let i = 0; i < 1_000; i++) turned.report("a", "good", i)
    for (let i = 0; i < 24; i++) turned.report("a", i % 2 === 0 ? "bad" : "good", 31_000 + i)
    assert.lengthOf(turned.open(32_000), 1)
    const later = health({ window: "10 seconds", windowAttempts: 4, windowShare: 0.25 })
    for (const verdict of ["good", "good", "good"] as const) later.report("a", verdict, 0)
    later.report("a", "bad", 0)
    assert.lengthOf(later.open(0), 1)
  })

  it("forced probes take the place where there is one, and stand for nothing where the circuit is closed", () => {
    const one = health()
    assert.isFalse(one.force("a", 0).tests)
    trip(one, "a", 0)
    one.report("a", "bad", 1, one.force("a", 1))
    assert.deepStrictEqual(
      one.open(1),
      [{ identity: "a", forMillis: 9_999 }],
      "the cool-down is not begun again by whoever does not wait for it"
    )
    const probe = one.force("a", 10_000)
    assert.isUndefined(one.admits("a", 10_000))
    one.report("a", "bad", 10_000, probe)
    assert.deepStrictEqual(one.open(10_000), [{ identity: "a", forMillis: 20_000 }])
    one.report("a", "good", 10_001, one.force("a", 10_001))
    assert.deepStrictEqual(one.open(10_001), [])
  })

  it("leave alone who asks for it, no longer than the longest cool-down, and then are as they were", () => {
    const one = health()
    one.pause("a", 60_000, 0)
    assert.deepStrictEqual(one.shut("a", 1_000), { forMillis: 59_000, asked: true, dead: false })
    one.pause("a", 1_000, 0)
    assert.isUndefined(one.admits("a", 59_999), "a shorter wish does not shorten a longer one")
    assert.deepStrictEqual([one.admits("a", 60_000)?.tests, one.admits("a", 60_000)?.tests], [false, false])
    one.pause("a", 86_400_000, 60_000)
    assert.strictEqual(one.shut("a", 60_000)?.forMillis, 300_000)
    trip(one, "b", 0)
    one.pause("b", 30_000, 0)
    assert.isUndefined(one.admits("b", 29_999), "not even a probe")
    const probe = one.admits("b", 30_000)
    assert.isTrue(probe?.tests)
    one.pause("b", 30_000, 30_000)
    one.report("b", "good", 31_000, probe)
    assert.deepStrictEqual(one.shut("b", 31_000), { forMillis: 29_000, asked: true, dead: false }, "a success does not take the wish back")
  })

  it("probe a credential that has ended after one minute, and seldomer as it stays so", () => {
    const one = health()
    one.condemn("key", 0, one.admits("key", 0))
    let now = 0
    for (const minutes of [1, 2, 4, 8, 15, 15]) {
      assert.deepStrictEqual(one.shut("key", now), { forMillis: minutes * 60_000, asked: true, dead: true })
      one.condemn("key", now + 1)
      now += minutes * 60_000
      const probe = one.admits("key", now)
      assert.isTrue(probe?.tests)
      assert.deepStrictEqual(one.shut("key", now), { forMillis: 0, asked: true, dead: true }, "one at a time")
      one.condemn("key", now, probe)
    }
    now += 900_000
    one.report("key", "good", now, one.admits("key", now))
    assert.isUndefined(one.shut("key", now))
  })

  it("have another probe where the first was lost", () => {
    const one = health()
    trip(one, "a", 0)
    const lost = one.admits("a", 10_000)
    assert.isUndefined(one.admits("a", 309_999))
    const next = one.admits("a", 310_000)
    assert.isTrue(next?.tests)
    one.report("a", "bad", 310_001, lost)
    assert.isUndefined(one.admits("a", 310_001), "it has no place to give back")
    one.report("a", "neutral", 310_002, next)
    assert.isTrue(one.admits("a", 310_002)?.tests, "the next is the probe where one has told nothing")
  })

  it("say nothing of a deployment when the fault is the request's or the caller's", () => {
    const neutral = [...failures, "cancelled" as const].filter((failure) => verdictOf(failure) === "neutral")
    assert.deepStrictEqual([...new Set(neutral)], ["context-length", "content-filter", "bad-request", "cancelled"])
    assert.strictEqual(verdictOf(undefined), "good")
  })

  it("are no more than can be held, and an open one is given up last", () => {
    const one = health({ failures: 1 })
    one.report("open", "bad", 0)
    one.pause("paused", 300_000, 0)
    for (let i = 0; i < 20_000; i++) one.report(`idle-${i}`, "good", 0)
    assert.isUndefined(one.admits("open", 0))
    assert.isUndefined(one.admits("paused", 0))
    for (let i = 0; i < 10_001; i++) one.report(`target-${i}`, "bad", 0)
    assert.strictEqual(one.open(0).length, 10_000)
    assert.isDefined(one.admits("target-0", 0))
    assert.isUndefined(one.admits("target-10000", 0))
  })

  it("come to no harm by numbers that are none", () => {
    const odd = fc.constantFrom(NaN, -1, 0, 1, 5e8, 1e300, Infinity, -Infinity)
    fc.assert(
      fc.property(fc.array(fc.tuple(odd, odd), { maxLength: 30 }), (numbers) => {
        const one = health()
        for (const [amount, jump] of numbers) {
          one.pause("a", amount, 0)
          trip(one, "a", jump)
          one.condemn("b", jump)
          const gauge = one.begin("a", amount)
          one.measure(gauge, amount, jump)
          one.waited(gauge, amount, jump)
          one.end(gauge, amount, "bad", jump)
        }
        const gauge = one.begin("a", 1_000)
        one.measure(gauge, 100, 1e9)
        one.end(gauge, 1_000, "good", 1e9)
        assert.strictEqual(one.load("a"), 0)
        assert.isFinite(one.view(target("a"), 1e9).latencyMillis)
        assert.isFalse(Number.isNaN(one.score("a", NaN, 1e9)))
      })
    )
    const still = health()
    still.pause("a", NaN, 0)
    assert.isUndefined(still.shut("a", 0))
    still.pause("a", Infinity, 0)
    assert.strictEqual(still.shut("a", 0)?.forMillis, 300_000)
    // On a clock that stands, nothing ends; where it jumps far, all does.
    trip(still, "b", 0)
    assert.isUndefined(still.admits("b", 0))
    assert.isTrue(still.admits("b", 1e12)?.tests)
    const never = health({ coolDown: "0 seconds", maxCoolDown: Infinity, deadCoolDown: Infinity, maxDeadCoolDown: Infinity })
    trip(never, "a", 0)
    assert.isUndefined(never.admits("a", 0))
    never.condemn("b", 0)
    assert.isTrue(never.admits("b", 86_400_000)?.tests)
  })
})

describe("a target", () => {
  it("is up where any of its credentials is let through, both as the deployment's and as itself", () => {
    const one = health()
    const two = {
      identity: "two",
      accounts: [
        { identity: "deployment under a", credential: "a" },
        { identity: "deployment under b", credential: "b" }
      ]
    }
    trip(one, "two", 0)
    assert.isTrue(one.view(two, 0).up, "what it is called by is no breaker")
    trip(one, "deployment under a", 0)
    assert.isTrue(one.view(two, 0).up)
    one.condemn("b", 0)
    assert.isFalse(one.view(two, 0).up)
    assert.isTrue(one.view(two, 10_000).up)
    assert.isTrue(one.isUp(two, 10_000))
    assert.isTrue(one.admits("deployment under a", 10_000)?.tests, "looking has not taken the place of the probe")
    assert.isFalse(one.view(two, 10_000).up)
  })
})

describe("gauges", () => {
  it("expect what the reference does, whatever was measured when", () => {
    const command = fc.record({
      kind: fc.constantFrom("measure", "measure", "waited", "begin", "end", "wait", "fail", "serve"),
      target: fc.nat({ max: 1 }),
      millis: fc.constantFrom(0, 1, 20, 300, 5_000, 9_657, 9_659, 30_000, 90_000)
    })
    let faded = 0
    let failed = 0
    fc.assert(
      fc.property(fc.array(command, { maxLength: 40, size: "max" }), (commands) => {
        const [one, reference] = [health(), new Watch()]
        const under: [Array<Gauge>, Array<Gauge>] = [[], []]
        let now = 0
        for (const { kind, millis, target: which } of commands) {
          const identity = `target-${which}`
          const busy = under[which as 0 | 1]
          if (kind === "wait") now += millis
          else if (kind === "begin") busy.push(one.begin(identity, 1_000))
          else if (kind === "end" && busy.length > 0) one.end(busy.pop()!, 1_000)
          else if (kind === "fail" || kind === "serve") {
            one.end(one.begin(identity, 1_000), 1_000, kind === "fail" ? "bad" : "good", now)
            reference.tell(identity, kind === "fail" ? "overloaded" : undefined, now)
          } else if (kind === "measure" || kind === "waited") {
            const gauge = one.begin(identity, 1_000)
            one.end(gauge, 1_000)
            one[kind](gauge, millis, now)
            reference.see(identity, millis, now, kind === "waited")
          }
          assert.strictEqual(one.busy(identity), busy.length)
          assert.strictEqual(one.load(identity), busy.length * 1_000)
          const { latencyMillis } = one.view(target(identity), now)
          const expected = reference.latency(identity, now, busy.length)
          if (expected === null || latencyMillis === null) assert.strictEqual(latencyMillis, expected)
          else assert.closeTo(latencyMillis, expected, 1e-9 * Math.max(1, expected))
          if (latencyMillis !== null && latencyMillis > 0 && latencyMillis !== one.view(target(identity), now - 30_000).latencyMillis)
            faded++
          const [score, due] = [one.score(identity, 1_000, now), reference.score(identity, now, busy.length)]
          if (due === Number.MAX_VALUE) assert.strictEqual(score, Infinity)
          else assert.closeTo(score, due, 1e-9 * Math.max(1, due))
          if (score > 0 && latencyMillis !== null && score > latencyMillis * (1 + (busy.length + 1) / 2) + 1e-6) failed++
        }
      }),
      { numRuns: 1_000 }
    )
    assert.isAbove(Math.min(faded, failed), 1_000)
  })

  it("score by what is expected, what is under way and what fails", () => {
    const one = health()
    const measured = (identity: string, millis: number): void => {
      const gauge = one.begin(identity, 1_000)
      one.measure(gauge, millis, 0)
      one.end(gauge, 1_000, "good", 0)
    }
    measured("a", 100)
    measured("b", 100)
    assert.strictEqual(one.score("a", 2_000, 0), 200)
    const long = one.begin("b", 50_000)
    for (let i = 0; i < 3; i++) one.begin("a", 1_000)
    assert.isBelow(one.score("a", 1_000, 0), one.score("b", 1_000, 0), "three short ones are less than a long one")
    one.end(long, 50_000, "bad", 0)
    assert.closeTo(one.score("b", 2_000, 0), 200 / 0.8, 1e-9)
    assert.isBelow(one.score("b", 2_000, 600_000), 0.001, "and is forgotten in the end")
  })

  it("do not measure first what fails at once, until it is forgotten", () => {
    const one = health()
    assert.strictEqual(one.score("a", 1_000, 0), -1)
    one.end(one.begin("a", 1_000), 1_000, "bad", 0)
    assert.strictEqual(one.score("a", 1_000, 0), Infinity)
    assert.strictEqual(one.score("a", 1_000, 30_000), -1)
    const gauge = one.begin("a", 1_000)
    assert.strictEqual(one.score("a", 1_000, 30_000), Infinity, "by one call at a time")
    one.end(gauge, 1_000)
  })

  it("are no more than can be held, with every one that is in use", () => {
    const one = health()
    const gauge = one.begin("busy")
    for (let i = 0; i < 10_100; i++) {
      const idle = one.begin(`target-${i}`)
      one.measure(idle, 100, 0)
      one.end(idle)
    }
    assert.isNull(one.view(target("target-0"), 0).latencyMillis)
    assert.strictEqual(one.view(target("target-10099"), 0).latencyMillis, 100)
    assert.strictEqual(one.busy("busy"), 1)
    one.end(gauge)
    assert.strictEqual(one.busy("busy"), 0)
  })
})
