/**
 * Laws of requests of the Messages API: what the dialect can say comes back as it was, without a loss; what another dialect says beyond it is lost by name, and
 * alone.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import type { CacheHint, Conversation, Extra, Instruction, Message, Part, Setting, Source, Thinking, Tool } from "../../src/Conversation.ts"
import { counting } from "../../src/providers/anthropic/counting.ts"
import { decodeRequest } from "../../src/providers/anthropic/decode.ts"
import { encodeRequest } from "../../src/providers/anthropic/request.ts"
import { parseExact } from "../../src/providers/json.ts"

type Unplaced = (at: string) => Part

const word = fc.string({ maxLength: 8 })
const optional = <K extends string, V>(key: K, value: fc.Arbitrary<V>): fc.Arbitrary<{ readonly [key in K]?: V }> =>
  fc.option(value, { nil: undefined }).map((found) => (found === undefined ? {} : ({ [key]: found } as { readonly [key in K]?: V })))
const cache = optional("cache", optional("ttl", fc.constantFrom("5m", "1h")) as fc.Arbitrary<CacheHint>)
const json = fc.dictionary(
  word.filter((key) => key !== "__proto__"),
  fc.jsonValue({ maxDepth: 2 }),
  { maxKeys: 3 }
)
// Through JSON, where 0 has no sign.
const object = json.map((value) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>)

const source: fc.Arbitrary<Source> = fc.oneof(
  fc.record({ _tag: fc.constant("Url" as const), url: word }),
  fc.record({ _tag: fc.constant("Base64" as const), mediaType: word, data: word }),
  fc.record({ _tag: fc.constant("Uploaded" as const), id: word })
)
const plain: fc.Arbitrary<Source> = fc.record({ _tag: fc.constant("Plain" as const), text: word })
const seal = word.filter((data) => data !== "").map((data) => ({ dialect: "messages" as const, data }))

const text = fc.record({ text: word, cache }).map(({ cache, text }): Unplaced => (at) => ({ _tag: "Text", text, at, ...cache }))
const cited = fc
  .array(
    fc
      .record({ url: word, title: word, cited_text: word })
      .map((value) => ({ value, url: value.url, title: value.title, quote: value.cited_text })),
    { maxLength: 2 }
  )
  .map((citations): Unplaced => (at) => ({ _tag: "Text", text: "x", at, citations }))
const image = fc.record({ source, cache }).map(({ cache, source }): Unplaced => (at) => ({ _tag: "Image", source, at, ...cache }))
const file = fc
  .record({ source: fc.oneof(source, plain), cache, name: optional("name", word), cite: optional("cite", fc.boolean()) })
  .map(({ cache, cite, name, source }): Unplaced => (at) => ({ _tag: "File", source, at, ...cache, ...name, ...cite }))
const call = fc.record({ id: word, name: word, input: object, cache }).map(({ cache, id, input, name }): Unplaced => (at) => ({
  _tag: "ToolCall",
  id,
  name,
  arguments: JSON.stringify(input),
  at,
  ...cache
}))
const foreign = object.map((value): Unplaced => (at) => ({
  _tag: "Foreign",
  type: "server_tool_use",
  value: { ...value, type: "server_tool_use" },
  at
}))
const inner = fc.oneof(text, image, file)
/** A content: a string, or blocks. */
const content = (block: fc.Arbitrary<Unplaced>) =>
  fc.oneof(
    word.map((said) => (at: string): ReadonlyArray<Part> => [{ _tag: "Text", text: said, at }]),
    fc.array(block, { minLength: 1, maxLength: 4 }).map((parts) => (at: string) => parts.map((part, index) => part(`${at}[${index}]`)))
  )
const result = fc
  .record({ callId: word, parts: fc.option(content(inner), { nil: undefined }), isError: optional("isError", fc.boolean()), cache })
  .map(({ cache, callId, isError, parts }): Unplaced => (at) => ({
    _tag: "ToolResult",
    callId,
    parts: parts?.(`${at}.content`) ?? [],
    at,
    ...cache,
    ...isError
  }))
const thought = fc.record({ text: word, seal }).map(({ seal, text }): Unplaced => (at) => ({ _tag: "Reasoning", text, seal, at }))
const redacted = seal.map((seal): Unplaced => (at) => ({ _tag: "SealedReasoning", seal, at }))

const roles = fc.constantFrom("user" as const, "assistant" as const, "system" as const)
const said = fc.record({ role: roles, parts: content(fc.oneof(text, cited, image, file, call, foreign, result, thought, redacted)) })
const messages = fc.array(said, { minLength: 1, maxLength: 6 }).map((list) =>
  list.map(({ parts, role }, index): Message => {
    const at = `messages[${index}]`
    // The first is nobody's instruction: that would stand before the conversation.
    return { role: index === 0 && role === "system" ? "user" : role, at, parts: parts(`${at}.content`) }
  })
)
const system: fc.Arbitrary<ReadonlyArray<Instruction>> = fc.oneof(
  word.map((text): ReadonlyArray<Instruction> => [{ role: "system", text, at: "system" }]),
  fc
    .array(fc.record({ text: word, cache }), { maxLength: 3 })
    .map((list) => list.map(({ cache, text }, index): Instruction => ({ role: "system", text, at: `system[${index}]`, ...cache })))
)
const tools = fc
  .array(
    fc.record({ name: word, schema: object, description: optional("description", word), strict: optional("strict", fc.boolean()), cache }),
    {
      maxLength: 3
    }
  )
  .map((list) =>
    list.map(({ cache, description, name, schema, strict }, index): Tool => ({
      name,
      at: `tools[${index}]`,
      schema,
      ...cache,
      ...description,
      ...strict
    }))
  )

interface Rest extends Partial<Conversation> {
  readonly named: Readonly<Partial<Record<Setting, string>>>
  readonly extras: ReadonlyArray<Extra>
}

const nothing: Rest = { named: {}, extras: [] }
const setting = (name: Setting, field: string, rest: Partial<Conversation>, extras: ReadonlyArray<Extra> = []): Rest => ({
  ...rest,
  named: { [name]: field },
  extras
})

const choice = fc
  .record({
    choice: fc.oneof(
      fc.constantFrom({ _tag: "Auto" as const }, { _tag: "None" as const }, { _tag: "Required" as const }),
      word.map((name) => ({ _tag: "Named" as const, name }))
    ),
    parallel: fc.option(fc.boolean(), { nil: undefined })
  })
  .map(({ choice, parallel }): Rest => ({
    toolChoice: choice,
    ...(parallel === undefined ? {} : { parallelToolCalls: parallel }),
    named: { toolChoice: "tool_choice", ...(parallel === undefined ? {} : { parallelToolCalls: "tool_choice.disable_parallel_tool_use" }) },
    extras: []
  }))
const effort = fc.constantFrom("low" as const, "medium" as const, "high" as const, "xhigh" as const, "max" as const)
const show = optional("show", fc.constantFrom(false as const, "summarized"))
const beside = fc
  .option(effort, { nil: undefined })
  .map((found): ReadonlyArray<Extra> =>
    found === undefined
      ? []
      : [{ field: "output_config.effort", value: found, matters: true, reason: "one of a budget and an effort is told" }]
  )
const thinking = fc.oneof(
  show.map((show) => setting("thinking", "thinking", { thinking: { _tag: "Auto", ...show } as Thinking })),
  fc
    .tuple(effort, show)
    .map(([effort, show]) => setting("thinking", "thinking", { thinking: { _tag: "Effort", effort, ...show } as Thinking })),
  effort.map((effort) => setting("thinking", "output_config.effort", { thinking: { _tag: "Effort", effort } })),
  fc
    .tuple(fc.integer({ min: 1, max: 100_000 }), show, beside)
    .map(([tokens, show, extras]) =>
      setting("thinking", "thinking.budget_tokens", { thinking: { _tag: "Budget", tokens, ...show } as Thinking }, extras)
    ),
  beside.map((extras) => setting("thinking", "thinking", { thinking: { _tag: "Effort", effort: "none" } }, extras))
)
const format = fc
  .tuple(object, fc.constantFrom("output_config.format", "output_format"))
  .map(([schema, at]) => setting("format", at, { format: { _tag: "JsonSchema", schema, at: `${at}.schema` } }))
const user = word.map((userId) => setting("userId", "metadata.user_id", { userId }))
const stop = fc.array(word, { minLength: 1, maxLength: 3 }).map((stop) => setting("stop", "stop_sequences", { sampling: { stop } }))
const temperature = fc.constantFrom(0, 0.5, 1).map((temperature) => setting("temperature", "temperature", { sampling: { temperature } }))
const most = fc.integer({ min: 1, max: 100_000 }).map((maxOutputTokens) => setting("maxOutputTokens", "max_tokens", { maxOutputTokens }))
const extra = word
  .filter((name) => /^[a-z]+$/.test(name))
  .chain((name) => object.map((value): Rest => ({ named: {}, extras: [{ field: `new_${name}`, value, matters: true }] })))

const maybe = (rest: fc.Arbitrary<Rest>) => fc.option(rest, { nil: nothing })

/** Conversations that the dialect can say. */
const own: fc.Arbitrary<Conversation> = fc
  .tuple(messages, system, tools, fc.boolean(), most, fc.tuple(...[choice, thinking, format, user, stop, temperature, extra].map(maybe)))
  .map(([messages, system, tools, stream, most, rests]) => {
    const all = [most, ...rests]
    return {
      dialect: "messages",
      model: "claude-opus-4-8",
      stream,
      includeUsage: true,
      answers: 1,
      ...(Object.assign({}, ...all) as Partial<Conversation>),
      messages,
      system,
      tools,
      sampling: Object.assign({}, ...all.map(({ sampling }) => sampling ?? {})) as Conversation["sampling"],
      named: Object.assign({}, ...all.map(({ named }) => named)) as Conversation["named"],
      extras: all.flatMap(({ extras }) => extras)
    }
  })

/** Extras of a list come in its order; which list is first is nothing. */
const sorted = (conversation: Conversation): Conversation => ({
  ...conversation,
  extras: conversation.extras.toSorted((a, b) => (a.field < b.field ? -1 : a.field > b.field ? 1 : 0))
})

describe("what the Messages API can say", () => {
  it("comes back as it was, without a loss, for whatever model", () => {
    fc.assert(
      fc.property(
        own,
        fc.constantFrom("claude-3-5-haiku-latest", "claude-sonnet-4-5", "claude-opus-5-5", "glm-4.6"),
        (conversation, model) => {
          const { body, losses } = encodeRequest(conversation, { model, deployment: "claude-opus-4-8" })
          assert.deepStrictEqual(losses, [])
          const back = decodeRequest(JSON.parse(JSON.stringify(body)))
          if (Result.isFailure(back)) assert.fail(`\`${back.failure.path}\`: ${back.failure.message}`)
          assert.deepStrictEqual(sorted(back.success), sorted(conversation))
        }
      ),
      { numRuns: 2000 }
    )
  })

  it("is decoded in the same way when it has been encoded twice", () => {
    fc.assert(
      fc.property(own, (conversation) => {
        const once = encodeRequest(conversation, { model: conversation.model }).body
        const back = decodeRequest(JSON.parse(JSON.stringify(once)))
        assert.deepStrictEqual(encodeRequest(Result.getOrThrow(back), { model: conversation.model }).body, once)
      }),
      { numRuns: 500 }
    )
  })
})

/** Bodies with something awkward in any place. */
const awkward = own
  .map((conversation) => JSON.stringify(encodeRequest(conversation, { model: conversation.model }).body))
  .chain((text) => {
    const places = [...text.matchAll(/"[^"\\]*"(?!:)|\d+|\[\]|\{\}|true|false/g)]
    return fc
      .tuple(
        fc.nat(Math.max(0, places.length - 1)),
        fc.constantFrom(
          "null",
          '""',
          "0",
          "-1",
          "1e308",
          "[]",
          "{}",
          "[[]]",
          "[null]",
          '{"type":1}',
          '{"type":"text"}',
          '"__proto__"',
          '{"__proto__":{"type":"text"}}',
          "12345678901234567890"
        )
      )
      .map(([index, by]) => {
        const place = places[index]
        return place === undefined ? text : text.slice(0, place.index) + by + text.slice(place.index + place[0].length)
      })
  })

describe("nothing throws", () => {
  it("on what is awkward, and what decodes also encodes", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          awkward.map((text) => parseExact(text)),
          fc.jsonValue()
        ),
        fc.constantFrom("claude-sonnet-4-5", "claude-opus-5-5", "m"),
        (body, model) => {
          const found = decodeRequest(body)
          if (Result.isFailure(found)) {
            assert.isNotEmpty(found.failure.message)
            return
          }
          for (const dialect of ["messages", "chat.completions"] as const) {
            const { body, losses } = encodeRequest({ ...found.success, dialect }, { model })
            assert.isString(JSON.stringify(body))
            for (const { field } of losses) assert.isNotEmpty(field)
          }
        }
      ),
      { numRuns: 2000 }
    )
  })

  it("50,000 levels deep", () => {
    const deep = `${'{"a":['.repeat(25_000)}12345678901234567890${"]}".repeat(25_000)}`
    for (const more of [
      `"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":${deep}}]}]`,
      `"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[${deep}]}]}]`,
      `"messages":[{"role":"user","content":[{"type":"new","x":${deep}}]}]`,
      `"messages":${deep}`,
      `"messages":[{"role":"user","content":"x"}],"system":[${deep}]`,
      `"messages":[{"role":"user","content":"x"}],"tools":[{"name":"f","strict":true,"input_schema":${deep}}]`,
      `"messages":[{"role":"user","content":"x"}],"output_config":{"format":{"type":"json_schema","schema":${deep}}}`,
      `"messages":[{"role":"user","content":"x"}],"new":${deep}`
    ]) {
      const found = decodeRequest(JSON.parse(`{"model":"m","max_tokens":1,${more}}`))
      if (Result.isFailure(found)) assert.isNotEmpty(found.failure.path)
      else
        for (const dialect of ["messages", "chat.completions"] as const)
          assert.isObject(encodeRequest({ ...found.success, dialect }, { model: "claude-opus-4-8" }).body)
    }
  })

  it("and keys that name a prototype change none", () => {
    const body = JSON.parse(
      '{"model":"m","max_tokens":1,"__proto__":{"a":1},"metadata":{"__proto__":"b"},"messages":[{"role":"user","content":"x","__proto__":{"c":1}}]}'
    ) as unknown
    const { body: written, losses } = encodeRequest(Result.getOrThrow(decodeRequest(body)), { model: "m" })
    assert.strictEqual(Object.getPrototypeOf(written), Object.prototype)
    assert.deepStrictEqual(
      losses.map(({ field }) => field),
      ["messages[0].__proto__", "__proto__"]
    )
  })
})

/** A conversation of another dialect that loses nothing on its way to a Claude of 2026. */
const plainly = (more: Partial<Conversation> = {}): Conversation => ({
  dialect: "chat.completions",
  model: "m",
  system: [{ role: "system", text: "Be kind.", at: "messages[0].content" }],
  messages: [
    { role: "user", at: "messages[1]", parts: [{ _tag: "Text", text: "Hello", at: "messages[1].content" }] },
    {
      role: "assistant",
      at: "messages[2]",
      parts: [{ _tag: "ToolCall", id: "a", name: "f", arguments: '{"n":12345678901234567890}', at: "messages[2].tool_calls[0]" }]
    },
    {
      role: "tool",
      at: "messages[3]",
      parts: [{ _tag: "ToolResult", callId: "a", parts: [{ _tag: "Text", text: "1", at: "messages[3].content" }], at: "messages[3]" }]
    }
  ],
  tools: [{ name: "f", schema: { type: "object" }, at: "tools[0].function" }],
  sampling: {},
  stream: false,
  includeUsage: false,
  answers: 1,
  extras: [],
  named: {},
  ...more
})

/** What `part` in the user's last message, or the assistant's, is written as, and what is lost of it. */
const withPart = (role: "user" | "assistant", part: Part) => {
  const base = plainly()
  const said: Message = { role, at: "messages[4]", parts: [part, { _tag: "Text", text: "on", at: "messages[4].content[1]" }] }
  const close: Message = { role: "user", at: "messages[5]", parts: [{ _tag: "Text", text: "?", at: "messages[5].content" }] }
  return encodeRequest(
    { ...base, messages: [...base.messages, said, ...(role === "assistant" ? [close] : [])] },
    { model: "claude-opus-4-8" }
  )
}

describe("what another dialect says", () => {
  it("loses nothing where Claude has the same", () => {
    const { body, losses } = encodeRequest(plainly(), { model: "claude-opus-4-8" })
    assert.deepStrictEqual(losses, [])
    assert.deepStrictEqual(JSON.parse(JSON.stringify(body)), {
      model: "claude-opus-4-8",
      max_tokens: 4096,
      system: "Be kind.",
      messages: [
        { role: "user", content: "Hello" },
        {
          role: "assistant",
          content: [{ type: "tool_use", id: "a", name: "f", input: JSON.parse('{"n":12345678901234567890}') as unknown }]
        },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "a", content: "1" }] }
      ],
      tools: [{ name: "f", input_schema: { type: "object" } }]
    })
    assert.include(JSON.stringify(body), '{"n":12345678901234567890}', "an integer that no double holds stays what it was")
  })

  const at = "messages[4].content[0]"
  const theirs = { dialect: "responses" as const, data: "x" }
  const parts: ReadonlyArray<readonly [what: string, role: "user" | "assistant", part: Part, field: string]> = [
    ["sound", "user", { _tag: "Audio", format: "wav", data: "eA==", at }, at],
    ["a part of its own", "user", { _tag: "Foreign", type: "video_url", value: {}, at }, at],
    ["a part that does not say where it lies", "user", { _tag: "Foreign", type: "video_url", value: {} }, "messages[4]"],
    ["a file that was uploaded elsewhere", "user", { _tag: "File", source: { _tag: "Uploaded", id: "f" }, at }, at],
    ["a picture at an address of its own", "user", { _tag: "Image", source: { _tag: "Url", url: "gs://a/b" }, at }, at],
    ["a film at a URL", "user", { _tag: "File", source: { _tag: "Url", url: "https://a/b", mediaType: "video/mp4" }, at }, at],
    ["a film", "user", { _tag: "File", source: { _tag: "Base64", mediaType: "video/mp4", data: "eA==" }, at }, at],
    ["a document without a text", "user", { _tag: "File", source: { _tag: "Plain", text: " " }, at }, at],
    ["a picture's detail", "user", { _tag: "Image", source: { _tag: "Url", url: "https://a/b" }, detail: "low", at }, `${at}.detail`],
    ["a picture that the model drew", "assistant", { _tag: "Image", source: { _tag: "Url", url: "https://a/b" }, at }, at],
    ["a thought that nobody signed", "assistant", { _tag: "Reasoning", text: "hm", at }, at],
    ["a thought of another provider", "assistant", { _tag: "Reasoning", text: "hm", seal: theirs, at }, at],
    ["a sealed thought of another provider", "assistant", { _tag: "SealedReasoning", seal: theirs, at }, at],
    ["the seal of a text", "assistant", { _tag: "Text", text: "x", seal: theirs, at }, at],
    ["a text's sources", "assistant", { _tag: "Text", text: "x", citations: [{ url: "https://a", value: {} }], at }, `${at}.annotations`],
    ["a refusal", "assistant", { _tag: "Refusal", text: "no", at }, at],
    ["a second result of a call", "user", { _tag: "ToolResult", callId: "a", parts: [], at }, at]
  ]
  for (const [what, role, part, field] of parts) {
    it(`loses ${what}, and says so`, () =>
      assert.deepStrictEqual(
        withPart(role, part).losses.map((loss) => loss.field),
        [field]
      ))
  }

  const settings: ReadonlyArray<readonly [what: string, more: Partial<Conversation>, field: string]> = [
    ["a seed", { sampling: { seed: 1 }, named: { seed: "seed" } }, "seed"],
    ["a penalty", { sampling: { presencePenalty: 1 }, named: { presencePenalty: "presence_penalty" } }, "presence_penalty"],
    ["a temperature, where the model takes none", { sampling: { temperature: 0.2 }, named: { temperature: "temperature" } }, "temperature"],
    ["several answers", { answers: 2, named: { answers: "n" } }, "n"],
    ["JSON without a schema", { format: { _tag: "JsonObject" }, named: { format: "response_format" } }, "response_format"],
    [
      "an extra that matters",
      {
        extras: [
          { field: "logprobs", value: true, matters: true },
          { field: "store", value: true, matters: false }
        ]
      },
      "logprobs"
    ],
    [
      "one shape of several for arguments",
      { tools: [{ name: "f", at: "tools[0].function", schema: { type: "object", anyOf: [{ required: ["a"] }] } }] },
      "tools[0].function.parameters.anyOf"
    ],
    [
      "what cannot be enforced",
      {
        tools: [
          {
            name: "f",
            at: "tools[0].function",
            strict: true,
            schema: { type: "object", properties: { a: { type: "integer", minimum: 1 } } }
          }
        ]
      },
      "tools[0].function.parameters"
    ]
  ]
  for (const [what, more, field] of settings) {
    it(`loses ${what}, and says so`, () => {
      const { losses } = encodeRequest(plainly(more), { model: "claude-opus-4-8" })
      assert.deepStrictEqual(
        losses.map((loss) => loss.field),
        [field]
      )
    })
  }

  it("takes nothing from a list whose tuple cannot be enforced: what may follow it is not enforced either", () => {
    for (const items of [false, { type: "number" }]) {
      const tuple = { type: "array", prefixItems: [{ type: "string" }], items }
      const schema = { type: "object", properties: { a: tuple, b: { type: "array", items: { type: "string" } } }, required: ["a"] }
      const { body, losses } = encodeRequest(plainly({ format: { _tag: "JsonSchema", schema, at: "schema" } }), {
        model: "claude-opus-4-8"
      })
      const { format } = body["output_config"] as { readonly format: { readonly schema: { readonly properties: unknown } } }
      assert.deepStrictEqual(format.schema.properties, { a: { type: "array" }, b: schema.properties.b })
      assert.deepStrictEqual(losses, [{ field: "schema", reason: "not enforced: `prefixItems`, `items`" }])
    }
  })

  it("never loses that one call at most is wanted", () => {
    const choice = (toolChoice?: Conversation["toolChoice"]) =>
      encodeRequest(plainly({ parallelToolCalls: false, ...(toolChoice === undefined ? {} : { toolChoice }) }), {
        model: "claude-opus-4-8"
      }).body["tool_choice"]
    assert.deepStrictEqual(choice(), { type: "auto", disable_parallel_tool_use: true })
    assert.deepStrictEqual(choice({ _tag: "Required" }), { type: "any", disable_parallel_tool_use: true })
    assert.deepStrictEqual(choice({ _tag: "Named", name: "f" }), { type: "tool", name: "f", disable_parallel_tool_use: true })
    assert.deepStrictEqual(choice({ _tag: "Among", names: ["f"], required: true }), { type: "any", disable_parallel_tool_use: true })
  })

  it("is a document where it is a text, a PDF or JSON, with its title and whether it should be cited", () => {
    const block = (part: Part) => {
      const { body, losses } = withPart("user", part)
      assert.deepStrictEqual(losses, [])
      return ((body["messages"] as ReadonlyArray<{ readonly content: ReadonlyArray<unknown> }>).at(-1)?.content ?? [])[1]
    }
    assert.deepStrictEqual(block({ _tag: "File", source: { _tag: "Plain", text: "x" }, name: "n", cite: true }), {
      type: "document",
      source: { type: "text", media_type: "text/plain", data: "x" },
      title: "n",
      citations: { enabled: true }
    })
    assert.deepStrictEqual(block({ _tag: "File", source: { _tag: "Base64", mediaType: "application/json", data: btoa("{}") } }), {
      type: "document",
      source: { type: "text", media_type: "text/plain", data: "{}" }
    })
    assert.deepStrictEqual(
      block({ _tag: "File", source: { _tag: "Url", url: "https://a/b.png", mediaType: "image/png" }, name: "n", cite: true }),
      {
        type: "image",
        source: { type: "url", url: "https://a/b.png" }
      }
    )
    assert.deepStrictEqual(block({ _tag: "File", source: { _tag: "Url", url: "https://a/b", mediaType: "application/pdf" } }), {
      type: "document",
      source: { type: "url", url: "https://a/b" }
    })
  })
})

describe("what lies in items", () => {
  const item = (index: number, role: Message["role"], ...parts: ReadonlyArray<Part>): Message => ({ role, at: `input[${index}]`, parts })
  const claude = { dialect: "messages" as const, data: "s" }
  const written = (...messages: ReadonlyArray<Message>) => {
    const { body, losses } = encodeRequest(plainly({ dialect: "responses", system: [], messages }), { model: "claude-sonnet-4-5" })
    return {
      losses: losses.map(({ field }) => field),
      turns: body["messages"] as ReadonlyArray<{ readonly role: string; readonly content: Array<Record<string, unknown>> | string }>
    }
  }

  it("becomes turns: a thought, its calls, their results", () => {
    const { losses, turns } = written(
      item(0, "user", { _tag: "Text", text: "x" }),
      item(1, "assistant", { _tag: "Reasoning", text: "hm", seal: claude }),
      item(2, "assistant", { _tag: "ToolCall", id: "a", name: "f", arguments: "{}" }),
      item(3, "assistant", { _tag: "ToolCall", id: "b", name: "g", arguments: "" }),
      item(4, "tool", { _tag: "ToolResult", callId: "b", parts: [], object: { n: 1 } }),
      item(5, "tool", { _tag: "ToolResult", callId: "a", parts: [{ _tag: "Text", text: "1" }] }),
      item(6, "user", { _tag: "Text", text: "and?" })
    )
    assert.deepStrictEqual(losses, [])
    assert.deepStrictEqual(turns as unknown, [
      { role: "user", content: "x" },
      {
        role: "assistant",
        content: [
          { type: "thinking", thinking: "hm", signature: "s" },
          { type: "tool_use", id: "a", name: "f", input: {} },
          { type: "tool_use", id: "b", name: "g", input: {} }
        ]
      },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: "b", content: '{"n":1}' },
          { type: "tool_result", tool_use_id: "a", content: "1" },
          { type: "text", text: "and?" }
        ]
      }
    ])
  })

  it("keeps what Claude sealed before the part that carries its seal now", () => {
    const { losses, turns } = written(
      item(0, "user", { _tag: "Text", text: "x" }),
      item(1, "assistant", { _tag: "ToolCall", id: "a", name: "f", arguments: "{}", seal: claude }),
      item(2, "tool", { _tag: "ToolResult", callId: "a", parts: [] })
    )
    assert.deepStrictEqual(losses, [])
    assert.deepStrictEqual(turns[1]?.content as unknown, [
      { type: "redacted_thinking", data: "s" },
      { type: "tool_use", id: "a", name: "f", input: {} }
    ])
  })

  it("gives each call an id of its own, and each result that of one call", () => {
    const call = (id: string, name: string): Part => ({ _tag: "ToolCall", id, name, arguments: "{}" })
    const result = (callId: string, name: string, text: string): Part => ({
      _tag: "ToolResult",
      callId,
      name,
      parts: [{ _tag: "Text", text }]
    })
    const { losses, turns } = written(
      item(0, "user", { _tag: "Text", text: "x" }),
      item(1, "assistant", call("", "f"), call("", "g"), call("x.1", "h")),
      item(2, "user", result("", "g", "of g"), result("", "f", "of f"), result("x.1", "h", "of h")),
      item(3, "assistant", call("", "f"), call("x.1", "h")),
      item(4, "user", result("x.1", "h", "of h again"), result("", "f", "of f again"))
    )
    assert.deepStrictEqual(losses, [])
    const blocks = turns.flatMap(({ content }) => (typeof content === "string" ? [] : content))
    const calls = blocks.filter(({ type }) => type === "tool_use")
    assert.strictEqual(new Set(calls.map(({ id }) => id)).size, 5)
    for (const { id } of calls) assert.match(String(id), /^[\w-]+$/)
    const names = new Map(calls.map(({ id, name }) => [id, name]))
    assert.deepStrictEqual(
      blocks
        .filter(({ type }) => type === "tool_result")
        .map(({ content, tool_use_id: id }) => `${String(names.get(id))}: ${String(content)}`),
      ["g: of g", "f: of f", "h: of h", "h: of h again", "f: of f again"]
    )
    // Results answer the turn before them.
    for (const [index, { content }] of turns.entries()) {
      if (typeof content === "string") continue
      for (const { tool_use_id: id, type } of content) {
        if (type === "tool_result") assert.include(JSON.stringify(turns[index - 1]), JSON.stringify(id))
      }
    }
  })
})

describe("a count of what another dialect says", () => {
  const asked = plainly({
    maxOutputTokens: 10,
    sampling: { temperature: 0.2, seed: 1 },
    thinking: { _tag: "Budget", tokens: 20_000 },
    userId: "u",
    stream: true,
    extras: [{ field: "logprobs", value: true, matters: true }],
    named: { maxOutputTokens: "max_tokens", temperature: "temperature", seed: "seed", thinking: "thinking", userId: "user" },
    messages: plainly().messages.slice(0, 1)
  })
  it("holds what its input depends on, and loses nothing else", () => {
    const { body, losses } = counting.encodeRequest(asked, { model: "claude-sonnet-4-5", deployment: "c", maxOutputTokens: 100 })
    assert.deepStrictEqual(body as unknown, {
      model: "c",
      system: "Be kind.",
      messages: [{ role: "user", content: "Hello" }],
      tools: [{ name: "f", input_schema: { type: "object" } }],
      thinking: { type: "enabled", budget_tokens: 20_000 }
    })
    assert.deepStrictEqual(
      losses.map(({ field }) => field),
      ["logprobs"]
    )
    assert.strictEqual(counting.path("c"), "/messages/count_tokens")
  })
  it("is a number, or the provider's fault", () => {
    assert.isTrue(Result.isSuccess(counting.decodeAnswer({ input_tokens: 0 })))
    for (const body of [null, {}, { input_tokens: "3" }, { input_tokens: -1 }, { input_tokens: 1.5 }, []]) {
      const found = counting.decodeAnswer(body)
      assert.isTrue(Result.isFailure(found) && found.failure.class === "malformed")
    }
  })
})

describe("thoughts are asked to be shown", () => {
  const sent = (model: string, show: boolean | string) =>
    encodeRequest(plainly({ maxOutputTokens: 8000, thinking: { _tag: "Auto", show }, messages: plainly().messages.slice(0, 1) }), { model })
      .body["thinking"]
  it("only where the model would not by itself", () => {
    assert.deepStrictEqual(sent("claude-opus-4-8", "auto"), { type: "adaptive", display: "summarized" })
    assert.deepStrictEqual(sent("claude-opus-4-8", false), { type: "adaptive" })
    assert.deepStrictEqual(sent("claude-opus-4-6", true), { type: "adaptive" })
    assert.deepStrictEqual(sent("claude-opus-4-6", false), { type: "adaptive", display: "omitted" })
    assert.deepStrictEqual(sent("claude-sonnet-4-5", false), { type: "enabled", budget_tokens: 4000, display: "omitted" })
    assert.deepStrictEqual(sent("claude-3-7-sonnet-latest", false), { type: "enabled", budget_tokens: 4000 })
  })
})
