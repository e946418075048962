/**
 * Streams as Chat Completions callers read them: events of any provider, in any order, through the official client and another accumulator's rules.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import OpenAI from "openai"
import type { Citation, Part, StreamEvent } from "../../src/Conversation.ts"
import { openaiCaller } from "../../src/providers/openai.ts"
import { context, dataOf } from "./sse.ts"

type Any = any

const written = (events: ReadonlyArray<StreamEvent>, includeUsage = true) => {
  const encoder = openaiCaller.streamEncoder({ ...context, includeUsage })
  let state: unknown = encoder.initial
  let text = ""
  const losses: Array<string> = []
  for (const event of events) {
    const [next, more, lost = []] = encoder.step(state, event)
    state = next
    text += more
    losses.push(...lost.map(({ field }) => field))
  }
  return {
    text,
    losses,
    chunks: dataOf(text)
      .filter((data) => data !== "[DONE]")
      .map((data) => JSON.parse(data) as Any)
  }
}

const read = (text: string): Promise<Any> =>
  new OpenAI({
    apiKey: "none",
    fetch: async () => new Response(text, { headers: { "content-type": "text/event-stream" } })
  }).chat.completions
    .stream({ model: "smart", messages: [] })
    .finalChatCompletion()

const end: ReadonlyArray<StreamEvent> = [{ _tag: "Stop", reason: "end" }, { _tag: "End" }]
const say = (text: string): StreamEvent => ({ _tag: "TextDelta", text })
const cite = (citation: Omit<Citation, "value">): StreamEvent => ({ _tag: "Cited", citation: { ...citation, value: null } })

describe("a stream for a caller", () => {
  it("gives all sources of an answer in one piece, each with its place in the whole text", async () => {
    const { losses, text } = written([
      { _tag: "Start", id: "1" },
      say("One. "),
      { _tag: "PartEnd" },
      say("Two "),
      cite({ url: "https://a.example", title: "A", start: 0, end: 3 }),
      say("three."),
      cite({ url: "https://b.example" }),
      cite({ title: "no address" }),
      cite({ title: "nor this" }),
      ...end
    ])
    const { message } = (await read(text)).choices[0]
    assert.strictEqual(message.content, "One. Two three.")
    assert.deepStrictEqual(
      message.annotations.map(({ url_citation: { end_index, start_index, title, url } }: Any) => [
        url,
        title,
        message.content.slice(start_index, end_index)
      ]),
      [
        ["https://a.example", "A", "Two"],
        ["https://b.example", "https://b.example", "Two three."]
      ]
    )
    assert.deepStrictEqual(losses, ["content[1].citations"])
  })

  it("gives all seals in one piece, each thought with its text, and a call's at the call too", async () => {
    const seal = (data: string) => ({ dialect: "messages", data }) as const
    const { chunks, text } = written([
      { _tag: "Start" },
      { _tag: "ReasoningDelta", text: "Hm" },
      { _tag: "ReasoningDelta", text: "m." },
      { _tag: "Sealed", seal: seal("s1") },
      { _tag: "ReasoningDelta", text: "So." },
      { _tag: "Sealed", seal: seal("s2") },
      { _tag: "SealedReasoning", seal: seal("s3") },
      { _tag: "ToolCallStart", index: 0, id: "", name: "f", seal: { dialect: "generateContent", data: "g" } },
      { _tag: "ToolCallDelta", index: 0, arguments: "{}" },
      { _tag: "ToolCallStart", index: 1, id: "", name: "f" },
      { _tag: "ToolCallEnd", index: 0 },
      { _tag: "ToolCallEnd", index: 1 },
      ...end
    ])
    const { finish_reason: finish, message } = (await read(text)).choices[0]
    assert.deepStrictEqual(message.thinking_blocks.slice(0, 3), [
      { type: "thinking", thinking: "Hmm.", signature: "s1" },
      { type: "thinking", thinking: "So.", signature: "s2" },
      { type: "redacted_thinking", data: "s3" }
    ])
    assert.strictEqual(message.thinking_blocks[3].type, "redacted_thinking")
    assert.deepStrictEqual(
      message.tool_calls.map(({ extra_content, id, index }: Any) => [id, index, extra_content]),
      [
        ["call_1_0", undefined, { google: { thought_signature: "g" } }],
        ["call_1_1", undefined, undefined]
      ]
    )
    assert.strictEqual(finish, "tool_calls")
    // What comes again replaces what there is in one official client, and fails another: each list comes once.
    for (const list of ["thinking_blocks", "annotations"])
      assert.isAtMost(chunks.filter(({ choices }) => choices[0]?.delta[list] !== undefined).length, 1)
  })

  it("shows pictures where routers show them, and reports what comes whole and has no place", () => {
    const whole = (part: Extract<Part, { _tag: "Image" | "File" | "Audio" | "Foreign" }>): StreamEvent => ({ _tag: "Whole", part })
    const { chunks, losses } = written([
      { _tag: "Start" },
      whole({ _tag: "Image", source: { _tag: "Base64", mediaType: "image/png", data: "AAAA" } }),
      whole({ _tag: "Audio", format: "wav", data: "AAAA" }),
      whole({ _tag: "Foreign", type: "server_tool_use", value: {}, at: "output[3]" }),
      ...end
    ])
    assert.deepStrictEqual(
      chunks.flatMap(({ choices }) => choices[0]?.delta.images ?? []),
      [{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }]
    )
    assert.deepStrictEqual(losses, ["content[1]", "output[3]"])
  })

  it("never hides a refusal or an unfinished answer", () => {
    for (const [reason, finish] of [
      ["refusal", "content_filter"],
      ["content-filter", "content_filter"],
      ["max-tokens", "length"],
      ["paused", "length"],
      ["context-window", "length"]
    ] as const) {
      const { chunks } = written([
        { _tag: "Start" },
        { _tag: "RefusalDelta", text: "No." },
        { _tag: "ToolCallStart", index: 0, id: "a", name: "f" },
        { _tag: "Stop", reason },
        { _tag: "End" }
      ])
      assert.strictEqual(chunks.at(-1).choices[0].finish_reason, finish)
      assert.strictEqual(chunks[1].choices[0].delta.refusal, "No.")
    }
  })

  it("ignores extras of other dialects, whatever they are called", () => {
    const extra = (field: string, value: unknown): StreamEvent => ({ _tag: "Extra", extra: { field, value, matters: false } })
    const { text } = written([
      { _tag: "Start" },
      extra("object", "response"),
      extra("service_tier", "priority"),
      extra("choices[0].delta.content", "no"),
      say("x"),
      extra("object", "chat.completion.chunk"),
      ...end
    ])
    assert.notInclude(text, "priority")
    assert.strictEqual(text, written([{ _tag: "Start" }, say("x"), ...end]).text)
  })

  const events: fc.Arbitrary<StreamEvent> = fc.oneof(
    fc.string().map(say),
    fc.string().map((text): StreamEvent => ({ _tag: "ReasoningDelta", text })),
    fc.string().map((text): StreamEvent => ({ _tag: "RefusalDelta", text })),
    fc.constantFrom<StreamEvent>(
      { _tag: "Start", id: "s" },
      { _tag: "Item", id: "i" },
      { _tag: "PartEnd" },
      { _tag: "Sealed", seal: { dialect: "responses", data: "d", id: "rs" } },
      { _tag: "SealedReasoning", seal: { dialect: "messages", data: "d" } },
      { _tag: "ToolCallStart", index: 0, id: "", name: "f" },
      { _tag: "ToolCallStart", index: 1, id: "b", name: "g", seal: { dialect: "responses", data: "d" } },
      { _tag: "ToolCallDelta", index: 1, arguments: "{}" },
      { _tag: "ToolCallEnd", index: 0 },
      { _tag: "Stop", reason: "end" },
      { _tag: "Usage", usage: { inputTokens: 1, cachedInputTokens: 0, cacheWriteInputTokens: 0, outputTokens: 2, reasoningTokens: 0 } },
      { _tag: "Whole", part: { _tag: "Foreign", type: "x", value: {}, at: "y" } },
      cite({ url: "https://a.example" }),
      cite({ title: "none" })
    )
  )

  it("is well formed whatever the order: one role first, one reason, the text whole, and its end last", () => {
    fc.assert(
      fc.property(fc.array(events), fc.boolean(), (list, includeUsage) => {
        const { text, chunks } = written([...list, { _tag: "End" }, say("late")], includeUsage)
        assert.isTrue(text.endsWith("data: [DONE]\n\n"))
        const choices = chunks.flatMap(({ choices }) => choices as ReadonlyArray<Any>)
        assert.strictEqual(choices.filter(({ delta }) => delta.role !== undefined).length, 1)
        assert.strictEqual(choices[0].delta.role, "assistant")
        assert.strictEqual(choices.filter(({ finish_reason: finish }) => finish !== null).length, 1)
        const said = (tag: "TextDelta" | "ReasoningDelta" | "RefusalDelta"): string =>
          list.flatMap((event) => (event._tag === tag ? [event.text] : [])).join("")
        assert.strictEqual(choices.map(({ delta }) => delta.content ?? "").join(""), said("TextDelta"))
        assert.strictEqual(choices.map(({ delta }) => delta.reasoning_content ?? "").join(""), said("ReasoningDelta"))
        assert.strictEqual(choices.map(({ delta }) => delta.refusal ?? "").join(""), said("RefusalDelta"))
        const usages = chunks.filter(({ usage }) => usage != null)
        assert.strictEqual(usages.length, includeUsage && list.some(({ _tag }) => _tag === "Usage") ? 1 : 0)
      }),
      { numRuns: 1000 }
    )
  })
})
