/**
 * The request side of Responses by hand: what a caller's request means, and what callers of other dialects send to a Responses target. The expected bodies were written
 * from the API's reference.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Conversation, Message, Part, Tool } from "../../src/Conversation.ts"
import { anthropic } from "../../src/providers/anthropic.ts"
import { openai, openaiCaller } from "../../src/providers/openai.ts"
import { decodeRequest } from "../../src/providers/responses/decode.ts"
import { encodeRequest } from "../../src/providers/responses/request.ts"
import { counting } from "../../src/providers/responses/counting.ts"
import { sealText } from "../../src/providers/seal.ts"

type Any = any

const decoded = (body: object): Conversation => Result.getOrThrow(decodeRequest({ model: "m", input: "hello", ...body }))
const refused = (body: unknown): string => {
  const found = decodeRequest(body)
  return Result.isFailure(found) ? found.failure.path : "decodes"
}
const fields = (losses: ReadonlyArray<{ readonly field: string }>): ReadonlyArray<string> => losses.map(({ field }) => field)
const matter = ({ extras }: Conversation): ReadonlyArray<string> => extras.flatMap(({ field, matters }) => (matters ? [field] : []))

const user: Message = { role: "user", at: "messages[0]", parts: [{ _tag: "Text", text: "hello", at: "messages[0].content" }] }
const asked = (more: Partial<Conversation>): Conversation => ({
  dialect: "messages",
  model: "m",
  system: [],
  messages: [user],
  tools: [],
  sampling: {},
  stream: false,
  includeUsage: true,
  answers: 1,
  extras: [],
  named: {},
  ...more
})
const sent = (more: Partial<Conversation>, model = "gpt-4.1"): { readonly body: Any; readonly losses: ReadonlyArray<string> } => {
  const { body, losses } = encodeRequest(asked(more), { model })
  return { body: JSON.parse(JSON.stringify(body)), losses: fields(losses) }
}
const turn = (role: Message["role"], parts: ReadonlyArray<Part>, index = 1): Message => ({ role, at: `messages[${index}]`, parts })
const weather: Tool = {
  name: "weather",
  at: "tools[0]",
  schema: {
    type: "object",
    properties: { place: { type: "string" }, unit: { type: "string", enum: ["C", "F", null] } },
    required: ["place"]
  }
}

describe("a caller's request", () => {
  it("is its words, whether they are a text, a message or parts", () => {
    const inputs = [
      "hello",
      [{ role: "user", content: "hello" }],
      [{ type: "message", role: "user", content: [{ type: "input_text", text: "hello" }] }]
    ]
    for (const input of inputs) {
      const { messages } = decoded({ input })
      assert.strictEqual(messages.length, 1)
      assert.strictEqual(messages[0]!.role, "user")
      assert.deepStrictEqual(
        messages[0]!.parts.map((part) => (part._tag === "Text" ? part.text : part)),
        ["hello"]
      )
    }
  })

  it("has its instructions apart, and later ones in their place with their role", () => {
    const { messages, system } = decoded({
      instructions: "first",
      input: [
        {
          role: "developer",
          content: [
            { type: "input_text", text: "second" },
            { type: "input_text", text: "third" }
          ]
        },
        { role: "system", content: "fourth" },
        { role: "user", content: "hello" },
        { role: "developer", content: "later" }
      ]
    })
    assert.deepStrictEqual(system, [
      { role: "system", text: "first", at: "instructions" },
      { role: "developer", text: "second", at: "input[0].content[0]" },
      { role: "developer", text: "third", at: "input[0].content[1]" },
      { role: "system", text: "fourth", at: "input[1].content" }
    ])
    assert.deepStrictEqual(
      messages.map(({ at, role }) => [at, role]),
      [
        ["input[2]", "user"],
        ["input[3]", "developer"]
      ]
    )
  })

  it("calls tools and gives their results by `call_id`, whatever ids its items have", () => {
    const { messages } = decoded({
      input: [
        { type: "function_call", id: "fc_1", call_id: "call_1", name: "f", arguments: '{"n":12345678901234567890}', status: "completed" },
        {
          type: "function_call_output",
          call_id: "call_1",
          output: [{ type: "input_image", image_url: "data:image/png;base64,AAAA", detail: "low" }]
        }
      ]
    })
    assert.deepStrictEqual(messages[0]!.parts, [
      { _tag: "ToolCall", id: "call_1", name: "f", arguments: '{"n":12345678901234567890}', at: "input[0]", item: "fc_1" }
    ])
    const [result] = messages[1]!.parts
    assert.isTrue(result?._tag === "ToolResult" && result.callId === "call_1")
    assert.deepStrictEqual(result?._tag === "ToolResult" ? result.parts : [], [
      { _tag: "Image", source: { _tag: "Base64", mediaType: "image/png", data: "AAAA" }, detail: "low", at: "input[1].output[0]" }
    ])
  })

  it("keeps reasoning with its seal, and takes a wrapped seal for whose it is", () => {
    const signed = { dialect: "messages", data: "c2lnbmVk" } as const
    const { messages } = decoded({
      input: [
        {
          type: "reasoning",
          id: "rs_1",
          summary: [
            { type: "summary_text", text: "a" },
            { type: "summary_text", text: "b" }
          ],
          encrypted_content: "gAAA"
        },
        { type: "reasoning", id: "rs_2", summary: [], encrypted_content: "gBBB" },
        { type: "reasoning", summary: [{ type: "summary_text", text: "c" }], encrypted_content: sealText(signed, "responses") }
      ]
    })
    const seals = messages.map(({ parts }) => parts.map((part) => ("seal" in part ? part.seal : undefined)))
    assert.deepStrictEqual(seals, [
      [undefined, { dialect: "responses", data: "gAAA", id: "rs_1" }],
      [{ dialect: "responses", data: "gBBB", id: "rs_2" }],
      [signed]
    ])
    assert.deepStrictEqual(
      messages.flatMap(({ parts }) => parts.map(({ _tag }) => _tag)),
      ["Reasoning", "Reasoning", "SealedReasoning", "Reasoning"]
    )
  })

  it("says how to think, what shape to answer in and which tools to choose from", () => {
    const { format, maxOutputTokens, named, parallelToolCalls, thinking, toolChoice } = decoded({
      reasoning: { effort: "high", summary: "detailed" },
      text: { format: { type: "json_schema", name: "a", schema: { type: "object" }, strict: false }, verbosity: "low" },
      tool_choice: { type: "allowed_tools", mode: "required", tools: [{ type: "function", name: "f" }] },
      parallel_tool_calls: false,
      max_output_tokens: 7
    })
    assert.deepStrictEqual(thinking, { _tag: "Effort", effort: "high", show: "detailed" })
    assert.deepStrictEqual(format, { _tag: "JsonSchema", name: "a", schema: { type: "object" }, strict: false, at: "text.format.schema" })
    assert.deepStrictEqual(toolChoice, { _tag: "Among", names: ["f"], required: true })
    assert.isFalse(parallelToolCalls)
    assert.strictEqual(maxOutputTokens, 7)
    assert.deepInclude(named, { thinking: "reasoning.effort", format: "text.format", maxOutputTokens: "max_output_tokens" })
    assert.deepStrictEqual(decoded({ reasoning: { summary: "auto" } }).thinking, { _tag: "Auto", show: "auto" })
    assert.isUndefined(decoded({ reasoning: { effort: null, summary: null } }).thinking)
  })

  it("needs a provider that keeps what it refers to", () => {
    const cases: ReadonlyArray<readonly [object, string]> = [
      [{ previous_response_id: "resp_1" }, "previous_response_id"],
      [{ conversation: { id: "conv_1" } }, "conversation"],
      [{ prompt: { id: "pmpt_1" } }, "prompt"],
      [{ background: true }, "background"],
      [{ input: [{ type: "item_reference", id: "msg_1" }] }, "input[0]"],
      [{ input: [{ id: "msg_1" }] }, "input[0]"],
      [{ input: [{ type: "compaction", id: "cmp_1", encrypted_content: "gAAA" }] }, "input[0]"]
    ]
    for (const [body, field] of cases)
      assert.deepStrictEqual(
        decoded(body)
          .extras.filter((extra) => extra.needed)
          .map((extra) => extra.field),
        [field]
      )
    for (const body of [{ background: false }, { store: true }, { previous_response_id: null }])
      assert.isFalse(
        decoded(body).extras.some((extra) => extra.needed === true),
        JSON.stringify(body)
      )
  })

  it("loses nothing by what steers only the provider's own house", () => {
    const quiet = {
      store: true,
      include: ["reasoning.encrypted_content"],
      service_tier: "auto",
      truncation: "disabled",
      prompt_cache_key: "k",
      user: "u",
      safety_identifier: "s",
      top_logprobs: 0,
      stream_options: { include_obfuscation: false },
      text: { verbosity: "medium" },
      reasoning: { context: "auto" },
      metadata: { a: "b" }
    }
    assert.isEmpty(matter(decoded(quiet)))
    assert.strictEqual(decoded(quiet).userId, "s")
    const loud = {
      include: ["message.output_text.logprobs"],
      service_tier: "priority",
      truncation: "auto",
      top_logprobs: 3,
      text: { verbosity: "low" },
      reasoning: { mode: "pro" },
      tools: [{ type: "web_search" }],
      tool_choice: { type: "web_search" },
      some_day: 1
    }
    assert.sameMembers(
      [...matter(decoded(loud))],
      ["include", "service_tier", "truncation", "top_logprobs", "text.verbosity", "reasoning.mode", "tools[0]", "tool_choice", "some_day"]
    )
  })

  it("is refused by the field that is wrong", () => {
    const ok = { model: "m", input: "x" }
    const cases: ReadonlyArray<readonly [unknown, string]> = [
      [7, ""],
      [{ input: "x" }, "model"],
      [{ ...ok, input: 7 }, "input"],
      [{ ...ok, input: ["x"] }, "input[0]"],
      [{ ...ok, input: [{ role: "robot", content: "x" }] }, "input[0].role"],
      [{ ...ok, input: [{ role: "user" }] }, "input[0].content"],
      [{ ...ok, input: [{ role: "user", content: [{ text: "x" }] }] }, "input[0].content[0].type"],
      [{ ...ok, input: [{ role: "user", content: [{ type: "input_text" }] }] }, "input[0].content[0].text"],
      [{ ...ok, input: [{ role: "user", content: [{ type: "input_image" }] }] }, "input[0].content[0].image_url"],
      [{ ...ok, input: [{ role: "user", content: [{ type: "input_file" }] }] }, "input[0].content[0]"],
      [{ ...ok, input: [{ type: "function_call", name: "f", arguments: "{}" }] }, "input[0].call_id"],
      [{ ...ok, input: [{ type: "function_call_output", call_id: "c" }] }, "input[0].output"],
      [{ ...ok, instructions: ["x"] }, "instructions"],
      [{ ...ok, tools: [{ type: "function" }] }, "tools[0].name"],
      [{ ...ok, tools: [{ type: "function", name: "f", strict: 1 }] }, "tools[0].strict"],
      [{ ...ok, tool_choice: "any" }, "tool_choice"],
      [{ ...ok, text: { format: { type: "json_schema" } } }, "text.format.schema"],
      [{ ...ok, temperature: "warm" }, "temperature"],
      [{ ...ok, max_output_tokens: 0 }, "max_output_tokens"],
      [{ ...ok, reasoning: "hard" }, "reasoning"]
    ]
    for (const [body, path] of cases) assert.strictEqual(refused(body), path, JSON.stringify(body))
  })
})

describe("strictness", () => {
  const tool = (parameters: unknown, strict?: boolean | null) => ({
    type: "function",
    name: "f",
    parameters,
    ...(strict === undefined ? {} : { strict })
  })
  const open = {
    type: "object",
    properties: { a: { type: "object", properties: { b: { type: "string" } }, required: ["b"] } },
    required: ["a"]
  }
  const shut = {
    type: "object",
    properties: { a: { type: "object", properties: { b: { type: "string" } }, required: ["b"], additionalProperties: false } },
    required: ["a"],
    additionalProperties: false
  }
  const optional = { type: "object", properties: { a: { type: "string" } }, additionalProperties: false }

  it("is the default of a caller, and is said where that changes no property", () => {
    for (const strict of [undefined, null]) {
      assert.deepInclude(decoded({ tools: [tool(open, strict)] }).tools[0], { strict: true, schema: shut })
      assert.deepInclude(decoded({ tools: [tool(shut, strict)] }).tools[0], { strict: true, schema: shut })
    }
    const kept = decoded({ tools: [tool(optional)] })
    assert.isUndefined(kept.tools[0]!.strict)
    assert.deepStrictEqual(kept.tools[0]!.schema, optional)
    assert.deepStrictEqual(matter(kept), ["tools[0].strict"])
    for (const said of [true, false])
      assert.deepInclude(decoded({ tools: [tool(optional, said)] }).tools[0], { strict: said, schema: optional })
    for (const none of [undefined, null, {}, { type: "object", properties: {} }]) assert.isEmpty(matter(decoded({ tools: [tool(none)] })))
  })

  it("goes back as it was said", () => {
    for (const parameters of [open, shut, optional]) {
      for (const strict of [undefined, null, true, false]) {
        const { body, losses } = encodeRequest(decoded({ tools: [{ type: "web_search" }, tool(parameters, strict)] }), { model: "m" })
        assert.isEmpty(losses)
        const [, written] = body["tools"] as ReadonlyArray<Any>
        assert.deepStrictEqual(written.parameters, parameters)
        // What fits is strict by default, so saying it is the same.
        assert.strictEqual(written.strict ?? (parameters === shut ? true : null), strict ?? (parameters === shut ? true : null))
      }
    }
  })

  it("is never gained by a caller of another dialect: optional properties stay optional, and a nullable enum keeps its null", () => {
    const chat = Result.getOrThrow(
      openaiCaller.decodeRequest({
        model: "m",
        messages: [{ role: "user", content: "x" }],
        tools: [{ type: "function", function: { name: "weather", parameters: weather.schema } }]
      })
    )
    const { body, losses } = encodeRequest(chat, { model: "gpt-5" })
    assert.deepStrictEqual(body["tools"], [{ type: "function", name: "weather", parameters: weather.schema, strict: false }])
    assert.isEmpty(losses)
    assert.deepStrictEqual(sent({ tools: [{ ...weather, strict: true }] }).losses, ["tools[0].strict"])
    assert.isFalse(sent({ tools: [{ ...weather, strict: true }] }).body.tools[0].strict)
    assert.isTrue(sent({ tools: [{ ...weather, schema: shut, strict: true }] }).body.tools[0].strict)
  })
})

describe("for callers of other dialects", () => {
  it("a single instruction is `instructions`; several keep their roles, and later ones their place", () => {
    const first = { role: "system", text: "a", at: "system[0]" } as const
    const second = { role: "system", text: "b", at: "system[1]" } as const
    assert.deepInclude(sent({ system: [first] }).body, { instructions: "a", input: [{ role: "user", content: "hello" }] })
    const several = sent({
      system: [first, second, { role: "developer", text: "c", at: "x" }],
      messages: [user, turn("developer", [{ _tag: "Text", text: "d" }])]
    })
    assert.deepStrictEqual(several.body.input, [
      {
        role: "system",
        content: [
          { type: "input_text", text: "a" },
          { type: "input_text", text: "b" }
        ]
      },
      { role: "developer", content: "c" },
      { role: "user", content: "hello" },
      { role: "developer", content: "d" }
    ])
    assert.notProperty(several.body, "instructions")
    assert.isEmpty(several.losses)
    assert.deepStrictEqual(sent({ system: [first], messages: [] }).body.input, [{ role: "system", content: "a" }])
  })

  it("nothing is stored, and reasoning comes back sealed where the model reasons", () => {
    for (const [model, reasons] of [
      ["gpt-5-mini", true],
      ["o3", true],
      ["openai/gpt-5.2", true],
      ["gpt-4o", false],
      ["gpt-5-chat-latest", false],
      ["grok", false]
    ] as const) {
      const { body } = sent({}, model)
      assert.isFalse(body.store)
      assert.deepStrictEqual(body.include, reasons ? ["reasoning.encrypted_content"] : undefined, model)
    }
    assert.deepStrictEqual(sent({ thinking: { _tag: "Auto" } }, "grok").body.include, ["reasoning.encrypted_content"])
    assert.isUndefined(sent({ thinking: { _tag: "Effort", effort: "none" } }, "grok").body.include)
  })

  it("a turn is its items in order: sealed reasoning before its call, calls, then results with what they show", () => {
    const seal = { dialect: "responses", data: "gAAA", id: "rs_1" } as const
    const { body, losses } = sent(
      {
        messages: [
          user,
          turn("assistant", [
            { _tag: "Reasoning", text: "hm", seal, item: "rs_1" },
            { _tag: "Text", text: "let me see" },
            { _tag: "ToolCall", id: "c1", name: "f", arguments: "" },
            { _tag: "ToolCall", id: "c2", name: "g", arguments: '{"a":1}' }
          ]),
          turn(
            "user",
            [
              { _tag: "ToolResult", callId: "c1", parts: [{ _tag: "Text", text: "one" }] },
              {
                _tag: "ToolResult",
                callId: "c2",
                parts: [
                  { _tag: "Text", text: "two" },
                  { _tag: "Image", source: { _tag: "Url", url: "https://a.example/x.png" } },
                  { _tag: "File", source: { _tag: "Base64", mediaType: "application/pdf", data: "AAAA" } }
                ]
              },
              { _tag: "Text", text: "and?" }
            ],
            2
          )
        ]
      },
      "gpt-5"
    )
    assert.isEmpty(losses)
    assert.deepStrictEqual(body.input, [
      { role: "user", content: "hello" },
      { type: "reasoning", summary: [{ type: "summary_text", text: "hm" }], encrypted_content: "gAAA" },
      { role: "assistant", content: "let me see" },
      { type: "function_call", call_id: "c1", name: "f", arguments: "{}" },
      { type: "function_call", call_id: "c2", name: "g", arguments: '{"a":1}' },
      { type: "function_call_output", call_id: "c1", output: "one" },
      {
        type: "function_call_output",
        call_id: "c2",
        output: [
          { type: "input_text", text: "two" },
          { type: "input_image", image_url: "https://a.example/x.png" },
          { type: "input_file", file_data: "data:application/pdf;base64,AAAA", filename: "file.pdf" }
        ]
      },
      { role: "user", content: "and?" }
    ])
  })

  it("reasoning that Responses cannot read, or that leads to nothing, is left out and named", () => {
    const foreign = { dialect: "messages", data: "sig" } as const
    const own = { dialect: "responses", data: "gAAA" } as const
    const at = (index: number) => `messages[1].content[${index}]`
    const { body, losses } = sent({
      messages: [
        user,
        turn("assistant", [
          { _tag: "Reasoning", text: "signed elsewhere", seal: foreign, at: at(0) },
          { _tag: "SealedReasoning", seal: foreign, at: at(1) },
          { _tag: "Reasoning", text: "unsigned", at: at(2) },
          { _tag: "Text", text: "so", at: at(3) },
          { _tag: "SealedReasoning", seal: own, at: at(4) }
        ]),
        turn("user", [{ _tag: "Text", text: "go on" }], 2)
      ]
    })
    assert.deepStrictEqual(losses, [at(0), at(1), at(2), at(4)])
    assert.deepStrictEqual(body.input, [
      { role: "user", content: "hello" },
      { role: "assistant", content: "so" },
      { role: "user", content: "go on" }
    ])
    assert.notInclude(JSON.stringify(body), "sig")
  })

  it("a request of Responses with a seal of another provider loses that item alone, and what stands behind it keeps its place", () => {
    const wrapped = sealText({ dialect: "messages", data: "sig" }, "responses")
    const input = [
      { role: "user", content: "x" },
      { type: "reasoning", id: "rs_1", summary: [], encrypted_content: wrapped, status: "completed" },
      {
        type: "message",
        id: "msg_1",
        role: "assistant",
        status: "completed",
        phase: "final_answer",
        content: [{ type: "output_text", text: "y", annotations: [] }]
      },
      { type: "item_reference", id: "msg_0" },
      { type: "function_call_output", call_id: "c", output: "z", status: "completed" }
    ]
    const { body, losses } = encodeRequest(decoded({ input }), { model: "m" })
    assert.deepStrictEqual(fields(losses), ["input[1]"])
    assert.deepStrictEqual(JSON.parse(JSON.stringify(body["input"])), input.toSpliced(1, 1))
    assert.notInclude(JSON.stringify(body), wrapped)
  })

  it("media go as they can, and what cannot be read is named", () => {
    const at = "messages[0].content[0]"
    const of = (part: Part) => {
      const { body, losses } = sent({ messages: [turn("user", [part, { _tag: "Text", text: "?" }], 0)] })
      const { content } = body.input[0]
      return [Array.isArray(content) && content.length === 2 ? content[0] : undefined, losses]
    }
    assert.deepStrictEqual(of({ _tag: "Image", source: { _tag: "Base64", mediaType: "image/png", data: "AA" }, detail: "low", at }), [
      { type: "input_image", image_url: "data:image/png;base64,AA", detail: "low" },
      []
    ])
    assert.deepStrictEqual(of({ _tag: "File", source: { _tag: "Url", url: "https://a.example/x.pdf" }, name: "x", at }), [
      { type: "input_file", file_url: "https://a.example/x.pdf" },
      [`${at}.title`]
    ])
    assert.deepStrictEqual(of({ _tag: "File", source: { _tag: "Base64", mediaType: "text/csv", data: "AA" }, cite: true, at }), [
      { type: "input_file", file_data: "data:text/csv;base64,AA", filename: "file.csv" },
      [`${at}.citations`]
    ])
    assert.deepStrictEqual(of({ _tag: "File", source: { _tag: "Plain", text: "doc" }, at }), [{ type: "input_text", text: "doc" }, [at]])
    assert.deepStrictEqual(of({ _tag: "Audio", format: "wav", data: "AA", at }), [undefined, [at]])
    assert.deepStrictEqual(of({ _tag: "File", source: { _tag: "Base64", mediaType: "video/mp4", data: "AA" }, at }), [undefined, [at]])
    assert.deepStrictEqual(of({ _tag: "Image", source: { _tag: "Uploaded", id: "file_1" }, at }), [undefined, [at]])
    assert.deepStrictEqual(of({ _tag: "Foreign", type: "server_tool_use", value: {}, at }), [undefined, [at]])
  })

  it("settings that Responses lacks are named as their caller calls them", () => {
    const { body, losses } = sent({
      sampling: { temperature: 0.5, topP: 0.9, topK: 3, stop: ["x"], seed: 1, frequencyPenalty: 1, presencePenalty: 0 },
      answers: 2,
      maxOutputTokens: 5,
      userId: "u".repeat(200),
      named: { topK: "top_k", stop: "stop_sequences", maxOutputTokens: "max_tokens" },
      extras: [
        { field: "service_tier", value: "priority", matters: true },
        { field: "metadata.x", value: 1, matters: false }
      ]
    })
    assert.deepInclude(body, { temperature: 0.5, top_p: 0.9, max_output_tokens: 16 })
    assert.sameMembers(
      [...losses],
      ["top_k", "stop_sequences", "seed", "frequencyPenalty", "answers", "max_tokens", "userId", "service_tier"]
    )
    for (const name of ["top_k", "stop", "seed", "n", "safety_identifier", "service_tier"]) assert.notProperty(body, name)
  })

  it("what Chat Completions calls the same is not lost", () => {
    const { body, losses } = sent({
      dialect: "chat.completions",
      extras: [
        { field: "service_tier", value: "flex", matters: true },
        { field: "verbosity", value: "low", matters: true },
        { field: "prompt_cache_key", value: "k", matters: false },
        { field: "logit_bias", value: { 1: 2 }, matters: true }
      ],
      format: { _tag: "JsonObject" }
    })
    assert.deepInclude(body, { service_tier: "flex", prompt_cache_key: "k", text: { format: { type: "json_object" }, verbosity: "low" } })
    assert.deepStrictEqual(losses, ["logit_bias"])
  })

  it("thinking is an effort that the model has, and what is approximated is named", () => {
    const cases: ReadonlyArray<readonly [Conversation["thinking"], string, object | undefined, ReadonlyArray<string>]> = [
      [{ _tag: "Effort", effort: "high", show: true }, "gpt-5", { effort: "high", summary: "auto" }, []],
      [{ _tag: "Effort", effort: "medium", show: "detailed" }, "gpt-5", { effort: "medium", summary: "detailed" }, []],
      [{ _tag: "Effort", effort: "none" }, "gpt-5.2", { effort: "none" }, []],
      [{ _tag: "Effort", effort: "none" }, "gpt-5", { effort: "minimal" }, ["thinking"]],
      [{ _tag: "Effort", effort: "minimal" }, "o4-mini", { effort: "low" }, ["thinking"]],
      [{ _tag: "Effort", effort: "max" }, "gpt-5.1", { effort: "high" }, ["thinking"]],
      [{ _tag: "Effort", effort: "xhigh" }, "unheard-of", { effort: "xhigh" }, []],
      [{ _tag: "Effort", effort: "high" }, "gpt-4o", undefined, ["thinking"]],
      [{ _tag: "Effort", effort: "none" }, "gpt-4o", undefined, []],
      [{ _tag: "Budget", tokens: 1_024 }, "gpt-5", { effort: "low" }, ["thinking"]],
      [{ _tag: "Budget", tokens: 5_000 }, "gpt-5", { effort: "medium" }, ["thinking"]],
      [{ _tag: "Budget", tokens: 9_000, show: true }, "gpt-5", { effort: "high", summary: "auto" }, ["thinking"]],
      [{ _tag: "Auto" }, "gpt-5.2", { effort: "medium" }, ["thinking"]],
      [{ _tag: "Auto" }, "gpt-5-pro", { effort: "high" }, ["thinking"]],
      [{ _tag: "Auto", show: true }, "unheard-of", { effort: "medium", summary: "auto" }, ["thinking"]]
    ]
    for (const [thinking, model, expected, lost] of cases) {
      const { body, losses } = sent({ thinking: thinking!, maxOutputTokens: 10_000, named: { thinking: "thinking" } }, model)
      assert.deepStrictEqual(body.reasoning, expected, JSON.stringify([thinking, model]))
      assert.deepStrictEqual(losses, lost, JSON.stringify([thinking, model]))
    }
  })

  it("tool choice, one call at a time and formats arrive", () => {
    const tools = [weather]
    const choose = (toolChoice: Conversation["toolChoice"]) => sent({ tools, toolChoice: toolChoice! }).body.tool_choice
    assert.strictEqual(choose({ _tag: "Required" }), "required")
    assert.deepStrictEqual(choose({ _tag: "Named", name: "weather" }), { type: "function", name: "weather" })
    assert.deepStrictEqual(choose({ _tag: "Among", names: ["weather"], required: true }), {
      type: "allowed_tools",
      mode: "required",
      tools: [{ type: "function", name: "weather" }]
    })
    assert.isFalse(sent({ tools, parallelToolCalls: false }).body.parallel_tool_calls)
    assert.deepStrictEqual(sent({ toolChoice: { _tag: "Required" } }).losses, ["toolChoice"])
    const schema = { type: "object", properties: { a: { type: "string" } }, required: ["a"], additionalProperties: false }
    assert.deepStrictEqual(sent({ format: { _tag: "JsonSchema", schema } }).body.text, {
      format: { type: "json_schema", name: "answer", schema, strict: true }
    })
    const loose = { type: "object", properties: { a: { type: "string" } } }
    const lost = sent({ format: { _tag: "JsonSchema", schema: loose, at: "output_config.format.schema" } })
    assert.deepStrictEqual(lost.body.text.format, { type: "json_schema", name: "answer", schema: loose, strict: false })
    assert.deepStrictEqual(lost.losses, ["output_config.format.schema"])
    const chat = sent({ dialect: "chat.completions", format: { _tag: "JsonSchema", schema: loose } })
    assert.deepStrictEqual([chat.body.text.format.strict, chat.losses], [false, []])
  })

  it("calls without ids, or with ids that are too long, still find their results", () => {
    const long = "x".repeat(80)
    const call = (id: string, name: string): Part => ({ _tag: "ToolCall", id, name, arguments: "{}" })
    const result = (callId: string, name: string): Part => ({ _tag: "ToolResult", callId, name, parts: [{ _tag: "Text", text: name }] })
    const { body, losses } = sent({
      dialect: "generateContent",
      messages: [
        user,
        turn("assistant", [call("", "f"), call("", "g"), call(long, "h")]),
        turn("tool", [result("", "g"), result("", "f"), result(long, "h")], 2)
      ]
    })
    assert.isEmpty(losses)
    const [, f, g, h, ofG, ofF, ofH] = body.input
    assert.deepStrictEqual([ofG.call_id, ofF.call_id, ofH.call_id], [g.call_id, f.call_id, h.call_id])
    assert.strictEqual(new Set([f.call_id, g.call_id, h.call_id]).size, 3)
    for (const item of [f, g, h]) assert.isTrue(item.call_id.length > 0 && item.call_id.length <= 64)
  })
})

describe("a Responses caller at other targets", () => {
  const body = {
    model: "m",
    instructions: "be brief",
    input: [
      { role: "user", content: "weather?" },
      { type: "function_call", id: "fc_1", call_id: "call_1", name: "weather", arguments: '{"place":"Bern"}' },
      { type: "function_call", id: "fc_2", call_id: "call_2", name: "weather", arguments: '{"place":"Rom"}' },
      { type: "function_call_output", call_id: "call_1", output: "rain" },
      { type: "function_call_output", call_id: "call_2", output: "sun" }
    ],
    tools: [{ type: "function", name: "weather", parameters: weather.schema, strict: false }],
    store: true,
    parallel_tool_calls: false
  }

  it("is the same conversation at Chat Completions and at Messages", () => {
    const said = Result.getOrThrow(decodeRequest(body))
    const chat = openai.encodeRequest(said, { model: "x" })
    assert.isEmpty(chat.losses)
    const text = JSON.stringify(chat.body)
    for (const part of ["be brief", "weather?", "call_1", "call_2", "rain", "sun", "Bern", "Rom"]) assert.include(text, part)
    const messages = anthropic.encodeRequest(said, { model: "claude-sonnet-4-5", maxOutputTokens: 100 })
    assert.isEmpty(messages.losses)
    assert.deepStrictEqual(
      (messages.body["messages"] as ReadonlyArray<Any>).map(({ role }) => role),
      ["user", "assistant", "user"]
    )
  })
})

describe("counting", () => {
  it("asks only what the endpoint reads, and reports nothing that has no bearing on a count", () => {
    const { body, losses } = counting.encodeRequest(
      asked({
        tools: [weather],
        sampling: { stop: ["x"] },
        maxOutputTokens: 3,
        stream: true,
        answers: 2,
        metadata: { a: "b" },
        userId: "u"
      }),
      { model: "gpt-5" }
    )
    assert.sameMembers(Object.keys(body), ["model", "input", "tools"])
    assert.isEmpty(losses)
    assert.strictEqual(counting.path("m"), "/responses/input_tokens")
  })

  it("takes a count and nothing else", () => {
    assert.deepStrictEqual(counting.decodeAnswer({ object: "response.input_tokens", input_tokens: 11 }), Result.succeed(11))
    for (const body of [{}, null, "x", { input_tokens: -1 }, { input_tokens: "7" }, { input_tokens: 1.5 }])
      assert.isTrue(Result.isFailure(counting.decodeAnswer(body)))
  })
})
