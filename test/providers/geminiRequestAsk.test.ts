/**
 * What routing asks of a request to Gemini's API, and what a policy sets of one.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Ask } from "../../src/Ask.ts"
import { parseCount, parseGenerate } from "../../src/providers/gemini/ask.ts"
import { overrides } from "../../src/providers/gemini/overrides.ts"

const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value))
const header = (name: string): string | null => (name === "x-team" ? "a" : null)
const hello = { contents: [{ role: "user", parts: [{ text: "Hello" }] }] }

const askOf = (body: object, stream = false): Ask => {
  const parsed = parseGenerate(stream)(bytes({ ...hello, ...body }), header, undefined, "gemini-x")
  if (!("ask" in parsed)) throw new Error(parsed.message)
  return parsed.ask
}
const config = (generationConfig: object): Ask => askOf({ generationConfig })

describe("a request", () => {
  it("has its model and whether to stream from the address", () => {
    assert.deepStrictEqual(
      [askOf({}).model, askOf({}).stream, askOf({}, true).stream, askOf({}).operation],
      ["gemini-x", false, true, "generate"]
    )
    assert.strictEqual(askOf({}).header("x-team"), "a")
    assert.strictEqual(askOf({ labels: { team: "b", n: 1 } }).metadata("team"), "b")
    assert.isNull(askOf({ labels: { n: 1 } }).metadata("n"))
    assert.isNull(askOf({}).metadata("constructor"))
  })

  it("is refused where it is not one", () => {
    const refused = (body: unknown, model: string | undefined = "m") => parseGenerate(false)(bytes(body), header, undefined, model)
    assert.deepInclude(refused(hello, ""), { code: "missing_model", param: "model" })
    assert.deepInclude(parseGenerate(false)(bytes(hello), header), { code: "missing_model" })
    for (const contents of [undefined, null, "Hello", 1])
      assert.deepInclude(refused({ contents }), { code: "invalid_request", param: "contents" })
    assert.deepInclude(refused("{"), { code: "invalid_json" })
    assert.deepInclude(refused("[]"), { code: "invalid_request" })
    assert.deepInclude(refused('{"contents":[],"contents":[]}'), { code: "duplicate_key" })
    // Two spellings of one field are one field twice.
    assert.deepInclude(refused({ ...hello, generationConfig: {}, generation_config: {} }), {
      code: "duplicate_key",
      param: "generationConfig"
    })
    assert.deepInclude(refused({ ...hello, generation_config: { maxOutputTokens: 1, max_output_tokens: 9 } }), {
      code: "duplicate_key",
      param: "generationConfig.maxOutputTokens"
    })
    assert.isTrue("ask" in refused({ contents: { parts: { text: "a" } } }))
  })

  it("is measured: all that the model reads, and no media", () => {
    const measured = (body: object) => askOf(body).inputBytes()
    assert.strictEqual(measured({}), 5)
    assert.strictEqual(measured({ contents: [{ parts: [{ text: "ä" }, { text: "b", thought: true }] }] }) >= 3, true)
    const data = "A".repeat(10_000)
    assert.isBelow(
      measured({ contents: [{ parts: [{ inline_data: { mime_type: "image/png", data } }, { fileData: { fileUri: data } }] }] }),
      100
    )
    assert.isBelow(
      measured({
        contents: [{ parts: [{ functionResponse: { name: "f", response: {}, parts: [{ inlineData: { mimeType: "a", data } }] } }] }]
      }),
      100
    )
    for (const more of [
      { contents: [{ parts: [{ functionCall: { name: "f", args: { inlineData: data } } }] }] },
      { contents: [{ parts: [{ functionResponse: { name: "f", response: { inlineData: { data } } } }] }] },
      { contents: { parts: { text: data } } },
      { systemInstruction: { parts: { text: data } } },
      { system_instruction: { parts: [{ text: data }] } },
      { tools: { function_declarations: [{ name: "f", description: data }] } },
      { generationConfig: { responseSchema: { description: data } } },
      { generation_config: { response_json_schema: { description: data } } },
      { unknownField: data }
    ])
      assert.isAtLeast(measured(more), 10_000, Object.keys(more)[0])
    for (const more of [
      { labels: { a: data } },
      { cachedContent: data },
      { safetySettings: [data] },
      { generationConfig: { stopSequences: [data] } }
    ])
      assert.isBelow(measured(more), 100)
  })

  it("is read in either spelling", () => {
    for (const body of [
      { generationConfig: { maxOutputTokens: 7, candidateCount: 3, responseSchema: {}, thinkingConfig: { thinkingBudget: 5 } } },
      { generation_config: { max_output_tokens: "7", candidate_count: 3, response_schema: {}, thinking_config: { thinking_budget: 5 } } }
    ]) {
      const ask = askOf(body)
      assert.deepStrictEqual(
        [ask.maxOutputTokens(), ask.choices(), ask.needsStructuredOutput(), ask.hasFormat(), ask.needsReasoning()],
        [7, 3, true, true, true]
      )
    }
    const plain = askOf({})
    assert.deepStrictEqual(
      [
        plain.maxOutputTokens(),
        plain.choices(),
        plain.needsStructuredOutput(),
        plain.hasFormat(),
        plain.needsReasoning(),
        plain.needsTools(),
        plain.needsVision()
      ],
      [null, 1, false, false, false, false, false]
    )
  })

  it("says what it needs", () => {
    assert.deepStrictEqual(
      [{ thinkingBudget: 0 }, { thinkingBudget: -1 }, { thinkingLevel: "LOW" }, { includeThoughts: true }, { includeThoughts: false }].map(
        (thinkingConfig) => config({ thinkingConfig }).needsReasoning()
      ),
      [false, true, true, true, false]
    )
    assert.deepStrictEqual(
      ["application/json", "text/plain", "text/x.enum"].map((responseMimeType) => config({ responseMimeType }).hasFormat()),
      [true, false, true]
    )
    assert.isTrue(askOf({ tools: { functionDeclarations: [{ name: "f" }] } }).needsTools())
    const media = askOf({
      contents: [
        {
          parts: [
            { inline_data: { mime_type: "image/png", data: "" } },
            { fileData: { fileUri: "a", mimeType: "audio/mp3" } },
            { fileData: { fileUri: "a" } },
            { functionResponse: { name: "f", response: {}, parts: { inlineData: { mimeType: "image/png", data: "" } } } }
          ]
        },
        { parts: { inlineData: { mimeType: "video/mp4", data: "" } } }
      ]
    })
    assert.deepStrictEqual(media.media(), { images: 2, audio: 1, files: 2 })
    assert.isTrue(media.needsVision())
  })

  it("names what is billed beside tokens", () => {
    assert.deepStrictEqual(
      askOf({ tools: [{ functionDeclarations: [] }], generationConfig: { responseModalities: ["text"] }, serviceTier: "flex" }).extras(),
      []
    )
    assert.deepStrictEqual(
      askOf({
        cached_content: "c",
        service_tier: "PRIORITY",
        generation_config: { response_modalities: ["TEXT", "IMAGE"] },
        tools: [{ function_declarations: [] }, { google_search: {} }, { functionDeclarations: [], codeExecution: {} }]
      }).extras(),
      ["cachedContent", "serviceTier", "generationConfig.responseModalities", "tools[1]", "tools[2]"]
    )
  })
})

describe("a request to count", () => {
  it("is asked of what is counted", () => {
    for (const body of [hello, { generateContentRequest: { model: "models/x", ...hello } }, { generate_content_request: hello }]) {
      const parsed = parseCount(bytes(body), header, undefined, "m")
      assert.isTrue("ask" in parsed)
      if ("ask" in parsed) assert.deepStrictEqual([parsed.ask.operation, parsed.ask.inputBytes(), parsed.ask.model], ["count", 5, "m"])
    }
    assert.deepInclude(parseCount(bytes({}), header, undefined, "m"), { param: "contents" })
    assert.deepInclude(parseCount(bytes({ generateContentRequest: {} }), header, undefined, "m"), {
      param: "generateContentRequest.contents"
    })
  })
})

describe("what a policy sets", () => {
  const nothing = { temperature: undefined, reasoningEffort: undefined, maxOutputTokens: undefined, maxTokensField: undefined }
  const set = (body: object, settings: object) => overrides({ ...hello, ...body }, { ...nothing, ...settings })

  it("is said in the caller's object, under the caller's names, beside all the rest of it", () => {
    assert.deepStrictEqual(set({}, {}), [])
    assert.deepStrictEqual(set({}, { temperature: 0, maxOutputTokens: 9 }), [
      { key: "generationConfig", json: '{"temperature":0,"maxOutputTokens":9}' }
    ])
    assert.deepStrictEqual(set({ generation_config: { max_output_tokens: 10, top_k: 1 } }, { maxOutputTokens: 9 }), [
      { key: "generation_config", json: '{"top_k":1,"max_output_tokens":9}' }
    ])
    assert.deepStrictEqual(set({ generationConfig: { maxOutputTokens: 1, max_output_tokens: 99 } }, { maxOutputTokens: 9 }), [
      { key: "generationConfig", json: '{"max_output_tokens":9}' }
    ])
    assert.deepStrictEqual(set({ generationConfig: "x" }, { temperature: 1 }), [{ key: "generationConfig", json: '{"temperature":1}' }])
  })

  it("is left alone where it is said already, or less where it is a maximum", () => {
    const generationConfig = { temperature: 0.5, maxOutputTokens: 5, thinkingConfig: { thinkingLevel: "LOW" } }
    assert.deepStrictEqual(set({ generationConfig }, { temperature: 0.5, maxOutputTokens: 9, reasoningEffort: "low" }), [])
    for (const maxOutputTokens of [-1, 0, 1.5, "5"])
      assert.lengthOf(set({ generationConfig: { maxOutputTokens } }, { maxOutputTokens: 9 }), 1)
  })

  it("has an effort in the words of the model's generation, in place of every other amount", () => {
    const thinking = (body: object, reasoningEffort: string, model?: string) =>
      JSON.parse(set(body, { reasoningEffort, ...(model === undefined ? {} : { model }) })[0]?.json ?? "{}") as {
        readonly thinkingConfig?: unknown
      }
    const both = { generationConfig: { thinkingConfig: { thinking_budget: 5, includeThoughts: true } } }
    assert.deepStrictEqual(thinking(both, "high", "gemini-3-flash").thinkingConfig, { includeThoughts: true, thinkingLevel: "HIGH" })
    assert.deepStrictEqual(thinking(both, "high", "gemini-2.5-flash").thinkingConfig, { includeThoughts: true, thinking_budget: 24_576 })
    assert.deepStrictEqual(thinking(both, "none", "gemini-2.5-flash").thinkingConfig, { includeThoughts: true, thinking_budget: 0 })
    // Without the model's name the caller's own words tell its generation.
    assert.deepStrictEqual(thinking(both, "low").thinkingConfig, { includeThoughts: true, thinking_budget: 1024 })
    assert.deepStrictEqual(thinking({}, "low").thinkingConfig, { thinkingLevel: "LOW" })
  })
})
