/**
 * What a request can cost at most on a target, before it is sent: the amount that a reservation holds.
 *
 * (input bound + what the provider adds) × the dearest input price that the request can incur + choices × min(caller's maximum, target's maximum) × the dearest
 * output price. The input bound is the UTF-8 bytes of all text, since a token is at least a byte, plus declared maxima for media. Runs once an attempt, and only
 * where a budget asks.
 *
 * - **Dearest input price**: of fresh, read and written input, in the base and in every tier that the input bound reaches. Which of them a token will be only
 *   the provider knows.
 * - **What is added** where the target does not say: the registry's allowance for the provider at its own address; at any other, that of a host of many models,
 *   since nothing is known of what answers there. It grows with the messages. How many tools there are it need not know: their names, brackets and quotes are
 *   in the bytes already, and the prompt that explains them comes once.
 * - **Media**: what the target declares, else the registry's maximum of an image. Sound and files have none: their tokens grow with their length.
 *
 * Roads not taken: counting with a tokenizer (megabytes of tables for each family, milliseconds for a long prompt, and those of the newest models are not
 * published); a quantile of what was seen (a budget that usually holds).
 */
import type { Ask } from "./Ask.ts"
import type { RefusalCode } from "./GatewayError.ts"
import { costOfTwo } from "./Money.ts"
import type { Price } from "./Price.ts"
import { type Added, hostAdds, type Provider, providers } from "./Providers.ts"
import type { Target } from "./Target.ts"

/** A reservation with its arithmetic, so that `explain` can show it. */
export interface Bound {
  readonly _tag: "Bound"
  readonly nanoDollars: number
  readonly textTokens: number
  readonly mediaTokens: number
  readonly addedTokens: number
  /** Pico-dollars a token. */
  readonly inputPrice: number
  readonly choices: number
  readonly outputTokens: number
  /** Pico-dollars a token. */
  readonly outputPrice: number
}

/** Nothing can be reserved, because what it may cost is not known. */
export interface Unbounded {
  readonly _tag: "Unbounded"
  readonly code: RefusalCode & ("unpriced_model" | "unpriced_request" | "unbounded_request")
  readonly message: string
}

const unbounded = (code: Unbounded["code"], message: string): Unbounded => ({ _tag: "Unbounded", code, message })

/** What is usual for a target's provider. */
interface Usual {
  readonly adds: Added
  readonly image: number | undefined
}

const usuals = new WeakMap<Target, Usual>()

/** Found once a target. */
const usualOf = (target: Target): Usual => {
  const known = usuals.get(target)
  if (known !== undefined) return known
  const provider: Provider = providers[target.kind]
  const usual: Usual = target.usual
    ? { adds: provider.adds, image: provider.imageTokens?.(target.model) }
    : { adds: hostAdds, image: undefined }
  usuals.set(target, usual)
  return usual
}

const named: Readonly<Record<"image" | "audio" | "file", string>> = { image: "images", audio: "sound", file: "files" }

/** The most tokens that the request's media count, or the kind of which nothing is known. */
const mediaTokens = (ask: Ask, target: Target): number | keyof typeof named => {
  const { audio, files, images } = ask.media()
  const declared = target.mediaTokens
  let tokens = 0
  if (images > 0) {
    const image = declared.image ?? usualOf(target).image
    if (image === undefined) return "image"
    tokens += images * image
  }
  if (audio > 0) {
    if (declared.audio === undefined) return "audio"
    tokens += audio * declared.audio
  }
  if (files > 0) {
    if (declared.file === undefined) return "file"
    tokens += files * declared.file
  }
  return tokens
}

const addedTokens = (ask: Ask, target: Target): number => {
  if (target.addedTokens !== undefined) return target.addedTokens
  const { format, message, request, tools } = usualOf(target).adds
  return request + message * ask.messages() + (ask.needsTools() ? tools : 0) + (ask.hasFormat() ? format : 0)
}

/** The dearest prices that a request of up to `inputTokens` can incur. */
const dearest = (price: Price, inputTokens: number): { readonly input: number; readonly output: number } => {
  let input = Math.max(price.input, price.cacheRead, price.cacheWrite, price.cacheWriteLong)
  let output = price.output
  for (const { aboveInputTokens, rates } of price.tiers) {
    if (inputTokens <= aboveInputTokens) continue
    input = Math.max(input, rates.input, rates.cacheRead, rates.cacheWrite, rates.cacheWriteLong)
    output = Math.max(output, rates.output)
  }
  return { input, output }
}

/** The most tokens that one answer can have: the caller's maximum, where it is one, within the target's; undefined where neither is known. */
export const longestAnswer = (ask: Ask, target: Pick<Target, "maxOutputTokens">): number | undefined => {
  const limit = ask.maxOutputTokens()
  const asked = limit !== null && limit > 0 && Number.isSafeInteger(limit) ? limit : undefined
  return asked === undefined ? target.maxOutputTokens : Math.min(asked, target.maxOutputTokens ?? asked)
}

const nothing: Bound = {
  _tag: "Bound",
  nanoDollars: 0,
  textTokens: 0,
  mediaTokens: 0,
  addedTokens: 0,
  inputPrice: 0,
  choices: 1,
  outputTokens: 0,
  outputPrice: 0
}

/** The most that `ask` can cost on `target`. */
export const boundOf = (ask: Ask, target: Target): Bound | Unbounded => {
  const { name, price } = target
  if (price === undefined) {
    return unbounded("unpriced_model", `the price of \`${name}\` is not known: expected its target to declare a \`price\``)
  }
  // Providers count tokens for nothing.
  if (ask.operation === "count") return nothing
  const extras = ask.extras()
  if (extras.length > 0) {
    return unbounded(
      "unpriced_request",
      `${extras.map((field) => `\`${field}\``).join(", ")} may be billed otherwise than by the token prices of \`${name}\``
    )
  }
  const media = mediaTokens(ask, target)
  if (typeof media === "string") {
    return unbounded(
      "unbounded_request",
      `how many tokens ${named[media]} may count on \`${name}\` is not known: expected its target to declare \`mediaTokens.${media}\``
    )
  }
  const outputTokens = ask.operation === "embed" ? 0 : longestAnswer(ask, target)
  if (outputTokens === undefined) {
    return unbounded(
      "unbounded_request",
      `how long an answer of \`${name}\` may be is not known: expected a maximum in the request, or its target to declare \`maxOutputTokens\``
    )
  }
  const textTokens = ask.inputBytes()
  const added = addedTokens(ask, target)
  const inputTokens = textTokens + media + added
  const choices = ask.choices()
  const { input, output } = dearest(price, inputTokens)
  return {
    _tag: "Bound",
    nanoDollars: costOfTwo(inputTokens, input, choices * outputTokens, output),
    textTokens,
    mediaTokens: media,
    addedTokens: added,
    inputPrice: input,
    choices,
    outputTokens,
    outputPrice: output
  }
}
