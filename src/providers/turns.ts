/**
 * Neighbouring messages of one speaker as one, for dialects in which a speaker's turn is one message: where the caller's dialect has an item for each thing that was
 * said, a thought and the two calls that follow it are three messages, and would be three turns.
 */
import type { Message, Part } from "../Conversation.ts"
import type { DialectName } from "../Dialect.ts"
import { textAt } from "./json.ts"

/** The ids of calls that are no functions, for which other dialects have no place. */
const callsOfOthers = (messages: ReadonlyArray<Message>): ReadonlySet<string> => {
  const ids = new Set<string>()
  for (const { parts, role } of messages) {
    if (role !== "assistant") continue
    for (const part of parts) {
      const id = part._tag === "Foreign" && part.type === "custom" ? textAt(part.value, "id") : undefined
      if (id !== undefined) ids.add(id)
    }
  }
  return ids
}

/** The messages without the results of calls that are lost, which no provider takes without them. `lose` is told where each was written. */
export const answering = (messages: ReadonlyArray<Message>, lose: (at: string, reason: string) => void): ReadonlyArray<Message> => {
  const lost = callsOfOthers(messages)
  if (lost.size === 0) return messages
  return messages.flatMap((message) => {
    const parts = message.parts.filter((part) => {
      if (part._tag !== "ToolResult" || !lost.has(part.callId)) return true
      lose(part.at ?? message.at, "the call that this is a result of has no place in the target's API")
      return false
    })
    return parts.length === message.parts.length ? [message] : parts.length === 0 ? [] : [{ ...message, parts }]
  })
}

/** Whether callers of a dialect expect a closing message of the assistant to be gone on with; OpenAI's APIs answer it. */
export const goesOn = (dialect: DialectName): boolean => dialect === "messages" || dialect === "generateContent"

/** Why that is lost. */
export const answeredInstead = "a closing assistant message is answered instead of continued"

/** Why the opposite is. */
export const continuedInstead = "a closing assistant message is continued instead of answered"

const joins = (before: Message | undefined, { name, role }: Message): before is Message =>
  before !== undefined && role === "assistant" && before.role === "assistant" && before.name === name

/** The messages, those of the assistant that follow each other joined. */
export const joined = (messages: ReadonlyArray<Message>): ReadonlyArray<Message> => {
  const turns: Array<Message> = []
  /** The parts of the last turn, where it is a joined one: it grows in place, since copying it for each message would take the square of their number. */
  let growing: Array<Part> | undefined
  for (const message of messages) {
    const before = turns.at(-1)
    if (!joins(before, message)) {
      turns.push(message)
      growing = undefined
      continue
    }
    if (growing === undefined) {
      growing = [...before.parts]
      turns[turns.length - 1] = { ...before, parts: growing }
    }
    for (const part of message.parts) growing.push(part)
  }
  return turns
}

/**
 * The parts, a thought that came in pieces as one: a client that streams keeps each piece apart and sends it back so, and the seal of `dialect` on the last is that of the
 * whole. An empty one is nobody's, and signs nothing.
 */
export const gathered = (parts: ReadonlyArray<Part>, dialect: DialectName): ReadonlyArray<Part> => {
  const whole: Array<Part> = []
  for (const part of parts) {
    if (part._tag !== "Reasoning" || part.seal?.dialect !== dialect || part.seal.data === "") {
      whole.push(part)
      continue
    }
    const pieces = [part.text]
    for (let last = whole.at(-1); last?._tag === "Reasoning" && last.seal === undefined; last = whole.at(-1)) {
      pieces.push(last.text)
      whole.pop()
    }
    whole.push({ ...part, text: pieces.toReversed().join("") })
  }
  return whole
}
