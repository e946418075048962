/**
 * Findings that the author lives with: `accept` takes warnings and notes away, and keeps them with the reason for whoever asks.
 *
 * An error is never accepted, because the policy would not be served all the same. An entry says the code and, where it means one place, a part of that place; so an entry
 * stays true when routes move, and one that has become needless is a finding of its own. Runs when all other checks have spoken.
 */
import type { Finding, Path } from "../Finding.ts"
import type { Found } from "../Check.ts"
import type { Policy } from "../Policy.ts"
import { didYouMean } from "../Suggest.ts"
import { codes } from "./codes.ts"

/** A finding that the policy accepts. */
export interface AcceptedFinding {
  readonly finding: Finding
  readonly because: string
  /** Where the policy does. */
  readonly path: Path
}

const isNameLike = (character: string | undefined): boolean => character !== undefined && /[\w-]/.test(character)

/** Whether `at` is a part of a place that does not begin or end within a name or a number. */
const isPartOf = (place: string, at: string): boolean => {
  for (let i = place.indexOf(at); i !== -1; i = place.indexOf(at, i + 1)) {
    const cuts = (isNameLike(at[0]) && isNameLike(place[i - 1])) || (isNameLike(at.at(-1)) && isNameLike(place[i + at.length]))
    if (!cuts) return true
  }
  return false
}

/** Sets apart from `findings` what `policy` accepts; `found` hears of entries that mean nothing. */
export const acceptFindings = (
  policy: Pick<Policy, "accept">,
  findings: ReadonlyArray<Finding>,
  found: Found
): { readonly findings: ReadonlyArray<Finding>; readonly accepted: ReadonlyArray<AcceptedFinding> } => {
  const taken = new Map<Finding, AcceptedFinding>()
  const sound = findings.every(({ level }) => level !== "error")
  for (const [i, { at, because, finding: code }] of policy.accept.entries()) {
    const path = ["accept", i]
    if (!Object.hasOwn(codes, code)) {
      const fix = didYouMean(code, Object.keys(codes)) ?? "`turnout check --codes` lists them"
      found("error", [...path, "finding"], "unknown-finding", `there is no finding \`${code}\``, fix)
      continue
    }
    const meant = findings.filter((finding) => finding.code === code && (at === undefined || isPartOf(finding.place, at)))
    const acceptable = meant.filter(({ level }) => level !== "error")
    for (const finding of acceptable) if (!taken.has(finding)) taken.set(finding, { finding, because, path })
    if (acceptable.length > 0) continue
    if (meant.length > 0) {
      found("error", path, "cannot-accept", `\`${code}\` at ${meant[0]!.place} is an error, which cannot be accepted`, "mend it")
    } else if (sound) {
      // Errors keep other checks from speaking, so that it is not known then what would match.
      const elsewhere = findings.find((finding) => finding.code === code)
      found(
        "warning",
        path,
        "accepts-nothing",
        `nothing is found that this accepts${elsewhere === undefined ? "" : `: \`${code}\` is at ${elsewhere.place}`}`,
        elsewhere === undefined
          ? (didYouMean(code, new Set(findings.map((finding) => finding.code).filter((other) => other !== code))) ?? "leave it out")
          : "say a part of that place in `at`, or leave it out"
      )
    }
  }
  return { findings: findings.filter((finding) => !taken.has(finding)), accepted: findings.flatMap((finding) => taken.get(finding) ?? []) }
}
