/** `turnout serve` as a process: what it prints, what it refuses, how it reloads and how it stops. */
import { execFile } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import type { PolicyEncoded } from "../../src/Policy.ts"
import {
  afterwards,
  asking,
  chunk,
  chunks,
  clientOf,
  compiledOf,
  completion,
  directory,
  json,
  message,
  opening,
  openStream,
  paced,
  policyOver,
  runCli,
  runHere,
  type ScriptedUpstream,
  send,
  spawnCli,
  startCli,
  startUpstream,
  until
} from "../http/support.ts"

const keys = { ONE_KEY: "sk-one-0123456789", TWO_KEY: "sk-two-0123456789" }

const shortHash = (policy: PolicyEncoded): string => compiledOf(policy).hash.slice(0, 12)

/** A policy in a file of its own, served on a free port. */
const serving = async (policy: PolicyEncoded, ...more: ReadonlyArray<string>) => {
  const at = directory({ "policy.json": JSON.stringify(policy, null, 2) })
  const cli = await startCli(["serve", at("policy.json"), "--port", "0", ...more], keys)
  return { at, cli, save: (next: PolicyEncoded) => writeFileSync(at("policy.json"), JSON.stringify(next, null, 2)) }
}

const textOf = async (stream: AsyncIterable<Buffer>): Promise<string> => {
  const parts: Array<Buffer> = []
  for await (const part of stream) parts.push(part)
  return Buffer.concat(parts).toString()
}

const get = async ({ port }: { readonly port: number }, path: string): Promise<string> => {
  const { body, status } = await send({ port }, { method: "GET", path })
  return `${status} ${body.toString()}`
}

describe("the quickstart", () => {
  // Its mock listens where the policy says, so this fails where something else does: the message names the port.
  it("serves its mock deployments; the command that it prints works", async () => {
    const [cli, built] = await Promise.all([
      startCli(["serve", "policies/quickstart.ts", "--port", "0"]),
      runHere("build", "policies/quickstart.ts", "--hash")
    ])
    const banner = cli.stderr()
    assert.match(banner, /^mock +http:\/\/127\.0\.0\.1:8081 answers for mock-small, mock-next, mock-large, mock-broken$/m)
    assert.match(banner, /^turnout +\d+\.\d+\.\d+$/m)
    const hash = built.stdout.trim().slice(0, 12)
    assert.match(hash, /^[0-9a-f]{12}$/)
    assert.include(banner, `policy   policies/quickstart.ts: 4 routes, 4 targets, hash ${hash}\n`)

    const command = /^curl .*$/m.exec(banner)?.[0] ?? ""
    const { stdout } = await promisify(execFile)("bash", ["-c", command])
    assert.isTrue(stdout.endsWith("data: [DONE]\n\n"), stdout)
    assert.isAbove(stdout.split("\n\n").length, 4)

    await until(() => cli.lines().length === 1, "the access line")
    assert.deepInclude(cli.lines()[0], {
      ending: "served",
      status: 200,
      model: "assistant",
      route: "assistant",
      policy: hash,
      stream: true
    })
    assert.match(cli.lines()[0]?.decision ?? "", /^assistant\/split\.(small|next)$/)

    const sturdy = await clientOf(cli)
      .chat.completions.create({ model: "sturdy", messages: [{ role: "user", content: "Which way?" }] })
      .withResponse()
    assert.strictEqual(sturdy.response.headers.get("x-turnout-attempts"), "2")
    assert.strictEqual(sturdy.response.headers.get("x-turnout-target"), "small")
    const named = await send(cli, { body: asking({ model: "next" }) })
    assert.strictEqual(named.headers["x-turnout-target"], "next")
  })
})

describe("serve", () => {
  it("answers for itself beside the calls", async () => {
    const one = await startUpstream(json(completion("Left")))
    const { cli } = await serving(policyOver({ one }, { _tag: "Asked" }, { aliases: { fast: "one" } }))
    assert.strictEqual((await send(cli, { body: asking({ model: "fast" }) })).status, 200)
    assert.strictEqual(await get(cli, "/healthz"), "200 ok\n")
    assert.strictEqual(await get(cli, "/readyz"), "200 ready\n")
    const models = JSON.parse((await get(cli, "/v1/models")).slice(4)) as { readonly data: ReadonlyArray<{ readonly id: string }> }
    assert.deepStrictEqual(
      models.data.map(({ id }) => id),
      ["one", "fast"]
    )
    assert.strictEqual((await clientOf(cli).models.list()).data.length, 2)
    const metrics = await get(cli, "/metrics")
    assert.match(metrics, /^turnout_calls_total\{.*ending="served".*\} 1$/m)
    assert.match(metrics, /^turnout_attempts_total\{.*target="one".*\} 1$/m)
    assert.match(metrics, /^turnout_call_duration_seconds_count 1$/m)
    // Standard output holds access lines and nothing else.
    await until(() => cli.lines().length > 0, "the access line")
    assert.strictEqual(cli.lines().length, 1)
  })

  it("goes on where nothing can be told, to people or to the reader of its access lines", async () => {
    const upstream = await startUpstream(json(completion("Left.")))
    // A full disk under standard error; the port is found by asking, since it cannot say it.
    const free = createServer().listen(0, "127.0.0.1")
    await once(free, "listening")
    const { port } = free.address() as AddressInfo
    free.close()
    await once(free, "close")
    const at = directory({
      "policy.json": JSON.stringify(policyOver({ one: upstream }, "one")),
      "quiet.sh": `exec "${process.execPath}" "${fileURLToPath(new URL("../../runtime/main.ts", import.meta.url))}" "$@" 2>/dev/full\n`
    })
    const cli = spawnCli(["serve", at("policy.json"), "--port", String(port)], keys, { command: ["bash", at("quiet.sh")] })
    let up = false
    await until(() => {
      if (!up && cli.child.exitCode === null)
        void get({ port }, "/readyz").then(
          (text) => (up = text.startsWith("200")),
          () => {}
        )
      return up || cli.child.exitCode !== null
    }, "the gateway to be ready")
    cli.child.stdout!.destroy()
    for (const wanted of [1, 2, 3]) {
      assert.strictEqual((await send({ port }, { body: asking() })).status, 200, `call ${wanted}`)
      assert.strictEqual(cli.child.exitCode, null)
    }
    cli.child.kill("SIGTERM")
    assert.strictEqual(await cli.ended(), 0)
  })

  it("warns of a key that is not set", async () => {
    const one = await startUpstream(json(completion("Left")))
    const at = directory({ "policy.json": JSON.stringify(policyOver({ one }, "one")) })
    const cli = await startCli(["serve", at("policy.json"), "--port", "0"])
    assert.include(cli.stderr(), "warning: ONE_KEY is not set")
    const answer = await send(cli, { body: asking() })
    assert.strictEqual(answer.status, 502)
    assert.match(answer.json["error"].message, /`ONE_KEY` is not set/)
  })

  describe("refuses to start, with status 1, or 2 for what it was given", () => {
    const policy = policyOver({ one: { baseUrl: "http://127.0.0.1:9/v1" } }, "one")

    it("where the port is in use", async () => {
      const server = createServer()
      server.listen(0, "127.0.0.1")
      await once(server, "listening")
      afterwards(() => void server.close())
      const { port } = server.address() as AddressInfo
      const at = directory({ "policy.json": JSON.stringify(policy) })
      const { status, stderr, stdout } = await runCli(["serve", at("policy.json"), "--port", String(port)], keys)
      assert.strictEqual(status, 1)
      assert.include(stderr, `port ${port} of 127.0.0.1 is in use: stop what listens there, or choose another with --port`)
      assert.notMatch(stderr, /^ready/m)
      assert.notMatch(stderr, /^\s+at /m)
      assert.strictEqual(stdout, "")
    })

    it("where others could reach it without keys", async () => {
      const at = directory({ "policy.json": JSON.stringify(policy) })
      const hosts = ["0.0.0.0", "::", "192.168.1.1"]
      const runs = await Promise.all(hosts.map((host) => runHere("serve", at("policy.json"), "--port", "0", "--host", host)))
      for (const [i, { status, stderr, stdout }] of runs.entries()) {
        assert.strictEqual(status, 1)
        assert.include(stderr, `\`${hosts[i]}\` can be reached by others`)
        assert.include(stderr, "listen on 127.0.0.1")
        assert.notMatch(stderr, /^ready/m)
        assert.strictEqual(stdout, "")
      }
    })

    it("with a port that there is not, a wait of less than nothing, and a folder that cannot be made", async () => {
      const budgets = { all: { per: "class", limit: { usd: 1 }, every: "day" } } as const
      const price = { input: { usd: 1 }, output: { usd: 1 } }
      const at = directory({
        "policy.json": JSON.stringify({
          ...policy,
          targets: { one: { provider: "one", model: "m", price, maxOutputTokens: 9 } },
          budgets,
          classes: { local: { may: ["one"], within: ["all"] } }
        })
      })
      for (const [flags, why] of [
        [["--port", "65536"], "--port must be from 0 to 65535, but is 65536"],
        [["--port", "-1"], "--port must be from 0 to 65535, but is -1"],
        [["--port", "0", "--drain", "-1"], "--drain must be at least 0"],
        // Made step by step, since Node never comes back from making it at once.
        [["--port", "0", "--data", "/proc/x"], "`/proc/x/ledger.sqlite` cannot be made"]
      ] as const) {
        const { status, stderr } = await runHere("serve", at("policy.json"), ...flags)
        assert.strictEqual(status, why.includes("cannot be made") ? 1 : 2, why)
        assert.include(stderr, why)
        assert.notMatch(stderr, /^ready/m)
      }
    })

    it("with a policy that does not check, and says where", async () => {
      const text = JSON.stringify({ ...policy, routes: [{ name: "only", to: "oen" }] }, null, 2)
      const at = directory({ "policy.json": text })
      const { status, stderr } = await runHere("serve", at("policy.json"), "--port", "0")
      assert.strictEqual(status, 1)
      const line = text.slice(0, text.indexOf(`"oen"`)).split("\n").length
      assert.match(
        stderr,
        new RegExp(`policy\\.json:${line}:\\d+: routes\\[0\\] "only"\\.to: unknown target \`oen\`; did you mean \`one\``)
      )
      assert.include(stderr, "does not check")
      assert.notMatch(stderr, /^ready/m)
    })

    it("without a policy and without a key, and says what was looked for", async () => {
      const at = directory()
      const { status, stderr, stdout } = await runCli(["serve", "--port", "0"], {}, { cwd: at(".") })
      assert.strictEqual(status, 2)
      assert.include(stderr, "there is no policy to serve")
      for (const name of ["OPENAI", "ANTHROPIC", "DEEPSEEK", "GROQ", "MISTRAL", "OPENROUTER", "XAI"])
        assert.include(stderr, `${name}_API_KEY`)
      assert.strictEqual(stdout, "")
    })

    it("with a policy that is not there, or a number that is none", async () => {
      const [missing, number] = await Promise.all([runHere("serve", "nowhere.ts"), runHere("serve", "--port", "eighty")])
      assert.strictEqual(missing.status, 2)
      assert.include(missing.stderr, "no file `nowhere.ts`")
      assert.strictEqual(number.status, 2)
      assert.include(number.stderr, "port")
    })
  })

  describe("without a policy", () => {
    it("offers the providers whose keys are set, and prints a policy that can be saved", async () => {
      const [openai, claude] = await Promise.all([
        startUpstream(json(completion("Left"))),
        startUpstream(json(message([{ type: "text", text: "Right" }])))
      ])
      const at = directory()
      const env = {
        OPENAI_API_KEY: "sk-open-0123456789",
        OPENAI_BASE_URL: openai.baseUrl,
        ANTHROPIC_API_KEY: "sk-ant-0123456789",
        // As Anthropic's own client takes it: without the version.
        ANTHROPIC_BASE_URL: `${claude.origin}/`,
        GROQ_API_KEY: ""
      }
      const cli = await startCli(["serve", "--port", "0"], env, { cwd: at(".") })
      const banner = cli.stderr()
      assert.include(banner, "no policy is named")
      const source = /^import [\s\S]*?^\}\)$/m.exec(banner)?.[0] ?? ""
      assert.notInclude(source, "groq")
      assert.notInclude(banner, "0123456789")

      const first = await send(cli, { body: asking({ model: "openai/anything" }) })
      assert.strictEqual(first.json["choices"][0].message.content, "Left")
      assert.strictEqual(first.headers["x-turnout-target"], "openai/anything")
      const asked = await openai.nth(0)
      assert.strictEqual(asked.json["model"], "anything")
      assert.strictEqual(asked.path, "/v1/chat/completions")
      assert.strictEqual(asked.headers.authorization, `Bearer ${env.OPENAI_API_KEY}`)

      const second = await send(cli, { body: asking({ model: "anthropic/claude-sonnet-4-5" }) })
      assert.strictEqual(second.json["choices"][0].message.content, "Right")
      assert.strictEqual((await claude.nth(0)).path, "/v1/messages")
      assert.strictEqual((await send(cli, { body: asking({ model: "groq/llama" }) })).status, 404)

      writeFileSync(at("saved.ts"), `${source}\n`)
      const { status, stdout } = await runHere("build", at("saved.ts"), "--hash")
      assert.strictEqual(status, 0)
      assert.include(banner, `hash ${stdout.trim().slice(0, 12)}`)
      assert.strictEqual(first.headers["x-turnout-policy"], stdout.trim().slice(0, 12))
    })

    it("takes the usual file where there is one", async () => {
      const one = await startUpstream(json(completion("Left")))
      const at = directory({ "turnout.json": JSON.stringify(policyOver({ one }, "one")) })
      const cli = await startCli(["serve", "--port", "0"], { ...keys, OPENAI_API_KEY: "sk-open" }, { cwd: at(".") })
      assert.include(cli.stderr(), "policy   turnout.json: 1 route, 1 target")
      assert.strictEqual((await send(cli, { body: asking() })).headers["x-turnout-target"], "one")
    })
  })
})

describe("reload", () => {
  it("an edited policy serves new calls; one under way keeps the old", async () => {
    const open = paced()
    const [one, two] = [await startUpstream(open.script), await startUpstream(json(completion("from two")))]
    const [old, next] = [policyOver({ one, two }, "one"), policyOver({ one, two }, "two")]
    const { cli, save } = await serving(old)
    const reading = openStream(cli, asking({ stream: true }))
    await open.began
    open.write(opening + chunk({ content: "from" }))
    const answer = await reading
    assert.strictEqual(answer.headers["x-turnout-policy"], shortHash(old))
    const text = textOf(answer)

    save(next)
    await cli.tells(`reloaded`)
    assert.match(cli.stderr(), new RegExp(`^reloaded .*policy\\.json: 1 route, 2 targets, hash ${shortHash(next)}$`, "m"))
    const after = await send(cli, { body: asking() })
    assert.strictEqual(after.headers["x-turnout-target"], "two")
    assert.strictEqual(after.headers["x-turnout-policy"], shortHash(next))

    open.write(chunks(" one").slice(1).join(""))
    open.end()
    assert.match(await text, /from[\s\S]* one[\s\S]*\[DONE\]\n\n$/)
    await until(() => cli.lines().length === 2, "two access lines")
    assert.deepStrictEqual(
      cli.lines().map(({ ending, policy, target }) => [ending, policy, target]),
      [
        ["served", shortHash(next), "two"],
        ["served", shortHash(old), "one"]
      ]
    )
  })

  it("no call is dropped by many reloads in a row", async () => {
    const one = await startUpstream(json(completion("Left")))
    const variants = [1, 2, 3].map((n) => policyOver({ one }, "one", { name: `test${n}` }))
    const { cli, save } = await serving(variants[0]!)
    const state = { over: false }
    let calls = 0
    const calling = async (): Promise<void> => {
      while (!state.over) {
        assert.strictEqual((await send(cli, { body: asking() })).status, 200)
        calls++
      }
    }
    const callers = [calling(), calling()]
    for (const variant of [1, 2, 0, 1]) {
      save(variants[variant]!)
      const before = cli.stderr().split("reloaded").length
      await until(() => cli.stderr().split("reloaded").length > before || undefined, "the reload")
    }
    state.over = true
    await Promise.all(callers)
    await until(() => cli.lines().length === calls, "a line for every call")
    assert.isTrue(cli.lines().every(({ ending }) => ending === "served"))
    assert.strictEqual(new Set(cli.lines().map(({ policy }) => policy)).size, 3)
  })

  const code = (one: ScriptedUpstream, imports: string, to: string): string => `import { env, policy } from "turnout"
${imports}
export default policy({
  name: "test",
  providers: { one: { dialect: "openai", baseUrl: "${one.baseUrl}", key: env("ONE_KEY") } },
  targets: { one: { provider: "one", model: "gpt-one" }, two: { provider: "one", model: "gpt-two" } },
  routes: () => [{ name: "only", to: ${to} }]
})
`

  const target = async (cli: { readonly port: number }) => (await send(cli, { body: asking() })).headers["x-turnout-target"]

  it("an edited import reloads its policy, in another folder too, and however an editor saves", async () => {
    const one = await startUpstream(json(completion("Left")))
    const at = directory({ "policy.ts": code(one, `import { chosen } from "./parts/chosen.ts"`, "chosen") })
    mkdirSync(at("parts"))
    writeFileSync(at("parts/chosen.ts"), `export const chosen = "one" as const\n`)
    const cli = await startCli(["serve", at("policy.ts"), "--port", "0"], keys)
    assert.strictEqual(await target(cli), "one")
    writeFileSync(at("parts/chosen.ts"), `export const chosen = "two" as const\n`)
    await cli.tells("reloaded")
    assert.strictEqual(await target(cli), "two")
    // Many editors write beside the file and rename.
    writeFileSync(at("parts/chosen.ts~"), `export const chosen = "one" as const\n`)
    renameSync(at("parts/chosen.ts~"), at("parts/chosen.ts"))
    await cli.tells(/reloaded[\s\S]*reloaded/)
    assert.strictEqual(await target(cli), "one")
  })

  it("a folder of imports that is deleted and made again is watched again", async () => {
    const one = await startUpstream(json(completion("Left")))
    const at = directory({ "policy.ts": code(one, `import { chosen } from "./parts/chosen.ts"`, "chosen") })
    const part = (name: string): void => {
      mkdirSync(at("parts"))
      writeFileSync(at("parts/chosen.ts"), `export const chosen = "${name}" as const\n`)
    }
    part("one")
    const cli = await startCli(["serve", at("policy.ts"), "--port", "0"], keys)
    rmSync(at("parts"), { recursive: true })
    await cli.tells("RELOAD FAILED")
    assert.strictEqual(await target(cli), "one")
    part("two")
    await cli.tells("reloaded")
    assert.strictEqual(await target(cli), "two")
  })

  it("a mock that cannot start leaves those that serve as they were", async () => {
    const listening = async () => {
      const server = createServer()
      server.listen(0, "127.0.0.1")
      await once(server, "listening")
      return { server, port: (server.address() as AddressInfo).port }
    }
    const [free, busy] = [await listening(), await listening()]
    free.server.close()
    await once(free.server, "close")
    afterwards(() => void busy.server.close())
    const mock = (port: number, perToken: string) => ({
      dialect: "openai" as const,
      baseUrl: `http://127.0.0.1:${port}/v1`,
      mock: { m: { perToken } }
    })
    const policy = (providers: PolicyEncoded["providers"]): PolicyEncoded => ({
      name: "mocks",
      providers,
      targets: { one: { provider: "first", model: "m" } },
      routes: [{ name: "all", to: "one" }]
    })
    const { cli, save } = await serving(policy({ first: mock(free.port, "0 millis") }))
    assert.strictEqual(await target(cli), "one")
    // The first mock is changed, so it is stopped and started before the second one fails.
    save(policy({ first: mock(free.port, "1 millis"), second: mock(busy.port, "0 millis") }))
    await cli.tells("RELOAD FAILED")
    await cli.tells("the port is in use")
    // An editor's save may be told twice, and each telling tries anew: what counts is that the mock is there when it is over.
    const deadline = performance.now() + 10_000
    let seen = await target(cli)
    while (seen !== "one" && performance.now() < deadline) seen = await target(cli)
    assert.strictEqual(seen, "one")
    save(policy({ first: mock(free.port, "2 millis") }))
    await cli.tells(/^reloaded/m)
    assert.strictEqual(await target(cli), "one")
  })

  it("a ledger that cannot be opened leaves the mocks of the policy that goes on", async () => {
    const ports = await Promise.all(
      [1, 2].map(async () => {
        const server = createServer().listen(0, "127.0.0.1")
        await once(server, "listening")
        const { port } = server.address() as AddressInfo
        server.close()
        await once(server, "close")
        return port
      })
    )
    const policy = (port: number, more: Partial<PolicyEncoded> = {}): PolicyEncoded => ({
      name: "kept",
      providers: { first: { dialect: "openai", baseUrl: `http://127.0.0.1:${port}/v1`, mock: { m: {} } } },
      targets: { one: { provider: "first", model: "m", price: { input: { usd: 1 }, output: { usd: 1 } }, maxOutputTokens: 10 } },
      routes: [{ name: "all", to: "one" }],
      ...more
    })
    const data = `${directory({ file: "no folder" })("file")}/data`
    const { cli, save } = await serving(policy(ports[0]!), "--data", data)
    assert.strictEqual(await target(cli), "one")
    save(
      policy(ports[1]!, {
        budgets: { day: { per: "class", limit: { usd: 1 }, every: "day" } },
        classes: { local: { may: ["one"], within: ["day"] } }
      })
    )
    await cli.tells("RELOAD FAILED")
    await cli.tells("budgets cannot be kept")
    assert.strictEqual(await target(cli), "one")
  })

  it("an import that is new is watched from then on, and one that is broken until it is mended", async () => {
    const one = await startUpstream(json(completion("Left")))
    const at = directory({ "policy.ts": code(one, "", `"one"`) })
    const cli = await startCli(["serve", at("policy.ts"), "--port", "0"], keys)
    writeFileSync(at("chosen.ts"), `export const chosen = = "two"\n`)
    writeFileSync(at("policy.ts"), code(one, `import { chosen } from "./chosen.ts"`, "chosen"))
    await cli.tells("RELOAD FAILED")
    await cli.tells("chosen.ts:1:")
    assert.strictEqual(await target(cli), "one")
    writeFileSync(at("chosen.ts"), `export const chosen = "two" as const\n`)
    await cli.tells("reloaded")
    assert.strictEqual(await target(cli), "two")
    writeFileSync(at("chosen.ts"), `export const chosen = "one" as const\n`)
    await cli.tells(/reloaded[\s\S]*reloaded/)
    assert.strictEqual(await target(cli), "one")
  })

  it("a broken edit keeps the policy that serves, and says so; a mended one reloads", async () => {
    const one = await startUpstream(json(completion("Left")))
    const old = policyOver({ one }, "one")
    const { at, cli, save } = await serving(old)
    const still = async () => assert.strictEqual((await send(cli, { body: asking() })).headers["x-turnout-policy"], shortHash(old))

    save({ ...old, routes: [{ name: "only", to: "oen" }] })
    await cli.tells(`RELOAD REFUSED, keeping the policy ${shortHash(old)}:`)
    await cli.tells(/policy\.json:\d+:\d+: routes\[0\] "only"\.to: unknown target `oen`/)
    await still()

    writeFileSync(at("policy.json"), `{"name":`)
    await cli.tells(`RELOAD FAILED, keeping the policy ${shortHash(old)}:`)
    await cli.tells(/policy\.json:1:9/)
    await still()

    const next = policyOver({ one }, "one", { name: "mended" })
    save(next)
    await cli.tells("reloaded")
    assert.strictEqual((await send(cli, { body: asking() })).headers["x-turnout-policy"], shortHash(next))
  })

  it("a signal asks for it too", async () => {
    const one = await startUpstream(json(completion("Left")))
    const { cli, save } = await serving(policyOver({ one }, "one"))
    save(policyOver({ one }, "one", { name: "next" }))
    cli.child.kill("SIGHUP")
    await cli.tells("reloaded")
    assert.strictEqual((await send(cli, { body: asking() })).status, 200)
  })
})

describe("stop", () => {
  const begun = async (...more: ReadonlyArray<string>) => {
    const open = paced()
    const one = await startUpstream(open.script)
    const { cli } = await serving(policyOver({ one }, "one"), ...more)
    const reading = openStream(cli, asking({ stream: true }))
    await open.began
    open.write(opening + chunk({ content: "from" }))
    return { open, cli, answer: await reading }
  }

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it(`${signal} waits for the stream under way, takes no more calls, and leaves 0`, async () => {
      const { answer, cli, open } = await begun()
      const text = textOf(answer)
      cli.child.kill(signal)
      await cli.tells("stopping: waiting for calls under way")
      const late = await send(cli, { body: asking() }).then(
        ({ status }) => status,
        (error: { readonly code?: string }) => error.code
      )
      assert.strictEqual(late, "ECONNREFUSED")
      open.write(chunks(" one").slice(1).join(""))
      open.end()
      assert.match(await text, /from[\s\S]* one[\s\S]*\[DONE\]\n\n$/)
      assert.strictEqual(await cli.ended(), 0)
      assert.match(cli.stderr(), /stopped\n$/)
      assert.deepStrictEqual(
        cli.lines().map(({ ending }) => ending),
        ["served"]
      )
    })
  }

  it("a second signal does not wait", async () => {
    const { cli } = await begun()
    cli.child.kill("SIGTERM")
    await cli.tells("once more to stop at once")
    cli.child.kill("SIGTERM")
    assert.strictEqual(await cli.ended(2_000), 130)
  })

  it("a call that takes too long is cut off, told and recorded", async () => {
    const { answer, cli } = await begun("--drain", "1")
    answer.resume()
    cli.child.kill("SIGTERM")
    assert.strictEqual(await cli.ended(), 0)
    assert.include(cli.stderr(), "stopped with 1 call cut off after 1 s")
    assert.deepStrictEqual(
      cli.lines().map(({ ending }) => ending),
      ["failed"]
    )
  })

  it("without calls it stops at once, and loses no access line", async () => {
    const one = await startUpstream(json(completion("Left")))
    const { cli } = await serving(policyOver({ one }, "one"))
    // A connection that is kept alive keeps nobody.
    await fetch(`${cli.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: asking()
    }).then((response) => response.text())
    const began = performance.now()
    cli.child.kill("SIGTERM")
    assert.strictEqual(await cli.ended(), 0)
    assert.isBelow(performance.now() - began, 3_000)
    assert.strictEqual(cli.lines().length, 1)
  })
})
