/**
 * Chat Completions as a target of callers who speak another dialect: the request encoded, the answer and its stream decoded.
 *
 * A caller of the same dialect never comes here, since the bytes are patched and forwarded. A conversation that was decoded from this
 * dialect encodes to what was asked all the same, its unknown top-level fields included.
 */
import * as Result from "effect/Result"
import type { Loss, SseEvent, StreamDecoder, TargetModel } from "../../Dialect.ts"
import type { Answer, Conversation, Format, Message, Part, Source, StopReason, StreamEvent, ToolChoice } from "../../Conversation.ts"
import type { Failure } from "../../Failure.ts"
import { malformed } from "../failures.ts"
import { field, isObject, listAt, parse, textAt } from "../json.ts"
import { failureIn } from "./failure.ts"
import { usageOf } from "./usage.ts"

type Body = Record<string, unknown>

const urlOf = (source: Source): string | undefined =>
  source._tag === "Url" ? source.url : source._tag === "Base64" ? `data:${source.mediaType};base64,${source.data}` : undefined

const partOf = (part: Part, dialect: string, losses: Array<Loss>): Body | undefined => {
  const lose = (reason: string): undefined => void losses.push({ field: part.at ?? "messages", reason })
  switch (part._tag) {
    case "Text":
      return { type: "text", text: part.text }
    case "Image": {
      const url = urlOf(part.source)
      if (url === undefined) return lose("an image that was uploaded to another provider cannot be read")
      return { type: "image_url", image_url: part.detail === undefined ? { url } : { url, detail: part.detail } }
    }
    case "File": {
      const name = part.name === undefined ? {} : { filename: part.name }
      if (part.source._tag === "Base64") return { type: "file", file: { ...name, file_data: urlOf(part.source) } }
      if (part.source._tag === "Uploaded" && dialect === "openai") return { type: "file", file: { ...name, file_id: part.source.id } }
      return lose("a file must be sent whole or be uploaded to this provider")
    }
    case "Audio":
      return { type: "input_audio", input_audio: { data: part.data, format: part.format } }
    case "Refusal":
      return { type: "refusal", refusal: part.text }
    case "Reasoning":
    case "SealedReasoning":
      return lose("earlier reasoning is not read by this provider")
    case "Foreign":
      return dialect === "openai" && isObject(part.value) ? part.value : lose(`\`${part.type}\` has no place in Chat Completions`)
    case "ToolCall":
    case "ToolResult":
      return undefined
  }
}

const contentOf = (parts: ReadonlyArray<Part>, dialect: string, losses: Array<Loss>): string | ReadonlyArray<Body> | null => {
  const only = parts.length === 1 ? parts[0] : undefined
  if (only?._tag === "Text") return only.text
  const encoded = parts.flatMap((part): ReadonlyArray<Body> => {
    const body = partOf(part, dialect, losses)
    return body === undefined ? [] : [body]
  })
  return encoded.length === 0 ? null : encoded
}

const messageOf = (message: Message, dialect: string, losses: Array<Loss>): ReadonlyArray<Body> => {
  const name = message.name === undefined ? {} : { name: message.name }
  const results: Array<Body> = []
  const calls: Array<Body> = []
  const rest: Array<Part> = []
  for (const part of message.parts) {
    if (part._tag === "ToolResult") {
      results.push({ role: "tool", tool_call_id: part.callId, content: contentOf(part.parts, dialect, losses) ?? "" })
      if (part.isError === true)
        losses.push({ field: `${part.at ?? message.at}.is_error`, reason: "a tool's failure can only be told in words" })
    } else if (part._tag === "ToolCall") {
      calls.push({ id: part.id, type: "function", function: { name: part.name, arguments: part.arguments } })
    } else if (part._tag === "Foreign" && message.role === "assistant" && dialect === "openai" && textAt(part.value, "id") !== undefined) {
      if (part.type === "audio") losses.push({ field: part.at ?? message.at, reason: "an earlier spoken answer is not sent again" })
      else calls.push(part.value as Body)
    } else rest.push(part)
  }
  if (message.role === "tool" || (results.length > 0 && rest.length === 0 && calls.length === 0)) return results
  const content = contentOf(rest, dialect, losses)
  return [
    ...results,
    { role: message.role, ...name, content: content ?? (calls.length > 0 ? null : ""), ...(calls.length > 0 ? { tool_calls: calls } : {}) }
  ]
}

const choiceOf = (choice: ToolChoice): unknown => {
  switch (choice._tag) {
    case "Auto":
      return "auto"
    case "None":
      return "none"
    case "Required":
      return "required"
    case "Named":
      return { type: "function", function: { name: choice.name } }
    case "Among":
      return {
        type: "allowed_tools",
        allowed_tools: {
          mode: choice.required ? "required" : "auto",
          tools: choice.names.map((name) => ({ type: "function", function: { name } }))
        }
      }
  }
}

const formatOf = (format: Format): unknown => {
  switch (format._tag) {
    case "Text":
      return { type: "text" }
    case "JsonObject":
      return { type: "json_object" }
    case "JsonSchema": {
      const { _tag, at: _at, name = "answer", ...rest } = format
      return { type: "json_schema", json_schema: { name, ...rest } }
    }
  }
}

/** Encodes a conversation as the body of a Chat Completions request. */
export const encodeRequest = (
  conversation: Conversation,
  target: TargetModel
): { readonly body: Readonly<Record<string, unknown>>; readonly losses: ReadonlyArray<Loss> } => {
  const { dialect, named, sampling } = conversation
  const own = dialect === "openai"
  const losses: Array<Loss> = []
  const messages = [
    ...conversation.system.map((instruction): Body => ({ role: instruction.role, content: instruction.text })),
    ...conversation.messages.flatMap((message) => messageOf(message, dialect, losses))
  ]
  const body: Body = { model: target.deployment ?? target.model, messages }
  const set = (name: string, value: unknown): void => {
    if (value !== undefined) body[name] = value
  }
  if (conversation.tools.length > 0) {
    body["tools"] = conversation.tools.map(({ description, name, schema, strict }) => ({
      type: "function",
      function: {
        name,
        ...(description === undefined ? {} : { description }),
        ...(schema === undefined ? {} : { parameters: schema }),
        ...(strict === undefined ? {} : { strict })
      }
    }))
  }
  set("tool_choice", conversation.toolChoice && choiceOf(conversation.toolChoice))
  set("parallel_tool_calls", conversation.parallelToolCalls)
  set("temperature", sampling.temperature)
  set("top_p", sampling.topP)
  if (own) set("top_k", sampling.topK)
  else if (sampling.topK !== undefined) losses.push({ field: named.topK ?? "top_k", reason: "Chat Completions has no such setting" })
  set("stop", sampling.stop)
  set("seed", sampling.seed)
  set("frequency_penalty", sampling.frequencyPenalty)
  set("presence_penalty", sampling.presencePenalty)
  // The older name is what compatible hosts know, and a caller who used it has said which one this host takes.
  set(own ? (named.maxOutputTokens ?? "max_completion_tokens") : "max_completion_tokens", conversation.maxOutputTokens)
  set("response_format", conversation.format && formatOf(conversation.format))
  if (conversation.thinking?._tag === "Effort") body["reasoning_effort"] = conversation.thinking.effort
  else if (conversation.thinking !== undefined) {
    losses.push({ field: named.thinking ?? "thinking", reason: "Chat Completions takes an effort, not a number of tokens" })
  }
  set(own ? (named.userId ?? "user") : "safety_identifier", conversation.userId)
  set("metadata", conversation.metadata)
  if (conversation.answers > 1) body["n"] = conversation.answers
  if (conversation.stream) {
    body["stream"] = true
    body["stream_options"] = { include_usage: true }
  }
  for (const extra of conversation.extras) {
    const topLevel = own && extra.field !== "functions" && extra.field !== "__proto__" && !/[.[]/.test(extra.field)
    if (topLevel) set(extra.field, extra.value)
    else if (extra.matters) losses.push({ field: extra.field, reason: extra.reason ?? "Chat Completions has no such field" })
  }
  return { body, losses }
}

const stopReasons: Readonly<Record<string, StopReason>> = {
  stop: "end",
  length: "max-tokens",
  tool_calls: "tool-calls",
  function_call: "tool-calls",
  content_filter: "content-filter"
}

const stopOf = (value: unknown): StopReason =>
  typeof value === "string" && Object.hasOwn(stopReasons, value) ? (stopReasons[value] ?? "unknown") : "unknown"

const reasoningOf = (message: unknown): string | undefined => textAt(message, "reasoning_content") ?? textAt(message, "reasoning")

const partsOf = (message: unknown): ReadonlyArray<Part> => {
  const parts: Array<Part> = []
  const reasoning = reasoningOf(message)
  if (reasoning !== undefined && reasoning !== "") parts.push({ _tag: "Reasoning", text: reasoning })
  const content = field(message, "content")
  if (typeof content === "string" && content !== "") parts.push({ _tag: "Text", text: content })
  // Mistral's reasoning models answer in parts.
  if (Array.isArray(content)) {
    for (const part of content as ReadonlyArray<unknown>) {
      const text = textAt(part, "text")
      parts.push(text === undefined ? { _tag: "Foreign", type: textAt(part, "type") ?? "part", value: part } : { _tag: "Text", text })
    }
  }
  const refusal = textAt(message, "refusal")
  if (refusal !== undefined && refusal !== "") parts.push({ _tag: "Refusal", text: refusal })
  for (const call of listAt(message, "tool_calls")) {
    const called = field(call, "function")
    const name = textAt(called, "name")
    parts.push(
      name === undefined
        ? { _tag: "Foreign", type: "tool_call", value: call }
        : { _tag: "ToolCall", id: textAt(call, "id") ?? "", name, arguments: textAt(called, "arguments") ?? "" }
    )
  }
  for (const name of ["audio", "annotations"]) {
    const value = field(message, name)
    if (isObject(value) || (Array.isArray(value) && value.length > 0)) parts.push({ _tag: "Foreign", type: name, value })
  }
  return parts
}

/** Decodes the parsed body of a `chat.completion`. */
export const decodeAnswer = (body: unknown): Result.Result<Answer, Failure> => {
  const failed = failureIn(body)
  if (failed !== undefined) return Result.fail(failed)
  const choices = listAt(body, "choices")
  const message = field(choices[0], "message")
  if (!isObject(message)) return Result.fail(malformed("expected `choices[0].message` in the provider's answer"))
  const id = textAt(body, "id")
  const model = textAt(body, "model")
  const usage = usageOf(body)
  return Result.succeed({
    parts: partsOf(message),
    stop: stopOf(field(choices[0], "finish_reason")),
    extras:
      choices.length > 1
        ? [{ field: "choices", value: choices.slice(1), matters: true, reason: "only the first answer is carried over" }]
        : [],
    ...(id === undefined ? {} : { id }),
    ...(model === undefined ? {} : { model }),
    ...(usage === undefined ? {} : { usage })
  })
}

/** How far a stream has got: how many tool calls began, and which of them each of the provider's indexes means. */
interface Decoding {
  readonly started: boolean
  readonly over: boolean
  readonly calls: ReadonlyArray<{ readonly index: number; readonly id: string }>
}

const deltasOf = (state: Decoding, delta: unknown, events: Array<StreamEvent>): Decoding => {
  const reasoning = reasoningOf(delta)
  if (reasoning !== undefined && reasoning !== "") events.push({ _tag: "ReasoningDelta", text: reasoning })
  const content = textAt(delta, "content")
  if (content !== undefined && content !== "") events.push({ _tag: "TextDelta", text: content })
  const refusal = textAt(delta, "refusal")
  if (refusal !== undefined && refusal !== "") events.push({ _tag: "RefusalDelta", text: refusal })
  let calls = state.calls
  for (const call of listAt(delta, "tool_calls")) {
    const called = field(call, "function")
    const name = textAt(called, "name")
    const id = textAt(call, "id")
    const given = field(call, "index")
    const index = typeof given === "number" ? given : id === undefined || id === "" ? (calls.at(-1)?.index ?? 0) : calls.length
    let position = calls.findIndex((known) => known.index === index && (id === undefined || id === "" || known.id === id))
    if (position < 0 && name !== undefined) {
      position = calls.length
      calls = [...calls, { index, id: id ?? "" }]
      events.push({ _tag: "ToolCallStart", index: position, id: id ?? `call_${position}`, name })
    }
    const text = textAt(called, "arguments")
    if (position >= 0 && text !== undefined && text !== "") events.push({ _tag: "ToolCallDelta", index: position, arguments: text })
  }
  return calls === state.calls ? state : { ...state, calls }
}

const step = (state: Decoding, event: SseEvent): readonly [Decoding, ReadonlyArray<StreamEvent>] => {
  if (state.over) return [state, []]
  const over: Decoding = { ...state, over: true }
  if (event.data.trim() === "[DONE]") return [over, [{ _tag: "End" }]]
  const chunk = parse(event.data)
  if (!isObject(chunk)) return [over, [{ _tag: "Failed", failure: malformed("expected a JSON object in the provider's stream") }]]
  const failed = failureIn(chunk)
  if (failed !== undefined) return [over, [{ _tag: "Failed", failure: failed }]]
  const events: Array<StreamEvent> = []
  let next = state
  if (!state.started) {
    const id = textAt(chunk, "id")
    const model = textAt(chunk, "model")
    events.push({ _tag: "Start", ...(id === undefined ? {} : { id }), ...(model === undefined ? {} : { model }) })
    next = { ...state, started: true }
  }
  const choice = listAt(chunk, "choices").find((one) => (field(one, "index") ?? 0) === 0)
  if (choice !== undefined) {
    next = deltasOf(next, field(choice, "delta"), events)
    const finish = field(choice, "finish_reason")
    if (typeof finish === "string") events.push({ _tag: "Stop", reason: stopOf(finish) })
  }
  const usage = usageOf(chunk)
  if (usage !== undefined) events.push({ _tag: "Usage", usage })
  return [next, events]
}

/** Decodes a stream of chunks. */
export const streamDecoder: StreamDecoder<Decoding> = {
  initial: { started: false, over: false, calls: [] },
  step,
  end: (state) =>
    state.over ? [] : [{ _tag: "Failed", failure: { class: "stream-cut", message: "the provider's stream ended without `[DONE]`" } }]
}
