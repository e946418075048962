/**
 * Times a function that is too quick to be timed alone: in batches of about a millisecond, after a warm-up, as the median and the 99th percentile of the
 * batches' means. Rows go to the parent as one JSON line each (`run.ts`), or to the terminal.
 */

export interface Row {
  readonly question: string
  /** Nanoseconds for one call. */
  readonly median: number
  readonly p99: number
  /** What the median must not exceed, in nanoseconds. */
  readonly limit?: number
}

const batchNanos = 1_000_000

const time = (f: () => void, n: number): number => {
  const start = process.hrtime.bigint()
  for (let i = 0; i < n; i++) f()
  return Number(process.hrtime.bigint() - start)
}

/** Measures `f` for about `millis` and reports it as the answer to `question`. */
export const measure = (question: string, f: () => void, options: { readonly limit?: number; readonly millis?: number } = {}): void => {
  const { limit, millis = 600 } = options
  let n = 1
  while (time(f, n) < batchNanos) n *= 2
  const until = process.hrtime.bigint() + BigInt(millis) * 1_000_000n
  time(f, n * 50)
  const means: Array<number> = []
  while (process.hrtime.bigint() < until || means.length < 50) means.push(time(f, n) / n)
  means.sort((a, b) => a - b)
  const row: Row = {
    question,
    median: means[means.length >> 1]!,
    p99: means[Math.floor(means.length * 0.99)]!,
    ...(limit === undefined ? {} : { limit })
  }
  console.log(JSON.stringify(row))
}
