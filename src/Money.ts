/**
 * What tokens cost. Prices are integer pico-dollars a token; an attempt sums exact products and rounds up once, to integer nano-dollars.
 *
 * A sum of products below 2⁵³ pico-dollars (nine thousand dollars) is exact in doubles, and adding it up shows whether it is: a product that is not exact is
 * itself no smaller. Only a larger sum is done again in integers of any size. Not here: `BigInt` throughout, at four times the cost (`bench/Bound.bench.ts`);
 * high and low halves of each product, which every call would pay for the sake of one in a million.
 */
import type { Usage } from "./Conversation.ts"
import type { Price, Rates } from "./Price.ts"

/** The rates of a request by its whole input: those of the last tier that it exceeds. */
export const ratesFor = (price: Price, inputTokens: number): Rates => {
  let rates: Rates = price
  for (const tier of price.tiers) if (inputTokens > tier.aboveInputTokens) rates = tier.rates
  return rates
}

/** Nano-dollars for pico-dollars, rounded up; exact up to nine million dollars, the largest number of nano-dollars that a double holds. */
const toNanoDollars = (pico: bigint): number => Number((pico + 999n) / 1_000n)

/** `a` tokens at `rateA` and `b` tokens at `rateB`, in nano-dollars, rounded up once. The numbers are integers of at least 0. */
export const costOfTwo = (a: number, rateA: number, b: number, rateB: number): number => {
  const pico = a * rateA + b * rateB
  if (pico <= Number.MAX_SAFE_INTEGER) return Math.ceil(pico / 1_000)
  return toNanoDollars(BigInt(a) * BigInt(rateA) + BigInt(b) * BigInt(rateB))
}

/**
 * The cost of `usage` at `price` in nano-dollars; undefined where there is no price. Counts that contradict each other are cut as `Usage` documents: cached
 * and written tokens are parts of the input, and what is kept for an hour is a part of what was written.
 */
export const costOf = (price: Price | undefined, usage: Omit<Usage, "reasoningTokens">): number | undefined => {
  if (price === undefined) return undefined
  const { inputTokens, outputTokens } = usage
  const { cacheRead, cacheWrite, cacheWriteLong, input, output } = ratesFor(price, inputTokens)
  const read = Math.min(usage.cachedInputTokens, inputTokens)
  const written = Math.min(usage.cacheWriteInputTokens, inputTokens - read)
  const long = Math.min(usage.longCacheWriteInputTokens ?? 0, written)
  const short = written - long
  const fresh = inputTokens - read - written
  const pico = fresh * input + read * cacheRead + short * cacheWrite + long * cacheWriteLong + outputTokens * output
  if (pico <= Number.MAX_SAFE_INTEGER) return Math.ceil(pico / 1_000)
  return toNanoDollars(
    BigInt(fresh) * BigInt(input) +
      BigInt(read) * BigInt(cacheRead) +
      BigInt(short) * BigInt(cacheWrite) +
      BigInt(long) * BigInt(cacheWriteLong) +
      BigInt(outputTokens) * BigInt(output)
  )
}
