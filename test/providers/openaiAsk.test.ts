/**
 * What a Chat Completions request says to a reservation: text, media, answers, and what is billed besides.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Ask } from "../../src/Ask.ts"
import { chatCompletions } from "../../src/providers/openai.ts"

const ofText = (text: string): Ask => {
  const parsed = chatCompletions.parse(new TextEncoder().encode(text), () => null)
  if (!("ask" in parsed)) throw new Error(parsed.message)
  return parsed.ask
}
const user = { role: "user", content: "hello" }
const ask = (body: object): Ask => ofText(JSON.stringify({ model: "m", messages: [user], ...body }))
const bytes = (text: string): number => new TextEncoder().encode(text).length
/** ASCII with escapes for everything else, as Python writes it. */
const escaped = (text: string): string =>
  text.replace(/[\u0080-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)
const image = (url: string) => ({ type: "image_url", image_url: { url } })

describe("choices", () => {
  it("is what a lenient reader could make of `n`", () => {
    const cases: ReadonlyArray<readonly [unknown, number]> = [
      [undefined, 1],
      [null, 1],
      [1, 1],
      [3, 3],
      [0, 1],
      [-5, 1],
      [2.5, 3],
      ["4", 4],
      ["4.2", 5],
      ["many", 1],
      [true, 1],
      [[7], 1],
      [{ n: 7 }, 1],
      [1e300, Number.MAX_SAFE_INTEGER]
    ]
    for (const [n, expected] of cases) assert.strictEqual(ask({ n }).choices(), expected, JSON.stringify(n))
    assert.strictEqual(ofText('{"model":"m","messages":[],"n":1e999}').choices(), Number.MAX_SAFE_INTEGER)
  })
})

describe("media", () => {
  it("counts every piece in every message, results of tools among them", () => {
    const content = [{ type: "text", text: "look" }, image("https://a.example/1.png"), image("data:image/png;base64,AAAA")]
    const sound = { type: "input_audio", input_audio: { data: "AAAA", format: "wav" } }
    const file = { type: "file", file: { file_data: "data:application/pdf;base64,AAAA" } }
    const video = { type: "video_url", video_url: { url: "https://a.example/v.mp4" } }
    const found = ask({
      messages: [
        { role: "user", content },
        { role: "user", content: [sound, file, video] },
        { role: "tool", tool_call_id: "c", content: [image("https://a.example/2.png")] },
        { role: "assistant", content: null, audio: { id: "audio_1" } },
        { role: "assistant", content: "drawn", images: [image("data:image/png;base64,AAAA")] },
        { role: "user", content: image("https://a.example/3.png") }
      ]
    }).media()
    assert.deepStrictEqual(found, { images: 5, audio: 2, files: 2 })
    assert.deepStrictEqual(ask({}).media(), { images: 0, audio: 0, files: 0 })
  })

  it("lets nothing unknown pass for free", () => {
    const of = (part: unknown) => ask({ messages: [{ role: "user", content: [part] }] }).media()
    assert.deepStrictEqual(of({ type: "hologram", url: "x" }), { images: 0, audio: 0, files: 1 })
    assert.deepStrictEqual(of({ type: "image", source: {} }), { images: 1, audio: 0, files: 0 })
    assert.deepStrictEqual(of({ type: "text", text: "x", image_url: { url: "x" } }), { images: 1, audio: 0, files: 0 })
    assert.deepStrictEqual(of({ image_url: { url: "x" } }), { images: 1, audio: 0, files: 0 })
    for (const part of [{ type: "text", text: "x" }, { type: "refusal", refusal: "x" }, "x", null, 7]) {
      assert.deepStrictEqual(of(part), { images: 0, audio: 0, files: 0 }, JSON.stringify(part))
    }
  })
})

describe("extras", () => {
  it("names what is billed besides tokens, or at other prices", () => {
    const cases: ReadonlyArray<readonly [object, ReadonlyArray<string>]> = [
      [{ web_search_options: {} }, ["web_search_options"]],
      [{ search_parameters: { mode: "auto" } }, ["search_parameters"]],
      [{ plugins: [{ id: "web" }] }, ["plugins"]],
      [{ models: ["openai/o1-pro"] }, ["models"]],
      [{ provider: { sort: "throughput" } }, ["provider"]],
      [{ prediction: { type: "content", content: "x" } }, ["prediction"]],
      [{ modalities: ["text", "audio"], audio: { voice: "alloy", format: "wav" } }, ["audio", "modalities"]],
      [{ modalities: ["image"] }, ["modalities"]],
      [{ service_tier: "priority" }, ["service_tier"]],
      [{ service_tier: "scale" }, ["service_tier"]],
      [{ service_tier: 7 }, ["service_tier"]],
      [{ speed: "fast" }, ["speed"]],
      [{ tools: [{ type: "function", function: { name: "f" } }, { type: "openrouter:web_search" }] }, ["tools[1]"]],
      [{ tools: [{ type: "browser_search" }, "web_search", { type: "code_interpreter" }] }, ["tools[0]", "tools[1]", "tools[2]"]],
      [{ web_search_options: {}, service_tier: "priority" }, ["web_search_options", "service_tier"]]
    ]
    for (const [body, expected] of cases) assert.deepStrictEqual(ask(body).extras(), expected, JSON.stringify(body))
  })

  it("names nothing where tokens are all", () => {
    const bodies: ReadonlyArray<object> = [
      {},
      { service_tier: "auto" },
      { service_tier: "default" },
      { service_tier: "flex" },
      { service_tier: "on_demand" },
      { service_tier: null },
      { modalities: ["text"] },
      { modalities: null },
      { web_search_options: null, prediction: null, audio: null },
      { plugins: [], models: [] },
      { search_parameters: { mode: "off" } },
      { tools: [{ type: "function", function: { name: "f" } }, { type: "custom", custom: { name: "c" } }, { function: { name: "g" } }] },
      { functions: [{ name: "f" }] },
      { n: 3, logprobs: true, store: true, metadata: { a: "b" }, user: "u", reasoning_effort: "high" }
    ]
    for (const body of bodies) assert.deepStrictEqual(ask(body).extras(), [], JSON.stringify(body))
  })
})

describe("inputBytes", () => {
  it("counts text as bytes, however the request spells it", () => {
    const texts = fc.array(fc.string({ unit: "binary", maxLength: 30 }), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(texts, (all) => {
        const messages = all.map((text, i) => ({ role: "user", content: i % 2 === 0 ? text : [text] }))
        // Half a surrogate pair has no bytes of its own: it is sent as the replacement character's three.
        const expected = all.reduce((sum, text) => sum + bytes(text), 0)
        const body = JSON.stringify({ model: "m", messages })
        assert.strictEqual(ofText(body).inputBytes(), expected)
        assert.strictEqual(ofText(escaped(body)).inputBytes(), expected)
      }),
      { numRuns: 3_000 }
    )
    assert.strictEqual(ofText('{"model":"m","messages":[{"role":"user","content":"\\u4f60\\u597d"}]}').inputBytes(), 6)
  })

  it("counts at least the JSON of tools, schemas and calls, printed with spaces", () => {
    const spaced = (value: unknown): string => JSON.stringify(value, null, 1).replace(/\n +/g, " ")
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 5 })), (values) => {
        const given = values.filter((value) => value !== null && (typeof value === "object" || typeof value === "string"))
        for (const field of ["tools", "functions", "documents"]) {
          assert.isAtLeast(ask({ [field]: given }).inputBytes(), 5 + bytes(spaced(given)), JSON.stringify(given))
        }
        const called = { messages: [{ role: "assistant", tool_calls: given }] }
        assert.isAtLeast(ask(called).inputBytes(), bytes(spaced(given)), JSON.stringify(given))
      }),
      { numRuns: 2_000 }
    )
    assert.isAtLeast(ask({ tools: [{ a: '\u0001\n"\\'.repeat(100) }] }).inputBytes(), 1_200)
  })

  it("counts what a model reads, and nothing else", () => {
    const base = ask({}).inputBytes()
    assert.strictEqual(base, 5)
    const long = "x".repeat(10_000)
    const read: ReadonlyArray<object> = [
      { messages: [{ role: "user", content: long }] },
      { messages: [{ role: "user", content: [{ type: "text", text: long }] }] },
      { messages: [{ role: "user", content: "", name: long }] },
      { messages: [{ role: "assistant", content: null, refusal: long }] },
      { messages: [{ role: "assistant", content: null, reasoning_content: long }] },
      { messages: [{ role: "assistant", tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: long } }] }] },
      { messages: [{ role: "assistant", function_call: { name: "f", arguments: long } }] },
      { messages: [{ role: "tool", tool_call_id: "c", content: long }] },
      { tools: [{ type: "function", function: { name: "f", description: long } }] },
      { tools: [{ type: "function", function: { name: "f", parameters: { properties: { [long]: {} } } } }] },
      // Fields of these names are media in a message, and text in a schema.
      { tools: [{ type: "function", function: { name: "f", parameters: { properties: { file: { description: long } } } } }] },
      { functions: [{ name: "f", description: long }] },
      { response_format: { type: "json_schema", json_schema: { name: "s", schema: { description: long } } } },
      { documents: [{ text: long }] },
      { chat_template: long }
    ]
    for (const body of read) assert.isAtLeast(ask(body).inputBytes(), 10_000, JSON.stringify(body).slice(0, 90))
    const unread: ReadonlyArray<object> = [
      { metadata: { a: long } },
      { user: long },
      { safety_identifier: long },
      { prompt_cache_key: long },
      { stop: [long] },
      { logit_bias: { [long]: 1 } },
      { prediction: { type: "content", content: long } },
      { temperature: 1, n: 2, seed: 3, max_tokens: 4, logprobs: true }
    ]
    for (const body of unread) assert.strictEqual(ask(body).inputBytes(), base, JSON.stringify(body).slice(0, 90))
    const media: ReadonlyArray<object> = [
      image(`data:image/png;base64,${long}`),
      { type: "input_audio", input_audio: { data: long, format: "wav" } },
      { type: "file", file: { file_data: long } },
      { type: "video_url", video_url: { url: `data:video/mp4;base64,${long}` } }
    ]
    for (const part of media) assert.isBelow(ask({ messages: [{ role: "user", content: [part] }] }).inputBytes(), 20)
    const drawn = { role: "assistant", content: "", images: [image(`data:image/png;base64,${long}`)] }
    assert.isBelow(ask({ messages: [drawn] }).inputBytes(), 20)
  })

  it("survives nesting deeper than the engine's own stack", () => {
    const depth = 4_000
    const deep = `${'{"a":['.repeat(depth)}"text"${"]}".repeat(depth)}`
    const body = `{"model":"m","messages":[],"tools":[${deep}]}`
    assert.isAtLeast(ofText(body).inputBytes(), depth * 6)
  })
})
