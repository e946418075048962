/**
 * Requests of callers of Gemini's API decoded, and what Gemini is sent for callers of other APIs.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Conversation, Message, Part, Tool } from "../../src/Conversation.ts"
import type { Written } from "../../src/Dialect.ts"
import { countingCaller, counting, renamed, vertexCounting } from "../../src/providers/gemini/counting.ts"
import { decodeRequest } from "../../src/providers/gemini/decode.ts"
import { encodeRequest } from "../../src/providers/gemini/request.ts"
import { sealText } from "../../src/providers/seal.ts"
import { said, sent } from "./geminiSaid.ts"

const hello = { role: "user", parts: [{ text: "Hello" }] }
const ask = { model: "gemini-2.5-flash", stream: false }

const decode = (body: unknown): Conversation => Result.getOrThrow(decodeRequest(body, ask))
const again = (body: unknown, model = "gemini-2.5-flash"): Written => encodeRequest(decode(structuredClone(body)), { model })
const parts = (conversation: Conversation): ReadonlyArray<Part> => conversation.messages.flatMap((message) => message.parts)

/** A conversation of another API's caller. */
const asked = (more: Partial<Conversation> = {}): Conversation => ({
  dialect: "chat.completions",
  model: "m",
  system: [],
  messages: [{ role: "user", parts: [{ _tag: "Text", text: "Hello" }], at: "messages[0]" }],
  tools: [],
  sampling: {},
  stream: false,
  includeUsage: false,
  answers: 1,
  extras: [],
  named: {},
  ...more
})

const user = (...parts: ReadonlyArray<Part>): Message => ({ role: "user", parts, at: "messages[9]" })
const text = (words: string): Part => ({ _tag: "Text", text: words })
const call = (id: string, name = "f", args = "{}"): Part => ({ _tag: "ToolCall", id, name, arguments: args })
const model = (...parts: ReadonlyArray<Part>): Message => ({ role: "assistant", parts, at: "messages[8]" })
const result = (callId: string, ...parts: ReadonlyArray<Part>): Message => ({
  role: "tool",
  parts: [{ _tag: "ToolResult", callId, parts, at: `results.${callId}` }],
  at: `results.${callId}`
})
const tool = (name: string, more: Partial<Tool> = {}): Tool => ({ name, at: `tools.${name}`, ...more })

const written = (more: Partial<Conversation>, target = "gemini-2.5-flash") => {
  const { body, losses } = encodeRequest(asked(more), { model: target })
  return { body: sent(body) as Record<string, any>, lost: losses.map(({ field }) => field) }
}

describe("a caller of Gemini's API", () => {
  it("may write every field in either spelling, and lone entries without their list", () => {
    const snake = {
      contents: {
        role: "USER",
        parts: { inline_data: { mime_type: "image/png", data: "AAAA" } }
      },
      system_instruction: { parts: { text: "be brief" } },
      tools: {
        function_declarations: {
          name: "f",
          parameters: { type: "OBJECT", property_ordering: ["a"], properties: { a: { type: "STRING" } } }
        }
      },
      tool_config: { function_calling_config: { mode: "any", allowed_function_names: ["f"] } },
      generation_config: {
        max_output_tokens: "9",
        top_p: 0.5,
        response_mime_type: "application/json",
        response_schema: { type: "STRING", nullable: true },
        thinking_config: { thinking_budget: 7, include_thoughts: true }
      }
    }
    const conversation = decode(snake)
    assert.deepStrictEqual(parts(conversation), [
      { _tag: "Image", source: { _tag: "Base64", mediaType: "image/png", data: "AAAA" }, at: "contents[0].parts[0]" }
    ])
    assert.deepStrictEqual(conversation.system, [{ role: "system", text: "be brief", at: "system_instruction.parts[0]" }])
    assert.deepStrictEqual(conversation.tools, [
      {
        name: "f",
        at: "tools[0].function_declarations[0]",
        schema: { type: "object", propertyOrdering: ["a"], properties: { a: { type: "string" } } }
      }
    ])
    assert.deepStrictEqual(conversation.toolChoice, { _tag: "Named", name: "f" })
    assert.strictEqual(conversation.maxOutputTokens, 9)
    assert.deepStrictEqual(conversation.sampling, { topP: 0.5 })
    assert.deepStrictEqual(conversation.thinking, { _tag: "Budget", tokens: 7, show: true })
    assert.deepStrictEqual(conversation.format, {
      _tag: "JsonSchema",
      schema: { type: ["string", "null"] },
      at: "generation_config.response_schema"
    })
    assert.deepStrictEqual(conversation.named, {
      toolChoice: "tool_config.function_calling_config",
      maxOutputTokens: "generation_config.max_output_tokens",
      topP: "generation_config.top_p",
      format: "generation_config.response_schema",
      thinking: "generation_config.thinking_config.thinking_budget"
    })
  })

  it("gets ids for calls that have none, the n-th result of a name that of the n-th call of it, and keeps having none", () => {
    const body = {
      contents: [
        hello,
        {
          role: "model",
          parts: [{ functionCall: { name: "f", args: { n: 1 } } }, { functionCall: { name: "g" } }, { functionCall: { name: "f" } }]
        },
        {
          role: "user",
          parts: [
            { functionResponse: { name: "g", response: { r: 0 } } },
            { functionResponse: { name: "f", response: { r: 1 } } },
            { functionResponse: { name: "f", response: { error: "no" } } }
          ]
        },
        { role: "model", parts: [{ functionCall: { id: "x", name: "f" } }] },
        { role: "function", parts: [{ functionResponse: { name: "f", response: {} } }] }
      ]
    }
    const found = parts(decode(body)).flatMap((part) =>
      part._tag === "ToolCall"
        ? [part.id]
        : part._tag === "ToolResult"
          ? [`${part.name}=${part.callId}${part.isError === true ? "!" : ""}`]
          : []
    )
    assert.deepStrictEqual(found, ["call_1_0", "call_1_1", "call_1_2", "g=call_1_1", "f=call_1_0", "f=call_1_2!", "x", "f=x"])
    assert.deepStrictEqual(
      decode(body).messages.map(({ role }) => role),
      ["user", "assistant", "tool", "assistant", "tool"]
    )
    const back = sent(again(body).body) as typeof body
    assert.deepStrictEqual(back.contents.slice(0, 4), body.contents.slice(0, 4))
    assert.deepStrictEqual(back.contents[4], { role: "user", parts: body.contents[4]!.parts } as never)
  })

  it("keeps what the model has no place for, in its place", () => {
    const body = {
      contents: [
        {
          role: "user",
          parts: [
            { fileData: { fileUri: "https://youtu.be/x", mimeType: "video/mp4" }, videoMetadata: { fps: 2 } },
            { inlineData: { mimeType: "audio/x-wav", data: "-_8=", displayName: "d" } },
            { inlineData: { mimeType: "text/csv", data: "AAAA", displayName: "e.csv" }, mediaResolution: { level: "MEDIA_RESOLUTION_LOW" } }
          ]
        },
        {
          role: "model",
          parts: [
            { text: "thought", thought: true },
            { executableCode: { language: "PYTHON", code: "1" }, thoughtSignature: "AA==" },
            { codeExecutionResult: { outcome: "OUTCOME_OK", output: "1" } },
            { text: "", thoughtSignature: "BB==" },
            { thoughtSignature: "CC==" },
            { text: "", thought: true, thoughtSignature: "DD==" },
            { text: "said", thoughtSignature: "EE==", partMetadata: { a: 1 } },
            { functionCall: { name: "f", args: { a: 1 }, willContinue: false }, thoughtSignature: "FF==" }
          ]
        }
      ],
      tools: [
        { googleSearch: {} },
        { functionDeclarations: [{ name: "f", behavior: "BLOCKING" }], urlContext: {} },
        { codeExecution: {} },
        { functionDeclarations: [{ name: "g" }] }
      ],
      toolConfig: { retrievalConfig: { languageCode: "de" }, functionCallingConfig: { mode: "VALIDATED" } },
      generationConfig: { responseLogprobs: true, logprobs: 3, speechConfig: { a: 1 }, thinkingConfig: { includeThoughts: false } },
      safetySettings: [{ category: "HARM_CATEGORY_HARASSMENT", threshold: "BLOCK_NONE" }],
      cachedContent: "cachedContents/1",
      labels: { team: "a" },
      newField: { deep: [1] }
    }
    const { body: back, losses } = again(body)
    assert.deepStrictEqual(said(sent(back)), said(body))
    assert.deepStrictEqual(losses, [])
    const conversation = decode(body)
    assert.deepStrictEqual(conversation.metadata, { team: "a" })
    assert.deepStrictEqual(
      conversation.extras.filter(({ matters }) => matters).map(({ field }) => field),
      [
        "contents[0].parts[0].videoMetadata",
        "contents[0].parts[2].mediaResolution",
        "contents[1].parts[7].functionCall.willContinue",
        "tools[0]",
        "tools[1].urlContext",
        "tools[2]",
        "toolConfig.retrievalConfig",
        "toolConfig.functionCallingConfig.mode",
        "generationConfig.responseLogprobs",
        "generationConfig.logprobs",
        "generationConfig.speechConfig",
        "safetySettings",
        "cachedContent",
        "newField"
      ]
    )
    assert.deepStrictEqual(
      conversation.extras.filter(({ needed }) => needed === true).map(({ field }) => field),
      ["cachedContent"]
    )
  })

  it("names files that only Google can read as uploaded ones, and others by their URL", () => {
    const file = (fileUri: string, mimeType?: string) => ({ fileData: { fileUri, ...(mimeType === undefined ? {} : { mimeType }) } })
    const found = parts(
      decode({
        contents: [
          {
            parts: [
              file("gs://b/a.png", "image/png"),
              file("https://generativelanguage.googleapis.com/v1beta/files/1", "application/pdf"),
              file("https://www.youtube.com/watch?v=1", "video/mp4"),
              file("https://example.com/a.jpg?b=c"),
              file("https://example.com/a", "audio/mp3")
            ]
          }
        ]
      })
    ).map((part) =>
      part._tag === "Image" || part._tag === "File"
        ? [part._tag, part.source._tag, part.source._tag === "Url" ? part.source.mediaType : ""]
        : []
    )
    assert.deepStrictEqual(found, [
      ["Image", "Uploaded", ""],
      ["File", "Uploaded", ""],
      ["File", "Uploaded", ""],
      ["Image", "Url", undefined],
      ["File", "Url", "audio/mp3"]
    ])
  })

  it("keeps its settings in its own words", () => {
    const config = (generationConfig: unknown, more: object = {}) => ({ contents: [hello], generationConfig, ...more })
    for (const body of [
      config({ candidateCount: 1, stopSequences: ["a", "b"], seed: 0, temperature: 2, topK: 3, presencePenalty: -1, frequencyPenalty: 1 }),
      config({ responseMimeType: "text/plain" }),
      config({ responseMimeType: "application/json" }),
      config({ responseMimeType: "text/x.enum", responseSchema: { type: "STRING", enum: ["a"] } }),
      config({ responseSchema: { type: "INTEGER", enum: ["1", "2"], format: "enum", minimum: 1 } }),
      config({ responseMimeType: "application/json", responseJsonSchema: { type: ["string", "null"], enum: ["a", null] } }),
      config({ responseMimeType: "application/json", _responseJsonSchema: { type: "object" } }),
      config({ thinkingConfig: { thinkingBudget: 0 } }),
      config({ thinkingConfig: { thinkingBudget: -1, includeThoughts: false } }),
      config({ thinkingConfig: { includeThoughts: true } }),
      config({ thinkingConfig: { thinkingLevel: "MINIMAL" } }),
      config({ responseModalities: ["TEXT"], mediaResolution: "MEDIA_RESOLUTION_LOW" }),
      config({}, { toolConfig: { functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["f", "g"] } } }),
      config({}, { toolConfig: { functionCallingConfig: { mode: "NONE" } } }),
      config({}, { systemInstruction: { role: "user", parts: [{ text: "a" }, { text: "b" }] } }),
      config({}, { systemInstruction: { parts: { text: "" } } })
    ]) {
      const { body: back, losses } = again(body)
      assert.deepStrictEqual(said(sent(back)), said(body))
      assert.deepStrictEqual(losses, [])
    }
  })

  it("has an amount of thinking in the model's words", () => {
    for (const [thinkingConfig, thinking] of [
      [{ thinkingBudget: 0 }, { _tag: "Effort", effort: "none" }],
      [{ thinkingBudget: -1 }, { _tag: "Auto" }],
      [
        { thinkingBudget: 512, includeThoughts: false },
        { _tag: "Budget", tokens: 512, show: false }
      ],
      [
        { thinking_level: "low", include_thoughts: true },
        { _tag: "Effort", effort: "low", show: true }
      ],
      [{ includeThoughts: true }, { _tag: "Auto", show: true }],
      [{ includeThoughts: false }, undefined],
      [{ thinkingLevel: "THINKING_LEVEL_UNSPECIFIED" }, undefined]
    ] as const)
      assert.deepStrictEqual(decode({ contents: [hello], generationConfig: { thinkingConfig } }).thinking, thinking)
  })

  it("is told which field is wrong", () => {
    for (const [body, path] of [
      [null, ""],
      [[], ""],
      [{}, "contents"],
      [{ contents: "Hello" }, "contents"],
      [{ contents: ["Hello"] }, "contents[0]"],
      [{ contents: [{ role: "system", parts: [] }] }, "contents[0].role"],
      [{ contents: [{ parts: "a" }] }, "contents[0].parts"],
      [{ contents: [{ parts: [{ text: 1 }] }] }, "contents[0].parts[0].text"],
      [{ contents: [{ parts: [{ inline_data: { data: "a" } }] }] }, "contents[0].parts[0].inline_data.mimeType"],
      [{ contents: [{ parts: [{ functionCall: { name: "f", args: "{}" } }] }] }, "contents[0].parts[0].functionCall.args"],
      [{ contents: [{ parts: [{ functionResponse: { name: "f", response: "a" } }] }] }, "contents[0].parts[0].functionResponse.response"],
      [{ contents: [hello], generationConfig: 1 }, "generationConfig"],
      [{ contents: [hello], generationConfig: { temperature: "hot" } }, "generationConfig.temperature"],
      [{ contents: [hello], generationConfig: { maxOutputTokens: 0 } }, "generationConfig.maxOutputTokens"],
      [{ contents: [hello], generationConfig: { topP: 1, top_p: 1 } }, "generationConfig.topP"],
      [{ contents: [hello], generation_config: { stop_sequences: ["a", 1] } }, "generation_config.stop_sequences[1]"],
      [{ contents: [hello], tools: [{ functionDeclarations: [{}] }] }, "tools[0].functionDeclarations[0].name"],
      [{ contents: [hello], toolConfig: { functionCallingConfig: { mode: "SOME" } } }, "toolConfig.functionCallingConfig.mode"],
      [{ contents: [hello], systemInstruction: "a" }, "systemInstruction"]
    ] as const) {
      const result = decodeRequest(body, ask)
      assert.isTrue(Result.isFailure(result), JSON.stringify(body))
      if (Result.isFailure(result)) assert.strictEqual(result.failure.path, path)
    }
  })

  it("whose history holds seals of another provider is sent without them, everything else in its place", () => {
    const seal = sealText({ dialect: "messages", data: "sig" }, "generateContent")
    const body = {
      contents: [
        hello,
        {
          role: "model",
          parts: [
            { text: "", thought: true, thoughtSignature: seal },
            { text: "hm", thought: true, thoughtSignature: seal },
            { functionCall: { name: "f", args: {} }, thoughtSignature: seal, partMetadata: { a: 1 } }
          ]
        },
        { role: "user", parts: [{ functionResponse: { name: "f", response: {} } }] }
      ]
    }
    const conversation = decode(body)
    assert.deepStrictEqual(
      conversation.messages[1]!.parts.map((part) => ({ _tag: part._tag, seal: "seal" in part ? part.seal : undefined })),
      (["Reasoning", "Reasoning", "ToolCall"] as const).map((_tag) => ({ _tag, seal: { dialect: "messages" as const, data: "sig" } }))
    )
    const { body: back, losses } = encodeRequest(conversation, { model: "gemini-3-flash" })
    assert.deepStrictEqual((sent(back) as typeof body).contents[1], {
      role: "model",
      parts: [
        { text: "hm", thought: true },
        // The call was another model's, and is refused without a signature.
        { functionCall: { name: "f", args: {} }, thoughtSignature: "skip_thought_signature_validator", partMetadata: { a: 1 } }
      ]
    } as never)
    assert.deepStrictEqual(
      losses.map(({ field }) => field),
      ["contents[1].parts[0]"]
    )
  })

  it("has its integers sent as they were written", () => {
    const exact = JSON as unknown as { readonly rawJSON: (text: string) => unknown }
    const body = {
      contents: [{ role: "model", parts: [{ functionCall: { name: "f", args: { n: exact.rawJSON("12345678901234567890") } } }] }]
    }
    const conversation = decode(body)
    assert.deepInclude(parts(conversation)[0], { arguments: '{"n":12345678901234567890}' })
    assert.include(JSON.stringify(encodeRequest(conversation, { model: "m" }).body), '"n":12345678901234567890')
  })
})

describe("what Gemini is sent for another caller", () => {
  it("all results of parallel calls in one turn, in the order of the calls, each with its function's name, before what the user says", () => {
    const { body, lost } = written({
      messages: [
        user(text("go")),
        model(text("so")),
        model(call("a", "f", '{"x":1}'), call("b", "g")),
        result("b", text("plain")),
        result("a", text('{"ok":true}')),
        user(text("and?"))
      ]
    })
    assert.deepStrictEqual(body["contents"], [
      { role: "user", parts: [{ text: "go" }] },
      {
        role: "model",
        parts: [
          { text: "so" },
          { functionCall: { id: "a", name: "f", args: { x: 1 } } },
          { functionCall: { id: "b", name: "g", args: {} } }
        ]
      },
      {
        role: "user",
        parts: [
          { functionResponse: { id: "a", name: "f", response: { ok: true } } },
          { functionResponse: { id: "b", name: "g", response: { result: "plain" } } },
          { text: "and?" }
        ]
      }
    ])
    assert.deepStrictEqual(lost, [])
  })

  it("failures of tools under `error`, and no ids where the provider has none", () => {
    const failed: Message = { role: "tool", parts: [{ _tag: "ToolResult", callId: "a", parts: [text("broken")], isError: true }], at: "m" }
    const { body } = encodeRequest(asked({ messages: [user(text("go")), model(call("a")), failed] }), {
      model: "m",
      habits: { callIds: false }
    })
    assert.deepStrictEqual((body["contents"] as ReadonlyArray<unknown>).slice(1), [
      { role: "model", parts: [{ functionCall: { name: "f", args: {} } }] },
      { role: "user", parts: [{ functionResponse: { name: "f", response: { error: "broken" } } }] }
    ])
  })

  it("instructions as such, later ones among them and reported, and never as the user's words but for want of any", () => {
    const later: Message = { role: "developer", parts: [text("later")], at: "messages[3]" }
    const system = [{ role: "system", text: "first", at: "messages[0]" }] as const
    const { body, lost } = written({ system, messages: [user(text("go")), later] })
    assert.deepStrictEqual(body["systemInstruction"], { parts: [{ text: "first" }, { text: "later" }] })
    assert.deepStrictEqual(body["contents"], [{ role: "user", parts: [{ text: "go" }] }])
    assert.deepStrictEqual(lost, ["messages[3]"])
    assert.deepStrictEqual(written({ system, messages: [] }), {
      body: { contents: [{ role: "user", parts: [{ text: "first" }] }] },
      lost: ["messages[0]"]
    })
  })

  it("schemas in which an optional property stays optional and a nullable enumeration keeps its null", () => {
    const unit = { type: ["string", "null"], enum: ["c", "f", null], description: "u" }
    const schema = {
      $schema: "x",
      type: "object",
      properties: { city: { type: "string" }, unit, node: { $ref: "#/definitions/Node", description: "n" }, kind: { const: "k" } },
      required: ["city"],
      definitions: { Node: { type: "object", properties: { next: { $ref: "#/definitions/Node" } } } }
    }
    const { body, lost } = written({ tools: [tool("f", { schema, description: "d" })] })
    assert.deepStrictEqual(body["tools"], [
      {
        functionDeclarations: [
          {
            name: "f",
            description: "d",
            parametersJsonSchema: {
              $schema: "x",
              type: "object",
              properties: {
                city: { type: "string" },
                unit: { description: "u", anyOf: [{ type: "string", enum: ["c", "f"] }, { type: "null" }] },
                node: { description: "n", anyOf: [{ $ref: "#/$defs/Node" }] },
                kind: { enum: ["k"], type: "string" }
              },
              required: ["city"],
              $defs: { Node: { type: "object", properties: { next: { $ref: "#/$defs/Node" } } } }
            }
          }
        ]
      }
    ])
    assert.deepStrictEqual(lost, [])
  })

  it("a format with its schema, and what of it is not enforced is named", () => {
    const format = {
      _tag: "JsonSchema",
      schema: { type: "object", properties: { a: { type: "string", pattern: "x", minLength: 1 } } },
      at: "rf.schema"
    } as const
    const { body, lost } = written({ format })
    assert.deepStrictEqual(body["generationConfig"], { responseMimeType: "application/json", responseJsonSchema: format.schema })
    assert.deepStrictEqual(lost, ["rf.schema"])
    assert.deepStrictEqual(written({ format: { _tag: "JsonObject" } }).body["generationConfig"], { responseMimeType: "application/json" })
    // Before Gemini 3 a format and tools exclude each other.
    const both = { format: { _tag: "JsonObject" }, tools: [tool("f")], named: { format: "response_format" } } as const
    assert.deepStrictEqual(written(both).lost, ["response_format"])
    assert.deepStrictEqual(written(both, "gemini-3-flash").lost, [])
  })

  it("the choice of a tool", () => {
    const tools = [tool("f"), tool("g")]
    const choose = (toolChoice: Conversation["toolChoice"], more: Partial<Conversation> = {}) =>
      written({ tools, ...(toolChoice === undefined ? {} : { toolChoice }), ...more })
    const config = (toolChoice: Conversation["toolChoice"]) => choose(toolChoice).body["toolConfig"]?.functionCallingConfig
    assert.strictEqual(config(undefined), undefined)
    assert.deepStrictEqual(config({ _tag: "Auto" }), { mode: "AUTO" })
    assert.deepStrictEqual(config({ _tag: "None" }), { mode: "NONE" })
    assert.deepStrictEqual(config({ _tag: "Required" }), { mode: "ANY" })
    assert.deepStrictEqual(config({ _tag: "Named", name: "g" }), { mode: "ANY", allowedFunctionNames: ["g"] })
    assert.deepStrictEqual(config({ _tag: "Among", names: ["g"], required: true }), { mode: "ANY", allowedFunctionNames: ["g"] })
    assert.deepStrictEqual(choose({ _tag: "Among", names: ["g"], required: false }).body, {
      contents: [hello],
      tools: [{ functionDeclarations: [{ name: "g" }] }],
      toolConfig: { functionCallingConfig: { mode: "AUTO" } }
    })
    assert.deepStrictEqual(choose({ _tag: "Required" }, { tools: [], named: { toolChoice: "tool_choice" } }).lost, ["tool_choice"])
    assert.deepStrictEqual(choose(undefined, { parallelToolCalls: false, named: { parallelToolCalls: "parallel_tool_calls" } }).lost, [
      "parallel_tool_calls"
    ])
    // Arguments are held to their schema where a tool says so.
    const strict = written({ tools: [tool("f", { strict: true })] })
    assert.deepStrictEqual([strict.body["toolConfig"], strict.lost], [{ functionCallingConfig: { mode: "VALIDATED" } }, []])
    assert.deepStrictEqual(written({ tools: [tool("f", { strict: true })] }, "gemini-2.0-flash").lost, ["tools.f.strict"])
  })

  it("thinking in the words of the model's generation", () => {
    const named = { thinking: "reasoning_effort" }
    const think = (thinking: Conversation["thinking"], target: string, more: Partial<Conversation> = {}) => {
      const { body, lost } = written({ named, ...(thinking === undefined ? {} : { thinking }), ...more }, target)
      return [body["generationConfig"]?.thinkingConfig, lost.length]
    }
    const effort = (word: "none" | "minimal" | "low" | "medium" | "high" | "max") => ({ _tag: "Effort", effort: word }) as const
    for (const [thinking, target, config, losses] of [
      [effort("none"), "gemini-2.5-flash", { thinkingBudget: 0 }, 0],
      [effort("none"), "gemini-2.5-pro", { thinkingBudget: 128 }, 1],
      [effort("none"), "gemini-3-flash-preview", { thinkingLevel: "MINIMAL" }, 1],
      [effort("none"), "gemini-3.8-flash", { thinkingLevel: "LOW" }, 1],
      [effort("none"), "gemini-2.0-flash", undefined, 0],
      [effort("low"), "gemini-2.0-flash", undefined, 1],
      [effort("low"), "gemini-2.5-flash", { thinkingBudget: 1024 }, 0],
      [effort("medium"), "models/gemini-2.5-pro", { thinkingBudget: 8192 }, 0],
      [effort("max"), "gemini-2.5-pro", { thinkingBudget: 32_768 }, 0],
      [effort("medium"), "gemini-3-pro-preview", { thinkingLevel: "HIGH" }, 1],
      [effort("medium"), "gemini-3.1-pro-preview", { thinkingLevel: "MEDIUM" }, 0],
      [effort("minimal"), "gemini-3.5-flash", { thinkingLevel: "MINIMAL" }, 0],
      [effort("minimal"), "gemini-4-argon", { thinkingLevel: "LOW" }, 1],
      [effort("max"), "gemini-4-argon", { thinkingLevel: "HIGH" }, 1],
      [effort("high"), "gemini-flash-latest", { thinkingLevel: "HIGH" }, 0],
      [{ _tag: "Budget", tokens: 2000 }, "gemini-2.5-flash", { thinkingBudget: 2000 }, 0],
      [{ _tag: "Budget", tokens: 100_000 }, "gemini-2.5-flash", { thinkingBudget: 24_576 }, 1],
      [{ _tag: "Budget", tokens: 2000 }, "gemini-3-flash", { thinkingLevel: "LOW" }, 1],
      [{ _tag: "Auto" }, "gemini-2.5-flash", { thinkingBudget: -1 }, 0],
      [{ _tag: "Auto", show: "concise" }, "gemini-3-flash", { includeThoughts: true }, 0]
    ] as const) {
      assert.deepStrictEqual(think(thinking, target), [config, losses], `${JSON.stringify(thinking)} ${target}`)
    }
    // The answer's maximum counts thoughts too.
    assert.deepStrictEqual(think(effort("high"), "gemini-2.5-flash", { maxOutputTokens: 1000 }), [{ thinkingBudget: 800 }, 0])
    // A thinking Claude always shows what it thinks.
    assert.deepStrictEqual(think({ _tag: "Budget", tokens: 2000 }, "gemini-2.5-flash", { dialect: "messages" }), [
      { thinkingBudget: 2000, includeThoughts: true },
      0
    ])
  })

  it("sampling, as far as the model lets it be set", () => {
    const sampling = {
      temperature: 0.5,
      topP: 0.9,
      topK: 4,
      seed: 7,
      frequencyPenalty: 1,
      presencePenalty: -1,
      stop: ["1", "2", "3", "4", "5", "6"]
    }
    const named = { stop: "stop", temperature: "temperature", maxOutputTokens: "max_tokens" }
    const { body, lost } = written({ sampling, named, maxOutputTokens: 9 })
    assert.deepStrictEqual(body["generationConfig"], {
      temperature: 0.5,
      topP: 0.9,
      topK: 4,
      frequencyPenalty: 1,
      presencePenalty: -1,
      seed: 7,
      stopSequences: ["1", "2", "3", "4", "5"],
      maxOutputTokens: 9
    })
    assert.deepStrictEqual(lost, ["stop"])
    const newest = written({ sampling, named }, "gemini-4-neon")
    assert.deepStrictEqual(newest.body["generationConfig"], { seed: 7, stopSequences: ["1", "2", "3", "4", "5"] })
    assert.deepStrictEqual(newest.lost, ["temperature", "topP", "topK", "frequencyPenalty", "presencePenalty", "stop"])
    assert.deepStrictEqual(written({ sampling: { temperature: 1, frequencyPenalty: 0 } }, "gemini-3.6-flash").lost, [])
    const capped = encodeRequest(asked({ maxOutputTokens: 9, named }), { model: "m", maxOutputTokens: 5 })
    assert.deepStrictEqual(
      [capped.body["generationConfig"], capped.losses.map(({ field }) => field)],
      [{ maxOutputTokens: 5 }, ["max_tokens"]]
    )
  })

  it("no demand for several answers, of which a caller of another dialect would get one", () => {
    for (const target of ["gemini-2.5-flash", "gemini-4-neon"]) {
      const { body, lost } = written({ named: { answers: "n" }, answers: 3 }, target)
      assert.notProperty(body, "generationConfig")
      assert.deepStrictEqual(lost, ["n"])
    }
  })

  it("signatures on what they sign, and in their stead what the provider documents", () => {
    const seal = { dialect: "generateContent", data: "SIG" } as const
    const contents = (target: string, ...said: ReadonlyArray<Part>) => {
      const { body, lost } = written({ messages: [user(text("go")), model(...said)] }, target)
      return [body["contents"][1]?.parts, lost]
    }
    const f = { functionCall: { id: "a", name: "f", args: {} } }
    const closing = "messages[8]"
    assert.deepStrictEqual(contents("gemini-3-flash", { _tag: "SealedReasoning", seal }, call("a"), call("b")), [
      [{ ...f, thoughtSignature: "SIG" }, { functionCall: { id: "b", name: "f", args: {} } }],
      [closing]
    ])
    assert.deepStrictEqual(contents("gemini-3-flash", { _tag: "Reasoning", text: "hm", seal }, text("so"), call("a"))[0], [
      { text: "hm", thought: true },
      { text: "so", thoughtSignature: "SIG" },
      { ...f, thoughtSignature: "skip_thought_signature_validator" }
    ])
    assert.deepStrictEqual(contents("gemini-2.5-flash", text("so"), { _tag: "SealedReasoning", seal })[0], [
      { text: "so" },
      { text: "", thoughtSignature: "SIG" }
    ])
    assert.deepStrictEqual(contents("gemini-2.5-flash", call("a")), [[f], [closing]])
    const foreign = { dialect: "messages", data: "x" } as const
    assert.deepStrictEqual(
      contents(
        "gemini-2.5-flash",
        { _tag: "Reasoning", text: "hm", seal: foreign, at: "r" },
        { _tag: "SealedReasoning", seal: foreign, at: "s" },
        {
          ...(call("a") as Extract<Part, { _tag: "ToolCall" }>),
          seal: foreign
        }
      ),
      [[f], ["r", "s", closing]]
    )
  })

  it("media as Gemini reads it", () => {
    const send = (part: Part, target = "gemini-2.5-flash") => {
      const { body, lost } = written({ messages: [user(text("go"), { ...part, at: "p" } as Part)] }, target)
      return [body["contents"][0].parts[1], lost]
    }
    const image = (source: Extract<Part, { _tag: "Image" }>["source"]): Part => ({ _tag: "Image", source })
    const file = (source: Extract<Part, { _tag: "File" }>["source"]): Part => ({ _tag: "File", source, name: "n" })
    const url = "https://example.com/a.png?x=.gif"
    assert.deepStrictEqual(send(image({ _tag: "Url", url })), [{ fileData: { mimeType: "image/png", fileUri: url } }, []])
    assert.deepStrictEqual(send(image({ _tag: "Url", url }), "gemini-2.0-flash"), [undefined, ["p"]])
    assert.deepStrictEqual(send(image({ _tag: "Url", url: "https://example.com/a" })), [undefined, ["p"]])
    assert.deepStrictEqual(send(image({ _tag: "Base64", mediaType: "image/jpg", data: "A" })), [
      { inlineData: { mimeType: "image/jpeg", data: "A" } },
      []
    ])
    assert.deepStrictEqual(send(image({ _tag: "Base64", mediaType: "image/gif", data: "A" })), [undefined, ["p"]])
    assert.deepStrictEqual(send(file({ _tag: "Plain", text: "ä" })), [
      { inlineData: { mimeType: "text/plain", data: "w6Q=" } },
      ["p.file.filename"]
    ])
    assert.deepStrictEqual(send(file({ _tag: "Base64", mediaType: "application/json", data: "A" })), [
      { inlineData: { mimeType: "text/plain", data: "A" } },
      ["p.file.filename"]
    ])
    assert.deepStrictEqual(send(file({ _tag: "Uploaded", id: "file-1" })), [undefined, ["p"]])
    assert.deepStrictEqual(send({ _tag: "Audio", format: "mp3", data: "A" }), [{ inlineData: { mimeType: "audio/mp3", data: "A" } }, []])
    assert.deepStrictEqual(send({ _tag: "Foreign", type: "video_url", value: {} }), [undefined, ["p"]])
  })

  it("a picture in a tool's result where the model takes it, else behind it", () => {
    const picture: Part = { _tag: "Image", source: { _tag: "Base64", mediaType: "image/png", data: "A" }, at: "p" }
    const messages = [user(text("go")), model(call("a")), result("a", text("see"), picture), user(text("so?"))]
    const inline = { inlineData: { mimeType: "image/png", data: "A" } }
    const response = { id: "a", name: "f", response: { result: "see" } }
    const newer = written({ messages }, "gemini-3-flash")
    assert.deepStrictEqual(newer.body["contents"][2].parts, [{ functionResponse: { ...response, parts: [inline] } }, { text: "so?" }])
    assert.deepStrictEqual(newer.lost, [])
    const older = written({ messages })
    assert.deepStrictEqual(older.body["contents"][2].parts, [{ functionResponse: response }, inline, { text: "so?" }])
    assert.deepStrictEqual(older.lost, ["p"])
  })

  it("nothing of what it has no word for, but the caller is told", () => {
    const { lost } = written({
      messages: [
        { ...user(text("go")), name: "ann" },
        model({ _tag: "Refusal", text: "no", at: "r" }, call("a", "f", "not json")),
        result("zzz", text("x")),
        user(text("")),
        model()
      ],
      userId: "u",
      named: { userId: "user" },
      extras: [
        { field: "logit_bias", value: {}, matters: true },
        { field: "store", value: true, matters: false }
      ]
    })
    assert.deepStrictEqual(lost, [
      "messages[9].name",
      "r",
      "messages[8]",
      "results.zzz",
      "messages[9]",
      "messages[8]",
      "user",
      "logit_bias"
    ])
  })
})

describe("counting tokens", () => {
  it("sends what is counted, and not what only steers the answer", () => {
    const conversation = asked({
      tools: [tool("f")],
      maxOutputTokens: 5,
      sampling: { temperature: 3, stop: ["1", "2", "3", "4", "5", "6"] },
      userId: "u",
      answers: 4,
      toolChoice: { _tag: "Required" }
    })
    const body = { contents: [hello], tools: [{ functionDeclarations: [{ name: "f" }] }] }
    assert.deepStrictEqual(counting.encodeRequest(conversation, { model: "m", deployment: "d" }), {
      body: { generateContentRequest: { model: "models/d", ...body } },
      losses: []
    })
    assert.deepStrictEqual(vertexCounting.encodeRequest(conversation, { model: "m" }), { body, losses: [] })
    assert.strictEqual(counting.path("a/b"), "/models/a%2Fb:countTokens")
  })

  it("reads both shapes of a request, and leads the one that names its model to the target's", () => {
    for (const body of [{ contents: [hello] }, { generate_content_request: { model: "models/x", contents: [hello] } }])
      assert.lengthOf(Result.getOrThrow(countingCaller.decodeRequest!(body, ask)).messages, 1)
    assert.deepStrictEqual(renamed({ generateContentRequest: { model: "models/a", contents: [] } }, "b"), [
      { key: "generateContentRequest", json: '{"model":"models/b","contents":[]}' }
    ])
    assert.deepStrictEqual(renamed({ contents: [] }, "b"), [])
  })

  it("takes no answer without a count", () => {
    for (const body of [null, {}, { totalTokens: -1 }, { totalTokens: "many" }, "x"])
      assert.isTrue(Result.isFailure(counting.decodeAnswer(body)))
    assert.deepStrictEqual(counting.decodeAnswer({ totalTokens: 3 }), Result.succeed(3))
  })
})
