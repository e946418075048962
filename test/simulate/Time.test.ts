import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { parseTime, showSpan, showTime } from "../../src/simulate/Time.ts"

describe("parseTime", () => {
  it("reads every time that `Date` writes", () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date("1970-01-01T00:00:00Z"), max: new Date("2199-12-31T23:59:59Z"), noInvalidDate: true }),
        (date) => {
          assert.strictEqual(parseTime(date.toISOString()), date.getTime() * 1_000)
          assert.strictEqual(parseTime(showTime(date.getTime())), date.getTime() * 1_000)
        }
      ),
      { numRuns: 5_000 }
    )
  })

  it("reads what traces write, to the microsecond", () => {
    const base = Date.UTC(2023, 10, 16, 18, 15, 46) * 1_000
    for (const [text, micros] of [
      ["2023-11-16 18:15:46.6805900", base + 680_590],
      ["2023-11-16 18:15:46.6805909", base + 680_590],
      ["2023-11-16 18:15:46", base],
      ["2023-11-16T18:15:46Z", base],
      ["2023-11-16 18:15:46.5+00:00", base + 500_000],
      ["2023-11-16T20:15:46+02:00", base],
      ["2023-11-16T13:45:46-04:30", base]
    ] as const) {
      assert.strictEqual(parseTime(text), micros, text)
    }
    assert.strictEqual(parseTime("2024-02-29T00:00:00Z"), Date.UTC(2024, 1, 29) * 1_000)
  })

  it("reads nothing else", () => {
    for (const text of [
      "",
      "2023",
      "2023-11-16",
      "2023-11-16T18:15",
      "1969-12-31T23:59:59Z",
      "2200-01-01T00:00:00Z",
      "2023-02-29T00:00:00Z",
      "2023-02-30T00:00:00Z",
      "2023-13-01T00:00:00Z",
      "2023-00-01T00:00:00Z",
      "2023-01-00T00:00:00Z",
      "2023-01-32T00:00:00Z",
      "2023-01-01T24:00:00Z",
      "2023-01-01T00:60:00Z",
      "2023-01-01T00:00:60Z",
      "2023-01-01X00:00:00Z",
      "2023-01-01T00:00:00.Z",
      "2023-01-01T00:00:00 Z",
      "2023-01-01T00:00:00+0200",
      "2023-01-01T00:00:00+25:00",
      "2023-01-01T00:00:00Zz",
      "2023/01/01 00:00:00",
      "16/11/2023 18:15:46",
      "2023-01-01T-1:00:00Z",
      "later than yesterday"
    ]) {
      assert.isUndefined(parseTime(text), text)
      // Nor after a good one, whose date is remembered.
      parseTime("2023-01-01T00:00:00Z")
      assert.isUndefined(parseTime(text), text)
    }
  })
})

describe("showSpan", () => {
  it("says a span as people do", () => {
    assert.deepStrictEqual(
      [0, 999, 1_000, 12_345, 506_000, 999_499, 999_500, 1_000_000, 15_550_000, 99_499_999, 99_500_000, 3_600_000_000, 90_061_000_000].map(
        showSpan
      ),
      [
        "0 µs",
        "999 µs",
        "1.00 ms",
        "12.3 ms",
        "506 ms",
        "999 ms",
        "1.00 s",
        "1.00 s",
        "15.6 s",
        "99.5 s",
        "0:01:40",
        "1:00:00",
        "1d 1:01:01"
      ]
    )
  })
})
