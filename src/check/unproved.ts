/**
 * What the checker could not settle, because a condition is opaque or would take too many boxes: one note for the whole policy that says which checks of what it is.
 *
 * Every part that proves things adds to one collection, so that silence about a route means that it is proved to be sound, and never that nobody could tell.
 */
import type { Found } from "../Check.ts"

export interface Unproved {
  /** A question that stays open of something of the policy, both in words: `whether it can be reached` of `` `canary` ``. */
  readonly add: (question: string, of: string) => void
  /** Says it all, if there is anything. */
  readonly report: (found: Found) => void
}

/** More names than these are counted. */
const maxNames = 8

export const makeUnproved = (): Unproved => {
  const open = new Map<string, Set<string>>()
  return {
    add: (question, of) => {
      const known = open.get(question)
      if (known === undefined) open.set(question, new Set([of]))
      else known.add(of)
    },
    report: (found) => {
      if (open.size === 0) return
      const parts = [...open].map(([question, of]) => {
        const names = [...of]
        const more = names.length - maxNames
        return `${question} (${names.slice(0, maxNames).join(", ")}${more > 0 ? ` and ${more} more` : ""})`
      })
      found(
        "note",
        [],
        "not-proved",
        `not everything could be proved: ${parts.join("; ")}`,
        "write what is opaque in conditions that can be analysed, or say in cases what these calls come to"
      )
    }
  }
}
