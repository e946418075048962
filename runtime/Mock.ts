/**
 * The mock provider: an HTTP server that speaks OpenAI Chat Completions as a provider does, for a first call without any account, for tests and for demos.
 *
 * It is a real server on a real port, so nothing between the gateway and a provider is left out, and every way in which a provider fails can be had
 * on demand: slow, refusing, silent, cut off. What it says is in `mock/Chat.ts`; here are the socket, the clock and each model's behaviour, which may be
 * changed while it runs under `/mock/models`. It asks for no key and judges no policy. `startInWorker` gives it an event loop of its own, so that it costs the
 * gateway's loop nothing. Not a layer, because nothing in the pipeline knows that a provider is a mock.
 */
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import { Worker } from "node:worker_threads"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { MockModel, toMillis } from "../src/Policy.ts"
import { answer, completion, isBadRequest, moments, read, tokenCount } from "./mock/Chat.ts"

/** The behaviour of each model by name. Where the table is empty, every model is known and behaves well. */
export type Models = Readonly<Record<string, MockModel>>

export interface Options {
  readonly host?: string
  /** Any free port where absent. */
  readonly port?: number
  readonly models?: Models
}

/** A mock provider that runs. */
export interface Running {
  /** Its address without a path: OpenAI clients take `${url}/v1` as their base URL. */
  readonly url: string
  /** Stops it at once, calls under way included. */
  readonly close: () => Promise<void>
}

const maxBodyBytes = 64 * 1024 * 1024
/** A longer timer would fire at once. */
const maxTimerMillis = 2 ** 31 - 1
const settings = "/mock/models"
const decodeModel = Schema.decodeUnknownResult(MockModel, { errors: "all", onExcessProperty: "error" })

const sendJson = (response: ServerResponse, status: number, json: unknown, headers: Record<string, string> = {}): void => {
  const body = Buffer.from(JSON.stringify(json))
  response.writeHead(status, { "content-type": "application/json", "content-length": body.length, ...headers }).end(body)
}

/** What went wrong, as OpenAI says it. */
interface Wrong {
  readonly message: string
  readonly type?: string
  readonly param?: string | null
  readonly code?: string | null
}

const sendError = (response: ServerResponse, status: number, wrong: Wrong, headers: Record<string, string> = {}): void => {
  const { code = null, message, param = null, type = "invalid_request_error" } = wrong
  sendJson(response, status, { error: { message, type, param, code } }, headers)
}

/** The error body that OpenAI sends with a status. */
const faultOf = (status: number): Wrong => {
  const known: Record<number, readonly [message: string, type: string, code: string | null]> = {
    400: ["The mock provider refuses this request.", "invalid_request_error", null],
    401: ["Incorrect API key provided.", "invalid_request_error", "invalid_api_key"],
    402: ["The mock provider wants to be paid.", "insufficient_quota", "insufficient_quota"],
    403: ["You are not allowed to use this model.", "invalid_request_error", "permission_denied"],
    404: ["The model does not exist or you do not have access to it.", "invalid_request_error", "model_not_found"],
    408: ["Request timed out.", "timeout", "request_timeout"],
    413: ["The request is too large.", "invalid_request_error", "request_too_large"],
    429: ["Rate limit reached for requests.", "requests", "rate_limit_exceeded"],
    503: ["The engine is currently overloaded, please try again later.", "server_error", "engine_overloaded"]
  }
  const [message, type, code] =
    known[status] ??
    (status < 500
      ? [`The mock provider answers ${status}.`, "invalid_request_error", null]
      : ["The server had an error while processing your request.", "server_error", null])
  return { message, type, code }
}

/** The whole body, or `undefined` where it exceeds the limit. */
const readBody = async (request: IncomingMessage): Promise<Buffer | undefined> => {
  const parts: Array<Buffer> = []
  let bytes = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length
    // What is too much is still read, and forgotten: a client that is writing would not see an answer.
    if (bytes > maxBodyBytes) parts.length = 0
    else parts.push(part)
  }
  return bytes > maxBodyBytes ? undefined : Buffer.concat(parts)
}

const parsed = (body: Buffer): unknown => {
  try {
    return JSON.parse(body.toString())
  } catch {
    return undefined
  }
}

/** The requests of one mock provider, answered from a table of models that changes while it runs. */
const makeHandler = (initial: Models) => {
  const models = new Map<string, MockModel>(Object.entries(initial))
  const started = new Map(models)
  const calls = new Map<string, number>()
  const open = new Map<string, number>()
  const createdSeconds = Math.floor(Date.now() / 1_000)
  let count = 0

  const changed = (name: string): boolean => models.get(name) !== started.get(name)
  const described = (name: string) => ({
    ...models.get(name),
    changed: changed(name),
    calls: calls.get(name) ?? 0,
    open: open.get(name) ?? 0
  })
  const add = (counts: Map<string, number>, name: string, by: number): void => void counts.set(name, (counts.get(name) ?? 0) + by)

  const change = async (request: IncomingMessage, response: ServerResponse, path: string): Promise<void> => {
    if (path === "") {
      if (request.method !== "GET")
        return sendError(response, 405, { message: `expected GET ${settings}, or PUT and DELETE ${settings}/{model}` })
      const names = new Set([...started.keys(), ...models.keys(), ...calls.keys()])
      return sendJson(response, 200, { models: Object.fromEntries([...names].map((name) => [name, described(name)])) })
    }
    let name: string
    try {
      name = decodeURIComponent(path.slice(1))
    } catch {
      return sendError(response, 400, { message: `the model's name in \`${path}\` is not percent-encoded as a URL must be` })
    }
    if (name === "") return sendError(response, 400, { message: `expected the name of a model after ${settings}/` })
    if (request.method === "PUT") {
      const body = await readBody(request)
      const json = body === undefined ? undefined : parsed(body)
      if (json === undefined)
        return sendError(response, 400, { message: 'the body is not JSON: expected a mock model such as {"firstToken":"20 millis"}' })
      const decoded = decodeModel(json)
      if (Result.isFailure(decoded))
        return sendError(response, 400, { message: `not a mock model: ${decoded.failure.message}`, param: name })
      models.set(name, decoded.success)
    } else if (request.method === "DELETE") {
      const before = started.get(name)
      if (before === undefined) models.delete(name)
      else models.set(name, before)
    } else if (request.method !== "GET") {
      return sendError(response, 405, { message: `expected GET, PUT or DELETE ${settings}/{model}` })
    }
    sendJson(response, 200, described(name))
  }

  const chat = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readBody(request)
    if (body === undefined) {
      return sendError(response, 413, { message: `The body exceeds ${maxBodyBytes} bytes.`, code: "request_too_large" })
    }
    const json = parsed(body)
    if (json === undefined)
      return sendError(response, 400, { message: "We could not parse the JSON body of your request. (The body is not valid JSON.)" })
    const ask = read(json)
    if (isBadRequest(ask)) return sendError(response, 400, ask)
    const model = models.get(ask.model)
    if (model === undefined && started.size > 0) {
      return sendError(response, 404, {
        message: `The model \`${ask.model}\` does not exist or you do not have access to it.`,
        code: "model_not_found"
      })
    }
    const { fault, firstToken, perToken } = model ?? {}
    const call = ++count
    add(calls, ask.model, 1)
    add(open, ask.model, 1)
    const requestId = { "x-request-id": `req_mock_${call}` }

    const gone = new AbortController()
    response.once("close", () => {
      add(open, ask.model, -1)
      gone.abort()
    })
    const pause = async (millis: number): Promise<void> => {
      if (millis > 0) await sleep(Math.min(millis, maxTimerMillis), undefined, { signal: gone.signal })
    }
    if (fault === "stall") return
    await pause(firstToken === undefined ? 0 : toMillis(firstToken))
    if (fault === "reset") return void request.socket.resetAndDestroy()
    if (typeof fault === "number") {
      return sendError(response, fault, faultOf(fault), fault === 429 || fault === 503 ? { ...requestId, "retry-after": "1" } : requestId)
    }

    const perTokenMillis = perToken === undefined ? 0 : toMillis(perToken)
    const said = answer(ask, call)
    const nowSeconds = Math.floor(Date.now() / 1_000)
    if (!ask.stream) {
      if (perTokenMillis > 0) await pause(perTokenMillis * Math.max(0, tokenCount(said) - 1))
      const whole = completion(ask, said, call, nowSeconds)
      if (fault !== "cut") return sendJson(response, 200, whole, requestId)
      const bytes = Buffer.from(JSON.stringify(whole))
      response.writeHead(200, { "content-type": "application/json", "content-length": bytes.length, ...requestId })
      return void response.write(bytes.subarray(0, bytes.length >> 1), () => request.socket.destroySoon())
    }
    const all = moments(ask, said, call, nowSeconds)
    const first = all[0] as (typeof all)[number]
    const sent = fault !== "cut" ? all : all.length > 1 ? all.slice(0, all.length >> 1) : [first.slice(0, 1)]
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", ...requestId })
    let isFirst = true
    for (const chunks of sent) {
      if (!isFirst) await pause(perTokenMillis)
      isFirst = false
      response.write(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join(""))
    }
    // A cut stream ends as HTTP says it should and as the dialect says it must not, because that is the cut which a careless client does not notice.
    response.end(fault === "cut" ? undefined : "data: [DONE]\n\n")
  }

  const listed = (id: string) => ({ id, object: "model", created: createdSeconds, owned_by: "mock" })

  return (request: IncomingMessage, response: ServerResponse): Promise<void> | void => {
    const path = (request.url ?? "/").replace(/[?#].*$/, "")
    if (path === settings || path.startsWith(`${settings}/`)) return change(request, response, path.slice(settings.length))
    if (request.method === "POST" && path.endsWith("/chat/completions")) return chat(request, response)
    if (request.method === "GET" && path.endsWith("/models"))
      return sendJson(response, 200, { object: "list", data: [...models.keys()].map(listed) })
    sendError(response, 404, { message: `Invalid URL (${request.method} ${path})`, code: "unknown_url" })
  }
}

/** What a start that failed means to the person who asked for it. */
const explained = (error: unknown, host: string, port: number): Error => {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === "EADDRINUSE") return new Error(`the mock provider cannot listen on ${host}:${port}: the port is in use`, { cause: error })
  if (code === "EACCES") return new Error(`the mock provider cannot listen on ${host}:${port}: the port needs privileges`, { cause: error })
  return new Error(`the mock provider cannot listen on ${host}:${port}: ${message}`, { cause: error })
}

/** Starts a mock provider in this thread. */
export const start = async ({ host = "127.0.0.1", models = {}, port = 0 }: Options = {}): Promise<Running> => {
  const handle = makeHandler(models)
  // Longer than any client keeps an idle connection, so that the mock never closes one that a client is about to use.
  const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
    void Promise.resolve(handle(request, response)).catch((error: unknown) => {
      // The client has gone: there is nobody to tell.
      if (response.destroyed || request.destroyed) return
      if (!response.headersSent)
        return sendError(response, 500, { message: `the mock provider failed: ${String(error)}`, type: "server_error" })
      response.destroy()
    })
  })
  try {
    server.listen(port, host)
    await once(server, "listening")
  } catch (error) {
    throw explained(error, host, port)
  }
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("the mock provider listens on no port")
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}

/** What the worker reports once: its address, or why it has none. */
export type Report = { readonly url: string } | { readonly error: string }

/** Starts a mock provider in a thread of its own. */
export const startInWorker = async (options: Options = {}): Promise<Running> => {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"
  const worker = new Worker(new URL(`./mockWorker.${extension}`, import.meta.url), { workerData: options, env: {} })
  const [report] = (await once(worker, "message")) as [Report]
  if ("error" in report) {
    await worker.terminate()
    throw new Error(report.error)
  }
  worker.on("error", (error) => process.emitWarning(`the mock provider at ${report.url} has stopped: ${String(error)}`))
  return { url: report.url, close: async () => void (await worker.terminate()) }
}
