/**
 * Recorded answers of Gemini, at AI Studio and Vertex AI: each decodes and, written again for a caller of the same dialect with the original out of reach, means the same.
 *
 * What means the same is decided here, from the JSON alone: protocol buffers leave out what is zero or empty, so an index, a count of 0 and empty arguments are as if they were not there.
 * A stream is what a client puts together of it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { gemini, geminiCaller } from "../../src/providers/gemini.ts"
import { SseSplitter } from "../../src/Sse.ts"
import type { SseEvent } from "../../src/Dialect.ts"
import { present, recorded, type Recorded } from "./recorded.ts"
import { context, dataOf, eventsOf, translate } from "./sse.ts"

type Json = Record<string, unknown>

const files = ["gemini-generate-content", "vertex-generate-content"]

const wire = <A>(value: A): A => JSON.parse(JSON.stringify(value)) as A
const list = (value: unknown): ReadonlyArray<Json> => (Array.isArray(value) ? (value as ReadonlyArray<Json>) : [])

/** Without what protocol buffers leave out. */
const lean = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(lean)
  if (typeof value !== "object" || value === null) return value
  const kept = Object.entries(value).flatMap(([key, found]): ReadonlyArray<readonly [string, unknown]> => {
    const held = lean(found)
    const empty = typeof held === "object" && held !== null && Object.keys(held).length === 0
    if ((key === "index" || key.endsWith("TokenCount")) && held === 0) return []
    return empty && (key === "args" || key === "parts" || key === "content") ? [] : [[key, held]]
  })
  return Object.fromEntries(kept)
}

/** The arguments of a call whose pieces were streamed, each by its path. */
const assemble = (pieces: ReadonlyArray<Json>): Json => {
  const root: Json = {}
  for (const { jsonPath, ...rest } of pieces) {
    const keys =
      String(jsonPath)
        .slice(1)
        .match(/[^.[\]]+/g) ?? []
    let at = root
    keys.forEach((key, i) => {
      const next = keys[i + 1]
      if (next !== undefined) at = (at[key] ??= /^\d+$/.test(next) ? [] : {}) as Json
      else if ("stringValue" in rest) at[key] = String(at[key] ?? "") + String(rest["stringValue"])
      else at[key] = "nullValue" in rest ? null : (rest["numberValue"] ?? rest["boolValue"])
    })
  }
  return root
}

/** What a client has at the end of a stream: the parts in order, texts joined, and the last of everything else. */
const gathered = (chunks: ReadonlyArray<Json>): unknown => {
  const parts: Array<Json> = []
  const rest: Json = {}
  const candidate: Json = {}
  let pieces: Array<Json> | undefined
  for (const { candidates, usageMetadata, ...top } of chunks) {
    Object.assign(rest, top)
    if (typeof (usageMetadata as Json | undefined)?.["promptTokenCount"] === "number") rest["usageMetadata"] = usageMetadata
    for (const { content, ...fields } of list(candidates)) {
      Object.assign(candidate, fields)
      for (const part of list((content as Json | undefined)?.["parts"])) {
        const { text, thought, thoughtSignature, ...more } = part
        const call = more["functionCall"] as Json | undefined
        if (call !== undefined) {
          const { partialArgs, willContinue, ...said } = call
          if ("name" in call) {
            pieces = undefined
            const begun: Json = { functionCall: said, ...(thoughtSignature === undefined ? {} : { thoughtSignature }) }
            parts.push(begun)
            if (willContinue === true) {
              pieces = []
              // Filled when all pieces are there.
              Object.defineProperty(begun, "toJSON", { enumerable: false, value: undefined })
              begun["pieces"] = pieces
            }
          }
          pieces?.push(...list(partialArgs))
        } else if (text === undefined) parts.push(part)
        else {
          const last = parts.at(-1)
          if (text !== "" && last !== undefined && "text" in last && last["thought"] === thought)
            last["text"] = `${String(last["text"])}${String(text)}`
          else if (text !== "") parts.push({ text, thought, ...more })
          if (thoughtSignature !== undefined) parts.push({ signs: thoughtSignature, thought })
        }
      }
    }
  }
  const whole = parts.map(({ pieces: given, ...part }) =>
    given === undefined ? part : { ...part, functionCall: { ...(part["functionCall"] as Json), args: assemble(list(given)) } }
  )
  return lean(wire({ ...rest, candidate, parts: whole }))
}

const chunksOf = (text: string): ReadonlyArray<Json> => dataOf(text).map((data) => JSON.parse(data) as Json)

/** Ids that were made for calls without one. */
const withoutMadeIds = (text: string): string => text.replaceAll(/"id":"call_1_\d+",/g, "")

const contextOf = (body: unknown) => ({ ...context, model: String((body as Json)["modelVersion"]) })

const succeeded = ({ response }: Recorded): boolean => response.status < 300

for (const file of files.filter((name) => present(name))) {
  const exchanges = recorded(file)
  const whole = exchanges.filter((one) => succeeded(one) && typeof one.response.body !== "string")
  const streamed = exchanges.filter((one) => succeeded(one) && typeof one.response.body === "string")

  describe(`${file}: whole`, () => {
    it("there are some", () => {
      assert.isAtLeast(whole.length, 57)
      assert.isAtLeast(streamed.length, 9)
      assert.strictEqual(exchanges.length, whole.length + streamed.length + exchanges.filter((one) => !succeeded(one)).length)
    })

    for (const { id, response } of whole) {
      it(id, () => {
        const { body } = response
        const answer = Result.getOrThrow(gemini.decodeAnswer(wire(body)))
        assert.deepStrictEqual(gemini.usageOf(body), answer.usage)
        assert.isUndefined(gemini.failureIn(body))
        const written = geminiCaller.encodeAnswer(wire(answer), contextOf(body))
        assert.deepStrictEqual(written.losses, [])
        const again = wire(written.body) as Json
        // A caller who misses these is given them: the id of the call, the model that was asked for, the sum of the counts.
        if (!("responseId" in (body as Json))) delete again["responseId"]
        if (!("modelVersion" in (body as Json))) delete again["modelVersion"]
        const counted = (body as Json)["usageMetadata"] as Json | undefined
        if (counted !== undefined && !("totalTokenCount" in counted))
          delete (again["usageMetadata"] as Json | undefined)?.["totalTokenCount"]
        assert.deepStrictEqual(lean(again), lean(body))
      })
    }
  })

  describe(`${file}: streamed`, () => {
    for (const { id, response } of streamed) {
      const text = response.body as string
      const events = eventsOf(text)

      it(id, () => {
        const chunks = chunksOf(text)
        const translated = translate(events, gemini, geminiCaller, contextOf(chunks[0]))
        assert.isUndefined(translated.failure)
        assert.deepStrictEqual(translated.losses, [])
        assert.deepStrictEqual(gathered(chunksOf(withoutMadeIds(translated.text))), gathered(chunks))
        // Exactly one `Stop` and one end, and calls that all end.
        const count = (tag: string) => translated.steps.filter(({ _tag }) => _tag === tag).length
        assert.deepStrictEqual([count("Start"), count("Stop"), count("End")], [1, 1, 1])
        assert.strictEqual(count("ToolCallStart"), count("ToolCallEnd"))
        // The same stream, forwarded: the glance sees its content, its end and its usage.
        const glances = events.map(gemini.peek)
        assert.isTrue(glances.at(-1)?.mayEnd)
        assert.isFalse(glances.some(({ done, failure }) => done || failure !== undefined))
        assert.deepStrictEqual(glances.findLast(({ usage }) => usage !== undefined)?.usage, translated.usage)
        assert.strictEqual(
          glances.some(({ content }) => content),
          translated.steps.some(({ _tag }) => /Delta|ToolCallStart|Whole|Seal/.test(_tag))
        )
      })

      it(`${id}: cut anywhere, and cut short`, () => {
        const bytes = new TextEncoder().encode(text)
        fc.assert(
          fc.property(fc.array(fc.nat({ max: bytes.length }), { maxLength: 12 }), (cuts) => {
            const splitter = new SseSplitter(1 << 23)
            const found: Array<SseEvent> = []
            const take = (event: SseEvent | undefined) => void (event === undefined ? undefined : found.push(event))
            let from = 0
            for (const to of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
              splitter.push(bytes.subarray(from, to), take)
              from = to
            }
            splitter.end(take)
            assert.deepStrictEqual(found, [...events])
          }),
          { numRuns: 10 }
        )
        // Without its last event the stream has no reason to end.
        const cut = translate(events.slice(0, -1), gemini, geminiCaller, context)
        assert.strictEqual(cut.failure?.class, "stream-cut")
        assert.isUndefined(cut.usage)
        assert.notInclude(cut.text, "finishReason")
      })
    }
  })

  describe(`${file}: errors`, () => {
    const classes: Readonly<Record<string, string>> = {
      "rx-1809a8d7d29c8a782c8c": "auth",
      "rx-7432429cca40da20dc91": "auth",
      "rx-26bfe21c2e12e4622711": "auth",
      "rx-bce39b912e8e7336242a": "auth",
      "rx-cf75062bd376477ff603": "rate-limited",
      "rx-830cc22d3cd233a38ff1": "bad-request",
      "rx-8c839ab1c6088e78fbf0": "context-length"
    }
    for (const { id, response } of exchanges.filter((one) => !succeeded(one))) {
      it(id, () => {
        const failure = gemini.classify(response.status, response.body, response.headers)
        assert.strictEqual(failure.class, classes[id])
        assert.strictEqual(failure.retryAfterMillis, response.status === 429 ? 48_000 : undefined)
      })
    }
  })
}
