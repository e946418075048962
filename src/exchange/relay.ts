/**
 * What becomes of an answer's bytes on their way to the caller: one relay for each combination of whole or streamed, forwarded or translated.
 *
 * A relay decides when the answer commits. A whole answer commits when it has arrived, within the size limit, and parses; a stream when its route says so: with its
 * head, at its first content, or when it has ended well and leaves at once. Before that nothing leaves, so a cut, an empty body, or an error inside a 200 can
 * still fail over.
 */
import * as Result from "effect/Result"
import type { Call } from "../Call.ts"
import type { StreamEvent, Usage } from "../Conversation.ts"
import type { AnswerContext, Dialect, Loss, Operation, SseEvent, StreamEncoder, Written } from "../Dialect.ts"
import type { Failure } from "../Failure.ts"
import type { Commit } from "../Policy.ts"
import { isObject, parseExact, print } from "../providers/json.ts"
import { concat, SseSplitter } from "../Sse.ts"
import type { Target } from "../Target.ts"
import { type ReadUtf8, utf8Length } from "../Text.ts"
import type { UpstreamHeaders } from "../Upstream.ts"

/** What a relay is given of its transfer. */
export interface Transfer {
  readonly call: Call
  readonly target: Target
  /** What the target is spoken to in. */
  readonly dialect: Dialect
  /** Whether that is the caller's own, and bytes go on as they are. */
  readonly forwards: boolean
  readonly maxAnswerBytes: number
  readonly readUtf8: ReadUtf8
  /** Takes our key out of what a provider says, before a dialect reads it. */
  readonly clean: (text: string) => string
  readonly losses: Array<Loss>
  readonly committed: boolean
  usage: Usage | undefined
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

/** The largest error body that is read; the rest is not looked at. */
const maxErrorBytes = 256 * 1024
/** The largest single event of a stream. */
const maxEventBytes = 8 * 1024 * 1024

const decoder = new TextDecoder("utf-8")
const eventStream = "text/event-stream; charset=utf-8"
/** A comment: what keeps a stream alive in one dialect has no words in another. */
const alive = ": alive\n\n"
const unbuffered = ["cache-control", "no-cache", "x-accel-buffering", "no"]

const malformed = (message: string): Failure => ({ class: "malformed", message })

const parseOr = <A>(text: string, otherwise: A): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return otherwise
  }
}

const one = (value: string | ReadonlyArray<string> | undefined): string | undefined => (typeof value === "object" ? value[0] : value)

/** Of each repeated header the first value. */
const single = (headers: UpstreamHeaders): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, one(value)]))

/** Chooses the relay by the head of the answer. */
export const relayOf = (transfer: Transfer, status: number, headers: UpstreamHeaders): Relay => {
  if (status < 200 || status > 299) return errorRelay(transfer, status, headers)
  const encoding = one(headers["content-encoding"])
  if (encoding !== undefined && encoding !== "identity")
    return refusing(transfer, malformed(`the answer is encoded as ${encoding.slice(0, 40)}, which was not asked for`))
  const type = one(headers["content-type"]) ?? ""
  if (!transfer.call.ask.stream) return wholeRelay(transfer, headers)
  if (type.includes("text/event-stream")) return transfer.forwards ? forwardStream(transfer) : translateStream(transfer)
  return unstreamed(transfer, type)
}

/** Reads nothing: the head alone has failed the answer. */
const refusing = (transfer: Transfer, failure: Failure): Relay => {
  transfer.fail(failure)
  return { data: () => {}, end: () => {} }
}

/** Collects a body up to a limit; `over` is called once when it grows beyond. */
const collector = (limit: number, over: () => void): { readonly add: (chunk: Uint8Array) => void; readonly bytes: () => Uint8Array } => {
  const chunks: Array<Uint8Array> = []
  let length = 0
  return {
    add: (chunk) => {
      length += chunk.length
      if (length > limit) over()
      else chunks.push(chunk)
    },
    bytes: () => concat(chunks)
  }
}

const errorRelay = (transfer: Transfer, status: number, headers: UpstreamHeaders): Relay => {
  const classify = (bytes: Uint8Array): void => {
    const text = transfer.clean(decoder.decode(bytes))
    transfer.fail(transfer.dialect.classify(status, parseOr(text, text), single(headers)))
  }
  const body = collector(maxErrorBytes, () => classify(body.bytes()))
  return { data: body.add, end: () => classify(body.bytes()) }
}

/** A stream was asked for and something else came: an error inside a 200, or a provider that cannot stream. */
const unstreamed = (transfer: Transfer, type: string): Relay => {
  const judge = (bytes: Uint8Array): void => {
    const failure = transfer.dialect.failureIn(parseOr(transfer.clean(decoder.decode(bytes)), undefined))
    transfer.fail(
      failure ?? malformed(`a stream was asked for, but the answer is ${type === "" ? "of no stated type" : `\`${type.slice(0, 80)}\``}`)
    )
  }
  const body = collector(maxErrorBytes, () => judge(body.bytes()))
  return { data: body.add, end: () => judge(body.bytes()) }
}

const wholeRelay = (transfer: Transfer, headers: UpstreamHeaders): Relay => {
  const { call, dialect } = transfer
  const body = collector(transfer.maxAnswerBytes, () =>
    transfer.fail(malformed(`the answer is larger than ${transfer.maxAnswerBytes} bytes`))
  )
  const end = (): void => {
    const bytes = body.bytes()
    const text = transfer.readUtf8(bytes)
    const json = text === undefined ? undefined : parseOr(text.startsWith("\ufeff") ? text.slice(1) : text, undefined)
    if (text === undefined || json === undefined) {
      transfer.fail(malformed(bytes.length === 0 ? "the answer is empty" : "the answer is not valid JSON"))
      return
    }
    const failure = dialect.failureIn(json)
    if (failure !== undefined) {
      transfer.fail(dialect.failureIn(parseOr(transfer.clean(text), json)) ?? failure)
      return
    }
    if (transfer.forwards) {
      if (!isObject(json)) {
        transfer.fail(malformed("the answer is not a JSON object"))
        return
      }
      transfer.usage = dialect.usageOf(json)
      transfer.commit(one(headers["content-type"]) ?? "application/json", ["content-length", String(bytes.length)])
      // As text it leaves in one piece with its head.
      transfer.done(text)
      return
    }
    const translated = translations[call.incoming.api.operation](transfer, parseExact(text) ?? json)
    if (Result.isFailure(translated)) {
      transfer.fail(translated.failure)
      return
    }
    transfer.losses.push(...translated.success.losses)
    const told = print(translated.success.body)
    if (told === "") {
      transfer.fail(malformed("the answer is nested too deeply"))
      return
    }
    transfer.commit("application/json", ["content-length", String(utf8Length(told))])
    transfer.done(told)
  }
  return { data: body.add, end }
}

/** A whole answer in the caller's dialect, by what was asked for. */
const translations: Readonly<Record<Operation, (transfer: Transfer, json: unknown) => Result.Result<Written, Failure>>> = {
  generate: (transfer, json) =>
    Result.map(transfer.dialect.decodeAnswer(json), (answer) => {
      transfer.usage = answer.usage
      return transfer.call.incoming.api.dialect.encodeAnswer(answer, contextOf(transfer.call))
    }),
  // INVARIANT: only dialects that have the operation were spoken to, by callers whose dialect has it.
  embed: (transfer, json) =>
    Result.flatMap(transfer.dialect.embeddings!.decodeAnswer(json), (answer) => {
      transfer.usage = answer.usage
      const { dialect } = transfer.call.incoming.api
      return Result.mapError(
        Result.map(dialect.embeddings!.decodeRequest(transfer.call.parsed.json, transfer.call.ask), (request) =>
          dialect.embeddings!.encodeAnswer(answer, request, contextOf(transfer.call))
        ),
        ({ message }) => malformed(message)
      )
    }),
  count: (transfer, json) =>
    Result.map(transfer.dialect.counting!.decodeAnswer(json), (tokens) => ({
      body: transfer.call.incoming.api.dialect.counting!.encodeAnswer(tokens),
      losses: []
    }))
}

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

const contextOf = (call: Call): AnswerContext => ({
  id: madeId(call),
  model: call.ask.model,
  createdSeconds: Math.floor(call.time / 1_000),
  includeUsage: call.incoming.api.dialect.wantsUsage(call.parsed.json),
  request: call.parsed.json
})

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
    this.#commit = transfer.call.limits.commit
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

const forwardStream = (transfer: Transfer): Relay => {
  const { call, dialect } = transfer
  const hideUsage = !call.incoming.api.dialect.wantsUsage(call.parsed.json)
  const splitter = new SseSplitter(maxEventBytes)
  const gate = new Gate<Uint8Array>(transfer)
  let over = false
  /** The stream has said that it is over. Some hosts put another dialect's terminator behind their own, which goes on where it comes with it; nothing else does. */
  let ended = false
  /** The connection may end here. */
  let mayEnd = false
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
    const seen = dialect.peek(event)
    if (seen.failure !== undefined) {
      over = true
      flush()
      transfer.fail(dialect.peek({ event: event.event, data: transfer.clean(event.data) }).failure ?? seen.failure)
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
  }
  const finish = (): void => {
    over = true
    gate.done()
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

const translateStream = (transfer: Transfer): Relay => {
  const decode = transfer.dialect.streamDecoder
  const encode: StreamEncoder<unknown> = transfer.call.incoming.api.dialect.streamEncoder(contextOf(transfer.call))
  const splitter = new SseSplitter(maxEventBytes)
  const gate = new Gate<string>(transfer)
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
      const [next, text, losses] = encode.step(writing, event)
      if (losses !== undefined) transfer.losses.push(...losses)
      writing = next
      out += text
      if (event._tag === "End") over = true
    }
    if (out !== "") gate.pass(out)
    else if (gate.waits) gate.pass(alive)
    if (over) gate.done()
  }
  const take = (event: SseEvent | undefined): void => {
    if (over) return
    if (event === undefined) {
      say(nothing)
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
