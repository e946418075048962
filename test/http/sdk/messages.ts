/** The `@anthropic-ai/sdk` library. */
import Anthropic from "@anthropic-ai/sdk"
import { type Driver, line, pixel, type Question, type Seen, weather } from "./driver.ts"

type Params = Anthropic.MessageCreateParamsNonStreaming
type Messages = Params["messages"]

const stops: Readonly<Record<string, string>> = { end_turn: "end", tool_use: "tools", max_tokens: "max", refusal: "refusal" }

const paramsOf = (question: Question, messages: Messages): Params => ({
  model: question.model,
  max_tokens: question.maxTokens ?? 4_096,
  messages,
  ...(question.system === undefined ? {} : { system: question.system }),
  ...(question.tools === undefined
    ? {}
    : { tools: [{ name: weather.name, description: weather.description, input_schema: weather.schema as never }] }),
  ...(question.tools === "only one" ? { tool_choice: { type: "auto", disable_parallel_tool_use: true } } : {}),
  ...(question.tools === "must" ? { tool_choice: { type: "any" } } : {}),
  ...(question.schema === true ? { output_config: { format: { type: "json_schema", schema: line as never } } } : {}),
  ...(question.think === true ? { thinking: { type: "enabled", budget_tokens: 1_024 } } : {})
})

export const messagesDriver = (url: string): Driver => {
  const client = new Anthropic({ apiKey: "k", baseURL: url, maxRetries: 0 })

  const run = async (question: Question, messages: Messages): Promise<Seen> => {
    const params = paramsOf(question, messages)
    let pieces = 1
    let message: Anthropic.Message
    if (question.stream) {
      pieces = 0
      const stream = client.messages.stream(params)
      stream.on("text", () => void pieces++)
      message = await stream.finalMessage()
    } else message = await client.messages.create(params)
    const calls = message.content.filter((block) => block.type === "tool_use")
    const text = message.content.map((block) => (block.type === "text" ? block.text : "")).join("")
    const refuses = message.stop_reason === "refusal"
    const { usage } = message
    return {
      text: refuses ? "" : text,
      thought: message.content.map((block) => (block.type === "thinking" ? block.thinking : "")).join(""),
      refusal: refuses ? text : "",
      calls: calls.map((block) => [block.name, block.input] as const),
      stop: stops[message.stop_reason ?? ""] ?? String(message.stop_reason),
      usage: {
        input: usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
        output: usage.output_tokens
      },
      pieces,
      again: (results) =>
        run(question, [
          ...messages,
          { role: "assistant", content: message.content },
          {
            role: "user",
            content:
              results.length === 0
                ? "And then?"
                : results.map((content, index) => ({ type: "tool_result" as const, tool_use_id: calls[index]!.id, content }))
          }
        ])
    }
  }

  return {
    name: "@anthropic-ai/sdk",
    speaks: "messages",
    ask: (question) =>
      run(question, [
        {
          role: "user",
          content:
            question.image === true
              ? [
                  { type: "text", text: question.text },
                  { type: "image", source: { type: "base64", media_type: "image/png", data: pixel } }
                ]
              : question.text
        }
      ]),
    abandon: async ({ model, text }) => {
      const stream = await client.messages.create({ model, max_tokens: 100, messages: [{ role: "user", content: text }], stream: true })
      for await (const event of stream) if (event.type === "content_block_delta") break
      stream.controller.abort()
    }
  }
}
