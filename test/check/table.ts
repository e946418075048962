/** Findings as rows, and tables of policies with the rows that each must give. */
import { assert, describe, it } from "@effect/vitest"
import { check, codes } from "../../src/Check.ts"
import type { Finding } from "../../src/Finding.ts"
import type { PriceSource } from "../../src/Price.ts"
import type { Situation } from "../../src/Situation.ts"

export type Row = readonly [level: "error" | "warning" | "note", code: string, place: string, message: string, fix?: string]

export const rowsOf = (findings: ReadonlyArray<Finding>): ReadonlyArray<Row> =>
  findings.map(({ code, fix, level, message, place }): Row =>
    fix === undefined ? [level, code, place, message] : [level, code, place, message, fix]
  )

/** What is wrong, and every finding that must come of it. */
export type Cases = Readonly<Record<string, readonly [policy: unknown, ...rows: ReadonlyArray<Row>]>>

/**
 * Says of each policy what `check` finds; of some families of findings alone, where these are named. Notes of a code that no case of the table has are left out: short policies
 * are full of them (both targets at one provider, a split by request). So are providers without a key, in tables of something else.
 */
export const table = (title: string, cases: Cases, prices?: PriceSource, families?: ReadonlyArray<string>) =>
  describe(title, () => {
    const expected = new Set(Object.values(cases).flatMap(([, ...rows]) => rows.map(([, code]) => code)))
    const isMeant = ({ code, level }: Finding): boolean =>
      (families?.includes(codes[code]!.family) ?? true) && ((level !== "note" && code !== "no-credential") || expected.has(code))
    for (const [name, [json, ...rows]] of Object.entries(cases)) {
      it(name, () => {
        const { findings, policy } = check(json, prices)
        for (const { code } of findings) assert.isTrue(Object.hasOwn(codes, code), `\`${code}\` is not in the table of codes`)
        assert.deepStrictEqual(rowsOf(findings.filter(isMeant)), rows)
        assert.strictEqual(
          policy === undefined,
          findings.some(({ level }) => level === "error")
        )
      })
    }
  })

/** A finding with the call that shows it; the fix stands before it, where there is one. */
export type ShownRow = readonly [
  level: "error" | "warning" | "note",
  code: string,
  place: string,
  message: string,
  ...fixAndWitness: ReadonlyArray<string | Situation>
]

/** Says of each policy what `check` finds of the codes that are meant, witnesses included. */
export const shownTable = (
  title: string,
  cases: Readonly<Record<string, readonly [policy: unknown, ...rows: ReadonlyArray<ShownRow>]>>,
  meant: RegExp
) =>
  describe(title, () => {
    for (const [name, [json, ...rows]] of Object.entries(cases)) {
      it(name, () => {
        const { findings } = check(json)
        const found = findings.filter(({ code }) => meant.test(code))
        const shown = found.map(({ code, fix, level, message, place, witness }): ShownRow => [
          level,
          code,
          place,
          message,
          ...[fix, witness].filter((part) => part !== undefined)
        ])
        assert.deepStrictEqual(shown, rows)
        for (const { code } of findings) assert.isTrue(Object.hasOwn(codes, code), `\`${code}\` is not in the table of codes`)
      })
    }
  })
