/**
 * Streams in tests: framed by an independent parser, and driven through a decoder and an encoder as the gateway does it.
 */
import { createParser } from "eventsource-parser"
import type { AnswerContext, CallerDialect, Dialect, SseEvent } from "../../src/Dialect.ts"
import type { StreamEvent, Usage } from "../../src/Conversation.ts"
import type { Failure } from "../../src/Failure.ts"

/** The events of a stream that arrives in these pieces. */
export const framesOf = (pieces: Iterable<Uint8Array>): ReadonlyArray<SseEvent> => {
  const events: Array<SseEvent> = []
  const parser = createParser({ onEvent: ({ data, event }) => void events.push({ event: event ?? "", data }) })
  const decoder = new TextDecoder()
  for (const piece of pieces) parser.feed(decoder.decode(piece, { stream: true }))
  parser.feed(decoder.decode())
  return events
}

/** The events of a whole stream. */
export const eventsOf = (text: string): ReadonlyArray<SseEvent> => framesOf([new TextEncoder().encode(text)])

/** The data of each event of a whole stream. */
export const dataOf = (text: string): ReadonlyArray<string> => eventsOf(text).map(({ data }) => data)

/** What came out of a stream. */
export interface Translated {
  readonly text: string
  readonly steps: ReadonlyArray<StreamEvent>
  readonly losses: ReadonlyArray<string>
  readonly failure: Failure | undefined
  readonly usage: Usage | undefined
}

/** Decodes `events` and encodes what they say. */
export const translate = (events: ReadonlyArray<SseEvent>, from: Dialect, to: CallerDialect, context: AnswerContext): Translated => {
  const decoder = from.streamDecoder
  const encoder = to.streamEncoder(context)
  let reading: unknown = decoder.initial
  let writing: unknown = encoder.initial
  let text = ""
  const steps: Array<StreamEvent> = []
  const losses: Array<string> = []
  const say = (said: ReadonlyArray<StreamEvent>): void => {
    for (const step of said) {
      steps.push(step)
      const [next, more, lost = []] = encoder.step(writing, step)
      writing = next
      text += more
      if (step._tag === "Extra" && step.extra.matters && from.name !== to.name) losses.push(step.extra.field)
      losses.push(...lost.map(({ field }) => field))
    }
  }
  for (const event of events) {
    const [next, said] = decoder.step(reading, event)
    reading = next
    say(said)
  }
  say(decoder.end(reading))
  return {
    text,
    steps,
    losses,
    failure: steps.find((step) => step._tag === "Failed")?.failure,
    usage: steps.findLast((step) => step._tag === "Usage")?.usage
  }
}

/** The context of all fixtures. */
export const context: AnswerContext = { id: "1", model: "smart", createdSeconds: 1_760_000_000, includeUsage: true, request: {} }
