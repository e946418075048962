/**
 * Answers of `generateContent`, and answers as its callers read them: what single cases must come to, whole and streamed, the failure table, and glances at forwarded streams.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Answer, Part, StopReason, StreamEvent, Usage } from "../../src/Conversation.ts"
import { failed, refuse } from "../../src/GatewayError.ts"
import {
  batchEmbedContents,
  countTokens,
  embedContent,
  gemini,
  geminiCaller,
  generateContent,
  streamGenerateContent
} from "../../src/providers/gemini.ts"
import { errorBody, errorEvent } from "../../src/providers/gemini/error.ts"
import { sealText } from "../../src/providers/seal.ts"
import { failures } from "../fixtures/gemini/failures.ts"
import { context, dataOf, translate } from "./sse.ts"

const wire = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

const answered = (parts: ReadonlyArray<unknown>, more: object = {}, top: object = {}): unknown => ({
  candidates: [{ content: { role: "model", parts }, finishReason: "STOP", index: 0, ...more }],
  modelVersion: "gemini-3-flash",
  responseId: "r1",
  ...top
})

const decoded = (body: unknown): Answer => Result.getOrThrow(gemini.decodeAnswer(body))
const partsOf = (...parts: ReadonlyArray<unknown>): ReadonlyArray<Part> => decoded(answered(parts)).parts

const usage: Usage = { inputTokens: 0, cachedInputTokens: 0, cacheWriteInputTokens: 0, outputTokens: 0, reasoningTokens: 0 }

/** An answer of another dialect. */
const foreign = (parts: ReadonlyArray<Part>, stop: StopReason = "end", more: Partial<Answer> = {}): Answer => ({
  dialect: "messages",
  parts,
  stop,
  extras: [],
  ...more
})

interface Candidate {
  readonly content: { readonly parts: ReadonlyArray<Record<string, unknown>> }
  readonly finishReason: string
  readonly finishMessage?: string
  readonly groundingMetadata?: unknown
}

const written = (
  answer: Answer
): { readonly candidate: Candidate; readonly losses: ReadonlyArray<string>; readonly body: Record<string, unknown> } => {
  const { body, losses } = geminiCaller.encodeAnswer(answer, context)
  const read = wire(body) as { candidates: [Candidate] } & Record<string, unknown>
  return { candidate: read.candidates[0], losses: losses.map(({ field }) => field), body: read }
}

/** What a decoder says of these events. */
const run = (...chunks: ReadonlyArray<unknown>): ReadonlyArray<StreamEvent> =>
  translate(
    chunks.map((chunk) => ({ event: "", data: typeof chunk === "string" ? chunk : JSON.stringify(chunk) })),
    gemini,
    geminiCaller,
    context
  ).steps

const tags = (steps: ReadonlyArray<StreamEvent>): ReadonlyArray<string> => steps.map(({ _tag }) => _tag)

/** What an encoder writes of these events. */
const say = (...events: ReadonlyArray<StreamEvent>) => {
  const encoder = geminiCaller.streamEncoder(context)
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
    chunks: dataOf(text).map((data) => JSON.parse(data) as { candidates: [Partial<Candidate>]; usageMetadata?: unknown })
  }
}

const seal = { dialect: "messages", data: "sig" } as const
const own = { dialect: "generateContent", data: "sig" } as const

/** Marks the first call of another provider, which Gemini would refuse without a signature of its own: base64 of a wrapping that seals nothing. */
const nobodys = btoa("turnout:v01:messages::")

describe("a whole answer", () => {
  it("keeps its parts in order, each with its signature", () => {
    assert.deepStrictEqual(
      partsOf(
        { text: "hm", thought: true },
        { text: "Hello", thoughtSignature: "sig" },
        { functionCall: { name: "f", args: { a: 1 } }, thoughtSignature: "sig" },
        { functionCall: { id: "c2", name: "g" } },
        { text: "", thoughtSignature: "sig" }
      ),
      [
        { _tag: "Reasoning", text: "hm" },
        { _tag: "Text", text: "Hello", seal: own },
        { _tag: "ToolCall", id: "", name: "f", arguments: '{"a":1}', seal: own },
        { _tag: "ToolCall", id: "c2", name: "g", arguments: "{}" },
        { _tag: "SealedReasoning", seal: own }
      ]
    )
  })

  it("holds pictures, sound and files", () => {
    const blob = (mimeType: string) => ({ inlineData: { mimeType, data: "AAAA" } })
    assert.deepStrictEqual(partsOf(blob("image/png"), blob("audio/wav"), blob("audio/mpeg"), blob("application/pdf")), [
      { _tag: "Image", source: { _tag: "Base64", mediaType: "image/png", data: "AAAA" } },
      { _tag: "Audio", format: "wav", data: "AAAA" },
      { _tag: "Audio", format: "mp3", data: "AAAA" },
      { _tag: "File", source: { _tag: "Base64", mediaType: "application/pdf", data: "AAAA" } }
    ])
    const sound = answered([blob("audio/L16;codec=pcm;rate=24000")])
    assert.deepStrictEqual(wire(geminiCaller.encodeAnswer(decoded(sound), { ...context, model: "gemini-3-flash" }).body), sound)
  })

  it("names what only its own side knows by its path", () => {
    const [, run] = partsOf({ text: "a" }, { executableCode: { language: "PYTHON", code: "1" } })
    assert.deepInclude(run, { _tag: "Foreign", type: "executableCode", at: "candidates[0].content.parts[1]" })
    const { losses } = geminiCaller.encodeAnswer({ ...foreign([]), parts: [run!] }, context)
    assert.deepStrictEqual(losses, [
      { field: "candidates[0].content.parts[1]", reason: "`executableCode` has no place in an answer of the Gemini API" }
    ])
  })

  const reasons: ReadonlyArray<readonly [reason: unknown, stop: StopReason, told: boolean]> = [
    ["STOP", "end", false],
    ["MAX_TOKENS", "max-tokens", false],
    ["SAFETY", "content-filter", false],
    ["RECITATION", "content-filter", false],
    ["BLOCKLIST", "content-filter", false],
    ["PROHIBITED_CONTENT", "content-filter", false],
    ["SPII", "content-filter", false],
    ["MODEL_ARMOR", "content-filter", false],
    ["IMAGE_SAFETY", "content-filter", false],
    ["MALFORMED_FUNCTION_CALL", "unknown", true],
    ["UNEXPECTED_TOOL_CALL", "unknown", true],
    ["LANGUAGE", "unknown", true],
    ["OTHER", "unknown", true],
    ["__proto__", "unknown", true],
    ["FINISH_REASON_UNSPECIFIED", "unknown", false],
    [undefined, "unknown", false],
    [1, "end", false],
    [2, "max-tokens", false]
  ]
  for (const [reason, stop, told] of reasons) {
    it(`that ends with ${String(reason)}`, () => {
      const body = answered([{ text: "x" }], { finishReason: reason })
      const answer = decoded(body)
      assert.strictEqual(answer.stop, stop)
      assert.deepStrictEqual(
        answer.extras.flatMap(({ field, matters }) => (matters ? [field] : [])),
        told ? ["candidates[0].finishReason"] : []
      )
      assert.deepStrictEqual(wire(geminiCaller.encodeAnswer(answer, { ...context, model: "gemini-3-flash" }).body), wire(body))
    })
  }

  it("ends with its calls where it has some, and not where it was cut", () => {
    const call = [{ functionCall: { name: "f" } }]
    assert.strictEqual(decoded(answered(call)).stop, "tool-calls")
    assert.strictEqual(decoded(answered(call, { finishReason: "MAX_TOKENS" })).stop, "max-tokens")
  })

  it("of a prompt that was blocked has no parts, and the reason matters", () => {
    const body = {
      promptFeedback: { blockReason: "PROHIBITED_CONTENT" },
      usageMetadata: { promptTokenCount: 7, totalTokenCount: 7 },
      modelVersion: "m",
      responseId: "r"
    }
    const answer = decoded(body)
    assert.strictEqual(answer.stop, "content-filter")
    assert.deepStrictEqual(answer.parts, [])
    assert.strictEqual(answer.extras.find(({ field }) => field === "promptFeedback")?.matters, true)
    assert.strictEqual(answer.usage?.inputTokens, 7)
    assert.isUndefined(gemini.failureIn(body))
    assert.deepStrictEqual(wire(geminiCaller.encodeAnswer(answer, { ...context, model: "m" }).body), {
      ...body,
      usageMetadata: { promptTokenCount: 7, candidatesTokenCount: 0, totalTokenCount: 7 }
    })
  })

  it("without candidates is malformed", () => {
    for (const body of [
      null,
      7,
      "",
      [],
      {},
      { candidates: [] },
      { candidates: [7] },
      { candidates: {} },
      { promptFeedback: {} },
      { modelVersion: "m" }
    ]) {
      assert.strictEqual(
        Result.match(gemini.decodeAnswer(body), { onFailure: (failure) => failure.class, onSuccess: () => "answer" }),
        "malformed"
      )
    }
  })

  it("keeps further candidates, log probabilities and its own tools' words as extras", () => {
    const more = { content: { parts: [{ text: "b" }] }, index: 1 }
    const answer = decoded({
      candidates: [
        {
          content: { parts: [{ text: "a" }] },
          finishReason: "STOP",
          logprobsResult: { chosenCandidates: [] },
          avgLogprobs: -1,
          safetyRatings: []
        },
        more
      ],
      createTime: "t"
    })
    const told = Object.fromEntries(answer.extras.map(({ field, matters }) => [field, matters]))
    assert.deepStrictEqual(told, {
      createTime: false,
      "candidates[0].logprobsResult": true,
      "candidates[0].avgLogprobs": false,
      "candidates[0].safetyRatings": false,
      "candidates[1]": true
    })
  })

  it("counts what the provider's tools brought in as input, and thinking as output", () => {
    const metadata = {
      promptTokenCount: 147,
      cachedContentTokenCount: 40,
      toolUsePromptTokenCount: 360,
      candidatesTokenCount: 108,
      thoughtsTokenCount: 168,
      totalTokenCount: 783
    }
    const answer = decoded(answered([{ text: "a" }], {}, { usageMetadata: metadata }))
    assert.deepStrictEqual(answer.usage, {
      inputTokens: 507,
      cachedInputTokens: 40,
      cacheWriteInputTokens: 0,
      outputTokens: 276,
      reasoningTokens: 168
    })
    assert.deepStrictEqual(wire(geminiCaller.encodeAnswer(answer, context).body["usageMetadata"]), metadata)
    assert.isUndefined(gemini.usageOf({ usageMetadata: { trafficType: "ON_DEMAND" } }))
  })

  it("keeps integers that no double holds", () => {
    const { candidate } = written(foreign([{ _tag: "ToolCall", id: "a", name: "f", arguments: '{"n":12345678901234567890}' }]))
    assert.include(
      JSON.stringify(
        geminiCaller.encodeAnswer(foreign([{ _tag: "ToolCall", id: "a", name: "f", arguments: '{"n":12345678901234567890}' }]), context)
          .body
      ),
      "12345678901234567890"
    )
    assert.strictEqual(candidate.finishReason, "STOP")
  })
})

describe("grounding", () => {
  const chunks = [{ web: { uri: "https://a.example/", title: "A" } }, { retrievedContext: { title: "B", text: "quoted" } }]
  const grounded = (text: ReadonlyArray<string>, ...groundingSupports: ReadonlyArray<unknown>) =>
    decoded(
      answered(
        text.map((one) => (one === "" ? { toolCall: {} } : { text: one })),
        { groundingMetadata: { groundingChunks: chunks, groundingSupports } }
      )
    )
  const support = (segment: object, ...groundingChunkIndices: ReadonlyArray<number>) => ({ segment, groundingChunkIndices })
  const citationsOf = (answer: Answer) =>
    answer.parts.flatMap((part) =>
      part._tag === "Text"
        ? (part.citations ?? []).map(({ start, end, url, title, quote }) => [part.text.slice(start, end), url ?? title, quote])
        : []
    )
  const matters = (answer: Answer) => answer.extras.find(({ field }) => field.endsWith("groundingMetadata"))?.matters

  it("is counted in bytes, and cited in UTF-16", () => {
    const answer = grounded(
      ["69°F, 😀 fine. Yes."],
      support({ startIndex: 7, endIndex: 17, text: "😀 fine." }, 0),
      support({ startIndex: 18, endIndex: 22 }, 1)
    )
    assert.deepStrictEqual(citationsOf(answer), [
      [" 😀 fine.".trim(), "https://a.example/", undefined],
      ["Yes.", "B", "quoted"]
    ])
    assert.strictEqual(matters(answer), false)
  })

  it("is found by part, in the whole text, and by its words", () => {
    assert.deepStrictEqual(citationsOf(grounded(["ab", "cd"], support({ partIndex: 1, endIndex: 2, text: "cd" }, 0, 1))), [
      ["cd", "https://a.example/", undefined],
      ["cd", "B", "quoted"]
    ])
    // As it was recorded: no index of a part, though the text is not the first.
    assert.deepStrictEqual(citationsOf(grounded(["", "abcd"], support({ startIndex: 1, endIndex: 3, text: "bc" }, 0)))[0], [
      "bc",
      "https://a.example/",
      undefined
    ])
    assert.deepStrictEqual(citationsOf(grounded(["ab", "cd"], support({ startIndex: 2, endIndex: 4, text: "cd" }, 0)))[0], [
      "cd",
      "https://a.example/",
      undefined
    ])
    assert.deepStrictEqual(citationsOf(grounded(["ab cd"], support({ startIndex: 40, endIndex: 50, text: "cd" }, 0)))[0], [
      "cd",
      "https://a.example/",
      undefined
    ])
  })

  it("matters where a source is not cited", () => {
    assert.strictEqual(matters(grounded(["ab"], support({ endIndex: 2 }, 0))), true)
    assert.strictEqual(matters(grounded(["ab"])), true)
    assert.strictEqual(matters(grounded(["ab"], support({ endIndex: 2 }, 0, 1), support({ endIndex: 9, text: "none" }, 0))), true)
    assert.strictEqual(matters(decoded(answered([{ text: "a" }], { groundingMetadata: { webSearchQueries: ["q"] } }))), false)
  })

  it("is written of another dialect's citations", () => {
    const { candidate, losses } = written(
      foreign([
        { _tag: "Reasoning", text: "hm" },
        { _tag: "Text", text: "é1 ", citations: [{ url: "https://a.example/", title: "A", start: 1, end: 2, value: 0 }] },
        {
          _tag: "Text",
          text: "two",
          citations: [{ url: "https://a.example/", title: "A", value: 0 }, { title: "doc", quote: "said", value: 0 }, { value: 0 }]
        }
      ])
    )
    assert.deepStrictEqual(candidate.groundingMetadata, {
      groundingChunks: [{ web: { uri: "https://a.example/", title: "A" } }, { retrievedContext: { title: "doc", text: "said" } }],
      groundingSupports: [
        { segment: { startIndex: 2, endIndex: 3, text: "1" }, groundingChunkIndices: [0] },
        { segment: { startIndex: 4, endIndex: 7, text: "two" }, groundingChunkIndices: [0, 1] }
      ]
    })
    assert.deepStrictEqual(losses, ["content[2].citations"])
  })
})

describe("an answer of another dialect", () => {
  it("is written in its order, with seals on thoughts and ids on calls", () => {
    const { candidate, losses, body } = written(
      foreign(
        [
          { _tag: "Reasoning", text: "hm", seal },
          { _tag: "SealedReasoning", seal },
          { _tag: "Text", text: "I look." },
          { _tag: "ToolCall", id: "toolu_1", name: "f", arguments: '{"a":1}' },
          { _tag: "ToolCall", id: "", name: "g", arguments: "" }
        ],
        "tool-calls",
        { usage: { inputTokens: 10, cachedInputTokens: 4, cacheWriteInputTokens: 2, outputTokens: 9, reasoningTokens: 3 } }
      )
    )
    const wrapped = sealText(seal, "generateContent")
    assert.deepStrictEqual(candidate.content.parts, [
      { text: "hm", thought: true, thoughtSignature: wrapped },
      { text: "I look.", thoughtSignature: wrapped },
      { functionCall: { id: "toolu_1", name: "f", args: { a: 1 } }, thoughtSignature: nobodys },
      { functionCall: { id: "call_1_1", name: "g", args: {} } }
    ])
    assert.strictEqual(candidate.finishReason, "STOP")
    assert.deepStrictEqual(body["usageMetadata"], {
      promptTokenCount: 10,
      cachedContentTokenCount: 4,
      candidatesTokenCount: 6,
      thoughtsTokenCount: 3,
      totalTokenCount: 19
    })
    assert.deepStrictEqual(losses, [])
    assert.deepStrictEqual([body["modelVersion"], body["responseId"]], ["smart", "1"])
    // The seals come back as what they were.
    assert.deepStrictEqual(decoded(body).parts.slice(0, 2), [
      { _tag: "Reasoning", text: "hm", seal },
      { _tag: "Text", text: "I look.", seal }
    ])
  })

  it("tells a thought that was not shown from what was sealed whole", () => {
    const other = { dialect: "responses", data: "b" } as const
    const alone: Part = { _tag: "SealedReasoning", seal }
    const call: Part = { _tag: "ToolCall", id: "a", name: "f", arguments: "{}" }
    const before: ReadonlyArray<Part> = [
      { _tag: "Reasoning", text: "", seal },
      { _tag: "SealedReasoning", seal: other },
      alone,
      { _tag: "Reasoning", text: "hm" }
    ]
    const parts = [...before, alone, call, alone, { _tag: "Text", text: "" } as const]
    const { candidate, body } = written(foreign(parts, "tool-calls"))
    const [ours, others] = [sealText(seal, "generateContent"), sealText(other, "generateContent")]
    const expected = [
      { text: "", thought: true, thoughtSignature: ours },
      { text: "", thoughtSignature: others },
      { text: "", thoughtSignature: ours },
      { text: "hm", thought: true },
      { functionCall: { id: "a", name: "f", args: {} }, thoughtSignature: ours },
      { text: "", thoughtSignature: ours }
    ]
    assert.deepStrictEqual(candidate.content.parts, expected)
    assert.deepStrictEqual(decoded(body).parts, [...before, { ...call, seal }, alone])
    const streamed = say(
      { _tag: "ReasoningDelta", text: "" },
      { _tag: "Sealed", seal },
      { _tag: "SealedReasoning", seal: other },
      { _tag: "SealedReasoning", seal },
      { _tag: "ReasoningDelta", text: "h" },
      { _tag: "ReasoningDelta", text: "m" },
      { _tag: "SealedReasoning", seal },
      { _tag: "ToolCallStart", index: 0, id: "a", name: "f" },
      { _tag: "ToolCallEnd", index: 0 },
      { _tag: "SealedReasoning", seal },
      { _tag: "Stop", reason: "tool-calls" },
      { _tag: "End" }
    )
    assert.deepStrictEqual(
      streamed.chunks.flatMap(({ candidates: [given] }) => given.content?.parts ?? []),
      [...expected.slice(0, 3), { text: "h", thought: true }, { text: "m", thought: true }, ...expected.slice(4), { text: "" }]
    )
  })

  const stops: Record<StopReason, string> = {
    end: "STOP",
    "stop-sequence": "STOP",
    "tool-calls": "STOP",
    "max-tokens": "MAX_TOKENS",
    "context-window": "MAX_TOKENS",
    "content-filter": "SAFETY",
    refusal: "SAFETY",
    paused: "OTHER",
    unknown: "OTHER"
  }
  for (const [stop, reason] of Object.entries(stops)) {
    it(`that stopped by ${stop} ends with ${reason}`, () => {
      assert.strictEqual(written(foreign([{ _tag: "Text", text: "x" }], stop as StopReason)).candidate.finishReason, reason)
      assert.strictEqual(
        say({ _tag: "Stop", reason: stop as StopReason }, { _tag: "End" }).chunks.at(-1)?.candidates[0].finishReason,
        reason
      )
    })
  }

  it("that refuses is text, and never a plain stop", () => {
    const { candidate } = written(foreign([{ _tag: "Refusal", text: "I cannot." }]))
    assert.deepStrictEqual(candidate.content.parts, [{ text: "I cannot." }])
    assert.strictEqual(candidate.finishReason, "SAFETY")
    assert.strictEqual(written(foreign([{ _tag: "Refusal", text: "I c" }], "max-tokens")).candidate.finishReason, "MAX_TOKENS")
    const { chunks } = say({ _tag: "RefusalDelta", text: "I cannot." }, { _tag: "Stop", reason: "end" }, { _tag: "End" })
    assert.strictEqual(chunks.at(-1)?.candidates[0].finishReason, "SAFETY")
  })

  it("with a call whose arguments are no object is not run with others", () => {
    for (const text of ['{"a":', "[1]", "7", "null"]) {
      const { candidate, losses } = written(foreign([{ _tag: "ToolCall", id: "a", name: "f", arguments: text }], "tool-calls"))
      assert.deepStrictEqual(candidate.content.parts, [])
      assert.strictEqual(candidate.finishReason, "MALFORMED_FUNCTION_CALL")
      assert.include(candidate.finishMessage, `f(${text})`)
      assert.deepStrictEqual(losses, ["content[0].arguments"])
      const streamed = say(
        { _tag: "ToolCallStart", index: 0, id: "a", name: "f" },
        { _tag: "ToolCallDelta", index: 0, arguments: text },
        { _tag: "Stop", reason: "tool-calls" },
        { _tag: "End" }
      )
      assert.deepStrictEqual(streamed.losses, ["tool_calls[0].arguments"])
      assert.strictEqual(streamed.chunks.at(-1)?.candidates[0].finishReason, "MALFORMED_FUNCTION_CALL")
      assert.notInclude(streamed.text, 'functionCall"')
    }
    // The limit is the reason, and said first.
    assert.strictEqual(
      written(foreign([{ _tag: "ToolCall", id: "a", name: "f", arguments: "{" }], "max-tokens")).candidate.finishReason,
      "MAX_TOKENS"
    )
  })

  it("says what has no place", () => {
    const parts: ReadonlyArray<Part> = [
      { _tag: "Image", source: { _tag: "Uploaded", id: "f" } },
      { _tag: "Image", source: { _tag: "Url", url: "https://a.example/x" } },
      { _tag: "Image", source: { _tag: "Url", url: "https://a.example/x", mediaType: "image/png" } },
      { _tag: "File", source: { _tag: "Base64", mediaType: "text/csv", data: "AA" } },
      { _tag: "Audio", format: "mp3", data: "AA" },
      { _tag: "ToolResult", callId: "a", parts: [] },
      { _tag: "Foreign", type: "server_tool_use", value: { type: "server_tool_use" } }
    ]
    const extras = [
      { field: "container", value: {}, matters: true },
      { field: "id", value: 1, matters: false }
    ]
    const { candidate, losses } = written(foreign(parts, "end", { extras }))
    assert.deepStrictEqual(losses, ["content[0]", "content[1]", "content[5]", "content[6]", "container"])
    assert.deepStrictEqual(candidate.content.parts, [
      { fileData: { mimeType: "image/png", fileUri: "https://a.example/x" } },
      { inlineData: { mimeType: "text/csv", data: "AA" } },
      { inlineData: { mimeType: "audio/mp3", data: "AA" } }
    ])
  })
})

describe("a stream, decoded", () => {
  const piece = (parts: ReadonlyArray<unknown>, more: object = {}) => ({
    candidates: [{ content: { parts, role: "model" }, ...more }],
    modelVersion: "m",
    responseId: "r"
  })

  it("makes each call of one event a call of its own", () => {
    const steps = run(
      piece([{ functionCall: { name: "f", args: { a: 1 } } }, { functionCall: { name: "f", args: { a: 2 } } }], { finishReason: "STOP" })
    )
    assert.deepStrictEqual(tags(steps), [
      "Start",
      "ToolCallStart",
      "ToolCallDelta",
      "ToolCallEnd",
      "ToolCallStart",
      "ToolCallDelta",
      "ToolCallEnd",
      "Stop",
      "End"
    ])
    assert.deepStrictEqual(
      steps.flatMap((step) => (step._tag === "ToolCallDelta" ? [[step.index, step.arguments]] : [])),
      [
        [0, '{"a":1}'],
        [1, '{"a":2}']
      ]
    )
    assert.deepInclude(steps, { _tag: "Stop", reason: "tool-calls" })
  })

  it("puts the pieces of streamed arguments together", () => {
    const call = (functionCall: object, more: object = {}) => piece([{ functionCall, ...more }])
    const steps = run(
      call({ name: "f", id: "c", willContinue: true }, { thoughtSignature: "sig" }),
      call({ partialArgs: [{ jsonPath: "$.a[0].b", stringValue: "x", willContinue: true }], willContinue: true }),
      call({
        partialArgs: [
          { jsonPath: "$.a[0].b", stringValue: "y" },
          { jsonPath: "$['__proto__'].c", numberValue: 2 }
        ],
        willContinue: true
      }),
      call({
        partialArgs: [
          { jsonPath: "$.d", nullValue: "NULL_VALUE" },
          { jsonPath: "$.e", boolValue: false }
        ],
        willContinue: true
      }),
      call({}),
      call({ name: "g", willContinue: true }),
      piece([], { finishReason: "STOP" })
    )
    assert.deepStrictEqual(
      steps.flatMap((step) => (step._tag === "ToolCallStart" ? [[step.id, step.name, step.seal?.data]] : [])),
      [
        ["c", "f", "sig"],
        ["", "g", undefined]
      ]
    )
    const [first, second] = steps.flatMap((step) => (step._tag === "ToolCallDelta" ? [step.arguments] : []))
    assert.strictEqual(first, '{"a":[{"b":"xy"}],"__proto__":{"c":2},"d":null,"e":false}')
    assert.strictEqual(second, "{}")
    assert.strictEqual(tags(steps).filter((tag) => tag === "ToolCallEnd").length, 2)
  })

  it("does not guess where a piece belongs", () => {
    for (const partialArgs of [
      [{ jsonPath: "$.a[4000000000]", stringValue: "" }],
      [{ jsonPath: "$..a", boolValue: true }],
      [{ jsonPath: "$.a" }],
      [7],
      [{ stringValue: "" }]
    ]) {
      const steps = run(piece([{ functionCall: { name: "f", partialArgs } }], { finishReason: "STOP" }))
      assert.strictEqual(steps.at(-1)?._tag === "Failed" ? steps.at(-1)?._tag : "", "Failed", JSON.stringify(partialArgs))
    }
  })

  it("ends only with its connection, since old models say STOP in every event", () => {
    const steps = run(piece([{ text: "a" }], { finishReason: "STOP" }), piece([{ text: "b" }], { finishReason: "STOP" }), {
      usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2 }
    })
    assert.deepStrictEqual(tags(steps), ["Start", "TextDelta", "TextDelta", "Stop", "Usage", "End"])
  })

  it("that is cut has no end, and tells no usage", () => {
    const steps = run({ ...piece([{ text: "a" }]), usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 1 } })
    assert.deepStrictEqual(tags(steps), ["Start", "TextDelta", "Failed"])
    assert.strictEqual(run().at(-1)?._tag === "Failed" ? "cut" : "", "cut")
  })

  it("fails with an error that comes after its reason to finish", () => {
    const unframed =
      '{\n  "error": {\n    "code": 503,\n    "message": "The model is overloaded. Please try again later.",\n    "status": "UNAVAILABLE"\n  }\n}\n'
    const last = run(piece([{ text: "a" }], { finishReason: "STOP" }), unframed).at(-1)
    assert.strictEqual(last?._tag === "Failed" ? last.failure.class : "", "overloaded")
    assert.strictEqual(last?._tag === "Failed" ? last.failure.status : 0, 503)
  })

  it("of broken data is malformed, and says nothing after it", () => {
    for (const data of ["", "{", "7", "[]", "null"]) {
      const steps = run(piece([{ text: "a" }]), data, piece([{ text: "b" }], { finishReason: "STOP" }))
      assert.deepStrictEqual(tags(steps), ["Start", "TextDelta", "Failed"])
      const last = steps.at(-1)
      assert.strictEqual(last?._tag === "Failed" ? last.failure.class : "", "malformed")
    }
  })

  it("of a blocked prompt stops by the filter", () => {
    const steps = run({ promptFeedback: { blockReason: "SAFETY" }, modelVersion: "m", usageMetadata: { promptTokenCount: 3 } })
    assert.deepStrictEqual(tags(steps), ["Start", "Extra", "Stop", "Usage", "End"])
    assert.deepInclude(steps, { _tag: "Stop", reason: "content-filter" })
  })

  it("seals thoughts and texts, and tells the last counts alone", () => {
    const steps = run(
      piece([{ text: "hm", thought: true }]),
      { ...piece([{ text: "m", thought: true, thoughtSignature: "s1" }]), usageMetadata: { promptTokenCount: 169, totalTokenCount: 169 } },
      piece([{ text: "Hi" }]),
      {
        ...piece([{ text: "", thoughtSignature: "s2" }], { finishReason: "STOP" }),
        usageMetadata: { promptTokenCount: 79, candidatesTokenCount: 12 }
      }
    )
    assert.deepStrictEqual(tags(steps), [
      "Start",
      "ReasoningDelta",
      "ReasoningDelta",
      "Sealed",
      "TextDelta",
      "SealedReasoning",
      "Stop",
      "Usage",
      "End"
    ])
    assert.deepInclude(steps, { _tag: "Usage", usage: { ...usage, inputTokens: 79, outputTokens: 12 } })
  })

  it("cites the text under way, before what ends it, and each source once", () => {
    const groundingMetadata = {
      groundingChunks: [{ web: { uri: "https://a.example/" } }],
      groundingSupports: [{ segment: { startIndex: 3, endIndex: 5, text: "ok" }, groundingChunkIndices: [0] }]
    }
    const steps = run(
      piece([{ text: "é " }]),
      piece([{ text: "ok" }], { groundingMetadata }),
      piece([{ text: "", thoughtSignature: "s" }], { groundingMetadata, finishReason: "STOP" })
    )
    assert.deepStrictEqual(tags(steps), ["Start", "TextDelta", "TextDelta", "Cited", "Extra", "SealedReasoning", "Extra", "Stop", "End"])
    const cited = steps.find((step) => step._tag === "Cited")
    assert.deepInclude(cited?.citation, { url: "https://a.example/", start: 2, end: 4 })
    assert.isFalse(steps.some((step) => step._tag === "Extra" && step.extra.matters))
  })

  it("tells the first of several answers, and that there were others", () => {
    const steps = run(
      { candidates: [{ index: 1, content: { parts: [{ text: "other" }] } }] },
      {
        candidates: [
          { index: 0, content: { parts: [{ text: "one" }] }, finishReason: "STOP" },
          { index: 1, content: { parts: [{ text: "!" }] } }
        ]
      }
    )
    assert.deepStrictEqual(
      steps.flatMap((step) =>
        step._tag === "TextDelta" ? [step.text] : step._tag === "Extra" ? [`${step.extra.field} ${step.extra.matters}`] : []
      ),
      ["candidates[1] true", "candidates[1] false", "one"]
    )
  })
})

describe("a stream, written", () => {
  const end: ReadonlyArray<StreamEvent> = [{ _tag: "Stop", reason: "end" }, { _tag: "End" }]

  it("is framed as Google frames it, and nothing follows its last event", () => {
    const { text } = say({ _tag: "Start", id: "x" }, { _tag: "TextDelta", text: "a" }, ...end, { _tag: "TextDelta", text: "late" })
    assert.strictEqual(
      text,
      'data: {"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"},"index":0}],"modelVersion":"smart","responseId":"x"}\r\n\r\n' +
        'data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],"modelVersion":"smart","responseId":"x"}\r\n\r\n'
    )
  })

  it("holds each call back until it is whole, however they are interleaved", () => {
    const { chunks } = say(
      { _tag: "ToolCallStart", index: 0, id: "a", name: "f" },
      { _tag: "ToolCallStart", index: 1, id: "", name: "g", seal: own },
      { _tag: "ToolCallDelta", index: 1, arguments: '{"y":' },
      { _tag: "ToolCallDelta", index: 0, arguments: '{"x":1}' },
      { _tag: "ToolCallDelta", index: 1, arguments: "2}" },
      { _tag: "ToolCallEnd", index: 1 },
      { _tag: "Stop", reason: "tool-calls" },
      { _tag: "End" }
    )
    assert.deepStrictEqual(
      chunks.map(({ candidates: [candidate] }) => candidate.content?.parts),
      [
        [{ functionCall: { id: "call_1_1", name: "g", args: { y: 2 } }, thoughtSignature: "sig" }],
        [{ functionCall: { id: "a", name: "f", args: { x: 1 } }, thoughtSignature: nobodys }],
        [{ text: "" }]
      ]
    )
  })

  it("writes seals, counts and citations where callers look for them", () => {
    const { chunks, losses } = say(
      { _tag: "ReasoningDelta", text: "h" },
      { _tag: "ReasoningDelta", text: "m" },
      { _tag: "Sealed", seal },
      { _tag: "SealedReasoning", seal },
      { _tag: "TextDelta", text: "é" },
      { _tag: "PartEnd" },
      { _tag: "TextDelta", text: "ok" },
      { _tag: "Cited", citation: { url: "https://a.example/", start: 0, end: 2, value: 0 } },
      { _tag: "Cited", citation: { value: 0 } },
      { _tag: "Usage", usage: { ...usage, inputTokens: 4, outputTokens: 5, reasoningTokens: 2 } },
      ...end
    )
    const wrapped = sealText(seal, "generateContent")
    assert.deepStrictEqual(
      chunks.slice(0, 3).map(({ candidates: [candidate] }) => candidate.content?.parts),
      [
        [{ text: "h", thought: true }],
        [{ text: "m", thought: true, thoughtSignature: wrapped }],
        [{ text: "é", thoughtSignature: wrapped }]
      ]
    )
    const last = chunks.at(-1)
    assert.deepStrictEqual(last?.candidates[0].groundingMetadata, {
      groundingChunks: [{ web: { uri: "https://a.example/" } }],
      groundingSupports: [{ segment: { startIndex: 2, endIndex: 4, text: "ok" }, groundingChunkIndices: [0] }]
    })
    assert.deepStrictEqual(last?.usageMetadata, { promptTokenCount: 4, candidatesTokenCount: 3, thoughtsTokenCount: 2, totalTokenCount: 9 })
    assert.deepStrictEqual(losses, ["citations"])
  })

  it("leaves other dialects' extras alone, and never says STOP unasked", () => {
    const { chunks, text } = say(
      { _tag: "Extra", extra: { field: "container", value: { a: 1 }, matters: true } },
      { _tag: "Whole", part: { _tag: "Foreign", type: "server_tool_use", value: { secret: 1 } } },
      { _tag: "End" }
    )
    assert.notInclude(text, "container")
    assert.notInclude(text, "secret")
    assert.deepStrictEqual(
      chunks.map(({ candidates: [candidate] }) => candidate.finishReason),
      ["OTHER"]
    )
  })

  it("that fails ends with the error as Google writes it, which its client raises on", () => {
    const { text } = say(
      { _tag: "TextDelta", text: "a" },
      { _tag: "Failed", failure: { class: "overloaded", message: "full" } },
      { _tag: "End" }
    )
    const [, rest = ""] = text.split("\r\n\r\n")
    assert.deepInclude((JSON.parse(rest) as { error: object }).error, { code: 503, status: "UNAVAILABLE", message: "full" })
    assert.notInclude(text, "finishReason")
  })
})

/** What Google's client for JavaScript does with the pieces that it reads from the network, by its source: the error's status, an error without one, or the number of answers. */
const clientReads = (pieces: ReadonlyArray<string>): string | number => {
  let buffer = ""
  let answers = 0
  for (const piece of pieces) {
    try {
      const { error } = JSON.parse(piece) as { error?: { code: number; status: string } }
      if (error !== undefined && error.code >= 400 && error.code < 600) return error.status
    } catch {
      // Not JSON alone: a piece of the stream.
    }
    buffer += piece
    for (let at = buffer.search(/\r\n\r\n|\n\n|\r\r/); at >= 0; at = buffer.search(/\r\n\r\n|\n\n|\r\r/)) {
      if (buffer.slice(0, at).trim().startsWith("data:")) answers++
      buffer = buffer.slice(at).replace(/^(?:\r\n\r\n|\n\n|\r\r)/, "")
    }
  }
  return buffer.trim() === "" ? answers : "incomplete"
}

describe("errors", () => {
  it("have Google's shape and our code", () => {
    assert.deepStrictEqual(JSON.parse(errorBody({ ...refuse("missing_model", "no model", { param: "model" }), retryAfterMillis: 1500 })), {
      error: {
        code: 400,
        message: "no model",
        status: "INVALID_ARGUMENT",
        details: [
          { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "missing_model", domain: "turnout" },
          { "@type": "type.googleapis.com/google.rpc.BadRequest", fieldViolations: [{ field: "model", description: "no model" }] },
          { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "1.5s" }
        ]
      }
    })
    const statusOf = (body: string) => (JSON.parse(body) as { error: { status: string } }).error.status
    assert.strictEqual(statusOf(errorBody(refuse("invalid_api_key", "x"))), "UNAUTHENTICATED")
    assert.strictEqual(statusOf(errorBody(refuse("not_granted", "x"))), "PERMISSION_DENIED")
    assert.strictEqual(statusOf(errorBody(refuse("model_not_found", "x"))), "NOT_FOUND")
    assert.strictEqual(statusOf(errorBody(refuse("budget_exhausted", "x"))), "RESOURCE_EXHAUSTED")
    assert.strictEqual(statusOf(errorBody(refuse("deadline_exceeded", "x"))), "DEADLINE_EXCEEDED")
    assert.strictEqual(statusOf(errorBody(failed("t", { class: "server-error", message: "x" }))), "INTERNAL")
  })

  it("inside a stream are raised by Google's client, in whatever pieces they arrive", () => {
    const { text } = say({ _tag: "TextDelta", text: "a" })
    const last = errorEvent(failed("t", { class: "overloaded", message: "full" }))
    assert.strictEqual(clientReads([text, last]), "UNAVAILABLE")
    assert.strictEqual(clientReads([text + last]), "incomplete")
    assert.strictEqual(clientReads([text, last.slice(0, 9), last.slice(9)]), "incomplete")
    // Framed, the error would be one more answer and the stream would end well.
    assert.strictEqual(clientReads([text, `data: ${last}\r\n\r\n`]), 2)
  })
})

describe("failures", () => {
  for (const [status, body, found, retryAfterMillis] of failures) {
    it(`${status} ${JSON.stringify(body)?.slice(0, 110)}`, () => {
      const failure = gemini.classify(status, body, {})
      assert.strictEqual(failure.class, found)
      assert.strictEqual(failure.status, status)
      assert.strictEqual(failure.retryAfterMillis, retryAfterMillis)
      assert.isNotEmpty(failure.message)
      // A header is more exact than the body.
      assert.strictEqual(gemini.classify(status, body, { "retry-after": "3" }).retryAfterMillis, 3000)
    })
  }

  it("inside a success are found by what they say alone", () => {
    for (const [status, body, found] of failures.filter(([, body]) => JSON.stringify(body)?.includes('"status":'))) {
      const failure = gemini.failureIn(body)
      assert.strictEqual(failure?.class, found)
      assert.strictEqual(failure?.status, status)
    }
    for (const body of [answered([]), null, "", [], {}, { error: null }]) assert.isUndefined(gemini.failureIn(body))
  })

  it("name the code and the field", () => {
    const body = {
      error: {
        code: 400,
        status: "INVALID_ARGUMENT",
        message: "bad",
        details: [{ "@type": "type.googleapis.com/google.rpc.BadRequest", fieldViolations: [{ field: "contents[0].parts" }] }]
      }
    }
    assert.deepInclude(gemini.classify(400, body, {}), { code: "INVALID_ARGUMENT", param: "contents[0].parts" })
  })
})

describe("a glance at a forwarded stream", () => {
  const glance = (chunk: unknown) => gemini.peek({ event: "", data: typeof chunk === "string" ? chunk : JSON.stringify(chunk) })
  const parts = (...given: ReadonlyArray<unknown>) => ({ candidates: [{ content: { parts: given } }] })

  it("sees content in any candidate", () => {
    for (const part of [
      { text: "a" },
      { functionCall: { name: "f" } },
      { inlineData: {} },
      { text: "", thoughtSignature: "s" },
      { text: "a", thought: true }
    ])
      assert.isTrue(glance(parts(part)).content)
    assert.isTrue(glance({ candidates: [{ index: 1, content: {} }, { content: { parts: [{ text: "a" }] } }] }).content)
    for (const part of [{ text: "" }, { text: "", thought: true }, {}, 7, null]) assert.isFalse(glance(parts(part)).content)
    for (const chunk of [{}, { candidates: [] }, { usageMetadata: {} }])
      assert.deepStrictEqual(glance(chunk), { content: false, usageOnly: false, done: false })
  })

  it("sees where the stream may end, and the counts there alone", () => {
    const usageMetadata = { promptTokenCount: 3, candidatesTokenCount: 2 }
    const counted = { ...usage, inputTokens: 3, outputTokens: 2 }
    assert.deepStrictEqual(glance({ ...parts({ text: "a" }), usageMetadata }), { content: true, usageOnly: false, done: false })
    assert.deepStrictEqual(glance({ candidates: [{ finishReason: "STOP" }], usageMetadata }), {
      content: false,
      usageOnly: false,
      done: false,
      usage: counted,
      mayEnd: true
    })
    assert.deepInclude(glance({ promptFeedback: { blockReason: "OTHER" } }), { mayEnd: true, content: false })
    assert.deepStrictEqual(glance({ usageMetadata }), { content: false, usageOnly: false, done: false, usage: counted })
  })

  it("sees errors, framed or not", () => {
    assert.strictEqual(glance({ error: { code: 503, status: "UNAVAILABLE", message: "x" } }).failure?.class, "overloaded")
    assert.strictEqual(glance([{ error: { code: 429, status: "RESOURCE_EXHAUSTED" } }]).failure?.class, "rate-limited")
    for (const data of ["", "{", "[]", "7"]) assert.strictEqual(glance(data).failure?.class, "malformed")
  })
})

describe("the dialect", () => {
  it("is reached by the model's address", () => {
    assert.strictEqual(gemini.path("gemini-3-flash", false), "/models/gemini-3-flash:generateContent")
    assert.strictEqual(gemini.path("a/b c", true), "/models/a%2Fb%20c:streamGenerateContent?alt=sse")
    assert.isUndefined(geminiCaller.modelField)
    assert.isTrue(geminiCaller.wantsUsage({}))
    assert.isUndefined(geminiCaller.usageWish({}))
  })

  it("is five APIs", () => {
    assert.deepStrictEqual(
      [generateContent, streamGenerateContent, countTokens, embedContent, batchEmbedContents].map(({ dialect, name, operation }) => [
        name,
        operation,
        dialect.name
      ]),
      [
        ["generateContent", "generate", "generateContent"],
        ["generateContent", "generate", "generateContent"],
        ["countTokens", "count", "generateContent"],
        ["embedContent", "embed", "generateContent"],
        ["batchEmbedContents", "embed", "generateContent"]
      ]
    )
  })
})
