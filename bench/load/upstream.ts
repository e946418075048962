/**
 * The scripted upstream of a load run: an OpenAI-like provider that always gives the same answer, and does as little as it can for it.
 *
 * A process of its own, shared by all servers of a run. It does not parse what it gets; it looks for three byte sequences: a routed model's name (otherwise
 * it refuses, and the run fails), and the wish for a stream. Streams leave in `--writes` pieces, one turn of the event loop apart, as from a provider that
 * generates. Its answers carry the headers that providers send, because whoever forwards has to read them.
 */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { parseArgs } from "node:util"
import { answer, events, upstreamModels } from "./script.ts"

const { values } = parseArgs({ options: { writes: { type: "string", default: "4" } } })
const writes = Math.min(events.length, Math.max(1, Number(values.writes) || 1))

const routed = Buffer.from(`"model":"${upstreamModels}`)
const stream = Buffer.from('"stream":true')
const whole = Buffer.from(answer)
const pieces = Array.from({ length: writes }, (_, at) => {
  const [from, to] = [Math.floor((at * events.length) / writes), Math.floor(((at + 1) * events.length) / writes)]
  return Buffer.from(events.slice(from, to).join(""))
})

const common = [
  ["x-request-id", "req_5f2d7c9a1b3e4d6f8091a2b3c4d5e6f7"],
  ["openai-organization", "scripted"],
  ["openai-processing-ms", "412"],
  ["openai-version", "2020-10-01"],
  ["x-ratelimit-limit-requests", "10000"],
  ["x-ratelimit-limit-tokens", "2000000"],
  ["x-ratelimit-remaining-requests", "9999"],
  ["x-ratelimit-remaining-tokens", "1999497"]
].flat()
const jsonHeaders = [...common, "content-type", "application/json", "content-length", String(whole.length)]
const streamHeaders = [...common, "content-type", "text/event-stream; charset=utf-8", "cache-control", "no-cache"]

const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
  let body: Buffer | undefined
  request.on("data", (part: Buffer) => (body = body === undefined ? part : Buffer.concat([body, part])))
  request.on("end", () => {
    if (body === undefined || !body.includes(routed)) return void response.writeHead(400).end('{"error":{"message":"not a routed model"}}')
    if (!body.includes(stream)) return void response.writeHead(200, jsonHeaders).end(whole)
    response.writeHead(200, streamHeaders)
    let at = 0
    const next = (): void => {
      if (at === pieces.length - 1) return void response.end(pieces[at])
      response.write(pieces[at++])
      setImmediate(next)
    }
    next()
  })
})
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: (server.address() as AddressInfo).port })))
