/** An instant that has an hour and a weekday in a time zone: the first from the beginning of 2026 on. */
import { type Weekday, zonedClock } from "../ZonedClock.ts"

const quarterMillis = 15 * 60_000
/** A Monday. */
const from = Date.UTC(2026, 0, 5)
/** Two weeks: an hour that a change of clocks leaves out is there in the other. */
const quarters = 14 * 24 * 4

/** Nine on a Monday, where nothing else is said. */
export const momentOf = (
  zone: string,
  { hour = 9, weekday = "monday" }: { readonly hour?: number; readonly weekday?: Weekday } = {}
): number => {
  const at = zonedClock(zone)
  for (let quarter = -4 * 24; quarter < quarters; quarter++) {
    const time = from + quarter * quarterMillis
    const found = at(time)
    if (found.hour === hour && found.weekday === weekday) return time
  }
  return from
}
