/**
 * What is asked of every client library: the same questions, each in its own words, and what its user gets to see.
 */
import type { DialectName } from "../../../src/Providers.ts"

export interface Question {
  readonly model: string
  readonly text: string
  readonly stream: boolean
  /** An instruction before the question. */
  readonly system?: string
  /** Offers `get_weather(city)`; `only one` forbids parallel calls, `must` demands one. */
  readonly tools?: "offered" | "only one" | "must"
  /** Sends a picture with it. */
  readonly image?: boolean
  /** Demands an answer of `schema`. */
  readonly schema?: boolean
  /** Asks for thoughts. */
  readonly think?: boolean
  readonly maxTokens?: number
}

/** What the user of the library sees. */
export interface Seen {
  readonly text: string
  readonly thought: string
  readonly refusal: string
  readonly calls: ReadonlyArray<readonly [name: string, input: unknown]>
  readonly stop: "end" | "tools" | "max" | "refusal" | string
  readonly usage: { readonly input: number; readonly output: number } | undefined
  /** How many pieces of text came apart; 1 for a whole answer. */
  readonly pieces: number
  /** Asks on, with what came and the results of its calls, as the library's documentation shows it. */
  readonly again: (results: ReadonlyArray<string>) => Promise<Seen>
}

export interface Driver {
  readonly name: string
  readonly speaks: DialectName
  /** Whether the library shows thoughts of a dialect that has no word for them. */
  readonly ask: (question: Question) => Promise<Seen>
  /** Begins to stream, takes the first words, and gives up. */
  readonly abandon: (question: Question) => Promise<void>
}

export const weather = {
  name: "get_weather",
  description: "The weather in a city",
  schema: {
    type: "object",
    properties: { city: { type: "string" }, unit: { type: ["string", "null"], enum: ["c", "f", null] } },
    required: ["city"],
    additionalProperties: false
  }
} as const

export const line = {
  type: "object",
  properties: { line: { type: "string" }, stops: { type: "array", items: { type: "string" } } },
  required: ["line", "stops"],
  additionalProperties: false
} as const

export const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
