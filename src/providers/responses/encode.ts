/**
 * What the encoders of a Responses request share: the conversation, whether it was written in Responses, and what has been lost so far.
 */
import type { Conversation, Setting } from "../../Conversation.ts"
import type { Loss } from "../../Dialect.ts"

/** A JSON object being written. */
export type Body = Record<string, unknown>

/** One encoding under way. */
export interface Writing {
  readonly conversation: Conversation
  /** Its caller spoke Responses: everything goes back as it was. */
  readonly own: boolean
  readonly losses: Array<Loss>
}

/** Reports a loss, and is what an encoder returns in place of what was lost. */
export const lose = (writing: Writing, field: string, reason: string): undefined => void writing.losses.push({ field, reason })

/** The caller's name for a setting. */
export const named = (writing: Writing, setting: Setting): string => writing.conversation.named[setting] ?? setting
