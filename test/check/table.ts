/** Findings as rows, and tables of policies with the rows that each must give. */
import { assert, describe, it } from "@effect/vitest"
import { check } from "../../src/Check.ts"
import type { Finding } from "../../src/Finding.ts"
import type { PriceSource } from "../../src/Price.ts"

export type Row = readonly [level: "error" | "warning", code: string, place: string, message: string, fix?: string]

export const rowsOf = (findings: ReadonlyArray<Finding>): ReadonlyArray<Row> =>
  findings.map(({ code, fix, level, message, place }): Row =>
    fix === undefined ? [level, code, place, message] : [level, code, place, message, fix]
  )

/** What is wrong, and every finding that must come of it. */
export type Cases = Readonly<Record<string, readonly [policy: unknown, ...rows: ReadonlyArray<Row>]>>

export const table = (title: string, cases: Cases, prices?: PriceSource) =>
  describe(title, () => {
    for (const [name, [json, ...rows]] of Object.entries(cases)) {
      it(name, () => {
        const { findings, policy } = check(json, prices)
        assert.deepStrictEqual(rowsOf(findings), rows)
        assert.strictEqual(
          policy === undefined,
          rows.some(([level]) => level === "error")
        )
      })
    }
  })
