/**
 * SARIF logs hold what was found, and are what SARIF 2.1.0 says: the essential constraints of its JSON schema, object by object, with no property that it does not know.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { check, codes } from "../src/Check.ts"
import type { Finding, Path } from "../src/Finding.ts"
import { sarif, uriOf } from "../src/Sarif.ts"

type Json = { readonly [key: string]: any }
type Shape = (value: any, at: string) => void

const text: Shape = (value, at) => assert.isString(value, at)
const oneOf =
  (...values: ReadonlyArray<unknown>): Shape =>
  (value, at) =>
    assert.include(values, value, at)
const counted =
  (from: number): Shape =>
  (value, at) => {
    assert.isTrue(Number.isInteger(value), at)
    assert.isAtLeast(value as number, from, at)
  }
const list =
  (of: Shape): Shape =>
  (value, at) => {
    assert.isArray(value, at)
    for (const [i, item] of (value as ReadonlyArray<unknown>).entries()) of(item, `${at}[${i}]`)
  }
/** An object with no other properties; those whose names end in `!` must be there. */
const object = (fields: Readonly<Record<string, Shape>>): Shape => {
  const known = new Map(Object.entries(fields).map(([name, shape]) => [name.replace("!", ""), { shape, required: name.endsWith("!") }]))
  return (value, at) => {
    assert.isObject(value, at)
    for (const [name, { required }] of known) if (required) assert.property(value, name, at)
    for (const [name, inner] of Object.entries(value as Json)) {
      assert.isTrue(known.has(name), `${at}.${name} is no property of SARIF`)
      known.get(name)!.shape(inner, `${at}.${name}`)
    }
  }
}
const message = object({ "text!": text })
const uriReference: Shape = (value, at) => {
  text(value, at)
  assert.doesNotThrow(() => new URL(value as string, "file:///here/"), at)
  assert.match(value as string, /^[\w\-.~:/?#[\]@!$&'()*+,;=%]+$/, at)
}
const location = object({
  physicalLocation: object({
    "artifactLocation!": object({ "uri!": uriReference }),
    region: object({ "startLine!": counted(1), startColumn: counted(1) })
  }),
  logicalLocations: list(object({ fullyQualifiedName: text }))
})
const levels = ["none", "note", "warning", "error"]
const log = object({
  $schema: uriReference,
  "version!": oneOf("2.1.0"),
  "runs!": list(
    object({
      "tool!": object({
        "driver!": object({
          "name!": text,
          semanticVersion: (value, at) => assert.match(value as string, /^\d+\.\d+\.\d+/, at),
          rules: list(
            object({
              "id!": text,
              shortDescription: message,
              defaultConfiguration: object({ level: oneOf(...levels) }),
              properties: object({ tags: list(text) })
            })
          )
        })
      }),
      columnKind: oneOf("utf16CodeUnits", "unicodeCodePoints"),
      results: list(
        object({
          ruleId: text,
          ruleIndex: counted(0),
          level: oneOf(...levels),
          "message!": message,
          locations: list(location),
          suppressions: list(object({ "kind!": oneOf("inSource", "external"), justification: text, location })),
          properties: (value, at) => assert.isObject(value, at)
        })
      )
    })
  )
})

const policy = {
  name: "test",
  providers: { openai: { dialect: "openai", key: { env: "OPENAI_API_KEY" } } },
  targets: { mini: { provider: "openai", model: "small-1" }, big: { provider: "openai", model: "large-1" } },
  pools: { p: { by: "cost", of: ["mini"] }, q: { by: "cost", of: ["big"] } },
  accept: [{ finding: "pool-unused", at: "pools.q", because: "it comes next week" }],
  routes: [{ name: "default", to: { _tag: "First", of: ["mini", "bgi"] } }]
}
const places = new Map([
  ["routes,0,to,of,1", { line: 12, column: 7 }],
  ["accept,0", { line: 9, column: 3 }]
])
const locate = (path: Path) => places.get(path.join(","))
const input = { version: "1.2.3", uri: "a/policy.json", codes, locate }
const run = (of: object): Json => {
  log(of, "log")
  return (of as Json)["runs"][0] as Json
}

describe("sarif", () => {
  it("says what was found and where, and suppresses what is accepted", () => {
    const checked = check(policy)
    const findings = checked.findings.filter(({ code }) => codes[code]!.family === "names")
    const accepted = checked.accepted
    const { results, tool } = run(sarif({ ...input, findings, accepted }))
    const rules = tool.driver.rules as ReadonlyArray<Json>
    assert.deepStrictEqual(results, [
      {
        ruleId: "unknown-target",
        ruleIndex: rules.findIndex(({ id }) => id === "unknown-target"),
        level: "error",
        message: { text: "unknown target `bgi`; did you mean `big`?" },
        locations: [
          {
            physicalLocation: { artifactLocation: { uri: "a/policy.json" }, region: { startLine: 12, startColumn: 7 } },
            logicalLocations: [{ fullyQualifiedName: 'routes[0] "default".to.first[1]' }]
          }
        ]
      },
      {
        ruleId: "pool-unused",
        ruleIndex: rules.findIndex(({ id }) => id === "pool-unused"),
        level: "warning",
        message: { text: "no route uses pool `p`; use it, or leave it out" },
        locations: [
          { physicalLocation: { artifactLocation: { uri: "a/policy.json" } }, logicalLocations: [{ fullyQualifiedName: "pools.p" }] }
        ]
      },
      {
        ruleId: "pool-unused",
        ruleIndex: rules.findIndex(({ id }) => id === "pool-unused"),
        level: "warning",
        message: { text: "no route uses pool `q`; use it, or leave it out" },
        locations: [
          { physicalLocation: { artifactLocation: { uri: "a/policy.json" } }, logicalLocations: [{ fullyQualifiedName: "pools.q" }] }
        ],
        suppressions: [
          {
            kind: "inSource",
            justification: "it comes next week",
            location: { physicalLocation: { artifactLocation: { uri: "a/policy.json" }, region: { startLine: 9, startColumn: 3 } } }
          }
        ]
      }
    ])
  })

  it("keeps the witness, and has no place where the whole policy is meant", () => {
    const finding: Finding = {
      code: "no-default",
      level: "note",
      path: [],
      place: "",
      message: "m",
      witness: { request: { stream: true } }
    }
    const [result] = run(sarif({ ...input, findings: [finding], accepted: [] }))["results"] as ReadonlyArray<Json>
    assert.deepStrictEqual(result!["properties"], { witness: { request: { stream: true } } })
    assert.deepStrictEqual(result!["locations"], [{ physicalLocation: { artifactLocation: { uri: "a/policy.json" } } }])
  })

  it("is SARIF whatever is found", () => {
    const place = fc.option(fc.record({ line: fc.integer({ min: 1 }), column: fc.integer({ min: 1 }) }), { nil: undefined })
    const finding: fc.Arbitrary<Finding> = fc.record(
      {
        code: fc.constantFrom(...Object.keys(codes)),
        level: fc.constantFrom("error", "warning", "note"),
        path: fc.array(fc.oneof(fc.string(), fc.nat())),
        place: fc.string(),
        message: fc.string({ unit: "binary" }),
        fix: fc.string(),
        witness: fc.constant({ as: "alice" })
      },
      { requiredKeys: ["code", "level", "path", "place", "message"] }
    )
    fc.assert(
      fc.property(fc.array(finding), fc.array(finding), place, fc.string({ unit: "binary", minLength: 1 }), (findings, lived, at, file) => {
        fc.pre(file.isWellFormed())
        const { results, tool } = run(
          sarif({
            ...input,
            uri: uriOf(file),
            findings,
            accepted: lived.map((finding) => ({ finding, because: "x", path: [] })),
            locate: () => at
          })
        )
        assert.lengthOf(results, findings.length + lived.length)
        for (const { ruleId, ruleIndex } of results as ReadonlyArray<Json>) assert.strictEqual(tool.driver.rules[ruleIndex].id, ruleId)
        assert.lengthOf(
          (results as ReadonlyArray<Json>).filter(({ suppressions }) => suppressions !== undefined),
          lived.length
        )
      })
    )
  })

  it("files as URIs", () => {
    assert.strictEqual(uriOf("policies/a b#1.ts"), "policies/a%20b%231.ts")
    assert.strictEqual(uriOf("/srv/müller.json"), "file:///srv/m%C3%BCller.json")
    assert.strictEqual(uriOf("C:\\policies\\team.yaml"), "file:///C:/policies/team.yaml")
  })
})
