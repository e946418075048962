/**
 * What goes wrong during a soak, and what it has to come to: the scenarios of the fault-injecting provider (`test/faults/scenarios.ts`) with their shares, and for each the
 * class of failure that the tests of faults hold it to (`test/http/faults/faults.ts`).
 */
import type { FailureClass } from "../../../src/Failure.ts"
import { faults, isStreamed } from "../../../test/http/faults/faults.ts"

export type Mix = ReadonlyArray<readonly [scenario: string, share: number]>

/** Most answers are good; of the rest a little of everything, and of what holds on to something (silence, stalls) less. In thousandths. */
export const usual: Mix = [
  ["ok", 870],
  ["429", 10],
  ["429~by=ms,wait=150", 6],
  ["503", 10],
  ["529", 6],
  ["500", 10],
  ["502-page", 3],
  ["redirect", 2],
  ["409", 2],
  ["reset", 8],
  ["reset-late", 5],
  ["cut-early", 6],
  ["cut-late", 7],
  ["cut-length", 3],
  ["unfinished-early", 3],
  ["unfinished-late", 4],
  ["unterminated", 4],
  ["broken-json-early", 3],
  ["broken-json", 4],
  ["invalid-utf8-early", 2],
  ["invalid-utf8", 2],
  ["error-early", 5],
  ["error-late", 5],
  ["error-body", 2],
  ["empty", 2],
  ["no-content", 1],
  ["page", 2],
  ["gzip", 2],
  ["wrong-type", 2],
  ["silence", 2],
  ["headers-silence", 1],
  ["pings", 1],
  ["stall-early", 2],
  ["stall-late", 2],
  ["trickle~per=1", 1],
  ["408", 1],
  ["400", 4],
  ["400-filter", 3],
  ["400-context", 2]
]

const known = new Map(
  faults.flatMap((fault) =>
    fault.scenario === undefined
      ? []
      : [false, true].map((streamed) => [`${isStreamed(fault.scenario!, streamed)}|${streamed}`, fault] as const)
  )
)

const wellPlayed: ReadonlySet<string> = new Set(["ok"])

/** Whether it is known what a scenario has to come to. */
export const isKnown = (scenario: string): boolean =>
  wellPlayed.has(scenario) || (known.has(`${scenario}|true`) && known.has(`${scenario}|false`))

/** What an attempt that met this has to come to: a class, or `served`. */
export const outcomeOf = (scenario: string, streamed: boolean): FailureClass | "served" => {
  const fault = known.get(`${scenario}|${streamed}`)
  return (fault === undefined ? undefined : isStreamed(fault.outcome, streamed)) ?? "served"
}

/** Whether an attempt that met this is charged with all that was held for it; undefined where it answers, and its usage says. */
export const isCharged = (scenario: string, streamed: boolean): boolean | undefined => {
  const fault = known.get(`${scenario}|${streamed}`)
  return fault === undefined || fault.costs === "either" || outcomeOf(scenario, streamed) === "served" ? undefined : fault.costs
}

/** A mix as the command line writes it, `ok=900,503=100`; undefined where it is not one. */
export const mixOf = (text: string): Mix | undefined => {
  const pairs = text.split(",").map((pair): readonly [string, number] => {
    const [scenario = "", share = ""] = pair.split("=", 2)
    return [scenario, Number(share)]
  })
  return pairs.every(([scenario, share]) => isKnown(scenario) && share > 0 && share < Infinity) ? pairs : undefined
}
