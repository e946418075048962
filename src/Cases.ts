/**
 * Cases beside a policy: calls, and what must become of each. `turnout test` runs them.
 *
 * A case is plain data, like the policy, and runs over the pipeline that serves live calls, under virtual time: what it says of the clock, of breakers and of budgets is set up
 * in the real ones (`Situation.ts`), and its script says how attempts end (`cases/Script.ts`). What is not stated is not compared. Every run notes what of the policy it has
 * reached (`cases/Coverage.ts`), since a rule that no case reaches is one that nobody has tried.
 *
 * Pure and synchronous: reads no file, no clock and no luck of the machine. Roads not taken: functions as expectations (they cannot be written in JSON, nor shown when they
 * fail), and snapshots of whole decisions (every edit of a policy would break them all, and people then accept what they have not read).
 */
import * as Result from "effect/Result"
import type { Compiled } from "./Compile.ts"
import { type Difference, differences } from "./cases/Compare.ts"
import { type Coverage, Watcher } from "./cases/Coverage.ts"
import type { Placed } from "./cases/Form.ts"
import { CaseBroken, play, type Seen, trace } from "./cases/Play.ts"
import { situate } from "./Situation.ts"

export type { Difference } from "./cases/Compare.ts"
export { type Coverage, type Kind, kinds, type Point } from "./cases/Coverage.ts"
export {
  type Case,
  type CasesSource,
  type Column,
  type Ending,
  type Expectation,
  type Matrix,
  parseCases,
  type Placed,
  type RejectedBy,
  type Table
} from "./cases/Form.ts"
export { CaseBroken, play, type Seen, trace } from "./cases/Play.ts"
export { coverageLines, failureLines } from "./cases/Text.ts"

/** What a case came to. */
export interface Verdict {
  readonly placed: Placed
  /** Empty where all holds. */
  readonly differences: ReadonlyArray<Difference>
  /** Why it could not be carried out: a defect of the program. */
  readonly broken: string | undefined
  readonly seen: Seen | undefined
  /** How the call went, step by step. */
  readonly trace: () => ReadonlyArray<string>
}

export interface Tested {
  readonly verdicts: ReadonlyArray<Verdict>
  readonly coverage: Coverage
}

export const passed = ({ broken, differences }: Verdict): boolean => broken === undefined && differences.length === 0

/** Runs cases that `parseCases` has read for this very policy. */
export const run = (compiled: Compiled, cases: ReadonlyArray<Placed>): Tested => {
  const watcher = new Watcher(compiled)
  const verdicts = cases.map((placed): Verdict => {
    const { expect, when = {} } = placed.case
    // INVARIANT: `parseCases` has refused every situation that the policy cannot have.
    const situated = Result.getOrThrow(situate(compiled, when))
    try {
      const seen = play(watcher.compiled, situated, placed.case)
      watcher.note(seen)
      return { placed, differences: differences(expect, seen), broken: undefined, seen, trace: () => trace(compiled, situated, seen) }
    } catch (error) {
      if (!(error instanceof CaseBroken)) throw error
      return { placed, differences: [], broken: error.message, seen: undefined, trace: () => [] }
    }
  })
  return { verdicts, coverage: watcher.coverage() }
}
