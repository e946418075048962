/**
 * The hour and the weekday of an instant in a time zone, as `time.hour` and `time.weekday` read them.
 *
 * `Intl.DateTimeFormat` takes a microsecond or two, so the answer is kept for the minute: since 1972 every zone has been a whole number of minutes from UTC and has changed
 * at a whole minute. (Not at whole quarters of an hour: St John's turned its clocks at one minute past midnight until 2011.) The format itself is made at the first call that
 * asks, at some tens of microseconds, and shared by all who read the same zone.
 */

export const weekdays = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] as const
export type Weekday = (typeof weekdays)[number]

export interface ZonedTime {
  /** From 0 to 23. */
  readonly hour: number
  readonly weekday: Weekday
}

const minuteMillis = 60_000

const clocks = new Map<string, (time: number) => ZonedTime>()

/** Reads Unix milliseconds as an hour and a weekday in `zone`, a name that `Intl` knows. */
export const zonedClock = (zone: string): ((time: number) => ZonedTime) => {
  const known = clocks.get(zone)
  if (known !== undefined) return known
  const made = make(zone)
  clocks.set(zone, made)
  return made
}

const make = (zone: string): ((time: number) => ZonedTime) => {
  const format = new Intl.DateTimeFormat("en-US", { timeZone: zone, hour: "2-digit", hourCycle: "h23", weekday: "long" })
  let minute = Number.NaN
  let kept: ZonedTime = { hour: 0, weekday: "monday" }
  return (time) => {
    const now = Math.floor(time / minuteMillis)
    if (now === minute) return kept
    const parts = format.formatToParts(now * minuteMillis)
    const partOf = (type: "hour" | "weekday"): string => parts.find((part) => part.type === type)!.value
    kept = { hour: Number(partOf("hour")), weekday: partOf("weekday").toLowerCase() as Weekday }
    minute = now
    return kept
  }
}
