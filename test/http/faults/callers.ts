/** A caller of each dialect, by hand: what it sends, and what it makes of the bytes that come back. */
import type { Answered } from "../support.ts"
import type { DialectName } from "../../../src/Providers.ts"

/** What a caller sees. */
export interface Seen {
  readonly status: number
  /** The gateway's code of the error, from where the dialect has it. */
  readonly code: string | undefined
  /** The text of the answer, as far as it came. */
  readonly text: string
  /** How it ended: `whole` is an answer that is said to be complete, `error` one that the dialect's own error stands at the end of. */
  readonly end: "whole" | "error" | "both" | "neither"
  /** Whether the error has all that the dialect's errors have. */
  readonly isShapely: boolean
  readonly headers: Answered["headers"]
}

interface Caller {
  readonly path: (model: string, stream: boolean) => string
  readonly body: (model: string, stream: boolean) => unknown
  /** The error object of a body or an event. */
  readonly errorOf: (json: any) => { readonly code: string | undefined; readonly isShapely: boolean } | undefined
  readonly textOf: (json: any) => string
  /** Text that an event of a stream adds. */
  readonly deltaOf: (event: any) => string
  /** An event that says the answer is complete. */
  readonly isEnd: (event: any) => boolean
}

const question = "Which way?"

const openaiError: Caller["errorOf"] = (json) =>
  json?.error === undefined || json.error === null
    ? undefined
    : {
        code: json.error.code,
        isShapely: typeof json.error.message === "string" && typeof json.error.type === "string" && "param" in json.error
      }

const callers: Readonly<Record<DialectName, Caller>> = {
  "chat.completions": {
    path: () => "/v1/chat/completions",
    body: (model, stream) => ({ model, stream, messages: [{ role: "user", content: question }] }),
    errorOf: openaiError,
    textOf: (json) => json?.choices?.[0]?.message?.content ?? "",
    deltaOf: (event) => event.choices?.[0]?.delta?.content ?? "",
    isEnd: (event) => event === "[DONE]"
  },
  responses: {
    path: () => "/v1/responses",
    body: (model, stream) => ({ model, stream, input: question }),
    errorOf: (json) =>
      json?.type === "error"
        ? { code: json.code, isShapely: typeof json.message === "string" && "param" in json && typeof json.sequence_number === "number" }
        : openaiError(json),
    textOf: (json) => json?.output?.[0]?.content?.[0]?.text ?? "",
    deltaOf: (event) => (event.type === "response.output_text.delta" ? event.delta : ""),
    isEnd: ({ type }) => type === "response.completed" || type === "response.incomplete"
  },
  messages: {
    path: () => "/v1/messages",
    body: (model, stream) => ({ model, stream, max_tokens: 100, messages: [{ role: "user", content: question }] }),
    errorOf: (json) =>
      json?.type === "error"
        ? {
            code: json.error?.details?.error_code,
            isShapely: typeof json.error?.type === "string" && typeof json.error.message === "string"
          }
        : undefined,
    textOf: (json) => json?.content?.[0]?.text ?? "",
    deltaOf: (event) => event.delta?.text ?? "",
    isEnd: ({ type }) => type === "message_stop"
  },
  generateContent: {
    path: (model, stream) => `/v1beta/models/${model}:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    body: () => ({ contents: [{ role: "user", parts: [{ text: question }] }], generationConfig: { maxOutputTokens: 100 } }),
    errorOf: (json) =>
      json?.error === undefined
        ? undefined
        : {
            code: json.error.details?.find((detail: any) => detail.reason !== undefined)?.reason,
            isShapely:
              typeof json.error.code === "number" && typeof json.error.message === "string" && typeof json.error.status === "string"
          },
    textOf: (json) => json?.candidates?.[0]?.content?.parts?.[0]?.text ?? "",
    deltaOf: (event) => event.candidates?.[0]?.content?.parts?.[0]?.text ?? "",
    isEnd: (event) => event.candidates?.[0]?.finishReason !== undefined
  }
}

const parsed = (text: string): any => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The events of a stream; what stands there without framing, as Gemini's errors do, is one too. */
const eventsOf = (text: string): ReadonlyArray<any> =>
  text.split(/\r?\n\r?\n/).flatMap((block) => {
    const lines = block.split(/\r?\n/).filter((line) => line !== "" && !line.startsWith(":"))
    const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim())
    const said = data.length > 0 ? data.join("\n") : lines.filter((line) => line.startsWith("{")).join("")
    return said === "" ? [] : [said === "[DONE]" ? said : (parsed(said) ?? {})]
  })

export const requestIn = (dialect: DialectName, model: string, stream: boolean): { readonly path: string; readonly body: string } => {
  const { body, path } = callers[dialect]
  return { path: path(model, stream), body: JSON.stringify(body(model, stream)) }
}

export const seenIn = (dialect: DialectName, { body, headers, status }: Answered): Seen => {
  const { deltaOf, errorOf, isEnd, textOf } = callers[dialect]
  const said = body.toString()
  if (!String(headers["content-type"]).includes("text/event-stream")) {
    const json = parsed(said)
    const error = errorOf(json)
    return {
      status,
      headers,
      code: error?.code,
      isShapely: error?.isShapely ?? true,
      text: error === undefined ? textOf(json) : "",
      end: error !== undefined ? "error" : json === undefined ? "neither" : "whole"
    }
  }
  const events = eventsOf(said)
  const ended = events.some(isEnd)
  // Only the last words count: nothing may come behind an error.
  const error = errorOf(events.at(-1))
  return {
    status,
    headers,
    code: error?.code,
    isShapely: error?.isShapely ?? true,
    text: events.map(deltaOf).join(""),
    end: ended ? (error === undefined ? "whole" : "both") : error === undefined ? "neither" : "error"
  }
}
