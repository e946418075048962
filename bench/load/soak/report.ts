/** What a soak tells people: figures, tables of what has come about, and what does not follow from anything. */
import type { Account, Line } from "./account.ts"
import type { Slope } from "./slope.ts"

export const percent = (share: number): string => `${(share * 100).toFixed(0)} %`
export const kib = (bytes: number): string => (bytes / 1_024).toFixed(0)

export const slopeText = (slope: Slope | undefined): string =>
  slope === undefined ? "too few measurements" : `${kib(slope.slope)} KiB/min (95 %: ${kib(slope.least)} to ${kib(slope.most)})`

const ranked = (counts: ReadonlyMap<string, number>): ReadonlyArray<readonly [string, number]> =>
  [...counts].toSorted(([, a], [, b]) => b - a)

/** How calls ended, what attempts met and came to, and why they were made, each with the most frequent first. */
export const tablesOf = ({ attempts, endings, reasons }: Account): ReadonlyArray<string> => [
  "How calls ended",
  ...ranked(endings).map(([ending, count]) => `${String(count).padStart(9)}  ${ending}`),
  "",
  "What was played, and what the attempt came to",
  ...ranked(attempts).map(([both, count]) => {
    const [scenario = "", outcome = ""] = both.split("|")
    return `${String(count).padStart(9)}  ${scenario.padEnd(20)} ${outcome}`
  }),
  "",
  `Attempts by why they were made: ${ranked(reasons)
    .map(([why, count]) => `${why} ${count}`)
    .join(", ")}`
]

const mostShown = 40
const mostOfLine = 1_500

/** The first findings, each with the line of its call. */
export const findingsOf = ({ findings }: Account, lines: ReadonlyArray<Line>): ReadonlyArray<string> => {
  const shown = findings.slice(0, mostShown)
  const calls = new Set(shown.map(({ call }) => call))
  const byId = new Map(lines.filter(({ id }) => calls.has(id)).map((line) => [line.id, line]))
  return shown.flatMap(({ call, detail, kind }) => {
    const line = byId.get(call)
    return [`${kind}: ${call}: ${detail}`, ...(line === undefined ? [] : [`  ${JSON.stringify(line).slice(0, mostOfLine)}`])]
  })
}

/** How many there are of each kind. */
export const kindsOf = ({ findings }: Account): ReadonlyArray<string> => {
  const kinds = new Map<string, number>()
  for (const { kind } of findings) kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  return ranked(kinds).map(([kind, count]) => `${count} × ${kind}`)
}
