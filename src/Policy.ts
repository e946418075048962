/**
 * The policy language as data: what a policy file evaluates to, what `turnout build` prints, and what JSON or YAML written by hand is decoded by.
 *
 * Nothing here judges a policy (`Check.ts`) or knows how it is authored (`Authoring.ts`). Decoding makes every default explicit, so the canonical form,
 * and with it the hash, does not depend on what a later version would have assumed. Runs when a policy is loaded.
 *
 * A bare string is accepted wherever a strategy is expected and means `Send`; the canonical form always has the tag. Names begin with a letter and hold no
 * dot: JavaScript would reorder integer-like keys, and a dot is the path separator of JsonLogic.
 */
import { sha256 } from "@noble/hashes/sha2.js"
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import { FailureClass } from "./Failure.ts"
import { providerKinds } from "./Providers.ts"

const optional = <S extends Schema.Constraint>(schema: S, value: S["Encoded"]) =>
  Schema.withDecodingDefaultKey<S>(Effect.succeed(value))(schema)
const record = <S extends Schema.Constraint>(schema: S) => Schema.Record(Name, schema)
const PositiveInt = Schema.Int.check(Schema.isGreaterThan(0))

/** A name in a policy: a letter, then at most 63 letters, digits, `-` or `_`. */
export const Name = Schema.String.check(
  Schema.isPattern(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/u, { expected: "a name: a letter, then at most 63 letters, digits, `-` or `_`" })
)

/** Where something is served: a part of an address where a provider's has `{region}`. */
const Region = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/u, { expected: "a region such as `eu-west-1`" }))

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
/** What a split assigns by: a fact that is always present, or one with a value for its absence. */
export const Unit = Schema.Struct({ fact: Schema.NonEmptyString, or: Schema.optionalKey(Schema.String) })
export type Unit = typeof Unit.Type

export interface Arm {
  readonly name: string
  readonly weight: number
  readonly to: Strategy
}

/** How hard a reasoning model is asked to think. */
export const Effort = Schema.Literals(["none", "minimal", "low", "medium", "high", "xhigh", "max"])
export type Effort = typeof Effort.Type

/** Headers in which callers send their keys: a condition that compared one would hold a secret. */
const credentials = /^(?:authorization|proxy-authorization|cookie|x-api-key|api-key|x-goog-api-key|x-turnout-key|x-bf-vk)$/

/** Headers that no policy sets: credentials, those of the connection, and those that the gateway writes itself. */
const ownHeaders =
  /^(?:authorization|proxy-.*|cookie|set-cookie|x-api-key|api-key|x-goog-api-key|x-turnout-.*|host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|content-.*|accept-encoding)$/
const SentHeader = Schema.String.check(
  Schema.isPattern(/^[a-z][a-z0-9-]{0,63}$/u, { expected: "a header name in lower case" }),
  Schema.makeFilter((name: string) => !ownHeaders.test(name) || "a header that is neither a credential nor the connection's")
)

/** What a `send` sets of the request, whatever its caller says. */
export const Overrides = Schema.Struct({
  temperature: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 2 }))),
  /** The most tokens that the answer may have; a caller may ask for fewer. */
  maxOutputTokens: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
  reasoningEffort: Schema.optionalKey(Effort),
  /** Sent beside the dialect's own headers. */
  headers: Schema.optionalKey(
    Schema.Record(SentHeader, Schema.String.check(Schema.isPattern(/^[\x20-\x7e]{0,1024}$/u, { expected: "printable ASCII" })))
  ),
  /** Where it is served, for a provider whose `baseUrl` has `{region}`. */
  region: Schema.optionalKey(Region),
  /** The provider's name for what serves the model. */
  deployment: Schema.optionalKey(Schema.NonEmptyString)
})
export type Overrides = typeof Overrides.Type

/** One target, by itself or with what is set for it. */
export interface Send {
  readonly _tag: "Send"
  readonly target: string
  readonly set?: Overrides
}

/** What `spread` chooses by. */
export const SpreadBy = Schema.Literals(["latency", "least-busy", "round-robin", "cost"])
export type SpreadBy = typeof SpreadBy.Type

/** The waits between the tries of `retry`: the first, doubled each time up to the longest, each shortened by up to a half so that callers do not return in step. */
export interface Backoff {
  readonly first: string
  readonly longest: string
}

/** How a route answers. Each construct is one case, and a new one fails to typecheck in the checker, the compiler and the reference. */
export type Strategy =
  | Send
  | { readonly _tag: "Asked" }
  | { readonly _tag: "Deny"; readonly status: number; readonly code: string; readonly message: string }
  | { readonly _tag: "First"; readonly of: readonly [Strategy, ...ReadonlyArray<Strategy>]; readonly on?: ReadonlyArray<FailureClass> }
  | { readonly _tag: "Split"; readonly by: Unit; readonly salt: string; readonly arms: readonly [Arm, ...ReadonlyArray<Arm>] }
  | { readonly _tag: "Spread"; readonly by: SpreadBy; readonly of: readonly [Send, ...ReadonlyArray<Send>] }
  | { readonly _tag: "Pool"; readonly pool: string }
  | { readonly _tag: "When"; readonly if: ConditionJson; readonly then: Strategy; readonly otherwise: Strategy }
  | { readonly _tag: "Hedge"; readonly of: Strategy; readonly after: string; readonly with: Strategy }
  | { readonly _tag: "Within"; readonly duration: string; readonly of: Strategy }
  | {
      readonly _tag: "Retry"
      /** Tries in all, the first one included. */
      readonly attempts: number
      readonly backoff: Backoff
      readonly on?: ReadonlyArray<FailureClass>
      readonly of: Strategy
    }

/** A strategy as it may be written: the canonical one, or a target's name where `Send` is meant. */
export type StrategyEncoded =
  | string
  | Exclude<Strategy, { readonly _tag: "First" | "Split" | "Spread" | "When" | "Hedge" | "Within" | "Retry" }>
  | {
      readonly _tag: "First"
      readonly of: readonly [StrategyEncoded, ...ReadonlyArray<StrategyEncoded>]
      readonly on?: ReadonlyArray<FailureClass>
    }
  | { readonly _tag: "Split"; readonly by: Unit; readonly salt: string; readonly arms: readonly [ArmEncoded, ...ReadonlyArray<ArmEncoded>] }
  | { readonly _tag: "When"; readonly if: ConditionJson; readonly then: StrategyEncoded; readonly otherwise: StrategyEncoded }
  | { readonly _tag: "Spread"; readonly by: SpreadBy; readonly of: readonly [SendEncoded, ...ReadonlyArray<SendEncoded>] }
  | { readonly _tag: "Hedge"; readonly of: StrategyEncoded; readonly after: string; readonly with: StrategyEncoded }
  | { readonly _tag: "Within"; readonly duration: string; readonly of: StrategyEncoded }
  | {
      readonly _tag: "Retry"
      readonly attempts: number
      readonly backoff?: Partial<Backoff>
      readonly on?: ReadonlyArray<FailureClass>
      readonly of: StrategyEncoded
    }
/** A target as a member of `spread`: its name, or with what is set for it. */
export type SendEncoded = string | Send
export interface ArmEncoded {
  readonly name: string
  readonly weight: number
  readonly to: StrategyEncoded
}

const Nested = Schema.suspend((): Schema.Codec<Strategy, StrategyEncoded> => Strategy)

/** The salt of a split, part of what it hashes. */
const Salt = Schema.String.check(Schema.isPattern(/^[^\0]{1,128}$/u, { expected: "one to 128 characters" }))

/** The failure classes that a strategy can be told to go on after. */
const On = Schema.optionalKey(Schema.Array(FailureClass.pick(FailureClass.literals.filter((name) => name !== "cancelled"))))

const sendFields = { target: Schema.String, set: Schema.optionalKey(Overrides) }

const Shorthand = Schema.String.pipe(
  Schema.decodeTo(Schema.TaggedStruct("Send", sendFields), {
    decode: SchemaGetter.transform((target: string) => ({ _tag: "Send" as const, target })),
    encode: SchemaGetter.transform(({ target }: { readonly target: string }) => target)
  })
)

// The tagged case comes first, so that encoding (the canonical form) never chooses the shorthand.
const Member: Schema.Codec<Send, SendEncoded> = Schema.Union([Schema.TaggedStruct("Send", sendFields), Shorthand])

const Tagged = Schema.TaggedUnion({
  Send: sendFields,
  Asked: {},
  Deny: {
    status: Schema.Int.check(Schema.isBetween({ minimum: 400, maximum: 599 })),
    code: Schema.String.check(Schema.isPattern(/^[a-z][a-z0-9_]{0,63}$/u, { expected: "a code in snake_case" })),
    message: Schema.NonEmptyString
  },
  First: { of: Schema.NonEmptyArray(Nested), on: On },
  Split: { by: Unit, salt: Salt, arms: Schema.NonEmptyArray(Schema.Struct({ name: Name, weight: Schema.Number, to: Nested })) },
  Spread: { by: SpreadBy, of: Schema.NonEmptyArray(Member) },
  Pool: { pool: Schema.String },
  When: { if: Schema.Json, then: Nested, otherwise: Nested },
  Hedge: { of: Nested, after: Duration, with: Nested },
  Within: { duration: Duration, of: Nested },
  Retry: {
    attempts: Schema.Int.check(Schema.isBetween({ minimum: 2, maximum: 10 })),
    backoff: optional(Schema.Struct({ first: optional(Duration, "500 millis"), longest: optional(Duration, "8 seconds") }), {}),
    on: On,
    of: Nested
  }
})

// The tagged cases come first, so that encoding (the canonical form) never chooses the shorthand.
export const Strategy: Schema.Codec<Strategy, StrategyEncoded> = Schema.Union([Tagged, Shorthand]).annotate({ identifier: "Strategy" })

/** How a mock deployment behaves: the mock server plays a provider where there is no account. */
export const MockModel = Schema.Struct({
  /** From the request to the first token. */
  firstToken: Schema.optionalKey(Duration),
  /** Between two tokens of a stream. */
  perToken: Schema.optionalKey(Duration),
  /** What goes wrong with every call: an HTTP status, a reset connection, an answer that never comes, a stream that ends half-way. */
  fault: Schema.optionalKey(
    Schema.Union([Schema.Int.check(Schema.isBetween({ minimum: 400, maximum: 599 })), Schema.Literals(["reset", "stall", "cut"])])
  )
})
export type MockModel = typeof MockModel.Type

const BaseUrl = Schema.String.check(
  Schema.makeFilter((text: string) => {
    const url = URL.parse(text.replaceAll("{region}", "region"))
    if (url === null || !(url.protocol === "http:" || url.protocol === "https:")) return "an http or https URL"
    if (url.username !== "" || url.password !== "") return "a URL without credentials: use `key`"
    return url.search === "" && url.hash === "" ? undefined : "a URL without query and fragment"
  })
)

export const ProviderSpec = Schema.Struct({
  dialect: Schema.Literals(providerKinds),
  /** Where the provider answers; the registry's address where absent. `{region}` in it stands for the region of the target. */
  baseUrl: Schema.optionalKey(BaseUrl),
  key: Schema.optionalKey(Secret),
  /** Where it serves, unless a target says otherwise. */
  region: Schema.optionalKey(Region),
  /** Whether callers may ask for models that are not declared as targets, as `provider/model`. */
  open: optional(Schema.Boolean, false),
  /** Models that the built-in mock server answers for at `baseUrl`, which is then a loopback address. */
  mock: Schema.optionalKey(Schema.Record(Schema.NonEmptyString, MockModel))
})
export type ProviderSpec = typeof ProviderSpec.Type

/** What a target can do, as far as its policy says. */
export const CapabilitiesSpec = Schema.Struct({
  /** Tokens of input and output together. */
  contextWindow: Schema.optionalKey(PositiveInt),
  vision: Schema.optionalKey(Schema.Boolean),
  audio: Schema.optionalKey(Schema.Boolean),
  files: Schema.optionalKey(Schema.Boolean),
  tools: Schema.optionalKey(Schema.Boolean),
  structuredOutput: Schema.optionalKey(Schema.Boolean),
  reasoning: Schema.optionalKey(Schema.Boolean)
})

const Price = Usd.check(
  Schema.makeFilter(
    ({ usd }: Usd) =>
      Math.abs(usd * 1e6 - Math.round(usd * 1e6)) < 1e-6 * Math.max(1, usd) || "at most six decimals of a dollar for a million tokens"
  )
)

export const TargetSpec = Schema.Struct({
  provider: Schema.String,
  /** The provider's own name for the model. */
  model: Schema.NonEmptyString,
  /** The provider's name for what serves the model, where it has one of its own. */
  deployment: Schema.optionalKey(Schema.NonEmptyString),
  region: Schema.optionalKey(Region),
  /** What guards may speak of. */
  tags: optional(Schema.Array(Name), []),
  /** What the model can do; what is not said here is looked up, and else unknown. */
  capabilities: optional(CapabilitiesSpec, {}),
  /** Dollars for a million tokens, to six decimals: what is finer than a pico-dollar a token would be lost. Cached input costs as much as other input unless said. */
  price: Schema.optionalKey(
    Schema.Struct({
      input: Price,
      output: Price,
      cacheRead: Schema.optionalKey(Price),
      cacheWrite: Schema.optionalKey(Price)
    })
  ),
  /** The most tokens that an answer may have. */
  maxOutputTokens: Schema.optionalKey(PositiveInt),
  /** The most tokens that the provider adds to a request of its own (tool instructions, templates), for reservations. */
  addedTokens: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  /** The most tokens that one image, recording or file counts, for reservations. */
  mediaTokens: Schema.optionalKey(
    Schema.Struct({
      image: Schema.optionalKey(PositiveInt),
      audio: Schema.optionalKey(PositiveInt),
      file: Schema.optionalKey(PositiveInt)
    })
  )
})
export type TargetSpec = typeof TargetSpec.Type

export const Budget = Schema.Struct({
  per: Schema.Literals(["key", "class", "team", "organisation"]),
  limit: Usd,
  every: Schema.Literals(["day", "month"])
})
export type Budget = typeof Budget.Type
/** `"any"`, or these alone. */
const Only = <S extends Schema.Constraint>(of: S) => Schema.Union([Schema.Literal("any"), Schema.Array(of)])
export const Class = Schema.Struct({
  /** Targets by name, and `provider/*` for undeclared models of an open provider. What is not named is granted to nobody of the class. */
  may: Schema.Array(Schema.String),
  /** Of these, only what these providers serve. */
  providers: optional(Only(Schema.String), "any"),
  /** Of these, only what is served in these regions; a target without a region is in none. */
  regions: optional(Only(Region), "any"),
  /** The budgets that its callers spend from, all of them. */
  within: optional(Schema.Array(Schema.String), [])
})
export type Class = typeof Class.Type
export const Key = Schema.Struct({
  secret: KeySecret,
  class: Schema.String,
  team: Schema.optionalKey(Name),
  organisation: Schema.optionalKey(Name),
  /** Of the policy's `tags`. */
  tags: optional(Schema.Array(Name), [])
})
export type Key = typeof Key.Type

/** What a provider is to the model: its maker, a cloud that serves it under a contract of its own, a host of others' models, a router to such hosts, or the policy's own. */
export const VendorClass = Schema.Literals(["maker", "cloud", "host", "router", "own"])
export type VendorClass = typeof VendorClass.Type

/** What a target can be known to do, as guards and `check` name it. */
export const Capability = Schema.Literals(["vision", "audio", "files", "tools", "structuredOutput", "reasoning"])
export type Capability = typeof Capability.Type

/** Targets, by what they are: every field that is given must fit, and a list fits where one of it does. */
export const Selector = Schema.Struct({
  targets: Schema.optionalKey(Schema.NonEmptyArray(Schema.String)),
  /** By the provider's own name for the model, in any case; a deployment with another name must be named too, or it is not known which model it is. */
  models: Schema.optionalKey(Schema.NonEmptyArray(Schema.NonEmptyString)),
  providers: Schema.optionalKey(Schema.NonEmptyArray(Schema.String)),
  regions: Schema.optionalKey(Schema.NonEmptyArray(Region)),
  vendors: Schema.optionalKey(Schema.NonEmptyArray(VendorClass)),
  tags: Schema.optionalKey(Schema.NonEmptyArray(Name)),
  capabilities: Schema.optionalKey(Schema.NonEmptyArray(Capability)),
  /** Dearer than this, in dollars for a million tokens of input; of prices that grow with the request the dearest counts. */
  inputAbove: Schema.optionalKey(Price),
  /** The same of output. */
  outputAbove: Schema.optionalKey(Price)
}).check(Schema.makeFilter((selector: object) => Object.keys(selector).length > 0 || "at least one field to choose targets by"))
export type Selector = typeof Selector.Type

/**
 * What no candidate may be (`forbid`), or must be (`require`), where the condition holds. It holds for every attempt of every kind, and order means nothing. What is not known
 * of a target counts against it.
 */
export const Guard = Schema.Struct({
  name: Name,
  when: Schema.optionalKey(Schema.Json),
  forbid: Schema.optionalKey(Selector),
  require: Schema.optionalKey(Selector)
}).check(
  Schema.makeFilter(
    (guard: { readonly forbid?: unknown; readonly require?: unknown }) =>
      (guard.forbid === undefined) !== (guard.require === undefined) || "either `forbid` or `require`"
  )
)
export type Guard = typeof Guard.Type

/** When an answer counts as begun, so that nothing can fail over any more: with the provider's headers, its first content, or when it has come whole. */
export const Commit = Schema.Literals(["headers", "first-content", "whole"])
export type Commit = typeof Commit.Type

/** How long an attempt may take, from its beginning: to connect, to the headers, to the first content of a stream, between two chunks, and in all. */
const timeouts = { connect: Duration, headers: Limit, firstToken: Limit, idle: Limit, total: Limit }
/** How much one call may cost over all its attempts: how many, how long until one has begun to answer, and in dollars. */
const effort = { attempts: PositiveInt, time: Limit, dollars: Schema.Union([Schema.Literal("none"), Usd]) }

const Timeouts = Schema.Struct({
  connect: optional(timeouts.connect, "5 seconds"),
  headers: optional(timeouts.headers, "120 seconds"),
  firstToken: optional(timeouts.firstToken, "none"),
  idle: optional(timeouts.idle, "60 seconds"),
  total: optional(timeouts.total, "none")
})
const EffortLimits = Schema.Struct({
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
  timeouts: Schema.optionalKey(partly(timeouts)),
  effort: Schema.optionalKey(partly(effort)),
  to: Strategy
})
export type Route = typeof Route.Type

/** Targets that routes share, and how one of them is chosen. */
export const Pool = Schema.Struct({ by: SpreadBy, of: Schema.NonEmptyArray(Member) })
export type Pool = typeof Pool.Type

/** Rules that an organisation lays over a policy: guards, and budgets that bind every caller. They can only narrow. */
export const Layer = Schema.Struct({ name: Name, guards: optional(Schema.Array(Guard), []), budgets: optional(record(Budget), {}) })
export type Layer = typeof Layer.Type

/** A finding that the author has looked at and lives with. */
export const Accepted = Schema.Struct({
  /** Its code. */
  finding: Schema.NonEmptyString,
  /** A part of its place, such as a route's name; everywhere where absent. */
  at: Schema.optionalKey(Schema.NonEmptyString),
  because: Schema.NonEmptyString
})

const Zone = Schema.String.check(
  Schema.makeFilter((zone: string) => {
    try {
      Intl.DateTimeFormat("en", { timeZone: zone })
      return undefined
    } catch {
      return "a time zone such as `Europe/Berlin`"
    }
  })
)

/** A policy, decoded: every default is explicit, names are not yet resolved. */
export const Policy = Schema.Struct({
  /** The version of the policy language. */
  version: optional(Schema.Literal(1), 1),
  name: Name,
  /** The hash that assigns the arms of splits: a policy keeps its assignments for as long as it keeps this. */
  splitHash: optional(Schema.Literal("murmur3-x86-32"), "murmur3-x86-32"),
  /** Fields of the request's `metadata` that conditions may read. */
  metadata: optional(Schema.Array(Name), []),
  /** Headers that conditions may read, in lower case. */
  headers: optional(
    Schema.Array(
      Schema.String.check(
        Schema.isPattern(/^[a-z][a-z0-9-]{0,63}$/u, { expected: "a header name in lower case" }),
        Schema.makeFilter((name: string) => !credentials.test(name) || "a header that holds no credential: `caller` says who calls")
      )
    ),
    []
  ),
  /** Tags of callers that conditions may read. */
  tags: optional(Schema.Array(Name), []),
  /** The time zone of the hour and the weekday that conditions read. */
  zone: optional(Zone, "UTC"),
  /** What an organisation lays over the policy; all of it applies. */
  layers: optional(Schema.Array(Layer), []),
  providers: record(ProviderSpec),
  targets: record(TargetSpec),
  pools: optional(record(Pool), {}),
  /** Further names for targets, which may be any model name that callers use. */
  aliases: optional(Schema.Record(Schema.NonEmptyString, Schema.String), {}),
  budgets: optional(record(Budget), {}),
  classes: optional(record(Class), {}),
  keys: optional(record(Key), {}),
  guards: optional(Schema.Array(Guard), []),
  commit: optional(Commit, "first-content"),
  timeouts: optional(Timeouts, {}),
  effort: optional(EffortLimits, {}),
  routes: Schema.NonEmptyArray(Route),
  accept: optional(Schema.Array(Accepted), [])
}).annotate({ identifier: "Policy" })
export type Policy = typeof Policy.Type
export type PolicyEncoded = typeof Policy.Encoded

const encode = Schema.encodeSync(Policy)

/** Decodes a policy strictly: every fault is found, and a field that the language does not know is one. */
export const decode = Schema.decodeUnknownResult(Policy, { errors: "all", onExcessProperty: "error" })

const sorted = (json: unknown): unknown => {
  if (Array.isArray(json)) return json.map(sorted)
  if (typeof json !== "object" || json === null) return json
  return Object.fromEntries(
    Object.entries(json)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => [key, sorted(value)])
  )
}

/**
 * The canonical JSON of a policy: keys sorted by UTF-16 code units, no space, numbers as ECMAScript prints them, as RFC 8785 says.
 * Equal policies have equal texts.
 */
export const canonical = (policy: Policy): string => JSON.stringify(sorted(encode(policy)))

/** SHA-256 of the canonical JSON, in hexadecimal. */
export const hash = (policy: Policy): string => bytesToHex(sha256(utf8ToBytes(canonical(policy))))

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
