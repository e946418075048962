/**
 * Providers of every dialect that answer what is no answer, to callers of every dialect: the caller sees a failure in its own shape, which its official library raises on, and never what
 * looks like the end of an answer. Before the first content another target answers instead. And what callers themselves get wrong.
 */
import { assert, describe, it } from "@effect/vitest"
import type { PolicyEncoded } from "../../src/Policy.ts"
import { type DialectName, dialectNames } from "../../src/Providers.ts"
import { chatDriver } from "./sdk/chat.ts"
import type { Driver } from "./sdk/driver.ts"
import { geminiDriver } from "./sdk/gemini.ts"
import { messagesDriver } from "./sdk/messages.ts"
import { responsesDriver } from "./sdk/responses.ts"
import { piecesOf, plays, type Scene } from "./sdk/scenes.ts"
import {
  type Answered,
  body,
  cutStream,
  event,
  json,
  type Script,
  send,
  type Sent,
  startGateway,
  startUpstream,
  stream,
  until
} from "./support.ts"

type Json = Readonly<Record<string, unknown>>

const drivers: Readonly<Record<DialectName, (url: string) => Driver>> = {
  "chat.completions": chatDriver,
  responses: responsesDriver,
  messages: messagesDriver,
  generateContent: geminiDriver
}

const say = [{ role: "user", content: "Which way?" }]

/** A request of each dialect, by hand. */
const asks: Readonly<Record<DialectName, (model: string, stream: boolean) => Sent>> = {
  "chat.completions": (model, stream) => ({ path: "/v1/chat/completions", body: JSON.stringify({ model, messages: say, stream }) }),
  responses: (model, stream) => ({ path: "/v1/responses", body: JSON.stringify({ model, input: "Which way?", stream }) }),
  messages: (model, stream) => ({ path: "/v1/messages", body: JSON.stringify({ model, max_tokens: 100, messages: say, stream }) }),
  generateContent: (model, stream) => ({
    path: `/v1beta/models/${model}:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    body: JSON.stringify({ contents: [{ role: "user", parts: [{ text: "Which way?" }] }] })
  })
}

interface Told {
  readonly code: unknown
  readonly message: unknown
  readonly param?: unknown
}

/** What an error says in each dialect's shape; undefined where that is not its shape. */
const errors: Readonly<Record<DialectName, (json: any, status: number) => Told | undefined>> = {
  "chat.completions": (json) =>
    json?.error?.type !== undefined && "param" in json.error
      ? { code: json.error.code, message: json.error.message, param: json.error.param }
      : undefined,
  responses: (json) =>
    json?.error?.type !== undefined && "param" in json.error
      ? { code: json.error.code, message: json.error.message, param: json.error.param }
      : undefined,
  messages: (json) =>
    json?.type === "error" && typeof json.error?.type === "string"
      ? { code: json.error.details?.error_code, message: json.error.message, param: json.error.param }
      : undefined,
  generateContent: (json, status) =>
    json?.error?.code === status && /^[A-Z_]+$/.test(json.error.status)
      ? {
          code: json.error.details?.[0]?.reason,
          message: json.error.message,
          param: json.error.details?.find((one: any) => one["@type"].endsWith("BadRequest"))?.fieldViolations[0].field
        }
      : undefined
}

/** What must not stand in a stream that has failed. */
const endings: Readonly<Record<DialectName, RegExp>> = {
  "chat.completions": /\[DONE\]|"finish_reason":"/,
  responses: /response\.(?:completed|incomplete)/,
  messages: /message_stop|"stop_reason":"/,
  generateContent: /"finishReason"/
}

/** The error that ends a stream. */
const lastWords: Readonly<Record<DialectName, (text: string) => Told | undefined>> = {
  "chat.completions": (text) => errors["chat.completions"](JSON.parse(/data: (\{"error":.*\})\n\n$/.exec(text)?.[1] ?? "null"), 0),
  responses: (text) => JSON.parse(/event: error\ndata: (\{"type":"error",.*\})\n\n$/.exec(text)?.[1] ?? "null") ?? undefined,
  messages: (text) => errors.messages(JSON.parse(/event: error\ndata: (\{.*\})\n\n$/.exec(text)?.[1] ?? "null"), 0),
  generateContent: (text) => {
    const found = JSON.parse(/(\{"error":.*\})$/.exec(text)?.[1] ?? "null")
    return errors.generateContent(found, found?.error?.code)
  }
}

const scene: Scene = { words: ["Left ", "at the ", "points."] }

/** The beginning of a stream, before and after its first content. */
const partsOf = (dialect: DialectName): readonly [opening: ReadonlyArray<string>, begun: ReadonlyArray<string>] => {
  const pieces = piecesOf(dialect, scene)
  const first = pieces.findIndex((piece) => piece.includes("Left "))
  return [pieces.slice(0, first), pieces.slice(0, first + 1)]
}

const busy = "come back later"

/** How a provider of each dialect says, in an answer with status 200, that it is busy. */
const busyBody: Readonly<Record<DialectName, Json>> = {
  "chat.completions": { error: { message: busy, type: "rate_limit_error", param: null, code: "rate_limit_exceeded" } },
  responses: {
    id: "resp_1",
    object: "response",
    status: "failed",
    error: { code: "rate_limit_exceeded", message: busy },
    output: [],
    usage: null
  },
  messages: { type: "error", error: { type: "rate_limit_error", message: busy }, request_id: "req_1" },
  generateContent: { error: { code: 429, message: busy, status: "RESOURCE_EXHAUSTED" } }
}

/** And in a stream. */
const busyEvents: Readonly<Record<DialectName, ReadonlyArray<string>>> = {
  "chat.completions": [event(busyBody["chat.completions"])],
  responses: [
    event({ type: "response.failed", sequence_number: 9, response: busyBody.responses }, "response.failed"),
    event({ type: "error", sequence_number: 9, code: "rate_limit_exceeded", message: busy, param: null }, "error"),
    event({ type: "error", sequence_number: 9, error: { type: "rate_limit_error", code: "rate_limit_exceeded", message: busy } }, "error")
  ],
  messages: [event(busyBody.messages, "error")],
  // With the framing, and bare, as Google sends it.
  generateContent: [event(busyBody.generateContent), JSON.stringify(busyBody.generateContent)]
}

interface Fault {
  readonly name: string
  readonly script: (dialect: DialectName) => Script
  readonly status: number
  readonly code: string
}

const page = "<!doctype html><title>502</title><h1>Somebody's proxy</h1>"
const html = { headers: { "content-type": "text/html; charset=utf-8" } }
const sse = { headers: { "content-type": "text/event-stream" } }
const malformed = { status: 502, code: "upstream_malformed" }
const cut = { status: 502, code: "upstream_stream_cut" }
const limited = { status: 429, code: "upstream_rate_limited" }

const whole: ReadonlyArray<Fault> = [
  { name: "a page", script: () => body(page, html), ...malformed },
  { name: "a page that calls itself JSON", script: () => body(page), ...malformed },
  { name: "nothing", script: () => body(""), ...malformed },
  { name: "broken JSON", script: () => body(`{"id":"x","choices":[{"mess`), ...malformed },
  { name: "JSON that is no object", script: () => body(`"ok"`), ...malformed },
  { name: "null", script: () => body("null"), ...malformed },
  { name: "a list", script: () => body("[]"), ...malformed },
  { name: "bytes that are no UTF-8", script: () => body(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)), ...malformed },
  { name: "an error with status 200", script: (dialect) => json(busyBody[dialect]), ...limited }
]

const oversized = `data: {"filler":"${"x".repeat(9 * 1024 * 1024)}`

/** Before the first content. */
const early: ReadonlyArray<Fault> = [
  { name: "a page", script: () => body(page, html), ...malformed },
  { name: "nothing", script: () => body(""), ...malformed },
  { name: "an empty stream", script: () => body("", sse), ...cut },
  { name: "a stream of a page", script: () => body(page, sse), ...cut },
  { name: "broken JSON", script: () => body(`{"id":"x","choices":[{"mess`), ...malformed },
  { name: "an event that is no JSON", script: (dialect) => stream([...partsOf(dialect)[0], 'data: {"id":\n\n']), ...malformed },
  { name: "no more than an opening", script: (dialect) => stream(partsOf(dialect)[0]), ...cut },
  { name: "an error with status 200", script: (dialect) => json(busyBody[dialect]), ...limited },
  { name: "an event without end", script: (dialect) => stream([...partsOf(dialect)[0], oversized]), ...malformed }
]

/** How streams end where their end holds nothing of the answer. */
const terminators: Partial<Readonly<Record<DialectName, string>>> = {
  "chat.completions": event("[DONE]"),
  messages: event({ type: "message_stop" }, "message_stop")
}

/** After it. */
const late: ReadonlyArray<Fault> = [
  { name: "an event that is no JSON", script: (dialect) => stream([...partsOf(dialect)[1], 'data: {"id":\n\n']), ...malformed },
  { name: "a stream without its terminator", script: (dialect) => stream(partsOf(dialect)[1]), ...cut },
  { name: "a lost connection", script: (dialect) => cutStream(partsOf(dialect)[1].join("")), ...cut },
  { name: "an event without end", script: (dialect) => stream([...partsOf(dialect)[1], oversized]), ...malformed }
]

const begin = async (target: DialectName, script: Script) => {
  const bad = await startUpstream(script)
  const good = await startUpstream(plays(scene))
  const key = { env: "ONE_KEY" }
  const providers: PolicyEncoded["providers"] = {
    "chat.completions": { dialect: "openai", baseUrl: `${bad.origin}/v1`, key, speaks: ["chat.completions"] },
    responses: { dialect: "openai", baseUrl: `${bad.origin}/v1`, key, speaks: ["responses"] },
    messages: { dialect: "anthropic", baseUrl: `${bad.origin}/v1`, key },
    generateContent: { dialect: "gemini", baseUrl: `${bad.origin}/v1beta`, key }
  }
  const gateway = await startGateway({
    name: "test",
    providers: { bad: providers[target]!, good: { dialect: "openai", baseUrl: `${good.origin}/v1`, key, speaks: ["chat.completions"] } },
    targets: { bad: { provider: "bad", model: "m-1", maxOutputTokens: 1_000 }, good: { provider: "good", model: "m-2" } },
    routes: [
      { name: "both", when: { "===": [{ var: "request.model" }, "both"] }, to: { _tag: "First", of: ["bad", "good"] } },
      { name: "only", to: { _tag: "Asked" } }
    ]
  })
  return { gateway, bad, good }
}

type Begun = Awaited<ReturnType<typeof begin>>

/** What the official library raises. */
const raised = async (caller: DialectName, { gateway }: Begun, stream: boolean): Promise<any> =>
  drivers[caller](gateway.url)
    .ask({ model: "bad", text: "Which way?", stream })
    .then((seen) => assert.fail(`it looks like an answer: ${JSON.stringify(seen)}`))
    .catch((error: unknown) => error)

const inShape = (caller: DialectName, { json: told, status }: Answered): Told => {
  const error = errors[caller](told, status)
  assert.isDefined(error, JSON.stringify(told))
  assert.isTrue(typeof error!.message === "string" && error!.message !== "")
  return error!
}

/** A fault that nobody has seen anything of: a status for who asked for this target alone, and the other target's answer for who did not. */
const refusedOrReplaced = async (caller: DialectName, begun: Begun, stream: boolean, { code, status }: Fault) => {
  const { bad, gateway, good } = begun
  const answer = await send(gateway, asks[caller]("bad", stream))
  assert.strictEqual(answer.status, status, answer.body.toString().slice(0, 500))
  assert.strictEqual(inShape(caller, answer).code, code)
  assert.deepInclude(await gateway.line(0), { ending: "failed", status, error: code })
  const error = await raised(caller, begun, stream)
  assert.strictEqual(error.status, status, String(error))
  // What has happened to the first target so far does not keep it out.
  gateway.pass(600_000)
  const count = bad.heard.length
  const replaced = await drivers[caller](gateway.url).ask({ model: "both", text: "Which way?", stream })
  assert.strictEqual(replaced.text, "Left at the points.")
  assert.strictEqual(bad.heard.length, count + 1)
  assert.strictEqual(good.heard.length, 1)
  assert.deepInclude(gateway.lines.at(-1), { ending: "served", target: "good" })
}

for (const caller of dialectNames) {
  for (const target of dialectNames) {
    describe(`${caller} over ${target}`, () => {
      for (const fault of whole) {
        it(`${fault.name}, whole`, async () => refusedOrReplaced(caller, await begin(target, fault.script(target)), false, fault))
      }
      for (const fault of early) {
        it(`${fault.name}, streamed`, async () => refusedOrReplaced(caller, await begin(target, fault.script(target)), true, fault))
      }
      const terminator = terminators[target]
      if (terminator !== undefined) {
        const script = () => stream([": hello\n\n", terminator])
        it("a terminator and nothing else, streamed", async () =>
          refusedOrReplaced(caller, await begin(target, script()), true, { name: "", script, ...malformed }))
      }
      for (const [n, text] of busyEvents[target].entries()) {
        const scripts = (at: 0 | 1) => stream([...partsOf(target)[at], text])
        it(`an error event before the first content (${n})`, async () =>
          refusedOrReplaced(caller, await begin(target, scripts(0)), true, { name: "", script: () => scripts(0), ...limited }))

        it(`an error event after it (${n})`, async () => brokenOff(caller, await begin(target, scripts(1)), "upstream_rate_limited"))
      }
      for (const { code, name, script } of late) {
        it(`${name}, after the first content`, async () => brokenOff(caller, await begin(target, script(target)), code))
      }
    })
  }
}

/** A fault in the middle of an answer: the caller keeps what it has, and is told that it is not all. */
const brokenOff = async (caller: DialectName, begun: Begun, code: string): Promise<void> => {
  const { gateway, good } = begun
  const answer = await send(gateway, asks[caller]("both", true))
  assert.strictEqual(answer.status, 200)
  const text = answer.body.toString()
  assert.include(text, "Left ")
  assert.notMatch(text, endings[caller])
  assert.strictEqual(lastWords[caller](text)?.code, code, text.slice(-600))
  assert.deepInclude(await gateway.line(0), { ending: "failed", status: 200, error: code })
  assert.strictEqual(gateway.lines[0]!.attempts![0]!.committed, true)
  assert.strictEqual(good.heard.length, 0)
  const error = await raised(caller, begun, true)
  assert.instanceOf(error, Error)
  await until(() => gateway.lines.length === 2, "the second line")
  assert.strictEqual(gateway.lines[1]!.ending, "failed")
}

describe("what callers get wrong", () => {
  interface Wrong {
    readonly name: string
    readonly sent: (dialect: DialectName) => Sent
    readonly status: number
    readonly code: string
    /** What is blamed. */
    readonly param?: Readonly<Record<DialectName, string>>
  }
  const of = (dialect: DialectName, more: Json, without?: string): Sent => {
    const { body: text, path = "" } = asks[dialect]("bad", false)
    const { [without ?? ""]: _, ...rest } = JSON.parse(text as string) as Json
    return { path, body: JSON.stringify({ ...rest, ...more }) }
  }
  const same = (param: string) => Object.fromEntries(dialectNames.map((name) => [name, param])) as Record<DialectName, string>
  const table: ReadonlyArray<Wrong> = [
    { name: "broken JSON", sent: (dialect) => ({ ...asks[dialect]("bad", false), body: `{"model":` }), status: 400, code: "invalid_json" },
    { name: "nothing", sent: (dialect) => ({ ...asks[dialect]("bad", false), body: "" }), status: 400, code: "invalid_json" },
    { name: "a list", sent: (dialect) => ({ ...asks[dialect]("bad", false), body: "[]" }), status: 400, code: "invalid_request" },
    {
      name: "a key twice",
      sent: (dialect) => ({ ...asks[dialect]("bad", false), body: `{"model":"bad","x":1,"x":2}` }),
      status: 400,
      code: "duplicate_key",
      param: same("x")
    },
    {
      name: "another type of content",
      sent: (dialect) => ({ ...asks[dialect]("bad", false), headers: { "content-type": "text/plain" } }),
      status: 415,
      code: "unsupported_media_type"
    },
    {
      name: "too many bytes",
      sent: (dialect) => of(dialect, { filler: "x".repeat(2_100_000) }),
      status: 413,
      code: "body_too_large"
    },
    {
      name: "a model that nobody has",
      sent: (dialect) => asks[dialect]("nobody", false),
      status: 404,
      code: "model_not_found",
      param: same("model")
    },
    {
      name: "no model",
      sent: (dialect) => of(dialect, {}, "model"),
      status: 400,
      code: "missing_model",
      param: same("model")
    },
    {
      name: "no conversation",
      sent: (dialect) =>
        of(dialect, {}, { "chat.completions": "messages", responses: "input", messages: "messages", generateContent: "contents" }[dialect]),
      status: 400,
      code: "invalid_request",
      param: { "chat.completions": "messages", responses: "input", messages: "messages", generateContent: "contents" }
    },
    {
      name: "a conversation of another type",
      sent: (dialect) => of(dialect, { messages: 7, input: 7, contents: 7 }),
      status: 400,
      code: "invalid_request",
      param: { "chat.completions": "messages", responses: "input", messages: "messages", generateContent: "contents" }
    },
    {
      name: "wrong types further down",
      sent: (dialect) =>
        of(
          dialect,
          dialect === "responses"
            ? { input: [{ role: "user", content: [{ type: "input_text", text: 7 }] }] }
            : dialect === "generateContent"
              ? { contents: [{ role: "user", parts: [{ text: 7 }] }] }
              : { messages: [{ role: "user", content: [{ type: "text", text: 7 }] }] }
        ),
      status: 400,
      code: "",
      param: {
        "chat.completions": "messages[0].content[0].text",
        responses: "input[0].content[0].text",
        messages: "messages[0].content[0].text",
        generateContent: "contents[0].parts[0].text"
      }
    },
    {
      name: "a picture that is none",
      sent: (dialect) =>
        of(
          dialect,
          dialect === "responses"
            ? { input: [{ role: "user", content: [{ type: "input_image", image_url: "data:image/png;base64,SGVsbG8=" }] }] }
            : dialect === "generateContent"
              ? { contents: [{ role: "user", parts: [{ inlineData: { mimeType: "image/png", data: "SGVsbG8=" } }] }] }
              : dialect === "messages"
                ? {
                    messages: [
                      { role: "user", content: [{ type: "image", source: { type: "base64", media_type: "image/png", data: "SGVsbG8=" } }] }
                    ]
                  }
                : { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:image/png;base64,SGVsbG8=" } }] }] }
        ),
      status: 400,
      code: "",
      param: {
        "chat.completions": "messages[0].content[0]",
        responses: "input[0].content[0]",
        messages: "messages[0].content[0]",
        generateContent: "contents[0].parts[0]"
      }
    }
  ]
  for (const caller of dialectNames) {
    for (const { code, name, param, sent, status } of table) {
      // An address without a model is no address of that API.
      if (caller === "generateContent" && code === "missing_model") continue
      it(`${caller}: ${name}`, async () => {
        // What is not the gateway's to judge goes on to its own provider, so another dialect's is asked.
        const target = caller === "messages" ? "chat.completions" : "messages"
        const { bad, gateway } = await limitedTo(target)
        const answer = await send(gateway, sent(caller))
        assert.strictEqual(answer.status, status, answer.body.toString())
        const told = inShape(caller, answer)
        if (code !== "") assert.strictEqual(told.code, code)
        if (param !== undefined)
          assert.isTrue(told.param === param[caller] || String(told.message).includes(param[caller]), JSON.stringify(told))
        const line = await gateway.line(0)
        assert.strictEqual(line.status, status)
        assert.strictEqual(bad.heard.length, 0)
      })
    }
  }
})

const limitedTo = async (target: DialectName) => {
  const bad = await startUpstream(plays(scene))
  const key = { env: "ONE_KEY" }
  const gateway = await startGateway(
    {
      name: "test",
      providers: {
        bad:
          target === "messages"
            ? { dialect: "anthropic", baseUrl: `${bad.origin}/v1`, key }
            : { dialect: "openai", baseUrl: `${bad.origin}/v1`, key, speaks: ["chat.completions"] }
      },
      targets: { bad: { provider: "bad", model: "m-1", maxOutputTokens: 1_000 } },
      routes: [{ name: "only", to: { _tag: "Asked" } }]
    },
    { maxBodyBytes: 2_000_000 }
  )
  return { gateway, bad }
}
