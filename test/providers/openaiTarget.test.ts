/**
 * What a target of Chat Completions is sent for callers of other dialects, what it is sent for its own, and what its answers say in the model between.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Conversation, Message, Part, StreamEvent } from "../../src/Conversation.ts"
import type { TargetModel } from "../../src/Dialect.ts"
import { anthropicCaller } from "../../src/providers/anthropic.ts"
import { geminiCaller } from "../../src/providers/gemini.ts"
import { openai, openaiCaller } from "../../src/providers/openai.ts"
import { responsesCaller } from "../../src/providers/responses.ts"
import { sealOf, sealText } from "../../src/providers/seal.ts"
import { context, eventsOf, translate } from "./sse.ts"

type Any = any

const asking = (more: Partial<Conversation>): Conversation => ({
  dialect: "messages",
  model: "smart",
  system: [],
  messages: [{ role: "user", parts: [{ _tag: "Text", text: "Hello", at: "messages[0].content" }], at: "messages[0]" }],
  tools: [],
  sampling: {},
  stream: false,
  includeUsage: false,
  answers: 1,
  extras: [],
  named: {},
  ...more
})
const sent = (more: Partial<Conversation>, target: TargetModel = { model: "gpt" }) => {
  const { body, losses } = openai.encodeRequest(asking(more), target)
  for (const { reason } of losses) assert.match(reason, /^\S.*[^.]$/)
  return { body: JSON.parse(JSON.stringify(body)) as Any, losses: losses.map(({ field }) => field) }
}
const message = (role: Message["role"], at: number, ...parts: ReadonlyArray<Part>): Message => ({ role, parts, at: `messages[${at}]` })
const text = (value: string, at?: string): Part => ({ _tag: "Text", text: value, ...(at === undefined ? {} : { at }) })
const older: TargetModel = { model: "m", habits: { maxTokensField: "max_tokens", reportsStreamUsage: false } }
const tools: Conversation["tools"] = [
  { name: "f", at: "tools[0]", schema: { type: "object", properties: { a: { type: "string" }, b: { type: "string" } }, required: ["a"] } },
  { name: "g", at: "tools[1]", strict: true }
]

describe("the settings of other callers", () => {
  it("send the maximum under the name that the host knows, and ask for usage where it is told", () => {
    assert.deepInclude(sent({ maxOutputTokens: 9, stream: true }).body, {
      max_completion_tokens: 9,
      stream: true,
      stream_options: { include_usage: true }
    })
    const { body } = sent({ maxOutputTokens: 9, stream: true }, older)
    assert.strictEqual(body.max_tokens, 9)
    assert.notProperty(body, "max_completion_tokens")
    assert.notProperty(body, "stream_options")
  })

  it("say how much to think as an effort, and report a budget", () => {
    const named = { thinking: "thinking.budget_tokens" }
    for (const [tokens, effort] of [
      [1024, "low"],
      [4096, "low"],
      [8192, "medium"],
      [16_000, "medium"],
      [24_576, "high"],
      [60_000, "high"]
    ] as const) {
      const { body, losses } = sent({ thinking: { _tag: "Budget", tokens }, named })
      assert.strictEqual(body.reasoning_effort, effort)
      assert.deepStrictEqual(losses, ["thinking.budget_tokens"])
    }
    for (const effort of ["none", "minimal", "xhigh", "max"] as const) {
      const { body, losses } = sent({ thinking: { _tag: "Effort", effort } })
      assert.strictEqual(body.reasoning_effort, effort)
      assert.deepStrictEqual(losses, [])
    }
    assert.deepStrictEqual(sent({ thinking: { _tag: "Budget", tokens: 0 } }).losses, [])
    assert.strictEqual(sent({ thinking: { _tag: "Budget", tokens: 0 } }).body.reasoning_effort, "none")
    assert.strictEqual(sent({ thinking: { _tag: "Auto" }, named }).body.reasoning_effort, "medium")
    assert.deepStrictEqual(sent({ thinking: { _tag: "Effort", effort: "high", show: "summarized" }, named }).losses, [
      "thinking.budget_tokens"
    ])
    assert.deepStrictEqual(sent({ thinking: { _tag: "Effort", effort: "high", show: false }, named }).losses, [])
  })

  it("report what the API has no place for", () => {
    const { body, losses } = sent({
      sampling: { topK: 5, stop: ["a", "b", "c", "d", "e"] },
      metadata: { kept: "x", ["k".repeat(65)]: "too long a key" },
      userId: "u".repeat(129),
      toolChoice: { _tag: "Required" },
      named: { topK: "top_k", stop: "stop_sequences", metadata: "metadata", userId: "metadata.user_id", toolChoice: "tool_choice" },
      extras: [
        { field: "container", value: "c", matters: true },
        { field: "store", value: true, matters: false }
      ]
    })
    assert.deepStrictEqual(losses.toSorted(), ["container", "metadata", "metadata.user_id", "stop_sequences", "tool_choice", "top_k"])
    assert.deepStrictEqual(body.stop, ["a", "b", "c", "d"])
    assert.deepStrictEqual(body.metadata, { kept: "x" })
    for (const field of ["top_k", "user", "safety_identifier", "tool_choice", "container", "store", "parallel_tool_calls"])
      assert.notProperty(body, field)
  })

  it("ask for one answer, since one alone is translated", () => {
    const { body, losses } = sent({ answers: 3, named: { answers: "generationConfig.candidateCount" } })
    assert.notProperty(body, "n")
    assert.deepStrictEqual(losses, ["generationConfig.candidateCount"])
    assert.strictEqual(sent({ dialect: "chat.completions", answers: 3, named: { answers: "n" } }).body.n, 3)
  })

  it("name the end user as the host knows it", () => {
    assert.strictEqual(sent({ userId: "u" }).body.safety_identifier, "u")
    assert.strictEqual(sent({ userId: "u" }, older).body.user, "u")
  })

  it("keep a schema as it is: what is optional stays optional, and strict only what was", () => {
    const schema = { type: "object", properties: { a: { enum: ["x", null] }, b: { type: "string" } }, required: ["a"] }
    const { body } = sent({
      tools,
      format: { _tag: "JsonSchema", schema },
      parallelToolCalls: false,
      toolChoice: { _tag: "Named", name: "f" }
    })
    assert.deepStrictEqual(body.tools, [
      { type: "function", function: { name: "f", parameters: tools[0]!.schema } },
      { type: "function", function: { name: "g", strict: true } }
    ])
    assert.deepStrictEqual(body.response_format, { type: "json_schema", json_schema: { name: "answer", schema } })
    assert.isFalse(body.parallel_tool_calls)
    assert.deepStrictEqual(body.tool_choice, { type: "function", function: { name: "f" } })
  })

  it("leave of the tools those that are allowed", () => {
    const { body, losses } = sent({ tools, toolChoice: { _tag: "Among", names: ["g"], required: true } })
    assert.deepStrictEqual(
      body.tools.map((tool: Any) => tool.function.name),
      ["g"]
    )
    assert.strictEqual(body.tool_choice, "required")
    assert.deepStrictEqual(losses, [])
  })
})

describe("the messages of other callers", () => {
  it("keep instructions apart and in their places, in words that the host knows", () => {
    const said: Partial<Conversation> = {
      system: [
        { role: "system", text: "Be brief.", at: "system[0]" },
        { role: "developer", text: "Be kind.", at: "system[1]" }
      ],
      messages: [message("user", 0, text("Hello")), message("developer", 1, text("Now shout.")), message("user", 2, text("Again"))]
    }
    assert.deepStrictEqual(
      sent(said).body.messages.map(({ content, role }: Any) => [role, content]),
      [
        ["system", "Be brief."],
        ["developer", "Be kind."],
        ["user", "Hello"],
        ["developer", "Now shout."],
        ["user", "Again"]
      ]
    )
    assert.deepStrictEqual(
      sent(said, older).body.messages.map(({ role }: Any) => role),
      ["system", "system", "user", "system", "user"]
    )
  })

  it("make one message of a turn, and put results behind their calls", () => {
    const { body, losses } = sent({
      messages: [
        message("user", 0, text("Compare")),
        message("assistant", 1, text("One.")),
        message("assistant", 2, { _tag: "ToolCall", id: "a", name: "f", arguments: '{"n":12345678901234567890}' }),
        message("assistant", 3, { _tag: "ToolCall", id: "b", name: "g", arguments: "{broken" }),
        message(
          "user",
          4,
          { _tag: "ToolResult", callId: "a", parts: [text("1")] },
          { _tag: "ToolResult", callId: "b", parts: [], isError: true, at: "messages[4].content[1]" },
          text("And?")
        )
      ]
    })
    assert.deepStrictEqual(body.messages.slice(1), [
      {
        role: "assistant",
        content: "One.",
        tool_calls: [
          { id: "a", type: "function", function: { name: "f", arguments: '{"n":12345678901234567890}' } },
          { id: "b", type: "function", function: { name: "g", arguments: "{broken" } }
        ]
      },
      { role: "tool", tool_call_id: "a", content: "1" },
      { role: "tool", tool_call_id: "b", content: "" },
      { role: "user", content: "And?" }
    ])
    assert.deepStrictEqual(losses, ["messages[4].content[1].is_error"])
  })

  it("make ids where the caller's dialect has none, by the name and the order of the calls", () => {
    const { body } = sent({
      messages: [
        message("assistant", 0, ...["f", "g", "f"].map((name): Part => ({ _tag: "ToolCall", id: "", name, arguments: "{}" }))),
        message(
          "user",
          1,
          ...["g", "f", "f"].map((name, index): Part => ({ _tag: "ToolResult", callId: "", name, parts: [text(String(index))] }))
        )
      ]
    })
    const [{ tool_calls: calls }, ...results] = body.messages
    const ids = calls.map(({ id }: Any) => id)
    assert.strictEqual(new Set(ids).size, 3)
    assert.deepStrictEqual(
      results.map(({ content, tool_call_id: id }: Any) => [content, id]),
      [
        ["0", ids[1]],
        ["1", ids[0]],
        ["2", ids[2]]
      ]
    )
  })

  it("move an image out of a result into a message behind all results, and say so", () => {
    const image: Part = {
      _tag: "Image",
      source: { _tag: "Base64", mediaType: "image/png", data: "AAAA" },
      at: "messages[1].content[0].content[1]"
    }
    const { body, losses } = sent({
      messages: [
        message(
          "assistant",
          0,
          { _tag: "ToolCall", id: "a", name: "f", arguments: "{}" },
          { _tag: "ToolCall", id: "b", name: "f", arguments: "{}" }
        ),
        message(
          "user",
          1,
          { _tag: "ToolResult", callId: "a", parts: [text("see", "x"), image] },
          { _tag: "ToolResult", callId: "b", parts: [text("none")] }
        )
      ]
    })
    assert.deepStrictEqual(body.messages.slice(1), [
      { role: "tool", tool_call_id: "a", content: "see" },
      { role: "tool", tool_call_id: "b", content: "none" },
      { role: "user", content: [{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }] }
    ])
    assert.deepStrictEqual(losses, ["messages[1].content[0].content[1]"])
  })

  it("stand behind the results of all calls, wherever the caller has put them between", () => {
    const call = (id: string): Part => ({ _tag: "ToolCall", id, name: "f", arguments: "{}" })
    const result = (callId: string, ...parts: ReadonlyArray<Part>): Part => ({ _tag: "ToolResult", callId, parts })
    const image: Part = { _tag: "Image", source: { _tag: "Base64", mediaType: "image/png", data: "AAAA" }, at: "messages[2].content" }
    const order = (...messages: ReadonlyArray<Message>) =>
      sent({ messages }).body.messages.map(
        ({ content, role, tool_call_id: id }: Any) => id ?? `${role}${typeof content === "string" ? ` ${content}` : ""}`
      )
    // A Responses caller's outputs are items of their own.
    assert.deepStrictEqual(
      order(
        message("user", 0, text("Go")),
        message("assistant", 1, call("a"), call("b")),
        message("tool", 2, result("a", image)),
        message("tool", 3, result("b", text("B"))),
        message("user", 4, text("And?"))
      ),
      ["user Go", "assistant", "a", "b", "user", "user And?"]
    )
    // A Messages caller may give them in several messages, with words between.
    assert.deepStrictEqual(
      order(
        message("assistant", 0, call("a"), call("b")),
        message("user", 1, result("a", text("A")), text("note")),
        message("system", 2, text("Be brief.")),
        message("user", 3, result("b", text("B")), text("more")),
        message("assistant", 4, call("c")),
        message("user", 5, text("wait")),
        message("user", 6, result("c", text("C")))
      ),
      ["assistant", "a", "b", "user note", "system Be brief.", "user more", "assistant", "c", "user wait"]
    )
    // A call without a result holds nothing back beyond its turn.
    assert.deepStrictEqual(
      order(
        message("assistant", 0, call("a"), call("b")),
        message("user", 1, result("a", text("A")), text("one")),
        message("user", 2, text("two")),
        message("assistant", 3, text("So")),
        message("user", 4, text("three"))
      ),
      ["assistant", "a", "user one", "user two", "assistant So", "user three"]
    )
  })

  it("send files as the API takes them", () => {
    const file = (source: Extract<Part, { _tag: "File" }>["source"], name?: string): Part => ({
      _tag: "File",
      source,
      at: "p",
      ...(name === undefined ? {} : { name })
    })
    const one = (part: Part) => {
      const { body, losses } = sent({ messages: [message("user", 0, text("See"), part)] })
      return [body.messages[0].content[1], losses]
    }
    assert.deepStrictEqual(one(file({ _tag: "Plain", text: "T" })), [{ type: "text", text: "T" }, []])
    assert.deepStrictEqual(one(file({ _tag: "Plain", text: "T" }, "title")), [{ type: "text", text: "T" }, ["p"]])
    assert.deepStrictEqual(one(file({ _tag: "Base64", mediaType: "application/pdf", data: "QQ==" }, "a.pdf")), [
      { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,QQ==" } },
      []
    ])
    assert.deepStrictEqual(one(file({ _tag: "Base64", mediaType: "image/png", data: "QQ==" })), [
      { type: "image_url", image_url: { url: "data:image/png;base64,QQ==" } },
      []
    ])
    assert.deepStrictEqual(one(file({ _tag: "Base64", mediaType: "audio/mpeg", data: "QQ==" })), [
      { type: "input_audio", input_audio: { data: "QQ==", format: "mp3" } },
      []
    ])
    assert.deepStrictEqual(one(file({ _tag: "Base64", mediaType: "video/mp4", data: "QQ==" })), [undefined, ["p"]])
    assert.deepStrictEqual(one(file({ _tag: "Url", url: "https://a.example/x.pdf" })), [undefined, ["p"]])
    assert.deepStrictEqual(one(file({ _tag: "Url", url: "https://a.example/x", mediaType: "image/webp" })), [
      { type: "image_url", image_url: { url: "https://a.example/x" } },
      []
    ])
    assert.deepStrictEqual(one(file({ _tag: "Uploaded", id: "file_1" })), [undefined, ["p"]])
    assert.deepStrictEqual(one({ _tag: "Foreign", type: "video_url", value: {}, at: "p" }), [undefined, ["p"]])
  })

  it("send no provider another one's seal", () => {
    const parts: ReadonlyArray<Part> = [
      { _tag: "Reasoning", text: "Hm", seal: { dialect: "messages", data: "sig" }, at: "r" },
      { _tag: "SealedReasoning", seal: { dialect: "generateContent", data: "blob" }, at: "s" },
      { _tag: "ToolCall", id: "a", name: "f", arguments: "{}", seal: { dialect: "generateContent", data: "sig" }, at: "c" }
    ]
    const { body, losses } = sent({ dialect: "responses", messages: [message("assistant", 0, ...parts)] })
    assert.deepStrictEqual(losses.toSorted(), ["c", "r", "s"])
    for (const secret of ["sig", "blob", "Hm"]) assert.notInclude(JSON.stringify(body), secret)
  })
})

describe("seals of hosts", () => {
  const details = [
    { type: "reasoning.text", text: "Two", signature: "s1", index: 0 },
    { type: "reasoning.encrypted", data: "xyz", index: 1 }
  ]
  const answer = {
    id: "gen-1",
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: "4",
          reasoning: "Two",
          reasoning_details: details,
          tool_calls: [
            { id: "c", type: "function", function: { name: "f", arguments: "{}" }, extra_content: { google: { thought_signature: "g1" } } }
          ]
        },
        finish_reason: "stop"
      }
    ]
  }

  it("come back to the host by way of a caller of another dialect", () => {
    const { parts, stop } = Result.getOrThrow(openai.decodeAnswer(answer))
    assert.strictEqual(stop, "tool-calls")
    // As a client of Messages holds them: wrapped, opaque.
    const back = parts.map((part): Part =>
      "seal" in part && part.seal !== undefined ? { ...part, seal: sealOf(sealText(part.seal, "messages"), "messages") } : part
    )
    const { body, losses } = sent({ messages: [message("assistant", 0, ...back), message("user", 1, text("So?"))] })
    assert.deepStrictEqual(losses, [])
    assert.deepStrictEqual(body.messages[0], {
      role: "assistant",
      content: "4",
      reasoning_details: details,
      tool_calls: answer.choices[0]!.message.tool_calls
    })
  })

  it("come back on the call that they sign by way of callers who have no place for them there", () => {
    const call = (id: string, signature?: string) => ({
      id,
      type: "function",
      function: { name: "f", arguments: "{}" },
      ...(signature === undefined ? {} : { extra_content: { google: { thought_signature: signature } } })
    })
    const calls = [call("a", "g1"), call("b"), call("c", "g2")]
    const said = { role: "assistant", content: null, reasoning_details: details, tool_calls: calls }
    const decoded = Result.getOrThrow(openai.decodeAnswer({ choices: [{ index: 0, message: said, finish_reason: "tool_calls" }] }))
    const { content } = anthropicCaller.encodeAnswer(decoded, context).body
    const { output } = responsesCaller.encodeAnswer(decoded, context).body
    const back = [
      anthropicCaller.decodeRequest({ model: "m", max_tokens: 9, messages: [{ role: "assistant", content }] }),
      responsesCaller.decodeRequest({ model: "m", input: output })
    ]
    for (const request of back) {
      const { body } = openai.encodeRequest(Result.getOrThrow(request), { model: "gemini-3-pro" })
      const [message] = JSON.parse(JSON.stringify(body)).messages
      assert.deepStrictEqual(message, said)
    }
  })

  it("are put together from a stream before what follows the thoughts", () => {
    const chunk = (delta: object, more: object = {}) => `data: ${JSON.stringify({ id: "g", choices: [{ index: 0, delta, ...more }] })}\n\n`
    const stream =
      chunk({ role: "assistant", reasoning: "Tw", reasoning_details: [{ type: "reasoning.text", text: "Tw", index: 0 }] }) +
      chunk({ reasoning: "o", reasoning_details: [{ type: "reasoning.text", text: "o", index: 0 }] }) +
      chunk({ reasoning_details: [{ type: "reasoning.text", signature: "s1", index: 0 }] }) +
      chunk({ content: "4" }) +
      chunk({ reasoning_details: [{ type: "reasoning.encrypted", data: "xyz", index: 1 }] }, { finish_reason: "stop" }) +
      "data: [DONE]\n\n"
    const { steps } = translate(eventsOf(stream), openai, openaiCaller, context)
    const events = steps.filter(({ _tag }) => _tag !== "Extra")
    assert.deepStrictEqual(
      events.map(({ _tag }) => _tag),
      ["Start", "ReasoningDelta", "ReasoningDelta", "Sealed", "TextDelta", "SealedReasoning", "Stop", "End"]
    )
    const sealed = events.flatMap((event) => ("seal" in event && event.seal !== undefined ? [JSON.parse(event.seal.data)] : []))
    assert.deepStrictEqual(sealed, [{ reasoning_details: [details[0]] }, { reasoning_details: [details[1]] }])
  })
})

describe("a stream of a target", () => {
  const frame = (chunk: object) => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", model: "m", ...chunk })}\n\n`
  const chunk = (delta: object, more: object = {}) => frame({ choices: [{ index: 0, delta, finish_reason: null, ...more }] })
  const done = "data: [DONE]\n\n"
  const stepsOf = (stream: string): ReadonlyArray<StreamEvent> =>
    translate(eventsOf(stream), openai, openaiCaller, context).steps.filter(({ _tag }) => _tag !== "Extra")

  it("keeps interleaved calls apart, and ends each once before the stop", () => {
    const call = (index: number, text: string, start: object = {}) =>
      chunk({ tool_calls: [{ index, ...start, function: { arguments: text, ...("id" in start ? { name: `f${index}` } : {}) } }] })
    const steps = stepsOf(
      call(0, "", { id: "a", type: "function" }) +
        call(1, "", { id: "b", type: "function" }) +
        call(0, '{"x"') +
        call(1, "{}") +
        call(0, ":1}") +
        chunk({}, { finish_reason: "tool_calls" }) +
        done
    )
    assert.deepStrictEqual(
      steps.map((event) => [event._tag, "index" in event ? event.index : undefined]),
      [
        ["Start", undefined],
        ["ToolCallStart", 0],
        ["ToolCallStart", 1],
        ["ToolCallDelta", 0],
        ["ToolCallDelta", 1],
        ["ToolCallDelta", 0],
        ["ToolCallEnd", 0],
        ["ToolCallEnd", 1],
        ["Stop", undefined],
        ["End", undefined]
      ]
    )
  })

  it("keeps calls of one id apart for callers of other dialects, whole and streamed, and gives its own callers the host's", () => {
    const call = (index: number) => ({ index, id: "x", type: "function", function: { name: `f${index}`, arguments: "{}" } })
    const calls = [call(0), call(1), call(2)]
    const whole = {
      id: "c",
      model: "m",
      choices: [{ index: 0, message: { role: "assistant", content: null, tool_calls: calls }, finish_reason: "tool_calls" }]
    }
    const stream = calls.map((one) => chunk({ tool_calls: [one] })).join("") + chunk({}, { finish_reason: "tool_calls" }) + done
    const answer = Result.getOrThrow(openai.decodeAnswer(whole))
    const apart = ["x", "x_1", "x_2"]
    for (const caller of [anthropicCaller, responsesCaller, geminiCaller]) {
      const ids = (text: string) => [...new Set([...text.matchAll(/"(?:id|call_id)":"(x\w*)"/g)].map(([, id]) => id))]
      assert.deepStrictEqual(ids(JSON.stringify(caller.encodeAnswer(answer, context).body)), apart)
      assert.deepStrictEqual(ids(translate(eventsOf(stream), openai, caller, context).text), apart)
    }
    const again = JSON.parse(JSON.stringify(openaiCaller.encodeAnswer(answer, context).body)) as Any
    assert.deepStrictEqual(
      again.choices[0].message.tool_calls.map(({ id }: Any) => id),
      ["x", "x", "x"]
    )
    assert.notInclude(translate(eventsOf(stream), openai, openaiCaller, context).text, "x_1")
  })

  it("takes calls of one chunk that share an index, or have none, for several", () => {
    const steps = stepsOf(
      chunk({
        tool_calls: [
          { index: 0, id: "a", type: "function", function: { name: "f", arguments: "{}" } },
          { index: 0, id: "b", type: "function", function: { name: "g", arguments: "{}" } },
          { id: "c", function: { name: "h", arguments: "{}" } }
        ]
      }) +
        chunk({}, { finish_reason: "stop" }) +
        done
    )
    assert.deepStrictEqual(
      steps.flatMap((event) => (event._tag === "ToolCallStart" ? [[event.index, event.id, event.name]] : [])),
      [
        [0, "a", "f"],
        [1, "b", "g"],
        [2, "c", "h"]
      ]
    )
    // Calls wait for their results, whatever the host says.
    assert.deepStrictEqual(
      steps.find(({ _tag }) => _tag === "Stop"),
      { _tag: "Stop", reason: "tool-calls" }
    )
  })

  it("reads a call in the deprecated form", () => {
    const steps = stepsOf(
      chunk({ role: "assistant", content: null, function_call: { name: "f", arguments: "" } }) +
        chunk({ function_call: { arguments: '{"a":1}' } }) +
        chunk({}, { finish_reason: "function_call" }) +
        done
    )
    assert.deepStrictEqual(
      steps.filter(({ _tag }) => _tag.startsWith("ToolCall")),
      [
        { _tag: "ToolCallStart", index: 0, id: "", name: "f" },
        { _tag: "ToolCallDelta", index: 0, arguments: '{"a":1}' },
        { _tag: "ToolCallEnd", index: 0 }
      ]
    )
  })

  it("tells a loss once, and stops once where a host stops twice", () => {
    const logprobs = { content: [{ token: "x", logprob: -1, bytes: null, top_logprobs: [] }] }
    const { steps } = translate(
      eventsOf(
        chunk({ content: "x" }, { logprobs }) +
          chunk({ content: "y" }, { logprobs }) +
          frame({ choices: [{ index: 1, delta: { content: "z" } }] }) +
          chunk({}, { finish_reason: "length" }) +
          chunk({ content: "" }, { finish_reason: "length" }) +
          done
      ),
      openai,
      openaiCaller,
      context
    )
    assert.deepStrictEqual(
      steps.flatMap((event) => (event._tag === "Extra" && event.extra.matters ? [event.extra.field] : [])),
      ["choices[0].logprobs", "choices[1]"]
    )
    assert.deepStrictEqual(
      steps.filter(({ _tag }) => _tag === "Stop"),
      [{ _tag: "Stop", reason: "max-tokens" }]
    )
  })

  it("fails where it breaks off, even behind its reason", () => {
    const { failure, text } = translate(
      eventsOf(chunk({ content: "x" }) + chunk({}, { finish_reason: "stop" })),
      openai,
      openaiCaller,
      context
    )
    assert.strictEqual(failure?.class, "stream-cut")
    assert.notInclude(text, "data: [DONE]")
  })
})

describe("its own callers", () => {
  const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 }
  const frame = (chunk: object) => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", model: "m", ...chunk })}\n\n`

  it("get everything back as they wrote it, in whatever form, with what is unknown in its place", () => {
    const ephemeral = { type: "ephemeral", ttl: "1h", scope: "x" }
    const request = {
      model: "m",
      messages: [
        { role: "system", content: [], note: 1 },
        {
          role: "system",
          name: "ruler",
          content: [
            { type: "text", text: "A", cache_control: ephemeral },
            { type: "image_url", image_url: { url: "https://a.example" } },
            { type: "text", text: "B", foo: 1 }
          ]
        },
        { role: "developer", content: "C", "odd.key": [1, { "[2]": null, deep: {} }] },
        { role: "user", name: "", content: "D", cache_control: { type: "ephemeral" } },
        {
          role: "user",
          content: [
            { type: "text", text: "E" },
            { type: "image_url", image_url: "https://b.example", extra: true },
            { type: "image_url", image_url: { url: "data:IMAGE/PNG;x=1;base64,AAAA", detail: "low", fps: 2 } },
            { type: "file", file: { file_data: "QQ==", filename: "a.txt", file_id: "f" } },
            { type: "video_url", video_url: { url: "https://c.example" } },
            { type: "input_audio", input_audio: { data: "AA", format: "wav" }, cache_control: { type: "ephemeral" } }
          ],
          cache_control: { type: "persistent" }
        },
        { role: "assistant", content: null, function_call: { name: "old", arguments: "{}", foo: 1 } },
        { role: "function", name: "old", content: "result" },
        {
          role: "assistant",
          reasoning: "r",
          reasoning_details: [{ type: "x" }],
          content: [{ type: "refusal", refusal: "no" }],
          refusal: "never",
          audio: { id: "a" },
          annotations: [{ type: "url_citation" }],
          tool_calls: [
            { id: "1", type: "function", function: { name: "f", arguments: { an: "object" }, parsed: 1 }, index: 0 },
            { id: "2", type: "custom", custom: { name: "c", input: "i" } },
            {
              id: "3",
              function: { name: "f", arguments: "" },
              cache_control: { type: "ephemeral" },
              extra_content: { google: { thought_signature: "s", more: 1 } }
            }
          ]
        },
        {
          role: "tool",
          tool_call_id: "1",
          name: "f",
          content: [
            { type: "text", text: "x" },
            { type: "image_url", image_url: { url: "https://d.example" } }
          ],
          status: "ok"
        },
        { role: "system", content: "Later." },
        {
          role: "assistant",
          reasoning_content: "r1",
          thinking_blocks: [
            { type: "thinking", thinking: "", signature: "sig", index: 3 },
            { type: "redacted_thinking", data: "d" },
            { type: "odd" }
          ],
          content: "",
          prefix: true
        }
      ],
      tools: [
        { type: "custom", custom: { name: "c" } },
        {
          type: "function",
          function: { name: "f", description: "", parameters: {}, strict: false, defer: true },
          cache_control: { type: "ephemeral" },
          foo: 1
        },
        { type: "web_search" },
        { function: { name: "g" } }
      ],
      functions: [{ name: "old" }],
      function_call: { name: "old" },
      tool_choice: "any",
      stop: "END",
      max_tokens: 1,
      max_completion_tokens: 2,
      reasoning: { effort: "high", exclude: true },
      reasoning_effort: "low",
      user: "u",
      safety_identifier: "s",
      metadata: { a: "b", "c.d": 5 },
      n: 1,
      top_k: 7,
      response_format: { type: "json_schema", json_schema: { schema: {}, strict: true, foo: 1 }, bar: 2 },
      stream: true,
      stream_options: { include_usage: true, include_obfuscation: false },
      logit_bias: { 5: 1 },
      seed: 9007199254740991
    }
    const { body, losses } = openai.encodeRequest(Result.getOrThrow(openaiCaller.decodeRequest(request)), { model: "m" })
    assert.deepStrictEqual(
      JSON.parse(JSON.stringify(body, (_key, value: unknown) => value ?? undefined)),
      JSON.parse(JSON.stringify(request, (_key, value: unknown) => value ?? undefined))
    )
    assert.deepStrictEqual(losses, [])
  })

  it("are not shown the usage that they did not ask for", () => {
    const stream =
      frame({ choices: [{ index: 0, delta: { content: "x" }, finish_reason: "stop" }] }) +
      frame({ choices: [], usage }) +
      "data: [DONE]\n\n"
    const asked = translate(eventsOf(stream), openai, openaiCaller, context)
    const unasked = translate(eventsOf(stream), openai, openaiCaller, { ...context, includeUsage: false })
    assert.include(asked.text, '"usage":{"prompt_tokens":1')
    assert.notInclude(unasked.text, "usage")
    assert.deepStrictEqual(unasked.usage, asked.usage)
    assert.include(unasked.text, '"content":"x"')
  })

  it("do not bring the stack down with what their host nests", () => {
    const deep = `${"[".repeat(50_000)}${"]".repeat(50_000)}`
    const chunk = `{"id":"c","choices":[{"index":0,"delta":{"content":"x","reasoning_details":${deep}},"logprobs":{"content":[${deep}]}}],"usage":${deep},"x":${deep}}`
    const { failure } = translate(
      [
        { event: "", data: chunk },
        { event: "", data: "[DONE]" }
      ],
      openai,
      openaiCaller,
      context
    )
    assert.isUndefined(failure)
    const whole = { choices: [{ message: { content: JSON.parse(deep), images: [JSON.parse(deep)], tool_calls: JSON.parse(deep) } }] }
    assert.isTrue(Result.isSuccess(openai.decodeAnswer(whole)))
  })

  it("get a call's signature of Gemini's back where they wrote it, unless it is another provider's on its way through", () => {
    const call = {
      id: "a",
      type: "function",
      function: { name: "f", arguments: "{}" },
      extra_content: { google: { thought_signature: "s" } }
    }
    const asked = (more: object) => ({
      model: "m",
      messages: [
        { role: "user", content: "x" },
        { role: "assistant", content: null, tool_calls: [call], ...more }
      ]
    })
    const decoded = Result.getOrThrow(openaiCaller.decodeRequest(asked({})))
    assert.deepStrictEqual(decoded.messages[1]!.parts[0], {
      _tag: "ToolCall",
      id: "a",
      name: "f",
      arguments: "{}",
      at: "messages[1].tool_calls[0]",
      seal: { dialect: "generateContent", data: "s" }
    })
    assert.deepStrictEqual((openai.encodeRequest(decoded, { model: "m" }).body as Any).messages[1].tool_calls, [call])
    // Once at the call, once among the thoughts: one seal, before its call.
    const data = sealText({ dialect: "generateContent", data: "s" }, "messages")
    const twice = Result.getOrThrow(openaiCaller.decodeRequest(asked({ thinking_blocks: [{ type: "redacted_thinking", data }] })))
    assert.deepStrictEqual(
      twice.messages[1]!.parts.map(({ _tag }) => _tag),
      ["SealedReasoning", "ToolCall"]
    )
    assert.notProperty(twice.messages[1]!.parts[1], "seal")
    const { body, losses } = openai.encodeRequest(twice, { model: "m" })
    assert.notInclude(JSON.stringify(body), '"s"')
    assert.deepStrictEqual(
      losses.map(({ field }) => field),
      ["messages[1].thinking_blocks[0]"]
    )
  })

  it("send none of another provider's wrapped thoughts to a host", () => {
    const data = sealText({ dialect: "responses", data: "blob", id: "rs_1" }, "messages")
    const { body, losses } = openai.encodeRequest(
      Result.getOrThrow(
        openaiCaller.decodeRequest({
          model: "m",
          messages: [
            { role: "user", content: "x" },
            { role: "assistant", content: "y", thinking_blocks: [{ type: "redacted_thinking", data }] }
          ]
        })
      ),
      { model: "m" }
    )
    assert.notInclude(JSON.stringify(body), data)
    assert.deepStrictEqual(
      losses.map(({ field }) => field),
      ["messages[1].thinking_blocks[0]"]
    )
  })
})
