/**
 * How policies are made of several files: sections, routes and guards in modules of their own, and an organisation's layer over them.
 *
 * The modules are ordinary ones and what they export is plain data, which a policy takes in by spreading it. These functions add one thing: a
 * mistake is marked in the file in which it is made, by the names that this file is written against, and not where the parts come
 * together. Routes and guards are evaluated at once, since the words are the same for every policy. Handing the functions on instead would
 * need words over more names to be words over fewer, which they are not. Runs when a policy file is evaluated.
 */
import { lay } from "../Layers.ts"
import type { PolicyEncoded } from "../Policy.ts"
import type { ConditionWords } from "./Facts.ts"
import type { NamesOf, Naming, ProvidersOf, TargetTagsOf } from "./Names.ts"
import { plain } from "./Plain.ts"
import type { Words } from "./Strategies.ts"
import type { Budget, Checked, CheckedGuards, Guard, Layer, Route, Sections, WithGuards, WriteGuards } from "./Types.ts"
import { wordsFor } from "./Words.ts"

/** The words that know the names of the sections `S`. */
export type WordsOf<S> = Words<NamesOf<S>>

/** A list of routes by the names of the sections `S`. */
export type RoutesOf<S> = ReadonlyArray<Route<NamesOf<S>["targets"]>>

/** A list of guards by the names of the sections `S`. */
export type GuardsOf<S> = ReadonlyArray<Guard<NamesOf<S>["targets"], ProvidersOf<S>, TargetTagsOf<S>>>

/** The section `F` where it declares names, and nothing where it has none: what is not given must not hide what another module gives. */
type Given<S, F extends keyof S, N> = [N] extends [never] ? unknown : { readonly [K in F]-?: S[K] }

/** The sections `S`, without those that declare nothing. */
export type GivenSections<S, P, T, A, L, B, C, K, Y> = Pick<
  S,
  keyof S & ("metadata" | "headers" | "tags" | "zone" | "commit" | "translation" | "fetch" | "timeouts" | "effort" | "accept")
> &
  Given<S, keyof S & "providers", keyof P> &
  Given<S, keyof S & "targets", T> &
  Given<S, keyof S & "aliases", A> &
  Given<S, keyof S & "pools", L> &
  Given<S, keyof S & "budgets", B> &
  Given<S, keyof S & "classes", C> &
  Given<S, keyof S & "keys", K> &
  Given<S, keyof S & "layers", Y>

/** Sections that policies share, to be spread into each: `policy({ name: "search", ...house, routes: … })`. */
export const sections = <
  const P,
  const T extends string = never,
  const X extends string = never,
  const A extends string = never,
  const L extends string = never,
  const B extends string = never,
  const C extends string = never,
  const K extends string = never,
  const G extends string = never,
  const M extends string = never,
  const H extends string = never,
  const Y extends string = never
>(
  source: Sections<P, T, X, A, L, B, C, K, G, M, H, Y>
): GivenSections<Sections<P, T, X, A, L, B, C, K, G, M, H, Y>, P, T, A, L, B, C, K, Y> => source as never

/** Routes in a module of their own, by the names that `of` declares. */
export const routes = <const S, const R extends RoutesOf<NoInfer<S>>>(of: S, write: (words: WordsOf<NoInfer<S>>) => R & Checked<R>): R => {
  void of
  return plain(write(wordsFor())) as R
}

/** Guards in a module of their own, by the names that `of` declares. */
export const guards = <const S, const D extends GuardsOf<NoInfer<S>>>(
  of: S,
  write: (words: ConditionWords<NamesOf<NoInfer<S>>>) => D & CheckedGuards<D>
): D => {
  void of
  return plain(write(wordsFor())) as D
}

/** An organisation's layer as it is written; `B` are its budgets and `D` its guards. */
export interface OrganisationSource<B extends string, D extends ReadonlyArray<Guard>> {
  readonly name: string
  /** What no candidate may be, or must be, in any policy. */
  readonly guards?: WriteGuards<OrganisationNames<B>, D>
  /** Limits that bind every caller. */
  readonly budgets?: { readonly [K in B]: Budget }
}

/** It does not know the policies that it will lie over, so it speaks of their targets, classes and the like by any name. */
type OrganisationNames<B extends string> = Naming<string, never, B, string, string, string, string, string>

/**
 * What an organisation lays over the policies of its teams: guards, and budgets that bind every caller. It can only narrow. `turnout check`
 * looks each name that it mentions up in the policy that it lies over.
 */
export const organisation = <const B extends string = never, const D extends ReadonlyArray<Guard> = never>(
  source: OrganisationSource<B, D> & WithGuards<OrganisationNames<B>, D>
): Layer<B> => {
  const { budgets = {}, guards } = source
  if (guards !== undefined && typeof guards !== "function") {
    throw new TypeError("`organisation({ … })`: expected `guards` to be a function of the words, `guards: ({ request }) => [ … ]`")
  }
  return plain({ ...source, guards: guards?.(wordsFor()) ?? [], budgets }) as Layer<B>
}

/** `policy` with an organisation's `layer` over it. */
export const under = (layer: Layer, policy: PolicyEncoded): PolicyEncoded => plain(lay(layer, policy)) as PolicyEncoded
