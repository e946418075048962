/**
 * How providers behave in a simulation: the schema of `providers.json`, what it means for one policy, and the defaults where it says nothing.
 *
 * A model is an assumption, and everything that follows from it is labelled *modelled*. A latency is a constant or a lognormal distribution by its
 * median and 99th percentile, because that is what dashboards show and what waiting for a provider looks like. The answer's speed is drawn once for each
 * attempt: tokens of one stream are slow together.
 *
 * Runs once, before a simulation. Roads not taken: latency by the length of the prompt, and errors that come in correlated bursts; events say such things
 * plainly.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { FailureClass } from "../Failure.ts"
import { Duration, type Policy, toMillis } from "../Policy.ts"
import type { Target } from "../Target.ts"
import { type Problem, problemsOf, unknownName } from "./Form.ts"
import { parseTime } from "./Time.ts"

/** A span of time as it varies: always the same, or lognormal. */
export const Latency = Schema.Union([
  Duration,
  Schema.Struct({ p50: Duration, p99: Duration }).check(
    Schema.makeFilter(({ p50, p99 }) => {
      if (toMillis(p50) <= 0) return "a `p50` above zero"
      return toMillis(p99) >= toMillis(p50) || "a `p99` that is not below `p50`"
    })
  )
])
export type Latency = typeof Latency.Type

const optional = <S extends Schema.Constraint>(schema: S, value: S["Encoded"]) =>
  Schema.withDecodingDefaultKey<S>(Effect.succeed(value))(schema)

const Share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }, { expected: "a share of all attempts between 0 and 1" }))

/**
 * What can go wrong with an attempt: the classes that a provider can cause, in the order in which a draw looks at them, and an answer that stops half-way without ending, which
 * is a `timeout` once its route has waited long enough.
 */
export const faults = [
  ...FailureClass.literals.filter(
    (name): name is Exclude<FailureClass, "cancelled" | "escalated"> => name !== "cancelled" && name !== "escalated"
  ),
  "stall"
] as const
export type Fault = (typeof faults)[number]

export const Behaviour = Schema.Struct({
  /** From the request to the first token. */
  firstToken: Schema.optionalKey(Latency),
  /** Between two tokens; of an answer that comes whole, too. */
  perToken: Schema.optionalKey(Latency),
  /** From the request to an error status, or to a connection that fails. */
  failAfter: Schema.optionalKey(Latency),
  /** The share of attempts that fail, by class. What is not named does not happen. */
  errors: Schema.optionalKey(Schema.Record(Schema.String, Share))
})
export type Behaviour = typeof Behaviour.Type

export const Event = Schema.Struct({
  /** When it begins and ends: durations since the start, or ISO times. Absent is the start, and the end. */
  from: Schema.optionalKey(Schema.String),
  to: Schema.optionalKey(Schema.String),
  /** Whom it strikes; everybody where neither is named. */
  targets: Schema.optionalKey(Schema.Array(Schema.String)),
  providers: Schema.optionalKey(Schema.Array(Schema.String)),
  /** With which credentials, by the variables of their keys; with all of them where absent. */
  credentials: Schema.optionalKey(Schema.Array(Schema.String)),
  /** Every attempt fails with this class. */
  outage: Schema.optionalKey(Schema.String),
  /** Everything takes so many times as long. */
  slow: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0, { expected: "a factor above 0" }))),
  /** This share of attempts is answered 429. */
  storm: Schema.optionalKey(Schema.Struct({ rate: Share, retryAfter: Schema.optionalKey(Duration) }))
})
export type Event = typeof Event.Type

export const Model = Schema.Struct({
  /** The version of this format. */
  version: optional(Schema.Literal(1), 1),
  /** What holds of every target that says nothing else, field by field. */
  default: Schema.optionalKey(Behaviour),
  targets: optional(Schema.Record(Schema.String, Behaviour), {}),
  events: optional(Schema.Array(Event), [])
})
export type Model = typeof Model.Type

/** What is assumed of a provider where nobody says anything: a hosted model of medium size on an ordinary day. */
export const assumed: Required<Behaviour> = {
  firstToken: { p50: "500 millis", p99: "3 seconds" },
  perToken: { p50: "15 millis", p99: "40 millis" },
  failAfter: { p50: "150 millis", p99: "2 seconds" },
  errors: {
    "rate-limited": 0.002,
    overloaded: 0.002,
    "server-error": 0.001,
    timeout: 0.0005,
    connection: 0.0005,
    "stream-cut": 0.0005
  }
}

/** The model without a word of the user's. */
export const assumedModel: Model = { version: 1, targets: {}, events: [] }

const decode = Schema.decodeUnknownResult(Model, { errors: "all", onExcessProperty: "error" })

/** Microseconds since the start at which an event begins or ends; undefined where the text is neither a duration nor a time. */
const momentOf = (text: string, startMillis: number): number | undefined => {
  if (Schema.is(Duration)(text)) return Math.round(toMillis(text) * 1_000)
  const time = parseTime(text)
  return time === undefined ? undefined : time - startMillis * 1_000
}

const problemsWithNames = (model: Model, policy: Policy): ReadonlyArray<Problem> => {
  const problems: Array<Problem> = []
  const say = (path: Problem["path"], message: string): void => void problems.push({ path, message })
  const targets = Object.keys(policy.targets)
  const providers = Object.keys(policy.providers)
  const expectTarget = (name: string, path: Problem["path"]): void => {
    const slash = name.indexOf("/")
    const open = slash > 0 && policy.providers[name.slice(0, slash)]?.open === true
    if (!open && !Object.hasOwn(policy.targets, name)) say(path, unknownName("target", name, targets))
  }
  const expectClass = (name: string, path: Problem["path"]): void => {
    if (!(faults as ReadonlyArray<string>).includes(name)) say(path, unknownName("failure class", name, faults))
  }
  const credentials = Object.values(policy.providers).flatMap(({ key, keys = [] }) =>
    [key, ...keys.map((one) => one.key)].flatMap((one) => one?.env ?? [])
  )
  const behaviour = ({ errors = {} }: Behaviour, path: Problem["path"]): void => {
    for (const name of Object.keys(errors)) expectClass(name, [...path, "errors", name])
    const sum = Object.values(errors).reduce((sum, share) => sum + share, 0)
    if (sum > 1 + 1e-9) say([...path, "errors"], `the shares add up to ${Math.round(sum * 1e6) / 1e6}, more than 1`)
  }
  if (model.default !== undefined) behaviour(model.default, ["default"])
  for (const [name, spec] of Object.entries(model.targets)) {
    expectTarget(name, ["targets", name])
    behaviour(spec, ["targets", name])
  }
  model.events.forEach((event, i) => {
    event.targets?.forEach((name, j) => expectTarget(name, ["events", i, "targets", j]))
    event.providers?.forEach((name, j) => {
      if (!Object.hasOwn(policy.providers, name)) say(["events", i, "providers", j], unknownName("provider", name, providers))
    })
    event.credentials?.forEach((name, j) => {
      if (!credentials.includes(name)) say(["events", i, "credentials", j], unknownName("credential", name, credentials))
    })
    if (event.outage !== undefined) expectClass(event.outage, ["events", i, "outage"])
    if (event.outage === undefined && event.slow === undefined && event.storm === undefined) {
      say(["events", i], "nothing happens in it: expected `outage`, `slow` or `storm`")
    }
    for (const end of ["from", "to"] as const) {
      const text = event[end]
      if (text !== undefined && momentOf(text, 0) === undefined) {
        say(
          ["events", i, end],
          `expected a duration since the start, such as "10 minutes", or a time, such as "2026-01-05T09:00:00Z", but found \`${text.slice(0, 60)}\``
        )
      }
    }
  })
  return problems
}

/** Decodes a model and holds it against the policy: every problem, or the model. */
export const parseModel = (json: unknown, policy: Policy): Result.Result<Model, ReadonlyArray<Problem>> => {
  const decoded = decode(json)
  if (Result.isFailure(decoded)) return Result.fail(problemsOf(json, decoded.failure.issue))
  const problems = problemsWithNames(decoded.success, policy)
  return problems.length === 0 ? Result.succeed(decoded.success) : Result.fail(problems)
}

/** Events whose end does not come after their beginning, which only the start of the simulation tells. */
export const problemsWithTimes = (model: Model, startMillis: number): ReadonlyArray<Problem> =>
  model.events.flatMap(({ from, to }, i) => {
    const [begin, end] = [from === undefined ? 0 : momentOf(from, startMillis)!, to === undefined ? Infinity : momentOf(to, startMillis)!]
    return end > begin ? [] : [{ path: ["events", i, "to"], message: "the event ends before it begins" }]
  })

/** A latency ready to be drawn from, in microseconds: constant where `sigma` is 0. */
export interface Drawn {
  readonly median: number
  /** Of the logarithm. */
  readonly sigma: number
}

/** An event as it strikes one target; times in microseconds since the start. */
export interface Strike {
  readonly from: number
  readonly to: number
  /** The credentials that it strikes; undefined for all. */
  readonly credentials: ReadonlyArray<string> | undefined
  readonly outage: Fault | undefined
  readonly slow: number
  readonly storm: number
  readonly retryAfterMillis: number | undefined
}

/** How one target behaves. */
export interface Played {
  readonly firstToken: Drawn
  readonly perToken: Drawn
  readonly failAfter: Drawn
  /** Upper ends of the parts of (0, 1) in which an attempt fails, by class. */
  readonly errors: ReadonlyArray<{ readonly fault: Fault; readonly below: number }>
  readonly strikes: ReadonlyArray<Strike>
}

/** The standard normal value below which 99 % lie. */
const z99 = 2.3263478740408408

const drawn = (latency: Latency): Drawn => {
  if (typeof latency === "string") return { median: toMillis(latency) * 1_000, sigma: 0 }
  const [p50, p99] = [toMillis(latency.p50), toMillis(latency.p99)]
  return { median: p50 * 1_000, sigma: Math.log(p99 / p50) / z99 }
}

/** What `model`, which has no problems, says of each target. */
export const play = (model: Model, startMillis: number): ((target: Pick<Target, "name" | "provider">) => Played) => {
  const events = model.events.map((event) => ({
    names: event.targets,
    providers: event.providers,
    strike: {
      from: event.from === undefined ? 0 : momentOf(event.from, startMillis)!,
      to: event.to === undefined ? Infinity : momentOf(event.to, startMillis)!,
      credentials: event.credentials,
      outage: event.outage as Fault | undefined,
      slow: event.slow ?? 1,
      storm: event.storm?.rate ?? 0,
      retryAfterMillis: event.storm?.retryAfter === undefined ? undefined : toMillis(event.storm.retryAfter)
    }
  }))
  return ({ name, provider }) => {
    const own = Object.hasOwn(model.targets, name) ? model.targets[name]! : {}
    const { errors, failAfter, firstToken, perToken } = { ...assumed, ...model.default, ...own }
    let sum = 0
    return {
      firstToken: drawn(firstToken),
      perToken: drawn(perToken),
      failAfter: drawn(failAfter),
      errors: faults.flatMap((name) => {
        const share = Object.hasOwn(errors, name) ? errors[name]! : 0
        if (share === 0) return []
        sum += share
        return [{ fault: name, below: sum }]
      }),
      strikes: events.flatMap(({ names, providers, strike }) =>
        (names === undefined && providers === undefined) || names?.includes(name) === true || providers?.includes(provider) === true
          ? [strike]
          : []
      )
    }
  }
}
