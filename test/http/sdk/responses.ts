/** The `openai` library, Responses. */
import OpenAI from "openai"
import { type Driver, line, pixel, type Question, type Seen, weather } from "./driver.ts"

type Params = OpenAI.Responses.ResponseCreateParamsNonStreaming
type Input = OpenAI.Responses.ResponseInput

const paramsOf = (question: Question, input: Input): Params => ({
  model: question.model,
  input,
  store: false,
  ...(question.system === undefined ? {} : { instructions: question.system }),
  ...(question.tools === undefined
    ? {}
    : {
        tools: [
          { type: "function", name: weather.name, description: weather.description, parameters: weather.schema as never, strict: false }
        ]
      }),
  ...(question.tools === "only one" ? { parallel_tool_calls: false } : {}),
  ...(question.tools === "must" ? { tool_choice: "required" } : {}),
  ...(question.schema === true ? { text: { format: { type: "json_schema", name: "line", schema: line as never, strict: true } } } : {}),
  ...(question.think === true ? { reasoning: { effort: "low", summary: "auto" }, include: ["reasoning.encrypted_content"] } : {}),
  ...(question.maxTokens === undefined ? {} : { max_output_tokens: question.maxTokens })
})

export const responsesDriver = (url: string): Driver => {
  const client = new OpenAI({ apiKey: "k", baseURL: `${url}/v1`, maxRetries: 0 })

  const run = async (question: Question, input: Input): Promise<Seen> => {
    const params = paramsOf(question, input)
    let pieces = 1
    let response: OpenAI.Responses.Response
    if (question.stream) {
      pieces = 0
      const stream = client.responses.stream({ ...params, stream: true } as never)
      stream.on("response.output_text.delta", () => void pieces++)
      response = (await stream.finalResponse()) as OpenAI.Responses.Response
    } else response = await client.responses.create(params)
    const calls = response.output.filter((item) => item.type === "function_call")
    const parts = response.output.flatMap((item) => (item.type === "message" ? item.content : []))
    const refusal = parts.map((part) => (part.type === "refusal" ? part.refusal : "")).join("")
    return {
      text: response.output_text ?? parts.map((part) => (part.type === "output_text" ? part.text : "")).join(""),
      thought: response.output.flatMap((item) => (item.type === "reasoning" ? item.summary.map(({ text }) => text) : [])).join(""),
      refusal,
      calls: calls.map((call) => [call.name, JSON.parse(call.arguments) as unknown] as const),
      stop:
        response.status === "incomplete"
          ? response.incomplete_details?.reason === "max_output_tokens"
            ? "max"
            : "refusal"
          : calls.length > 0
            ? "tools"
            : refusal === ""
              ? "end"
              : "refusal",
      usage: response.usage === undefined ? undefined : { input: response.usage.input_tokens, output: response.usage.output_tokens },
      pieces,
      again: (results) =>
        run(question, [
          ...input,
          ...(response.output as Input),
          ...results.map((output, index) => ({ type: "function_call_output" as const, call_id: calls[index]!.call_id, output })),
          ...(results.length === 0 ? [{ role: "user" as const, content: "And then?" }] : [])
        ])
    }
  }

  return {
    name: "openai, responses",
    speaks: "responses",
    ask: (question) =>
      run(question, [
        {
          role: "user",
          content:
            question.image === true
              ? [
                  { type: "input_text", text: question.text },
                  { type: "input_image", detail: "auto", image_url: `data:image/png;base64,${pixel}` }
                ]
              : question.text
        }
      ]),
    abandon: async ({ model, text }) => {
      const stream = await client.responses.create({ model, input: text, stream: true })
      for await (const event of stream) if (event.type === "response.output_text.delta") break
      stream.controller.abort()
    }
  }
}
