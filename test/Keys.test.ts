import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Result } from "effect"
import * as fc from "fast-check"
import { createHash } from "node:crypto"
import { type Caller, credentialTroublesOf, type Find, Keys, local, troublesOf } from "../src/Keys.ts"
import { decode, type Policy, type Secret } from "../src/Policy.ts"
import { decoded, only } from "./scripted.ts"

const sha256 = (secret: string): string => createHash("sha256").update(secret).digest("hex")

type KeysOf = Record<string, { readonly secret: { readonly env: string } | { readonly sha256: string }; readonly team?: string }>

const policyOf = (keys: KeysOf): Policy =>
  decoded(
    only("a", {
      classes: { eng: { may: ["a"] } },
      keys: Object.fromEntries(Object.entries(keys).map(([name, key]) => [name, { ...key, class: "eng" }]))
    })
  )

const environment =
  (values: Readonly<Record<string, string>>) =>
  ({ env }: Secret): string | undefined =>
    Object.hasOwn(values, env) ? values[env] : undefined

const findIn = (policy: Policy, values: Readonly<Record<string, string>>): Find =>
  Context.get(Effect.runSync(Effect.scoped(Layer.build(Keys.layer(environment(values))))), Keys).of(policy)

const alice: Caller = { key: "alice", class: "eng", team: null, organisation: null, tags: [] }
const [one, two] = ["secret-of-alice-0001", "secret-of-bob-000001"]

describe("a key", () => {
  it("is found by its secret, with its class and team", () => {
    const policy = policyOf({ alice: { secret: { env: "A" } }, bob: { secret: { env: "B" }, team: "core" } })
    const find = findIn(policy, { A: one, B: two })
    assert.deepStrictEqual(find(one), alice)
    assert.deepStrictEqual(find(two), { key: "bob", class: "eng", team: "core", organisation: null, tags: [] })
  })

  it("is the same caller each time, which what is kept of callers relies on", () => {
    const find = findIn(policyOf({ alice: { secret: { env: "A" } } }), { A: one })
    assert.strictEqual(find(one), find(one))
  })

  it("is nobody's where the secret is unknown, or nearly right, or missing", () => {
    const find = findIn(policyOf({ alice: { secret: { env: "A" } } }), { A: one })
    for (const secret of [undefined, "", "x", two, one.slice(0, -1), `${one}x`, ` ${one}`, one.toUpperCase(), "A", "alice", sha256(one)])
      assert.isUndefined(find(secret), String(secret))
    for (const inherited of ["constructor", "__proto__", "toString"]) assert.isUndefined(find(inherited))
  })

  it("may have any text for a secret", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.oneof(fc.string({ minLength: 1 }), fc.string({ unit: "binary", minLength: 1 })), { minLength: 1, maxLength: 4 }),
        fc.string(),
        (secrets, other) => {
          // Lone surrogates have no UTF-8 of their own, so they are not told apart.
          const whole = secrets.map((secret) => secret.toWellFormed())
          if (new Set(whole).size < whole.length) return
          const policy = policyOf(Object.fromEntries(whole.map((_, i) => [`key-${i}`, { secret: { env: `S${i}` } }])))
          const find = findIn(policy, Object.fromEntries(whole.map((secret, i) => [`S${i}`, secret])))
          for (const [i, secret] of whole.entries()) assert.strictEqual(find(secret)?.key, `key-${i}`)
          if (!whole.includes(other.toWellFormed())) assert.isUndefined(find(other))
        }
      ),
      { numRuns: 300 }
    )
  })

  it("known by its hash is the key that the secret itself would be", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", minLength: 1 }), fc.string(), (secret, other) => {
        const hashed = findIn(policyOf({ alice: { secret: { sha256: sha256(secret) } } }), {})
        const plain = findIn(policyOf({ alice: { secret: { env: "A" } } }), { A: secret })
        for (const tried of [secret, other, sha256(secret), undefined]) assert.deepStrictEqual(hashed(tried), plain(tried))
        assert.deepStrictEqual(hashed(secret), alice)
      }),
      { numRuns: 200 }
    )
  })

  it("of a policy without keys is everybody's, whatever an SDK sends", () => {
    const find = findIn(policyOf({}), { A: one })
    for (const secret of [undefined, "", "sk-anything", one]) assert.strictEqual(find(secret), local)
  })

  it("is found by its name where traffic is not authenticated", () => {
    const { of } = Context.get(Effect.runSync(Effect.scoped(Layer.build(Keys.layerNames))), Keys)
    const find = of(policyOf({ alice: { secret: { env: "A" } } }))
    assert.deepStrictEqual(find("alice"), alice)
    for (const secret of [undefined, "", one, "constructor"]) assert.isUndefined(find(secret))
    assert.strictEqual(of(policyOf({}))("alice"), local)
  })
})

describe("troubles", () => {
  const rows: ReadonlyArray<readonly [name: string, keys: KeysOf, values: Record<string, string>, troubles: ReadonlyArray<string>]> = [
    ["none", { alice: { secret: { env: "A" } }, bob: { secret: { env: "B" } } }, { A: one, B: two }, []],
    ["a hash needs nothing", { alice: { secret: { sha256: sha256(one) } } }, {}, []],
    ["not set", { alice: { secret: { env: "A" } } }, {}, ["alice: A is not set, so nobody can use the key `alice`"]],
    ["empty", { alice: { secret: { env: "A" } } }, { A: "" }, ["alice: A is not set, so nobody can use the key `alice`"]],
    [
      "an inherited name",
      { alice: { secret: { env: "constructor" } } },
      {},
      ["alice: constructor is not set, so nobody can use the key `alice`"]
    ],
    [
      "short",
      { alice: { secret: { env: "A" } } },
      { A: "0123456789abcde" },
      ["alice: A, the secret of `alice`, is shorter than 16 characters and can be guessed"]
    ],
    ["just long enough", { alice: { secret: { env: "A" } } }, { A: "0123456789abcdef" }, []],
    [
      "one value in two variables",
      { alice: { secret: { env: "A" } }, bob: { secret: { env: "B" } } },
      { A: one, B: one },
      ["bob: the keys `alice` and `bob` have one secret, so only `alice` can be used"]
    ],
    [
      "one value, and its hash",
      { alice: { secret: { sha256: sha256(one) } }, bob: { secret: { env: "B" } } },
      { B: one },
      ["bob: the keys `alice` and `bob` have one secret, so only `alice` can be used"]
    ],
    [
      "two that are empty are not one",
      { alice: { secret: { env: "A" } }, bob: { secret: { env: "B" } } },
      { A: "", B: "" },
      ["alice: A is not set, so nobody can use the key `alice`", "bob: B is not set, so nobody can use the key `bob`"]
    ]
  ]
  for (const [name, keys, values, expected] of rows) {
    it(name, () => {
      const policy = policyOf(keys)
      const troubles = troublesOf(policy, environment(values))
      assert.deepStrictEqual(
        troubles.map(({ key, message }) => `${key}: ${message}`),
        expected
      )
      for (const value of Object.values(values).filter((text) => text !== "")) assert.notInclude(JSON.stringify(troubles), value)
      const find = findIn(policy, values)
      assert.isUndefined(find(""), "nobody comes without a secret")
      for (const value of Object.values(values)) {
        const caller = find(value)
        if (caller !== undefined) assert.isFalse(troubles.some((trouble) => trouble.key === caller.key && !/shorter/.test(trouble.message)))
      }
    })
  }

  it("a secret that two keys have is the first one's", () => {
    const find = findIn(policyOf({ alice: { secret: { env: "A" } }, bob: { secret: { env: "B" } } }), { A: one, B: one })
    assert.strictEqual(find(one)?.key, "alice")
  })
})

describe("the keys of providers", () => {
  const told = (provider: object, values: Readonly<Record<string, string>>): ReadonlyArray<string> => {
    const policy = Result.getOrThrow(
      decode({
        name: "test",
        providers: { one: { dialect: "openai", ...provider } },
        targets: { t: { provider: "one", model: "m" } },
        routes: [{ name: "only", to: "t" }]
      })
    )
    return credentialTroublesOf(policy, ({ env }) => values[env])
  }
  const keys = [{ env: "A" }, { key: { env: "B" }, weight: 3 }, { env: "C" }]

  it("that are not set are told by their names, and what is left", () => {
    assert.deepStrictEqual(told({ keys }, { A: "a", B: "b", C: "c" }), [])
    assert.deepStrictEqual(told({ keys }, { A: "a", C: "c" }), ["B is not set, so `one` is called with A and C alone"])
    assert.deepStrictEqual(told({ keys }, { B: "b", C: "" }), ["A and C are not set, so `one` is called with B alone"])
    assert.deepStrictEqual(told({ keys }, {}), ["A, B and C are not set, so every call to `one` will fail"])
    assert.deepStrictEqual(told({ key: { env: "A" } }, {}), ["A is not set, so every call to `one` will fail"])
    assert.deepStrictEqual(told({}, {}), [])
  })

  it("that are one and the same are told, without what it is", () => {
    const troubles = told({ keys }, { A: "hush", B: "b", C: "hush" })
    assert.deepStrictEqual(troubles, ["A and C hold one key, so what `one` refuses the one it refuses the other"])
  })
})
