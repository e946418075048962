/** Modelled attempts side by side: who commits first answers, and the other is charged once. */
import { assert, describe, it } from "@effect/vitest"
import type { CallRecord } from "../../src/Recorder.ts"
import { compiled, plainly, ran, steady } from "./support.ts"

const luck = {
  default: {
    firstToken: { p50: "400 millis", p99: "6 seconds" },
    perToken: { p50: "10 millis", p99: "30 millis" },
    errors: { overloaded: 0.05, timeout: 0.02, "bad-request": 0.02 }
  }
}

describe("a simulated hedge", () => {
  for (const stream of [true, false]) {
    it(`answers each call once, by who commits first, ${stream ? "streamed" : "whole"}`, async () => {
      const policy = compiled(
        plainly({ _tag: "Hedge", of: { _tag: "Hedge", of: "a", after: "2 seconds", with: "b" }, after: "3 seconds", with: "c" })
      )
      const records: Array<CallRecord> = []
      const report = await ran(policy, steady(3_000, 700, { stream }), { model: luck, onRecord: (record) => void records.push(record) })
      const seen = { first: 0, others: 0, stopped: 0, three: 0 }
      for (const { call, served } of records) {
        const committed = call!.attempts.filter(({ committed }) => committed)
        assert.strictEqual(committed.length, served === undefined ? 0 : 1)
        assert.deepStrictEqual(call!.underway, [])
        if (served !== undefined) {
          assert.strictEqual(committed[0]!.target, served)
          // Nobody could have answered earlier: whoever was stopped was stopped in that moment.
          const at = committed[0]!.firstTokenMillis ?? committed[0]!.endedMillis
          for (const { endedMillis, failure } of call!.attempts) {
            if (failure?.class !== "cancelled") continue
            assert.closeTo(endedMillis, at, 0.001)
            seen.stopped++
          }
          seen[served.name === "a" ? "first" : "others"]++
        }
        if (call!.attempts.length === 3) seen.three++
      }
      assert.strictEqual(report.total.measured.served, seen.first + seen.others)
      for (const [name, count] of Object.entries(seen)) assert.isAbove(count, 20, name)
    })
  }
})

const quiet = { default: { firstToken: "100 millis", perToken: "10 millis", failAfter: "10 millis", errors: {} } }
const timeouts = { connect: "5 seconds", headers: "2 seconds", firstToken: "none", idle: "1 seconds", total: "none" } as const

/** How each attempt of one streamed call of a hundred tokens ends. */
const endings = async (
  to: Parameters<typeof plainly>[0],
  more: Parameters<typeof plainly>[1],
  model: unknown,
  stream = true
): Promise<ReadonlyArray<readonly [target: string, ending: string, millis: number, committed: boolean]>> => {
  const records: Array<CallRecord> = []
  await ran(compiled(plainly(to, more)), steady(1, 1_000, { stream }), { model, onRecord: (record) => void records.push(record) })
  return records[0]!.call!.attempts.map(({ committed, endedMillis, failure, target }) => [
    target.name,
    failure?.class ?? "served",
    endedMillis,
    committed
  ])
}

describe("what a route allows an answer that has begun", () => {
  const both = { _tag: "First", of: ["a", "b"] } as const

  it("is a time in all, after which its stream is cut", async () => {
    const total = { timeouts: { ...timeouts, total: "500 millis" } } as const
    assert.deepStrictEqual(await endings(both, total, quiet), [["a", "timeout", 500, true]])
    // One that is held back until it is whole can still be replaced.
    const held = await endings(both, { ...total, commit: "whole" }, { ...quiet, targets: { b: { perToken: "1 millis" } } })
    assert.deepStrictEqual(held, [
      ["a", "timeout", 500, false],
      ["b", "served", 699, true]
    ])
  })

  it("is a time between two tokens", async () => {
    const slow = { ...quiet, targets: { a: { perToken: "1.5 seconds" } } }
    assert.deepStrictEqual(await endings(both, { timeouts }, slow), [["a", "timeout", 1_100, true]])
  })

  it("ends an answer that stalls, wherever it does", async () => {
    const stalls = { ...quiet, targets: { a: { errors: { stall: 1 } } } }
    const [[target, ending, millis, committed] = []] = await endings(both, { timeouts }, stalls)
    assert.deepStrictEqual([target, ending, committed], ["a", "timeout", true])
    // Somewhere between its first token and its last, and then a second of silence.
    assert.isAtLeast(millis!, 1_100)
    assert.isAtMost(millis!, 2_090)
    // Whole, it has not begun.
    assert.deepStrictEqual(await endings(both, { timeouts }, stalls, false), [
      ["a", "timeout", 2_000, false],
      ["b", "served", 3_090, true]
    ])
  })

  it("hands a head on that a malformed stream stands behind, where its answers begin with it", async () => {
    const broken = { ...quiet, targets: { a: { errors: { malformed: 1 } } } }
    assert.deepStrictEqual(await endings(both, { timeouts, commit: "headers" }, broken), [["a", "malformed", 100, true]])
    for (const [commit, stream] of [
      ["first-content", true],
      ["whole", true],
      ["headers", false]
    ] as const) {
      const [first, second] = await endings(both, { timeouts, commit }, broken, stream)
      assert.deepStrictEqual([first!.slice(0, 2), first![3]], [["a", "malformed"], false])
      assert.deepStrictEqual(second!.slice(0, 2), ["b", "served"])
    }
  })

  it("holds a cut back where its answers are to be whole", async () => {
    const cuts = { ...quiet, targets: { a: { errors: { "stream-cut": 1 } } } }
    assert.deepStrictEqual(
      (await endings(both, { timeouts }, cuts)).map(([target, ending, , committed]) => [target, ending, committed]),
      [["a", "stream-cut", true]]
    )
    assert.deepStrictEqual(
      (await endings(both, { timeouts, commit: "whole" }, cuts)).map(([target, ending, , committed]) => [target, ending, committed]),
      [
        ["a", "stream-cut", false],
        ["b", "served", true]
      ]
    )
  })
})

describe("an answer that is held back beyond its deadline", () => {
  it("has begun all the same, where it had", async () => {
    const records: Array<CallRecord> = []
    const within = (duration: string) => ({ _tag: "First", of: [{ _tag: "Within", duration, of: "a" }, "b"] }) as const
    for (const duration of ["500 millis", "50 millis"])
      await ran(compiled(plainly(within(duration), { timeouts, commit: "whole" })), steady(1, 1_000, { stream: true }), {
        model: quiet,
        onRecord: (record) => void records.push(record)
      })
    const late = records.map(({ call }) => call!.attempts[0]!)
    assert.deepStrictEqual(
      late.map(({ endedMillis, failure, firstTokenMillis, status }) => [failure?.class, endedMillis, firstTokenMillis, status]),
      [
        ["timeout", 500, 100, 200],
        ["timeout", 50, undefined, undefined]
      ]
    )
  })
})

describe("events that strike a credential", () => {
  it("leave the others of its provider alone, and end it", async () => {
    const keys = [{ env: "KEY_1" }, { env: "KEY_2" }] as const
    const policy = compiled(
      plainly("a", { providers: { ...plainly("a").providers, a: { dialect: "openai", baseUrl: "http://a.test/v1", keys } } })
    )
    const records: Array<CallRecord> = []
    const model = { ...quiet, events: [{ credentials: ["KEY_2"], outage: "auth" }] }
    await ran(policy, steady(60, 1_000), { model, onRecord: (record) => void records.push(record) })
    const attempts = records.flatMap(({ call }) => call!.attempts)
    assert.isTrue(records.every(({ ending }) => ending === "served"))
    // The first that meets the dead key moves on to the other; those after it do not ask it again.
    assert.deepStrictEqual(
      attempts.flatMap(({ account, failure, why }) => (failure === undefined ? [] : [[account.name, failure.class, why]])),
      [["KEY_2", "auth", "first"]]
    )
    assert.strictEqual(attempts.filter(({ why }) => why === "credential").length, 1)
  })
})
