/**
 * The official OpenAI client against the running gateway: over a provider of its own dialect, whose bytes are forwarded, and over Claude, where both ways are
 * translated. Judged by what the client returns and by what the provider was sent.
 */
import { assert, describe, it } from "@effect/vitest"
import { APIUserAbortError, type OpenAI } from "openai"
import {
  asking,
  body,
  chunk,
  chunks,
  claude,
  claudeRefusal,
  clientOf,
  closing,
  completion,
  cutStream,
  done,
  event,
  json,
  message,
  messageEnd,
  messageStart,
  opening,
  openStream,
  paced,
  policyOver,
  refusal,
  reset,
  type Script,
  secrets,
  send,
  silence,
  startGateway,
  startUpstream,
  stream,
  textBlock,
  until,
  usage,
  usageChunk
} from "./support.ts"
import { collect, raised, wordsOf } from "./client.ts"

type Message = OpenAI.ChatCompletionMessageParam

const hello: Array<Message> = [{ role: "user", content: "Which way?" }]
const weather: OpenAI.ChatCompletionTool = {
  type: "function",
  function: {
    name: "get_weather",
    description: "The weather in a city",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] }
  }
}
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
const person = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
  additionalProperties: false
}
const structured = { type: "json_schema", json_schema: { name: "person", strict: true, schema: person } } as const

/** What a client would read off the wire. */
const wire = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

const overOpenAI = async (...scripts: ReadonlyArray<Script>) => {
  const one = await startUpstream(...scripts)
  const gateway = await startGateway(
    policyOver({ one }, "one", {
      targets: { one: { provider: "one", model: "gpt-one", price: { input: { usd: 2 }, output: { usd: 8 } } } }
    })
  )
  return { one, gateway, client: clientOf(gateway, 0) }
}

describe("over OpenAI", () => {
  it("a plain answer", async () => {
    const { client, gateway, one } = await overOpenAI(json(completion("Take the left one.")))
    const { data, response } = await client.chat.completions
      .create({ model: "any", messages: [{ role: "system", content: "Be brief." }, ...hello], temperature: 0.2, max_completion_tokens: 50 })
      .withResponse()
    assert.deepStrictEqual(wire(data), completion("Take the left one."))
    assert.strictEqual(response.headers.get("content-type"), "application/json")
    assert.strictEqual(response.headers.get("x-turnout-target"), "one")

    const asked = await one.nth(0)
    assert.strictEqual(asked.method, "POST")
    assert.strictEqual(asked.path, "/v1/chat/completions")
    assert.strictEqual(asked.headers.authorization, `Bearer ${secrets.ONE_KEY}`)
    assert.deepStrictEqual(asked.json, {
      model: "gpt-one",
      messages: [{ role: "system", content: "Be brief." }, ...hello],
      temperature: 0.2,
      max_completion_tokens: 50
    })
    const line = await gateway.line(0)
    // 11 tokens at 2 and 7 at 8 dollars a million.
    assert.deepInclude(line.attempts?.[0], { outcome: "served", status: 200, input_tokens: 11, output_tokens: 7, nano_dollars: 78_000 })
  })

  it("a stream", async () => {
    const { client, gateway, one } = await overOpenAI(stream(chunks("Take", " the", " left", " one.")))
    const { data, response } = await client.chat.completions.create({ model: "any", messages: hello, stream: true }).withResponse()
    const read = await collect(data)
    assert.strictEqual(wordsOf(read), "Take the left one.")
    assert.strictEqual(read.at(-1)?.choices[0]?.finish_reason, "stop")
    assert.strictEqual(response.headers.get("content-type"), "text/event-stream; charset=utf-8")
    assert.strictEqual(response.headers.get("cache-control"), "no-cache")
    assert.strictEqual(response.headers.get("x-turnout-target"), "one")
    // Usage was asked for on the gateway's account, and taken out again for the caller.
    assert.isTrue(read.every((part) => part.choices.length === 1))
    assert.deepStrictEqual((await one.nth(0)).json["stream_options"], { include_usage: true })
    const line = await gateway.line(0)
    assert.deepInclude(line.attempts?.[0], { outcome: "served", input_tokens: 11, output_tokens: 7, nano_dollars: 78_000 })
    assert.isNumber(line.attempts?.[0]?.first_token_ms)
  })

  it("a stream whose caller asks for usage gets it", async () => {
    const { client, gateway, one } = await overOpenAI(stream(chunks("Left")))
    const read = await collect(
      await client.chat.completions.create({ model: "any", messages: hello, stream: true, stream_options: { include_usage: true } })
    )
    assert.deepStrictEqual(wire(read.at(-1)?.usage), usage)
    assert.deepStrictEqual(read.at(-1)?.choices, [])
    assert.deepStrictEqual((await one.nth(0)).json["stream_options"], { include_usage: true })
    assert.strictEqual((await gateway.line(0)).attempts?.[0]?.input_tokens, 11)
  })

  it("words arrive when they are said", async () => {
    const open = paced()
    const { client } = await overOpenAI(open.script)
    const answer = client.chat.completions.create({ model: "any", messages: hello, stream: true })
    await open.began
    open.write(opening + chunk({ content: "Take" }))
    const heard: Array<string> = []
    for await (const { choices } of await answer) {
      const content = choices[0]?.delta.content
      if (!content) continue
      heard.push(content)
      if (heard.length === 1) open.write(chunk({ content: " the" }))
      if (heard.length === 2) open.write(chunk({ content: " left" }) + closing + done)
    }
    assert.deepStrictEqual(heard, ["Take", " the", " left"])
  })

  it("tools: a call, and its result", async () => {
    const calls = [{ id: "call_1", type: "function" as const, function: { name: "get_weather", arguments: `{"city":"Bern"}` } }]
    const { client, one } = await overOpenAI(json(completion(null, { tool_calls: calls }, "tool_calls")), json(completion("It rains.")))
    const first = await client.chat.completions.create({ model: "any", messages: hello, tools: [weather], tool_choice: "required" })
    const reply = first.choices[0]!
    assert.strictEqual(reply.finish_reason, "tool_calls")
    assert.deepStrictEqual(wire(reply.message.tool_calls), calls)
    const messages: Array<Message> = [...hello, reply.message, { role: "tool", tool_call_id: "call_1", content: "rain" }]
    const second = await client.chat.completions.create({ model: "any", messages, tools: [weather] })
    assert.strictEqual(second.choices[0]?.message.content, "It rains.")
    assert.deepStrictEqual((await one.nth(0)).json["tools"], [weather])
    assert.strictEqual((await one.nth(0)).json["tool_choice"], "required")
    assert.deepStrictEqual((await one.nth(1)).json["messages"], wire(messages))
  })

  it("tools in a stream, parallel", async () => {
    const call = (index: number, more: object): string => chunk({ tool_calls: [{ index, ...more }] })
    const { client, gateway } = await overOpenAI(
      stream([
        chunk({ role: "assistant", content: null }),
        call(0, { id: "call_1", type: "function", function: { name: "get_weather", arguments: "" } }),
        call(0, { function: { arguments: `{"city":` } }),
        call(1, { id: "call_2", type: "function", function: { name: "get_weather", arguments: `{"city":"Thun"}` } }),
        call(0, { function: { arguments: `"Bern"}` } }),
        chunk({}, "tool_calls"),
        usageChunk,
        done
      ])
    )
    const read = await client.chat.completions.stream({ model: "any", messages: hello, tools: [weather] }).finalChatCompletion()
    assert.deepStrictEqual(
      read.choices[0]?.message.tool_calls?.map((one) => (one.type === "function" ? [one.id, one.function.arguments] : [])),
      [
        ["call_1", `{"city":"Bern"}`],
        ["call_2", `{"city":"Thun"}`]
      ]
    )
    assert.strictEqual(read.choices[0]?.finish_reason, "tool_calls")
    assert.strictEqual((await gateway.line(0)).ending, "served")
  })

  it("structured output", async () => {
    const { client, one } = await overOpenAI(json(completion(`{"name":"Ada","age":36}`)))
    const read = await client.chat.completions.parse({ model: "any", messages: hello, response_format: structured })
    assert.strictEqual(read.choices[0]?.message.content, `{"name":"Ada","age":36}`)
    assert.deepStrictEqual((await one.nth(0)).json["response_format"], structured)
  })

  it("an image", async () => {
    const { client, one } = await overOpenAI(json(completion("A dot.")))
    const messages: Array<Message> = [
      {
        role: "user",
        content: [
          { type: "text", text: "What is this?" },
          { type: "image_url", image_url: { url: `data:image/png;base64,${pixel}`, detail: "low" } }
        ]
      }
    ]
    await client.chat.completions.create({ model: "any", messages })
    assert.deepStrictEqual((await one.nth(0)).json["messages"], messages)
  })

  it("several answers, a refusal and fields that nobody knows yet", async () => {
    const answer = {
      ...completion(null, { refusal: "I cannot say.", annotations: [] }),
      service_tier: "default",
      brand_new: { field: [1, 2.5e-7] },
      choices: [0, 1].map((index) => ({
        index,
        message: { role: "assistant", content: null, refusal: "I cannot say." },
        finish_reason: "stop"
      }))
    }
    const { client, one } = await overOpenAI(json(answer))
    const read = await client.chat.completions.create({
      model: "any",
      messages: hello,
      n: 2,
      ...({ brand_new: { wish: true } } as object)
    })
    assert.deepStrictEqual(wire(read), wire(answer))
    assert.deepInclude((await one.nth(0)).json, { n: 2, brand_new: { wish: true } })
  })

  it("reasoning of compatible hosts is content, and is passed on", async () => {
    const { client, gateway } = await overOpenAI(
      stream([opening, chunk({ reasoning_content: "Left is shorter." }), chunk({ content: "Left" }), closing, usageChunk, done])
    )
    const read = await collect(await client.chat.completions.create({ model: "any", messages: hello, stream: true }))
    assert.isTrue(read.some((part) => JSON.stringify(part).includes("Left is shorter.")))
    assert.strictEqual((await gateway.line(0)).ending, "served")
  })

  describe("errors", () => {
    it("a 400 keeps its message, its field and its code, and the client does not ask again", async () => {
      const { gateway, one } = await overOpenAI(
        refusal(400, {
          message: "Invalid value: 'temperature' must be at most 2.",
          type: "invalid_request_error",
          param: "temperature",
          code: "decimal_above_max_value"
        })
      )
      const error = await raised(clientOf(gateway).chat.completions.create({ model: "any", messages: hello, temperature: 9 }))
      assert.strictEqual(error.constructor.name, "BadRequestError")
      assert.deepInclude(error, { status: 400, param: "temperature", code: "decimal_above_max_value", type: "invalid_request_error" })
      assert.strictEqual(error.message, "400 Invalid value: 'temperature' must be at most 2.")
      assert.strictEqual(one.heard.length, 1)
      assert.strictEqual((await gateway.line(0)).attempts?.[0]?.outcome, "bad-request")
    })

    const table: ReadonlyArray<readonly [name: string, script: Script, status: number, code: string, raises: string]> = [
      ["401: our key, not the caller's", refusal(401, { code: "invalid_api_key" }), 502, "upstream_auth_failed", "InternalServerError"],
      ["403", refusal(403, { code: "permission_denied" }), 502, "upstream_auth_failed", "InternalServerError"],
      ["404 of a model", refusal(404, { code: "model_not_found" }), 502, "upstream_auth_failed", "InternalServerError"],
      ["429", refusal(429, { type: "tokens", code: "rate_limit_exceeded" }), 429, "upstream_rate_limited", "RateLimitError"],
      ["429 of an unpaid bill", refusal(429, { code: "insufficient_quota" }), 429, "upstream_quota_exhausted", "RateLimitError"],
      ["500", refusal(500, { type: "server_error" }), 502, "upstream_error", "InternalServerError"],
      ["503", refusal(503, {}), 503, "upstream_overloaded", "InternalServerError"],
      ["a reset", reset, 502, "upstream_connection_failed", "InternalServerError"],
      ["a long prompt", refusal(400, { code: "context_length_exceeded" }), 400, "context_length_exceeded", "BadRequestError"],
      ["a filter", refusal(400, { code: "content_filter" }), 400, "content_filter", "BadRequestError"],
      ["422", refusal(422, {}), 422, "upstream_bad_request", "UnprocessableEntityError"]
    ]
    for (const [name, script, status, code, raises] of table) {
      it(`${name}: the client with its usual retries asks once`, async () => {
        const { gateway, one } = await overOpenAI(script)
        for (const streamed of [false, true]) {
          // What has been said of the credential is forgotten by then.
          gateway.pass(3_600_000)
          const before = one.heard.length
          const error = await raised(clientOf(gateway).chat.completions.create({ model: "any", messages: hello, stream: streamed }))
          assert.strictEqual(error.constructor.name, raises)
          assert.deepInclude(error, { status, code })
          assert.strictEqual(error.headers?.get("x-should-retry"), "false")
          assert.strictEqual(error.requestID, error.headers?.get("x-request-id"))
          assert.strictEqual(one.heard.length, before + 1)
        }
        await gateway.line(1)
        assert.strictEqual(gateway.lines.length, 2)
      })
    }

    it("the gateway's own: a model that nobody has is asked for once", async () => {
      const one = await startUpstream(json(completion("Left")))
      const gateway = await startGateway(policyOver({ one }, { _tag: "Asked" }))
      const error = await raised(clientOf(gateway).chat.completions.create({ model: "none", messages: hello }))
      assert.strictEqual(error.constructor.name, "NotFoundError")
      assert.deepInclude(error, { code: "model_not_found", param: "model", type: "invalid_request_error" })
      assert.strictEqual(gateway.lines.length, 1)
    })

    it("the author's own", async () => {
      const one = await startUpstream()
      const gateway = await startGateway(
        policyOver({ one }, { _tag: "Deny", status: 410, code: "model_retired", message: "gpt-4 is gone: ask for gpt-4o" })
      )
      const error = await raised(clientOf(gateway).chat.completions.create({ model: "gpt-4", messages: hello }))
      assert.deepInclude(error, { status: 410, code: "model_retired", message: "410 gpt-4 is gone: ask for gpt-4o" })
      assert.deepInclude(await gateway.line(0), { ending: "refused", status: 410, error: "model_retired" })
    })
  })

  describe("a caller who changes their mind", () => {
    it("before the answer: the provider's connection is closed", async () => {
      const { client, gateway, one } = await overOpenAI(silence)
      const controller = new AbortController()
      const answer = client.chat.completions.create({ model: "any", messages: hello }, { signal: controller.signal })
      const asked = await one.nth(0)
      controller.abort()
      assert.instanceOf(await raised(answer), APIUserAbortError)
      await until(() => asked.dropped, "the provider's connection to be closed")
      assert.deepInclude(await gateway.line(0), { ending: "cancelled", status: 499, error: "cancelled" })
    })

    it("in mid-stream", async () => {
      const open = paced()
      const { client, gateway } = await overOpenAI(open.script)
      const answer = client.chat.completions.create({ model: "any", messages: hello, stream: true })
      await open.began
      open.write(opening + chunk({ content: "Take" }))
      for await (const { choices } of await answer) if (choices[0]?.delta.content === "Take") break
      await until(open.dropped, "the provider's connection to be closed")
      assert.strictEqual((await gateway.line(0)).ending, "cancelled")
    })
  })
})

describe("bytes over OpenAI", () => {
  // What a client may write and no parser keeps: odd spaces, escapes, numbers that are no doubles, a key twice where nobody reads it.
  const odd = (head: string): string =>
    `\n{ ${head}"seed":\t12345678901234567890 ,\r\n"messages": [ {"role":"user","content":"caf\\u00e9 \\uD83D\\uDE00 \\/ 😀 \\u0000"} ],"temperature" :1.0E0,"x":{"a":1,"a":2}, "logit_bias":{ } }\n`
  const oddAnswer = Buffer.from(
    ` {"id" : "c\\u0031","choices":[ {"index":0,"message":{"role":"assistant","content":"\\u004ceft 😀"},"finish_reason":"stop"} ],\r\n"seed":12345678901234567890,"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n\n`
  )

  it("of a whole answer are the provider's", async () => {
    const { gateway } = await overOpenAI(body(oddAnswer, { headers: { "content-type": "application/json; charset=utf-8" } }))
    const answer = await send(gateway, { body: asking() })
    assert.deepStrictEqual(answer.body, oddAnswer)
    assert.strictEqual(answer.headers["content-type"], "application/json; charset=utf-8")
    assert.strictEqual(answer.headers["content-length"], String(oddAnswer.length))
    assert.deepInclude((await gateway.line(0)).attempts?.[0], { input_tokens: 3, output_tokens: 2 })
  })

  it("of a whole answer that comes in pieces too", async () => {
    const { gateway } = await overOpenAI((response) => {
      response.writeHead(200, { "content-type": "application/json" })
      for (const byte of oddAnswer) response.write(Uint8Array.of(byte))
      response.end()
    })
    assert.deepStrictEqual((await send(gateway, { body: asking() })).body, oddAnswer)
  })

  const requests: ReadonlyArray<readonly [name: string, sent: string, expected: string]> = [
    ["the model alone differs", odd(`"model"  : "any" ,`), odd(`"model"  : "gpt-one" ,`)],
    ["an escaped name of the model is replaced", odd(String.raw`"model":"\u0061ny",`), odd(`"model":"gpt-one",`)],
    ["nothing differs where the names agree", odd(`"model":"gpt-one",`), odd(`"model":"gpt-one",`)],
    [
      "a stream is asked for its usage, at the end",
      odd(`"model":"gpt-one","stream":true,`),
      odd(`"model":"gpt-one","stream":true,`).replace("{ } }\n", `{ } ,"stream_options":{"include_usage":true}}\n`)
    ],
    [
      "in the options that are there",
      odd(`"stream_options" : { "include_obfuscation" : false } ,"stream":true,"model":"any",`),
      odd(`"stream_options" : {"include_obfuscation":false,"include_usage":true} ,"stream":true,"model":"gpt-one",`)
    ],
    [
      "in place of a no",
      odd(`"stream_options":{"include_usage":false},"stream":true,"model":"any",`),
      odd(`"stream_options":{"include_usage":true},"stream":true,"model":"gpt-one",`)
    ],
    [
      "in place of null",
      odd(`"stream_options":null,"stream":true,"model":"any",`),
      odd(`"stream_options":{"include_usage":true},"stream":true,"model":"gpt-one",`)
    ],
    [
      "a yes stays as it is written",
      odd(`"stream_options":{ "include_usage":true },"stream":true,"model":"any",`),
      odd(`"stream_options":{ "include_usage":true },"stream":true,"model":"gpt-one",`)
    ],
    ["a stream of null is none", odd(`"stream":null,"model":"any",`), odd(`"stream":null,"model":"gpt-one",`)],
    ["the last member", `{"messages":[],"model":"any"}`, `{"messages":[],"model":"gpt-one"}`]
  ]
  for (const [name, sent, expected] of requests) {
    it(`of a request: ${name}`, async () => {
      const { gateway, one } = await overOpenAI((response, heard) => {
        const script = heard.json["stream"] === true ? stream(chunks("Left")) : json(completion("Left"))
        script(response, heard)
      })
      assert.strictEqual((await send(gateway, { body: sent })).status, 200)
      const asked = await one.nth(0)
      assert.strictEqual(asked.body.toString(), expected)
      assert.strictEqual(asked.headers["content-length"], String(Buffer.byteLength(expected)))
      assert.strictEqual(asked.headers["content-type"], "application/json")
    })
  }

  const text = [
    ": keep-alive\n\n",
    opening.replaceAll("\n", "\r\n"),
    `data:${chunk({ content: "caf\u00e9 😀" }).slice(6)}`,
    ": another\n\n",
    `event: message\nid: 7\n${chunk({ content: String.raw`\u00e9 "usage"` })}`,
    chunk({ content: "[DONE]" }),
    closing
  ].join("")
  const ending = "data: [DONE]\n\n"
  const cuts: ReadonlyArray<readonly [name: string, cut: (bytes: Buffer) => Iterable<Uint8Array>]> = [
    ["in one piece", (bytes) => [bytes]],
    ["byte by byte", (bytes) => Array.from(bytes, (byte) => Uint8Array.of(byte))],
    ["in pieces of 7 bytes", (bytes) => Array.from({ length: Math.ceil(bytes.length / 7) }, (_, i) => bytes.subarray(i * 7, i * 7 + 7))]
  ]
  for (const [name, pieces] of cuts) {
    it(`of a stream, ${name}: identical but for the usage that nobody asked for`, async () => {
      const { gateway } = await overOpenAI(stream(pieces(Buffer.from(text + usageChunk + ending))))
      const answer = await send(gateway, { body: asking({ stream: true }) })
      assert.strictEqual(answer.body.toString(), text + ending)
      assert.deepInclude((await gateway.line(0)).attempts?.[0], { outcome: "served", input_tokens: 11, output_tokens: 7 })
    })

    it(`of a stream, ${name}: identical where it was asked for`, async () => {
      const { gateway } = await overOpenAI(stream(pieces(Buffer.from(text + usageChunk + ending))))
      const answer = await send(gateway, { body: asking({ stream: true, stream_options: { include_usage: true } }) })
      assert.strictEqual(answer.body.toString(), text + usageChunk + ending)
    })
  }

  it("of a stream whose usage comes with its last words: nothing is taken out", async () => {
    const last = event({ choices: [{ index: 0, delta: { content: "!" }, finish_reason: "stop" }], usage })
    const { gateway } = await overOpenAI(stream([opening, chunk({ content: "Left" }), last, done]))
    const answer = await send(gateway, { body: asking({ stream: true }) })
    assert.strictEqual(answer.body.toString(), opening + chunk({ content: "Left" }) + last + done)
    assert.strictEqual((await gateway.line(0)).attempts?.[0]?.output_tokens, 7)
  })

  it("of a stream: nothing behind the terminator", async () => {
    const { gateway } = await overOpenAI(stream([...chunks("Left"), chunk({ content: "Right" })]))
    const answer = await send(gateway, { body: asking({ stream: true }) })
    assert.isTrue(answer.body.toString().endsWith(done))
    assert.notInclude(answer.body.toString(), "Right")
  })

  it("many streams at once stay apart", async () => {
    const { gateway } = await overOpenAI((response, heard) => {
      const word = String(heard.json["messages"][0].content)
      stream(chunks(word, word, word))(response, heard)
    })
    const texts = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const messages = [{ role: "user", content: `<${i}>` }]
        return (await send(gateway, { body: asking({ stream: true, messages }) })).body.toString()
      })
    )
    for (const [i, text] of texts.entries()) assert.strictEqual(text.match(/<\d+>/g)?.join(""), `<${i}><${i}><${i}>`)
  })
})

const overClaude = async (...scripts: ReadonlyArray<Script>) => {
  const one = await startUpstream(...scripts)
  const gateway = await startGateway(policyOver({ one: { ...one, dialect: "anthropic" } }, "one"))
  return { one, gateway, client: clientOf(gateway, 0) }
}
const text = (said: string) => ({ type: "text", text: said })

describe("over Claude", () => {
  it("a plain answer, with its instructions and its settings", async () => {
    const { client, gateway, one } = await overClaude(json(message([text("Take the "), text("left one.")])))
    const { data, response } = await client.chat.completions
      .create({
        model: "any",
        messages: [
          { role: "system", content: "Be brief." },
          ...hello,
          { role: "assistant", content: "To where?" },
          { role: "user", content: "Bern" }
        ],
        temperature: 0.2,
        max_completion_tokens: 50,
        stop: ["END"],
        user: "u-1"
      })
      .withResponse()
    assert.deepStrictEqual(wire(data), {
      id: "msg_1",
      object: "chat.completion",
      created: data.created,
      model: "any",
      choices: [
        {
          index: 0,
          message: { role: "assistant", content: "Take the left one.", refusal: null },
          logprobs: null,
          finish_reason: "stop"
        }
      ],
      // Input counts what was read from the cache and what was written to it.
      usage: {
        prompt_tokens: 16,
        completion_tokens: 6,
        total_tokens: 22,
        prompt_tokens_details: { cached_tokens: 4, cache_write_tokens: 2 },
        completion_tokens_details: { reasoning_tokens: 0 }
      }
    })
    assert.isBelow(Math.abs(data.created - Date.now() / 1_000), 60)
    assert.strictEqual(response.headers.get("x-turnout-loss"), null)

    const asked = await one.nth(0)
    assert.strictEqual(asked.path, "/v1/messages")
    assert.deepInclude(asked.headers, {
      "x-api-key": secrets.ONE_KEY,
      "anthropic-version": "2023-06-01",
      "content-type": "application/json",
      "accept-encoding": "identity"
    })
    assert.strictEqual(asked.headers.authorization, undefined)
    assert.deepStrictEqual(asked.json, {
      model: "claude-sonnet-4-5",
      max_tokens: 50,
      system: "Be brief.",
      messages: [
        { role: "user", content: "Which way?" },
        { role: "assistant", content: "To where?" },
        { role: "user", content: "Bern" }
      ],
      temperature: 0.2,
      stop_sequences: ["END"],
      metadata: { user_id: "u-1" }
    })
    assert.deepInclude((await gateway.line(0)).attempts?.[0], { outcome: "served", status: 200, input_tokens: 16, output_tokens: 6 })
  })

  it("a stream", async () => {
    const { client, gateway, one } = await overClaude(
      stream([messageStart, claude("ping"), textBlock(0, "Take", " the", " left 😀"), messageEnd("end_turn")])
    )
    const { data, response } = await client.chat.completions.create({ model: "any", messages: hello, stream: true }).withResponse()
    const read = await collect(data)
    assert.strictEqual(wordsOf(read), "Take the left 😀")
    assert.strictEqual(response.headers.get("content-type"), "text/event-stream; charset=utf-8")
    assert.deepStrictEqual(read[0]?.choices[0]?.delta, { role: "assistant", content: "", refusal: null })
    assert.strictEqual(read.at(-1)?.choices[0]?.finish_reason, "stop")
    assert.isTrue(read.every((part) => part.id === "msg_1" && part.model === "any" && part.object === "chat.completion.chunk"))
    assert.isTrue(read.every((part) => part.usage === undefined))
    assert.strictEqual((await one.nth(0)).json["stream"], true)
    assert.deepInclude((await gateway.line(0)).attempts?.[0], { input_tokens: 16, output_tokens: 6 })
  })

  it("a stream with usage, where the caller asks for it", async () => {
    const { client } = await overClaude(stream([messageStart, textBlock(0, "Left"), messageEnd("end_turn")]))
    const read = await collect(
      await client.chat.completions.create({ model: "any", messages: hello, stream: true, stream_options: { include_usage: true } })
    )
    assert.deepStrictEqual(read.at(-1)?.choices, [])
    assert.deepInclude(read.at(-1)?.usage, { prompt_tokens: 16, completion_tokens: 6, total_tokens: 22 })
    assert.isTrue(read.slice(0, -1).every((part) => part.usage === null))
  })

  it("a stream ends with [DONE], however it was cut on the way", async () => {
    const bytes = Buffer.from(messageStart + textBlock(0, "Left 😀", " or right") + messageEnd("end_turn"))
    const { gateway } = await overClaude(stream(Array.from(bytes, (byte) => Uint8Array.of(byte))))
    const answer = await send(gateway, { body: asking({ stream: true }) })
    const events = answer.body.toString().split("\n\n")
    assert.deepStrictEqual(events.slice(-2), ["data: [DONE]", ""])
    const words = events.slice(0, -2).map((one) => (JSON.parse(one.slice(6)) as OpenAI.ChatCompletionChunk).choices[0]?.delta.content ?? "")
    assert.strictEqual(words.join(""), "Left 😀 or right")
  })

  it("words arrive when they are said", async () => {
    const open = paced()
    const { client } = await overClaude(open.script)
    const answer = client.chat.completions.create({ model: "any", messages: hello, stream: true })
    await open.began
    const says = (text: string): void => open.write(claude("content_block_delta", { index: 0, delta: { type: "text_delta", text } }))
    open.write(messageStart + claude("content_block_start", { index: 0, content_block: text("") }))
    says("Take")
    const heard: Array<string> = []
    for await (const { choices } of await answer) {
      const content = choices[0]?.delta.content
      if (!content) continue
      heard.push(content)
      if (heard.length === 1) says(" the")
      if (heard.length === 2) open.write(claude("content_block_stop", { index: 0 }) + messageEnd("end_turn"))
    }
    assert.deepStrictEqual(heard, ["Take", " the"])
  })

  it("tools: calls, and their results", async () => {
    const { client, one } = await overClaude(
      json(
        message(
          [
            text("Let me see."),
            { type: "tool_use", id: "toolu_1", name: "get_weather", input: { city: "Bern" } },
            { type: "tool_use", id: "toolu_2", name: "get_weather", input: {} }
          ],
          { stop_reason: "tool_use" }
        )
      ),
      json(message([text("It rains.")]))
    )
    const first = await client.chat.completions.create({
      model: "any",
      messages: hello,
      tools: [weather],
      tool_choice: { type: "function", function: { name: "get_weather" } },
      parallel_tool_calls: false
    })
    const reply = first.choices[0]!
    assert.strictEqual(reply.finish_reason, "tool_calls")
    assert.strictEqual(reply.message.content, "Let me see.")
    assert.deepStrictEqual(wire(reply.message.tool_calls), [
      { id: "toolu_1", type: "function", function: { name: "get_weather", arguments: `{"city":"Bern"}` } },
      { id: "toolu_2", type: "function", function: { name: "get_weather", arguments: "{}" } }
    ])
    assert.deepInclude((await one.nth(0)).json, {
      tools: [
        {
          name: "get_weather",
          description: "The weather in a city",
          input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] }
        }
      ],
      tool_choice: { type: "tool", name: "get_weather", disable_parallel_tool_use: true }
    })

    const second = await client.chat.completions.create({
      model: "any",
      tools: [weather],
      messages: [
        ...hello,
        reply.message,
        { role: "tool", tool_call_id: "toolu_1", content: "rain" },
        { role: "tool", tool_call_id: "toolu_2", content: "" },
        { role: "user", content: "And?" }
      ]
    })
    assert.strictEqual(second.choices[0]?.message.content, "It rains.")
    assert.deepStrictEqual((await one.nth(1)).json["messages"], [
      { role: "user", content: "Which way?" },
      {
        role: "assistant",
        content: [
          text("Let me see."),
          { type: "tool_use", id: "toolu_1", name: "get_weather", input: { city: "Bern" } },
          { type: "tool_use", id: "toolu_2", name: "get_weather", input: {} }
        ]
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "toolu_1", content: "rain" },
          { type: "tool_result", tool_use_id: "toolu_2" },
          text("And?")
        ]
      }
    ])
  })

  it("tools in a stream, with text before them", async () => {
    const call = (index: number, id: string, ...parts: ReadonlyArray<string>): string =>
      [
        claude("content_block_start", { index, content_block: { type: "tool_use", id, name: "get_weather", input: {} } }),
        ...parts.map((part) => claude("content_block_delta", { index, delta: { type: "input_json_delta", partial_json: part } })),
        claude("content_block_stop", { index })
      ].join("")
    const { client } = await overClaude(
      stream([
        messageStart,
        textBlock(0, "Let me see."),
        call(1, "toolu_1", "", `{"city":`, ` "Bern"}`),
        call(2, "toolu_2"),
        messageEnd("tool_use")
      ])
    )
    const read = await client.chat.completions.stream({ model: "any", messages: hello, tools: [weather] }).finalChatCompletion()
    const reply = read.choices[0]!
    assert.strictEqual(reply.finish_reason, "tool_calls")
    assert.strictEqual(reply.message.content, "Let me see.")
    assert.deepStrictEqual(
      reply.message.tool_calls?.map((one) => (one.type === "function" ? [one.id, one.function.name, one.function.arguments] : [])),
      [
        ["toolu_1", "get_weather", `{"city": "Bern"}`],
        ["toolu_2", "get_weather", "{}"]
      ]
    )
  })

  it("images, as data and by address", async () => {
    const { client, one } = await overClaude(json(message([text("A dot.")])))
    await client.chat.completions.create({
      model: "any",
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "What is this?" },
            { type: "image_url", image_url: { url: `data:image/png;base64,${pixel}` } },
            { type: "image_url", image_url: { url: "https://example.com/a.jpg" } }
          ]
        }
      ]
    })
    assert.deepStrictEqual((await one.nth(0)).json["messages"], [
      {
        role: "user",
        content: [
          text("What is this?"),
          { type: "image", source: { type: "base64", media_type: "image/png", data: pixel } },
          { type: "image", source: { type: "url", url: "https://example.com/a.jpg" } }
        ]
      }
    ])
  })

  it("structured output", async () => {
    const { client, one } = await overClaude(json(message([text(`{"name":"Ada","age":36}`)])))
    const read = await client.chat.completions.parse({ model: "any", messages: hello, response_format: structured })
    assert.strictEqual(read.choices[0]?.message.content, `{"name":"Ada","age":36}`)
    assert.deepStrictEqual((await one.nth(0)).json["output_config"], { format: { type: "json_schema", schema: person } })
  })

  it("reasoning, whole and in a stream", async () => {
    const thinking = { type: "thinking", thinking: "Left is shorter.", signature: "sig-1" }
    const { client, one } = await overClaude(
      json(message([thinking, text("Left")])),
      stream([
        messageStart,
        claude("content_block_start", { index: 0, content_block: { type: "thinking", thinking: "", signature: "" } }),
        claude("content_block_delta", { index: 0, delta: { type: "thinking_delta", thinking: "Left is shorter." } }),
        claude("content_block_delta", { index: 0, delta: { type: "signature_delta", signature: "sig-1" } }),
        claude("content_block_stop", { index: 0 }),
        textBlock(1, "Left"),
        messageEnd("end_turn")
      ])
    )
    const whole = await client.chat.completions.create({ model: "any", messages: hello, reasoning_effort: "low", max_tokens: 10_000 })
    assert.deepInclude(whole.choices[0]?.message as object, { content: "Left", reasoning_content: "Left is shorter." })
    assert.deepStrictEqual((await one.nth(0)).json["thinking"], { type: "enabled", budget_tokens: 2_000 })
    const read = await collect(await client.chat.completions.create({ model: "any", messages: hello, stream: true }))
    const reasons = read.map(({ choices }) => (choices[0]!.delta as { readonly reasoning_content?: string }).reasoning_content ?? "")
    assert.strictEqual(reasons.join(""), "Left is shorter.")
    assert.strictEqual(wordsOf(read), "Left")
  })

  it("what Claude has no words for is named in a header and in the record, and no more than that", async () => {
    const { client, gateway, one } = await overClaude(json(message([text("Left")])))
    const { response } = await client.chat.completions
      .create({ model: "any", messages: hello, seed: 7, frequency_penalty: 1, logprobs: true, temperature: 1.5 })
      .withResponse()
    const losses = ["frequency_penalty", "logprobs", "seed", "temperature"]
    assert.deepStrictEqual(response.headers.get("x-turnout-loss")?.split(",").toSorted(), losses)
    assert.deepStrictEqual([...((await gateway.line(0)).attempts?.[0]?.losses ?? [])].toSorted(), losses)
    assert.strictEqual((await one.nth(0)).json["temperature"], 1)
  })

  describe("reasons to stop", () => {
    const reasons: ReadonlyArray<readonly [claude: string, openai: string, lost?: boolean]> = [
      ["end_turn", "stop"],
      ["stop_sequence", "stop"],
      ["max_tokens", "length"],
      ["tool_use", "tool_calls"],
      ["refusal", "content_filter"],
      ["model_context_window_exceeded", "length"],
      ["pause_turn", "length", true],
      ["some_new_reason", "stop", true]
    ]
    for (const [reason, expected, lost = false] of reasons) {
      it(`${reason} is ${expected}`, async () => {
        const { client, gateway } = await overClaude(
          json(message([text("Left")], { stop_reason: reason })),
          stream([messageStart, textBlock(0, "Left"), messageEnd(reason)])
        )
        const whole = await client.chat.completions.create({ model: "any", messages: hello }).withResponse()
        assert.strictEqual(whole.data.choices[0]?.finish_reason, expected)
        assert.strictEqual(whole.response.headers.get("x-turnout-loss"), lost ? "stop_reason" : null)
        const read = await collect(await client.chat.completions.create({ model: "any", messages: hello, stream: true }))
        assert.deepStrictEqual(
          read.flatMap((part) => part.choices[0]?.finish_reason ?? []),
          [expected]
        )
        assert.deepStrictEqual((await gateway.line(1)).attempts?.[0]?.losses, lost ? ["stop_reason"] : undefined)
      })
    }

    it("a refusal with its explanation", async () => {
      const details = { stop_details: { type: "refusal", category: "cyber", explanation: "I cannot help with that." } }
      const { client } = await overClaude(
        json(message([], { stop_reason: "refusal", ...details })),
        stream([messageStart, messageEnd("refusal", details)])
      )
      const whole = await client.chat.completions.create({ model: "any", messages: hello })
      assert.strictEqual(whole.choices[0]?.finish_reason, "content_filter")
      assert.strictEqual(whole.choices[0]?.message.refusal, "I cannot help with that.")
      assert.strictEqual(whole.choices[0]?.message.content, null)
      const read = await client.chat.completions.stream({ model: "any", messages: hello }).finalChatCompletion()
      assert.strictEqual(read.choices[0]?.finish_reason, "content_filter")
      assert.strictEqual(read.choices[0]?.message.refusal, "I cannot help with that.")
    })

    it("an answer without a word is an answer", async () => {
      const { client, gateway } = await overClaude(json(message([])), stream([messageStart, messageEnd("end_turn")]))
      const whole = await client.chat.completions.create({ model: "any", messages: hello })
      assert.strictEqual(whole.choices[0]?.finish_reason, "stop")
      const read = await collect(await client.chat.completions.create({ model: "any", messages: hello, stream: true }))
      assert.strictEqual(wordsOf(read), "")
      assert.strictEqual(read.at(-1)?.choices[0]?.finish_reason, "stop")
      assert.strictEqual((await gateway.line(1)).ending, "served")
    })
  })

  describe("errors", () => {
    const table: ReadonlyArray<readonly [name: string, script: Script, status: number, code: string, raises: string]> = [
      ["400", claudeRefusal(400, "invalid_request_error", "max_tokens: too large"), 400, "upstream_bad_request", "BadRequestError"],
      [
        "400 for length",
        claudeRefusal(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        400,
        "context_length_exceeded",
        "BadRequestError"
      ],
      [
        "400 for credit",
        claudeRefusal(400, "invalid_request_error", "Your credit balance is too low to access the API"),
        429,
        "upstream_quota_exhausted",
        "RateLimitError"
      ],
      ["401", claudeRefusal(401, "authentication_error", "invalid x-api-key"), 502, "upstream_auth_failed", "InternalServerError"],
      ["403", claudeRefusal(403, "permission_error", "no access"), 502, "upstream_auth_failed", "InternalServerError"],
      ["404", claudeRefusal(404, "not_found_error", "model: claude-none"), 502, "upstream_auth_failed", "InternalServerError"],
      ["413", claudeRefusal(413, "request_too_large", "too large"), 413, "context_length_exceeded", "APIError"],
      ["429", claudeRefusal(429, "rate_limit_error", "Slow down", { "retry-after": "12" }), 429, "upstream_rate_limited", "RateLimitError"],
      ["500", claudeRefusal(500, "api_error", "Internal server error"), 502, "upstream_error", "InternalServerError"],
      ["504", claudeRefusal(504, "timeout_error", "Timed out"), 504, "upstream_timeout", "InternalServerError"],
      ["529", claudeRefusal(529, "overloaded_error", "Overloaded"), 503, "upstream_overloaded", "InternalServerError"]
    ]
    for (const [name, script, status, code, raises] of table) {
      it(`${name}: in OpenAI's shape, and asked once`, async () => {
        const { gateway, one } = await overClaude(script)
        for (const streamed of [false, true]) {
          // What has been said of the credential is forgotten by then.
          gateway.pass(3_600_000)
          const before = one.heard.length
          const error = await raised(clientOf(gateway).chat.completions.create({ model: "any", messages: hello, stream: streamed }))
          assert.strictEqual(error.constructor.name, raises)
          assert.deepInclude(error, { status, code })
          assert.strictEqual(error.headers?.get("retry-after"), name === "429" ? "12" : null)
          assert.strictEqual(one.heard.length, before + 1)
        }
      })
    }

    it("an `error` event before the content is an answer with a status", async () => {
      const { client, gateway } = await overClaude(
        stream([messageStart, claude("error", { error: { type: "overloaded_error", message: "Overloaded" } })])
      )
      const error = await raised(client.chat.completions.create({ model: "any", messages: hello, stream: true }))
      assert.deepInclude(error, { status: 503, code: "upstream_overloaded" })
      assert.match(error.message, /Overloaded/)
      assert.deepInclude(await gateway.line(0), { ending: "failed", status: 503 })
    })

    it("an `error` event after it ends the stream with an error", async () => {
      const { client, gateway } = await overClaude(
        stream([
          messageStart,
          claude("content_block_start", { index: 0, content_block: text("") }),
          claude("content_block_delta", { index: 0, delta: { type: "text_delta", text: "Take" } }),
          claude("error", { error: { type: "overloaded_error", message: "Overloaded" } })
        ])
      )
      const words: Array<string> = []
      const error = await raised(
        (async () => {
          for await (const { choices } of await client.chat.completions.create({ model: "any", messages: hello, stream: true }))
            words.push(choices[0]?.delta.content ?? "")
        })()
      )
      assert.strictEqual(words.join(""), "Take")
      assert.strictEqual(error.code, "upstream_overloaded")
      assert.deepInclude(await gateway.line(0), { ending: "failed", status: 200, error: "upstream_overloaded" })
    })

    it("a stream that is cut after its content ends with an error, and without [DONE]", async () => {
      const { gateway } = await overClaude(cutStream(messageStart + textBlock(0, "Take")))
      const answer = await send(gateway, { body: asking({ stream: true }) })
      assert.include(answer.body.toString(), `"code":"upstream_stream_cut"`)
      assert.notInclude(answer.body.toString(), "[DONE]")
    })

    it("an answer in another dialect is malformed", async () => {
      const { client } = await overClaude(json(completion("Left")), stream(chunks("Left")))
      for (const streamed of [false, true]) {
        const error = await raised(client.chat.completions.create({ model: "any", messages: hello, stream: streamed }))
        assert.deepInclude(error, { status: 502, code: "upstream_malformed" })
      }
    })

    it("a request that cannot be read is refused with its field, and nothing is sent", async () => {
      const { client, one } = await overClaude(json(message([text("Left")])))
      const error = await raised(
        client.chat.completions.create({ model: "any", messages: [...hello, { role: "pope" as "user", content: "Amen" }] })
      )
      assert.deepInclude(error, { status: 400, param: "messages[1].role", code: "upstream_bad_request" })
      assert.strictEqual(one.heard.length, 0)
    })
  })

  it("a caller who changes their mind in mid-stream", async () => {
    const open = paced()
    const { gateway } = await overClaude(open.script)
    const reading = openStream(gateway, asking({ stream: true }))
    await open.began
    open.write(messageStart + textBlock(0, "Take"))
    const answer = await reading
    answer.destroy()
    await until(open.dropped, "the provider's connection to be closed")
    assert.strictEqual((await gateway.line(0)).ending, "cancelled")
  })
})
