/**
 * What a provider dialect is: a table of pure functions over JSON, with no socket, clock or retry in it.
 *
 * A dialect decodes into and encodes from `Conversation`, so N dialects need N files and not N² translators. Its two halves are a target's (`Dialect`) and a
 * caller's (`CallerDialect`). Where caller and target speak the same dialect the translating functions do not run: the bytes are patched, by what the caller's half says of
 * `overrides`, and forwarded, and only `peek` and `usageOf` look at them.
 *
 * Beside generating an answer a dialect may make embeddings and count tokens. Both are questions with one small answer, so they have no stream and no glance.
 */
import type * as Result from "effect/Result"
import type { Ask } from "./Ask.ts"
import type { Answer, Conversation, Effort, StreamEvent, Usage } from "./Conversation.ts"
import type { EmbeddingRequest, Embeddings } from "./Embedding.ts"
import type { Failure } from "./Failure.ts"
import type { Change } from "./JsonScan.ts"
import type { Provider } from "./Providers.ts"

type Json = Readonly<Record<string, unknown>>

/** The dialects, each by the name of its API; targets of one dialect take each other's requests byte for byte. */
export const dialectNames = ["chat.completions", "responses", "messages", "generateContent"] as const
export type DialectName = (typeof dialectNames)[number]

/** What a call asks for. */
export type Operation = "generate" | "embed" | "count"

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

/** A JSON body for the other side, and what it does not say. */
export interface Written {
  readonly body: Json
  readonly losses: ReadonlyArray<Loss>
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
  /** The totals of the whole answer, as far as this event says them; of several the greater of each count is kept. */
  readonly usage?: Usage
  /** Counts that still grow: they are part of the totals, but a stream that ends with them alone has not told its usage. */
  readonly usageSoFar?: Usage
  /** The event carries nothing but the usage that we asked for, and is taken out for a caller who did not ask. */
  readonly usageOnly: boolean
  /** The stream has ended as its dialect says it must. */
  readonly done: boolean
  /** Nothing more has to come: of a dialect without a terminator the connection may end now, and the stream is whole. */
  readonly mayEnd?: boolean
  /** The provider reports an error inside the stream. */
  readonly failure?: Failure
}

/** What the encoder of an answer needs to know besides the answer. */
export interface AnswerContext {
  /** The call's id, for answers and tool calls of providers that give none. */
  readonly id: string
  /** The model name that the answer shows. */
  readonly model: string
  /** Unix time in seconds. */
  readonly createdSeconds: number
  /** The caller asked for usage in the stream. */
  readonly includeUsage: boolean
  /** The caller's request, for dialects whose answers repeat it. */
  readonly request: Json
}

/** What the encoder of a request needs to know of the target. */
export interface TargetModel {
  readonly model: string
  /** What the request names as its model, where the provider's name for what serves it is another. */
  readonly deployment?: string
  /** The target's declared output limit in tokens, sent where the dialect demands a maximum and the caller named none. */
  readonly maxOutputTokens?: number
  /** How its provider differs from others of its dialect; each absent where it does not. */
  readonly habits?: Habits
}

/** How a provider's copy of a dialect differs from what its maker documents. */
export type Habits = Partial<Pick<Provider, "maxTokensField" | "reportsStreamUsage" | "callIds" | "callIdLength">>

/** A stream translator: pure, so that it is tested with recorded bytes cut anywhere. */
export interface StreamDecoder<S> {
  readonly initial: S
  readonly step: (state: S, event: SseEvent) => readonly [S, ReadonlyArray<StreamEvent>]
  /** The connection has ended: a stream that is not whole yields a `Failed` event of class `stream-cut`; one whose dialect has no terminator yields its `End`. */
  readonly end: (state: S) => ReadonlyArray<StreamEvent>
}

export interface StreamEncoder<S> {
  readonly initial: S
  /**
   * Returns the text to write, framed as server-sent events (empty when the event says nothing in this dialect), and what of the event the dialect cannot say. `Extra`
   * is its driver's to report: an encoder only gives those of its own dialect back, and is never asked to where bytes are forwarded.
   */
  readonly step: (state: S, event: StreamEvent) => readonly [S, string, ReadonlyArray<Loss>?]
}

/** How a target that speaks a dialect is reached and spoken to. */
export interface Dialect {
  readonly name: DialectName
  /** Behind a provider's base URL, with its query. `deployment` is the model as the provider names what serves it. */
  readonly path: (deployment: string, stream: boolean) => string
  /** Sent with every request, beside the credential. Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Headers of a caller of the same dialect that go on to the provider as they are, where they are there. Names in lower case. */
  readonly passes: ReadonlyArray<string>
  readonly encodeRequest: (conversation: Conversation, target: TargetModel) => Written
  readonly decodeAnswer: (body: unknown) => Result.Result<Answer, Failure>
  readonly streamDecoder: StreamDecoder<any>
  /** The class of an answer that is not a success; `body` is parsed JSON, or the text where it is not JSON. Header names in lower case. */
  readonly classify: (status: number, body: unknown, headers: Readonly<Record<string, string | undefined>>) => Failure
  /**
   * The members of which every whole answer has one, by what was asked for: an object without any is no answer, whatever its status says. Absent where the dialect leaves out what is empty or 0, so that
   * their absence says nothing.
   */
  readonly answerParts: Readonly<Partial<Record<Operation, readonly [string, ...ReadonlyArray<string>]>>>
  /** How long its credential should be left alone by what an answer says of limits, be it a success; absent where answers do not say. Header names in lower case. */
  readonly pauseMillis?: (
    headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>,
    tokens?: number
  ) => number | undefined
  /** Usage in a whole answer of this dialect, embeddings included. */
  readonly usageOf: (body: unknown) => Usage | undefined
  /** An error object inside an answer that calls itself a success. */
  readonly failureIn: (body: unknown) => Failure | undefined
  /** A glance at one event of a stream that is forwarded as it is. */
  readonly peek: (event: SseEvent) => Peek
  /** Absent where the dialect has none. */
  readonly embeddings?: EmbeddingDialect
  /** Counting the tokens of a request without answering it; absent where the dialect cannot. */
  readonly counting?: CountingDialect
}

export interface EmbeddingDialect {
  /** Whether a caller of the same dialect is forwarded; absent is yes. A provider may ask for them in a shape of its own. */
  readonly forwards?: boolean
  /** Several inputs may need another address than one. */
  readonly path: (deployment: string, request: EmbeddingRequest) => string
  readonly encodeRequest: (request: EmbeddingRequest, target: TargetModel) => Written
  readonly decodeAnswer: (body: unknown) => Result.Result<Embeddings, Failure>
}

export interface CountingDialect {
  readonly path: (deployment: string) => string
  readonly encodeRequest: (conversation: Conversation, target: TargetModel) => Written
  /** The number of tokens. */
  readonly decodeAnswer: (body: unknown) => Result.Result<number, Failure>
}

/** What is set of a request whatever its caller says; what is undefined stays the caller's. */
export interface Settings {
  /** The provider's own name for the model that will read it, where it is known: the caller may have named another. */
  readonly model?: string
  readonly temperature: number | undefined
  readonly reasoningEffort: Effort | undefined
  /** The most tokens that the answer may have, the caller's own maximum among the reasons. */
  readonly maxOutputTokens: number | undefined
  /** The name by which the host knows a maximum; undefined where the request is not forwarded to one. */
  readonly maxTokensField: Provider["maxTokensField"] | undefined
}

/** How callers speak to the gateway. */
export interface CallerDialect {
  readonly name: DialectName
  /** `ask` says what the address may say instead of the body: the model, and whether to stream. */
  readonly decodeRequest: (body: unknown, ask?: Pick<Ask, "model" | "stream">) => Result.Result<Conversation, BadField>
  /** What has to change in a request's top level so that it says what is set. A field that says so already, or less where it is a maximum, is left alone. */
  readonly overrides: (body: Json, settings: Settings) => ReadonlyArray<Change>
  /** The top-level field that names the model; undefined where the address does. */
  readonly modelField: string | undefined
  /** Whether the caller itself asked that its stream end with usage; true where streams of the dialect always tell. */
  readonly wantsUsage: (body: Json) => boolean
  /** The change that makes a forwarded stream end with usage; undefined where it needs none. */
  readonly usageWish: (body: Json) => Change | undefined
  readonly encodeAnswer: (answer: Answer, context: AnswerContext) => Written
  readonly streamEncoder: (context: AnswerContext) => StreamEncoder<any>
  readonly embeddings?: {
    readonly decodeRequest: (body: unknown, ask?: Pick<Ask, "model">) => Result.Result<EmbeddingRequest, BadField>
    readonly encodeAnswer: (answer: Embeddings, request: EmbeddingRequest, context: AnswerContext) => Written
    /** What has to change in a forwarded body that names its model elsewhere than in `modelField`. */
    readonly renamed?: (body: Json, deployment: string) => ReadonlyArray<Change>
  }
  readonly counting?: {
    /** Only where a count's request is not shaped like one for an answer. */
    readonly decodeRequest?: CallerDialect["decodeRequest"]
    readonly encodeAnswer: (tokens: number) => Json
    /** What has to change in a forwarded body that names its model elsewhere than in `modelField`. */
    readonly renamed?: (body: Json, deployment: string) => ReadonlyArray<Change>
  }
}
