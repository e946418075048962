/**
 * The inputs that benches share: policies, and the bodies of requests.
 */
import { Effect } from "effect"
import { fallbackApi } from "../src/Apis.ts"
import type { Ask } from "../src/Ask.ts"
import type { Parsed } from "../src/Call.ts"
import { check } from "../src/Check.ts"
import { type Compiled, compile } from "../src/Compile.ts"
import type { FactSource } from "../src/Facts.ts"
import { local } from "../src/Keys.ts"
import { askOf } from "../src/providers/openai/ask.ts"
import { judge } from "../runtime/Policies.ts"

/** Compiles `json`, which must check. */
export const compiled = (json: unknown): Compiled => {
  const { findings, policy } = check(json)
  if (policy === undefined) throw new Error(findings.map(({ message, place }) => `${place}: ${message}`).join("\n"))
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
          { and: [{ ">": [{ var: "request.inputTokens" }, 50_000 + i] }, { var: "request.stream" }] },
          { in: [{ var: "request.headers.x-region" }, [`eu-${i}`, `us-${i}`]] },
          { or: [{ var: "request.needs.vision" }, { "!": [{ "!==": [{ var: "caller.team" }, `team-${i}`] }] }] }
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
  standing: () => ({ spentNanoDollars: 0, limitNanoDollars: 0 })
})
