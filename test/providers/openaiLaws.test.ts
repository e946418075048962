/**
 * Laws of Chat Completions' round trips: what the dialect can say comes back as it was, for its own callers and for those of others, and whatever it cannot say is named.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import type { Answer, Conversation, Message, Part } from "../../src/Conversation.ts"
import { openai, openaiCaller } from "../../src/providers/openai.ts"
import { context } from "./sse.ts"

const some = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary, { nil: undefined })
/** Without what is undefined, and without places: an encoding puts everything where its dialect has it. */
const bare = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(bare)
    : typeof value === "object" && value !== null
      ? Object.fromEntries(Object.entries(value).flatMap(([key, one]) => (one === undefined || key === "at" ? [] : [[key, bare(one)]])))
      : value
const wire = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

const word = fc.string({ minLength: 1, maxLength: 8 })
const name = fc.stringMatching(/^[a-z_]{1,10}$/)
const text: fc.Arbitrary<Part> = word.map((value) => ({ _tag: "Text", text: value }))
const base64 = fc.uint8Array({ minLength: 1, maxLength: 6 }).map((bytes) => Buffer.from(bytes).toString("base64"))
const image: fc.Arbitrary<Part> = fc
  .record({
    source: fc.oneof(
      fc.webUrl().map((url) => ({ _tag: "Url", url }) as const),
      base64.map((data) => ({ _tag: "Base64", mediaType: "image/png", data }) as const)
    ),
    detail: some(fc.constantFrom("auto", "low", "high"))
  })
  .map((rest) => ({ _tag: "Image", ...rest }) as Part)
const file: fc.Arbitrary<Part> = fc
  .record({ source: base64.map((data) => ({ _tag: "Base64", mediaType: "application/pdf", data }) as const), name: some(word) })
  .map((rest) => ({ _tag: "File", ...rest }) as Part)
const audio: fc.Arbitrary<Part> = fc.record({ _tag: fc.constant("Audio" as const), format: fc.constantFrom("wav", "mp3"), data: base64 })
const spoken = fc.array(text, { minLength: 1, maxLength: 3 })

/** A question and a turn of tools: ids fit, and a turn of the assistant is one message. */
const exchange = (own: boolean): fc.Arbitrary<ReadonlyArray<Message>> =>
  fc
    .record({
      asked: fc.array(fc.oneof(text, image, file, audio), { minLength: 1, maxLength: 4 }),
      later: some(spoken),
      thought: own ? some(word) : fc.constant(undefined),
      said: fc.array(text, { maxLength: 3 }),
      refusal: some(word),
      calls: fc.uniqueArray(fc.record({ id: word, name, arguments: fc.oneof(fc.json(), fc.string()) }), {
        selector: ({ id }) => id,
        maxLength: 3
      }),
      results: spoken
    })
    .map(({ asked, calls, later, refusal, results, said, thought }) => {
      const parts: ReadonlyArray<Part> = [
        ...(thought === undefined ? [] : [{ _tag: "Reasoning" as const, text: thought }]),
        ...said,
        ...(refusal === undefined ? [] : [{ _tag: "Refusal" as const, text: refusal }]),
        ...calls.map((call): Part => ({ _tag: "ToolCall", ...call }))
      ]
      return [
        { role: "user", parts: asked, at: "" },
        ...(later === undefined ? [] : [{ role: "system" as const, parts: later, at: "" }]),
        ...(parts.length === 0 ? [] : [{ role: "assistant" as const, parts, at: "" }]),
        ...calls.map(({ id }): Message => ({ role: "tool", parts: [{ _tag: "ToolResult", callId: id, parts: results }], at: "" }))
      ]
    })

const schema = fc.constantFrom<Readonly<Record<string, unknown>>>(
  { type: "object", properties: { a: { type: "string" }, b: { enum: ["x", null] } }, required: ["a"] },
  { type: "object", properties: {}, additionalProperties: false }
)

const conversation = (own: boolean): fc.Arbitrary<Conversation> =>
  fc
    .record({
      system: fc.array(fc.record({ role: fc.constantFrom("system" as const, "developer" as const), text: word, at: fc.constant("") }), {
        maxLength: 2
      }),
      messages: fc.array(exchange(own), { minLength: 1, maxLength: 3 }).map((all) => all.flat()),
      tools: fc.array(fc.record({ name, description: some(word), schema: some(schema), strict: some(fc.boolean()), at: fc.constant("") }), {
        minLength: 1,
        maxLength: 3
      }),
      toolChoice: some(
        fc.oneof(
          fc.constantFrom({ _tag: "Auto" as const }, { _tag: "None" as const }, { _tag: "Required" as const }),
          name.map((called) => ({ _tag: "Named" as const, name: called }))
        )
      ),
      parallelToolCalls: some(fc.boolean()),
      sampling: fc.record({
        temperature: some(fc.integer({ min: 0, max: 2 })),
        topP: some(fc.constantFrom(0.5, 1)),
        seed: some(fc.integer()),
        stop: some(fc.array(word, { minLength: 1, maxLength: 4 })),
        frequencyPenalty: some(fc.constantFrom(-2, 0, 1)),
        presencePenalty: some(fc.constantFrom(-2, 0, 1))
      }),
      maxOutputTokens: some(fc.integer({ min: 1, max: 100_000 })),
      format: some(
        fc.oneof(
          fc.constantFrom({ _tag: "Text" as const }, { _tag: "JsonObject" as const }),
          fc.record({ _tag: fc.constant("JsonSchema" as const), name, description: some(word), schema, strict: some(fc.boolean()) })
        )
      ),
      thinking: some(fc.constantFrom("none", "low", "high").map((effort) => ({ _tag: "Effort", effort }) as const)),
      userId: some(word),
      metadata: some(fc.dictionary(name, word, { minKeys: 1, maxKeys: 3 })),
      stream: fc.boolean(),
      // Callers of other dialects are given one.
      answers: own ? fc.constantFrom(1, 2) : fc.constant(1)
    })
    .map(
      (rest) =>
        ({
          ...rest,
          // What others hold to a schema unasked is asked for here, where strict mode takes it: that is a test of its own.
          dialect: own ? "chat.completions" : "responses",
          model: "m",
          includeUsage: rest.stream,
          extras: [],
          named: {}
        }) as unknown as Conversation
    )

/** What is compared: not whose caller it was. */
const content = ({ dialect: _dialect, extras: _extras, named: _named, ...rest }: Conversation): unknown => bare(rest)

describe("requests", () => {
  for (const own of [true, false]) {
    it(`of ${own ? "its own" : "other"} callers come back as they were, and nothing is lost`, () => {
      fc.assert(
        fc.property(conversation(own), (said) => {
          const { body, losses } = openai.encodeRequest(said, { model: "m" })
          assert.deepStrictEqual(losses, [])
          const again = Result.getOrThrow(openaiCaller.decodeRequest(wire(body)))
          assert.deepStrictEqual(content(again), content(said))
          assert.deepStrictEqual(again.extras, [])
          // And from there on nothing moves at all.
          assert.deepStrictEqual(wire(openai.encodeRequest(again, { model: "m" }).body), wire(body))
        }),
        { numRuns: 500 }
      )
    })
  }

  const lost: ReadonlyArray<(said: Conversation) => Conversation> = [
    (said) => ({ ...said, sampling: { ...said.sampling, topK: 3 } }),
    (said) => ({ ...said, sampling: { ...said.sampling, stop: ["a", "b", "c", "d", "e"] } }),
    (said) => ({ ...said, thinking: { _tag: "Budget", tokens: 5000 } }),
    (said) => ({ ...said, thinking: { _tag: "Auto" } }),
    (said) => ({ ...said, extras: [{ field: "container", value: 1, matters: true }] }),
    ...(
      [
        { _tag: "Reasoning", text: "hm", at: "here" },
        { _tag: "SealedReasoning", seal: { dialect: "responses", data: "x" }, at: "here" },
        { _tag: "Foreign", type: "document", value: {}, at: "here" },
        { _tag: "File", source: { _tag: "Url", url: "https://a.example/b.pdf" }, at: "here" },
        { _tag: "Image", source: { _tag: "Uploaded", id: "f" }, at: "here" },
        { _tag: "ToolCall", id: "z", name: "f", arguments: "{}", seal: { dialect: "generateContent", data: "x" }, at: "here" }
      ] satisfies ReadonlyArray<Part>
    ).map((part) => (said: Conversation): Conversation => ({
      ...said,
      messages: [...said.messages, { role: "assistant", parts: [part], at: "messages[9]" }]
    }))
  ]

  it("of other callers name whatever cannot be said", () => {
    fc.assert(
      fc.property(conversation(false), fc.constantFrom(...lost), (said, put) => {
        const { losses } = openai.encodeRequest(put(said), { model: "m" })
        assert.isNotEmpty(losses)
      }),
      { numRuns: 300 }
    )
  })
})

describe("answers", () => {
  const usage = fc
    .record({ input: fc.nat(), cached: fc.nat(), written: fc.nat(), output: fc.nat(), reasoning: fc.nat() })
    .map(({ cached, input, output, reasoning, written }) => ({
      inputTokens: input + cached + written,
      cachedInputTokens: cached,
      cacheWriteInputTokens: written,
      outputTokens: output + reasoning,
      reasoningTokens: reasoning
    }))
  const cited = fc.tuple(word, fc.array(fc.record({ url: fc.webUrl(), title: word }), { maxLength: 2 })).map(([said, sources]): Part => ({
    _tag: "Text",
    text: said,
    ...(sources.length === 0 ? {} : { citations: sources.map((source) => ({ ...source, start: 0, end: said.length, value: null })) })
  }))
  const answer: fc.Arbitrary<Answer> = fc
    .record({
      id: word,
      thought: some(word),
      said: some(cited),
      refusal: some(word),
      calls: fc.array(fc.record({ id: fc.oneof(word, fc.constant("twice")), name, arguments: fc.json() }), { maxLength: 3 }),
      stop: fc.constantFrom("end" as const, "max-tokens" as const, "content-filter" as const),
      usage: some(usage)
    })
    .map(({ calls, id, refusal, said, stop, thought, usage }) => ({
      dialect: "messages",
      id,
      model: context.model,
      parts: [
        ...(thought === undefined ? [] : [{ _tag: "Reasoning" as const, text: thought }]),
        ...(said === undefined ? [] : [said]),
        ...(refusal === undefined ? [] : [{ _tag: "Refusal" as const, text: refusal }]),
        ...calls.map((call): Part => ({ _tag: "ToolCall", ...call }))
      ],
      stop: calls.length > 0 && stop === "end" ? "tool-calls" : stop,
      extras: [],
      ...(usage === undefined ? {} : { usage })
    }))
  /** Without what only the provider's own words say. */
  const unquoted = ({ dialect: _dialect, extras: _extras, ...rest }: Answer): unknown =>
    bare({
      ...rest,
      parts: rest.parts.map((part) =>
        part._tag === "Text" && part.citations !== undefined
          ? { ...part, citations: part.citations.map(({ value: _value, ...citation }) => citation) }
          : part
      )
    })

  /** An answer whose calls have ids of their own: one that is there already gets the place of its call. */
  const apart = (said: Answer): Answer => {
    const calls = said.parts.filter((part) => part._tag === "ToolCall")
    return {
      ...said,
      parts: said.parts.map((part) => {
        if (part._tag !== "ToolCall") return part
        const at = calls.indexOf(part)
        return calls.slice(0, at).some(({ id }) => id === part.id) ? { ...part, id: `${part.id}_${at}` } : part
      })
    }
  }

  it("come back as they were, but for calls of one id, which are kept apart, and nothing is lost", () => {
    fc.assert(
      fc.property(answer, (said) => {
        const { body, losses } = openaiCaller.encodeAnswer(said, context)
        assert.deepStrictEqual(losses, [])
        const again = Result.getOrThrow(openai.decodeAnswer(wire(body)))
        assert.deepStrictEqual(unquoted(again), unquoted(apart(said)))
        assert.deepStrictEqual(wire(openaiCaller.encodeAnswer(again, context).body), wire(body))
      }),
      { numRuns: 500 }
    )
  })

  it("name whatever cannot be said", () => {
    const parts: ReadonlyArray<Part> = [
      { _tag: "Audio", format: "wav", data: "AAAA" },
      { _tag: "Foreign", type: "server_tool_use", value: {}, at: "content[7]" },
      { _tag: "Text", text: "x", citations: [{ title: "a book", value: {} }] }
    ]
    fc.assert(
      fc.property(answer, fc.constantFrom(...parts), (said, part) => {
        assert.strictEqual(openaiCaller.encodeAnswer({ ...said, parts: [...said.parts, part] }, context).losses.length, 1)
      })
    )
  })
})
