/** `--under`: an organisation's file laid over a policy on the command line, in every command that takes one, and while it is served. */
import { writeFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { stringify } from "yaml"
import type { Finding } from "../../src/Finding.ts"
import { lay } from "../../src/Layers.ts"
import type { PolicyEncoded } from "../../src/Policy.ts"
import {
  asking,
  compiledOf,
  completion,
  directory,
  json,
  policyOver,
  runCli,
  runHere,
  type ScriptedUpstream,
  send,
  startCli,
  startUpstream
} from "../http/support.ts"

const keys = { ONE_KEY: "sk-one-0123456789", TWO_KEY: "sk-two-0123456789" }
const pair = { one: { baseUrl: "http://127.0.0.1:1/v1" }, two: { baseUrl: "http://127.0.0.1:2/v1" } }
const failover = { _tag: "First", of: ["one", "two"] } as const
const team = policyOver(pair, failover)

/** A layer that forbids targets. */
const forbidding = (...targets: ReadonlyArray<string>) => ({
  name: "acme",
  guards: [{ name: "not-these", forbid: { targets } }]
})

const organisationTs = (targets: string, more = ""): string => `import { organisation } from "turnout"

export default organisation({
  name: "acme",
  guards: ({ request }) => [{ name: "not-these", forbid: { targets: ${targets} }${more} }]
})
`

const hashOf = (policy: PolicyEncoded, ...layers: ReadonlyArray<unknown>): string =>
  compiledOf(layers.reduceRight((under: unknown, layer) => lay(layer, under), policy) as PolicyEncoded).hash

describe("--under", () => {
  it("build prints one artefact with the layers in it, however they are written, and the hash covers them", async () => {
    const file = directory({
      "team.json": JSON.stringify(team),
      "acme.ts": organisationTs(`["one"]`),
      "acme.json": JSON.stringify(forbidding("one")),
      "acme.yaml": stringify(forbidding("one")),
      "holding.json": JSON.stringify({ name: "holding" })
    })
    const build = (...more: ReadonlyArray<string>) => runHere("build", file("team.json"), ...more)
    const [alone, ts, js, yaml, both, hashed] = await Promise.all([
      build(),
      build("--under", file("acme.ts")),
      build("--under", file("acme.json")),
      build("--under", file("acme.yaml")),
      build("--under", file("holding.json"), "--under", file("acme.yaml")),
      build("--under", file("acme.ts"), "--hash")
    ])
    for (const { status } of [alone, ts, js, yaml, both, hashed]) assert.strictEqual(status, 0)
    assert.notStrictEqual(alone.stdout, ts.stdout)
    assert.deepStrictEqual([js, yaml], [ts, ts])
    assert.strictEqual(ts.stderr, `sha256 ${hashOf(team, forbidding("one"))}\n`)
    assert.strictEqual(hashed.stdout, `${hashOf(team, forbidding("one"))}\n`)
    const layers = (stdout: string) => (JSON.parse(stdout) as { layers: ReadonlyArray<{ name: string }> }).layers.map(({ name }) => name)
    assert.deepStrictEqual([layers(alone.stdout), layers(ts.stdout), layers(both.stdout)], [[], ["acme"], ["holding", "acme"]])

    // The artefact is served under the same file as it is without it.
    writeFileSync(file("built.json"), ts.stdout)
    const again = await runHere("build", file("built.json"), "--under", file("acme.ts"))
    assert.deepStrictEqual(again, ts)
  })

  it("a policy that has layers of its own gets the organisation's all the same", async () => {
    const empty: PolicyEncoded = { ...team, layers: [] }
    const own: PolicyEncoded = { ...team, layers: [{ name: "mine", guards: [{ name: "mild", forbid: { vendors: ["router"] } }] }] }
    const twin: PolicyEncoded = { ...team, layers: [{ name: "acme" }] }
    const file = directory({
      "empty.json": JSON.stringify(empty),
      "own.json": JSON.stringify(own),
      "twin.json": JSON.stringify(twin),
      "acme.json": JSON.stringify(forbidding("one")),
      "request.json": asking({ model: "one" })
    })
    for (const [name, policy] of [["empty.json", empty] as const, ["own.json", own] as const]) {
      const [built, explained] = await Promise.all([
        runHere("build", file(name), "--under", file("acme.json"), "--hash"),
        runHere("explain", file(name), "--under", file("acme.json"), "--request", file("request.json"))
      ])
      assert.strictEqual(built.stdout, `${hashOf(policy, forbidding("one"))}\n`)
      assert.include(explained.stdout, "guard `not-these` of `acme` keeps `one` out")
    }
    // Nor does one of the same name take its place.
    const { status, stdout } = await runHere("check", file("twin.json"), "--under", file("acme.json"))
    assert.strictEqual(status, 1)
    assert.match(stdout, /twin\.json:\d+:\d+: layers\[1\] "acme"/)
  })

  it("a finding in a layer has its place in the policy, and in the layer's own file", async () => {
    const wrong = {
      name: "acme",
      guards: [{ name: "odd", when: { "===": [{ var: "request.modle" }, "x"] }, forbid: { targets: ["one"] } }]
    }
    const text = JSON.stringify(wrong, null, 2)
    const mine = JSON.stringify({ ...team, layers: [{ name: "mine", gaurds: [] }] }, null, 2)
    const file = directory({
      "team.json": mine,
      "sound.json": JSON.stringify(team, null, 2),
      "holding.json": JSON.stringify({ name: "holding" }),
      "acme.json": text,
      "acme.ts": organisationTs(`["one"]`, `, when: { "===": [{ var: "request.modle" }, "x"] } as never`)
    })
    const line = text.slice(0, text.indexOf(`"var"`)).split("\n").length
    const place = `layers[1] "acme".guards[0] "odd".when`
    const [placed, code, data, sarif, own] = await Promise.all([
      runHere("check", file("sound.json"), "--under", file("holding.json"), "--under", file("acme.json")),
      runHere("check", file("sound.json"), "--under", file("acme.ts")),
      runHere("check", file("sound.json"), "--under", file("holding.json"), "--under", file("acme.json"), "--json"),
      runHere("check", file("sound.json"), "--under", file("holding.json"), "--under", file("acme.json"), "--format", "sarif"),
      runHere("check", file("team.json"), "--under", file("holding.json"))
    ])
    for (const { status } of [placed, code, data, sarif, own]) assert.strictEqual(status, 1)
    assert.include(placed.stdout, `error[unknown-fact] ${file("acme.json")}:${line}:`)
    assert.include(placed.stdout, `: ${place}`)
    assert.include(code.stdout, `error[unknown-fact] ${file("acme.ts")}: layers[0] "acme".guards[0] "not-these".when`)
    const { findings } = JSON.parse(data.stdout) as { readonly findings: ReadonlyArray<Finding & { file?: string; line?: number }> }
    const finding = findings.find(({ code }) => code === "unknown-fact")!
    assert.deepInclude(finding, { file: file("acme.json"), line })
    assert.isTrue(finding.place.startsWith(place))
    const log = JSON.parse(sarif.stdout) as {
      runs: [{ results: ReadonlyArray<{ ruleId: string; locations: [{ physicalLocation: object }] }> }]
    }
    const result = log.runs[0].results.find(({ ruleId }) => ruleId === "unknown-fact")!
    assert.deepNestedInclude(result, {
      "locations[0].physicalLocation.artifactLocation.uri": `file://${file("acme.json")}`,
      "locations[0].physicalLocation.region.startLine": line
    })
    // The policy's own layer stands where the policy has it, and not where laying has moved it to.
    const gaurds = mine.slice(0, mine.indexOf(`"gaurds"`)).split("\n").length
    assert.include(own.stdout, `error[unknown-field] ${file("team.json")}:${gaurds}:`)
    assert.include(own.stdout, `layers[1] "mine".gaurds`)
  })

  it("a file that is no layer is refused in its own name", async () => {
    const file = directory({
      "team.json": JSON.stringify(team),
      "list.json": "[1]",
      "policy.json": JSON.stringify(team),
      "named.ts": `export const acme = 1\n`,
      "misspelt.json": `{ "name": "acme", "gaurds": [] }`,
      "throws.ts": `throw new Error("no luck")\n`
    })
    const build = (name: string) => runHere("build", file("team.json"), "--under", file(name))
    const [missing, list, policy, named, misspelt, throws] = await Promise.all(
      ["nowhere.ts", "list.json", "policy.json", "named.ts", "misspelt.json", "throws.ts"].map(build)
    )
    for (const run of [missing, list, policy, named, throws]) assert.deepStrictEqual([run!.status, run!.stdout], [2, ""])
    // A layer that can be read, and has findings.
    assert.deepStrictEqual([misspelt!.status, misspelt!.stdout], [1, ""])
    const expected = "expected `export default organisation({ name, guards, budgets })`"
    assert.include(missing!.stderr, `\`${file("nowhere.ts")}\` cannot be laid over a policy: there is no such file; ${expected}`)
    assert.include(list!.stderr, `\`${file("list.json")}\` cannot be laid over a policy: it holds \`[1]\`; ${expected}`)
    assert.include(policy!.stderr, "it has `routes`, so it is a policy and not an organisation's layer")
    assert.include(named!.stderr, "it has no default export")
    assert.include(misspelt!.stderr, `error[unknown-field] ${file("misspelt.json")}:1:`)
    assert.include(misspelt!.stderr, "did you mean `guards`")
    assert.include(throws!.stderr, "no luck")
  })

  it("runs as a command of its own, and simulates what the layer leaves", async () => {
    const file = directory({
      "team.json": JSON.stringify(policyOver(pair, { _tag: "Asked" })),
      "acme.ts": organisationTs(`["one"]`),
      "traffic.jsonl": `{"traffic":1}\n{"time":0,"model":"one","inputTokens":10,"outputTokens":10}\n`
    })
    const simulate = (...more: ReadonlyArray<string>) =>
      runCli(["simulate", file("team.json"), "--traffic", file("traffic.jsonl"), ...more])
    const [alone, under] = await Promise.all([simulate(), simulate("--under", file("acme.ts"))])
    assert.deepStrictEqual([alone.status, under.status], [0, 0], alone.stderr + under.stderr)
    assert.notInclude(alone.stdout, "guard_forbids")
    assert.include(under.stdout, "guard_forbids")
  })
})

describe("serve --under", () => {
  const begin = async (layer: string, name = "acme.json", policy?: (ups: Record<"one" | "two", ScriptedUpstream>) => PolicyEncoded) => {
    const ups = { one: await startUpstream(json(completion("One"))), two: await startUpstream(json(completion("Two"))) }
    const written = policy?.(ups) ?? policyOver(ups, failover)
    const at = directory({ "policy.json": JSON.stringify(written, null, 2), [name]: layer })
    const cli = await startCli(["serve", at("policy.json"), "--under", at(name), "--port", "0", "--data", at("data")], keys)
    const target = async () => (await send(cli, { body: asking() })).headers["x-turnout-target"]
    return { at, cli, target, written, save: (text: string) => writeFileSync(at(name), text) }
  }

  it("the layer holds, an edit of it is reloaded, and one that does not check never replaces one that does", async () => {
    const { cli, save, target, written } = await begin(JSON.stringify(forbidding("one")))
    assert.strictEqual(await target(), "two")
    const kept = hashOf(written, forbidding("one")).slice(0, 12)

    save(JSON.stringify({ ...forbidding("one"), gaurds: [] }, null, 2))
    await cli.tells(`RELOAD REFUSED, keeping the policy ${kept}:`)
    await cli.tells(/acme\.json:\d+:\d+: layers\[0\] "acme"\.gaurds/)
    assert.strictEqual(await target(), "two")

    save(`{ "name": `)
    await cli.tells(`RELOAD FAILED, keeping the policy ${kept}:`)
    assert.strictEqual(await target(), "two")

    save("[]")
    await cli.tells("cannot be laid over a policy: it holds `[]`")
    assert.strictEqual(await target(), "two")

    save(JSON.stringify(forbidding("two")))
    await cli.tells("reloaded")
    assert.strictEqual(await target(), "one")
  })

  it("a budget that only the layer has is kept, from the start and from a reload on", async () => {
    const priced = (ups: Record<"one" | "two", ScriptedUpstream>): PolicyEncoded => {
      const policy = policyOver(ups, "one")
      const price = { input: { usd: 1 }, output: { usd: 4 } }
      return { ...policy, targets: { one: { ...policy.targets["one"]!, price, maxOutputTokens: 100 } } }
    }
    const capped = (dollars: number) =>
      JSON.stringify({ name: "acme", budgets: { all: { per: "key", limit: { usd: dollars }, every: "month" } } })
    const status = async (cli: { readonly port: number }) => (await send(cli, { body: asking() })).status
    const [kept, gained] = await Promise.all([
      begin(capped(5), "acme.json", priced),
      begin(JSON.stringify({ name: "acme" }), "acme.json", priced)
    ])
    assert.deepStrictEqual([await status(kept.cli), await status(gained.cli)], [200, 200])
    gained.save(capped(5))
    await gained.cli.tells("reloaded")
    assert.strictEqual(await status(gained.cli), 200)
    gained.save(capped(0))
    await gained.cli.tells(/reloaded[^]*reloaded/)
    assert.strictEqual(await status(gained.cli), 402)
  })

  it("an edited policy stays under it", async () => {
    const { at, cli, target, written } = await begin(organisationTs(`["one"]`), "acme.ts")
    assert.strictEqual(await target(), "two")
    const next: PolicyEncoded = { ...written, name: "escaping", layers: [], guards: [] }
    writeFileSync(at("policy.json"), JSON.stringify(next))
    await cli.tells("reloaded")
    const { headers } = await send(cli, { body: asking() })
    assert.strictEqual(headers["x-turnout-target"], "two")
    assert.strictEqual(headers["x-turnout-policy"], hashOf(next, forbidding("one")).slice(0, 12))
  })

  it("the environment's policy is laid under it too, and the layer is watched", async () => {
    const at = directory({ "acme.json": JSON.stringify({ name: "acme" }) })
    const env = { OPENAI_API_KEY: "sk-openai-0123456789" }
    const cli = await startCli(["serve", "--under", at("acme.json"), "--port", "0"], env, { cwd: at(".") })
    const guard = { name: "nothing", forbid: { providers: ["openai"] } }
    writeFileSync(at("acme.json"), JSON.stringify({ name: "acme", guards: [{ ...guard, when: { var: "request.stream" } }] }))
    await cli.tells("reloaded")
    const { json: body, status } = await send(cli, { body: asking({ model: "openai/gpt-4o-mini", stream: true }) })
    assert.strictEqual(status, 403)
    assert.include(JSON.stringify(body), "guard `nothing` of `acme` keeps")
  })
})
