/**
 * The table of caller × target × feature: each thing that a dialect can say goes through the translation into every other one, and is found there by an independent reader, or
 * what has become of it stands among the losses. The run prints the table; a cell that nothing explains fails.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import type { CallerDialect, Dialect, Loss } from "../../src/Dialect.ts"
import { type DialectName, dialectNames } from "../../src/Providers.ts"
import { anthropic, anthropicCaller } from "../../src/providers/anthropic.ts"
import { gemini, geminiCaller } from "../../src/providers/gemini.ts"
import { openai, openaiCaller } from "../../src/providers/openai.ts"
import { responses, responsesCaller } from "../../src/providers/responses.ts"
import { answerFeatures, streamOf } from "../fixtures/answers.ts"
import { plain, requestFeatures } from "../fixtures/features.ts"
import { missingOf, untoldOf } from "./compare.ts"
import { said } from "./said.ts"
import { besides } from "./saidBeside.ts"
import { context, eventsOf, translate } from "./sse.ts"
import { told, type Told, toldByStream } from "./told.ts"

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

/** The generations of a provider's models differ in what they take. */
const columns: ReadonlyArray<{ readonly to: DialectName; readonly model: string }> = [
  { to: "chat.completions", model: "gpt-5.4" },
  { to: "responses", model: "gpt-5.4" },
  { to: "messages", model: "claude-sonnet-4-5" },
  { to: "messages", model: "claude-opus-4-8" },
  { to: "generateContent", model: "gemini-2.5-flash" },
  { to: "generateContent", model: "gemini-3-pro-preview" }
]

// A body in whatever shape its dialect has.
type Any = any

// The table.

const notes: Array<string> = []
const note = (text: string): string => {
  if (!notes.includes(text)) notes.push(text)
  return `[${notes.indexOf(text) + 1}]`
}

interface Row {
  readonly block: string
  readonly name: string
  /** One for each column, or one that stands for all. */
  readonly cells: Array<string>
}

const requests: Array<Row> = []
const answers: Array<Row> = []

const print = (title: string, heads: ReadonlyArray<string>, rows: ReadonlyArray<Row>): string => {
  const width = Math.max(...rows.map(({ name }) => name.length))
  const columnWidth = (index: number): number =>
    Math.max(heads[index]!.length, ...rows.map(({ cells }) => (cells.length === 1 ? 0 : cells[index]!.length)))
  const lines = [`\n${title}`]
  let block = ""
  for (const row of rows) {
    if (row.block !== block) {
      block = row.block
      lines.push("", `${block.padEnd(width)} | ${heads.map((head, index) => head.padEnd(columnWidth(index))).join(" | ")}`)
    }
    const cells = row.cells.length === 1 ? row.cells[0]! : row.cells.map((cell, index) => cell.padEnd(columnWidth(index))).join(" | ")
    lines.push(`${row.name.padEnd(width)} | ${cells}`)
  }
  return lines.join("\n")
}

afterAll(() => {
  const requestHeads = columns.map(({ model, to }) => `${to} (${model})`)
  console.log(
    [
      print("What a caller asks, by target. Carried: an independent reader finds it on the other side.", requestHeads, requests),
      print("What a target answers, by caller; whole and streamed alike.", dialectNames, answers),
      `\n${notes.map((text, index) => `[${index + 1}] ${text}`).join("\n")}`
    ].join("\n")
  )
})

// Requests.

const heard = (name: DialectName, body: unknown) => ({ ...besides[name](body), ...said[name](body) })

const touches = (a: string, b: string): boolean => a === b || [".", "["].some((mark) => a.startsWith(b + mark) || b.startsWith(a + mark))

const reasonsOf = (losses: ReadonlyArray<Loss>): string => [...new Set(losses.map(({ reason }) => reason))].join("; ")

/** How a model thinks where nobody says so. */
const byItself = (model: string): "on" | "off" | undefined =>
  model.startsWith("gemini") ? "on" : model.startsWith("claude") ? "off" : undefined

const cellOf = (found: boolean | string, losses: ReadonlyArray<Loss>): string => {
  const how = typeof found === "string" ? ` ${note(found)}` : ""
  return `carried${how}${losses.length === 0 ? "" : ` ${note(reasonsOf(losses))}`}`
}

for (const from of dialectNames) {
  describe(`a caller of ${from}`, () => {
    for (const { asks, name, quiet, says, silent, unlike } of requestFeatures) {
      const words = asks[from]
      if (typeof words === "string") {
        it(`cannot ask for this: ${name}`, () => {
          assert.notStrictEqual(words, "")
          requests.push({ block: from, name, cells: [`no words: ${words}`] })
        })
        continue
      }
      it(name, () => {
        assert.strictEqual(says(heard(from, words.body)), true, "the caller says it")
        assert.strictEqual(says(heard(from, plain[from])), false, "nobody says it without being asked to")
        const decoded = callers[from].decodeRequest(words.body, { model: "smart", stream: false })
        if (Result.isFailure(decoded)) assert.fail(`${decoded.failure.path}: ${decoded.failure.message}`)
        const row: Row = { block: from, name, cells: [] }
        for (const { model, to } of columns) {
          const where = `to ${to} (${model})`
          const { body, losses } = targets[to].encodeRequest(decoded.success, { model, maxOutputTokens: 64_000 })
          const sent = JSON.parse(JSON.stringify(body)) as unknown
          for (const { field, reason } of losses) assert.isTrue(field !== "" && reason !== "", `${where}: a loss has a name and a reason`)
          const named = losses.filter(({ field }) => words.fields.some((one) => touches(one, field)))
          assert.deepStrictEqual(
            losses.filter((loss) => !named.includes(loss)),
            [],
            `${where}: nothing else is lost`
          )
          const fields = losses.map(({ field }) => field)
          const faults = missingOf(said[from](words.body), said[to](sent), fields, byItself(model)).filter(
            (fault) => unlike?.test(fault) !== true
          )
          assert.deepStrictEqual(faults, [], where)
          const found = says(heard(to, sent))
          if (from === to) {
            assert.strictEqual(found, true, `${where}: a dialect carries what it can say`)
            assert.deepStrictEqual(losses, [], where)
          }
          if (found !== false) row.cells.push(cellOf(found, named))
          else if (named.length > 0) row.cells.push(`lost ${note(reasonsOf(named))}`)
          else if (silent?.[0].test(model) === true) row.cells.push(`carried ${note(silent[1])}`)
          else if (quiet !== undefined) row.cells.push(`left out ${note(quiet)}`)
          else assert.fail(`${where}: not there, and not among the losses: ${JSON.stringify(sent)}`)
        }
        requests.push(row)
      })
    }
  })
}

// Answers.

const sequenceIn = (text: string): string | undefined => /"stop_sequence":\s*"([^"]*)"/.exec(text)?.[1]

const hears = (read: () => Told, text: string): Told & { readonly sequence: string | undefined } => ({
  ...read(),
  sequence: sequenceIn(text)
})

const contextOf = (from: DialectName) => ({ ...context, request: plain[from] as Any })

for (const from of dialectNames) {
  describe(`a target that speaks ${from}`, () => {
    for (const { answers: given, lost, name, tells } of answerFeatures) {
      const whole = given[from]
      if (typeof whole === "string") {
        it(`never answers this: ${name}`, () => {
          assert.notStrictEqual(whole, "")
          answers.push({ block: from, name, cells: [`never: ${whole}`] })
        })
        continue
      }
      it(name, () => {
        const text = streamOf[from](whole)
        const there = [hears(() => told[from](whole), JSON.stringify(whole)), hears(() => toldByStream[from](text), text)] as const
        const itself = there.map(tells)
        assert.notInclude(itself, false, "the provider tells it")
        const decoded = targets[from].decodeAnswer(whole)
        if (Result.isFailure(decoded)) assert.fail(decoded.failure.message)
        const row: Row = { block: from, name, cells: [] }
        for (const to of dialectNames) {
          const encoded = callers[to].encodeAnswer(decoded.success, contextOf(to))
          const streamed = translate(eventsOf(text), targets[from], callers[to], contextOf(to))
          assert.isUndefined(streamed.failure)
          const manners = [
            {
              manner: "whole",
              here: hears(() => told[to](encoded.body), JSON.stringify(encoded.body)),
              fields: encoded.losses.map(({ field }) => field)
            },
            { manner: "streamed", here: hears(() => toldByStream[to](streamed.text), streamed.text), fields: streamed.losses }
          ]
          const cells = manners.map(({ fields, here, manner }, index) => {
            assert.deepStrictEqual(untoldOf(there[index]!, here, fields), [], `to ${to}, ${manner}`)
            const found = tells(here)
            const [field] = fields
            if (from === to)
              assert.deepStrictEqual([found, field], [itself[index], undefined], `to ${to}, ${manner}: a dialect tells what it can say`)
            if (found !== false) return cellOf(found, [])
            if (field === undefined || !lost.test(field))
              return assert.fail(`to ${to}, ${manner}: not there, and not among the losses (${fields.join()})`)
            return `lost ${note(encoded.losses[0]!.reason)}`
          })
          assert.strictEqual(cells[0], cells[1], `to ${to}: whole and streamed alike`)
          row.cells.push(cells[0]!)
        }
        answers.push(row)
      })
    }

    it("a seal that comes back to it", () => {
      const whole = answerFeatures.find(({ name }) => name === "seal")!.answers[from] as Any
      const { seals } = told[from](whole)
      const decoded = Result.getOrThrow(targets[from].decodeAnswer(whole))
      const row: Row = { block: from, name: "a seal that comes back to it", cells: [] }
      for (const to of dialectNames) {
        const { body } = callers[to].encodeAnswer(decoded, contextOf(to))
        const next = Result.getOrThrow(callers[to].decodeRequest(continued[to](body), { model: "smart", stream: false }))
        for (const { model } of columns.filter((column) => column.to === from)) {
          const sent = targets[from].encodeRequest(next, { model, maxOutputTokens: 64_000 })
          assert.deepStrictEqual(besides[from](sent.body).seals, seals, `by a caller of ${to}, to ${model}`)
          assert.deepStrictEqual(sent.losses, [], `by a caller of ${to}, to ${model}`)
        }
        row.cells.push("carried")
      }
      answers.push(row)
    })
  })
}

/** The next request of a caller who keeps an answer as it came. */
const continued: Readonly<Record<DialectName, (answer: Any) => unknown>> = {
  "chat.completions": (answer) => ({
    ...plain["chat.completions"],
    messages: [{ role: "user", content: "Which way?" }, answer.choices[0].message, { role: "user", content: "And then?" }]
  }),
  responses: (answer) => ({
    ...plain.responses,
    input: [{ role: "user", content: "Which way?" }, ...answer.output, { role: "user", content: "And then?" }]
  }),
  messages: (answer) => ({
    ...plain.messages,
    messages: [
      { role: "user", content: "Which way?" },
      { role: "assistant", content: answer.content },
      { role: "user", content: "And then?" }
    ]
  }),
  generateContent: (answer) => ({
    contents: [
      { role: "user", parts: [{ text: "Which way?" }] },
      answer.candidates[0].content,
      { role: "user", parts: [{ text: "And then?" }] }
    ]
  })
}

describe("the table", () => {
  it("has a row for every feature and no empty cell", () => {
    for (const from of dialectNames) {
      const names = requests.filter(({ block }) => block === from).map(({ name }) => name)
      assert.deepStrictEqual(
        names,
        requestFeatures.map(({ name }) => name),
        `requests of ${from}`
      )
    }
    const shown = answers.filter(({ name }) => name !== "a seal that comes back to it")
    for (const from of dialectNames)
      assert.deepStrictEqual(
        shown.filter(({ block }) => block === from).map(({ name }) => name),
        answerFeatures.map(({ name }) => name),
        `answers of ${from}`
      )
    for (const { block, cells, name } of [...requests, ...answers]) {
      assert.isTrue(
        cells.length === 1 || cells.length === (requests.some((row) => row.cells === cells) ? columns.length : dialectNames.length),
        `${block}: ${name}`
      )
      for (const cell of cells) assert.match(cell, /^(?:carried|lost \[|left out \[|no words: .|never: .)/, `${block}: ${name}`)
    }
  })
})
