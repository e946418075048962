/** What a report tells of a target: why it was tried, with which key, what kept calls away, and what copies of calls made of it. */
import { assert, describe, it } from "@effect/vitest"
import { toText } from "../../src/Simulate.ts"
import type { Report } from "../../src/simulate/Report.ts"
import { compiled, plainly, ran, steady } from "./support.ts"

const quiet = { default: { firstToken: "100 millis", perToken: "10 millis", failAfter: "10 millis", errors: {} } }
const measuredOf = ({ targets }: Report, name: string): Report["targets"][number]["measured"] =>
  targets.find(({ target }) => target === name)!.measured
const keyed = {
  providers: {
    ...plainly("a").providers,
    a: { dialect: "openai", baseUrl: "http://a.test/v1", keys: [{ env: "KEY_1" }, { env: "KEY_2" }] }
  }
} as const

/** The lines of a section of the report for people. */
const section = (report: Report, title: string): ReadonlyArray<string> => {
  const lines = toText(report).split("\n")
  const from = lines.indexOf(title) + 1
  return from === 0 ? [] : lines.slice(from, lines.indexOf("", from) === -1 ? undefined : lines.indexOf("", from))
}

describe("of a target, a report", () => {
  it("counts why it was tried, and by which of its keys", async () => {
    const report = await ran(compiled(plainly({ _tag: "First", of: ["a", "b"] }, keyed)), steady(60, 1_000), {
      model: {
        ...quiet,
        events: [
          { credentials: ["KEY_2"], outage: "auth" },
          { targets: ["a"], from: "50 seconds", outage: "overloaded" }
        ]
      },
      health: { failures: 1_000 }
    })
    const { attempts, credentials, served, why } = measuredOf(report, "a")
    assert.deepStrictEqual(why, { first: 60, credential: 1 })
    assert.deepStrictEqual(credentials, {
      KEY_1: { attempts: 60, served: 50, ended: 0 },
      KEY_2: { attempts: 1, served: 0, ended: 1 }
    })
    assert.deepStrictEqual([attempts, served], [61, 50])
    assert.deepStrictEqual(measuredOf(report, "b").why, { failover: 10 })
    // One key is the target itself.
    assert.isFalse("credentials" in measuredOf(report, "b"))
    assert.deepStrictEqual(section(report, "credentials (measured)"), ["  a: KEY_1 60 (50 served), KEY_2 1 (0 served, ended 1)"])
    assert.deepStrictEqual(section(report, "tried because of (measured)"), ["  a: first 60, credential 1", "  b: failover 10"])
  })

  it("tells a provider that has asked to be left alone from a breaker", async () => {
    const report = await ran(compiled(plainly("a")), steady(40, 1_000), {
      model: {
        ...quiet,
        events: [
          { to: "500 millis", storm: { rate: 1, retryAfter: "9500 millis" } },
          { from: "20 seconds", outage: "overloaded" }
        ]
      },
      health: { failures: 2, coolDown: "5 seconds" }
    })
    const { attempts, breakerOpened, paused, probes, rejectedBy } = measuredOf(report, "a")
    assert.strictEqual(paused, 9)
    assert.isAbove(breakerOpened, 0)
    assert.isAbove(probes, 0)
    assert.strictEqual(attempts - probes + rejectedBy["breaker"]!, 40)
    assert.deepStrictEqual(section(report, "not tried (measured)"), [`  a: breaker ${rejectedBy["breaker"]! - 9}, paused 9`])
  })

  it("counts those that have waited for a place, and those that were turned away", async () => {
    const policy = plainly("a")
    const one = { ...policy.targets["a"]!, capacity: { inFlight: 1, queued: 1, wait: "10 seconds" } }
    const report = await ran(compiled({ ...policy, targets: { ...policy.targets, a: one } }), steady(9, 0), { model: quiet })
    const { attempts, queued, rejectedBy } = measuredOf(report, "a")
    assert.deepStrictEqual([attempts, queued, rejectedBy], [2, 1, { busy: 7 }])
  })

  it("keeps copies of calls apart from the calls", async () => {
    const plain = await ran(compiled(plainly("a")), steady(50, 1_000), { model: quiet })
    const report = await ran(compiled(plainly({ _tag: "Shadow", of: "a", copy: "b", sample: 100 })), steady(50, 1_000), { model: quiet })
    assert.deepStrictEqual(report.total, plain.total)
    assert.deepStrictEqual(report.copies!.measured.served, 50)
    const { copies, nanoDollars } = measuredOf(report, "b")
    assert.deepStrictEqual(copies, { attempts: 50, nanoDollars })
    assert.isFalse("copies" in measuredOf(report, "a"))
    assert.match(section(report, "tried because of (measured)").join("\n"), /^ {2}b: first 50; by copies 50 for \$0\.\d+$/)
  })
})
