/**
 * What tokens cost at one target: integer pico-dollars a token, so that sums of products are exact (`Money.ts`).
 *
 * A policy's own price comes first; what it leaves out comes from a source of list prices (`Catalog.ts`), which a policy is compiled with.
 */
import { type TargetSpec, toPicoDollarsPerToken } from "./Policy.ts"

/** Pico-dollars a token, by what the token is. */
export interface Rates {
  readonly input: number
  readonly output: number
  /** Input read from a cache. */
  readonly cacheRead: number
  /** Input written to a cache. */
  readonly cacheWrite: number
  /** Input written to a cache that keeps it for an hour. */
  readonly cacheWriteLong: number
}

export interface Price extends Rates {
  /** Other rates for the whole request where its input is larger, the smallest first; empty where there are none. */
  readonly tiers: ReadonlyArray<{ readonly aboveInputTokens: number; readonly rates: Rates }>
}

/** List prices: of a model, by the kind of its provider in the registry. Undefined where the source does not know it. */
export type PriceSource = (kind: string, model: string) => Price | undefined

/** Knows no price. */
export const noPrices: PriceSource = () => undefined

/** The price that a policy's author has declared. */
export const ofPolicy = ({ cacheRead, cacheWrite, input, output }: NonNullable<TargetSpec["price"]>): Price => {
  const written = toPicoDollarsPerToken(cacheWrite ?? input)
  return {
    input: toPicoDollarsPerToken(input),
    output: toPicoDollarsPerToken(output),
    cacheRead: toPicoDollarsPerToken(cacheRead ?? input),
    cacheWrite: written,
    cacheWriteLong: written,
    tiers: []
  }
}
