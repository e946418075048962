/**
 * The types of strategies: how a route can answer. Only types; what the words emit is in `Words.ts`.
 *
 * A word is one method of `Words`, one entry of the table in `Words.ts` and one case of `Strategy` in `Policy.ts`; the compiler asks for the first two of each other.
 * Wrappers of one strategy take their options first where these are short (`within`, `retry`), and last where they hold another strategy (`hedge`).
 */
import type { FailureClass } from "../Failure.ts"
import type { Duration, Effort, SpreadBy } from "../Policy.ts"
import type { AnswerFacts, Condition, ConditionWords, Unit } from "./Facts.ts"
import type { Names } from "./Names.ts"

declare const reaches: unique symbol
declare const sent: unique symbol

/** A strategy made by one of the words, over targets of `T`. */
export interface Built<T extends string> {
  readonly [reaches]: T
}

/** One target, made by `send`. */
export interface Sent<T extends string> extends Built<T> {
  readonly [sent]: true
}

/** How a route answers: a target by its name, or what one of the words has made. */
export type Strategy<T extends string> = T | Built<T>

/** What a target is sent instead of what its caller says. */
export interface Overrides {
  readonly temperature?: number
  /** The most tokens that the answer may have; a caller may ask for fewer. */
  readonly maxOutputTokens?: number
  readonly reasoningEffort?: Effort
  /** Further headers, in lower case; no credentials. */
  readonly headers?: { readonly [name: string]: string }
  /** Where it is served, for a provider whose `baseUrl` has `{region}`. */
  readonly region?: string
  /** The provider's name for what serves the model. */
  readonly deployment?: string
}

/** Failure classes to go on after, instead of the usual ones. */
export type On = ReadonlyArray<Exclude<FailureClass, "cancelled">>

/** When `first` moves on: the failure classes, instead of the usual ones. Comes last. */
export interface FirstOptions {
  readonly on: On
}

/** How often `retry` tries in all, how long it waits in between, and after which failures. */
export interface RetryOptions {
  /** From 2 to 10, the first one included. */
  readonly attempts: number
  /** The first wait; 500 millis unless said. */
  readonly first?: Duration
  /** The waits double up to this; 8 seconds unless said. */
  readonly longest?: Duration
  readonly on?: On
}

/** When `hedge` starts the second strategy, and which. */
export interface HedgeOptions<T extends string> {
  readonly after: Duration
  readonly with: Strategy<T>
}

/** What `shadow` copies calls to, and how many of a hundred. */
export interface ShadowOptions<T extends string> {
  readonly copy: Strategy<T>
  readonly sample: number
}

/** When an answer is not good enough for `escalate`, and what answers then. */
export interface EscalateOptions<T extends string> {
  readonly if: Condition<"answer">
  readonly to: Strategy<T>
}

/** What a split hashes: the unit, and a salt that keeps experiments apart. */
export interface SplitOptions {
  readonly by: Unit
  readonly salt: string
}

/** An arm that is more than a target, with a name of its own. */
export interface Arm<T extends string> {
  readonly name: string
  readonly weight: number
  readonly to: Strategy<T>
}

/** Integer weights by target; or a list of arms, each of which may lead to any strategy. */
export type Arms<T extends string> = { readonly [K in T]?: number } | ReadonlyArray<Arm<T>>

/** The words that routes are written with, knowing the names of one policy. */
export interface Words<N extends Names> extends ConditionWords<N> {
  /** What the `if` of `escalate` asks about. */
  readonly answer: AnswerFacts
  /** The target that the caller's model names. */
  asked(): Built<N["targets"]>
  /** Answers with an error. */
  deny(status: number, code: string, message: string): Built<N["targets"]>
  /** Holds an answer back until it is whole, and hands it on unless the condition holds of it: then another strategy answers. */
  escalate(of: Strategy<N["targets"]>, options: EscalateOptions<N["targets"]>): Built<N["targets"]>
  /** Tries one strategy after the other, until one answers; `{ on: [ … ] }` at the end says after which failures. */
  first(of: Strategy<N["targets"]>, ...more: ReadonlyArray<Strategy<N["targets"]> | FirstOptions>): Built<N["targets"]>
  /** Starts a second strategy where the first has not begun to answer in time; whichever begins first answers. */
  hedge(of: Strategy<N["targets"]>, options: HedgeOptions<N["targets"]>): Built<N["targets"]>
  /** One of the targets of a pool, chosen as the pool says. */
  pool(name: N["pools"]): Built<N["targets"]>
  /** Tries the same strategy again after a failure. */
  retry(options: RetryOptions, of: Strategy<N["targets"]>): Built<N["targets"]>
  /** One target, by itself (as its name alone) or with what is set for it. */
  send(target: N["targets"], set?: Overrides): Sent<N["targets"]>
  /** Copies some of the calls to another strategy, whose answers are recorded and thrown away; nobody waits for them. */
  shadow(of: Strategy<N["targets"]>, options: ShadowOptions<N["targets"]>): Built<N["targets"]>
  /** One arm for each unit, always the same one. */
  split(options: SplitOptions, arms: Arms<N["targets"]>): Built<N["targets"]>
  /** One of these targets, whichever is best by this measure at the moment. */
  spread(by: SpreadBy, of: ReadonlyArray<N["targets"] | Sent<N["targets"]>>): Built<N["targets"]>
  when(condition: Condition, then: Strategy<N["targets"]>, otherwise: Strategy<N["targets"]>): Built<N["targets"]>
  /** Bounds the time until the answer begins. */
  within(duration: Duration, of: Strategy<N["targets"]>): Built<N["targets"]>
}
