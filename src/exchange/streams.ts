/**
 * Streams on their way to the caller: forwarded event by event, or translated. Nothing leaves before the answer commits (`Gate`).
 */
import type { StreamEvent, Usage } from "../Conversation.ts"
import type { SseEvent, StreamEncoder } from "../Dialect.ts"
import type { Commit } from "../Policy.ts"
import { SseSplitter } from "../Sse.ts"
import { Eavesdropper, Listener } from "./judge.ts"
import { contextOf, malformed, type Relay, type Transfer } from "./transfer.ts"

/** The largest single event of a stream. */
const maxEventBytes = 8 * 1024 * 1024
const eventStream = "text/event-stream; charset=utf-8"
/** A comment: what keeps a stream alive in one dialect has no words in another. */
const alive = ": alive\n\n"
const unbuffered = ["cache-control", "no-cache", "x-accel-buffering", "no"]

/** Whether an event without a name has no data either. It says nothing, and callers' libraries that parse all they get would stumble over it. */
const isBlank = (event: SseEvent): boolean => event.event === "" && event.data.trim() === ""

/** Whether the bytes of an event are text. What is not was replaced by the one character that is looked for; a provider that writes that itself is rare. */
const isText = ({ readUtf8 }: Transfer, { data, event }: SseEvent, bytes: Uint8Array): boolean =>
  !(data.includes("\ufffd") || event.includes("\ufffd")) || readUtf8(bytes) !== undefined

const notText = malformed("an event of the stream is not valid UTF-8")
const nothingSaid = malformed("the stream has a terminator and nothing else")

/** Holds what may not leave yet, and lets it go in order once the answer commits. */
class Gate<Bytes extends Uint8Array | string> {
  readonly #transfer: Transfer
  readonly #commit: Commit
  #held: Array<Bytes> = []
  #heldLength = 0
  /** There has been content. */
  begun = false

  constructor(transfer: Transfer) {
    this.#transfer = transfer
    this.#commit = transfer.accepts === undefined ? transfer.call.limits.commit : "whole"
    if (this.#commit !== "headers") return
    this.#open()
    // Nothing more may come for a long time, and a head waits for the first write.
    transfer.write("")
  }

  /** Whether the caller waits for content with its head in hand. */
  get waits(): boolean {
    return this.#commit === "headers" && !this.begun
  }

  pass(bytes: Bytes): void {
    const transfer = this.#transfer
    if (transfer.committed) {
      transfer.write(bytes)
      return
    }
    this.#held.push(bytes)
    this.#heldLength += bytes.length
    if (this.#commit === "whole") {
      if (this.#heldLength > transfer.maxAnswerBytes) transfer.fail(malformed(`the answer is larger than ${transfer.maxAnswerBytes} bytes`))
    } else if (this.#heldLength > maxEventBytes) transfer.fail(malformed("the stream has no content, but goes on and on"))
  }

  /** The next bytes are content. */
  content(): void {
    if (this.begun) return
    this.begun = true
    this.#transfer.begin()
    if (this.#commit === "first-content") this.#open()
  }

  /** The stream has ended well. */
  done(): void {
    this.content()
    this.#open()
    this.#transfer.done()
  }

  #open(): void {
    if (this.#transfer.committed) return
    this.#transfer.commit(eventStream, unbuffered)
    for (const bytes of this.#held) this.#transfer.write(bytes)
    this.#held = []
  }
}

/** Hands every event on as it came, but for the usage that only we have asked for. */
export const forwardStream = (transfer: Transfer): Relay => {
  const { call, dialect } = transfer
  const hideUsage = !call.incoming.api.dialect.wantsUsage(call.parsed.json)
  const splitter = new SseSplitter(maxEventBytes)
  const gate = new Gate<Uint8Array>(transfer)
  const eavesdropper = transfer.accepts === undefined ? undefined : new Eavesdropper(transfer.accepts, transfer)
  let over = false
  /** The stream has said that it is over. Some hosts put another dialect's terminator behind their own, which goes on where it comes with it; nothing else does. */
  let ended = false
  /** The connection may end here. */
  let mayEnd = false
  /** There has been something before the terminator. */
  let hasSaid = false
  let soFar: Usage | undefined
  /** Consecutive events of one chunk leave in one write. */
  let run: Uint8Array | undefined
  const flush = (): void => {
    if (run !== undefined) gate.pass(run)
    run = undefined
  }
  const join = (bytes: Uint8Array): void => {
    if (run !== undefined && run.buffer === bytes.buffer && run.byteOffset + run.length === bytes.byteOffset) {
      run = new Uint8Array(run.buffer, run.byteOffset, run.length + bytes.length)
      return
    }
    flush()
    run = bytes
  }
  const take = (event: SseEvent | undefined, bytes: Uint8Array): void => {
    if (over) return
    if (event === undefined) {
      join(bytes)
      return
    }
    if (ended) {
      if (event.data.trim() === "[DONE]") join(bytes)
      return
    }
    if (isBlank(event)) return
    if (!isText(transfer, event, bytes)) {
      over = true
      flush()
      transfer.fail(notText)
      return
    }
    const seen = dialect.peek(event)
    if (seen.failure !== undefined) {
      over = true
      flush()
      transfer.fail(dialect.peek({ event: event.event, data: transfer.clean(event.data) }).failure ?? seen.failure)
      return
    }
    const unread = eavesdropper?.hear(event)
    if (unread !== undefined) {
      over = true
      transfer.fail(unread)
      return
    }
    if (seen.usage !== undefined) {
      const { usage: before = soFar } = transfer
      transfer.usage = before === undefined ? seen.usage : greater(before, seen.usage)
    } else if (seen.usageSoFar !== undefined) soFar = soFar === undefined ? seen.usageSoFar : greater(soFar, seen.usageSoFar)
    if (seen.mayEnd === true) mayEnd = true
    if (seen.usageOnly && hideUsage) return
    if (seen.content) gate.content()
    join(bytes)
    if (seen.done) ended = true
    // Some terminators hold the answer.
    if (!seen.done || seen.usage !== undefined) hasSaid = true
  }
  const finish = (): void => {
    over = true
    const unfit = hasSaid ? eavesdropper?.verdict() : nothingSaid
    if (unfit === undefined) gate.done()
    else transfer.fail(unfit)
  }
  return {
    data: (chunk) => {
      splitter.push(chunk, take)
      if (over) return
      flush()
      if (ended) finish()
      else if (splitter.overflown) transfer.fail(malformed(`an event of the stream is larger than ${maxEventBytes} bytes`))
    },
    end: () => {
      splitter.end(take)
      if (over) return
      flush()
      if (ended || mayEnd) finish()
      else transfer.fail({ class: "stream-cut", message: "the stream ended without its terminator" })
    }
  }
}

/** The greater of each count: providers tell usage in pieces, and the later ones leave out what has not changed. */
const greater = (a: Usage, b: Usage): Usage => {
  const long = Math.max(a.longCacheWriteInputTokens ?? 0, b.longCacheWriteInputTokens ?? 0)
  return {
    inputTokens: Math.max(a.inputTokens, b.inputTokens),
    cachedInputTokens: Math.max(a.cachedInputTokens, b.cachedInputTokens),
    cacheWriteInputTokens: Math.max(a.cacheWriteInputTokens, b.cacheWriteInputTokens),
    ...(long > 0 ? { longCacheWriteInputTokens: long } : {}),
    outputTokens: Math.max(a.outputTokens, b.outputTokens),
    reasoningTokens: Math.max(a.reasoningTokens, b.reasoningTokens)
  }
}

const nothing: ReadonlyArray<StreamEvent> = []

const isContent = (event: StreamEvent): boolean => {
  switch (event._tag) {
    case "TextDelta":
    case "ReasoningDelta":
    case "RefusalDelta":
      return event.text !== ""
    case "ToolCallStart":
    case "ToolCallDelta":
    case "SealedReasoning":
    case "Sealed":
    case "Whole":
    case "End":
      return true
    case "Start":
    case "Item":
    case "Cited":
    case "PartEnd":
    case "ToolCallEnd":
    case "Extra":
    case "Stop":
    case "Usage":
    case "Failed":
      return false
  }
}

/** Says every event in the caller's dialect. */
export const translateStream = (transfer: Transfer): Relay => {
  const decode = transfer.dialect.streamDecoder
  const encode: StreamEncoder<unknown> = transfer.call.incoming.api.dialect.streamEncoder(contextOf(transfer.call))
  const splitter = new SseSplitter(maxEventBytes)
  const gate = new Gate<string>(transfer)
  const listener = transfer.accepts === undefined ? undefined : new Listener(transfer.accepts)
  // A request that held seals of others is translated into its own dialect, whose answers come back whole.
  const foreign = transfer.dialect.name !== transfer.call.incoming.api.dialect.name
  let reading: unknown = decode.initial
  let writing = encode.initial
  let over = false
  const say = (events: ReadonlyArray<StreamEvent>): void => {
    let out = ""
    for (const event of events) {
      if (over) return
      if (event._tag === "Failed") {
        over = true
        if (out !== "") gate.pass(out)
        transfer.fail(event.failure)
        return
      }
      if (event._tag === "Usage") transfer.usage = transfer.usage === undefined ? event.usage : greater(transfer.usage, event.usage)
      if (event._tag === "Extra" && event.extra.matters && foreign) {
        const { field, reason } = event.extra
        transfer.losses.push({ field, reason: reason ?? "the caller's dialect has no such field" })
      }
      if (isContent(event)) gate.content()
      listener?.note(event)
      const [next, text, losses] = encode.step(writing, event)
      if (losses !== undefined) transfer.losses.push(...losses)
      writing = next
      out += text
      if (event._tag === "End") over = true
    }
    if (out !== "") gate.pass(out)
    else if (gate.waits) gate.pass(alive)
    if (!over) return
    const unfit = listener?.verdict()
    if (unfit === undefined) gate.done()
    else transfer.fail(unfit)
  }
  const take = (event: SseEvent | undefined, bytes: Uint8Array): void => {
    if (over) return
    if (event === undefined || isBlank(event)) {
      say(nothing)
      return
    }
    if (!isText(transfer, event, bytes)) {
      over = true
      transfer.fail(notText)
      return
    }
    let [next, events] = decode.step(reading, event)
    if (events.some(({ _tag }) => _tag === "Failed"))
      [next, events] = decode.step(reading, { event: event.event, data: transfer.clean(event.data) })
    reading = next
    say(events)
  }
  return {
    data: (chunk) => {
      splitter.push(chunk, take)
      if (!over && splitter.overflown) transfer.fail(malformed(`an event of the stream is larger than ${maxEventBytes} bytes`))
    },
    end: () => {
      splitter.end(take)
      if (!over) say(decode.end(reading))
      if (!over) transfer.fail({ class: "stream-cut", message: "the stream ended without its terminator" })
    }
  }
}
