/**
 * Translated pairs: what OpenAI callers ask and get, beside what Claude is asked and answers, exactly.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import OpenAI from "openai"
import { anthropic } from "../../src/providers/anthropic.ts"
import { openai, openaiCaller } from "../../src/providers/openai.ts"
import { answerPairs } from "../fixtures/anthropic/answers.ts"
import { requestPairs } from "../fixtures/anthropic/requests.ts"
import { streamPairs } from "../fixtures/anthropic/streams.ts"
import { context, dataOf, eventsOf, framesOf, translate } from "./sse.ts"

/** What a client would read off the wire: `undefined` is absence there. */
const wire = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

/** What a chunk says: `null` is absence there too. */
const said = (data: string): unknown => {
  const bare = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(bare)
      : typeof value === "object" && value !== null
        ? Object.fromEntries(Object.entries(value).flatMap(([key, one]) => (one === null ? [] : [[key, bare(one)]])))
        : value
  return data === "[DONE]" ? data : bare(JSON.parse(data))
}

/** The official client, answered with `body`. */
const clientOf = (body: string, contentType: string): OpenAI =>
  new OpenAI({ apiKey: "none", fetch: async () => new Response(body, { headers: { "content-type": contentType } }) })

describe("requests", () => {
  for (const pair of requestPairs) {
    it(pair.name, () => {
      const conversation = Result.getOrThrow(openaiCaller.decodeRequest(pair.openai))
      const { body, losses } = anthropic.encodeRequest(conversation, pair.target)
      assert.deepStrictEqual(wire(body), wire(pair.anthropic))
      assert.deepStrictEqual(losses.map(({ field }) => field).toSorted(), pair.losses.toSorted())
      for (const { reason } of losses) assert.match(reason, /^\S.*[^.]$/)
    })
  }

  // Reasoning and cache hints are Anthropic's: another target is not sent them, the one with a report, the other without, as it changes the bill alone.
  const ofOneProvider = new Set(["a tool loop with its thinking", "a tool loop without its thinking", "cache hints"])
  for (const pair of requestPairs.filter(({ name }) => !ofOneProvider.has(name))) {
    it(`${pair.name}: the same comes out by way of a target of the caller's dialect`, () => {
      const conversation = Result.getOrThrow(openaiCaller.decodeRequest(pair.openai))
      const encoded = openai.encodeRequest(conversation, pair.target)
      const again = Result.getOrThrow(openaiCaller.decodeRequest(wire(encoded.body)))
      const [direct, detour] = [conversation, again].map((one) => anthropic.encodeRequest(one, pair.target))
      assert.deepStrictEqual(wire(detour?.body), wire(direct?.body))
      // What that target left out of it, it has said, by the field or by the message that holds it.
      const told = (detour?.losses.length ?? 0) + encoded.losses.length
      assert.isAtLeast(told, direct?.losses.length ?? 0)
    })
  }
})

describe("answers", () => {
  for (const pair of answerPairs) {
    it(pair.name, async () => {
      const answer = Result.getOrThrow(anthropic.decodeAnswer(pair.anthropic))
      const { body, losses } = openaiCaller.encodeAnswer(answer, context)
      assert.deepStrictEqual(wire(body), wire(pair.openai))
      assert.deepStrictEqual(
        losses.map(({ field }) => field),
        pair.losses
      )
      assert.deepStrictEqual(anthropic.usageOf(pair.anthropic), answer.usage)
      const read = await clientOf(JSON.stringify(body), "application/json").chat.completions.create({ model: "smart", messages: [] })
      assert.deepStrictEqual(wire(read.choices), wire((pair.openai as OpenAI.ChatCompletion).choices))
    })
  }
})

describe("streams", () => {
  for (const pair of streamPairs) {
    it(pair.name, () => {
      const translated = translate(eventsOf(pair.anthropic), anthropic, openaiCaller, context)
      assert.strictEqual(translated.text, pair.openai)
      assert.deepStrictEqual(translated.losses, pair.losses)
      assert.strictEqual(translated.failure?.class, pair.failure)
    })

    it(`${pair.name}: cut at every byte`, () => {
      const bytes = new TextEncoder().encode(pair.anthropic)
      for (let cut = 1; cut < bytes.length; cut++) {
        const events = framesOf([bytes.subarray(0, cut), bytes.subarray(cut)])
        if (translate(events, anthropic, openaiCaller, context).text !== pair.openai) assert.fail(`differs when cut after byte ${cut}`)
      }
      const single = framesOf(Array.from(bytes, (byte) => Uint8Array.of(byte)))
      assert.strictEqual(translate(single, anthropic, openaiCaller, context).text, pair.openai)
    })

    it(`${pair.name}: without usage for a caller who did not ask`, () => {
      const { text } = translate(eventsOf(pair.anthropic), anthropic, openaiCaller, { ...context, includeUsage: false })
      const expected = dataOf(pair.openai)
        .filter((data) => !data.includes('"choices":[],'))
        .map((data) => data.replace(',"usage":null', ""))
      assert.deepStrictEqual(dataOf(text), expected)
    })

    it(`${pair.name}: the official client reads it, and it reads itself`, async () => {
      const failures = pair.failure !== undefined
      const stream = clientOf(pair.openai, "text/event-stream").chat.completions.stream({ model: "smart", messages: [] })
      const read = await stream.finalChatCompletion().then(
        (completion) => ({ completion }),
        (error: unknown) => ({ error })
      )
      assert.strictEqual("error" in read, failures)
      const again = translate(eventsOf(pair.openai), openai, openaiCaller, context)
      assert.strictEqual(again.failure !== undefined, failures)
      if (!failures) assert.deepStrictEqual(dataOf(again.text).map(said), dataOf(pair.openai).map(said))
      // The same stream, forwarded: the glance sees its end, its usage and its failure.
      const glances = eventsOf(pair.openai).map(openai.peek)
      assert.strictEqual(
        glances.some(({ done }) => done),
        !failures
      )
      assert.strictEqual(
        glances.some(({ failure }) => failure !== undefined),
        failures
      )
      assert.deepStrictEqual(glances.findLast(({ usage }) => usage !== undefined)?.usage, failures ? undefined : again.usage)
    })
  }
})
