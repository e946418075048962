/**
 * The failures that were measured in other gateways, each by its name: with the recorded exchange that showed it, through every other dialect, and through the running gateway
 * where it is a matter of status codes and of what follows them. What must be there is written out for each exchange; nothing here compares the code with itself.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { CallerDialect, Dialect } from "../../src/Dialect.ts"
import { type DialectName, dialectNames } from "../../src/Providers.ts"
import { anthropic, anthropicCaller } from "../../src/providers/anthropic.ts"
import { gemini, geminiCaller } from "../../src/providers/gemini.ts"
import { openai, openaiCaller } from "../../src/providers/openai.ts"
import { responses, responsesCaller } from "../../src/providers/responses.ts"
import { answerFeatures, streamOf } from "../fixtures/answers.ts"
import { plain, requestFeatures } from "../fixtures/features.ts"
import { breaksOff, plays, refuses, type Scene } from "../http/sdk/scenes.ts"
import { event, json, type Script, send, startGateway, startUpstream, stream } from "../http/support.ts"
import { present, recorded, type Recorded } from "./recorded.ts"
import { said } from "./said.ts"
import { context, eventsOf, translate } from "./sse.ts"
import { told, type Told, toldByStream } from "./told.ts"

// A body has whatever shape its dialect gives it.
type Any = any

const targets: Readonly<Record<DialectName, Dialect>> = {
  "chat.completions": openai,
  responses,
  messages: anthropic,
  generateContent: gemini
}
const callers: Readonly<Record<DialectName, CallerDialect>> = {
  "chat.completions": openaiCaller,
  responses: responsesCaller,
  messages: anthropicCaller,
  generateContent: geminiCaller
}
const models: Readonly<Record<DialectName, string>> = {
  "chat.completions": "gpt-5.4",
  responses: "gpt-5.4",
  messages: "claude-sonnet-4-5",
  generateContent: "gemini-2.5-flash"
}
const others = (name: DialectName): ReadonlyArray<DialectName> => dialectNames.filter((other) => other !== name)

// What was recorded.

const files = { "openai-chat": "chat.completions", "anthropic-messages": "messages", "gemini-generate-content": "generateContent" } as const
type File = keyof typeof files

const exchange = (file: File, id: string): Recorded & { readonly request: { readonly body: Any; readonly url?: string } } => {
  const found = recorded(file).find((one) => one.id === id)
  if (found === undefined || found.request === null) return assert.fail(`there is no request ${id} in ${file}`)
  return found as never
}

/** A recorded request as another target is sent it. */
const sentTo = (to: DialectName, from: DialectName, body: Any, model = models[to]) => {
  const decoded = callers[from].decodeRequest({ model: "smart", ...body }, { model: "smart", stream: body.stream === true })
  if (Result.isFailure(decoded)) return assert.fail(`${decoded.failure.path}: ${decoded.failure.message}`)
  const { body: written, losses } = targets[to].encodeRequest(decoded.success, { model })
  const sent = JSON.parse(JSON.stringify(written)) as Any
  return { sent, said: said[to](sent), lost: losses.map(({ field }) => field) }
}

/** A recorded answer as a caller of another dialect gets it, read by that dialect's words. */
const answeredTo = (
  to: DialectName,
  from: DialectName,
  body: unknown
): { readonly body: Any; readonly text: string; readonly told: Told; readonly lost: ReadonlyArray<string> } => {
  if (typeof body === "string") {
    const { failure, losses, text } = translate(eventsOf(body), targets[from], callers[to], context)
    assert.isUndefined(failure)
    return { body: undefined, text, told: toldByStream[to](text), lost: losses }
  }
  const decoded = Result.getOrThrow(targets[from].decodeAnswer(body))
  const written = callers[to].encodeAnswer(decoded, context)
  return {
    body: written.body,
    text: JSON.stringify(written.body),
    told: told[to](written.body),
    lost: written.losses.map(({ field }) => field)
  }
}

const withRecorded = (
  file: File,
  id: string,
  what: string,
  run: (one: ReturnType<typeof exchange>, other: DialectName, own: DialectName) => void
): void => {
  describe.skipIf(!present(file))(`${what} (${id})`, () => {
    for (const other of others(files[file])) it(`through ${other}`, () => run(exchange(file, id), other, files[file]))
  })
}

// The gateway.

/** A provider for each dialect, all of them at one upstream. */
const open = async (to: Any = { _tag: "Asked" }, more: Any = {}) => {
  const upstream = await startUpstream(plays({ words: ["?"] }))
  const gateway = await startGateway(
    {
      name: "measured",
      providers: {
        chat: { dialect: "openai", baseUrl: `${upstream.origin}/v1`, key: { env: "A_KEY" }, speaks: ["chat.completions"] },
        responses: { dialect: "openai", baseUrl: `${upstream.origin}/v1`, key: { env: "A_KEY" }, speaks: ["responses"] },
        messages: { dialect: "anthropic", baseUrl: `${upstream.origin}/v1`, key: { env: "A_KEY" } },
        gemini: { dialect: "gemini", baseUrl: `${upstream.origin}/v1beta`, key: { env: "A_KEY" } }
      },
      targets: {
        "by-chat": { provider: "chat", model: models["chat.completions"] },
        "by-responses": { provider: "responses", model: models.responses },
        "by-messages": { provider: "messages", model: models.messages, maxOutputTokens: 8_000 },
        "by-gemini": { provider: "gemini", model: models.generateContent }
      },
      routes: [{ name: "only", to }],
      ...more
    },
    { secrets: { A_KEY: "sk-upstream-1" } as never }
  )
  return { upstream, gateway }
}
const nameOf: Readonly<Record<DialectName, string>> = {
  "chat.completions": "by-chat",
  responses: "by-responses",
  messages: "by-messages",
  generateContent: "by-gemini"
}

/** One call, as a client of the dialect makes it. */
const ask = (gateway: { readonly port: number }, from: DialectName, model: string, { body = plain[from] as Any, streams = true } = {}) =>
  from === "generateContent"
    ? send(gateway, {
        path: `/v1beta/models/${model}:${streams ? "streamGenerateContent?alt=sse" : "generateContent"}`,
        body: typeof body === "string" ? body : JSON.stringify(body)
      })
    : send(gateway, {
        path: { "chat.completions": "/v1/chat/completions", responses: "/v1/responses", messages: "/v1/messages" }[from],
        headers: from === "messages" ? { "anthropic-version": "2023-06-01" } : {},
        body: typeof body === "string" ? body : JSON.stringify({ ...body, model, ...(streams ? { stream: true } : {}) })
      })

/** Whether an error has the shape that the dialect's own provider gives it, and nothing of another's. */
const isShaped = (name: DialectName, status: number, body: Any): void => {
  const { error } = body
  assert.isString(error?.message)
  assert.notStrictEqual(error.message, "")
  switch (name) {
    case "chat.completions":
    case "responses":
      assert.deepStrictEqual(Object.keys(body), ["error"])
      assert.deepStrictEqual(Object.keys(error).toSorted(), ["code", "message", "param", "type"])
      assert.isString(error.type)
      return
    case "messages":
      assert.strictEqual(body.type, "error")
      assert.match(
        error.type,
        /^(?:invalid_request|authentication|permission|not_found|rate_limit|api|overloaded|billing|timeout)_error$|^request_too_large$/
      )
      assert.isUndefined(error.status)
      return
    case "generateContent":
      assert.deepStrictEqual(Object.keys(body), ["error"])
      assert.strictEqual(error.code, status)
      assert.match(error.status, /^[A-Z_]+$/)
      assert.isUndefined(error.type)
  }
}

/** Whether a stream ends as a client of the dialect takes for its whole. */
const isWhole = (name: DialectName, text: string): boolean => {
  const all = eventsOf(text).map(({ data }) => data)
  const last = all.at(-1) ?? ""
  switch (name) {
    case "chat.completions":
      return last === "[DONE]" && all.filter((data) => data === "[DONE]").length === 1
    case "responses":
      return /^\{"type":"response\.(?:completed|incomplete)"/.test(last)
    case "messages":
      return (JSON.parse(last || "{}") as Any).type === "message_stop"
    case "generateContent":
      return (JSON.parse(last || "{}") as Any).candidates?.[0]?.finishReason !== undefined
  }
}

/** Whether anything in a stream says that the answer is finished. */
const saysItsEnd = (name: DialectName, text: string): boolean =>
  ({
    "chat.completions": /\[DONE\]|"finish_reason":"/,
    responses: /response\.(?:completed|incomplete)/,
    messages: /message_stop|"stop_reason":"/,
    generateContent: /"finishReason"/
  })[name].test(text)

describe("parallel calls in one chunk of Gemini's stay separate calls", () => {
  withRecorded("gemini-generate-content", "rx-5d5e6dedf809903919d6", "two calls of one function", ({ response }, other, own) => {
    const { told: seen } = answeredTo(other, own, response.body)
    assert.deepStrictEqual(
      seen.calls.map(([, name, input]) => [name, input]),
      [
        ["secret_retrieval_tool", { password: "mellon" }],
        ["secret_retrieval_tool", { password: "radiance" }]
      ]
    )
    const ids = seen.calls.map(([id]) => id)
    assert.strictEqual(new Set(ids).size, 2)
    for (const id of ids) assert.match(id, /^\S+$/)
    assert.strictEqual(seen.stop, "tools")
    assert.deepStrictEqual(seen.usage, { input: 70, cached: 0, output: 121, reasoning: 81 })
  })
})

describe("an upstream 400 stays a 400, and never becomes a 200 whose stream begins", () => {
  for (const from of dialectNames) {
    for (const to of dialectNames) {
      for (const streams of [true, false]) {
        it(`${from} over ${to}, ${streams ? "streamed" : "whole"}`, async () => {
          const { gateway, upstream } = await open()
          upstream.plays(refuses(400, "the prompt is not to our taste"))
          const { headers, json: body, status } = await ask(gateway, from, nameOf[to], { streams })
          assert.strictEqual(status, 400)
          assert.match(headers["content-type"]!, /^application\/json/)
          isShaped(from, 400, body)
          assert.include(body["error"].message, "the prompt is not to our taste")
        })
      }
    }

    it(`an error that opens a stream fails the call of ${from} before anything is said`, async () => {
      const errors: Readonly<Record<DialectName, string>> = {
        "chat.completions": event({ error: { message: "we are full", type: "server_error", param: null, code: null } }),
        responses: event({ type: "error", code: "server_error", message: "we are full", param: null, sequence_number: 0 }, "error"),
        messages: event({ type: "error", error: { type: "overloaded_error", message: "we are full" } }, "error"),
        generateContent: event({ error: { code: 503, message: "we are full", status: "UNAVAILABLE" } })
      }
      for (const to of dialectNames) {
        const { gateway, upstream } = await open()
        upstream.plays(stream([errors[to]]))
        const { headers, json: body, status } = await ask(gateway, from, nameOf[to])
        assert.isAtLeast(status, 500, to)
        assert.match(headers["content-type"]!, /^application\/json/)
        isShaped(from, status, body)
      }
    })

    it.skipIf(!present("gemini-generate-content"))(
      `the recorded refusal of a key is no answer to a caller of ${from} (rx-1809a8d7d29c8a782c8c)`,
      async () => {
        const { response } = exchange("gemini-generate-content", "rx-1809a8d7d29c8a782c8c")
        assert.strictEqual(response.status, 400)
        const { gateway, upstream } = await open()
        upstream.plays(json(response.body, { status: response.status }))
        const { headers, json: body, status } = await ask(gateway, from, "by-gemini")
        // It is our key that was refused, and not the caller's.
        assert.strictEqual(status, 502)
        assert.match(headers["content-type"]!, /^application\/json/)
        isShaped(from, 502, body)
        assert.include(body["error"].message, "API key not valid")
      }
    )
  }
})

describe("system text is never folded into the user's", () => {
  const system = requestFeatures.find(({ name }) => name === "several instructions")
  for (const from of dialectNames) {
    for (const to of others(from)) {
      it(`${from} to ${to}`, () => {
        const { lost, said: there } = sentTo(to, from, (system!.asks[from] as Any).body)
        const words = there.instructions.map(({ value }) => value).join("\n")
        assert.include(words, "Be brief.")
        assert.include(words, "Be kind.")
        assert.deepStrictEqual(
          there.texts.map(({ value }) => value),
          ["Which way?"]
        )
        assert.deepStrictEqual(lost, [])
      })
    }
  }
  withRecorded("gemini-generate-content", "rx-1809a8d7d29c8a782c8c", "a role, a task and a stop sequence", ({ request }, other, own) => {
    const { lost, said: there } = sentTo(other, own, request.body)
    assert.lengthOf(there.instructions, 1)
    assert.match(there.instructions[0]!.value, /^You are Research Assistant/)
    assert.lengthOf(there.texts, 1)
    assert.match(there.texts[0]!.value, /^Current Task: What is the capital of Japan\?/)
    assert.notInclude(there.texts[0]!.value, "You are Research Assistant")
    if (other === "responses") assert.deepStrictEqual(lost, ["generationConfig.stopSequences"])
    else assert.deepStrictEqual([there.stop?.value, lost], [["\nObservation:"], []])
  })
  withRecorded("anthropic-messages", "rx-0e76f565d57b88176ac7", "a long system prompt", ({ request }, other, own) => {
    const { said: there } = sentTo(other, own, request.body)
    assert.deepStrictEqual(
      there.instructions.map(({ value }) => value),
      [request.body.system.trim()]
    )
    assert.deepStrictEqual(
      there.texts.map(({ value }) => value),
      ["Say hello in one word."]
    )
    assert.strictEqual(there.maximum?.value, 4096)
  })
})

describe("`parallel_tool_calls` and `disable_parallel_tool_use` arrive", () => {
  withRecorded("openai-chat", "rx-1b17b0005545a2788f30", "one call, of one named tool", ({ request }, other, own) => {
    const { lost, said: there, sent } = sentTo(other, own, request.body)
    const tool = "__mirascope_formatted_output_tool__"
    if (other === "responses") {
      assert.strictEqual(sent.parallel_tool_calls, false)
      assert.deepStrictEqual(sent.tool_choice, { type: "function", name: tool })
      assert.strictEqual(sent.tools[0].strict, true)
      assert.deepStrictEqual(lost, [])
    } else if (other === "messages") {
      assert.deepStrictEqual(sent.tool_choice, { type: "tool", name: tool, disable_parallel_tool_use: true })
      assert.notInclude(lost, "parallel_tool_calls")
    } else {
      assert.deepStrictEqual(sent.toolConfig.functionCallingConfig, { mode: "ANY", allowedFunctionNames: [tool] })
      assert.include(lost, "parallel_tool_calls")
    }
    assert.deepStrictEqual(
      there.texts.map(({ value }) => value),
      ["Choose a lucky number between 1 and 10", '{"output":7}', "Ok, now choose a different lucky number"]
    )
    assert.lengthOf(there.instructions, 1)
  })
  for (const to of ["chat.completions", "responses"] as const) {
    it(`from Messages to ${to}, beside each choice`, () => {
      for (const [type, expected] of [
        ["auto", undefined],
        ["any", "required"],
        ["tool", "required"]
      ] as const) {
        const { sent } = sentTo(to, "messages", {
          ...plain.messages,
          tools: [{ name: "weather", input_schema: { type: "object", properties: {} } }],
          tool_choice: { type, disable_parallel_tool_use: true, ...(type === "tool" ? { name: "weather" } : {}) }
        })
        assert.strictEqual(sent.parallel_tool_calls, false)
        if (type === "tool") assert.strictEqual(sent.tool_choice.name ?? sent.tool_choice.function?.name, "weather")
        else assert.strictEqual(sent.tool_choice === "auto" ? undefined : sent.tool_choice, expected)
      }
    })
  }
})

describe("a refusal does not disappear", () => {
  const words = "I'm very sorry, but I can't assist with that."
  withRecorded("openai-chat", "rx-fac80add0a03a9a700d5", "an empty content beside a refusal", ({ response }, other, own) => {
    const { body, lost, told: seen } = answeredTo(other, own, response.body)
    assert.strictEqual(seen.refusal === "" ? seen.text : seen.refusal, words)
    assert.strictEqual(seen.stop, "filter")
    assert.deepStrictEqual(seen.usage, { input: 64, cached: 0, output: 12, reasoning: 0 })
    assert.deepStrictEqual(lost, [])
    if (other === "responses")
      assert.deepStrictEqual(
        body.output.flatMap((item: Any) => item.content),
        [{ type: "refusal", refusal: words }]
      )
    if (other === "messages") assert.deepStrictEqual([body.content, body.stop_reason], [[{ type: "text", text: words }], "refusal"])
    if (other === "generateContent") assert.notStrictEqual(body.candidates[0].finishReason, "STOP")
  })
  const { answers } = answerFeatures.find(({ name }) => name === "refusal")!
  for (const from of ["chat.completions", "responses", "messages"] as const)
    for (const to of others(from))
      it(`streamed, ${from} to a caller of ${to}`, () => {
        const { told: seen } = answeredTo(to, from, streamOf[from](answers[from] as Any))
        assert.include(seen.refusal + seen.text, "I will not.")
        assert.strictEqual(seen.stop, "filter")
      })
})

describe("`conversation` and `previous_response_id` are not dropped", () => {
  const asking = {
    conversation: { ...plain.responses, conversation: "conv_1" },
    previous_response_id: { ...plain.responses, previous_response_id: "resp_1" }
  }
  for (const field of ["conversation", "previous_response_id"] as const) {
    for (const to of others("responses")) {
      for (const streams of [true, false])
        it(`\`${field}\` is a 400 that names it where the target speaks ${to}, ${streams ? "streamed" : "whole"}`, async () => {
          const { gateway, upstream } = await open()
          const { json: body, status } = await ask(gateway, "responses", nameOf[to], { body: asking[field], streams })
          assert.strictEqual(status, 400)
          isShaped("responses", 400, body)
          assert.strictEqual(body["error"].param, field)
          assert.include(body["error"].message, field)
          assert.lengthOf(upstream.heard, 0)
        })
    }
    it(`\`${field}\` reaches the target of the same dialect behind others`, async () => {
      const { gateway, upstream } = await open({
        _tag: "First",
        of: ["by-messages", "by-gemini", "by-responses"].map((target) => ({ _tag: "Send", target }))
      })
      const { status } = await ask(gateway, "responses", "any", { body: asking[field], streams: false })
      assert.strictEqual(status, 200)
      assert.lengthOf(upstream.heard, 1)
      assert.strictEqual(upstream.heard[0]!.path, "/v1/responses")
      assert.strictEqual(upstream.heard[0]!.json[field], asking[field][field as never])
    })
  }
})

describe("optional properties stay optional, and what may be null stays so", () => {
  withRecorded("gemini-generate-content", "rx-546a61a327f22d3be519", "a format with two optional properties", ({ request }, other, own) => {
    const { said: there, sent } = sentTo(other, own, request.body)
    const schema = there.format?.value as Any
    assert.deepStrictEqual(Object.keys(schema.properties), ["city", "country", "population"])
    assert.deepStrictEqual(schema.required, ["city"])
    for (const [name, type] of [
      ["country", "string"],
      ["population", "integer"]
    ] as const) {
      const types = schema.properties[name].anyOf?.map((one: Any) => one.type) ?? schema.properties[name].type
      assert.deepStrictEqual([...types].toSorted(), [type, "null"].toSorted(), name)
    }
    // Strict mode has every property required.
    if (other !== "messages")
      assert.notStrictEqual((other === "responses" ? sent.text.format : sent.response_format.json_schema).strict, true)
  })
  withRecorded("gemini-generate-content", "rx-26f157cde7919474eb2f", "a tool with a nullable enum", ({ request }, other, own) => {
    const { lost, said: there, sent } = sentTo(other, own, request.body)
    const [, , schema] = there.tools[0]!.value as Any
    const { status } = schema.properties
    assert.deepStrictEqual(status.enum, ["pending", "done", null])
    if (status.type !== undefined) assert.deepStrictEqual([status.type].flat().toSorted(), ["null", "string"])
    assert.deepStrictEqual(schema.required.toSorted(), ["status", "task"])
    assert.deepStrictEqual(lost, [])
    assert.notInclude(JSON.stringify(sent), "nullable")
  })
})

describe("what OpenAI's strict mode would refuse is not made strict", () => {
  const schema = {
    type: "object",
    properties: { city: { type: "string" }, days: { type: "integer" } },
    required: ["city"],
    additionalProperties: false
  }
  const closed = { ...schema, required: ["city", "days"] }
  for (const to of ["chat.completions", "responses"] as const) {
    it(`a strict tool of Messages, to ${to}`, () => {
      const ask = (input_schema: Any) =>
        sentTo(to, "messages", { ...plain.messages, tools: [{ name: "weather", strict: true, input_schema }] })
      const strictOf = ({ sent }: { readonly sent: Any }): unknown => (sent.tools[0].function ?? sent.tools[0]).strict
      const [open, whole] = [ask(schema), ask(closed)]
      assert.notStrictEqual(strictOf(open), true)
      assert.deepStrictEqual((open.said.tools[0]!.value[2] as Any).required, ["city"])
      assert.deepStrictEqual(open.lost, ["tools[0].strict"])
      assert.deepStrictEqual([strictOf(whole), whole.lost], [true, []])
    })
    it(`a format of Messages, to ${to}`, () => {
      const ask = (given: Any) =>
        sentTo(to, "messages", { ...plain.messages, output_config: { format: { type: "json_schema", schema: given } } })
      const strictOf = ({ sent }: { readonly sent: Any }): unknown => (sent.response_format?.json_schema ?? sent.text.format).strict
      const [open, whole] = [ask(schema), ask(closed)]
      assert.notStrictEqual(strictOf(open), true)
      assert.deepStrictEqual((open.said.format!.value as Any).required, ["city"])
      assert.deepStrictEqual(open.lost, ["output_config.format.schema"])
      assert.deepStrictEqual([strictOf(whole), whole.lost], [true, []])
    })
  }
})

describe("every tool result has its function's name where the caller's dialect has only ids", () => {
  const loop = requestFeatures.find(({ name }) => name === "parallel calls, their ids and results")!
  for (const from of ["chat.completions", "responses", "messages"] as const) {
    it(`${from} to generateContent`, () => {
      const { sent } = sentTo("generateContent", from, (loop.asks[from] as Any).body)
      const results = sent.contents.flatMap(({ parts }: Any) => parts).filter((part: Any) => part.functionResponse !== undefined)
      assert.deepStrictEqual(
        results.map((part: Any) => part.functionResponse.name),
        ["weather", "weather"]
      )
    })
  }
  withRecorded(
    "gemini-generate-content",
    "rx-0627b0a127e396d8ccdd",
    "calls and results that have names alone",
    ({ request }, other, own) => {
      const { said: there, sent } = sentTo(other, own, request.body)
      const made = request.body.contents.flatMap(({ parts }: Any) => parts)
      const calls = made.filter((part: Any) => part.functionCall !== undefined).map((part: Any) => part.functionCall.name)
      const results = made.filter((part: Any) => part.functionResponse !== undefined).map((part: Any) => part.functionResponse)
      assert.isAbove(calls.length, 1)
      assert.deepStrictEqual(
        there.calls.map(({ value: [name] }) => name),
        calls
      )
      // Each result answers the call before it, by an id of its own.
      assert.deepStrictEqual(
        there.results.map(({ value: [call] }) => call),
        results.map((_: unknown, index: number) => index)
      )
      results.forEach(({ response }: Any, index: number) => assert.strictEqual(there.results[index]!.value[1], response.result.trim()))
      // And back again, from ids to names.
      const again = sentTo("generateContent", other, sent).sent.contents.flatMap(({ parts }: Any) => parts)
      assert.deepStrictEqual(
        again.filter((part: Any) => part.functionResponse !== undefined).map((part: Any) => part.functionResponse.name),
        results.map(({ name }: Any) => name)
      )
    }
  )
})

describe("streamed parallel calls have distinct indexes", () => {
  const indexesIn: Readonly<Record<DialectName, (text: string) => ReadonlyArray<readonly [index: number, id: string]>>> = {
    "chat.completions": (text) =>
      dataIn(text)
        .flatMap((chunk) => chunk.choices?.[0]?.delta?.tool_calls ?? [])
        .filter((call: Any) => call.id !== undefined)
        .map((call: Any) => [call.index, call.id]),
    responses: (text) =>
      dataIn(text)
        .filter(({ item, type }) => type === "response.output_item.added" && item.type === "function_call")
        .map(({ item, output_index }) => [output_index, item.call_id]),
    messages: (text) =>
      dataIn(text)
        .filter(({ content_block: block, type }) => type === "content_block_start" && block.type === "tool_use")
        .map(({ content_block: block, index }) => [index, block.id]),
    // It has no indexes: a call is a part.
    generateContent: (text) =>
      dataIn(text)
        .flatMap((chunk) => chunk.candidates?.[0]?.content?.parts ?? [])
        .filter((part: Any) => part.functionCall !== undefined)
        .map((part: Any, index: number) => [index, part.functionCall.id])
  }
  const dataIn = (text: string): ReadonlyArray<Any> =>
    eventsOf(text)
      .filter(({ data }) => data !== "[DONE]")
      .map(({ data }) => JSON.parse(data) as Any)

  withRecorded("gemini-generate-content", "rx-dedcf1201cdb7853ce4a", "two calls in two chunks", ({ response }, other, own) => {
    const { text, told: seen } = answeredTo(other, own, response.body)
    assert.deepStrictEqual(seen.calls, [
      ["dv8szvqe", "get_weather", { location: "Boston" }],
      ["j80tal12", "get_weather", { location: "New Delhi" }]
    ])
    const found = indexesIn[other](text)
    assert.deepStrictEqual(
      found.map(([, id]) => id),
      ["dv8szvqe", "j80tal12"]
    )
    assert.strictEqual(new Set(found.map(([index]) => index)).size, 2)
    if (other === "chat.completions")
      assert.deepStrictEqual(
        found.map(([index]) => index),
        [0, 1]
      )
    assert.strictEqual(seen.stop, "tools")
    assert.deepStrictEqual(seen.usage, { input: 71, cached: 0, output: 126, reasoning: 93 })
  })
  const { answers } = answerFeatures.find(({ name }) => name === "parallel calls and their ids")!
  for (const from of dialectNames)
    for (const to of others(from))
      it(`${from} to a caller of ${to}`, () => {
        const { text } = answeredTo(to, from, streamOf[from](answers[from] as Any))
        const found = indexesIn[to](text)
        assert.deepStrictEqual(
          found.map(([, id]) => id),
          ["call_1", "call_2"]
        )
        assert.strictEqual(new Set(found.map(([index]) => index)).size, 2)
      })
})

describe("structured output and reasoning effort are not dropped without a word", () => {
  withRecorded("anthropic-messages", "rx-1da3a4e39da01ffa5295", "a format beside a strict tool", ({ request }, other, own) => {
    const {
      lost,
      said: there,
      sent
    } = sentTo(other, own, request.body, other === "generateContent" ? "gemini-3-pro-preview" : models[other])
    const schema = there.format?.value as Any
    assert.deepStrictEqual(Object.keys(schema.properties), ["integer_a", "integer_b", "answer"])
    assert.deepStrictEqual(schema.required, ["integer_a", "integer_b", "answer"])
    assert.deepStrictEqual(
      there.tools.map(({ value: [name] }) => name),
      ["customAdditionImplementation"]
    )
    if (other === "chat.completions")
      assert.deepStrictEqual([sent.tools[0].function.strict, sent.response_format.json_schema.strict], [true, true])
    if (other === "responses") assert.deepStrictEqual([sent.tools[0].strict, sent.text.format.strict], [true, true])
    assert.deepStrictEqual(lost, [])
    // An older Gemini takes no format beside tools, and that is said.
    if (other === "generateContent") assert.include(sentTo(other, own, request.body).lost.join(), "output_format")
  })
  withRecorded("openai-chat", "rx-fac80add0a03a9a700d5", "a strict format", ({ request }, other, own) => {
    const { lost, said: there } = sentTo(other, own, request.body)
    const schema = there.format?.value as Any
    assert.deepStrictEqual([Object.keys(schema.properties), schema.required], [["instructions"], ["instructions"]])
    assert.deepStrictEqual(lost, [])
  })
  withRecorded("gemini-generate-content", "rx-dedcf1201cdb7853ce4a", "an effort", ({ request }, other, own) => {
    const { lost, said: there, sent } = sentTo(other, own, request.body)
    assert.strictEqual(there.thinking?.value, "on")
    if (other === "chat.completions")
      assert.deepStrictEqual([sent.reasoning_effort, lost.every((field) => field.includes("thinkingConfig"))], ["low", true])
    if (other === "responses") assert.strictEqual(sent.reasoning.effort, "low")
    if (other === "messages") {
      assert.strictEqual(sent.thinking.type, "enabled")
      assert.isAtLeast(sent.thinking.budget_tokens, 1024)
    }
  })
})

describe("cached input and thinking are in the usage", () => {
  withRecorded(
    "anthropic-messages",
    "rx-0e76f565d57b88176ac7",
    "1,217 tokens of 1,220 from the cache, streamed",
    ({ response }, other, own) => {
      assert.deepStrictEqual(answeredTo(other, own, response.body).told.usage, { input: 1220, cached: 1217, output: 4, reasoning: 0 })
    }
  )
  withRecorded(
    "gemini-generate-content",
    "rx-0627b0a127e396d8ccdd",
    "330 tokens from the cache, and 70 thoughts",
    ({ response }, other, own) => {
      assert.deepStrictEqual(answeredTo(other, own, response.body).told.usage, { input: 557, cached: 330, output: 143, reasoning: 70 })
    }
  )
  withRecorded(
    "gemini-generate-content",
    "rx-0302d34b56e72b0ef442",
    "90 thoughts beside 8 tokens of answer",
    ({ response }, other, own) => {
      const { body, told: seen } = answeredTo(other, own, response.body)
      assert.deepStrictEqual(seen.usage, { input: 8, cached: 0, output: 98, reasoning: 90 })
      assert.strictEqual(seen.text, "The capital of France is **Paris**.")
      assert.lengthOf(seen.seals, 1, "what Gemini signed waits for its way back")
      if (other === "chat.completions") assert.strictEqual(body.usage.total_tokens, 106)
      if (other === "responses") assert.strictEqual(body.usage.total_tokens, 106)
    }
  )
})

describe("the stop reason beside tool calls is `tool calls`", () => {
  const reasons: Readonly<Record<DialectName, (body: Any) => unknown>> = {
    "chat.completions": (body) => body.choices[0].finish_reason,
    responses: (body) => body.status,
    messages: (body) => body.stop_reason,
    generateContent: (body) => body.candidates[0].finishReason
  }
  const expected = { "chat.completions": "tool_calls", responses: "completed", messages: "tool_use", generateContent: "STOP" } as const
  for (const id of ["rx-26f157cde7919474eb2f", "rx-0627b0a127e396d8ccdd"])
    withRecorded("gemini-generate-content", id, "a call that ends with STOP", ({ response }, other, own) => {
      const { body, told: seen } = answeredTo(other, own, response.body)
      assert.lengthOf(seen.calls, 1)
      assert.strictEqual(reasons[other](body), expected[other])
    })
  const { answers } = answerFeatures.find(({ name }) => name === "parallel calls and their ids")!
  for (const from of dialectNames)
    for (const to of others(from))
      it(`${from} to a caller of ${to}`, () => {
        assert.strictEqual(reasons[to](answeredTo(to, from, answers[from]).body), expected[to])
        const { text } = answeredTo(to, from, streamOf[from](answers[from] as Any))
        if (to !== "responses") assert.include(text, `"${expected[to]}"`)
        if (to === "chat.completions") assert.notInclude(text, '"finish_reason":"stop"')
        if (to === "messages") assert.notInclude(text, '"end_turn"')
      })
})

describe("`stop` beside tool calls, as some hosts of Chat Completions say it", () => {
  const { answers } = answerFeatures.find(({ name }) => name === "parallel calls and their ids")!
  const said = answers["chat.completions"] as Any
  const stopped = { ...said, choices: [{ ...said.choices[0], finish_reason: "stop" }] }
  // Its own callers get what it says.
  for (const to of others("chat.completions"))
    it(`is corrected for a caller of ${to}`, () => {
      const { body } = answeredTo(to, "chat.completions", stopped)
      const { text } = answeredTo(to, "chat.completions", streamOf["chat.completions"](stopped))
      if (to === "messages") assert.strictEqual(body.stop_reason, "tool_use")
      if (to === "messages") assert.match(text, /"stop_reason":"tool_use"/)
      if (to === "responses") assert.strictEqual(body.status, "completed")
      if (to === "generateContent") assert.strictEqual(body.candidates[0].finishReason, "STOP")
      assert.isTrue(isWhole(to, text))
    })
})

describe("a translated stream ends in its dialect's way, and one that was cut never does", () => {
  const scene: Scene = { words: ["Left ", "at the ", "points."], stop: "end" }
  for (const from of dialectNames) {
    const all = answerFeatures.flatMap(({ answers, name }) =>
      typeof answers[from] === "string" ? [] : [{ name, text: streamOf[from](answers[from] as Any) }]
    )
    for (const to of others(from)) {
      it(`every stream of ${from} to a caller of ${to}`, () => {
        for (const { name, text } of all) assert.isTrue(isWhole(to, answeredTo(to, from, text).text), name)
      })
      it(`${from} to a caller of ${to}, cut behind every event`, () => {
        for (const { name, text } of all) {
          const events = eventsOf(text)
          // The last that an answer cannot do without: a marker of the end or, of Gemini, the reason to stop.
          const last = from === "chat.completions" ? events.findIndex(({ data }) => /"finish_reason":"/.test(data)) : events.length - 1
          for (let count = 0; count <= last; count++) {
            const { failure, text: said } = translate(events.slice(0, count), targets[from], callers[to], context)
            assert.strictEqual(failure?.class, "stream-cut", `${name}, ${count} events`)
            assert.isFalse(isWhole(to, said), `${name}, ${count} events`)
          }
        }
      })
    }
    for (const to of dialectNames)
      it(`a caller of ${from} over ${to}, through the gateway, whole and cut`, async () => {
        const { gateway, upstream } = await open()
        upstream.plays(plays(scene))
        const whole = await ask(gateway, from, nameOf[to])
        assert.strictEqual(whole.status, 200)
        assert.isTrue(isWhole(from, whole.body.toString()), whole.body.toString())
        const pieces: Readonly<Record<DialectName, number>> = { "chat.completions": 3, responses: 6, messages: 5, generateContent: 2 }
        upstream.plays(breaksOff(scene, pieces[to]))
        const cut = (await ask(gateway, from, nameOf[to])).body.toString()
        assert.include(cut, "Left ")
        assert.isFalse(saysItsEnd(from, cut), cut)
        assert.include(cut, '"error"')
      })
  }
})

describe("errors come in the caller's own shape", () => {
  /** Whatever word stands beside the status. */
  const failures: ReadonlyArray<readonly [name: string, status: number, script: Script]> = [
    ["a rate limit", 429, refuses(429, "slow down")],
    ["a refused key", 502, refuses(401, "who are you")],
    ["a server's error", 502, json("<html>", { status: 500 })],
    ["broken JSON", 502, json(undefined)]
  ]
  for (const from of dialectNames) {
    for (const to of dialectNames)
      for (const [name, expected, script] of failures)
        it(`${name} of ${to}, to a caller of ${from}`, async () => {
          const { gateway, upstream } = await open()
          upstream.plays(script)
          const { json: body, status } = await ask(gateway, from, nameOf[to], { streams: false })
          assert.strictEqual(status, expected)
          isShaped(from, expected, body)
        })
    it(`the gateway's own, to a caller of ${from}`, async () => {
      const { gateway, upstream } = await open()
      const unknown = await ask(gateway, from, "nobody")
      assert.strictEqual(unknown.status, 404)
      isShaped(from, 404, unknown.json)
      const broken = await ask(gateway, from, "by-chat", { body: '{"messages": [' })
      assert.strictEqual(broken.status, 400)
      isShaped(from, 400, broken.json)
      assert.lengthOf(upstream.heard, 0)
    })
  }
})
