/**
 * A target as it is called: a deployment of a model, with everything that its policy and the registry say of it, resolved once at load.
 *
 * Also the resolution of the model that a caller names: an exact target, then an alias, then `provider/model`, then a vendor's own name where it is unique. It
 * reaches declared targets only, unless the provider is `open`.
 */
import type { Overrides, Policy, Secret, VendorClass } from "./Policy.ts"
import { type Capabilities, capabilitiesOf, type ModelTable } from "./Models.ts"
import { type Price, type PriceSource, noPrices, ofPolicy } from "./Price.ts"
import { type Provider, type ProviderKind, providers } from "./Providers.ts"
import type { Rule } from "./Rules.ts"
import { nearest } from "./Suggest.ts"
import { headerValue } from "./Text.ts"

export interface Target {
  /** Its name in the policy; `provider/model` where it is not declared. */
  readonly name: string
  /** Whether the policy names it; otherwise a caller has, as a model of an open provider. */
  readonly declared: boolean
  /** Its name as a header carries it. */
  readonly label: string
  /** The name of its provider in the policy. */
  readonly provider: string
  /** The kind of its provider in the registry. */
  readonly kind: ProviderKind
  /** Whether it answers at the registry's own address, so that what is usual for its kind can be expected of it. */
  readonly usual: boolean
  readonly speaks: Provider["speaks"]
  readonly dialect: Provider["dialect"]
  readonly reportsStreamUsage: boolean
  readonly maxTokensField: Provider["maxTokensField"]
  /** Without a trailing slash. */
  readonly baseUrl: string
  readonly key: Secret | undefined
  /** The provider's own name for the model. */
  readonly model: string
  /** What a request names as its model: the deployment that serves it, where it has a name of its own. */
  readonly deployment: string
  readonly region: string | null
  readonly vendor: VendorClass
  readonly tags: ReadonlyArray<string>
  /** What is known of the model: as its policy says, else as the catalog does. */
  readonly capabilities: Capabilities
  /** What is set of every request to it, whatever the caller says. */
  readonly set: Overrides | undefined
  /** The most tokens that an answer can have: as the policy says, which may be less than the model can, else as the catalog does. */
  readonly maxOutputTokens: number | undefined
  /** The most tokens that the provider adds to a request; undefined for the usual allowance. */
  readonly addedTokens: number | undefined
  /** The most tokens that a piece of media counts, by kind; undefined for the provider's usual bound, where it has one. */
  readonly mediaTokens: { readonly image?: number; readonly audio?: number; readonly file?: number }
  /** Undefined where unknown. */
  readonly price: Price | undefined
  /** The deployment by its content, under which health is kept across reloads. */
  readonly identity: string
}

/** What the model that a caller names comes to. */
export type Resolution =
  | { readonly _tag: "Found"; readonly target: Target }
  | { readonly _tag: "Unknown" }
  | { readonly _tag: "Ambiguous"; readonly targets: ReadonlyArray<string> }
  /** Found, and a grant, a guard or a known lack keeps it out. */
  | { readonly _tag: "RuledOut"; readonly target: Target; readonly rule: Rule }

/** An address as it is called, however it is spelt; undefined for one that a region completes. */
const addressOf = (baseUrl: string): string | undefined => URL.parse(baseUrl)?.href.replace(/\/+$/, "")

/** Whether a provider answers at the registry's own address. */
const isUsual = ({ baseUrl, dialect }: Policy["providers"][string]): boolean => {
  const own = (providers[dialect] as Provider).baseUrl
  return own !== undefined && (baseUrl === undefined || addressOf(baseUrl) === addressOf(own))
}

/** What answers at a provider's own address goes by the name that it is asked for. */
const servedModel = ({ deployment, model }: Pick<Policy["targets"][string], "model"> & Partial<Policy["targets"][string]>): string =>
  deployment ?? model

/** What a target costs: as its policy says, else by the list, which says nothing of what answers at an address of the policy's own. */
export const priceOf = (
  provider: Policy["providers"][string],
  target: Pick<Policy["targets"][string], "model"> & Partial<Policy["targets"][string]>,
  prices: PriceSource
): Price | undefined =>
  target.price !== undefined ? ofPolicy(target.price) : isUsual(provider) ? prices(provider.dialect, servedModel(target)) : undefined

/** Where a target is served: in its own region, else in its provider's. */
export const regionOf = (
  policy: Pick<Policy, "providers">,
  target: Pick<Policy["targets"][string], "provider" | "region">
): string | null =>
  target.region ?? (Object.hasOwn(policy.providers, target.provider) ? policy.providers[target.provider]!.region : undefined) ?? null

/** What is known of a provider's models, by their names; nothing of what answers at an address of the policy's own. */
export const modelsOf = (provider: Policy["providers"][string]): ModelTable | undefined =>
  isUsual(provider) ? (providers[provider.dialect] as Provider).models : undefined

/** What is known of a target: its own declaration before the catalog. */
export const capabilitiesFor = (
  provider: Policy["providers"][string],
  target: Pick<Policy["targets"][string], "model"> & Partial<Policy["targets"][string]>
): Capabilities => ({ ...capabilitiesOf(modelsOf(provider), servedModel(target)), ...target.capabilities })

const vendors: ReadonlyMap<string, VendorClass> = new Map(
  Object.values(providers as Readonly<Record<string, Provider>>).flatMap(({ baseUrl, vendor }) =>
    baseUrl === undefined ? [] : [[new URL(baseUrl).origin, vendor] as const]
  )
)

/** What a provider is to the models that it serves: known by where it answers, whatever dialect it is spoken to in. */
export const vendorOf = ({ baseUrl, dialect }: Policy["providers"][string]): VendorClass =>
  baseUrl === undefined ? (providers[dialect] as Provider).vendor : (vendors.get(URL.parse(baseUrl)?.origin ?? "") ?? "own")

const makeTarget = (
  policy: Policy,
  name: string,
  spec: Pick<Policy["targets"][string], "provider" | "model"> & Partial<Policy["targets"][string]>,
  prices: PriceSource,
  set?: Overrides
): Target => {
  // INVARIANT: the checker has refused targets of unknown providers and providers without an address.
  const declared = policy.providers[spec.provider]!
  const provider: Provider = providers[declared.dialect]
  const region = set?.region ?? regionOf(policy, spec)
  const baseUrl = (declared.baseUrl ?? provider.baseUrl!).replaceAll("{region}", region ?? "").replace(/\/+$/, "")
  const deployment = set?.deployment ?? spec.deployment ?? spec.model
  const served = { ...spec, deployment }
  const capabilities = capabilitiesFor(declared, served)
  const longest = spec.maxOutputTokens ?? capabilities.maxOutputTokens
  return {
    name,
    declared: Object.hasOwn(policy.targets, name),
    label: headerValue(name),
    provider: spec.provider,
    kind: declared.dialect,
    usual: isUsual(declared),
    speaks: provider.speaks,
    dialect: provider.dialect,
    reportsStreamUsage: provider.reportsStreamUsage,
    maxTokensField: provider.maxTokensField,
    baseUrl,
    key: declared.key,
    model: spec.model,
    deployment,
    region,
    vendor: vendorOf(declared),
    tags: spec.tags ?? [],
    capabilities,
    set,
    maxOutputTokens: set?.maxOutputTokens === undefined ? longest : Math.min(set.maxOutputTokens, longest ?? Infinity),
    addedTokens: spec.addedTokens,
    mediaTokens: spec.mediaTokens ?? {},
    price: priceOf(declared, served, prices),
    // Two accounts at one provider fail apart: a limit or a revoked key of one says nothing of the other.
    identity: JSON.stringify([declared.dialect, baseUrl, deployment, region, declared.key?.env ?? null])
  }
}

/** A declared target with what a `send` sets. */
export const overriddenTarget = (policy: Policy, name: string, set: Overrides, prices: PriceSource): Target =>
  makeTarget(policy, name, policy.targets[name]!, prices, set)

/** The targets of a policy, in its order of names. */
export const makeTargets = (policy: Policy, prices: PriceSource = noPrices): ReadonlyMap<string, Target> =>
  new Map(Object.entries(policy.targets).map(([name, spec]) => [name, makeTarget(policy, name, spec, prices)]))

/** Follows aliases of aliases to the target's name; undefined for a dead end or a circle. */
export const followAlias = (policy: Pick<Policy, "aliases" | "targets">, alias: string): string | undefined => {
  const seen = new Set<string>()
  let name = alias
  while (!Object.hasOwn(policy.targets, name)) {
    if (seen.has(name) || !Object.hasOwn(policy.aliases, name)) return undefined
    seen.add(name)
    name = policy.aliases[name]!
  }
  return name
}

/** The open provider that `provider/model` names, where it names one. */
const openProvider = (policy: Policy, model: string): string | undefined => {
  const slash = model.indexOf("/")
  if (slash < 1 || slash === model.length - 1 || model.length > 256) return undefined
  const provider = model.slice(0, slash)
  return Object.hasOwn(policy.providers, provider) && policy.providers[provider]!.open ? provider : undefined
}

/** The spellings of declared targets other than their own names, each with the targets that share it: `provider/model`, then a vendor's own name. */
export const spellings = (policy: Policy): ReadonlyMap<string, ReadonlyArray<string>> => {
  const sharing = new Map<string, Array<string>>()
  const add = (spelling: string, name: string): void => {
    const names = sharing.get(spelling)
    if (names === undefined) sharing.set(spelling, [name])
    else names.push(name)
  }
  const targets = Object.entries(policy.targets)
  for (const [name, { model, provider }] of targets) add(`${provider}/${model}`, name)
  const qualified = new Set(sharing.keys())
  // A vendor's own name may look like the `provider/model` of another target (`openai/gpt-4o` at a router), which comes before it.
  for (const [name, { model }] of targets) if (!qualified.has(model) && openProvider(policy, model) === undefined) add(model, name)
  return sharing
}

/** Undeclared models of open providers are remembered, so that asking again costs a lookup; callers choose the names, so their number is bounded. */
const maxOpenTargets = 1_000

const unknown: Resolution = { _tag: "Unknown" }

/** What asked models resolve to. */
export interface Models {
  readonly resolve: (model: string) => Resolution
  /** The names nearest to one that is unknown, for the error; of targets only those that `permits` lets through. */
  readonly suggest: (model: string, permits: (target: Target) => boolean) => ReadonlyArray<string>
  /** Model names that conditions of routes compare with, so that asking for them means something. */
  readonly mentioned: ReadonlyArray<string>
  /** Every name that `asked()` resolves, with the target it stands for. */
  readonly list: () => ReadonlyArray<{ readonly name: string; readonly target: Target }>
}

/** Compiles the resolution of asked models: one lookup for everything that the policy declares. */
export const makeModels = (
  policy: Policy,
  targets: ReadonlyMap<string, Target>,
  mentioned: ReadonlyArray<string>,
  prices: PriceSource = noPrices
): Models => {
  const known = new Map<string, Resolution>()
  for (const [spelling, names] of spellings(policy)) {
    known.set(spelling, names.length === 1 ? { _tag: "Found", target: targets.get(names[0]!)! } : { _tag: "Ambiguous", targets: names })
  }
  for (const alias of Object.keys(policy.aliases)) {
    const target = targets.get(followAlias(policy, alias) ?? "")
    if (target !== undefined) known.set(alias, { _tag: "Found", target })
  }
  for (const [name, target] of targets) known.set(name, { _tag: "Found", target })

  const open = new Map<string, Resolution>()
  const resolve = (model: string): Resolution => {
    const found = known.get(model) ?? open.get(model)
    if (found !== undefined) return found
    const provider = openProvider(policy, model)
    if (provider !== undefined) {
      const resolution: Resolution = {
        _tag: "Found",
        target: makeTarget(policy, model, { provider, model: model.slice(provider.length + 1) }, prices)
      }
      if (open.size >= maxOpenTargets) open.clear()
      open.set(model, resolution)
      return resolution
    }
    return unknown
  }
  return {
    resolve,
    mentioned,
    suggest: (model, permits) => {
      const permitted = [...known].filter(([, resolution]) =>
        resolution._tag === "Ambiguous"
          ? resolution.targets.some((name) => permits(targets.get(name)!))
          : resolution._tag === "Found" && permits(resolution.target)
      )
      return nearest(model, [...mentioned, ...permitted.map(([name]) => name)], 3)
    },
    list: () =>
      [...targets.keys(), ...Object.keys(policy.aliases)].flatMap((name) => {
        const resolution = known.get(name)
        return resolution?._tag === "Found" ? [{ name, target: resolution.target }] : []
      })
  }
}
