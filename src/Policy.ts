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

/** A name in a policy: a letter, then at most 63 letters, digits, `-` or `_`. */
export const Name = Schema.String.check(
  Schema.isPattern(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, { expected: "a name: a letter, then at most 63 letters, digits, `-` or `_`" })
)

/** A span of time in words, `"60 seconds"`. */
export type Duration = `${number} ${"millis" | "seconds" | "minutes" | "hours" | "days"}`
export const Duration = Schema.String.check(
  Schema.isPattern(/^(0|[1-9]\d{0,8})(\.\d{1,3})? (millis|seconds|minutes|hours|days)$/, {
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

/** A secret by the name of the environment variable that holds it; the policy never holds the secret itself. */
export const Secret = Schema.Struct({
  env: Schema.String.check(Schema.isPattern(/^[A-Za-z_][A-Za-z0-9_]*$/, { expected: "the name of an environment variable" }))
})
export type Secret = typeof Secret.Type

/** The secret of a caller's key: in the environment, or known by its SHA-256 alone, in hexadecimal. */
export const KeySecret = Schema.Union([
  Secret,
  Schema.Struct({
    sha256: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/, { expected: "a SHA-256 as 64 hexadecimal digits in lower case" }))
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

/** How a route answers. Each construct is one case, and a new one fails to typecheck in the checker, the compiler and the reference. */
export type Strategy =
  | { readonly _tag: "Send"; readonly target: string }
  | { readonly _tag: "Asked" }
  | { readonly _tag: "Deny"; readonly status: number; readonly code: string; readonly message: string }
  | { readonly _tag: "First"; readonly of: readonly [Strategy, ...ReadonlyArray<Strategy>]; readonly on?: ReadonlyArray<FailureClass> }
  | { readonly _tag: "Split"; readonly by: Unit; readonly salt: string; readonly arms: readonly [Arm, ...ReadonlyArray<Arm>] }
  | { readonly _tag: "When"; readonly if: ConditionJson; readonly then: Strategy; readonly otherwise: Strategy }
  | { readonly _tag: "Within"; readonly duration: string; readonly of: Strategy }

/** A strategy as it may be written: the canonical one, or a target's name where `Send` is meant. */
export type StrategyEncoded =
  | string
  | Exclude<Strategy, { readonly _tag: "First" | "Split" | "When" | "Within" }>
  | {
      readonly _tag: "First"
      readonly of: readonly [StrategyEncoded, ...ReadonlyArray<StrategyEncoded>]
      readonly on?: ReadonlyArray<FailureClass>
    }
  | { readonly _tag: "Split"; readonly by: Unit; readonly salt: string; readonly arms: readonly [ArmEncoded, ...ReadonlyArray<ArmEncoded>] }
  | { readonly _tag: "When"; readonly if: ConditionJson; readonly then: StrategyEncoded; readonly otherwise: StrategyEncoded }
  | { readonly _tag: "Within"; readonly duration: string; readonly of: StrategyEncoded }
export interface ArmEncoded {
  readonly name: string
  readonly weight: number
  readonly to: StrategyEncoded
}

const Nested = Schema.suspend((): Schema.Codec<Strategy, StrategyEncoded> => Strategy)

/** The salt of a split, part of what it hashes. */
const Salt = Schema.String.check(Schema.isPattern(/^[^\0]{1,128}$/, { expected: "one to 128 characters" }))

const Tagged = Schema.TaggedUnion({
  Send: { target: Schema.String },
  Asked: {},
  Deny: {
    status: Schema.Int.check(Schema.isBetween({ minimum: 400, maximum: 599 })),
    code: Schema.String.check(Schema.isPattern(/^[a-z][a-z0-9_]{0,63}$/, { expected: "a code in snake_case" })),
    message: Schema.NonEmptyString
  },
  First: {
    of: Schema.NonEmptyArray(Nested),
    on: Schema.optionalKey(Schema.Array(FailureClass.pick(FailureClass.literals.filter((name) => name !== "cancelled"))))
  },
  Split: { by: Unit, salt: Salt, arms: Schema.NonEmptyArray(Schema.Struct({ name: Name, weight: Schema.Number, to: Nested })) },
  When: { if: Schema.Json, then: Nested, otherwise: Nested },
  Within: { duration: Duration, of: Nested }
})

const Shorthand = Schema.String.pipe(
  Schema.decodeTo(Schema.TaggedStruct("Send", { target: Schema.String }), {
    decode: SchemaGetter.transform((target: string) => ({ _tag: "Send" as const, target })),
    encode: SchemaGetter.transform(({ target }: { readonly target: string }) => target)
  })
)
// The tagged cases come first, so that encoding (the canonical form) never chooses the shorthand.
export const Strategy: Schema.Codec<Strategy, StrategyEncoded> = Schema.Union([Tagged, Shorthand])

const optional = <S extends Schema.Constraint>(schema: S, value: S["Encoded"]) =>
  Schema.withDecodingDefaultKey<S>(Effect.succeed(value))(schema)
const record = <S extends Schema.Constraint>(schema: S) => Schema.Record(Name, schema)
const PositiveInt = Schema.Int.check(Schema.isGreaterThan(0))

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
    const url = URL.parse(text)
    if (url === null || !(url.protocol === "http:" || url.protocol === "https:")) return "an http or https URL"
    if (url.username !== "" || url.password !== "") return "a URL without credentials: use `key`"
    return url.search === "" && url.hash === "" ? undefined : "a URL without query and fragment"
  })
)

export const ProviderSpec = Schema.Struct({
  dialect: Schema.Literals(providerKinds),
  /** Where the provider answers; the registry's address where absent. */
  baseUrl: Schema.optionalKey(BaseUrl),
  key: Schema.optionalKey(Secret),
  region: Schema.optionalKey(Schema.NonEmptyString),
  /** Whether callers may ask for models that are not declared as targets, as `provider/model`. */
  open: optional(Schema.Boolean, false),
  /** Models that the built-in mock server answers for at `baseUrl`, which is then a loopback address. */
  mock: Schema.optionalKey(Schema.Record(Schema.NonEmptyString, MockModel))
})
export type ProviderSpec = typeof ProviderSpec.Type

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
  region: Schema.optionalKey(Schema.NonEmptyString),
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
  per: Schema.Literals(["key", "class", "team"]),
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
  regions: optional(Only(Schema.NonEmptyString), "any"),
  /** The budgets that its callers spend from, all of them. */
  within: optional(Schema.Array(Schema.String), [])
})
export type Class = typeof Class.Type
export const Key = Schema.Struct({ secret: KeySecret, class: Schema.String, team: Schema.optionalKey(Name) })
export type Key = typeof Key.Type

export const Route = Schema.Struct({ name: Name, when: Schema.optionalKey(Schema.Json), to: Strategy })
export type Route = typeof Route.Type

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
    Schema.Array(Schema.String.check(Schema.isPattern(/^[a-z][a-z0-9-]{0,63}$/, { expected: "a header name in lower case" }))),
    []
  ),
  providers: record(ProviderSpec),
  targets: record(TargetSpec),
  /** Further names for targets, which may be any model name that callers use. */
  aliases: optional(Schema.Record(Schema.NonEmptyString, Schema.String), {}),
  budgets: optional(record(Budget), {}),
  classes: optional(record(Class), {}),
  keys: optional(record(Key), {}),
  routes: Schema.NonEmptyArray(Route)
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
