/** What a model may say, what it means, and how attempts come out of it: exactly where it is constant, by the numbers where it is luck. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { render } from "../../src/simulate/Form.ts"
import { faults, type Model, parseModel, problemsWithTimes } from "../../src/simulate/Model.ts"
import { Fields } from "../../src/simulate/Traffic.ts"
import { compiled, plainly, ran, steady, team } from "./support.ts"

const policy = compiled(team)

const problems = (json: unknown): ReadonlyArray<string> => {
  const model = parseModel(json, policy.policy)
  return Result.isFailure(model) ? model.failure.map(render) : []
}

describe("parseModel", () => {
  it("takes everything that there is", () => {
    assert.deepStrictEqual(
      problems({
        version: 1,
        default: {
          firstToken: "300 millis",
          perToken: { p50: "10 millis", p99: "50 millis" },
          failAfter: "0.5 millis",
          errors: { overloaded: 0.5, auth: 0.5 }
        },
        targets: { mini: {} },
        events: [
          { outage: "connection" },
          {
            from: "10 minutes",
            to: "2026-01-05T12:00:00Z",
            targets: ["sonnet"],
            providers: ["openai"],
            slow: 2.5,
            storm: { rate: 1, retryAfter: "3 seconds" }
          }
        ]
      }),
      []
    )
    assert.deepStrictEqual(problems({}), [])
  })

  const table: ReadonlyArray<readonly [name: string, json: unknown, ...messages: ReadonlyArray<string>]> = [
    ["another version", { version: 2 }, "version: expected 1, but found `2`"],
    ["a misspelt field", { defualt: {} }, "defualt: unknown field `defualt`; did you mean `default`?"],
    [
      "a misspelt field of a target",
      { targets: { mini: { firstTokn: "1 seconds" } } },
      "targets.mini.firstTokn: unknown field `firstTokn`; did you mean `firstToken`?"
    ],
    ["a misspelt target", { targets: { sonet: {} } }, "targets.sonet: unknown target `sonet`; did you mean `sonnet`?"],
    [
      "a target that resembles none, in an event",
      { events: [{ slow: 2, targets: ["mini", "gemini-pro"] }] },
      "events[0].targets[1]: unknown target `gemini-pro`; known are `sonnet`, `next`, `mini`"
    ],
    [
      "a misspelt provider",
      { events: [{ slow: 2, providers: ["opnai"] }] },
      "events[0].providers[0]: unknown provider `opnai`; did you mean `openai`?"
    ],
    [
      "a misspelt class",
      { default: { errors: { overload: 0.1 } } },
      "default.errors.overload: unknown failure class `overload`; did you mean `overloaded`?"
    ],
    [
      "a misspelt class of an outage",
      { events: [{ outage: "server-eror" }] },
      "events[0].outage: unknown failure class `server-eror`; did you mean `server-error`?"
    ],
    [
      "what no provider does",
      { default: { errors: { cancelled: 0.1 } } },
      "default.errors.cancelled: unknown failure class `cancelled`; known are `rate-limited`, `quota-exhausted`, `overloaded`, `server-error`, `timeout`, `connection`, `stream-cut`, `malformed`, `context-length`, `content-filter`, `bad-request`, `auth`, `stall`"
    ],
    [
      "a share above 1",
      { default: { errors: { timeout: 1.5 } } },
      "default.errors.timeout: expected a share of all attempts between 0 and 1, but found `1.5`"
    ],
    [
      "a share below 0",
      { events: [{ storm: { rate: -0.1 } }] },
      "events[0].storm.rate: expected a share of all attempts between 0 and 1, but found `-0.1`"
    ],
    [
      "shares that are more than everything",
      { targets: { mini: { errors: { timeout: 0.7, auth: 0.4 } } } },
      "targets.mini.errors: the shares add up to 1.1, more than 1"
    ],
    ["a factor of nothing", { events: [{ slow: 0 }] }, "events[0].slow: expected a factor above 0, but found `0`"],
    [
      "an event without anything",
      { events: [{ from: "1 minutes" }] },
      "events[0]: nothing happens in it: expected `outage`, `slow` or `storm`"
    ],
    [
      "a time that is none",
      { events: [{ slow: 2, from: "soon", to: "5 minutes" }] },
      'events[0].from: expected a duration since the start, such as "10 minutes", or a time, such as "2026-01-05T09:00:00Z", but found `soon`'
    ],
    [
      "several at once",
      { targets: { sonet: {} }, events: [{ outage: "timeot" }] },
      "targets.sonet: unknown target `sonet`; did you mean `sonnet`?",
      "events[0].outage: unknown failure class `timeot`; did you mean `timeout`?"
    ]
  ]
  for (const [name, json, ...messages] of table) it(`says ${name}`, () => assert.deepStrictEqual(problems(json), messages))

  it("says percentiles in the wrong order, and durations that are none", () => {
    assert.match(
      problems({ default: { firstToken: { p50: "2 seconds", p99: "1 seconds" } } })[0]!,
      /^default\.firstToken: .*`p99` that is not below `p50`/
    )
    assert.match(
      problems({ default: { firstToken: { p50: "0 seconds", p99: "1 seconds" } } })[0]!,
      /^default\.firstToken: .*`p50` above zero/
    )
    assert.match(problems({ default: { perToken: "fast" } })[0]!, /^default\.perToken: expected .*duration/)
  })

  it("says an event that ends before it begins, which may depend on the start", () => {
    const model = (event: object): Model => Result.getOrThrow(parseModel({ events: [{ slow: 2, ...event }] }, policy.policy))
    const start = Date.UTC(2026, 0, 5)
    const at = (event: object) => problemsWithTimes(model(event), start).map(render)
    assert.deepStrictEqual(at({ from: "2 minutes", to: "1 minutes" }), ["events[0].to: the event ends before it begins"])
    assert.deepStrictEqual(at({ to: "2026-01-04T00:00:00Z" }), ["events[0].to: the event ends before it begins"])
    assert.deepStrictEqual(at({ from: "2026-01-04T00:00:00Z", to: "1 minutes" }), [])
    assert.deepStrictEqual(at({ from: "1 minutes" }), [])
  })
})

describe("the page about simulations", () => {
  const page = readFileSync(new URL("../../docs/simulation.md", import.meta.url), "utf8")
  const [traffic, model] = [...page.matchAll(/```json\n([^`]*)```/g)].map(([, text]) => text!) as [string, string]

  it("shows a model that is one, for a policy with its targets", () => assert.deepStrictEqual(problems(JSON.parse(model)), []))

  it("shows traffic that is some, and names every field", async () => {
    const chat = compiled({ ...team, metadata: ["feature"] })
    const { total } = await ran(chat, traffic.trim().split("\n"))
    assert.strictEqual(total.measured.calls, 2)
    for (const name of Object.keys(Fields.fields)) assert.include(page, `\`${name}\``)
    for (const name of faults) assert.include(page, `\`${name}\``)
  })
})

const one = compiled(plainly("a"))
const constant = { firstToken: "200 millis", perToken: "10 millis", failAfter: "50 millis", errors: {} }

describe("attempts", () => {
  it("take the first token and then each of the others", async () => {
    const { targets } = await ran(one, steady(50, 1_000), { model: { default: constant } })
    const { firstTokenMillis, answerMillis } = targets[0]!.modelled
    assert.strictEqual(firstTokenMillis.max, 200)
    assert.strictEqual(answerMillis.max, 200 + 99 * 10)
    assert.strictEqual(answerMillis.mean, 1_190)
  })

  it("have no first token where the answer comes whole", async () => {
    const { targets } = await ran(one, steady(50, 1_000, { stream: false }), { model: { default: constant } })
    assert.deepStrictEqual([targets[0]!.modelled.firstTokenMillis.count, targets[0]!.modelled.answerMillis.max], [0, 1_190])
  })

  it("answer no more than the caller takes and the target gives, as often as asked", async () => {
    const capped = compiled(plainly("a", { targets: { a: { provider: "a", model: "m", maxOutputTokens: 80 } } }))
    const out = async (more: object) => (await ran(capped, steady(10, 1_000, more), { model: { default: constant } })).total.modelled
    assert.strictEqual((await out({})).outputTokens, 800)
    assert.strictEqual((await out({ maxOutputTokens: 30 })).outputTokens, 300)
    assert.strictEqual((await out({ maxOutputTokens: 30, choices: 3 })).outputTokens, 900)
    assert.strictEqual((await out({ outputTokens: 0 })).outputTokens, 0)
    assert.strictEqual((await out({ maxOutputTokens: 30 })).answerMillis.max, 200 + 29 * 10)
  })

  it("fail as often as the model says, with the right class, and cost what that class costs", async () => {
    const errors = { "rate-limited": 0.1, connection: 0.05, timeout: 0.05, "stream-cut": 0.1, malformed: 0.02, "content-filter": 0.03 }
    const n = 20_000
    // One target, so that every failure is seen once; no breaker, so that none is kept away.
    const { targets, total } = await ran(one, steady(n, 1_000), {
      model: { default: { ...constant, errors } },
      health: { failures: Infinity }
    })
    const { measured, modelled } = targets[0]!
    assert.strictEqual(measured.attempts, n)
    for (const [name, share] of Object.entries(errors)) {
      // Five standard deviations of a binomial.
      assert.closeTo(modelled.failedBy[name]!, n * share, 5 * Math.sqrt(n * share * (1 - share)), name)
    }
    assert.strictEqual(Object.keys(modelled.failedBy).length, 6)
    assert.strictEqual(
      total.measured.failed,
      Object.values(modelled.failedBy).reduce((sum, count) => sum + count, 0)
    )
    // Without a budget nothing is reserved: what may have cost something has an unknown cost.
    const unknown = ["timeout", "stream-cut", "malformed", "content-filter"].reduce((sum, name) => sum + modelled.failedBy[name]!, 0)
    assert.strictEqual(measured.unpricedAttempts, unknown)
  })

  it("reproduce the lognormal's quantiles", async () => {
    const model = {
      default: { firstToken: { p50: "400 millis", p99: "4 seconds" }, perToken: { p50: "10 millis", p99: "30 millis" }, errors: {} }
    }
    const { total } = await ran(one, steady(40_000, 1_000), { model })
    const { firstTokenMillis } = total.modelled
    assert.closeTo(firstTokenMillis.p50 / 400, 1, 0.03)
    assert.closeTo(firstTokenMillis.p99 / 4_000, 1, 0.1)
    // The 90th percentile follows from the other two: 400 × 10 ^ (1.2816 / 2.3263).
    assert.closeTo(firstTokenMillis.p90 / (400 * 10 ** (1.2815515655 / 2.326347874)), 1, 0.05)
    const quick = await ran(one, steady(40_000, 1_000), { model: { default: { ...model.default, firstToken: "0.001 millis" } } })
    assert.closeTo(quick.total.modelled.answerMillis.p50 / (99 * 10), 1, 0.03)
    assert.closeTo(quick.total.modelled.answerMillis.p99 / (99 * 30), 1, 0.1)
  })

  it("time out at the deadline of `within`, or when the gateway's own patience ends", async () => {
    const hurried = compiled(plainly({ _tag: "Within", duration: "1 seconds", of: { _tag: "First", of: ["a", "b"] } }))
    const slow = { default: constant, targets: { a: { firstToken: "30 seconds" } } }
    const { total, targets } = await ran(hurried, steady(4, 60_000), { model: slow, health: { failures: Infinity } })
    // No time is left for `b`.
    assert.deepStrictEqual([total.measured.failed, total.measured.refused, targets[1]!.measured.rejectedBy], [4, 0, { deadline: 4 }])
    assert.deepStrictEqual(total.modelled.failedBy, { upstream_timeout: 4 })
    assert.deepStrictEqual(targets[0]!.modelled.failedBy, { timeout: 4 })
    // The provider may have worked, and billed it.
    assert.strictEqual(targets[0]!.measured.unpricedAttempts, 4)

    const nested = compiled(plainly({ _tag: "First", of: [{ _tag: "Within", duration: "1 seconds", of: "a" }, "b"] }))
    const saved = await ran(nested, steady(4, 60_000), { model: slow, health: { failures: Infinity } })
    assert.deepStrictEqual([saved.total.measured.served, saved.total.measured.failovers], [4, 4])
    // A second is lost, then `b` takes its own time.
    assert.strictEqual(saved.total.modelled.firstTokenMillis.max, 1_200)

    const silent = await ran(one, steady(3, 1_000), { model: { default: { ...constant, errors: { timeout: 1 } } } })
    assert.strictEqual(silent.virtualMillis, 2_000 + 120_000)
    const endless = await ran(one, steady(1, 1_000), { model: { default: { ...constant, firstToken: "121 seconds" } } })
    assert.deepStrictEqual(endless.total.modelled.failedBy, { upstream_timeout: 1 })
  })

  it("commit exactly at the deadline too late, and a microsecond earlier in time", async () => {
    const policy = compiled(plainly({ _tag: "Within", duration: "200 millis", of: "a" }))
    const served = async (firstToken: string, stream = true) =>
      (await ran(policy, steady(1, 1, { stream, outputTokens: 1 }), { model: { default: { ...constant, firstToken } } })).total.measured
        .served
    assert.deepStrictEqual(
      [
        await served("200 millis"),
        await served("199.999 millis"),
        await served("200 millis", false),
        await served("199.999 millis", false)
      ],
      [0, 1, 0, 1]
    )
    // A stream has committed with its first token; what comes after may take as long as it likes.
    const long = await ran(policy, steady(1, 1, { outputTokens: 1_000 }), { model: { default: { ...constant, firstToken: "100 millis" } } })
    assert.strictEqual(long.total.measured.served, 1)
    const whole = await ran(policy, steady(1, 1, { outputTokens: 1_000, stream: false }), {
      model: { default: { ...constant, firstToken: "100 millis" } }
    })
    assert.strictEqual(whole.total.measured.served, 0)
  })

  it("are cut after the commit of a stream, where nobody can help, and before that of a whole answer", async () => {
    const policy = compiled(plainly({ _tag: "First", of: ["a", "b"] }))
    const model = { default: constant, targets: { a: { errors: { "stream-cut": 1 } } } }
    const streamed = await ran(policy, steady(20, 60_000), { model, health: { failures: Infinity } })
    assert.deepStrictEqual([streamed.total.measured.failed, streamed.total.measured.failovers], [20, 0])
    const whole = await ran(policy, steady(20, 60_000, { stream: false }), { model, health: { failures: Infinity } })
    assert.deepStrictEqual([whole.total.measured.failed, whole.total.measured.failovers], [0, 20])
  })
})

describe("events", () => {
  it("strike the attempts that begin while they last, and those targets and providers that they name", async () => {
    const policy = compiled(plainly({ _tag: "Asked" }))
    const lines = steady(400, 1_000, (i) => ({ model: "abcd"[i % 4]! }))
    const failures = async (event: object) =>
      (await ran(policy, lines, { model: { default: constant, events: [event] }, health: { failures: Infinity } })).targets.map(
        ({ modelled }) => modelled.failedBy["overloaded"] ?? 0
      )
    assert.deepStrictEqual(await failures({ outage: "overloaded" }), [100, 100, 100, 100])
    assert.deepStrictEqual(await failures({ outage: "overloaded", targets: ["b"] }), [0, 100, 0, 0])
    assert.deepStrictEqual(await failures({ outage: "overloaded", targets: ["b"], providers: ["d"] }), [0, 100, 0, 100])
    // From second 100, which is struck, to second 200, which is not.
    assert.deepStrictEqual(await failures({ outage: "overloaded", from: "100 seconds", to: "200 seconds" }), [25, 25, 25, 25])
    assert.deepStrictEqual(
      await failures({ outage: "overloaded", from: "2026-01-05T00:01:40Z", to: "2026-01-05T00:03:20Z" }),
      [25, 25, 25, 25]
    )
    assert.deepStrictEqual(await failures({ outage: "overloaded", from: "396 seconds" }), [1, 1, 1, 1])
  })

  it("slow everything down by the product of their factors", async () => {
    const { total } = await ran(one, steady(10, 10_000), {
      model: { default: constant, events: [{ slow: 2 }, { slow: 1.5, targets: ["a"] }] }
    })
    assert.deepStrictEqual([total.modelled.firstTokenMillis.max, total.modelled.answerMillis.max], [600, 3_570])
  })

  it("storm with 429 and the wait that they name", async () => {
    const n = 10_000
    const { targets, total } = await ran(one, steady(n, 1_000), {
      model: { default: constant, events: [{ storm: { rate: 0.4, retryAfter: "7 seconds" } }] },
      health: { failures: Infinity }
    })
    const { attempts, paused, rejectedBy } = targets[0]!.measured
    const { failedBy } = targets[0]!.modelled
    assert.deepStrictEqual(Object.keys(failedBy), ["rate-limited"])
    assert.closeTo(failedBy["rate-limited"]!, 0.4 * attempts, 5 * Math.sqrt(attempts * 0.24))
    assert.deepStrictEqual(total.modelled.failedBy, { upstream_rate_limited: failedBy["rate-limited"]! })
    // Whoever comes within the wait is not sent there: about seven calls for each that was told.
    assert.deepStrictEqual(rejectedBy, { breaker: n - attempts })
    assert.deepStrictEqual([paused, total.measured.refusedBy], [n - attempts, { target_paused: n - attempts }])
    assert.closeTo(rejectedBy["breaker"]! / failedBy["rate-limited"]!, 6.5, 0.6)
    // An error that is answered so is not billed, so everything else has a known price.
    assert.strictEqual(targets[0]!.measured.unpricedAttempts, 0)
  })
})
