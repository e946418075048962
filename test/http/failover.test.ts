/** Failover through the running gateway: what fails before the commit, what fails after it, and what the caller and the access line are told. */
import Anthropic, { RateLimitError } from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { type OpenAI } from "openai"
import {
  asking,
  body,
  chunk,
  chunks,
  claude,
  clientOf,
  completion,
  cut,
  cutStream,
  done,
  event,
  hinting,
  json,
  messageEnd,
  messageStart,
  openStream,
  opening,
  type Paced,
  paced,
  policyOver,
  refusal,
  reset,
  type Script,
  send,
  silence,
  startGateway,
  type StartOptions,
  startUpstream,
  stream,
  textBlock,
  until
} from "./support.ts"
import type { PolicyEncoded } from "../../src/Policy.ts"
import { collect, raised, wordsOf } from "./client.ts"

const hello: Array<OpenAI.ChatCompletionMessageParam> = [{ role: "user", content: "Which way?" }]
const ask = { model: "any", messages: hello }

const both = { _tag: "First", of: ["one", "two"] } as const

/** A gateway whose one route tries `one`, then `two`. */
const pair = async (
  first: Script,
  second: Script = json(completion("from two")),
  options: StartOptions = {},
  more: Partial<PolicyEncoded> = {}
) => {
  const [one, two] = [await startUpstream(first), await startUpstream(second)]
  const gateway = await startGateway(policyOver({ one, two }, both, more), options)
  return { one, two, gateway }
}

describe("a provider that dies", () => {
  it("is replaced by the next one, and everybody is told", async () => {
    const { gateway, one, two } = await pair(json(completion("from one")), json(completion("from two")))
    const client = clientOf(gateway, 0)

    const before = await client.chat.completions.create(ask).withResponse()
    assert.strictEqual(before.data.choices[0]?.message.content, "from one")
    assert.strictEqual(before.response.headers.get("x-turnout-target"), "one")
    assert.strictEqual(before.response.headers.get("x-turnout-attempts"), "1")
    assert.strictEqual(two.heard.length, 0)

    await one.kill()
    const after = await client.chat.completions.create(ask).withResponse()
    assert.strictEqual(after.data.choices[0]?.message.content, "from two")
    assert.deepInclude(Object.fromEntries(after.response.headers), {
      "x-turnout-target": "two",
      "x-turnout-attempts": "2",
      "x-turnout-route": "only",
      "x-turnout-policy": gateway.hash.slice(0, 12),
      "x-turnout-decision": "only"
    })

    const line = await gateway.line(1)
    assert.deepInclude(line, {
      ending: "served",
      status: 200,
      api: "chat.completions",
      route: "only",
      decision: "only",
      target: "two",
      provider: "two",
      model: "any",
      stream: false,
      policy: gateway.hash.slice(0, 12),
      id: after.response.headers.get("x-request-id")!
    })
    assert.deepStrictEqual(
      line.attempts?.map(({ outcome, target }) => ({ outcome, target })),
      [
        { outcome: "connection", target: "one" },
        { outcome: "served", target: "two" }
      ]
    )
    assert.strictEqual(line.error, undefined)
  })

  it("between two streams: the second stream comes from the next one", async () => {
    const { gateway, one } = await pair(stream(chunks("from", " one")), stream(chunks("from", " two")))
    const client = clientOf(gateway, 0)
    assert.strictEqual(wordsOf(await collect(await client.chat.completions.create({ ...ask, stream: true }))), "from one")
    await one.kill()
    assert.strictEqual(wordsOf(await collect(await client.chat.completions.create({ ...ask, stream: true }))), "from two")
    assert.strictEqual((await gateway.line(1)).target, "two")
  })

  it("comes back, and is asked again", async () => {
    const { gateway, one } = await pair(reset)
    await send(gateway, { body: asking() })
    one.plays(json(completion("from one")))
    assert.strictEqual((await send(gateway, { body: asking() })).headers["x-turnout-target"], "one")
  })
})

describe("before the commit the caller never notices", () => {
  const page = "<!DOCTYPE html><html><body>It works!</body></html>"
  const big = completion("x".repeat(70_000))
  const limits = { maxAnswerBytes: 64 * 1024 }

  const whole: ReadonlyArray<readonly [name: string, script: Script, outcome: string]> = [
    ["503", refusal(503, { code: "engine_overloaded" }), "overloaded"],
    ["429", refusal(429, { type: "requests", code: "rate_limit_exceeded" }), "rate-limited"],
    ["429 of an unpaid bill", refusal(429, { type: "insufficient_quota", code: "insufficient_quota" }), "quota-exhausted"],
    ["500", refusal(500, { type: "server_error" }), "server-error"],
    ["502 with a page", body(page, { status: 502, headers: { "content-type": "text/html" } }), "server-error"],
    ["500 without a body", body("", { status: 500 }), "server-error"],
    ["401", refusal(401, { code: "invalid_api_key" }), "auth"],
    ["404 for the model", refusal(404, { code: "model_not_found" }), "auth"],
    ["408", refusal(408, {}), "timeout"],
    ["529", refusal(529, {}), "overloaded"],
    ["a redirect", body("", { status: 302, headers: { location: "http://127.0.0.1:9/" } }), "server-error"],
    ["an error cut half-way", cut('{"error":', { status: 503, headers: { "content-length": "500" } }), "stream-cut"],
    ["a reset", reset, "connection"],
    ["an empty body", body(""), "malformed"],
    ["no content", (response) => void response.writeHead(204).end(), "malformed"],
    ["broken JSON", body('{"id":"chatcmpl-1","choices":['), "malformed"],
    ["invalid UTF-8", body(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)), "malformed"],
    ["a page with status 200", body(page, { headers: { "content-type": "text/html" } }), "malformed"],
    ["a page that calls itself JSON", body(page), "malformed"],
    ["an error inside a 200", json({ error: { message: "busy", type: "server_error", param: null, code: null } }), "server-error"],
    ["an error inside a 200 with its code", json({ error: { message: "slow down", code: 429 } }), "rate-limited"],
    ["a cut body, by length", cut('{"id":"chatcmpl-1",', { headers: { "content-length": "5000" } }), "stream-cut"],
    ["a cut body, chunked", cut('{"id":"chatcmpl-1",'), "stream-cut"],
    ["gzip that nobody asked for", json(completion("zipped"), { headers: { "content-encoding": "gzip" } }), "malformed"],
    ["an answer beyond the limit", json(big), "malformed"],
    [
      "an answer beyond the limit, chunked",
      (response) => {
        response.writeHead(200, { "content-type": "application/json" })
        for (let i = 0; i < 20; i++) response.write(" ".repeat(8_000))
        response.end("{}")
      },
      "malformed"
    ],
    ["a stream that nobody asked for", stream(chunks("from one")), "malformed"]
  ]

  for (const [name, script, outcome] of whole) {
    it(`${name} (whole)`, async () => {
      const { gateway, one, two } = await pair(script, json(completion("from two")), limits)
      const { data, response } = await clientOf(gateway, 0).chat.completions.create(ask).withResponse()
      assert.strictEqual(data.choices[0]?.message.content, "from two")
      assert.strictEqual(response.status, 200)
      assert.strictEqual(response.headers.get("x-turnout-attempts"), "2")
      assert.strictEqual(response.headers.get("x-turnout-target"), "two")
      assert.strictEqual(one.heard.length, 1)
      assert.strictEqual(two.heard.length, 1)
      assert.strictEqual(two.heard[0]?.json["model"], "gpt-two")
      const line = await gateway.line(0)
      assert.strictEqual(line.ending, "served")
      assert.deepStrictEqual(
        line.attempts?.map((attempt) => attempt.outcome),
        [outcome, "served"]
      )
      assert.notProperty(line.attempts![0], "committed")
    })
  }

  const streamed: ReadonlyArray<readonly [name: string, script: Script, outcome: string]> = [
    ["503", refusal(503, { code: "engine_overloaded" }), "overloaded"],
    ["429", refusal(429, { type: "requests", code: "rate_limit_exceeded" }), "rate-limited"],
    ["500 with a page", body(page, { status: 500, headers: { "content-type": "text/html" } }), "server-error"],
    ["a reset", reset, "connection"],
    ["an empty stream", stream([]), "stream-cut"],
    ["a stream of comments", stream([": hello\n\n", ": still here\n\n"]), "stream-cut"],
    ["a stream that ends before its content", stream([opening]), "stream-cut"],
    ["a stream cut before its content", cutStream(opening), "stream-cut"],
    ["a stream cut inside its first event", cutStream(opening + 'data: {"id":"chatcmpl-1","choi'), "stream-cut"],
    [
      "a stream with an error before its content",
      stream([opening, event({ error: { message: "busy", type: "server_error", code: "engine_overloaded" } })]),
      "overloaded"
    ],
    ["an error event named so", stream([event({ error: { message: "busy", type: "server_error" } }, "error")]), "server-error"],
    ["an event without end", stream([opening, ...Array.from({ length: 144 }, () => "data: ".padEnd(64 * 1024, "x"))]), "malformed"],
    ["a stream without content and without end", stream(Array.from({ length: 144 }, () => `:${" ".repeat(64 * 1024)}\n\n`)), "malformed"],
    ["a stream of broken JSON", stream([opening, "data: {\n\n"]), "malformed"],
    ["JSON where a stream was asked for", json(completion("from one")), "malformed"],
    [
      "an error inside a 200 where a stream was asked for",
      json({ error: { message: "slow down", code: "rate_limit_exceeded" } }),
      "rate-limited"
    ],
    ["a page where a stream was asked for", body(page, { headers: { "content-type": "text/html" } }), "malformed"],
    ["a stream of the wrong type", stream(chunks("from one"), { headers: { "content-type": "text/plain" } }), "malformed"],
    ["a stream without a type", (response) => void response.writeHead(200).end(chunks("from one").join("")), "malformed"],
    ["gzip that nobody asked for", stream(chunks("from one"), { headers: { "content-encoding": "gzip" } }), "malformed"]
  ]

  for (const [name, script, outcome] of streamed) {
    it(`${name} (stream)`, async () => {
      const { gateway, one, two } = await pair(script, stream(chunks("from", " two")))
      const { data, response } = await clientOf(gateway, 0)
        .chat.completions.create({ ...ask, stream: true })
        .withResponse()
      assert.strictEqual(wordsOf(await collect(data)), "from two")
      assert.strictEqual(response.headers.get("x-turnout-attempts"), "2")
      assert.strictEqual(response.headers.get("x-turnout-target"), "two")
      assert.strictEqual(one.heard.length, 1)
      assert.strictEqual(two.heard.length, 1)
      assert.deepStrictEqual(
        (await gateway.line(0)).attempts?.map((attempt) => attempt.outcome),
        [outcome, "served"]
      )
    })
  }

  it("a port that nobody listens on", async () => {
    const two = await startUpstream(json(completion("from two")))
    const gone = await startUpstream()
    await gone.kill()
    const gateway = await startGateway(policyOver({ one: gone, two }, both))
    const answer = await send(gateway, { body: asking() })
    assert.strictEqual(answer.headers["x-turnout-target"], "two")
    const [first] = (await gateway.line(0)).attempts!
    assert.strictEqual(first?.outcome, "connection")
    assert.match(first?.message ?? "", /ECONNREFUSED/)
  })

  it("from Claude to a provider of the caller's dialect, before the content of the stream", async () => {
    const first = stream([messageStart, claude("ping"), claude("error", { error: { type: "overloaded_error", message: "Overloaded" } })])
    const [one, two] = [await startUpstream(first), await startUpstream(stream(chunks("from", " two")))]
    const gateway = await startGateway(policyOver({ one: { ...one, dialect: "anthropic" }, two }, both))
    const answer = await collect(await clientOf(gateway, 0).chat.completions.create({ ...ask, stream: true }))
    assert.strictEqual(wordsOf(answer), "from two")
    // Nothing of the first answer is left in the second.
    assert.strictEqual(answer.filter((chunk) => chunk.choices[0]?.delta.role === "assistant").length, 1)
    assert.isTrue(answer.every((chunk) => chunk.id === "chatcmpl-1"))
    assert.deepStrictEqual(
      (await gateway.line(0)).attempts?.map((attempt) => attempt.outcome),
      ["overloaded", "served"]
    )
  })

  it("from a provider of the caller's dialect to Claude", async () => {
    const second = stream([messageStart, textBlock(0, "from ", "two"), messageEnd("end_turn")])
    const [one, two] = [await startUpstream(refusal(503, {})), await startUpstream(second)]
    const gateway = await startGateway(policyOver({ one, two: { ...two, dialect: "anthropic" } }, both))
    assert.strictEqual(wordsOf(await collect(await clientOf(gateway, 0).chat.completions.create({ ...ask, stream: true }))), "from two")
    assert.strictEqual((await gateway.line(0)).target, "two")
  })

  it("interim answers are no answer", async () => {
    const { gateway } = await pair(hinting(json(completion("from one"))))
    const answer = await send(gateway, { body: asking() })
    assert.strictEqual(answer.status, 200)
    assert.strictEqual(answer.json["choices"][0].message.content, "from one")
    assert.strictEqual(answer.headers["x-turnout-attempts"], "1")
  })
})

describe("deadlines", () => {
  it("a provider that says nothing is given up at the end of its `within`", async () => {
    const [one, two] = [await startUpstream(silence), await startUpstream(json(completion("from two")))]
    const gateway = await startGateway(
      policyOver({ one, two }, { _tag: "First", of: [{ _tag: "Within", duration: "150 millis", of: "one" }, "two"] })
    )
    const began = performance.now()
    const answer = await send(gateway, { body: asking() })
    assert.strictEqual(answer.headers["x-turnout-target"], "two")
    assert.isAtLeast(performance.now() - began, 145)
    assert.strictEqual((await gateway.line(0)).attempts?.[0]?.outcome, "timeout")
    await until(() => one.heard[0]?.dropped, "the connection to the silent provider to be closed")
  })

  it("a stream that stalls before its content too", async () => {
    const stalled = paced()
    const [one, two] = [await startUpstream(stalled.script), await startUpstream(stream(chunks("from two")))]
    const gateway = await startGateway(
      policyOver({ one, two }, { _tag: "First", of: [{ _tag: "Within", duration: "150 millis", of: "one" }, "two"] })
    )
    const answer = clientOf(gateway, 0).chat.completions.create({ ...ask, stream: true })
    void answer.catch(() => {})
    await stalled.began
    stalled.write(opening)
    assert.strictEqual(wordsOf(await collect(await answer)), "from two")
    await until(stalled.dropped, "the stalled stream to be closed")
  })

  it("a stream that has begun in time may take longer", async () => {
    const slow = paced()
    const one = await startUpstream(slow.script)
    const gateway = await startGateway(policyOver({ one }, { _tag: "Within", duration: "200 millis", of: "one" }))
    const answer = clientOf(gateway, 0).chat.completions.create({ ...ask, stream: true })
    void answer.catch(() => {})
    await slow.began
    slow.write(opening + chunk({ content: "slow" }))
    const chunksOf = await answer
    gateway.pass(1_000)
    slow.write(chunk({ content: " but" }))
    gateway.pass(1_000)
    slow.write(chunk({ content: " steady" }) + chunk({}, "stop") + done)
    slow.end()
    assert.strictEqual(wordsOf(await collect(chunksOf)), "slow but steady")
  })

  it("expiry with nothing left is a 504", async () => {
    const one = await startUpstream(silence)
    const gateway = await startGateway(policyOver({ one }, { _tag: "Within", duration: "100 millis", of: "one" }))
    const answer = await send(gateway, { body: asking() })
    assert.strictEqual(answer.status, 504)
    assert.strictEqual(answer.json["error"].code, "upstream_timeout")
    assert.strictEqual(answer.headers["x-should-retry"], "false")
    assert.deepInclude(await gateway.line(0), { ending: "failed", status: 504, error: "upstream_timeout" })
  })

  it("a deadline around several candidates is one for all: no time is left for the second", async () => {
    const [one, two] = [await startUpstream(silence), await startUpstream(json(completion("from two")))]
    const gateway = await startGateway(policyOver({ one, two }, { _tag: "Within", duration: "100 millis", of: both }))
    const answer = await send(gateway, { body: asking() })
    assert.strictEqual(answer.status, 504)
    assert.strictEqual(two.heard.length, 0)
    assert.deepStrictEqual((await gateway.line(0)).rejections, [{ target: "two", by: "deadline" }])
  })

  it("no first byte in time, and silence within an answer", async () => {
    const { gateway } = await pair(silence, json(completion("from two")), {}, { timeouts: { headers: "100 millis" } })
    assert.strictEqual((await send(gateway, { body: asking() })).headers["x-turnout-target"], "two")
    assert.strictEqual((await gateway.line(0)).attempts?.[0]?.outcome, "timeout")

    const halfway: Script = (response) => void response.writeHead(200, { "content-type": "application/json" }).write('{"id":')
    const idle = await pair(halfway, json(completion("from two")), {}, { timeouts: { idle: "100 millis" } })
    assert.strictEqual((await send(idle.gateway, { body: asking() })).headers["x-turnout-target"], "two")
    assert.strictEqual((await idle.gateway.line(0)).attempts?.[0]?.outcome, "timeout")
  })
})

describe("after the commit nothing looks finished that is not", () => {
  const begun = opening + chunk({ content: "Take the" })

  const breaks: ReadonlyArray<readonly [name: string, act: (open: Paced) => void, code: string]> = [
    ["a cut", (open) => open.cut(), "upstream_stream_cut"],
    ["an end without the terminator", (open) => open.end(), "upstream_stream_cut"],
    [
      "an error event",
      (open) => open.write(event({ error: { message: "The server is on fire", type: "server_error", code: "engine_overloaded" } })),
      "upstream_overloaded"
    ],
    ["a broken event", (open) => open.write('data: {"choices":[{"del\n\n'), "upstream_malformed"]
  ]

  /** A gateway whose first provider has begun a stream. */
  const beginning = async () => {
    const open = paced()
    const started = await pair(
      (response, heard) => {
        open.script(response, heard)
        open.write(begun)
      },
      stream(chunks("from two"))
    )
    return { open, ...started }
  }

  for (const [name, act, code] of breaks) {
    it(`${name}: the client raises, and nobody else is asked`, async () => {
      const { gateway, open, two } = await beginning()
      const words: Array<string> = []
      const read = async () => {
        for await (const { choices } of await clientOf(gateway).chat.completions.create({ ...ask, stream: true })) {
          const content = choices[0]?.delta.content
          if (!content) continue
          words.push(content)
          act(open)
        }
      }
      const error = await raised(read())
      assert.deepStrictEqual(words, ["Take the"])
      assert.strictEqual(error.code, code)
      assert.match(error.message, /target `one` failed/)

      const line = await gateway.line(0)
      assert.deepInclude(line, { ending: "failed", status: 200, error: code, target: "one" })
      assert.strictEqual(line.attempts?.length, 1)
      assert.strictEqual(line.attempts?.[0]?.committed, true)
      assert.strictEqual(two.heard.length, 0)
    })

    it(`${name}: the last event is the error, and there is no [DONE]`, async () => {
      const { gateway, open } = await beginning()
      const response = await openStream(gateway, asking({ stream: true }))
      let text = ""
      for await (const part of response) {
        text += String(part)
        if (text === begun) act(open)
      }
      assert.isTrue(text.startsWith(begun))
      const rest = text.slice(begun.length)
      assert.match(rest, /^data: \{"error":\{.*\}\}\n\n$/)
      const { error } = JSON.parse(rest.slice(6)) as { readonly error: unknown }
      assert.deepInclude(error as object, { type: "server_error", code, param: null })
      assert.notInclude(text, "[DONE]")
    })
  }

  it("a stream that stalls is ended as one that timed out", async () => {
    const open = paced()
    const { gateway } = await pair(
      (response, heard) => {
        open.script(response, heard)
        open.write(begun)
      },
      stream(chunks("from two")),
      {},
      { timeouts: { idle: "150 millis" } }
    )
    const error = await raised(
      clientOf(gateway)
        .chat.completions.create({ ...ask, stream: true })
        .then(collect)
    )
    assert.strictEqual(error.code, "upstream_timeout")
    await until(open.dropped, "the stalled stream to be closed")
  })

  it("what the provider says after its end is not waited for", async () => {
    const open = paced()
    const { gateway } = await pair(open.script)
    const answer = clientOf(gateway).chat.completions.create({ ...ask, stream: true })
    await open.began
    open.write(chunks("from one").join(""))
    // The provider has not closed its stream, the gateway has.
    assert.strictEqual(wordsOf(await collect(await answer)), "from one")
    assert.strictEqual((await gateway.line(0)).ending, "served")
    await until(open.dropped, "the stream that is over to be closed")
  })
})

describe("what does not fail over", () => {
  const refusals: ReadonlyArray<readonly [name: string, script: Script, status: number, code: string]> = [
    ["a bad request", refusal(400, { param: "temperature" }), 400, "upstream_bad_request"],
    ["a bad request with a code", refusal(400, { type: "invalid_request_error", code: "invalid_value" }), 400, "invalid_value"],
    ["422", refusal(422, {}), 422, "upstream_bad_request"],
    ["a prompt that is too long", refusal(400, { code: "context_length_exceeded" }), 400, "context_length_exceeded"],
    ["a filter", refusal(400, { code: "content_filter" }), 400, "content_filter"]
  ]
  for (const [name, script, status, code] of refusals) {
    it(name, async () => {
      const { gateway, one, two } = await pair(script)
      const error = await raised(clientOf(gateway).chat.completions.create(ask))
      assert.strictEqual(error.status, status)
      assert.strictEqual(error.code, code)
      assert.strictEqual(error.headers?.get("x-should-retry"), "false")
      assert.strictEqual(error.headers?.get("x-turnout-attempts"), "1")
      assert.strictEqual(one.heard.length, 1)
      assert.strictEqual(two.heard.length, 0)
      assert.deepInclude(await gateway.line(0), { ending: "failed", status, error: code })
    })
  }

  it("a class that `on` does not name", async () => {
    const [one, two] = [await startUpstream(refusal(429, {}), refusal(500, {})), await startUpstream(json(completion("from two")))]
    const gateway = await startGateway(policyOver({ one, two }, { ...both, on: ["server-error"] }))
    assert.strictEqual((await send(gateway, { body: asking() })).status, 429)
    assert.strictEqual((await send(gateway, { body: asking() })).headers["x-turnout-target"], "two")
  })

  it("a class that `on` names although it is the caller's fault", async () => {
    const [one, two] = [await startUpstream(refusal(400, {})), await startUpstream(json(completion("from two")))]
    const gateway = await startGateway(policyOver({ one, two }, { ...both, on: ["bad-request"] }))
    assert.strictEqual((await send(gateway, { body: asking() })).headers["x-turnout-target"], "two")
  })
})

describe("when nothing is left", () => {
  it("the answer is the first failure's, with its wait", async () => {
    const { gateway } = await pair(
      refusal(429, { message: "Slow down, please", type: "requests", code: "rate_limit_exceeded" }, { "retry-after": "7" }),
      refusal(503, { code: "engine_overloaded" })
    )
    const answer = await send(gateway, { body: asking() })
    assert.strictEqual(answer.status, 429)
    assert.deepStrictEqual(answer.json["error"], {
      message: "target `one` failed (rate-limited): Slow down, please",
      type: "rate_limit_error",
      param: null,
      code: "upstream_rate_limited"
    })
    assert.strictEqual(answer.headers["retry-after"], "7")
    assert.strictEqual(answer.headers["x-should-retry"], "false")
    assert.strictEqual(answer.headers["x-turnout-attempts"], "2")
    assert.strictEqual(answer.headers["x-turnout-target"], undefined)
    const line = await gateway.line(0)
    assert.deepInclude(line, { ending: "failed", status: 429, error: "upstream_rate_limited" })
    assert.strictEqual(line.target, undefined)
    assert.deepStrictEqual(
      line.attempts?.map(({ outcome, status, target }) => [target, outcome, status]),
      [
        ["one", "rate-limited", 429],
        ["two", "overloaded", 503]
      ]
    )
  })

  it("a wait in milliseconds is rounded up to seconds", async () => {
    const { gateway } = await pair(refusal(429, {}, { "retry-after-ms": "1200" }), refusal(503, {}))
    assert.strictEqual((await send(gateway, { body: asking() })).headers["retry-after"], "2")
  })

  it("a long wait is the caller's to know, not its library's to sit out", async () => {
    for (const [seconds, tries] of [
      ["2", 2],
      ["100", 1]
    ] as const) {
      const { gateway } = await pair(refusal(429, {}, { "retry-after": seconds }), refusal(429, {}, { "retry-after": "300" }))
      await send(gateway, { body: asking() })
      const client = new Anthropic({ apiKey: "callers-own-key", baseURL: gateway.url, maxRetries: 1 })
      const began = performance.now()
      const error: unknown = await client.messages
        .create({ model: "any", messages: [{ role: "user", content: "Which way?" }], max_tokens: 100 })
        .then(
          () => undefined,
          (raised: unknown) => raised
        )
      if (!(error instanceof RateLimitError)) return assert.fail(`expected a refusal: ${String(error)}`)
      assert.strictEqual(error.headers.get("x-should-retry"), "false")
      assert.isBelow(performance.now() - began, 8_000)
      assert.isAtLeast(Number(error.headers.get("retry-after")), tries === 1 ? 90 : 1)
      assert.strictEqual(gateway.lines.length, 1 + tries)
    }
  })

  it("our own credential that is refused is not the caller's 401", async () => {
    const { gateway } = await pair(refusal(401, { code: "invalid_api_key" }), refusal(403, { code: "permission_denied" }))
    const answer = await send(gateway, { body: asking() })
    assert.strictEqual(answer.status, 502)
    assert.strictEqual(answer.json["error"].code, "upstream_auth_failed")
  })

  it("a key that is not set fails over, and says which", async () => {
    const [one, two] = [await startUpstream(json(completion("from one"))), await startUpstream(json(completion("from two")))]
    const gateway = await startGateway(policyOver({ one, two }, both), { secrets: { TWO_KEY: "sk-two" } })
    assert.strictEqual((await send(gateway, { body: asking() })).headers["x-turnout-target"], "two")
    assert.strictEqual(one.heard.length, 0)
    const [first] = (await gateway.line(0)).attempts!
    assert.strictEqual(first?.outcome, "auth")
    assert.match(first?.message ?? "", /`ONE_KEY` is not set/)
  })
})

describe("a breaker", () => {
  it("opens after five failures in a row, and is probed when it has cooled down", async () => {
    const { gateway, one } = await pair(refusal(503, {}))
    const ask = async () => (await send(gateway, { body: asking() })).headers["x-turnout-attempts"]
    for (let i = 0; i < 5; i++) assert.strictEqual(await ask(), "2")
    assert.strictEqual(one.heard.length, 5)

    // Open: it is passed over without an attempt.
    assert.strictEqual(await ask(), "1")
    assert.strictEqual(one.heard.length, 5)
    assert.deepInclude(await gateway.line(5), { ending: "served", target: "two", rejections: [{ target: "one", by: "breaker" }] })

    // Half open: one probe, which fails and doubles the wait.
    gateway.pass(10_000)
    assert.strictEqual(await ask(), "2")
    assert.strictEqual(one.heard.length, 6)
    assert.strictEqual(await ask(), "1")
    gateway.pass(11_000)
    assert.strictEqual(await ask(), "1")
    assert.strictEqual(one.heard.length, 6)

    // A probe that succeeds closes it.
    gateway.pass(10_000)
    one.plays(json(completion("from one")))
    const served = await send(gateway, { body: asking() })
    assert.strictEqual(served.headers["x-turnout-target"], "one")
    assert.strictEqual((await send(gateway, { body: asking() })).headers["x-turnout-target"], "one")
  })

  it("that alone stands in the way does not refuse a call: the first candidate is tried all the same", async () => {
    const one = await startUpstream(refusal(503, {}))
    const gateway = await startGateway(policyOver({ one }, "one"))
    for (let i = 0; i < 5; i++) assert.strictEqual((await send(gateway, { body: asking() })).status, 503)
    one.plays(json(completion("from one")))
    const answer = await send(gateway, { body: asking() })
    assert.strictEqual(answer.status, 200)
    const line = await gateway.line(5)
    assert.strictEqual(line.attempts?.[0]?.why, "probe")
    assert.deepStrictEqual(line.rejections, [{ target: "one", by: "breaker" }])
  })

  it("lets one call probe, not two", async () => {
    const { gateway, one } = await pair(refusal(503, {}))
    for (let i = 0; i < 5; i++) await send(gateway, { body: asking() })
    gateway.pass(10_000)
    const probe = paced()
    one.plays(probe.script)
    const first = send(gateway, { body: asking({ stream: true }) })
    await probe.began
    assert.strictEqual((await send(gateway, { body: asking() })).headers["x-turnout-target"], "two")
    probe.write(chunks("back again").join(""))
    probe.end()
    assert.strictEqual((await first).headers["x-turnout-target"], "one")
  })

  it("is not opened by requests that were at fault", async () => {
    const { gateway, one } = await pair(refusal(400, {}))
    for (let i = 0; i < 7; i++) assert.strictEqual((await send(gateway, { body: asking() })).status, 400)
    assert.strictEqual(one.heard.length, 7)
  })

  it("is not opened by what the model was never made for", async () => {
    const one = await startUpstream(refusal(404, { message: "no such model" }))
    const gateway = await startGateway(policyOver({ one }, "one"))
    const embed = JSON.stringify({ model: "one", input: "Left" })
    for (let i = 0; i < 6; i++) assert.strictEqual((await send(gateway, { path: "/v1/embeddings", body: embed })).status, 502)
    one.plays(json(completion("from one")))
    assert.strictEqual((await send(gateway, { body: asking() })).status, 200)
    assert.deepInclude((await gateway.line(6)).attempts![0], { why: "first", outcome: "served" })
  })

  it("outlives a reload of the policy", async () => {
    const { gateway, one, two } = await pair(refusal(503, {}))
    for (let i = 0; i < 5; i++) await send(gateway, { body: asking() })
    await gateway.exchange(policyOver({ one, two }, { ...both, on: ["overloaded"] }))
    const answer = await send(gateway, { body: asking() })
    assert.strictEqual(answer.headers["x-turnout-attempts"], "1")
    assert.notStrictEqual(answer.headers["x-turnout-policy"], gateway.hash.slice(0, 12))
  })
})
