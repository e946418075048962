/**
 * The types of the authoring surface: what an author may write, and where the red mark stands when it is wrong.
 *
 * Only types; nothing here runs. Names are inferred from the keys of `providers`, `targets`, `budgets` and so on; `guards` and `routes` are
 * functions of the words, so the compiler looks at them last, with words that know those names. Four habits keep every mistake one short
 * error at the wrong word: no overloads (their errors name every signature); rest parameters that are plain arrays (a union of tuples would
 * mark the whole argument list); lists of literals that are plain arrays too (in `[A, ...A[]]` only the first entry's mistake is marked
 * where it stands); and opaque results (`Built`, `Condition`) that no literal can half match.
 *
 * The words are typed in `Facts.ts` and `Strategies.ts`; here are the sections that they take their names from.
 */
import type { Capability, Commit, Duration, Guard as GuardData, KeySecret, Secret, SpreadBy, Usd, VendorClass } from "../Policy.ts"
import type { DialectName, ProviderKind } from "../Providers.ts"
import type { Condition, ConditionWords } from "./Facts.ts"
import type { Names, Naming } from "./Names.ts"
import type { Overrides, Strategy, Words } from "./Strategies.ts"

declare const binds: unique symbol

/** How a mock deployment behaves, by model. */
export interface Mock {
  readonly firstToken?: Duration
  readonly perToken?: Duration
  readonly fault?: number | "reset" | "stall" | "cut"
}

/** How tokens are got for a provider that takes them instead of a key: `entra({ … })` or `google()`. */
export type Auth = { readonly entra: EntraAuth; readonly google?: never } | { readonly google: GoogleAuth; readonly entra?: never }

/** An application of Microsoft Entra ID that signs in with a secret of its own. */
export interface EntraAuth {
  /** The tenant's id or domain. */
  readonly tenant: string
  /** The application's (client) id. */
  readonly client: string
  readonly secret: Secret
  /** What the token is for; unless said, Azure's AI services in the public cloud. */
  readonly scope?: string
  /** Where tokens are given; unless said, `https://login.microsoftonline.com`. */
  readonly authority?: string
}

/** Credentials of Google Cloud. */
export interface GoogleAuth {
  /** The variable that holds a service account's JSON; unless said, what the machine itself has (application default credentials). */
  readonly credentials?: Secret
}

/** One of several keys of a provider. */
export type ProviderKey = Secret | { readonly key: Secret; readonly weight?: number }

/** How many attempts a target is given at once, how many more may wait for a place (none unless said), and how long (a second unless said). */
export interface Capacity {
  readonly inFlight: number
  readonly queued?: number
  readonly wait?: Duration
}

/** Where models are served. `O` is `true` for a provider whose models callers may name as `provider/model`. */
export interface Provider<O = boolean> {
  readonly dialect: ProviderKind
  /** Where it answers, with `{region}` and `{project}` where these are parts of it. */
  readonly baseUrl?: string
  readonly key?: Secret
  /** Several keys, each alone or with a weight (1 unless said): calls are shared out, and what one is refused another is asked for. */
  readonly keys?: readonly [ProviderKey, ...ReadonlyArray<ProviderKey>]
  /** How tokens are got, for a provider that takes them instead of a key. */
  readonly auth?: Auth
  readonly region?: string
  /** The project that its address names. */
  readonly project?: string
  /** The dated version of its API; the undated one unless said. */
  readonly apiVersion?: string
  /** The APIs that it is spoken to in, best first; unless said, what its kind speaks. */
  readonly speaks?: ReadonlyArray<DialectName>
  readonly open?: O & boolean
  readonly mock?: { readonly [model: string]: Mock }
}

/** What a model can do; what is not said is looked up, and else unknown. */
export type Capabilities = {
  /** Tokens of input and output together. */
  readonly contextWindow?: number
} & { readonly [what in Capability]?: boolean }

/** One model at one provider. Prices are for a million tokens; without them the list price counts. `X` are the tags of targets. */
export interface Target<P extends string, X extends string = string> {
  readonly provider: P
  readonly model: string
  /** The provider's name for what serves the model, where it has one of its own. */
  readonly deployment?: string
  /** How much of it may be under way at once; no limit unless said. */
  readonly capacity?: Capacity
  readonly region?: string
  /** What guards may speak of. */
  readonly tags?: ReadonlyArray<X>
  readonly capabilities?: Capabilities
  readonly price?: { readonly input: Usd; readonly output: Usd; readonly cacheRead?: Usd; readonly cacheWrite?: Usd }
  /** The most tokens that an answer may have. */
  readonly maxOutputTokens?: number
  /** The most tokens that the provider adds to a request of its own; there is a usual allowance. */
  readonly addedTokens?: number
  /** The most tokens that one image, recording or file counts. */
  readonly mediaTokens?: { readonly image?: number; readonly audio?: number; readonly file?: number }
}

/** Targets that routes share, and how one of them is chosen. */
export interface Pool<T extends string> {
  readonly by: SpreadBy
  /** Targets by name, or with what is set for them. */
  readonly of: ReadonlyArray<T | { readonly target: T; readonly set: Overrides }>
}

/** A limit on spend, kept for every key, class, team or organisation by itself. */
export interface Budget {
  readonly per: "key" | "class" | "team" | "organisation"
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
export interface Key<C extends string, G extends string = string> {
  /** `env("…")`, or `sha256("…")` where the secret itself is nowhere. */
  readonly secret: KeySecret
  readonly class: C
  readonly team?: string
  readonly organisation?: string
  /** Of the policy's `tags`. */
  readonly tags?: ReadonlyArray<G>
}

/** How long an attempt may take, from its beginning. */
export interface Timeouts {
  readonly connect?: Duration
  readonly headers?: Duration | "none"
  /** Of a stream. */
  readonly firstToken?: Duration | "none"
  /** Between two chunks. */
  readonly idle?: Duration | "none"
  readonly total?: Duration | "none"
}

/** How much one call may cost over all its attempts. */
export interface EffortLimits {
  readonly attempts?: number
  /** Until an answer has begun. */
  readonly time?: Duration | "none"
  readonly dollars?: Usd | "none"
}

/** Targets, by what they are: every field that is given must fit, and a list fits where one of it does. */
export interface Selector<T extends string = string, P extends string = string, X extends string = string> {
  readonly targets?: ReadonlyArray<T>
  readonly models?: ReadonlyArray<string>
  readonly providers?: ReadonlyArray<P>
  readonly regions?: ReadonlyArray<string>
  readonly vendors?: ReadonlyArray<VendorClass>
  readonly tags?: ReadonlyArray<X>
  readonly capabilities?: ReadonlyArray<Capability>
  /** Dearer than this, for a million tokens of input. */
  readonly inputAbove?: Usd
  /** Dearer than this, for a million tokens of output. */
  readonly outputAbove?: Usd
}

/** What no candidate may be, or what every candidate must be, where the condition holds; without `when` it always holds. */
export interface Guard<T extends string = string, P extends string = string, X extends string = string> {
  readonly name: string
  readonly when?: Condition
  readonly forbid?: Selector<T, P, X> & object
  readonly require?: Selector<T, P, X> & object
}

/** The first route whose condition holds answers the call; without `when` it always holds. */
export interface Route<T extends string> {
  readonly name: string
  readonly when?: Condition
  /** When an answer counts as begun, so that nothing can fail over any more; the policy's where it says nothing. */
  readonly commit?: Commit
  /** Whether a target of another dialect may be sent a request of which it cannot be told everything; as the policy says where it says nothing. */
  readonly translation?: "report" | "strict"
  /** Over the policy's own, one by one. */
  readonly timeouts?: Timeouts & object
  /** Over the policy's own, one by one. */
  readonly effort?: EffortLimits & object
  readonly to: Strategy<T>
}

/** A finding that the author has looked at and lives with. */
export interface Accepted {
  /** Its code, as `turnout check` prints it. */
  readonly finding: string
  /** A part of its place, such as a route's name; everywhere where absent. */
  readonly at?: string
  readonly because: string
}

/** What an organisation lays over policies. `B` are its budgets, which bind every caller. */
export interface Layer<B extends string = string> {
  readonly name: string
  readonly guards: ReadonlyArray<GuardData>
  readonly budgets: { readonly [name: string]: Budget }
  /** In the types alone: the names of the budgets. As keys of `budgets`, those of several layers would be the least that all have. */
  readonly [binds]?: B
}

/** What nothing is, so that the compiler says the message where something should be it. As a text it would meet other literals in `never`, which says nothing. */
type Says<Message extends string> = { readonly [M in Message]: true }
/** Says of each field of `V` that `Shape` lacks that it is none. */
type Unknown<V, Shape, Message extends string> = { readonly [F in Exclude<keyof V, keyof Shape>]: Says<Message> }
/** The parts of routes and guards that have fields of their own. */
interface Parts {
  readonly timeouts: Timeouts
  readonly effort: EffortLimits
  readonly forbid: Selector
  readonly require: Selector
}
/** Says it of the fields inside those fields of `V` that `Shapes` names. */
type UnknownWithin<V, Shapes, Message extends string> = { readonly [F in keyof V & keyof Shapes]?: Unknown<V[F], Shapes[F], Message> }

/**
 * What the routes `R` must be besides routes: at least one, and without further fields. The compiler does not look for misspelt fields in
 * what a function returns, and a route whose `when` is misspelt would hold always.
 */
export type Checked<R> = R extends readonly []
  ? "a policy has at least one route"
  : {
      readonly [I in keyof R]: Unknown<R[I], Route<string>, "a route has no such field"> &
        UnknownWithin<R[I], Parts, "there is no such limit">
    }

/** What the guards `D` must be besides guards: without further fields, and each either one that forbids or one that requires. */
export type CheckedGuards<D> = {
  readonly [I in keyof D]: Unknown<D[I], Guard, "a guard has no such field"> &
    UnknownWithin<D[I], Parts, "targets have no such field to choose them by"> &
    Sided<D[I]>
}

/** How guards are written: as a function of the words. */
export interface WriteGuards<N extends Names, D> {
  (words: ConditionWords<N>): D & CheckedGuards<D>
}

/**
 * Says once more, where guards have been written, that they are functions. An optional field would do, but the compiler does not look for
 * mistakes inside of a function that may be absent, and would mark all guards for one of them.
 */
export type WithGuards<N extends Names, D> = [D] extends [never] ? unknown : { readonly guards: WriteGuards<N, D> }

/** Says of a guard that has both sides, or neither, that it has one; of guards that are not known one by one, nothing. */
type Sided<V> = { readonly name: string } extends V
  ? unknown
  : V extends { readonly forbid: object; readonly require: object }
    ? OneSide
    : V extends { readonly forbid: object } | { readonly require: object }
      ? unknown
      : OneSide
interface OneSide {
  readonly name: Says<"a guard says either `forbid` or `require`">
}

/** The names under which models are granted that are not declared: `provider/*`, for each provider that is open. */
export type OpenModels<P> = { [K in keyof P & string]: P[K] extends true ? `${K}/*` : never }[keyof P & string]

/**
 * The sections of a policy besides its name, guards and routes. Each letter stands for the names of one section; `P` maps the providers to
 * whether they are open, `X` are the tags of targets, `Y` the budgets of layers.
 */
export interface Sections<
  P,
  T extends string,
  X extends string,
  A extends string,
  L extends string,
  B extends string,
  C extends string,
  K extends string,
  G extends string,
  M extends string,
  H extends string,
  Y extends string
> {
  /** Fields of the request's `metadata` that conditions may read. */
  readonly metadata?: ReadonlyArray<M>
  /** Headers that conditions may read, in lower case. */
  readonly headers?: ReadonlyArray<H>
  /** Tags of callers that conditions may read. */
  readonly tags?: ReadonlyArray<G>
  /** The time zone of the hour and the weekday that conditions read; `UTC` unless said. */
  readonly zone?: string
  readonly providers?: { readonly [K in keyof P]: Provider<P[K]> }
  readonly targets?: { readonly [K in T]: Target<NoInfer<keyof P & string>, X> }
  /** Targets that routes share. */
  readonly pools?: { readonly [K in L]: Pool<NoInfer<T>> }
  /** Further names for targets, which may be any model name that callers use. */
  readonly aliases?: { readonly [K in A]: NoInfer<T | A> }
  readonly budgets?: { readonly [K in B]: Budget }
  readonly classes?: { readonly [K in C]: Class<NoInfer<T | OpenModels<P>>, NoInfer<B>, NoInfer<keyof P & string>> }
  readonly keys?: { readonly [N in K]: Key<NoInfer<C>, NoInfer<G>> }
  /** What an organisation lays over the policy; all of it applies. */
  readonly layers?: ReadonlyArray<Layer<Y>>
  /** When an answer counts as begun, so that nothing can fail over any more; with its first content unless said. */
  readonly commit?: Commit
  /**
   * Whether a target of another dialect may be sent a request of which it cannot be told everything: `report`, the default, names what is left out in `x-turnout-loss`, and
   * `strict` passes such a target over.
   */
  readonly translation?: "report" | "strict"
  /** From where images and documents may be fetched for targets that take no addresses; nothing is fetched unless said. */
  readonly fetch?: {
    /** Each as `images.example.com`, or `*.example.com` for all below it. Private addresses are refused, whatever they are called. */
    readonly hosts: readonly [string, ...ReadonlyArray<string>]
    /** 20 MiB unless said. */
    readonly maxBytes?: number
    /** 10 seconds unless said. */
    readonly timeout?: Duration
  }
  readonly timeouts?: Timeouts
  readonly effort?: EffortLimits
  /** Findings of `turnout check` that are lived with. */
  readonly accept?: ReadonlyArray<Accepted>
}

/** A policy as it is written; `R` are its routes and `D` its guards. */
export interface PolicySource<
  P,
  T extends string,
  X extends string,
  A extends string,
  L extends string,
  B extends string,
  C extends string,
  K extends string,
  G extends string,
  M extends string,
  H extends string,
  Y extends string,
  R extends ReadonlyArray<Route<NoInfer<T>>>,
  D extends ReadonlyArray<Guard<NoInfer<T>, NoInfer<keyof P & string>, NoInfer<X>>>
> extends Sections<P, T, X, A, L, B, C, K, G, M, H, Y> {
  readonly name: string
  readonly providers: { readonly [K in keyof P]: Provider<P[K]> }
  readonly targets: { readonly [K in T]: Target<NoInfer<keyof P & string>, X> }
  /** What no candidate may be, or must be, whatever leads to it. */
  readonly guards?: WriteGuards<Naming<T, L, B | Y, C, K, G, M, H>, D>
  readonly routes: (words: Words<Naming<T, L, B | Y, C, K, G, M, H>>) => R & Checked<R>
}
