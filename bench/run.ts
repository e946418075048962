/**
 * Runs every bench, each in a fresh process, then the whole server under load, and ends with one table. Exit status 1 where a limit is exceeded.
 *
 *     npm run bench [-- --quick] [-- --no-load]
 *
 * Node 26.10, two shared cores, November 2026 (medians):
 *
 *     decide, quickstart                                        95 ns
 *     decide, 50 routes                                        290 ns
 *     decide, 50 routes with guards, a split and a budget      173 ns, 2.6 to 2.9 times a function written by hand
 *     facts of a parsed 10 KB body, then decide, 50 routes    0.52 µs
 *     check of 50, 500 and 5,000 routes           6 ms, 41 ms, 1.0 s
 *     reading a 10 KB body: UTF-8, JSON, duplicate keys       9.30 µs
 *     one condition, compiled (json-logic-js)            4.6 (317) ns
 *     the pipeline under a deadline, served at once           1.29 µs
 *     the pipeline under a deadline, after a failover         1.72 µs
 *     bound of a 10 KB body, for its reservation              0.27 µs
 *     reserve and settle over three budgets                     96 ns
 *     a forwarded (translated) chunk of a stream       0.60 (1.02) µs
 *     a call of `turnout simulate`, of 500,000, all in         4.5 µs
 *     server CPU a call, gateway / forwarder: json 1.17 to 1.26 from run to run, stream 1.07; json with keys, a budget and its journal 1.26 to 1.29
 */
import { spawnSync } from "node:child_process"
import { readdirSync } from "node:fs"
import { parseArgs } from "node:util"
import type { Row } from "./measure.ts"

const { values } = parseArgs({ options: { quick: { type: "boolean", default: false }, "no-load": { type: "boolean", default: false } } })
const here = (file: string): string => new URL(file, import.meta.url).pathname

const rows: Array<Row> = []
for (const file of readdirSync(here("."))
  .filter((name) => name.endsWith(".bench.ts"))
  .sort()) {
  console.error(`${file} …`)
  const { error, status, stdout } = spawnSync(process.execPath, [here(file)], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 120_000
  })
  if (error !== undefined || status !== 0) {
    console.error(`${file} has failed${error === undefined ? ` with status ${status}` : `: ${error.message}`}`)
    process.exit(2)
  }
  rows.push(
    ...stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Row)
  )
}

const load: Array<string> = []
let tooDear = false
/** Whole-server runs, each with the most that it may cost beside the forwarder. */
const runs = [
  { name: "the quickstart's rules", options: ["--max-ratio", "1.25"] },
  { name: "with keys, a budget and its journal", options: ["--scenario", "json", "--paid", "--max-ratio", "1.35"] }
]
for (const { name, options } of values["no-load"] ? [] : runs) {
  console.error(`load/run.ts, ${name} …`)
  const size = values.quick ? ["--rounds", "3", "--calls", "4000"] : ["--rounds", "9", "--calls", "10000"]
  const { status, stdout } = spawnSync(process.execPath, [here("load/run.ts"), ...size, ...options], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 900_000
  })
  if (status !== 0 && status !== 1) process.exit(2)
  tooDear ||= status === 1
  load.push(`${name}:`, ...stdout.trim().split("\n"))
}

const nanos = (value: number): string => (value < 1_000 ? `${value.toFixed(value < 10 ? 1 : 0)} ns` : `${(value / 1_000).toFixed(2)} µs`)
const width = Math.max(...rows.map(({ question }) => question.length))
console.log(`\n${"question".padEnd(width)}  ${"median".padStart(10)}  ${"p99".padStart(10)}  ${"limit".padStart(10)}`)
const exceeds = ({ limit = Infinity, limit99 = Infinity, median, p99 }: Row): boolean => median > limit || p99 > limit99
for (const row of rows) {
  const { limit, limit99, median, p99, question, unit } = row
  const figure = (value: number): string => (unit === "times" ? `${value.toFixed(1)} ×` : nanos(value)).padStart(10)
  const verdict = limit === undefined && limit99 === undefined ? "" : exceeds(row) ? "  EXCEEDED" : "  kept"
  const beside = limit99 === undefined ? "" : ` (99th: ${nanos(limit99)})`
  console.log(
    `${question.padEnd(width)}  ${figure(median)}  ${figure(p99)}  ${limit === undefined ? "" : figure(limit)}${beside}${verdict}`
  )
}
for (const line of load) console.log(line)
process.exit(tooDear || rows.some(exceeds) ? 1 : 0)
