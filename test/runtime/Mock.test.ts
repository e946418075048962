/** The mock provider, driven by the official client where that can, and by `fetch` where the fault is below what a client shows. */
import { assert, describe, it } from "@effect/vitest"
import { OpenAI } from "openai"
import { afterAll, beforeAll, expect, vi } from "vitest"
import { example } from "../../runtime/mock/Example.ts"
import { start, startInWorker, type Running } from "../../runtime/Mock.ts"

const weather: OpenAI.ChatCompletionTool = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: {
      type: "object",
      properties: {
        city: { type: "string" },
        days: { type: "integer", minimum: 2 },
        unit: { type: "string", enum: ["celsius", "fahrenheit"] },
        note: { type: "string" }
      },
      required: ["city", "days", "unit"]
    }
  }
}
const weatherArguments = { city: "city", days: 2, unit: "celsius" }
const hello: Array<OpenAI.ChatCompletionMessageParam> = [{ role: "user", content: "What is a turnout?" }]

let mock: Running
let client: OpenAI
beforeAll(async () => {
  mock = await start({
    models: {
      "gpt-4o-mini": {},
      "org/small": {},
      slow: { firstToken: "60 millis", perToken: "1 millis" },
      endless: { perToken: "1 days" },
      limited: { fault: 429 },
      busy: { fault: 503 },
      broken: { fault: 500 },
      reset: { fault: "reset" },
      stall: { fault: "stall" },
      cut: { fault: "cut" }
    }
  })
  client = new OpenAI({ apiKey: "none", baseURL: `${mock.url}/v1`, maxRetries: 0 })
})
afterAll(() => mock.close())

const post = (body: unknown, init: RequestInit = {}) =>
  fetch(`${mock.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    ...init
  })
const setting = (path: string, init?: RequestInit) => fetch(`${mock.url}/mock/models${path}`, init)
const setTo = (name: string, model: unknown) => setting(`/${name}`, { method: "PUT", body: JSON.stringify(model) })

const collect = async <A>(items: AsyncIterable<A>): Promise<Array<A>> => {
  const all: Array<A> = []
  for await (const item of items) all.push(item)
  return all
}

/** The error with which a call fails. */
const failure = async (call: PromiseLike<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> => {
  const error = await Promise.resolve(call).then(
    () => assert.fail("the call succeeded"),
    (error: unknown) => error
  )
  assert.instanceOf(error, OpenAI.APIError)
  return error as InstanceType<typeof OpenAI.APIError>
}

describe("text", () => {
  it("names the model, echoes the question and counts tokens", async () => {
    const answer = await client.chat.completions.create({ model: "gpt-4o-mini", messages: hello })
    const text = answer.choices[0]?.message.content ?? ""
    assert.include(text, "gpt-4o-mini")
    assert.include(text, "What is a turnout?")
    assert.strictEqual(answer.model, "gpt-4o-mini")
    assert.match(answer.id, /^chatcmpl-mock-\d+$/)
    assert.strictEqual(answer.choices[0]?.finish_reason, "stop")
    assert.strictEqual(answer.usage?.prompt_tokens, Math.ceil("What is a turnout?".length / 4))
    assert.strictEqual(answer.usage?.completion_tokens, Math.ceil(Buffer.byteLength(text) / 4))
  })

  it("says the same to the same question, whole or streamed, under any prefix", async () => {
    const whole = await client.chat.completions.create({ model: "org/small", messages: hello })
    const elsewhere = new OpenAI({ apiKey: "none", baseURL: `${mock.url}/some/other/v9`, maxRetries: 0 })
    const stream = await elsewhere.chat.completions.create({
      model: "org/small",
      messages: hello,
      stream: true,
      stream_options: { include_usage: true }
    })
    let text = ""
    const [first, ...rest] = await collect(stream)
    const last = rest.pop()
    assert.strictEqual(first?.choices[0]?.delta.role, "assistant")
    for (const chunk of rest) {
      assert.isNull(chunk.usage)
      text += chunk.choices[0]?.delta.content ?? ""
    }
    assert.isAbove(rest.length, 8)
    assert.strictEqual(text, whole.choices[0]?.message.content)
    assert.strictEqual(rest.at(-1)?.choices[0]?.finish_reason, "stop")
    assert.deepStrictEqual(last?.choices, [])
    assert.deepStrictEqual(last?.usage, whole.usage)
  })

  it("reports no usage in a stream unless asked, and ends it with [DONE]", async () => {
    const response = await post({ model: "gpt-4o-mini", messages: hello, stream: true })
    assert.include(response.headers.get("content-type") ?? "", "text/event-stream")
    const text = await response.text()
    assert.notInclude(text, "usage")
    assert.isTrue(text.endsWith("data: [DONE]\n\n"))
  })

  it("stops at the maximum, between whole characters", async () => {
    const messages: typeof hello = [{ role: "user", content: "ü".repeat(200) }]
    for (const limit of [{ max_tokens: 20 }, { max_completion_tokens: 21 }]) {
      const answer = await client.chat.completions.create({ model: "gpt-4o-mini", messages, ...limit })
      assert.strictEqual(answer.choices[0]?.finish_reason, "length")
      assert.isAtMost(answer.usage?.completion_tokens ?? Infinity, Object.values(limit)[0] as number)
      assert.notInclude(answer.choices[0]?.message.content ?? "", "\ufffd")
    }
  })

  it("answers as often as `n` says", async () => {
    const answer = await client.chat.completions.create({ model: "gpt-4o-mini", messages: hello, n: 3 })
    assert.deepStrictEqual(
      answer.choices.map(({ index }) => index),
      [0, 1, 2]
    )
    assert.strictEqual(answer.usage?.completion_tokens, 3 * Math.ceil(Buffer.byteLength(answer.choices[0]?.message.content ?? "") / 4))
  })
})

describe("tools", () => {
  const ask = {
    model: "gpt-4o-mini",
    tools: [weather],
    messages: [{ role: "user", content: "Use get_weather for Oslo" }]
  } satisfies OpenAI.ChatCompletionCreateParams

  it("calls the tool that the user names, then quotes its result", async () => {
    const called = await client.chat.completions.create(ask)
    const message = called.choices[0]?.message
    const call = message?.tool_calls?.[0]
    assert.strictEqual(called.choices[0]?.finish_reason, "tool_calls")
    assert.isNull(message?.content)
    if (message === undefined || call?.type !== "function") return assert.fail("no tool call")
    assert.strictEqual(call.function.name, "get_weather")
    assert.deepStrictEqual(JSON.parse(call.function.arguments), weatherArguments)

    const messages = [...ask.messages, message, { role: "tool" as const, tool_call_id: call.id, content: "4 degrees, sleet" }]
    const answered = await client.chat.completions.create({ ...ask, messages })
    assert.include(answered.choices[0]?.message.content ?? "", "4 degrees, sleet")
    assert.strictEqual(answered.choices[0]?.finish_reason, "stop")
  })

  it("streams the same call", async () => {
    const whole = await client.chat.completions.create(ask)
    const streamed = await client.chat.completions.stream({ ...ask, stream_options: { include_usage: true } }).finalChatCompletion()
    const call = streamed.choices[0]?.message.tool_calls?.[0]
    assert.deepStrictEqual(JSON.parse(call?.type === "function" ? call.function.arguments : ""), weatherArguments)
    assert.strictEqual(streamed.choices[0]?.finish_reason, "tool_calls")
    assert.deepStrictEqual(streamed.usage, whole.usage)
  })

  it("heeds tool_choice", async () => {
    const silent = await client.chat.completions.create({ ...ask, tool_choice: "none" })
    assert.isUndefined(silent.choices[0]?.message.tool_calls)
    const unasked = await client.chat.completions.create({ ...ask, messages: hello })
    assert.isUndefined(unasked.choices[0]?.message.tool_calls)
    for (const tool_choice of ["required", { type: "function", function: { name: "get_weather" } }] as const) {
      const forced = await client.chat.completions.create({ ...ask, messages: hello, tool_choice })
      assert.strictEqual(forced.choices[0]?.message.tool_calls?.length, 1)
    }
    const unknown = await failure(
      client.chat.completions.create({ ...ask, tool_choice: { type: "function", function: { name: "nothing" } } })
    )
    assert.strictEqual(unknown.status, 400)
  })
})

describe("structured output", () => {
  it("fits the schema", async () => {
    const schema = {
      type: "object",
      properties: {
        title: { type: "string", maxLength: 3 },
        tags: { type: "array", items: { enum: ["a", "b"] }, minItems: 2 },
        score: { type: "number", maximum: 0.5 }
      },
      required: ["title", "tags", "score"],
      additionalProperties: false
    }
    const answer = await client.chat.completions.create({
      model: "gpt-4o-mini",
      messages: hello,
      response_format: { type: "json_schema", json_schema: { name: "review", strict: true, schema } }
    })
    assert.deepStrictEqual(JSON.parse(answer.choices[0]?.message.content ?? ""), { title: "tit", tags: ["a", "b"], score: 0.5 })
  })

  it("is an object for json_object", async () => {
    const answer = await client.chat.completions.create({ model: "gpt-4o-mini", messages: hello, response_format: { type: "json_object" } })
    assert.deepStrictEqual(JSON.parse(answer.choices[0]?.message.content ?? ""), { answer: "answer" })
  })

  it("follows references and ends in schemas that recurse", () => {
    const tree = {
      $defs: {
        node: { type: "object", properties: { next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] } }, required: ["next"] }
      },
      $ref: "#/$defs/node"
    }
    assert.include(JSON.stringify(example(tree)), '{"next":null}')
    const endless = {
      $defs: { node: { type: "object", properties: { a: { $ref: "#/$defs/node" }, b: { $ref: "#/$defs/node" } }, required: ["a", "b"] } },
      $ref: "#/$defs/node"
    }
    assert.isBelow(JSON.stringify(example(endless)).length, 100_000)
    const circle = { $ref: "#" }
    assert.isDefined(example(circle))
    assert.deepStrictEqual(
      example({
        allOf: [
          { properties: { a: { const: 1 } }, required: ["a"] },
          { properties: { b: { type: ["null", "boolean"] } }, required: ["b"] }
        ]
      }),
      { a: 1, b: true }
    )
    assert.deepStrictEqual(
      example({ type: "array", minItems: 3, items: { type: "integer", exclusiveMinimum: 4, multipleOf: 5 } }),
      [5, 10, 15]
    )
  })
})

describe("refusals", () => {
  it("does not know a model outside its table", async () => {
    const error = await failure(client.chat.completions.create({ model: "gpt-9", messages: hello }))
    assert.strictEqual(error.status, 404)
    assert.strictEqual(error.code, "model_not_found")
    assert.include(error.message, "`gpt-9`")
  })

  it("lists the models of its table", async () => {
    const ids = (await collect(await client.models.list())).map(({ id }) => id)
    assert.includeMembers(ids, ["gpt-4o-mini", "org/small", "slow"])
  })

  it("answers an unusable request in OpenAI's shape", async () => {
    const cases: ReadonlyArray<readonly [body: string, param: string | null]> = [
      ['{"model":', null],
      ["[]", null],
      ['{"messages":[]}', null],
      ['{"model":"gpt-4o-mini"}', "messages"],
      ['{"model":"gpt-4o-mini","messages":[]}', "messages"],
      ['{"model":"gpt-4o-mini","messages":[1]}', "messages[0]"],
      ['{"model":"gpt-4o-mini","messages":[{"role":"user"}],"max_tokens":0}', "max_tokens"]
    ]
    for (const [body, param] of cases) {
      const response = await post(undefined, { body })
      const { error } = (await response.json()) as { error: Record<string, unknown> }
      assert.strictEqual(response.status, 400, body)
      assert.strictEqual(error.type, "invalid_request_error")
      assert.strictEqual(error.param, param)
      assert.isString(error.message)
    }
    assert.strictEqual((await fetch(`${mock.url}/v1/embeddings`, { method: "POST" })).status, 404)
    assert.strictEqual((await post(undefined, { body: Buffer.alloc(64 * 1024 * 1024 + 1, " ") })).status, 413)
  })
})

describe("faults", () => {
  it("answers with the status, and with retry-after where waiting helps", async () => {
    const limited = await failure(client.chat.completions.create({ model: "limited", messages: hello }))
    assert.strictEqual(limited.status, 429)
    assert.strictEqual(limited.code, "rate_limit_exceeded")
    assert.strictEqual(limited.headers?.get("retry-after"), "1")
    const busy = await failure(client.chat.completions.create({ model: "busy", messages: hello, stream: true }))
    assert.strictEqual(busy.status, 503)
    assert.strictEqual(busy.headers?.get("retry-after"), "1")
    const broken = await failure(client.chat.completions.create({ model: "broken", messages: hello }))
    assert.strictEqual(broken.status, 500)
    assert.strictEqual(broken.type, "server_error")
    assert.isNull(broken.headers?.get("retry-after"))
  })

  it("resets the connection", async () => {
    await expect(post({ model: "reset", messages: hello })).rejects.toThrow("fetch failed")
  })

  it("stalls until the client gives up, and notices", async () => {
    const gone = new AbortController()
    const call = post({ model: "stall", messages: hello }, { signal: gone.signal })
    const openCalls = async () => ((await (await setting("/stall")).json()) as { open: number }).open
    await vi.waitFor(async () => assert.strictEqual(await openCalls(), 1))
    gone.abort()
    await expect(call).rejects.toThrow("aborted")
    await vi.waitFor(async () => assert.strictEqual(await openCalls(), 0))
  })

  it("ends a stream half-way without finish and terminator", async () => {
    const whole = await (await post({ model: "gpt-4o-mini", messages: hello, stream: true })).text()
    const text = await (await post({ model: "cut", messages: hello, stream: true })).text()
    assert.isAbove(text.split("data: ").length, 5)
    assert.isBelow(text.length, whole.length * 0.7)
    assert.notInclude(text, "[DONE]")
    assert.notInclude(text, '"finish_reason":"stop"')
    const short = await (await post({ model: "cut", messages: hello, stream: true, max_tokens: 1 })).text()
    assert.notInclude(short, "[DONE]")
  })

  it("closes the connection half-way through a body", async () => {
    const response = await post({ model: "cut", messages: hello })
    assert.strictEqual(response.status, 200)
    await expect(response.text()).rejects.toThrow("terminated")
  })
})

describe("time", () => {
  it("waits before the first token and between tokens, streamed or not", async () => {
    for (const stream of [false, true]) {
      const begun = performance.now()
      await (await post({ model: "slow", messages: hello, stream })).text()
      // Timers may fire a millisecond early.
      assert.isAtLeast(performance.now() - begun, 59)
    }
  })

  it("sends each token when its time has come, and clears its timer when the client leaves", async () => {
    const gone = new AbortController()
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length
    const openCalls = async () => ((await (await setting("/endless")).json()) as { open: number }).open
    const calls = 20
    for (let call = 0; call < calls; call++) {
      const response = await post({ model: "endless", messages: hello, stream: true }, { signal: gone.signal })
      const { value } = (await response.body?.getReader().read()) ?? {}
      assert.include(Buffer.from(value ?? []).toString(), '"content":"This"')
    }
    assert.strictEqual(await openCalls(), calls)
    const before = timers()
    gone.abort()
    await vi.waitFor(async () => assert.strictEqual(await openCalls(), 0))
    assert.isBelow(timers(), before - calls / 2)
  })
})

describe("settings", () => {
  it("changes a model while it runs, and restores it", async () => {
    const call = () => post({ model: "org/small", messages: hello }).then(async (response) => (await response.text(), response.status))
    const state = async () =>
      ((await (await setting("")).json()) as { models: Record<string, Record<string, unknown>> }).models["org/small"]
    const calls = Number((await state())?.calls)
    assert.strictEqual((await setTo("org%2Fsmall", { fault: 418 })).status, 200)
    assert.strictEqual(await call(), 418)
    assert.deepStrictEqual(await state(), { fault: 418, changed: true, calls: calls + 1, open: 0 })
    assert.strictEqual((await setting("/org/small", { method: "DELETE" })).status, 200)
    assert.strictEqual(await call(), 200)
    assert.deepStrictEqual(await state(), { changed: false, calls: calls + 2, open: 0 })
  })

  it("adds a model and takes it away", async () => {
    await setTo("new", {})
    assert.strictEqual((await client.chat.completions.create({ model: "new", messages: hello })).model, "new")
    await setting("/new", { method: "DELETE" })
    assert.strictEqual((await failure(client.chat.completions.create({ model: "new", messages: hello }))).status, 404)
  })

  it("says what is wrong with a model", async () => {
    const cases: ReadonlyArray<readonly [body: string, message: string]> = [
      ['{"firstToken":"soon"}', "60 seconds"],
      ['{"fault":200}', "fault"],
      ['{"latency":"1 seconds"}', "latency"],
      ["{", "not JSON"]
    ]
    for (const [body, message] of cases) {
      const response = await setting("/gpt-4o-mini", { method: "PUT", body })
      assert.strictEqual(response.status, 400)
      assert.include(((await response.json()) as { error: { message: string } }).error.message, message)
    }
    assert.strictEqual((await setting("/%", { method: "DELETE" })).status, 400)
    assert.strictEqual((await setting("/gpt-4o-mini", { method: "POST" })).status, 405)
  })
})

describe("servers", () => {
  it("knows every model where its table is empty", async () => {
    const open = await start()
    try {
      await fetch(`${open.url}/mock/models/other`, { method: "PUT", body: '{"fault":500}' })
      const anyModel = new OpenAI({ apiKey: "none", baseURL: `${open.url}/v1`, maxRetries: 0 })
      assert.strictEqual((await anyModel.chat.completions.create({ model: "whatever", messages: hello })).model, "whatever")
    } finally {
      await open.close()
    }
  })

  it("runs in a worker, and stops when told", async () => {
    const inWorker = await startInWorker({ models: { "gpt-4o-mini": {} } })
    const ask = () => fetch(`${inWorker.url}/v1/models`)
    assert.strictEqual((await ask()).status, 200)
    await inWorker.close()
    await expect(ask()).rejects.toThrow("fetch failed")
  })

  it("says which port is in use", async () => {
    const port = Number(new URL(mock.url).port)
    await expect(start({ port })).rejects.toThrow(`127.0.0.1:${port}: the port is in use`)
    await expect(startInWorker({ port })).rejects.toThrow(`127.0.0.1:${port}: the port is in use`)
  })
})
