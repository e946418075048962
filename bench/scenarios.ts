/**
 * The inputs that benches share: policies, and the bodies of requests.
 */
import { Effect } from "effect"
import { fallbackApi } from "../src/Apis.ts"
import type { Ask } from "../src/Ask.ts"
import type { Parsed } from "../src/Call.ts"
import { check } from "../src/Check.ts"
import { type Compiled, compile } from "../src/Compile.ts"
import { type FactSource, type FactValue, unmeasured } from "../src/Facts.ts"
import { local } from "../src/Keys.ts"
import { askOf } from "../src/providers/openai/ask.ts"
import { judge } from "../runtime/Policies.ts"

/** Compiles `json`, which must check. */
export const compiled = (json: unknown): Compiled => {
  const { findings, policy } = check(json)
  if (policy === undefined)
    throw new Error(findings.flatMap(({ level, message, place }) => (level === "error" ? [`${place}: ${message}`] : [])).join("\n"))
  return compile(policy)
}

/** The policy that the README begins with. */
export const quickstart = async (): Promise<Compiled> => {
  const judged = await Effect.runPromise(judge(new URL("../policies/quickstart.ts", import.meta.url).pathname))
  return compiled(judged.loaded.json)
}

const provider = { dialect: "openai", baseUrl: "http://127.0.0.1:1/v1" }
const is = (fact: string, value: string) => ({ "===": [{ var: fact }, value] })

/** Fifty routes of every usual kind, of which a request meets only the last: a model, a header, metadata, a size, and both branches of a split. */
export const fiftyRoutes = (): Compiled =>
  compiled({
    name: "fifty",
    metadata: ["tier", "feature"],
    headers: ["x-region"],
    providers: { p: provider },
    targets: { small: { provider: "p", model: "small" }, large: { provider: "p", model: "large" } },
    routes: [
      ...Array.from({ length: 49 }, (_, i) => ({
        name: `r${i}`,
        when: [
          is("request.model", `model-${i}`),
          { and: [is("request.metadata.tier", "gold"), is("request.metadata.feature", `f${i}`)] },
          { and: [{ ">": [{ var: "request.inputTokens" }, 50_000 - i] }, { var: "request.stream" }] },
          { in: [{ var: "request.headers.x-region" }, [`eu-${i}`, `us-${i}`]] },
          { or: [is("request.metadata.feature", `images-${i}`), { "!": [{ "!==": [{ var: "request.metadata.tier" }, `team-${i}`] }] }] }
        ][i % 5],
        to: i % 2 === 0 ? "small" : { _tag: "First", of: ["large", "small"] }
      })),
      {
        name: "default",
        to: {
          _tag: "First",
          of: [
            {
              _tag: "Split",
              by: { fact: "request.id" },
              salt: "canary",
              arms: [
                { name: "small", weight: 90, to: "small" },
                { name: "large", weight: 10, to: "large" }
              ]
            },
            { _tag: "Asked" }
          ]
        }
      }
    ]
  })

/**
 * Fifty routes as a company has them: retired models, teams, features, long prompts, images, a budget that runs low, and a split behind them; under grants, guards of the
 * policy and of a layer, and what its targets lack.
 */
export const guardedRoutes = (): Compiled => {
  const all = (...of: ReadonlyArray<object>) => ({ and: of })
  const more = (fact: string, than: number) => ({ ">": [{ var: fact }, than] })
  const usd = (dollars: number) => ({ usd: dollars })
  const target = (region: string, output: number, contextWindow: number, rest: object = {}) => ({
    provider: "p",
    model: `m-${region}-${output}`,
    region,
    price: { input: usd(output / 5), output: usd(output) },
    maxOutputTokens: 8_192,
    capabilities: { contextWindow, tools: true },
    ...rest
  })
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)
  return compiled({
    name: "guarded",
    metadata: ["tier", "feature", "residency"],
    tags: ["vip", "batch"],
    providers: { p: provider },
    targets: {
      small: target("eu", 0.6, 128_000, { capabilities: { contextWindow: 128_000, reasoning: false } }),
      large: target("us", 15, 200_000),
      next: target("us", 25, 200_000, { tags: ["trial"], capabilities: { contextWindow: 200_000, vision: false } }),
      long: target("eu", 10, 1_000_000)
    },
    budgets: { engineering: { per: "class", limit: usd(100), every: "month" } },
    layers: [
      {
        name: "org",
        guards: [
          { name: "thrifty", when: { ">=": [{ var: "budget.engineering.usedRatio" }, 0.9] }, forbid: { outputAbove: usd(20) } },
          { name: "residency", when: is("request.metadata.residency", "eu"), require: { regions: ["eu"] } }
        ]
      }
    ],
    guards: [{ name: "trials", when: { "!": { var: "caller.tags.vip" } }, forbid: { tags: ["trial"] } }],
    classes: {
      engineering: { may: ["small", "large", "next", "long"], within: ["engineering"] },
      interns: { may: ["small", "long"], within: ["engineering"] }
    },
    keys: Object.fromEntries(
      ["engineering", "interns"].map((name) => [name, { secret: { env: name.toUpperCase() }, class: name, team: "core" }])
    ),
    routes: [
      { name: "thrift", when: { ">=": [{ var: "budget.engineering.usedRatio" }, 0.95] }, to: "small" },
      ...numbers(20).map((i) => ({
        name: `retired-${i}`,
        when: is("request.model", `legacy-${i}`),
        to: { _tag: "Deny", status: 410, code: "model_retired", message: "ask for another" }
      })),
      ...numbers(10).map((i) => ({
        name: `team-${i}`,
        when: is("caller.team", `team-${i}`),
        to: { _tag: "First", of: ["large", "small"] }
      })),
      ...numbers(10).map((i) => ({
        name: `feature-${i}`,
        when: all(is("request.metadata.tier", "gold"), { in: [{ var: "request.metadata.feature" }, [`chat-${i}`, `draft-${i}`]] }),
        to: { _tag: "First", of: ["large", "long", "small"] }
      })),
      ...numbers(5).map((i) => ({
        name: `long-${i}`,
        when: all(
          more("request.inputTokens", 900_000 - i * 100_000),
          i % 2 === 0 ? { var: "request.stream" } : { "!": { var: "request.stream" } }
        ),
        to: "long"
      })),
      {
        name: "images",
        when: all({ var: "request.needs.vision" }, { "!": { var: "request.stream" } }),
        to: { _tag: "First", of: ["large", "small"] }
      },
      { name: "images-streamed", when: { var: "request.needs.vision" }, to: { _tag: "First", of: ["large", "small"] } },
      { name: "batch", when: { var: "caller.tags.batch" }, to: "small" },
      {
        name: "default",
        to: {
          _tag: "First",
          of: [
            {
              _tag: "Split",
              by: { fact: "caller.key" },
              salt: "canary",
              arms: [
                { name: "large", weight: 90, to: "large" },
                { name: "next", weight: 10, to: "next" }
              ]
            },
            "small"
          ]
        }
      }
    ]
  })
}

/** Calls to `guardedRoutes`, by the facts that differ from an engineer's plain one; most of them come to its last route. */
export const guardedCalls: ReadonlyArray<Readonly<Record<string, FactValue>>> = Array.from({ length: 16 }, (_, i) => ({
  "caller.class": i % 5 === 0 ? "interns" : "engineering",
  "caller.key": `key-${i}`,
  "caller.team": i === 3 ? "team-7" : "core",
  "caller.tags.vip": i % 4 === 0,
  "request.model": i === 7 ? "legacy-11" : `assistant-${i % 3}`,
  "request.stream": i % 2 === 0,
  "request.inputTokens": 500 * i,
  "request.metadata.tier": i % 3 === 0 ? "gold" : "silver",
  "request.metadata.feature": i === 9 ? "draft-4" : "search",
  "request.metadata.residency": i % 4 === 1 ? "eu" : null,
  "request.needs.vision": i === 5,
  "budget.engineering.usedRatio": i === 13 ? 0.92 : 0.3
}))

/** A failover under a deadline, whose first target is one arm of a split. */
export const failover = (): Compiled =>
  compiled({
    name: "failover",
    providers: { p: provider },
    targets: { one: { provider: "p", model: "one" }, two: { provider: "p", model: "two" } },
    routes: [
      { name: "long", when: { ">": [{ var: "request.inputTokens" }, 20_000] }, to: "two" },
      { name: "default", to: { _tag: "Within", duration: "10 seconds", of: { _tag: "First", of: ["one", "two"] } } }
    ]
  })

const four = Object.fromEntries(["one", "two", "three", "four"].map((model) => [model, { provider: "p", model }]))

/** Four targets, of which each call takes the one that answers quickest. */
export const quickest = (): Compiled =>
  compiled({
    name: "quickest",
    providers: { p: provider },
    targets: four,
    routes: [{ name: "default", to: { _tag: "Spread", by: "latency", of: Object.keys(four) } }]
  })

/** A target that is hedged with another. */
export const hedged = (): Compiled =>
  compiled({
    name: "hedged",
    providers: { p: provider },
    targets: four,
    routes: [{ name: "default", to: { _tag: "Hedge", of: "one", after: "1 seconds", with: "two" } }]
  })

const sentence = "The parcel left the depot in the morning, missed the noon connection and waits for the next lorry to the coast. "

/** A request of eight messages in about `bytes` bytes. */
export const body = (bytes: number, model = "assistant"): Uint8Array => {
  const content = sentence.repeat(Math.ceil(bytes / 8 / sentence.length))
  const messages = Array.from({ length: 8 }, (_, i) => ({
    role: i % 2 === 0 ? "user" : "assistant",
    content: content.slice(0, Math.floor(bytes / 8) - 40)
  }))
  return new TextEncoder().encode(JSON.stringify({ model, messages, temperature: 0.2, max_tokens: 400 }))
}

/** `bytes` as a parsed Chat Completions request. */
export const parsed = (bytes: Uint8Array): Parsed => {
  const result = fallbackApi.parse(bytes, () => null)
  if ("status" in result) throw new Error(result.message)
  return result
}

/** Makes what routing asks of `bytes` anew each time, as each call does, but without reading them again. */
export const fresh = (bytes: Uint8Array): (() => Ask) => {
  const { json } = parsed(bytes)
  const ascii = bytes.every((byte) => byte < 0x80)
  const none = () => null
  return () => askOf(json, json["model"] as string, ascii, none)
}

/** What facts are read from, for `bytes`. */
export const source = (bytes: Uint8Array, id = "request-1"): FactSource => ({
  id,
  api: fallbackApi.name,
  ask: parsed(bytes).ask,
  caller: local,
  time: 0,
  health: () => unmeasured,
  standing: () => ({ spentNanoDollars: 0, limitNanoDollars: 0 })
})
