/**
 * Everything that can go wrong upstream, through the running gateway: a provider that fails on demand in a process of its own, every caller's dialect, whole and streamed, with the
 * faulty target alone, with another behind it and with retries. The run prints what the caller saw, how many attempts were made, how far apart, and what was billed; the README's
 * table of it is held against the same measurement.
 */
import { readFileSync } from "node:fs"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { type FaultyUpstream, startFaulty } from "../faults/client.ts"
import { type Fault, faults, isStreamed } from "./faults/faults.ts"
import { judge } from "./faults/judge.ts"
import { keyOf, measure, type Measured, pairs, ways } from "./faults/measure.ts"
import { columns, printed, tableOf } from "./faults/table.ts"
import { until } from "./support.ts"

let upstream: FaultyUpstream
let results: ReadonlyMap<string, Measured> = new Map()

beforeAll(async () => {
  upstream = await startFaulty()
  results = await measure(faults, upstream)
}, 150_000)

afterAll(async () => {
  await upstream.stop()
  console.log(printed(tableOf(faults, results)))
})

const resultsOf = (
  fault: Fault,
  streamed: boolean
): ReadonlyArray<readonly [pair: number, way: (typeof ways)[number], measured: Measured]> =>
  pairs.flatMap((_, pair) => ways.map((way) => [pair, way, results.get(keyOf(fault, streamed, pair, way))!] as const))

for (const fault of faults)
  describe(fault.name, () => {
    for (const streamed of [false, true])
      it(streamed ? "streamed" : "whole", () => {
        const measured = resultsOf(fault, streamed)
        assert.strictEqual(measured.length, pairs.length * ways.length)
        assert.deepStrictEqual(
          measured.flatMap(([pair, way, one]) => judge(fault, streamed, pair, way, one)),
          []
        )
      })
  })

describe("all of them", () => {
  it("leave no cell of the table empty", () => {
    const rows = tableOf(faults, results)
    assert.strictEqual(rows.length, faults.length * 2 * pairs.length * ways.length)
    assert.deepStrictEqual(
      rows.filter((row) => columns.some((column) => row[column] === "")),
      []
    )
  })

  it("leave no answer open at the upstream: what is given up is let go of", async () => {
    let open = -1
    const look = async (): Promise<void> => {
      open = Object.values(await upstream.counts()).reduce((sum, count) => sum + count.open, 0)
    }
    await look()
    await until(() => {
      if (open > 0) void look()
      return open === 0
    }, "every answer of the upstream to end")
    assert.strictEqual(open, 0)
  })
})

describe("the README's table", () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8")
  const [, section = ""] = /^## When a provider fails\n([\s\S]*?)^## /m.exec(readme) ?? []
  const rows = [...section.matchAll(/^\| (.+) \| (.+) \| (.+) \| (.+) \|$/gm)]
    .slice(2)
    .map(([, ...cells]) => cells as [string, string, string, string])

  it("has a row for every fault, and a fault for every row", () => {
    const named = new Set(faults.flatMap(({ row }) => [isStreamed(row, false), isStreamed(row, true)]))
    assert.deepStrictEqual(rows.map(([wrong]) => wrong).toSorted(), [...named].toSorted())
  })

  for (const [wrong, sees, fallback, costs] of rows)
    it(`tells what was measured: ${wrong.replaceAll("`", "")}`, () => {
      const measured = faults.flatMap((fault) =>
        [false, true].filter((streamed) => isStreamed(fault.row, streamed) === wrong).flatMap((streamed) => resultsOf(fault, streamed))
      )
      assert.isNotEmpty(measured)
      const [alone, behind] = [measured.filter(([, way]) => way === "only"), measured.filter(([, way]) => way === "first")]
      const told = (all: typeof measured): ReadonlyArray<string> =>
        [...new Set(all.map(([, , { seen }]) => (seen.code === undefined ? "the answer" : `${seen.status} \`${seen.code}\``)))].toSorted()
      assert.deepStrictEqual([...sees.matchAll(/\d{3} `\w+`|the answer/g)].map(([one]) => one).toSorted(), told(alone))
      // After the first content a stream has its status already, and the error is its last words.
      assert.strictEqual(
        sees.includes("the stream's last event"),
        alone.every(([, , { seen }]) => seen.status === 200 && seen.code !== undefined)
      )
      const served = behind.every(([, , { line }]) => line.ending === "served" && line.attempts?.length === 2)
      const stops = behind.every(([, , { line }]) => line.attempts?.length === 1)
      assert.isTrue(served !== stops)
      assert.strictEqual(fallback, stops ? (told(alone)[0] === "the answer" ? "not asked" : "the same") : "its answer")
      const billed = new Set(
        alone.map(([, , { line }]) => {
          const { estimated, nano_dollars, reserved_nano_dollars } = line.attempts![0]!
          if (estimated !== true) return nano_dollars === 0 ? "nothing" : "the answer"
          assert.strictEqual(nano_dollars, reserved_nano_dollars)
          return "the reservation, estimated"
        })
      )
      assert.isTrue(
        [...billed].every((one) => costs.includes(one)),
        `${[...billed].join(", ")} is not what \`${costs}\` says`
      )
      if (!costs.includes(";")) assert.deepStrictEqual([costs], [...billed])
    })
})
