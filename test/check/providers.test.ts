/** What is found of the way to providers: addresses and what stands for their parts, credentials, APIs and versions. */
import { assert, describe, it } from "@effect/vitest"
import { check } from "../../src/Check.ts"
import { rowsOf, table } from "./table.ts"

/** A policy with one provider, `p`, and a target there. */
const policyOf = (provider: object, target: object = {}) => ({
  name: "test",
  providers: { p: provider },
  targets: { t: { provider: "p", model: "m", ...target } },
  routes: [{ name: "default", to: "t" }]
})
const key = { env: "KEY" }
const azure = { dialect: "azure", baseUrl: "https://acme.openai.azure.com", key }
const vertex = { dialect: "vertex", project: "acme", region: "global" }
const entra = { tenant: "acme.com", client: "1-2", secret: { env: "SECRET" } }
const { key: _, ...keyless } = azure

table("addresses", {
  "nothing wrong at Azure": [policyOf({ ...azure, apiVersion: "2024-10-21", speaks: ["chat.completions"] })],
  "nothing wrong at Vertex AI": [policyOf(vertex)],
  "a mock of what the mock does not speak": [
    policyOf({ dialect: "anthropic", baseUrl: "http://127.0.0.1:8081/v1", mock: { m: {} } }),
    [
      "error",
      "useless-field",
      "providers.p.mock",
      "the built-in mock speaks `chat.completions`, in which `p` is never asked",
      'use `dialect: "openai"` for what the mock plays'
    ]
  ],
  "no resource": [
    policyOf({ dialect: "azure", key }),
    [
      "error",
      "no-address",
      "providers.p",
      "`azure` has no usual address",
      "say where it answers in `baseUrl`, such as `https://RESOURCE.openai.azure.com`"
    ]
  ],
  "no project": [
    policyOf({ dialect: "vertex", region: "eu" }),
    [
      "error",
      "address-without-project",
      "providers.p",
      "`p` answers at an address with `{project}`, and has no project",
      "say the `project` of `p`"
    ]
  ],
  "no region": [
    policyOf({ dialect: "vertex", project: "acme" }),
    [
      "error",
      "address-without-region",
      "targets.t",
      "`p` answers at an address with `{region}`, and `t` has no region",
      "say the `region` of `t` or of `p`"
    ]
  ],
  "a region of the target's own": [policyOf({ dialect: "vertex", project: "acme" }, { region: "eu" })],
  "a region of a `send`, at an address of the registry that has one": [
    { ...policyOf(vertex), routes: [{ name: "default", to: { _tag: "Send", target: "t", set: { region: "eu" } } }] }
  ],
  "no region for models that callers name": [
    policyOf({ dialect: "vertex", project: "acme", open: true }, { region: "eu" }),
    [
      "error",
      "address-without-region",
      "providers.p",
      "`p` is open and answers at an address with `{region}`, but models that are not declared have no region",
      "say the `region` of `p`"
    ]
  ],
  "a project that nothing depends on": [
    policyOf({ dialect: "openai", key, project: "acme" }),
    ["error", "useless-field", "providers.p.project", "no part of the address of `p` is a project", "leave it out"]
  ],
  "a project beside an address that spells one out": [
    policyOf({ ...vertex, baseUrl: "https://aiplatform.googleapis.com/v1/projects/acme/locations/global/publishers/google" }),
    [
      "error",
      "useless-field",
      "providers.p.project",
      "no part of the address of `p` is a project",
      "leave it out, or put `{project}` into its `baseUrl`"
    ]
  ],
  "a project in an address of one's own": [
    policyOf({ dialect: "openai", key, baseUrl: "https://relay.example.com/{project}/v1", project: "acme" })
  ],
  "a placeholder that is none": [
    policyOf({ ...vertex, baseUrl: "https://relay.example.com/{projct}/{project}/{region}" }),
    ["error", "unknown-placeholder", "providers.p.baseUrl", "`{projct}` stands for nothing in an address", "did you mean `{project}`?"]
  ]
})

table("credentials", {
  "an application's": [policyOf({ ...keyless, auth: { entra } })],
  "a service account's": [policyOf({ ...vertex, auth: { google: { credentials: { env: "ACCOUNT" } } } })],
  "a key and tokens": [
    policyOf({ ...azure, auth: { entra } }),
    ["error", "two-credentials", "providers.p.auth", "`p` has both a `key` and `auth`, and only one of them can be sent", "leave one out"]
  ],
  "a key and tokens where tokens are usual": [
    policyOf({ ...vertex, key, auth: { google: {} } }),
    ["error", "two-credentials", "providers.p.auth", "`p` has both a `key` and `auth`, and only one of them can be sent", "leave `key` out"]
  ],
  "tokens where only a key is taken": [
    policyOf({ dialect: "anthropic", auth: { entra } }),
    [
      "error",
      "useless-field",
      "providers.p.auth",
      "`anthropic` takes a key and no tokens",
      "say its `key`; tokens are for `azure`, `vertex`"
    ]
  ],
  "tokens of somebody else": [
    policyOf({ ...vertex, auth: { entra } }),
    [
      "error",
      "useless-field",
      "providers.p.auth.entra",
      "`vertex` takes tokens of Google Cloud, and not of Microsoft Entra ID",
      "say `google` in its `auth`"
    ]
  ],
  "tokens in the clear, and the secret on the way to them": [
    policyOf({
      ...keyless,
      baseUrl: "http://relay.example.com",
      auth: { entra: { ...entra, authority: "http://login.example.com" } }
    }),
    ["warning", "key-in-clear", "providers.p.baseUrl", "the tokens of `p` cross the network unencrypted", "use https"],
    ["warning", "key-in-clear", "providers.p.auth.entra.authority", "the secret of `p` crosses the network unencrypted", "use https"]
  ],
  "tokens on this machine": [
    policyOf({ ...keyless, baseUrl: "http://127.0.0.1:9", auth: { entra: { ...entra, authority: "http://localhost:10" } } })
  ]
})

table("APIs", {
  "one that the kind does not speak": [
    policyOf({ dialect: "openai", key, speaks: ["messages", "chat.completions"] }),
    [
      "error",
      "unknown-dialect",
      "providers.p.speaks[0]",
      "a provider of dialect `openai` does not speak `messages`",
      "it speaks `responses` and `chat.completions`"
    ]
  ],
  "one that is none": [
    policyOf({ dialect: "openai", key, speaks: ["chat.completion"] }),
    [
      "error",
      "wrong-form",
      "providers.p.speaks[0]",
      'expected "chat.completions" | "responses" | "messages" | "generateContent", but found `"chat.completion"`',
      "did you mean `chat.completions`?"
    ]
  ],
  none: [
    policyOf({ dialect: "openai", key, speaks: [] }),
    ["error", "wrong-form", "providers.p.speaks", "expected at least one, but the list is empty"]
  ],
  "a version where there are none": [
    policyOf({ dialect: "openai", key, apiVersion: "2024-10-21" }),
    ["error", "useless-field", "providers.p.apiVersion", "the API of `openai` has no dated versions", "leave it out; only `azure` has them"]
  ],
  "a version that is no date": [
    policyOf({ ...azure, apiVersion: "v1" }),
    [
      "error",
      "wrong-form",
      "providers.p.apiVersion",
      'expected a dated version, such as `2024-10-21` or `2025-04-01-preview`, but found `"v1"`'
    ]
  ]
})

describe("the form of credentials", () => {
  const found = (auth: unknown) =>
    rowsOf(check(policyOf({ ...keyless, auth })).findings).map(([, code, place, message]) => [code, place, message])

  it("is either of the two, each with its own fields", () => {
    assert.deepStrictEqual(found({}), [["wrong-form", "providers.p.auth", "expected either `entra` or `google`, but found `{}`"]])
    assert.deepInclude(found({ entra, google: {} }), [
      "wrong-form",
      "providers.p.auth",
      `expected either \`entra\` or \`google\`, but found \`${JSON.stringify({ entra, google: {} }).slice(0, 57)}...\``
    ])
    assert.deepStrictEqual(found({ entar: entra }), [["unknown-field", "providers.p.auth.entar", "`entar` is not a field here"]])
    assert.deepStrictEqual(found({ entra: { tenant: "acme.com", secret: { env: "S" } } }), [
      ["missing-field", "providers.p.auth.entra.client", "`client` is missing"]
    ])
    assert.deepStrictEqual(found({ google: { file: "x" } }), [
      ["unknown-field", "providers.p.auth.google.file", "`file` is not a field here"]
    ])
  })

  it("repeats nothing that may be the secret itself", () => {
    for (const auth of [
      { entra: { ...entra, secret: "8Q~hush" } },
      { entra: { ...entra, secret: { env: "8Q~hush" } } },
      { google: { credentials: "8Q~hush" } },
      { entra: { ...entra, authority: "https://me:8Q~hush@login.example.com" } }
    ]) {
      assert.isAbove(found(auth).length, 0)
      assert.notInclude(JSON.stringify(found(auth)), "8Q~hush")
    }
  })

  it("is nothing that could leave its place in an address", () => {
    for (const tenant of ["a/b", "..", "a b", "", "-a", "a?b", "a#b"])
      assert.isAbove(found({ entra: { ...entra, tenant } }).length, 0, tenant)
    for (const project of ["a/b", "", "a b", "a?b", "../x"])
      assert.isAbove(check(policyOf({ ...vertex, project })).findings.filter(({ code }) => code === "wrong-form").length, 0, project)
  })
})
