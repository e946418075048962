/**
 * Recorded answers and streams of the Responses API, decoded and encoded again with the original out of reach.
 *
 * What must come back is read off the original JSON by the functions here, which know nothing of the code under test.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { OpenAI } from "openai"
import type { AnswerContext, SseEvent } from "../../src/Dialect.ts"
import { responses, responsesCaller } from "../../src/providers/responses.ts"
import { SseSplitter } from "../../src/Sse.ts"
import { present, recorded } from "./recorded.ts"
import { eventsOf, translate } from "./sse.ts"

type Any = any

const files = ["openai-responses", "azure-openai-responses", "compat-openai-responses"]
const list = (value: Any): ReadonlyArray<Any> => (Array.isArray(value) ? value : [])
const report = (what: string, count: number, more = ""): void => console.log(`${what}: ${count}${more}`)

/** JSON in which absence is absence: no null members, no counts of nothing, no sign of zero, keys in order. */
const plain = (value: Any): Any => {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== "object" || value === null) return value === 0 ? 0 : value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, held]) => held !== null && !(key === "cache_write_tokens" && held === 0))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, held]) => [key, plain(held)])
  )
}

const contextOf = (model: unknown): AnswerContext => ({
  id: "1",
  model: String(model),
  createdSeconds: 1,
  includeUsage: true,
  request: { model: "smart", instructions: "the caller's", tools: [] }
})

/** What a stream says, by its events alone. */
interface Told {
  readonly created: Any
  readonly final: Any
  readonly end: string | undefined
  readonly items: ReadonlyArray<Any>
  readonly added: ReadonlyArray<string>
  /** Concatenated deltas, by what and where they are. */
  readonly deltas: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, ReadonlyArray<Any>>>
}

const deltaKinds: Readonly<Record<string, string>> = {
  "response.output_text.delta": "content_index",
  "response.refusal.delta": "content_index",
  "response.reasoning_text.delta": "content_index",
  "response.reasoning_summary_text.delta": "summary_index",
  "response.function_call_arguments.delta": ""
}

const gather = (events: ReadonlyArray<SseEvent>): Told => {
  let created: Any
  let final: Any
  let end: string | undefined
  const items: Array<Any> = []
  const added: Array<string> = []
  const deltas: Record<string, string> = {}
  const annotations: Record<string, Array<Any>> = {}
  for (const { data } of events) {
    if (data === "[DONE]") continue
    const said = JSON.parse(data) as Any
    const index = deltaKinds[said.type]
    if (index !== undefined) {
      const key = `${said.output_index} ${said.type} ${index === "" ? 0 : said[index]}`
      deltas[key] = (deltas[key] ?? "") + said.delta
    }
    if (said.type === "response.created") created = said.response
    if (["response.completed", "response.incomplete", "response.failed", "error"].includes(said.type)) {
      end ??= said.type
      final = said.response
    }
    if (said.type === "response.output_item.added") added.push(`${said.output_index} ${said.item.type}`)
    if (said.type === "response.output_item.done") items[said.output_index] = said.item
    if (said.type === "response.output_text.annotation.added")
      (annotations[`${said.output_index} ${said.content_index}`] ??= [])[said.annotation_index] = said.annotation
  }
  return { created, final, end, items, added, deltas, annotations }
}

/** Checks that events come in the order of the API, by a stack of what has begun. */
const grammar = (events: ReadonlyArray<SseEvent>, id: string): void => {
  const open = new Map<number, { readonly item: Any; part: string | undefined; text: string; count: number }>()
  let next = 0
  let over = false
  for (const [number, { data, event }] of events.entries()) {
    const said = JSON.parse(data) as Any
    assert.strictEqual(said.type, event, id)
    assert.strictEqual(said.sequence_number, number, id)
    assert.isFalse(over, id)
    if (number === 0) assert.strictEqual(said.type, "response.created", id)
    if (number === 1) assert.strictEqual(said.type, "response.in_progress", id)
    const held = open.get(said.output_index)
    if (said.item_id !== undefined) assert.strictEqual(said.item_id, held?.item.id, id)
    const text = said.text ?? said.refusal ?? said.arguments
    switch (said.type.split(".").at(-1)) {
      case "added":
        if (said.type.includes("output_item")) {
          assert.strictEqual(said.output_index, next++, id)
          open.set(said.output_index, { item: said.item, part: undefined, text: "", count: 0 })
        } else if (said.type.includes("annotation")) assert.strictEqual(held!.part, "output_text", id)
        else {
          assert.isUndefined(held!.part, `${id}: a part begins inside another`)
          if (held!.item.type === "message") assert.strictEqual(said.content_index, held!.count, id)
          held!.count++
          held!.text = ""
          held!.part = said.part.type
        }
        break
      case "delta":
        assert.isDefined(held, id)
        if (held!.item.type !== "function_call") assert.isDefined(held!.part, `${id}: a delta outside a part`)
        held!.text += said.delta
        break
      case "done":
        if (said.type.includes("output_item")) {
          assert.isUndefined(held!.part, `${id}: an item ends before its part`)
          assert.strictEqual(said.item.id, held!.item.id, id)
          open.delete(said.output_index)
        } else if (text !== undefined) assert.strictEqual(text, held!.text, `${id}: a part is not its deltas`)
        else held!.part = undefined
        break
      case "completed":
      case "incomplete":
        assert.strictEqual(open.size, 0, `${id}: the response ends before its items`)
        assert.strictEqual(said.response.output.length, next, id)
        over = true
    }
  }
  assert.isTrue(over, id)
}

/** The final response as OpenAI's SDK accumulates it. */
const accumulated = async (text: string): Promise<Any> => {
  const client = new OpenAI({
    apiKey: "none",
    maxRetries: 0,
    fetch: () => Promise.resolve(new Response(text, { headers: { "content-type": "text/event-stream" } }))
  })
  return client.responses.stream({ model: "smart", input: "x" }).finalResponse()
}

/** OpenAI encrypts reasoning anew each time that it tells an item, so what the item's own event says stands for all of them. */
const sameCipher = (final: Any, items: ReadonlyArray<Any>): Any => ({
  ...final,
  output: list(final.output).map((item, index) =>
    item.encrypted_content === undefined ? item : { ...item, encrypted_content: items[index]?.encrypted_content }
  )
})

/** Why the response of the last event is not compared with what the provider said there. */
const contradicted: Readonly<Record<string, string>> = {
  "rx-0a2e5776f2ac8b17f8b4": "`response.output[0].id`: OpenRouter gives an item another id in the last event than in its own"
}

interface Stream {
  readonly id: string
  readonly text: string
  readonly events: ReadonlyArray<SseEvent>
}

/** The streams of a file. Of some exchanges the recorder kept two turns behind each other: they are two streams. */
const streamsOf = (file: string): ReadonlyArray<Stream> =>
  recorded(file)
    .filter(({ response, stream }) => stream && response.status === 200)
    .flatMap(({ id, response }) =>
      (response.body as string)
        .split(/(?<=\n\r?\n)(?=event: response\.created\r?\n)/)
        .filter((text) => text.includes("response.created"))
        .map((text) => ({ id, text, events: eventsOf(text) }))
    )

describe.skipIf(!present(...files))("recorded answers of the Responses API", () => {
  for (const file of files) {
    it(`${file}: whole answers come back as they were`, () => {
      let count = 0
      for (const { id, response, stream } of recorded(file)) {
        const body = response.body as Any
        if (stream || response.status !== 200) continue
        count++
        const answer = JSON.parse(JSON.stringify(Result.getOrThrow(responses.decodeAnswer(body)))) as Any
        const encoded = responsesCaller.encodeAnswer(answer, contextOf(body.model))
        assert.deepStrictEqual(plain(encoded.body), plain(body), id)
        assert.deepStrictEqual(encoded.losses, [], id)
        const read = answer.usage
        if (body.usage === null) assert.isUndefined(read, id)
        else {
          assert.strictEqual(read.inputTokens, body.usage.input_tokens, id)
          assert.strictEqual(read.inputTokens + read.outputTokens, body.usage.total_tokens, id)
          assert.strictEqual(read.reasoningTokens, body.usage.output_tokens_details.reasoning_tokens, id)
          assert.strictEqual(read.cachedInputTokens, body.usage.input_tokens_details.cached_tokens, id)
        }
        assert.strictEqual(responses.failureIn(body), undefined, id)
        assert.deepStrictEqual(responses.usageOf(body), read, id)
      }
      assert.isAbove(count, 0)
      report(`${file}, whole answers that come back`, count)
    })

    it(`${file}: streams come back as they were, in the order of the API`, async () => {
      let count = 0
      const skipped: Array<string> = []
      for (const { events, id } of streamsOf(file)) {
        const there = gather(events)
        const { failure, losses, text } = translate(events, responses, responsesCaller, contextOf(there.created.model))
        count++
        if (there.end === "error") {
          assert.strictEqual(failure?.class, "quota-exhausted", id)
          assert.match(text, /^event: error\ndata: \{"type":"error","code":"upstream_quota_exhausted",/)
          continue
        }
        assert.isUndefined(failure, id)
        assert.deepStrictEqual(losses, [], id)
        const again = eventsOf(text)
        const here = gather(again)
        grammar(again, id)
        // A response that waits in the provider's queue has begun for its caller.
        assert.deepStrictEqual(plain(here.created), plain({ ...there.created, status: "in_progress" }), id)
        assert.deepStrictEqual(here.added, there.added, id)
        assert.deepStrictEqual(plain(here.items), plain(there.items), id)
        assert.deepStrictEqual(here.annotations, there.annotations, id)
        for (const [place, said] of Object.entries(there.deltas)) assert.strictEqual(here.deltas[place], said, `${id} ${place}`)
        assert.strictEqual(here.end, there.end, id)
        if (contradicted[id] === undefined) assert.deepStrictEqual(plain(here.final), plain(sameCipher(there.final, there.items)), id)
        else skipped.push(`${id} ${contradicted[id]}`)
        const { output_text: _text, parsed: _parsed, ...sdk } = await accumulated(text)
        assert.deepStrictEqual(
          list(sdk.output).map(({ id: one, type }) => [one, type]),
          list(here.final.output).map(({ id: one, type }) => [one, type]),
          id
        )
        assert.strictEqual(sdk.status, here.final.status, id)
      }
      assert.isAbove(count, 0)
      report(`${file}, streams that come back`, count, skipped.length === 0 ? "" : ` (the last event not compared: ${skipped.join("; ")})`)
    }, 60_000)
  }

  it("a stream cut anywhere says the same", () => {
    const streams = files.flatMap(streamsOf).map(({ text }) => new TextEncoder().encode(text))
    const decoded = (pieces: ReadonlyArray<Uint8Array>) => {
      const events: Array<SseEvent> = []
      const splitter = new SseSplitter(8 * 1024 * 1024)
      const take = (event: SseEvent | undefined): void => void (event !== undefined && events.push(event))
      for (const piece of pieces) splitter.push(piece, take)
      splitter.end(take)
      return translate(events, responses, responsesCaller, contextOf("m"))
    }
    const whole = streams.map((bytes) => decoded([bytes]))
    fc.assert(
      fc.property(fc.nat(streams.length - 1), fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 }), (which, cuts) => {
        const bytes = streams[which]!
        const at = [0, ...cuts.map((cut) => Math.floor(cut * bytes.length)).toSorted((a, b) => a - b), bytes.length]
        const pieces = at.slice(1).map((end, index) => bytes.subarray(at[index], end))
        const { steps, text } = decoded(pieces)
        assert.strictEqual(text, whole[which]!.text)
        assert.deepStrictEqual(steps, whole[which]!.steps)
      }),
      { numRuns: 200 }
    )
  })

  it("a stream whose connection ends early never ends well", () => {
    let count = 0
    for (const { events, id } of files.flatMap(streamsOf)) {
      const last = events.findIndex(({ data }) => /^\{"type":"(?:response\.(?:completed|incomplete)|error)"/.test(data))
      for (const cut of [0, 1, 2, Math.floor(last / 2), last]) {
        if (cut < 0) continue
        const { failure, steps, text } = translate(events.slice(0, cut), responses, responsesCaller, contextOf("m"))
        assert.strictEqual(failure?.class, "stream-cut", id)
        assert.strictEqual(steps.filter(({ _tag }) => _tag === "End" || _tag === "Failed").length, 1, id)
        assert.notMatch(text, /^event: response\.(?:completed|incomplete)/m, id)
        count++
      }
    }
    assert.isAbove(count, 100)
  })

  it("a glance finds usage, end and failure of every recorded stream", () => {
    let count = 0
    for (const { events, id } of files.flatMap(streamsOf)) {
      const { end, final } = gather(events)
      const seen = events.map(responses.peek)
      const first = seen.findIndex(({ done, failure }) => done || failure !== undefined)
      if (end === "error") {
        assert.strictEqual(seen[first]!.failure?.class, "quota-exhausted", id)
        continue
      }
      count++
      assert.isTrue(seen[first]!.done, id)
      assert.strictEqual(seen[first]!.usage?.inputTokens, final.usage.input_tokens, id)
      assert.strictEqual(seen[first]!.usage?.outputTokens, final.usage.total_tokens - final.usage.input_tokens, id)
      assert.strictEqual(
        seen.some(({ content }) => content),
        list(final.output).length > 0,
        id
      )
      // Without the `event:` line a glance sees the same.
      assert.deepStrictEqual(
        events.filter(({ data }) => data !== "[DONE]").map(({ data }) => responses.peek({ event: "", data }).done),
        events.flatMap(({ data }, index) => (data === "[DONE]" ? [] : [seen[index]!.done])),
        id
      )
    }
    assert.isAbove(count, 60)
  })

  it("errors are classified by what they say", () => {
    const classes = files
      .flatMap(recorded)
      .filter(({ response }) => response.status >= 400)
      .map(({ response }) => responses.classify(response.status, response.body, response.headers).class)
    assert.deepStrictEqual(new Set(classes), new Set(["bad-request", "auth"]))
  })
})
