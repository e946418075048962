/** The `@google/genai` library. */
import {
  type Content,
  FunctionCallingConfigMode,
  type GenerateContentConfig,
  type GenerateContentResponse,
  GoogleGenAI
} from "@google/genai"
import { type Driver, line, pixel, type Question, type Seen, weather } from "./driver.ts"

const stops: Readonly<Record<string, string>> = { STOP: "end", MAX_TOKENS: "max", SAFETY: "refusal" }

const configOf = (question: Question): GenerateContentConfig => ({
  ...(question.system === undefined ? {} : { systemInstruction: question.system }),
  ...(question.tools === undefined
    ? {}
    : {
        tools: [{ functionDeclarations: [{ name: weather.name, description: weather.description, parametersJsonSchema: weather.schema }] }]
      }),
  ...(question.tools === "must" ? { toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } } } : {}),
  ...(question.schema === true ? { responseMimeType: "application/json", responseJsonSchema: line } : {}),
  ...(question.think === true ? { thinkingConfig: { thinkingBudget: 1_024, includeThoughts: true } } : {}),
  ...(question.maxTokens === undefined ? {} : { maxOutputTokens: question.maxTokens })
})

export const geminiDriver = (url: string): Driver => {
  const client = new GoogleGenAI({ apiKey: "k", httpOptions: { baseUrl: `${url}/genai` } })

  const run = async (question: Question, contents: Array<Content>): Promise<Seen> => {
    const params = { model: question.model, contents, config: configOf(question) }
    let pieces = 1
    const answers: Array<GenerateContentResponse> = []
    if (question.stream) {
      pieces = 0
      for await (const chunk of await client.models.generateContentStream(params)) {
        answers.push(chunk)
        if (
          chunk.candidates?.[0]?.content?.parts?.some((part) => part.text !== undefined && part.text !== "" && part.thought !== true) ===
          true
        )
          pieces++
      }
    } else answers.push(await client.models.generateContent(params))
    const parts = answers.flatMap((answer) => answer.candidates?.[0]?.content?.parts ?? [])
    const calls = parts.flatMap((part) => (part.functionCall === undefined ? [] : [part.functionCall]))
    const reason = answers.findLast((answer) => answer.candidates?.[0]?.finishReason !== undefined)?.candidates?.[0]?.finishReason
    const usage = answers.findLast((answer) => answer.usageMetadata !== undefined)?.usageMetadata
    const text = parts.map((part) => (part.thought === true ? "" : (part.text ?? ""))).join("")
    const refuses = reason === "SAFETY"
    return {
      text: refuses ? "" : text,
      thought: parts.map((part) => (part.thought === true ? (part.text ?? "") : "")).join(""),
      refusal: refuses ? text : "",
      calls: calls.map((call) => [call.name ?? "", call.args] as const),
      stop: calls.length > 0 ? "tools" : (stops[reason ?? ""] ?? String(reason)),
      usage: usage && { input: usage.promptTokenCount ?? 0, output: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0) },
      pieces,
      again: (results) =>
        run(question, [
          ...contents,
          { role: "model", parts },
          {
            role: "user",
            parts:
              results.length === 0
                ? [{ text: "And then?" }]
                : results.map((output, index) => {
                    const { id, name = "" } = calls[index]!
                    return { functionResponse: { name, response: { output }, ...(id === undefined ? {} : { id }) } }
                  })
          }
        ])
    }
  }

  return {
    name: "@google/genai",
    speaks: "generateContent",
    ask: (question) =>
      run(question, [
        {
          role: "user",
          parts: [{ text: question.text }, ...(question.image === true ? [{ inlineData: { mimeType: "image/png", data: pixel } }] : [])]
        }
      ]),
    abandon: async ({ model, text }) => {
      const controller = new AbortController()
      const stream = await client.models.generateContentStream({ model, contents: text, config: { abortSignal: controller.signal } })
      for await (const chunk of stream) if (chunk.text) break
      controller.abort()
    }
  }
}
