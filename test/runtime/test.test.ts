/** `turnout test` as a command: which files it finds, what it prints where, its exit status, and what it says where there is nothing to run. */
import { assert, describe, it } from "@effect/vitest"
import { directory, runCli, runHere } from "../http/support.ts"

const policy = {
  name: "small",
  providers: { openai: { dialect: "openai", key: { env: "OPENAI_API_KEY" } } },
  targets: { a: { provider: "openai", model: "model-a" }, b: { provider: "openai", model: "model-b" } },
  routes: [
    { name: "chat", when: { "===": [{ var: "request.model" }, "chat"] }, to: { _tag: "First", of: ["a", "b"] } },
    { name: "default", to: { _tag: "Asked" } }
  ]
}
const right = { name: "chat is a", when: { request: { model: "chat" } }, expect: { served: "a" } }
const wrong = { ...right, name: "chat is b", expect: { served: "b" } }

const files = (more: Readonly<Record<string, string>>) => directory({ "small.json": JSON.stringify(policy), ...more })
const json = (...cases: ReadonlyArray<object>) => JSON.stringify({ cases })

describe("test", () => {
  it("runs every file of cases beside the policy, and no other's", async () => {
    const path = files({
      "small.cases.ts": `import { cases } from "turnout"\nexport default cases({ cases: [${JSON.stringify(right)}] })`,
      "small.more.cases.json": json({ ...right, name: "more" }),
      "small.yet.more.cases.yaml": 'cases:\n  - name: "yaml"\n    when: { request: { model: chat } }\n    expect: { served: a }\n',
      "other.cases.json": json(wrong),
      "smaller.cases.json": json(wrong),
      "small.cases.md": "not one"
    })
    const { status, stderr, stdout } = await runHere("test", path("small.json"))
    assert.deepStrictEqual([status, stderr], [0, ""])
    assert.match(stdout, /^3 files: 3 cases, all as expected, in [\d.]+ ms\n\ncoverage /)
    assert.include(stdout, '  fallback   routes[0] "chat".to.first[0] → [1]: never taken')
  })

  it("shows a case that fails with its place, the difference and the trace, and ends with 1", async () => {
    const path = files({
      "small.cases.yaml":
        "given:\n  at: 2026-03-02T09:00:00Z\ncases:\n  - name: chat is b\n    when: { request: { model: chat } }\n    expect: { served: b }\n"
    })
    const { status, stdout } = await runHere("test", path("small.json"))
    assert.strictEqual(status, 1)
    assert.include(stdout, `fail  chat is b  (${path("small.cases.yaml")}:4:5: cases[0])\n      served    expected "b", got "a"\n`)
    for (const part of ["routes, in order:", "a: served, from 0 ms to 0 ms", "1 case, 1 failed"]) assert.include(stdout, part)
  })

  it("fails below a threshold", async () => {
    const path = files({ "small.cases.json": json(right) })
    const share = (2 * 100) / 5
    const [enough, short] = [
      await runHere("test", path("small.json"), "--threshold", String(share)),
      await runHere("test", path("small.json"), "--threshold", String(share + 0.1))
    ]
    assert.deepStrictEqual([enough.status, short.status], [0, 1])
    assert.match(short.stdout, /\ncoverage is below 40\.1%\n$/)
    const whole = json(
      right,
      { name: "rest", when: { request: { model: "b" } }, expect: { route: "default" } },
      { ...right, name: "outage", fails: { a: "overloaded" }, expect: { served: "b" } }
    )
    const all = files({ "small.cases.json": whole })
    assert.strictEqual((await runHere("test", all("small.json"), "--threshold", "100")).status, 0)
    const bad = await runHere("test", all("small.json"), "--threshold", "101")
    assert.deepStrictEqual([bad.status, bad.stderr], [2, "--threshold: expected a percentage from 0 to 100, but found `101`\n"])
  })

  it("runs the cases whose names contain a text", async () => {
    const path = files({ "small.cases.json": json(right, wrong) })
    const [one, none] = [
      await runHere("test", path("small.json"), "--filter", "IS A"),
      await runHere("test", path("small.json"), "--filter", "nothing")
    ]
    assert.deepStrictEqual([one.status, none.status, none.stderr], [0, 2, "--filter: no name of 2 cases contains `nothing`\n"])
    assert.include(one.stdout, "1 case, all as expected")
  })

  it("prints verdicts and coverage as data", async () => {
    const path = files({ "small.cases.json": json(right, wrong) })
    const { status, stderr, stdout } = await runHere("test", path("small.json"), "--json")
    const report = JSON.parse(stdout) as Record<string, any>
    assert.deepStrictEqual([status, stderr, report["passed"]], [1, "", false])
    assert.deepStrictEqual(
      report["cases"].map(({ differences, file, name, passed, place, trace }: any) => [
        name,
        file,
        place,
        passed,
        differences,
        Array.isArray(trace)
      ]),
      [
        ["chat is a", path("small.cases.json"), "cases[0]", true, [], false],
        ["chat is b", path("small.cases.json"), "cases[1]", false, [{ field: "served", expected: "b", got: "a" }], true]
      ]
    )
    assert.deepStrictEqual(report["cases"][0].got, {
      route: "chat",
      decision: "chat",
      tried: ["a"],
      served: "a",
      status: 200,
      code: null,
      rejected: {}
    })
    assert.strictEqual(report["coverage"].points.length, 5)
    assert.isNumber(report["millis"])
  })

  it("says what to write where there are no cases, and that can be pasted", async () => {
    const path = files({})
    const { status, stderr, stdout } = await runHere("test", path("small.json"))
    assert.deepStrictEqual([status, stdout], [2, ""])
    const [first, source] = [stderr.split("\n")[0], stderr.slice(stderr.indexOf("import "))]
    assert.strictEqual(first, `there are no cases beside \`${path("small.json")}\`; begin with \`${path("small.cases.ts")}\`:`)
    const pasted = files({ "small.cases.ts": source })
    assert.strictEqual((await runHere("test", pasted("small.json"))).status, 0)
  })

  it("says what is wrong with a file of cases, and where", async () => {
    const places = files({ "small.cases.yaml": "cases:\n  - name: x\n    when: { request: { modl: chat } }\n    expect: { served: a }\n" })
    const misspelt = await runHere("test", places("small.json"))
    assert.deepStrictEqual(
      [misspelt.status, misspelt.stderr],
      [2, `${places("small.cases.yaml")}:3:30: cases[0].when.request.modl: unknown field \`modl\`; did you mean \`model\`?\n`]
    )
    const empty = files({ "small.cases.ts": "export const cases = 1\n" })
    assert.strictEqual(
      (await runHere("test", empty("small.json"))).stderr,
      `\`${empty("small.cases.ts")}\` has no default export: expected \`export default cases({ … })\`\n`
    )
    const broken = files({ "small.cases.json": "{" })
    assert.include((await runHere("test", broken("small.json"))).stderr, `${broken("small.cases.json")}:1:2`)
  })

  it("refuses a policy that does not check", async () => {
    const path = directory({ "bad.json": JSON.stringify({ ...policy, routes: [{ name: "x", to: "z" }] }), "bad.cases.json": json(right) })
    const { status, stderr } = await runHere("test", path("bad.json"))
    assert.strictEqual(status, 1)
    assert.include(stderr, "error[unknown-target]")
    assert.include(stderr, "does not check")
  })

  it("passes for the policies of this repository, as the command that people run", async () => {
    for (const name of ["quickstart", "teams"]) {
      const { status, stdout } = await runCli(["test", `policies/${name}.ts`, "--threshold", "100"])
      assert.deepStrictEqual([name, status], [name, 0], stdout)
    }
  })
})
