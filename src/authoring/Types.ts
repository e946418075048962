/**
 * The types of the authoring surface: what an author may write, and where the red mark stands when it is wrong.
 *
 * Only types; nothing here runs. Names are inferred from the keys of `providers`, `targets`, `budgets` and so on; `routes` is a function
 * of the words, so the compiler looks at it last, with words that know those names. Four habits keep every mistake one short error at the
 * wrong word: no overloads (their errors name every signature); rest parameters that are plain arrays (a union of tuples would mark the
 * whole argument list); lists of literals that are plain arrays too (in `[A, ...A[]]` only the first entry's mistake is marked where it
 * stands); and opaque results (`Built`, `Condition`) that no literal can half match.
 */
import type { FailureClass } from "../Failure.ts"
import type { Duration, KeySecret, Secret, Usd } from "../Policy.ts"
import type { ProviderKind } from "../Providers.ts"

declare const condition: unique symbol
declare const unit: unique symbol
declare const reaches: unique symbol

/** A list with at least one entry. */
export type Some<A> = readonly [A, ...ReadonlyArray<A>]

/** Something that holds of a call or does not. */
export interface Condition {
  readonly [condition]: true
}

/** What a split assigns by: a fact that is always there. */
export interface Unit {
  readonly [unit]: string
}

/** A text that is always there. */
export interface Text<V extends string = string> extends Unit {
  is(value: V): Condition
  oneOf(...values: Some<V>): Condition
}

/** A number that is always there. */
export interface Numeric {
  is(value: number): Condition
  gt(value: number): Condition
  gte(value: number): Condition
  lt(value: number): Condition
  lte(value: number): Condition
}

/** A fact that is itself a condition. */
export interface Flag extends Condition {
  is(value: boolean): Condition
}

/** A text that may be absent: no comparison before `.or(…)` says what absence means. */
export interface TextOrAbsent {
  present(): Condition
  or(value: string): Text
}

/** A number that may be absent: no comparison before `.or(…)` says what absence means. */
export interface NumberOrAbsent {
  present(): Condition
  or(value: number): Numeric
}

/** What the request says. `M` and `H` are the metadata fields and headers that the policy declares. */
export interface RequestFacts<M extends string, H extends string> {
  /** The caller's identifier of the request, or a generated one. */
  readonly id: Text
  /** The API that the caller speaks. */
  readonly api: Text
  /** The model that the caller asks for. */
  readonly model: Text
  readonly stream: Flag
  /** An estimate: a token for every four bytes of text. */
  readonly inputTokens: Numeric
  readonly maxOutputTokens: NumberOrAbsent
  /** How many messages the conversation has. */
  readonly messages: Numeric
  readonly needs: { readonly tools: Flag; readonly vision: Flag; readonly structuredOutput: Flag; readonly reasoning: Flag }
  metadata(name: M): TextOrAbsent
  header(name: H): TextOrAbsent
}

/** Who calls. `C` are the classes and `K` the keys that the policy declares; further keys may have been issued since. */
export interface CallerFacts<C extends string, K extends string> {
  readonly key: Text<K | (string & {})>
  readonly class: Text<C | "local">
  readonly team: TextOrAbsent
  readonly organisation: TextOrAbsent
}

/** A budget as it stands when the call is decided; all three are dollars or a ratio of dollars. */
export interface BudgetFacts {
  readonly spent: Numeric
  readonly remaining: Numeric
  readonly usedRatio: Numeric
}

/** A strategy made by one of the words, over targets of `T`. */
export interface Built<T extends string> {
  readonly [reaches]: T
}

/** How a route answers: a target by its name, or what one of the words has made. */
export type Strategy<T extends string> = T | Built<T>

/** When `first` moves on: the failure classes, instead of the usual ones. Comes last. */
export interface FirstOptions {
  readonly on: ReadonlyArray<Exclude<FailureClass, "cancelled">>
}

/** What a split hashes: the unit, and a salt that keeps experiments apart. */
export interface SplitOptions {
  readonly by: Unit
  readonly salt: string
}

/** Integer weights by target. */
export type Arms<T extends string> = { readonly [K in T]?: number }

/** The words that routes are written with, knowing the names of one policy. */
export interface Words<
  T extends string,
  B extends string = never,
  C extends string = never,
  K extends string = never,
  M extends string = never,
  H extends string = never
> {
  readonly request: RequestFacts<M, H>
  readonly caller: CallerFacts<C, K>
  budget(name: B): BudgetFacts
  all(...of: Some<Condition>): Condition
  any(...of: Some<Condition>): Condition
  not(of: Condition): Condition
  /** The target that the caller's model names. */
  asked(): Built<T>
  /** Answers with an error. */
  deny(status: number, code: string, message: string): Built<T>
  /** Tries one strategy after the other, until one answers; `{ on: [ … ] }` at the end says after which failures. */
  first(of: Strategy<T>, ...more: ReadonlyArray<Strategy<T> | FirstOptions>): Built<T>
  /** One target; its name alone means the same. */
  send(target: T): Built<T>
  /** One arm for each unit, always the same one. */
  split(options: SplitOptions, arms: Arms<T>): Built<T>
  when(condition: Condition, then: Strategy<T>, otherwise: Strategy<T>): Built<T>
  /** Bounds the time until the answer begins. */
  within(duration: Duration, of: Strategy<T>): Built<T>
}

/** How a mock deployment behaves, by model. */
export interface Mock {
  readonly firstToken?: Duration
  readonly perToken?: Duration
  readonly fault?: number | "reset" | "stall" | "cut"
}

/** Where models are served. `O` is `true` for a provider whose models callers may name as `provider/model`. */
export interface Provider<O = boolean> {
  readonly dialect: ProviderKind
  readonly baseUrl?: string
  readonly key?: Secret
  readonly region?: string
  readonly open?: O & boolean
  readonly mock?: { readonly [model: string]: Mock }
}

/** One model at one provider. Prices are for a million tokens; without them the list price counts. */
export interface Target<P extends string> {
  readonly provider: P
  readonly model: string
  readonly region?: string
  readonly price?: { readonly input: Usd; readonly output: Usd; readonly cacheRead?: Usd; readonly cacheWrite?: Usd }
  /** The most tokens that an answer may have. */
  readonly maxOutputTokens?: number
  /** The most tokens that the provider adds to a request of its own; there is a usual allowance. */
  readonly addedTokens?: number
  /** The most tokens that one image, recording or file counts. */
  readonly mediaTokens?: { readonly image?: number; readonly audio?: number; readonly file?: number }
}

/** A limit on spend, kept for every key, class or team by itself. */
export interface Budget {
  readonly per: "key" | "class" | "team"
  readonly limit: Usd
  readonly every: "day" | "month"
}

/** A class of callers: the targets that it may use, where these may be served, and the budgets that it spends from. */
export interface Class<May extends string, B extends string, P extends string> {
  readonly may: ReadonlyArray<May>
  /** Of these, only what these providers serve. */
  readonly providers?: "any" | ReadonlyArray<P>
  /** Of these, only what is served in these regions. */
  readonly regions?: "any" | ReadonlyArray<string>
  readonly within?: ReadonlyArray<B>
}

/** A caller's key. */
export interface Key<C extends string> {
  /** `env("…")`, or `sha256("…")` where the secret itself is nowhere. */
  readonly secret: KeySecret
  readonly class: C
  readonly team?: string
}

/** The first route whose condition holds answers the call; without `when` it always holds. */
export interface Route<T extends string> {
  readonly name: string
  readonly when?: Condition
  readonly to: Strategy<T>
}

/**
 * What the routes `R` must be besides routes: at least one, and without further fields. The compiler does not look for misspelt fields in
 * what a function returns, and a route whose `when` is misspelt would hold always.
 */
export type Checked<R> = R extends readonly []
  ? "a policy has at least one route"
  : { readonly [I in keyof R]: { readonly [F in Exclude<keyof R[I], keyof Route<string>>]: "a route has no such field" } }

/** The names under which models are granted that are not declared: `provider/*`, for each provider that is open. */
export type OpenModels<P> = { [K in keyof P & string]: P[K] extends true ? `${K}/*` : never }[keyof P & string]

/** A policy as it is written. Each letter stands for the names of one section; `P` maps the providers to whether they are open. */
export interface PolicySource<
  P,
  T extends string,
  A extends string,
  B extends string,
  C extends string,
  K extends string,
  M extends string,
  H extends string,
  R extends ReadonlyArray<Route<NoInfer<T>>>
> {
  readonly name: string
  /** Fields of the request's `metadata` that conditions may read. */
  readonly metadata?: ReadonlyArray<M>
  /** Headers that conditions may read, in lower case. */
  readonly headers?: ReadonlyArray<H>
  readonly providers: { readonly [K in keyof P]: Provider<P[K]> }
  readonly targets: { readonly [K in T]: Target<NoInfer<keyof P & string>> }
  /** Further names for targets, which may be any model name that callers use. */
  readonly aliases?: { readonly [K in A]: NoInfer<T | A> }
  readonly budgets?: { readonly [K in B]: Budget }
  readonly classes?: { readonly [K in C]: Class<NoInfer<T | OpenModels<P>>, NoInfer<B>, NoInfer<keyof P & string>> }
  readonly keys?: { readonly [N in K]: Key<NoInfer<C>> }
  readonly routes: (words: Words<T, B, C, K, M, H>) => R & Checked<R>
}
