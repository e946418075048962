/**
 * Recorded exchanges through the running gateway, from a caller to a provider of the same dialect: every byte of an answer but the usage that the gateway itself asked for, and every
 * byte of a request but what the gateway says that it changes. Judged by the recordings alone: nothing here asks the code under test what an answer means.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import type { DialectName } from "../../src/Providers.ts"
import type { PolicyEncoded } from "../../src/Policy.ts"
import { present, type Recorded, recorded } from "../providers/recorded.ts"
import { body, type Script, send, type StartedGateway, startGateway, startUpstream, until } from "./support.ts"

type Json = Readonly<Record<string, any>>

interface Exchange extends Omit<Recorded, "request"> {
  readonly request: { readonly url: string; readonly headers: Json; readonly body: Json } | null
}

/** A file of recordings: what is spoken in it, the provider of the policy below that plays its side, and a request where none was recorded. */
interface Spoken {
  readonly file: string
  readonly dialect: DialectName
  readonly provider: string
  /** The address of a caller whose own was that of one provider alone. */
  readonly path: string
  /** Where the provider has to be asked. */
  readonly asked: string
  readonly minimal: Json
}

const say = [{ role: "user", content: "Which way?" }]
const chat = {
  dialect: "chat.completions",
  path: "/v1/chat/completions",
  asked: "/v1/chat/completions",
  minimal: { model: "m", messages: say }
} as const
const responses = {
  dialect: "responses",
  path: "/v1/responses",
  asked: "/v1/responses",
  minimal: { model: "m", input: "Which way?" }
} as const
const gemini = {
  dialect: "generateContent",
  path: "/v1beta/models/m:generateContent",
  asked: "/v1beta/models/model-of-ours:generateContent",
  minimal: { contents: [{ role: "user", parts: [{ text: "Which way?" }] }] }
} as const
const embeddings = {
  dialect: "chat.completions",
  path: "/v1/embeddings",
  asked: "/v1/embeddings",
  minimal: { model: "m", input: "Left" }
} as const

const files: ReadonlyArray<Spoken> = [
  { file: "openai-chat", provider: "chat", ...chat },
  { file: "compat-openai-chat", provider: "compatible", ...chat },
  { file: "azure-openai-chat", provider: "azurechat", ...chat, asked: "/openai/v1/chat/completions" },
  { file: "gemini-openai-chat", provider: "compatible", ...chat },
  { file: "openai-responses", provider: "responses", ...responses },
  { file: "azure-openai-responses", provider: "azureresponses", ...responses, asked: "/openai/v1/responses" },
  { file: "compat-openai-responses", provider: "responses", ...responses },
  {
    file: "anthropic-messages",
    provider: "claude",
    dialect: "messages",
    path: "/v1/messages",
    asked: "/v1/messages",
    minimal: { model: "m", max_tokens: 100, messages: say }
  },
  { file: "gemini-generate-content", provider: "gemini", ...gemini },
  { file: "vertex-generate-content", provider: "vertex", ...gemini, asked: "/v1/publishers/google/models/model-of-ours:generateContent" },
  {
    file: "anthropic-count-tokens",
    provider: "claude",
    dialect: "messages",
    path: "/v1/messages/count_tokens",
    asked: "/v1/messages/count_tokens",
    minimal: {}
  },
  { file: "gemini-count-tokens", provider: "gemini", ...gemini, asked: "/v1beta/models/model-of-ours:countTokens" },
  { file: "vertex-count-tokens", provider: "vertex", ...gemini, asked: "/v1/publishers/google/models/model-of-ours:countTokens" },
  { file: "openai-embeddings", provider: "chat", ...embeddings },
  { file: "azure-embeddings", provider: "azurechat", ...embeddings, asked: "/openai/v1/embeddings" },
  { file: "gemini-embeddings", provider: "gemini", ...gemini, asked: "/v1beta/models/model-of-ours:batchEmbedContents" }
]

const ours = "model-of-ours"

/** Every caller's model comes to one target. */
const policyAt = (origin: string, provider: string): PolicyEncoded => {
  const key = { env: "ONE_KEY" }
  const kinds: PolicyEncoded["providers"] = {
    chat: { dialect: "openai", baseUrl: `${origin}/v1`, key, speaks: ["chat.completions"] },
    compatible: { dialect: "openrouter", baseUrl: `${origin}/v1`, key, speaks: ["chat.completions"] },
    responses: { dialect: "openai", baseUrl: `${origin}/v1`, key, speaks: ["responses"] },
    azurechat: { dialect: "azure", baseUrl: origin, key, speaks: ["chat.completions"] },
    azureresponses: { dialect: "azure", baseUrl: origin, key, speaks: ["responses"] },
    claude: { dialect: "anthropic", baseUrl: `${origin}/v1`, key },
    gemini: { dialect: "gemini", baseUrl: `${origin}/v1beta`, key },
    vertex: { dialect: "vertex", baseUrl: `${origin}/v1/publishers/google`, key }
  }
  return {
    name: "forwarding",
    providers: { one: kinds[provider]! },
    targets: { target: { provider: "one", model: ours } },
    routes: [{ name: "only", to: "target" }]
  }
}

/** A body with members and spaces as nobody prints them, so that printing it again shows. */
const written = (members: ReadonlyArray<readonly [string, string]>): string =>
  `{ ${members.map(([name, text]) => `${JSON.stringify(name)} :\t${text}`).join(" ,\n")}\r\n}`

const membersOf = (given: Json): ReadonlyArray<readonly [string, string]> =>
  Object.entries(given).map(([name, value]) => [name, JSON.stringify(value)] as const)

/** The blocks of an event stream with the blank lines behind them. */
const blocksOf = (text: string): ReadonlyArray<string> => text.match(/[^]*?(?:\r\n\r\n|\n\n|\r\r|$)/g)!.filter((block) => block !== "")

/** What the lines of a block say. */
const dataOf = (block: string): any => {
  const data = block
    .split(/\r\n|\n|\r/)
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5).trim())
    .join("\n")
  try {
    return JSON.parse(data)
  } catch {
    return data
  }
}

const isUsageOnly = (block: string): boolean => {
  const data = dataOf(block)
  return Array.isArray(data?.choices) && data.choices.length === 0 && typeof data.usage === "object" && data.usage !== null
}

/** Whether a block is the end that its dialect knows. */
const isEnd: Readonly<Record<DialectName, (block: string) => boolean>> = {
  "chat.completions": (block) => dataOf(block) === "[DONE]",
  responses: (block) => ["response.completed", "response.incomplete"].includes(dataOf(block)?.type),
  messages: (block) => dataOf(block)?.type === "message_stop",
  generateContent: (block) => {
    const data = dataOf(block)
    return (
      (data?.candidates ?? []).some((one: Json) => one["finishReason"] !== undefined) || data?.promptFeedback?.blockReason !== undefined
    )
  }
}

/** What says in mid-stream that it goes no further. */
const isError = (block: string): boolean => {
  const data = dataOf(block)
  return (typeof data?.error === "object" && data.error !== null) || data?.type === "error" || data?.type === "response.failed"
}

/** The status that a caller must be told for an error of the provider's: a credential or a model that is refused is the gateway's own fault, and so is what a model has botched. */
const statusFor = (status: number, text: string): number => {
  if (status === 401 || status === 403 || status === 404) return 502
  return /API_KEY_INVALID|"model_not_found"|"tool_use_failed"/.test(text) ? 502 : status
}

const messageIn: Readonly<Record<DialectName, (error: any) => unknown>> = {
  "chat.completions": ({ error }) => error.code !== undefined && error.type !== undefined && error.message,
  responses: ({ error }) => error.code !== undefined && error.type !== undefined && error.message,
  messages: ({ error, type }) => type === "error" && typeof error.type === "string" && error.message,
  generateContent: ({ error }) => Number.isInteger(error.code) && typeof error.status === "string" && error.message
}

/** Whether the last words of a stream are an error that the SDKs of its dialect raise on. */
const raises: Readonly<Record<DialectName, (rest: string) => boolean>> = {
  "chat.completions": (rest) => /^data: \{"error":\{.*\}\}\n\n$/s.test(rest),
  responses: (rest) => /^event: error\ndata: \{"type":"error",.*\}\n\n$/s.test(rest),
  messages: (rest) => /^event: error\ndata: \{"type":"error",.*\}\n\n$/s.test(rest),
  generateContent: (rest) => /^\{"error":\{"code":\d+,.*\}\}$/s.test(rest)
}

const usageChunk = `data: {"id":"u","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}\n\n`

const report: Array<string> = []

interface Tally {
  passed: number
  /** Of these, streams that the gateway has asked for usage. */
  asked: number
  errors: number
  cut: number
  minimal: number
  /** Recordings that hold a second answer behind the first. */
  doubled: number
}

/** Google's API wants to read the model of the address again in the body of a count, and in each request of a batch. */
const renamed = (name: string, value: any, text: string): string => {
  const withOurs = (request: Json) => ("model" in request ? { ...request, model: `models/${ours}` } : request)
  if (name === "requests") return JSON.stringify(value.map(withOurs))
  return name === "generateContentRequest" ? JSON.stringify(withOurs(value)) : text
}

/** The call as it goes to the gateway, and as it must come to the provider. */
const asking = ({ asked, dialect, file, minimal, path }: Spoken, { request, stream }: Exchange) => {
  const addressed = dialect === "generateContent"
  const plain: Json = request?.body ?? { ...minimal, ...(stream && !addressed ? { stream: true } : {}) }
  // A deployment that Azure's address names: here the body does.
  const said: Json = addressed || "model" in plain ? plain : { model: "m", ...plain }
  const recordedPath = request === null ? undefined : new URL(request.url).pathname + new URL(request.url).search
  const streamed = addressed ? (recordedPath?.includes(":stream") ?? stream) : said["stream"] === true
  const geminiPath = recordedPath ?? (stream ? path.replace(":generateContent", ":streamGenerateContent?alt=sse") : path)
  const own = recordedPath?.startsWith("/v1/messages") === true ? recordedPath : path
  const wants = said["stream_options"]?.include_usage === true
  const wish = dialect === "chat.completions" && streamed && !wants && !file.includes("embeddings")
  const members = membersOf(said)
  const wished = JSON.stringify({ ...said["stream_options"], include_usage: true })
  const there = "stream_options" in said
  const changed = members.map(([name, text]): readonly [string, string] =>
    addressed
      ? [name, renamed(name, said[name], text)]
      : name === "model"
        ? [name, JSON.stringify(ours)]
        : wish && name === "stream_options"
          ? [name, wished]
          : [name, text]
  )
  const toProvider = written(changed)
  return {
    path: addressed ? geminiPath : own,
    body: written(members),
    streamed,
    wish,
    toProvider: wish && !there ? `${toProvider.slice(0, -1)},"stream_options":${wished}}` : toProvider,
    asked: addressed && streamed ? asked.replace(":generateContent", ":streamGenerateContent?alt=sse") : asked
  }
}

const play = async (
  gateway: StartedGateway,
  plays: (script: Script) => void,
  heard: () => any,
  spoken: Spoken,
  exchange: Exchange,
  tally: Tally
) => {
  const { dialect } = spoken
  const { id, response } = exchange
  const call = asking(spoken, exchange)
  const isText = typeof response.body === "string"
  const recordedText = isText ? (response.body as string) : JSON.stringify(response.body)
  // Most callers who did not ask for usage were recorded without: the provider tells it all the same, because the gateway asks.
  const tells = isText && call.wish && !blocksOf(recordedText).some((block) => typeof (dataOf(block)?.usage ?? 0) === "object")
  const text = tells ? recordedText.replace(/(?=data: ?\[DONE\])/, usageChunk) : recordedText
  const type = response.headers["content-type"] ?? (isText ? "text/event-stream" : "application/json")
  plays(body(text, { status: response.status, headers: { "content-type": type } }))
  const seen = gateway.lines.length
  // What a recording has said of the credential is not held against the next one: no breaker is open for so long.
  gateway.pass(3_600_000)
  const beta = exchange.request?.headers["anthropic-beta"]
  const answer = await send(gateway, {
    path: call.path,
    body: call.body,
    headers: beta === undefined ? {} : { "anthropic-beta": beta }
  })
  const line = await until(() => gateway.lines[seen], `the line of ${id}`)
  const got = answer.body.toString()

  // What the provider was sent.
  const sent = heard()
  assert.strictEqual(sent.path, call.asked, id)
  assert.strictEqual(sent.body.toString(), call.toProvider, `${id}: the provider is sent the caller's bytes`)
  assert.strictEqual(sent.headers["anthropic-beta"], beta, id)

  if (response.status !== 200) {
    assert.strictEqual(answer.status, statusFor(response.status, text), `${id}: ${text}`)
    const message = messageIn[dialect](answer.json)
    assert.isTrue(typeof message === "string" && message !== "", `${id}: ${got}`)
    assert.strictEqual(line.ending, "failed", id)
    tally.errors++
    return
  }
  if (!isText) {
    assert.strictEqual(answer.status, 200, `${id}: ${got}`)
    assert.strictEqual(got, text, id)
    assert.strictEqual(answer.headers["content-type"], type, id)
    assert.isUndefined(answer.headers["x-turnout-loss"], id)
    assert.strictEqual(line.ending, "served", id)
    tally.passed++
    return
  }

  const blocks = blocksOf(text)
  const kept = call.wish ? blocks.filter((block) => !isUsageOnly(block)) : blocks
  const broken = kept.findIndex(isError)
  // Some recorders kept two answers of a conversation as one; a stream has one end, behind which some hosts say `[DONE]`.
  const end = kept.findIndex(isEnd[dialect])
  const last = dialect !== "generateContent" && end !== -1 ? end + (dataOf(kept[end + 1] ?? "") === "[DONE]" ? 2 : 1) : kept.length
  if (broken === -1 && end !== -1) {
    assert.strictEqual(answer.status, 200, `${id}: ${got}`)
    assert.strictEqual(got, kept.slice(0, last).join(""), id)
    if (kept.length > last) {
      assert.match(dataOf(kept[last]!)?.type, /^(?:message_start|response\.created)$/, `${id}: what is left out is another answer`)
      tally.doubled++
    }
    assert.strictEqual(line.ending, "served", id)
    if (call.wish) {
      tally.asked++
      // Whoever did not ask pays all the same.
      if (tells) assert.deepInclude(line.attempts![0], { input_tokens: 7, output_tokens: 5 }, id)
    }
    tally.passed++
    return
  }
  const whole = (broken === -1 ? kept : kept.slice(0, broken)).join("")
  assert.strictEqual(line.ending, "failed", `${id}: a stream without its end is no success`)
  if (answer.status === 200) {
    assert.strictEqual(got.slice(0, whole.length), whole, id)
    assert.isTrue(raises[dialect](got.slice(whole.length)), `${id}: ${got.slice(whole.length)}`)
  } else {
    assert.include([429, 502], answer.status, id)
    assert.isString(messageIn[dialect](answer.json), id)
  }
  tally.cut++
}

describe.skipIf(!present(...files.map(({ file }) => file)))("recorded exchanges, forwarded", () => {
  for (const spoken of files) {
    it(
      spoken.file,
      async () => {
        const upstream = await startUpstream()
        const gateway = await startGateway(policyAt(upstream.origin, spoken.provider))
        const tally: Tally = { passed: 0, asked: 0, errors: 0, cut: 0, minimal: 0, doubled: 0 }
        const all = recorded(spoken.file) as unknown as ReadonlyArray<Exchange>
        const wrong: Array<string> = []
        for (const exchange of all) {
          const count = upstream.heard.length
          try {
            await play(gateway, upstream.plays, () => upstream.heard[count], spoken, exchange, tally)
            if (exchange.request === null) tally.minimal++
          } catch (error) {
            wrong.push(`${exchange.id}: ${String((error as Error).message).slice(0, 600)}`)
          }
        }
        const { asked, cut, doubled, errors, minimal, passed } = tally
        report.push(
          `${spoken.file}: ${all.length} recorded, ${passed} answers byte for byte${asked === 0 ? "" : ` (${asked} streams without the usage that the gateway asked for)`}, ${errors} errors in the caller's shape, ${cut} streams that end as failures, ${wrong.length} wrong, 0 skipped${minimal === 0 ? "" : `; ${minimal} of them asked with a request of ours, for their own was not recorded`}${doubled === 0 ? "" : `; ${doubled} hold two answers, of which the first is compared`}`
        )
        assert.deepStrictEqual(wrong, [])
        assert.strictEqual(passed + errors + cut, all.length)
      },
      60_000
    )
  }
})

afterAll(() => console.log(report.join("\n")))
