import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Result } from "effect"
import * as fc from "fast-check"
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import type { Worker } from "node:worker_threads"
import { afterAll, afterEach } from "vitest"
import { load } from "../../runtime/PolicyFile.ts"
import type { LoadOptions } from "../../runtime/PolicyFile.ts"
import { parseJson } from "../../runtime/policyFile/Json.ts"
import { placeOf } from "../../runtime/policyFile/Places.ts"
import { decode } from "../../src/Policy.ts"

const root = realpathSync(mkdtempSync(join(tmpdir(), "turnout-policy-file-")))
afterAll(() => rmSync(root, { recursive: true, force: true }))

// However a load ends, its worker has ended before it: Node then gives the worker the number -1.
const workers: Array<Worker> = []
const onWorker = (worker: Worker) => void workers.push(worker)
process.on("worker", onWorker)
afterAll(() => void process.off("worker", onWorker))
afterEach(() =>
  assert.deepStrictEqual(
    workers.splice(0).filter(({ threadId }) => threadId !== -1),
    []
  )
)

let folders = 0
/** Writes files into a new folder, outside of any package, and returns the way to them. */
const write = (files: Readonly<Record<string, string>>) => {
  const folder = join(root, String(++folders))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return (name: string) => join(folder, name)
}

/** What a policy prints, kept from the test's own output. */
const collector = () => {
  const chunks: Array<string> = []
  return { chunks, write: (chunk: Uint8Array) => chunks.push(new TextDecoder().decode(chunk)) }
}
const quiet: LoadOptions = { output: { write: () => true } }

/** Loads one file of its own, which has to fail. */
const refused = (name: string, text: string, options: LoadOptions = quiet) => {
  const at = write({ [name]: text })
  return Effect.map(Effect.flip(load(at(name), options)), (error) => ({
    path: at(name),
    reason: error.reason,
    message: error.message,
    files: error.files
  }))
}

const policyTs = `import { env, policy } from "turnout"
import { targets } from "./targets.ts"

export default policy({
  name: "outside",
  providers: { openai: { dialect: "openai", key: env("OPENAI_API_KEY") } },
  targets,
  routes: ({ first, request, when }) => [{ name: "all", to: when(request.stream, "mini", first("mini", { on: ["timeout"] })) }]
})
`
const targetsTs = (model: string) => `export const targets = { mini: { provider: "openai", model: "${model}" } } as const\n`

describe("code", () => {
  it.live("a policy outside of any package imports `turnout` and its neighbours", () =>
    Effect.gen(function* () {
      const at = write({ "policy.ts": policyTs, "targets.ts": targetsTs("gpt-4o-mini") })
      const loaded = yield* load(at("policy.ts"))
      assert.deepStrictEqual(loaded.files, [at("policy.ts"), at("targets.ts")])
      assert.strictEqual(loaded.locate(["name"]), undefined)
      const decoded = Result.getOrThrow(decode(loaded.json))
      assert.deepStrictEqual(decoded.targets, { mini: { provider: "openai", model: "gpt-4o-mini", tags: [], capabilities: {} } })
      assert.deepStrictEqual((loaded.json as typeof decoded).routes, [
        {
          name: "all",
          to: { _tag: "When", if: { var: "request.stream" }, then: "mini", otherwise: { _tag: "First", of: ["mini"], on: ["timeout"] } }
        }
      ] as never)
    })
  )

  it.live("an import that changed is read again", () =>
    Effect.gen(function* () {
      const at = write({ "policy.ts": policyTs, "targets.ts": targetsTs("old") })
      const model = Effect.map(load(at("policy.ts")), ({ json }) => (json as { targets: { mini: { model: string } } }).targets.mini.model)
      assert.strictEqual(yield* model, "old")
      writeFileSync(at("targets.ts"), targetsTs("new"))
      assert.strictEqual(yield* model, "new")
    })
  )

  it.live("loads side by side do not meet", () =>
    Effect.gen(function* () {
      const [a, b] = [
        write({ "policy.ts": policyTs, "targets.ts": targetsTs("a") }),
        write({ "policy.ts": policyTs, "targets.ts": targetsTs("b") })
      ]
      const both = yield* Effect.all([load(a("policy.ts")), load(b("policy.ts"))], { concurrency: 2 })
      assert.deepStrictEqual(
        both.map(({ json }) => (json as { targets: { mini: { model: string } } }).targets.mini.model),
        ["a", "b"]
      )
      assert.deepStrictEqual(
        both.map(({ files }) => files),
        [
          [a("policy.ts"), a("targets.ts")],
          [b("policy.ts"), b("targets.ts")]
        ]
      )
    })
  )

  it.live("every kind of file and import, whatever the nearest package says", () =>
    Effect.gen(function* () {
      const at = write({
        "package.json": '{ "type": "commonjs" }',
        "a.mjs":
          'import { b } from "./b.js"\nimport { c } from "./sub/c.mts"\nimport d from "./d.json" with { type: "json" }\nexport default { b, c, d }\n',
        "b.ts": 'enum Not { Erasable = "b" }\nexport const b = Not.Erasable as const\n',
        "sub/c.mts": "export const c: number = 3\n",
        "d.json": '{ "d": 4 }'
      })
      const loaded = yield* load(at("a.mjs"))
      assert.deepStrictEqual(loaded.json, { b: "b", c: 3, d: { d: 4 } })
      assert.deepStrictEqual([...loaded.files].sort(), [at("a.mjs"), at("b.ts"), at("d.json"), at("sub/c.mts")])
      const plain = write({ "p.js": "export default { a: 1 }", "p.mts": "export default { a: 1 as const }" })
      assert.deepStrictEqual((yield* load(plain("p.js"))).json, { a: 1 })
      assert.deepStrictEqual((yield* load(plain("p.mts"))).json, { a: 1 })
    })
  )

  it.live("a link is watched as well as what it leads to", () =>
    Effect.gen(function* () {
      const at = write({ "real.mjs": "export default {}" })
      symlinkSync(at("real.mjs"), at("link.mjs"))
      assert.deepStrictEqual((yield* load(at("link.mjs"))).files, [at("link.mjs"), at("real.mjs")])
    })
  )

  it.live("the environment is empty", () =>
    Effect.gen(function* () {
      const at = write({ "policy.ts": "export default { names: Object.keys(process.env), path: process.env.PATH ?? null }" })
      assert.isString(process.env["PATH"])
      assert.deepStrictEqual((yield* load(at("policy.ts"))).json, { names: [], path: null })
    })
  )

  it.live("what a policy prints goes to the given output, before the policy is loaded", () =>
    Effect.gen(function* () {
      const output = collector()
      const at = write({
        "policy.ts": 'console.error("to err")\nconsole.log("x".repeat(1_000_000))\nconsole.log("to out")\nexport default {}'
      })
      yield* load(at("policy.ts"), { output })
      assert.deepStrictEqual(output.chunks.join("").split("\n").sort(), ["", "to err", "to out", "x".repeat(1_000_000)])
    })
  )

  it.live("a throw: the message, and the author's own lines", () =>
    Effect.gen(function* () {
      const at = write({
        "policy.ts":
          'import { usd } from "turnout"\nimport { price } from "./price.ts"\n\ninterface Unused { a: string }\nexport default { price: price(usd) }\n',
        "price.ts": "type Usd = (n: number) => unknown\n\nexport const price = (usd: Usd) =>\n  usd(-1)\n"
      })
      const error = yield* Effect.flip(load(at("policy.ts")))
      assert.deepStrictEqual(error.reason, {
        _tag: "Threw",
        problem: "`usd(-1)`: expected dollars, a finite number from 0",
        at: [`at price (${at("price.ts")}:4:3)`, `at ${at("policy.ts")}:5:25`]
      })
      assert.strictEqual(
        error.message,
        `\`${at("policy.ts")}\` throws while it is evaluated: \`usd(-1)\`: expected dollars, a finite number from 0\n` +
          `    at price (${at("price.ts")}:4:3)\n    at ${at("policy.ts")}:5:25`
      )
      assert.deepStrictEqual(error.files, [at("policy.ts"), at("price.ts")])
    })
  )

  it.live("a throw of something else, and one that nobody waits for", () =>
    Effect.gen(function* () {
      assert.deepInclude((yield* refused("a.mjs", "throw null")).reason, { _tag: "Threw", problem: "null" })
      assert.deepInclude((yield* refused("b.mjs", "throw Object.create(null)")).reason, {
        _tag: "Threw",
        problem: "something that has no text"
      })
      const late = yield* refused(
        "c.mjs",
        'Promise.reject(new Error("late"))\nawait new Promise((resolve) => setTimeout(resolve, 60_000))\nexport default {}'
      )
      assert.deepInclude(late.reason, { _tag: "Threw", problem: "late" })
    })
  )

  it.live("a syntax error has a place, in the file where it is", () =>
    Effect.gen(function* () {
      for (const name of ["policy.ts", "policy.mts", "policy.js", "policy.mjs"]) {
        const { message, path } = yield* refused(name, 'import { policy } from "turnout"\n\nconst a = ;\nexport default policy({})\n')
        assert.strictEqual(message, `\`${path}:3:11\` unexpected ";"`)
      }
      const at = write({ "policy.ts": policyTs, "targets.ts": "export const targets = {\n" })
      const error = yield* Effect.flip(load(at("policy.ts")))
      assert.deepInclude(error.reason, { _tag: "Syntax", file: at("targets.ts"), line: 2, column: 1 })
      assert.deepStrictEqual(error.files, [at("policy.ts"), at("targets.ts")])
    })
  )

  it.live("an import that is not there", () =>
    Effect.gen(function* () {
      const { path, reason } = yield* refused("policy.ts", policyTs)
      assert.strictEqual(reason._tag, "Threw")
      assert.include((reason as { problem: string }).problem, "targets.ts")
      assert.include((reason as { problem: string }).problem, path)
    })
  )

  it.live("no default export", () =>
    Effect.gen(function* () {
      const { message, path } = yield* refused("policy.ts", "export const policy = {}\nexport const other = 1")
      assert.strictEqual(
        message,
        `\`${path}\` has no default export (only \`other\`, \`policy\`): expected \`export default policy({ … })\``
      )
      assert.deepStrictEqual((yield* refused("u.mjs", "export default undefined")).reason._tag, "NoDefaultExport")
      assert.deepStrictEqual((yield* refused("empty.ts", "")).reason, { _tag: "NoDefaultExport", exports: [] })
    })
  )

  it.live("a default export that is not data", () =>
    Effect.gen(function* () {
      const problem = (text: string) =>
        Effect.map(refused("policy.mjs", text), ({ reason }) => (reason._tag === "NotData" ? reason.problem : reason._tag))
      const data = "a policy is plain data: texts, numbers, booleans, lists and objects"
      assert.strictEqual(
        yield* problem("export default function acme() {}"),
        `the policy holds the function \`acme\` (is it called?); ${data}`
      )
      assert.strictEqual(yield* problem("const a = { b: [] }\na.b.push(a)\nexport default a"), `\`b[0]\` holds itself; ${data}`)
      assert.strictEqual(yield* problem("export default Promise.resolve({})"), `the policy holds an instance of \`Promise\`; ${data}`)
      assert.strictEqual(yield* problem("export default { limit: 1n }"), `\`limit\` holds a bigint; ${data}`)
      assert.strictEqual(yield* problem('export default { get a() { throw new Error("no") } }'), "no")
    })
  )

  it.live("a policy that does not end", () =>
    Effect.gen(function* () {
      const loop = yield* refused("policy.ts", "for (;;) {}\nexport default {}", { timeLimit: "400 millis" })
      assert.deepStrictEqual(loop.reason, { _tag: "TimedOut", limit: "400ms" })
      assert.strictEqual(
        loop.message,
        `\`${loop.path}\` is not evaluated after 400ms: a policy is data, so look for a loop or a wait in it`
      )
      const wait = yield* refused("policy.mjs", "setInterval(() => {}, 1_000)\nawait new Promise(() => {})\nexport default {}", {
        timeLimit: "400 millis"
      })
      assert.strictEqual(wait.reason._tag, "TimedOut")
    })
  )

  it.live("a policy that ends too early", () =>
    Effect.gen(function* () {
      const exit = yield* refused("policy.ts", "process.exit(3)\nexport default {}")
      assert.strictEqual(exit.message, `\`${exit.path}\` is not evaluated to its end: it ends its own process (\`process.exit(3)\`)`)
      const never = yield* refused("policy.mjs", "await new Promise(() => {})\nexport default {}")
      assert.deepStrictEqual(never.reason, { _tag: "Stopped", problem: "its top-level `await` waits for something that never comes" })
    })
  )

  it.live(
    "a policy that needs too much memory",
    () =>
      Effect.gen(function* () {
        const { reason } = yield* refused("policy.mjs", "const all = []\nfor (;;) all.push(new Array(10_000).fill({}))\nexport default {}")
        assert.deepStrictEqual(reason, { _tag: "Stopped", problem: "it needs more than 256 MB of memory" })
      }),
    30_000
  )

  it.live("interruption kills the worker", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const at = write({
        "policy.mjs": 'process.stdout.write("started")\nawait new Promise((resolve) => setTimeout(resolve))\nfor (;;) {}'
      })
      const output = { write: () => Deferred.doneUnsafe(started, Exit.void) }
      const fiber = yield* Effect.forkChild(load(at("policy.mjs"), { output, timeLimit: "1 hour" }))
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(
        workers.map(({ threadId }) => threadId),
        [-1]
      )
    })
  )
})

describe("files", () => {
  it.live("not there, not readable, not known", () =>
    Effect.gen(function* () {
      const at = write({ "policy.toml": "", policy: "", "folder.json/x": "" })
      const message = (name: string) => Effect.map(Effect.flip(load(at(name))), (error) => error.message)
      assert.strictEqual(
        yield* message("none.ts"),
        `no file \`${at("none.ts")}\`: expected a policy in TypeScript, JavaScript, JSON or YAML`
      )
      assert.strictEqual(
        yield* message("none/none.json"),
        `no file \`${at("none/none.json")}\`: expected a policy in TypeScript, JavaScript, JSON or YAML`
      )
      assert.strictEqual(yield* message("folder.json"), `cannot read \`${at("folder.json")}\`: it is a directory`)
      const known = "expected `.ts`, `.mts`, `.js`, `.mjs`, `.json`, `.yaml`, `.yml`"
      assert.strictEqual(yield* message("policy.toml"), `\`${at("policy.toml")}\` ends in \`.toml\`: ${known}`)
      assert.strictEqual(yield* message("policy"), `\`${at("policy")}\` has no extension: ${known}`)
      writeFileSync(at("latin.yaml"), Uint8Array.of(0x61, 0xe9, 0x3a))
      assert.strictEqual(yield* message("latin.yaml"), `cannot read \`${at("latin.yaml")}\`: expected UTF-8`)
    })
  )

  it.effect("JSON, with its places", () =>
    Effect.gen(function* () {
      const text = '{\r\n\t"name": "acme",\r\n\t"targets": {\r\n\t\t"mini": { "provider": "openai", "é": [1, "x"] }\r\n\t},\n"r":[]}\n'
      const at = write({ "policy.json": text })
      const { files, json, locate } = yield* load(at("policy.json"))
      assert.deepStrictEqual(json, JSON.parse(text))
      assert.deepStrictEqual(files, [at("policy.json")])
      assert.deepStrictEqual(locate([]), { line: 1, column: 1 })
      assert.deepStrictEqual(locate(["name"]), { line: 2, column: 10 })
      assert.deepStrictEqual(locate(["targets"]), { line: 3, column: 2 })
      assert.deepStrictEqual(locate(["targets", "mini", "provider"]), { line: 4, column: 25 })
      assert.deepStrictEqual(locate(["targets", "mini", "é", 1]), { line: 4, column: 44 })
      assert.deepStrictEqual(locate(["targets", "mini", "model"]), { line: 4, column: 3 })
      assert.deepStrictEqual(locate(["r", 7, "to"]), { line: 6, column: 1 })
      assert.deepStrictEqual(locate(["routes", 0]), { line: 1, column: 1 })
    })
  )

  it.effect("JSON that is not JSON", () =>
    Effect.gen(function* () {
      const faults: ReadonlyArray<readonly [string, string]> = [
        ["", "1:1` expected a value, but found the end of the file"],
        ['{\n\t"a": 1,\n\t"b": 2,\n}', "3:8` expected no `,` before `}`"],
        ['{ "a": 1,\r\n  "a": 2 }', "2:3` the field `a` is there twice"],
        ["{ a: 1 }", "1:3` expected a field's name in `\"`, but found `a`"],
        ['{ "a" 1 }', "1:7` expected `:` after `a`, but found `1`"],
        ["[1 2]", "1:4` expected `,` or `]`, but found `2`"],
        ["[1,\n  // two\n  2]", "2:3` expected a value, but found `/`; JSON has no comments, YAML has"],
        ['["a\nb"]', '1:4` expected the closing `"` of a text, but found the end of the line'],
        ['["a\\x"]', "1:4` expected an escape that JSON knows, but found `\\`"],
        ["{} {}", "1:4` expected nothing more, but found `{`"],
        ["[01]", "1:3` expected `,` or `]`, but found `1`"],
        ["\uFEFF{}", "1:1` expected a value, but found a byte order mark"],
        ["name: acme", "1:1` expected a value, but found `n`"],
        ["[".repeat(600), "1:502` expected at most 500 levels"]
      ]
      for (const [text, expected] of faults) {
        const { message, path } = yield* refused("policy.json", text)
        assert.strictEqual(message, `\`${path}:${expected}`)
      }
    })
  )

  it.effect("YAML, with its places", () =>
    Effect.gen(function* () {
      const text = `# a policy
name: acme
targets:
  mini: &mini
    provider: openai
    model: "gpt"
  copy: *mini
routes:
  - name: all
    to: { _tag: First, of: [mini, copy] }
  - name: empty
    to:
`
      for (const name of ["policy.yaml", "policy.yml"]) {
        const at = write({ [name]: text })
        const { json, locate } = yield* load(at(name))
        const mini = { provider: "openai", model: "gpt" }
        assert.deepStrictEqual(json, {
          name: "acme",
          targets: { mini, copy: mini },
          routes: [
            { name: "all", to: { _tag: "First", of: ["mini", "copy"] } },
            { name: "empty", to: null }
          ]
        })
        assert.deepStrictEqual(locate(["name"]), { line: 2, column: 7 })
        assert.deepStrictEqual(locate(["targets", "mini"]), { line: 4, column: 3 })
        assert.deepStrictEqual(locate(["targets", "mini", "model"]), { line: 6, column: 12 })
        assert.deepStrictEqual(locate(["targets", "copy"]), { line: 7, column: 3 })
        assert.deepStrictEqual(locate(["targets", "copy", "provider"]), { line: 5, column: 15 })
        assert.deepStrictEqual(locate(["routes", 0, "to", "of", 1]), { line: 10, column: 35 })
        assert.deepStrictEqual(locate(["routes", 1, "to"]), { line: 12, column: 5 })
        assert.deepStrictEqual(locate(["routes", 1, "when"]), { line: 11, column: 5 })
        assert.deepStrictEqual(locate(["budgets", "x"]), { line: 2, column: 1 })
      }
    })
  )

  it.effect("YAML that is not a policy's YAML", () =>
    Effect.gen(function* () {
      const faults: ReadonlyArray<readonly [string, string]> = [
        ["a: 1\r\nb: 2\r\n'a': 3\r\n", "3:1` the field `a` is there twice"],
        ["a: 1\n---\nb: 1\n", "2:1` expected one document, but found a second after `---`"],
        ["a: [1\nb: 2", "2:1`"],
        ["a:\n\tb: 1", "2:1` tabs are not allowed as indentation"],
        ["a: !secret x", "1:4` unresolved tag: !secret"],
        ["a: *b", "1:4` `*b` names no anchor before it"]
      ]
      for (const [text, expected] of faults) {
        const { message, path } = yield* refused("policy.yaml", text)
        assert.isTrue(message.startsWith(`\`${path}:${expected}`), message)
      }
      const bomb = [
        "a: &a [x]",
        ...[..."bcdefghi"].map((name, i) => `${name}: &${name} [${Array(9).fill(`*${"abcdefgh"[i]}`).join(", ")}]`)
      ].join("\n")
      assert.strictEqual((yield* refused("bomb.yaml", bomb)).reason._tag, "Syntax")
    })
  )
})

it("a line ends with LF, CR LF or CR", () => {
  const text = "a\nb\r\nc\rd"
  const places = [..."a\nb\r\nc\rd"].map((_, offset) => placeOf(text, offset))
  assert.deepStrictEqual(
    places.map(({ column, line }) => `${line}:${column}`),
    ["1:1", "1:2", "2:1", "2:2", "2:3", "3:1", "3:2", "4:1"]
  )
})

describe("Json", () => {
  const duplicate = / is there twice$/

  it("accepts what JSON.parse accepts, and finds every part where it stands", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(undefined, 2, "\t"), fc.boolean(), (value, indent, crlf) => {
        const text = JSON.stringify(value, null, indent)
        const parsed = parseJson(crlf ? text.replaceAll("\n", "\r\n") : text)
        if (parsed._tag === "Fault") return assert.fail(parsed.problem)
        assert.deepStrictEqual(parsed.json, JSON.parse(text))
      }),
      { numRuns: 1_000 }
    )
  })

  it("refuses what JSON.parse refuses", () => {
    const pieces = fc.constantFrom(
      ..."{}[]:,\"\\ \n\t\r-+.eE0123au/'",
      '"a"',
      '"b"',
      "true",
      "false",
      "null",
      "1.5",
      "\\u00e9",
      "\u2028",
      "\u0001",
      "\uFEFF",
      "//"
    )
    const broken = fc.tuple(fc.jsonValue({ maxDepth: 3 }), pieces, fc.nat()).map(([value, piece, at]) => {
      const text = JSON.stringify(value, null, 1)
      const place = at % (text.length + 1)
      return text.slice(0, place) + piece + text.slice(place + (at % 3))
    })
    fc.assert(
      fc.property(
        fc.oneof(
          broken,
          fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join(""))
        ),
        (text) => {
          const parsed = parseJson(text)
          const accepted = Result.isSuccess(Result.try(() => JSON.parse(text) as unknown))
          if (parsed._tag === "Fault" && duplicate.test(parsed.problem)) return
          assert.strictEqual(parsed._tag === "Data", accepted, JSON.stringify(text))
          if (parsed._tag === "Fault") assert.isAtMost(parsed.offset, text.length)
        }
      ),
      { numRuns: 5_000 }
    )
  })
})
