/**
 * The provider of a soak: a process that plays the scenarios of the fault-injecting provider, and writes down which it has played for which call.
 *
 *     node bench/load/soak/upstream.ts --journal FILE --mix JSON
 *
 * It plays the same functions as `test/faults/upstream.ts`, but chooses for each request: by the model's share of faults (`--mix`) or its schedule, by the key (one is
 * revoked, one used up), and a good answer by the number of the call that stands in its question. Its owner asks over the channel of messages: `"rest"` closes what is idle
 * and gives what is left (`Rest`).
 */
import { createWriteStream } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { type AddressInfo, createServer as createNetServer, type Server } from "node:net"
import { parseArgs } from "node:util"
import type { DialectName } from "../../../src/Providers.ts"
import { type Play, playOf } from "../../../test/faults/scenarios.ts"
import type { Mix } from "./mix.ts"
import { secretOf, shareOf, wordsOf } from "./plan.ts"

/** One request that has come. */
export interface Played {
  readonly n: number
  readonly model: string
  readonly scenario: string
  readonly dialect: DialectName
  readonly stream: boolean
  readonly credential: string
}

/** What is left when all is over. */
export interface Rest {
  readonly connections: number
  readonly answersOpen: number
  readonly requests: number
}

/** Where it answers, and where it hangs up on everybody. */
export interface Ports {
  readonly http: number
  readonly reset: number
}

const { values } = parseArgs({ options: { journal: { type: "string" }, mix: { type: "string" } } })
const mix = JSON.parse(values.mix ?? "[]") as Mix
const journal = createWriteStream(values.journal!)

const sum = mix.reduce((all, [, share]) => all + share, 0)
let below = 0
const bounds = mix.map(([scenario, share]) => [(below += share / sum), scenario] as const)

const numberInQuestion = /\(soak-(\d+)\)/
const modelInBody = /"model"\s*:\s*"([^"]*)"/
const streamInBody = /"stream"\s*:\s*true/
const modelInPath = /\/models\/([^/?:]+):(streamG|g)enerateContent/

const dialectOf = (path: string): DialectName =>
  path.includes("/chat/completions")
    ? "chat.completions"
    : path.includes("/responses")
      ? "responses"
      : path.includes("/messages")
        ? "messages"
        : "generateContent"

/** The last part of the name in the secret, whichever header it is in. */
const credentialOf = ({ headers }: IncomingMessage): string => {
  const secret = String(headers.authorization ?? headers["x-api-key"] ?? headers["x-goog-api-key"] ?? "")
  return ["revoked", "used-up"].find((name) => secret.endsWith(secretOf(name))) ?? "good"
}

const downMillis = 4_000
const turnMillis = 20_000

let requests = 0
let open = 0
const started = performance.now()

const scenarioOf = (model: string, credential: string): string => {
  if (credential === "revoked") return "401"
  if (credential === "used-up") return "429-quota"
  if (model === "outage") return (performance.now() - started) % turnMillis < downMillis ? "503" : "ok"
  const share = shareOf(requests, 77)
  return (bounds.find(([bound]) => share < bound) ?? bounds.at(-1)!)[1]
}

const wellOf = (n: number): Play => {
  const words = wordsOf(n)
  const perMillis = words > 100 || n % 3 > 0 ? 0 : 2
  return playOf(`ok~first=${(n % 4) * 10},per=${perMillis},words=${words}`)!
}

const answer = (request: IncomingMessage, path: string, body: string, response: ServerResponse): void => {
  const n = Number(numberInQuestion.exec(body)?.[1] ?? -1)
  const [, inPath, method] = modelInPath.exec(path) ?? []
  const dialect = dialectOf(path)
  const model = inPath ?? modelInBody.exec(body)?.[1] ?? ""
  const stream = dialect === "generateContent" ? method === "streamG" : streamInBody.test(body)
  const credential = credentialOf(request)
  const scenario = scenarioOf(model, credential)
  requests++
  open++
  response.once("close", () => open--)
  journal.write(`${JSON.stringify({ n, model, scenario, dialect, stream, credential } satisfies Played)}\n`)
  const play = scenario === "ok" ? wellOf(n) : playOf(scenario)!
  play(response, { dialect, stream, number: requests - 1, sinceFirstMillis: performance.now() - started })
}

const http = createServer({ keepAliveTimeout: 600_000, requestTimeout: 0 }, (request, response) => {
  const parts: Array<Buffer> = []
  request.on("data", (part: Buffer) => parts.push(part))
  // The gateway has let go: there is nobody to tell.
  request.on("error", () => {})
  response.on("error", () => {})
  request.on("end", () => answer(request, request.url ?? "/", Buffer.concat(parts).toString(), response))
})

const listen = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return (server.address() as AddressInfo).port
}

// A port at which nobody listens would be somebody else's before the soak is over.
const resets = createNetServer((socket) => {
  socket.on("error", () => {})
  socket.resetAndDestroy()
})
const ports: Ports = { http: await listen(http), reset: await listen(resets) }

const connections = (): Promise<number> => new Promise((resolve) => http.getConnections((_, count) => resolve(count)))

process.on("message", (message) => {
  if (message !== "rest") return
  http.closeIdleConnections()
  // What has just been closed is gone with the next turn of the event loop.
  setImmediate(() => {
    journal.write(
      "",
      () => void connections().then((left) => process.send?.({ connections: left, answersOpen: open, requests } satisfies Rest))
    )
  })
})
process.on("disconnect", () => process.exit())
process.send?.(ports)
