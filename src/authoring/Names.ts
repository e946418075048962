/** The names that one policy declares, as types: what its words know. Only types. */

import type { Layer } from "./Types.ts"

/** One union of names for each section that declares some; `never` for one that declares none. */
export interface Names {
  readonly targets: string
  readonly pools: string
  /** Its own, and those of its layers. */
  readonly budgets: string
  readonly classes: string
  readonly keys: string
  /** Of callers. */
  readonly tags: string
  readonly metadata: string
  readonly headers: string
}

/** Names written one after the other. */
export interface Naming<
  T extends string,
  L extends string,
  B extends string,
  C extends string,
  K extends string,
  G extends string,
  M extends string,
  H extends string
> {
  readonly targets: T
  readonly pools: L
  readonly budgets: B
  readonly classes: C
  readonly keys: K
  readonly tags: G
  readonly metadata: M
  readonly headers: H
}

type KeysOf<S, F extends PropertyKey> = S extends { readonly [K in F]?: infer V } ? keyof V & string : never
type EntriesOf<S, F extends PropertyKey> = S extends { readonly [K in F]?: ReadonlyArray<infer V> } ? V & string : never

/** The names that the sections `S` declare. */
export interface NamesOf<S> {
  readonly targets: KeysOf<S, "targets">
  readonly pools: KeysOf<S, "pools">
  readonly budgets: KeysOf<S, "budgets"> | LayerBudgetsOf<S>
  readonly classes: KeysOf<S, "classes">
  readonly keys: KeysOf<S, "keys">
  readonly tags: EntriesOf<S, "tags">
  readonly metadata: EntriesOf<S, "metadata">
  readonly headers: EntriesOf<S, "headers">
}

type LayerBudgetsOf<S> = S extends { readonly layers: ReadonlyArray<Layer<infer B>> } ? B : never

/** The providers of the sections `S`. */
export type ProvidersOf<S> = KeysOf<S, "providers">

/** The tags that targets of the sections `S` have. */
export type TargetTagsOf<S> = S extends { readonly targets: infer T } ? TagsOf<T[keyof T]> : never
type TagsOf<T> = T extends { readonly tags?: ReadonlyArray<infer X> } ? X & string : never
