/**
 * Limits that leave no time, or that never pass because another passes first; and a commit so early that it takes failover away.
 *
 * Decoding makes defaults explicit, and a default is no contradiction of its author's, so two limits are compared only where both were written.
 */
import type { Found } from "../Check.ts"
import { type Path, valueAt } from "../Finding.ts"
import { limitsOf } from "../Limits.ts"
import { type Policy, toMillis } from "../Policy.ts"
import { within } from "./walk.ts"

type Timeouts = Policy["timeouts"]

/** Each with those that end the same attempt and begin as early: the first never passes unless it is shorter. */
const shorter: ReadonlyArray<readonly [keyof Timeouts, keyof Timeouts]> = [
  ["connect", "headers"],
  ["connect", "total"],
  ["headers", "total"],
  ["firstToken", "total"],
  ["idle", "total"]
]

export const checkLimits = (policy: Policy, json: unknown, found: Found): void => {
  /** Where a field of `section` was written, seen from a route or from the policy. */
  const written = (section: "timeouts" | "effort", field: string, routes: ReadonlyArray<Path>): Path | undefined =>
    [...routes, []].map((at) => [...at, section, field]).find((path) => valueAt(json, path) !== undefined)

  const zero = (at: Path, section: "timeouts" | "effort", fields: object | undefined): void => {
    for (const [field, value] of Object.entries(fields ?? {})) {
      const path = [...at, section, field]
      const nothing = typeof value === "string" ? value !== "none" && toMillis(value) === 0 : (value as { usd?: number }).usd === 0
      if (!nothing) continue
      const what = section === "timeouts" ? `\`${field}\` of no time fails every attempt` : `an effort without ${field} tries nothing`
      found("error", path, "limit-of-nothing", what, field === "connect" ? "give it some time" : 'say "none" for no limit')
    }
  }

  const contradictions = (at: Path, timeouts: Timeouts, routes: ReadonlyArray<Path>): void => {
    for (const [field, other] of shorter) {
      const [path, against] = [written("timeouts", field, routes), written("timeouts", other, routes)]
      const [own, around] = [timeouts[field], timeouts[other]]
      if (path === undefined || against === undefined || own === "none" || around === "none") continue
      // Only what the policy says by itself is said of the policy.
      if (at.length > 0 && path.length === 2 && against.length === 2) continue
      if (toMillis(own) === 0 || toMillis(around) === 0 || toMillis(own) <= toMillis(around)) continue
      found(
        "warning",
        path.length > 2 || against.length === 2 ? path : against,
        "limit-never-passes",
        `\`${field}\` of ${own} never passes: \`${other}\` ends the attempt after ${around}`,
        `make \`${field}\` shorter, or \`${other}\` longer`
      )
    }
  }

  zero([], "timeouts", policy.timeouts)
  zero([], "effort", policy.effort)
  contradictions([], policy.timeouts, [])
  for (const [i, route] of policy.routes.entries()) {
    const at = ["routes", i]
    zero(at, "timeouts", route.timeouts)
    zero(at, "effort", route.effort)
    contradictions(at, { ...policy.timeouts, ...route.timeouts }, [at])

    const over = within(route.to, [...at, "to"]).find(({ of }) => (of._tag === "First" && of.of.length > 1) || of._tag === "Retry")
    if (limitsOf(policy, route).commit === "headers" && over !== undefined) {
      found(
        "note",
        over.path,
        "commit-forestalls-failover",
        `the answers of \`${route.name}\` count as begun with their headers, so one that is cut, empty or slow after them is not tried elsewhere`,
        'commit with the "first-content", or with the "whole"'
      )
    }
  }
}
