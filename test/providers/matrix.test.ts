/**
 * Every pair of caller and target: recorded requests, answers and streams of one dialect through the translation into each other one. What must be preserved is read off the
 * JSON on both sides by `said.ts` and `told.ts`; what is missing must stand among the losses. The run prints how many pass and what is lost.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { CallerDialect, Dialect } from "../../src/Dialect.ts"
import { type DialectName, dialectNames } from "../../src/Providers.ts"
import { anthropic, anthropicCaller } from "../../src/providers/anthropic.ts"
import { gemini, geminiCaller } from "../../src/providers/gemini.ts"
import { openai, openaiCaller } from "../../src/providers/openai.ts"
import { responses, responsesCaller } from "../../src/providers/responses.ts"
import { missingOf, untoldOf } from "./compare.ts"
import { present, recorded } from "./recorded.ts"
import { said } from "./said.ts"
import { context, eventsOf, translate } from "./sse.ts"
import { told, toldByStream } from "./told.ts"

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
const models: Readonly<Record<DialectName, ReadonlyArray<string>>> = {
  "chat.completions": ["gpt-5.4"],
  responses: ["gpt-5.4"],
  messages: ["claude-sonnet-4-5", "claude-opus-4-8"],
  generateContent: ["gemini-2.5-flash", "gemini-3-pro-preview"]
}
const files: Readonly<Record<DialectName, ReadonlyArray<string>>> = {
  "chat.completions": ["openai-chat", "compat-openai-chat", "azure-openai-chat", "gemini-openai-chat"],
  responses: ["openai-responses", "compat-openai-responses", "azure-openai-responses"],
  messages: ["anthropic-messages"],
  generateContent: ["gemini-generate-content", "vertex-generate-content"]
}

// A recorded body has whatever shape its client gave it.
type Any = any

const others = (name: DialectName): ReadonlyArray<DialectName> => dialectNames.filter((other) => other !== name)

/** How a model thinks where nobody says so. */
const byItself = (model: string): "on" | "off" | undefined =>
  model.startsWith("gemini") ? "on" : model.startsWith("claude") ? "off" : undefined

const tally = (losses: ReadonlyMap<string, number>): string =>
  [...losses]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, 14)
    .map(([field, count]) => `${field} ×${count}`)
    .join(", ") || "nothing"

const counting = (losses: Map<string, number>, field: string): void => {
  const kind = field.replace(/\[\d+\]/g, "[n]")
  losses.set(kind, (losses.get(kind) ?? 0) + 1)
}

/** The model and the manner of a request, which the address may name. */
const askOf = (url: string, body: Any) => ({
  model: /models\/([^:/?]+)/.exec(url)?.[1] ?? (typeof body.model === "string" ? body.model : "deployment"),
  stream: /:stream/.test(url) || body.stream === true
})

for (const from of dialectNames) {
  for (const file of files[from]) {
    describe.skipIf(!present(file))(`${file} through the translation`, () => {
      for (const to of others(from)) {
        for (const model of models[to]) {
          it(`requests to ${to}, ${model}`, () => {
            let count = 0
            let refused = 0
            const losses = new Map<string, number>()
            const faults: Array<string> = []
            for (const { id, request, response } of recorded(file)) {
              const body = request?.body as Any
              if (
                typeof body !== "object" ||
                body === null ||
                !(Array.isArray(body.messages) || body.contents !== undefined || body.input !== undefined)
              )
                continue
              const ask = askOf((request as Any).url ?? "", body)
              const decoded = callers[from].decodeRequest(from === "generateContent" ? body : { model: ask.model, ...body }, ask)
              if (Result.isFailure(decoded)) {
                if (response.status < 400) faults.push(`${id}: refused here alone: ${decoded.failure.path}: ${decoded.failure.message}`)
                refused++
                continue
              }
              count++
              const encoded = targets[to].encodeRequest(decoded.success, { model })
              const lost = encoded.losses.map(({ field }) => field)
              for (const field of lost) counting(losses, field)
              for (const { field, reason } of encoded.losses)
                if (field === "" || reason === "") faults.push(`${id}: a loss without a name or a reason`)
              // A schema or an argument that shares a big number with nobody is compared as plain JSON.
              const here = JSON.parse(JSON.stringify(encoded.body)) as unknown
              for (const fault of missingOf(said[from](body), said[to](here), lost, byItself(model))) faults.push(`${id}: ${fault}`)
            }
            console.log(`${file} → ${to} (${model}), requests: ${count} (refused here and there ${refused}; lost: ${tally(losses)})`)
            assert.isAbove(count, 0)
            assert.deepStrictEqual(faults.slice(0, 12), [], `${faults.length} faults`)
          })
        }

        it(`answers to callers of ${to}`, () => {
          let whole = 0
          let streamed = 0
          const losses = new Map<string, number>()
          const faults: Array<string> = []
          for (const { id, response } of recorded(file)) {
            const { body } = response as Any
            if (response.status !== 200 || body === null) continue
            if (typeof body === "object") {
              const decoded = targets[from].decodeAnswer(body)
              if (Result.isFailure(decoded)) {
                if (targets[from].failureIn(body) === undefined) faults.push(`${id}: ${decoded.failure.message}`)
                continue
              }
              whole++
              const encoded = callers[to].encodeAnswer(decoded.success, context)
              const lost = encoded.losses.map(({ field }) => field)
              for (const field of lost) counting(losses, field)
              for (const fault of untoldOf(told[from](body), told[to](encoded.body), lost)) faults.push(`${id}: ${fault}`)
            } else {
              const translated = translate(eventsOf(body), targets[from], callers[to], context)
              if (translated.failure !== undefined) {
                if (!/error|"failed"/i.test(body) && translated.failure.class !== "stream-cut")
                  faults.push(`${id}: ${translated.failure.message}`)
                continue
              }
              streamed++
              for (const field of translated.losses) counting(losses, field)
              for (const fault of untoldOf(toldByStream[from](body), toldByStream[to](translated.text), translated.losses))
                faults.push(`${id}: ${fault}`)
            }
          }
          console.log(`${file} → ${to}, answers: ${whole} whole, ${streamed} streams (lost: ${tally(losses)})`)
          assert.isAbove(whole + streamed, 0)
          assert.deepStrictEqual(faults.slice(0, 12), [], `${faults.length} faults`)
        })
      }
    })
  }
}
