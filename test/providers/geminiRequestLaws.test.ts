/**
 * Laws of requests to Gemini's API: what is decoded is encoded into what it said; what is lost is told, and only that; schemas come back from the other language; and nothing throws.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import type { Conversation, Message, Part } from "../../src/Conversation.ts"
import type { DialectName } from "../../src/Providers.ts"
import { parseCount, parseGenerate } from "../../src/providers/gemini/ask.ts"
import { counting, countingCaller, renamed as renamedCount, vertexCounting } from "../../src/providers/gemini/counting.ts"
import { decodeRequest } from "../../src/providers/gemini/decode.ts"
import { embeddings, embeddingsCaller, parseEmbed, renamed, vertexEmbeddings } from "../../src/providers/gemini/embeddings.ts"
import { overrides } from "../../src/providers/gemini/overrides.ts"
import { encodeRequest } from "../../src/providers/gemini/request.ts"
import { acceptable, fromOpenApi, toOpenApi } from "../../src/providers/gemini/schema.ts"
import { said, sent } from "./geminiSaid.ts"

const ask = { model: "gemini-2.5-flash", stream: false }
const models = [
  "gemini-2.0-flash",
  "gemini-2.5-flash-lite",
  "gemini-2.5-pro",
  "gemini-3-pro-preview",
  "gemini-3.8-flash",
  "gemini-4-argon",
  "gemma-3",
  "x"
]

/** An object of which any field may be there, in either spelling. */
const some = (fields: Readonly<Record<string, fc.Arbitrary<unknown>>>): fc.Arbitrary<Record<string, unknown>> =>
  fc
    .record(fields, { requiredKeys: [] })
    .chain((value) =>
      fc
        .constantFrom(true, false)
        .map((snake) =>
          Object.fromEntries(
            Object.entries(value).map(
              ([key, inner]) => [snake ? key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : key, inner] as const
            )
          )
        )
    )

const words = fc.string({ maxLength: 8 })
const someWords = fc.string({ minLength: 1, maxLength: 8 })
const name = fc.constantFrom("f", "g", "h")
const json = fc.dictionary(fc.constantFrom("a", "b", "error", "result"), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 2 })
const signature = fc.constantFrom("AA==", "BB==")
const mediaType = fc.constantFrom(
  "image/png",
  "image/gif",
  "audio/wav",
  "audio/x-wav",
  "audio/mpeg",
  "application/pdf",
  "video/mp4",
  "text/csv"
)

const shared = { thoughtSignature: signature, partMetadata: json, videoMetadata: some({ fps: fc.integer() }) }

const part = fc.oneof(
  fc.tuple(some({ thought: fc.boolean(), ...shared }), words).map(([rest, text]) => ({ ...rest, text })),
  fc
    .tuple(some(shared), mediaType, fc.constantFrom("inlineData", "inline_data"), some({ displayName: words }))
    .map(([rest, mimeType, key, more]) => ({
      ...rest,
      [key]: { [key === "inlineData" ? "mimeType" : "mime_type"]: mimeType, data: "AA-_", ...more }
    })),
  fc
    .tuple(
      fc.constantFrom("gs://a/b.png", "https://example.com/a.jpg", "https://youtu.be/1"),
      some({ mimeType: mediaType, displayName: words })
    )
    .map(([fileUri, more]) => ({ fileData: { fileUri, ...more } })),
  fc
    .tuple(some(shared), name, some({ id: someWords, args: json, willContinue: fc.boolean() }))
    .map(([rest, name, more]) => ({ ...rest, functionCall: { name, ...more } })),
  fc
    .tuple(
      name,
      some({
        id: someWords,
        response: json,
        parts: fc.array(fc.constantFrom({ inlineData: { mimeType: "image/png", data: "AA==" } }, { text: "?" }), { minLength: 1 })
      })
    )
    .map(([name, more]) => ({ functionResponse: { name, ...more } })),
  fc.constantFrom(
    { executableCode: { language: "PYTHON", code: "1" } },
    { newKind: { a: 1 } },
    { thoughtSignature: "AA==" },
    {},
    { text: "a", inlineData: {} }
  )
)

const content = fc
  .tuple(fc.constantFrom("user", "model", "function", undefined), fc.array(part, { maxLength: 3 }), some({ newField: json }))
  .map(([role, parts, more]) => ({
    ...(role === undefined ? {} : { role }),
    parts,
    ...more
  }))

const openApi: fc.Arbitrary<Record<string, unknown>> = fc.letrec<{ schema: Record<string, unknown> }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3 },
    some({
      type: fc.constantFrom("STRING", "INTEGER", "NUMBER", "BOOLEAN"),
      description: words,
      title: words,
      format: words,
      minimum: fc.integer()
    }),
    fc.record({ type: fc.constant("STRING"), enum: fc.array(words), format: fc.constant("enum") }, { requiredKeys: ["type"] }),
    fc
      .tuple(fc.constantFrom("STRING", "ARRAY", "OBJECT"), fc.boolean())
      .map(([type, nullable]) => (nullable ? { type, nullable } : { type })),
    fc.record({ type: fc.constant("ARRAY"), items: tie("schema"), minItems: fc.nat(), maxItems: fc.nat() }, { requiredKeys: ["type"] }),
    fc.record(
      {
        type: fc.constant("OBJECT"),
        properties: fc.dictionary(fc.constantFrom("a", "b", "type", "nullable", "__proto__"), tie("schema"), { maxKeys: 3 }),
        required: fc.array(fc.constantFrom("a", "b")),
        propertyOrdering: fc.array(fc.constantFrom("a", "b"))
      },
      { requiredKeys: ["type"] }
    ),
    fc.record({ anyOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) })
  )
})).schema

const declaration = fc.tuple(
  name,
  some({ description: words, behavior: fc.constant("BLOCKING"), response: openApi }),
  fc.oneof(
    fc.constant({}),
    openApi.map((parameters) => ({ parameters })),
    json.map((parametersJsonSchema) => ({ parametersJsonSchema }))
  )
)

const toolEntry = fc.oneof(
  fc
    .tuple(fc.array(declaration, { minLength: 1, maxLength: 2 }), some({ googleSearch: fc.constant({}) }))
    .map(([list, more]) => ({ functionDeclarations: list.map(([name, rest, schema]) => ({ name, ...rest, ...schema })), ...more })),
  fc.constantFrom({ googleSearch: {} }, { codeExecution: {} }, { functionDeclarations: [] })
)

const request = fc
  .tuple(
    fc.array(content, { maxLength: 4 }),
    some({
      systemInstruction: fc.oneof(
        fc.record({
          parts: fc.array(
            words.map((text) => ({ text })),
            { minLength: 1, maxLength: 2 }
          ),
          role: fc.constant("user")
        }),
        fc.constant({ parts: [{ text: "" }] }),
        fc.constant({ parts: [{ text: "a" }, { inlineData: { mimeType: "a", data: "" } }, { text: "b" }] })
      ),
      tools: fc.array(toolEntry, { minLength: 1, maxLength: 3 }),
      toolConfig: some({
        functionCallingConfig: some({
          mode: fc.constantFrom("AUTO", "ANY", "NONE", "VALIDATED"),
          streamFunctionCallArguments: fc.boolean()
        }),
        retrievalConfig: json
      }).filter(
        (config) =>
          Object.keys(config).length > 0 &&
          !Object.values(config).some((inner) => typeof inner === "object" && inner !== null && Object.keys(inner).length === 0)
      ),
      generationConfig: some({
        temperature: fc.double({ min: 0, max: 2, noNaN: true }).map((one) => one + 0),
        topK: fc.nat(),
        seed: fc.integer(),
        maxOutputTokens: fc.integer({ min: 1 }),
        candidateCount: fc.integer({ min: 1, max: 4 }),
        stopSequences: fc.array(words, { minLength: 1, maxLength: 7 }),
        responseMimeType: fc.constantFrom("application/json", "text/plain", "text/x.enum"),
        responseSchema: openApi,
        responseModalities: fc.constant(["TEXT"]),
        thinkingConfig: fc.oneof(
          some({ thinkingBudget: fc.integer({ min: -1, max: 40_000 }), includeThoughts: fc.boolean() }),
          some({ thinkingLevel: fc.constantFrom("LOW", "HIGH", "NEWEST"), includeThoughts: fc.boolean() })
        )
      }),
      safetySettings: fc.constant([{ category: "A", threshold: "B" }]),
      cachedContent: words,
      labels: fc.dictionary(fc.constantFrom("a", "b_c"), words)
    })
  )
  .map(([contents, rest]) => ({ contents, ...rest }))

/** A missing role is the user's, and a function's turn is one of the user's. */
const rolled = (body: unknown): unknown => {
  const { contents, ...rest } = said(body) as { readonly contents: ReadonlyArray<{ readonly role?: string }> }
  return { ...rest, contents: contents.map((content) => ({ ...content, role: content.role === "model" ? "model" : "user" })) }
}

describe("requests to Gemini's API", () => {
  it("of its own callers come back as they were, from every model, without a loss", () => {
    fc.assert(
      fc.property(request, fc.constantFrom(...models), (body, model) => {
        const decoded = decodeRequest(structuredClone(body), ask)
        if (Result.isFailure(decoded)) assert.fail(`${decoded.failure.path}: ${decoded.failure.message}`)
        const encoded = encodeRequest(decoded.success, { model })
        assert.deepStrictEqual(rolled(sent(encoded.body)), rolled(sent(body)))
        assert.deepStrictEqual(encoded.losses, [])
      }),
      { numRuns: 1500 }
    )
  })

  it("have schemas that come back from JSON Schema", () => {
    const inverse = (schema: Record<string, unknown>) =>
      assert.deepStrictEqual(said({ schema: toOpenApi(fromOpenApi(schema)) }), said({ schema: sent(schema) }))
    fc.assert(fc.property(openApi, inverse), { numRuns: 1000 })
    inverse({ type: "INTEGER", enum: ["1", "20"], format: "enum" })
    inverse({ type: "OBJECT", properties: { a: { ref: "#/defs/A" } }, defs: { A: { type: "STRING" } } })
    assert.deepStrictEqual(fromOpenApi({ type: 1, nullable: true, enum: ["a"], min_items: "2" }), {
      type: ["string", "null"],
      enum: ["a", null],
      minItems: 2
    })
    assert.deepStrictEqual(fromOpenApi({ any_of: [{ type: "STRING" }], nullable: true }), { anyOf: [{ type: "string" }, { type: "null" }] })
    assert.deepStrictEqual(toOpenApi({ type: ["string", "integer"] }), { anyOf: [{ type: "STRING" }, { type: "INTEGER" }] })
  })
})

interface Spoken {
  readonly conversation: Conversation
  /** Fields that cannot be carried. */
  readonly lost: number
}

/** Conversations of another caller: what Gemini can say, and now and then one thing that it cannot. */
const spoken: fc.Arbitrary<Spoken> = fc
  .record({
    turns: fc.array(
      fc.record({
        question: fc.string({ minLength: 1, maxLength: 5 }),
        answer: fc.string({ minLength: 1, maxLength: 5 }),
        calls: fc.array(fc.tuple(name, json, json, fc.boolean()), { maxLength: 3 }),
        shuffled: fc.boolean()
      }),
      { maxLength: 3 }
    ),
    system: fc.array(fc.string({ minLength: 1, maxLength: 5 }), { maxLength: 2 }),
    temperature: fc.option(fc.constantFrom(0, 0.5, 2), { nil: undefined }),
    tools: fc.uniqueArray(name, { maxLength: 3 }),
    fault: fc.constantFrom("none", "none", "foreign", "user", "later", "gif", "parallel")
  })
  .map(({ fault, system, temperature, tools, turns }) => {
    let calls = 0
    const at = (): string => `messages[${calls++}]`
    const message = (role: Message["role"], ...parts: ReadonlyArray<Part>): Message => ({ role, parts, at: at() })
    const messages = turns.flatMap(({ answer, calls: asked, question, shuffled }, turn): ReadonlyArray<Message> => {
      const results = asked.map(([, , result, failed], index) =>
        message("tool", {
          _tag: "ToolResult",
          callId: `${turn}.${index}`,
          parts: [{ _tag: "Text", text: failed ? "broken" : JSON.stringify(result) }],
          ...(failed ? { isError: true } : {})
        })
      )
      return [
        message("user", { _tag: "Text", text: question }),
        message("assistant", { _tag: "Text", text: answer }),
        ...asked.map(([name, args], index) =>
          message("assistant", { _tag: "ToolCall", id: `${turn}.${index}`, name, arguments: JSON.stringify(args) })
        ),
        ...(shuffled ? results.toReversed() : results)
      ]
    })
    messages.push(message("user", { _tag: "Text", text: "end" }))
    if (fault === "foreign") messages.push(message("user", { _tag: "Foreign", type: "x", value: {} }))
    if (fault === "later") messages.push(message("system", { _tag: "Text", text: "be brief" }))
    if (fault === "gif") messages.push(message("user", { _tag: "Image", source: { _tag: "Base64", mediaType: "image/gif", data: "" } }))
    const conversation: Conversation = {
      dialect: "chat.completions",
      model: "m",
      system: system.map((text) => ({ role: "system", text, at: at() })),
      messages,
      tools: tools.map((name) => ({ name, at: at(), schema: { type: "object", properties: { a: { type: ["string", "null"] } } } })),
      ...(fault === "parallel" ? { parallelToolCalls: false } : {}),
      ...(fault === "user" ? { userId: "u" } : {}),
      sampling: temperature === undefined ? {} : { temperature },
      stream: true,
      includeUsage: true,
      answers: 1,
      extras: [],
      named: {}
    }
    return { conversation, lost: fault === "none" || (fault === "parallel" && tools.length === 0) ? 0 : 1 }
  })

const callsIn = (conversation: Conversation) =>
  conversation.messages.flatMap(({ parts }) =>
    parts.flatMap((part) => (part._tag === "ToolCall" ? [[part.id, part.name, JSON.parse(part.arguments)]] : []))
  )

const resultsIn = (conversation: Conversation) => {
  const found = conversation.messages.flatMap(({ parts }) => parts.flatMap((part) => (part._tag === "ToolResult" ? [part] : [])))
  return Object.fromEntries(
    found.map(({ callId, isError, object, parts }) => {
      const text = parts.map((part) => (part._tag === "Text" ? part.text : "")).join("")
      const value = object ?? (text === "broken" ? { error: text } : (JSON.parse(text) as object))
      // By convention an object of one error says that the tool failed.
      return [callId, [value, isError === true || Object.keys(value).join() === "error"]]
    })
  )
}

const textsIn = (conversation: Conversation) =>
  conversation.messages.flatMap(({ parts, role }) =>
    parts.flatMap((part) => (part._tag === "Text" ? [[role === "assistant", part.text]] : []))
  )

describe("requests of other callers", () => {
  it("say in Gemini's words what they say, and lose what they tell and nothing else", () => {
    fc.assert(
      fc.property(spoken, fc.constantFrom("gemini-2.5-flash", "gemini-3-flash"), ({ conversation, lost }, model) => {
        const { body, losses } = encodeRequest(conversation, { model })
        assert.strictEqual(losses.length, lost)
        if (lost > 0) return
        const back = Result.getOrThrow(decodeRequest(sent(body), { model: "m", stream: true }))
        assert.deepStrictEqual(callsIn(back), callsIn(conversation))
        assert.deepStrictEqual(resultsIn(back), resultsIn(conversation))
        assert.deepStrictEqual(textsIn(back), textsIn(conversation))
        assert.deepStrictEqual(
          back.system.map(({ text }) => text),
          conversation.system.map(({ text }) => text)
        )
        assert.deepStrictEqual(
          back.tools.map(({ name, schema }) => [name, schema]),
          conversation.tools.map(({ name, schema }) => [name, schema])
        )
        assert.deepStrictEqual([back.sampling, back.model, back.stream], [conversation.sampling, "m", true])
      }),
      { numRuns: 1000 }
    )
  })

  it("alternate, hold the results of a turn's calls right behind it, and sign the first call where that is demanded", () => {
    fc.assert(
      fc.property(spoken, ({ conversation }) => {
        const { contents } = sent(encodeRequest(conversation, { model: "gemini-3-flash" }).body) as {
          readonly contents: ReadonlyArray<{
            readonly role: string
            readonly parts: ReadonlyArray<{
              readonly functionCall?: { readonly id: string }
              readonly functionResponse?: { readonly id: string; readonly name: string }
              readonly thoughtSignature?: string
            }>
          }>
        }
        contents.forEach(({ parts, role }, index) => {
          assert.strictEqual(role, index % 2 === 0 ? "user" : "model")
          assert.isNotEmpty(parts)
          const calls = parts.filter(({ functionCall }) => functionCall !== undefined)
          if (calls.length === 0) return
          assert.isDefined(calls[0]!.thoughtSignature)
          const answers = contents[index + 1]!.parts.slice(0, calls.length).map(({ functionResponse }) => functionResponse?.id)
          assert.deepStrictEqual(
            answers,
            calls.map(({ functionCall }) => functionCall!.id)
          )
        })
      }),
      { numRuns: 500 }
    )
  })
})

/** Every place in a JSON value. */
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

const awkward: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue(),
  request.chain((value) =>
    fc
      .tuple(
        fc.constantFrom(...placesOf(value)),
        fc.oneof(
          fc.jsonValue(),
          fc.constantFrom<unknown>(null, "", 0, -1, 1e308, [], {}, [[]], [null], { type: 1 }, "__proto__", "constructor")
        )
      )
      .map(([path, by]) => replaced(value, path, by))
  ),
  fc
    .jsonValue()
    .map((value) => JSON.parse(`{"__proto__":${JSON.stringify(value)},"contents":[{"__proto__":1,"parts":[{"__proto__":{}}]}]}`) as unknown)
)

const dialects: ReadonlyArray<DialectName> = ["generateContent", "chat.completions", "messages", "responses"]
const settings = { temperature: 0.5, reasoningEffort: "low", maxOutputTokens: 7, maxTokensField: undefined } as const
const none = (): null => null
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe("nothing throws", () => {
  it("on any request, and what decodes also encodes, whoever is said to have asked", () => {
    fc.assert(
      fc.property(awkward, fc.constantFrom(...models), (body, model) => {
        for (const read of [decodeRequest, countingCaller.decodeRequest!]) {
          const decoded = read(body, ask)
          if (Result.isFailure(decoded)) {
            assert.isString(decoded.failure.path)
            assert.isNotEmpty(decoded.failure.message)
            continue
          }
          for (const dialect of dialects) {
            for (const encode of [encodeRequest, counting.encodeRequest, vertexCounting.encodeRequest]) {
              const encoded = encode({ ...decoded.success, dialect }, { model, maxOutputTokens: 5000 })
              assert.isObject(sent(encoded.body))
              for (const loss of encoded.losses) assert.isNotEmpty(loss.field)
            }
          }
        }
        const vectors = embeddingsCaller.decodeRequest(body, ask)
        if (Result.isSuccess(vectors)) {
          for (const dialect of dialects)
            for (const to of [embeddings, vertexEmbeddings])
              assert.isObject(sent(to.encodeRequest({ ...vectors.success, dialect }, { model }).body))
        }
        for (const to of [embeddings, vertexEmbeddings]) assert.isBoolean(Result.isSuccess(to.decodeAnswer(body)))
        counting.decodeAnswer(body)
      }),
      { numRuns: 2500 }
    )
  })

  it("on any body, and what is set is set", () => {
    fc.assert(
      fc.property(awkward, (body) => {
        for (const parse of [parseGenerate(true), parseCount, parseEmbed(true), parseEmbed(false)]) {
          const parsed = parse(bytes(JSON.stringify(body)), none, undefined, "m")
          if (!("ask" in parsed)) {
            assert.isNotEmpty(parsed.message)
            continue
          }
          const { ask } = parsed
          assert.isAtLeast(ask.inputBytes(), 0)
          assert.isAtLeast(ask.choices(), 1)
          for (const value of [
            ask.maxOutputTokens(),
            ask.metadata("a"),
            ask.messages(),
            ask.media(),
            ask.extras(),
            ask.needsTools(),
            ask.needsReasoning(),
            ask.hasFormat()
          ])
            assert.isDefined(value)
        }
        if (typeof body !== "object" || body === null || Array.isArray(body)) return
        const changed = {
          ...body,
          ...Object.fromEntries(overrides(body as never, settings).map(({ json, key }) => [key, JSON.parse(json)]))
        } as Record<string, any>
        const config = changed["generationConfig"] ?? changed["generation_config"]
        if ("generationConfig" in changed && "generation_config" in changed) return
        assert.strictEqual(config.temperature, 0.5)
        assert.isAtMost(config.maxOutputTokens ?? config.max_output_tokens, 7)
        assert.isObject(config.thinkingConfig ?? config.thinking_config)
        renamed(body as never, "m")
        renamedCount(body as never, "m")
      }),
      { numRuns: 1500 }
    )
  })

  it("on nesting that no stack holds", () => {
    const list = "[".repeat(50_000) + "]".repeat(50_000)
    const object = `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`
    const schema = `${'{"properties":{"a":'.repeat(20_000)}{}${"}}".repeat(20_000)}`
    const anyOf = `${'{"anyOf":['.repeat(20_000)}{}${"]}".repeat(20_000)}`
    for (const deep of [list, object, schema, anyOf]) {
      for (const body of [
        `{"contents":${deep}}`,
        `{"contents":[${deep}]}`,
        `{"contents":[{"parts":${deep}}]}`,
        `{"contents":[{"parts":[${deep}]}]}`,
        `{"contents":[{"parts":[{"functionCall":{"name":"f","args":${deep}}}]}]}`,
        `{"contents":[{"parts":[{"functionResponse":{"name":"f","response":${deep},"parts":${deep}}}]}]}`,
        `{"contents":[{"parts":[{"executableCode":${deep}}]}],"x":${deep},"systemInstruction":{"parts":[{"text":${deep}}]}}`,
        `{"contents":[],"tools":[{"functionDeclarations":[{"name":"f","parameters":${deep}}]}]}`,
        `{"contents":[],"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":${deep}}]}],"toolConfig":${deep}}`,
        `{"contents":[],"generationConfig":{"responseSchema":${deep},"responseMimeType":"application/json"}}`,
        `{"contents":[],"generationConfig":{"responseSchema":{"type":${deep}},"thinkingConfig":${deep},"x":${deep}}}`,
        `{"contents":[],"generationConfig":{"thinkingConfig":{"a":${deep}}}}`
      ]) {
        const json = JSON.parse(body) as Record<string, unknown>
        const decoded = decodeRequest(json, ask)
        if (Result.isSuccess(decoded)) {
          for (const dialect of dialects) assert.isDefined(encodeRequest({ ...decoded.success, dialect }, { model: "gemini-3-flash" }).body)
        } else assert.isNotEmpty(decoded.failure.message)
        const parsed = parseGenerate(false)(bytes(body), none, undefined, "m")
        if ("ask" in parsed) assert.isAtLeast(parsed.ask.inputBytes(), 0)
        for (const change of overrides(json, settings)) assert.isObject(JSON.parse(change.json))
      }
      assert.isDefined(acceptable(JSON.parse(`{"not":${deep}}`) as never).schema)
      embeddingsCaller.decodeRequest(JSON.parse(`{"requests":[{"content":${deep},"model":"a"}]}`), ask)
      for (const change of renamed(JSON.parse(`{"requests":[{"content":${deep},"model":"a"}]}`) as never, "b"))
        assert.include(change.json, '"model":"models/b"')
    }
  })
})
