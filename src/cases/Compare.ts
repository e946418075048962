/** What was expected against what was seen. */
import type { Expectation } from "./Form.ts"
import type { Seen } from "./Play.ts"

/** One statement that does not hold. */
export interface Difference {
  readonly field: keyof Expectation
  readonly expected: unknown
  readonly got: unknown
}

const sorted = (value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)) : value

const equal = (a: unknown, b: unknown): boolean => JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))

/** What is compared with each statement. */
const readers: { readonly [F in keyof Required<Expectation>]: (seen: Seen, expected: NonNullable<Expectation[F]> | null) => unknown } = {
  route: (seen) => seen.route,
  decision: (seen) => seen.decision,
  // One name where one was expected and one is there, else all.
  arm: ({ arms }, expected) => (typeof expected === "string" && arms.length <= 1 ? (arms[0] ?? null) : arms),
  tried: (seen) => seen.tried,
  served: (seen) => seen.served,
  status: (seen) => seen.status,
  code: (seen) => seen.code,
  rejected: (seen) => seen.rejected
}

/** Every statement of `expect` that does not hold; what is not stated is not compared. */
export const differences = (expect: Expectation, seen: Seen): ReadonlyArray<Difference> =>
  (Object.keys(readers) as ReadonlyArray<keyof Expectation>).flatMap((field) => {
    const expected = expect[field]
    if (expected === undefined) return []
    const got = (readers[field] as (seen: Seen, expected: unknown) => unknown)(seen, expected)
    return equal(expected, got) ? [] : [{ field, expected, got }]
  })
