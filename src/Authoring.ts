/**
 * How a policy is written in TypeScript: `policy({ … })` with typed words, which evaluates to the plain data of `Policy.ts`.
 *
 * This is not a second language. Whatever is written here could be written in JSON, decodes by the same schema and is judged by the same
 * check; the types only say earlier, and at the word itself, what the check would say. Runs when a policy file is evaluated, in a worker
 * of its own, so nothing that it imports imports `effect`, which would be most of the time that loading a policy takes.
 */
import type { KeySecret, PolicyEncoded, Secret, Usd } from "./Policy.ts"
import type { Naming } from "./authoring/Names.ts"
import { plain } from "./authoring/Plain.ts"
import type { Auth, EntraAuth, GoogleAuth, Guard, PolicySource, Route, WithGuards } from "./authoring/Types.ts"
import { wordsFor } from "./authoring/Words.ts"

export { guards, organisation, routes, sections, under } from "./authoring/Composition.ts"
export type { GuardsOf, RoutesOf, WordsOf } from "./authoring/Composition.ts"
export type {
  About,
  AnswerFacts,
  BudgetFacts,
  CallerFacts,
  Choice,
  Condition,
  ConditionWords,
  CountOrAbsent,
  Flag,
  HealthFacts,
  JsonLogic,
  NumberOrAbsent,
  Numeric,
  RequestFacts,
  Some,
  Text,
  TextOrAbsent,
  TimeFacts,
  Unit
} from "./authoring/Facts.ts"
export type { Names, NamesOf, Naming, ProvidersOf, TargetTagsOf } from "./authoring/Names.ts"
export { plain } from "./authoring/Plain.ts"
export type {
  Arm,
  Arms,
  Built,
  EscalateOptions,
  FirstOptions,
  HedgeOptions,
  On,
  Overrides,
  RetryOptions,
  Sent,
  ShadowOptions,
  SplitOptions,
  Strategy,
  Words
} from "./authoring/Strategies.ts"
export type {
  Accepted,
  Auth,
  Budget,
  Capabilities,
  Checked,
  CheckedGuards,
  Class,
  EffortLimits,
  EntraAuth,
  GoogleAuth,
  Guard,
  Key,
  Layer,
  Mock,
  OpenModels,
  PolicySource,
  Pool,
  Provider,
  Route,
  Sections,
  Selector,
  Target,
  Timeouts,
  WithGuards,
  WriteGuards
} from "./authoring/Types.ts"

/** An amount in dollars; as a price, dollars for a million tokens. */
export const usd = (dollars: number): Usd => {
  if (typeof dollars === "number" && Number.isFinite(dollars) && dollars >= 0) return { usd: dollars }
  throw new RangeError(
    `\`usd(${JSON.stringify(dollars) === "null" ? String(dollars) : JSON.stringify(dollars)})\`: expected dollars, a finite number from 0`
  )
}

/** The secret that an environment variable holds when the gateway starts. */
export const env = (name: string): Secret => {
  if (typeof name === "string" && /^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return { env: name }
  // The text is not repeated: it may be the secret itself.
  throw new TypeError("`env(…)`: expected the name of an environment variable, such as `OPENAI_API_KEY`, and not the secret")
}

/** Tokens of Microsoft Entra ID, for an application that signs in with a secret of its own. */
export const entra = ({ authority, client, scope, secret, tenant }: EntraAuth): Auth => ({
  entra: { tenant, client, secret, ...(scope === undefined ? {} : { scope }), ...(authority === undefined ? {} : { authority }) }
})

/** Tokens of Google Cloud: by a service account's JSON in the environment, else by what the machine itself has (application default credentials). */
export const google = ({ credentials }: GoogleAuth = {}): Auth => ({ google: credentials === undefined ? {} : { credentials } })

/** A key's secret that is nowhere: only its SHA-256 is known, in hexadecimal (`printf %s "$SECRET" | sha256sum`). */
export const sha256 = (hash: string): KeySecret => {
  if (typeof hash === "string" && /^[0-9a-f]{64}$/.test(hash)) return { sha256: hash }
  throw new TypeError("`sha256(…)`: expected 64 hexadecimal digits in lower case, and not the secret")
}

const mapValues = (record: object, change: (value: unknown) => unknown): unknown =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]))

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null && !Array.isArray(value)

/** Pools as the policy language has them: a member with settings is a `send`. */
const poolsOf = (pools: unknown): unknown =>
  isObject(pools)
    ? mapValues(pools, (pool) =>
        isObject(pool) && "of" in pool && Array.isArray(pool.of) ? { ...pool, of: (pool.of as ReadonlyArray<unknown>).map(memberOf) } : pool
      )
    : pools
const memberOf = (member: unknown): unknown => (isObject(member) && !("_tag" in member) ? { _tag: "Send", ...member } : member)

/** A policy. Every name that `guards` and `routes` use is known from the sections before them; the result is plain JSON data. */
export const policy = <
  const P,
  const T extends string,
  const X extends string = never,
  const A extends string = never,
  const L extends string = never,
  const B extends string = never,
  const C extends string = never,
  const K extends string = never,
  const G extends string = never,
  const M extends string = never,
  const H extends string = never,
  const Y extends string = never,
  const R extends ReadonlyArray<Route<NoInfer<T>>> = ReadonlyArray<Route<NoInfer<T>>>,
  const D extends ReadonlyArray<Guard<NoInfer<T>, NoInfer<keyof P & string>, NoInfer<X>>> = never
>(
  source: PolicySource<P, T, X, A, L, B, C, K, G, M, H, Y, R, D> & WithGuards<Naming<T, L, B | Y, C, K, G, M, H>, D>
): PolicyEncoded => {
  if (typeof source?.routes !== "function") {
    throw new TypeError("`policy({ … })`: expected `routes` to be a function of the words, `routes: ({ first }) => [ … ]`")
  }
  const { guards, pools } = source
  if (guards !== undefined && typeof guards !== "function") {
    throw new TypeError("`policy({ … })`: expected `guards` to be a function of the words, `guards: ({ request }) => [ … ]`")
  }
  const words = wordsFor<Naming<T, L, B | Y, C, K, G, M, H>>()
  return plain({
    ...source,
    ...(pools === undefined ? {} : { pools: poolsOf(pools) }),
    ...(guards === undefined ? {} : { guards: guards(words) }),
    routes: source.routes(words)
  }) as PolicyEncoded
}
