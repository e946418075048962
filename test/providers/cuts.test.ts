/**
 * Where the network cuts a stream changes nothing: every recorded stream byte by byte, and the shortest of each file cut in two at every place, through the splitter, the decoder and the
 * encoders of the other dialects.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Dialect, SseEvent } from "../../src/Dialect.ts"
import { anthropic, anthropicCaller } from "../../src/providers/anthropic.ts"
import { gemini, geminiCaller } from "../../src/providers/gemini.ts"
import { openai, openaiCaller } from "../../src/providers/openai.ts"
import { responses, responsesCaller } from "../../src/providers/responses.ts"
import { SseSplitter } from "../../src/Sse.ts"
import { present, recorded } from "./recorded.ts"
import { context, eventsOf, translate } from "./sse.ts"

const dialects: Readonly<Record<string, Dialect>> = {
  "openai-chat": openai,
  "compat-openai-chat": openai,
  "azure-openai-chat": openai,
  "openai-responses": responses,
  "compat-openai-responses": responses,
  "azure-openai-responses": responses,
  "anthropic-messages": anthropic,
  "gemini-generate-content": gemini,
  "vertex-generate-content": gemini
}
const callers = [openaiCaller, responsesCaller, anthropicCaller, geminiCaller]
const encoder = new TextEncoder()

/** The events of these pieces, as the gateway frames them. */
const framed = (pieces: Iterable<Uint8Array>): ReadonlyArray<SseEvent> => {
  const events: Array<SseEvent> = []
  const take = (event: SseEvent | undefined): void => void (event === undefined ? 0 : events.push(event))
  const splitter = new SseSplitter(1 << 24)
  for (const piece of pieces) splitter.push(piece, take)
  splitter.end(take)
  return events
}

const bytewise = function* (bytes: Uint8Array): Generator<Uint8Array> {
  for (let i = 0; i < bytes.length; i++) yield bytes.subarray(i, i + 1)
}

for (const [file, dialect] of Object.entries(dialects)) {
  describe.skipIf(!present(file))(`streams of ${file}`, () => {
    const streams = recorded(file)
      .filter(({ response }) => typeof response.body === "string" && response.status === 200)
      .map(({ id, response }) => ({ id, text: response.body as string, bytes: encoder.encode(response.body as string) }))

    it("byte by byte", () => {
      for (const { bytes, id, text } of streams) assert.deepStrictEqual(framed(bytewise(bytes)), eventsOf(text), id)
      console.log(`${file}: ${streams.length} streams byte by byte`)
      assert.isNotEmpty(streams)
    })

    it("cut in two at every place, translated for every caller", () => {
      const { bytes, id } = streams.toSorted((a, b) => a.bytes.length - b.bytes.length)[0]!
      const whole = framed([bytes])
      const said = callers.map((caller) => translate(whole, dialect, caller, context).text)
      for (let at = 0; at <= bytes.length; at++) {
        const events = framed([bytes.subarray(0, at), bytes.subarray(at)])
        assert.deepStrictEqual(events, whole, `${id} at ${at}`)
        if (at % 16 === 0)
          assert.deepStrictEqual(
            callers.map((caller) => translate(events, dialect, caller, context).text),
            said,
            `${id} at ${at}`
          )
      }
    })
  })
}
