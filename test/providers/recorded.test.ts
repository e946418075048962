/**
 * Recorded traffic through the translation: nothing of a conversation is lost that is not named.
 *
 * What must be preserved is read off the original JSON by the walkers below, which know nothing of the code under test.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { anthropic } from "../../src/providers/anthropic.ts"
import { openai, openaiCaller } from "../../src/providers/openai.ts"
import { present, recorded } from "./recorded.ts"
import type { Recorded } from "./recorded.ts"
import { context, dataOf, eventsOf, framesOf, translate } from "./sse.ts"

type Any = any

const chats = ["openai-chat", "compat-openai-chat", "azure-openai-chat"]
const messages = ["anthropic-messages", "vertex-anthropic-messages", "bedrock-anthropic-invoke"]
const report = (what: string, count: number, more = ""): void => console.log(`${what}: ${count}${more}`)

/** What `path` (`messages[2].content[0].text`) leads to. */
const resolve = (value: Any, path: string): unknown =>
  path
    .split(/[.[\]]+/)
    .filter((key) => key !== "")
    .reduce((found, key) => found?.[key], value)

const list = (value: Any): ReadonlyArray<Any> => (Array.isArray(value) ? value : [])
const visible = (text: unknown): ReadonlyArray<string> => (typeof text === "string" && text.trim() !== "" ? [text.trim()] : [])
const textsOf = (content: Any): ReadonlyArray<string> =>
  typeof content === "string" ? visible(content) : list(content).flatMap((part) => visible(part.text ?? part.refusal))

/** Where a citation of Claude's leads to, if that is an address. */
const urlOf = ({ source, url }: Any): string | undefined => url ?? (/^https?:/.test(source ?? "") ? source : undefined)

/** What an OpenAI request says, by its own JSON. */
const asked = (body: Any) => {
  const said = list(body.messages)
  const instructs = (message: Any): boolean => message.role === "system" || message.role === "developer"
  const images = said.flatMap((message) => list(message.content)).filter((part) => part.type === "image_url")
  return {
    instructions: said.flatMap((message) => (instructs(message) ? textsOf(message.content) : [])),
    texts: said.flatMap((message) => (instructs(message) ? [] : [...textsOf(message.content), ...visible(message.refusal)])),
    calls: said
      .flatMap((message) => list(message.tool_calls))
      .map((call) => [call.id, call.function.name, JSON.parse(call.function.arguments || "{}")]),
    results: said.filter(({ role }) => role === "tool").map((message) => message.tool_call_id),
    tools: [
      ...list(body.tools)
        .filter((tool) => tool.function !== undefined)
        .map((tool) => tool.function.name),
      ...list(body.functions).map(({ name }) => name)
    ],
    images: images
      .map((part) => (part.image_url.url ?? part.image_url) as string)
      .filter((url) => /^https?:|^data:image\/(png|jpe?g|gif|webp);base64,/.test(url))
  }
}

/** What a Messages request says, by its own JSON. */
const sent = (body: Any) => {
  const blocks = (role: string) =>
    list(body.messages)
      .filter((turn) => turn.role === role || role === "")
      .flatMap((turn) => (typeof turn.content === "string" ? [{ type: "text", text: turn.content }] : list(turn.content)))
  const spoken = list(body.messages)
    .filter(({ role }) => role !== "system")
    .flatMap((turn) => (typeof turn.content === "string" ? [{ type: "text", text: turn.content }] : list(turn.content)))
  const all = blocks("")
  return {
    instructions: [...textsOf(body.system), ...blocks("system").flatMap(({ text }) => visible(text))],
    texts: spoken.flatMap((block) =>
      block.type === "tool_result" ? textsOf(block.content) : block.type === "text" ? visible(block.text) : []
    ),
    calls: all.filter(({ type }) => type === "tool_use").map((block) => [block.id, block.name, block.input]),
    results: all.filter(({ type }) => type === "tool_result").map((block) => block.tool_use_id),
    tools: list(body.tools).map(({ name }) => name),
    images: all
      .flatMap((block) => (block.type === "tool_result" ? list(block.content) : [block]))
      .filter(({ type }) => type === "image")
      .map(({ source }) => (source.type === "url" ? source.url : `data:${source.media_type};base64,${source.data}`))
  }
}

/** Fields that a Messages request carries, when they hold something. Anything else must be lost by name, or hold a value that changes nothing. */
const carried = new Set(
  "model messages stream stream_options tools functions function_call tool_choice parallel_tool_calls temperature top_p top_k stop max_tokens max_completion_tokens response_format reasoning_effort reasoning user".split(
    " "
  )
)
const harmless: Readonly<Record<string, (value: Any) => boolean>> = {
  n: (value) => value === 1,
  metadata: () => true,
  store: () => true,
  usage: () => true,
  prompt_cache_key: () => true,
  service_tier: (value) => value === "auto" || value === "default",
  logprobs: (value) => value === false,
  frequency_penalty: (value) => value === 0,
  presence_penalty: (value) => value === 0
}

describe.skipIf(!present(...chats))("recorded requests of OpenAI callers become requests to Claude", () => {
  for (const file of chats) {
    for (const model of ["claude-sonnet-4-5", "claude-opus-4-8"]) {
      it(`${file} to ${model}`, () => {
        let count = 0
        const losses = new Map<string, number>()
        const refused: Array<string> = []
        for (const { id, request, response } of recorded(file)) {
          const body = request?.body as Any
          if (!Array.isArray(body?.messages)) continue
          // Azure puts the model into the address.
          const decoded = openaiCaller.decodeRequest({ model: "deployment", ...body })
          if (Result.isFailure(decoded)) {
            assert.isAtLeast(response.status, 400, `${id}: refused here alone: ${decoded.failure.path}`)
            refused.push(decoded.failure.path)
            continue
          }
          count++
          const encoded = anthropic.encodeRequest(decoded.success, { model })
          const there = asked(body)
          const here = sent(encoded.body)
          const lost = encoded.losses.map(({ field }) => field)
          for (const field of lost) {
            assert.notStrictEqual(resolve(body, field) ?? undefined, undefined, `${id}: \`${field}\` is lost and was never there`)
            const kind = field.replace(/\d+/g, "n")
            losses.set(kind, (losses.get(kind) ?? 0) + 1)
          }
          const alone = there.texts.length === 0 && here.texts.length > 0
          assert.deepStrictEqual(here.texts, alone ? there.instructions.slice(-1) : there.texts, id)
          assert.deepStrictEqual(
            here.instructions.toSorted(),
            (alone ? there.instructions.slice(0, -1) : there.instructions).toSorted(),
            id
          )
          assert.deepStrictEqual(here.tools, there.tools, id)
          assert.deepStrictEqual(
            here.images,
            there.images.map((url) => url.replace("data:image/jpg;", "data:image/jpeg;")),
            id
          )
          assert.deepStrictEqual(
            here.calls.map(([, ...rest]) => rest),
            there.calls.map(([, ...rest]) => rest),
            id
          )
          // An id keeps its letters, or where Claude refuses them is changed alike in call and result.
          const renamed = new Map(there.calls.map(([old], index) => [old, here.calls[index]?.[0]]))
          for (const [old, now] of renamed) assert.isTrue(now === old || !/^[\w-]+$/.test(old), id)
          assert.deepStrictEqual(
            here.results,
            there.results.map((old) => renamed.get(old) ?? old),
            id
          )
          for (const call of here.calls) assert.match(call[0], /^[\w-]+$/, id)
          for (const [field, value] of Object.entries(body)) {
            if (value === null || carried.has(field) || harmless[field]?.(value) === true) continue
            assert.include(lost, field, id)
          }
          const sentBody = encoded.body as Any
          assert.strictEqual(sentBody.max_tokens, body.max_completion_tokens ?? body.max_tokens ?? 4096, id)
          assert.strictEqual(sentBody.stream ?? false, body.stream ?? false, id)
          for (const turn of sentBody.messages) {
            assert.notStrictEqual(turn.content.length, 0, id)
            for (const block of list(turn.content)) if (block.type === "text") assert.notStrictEqual(block.text.trim(), "", id)
          }
          for (let turn = 1; turn < sentBody.messages.length; turn++)
            assert.notStrictEqual(sentBody.messages[turn].role, sentBody.messages[turn - 1].role, id)
        }
        assert.isAbove(count, 0)
        const table = [...losses].toSorted(([, a], [, b]) => b - a).map(([field, times]) => `${field} ×${times}`)
        report(
          `${file} → ${model}, requests`,
          count,
          ` (refused here and there: ${refused.join(", ") || "none"}; lost: ${table.join(", ") || "nothing"})`
        )
      })
    }
  }
})

const finish: Readonly<Record<string, string>> = {
  end_turn: "stop",
  stop_sequence: "stop",
  max_tokens: "length",
  tool_use: "tool_calls",
  refusal: "content_filter",
  pause_turn: "length"
}
const plain = new Set(["text", "thinking", "redacted_thinking", "tool_use"])
const total = (usage: Any): number =>
  (usage.input_tokens ?? 0) + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0)

describe.skipIf(!present(...messages))("recorded answers of Claude become answers to OpenAI callers", () => {
  for (const file of messages) {
    it(`${file}, whole`, () => {
      let count = 0
      let calls = 0
      let lost = 0
      for (const { id, response } of recorded(file)) {
        const body = response.body as Any
        if (response.status !== 200 || body?.type !== "message") continue
        count++
        const answer = Result.getOrThrow(anthropic.decodeAnswer(body))
        const encoded = openaiCaller.encodeAnswer(answer, context)
        const [choice] = (encoded.body as Any).choices
        const blocks = list(body.content)
        const of = (type: string) => blocks.filter((block) => block.type === type)
        assert.strictEqual(
          choice.message.content ?? "",
          of("text")
            .map(({ text }) => text)
            .join(""),
          id
        )
        assert.strictEqual(
          choice.message.reasoning_content ?? "",
          of("thinking")
            .map(({ thinking }) => thinking)
            .join(""),
          id
        )
        assert.deepStrictEqual(
          list(choice.message.tool_calls).map((call) => [call.id, call.function.name, JSON.parse(call.function.arguments)]),
          of("tool_use").map((block) => [block.id, block.name, block.input]),
          id
        )
        assert.strictEqual(choice.finish_reason, finish[body.stop_reason], id)
        const usage = (encoded.body as Any).usage
        // Bedrock once put it into headers.
        if (body.usage === undefined) assert.isUndefined(usage, id)
        else {
          assert.deepStrictEqual([usage.prompt_tokens, usage.completion_tokens], [total(body.usage), body.usage.output_tokens], id)
          assert.strictEqual(usage.prompt_tokens_details.cached_tokens, body.usage.cache_read_input_tokens ?? 0, id)
        }
        const unsaid = blocks.flatMap((block, index) =>
          plain.has(block.type)
            ? list(block.citations).some((one) => urlOf(one) === undefined)
              ? [`content[${index}].citations`]
              : []
            : [`content[${index}]`]
        )
        // A source with a URL is told with the text that it stands for.
        assert.deepStrictEqual(
          list(choice.message.annotations).map(({ url_citation: { end_index, start_index, url } }) => [
            url,
            choice.message.content.slice(start_index, end_index)
          ]),
          of("text").flatMap((block) =>
            list(block.citations).flatMap((one) => (urlOf(one) === undefined ? [] : [[urlOf(one), block.text]]))
          ),
          id
        )
        const losses = encoded.losses.map(({ field }) => field)
        for (const field of unsaid) assert.include(losses, field, id)
        for (const field of losses) assert.isTrue(unsaid.includes(field) || body[field] != null, `${id}: ${field}`)
        calls += of("tool_use").length
        lost += losses.length
      }
      assert.isAbove(count, 0)
      report(`${file}, whole answers`, count, ` (${calls} tool calls, ${lost} losses)`)
    })
  }

  it("streams", () => {
    let count = 0
    let calls = 0
    let lost = 0
    for (const { id, response } of [...recorded("anthropic-messages"), ...recorded("vertex-anthropic-messages")]) {
      if (typeof response.body !== "string" || response.status !== 200) continue
      const stream = response.body
      const said = eventsOf(stream).map(({ data }) => JSON.parse(data) as Any)
      // A few recordings hold several answers one after another; the first is the answer to the request.
      const end = said.findIndex(({ type }) => type === "message_stop")
      const events = said.slice(0, end + 1)
      count++
      const translated = translate(eventsOf(stream), anthropic, openaiCaller, context)
      assert.isUndefined(translated.failure, id)
      const data = dataOf(translated.text)
      assert.strictEqual(data.at(-1), "[DONE]", id)
      const chunks = data.slice(0, -1).map((one) => JSON.parse(one) as Any)
      const deltas = chunks.flatMap(({ choices }) => list(choices)).map(({ delta }) => delta)
      const written = (type: string, field: string): string =>
        events
          .map((event) =>
            event.type === "content_block_delta" && event.delta.type === type
              ? event.delta[field]
              : event.type === "content_block_start" && event.content_block.type === type.replace("_delta", "")
                ? (event.content_block[field] ?? "")
                : ""
          )
          .join("")
      assert.strictEqual(deltas.map((delta) => delta.content ?? "").join(""), written("text_delta", "text"), id)
      assert.strictEqual(deltas.map((delta) => delta.reasoning_content ?? "").join(""), written("thinking_delta", "thinking"), id)
      const text = deltas.map((delta) => delta.content ?? "").join("")
      const textOf = (index: number): string =>
        events
          .filter((event) => event.index === index && event.delta?.type === "text_delta")
          .map((event) => event.delta.text)
          .join("")
      const urls = events.filter((event) => event.delta?.type === "citations_delta" && urlOf(event.delta.citation) !== undefined)
      assert.deepStrictEqual(
        deltas
          .flatMap((delta) => list(delta.annotations))
          .map(({ url_citation: { end_index, start_index, url } }) => [url, text.slice(start_index, end_index)]),
        urls.map((event) => [urlOf(event.delta.citation), textOf(event.index)]),
        id
      )
      const uses = events.filter((event) => event.type === "content_block_start" && event.content_block.type === "tool_use")
      const expected = uses.map((use) => {
        const text = events
          .filter((event) => event.type === "content_block_delta" && event.index === use.index)
          .map(({ delta }) => delta.partial_json ?? "")
          .join("")
        // Code of the provider's own that calls a tool gives its input whole.
        return [use.content_block.id, use.content_block.name, text === "" ? use.content_block.input : JSON.parse(text)]
      })
      const got: Array<[string, string, string]> = []
      for (const call of deltas.flatMap((delta) => list(delta.tool_calls))) {
        if (call.id !== undefined) got[call.index] = [call.id, call.function.name, ""]
        got[call.index]![2] += call.function.arguments
      }
      assert.deepStrictEqual(
        got.map(([callId, name, text]) => [callId, name, JSON.parse(text)]),
        expected,
        id
      )
      const closing = events.findLast(({ type }) => type === "message_delta")
      assert.deepStrictEqual(
        chunks
          .flatMap(({ choices }) => list(choices))
          .map(({ finish_reason }) => finish_reason)
          .filter((reason) => reason !== null),
        [finish[closing.delta.stop_reason]],
        id
      )
      const usage = { ...events[0].message.usage, ...closing.usage }
      assert.deepStrictEqual(
        [chunks.at(-1).usage.prompt_tokens, chunks.at(-1).usage.completion_tokens],
        [total(usage), usage.output_tokens],
        id
      )
      const foreign = events
        .filter((event) => event.type === "content_block_start" && !plain.has(event.content_block.type))
        .map(({ index }) => `content[${index}]`)
      for (const field of foreign) assert.include(translated.losses, field, id)
      calls += uses.length
      lost += translated.losses.length
      // Cut in some hundred places, and fed byte by byte.
      const bytes = new TextEncoder().encode(stream)
      const every = Math.max(1, Math.floor(bytes.length / 100))
      for (let cut = 1; cut < bytes.length; cut += every) {
        assert.strictEqual(
          translate(framesOf([bytes.subarray(0, cut), bytes.subarray(cut)]), anthropic, openaiCaller, context).text,
          translated.text,
          id
        )
      }
      // Cut short, it fails.
      const short = translate(
        framesOf([bytes.subarray(0, Math.max(1, stream.indexOf("event: message_stop")))]),
        anthropic,
        openaiCaller,
        context
      )
      assert.strictEqual(short.failure?.class, "stream-cut", id)
      assert.notInclude(short.text, "[DONE]", id)
    }
    assert.isAbove(count, 0)
    report("Anthropic streams", count, ` (${calls} tool calls, ${lost} losses)`)
  }, 120_000)
})

describe.skipIf(!present(...chats))("recorded answers of OpenAI and its imitators", () => {
  for (const file of chats) {
    it(`${file}, forwarded streams`, () => {
      let count = 0
      let ended = 0
      let billed = 0
      let failed = 0
      for (const { id, response, stream } of recorded(file)) {
        if (!stream || typeof response.body !== "string" || response.status !== 200) continue
        count++
        const events = eventsOf(response.body)
        const glances = events.map(openai.peek)
        events.forEach((event, index) => {
          const glance = glances[index]!
          if (event.data === "[DONE]") {
            assert.isTrue(glance.done, id)
            return
          }
          const chunk = JSON.parse(event.data) as Any
          assert.isFalse(glance.done, id)
          const usage = chunk.usage ?? chunk.x_groq?.usage
          assert.strictEqual(glance.usage?.inputTokens, usage == null ? undefined : usage.prompt_tokens, id)
          assert.strictEqual(glance.usageOnly, chunk.usage != null && list(chunk.choices).length === 0, id)
          assert.strictEqual(glance.failure !== undefined, chunk.error != null, id)
          const shown = list(chunk.choices).some(
            ({ delta }) =>
              ["content", "reasoning_content", "reasoning", "refusal"].some((field) => (delta?.[field] ?? "").length > 0) ||
              list(delta?.tool_calls).length > 0
          )
          assert.strictEqual(glance.content, shown && chunk.error == null, id)
        })
        if (glances.some(({ done }) => done)) ended++
        if (glances.some(({ usage }) => usage !== undefined)) billed++
        if (glances.some(({ failure }) => failure !== undefined)) failed++
        // And through the model: text and calls as they were.
        const text = (source: string): string =>
          dataOf(source)
            .filter((data) => data.startsWith("{"))
            .flatMap((data) => list((JSON.parse(data) as Any).choices))
            .filter(({ index }) => (index ?? 0) === 0)
            .map(({ delta }) => (typeof delta?.content === "string" ? delta.content : ""))
            .join("")
        const translated = translate(events, openai, openaiCaller, context)
        assert.strictEqual(text(translated.text), text(response.body), id)
        assert.strictEqual(
          translated.failure === undefined,
          glances.some(({ done }) => done) && !glances.some(({ failure }) => failure !== undefined),
          id
        )
      }
      report(`${file}, streams`, count, ` (${ended} ended with [DONE], ${billed} with usage, ${failed} with an error inside)`)
    })

    it(`${file}, whole`, () => {
      let count = 0
      for (const { id, response } of recorded(file)) {
        const body = response.body as Any
        if (response.status !== 200 || !Array.isArray(body?.choices) || body.choices[0]?.message === undefined) continue
        count++
        assert.isUndefined(openai.failureIn(body), id)
        const answer = Result.getOrThrow(openai.decodeAnswer(body))
        const [choice] = (openaiCaller.encodeAnswer(answer, context).body as Any).choices
        const { message } = body.choices[0]
        if (typeof message.content === "string") assert.strictEqual(choice.message.content ?? "", message.content, id)
        assert.deepStrictEqual(
          list(choice.message.tool_calls).map((call) => [call.id, call.function]),
          list(message.tool_calls).map((call) => [call.id, { name: call.function.name, arguments: call.function.arguments }]),
          id
        )
        if (body.usage != null) {
          const usage = openai.usageOf(body)!
          assert.strictEqual(usage.inputTokens, body.usage.prompt_tokens, id)
          assert.isAtLeast(usage.outputTokens, body.usage.completion_tokens, id)
          const cached = body.usage.prompt_tokens_details?.cached_tokens ?? body.usage.prompt_cache_hit_tokens ?? 0
          // One recording claims more cached tokens than tokens.
          assert.strictEqual(usage.cachedInputTokens, Math.min(cached, body.usage.prompt_tokens), id)
        }
      }
      assert.isAbove(count, 0)
      report(`${file}, whole answers`, count)
    })
  }
})

/** The class that each recorded error must get: by status, and where the provider says more, by that. */
const expectedClass = ({ response }: Recorded): string => {
  const error = (response.body as Any)?.error
  if (response.status === 401) return "auth"
  if (response.status === 404) return "auth"
  if (error?.code === "tool_use_failed") return "malformed"
  if (error?.type === "too_many_prompt_tokens" || /too long|maximum context length/.test(error?.message ?? "")) return "context-length"
  return "bad-request"
}

describe.skipIf(!present(...chats, "anthropic-messages"))("recorded errors", () => {
  it("get their class", () => {
    const table: Array<string> = []
    for (const [files, dialect] of [
      [chats, openai],
      [["anthropic-messages"], anthropic]
    ] as const) {
      for (const file of files) {
        for (const one of recorded(file)) {
          if (one.response.status < 400) continue
          const failure = dialect.classify(one.response.status, one.response.body, one.response.headers)
          assert.strictEqual(failure.class, expectedClass(one), `${one.id}: ${failure.message}`)
          assert.notInclude(failure.message, "sk-", one.id)
          table.push(
            `  ${one.provider.padEnd(13)} ${one.response.status} ${failure.class.padEnd(15)} ${(failure.code ?? "-").padEnd(26)} ${failure.message.slice(0, 90)}`
          )
        }
      }
    }
    assert.isAbove(table.length, 0)
    console.log(`recorded errors: ${table.length}\n${table.join("\n")}`)
  })
})
