import { assert, describe, it } from "@effect/vitest"
import { createParser } from "eventsource-parser"
import * as fc from "fast-check"
import type { SseEvent } from "../src/Dialect.ts"
import { concat, SseSplitter } from "../src/Sse.ts"

const encoder = new TextEncoder()
const lossless = new TextDecoder("utf-8", { ignoreBOM: true })

/** The events that an independent parser reads. */
const parsed = (text: string): ReadonlyArray<SseEvent> => {
  const events: Array<SseEvent> = []
  const parser = createParser({ onEvent: ({ data, event }) => void events.push({ event: event ?? "", data }) })
  parser.feed(text)
  return events
}

const split = (pieces: Iterable<Uint8Array>) => {
  const splitter = new SseSplitter(1 << 20)
  const events: Array<SseEvent> = []
  const blocks: Array<Uint8Array> = []
  const take = (event: SseEvent | undefined, bytes: Uint8Array): void => {
    blocks.push(bytes.slice())
    if (event !== undefined) events.push(event)
  }
  for (const piece of pieces) splitter.push(piece, take)
  const whole = { events: [...events], blocks: blocks.length }
  splitter.end(take)
  return { whole, events, bytes: concat(blocks), blocks }
}

/** `bytes` cut at these places. */
const cutAt = (bytes: Uint8Array, places: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const ends = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...ends].map((start, i) => bytes.subarray(start, ends[i] ?? bytes.length))
}

const word = fc.oneof(
  fc.constantFrom(
    "",
    " ",
    "  x",
    "a: b",
    ":",
    "data: ",
    "[DONE]",
    '{"choices":[]}',
    "é",
    "日本語",
    "😀",
    "\ufeff",
    "\0",
    "\u2028",
    "\u0085"
  ),
  fc.string({ unit: "grapheme", maxLength: 8 }).map((text) => text.replaceAll(/[\r\n]/g, ""))
)
const line = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constantFrom("data: ", "data:"), word).map((parts) => parts.join("")) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom("event: ", "event:"), word).map((parts) => parts.join("")) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom("id: ", "retry: ", ": ", ":", "datum: ", "Data: ", " data: ", "\ufeffdata: "), word)
      .map((parts) => parts.join(""))
  },
  { weight: 1, arbitrary: fc.constantFrom("data", "event", "id", "nothing", ": keep-alive") }
)
const ending = fc.constantFrom("\n", "\n", "\r\n", "\r")
const event = fc.tuple(fc.array(line, { maxLength: 4 }), fc.array(ending, { minLength: 5, maxLength: 5 }))

/** A stream of whole events, with whatever ends its lines. */
const stream = fc
  .record({
    bom: fc.boolean(),
    lead: fc.constantFrom("", "", "\n", "\r\n", "\r"),
    events: fc.array(event, { maxLength: 5 }),
    same: fc.option(ending)
  })
  .map(({ bom, events, lead, same }) => {
    const text = events.map(([lines, endings]) => [...lines, ""].map((line, i) => line + (same ?? endings[i]!)).join("")).join("")
    // A carriage return and a line feed of two lines may have met: the last blank line is one for certain.
    return `${bom ? "\ufeff" : ""}${lead}${text}\n\n`
  })

describe("SseSplitter", () => {
  it("reads the events that eventsource-parser reads, and loses no byte, wherever the stream is cut", () => {
    let events = 0
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 6 }), (text, places) => {
        const bytes = encoder.encode(text)
        const expected = parsed(text)
        events += expected.length
        for (const pieces of [[bytes], cutAt(bytes, places), Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))]) {
          const { bytes: seen, events } = split(pieces)
          assert.deepStrictEqual(events, expected)
          assert.strictEqual(lossless.decode(seen), text)
        }
      }),
      { numRuns: 3_000 }
    )
    assert.isAbove(events, 3_000)
  })

  it("hands each event on as soon as its blank line is certain", () => {
    const splitter = new SseSplitter(100)
    const taken: Array<string> = []
    const push = (text: string) =>
      splitter.push(encoder.encode(text), (event, bytes) => void taken.push(`${event?.data}|${lossless.decode(bytes)}`))
    push("data: a\n")
    assert.deepStrictEqual(taken, [])
    push("\n")
    assert.deepStrictEqual(taken, ["a|data: a\n\n"])
    push("data: b\r\n\r\ndata: c\n\n: ping\n\nda")
    assert.deepStrictEqual(taken.slice(1), ["b|data: b\r\n\r\n", "c|data: c\n\n", "undefined|: ping\n\n"])
  })

  it("gives an unfinished event at the end, and nothing twice", () => {
    const { blocks, events, whole } = split([encoder.encode("data: a\n\ndata: b")])
    assert.deepStrictEqual(whole, { events: [{ event: "", data: "a" }], blocks: 1 })
    assert.deepStrictEqual(events, [
      { event: "", data: "a" },
      { event: "", data: "b" }
    ])
    assert.strictEqual(blocks.length, 2)
  })

  it("knows at the end of the stream that a carriage return ended a line", () => {
    const { blocks, events, whole } = split([encoder.encode("data: a\r\r")])
    assert.deepStrictEqual(whole.events, [], "a line feed may follow, which would belong to it")
    assert.deepStrictEqual(events, [{ event: "", data: "a" }])
    assert.strictEqual(blocks.length, 1)
  })

  it("says when an event has outgrown the limit, and not before", () => {
    const splitter = new SseSplitter(16)
    const nothing = () => {}
    for (let i = 0; i < 10; i++) splitter.push(encoder.encode("data: 1234567\n\n"), nothing)
    assert.isFalse(splitter.overflown)
    splitter.push(encoder.encode("data: 1234567890"), nothing)
    assert.isFalse(splitter.overflown)
    splitter.push(encoder.encode("1"), nothing)
    assert.isTrue(splitter.overflown)
  })
})
