/**
 * Who may call and what that leaves of the routes: keys, classes, what each class may reach, and where a grant takes a fallback, an arm or everything away.
 */
import type { Found } from "../Check.ts"
import * as Condition from "../Condition.ts"
import { type FactValue, factNames, typeOf } from "../Facts.ts"
import type { Path } from "../Finding.ts"
import { makeGrants } from "../Grants.ts"
import { local } from "../Keys.ts"
import type { Policy, Strategy } from "../Policy.ts"
import { didYouMean } from "../Suggest.ts"
import { regionOf } from "../Target.ts"

/** A caller as far as the policy knows it: what its facts are for certain. */
type Subject = ReadonlyMap<string, FactValue>

/** How a class stands with the budgets that it does not spend from. */
const outside = (policy: Policy, name: string): ReadonlyArray<readonly [string, FactValue]> =>
  Object.entries(policy.budgets)
    .filter(([budget]) => !policy.classes[name]!.within.includes(budget))
    .flatMap(([budget, { limit }]) => [
      [`budget.${budget}.spent`, 0],
      [`budget.${budget}.usedRatio`, 0],
      [`budget.${budget}.remaining`, limit.usd]
    ])

/** The callers of a class: its keys; where it has none, anybody of the class. */
const subjectsOf = (policy: Policy, name: string): ReadonlyArray<Subject> => {
  const common: ReadonlyArray<readonly [string, FactValue]> = [["caller.class", name], ...outside(policy, name)]
  const keys = Object.entries(policy.keys).filter(([, key]) => key.class === name)
  if (keys.length === 0) return [new Map(common)]
  return keys.map(
    ([key, { team }]) =>
      new Map<string, FactValue>([...common, ["caller.key", key], ["caller.team", team ?? null], ["caller.organisation", null]])
  )
}

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

/** Says where the grants of a class leave less of a route than the author has written. */
const checkReach = (policy: Policy, found: Found): void => {
  const grants = makeGrants(policy)
  const vocabulary = { names: factNames(policy), typeOf: (name: string) => typeOf(name, policy) }
  const holds = (json: unknown, subject: Subject): boolean | undefined => {
    // What is wrong with a condition is found elsewhere.
    const condition = Condition.parse(json, [], vocabulary, () => {})
    return condition === undefined ? undefined : Condition.given(condition, (fact) => subject.get(fact))
  }
  const said = new Set<string>()
  const say = (level: "error" | "warning", path: Path, name: string, message: string, fix: string): void => {
    const key = JSON.stringify([path, name])
    if (said.has(key)) return
    said.add(key)
    found(level, path, level === "error" ? "grant-removes-all" : "grant-removes", message, fix)
  }

  for (const name of Object.keys(policy.classes)) {
    const grant = grants(name)
    const ruleOf = (target: string): string | undefined => {
      const spec = policy.targets[target]
      if (spec === undefined || !Object.hasOwn(policy.providers, spec.provider)) return undefined
      return grant({ name: target, declared: true, provider: spec.provider, region: regionOf(policy, spec) })
    }
    /** Why nothing is left of a strategy for the class; undefined where something is. */
    const removed = (strategy: Strategy, path: Path, subject: Subject): string | undefined => {
      const some = (parts: ReadonlyArray<{ readonly of: Strategy; readonly at: Path; readonly is: string }>): string | undefined => {
        const causes = parts.map((part) => removed(part.of, part.at, subject))
        if (causes.length > 0 && causes.every((cause) => cause !== undefined)) return causes[0]
        for (const [i, cause] of causes.entries()) {
          if (cause === undefined) continue
          const { at, is } = parts[i]!
          say(
            "warning",
            at,
            name,
            `this ${is} is rejected for class \`${name}\`: ${cause}`,
            "grant it, or leave the class another way here"
          )
        }
        return undefined
      }
      switch (strategy._tag) {
        case "Asked":
        case "Deny":
          return undefined
        case "Send": {
          const rule = ruleOf(strategy.target)
          return rule === undefined ? undefined : `it may not use \`${strategy.target}\` (${rule})`
        }
        case "Within":
          return removed(strategy.of, [...path, "of"], subject)
        case "First":
          return some(strategy.of.map((of, i) => ({ of, at: [...path, "of", i], is: i === 0 ? "first choice" : "fallback" })))
        case "Split":
          return some(strategy.arms.map((arm, i) => ({ of: arm.to, at: [...path, "arms", i], is: `arm \`${arm.name}\`` })))
        case "When": {
          const holding = holds(strategy.if, subject)
          return some([
            ...(holding === false ? [] : [{ of: strategy.then, at: [...path, "then"], is: "branch" }]),
            ...(holding === true ? [] : [{ of: strategy.otherwise, at: [...path, "otherwise"], is: "branch" }])
          ])
        }
      }
    }
    for (const subject of subjectsOf(policy, name)) {
      for (const [i, route] of policy.routes.entries()) {
        const holding = route.when === undefined ? true : holds(route.when, subject)
        if (holding === false) continue
        const cause = removed(route.to, ["routes", i, "to"], subject)
        if (cause !== undefined) {
          say(
            "error",
            ["routes", i, "to"],
            name,
            `nothing is left of this route for class \`${name}\`: ${cause}`,
            "grant a target of it, or keep the class out with a `when` on `caller.class`"
          )
        }
        if (holding === true) break
      }
    }
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

export const checkCallers = (policy: Policy, found: Found): void => {
  const spokenOf = new Set<string>()
  const noting: Found = (level, path, code, message, fix) => {
    for (const name of Object.keys(policy.classes)) if (path[1] === name || message.includes(`class \`${name}\``)) spokenOf.add(name)
    found(level, path, code, message, fix)
  }
  checkKeys(policy, noting)
  checkClasses(policy, noting)
  checkReach(policy, noting)
  checkEmpty(policy, (level, path, code, message, fix) => {
    if (!spokenOf.has(String(path[1]))) found(level, path, code, message, fix)
  })
}
