/**
 * What one chunk of a stream costs: a glance at a forwarded one, and one translated from each dialect into each other, each framed out of bytes.
 *
 * The limit is 10 µs of CPU for a translated chunk.
 */
import { type CallerDialect, type Dialect, type DialectName, dialectNames } from "../src/Dialect.ts"
import { anthropic, anthropicCaller } from "../src/providers/anthropic.ts"
import { gemini, geminiCaller } from "../src/providers/gemini.ts"
import { openai, openaiCaller } from "../src/providers/openai.ts"
import { responses, responsesCaller } from "../src/providers/responses.ts"
import { SseSplitter } from "../src/Sse.ts"
import { measure } from "./measure.ts"

const targets: Readonly<Record<DialectName, Dialect>> = {
  "chat.completions": openai,
  responses,
  messages: anthropic,
  generateContent: gemini
}
const callers: Readonly<Record<DialectName, CallerDialect>> = {
  "chat.completions": openaiCaller,
  responses: responsesCaller,
  messages: anthropicCaller,
  generateContent: geminiCaller
}

type Json = Readonly<Record<string, unknown>>

/** How a stream begins, and one of its chunks with a piece of text. */
const streams: Readonly<Record<DialectName, { readonly start: ReadonlyArray<Json>; readonly text: Json }>> = {
  "chat.completions": {
    start: [
      {
        id: "chatcmpl-1",
        object: "chat.completion.chunk",
        created: 1,
        model: "m",
        choices: [{ index: 0, delta: { role: "assistant", content: "" }, logprobs: null, finish_reason: null }]
      }
    ],
    text: {
      id: "chatcmpl-1",
      object: "chat.completion.chunk",
      created: 1,
      model: "m",
      choices: [{ index: 0, delta: { content: " depot" }, logprobs: null, finish_reason: null }]
    }
  },
  responses: {
    start: [
      { type: "response.created", sequence_number: 0, response: { id: "resp_1", object: "response", model: "m", output: [] } },
      {
        type: "response.output_item.added",
        sequence_number: 1,
        output_index: 0,
        item: { id: "msg_1", type: "message", role: "assistant", content: [] }
      },
      {
        type: "response.content_part.added",
        sequence_number: 2,
        item_id: "msg_1",
        output_index: 0,
        content_index: 0,
        part: { type: "output_text", text: "", annotations: [] }
      }
    ],
    text: {
      type: "response.output_text.delta",
      sequence_number: 3,
      item_id: "msg_1",
      output_index: 0,
      content_index: 0,
      delta: " depot",
      logprobs: []
    }
  },
  messages: {
    start: [
      {
        type: "message_start",
        message: {
          id: "msg_1",
          type: "message",
          role: "assistant",
          model: "claude",
          content: [],
          usage: { input_tokens: 1, output_tokens: 1 }
        }
      },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }
    ],
    text: { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: " depot" } }
  },
  generateContent: {
    start: [],
    text: {
      candidates: [{ content: { parts: [{ text: " depot" }], role: "model" }, index: 0 }],
      usageMetadata: { promptTokenCount: 9, totalTokenCount: 9, promptTokensDetails: [{ modality: "TEXT", tokenCount: 9 }] },
      modelVersion: "m",
      responseId: "r1"
    }
  }
}

const bytesOf = (data: Json): Uint8Array => {
  const event = typeof data["type"] === "string" ? `event: ${data["type"]}\n` : ""
  return new TextEncoder().encode(`${event}data: ${JSON.stringify(data)}\n\n`)
}

for (const name of dialectNames) {
  const splitter = new SseSplitter(1 << 20)
  const { peek } = targets[name]
  const chunk = bytesOf(streams[name].text)
  let seen = 0
  measure(`${name}: a forwarded chunk, framed and glanced at`, () =>
    splitter.push(chunk, (event) => {
      if (event !== undefined && peek(event).content) seen++
    })
  )
  if (seen === 0) throw new Error(`${name}: no content was seen`)
}

for (const from of dialectNames) {
  for (const to of dialectNames) {
    if (from === to) continue
    const decode = targets[from].streamDecoder
    const encode = callers[to].streamEncoder({ id: "1", model: "m", createdSeconds: 1, includeUsage: false, request: {} })
    const splitter = new SseSplitter(1 << 20)
    let reading: unknown = decode.initial
    let writing: unknown = encode.initial
    let written = 0
    const push = (bytes: Uint8Array): void =>
      splitter.push(bytes, (event) => {
        if (event === undefined) return
        const [next, events] = decode.step(reading, event)
        reading = next
        for (const step of events) {
          const [after, text] = encode.step(writing, step)
          writing = after
          written += text.length
        }
      })
    for (const event of streams[from].start) push(bytesOf(event))
    const chunk = bytesOf(streams[from].text)
    measure(`${from} → ${to}: a translated chunk`, () => push(chunk))
    if (written === 0) throw new Error(`${from} → ${to}: nothing was written`)
  }
}
