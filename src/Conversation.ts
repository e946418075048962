/**
 * What callers ask and providers answer, in no provider's words: the model between the dialects.
 *
 * Types only. A caller's dialect decodes into a `Conversation`, a target's dialect encodes it; an `Answer` or a run of `StreamEvent`s goes the
 * other way. The model is a superset of what the dialects can say, and nothing in it is dropped in silence: whatever a decoder has no
 * place for becomes an `Extra`, and every value remembers where the caller wrote it (`at`, `named`), so that an encoder can report a loss in
 * the caller's own terms.
 *
 * Not here: anything of the routing (which model, which limits), and anything of the wire (framing, headers). Tool arguments stay JSON
 * text, since parsing and printing them again would corrupt large integers.
 */
import type { Failure } from "./Failure.ts"
import type { DialectName } from "./Providers.ts"

/** Where the bytes of an image or a file are. */
export type Source =
  /** `mediaType` where the caller says it; some dialects demand it. */
  | { readonly _tag: "Url"; readonly url: string; readonly mediaType?: string }
  | { readonly _tag: "Base64"; readonly mediaType: string; readonly data: string }
  /** A plain text that is given as a document. */
  | { readonly _tag: "Plain"; readonly text: string }
  /** A file uploaded to the caller's provider beforehand; no other provider can read it. */
  | { readonly _tag: "Uploaded"; readonly id: string; readonly mediaType?: string }

/** What a provider signs a part with, so that it recognises it as its own when it comes back. */
export interface Seal {
  /** The dialect whose providers can read it; `providers/seal.ts` carries it through the others. */
  readonly dialect: DialectName
  /** Opaque; never parsed. */
  readonly data: string
  /** The provider's id of what is sealed, where it wants that back too. */
  readonly id?: string
}

/** A source that a provider names for a text. */
export interface Citation {
  readonly url?: string
  readonly title?: string
  /** What of the source is cited. */
  readonly quote?: string
  /** The cited stretch of the part's text, in UTF-16 code units; absent for the whole part. */
  readonly start?: number
  readonly end?: number
  /** As its provider wrote it, for callers of the same dialect. */
  readonly value: unknown
}

/** A wish that the prompt up to here be cached; it changes the bill, never the answer. */
export interface CacheHint {
  /** How long to keep it, in the provider's words (`5m`, `1h`). */
  readonly ttl?: string
}

/** What every part may say of its place. */
export interface Placed {
  /** Where it was written: the caller's field in requests (`messages[2].content[0]`), the provider's in answers, there only where a loss may have to name it. */
  readonly at?: string
  /** The id of the item that it lies in, where a dialect has items that hold parts. Neighbours of one id lie in one item. */
  readonly item?: string
}

/** Plain text. */
export interface Text extends Placed {
  readonly _tag: "Text"
  readonly text: string
  readonly citations?: ReadonlyArray<Citation>
  readonly seal?: Seal
  readonly cache?: CacheHint
}

/** A picture. */
export interface Image extends Placed {
  readonly _tag: "Image"
  readonly source: Source
  /** How closely to look: `auto`, `low`, `high`, `original`. */
  readonly detail?: string
  readonly cache?: CacheHint
}

/** A document, a video, or anything else by its media type. */
export interface File extends Placed {
  readonly _tag: "File"
  readonly source: Source
  readonly name?: string
  /** The answer should cite it. */
  readonly cite?: boolean
  readonly cache?: CacheHint
}

/** Sound, base64; `format` is the short name (`wav`, `mp3`). */
export interface Audio extends Placed {
  readonly _tag: "Audio"
  readonly format: string
  readonly data: string
}

/** The model asks for a tool to be run. */
export interface ToolCall extends Placed {
  readonly _tag: "ToolCall"
  /** Empty where the provider gives none: the encoder of an answer then makes one. */
  readonly id: string
  readonly name: string
  /** JSON text, exactly as the model wrote it; it need not be valid. */
  readonly arguments: string
  readonly seal?: Seal
  readonly cache?: CacheHint
}

/** What running the tool gave. */
export interface ToolResult extends Placed {
  readonly _tag: "ToolResult"
  readonly callId: string
  /** The tool's name, where the caller's dialect says it here; else that of the call with this id. */
  readonly name?: string
  readonly parts: ReadonlyArray<Part>
  /** The result as an object, where the caller's dialect exchanges objects; `parts` says the same as text. */
  readonly object?: Readonly<Record<string, unknown>>
  readonly isError?: boolean
  readonly cache?: CacheHint
}

/** The model's thinking, or a summary of it. */
export interface Reasoning extends Placed {
  readonly _tag: "Reasoning"
  readonly text: string
  readonly seal?: Seal
}

/**
 * Thinking that only the provider can read. In a dialect that has no place for the seal of a text or a tool call, that seal goes before its part as one of
 * these; an encoder whose dialect has the place gives it to the part that follows.
 */
export interface SealedReasoning extends Placed {
  readonly _tag: "SealedReasoning"
  readonly seal: Seal
}

/** The model declines. */
export interface Refusal extends Placed {
  readonly _tag: "Refusal"
  readonly text: string
}

/** A part of the other side's dialect that the model has no place for, named so that its loss can be reported. */
export interface Foreign extends Placed {
  readonly _tag: "Foreign"
  /** The dialect's own name for it: `server_tool_use`, `video_url`. */
  readonly type: string
  readonly value: unknown
}

export type Part = Text | Image | File | Audio | ToolCall | ToolResult | Reasoning | SealedReasoning | Refusal | Foreign

/** One message. `system` and `developer` occur here only after the first message of another role; before it they are `Conversation.system`. */
export interface Message {
  readonly role: "system" | "developer" | "user" | "assistant" | "tool"
  readonly parts: ReadonlyArray<Part>
  /** Distinguishes participants of one role. */
  readonly name?: string
  readonly at: string
}

/** An instruction that stands before the conversation. */
export interface Instruction {
  readonly role: "system" | "developer"
  readonly text: string
  readonly cache?: CacheHint
  readonly at: string
}

/** A function that the model may call. */
export interface Tool {
  readonly name: string
  readonly description?: string
  /** JSON Schema of the arguments; absent for a function without any. */
  readonly schema?: Readonly<Record<string, unknown>>
  /** The arguments must match the schema. */
  readonly strict?: boolean
  readonly cache?: CacheHint
  readonly at: string
}

/** Which tool the model may or must call. */
export type ToolChoice =
  | { readonly _tag: "Auto" }
  | { readonly _tag: "None" }
  | { readonly _tag: "Required" }
  | { readonly _tag: "Named"; readonly name: string }
  /** Only these tools, and with `required` one of them. */
  | { readonly _tag: "Among"; readonly names: ReadonlyArray<string>; readonly required: boolean }

/** How the next token is drawn. */
export interface Sampling {
  /** 0 to 2, as OpenAI counts; a target with a narrower range clamps and says so. */
  readonly temperature?: number
  readonly topP?: number
  readonly topK?: number
  readonly stop?: ReadonlyArray<string>
  readonly seed?: number
  readonly frequencyPenalty?: number
  readonly presencePenalty?: number
}

/** The shape that the answer's text must have. */
export type Format =
  | { readonly _tag: "Text" }
  /** Any JSON object. */
  | { readonly _tag: "JsonObject" }
  | {
      readonly _tag: "JsonSchema"
      readonly name?: string
      readonly description?: string
      readonly schema: Readonly<Record<string, unknown>>
      readonly strict?: boolean
      /** Where the caller wrote the schema. */
      readonly at?: string
    }

/** How much to think before answering: a word of the caller's, a number of tokens, or as much as the model likes. */
export type Thinking = (
  | { readonly _tag: "Effort"; readonly effort: Effort }
  | { readonly _tag: "Budget"; readonly tokens: number }
  | { readonly _tag: "Auto" }
) & {
  /** Whether the caller wants to read the thoughts, in its dialect's word where it has several (`auto`, `concise`, `detailed`, `summarized`); absent where it does not say. */
  readonly show?: boolean | string
}

export type Effort = "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max"

/**
 * A field of one dialect that the model has no place for, by its path there: `service_tier`, `messages[2].foo`, or a whole entry of a list, `tools[1]`. Where the other
 * side speaks the same dialect it is put back at that path (`restore` in `providers/extras.ts`).
 */
export interface Extra {
  readonly field: string
  readonly value: unknown
  /** Whether leaving it out could change the answer or how it is served: if so, its absence is a loss. */
  readonly matters: boolean
  /** Without it the request would be another one (a conversation that the provider keeps): a target that cannot be sent it is not sent the rest. */
  readonly needed?: boolean
  /** Why it matters, when the field name alone does not say. */
  readonly reason?: string
}

/** The settings of a conversation that an encoder may have to report as lost. */
export type Setting =
  | "temperature"
  | "topP"
  | "topK"
  | "stop"
  | "seed"
  | "frequencyPenalty"
  | "presencePenalty"
  | "maxOutputTokens"
  | "format"
  | "thinking"
  | "toolChoice"
  | "parallelToolCalls"
  | "userId"
  | "metadata"
  | "answers"

/** One request. */
export interface Conversation {
  /** The caller's dialect. */
  readonly dialect: DialectName
  /** The model as the caller named it; the target decides which one is sent. */
  readonly model: string
  readonly system: ReadonlyArray<Instruction>
  readonly messages: ReadonlyArray<Message>
  readonly tools: ReadonlyArray<Tool>
  readonly toolChoice?: ToolChoice
  /** Whether one answer may hold several tool calls; absent is the provider's default, which is yes. */
  readonly parallelToolCalls?: boolean
  readonly sampling: Sampling
  /** The caller's output limit, thinking included. */
  readonly maxOutputTokens?: number
  readonly format?: Format
  readonly thinking?: Thinking
  /** The caller's end user, for the provider's abuse detection. */
  readonly userId?: string
  readonly metadata?: Readonly<Record<string, string>>
  readonly stream: boolean
  /** The caller wants usage at the end of the stream. */
  readonly includeUsage: boolean
  /** How many answers are asked for; 1 unless the caller says otherwise. */
  readonly answers: number
  readonly extras: ReadonlyArray<Extra>
  /** The caller's name for each setting that is present: `{ maxOutputTokens: "max_completion_tokens" }`. */
  readonly named: Readonly<Partial<Record<Setting, string>>>
}

/** Token counts of one attempt: integers, 0 where there were none or the provider does not say. */
export interface Usage {
  /** All input, cached and cache-writing tokens included. */
  readonly inputTokens: number
  /** The part of `inputTokens` that was read from a cache. */
  readonly cachedInputTokens: number
  /** The part of `inputTokens` that was written to a cache. */
  readonly cacheWriteInputTokens: number
  /** The part of `cacheWriteInputTokens` that is kept for an hour, where the provider prices it apart; absent is 0. */
  readonly longCacheWriteInputTokens?: number
  /** All output, reasoning included. */
  readonly outputTokens: number
  /** The part of `outputTokens` that was reasoning. */
  readonly reasoningTokens: number
}

/** Why the model stopped. */
export type StopReason =
  | "end"
  | "stop-sequence"
  | "max-tokens"
  | "tool-calls"
  | "content-filter"
  | "refusal"
  /** The provider paused a long turn of its own tools; it is not finished. */
  | "paused"
  | "context-window"
  /** The provider gave none, or one that is not known here. */
  | "unknown"

/** One whole answer. */
export interface Answer {
  /** The provider's dialect. */
  readonly dialect: DialectName
  readonly id?: string
  /** The model as the provider names it. */
  readonly model?: string
  readonly parts: ReadonlyArray<Part>
  readonly stop: StopReason
  /** The provider says, in a word for which `stop` is `unknown`, that the answer is not whole. */
  readonly broken?: boolean
  /** The stop sequence that was met, where the provider says it. */
  readonly stopSequence?: string
  readonly usage?: Usage
  /** What the parts have no place for; `field` is the provider's path. */
  readonly extras: ReadonlyArray<Extra>
}

/**
 * One step of a streamed answer. `Failed` and `End` are last, and exactly one of them occurs.
 *
 * A delta of another kind ends the part under way; `PartEnd` ends it where the next delta is of the same kind. Tool calls may be interleaved, so each is
 * ended by its index.
 */
export type StreamEvent =
  /** `dialect` is said where an encoder of the same dialect must tell its own answers from others at once. */
  | { readonly _tag: "Start"; readonly id?: string; readonly model?: string; readonly dialect?: DialectName }
  /** What follows lies in an item of this id. */
  | { readonly _tag: "Item"; readonly id: string }
  | { readonly _tag: "TextDelta"; readonly text: string }
  /** A source of the text under way. */
  | { readonly _tag: "Cited"; readonly citation: Citation }
  | { readonly _tag: "ReasoningDelta"; readonly text: string }
  /** Signs the reasoning or the text under way, and ends it. */
  | { readonly _tag: "Sealed"; readonly seal: Seal }
  | { readonly _tag: "SealedReasoning"; readonly seal: Seal }
  | { readonly _tag: "RefusalDelta"; readonly text: string }
  | { readonly _tag: "PartEnd" }
  /** `index` counts the calls of this answer from 0; `id` is empty where the provider gives none. */
  | { readonly _tag: "ToolCallStart"; readonly index: number; readonly id: string; readonly name: string; readonly seal?: Seal }
  | { readonly _tag: "ToolCallDelta"; readonly index: number; readonly arguments: string }
  /** The arguments are whole; each call that has started ends once, at the latest before `Stop`. */
  | { readonly _tag: "ToolCallEnd"; readonly index: number }
  /** A part that comes in one piece. */
  | { readonly _tag: "Whole"; readonly part: Image | File | Audio | Foreign }
  /** Something beside the parts; where it matters to a caller of another dialect it is a loss, which whoever drives the stream reports. */
  | { readonly _tag: "Extra"; readonly extra: Extra }
  /** `broken` as in an `Answer`. */
  | { readonly _tag: "Stop"; readonly reason: StopReason; readonly sequence?: string; readonly broken?: boolean }
  /** The whole answer's totals, told when they are known; should a second come, it replaces the first. */
  | { readonly _tag: "Usage"; readonly usage: Usage }
  | { readonly _tag: "End" }
  | { readonly _tag: "Failed"; readonly failure: Failure }
