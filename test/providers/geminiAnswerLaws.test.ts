/**
 * Laws of Gemini's answers: what the dialect can express comes back as it was, whole and streamed, and nothing throws, whatever JSON comes.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import type { Answer, Part, Seal, StreamEvent, Usage } from "../../src/Conversation.ts"
import type { SseEvent } from "../../src/Dialect.ts"
import { gemini, geminiCaller } from "../../src/providers/gemini.ts"
import { failures } from "../fixtures/gemini/failures.ts"
import { context, eventsOf, translate } from "./sse.ts"

const wire = <A>(value: A): A => JSON.parse(JSON.stringify(value)) as A

const words = fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" })
const seal: fc.Arbitrary<Seal> = fc.record({ dialect: fc.constantFrom("generateContent", "messages", "responses"), data: words })
const sealed = fc.option(seal, { nil: undefined }).map((found) => (found === undefined ? {} : { seal: found }))
const base64 = fc.base64String({ maxLength: 16 })

const args = fc
  .dictionary(words, fc.jsonValue({ maxDepth: 2 }))
  .map((value) => JSON.stringify(value))
  .filter((text) => JSON.stringify(JSON.parse(text)) === text)

/** Parts that the dialect can express, in the form that it gives them. */
const part: fc.Arbitrary<Part> = fc.oneof(
  fc.record({ _tag: fc.constant("Text" as const), text: words, own: sealed }).map(({ own, ...text }) => ({ ...text, ...own })),
  fc.record({ _tag: fc.constant("Reasoning" as const), text: words, own: sealed }).map(({ own, ...text }) => ({ ...text, ...own })),
  fc.record({ _tag: fc.constant("SealedReasoning" as const), seal }),
  fc
    .record({ _tag: fc.constant("ToolCall" as const), id: words, name: words, arguments: args, own: sealed })
    .map(({ own, ...call }) => ({ ...call, ...own })),
  fc.record({
    _tag: fc.constant("Image" as const),
    source: fc.record({ _tag: fc.constant("Base64" as const), mediaType: fc.constantFrom("image/png", "image/webp"), data: base64 })
  }),
  fc.record({
    _tag: fc.constant("File" as const),
    source: fc.record({ _tag: fc.constant("Base64" as const), mediaType: fc.constantFrom("application/pdf", "video/mp4"), data: base64 })
  }),
  fc.record({ _tag: fc.constant("Audio" as const), format: fc.constantFrom("wav", "mp3", "pcm16"), data: base64 })
)

const count = fc.nat({ max: 1_000_000 })
const usage: fc.Arbitrary<Usage> = fc
  .record({ input: count, cached: count, output: count, reasoning: count })
  .map(({ cached, input, output, reasoning }) => ({
    inputTokens: input,
    cachedInputTokens: Math.min(cached, input),
    cacheWriteInputTokens: 0,
    outputTokens: output,
    reasoningTokens: Math.min(reasoning, output)
  }))

const answer: fc.Arbitrary<Answer> = fc
  .record({
    dialect: fc.constantFrom("messages", "generateContent"),
    id: words,
    parts: fc.array(part, { maxLength: 8 }),
    stop: fc.constantFrom("end", "max-tokens", "content-filter"),
    usage
  })
  .map((one) => ({ ...one, extras: [] }))

const stopOf = ({ parts, stop }: Answer) => (stop === "end" && parts.some(({ _tag }) => _tag === "ToolCall") ? "tool-calls" : stop)

/** What another provider has sealed goes on the text or call that follows it. */
const attached = (parts: ReadonlyArray<Part>): ReadonlyArray<Part> =>
  parts.flatMap((one, index): ReadonlyArray<Part> => {
    const takes = (other: Part | undefined) => (other?._tag === "Text" || other?._tag === "ToolCall") && other.seal === undefined
    const gives = (other: Part | undefined) => other?._tag === "SealedReasoning" && other.seal.dialect !== "generateContent"
    if (gives(one) && takes(parts[index + 1])) return []
    const before = parts[index - 1]
    return [takes(one) && gives(before) && before?._tag === "SealedReasoning" ? ({ ...one, seal: before.seal } as Part) : one]
  })

/** The same, with what has to be said with citations in texts. */
const cited: fc.Arbitrary<Answer> = fc
  .record({
    texts: fc.array(fc.string({ minLength: 2, maxLength: 30, unit: "grapheme" }), { minLength: 1, maxLength: 4 }),
    cuts: fc.array(fc.nat(), { minLength: 2 })
  })
  .map(({ cuts, texts }) => ({
    dialect: "messages",
    stop: "end",
    extras: [],
    parts: texts.map((text, index) => {
      // A stretch between two characters, of a source that is its own.
      const marks = [...text].reduce<ReadonlyArray<number>>((found, one) => [...found, found.at(-1)! + one.length], [0])
      const at = (n: number) => marks[(cuts[n % cuts.length] ?? 0) % marks.length]!
      const [start, end] = [at(index), at(index + 1)].toSorted((a, b) => a - b) as [number, number]
      const citations = start === end ? [] : [{ url: `https://${index}.example/`, title: "t", start, end, value: null }]
      return { _tag: "Text" as const, text, ...(citations.length === 0 ? {} : { citations }) }
    })
  }))

describe("laws", () => {
  it("a whole answer that is written comes back", () => {
    fc.assert(
      fc.property(answer, (given) => {
        const { body, losses } = geminiCaller.encodeAnswer(given, context)
        assert.deepStrictEqual(losses, [])
        const back = Result.getOrThrow(gemini.decodeAnswer(wire(body)))
        assert.deepStrictEqual(back.parts, attached(given.parts))
        assert.deepStrictEqual([back.stop, back.usage, back.id], [stopOf(given), given.usage, given.id])
        assert.isFalse(back.extras.some(({ matters }) => matters))
      }),
      { numRuns: 1000 }
    )
  })

  it("a citation that is written comes back, whatever the bytes of its text", () => {
    const stretches = ({ parts }: Answer) =>
      parts.flatMap((one) =>
        one._tag === "Text" ? (one.citations ?? []).map(({ start, end, url }) => [url, one.text.slice(start, end)]) : []
      )
    fc.assert(
      fc.property(cited, (given) => {
        const back = Result.getOrThrow(gemini.decodeAnswer(wire(geminiCaller.encodeAnswer(given, context).body)))
        assert.deepStrictEqual(stretches(back), stretches(given))
      }),
      { numRuns: 500 }
    )
  })

  /** The events of an answer, its texts and arguments in pieces and its calls under way at once. */
  const eventsOfAnswer = ({ id, parts, stop, usage: counts }: Answer): ReadonlyArray<StreamEvent> => {
    let calls = 0
    const late: Array<StreamEvent> = []
    const halves = (text: string) => [text.slice(0, text.length >> 1), text.slice(text.length >> 1)]
    const body = parts.flatMap((one): ReadonlyArray<StreamEvent> => {
      switch (one._tag) {
        case "Text":
        case "Reasoning": {
          const tag = one._tag === "Text" ? "TextDelta" : "ReasoningDelta"
          const deltas = halves(one.text).map((text): StreamEvent => ({ _tag: tag, text }))
          return [{ _tag: "PartEnd" }, ...deltas, ...(one.seal === undefined ? [] : [{ _tag: "Sealed", seal: one.seal } as const])]
        }
        case "SealedReasoning":
          return [{ _tag: "PartEnd" }, one]
        case "ToolCall": {
          const index = calls++
          late.push(...halves(one.arguments).map((text): StreamEvent => ({ _tag: "ToolCallDelta", index, arguments: text })))
          late.push({ _tag: "ToolCallEnd", index })
          return [{ _tag: "ToolCallStart", index, id: one.id, name: one.name, ...(one.seal === undefined ? {} : { seal: one.seal }) }]
        }
        case "Image":
        case "File":
        case "Audio":
          return [{ _tag: "Whole", part: one }]
        default:
          return []
      }
    })
    const start: StreamEvent = { _tag: "Start", id: id! }
    return [start, ...body, ...late, { _tag: "Stop", reason: stop }, { _tag: "Usage", usage: counts! }, { _tag: "End" }]
  }

  /**
   * What a stream has said, apart from how it was cut: neighbouring texts are one, and calls stand where they were whole. What another provider has sealed goes on what follows it, so of these
   * seals only that they are there is asked here.
   */
  const summary = (steps: ReadonlyArray<StreamEvent>): unknown => {
    const said: Array<Record<string, unknown>> = []
    const calls = new Map<number, Record<string, unknown>>()
    const others: Array<string> = []
    let stop: unknown
    let counts: unknown
    const sign = (given: Seal): ReadonlyArray<Seal> => {
      if (given.dialect === "generateContent") return [given]
      others.push(JSON.stringify(given))
      return []
    }
    for (const step of steps) {
      const last = said.at(-1)
      if (step._tag === "TextDelta" || step._tag === "ReasoningDelta") {
        if (step.text === "") continue
        if (last?.["_tag"] === step._tag) last["text"] = `${String(last["text"])}${step.text}`
        else said.push({ ...step })
      } else if (step._tag === "Sealed" || step._tag === "SealedReasoning")
        said.push(...sign(step.seal).map((own) => ({ _tag: "Seal", own })))
      else if (step._tag === "ToolCallStart") {
        const { seal: given, ...call } = step
        calls.set(step.index, { ...call, own: given === undefined ? [] : sign(given), arguments: "" })
      } else if (step._tag === "ToolCallDelta") {
        const call = calls.get(step.index)!
        call["arguments"] = `${String(call["arguments"])}${step.arguments}`
      } else if (step._tag === "ToolCallEnd") said.push(calls.get(step.index)!)
      else if (step._tag === "Whole") said.push({ ...step.part })
      else if (step._tag === "Stop") stop = step.reason
      else if (step._tag === "Usage") counts = step.usage
    }
    return { said, others: others.toSorted(), stop, counts }
  }

  it("a stream that is written comes back", () => {
    fc.assert(
      fc.property(answer, (given) => {
        const encoder = geminiCaller.streamEncoder(context)
        let state: unknown = encoder.initial
        let text = ""
        const events = eventsOfAnswer(given)
        for (const event of events) {
          const [next, more, losses = []] = encoder.step(state, event)
          assert.deepStrictEqual([...losses], [])
          state = next
          text += more
        }
        const { steps } = translate(eventsOf(text), gemini, geminiCaller, context)
        const expected = events.map((step) => (step._tag === "Stop" ? { ...step, reason: stopOf(given) } : step))
        assert.deepStrictEqual(summary(steps), summary(expected))
      }),
      { numRuns: 1000 }
    )
  })
})

describe("nothing throws", () => {
  const sample = {
    candidates: [
      {
        content: {
          role: "model",
          parts: [
            { text: "hm", thought: true, thoughtSignature: "s" },
            { text: "Hi é" },
            {
              functionCall: {
                id: "a",
                name: "f",
                args: { a: [1] },
                partialArgs: [{ jsonPath: "$.a[0]", stringValue: "x" }],
                willContinue: true
              }
            },
            { inlineData: { mimeType: "audio/wav", data: "AA" } },
            { executableCode: { code: "1" } }
          ]
        },
        finishReason: "STOP",
        index: 0,
        groundingMetadata: {
          groundingChunks: [{ web: { uri: "u", title: "t" } }],
          groundingSupports: [{ segment: { startIndex: 0, endIndex: 2, partIndex: 1, text: "Hi" }, groundingChunkIndices: [0] }]
        }
      }
    ],
    promptFeedback: { blockReason: "OTHER" },
    usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 2, thoughtsTokenCount: 1, toolUsePromptTokenCount: 3, totalTokenCount: 7 },
    modelVersion: "m",
    responseId: "r"
  }

  const placesOf = (value: unknown, path: ReadonlyArray<string | number> = []): ReadonlyArray<ReadonlyArray<string | number>> => {
    if (typeof value !== "object" || value === null) return [path]
    const keys: ReadonlyArray<string | number> = Array.isArray(value) ? [...value.keys()] : Object.keys(value)
    return [path, ...keys.flatMap((key) => placesOf((value as Record<string | number, unknown>)[key], [...path, key]))]
  }

  const replaced = (value: unknown, path: ReadonlyArray<string | number>, by: unknown): unknown => {
    const [key, ...rest] = path
    if (key === undefined) return by
    if (Array.isArray(value)) return value.map((entry: unknown, index) => (index === key ? replaced(entry, rest, by) : entry))
    return { ...(value as object), [key]: replaced((value as Record<string | number, unknown>)[key], rest, by) }
  }

  const awkward = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom(...failures.map(([, body]) => body)),
    fc
      .tuple(
        fc.constantFrom(...placesOf(sample)),
        fc.oneof(
          fc.jsonValue(),
          fc.constantFrom<unknown>(
            null,
            "",
            0,
            -1,
            1e308,
            0.5,
            true,
            [],
            {},
            [[]],
            [null],
            [{}],
            "__proto__",
            "constructor",
            "$.__proto__.x",
            "$[9]"
          )
        )
      )
      .map(([path, by]) => replaced(sample, path, by)),
    fc
      .jsonValue()
      .map(
        (value) =>
          JSON.parse(
            `{"__proto__":${JSON.stringify(value)},"candidates":[{"__proto__":1,"content":{"parts":[{"__proto__":{}}]}}]}`
          ) as unknown
      )
  )

  it("on an answer, and what decodes also encodes", () => {
    fc.assert(
      fc.property(awkward, (body) => {
        gemini.failureIn(body)
        for (const found of Object.values(gemini.usageOf(body) ?? {})) assert.isTrue(Number.isSafeInteger(found) && found >= 0)
        const decoded = gemini.decodeAnswer(body)
        if (Result.isFailure(decoded)) {
          assert.isNotEmpty(decoded.failure.message)
          return
        }
        for (const dialect of ["generateContent", "messages"] as const) {
          const { body: written, losses } = geminiCaller.encodeAnswer({ ...decoded.success, dialect }, context)
          assert.isString(JSON.stringify(written))
          for (const { field, reason } of losses) assert.isTrue(field !== "" && reason !== "")
        }
        assert.isUndefined(({} as Record<string, unknown>)["x"])
      }),
      { numRuns: 4000 }
    )
  })

  it("on a failure", () => {
    fc.assert(
      fc.property(awkward, fc.oneof(fc.integer({ min: 100, max: 999 }), fc.constantFrom(0, -1, 400, 429)), (body, status) => {
        const failure = gemini.classify(status, body, {})
        assert.isTrue(failure.message.length > 0 && failure.message.length <= 2000)
        assert.isFalse(["cancelled", "connection", "stream-cut"].includes(failure.class))
        assert.isTrue(failure.retryAfterMillis === undefined || Number.isSafeInteger(failure.retryAfterMillis))
      }),
      { numRuns: 2000 }
    )
  })

  it("on a stream, and exactly one end comes, last", () => {
    const event: fc.Arbitrary<SseEvent> = fc.record({
      event: fc.constantFrom("", "error"),
      data: fc.oneof({ weight: 1, arbitrary: fc.string() }, { weight: 9, arbitrary: awkward.map((value) => JSON.stringify(value) ?? "") })
    })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 5 }), (events) => {
        for (const one of events) assert.isBoolean(gemini.peek(one).content)
        const { steps, text } = translate(events, gemini, geminiCaller, context)
        const ends = steps.filter(({ _tag }) => _tag === "End" || _tag === "Failed")
        assert.strictEqual(ends.length, 1)
        assert.strictEqual(steps.at(-1), ends[0])
        assert.isAtMost(steps.filter(({ _tag }) => _tag === "Stop").length, 1)
        const chunks = eventsOf(text).map(
          ({ data }) => JSON.parse(data) as { candidates?: ReadonlyArray<object>; promptFeedback?: unknown }
        )
        const finishes = chunks.map(({ candidates, promptFeedback }) =>
          candidates === undefined ? promptFeedback !== undefined : "finishReason" in (candidates[0] ?? {})
        )
        assert.isFalse(finishes.slice(0, -1).includes(true))
        const isWhole = ends[0]?._tag === "End"
        // What is no candidate may stand beside a prompt that was blocked, and has no reason to finish.
        const isBlocked = isWhole && chunks.some(({ promptFeedback }) => promptFeedback !== undefined)
        assert.strictEqual(finishes.at(-1) === true || isBlocked, isWhole)
        assert.strictEqual(text.endsWith("\r\n\r\n"), ends[0]?._tag === "End")
      }),
      { numRuns: 3000 }
    )
  })

  it("on events in any order", () => {
    const any: fc.Arbitrary<StreamEvent> = fc.oneof(
      fc.constantFrom<StreamEvent>(
        { _tag: "Start" },
        { _tag: "PartEnd" },
        { _tag: "Item", id: "i" },
        { _tag: "Stop", reason: "end" },
        { _tag: "End" }
      ),
      fc.record({ _tag: fc.constantFrom("TextDelta", "ReasoningDelta", "RefusalDelta"), text: fc.string() }),
      fc.record({ _tag: fc.constantFrom("Sealed", "SealedReasoning"), seal }),
      fc.record({ _tag: fc.constant("ToolCallStart" as const), index: fc.nat({ max: 2 }), id: fc.string(), name: fc.string() }),
      fc.record({
        _tag: fc.constant("ToolCallDelta" as const),
        index: fc.nat({ max: 2 }),
        arguments: fc.constantFrom("{", "}", '"a":1', "x")
      }),
      fc.record({ _tag: fc.constant("ToolCallEnd" as const), index: fc.nat({ max: 2 }) }),
      fc.record({ _tag: fc.constant("Usage" as const), usage }),
      fc.record({
        _tag: fc.constant("Cited" as const),
        citation: fc.record(
          { url: fc.string(), start: fc.integer(), end: fc.integer(), value: fc.constant(0) },
          { requiredKeys: ["value"] }
        )
      }),
      fc.record({
        _tag: fc.constant("Extra" as const),
        extra: fc.record({
          field: fc.constantFrom(
            "candidates[0].content.parts[0].x",
            "candidates[3]",
            "createTime",
            "promptFeedback",
            "usageMetadata.__proto__",
            "stop_reason"
          ),
          value: fc.jsonValue(),
          matters: fc.boolean()
        })
      })
    )
    fc.assert(
      fc.property(fc.array(any, { maxLength: 20 }), (events) => {
        const encoder = geminiCaller.streamEncoder(context)
        let state: unknown = encoder.initial
        let text = ""
        for (const event of [...events, { _tag: "End" } as const]) {
          const [next, more] = encoder.step(state, event)
          state = next
          text += more
        }
        const chunks = eventsOf(text).map(({ data }) => JSON.parse(data) as { candidates?: ReadonlyArray<{ finishReason?: string }> })
        assert.isTrue(text.endsWith("\r\n\r\n"))
        // Only the last says how it ended.
        assert.isFalse(chunks.slice(0, -1).some(({ candidates = [] }) => candidates[0]?.finishReason !== undefined))
        if (!events.some(({ _tag }) => _tag === "Stop")) assert.notStrictEqual(chunks.at(-1)?.candidates?.[0]?.finishReason, "STOP")
      }),
      { numRuns: 2000 }
    )
  })

  it("on nesting that no stack holds", () => {
    const deep = JSON.parse(`${"[".repeat(50_000)}${"]".repeat(50_000)}`) as unknown
    const bodies = [deep, { args: deep }, deep, { metadata: deep }].map((value, at) => ({
      candidates: [
        {
          content: { parts: [at === 0 ? value : at === 1 ? { functionCall: { name: "f", args: value } } : { text: "a", x: value }] },
          finishReason: at === 2 ? value : "STOP",
          groundingMetadata:
            at === 3 ? { groundingChunks: [value], groundingSupports: [{ segment: value, groundingChunkIndices: [0] }] } : {}
        }
      ],
      promptFeedback: value,
      usageMetadata: value
    }))
    for (const body of bodies) {
      const answer = Result.getOrThrow(gemini.decodeAnswer(body))
      geminiCaller.encodeAnswer(answer, context)
      geminiCaller.encodeAnswer({ ...answer, dialect: "messages" }, context)
      gemini.classify(400, { error: { details: deep, message: "x", status: deep } }, {})
    }
    const path = `$${".a".repeat(30_000)}`
    const data = JSON.stringify({
      candidates: [
        { content: { parts: [{ functionCall: { name: "f", partialArgs: [{ jsonPath: path, boolValue: true }] } }] }, finishReason: "STOP" }
      ]
    })
    const { failure } = translate([{ event: "", data }], gemini, geminiCaller, context)
    assert.isTrue(failure === undefined || failure.class === "malformed")
    const text = `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":${"[".repeat(50_000)}${"]".repeat(50_000)}}}}]},"finishReason":"STOP"}]}`
    assert.strictEqual(translate([{ event: "", data: text }], gemini, geminiCaller, context).steps.length > 0, true)
  })
})
