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
