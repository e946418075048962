/**
 * Judges a policy: all findings at once, each with a code, a level, the author's own place and, where there is one, what would mend it.
 *
 * Takes whatever JSON a policy file came to. A policy that does not decode yields only the faults of its form, because names cannot be resolved in data whose
 * shape is unknown. After a check without errors compiling is total. Runs at load and in `turnout check`.
 */
import * as Result from "effect/Result"
import { type AcceptedFinding, acceptFindings } from "./check/accept.ts"
import { checkBudgets } from "./check/budgets.ts"
import { checkCapabilities } from "./check/capability.ts"
import { checkCapacity } from "./check/capacity.ts"
import { checkCallers } from "./check/callers.ts"
import { candidatesOf } from "./check/candidates.ts"
import { checkConditions } from "./check/conditions.ts"
import { checkFailover } from "./check/failover.ts"
import { formFindings } from "./check/form.ts"
import { checkGuards } from "./check/guards.ts"
import { checkLayers } from "./check/layers.ts"
import { checkLimits } from "./check/limits.ts"
import { checkMoney } from "./check/money.ts"
import { type Regions, regionsOf } from "./check/regions.ts"
import { checkReferences } from "./check/references.ts"
import { checkRoutes } from "./check/routes.ts"
import { checkShadows } from "./check/shadow.ts"
import { checkSplits } from "./check/splits.ts"
import { checkStrategies } from "./check/strategies.ts"
import { type Finding, type Path, placeOf } from "./Finding.ts"
import { decode, Policy } from "./Policy.ts"
import { noPrices, type PriceSource } from "./Price.ts"
import type { Situation } from "./Situation.ts"

export type { AcceptedFinding } from "./check/accept.ts"
export { type Code, codes } from "./check/codes.ts"

export interface Checked {
  readonly findings: ReadonlyArray<Finding>
  /** Warnings and notes that the policy lives with, in the same order. */
  readonly accepted: ReadonlyArray<AcceptedFinding>
  /** The decoded policy; undefined while there is an error. */
  readonly policy: Policy | undefined
}

/** The sections in the order of the language. */
const sections = Object.keys(Policy.fields)

const levels: ReadonlyArray<Finding["level"]> = ["error", "warning", "note"]

/** Errors before warnings, each in the order of the policy. */
const inOrder = (a: Finding, b: Finding): number => {
  if (a.level !== b.level) return levels.indexOf(a.level) - levels.indexOf(b.level)
  const section = sections.indexOf(String(a.path[0])) - sections.indexOf(String(b.path[0]))
  if (section !== 0) return section
  for (let i = 1; i < Math.min(a.path.length, b.path.length); i++) {
    const [one, other] = [a.path[i], b.path[i]]
    if (typeof one === "number" && typeof other === "number" && one !== other) return one - other
    if (one !== other) return 0
  }
  return a.path.length - b.path.length
}

/** Where each part of the checker puts what it finds. */
export type Found = (level: Finding["level"], path: Path, code: string, message: string, fix?: string, witness?: Situation) => void

/** Nesting that no author reaches, and that every recursion over a policy bears. */
const maxLevels = 256

/** Where `json` nests deeper than `levels`. */
const deepest = (json: unknown, levels: number, path: Path = []): Path | undefined => {
  if (typeof json !== "object" || json === null) return undefined
  if (levels === 0) return path
  for (const [key, value] of Object.entries(json)) {
    const deep = deepest(value, levels - 1, path.length < 2 ? [...path, Array.isArray(json) ? Number(key) : key] : path)
    if (deep !== undefined) return deep
  }
  return undefined
}

/** Judges `json`; `prices` are the list prices that targets without one of their own are looked up in. */
export const check = (json: unknown, prices: PriceSource = noPrices): Checked => {
  const findings: Array<Finding> = []
  const found: Found = (level, path, code, message, fix, witness) => {
    findings.push({
      code,
      level,
      path,
      place: placeOf(json, path),
      message,
      ...(fix === undefined ? {} : { fix }),
      ...(witness === undefined ? {} : { witness })
    })
  }
  const deep = deepest(json, maxLevels)
  if (deep !== undefined) {
    found("error", deep, "wrong-form", `nests more than ${maxLevels} levels deep`)
    return { findings, accepted: [], policy: undefined }
  }
  const decoded = decode(json)
  if (Result.isFailure(decoded)) {
    formFindings(json, decoded.failure.issue, found)
    return { findings: findings.sort(inOrder), accepted: [], policy: undefined }
  }
  const policy = decoded.success
  checkReferences(policy, found)
  const regions = regionsOf(policy)
  let anybody: Regions | undefined
  const wide = (): Regions => (anybody ??= regionsOf(policy, "any"))
  const candidates = candidatesOf(regions, prices)
  checkCallers(policy, found, candidates)
  checkCapabilities(candidates, found)
  checkGuards(policy, found, prices)
  checkLayers(policy, found)
  checkBudgets(policy, found)
  checkMoney(candidates, found)
  checkRoutes(regions, wide, found)
  checkConditions(regions, wide, found)
  checkStrategies(policy, found)
  checkLimits(policy, json, found)
  checkCapacity(policy, json, found)
  checkFailover(candidates, found)
  checkShadows(candidates, found)
  checkSplits(policy, found)
  // Nothing is proved of what is not sound, and that says enough.
  if (findings.every(({ level }) => level !== "error")) regions.unproved.report(found)
  const { accepted, findings: open } = acceptFindings(policy, findings.splice(0).sort(inOrder), found)
  const all = [...open, ...findings].sort(inOrder)
  return { findings: all, accepted, policy: all.some(({ level }) => level === "error") ? undefined : policy }
}
