/**
 * What a provider dialect is: a table of pure functions over JSON, with no socket, clock or retry in it.
 *
 * A dialect decodes into and encodes from `Conversation`, so N dialects need N files and not N² translators. Each half is optional until
 * something needs it: a target needs `encodeRequest`, `decodeAnswer` and `streamDecoder`; a caller's dialect needs `decodeRequest`, `encodeAnswer` and
 * `streamEncoder`. Where caller and target speak the same dialect none of them runs: the bytes are patched, by what the caller's dialect says of `overrides`,
 * and forwarded, and only `peek` and `usageOf` look at them.
 */
import type * as Result from "effect/Result"
import type { Answer, Conversation, Effort, StreamEvent, Usage } from "./Conversation.ts"
import type { Failure } from "./Failure.ts"
import type { Change } from "./JsonScan.ts"
import type { Provider } from "./Providers.ts"

/** Something that the target's dialect cannot carry, named in the caller's terms. */
export interface Loss {
  /** The field of the caller's request or of the provider's answer, as a path: `response_format`, `messages[2].content[0]`. */
  readonly field: string
  readonly reason: string
}

/** A request that does not decode: which field, and what was expected there. */
export interface BadField {
  readonly path: string
  readonly message: string
}

/** One server-sent event, already framed. */
export interface SseEvent {
  /** The `event:` field; empty when there was none. */
  readonly event: string
  readonly data: string
}

/** What a glance at one stream event of a forwarded stream tells. */
export interface Peek {
  /** The event carries content that a caller would see: text, a tool call, reasoning, a refusal. */
  readonly content: boolean
  /** The event carries usage. */
  readonly usage?: Usage
  /** The event carries nothing but the usage that we asked for, and is taken out for a caller who did not ask. */
  readonly usageOnly: boolean
  /** The stream has ended as its dialect says it must. */
  readonly done: boolean
  /** The provider reports an error inside the stream. */
  readonly failure?: Failure
}

/** What the encoder of an answer needs to know besides the answer. */
export interface AnswerContext {
  /** Identifier for answers of providers that give none. */
  readonly id: string
  /** The model name that the answer shows. */
  readonly model: string
  /** Unix time in seconds. */
  readonly createdSeconds: number
  /** The caller asked for usage in the stream. */
  readonly includeUsage: boolean
}

/** What the encoder of a request needs to know of the target. */
export interface TargetModel {
  readonly model: string
  /** What the request names as its model, where the provider's name for what serves it is another. */
  readonly deployment?: string
  /** The target's declared output limit in tokens, sent where the dialect demands a maximum and the caller named none. */
  readonly maxOutputTokens?: number
}

/** A stream translator: pure, so that it is tested with recorded bytes cut anywhere. */
export interface StreamDecoder<S> {
  readonly initial: S
  readonly step: (state: S, event: SseEvent) => readonly [S, ReadonlyArray<StreamEvent>]
  /** The connection has ended: a stream without its terminator yields a `failed` event of class `stream-cut`. */
  readonly end: (state: S) => ReadonlyArray<StreamEvent>
}

export interface StreamEncoder<S> {
  readonly initial: S
  /** Returns the text to write, framed as server-sent events (empty when the event says nothing in this dialect). */
  readonly step: (state: S, event: StreamEvent) => readonly [S, string]
}

/** How to reach and speak to a provider. */
export interface Dialect {
  /** Appended to a provider's base URL. */
  readonly path: string
  /** Headers of a request to the provider; `key` is absent for hosts that need none. Names in lower case. */
  readonly headers: (key: string | undefined) => Readonly<Record<string, string>>
  readonly encodeRequest: (
    conversation: Conversation,
    target: TargetModel
  ) => { readonly body: Readonly<Record<string, unknown>>; readonly losses: ReadonlyArray<Loss> }
  readonly decodeAnswer: (body: unknown) => Result.Result<Answer, Failure>
  readonly streamDecoder: StreamDecoder<any>
  /** The class of an answer that is not a success; `body` is parsed JSON, or the text where it is not JSON. Header names in lower case. */
  readonly classify: (status: number, body: unknown, headers: Readonly<Record<string, string | undefined>>) => Failure
  /** Usage in a whole answer of this dialect. */
  readonly usageOf: (body: unknown) => Usage | undefined
  /** An error object inside an answer that calls itself a success. */
  readonly failureIn: (body: unknown) => Failure | undefined
  /** A glance at one event of a stream that is forwarded as it is. */
  readonly peek: (event: SseEvent) => Peek
}

/** What is set of a request whatever its caller says; what is undefined stays the caller's. */
export interface Settings {
  readonly temperature: number | undefined
  readonly reasoningEffort: Effort | undefined
  /** The most tokens that the answer may have, the caller's own maximum among the reasons. */
  readonly maxOutputTokens: number | undefined
  /** The name by which the host knows a maximum; undefined where the request is not forwarded to one. */
  readonly maxTokensField: Provider["maxTokensField"] | undefined
}

/** How callers speak to the gateway. */
export interface CallerDialect {
  readonly decodeRequest: (body: unknown) => Result.Result<Conversation, BadField>
  /** What has to change in a request's top level so that it says what is set. A field that says so already, or less where it is a maximum, is left alone. */
  readonly overrides: (body: Readonly<Record<string, unknown>>, settings: Settings) => ReadonlyArray<Change>
  readonly encodeAnswer: (
    answer: Answer,
    context: AnswerContext
  ) => { readonly body: Readonly<Record<string, unknown>>; readonly losses: ReadonlyArray<Loss> }
  readonly streamEncoder: (context: AnswerContext) => StreamEncoder<any>
}
