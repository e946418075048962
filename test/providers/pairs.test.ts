/**
 * Translated pairs: what OpenAI callers ask and get, beside what Claude is asked and answers, exactly; and what depends on who asks whom.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import OpenAI from "openai"
import type { CallerDialect, Dialect } from "../../src/Dialect.ts"
import { type DialectName, dialectNames } from "../../src/Providers.ts"
import { anthropic, anthropicCaller } from "../../src/providers/anthropic.ts"
import { gemini, geminiCaller } from "../../src/providers/gemini.ts"
import { openai, openaiCaller } from "../../src/providers/openai.ts"
import { responses, responsesCaller } from "../../src/providers/responses.ts"
import { answerPairs } from "../fixtures/anthropic/answers.ts"
import { requestPairs } from "../fixtures/anthropic/requests.ts"
import { streamPairs } from "../fixtures/anthropic/streams.ts"
import { context, dataOf, eventsOf, framesOf, translate } from "./sse.ts"

/** What a client would read off the wire: `undefined` is absence there. */
const wire = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

/** What a chunk says: `null` is absence there too. */
const chunkOf = (data: string): unknown => {
  const bare = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(bare)
      : typeof value === "object" && value !== null
        ? Object.fromEntries(Object.entries(value).flatMap(([key, one]) => (one === null ? [] : [[key, bare(one)]])))
        : value
  return data === "[DONE]" ? data : bare(JSON.parse(data))
}

/** The official client, answered with `body`. */
const clientOf = (body: string, contentType: string): OpenAI =>
  new OpenAI({ apiKey: "none", fetch: async () => new Response(body, { headers: { "content-type": contentType } }) })

describe("requests", () => {
  for (const pair of requestPairs) {
    it(pair.name, () => {
      const conversation = Result.getOrThrow(openaiCaller.decodeRequest(pair.openai))
      const { body, losses } = anthropic.encodeRequest(conversation, pair.target)
      assert.deepStrictEqual(wire(body), wire(pair.anthropic))
      assert.deepStrictEqual(losses.map(({ field }) => field).toSorted(), pair.losses.toSorted())
      for (const { reason } of losses) assert.match(reason, /^\S.*[^.]$/)
    })
  }

  // Reasoning and cache hints are Anthropic's: another target is not sent them, the one with a report, the other without, as it changes the bill alone.
  const ofOneProvider = new Set(["a tool loop with its thinking", "a tool loop without its thinking", "cache hints"])
  for (const pair of requestPairs.filter(({ name }) => !ofOneProvider.has(name))) {
    it(`${pair.name}: the same comes out by way of a target of the caller's dialect`, () => {
      const conversation = Result.getOrThrow(openaiCaller.decodeRequest(pair.openai))
      const encoded = openai.encodeRequest(conversation, pair.target)
      const again = Result.getOrThrow(openaiCaller.decodeRequest(wire(encoded.body)))
      const [direct, detour] = [conversation, again].map((one) => anthropic.encodeRequest(one, pair.target))
      assert.deepStrictEqual(wire(detour?.body), wire(direct?.body))
      // What that target left out of it, it has said, by the field or by the message that holds it.
      const told = (detour?.losses.length ?? 0) + encoded.losses.length
      assert.isAtLeast(told, direct?.losses.length ?? 0)
    })
  }
})

const said = "The answer is"
const question = "Add 2 and 2."

describe("a closing message of the assistant", () => {
  const asked: Readonly<Record<DialectName, object>> = {
    "chat.completions": {
      messages: [
        { role: "user", content: question },
        { role: "assistant", content: said }
      ]
    },
    responses: {
      input: [
        { role: "user", content: question },
        { role: "assistant", content: said }
      ]
    },
    messages: {
      max_tokens: 100,
      messages: [
        { role: "user", content: question },
        { role: "assistant", content: said }
      ]
    },
    generateContent: {
      contents: [
        { role: "user", parts: [{ text: question }] },
        { role: "model", parts: [{ text: said }] }
      ]
    }
  }
  const callers = { "chat.completions": openaiCaller, responses: responsesCaller, messages: anthropicCaller, generateContent: geminiCaller }
  const targets = [
    [openai, "gpt-5.4", "answers"],
    [responses, "gpt-5.4", "answers"],
    [anthropic, "claude-sonnet-4-5", "goes on"],
    [anthropic, "claude-opus-4-8", "refuses"],
    [gemini, "gemini-2.5-flash", "goes on"],
    [gemini, "gemini-4-argon", "refuses"]
  ] as const
  for (const from of dialectNames) {
    const expects = from === "messages" || from === "generateContent" ? "goes on" : "answers"
    for (const [target, model, does] of targets.filter(([{ name }]) => name !== from)) {
      it(`of a caller of ${from}, whose API ${expects === "answers" ? "answers it" : "goes on with it"}: ${model} at ${target.name} ${does}`, () => {
        const conversation = Result.getOrThrow(callers[from].decodeRequest({ model: "m", ...asked[from] }, { model: "m", stream: false }))
        const { losses } = target.encodeRequest(conversation, { model })
        const at = { "chat.completions": "messages[1]", responses: "input[1]", messages: "messages[1]", generateContent: "contents[1]" }[
          from
        ]
        assert.deepStrictEqual(
          losses.map(({ field }) => field),
          does === expects ? [] : [at]
        )
      })
    }
  }

  it("loses its closing white space at Claude, which is told to who would have it gone on with", () => {
    const request = {
      contents: [
        { role: "user", parts: [{ text: question }] },
        { role: "model", parts: [{ text: `${said} ` }] }
      ]
    }
    const conversation = Result.getOrThrow(geminiCaller.decodeRequest(request, { model: "m", stream: false }))
    const { body, losses } = anthropic.encodeRequest(conversation, { model: "claude-sonnet-4-5" })
    assert.include(losses[0]?.reason, "white space")
    assert.deepStrictEqual(wire((body["messages"] as ReadonlyArray<unknown>)[1]), { role: "assistant", content: said })
    assert.deepStrictEqual(
      losses.map(({ field }) => field),
      ["contents[1]"]
    )
  })
})

describe("what has no place in the target's API", () => {
  const sent = (caller: CallerDialect, target: Dialect, body: object, model: string) => {
    const conversation = Result.getOrThrow(caller.decodeRequest({ model: "m", ...body }, { model: "m", stream: false }))
    const { body: written, losses } = target.encodeRequest(conversation, { model })
    return { text: JSON.stringify(written), lost: losses.map(({ field }) => field) }
  }
  const claude = [anthropic, "claude-sonnet-4-5"] as const
  const google = [gemini, "gemini-2.5-flash"] as const
  const chat = [openai, "gpt-5.4"] as const
  const newer = [responses, "gpt-5.4"] as const

  it("is told of the result of a call that is no function", () => {
    const input = [
      { role: "user", content: question },
      { type: "custom_tool_call", call_id: "c", name: "code", input: "2+2" },
      { type: "custom_tool_call_output", call_id: "c", output: "four" }
    ]
    for (const [target, model] of [chat, claude, google]) {
      const { lost, text } = sent(responsesCaller, target, { input }, model)
      assert.deepStrictEqual(lost, ["input[1]", "input[2]"], target.name)
      assert.notInclude(text, "four")
    }
  })

  it("takes the result of such a call with it, which no API takes alone", () => {
    const call = { id: "c", type: "custom", custom: { name: "code", input: "2+2" } }
    const other = { id: "f", type: "function", function: { name: "f", arguments: "{}" } }
    const messages = [
      { role: "user", content: question },
      { role: "assistant", content: null, tool_calls: [call, other] },
      { role: "tool", tool_call_id: "c", content: "four" },
      { role: "tool", tool_call_id: "f", content: "five" }
    ]
    for (const [target, model] of [newer, claude, google]) {
      const { lost, text } = sent(openaiCaller, target, { messages }, model)
      assert.deepStrictEqual(lost.toSorted(), ["messages[1].tool_calls[0]", "messages[2]"], target.name)
      assert.notInclude(text, "four")
      assert.include(text, "five")
    }
    assert.deepStrictEqual(sent(openaiCaller, openai, { messages }, "gpt-5.4").lost, [])
  })

  it("is told of the sources of earlier answers, and of the wish for some", () => {
    const cited = { type: "text", text: said, citations: [{ type: "web_search_result_location", url: "https://a.example", title: "A" }] }
    const pdf = { type: "document", source: { type: "base64", media_type: "application/pdf", data: "AAAA" }, citations: { enabled: true } }
    const asked = [
      { role: "user", content: [pdf, { type: "text", text: question }] },
      { role: "assistant", content: [cited] },
      { role: "user", content: "So?" }
    ]
    const annotations = [{ type: "url_citation", url: "https://a.example", title: "A", start_index: 0, end_index: 1 }]
    const input = [
      { role: "user", content: question },
      { type: "message", id: "msg", status: "completed", role: "assistant", content: [{ type: "output_text", text: said, annotations }] },
      { role: "user", content: "So?" }
    ]
    for (const [target, model] of [chat, newer, google]) {
      const { lost } = sent(anthropicCaller, target, { max_tokens: 100, messages: asked }, model)
      assert.deepStrictEqual(lost.toSorted(), ["messages[0].content[0].citations", "messages[1].content[0].citations"], target.name)
    }
    for (const [target, model] of [chat, claude, google]) {
      assert.deepStrictEqual(sent(responsesCaller, target, { input }, model).lost, ["input[1].content[0].annotations"], target.name)
    }
  })
})

describe("answers", () => {
  for (const pair of answerPairs) {
    it(pair.name, async () => {
      const answer = Result.getOrThrow(anthropic.decodeAnswer(pair.anthropic))
      const { body, losses } = openaiCaller.encodeAnswer(answer, context)
      assert.deepStrictEqual(wire(body), wire(pair.openai))
      assert.deepStrictEqual(
        losses.map(({ field }) => field),
        pair.losses
      )
      assert.deepStrictEqual(anthropic.usageOf(pair.anthropic), answer.usage)
      const read = await clientOf(JSON.stringify(body), "application/json").chat.completions.create({ model: "smart", messages: [] })
      assert.deepStrictEqual(wire(read.choices), wire((pair.openai as OpenAI.ChatCompletion).choices))
    })
  }
})

describe("streams", () => {
  for (const pair of streamPairs) {
    it(pair.name, () => {
      const translated = translate(eventsOf(pair.anthropic), anthropic, openaiCaller, context)
      assert.strictEqual(translated.text, pair.openai)
      assert.deepStrictEqual(translated.losses, pair.losses)
      assert.strictEqual(translated.failure?.class, pair.failure)
    })

    it(`${pair.name}: cut at every byte`, () => {
      const bytes = new TextEncoder().encode(pair.anthropic)
      for (let cut = 1; cut < bytes.length; cut++) {
        const events = framesOf([bytes.subarray(0, cut), bytes.subarray(cut)])
        if (translate(events, anthropic, openaiCaller, context).text !== pair.openai) assert.fail(`differs when cut after byte ${cut}`)
      }
      const single = framesOf(Array.from(bytes, (byte) => Uint8Array.of(byte)))
      assert.strictEqual(translate(single, anthropic, openaiCaller, context).text, pair.openai)
    })

    it(`${pair.name}: without usage for a caller who did not ask`, () => {
      const { text } = translate(eventsOf(pair.anthropic), anthropic, openaiCaller, { ...context, includeUsage: false })
      const expected = dataOf(pair.openai)
        .filter((data) => !data.includes('"choices":[],'))
        .map((data) => data.replace(',"usage":null', ""))
      assert.deepStrictEqual(dataOf(text), expected)
    })

    it(`${pair.name}: the official client reads it, and it reads itself`, async () => {
      const failures = pair.failure !== undefined
      const stream = clientOf(pair.openai, "text/event-stream").chat.completions.stream({ model: "smart", messages: [] })
      const read = await stream.finalChatCompletion().then(
        (completion) => ({ completion }),
        (error: unknown) => ({ error })
      )
      assert.strictEqual("error" in read, failures)
      const again = translate(eventsOf(pair.openai), openai, openaiCaller, context)
      assert.strictEqual(again.failure !== undefined, failures)
      if (!failures) assert.deepStrictEqual(dataOf(again.text).map(chunkOf), dataOf(pair.openai).map(chunkOf))
      // The same stream, forwarded: the glance sees its end, its usage and its failure.
      const glances = eventsOf(pair.openai).map(openai.peek)
      assert.strictEqual(
        glances.some(({ done }) => done),
        !failures
      )
      assert.strictEqual(
        glances.some(({ failure }) => failure !== undefined),
        failures
      )
      assert.deepStrictEqual(glances.findLast(({ usage }) => usage !== undefined)?.usage, failures ? undefined : again.usage)
    })
  }
})
