/**
 * Neighbouring messages of one speaker as one, for dialects in which a speaker's turn is one message: where the caller's dialect has an item for each thing that was
 * said, a thought and the two calls that follow it are three messages, and would be three turns.
 */
import type { Message, Part } from "../Conversation.ts"
import type { DialectName } from "../Dialect.ts"

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
 * whole.
 */
export const gathered = (parts: ReadonlyArray<Part>, dialect: DialectName): ReadonlyArray<Part> => {
  const whole: Array<Part> = []
  for (const part of parts) {
    if (part._tag !== "Reasoning" || part.seal?.dialect !== dialect) {
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
