/** The registry: what every line of it must hold, where its providers answer, and that what they add to a request is what recorded traffic counts. */
import { assert, describe, it } from "@effect/vitest"
import { boundOf } from "../src/Bound.ts"
import type { Policy } from "../src/Policy.ts"
import type { Price } from "../src/Price.ts"
import { dialectNames, keyedKinds, type Provider, providerKinds, providers, startingKinds } from "../src/Providers.ts"
import { gemini, generateContent, streamGenerateContent } from "../src/providers/gemini.ts"
import { dialectsOf, makeTargets } from "../src/Target.ts"
import { present, type Recorded, recorded } from "./providers/recorded.ts"

const registry = Object.entries(providers as Readonly<Record<string, Provider>>)

describe("the registry", () => {
  it("has addresses without a slash at their end, in the clear only on this machine", () => {
    for (const [kind, { baseUrl }] of registry) {
      if (baseUrl === undefined) continue
      const { hash, hostname, href, protocol, search } = new URL(
        baseUrl.replaceAll("{region}", "region").replaceAll("{project}", "project")
      )
      assert.isFalse(baseUrl.endsWith("/"), kind)
      assert.strictEqual(search + hash, "", href)
      assert.strictEqual(protocol, hostname === "localhost" ? "http:" : "https:", kind)
    }
  })

  it("has dialects of different names, and nothing elsewhere that is not spoken at home", () => {
    for (const [kind, provider] of registry) {
      const names = provider.dialects.map(({ name }) => name)
      assert.strictEqual(new Set(names).size, names.length, kind)
      for (const name of names) assert.include(dialectNames, name, kind)
      assert.deepStrictEqual(dialectsOf(provider), provider.dialects, kind)
    }
  })

  it("has headers in lower case that carry the secret and nothing else", () => {
    for (const [kind, { credential }] of registry) {
      const headers = Object.entries(credential("s3cret"))
      assert.strictEqual(headers.length, 1, kind)
      for (const [name, value] of headers) {
        assert.strictEqual(name, name.toLowerCase(), kind)
        assert.match(value, /^(?:Bearer )?s3cret$/, kind)
      }
    }
  })

  it("says which kinds a key is enough for, and with which a policy can begin", () => {
    const beyond = providerKinds.filter((kind) => !keyedKinds.includes(kind))
    assert.deepStrictEqual(beyond, ["azure", "vertex", "lmstudio", "ollama", "vllm"])
    assert.isTrue(startingKinds.every((kind) => keyedKinds.includes(kind)))
    assert.includeMembers([...startingKinds], ["openai", "anthropic", "gemini"])
    for (const [kind, { starts }] of registry)
      assert.strictEqual(
        starts !== undefined,
        startingKinds.some((one) => one === kind),
        kind
      )
  })

  it("has no address twice, and no variable", () => {
    const addresses = registry.flatMap(([, { baseUrl }]) => baseUrl ?? [])
    assert.strictEqual(new Set(addresses).size, addresses.length)
    const variables = registry.map(([, { env }]) => env)
    assert.strictEqual(new Set(variables).size, variables.length)
  })
})

/** A policy with one provider and one target, as it is after decoding. */
const policyOf = (provider: object, target: object = {}): Policy =>
  ({
    providers: { p: { open: false, ...provider } },
    targets: { t: { provider: "p", model: "m", ...target } },
    aliases: {}
  }) as unknown as Policy

const compat = [
  "compat-openai-chat",
  "compat-openai-responses",
  "openai-chat",
  "openai-responses",
  "anthropic-messages",
  "gemini-generate-content"
]
describe.skipIf(!present(...compat))("recorded addresses", () => {
  /** What clients called, by the provider that answered; without the model, which is another's to name. */
  const called = new Map<string, Set<string>>()
  for (const file of compat) {
    for (const { provider, request, response } of recorded(file)) {
      const { url } = (request ?? {}) as { readonly url?: string }
      if (url === undefined || response.status !== 200) continue
      const urls = called.get(provider) ?? new Set()
      called.set(provider, urls.add(url.replace(/\/models\/[^:/]+/, "/models/m")))
    }
  }

  it("are where the registry has each provider, in each dialect that was recorded of it", () => {
    const found: Array<string> = []
    for (const [kind, provider] of registry) {
      const urls = called.get(kind === "vercel" ? "vercel-ai-gateway" : kind)
      if (urls === undefined || kind === "azure" || kind === "vertex") continue
      const target = makeTargets(policyOf({ dialect: kind })).get("t")!
      for (const dialect of provider.dialects)
        for (const stream of [false, true]) {
          const url = target.baseUrl + target.place(dialect.path(target.deployment, stream))
          if (urls.has(url)) found.push(`${kind} ${dialect.name}${url.includes("stream") ? " stream" : ""}`)
        }
    }
    assert.deepStrictEqual(
      [...new Set(found)].toSorted(),
      [
        "anthropic messages",
        "cerebras chat.completions",
        "gemini generateContent",
        "gemini generateContent stream",
        "groq chat.completions",
        "huggingface chat.completions",
        "mistral chat.completions",
        "openai chat.completions",
        "openai responses",
        "openrouter chat.completions",
        "openrouter responses",
        "perplexity chat.completions",
        "together chat.completions",
        "vercel chat.completions",
        "xai chat.completions",
        "xai responses",
        "zai chat.completions"
      ].toSorted()
    )
  })
})

const googles = ["gemini-generate-content", "vertex-generate-content"]
describe.skipIf(!present(...googles))("what Google adds", () => {
  const flat: Price = { input: 1, output: 1, cacheRead: 1, cacheWrite: 1, cacheWriteLong: 1, tiers: [] }
  const usageIn = (body: Recorded["response"]["body"]) =>
    typeof body === "string"
      ? [...body.matchAll(/^data: ?(\{.*)$/gm)]
          .map(([, data]) => gemini.usageOf(JSON.parse(data!)))
          .findLast((usage) => usage !== undefined)
      : gemini.usageOf(body)

  it("is never more than is held for it", () => {
    let counted = 0
    for (const file of googles) {
      for (const { id, request, response, stream } of recorded(file)) {
        const { body, url = "" } = (request ?? {}) as { readonly body?: unknown; readonly url?: string }
        const model = /\/models\/([^:]+)/.exec(url)?.[1]
        if (model === undefined || response.status !== 200) continue
        const bytes = new TextEncoder().encode(JSON.stringify(body))
        const parsed = (stream ? streamGenerateContent : generateContent).parse(bytes, () => null, undefined, model)
        if (!("ask" in parsed)) continue
        const provider = file.startsWith("vertex") ? { dialect: "vertex", region: "global", project: "x" } : { dialect: "gemini" }
        const target = { ...makeTargets(policyOf(provider, { model, maxOutputTokens: 10 })).get("t")!, price: flat }
        const bound = boundOf(parsed.ask, target)
        const usage = usageIn(response.body)
        // Pictures, sound and the provider's own tools have no bound of their own here.
        if (bound._tag === "Unbounded" || usage === undefined) continue
        counted++
        assert.isAtMost(usage.inputTokens, bound.textTokens + bound.addedTokens, id)
      }
    }
    assert.isAbove(counted, 150)
  })
})
