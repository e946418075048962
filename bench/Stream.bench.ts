/**
 * What one chunk of a stream costs: a glance at a forwarded one, and one translated from Messages to Chat Completions, each framed out of bytes.
 */
import { anthropic } from "../src/providers/anthropic.ts"
import { openai, openaiCaller } from "../src/providers/openai.ts"
import { SseSplitter } from "../src/Sse.ts"
import { measure } from "./measure.ts"

const bytesOf = (data: unknown): Uint8Array => new TextEncoder().encode(`data: ${JSON.stringify(data)}\n\n`)

const chunk = bytesOf({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  created: 1,
  model: "m",
  choices: [{ index: 0, delta: { content: " depot" }, logprobs: null, finish_reason: null }]
})
const forwarded = new SseSplitter(1 << 20)
let seen = 0
measure("a forwarded chunk: framed and glanced at", () =>
  forwarded.push(chunk, (event) => {
    if (event !== undefined && openai.peek(event).content) seen++
  })
)

const delta = bytesOf({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: " depot" } })
const start = [
  {
    type: "message_start",
    message: { id: "msg_1", type: "message", role: "assistant", model: "claude", content: [], usage: { input_tokens: 1, output_tokens: 1 } }
  },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }
]
const decode = anthropic.streamDecoder
const encode = openaiCaller.streamEncoder({ id: "chatcmpl-1", model: "m", createdSeconds: 1, includeUsage: false })
let reading: unknown = decode.initial
let writing: unknown = encode.initial
for (const event of start) [reading] = decode.step(reading, { event: event.type, data: JSON.stringify(event) })
const translated = new SseSplitter(1 << 20)
let written = 0
measure("a translated chunk: framed, decoded, encoded", () =>
  translated.push(delta, (event) => {
    if (event === undefined) return
    const [next, events] = decode.step(reading, event)
    reading = next
    for (const step of events) {
      const [after, text] = encode.step(writing, step)
      writing = after
      written += text.length
    }
  })
)
if (seen === 0 || written === 0) throw new Error("nothing was measured")
