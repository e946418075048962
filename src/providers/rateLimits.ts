/**
 * What an answer's headers say of waiting: `retry-after` beside a refusal, and how much is left of the limits beside any answer.
 *
 * Which headers tell of limits is each vendor's to say, in its own folder; how they are read is the same for all. Everything is read defensively, since the headers are the
 * provider's or those of some proxy before it: what is no number, date or duration says nothing. There is no clock here, so a date counts only beside the answer's own `date`.
 *
 * Limits refill all the time and not in steps (developers.openai.com, "Rate limits"; platform.claude.com, "Rate limits": a token bucket), and what the headers call the reset is the time until nothing
 * counts any more. So with nothing left of a limit the wait is not for the reset, but for the share of it that one more request will take. The road not taken is to
 * slow down before nothing is left: limits belong to whole organizations, and others use them too.
 *
 * Runs once per answer.
 */

/** Headers of an answer, names in lower case; a repeated one may be a list. */
export type Headers = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

/** The headers of one limit. */
export interface Limit {
  readonly of: "requests" | "tokens"
  readonly limit: string
  readonly remaining: string
  /** A duration, a number of seconds, or a date; absent where none is sent and `windowMillis` is known. */
  readonly reset?: string
  /** The header with the length of the window in seconds. */
  readonly window?: string
  /** The length of the window where no header tells it. */
  readonly windowMillis?: number
}

/** The longest wait that is believed when a provider names it. */
export const longestWaitMillis = 24 * 60 * 60 * 1000
/** The longest wait that is concluded from what is left. */
export const longestPauseMillis = 60 * 1000

/** The first value of a header. */
export const first = (value: string | ReadonlyArray<string> | undefined): string | undefined =>
  typeof value === "object" ? value[0] : value

const decimal = /^\s*\d{1,15}(?:\.\d{1,15})?\s*$/

/** A number as headers write it: digits, without a sign or an exponent. */
const numberOf = (value: string | ReadonlyArray<string> | undefined): number | undefined => {
  const text = first(value)
  return text !== undefined && decimal.test(text) ? Number(text) : undefined
}

// RFC 9110, 5.6.7: the preferred form and the two that are obsolete. RFC 3339 beside them.
const httpDate = /^(?:[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4}|[A-Z][a-z]{5,8}, \d\d-[A-Z][a-z]{2}-\d\d) \d\d:\d\d:\d\d GMT$/
const asctime = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}$/
const isoDate = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/

/** Unix time in milliseconds. */
const dateOf = (value: string | ReadonlyArray<string> | undefined): number | undefined => {
  const text = first(value)?.trim()
  if (text === undefined || text.length > 40) return undefined
  const at = httpDate.test(text) || isoDate.test(text) ? Date.parse(text) : asctime.test(text) ? Date.parse(`${text} GMT`) : Number.NaN
  return Number.isNaN(at) ? undefined : at
}

/** How long after the answer's own date another one is: never less than 0. */
const untilDate = (value: string | ReadonlyArray<string> | undefined, headers: Headers): number | undefined => {
  const at = dateOf(value)
  const now = at === undefined ? undefined : dateOf(headers["date"])
  return at === undefined || now === undefined ? undefined : Math.max(0, at - now)
}

const wait = (millis: number | undefined): number | undefined =>
  millis === undefined ? undefined : Math.min(Math.ceil(millis), longestWaitMillis)

/** How long the provider asks to wait, in milliseconds, a day at most: `retry-after-ms`, then `retry-after` in seconds or as a date. */
export const retryAfterMillis = (headers: Headers): number | undefined => {
  const millis = numberOf(headers["retry-after-ms"])
  if (millis !== undefined) return wait(millis)
  const after = headers["retry-after"]
  if (after === undefined) return undefined
  const seconds = numberOf(after)
  return wait(seconds === undefined ? untilDate(after, headers) : seconds * 1000)
}

const duration = /^(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9}(?:\.\d{1,12})?)s)?(?:(\d{1,9}(?:\.\d{1,12})?)ms)?$/

/** Milliseconds of a duration such as `6m0s`, `17.4s` or `20ms`. */
const durationOf = (text: string): number | undefined => {
  const found = text === "" ? null : duration.exec(text)
  if (found === null) return undefined
  const [, days, hours, minutes, seconds, millis] = found
  return (
    Number(days ?? 0) * 86_400_000 +
    Number(hours ?? 0) * 3_600_000 +
    Number(minutes ?? 0) * 60_000 +
    Number(seconds ?? 0) * 1000 +
    Number(millis ?? 0)
  )
}

/** How long until nothing counts against a limit; undefined where that is not told, or is longer than a day, which is no rate. */
const resetMillis = ({ reset, window, windowMillis }: Limit, headers: Headers): number | undefined => {
  const value = reset === undefined ? undefined : headers[reset]
  if (value === undefined) return windowMillis
  const plain = numberOf(value)
  const length = plain === undefined || window === undefined ? undefined : numberOf(headers[window])
  const millis =
    plain !== undefined
      ? // Some answers of one host count seconds and some milliseconds: no reset is longer than its window.
        length !== undefined && plain > length
        ? plain
        : plain * 1000
      : (durationOf(first(value)?.trim() ?? "") ?? untilDate(value, headers))
  return millis === undefined || millis > longestWaitMillis ? undefined : millis
}

/** The wait for one limit: none unless exactly nothing is left of it. */
const pauseFor = (limit: Limit, headers: Headers, tokens: number | undefined): number | undefined => {
  const remaining = headers[limit.remaining]
  if (remaining === undefined || numberOf(remaining) !== 0) return undefined
  const reset = resetMillis(limit, headers)
  if (reset === undefined || reset === 0) return undefined
  const whole = numberOf(headers[limit.limit])
  // Of a limit that is not told nothing can be concluded: waiting for the reset would leave one request for each.
  if (whole === undefined || whole === 0) return undefined
  const one = limit.of === "requests" ? 1 : tokens
  // Where it is not known what a request takes of the limit, it may take all of it.
  const share = one === undefined ? 1 : Math.min(1, one / whole)
  const millis = Math.min(Math.ceil(reset * share), longestPauseMillis)
  return millis > 0 ? millis : undefined
}

/**
 * How long a credential should be left alone although its answer may have been a success, in milliseconds, a minute at most; undefined where something is left of all `limits`.
 * `tokens` is what a request like this one takes.
 */
export const pauseBy =
  (limits: ReadonlyArray<Limit>) =>
  (headers: Headers, tokens?: number): number | undefined => {
    const one = tokens !== undefined && tokens >= 0 ? tokens : undefined
    let longest: number | undefined
    for (const limit of limits) {
      const millis = pauseFor(limit, headers, one)
      if (millis !== undefined && (longest === undefined || millis > longest)) longest = millis
    }
    return longest
  }
