/**
 * Names that must mean something: providers, targets, pools, aliases, tags of keys, and regions in addresses. What a provider says of itself is in `providers.ts`.
 */
import type { Found } from "../Check.ts"
import type { Path } from "../Finding.ts"
import type { Overrides, Policy, Send } from "../Policy.ts"
import { providers as registry, type Provider } from "../Providers.ts"
import { didYouMean } from "../Suggest.ts"
import { followAlias, regionOf, spellings } from "../Target.ts"
import { addressIn, checkProvider } from "./providers.ts"
import { type Placed, sendsOf, strategiesOf } from "./walk.ts"

/** Whether the provider of a target answers at another address in each region. */
const isRegional = (policy: Policy, target: string): boolean => {
  const provider = policy.targets[target]?.provider
  return (
    provider !== undefined &&
    Object.hasOwn(policy.providers, provider) &&
    addressIn(policy.providers[provider]!)?.includes("{region}") === true
  )
}

const setsNothing = (set: Overrides): boolean =>
  Object.values(set).every((value) => typeof value === "object" && Object.keys(value).length === 0)

/** Whether requests to a kind of provider carry a header of their own. */
const sends = ({ credential, dialects }: Provider, header: string): boolean =>
  Object.hasOwn(credential(""), header) || dialects.some(({ headers }) => Object.hasOwn(headers, header))

/** Whether the dialect of a target sends a header itself. */
const isOwnHeader = (policy: Policy, target: string, header: string): boolean => {
  const provider = policy.targets[target]?.provider
  const spec = provider === undefined || !Object.hasOwn(policy.providers, provider) ? undefined : policy.providers[provider]!
  return spec !== undefined && sends(registry[spec.dialect], header)
}

const checkSend = (policy: Policy, { of: { set, target }, path }: Placed<Send>, found: Found): void => {
  if (!Object.hasOwn(policy.targets, target)) {
    found("error", path, "unknown-target", `unknown target \`${target}\``, didYouMean(target, Object.keys(policy.targets)))
  }
  if (set === undefined) return
  if (setsNothing(set)) found("error", [...path, "set"], "empty-set", "`set` sets nothing", `leave it out, or write \`${target}\` alone`)
  for (const header of Object.keys(set.headers ?? {})) {
    if (!isOwnHeader(policy, target, header)) continue
    const message = `\`${header}\` is sent by the dialect of \`${target}\` itself, so that setting it changes nothing`
    found("error", [...path, "set", "headers", header], "own-header", message, "leave it out")
  }
  if (set.region !== undefined && Object.hasOwn(policy.targets, target) && !isRegional(policy, target)) {
    const { provider } = policy.targets[target]!
    found(
      "error",
      [...path, "set", "region"],
      "region-without-address",
      `\`${provider}\` answers at one address whatever the region, so \`${target}\` would not be served in \`${set.region}\``,
      `put \`{region}\` into the \`baseUrl\` of \`${provider}\`, or declare a target with that region`
    )
  }
}

/** Members by what they are: one target twice is two members where different things are set for it. */
const checkMembers = (of: ReadonlyArray<Send>, path: Path, found: Found): void => {
  const seen = new Set<string>()
  for (const [i, member] of of.entries()) {
    const key = JSON.stringify([member.target, member.set ?? {}])
    if (seen.has(key)) found("error", [...path, "of", i], "member-twice", `\`${member.target}\` is a member already`, "leave one out")
    seen.add(key)
  }
}

const checkPools = (policy: Policy, found: Found): void => {
  const used = new Set<string>()
  for (const { of, path } of strategiesOf(policy)) {
    if (of._tag === "Spread") checkMembers(of.of, path, found)
    if (of._tag !== "Pool") continue
    used.add(of.pool)
    if (Object.hasOwn(policy.pools, of.pool)) continue
    found("error", [...path, "pool"], "unknown-pool", `unknown pool \`${of.pool}\``, didYouMean(of.pool, Object.keys(policy.pools)))
  }
  for (const [name, { of }] of Object.entries(policy.pools)) {
    checkMembers(of, ["pools", name], found)
    if (!used.has(name)) found("warning", ["pools", name], "pool-unused", `no route uses pool \`${name}\``, "use it, or leave it out")
  }
}

const checkTags = (policy: Policy, found: Found): void => {
  for (const [name, { tags }] of Object.entries(policy.keys)) {
    for (const [i, tag] of tags.entries()) {
      if (policy.tags.includes(tag)) continue
      const fix = didYouMean(tag, policy.tags) ?? `add \`${tag}\` to the policy's \`tags\``
      found("error", ["keys", name, "tags", i], "unknown-tag", `\`${tag}\` is none of the policy's \`tags\``, fix)
    }
  }
}

export const checkReferences = (policy: Policy, found: Found): void => {
  const providerNames = Object.keys(policy.providers)
  const targetNames = Object.keys(policy.targets)

  for (const [name, declared] of Object.entries(policy.providers)) checkProvider(name, declared, found)

  for (const [name, target] of Object.entries(policy.targets)) {
    if (!Object.hasOwn(policy.providers, target.provider)) {
      found(
        "error",
        ["targets", name, "provider"],
        "unknown-provider",
        `unknown provider \`${target.provider}\``,
        didYouMean(target.provider, providerNames)
      )
    } else if (isRegional(policy, name) && regionOf(policy, target) === null) {
      found(
        "error",
        ["targets", name],
        "address-without-region",
        `\`${target.provider}\` answers at an address with \`{region}\`, and \`${name}\` has no region`,
        `say the \`region\` of \`${name}\` or of \`${target.provider}\``
      )
    }
  }
  for (const [name, provider] of Object.entries(policy.providers)) {
    if (!provider.open || provider.region !== undefined || addressIn(provider)?.includes("{region}") !== true) continue
    found(
      "error",
      ["providers", name],
      "address-without-region",
      `\`${name}\` is open and answers at an address with \`{region}\`, but models that are not declared have no region`,
      `say the \`region\` of \`${name}\``
    )
  }
  if (targetNames.length === 0 && !Object.values(policy.providers).some((provider) => provider.open)) {
    found("error", ["targets"], "no-target", "there is nothing to route to", "declare a target, or a provider with `open: true`")
  }

  for (const [alias, goal] of Object.entries(policy.aliases)) {
    const path = ["aliases", alias]
    if (Object.hasOwn(policy.targets, alias)) {
      found("error", path, "alias-shadowed", `\`${alias}\` is a target already, so the alias would never be looked at`)
    } else if (!Object.hasOwn(policy.targets, goal) && !Object.hasOwn(policy.aliases, goal)) {
      found("error", path, "unknown-target", `unknown target \`${goal}\``, didYouMean(goal, targetNames))
    } else if (followAlias(policy, alias) === undefined) {
      // A chain that ends in an unknown name is reported where it ends.
      const chain = [alias]
      let next = policy.aliases[alias]
      while (next !== undefined && !chain.includes(next)) {
        chain.push(next)
        next = policy.aliases[next]
      }
      if (next !== undefined)
        found("error", path, "alias-cycle", `aliases go round in a circle: ${[...chain, next].map((name) => `\`${name}\``).join(" → ")}`)
    }
  }

  for (const send of sendsOf(policy)) checkSend(policy, send, found)
  checkPools(policy, found)
  checkTags(policy, found)

  if (strategiesOf(policy).some(({ of }) => of._tag === "Asked")) {
    for (const [asked, names] of spellings(policy)) {
      if (names.length < 2 || Object.hasOwn(policy.aliases, asked) || Object.hasOwn(policy.targets, asked)) continue
      found(
        "warning",
        ["targets", names[1]!, "model"],
        "ambiguous-model",
        `a caller who asks for \`${asked}\` could mean ${names.map((name) => `\`${name}\``).join(" or ")}, and is refused`,
        `say which in \`aliases\`: { "${asked}": "${names[0]}" }`
      )
    }
  }
}
