/**
 * How a policy is written in TypeScript: `policy({ … })` with typed words, which evaluates to the plain data of `Policy.ts`.
 *
 * This is not a second language. Whatever is written here could be written in JSON, decodes by the same schema and is judged by the same
 * check; the types only say earlier, and at the word itself, what the check would say. Runs when a policy file is evaluated, in a worker
 * of its own, so it imports nothing that runs but its own folder: `effect` would be most of the time that loading a policy takes.
 */
import type { KeySecret, PolicyEncoded, Secret, Usd } from "./Policy.ts"
import { plain } from "./authoring/Plain.ts"
import type { PolicySource, Route } from "./authoring/Types.ts"
import { wordsFor } from "./authoring/Words.ts"

export { plain } from "./authoring/Plain.ts"
export type {
  Arms,
  Budget,
  BudgetFacts,
  Built,
  CallerFacts,
  Checked,
  Class,
  Condition,
  FirstOptions,
  Flag,
  Key,
  Mock,
  NumberOrAbsent,
  Numeric,
  OpenModels,
  PolicySource,
  Provider,
  RequestFacts,
  Route,
  Some,
  SplitOptions,
  Strategy,
  Target,
  Text,
  TextOrAbsent,
  Unit,
  Words
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

/** A key's secret that is nowhere: only its SHA-256 is known, in hexadecimal (`printf %s "$SECRET" | sha256sum`). */
export const sha256 = (hash: string): KeySecret => {
  if (typeof hash === "string" && /^[0-9a-f]{64}$/.test(hash)) return { sha256: hash }
  throw new TypeError("`sha256(…)`: expected 64 hexadecimal digits in lower case, and not the secret")
}

/** A policy. Every name that `routes` uses is known from the sections before it; the result is plain JSON data. */
export const policy = <
  const P,
  const T extends string,
  const A extends string = never,
  const B extends string = never,
  const C extends string = never,
  const K extends string = never,
  const M extends string = never,
  const H extends string = never,
  const R extends ReadonlyArray<Route<NoInfer<T>>> = ReadonlyArray<Route<NoInfer<T>>>
>(
  source: PolicySource<P, T, A, B, C, K, M, H, R>
): PolicyEncoded => {
  if (typeof source?.routes !== "function") {
    throw new TypeError("`policy({ … })`: expected `routes` to be a function of the words, `routes: ({ first }) => [ … ]`")
  }
  return plain({ ...source, routes: source.routes(wordsFor<T, B, C, K, M, H>()) }) as PolicyEncoded
}
