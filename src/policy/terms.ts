/** The words that the sections of a policy are made of: names, durations, amounts, secrets, and what they come to in milliseconds and integer money. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

export const optional = <S extends Schema.Constraint>(schema: S, value: S["Encoded"]) =>
  Schema.withDecodingDefaultKey<S>(Effect.succeed(value))(schema)
export const record = <S extends Schema.Constraint>(schema: S) => Schema.Record(Name, schema)
export const PositiveInt = Schema.Int.check(Schema.isGreaterThan(0))

/** A name in a policy: a letter, then at most 63 letters, digits, `-` or `_`. */
export const Name = Schema.String.check(
  Schema.isPattern(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/u, { expected: "a name: a letter, then at most 63 letters, digits, `-` or `_`" })
)

/** Where something is served: a part of an address where a provider's has `{region}`. */
export const Region = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/u, { expected: "a region such as `eu-west-1`" })
)

/** A span of time in words, `"60 seconds"`. */
export type Duration = `${number} ${"millis" | "seconds" | "minutes" | "hours" | "days"}`
export const Duration = Schema.String.check(
  Schema.isPattern(/^(0|[1-9]\d{0,8})(\.\d{1,3})? (millis|seconds|minutes|hours|days)$/u, {
    expected: 'a duration such as "60 seconds" (millis, seconds, minutes, hours, days)'
  })
)

/** Dollars, exact to the nano-dollar. */
export const Usd = Schema.Struct({
  usd: Schema.Finite.check(
    Schema.isBetween({ minimum: 0, maximum: 9_000_000 }),
    Schema.makeFilter(
      (dollars: number) =>
        Math.abs(dollars * 1e9 - Math.round(dollars * 1e9)) < 1e-3 * Math.max(1, dollars) || "at most nine decimals of a dollar"
    )
  )
})
export interface Usd {
  readonly usd: number
}

/** A span of time, or no limit. */
export const Limit = Schema.Union([Schema.Literal("none"), Duration])

/** A secret by the name of the environment variable that holds it; the policy never holds the secret itself. */
export const Secret = Schema.Struct({
  env: Schema.String.check(Schema.isPattern(/^[A-Za-z_][A-Za-z0-9_]*$/u, { expected: "the name of an environment variable" }))
})
export type Secret = typeof Secret.Type

/** The secret of a caller's key: in the environment, or known by its SHA-256 alone, in hexadecimal. */
export const KeySecret = Schema.Union([
  Secret,
  Schema.Struct({
    sha256: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/u, { expected: "a SHA-256 as 64 hexadecimal digits in lower case" }))
  })
])
export type KeySecret = typeof KeySecret.Type

/** A JsonLogic rule over facts. Which rules are accepted, and what they mean, is in `Condition.ts`. */
export type ConditionJson = Schema.Json

export const Price = Usd.check(
  Schema.makeFilter(
    ({ usd }: Usd) =>
      Math.abs(usd * 1e6 - Math.round(usd * 1e6)) < 1e-6 * Math.max(1, usd) || "at most six decimals of a dollar for a million tokens"
  )
)

/** Headers in which callers send their keys: a condition that compared one would hold a secret. */
export const credentials = /^(?:authorization|proxy-authorization|cookie|x-api-key|api-key|x-goog-api-key|x-turnout-key|x-bf-vk)$/

export const Zone = Schema.String.check(
  Schema.makeFilter((zone: string) => {
    try {
      Intl.DateTimeFormat("en", { timeZone: zone })
      return undefined
    } catch {
      return "a time zone such as `Europe/Berlin`"
    }
  })
)

const unitMillis = { millis: 1, seconds: 1_000, minutes: 60_000, hours: 3_600_000, days: 86_400_000 }

/** The length of a decoded duration in milliseconds. */
export const toMillis = (duration: string): number => {
  const [amount, unit] = duration.split(" ") as [string, keyof typeof unitMillis]
  return Number(amount) * unitMillis[unit]
}

/** A decoded amount in integer nano-dollars. */
export const toNanoDollars = ({ usd }: Usd): number => Math.round(usd * 1e9)

/** A decoded price of a million tokens in integer pico-dollars a token. */
export const toPicoDollarsPerToken = ({ usd }: Usd): number => Math.round(usd * 1e6)
