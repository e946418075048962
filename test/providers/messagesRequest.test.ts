/**
 * Requests of the Messages API, decoded and given back: recorded ones say the same afterwards, and what is written wrongly is refused with its path.
 *
 * What a request says is read off its JSON by `saying` below, which knows nothing of the code under test.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Conversation } from "../../src/Conversation.ts"
import { counting, countingCaller } from "../../src/providers/anthropic/counting.ts"
import { decodeRequest } from "../../src/providers/anthropic/decode.ts"
import { encodeRequest } from "../../src/providers/anthropic/request.ts"
import { sealText } from "../../src/providers/seal.ts"
import { present, recorded } from "./recorded.ts"

type Any = any

/** Members whose value belongs to the caller's own tools and schemas: a null in them says something. */
const opaque = new Set(["input_schema", "schema", "input"])

/** What a request says: of several ways to write the same, one. */
const saying = (value: Any, key = ""): Any => {
  if (opaque.has(key) || typeof value !== "object" || value === null) return value
  if (Array.isArray(value)) return value.map((entry) => saying(entry))
  const said: Any = {}
  for (const [name, member] of Object.entries<Any>(value)) {
    if (member === null) continue
    const holdsBlocks = name === "content" && (value.role !== undefined || value.type === "tool_result")
    said[name] = (holdsBlocks || name === "system") && typeof member === "string" ? [{ type: "text", text: member }] : saying(member, name)
    if (name === "system" && member.length === 0) delete said[name]
    if (name === "stream" && member === false) delete said[name]
  }
  return said
}

const decoded = (body: unknown): Conversation => {
  const found = decodeRequest(body, { model: "deployment", stream: false })
  if (Result.isFailure(found)) assert.fail(`\`${found.failure.path}\`: ${found.failure.message}`)
  return found.success
}

/** The conversation as it is on the far side of a wire, so that no part of the original can be handed through. */
const far = (conversation: Conversation): Conversation => structuredClone(conversation)

const again = (body: Any) => encodeRequest(far(decoded(body)), { model: body.model ?? "deployment" })

const files = ["anthropic-messages", "vertex-anthropic-messages", "bedrock-anthropic-invoke"]

describe.skipIf(!present(...files, "anthropic-count-tokens"))("recorded requests say the same when they have been decoded", () => {
  for (const file of files) {
    it(file, () => {
      let count = 0
      const unrecorded: Array<string> = []
      const names = new Map<string, number>()
      for (const { id, request } of recorded(file)) {
        if (request?.body === undefined || request.body === null) {
          unrecorded.push(id)
          continue
        }
        count++
        const before = request.body as Any
        const { body, losses } = again(before)
        assert.deepStrictEqual(losses, [], id)
        assert.deepStrictEqual(saying(body), saying({ model: "deployment", ...before }), id)
        for (const { field } of decoded(before).extras) {
          const name = field.replace(/\d+/g, "n")
          names.set(name, (names.get(name) ?? 0) + 1)
        }
      }
      console.log(
        `${file}: ${count} requests, ${unrecorded.length} of which only the answer was recorded; beside the model ${JSON.stringify(Object.fromEntries(names))}`
      )
      assert.isAbove(count, 0)
    })
  }

  it("anthropic-count-tokens", () => {
    let count = 0
    for (const { id, request, response } of recorded("anthropic-count-tokens")) {
      const before = request?.body as Any
      const { body, losses } = counting.encodeRequest(far(decoded(before)), { model: before.model })
      assert.deepStrictEqual(losses, [], id)
      assert.deepStrictEqual(saying(body), saying(before), id)
      const tokens = counting.decodeAnswer(response.body)
      assert.strictEqual(Result.isSuccess(tokens), response.status === 200, id)
      if (Result.isSuccess(tokens)) assert.deepStrictEqual(countingCaller.encodeAnswer(tokens.success), response.body as Any, id)
      count++
    }
    console.log(`anthropic-count-tokens: ${count} requests`)
    assert.isAbove(count, 0)
  })
})

const ask = (more: object) => ({ model: "claude-sonnet-4-5", max_tokens: 100, messages: [{ role: "user", content: "Hello" }], ...more })

describe("what is rare says the same when it has been decoded", () => {
  const rare: ReadonlyArray<readonly [what: string, more: object]> = [
    [
      "a number that no double holds",
      {
        messages: [
          { role: "user", content: "x" },
          { role: "assistant", content: [{ type: "tool_use", id: "a", name: "f", input: { at: 9007199254740991, deep: [null, {}] } }] },
          { role: "user", content: [{ type: "tool_result", tool_use_id: "a" }] }
        ]
      }
    ],
    [
      "a system message before all others",
      {
        system: "Be brief.",
        messages: [
          { role: "system", content: "Or not." },
          {
            role: "system",
            content: [
              { type: "text", text: "a", cache_control: { type: "ephemeral", ttl: "1h" } },
              { type: "tool_addition", tool: { type: "tool_reference", name: "f" } },
              { type: "text", text: "b" }
            ]
          },
          { role: "user", content: "x" }
        ]
      }
    ],
    [
      "a system message without a text before all others",
      {
        messages: [
          { role: "system", content: [{ type: "tool_addition", tool: { type: "tool_reference", name: "f" } }] },
          { role: "user", content: "x", foo: 1 }
        ]
      }
    ],
    [
      "a system message in the middle",
      {
        messages: [
          { role: "user", content: "x" },
          { role: "system", content: [{ type: "text", text: "y", foo: 1 }] }
        ]
      }
    ],
    [
      "blocks in system that are no text",
      {
        system: [
          { type: "new", a: 1 },
          { type: "text", text: "x", cache_control: { type: "ephemeral", scope: "global" } }
        ]
      }
    ],
    [
      "documents of every kind",
      {
        messages: [
          {
            role: "user",
            content: [
              {
                type: "document",
                source: { type: "text", media_type: "text/plain", data: "x" },
                title: "T",
                context: "C",
                citations: { enabled: true }
              },
              {
                type: "document",
                source: {
                  type: "content",
                  content: [
                    { type: "text", text: "a" },
                    { type: "image", source: { type: "url", url: "https://a/b.png" } }
                  ]
                },
                citations: { enabled: false }
              },
              { type: "document", source: { type: "content", content: "a" }, citations: {} },
              { type: "document", source: { type: "file", file_id: "f" } },
              { type: "document", source: { type: "blob", id: "f" } },
              { type: "image", source: { type: "file", file_id: "f" }, transformations: { oversized_image: "error" } },
              { type: "search_result", source: "https://a", title: "t", content: [{ type: "text", text: "x" }] }
            ]
          }
        ]
      }
    ],
    ["thinking by effort alone", { output_config: { effort: "high" } }],
    [
      "adaptive thinking with an effort",
      { thinking: { type: "adaptive", display: "omitted" }, output_config: { effort: "max", task_budget: { type: "tokens", total: 9 } } }
    ],
    ["adaptive thinking", { thinking: { type: "adaptive", display: "verbatim", foo: 1 } }],
    ["an effort that is not known", { thinking: { type: "adaptive" }, output_config: { effort: "ultra" } }],
    [
      "a budget beside an effort",
      { thinking: { type: "enabled", budget_tokens: 2000 }, output_config: { effort: "medium" }, max_tokens: 4000 }
    ],
    ["no thinking beside an effort", { thinking: { type: "disabled" }, output_config: { effort: "low" } }],
    ["thinking between tool calls", { thinking: { type: "between_tools" }, output_config: { effort: "low" } }],
    ["a new way of thinking", { thinking: { type: "dream", depth: 3 }, output_config: { effort: "low" } }],
    [
      "both formats",
      {
        output_format: { type: "json_schema", schema: { type: "object" } },
        output_config: { format: { type: "json_schema", schema: { type: "string" } } }
      }
    ],
    ["a new format", { output_config: { format: { type: "grammar", grammar: "x" } } }],
    ["sampling", { temperature: 1, top_p: 0.2, top_k: 3, stop_sequences: [" ", "x"] }],
    [
      "tools of the provider's own between others",
      {
        tools: [
          { type: "web_search_20250305", name: "web_search", max_uses: 2 },
          { type: "custom", name: "f", input_schema: { type: "object" }, input_examples: [{}], defer_loading: true },
          { type: "bash_20250124", name: "bash" },
          {
            name: "g",
            description: "",
            input_schema: { anyOf: [{ type: "object" }] },
            strict: false,
            allowed_callers: ["direct"],
            cache_control: { type: "ephemeral" }
          }
        ]
      }
    ],
    ["a choice of one call at most", { tool_choice: { type: "auto", disable_parallel_tool_use: true } }],
    ["a choice of several calls", { tool_choice: { type: "any", disable_parallel_tool_use: false } }],
    ["a choice that is new", { tool_choice: { type: "some", foo: 1 } }],
    ["filling the cache", { max_tokens: 0 }],
    [
      "calls and results with more to them",
      {
        messages: [
          {
            role: "assistant",
            content: [
              { type: "tool_use", id: "a.b", name: "f", input: {}, caller: { type: "direct" }, toolset_name: "x" },
              { type: "text", text: "y", citations: [{ type: "char_location", cited_text: "q", document_index: 0, document_title: null }] }
            ]
          },
          {
            role: "user",
            content: [
              {
                type: "tool_result",
                tool_use_id: "a.b",
                content: [
                  { type: "text", text: "" },
                  { type: "tool_use", id: "x" }
                ],
                is_error: false,
                toolset_name: "x"
              }
            ]
          }
        ]
      }
    ],
    [
      "fields that are new",
      {
        fancy: { a: [1] },
        "a.b": 1,
        "x[0]": 2,
        "": 3,
        metadata: { user_id: "u", trace: "t", "a.b": "c", n: 1 },
        service_tier: "auto",
        speed: "fast",
        container: { id: "c" },
        cache_control: { type: "ephemeral" }
      }
    ]
  ]
  for (const [what, more] of rare) {
    it(what, () => {
      const before = ask(more)
      const { body, losses } = again(before)
      assert.deepStrictEqual(losses, [])
      assert.deepStrictEqual(saying(body), saying(before))
    })
  }

  it("a string stays a string, and a list a list", () => {
    const before = ask({
      system: [{ type: "text", text: "a" }],
      messages: [
        { role: "user", content: "x" },
        { role: "assistant", content: [{ type: "text", text: "y" }] },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "a", content: "z" }] }
      ]
    })
    assert.deepStrictEqual(again(before).body as Any, before)
  })

  it("nothing of what other models refuse is taken away", () => {
    const before = ask({
      model: "claude-opus-5-5",
      temperature: 0.3,
      thinking: { type: "enabled", budget_tokens: 50 },
      tool_choice: { type: "any" },
      messages: [{ role: "assistant", content: "  " }]
    })
    assert.deepStrictEqual(again(before).body as Any, before)
  })
})

describe("seals of other dialects in a caller's own request", () => {
  const wrapped = sealText({ dialect: "responses", data: "secret", id: "rs_1" }, "messages")
  const body = ask({
    thinking: { type: "enabled", budget_tokens: 2000 },
    max_tokens: 4000,
    messages: [
      { role: "user", content: "x" },
      { role: "assistant", content: [{ type: "thinking", thinking: "hm", signature: wrapped }] },
      { role: "user", content: "y" },
      {
        role: "assistant",
        content: [
          { type: "redacted_thinking", data: wrapped },
          { type: "tool_use", id: "a", name: "f", input: {}, caller: { type: "program" } }
        ]
      },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "a", content: "z" }] }
    ]
  })

  it("are known as what they are", () => {
    const [, first, , second] = decoded(body).messages
    assert.deepStrictEqual(first?.parts[0], {
      _tag: "Reasoning",
      text: "hm",
      at: "messages[1].content[0]",
      seal: { dialect: "responses", data: "secret", id: "rs_1" }
    })
    assert.strictEqual(second?.parts[0]?._tag, "SealedReasoning")
  })

  it("are left out for Claude, with a message that held nothing else, and what is noted of later blocks still finds them", () => {
    const { body: after, losses } = again(body) as Any
    assert.deepStrictEqual(
      losses.map(({ field }: Any) => field),
      ["messages[1].content[0]", "messages[3].content[0]", "thinking.budget_tokens"]
    )
    assert.deepStrictEqual(after.messages, [
      { role: "user", content: "x" },
      { role: "user", content: "y" },
      { role: "assistant", content: [{ type: "tool_use", id: "a", name: "f", input: {}, caller: { type: "program" } }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "a", content: "z" }] }
    ])
    assert.notProperty(after, "thinking")
  })

  it("of thoughts that nobody has signed are none", () => {
    const nobody = sealText({ dialect: "chat.completions", data: "" }, "messages")
    const [message] = decoded(
      ask({ messages: [{ role: "assistant", content: [{ type: "thinking", thinking: "hm", signature: nobody }] }] })
    ).messages
    assert.deepStrictEqual(message?.parts, [{ _tag: "Reasoning", text: "hm", at: "messages[0].content[0]" }])
  })

  it("thoughts without a signature go back to those who write none", () => {
    const unsigned = {
      ...body,
      messages: [
        { role: "user", content: "x" },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "hm", signature: "" },
            { type: "text", text: "y" }
          ]
        },
        { role: "user", content: "z" }
      ]
    }
    assert.deepStrictEqual(encodeRequest(decoded(unsigned), { model: "glm-4.6" }).body["messages"], unsigned.messages)
    const { body: after, losses } = encodeRequest(decoded(unsigned), { model: "claude-sonnet-4-5" }) as Any
    assert.deepStrictEqual(after.messages[1], { role: "assistant", content: [{ type: "text", text: "y" }] })
    assert.deepStrictEqual(
      losses.map(({ field }: Any) => field),
      ["messages[1].content[0]"]
    )
  })
})

describe("an effort that the policy has set in place of the caller's words", () => {
  const set = (more: object, model: string): Any => {
    const conversation = decoded(ask({ max_tokens: 8000, ...more }))
    return encodeRequest({ ...conversation, thinking: { _tag: "Effort", effort: "high" } }, { model }).body
  }
  it("is asked for as the model takes it", () => {
    assert.deepStrictEqual(set({}, "claude-opus-4-8").output_config, { effort: "high" })
    assert.deepStrictEqual(set({}, "claude-opus-4-8").thinking, { type: "adaptive" })
    assert.deepStrictEqual(set({}, "claude-sonnet-4-5").thinking, { type: "enabled", budget_tokens: 6400 })
  })
  it("takes the place of a budget and of the effort beside it", () => {
    const said = {
      thinking: { type: "enabled", budget_tokens: 2000 },
      output_config: { effort: "low", task_budget: { type: "tokens", total: 1 } }
    }
    assert.deepStrictEqual(set(said, "claude-opus-4-8").output_config, { effort: "high", task_budget: { type: "tokens", total: 1 } })
    assert.deepStrictEqual(set(said, "claude-opus-4-8").thinking, { type: "adaptive" })
  })
})

describe("what a conversation holds", () => {
  it("of system, choice, sampling and the rest", () => {
    const found = decoded(
      ask({
        system: [
          { type: "text", text: "a", cache_control: { type: "ephemeral", ttl: "1h" } },
          { type: "text", text: "b" }
        ],
        tools: [
          { name: "f", description: "d", input_schema: { type: "object" }, strict: true },
          { type: "web_search_20250305", name: "web_search" }
        ],
        tool_choice: { type: "tool", name: "f", disable_parallel_tool_use: true },
        temperature: 0.5,
        top_k: 3,
        stop_sequences: ["x"],
        thinking: { type: "adaptive", display: "summarized" },
        output_config: { effort: "low", format: { type: "json_schema", schema: { type: "object" } } },
        metadata: { user_id: "u" },
        stream: true,
        service_tier: "standard_only"
      })
    )
    assert.deepStrictEqual(found, {
      dialect: "messages",
      model: "claude-sonnet-4-5",
      system: [
        { role: "system", text: "a", at: "system[0]", cache: { ttl: "1h" } },
        { role: "system", text: "b", at: "system[1]" }
      ],
      messages: [{ role: "user", at: "messages[0]", parts: [{ _tag: "Text", text: "Hello", at: "messages[0].content" }] }],
      tools: [{ name: "f", description: "d", schema: { type: "object" }, strict: true, at: "tools[0]" }],
      toolChoice: { _tag: "Named", name: "f" },
      parallelToolCalls: false,
      sampling: { temperature: 0.5, topK: 3, stop: ["x"] },
      maxOutputTokens: 100,
      format: { _tag: "JsonSchema", schema: { type: "object" }, at: "output_config.format.schema" },
      thinking: { _tag: "Effort", effort: "low", show: "summarized" },
      userId: "u",
      stream: true,
      includeUsage: true,
      answers: 1,
      extras: [
        {
          field: "tools[1]",
          value: { type: "web_search_20250305", name: "web_search" },
          matters: true,
          reason: "`web_search_20250305` is a tool of the provider's own"
        },
        { field: "service_tier", value: "standard_only", matters: false }
      ],
      named: {
        maxOutputTokens: "max_tokens",
        toolChoice: "tool_choice",
        parallelToolCalls: "tool_choice.disable_parallel_tool_use",
        temperature: "temperature",
        topK: "top_k",
        stop: "stop_sequences",
        thinking: "thinking",
        format: "output_config.format",
        userId: "metadata.user_id"
      }
    } satisfies Conversation)
  })

  it("names what other providers cannot be sent at all", () => {
    const needed = (more: object) =>
      decoded(ask(more))
        .extras.filter((extra) => extra.needed === true)
        .map(({ field }) => field)
    assert.deepStrictEqual(needed({ max_tokens: 0 }), ["max_tokens"])
    assert.deepStrictEqual(needed({ thread: { type: "continue", previous_message_id: "m" } }), ["thread"])
    assert.deepStrictEqual(needed({ mcp_servers: [{}], container: "c" }), [])
  })
})

describe("a wrong field is named", () => {
  const image = (source: unknown) => ({ messages: [{ role: "user", content: [{ type: "image", source }] }] })
  const wrong: ReadonlyArray<readonly [more: object, path: string]> = [
    [{ model: 1 }, "model"],
    [{ messages: [] }, "messages"],
    [{ messages: "x" }, "messages"],
    [{ messages: [1] }, "messages[0]"],
    [{ messages: [{ role: "tool", content: "x" }] }, "messages[0].role"],
    [{ messages: [{ role: "user" }] }, "messages[0].content"],
    [{ messages: [{ role: "user", content: ["x"] }] }, "messages[0].content[0]"],
    [{ messages: [{ role: "user", content: [{ text: "x" }] }] }, "messages[0].content[0].type"],
    [{ messages: [{ role: "user", content: [{ type: "text", text: 1 }] }] }, "messages[0].content[0].text"],
    [{ messages: [{ role: "user", content: [{ type: "text", text: "x", cache_control: "x" }] }] }, "messages[0].content[0].cache_control"],
    [image(undefined), "messages[0].content[0].source"],
    [image({ type: "base64", media_type: "image/png" }), "messages[0].content[0].source.data"],
    [image({ type: "url", url: 1 }), "messages[0].content[0].source.url"],
    [
      { messages: [{ role: "assistant", content: [{ type: "tool_use", id: "a", name: "f", input: "{}" }] }] },
      "messages[0].content[0].input"
    ],
    [{ messages: [{ role: "user", content: [{ type: "tool_result", content: "x" }] }] }, "messages[0].content[0].tool_use_id"],
    [
      { messages: [{ role: "user", content: [{ type: "tool_result", tool_use_id: "a", content: [{ type: "text" }] }] }] },
      "messages[0].content[0].content[0].text"
    ],
    [{ messages: [{ role: "system", content: [{ type: "text" }] }] }, "messages[0].content[0].text"],
    [{ messages: [{ role: "assistant", content: [{ type: "redacted_thinking" }] }] }, "messages[0].content[0].data"],
    [{ system: 1 }, "system"],
    [{ system: [1] }, "system[0].type"],
    [{ max_tokens: "100" }, "max_tokens"],
    [{ max_tokens: 1.5 }, "max_tokens"],
    [{ stream: 1 }, "stream"],
    [{ temperature: "0" }, "temperature"],
    [{ stop_sequences: "x" }, "stop_sequences"],
    [{ stop_sequences: ["x", 1] }, "stop_sequences[1]"],
    [{ tools: {} }, "tools"],
    [{ tools: [{ name: "f" }] }, "tools[0].input_schema"],
    [{ tools: [{ input_schema: {} }] }, "tools[0].name"],
    [{ tool_choice: "auto" }, "tool_choice"],
    [{ tool_choice: { type: "tool" } }, "tool_choice.name"],
    [{ tool_choice: { type: "auto", disable_parallel_tool_use: "yes" } }, "tool_choice.disable_parallel_tool_use"],
    [{ thinking: "on" }, "thinking"],
    [{ thinking: { type: "enabled" } }, "thinking.budget_tokens"],
    [{ output_config: { effort: 3 } }, "output_config.effort"],
    [{ output_config: { format: { type: "json_schema" } } }, "output_config.format.schema"],
    [{ output_format: "json" }, "output_format"],
    [{ metadata: "x" }, "metadata"],
    [{ metadata: { user_id: 1 } }, "metadata.user_id"]
  ]
  for (const [more, path] of wrong) {
    it(`${path} of ${JSON.stringify(more).slice(0, 90)}`, () => {
      const found = decodeRequest(ask(more))
      assert.isTrue(Result.isFailure(found))
      if (Result.isFailure(found)) assert.strictEqual(found.failure.path, path)
    })
  }
  it("where nobody names the model", () => {
    const { model: _, ...body } = ask({})
    const found = decodeRequest(body)
    assert.isTrue(Result.isFailure(found) && found.failure.path === "model")
    assert.isTrue(Result.isSuccess(decodeRequest(body, { model: "m", stream: false })))
  })
})
