/** Routes with their limits, and the findings that an author lives with. */
import * as Schema from "effect/Schema"
import { Strategy } from "./strategy.ts"
import { Duration, Limit, Name, optional, PositiveInt, Usd } from "./terms.ts"

/** When an answer counts as begun, so that nothing can fail over any more: with the provider's headers, its first content, or when it has come whole. */
export const Commit = Schema.Literals(["headers", "first-content", "whole"])
export type Commit = typeof Commit.Type

/** Whether a target of another dialect may be sent a request of which it cannot be told everything: what is left out is reported, or the target is passed over. */
export const Translation = Schema.Literals(["report", "strict"])

/** How long an attempt may take, from its beginning: to connect, to the headers, to the first content of a stream, between two chunks, and in all. */
const timeouts = { connect: Duration, headers: Limit, firstToken: Limit, idle: Limit, total: Limit }
/** How much one call may cost over all its attempts: how many, how long until one has begun to answer, and in dollars. */
const effort = { attempts: PositiveInt, time: Limit, dollars: Schema.Union([Schema.Literal("none"), Usd]) }

export const Timeouts = Schema.Struct({
  connect: optional(timeouts.connect, "5 seconds"),
  headers: optional(timeouts.headers, "120 seconds"),
  firstToken: optional(timeouts.firstToken, "none"),
  idle: optional(timeouts.idle, "60 seconds"),
  total: optional(timeouts.total, "none")
})
export const EffortLimits = Schema.Struct({
  attempts: optional(effort.attempts, 10),
  time: optional(effort.time, "none"),
  dollars: optional(effort.dollars, "none")
})

const partly = <F extends Record<string, Schema.Constraint>>(fields: F) =>
  Schema.Struct(
    Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, Schema.optionalKey(field)])) as {
      readonly [K in keyof F]: Schema.optionalKey<F[K]>
    }
  )

export const Route = Schema.Struct({
  name: Name,
  when: Schema.optionalKey(Schema.Json),
  commit: Schema.optionalKey(Commit),
  translation: Schema.optionalKey(Translation),
  timeouts: Schema.optionalKey(partly(timeouts)),
  effort: Schema.optionalKey(partly(effort)),
  to: Strategy
})
export type Route = typeof Route.Type

const Host = Schema.String.check(
  Schema.isPattern(/^(?:\*\.)?[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?(?::\d{1,5})?$/u, {
    expected: "a host in lower case such as `images.example.com`, or `*.example.com` for all below it"
  })
)

/** From where images and documents may be fetched for targets that take no addresses; nothing is, where the policy does not say. */
export const FetchSpec = Schema.Struct({
  hosts: Schema.NonEmptyArray(Host),
  maxBytes: optional(PositiveInt, 20_971_520),
  timeout: optional(Duration, "10 seconds")
})

/** A finding that the author has looked at and lives with. */
export const Accepted = Schema.Struct({
  /** Its code. */
  finding: Schema.NonEmptyString,
  /** A part of its place, such as a route's name; everywhere where absent. */
  at: Schema.optionalKey(Schema.NonEmptyString),
  because: Schema.NonEmptyString
})
