/**
 * Every snippet of the README and of the page on testing, run as it stands there: policies check, `check` says what is printed, the calls stream. Ports alone are exchanged for free
 * ones, so that nothing else on the machine is in the way; `.ci/run` does the same once more on the real ones, after `npm ci`.
 */
import { execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, afterAll, describe, it } from "@effect/vitest"
import { apiAt, modelsAt } from "../src/Apis.ts"

const root = new URL("../", import.meta.url).pathname
const readme = readFileSync(join(root, "README.md"), "utf8")
const snippetsOf = (page: string) =>
  [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({ language: language!, text: text! }))
const snippets = snippetsOf(readme)
const scratch = mkdtempSync(join(tmpdir(), "turnout-readme-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const main = join(root, "runtime/main.ts")
const run = async (args: ReadonlyArray<string>, cwd = scratch): Promise<{ readonly status: number; readonly output: string }> => {
  try {
    const { stderr, stdout } = await promisify(execFile)(process.execPath, [main, ...args], { cwd })
    return { status: 0, output: stdout + stderr }
  } catch (error) {
    const { code, stderr, stdout } = error as { readonly code: number; readonly stdout: string; readonly stderr: string }
    return { status: code, output: stdout + stderr }
  }
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, "close")
  return port
}

const policies = snippets.filter(({ language }) => language === "ts").map(({ text }) => text)
const shells = snippets.filter(({ language }) => language === "sh").map(({ text }) => text.trim())
const curls = shells.filter((text) => text.startsWith("curl "))
/** Of the quickstart, and of the policy with keys. */
const [calls, keyed] = [curls.filter((text) => !text.includes("_KEY")), curls.filter((text) => text.includes("_KEY"))]
/** The policies with mistakes. */
const judged = ["oops", "covered"]
const simulation = shells.find((text) => text.startsWith("npx turnout simulate "))!
/** What stands after a snippet of the shell. */
const after = (text: string): string => snippets[snippets.findIndex((snippet) => snippet.text.trim() === text) + 1]!.text

describe("README", () => {
  it("has no snippet that nothing runs", () => {
    const known = new Set([
      "npm ci\nnpm start",
      ...judged.map((name) => `npx turnout check ${name}.json`),
      "npm ci\nnpm test\nnpm run bench",
      simulation,
      ...curls
    ])
    assert.deepStrictEqual(
      shells.filter((text) => !known.has(text)),
      []
    )
    const scripts = Object.keys((JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly scripts: object }).scripts)
    for (const script of ["start", "test", "bench"]) assert.include(scripts, script)
  })

  it("quotes the quickstart as it is", () => {
    assert.strictEqual(policies[0], readFileSync(join(root, "policies/quickstart.ts"), "utf8"))
  })

  it("quotes the policy of the teams as it is", () => {
    assert.include(policies, readFileSync(join(root, "policies/teams.ts"), "utf8"))
  })

  it("says of a simulation what it prints", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [main, ...simulation.split(" ").slice(2)], { cwd: root })
    assert.include(stdout, after(simulation))
  })

  it("says of a model that is not granted what the caller is told", async () => {
    const port = await freePort()
    const env = { ...process.env, ALICE_KEY: "alice-secret-0123456789" }
    const args = ["serve", join(root, "policies/teams.ts"), "--port", String(port), "--data", join(scratch, "data")]
    const gateway = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "ignore", "pipe"], env })
    try {
      for await (const text of gateway.stderr.setEncoding("utf8")) if ((text as string).includes("ready ")) break
      assert.strictEqual(keyed.length, 1)
      const { stdout } = await promisify(execFile)("bash", ["-c", keyed[0]!.replace("8080", String(port))], { env })
      assert.deepStrictEqual(JSON.parse(stdout), JSON.parse(after(keyed[0]!)))
    } finally {
      gateway.kill()
      await once(gateway, "exit")
    }
  })

  for (const [i, text] of policies.entries()) {
    it(`has policies that check: ${/name: "([^"]+)"/.exec(text)![1]}`, async () => {
      writeFileSync(join(scratch, `policy${i}.ts`), text)
      const { output, status } = await run(["check", `policy${i}.ts`])
      assert.match(output, /no (findings|warnings)/)
      assert.strictEqual(status, 0)
    })
  }

  for (const name of judged) {
    it(`says of mistakes what \`check\` says: ${name}`, async () => {
      const at = snippets.findIndex(({ language, text }) => language === "json" && text.includes(`"name": "${name}"`))
      writeFileSync(join(scratch, `${name}.json`), snippets[at]!.text)
      assert.strictEqual(snippets[at + 1]!.text.trim(), `npx turnout check ${name}.json`)
      const { output, status } = await run(["check", `${name}.json`])
      assert.strictEqual(output, snippets[at + 2]!.text)
      assert.strictEqual(status, 1)
    })
  }

  it("names addresses at which something answers", () => {
    const rows = [...readme.matchAll(/^\| ([^|]+) \| ([^|]*`\/v1[^|]*) \| ([^|]+) \|$/gm)]
    assert.strictEqual(rows.length, 6)
    for (const [, api, addresses, prefixes] of rows) {
      const named = [...addresses!.matchAll(/`(?:GET )?([^`]+)`/g)].map(([, address]) => address!)
      const full = named.map((address) =>
        (address.startsWith(":") ? named[0]!.replace(/:[^:]*$/, address) : address).replace("{model}", "m")
      )
      const under = [...prefixes!.matchAll(/`([^`]+)`/g)].map(([, prefix]) => prefix!)
      for (const address of full) {
        const all = [
          address,
          ...under.map((prefix) => prefix + (prefix.endsWith("/v1") || prefix === "/openai" ? address.replace("/v1", "") : address))
        ]
        for (const one of all) {
          const [path, query] = one.split("?") as [string, string?]
          const found = api!.startsWith("models")
            ? modelsAt(path, () => undefined)
            : apiAt(path, query ?? (one.includes(":stream") ? "alt=sse" : ""))
          assert.isDefined(found, one)
        }
      }
    }
  })

  it("shows calls that work as pasted", async () => {
    const [port, mockPort] = [await freePort(), await freePort()]
    const file = join(scratch, "quickstart.ts")
    writeFileSync(file, policies[0]!.replace("8081", String(mockPort)))
    const gateway = spawn(process.execPath, [main, "serve", file, "--port", String(port)], { stdio: ["ignore", "ignore", "pipe"] })
    try {
      let said = ""
      for await (const text of gateway.stderr.setEncoding("utf8")) {
        said += text as string
        if (said.includes("Which way?")) break
      }
      const [streamed, headed, spoken] = await Promise.all(
        calls.map(async (call) => (await promisify(execFile)("bash", ["-c", call.replace("8080", String(port))])).stdout)
      )
      assert.include(said, calls[0]!.replace("8080", String(port)), "the gateway prints the same call")
      assert.match(streamed!, /"content":"\w/)
      assert.match(streamed!, /data: \[DONE\]\n\n$/)
      const message = JSON.parse(spoken!) as { readonly type: string; readonly content: ReadonlyArray<{ readonly text: string }> }
      assert.strictEqual(message.type, "message")
      assert.include(message.content[0]!.text, "Which way?")
      const shown = snippets.find(({ language, text }) => language === "" && text.startsWith("x-turnout"))!
      for (const line of shown.text.trim().split("\n")) assert.include(headed!, line)
    } finally {
      gateway.kill()
      await once(gateway, "exit")
    }
  })

  it("names files and commands that exist", async () => {
    const { output } = await run(["--help"])
    for (const [, command] of readme.matchAll(/^\| `turnout (\w+)/gm)) assert.match(output, new RegExp(`^ +${command} `, "m"))
    for (const [, file] of readme.matchAll(/\]\((?!http)([^)#]+)(?:#[^)]*)?\)/g)) assert.isString(readFileSync(join(root, file!), "utf8"))
  })
})

describe("docs/testing.md", () => {
  const page = snippetsOf(readFileSync(join(root, "docs/testing.md"), "utf8"))
  const here = join(scratch, "testing")

  it("shows cases that hold, and says what is printed", async () => {
    const [quickstart, teams] = page.filter(({ language }) => language === "ts")
    const commands = page.filter(({ language }) => language === "sh")
    assert.deepStrictEqual(
      [page.length, commands.map(({ text }) => text)],
      [5, ["npx turnout test quickstart.ts\n", "npx turnout test teams.ts --threshold 90\n"]]
    )
    mkdirSync(here, { recursive: true })
    for (const [name, { text }] of [
      ["quickstart", quickstart!],
      ["teams", teams!]
    ] as const) {
      copyFileSync(join(root, `policies/${name}.ts`), join(here, `${name}.ts`))
      writeFileSync(join(here, `${name}.cases.ts`), text)
    }
    const [one, two] = await Promise.all(commands.map(({ text }) => run(text.trim().split(" ").slice(2), here)))
    const timeless = (text: string): string => text.replace(/ in [\d.]+ ms/, " in some ms")
    assert.strictEqual(timeless(one!.output), timeless(page.find(({ language }) => language === "")!.text))
    assert.deepStrictEqual([one!.status, two!.status], [0, 0], two!.output)
    assert.match(two!.output, /^teams\.cases\.ts: 23 cases, all as expected/)
  })

  it("names files that exist", () => {
    for (const [, file] of readFileSync(join(root, "docs/testing.md"), "utf8").matchAll(/\]\((?!http)([^)]+)\)/g))
      assert.isString(readFileSync(join(root, "docs", file!), "utf8"))
  })
})
