import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { fits, type Guarded, keepsOut } from "../src/Guards.ts"
import type { Guard, Selector } from "../src/Policy.ts"
import type { Price } from "../src/Price.ts"
import { priceOf, vendorOf } from "../src/Target.ts"

const price = (input: number, output: number, tiers: Price["tiers"] = []): Price => ({
  input,
  output,
  cacheRead: input,
  cacheWrite: input,
  cacheWriteLong: input,
  tiers
})

/** A target of which everything is known. */
const mini: Guarded = {
  name: "mini",
  declared: true,
  provider: "openai",
  model: "gpt-4o-mini",
  deployment: "prod-1",
  region: "eu",
  vendor: "maker",
  tags: ["hosted"],
  capabilities: { vision: true, tools: false },
  price: price(150_000, 600_000)
}
/** One of which little is. */
const blank: Guarded = { ...mini, declared: false, region: null, tags: [], capabilities: {}, price: undefined }

describe("what a provider is", () => {
  it("is known by where it answers, however that is spelt and whatever dialect is spoken there", () => {
    const at = (dialect: "openai" | "openrouter", baseUrl?: string) =>
      vendorOf({ dialect, open: false, ...(baseUrl === undefined ? {} : { baseUrl }) })
    assert.deepStrictEqual(
      [
        at("openrouter"),
        at("openrouter", "https://openrouter.ai:443/api/v1"),
        at("openrouter", "https://OpenRouter.ai/api/./v1/"),
        at("openai", "https://openrouter.ai/api/v1"),
        at("openrouter", "https://api.openai.com/v1"),
        at("openai", "https://relay.example.com/v1"),
        at("openai", "https://{region}.example.com/v1")
      ],
      ["router", "router", "router", "router", "maker", "own", "own"]
    )
  })

  it("does not hide a dearer model behind the name of a cheaper one", () => {
    const prices = (_: string, model: string) => (model === "o1" ? price(9, 9) : price(1, 1))
    const named = (deployment?: string) =>
      priceOf(
        { dialect: "openai", open: false },
        { provider: "p", model: "gpt-4o-mini", ...(deployment === undefined ? {} : { deployment }) },
        prices
      )
    assert.deepStrictEqual([named()?.input, named("o1")?.input], [1, 9])
  })
})

describe("whether a selector fits", () => {
  const usd = (dollars: number) => ({ usd: dollars })
  const tiered = { ...mini, price: price(1_000_000, 2_000_000, [{ aboveInputTokens: 10, rates: price(3_000_000, 2_000_000) }]) }
  const rows: ReadonlyArray<readonly [why: string, selector: Selector, target: Guarded, fit: boolean | undefined]> = [
    ["a target by its name", { targets: ["big", "mini"] }, mini, true],
    ["another target", { targets: ["big"] }, mini, false],
    ["a model that a caller names as a target is named", { targets: ["mini"] }, blank, false],
    ["a model", { models: ["gpt-4o-mini"] }, { ...mini, deployment: mini.model }, true],
    ["a model in another case, as a caller may spell it", { models: ["GPT-4o-Mini"] }, { ...mini, deployment: mini.model }, true],
    ["a model and its deployment", { models: ["gpt-4o-mini", "PROD-1"] }, mini, true],
    ["a model that may be another by its deployment", { models: ["gpt-4o-mini"] }, mini, undefined],
    ["a deployment whose model is not named", { models: ["PROD-1"] }, mini, undefined],
    ["a part of a model's name", { models: ["gpt-4o"] }, mini, false],
    ["a provider", { providers: ["azure", "openai"] }, mini, true],
    ["another provider", { providers: ["azure"] }, mini, false],
    ["a region", { regions: ["eu"] }, mini, true],
    ["another region", { regions: ["eu-west-1"] }, mini, false],
    ["a region where none is known", { regions: ["eu"] }, blank, undefined],
    ["a vendor class", { vendors: ["own", "maker"] }, mini, true],
    ["another vendor class", { vendors: ["router"] }, mini, false],
    ["a tag", { tags: ["trial", "hosted"] }, mini, true],
    ["no such tag", { tags: ["trial"] }, mini, false],
    ["a tag where there is none", { tags: ["trial"] }, blank, false],
    ["a capability", { capabilities: ["vision"] }, mini, true],
    ["a known lack", { capabilities: ["tools"] }, mini, false],
    ["a capability that is not known", { capabilities: ["audio"] }, mini, undefined],
    ["one of two capabilities", { capabilities: ["tools", "vision"] }, mini, true],
    ["a lack, and one that is not known", { capabilities: ["tools", "audio"] }, mini, undefined],
    ["a price above", { inputAbove: usd(0.149999) }, mini, true],
    ["the very price, which is not above", { inputAbove: usd(0.15) }, mini, false],
    ["a price of output above", { outputAbove: usd(0.599999) }, mini, true],
    ["the very price of output", { outputAbove: usd(0.6) }, mini, false],
    ["a price that is not known", { outputAbove: usd(0) }, blank, undefined],
    ["a price whose dearest tier is above", { inputAbove: usd(2.5) }, tiered, true],
    ["a price whose dearest tier is not", { inputAbove: usd(3) }, tiered, false],
    ["a price of which another rate grows", { outputAbove: usd(2) }, tiered, false],
    ["all of several fields", { tags: ["hosted"], regions: ["eu"] }, mini, true],
    ["not all of several", { tags: ["hosted"], regions: ["us"] }, mini, false],
    ["one that does not fit, and one that is not known", { tags: ["hosted"], regions: ["us"] }, blank, false],
    ["one that fits, and one that is not known", { providers: ["openai"], regions: ["us"] }, blank, undefined]
  ]
  for (const [why, selector, target, fit] of rows) {
    it(`${why}: ${fit ?? "unknown"}`, () => {
      assert.strictEqual(fits(selector, target), fit)
      assert.deepStrictEqual(keepsOut({ name: "g", forbid: selector }, target), { out: fit !== false, unknown: fit === undefined })
      assert.deepStrictEqual(keepsOut({ name: "g", require: selector }, target), { out: fit !== true, unknown: fit === undefined })
    })
  }
})

describe("laws", () => {
  const known = <A>(value: fc.Arbitrary<A>) => fc.option(value, { nil: undefined })
  const tokens = fc.integer({ min: 0, max: 3 }).map((n) => n * 1_000_000)
  const target: fc.Arbitrary<Guarded> = fc.record({
    name: fc.constantFrom("a", "b"),
    declared: fc.boolean(),
    provider: fc.constantFrom("p", "q"),
    model: fc.constantFrom("m", "M", "n"),
    deployment: fc.constantFrom("m", "d"),
    region: fc.constantFrom("eu", "us", null),
    vendor: fc.constantFrom("maker", "own"),
    tags: fc.subarray(["x", "y"]),
    capabilities: fc.record({ vision: known(fc.boolean()), tools: known(fc.boolean()) }) as fc.Arbitrary<Guarded["capabilities"]>,
    price: known(fc.tuple(tokens, tokens).map(([input, output]) => price(input, output)))
  })
  const some = <A>(...values: ReadonlyArray<A>) => fc.subarray([...values], { minLength: 1 }) as fc.Arbitrary<any>
  const selector: fc.Arbitrary<Selector> = fc
    .record(
      {
        targets: some("a", "b"),
        models: some("m", "n", "d"),
        providers: some("p", "q"),
        regions: some("eu", "us"),
        vendors: some("maker", "own"),
        tags: some("x", "y"),
        capabilities: some("vision", "tools"),
        inputAbove: fc.constantFrom({ usd: 0 }, { usd: 1 }, { usd: 2 }),
        outputAbove: fc.constantFrom({ usd: 0 }, { usd: 1 }, { usd: 2 })
      },
      { requiredKeys: [] }
    )
    .filter((made) => Object.keys(made).length > 0)
  const guard: fc.Arbitrary<Guard> = fc
    .tuple(selector, fc.boolean())
    .map(([of, forbids]) => ({ name: "g", ...(forbids ? { forbid: of } : { require: of }) }))
  /** The same target, as it may turn out to be. */
  const learned = ({ capabilities, price: cost, region, ...rest }: Guarded) =>
    fc
      .record({ region: fc.constantFrom("eu", "us"), vision: fc.boolean(), tools: fc.boolean(), input: tokens, output: tokens })
      .map((known): Guarded => ({
        ...rest,
        region: region ?? known.region,
        capabilities: { vision: capabilities.vision ?? known.vision, tools: capabilities.tools ?? known.tools },
        price: cost ?? price(known.input, known.output)
      }))

  it("a guard never lets through what it might forbid: what it lets through it would, whatever more is learned", () => {
    const seen = { through: 0, unknown: 0 }
    fc.assert(
      fc.property(
        guard,
        target.chain((one) => fc.tuple(fc.constant(one), fc.array(learned(one), { minLength: 8, maxLength: 8 }))),
        (guard, [target, all]) => {
          const { out, unknown } = keepsOut(guard, target)
          if (unknown) {
            seen.unknown++
            assert.isTrue(out)
          } else for (const one of all) assert.strictEqual(keepsOut(guard, one).out, out)
          if (!out) seen.through++
        }
      ),
      { numRuns: 4_000 }
    )
    assert.isAbove(Math.min(seen.through, seen.unknown), 50)
  })

  it("what is neither forbidden nor required by a selector is what is not known to be either", () => {
    fc.assert(
      fc.property(selector, target, (selector, target) => {
        const forbidden = keepsOut({ name: "g", forbid: selector }, target)
        const required = keepsOut({ name: "g", require: selector }, target)
        assert.strictEqual(forbidden.unknown, required.unknown)
        assert.strictEqual(forbidden.out && required.out, forbidden.unknown)
        assert.isTrue(forbidden.out || required.out)
      }),
      { numRuns: 2_000 }
    )
  })

  it("a selector of more fields fits less, and one of longer lists fits more", () => {
    const rank = (fit: boolean | undefined) => (fit === true ? 2 : fit === undefined ? 1 : 0)
    fc.assert(
      fc.property(selector, selector, target, (one, other, target) => {
        assert.isAtMost(rank(fits({ ...other, ...one }, target)), rank(fits(one, target)))
        const longer = Object.fromEntries(
          Object.entries(one).map(([name, value]) => [
            name,
            Array.isArray(value) ? [...value, ...((other[name as keyof Selector] as ReadonlyArray<unknown> | undefined) ?? [])] : value
          ])
        ) as Selector
        assert.isAtLeast(rank(fits(longer, target)), rank(fits(one, target)))
      }),
      { numRuns: 2_000 }
    )
  })
})
