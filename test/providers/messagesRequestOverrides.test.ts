/** What is set of a Messages request, as changes to any body that callers may write: what is asked for holds, the API takes it, and nothing else moves. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Settings } from "../../src/Dialect.ts"
import { patch, scan } from "../../src/JsonScan.ts"
import { overrides } from "../../src/providers/anthropic/overrides.ts"

type Any = any

const nothing: Settings = { temperature: undefined, reasoningEffort: undefined, maxOutputTokens: undefined, maxTokensField: undefined }
const messages = [{ role: "user", content: "Hello" }]

/** The body with its changes made in its bytes. */
const after = (body: object, settings: Partial<Settings>): Any => {
  const bytes = new TextEncoder().encode(JSON.stringify(body))
  const changes = overrides(JSON.parse(JSON.stringify(body)) as Any, { ...nothing, ...settings })
  assert.strictEqual(new Set(changes.map(({ key }) => key)).size, changes.length)
  const patched = patch(bytes, scan(bytes), changes)
  assert.isUndefined(scan(patched).duplicate)
  return JSON.parse(new TextDecoder().decode(patched))
}

/** What of it has changed. */
const changed = (more: object, settings: Partial<Settings>): Any => {
  const body: Any = { model: "claude-opus-4-8", max_tokens: 8000, messages, ...more }
  const found = after(body, settings)
  return Object.fromEntries(Object.entries(found).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(body[name])))
}

const models = [
  "claude-3-5-haiku-latest",
  "claude-3-7-sonnet-latest",
  "claude-sonnet-4-5",
  "claude-opus-4-6",
  "claude-opus-4-8",
  "claude-sonnet-5",
  "claude-sonnet-5-5",
  "claude-opus-5-5",
  "smart",
  "anthropic/claude-haiku-5-5"
]

const body = fc.record(
  {
    model: fc.constantFrom(...models),
    messages: fc.constantFrom<Any>(
      messages,
      [
        ...messages,
        { role: "assistant", content: [{ type: "tool_use", id: "a", name: "f", input: {} }] },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "a" }] }
      ],
      "x"
    ),
    max_tokens: fc.constantFrom<Any>(0, 1, 500, 1024, 1025, 4096, 64_000, null, "10", -3, 1.5),
    temperature: fc.constantFrom<Any>(0, 0.5, 1, null),
    thinking: fc.constantFrom<Any>(
      null,
      { type: "disabled" },
      { type: "adaptive", display: "omitted" },
      { type: "enabled", budget_tokens: 2000, display: "summarized" },
      { type: "enabled", budget_tokens: 1024 },
      { type: "between_tools" },
      "on"
    ),
    output_config: fc.constantFrom<Any>(null, {}, { effort: "low", format: { type: "json_schema", schema: {} } }, "x"),
    tool_choice: fc.constantFrom<Any>({ type: "auto" }, { type: "any" }, { type: "tool", name: "f" }, null),
    other: fc.constantFrom<Any>(1, "x", null)
  },
  { requiredKeys: ["model", "messages"] }
)
const settings = fc.record({
  temperature: fc.option(fc.constantFrom(0, 0.25, 1, 2), { nil: undefined }),
  reasoningEffort: fc.option(fc.constantFrom("none" as const, "minimal" as const, "low" as const, "high" as const, "xhigh" as const), {
    nil: undefined
  }),
  maxOutputTokens: fc.option(fc.constantFrom(1, 500, 1024, 2000, 4096, 32_000), { nil: undefined })
})

const isCount = (value: unknown): value is number => typeof value === "number" && Number.isSafeInteger(value) && value >= 0

describe("overrides of Messages", () => {
  it("say what is set, cap what is longer, and leave the rest", () => {
    fc.assert(
      fc.property(body, settings, (body: Any, settings) => {
        const now = after(body, settings)
        const { maxOutputTokens: most, reasoningEffort: effort, temperature } = settings
        for (const name of ["model", "messages", "tool_choice", "other"]) assert.deepStrictEqual(now[name], body[name])
        if (most !== undefined) {
          assert.isTrue(isCount(now.max_tokens) && now.max_tokens <= most)
          if (isCount(body.max_tokens) && body.max_tokens <= most) assert.strictEqual(now.max_tokens, body.max_tokens)
        } else assert.deepStrictEqual(now.max_tokens, body.max_tokens)
        const thinks = now.thinking?.type === "enabled"
        if (temperature !== undefined && !(thinks && effort !== undefined)) assert.strictEqual(now.temperature, Math.min(temperature, 1))
        if (temperature === undefined && !(thinks && effort !== undefined)) assert.deepStrictEqual(now.temperature, body.temperature)
        // What was set is never what the API refuses: a budget that does not fit, or beside what it cannot stand.
        if (
          thinks &&
          (effort !== undefined || most !== undefined) &&
          isCount(now.max_tokens) &&
          JSON.stringify(now.thinking) !== JSON.stringify(body.thinking)
        )
          assert.isTrue(now.thinking.budget_tokens >= 1024 && now.thinking.budget_tokens < now.max_tokens)
        if (most !== undefined && thinks && isCount(now.max_tokens) && now.max_tokens !== body.max_tokens)
          assert.isBelow(now.thinking.budget_tokens, now.max_tokens)
        if (now.output_config?.effort !== undefined && now.output_config.effort !== body.output_config?.effort) {
          assert.isDefined(effort)
          assert.strictEqual(now.thinking.type, "adaptive")
          assert.deepStrictEqual(now.output_config.format, body.output_config?.format)
        }
      }),
      { numRuns: 3000 }
    )
  })

  it("say nothing that is said already", () => {
    // Where the name tells nothing, what to say depends on what the caller has said.
    const known = body.filter(({ model }) => model !== "smart")
    fc.assert(
      fc.property(known, settings, (body, settings) => {
        const once = after(body, settings)
        assert.deepStrictEqual(overrides(once, { ...nothing, ...settings }), [])
      }),
      { numRuns: 1000 }
    )
  })

  it("a temperature ends at 1", () => {
    assert.deepStrictEqual(changed({}, { temperature: 0.2 }), { temperature: 0.2 })
    assert.deepStrictEqual(changed({}, { temperature: 1.5 }), { temperature: 1 })
    assert.deepStrictEqual(changed({ temperature: 0.2 }, { temperature: 0.2 }), {})
  })

  it("an effort is what the model named takes", () => {
    const adaptive = (effort: string) => ({ thinking: { type: "adaptive" }, output_config: { effort } })
    const high = (model: string, more: object = {}) => changed({ model, ...more }, { reasoningEffort: "high" })
    assert.deepStrictEqual(high("claude-opus-4-8"), adaptive("high"))
    assert.deepStrictEqual(high("anthropic/claude-sonnet-5"), adaptive("high"))
    assert.deepStrictEqual(high("smart"), adaptive("high"))
    assert.deepStrictEqual(high("claude-sonnet-4-5"), { thinking: { type: "enabled", budget_tokens: 6400 } })
    assert.deepStrictEqual(high("claude-3-5-haiku-latest"), {})
    assert.deepStrictEqual(changed({}, { reasoningEffort: "minimal" }), adaptive("low"))
    assert.deepStrictEqual(changed({ model: "claude-opus-4-6" }, { reasoningEffort: "xhigh" }), adaptive("high"))
    const format = { type: "json_schema", schema: {} }
    assert.deepStrictEqual(
      high("claude-opus-4-8", { output_config: { effort: "low", format }, thinking: { type: "adaptive", display: "omitted" } }),
      {
        output_config: { effort: "high", format }
      }
    )
    assert.deepStrictEqual(high("smart", { thinking: { type: "enabled", budget_tokens: 2000 } }), {
      thinking: { type: "enabled", budget_tokens: 6400 }
    })
  })

  it("no effort switches thinking off, as far as the model named allows", () => {
    const none = (model: string, more: object = {}) => changed({ model, ...more }, { reasoningEffort: "none" })
    const budget = { thinking: { type: "enabled", budget_tokens: 2000 } }
    assert.deepStrictEqual(none("claude-sonnet-4-5"), {})
    assert.deepStrictEqual(none("claude-sonnet-4-5", budget), { thinking: { type: "disabled" } })
    assert.deepStrictEqual(none("claude-sonnet-5"), { thinking: { type: "disabled" } })
    assert.deepStrictEqual(none("claude-haiku-5-5"), { thinking: { type: "disabled" } })
    assert.deepStrictEqual(none("smart"), { thinking: { type: "disabled" } })
    assert.deepStrictEqual(none("claude-sonnet-5-5"), { thinking: { type: "between_tools" } })
    assert.deepStrictEqual(none("claude-opus-5-5"), { thinking: { type: "adaptive" }, output_config: { effort: "low" } })
  })

  it("a budget is not set where the API refuses it, and takes the temperature with it", () => {
    const high = (more: object) => changed({ model: "claude-sonnet-4-5", ...more }, { reasoningEffort: "high" })
    assert.deepStrictEqual(high({ tool_choice: { type: "any" } }), {})
    assert.deepStrictEqual(high({ tool_choice: { type: "tool", name: "f" } }), {})
    assert.deepStrictEqual(high({ max_tokens: 1024 }), {})
    const loop = [
      ...messages,
      { role: "assistant", content: [{ type: "tool_use", id: "a", name: "f", input: {} }] },
      { role: "user", content: [] }
    ]
    assert.deepStrictEqual(high({ messages: loop }), {})
    assert.deepStrictEqual(high({ temperature: 0.2 }), { temperature: 1, thinking: { type: "enabled", budget_tokens: 6400 } })
  })

  it("a maximum only comes down, and a budget with it", () => {
    const most = (maxOutputTokens: number, more: object = {}) => changed(more, { maxOutputTokens })
    assert.deepStrictEqual(most(9000), {})
    assert.deepStrictEqual(most(4000), { max_tokens: 4000 })
    assert.deepStrictEqual(most(4000, { max_tokens: undefined }), { max_tokens: 4000 })
    const thinking = { type: "enabled", budget_tokens: 6000, display: "omitted" }
    assert.deepStrictEqual(most(7000, { thinking }), { max_tokens: 7000 })
    assert.deepStrictEqual(most(4000, { thinking }), { max_tokens: 4000, thinking: { ...thinking, budget_tokens: 3999 } })
    assert.deepStrictEqual(most(1000, { thinking }), { max_tokens: 1000, thinking: { type: "disabled" } })
    assert.deepStrictEqual(changed({ model: "claude-sonnet-4-5", thinking }, { maxOutputTokens: 4000, reasoningEffort: "high" }), {
      max_tokens: 4000,
      thinking: { type: "enabled", budget_tokens: 3200, display: "omitted" }
    })
  })

  it("what is nested 50,000 levels deep stays what it is", () => {
    const deep = `${'{"a":['.repeat(25_000)}1${"]}".repeat(25_000)}`
    const body = JSON.parse(`{"model":"smart","max_tokens":10,"output_config":{"format":${deep}}}`) as Any
    const [, config] = overrides(body, { ...nothing, reasoningEffort: "high" })
    assert.strictEqual(config?.json, `{"format":${deep},"effort":"high"}`)
  })
})
