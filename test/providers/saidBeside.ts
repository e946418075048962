/**
 * What a request says beside its words, by the words of its API's reference alone: how it wants to be answered, cached and billed. It stands beside `said.ts`, which reads what
 * every dialect can say; most of this only some of them can.
 */
import type { DialectName } from "../../src/Providers.ts"
import { list } from "./said.ts"

// What is read here has whatever shape a client gave it.
type Any = any

export interface Beside {
  /** Base64. */
  readonly audio: ReadonlyArray<string>
  /** Which results, counted from 0, say that the tool failed. */
  readonly failed: ReadonlyArray<number>
  /** Base64 of the pictures in results. */
  readonly resultImages: ReadonlyArray<string>
  /** Names of the tools whose arguments must match their schema. */
  readonly strict: ReadonlyArray<string>
  /** The texts that end what should be cached. */
  readonly cached: ReadonlyArray<string>
  /** The tools among which to choose, where that is said in words of its own. */
  readonly among: { readonly names: ReadonlyArray<string>; readonly required: boolean } | undefined
  readonly topK: number | undefined
  readonly frequency: number | undefined
  readonly presence: number | undefined
  readonly answers: number | undefined
  readonly user: string | undefined
  readonly metadata: unknown
  /** How much to think: a word in lower case, or a number of tokens. */
  readonly amount: string | number | undefined
  /** Whether thoughts are to be shown, where it is said. */
  readonly shown: boolean | undefined
  /** What providers have signed, as it comes back. */
  readonly seals: ReadonlyArray<string>
}

const bare = (url: Any): string => String(url).replace(/^data:[^,]*,/, "")
const texts = (values: ReadonlyArray<Any>): ReadonlyArray<string> => values.filter((value) => typeof value === "string" && value !== "")
const allowed = (names: ReadonlyArray<Any>, mode: Any): Beside["among"] =>
  names.length === 0 ? undefined : { names: names.map(String).toSorted(), required: mode === "required" }
const orNothing = <A>(value: A | null | undefined): A | undefined => value ?? undefined
/** One answer is what every API gives by itself. */
const several = (value: Any): number | undefined => (value === 1 || value == null ? undefined : value)

const chat = (body: Any): Beside => {
  const messages = list(body.messages)
  const parts = messages.flatMap((message) => list(message.content))
  const choice = body.tool_choice?.allowed_tools
  return {
    audio: texts(parts.map((part) => part.input_audio?.data)),
    failed: [],
    resultImages: messages
      .filter(({ role }) => role === "tool")
      .flatMap((message) => list(message.content))
      .flatMap((part) => (part.type === "image_url" ? [bare(part.image_url.url)] : [])),
    strict: list(body.tools).flatMap((tool) => (tool.function?.strict === true ? [tool.function.name] : [])),
    cached: parts.flatMap((part) => (part.cache_control == null && part.prompt_cache_breakpoint == null ? [] : [part.text])),
    among: allowed(
      list(choice?.tools).map((tool) => tool.function?.name),
      choice?.mode
    ),
    topK: orNothing(body.top_k),
    frequency: orNothing(body.frequency_penalty),
    presence: orNothing(body.presence_penalty),
    answers: several(body.n),
    user: orNothing(body.safety_identifier ?? body.user),
    metadata: orNothing(body.metadata),
    amount: orNothing(body.reasoning_effort),
    shown: undefined,
    seals: [
      ...texts(messages.flatMap((message) => list(message.thinking_blocks)).map((block) => block.signature ?? block.data)),
      ...texts(messages.flatMap((message) => list(message.tool_calls)).map((call) => call.extra_content?.google?.thought_signature))
    ]
  }
}

const responses = (body: Any): Beside => {
  const items = list(body.input)
  const parts = items.flatMap((item) => list(item.content))
  const outputs = items.filter(({ type }) => type === "function_call_output").flatMap((item) => list(item.output))
  const choice = body.tool_choice?.type === "allowed_tools" ? body.tool_choice : undefined
  return {
    audio: texts(parts.map((part) => part.input_audio?.data)),
    failed: [],
    resultImages: outputs.flatMap((part) => (part.type === "input_image" ? [bare(part.image_url)] : [])),
    strict: list(body.tools).flatMap((tool) => (tool.strict === true ? [tool.name] : [])),
    cached: parts.flatMap((part) => (part.prompt_cache_breakpoint == null ? [] : [part.text])),
    among: allowed(
      list(choice?.tools).map((tool) => tool.name),
      choice?.mode
    ),
    topK: orNothing(body.top_k),
    frequency: orNothing(body.frequency_penalty),
    presence: orNothing(body.presence_penalty),
    answers: several(body.n),
    user: orNothing(body.safety_identifier ?? body.user),
    metadata: orNothing(body.metadata),
    amount: orNothing(body.reasoning?.effort),
    shown: body.reasoning?.summary == null ? undefined : true,
    seals: texts(items.map((item) => item.encrypted_content))
  }
}

const messages = (body: Any): Beside => {
  const blocks = list(body.messages).flatMap((message) => list(message.content))
  const results = blocks.filter(({ type }) => type === "tool_result")
  const hinted = [...list(body.system), ...list(body.tools), ...blocks].filter((block) => block.cache_control != null)
  return {
    audio: [],
    failed: results.flatMap((block, index) => (block.is_error === true ? [index] : [])),
    resultImages: results
      .flatMap((block) => list(block.content))
      .flatMap((part) => (part.type === "image" ? texts([part.source?.data]) : [])),
    strict: list(body.tools).flatMap((tool) => (tool.strict === true ? [tool.name] : [])),
    cached: hinted.map((block) => block.text ?? block.name ?? block.type),
    among: undefined,
    topK: orNothing(body.top_k),
    frequency: undefined,
    presence: undefined,
    answers: undefined,
    user: orNothing(body.metadata?.user_id),
    metadata: undefined,
    amount: body.thinking?.type === "disabled" ? "none" : orNothing(body.output_config?.effort ?? body.thinking?.budget_tokens),
    shown:
      body.thinking == null || body.thinking.type === "disabled"
        ? undefined
        : body.thinking.display === undefined
          ? undefined
          : body.thinking.display !== "omitted",
    seals: texts(blocks.map((block) => block.signature ?? (block.type === "redacted_thinking" ? block.data : undefined)))
  }
}

const gemini = (body: Any): Beside => {
  const parts = list(body.contents).flatMap((content) => list(content.parts))
  const results = parts.flatMap((part) => (part.functionResponse === undefined ? [] : [part.functionResponse]))
  const config = body.generationConfig ?? {}
  const calling = body.toolConfig?.functionCallingConfig
  const thinking = config.thinkingConfig
  const declared = list(body.tools).flatMap((tool) => list(tool.functionDeclarations))
  return {
    audio: parts.flatMap(({ inlineData }) => (String(inlineData?.mimeType).startsWith("audio/") ? [inlineData.data] : [])),
    failed: results.flatMap(({ response }, index) => (Object.hasOwn(response ?? {}, "error") ? [index] : [])),
    resultImages: results.flatMap((result) => list(result.parts)).flatMap((part) => texts([part.inlineData?.data])),
    // Both ways of calling hold every tool to its schema.
    strict: calling?.mode === "VALIDATED" || calling?.mode === "ANY" ? declared.map(({ name }) => name) : [],
    cached: [],
    among: allowed(list(calling?.allowedFunctionNames), calling?.mode === "ANY" ? "required" : "auto"),
    topK: orNothing(config.topK),
    frequency: orNothing(config.frequencyPenalty),
    presence: orNothing(config.presencePenalty),
    answers: several(config.candidateCount),
    user: undefined,
    metadata: orNothing(body.labels),
    amount: thinking?.thinkingBudget === 0 ? "none" : orNothing(thinking?.thinkingLevel?.toLowerCase() ?? thinking?.thinkingBudget),
    shown: orNothing(thinking?.includeThoughts),
    seals: texts(parts.map((part) => part.thoughtSignature))
  }
}

/** Reads a request. */
export const besides: Readonly<Record<DialectName, (body: unknown) => Beside>> = {
  "chat.completions": chat,
  responses,
  messages,
  generateContent: gemini
}
