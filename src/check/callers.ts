/**
 * Who may call and what that leaves of the routes: keys, classes, what each class may reach, and where a grant takes a fallback, an arm or everything away.
 */
import type { Found } from "../Check.ts"
import { makeGrants } from "../Grants.ts"
import { local } from "../Keys.ts"
import type { Policy } from "../Policy.ts"
import { didYouMean } from "../Suggest.ts"
import { regionOf } from "../Target.ts"
import { checkAccess } from "./access.ts"
import type { Candidates } from "./candidates.ts"

const checkKeys = (policy: Policy, found: Found): void => {
  const bySecret = new Map<string, string>()
  for (const [name, key] of Object.entries(policy.keys)) {
    const secret = JSON.stringify(key.secret)
    const twin = bySecret.get(secret)
    if (twin === undefined) bySecret.set(secret, name)
    else
      found(
        "error",
        ["keys", name, "secret"],
        "key-secret-twice",
        `\`${twin}\` has the same secret, so nobody could tell whose call it is`,
        "give each key a secret of its own"
      )
    if (!Object.hasOwn(policy.classes, key.class)) {
      const fix = didYouMean(key.class, Object.keys(policy.classes))
      found("error", ["keys", name, "class"], "unknown-class", `unknown class \`${key.class}\``, fix)
    }
  }
}

const checkClasses = (policy: Policy, found: Found): void => {
  const targets = Object.entries(policy.targets)
  const regions = new Set(targets.map(([, target]) => regionOf(policy, target)).filter((region) => region !== null))
  for (const [name, { may, providers, regions: within }] of Object.entries(policy.classes)) {
    for (const [i, target] of may.entries()) {
      const provider = target.endsWith("/*") ? target.slice(0, -2) : undefined
      if (provider !== undefined && Object.hasOwn(policy.providers, provider)) {
        if (!policy.providers[provider]!.open) {
          found(
            "error",
            ["classes", name, "may", i],
            "not-open",
            `\`${provider}\` is not open, so it has no models beside the declared targets`,
            `name targets, or say \`open: true\` of \`${provider}\``
          )
        }
      } else if (!Object.hasOwn(policy.targets, target)) {
        const fix = didYouMean(target, Object.keys(policy.targets))
        found("error", ["classes", name, "may", i], "unknown-target", `unknown target \`${target}\``, fix)
      }
    }
    if (providers !== "any") {
      for (const [i, provider] of providers.entries()) {
        if (Object.hasOwn(policy.providers, provider)) continue
        const fix = didYouMean(provider, Object.keys(policy.providers))
        found("error", ["classes", name, "providers", i], "unknown-provider", `unknown provider \`${provider}\``, fix)
      }
    }
    if (within !== "any") {
      for (const [i, region] of within.entries()) {
        if (regions.has(region) || Object.values(policy.providers).some((provider) => provider.region === region)) continue
        const fix = didYouMean(region, [...regions])
        found("warning", ["classes", name, "regions", i], "unknown-region", `nothing is served in \`${region}\``, fix)
      }
    }
    const used =
      Object.values(policy.keys).some((key) => key.class === name) || (name === local.class && Object.keys(policy.keys).length === 0)
    if (!used) found("warning", ["classes", name], "class-without-keys", `no key is of class \`${name}\``)
  }
}

/** Says of a class that may use nothing, where nothing else has been said of it: a route with `asked()` shows no lack. */
const checkEmpty = (policy: Policy, found: Found): void => {
  const grants = makeGrants(policy)
  for (const name of Object.keys(policy.classes)) {
    const grant = grants(name)
    const targets = Object.entries(policy.targets).map(([target, spec]) => ({
      name: target,
      declared: true,
      provider: spec.provider,
      region: regionOf(policy, spec)
    }))
    const open = Object.entries(policy.providers)
      .filter(([, provider]) => provider.open)
      .map(([provider, { region = null }]) => ({ name: provider, declared: false, provider, region }))
    if ([...targets, ...open].some((target) => grant(target) === undefined)) continue
    found(
      "error",
      ["classes", name],
      "class-reaches-nothing",
      `class \`${name}\` may use nothing: of what \`may\` names, \`providers\` and \`regions\` leave no target`,
      "grant it a target, or leave the class out"
    )
  }
}

export const checkCallers = (policy: Policy, found: Found, candidates: Candidates): void => {
  const spokenOf = new Set<string>()
  const noting: Found = (level, path, code, message, fix, witness) => {
    for (const name of Object.keys(policy.classes)) if (path[1] === name || message.includes(`class \`${name}\``)) spokenOf.add(name)
    found(level, path, code, message, fix, witness)
  }
  checkKeys(policy, noting)
  checkClasses(policy, noting)
  checkAccess(candidates, noting)
  checkEmpty(policy, (level, path, code, message, fix) => {
    if (!spokenOf.has(String(path[1]))) found(level, path, code, message, fix)
  })
}
