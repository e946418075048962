/**
 * What tokens cost. Prices are integer pico-dollars a token; an attempt sums exact products and rounds up once, to integer nano-dollars.
 *
 * Exact in doubles: a billion tokens at a thousand dollars a million are 10¹⁸ pico-dollars, so products stay exact up to about nine million tokens at that price.
 */
import type { Usage } from "./Conversation.ts"
import type { Target } from "./Target.ts"

/** The cost of `usage` on `target` in nano-dollars; undefined where the target has no price. */
export const costOf = (target: Pick<Target, "price">, usage: Pick<Usage, "inputTokens" | "outputTokens">): number | undefined =>
  target.price === undefined
    ? undefined
    : Math.ceil((usage.inputTokens * target.price.input + usage.outputTokens * target.price.output) / 1_000)
