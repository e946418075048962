/**
 * Streams and answers that are broken in the middle, in the caller's own dialect and in another: what is not one whole JSON object never reaches a caller, and what providers really
 * send beside their events does not harm.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { CallerDialect, Dialect } from "../../src/Dialect.ts"
import type { PolicyEncoded } from "../../src/Policy.ts"
import { type DialectName, dialectNames } from "../../src/Providers.ts"
import { anthropic, anthropicCaller } from "../../src/providers/anthropic.ts"
import { gemini, geminiCaller } from "../../src/providers/gemini.ts"
import { openai, openaiCaller } from "../../src/providers/openai.ts"
import { responses, responsesCaller } from "../../src/providers/responses.ts"
import { SseSplitter } from "../../src/Sse.ts"
import { piecesOf, type Scene } from "../http/sdk/scenes.ts"
import { json, type Script, send, type Sent, startGateway, startUpstream, stream } from "../http/support.ts"
import { context, eventsOf, translate } from "./sse.ts"

const say = [{ role: "user", content: "Which way?" }]

const asks: Readonly<Record<DialectName, (stream: boolean) => Sent>> = {
  "chat.completions": (stream) => ({
    path: "/v1/chat/completions",
    body: JSON.stringify({ model: "bad", messages: say, stream, stream_options: stream ? { include_usage: true } : undefined })
  }),
  responses: (stream) => ({ path: "/v1/responses", body: JSON.stringify({ model: "bad", input: "Which way?", stream }) }),
  messages: (stream) => ({ path: "/v1/messages", body: JSON.stringify({ model: "bad", max_tokens: 100, messages: say, stream }) }),
  generateContent: (stream) => ({
    path: `/v1beta/models/bad:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    body: JSON.stringify({ contents: [{ role: "user", parts: [{ text: "Which way?" }] }] })
  })
}

const begin = async (target: DialectName, script: Script) => {
  const bad = await startUpstream(script)
  const key = { env: "ONE_KEY" }
  const providers: PolicyEncoded["providers"] = {
    "chat.completions": { dialect: "openai", baseUrl: `${bad.origin}/v1`, key, speaks: ["chat.completions"] },
    responses: { dialect: "openai", baseUrl: `${bad.origin}/v1`, key, speaks: ["responses"] },
    messages: { dialect: "anthropic", baseUrl: `${bad.origin}/v1`, key },
    generateContent: { dialect: "gemini", baseUrl: `${bad.origin}/v1beta`, key }
  }
  return startGateway({
    name: "test",
    providers: { bad: providers[target]! },
    targets: { bad: { provider: "bad", model: "m-1", maxOutputTokens: 1_000 } },
    routes: [{ name: "only", to: { _tag: "Asked" } }]
  })
}

const scene: Scene = { words: ["Left ", "via Ostkreuz ", "points."] }
const pieces: Readonly<Record<DialectName, ReadonlyArray<string>>> = Object.fromEntries(
  dialectNames.map((name) => [name, piecesOf(name, scene)])
) as Record<DialectName, ReadonlyArray<string>>
/** Where the piece that is broken lies: behind the first content. */
const middle = (name: DialectName): number => pieces[name].findIndex((piece) => piece.includes("via Ostkreuz "))

const encoder = new TextEncoder()

/** The bytes of a text in which one piece of text is other bytes. */
const garbled = (text: string, words: string, bytes: ReadonlyArray<number>): Uint8Array => {
  const at = text.indexOf(words)
  return Uint8Array.from([...encoder.encode(text.slice(0, at)), ...bytes, ...encoder.encode(text.slice(at + words.length))])
}

/** The event's data changed, its name and its framing kept. */
const withData = (piece: string, change: (data: string) => string): string =>
  piece.replace(/data: (.*)/, (_, data: string) => `data: ${change(data)}`)

const damages: ReadonlyArray<readonly [name: string, damage: (piece: string) => string | Uint8Array]> = [
  ["cut in its text", (piece) => withData(piece, (data) => data.slice(0, data.indexOf("via Ostkreuz ") + 4))],
  ["cut before its last brace", (piece) => withData(piece, (data) => data.slice(0, -1))],
  ["with one brace too many", (piece) => withData(piece, (data) => `${data}}`)],
  ["with the beginning of another behind it", (piece) => withData(piece, (data) => `${data}{"id":"x`)],
  ["twice in one line", (piece) => withData(piece, (data) => data + data)],
  ["without a quote", (piece) => withData(piece, (data) => data.replace(`"via Ostkreuz "`, `"via Ostkreuz `))],
  ["with a line break in a string", (piece) => withData(piece, (data) => data.replace("via Ostkreuz ", "via\ndata: Ostkreuz "))],
  ["that is a text", (piece) => withData(piece, () => `"via Ostkreuz "`)],
  ["that is a list", (piece) => withData(piece, (data) => `[${data}]`)],
  ["with a byte that is no UTF-8", (piece) => garbled(piece, "via Ostkreuz ", [0x76, 0xff, 0x61])],
  ["with half of a character", (piece) => garbled(piece, "via Ostkreuz ", [0xe2, 0x82])],
  ["with a surrogate as bytes", (piece) => garbled(piece, "via Ostkreuz ", [0xed, 0xa0, 0x80])]
]

/** What must not stand in a stream that has failed. */
const endings: Readonly<Record<DialectName, RegExp>> = {
  "chat.completions": /\[DONE\]|"finish_reason":"/,
  responses: /response\.(?:completed|incomplete)/,
  messages: /message_stop|"stop_reason":"/,
  generateContent: /"finishReason"/
}

for (const target of dialectNames) {
  describe(`an event of ${target}`, () => {
    for (const [name, damage] of damages) {
      it(`${name} fails the stream before it reaches the caller`, async () => {
        const at = middle(target)
        const all = pieces[target]
        const gateway = await begin(target, stream([...all.slice(0, at), damage(all[at]!), ...all.slice(at + 1)]))
        const answer = await send(gateway, asks[target](true))
        const text = answer.body.toString()
        const before = all.slice(0, at).join("")
        assert.strictEqual(answer.status, 200)
        assert.strictEqual(text.slice(0, before.length), before)
        assert.match(text.slice(before.length), /^(?:event: error\n)?(?:data: )?\{(?:"type":"error",)?(?:"error":|"code":)/)
        assert.include(text.slice(before.length), "upstream_malformed")
        assert.notMatch(text.slice(before.length), endings[target])
        if (typeof damage(all[at]!) !== "string") assert.include(text, "not valid UTF-8")
        const line = await gateway.line(0)
        assert.deepInclude(line, { ending: "failed", status: 200, error: "upstream_malformed" })
      })
    }

    for (const caller of dialectNames.filter((name) => name !== target)) {
      it(`that is no text or no JSON fails it for a caller of ${caller}, too`, async () => {
        for (const [name, damage] of damages.filter(([name]) => /cut before|no UTF-8/.test(name))) {
          const at = middle(target)
          const all = pieces[target]
          const gateway = await begin(target, stream([...all.slice(0, at), damage(all[at]!), ...all.slice(at + 1)]))
          const text = (await send(gateway, asks[caller](true))).body.toString()
          assert.include(text, "Left ", name)
          assert.include(text, "upstream_malformed", name)
          assert.notInclude(text, "points", name)
          if (typeof damage(all[at]!) !== "string") assert.include(text, "not valid UTF-8")
          assert.notMatch(text, endings[caller], name)
        }
      })
    }
  })
}

/** Ways in which whole streams are written. Each gives the stream again as its caller must get it; absent is as it came. */
const manners: ReadonlyArray<
  readonly [
    name: string,
    write: (pieces: ReadonlyArray<string>) => ReadonlyArray<string>,
    kept?: (pieces: ReadonlyArray<string>) => ReadonlyArray<string>
  ]
> = [
  ["comments between events", (all) => all.flatMap((piece) => [": keep-alive\n\n", piece])],
  ["a comment with bytes of its own", (all) => all.flatMap((piece) => [": …\n\n", piece])],
  ["lines that end in CR LF", (all) => all.map((piece) => piece.replaceAll("\n", "\r\n"))],
  ["no space behind the colon", (all) => all.map((piece) => piece.replaceAll("data: ", "data:"))],
  ["JSON over several lines", (all) => all.map((piece) => piece.replace(/data: (\{.*)/, (_, data: string) => pretty(data)))],
  ["an id and a time to retry", (all) => all.map((piece, index) => `id: ${index}\nretry: 1000\n${piece}`)],
  ["a byte order mark", (all) => all.map((piece, index) => (index === 0 ? `\ufeff${piece}` : piece))],
  // What says nothing does not go on: libraries that parse every event would raise on it.
  ["events without data", (all) => all.flatMap((piece) => ["data:\n\n", "data: \n\n", piece]), (all) => all],
  ["the replacement character itself", (all) => all.map((piece) => piece.replace("via Ostkreuz ", "via \ufffd Ostkreuz "))]
]

/** As Google prints it, with an empty line in between, which JSON allows. */
const pretty = (data: string): string =>
  JSON.stringify(JSON.parse(data), null, 2)
    .split("\n")
    .flatMap((line, index) => (index === 1 ? ["data:", `data: ${line}`] : [`data: ${line}`]))
    .join("\n")

describe("a stream with", () => {
  for (const target of dialectNames) {
    for (const [name, write, kept = write] of manners) {
      it(`${name} passes as it came, of ${target}`, async () => {
        const gateway = await begin(target, stream(write(pieces[target])))
        const answer = await send(gateway, asks[target](true))
        assert.strictEqual(answer.body.toString(), kept(pieces[target]).join(""))
        assert.deepInclude(await gateway.line(0), { ending: "served", status: 200 })
      })
    }
  }

  it("pings passes as it came, of messages", async () => {
    for (const ping of [`event: ping\ndata: {"type": "ping"}\n\n`, "event: ping\ndata:\n\n"]) {
      const written = pieces.messages.flatMap((piece) => [piece, ping]).slice(0, -1)
      const gateway = await begin("messages", stream(written))
      assert.strictEqual((await send(gateway, asks.messages(true))).body.toString(), written.join(""))
      assert.deepInclude(await gateway.line(0), { ending: "served", status: 200 })
    }
  })
})

const targets: ReadonlyArray<Dialect> = [openai, responses, anthropic, gemini]

describe("a glance", () => {
  it("at any piece of an event's data but the whole is malformed", () => {
    let cuts = 0
    for (const dialect of targets) {
      const splitter = new SseSplitter(1 << 20)
      splitter.push(encoder.encode(pieces[dialect.name].join("")), (event) => {
        if (event === undefined || event.data === "[DONE]" || event.event === "ping") return
        assert.isUndefined(dialect.peek(event).failure, event.data)
        for (let at = 1; at < event.data.length; at++) {
          cuts++
          assert.strictEqual(dialect.peek({ ...event, data: event.data.slice(0, at) }).failure?.class, "malformed", event.data.slice(0, at))
        }
        assert.strictEqual(dialect.peek({ ...event, data: `${event.data}x` }).failure?.class, "malformed")
      })
    }
    assert.isAbove(cuts, 1000)
  })
})

describe("an object that is no answer", () => {
  const nothing: ReadonlyArray<readonly [name: string, body: unknown]> = [
    ["{}", {}],
    ["an object of something else", { status: "ok", time: 1 }],
    ["an answer whose parts are null", { choices: null, output: null, content: null, candidates: null, promptFeedback: null }]
  ]
  for (const target of dialectNames) {
    for (const [name, body] of nothing) {
      it(`${name}, of ${target}`, async () => {
        const gateway = await begin(target, json(body))
        const answer = await send(gateway, asks[target](false))
        assert.strictEqual(answer.status, 502, answer.body.toString())
        assert.deepInclude(await gateway.line(0), { ending: "failed", status: 502, error: "upstream_malformed" })
      })
    }
  }

  it("is none of embeddings or counts either", async () => {
    const questions: ReadonlyArray<readonly [target: DialectName, sent: Sent]> = [
      ["chat.completions", { path: "/v1/embeddings", body: JSON.stringify({ model: "bad", input: "Which way?" }) }],
      ["messages", { path: "/v1/messages/count_tokens", body: JSON.stringify({ model: "bad", messages: say }) }],
      [
        "generateContent",
        { path: "/v1beta/models/bad:embedContent", body: JSON.stringify({ content: { parts: [{ text: "Which way?" }] } }) }
      ]
    ]
    for (const [target, sent] of questions) {
      const gateway = await begin(target, json({ object: "list" }))
      const answer = await send(gateway, sent)
      assert.strictEqual(answer.status, 502, `${target}: ${answer.body.toString()}`)
      assert.deepInclude(await gateway.line(0), { ending: "failed", error: "upstream_malformed" })
    }
  })

  it("but a prompt that was blocked is answered, and a count of nothing", async () => {
    const blocked = { promptFeedback: { blockReason: "SAFETY" } }
    const gateway = await begin("generateContent", json(blocked))
    const answer = await send(gateway, asks.generateContent(false))
    assert.deepStrictEqual([answer.status, answer.json], [200, blocked])
    const counting = await begin("generateContent", json({}))
    const count = await send(counting, {
      path: "/v1beta/models/bad:countTokens",
      body: JSON.stringify({ contents: [{ parts: [{ text: "" }] }] })
    })
    assert.strictEqual(count.status, 200, count.body.toString())
  })
})

describe("an answer that its provider has broken off, in a word of its own", () => {
  type Any = any
  const callers = { "chat.completions": openaiCaller, responses: responsesCaller, messages: anthropicCaller, generateContent: geminiCaller }
  const frames = (...chunks: ReadonlyArray<object>): string => chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join("")
  const call = { functionCall: { name: "f", args: {} } }
  const candidate = (finishReason: string, ...parts: ReadonlyArray<object>) => ({
    candidates: [{ content: { role: "model", parts }, finishReason, index: 0 }],
    usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 1, totalTokenCount: 4 }
  })
  const choice = (message: object, finish_reason: string) => ({ id: "c", model: "m", choices: [{ index: 0, message, finish_reason }] })
  const chunks = (delta: object, finish_reason: string) =>
    frames(
      { id: "c", model: "m", choices: [{ index: 0, delta }] },
      { id: "c", model: "m", choices: [{ index: 0, delta: {}, finish_reason }] }
    ) + "data: [DONE]\n\n"
  const lacking = "insufficient_system_resource"
  const said = { role: "assistant", content: "Left " }
  const thought = { role: "assistant", content: null, reasoning_content: "Hm" }
  const half = {
    status: "incomplete",
    incomplete_details: { reason: "another" },
    output: [{ type: "message", id: "m", role: "assistant", content: [{ type: "output_text", text: "Left ", annotations: [] }] }]
  }
  const words = ["MALFORMED_FUNCTION_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE", "OTHER", "LATER_WORD"]

  /** With something said, whole and streamed. */
  const begun: ReadonlyArray<readonly [what: string, dialect: Dialect, whole: object, stream: string]> = [
    ...words.map((word) => [word, gemini, candidate(word, { text: "Left " }), frames(candidate(word, { text: "Left " }))] as const),
    ["a call and MALFORMED_FUNCTION_CALL", gemini, candidate(words[0]!, call), frames(candidate(words[0]!, call))],
    [lacking, openai, choice(said, lacking), chunks(said, lacking)],
    [
      "incomplete for another reason",
      responses,
      half,
      frames({ type: "response.created", response: {} }, { type: "response.incomplete", response: half })
    ]
  ]

  const ends: Readonly<Record<DialectName, (body: Any) => unknown>> = {
    "chat.completions": (body) => body.choices[0].finish_reason,
    responses: ({ incomplete_details: details, status }) => [status, details?.reason],
    messages: (body) => body.stop_reason,
    generateContent: (body) => body.candidates[0].finishReason
  }
  const unfinished: Readonly<Record<DialectName, unknown>> = {
    "chat.completions": "length",
    responses: ["incomplete", "max_output_tokens"],
    messages: "max_tokens",
    generateContent: "OTHER"
  }
  const streamed: Readonly<Record<DialectName, RegExp>> = {
    "chat.completions": /"finish_reason":"length"/,
    responses: /event: response\.incomplete\n/,
    messages: /"stop_reason":"max_tokens"/,
    generateContent: /"finishReason":"OTHER"/
  }

  for (const [what, dialect, whole, stream] of begun) {
    it(`is never told as a finished one, and the word is told: ${what}`, () => {
      for (const [name, caller] of Object.entries(callers) as ReadonlyArray<readonly [DialectName, CallerDialect]>) {
        if (name === dialect.name) continue
        const { body, losses } = caller.encodeAnswer(Result.getOrThrow(dialect.decodeAnswer(whole)), context)
        assert.deepStrictEqual(ends[name](body), unfinished[name], name)
        assert.isNotEmpty(losses, name)
        const told = translate(eventsOf(stream), dialect, caller, context)
        assert.isUndefined(told.failure, name)
        assert.match(told.text, streamed[name], name)
        assert.isNotEmpty(told.losses, name)
      }
    })
  }

  it("is a failure where nothing has come of it but thinking", () => {
    const empty: ReadonlyArray<readonly [Dialect, object, string, string]> = [
      ...words.map((word) => [gemini, candidate(word), frames(candidate(word)), "malformed"] as const),
      [
        gemini,
        candidate(words[0]!, { text: "Hm", thought: true }),
        frames(candidate(words[0]!, { text: "Hm", thought: true })),
        "malformed"
      ],
      [openai, choice({ role: "assistant", content: null }, lacking), chunks({ role: "assistant" }, lacking), "overloaded"],
      [openai, choice(thought, lacking), chunks(thought, lacking), "overloaded"]
    ]
    for (const [dialect, whole, stream, expected] of empty) {
      const failure = Result.getOrThrow(Result.flip(dialect.decodeAnswer(whole)))
      assert.strictEqual(failure.class, expected)
      const told = translate(eventsOf(stream), dialect, anthropicCaller, context)
      assert.deepStrictEqual(told.failure, failure)
      assert.notMatch(told.text, endings.messages)
      if (dialect === gemini) assert.strictEqual(told.usage?.inputTokens, 3)
    }
  })

  it("fails the attempt before its caller has been told of a success", async () => {
    const nothing = candidate(words[0]!)
    for (const streams of [false, true]) {
      const gateway = await begin("generateContent", streams ? stream([frames(nothing)]) : json(nothing))
      const answer = await send(gateway, asks["chat.completions"](streams))
      assert.strictEqual(answer.status, 502, answer.body.toString())
      assert.strictEqual((answer.json as Any).error.code, "upstream_malformed")
      assert.include((answer.json as Any).error.message, words[0]!)
      // What it has cost is known all the same.
      assert.deepInclude((await gateway.line(0)).attempts![0], { outcome: "malformed", input_tokens: 3, output_tokens: 1 })
    }
  })

  it("keeps an odd word for a good end, and tells it", () => {
    const answer = Result.getOrThrow(openai.decodeAnswer(choice(said, "finished")))
    const { body, losses } = responsesCaller.encodeAnswer(answer, context)
    assert.strictEqual(body["status"], "completed")
    assert.deepStrictEqual(
      losses.map(({ field }) => field),
      ["choices[0].finish_reason"]
    )
    const told = translate(eventsOf(chunks(said, "finished")), openai, responsesCaller, context)
    assert.deepStrictEqual(told.losses, ["choices[0].finish_reason"])
    assert.deepStrictEqual(openaiCaller.encodeAnswer(answer, context).losses, [])
  })
})
