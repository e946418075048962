/**
 * What an answer tells, read off its JSON or its events by the words of its API's reference alone: the independent meaning against which translations are held. Knows nothing
 * of the code under test.
 */
import type { DialectName } from "../../src/Providers.ts"
import { list } from "./said.ts"
import { eventsOf } from "./sse.ts"

// What is read here has whatever shape a provider gave it.
type Any = any

export interface Told {
  readonly text: string
  readonly reasoning: string
  readonly refusal: string
  readonly calls: ReadonlyArray<readonly [id: string, name: string, input: unknown]>
  /** `end`, `tools`, `max`, `filter`, or what else was said. */
  readonly stop: string
  readonly usage: { readonly input: number; readonly cached: number; readonly output: number; readonly reasoning: number } | undefined
  /** Addresses that are cited. */
  readonly urls: ReadonlyArray<string>
  /** Opaque texts that the caller has to send back. */
  readonly seals: ReadonlyArray<string>
}

const json = (text: Any): unknown => {
  if (typeof text !== "string") return text ?? {}
  try {
    return text.trim() === "" ? {} : JSON.parse(text)
  } catch {
    return text
  }
}
const joined = (texts: ReadonlyArray<Any>): string => texts.filter((text) => typeof text === "string").join("")
const some = (texts: ReadonlyArray<Any>): ReadonlyArray<string> => texts.filter((text) => typeof text === "string" && text !== "")
const number = (value: Any): number => (typeof value === "number" ? value : 0)

const chat = (body: Any): Told => {
  const choice = list(body.choices)[0] ?? {}
  const message = choice.message ?? {}
  const parts = list(message.content)
  const { usage } = body
  const thinking = number(usage?.completion_tokens_details?.reasoning_tokens ?? usage?.reasoning_tokens)
  // Some hosts count reasoning beside the completion.
  const apart = thinking > 0 && usage.total_tokens === usage.prompt_tokens + usage.completion_tokens + thinking
  const blocks = list(message.thinking_blocks)
  return {
    text: typeof message.content === "string" ? message.content : joined(parts.map((part) => part.text)),
    reasoning:
      message.reasoning_content ?? message.reasoning ?? joined(parts.flatMap((part) => list(part.thinking)).map((part) => part.text)),
    refusal: message.refusal ?? "",
    calls: [...list(message.tool_calls), ...(message.function_call ? [{ id: "", function: message.function_call }] : [])]
      .filter((call) => call.function?.name)
      .map((call) => [call.id, call.function.name, json(call.function.arguments)] as const),
    stop:
      { stop: "end", eos: "end", tool_calls: "tools", function_call: "tools", length: "max", content_filter: "filter" }[
        choice.finish_reason as string
      ] ?? String(choice.finish_reason),
    usage: usage && {
      input: number(usage.prompt_tokens),
      cached: number(usage.prompt_tokens_details?.cached_tokens) || number(usage.prompt_cache_hit_tokens) || number(usage.cached_tokens),
      output: number(usage.completion_tokens) + (apart ? thinking : 0),
      reasoning: thinking
    },
    urls: list(message.annotations).flatMap((annotation) => some([annotation.url_citation?.url])),
    seals: [
      ...some(blocks.map((block) => block.signature ?? block.data)),
      ...some(list(message.tool_calls).map((call) => call.extra_content?.google?.thought_signature))
    ]
  }
}

const responses = (body: Any): Told => {
  const items = list(body.output)
  const of = (type: string) => items.filter((item) => item.type === type)
  const parts = of("message").flatMap((item) => list(item.content))
  const calls = of("function_call")
  const refusal = joined(parts.filter((part) => part.type === "refusal").map((part) => part.refusal))
  const reason = body.incomplete_details?.reason
  return {
    text: joined(parts.filter((part) => part.type === "output_text").map((part) => part.text)),
    reasoning: joined(of("reasoning").flatMap((item) => [...list(item.summary), ...list(item.content)].map((part) => part.text))),
    refusal,
    calls: calls.map((call) => [call.call_id, call.name, json(call.arguments)] as const),
    stop:
      body.status === "incomplete"
        ? ({ max_output_tokens: "max", content_filter: "filter" }[reason as string] ?? String(reason))
        : calls.length > 0
          ? "tools"
          : refusal === ""
            ? "end"
            : "filter",
    usage: body.usage && {
      input: number(body.usage.input_tokens),
      cached: number(body.usage.input_tokens_details?.cached_tokens),
      output: number(body.usage.output_tokens),
      reasoning: number(body.usage.output_tokens_details?.reasoning_tokens)
    },
    urls: parts
      .flatMap((part) => list(part.annotations))
      .flatMap((annotation) => some([annotation.type === "url_citation" ? annotation.url : undefined])),
    seals: some(of("reasoning").map((item) => item.encrypted_content))
  }
}

const messages = (body: Any): Told => {
  const blocks = list(body.content)
  const of = (type: string) => blocks.filter((block) => block.type === type)
  const { usage } = body
  const reason = body.stop_reason
  return {
    text: joined(of("text").map((block) => block.text)),
    reasoning: joined(of("thinking").map((block) => block.thinking)),
    // A refusal is told by its reason, with its words in the text or beside it.
    refusal: reason === "refusal" ? (body.stop_details?.explanation ?? "") : "",
    calls: of("tool_use").map((block) => [block.id, block.name, block.input] as const),
    stop:
      {
        end_turn: "end",
        stop_sequence: "end",
        tool_use: "tools",
        max_tokens: "max",
        model_context_window_exceeded: "max",
        refusal: "filter"
      }[reason as string] ?? String(reason),
    usage: usage && {
      input: number(usage.input_tokens) + number(usage.cache_read_input_tokens) + number(usage.cache_creation_input_tokens),
      cached: number(usage.cache_read_input_tokens),
      output: number(usage.output_tokens),
      reasoning: number(usage.output_tokens_details?.thinking_tokens)
    },
    urls: of("text")
      .flatMap((block) => list(block.citations))
      .flatMap((citation) => some([citation.url])),
    seals: [...some(of("thinking").map((block) => block.signature)), ...some(of("redacted_thinking").map((block) => block.data))]
  }
}

/** Stands for arguments that come in pieces, which only the code under test puts together. */
export const streamed = "(streamed)"

const gemini = (body: Any): Told => {
  const candidate = list(body.candidates)[0] ?? {}
  const parts = list(candidate.content?.parts)
  // A call that streams its arguments has a name in its first piece alone.
  const calls = parts.filter((part) => part.functionCall?.name !== undefined)
  const usage = body.usageMetadata
  // Vertex once wrote enumerations as numbers.
  const reason: string | undefined = ({ 1: "STOP", 2: "MAX_TOKENS" } as Any)[candidate.finishReason] ?? candidate.finishReason
  const thinking = number(usage?.thoughtsTokenCount)
  return {
    text: joined(parts.filter((part) => part.thought !== true).map((part) => part.text)),
    reasoning: joined(parts.filter((part) => part.thought === true).map((part) => part.text)),
    refusal: "",
    calls: calls.map(
      ({ functionCall }) =>
        [functionCall.id ?? "", functionCall.name, functionCall.willContinue === true ? streamed : (functionCall.args ?? {})] as const
    ),
    stop:
      body.promptFeedback?.blockReason !== undefined
        ? "filter"
        : reason === "STOP"
          ? calls.length > 0
            ? "tools"
            : "end"
          : reason === "MAX_TOKENS"
            ? "max"
            : /SAFETY|RECITATION|BLOCKLIST|PROHIBITED|SPII/.test(reason ?? "")
              ? "filter"
              : String(reason),
    usage: usage && {
      input: number(usage.promptTokenCount) + number(usage.toolUsePromptTokenCount),
      cached: number(usage.cachedContentTokenCount),
      output: number(usage.candidatesTokenCount) + thinking,
      reasoning: thinking
    },
    urls: list(candidate.groundingMetadata?.groundingChunks).flatMap((chunk) => some([chunk.web?.uri])),
    // That of a part which only its provider has is lost with it.
    seals: some(parts.map((part) => (part.text !== undefined || part.functionCall !== undefined ? part.thoughtSignature : undefined)))
  }
}

/** Some providers stop by themselves where they call a tool; and usage of nothing is none. */
const settled = (answer: Told): Told => ({
  ...answer,
  stop:
    answer.calls.length > 0 && (answer.stop === "end" || answer.stop === "")
      ? "tools"
      : answer.refusal !== "" && answer.stop === "end"
        ? "filter"
        : answer.stop,
  usage:
    answer.usage === undefined || answer.usage === null || answer.usage.input + answer.usage.output === 0
      ? undefined
      : { ...answer.usage, cached: Math.min(answer.usage.cached, answer.usage.input) }
})

/** Reads a whole answer. */
export const told: Readonly<Record<DialectName, (body: unknown) => Told>> = {
  "chat.completions": (body) => settled(chat(body)),
  responses: (body) => settled(responses(body)),
  messages: (body) => settled(messages(body)),
  generateContent: (body) => settled(gemini(body))
}

const chunksOf = (text: string): ReadonlyArray<Any> =>
  eventsOf(text)
    .filter(({ data }) => data.trim() !== "[DONE]")
    .map(({ data }) => JSON.parse(data) as Any)

const chatStream = (text: string): Any => {
  const message: Any = { content: "", tool_calls: [], thinking_blocks: [], annotations: [] }
  const whole: Any = { choices: [{ message }] }
  for (const chunk of chunksOf(text)) {
    if (chunk.usage) whole.usage = chunk.usage
    else if (chunk.x_groq?.usage) whole.usage ??= chunk.x_groq.usage
    const choice = list(chunk.choices).find((one) => (one.index ?? 0) === 0)
    if (choice === undefined) continue
    if (choice.finish_reason) whole.choices[0].finish_reason = choice.finish_reason
    const delta = choice.delta ?? {}
    if (typeof delta.content === "string") message.content += delta.content
    else message.content += joined(list(delta.content).map((part) => part.text))
    for (const key of ["reasoning_content", "reasoning", "refusal"])
      if (typeof delta[key] === "string") message[key] = (message[key] ?? "") + delta[key]
    message.thinking_blocks.push(...list(delta.thinking_blocks))
    message.annotations.push(...list(delta.annotations))
    for (const call of list(delta.tool_calls)) {
      // A host gives each call the same index, and another id.
      const named = message.tool_calls.findIndex((one: Any) => one?.id === call.id)
      const clash = call.id && message.tool_calls[call.index ?? -1]?.id !== undefined && named === -1
      const at = clash ? message.tool_calls.length : (call.index ?? message.tool_calls.length)
      const known = (message.tool_calls[at] ??= { function: { arguments: "" } })
      if (call.id) known.id = call.id
      if (call.extra_content) known.extra_content = call.extra_content
      if (call.function?.name) known.function.name = call.function.name
      known.function.arguments += call.function?.arguments ?? ""
    }
  }
  return whole
}

const messagesStream = (text: string): Any => {
  let whole: Any
  const inputs: Array<string> = []
  for (const event of chunksOf(text)) {
    switch (event.type) {
      case "message_start":
        // A few recordings hold several answers one after another: the first is the answer.
        whole ??= { ...event.message, content: [...list(event.message.content)] }
        break
      case "content_block_start":
        whole.content[event.index] = { ...event.content_block }
        inputs[event.index] = ""
        break
      case "content_block_delta": {
        const block = whole.content[event.index]
        const { delta } = event
        if (delta.type === "text_delta") block.text += delta.text
        if (delta.type === "thinking_delta") block.thinking += delta.thinking
        if (delta.type === "signature_delta") block.signature = delta.signature
        if (delta.type === "citations_delta") block.citations = [...list(block.citations), delta.citation]
        if (delta.type === "input_json_delta") {
          inputs[event.index] += delta.partial_json
          block.input = json(inputs[event.index])
        }
        break
      }
      case "message_delta":
        Object.assign(whole, event.delta)
        whole.usage = { ...whole.usage, ...Object.fromEntries(Object.entries(event.usage ?? {}).filter(([, value]) => value !== null)) }
        break
      case "message_stop":
        return whole
    }
  }
  return whole
}

const responsesStream = (text: string): Any => {
  const events = chunksOf(text)
  // A few recordings hold several answers one after another: the first is the answer.
  const last = events.find(({ type }) => /^response\.(completed|incomplete|failed)$/.test(type))
  const response = last?.response ?? {}
  // What is sealed is sealed anew in the summary at the end, and either serves.
  const done = events.filter(({ item, type }) => type === "response.output_item.done" && item?.type === "reasoning")
  const output = list(response.output).map((item) => done.find((one) => one.item.id === item.id && item.type === "reasoning")?.item ?? item)
  return { ...response, output }
}

const geminiStream = (text: string): Any => {
  const candidate: Any = { content: { parts: [] } }
  const whole: Any = { candidates: [candidate] }
  for (const chunk of chunksOf(text)) {
    if (chunk.usageMetadata) whole.usageMetadata = chunk.usageMetadata
    if (chunk.promptFeedback) whole.promptFeedback = chunk.promptFeedback
    const next = list(chunk.candidates).find((one) => (one.index ?? 0) === 0)
    if (next === undefined) continue
    candidate.content.parts.push(...list(next.content?.parts))
    if (next.finishReason) candidate.finishReason = next.finishReason
    if (next.groundingMetadata) candidate.groundingMetadata = next.groundingMetadata
  }
  return whole
}

/** Reads a stream, gathered as its API's clients gather it. */
export const toldByStream: Readonly<Record<DialectName, (text: string) => Told>> = {
  "chat.completions": (text) => settled(chat(chatStream(text))),
  responses: (text) => settled(responses(responsesStream(text))),
  messages: (text) => settled(messages(messagesStream(text))),
  generateContent: (text) => settled(gemini(geminiStream(text)))
}
