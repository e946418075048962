import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { zonedClock } from "../src/ZonedClock.ts"
import { zonedTime } from "./reference.ts"

const at = (zone: string, instant: string | number) => {
  const { hour, weekday } = zonedClock(zone)(typeof instant === "number" ? instant : Date.parse(instant))
  return `${weekday} ${hour}`
}

describe("the clock of a zone", () => {
  const zones = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Gaza",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Africa/Casablanca",
    "Africa/Monrovia",
    "America/Caracas",
    "Asia/Pyongyang",
    "Antarctica/Troll",
    "+05:30"
  ]

  it("shows what `Temporal` shows, at any instant since 1973 and in whatever order they are asked", () => {
    const [from, to] = [Date.UTC(1973, 0, 1), Date.UTC(2040, 0, 1)]
    const instants = fc.array(
      fc.oneof(
        fc.integer({ min: from, max: to }),
        // Near whole quarters, where clocks are turned.
        fc
          .tuple(fc.integer({ min: from / 900_000, max: to / 900_000 }), fc.constantFrom(-60_001, -1, 0, 1, 59_999, 60_000, 120_000))
          .map(([quarter, by]) => quarter * 900_000 + by)
      ),
      { minLength: 1, maxLength: 5 }
    )
    fc.assert(
      fc.property(fc.constantFrom(...zones), instants, (zone, instants) => {
        for (const instant of instants) {
          const { "time.hour": hour, "time.weekday": weekday } = zonedTime(zone, instant)
          assert.strictEqual(at(zone, instant), `${weekday} ${hour}`, `${zone} at ${new Date(instant).toISOString()}`)
        }
      }),
      { numRuns: 3_000 }
    )
  })

  it("shows it through every minute around every change of a clock in some years", () => {
    for (const zone of zones) {
      for (const year of [1987, 2006, 2011, 2026]) {
        const shown = (instant: number): number => (Number(zonedTime(zone, instant)["time.hour"]) * 3_600_000 - instant) % 86_400_000
        for (let hour = Date.UTC(year, 0, 1); hour < Date.UTC(year + 1, 0, 1); hour += 24 * 3_600_000) {
          if ((shown(hour) - shown(hour + 24 * 3_600_000)) % 86_400_000 === 0) continue
          for (let minute = hour; minute < hour + 24 * 3_600_000; minute += 60_000) {
            const { "time.hour": expected, "time.weekday": weekday } = zonedTime(zone, minute)
            assert.strictEqual(at(zone, minute), `${weekday} ${expected}`, `${zone} at ${new Date(minute).toISOString()}`)
          }
        }
      }
    }
  })

  // From the time zone database, by hand.
  const rows: ReadonlyArray<readonly [zone: string, instant: string, shows: string]> = [
    ["UTC", "1970-01-01T00:00:00Z", "thursday 0"],
    ["UTC", "2026-11-22T23:59:59.999Z", "sunday 23"],
    ["Europe/Berlin", "2026-03-29T00:59:59Z", "sunday 1"],
    ["Europe/Berlin", "2026-03-29T01:00:00Z", "sunday 3"],
    ["Europe/Berlin", "2026-10-25T00:30:00Z", "sunday 2"],
    ["Europe/Berlin", "2026-10-25T01:30:00Z", "sunday 2"],
    ["Asia/Kathmandu", "2026-01-05T18:14:00Z", "monday 23"],
    ["Asia/Kathmandu", "2026-01-05T18:15:00Z", "tuesday 0"],
    // Half an hour of summer time.
    ["Australia/Lord_Howe", "2026-04-04T14:59:00Z", "sunday 1"],
    ["Australia/Lord_Howe", "2026-04-04T15:00:00Z", "sunday 1"],
    ["Australia/Lord_Howe", "2026-04-04T15:30:00Z", "sunday 2"],
    // A Friday that there was not.
    ["Pacific/Apia", "2011-12-30T09:59:00Z", "thursday 23"],
    ["Pacific/Apia", "2011-12-30T10:00:00Z", "saturday 0"],
    // One minute past midnight.
    ["America/St_Johns", "2011-03-13T03:30:30Z", "sunday 0"],
    ["America/St_Johns", "2011-03-13T03:31:00Z", "sunday 1"]
  ]
  for (const [zone, instant, shows] of rows) it(`${zone} at ${instant}`, () => assert.strictEqual(at(zone, instant), shows))

  it("is one for all who read a zone", () => assert.strictEqual(zonedClock("Europe/Paris"), zonedClock("Europe/Paris")))
})
