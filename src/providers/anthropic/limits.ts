/**
 * The headers in which Anthropic tells what is left of its limits.
 *
 * Source: platform.claude.com, "Rate limits" (response headers): a reset is the time in RFC 3339 at which the limit will be fully replenished, and tokens that remain are rounded to thousands.
 */
import { type Limit, pauseBy } from "../rateLimits.ts"

const named = (of: Limit["of"], name: string): Limit => ({
  of,
  limit: `anthropic-ratelimit-${name}-limit`,
  remaining: `anthropic-ratelimit-${name}-remaining`,
  reset: `anthropic-ratelimit-${name}-reset`
})

const limits: ReadonlyArray<Limit> = [
  named("requests", "requests"),
  named("tokens", "tokens"),
  named("tokens", "input-tokens"),
  named("tokens", "output-tokens")
]

/** How long to leave a credential alone, by what is left of its limits. */
export const pauseMillis = pauseBy(limits)
