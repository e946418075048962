/**
 * Names of what is laid over a policy: a rule of an organisation cannot be replaced by one of the same name, neither by another layer's nor by the policy's own.
 *
 * What guards and budgets say is judged with the policy's own (`guards.ts`, `budgets.ts`), at the layer's place.
 */
import type { Found } from "../Check.ts"
import type { Path } from "../Finding.ts"
import { guardsOf } from "../Layers.ts"
import type { Policy } from "../Policy.ts"

/** Whose a rule is, in words. */
const whose = (layer: string | undefined): string => (layer === undefined ? "the policy" : `layer \`${layer}\``)

export const checkLayers = (policy: Policy, found: Found): void => {
  const layers = new Set<string>()
  for (const [i, { name }] of policy.layers.entries()) {
    if (layers.has(name)) found("error", ["layers", i, "name"], "layer-clash", `there is a layer \`${name}\` already`, "lay it over once")
    layers.add(name)
  }

  const clash = (
    kind: "guard" | "budget",
    rules: ReadonlyArray<{ readonly name: string; readonly owner: string; readonly path: Path }>
  ): void => {
    const owners = new Map<string, string>()
    for (const { name, owner, path } of rules) {
      const twin = owners.get(name)
      if (twin === undefined) owners.set(name, owner)
      else if (twin === owner && kind === "guard")
        found("error", path, "guard-name-twice", `there is a guard \`${name}\` already`, "give each a name of its own")
      else
        found(
          "error",
          path,
          "layer-clash",
          `${twin} has a ${kind} \`${name}\`, and what is laid over a policy cannot be replaced`,
          `call the ${kind} of ${owner} something else`
        )
    }
  }
  clash(
    "guard",
    guardsOf(policy).map(({ guard, layer, path }) => ({ name: guard.name, owner: whose(layer), path: [...path, "name"] }))
  )
  clash("budget", [
    ...policy.layers.flatMap(({ budgets, name }, i) =>
      Object.keys(budgets).map((budget) => ({ name: budget, owner: whose(name), path: ["layers", i, "budgets", budget] }))
    ),
    ...Object.keys(policy.budgets).map((budget) => ({ name: budget, owner: whose(undefined), path: ["budgets", budget] }))
  ])
}
