/**
 * Times a function that is too quick to be timed alone: in batches of about a millisecond, after a warm-up, as the median and the 99th percentile of the
 * batches' means. Rows go to the parent as one JSON line each (`run.ts`), or to the terminal.
 */

export interface Row {
  readonly question: string
  /** Nanoseconds for one call. */
  readonly median: number
  readonly p99: number
  /** What the median must not exceed. */
  readonly limit?: number
  /** What the 99th percentile must not exceed. */
  readonly limit99?: number
  /** Nanoseconds, unless it is a ratio. */
  readonly unit?: "times"
}

const batchNanos = 1_000_000

const time = (f: () => void, n: number): number => {
  const start = process.hrtime.bigint()
  for (let i = 0; i < n; i++) f()
  return Number(process.hrtime.bigint() - start)
}

/** How many calls of `f` take about a millisecond: no fewer because the machine was busy once. */
const batchOf = (f: () => void): number => {
  let n = 1
  while (Math.min(time(f, n), time(f, n), time(f, n)) < batchNanos) n *= 2
  return n
}

const report = (question: string, figures: ReadonlyArray<number>, limits: Pick<Row, "limit" | "limit99" | "unit">): void => {
  const sorted = figures.toSorted((a, b) => a - b)
  const row: Row = { question, median: sorted[sorted.length >> 1]!, p99: sorted[Math.floor(sorted.length * 0.99)]!, ...limits }
  console.log(JSON.stringify(row))
}

/** Measures `f` for about `millis` and reports it as the answer to `question`. */
export const measure = (
  question: string,
  f: () => void,
  { millis = 600, ...limits }: Pick<Row, "limit" | "limit99"> & { readonly millis?: number } = {}
): void => {
  const n = batchOf(f)
  const until = process.hrtime.bigint() + BigInt(millis) * 1_000_000n
  time(f, n * 50)
  const means: Array<number> = []
  while (process.hrtime.bigint() < until || means.length < 50) means.push(time(f, n) / n)
  report(question, means, limits)
}

/** Measures how many times as long `f` takes as `other`, in turns of about a millisecond each, for about `millis`. */
export const compare = (
  question: string,
  f: () => void,
  other: () => void,
  { limit, millis = 1_200 }: { readonly limit?: number; readonly millis?: number } = {}
): void => {
  const [n, m] = [batchOf(f), batchOf(other)]
  time(f, n * 50)
  time(other, m * 50)
  const until = process.hrtime.bigint() + BigInt(millis) * 1_000_000n
  const ratios: Array<number> = []
  while (process.hrtime.bigint() < until || ratios.length < 50) {
    // Whichever goes first may find the machine busier.
    const first = ratios.length % 2 === 0
    const before = first ? time(f, n) / n : time(other, m) / m
    const after = first ? time(other, m) / m : time(f, n) / n
    ratios.push(first ? before / after : after / before)
  }
  report(question, ratios, { unit: "times", ...(limit === undefined ? {} : { limit }) })
}
