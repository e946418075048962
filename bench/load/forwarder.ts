/**
 * The baseline of the load run: the plainest forwarder that reads what it forwards, written as well as such a thing is written by hand.
 *
 * `node:http` in front, undici's `dispatch` behind. It reads the body, parses it, replaces the model and encodes it again; it buffers, parses and encodes the
 * answer; of a stream it parses and encodes each event. That is all: no keys, no rules, no limits, no log, no failover, no care for slow readers. What a
 * gateway costs more than this is the price of its being a gateway.
 */
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { StringDecoder } from "node:string_decoder"
import { parseArgs } from "node:util"
import { type Dispatcher, Pool } from "undici"
import { path, upstreamModels } from "./script.ts"

const { values } = parseArgs({ options: { upstream: { type: "string" } } })
const pool = new Pool(`http://127.0.0.1:${Number(values.upstream)}`, { allowH2: false })
const model = `${upstreamModels}small`
const headers = ["content-type", "application/json", "authorization", "Bearer none"]

const text = (parts: ReadonlyArray<Buffer>): string => (parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)).toString()

const whole = (response: ServerResponse, status: number): Dispatcher.DispatchHandler => {
  const parts: Array<Buffer> = []
  return {
    onResponseData: (_, part) => void parts.push(part),
    onResponseEnd: () => {
      const body = JSON.stringify(JSON.parse(text(parts)))
      response.writeHead(status, ["content-type", "application/json", "content-length", String(Buffer.byteLength(body))]).end(body)
    }
  }
}

const events = (response: ServerResponse, status: number): Dispatcher.DispatchHandler => {
  const decoder = new StringDecoder("utf8")
  let rest = ""
  response.writeHead(status, ["content-type", "text/event-stream; charset=utf-8", "cache-control", "no-cache"])
  return {
    onResponseData: (_, part) => {
      const received = rest + decoder.write(part)
      let encoded = ""
      let from = 0
      for (let to = received.indexOf("\n\n"); to !== -1; to = received.indexOf("\n\n", from)) {
        const data = received.slice(from + "data: ".length, to)
        encoded += data === "[DONE]" ? "data: [DONE]\n\n" : `data: ${JSON.stringify(JSON.parse(data))}\n\n`
        from = to + 2
      }
      rest = received.slice(from)
      if (encoded !== "") response.write(encoded)
    },
    onResponseEnd: () => void response.end()
  }
}

const server = createServer((request, response) => {
  const parts: Array<Buffer> = []
  request.on("data", (part: Buffer) => void parts.push(part))
  request.on("end", () => {
    const asked = JSON.parse(text(parts)) as { model: string }
    asked.model = model
    let answer: Dispatcher.DispatchHandler = {}
    pool.dispatch(
      { path, method: "POST", headers, body: JSON.stringify(asked) },
      {
        onRequestStart: () => {},
        onResponseStart: (_, status, { "content-type": type }) => {
          answer = type?.toString().startsWith("text/event-stream") === true ? events(response, status) : whole(response, status)
        },
        onResponseData: (controller, part) => answer.onResponseData?.(controller, part),
        onResponseEnd: (controller, trailers) => answer.onResponseEnd?.(controller, trailers),
        onResponseError: (_, error) => {
          console.error(error)
          if (response.headersSent) response.destroy()
          else response.writeHead(502).end()
        }
      }
    )
  })
})
server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: (server.address() as AddressInfo).port })))
