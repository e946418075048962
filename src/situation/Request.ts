/**
 * The request of a situation: a body in the OpenAI dialect, the one that most callers write, read by that dialect's own parser.
 *
 * What the parser finds is held against what was said, and only where the body could not say it (fewer tokens than its tools have, more text than is worth writing) does
 * the answer come from what was said.
 */
import type { Ask } from "../Ask.ts"
import { fallbackApi } from "../Apis.ts"
import type { Parsed } from "../Call.ts"
import type { Capability } from "../Policy.ts"
import type { SituationRequest } from "../Situation.ts"

/** Text beyond it is counted and not written. */
const maxBytes = 1 << 20
/** Messages beyond them are counted and not written. */
const maxMessages = 1_000

const usual = "Which way?"

type Part = Readonly<Record<string, unknown>>

/** What a message holds where the request needs a model that reads it. */
const parts: Partial<Record<Capability, Part>> = {
  vision: { type: "image_url", image_url: { url: "https://example.com/picture.png" } },
  audio: { type: "input_audio", input_audio: { data: "", format: "wav" } },
  files: { type: "file", file: { file_id: "file-1" } }
}

/** Fields of a request that needs a model which can do so. */
const fields: Partial<Record<Capability, Part>> = {
  tools: { tools: [{ type: "function", function: { name: "look_up" } }] },
  structuredOutput: { response_format: { type: "json_schema", json_schema: { name: "answer", schema: {} } } },
  reasoning: { reasoning_effort: "medium" }
}

const bodyOf = (request: SituationRequest, model: string, text: string): string => {
  const needs = request.needs ?? []
  const media = needs.flatMap((need) => parts[need] ?? [])
  const messages = Math.min(request.messages ?? 1, maxMessages)
  const last = { role: "user", content: media.length === 0 ? text : [{ type: "text", text }, ...media] }
  const earlier = Array.from({ length: Math.max(0, messages - 1) }, (_, i) => ({ role: i % 2 === 0 ? "user" : "assistant", content: "" }))
  return JSON.stringify({
    model,
    ...(request.stream === undefined ? {} : { stream: request.stream }),
    messages: messages === 0 ? [] : [...earlier, last],
    ...Object.assign({}, ...needs.map((need) => fields[need] ?? {})),
    ...(request.maxOutputTokens === undefined ? {} : { max_completion_tokens: request.maxOutputTokens }),
    ...(request.metadata === undefined ? {} : { metadata: request.metadata })
  })
}

const encoder = new TextEncoder()

const parse = (body: string, header: (name: string) => string | null): Parsed => {
  const parsed = fallbackApi.parse(encoder.encode(body), header)
  if ("code" in parsed) throw new Error(`a request of a situation is refused: ${parsed.message}`)
  return parsed
}

/** What the parser found, but for what the body could not say: its length, its messages, and what would be in messages that it does not have. */
const corrected = (ask: Ask, inputBytes: number, messages: number, needs: ReadonlyArray<Capability>): Ask => ({
  operation: ask.operation,
  model: ask.model,
  stream: ask.stream,
  inputBytes: () => inputBytes,
  maxOutputTokens: () => ask.maxOutputTokens(),
  messages: () => messages,
  needsTools: () => ask.needsTools(),
  needsVision: () => needs.includes("vision"),
  needsStructuredOutput: () => ask.needsStructuredOutput(),
  hasFormat: () => ask.hasFormat(),
  needsReasoning: () => ask.needsReasoning(),
  metadata: (name) => ask.metadata(name),
  header: (name) => ask.header(name),
  choices: () => ask.choices(),
  media: () => ({
    images: Number(needs.includes("vision")),
    audio: Number(needs.includes("audio")),
    files: Number(needs.includes("files"))
  }),
  extras: () => ask.extras()
})

/** Writes the request and reads it. */
export const write = (
  request: SituationRequest,
  model: string,
  header: (name: string) => string | null
): { readonly body: string; readonly parsed: Parsed } => {
  const { inputTokens } = request
  let body = bodyOf(request, model, inputTokens === undefined ? usual : "")
  let parsed = parse(body, header)
  const wanted = inputTokens === undefined ? parsed.ask.inputBytes() : inputTokens * 4
  const length = Math.min(wanted, maxBytes) - parsed.ask.inputBytes()
  if (inputTokens !== undefined && length > 0) {
    body = bodyOf(request, model, "which way ".repeat(Math.ceil(length / 10)).slice(0, length))
    parsed = parse(body, header)
  }
  const messages = request.messages ?? 1
  const { ask } = parsed
  const needs = request.needs ?? []
  const hasMedia = messages > 0 || !needs.some((need) => need in parts)
  if (hasMedia && ask.inputBytes() === wanted && ask.messages() === messages) return { body, parsed }
  return { body, parsed: { ...parsed, ask: corrected(ask, wanted, messages, needs) } }
}
