/**
 * The headers in which OpenAI and the hosts of its dialects tell what is left of their limits.
 *
 * Sources: developers.openai.com, "Rate limits" (headers; resets are durations such as `1s` and `6m0s`); learn.microsoft.com, "Manage Azure OpenAI quota" (the same names, resets in
 * plain numbers, and `x-ratelimit-renewalperiod-*` in recorded answers); recorded answers of Groq, Mistral (a minute, without a reset) and Together (seconds).
 */
import { type Limit, pauseBy } from "../rateLimits.ts"

const named = (of: Limit["of"], name: string): Limit => ({
  of,
  limit: `x-ratelimit-limit${name}`,
  remaining: `x-ratelimit-remaining${name}`,
  reset: `x-ratelimit-reset${name}`,
  window: `x-ratelimit-renewalperiod${name}`
})

const minute = (of: Limit["of"], name: string): Limit => ({
  of,
  limit: `x-ratelimit-limit-${name}-minute`,
  remaining: `x-ratelimit-remaining-${name}-minute`,
  windowMillis: 60_000
})

const limits: ReadonlyArray<Limit> = [
  named("requests", "-requests"),
  named("tokens", "-tokens"),
  named("tokens", "-project-tokens"),
  named("requests", ""),
  minute("requests", "req"),
  minute("tokens", "tokens")
]

/** How long to leave a credential alone, by what is left of its limits. */
export const pauseMillis = pauseBy(limits)
