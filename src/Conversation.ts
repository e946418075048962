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

/** Where the bytes of an image or a file are. */
export type Source =
  | { readonly _tag: "Url"; readonly url: string }
  | { readonly _tag: "Base64"; readonly mediaType: string; readonly data: string }
  /** A file uploaded to the caller's provider beforehand; no other provider can read it. */
  | { readonly _tag: "Uploaded"; readonly id: string }

/** A wish that the prompt up to here be cached; it changes the bill, never the answer. */
export interface CacheHint {
  /** How long to keep it, in the provider's words (`5m`, `1h`). */
  readonly ttl?: string
}

/** Plain text. */
export interface Text {
  readonly _tag: "Text"
  readonly text: string
  /** Sources that the provider cites for this text, as it wrote them. */
  readonly citations?: ReadonlyArray<unknown>
  readonly cache?: CacheHint
  /** The caller's field: `messages[2].content[0]`. Present in requests, absent in answers, here and in every other part. */
  readonly at?: string
}

/** A picture. */
export interface Image {
  readonly _tag: "Image"
  readonly source: Source
  /** How closely to look: `auto`, `low`, `high`, `original`. */
  readonly detail?: string
  readonly cache?: CacheHint
  readonly at?: string
}

/** A document. */
export interface File {
  readonly _tag: "File"
  readonly source: Source
  readonly name?: string
  readonly cache?: CacheHint
  readonly at?: string
}

/** Sound, base64; `format` is the short name (`wav`, `mp3`). */
export interface Audio {
  readonly _tag: "Audio"
  readonly format: string
  readonly data: string
  readonly at?: string
}

/** The model asks for a tool to be run. */
export interface ToolCall {
  readonly _tag: "ToolCall"
  readonly id: string
  readonly name: string
  /** JSON text, exactly as the model wrote it; it need not be valid. */
  readonly arguments: string
  readonly cache?: CacheHint
  readonly at?: string
}

/** What running the tool gave. */
export interface ToolResult {
  readonly _tag: "ToolResult"
  readonly callId: string
  readonly parts: ReadonlyArray<Part>
  readonly isError?: boolean
  readonly cache?: CacheHint
  readonly at?: string
}

/** The model's thinking. With `signature` the provider recognises it as its own when it comes back. */
export interface Reasoning {
  readonly _tag: "Reasoning"
  readonly text: string
  readonly signature?: string
  readonly at?: string
}

/** Thinking that only the provider can read. */
export interface SealedReasoning {
  readonly _tag: "SealedReasoning"
  readonly data: string
  readonly at?: string
}

/** The model declines. */
export interface Refusal {
  readonly _tag: "Refusal"
  readonly text: string
  readonly at?: string
}

/** A part of the other side's dialect that the model has no place for, named so that its loss can be reported. */
export interface Foreign {
  readonly _tag: "Foreign"
  /** The dialect's own name for it: `server_tool_use`, `video_url`. */
  readonly type: string
  readonly value: unknown
  readonly at?: string
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

/** How much to think before answering: a word of the caller's, or a number of tokens. */
export type Thinking = { readonly _tag: "Effort"; readonly effort: Effort } | { readonly _tag: "Budget"; readonly tokens: number }

export type Effort = "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max"

/** A field of the caller's dialect that the model has no place for. */
export interface Extra {
  /** The caller's path. A top-level field is a bare name, and a target of the caller's own dialect gets it back. */
  readonly field: string
  readonly value: unknown
  /** Whether leaving it out could change the answer or how it is served: if so, its absence is a loss. */
  readonly matters: boolean
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
  /** The caller's dialect: `openai`. */
  readonly dialect: string
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
  readonly id?: string
  /** The model as the provider names it. */
  readonly model?: string
  readonly parts: ReadonlyArray<Part>
  readonly stop: StopReason
  readonly usage?: Usage
  /** Things beside the parts that another dialect cannot show; `field` is the provider's path. */
  readonly extras: ReadonlyArray<Extra>
}

/** One step of a streamed answer. `Failed` and `End` are last, and exactly one of them occurs. */
export type StreamEvent =
  | { readonly _tag: "Start"; readonly id?: string; readonly model?: string }
  | { readonly _tag: "TextDelta"; readonly text: string }
  | { readonly _tag: "ReasoningDelta"; readonly text: string }
  /** Closes a run of `ReasoningDelta`. */
  | { readonly _tag: "ReasoningSignature"; readonly signature: string }
  | { readonly _tag: "SealedReasoning"; readonly data: string }
  | { readonly _tag: "RefusalDelta"; readonly text: string }
  /** `index` counts the calls of this answer from 0. */
  | { readonly _tag: "ToolCallStart"; readonly index: number; readonly id: string; readonly name: string }
  | { readonly _tag: "ToolCallDelta"; readonly index: number; readonly arguments: string }
  /** Something that the model has no place for; `field` is the provider's path. */
  | { readonly _tag: "Lost"; readonly field: string; readonly reason: string }
  | { readonly _tag: "Stop"; readonly reason: StopReason }
  /** The whole answer's totals, told when they are known; should a second come, it replaces the first. */
  | { readonly _tag: "Usage"; readonly usage: Usage }
  | { readonly _tag: "End" }
  | { readonly _tag: "Failed"; readonly failure: Failure }
