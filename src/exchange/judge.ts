/**
 * What an answer is like, for `escalate`: the facts of an answer that has come whole, or of a stream that was held back until its end, and the verdict of the route on them.
 *
 * They are read from the target's dialect as `Conversation` has it, whatever the caller's, so that a cascade decides alike for everybody; an answer that cannot be read so is malformed,
 * though it might have been forwarded as it is. Of several answers to one request the first is judged. Runs once for an answer that may be escalated, and once for each event of such a
 * stream; nothing of it runs for others.
 */
import { isRefusal } from "../AnswerFacts.ts"
import type { AnswerFacts } from "../Attempt.ts"
import type { Answer, StopReason, StreamEvent, Usage } from "../Conversation.ts"
import type { SseEvent, StreamDecoder } from "../Dialect.ts"
import type { Failure } from "../Failure.ts"
import type { Transfer } from "./transfer.ts"

type Accepts = NonNullable<Transfer["accepts"]>

const escalated: Failure = { class: "escalated", message: "its route asks for a better answer" }

/** Whether a text is JSON and nothing else: an object or a list, since a bare word or number is one by accident. */
export const isJson = (text: string): boolean => {
  const trimmed = text.trim()
  const [open] = trimmed
  if (open !== "{" && open !== "[") return false
  try {
    JSON.parse(trimmed)
    return true
  } catch {
    return false
  }
}

/** Usage that counts nothing tells nothing: a host may use other names. */
const outputOf = (usage: Usage | undefined): number | null =>
  usage === undefined || usage.inputTokens + usage.outputTokens === 0 ? null : usage.outputTokens

const factsOf = (stop: StopReason, text: string, toolCalls: number, refusal: boolean, usage: Usage | undefined): AnswerFacts => ({
  stop,
  outputTokens: outputOf(usage),
  characters: text.length,
  toolCalls,
  refused: refusal || isRefusal(stop),
  isJson: isJson(text)
})

/** The facts of a whole answer. */
export const answerFacts = ({ parts, stop, usage }: Answer): AnswerFacts => {
  let text = ""
  let calls = 0
  let refusal = false
  for (const part of parts) {
    if (part._tag === "Text") text += part.text
    else if (part._tag === "ToolCall") calls++
    else if (part._tag === "Refusal" && part.text !== "") refusal = true
  }
  return factsOf(stop, text, calls, refusal, usage)
}

/** Why a whole answer is not handed on; undefined where it is. */
export const verdictOn = (accepts: Accepts | undefined, answer: Answer): Failure | undefined =>
  accepts === undefined || accepts(answerFacts(answer)) ? undefined : escalated

/** Collects what a streamed answer is like while it is held back. */
export class Listener {
  readonly #accepts: Accepts
  #stop: StopReason = "unknown"
  #text = ""
  #calls = 0
  #refusal = false
  #usage: Usage | undefined = undefined

  constructor(accepts: Accepts) {
    this.#accepts = accepts
  }

  note(event: StreamEvent): void {
    switch (event._tag) {
      case "TextDelta":
        this.#text += event.text
        return
      case "RefusalDelta":
        if (event.text !== "") this.#refusal = true
        return
      case "ToolCallStart":
        this.#calls++
        return
      case "Stop":
        this.#stop = event.reason
        return
      case "Usage":
        // Told in pieces, of which the later may leave out what has not changed.
        if (this.#usage === undefined || event.usage.outputTokens >= this.#usage.outputTokens) this.#usage = event.usage
        return
    }
  }

  /** Why the stream is not handed on now that it has ended; undefined where it is. */
  verdict(): Failure | undefined {
    return this.#accepts(factsOf(this.#stop, this.#text, this.#calls, this.#refusal, this.#usage)) ? undefined : escalated
  }
}

/** Decodes a stream that is forwarded as it is, on the side. */
export class Eavesdropper {
  readonly #listener: Listener
  readonly #decoder: StreamDecoder<unknown>
  readonly #clean: (text: string) => string
  #state: unknown
  #over = false

  constructor(accepts: Accepts, { clean, dialect }: Transfer) {
    this.#listener = new Listener(accepts)
    this.#decoder = dialect.streamDecoder
    this.#clean = clean
    this.#state = this.#decoder.initial
  }

  #noteAll(events: ReadonlyArray<StreamEvent>): Failure | undefined {
    for (const event of events) {
      if (event._tag === "Failed") return event.failure
      if (event._tag === "End") this.#over = true
      this.#listener.note(event)
    }
    return undefined
  }

  /** Why the stream cannot be read; undefined where it can. */
  hear(event: SseEvent): Failure | undefined {
    if (this.#over) return undefined
    const [next, events] = this.#decoder.step(this.#state, event)
    const failure = this.#noteAll(events)
    if (failure === undefined) {
      this.#state = next
      return undefined
    }
    const [, again] = this.#decoder.step(this.#state, { event: event.event, data: this.#clean(event.data) })
    return this.#noteAll(again) ?? failure
  }

  /** Why the stream is not handed on now that it has ended; undefined where it is. */
  verdict(): Failure | undefined {
    return (this.#over ? undefined : this.#noteAll(this.#decoder.end(this.#state))) ?? this.#listener.verdict()
  }
}
