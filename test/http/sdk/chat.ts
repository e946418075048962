/** The `openai` library, Chat Completions. */
import OpenAI from "openai"
import { type Driver, line, pixel, type Question, type Seen, weather } from "./driver.ts"

type Params = OpenAI.ChatCompletionCreateParamsNonStreaming
type Messages = Params["messages"]

const stops: Readonly<Record<string, string>> = { stop: "end", tool_calls: "tools", length: "max", content_filter: "refusal" }

const paramsOf = (question: Question, messages: Messages): Params => ({
  model: question.model,
  messages,
  ...(question.tools === undefined
    ? {}
    : {
        tools: [
          { type: "function", function: { name: weather.name, description: weather.description, parameters: weather.schema as never } }
        ]
      }),
  ...(question.tools === "only one" ? { parallel_tool_calls: false } : {}),
  ...(question.tools === "must" ? { tool_choice: "required" } : {}),
  ...(question.schema === true
    ? { response_format: { type: "json_schema", json_schema: { name: "line", schema: line as never, strict: true } } }
    : {}),
  ...(question.think === true ? { reasoning_effort: "low" } : {}),
  ...(question.maxTokens === undefined ? {} : { max_completion_tokens: question.maxTokens })
})

export const chatDriver = (url: string): Driver => {
  const client = new OpenAI({ apiKey: "k", baseURL: `${url}/v1`, maxRetries: 0 })

  const run = async (question: Question, messages: Messages): Promise<Seen> => {
    const params = paramsOf(question, messages)
    let pieces = 1
    let completion: OpenAI.ChatCompletion
    if (question.stream) {
      pieces = 0
      const stream = client.chat.completions.stream({ ...params, stream: true, stream_options: { include_usage: true } })
      stream.on("content", () => void pieces++)
      completion = await stream.finalChatCompletion()
      const usage = await stream.totalUsage()
      completion = { ...completion, usage: completion.usage ?? usage }
    } else completion = await client.chat.completions.create(params)
    const [choice] = completion.choices
    const message = choice!.message as OpenAI.ChatCompletionMessage & { readonly reasoning_content?: string }
    const calls = (message.tool_calls ?? []).filter((call) => call.type === "function")
    return {
      text: message.content ?? "",
      thought: message.reasoning_content ?? "",
      refusal: message.refusal ?? "",
      calls: calls.map(({ function: called }) => [called.name, JSON.parse(called.arguments) as unknown] as const),
      stop: message.refusal ? "refusal" : (stops[choice!.finish_reason] ?? choice!.finish_reason),
      usage: completion.usage && { input: completion.usage.prompt_tokens, output: completion.usage.completion_tokens },
      pieces,
      again: (results) =>
        run(question, [
          ...messages,
          message,
          ...results.map((content, index) => ({ role: "tool" as const, tool_call_id: calls[index]!.id, content })),
          ...(results.length === 0 ? [{ role: "user" as const, content: "And then?" }] : [])
        ])
    }
  }

  return {
    name: "openai, chat",
    speaks: "chat.completions",
    ask: (question) =>
      run(question, [
        ...(question.system === undefined ? [] : [{ role: "system" as const, content: question.system }]),
        {
          role: "user",
          content:
            question.image === true
              ? [
                  { type: "text", text: question.text },
                  { type: "image_url", image_url: { url: `data:image/png;base64,${pixel}` } }
                ]
              : question.text
        }
      ]),
    abandon: async ({ model, text }) => {
      const stream = await client.chat.completions.create({ model, messages: [{ role: "user", content: text }], stream: true })
      for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break
      stream.controller.abort()
    }
  }
}
