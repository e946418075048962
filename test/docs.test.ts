/**
 * The reference of the language says what the code does: its policies compile and check, its commands print what stands there, and each of its tables is held against
 * what it is a table of, so that a field, a fact, a strategy or a code that is added is missing here until the page has it.
 */
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { createContext, runInContext } from "node:vm"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type Judged, judge } from "../runtime/Policies.ts"
import { plain } from "../src/authoring/Plain.ts"
import { wordsFor } from "../src/authoring/Words.ts"
import { apiNames } from "../src/Apis.ts"
import { codes } from "../src/Check.ts"
import { factNames, typeOf } from "../src/Facts.ts"
import { FailureClass, recoverableByDefault, retriedByDefault } from "../src/Failure.ts"
import { failed, refuse, type RefusalCode } from "../src/GatewayError.ts"
import { verdictOf } from "../src/Health.ts"
import {
  Budget,
  Class,
  decode,
  hash,
  Key,
  Overrides,
  Policy,
  Pool,
  ProviderSpec,
  Route,
  Selector,
  SpreadBy,
  type Strategy,
  TargetSpec
} from "../src/Policy.ts"
import { providerKinds } from "../src/Providers.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
const text = readFileSync(join(root, "docs/language.md"), "utf8")
const scratch = mkdtempSync(join(tmpdir(), "turnout-docs-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** What `check` says of a file of the page. */
const judged = (name: string): Promise<Judged> => Effect.runPromise(judge(join(scratch, name)))

interface Snippet {
  readonly language: string
  readonly text: string
}
const snippets: ReadonlyArray<Snippet> = [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({
  language: language!,
  text: text!
}))

/** The files that the page shows, by the names that their first lines or their policies give them. */
const files = snippets.flatMap(({ language, text }) => {
  const name =
    language === "ts"
      ? /^\/\/ (\S+)\n/.exec(text)?.[1]
      : language === "json"
        ? `${/"name": "(\w+)"/.exec(text)![1]}.json`
        : language === "yaml"
          ? `${/^name: (\w+)$/m.exec(text)![1]}.yaml`
          : undefined
  return name === undefined ? [] : [{ name, text }]
})
for (const { name, text } of files) writeFileSync(join(scratch, name), text)

const fileOf = (name: string): string => files.find((file) => file.name === name)!.text

const run = async (command: string): Promise<{ readonly status: number; readonly stdout: string; readonly stderr: string }> => {
  const [npx, turnout, ...args] = command.split(" ")
  assert.deepStrictEqual([npx, turnout], ["npx", "turnout"])
  try {
    const { stderr, stdout } = await promisify(execFile)(process.execPath, [join(root, "runtime/main.ts"), ...args], {
      cwd: scratch,
      maxBuffer: 1 << 24
    })
    return { status: 0, stdout, stderr }
  } catch (error) {
    const { code, stderr, stdout } = error as { readonly code: number; readonly stdout: string; readonly stderr: string }
    return { status: code, stdout, stderr }
  }
}

/** The cells of the rows of the table whose head is this. */
const table = (...head: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> => {
  const start = text.indexOf(`\n| ${head.join(" | ")} |\n`)
  assert.isAtLeast(start, 0, head.join(", "))
  const [, , , ...lines] = text.slice(start).split("\n")
  const rows = lines.slice(
    0,
    lines.findIndex((line) => !line.startsWith("|"))
  )
  // The text of a cell has no upright line.
  return rows.map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim())
  )
}
const codeIn = (cell: string): ReadonlyArray<string> => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!)
const first = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => rows.flatMap((row) => codeIn(row[0]!))

describe("the reference of the language", () => {
  it("shows files that compile", { timeout: 60_000 }, async () => {
    const here = join(scratch, "types")
    mkdirSync(here)
    for (const { name, text } of files.filter(({ name }) => name.endsWith(".ts"))) writeFileSync(join(here, name), text)
    assert.strictEqual(snippets.filter(({ language }) => language === "ts").length, files.filter(({ name }) => name.endsWith(".ts")).length)
    writeFileSync(join(here, "package.json"), '{ "type": "module" }')
    const { compilerOptions } = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8")) as { readonly compilerOptions: object }
    const options = { ...compilerOptions, types: [], paths: { turnout: [join(root, "src/index.ts")] } }
    writeFileSync(join(here, "tsconfig.json"), JSON.stringify({ compilerOptions: options, include: ["*.ts"] }))
    const { stdout } = await promisify(execFile)(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", here]).catch(
      (error: { readonly stdout: string }) => error
    )
    assert.strictEqual(stdout, "")
  })

  it("shows one policy in two languages, which is one to the hash", async () => {
    const [one, other] = await Promise.all(["shop.ts", "shop.json"].map(judged))
    assert.strictEqual(hash(one!.checked.policy!), hash(other!.checked.policy!))
  })

  for (const name of ["shop.ts", "shop.json", "desk.ts", "accepting.yaml"]) {
    it(`shows policies that check: ${name}`, async () => assert.deepStrictEqual((await judged(name)).lines, []))
  }

  it("shows a finding that is accepted", async () => {
    const { accepted } = (await judged("accepting.yaml")).checked
    assert.deepStrictEqual(
      accepted.map(({ because, finding }) => [finding.code, finding.level, because]),
      [["same-deployment", "warning", "`twin` moves to its own account next week"]]
    )
  })

  it("shows what opaque conditions leave open", async () => {
    const open = (await judged("desk.ts")).checked.findings.filter(({ code }) => code === "not-proved")
    assert.match(open.map(({ message }) => message).join("\n"), /whether a route can be reached \(`gold`, `default`\)/)
  })

  it("has commands that do what it says", async () => {
    const commands = snippets.flatMap(({ language, text }, at) =>
      language === "sh"
        ? text
            .trim()
            .split("\n")
            .map((command) => ({ command, printed: snippets[at + 1] }))
        : []
    )
    assert.strictEqual(commands.length, 3)
    for (const { command, printed } of commands) {
      const [args, file] = command.split(" > ") as [string, string | undefined]
      const { status, stdout } = await run(args)
      assert.strictEqual(status, 0, command)
      if (file === undefined) assert.strictEqual(stdout, printed!.text)
      else if (file.includes("schema")) assert.strictEqual((JSON.parse(stdout) as { readonly title: string }).title, "Turnout policy")
      else assert.isTrue(Result.isSuccess(decode(JSON.parse(stdout))), command)
    }
  })

  it("names options and files that there are", async () => {
    const helps = await Promise.all(["check", "build", "explain", "serve"].map((command) => run(`npx turnout ${command} --help`)))
    const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, "")
    for (const [, option] of prose.matchAll(/`(--[a-z]+)/g))
      assert.isTrue(
        helps.some(({ stdout }) => stdout.includes(`${option} `)),
        option
      )
    for (const { stdout } of helps) assert.include(stdout, "--under ")
    for (const [, link] of text.matchAll(/\]\((?!http)([^)]+)\)/g)) {
      const [file, anchor] = link!.split("#") as [string, string | undefined]
      const page = file === "" ? text : readFileSync(join(root, dirname("docs/language.md"), file), "utf8")
      const anchors = [...page.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
        title!
          .toLowerCase()
          .replaceAll(/[^\w -]/g, "")
          .replaceAll(" ", "-")
      )
      if (anchor !== undefined) assert.include(anchors, anchor)
    }
  })

  it("lists the sections in their order, with their defaults", () => {
    const rows = table("Section", "Holds", "Default")
    assert.deepStrictEqual(first(rows.map((row) => [row[0]!])), Object.keys(Policy.fields))
    const { $schema: _, ...least } = JSON.parse(fileOf("shop.json")) as Record<string, unknown>
    delete least["headers"]
    const decoded = Result.getOrThrow(decode({ ...least, routes: [{ name: "default", to: "mini" }] })) as Record<string, unknown>
    for (const [section, , byDefault] of rows) {
      const name = codeIn(section!)[0]!
      if (["timeouts", "effort"].includes(name)) continue
      if (byDefault === "")
        assert.isTrue(Result.isFailure(decode(Object.fromEntries(Object.entries(least).filter(([key]) => key !== name)))), name)
      else if (byDefault === "none") assert.isFalse(Object.hasOwn(decoded, name), name)
      else assert.deepStrictEqual(decoded[name], JSON.parse(codeIn(byDefault!)[0] ?? byDefault!), name)
    }
    const limits = table("Field", "Bounds", "Default").map(([field, , byDefault]) => [
      codeIn(field!)[0]!,
      JSON.parse(codeIn(byDefault!)[0] ?? byDefault!) as unknown
    ])
    const of = (section: "timeouts" | "effort") =>
      Object.entries(decoded[section] as object).map(([field, value]) => [`${section}.${field}`, value as unknown])
    assert.deepStrictEqual(limits, [...of("timeouts"), ...of("effort")])
  })

  it("lists the fields of each entry", () => {
    const specs = {
      providers: ProviderSpec,
      targets: TargetSpec,
      set: Overrides,
      pools: Pool,
      budgets: Budget,
      classes: Class,
      keys: Key,
      routes: Route
    }
    const listed = table("Field", "Says", "Default").flatMap(([fields]) => {
      const [one, ...more] = codeIn(fields!)
      return [one!, ...more.map((field) => one!.split(".")[0] + field)]
    })
    assert.deepStrictEqual(
      listed,
      Object.entries(specs).flatMap(([section, { fields }]) => Object.keys(fields).map((field) => `${section}.${field}`))
    )
    assert.deepStrictEqual(first(table("Field", "Fits").map((row) => [row[0]!])), Object.keys(Selector.fields))
    const dialects = table("Field", "Says", "Default").find(([field]) => field === "`providers.dialect`")![1]!
    assert.deepStrictEqual(codeIn(dialects), providerKinds)
    assert.sameMembers([...first(table("By", "Takes").map((row) => [row[0]!]))], [...SpreadBy.literals])
  })

  const words = createContext({ ...(wordsFor() as object) })
  const emitted = (code: string): unknown => {
    const value: unknown = runInContext(code, words)
    // A fact by itself becomes data as a part of something.
    return JSON.parse(JSON.stringify(plain([value])))[0]
  }

  it("shows every strategy in both languages", () => {
    const tags: Record<Strategy["_tag"], true> = {
      Send: true,
      Asked: true,
      Deny: true,
      First: true,
      Split: true,
      Spread: true,
      Pool: true,
      When: true,
      Hedge: true,
      Shadow: true,
      Escalate: true,
      Within: true,
      Retry: true
    }
    const seen = new Set<string>()
    for (const [typescript, json] of table("TypeScript", "JSON")) {
      const shown = JSON.parse(codeIn(json!)[0]!) as string | { readonly _tag: string }
      assert.deepStrictEqual(emitted(codeIn(typescript!)[0]!), shown)
      if (typeof shown === "object") seen.add(shown._tag)
    }
    assert.sameMembers([...seen], Object.keys(tags))
    for (const tag of Object.keys(tags)) assert.include(text, `\n**\`${tag.toLowerCase()}\`**`)
  })

  it("shows conditions in both languages", () => {
    for (const [typescript, json] of table("TypeScript", "JsonLogic"))
      assert.deepStrictEqual(emitted(codeIn(typescript!)[0]!), JSON.parse(codeIn(json!)[0]!))
  })

  it("lists every fact, with its type", () => {
    const policy = Result.getOrThrow(
      decode({
        name: "facts",
        metadata: ["field"],
        headers: ["name"],
        tags: ["tag"],
        providers: { one: { dialect: "openai" } },
        targets: { target: { provider: "one", model: "m" } },
        budgets: { name: { per: "key", limit: { usd: 1 }, every: "day" } },
        routes: [{ name: "default", to: "target" }]
      })
    )
    const listed = table("Fact", "Type", "Where it comes from").flatMap(([facts, type]) => {
      const [one, ...more] = codeIn(facts!).map((fact) => fact.replaceAll(/[<>]/g, ""))
      const stem = one!.slice(0, one!.lastIndexOf("."))
      return [one!, ...more.map((fact) => (fact.startsWith(".") ? stem + fact : fact))].map((fact) => [fact, type!] as const)
    })
    assert.sameMembers(
      listed.map(([fact]) => fact),
      [...factNames(policy)]
    )
    const called = { string: "text", number: "number", boolean: "flag" }
    for (const [fact, type] of listed) {
      const known = typeOf(fact, policy)!
      assert.strictEqual(type, `${called[known.type]}${known.optional ? " or absent" : ""}`, fact)
    }
  })

  it("names every API that a condition may ask for", () => {
    const [, , from] = table("Fact", "Type", "Where it comes from").find(([fact]) => fact === "`request.api`")!
    assert.sameMembers([...codeIn(from!)], [...apiNames])
  })

  it("names the commands that take `--under`", () => {
    const [, said] = /with `--under`, which ([^.]*) take,/.exec(text.replaceAll("\n", " "))!
    const folder = join(root, "runtime/commands")
    const taking = readdirSync(folder).filter((name) => readFileSync(join(folder, name), "utf8").includes("under: underOption"))
    assert.sameMembers(
      [...codeIn(said!)],
      taking.map((name) => name.replace(".ts", ""))
    )
  })

  it("lists every code with which a candidate is kept out", () => {
    const listed = table("Kept out by", "Status", "Code").map(([, , code]) => codeIn(code!)[0]!)
    const rejections = readFileSync(join(root, "src/pipeline/rejections.ts"), "utf8")
    const made = [...rejections.matchAll(/refuse\(\s*"(\w+)"/g)].map(([, code]) => code!)
    assert.isAbove(made.length, 5)
    assert.includeMembers(listed, made)
  })

  it("lists what a caller is told", () => {
    for (const [, status, code] of table("Kept out by", "Status", "Code"))
      assert.strictEqual(refuse(codeIn(code!)[0]! as RefusalCode, "").status, Number(status), code)
    const failures = table("Failure", "`first` moves on", "`retry` tries again", "Counts for the breaker", "Status", "Code")
    const said = (is: boolean): string => (is ? "yes" : "no")
    assert.deepStrictEqual(
      failures.map((row) => row.map((cell) => codeIn(cell)[0] ?? cell)),
      FailureClass.literals.map((name) => {
        const { code, status } = failed("a", { class: name, message: "" })
        return [
          name,
          said(recoverableByDefault.includes(name)),
          said(retriedByDefault.includes(name)),
          said(verdictOf(name) === "bad"),
          String(status),
          code
        ]
      })
    )
  })

  it("lists the families of findings", () => {
    assert.deepStrictEqual(
      table("Family", "Is about").map(([family]) => family),
      [...new Set(Object.values(codes).map(({ family }) => family))]
    )
  })
})
