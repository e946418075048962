/**
 * The types of conditions: what a policy's author may ask of a call, and of an answer, and how. Only types; what the words emit is in `Words.ts`.
 *
 * What is asked of an answer is known when the call has long been decided, so conditions of the two do not mix: the first part of `all` and `any` says which the others must be.
 * A fact that may be absent has no comparison: only `or(…)`, which makes it one that is always there, and `present()`.
 */
import type { StopReason } from "../Conversation.ts"
import type { Capability, ConditionJson } from "../Policy.ts"
import type { Weekday } from "../ZonedClock.ts"
import type { Names } from "./Names.ts"

declare const condition: unique symbol
declare const unit: unique symbol

/** A list with at least one entry. */
export type Some<A> = readonly [A, ...ReadonlyArray<A>]

/** What can be asked about: a call before it is decided, and an answer that has come whole. */
export type About = "call" | "answer"

/** Something that holds of a call, or of an answer, or does not. */
export interface Condition<A extends About = "call"> {
  readonly [condition]: A
}

/** What a split assigns by: a fact that is always there. */
export interface Unit {
  readonly [unit]: string
}

/** A text that is one of a few, and always there. */
export interface Choice<V extends string, A extends About = "call"> {
  is(value: V): Condition<A>
  oneOf(...values: Some<V>): Condition<A>
}

/** A text that is always there. */
export interface Text<V extends string = string> extends Unit, Choice<V> {}

/** A number that is always there. */
export interface Numeric<A extends About = "call"> {
  is(value: number): Condition<A>
  gt(value: number): Condition<A>
  gte(value: number): Condition<A>
  lt(value: number): Condition<A>
  lte(value: number): Condition<A>
}

/** A fact that is itself a condition. */
export interface Flag<A extends About = "call"> extends Condition<A> {
  is(value: boolean): Condition<A>
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
  /** What a model must be able to do to answer. */
  readonly needs: { readonly [need in Capability]: Flag }
  metadata(name: M): TextOrAbsent
  header(name: H): TextOrAbsent
}

/** Who calls. `C` are the classes, `K` the keys and `G` the tags that the policy declares; further keys may have been issued since. */
export interface CallerFacts<C extends string, K extends string, G extends string> {
  readonly key: Text<K | (string & {})>
  readonly class: Text<C | "local">
  readonly team: TextOrAbsent
  readonly organisation: TextOrAbsent
  /** Whether the caller's key has this tag. */
  tag(name: G): Flag
}

/** When the call is decided, in the policy's `zone`. */
export interface TimeFacts {
  /** From 0 to 23. */
  readonly hour: Numeric
  readonly weekday: Text<Weekday>
}

/** A budget as it stands when the call is decided; all three are dollars or a ratio of dollars. */
export interface BudgetFacts {
  readonly spent: Numeric
  readonly remaining: Numeric
  readonly usedRatio: Numeric
}

/** A target as it stands when the call is decided. */
export interface HealthFacts {
  /** Whether its breaker lets calls through. */
  readonly up: Flag
  /** The estimate of the time to its first token; absent while nothing has been measured. */
  readonly latencyMillis: NumberOrAbsent
}

/** A count of an answer that may be absent: no comparison before `.or(…)` says what absence means. */
export interface CountOrAbsent {
  present(): Condition<"answer">
  or(value: number): Numeric<"answer">
}

/** An answer that has come whole, as `escalate` judges it. */
export interface AnswerFacts {
  /** Why it has ended. */
  readonly stop: Choice<StopReason, "answer">
  /** Absent where the provider does not count. */
  readonly outputTokens: CountOrAbsent
  /** Of its text, without reasoning and tool calls. */
  readonly characters: Numeric<"answer">
  readonly toolCalls: Numeric<"answer">
  /** Whether the model, or a filter of its provider, would not answer. */
  readonly refused: Flag<"answer">
  /** Whether its text is JSON and nothing else. */
  readonly isJson: Flag<"answer">
}

/** A rule in JsonLogic: an operator and its operands. */
export interface JsonLogic {
  readonly [operator: string]: ConditionJson
}

/** The words that conditions are written with, knowing the names of one policy. */
export interface ConditionWords<N extends Names> {
  readonly request: RequestFacts<N["metadata"], N["headers"]>
  readonly caller: CallerFacts<N["classes"], N["keys"], N["tags"]>
  readonly time: TimeFacts
  budget(name: N["budgets"]): BudgetFacts
  health(target: N["targets"]): HealthFacts
  all<A extends About>(of: Condition<A>, ...more: ReadonlyArray<Condition<NoInfer<A>>>): Condition<A>
  any<A extends About>(of: Condition<A>, ...more: ReadonlyArray<Condition<NoInfer<A>>>): Condition<A>
  not<A extends About>(of: Condition<A>): Condition<A>
  /** Any other JsonLogic over the facts of a call. It is evaluated as it stands, and nothing can be proved about it. */
  opaque(rule: JsonLogic): Condition
}
