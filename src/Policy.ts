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
import * as Schema from "effect/Schema"
import { Budget, Class, Key } from "./policy/callers.ts"
import { Guard, Layer } from "./policy/guards.ts"
import { Accepted, Commit, EffortLimits, FetchSpec, Route, Timeouts, Translation } from "./policy/routes.ts"
import { Pool, ProviderSpec, TargetSpec } from "./policy/targets.ts"
import { credentials, Name, optional, record, Zone } from "./policy/terms.ts"

export * from "./policy/callers.ts"
export * from "./policy/guards.ts"
export { Accepted, Commit, Route } from "./policy/routes.ts"
export * from "./policy/strategy.ts"
export * from "./policy/targets.ts"
export {
  type ConditionJson,
  Duration,
  KeySecret,
  Limit,
  Name,
  Secret,
  toMillis,
  toNanoDollars,
  toPicoDollarsPerToken,
  Usd
} from "./policy/terms.ts"

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
  translation: optional(Translation, "report"),
  fetch: Schema.optionalKey(FetchSpec),
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
