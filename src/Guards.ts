/**
 * Guards: what no candidate may be, or must be, whatever route, strategy or model name leads to it.
 *
 * Whether a target is one that a guard speaks of is settled at load, in three values, because not everything is known of a target: what is not known counts against
 * it, so that a guard never lets through what it might forbid. Whether the guard holds of the call is its condition, which `Rules.ts` compiles.
 *
 * Names of models are compared in any case, since callers of an open provider choose the spelling; where the deployment has a name of its own, both
 * must be named, since it is what the provider is asked for and may be another model. Prices are compared as integer pico-dollars a token, the dearest tier of a price for the whole of it.
 */
import { type Guard, type Selector, toPicoDollarsPerToken } from "./Policy.ts"
import type { Price } from "./Price.ts"
import type { Target } from "./Target.ts"

/** The fields of a target that guards look at. */
export type Guarded = Pick<
  Target,
  "name" | "declared" | "provider" | "model" | "deployment" | "region" | "vendor" | "tags" | "capabilities" | "price"
>

const isAbove = (price: Price | undefined, rate: "input" | "output", limit: { readonly usd: number }): boolean | undefined =>
  price === undefined
    ? undefined
    : [price, ...price.tiers.map((tier) => tier.rates)].some((rates) => rates[rate] > toPicoDollarsPerToken(limit))

/** Whether any holds: certainly one, possibly one, or none. */
const any = (values: ReadonlyArray<boolean | undefined>): boolean | undefined =>
  values.includes(true) ? true : values.includes(undefined) ? undefined : false

/** Whether all hold: certainly not one of them, possibly not, or all. */
const all = (values: ReadonlyArray<boolean | undefined>): boolean | undefined =>
  values.includes(false) ? false : values.includes(undefined) ? undefined : true

const sameText = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/** What each field of a selector asks of a target; undefined where that is not known. */
const fields: {
  readonly [K in keyof Selector]-?: (asked: NonNullable<Selector[K]>, target: Guarded) => boolean | undefined
} = {
  targets: (names, { declared, name }) => declared && names.includes(name),
  // Whether what is called another name is the model that it is said to be is not known.
  models: (names, { deployment, model }) => {
    const [asModel, asDeployment] = [model, deployment].map((own) => names.some((name) => sameText(name, own)))
    return asModel === asDeployment ? asModel : undefined
  },
  providers: (names, { provider }) => names.includes(provider),
  regions: (names, { region }) => (region === null ? undefined : names.includes(region)),
  vendors: (classes, { vendor }) => classes.includes(vendor),
  tags: (names, { tags }) => names.some((name) => tags.includes(name)),
  capabilities: (names, { capabilities }) => any(names.map((name) => capabilities[name])),
  inputAbove: (limit, { price }) => isAbove(price, "input", limit),
  outputAbove: (limit, { price }) => isAbove(price, "output", limit)
}

/** Whether `selector` fits `target`; undefined where what it asks is not known. */
export const fits = (selector: Selector, target: Guarded): boolean | undefined =>
  all(
    (Object.keys(fields) as ReadonlyArray<keyof Selector>)
      .filter((name) => selector[name] !== undefined)
      .map((name) => (fields[name] as (asked: unknown, target: Guarded) => boolean | undefined)(selector[name], target))
  )

/** Whether `guard` keeps `target` out of the calls that its condition holds of, and whether only because something is not known of it. */
export const keepsOut = (guard: Guard, target: Guarded): { readonly out: boolean; readonly unknown: boolean } => {
  // INVARIANT: decoding has refused a guard of both or of neither.
  const fit = fits((guard.forbid ?? guard.require)!, target)
  return { out: guard.forbid === undefined ? fit !== true : fit !== false, unknown: fit === undefined }
}
