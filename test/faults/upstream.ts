/**
 * A provider that fails on demand: a real HTTP server, in a process of its own, that speaks the four APIs, does what the name of the model says, and counts what it receives.
 *
 *     node test/faults/upstream.ts [port]
 *
 * It prints one line of JSON with its ports (`Ports`), and ends when its standard input does, so that it never outlives whoever has started it. `client.ts` starts it, and reads its
 * counts.
 *
 * WHAT IT IS ASKED. `POST …/chat/completions`, `…/responses`, `…/messages`, `…/models/{model}:generateContent` and `:streamGenerateContent`, under any prefix. The scenario is the
 * model, or the first part of a path that begins with `/as/{scenario}/`, percent-encoded. Its name is `base~param=value,param=value@tag`; what is behind `@` only keeps counts
 * apart, so one process serves as many tests at once as there are tags.
 *
 * SCENARIOS. Where an answer breaks off, `early` is before the first content of a stream, `late` behind the first piece of it; of a whole body half has come.
 *   ok ~first,per,words      answers: after `first` ms, `per` ms between the events of a stream, an answer of so many words
 *   delay ~first             the same, 100 ms late where nothing is said
 *   trickle ~per             a byte every `per` ms (1)
 *   silence                  reads the request and says nothing
 *   headers-silence          the head of an answer, then nothing
 *   pings                    the head of an answer, then comments (of a whole body spaces) for ever
 *   stall-early, stall-late  a part of an answer, then nothing
 *   reset, reset-late        resets the connection instead of an answer, or inside it
 *   cut-length               a content-length that is 500 too large, and the end of the connection
 *   cut-early, cut-late      the end of the connection inside a chunked answer
 *   unfinished-early, -late  the same, but HTTP says that all is well
 *   unterminated             all of a stream but its last event; all of a body but its last byte
 *   broken-json-early, broken-json   an event that is not JSON (and the rest of the stream behind it); half a body
 *   invalid-utf8-early, invalid-utf8   a byte in the text of the answer that is not UTF-8, in its first piece or its second
 *   error-early, -late ~kind an error event inside a stream with status 200 (`ErrorKind` of `dialects.ts`; `server`); a whole error object inside a 200
 *   error-body ~kind         an error object inside a 200 of type JSON, whatever was asked for
 *   empty, no-content, redirect, page, 502-page, gzip, wrong-type   what their names say; the type is that of a stream for a whole answer, and the other way round
 *   oversized ~bytes         an answer of more bytes than that (1 MiB); an event of a stream that does not end
 *   400 401 402 403 404 408 409 413 422 429 500 502 503 504 529 ~by,wait   an error in the words of the dialect; `by` is how it asks to wait `wait` ms (1,000): seconds, date
 *                            (both in whole seconds), ms, x-ratelimit, anthropic-ratelimit
 *   400-context, 400-filter, 429-quota
 *   flap ~as,fails           fails as `as` (503) for the first `fails` requests of its whole name, then answers
 *   flap ~as,down,up         fails for `down` ms from the first request of its whole name, then answers (for `up` ms, and so on, where `up` is given)
 *   mix ~seed,first,per,words,{scenario}=share,…   one of them by its share, by a hash of the seed and the number of the request; where none is named, 90 % well and a little of
 *                            everything. A scenario in a mix has no parameters but `ok`, which has `first`, `per` and `words` of the mix.
 * An unknown scenario is a 418.
 *
 * PORTS at which there is no HTTP: `reset` resets every connection that it accepts, `garbage` answers a request with bytes that are no HTTP, `alert` with an alert of TLS, `mute`
 * accepts and says nothing (behind `https:` a connection that is never made), `refused` is a port on which nothing listens. `https:` at `http` finds no TLS.
 *
 * COUNTS. `GET /counts?of={whole name}` is a `Count`, `GET /counts` all of them by name; `DELETE /counts` forgets. Ports without HTTP count as `port:{name}`.
 */
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http"
import { type AddressInfo, createServer, type Server, type Socket } from "node:net"
import type { DialectName } from "../../src/Providers.ts"
import { errorOf } from "./dialects.ts"
import { brokenOff, playOf } from "./scenarios.ts"

export interface Ports {
  readonly http: number
  readonly reset: number
  readonly garbage: number
  readonly alert: number
  readonly mute: number
  readonly refused: number
}

/** What has come for one scenario. */
export interface Count {
  requests: number
  /** Answers that the client did not wait for. */
  aborted: number
  /** Answers under way. */
  open: number
  /** When the first thousand requests came, in monotonic milliseconds of this process. */
  readonly arrivals: Array<number>
}

const mostArrivals = 1_000
/** Names come from whoever asks: no more of them are kept. */
const mostNames = 100_000

const counts = new Map<string, Count>()

const countOf = (name: string): Count => {
  const known = counts.get(name)
  if (known !== undefined) return known
  if (counts.size >= mostNames) counts.delete(counts.keys().next().value!)
  const count: Count = { requests: 0, aborted: 0, open: 0, arrivals: [] }
  counts.set(name, count)
  return count
}

const arrive = (name: string): Count => {
  const count = countOf(name)
  count.requests++
  if (count.arrivals.length < mostArrivals) count.arrivals.push(performance.now())
  return count
}

const modelInBody = /"model"\s*:\s*"((?:[^"\\]|\\.)*)"/
const streamInBody = /"stream"\s*:\s*true/
const modelInPath = /\/models\/([^/?]+):(streamG|g)enerateContent/
const scenarioInPath = /^\/as\/([^/]+)\//

const dialectOf = (path: string): DialectName | undefined => {
  if (path.includes("/chat/completions")) return "chat.completions"
  if (path.includes("/responses")) return "responses"
  if (path.includes("/messages")) return "messages"
  return path.includes("enerateContent") ? "generateContent" : undefined
}

const answer = (path: string, body: string, response: ServerResponse): void => {
  const dialect = dialectOf(path)
  if (dialect === undefined) return void response.writeHead(404).end()
  const [, inPath, method] = modelInPath.exec(path) ?? []
  const given = scenarioInPath.exec(path)?.[1] ?? inPath
  const name = given === undefined ? (modelInBody.exec(body)?.[1] ?? "") : decodeURIComponent(given)
  const stream = dialect === "generateContent" ? method === "streamG" : streamInBody.test(body)
  const play = playOf(name)
  if (play === undefined) {
    response.writeHead(418, { "content-type": "application/json" }).end(JSON.stringify(errorOf(dialect, "bad-request", 418)))
    return
  }
  const count = arrive(name)
  count.open++
  response.once("close", () => {
    count.open--
    if (!response.writableFinished && !brokenOff.has(response)) count.aborted++
  })
  play(response, { dialect, stream, number: count.requests - 1, sinceFirstMillis: performance.now() - count.arrivals[0]! })
}

const control = (method: string, url: string, response: ServerResponse): void => {
  if (method === "DELETE") counts.clear()
  const of = new URL(url, "http://upstream").searchParams.get("of")
  const told = of === null ? Object.fromEntries(counts) : (counts.get(of) ?? { requests: 0, aborted: 0, open: 0, arrivals: [] })
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(told))
}

const handle = (request: IncomingMessage, response: ServerResponse): void => {
  const { method = "", url = "/" } = request
  if (url.startsWith("/counts")) return control(method, url, response)
  const parts: Array<Buffer> = []
  request.on("data", (part: Buffer) => parts.push(part))
  // The client has gone: there is nobody to tell.
  request.on("error", () => {})
  response.on("error", () => {})
  request.on("end", () => answer(url, Buffer.concat(parts).toString(), response))
}

const listen = async (server: Server, port = 0): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))
  return (server.address() as AddressInfo).port
}

/** A server below HTTP. */
const raw = (name: string, meet: (socket: Socket) => void): Server =>
  createServer((socket) => {
    arrive(`port:${name}`)
    socket.on("error", () => {})
    meet(socket)
  })

/** An alert of TLS 1.2, fatal, `protocol_version` (RFC 5246, 7.2): what a TLS server says to who speaks no TLS. */
const tlsAlert = Uint8Array.of(0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46)

const main = async (): Promise<void> => {
  // Longer than any client keeps an idle connection, so that none is closed that a client is about to use.
  const http = createHttpServer({ keepAliveTimeout: 600_000, requestTimeout: 0 }, handle)
  const nobody = createServer()
  const ports: Ports = {
    http: await listen(http, Number(process.argv[2] ?? 0)),
    reset: await listen(raw("reset", (socket) => void socket.resetAndDestroy())),
    garbage: await listen(raw("garbage", (socket) => void socket.once("data", () => socket.end("220 mail.example ESMTP\r\n")))),
    alert: await listen(raw("alert", (socket) => void socket.once("data", () => socket.end(tlsAlert)))),
    mute: await listen(raw("mute", (socket) => void socket.resume())),
    refused: await listen(nobody)
  }
  await new Promise((resolve) => nobody.close(resolve))
  process.stdin.resume().on("end", () => process.exit(0))
  process.stdout.write(`${JSON.stringify(ports)}\n`)
}

await main()
