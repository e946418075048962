/** Which targets can be looked at more closely: those that there are, of a provider that there is, at an address. What is wrong with the others is found by itself. */
import type { Policy } from "../Policy.ts"
import { type Provider, providers as registry } from "../Providers.ts"

export const isSound = (policy: Pick<Policy, "providers" | "targets">, name: string): boolean => {
  const spec = Object.hasOwn(policy.targets, name) ? policy.targets[name] : undefined
  const provider = spec !== undefined && Object.hasOwn(policy.providers, spec.provider) ? policy.providers[spec.provider] : undefined
  return provider !== undefined && (provider.baseUrl ?? (registry[provider.dialect] as Provider).baseUrl) !== undefined
}
