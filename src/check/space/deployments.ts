/**
 * How the health of a policy's targets hangs together.
 *
 * Health is measured by deployment and credential. Targets that are one deployment with the same credentials are up together. One whose credentials are all among those of
 * others at its deployment is down where these are, and not the other way round: so no call is decided while it is said to be up and they are not.
 */
import type { Condition } from "../../Condition.ts"
import type { Policy } from "../../Policy.ts"
import { noPrices } from "../../Price.ts"
import { type Provider, providers } from "../../Providers.ts"
import { overriddenTarget, type Target } from "../../Target.ts"

/** A target as it is found; undefined of one whose provider is unknown or without an address, which is one by itself until that is mended. */
const targetOf = (policy: Policy, name: string): Target | undefined => {
  const spec = policy.targets[name]!
  const provider = Object.hasOwn(policy.providers, spec.provider) ? policy.providers[spec.provider] : undefined
  const isSound = provider !== undefined && (provider.baseUrl ?? (providers[provider.dialect] as Provider).baseUrl) !== undefined
  return isSound ? overriddenTarget(policy, name, {}, noPrices) : undefined
}

/** The targets that are one deployment with each, in the order of the policy. */
export const deploymentsOf = (policy: Policy): ReadonlyMap<string, ReadonlyArray<string>> => {
  const byIdentity = new Map<string, Array<string>>()
  const all = new Map<string, ReadonlyArray<string>>()
  for (const name of Object.keys(policy.targets)) {
    const identity = targetOf(policy, name)?.identity ?? name
    const names = byIdentity.get(identity) ?? []
    byIdentity.set(identity, names)
    names.push(name)
    all.set(name, names)
  }
  return all
}

/** More targets that share a target's credentials are not put together. */
const maxSharers = 8

/** Every smallest set of lists that has all of `wanted`. */
const coversOf = <A>(
  wanted: ReadonlySet<string>,
  lists: ReadonlyArray<readonly [A, ReadonlySet<string>]>
): ReadonlyArray<ReadonlyArray<A>> => {
  const covers: Array<ReadonlyArray<number>> = []
  const sets = Array.from({ length: 2 ** lists.length }, (_, bits) => lists.flatMap((_, i) => (bits & (2 ** i) ? [i] : [])))
  for (const set of sets.sort((a, b) => a.length - b.length)) {
    if (covers.some((cover) => cover.every((i) => set.includes(i)))) continue
    const has = new Set(set.flatMap((i) => [...lists[i]![1]]))
    if ([...wanted].every((one) => has.has(one))) covers.push(set)
  }
  return covers.map((cover) => cover.map((i) => lists[i]![0]))
}

const isUp = (name: string, value: boolean): Condition => ({ _tag: "Is", fact: `health.${name}.up`, value })

/** What no call finds: a target that is up while those that have all its credentials are down. Of targets whose health conditions ask for. */
export const impossibleHealth = (policy: Policy): ReadonlyArray<Condition> => {
  if (Object.values(policy.providers).every(({ keys }) => keys === undefined || keys.length < 2)) return []
  const text = JSON.stringify([policy.routes, policy.guards, policy.layers])
  const asked = Object.keys(policy.targets).flatMap((name) => {
    const target = text.includes(JSON.stringify(`health.${name}.up`)) ? targetOf(policy, name) : undefined
    return target === undefined ? [] : [target]
  })
  const known = new Map(
    asked.map((target) => [target.identity, [target.name, new Set(target.accounts.map((one) => one.identity))] as const])
  )
  return [...known].flatMap(([identity, [name, own]]) => {
    const sharers = [...known]
      .filter(([other, [, accounts]]) => other !== identity && [...accounts].some((one) => own.has(one)))
      .map(([, one]) => one)
    return coversOf(own, sharers.slice(0, maxSharers)).map((cover): Condition => ({
      _tag: "All",
      of: [...cover.map((other) => isUp(other, false)), isUp(name, true)]
    }))
  })
}
