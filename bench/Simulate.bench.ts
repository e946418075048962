/**
 * How many calls a second `turnout simulate` gets through: a real hour of a trace, repeated, through `policies/teams.ts` (three keys, two classes, two budgets, a
 * split, a failover) with two hours of outage; reading the CSV included. The budgets are widened so that at least 95 % are served, a refused one being cheaper, and
 * the outage is long enough that at least 5 % fail over; half a million calls are to take less than 15 s, which is 30 µs each.
 * Whole runs are timed, not slices: what is spent on collecting garbage belongs to it.
 *
 * Node 26.10, two shared cores, November 2026: 5.8 to 9 µs a call, so half a million in 3 to 5 s; the command as a process, its start and the CSV included, took
 * 4.5 s for them. A fifth of it is garbage collection, a tenth is reading the CSV. (The sketch that this began with: 8.6 µs for a failover under a deadline.)
 *
 * With credentials, pauses, places on targets and why each attempt is made it is 5.9 µs a call where it was 5.4 (both run in turn, twice each, the same machine).
 */
import { existsSync } from "node:fs"
import { Effect, Result } from "effect"
import { check } from "../src/Check.ts"
import { type Compiled, compile } from "../src/Compile.ts"
import { callers, make, open, parseModel, repeated, sliceSteps } from "../src/Simulate.ts"
import { catalog } from "../src/Catalog.ts"
import { judge } from "../runtime/Policies.ts"
import { openLines } from "../runtime/simulate/Lines.ts"
import type { Row } from "./measure.ts"

const trace = new URL("../../shared/traces/azure-2023-conversation.csv", import.meta.url).pathname

const teams = async (): Promise<Compiled> => {
  const judged = await Effect.runPromise(judge(new URL("../policies/teams.ts", import.meta.url).pathname))
  const json = judged.loaded.json as { readonly budgets: Readonly<Record<string, object>> }
  const budgets = Object.fromEntries(Object.entries(json.budgets).map(([name, budget]) => [name, { ...budget, limit: { usd: 1_000_000 } }]))
  const { findings, policy } = check({ ...json, budgets }, catalog)
  if (policy === undefined) throw new Error(findings.map(({ message, place }) => `${place}: ${message}`).join("\n"))
  return compile(policy, catalog)
}

if (existsSync(trace)) {
  const compiled = await teams()
  const model = Result.getOrThrow(
    parseModel({ events: [{ from: "1 hours", to: "3 hours", providers: ["anthropic"], outage: "server-error" }] }, compiled.policy)
  )
  const who = Result.getOrThrow(callers(compiled, 1, { ask: "chat" }))
  const file = Result.getOrThrow(openLines(trace))
  const calls = 500_000
  /** Nanoseconds a call, from opening the file to the report. */
  const run = (): number => {
    const begun = process.hrtime.bigint()
    const traffic = repeated(() => open(file.lines(), { keys: who.keys }), calls)
    if ("_tag" in traffic) throw new Error(traffic.message)
    const simulation = make(compiled, traffic, { model, callers: who, seed: 1 })
    while (simulation.runUnsafe(sliceSteps) === "more");
    const { partial, total } = simulation.report()
    const { calls: made, failovers, served } = total.measured
    if (partial || made !== calls) throw new Error(`${made} calls, not ${calls}`)
    if (served < 0.95 * calls) throw new Error(`only ${served} of ${calls} calls were served`)
    if (failovers < 0.05 * calls) throw new Error(`only ${failovers} of ${calls} calls failed over`)
    return Number(process.hrtime.bigint() - begun) / calls
  }
  const runs = Array.from({ length: 3 }, run).sort((a, b) => a - b)
  const row: Row = { question: "a call of `turnout simulate`, of 500,000, all in", median: runs[1]!, p99: runs[2]!, limit: 30_000 }
  console.log(JSON.stringify(row))
} else {
  console.error(`skipped: there is no ${trace}`)
  // The table of all benches says so too.
  console.log(JSON.stringify({ question: "a call of `turnout simulate`: skipped, there is no trace", median: 0, p99: 0 }))
}
