/** Strategies: how a route answers, as it is written and as it is decoded. A bare string means `Send`; the canonical form always has the tag. */
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import { FailureClass } from "../Failure.ts"
import { type ConditionJson, Duration, Name, optional, Region } from "./terms.ts"

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

/** The waits between the tries of `retry`: the first, doubled each time up to the longest, each anything from nothing to that so that callers do not return in step. */
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
  | { readonly _tag: "Shadow"; readonly of: Strategy; readonly copy: Strategy; readonly sample: number }
  | { readonly _tag: "Escalate"; readonly of: Strategy; readonly if: ConditionJson; readonly to: Strategy }
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
  | Exclude<Strategy, { readonly _tag: "First" | "Split" | "Spread" | "When" | "Hedge" | "Shadow" | "Escalate" | "Within" | "Retry" }>
  | {
      readonly _tag: "First"
      readonly of: readonly [StrategyEncoded, ...ReadonlyArray<StrategyEncoded>]
      readonly on?: ReadonlyArray<FailureClass>
    }
  | { readonly _tag: "Split"; readonly by: Unit; readonly salt: string; readonly arms: readonly [ArmEncoded, ...ReadonlyArray<ArmEncoded>] }
  | { readonly _tag: "When"; readonly if: ConditionJson; readonly then: StrategyEncoded; readonly otherwise: StrategyEncoded }
  | { readonly _tag: "Spread"; readonly by: SpreadBy; readonly of: readonly [SendEncoded, ...ReadonlyArray<SendEncoded>] }
  | { readonly _tag: "Hedge"; readonly of: StrategyEncoded; readonly after: string; readonly with: StrategyEncoded }
  | { readonly _tag: "Shadow"; readonly of: StrategyEncoded; readonly copy: StrategyEncoded; readonly sample: number }
  | { readonly _tag: "Escalate"; readonly of: StrategyEncoded; readonly if: ConditionJson; readonly to: StrategyEncoded }
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
const On = Schema.optionalKey(
  Schema.Array(FailureClass.pick(FailureClass.literals.filter((name) => name !== "cancelled" && name !== "escalated")))
)

const sendFields = { target: Schema.String, set: Schema.optionalKey(Overrides) }

const Shorthand = Schema.String.pipe(
  Schema.decodeTo(Schema.TaggedStruct("Send", sendFields), {
    decode: SchemaGetter.transform((target: string) => ({ _tag: "Send" as const, target })),
    encode: SchemaGetter.transform(({ target }: { readonly target: string }) => target)
  })
)

// The tagged case comes first, so that encoding (the canonical form) never chooses the shorthand.
export const Member: Schema.Codec<Send, SendEncoded> = Schema.Union([Schema.TaggedStruct("Send", sendFields), Shorthand])

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
  /** Of every hundred calls, `sample` are copied. */
  Shadow: { of: Nested, copy: Nested, sample: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })) },
  /** `if` is asked of the answer that `of` has given. */
  Escalate: { of: Nested, if: Schema.Json, to: Nested },
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
