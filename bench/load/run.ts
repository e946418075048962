/**
 * What a call through the gateway costs: CPU time per call and throughput of the whole server, against a raw forwarder (`forwarder.ts`) that calls the same
 * scripted upstream, under the same load.
 *
 *     node bench/load/run.ts [--rounds 5] [--calls 10000] [--warm-up 40000] [--connections 32] [--scenario json,stream]
 *                            [--writes 4] [--paid] [--max-ratio 1.25] [--aa]
 *
 * Upstream, servers and load generators are processes of their own. Each round has two fresh servers, each with a fresh generator; they get their calls
 * in alternating turns, one at rest while the other works, so that what drifts (clock rate, neighbours) falls on both. What is measured is a server that has run for some
 * seconds: the first tens of thousands of calls cost both more, and the larger program much more, while the engine compiles. CPU time is that of the whole server
 * process, all threads, user and system (`meter.ts`), read once the server has come to rest, so that work put off until after the answer counts too. The
 * ratio is the median of the ratios within each round. `--paid` gives the gateway keys, classes and a budget whose spend is
 * journalled, as a policy for a team has them. `--aa` runs the forwarder against itself: what it shows beside 1.00 is noise. With `--max-ratio` the exit status is 1 where the `json`
 * scenario's CPU ratio is above it.
 *
 * Loopback only. Every step has a time limit, and no process outlives this one.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createHash } from "node:crypto"
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import type { Tally } from "./generator.ts"
import type { Reading } from "./meter.ts"
import { type Scenario, scenarios, upstreamModels } from "./script.ts"

const startMillis = 20_000
const seriesMillis = 120_000
/** How long a server gets to finish what it has put off, before its meter is read. */
const restMillis = 100
/** In how many turns the two servers of a round get their calls. */
const slices = 10

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url))
const meter = new URL("./meter.ts", import.meta.url).href

const fail = (message: string): never => {
  console.error(message)
  process.exit(2)
}

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    calls: { type: "string", default: "10000" },
    "warm-up": { type: "string", default: "40000" },
    connections: { type: "string", default: "32" },
    scenario: { type: "string", multiple: true, default: ["json,stream"] },
    writes: { type: "string", default: "4" },
    paid: { type: "boolean", default: false },
    "max-ratio": { type: "string" },
    aa: { type: "boolean", default: false }
  }
})
const whole = (name: "calls" | "connections" | "rounds" | "warm-up" | "writes", most: number): number => {
  const value = Number(values[name])
  return Number.isInteger(value) && value >= 1 && value <= most
    ? value
    : fail(`--${name}: expected a whole number from 1 to ${most}, got \`${values[name]}\``)
}
const rounds = whole("rounds", 100)
const calls = whole("calls", 1_000_000)
const warmUp = whole("warm-up", 1_000_000)
const connections = whole("connections", 1_000)
const writes = whole("writes", 32)
const maxRatio = values["max-ratio"] === undefined ? Infinity : Number(values["max-ratio"])
if (!(maxRatio > 0)) fail(`--max-ratio: expected a ratio such as 1.25, got \`${values["max-ratio"]}\``)
const chosen = values.scenario
  .flatMap((names) => names.split(","))
  .map((name): Scenario => {
    const known = scenarios.find((scenario) => scenario === name)
    return known ?? fail(`--scenario: expected some of ${scenarios.join(", ")}, got \`${name}\``)
  })
if (maxRatio < Infinity && !chosen.includes("json")) fail("--max-ratio judges the scenario json, which is not among --scenario")

const scratch = mkdtempSync(join(tmpdir(), "turnout-load-"))
const children = new Set<ChildProcess>()
/** The last words of each process that runs, on its standard error. */
const words = new Map<string, string>()
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL")
  rmSync(scratch, { recursive: true, force: true })
})
for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129]
] as const)
  process.on(signal, () => process.exit(status))

/** `promise`, or the end of the run where it takes too long. */
const within = async <A>(millis: number, what: string, promise: Promise<A>): Promise<A> => {
  const timer = new AbortController()
  const late = sleep(millis, undefined, { signal: timer.signal }).then((): never => fail(`${what} took more than ${millis / 1_000} s`))
  try {
    return await Promise.race([promise, late])
  } finally {
    timer.abort()
    late.catch(() => {})
  }
}

interface Process {
  readonly child: ChildProcess
  readonly name: string
  readonly stop: () => Promise<void>
}

/** Starts a Node process that must not end before it is stopped. `stdout` is a file descriptor, or `"pipe"`. */
const launch = (name: string, command: ReadonlyArray<string>, stdout: number | "pipe" = "pipe"): Process => {
  const child = spawn(process.execPath, ["--import", meter, ...command], {
    stdio: ["ignore", stdout, "pipe", "ipc"],
    env: { ...process.env, NODE_ENV: "production", TURNOUT_LOAD_KEY: "none" }
  })
  children.add(child)
  let stopped = false
  words.delete(name)
  child.stderr?.on("data", (text: Buffer) => words.set(name, ((words.get(name) ?? "") + text.toString()).slice(-4_000)))
  child.once("close", (status, signal) => {
    children.delete(child)
    const said = [...words].map(([name, text]) => `${name} said:\n${text}`)
    if (!stopped) fail([`${name} ended by itself (${signal ?? `status ${status}`})`, ...said].join("\n"))
  })
  const stop = async (): Promise<void> => {
    stopped = true
    const closed = once(child, "close")
    child.kill("SIGKILL")
    await within(startMillis, `stopping ${name}`, closed)
  }
  return { child, name, stop }
}

/** The port that a process names, in a line of its output, in the first group of `pattern`. */
const portOf = ({ child, name }: Process, output: "stdout" | "stderr", pattern: RegExp): Promise<number> => {
  const lines = createInterface({ input: child[output] ?? fail(`${name} has no ${output}`) })
  const found = new Promise<number>((resolve) =>
    lines.on("line", (line) => {
      const port = pattern.exec(line)?.[1]
      if (port !== undefined) resolve(Number(port))
    })
  )
  return within(startMillis, `starting ${name}`, found)
}

/** Sends a process a message and returns what it says to that. */
const ask = async <A>({ child, name }: Process, message: string | number, millis: number): Promise<A> => {
  const answer = once(child, "message") as Promise<[A]>
  child.send(message)
  return (await within(millis, `${name}, asked ${JSON.stringify(message)},`, answer))[0]
}

interface Server extends Process {
  readonly port: number
}

const reported = /^\{"port":(\d+)\}$/

const forwarder = async (upstreamPort: number): Promise<Server> => {
  const started = launch("forwarder", [here("./forwarder.ts"), "--upstream", String(upstreamPort)])
  return { ...started, port: await portOf(started, "stdout", reported) }
}

/** The rules that are measured: those of the quickstart, with the scripted upstream for a provider. */
const policy = (upstreamPort: number) => ({
  name: "load",
  providers: { scripted: { dialect: "openai", baseUrl: `http://127.0.0.1:${upstreamPort}/v1`, key: { env: "TURNOUT_LOAD_KEY" } } },
  targets: Object.fromEntries(
    ["small", "large", "next"].map((name) => [
      name,
      {
        provider: "scripted",
        model: `${upstreamModels}${name}`,
        price: { input: { usd: 0.15 }, output: { usd: 0.6 } },
        maxOutputTokens: 16_384
      }
    ])
  ),
  routes: [
    { name: "long", when: { ">": [{ var: "request.inputTokens" }, 100_000] }, to: { _tag: "First", of: ["large", "small"] } },
    {
      name: "canary",
      to: {
        _tag: "First",
        of: [
          {
            _tag: "Split",
            by: { fact: "request.id" },
            salt: "load-1",
            arms: [
              { name: "current", weight: 90, to: "small" },
              { name: "next", weight: 10, to: "next" }
            ]
          },
          "large"
        ]
      }
    }
  ]
})

/** Who calls, and who pays: what `--paid` adds. The generator's key is `none`. */
const callers = {
  budgets: { team: { per: "class", limit: { usd: 9_000_000 }, every: "month" } },
  classes: { team: { may: ["small", "large", "next"], within: ["team"] }, guests: { may: ["small"] } },
  keys: {
    generator: { secret: { sha256: createHash("sha256").update("none").digest("hex") }, class: "team", team: "load" },
    ...Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => [
        `other-${i}`,
        { secret: { sha256: createHash("sha256").update(`other-${i}`).digest("hex") }, class: "guests" }
      ])
    )
  }
}

/** The gateway as users start it; its access lines go to a file, so that they are written in earnest. */
const gateway = async (upstreamPort: number): Promise<Server> => {
  const file = join(scratch, "policy.json")
  writeFileSync(file, JSON.stringify({ ...policy(upstreamPort), ...(values.paid ? callers : {}) }, undefined, 2))
  const log = openSync(join(scratch, "access.log"), "w")
  const started = launch(
    "gateway",
    [here("../../runtime/main.ts"), "serve", file, "--port", "0", "--data", mkdtempSync(join(scratch, "data-"))],
    log
  )
  closeSync(log)
  return { ...started, port: await portOf(started, "stderr", /http:\/\/127\.0\.0\.1:(\d+)/) }
}

interface Measured {
  readonly cpuMicrosPerCall: number
  readonly callsPerSecond: number
}

/** A fresh server under a fresh load generator, and what it has cost so far. */
const begin = async (scenario: Scenario, start: (upstreamPort: number) => Promise<Server>, upstreamPort: number) => {
  const server = await start(upstreamPort)
  const options = ["--port", String(server.port), "--scenario", scenario, "--connections", String(connections)]
  const generator = launch("load generator", [here("./generator.ts"), ...options])
  await within(startMillis, "connecting the load generator", once(generator.child, "message"))
  let wallMicros = 0
  let cpuMicros = 0
  return {
    /** Makes some calls that are not counted. */
    warm: async (some: number): Promise<void> => {
      await ask<Tally>(generator, some, seriesMillis)
      await sleep(restMillis)
    },
    /** Makes some calls and adds up what they cost. */
    run: async (some: number): Promise<void> => {
      const before = await ask<Reading>(server, "read meter", startMillis)
      const tally = await ask<Tally>(generator, some, seriesMillis)
      await sleep(restMillis)
      const after = await ask<Reading>(server, "read meter", startMillis)
      wallMicros += tally.wallMicros
      cpuMicros += after.cpuMicros - before.cpuMicros
    },
    end: async (): Promise<Measured> => {
      await generator.stop()
      await server.stop()
      return { cpuMicrosPerCall: cpuMicros / calls, callsPerSecond: (calls / wallMicros) * 1e6 }
    }
  }
}

const median = (numbers: ReadonlyArray<number>): number => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}
const spread = (numbers: ReadonlyArray<number>, digits: number): string =>
  `${median(numbers).toFixed(digits)} (${Math.min(...numbers).toFixed(digits)}–${Math.max(...numbers).toFixed(digits)})`

const servers = {
  subject: values.aa ? { name: "forwarder B", start: forwarder } : { name: "gateway", start: gateway },
  baseline: { name: values.aa ? "forwarder A" : "forwarder", start: forwarder }
}

const upstream = launch("upstream", [here("./upstream.ts"), "--writes", String(writes)])
const upstreamPort = await portOf(upstream, "stdout", reported)
const row = (...cells: ReadonlyArray<string>): string =>
  cells
    .map((cell, at) => (at < 2 ? cell.padEnd(12) : cell.padStart(24)))
    .join("  ")
    .trimEnd()
const table = [row("scenario", "server", "calls/s", "CPU µs/call")]
let judged = 0

for (const scenario of chosen) {
  const measured = { subject: [] as Array<Measured>, baseline: [] as Array<Measured> }
  for (let round = 0; round < rounds; round++) {
    const order = (turn: number) => (turn % 2 === 0 ? (["subject", "baseline"] as const) : (["baseline", "subject"] as const))
    const running: Record<string, Awaited<ReturnType<typeof begin>>> = {}
    for (const which of order(round)) running[which] = await begin(scenario, servers[which].start, upstreamPort)
    const part = (of: number, slice: number): number => Math.floor(((slice + 1) * of) / slices) - Math.floor((slice * of) / slices)
    // In turns too: no connection rests for as long as a server keeps an idle one.
    for (let slice = 0; slice < slices; slice++)
      for (const which of order(round + slice)) if (part(warmUp, slice) > 0) await running[which]?.warm(part(warmUp, slice))
    for (let slice = 0; slice < slices; slice++) for (const which of order(round + slice)) await running[which]?.run(part(calls, slice))
    for (const which of order(round)) {
      const figures = (await running[which]?.end()) as Measured
      measured[which].push(figures)
      console.error(
        `${scenario}, round ${round + 1}/${rounds}: ${servers[which].name.padEnd(11)} ` +
          `${figures.callsPerSecond.toFixed(0)} calls/s, ${figures.cpuMicrosPerCall.toFixed(1)} µs CPU a call`
      )
    }
  }
  const ratios = (figure: keyof Measured): ReadonlyArray<number> =>
    measured.subject.map((one, round) => one[figure] / (measured.baseline[round] as Measured)[figure])
  for (const which of ["subject", "baseline"] as const) {
    const [{ name }, figures] = [servers[which], measured[which]]
    const [rate, cpu] = [figures.map((one) => one.callsPerSecond), figures.map((one) => one.cpuMicrosPerCall)]
    table.push(row(scenario, name, spread(rate, 0), spread(cpu, 1)))
  }
  table.push(row(scenario, "ratio", spread(ratios("callsPerSecond"), 3), spread(ratios("cpuMicrosPerCall"), 3)))
  // What a neighbour takes only ever adds, and more to the larger program: the least of each is nearest to what they cost by themselves.
  const least = (figures: ReadonlyArray<Measured>): number => Math.min(...figures.map((one) => one.cpuMicrosPerCall))
  table.push(row(scenario, "ratio of the least", "", (least(measured.subject) / least(measured.baseline)).toFixed(3)))
  if (scenario === "json") judged = median(ratios("cpuMicrosPerCall"))
}

await upstream.stop()
console.log(`${rounds} rounds of ${calls} calls on ${connections} connections, Node ${process.version}; medians (least–most)`)
for (const line of table) console.log(line)
const exceeded = judged > maxRatio
if (exceeded) console.error(`the CPU ratio of json, ${judged.toFixed(3)}, is above ${maxRatio}`)
process.exit(exceeded ? 1 : 0)
