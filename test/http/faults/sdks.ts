/** What the official client libraries make of a fault: the class and the status of what they raise, and the words that came before it. */
import Anthropic from "@anthropic-ai/sdk"
import { GoogleGenAI } from "@google/genai"
import OpenAI from "openai"
import type { DialectName } from "../../../src/Providers.ts"

/** What the user of a library sees. */
export interface Raised {
  /** The name of the class; `none` where nothing was raised. */
  readonly class: string
  readonly status: number | undefined
  readonly message: string
  readonly text: string
}

/** Asks `model`, whole or streamed, and says what came of it. */
export type Library = (model: string, streamed: boolean) => Promise<Raised>

const question = "Which way?"
const key = "anna-secret-0123456789"

const outcomeOf = async (ask: (say: (text: string) => void) => Promise<void>): Promise<Raised> => {
  let text = ""
  try {
    await ask((piece) => {
      text += piece
    })
    return { class: "none", status: 200, message: "", text }
  } catch (error) {
    const { message, status } = error as Error & { readonly status?: number }
    return { class: (error as Error).constructor.name, status, message, text }
  }
}

/** The four libraries at a gateway, with the retries that they make of their own: none, or what they do where nobody says. */
export const librariesAt = (url: string, retries?: 0): Readonly<Record<DialectName, Library>> => {
  const more = retries === undefined ? {} : { maxRetries: retries }
  const openai = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, ...more })
  const anthropic = new Anthropic({ apiKey: key, baseURL: url, ...more })
  const google = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: `${url}/genai` } })
  return {
    "chat.completions": (model, streamed) =>
      outcomeOf(async (say) => {
        const messages: Array<OpenAI.ChatCompletionMessageParam> = [{ role: "user", content: question }]
        if (!streamed) return say((await openai.chat.completions.create({ model, messages })).choices[0]?.message.content ?? "")
        for await (const chunk of await openai.chat.completions.create({ model, messages, stream: true }))
          say(chunk.choices[0]?.delta.content ?? "")
      }),
    responses: (model, streamed) =>
      outcomeOf(async (say) => {
        if (!streamed) return say((await openai.responses.create({ model, input: question })).output_text)
        for await (const event of await openai.responses.create({ model, input: question, stream: true }))
          if (event.type === "response.output_text.delta") say(event.delta)
      }),
    messages: (model, streamed) =>
      outcomeOf(async (say) => {
        const ask = { model, max_tokens: 100, messages: [{ role: "user" as const, content: question }] }
        const textOf = (block: Anthropic.ContentBlock): string => (block.type === "text" ? block.text : "")
        if (!streamed) return say((await anthropic.messages.create(ask)).content.map(textOf).join(""))
        for await (const event of await anthropic.messages.create({ ...ask, stream: true }))
          if (event.type === "content_block_delta" && event.delta.type === "text_delta") say(event.delta.text)
      }),
    generateContent: (model, streamed) =>
      outcomeOf(async (say) => {
        const ask = { model, contents: question, config: { maxOutputTokens: 100 } }
        if (!streamed) return say((await google.models.generateContent(ask)).text ?? "")
        for await (const chunk of await google.models.generateContentStream(ask)) say(chunk.text ?? "")
      })
  }
}
