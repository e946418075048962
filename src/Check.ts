/**
 * Judges a policy: all findings at once, each with a code, a level, the author's own place and, where there is one, what would mend it.
 *
 * Takes whatever JSON a policy file came to. A policy that does not decode yields only the faults of its form, because names cannot be resolved in data whose
 * shape is unknown. After a check without errors compiling is total. Runs at load and in `turnout check`.
 */
import { Result } from "effect"
import { formFindings } from "./check/form.ts"
import { checkReferences } from "./check/references.ts"
import { checkRoutes } from "./check/routes.ts"
import { checkStrategies } from "./check/strategies.ts"
import { type Finding, type Path, placeOf } from "./Finding.ts"
import { type Policy, decode } from "./Policy.ts"

export interface Checked {
  readonly findings: ReadonlyArray<Finding>
  /** The decoded policy; undefined while there is an error. */
  readonly policy: Policy | undefined
}

/** Where each part of the checker puts what it finds. */
export type Found = (level: Finding["level"], path: Path, code: string, message: string, fix?: string) => void

export const check = (json: unknown): Checked => {
  const findings: Array<Finding> = []
  const found: Found = (level, path, code, message, fix) => {
    findings.push({ code, level, path, place: placeOf(json, path), message, ...(fix === undefined ? {} : { fix }) })
  }
  const decoded = decode(json)
  if (Result.isFailure(decoded)) {
    formFindings(json, decoded.failure.issue, found)
    return { findings, policy: undefined }
  }
  const policy = decoded.success
  checkReferences(policy, found)
  checkRoutes(policy, found)
  checkStrategies(policy, found)
  return { findings, policy: findings.some(({ level }) => level === "error") ? undefined : policy }
}
