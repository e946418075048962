/**
 * What the mock provider says: OpenAI Chat Completions as pure functions, from a request's JSON to the JSON of an answer, whole or as stream chunks.
 *
 * The answer depends on the request and the call's number only. It is no imitation of a model: the text names the model and echoes the question, a tool
 * is called when the caller forces it or the user's text mentions its name, and structured output is a value that fits the schema (`Example.ts`). Tokens
 * are UTF-8 bytes / 4, the estimate that policies use, and a stream reports the same usage as the whole answer. Runs per call of the mock.
 */
import { example } from "./Example.ts"

type Json = Record<string, unknown>

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

interface Tool {
  readonly name: string
  readonly parameters: unknown
}

/** What is read of a request; everything else is accepted and ignored. */
export interface Ask {
  readonly model: string
  readonly stream: boolean
  readonly includeUsage: boolean
  /** The text of the last message from the user. */
  readonly question: string
  /** The text of the last message, where that is the result of a tool. */
  readonly toolResult: string | undefined
  /** The tools to call in this answer. */
  readonly toolCalls: ReadonlyArray<Tool>
  /** The schema of a structured answer; `undefined` for text. */
  readonly schema: unknown
  readonly choices: number
  readonly maxTokens: number | undefined
  readonly promptTokens: number
}

/** Why a request cannot be answered, in the words and codes of OpenAI. */
export interface BadRequest {
  readonly message: string
  readonly param: string | null
  readonly code: string | null
}

const bad = (message: string, param: string | null = null, code: string | null = "invalid_value"): BadRequest => ({ message, param, code })
export const isBadRequest = (read: Ask | BadRequest): read is BadRequest => "message" in read

const contentText = (content: unknown): string => {
  if (typeof content === "string") return content
  if (!Array.isArray(content)) return ""
  return content.map((part) => (isObject(part) && typeof part.text === "string" ? part.text : "")).join("")
}

const tokensOf = (bytes: number): number => Math.ceil(bytes / 4)

/** The tools that `tool_choice` and the user's text call for, or what is wrong with the choice. */
const chosenTools = (body: Json, question: string): ReadonlyArray<Tool> | BadRequest => {
  const offered = (Array.isArray(body.tools) ? body.tools : []).flatMap((tool: unknown): ReadonlyArray<Tool> => {
    const described = isObject(tool) && isObject(tool.function) ? tool.function : undefined
    return typeof described?.name === "string" && described.name !== ""
      ? [{ name: described.name, parameters: described.parameters ?? {} }]
      : []
  })
  const choice = body.tool_choice
  if (isObject(choice) && isObject(choice.function)) {
    const { name } = choice.function
    const forced = offered.filter((tool) => tool.name === name)
    return forced.length > 0 ? forced : bad(`Tool choice '${String(name)}' not found in 'tools' parameter.`, "tool_choice")
  }
  if (choice === "required" && offered.length === 0) return bad("'tool_choice' is only allowed when 'tools' are specified.", "tool_choice")
  if (choice === "none") return []
  const text = question.toLowerCase()
  const mentioned = offered.filter((tool) => text.includes(tool.name.toLowerCase()))
  const called = mentioned.length === 0 && choice === "required" ? offered.slice(0, 1) : mentioned
  return body.parallel_tool_calls === false ? called.slice(0, 1) : called
}

const schemaOf = (format: unknown): unknown => {
  if (!isObject(format)) return undefined
  if (format.type === "json_schema") return (isObject(format.json_schema) ? format.json_schema.schema : undefined) ?? {}
  return format.type === "json_object" ? { type: "object", properties: { answer: { type: "string" } } } : undefined
}

/** Reads a request's body, or says what is wrong with it. */
export const read = (body: unknown): Ask | BadRequest => {
  if (!isObject(body)) return bad("The body of your request must be a JSON object.", null, null)
  const { messages, model, n = 1, stream_options: streamOptions } = body
  const maxTokens = body.max_completion_tokens ?? body.max_tokens ?? undefined
  if (typeof model !== "string" || model === "") return bad("you must provide a model parameter", null, null)
  if (messages === undefined) return bad("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
  if (!Array.isArray(messages)) return bad("Invalid type for 'messages': expected an array of objects.", "messages", "invalid_type")
  if (messages.length === 0)
    return bad("Invalid 'messages': empty array. Expected an array with minimum length 1.", "messages", "empty_array")
  const odd = messages.findIndex((message) => !isObject(message) || typeof message.role !== "string")
  if (odd !== -1) return bad(`Invalid 'messages[${odd}]': expected an object with a role.`, `messages[${odd}]`, "invalid_type")
  if (maxTokens !== undefined && !(Number.isSafeInteger(maxTokens) && (maxTokens as number) > 0)) {
    const param = body.max_completion_tokens === undefined || body.max_completion_tokens === null ? "max_tokens" : "max_completion_tokens"
    return bad(`Invalid '${param}': expected an integer greater than or equal to 1.`, param, "integer_below_min_value")
  }
  if (n !== null && !(Number.isSafeInteger(n) && (n as number) >= 1 && (n as number) <= 128))
    return bad("Invalid 'n': expected an integer from 1 to 128.", "n")

  const spoken = messages as ReadonlyArray<Json>
  const last = spoken.at(-1) as Json
  const question = contentText(spoken.findLast((message) => message.role === "user")?.content)
  const tools = chosenTools(body, question)
  if ("message" in tools) return tools
  const bytes = spoken.reduce(
    (sum, { content, tool_calls: calls }) =>
      sum + Buffer.byteLength(contentText(content)) + (calls === undefined ? 0 : Buffer.byteLength(JSON.stringify(calls))),
    body.tools === undefined ? 0 : Buffer.byteLength(JSON.stringify(body.tools))
  )
  return {
    model,
    stream: body.stream === true,
    includeUsage: isObject(streamOptions) && streamOptions.include_usage === true,
    question,
    toolResult: last.role === "tool" ? contentText(last.content) : undefined,
    toolCalls: last.role === "user" ? tools : [],
    schema: schemaOf(body.response_format),
    choices: (n as number | null) ?? 1,
    maxTokens: maxTokens as number | undefined,
    promptTokens: tokensOf(bytes)
  }
}

interface ToolCall {
  readonly id: string
  readonly type: "function"
  readonly function: { readonly name: string; readonly arguments: string }
}

interface Usage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
}

/** An answer, before it is put into the shape of a body or a stream. */
export interface Answer {
  readonly content: string | null
  readonly toolCalls: ReadonlyArray<ToolCall>
  readonly finishReason: "stop" | "length" | "tool_calls"
  readonly usage: Usage
}

/** At most `bytes` UTF-8 bytes of `text`, in whole characters. */
const truncated = (text: string, bytes: number): string => {
  if (text.length * 3 <= bytes) return text
  const buffer = Buffer.from(text)
  if (buffer.length <= bytes) return text
  let end = bytes
  while (end > 0 && ((buffer[end] as number) & 0xc0) === 0x80) end--
  return buffer.toString("utf8", 0, end)
}

/** The beginning of a text, on one line. */
const summary = (text: string, words = 16): string => {
  const all = text.slice(0, 400).trim().split(/\s+/)
  const some = all.slice(0, words).join(" ")
  return all.length > words || text.length > 400 ? `${some} …` : some
}

const closings = [
  "A real model would have thought about it; this one only repeats.",
  "That is all I know.",
  "Point the provider's base URL at a real account, and the same route will answer in earnest.",
  "Ask again and I shall say the same."
] as const

/** A stable choice among `closings`, so that answers differ in length as real ones do. */
const closingOf = (text: string): string => {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length && at < 1_000; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return closings[(hash >>> 0) % closings.length] as string
}

const textOf = ({ model, question, schema, toolResult }: Ask): string => {
  if (schema !== undefined) return JSON.stringify(example(schema, "answer"))
  if (toolResult !== undefined) return `This is the mock of ${model}. The tool answered: "${summary(toolResult, 64)}".`
  if (question.trim() === "") return `This is the mock of ${model}. You asked nothing.`
  return `This is the mock of ${model}. You asked: "${summary(question)}". ${closingOf(`${model}\n${question}`)}`
}

/** The answer to `ask`, the `call`th call. */
export const answer = (ask: Ask, call: number): Answer => {
  const limit = (ask.maxTokens ?? Infinity) * 4
  const texts = ask.toolCalls.length > 0 ? ask.toolCalls.map((tool) => JSON.stringify(example(tool.parameters))) : [textOf(ask)]
  let bytes = 0
  let cut = false
  const kept = texts.map((text) => {
    const some = truncated(text, limit - bytes)
    cut ||= some.length < text.length
    bytes += Buffer.byteLength(some)
    return some
  })
  const completionTokens = tokensOf(bytes) * ask.choices
  return {
    content: ask.toolCalls.length > 0 ? null : (kept[0] as string),
    toolCalls: ask.toolCalls.map(({ name }, at) => ({
      id: `call_mock_${call}_${at}`,
      type: "function",
      function: { name, arguments: kept[at] as string }
    })),
    finishReason: cut ? "length" : ask.toolCalls.length > 0 ? "tool_calls" : "stop",
    usage: { prompt_tokens: ask.promptTokens, completion_tokens: completionTokens, total_tokens: ask.promptTokens + completionTokens }
  }
}

const head = (ask: Ask, call: number, createdSeconds: number, object: string) => ({
  id: `chatcmpl-mock-${call}`,
  object,
  created: createdSeconds,
  model: ask.model,
  system_fingerprint: "fp_mock"
})

const indices = (ask: Ask): ReadonlyArray<number> => Array.from({ length: ask.choices }, (_, index) => index)

/** The body of a whole answer. */
export const completion = (ask: Ask, { content, finishReason, toolCalls, usage }: Answer, call: number, createdSeconds: number) => ({
  ...head(ask, call, createdSeconds, "chat.completion"),
  choices: indices(ask).map((index) => ({
    index,
    message: { role: "assistant", content, refusal: null, ...(toolCalls.length > 0 ? { tool_calls: toolCalls } : {}) },
    logprobs: null,
    finish_reason: finishReason
  })),
  usage
})

/** A text in the pieces in which a stream carries it: words, and long words in parts. */
const pieces = (text: string): ReadonlyArray<string> => text.match(/\s*\S{1,24}|\s+/gu) ?? []

/** How many tokens a stream would carry one after the other. */
export const tokenCount = ({ content, toolCalls }: Answer): number =>
  toolCalls.reduce((sum, toolCall) => sum + pieces(toolCall.function.arguments).length, pieces(content ?? "").length)

/**
 * The chunks of a stream, grouped by the moment at which they are sent: the role with the first token, one token after the other, and with the last one
 * the finish and, where it was asked for, the usage.
 */
export const moments = (
  ask: Ask,
  { content, finishReason, toolCalls, usage }: Answer,
  call: number,
  createdSeconds: number
): ReadonlyArray<ReadonlyArray<Json>> => {
  const shared = { ...head(ask, call, createdSeconds, "chat.completion.chunk"), ...(ask.includeUsage ? { usage: null } : {}) }
  const each = (delta: Json, finishReason: string | null = null): ReadonlyArray<Json> =>
    indices(ask).map((index) => ({ ...shared, choices: [{ index, delta, logprobs: null, finish_reason: finishReason }] }))
  const tokens = [
    ...pieces(content ?? "").map((piece) => each({ content: piece })),
    ...toolCalls.flatMap((toolCall, index) => {
      const opening = each({ tool_calls: [{ index, ...toolCall, function: { ...toolCall.function, arguments: "" } }] })
      const [first = [], ...rest] = pieces(toolCall.function.arguments).map((piece) =>
        each({ tool_calls: [{ index, function: { arguments: piece } }] })
      )
      return [[...opening, ...first], ...rest]
    })
  ]
  const [first = [], ...rest] = tokens
  const opening = [...each({ role: "assistant", content: content === null ? null : "", refusal: null }), ...first]
  const closing = [...each({}, finishReason), ...(ask.includeUsage ? [{ ...shared, choices: [], usage }] : [])]
  const last = rest.at(-1)
  return last === undefined ? [[...opening, ...closing]] : [opening, ...rest.slice(0, -1), [...last, ...closing]]
}
