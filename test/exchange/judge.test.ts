/** What answers are like, by what the four APIs say whole and streamed, however the stream is cut into events, and what cannot be read. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { isRefusal, stopReasons } from "../../src/AnswerFacts.ts"
import type { AnswerFacts } from "../../src/Attempt.ts"
import type { StreamEvent } from "../../src/Conversation.ts"
import type { Dialect } from "../../src/Dialect.ts"
import { answerFacts, Eavesdropper, isJson, Listener, verdictOn } from "../../src/exchange/judge.ts"
import type { Transfer } from "../../src/exchange/transfer.ts"
import { dialects, spokenIn } from "../faults/dialects.ts"
import { answerFeatures, streamOf } from "../fixtures/answers.ts"
import type { DialectName } from "../../src/Dialect.ts"
import { anthropic } from "../../src/providers/anthropic.ts"
import { gemini } from "../../src/providers/gemini.ts"
import { openai } from "../../src/providers/openai.ts"
import { responses } from "../../src/providers/responses.ts"
import { SseSplitter } from "../../src/Sse.ts"

type Json = Readonly<Record<string, unknown>>

const spoken: Readonly<Record<DialectName, Dialect>> = {
  "chat.completions": openai,
  responses,
  messages: anthropic,
  generateContent: gemini
}

const left = "Left at the points. 🚦"
const cut = "Left at the"
const plain: AnswerFacts = { stop: "end", outputTokens: 9, characters: left.length, toolCalls: 0, refused: false, isJson: false }

/** By feature of the fixtures, where they are not those of plain text; by dialect where these differ. */
const expected: Readonly<Record<string, Partial<AnswerFacts> | Readonly<Partial<Record<DialectName, Partial<AnswerFacts>>>>>> = {
  "parallel calls and their ids": { stop: "tool-calls", characters: 0, toolCalls: 2 },
  refusal: {
    "chat.completions": { characters: 0, refused: true },
    responses: { stop: "refusal", characters: 0, refused: true },
    messages: { stop: "refusal", characters: 11, refused: true }
  },
  "stop: the maximum": { stop: "max-tokens", characters: cut.length },
  "stop: a content filter": { stop: "content-filter", characters: cut.length, refused: true },
  "stop: a stop sequence, and which": { stop: "stop-sequence", characters: cut.length }
}

const factsExpected = (feature: string, dialect: DialectName): AnswerFacts => {
  const found = expected[feature] ?? {}
  return { ...plain, ...(dialect in found ? (found as Record<string, object>)[dialect] : found) }
}

const transferOf = (dialect: Dialect): Transfer =>
  ({ dialect, clean: (text: string) => text.replaceAll(/sk-secret|hunter two/g, "***") }) as unknown as Transfer

/** What is heard of a stream: its facts, or why it cannot be read. */
const overheard = (dialect: Dialect, streamed: string) => {
  let facts: AnswerFacts | undefined
  const accepts = (answer: AnswerFacts): boolean => {
    facts = answer
    return true
  }
  const eavesdropper = new Eavesdropper(accepts, transferOf(dialect))
  let failure: ReturnType<Eavesdropper["hear"]>
  const splitter = new SseSplitter(1 << 20)
  splitter.push(new TextEncoder().encode(streamed), (event) => {
    if (event !== undefined) failure ??= eavesdropper.hear(event)
  })
  failure ??= eavesdropper.verdict()
  return { facts, failure }
}

describe("the facts of an answer", () => {
  for (const { answers, name } of answerFeatures) {
    for (const dialect of dialects) {
      const whole = answers[dialect]
      if (typeof whole === "string") continue
      it(`${name}, in ${dialect}`, () => {
        const decoded = Result.getOrThrow(spoken[dialect].decodeAnswer(whole))
        const facts = answerFacts(decoded)
        assert.deepStrictEqual(facts, factsExpected(name, dialect))
        assert.deepStrictEqual(overheard(spoken[dialect], streamOf[dialect](whole as Json)), { facts, failure: undefined })
      })
    }
  }
})

describe("what is read of a stream", () => {
  for (const dialect of dialects) {
    const { events, head } = spokenIn(dialect)

    it(`one without its end is cut, in ${dialect}`, () => {
      const { facts, failure } = overheard(spoken[dialect], events.slice(0, head + 1).join(""))
      assert.deepStrictEqual([facts, failure?.class], [undefined, "stream-cut"])
    })

    it(`an event that is not JSON is malformed, and says no secret, in ${dialect}`, () => {
      const broken = events[head]!.replace(/data: ?\{/, "data: sk-secret{")
      const { facts, failure } = overheard(spoken[dialect], [...events.slice(0, head), broken, ...events.slice(head + 1)].join(""))
      assert.deepStrictEqual([facts, failure?.class], [undefined, "malformed"])
      assert.notInclude(failure!.message, "sk-secret")
    })
  }

  const errors: Readonly<Record<DialectName, string>> = {
    "chat.completions": 'data: {"error":{"message":"hunter two is no key"}}',
    responses: 'event: error\ndata: {"type":"error","message":"hunter two is no key"}',
    messages: 'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"hunter two is no key"}}',
    generateContent: 'data: {"error":{"code":500,"status":"INTERNAL","message":"hunter two is no key"}}'
  }
  for (const dialect of dialects)
    it(`an error says no key of whatever form, in ${dialect}`, () => {
      const { facts, failure } = overheard(spoken[dialect], `${errors[dialect]}\n\n`)
      assert.deepStrictEqual([facts, failure?.message], [undefined, "*** is no key"])
    })

  it("what comes after the end changes nothing", () => {
    const { streamed } = spokenIn("chat.completions")
    const { facts } = overheard(openai, streamed + streamed.replaceAll("Left", "Right, and on"))
    assert.deepStrictEqual(facts, plain)
  })

  it("usage that comes in pieces counts as the greatest, and none as absent", () => {
    const usage = { inputTokens: 20, cachedInputTokens: 0, cacheWriteInputTokens: 0, reasoningTokens: 0 }
    const told = (...events: ReadonlyArray<StreamEvent>): AnswerFacts => {
      let facts: AnswerFacts | undefined
      const listener = new Listener((answer) => ((facts = answer), true))
      for (const event of events) listener.note(event)
      assert.isUndefined(listener.verdict())
      return facts!
    }
    const of = (outputTokens: number): StreamEvent => ({ _tag: "Usage", usage: { ...usage, outputTokens } })
    assert.strictEqual(told(of(1), of(9), of(4)).outputTokens, 9)
    assert.strictEqual(told(of(0)).outputTokens, 0)
    assert.isNull(told().outputTokens)
    assert.isNull(told({ _tag: "Usage", usage: { ...usage, inputTokens: 0, outputTokens: 0 } }).outputTokens)
    assert.deepStrictEqual(told({ _tag: "RefusalDelta", text: "" }), { ...plain, stop: "unknown", outputTokens: null, characters: 0 })
    assert.isTrue(told({ _tag: "RefusalDelta", text: "No." }).refused)
  })
})

describe("JSON and nothing else", () => {
  const texts: ReadonlyArray<readonly [string, boolean]> = [
    ['{"a":1}', true],
    [" \n[1, 2]\t", true],
    ["{}", true],
    ["", false],
    ["   ", false],
    ["true", false],
    ["null", false],
    ["42", false],
    ['"quoted"', false],
    ['{"a":1', false],
    ['{"a":1} and more', false],
    ['```json\n{"a":1}\n```', false],
    ["{'a':1}", false],
    ["[1,]", false]
  ]
  for (const [text, is] of texts) it(`${JSON.stringify(text)}: ${is}`, () => assert.strictEqual(isJson(text), is))
})

describe("the verdict", () => {
  const answer = Result.getOrThrow(openai.decodeAnswer(JSON.parse(spokenIn("chat.completions").whole)))

  it("an answer that will do is handed on, one that will not has escalated", () => {
    assert.isUndefined(verdictOn(undefined, answer))
    assert.isUndefined(verdictOn(() => true, answer))
    assert.strictEqual(verdictOn(() => false, answer)?.class, "escalated")
  })

  it("every reason is known, and those that are refusals", () => {
    assert.deepStrictEqual(stopReasons.filter(isRefusal), ["content-filter", "refusal"])
    assert.includeMembers([...stopReasons], ["end", "stop-sequence", "max-tokens", "tool-calls", "paused", "context-window", "unknown"])
    assert.lengthOf(stopReasons, 9)
  })
})
