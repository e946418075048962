/**
 * List prices against the package that they come from, on every model that it knows at a provider of the registry.
 */
import { assert, describe, it } from "@effect/vitest"
import { calcPrice, findProvider, type MatchLogic, type ModelInfo, type ModelPrice } from "@pydantic/genai-prices"
import * as fc from "fast-check"
import { readdirSync, readFileSync } from "node:fs"
import { asOf, catalog, catalogVersion, toPico } from "../src/Catalog.ts"
import { costOf } from "../src/Money.ts"
import { type Provider, providers } from "../src/Providers.ts"
import { present, recorded } from "./providers/recorded.ts"

const kinds = Object.entries(providers as Readonly<Record<string, Provider>>).flatMap(([kind, { catalog: id }]) =>
  id === undefined ? [] : [{ kind, id }]
)

const names = (rule: MatchLogic): ReadonlyArray<string> =>
  "or" in rule
    ? rule.or.flatMap(names)
    : "and" in rule
      ? []
      : "equals" in rule
        ? [rule.equals]
        : "starts_with" in rule
          ? [`${rule.starts_with}-20250514`]
          : []

const models = kinds.flatMap(({ id, kind }) =>
  findProvider({ providerId: id })!.models.flatMap((model) =>
    [...new Set([model.id, ...names(model.match)])].map((name) => ({ kind, id, model, name }))
  )
)
const priced = models.flatMap((one) => {
  const price = catalog(one.kind, one.name)
  return price === undefined ? [] : [{ ...one, price }]
})

/** A decimal, as it is written, in pico-dollars a token: rounded up, in integers of any size. */
const exactPico = (dollars: number): bigint => {
  const [digits = "", exponent = "0"] = String(dollars).split("e")
  const [whole = "", fraction = ""] = digits.split(".")
  const shift = 6 + Number(exponent) - fraction.length
  const all = BigInt(whole + fraction)
  if (shift >= 0) return all * 10n ** BigInt(shift)
  const by = 10n ** BigInt(-shift)
  return (all + by - 1n) / by
}

const entriesOf = (model: ModelInfo): ReadonlyArray<ModelPrice> =>
  Array.isArray(model.prices) ? model.prices.map(({ prices }) => prices) : [model.prices]

describe("the catalog", () => {
  it("is the version that it says", () => {
    const at = (path: string) => JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"))
    assert.strictEqual(catalogVersion, `@pydantic/genai-prices ${at("../node_modules/@pydantic/genai-prices/package.json").version}`)
    assert.strictEqual(catalogVersion, `@pydantic/genai-prices ${at("../package.json").dependencies["@pydantic/genai-prices"]}`)
  })

  it("converts decimals without a rounding error", () => {
    assert.deepStrictEqual(
      [0.075, 0.15, 1.1, 0.0028, 0.003625, 75, 0].map(toPico),
      [75_000, 150_000, 1_100_000, 2_800, 3_625, 75_000_000, 0]
    )
    assert.deepStrictEqual([1e-7, 0.0000011, 1.00000049].map(toPico), [1, 2, 1_000_001], "finer prices round up")
    const given = models.flatMap(({ model }) => entriesOf(model)).flatMap((entry) => Object.values(entry))
    const dollars = given.flatMap((price) =>
      price === undefined ? [] : typeof price === "number" ? [price] : [price.base, ...price.tiers.map((tier) => tier.price)]
    )
    assert.isAbove(dollars.length, 2_000)
    for (const price of dollars) assert.strictEqual(BigInt(toPico(price)), exactPico(price), String(price))
    fc.assert(
      fc.property(fc.nat({ max: 2_000_000_000 }), fc.integer({ min: 0, max: 9 }), (digits, places) => {
        const price = Number(`${digits}e-${places}`)
        assert.strictEqual(BigInt(toPico(price)), exactPico(price), String(price))
      }),
      { numRuns: 20_000 }
    )
  })

  it("agrees with the package on every model and any usage", () => {
    const part = fc.double({ min: 0, max: 1, noNaN: true })
    const usage = fc
      .record({
        input: fc.oneof(
          fc.nat({ max: 1_000 }),
          fc.nat({ max: 1_000_000 }),
          fc.constantFrom(128_000, 128_001, 199_999, 200_000, 200_001, 271_999, 272_000, 272_001)
        ),
        output: fc.nat({ max: 200_000 }),
        parts: fc.tuple(part, part, part)
      })
      .map(({ input, output, parts: [a, b, c] }) => {
        const read = Math.floor(input * a)
        const written = Math.floor((input - read) * b)
        return {
          inputTokens: input,
          cachedInputTokens: read,
          cacheWriteInputTokens: written,
          longCacheWriteInputTokens: Math.floor(written * c),
          outputTokens: output
        }
      })
    /** The days from which a later price holds. */
    const starts = ({ prices }: ModelInfo): ReadonlyArray<Date> =>
      (Array.isArray(prices) ? prices : []).flatMap(({ constraint }) =>
        constraint?.type === "start_date" && new Date(constraint.start_date) > asOf ? [new Date(constraint.start_date)] : []
      )
    const hours = Array.from({ length: 24 }, (_, hour) => new Date(asOf.getTime() + hour * 3_600_000 + 1))
    let compared = 0
    for (const { id, model, name, price } of priced) {
      const times = Array.isArray(model.prices) ? [...hours, ...starts(model)] : [asOf]
      fc.assert(
        fc.property(usage, (one) => {
          const theirs = times.map(
            (timestamp) =>
              calcPrice(
                {
                  input_tokens: one.inputTokens,
                  output_tokens: one.outputTokens,
                  cache_read_tokens: one.cachedInputTokens,
                  cache_write_tokens: one.cacheWriteInputTokens,
                  cache_write_1h_tokens: one.longCacheWriteInputTokens
                },
                name,
                { providerId: id, timestamp }
              )!.total_price
          )
          // Dollars: a nano-dollar for our rounding up, a pico-dollar a token for prices finer than that, and what their sum of doubles can be off.
          const most = Math.max(...theirs)
          const ours = costOf(price, one)! / 1e9
          const noise = most * 1e-12
          assert.isAtLeast(ours, most - noise, `${name}: ${JSON.stringify(one)}`)
          assert.isAtMost(ours, most + 1e-9 + (one.inputTokens + one.outputTokens) * 1e-12 + noise, `${name}: ${JSON.stringify(one)}`)
          compared++
        }),
        { numRuns: 20 }
      )
    }
    assert.isAbove(priced.length, 1_000)
    console.log(`catalog: ${priced.length} names of ${new Set(priced.map(({ model }) => model)).size} models compared ${compared} times`)
  })

  it("gives every name that the package spells out to the model that spells it", () => {
    for (const { id, model, name } of priced) {
      const found = calcPrice({ input_tokens: 0, output_tokens: 0 }, name, { providerId: id, timestamp: asOf })!.model
      assert.isTrue(found === model || names(found.match).includes(name) || found.id === name, `${name}: ${found.id} and ${model.id}`)
    }
  })

  it("knows dated names, and no others that only begin alike", () => {
    for (const name of [
      "claude-sonnet-4-5",
      "claude-sonnet-4-5-20250929",
      "claude-sonnet-4-20250514",
      "claude-3-5-haiku-latest",
      "claude-opus-4-1@20250805"
    ]) {
      assert.isDefined(catalog("anthropic", name), name)
    }
    for (const name of [
      "claude-sonnet-4-5-mini",
      "claude-opus-4-10",
      "claude-sonnet-5-5",
      "claude-3-5-haiku-20241022-custom",
      "claude",
      "claude-v20",
      "anthropic/claude-opus-5"
    ]) {
      assert.isUndefined(catalog("anthropic", name), name)
    }
    for (const name of [
      "gpt-4o-mini-2024-07-18",
      "gpt-4o-2024-08-06",
      "gpt-4o-20240806",
      "gpt-5-nano-2025-08-07",
      "gpt-5.6-sol-2026-07-01"
    ]) {
      assert.isDefined(catalog("openai", name), name)
    }
    for (const name of ["gpt-4o-2099-01-01", "gpt-7", "gpt-5-nano-next", "ft:gpt-4o-mini-2024-07-18:org::id", "my-moderation-thing", ""]) {
      assert.isUndefined(catalog("openai", name), name)
    }
    // The package itself would say something for half of these.
    assert.strictEqual(calcPrice({ input_tokens: 1 }, "claude-opus-4-10", { providerId: "anthropic" })?.model.id, "claude-opus-4-1")
    assert.isNull(calcPrice({ input_tokens: 1 }, "gpt-7", { providerId: "openai" }))
  })

  it("leaves out what tokens alone do not bill", () => {
    for (const name of [
      "gpt-4o-search-preview",
      "gpt-4o-mini-search-preview",
      "o3-deep-research",
      "gpt-audio",
      "gpt-4o-audio-preview",
      "gpt-realtime",
      "gpt-5-image",
      "whisper-1",
      "omni-moderation"
    ]) {
      assert.isUndefined(catalog("openai", name), name)
    }
    assert.isUndefined(catalog("mistral", "mistral-ocr-latest"))
    assert.isUndefined(catalog("openrouter", "perplexity/sonar"))
    assert.isUndefined(catalog("openrouter", "google/gemini-flash-1.5-8b-exp"), "no price at all, and not called free")
    assert.strictEqual(catalog("openrouter", "deepseek/deepseek-r1:free")?.output, 0)
    assert.strictEqual(catalog("openai", "text-embedding-3-small")?.output, 0)
    assert.isDefined(catalog("openrouter", "nousresearch/hermes-4-70b"))
    const left = kinds.map(({ kind }) => {
      const known = new Set(priced.filter((one) => one.kind === kind).map(({ model }) => model))
      const out = [...new Set(models.filter((one) => one.kind === kind && !known.has(one.model)).map(({ model }) => model.id))]
      return `  ${kind}: ${known.size} priced, ${out.length} left out${out.length === 0 ? "" : `: ${out.join(", ")}`}`
    })
    console.log(`catalog as of ${asOf.toISOString().slice(0, 10)}\n${left.join("\n")}`)
  })

  it("takes the entry in force, and of times of day the dearest", () => {
    // $10 and $40 until June 2025.
    assert.deepInclude(catalog("openai", "o3"), { input: 2_000_000, output: 8_000_000 })
    // Peak hours cost twice the rest; before August 2026 there was one price, lower than both.
    assert.deepInclude(catalog("deepseek", "deepseek-v4-pro"), { input: 1_320_000, cacheRead: 44_000, output: 3_960_000 })
    assert.deepInclude(catalog("deepseek", "deepseek-reasoner"), { input: 550_000, cacheRead: 140_000, output: 2_190_000 })
    // Long prompts cost more until March 2026, and no longer.
    assert.deepStrictEqual(catalog("anthropic", "claude-opus-4-6")?.tiers, [])
  })

  it("knows tiers, hour-long writes, and the input's rate where the cache has none", () => {
    assert.deepStrictEqual(catalog("anthropic", "claude-sonnet-4-5"), {
      input: 3_000_000,
      output: 15_000_000,
      cacheRead: 300_000,
      cacheWrite: 3_750_000,
      cacheWriteLong: 6_000_000,
      tiers: [
        {
          aboveInputTokens: 200_000,
          rates: { input: 6_000_000, output: 22_500_000, cacheRead: 600_000, cacheWrite: 7_500_000, cacheWriteLong: 12_000_000 }
        }
      ]
    })
    assert.deepStrictEqual(catalog("groq", "llama-3.1-8b-instant"), {
      input: 50_000,
      output: 80_000,
      cacheRead: 50_000,
      cacheWrite: 50_000,
      cacheWriteLong: 50_000,
      tiers: []
    })
    for (const { name, price } of priced) {
      for (const value of [price, ...price.tiers.map(({ rates }) => rates)].flatMap(
        ({ cacheRead, cacheWrite, cacheWriteLong, input, output }) => [cacheRead, cacheWrite, cacheWriteLong, input, output]
      )) {
        assert.isTrue(Number.isSafeInteger(value) && value >= 0 && value <= 1e9, `${name}: ${value}`)
      }
      const starts = price.tiers.map(({ aboveInputTokens }) => aboveInputTokens)
      assert.deepStrictEqual(
        starts,
        [...new Set(starts)].toSorted((a, b) => a - b),
        name
      )
    }
  })

  it("converts nothing that has a price for other things than tokens of text", () => {
    const text = /^(?:input|output|cache_read|cache_write|cache_write_1h)_mtok$/
    // Billed by the provider's own tools, which a request has to name.
    const tools = /^(?:web|storage)_searches_kcount$/
    for (const { model, name } of priced) {
      for (const key of entriesOf(model).flatMap(Object.keys)) assert.isTrue(text.test(key) || tools.test(key), `${name}: ${key}`)
    }
  })

  it("is loaded by nobody in the engine", () => {
    const src = new URL("../src/", import.meta.url)
    const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"))
    const importing = files.filter((path) => /from "[^"]*(?:Catalog\.ts|genai-prices)"/.test(readFileSync(new URL(path, src), "utf8")))
    assert.deepStrictEqual(importing, ["Catalog.ts"])
    assert.isFalse(/updatePrices\(/.test(readFileSync(new URL("Catalog.ts", src), "utf8")))
  })

  it("remembers, and knows nothing of other kinds", () => {
    assert.strictEqual(catalog("openai", "gpt-4o"), catalog("openai", "gpt-4o"))
    assert.isUndefined(catalog("nobody", "gpt-4o"))
    assert.isUndefined(catalog("constructor", "gpt-4o"))
    assert.isUndefined(catalog("groq", "gpt-4o"))
  })
})

const chats = ["openai-chat", "compat-openai-chat", "anthropic-messages"]
describe.skipIf(!present(...chats))("models in recorded traffic", () => {
  it("have prices, or are named here", () => {
    const seen = new Map<string, number>()
    const unpriced = new Map<string, number>()
    for (const file of chats) {
      for (const { provider, request, response } of recorded(file)) {
        const model = (request?.body as { readonly model?: unknown } | undefined)?.model
        if (typeof model !== "string" || response.status !== 200 || !kinds.some(({ kind }) => kind === provider)) continue
        const name = `${provider}/${model}`
        const into = catalog(provider, model) === undefined ? unpriced : seen
        into.set(name, (into.get(name) ?? 0) + 1)
      }
    }
    const list = (of: ReadonlyMap<string, number>) => [...of].map(([name, times]) => `${name} ×${times}`).join(", ")
    console.log(`recorded models with a list price: ${seen.size}; without: ${list(unpriced)}`)
    assert.isAbove(seen.size, 30)
    assert.isBelow(unpriced.size, seen.size / 2)
  })
})
