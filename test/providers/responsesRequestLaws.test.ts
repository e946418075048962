/**
 * Laws of the request side of Responses: what is decoded and encoded again says the same; what cannot be said is named, and nothing else is; and nothing throws.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import type { Conversation, Message, Part } from "../../src/Conversation.ts"
import { anthropic } from "../../src/providers/anthropic.ts"
import { openai } from "../../src/providers/openai.ts"
import { askOf, parseResponses } from "../../src/providers/responses/ask.ts"
import { counting } from "../../src/providers/responses/counting.ts"
import { decodeRequest } from "../../src/providers/responses/decode.ts"
import { overrides } from "../../src/providers/responses/overrides.ts"
import { encodeRequest } from "../../src/providers/responses/request.ts"

type Any = any

const copy = (value: Any): Any => JSON.parse(JSON.stringify(value))
const record = (all: Record<string, fc.Arbitrary<unknown>>, required: ReadonlyArray<string> = []): fc.Arbitrary<Any> =>
  fc.record(all, { requiredKeys: [...required] as Array<string> })
const just = fc.constant
const word = fc.oneof(fc.constantFrom("", "a", "ä 😀", "input[0].content", "x.y", "__proto__"), fc.string({ maxLength: 6 }))
const id = (prefix: string) => fc.nat(99).map((number) => `${prefix}_${number}`)
const status = fc.constantFrom("completed", "incomplete")
/** A field that nobody knows. */
const novel = fc.oneof(just(1), just("new"), just({ deep: [1, { a: "b" }] }), just([true]))

const text = record({ type: just("input_text"), text: word, prompt_cache_breakpoint: just({ mode: "explicit" }), novel }, ["type", "text"])
const media = fc.oneof(
  record(
    {
      type: just("input_image"),
      image_url: fc.constantFrom("https://a.example/x.png", "data:image/png;base64,AAAA"),
      detail: fc.constantFrom("auto", "low"),
      novel
    },
    ["type", "image_url"]
  ),
  record({ type: just("input_image"), file_id: id("file") }, ["type", "file_id"]),
  record({ type: just("input_file"), file_data: just("data:application/pdf;base64,AAAA"), filename: just("x.pdf"), detail: just("low") }, [
    "type",
    "file_data",
    "filename"
  ]),
  record({ type: just("input_file"), file_url: just("https://a.example/x.pdf"), filename: just("x.pdf") }, ["type", "file_url"]),
  record({ type: just("input_file"), file_id: id("file") }, ["type", "file_id"]),
  record({ type: just("input_audio"), input_audio: just({ data: "AAAA", format: "wav" }) }, ["type", "input_audio"]),
  record({ type: just("input_hologram"), at: word }, ["type"])
)
const output = fc.oneof(
  record(
    {
      type: just("output_text"),
      text: word,
      annotations: fc.array(
        fc.constantFrom(
          { type: "url_citation", url: "https://a.example", title: "t", start_index: 0, end_index: 1 },
          { type: "file_path", file_id: "f", index: 2 }
        ),
        { maxLength: 2 }
      ),
      logprobs: just([])
    },
    ["type", "text"]
  ),
  record({ type: just("refusal"), refusal: word }, ["type", "refusal"])
)
const inputContent = fc.oneof(word, fc.array(fc.oneof(text, media), { maxLength: 3 }))

const item = fc.oneof(
  record(
    { type: just("message"), role: fc.constantFrom("user", "system", "developer"), content: inputContent, id: id("msg"), status, novel },
    ["role", "content"]
  ),
  record(
    {
      type: just("message"),
      role: just("assistant"),
      content: fc.oneof(word, fc.array(output, { maxLength: 2 })),
      id: id("msg"),
      status,
      phase: just("commentary")
    },
    ["role", "content"]
  ),
  record(
    {
      type: just("function_call"),
      call_id: id("call"),
      name: word,
      arguments: fc.constantFrom("", "{}", '{"a":12345678901234567890}', "{broken"),
      id: id("fc"),
      status,
      namespace: word
    },
    ["type", "call_id", "name", "arguments"]
  ),
  record({ type: just("function_call_output"), call_id: id("call"), output: inputContent, id: id("fco"), status, name: word }, [
    "type",
    "call_id",
    "output"
  ]),
  record(
    {
      type: just("reasoning"),
      summary: fc.array(
        fc.oneof(record({ type: just("summary_text"), text: word, novel }, ["type", "text"]), just({ type: "summary_hologram" })),
        { maxLength: 2 }
      ),
      encrypted_content: just("gAAA"),
      id: id("rs"),
      status
    },
    ["type", "summary"]
  ),
  record({ type: just("reasoning"), summary: just([]), content: just([{ type: "reasoning_text", text: "hm" }]), id: id("rs") }, [
    "type",
    "summary",
    "content"
  ]),
  record(
    {
      type: just("reasoning"),
      summary: just([{ type: "summary_text", text: "s" }]),
      content: just([{ type: "reasoning_text", text: "hm" }]),
      encrypted_content: just("gAAA")
    },
    ["type", "summary", "content"]
  ),
  record(
    {
      type: fc.constantFrom(
        "item_reference",
        "compaction",
        "web_search_call",
        "mcp_call",
        "custom_tool_call",
        "custom_tool_call_output",
        "shell_call_output",
        "hologram_call"
      ),
      id: id("x"),
      novel
    },
    ["type", "id"]
  ),
  record({ type: just("additional_tools"), role: just("developer"), tools: just([{ type: "function", name: "f" }]) }, [
    "type",
    "role",
    "tools"
  ])
)

const schema = fc.constantFrom(
  { type: "object", properties: { a: { type: "string" } }, required: ["a"], additionalProperties: false },
  { type: "object", properties: { a: { type: "string" }, b: { type: ["string", "null"], enum: ["x", null] } }, required: ["a"] },
  {
    type: "object",
    properties: { a: { $ref: "#/$defs/A" } },
    required: ["a"],
    $defs: { A: { type: "object", properties: {}, additionalProperties: false } }
  },
  { type: "object", properties: {} }
)
const tool = fc.oneof(
  record({ type: just("function"), name: word, description: word, parameters: schema, strict: fc.boolean(), defer_loading: fc.boolean() }, [
    "type",
    "name"
  ]),
  record({ type: fc.constantFrom("web_search", "mcp", "custom", "tool_search"), name: word, novel }, ["type"])
)

const body = record(
  {
    model: just("m"),
    input: fc.oneof(word, fc.array(item, { maxLength: 6 })),
    instructions: word,
    tools: fc.array(tool, { minLength: 1, maxLength: 4 }),
    tool_choice: fc.constantFrom<unknown>(
      "auto",
      "none",
      "required",
      { type: "function", name: "f" },
      { type: "allowed_tools", mode: "auto", tools: [{ type: "function", name: "f" }] },
      { type: "allowed_tools", mode: "required", tools: [{ type: "mcp", server_label: "s" }] },
      { type: "web_search" }
    ),
    parallel_tool_calls: fc.boolean(),
    text: record({
      format: fc.oneof(
        just({ type: "text" }),
        just({ type: "json_object" }),
        just({ type: "grammar", x: 1 }),
        record({ type: just("json_schema"), name: word, schema, strict: fc.boolean(), description: word }, ["type", "name", "schema"])
      ),
      verbosity: just("low")
    }).filter((value) => Object.keys(value).length > 0),
    reasoning: record({
      effort: fc.constantFrom("none", "high", "ultra"),
      summary: fc.constantFrom("auto", "detailed"),
      context: just("all_turns"),
      mode: just("pro")
    }).filter((value) => Object.keys(value).length > 0),
    max_output_tokens: fc.integer({ min: 1, max: 99 }),
    temperature: fc.constantFrom(0, 0.5, 2),
    top_p: just(0.9),
    top_logprobs: just(2),
    include: fc.constantFrom([], ["reasoning.encrypted_content"], ["message.output_text.logprobs"]),
    metadata: fc.constantFrom({}, { a: "b", "c.d": "e", "f[0]": "g" }, { n: 1 }),
    user: word,
    safety_identifier: word,
    store: fc.boolean(),
    service_tier: just("flex"),
    stream: just(true),
    stream_options: just({ include_obfuscation: false }),
    truncation: just("auto"),
    background: fc.boolean(),
    previous_response_id: id("resp"),
    prompt: just({ id: "p", variables: { a: { type: "input_text", text: "x" } } }),
    novel
  },
  ["model", "input"]
)

/** The API's defaults said aloud: strictness of what has a schema. Only where that fits the schema as it is may it be said for it. */
const plain = (value: Any): Any => {
  const { text, tools, ...rest } = value
  const strict = (inner: Any) => ({ strict: true, ...Object.fromEntries(Object.entries(inner).filter(([, found]) => found !== null)) })
  return {
    ...rest,
    ...(tools === undefined ? {} : { tools: tools.map((one: Any) => (one.type === "function" ? strict(one) : one)) }),
    ...(text === undefined ? {} : { text: text.format?.type === "json_schema" ? { ...text, format: strict(text.format) } : text })
  }
}

const decoded = (value: unknown): Conversation => Result.getOrThrow(decodeRequest(value))

describe("round trip", () => {
  it("a request that is decoded and encoded again says the same, without a loss", () => {
    fc.assert(
      fc.property(body, (asked) => {
        const said = copy(decoded(copy(asked)))
        const { body, losses } = encodeRequest(said, { model: "m" })
        assert.deepStrictEqual(plain(copy(body)), plain(copy(asked)))
        assert.isEmpty(losses)
        // And again: what was written decodes to the same, in the order of its fields.
        const order = ({ extras, ...rest }: Any) => ({ ...rest, extras: extras.toSorted((a: Any, b: Any) => (a.field < b.field ? -1 : 1)) })
        assert.deepStrictEqual(order(copy(decoded(copy(body)))), order(said))
      }),
      { numRuns: 4_000 }
    )
  })
})

const part: fc.Arbitrary<Part> = fc.oneof(
  word.map((text): Part => ({ _tag: "Text", text })),
  just<Part>({ _tag: "Image", source: { _tag: "Url", url: "https://a.example/x.png" } }),
  just<Part>({ _tag: "File", source: { _tag: "Base64", mediaType: "application/pdf", data: "AAAA" }, name: "x.pdf" })
)
const calls = fc.array(fc.tuple(word, fc.constantFrom('{"a":1}', "{}"), fc.array(part, { minLength: 1, maxLength: 2 })), { maxLength: 2 })
const exchange = fc.record({
  asked: fc.array(part, { minLength: 1, maxLength: 2 }),
  thought: fc.boolean(),
  said: fc.string({ minLength: 1, maxLength: 5 }),
  calls
})

/** What Responses can say, asked in another dialect. */
const expressible: fc.Arbitrary<Conversation> = fc
  .record({
    dialect: fc.constantFrom("messages", "chat.completions", "generateContent"),
    exchanges: fc.array(exchange, { minLength: 1, maxLength: 3 }),
    system: fc.array(word, { maxLength: 2 }),
    strict: fc.constantFrom(undefined, false)
  })
  .map(({ dialect, exchanges, strict, system }) => ({
    dialect: dialect as Conversation["dialect"],
    model: "m",
    system: system.map((text, index) => ({ role: "system" as const, text, at: `system[${index}]` })),
    messages: [...exchanges.keys(), undefined].flatMap((turn): ReadonlyArray<Message> => {
      // What these callers close with an assistant's message is gone on with, and Responses would answer it.
      if (turn === undefined)
        return dialect === "chat.completions" ? [] : [{ role: "user", at: "messages[9]", parts: [{ _tag: "Text", text: "So?" }] }]
      const { asked, calls, said, thought } = exchanges[turn]!
      const at = `messages[${turn}]`
      const seal = { dialect: "responses", data: "gAAA" } as const
      const call = (index: number) => `call_${turn}_${index}`
      return [
        { role: "user" as const, at, parts: asked.map((one, index) => ({ ...one, at: `${at}.content[${index}]` })) },
        {
          role: "assistant" as const,
          at,
          parts: [
            ...(thought ? [{ _tag: "Reasoning" as const, text: "hm", seal, at: `${at}.thought` }] : []),
            { _tag: "Text" as const, text: said, at: `${at}.said` },
            ...calls.map(([name, text], index): Part => ({
              _tag: "ToolCall",
              id: call(index),
              name,
              arguments: text,
              at: `${at}.call[${index}]`
            }))
          ]
        },
        ...calls.map(([, , parts], index) => ({
          role: "tool" as const,
          at,
          parts: [{ _tag: "ToolResult" as const, callId: call(index), parts, at: `${at}.result[${index}]` }]
        }))
      ]
    }),
    tools: [
      {
        name: "f",
        at: "tools[0]",
        schema: { type: "object", properties: { a: { type: "string" } } },
        ...(strict === undefined ? {} : { strict })
      }
    ],
    sampling: { temperature: 1 },
    stream: false,
    includeUsage: true,
    answers: 1,
    extras: [],
    named: {}
  }))

/** Every text, picture, file, call and result in the order in which the other side reads it, read off the JSON. */
const said = (input: ReadonlyArray<Any>): ReadonlyArray<unknown> =>
  input.flatMap((item) => {
    const parts = (content: Any) =>
      typeof content === "string" ? [content] : content.map((one: Any) => one.text ?? one.image_url ?? one.file_data)
    if (item.type === "function_call") return [["call", item.call_id, item.name, item.arguments]]
    if (item.type === "function_call_output") return [["result", item.call_id], ...parts(item.output)]
    return item.type === "reasoning" ? [["sealed", item.encrypted_content, item.summary[0]?.text]] : parts(item.content)
  })

const meant = (parts: ReadonlyArray<Part>): ReadonlyArray<unknown> =>
  parts.flatMap((one): ReadonlyArray<unknown> => {
    switch (one._tag) {
      case "Text":
        return [one.text]
      case "Image":
        return ["https://a.example/x.png"]
      case "File":
        return ["data:application/pdf;base64,AAAA"]
      case "Reasoning":
        return [["sealed", "gAAA", one.text]]
      case "ToolCall":
        return [["call", one.id, one.name, one.arguments]]
      case "ToolResult":
        return [["result", one.callId], ...meant(one.parts)]
      default:
        return []
    }
  })

/** Changes that take what Responses cannot say into a conversation, each with the name of what is lost. */
const inexpressible: ReadonlyArray<readonly [(asked: Conversation) => Conversation, string]> = [
  [(asked) => ({ ...asked, sampling: { ...asked.sampling, stop: ["x"] }, named: { stop: "stop_sequences" } }), "stop_sequences"],
  [(asked) => ({ ...asked, sampling: { ...asked.sampling, topK: 4 }, named: { topK: "top_k" } }), "top_k"],
  [(asked) => ({ ...asked, sampling: { ...asked.sampling, seed: 0 } }), "seed"],
  [(asked) => ({ ...asked, answers: 3, named: { answers: "n" } }), "n"],
  [(asked) => ({ ...asked, maxOutputTokens: 3, named: { maxOutputTokens: "max_tokens" } }), "max_tokens"],
  [(asked) => ({ ...asked, extras: [{ field: "logit_bias", value: {}, matters: true }] }), "logit_bias"],
  [
    (asked) => ({
      ...asked,
      messages: [
        ...asked.messages,
        { role: "user", at: "messages[9]", parts: [{ _tag: "Audio", format: "wav", data: "AA", at: "messages[9].content[0]" }] }
      ]
    }),
    "messages[9].content[0]"
  ]
]

describe("another caller's request", () => {
  it("loses nothing exactly where Responses can say everything", () => {
    fc.assert(
      fc.property(expressible, fc.option(fc.constantFrom(...inexpressible), { nil: undefined }), (asked, change) => {
        const { body, losses } = encodeRequest(change === undefined ? asked : change[0](asked), { model: "unheard-of" })
        assert.deepStrictEqual(
          losses.map(({ field }) => field),
          change === undefined ? [] : [change[1]]
        )
        const written = copy(body)
        const system = written.instructions === undefined ? [] : [written.instructions]
        assert.deepStrictEqual(
          [...system, ...said(written.input)],
          [...asked.system.map(({ text }) => text), ...asked.messages.flatMap(({ parts }) => meant(parts))]
        )
        assert.isFalse(written.store)
        assert.isFalse(written.tools[0].strict)
        assert.deepStrictEqual(written.tools[0].parameters, asked.tools[0]!.schema)
      }),
      { numRuns: 2_000 }
    )
  })
})

const placesOf = (value: unknown, path: ReadonlyArray<string | number> = []): ReadonlyArray<ReadonlyArray<string | number>> => {
  if (typeof value !== "object" || value === null) return [path]
  const keys: ReadonlyArray<string | number> = Array.isArray(value) ? [...value.keys()] : Object.keys(value)
  return [path, ...keys.flatMap((key) => placesOf((value as Any)[key], [...path, key]))]
}

const replaced = (value: Any, path: ReadonlyArray<string | number>, by: unknown): unknown => {
  const [key, ...rest] = path
  if (key === undefined) return by
  if (Array.isArray(value)) return value.map((entry: unknown, index) => (index === key ? replaced(entry, rest, by) : entry))
  return { ...value, [key]: replaced(value[key], rest, by) }
}

const awkward = fc.constantFrom<unknown>(
  null,
  "",
  0,
  -1,
  1e308,
  [],
  {},
  [[]],
  [null],
  { type: 1 },
  "__proto__",
  "constructor",
  { toString: null },
  { type: "reasoning" },
  { type: "message" },
  "data:x"
)
const mutated = body.chain((value) =>
  fc.tuple(fc.constantFrom(...placesOf(value)), fc.oneof(fc.jsonValue(), awkward)).map(([path, by]) => replaced(value, path, by))
)
const hostile = fc
  .jsonValue()
  .map(
    (value) =>
      JSON.parse(
        `{"__proto__":${JSON.stringify(value)},"model":"m","input":[{"role":"user","content":"x","__proto__":{"a":1}}]}`
      ) as unknown
  )

describe("nothing throws", () => {
  const targets = [{ encodeRequest }, openai, anthropic, counting]

  it("on a request with something of it changed, and what decodes also encodes", () => {
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), mutated, hostile), (asked) => {
        const parsed = parseResponses(new TextEncoder().encode(JSON.stringify(asked)), () => null)
        if ("ask" in parsed) {
          const { ask } = parsed
          assert.isTrue(ask.inputBytes() >= 0 && ask.messages() >= 1 && ask.choices() === 1)
          assert.isArray(ask.extras())
          assert.isObject(ask.media())
          assert.isBoolean(ask.needsTools() || ask.needsVision() || ask.needsStructuredOutput() || ask.hasFormat() || ask.needsReasoning())
          assert.isArray(overrides(parsed.json, { temperature: 1, reasoningEffort: "low", maxOutputTokens: 5, maxTokensField: undefined }))
        } else assert.isNotEmpty(parsed.message)
        const found = decodeRequest(asked)
        if (Result.isFailure(found)) {
          assert.isString(found.failure.path)
          assert.isNotEmpty(found.failure.message)
          return
        }
        for (const target of targets) {
          const { losses, body } = target.encodeRequest(found.success, { model: "gpt-5", maxOutputTokens: 5_000 })
          assert.isString(JSON.stringify(body))
          for (const loss of losses) assert.isNotEmpty(loss.field)
        }
        assert.isFalse(Object.hasOwn(Object.prototype, "a"))
      }),
      { numRuns: 4_000 }
    )
  })

  it("on nesting that no stack holds", () => {
    const deep = JSON.parse(`${"[".repeat(50_000)}${"]".repeat(50_000)}`) as unknown
    const schema = JSON.parse(`${'{"type":"object","required":["a"],"properties":{"a":'.repeat(20_000)}{}${"}}".repeat(20_000)}`) as Record<
      string,
      unknown
    >
    const asked = {
      model: "m",
      instructions: "x",
      input: [
        { role: "user", content: [{ type: "input_hologram", deep }] },
        { type: "function_call", call_id: "c", name: "f", arguments: deep },
        { type: "function_call_output", call_id: "c", output: [{ type: "x", deep }] },
        { type: "tool_search_output", tools: [{ type: "namespace", tools: deep }] },
        { type: "reasoning", summary: deep }
      ],
      tools: [
        { type: "function", name: "f", parameters: schema },
        { type: "function", name: "g", parameters: { type: "object", properties: { a: { default: deep } }, required: ["a"] } },
        { type: "namespace", tools: [deep] }
      ],
      text: { format: { type: "json_schema", name: "a", schema } },
      deep
    }
    const ask = askOf(asked, "m", true, () => null)
    assert.isAbove(ask.inputBytes(), 20_000)
    assert.isArray(ask.extras())
    const conversation = decoded(asked)
    for (const dialect of ["responses", "messages"] as const)
      assert.isObject(encodeRequest({ ...conversation, dialect }, { model: "gpt-5" }).body)
  })
})
