/** `turnout simulate` as a command: what it prints where, its exit status, what it says of bad input, its progress, and Ctrl-C. */
import { mkdirSync, readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Command } from "effect/cli"
import { vi } from "vitest"
import { statusOf } from "../../runtime/commands/shared.ts"
import { simulate } from "../../runtime/commands/simulate.ts"
import { openLines } from "../../runtime/simulate/Lines.ts"
import { line, makeBar } from "../../runtime/simulate/Progress.ts"
import type { Report } from "../../src/simulate/Report.ts"
import { header, toLine } from "../../src/simulate/Traffic.ts"
import { compiled, ran, steady, team as restricted } from "../simulate/support.ts"
import { directory, type Ran, runCli, spawnCli } from "../http/support.ts"

/** Without warnings, so that nothing but what is tested is told. */
const team = { ...restricted, classes: { ...restricted.classes, support: { may: ["sonnet", "next", "mini"], within: ["agent"] } } }

const turnout = Command.make("turnout").pipe(Command.withSubcommands([simulate]))

/** The command in this process. */
const run = async (...args: ReadonlyArray<string>): Promise<Ran> => {
  let [stdout, stderr] = ["", ""]
  const out = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    stdout += String(text)
    return true
  })
  const err = vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    stderr += String(text)
    return true
  })
  const log = vi.spyOn(console, "log").mockImplementation((text: unknown) => void (stdout += `${String(text)}\n`))
  const error = vi.spyOn(console, "error").mockImplementation((text: unknown) => void (stderr += `${String(text)}\n`))
  const before = process.exitCode
  process.exitCode = 0
  try {
    const exit = await Effect.runPromiseExit(
      Command.runWith(turnout, { version: "0" })(["simulate", ...args]).pipe(Effect.provide(NodeServices.layer))
    )
    return { status: statusOf(exit), stdout, stderr }
  } finally {
    process.exitCode = before
    for (const spy of [out, err, log, error]) spy.mockRestore()
  }
}

const csv = [
  "TIMESTAMP,ContextTokens,GeneratedTokens",
  "2026-01-05 10:00:00.0000000,374,44",
  "2026-01-05 10:00:02.5000000,396,109",
  ""
].join("\n")
const files = (more: Readonly<Record<string, string>> = {}) =>
  directory({
    "policy.json": JSON.stringify(team),
    "traffic.jsonl": steady(40, 1_000, { model: "chat" }).join("\n"),
    "hour.csv": csv,
    ...more
  })

describe("simulate", () => {
  it("prints what the library reports, as a table or as JSON, and ends with 0", async () => {
    const path = files({ "providers.json": JSON.stringify({ targets: { sonnet: { errors: { overloaded: 0.5 } } } }) })
    const args = [path("policy.json"), "--traffic", path("traffic.jsonl"), "--model", path("providers.json"), "--seed", "7"]
    const [table, json] = [await run(...args), await run(...args, "--json")]
    assert.deepStrictEqual([table.status, table.stderr, json.status, json.stderr], [0, "", 0, ""])
    const report = JSON.parse(json.stdout) as Report
    const policy = compiled(team)
    const expected = await ran(policy, steady(40, 1_000, { model: "chat" }), {
      seed: 7,
      model: { targets: { sonnet: { errors: { overloaded: 0.5 } } } }
    })
    assert.deepStrictEqual(report, JSON.parse(JSON.stringify(expected)) as Report)
    assert.isAbove(report.total.measured.failovers, 0)
    assert.match(table.stdout, /^team \(policy [0-9a-f]{12}\): 40 calls in /)
    assert.notInclude(table.stdout, "nobody said how the providers behave")
    // Twice the same bytes.
    assert.strictEqual((await run(...args, "--json")).stdout, json.stdout)
  })

  it("repeats a CSV to any length, asks and calls as it is told, and starts when it is told", async () => {
    const path = files({ "calm.json": '{"default":{"errors":{}}}' })
    const { status, stdout } = await run(
      path("policy.json"),
      "--traffic",
      path("hour.csv"),
      "--calls",
      "1001",
      "--as",
      "bob",
      "--ask",
      "mini",
      "--start",
      "2026-02-28T23:59:00Z",
      "--model",
      path("calm.json"),
      "--json"
    )
    const { budgets, classes, routes, start, total, traffic } = JSON.parse(stdout) as Report
    assert.deepStrictEqual([status, traffic, start], [0, { format: "csv", calls: 1_001, inFlight: 0 }, "2026-02-28T23:59:00Z"])
    assert.strictEqual(total.measured.inputTokens, 500 * (374 + 396) + 374)
    assert.deepStrictEqual([classes[0]!.measured.calls, routes[1]!.measured.calls], [1_001, 1_001])
    assert.deepStrictEqual(
      budgets.map(({ window }) => window),
      ["2026-02", "2026-03"]
    )
  })

  it("says that its assumptions are its own", async () => {
    const path = files()
    const { stdout } = await run(path("policy.json"), "--traffic", path("hour.csv"))
    assert.include(stdout, "nobody said how the providers behave (`--model`), so these are Turnout's own assumptions")
  })

  it("reads a model in YAML", async () => {
    const path = files({ "model.yaml": "default:\n  errors: { auth: 1 }\n" })
    const { stdout } = await run(path("policy.json"), "--traffic", path("hour.csv"), "--model", path("model.yaml"), "--json")
    const { targets, total } = JSON.parse(stdout) as Report
    // The first call meets the dead key, which the second is not sent with.
    assert.deepStrictEqual(total.modelled.failedBy, { upstream_auth_failed: 1 })
    assert.deepStrictEqual(total.measured.refusedBy, { no_target_available: 1 })
    assert.deepStrictEqual(
      targets.map(({ measured }) => measured.paused),
      [1, 0, 0]
    )
  })
})

describe("bad input", () => {
  const table: ReadonlyArray<
    readonly [name: string, args: ReadonlyArray<string>, message: (path: (name: string) => string) => string | RegExp]
  > = [
    ["no file", ["--traffic", "nowhere.jsonl"], (path) => `cannot read the traffic \`${path("nowhere.jsonl")}\`: there is no such file`],
    ["a folder", ["--traffic", "folder"], (path) => `cannot read the traffic \`${path("folder")}\`: it is a directory`],
    [
      "an empty file",
      ["--traffic", "empty"],
      (path) => `${path("empty")}:1: the file is empty: expected JSONL with the header \`{"traffic":1}\`, or a CSV`
    ],
    ["a malformed line", ["--traffic", "bad.jsonl"], (path) => new RegExp(`^${path("bad.jsonl")}:42: malformed JSON: `)],
    ["an unknown key", ["--traffic", "who.jsonl"], (path) => `${path("who.jsonl")}:2: key: unknown key \`alcie\`; did you mean \`alice\`?`],
    ["an unknown key by name", ["--traffic", "hour.csv", "--as", "alcie"], () => "--as: unknown key `alcie`; did you mean `alice`?"],
    ["an unknown model by name", ["--traffic", "hour.csv", "--ask", "chaat"], () => "--ask: unknown model `chaat`; did you mean `chat`?"],
    [
      "a CSV without columns",
      ["--traffic", "other.csv"],
      (path) => new RegExp(`^${path("other.csv")}:1: expected a CSV with the columns .* are missing from \`a,b\``)
    ],
    [
      "a start that is no time",
      ["--traffic", "hour.csv", "--start", "noon"],
      () => "--start: expected a time such as `2026-01-05T09:00:00Z`, but found `noon`"
    ],
    ["no calls", ["--traffic", "hour.csv", "--calls", "0"], () => "--calls: expected at least 1, but found `0`"],
    [
      "a seed too large",
      ["--traffic", "hour.csv", "--seed", "4294967296"],
      () => "--seed: expected a number from 0 to 4294967295, but found `4294967296`"
    ],
    [
      "no model",
      ["--traffic", "hour.csv", "--model", "nowhere.json"],
      (path) => `cannot read the model \`${path("nowhere.json")}\`: there is no such file`
    ],
    [
      "a malformed model",
      ["--traffic", "hour.csv", "--model", "bad.jsonl"],
      (path) => new RegExp(`^${path("bad.jsonl")}:2:1: expected nothing more, but found`)
    ],
    [
      "a model with faults, each with its place",
      ["--traffic", "hour.csv", "--model", "model.json"],
      (path) =>
        [
          `${path("model.json")}:2:16: targets.sonet: unknown target \`sonet\`; did you mean \`sonnet\`?`,
          `${path("model.json")}:3:26: events[0].outage: unknown failure class \`timeot\`; did you mean \`timeout\`?`
        ].join("\n")
    ],
    [
      "an event that ends before it begins, given the start",
      ["--traffic", "hour.csv", "--model", "early.json"],
      (path) => `${path("early.json")}:1:33: events[0].to: the event ends before it begins`
    ],
    ["a policy that does not check", ["--traffic", "hour.csv"], () => /unknown target `snnet`[\s\S]*does not check$/]
  ]
  const world = () => {
    const path = files({
      empty: "",
      "bad.jsonl": [...steady(40, 1_000, { model: "chat" }), "{"].join("\n"),
      "who.jsonl": [header(), toLine({ time: 0, key: "alcie", inputTokens: 1, outputTokens: 1 })].join("\n"),
      "other.csv": "a,b\n1,2\n",
      "model.json": '{\n  "targets": { "sonet": {} },\n  "events": [{ "outage": "timeot" }]\n}\n',
      "early.json": '{ "events": [{ "slow": 2, "to": "2026-01-05T09:00:00Z" }] }',
      "wrong.json": JSON.stringify({ ...team, routes: [{ name: "all", to: "snnet" }] })
    })
    mkdirSync(path("folder"))
    return path
  }
  const policyAtFault = (name: string): boolean => name.startsWith("a policy")
  for (const [name, args, message] of table) {
    it(`says ${name}, and ends with ${policyAtFault(name) ? 1 : 2}`, async () => {
      const path = world()
      const policy = policyAtFault(name) ? "wrong.json" : "policy.json"
      const { status, stderr, stdout } = await run(
        path(policy),
        ...args.map((arg, i) => (args[i - 1] === "--traffic" || args[i - 1] === "--model" ? path(arg) : arg))
      )
      assert.deepStrictEqual([status, stdout], [policyAtFault(name) ? 1 : 2, ""])
      const expected = message(path)
      if (typeof expected === "string") assert.strictEqual(stderr.trimEnd(), expected)
      else assert.match(stderr.trimEnd(), expected)
    })
  }

  it("wants traffic", async () => {
    const { status, stderr } = await run(files()("policy.json"))
    assert.strictEqual(status, 2)
    assert.match(stderr, /--traffic/)
  })
})

describe("as a process", () => {
  it("has help with examples, and a line in the list of commands", async () => {
    const [help, all] = [await runCli(["simulate", "--help"]), await runCli(["--help"])]
    assert.strictEqual(help.status, 0)
    for (const word of [
      "--traffic",
      "--model",
      "--seed",
      "--calls",
      "--as",
      "--ask",
      "--start",
      "--json",
      "EXAMPLES",
      "turnout simulate policy.ts --traffic hour.csv"
    ]) {
      assert.include(help.stdout, word)
    }
    assert.match(all.stdout, /simulate +cost, latency, failures and budgets over virtual time/)
  })

  it("takes traffic from standard input, and prints no bar where there is no terminal", async () => {
    const path = files()
    const [piped, read] = [
      await runCli(["simulate", path("policy.json"), "--traffic", "-", "--calls", "30000", "--json"], {}, { stdin: csv }),
      await runCli(["simulate", path("policy.json"), "--traffic", path("hour.csv"), "--calls", "30000", "--json"])
    ]
    assert.deepStrictEqual([piped.status, piped.stderr], [0, ""])
    assert.strictEqual(piped.stdout, read.stdout)
  })

  it("prints on Ctrl-C what it has seen so far, as partial, and ends with 130", { timeout: 60_000 }, async () => {
    // Its warning is told before the simulation begins.
    const path = files({ "warned.json": JSON.stringify(restricted) })
    for (const json of [false, true]) {
      const cli = spawnCli([
        "simulate",
        path("warned.json"),
        "--traffic",
        path("hour.csv"),
        "--calls",
        "100000000",
        ...(json ? ["--json"] : [])
      ])
      await cli.tells("warning")
      await sleep(1_000)
      cli.child.kill("SIGINT")
      assert.strictEqual(await cli.ended(), 130)
      if (json) {
        const report = JSON.parse(cli.stdout()) as Report
        assert.isTrue(report.partial)
        assert.isAbove(report.total.measured.calls, 1_000)
      } else assert.match(cli.stdout(), /^PARTIAL: stopped before the end; calls in flight/)
    }
  })
})

describe("progress", () => {
  it("is one line that is overwritten, and taken away at the end", () => {
    let now = 0
    const written: Array<string> = []
    const bar = makeBar(
      { isTTY: true, columns: 200, write: (text) => written.push(text) },
      ({ calls }) => calls / 1_000,
      () => now
    )
    bar.show({ calls: 10, at: 1 })
    assert.deepStrictEqual(written, [])
    now = 500
    bar.show({ calls: 250, at: 90_000_000 })
    bar.show({ calls: 260, at: 91_000_000 })
    now = 600
    bar.show({ calls: 1_000, at: 3_600_000_000 })
    bar.clear()
    bar.clear()
    assert.deepStrictEqual(written, [
      "\r\u001b[2K██████░░░░░░░░░░░░░░░░░░  25%  250 calls, 90.0 s of virtual time, 500 calls a second",
      "\r\u001b[2K████████████████████████ 100%  1,000 calls, 1:00:00 of virtual time, 1,667 calls a second",
      "\r\u001b[2K"
    ])
  })

  it("fits the terminal, and does without an end that is not known", () => {
    const written: Array<string> = []
    let now = 0
    const bar = makeBar(
      { isTTY: true, columns: 30, write: (text) => written.push(text) },
      () => undefined,
      () => now
    )
    now = 1_000
    bar.show({ calls: 123_456, at: 1_000 })
    assert.deepStrictEqual(written, ["\r\u001b[2K123,456 calls, 1.00 ms of vir"])
    assert.strictEqual(line({ calls: 0, at: 0 }, 0, 0), "░░░░░░░░░░░░░░░░░░░░░░░░   0%  0 calls, 0 µs of virtual time")
  })

  it("is nothing where there is no terminal", () => {
    const bar = makeBar(
      { write: () => assert.fail("nobody reads this") },
      () => 1,
      () => 1e9
    )
    bar.show({ calls: 1, at: 1 })
    bar.clear()
  })
})

describe("openLines", () => {
  it("gives the lines that splitting gives, wherever a chunk ends", () => {
    // Longer than a chunk of a MiB, with characters of every width at its edges.
    const text = Array.from({ length: 60_000 }, (_, i) => `${i} zwölf Boxkämpfer ${"𝄞€é".repeat(i % 4)}`).join("\n")
    const path = directory({ long: text, ended: `${text}\n`, blank: "a\n\nb" })
    for (const name of ["long", "ended", "blank"]) {
      const file = openLines(path(name))
      if (file._tag === "Failure") throw new Error(file.failure)
      const expected = readFileSync(path(name), "utf8").split("\n")
      if (expected.at(-1) === "") expected.pop()
      assert.deepStrictEqual([...file.success.lines()], expected)
      // Again from the beginning.
      assert.strictEqual([...file.success.lines()].length, expected.length)
      assert.strictEqual(file.success.read(), 2 * file.success.size)
    }
  })
})
