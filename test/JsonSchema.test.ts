/** The JSON Schema takes every policy that decodes, and refuses the mistakes that an editor should mark. */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as fc from "fast-check"
import { load } from "../runtime/PolicyFile.ts"
import { jsonSchema } from "../src/JsonSchema.ts"
import { canonical, decode } from "../src/Policy.ts"
import { form } from "./forms.ts"
import { policy } from "./generators.ts"
import { faultOf } from "./jsonSchema.ts"

const schema = jsonSchema() as { readonly [keyword: string]: any }

const base = {
  name: "test",
  providers: { openai: { dialect: "openai" } },
  targets: { mini: { provider: "openai", model: "m" } },
  routes: [{ name: "default", to: "mini" }]
}
const to = (strategy: unknown) => ({ ...base, routes: [{ name: "default", to: strategy }] })

describe("the JSON Schema of policies", () => {
  it("says of itself what it is, describes every section, and is as plain as it can be", () => {
    assert.strictEqual(schema["$schema"], "https://json-schema.org/draft/2020-12/schema")
    for (const [name, field] of Object.entries(schema["properties"] as Record<string, { readonly description?: string }>)) {
      assert.match(field.description ?? "", /\.$/, name)
    }
    assert.notInclude(JSON.stringify(schema), "Infinity")
    assert.deepStrictEqual(Object.keys(schema["$defs"] as object), ["Strategy"])
  })

  const folder = join(import.meta.dirname, "../policies")
  for (const name of readdirSync(folder).filter((file) => /^[\w-]+\.(ts|json|yaml)$/.test(file) && !/\.(cases|providers)\./.test(file))) {
    it.effect(`takes policies/${name}, as it is written and as it is built`, () =>
      Effect.gen(function* () {
        const { json } = yield* load(join(folder, name))
        if (Result.isFailure(decode(json)) && name.endsWith(".json")) return
        assert.isUndefined(faultOf(schema, json))
        assert.isUndefined(faultOf(schema, JSON.parse(canonical(Result.getOrThrow(decode(json))))))
      })
    )
  }

  it("takes policies that mean something", () => {
    fc.assert(
      fc.property(policy, (json) => assert.isUndefined(faultOf(schema, JSON.parse(JSON.stringify(json))))),
      { numRuns: 200 }
    )
  })

  it("takes every form that the language has, as it is written and as it is built", () => {
    fc.assert(
      fc.property(form, (json) => {
        assert.isUndefined(faultOf(schema, { $schema: "./turnout.schema.json", ...json }))
        assert.isUndefined(faultOf(schema, JSON.parse(canonical(Result.getOrThrow(decode(json))))))
      }),
      { numRuns: 200 }
    )
  })

  it("refuses nothing that decodes, and most of what does not", () => {
    /** Everything inside `json`, with the way to put something else there. */
    const places = (json: unknown, put: (value: unknown) => unknown): ReadonlyArray<(value: unknown) => unknown> => [
      put,
      ...(Array.isArray(json)
        ? json.flatMap((value, i) => places(value, (other) => put(json.with(i, other))))
        : typeof json === "object" && json !== null
          ? Object.entries(json).flatMap(([key, value]) => places(value, (other) => put({ ...json, [key]: other })))
          : [])
    ]
    const seen = { decodes: 0, refused: 0, passed: 0 }
    fc.assert(
      fc.property(
        form,
        fc.nat(),
        fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.constantFrom("mini", "none", 5, {}, [], "1 seconds")),
        (json, at, other) => {
          const all = places(json, (value) => value)
          const changed = all[at % all.length]!(other)
          const fault = faultOf(schema, changed)
          if (Result.isSuccess(decode(changed))) {
            assert.isUndefined(fault)
            seen.decodes++
          } else seen[fault === undefined ? "passed" : "refused"]++
        }
      ),
      { numRuns: 400 }
    )
    assert.isAbove(seen.decodes, 20)
    assert.isAbove(seen.refused, 30 * seen.passed)
  })

  const mistakes: Readonly<Record<string, readonly [policy: unknown, at: string]>> = {
    "an unknown section": [{ ...base, target: {} }, ".target"],
    "no routes": [{ ...base, routes: [] }, ".routes: minItems"],
    "a name with a dot": [{ ...base, targets: { "a.b": { provider: "openai", model: "m" } } }, ".targets.a.b"],
    "a field that is missing": [{ ...base, targets: { mini: { provider: "openai" } } }, ".targets.mini.model: required"],
    "a key instead of its variable": [
      { ...base, providers: { openai: { dialect: "openai", keys: ["sk-1"] } } },
      ".providers.openai.keys[0]: anyOf"
    ],
    "a list of no keys": [{ ...base, providers: { openai: { dialect: "openai", keys: [] } } }, ".providers.openai.keys: minItems"],
    "an unknown dialect": [{ ...base, providers: { openai: { dialect: "openia" } } }, ".providers.openai.dialect: enum"],
    "a strategy that is none": [to({ _tag: "Frist", of: ["mini"] }), ".routes[0].to: anyOf"],
    "a member of a spread that is no target": [to({ _tag: "Spread", by: "cost", of: [{ _tag: "Asked" }] }), ".routes[0].to: anyOf"],
    "a retry that tries once": [to({ _tag: "Retry", attempts: 1, of: "mini" }), ".routes[0].to: anyOf"],
    "a header in upper case": [to({ _tag: "Send", target: "mini", set: { headers: { "X-App": "a" } } }), ".routes[0].to: anyOf"],
    "a duration in other words": [{ ...base, timeouts: { total: "5 secs" } }, ".timeouts.total: anyOf"],
    "money without its unit": [{ ...base, effort: { dollars: 5 } }, ".effort.dollars: anyOf"],
    "a guard by something that there is not": [
      { ...base, guards: [{ name: "g", forbid: { provider: ["a"] } }] },
      ".guards[0].forbid.provider"
    ],
    "an empty list in a guard": [{ ...base, guards: [{ name: "g", forbid: { tags: [] } }] }, ".guards[0].forbid.tags: minItems"],
    "an accepted finding without a reason": [{ ...base, accept: [{ finding: "pool-unused" }] }, ".accept[0].because: required"],
    "a `$schema` that is none": [{ ...base, $schema: 5 }, ".$schema: type"]
  }
  for (const [name, [json, at]] of Object.entries(mistakes)) {
    it(`refuses ${name}`, () => assert.strictEqual(faultOf(schema, json), at))
  }
})
