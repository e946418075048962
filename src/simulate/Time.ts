/**
 * Times of traffic and events: ISO 8601 and what traces write, always UTC or with an offset, to the microsecond; digits beyond that are cut off. Years
 * from 1970 to 2199, whose microseconds a double counts exactly.
 */

const digits = (text: string, from: number, to: number): number => {
  let value = 0
  for (let i = from; i < to; i++) {
    const digit = text.charCodeAt(i) - 48
    if (!(digit >= 0 && digit <= 9)) return Number.NaN
    value = value * 10 + digit
  }
  return value
}

/** Rows of a trace share their date. */
let lastDate = ""
let lastMicros = 0

/** Microseconds of the day `YYYY-MM-DD` since 1970; undefined where there is none such. */
const dayOf = (date: string): number | undefined => {
  if (date === lastDate) return lastMicros
  const [year, month, day] = [digits(date, 0, 4), digits(date, 5, 7), digits(date, 8, 10)]
  if (!(date[4] === "-" && date[7] === "-" && year >= 1970 && year < 2200 && month >= 1 && month <= 12 && day >= 1)) return undefined
  const millis = Date.UTC(year, month - 1, day)
  // A 30th of February would be taken for a day of March.
  if (Number.isNaN(millis) || Date.UTC(year, month - 1, 1) + (day - 1) * 86_400_000 !== millis || day > daysIn(year, month))
    return undefined
  lastDate = date
  lastMicros = millis * 1_000
  return lastMicros
}

const daysIn = (year: number, month: number): number => (Date.UTC(year, month, 1) - Date.UTC(year, month - 1, 1)) / 86_400_000

/**
 * Microseconds since 1970 of `2026-01-05T09:00:00.5Z`, with a blank for the `T` too; without a zone it is UTC. Undefined where it is no such time.
 */
export const parseTime = (text: string): number | undefined => {
  const { length } = text
  if (length < 19) return undefined
  const day = dayOf(text.slice(0, 10))
  const separator = text[10]
  if (day === undefined || (separator !== "T" && separator !== " ") || text[13] !== ":" || text[16] !== ":") return undefined
  const [hour, minute, second] = [digits(text, 11, 13), digits(text, 14, 16), digits(text, 17, 19)]
  if (!(hour < 24 && minute < 60 && second < 60)) return undefined
  let micros = day + ((hour * 60 + minute) * 60 + second) * 1_000_000
  let at = 19
  if (text[at] === ".") {
    let unit = 100_000
    const first = ++at
    for (; at < length; at++) {
      const digit = text.charCodeAt(at) - 48
      if (!(digit >= 0 && digit <= 9)) break
      micros += digit * unit
      unit = Math.floor(unit / 10)
    }
    if (at === first) return undefined
  }
  if (at === length || (text[at] === "Z" && at + 1 === length)) return micros
  const sign = text[at] === "+" ? 1 : text[at] === "-" ? -1 : 0
  if (sign === 0 || length !== at + 6 || text[at + 3] !== ":") return undefined
  const [hours, minutes] = [digits(text, at + 1, at + 3), digits(text, at + 4, at + 6)]
  return hours < 24 && minutes < 60 ? micros - sign * (hours * 60 + minutes) * 60_000_000 : undefined
}

const two = (value: number): string => String(value).padStart(2, "0")

/** Unix milliseconds as `2026-01-05T09:00:00Z`; with milliseconds where there are some. */
export const showTime = (millis: number): string => new Date(millis).toISOString().replace(".000Z", "Z")

/** A span in microseconds as people say it: `850 µs`, `1.25 s`, `3:05:00`. */
export const showSpan = (micros: number): string => {
  const rounded = (value: number): string => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2))
  if (micros < 1_000) return `${Math.round(micros)} µs`
  if (micros < 999_500) return `${rounded(micros / 1_000)} ms`
  if (micros < 99_500_000) return `${rounded(micros / 1_000_000)} s`
  const seconds = Math.round(micros / 1_000_000)
  const days = Math.floor(seconds / 86_400)
  const clock = `${Math.floor((seconds % 86_400) / 3_600)}:${two(Math.floor((seconds % 3_600) / 60))}:${two(seconds % 60)}`
  return days === 0 ? clock : `${days}d ${clock}`
}
