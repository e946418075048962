/** The commands that end by themselves: what they print where, and their exit status. Where the process itself matters they run as one. */
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { stringify } from "yaml"
import type { Finding } from "../../src/Finding.ts"
import type { PolicyEncoded } from "../../src/Policy.ts"
import { asking, directory, runCli, runHere, send, spawnCli } from "../http/support.ts"

const quickstart = "policies/quickstart.ts"

const sound: PolicyEncoded = {
  name: "acme",
  providers: { openai: { dialect: "openai", key: { env: "OPENAI_API_KEY" } } },
  targets: { small: { provider: "openai", model: "gpt-4o-mini" }, large: { provider: "openai", model: "gpt-4o" } },
  routes: [
    { name: "fast", when: { "===": [{ var: "request.model" }, "fast"] }, to: "small" },
    { name: "default", to: { _tag: "First", of: ["large", "small"] } }
  ]
}

const source = (routes: string): string => `import { env, policy } from "turnout"

export default policy({
  name: "acme",
  providers: { openai: { dialect: "openai", key: env("OPENAI_API_KEY") } },
  targets: { small: { provider: "openai", model: "gpt-4o-mini" }, large: { provider: "openai", model: "gpt-4o" } },
  routes: ({ asked, caller, first, request, split }) => ${routes}
} as never)
`

/** Line and column, from 1, of what `text` says at `part`. */
const placeOf = (text: string, part: string): string => {
  const before = text.slice(0, text.indexOf(part)).split("\n")
  return `${before.length}:${before.at(-1)!.length + 1}`
}

describe("check", () => {
  const table: ReadonlyArray<
    readonly [name: string, code: string, routes: string, json: PolicyEncoded["routes"], place: string, message: string, at: string]
  > = [
    [
      "a misspelt target",
      "unknown-target",
      `[{ name: "default", to: first("small", "lrage") }]`,
      [{ name: "default", to: { _tag: "First", of: ["small", "lrage"] } }],
      `routes[0] "default".to.first[1]`,
      "unknown target `lrage`; did you mean `large`",
      `"lrage"`
    ],
    [
      "a route that cannot be reached",
      "unreachable-route",
      `[{ name: "all", to: asked() }, { name: "late", when: request.stream, to: "small" }, { name: "default", to: "large" }]`,
      [
        { name: "all", to: { _tag: "Asked" } },
        { name: "late", when: { var: "request.stream" }, to: "small" },
        { name: "default", to: "large" }
      ],
      `routes[1] "late"`,
      "can never be chosen: `all` has no `when`",
      `{\n      "name": "late"`
    ],
    [
      "weights that do not add up",
      "split-weights",
      `[{ name: "default", to: split({ by: request.id, salt: "s" }, { small: 90, large: 5 }) }]`,
      [
        {
          name: "default",
          to: {
            _tag: "Split",
            by: { fact: "request.id" },
            salt: "s",
            arms: [
              { name: "small", weight: 90, to: "small" },
              { name: "large", weight: 5, to: "large" }
            ]
          }
        }
      ],
      `routes[0] "default".to.arms`,
      "the weights of `small`, `large` add up to 95",
      `"arms"`
    ]
  ]

  for (const [name, code, routes, json, place, message, at] of table) {
    it(`${name}: in TypeScript, in JSON with its line, and as data`, async () => {
      const text = JSON.stringify({ ...sound, routes: json }, null, 2)
      const file = directory({ "policy.ts": source(routes), "policy.json": text })
      const [written, read, data] = await Promise.all([
        runHere("check", file("policy.ts")),
        runHere("check", file("policy.json")),
        runHere("check", file("policy.json"), "--json")
      ])
      assert.deepStrictEqual([written.status, read.status, data.status], [1, 1, 1])

      assert.include(written.stdout, `error[${code}] ${file("policy.ts")}: ${place}: `)
      assert.include(written.stdout, message)
      const where = placeOf(text, at)
      assert.include(read.stdout, `error[${code}] ${file("policy.json")}:${where}: ${place}: `)
      assert.include(read.stdout, message)
      assert.match(read.stdout, /policy\.json: \d error/)
      assert.strictEqual(written.stderr + read.stderr + data.stderr, "")

      const { findings, hash, ...rest } = JSON.parse(data.stdout) as {
        readonly file: string
        readonly hash: null
        readonly findings: ReadonlyArray<Finding & { readonly line: number; readonly column: number }>
      }
      assert.strictEqual(hash, null)
      assert.strictEqual(rest.file, file("policy.json"))
      const finding = findings.find((one) => one.code === code)!
      assert.deepInclude(finding, { code, level: "error", place })
      assert.strictEqual(`${finding.line}:${finding.column}`, where)
    })
  }

  it("a sound policy: nothing to say, status 0, and the same hash in every format", async () => {
    const file = directory({ "policy.json": JSON.stringify(sound), "policy.yaml": stringify(sound) })
    const [json, yaml, data, quick] = await Promise.all([
      runHere("check", file("policy.json")),
      runHere("check", file("policy.yaml")),
      runHere("check", file("policy.json"), "--json", "--strict"),
      runHere("check", quickstart, "--strict")
    ])
    for (const run of [json, yaml, data, quick]) assert.deepStrictEqual([run.status, run.stderr], [0, ""])
    const said = /: 2 routes, 2 targets, no (?:findings|warnings, \d+ notes? \(--notes shows \w+\)), policy ([0-9a-f]{12})\n$/
    assert.match(json.stdout, said)
    assert.strictEqual(said.exec(json.stdout)?.[1], said.exec(yaml.stdout)?.[1])
    const { findings, hash } = JSON.parse(data.stdout) as { readonly findings: ReadonlyArray<Finding>; readonly hash: string }
    assert.isTrue(findings.every(({ level }) => level === "note"))
    assert.strictEqual(hash.slice(0, 12), said.exec(json.stdout)?.[1])
    assert.match(quick.stdout, /^policies\/quickstart\.ts: 4 routes, 4 targets, no (findings|warnings, .*), policy [0-9a-f]{12}\n$/)
  })

  it("a warning fails the check only where it is strict", async () => {
    const risky = { ...sound, providers: { openai: { ...sound.providers["openai"]!, baseUrl: "http://llm.example/v1" } } }
    const file = directory({ "policy.json": JSON.stringify(risky) })
    const [usual, strict] = await Promise.all([runHere("check", file("policy.json")), runHere("check", file("policy.json"), "--strict")])
    assert.deepStrictEqual([usual.status, strict.status], [0, 1])
    assert.strictEqual(usual.stdout, strict.stdout)
    assert.include(usual.stdout, "warning[key-in-clear]")
    assert.match(usual.stdout, /: 2 routes, 2 targets, 1 warning, (\d+ notes? \(--notes shows \w+\), )?policy /)
  })

  it("a policy that cannot be loaded, with its place", async () => {
    const file = directory({
      "syntax.ts": "export default = 1\n",
      "throws.ts": `throw new Error("no luck")\n`,
      "broken.json": "{\n  name: 1\n}\n"
    })
    const [syntax, throws, broken, missing] = await Promise.all([
      runHere("check", file("syntax.ts")),
      runHere("check", file("throws.ts")),
      runHere("check", file("broken.json")),
      runHere("check", file("nowhere.ts"))
    ])
    for (const run of [syntax, throws, broken, missing]) assert.deepStrictEqual([run.status, run.stdout], [2, ""])
    assert.include(syntax.stderr, "syntax.ts:1:16")
    assert.include(throws.stderr, "no luck")
    assert.include(throws.stderr, "throws.ts:1:7")
    assert.include(broken.stderr, "broken.json:2:3")
    assert.include(missing.stderr, `no file \`${file("nowhere.ts")}\``)
  })

  it("the usual file where none is named, and a word where there is none", async () => {
    const [full, empty] = [directory({ "turnout.json": JSON.stringify(sound) }), directory()]
    const [found, none] = await Promise.all([runCli(["check"], {}, { cwd: full(".") }), runCli(["check"], {}, { cwd: empty(".") })])
    assert.strictEqual(found.status, 0)
    assert.match(found.stdout, /^turnout\.json: 2 routes/)
    assert.strictEqual(none.status, 2)
    assert.include(none.stderr, "no policy is named, and there is none of turnout.ts")
  })
})

describe("build", () => {
  it("prints canonical JSON that builds to itself, and its hash", async () => {
    const built = await runHere("build", quickstart)
    assert.strictEqual(built.status, 0)
    const canonical = built.stdout.trimEnd()
    assert.strictEqual(built.stdout, `${canonical}\n`)
    const hash = createHash("sha256").update(canonical).digest("hex")
    assert.strictEqual(built.stderr, `sha256 ${hash}\n`)
    const sorted = (value: unknown): unknown =>
      Array.isArray(value)
        ? value.map(sorted)
        : typeof value === "object" && value !== null
          ? Object.fromEntries(
              Object.entries(value)
                .sort(([a], [b]) => (a < b ? -1 : 1))
                .map(([key, inner]) => [key, sorted(inner)])
            )
          : value
    assert.strictEqual(JSON.stringify(sorted(JSON.parse(canonical))), canonical)

    const policy = JSON.parse(canonical) as unknown
    const file = directory({
      "policy.json": canonical,
      "pretty.json": JSON.stringify(policy, null, 2),
      "policy.yaml": stringify(policy)
    })
    const [again, pretty, yaml, hashed] = await Promise.all([
      runHere("build", file("policy.json")),
      runHere("build", file("pretty.json")),
      runHere("build", file("policy.yaml"), "--hash"),
      runHere("build", quickstart, "--hash")
    ])
    assert.deepStrictEqual(again, built)
    assert.deepStrictEqual(pretty, built)
    assert.deepStrictEqual(yaml, { status: 0, stdout: `${hash}\n`, stderr: "" })
    assert.deepStrictEqual(hashed, yaml)
  })

  it("prints nothing of a policy that does not check", async () => {
    const file = directory({ "policy.json": JSON.stringify({ ...sound, routes: [{ name: "only", to: "smal" }] }) })
    const { status, stderr, stdout } = await runHere("build", file("policy.json"))
    assert.deepStrictEqual([status, stdout], [1, ""])
    assert.include(stderr, "unknown target `smal`; did you mean `small`")
  })
})

describe("explain", () => {
  const long = asking({ model: "fast", messages: [{ role: "user", content: "x".repeat(10_000) }] })

  it("the decision on a request, from a file and from standard input alike", async () => {
    const file = directory({ "request.json": long })
    const [read, piped] = await Promise.all([
      runHere("explain", quickstart, "--request", file("request.json")),
      runCli(["explain", quickstart, "--request", "-"], {}, { stdin: long })
    ])
    assert.deepStrictEqual([read.status, read.stderr], [0, ""])
    assert.deepStrictEqual(read, piped)
    assert.match(read.stdout, /^policy +quickstart [0-9a-f]{12}$/m)
    assert.match(read.stdout, /^ +request\.inputTokens = 2500$/m)
    assert.match(read.stdout, /^ +yes +long: request\.inputTokens > 2000$/m)
    assert.include(read.stdout, "(3 further not looked at)")
    assert.match(read.stdout, /^decision +long$/m)
    assert.include(read.stdout, "send to large (mock-large at mock)")
    assert.include(read.stdout, "order of a call:")
  })

  it("at a given time, with breakers open, and what a target takes at once", async () => {
    const policy: PolicyEncoded = {
      ...sound,
      targets: { ...sound.targets, small: { ...sound.targets["small"]!, capacity: { inFlight: 2, queued: 3 } } },
      routes: [
        { name: "late", when: { ">=": [{ var: "time.hour" }, 22] }, to: "large" },
        { name: "default", to: { _tag: "First", of: ["large", "small"] } }
      ]
    }
    const file = directory({ "policy.json": JSON.stringify(policy), "request.json": asking({ model: "fast" }) })
    const explain = (...more: ReadonlyArray<string>) => runHere("explain", file("policy.json"), "--request", file("request.json"), ...more)
    const [early, late, unknown, never] = await Promise.all([
      explain("--at", "2026-01-05T09:00:00Z", "--down", "large"),
      explain("--at", "2026-01-05T23:00:00Z"),
      explain("--down", "larger"),
      explain("--at", "soon")
    ])
    assert.match(early.stdout, /^decision +default$/m)
    assert.include(early.stdout, "pass large over as long as its breaker is open, unless breakers alone leave nothing else")
    assert.include(early.stdout, "at most 2 at once; up to 3 more wait 1 s for a place")
    assert.match(late.stdout, /^decision +late$/m)
    assert.deepStrictEqual([unknown.status, never.status], [2, 2])
    assert.include(unknown.stderr, "the policy has no target `larger`; did you mean `large`?")
    assert.include(never.stderr, "--at soon: expected a time, such as 2026-01-05T09:00:00Z")
  })

  it("splits are assigned by the id that is given, headers are read, failover is shown", async () => {
    const policy: PolicyEncoded = {
      ...sound,
      headers: ["x-tier"],
      routes: [
        { name: "gold", when: { "===": [{ var: "request.headers.x-tier" }, "gold"] }, to: { _tag: "First", of: ["large", "small"] } },
        {
          name: "default",
          to: {
            _tag: "Split",
            by: { fact: "request.id" },
            salt: "s",
            arms: [
              { name: "a", weight: 50, to: "small" },
              { name: "b", weight: 50, to: "large" }
            ]
          }
        }
      ]
    }
    const file = directory({ "policy.json": JSON.stringify(policy), "request.json": asking() })
    const explain = (...more: ReadonlyArray<string>) => runHere("explain", file("policy.json"), "--request", file("request.json"), ...more)
    const [gold, ...ids] = await Promise.all([
      explain("--header", "X-Tier=gold"),
      ...["one", "two", "three", "four", "five"].map((id) => explain("--id", id))
    ])
    assert.match(gold.stdout, /^decision +gold$/m)
    assert.include(gold.stdout, "first of, moving on for the usual failures:")
    const arms = ids.map(({ stdout }) => /^decision +default\/split\.(\w)$/m.exec(stdout)?.[1])
    assert.deepStrictEqual(new Set(arms), new Set(["a", "b"]))
  })

  it("requests of every API, with the model that an address names, and what that API says of them", async () => {
    const policy: PolicyEncoded = {
      ...sound,
      routes: [
        { name: "long", when: { ">": [{ var: "request.inputTokens" }, 2_000] }, to: "large" },
        { name: "live", when: { var: "request.stream" }, to: "large" },
        { name: "seen", when: { in: [{ var: "request.api" }, ["embeddings", "countTokens"]] }, to: "large" },
        { name: "default", to: { _tag: "Asked" } }
      ]
    }
    const word = "x".repeat(10_000)
    const file = directory({
      "policy.json": JSON.stringify(policy),
      "messages.json": JSON.stringify({ model: "small", max_tokens: 9, system: word, messages: [{ role: "user", content: "Which way?" }] }),
      "responses.json": JSON.stringify({ model: "small", input: word }),
      "embeddings.json": JSON.stringify({ model: "small", input: "Which way?" }),
      "gemini.json": JSON.stringify({ contents: [{ parts: [{ text: "Which way?" }] }] })
    })
    const explain = (api: string, request: string, ...more: ReadonlyArray<string>) =>
      runHere("explain", file("policy.json"), "--request", file(`${request}.json`), "--api", api, ...more)
    for (const [api, request, route, ...more] of [
      ["messages", "messages", "long"],
      ["responses", "responses", "long"],
      ["embeddings", "embeddings", "seen"],
      ["generateContent", "gemini", "default", "--model", "small"],
      ["streamGenerateContent", "gemini", "live", "--model", "small"],
      ["countTokens", "gemini", "seen", "--model", "small"]
    ] as const) {
      const run = await explain(api, request, ...more)
      assert.deepStrictEqual([run.status, run.stderr], [0, ""], api)
      assert.match(run.stdout, new RegExp(`^decision +${route}`, "m"), api)
    }
    const [named, unnamed, twice, other, unknown] = await Promise.all([
      explain("generateContent", "gemini", "--model", "small"),
      explain("generateContent", "gemini"),
      explain("messages", "messages", "--model", "small"),
      explain("chat.completions", "gemini"),
      explain("chat", "gemini")
    ])
    assert.include(named.stdout, "the model asked for is small (gpt-4o-mini at openai")
    for (const { status } of [unnamed, twice, other, unknown]) assert.strictEqual(status, 2)
    assert.include(unnamed.stderr, "the address of `generateContent` names the model: say it with --model")
    assert.include(twice.stderr, "--model: the body of `messages` names the model")
    assert.include(other.stderr, "it was read as `chat.completions`, and --api names another")
    assert.include(unknown.stderr, "generateContent")
  })

  it("a header that the policy does not read is told", async () => {
    const file = directory({ "policy.json": JSON.stringify({ ...sound, headers: ["x-tier"] }), "request.json": asking() })
    const explain = (header: string) => runHere("explain", file("policy.json"), "--request", file("request.json"), "--header", header)
    const [read, unread] = [await explain("X-Tier=gold"), await explain("X-Teir=gold")]
    assert.deepStrictEqual([read.status, read.stderr], [0, ""])
    assert.deepStrictEqual(
      [unread.status, unread.stderr],
      [0, "the policy does not read the header `x-teir`: `headers` does not name it\n"]
    )
    assert.strictEqual(unread.stdout, read.stdout)
  })

  it("a request that is none", async () => {
    const file = directory({ "broken.json": "{", "twice.json": `{"model":"a","model":"b","messages":[]}` })
    const [broken, twice, missing, none] = await Promise.all([
      runHere("explain", quickstart, "--request", file("broken.json")),
      runHere("explain", quickstart, "--request", file("twice.json")),
      runHere("explain", quickstart, "--request", file("nowhere.json")),
      runHere("explain", quickstart)
    ])
    for (const { status } of [broken, twice, missing, none]) assert.strictEqual(status, 2)
    assert.include(broken.stderr, "the body is not valid JSON")
    assert.include(twice.stderr, "`model` stands in the body twice")
    assert.include(missing.stderr, `cannot read the request \`${file("nowhere.json")}\`: there is no such file`)
    assert.notInclude(missing.stderr, "ENOENT")
    assert.include(none.stderr, "request")
  })
})

describe("mock", () => {
  it("refuses a port that there is not", async () => {
    const { status, stderr } = await runHere("mock", "--port", "99999")
    assert.strictEqual(status, 2)
    assert.include(stderr, "--port must be from 0 to 65535, but is 99999")
  })

  it("answers for every model until it is stopped", async () => {
    const cli = spawnCli(["mock", "--port", "0"])
    await cli.tells(/^mock provider on \S+,/m)
    const port = Number(/127\.0\.0\.1:(\d+)/.exec(cli.stderr())?.[1])
    const answer = await send({ port }, { body: asking({ model: "anything" }) })
    assert.strictEqual(answer.status, 200)
    assert.strictEqual(answer.json["model"], "anything")
    cli.child.kill("SIGTERM")
    assert.strictEqual(await cli.ended(), 130)
  })
})

describe("the command line itself", () => {
  it("an unknown command or option is named, and fails", async () => {
    const [command, option] = await Promise.all([runCli(["serv"]), runHere("check", quickstart, "--jsn")])
    assert.strictEqual(command.status, 2)
    assert.include(command.stderr, `Unknown subcommand "serv"`)
    assert.strictEqual(option.status, 2)
    assert.include(option.stderr, "--jsn")
  })

  it("a reader who has seen enough is no failure, and a full disk is one that is told", async () => {
    const file = directory({ "oops.json": JSON.stringify({ ...sound, routes: [] }) })
    for (const [args, status] of [
      [["schema"], 0],
      [["check", "--codes"], 0],
      [["build", quickstart, "--hash"], 0],
      [["check", file("oops.json")], 1]
    ] as const) {
      const cli = spawnCli(args)
      cli.child.stdout!.destroy()
      assert.strictEqual(await cli.ended(), status, args.join(" "))
      assert.strictEqual(cli.stderr(), "", args.join(" "))
    }
    const main = fileURLToPath(new URL("../../runtime/main.ts", import.meta.url))
    const to = directory({ "full.sh": `exec "${process.execPath}" "${main}" "$@" >/dev/full\n` })
    const full = await runCli(["schema"], {}, { command: ["bash", to("full.sh")] })
    assert.deepStrictEqual([full.status, full.stderr], [1, "standard output cannot be written: ENOSPC: no space left on device, write\n"])
  })

  it("every command explains itself", async () => {
    const words: Readonly<Record<string, ReadonlyArray<string>>> = {
      "": ["serve", "check", "explain", "build", "mock"],
      serve: [
        "--port",
        "--host",
        "--max-body",
        "--drain",
        "turnout serve policies/quickstart.ts",
        "OpenAI's, Anthropic's and Gemini's APIs"
      ],
      check: ["--json", "--strict", "--format", "--output", "--notes", "--accepted", "--codes"],
      explain: ["--request", "--id", "--header", "--api", "generateContent", "--model"],
      build: ["--hash"],
      schema: ["turnout.schema.json"],
      mock: ["--port"]
    }
    for (const [command, expected] of Object.entries(words)) {
      const { status, stderr, stdout } = await runHere(...(command === "" ? [] : [command]), "--help")
      assert.deepStrictEqual([status, stderr], [0, ""])
      for (const word of expected) assert.include(stdout, word)
      assert.notInclude(stdout, "undefined")
    }
    const { stdout } = await runHere("--version")
    assert.match(stdout, /\d+\.\d+\.\d+/)
  })

  const bin = fileURLToPath(new URL("../../bin/turnout.js", import.meta.url))

  it("runs from a clone through its bin", async () => {
    const run = await runCli(["build", quickstart, "--hash"], {}, { command: [process.execPath, bin] })
    assert.strictEqual(run.status, 0, run.stderr)
    assert.match(run.stdout, /^[0-9a-f]{64}\n$/)
  })

  const system = "/usr/bin/node"
  const version = existsSync(system) ? execFileSync(system, ["--version"], { encoding: "utf8" }).trim() : undefined
  const [major = 0, minor = 0] = (version ?? "v0.0").slice(1).split(".").map(Number)
  const older = version !== undefined && (major < 22 || (major === 22 && minor < 19))
  const skipped = older ? "" : ` (skipped: ${system} is ${version ?? "not there"})`

  it.skipIf(!older)(`under an older Node it says what it needs${skipped}`, async () => {
    const run = await runCli(["check", quickstart], {}, { command: [system, bin] })
    assert.deepStrictEqual(run, {
      status: 1,
      stdout: "",
      stderr: `turnout needs Node 22.19 or newer, and this is ${version} (${system})\n`
    })
  })
})
