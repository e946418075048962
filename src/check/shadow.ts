/**
 * Copies that are never made: of what is a copy already, and of calls for which rules leave no candidate of the copy. Nobody waits for a copy, so nobody would notice.
 */
import type { Found } from "../Check.ts"
import type { Path } from "../Finding.ts"
import type { Strategy } from "../Policy.ts"
import { type Candidates, levels, type Level } from "./candidates.ts"
import { isEmpty } from "./space.ts"
import { within } from "./walk.ts"

type Shadow = Extract<Strategy, { readonly _tag: "Shadow" }>

/** What keeps a copy out, by the first level at which nothing of it is left. */
const keptOutBy = ["no class that comes here may use it", "guards forbid it", "it lacks what they need"] as const

export const checkShadows = (candidates: Candidates, found: Found): void => {
  const { all, boundsOf, outOf, policy } = candidates

  const never = (route: number, { copy }: Shadow, path: Path): void => {
    const calls = boundsOf(policy.routes[route]!.when).may
    for (const level of levels.keys() as Iterable<Level>) {
      const out = outOf(copy, level, "any")
      if (isEmpty(out) || !all(route, calls, out)) continue
      const message = `this copy is made of no call of \`${policy.routes[route]!.name}\`: ${keptOutBy[level]}`
      found("warning", [...path, "copy"], "shadow-never", message, "copy to a target that these calls may go to, or leave the shadow out")
      return
    }
  }

  for (const [route, { to }] of policy.routes.entries()) {
    const shadows = within(to, ["routes", route, "to"]).flatMap(({ of, path }) => (of._tag === "Shadow" ? [{ of, path }] : []))
    for (const { of, path } of shadows) {
      never(route, of, path)
      for (const inner of within(of.copy, [...path, "copy"])) {
        if (inner.of._tag !== "Shadow") continue
        found(
          "warning",
          inner.path,
          "shadow-nested",
          "a copy is not copied in turn, so that nothing goes to this one",
          "put one shadow around the other instead"
        )
      }
    }
  }
}
