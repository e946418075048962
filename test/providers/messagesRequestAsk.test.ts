/** What routing asks of a Messages request: what is refused before that, what it counts, and what costs more than its tokens. */
import { assert, describe, it } from "@effect/vitest"
import type { Parsed } from "../../src/Call.ts"
import { isRefused } from "../../src/providers/body.ts"
import { parseCount, parseMessages } from "../../src/providers/anthropic/ask.ts"
import { providers } from "../../src/Providers.ts"
import { present, recorded } from "./recorded.ts"

type Any = any

const bytes = (body: unknown): Uint8Array => new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body))
const ask = (more: object = {}) => ({ model: "m", max_tokens: 10, messages: [{ role: "user", content: "Hello" }], ...more })

const parsed = (body: unknown, parse = parseMessages): Parsed => {
  const found = parse(bytes(body), (name) => (name === "x-a" ? "b" : null))
  if (isRefused(found as Any)) assert.fail((found as Any).message)
  return found as Parsed
}
const of = (more: object = {}) => parsed(ask(more)).ask
const said = (content: unknown) => of({ messages: [{ role: "user", content }] })

describe("a request is refused", () => {
  const wrong: ReadonlyArray<readonly [body: unknown, code: string, param: string | undefined]> = [
    ["", "invalid_json", undefined],
    ["[]", "invalid_request", undefined],
    ['{"model":"a","model":"b"}', "duplicate_key", "model"],
    [ask({ model: undefined }), "missing_model", "model"],
    [ask({ model: "" }), "missing_model", "model"],
    [ask({ model: null }), "missing_model", "model"],
    [ask({ model: 1 }), "invalid_request", "model"],
    [ask({ messages: undefined }), "invalid_request", "messages"],
    [ask({ messages: "x" }), "invalid_request", "messages"],
    [ask({ stream: "yes" }), "invalid_request", "stream"],
    [ask({ max_tokens: undefined }), "invalid_request", "max_tokens"],
    [ask({ max_tokens: null }), "invalid_request", "max_tokens"],
    [ask({ max_tokens: -1 }), "invalid_request", "max_tokens"],
    [ask({ max_tokens: 1.5 }), "invalid_request", "max_tokens"],
    [ask({ max_tokens: "10" }), "invalid_request", "max_tokens"]
  ]
  for (const [body, code, param] of wrong) {
    it(`${code} of ${JSON.stringify(body).slice(0, 90)}`, () => {
      const found = parseMessages(bytes(body), () => null) as Any
      assert.strictEqual(found.code, code)
      assert.strictEqual(found.param, param)
      assert.strictEqual(found.status, 400)
    })
  }
  it("with what is missing", () => {
    assert.match((parseMessages(bytes(ask({ max_tokens: undefined })), () => null) as Any).message, /missing/)
    assert.match((parseMessages(bytes(ask({ max_tokens: -1 })), () => null) as Any).message, /positive/)
  })
  it("but a count needs no maximum, and has no stream", () => {
    const { ask: found } = parsed(ask({ max_tokens: undefined, stream: true }), parseCount)
    assert.strictEqual(found.operation, "count")
    assert.isFalse(found.stream)
    assert.isNull(found.maxOutputTokens())
  })
})

describe("what is asked", () => {
  it("is read off the body", () => {
    const found = of({
      stream: true,
      metadata: { team: "a", n: 1 },
      messages: [
        { role: "user", content: "x" },
        { role: "assistant", content: "y" }
      ]
    })
    assert.strictEqual(found.operation, "generate")
    assert.strictEqual(found.model, "m")
    assert.isTrue(found.stream)
    assert.strictEqual(found.maxOutputTokens(), 10)
    assert.strictEqual(found.messages(), 2)
    assert.strictEqual(found.choices(), 1)
    assert.strictEqual(found.metadata("team"), "a")
    for (const name of ["n", "constructor", "x"]) assert.isNull(found.metadata(name))
    assert.strictEqual(found.header("x-a"), "b")
  })

  it("needs tools, a format, thinking", () => {
    const none = of()
    for (const need of ["needsTools", "needsVision", "needsStructuredOutput", "hasFormat", "needsReasoning"] as const)
      assert.isFalse(none[need](), need)
    assert.isTrue(of({ tools: [{ name: "f" }] }).needsTools())
    const schema = { type: "json_schema", schema: {} }
    for (const more of [{ output_format: schema }, { output_config: { format: schema } }]) {
      assert.isTrue(of(more).needsStructuredOutput())
      assert.isTrue(of(more).hasFormat())
    }
    for (const type of ["enabled", "adaptive", "between_tools"]) assert.isTrue(of({ thinking: { type } }).needsReasoning(), type)
    assert.isFalse(of({ thinking: { type: "disabled" } }).needsReasoning())
    assert.isFalse(of({ output_config: { effort: "high" } }).needsReasoning())
  })

  it("shows pictures and files wherever they lie", () => {
    const image = { type: "image", source: { type: "base64", media_type: "image/png", data: "A".repeat(5000) } }
    const pdf = { type: "document", source: { type: "url", url: "https://a/b.pdf" } }
    const found = said([
      image,
      pdf,
      { type: "document", source: { type: "text", media_type: "text/plain", data: "x" } },
      { type: "document", source: { type: "content", content: [image] } },
      { type: "tool_result", tool_use_id: "a", content: [image, pdf] },
      { type: "container_upload", file_id: "f" }
    ])
    assert.deepStrictEqual(found.media(), { images: 3, audio: 0, files: 3 })
    assert.isTrue(found.needsVision())
    assert.isBelow(found.inputBytes(), 400)
  })
})

describe("the bytes of all text", () => {
  const nothing = of().inputBytes()
  const grows = (what: string, found: number, least: number): void => assert.isAtLeast(found - nothing, least, what)
  const long = "ä".repeat(50)
  it("count what the model reads", () => {
    grows("system", of({ system: long }).inputBytes(), 100)
    grows("system in blocks", of({ system: [{ type: "text", text: long }] }).inputBytes(), 100)
    grows("tools", of({ tools: [{ name: "f", description: long, input_schema: { description: long } }] }).inputBytes(), 200)
    grows("format", of({ output_config: { format: { type: "json_schema", schema: { description: long } } } }).inputBytes(), 100)
    grows("older format", of({ output_format: { type: "json_schema", schema: { description: long } } }).inputBytes(), 100)
    grows("a field that is new", of({ documents: [long] }).inputBytes(), 100)
    const blocks: ReadonlyArray<object> = [
      { type: "text", text: long },
      { type: "document", source: { type: "text", media_type: "text/plain", data: long } },
      { type: "document", source: { type: "content", content: [{ type: "text", text: long }] } },
      { type: "document", source: { type: "url", url: "x" }, title: long },
      { type: "document", source: { type: "url", url: "x" }, context: long },
      { type: "tool_use", id: "a", name: "f", input: { a: long } },
      { type: "tool_use", id: "a", name: "f", input: { [long]: 1 } },
      { type: "tool_result", tool_use_id: "a", content: long },
      { type: "tool_result", tool_use_id: "a", content: [{ type: "text", text: long }] },
      { type: "thinking", thinking: long, signature: "" },
      { type: "thinking", thinking: "", signature: long },
      { type: "redacted_thinking", data: long },
      { type: "search_result", source: "x", title: "t", content: [{ type: "text", text: long }] },
      { type: "web_search_tool_result", tool_use_id: "a", content: [{ type: "web_search_result", encrypted_content: long }] },
      { type: "something_new", payload: { deep: [long] } }
    ]
    for (const block of blocks) assert.isAtLeast(said([block]).inputBytes(), 100, JSON.stringify(block).slice(0, 80))
  })
  it("count nothing of where media lies, and nothing of what no model reads", () => {
    const data = "A".repeat(5000)
    for (const block of [
      { type: "image", source: { type: "base64", media_type: "image/png", data } },
      { type: "document", source: { type: "file", file_id: data } },
      {
        type: "web_fetch_tool_result",
        content: { type: "web_fetch_result", content: { type: "document", source: { type: "base64", data } } }
      }
    ])
      assert.isBelow(said([block]).inputBytes(), 200, block.type)
    assert.strictEqual(of({ metadata: { user_id: data }, stop_sequences: [data] }).inputBytes(), nothing)
  })
  it("are found 50,000 levels deep", () => {
    const deep = `${'{"a":['.repeat(25_000)}"x"${"]}".repeat(25_000)}`
    const found = parsed(`{"model":"m","max_tokens":1,"tools":[${deep}],"messages":[{"role":"user","content":${deep}}]}`).ask
    assert.isAbove(found.inputBytes(), 25_000)
    assert.deepStrictEqual(found.media(), { images: 0, audio: 0, files: 0 })
  })

  it.skipIf(!present("anthropic-messages"))("are at least the tokens that were billed, with what the provider adds", () => {
    const { adds } = providers.anthropic
    let count = 0
    let closest = Infinity
    for (const { id, request, response } of recorded("anthropic-messages")) {
      const body = request?.body as Any
      const text = typeof response.body === "string" ? response.body : JSON.stringify(response.body)
      if (body === null || body === undefined || response.status !== 200) continue
      const { ask } = parsed(body)
      const { files, images } = ask.media()
      // What is billed beside these tokens has no bound, and a route under a budget refuses it.
      if (files + images > 0 || ask.extras().length > 0) continue
      const most = (name: string) =>
        Math.max(0, ...[...text.matchAll(new RegExp(`"${name}":\\s?(\\d+)`, "g"))].map(([, digits]) => Number(digits)))
      const billed = most("input_tokens") + most("cache_read_input_tokens") + most("cache_creation_input_tokens")
      const bound =
        ask.inputBytes() +
        adds.request +
        adds.message * ask.messages() +
        (ask.needsTools() ? adds.tools : 0) +
        (ask.hasFormat() ? adds.format : 0)
      assert.isAtLeast(bound, billed, id)
      closest = Math.min(closest, bound / billed)
      count++
    }
    console.log(`input bound against ${count} recorded bills: at least ${closest.toFixed(2)} times`)
    assert.isAbove(count, 100)
  })
})

describe("what is billed beside tokens, or at other prices", () => {
  const cases: ReadonlyArray<readonly [more: object, found: ReadonlyArray<string>]> = [
    [{}, []],
    [{ tools: [{ name: "f" }, { type: "custom", name: "g" }, { type: null, name: "h" }] }, []],
    [
      { tools: [{ type: "bash_20250124" }, { type: "text_editor_20250728" }, { type: "computer_20251124" }, { type: "memory_20250818" }] },
      []
    ],
    [
      { tools: [{ name: "f" }, { type: "web_search_20250305" }, { type: "code_execution_20250825" }, { type: "mcp_toolset" }] },
      ["tools[1]", "tools[2]", "tools[3]"]
    ],
    [{ tools: [{ type: "computer_toolset_20260801" }, { type: "tool_search_tool_bm25_20251119" }] }, ["tools[0]", "tools[1]"]],
    [{ mcp_servers: [] }, []],
    [{ mcp_servers: [{ url: "x" }] }, ["mcp_servers"]],
    [{ container: "c" }, ["container"]],
    [{ speed: "standard" }, []],
    [{ speed: "fast" }, ["speed"]],
    [{ inference_geo: "global" }, []],
    [{ inference_geo: "us" }, ["inference_geo"]],
    [{ service_tier: "auto" }, []],
    [{ service_tier: "standard_only" }, []],
    [{ service_tier: "priority" }, ["service_tier"]],
    [{ thread: { type: "continue" } }, ["thread"]],
    [{ fallbacks: [{ model: "x" }] }, ["fallbacks"]],
    [{ compaction: { type: "summarize" } }, ["compaction"]],
    [{ context_management: { edits: [{ type: "clear_tool_uses_20250919" }] } }, []],
    [{ context_management: { edits: [{ type: "compact_20260112" }] } }, ["context_management"]],
    [{ cache_control: { type: "ephemeral", ttl: "1h" } }, []]
  ]
  for (const [more, found] of cases) it(JSON.stringify(more).slice(0, 90), () => assert.deepStrictEqual(of(more).extras(), found))
  it("what the provider has described counts as more than it is long", () => {
    assert.isAbove(of({ tools: [{ type: "memory_20250818", name: "memory" }] }).inputBytes(), 1_581)
  })
})
