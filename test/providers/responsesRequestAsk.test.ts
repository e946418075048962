/**
 * What a Responses request says to routing and to a reservation, and what is set of it as changes to its bytes.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Ask } from "../../src/Ask.ts"
import type { Settings } from "../../src/Dialect.ts"
import { patch, scan } from "../../src/JsonScan.ts"
import { parseResponses } from "../../src/providers/responses/ask.ts"
import { overrides } from "../../src/providers/responses/overrides.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const bytes = (text: string): number => encoder.encode(text).length

const parse = (body: unknown) => parseResponses(encoder.encode(JSON.stringify(body)), (name) => (name === "x-team" ? "blue" : null))
const ask = (body: object): Ask => {
  const parsed = parse({ model: "m", input: "hello", ...body })
  if (!("ask" in parsed)) throw new Error(parsed.message)
  return parsed.ask
}

describe("a body", () => {
  it("is refused by the field at fault", () => {
    const cases: ReadonlyArray<readonly [unknown, string, string | undefined]> = [
      [[], "invalid_request", undefined],
      [{ input: "x" }, "missing_model", "model"],
      [{ model: "", input: "x" }, "missing_model", "model"],
      [{ model: 7, input: "x" }, "invalid_request", "model"],
      [{ model: "m" }, "invalid_request", "input"],
      [{ model: "m", input: { role: "user" } }, "invalid_request", "input"],
      [{ model: "m", input: 7, prompt: { id: "p" } }, "invalid_request", "input"],
      [{ model: "m", input: "x", stream: "yes" }, "invalid_request", "stream"]
    ]
    for (const [body, code, param] of cases) {
      const found = parse(body)
      assert.isTrue("code" in found && found.code === code && found.param === param && found.status === 400, JSON.stringify(body))
    }
  })

  it("needs no input beside what the provider keeps", () => {
    for (const more of [{ previous_response_id: "r" }, { conversation: "c" }, { prompt: { id: "p" } }])
      assert.property(parse({ model: "m", ...more }), "ask")
  })
})

describe("what routing reads", () => {
  it("is plain of a plain request", () => {
    const plain = ask({ metadata: { team: "red", n: 1 } })
    assert.deepInclude(plain, { operation: "generate", model: "m", stream: false })
    assert.strictEqual(plain.messages(), 1)
    assert.strictEqual(plain.choices(), 1)
    assert.strictEqual(plain.maxOutputTokens(), null)
    for (const no of [plain.needsTools(), plain.needsVision(), plain.needsStructuredOutput(), plain.hasFormat(), plain.needsReasoning()])
      assert.isFalse(no)
    assert.strictEqual(plain.metadata("team"), "red")
    for (const absent of ["n", "constructor", "x"]) assert.strictEqual(plain.metadata(absent), null)
    assert.strictEqual(plain.header("x-team"), "blue")
    assert.isEmpty(plain.extras())
  })

  it("is what the request asks for", () => {
    const full = ask({
      stream: true,
      input: [
        { role: "user", content: "a" },
        { type: "function_call", call_id: "c", name: "f", arguments: "{}" }
      ],
      max_output_tokens: 7,
      tools: [{ type: "function", name: "f" }],
      text: { format: { type: "json_schema", name: "a", schema: {} } },
      reasoning: { effort: "low" }
    })
    assert.isTrue(full.stream && full.needsTools() && full.needsStructuredOutput() && full.hasFormat() && full.needsReasoning())
    assert.deepStrictEqual([full.messages(), full.maxOutputTokens()], [2, 7])
    const object = ask({ text: { format: { type: "json_object" } }, reasoning: { effort: "none" } })
    assert.deepStrictEqual([object.hasFormat(), object.needsStructuredOutput(), object.needsReasoning()], [true, false, false])
  })

  it("counts media wherever they stand, and lets nothing unknown pass for free", () => {
    const image = { type: "input_image", image_url: "data:image/png;base64,AAAA" }
    const { media, needsVision } = { media: () => full.media(), needsVision: () => full.needsVision() }
    const full = ask({
      input: [
        { role: "user", content: [{ type: "input_text", text: "x" }, image, { type: "input_image", file_id: "file_1" }] },
        {
          role: "user",
          content: [
            { type: "input_file", file_url: "https://a.example" },
            { type: "input_audio", input_audio: { data: "AA", format: "wav" } },
            { type: "hologram" }
          ]
        },
        { type: "function_call_output", call_id: "c", output: [image, { type: "input_file", file_id: "f" }] },
        { type: "computer_call_output", call_id: "c", output: { type: "computer_screenshot", image_url: "data:image/png;base64,AAAA" } },
        { type: "image_generation_call", id: "ig_1", result: "AAAA" },
        {
          role: "assistant",
          content: [
            { type: "output_text", text: "x" },
            { type: "refusal", refusal: "x" }
          ]
        },
        { type: "reasoning", summary: [], content: [{ type: "reasoning_text", text: "x" }] }
      ]
    })
    assert.deepStrictEqual(media(), { images: 5, audio: 1, files: 3 })
    assert.isTrue(needsVision())
    assert.deepStrictEqual(ask({ input: [{ role: "user", content: [{ type: "input_text", text: "x", image_url: "y" }] }] }).media(), {
      images: 1,
      audio: 0,
      files: 0
    })
  })
})

describe("input", () => {
  it("holds every text that the model reads, escapes and other scripts as UTF-8, and no media", () => {
    const words = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(fc.array(words, { minLength: 9, maxLength: 9 }), ([a, b, c, d, e, f, g, h, i]) => {
        const texts = [a!, b!, c!, d!, e!, f!, g!, h!, i!]
        const data = "A".repeat(10_000)
        const found = ask({
          instructions: a,
          input: [
            {
              role: "user",
              content: [
                { type: "input_text", text: b },
                { type: "input_image", image_url: `data:image/png;base64,${data}` }
              ]
            },
            { role: "assistant", content: c },
            { type: "function_call", call_id: "c", name: "f", arguments: d },
            {
              type: "function_call_output",
              call_id: "c",
              output: [
                { type: "input_text", text: e },
                { type: "input_file", file_data: data, filename: "x" }
              ]
            },
            { type: "reasoning", id: "rs", summary: [], encrypted_content: f },
            { type: "mcp_call", id: "m", arguments: "{}", name: "n", output: g, server_label: "s" }
          ],
          tools: [{ type: "function", name: "f", description: h, parameters: { type: "object", properties: { [i!]: { type: "string" } } } }]
        })
        const least = texts.reduce((sum, text) => sum + bytes(text), 0)
        assert.isAtLeast(found.inputBytes(), least)
        assert.isAtMost(found.inputBytes(), least + 1_000)
      }),
      { numRuns: 300 }
    )
    assert.strictEqual(ask({ input: "héllo" }).inputBytes(), bytes("héllo"))
    assert.isAtLeast(ask({ text: { format: { type: "json_schema", name: "n", schema: { enum: ["x".repeat(500)] } } } }).inputBytes(), 500)
    assert.isAtLeast(ask({ documents: ["x".repeat(500)] }).inputBytes(), 500)
    assert.isAtLeast(
      ask({ input: [{ type: "additional_tools", role: "developer", tools: [{ type: "function", name: "x".repeat(500) }] }] }).inputBytes(),
      500
    )
  })
})

describe("extras", () => {
  it("name what is billed beside tokens, and what the request does not show", () => {
    const cases: ReadonlyArray<readonly [object, ReadonlyArray<string>]> = [
      [
        { tools: [{ type: "function", name: "f" }, { type: "web_search" }, { type: "custom", name: "c" }, { type: "mcp" }] },
        ["tools[1]", "tools[3]"]
      ],
      [{ tools: [{ type: "namespace", name: "n", tools: [{ type: "function", name: "f" }] }] }, []],
      [{ tools: [{ type: "namespace", name: "n", tools: [{ type: "code_interpreter" }] }] }, ["tools[0]"]],
      [{ tools: [7] }, []],
      [{ tools: [{ type: { toString: null } }], service_tier: { toString: null } }, ["service_tier", "tools[0]"]],
      [{ service_tier: "priority" }, ["service_tier"]],
      [{ service_tier: "flex" }, []],
      [{ previous_response_id: "r" }, ["previous_response_id"]],
      [{ previous_response_id: null, background: false, conversation: null }, []],
      [{ conversation: "c" }, ["conversation"]],
      [{ prompt: { id: "p" } }, ["prompt"]],
      [{ background: true }, ["background"]],
      [{ reasoning: { mode: "pro" } }, ["reasoning.mode"]],
      [{ context_management: [{ type: "compaction" }] }, ["context_management"]],
      [{ input: [{ type: "item_reference", id: "m" }, { id: "m" }] }, ["input[0]", "input[1]"]],
      [{ input: [{ type: "reasoning", id: "rs", summary: [] }] }, ["input[0]"]],
      [
        {
          input: [
            { type: "reasoning", id: "rs", summary: [], encrypted_content: "g" },
            { type: "web_search_call", id: "ws" }
          ]
        },
        ["input[1]"]
      ],
      [{ input: [{ type: "additional_tools", role: "developer", tools: [{ type: "web_search" }] }] }, ["input[0].tools"]],
      [
        {
          input: [
            { role: "user", content: "x" },
            { type: "function_call_output", call_id: "c", output: "x" }
          ]
        },
        []
      ]
    ]
    for (const [body, expected] of cases) assert.deepStrictEqual(ask(body).extras(), expected, JSON.stringify(body))
  })
})

/** JSON text of a value as callers write it, numbers that JavaScript cannot hold among them. */
const literal = fc.oneof(
  fc.constantFrom("null", "0", "1.0", "20", "100", "500", "-3", "12345678901234567890", '"high"', "true", "[]"),
  fc.constantFrom('{"effort":"high"}', '{ "effort" : "low","summary":"auto" }', '{"summary":"detailed"}', "{}")
)
const names = ["temperature", "max_output_tokens", "reasoning", "max_tokens", "reasoning_effort", "model"] as const
const space = fc.constantFrom("", " ", "\n  ")
const members = fc.uniqueArray(fc.tuple(fc.constantFrom(...names), literal, space), { selector: ([name]) => name, maxLength: names.length })
const textOf = (all: ReadonlyArray<readonly [string, string, string]>): string =>
  `{${all.map(([name, json, gap]) => `${gap}"${name}"${gap}:${gap}${json}${gap}`).join(",")}}`

const settings = fc.record<Settings>({
  temperature: fc.option(fc.constantFrom(0, 0.25, 2), { nil: undefined }),
  reasoningEffort: fc.option(fc.constantFrom("none", "low", "high"), { nil: undefined }),
  maxOutputTokens: fc.option(fc.constantFrom(16, 20, 100), { nil: undefined }),
  maxTokensField: fc.constantFrom("max_tokens", "max_completion_tokens", undefined)
})

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value)

describe("overrides of Responses", () => {
  it("say what is set, once, cap what is longer, and leave every other byte", () => {
    fc.assert(
      fc.property(members, settings, (all, set) => {
        const text = textOf(all)
        const before = JSON.parse(text) as Record<string, unknown>
        const source = encoder.encode(text)
        const changes = overrides(before, set)
        const patched = patch(source, scan(source), changes)
        const now = decoder.decode(patched)
        const after = JSON.parse(now) as Record<string, unknown>
        assert.isUndefined(scan(patched).duplicate)
        if (set.temperature !== undefined) assert.strictEqual(after["temperature"], set.temperature)
        if (set.reasoningEffort !== undefined) {
          const was = before["reasoning"]
          assert.deepStrictEqual(after["reasoning"], { ...(isObject(was) ? was : {}), effort: set.reasoningEffort })
        }
        if (set.maxOutputTokens !== undefined) {
          const was = before["max_output_tokens"]
          const shorter = typeof was === "number" && Number.isSafeInteger(was) && was > 0 && was < set.maxOutputTokens
          assert.strictEqual(after["max_output_tokens"], shorter ? was : set.maxOutputTokens)
        }
        let at = 0
        for (const [name, json, gap] of all.filter(([key]) => changes.every((change) => change.key !== key))) {
          at = now.indexOf(`"${name}"${gap}:${gap}${json}`, at)
          assert.isAtLeast(at, 0, name)
        }
        for (const { key } of changes) assert.notDeepEqual(after[key], before[key])
        assert.isEmpty(overrides(after, set))
      }),
      { numRuns: 3_000 }
    )
  })
})
