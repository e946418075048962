/**
 * Names that must mean something: providers, targets, aliases.
 */
import type { Found } from "../Check.ts"
import type { Policy, Strategy } from "../Policy.ts"
import { providers as registry, type Provider } from "../Providers.ts"
import { didYouMean } from "../Suggest.ts"
import { followAlias, spellings } from "../Target.ts"

const isLoopback = (url: URL): boolean =>
  url.hostname === "localhost" || url.hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(url.hostname)

export const checkReferences = (policy: Policy, found: Found): void => {
  const providerNames = Object.keys(policy.providers)
  const targetNames = Object.keys(policy.targets)

  for (const [name, declared] of Object.entries(policy.providers)) {
    const path = ["providers", name]
    const address = declared.baseUrl ?? (registry[declared.dialect] as Provider).baseUrl
    if (address === undefined) {
      found("error", path, "no-address", `\`${declared.dialect}\` has no usual address`, "say where it answers in `baseUrl`")
      continue
    }
    const url = new URL(address)
    if (declared.mock !== undefined && (!isLoopback(url) || url.protocol !== "http:" || url.port === "")) {
      found(
        "error",
        [...path, "baseUrl"],
        "mock-address",
        "a mock answers on a loopback address with a port",
        "such as `http://127.0.0.1:8081/v1`"
      )
    }
    if (declared.key !== undefined && url.protocol === "http:" && !isLoopback(url)) {
      found("warning", [...path, "baseUrl"], "key-in-clear", `the key of \`${name}\` crosses the network unencrypted`, "use https")
    }
  }

  for (const [name, target] of Object.entries(policy.targets)) {
    if (Object.hasOwn(policy.providers, target.provider)) continue
    found(
      "error",
      ["targets", name, "provider"],
      "unknown-provider",
      `unknown provider \`${target.provider}\``,
      didYouMean(target.provider, providerNames)
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

  if (policy.routes.some((route) => mentionsAsked(route.to))) {
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

const mentionsAsked = (strategy: Strategy): boolean => {
  switch (strategy._tag) {
    case "Asked":
      return true
    case "Send":
    case "Deny":
      return false
    case "First":
      return strategy.of.some(mentionsAsked)
    case "Split":
      return strategy.arms.some((arm) => mentionsAsked(arm.to))
    case "When":
      return mentionsAsked(strategy.then) || mentionsAsked(strategy.otherwise)
    case "Within":
      return mentionsAsked(strategy.of)
  }
}
