/**
 * A target as it is called: a deployment of a model, with everything that its policy and the registry say of it, resolved once at load.
 *
 * Also the resolution of the model that a caller names: an exact target, then an alias, then `provider/model`, then a vendor's own name where it is unique. It
 * reaches declared targets only, unless the provider is `open`.
 */
import { type Auth, type Overrides, type Policy, type Secret, toMillis, type VendorClass } from "./Policy.ts"
import { type Capabilities, capabilitiesOf, type ModelTable } from "./Models.ts"
import { type Price, type PriceSource, noPrices, ofPolicy } from "./Price.ts"
import { bearer, type Provider, type ProviderKind, providers } from "./Providers.ts"
import type { Dialect, Habits } from "./Dialect.ts"
import type { Rule } from "./Rules.ts"
import { nearest } from "./Suggest.ts"
import { headerValue } from "./Text.ts"

/** A deployment as one credential of its provider reaches it. */
export interface Account {
  /** What records call the credential: the environment variable of its key; undefined where there is no key. */
  readonly name: string | undefined
  readonly key: Secret | undefined
  /** Its share of the calls. */
  readonly weight: number
  /** The deployment under this credential: what its breaker is kept by. */
  readonly identity: string
  /** The credential at its provider, whatever it is used for: one that is dead is dead for every deployment. */
  readonly credential: string
}

/** How much of a target may be under way at once. */
export interface Capacity {
  readonly inFlight: number
  readonly queued: number
  readonly waitMillis: number
}

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
  /** What it can be spoken to in, best first. */
  readonly dialects: Provider["dialects"]
  /** The headers that carry its key, or its token where it has `auth`. */
  readonly credential: Provider["credential"]
  readonly habits: Habits & Pick<Provider, "maxTokensField" | "reportsStreamUsage">
  /** The path of a dialect's request, behind `baseUrl`. */
  readonly place: (path: string) => string
  /** Without a trailing slash. */
  readonly baseUrl: string
  /** The credentials that it can be reached with, at least one, in the author's order. */
  readonly accounts: readonly [Account, ...ReadonlyArray<Account>]
  /** Undefined for no limit. */
  readonly capacity: Capacity | undefined
  /** How its tokens are got; undefined where it takes none. */
  readonly auth: Auth | undefined
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

type Declared = Policy["providers"][string]
type Spec = Pick<Policy["targets"][string], "model"> & Partial<Policy["targets"][string]>

/** An address in the one spelling of it; undefined for one that a region or a project completes. */
const addressOf = (baseUrl: string): string | undefined => URL.parse(baseUrl)?.href.replace(/\/+$/, "")

const hostOf = (baseUrl: string): string =>
  URL.parse(baseUrl.replaceAll("{region}", "region").replaceAll("{project}", "project"))?.hostname ?? ""

/** Whether a provider answers at an address that is its kind's own. */
const isUsual = ({ baseUrl, dialect }: Declared): boolean => {
  const { baseUrl: own, hosts }: Provider = providers[dialect]
  if (baseUrl === undefined) return own !== undefined
  return hosts?.test(hostOf(baseUrl)) ?? (own !== undefined && addressOf(baseUrl) === addressOf(own))
}

/** The address at which a provider answers in a region, without a trailing slash. */
const locate = ({ baseUrl, dialect, project }: Declared, region: string | null): string => {
  const { address, baseUrl: own }: Provider = providers[dialect]
  // INVARIANT: the checker has refused providers without an address, and what an address depends on and nobody says.
  const completed = (baseUrl ?? own ?? "").replaceAll("{region}", region ?? "").replaceAll("{project}", project ?? "")
  return (address?.(completed) ?? completed).replace(/\/+$/, "")
}

/** How tokens are got for a provider: as its policy says, else as its kind usually does where there is no key. */
export const authOf = ({ auth, dialect, key, keys }: Declared): Auth | undefined =>
  auth ?? (key === undefined && keys === undefined ? (providers[dialect] as Provider).usualAuth : undefined)

/** What a kind of provider may be spoken to in, whatever can be expected of an address. */
export const dialectsOf = ({ dialects, elsewhere }: Provider): ReadonlyArray<Dialect> => [...new Set([...dialects, ...(elsewhere ?? [])])]

/** What a provider is spoken to in: as its policy says, else what can be expected at its address. */
const spokenBy = (declared: Declared): Provider["dialects"] => {
  const provider: Provider = providers[declared.dialect]
  const { dialects, elsewhere = dialects } = provider
  const named = dialectsOf(provider)
  const said = declared.speaks?.flatMap((name) => named.find((dialect) => dialect.name === name) ?? [])
  // INVARIANT: the checker has refused names of dialects that the kind does not speak.
  const [first, ...others] = said ?? []
  return first === undefined ? (isUsual(declared) ? dialects : elsewhere) : [first, ...others]
}

/** The name by which what is known of models is looked up: what answers at a provider's own address goes by the name that it is asked for, unless accounts name it. */
const servedModel = ({ dialect }: Declared, { deployment, model }: Spec): string =>
  (providers[dialect] as Provider).deploys === true ? model : (deployment ?? model)

/** What a target costs: as its policy says, else by the list, which says nothing of what answers at an address of the policy's own. */
export const priceOf = (provider: Declared, target: Spec, prices: PriceSource): Price | undefined => {
  if (target.price !== undefined) return ofPolicy(target.price)
  if (!isUsual(provider)) return undefined
  const { listed }: Provider = providers[provider.dialect]
  if (listed?.(locate(provider, target.region ?? provider.region ?? null)) === false) return undefined
  return prices(provider.dialect, servedModel(provider, target))
}

/** Where a target is served: in its own region, else in its provider's. */
export const regionOf = (
  policy: Pick<Policy, "providers">,
  target: Pick<Policy["targets"][string], "provider" | "region">
): string | null =>
  target.region ?? (Object.hasOwn(policy.providers, target.provider) ? policy.providers[target.provider]!.region : undefined) ?? null

/** What is known of a provider's models, by their names; nothing of what answers at an address of the policy's own. */
export const modelsOf = (provider: Declared): ModelTable | undefined =>
  isUsual(provider) ? (providers[provider.dialect] as Provider).models : undefined

/** What is known of a target: its own declaration before the catalog. */
export const capabilitiesFor = (provider: Declared, target: Spec): Capabilities => ({
  ...capabilitiesOf(modelsOf(provider), servedModel(provider, target)),
  ...target.capabilities
})

const kinds: ReadonlyArray<Provider> = Object.values(providers)

const vendors: ReadonlyMap<string, VendorClass> = new Map(
  kinds.flatMap(({ baseUrl, hosts, vendor }) =>
    baseUrl === undefined || hosts !== undefined ? [] : [[new URL(baseUrl).origin, vendor] as const]
  )
)

/** What a provider is to the models that it serves: known by where it answers, whatever dialect it is spoken to in. */
export const vendorOf = ({ baseUrl, dialect }: Declared): VendorClass => {
  if (baseUrl === undefined) return (providers[dialect] as Provider).vendor
  const host = hostOf(baseUrl)
  const own = kinds.find(({ hosts }) => hosts?.test(host))
  return own?.vendor ?? vendors.get(URL.parse(baseUrl)?.origin ?? "") ?? "own"
}

/** The credentials of a provider at one deployment. Two accounts at one provider fail apart: a limit or a revoked key of one says nothing of the other. */
const accountsOf = (
  { key, keys }: Declared,
  identityOf: (key: Secret | undefined) => string,
  credentialOf: (key: Secret | undefined) => string
): Target["accounts"] => {
  const account = (key: Secret | undefined, weight: number): Account => ({
    name: key?.env,
    key,
    weight,
    identity: identityOf(key),
    credential: credentialOf(key)
  })
  // INVARIANT: the checker has refused a provider with `key` and `keys`.
  const [first, ...more] = keys ?? []
  if (first === undefined) return [account(key, 1)]
  return [account(first.key, first.weight), ...more.map((one) => account(one.key, one.weight))]
}

const makeTarget = (
  policy: Policy,
  name: string,
  spec: Pick<Policy["targets"][string], "provider"> & Spec,
  prices: PriceSource,
  set?: Overrides
): Target => {
  // INVARIANT: the checker has refused targets of unknown providers.
  const provided = policy.providers[spec.provider]!
  const { apiVersion, dialect, project } = provided
  const provider: Provider = providers[dialect]
  const declared = Object.hasOwn(policy.targets, name)
  const auth = authOf(provided)
  const region = set?.region ?? regionOf(policy, spec)
  const baseUrl = locate(provided, region)
  const deployment = set?.deployment ?? spec.deployment ?? spec.model
  const served: Spec = { ...spec, deployment, ...(region === null ? {} : { region }) }
  // Which model a deployment is that only a caller has named is for nobody to say.
  const known = declared || provider.deploys !== true
  const capabilities = known ? capabilitiesFor(provided, served) : {}
  const longest = spec.maxOutputTokens ?? capabilities.maxOutputTokens
  const under = (key: Secret | undefined): string =>
    JSON.stringify([dialect, baseUrl, deployment, region, key?.env ?? null, auth ?? null, project ?? null, apiVersion ?? null])
  // One that is dead is dead in every region.
  const anywhere = locate(provided, null)
  const accounts = accountsOf(provided, under, (key) =>
    JSON.stringify([dialect, anywhere, key?.env ?? null, auth ?? null, project ?? null])
  )
  return {
    name,
    declared,
    label: headerValue(name),
    provider: spec.provider,
    kind: dialect,
    usual: isUsual(provided),
    dialects: spokenBy(provided),
    credential: auth === undefined ? provider.credential : bearer,
    habits: {
      maxTokensField: provider.maxTokensField,
      reportsStreamUsage: provider.reportsStreamUsage,
      ...(provider.callIds === undefined ? {} : { callIds: provider.callIds }),
      ...(provider.callIdLength === undefined ? {} : { callIdLength: provider.callIdLength })
    },
    place: (path) => provider.place?.(path, { deployment, apiVersion }) ?? path,
    baseUrl,
    accounts,
    capacity:
      spec.capacity === undefined
        ? undefined
        : { inFlight: spec.capacity.inFlight, queued: spec.capacity.queued, waitMillis: toMillis(spec.capacity.wait) },
    auth,
    model: spec.model,
    deployment,
    region,
    vendor: vendorOf(provided),
    tags: spec.tags ?? [],
    capabilities,
    set,
    maxOutputTokens: set?.maxOutputTokens === undefined ? longest : Math.min(set.maxOutputTokens, longest ?? Infinity),
    addedTokens: spec.addedTokens,
    mediaTokens: spec.mediaTokens ?? {},
    price: known ? priceOf(provided, served, prices) : undefined,
    identity: accounts.length === 1 ? accounts[0].identity : JSON.stringify(accounts.map(({ identity }) => identity).sort())
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
