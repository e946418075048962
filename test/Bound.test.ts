/**
 * What a reservation holds is never less than the bill: by arithmetic for every usage that the request allows, and against recorded traffic.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Ask } from "../src/Ask.ts"
import { type Bound, boundOf } from "../src/Bound.ts"
import { catalog } from "../src/Catalog.ts"
import type { Usage } from "../src/Conversation.ts"
import { costOf } from "../src/Money.ts"
import type { Policy } from "../src/Policy.ts"
import { type Price, type Rates, noPrices } from "../src/Price.ts"
import { hostAdds, type Provider, providers } from "../src/Providers.ts"
import { chatCompletions, openai } from "../src/providers/openai.ts"
import { type Target, makeTargets } from "../src/Target.ts"
import { present, recorded } from "./providers/recorded.ts"

const ask = (body: object): Ask => {
  const text = JSON.stringify({ model: "m", messages: [{ role: "user", content: "hello" }], ...body })
  const parsed = chatCompletions.parse(new TextEncoder().encode(text), () => null)
  if (!("ask" in parsed)) throw new Error(parsed.message)
  return parsed.ask
}

type Declared = Partial<Policy["targets"][string]>

/** The target `t` of a policy. */
const targetOf = (dialect: string, declared: Declared, price: Price | undefined, baseUrl?: string): Target => {
  const policy = {
    providers: { p: { dialect, ...(baseUrl === undefined ? {} : { baseUrl }) } },
    targets: { t: { provider: "p", model: "gpt-4o", ...declared } },
    aliases: {}
  } as unknown as Policy
  // A list price says nothing of what answers elsewhere, so there the price is put in by hand.
  return { ...makeTargets(policy, noPrices).get("t")!, price }
}

const same = (rate: number): Rates => ({ input: rate, output: rate, cacheRead: rate, cacheWrite: rate, cacheWriteLong: rate })
const flat = (input: number, output: number): Price => ({ ...same(input), output, tiers: [] })

const bound = (request: Ask, target: Target): Bound => {
  const found = boundOf(request, target)
  if (found._tag === "Unbounded") throw new Error(found.message)
  return found
}

const refused = (request: Ask, target: Target): string => {
  const found = boundOf(request, target)
  return found._tag === "Unbounded" ? `${found.code}: ${found.message}` : "bounded"
}

const image = { type: "image_url", image_url: { url: "https://a.example/1.png" } }
const sound = { type: "input_audio", input_audio: { data: "AAAA", format: "wav" } }
const file = { type: "file", file: { file_data: "AAAA" } }
const tool = { type: "function", function: { name: "f", parameters: { type: "object", properties: { city: { type: "string" } } } } }

const rate = fc.oneof(fc.nat({ max: 1_000 }), fc.nat({ max: 1_000_000_000 }))
const rates: fc.Arbitrary<Rates> = fc.record({ input: rate, output: rate, cacheRead: rate, cacheWrite: rate, cacheWriteLong: rate })
const threshold = fc.oneof(fc.nat({ max: 50 }), fc.nat({ max: 3_000 }), fc.constant(200_000))
const prices: fc.Arbitrary<Price> = fc
  .tuple(rates, fc.array(fc.record({ aboveInputTokens: threshold, rates }), { maxLength: 3 }))
  .map(([base, tiers]) => ({ ...base, tiers: tiers.toSorted((a, b) => a.aboveInputTokens - b.aboveInputTokens) }))
/** A share, its ends often. */
const part = fc.oneof(fc.constantFrom(0, 1, 1), fc.double({ min: 0, max: 1, noNaN: true }))
const shareOf = (n: number, share: number): number => Math.floor(share * n)
const bodies = fc.record({
  messages: fc.array(
    fc.oneof(
      fc.record({ role: fc.constant("user"), content: fc.string({ maxLength: 200 }) }),
      fc.record({
        role: fc.constant("user"),
        content: fc.array(fc.constantFrom<object>({ type: "text", text: "x" }, image, sound, file), { maxLength: 3 })
      })
    ),
    { maxLength: 6 }
  ),
  n: fc.constantFrom(undefined, null, 1, 2, 8, "3", 1.5),
  max_tokens: fc.oneof(fc.constantFrom(undefined, null, 0, -1, 1.5, "9"), fc.integer({ min: 1, max: 200_000 })),
  tools: fc.constantFrom(undefined, [tool], [tool, tool])
})
const declarations = fc.record(
  {
    maxOutputTokens: fc.integer({ min: 1, max: 100_000 }),
    addedTokens: fc.nat({ max: 3_000 }),
    mediaTokens: fc.record({ image: fc.nat({ max: 5_000 }), audio: fc.nat({ max: 5_000 }), file: fc.nat({ max: 50_000 }) })
  },
  { requiredKeys: ["mediaTokens", "maxOutputTokens"] }
)

describe("list prices", () => {
  it("are for what answers at the registry's own address, however it is written", () => {
    const policy = (baseUrl?: string) =>
      ({
        providers: { p: { dialect: "openai", ...(baseUrl === undefined ? {} : { baseUrl }) } },
        targets: { t: { provider: "p", model: "gpt-4o" } },
        aliases: {}
      }) as unknown as Policy
    const price = flat(1, 2)
    const priceAt = (baseUrl?: string) =>
      makeTargets(policy(baseUrl), (kind, model) => (kind === "openai" && model === "gpt-4o" ? price : undefined)).get("t")!.price
    assert.strictEqual(priceAt(), price)
    assert.strictEqual(priceAt("https://api.openai.com/v1/"), price)
    assert.isUndefined(priceAt("http://127.0.0.1:8000/v1"))
  })
})

describe("boundOf", () => {
  it("is at least the cost of every usage that the request allows", () => {
    let reached = 0
    fc.assert(
      fc.property(bodies, declarations, prices, fc.tuple(part, part, part, part, part), (body, declared, price, [a, b, c, d, e]) => {
        const held = bound(ask(body), targetOf("openai", declared, price))
        const inputTokens = shareOf(held.textTokens + held.mediaTokens + held.addedTokens, a)
        const cachedInputTokens = shareOf(inputTokens, b)
        const cacheWriteInputTokens = shareOf(inputTokens - cachedInputTokens, c)
        const usage: Usage = {
          inputTokens,
          cachedInputTokens,
          cacheWriteInputTokens,
          longCacheWriteInputTokens: shareOf(cacheWriteInputTokens, d),
          outputTokens: shareOf(held.choices * held.outputTokens, e),
          reasoningTokens: 0
        }
        const cost = costOf(price, usage)!
        assert.isAtMost(cost, held.nanoDollars)
        if (cost > 0 && cost === held.nanoDollars) reached++
      }),
      { numRuns: 10_000 }
    )
    assert.isAbove(reached, 100, "some usage costs all that was held")
  })

  it("shows its arithmetic, exact and rounded up once", () => {
    fc.assert(
      fc.property(bodies, declarations, prices, (body, declared, price) => {
        const { addedTokens, choices, inputPrice, mediaTokens, nanoDollars, outputPrice, outputTokens, textTokens } = bound(
          ask(body),
          targetOf("openai", declared, price)
        )
        const pico =
          BigInt(textTokens + mediaTokens + addedTokens) * BigInt(inputPrice) + BigInt(choices * outputTokens) * BigInt(outputPrice)
        assert.strictEqual(BigInt(nanoDollars), (pico + 999n) / 1_000n)
      }),
      { numRuns: 5_000 }
    )
  })

  it("never falls where the request or its limits grow", () => {
    const text = "x".repeat(100)
    fc.assert(
      fc.property(bodies, declarations, prices, (body, declared, price) => {
        const target = targetOf("openai", declared, price)
        const least = bound(ask(body), target).nanoDollars
        const more: ReadonlyArray<object> = [
          { ...body, messages: [...body.messages, { role: "user", content: text }] },
          { ...body, messages: [...body.messages, { role: "user", content: [image] }] },
          { ...body, messages: [...body.messages, { role: "user", content: [file, sound] }] },
          { ...body, tools: [...(body.tools ?? []), tool] },
          { ...body, response_format: { type: "json_object" } },
          // As a text it would be one of the fields whose text counts.
          ...(typeof body.n === "string" ? [] : [{ ...body, n: 9 }]),
          ...(typeof body.max_tokens === "number" ? [{ ...body, max_tokens: 200_000 }] : [])
        ]
        for (const each of more) assert.isAtLeast(bound(ask(each), target).nanoDollars, least, JSON.stringify(each))
        const wider = { ...declared, maxOutputTokens: declared.maxOutputTokens + 1 }
        assert.isAtLeast(bound(ask(body), targetOf("openai", wider, price)).nanoDollars, least)
      }),
      { numRuns: 2_000 }
    )
  })

  it("adds up as written", () => {
    const target = targetOf("openai", { maxOutputTokens: 1_000 }, flat(2_000_000, 8_000_000))
    const { openai: home } = providers
    assert.deepStrictEqual(bound(ask({ n: 2, max_completion_tokens: 100 }), target), {
      _tag: "Bound",
      textTokens: 5,
      mediaTokens: 0,
      addedTokens: home.adds.request + home.adds.message,
      inputPrice: 2_000_000,
      choices: 2,
      outputTokens: 100,
      outputPrice: 8_000_000,
      nanoDollars: (5 + home.adds.request + home.adds.message) * 2_000 + 200 * 8_000
    })
    assert.strictEqual(bound(ask({ max_completion_tokens: 5_000 }), target).outputTokens, 1_000)
    assert.strictEqual(bound(ask({}), target).outputTokens, 1_000)
    for (const max_tokens of [0, -3, 1.5, "7", null]) assert.strictEqual(bound(ask({ max_tokens }), target).outputTokens, 1_000)
    const open = targetOf("openai", {}, flat(1, 1))
    assert.strictEqual(bound(ask({ max_tokens: 5_000 }), open).outputTokens, 5_000)
  })

  it("takes the dearest price that the input can reach", () => {
    const tiers = [
      { aboveInputTokens: 1_000, rates: { ...same(500), cacheWriteLong: 900, output: 40 } },
      { aboveInputTokens: 2_000, rates: { ...same(100), output: 70 } }
    ]
    const price: Price = { ...same(200), cacheRead: 10, cacheWrite: 300, output: 50, tiers }
    const target = targetOf("openai", { addedTokens: 0, maxOutputTokens: 10 }, price)
    const at = (bytes: number) => {
      const { inputPrice, outputPrice } = bound(ask({ messages: [{ role: "user", content: "x".repeat(bytes) }] }), target)
      return [inputPrice, outputPrice]
    }
    assert.deepStrictEqual(
      [at(1_000), at(1_001), at(2_000), at(2_001)],
      [
        [300, 50],
        [900, 50],
        [900, 50],
        [900, 70]
      ]
    )
    for (const dear of ["input", "cacheRead", "cacheWrite", "cacheWriteLong"] as const) {
      const only = targetOf("openai", { maxOutputTokens: 1 }, { ...same(1), [dear]: 7, tiers: [] })
      assert.strictEqual(bound(ask({}), only).inputPrice, 7, dear)
    }
  })

  it("knows what is usual at a provider's own address, and assumes the most elsewhere", () => {
    const price = flat(1, 1)
    const adds = (dialect: string, body: object, declared: Declared = {}, baseUrl?: string) =>
      bound(ask({ max_tokens: 1, ...body }), targetOf(dialect, declared, price, baseUrl)).addedTokens
    for (const [kind, { adds: usual }] of Object.entries<Provider>(providers)) {
      assert.strictEqual(adds(kind, {}), usual.request + usual.message, kind)
      assert.strictEqual(adds(kind, { tools: [tool] }), usual.request + usual.message + usual.tools, kind)
      assert.strictEqual(adds(kind, { response_format: { type: "json_object" } }), usual.request + usual.message + usual.format, kind)
      assert.strictEqual(adds(kind, { tools: [tool] }, { addedTokens: 7 }), 7, kind)
    }
    const two = [
      { role: "system", content: "x" },
      { role: "user", content: "y" }
    ]
    const elsewhere = { ...targetOf("openai", {}, undefined, "http://127.0.0.1:8000/v1") }
    assert.isFalse(elsewhere.usual)
    assert.strictEqual(adds("openai", { messages: two }, {}, "http://127.0.0.1:8000/v1"), hostAdds.request + 2 * hostAdds.message)
    // Anthropic documents 804 for the longest of its prompts for tools, and other hosts serve its models too.
    for (const { tools } of [providers.anthropic.adds, providers.openrouter.adds, hostAdds]) assert.isAbove(tools, 804)
  })

  it("counts media by what is declared, else an image by what is documented", () => {
    const price = flat(1, 1)
    const media = (dialect: string, model: string, content: ReadonlyArray<object>, declared: Declared = {}, baseUrl?: string) => {
      const found = boundOf(
        ask({ max_tokens: 1, messages: [{ role: "user", content }] }),
        targetOf(dialect, { model, ...declared }, price, baseUrl)
      )
      return found._tag === "Bound" ? found.mediaTokens : found.message.replace(/^.*declare /, "")
    }
    assert.strictEqual(media("openai", "gpt-4o", [image, image]), 2 * 1_445)
    assert.strictEqual(media("openai", "gpt-4o-mini", [image]), 48_169)
    assert.strictEqual(media("openai", "gpt-4.1-nano", [image]), 3_779)
    assert.strictEqual(media("openai", "gpt-5.4-mini", [image]), 3_779)
    assert.strictEqual(media("openai", "gpt-5.5", [image]), 24_600)
    assert.strictEqual(media("anthropic", "claude-opus-5-5", [image]), 4_784)
    // Sized as they come: no maximum.
    for (const model of ["gpt-5.6-sol", "gpt-6-luna", "gpt-7"]) assert.strictEqual(media("openai", model, [image]), "`mediaTokens.image`")
    assert.strictEqual(media("groq", "llama", [image]), "`mediaTokens.image`")
    assert.strictEqual(media("openai", "gpt-4o", [image], {}, "http://127.0.0.1:8000/v1"), "`mediaTokens.image`")
    assert.strictEqual(media("openai", "gpt-4o", [sound]), "`mediaTokens.audio`")
    assert.strictEqual(media("anthropic", "claude-opus-5", [file]), "`mediaTokens.file`")
    const mediaTokens = { image: 10, audio: 200, file: 3_000 }
    assert.strictEqual(
      media("groq", "llama", [image, image, sound, file, { type: "video_url", video_url: { url: "x" } }], { mediaTokens }),
      6_220
    )
    assert.strictEqual(media("openai", "gpt-4o", [image], { mediaTokens: { image: 0 } }), 0)
  })

  it("says what is not known", () => {
    const target = targetOf("openai", {}, flat(1, 1))
    assert.strictEqual(
      refused(ask({}), targetOf("openai", {}, undefined)),
      "unpriced_model: the price of `t` is not known: expected its target to declare a `price`"
    )
    assert.strictEqual(
      refused(ask({ web_search_options: {}, tools: [{ type: "web_search" }] }), target),
      "unpriced_request: `web_search_options`, `tools[0]` may be billed otherwise than by the token prices of `t`"
    )
    assert.strictEqual(
      refused(ask({ messages: [{ role: "user", content: [sound] }] }), target),
      "unbounded_request: how many tokens sound may count on `t` is not known: expected its target to declare `mediaTokens.audio`"
    )
    // Of a model that the catalog knows it is known.
    assert.strictEqual(bound(ask({}), target).outputTokens, 16_384)
    for (const max_tokens of [undefined, 0, 2.5, "9"]) {
      assert.strictEqual(
        refused(ask({ max_tokens }), targetOf("openai", { model: "unheard-of" }, flat(1, 1))),
        "unbounded_request: how long an answer of `t` may be is not known: expected a maximum in the request, or its target to declare `maxOutputTokens`"
      )
    }
  })
})

const chats = ["openai-chat", "compat-openai-chat", "azure-openai-chat"]

describe.skipIf(!present(...chats))("recorded requests", () => {
  it("never count more than their bound, nor cost more", () => {
    const ratios: Array<readonly [number, string]> = []
    const costs: Array<readonly [number, string]> = []
    const skipped = new Map<string, number>()
    const skip = (why: string): void => void skipped.set(why, (skipped.get(why) ?? 0) + 1)
    const over: Array<string> = []
    for (const name of chats) {
      for (const { id, provider, request, response } of recorded(name)) {
        const body = request?.body as
          | { readonly model?: string; readonly messages?: unknown; readonly max_tokens?: number }
          | null
          | undefined
        if (!Array.isArray(body?.messages) || response.status !== 200) continue
        const usage =
          typeof response.body === "string"
            ? [...response.body.matchAll(/^data: ?(\{.*)$/gm)]
                .map(([, data]) => openai.usageOf(JSON.parse(data!)))
                .findLast((each) => each !== undefined)
            : openai.usageOf(response.body)
        if (usage === undefined) {
          skip("no usage")
          continue
        }
        const home = Object.hasOwn(providers, provider) ? provider : undefined
        const model = body.model ?? "deployment"
        const list = home === undefined ? undefined : catalog(home, model)
        // Where the caller names no maximum, what came is taken for the target's.
        const declared = { model, maxOutputTokens: Math.max(1, body.max_tokens ?? usage.outputTokens) }
        const target = targetOf(home ?? "openai", declared, list ?? flat(1, 1), home === undefined ? "http://127.0.0.1:8000/v1" : undefined)
        const found = boundOf(ask(body), target)
        if (found._tag === "Unbounded") {
          skip(`${found.code}: ${found.message.replace(/^.*declare /, "").replace(/ may be billed.*/, "")}`)
          continue
        }
        const held = found.textTokens + found.mediaTokens + found.addedTokens
        const what = `${provider}/${model} ${id}: ${usage.inputTokens} of ${held} (${found.textTokens} + ${found.mediaTokens} + ${found.addedTokens})`
        if (usage.inputTokens > held) over.push(what)
        if (usage.outputTokens > found.choices * found.outputTokens)
          over.push(`${what}, answer ${usage.outputTokens} of ${found.choices} × ${found.outputTokens}`)
        if (usage.inputTokens > 0) ratios.push([held / usage.inputTokens, what])
        const cost = list === undefined ? undefined : costOf(list, usage)
        if (cost === undefined || cost === 0) continue
        assert.isAtMost(cost, found.nanoDollars, what)
        costs.push([found.nanoDollars / cost, what])
      }
    }
    assert.deepStrictEqual(over, [])
    assert.isAbove(ratios.length, 250)
    const table = (rows: typeof ratios): string => {
      const sorted = rows.toSorted(([a], [b]) => a - b)
      const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!
      const line = (label: string, [ratio, what]: readonly [number, string]) => `  ${label} ${ratio.toFixed(2)} ${what}`
      return [
        line("tightest", at(0)),
        line("second  ", sorted[1]!),
        line("median  ", at(0.5)),
        line("95 %    ", at(0.95)),
        line("loosest ", at(1))
      ].join("\n")
    }
    console.log(`bound over reported input, ${ratios.length} requests\n${table(ratios)}`)
    console.log(`bound over cost at list price, ${costs.length} requests\n${table(costs)}`)
    console.log(`not bounded: ${[...skipped].map(([why, times]) => `${why} ×${times}`).join(", ")}`)
  })
})
