/**
 * Texts to be turned into vectors, and the vectors: the model between the dialects, as `Conversation.ts` is for answers. Types only.
 */
import type { Extra, Usage } from "./Conversation.ts"
import type { DialectName } from "./Providers.ts"

/** One thing to embed. */
export type EmbeddingInput =
  | { readonly _tag: "Text"; readonly text: string; readonly title?: string; readonly at: string }
  /** A text as the provider's own tokenizer splits it. */
  | { readonly _tag: "Tokens"; readonly tokens: ReadonlyArray<number>; readonly at: string }
  /** Anything else, as the caller's dialect writes it: several parts, an image. */
  | { readonly _tag: "Foreign"; readonly type: string; readonly value: unknown; readonly at: string }

export interface EmbeddingRequest {
  /** The caller's dialect. */
  readonly dialect: DialectName
  /** The model as the caller named it. */
  readonly model: string
  readonly inputs: ReadonlyArray<EmbeddingInput>
  /** Whether the caller's dialect gave the inputs as a list; a lone input may be written either way. */
  readonly many: boolean
  /** How long the vectors shall be. */
  readonly dimensions?: number
  /** `base64` is of 32-bit floats, little end first. */
  readonly format?: "float" | "base64"
  /** What the vectors are for, in the words of Gemini's API (`RETRIEVAL_QUERY`, `SEMANTIC_SIMILARITY`). */
  readonly task?: string
  readonly userId?: string
  readonly extras: ReadonlyArray<Extra>
  /** The caller's name for each setting that is present. */
  readonly named: Readonly<Partial<Record<"dimensions" | "format" | "task" | "userId", string>>>
}

/** The vectors, in the order of the inputs. */
export interface Embeddings {
  /** The provider's dialect. */
  readonly dialect: DialectName
  readonly model?: string
  /** Numbers, or base64 of 32-bit floats, little end first. */
  readonly vectors: ReadonlyArray<ReadonlyArray<number> | string>
  readonly usage?: Usage
  readonly extras: ReadonlyArray<Extra>
}
