/**
 * What a class of callers may reach, compiled once: static, so that deciding settles it and no path of a strategy leads around it.
 *
 * Declared targets are granted by name, undeclared models of an open provider as `provider/*`; both within the providers and regions of the class. A class
 * that the policy does not know is granted nothing; without any keys and without a class `local`, the caller `local` is granted everything.
 */
import { local } from "./Keys.ts"
import type { Policy } from "./Policy.ts"
import type { Target } from "./Target.ts"

/** The fields of a target that grants look at. */
export type Granted = Pick<Target, "name" | "declared" | "provider" | "region">

/** Why a class may not reach a target, naming the rule that says so; undefined where it may. */
export type Grant = (target: Granted) => string | undefined

const everything: Grant = () => undefined

const grantOf = (policy: Pick<Policy, "classes">, name: string): Grant => {
  const declared = Object.hasOwn(policy.classes, name) ? policy.classes[name] : undefined
  if (declared === undefined) return () => `the policy has no class \`${name}\``
  const may = new Set(declared.may)
  const providers = declared.providers === "any" ? undefined : new Set(declared.providers)
  const regions = declared.regions === "any" ? undefined : new Set(declared.regions)
  const rule = `classes.${name}`
  return (target) => {
    if (!may.has(target.declared ? target.name : `${target.provider}/*`)) return `\`${rule}.may\` does not name it`
    if (providers !== undefined && !providers.has(target.provider)) return `\`${rule}.providers\` does not name \`${target.provider}\``
    if (regions !== undefined && (target.region === null || !regions.has(target.region))) {
      return target.region === null
        ? `\`${rule}.regions\` needs a region, and it has none`
        : `\`${rule}.regions\` does not name \`${target.region}\``
    }
    return undefined
  }
}

/** Whether everybody may reach everything: no rule of the policy says otherwise. */
export const grantsAll = (policy: Pick<Policy, "classes" | "keys">): boolean =>
  Object.keys(policy.keys).length === 0 && !Object.hasOwn(policy.classes, local.class)

/** The grants of a policy, by class. Classes that it does not name cost a small closure each time they are asked for. */
export const makeGrants = (policy: Pick<Policy, "classes" | "keys">): ((name: string) => Grant) => {
  if (grantsAll(policy)) return () => everything
  const known = new Map(Object.keys(policy.classes).map((name) => [name, grantOf(policy, name)]))
  return (name) => known.get(name) ?? grantOf(policy, name)
}
