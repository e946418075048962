/** What is found of several keys of a provider: their form, what contradicts them, what goes down with them, and that no finding repeats a secret. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { check } from "../../src/Check.ts"
import { compile } from "../../src/Compile.ts"
import { type Provider, providerKinds, providers } from "../../src/Providers.ts"
import { rowsOf, table } from "./table.ts"

const policyOf = (provider: object, more: object = {}) => ({
  name: "test",
  providers: { p: { dialect: "openai", ...provider } },
  targets: { t: { provider: "p", model: "m" } },
  routes: [{ name: "default", to: "t" }],
  ...more
})
const env = (name: string) => ({ env: name })
const entra = { tenant: "acme.com", client: "1-2", secret: { env: "SECRET" } }
const azure = { dialect: "azure", baseUrl: "https://acme.openai.azure.com" }

table("several keys", {
  "nothing wrong": [policyOf({ keys: [env("A"), { key: env("B"), weight: 3 }, { key: env("C") }] })],
  "one alone": [
    policyOf({ keys: [env("A")] }),
    ["note", "one-of-keys", "providers.p.keys", "there is no other key of `p` that calls could go on to", "name another, or say `key`"]
  ],
  "a key beside them": [
    policyOf({ key: env("A"), keys: [env("B")] }),
    [
      "error",
      "two-credentials",
      "providers.p.keys",
      "`p` has both a `key` and `keys`, and only one of them can be meant",
      "put it among its `keys`"
    ]
  ],
  "tokens beside them": [
    policyOf({ ...azure, keys: [env("A"), env("B")], auth: { entra } }),
    ["error", "two-credentials", "providers.p.auth", "`p` has both `keys` and `auth`, and only one of them can be sent", "leave one out"]
  ],
  "tokens beside them where tokens are usual": [
    policyOf({ dialect: "vertex", project: "acme", region: "eu", keys: [env("A"), env("B")], auth: { google: {} } }),
    ["error", "two-credentials", "providers.p.auth", "`p` has both `keys` and `auth`, and only one of them can be sent", "leave `keys` out"]
  ],
  "one variable twice": [
    policyOf({ keys: [env("A"), { key: env("B"), weight: 2 }, { key: env("A"), weight: 5 }, env("B")] }),
    [
      "error",
      "credential-twice",
      "providers.p.keys[2]",
      "`A` is among the keys of `p` already, and would be asked again for what it has just been refused",
      "name it once, with its `weight`"
    ],
    [
      "error",
      "credential-twice",
      "providers.p.keys[3]",
      "`B` is among the keys of `p` already, and would be asked again for what it has just been refused",
      "name it once, with its `weight`"
    ]
  ],
  "in the clear": [
    policyOf({ baseUrl: "http://relay.example.com/v1", keys: [env("A"), env("B")] }),
    ["warning", "key-in-clear", "providers.p.baseUrl", "the keys of `p` cross the network unencrypted", "use https"]
  ],
  "on this machine": [policyOf({ baseUrl: "http://127.0.0.1:9/v1", keys: [env("A"), env("B")] })]
})

const keyOf = (variable: string) => `say its \`key\`, such as \`{ "env": "${variable}" }\``

table("no credential", {
  "at its own address": [
    policyOf({}),
    ["warning", "no-credential", "providers.p", "`p` has no credential, and `openai` refuses calls without one", keyOf("OPENAI_API_KEY")]
  ],
  "of a provider that nothing is sent to": [
    { ...policyOf({ key: env("A") }), providers: { p: { dialect: "openai", key: env("A") }, q: { dialect: "vercel" } } },
    [
      "warning",
      "no-credential",
      "providers.q",
      "`q` has no credential, and `vercel` refuses calls without one",
      keyOf("AI_GATEWAY_API_KEY")
    ]
  ],
  "at an address of one's own": [policyOf({ baseUrl: "https://relay.example.com/v1" })],
  "where a mock answers": [policyOf({ baseUrl: "http://127.0.0.1:8081/v1", mock: { m: {} } })],
  "where there is a key": [policyOf({ key: env("A") })],
  "where there are several": [policyOf({ keys: [env("A"), env("B")] })],
  "where tokens are usual": [policyOf({ dialect: "vertex", project: "acme", region: "eu" })],
  "on this machine": [policyOf({ dialect: "ollama" })]
})

describe("a provider without a credential", () => {
  it("is told of where its kind needs one, whichever that is, and nowhere else", () => {
    for (const kind of providerKinds) {
      const { baseUrl, keyless, usualAuth }: Provider = providers[kind]
      const { findings } = check(policyOf({ dialect: kind, project: "acme", region: "eu" }))
      const told = findings.some(({ code }) => code === "no-credential")
      assert.strictEqual(told, baseUrl !== undefined && keyless !== true && usualAuth === undefined, kind)
    }
  })
})

const variable = 'name the variable that holds the key: `{ "env": "NAME" }`'

table("a secret where the name of its variable belongs", {
  "of a provider": [
    policyOf({ key: "sk-hush" }),
    ["error", "wrong-form", "providers.p.key", "expected object", 'name the variable that holds it: `{ "env": "NAME" }`']
  ],
  "of an application that signs in": [
    policyOf({ ...azure, auth: { entra: { ...entra, secret: "hush" } } }),
    ["error", "wrong-form", "providers.p.auth.entra.secret", "expected object", 'name the variable that holds it: `{ "env": "NAME" }`']
  ]
})

table("the form of several keys", {
  none: [policyOf({ keys: [] }), ["error", "wrong-form", "providers.p.keys", "expected at least one, but the list is empty"]],
  "no list": [
    policyOf({ keys: env("A") }),
    ["error", "wrong-form", "providers.p.keys", "expected array", 'a list of variables that hold keys: `[{ "env": "NAME" }]`']
  ],
  "a key itself": [policyOf({ keys: ["hush"] }), ["error", "wrong-form", "providers.p.keys[0]", "expected object", variable]],
  "a key itself with a weight": [
    policyOf({ keys: [{ key: "hush", weight: 2 }] }),
    ["error", "wrong-form", "providers.p.keys[0].key", "expected object", variable]
  ],
  "a name that no variable has": [
    policyOf({ keys: [env("A"), env("8-hush")] }),
    ["error", "wrong-form", "providers.p.keys[1].env", "expected the name of an environment variable"]
  ],
  "a weight in the wrong place": [
    policyOf({ keys: [{ env: "A", weight: 3 }] }),
    ["error", "unknown-field", "providers.p.keys[0].weight", "`weight` is not a field here", 'say `{ "key": { "env": … }, "weight": … }`']
  ],
  "a weight alone": [policyOf({ keys: [{ weight: 3 }] }), ["error", "missing-field", "providers.p.keys[0].key", "`key` is missing"]],
  "a misspelt weight": [
    policyOf({ keys: [{ key: env("A"), wieght: 3 }] }),
    ["error", "unknown-field", "providers.p.keys[0].wieght", "`wieght` is not a field here", "did you mean `weight`?"]
  ],
  "a weight of nothing": [
    policyOf({ keys: [{ key: env("A"), weight: 0 }] }),
    ["error", "wrong-form", "providers.p.keys[0].weight", "expected a value greater than 0, but found `0`"]
  ],
  "a part of a weight": [
    policyOf({ keys: [{ key: env("A"), weight: 0.5 }] }),
    ["error", "wrong-form", "providers.p.keys[0].weight", "expected an integer, but found `0.5`"]
  ]
})

describe("a pasted secret", () => {
  const secret = "hush-8~Q/hush"

  it("is repeated by no finding, wherever among the keys it stands", () => {
    const leaf: fc.Arbitrary<unknown> = fc.oneof(
      fc.constant(secret),
      fc.constant({ env: secret }),
      fc.constant({ sha256: secret }),
      fc.constant({ key: secret }),
      fc.constant({ key: { env: secret }, weight: 2 }),
      fc.constant({ key: [secret] }),
      fc.constant([secret]),
      fc.constant({ env: "A" }),
      fc.constant(5)
    )
    const keys = fc.oneof(leaf, fc.array(leaf, { maxLength: 3 }))
    let found = 0
    fc.assert(
      fc.property(keys, fc.constantFrom("key", "keys", "auth"), (value, field) => {
        const { findings } = check(policyOf({ [field]: field === "auth" ? { google: { credentials: value } } : value }))
        found += findings.length
        assert.notInclude(JSON.stringify(rowsOf(findings)), secret)
      }),
      { numRuns: 500 }
    )
    assert.isAbove(found, 300)
  })

  it("is repeated by no finding about what it stands in", () => {
    for (const keys of [[secret], { a: secret }, [{ key: secret }], [{ env: secret }], secret])
      for (const json of [
        { ...policyOf({}), providers: [{ dialect: "openai", keys }] },
        { ...policyOf({}), providers: { p: [{ keys }] } },
        { ...policyOf({}), providers: [{ dialect: "openai", key: secret }] },
        [{ providers: { p: { keys } } }]
      ]) {
        const { findings } = check(json)
        assert.isAbove(findings.length, 0)
        assert.notInclude(JSON.stringify(rowsOf(findings)), secret, JSON.stringify(json))
      }
  })

  it("that is none is shown", () => {
    assert.include(JSON.stringify(rowsOf(check({ ...policyOf({}), providers: [{ keys: [env("A")] }] }).findings)), "found")
  })
})

const shares = (primary: object, fallback: object): ReadonlyArray<string> =>
  check({
    name: "test",
    providers: { one: { dialect: "openai", ...primary }, two: { dialect: "openai", ...fallback } },
    targets: { a: { provider: "one", model: "m" }, b: { provider: "two", model: "n" } },
    routes: [{ name: "default", to: { _tag: "First", of: ["a", "b"] } }]
  }).findings.flatMap(({ code }) => (code === "shared-fate" || code === "same-deployment" ? [code] : []))

describe("what goes down together", () => {
  it("is a fallback on no other key than those of what it stands in for", () => {
    const [ab, ba] = [
      [env("A"), env("B")],
      [{ key: env("B"), weight: 9 }, env("A")]
    ]
    assert.deepStrictEqual(shares({ keys: ab }, { keys: ba }), ["shared-fate"])
    assert.deepStrictEqual(shares({ keys: ab }, { key: env("A") }), ["shared-fate"])
    assert.deepStrictEqual(shares({ keys: ab }, { keys: [env("A"), env("C")] }), [])
    assert.deepStrictEqual(shares({ key: env("A") }, { keys: ab }), [])
    assert.deepStrictEqual(shares({ keys: ab }, { key: env("C") }), [])
    assert.deepStrictEqual(shares({ keys: ab }, { keys: ab, baseUrl: "https://relay.example.com/v1" }), [])
  })

  it("is one deployment with one set of keys, in whatever order they are named", () => {
    const of = (keys: ReadonlyArray<object>) => ({ dialect: "openai", keys })
    const { findings } = check({
      name: "test",
      providers: { one: of([env("A"), env("B")]), two: of([env("B"), env("A")]) },
      targets: { a: { provider: "one", model: "m" }, b: { provider: "two", model: "m" } },
      routes: [{ name: "default", to: { _tag: "First", of: ["a", "b"] } }]
    })
    assert.deepStrictEqual(
      findings.filter(({ level }) => level === "warning").map(({ code }) => code),
      ["same-deployment"]
    )
  })
})

describe("the canonical form", () => {
  const compiled = (provider: object) => compile(check(policyOf(provider)).policy!)

  it("is one for both ways of writing a key, and says every weight", () => {
    const [short, long] = [compiled({ keys: [env("A"), env("B")] }), compiled({ keys: [{ key: env("A") }, { key: env("B"), weight: 1 }] })]
    assert.strictEqual(short.hash, long.hash)
    assert.deepStrictEqual(short.policy.providers["p"]!.keys, [
      { key: env("A"), weight: 1 },
      { key: env("B"), weight: 1 }
    ])
    const hashes = [
      short.hash,
      compiled({ keys: [env("B"), env("A")] }).hash,
      compiled({ keys: [env("A"), { key: env("B"), weight: 2 }] }).hash,
      compiled({ key: env("A") }).hash,
      compiled({ keys: [env("A")] }).hash
    ]
    assert.strictEqual(new Set(hashes).size, hashes.length)
  })

  it("of a policy without them is what it was before there were any", () => {
    assert.strictEqual(compiled({ key: env("A") }).hash, "2414123d521b2fe10477470e76414da9f0ba79b46e18d146a39034f42285477f")
  })
})
