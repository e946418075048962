/**
 * The order of routes: there is a default, it can be reached, and so can everything before it.
 */
import type { Found } from "../Check.ts"
import type { Policy } from "../Policy.ts"

export const checkRoutes = (policy: Policy, found: Found): void => {
  const byName = new Map<string, number>()
  const byCondition = new Map<string, number>()
  let catchesAll: number | undefined
  const named = (index: number): string => `\`${policy.routes[index]!.name}\``

  for (const [i, route] of policy.routes.entries()) {
    const twin = byName.get(route.name)
    if (twin === undefined) byName.set(route.name, i)
    else found("error", ["routes", i, "name"], "route-name-twice", `routes[${twin}] is called ${named(i)} already`)

    const condition = JSON.stringify(route.when)
    const same = route.when === undefined ? undefined : byCondition.get(condition)
    if (catchesAll !== undefined) {
      const last = i === policy.routes.length - 1
      found(
        "error",
        ["routes", i],
        last && route.when === undefined ? "unreachable-default" : "unreachable-route",
        `${last && route.when === undefined ? "the default route" : "this route"} can never be chosen: ${named(catchesAll)} has no \`when\` and takes every request before it`,
        `give ${named(catchesAll)} a \`when\`, or move it to the end`
      )
    } else if (same !== undefined) {
      found(
        "error",
        ["routes", i, "when"],
        "unreachable-route",
        `this route can never be chosen: ${named(same)} has the same condition and comes first`
      )
    }
    if (route.when === undefined) catchesAll ??= i
    else if (same === undefined) byCondition.set(condition, i)
  }
  if (catchesAll === undefined) {
    const last = policy.routes.length - 1
    found(
      "error",
      ["routes", last, "when"],
      "no-default",
      "a request that meets no condition has no route",
      "end with a route without `when`: `asked()`, a target, or a `deny`"
    )
  }
}
