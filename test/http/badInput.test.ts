/** What the gateway does with requests that it must not answer, and with callers who do not behave. No secret may appear anywhere. */
import { once } from "node:events"
import { assert, describe, it } from "@effect/vitest"
import { gzipSync } from "node:zlib"
import * as fc from "fast-check"
import {
  asking,
  chunk,
  clientOf,
  closing,
  completion,
  dial,
  directory,
  done,
  json,
  message,
  opening,
  openStream,
  paced,
  policyOver,
  refusal,
  send,
  type Sent,
  silence,
  startCli,
  type StartedGateway,
  startGateway,
  startUpstream,
  stream,
  until
} from "./support.ts"

/** What must never be seen: the provider's key, and the caller's. */
const canaries = { provider: "sk-provider-canary-8d1f0c", caller: "callers-canary-51aa9e" }

const begin = async (options: Parameters<typeof startGateway>[1] = {}) => {
  const one = await startUpstream(json(completion("Left")))
  const gateway = await startGateway(policyOver({ one }, { _tag: "Asked" }), { secrets: { ONE_KEY: canaries.provider }, ...options })
  return { one, gateway }
}
const good = asking({ model: "one" })

/** The gateway still answers. */
const stillServes = async (gateway: StartedGateway): Promise<void> => {
  const answer = await send(gateway, { body: good })
  assert.strictEqual(answer.status, 200)
  assert.strictEqual(answer.json["choices"][0].message.content, "Left")
}

const kinds: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  403: "permission_error",
  404: "invalid_request_error",
  405: "invalid_request_error",
  413: "invalid_request_error",
  415: "invalid_request_error"
}

describe("requests that are refused", () => {
  const mebibyte = Buffer.alloc(1024 * 1024, 0x20)
  const large = Array.from({ length: 33 }, () => mebibyte)

  const table: ReadonlyArray<
    readonly [name: string, sent: Sent, status: number, code: string, more?: { readonly param?: string; readonly message?: RegExp }]
  > = [
    ["two `model` keys", { body: `{"model":"one","messages":[],"model":"two"}` }, 400, "duplicate_key", { param: "model" }],
    ["two `model` keys that agree", { body: `{"model":"one","messages":[],"model":"one"}` }, 400, "duplicate_key", { param: "model" }],
    [
      "two `model` keys, one of them escaped",
      { body: String.raw`{"model":"one","messages":[],"mod\u0065l":"two"}` },
      400,
      "duplicate_key",
      { param: "model" }
    ],
    ["a name that is escaped for no reason", { body: good.replace(`"model"`, String.raw`"mod\u0065l"`) }, 400, "invalid_request", {}],
    ["such a name further down", { body: good.replace(`"role"`, String.raw`"r\u006fle"`) }, 400, "invalid_request", {}],
    ["two keys that no rule reads", { body: `{"model":"one","messages":[],"x":1,"x":2}` }, 400, "duplicate_key", { param: "x" }],
    ["a body of 33 MiB", { body: Buffer.concat(large) }, 413, "body_too_large"],
    ["a body of 33 MiB, chunked", { body: large }, 413, "body_too_large"],
    ["broken JSON", { body: `{"model":"one" "messages":[]}` }, 400, "invalid_json", { message: /character 15/ }],
    ["JSON that ends too early", { body: `{"model":"one","messages":[` }, 400, "invalid_json"],
    ["JSON with something behind it", { body: `${good}x` }, 400, "invalid_json"],
    ["JSON with a byte order mark", { body: `\uFEFF${good}` }, 400, "invalid_json"],
    ["JSON with a comment", { body: `/**/${good}` }, 400, "invalid_json"],
    ["invalid UTF-8", { body: Buffer.from(good.replace("Which", "Wh\u00efch"), "latin1") }, 400, "invalid_utf8"],
    [
      "half a surrogate in UTF-8",
      { body: Buffer.concat([Buffer.from(`{"model":"`), Buffer.of(0xed, 0xa0, 0x80), Buffer.from(`"}`)]) },
      400,
      "invalid_utf8"
    ],
    ["an empty body", {}, 400, "invalid_json", { message: /empty/ }],
    ["an empty body, chunked", { body: [] }, 400, "invalid_json", { message: /empty/ }],
    ["a JSON array", { body: `[${good}]` }, 400, "invalid_request"],
    ["null", { body: "null" }, 400, "invalid_request"],
    ["a JSON text", { body: `"hello"` }, 400, "invalid_request"],
    ["text/plain", { body: good, headers: { "content-type": "text/plain" } }, 415, "unsupported_media_type"],
    ["no content type", { body: good, headers: { "content-type": "" } }, 415, "unsupported_media_type", { message: /missing/ }],
    ["a form", { body: good, headers: { "content-type": "application/x-www-form-urlencoded" } }, 415, "unsupported_media_type"],
    ["a type that only begins like JSON", { body: good, headers: { "content-type": "application/jsonp" } }, 415, "unsupported_media_type"],
    ["latin1", { body: good, headers: { "content-type": "application/json; charset=latin1" } }, 415, "unsupported_media_type"],
    ["gzip", { body: gzipSync(good), headers: { "content-encoding": "gzip" } }, 415, "unsupported_media_type"],
    ["a page of elsewhere", { body: good, headers: { origin: "https://evil.example" } }, 403, "foreign_origin"],
    ["a sandboxed page", { body: good, headers: { origin: "null" } }, 403, "foreign_origin"],
    ["a page whose name begins like ours", { body: good, headers: { origin: "http://localhost.evil.example" } }, 403, "foreign_origin"],
    ["a name that was rebound", { body: good, headers: { host: "evil.example" } }, 403, "foreign_host"],
    ["a name that begins like ours", { body: good, headers: { host: "127.0.0.1.evil.example:80" } }, 403, "foreign_host"],
    ["no model", { body: `{"messages":[]}` }, 400, "missing_model", { param: "model" }],
    ["a model of null", { body: asking({ model: null }) }, 400, "missing_model", { param: "model" }],
    ["an empty model", { body: asking({ model: "" }) }, 400, "missing_model", { param: "model" }],
    ["a model that is no text", { body: asking({ model: 7 }) }, 400, "invalid_request", { param: "model" }],
    ["a model that is a list", { body: asking({ model: ["one"] }) }, 400, "invalid_request", { param: "model" }],
    ["no messages", { body: `{"model":"one"}` }, 400, "invalid_request", { param: "messages" }],
    ["messages that are no list", { body: asking({ model: "one", messages: "hello" }) }, 400, "invalid_request", { param: "messages" }],
    ["a stream that is no boolean", { body: asking({ model: "one", stream: "yes" }) }, 400, "invalid_request", { param: "stream" }],
    ["GET on the API", { method: "GET" }, 405, "method_not_allowed"],
    ["DELETE on the API", { method: "DELETE" }, 405, "method_not_allowed"],
    ["two keys that differ", { body: good, headers: { authorization: "Bearer a", "x-api-key": "b" } }, 400, "conflicting_keys"]
  ]

  for (const [name, sent, status, code, { message: said, param } = {}] of table) {
    it(name, async () => {
      const { gateway, one } = await begin()
      const answer = await send(gateway, { ...sent, headers: { "x-request-id": "mine-1", ...sent.headers } })
      assert.strictEqual(answer.status, status, answer.body.toString().slice(0, 500))
      assert.strictEqual(answer.headers["content-type"], "application/json")
      assert.strictEqual(answer.headers["x-request-id"], "mine-1")
      assert.deepStrictEqual(Object.keys(answer.json), ["error"])
      const { error } = answer.json
      assert.deepStrictEqual(Object.keys(error), ["message", "type", "param", "code"])
      assert.strictEqual(error.code, code)
      assert.strictEqual(error.type, kinds[status])
      assert.strictEqual(error.param, param ?? null)
      assert.match(error.message, said ?? /./)
      assert.notMatch(error.message, /\.$/)
      const line = await gateway.line(0)
      assert.deepInclude(line, { id: "mine-1", api: "chat.completions", ending: "refused", status, error: code, message: error.message })

      await stillServes(gateway)
      assert.strictEqual(gateway.lines.length, 2)
      assert.strictEqual(one.heard.length, 1)
    })
  }

  it("a model that nobody has: the nearest names, and the record names the route", async () => {
    const { gateway, one } = await begin()
    const answer = await send(gateway, { body: asking({ model: "onn" }) })
    assert.strictEqual(answer.status, 404)
    assert.deepInclude(answer.json["error"], { code: "model_not_found", param: "model", type: "invalid_request_error" })
    assert.match(answer.json["error"].message, /did you mean `one`/)
    assert.strictEqual(answer.headers["x-should-retry"], "false")
    assert.deepInclude(await gateway.line(0), { ending: "refused", status: 404, route: "only", model: "onn", attempts: [] })
    assert.strictEqual(one.heard.length, 0)
  })

  it("a path that nothing answers", async () => {
    const { gateway } = await begin()
    for (const path of ["/", "/v1/completions", "/v1/chat/completions/", "/v1/chat/completions%2f", "//v1/chat/completions"]) {
      const answer = await send(gateway, { path, body: good })
      assert.strictEqual(answer.status, 404, path)
      assert.deepStrictEqual(Object.keys(answer.json["error"]), ["message", "type", "param", "code"])
      assert.strictEqual(answer.json["error"].code, "not_found")
    }
  })

  it("says which method the API takes", async () => {
    const { gateway } = await begin()
    assert.strictEqual((await send(gateway, { method: "PUT" })).headers["allow"], "POST")
  })

  it("JSON that is nested without end has an answer and a line, and harms nobody", async () => {
    const one = await startUpstream(json(completion("Left")))
    const claude = await startUpstream(json(message([{ type: "text", text: "Left" }])))
    const gateway = await startGateway(
      policyOver(
        { one, two: { ...claude, dialect: "anthropic" } },
        { _tag: "Asked" },
        {
          routes: [
            // So that the whole text is weighed.
            { name: "long", when: { ">": [{ var: "request.inputTokens" }, 1_000_000] }, to: "one" },
            { name: "only", to: { _tag: "Asked" } }
          ]
        }
      )
    )
    const nested = "[".repeat(200_000) + "]".repeat(200_000)
    const bodies = ["one", "two"].flatMap((model) => [
      `{"model":"${model}","messages":[{"role":"user","content":${nested}}]}`,
      `{"model":"${model}","messages":[{"role":"user","content":"Which way?"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"a":${nested}}}}]}`,
      `{"model":"${model}","messages":[{"role":"user","content":"Which way?"}],"x":${nested}}`
    ])
    for (const [i, body] of bodies.entries()) {
      const answer = await send(gateway, { body })
      assert.include([200, 400], answer.status, answer.body.toString())
      assert.strictEqual((await gateway.line(i)).status, answer.status)
    }
    await stillServes(gateway)
  })

  it("a long model name is not repeated at length", async () => {
    const { gateway } = await begin()
    const answer = await send(gateway, { body: asking({ model: "m".repeat(1_000_000) }) })
    assert.strictEqual(answer.status, 404)
    assert.isBelow(answer.body.length, 2_000)
  })

  it("whatever the body is, there is one answer, one line, and the gateway goes on", async () => {
    const { gateway } = await begin()
    const pieces = fc.constantFrom(
      ...'{}[]:,"\\ \n0-.eE',
      `"model"`,
      `"one"`,
      `"messages"`,
      `"stream"`,
      "null",
      "true",
      "1e999",
      "\u0000",
      "\uD800",
      "\\u0000",
      good
    )
    let calls = 0
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.array(pieces, { maxLength: 12 }).map((all) => Buffer.from(all.join(""))),
          fc
            .tuple(fc.nat(good.length), fc.uint8Array({ maxLength: 4 }))
            .map(([at, bytes]) => Buffer.concat([Buffer.from(good.slice(0, at)), bytes, Buffer.from(good.slice(at))]))
        ),
        async (bytes) => {
          const answer = await send(gateway, { body: bytes })
          calls++
          assert.include([200, 400, 404], answer.status)
          if (answer.status !== 200) assert.deepStrictEqual(Object.keys(answer.json["error"]), ["message", "type", "param", "code"])
        }
      ),
      { numRuns: 150 }
    )
    await until(() => gateway.lines.length === calls, "a line for every call")
    await stillServes(gateway)
  })
})

describe("requests that are fine although they look odd", () => {
  const table: ReadonlyArray<readonly [name: string, sent: Sent]> = [
    ["a charset in capitals", { headers: { "content-type": "Application/JSON; Charset=UTF-8" } }],
    ["a charset in quotes", { headers: { "content-type": `application/json; charset="utf-8"` } }],
    ["a page of this machine", { headers: { origin: "http://localhost:3000" } }],
    ["IPv6 as host", { headers: { host: "[::1]:8080" } }],
    ["another name of this machine", { headers: { host: "LOCALHOST" } }],
    ["an encoding that is none", { headers: { "content-encoding": "identity" } }],
    ["a query", { path: "/v1/chat/completions?api-version=2024-10-21" }],
    ["the prefix of a drop-in", { path: "/openai/v1/chat/completions" }],
    ["the same key in two headers", { headers: { authorization: "Bearer same", "x-api-key": "same" } }],
    ["a chunked body", { body: [good.slice(0, 10), good.slice(10)] }],
    ["escapes that names need", { body: good.replace(`"model"`, String.raw`"metadata":{"caf\u00e9 \"x\"":"1"},"model"`) }]
  ]
  for (const [name, sent] of table) {
    it(name, async () => {
      const { gateway } = await begin()
      assert.strictEqual((await send(gateway, { body: good, ...sent })).status, 200)
    })
  }
})

describe("by hand on the socket", () => {
  const head = (more: ReadonlyArray<string>): string =>
    ["POST /v1/chat/completions HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", ...more].join("\r\n")
  const length = Buffer.byteLength(good)
  const statusOf = (text: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])

  const smuggled: ReadonlyArray<readonly [name: string, text: string]> = [
    [
      "a length and chunks",
      `${head([`Content-Length: ${length}`, "Transfer-Encoding: chunked"])}\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`
    ],
    ["two lengths", `${head([`Content-Length: ${length}`, "Content-Length: 3"])}\r\n\r\n${good}`],
    ["a length that is no number", `${head([`Content-Length: +${length}`])}\r\n\r\n${good}`],
    ["chunks that are not the last coding", `${head(["Transfer-Encoding: chunked, identity"])}\r\n\r\n0\r\n\r\n`],
    ["a chunk whose size is no number", `${head(["Transfer-Encoding: chunked"])}\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`],
    ["a folded header", `${head(["X-Request-Id: a\r\n b", `Content-Length: ${length}`])}\r\n\r\n${good}`],
    ["a bare carriage return in a header", `${head(["X-Request-Id: a\rX-Evil: 1", `Content-Length: ${length}`])}\r\n\r\n${good}`],
    ["a null in a header", `${head(["X-Request-Id: a\0b", `Content-Length: ${length}`])}\r\n\r\n${good}`],
    ["a space before the colon", `${head([`Content-Length : ${length}`])}\r\n\r\n${good}`]
  ]
  for (const [name, text] of smuggled) {
    it(`${name}: refused, and the connection is closed`, async () => {
      const { gateway, one } = await begin()
      const { closed, socket, text: heard } = await dial(gateway)
      socket.write(text, "latin1")
      await until(closed, "the connection to be closed")
      assert.strictEqual(statusOf(heard()), 400, heard())
      assert.strictEqual(heard().match(/HTTP\/1\.1/g)?.length, 1)
      assert.include(heard(), `"code":"malformed_http"`)
      assert.strictEqual(one.heard.length, 0)
      assert.deepInclude(gateway.lines[0], { ending: "refused", status: 400, error: "malformed_http" })
      assert.notInclude(heard(), "X-Evil")
      await stillServes(gateway)
    })
  }

  it("headers without end are refused", async () => {
    const { gateway, one } = await begin()
    const { closed, socket, text } = await dial(gateway)
    socket.write(`${head([`X-Long: ${"x".repeat(20_000)}`, `Content-Length: ${length}`])}\r\n\r\n${good}`)
    await until(closed, "the connection to be closed")
    assert.strictEqual(statusOf(text()), 431)
    assert.include(text(), `"code":"headers_too_large"`)
    assert.strictEqual(one.heard.length, 0)
    await stillServes(gateway)
  })

  it("an id that cannot stand in a header or a log is replaced", async () => {
    const { gateway } = await begin()
    for (const id of ["caf\u00e9", "a b", "x".repeat(129), "", "a\tb", `"},{"`.repeat(40)]) {
      const { closed, socket, text } = await dial(gateway)
      socket.write(`${head([`X-Request-Id: ${id}`, `Content-Length: ${length}`, "Connection: close"])}\r\n\r\n${good}`, "latin1")
      await until(closed, "the answer")
      assert.strictEqual(statusOf(text()), 200)
      const given = /^x-request-id: (.*)\r$/im.exec(text())?.[1] ?? ""
      assert.match(given, /^[\w-]{12,}$/)
      assert.notStrictEqual(given, id)
    }
    const ids = gateway.lines.map((line) => line.id)
    assert.strictEqual(new Set(ids).size, ids.length)
  })

  it("an id with quotes is kept, and the access line stays one line of JSON", async () => {
    const { gateway } = await begin()
    const before = gateway.said()
    const id = String.raw`a"b\n{}`
    const answer = await send(gateway, { body: good, headers: { "x-request-id": id } })
    assert.strictEqual(answer.headers["x-request-id"], id)
    assert.strictEqual((await gateway.line(0)).id, id)
    assert.strictEqual(gateway.said().slice(before.length).trim().split("\n").length, 1, gateway.said())
  })

  it("without a host there is no answer", async () => {
    const { gateway, one } = await begin()
    const { closed, socket, text } = await dial(gateway)
    socket.write(`POST /v1/chat/completions HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${good}`)
    await until(closed, "the connection to be closed")
    assert.include([400, 403], statusOf(text()))
    assert.strictEqual(one.heard.length, 0)
  })

  it("two requests in one packet are two calls", async () => {
    const { gateway, one } = await begin()
    const { socket, text } = await dial(gateway)
    const request = `${head([`Content-Length: ${length}`])}\r\n\r\n${good}`
    socket.write(request + request)
    await until(() => text().match(/HTTP\/1\.1 200/g)?.length === 2, "two answers")
    assert.strictEqual(one.heard.length, 2)
  })
})

describe("callers who do not behave", () => {
  it("a body that is cut off is no call, and no record", async () => {
    const { gateway, one } = await begin()
    for (const half of [`Content-Length: 1000\r\n\r\n{"model":`, `Transfer-Encoding: chunked\r\n\r\n5\r\n{"mod`]) {
      const { closed, socket } = await dial(gateway)
      socket.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${half}`)
      await stillServes(gateway)
      socket.destroy()
      await until(closed, "the connection to be closed")
    }
    await stillServes(gateway)
    assert.strictEqual(gateway.lines.length, 3)
    assert.isTrue(gateway.lines.every((line) => line.ending === "served"))
    assert.strictEqual(one.heard.length, 3)
  })

  it("one who leaves in mid-stream: the provider is let go, and the record says so", async () => {
    const open = paced()
    const one = await startUpstream((response, heard) => {
      open.script(response, heard)
      open.write(opening + chunk({ content: "Take the" }))
    })
    const gateway = await startGateway(policyOver({ one }, "one"))
    const answer = await openStream(gateway, asking({ stream: true }))
    await once(answer, "data")
    answer.destroy()
    await until(open.dropped, "the provider's connection to be closed")
    const line = await gateway.line(0)
    assert.deepInclude(line, { ending: "cancelled", error: "cancelled", stream: true })
    assert.deepInclude(line.attempts?.[0], { target: "one", outcome: "cancelled", committed: true })
    assert.strictEqual(gateway.lines.length, 1)
  })

  it("one who leaves before anything has come", async () => {
    const { gateway, one } = await begin()
    one.plays(silence)
    const { socket } = await dial(gateway)
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${good.length}\r\n\r\n${good}`
    )
    const asked = await one.nth(0)
    socket.destroy()
    await until(() => asked.dropped, "the provider's connection to be closed")
    const line = await gateway.line(0)
    assert.deepInclude(line, { ending: "cancelled", status: 499 })
    assert.deepStrictEqual(
      line.attempts?.map((attempt) => attempt.outcome),
      ["cancelled"]
    )
    // It says nothing against the provider.
    one.plays(json(completion("Left")))
    await stillServes(gateway)
  })

  it("a slow reader holds the provider up instead of filling the memory", async () => {
    const piece = chunk({ content: "x".repeat(64 * 1024) })
    const enough = 96 * 1024 * 1024
    let sent = 0
    let stuckSince: number | undefined
    const one = await startUpstream((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.write(opening)
      const pump = (): void => {
        stuckSince = undefined
        while (sent < enough) {
          sent += piece.length
          if (response.write(piece)) continue
          stuckSince = performance.now()
          response.once("drain", pump)
          return
        }
        response.end(closing + done)
      }
      pump()
    })
    const gateway = await startGateway(policyOver({ one }, "one"))
    const answer = await openStream(gateway, asking({ stream: true }))
    await until(() => stuckSince !== undefined && performance.now() - stuckSince > 250, "the provider to be held up", 20_000)
    // What lies in the buffers of three sockets, and not the stream.
    assert.isBelow(sent, 40 * 1024 * 1024)
    let read = 0
    let tail = ""
    for await (const part of answer as AsyncIterable<Buffer>) {
      read += part.length
      tail = (tail + part.toString("latin1", Math.max(0, part.length - 64))).slice(-64)
    }
    assert.strictEqual(sent >= enough, true)
    assert.strictEqual(read, opening.length + sent + closing.length + done.length)
    assert.isTrue(tail.endsWith("[DONE]\n\n"))
    assert.strictEqual((await gateway.line(0)).ending, "served")
  }, 60_000)

  it("a reader who takes nothing for too long is given up", async () => {
    const piece = chunk({ content: "x".repeat(64 * 1024) })
    const one = await startUpstream((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" })
      const pump = (): void => {
        while (!response.destroyed && response.write(piece));
        response.once("drain", pump)
      }
      pump()
    })
    const gateway = await startGateway(policyOver({ one }, "one", { timeouts: { idle: "300 millis" } }))
    await openStream(gateway, asking({ stream: true }))
    await until(() => one.heard[0]?.dropped, "the provider's connection to be closed")
    const line = await gateway.line(0)
    assert.strictEqual(line.attempts?.[0]?.outcome, "cancelled")
  })
})

describe("secrets", () => {
  it("the caller's key and headers do not reach the provider, and the provider's own key does", async () => {
    const { gateway, one } = await begin()
    const answer = await send(gateway, {
      body: good,
      headers: {
        authorization: `Bearer ${canaries.caller}`,
        "x-api-key": canaries.caller,
        cookie: `session=${canaries.caller}`,
        "openai-organization": canaries.caller,
        "x-forwarded-for": canaries.caller,
        "x-stainless-os": canaries.caller,
        te: "trailers",
        "x-request-id": "mine-1"
      }
    })
    assert.strictEqual(answer.status, 200)
    const { headers } = await one.nth(0)
    assert.deepStrictEqual(Object.keys(headers).toSorted(), [
      "accept-encoding",
      "authorization",
      "connection",
      "content-length",
      "content-type",
      "host",
      "user-agent"
    ])
    assert.strictEqual(headers.authorization, `Bearer ${canaries.provider}`)
    assert.strictEqual(headers["accept-encoding"], "identity")
    assert.notInclude(JSON.stringify(headers), canaries.caller)
    assert.notInclude(gateway.said(), canaries.caller)
    assert.notInclude(JSON.stringify(answer.headers) + answer.body.toString(), canaries.provider)
  })

  it("no part of a key stays, whether a message is cut within it or it begins like another", async () => {
    for (const key of ["plainsecretvalue0123456789", "sk-abc,def-restofsecret0123"]) {
      for (const before of [0, 1_980, 3_985]) {
        const message = `${"x".repeat(before)} ${key} tail`
        const [whole, streamed] = await Promise.all([
          startUpstream(refusal(500, { message })),
          startUpstream(stream([`data: ${JSON.stringify({ error: { message } })}\n\n`]))
        ])
        for (const [one, streams] of [[whole, false] as const, [streamed, true] as const]) {
          const gateway = await startGateway(policyOver({ one }, { _tag: "Asked" }), { secrets: { ONE_KEY: key } })
          const answer = await send(gateway, { body: asking({ model: "one", stream: streams }) })
          assert.notInclude(answer.body.toString() + gateway.said(), key.slice(-10, -1))
          assert.notInclude(answer.body.toString() + gateway.said(), key.slice(0, 8))
        }
      }
    }
  })

  it("a key of no known form is taken out of what a provider says, wherever it stands", async () => {
    const key = "3f9c0d7a1b2e4f5a8c6d7e8f90a1b2c3"
    const one = await startUpstream(refusal(400, { message: `The key '${key}' is odd`, code: `odd_${key}`, param: `key.${key}` }))
    const gateway = await startGateway(policyOver({ one }, { _tag: "Asked" }), { secrets: { ONE_KEY: key } })
    const answer = await send(gateway, { body: good })
    assert.strictEqual(answer.status, 400)
    assert.strictEqual(answer.json["error"].message, "The key '[redacted]' is odd")
    assert.notInclude(answer.body.toString() + gateway.said(), key)
  })

  it("headers of the provider's answer do not reach the caller", async () => {
    const { gateway, one } = await begin()
    one.plays(
      json(completion("Left"), {
        headers: { "set-cookie": "a=b", "openai-organization": "our-org", server: "cloudflare", "x-request-id": "theirs" }
      })
    )
    const { headers } = await send(gateway, { body: good, headers: { "x-request-id": "mine-1" } })
    assert.deepStrictEqual(Object.keys(headers).toSorted(), [
      "connection",
      "content-length",
      "content-type",
      "date",
      "x-request-id",
      "x-turnout-attempts",
      "x-turnout-decision",
      "x-turnout-policy",
      "x-turnout-route",
      "x-turnout-target"
    ])
    assert.strictEqual(headers["x-request-id"], "mine-1")
  })

  it("are nowhere in what the process says and answers, whatever the provider says of them", async () => {
    const one = await startUpstream(
      refusal(401, { message: `Incorrect API key provided: ${canaries.provider}.`, code: "invalid_api_key" }),
      refusal(403, { message: `Forbidden: Authorization: Bearer ${canaries.provider}` }),
      refusal(400, {
        message: `unexpected header {"authorization":"Bearer ${canaries.provider}"}`,
        param: canaries.provider,
        code: canaries.provider
      }),
      refusal(500, { message: `failed with api_key=${canaries.provider} at host` }),
      stream([`data: {"error":{"message":"token '${canaries.provider}' has expired","code":"invalid_api_key"}}\n\n`]),
      stream([opening, chunk({ content: "Left" }), `data: {"error":{"message":"bad credential ${canaries.provider}"}}\n\n`]),
      json(completion("Left"))
    )
    const at = directory({
      "policy.json": JSON.stringify(policyOver({ one, two: one, three: one }, { _tag: "Asked" }))
    })
    const cli = await startCli(["serve", at("policy.json"), "--port", "0"], {
      ONE_KEY: canaries.provider,
      TWO_KEY: canaries.provider,
      THREE_KEY: canaries.provider
    })
    const seen: Array<string> = []
    const headers = { authorization: `Bearer ${canaries.caller}` }
    const say = async (sent: Sent) => {
      const answer = await send(cli, { headers, ...sent })
      seen.push(JSON.stringify(answer.headers), answer.body.toString())
      return answer.status
    }
    // A credential that is refused is not used again, so that one is refused for each time that it is.
    await say({ body: asking({ model: "two" }) })
    for (let i = 0; i < 3; i++) await say({ body: good })
    for (const model of ["three", "one"]) await say({ body: asking({ model, stream: true }) })
    assert.strictEqual(await say({ body: good }), 200)
    await say({ body: `{"model":"one","messages":[}${canaries.caller}` })
    await say({ body: good, headers: { ...headers, "x-api-key": "another" } })
    await say({ body: good, headers: { ...headers, "content-type": "text/plain" } })
    await say({ body: asking({ model: "none" }) })
    await say({ method: "GET" })
    await say({ method: "GET", path: "/metrics" })
    await say({ method: "GET", path: "/v1/models" })
    await until(() => cli.lines().length >= 12, "twelve access lines")
    await clientOf(cli)
      .chat.completions.create({ model: "none", messages: [] })
      .catch((error: unknown) => seen.push(String(error)))
    cli.child.kill("SIGTERM")
    assert.strictEqual(await cli.ended(), 0)
    for (const text of [...seen, cli.stdout(), cli.stderr()]) {
      assert.notInclude(text, canaries.provider)
      assert.notInclude(text, canaries.caller)
    }
    assert.strictEqual(one.heard.length, 7)
    assert.isTrue(one.heard.every((heard) => heard.headers.authorization === `Bearer ${canaries.provider}`))
  })
})
