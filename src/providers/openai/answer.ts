/**
 * Answers as a Chat Completions caller reads them: whole, and as a stream of chunks.
 *
 * Reasoning has no field in the provider's own schema. It is written as `reasoning_content`, the name that most clients of other models already
 * read, and where it carries signatures also as `thinking_blocks`, which `decodeRequest` takes back: without them a model that thinks between
 * tool calls could not be asked again. A stream that fails ends with an error object and never with `[DONE]`.
 */
import type { AnswerContext, Loss, StreamEncoder } from "../../Dialect.ts"
import type { Answer, Part, StopReason, StreamEvent, Usage } from "../../Conversation.ts"
import type { Failure } from "../../Failure.ts"
import { failed } from "../../GatewayError.ts"
import { errorEvent } from "./error.ts"
import { writeUsage } from "./usage.ts"

/** The nearest of the dialect's own reasons; an unfinished answer is never called finished. */
const finishReasons = {
  end: "stop",
  "stop-sequence": "stop",
  "max-tokens": "length",
  "tool-calls": "tool_calls",
  "content-filter": "content_filter",
  refusal: "content_filter",
  paused: "length",
  "context-window": "length",
  unknown: "stop"
} as const satisfies Record<StopReason, string>

/** Adds what one part says to the message, or says that it cannot be said. */
interface Drafted {
  text: string | undefined
  refusal: string | undefined
  reasoning: string
  readonly thinking: Array<Readonly<Record<string, unknown>>>
  readonly calls: Array<Readonly<Record<string, unknown>>>
  readonly losses: Array<Loss>
}

const place = (drafted: Drafted, part: Part, index: number): void => {
  const lose = (what: string, reason: string) => void drafted.losses.push({ field: `${part.at ?? `content[${index}]`}${what}`, reason })
  switch (part._tag) {
    case "Text":
      drafted.text = (drafted.text ?? "") + part.text
      if (part.citations !== undefined && part.citations.length > 0) lose(".citations", "a chat completion cannot cite these sources")
      return
    case "Refusal":
      drafted.refusal = (drafted.refusal ?? "") + part.text
      return
    case "Reasoning":
      drafted.reasoning += part.text
      if (part.signature !== undefined) drafted.thinking.push({ type: "thinking", thinking: part.text, signature: part.signature })
      return
    case "SealedReasoning":
      drafted.thinking.push({ type: "redacted_thinking", data: part.data })
      return
    case "ToolCall":
      drafted.calls.push({ id: part.id, type: "function", function: { name: part.name, arguments: part.arguments } })
      return
    case "Foreign":
      return lose("", `\`${part.type}\` has no place in a chat completion`)
    case "Image":
    case "File":
    case "Audio":
    case "ToolResult":
      return lose("", "a chat completion holds no such content")
  }
}

/** Encodes a whole answer as a `chat.completion`. */
export const encodeAnswer = (
  answer: Answer,
  context: AnswerContext
): { readonly body: Readonly<Record<string, unknown>>; readonly losses: ReadonlyArray<Loss> } => {
  const drafted: Drafted = { text: undefined, refusal: undefined, reasoning: "", thinking: [], calls: [], losses: [] }
  answer.parts.forEach((part, index) => place(drafted, part, index))
  for (const extra of answer.extras) {
    if (extra.matters) drafted.losses.push({ field: extra.field, reason: extra.reason ?? "a chat completion has no such field" })
  }
  const message = {
    role: "assistant",
    content: drafted.text ?? null,
    refusal: drafted.refusal ?? null,
    ...(drafted.reasoning === "" ? {} : { reasoning_content: drafted.reasoning }),
    ...(drafted.thinking.length === 0 ? {} : { thinking_blocks: drafted.thinking }),
    ...(drafted.calls.length === 0 ? {} : { tool_calls: drafted.calls })
  }
  return {
    body: {
      id: answer.id ?? context.id,
      object: "chat.completion",
      created: context.createdSeconds,
      model: context.model,
      choices: [{ index: 0, message, logprobs: null, finish_reason: finishReasons[answer.stop] }],
      ...(answer.usage === undefined ? {} : { usage: writeUsage(answer.usage) })
    },
    losses: drafted.losses
  }
}

/** How far a stream has got. */
interface Encoding {
  /** Everything of a chunk before its `choices`; empty before the first event. */
  readonly head: string
  readonly finished: boolean
  readonly usage: Usage | undefined
  readonly over: boolean
}

const waiting: Encoding = { head: "", finished: false, usage: undefined, over: false }

/** A stream encoder for one answer. The text of every chunk but the first and last two is the head, one JSON string, and the tail. */
export const streamEncoder = (context: AnswerContext): StreamEncoder<Encoding> => {
  const tail = context.includeUsage ? `],"usage":null}\n\n` : `]}\n\n`
  const headOf = (id: string): string =>
    `data: {"id":${JSON.stringify(id)},"object":"chat.completion.chunk","created":${context.createdSeconds},"model":${JSON.stringify(context.model)},"choices":[`
  const chunk = (head: string, delta: string, finish = "null"): string =>
    `${head}{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${finish}}${tail}`
  const opening = (head: string): string => chunk(head, `{"role":"assistant","content":"","refusal":null}`)

  const open = (id: string | undefined): readonly [Encoding, string] => {
    const head = headOf(id ?? context.id)
    return [{ ...waiting, head }, opening(head)]
  }

  const deltaOf = (event: StreamEvent): string | undefined => {
    switch (event._tag) {
      case "TextDelta":
        return `{"content":${JSON.stringify(event.text)}}`
      case "ReasoningDelta":
        return `{"reasoning_content":${JSON.stringify(event.text)}}`
      case "ReasoningSignature":
        return `{"thinking_blocks":[{"type":"thinking","thinking":"","signature":${JSON.stringify(event.signature)}}]}`
      case "SealedReasoning":
        return `{"thinking_blocks":[{"type":"redacted_thinking","data":${JSON.stringify(event.data)}}]}`
      case "RefusalDelta":
        return `{"refusal":${JSON.stringify(event.text)}}`
      case "ToolCallStart":
        return `{"tool_calls":[{"index":${event.index},"id":${JSON.stringify(event.id)},"type":"function","function":{"name":${JSON.stringify(event.name)},"arguments":""}}]}`
      case "ToolCallDelta":
        return `{"tool_calls":[{"index":${event.index},"function":{"arguments":${JSON.stringify(event.arguments)}}}]}`
      default:
        return undefined
    }
  }

  const continued = (state: Encoding, event: StreamEvent): readonly [Encoding, string] => {
    const delta = deltaOf(event)
    if (delta !== undefined) return [state, chunk(state.head, delta)]
    switch (event._tag) {
      case "Usage":
        return [{ ...state, usage: event.usage }, ""]
      case "Stop":
        return state.finished
          ? [state, ""]
          : [{ ...state, finished: true }, chunk(state.head, "{}", JSON.stringify(finishReasons[event.reason]))]
      case "End": {
        const finish = state.finished ? "" : chunk(state.head, "{}", `"stop"`)
        const usage =
          context.includeUsage && state.usage !== undefined ? `${state.head}],"usage":${JSON.stringify(writeUsage(state.usage))}}\n\n` : ""
        return [{ ...state, finished: true, over: true }, `${finish}${usage}data: [DONE]\n\n`]
      }
      default:
        return [state, ""]
    }
  }

  /** The gateway's own shape and codes, in the provider's words alone: the encoder does not know the target. */
  const failureEvent = (failure: Failure): string => errorEvent({ ...failed(context.model, failure), message: failure.message })

  return {
    initial: waiting,
    step: (state, event) => {
      if (state.over) return [state, ""]
      if (event._tag === "Failed") return [{ ...state, over: true }, failureEvent(event.failure)]
      if (event._tag === "Start") return state.head === "" ? open(event.id) : [state, ""]
      if (state.head !== "") return continued(state, event)
      if (event._tag === "Usage") return [{ ...state, usage: event.usage }, ""]
      if (event._tag === "Lost") return [state, ""]
      // INVARIANT: decoders say `Start` first; should one not, the role chunk is written all the same.
      const [opened, text] = open(undefined)
      const [next, more] = continued({ ...opened, usage: state.usage }, event)
      return [next, text + more]
    }
  }
}
