/**
 * List prices from `@pydantic/genai-prices`, whose data come with the package: nothing is fetched, ever (`updatePrices` is never called). Runs at load, and
 * once for each model that a caller names at an open provider.
 *
 * The package takes 41 ms and 8 MB to load, so nothing in `src/` imports this module: the runtime hands `catalog` to `compile`.
 *
 * - **Names.** The package's own lookup finds the model, but it also takes `claude-sonnet-5-5` for a `claude-sonnet-5`. So a name counts only where a rule of
 *   the model spells it out, or spells it out but for a date or `-latest` at its end. Anything else has no price, which a budget refuses; a wrong price it
 *   would believe. Fine-tuned models have none for the same reason.
 * - **Dates and times of day.** The engine reads no clock for a price. Of a model's entries those that may hold at `asOf` or later are taken together, the
 *   dearest of each rate: the last one that has started, all that start later, and those of a time of day.
 * - **What is left out.** Models that are billed by anything but tokens (pages, hours, messages), or at other prices for tokens of sound and pictures, which
 *   usage does not tell apart; models that search on their own, which is billed by the search and not in the data; models without a price for output, but for
 *   embeddings; models without any price, but for those named `:free`. Prices of searches are passed over, since a request for them is an `extra` of its own.
 * - **What a list price does not know**: batch, flex and priority tiers, regions, discounts, and at a router which host answers. A policy's own price does.
 */
import { calcPrice, type ConditionalPrice, type MatchLogic, type ModelInfo, type ModelPrice } from "@pydantic/genai-prices"
import type { Price, PriceSource, Rates } from "./Price.ts"
import { type Provider, providers } from "./Providers.ts"

/** Where the prices come from. The package exports no version of its own, so a test holds this to the one that is installed. */
export const catalogVersion = "@pydantic/genai-prices 0.1.8"

/** The day on which this version was taken in: entries that end before it are out. */
export const asOf = new Date("2026-11-22T00:00:00Z")

const tokenPrices = new Set(["input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok"])
/** Billed by use of the provider's own tools, which `Ask.extras` names. */
const toolPrices = new Set(["web_searches_kcount", "storage_searches_kcount"])
const otherwiseBilled = /^ft:|-search|deep-research|sonar|-online|audio|realtime|transcribe|tts|voice|voxtral|image/

/**
 * Dollars for a million tokens in pico-dollars a token; a finer price rounds up. Exact: a decimal of whole pico-dollars is the double nearest to its integer
 * over 10⁶, which is just what the division gives; multiplying alone would make 0.000035 of it a rounding error more.
 */
export const toPico = (dollars: number): number => {
  const nearest = Math.round(dollars * 1e6)
  return nearest / 1e6 < dollars ? nearest + 1 : nearest
}

/** `name` without the date or `-latest` at its end. */
const stemOf = (name: string): string => name.replace(/(?:[-@]20\d{6}|-20\d\d-\d\d-\d\d|-\d{4}|-latest)$/, "")

/** Whether `rule` spells `name` out, a date apart. */
const spells = (rule: MatchLogic, name: string): boolean => {
  if ("or" in rule) return rule.or.some((each) => spells(each, name))
  if ("and" in rule) return rule.and.every((each) => spells(each, name))
  if ("equals" in rule) return rule.equals.toLowerCase() === name
  if ("starts_with" in rule) return name.startsWith(rule.starts_with.toLowerCase()) && stemOf(name).length <= rule.starts_with.length
  if ("regex" in rule) return /^\^.*\$$/.test(rule.regex) && new RegExp(rule.regex).test(name)
  return false
}

/** The package's model of that name, where it is really that model. */
const find = (provider: string, asked: string): ModelInfo | undefined => {
  const name = asked.toLowerCase().trim()
  try {
    const model = calcPrice({ input_tokens: 0, output_tokens: 0 }, name, { providerId: provider, timestamp: asOf })?.model
    // Dates are looked for in both spellings, as the package does.
    const dashed = name.replace(/-(20\d\d)(\d\d)(\d\d)$/, "-$1-$2-$3")
    return model !== undefined && (spells(model.match, name) || spells(model.match, dashed)) ? model : undefined
  } catch {
    // It throws over entries that price what these tokens are not.
    return undefined
  }
}

/** The entries of a model that may hold at `asOf` or later. The package takes the last that holds, so none before one that has started can. */
const inForce = (prices: ReadonlyArray<ConditionalPrice> | ModelPrice): ReadonlyArray<ModelPrice> => {
  if (!Array.isArray(prices)) return [prices as ModelPrice]
  const found: Array<ModelPrice> = []
  for (const { constraint, prices: entry } of (prices as ReadonlyArray<ConditionalPrice>).toReversed()) {
    found.push(entry)
    if (constraint === undefined || (constraint.type === "start_date" && new Date(constraint.start_date) <= asOf)) break
  }
  return found
}

const rateAt = (entry: ModelPrice, key: string, inputTokens: number): number | undefined => {
  const price = entry[key]
  if (price === undefined || typeof price === "number") return price === undefined ? undefined : toPico(price)
  let dollars = price.base
  for (const tier of price.tiers.toSorted((a, b) => a.start - b.start)) if (inputTokens > tier.start) dollars = tier.price
  return toPico(dollars)
}

const ratesAt = (entry: ModelPrice, inputTokens: number): Rates => {
  const input = rateAt(entry, "input_mtok", inputTokens) ?? 0
  const cacheWrite = rateAt(entry, "cache_write_mtok", inputTokens) ?? input
  return {
    input,
    output: rateAt(entry, "output_mtok", inputTokens) ?? 0,
    cacheRead: rateAt(entry, "cache_read_mtok", inputTokens) ?? input,
    cacheWrite,
    cacheWriteLong: rateAt(entry, "cache_write_1h_mtok", inputTokens) ?? cacheWrite
  }
}

const dearest = (a: Rates, b: Rates): Rates => ({
  input: Math.max(a.input, b.input),
  output: Math.max(a.output, b.output),
  cacheRead: Math.max(a.cacheRead, b.cacheRead),
  cacheWrite: Math.max(a.cacheWrite, b.cacheWrite),
  cacheWriteLong: Math.max(a.cacheWriteLong, b.cacheWriteLong)
})

/** Whether tokens alone bill it, at one price for each use of a token. */
const tokensAlone = (name: string, entry: ModelPrice): boolean => {
  const keys = Object.keys(entry).filter((key) => entry[key] !== undefined)
  if (keys.length === 0) return name.endsWith(":free")
  return (
    entry["input_mtok"] !== undefined &&
    (entry["output_mtok"] !== undefined || /embed/.test(name)) &&
    keys.every((key) => tokenPrices.has(key) || toolPrices.has(key))
  )
}

const priceOf = (name: string, model: ModelInfo): Price | undefined => {
  const entries = inForce(model.prices)
  if (otherwiseBilled.test(name) || !entries.every((entry) => tokensAlone(name, entry))) return undefined
  const starts = new Set<number>()
  for (const entry of entries)
    for (const price of Object.values(entry)) if (typeof price === "object") for (const { start } of price.tiers) starts.add(start)
  const at = (inputTokens: number): Rates => entries.map((entry) => ratesAt(entry, inputTokens)).reduce(dearest)
  return {
    ...at(0),
    tiers: [...starts].toSorted((a, b) => a - b).map((start) => ({ aboveInputTokens: start, rates: at(start + 1) }))
  }
}

const known = new Map<string, Price | undefined>()
/** Callers choose the names at open providers, so their number is bounded. */
const maxKnown = 10_000

/** List prices of the models that the package knows by exactly that name. */
export const catalog: PriceSource = (kind, model) => {
  const provider: Provider | undefined = Object.hasOwn(providers, kind) ? providers[kind as keyof typeof providers] : undefined
  if (provider?.catalog === undefined) return undefined
  const key = `${provider.catalog}\n${model}`
  if (known.has(key)) return known.get(key)
  const found = find(provider.catalog, model)
  const price = found === undefined ? undefined : priceOf(model.toLowerCase().trim(), found)
  if (known.size >= maxKnown) known.clear()
  known.set(key, price)
  return price
}
