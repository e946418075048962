/**
 * What a relay sees of the transfer that it works for, and what the relays share.
 */
import type { Limits } from "../Attempt.ts"
import type { Call } from "../Call.ts"
import type { Usage } from "../Conversation.ts"
import type { AnswerContext, Dialect, Loss } from "../Dialect.ts"
import type { Failure } from "../Failure.ts"
import type { Target } from "../Target.ts"
import type { ReadUtf8 } from "../Text.ts"

/** What a relay is given of its transfer. */
export interface Transfer {
  readonly call: Call
  readonly target: Target
  /** What the target is spoken to in. */
  readonly dialect: Dialect
  /** Whether that is the caller's own, and bytes go on as they are. */
  readonly forwards: boolean
  readonly maxAnswerBytes: number
  /** Whether an answer will do, asked before it commits; while it may not, streams are held back too. Undefined where any will. */
  readonly accepts: Limits["accepts"]
  readonly readUtf8: ReadUtf8
  /** Takes our key out of what a provider says, before a dialect reads it. */
  readonly clean: (text: string) => string
  readonly losses: Array<Loss>
  readonly committed: boolean
  usage: Usage | undefined
  /** How long the credential should be left alone on this deployment by what the answer's head says, be the answer a success; told by the relay. */
  pauseMillis: number | undefined
  /** A stream has shown its first content. */
  readonly begin: () => void
  /** Sends the head to the caller, after which failover is over. Where another attempt answers already the transfer ends here, and takes nothing more. */
  readonly commit: (contentType: string, more: ReadonlyArray<string>) => void
  readonly write: (bytes: Uint8Array | string) => void
  readonly done: (bytes?: Uint8Array | string) => void
  readonly fail: (failure: Failure) => void
}

export interface Relay {
  readonly data: (chunk: Uint8Array) => void
  /** The provider's connection has ended as HTTP says it should. */
  readonly end: () => void
}

export const malformed = (message: string): Failure => ({ class: "malformed", message })

/** FNV-1a over a text's code units, in base 36. */
const hash = (text: string, seed: number): string => {
  let found = seed
  for (let i = 0; i < text.length; i++) found = Math.imul(found ^ text.charCodeAt(i), 0x01000193)
  return (found >>> 0).toString(36).padStart(7, "0")
}

/**
 * What the ids of an answer and its tool calls are made of. A caller may name its calls by itself, all of a conversation alike or at length, but providers refuse two calls of one id, and
 * OpenAI ids of more than 40 characters: so this is short, and another in every call.
 */
const madeId = ({ began, id, time }: Call): string => {
  const text = `${id}:${time}:${began}`
  return hash(text, 0x811c9dc5) + hash(text, 0x9747b28c)
}

/** What the encoder of an answer is told of its call. */
export const contextOf = (call: Call): AnswerContext => ({
  id: madeId(call),
  model: call.ask.model,
  createdSeconds: Math.floor(call.time / 1_000),
  includeUsage: call.incoming.api.dialect.wantsUsage(call.parsed.json),
  request: call.parsed.json
})
