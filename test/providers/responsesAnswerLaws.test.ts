/**
 * Laws of answers of the Responses API, whole and streamed: what the dialect can say comes back as it was said, what it cannot say is a loss, and the two ways of saying it agree.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import type { Answer, Citation, Part, Seal, StopReason, StreamEvent, Usage } from "../../src/Conversation.ts"
import type { AnswerContext, SseEvent } from "../../src/Dialect.ts"
import type { DialectName } from "../../src/Providers.ts"
import { responses, responsesCaller } from "../../src/providers/responses.ts"
import { present, recorded } from "./recorded.ts"
import { eventsOf, translate } from "./sse.ts"

const runs = 500
const context: AnswerContext = { id: "9", model: "smart", createdSeconds: 1, includeUsage: true, request: { model: "smart" } }

const text = fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" })
const seal = (dialect: DialectName): fc.Arbitrary<Seal> => fc.record({ data: text }).map(({ data }) => ({ dialect, data }))
const citation: fc.Arbitrary<Citation> = fc
  .record({ url: fc.webUrl(), title: fc.string({ minLength: 1 }), start: fc.nat(5), length: fc.nat(5) })
  .map(({ length, start, title, url }) => ({ url, title, start, end: start + length, value: { foreign: true } }))

/** Parts that a response can say, as another dialect's decoder gives them. */
const sayable = (dialect: DialectName): fc.Arbitrary<Part> =>
  fc.oneof(
    fc
      .record({ text, citations: fc.array(citation, { maxLength: 2 }) })
      .map((part): Part => (part.citations.length === 0 ? { _tag: "Text", text: part.text } : { _tag: "Text", ...part })),
    fc.record({ _tag: fc.constant("Refusal" as const), text }),
    fc
      .record({ text, seal: fc.option(seal(dialect), { nil: undefined }) })
      .map((part): Part => ({ _tag: "Reasoning", text: part.text, ...(part.seal === undefined ? {} : { seal: part.seal }) })),
    fc.record({ _tag: fc.constant("SealedReasoning" as const), seal: seal(dialect) }),
    fc.record({ name: text, arguments: fc.json() }).map((part): Part => ({ _tag: "ToolCall", id: "", ...part }))
  )

/** Parts that it cannot. */
const unsayable: fc.Arbitrary<Part> = fc.constantFrom<Part>(
  { _tag: "Foreign", type: "server_tool_use", value: { type: "server_tool_use" } },
  { _tag: "Audio", format: "wav", data: "AAAA" },
  { _tag: "File", source: { _tag: "Url", url: "https://a.b/c.pdf" } },
  { _tag: "Text", text: "x", citations: [{ quote: "q", value: {} }] }
)

const usage: fc.Arbitrary<Usage> = fc
  .record({ cached: fc.nat(1000), writing: fc.nat(1000), fresh: fc.nat(1000), reasoning: fc.nat(1000), said: fc.nat(1000) })
  .map(({ cached, fresh, reasoning, said, writing }) => ({
    inputTokens: cached + writing + fresh,
    cachedInputTokens: cached,
    cacheWriteInputTokens: writing,
    outputTokens: said + reasoning,
    reasoningTokens: reasoning
  }))
const stops: ReadonlyArray<StopReason> = [
  "end",
  "stop-sequence",
  "max-tokens",
  "tool-calls",
  "content-filter",
  "refusal",
  "paused",
  "context-window",
  "unknown"
]

/** What stop reason a caller can tell from a response. */
const heard = (stop: StopReason, parts: ReadonlyArray<Part>): StopReason => {
  const refused = parts.some(({ _tag }) => _tag === "Refusal")
  if (stop === "max-tokens" || stop === "paused" || stop === "context-window") return "max-tokens"
  if (stop === "content-filter" || (stop === "refusal" && !refused)) return "content-filter"
  return parts.some(({ _tag }) => _tag === "ToolCall") ? "tool-calls" : refused ? "refusal" : "end"
}

const dialect = fc.constantFrom<DialectName>("chat.completions", "messages", "generateContent")

const answerFrom = (one: (dialect: DialectName) => fc.Arbitrary<Part>): fc.Arbitrary<Answer> =>
  dialect.chain((name) =>
    fc
      .record({ parts: fc.array(one(name), { maxLength: 6 }), stop: fc.constantFrom(...stops), usage })
      // Every call of an answer has an id of its own.
      .map(({ parts, stop, usage: counts }) => ({
        dialect: name,
        parts: parts.map((part, index): Part => (part._tag === "ToolCall" ? { ...part, id: `call_${index}` } : part)),
        stop,
        usage: counts,
        extras: []
      }))
  )

/** A part without what only its provider's dialect has. */
const bare = (part: Part): unknown => {
  const { at: _at, item: _item, ...rest } = part
  if (rest._tag !== "Text" || rest.citations === undefined) return rest
  return { ...rest, citations: rest.citations.map(({ value: _value, ...known }) => known) }
}

const decoded = (body: unknown): Answer => Result.getOrThrow(responses.decodeAnswer(body))

/** The steps in which a provider would stream the parts, texts cut in two, and calls beside each other interleaved. */
const stepsOf = ({ parts, stop, usage: counts }: Answer, cut: number): ReadonlyArray<StreamEvent> => {
  const steps: Array<StreamEvent> = [{ _tag: "Start", id: "x" }]
  const halves = (whole: string): ReadonlyArray<string> => [whole.slice(0, cut % (whole.length + 1)), whole.slice(cut % (whole.length + 1))]
  let calls = 0
  const waiting: Array<StreamEvent> = []
  let before: Part["_tag"] | undefined
  for (const part of parts) {
    if (part._tag !== "ToolCall") steps.push(...waiting.splice(0))
    if (before === part._tag) steps.push({ _tag: "PartEnd" })
    before = part._tag
    switch (part._tag) {
      case "Text":
        for (const half of halves(part.text)) steps.push({ _tag: "TextDelta", text: half })
        for (const one of part.citations ?? []) steps.push({ _tag: "Cited", citation: one })
        break
      case "Refusal":
        for (const half of halves(part.text)) steps.push({ _tag: "RefusalDelta", text: half })
        break
      case "Reasoning":
        for (const half of halves(part.text)) steps.push({ _tag: "ReasoningDelta", text: half })
        if (part.seal !== undefined) steps.push({ _tag: "Sealed", seal: part.seal })
        break
      case "SealedReasoning":
        steps.push(part)
        break
      case "ToolCall": {
        const index = calls++
        const [one, two] = halves(part.arguments)
        steps.push({ _tag: "ToolCallStart", index, id: part.id, name: part.name }, { _tag: "ToolCallDelta", index, arguments: one! })
        waiting.push({ _tag: "ToolCallDelta", index, arguments: two! }, { _tag: "ToolCallEnd", index })
        break
      }
      default:
        break
    }
  }
  const told: ReadonlyArray<StreamEvent> = [
    { _tag: "Stop", reason: stop },
    ...(counts === undefined ? [] : [{ _tag: "Usage" as const, usage: counts }])
  ]
  // Usage may come before why it stopped, or after.
  return [...steps, ...waiting, ...(cut % 2 === 0 ? told : told.toReversed()), { _tag: "End" }]
}

const written = (steps: ReadonlyArray<StreamEvent>): string => {
  const encoder = responsesCaller.streamEncoder(context)
  let state: unknown = encoder.initial
  let out = ""
  for (const step of steps) {
    const [next, more] = encoder.step(state, step)
    // A state can be stepped from again, and says the same.
    assert.strictEqual(encoder.step(state, step)[1], more)
    state = next
    out += more
  }
  return out
}

/** The parts that a stream's steps say. */
const gathered = (steps: ReadonlyArray<StreamEvent>): ReadonlyArray<unknown> => {
  const parts: Array<any> = []
  let open = false
  const calls = new Map<number, any>()
  const grow = (tag: string, more: string): void => {
    const last = parts.at(-1)
    if (open && last?._tag === tag) last.text += more
    else parts.push({ _tag: tag, text: more })
    open = true
  }
  for (const step of steps) {
    switch (step._tag) {
      case "TextDelta":
        grow("Text", step.text)
        break
      case "RefusalDelta":
        grow("Refusal", step.text)
        break
      case "ReasoningDelta":
        grow("Reasoning", step.text)
        break
      case "Cited": {
        const { value: _value, ...known } = step.citation
        ;(parts.at(-1).citations ??= []).push(known)
        break
      }
      case "PartEnd":
        open = false
        break
      case "Sealed":
        parts.at(-1).seal = step.seal
        open = false
        break
      case "SealedReasoning":
        parts.push(step)
        open = false
        break
      case "ToolCallStart":
        calls.set(step.index, { _tag: "ToolCall", id: step.id, name: step.name, arguments: "" })
        parts.push(calls.get(step.index))
        open = false
        break
      case "ToolCallDelta":
        calls.get(step.index).arguments += step.arguments
        break
      default:
        break
    }
  }
  return parts
}

describe("laws of whole answers", () => {
  it("what a response can say comes back, and nothing of it is a loss", () => {
    fc.assert(
      fc.property(answerFrom(sayable), (answer) => {
        const { body, losses } = responsesCaller.encodeAnswer(answer, context)
        assert.deepStrictEqual(losses, [])
        const again = decoded(JSON.parse(JSON.stringify(body)))
        assert.deepStrictEqual(again.parts.map(bare), answer.parts.map(bare))
        assert.strictEqual(again.stop, heard(answer.stop, answer.parts))
        assert.deepStrictEqual(again.usage, answer.usage)
        // Encoded once more, now in its own dialect, it is the same to the letter, but for the mark of thoughts that nobody has sealed.
        assert.deepStrictEqual(
          JSON.parse(JSON.stringify(responsesCaller.encodeAnswer(again, context).body)),
          JSON.parse(
            JSON.stringify(body)
              .replaceAll(`"encrypted_content":"${btoa("turnout:v01:messages::")}",`, "")
              .replaceAll(`,"encrypted_content":"${btoa("turnout:v01:messages::")}"`, "")
          )
        )
      }),
      { numRuns: runs }
    )
  })

  it("each part that it cannot say is a loss, and no other", () => {
    fc.assert(
      fc.property(
        answerFrom((name) => fc.oneof(sayable(name), unsayable)),
        (answer) => {
          const { losses } = responsesCaller.encodeAnswer(answer, context)
          const lost = answer.parts.flatMap((part, index) => {
            if (part._tag === "Foreign" || part._tag === "Audio" || part._tag === "File") return [`content[${index}]`]
            return part._tag === "Text" && part.citations?.some(({ url }) => url === undefined) === true
              ? [`content[${index}].citations`]
              : []
          })
          assert.deepStrictEqual(
            losses.map(({ field }) => field),
            lost
          )
        }
      ),
      { numRuns: runs }
    )
  })
})

describe("laws of streams", () => {
  it("a stream's last event says what the whole answer says", () => {
    fc.assert(
      fc.property(answerFrom(sayable), fc.nat(7), (answer, cut) => {
        const last = eventsOf(written(stepsOf(answer, cut))).at(-1)!
        const streamed = JSON.parse(last.data) as { readonly response: unknown }
        assert.deepStrictEqual(streamed.response, JSON.parse(JSON.stringify(responsesCaller.encodeAnswer(answer, context).body)))
      }),
      { numRuns: runs }
    )
  })

  it("what a stream says comes back from its events", () => {
    fc.assert(
      fc.property(answerFrom(sayable), fc.nat(7), (answer, cut) => {
        const { failure, losses, steps } = translate(eventsOf(written(stepsOf(answer, cut))), responses, responsesCaller, context)
        assert.isUndefined(failure)
        assert.deepStrictEqual(losses, [])
        assert.deepStrictEqual(gathered(steps), answer.parts.map(bare))
        assert.deepStrictEqual(
          steps.findLast(({ _tag }) => _tag === "Stop"),
          { _tag: "Stop", reason: heard(answer.stop, answer.parts) }
        )
        assert.deepStrictEqual(
          steps.findLast(({ _tag }) => _tag === "Usage"),
          { _tag: "Usage", usage: answer.usage! }
        )
      }),
      { numRuns: runs }
    )
  })

  it("any order of steps ends in one way, with whole events that are counted", () => {
    const step = fc.oneof(
      fc.constantFrom<StreamEvent>(
        { _tag: "Start", id: "x" },
        { _tag: "Item", id: "a" },
        { _tag: "Item", id: "b" },
        { _tag: "TextDelta", text: "t" },
        { _tag: "TextDelta", text: "" },
        { _tag: "RefusalDelta", text: "r" },
        { _tag: "ReasoningDelta", text: "h" },
        { _tag: "PartEnd" },
        { _tag: "Sealed", seal: { dialect: "responses", data: "s", id: "a" } },
        { _tag: "SealedReasoning", seal: { dialect: "messages", data: "s" } },
        { _tag: "Cited", citation: { url: "https://a.b", value: null } },
        { _tag: "Whole", part: { _tag: "Foreign", type: "x", value: { type: "x", id: "a" } } },
        { _tag: "Extra", extra: { field: "object", value: "response", matters: false } },
        { _tag: "Extra", extra: { field: "output[0]", value: { type: "reasoning", id: "c", summary: [] }, matters: false } },
        { _tag: "Extra", extra: { field: "output[0].content[0].type", value: "reasoning_text", matters: false } },
        { _tag: "Stop", reason: "end" },
        { _tag: "Usage", usage: { inputTokens: 1, cachedInputTokens: 0, cacheWriteInputTokens: 0, outputTokens: 1, reasoningTokens: 0 } }
      ),
      fc.record({ _tag: fc.constant("ToolCallStart" as const), index: fc.nat(2), id: fc.constantFrom("", "a"), name: fc.constant("f") }),
      fc.record({ _tag: fc.constant("ToolCallDelta" as const), index: fc.nat(2), arguments: fc.constantFrom("", "{}") }),
      fc.record({ _tag: fc.constant("ToolCallEnd" as const), index: fc.nat(2) })
    )
    const last = fc.constantFrom<StreamEvent>({ _tag: "End" }, { _tag: "Failed", failure: { class: "timeout", message: "x" } })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), last, fc.boolean(), (steps, end, own) => {
        const first: ReadonlyArray<StreamEvent> = own
          ? [{ _tag: "Extra", extra: { field: "object", value: "response", matters: false } }]
          : []
        const events = eventsOf(written([...first, ...steps, end]))
        events.forEach(({ data, event }, index) => {
          const said = JSON.parse(data) as { readonly type: string; readonly sequence_number: number }
          assert.strictEqual(said.type, event)
          assert.strictEqual(said.sequence_number, index)
        })
        const begun = events
          .filter(({ event }) => event === "response.output_item.added")
          .map(({ data }) => JSON.parse(data).item.id as string)
        const done = events
          .filter(({ event }) => event === "response.output_item.done")
          .map(({ data }) => JSON.parse(data).item.id as string)
        if (end._tag === "Failed") {
          assert.strictEqual(events.at(-1)!.event, "error")
          return
        }
        assert.strictEqual(events.at(-1)!.event, "response.completed")
        assert.deepStrictEqual(done.toSorted(), begun.toSorted())
        const output = JSON.parse(events.at(-1)!.data).response.output as ReadonlyArray<{ readonly id: string }>
        assert.deepStrictEqual(
          output.map(({ id }) => id),
          begun
        )
        // The SDK tells items apart by their ids.
        const made = output.filter((item) => (item as { readonly type?: string }).type !== "x").map(({ id }) => id)
        assert.strictEqual(new Set(made).size, made.length)
      }),
      { numRuns: runs * 4 }
    )
  })
})

const files = ["openai-responses", "azure-openai-responses", "compat-openai-responses"]

describe.skipIf(!present(...files))("nothing throws", () => {
  const streams = files.flatMap((file) =>
    recorded(file)
      .filter(({ response, stream }) => stream && response.status === 200)
      .map(({ response }) => eventsOf(response.body as string).slice(0, 60))
  )
  const answers = files.flatMap((file) => recorded(file).flatMap(({ response, stream }) => (stream ? [] : [response.body])))

  const awkward = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom<unknown>(null, "", 0, -1, 1e308, [], {}, [[]], [null], [{}], { type: 1 }, "__proto__", "message", "response.completed")
  )
  /** The value with something of it replaced: one path down, chosen by the numbers. */
  const replaced = (value: unknown, way: ReadonlyArray<number>, by: unknown): unknown => {
    const [turn, ...rest] = way
    if (turn === undefined || typeof value !== "object" || value === null) return by
    const keys = Object.keys(value)
    const key = keys[turn % Math.max(1, keys.length)]
    if (key === undefined) return by
    const inner = replaced((value as Record<string, unknown>)[key], rest, by)
    if (Array.isArray(value)) return value.map((entry: unknown, index) => (String(index) === key ? inner : entry))
    return { ...value, [key]: inner }
  }
  const way = fc.array(fc.nat(30), { minLength: 1, maxLength: 6 })

  it("on an answer", () => {
    fc.assert(
      fc.property(fc.constantFrom(...answers), way, awkward, (answer, path, by) => {
        const body = replaced(answer, path, by)
        responses.failureIn(body)
        for (const count of Object.values(responses.usageOf(body) ?? {})) assert.isTrue(Number.isSafeInteger(count) && count >= 0)
        const read = responses.decodeAnswer(body)
        if (Result.isSuccess(read)) assert.isString(JSON.stringify(responsesCaller.encodeAnswer(read.success, context).body))
        else assert.isNotEmpty(read.failure.message)
      }),
      { numRuns: runs * 4 }
    )
  })

  it("on a stream, and exactly one end comes, last", () => {
    fc.assert(
      fc.property(fc.constantFrom(...streams), fc.nat(60), way, awkward, fc.boolean(), (events, at, path, by, drop) => {
        const which = at % events.length
        const changed = events.flatMap((event, index): ReadonlyArray<SseEvent> => {
          if (index !== which) return [event]
          if (drop || event.data === "[DONE]") return []
          return [{ event: event.event, data: JSON.stringify(replaced(JSON.parse(event.data), path, by)) ?? "" }]
        })
        for (const event of changed) assert.isBoolean(responses.peek(event).content)
        const { steps, text: out } = translate(changed, responses, responsesCaller, context)
        const ends = steps.filter(({ _tag }) => _tag === "End" || _tag === "Failed")
        assert.strictEqual(ends.length, 1)
        assert.strictEqual(steps.at(-1), ends[0])
        for (const { data } of eventsOf(out)) assert.isObject(JSON.parse(data))
      }),
      { numRuns: runs * 2 }
    )
  })
})
