/**
 * Policies of every form that the language has, whether they mean anything or not: names need not exist, weights need not add up. For what is said of the form alone, where
 * the generators of valid policies (`generators.ts`) would leave corners out.
 */
import * as fc from "fast-check"
import type { PolicyEncoded, StrategyEncoded } from "../src/Policy.ts"

const name = fc.constantFrom("a", "mini", "D-4_x", "constructor", "toString", "valueOf")
const duration = fc.constantFrom("0 seconds", "1.5 minutes", "250 millis", "9 hours", "0.125 days")
const limit = fc.oneof(fc.constant("none"), duration)
const usd = fc.constantFrom(0, 0.15, 1, 2.5, 9_000_000).map((amount) => ({ usd: amount }))
const region = fc.constantFrom("eu", "us-east-1", "1")
const words = fc.string({ minLength: 1, maxLength: 6, unit: "grapheme" })
const some = <A>(of: fc.Arbitrary<A>, minLength = 0) => fc.array(of, { minLength, maxLength: 3 })
const partly = <A extends object>(fields: { readonly [K in keyof A]: fc.Arbitrary<A[K]> }, ...requiredKeys: ReadonlyArray<keyof A>) =>
  fc.record(fields as never, { requiredKeys: requiredKeys as never, noNullPrototype: true }) as fc.Arbitrary<Partial<A>>
const record = <A>(of: fc.Arbitrary<A>) => fc.dictionary(name, of, { maxKeys: 3, noNullPrototype: true })
const condition = fc.oneof(
  fc.constantFrom({ var: "request.stream" }, { "===": [{ var: "caller.team" }, null] }, { opaque: { "==": [1, "1"] } }),
  fc.jsonValue({ maxDepth: 2, noUnicodeString: false } as never).map((json) => JSON.parse(JSON.stringify(json)) as never)
)
const on = fc.subarray(["timeout", "auth", "bad-request", "stream-cut"])

const set = partly({
  temperature: fc.constantFrom(0, 0.7, 2),
  maxOutputTokens: fc.integer({ min: 1 }),
  reasoningEffort: fc.constantFrom("none", "max"),
  headers: fc.dictionary(fc.constantFrom("x-app", "accept"), fc.constantFrom("", "text ~"), { noNullPrototype: true }),
  region,
  deployment: words
})
const send = partly({ _tag: fc.constant("Send"), target: fc.string({ maxLength: 4 }), set }, "_tag", "target")
const member = fc.oneof(name, send)
const by = fc.constantFrom("latency", "least-busy", "round-robin", "cost")

const strategy = fc.letrec<{ strategy: StrategyEncoded }>((tie) => ({
  strategy: fc.oneof(
    { maxDepth: 3, depthSize: "small", withCrossShrink: true },
    name,
    send,
    fc.constant({ _tag: "Asked" }),
    fc.record({ _tag: fc.constant("Deny"), status: fc.integer({ min: 400, max: 599 }), code: fc.constant("not_today"), message: words }),
    partly({ _tag: fc.constant("First"), of: some(tie("strategy"), 1), on }, "_tag", "of"),
    fc.record({
      _tag: fc.constant("Split"),
      by: partly({ fact: words, or: fc.string({ maxLength: 3 }) }, "fact"),
      salt: fc.constantFrom("s", "日本", "\ud800", "x".repeat(128)),
      arms: some(fc.record({ name, weight: fc.constantFrom(-1, 0, 0.5, 50, 1e21), to: tie("strategy") }), 1)
    }),
    fc.record({ _tag: fc.constant("Spread"), by, of: some(member, 1) }),
    fc.record({ _tag: fc.constant("Pool"), pool: name }),
    fc.record({ _tag: fc.constant("When"), if: condition, then: tie("strategy"), otherwise: tie("strategy") }),
    fc.record({ _tag: fc.constant("Hedge"), of: tie("strategy"), after: duration, with: tie("strategy") }),
    fc.record({ _tag: fc.constant("Shadow"), of: tie("strategy"), copy: tie("strategy"), sample: fc.integer({ min: 1, max: 100 }) }),
    fc.record({ _tag: fc.constant("Escalate"), of: tie("strategy"), if: condition, to: tie("strategy") }),
    fc.record({ _tag: fc.constant("Within"), duration, of: tie("strategy") }),
    partly(
      {
        _tag: fc.constant("Retry"),
        attempts: fc.integer({ min: 2, max: 10 }),
        backoff: partly({ first: duration, longest: duration }),
        on,
        of: tie("strategy")
      },
      "_tag",
      "attempts",
      "of"
    )
  ) as fc.Arbitrary<StrategyEncoded>
})).strategy

const selector = partly({
  targets: some(name, 1),
  models: some(words, 1),
  providers: some(name, 1),
  regions: some(region, 1),
  vendors: fc.subarray(["maker", "cloud", "host", "router", "own"], { minLength: 1 }),
  tags: some(name, 1),
  capabilities: fc.subarray(["vision", "audio", "files", "tools", "structuredOutput", "reasoning"], { minLength: 1 }),
  inputAbove: usd,
  outputAbove: usd
}).filter((fields) => Object.keys(fields).length > 0)
const guards = some(
  fc
    .tuple(partly({ name, when: condition }, "name"), fc.constantFrom("forbid", "require"), selector)
    .map(([guard, kind, of]) => ({ ...guard, [kind]: of }))
)
const budgets = record(
  fc.record({ per: fc.constantFrom("key", "class", "team", "organisation"), limit: usd, every: fc.constantFrom("day", "month") })
)
const effort = partly({ attempts: fc.integer({ min: 1, max: 99 }), time: limit, dollars: fc.oneof(fc.constant("none"), usd) })
const timeouts = partly({ connect: duration, headers: limit, firstToken: limit, idle: limit, total: limit })
const translation = fc.constantFrom("report", "strict")
const host = fc.constantFrom("images.example.com", "*.example.org", "localhost:8080")
const commit = fc.constantFrom("headers", "first-content", "whole")
const secret = fc.oneof(fc.constant({ env: "A_KEY" }), fc.constant({ sha256: "0f".repeat(32) }))

const provider = partly(
  {
    dialect: fc.constantFrom("openai", "anthropic", "groq"),
    baseUrl: fc.constantFrom("https://llm.example/v1", "http://{region}.llm.example"),
    key: fc.constant({ env: "A_KEY" }),
    keys: fc.array(
      fc.oneof(
        fc.constant({ env: "A_KEY" }),
        partly({ key: fc.constant({ env: "B_KEY" }), weight: fc.integer({ min: 1, max: 99 }) }, "key")
      ),
      {
        minLength: 1,
        maxLength: 3
      }
    ),
    auth: fc.oneof(
      fc.record({
        entra: partly(
          {
            tenant: fc.constantFrom("acme.com", "9f1b0a52-5d1e-4c39-8c1a-8b6f7f1a2c33"),
            client: fc.constant("0-1"),
            secret: fc.constant({ env: "A_SECRET" }),
            scope: fc.constant("https://cognitiveservices.azure.us/.default"),
            authority: fc.constant("https://login.microsoftonline.us")
          },
          "tenant",
          "client",
          "secret"
        )
      }),
      fc.record({ google: partly({ credentials: fc.constant({ env: "AN_ACCOUNT" }) }) })
    ),
    project: fc.constantFrom("acme-prod", "123"),
    apiVersion: fc.constantFrom("2024-10-21", "2025-04-01-preview"),
    speaks: fc.subarray(["chat.completions", "responses", "messages", "generateContent"], { minLength: 1 }),
    region,
    open: fc.boolean(),
    mock: record(partly({ firstToken: duration, perToken: duration, fault: fc.constantFrom(429, "reset", "cut") }))
  },
  "dialect"
)
const target = partly(
  {
    provider: name,
    model: words,
    deployment: words,
    region,
    capacity: partly({ inFlight: fc.integer({ min: 1 }), queued: fc.nat(), wait: duration }, "inFlight"),
    tags: some(name),
    capabilities: partly({ contextWindow: fc.integer({ min: 1 }), vision: fc.boolean(), tools: fc.boolean() }),
    price: partly({ input: usd, output: usd, cacheRead: usd, cacheWrite: usd }, "input", "output"),
    maxOutputTokens: fc.integer({ min: 1 }),
    addedTokens: fc.nat(),
    mediaTokens: partly({ image: fc.integer({ min: 1 }), file: fc.integer({ min: 1 }) })
  },
  "provider",
  "model"
)

/** A policy as it may be written. */
export const form: fc.Arbitrary<PolicyEncoded> = partly(
  {
    version: fc.constant(1),
    name,
    splitHash: fc.constant("murmur3-x86-32"),
    metadata: some(name),
    headers: some(fc.constantFrom("x-app", "x-tenant")),
    tags: some(name),
    zone: fc.constantFrom("UTC", "Europe/Berlin", "Asia/Kathmandu"),
    layers: some(partly({ name, guards, budgets }, "name")),
    providers: record(provider),
    targets: record(target),
    pools: record(fc.record({ by, of: some(member, 1) })),
    aliases: fc.dictionary(words, name, { maxKeys: 3, noNullPrototype: true }),
    budgets,
    classes: record(
      partly(
        {
          may: some(name),
          providers: fc.oneof(fc.constant("any"), some(name)),
          regions: fc.oneof(fc.constant("any"), some(region)),
          within: some(name)
        },
        "may"
      )
    ),
    keys: record(partly({ secret, class: name, team: name, organisation: name, tags: some(name) }, "secret", "class")),
    guards,
    commit,
    translation,
    fetch: partly({ hosts: some(host, 1), maxBytes: fc.integer({ min: 1, max: 1e9 }), timeout: duration }, "hosts"),
    timeouts,
    effort,
    routes: some(partly({ name, when: condition, commit, translation, timeouts, effort, to: strategy }, "name", "to"), 1),
    accept: some(partly({ finding: words, at: words, because: words }, "finding", "because"))
  },
  "name",
  "providers",
  "targets",
  "routes"
) as unknown as fc.Arbitrary<PolicyEncoded>
