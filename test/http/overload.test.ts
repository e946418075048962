/** More than there is room for, through the running gateway: full targets, too many calls, bytes and connections, requests that never come to an end, and readers that do not read. */
import { once } from "node:events"
import { Agent, request as httpRequest } from "node:http"
import { connect } from "node:net"
import Anthropic, { InternalServerError } from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import type { PolicyEncoded } from "../../src/Policy.ts"
import { raised } from "./client.ts"
import {
  afterwards,
  asking,
  chunk,
  chunks,
  claude,
  clientOf,
  completion,
  dial,
  json,
  messageStart,
  opening,
  openStream,
  paced,
  policyOver,
  type Script,
  send,
  silence,
  startGateway,
  startUpstream,
  stream,
  until
} from "./support.ts"

type Json = Record<string, any>

/** Asks again until it is so; fails when it does not come about within a bound. */
const eventually = async (is: () => Promise<boolean>, what: string, millis = 10_000): Promise<void> => {
  const deadline = performance.now() + millis
  while (!(await is())) if (performance.now() > deadline) throw new Error(`waited ${millis} ms for ${what}`)
}

const gemini = (method: string): string => `/v1beta/models/any:${method}`
const contents = { contents: [{ role: "user", parts: [{ text: "Which way?" }] }] }
const conversation = { model: "any", max_tokens: 100, messages: [{ role: "user", content: "Which way?" }] }

/** Each API of callers: how it asks, and where its errors have their code. */
const callers = [
  { api: "chat.completions", path: "/v1/chat/completions", body: asking(), codeOf: (answer: Json) => answer["error"].code },
  {
    api: "responses",
    path: "/v1/responses",
    body: JSON.stringify({ model: "any", input: "Which way?" }),
    codeOf: (answer: Json) => answer["error"].code
  },
  {
    api: "messages",
    path: "/v1/messages",
    body: JSON.stringify(conversation),
    codeOf: (answer: Json) => answer["error"].details.error_code
  },
  {
    api: "generateContent",
    path: gemini("generateContent"),
    body: JSON.stringify(contents),
    codeOf: (answer: Json) => answer["error"].details[0].reason
  }
] as const

/** `policy` with a capacity of `one`. */
const limited = (
  policy: PolicyEncoded,
  capacity: { readonly inFlight: number; readonly queued?: number; readonly wait?: string }
): PolicyEncoded => ({
  ...policy,
  targets: { ...policy.targets, one: { ...policy.targets["one"]!, capacity: capacity as { inFlight: number } } }
})

/** A provider that is busy with one stream until it is told to end it, and a gateway that takes so much at once. */
const busy = async (options: Parameters<typeof startGateway>[1] = {}, policyOf = (policy: PolicyEncoded) => policy) => {
  const open = paced()
  const one = await startUpstream(open.script)
  const gateway = await startGateway(policyOf(policyOver({ one }, "one")), options)
  const reading = openStream(gateway, asking({ stream: true }))
  await open.began
  open.write(opening + chunk({ content: "Take" }))
  const answer = await reading
  one.plays(json(completion("Left")))
  return {
    one,
    gateway,
    answer,
    finish: async () => {
      answer.resume()
      open.write(chunks().slice(1).join(""))
      open.end()
      await gateway.line(0)
    }
  }
}

describe("a full target", () => {
  for (const { api, body, codeOf, path } of callers) {
    it(`is an early 503 with a time to come back (${api})`, async () => {
      const { finish, gateway, one } = await busy({}, (policy) => limited(policy, { inFlight: 1 }))
      const refused = await send(gateway, { path, body })
      assert.strictEqual(refused.status, 503)
      assert.strictEqual(codeOf(refused.json), "target_busy")
      assert.strictEqual(refused.headers["retry-after"], "1")
      assert.notProperty(refused.headers, "x-should-retry")
      assert.deepInclude(await gateway.line(0), { api, ending: "refused", status: 503, error: "target_busy" })
      assert.deepStrictEqual(gateway.lines[0]?.rejections, [{ target: "one", by: "busy" }])
      assert.strictEqual(one.heard.length, 1)
      await finish()
      await until(() => gateway.lines.length === 2, "the stream's line")
      assert.strictEqual((await send(gateway, { path, body })).status, 200)
    })
  }

  it("is passed over for the next candidate, and waited for where its policy says so", async () => {
    const open = paced()
    const [one, two] = [await startUpstream(open.script), await startUpstream(json(completion("from two")))]
    const both = policyOver({ one, two }, { _tag: "First", of: ["one", "two"] })
    const gateway = await startGateway(limited(both, { inFlight: 1 }))
    const reading = openStream(gateway, asking({ stream: true }))
    await open.began
    open.write(chunks("from one").slice(0, -1).join(""))
    const answer = await reading
    assert.strictEqual((await send(gateway, { body: asking() })).headers["x-turnout-target"], "two")

    await gateway.exchange(limited(both, { inFlight: 1, queued: 1, wait: "20 seconds" }))
    one.plays(json(completion("from one")))
    const waiting = send(gateway, { body: asking() })
    // The queue is full when another goes past it.
    await eventually(async () => (await send(gateway, { body: asking() })).headers["x-turnout-target"] === "two", "a full queue")
    answer.resume()
    open.write(chunks().at(-1)!)
    open.end()
    assert.strictEqual((await waiting).headers["x-turnout-target"], "one")
    const waited = await until(
      () => gateway.lines.find(({ attempts }) => (attempts?.[0] as { queued_ms?: number } | undefined)?.queued_ms !== undefined),
      "the line of the call that has waited"
    )
    assert.strictEqual(waited.target, "one")
  })

  it("is left by a caller who goes away while waiting for it, and by one whose answer is cut", async () => {
    const { finish, gateway, one } = await busy({}, (policy) => limited(policy, { inFlight: 1, queued: 1, wait: "20 seconds" }))
    const { socket } = await dial(gateway)
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${asking().length}\r\n\r\n${asking()}`
    )
    await eventually(async () => (await send(gateway, { body: asking() })).status === 503, "a full queue")
    const before = gateway.lines.length
    socket.destroy()
    const line = await gateway.line(before)
    assert.deepInclude(line, { ending: "cancelled", status: 499, attempts: [] })
    const next = send(gateway, { body: asking() })
    await finish()
    assert.strictEqual((await next).status, 200)
    one.plays((response) => void response.socket?.destroy())
    assert.strictEqual((await send(gateway, { body: asking() })).status, 502)
    one.plays(json(completion("Left")))
    assert.strictEqual((await send(gateway, { body: asking() })).status, 200)
  })
})

/** A request's head alone, its body still to come. */
const headOf = (length: number, more = "", path = "/v1/chat/completions"): string =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${more}Content-Length: ${length}\r\n\r\n`

describe("too many calls", () => {
  for (const { api, codeOf, path } of callers) {
    it(`are refused before their bodies are read (${api})`, async () => {
      const { finish, gateway, one } = await busy({ maxCalls: 1 })
      const { socket, text } = await dial(gateway)
      socket.write(headOf(1_000_000, "", path))
      await until(() => text().includes("}"), "an answer to a request without its body")
      assert.match(text(), /^HTTP\/1\.1 503 Service Unavailable\r\n/)
      assert.match(text(), /\r\nretry-after: 1\r\n/i)
      assert.notMatch(text(), /x-should-retry/i)
      assert.strictEqual(codeOf(JSON.parse(text().slice(text().indexOf("{"))) as Json), "overloaded")
      assert.deepInclude(await gateway.line(0), { api, ending: "refused", status: 503, error: "overloaded" })
      assert.strictEqual(one.heard.length, 1)
      await finish()
    })
  }

  it("leave health, readiness, figures and models answered", async () => {
    const { finish, gateway } = await busy({ maxCalls: 1 })
    for (const path of ["/healthz", "/readyz", "/metrics", "/v1/models"])
      assert.strictEqual((await send(gateway, { method: "GET", path })).status, 200)
    assert.strictEqual((await send(gateway, { body: asking() })).status, 503)
    await finish()
  })

  it("make room as soon as one has ended, and a body that is arriving counts until it is given up", async () => {
    const { finish, gateway } = await busy({ maxCalls: 2 })
    const { socket } = await dial(gateway)
    socket.write(`${headOf(100)}{`)
    await eventually(async () => (await send(gateway, { body: asking() })).status === 503, "the body to be waited for")
    socket.destroy()
    await eventually(async () => (await send(gateway, { body: asking() })).status === 200, "room")
    await finish()
    const all = await Promise.all([send(gateway, { body: asking() }), send(gateway, { body: asking() })])
    assert.deepStrictEqual(
      all.map(({ status }) => status),
      [200, 200]
    )
  })

  it("are tried again by the official clients, in time", async () => {
    const { finish, gateway } = await busy({ maxCalls: 1 })
    const patient = clientOf(gateway, 2).chat.completions.create({ model: "any", messages: [{ role: "user", content: "Which way?" }] })
    const claudes = new Anthropic({ apiKey: "any", baseURL: gateway.url, maxRetries: 0 })
    assert.strictEqual(
      (await raised(clientOf(gateway, 0).chat.completions.create({ model: "any", messages: [{ role: "user", content: "Which way?" }] })))
        .status,
      503
    )
    const error = await claudes.messages.create({ model: "any", max_tokens: 10, messages: [{ role: "user", content: "Which way?" }] }).then(
      () => undefined,
      (failure: unknown) => failure
    )
    assert.instanceOf(error, InternalServerError)
    assert.strictEqual(error.type, "overloaded_error")
    await until(() => gateway.lines.length === 3, "three refusals")
    const answered = patient.then(({ choices }) => choices[0]?.message.content)
    const openLine = gateway.lines.length
    await finish()
    assert.strictEqual(await answered, "Left")
    assert.isAtLeast(gateway.lines.length, openLine + 2)
  })

  it("a client that asks first is not told to send its body", async () => {
    const { finish, gateway } = await busy({ maxCalls: 1 })
    const refused = await dial(gateway)
    refused.socket.write(headOf(5_000_000, "Expect: 100-continue\r\n"))
    await until(refused.closed, "the connection to be closed")
    assert.match(refused.text(), /^HTTP\/1\.1 503 /)
    await finish()
    const taken = await dial(gateway)
    taken.socket.write(headOf(asking().length, "Expect: 100-continue\r\n"))
    await until(() => taken.text().startsWith("HTTP/1.1 100 Continue\r\n\r\n"), "leave to send")
    taken.socket.write(asking())
    await until(() => taken.text().includes("HTTP/1.1 200 OK"), "an answer")
  })
})

describe("too many bytes", () => {
  const kib = 1024
  const sized = (bytes: number): string => asking({ user: "x".repeat(bytes - asking({ user: "" }).length) })

  it("are refused by what a body says of its length, and by what comes of one that says nothing", async () => {
    const one = await startUpstream(json(completion("Left")))
    const gateway = await startGateway(policyOver({ one }, "one"), { maxHeldBytes: 64 * kib })
    const refused = await send(gateway, { body: sized(65 * kib) })
    assert.strictEqual(refused.status, 503)
    assert.strictEqual(refused.json["error"].code, "overloaded")
    const text = sized(80 * kib)
    const pieces = [text.slice(0, 40 * kib), text.slice(40 * kib)]
    assert.strictEqual((await send(gateway, { body: pieces })).status, 503)
    assert.strictEqual((await send(gateway, { body: sized(63 * kib) })).status, 200)
    assert.strictEqual((await send(gateway, { body: sized(63 * kib) })).status, 200)
    assert.strictEqual(one.heard.length, 2)
  })

  it("of calls under way count with those that are arriving, until they have ended or gone", async () => {
    const one = await startUpstream(silence)
    const gateway = await startGateway(policyOver({ one }, "one"), { maxHeldBytes: 64 * kib })
    const held = sized(40 * kib)
    const caller = await dial(gateway)
    caller.socket.write(headOf(held.length) + held)
    await one.nth(0)
    assert.strictEqual((await send(gateway, { body: sized(30 * kib) })).status, 503)
    const arriving = await dial(gateway)
    arriving.socket.write(`${headOf(24 * kib)}${"x".repeat(20 * kib)}`)
    await eventually(async () => (await send(gateway, { body: sized(8 * kib) })).status === 503, "the bytes to be held")
    arriving.socket.destroy()
    caller.socket.destroy()
    one.plays(json(completion("Left")))
    await eventually(async () => (await send(gateway, { body: sized(63 * kib) })).status === 200, "room for all of them")
  })
})

describe("connections", () => {
  it("beyond the bound are closed as they come, and people are told", async () => {
    const one = await startUpstream(json(completion("Left")))
    const gateway = await startGateway(policyOver({ one }, "one"), { maxConnections: 2 })
    const [first, second] = [await dial(gateway), await dial(gateway)]
    // A connection counts from the moment at which the server knows of it.
    first.socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    second.socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await until(() => first.text().includes("ok") && second.text().includes("ok"), "two connections")
    const third = connect(gateway.port, "127.0.0.1")
    third.on("error", () => {})
    await once(third, "close")
    assert.include(gateway.said(), "warning: 2 connections are open, which is the most: 1 more closed as they came")
    first.socket.destroy()
    await eventually(async () => (await send(gateway, { body: asking() }).catch(() => undefined))?.status === 200, "room")
  })

  it("on which headers or a body never come to an end are closed, with an answer and a line", async () => {
    const one = await startUpstream(json(completion("Left")))
    const gateway = await startGateway(policyOver({ one }, "one"), { headersMillis: 150, requestMillis: 400, maxCalls: 1 })
    const [headers, body] = [await dial(gateway), await dial(gateway)]
    headers.socket.write("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n")
    body.socket.write(`${headOf(1_000)}{"model"`)
    let dripped = 0
    const dripping = setInterval(() => {
      dripped++
      headers.socket.write(`x-a-${dripped}: b\r\n`)
      body.socket.write(" ")
    }, 20)
    afterwards(() => clearInterval(dripping))
    for (const slow of [headers, body]) {
      await until(slow.closed, "the connection to be closed")
      assert.match(slow.text(), /^HTTP\/1\.1 408 Request Timeout\r\n/)
      assert.include(slow.text(), '"code":"request_timeout"')
    }
    assert.deepStrictEqual(
      gateway.lines.map(({ error }) => error),
      ["request_timeout", "request_timeout"]
    )
    await eventually(async () => (await send(gateway, { body: asking() })).status === 200, "the place of the one that was given up")
  })
})

describe("readers that do not read", () => {
  const mebibyte = 1024 * 1024
  const readers = 4
  /** What fits into the buffers of the sockets on the way of one reader, with room to spare; what is offered to it is four times as much. */
  const buffered = 40 * mebibyte

  /** Offers each reader a stream without an end, and counts what is taken of it. */
  const endless = (
    first: string,
    piece: string
  ): { readonly script: Script; readonly taken: () => number; readonly still: () => boolean } => {
    let taken = 0
    let movedAt = performance.now()
    return {
      script: (response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.write(first)
        const pump = (): void => {
          movedAt = performance.now()
          while (!response.destroyed && taken < readers * buffered * 4) {
            taken += piece.length
            if (response.write(piece)) continue
            response.once("drain", pump)
            return
          }
        }
        pump()
      },
      taken: () => taken,
      still: () => performance.now() - movedAt > 300
    }
  }

  const long = "x".repeat(64 * 1024)
  const streams = [
    ["forwarded", "openai", opening, chunk({ content: long })],
    [
      "translated",
      "anthropic",
      messageStart + claude("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
      claude("content_block_delta", { index: 0, delta: { type: "text_delta", text: long } })
    ]
  ] as const
  for (const [how, dialect, first, piece] of streams) {
    it(`hold their providers up, so that memory does not grow with what they are offered, and are given up in the end (${how})`, async () => {
      const offered = endless(first, piece)
      const one = await startUpstream(offered.script)
      const gateway = await startGateway(policyOver({ one: { ...one, dialect } }, "one", { timeouts: { idle: "30 seconds" } }))
      const before = process.memoryUsage().rss
      await Promise.all(Array.from({ length: readers }, () => openStream(gateway, asking({ stream: true }))))
      await until(offered.still, "all of them to be held up", 30_000)
      assert.isBelow(offered.taken(), readers * buffered)
      // The kernel's buffers are not ours; what is ours would be all that was taken, and its translation.
      assert.isBelow(process.memoryUsage().rss - before, readers * buffered)
      const taken = offered.taken()
      gateway.pass(31_000)
      await until(() => one.heard.every(({ dropped }) => dropped), "the provider's streams to be let go")
      assert.isAtMost(offered.taken() - taken, readers * mebibyte)
      await until(() => gateway.lines.length === readers, "a line for each")
      for (const { attempts } of gateway.lines) assert.deepInclude(attempts?.[0], { outcome: "cancelled", committed: true })
    }, 60_000)
  }

  it("of a whole answer lose it when nothing has moved for long enough", async () => {
    // More than the kernel takes off our hands.
    const one = await startUpstream(json(completion("x".repeat(64 * mebibyte))))
    const gateway = await startGateway(policyOver({ one }, "one"), { stallMillis: 300, maxCalls: 1, maxAnswerBytes: 80 * mebibyte })
    const answer = await openStream(gateway, asking())
    // Read as far as the head: the rest stays where it is, and counts until it is thrown away.
    assert.strictEqual((await send(gateway, { body: asking() })).status, 503)
    one.plays(json(completion("Left")))
    await eventually(async () => (await send(gateway, { body: asking() })).status === 200, "its place")
    answer.resume()
    await until(() => answer.closed, "the end of the connection")
    assert.isFalse(answer.complete)
  }, 30_000)
})

it("a client that sends its whole body at once reads the refusal and not a reset", async () => {
  const { finish, gateway } = await busy({ maxCalls: 1 })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  afterwards(() => agent.destroy())
  for (let i = 0; i < 3; i++) {
    const request = httpRequest({
      host: "127.0.0.1",
      port: gateway.port,
      method: "POST",
      path: "/v1/chat/completions",
      agent,
      headers: { "content-type": "application/json" }
    })
    request.end(asking({ user: "x".repeat(8 * 1024 * 1024) }))
    const [response] = await once(request, "response")
    assert.strictEqual(response.statusCode, 503)
    response.resume()
    await once(response, "end")
  }
  await finish()
})

it("a stream that has no room is refused like any other call", async () => {
  const { finish, gateway, one } = await busy({ maxCalls: 1 })
  one.plays(stream(chunks("Left")))
  const refused = await send(gateway, { body: asking({ stream: true }) })
  assert.strictEqual(refused.status, 503)
  assert.strictEqual(refused.headers["content-type"], "application/json")
  await finish()
})
