/**
 * What the encoders of a Messages request share: the conversation, what the model accepts, and what has been lost so far.
 */
import type { Loss } from "../../Dialect.ts"
import type { CacheHint, Conversation, Setting } from "../../Conversation.ts"
import { type Calls, noCalls } from "./calls.ts"
import { type Traits, traitsOf } from "./models.ts"

/** A JSON object being written. */
export type Body = Record<string, unknown>

/** One encoding under way. */
export interface Writing {
  readonly conversation: Conversation
  /** The target's model, by its name. */
  readonly model: string
  readonly traits: Traits
  readonly losses: Array<Loss>
  readonly calls: Calls
}

/** Starts an encoding. */
export const writingOf = (conversation: Conversation, model: string): Writing => ({
  conversation,
  model,
  traits: traitsOf(model),
  losses: [],
  calls: noCalls()
})

/** Reports a loss, and is what an encoder returns in place of what was lost. */
export const lose = (writing: Writing, field: string, reason: string): undefined => void writing.losses.push({ field, reason })

/** The caller's name for a setting. */
export const named = (writing: Writing, setting: Setting): string => writing.conversation.named[setting] ?? setting

/** The cache breakpoint that a hint asks for. */
export const cacheControl = (cache: CacheHint | undefined): Body =>
  cache === undefined
    ? {}
    : { cache_control: cache.ttl === "5m" || cache.ttl === "1h" ? { type: "ephemeral", ttl: cache.ttl } : { type: "ephemeral" } }

/** Whether there is nothing to see in `text`. */
export const blank = (text: string): boolean => text.trim() === ""
