/** Whole simulations: the same bytes twice, totals that add up, what outages do, and every way of failing loudly. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Result } from "effect"
import * as fc from "fast-check"
import { Attempt, type Outcome } from "../src/Attempt.ts"
import { compile } from "../src/Compile.ts"
import { decode } from "../src/Policy.ts"
import { drive, make, SimulationError, type Simulation } from "../src/Simulate.ts"
import { relativeError } from "../src/simulate/Histogram.ts"
import type { CallsSeen, Report } from "../src/simulate/Report.ts"
import { toJson, toText } from "../src/simulate/Table.ts"
import { begun, compiled, failing, plainly, ran, simulation, steady, team } from "./simulate/support.ts"

const policy = compiled(team)
/** Luck of every kind. */
const lucky = {
  default: {
    firstToken: { p50: "400 millis", p99: "3 seconds" },
    perToken: { p50: "10 millis", p99: "30 millis" },
    errors: { overloaded: 0.05, timeout: 0.02, "stream-cut": 0.02, connection: 0.02 }
  },
  events: [
    { from: "5 minutes", to: "8 minutes", providers: ["anthropic"], outage: "server-error" },
    { from: "10 minutes", to: "12 minutes", storm: { rate: 0.5, retryAfter: "2 seconds" } },
    { from: "14 minutes", slow: 3 }
  ]
}
const traffic = steady(4_000, 250, (i) => ({
  model: i % 5 === 0 ? "mini" : "chat",
  inputTokens: 200 + ((i * 37) % 3_000),
  outputTokens: (i * 13) % 400
}))

/** Everything that must add up in a report that is not partial. */
const addsUp = (report: Report): void => {
  const groups = (pick: (seen: CallsSeen) => number, of: ReadonlyArray<CallsSeen>): number => of.reduce((sum, seen) => sum + pick(seen), 0)
  const { budgets, classes, routes, targets, total, traffic } = report
  for (const { measured, modelled } of [total, ...routes, ...report.arms, ...classes]) {
    assert.strictEqual(measured.calls, measured.served + measured.failed + measured.refused + measured.cancelled)
    assert.strictEqual(
      measured.refused,
      Object.values(measured.refusedBy).reduce((sum, n) => sum + n, 0)
    )
    assert.strictEqual(
      measured.failed,
      Object.values(modelled.failedBy).reduce((sum, n) => sum + n, 0)
    )
    assert.strictEqual(modelled.answerMillis.count, measured.served)
  }
  assert.deepStrictEqual([total.measured.calls, traffic.inFlight], [traffic.calls, 0])
  for (const pick of [
    ({ measured }: CallsSeen) => measured.calls,
    ({ measured }: CallsSeen) => measured.served,
    ({ measured }: CallsSeen) => measured.failovers,
    ({ measured }: CallsSeen) => measured.attempts,
    ({ measured }: CallsSeen) => measured.nanoDollars,
    ({ measured }: CallsSeen) => measured.inputTokens,
    ({ modelled }: CallsSeen) => modelled.outputTokens
  ]) {
    assert.strictEqual(groups(pick, routes), pick(total))
    assert.strictEqual(groups(pick, classes), pick(total))
  }
  const sum = (pick: (target: Report["targets"][number]) => number): number => targets.reduce((sum, target) => sum + pick(target), 0)
  assert.strictEqual(
    sum(({ measured }) => measured.attempts),
    total.measured.attempts
  )
  assert.strictEqual(
    sum(({ measured }) => measured.nanoDollars),
    total.measured.nanoDollars
  )
  assert.strictEqual(
    sum(({ measured }) => measured.served),
    total.measured.served
  )
  assert.strictEqual(
    sum(({ modelled }) => modelled.outputTokens),
    total.modelled.outputTokens
  )
  for (const { measured, modelled } of targets) {
    assert.strictEqual(measured.attempts, measured.served + Object.values(modelled.failedBy).reduce((sum, n) => sum + n, 0))
  }
  for (const { measured } of budgets) {
    const { burnDown, settledNanoDollars } = measured
    assert.isAtMost(burnDown.settledNanoDollars.length, 48)
    assert.strictEqual(burnDown.settledNanoDollars.at(-1) ?? 0, settledNanoDollars)
    burnDown.settledNanoDollars.forEach((amount, i) => assert.isTrue(i === 0 || amount >= burnDown.settledNanoDollars[i - 1]!))
  }
}

const sumOf = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((sum, n) => sum + n, 0)

describe("a simulation", () => {
  it("gives the same bytes for the same seed, in whatever slices, and others for another", async () => {
    const [once, again, other] = [
      await ran(policy, traffic, { model: lucky }),
      await ran(policy, traffic, { model: lucky }),
      await ran(policy, traffic, { model: lucky, seed: 2 })
    ]
    assert.strictEqual(toJson(again), toJson(once))
    assert.strictEqual(toText(again), toText(once))
    assert.notStrictEqual(toJson({ ...other, seed: 1 }), toJson(once))
    // Also where the callers are not drawn.
    const alone = async (seed: number) => toJson({ ...(await ran(policy, traffic, { model: lucky, as: "bob", seed })), seed: 1 })
    assert.notStrictEqual(await alone(2), await alone(1))
    for (const steps of [1, 7, 100_000]) {
      const sliced = begun(policy, traffic, { model: lucky })
      while (sliced.runUnsafe(steps) === "more");
      assert.strictEqual(toJson(sliced.report()), toJson(once))
    }
  })

  it("adds up, and the dollars of its targets are the dollars of its budgets", async () => {
    const report = await ran(policy, traffic, { model: lucky })
    addsUp(report)
    const { budgets, targets, total } = report
    assert.isAbove(total.measured.failovers, 100)
    assert.isAbove(total.measured.failed, 10)
    // Every key is under exactly one budget.
    assert.strictEqual(
      budgets.reduce((sum, { measured }) => sum + measured.settledNanoDollars, 0),
      targets.reduce((sum, { measured }) => sum + measured.nanoDollars, 0)
    )
    assert.isTrue(targets.some(({ measured }) => measured.estimatedNanoDollars > 0))
    assert.isTrue(targets.every(({ measured }) => measured.unpricedAttempts === 0))
  })

  it("adds up whatever the model and the traffic", { timeout: 120_000 }, async () => {
    const share = fc.double({ min: 0, max: 0.2, noNaN: true })
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          seed: fc.nat(),
          errors: fc.record({ timeout: share, "stream-cut": share, overloaded: share, "content-filter": share }),
          outage: fc.constantFrom("connection", "timeout", "stream-cut", "bad-request"),
          everyMillis: fc.constantFrom(1, 50, 2_000, 400_000),
          stream: fc.boolean(),
          limit: fc.constantFrom(0.01, 0.5, 100)
        }),
        async ({ errors, everyMillis, limit, outage, seed, stream }) => {
          const tight = compiled({
            ...team,
            budgets: {
              engineering: { per: "team", limit: { usd: limit }, every: "day" },
              agent: { per: "key", limit: { usd: limit }, every: "month" }
            }
          })
          const lines = steady(300, everyMillis, (i) => ({ model: ["chat", "mini", "sonnet", "nowhere"][i % 4]!, stream }))
          const report = await ran(tight, lines, {
            seed,
            model: { default: { errors }, events: [{ from: "20 seconds", to: "2 hours", targets: ["sonnet"], outage }] }
          })
          addsUp(report)
        }
      ),
      { numRuns: 60 }
    )
  })

  it("labels every number as measured or modelled", async () => {
    const report = await ran(policy, traffic.slice(0, 200), { model: lucky })
    for (const seen of [report.total, ...report.routes, ...report.arms, ...report.classes, ...report.targets, ...report.budgets]) {
      for (const [name, value] of Object.entries(seen))
        assert.isTrue(name === "measured" || name === "modelled" || typeof value === "string", name)
    }
    const text = toText(report)
    assert.include(text, "measured: what the compiled policy")
    assert.include(text, "modelled: what follows from the assumed")
    assert.strictEqual(
      report.labels.latencies,
      `quantiles are within ${Math.round(relativeError * 1_000) / 10} % of the value of their rank`
    )
    // Every table says which of its columns are what.
    const heads = text.split("\n").filter((line) => /^ +measured( +modelled)?$/.test(line))
    assert.strictEqual(heads.length, 6)
  })

  it("leaves the luck of what stays as it was when something else is tried first", async () => {
    const model = { ...lucky, events: [{ targets: ["c"], outage: "connection" }], targets: { c: { failAfter: "50 millis" } } }
    const lines = steady(3_000, 1_000)
    const run = async (of: readonly [string, ...ReadonlyArray<string>]) => {
      const { targets } = await ran(compiled(plainly({ _tag: "First", of })), lines, { model, health: { failures: Infinity } })
      // Why it was tried is another matter.
      return targets.map(({ measured: { why, ...measured }, modelled, target }) => ({ measured, modelled, target, tried: sumOf(why) }))
    }
    const [before, after] = [await run(["a", "b"]), await run(["c", "a", "b"])]
    assert.strictEqual(after[2]!.measured.attempts, 3_000)
    assert.deepStrictEqual(after[0], before[0])
    assert.deepStrictEqual(after[1], before[1])
    assert.isAbove(before[1]!.measured.attempts, 100)
  })

  it("draws anew for another attempt on the same target", async () => {
    // The checker would not let it pass.
    const twice = compile(Result.getOrThrow(decode(plainly({ _tag: "First", of: ["a", "a"] }))))
    const { total } = await ran(twice, steady(2_000, 1_000), {
      model: { default: { errors: { overloaded: 0.5 } } },
      health: { failures: Infinity }
    })
    // Half of those that failed fail again.
    assert.closeTo(total.measured.served, 1_500, 100)
  })
})

describe("what happens to providers", () => {
  it("an outage makes failovers, opens breakers and ends", async () => {
    const first = compiled(plainly({ _tag: "First", of: ["a", "b"] }))
    const model = {
      default: { firstToken: "100 millis", perToken: "1 millis", failAfter: "10 millis", errors: {} },
      events: [{ from: "10 minutes", to: "20 minutes", targets: ["a"], outage: "server-error" }]
    }
    const report = await ran(first, steady(1_800, 1_000), { model })
    const [a, b] = report.targets
    assert.deepStrictEqual([report.total.measured.served, report.total.measured.failed], [1_800, 0])
    // All of the outage, and the little that the breaker goes on being open after it.
    assert.isAtLeast(b!.measured.served, 600)
    assert.isBelow(b!.measured.served, 600 + 310)
    assert.strictEqual(report.total.measured.failovers, b!.measured.served)
    // Five failures open it; then a probe now and then: 10, 20, 40, 80, 160 and 300 seconds.
    assert.isAbove(a!.measured.breakerOpened, 4)
    assert.isBelow(a!.modelled.failedBy["server-error"]!, 15)
    assert.strictEqual(a!.measured.rejectedBy["breaker"], b!.measured.served - a!.modelled.failedBy["server-error"]!)
    assert.isAbove(a!.measured.served, 800)
    assert.strictEqual(b!.measured.breakerOpened, 0)
  })

  it("probes what is left when every breaker is open", async () => {
    const report = await ran(compiled(plainly("a")), steady(100, 1_000), {
      model: { default: { failAfter: "10 millis", errors: {} }, events: [{ outage: "overloaded" }] }
    })
    assert.isAbove(report.targets[0]!.measured.probes, 50)
    assert.strictEqual(report.total.measured.failed, 100)
  })

  it("slowness runs into `within` and fails over", async () => {
    const hurried = compiled(plainly({ _tag: "First", of: [{ _tag: "Within", duration: "2 seconds", of: "a" }, "b"] }))
    const model = {
      default: { firstToken: "1 seconds", perToken: "1 millis", errors: {} },
      events: [{ from: "100 seconds", to: "200 seconds", targets: ["a"], slow: 5 }]
    }
    const { targets, total } = await ran(hurried, steady(300, 1_000), { model, health: { failures: Infinity } })
    assert.deepStrictEqual(targets[0]!.modelled.failedBy, { timeout: 100 })
    assert.strictEqual(targets[1]!.measured.served, 100)
    assert.strictEqual(total.modelled.firstTokenMillis.max, 3_000)
  })
})

describe("a simulation that cannot be trusted says so", () => {
  const one = compiled(plainly("a"))
  const served: Outcome = {
    failure: undefined,
    committed: true,
    status: 200,
    usage: undefined,
    firstTokenAt: undefined,
    losses: [],
    unbilled: false
  }
  const attempting = (run: Attempt["Service"]["run"]) => ({ attempt: () => Layer.succeed(Attempt, { run }) })

  it("where the pipeline throws", async () => {
    const decided = {
      ...one,
      decide: () => {
        throw new Error("no decision")
      }
    }
    assert.match(
      await failing(decided, steady(5, 1)),
      /^the simulation has failed: call sim-0 failed before it was decided: Error: no decision/
    )
    assert.match(
      await failing(
        one,
        steady(5, 1),
        attempting(() => Effect.die(new Error("no attempt")))
      ),
      /^the simulation has failed: call sim-0 failed inside the gateway: Error: no attempt/
    )
  })

  it("where calls do not end, because of a Promise or anything else outside virtual time", async () => {
    const never =
      "the simulation has failed: 5 calls of 5 did not end: nothing is left to happen at 4.00 ms, so the pipeline waits for a Promise, or for something that nobody completes"
    assert.strictEqual(
      await failing(
        one,
        steady(5, 1),
        attempting(() => Effect.never)
      ),
      never
    )
    const waiting = new Promise<Outcome>(() => {})
    assert.strictEqual(
      await failing(
        one,
        steady(5, 1),
        attempting(() => Effect.promise(() => waiting))
      ),
      never
    )
  })

  it("where a Promise comes back between two slices", async () => {
    const slow = begun(
      one,
      steady(5, 1),
      attempting(() => Effect.promise(async () => served))
    )
    assert.strictEqual(slow.runUnsafe(1), "more")
    await new Promise((resolve) => setTimeout(resolve, 1))
    assert.throws(() => slow.runUnsafe(1_000), SimulationError, /while no virtual time was passing/)
  })

  it("where a fibre is left over, or only something endless goes on", { timeout: 60_000 }, async () => {
    assert.strictEqual(
      await failing(
        one,
        steady(5, 1),
        attempting(() => Effect.as(Effect.forkDetach(Effect.never), served))
      ),
      "the simulation has failed: every call has ended, but 5 fibres of the pipeline have not"
    )
    const ticking = Effect.forever(Effect.sleep("10 seconds"))
    assert.match(
      await failing(
        one,
        steady(1, 1),
        attempting(() => Effect.andThen(Effect.forkDetach(ticking), Effect.never))
      ),
      /1 call of 1 did not end: only timers are left at 7d/
    )
  })

  it("where the traffic cannot be read on", async () => {
    assert.strictEqual(
      await failing(one, [...steady(50, 1), "{"]),
      "line 52: malformed JSON: expected property name or '}' in JSON at position 1 (line 1 column 2)"
    )
  })
})

describe("drive", () => {
  const long = (): Simulation => begun(policy, steady(20_000, 100, { model: "chat" }), { model: lucky })

  it("says how far it is, gives way, and leaves a partial report when it is interrupted", async () => {
    const one = long()
    const seen: Array<number> = []
    let ticks = 0
    const timer = setInterval(() => ticks++, 1)
    const fiber = Effect.runFork(drive(one, ({ calls }) => void seen.push(calls)))
    while (seen.length < 4) await new Promise((resolve) => setTimeout(resolve, 1))
    await Effect.runPromise(Fiber.interrupt(fiber))
    clearInterval(timer)
    assert.isAbove(ticks, 0)
    seen.forEach((calls, i) => assert.isTrue(i === 0 || calls >= seen[i - 1]!))
    const report = one.report()
    assert.isTrue(report.partial)
    assert.strictEqual(report.traffic.calls, report.total.measured.calls + report.traffic.inFlight)
    assert.isBelow(report.traffic.calls, 20_000)
    assert.match(toText(report), /^PARTIAL: stopped before the end; calls in flight, which are not counted below: [\d,]+\n/)
  })

  it("is partial before it has begun, and not when it is done", async () => {
    const one = begun(policy, steady(3, 1))
    assert.deepStrictEqual([one.report().partial, one.report().total.measured.calls], [true, 0])
    const report = await Effect.runPromise(drive(one))
    assert.deepStrictEqual([report.partial, report.total.measured.calls], [false, 3])
    assert.strictEqual(one.runUnsafe(1), "done")
  })

  it("keeps nothing of a call: the report is as long for many as for few", async () => {
    const size = async (n: number) => toText(await ran(policy, steady(n, 10, { model: "chat" }), { model: lucky })).split("\n").length
    assert.isBelow(await size(10_000), (await size(2_000)) + 3)
  })
})

describe("make", () => {
  it("starts when it is told, else when its traffic does, else on a Monday", async () => {
    const start = (lines: ReadonlyArray<string>, startMillis?: number) => {
      const [traffic, options] = simulation(policy, lines)
      return make(policy, traffic, { ...options, startMillis }).report().start
    }
    assert.strictEqual(start(steady(1, 1)), "2026-01-05T00:00:00Z")
    assert.strictEqual(start(['{"traffic":1}', '{"time":1,"inputTokens":1,"outputTokens":1}']), "2026-01-05T00:00:00Z")
    assert.strictEqual(
      start(['{"traffic":1,"start":"2027-03-01T00:00:00Z"}', '{"time":1,"inputTokens":1,"outputTokens":1}']),
      "2027-03-01T00:00:00Z"
    )
    assert.strictEqual(start(steady(1, 1), Date.UTC(2025, 0, 1)), "2025-01-01T00:00:00Z")
  })
})

describe("traffic with days between its calls", () => {
  it("comes to its end, however few they are", async () => {
    const day = 86_400_000
    const lines = steady(12, 10 * day, () => ({ model: "mini", inputTokens: 10, outputTokens: 10 }))
    const { budgets, partial, total } = await ran(policy, lines)
    assert.deepStrictEqual([partial, total.measured.calls], [false, 12])
    assert.isAbove(budgets.length, 3, "months begin and end")
  })
})
