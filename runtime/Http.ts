/**
 * The data plane: `node:http` by hand around the pipeline, because the general HTTP stack costs two to three times as much per call.
 *
 * Reads a body within its limit, hands it to the pipeline of the policy that is current at that moment, and is the `Reply`. A caller who goes away interrupts
 * its call's fibre. Everything that is not an API of the data plane goes to the control plane on the same port, and is answered however much there is to do.
 *
 * What callers can make it hold is bounded: connections, calls (those whose bodies are still coming and those whose answers are still being read among them), and the bytes of
 * all their bodies. More is turned away before a body is read, with 503 and `retry-after`; whether to try again or elsewhere is left to the caller's SDK.
 */
import { randomBytes } from "node:crypto"
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http"
import type { Duplex } from "node:stream"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import { type Addressed, apiAt, fallbackShape, modelsAt, namesMethod, nearestApi } from "../src/Apis.ts"
import type { Api, Incoming } from "../src/Call.ts"
import { type GatewayError, missingKey, refuse, unknownKey } from "../src/GatewayError.ts"
import type { Pipeline } from "../src/Pipeline.ts"
import type { Reply } from "../src/Reply.ts"
import { concat } from "../src/Sse.ts"
import { readUtf8 } from "./Bytes.ts"
import { isControl } from "./Control.ts"
import { checkBody, checkControl, checkOrigin, queryKeyOf, requestIdOf, secretOf, tooLarge } from "./Guard.ts"

export interface HttpOptions {
  readonly maxBodyBytes: number
  /** The most calls under way at once. */
  readonly maxCalls: number
  /** The most bytes of bodies held at once, of calls under way and of those that are arriving. */
  readonly maxHeldBytes: number
  /** The most connections open at once; more are closed as they come. */
  readonly maxConnections: number
  /** How long the headers of a request may take to arrive, and the whole of it. */
  readonly headersMillis: number
  readonly requestMillis: number
  /** How long a reader may take nothing of an answer that is already whole. */
  readonly stallMillis: number
}

/** What the data plane serves. */
export interface Gateway {
  /** The pipeline of the policy that serves now; a call keeps the one it began with. */
  readonly pipeline: () => Pipeline
  readonly control: (request: IncomingMessage, response: ServerResponse) => void
}

class HttpReply implements Reply {
  readonly #response: ServerResponse
  readonly #stallMillis: number

  constructor(response: ServerResponse, stallMillis: number) {
    this.#response = response
    this.#stallMillis = stallMillis
  }

  get begun(): boolean {
    return this.#response.headersSent
  }

  begin(status: number, headers: ReadonlyArray<string>): void {
    if (!this.#response.headersSent && !this.#response.destroyed) this.#response.writeHead(status, headers as Array<string>)
  }

  write(chunk: Uint8Array | string): boolean {
    return this.#response.write(chunk)
  }

  end(chunk?: Uint8Array | string): void {
    const response = this.#response
    if (chunk === undefined) response.end()
    else response.end(chunk)
    // What a slow reader has not taken yet holds memory: it goes when nothing has moved for as long as a provider may be silent.
    if (response.socket?.writableNeedDrain === true) response.setTimeout(this.#stallMillis, () => response.destroy())
  }

  onDrain(resume: () => void): void {
    this.#response.once("drain", resume)
  }
}

/** Calls under way, and how to stop. */
export interface DataPlane {
  readonly server: Server
  /** Stops taking calls and waits for those under way; after `millis` the rest is interrupted. Gives how many were. */
  readonly drain: (millis: number) => Promise<number>
}

/** Standard output belongs to the access log, so what goes wrong inside is told on standard error. */
const fork = Effect.runForkWith(Context.make(Logger.LogToStderr, true) as Context.Context<never>)

const stopping = refuse("shutting_down", "the gateway is shutting down", { retryAfterMillis: 1_000 })

const tooManyCalls = refuse("overloaded", "the gateway has as many calls under way as it takes", { retryAfterMillis: 1_000 })
const tooManyBytes = refuse("overloaded", "the gateway holds as many bytes of requests as it takes", { retryAfterMillis: 1_000 })

const notFound = (path: string): GatewayError =>
  refuse("not_found", `nothing answers at \`${path.slice(0, 200)}\`; GET /v1/models lists the models, and the README the addresses`)

const isError = (value: string | GatewayError | undefined): value is GatewayError => typeof value === "object"

/** Ids of calls whose callers name none: unique among processes by their beginning, within one by counting. A random one each would cost ten times as much. */
const prefix = `req_${randomBytes(9).toString("base64url")}_`
let made = 0
// Joined, not added: a rope would be flattened again for every header and line that it goes into.
const newId = (): string => [prefix, (made++).toString(36)].join("")

const maxHeaderBytes = 16 * 1024

/** Larger bodies than this are not even read to be thrown away. */
const maxDiscardFactor = 4

/** Creates the server; it does not listen yet. */
export const make = (gateway: Gateway, options: HttpOptions): DataPlane => {
  const open = new Set<Fiber.Fiber<unknown>>()
  /** Copies of calls. They take no caller's place, but hold the bodies that they were made of, and stopping waits for them too. */
  const copies = new Set<Fiber.Fiber<unknown>>()
  /** Requests that have been accepted and whose bodies are still coming, with what turns them away. */
  const arriving = new Map<IncomingMessage, (error: GatewayError) => void>()
  /** The bytes of the bodies of both. */
  let heldBytes = 0
  /** Of these, those of copies. */
  let copiedBytes = 0
  const waiting: Array<() => void> = []
  let draining = false
  /** The gateway has stopped waiting: nothing begins any more. */
  let over = false

  /** Why an interrupted call was. */
  const stopped = (): GatewayError | undefined => (over ? stopping : undefined)

  const closeIdle = (): void => server.closeIdleConnections()

  const rest = (): void => {
    // A connection that is kept alive keeps nobody from stopping.
    if (draining) setImmediate(closeIdle)
    if (open.size + arriving.size + copies.size === 0) for (const resume of waiting.splice(0)) resume()
  }

  const turnAway = (request: IncomingMessage, response: ServerResponse, api: Api, error: GatewayError): void => {
    const id = requestIdOf(request.headers) ?? newId()
    // A client that has asked whether to send its body may send it or not, and where the next request begins nobody knows.
    const unsure = request.headers.expect !== undefined
    if (unsure || error.code === "shutting_down" || Number(request.headers["content-length"]) > options.maxBodyBytes * maxDiscardFactor)
      response.shouldKeepAlive = false
    gateway
      .pipeline()
      .refuse({ id, api, secret: undefined, parse: () => error, reply: new HttpReply(response, options.stallMillis) }, error)
    // What is still coming of the body is thrown away, so that the client reads our answer and not a reset.
    request.resume()
  }

  const start = (
    request: IncomingMessage,
    response: ServerResponse,
    { api, model }: Addressed,
    secret: string | undefined,
    bytes: Uint8Array
  ): void => {
    const { length } = bytes
    const { headers } = request
    const incoming: Incoming = {
      id: requestIdOf(headers) ?? newId(),
      api,
      secret,
      reply: new HttpReply(response, options.stallMillis),
      stopped,
      // Callers come first: however many copies are under way, most of the room for bodies is theirs.
      mayCopy: () => copiedBytes + length <= options.maxHeldBytes / 4,
      background: (copy) => {
        copies.add(copy)
        heldBytes += length
        copiedBytes += length
        copy.addObserver(() => {
          copies.delete(copy)
          heldBytes -= length
          copiedBytes -= length
          rest()
        })
      },
      parse: () =>
        api.parse(
          bytes,
          (name) => {
            const value = headers[name]
            return value === undefined ? null : typeof value === "string" ? value : value.join(", ")
          },
          readUtf8,
          model
        )
    }
    const fiber = fork(gateway.pipeline().run(incoming))
    if (fiber.pollUnsafe() !== undefined) {
      heldBytes -= length
      return
    }
    open.add(fiber)
    // Comes once for every response, after its last byte or its connection has gone; an interrupted call has its record by then.
    response.on("close", () => {
      if (!response.writableFinished) fiber.interruptUnsafe()
      open.delete(fiber)
      heldBytes -= length
      rest()
    })
  }

  /** Why nothing more can be taken on now, with a body of so many bytes where that is known. */
  const overloadedBy = (length: number): GatewayError | undefined => {
    if (open.size + arriving.size >= options.maxCalls) return tooManyCalls
    return heldBytes + length > options.maxHeldBytes ? tooManyBytes : undefined
  }

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const url = request.url ?? "/"
    const query = url.indexOf("?")
    const path = query === -1 ? url : url.slice(0, query)
    const addressed = apiAt(path, query === -1 ? "" : url.slice(query))
    const api = addressed?.api
    // Without keys, requests of other hosts and pages are refused.
    const foreign = gateway.pipeline().keyed ? undefined : checkOrigin(request.headers)
    if (foreign !== undefined) {
      turnAway(request, response, api ?? nearestApi(path), foreign)
      return
    }
    if (addressed === undefined || api === undefined) {
      const pipeline = gateway.pipeline()
      const nearest = modelsAt(path, (name) => request.headers[name] as string | undefined)?.api ?? nearestApi(path)
      const inQuery = nearest.dialect.modelField === undefined ? queryKeyOf(url, query) : undefined
      const refusal = pipeline.keyed ? checkControl(path, request.headers, request.socket.remoteAddress, pipeline.find, inQuery) : undefined
      if (refusal !== undefined) turnAway(request, response, nearest, refusal)
      else if (!isControl(path) || (request.method === "POST" && namesMethod(path))) turnAway(request, response, nearest, notFound(path))
      else if (request.method !== "GET" && request.method !== "HEAD") {
        response.setHeader("allow", "GET")
        turnAway(
          request,
          response,
          nearestApi(path),
          refuse("method_not_allowed", `${request.method} is not taken here: it can only be read`)
        )
      } else gateway.control(request, response)
      return
    }
    if (request.method !== "POST") {
      response.setHeader("allow", "POST")
      turnAway(request, response, api, refuse("method_not_allowed", `${request.method} is not taken here: POST a request`))
      return
    }
    const refused = draining
      ? stopping
      : (addressed.refusal ??
        checkBody(request.headers, options.maxBodyBytes) ??
        overloadedBy(Number(request.headers["content-length"] ?? 0)))
    if (refused !== undefined) {
      turnAway(request, response, api, refused)
      return
    }
    const secret = secretOf(request.headers, addressed.model === undefined ? undefined : queryKeyOf(url, query))
    if (isError(secret)) {
      turnAway(request, response, api, secret)
      return
    }
    // Nobody's body is kept for a caller whom nobody knows; the pipeline asks again, under the policy that is current then.
    const { find, keyed } = gateway.pipeline()
    if (keyed && find(secret) === undefined) {
      turnAway(request, response, api, secret === undefined ? missingKey : unknownKey)
      return
    }
    const chunks: Array<Uint8Array> = []
    let length = 0
    const take = (chunk: Uint8Array): void => {
      length += chunk.length
      heldBytes += chunk.length
      if (length > options.maxBodyBytes) giveUp(tooLarge(options.maxBodyBytes))
      else if (heldBytes > options.maxHeldBytes) giveUp(tooManyBytes)
      else chunks.push(chunk)
    }
    const end = (): void => {
      arriving.delete(request)
      start(request, response, addressed, secret, concat(chunks))
      rest()
    }
    const drop = (): boolean => {
      if (!arriving.delete(request)) return false
      heldBytes -= length
      chunks.length = 0
      rest()
      return true
    }
    const giveUp = (error: GatewayError): void => {
      request.off("data", take)
      request.off("end", end)
      if (drop()) turnAway(request, response, api, error)
    }
    arriving.set(request, giveUp)
    if (request.headers.expect !== undefined) response.writeContinue()
    request.on("data", take)
    request.on("end", end)
    request.on("close", drop)
    // A body that is cut off has no call and nobody to answer.
    request.on("error", () => {})
  }

  /** What is no HTTP at all still gets an answer in the usual shape, and a line. */
  const unreadable = (error: Error & { readonly code?: string }, socket: Duplex): void => {
    // One who hangs up in the middle of a request waits for no answer.
    if (error.code === "ECONNRESET" || error.code === "HPE_INVALID_EOF_STATE" || !socket.writable) {
      socket.destroy()
      return
    }
    const refusal =
      error.code === "HPE_HEADER_OVERFLOW"
        ? refuse("headers_too_large", `the headers are larger than ${maxHeaderBytes} bytes`)
        : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
          ? refuse("request_timeout", "the request took too long to arrive")
          : refuse("malformed_http", "the request is not valid HTTP")
    let begun = false
    const reply: Reply = {
      get begun() {
        return begun
      },
      begin: (status, headers) => {
        begun = true
        let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\nconnection: close\r\n`
        for (let i = 0; i < headers.length; i += 2) head += `${headers[i]!}: ${headers[i + 1]!}\r\n`
        socket.write(`${head}\r\n`)
      },
      write: (chunk) => socket.write(chunk),
      end: (chunk) => void socket.end(chunk),
      onDrain: (resume) => void socket.once("drain", resume)
    }
    gateway.pipeline().refuse({ id: newId(), api: fallbackShape, secret: undefined, parse: () => refusal, reply }, refusal)
  }

  const server = createServer(
    {
      requestTimeout: options.requestMillis,
      headersTimeout: options.headersMillis,
      // What is overdue is found by looking.
      connectionsCheckingInterval: Math.min(5_000, options.headersMillis),
      keepAliveTimeout: 75_000,
      maxHeaderSize: maxHeaderBytes
    },
    handle
  )
  server.maxConnections = options.maxConnections
  server.on("clientError", unreadable)
  // What is refused is refused before its body is sent.
  server.on("checkContinue", handle)
  return {
    server,
    drain: async (millis) => {
      draining = true
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()))
      server.closeIdleConnections()
      let timer: NodeJS.Timeout | undefined
      if (open.size + arriving.size + copies.size > 0) {
        const late = new Promise<void>((resolve) => {
          timer = setTimeout(resolve, millis)
        })
        await Promise.race([new Promise<void>((resolve) => void waiting.push(resolve)), late])
        clearTimeout(timer)
      }
      over = true
      const left = open.size + arriving.size
      // Each is told in its caller's dialect, in its stream where that has begun.
      for (const fiber of open) fiber.interruptUnsafe()
      for (const copy of copies) copy.interruptUnsafe()
      for (const giveUp of arriving.values()) giveUp(stopping)
      // Answers that are written but not yet flushed go out; a connection that is kept alive does not keep us.
      server.closeIdleConnections()
      const soon = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, 500)
      })
      await Promise.race([closed, soon])
      clearTimeout(timer)
      server.closeAllConnections()
      return left
    }
  }
}
