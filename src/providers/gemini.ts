/**
 * Google's `generateContent`, at AI Studio and Vertex AI, as a target and as callers speak it.
 *
 * The model stands in the address, and whether to stream. A base URL ends in the version (`…/v1beta`) or in the publisher (`…/publishers/google`). The parts live in `gemini/`; what the fast
 * path needs of every stream event, `peek`, is below. A stream has no terminator: it may end once a reason to finish was seen, and the counts beside that reason are the answer's.
 * Earlier counts are not told: they are estimates, and some are more than the whole.
 */
import type { Api } from "../Call.ts"
import type { CallerDialect, Dialect, Peek, SseEvent } from "../Dialect.ts"
import { malformed } from "./failures.ts"
import { isBlocked, decodeAnswer } from "./gemini/answer.ts"
import { parseCount, parseGenerate } from "./gemini/ask.ts"
import { counting, countingCaller } from "./gemini/counting.ts"
import { decodeRequest } from "./gemini/decode.ts"
import { embeddings, embeddingsCaller, parseEmbed } from "./gemini/embeddings.ts"
import { streamEncoder } from "./gemini/encodeStream.ts"
import { errorBody, errorEvent } from "./gemini/error.ts"
import { classify, failureIn } from "./gemini/failure.ts"
import { isFinish } from "./gemini/finish.ts"
import { overrides } from "./gemini/overrides.ts"
import { encodeRequest } from "./gemini/request.ts"
import { streamDecoder } from "./gemini/stream.ts"
import { usageOf } from "./gemini/usage.ts"
import { encodeAnswer } from "./gemini/write.ts"
import { countAt, field, isObject, listAt, parse } from "./json.ts"

const nothing: Peek = { content: false, usageOnly: false, done: false }

/** Whether a part holds something, be it a signature. */
const says = (part: unknown): boolean =>
  isObject(part) && Object.keys(part).some((key) => (key === "text" ? part["text"] !== "" : key !== "thought"))

const shows = (candidate: unknown): boolean => listAt(field(candidate, "content"), "parts").some(says)

const peek = ({ data }: SseEvent): Peek => {
  const chunk = parse(data)
  const failure = failureIn(chunk)
  if (failure !== undefined) return { ...nothing, failure }
  if (!isObject(chunk)) return { ...nothing, failure: malformed("expected a JSON object in the provider's stream") }
  const candidates = listAt(chunk, "candidates")
  const content = candidates.some(shows)
  const finished =
    candidates.some((candidate) => isFinish(field(candidate, "finishReason"))) || (candidates.length === 0 && isBlocked(chunk))
  // Counts of output without any are what comes behind the last candidate.
  const trails = candidates.length === 0 && countAt(field(chunk, "usageMetadata"), "candidatesTokenCount") > 0
  if (!finished && !trails) return { ...nothing, content }
  const usage = usageOf(chunk)
  return { ...nothing, content, ...(usage === undefined ? {} : { usage }), ...(finished ? { mayEnd: true } : {}) }
}

/** Google's `generateContent` as a target. */
export const gemini: Dialect = {
  name: "generateContent",
  path: (deployment, stream) => `/models/${encodeURIComponent(deployment)}:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
  headers: {},
  passes: [],
  encodeRequest,
  decodeAnswer,
  streamDecoder,
  classify,
  // Protocol buffers leave out what is empty or 0: a prompt that was blocked has no candidates, and a count may be none.
  answerParts: { generate: ["candidates", "promptFeedback", "usageMetadata"], embed: ["embedding", "embeddings", "predictions"] },
  usageOf,
  failureIn,
  peek,
  embeddings,
  counting
}

/** Google's `generateContent` as callers speak it. */
export const geminiCaller: CallerDialect = {
  name: "generateContent",
  decodeRequest,
  overrides,
  modelField: undefined,
  // Every stream tells.
  wantsUsage: () => true,
  usageWish: () => undefined,
  encodeAnswer,
  streamEncoder,
  embeddings: embeddingsCaller,
  counting: countingCaller
}

const api = (name: string, operation: Api["operation"], read: Api["parse"]): Api => ({
  name,
  operation,
  dialect: geminiCaller,
  parse: read,
  errorBody,
  errorEvent
})

/** An answer in one piece. */
export const generateContent: Api = api("generateContent", "generate", parseGenerate(false))

/** An answer as a stream, which is the same API at another address. */
export const streamGenerateContent: Api = api("generateContent", "generate", parseGenerate(true))

/** How many tokens a request has. */
export const countTokens: Api = api("countTokens", "count", parseCount)

/** One vector. */
export const embedContent: Api = api("embedContent", "embed", parseEmbed(false))

/** Several vectors. */
export const batchEmbedContents: Api = api("batchEmbedContents", "embed", parseEmbed(true))
