/**
 * The windows of budgets: days and months in UTC, by arithmetic on the days since 1970. Runs when a window begins and when the store is opened, not per call.
 *
 * No `Date` and no time zone: a budget that follows a place's clock would have days of 23 hours. The conversion is the usual one (days counted from
 * 1 March of the year 0, in eras of 400 years), exact for the years 0 to 9999.
 */
import type { Binding } from "../Ledger.ts"

export interface Window {
  /** `2026-11-22` or `2026-11`. */
  readonly name: string
  /** Unix milliseconds, included. */
  readonly from: number
  /** Unix milliseconds, excluded. */
  readonly until: number
}

const dayMillis = 86_400_000
const pad = (value: number, length: number): string => String(value).padStart(length, "0")

/** Days from 1 January 1970 to the given day; a month of 13 is the January after. */
const daysTo = (year: number, month: number, day: number): number => {
  const [y, m] = month > 12 ? [year + 1, month - 12] : [year, month]
  // Years begin in March, so that the day that comes every four years is their last.
  const shifted = m > 2 ? y : y - 1
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * (m > 2 ? m - 3 : m + 9) + 2) / 5) + day - 1
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468
}

const dateOf = (days: number): { readonly year: number; readonly month: number; readonly day: number } => {
  const shifted = days + 719_468
  const era = Math.floor(shifted / 146_097)
  const dayOfEra = shifted - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const fromMarch = Math.floor((5 * dayOfYear + 2) / 153)
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * fromMarch + 2) / 5) + 1
  }
}

/** The window of `every` that `time` (Unix milliseconds) is in. */
export const windowAt = (every: Binding["every"], time: number): Window => {
  const days = Math.floor(time / dayMillis)
  const { day, month, year } = dateOf(days)
  const name = `${pad(year, 4)}-${pad(month, 2)}`
  return every === "day"
    ? { name: `${name}-${pad(day, 2)}`, from: days * dayMillis, until: (days + 1) * dayMillis }
    : { name, from: daysTo(year, month, 1) * dayMillis, until: daysTo(year, month + 1, 1) * dayMillis }
}

/** The window of this name. */
export const windowOf = (name: string): Window & { readonly every: Binding["every"] } => {
  const [year, month, day] = name.split("-").map(Number)
  const every = day === undefined ? "month" : "day"
  return { every, ...windowAt(every, daysTo(year!, month!, day ?? 1) * dayMillis) }
}
