/**
 * Recorded traffic of Chat Completions through its own dialect: what is decoded and encoded again says the same, field for field and chunk for chunk.
 *
 * Nothing but `null` is taken away on either side before they are compared: the API reads it as absence, and so do its clients.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { Extra } from "../../src/Conversation.ts"
import { openai, openaiCaller } from "../../src/providers/openai.ts"
import { present, recorded } from "./recorded.ts"
import { context, dataOf, eventsOf, framesOf, translate } from "./sse.ts"

type Any = any

const files = ["openai-chat", "compat-openai-chat", "azure-openai-chat", "gemini-openai-chat"]

/** A JSON value without its nulls in objects. */
const bare = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(bare)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).flatMap(([key, one]) => (one === null || one === undefined ? [] : [[key, bare(one)]])))
}

/** No message, choice or piece of one is kept as it came: what it says lies in the model. */
const heldWhole = (extras: ReadonlyArray<Extra>, whole: RegExp): ReadonlyArray<string> =>
  extras.flatMap(({ field, value }) => (whole.test(field) && !["{}", "[]"].includes(JSON.stringify(value)) ? [field] : []))

/** What is sent on the wire, read again. */
const wire = (value: unknown): unknown => bare(JSON.parse(JSON.stringify(value)))

/** Freezes a value and all in it, so that nothing can hide in it. */
const frozen = <A>(value: A): A => {
  if (typeof value === "object" && value !== null) {
    Object.freeze(value)
    Object.values(value).forEach(frozen)
  }
  return value
}

/** A request as far as the target may not change it: which model, and whether usage is asked for, the gateway decides. */
const asked = ({ model: _model, stream, stream_options: options, ...body }: Any): unknown => {
  const { include_usage: _usage, ...others } = options ?? {}
  return bare({ ...body, ...(stream === true ? { stream } : {}), ...(Object.keys(others).length === 0 ? {} : { stream_options: others }) })
}

describe.skipIf(!present(...files))("recorded traffic of Chat Completions, in its own dialect", () => {
  for (const file of files) {
    it(`${file}: requests`, () => {
      let count = 0
      const refused: Array<string> = []
      for (const { id, request, response } of recorded(file)) {
        const body = request?.body as Any
        if (!Array.isArray(body?.messages)) continue
        const given = frozen({ model: "deployment", ...body })
        const decoded = openaiCaller.decodeRequest(given)
        if (Result.isFailure(decoded)) {
          // The provider refused it as well.
          assert.isAtLeast(response.status, 400, `${id}: ${decoded.failure.path}`)
          refused.push(`${id} ${decoded.failure.path}`)
          continue
        }
        const { body: again, losses } = openai.encodeRequest(
          JSON.parse(JSON.stringify(decoded.success, keepUndefined), restoreUndefined) as never,
          { model: "other" }
        )
        assert.deepStrictEqual(heldWhole(decoded.success.extras, /^(?:messages|tools)$|^messages\[\d+\]$/), [], id)
        assert.deepStrictEqual(asked(wire(again)), asked(given), id)
        assert.deepStrictEqual(losses, [], id)
        count++
      }
      assert.isAbove(count, 0)
      console.log(`${file}: ${count} requests (refused here and there: ${refused.join(", ") || "none"})`)
    })

    it(`${file}: whole answers`, () => {
      let count = 0
      let odd = 0
      for (const { id, response } of recorded(file)) {
        const body = response.body as Any
        if (response.status !== 200 || typeof body !== "object") continue
        const decoded = openai.decodeAnswer(frozen(body))
        if (Result.isFailure(decoded)) {
          // A chunk of a stream that a recorder has kept as a whole answer.
          assert.isUndefined(body.choices?.[0]?.message, `${id}: ${decoded.failure.message}`)
          odd++
          continue
        }
        const { body: again, losses } = openaiCaller.encodeAnswer(decoded.success, context)
        assert.deepStrictEqual(heldWhole(decoded.success.extras, /^choices(?:\[0\](?:\.message)?)?$/), [], id)
        assert.deepStrictEqual(wire(again), bare(body), id)
        assert.deepStrictEqual(losses, [], id)
        count++
      }
      console.log(`${file}: ${count} whole answers (${odd} are none)`)
    })

    it(`${file}: streams, chunk for chunk, and cut anywhere`, () => {
      let count = 0
      const failed: Array<string> = []
      for (const { id, response, stream } of recorded(file)) {
        if (!stream || typeof response.body !== "string" || response.status !== 200) continue
        const { failure, losses, steps, text } = translate(eventsOf(response.body), openai, openaiCaller, context)
        const before = dataOf(response.body)
        const after = dataOf(text)
        const chunks = (data: ReadonlyArray<string>) => data.filter((one) => one !== "[DONE]").map((one) => bare(JSON.parse(one)))
        if (failure !== undefined) {
          // The provider itself ended it with an error; the caller reads the gateway's.
          assert.isDefined((JSON.parse(before.at(-1)!) as Any).error, id)
          assert.deepStrictEqual(chunks(after).slice(0, -1), chunks(before).slice(0, -1), id)
          failed.push(id)
          continue
        }
        assert.deepStrictEqual(chunks(after), chunks(before), id)
        assert.deepStrictEqual(
          heldWhole(
            steps.flatMap((step) => (step._tag === "Extra" ? [step.extra] : [])),
            /^choices(?:\[0\](?:\.delta)?)?$/
          ),
          [],
          id
        )
        assert.strictEqual(after.at(-1), "[DONE]", id)
        assert.deepStrictEqual(losses, [], id)
        const bytes = new TextEncoder().encode(response.body)
        const every = Math.max(1, Math.floor(bytes.length / 40))
        for (let cut = 1; cut < bytes.length; cut += every) {
          const cutText = translate(framesOf([bytes.subarray(0, cut), bytes.subarray(cut)]), openai, openaiCaller, context).text
          if (cutText !== text) assert.fail(`${id} differs when cut after byte ${cut}`)
        }
        count++
      }
      console.log(`${file}: ${count} streams (ended by the provider with an error: ${failed.join(", ") || "none"})`)
    })
  }
})

/** JSON has no `undefined`, which an extra needs to say that a field is not there. */
const mark = "\u0000undefined"
const keepUndefined = (_key: string, value: unknown): unknown => (value === undefined ? mark : value)
const restoreUndefined = function (this: Any, key: string, value: unknown): unknown {
  if (value === mark) this[key] = undefined
  return value === mark ? undefined : value
}
