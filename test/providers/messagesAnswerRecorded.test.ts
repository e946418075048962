/**
 * Recorded answers of Claude, decoded and encoded again for a caller of the same dialect: nothing of them is lost.
 *
 * In scope are the recordings of Anthropic's own API; those of its copies in two clouds ride along.
 */
import Anthropic from "@anthropic-ai/sdk"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import type { SseEvent } from "../../src/Dialect.ts"
import { anthropic, anthropicCaller } from "../../src/providers/anthropic.ts"
import { SseSplitter } from "../../src/Sse.ts"
import { accumulated, type Any, meaning } from "./messagesAnswer.ts"
import { present, recorded } from "./recorded.ts"
import { context, dataOf, eventsOf, translate } from "./sse.ts"

const files = ["anthropic-messages", "vertex-anthropic-messages", "bedrock-anthropic-invoke"]
const report = (what: string, count: number, more = ""): void => console.log(`${what}: ${count}${more}`)

interface Streamed {
  readonly id: string
  readonly events: ReadonlyArray<SseEvent>
}

/** Every recorded stream. A few recordings hold several answers one after another; each is a stream of its own. */
const streamsOf = (file: string): ReadonlyArray<Streamed> =>
  recorded(file).flatMap(({ id, response }) => {
    const { body, status } = response
    if (status !== 200) return []
    // One cloud has frames of its own in place of server-sent events.
    const events: ReadonlyArray<SseEvent> =
      typeof body === "string"
        ? eventsOf(body)
        : Array.isArray(body)
          ? body.map(({ payload }: Any) => ({ event: payload.type, data: JSON.stringify(payload) }))
          : []
    const answers: Array<Array<SseEvent>> = []
    for (const event of events) {
      if ((JSON.parse(event.data) as Any).type === "message_start") answers.push([])
      answers.at(-1)?.push(event)
    }
    return answers.map((events, index) => ({ id: `${id}[${index}]`, events }))
  })

describe.skipIf(!present(...files))("recorded answers of Claude come out as they went in", () => {
  for (const file of files) {
    it(`${file}, whole`, () => {
      let count = 0
      let blocks = 0
      for (const { id, response } of recorded(file)) {
        const body = response.body as Any
        if (response.status !== 200 || body?.type !== "message") continue
        count++
        blocks += body.content.length
        const answer = Result.getOrThrow(anthropic.decodeAnswer(body))
        assert.strictEqual(answer.dialect, "messages")
        const encoded = anthropicCaller.encodeAnswer(answer, context)
        assert.deepStrictEqual(encoded.losses, [], id)
        assert.deepStrictEqual(meaning(JSON.parse(JSON.stringify(encoded.body))), meaning(body), id)
      }
      assert.isAbove(count, 0)
      report(`${file}, whole answers`, count, ` (${blocks} blocks, none skipped)`)
    })

    it(`${file}, streamed`, () => {
      let events = 0
      const streams = streamsOf(file)
      for (const { events: said, id } of streams) {
        const translated = translate(said, anthropic, anthropicCaller, context)
        assert.isUndefined(translated.failure, id)
        assert.deepStrictEqual(translated.losses, [], id)
        assert.deepStrictEqual(meaning(accumulated(eventsOf(translated.text), id)), meaning(accumulated(said, id)), id)
        events += said.length
      }
      assert.isAbove(streams.length, 0)
      report(`${file}, streams`, streams.length, ` (${events} events, none skipped)`)
    })
  }

  it("what comes out of a stream is what the official client reads off it", async () => {
    for (const { events, id } of streamsOf("anthropic-messages")) {
      const { text } = translate(events, anthropic, anthropicCaller, context)
      const client = new Anthropic({
        apiKey: "none",
        fetch: async () => new Response(text, { headers: { "content-type": "text/event-stream" } })
      })
      const read = await client.beta.messages.stream({ model: "m", max_tokens: 1, messages: [] }).finalMessage()
      // The client's own accumulation adds a parsed form beside the blocks.
      const { content: blocks, parsed_output: _, ...message } = JSON.parse(JSON.stringify(read))
      const content = blocks.map((block: Any) => Object.fromEntries(Object.entries(block).filter(([key]) => key !== "parsed_output")))
      const { usage: there, ...expected } = meaning(accumulated(events, id))
      const { usage: here, ...shown } = meaning({ ...message, content })
      assert.deepStrictEqual(shown, expected, id)
      for (const name of ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"])
        assert.strictEqual(here[name], there[name], `${id} ${name}`)
    }
  })

  it("whole and streamed say the same", () => {
    for (const { events, id } of streamsOf("anthropic-messages")) {
      const { text, usage } = translate(events, anthropic, anthropicCaller, context)
      const answer = Result.getOrThrow(anthropic.decodeAnswer(accumulated(events, id)))
      assert.deepStrictEqual(usage, answer.usage, id)
      const again = anthropicCaller.encodeAnswer(answer, context)
      assert.deepStrictEqual(meaning(JSON.parse(JSON.stringify(again.body))), meaning(accumulated(eventsOf(text), id)), id)
    }
  })

  it("a glance at each forwarded event finds the end, the usage and the first content", () => {
    for (const { events, id } of streamsOf("anthropic-messages")) {
      const glances = events.map(anthropic.peek)
      assert.isTrue(glances.at(-1)?.done, id)
      assert.isTrue(
        glances.some(({ content }) => content),
        id
      )
      const told = glances.flatMap(({ usage }) => usage ?? [])
      const { usage } = translate(events, anthropic, anthropicCaller, context)
      assert.strictEqual(Math.max(...told.map(({ outputTokens }) => outputTokens)), usage?.outputTokens, id)
    }
  })

  it("a stream that is cut anywhere gives the same events", () => {
    const streams = recorded("anthropic-messages").flatMap(({ id, response }) =>
      typeof response.body === "string" && response.status === 200 ? [{ id, text: response.body }] : []
    )
    const read = (pieces: ReadonlyArray<Uint8Array>): ReadonlyArray<SseEvent> => {
      const splitter = new SseSplitter(1 << 24)
      const events: Array<SseEvent> = []
      const take = (event: SseEvent | undefined): void => void (event !== undefined && events.push(event))
      for (const piece of pieces) splitter.push(piece, take)
      splitter.end(take)
      return events
    }
    fc.assert(
      fc.property(
        fc.constantFrom(...streams),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 12 }),
        ({ id, text }, cuts) => {
          const bytes = new TextEncoder().encode(text)
          const places = [0, ...cuts.map((cut) => Math.floor(cut * bytes.length)).toSorted((a, b) => a - b), bytes.length]
          const pieces = places.slice(1).map((end, index) => bytes.subarray(places[index], end))
          const [whole, cut] = [eventsOf(text), read(pieces)].map((events) => translate(events, anthropic, anthropicCaller, context))
          assert.deepStrictEqual(cut?.steps, whole?.steps, id)
          assert.strictEqual(cut?.text, whole?.text, id)
        }
      ),
      { numRuns: 120 }
    )
  })

  it("a stream whose connection ends early never ends well", () => {
    for (const { events, id } of streamsOf("anthropic-messages").slice(0, 30)) {
      for (const kept of [0, 1, 2, Math.floor(events.length / 2), events.length - 1]) {
        const { failure, text } = translate(events.slice(0, kept), anthropic, anthropicCaller, context)
        assert.strictEqual(failure?.class, "stream-cut", id)
        assert.notInclude(text, "event: message_stop", id)
        assert.notInclude(text, "event: message_delta", id)
        assert.strictEqual((JSON.parse(dataOf(text).at(-1)!) as Any).type, "error", id)
      }
    }
  })
})
