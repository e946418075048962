/** `turnout check` and `turnout schema`: what they print in each format, where they put it, and their exit status. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { parse, stringify } from "yaml"
import { codes } from "../../src/Check.ts"
import type { Finding } from "../../src/Finding.ts"
import type { PolicyEncoded } from "../../src/Policy.ts"
import { directory, runHere } from "../http/support.ts"

const sound: PolicyEncoded = {
  name: "acme",
  providers: {
    openai: { dialect: "openai", key: { env: "OPENAI_API_KEY" } },
    anthropic: { dialect: "anthropic", key: { env: "ANTHROPIC_API_KEY" } }
  },
  targets: { small: { provider: "openai", model: "small-1" }, large: { provider: "anthropic", model: "large-1" } },
  routes: [{ name: "default", to: { _tag: "First", of: ["large", "small"] } }]
}
/** A warning, one accepted, and a note. */
const lax = {
  ...sound,
  pools: { p: { by: "cost", of: ["small"] }, q: { by: "cost", of: ["large"] } },
  accept: [{ finding: "pool-unused", at: "pools.q", because: "it comes next week" }],
  commit: "headers"
}
const broken = { ...lax, routes: [{ name: "default", to: "smal" }] }

describe("check", () => {
  it("prints errors and warnings, counts the rest, and shows it where asked", async () => {
    const file = directory({ "policy.json": JSON.stringify(lax) })
    const [usual, all] = await Promise.all([
      runHere("check", file("policy.json")),
      runHere("check", file("policy.json"), "--notes", "--accepted")
    ])
    assert.deepStrictEqual([usual.status, all.status], [0, 0])
    const [warning, summary, ...rest] = usual.stdout.trimEnd().split("\n")
    assert.include(warning, `warning[pool-unused] ${file("policy.json")}:1:`)
    assert.include(warning, "pools.p: no route uses pool `p`; use it, or leave it out")
    assert.match(
      summary!,
      /policy\.json: 1 route, 2 targets, 1 warning, 1 note \(--notes shows it\), 1 accepted \(--accepted shows it\), policy [0-9a-f]{12}$/
    )
    assert.deepStrictEqual(rest, [])
    const lines = all.stdout.trimEnd().split("\n")
    assert.lengthOf(lines, 5)
    assert.match(lines[1]!, /^note\[commit-forestalls-failover\] /)
    assert.match(lines[2]!, /^accepted warning\[pool-unused\] .* pools\.q: no route uses pool `q`/)
    assert.strictEqual(lines[3], "    because  it comes next week")
    assert.match(lines[4]!, /1 warning, 1 note, 1 accepted, policy/)
  })

  it("notes and what is accepted never fail it, however strict", async () => {
    const noted = { ...sound, commit: "headers" }
    const accepted = { ...lax, accept: [{ finding: "pool-unused", because: "x" }] }
    const file = directory({
      "noted.json": JSON.stringify(noted),
      "accepted.json": JSON.stringify(accepted),
      "lax.json": JSON.stringify(lax)
    })
    const runs = await Promise.all(["noted", "accepted", "lax"].map((name) => runHere("check", file(`${name}.json`), "--strict")))
    assert.deepStrictEqual(
      runs.map(({ status }) => status),
      [0, 0, 1]
    )
    assert.include(runs[0]!.stdout, "no warnings, 1 note (--notes shows it)")
  })

  it("JSON has everything, by both names of the option", async () => {
    const file = directory({ "policy.json": JSON.stringify(lax) })
    const [json, format] = await Promise.all([
      runHere("check", file("policy.json"), "--json"),
      runHere("check", file("policy.json"), "--format", "json")
    ])
    assert.deepStrictEqual(json, format)
    const { accepted, findings, hash } = JSON.parse(json.stdout) as {
      readonly hash: string
      readonly findings: ReadonlyArray<Finding & { readonly line: number }>
      readonly accepted: ReadonlyArray<Finding & { readonly line: number; readonly because: string }>
    }
    assert.match(hash, /^[0-9a-f]{64}$/)
    assert.deepStrictEqual(
      findings.map(({ code, level, line }) => [code, level, line]),
      [
        ["pool-unused", "warning", 1],
        ["commit-forestalls-failover", "note", 1]
      ]
    )
    assert.deepStrictEqual(
      accepted.map(({ because, code, place }) => [code, place, because]),
      [["pool-unused", "pools.q", "it comes next week"]]
    )
  })

  it("SARIF into a file, with lines for YAML and without for TypeScript; the exit status is the same", async () => {
    const file = directory({
      "policy.yaml": stringify(broken),
      "policy.ts": `export default ${JSON.stringify(broken)}\n`
    })
    const runs = await Promise.all(
      ["yaml", "ts"].map((kind) => runHere("check", file(`policy.${kind}`), "--format", "sarif", "--output", file(`${kind}.sarif`)))
    )
    for (const run of runs) assert.deepStrictEqual(run, { status: 1, stdout: "", stderr: "" })
    const [yaml, ts] = ["yaml", "ts"].map((kind) => {
      const { runs } = JSON.parse(readFileSync(file(`${kind}.sarif`), "utf8")) as { readonly runs: ReadonlyArray<any> }
      const { results, tool } = runs[0]
      assert.lengthOf(tool.driver.rules, Object.keys(codes).length)
      return (results as ReadonlyArray<any>).find(({ ruleId }) => ruleId === "unknown-target")
    })
    const line =
      stringify(broken)
        .split("\n")
        .findIndex((text) => text.includes("to: smal")) + 1
    assert.deepStrictEqual(yaml.locations[0].physicalLocation.region, { startLine: line, startColumn: 9 })
    assert.match(yaml.locations[0].physicalLocation.artifactLocation.uri, /policy\.yaml$/)
    assert.notProperty(ts.locations[0].physicalLocation, "region")
    assert.match(ts.locations[0].physicalLocation.artifactLocation.uri, /policy\.ts$/)
    assert.deepStrictEqual(yaml.locations[0].logicalLocations, ts.locations[0].logicalLocations)
  })

  it("who reaches what, and the worst case of each route, where asked", async () => {
    const file = directory({ "policy.json": JSON.stringify(sound) })
    const [text, json, neither] = await Promise.all([
      runHere("check", file("policy.json"), "--reach", "--costs"),
      runHere("check", file("policy.json"), "--reach", "--costs", "--json"),
      runHere("check", file("policy.json"), "--json")
    ])
    assert.match(text.stdout, /^ +large +large-1 +anthropic +- +routes\[0\] "default"\.to\.first\[0\]/m)
    assert.match(text.stdout, /^ +default +2 +240 s +unknown$/m)
    const { costs, reach } = JSON.parse(json.stdout) as { readonly costs: ReadonlyArray<object>; readonly reach: ReadonlyArray<object> }
    assert.deepStrictEqual([costs.length, reach.length], [1, 1])
    assert.doesNotHaveAnyKeys(JSON.parse(neither.stdout) as object, ["costs", "reach"])
  })

  it("a file that cannot be written, and a format that there is not", async () => {
    const file = directory({ "policy.json": JSON.stringify(sound) })
    const [output, format] = await Promise.all([
      runHere("check", file("policy.json"), "--output", file("nowhere/x.json")),
      runHere("check", file("policy.json"), "--format", "xml")
    ])
    assert.deepStrictEqual([output.status, output.stdout], [1, ""])
    assert.include(output.stderr, `cannot write \`${file("nowhere/x.json")}\``)
    assert.strictEqual(format.status, 2)
    assert.include(format.stderr, "sarif")
  })

  it("the codes, without a policy", async () => {
    const { status, stderr, stdout } = await runHere("check", "--codes")
    assert.deepStrictEqual([status, stderr], [0, ""])
    const lines = stdout.trimEnd().split("\n")
    assert.lengthOf(lines, Object.keys(codes).length)
    assert.isTrue(lines.some((line) => /^pool-unused +warning +names +a pool that no route uses$/.test(line)))
  })
})

describe("schema", () => {
  it("prints JSON Schema, and a file that names it is the same policy", async () => {
    const named = { $schema: "./turnout.schema.json", ...sound }
    const file = directory({
      "plain.json": JSON.stringify(sound),
      "named.json": JSON.stringify(named),
      "named.yaml": `# yaml-language-server: $schema=turnout.schema.json\n${stringify(named)}`,
      "wrong.json": JSON.stringify({ ...sound, $schema: 5 })
    })
    const [schema, plain, json, yaml, wrong] = await Promise.all([
      runHere("schema"),
      runHere("build", file("plain.json")),
      runHere("build", file("named.json")),
      runHere("build", file("named.yaml")),
      runHere("check", file("wrong.json"))
    ])
    const { $schema, properties, required } = JSON.parse(schema.stdout) as { readonly [key: string]: any }
    assert.strictEqual($schema, "https://json-schema.org/draft/2020-12/schema")
    assert.includeMembers(required, ["name", "providers", "targets", "routes"])
    assert.includeMembers(Object.keys(properties), ["$schema", "guards", "layers", "pools", "accept"])
    assert.strictEqual(plain.status, 0)
    assert.deepStrictEqual(json, plain)
    assert.deepStrictEqual(yaml, plain)
    assert.notProperty(parse(plain.stdout), "$schema")
    assert.include(wrong.stdout, "`$schema` is not a field here")
  })
})
