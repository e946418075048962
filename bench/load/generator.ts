/**
 * The load generator: a process that keeps a number of connections busy, each with one call after the other, until a number of calls is done.
 *
 * Closed loop: it measures what a server can do, not what latency callers see at a given rate. It speaks HTTP over plain sockets, because a client library
 * would cost more than the servers under test. Every answer is compared byte for byte with what the upstream's script says; a wrong one, a status other than 200
 * or a lost connection ends the run. The owner sends the number of calls to make, as often as it likes, and gets a `Tally` for each.
 */
import { connect } from "node:net"
import { parseArgs } from "node:util"
import { expected, path, requests, type Scenario } from "./script.ts"

/** One finished series of calls. */
export interface Tally {
  readonly calls: number
  readonly wallMicros: number
}

const { values } = parseArgs({ options: { port: { type: "string" }, scenario: { type: "string" }, connections: { type: "string" } } })
const port = Number(values.port)
const scenario = values.scenario as Scenario
const body = requests[scenario]
const wanted = Buffer.from(expected[scenario])
const request = Buffer.from(
  `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\ncontent-type: application/json\r\naccept: application/json\r\n` +
    `authorization: Bearer none\r\nuser-agent: load\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
)
const headEnd = Buffer.from("\r\n\r\n")
const lineEnd = Buffer.from("\r\n")

const fail = (message: string): never => {
  console.error(`load generator: ${message}`)
  process.exit(1)
}

let toStart = 0
let toFinish = 0
let calls = 0
let begun = 0n

const finished = (): void => {
  if (--toFinish === 0) process.send?.({ calls, wallMicros: Number(process.hrtime.bigint() - begun) / 1_000 } satisfies Tally)
}

/** One connection; returns what starts its next call, where one is left. */
const open = (): Promise<() => void> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true })
    let busy = false
    let received: Buffer = Buffer.alloc(0)
    // Of the answer that is being read: where its next unread byte is, its declared length (-1: chunked, -2: head not yet read), its body so far.
    let at = 0
    let length = -2
    let parts: Array<Buffer> = []

    const readHead = (): boolean => {
      const end = received.indexOf(headEnd)
      if (end === -1) return false
      const head = received.toString("latin1", 0, end).toLowerCase()
      if (!head.startsWith("http/1.1 200 ")) {
        const status = head.slice(0, head.indexOf("\r\n"))
        fail(`expected status 200, got "${status}": ${received.toString("utf8", end + 4, end + 500)}`)
      }
      const declared = /\r\ncontent-length: *(\d+)/.exec(head)
      if (declared === null && !head.includes("\r\ntransfer-encoding: chunked")) fail(`an answer of unknown length: ${head}`)
      length = declared === null ? -1 : Number(declared[1])
      at = end + 4
      return true
    }

    /** Reads on, and returns whether the body is complete. */
    const readBody = (): boolean => {
      if (length >= 0) {
        if (received.length < at + length) return false
        parts.push(received.subarray(at, at + length))
        at += length
        return true
      }
      for (;;) {
        const end = received.indexOf(lineEnd, at)
        if (end === -1) return false
        const size = Number.parseInt(received.toString("latin1", at, end), 16)
        const next = end + 2 + size + 2
        if (Number.isNaN(size)) fail("a chunk without a size")
        if (received.length < next) return false
        if (size > 0) parts.push(received.subarray(end + 2, end + 2 + size))
        at = next
        if (size === 0) return true
      }
    }

    const start = (): void => {
      if (toStart === 0) return
      toStart--
      busy = true
      socket.write(request)
    }

    socket.on("data", (data: Buffer) => {
      if (!busy) fail(`an answer that nobody asked for: ${data.toString("utf8", 0, 200)}`)
      received = received.length === 0 ? data : Buffer.concat([received, data])
      if (length === -2 && !readHead()) return
      if (!readBody()) return
      const got = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
      if (!got.equals(wanted)) fail(`expected ${wanted.length} bytes of the script, got ${got.length}: ${got.toString("utf8", 0, 2_000)}`)
      if (at !== received.length) fail("bytes after the end of an answer")
      busy = false
      received = Buffer.alloc(0)
      length = -2
      parts = []
      finished()
      start()
    })
    socket.on("connect", () => resolve(start))
    socket.on("error", (error) => fail(`connection to port ${port}: ${error.message}`))
    socket.on("close", () => fail("the server has closed a connection"))
  })

const connections = await Promise.all(Array.from({ length: Number(values.connections) }, open))
process.on("message", (message) => {
  if (typeof message !== "number") return
  calls = toStart = toFinish = message
  begun = process.hrtime.bigint()
  for (const start of connections) start()
})
process.send?.("connected")
