/** The `ai` library, over its OpenAI provider (which asks by Responses) and its Anthropic provider. */
import { createAnthropic } from "@ai-sdk/anthropic"
import { createOpenAI } from "@ai-sdk/openai"
import { generateText, jsonSchema, type LanguageModel, type ModelMessage, Output, streamText, tool } from "ai"
import { type Driver, line, pixel, type Question, type Seen, weather } from "./driver.ts"

const stops: Readonly<Record<string, string>> = { stop: "end", "tool-calls": "tools", length: "max", "content-filter": "refusal" }

const thinking = {
  openai: { reasoningEffort: "low", reasoningSummary: "auto", store: false, include: ["reasoning.encrypted_content"] },
  anthropic: { thinking: { type: "enabled", budgetTokens: 1_024 } }
} as const

const driverOf = (name: string, speaks: Driver["speaks"], modelOf: (name: string) => LanguageModel): Driver => {
  const settingsOf = (question: Question, messages: Array<ModelMessage>) => ({
    model: modelOf(question.model),
    messages,
    maxRetries: 0,
    ...(question.system === undefined ? {} : { instructions: question.system }),
    ...(question.maxTokens === undefined ? {} : { maxOutputTokens: question.maxTokens }),
    ...(question.tools === undefined
      ? {}
      : { tools: { [weather.name]: tool({ description: weather.description, inputSchema: jsonSchema(weather.schema as never) }) } }),
    ...(question.tools === "must" ? { toolChoice: "required" as const } : {}),
    ...(question.schema === true ? { output: Output.object({ schema: jsonSchema(line as never) }) } : {}),
    providerOptions: {
      openai: {
        store: false,
        ...(question.tools === "only one" ? { parallelToolCalls: false } : {}),
        ...(question.think === true ? thinking.openai : {})
      },
      anthropic: {
        ...(question.tools === "only one" ? { disableParallelToolUse: true } : {}),
        ...(question.think === true ? thinking.anthropic : {})
      }
    }
  })

  const run = async (question: Question, messages: Array<ModelMessage>): Promise<Seen> => {
    const settings = settingsOf(question, messages) as unknown as Parameters<typeof generateText>[0]
    let pieces = 1
    let failure: unknown
    const result = question.stream
      ? await (async () => {
          pieces = 0
          const stream = streamText({ ...settings, onError: ({ error }: { error: unknown }) => void (failure = error) } as never)
          for await (const text of stream.textStream) if (text !== "") pieces++
          if (failure !== undefined) throw failure
          return {
            text: await stream.text,
            reasoningText: await stream.reasoningText,
            toolCalls: await stream.toolCalls,
            finishReason: await stream.finishReason,
            usage: await stream.usage,
            response: await stream.response
          }
        })()
      : await generateText(settings)
    const { toolCalls } = result
    return {
      text: result.finishReason === "content-filter" ? "" : result.text,
      thought: result.reasoningText ?? "",
      refusal: result.finishReason === "content-filter" ? result.text : "",
      calls: toolCalls.map((call) => [call.toolName, call.input as unknown] as const),
      stop: stops[result.finishReason] ?? result.finishReason,
      usage: { input: result.usage.inputTokens ?? 0, output: result.usage.outputTokens ?? 0 },
      pieces,
      again: (results) =>
        run(question, [
          ...messages,
          ...result.response.messages,
          results.length === 0
            ? { role: "user", content: "And then?" }
            : {
                role: "tool",
                content: results.map((value, index) => ({
                  type: "tool-result" as const,
                  toolCallId: toolCalls[index]!.toolCallId,
                  toolName: toolCalls[index]!.toolName,
                  output: { type: "text" as const, value }
                }))
              }
        ])
    }
  }

  return {
    name,
    speaks,
    ask: (question) =>
      run(question, [
        {
          role: "user",
          content:
            question.image === true
              ? [
                  { type: "text", text: question.text },
                  { type: "file", data: pixel, mediaType: "image/png" }
                ]
              : question.text
        }
      ]),
    abandon: async ({ model, text }) => {
      const controller = new AbortController()
      const stream = streamText({ model: modelOf(model), prompt: text, abortSignal: controller.signal, maxRetries: 0, onError: () => {} })
      for await (const words of stream.textStream) if (words !== "") break
      controller.abort()
    }
  }
}

export const aiOpenaiDriver = (url: string): Driver => {
  const provider = createOpenAI({ apiKey: "k", baseURL: `${url}/v1` })
  // What a model can do the library reads off its name.
  return driverOf("ai, openai", "responses", (name) => provider(`gpt-5-${name}`))
}

export const aiAnthropicDriver = (url: string): Driver => {
  const provider = createAnthropic({ apiKey: "k", baseURL: `${url}/v1` })
  return driverOf("ai, anthropic", "messages", (name) => provider(`claude-sonnet-4-5-${name}`))
}
