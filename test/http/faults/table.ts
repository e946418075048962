/** The measured matrix as a table for people: fault × streaming × dialect → what the caller sees, attempts, spacing, nano-dollars. */
import type { Fault } from "./faults.ts"
import { waitsOf } from "./judge.ts"
import { keyOf, type Measured, pairs, ways } from "./measure.ts"

export const columns = ["fault", "form", "way", "caller sees", "attempts", "waits in ms", "nano-dollars", "caller > provider"] as const
export type Row = Readonly<Record<(typeof columns)[number], string>>

const seenOf = ({ seen: { code, end, status, text } }: Measured): string => {
  if (code === undefined) return `${status}, ${end === "whole" ? "the whole answer" : end}`
  return status === 200 ? `${text === "" ? "" : "a part, then "}the error event ${code}` : `${status} ${code}`
}

const numbers = new Intl.NumberFormat("en")

const rowOf = (fault: Fault, streamed: boolean, pair: number, way: (typeof ways)[number], measured: Measured | undefined): Row => {
  const [caller, provider] = pairs[pair]!
  const attempts = measured?.line.attempts ?? []
  const waits = measured === undefined ? [] : waitsOf(measured)
  return {
    fault: fault.name,
    form: streamed ? "stream" : "whole",
    "caller > provider": `${caller} > ${provider}`,
    way,
    "caller sees": measured === undefined ? "" : seenOf(measured),
    attempts: attempts.length === 0 ? "" : `${attempts.length}: ${attempts.map(({ outcome }) => outcome).join(", ")}`,
    "waits in ms": measured === undefined ? "" : waits.length === 0 ? "none" : waits.map((wait) => Math.round(wait)).join(" + "),
    "nano-dollars": attempts
      .map(({ estimated, nano_dollars }) =>
        nano_dollars === undefined ? "" : `${numbers.format(nano_dollars)}${estimated === true ? " est." : ""}`
      )
      .join(" + ")
  }
}

export const tableOf = (faults: ReadonlyArray<Fault>, results: ReadonlyMap<string, Measured>): ReadonlyArray<Row> =>
  faults.flatMap((fault) =>
    [false, true].flatMap((streamed) =>
      pairs.flatMap((_, pair) => ways.map((way) => rowOf(fault, streamed, pair, way, results.get(keyOf(fault, streamed, pair, way)))))
    )
  )

/** Columns in which dialects differ by nothing but a number: a wait, or the length of a body in another dialect. */
const ranged: ReadonlySet<keyof Row> = new Set(["waits in ms", "nano-dollars"])

const digits = /[\d,]+/g
const valueOf = (text: string): number => Number(text.replaceAll(",", ""))

/** Cells with the same words as one: each number is the range of theirs. */
const rangeOf = (cells: ReadonlyArray<string>): string => {
  const found = cells.map((cell) => (cell.match(digits) ?? []).map(valueOf))
  let at = 0
  return cells[0]!.replace(digits, () => {
    const values = found.map((one) => one[at]!)
    at++
    const [least, most] = [Math.min(...values), Math.max(...values)]
    return least === most ? numbers.format(least) : `${numbers.format(least)}–${numbers.format(most)}`
  })
}

/** The rows as lines of text, in columns: dialects that fare alike stand in one line. */
export const printed = (rows: ReadonlyArray<Row>): string => {
  const alike = Map.groupBy(rows, (row) =>
    columns
      .map((column) => (column === "caller > provider" ? "" : ranged.has(column) ? row[column].replace(digits, "0") : row[column]))
      .join("|")
  )
  const lines = [...alike.values()].map((group) =>
    columns.map((column) =>
      column === "caller > provider"
        ? group.length === pairs.length
          ? `all ${pairs.length}`
          : group.map((row) => row[column]).join("; ")
        : ranged.has(column)
          ? rangeOf(group.map((row) => row[column]))
          : group[0]![column]
    )
  )
  const cells = [[...columns], ...lines]
  const widths = columns.map((_, at) => Math.max(...cells.map((row) => row[at]!.length)))
  return cells
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at]!))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}
