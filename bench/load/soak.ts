/**
 * Whether the gateway holds: minutes of mixed faults at a steady rate, at the end of which every call has to be accounted for, nothing may have grown, and nothing may be left.
 *
 *     node bench/load/soak.ts [--seconds 180] [--warm-up 20] [--rate auto|N] [--in-flight 400] [--mix ok=900,503=100]
 *
 * Four processes: a provider that fails on purpose (`soak/upstream.ts`), the gateway as users start it, callers who leave and callers who read slowly (`soak/generator.ts`), and
 * this one, which watches. The rate is found by raising it until the gateway, the machine or the callers cannot keep up, and held at four fifths of the last one that held, or less where the warm-up
 * shows that to be too much. Then
 *
 *   - each call has one access line, which says what its caller saw, and every error on it follows from the faults that the provider says it played (`soak/account.ts`);
 *   - the heap after a collection, and the memory of the process, do not rise after the warm-up (`soak/slope.ts`);
 *   - sockets, timers and answers under way are back to what they were before the first call;
 *   - the metrics count what the lines say, and the ledger has settled what the lines cost, to the nano-dollar, with nothing reserved.
 *
 * The exit status is 1 where any of that is not so. Ctrl-C ends the load early and judges what there is; a second one ends at once. Speed is told and not judged: the machine
 * may have other work. Loopback only; every step has a time limit, and no process outlives this one.
 */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { type Account, accountOf, type Line } from "./soak/account.ts"
import type { CallSeen, Since } from "./soak/generator.ts"
import { type Mix, mixOf, usual } from "./soak/mix.ts"
import { callers, secretOf } from "./soak/plan.ts"
import { policyOf, poorNanoDollars } from "./soak/policy.ts"
import type { Probed } from "./soak/probe.ts"
import { launch, type Process, socketsOf, within } from "./soak/processes.ts"
import { findingsOf, kib, kindsOf, percent, slopeText, tablesOf } from "./soak/report.ts"
import { type Sample, slopeOf } from "./soak/slope.ts"
import type { Played, Ports, Rest } from "./soak/upstream.ts"

const startMillis = 30_000
const answerMillis = 15_000
const restMillis = 20_000
const kibibyte = 1_024
const mebibyte = 1_024 * kibibyte
/** A slope is judged where the measurement is long enough to have one. */
const judgedSeconds = 60
/** What the least probable slope may be, in bytes a minute: of the heap after a collection, and of the process. */
const flatHeap = 512 * kibibyte
const flatRss = 8 * mebibyte
/** How much more of the heap may be held at rest than right after the warm-up. */
const grownHeap = 16 * mebibyte
const collectEverySeconds = 4

const exitWith = (message: string): never => {
  console.error(message)
  process.exit(2)
}

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "180" },
    "warm-up": { type: "string", default: "20" },
    rate: { type: "string", default: "auto" },
    "in-flight": { type: "string", default: "400" },
    mix: { type: "string" }
  }
})
const whole = (name: "in-flight" | "rate" | "seconds" | "warm-up", least: number, most: number): number => {
  const value = Number(values[name])
  return Number.isInteger(value) && value >= least && value <= most
    ? value
    : exitWith(`--${name}: expected a whole number from ${least} to ${most}, got \`${values[name]}\``)
}
const seconds = whole("seconds", 1, 3_600)
const warmUp = whole("warm-up", 0, 600)
const inFlight = whole("in-flight", 1, 2_000)
const givenRate = values.rate === "auto" ? undefined : whole("rate", 1, 5_000)
const mix: Mix =
  values.mix === undefined
    ? usual
    : (mixOf(values.mix) ?? exitWith(`--mix: expected scenarios with shares, such as ok=900,503=100, got \`${values.mix}\``))

const scratch = mkdtempSync(join(tmpdir(), "turnout-soak-"))
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }))
const stop = new AbortController()
const isStopped = (): boolean => stop.signal.aborted
process.on("SIGINT", () => {
  if (isStopped()) process.exit(130)
  stop.abort()
  console.error("stopping the load; once more to stop at once")
})
for (const [signal, status] of [
  ["SIGTERM", 143],
  ["SIGHUP", 129]
] as const)
  process.on(signal, () => process.exit(status))

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url))
const journals = { seen: join(scratch, "seen.jsonl"), played: join(scratch, "played.jsonl"), lines: join(scratch, "access.log") }
const linesOf = <A>(file: string): ReadonlyArray<A> =>
  readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as A)

/** What is wrong besides the calls themselves. */
const violations: Array<string> = []
const must = (holds: boolean, otherwise: string): void => {
  if (!holds) violations.push(otherwise)
}

// The processes.

const startUpstream = async (): Promise<readonly [Process, Ports]> => {
  const upstream = launch(
    "the upstream",
    [here("./soak/upstream.ts"), "--journal", journals.played, "--mix", JSON.stringify(mix)],
    "ignore"
  )
  return [upstream, await upstream.next<Ports>(startMillis)]
}

interface Gateway extends Process {
  readonly port: number
}

const startGateway = async (ports: Ports): Promise<Gateway> => {
  const file = join(scratch, "policy.json")
  writeFileSync(file, JSON.stringify(policyOf(ports), undefined, 2))
  const log = openSync(journals.lines, "w")
  const node = ["--expose-gc", "--import", new URL("./soak/probe.ts", import.meta.url).href]
  const command = [...node, here("../../runtime/main.ts"), "serve", file, "--port", "0", "--data", join(scratch, "data"), "--drain", "10"]
  const gateway = launch("the gateway", command, log, {
    ...Object.fromEntries(callers.map((name) => [`SOAK_${name.toUpperCase()}`, secretOf(name)])),
    SOAK_A: secretOf("a"),
    SOAK_B: secretOf("b"),
    SOAK_REVOKED: secretOf("revoked"),
    SOAK_USED_UP: secretOf("used-up")
  })
  closeSync(log)
  const ready = new Promise<number>((resolve) => {
    gateway.child.stderr?.on("data", () => {
      const port = /ready +http:\/\/127\.0\.0\.1:(\d+)/.exec(gateway.words())?.[1]
      if (port !== undefined) resolve(Number(port))
    })
  })
  return { ...gateway, port: await within(startMillis, `starting the gateway (${gateway.words()})`, ready) }
}

/** Looks until there is something to see; undefined when there is nothing within the bound. */
const until = async <A>(millis: number, look: () => Promise<A | undefined>): Promise<A | undefined> => {
  const deadline = performance.now() + millis
  for (;;) {
    const seen = await look()
    if (seen !== undefined || performance.now() > deadline) return seen
    await sleep(100)
  }
}

const [upstream, ports] = await startUpstream()
const gateway = await startGateway(ports)
const generator = launch(
  "the generator",
  [here("./soak/generator.ts"), "--port", String(gateway.port), "--journal", journals.seen, "--in-flight", String(inFlight)],
  "ignore"
)
await generator.next(startMillis)

const probe = (): Promise<Probed> => gateway.ask("probe", answerMillis)
const probeCollected = (): Promise<Probed> => gateway.ask("probe after collection", answerMillis)

// The rate.

interface Second {
  readonly since: Since
  readonly probed: Probed
  readonly seconds: number
  readonly gatewayCpu: number
  /** The share of the whole machine that was busy with anything. */
  readonly machineCpu: number
}

const machineTimes = (): readonly [busy: number, all: number] => {
  let [busy, all] = [0, 0]
  for (const { times } of cpus()) {
    const sum = times.user + times.nice + times.sys + times.irq + times.idle
    busy += sum - times.idle
    all += sum
  }
  return [busy, all]
}

let lastAt = performance.now()
let lastCpu = (await probe()).cpuMicros
let lastMachine = machineTimes()

/** Offers this rate for so long, and tells what has come of it. */
const offer = async (rate: number, millis: number, collects = false): Promise<Second> => {
  await generator.ask({ rate }, answerMillis)
  await sleep(millis)
  const since = await generator.ask<Since>({ rate }, answerMillis)
  const probed = await (collects ? probeCollected() : probe())
  const [now, machine] = [performance.now(), machineTimes()]
  const told: Second = {
    since,
    probed,
    seconds: (now - lastAt) / 1_000,
    gatewayCpu: (probed.cpuMicros - lastCpu) / ((now - lastAt) * 1_000),
    machineCpu: (machine[0] - lastMachine[0]) / Math.max(1, machine[1] - lastMachine[1])
  }
  ;[lastAt, lastCpu, lastMachine] = [now, probed.cpuMicros, machine]
  return told
}

const stepMillis = 3_000
const rateStep = 1.25
const rateShare = 0.8

/** Why a rate is more than can be held; undefined where it is not. */
const tooMuch = ({ gatewayCpu, probed, since }: Second, quiet: number): string | undefined => {
  if (since.skipped > 0) return `${inFlight} calls were under way`
  if (gatewayCpu > 0.85) return `the gateway took ${percent(gatewayCpu)} of a core`
  if (probed.lateMillis > 150) return `the gateway's event loop was ${probed.lateMillis.toFixed(0)} ms late`
  return since.p50 > 4 * quiet + 50 ? `half the answers took more than ${since.p50.toFixed(0)} ms` : undefined
}

const findRate = async (): Promise<readonly [rate: number, quiet: number]> => {
  let rate = 50
  // The first calls compile more than they do.
  await offer(rate, stepMillis)
  const { p50 } = (await offer(rate, stepMillis)).since
  let last = rate
  while (!isStopped() && rate < 4_000) {
    rate = Math.ceil(rate * rateStep)
    const second = await offer(rate, stepMillis)
    // One step may fall on somebody else's work.
    const why = tooMuch(second, p50) && tooMuch(await offer(rate, stepMillis), p50)
    if (why !== undefined) {
      console.error(`${rate} calls/s: ${why}`)
      break
    }
    console.error(
      `${rate} calls/s: held; p50 ${second.since.p50} ms, p99 ${second.since.p99} ms, the gateway ${percent(second.gatewayCpu)} of a core`
    )
    last = rate
  }
  return [Math.max(1, Math.floor(last * rateShare)), p50]
}

/** Warms up at a rate. One that was found and that does not hold for so long is lowered, and it begins anew. */
const warm = async (rate: number, quiet: number): Promise<number> => {
  let failed = 0
  for (let second = 0; second < warmUp && !isStopped(); second++) if (tooMuch(await offer(rate, 1_000), quiet) !== undefined) failed++
  if (failed <= warmUp / 4 || givenRate !== undefined || isStopped()) return rate
  console.error(`${rate} calls/s: not held in ${failed} of ${warmUp} s`)
  return warm(Math.max(1, Math.floor(rate * rateShare)), quiet)
}

// The soak.

const before = { sockets: socketsOf(gateway.pid), probed: await probeCollected() }
const rate = givenRate === undefined ? await warm(...(await findRate())) : await warm(givenRate, Infinity)

const watched: Array<Second> = []
const rss: Array<Sample> = []
const heap: Array<Sample> = []
const external: Array<Sample> = []
let mostSockets = 0
const from = performance.now()
while (!isStopped() && performance.now() - from < seconds * 1_000) {
  const collects = watched.length % collectEverySeconds === 0
  const second = await offer(rate, 1_000, collects)
  watched.push(second)
  const at = (performance.now() - from) / 60_000
  rss.push({ at, value: second.probed.rssBytes })
  if (collects) {
    heap.push({ at, value: second.probed.heapBytes })
    external.push({ at, value: second.probed.externalBytes })
  }
  mostSockets = Math.max(mostSockets, socketsOf(gateway.pid) ?? 0)
  if (watched.length % 20 === 0)
    console.error(
      `${watched.length} s: ${(second.since.ended / second.seconds).toFixed(0)} calls/s, p50 ${second.since.p50} ms, the gateway ${percent(second.gatewayCpu)} of a core, ` +
        `${(second.probed.rssBytes / mebibyte).toFixed(0)} MiB`
    )
}
const lasted = (performance.now() - from) / 1_000

// Rest.

await generator.ask<Since>({ rate: 0 }, 60_000)
const left = async (): Promise<{ readonly rest: Rest; readonly sockets: number | undefined; readonly isAtRest: boolean }> => {
  const [rest, sockets] = [await upstream.ask<Rest>("rest", answerMillis), socketsOf(gateway.pid)]
  return { rest, sockets, isAtRest: rest.connections === 0 && rest.answersOpen === 0 && (sockets ?? 0) <= (before.sockets ?? 0) }
}
const atRest = await until(restMillis, async () => {
  const now = await left()
  return now.isAtRest ? now : undefined
})
const last = atRest ?? (await left())
must(
  atRest !== undefined,
  `${restMillis / 1_000} s after the last call ${last.rest.answersOpen} answers and ${last.rest.connections} connections of the upstream are open, and ${last.sockets} sockets of the gateway, which were ${before.sockets}`
)
/** Of each kind of what keeps the event loop alive, what there is more of than before the first call. */
const moreThanBefore = (now: Probed): ReadonlyArray<string> =>
  Object.entries(now.resources)
    .filter(([kind, count]) => count > (before.probed.resources[kind] ?? 0))
    .map(([kind, count]) => `${count} of ${kind}, which were ${before.probed.resources[kind] ?? 0}`)
// What waits for a moment is gone in a moment.
const quiet = await until(restMillis, async () => {
  const now = await probeCollected()
  return moreThanBefore(now).length === 0 ? now : undefined
})
const after = quiet ?? (await probeCollected())
const more = moreThanBefore(after)
must(more.length === 0, `the gateway at rest holds ${more.join("; ")}`)

const metrics = await (await fetch(`http://127.0.0.1:${gateway.port}/metrics`)).text()
const metric = (name: string): number =>
  [...metrics.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)$`, "gm"))].reduce((sum, [, value]) => sum + Number(value), 0)

gateway.child.kill("SIGTERM")
const status = await until(answerMillis, async () => gateway.ended())
must(status === 0, `the gateway was asked to stop and ended with ${status ?? "nothing"}: ${gateway.words().slice(-500)}`)
const complaints = gateway
  .words()
  .split("\n")
  .filter((line) => /dropped|internal|unclean|uncaught|ledger/i.test(line))
must(complaints.length === 0, `the gateway complained: ${complaints.join("; ")}`)

const lines = linesOf<Line>(journals.lines)
const account: Account = accountOf(linesOf<CallSeen>(journals.seen), lines, linesOf<Played>(journals.played))

const attemptsOf = (some: ReadonlyArray<Line>): number => some.reduce((sum, { attempts = [] }) => sum + attempts.length, 0)
const own = lines.filter(({ shadow_of }) => shadow_of === undefined)
const copied = lines.filter(({ shadow_of }) => shadow_of !== undefined)
for (const [name, counted] of [
  ["turnout_calls_total", own.length],
  ["turnout_errors_total", own.filter(({ error }) => error !== undefined).length],
  ["turnout_attempts_total", attemptsOf(own)],
  ["turnout_shadow_calls_total", copied.length],
  ["turnout_shadow_attempts_total", attemptsOf(copied)]
] as const)
  must(metric(name) === counted, `${name} says ${metric(name)}, and the lines ${counted}`)

/** What the ledger has of a budget: booked, and settled, in nano-dollars. */
const ledgerOf = (budget: string): readonly [booked: number, settled: number] => {
  const db = new DatabaseSync(join(scratch, "data", "ledger.sqlite"), { readOnly: true })
  const row = db
    .prepare("SELECT coalesce(sum(booked), 0) AS booked, coalesce(sum(settled), 0) AS settled FROM account WHERE budget = ?")
    .get(budget)
  db.close()
  return [Number(row?.["booked"]), Number(row?.["settled"])]
}
const spentBy = (...names: ReadonlyArray<string>): number => names.reduce((sum, name) => sum + (account.spent.get(name) ?? 0), 0)
for (const [budget, spent] of [
  ["all", spentBy("anna", "bert", "carl")],
  ["little", spentBy("poor")]
] as const) {
  const [booked, settled] = ledgerOf(budget)
  must(settled === spent, `the ledger has settled ${settled} of budget ${budget}, and the lines cost ${spent}`)
  must(booked === settled, `${booked - settled} of budget ${budget} are reserved for nothing`)
}
must(spentBy("poor") <= poorNanoDollars, `${spentBy("poor")} nano-dollars were spent of a budget of ${poorNanoDollars}`)

const heapSlope = slopeOf(heap)
const rssSlope = slopeOf(rss)
if (lasted >= judgedSeconds) {
  must((heapSlope?.least ?? 0) <= flatHeap, "the heap rises")
  must((rssSlope?.least ?? 0) <= flatRss, "the memory of the process rises")
}
const firstHeap = heap[0]?.value ?? before.probed.heapBytes
must(
  after.heapBytes - firstHeap <= grownHeap,
  `the heap at rest is ${((after.heapBytes - firstHeap) / mebibyte).toFixed(1)} MiB larger than after the warm-up`
)

// What is told.

const sumOf = (pick: (second: Second) => number): number => watched.reduce((sum, second) => sum + pick(second), 0)
const mean = (pick: (second: Second) => number): number => sumOf(pick) / Math.max(1, watched.length)
const middle = (pick: (second: Second) => number): number => watched.map(pick).toSorted((a, b) => a - b)[watched.length >> 1] ?? 0
const say = (line = ""): void => console.log(line)
const row = (name: string, text: string): void => say(`${name.padEnd(22)}${text}`)

say(
  `A soak of ${lasted.toFixed(0)} s after ${warmUp} s of warm-up at ${rate} calls/s${givenRate === undefined ? " (found)" : ""}, Node ${process.version}${isStopped() ? ", stopped early" : ""}`
)
say()
row(
  "calls",
  `${account.calls} in all, ${(sumOf(({ since }) => since.ended) / Math.max(1, lasted)).toFixed(0)} ended a second, ${sumOf(({ since }) => since.skipped)} not begun`
)
row(
  "records",
  `${own.length} of calls, ${copied.length} of copies; ${attemptsOf(lines)} attempts, ${last.rest.requests} requests at the upstream`
)
row("latency", `p50 ${middle(({ since }) => since.p50)} ms, p99 ${middle(({ since }) => since.p99)} ms (medians of the seconds)`)
row("CPU", `gateway ${percent(mean(({ gatewayCpu }) => gatewayCpu))} of a core, machine ${percent(mean(({ machineCpu }) => machineCpu))}`)
row("heap after collection", `${slopeText(heapSlope)}; ${kib(firstHeap)} KiB at first, ${kib(after.heapBytes)} at rest`)
row("buffers after it", slopeText(slopeOf(external)))
row("process (RSS)", `${slopeText(rssSlope)}; ${kib(rss[0]?.value ?? 0)} KiB at first, ${kib(after.rssBytes)} at rest`)
if (lasted < judgedSeconds) row("", `(slopes are judged from ${judgedSeconds} s on)`)
row(
  "sockets",
  before.sockets === undefined ? "not told by this system" : `${before.sockets} before, ${mostSockets} at most, ${last.sockets} at rest`
)
row("timers and handles", `${JSON.stringify(before.probed.resources)} before, ${JSON.stringify(after.resources)} at rest`)
row(
  "spent",
  `${(spentBy("anna", "bert", "carl") / 1e9).toFixed(2)} dollars of one budget, ${(spentBy("poor") / 1e9).toFixed(4)} of a small one`
)
say()
for (const line of tablesOf(account)) say(line)
say()
for (const line of findingsOf(account, lines)) say(line)
violations.push(...kindsOf(account))
say(violations.length === 0 ? "Everything is accounted for." : "NOT IN ORDER")
for (const violation of violations) say(`  ${violation}`)

generator.kill()
upstream.kill()
process.exit(violations.length > 0 ? 1 : isStopped() ? 130 : 0)
