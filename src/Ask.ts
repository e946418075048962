/**
 * What routing needs to know of a request, whatever dialect it is written in. A caller's dialect implements it over its parsed body; each answer is computed
 * only if a policy's facts or a reservation ask for it.
 */
import type { Operation } from "./Dialect.ts"

export interface Ask {
  /** An answer, vectors, or a count of tokens. */
  readonly operation: Operation
  /** The model that the caller names. */
  readonly model: string
  readonly stream: boolean
  /** UTF-8 bytes of all text that the model will read: messages, tool definitions, schemas; media count nothing here. */
  readonly inputBytes: () => number
  /** The most tokens that the caller will take, or null where it does not say. */
  readonly maxOutputTokens: () => number | null
  readonly messages: () => number
  readonly needsTools: () => boolean
  readonly needsVision: () => boolean
  /** Whether the answer must keep to a schema; JSON of any kind is less, and more models can do it. */
  readonly needsStructuredOutput: () => boolean
  /** Whether a format is asked for: a schema, or JSON of any kind. */
  readonly hasFormat: () => boolean
  readonly needsReasoning: () => boolean
  /** A string field of the body's `metadata` object. */
  readonly metadata: (name: string) => string | null
  /** A header of the request; `name` in lower case. */
  readonly header: (name: string) => string | null
  /** How many answers are asked for at once; each is billed. */
  readonly choices: () => number
  readonly media: () => Media
  /** Fields of the request that the provider bills beside tokens, or at other prices for tokens: its own tools, service tiers. */
  readonly extras: () => ReadonlyArray<string>
}

/** How many pieces of each kind a request carries that are not text. */
export interface Media {
  readonly images: number
  readonly audio: number
  readonly files: number
}

export const noMedia: Media = { images: 0, audio: 0, files: 0 }
