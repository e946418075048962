/** Verdicts and coverage for people. */
import type { Verdict } from "../Cases.ts"
import { type Coverage, type Kind, kinds } from "./Coverage.ts"

const show = (value: unknown): string => JSON.stringify(value) ?? "nothing"

const indent = (lines: ReadonlyArray<string>, by: string): ReadonlyArray<string> => lines.map((line) => (line === "" ? "" : by + line))

/** A failing case: its name and place, each statement that does not hold, and how the call went. */
export const failureLines = ({ broken, differences, placed, trace }: Verdict, at: string): ReadonlyArray<string> => [
  `fail  ${placed.case.name}  (${at})`,
  ...(broken === undefined ? [] : [`      the case could not be carried out: ${broken}`]),
  ...differences.map(({ expected, field, got }) => `      ${field.padEnd(8)}  expected ${show(expected)}, got ${show(got)}`),
  ...indent(["", ...trace(), ""], "        ")
]

const titles: Record<Kind, string> = {
  route: "routes",
  condition: "conditions, both outcomes",
  arm: "arms of splits",
  member: "members of spreads",
  fallback: "fallbacks taken",
  hedge: "hedges started",
  escalation: "answers escalated",
  retry: "tries after the first",
  guard: "guards that kept something out"
}

/** The percentage as it is shown: never a round 100 for less. */
export const percentText = (percent: number): string => `${(Math.floor(percent * 10) / 10).toFixed(1)}%`

/** A table of what was reached, and by place what was not. */
export const coverageLines = ({ percent, points }: Coverage): ReadonlyArray<string> => {
  const rows = kinds.flatMap((kind) => {
    const of = points.filter((point) => point.kind === kind)
    return of.length === 0 ? [] : [[titles[kind], of.filter((point) => point.reached).length, of.length] as const]
  })
  const all = ["all", points.filter((point) => point.reached).length, points.length] as const
  const width = Math.max("coverage".length, ...rows.map(([title]) => title.length))
  const line = (title: string, reached: string, of: string, more = ""): string =>
    `${title.padEnd(width)}  ${reached.padStart(7)}  ${of.padStart(5)}${more}`
  const missing = points.filter((point) => !point.reached)
  const widest = Math.max(0, ...missing.map(({ kind }) => kind.length))
  return [
    line("coverage", "reached", "of"),
    ...rows.map(([title, reached, of]) => line(title, String(reached), String(of))),
    line(all[0], String(all[1]), String(all[2]), `  ${percentText(percent)}`),
    ...(missing.length === 0
      ? []
      : ["", "not reached:", ...missing.map(({ kind, missing, place }) => `  ${kind.padEnd(widest)}  ${place}: ${missing}`)])
  ]
}
