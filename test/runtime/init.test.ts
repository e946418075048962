/** `turnout init`: what it writes checks, passes and simulates, for every provider there is; it asks on a terminal, and never writes over anything. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Queue, Terminal } from "effect"
import * as fc from "fast-check"
import { answersTo } from "../../runtime/commands/init.ts"
import { type Answers, filesOf, mock } from "../../runtime/init/Files.ts"
import { catalog } from "../../src/Catalog.ts"
import { parseCases, passed, run } from "../../src/Cases.ts"
import { check } from "../../src/Check.ts"
import { compile } from "../../src/Compile.ts"
import * as words from "../../src/index.ts"
import { capabilitiesOf } from "../../src/Models.ts"
import { type Provider, providers, startingKinds } from "../../src/Providers.ts"
import { open, type Report } from "../../src/Simulate.ts"
import { directory, runCli, runHere } from "../http/support.ts"

/** What a module of policy code exports, without a worker. */
const evaluated = (source: string): unknown => {
  const code = source.replace(/^import \{ ([^}]+) \} from "turnout"$/m, "const { $1 } = words").replace("export default", "return")
  return (new Function("words", code) as (of: typeof words) => unknown)(words)
}

const kinds = [mock, ...startingKinds] as const

describe("init", () => {
  it("writes what checks, passes and simulates, as the commands that people run", async () => {
    const path = directory()
    const begun = await runCli(["init", path("new")])
    assert.deepStrictEqual([begun.status, begun.stderr], [0, ""])
    const [policy, traffic] = [path("new/turnout.ts"), path("new/turnout.traffic.jsonl")]
    assert.include(
      begun.stdout,
      `next:\n  turnout test ${policy}\n  turnout simulate ${policy} --traffic ${traffic}\n  turnout serve ${policy}\n`
    )
    const checked = await runCli(["check", "--strict", policy])
    assert.deepStrictEqual([checked.status, checked.stderr], [0, ""], checked.stdout)
    const tested = await runCli(["test", policy, "--threshold", "100"])
    assert.strictEqual(tested.status, 0, tested.stdout)
    const simulated = await runCli(["simulate", policy, "--traffic", traffic, "--json"])
    assert.strictEqual(simulated.status, 0, simulated.stderr)
    const { traffic: seen, total } = JSON.parse(simulated.stdout) as Report
    assert.deepStrictEqual([seen.calls, total.measured.refused], [24, 0])
  }, 120_000)

  it("takes flags", async () => {
    const path = directory()
    const begun = await runHere("init", path("paid"), "--providers", "openai,anthropic", "--budget", "200", "--name", "acme", "--yes")
    assert.deepStrictEqual([begun.status, begun.stderr], [0, ""])
    assert.include(begun.stdout, "set OPENAI_API_KEY, ANTHROPIC_API_KEY before it serves")
    const checked = await runHere("check", "--strict", path("paid/turnout.ts"))
    assert.deepStrictEqual([checked.status, checked.stderr], [0, ""], checked.stdout)
    assert.strictEqual((await runHere("test", path("paid/turnout.ts"), "--threshold", "100")).status, 0)
    assert.include(readFileSync(path("paid/turnout.ts"), "utf8"), 'name: "acme"')
    assert.deepInclude(JSON.parse(readFileSync(path("paid/package.json"), "utf8")), { name: "acme", private: true })
  })

  it("writes something sound for whatever providers and budget", () => {
    const sound = (answers: Answers): void => {
      const { cases, policy, traffic } = filesOf(answers)
      const checked = check(evaluated(policy), catalog)
      assert.deepStrictEqual(
        checked.findings.filter(({ level }) => level !== "note").map(({ message }) => message),
        [],
        policy
      )
      const compiled = compile(checked.policy!, catalog)
      const parsed = parseCases(evaluated(cases), compiled)
      if (parsed._tag === "Failure") throw new Error(JSON.stringify(parsed.failure))
      const { coverage, verdicts } = run(compiled, parsed.success)
      assert.deepStrictEqual(
        verdicts.filter((verdict) => !passed(verdict)).map(({ differences, placed }) => [placed.case.name, differences]),
        []
      )
      assert.strictEqual(coverage.percent, 100, policy)
      const opened = open(traffic.split("\n"))
      assert.isFalse("_tag" in opened)
    }
    for (const kind of kinds) for (const budget of [undefined, 1]) sound({ name: "one", providers: [kind], budget })
    fc.assert(
      fc.property(
        fc.shuffledSubarray([...kinds], { minLength: 1, maxLength: 4 }),
        fc.option(fc.constantFrom(1, 99.5, 1_000_000), { nil: undefined }),
        (providers, budget) => sound({ name: "some", providers, budget })
      ),
      { numRuns: 25 }
    )
  }, 120_000)

  it("begins with models whose price and limits are known", () => {
    for (const kind of startingKinds) {
      const { models, starts } = providers[kind] as Provider
      for (const model of starts ?? []) {
        assert.isDefined(catalog(kind, model!), `${kind} ${model}`)
        assert.isDefined(capabilitiesOf(models, model!)?.contextWindow, `${kind} ${model}`)
      }
    }
  })

  it("writes over nothing, and nothing at all where something is in the way, unless it is told to", async () => {
    const path = directory({ "turnout.cases.ts": "mine" })
    const refused = await runHere("init", path("."))
    assert.strictEqual(refused.status, 1)
    assert.include(refused.stderr, "turnout.cases.ts` is there already, and nothing was written; `--force` writes over")
    assert.deepStrictEqual(
      [existsSync(path("turnout.ts")), existsSync(path("package.json")), readFileSync(path("turnout.cases.ts"), "utf8")],
      [false, false, "mine"]
    )
    writeFileSync(path("package.json"), "{}")
    assert.strictEqual((await runHere("init", path("."), "--force")).status, 0)
    assert.include(readFileSync(path("turnout.cases.ts"), "utf8"), "export default cases(")
    // That is not ours, whatever is forced.
    assert.strictEqual(readFileSync(path("package.json"), "utf8"), "{}")
  })

  it.each([
    [["--providers", "opnai"], "--providers: unknown provider `opnai`; did you mean `openai`?"],
    [["--providers", " , "], "--providers: expected at least one of mock, "],
    [["--name", "1st"], "--name: expected a letter, then at most 63 letters, digits, `-` or `_`, but found `1st`"],
    [["--budget", "0.5"], "--budget: expected dollars and whole cents, from 1 to 1000000, but found `0.5`"]
  ] as const)("refuses %j", async (args, message) => {
    const path = directory()
    const { status, stderr } = await runHere("init", path("new"), ...args)
    assert.strictEqual(status, 2)
    assert.include(stderr, message)
    assert.isFalse(existsSync(path("new")))
  })

  it("says of a folder that cannot be made why, and ends", async () => {
    const at = directory({ file: "mine" })
    for (const [folder, why] of [
      [at("file"), "there is a file of that name"],
      [at("file/below"), "there is a file of that name"],
      // Where Node's own making of folders never ends.
      ["/proc/x", "it cannot be made there"]
    ] as const) {
      const { status, stderr, stdout } = await runHere("init", folder, "--yes")
      assert.strictEqual(status, 1, folder)
      assert.include(stderr, `cannot write to the folder \`${folder}\`: ${why}`)
      assert.strictEqual(stdout, "")
    }
    assert.strictEqual(readFileSync(at("file"), "utf8"), "mine")
    const made = await runHere("init", at("a/b"), "--yes")
    assert.strictEqual(made.status, 0, made.stderr)
    assert.isTrue(existsSync(at("a/b/turnout.ts")))
  })

  it("takes the folder's name as far as it is one", async () => {
    for (const [folder, name] of [
      ["/x/my gateway!", "my-gateway"],
      ["/x/2nd", "nd"],
      ["/x/日本", "gateway"]
    ] as const) {
      const answers = await Effect.runPromise(
        answersTo({ name: undefined, providers: undefined, budget: undefined }, folder, false).pipe(Effect.provide(NodeServices.layer))
      )
      assert.deepStrictEqual(answers, { name, providers: [mock], budget: undefined })
    }
  })

  /** A terminal at which somebody presses these keys. */
  const typing = (): Terminal.Terminal =>
    Terminal.make({
      columns: Effect.succeed(80),
      rows: Effect.succeed(24),
      size: Effect.flatMap(Queue.unbounded<Terminal.Size>(), (queue) => Effect.succeed(queue as never)),
      readInput: Effect.sync(() => input),
      readLine: Effect.succeed(""),
      display: (text) => Effect.sync(() => void shown.push(text))
    })
  const shown: Array<string> = []
  let input: never

  it("asks what flags do not say", async () => {
    const press = (name: string, text?: string) => ({
      input: text === undefined ? Option.none<string>() : Option.some(text),
      key: { name, ctrl: false, meta: false, shift: false }
    })
    const typed = (text: string) => [...text].map((letter) => press(letter, letter))
    const answers = await Effect.runPromise(
      Effect.gen(function* () {
        const queue = yield* Queue.unbounded<Terminal.UserInput>()
        input = queue as never
        yield* Queue.offerAll(queue, [
          // Over the usual name.
          ...Array.from("usual", () => press("backspace")),
          ...typed("acme"),
          press("return"),
          // The mock out, the next one in: below the two words that select all, and the others.
          ...["down", "down", "space", "down", "space", "return"].map((name) => press(name)),
          press("y", "y"),
          press("return"),
          ...typed("50"),
          press("return")
        ])
        return yield* answersTo({ name: undefined, providers: undefined, budget: undefined }, "/x/usual", true)
      }).pipe(Effect.provideService(Terminal.Terminal, typing()), Effect.provide(NodeServices.layer), Effect.timeout("10 seconds"))
    )
    assert.deepStrictEqual(answers, { name: "acme", providers: [startingKinds[0]!], budget: 50 }, shown.join(""))
  })
})
