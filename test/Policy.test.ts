/** The law of the artefact: what a policy is built to builds to itself, whatever it holds and however it was written. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { canonical, decode, hash, type PolicyEncoded } from "../src/Policy.ts"
import { form } from "./forms.ts"
import { policy as valid } from "./generators.ts"

const read = (json: unknown) => Result.getOrThrow(decode(json))

const tagsIn = (json: unknown): ReadonlyArray<string> =>
  typeof json !== "object" || json === null
    ? []
    : [...("_tag" in json && typeof json._tag === "string" ? [json._tag] : []), ...Object.values(json).flatMap(tagsIn)]

describe("build → JSON → build", () => {
  const law = (encoded: PolicyEncoded): void => {
    const policy = read(encoded)
    const text = canonical(policy)
    const again = read(JSON.parse(text))
    assert.deepStrictEqual(again, policy)
    assert.strictEqual(canonical(again), text)
    assert.strictEqual(hash(again), hash(policy))
  }

  it("is the identity, of every form that the language has", () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(form, (encoded) => {
        law(encoded)
        for (const name of [...Object.keys(encoded), ...tagsIn(encoded)]) seen.add(name)
      }),
      { numRuns: 300 }
    )
    const tags = ["Send", "Asked", "Deny", "First", "Split", "Spread", "Pool", "When", "Hedge", "Within", "Retry"]
    for (const name of [...tags, "layers", "guards", "pools", "accept", "effort", "timeouts", "commit", "translation", "zone", "tags"]) {
      assert.isTrue(seen.has(name), `no policy had \`${name}\``)
    }
  })

  it("is the identity, of policies that mean something", () => {
    fc.assert(fc.property(valid, law), { numRuns: 100 })
  })

  it("has every default in it, so that a later version cannot change what a policy means", () => {
    const defaulted = JSON.parse(canonical(read({ name: "a", providers: {}, targets: {}, routes: [{ name: "r", to: "x" }] }))) as object
    assert.deepStrictEqual(defaulted, {
      accept: [],
      aliases: {},
      budgets: {},
      classes: {},
      commit: "first-content",
      effort: { attempts: 10, dollars: "none", time: "none" },
      guards: [],
      headers: [],
      keys: {},
      layers: [],
      metadata: [],
      name: "a",
      pools: {},
      providers: {},
      routes: [{ name: "r", to: { _tag: "Send", target: "x" } }],
      splitHash: "murmur3-x86-32",
      tags: [],
      targets: {},
      timeouts: { connect: "5 seconds", firstToken: "none", headers: "120 seconds", idle: "60 seconds", total: "none" },
      translation: "report",
      version: 1,
      zone: "UTC"
    })
  })
})
