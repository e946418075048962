/**
 * Providers of each dialect as scripts: what one says in words, calls and thoughts, written as each of the four APIs writes it, whole and streamed. By the providers' references,
 * and by nothing of the code under test.
 */
import type { DialectName } from "../../../src/Providers.ts"
import { event, type Heard, json, type Script, stream } from "../support.ts"

/** What a provider says. */
export interface Scene {
  readonly thought?: string
  /** Words, in the pieces in which a stream brings them. */
  readonly words?: ReadonlyArray<string>
  readonly calls?: ReadonlyArray<readonly [id: string, name: string, input: Readonly<Record<string, unknown>>]>
  readonly stop?: "end" | "tools" | "max" | "refusal"
}

type Json = Readonly<Record<string, unknown>>

/** What every scene costs: 20 tokens of input, 4 of them cached; 9 of output, 5 of them thoughts where there are any. */
export const costs = { input: 20, cached: 4, output: 9, thoughts: 5 }

const seals: Readonly<Record<DialectName, string>> = {
  "chat.completions": "",
  responses: "gAAAAABencrypted==",
  messages: "EqQBclaude+signature/==",
  generateContent: "CsEBgemini+thought/=="
}
/** What a provider of this dialect seals its thoughts with. */
export const sealOf = (dialect: DialectName): string => seals[dialect]

const textOf = ({ words = [] }: Scene): string => words.join("")
const thoughts = ({ thought }: Scene): number => (thought === undefined ? 0 : costs.thoughts)

// Chat Completions

const chatUsage = (scene: Scene): Json => ({
  prompt_tokens: costs.input,
  completion_tokens: costs.output,
  total_tokens: costs.input + costs.output,
  prompt_tokens_details: { cached_tokens: costs.cached },
  completion_tokens_details: { reasoning_tokens: thoughts(scene) }
})
const chatFinish = { end: "stop", tools: "tool_calls", max: "length", refusal: "stop" } as const
const chatHead = (object: string): Json => ({
  id: "chatcmpl-9",
  object,
  created: 1_760_000_000,
  model: "upstream-chat",
  system_fingerprint: "fp"
})

const chatWhole = (scene: Scene): Json => {
  const { calls = [], stop = "end", thought } = scene
  const text = textOf(scene)
  return {
    ...chatHead("chat.completion"),
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: stop === "refusal" || text === "" ? null : text,
          refusal: stop === "refusal" ? text : null,
          ...(thought === undefined ? {} : { reasoning_content: thought }),
          ...(calls.length === 0
            ? {}
            : {
                tool_calls: calls.map(([id, name, input]) => ({
                  id,
                  type: "function",
                  function: { name, arguments: JSON.stringify(input) }
                }))
              })
        },
        logprobs: null,
        finish_reason: chatFinish[stop]
      }
    ],
    usage: chatUsage(scene)
  }
}

const chatStream = (scene: Scene): ReadonlyArray<string> => {
  const { calls = [], stop = "end", thought, words = [] } = scene
  const chunk = (delta: Json, finish: string | null = null): string =>
    event({ ...chatHead("chat.completion.chunk"), choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] })
  return [
    chunk({ role: "assistant", content: "" }),
    ...(thought === undefined ? [] : [chunk({ reasoning_content: thought })]),
    ...words.map((word) => chunk(stop === "refusal" ? { refusal: word } : { content: word })),
    ...calls.flatMap(([id, name, input], index) => {
      const text = JSON.stringify(input)
      return [
        chunk({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] }),
        chunk({ tool_calls: [{ index, function: { arguments: text.slice(0, 4) } }] }),
        chunk({ tool_calls: [{ index, function: { arguments: text.slice(4) } }] })
      ]
    }),
    chunk({}, chatFinish[stop]),
    event({ ...chatHead("chat.completion.chunk"), choices: [], usage: chatUsage(scene) }),
    event("[DONE]")
  ]
}

// Responses

const responseOutput = ({ calls = [], stop = "end", thought, words = [] }: Scene): ReadonlyArray<Json> => [
  ...(thought === undefined
    ? []
    : [
        {
          id: "rs_1",
          type: "reasoning",
          summary: [{ type: "summary_text", text: thought }],
          encrypted_content: seals.responses,
          status: "completed"
        }
      ]),
  ...(words.length === 0
    ? []
    : [
        {
          id: "msg_1",
          type: "message",
          role: "assistant",
          status: "completed",
          content: [
            stop === "refusal"
              ? { type: "refusal", refusal: words.join("") }
              : { type: "output_text", text: words.join(""), annotations: [], logprobs: [] }
          ]
        }
      ]),
  ...calls.map(([id, name, input], index) => ({
    id: `fc_${index}`,
    type: "function_call",
    call_id: id,
    name,
    arguments: JSON.stringify(input),
    status: "completed"
  }))
]

const responsesWhole = (scene: Scene): Json => ({
  id: "resp_9",
  object: "response",
  created_at: 1_760_000_000,
  status: scene.stop === "max" ? "incomplete" : "completed",
  error: null,
  incomplete_details: scene.stop === "max" ? { reason: "max_output_tokens" } : null,
  instructions: null,
  model: "upstream-responses",
  output: responseOutput(scene),
  parallel_tool_calls: true,
  store: false,
  temperature: 1,
  tool_choice: "auto",
  tools: [],
  top_p: 1,
  truncation: "disabled",
  metadata: {},
  usage: {
    input_tokens: costs.input,
    input_tokens_details: { cached_tokens: costs.cached },
    output_tokens: costs.output,
    output_tokens_details: { reasoning_tokens: thoughts(scene) },
    total_tokens: costs.input + costs.output
  }
})

const responsesStream = (scene: Scene): ReadonlyArray<string> => {
  const whole = responsesWhole(scene)
  let number = 0
  const say = (type: string, more: Json): string => event({ type, sequence_number: number++, ...more }, type)
  const begun = { ...whole, status: "in_progress", output: [], usage: null, incomplete_details: null }
  return [
    say("response.created", { response: begun }),
    say("response.in_progress", { response: begun }),
    ...responseOutput(scene).flatMap((item: any, output_index) => {
      const at = { item_id: item.id, output_index }
      const empty = {
        ...item,
        status: "in_progress",
        ...(item.type === "function_call" ? { arguments: "" } : item.type === "message" ? { content: [] } : { summary: [] })
      }
      const middle: Array<string> = []
      if (item.type === "function_call") {
        middle.push(say("response.function_call_arguments.delta", { ...at, delta: item.arguments.slice(0, 4) }))
        middle.push(say("response.function_call_arguments.delta", { ...at, delta: item.arguments.slice(4) }))
        middle.push(say("response.function_call_arguments.done", { ...at, arguments: item.arguments, name: item.name }))
      } else if (item.type === "reasoning") {
        const place = { ...at, summary_index: 0 }
        middle.push(say("response.reasoning_summary_part.added", { ...place, part: { type: "summary_text", text: "" } }))
        middle.push(say("response.reasoning_summary_text.delta", { ...place, delta: item.summary[0].text }))
        middle.push(say("response.reasoning_summary_text.done", { ...place, text: item.summary[0].text }))
        middle.push(say("response.reasoning_summary_part.done", { ...place, part: item.summary[0] }))
      } else {
        const place = { ...at, content_index: 0 }
        const [part] = item.content
        const refuses = part.type === "refusal"
        middle.push(
          say("response.content_part.added", { ...place, part: refuses ? { type: "refusal", refusal: "" } : { ...part, text: "" } })
        )
        for (const delta of scene.words ?? [])
          middle.push(
            say(refuses ? "response.refusal.delta" : "response.output_text.delta", {
              ...place,
              delta,
              ...(refuses ? {} : { logprobs: [] })
            })
          )
        middle.push(
          refuses
            ? say("response.refusal.done", { ...place, refusal: part.refusal })
            : say("response.output_text.done", { ...place, text: part.text, logprobs: [] })
        )
        middle.push(say("response.content_part.done", { ...place, part }))
      }
      return [
        say("response.output_item.added", { output_index, item: empty }),
        ...middle,
        say("response.output_item.done", { output_index, item })
      ]
    }),
    say(scene.stop === "max" ? "response.incomplete" : "response.completed", { response: whole })
  ]
}

// Messages

const claudeStop = { end: "end_turn", tools: "tool_use", max: "max_tokens", refusal: "refusal" } as const
const claudeBlocks = ({ calls = [], thought, words = [] }: Scene): ReadonlyArray<Json> => [
  ...(thought === undefined ? [] : [{ type: "thinking", thinking: thought, signature: seals.messages }]),
  ...(words.length === 0 ? [] : [{ type: "text", text: words.join("") }]),
  ...calls.map(([id, name, input]) => ({ type: "tool_use", id, name, input }))
]
const claudeInput = { input_tokens: costs.input - costs.cached, cache_read_input_tokens: costs.cached, cache_creation_input_tokens: 0 }

const messagesWhole = (scene: Scene): Json => ({
  id: "msg_9",
  type: "message",
  role: "assistant",
  model: "upstream-messages",
  content: claudeBlocks(scene),
  stop_reason: claudeStop[scene.stop ?? "end"],
  stop_sequence: null,
  usage: { ...claudeInput, output_tokens: costs.output, output_tokens_details: { thinking_tokens: thoughts(scene) } }
})

const messagesStream = (scene: Scene): ReadonlyArray<string> => {
  const say = (type: string, more: Json = {}): string => event({ type, ...more }, type)
  return [
    say("message_start", {
      message: { ...messagesWhole(scene), content: [], stop_reason: null, usage: { ...claudeInput, output_tokens: 1 } }
    }),
    say("ping"),
    ...claudeBlocks(scene).flatMap((block: any, index) => {
      const delta = (more: Json): string => say("content_block_delta", { index, delta: more })
      const input = JSON.stringify(block.input ?? {})
      const [empty, deltas] =
        block.type === "text"
          ? [{ type: "text", text: "" }, (scene.words ?? []).map((text) => delta({ type: "text_delta", text }))]
          : block.type === "thinking"
            ? [
                { type: "thinking", thinking: "", signature: "" },
                [
                  delta({ type: "thinking_delta", thinking: block.thinking }),
                  delta({ type: "signature_delta", signature: block.signature })
                ]
              ]
            : [
                { ...block, input: {} },
                [input.slice(0, 4), input.slice(4)].map((partial_json) => delta({ type: "input_json_delta", partial_json }))
              ]
      return [say("content_block_start", { index, content_block: empty }), ...deltas, say("content_block_stop", { index })]
    }),
    say("message_delta", {
      delta: { stop_reason: claudeStop[scene.stop ?? "end"], stop_sequence: null },
      usage: { output_tokens: costs.output, output_tokens_details: { thinking_tokens: thoughts(scene) } }
    }),
    say("message_stop")
  ]
}

// Gemini

const geminiStop = { end: "STOP", tools: "STOP", max: "MAX_TOKENS", refusal: "SAFETY" } as const
const geminiUsage = (scene: Scene): Json => ({
  promptTokenCount: costs.input,
  cachedContentTokenCount: costs.cached,
  candidatesTokenCount: costs.output - thoughts(scene),
  ...(thoughts(scene) === 0 ? {} : { thoughtsTokenCount: thoughts(scene) }),
  totalTokenCount: costs.input + costs.output
})
const geminiAnswer = (scene: Scene, parts: ReadonlyArray<Json>, last: boolean): Json => ({
  candidates: [{ content: { role: "model", parts }, index: 0, ...(last ? { finishReason: geminiStop[scene.stop ?? "end"] } : {}) }],
  usageMetadata: geminiUsage(scene),
  modelVersion: "upstream-gemini",
  responseId: "r9"
})
const geminiThought = ({ thought }: Scene): ReadonlyArray<Json> => (thought === undefined ? [] : [{ text: thought, thought: true }])
/** The signature stands on what follows the thought. */
const signature = ({ thought }: Scene): Json => (thought === undefined ? {} : { thoughtSignature: seals.generateContent })
const geminiCalls = (scene: Scene): ReadonlyArray<Json> =>
  (scene.calls ?? []).map(([, name, args], index) => ({ functionCall: { name, args }, ...(index === 0 ? signature(scene) : {}) }))

const geminiWhole = (scene: Scene): Json =>
  geminiAnswer(
    scene,
    [
      ...geminiThought(scene),
      ...(scene.words === undefined ? [] : [{ text: textOf(scene), ...(scene.calls === undefined ? signature(scene) : {}) }]),
      ...geminiCalls(scene)
    ],
    true
  )

const geminiStream = (scene: Scene): ReadonlyArray<string> => {
  const { words = [] } = scene
  const pieces: Array<ReadonlyArray<Json>> = [
    ...geminiThought(scene).map((part) => [part]),
    ...words.map((text, index) => [{ text, ...(index === words.length - 1 && scene.calls === undefined ? signature(scene) : {}) }]),
    // Parallel calls come in one chunk.
    ...(scene.calls === undefined ? [] : [geminiCalls(scene)])
  ]
  return pieces.map((parts, index) => `data: ${JSON.stringify(geminiAnswer(scene, parts, index === pieces.length - 1))}\r\n\r\n`)
}

const wholes: Readonly<Record<DialectName, (scene: Scene) => Json>> = {
  "chat.completions": chatWhole,
  responses: responsesWhole,
  messages: messagesWhole,
  generateContent: geminiWhole
}
const streams: Readonly<Record<DialectName, (scene: Scene) => ReadonlyArray<string>>> = {
  "chat.completions": chatStream,
  responses: responsesStream,
  messages: messagesStream,
  generateContent: geminiStream
}

/** The dialect in which a provider was asked, by the address. */
export const dialectOf = (path: string): DialectName =>
  path.includes(":generateContent") || path.includes(":streamGenerateContent")
    ? "generateContent"
    : path.endsWith("/messages")
      ? "messages"
      : path.endsWith("/responses")
        ? "responses"
        : "chat.completions"

const isStream = ({ json: body, path }: Heard): boolean => path.includes(":streamGenerateContent") || body["stream"] === true

/** The pieces in which a provider of a dialect streams a scene. */
export const piecesOf = (dialect: DialectName, scene: Scene): ReadonlyArray<string> => streams[dialect](scene)

/** Plays a scene, in the dialect and the manner in which the provider was asked. */
export const plays =
  (scene: Scene): Script =>
  (response, heard) => {
    const dialect = dialectOf(heard.path)
    const script = isStream(heard) ? stream(streams[dialect](scene)) : json(wholes[dialect](scene))
    script(response, heard)
  }

const errors: Readonly<Record<DialectName, (status: number, message: string) => Json>> = {
  "chat.completions": (status, message) => ({
    error: { message, type: status === 429 ? "rate_limit_error" : "invalid_request_error", param: null, code: null }
  }),
  responses: (status, message) => ({
    error: { message, type: status === 429 ? "rate_limit_error" : "invalid_request_error", param: null, code: null }
  }),
  messages: (status, message) => ({
    type: "error",
    error: { type: status === 429 ? "rate_limit_error" : "invalid_request_error", message },
    request_id: "req_9"
  }),
  generateContent: (status, message) => ({
    error: { code: status, message, status: status === 429 ? "RESOURCE_EXHAUSTED" : "INVALID_ARGUMENT" }
  })
}

/** Refuses, in the shape of the dialect in which it was asked. */
export const refuses =
  (status: number, message: string, headers: Readonly<Record<string, string>> = {}): Script =>
  (response, heard) =>
    json(errors[dialectOf(heard.path)](status, message), { status, headers })(response, heard)

/** Begins to stream a scene and breaks off after these pieces; the connection ends as if all were well. */
export const breaksOff =
  (scene: Scene, after: number): Script =>
  (response, heard) =>
    stream(streams[dialectOf(heard.path)](scene).slice(0, after))(response, heard)
