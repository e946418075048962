/**
 * Answers of one provider in the history of a caller whose next request goes to another that speaks the caller's own API: what that one would refuse or not know is marked, so that the
 * request is not forwarded as it is.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Answer, StreamEvent } from "../../src/Conversation.ts"
import { anthropic, anthropicCaller } from "../../src/providers/anthropic.ts"
import { gemini, geminiCaller } from "../../src/providers/gemini.ts"
import { openai } from "../../src/providers/openai.ts"
import { responses, responsesCaller } from "../../src/providers/responses.ts"
import { holdsForeign } from "../../src/providers/seal.ts"
import { context, dataOf } from "./sse.ts"

const hosts: Answer = {
  dialect: "chat.completions",
  parts: [
    { _tag: "Reasoning", text: "Two lines meet." },
    { _tag: "ToolCall", id: "functions.f:0", name: "f", arguments: "{}" },
    { _tag: "ToolCall", id: "functions.f:1", name: "f", arguments: "{}" }
  ],
  stop: "tool-calls",
  extras: []
}

const steps: ReadonlyArray<StreamEvent> = [
  { _tag: "Start" },
  { _tag: "ReasoningDelta", text: "Two lines meet." },
  { _tag: "ToolCallStart", index: 0, id: "functions.f:0", name: "f" },
  { _tag: "ToolCallDelta", index: 0, arguments: "{}" },
  { _tag: "ToolCallEnd", index: 0 },
  { _tag: "Stop", reason: "tool-calls" },
  { _tag: "End" }
]

const streamed = (caller: typeof anthropicCaller): string => {
  const encoder = caller.streamEncoder(context)
  let state: unknown = encoder.initial
  let text = ""
  for (const step of steps) {
    const [next, more] = encoder.step(state, step)
    state = next
    text += more
  }
  return text
}

describe("a caller of Messages", () => {
  it("gets ids that Claude takes, alike in call and stream", () => {
    const { body } = anthropicCaller.encodeAnswer(hosts, context)
    const ids = (body["content"] as ReadonlyArray<{ readonly id?: string }>).flatMap(({ id }) => id ?? [])
    assert.deepStrictEqual(ids, ["functions_2e_f_3a_0", "functions_2e_f_3a_1"])
    assert.include(streamed(anthropicCaller), '"id":"functions_2e_f_3a_0"')
  })
})

describe("a caller of Gemini's API", () => {
  it("gets a mark on the first call, which Gemini would refuse without its own signature, and no other", () => {
    const { body } = geminiCaller.encodeAnswer(hosts, context)
    const [{ content }] = body["candidates"] as [{ readonly content: { readonly parts: ReadonlyArray<Record<string, unknown>> } }]
    const marks = content.parts.filter((part) => part["functionCall"] !== undefined).map((part) => part["thoughtSignature"])
    assert.isTrue(holdsForeign(String(marks[0])))
    assert.isUndefined(marks[1])
    assert.isTrue(holdsForeign(streamed(geminiCaller)))
    const next = { contents: [{ role: "user", parts: [{ text: "Which way?" }] }, content] }
    const decoded = Result.getOrThrow(geminiCaller.decodeRequest(next, { model: "gemini-3-flash", stream: false }))
    const { body: sent, losses } = gemini.encodeRequest(decoded, { model: "gemini-3-flash" })
    assert.deepStrictEqual(losses, [])
    assert.isFalse(holdsForeign(JSON.stringify(sent)))
    assert.include(JSON.stringify(sent), "skip_thought_signature_validator")
  })
})

describe("a host that takes ids of one length alone", () => {
  it("gets such ids, alike in call and result", () => {
    const asked = {
      model: "m",
      max_tokens: 100,
      messages: [
        { role: "user", content: "Which way?" },
        {
          role: "assistant",
          content: [
            { type: "tool_use", id: "toolu_01", name: "f", input: {} },
            { type: "tool_use", id: "AbCdEf012", name: "g", input: {} }
          ]
        },
        {
          role: "user",
          content: [
            { type: "tool_result", tool_use_id: "AbCdEf012", content: "second" },
            { type: "tool_result", tool_use_id: "toolu_01", content: "first" }
          ]
        }
      ]
    }
    const conversation = Result.getOrThrow(anthropicCaller.decodeRequest(asked))
    const { body } = openai.encodeRequest(conversation, { model: "mistral-large-2512", habits: { callIdLength: 9 } })
    const [, assistant, ...results] = body["messages"] as ReadonlyArray<any>
    assert.deepStrictEqual(
      assistant.tool_calls.map(({ id }: { readonly id: string }) => id),
      ["c00000000", "AbCdEf012"]
    )
    assert.deepStrictEqual(
      results.map(({ content, tool_call_id: id }) => [id, content]),
      [
        ["AbCdEf012", "second"],
        ["c00000000", "first"]
      ]
    )
  })
})

describe("a caller of Responses", () => {
  it("gets a mark on thoughts that nobody has sealed, whose item OpenAI would look for and not have", () => {
    const { body } = responsesCaller.encodeAnswer(hosts, context)
    const output = body["output"] as ReadonlyArray<Record<string, unknown>>
    assert.isTrue(holdsForeign(String(output[0]!["encrypted_content"])))
    const last = JSON.parse(dataOf(streamed(responsesCaller)).at(-1)!) as { readonly response: { readonly output: typeof output } }
    assert.isTrue(holdsForeign(String(last.response.output[0]!["encrypted_content"])))
    const decoded = Result.getOrThrow(
      responsesCaller.decodeRequest({ model: "m", input: [{ role: "user", content: "Which way?" }, ...output] })
    )
    const sent = JSON.stringify(responses.encodeRequest(decoded, { model: "gpt-5.4" }).body)
    assert.isFalse(holdsForeign(sent))
    assert.notInclude(sent, "rs_")
    assert.include(sent, "functions.f:0")
  })

  it("does not hand Claude these thoughts with an empty signature, which it would refuse, nor asks it to think on", () => {
    const { body } = responsesCaller.encodeAnswer(hosts, context)
    const output = body["output"] as ReadonlyArray<Record<string, unknown>>
    const [thought, ...calls] = output
    const silent = { ...thought, summary: [] }
    const results = calls.map(({ call_id: id }) => ({ type: "function_call_output", call_id: id, output: "left" }))
    for (const said of [thought!, silent]) {
      const asked = {
        model: "m",
        reasoning: { effort: "low" },
        input: [{ role: "user", content: "Which way?" }, said, ...calls, ...results]
      }
      const decoded = Result.getOrThrow(responsesCaller.decodeRequest(asked))
      const { body: sent, losses } = anthropic.encodeRequest(decoded, { model: "claude-sonnet-4-5" })
      const [, assistant] = sent["messages"] as ReadonlyArray<{ readonly content: ReadonlyArray<{ readonly type: string }> }>
      assert.deepStrictEqual(
        assistant!.content.map(({ type }) => type),
        ["tool_use", "tool_use"]
      )
      assert.notProperty(sent, "thinking")
      assert.deepStrictEqual(
        losses.map(({ field }) => field),
        [said === silent ? "input[1]" : "input[1].summary[0]", "reasoning.effort"]
      )
    }
  })
})
