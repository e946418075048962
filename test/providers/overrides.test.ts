/** What is set of a Chat Completions request, as changes to any body that callers may write: what is asked for holds, and nothing else moves. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Settings } from "../../src/Dialect.ts"
import { patch, scan } from "../../src/JsonScan.ts"
import { overrides } from "../../src/providers/openai/overrides.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** JSON text of a value as callers write it, numbers that JavaScript cannot hold among them. */
const literal = fc.oneof(
  fc.constantFrom("null", "0", "1.0", "1e2", "20", "100", "500", "-3", "12345678901234567890", '"high"', '"low"', "true", "[]"),
  fc.constantFrom('{"effort":"high"}', '{"effort":"low","max_tokens":9}', '{ "exclude" : true, "enabled":false }')
)
const names = ["temperature", "max_tokens", "max_completion_tokens", "reasoning_effort", "reasoning", "seed", "x", "model"] as const
const space = fc.constantFrom("", " ", "\n  ")
const members = fc.uniqueArray(fc.tuple(fc.constantFrom(...names), literal, space), { selector: ([name]) => name, maxLength: names.length })
const textOf = (members: ReadonlyArray<readonly [string, string, string]>): string =>
  `{${members.map(([name, json, gap]) => `${gap}"${name}"${gap}:${gap}${json}${gap}`).join(",")}}`

const settings = fc.record<Settings>({
  temperature: fc.option(fc.constantFrom(0, 0.25, 1, 2), { nil: undefined }),
  reasoningEffort: fc.option(fc.constantFrom("none", "low", "high"), { nil: undefined }),
  maxOutputTokens: fc.option(fc.constantFrom(1, 20, 100, 4_096), { nil: undefined }),
  maxTokensField: fc.constantFrom("max_tokens", "max_completion_tokens", undefined)
})

const isCount = (value: unknown): value is number => typeof value === "number" && Number.isSafeInteger(value) && value > 0

describe("overrides of Chat Completions", () => {
  it("say what is set, once, cap what is longer, and leave every other byte", () => {
    fc.assert(
      fc.property(members, settings, (members, settings) => {
        const text = textOf(members)
        const before = JSON.parse(text) as Record<string, unknown>
        const bytes = encoder.encode(text)
        const changes = overrides(before, settings)
        const patched = patch(bytes, scan(bytes), changes)
        const now = decoder.decode(patched)
        const after = JSON.parse(now) as Record<string, unknown>
        const { maxOutputTokens: most, maxTokensField = "max_completion_tokens", reasoningEffort, temperature } = settings

        assert.isUndefined(scan(patched).duplicate)
        assert.strictEqual(new Set(changes.map(({ key }) => key)).size, changes.length)
        if (temperature !== undefined) assert.strictEqual(after["temperature"], temperature)
        if (reasoningEffort !== undefined) {
          assert.strictEqual(after["reasoning_effort"], reasoningEffort)
          const { reasoning } = after
          if (typeof reasoning === "object" && reasoning !== null && !Array.isArray(reasoning)) {
            assert.strictEqual((reasoning as Record<string, unknown>)["effort"], reasoningEffort)
            assert.notProperty(reasoning, "max_tokens")
            assert.notProperty(reasoning, "enabled")
          }
        }
        if (most !== undefined) {
          const said = ["max_tokens", "max_completion_tokens"].filter((name) => (after[name] ?? null) !== null)
          // Whichever of the names a host goes by, it finds a maximum, and none that is too long or longer than the caller's own.
          assert.isNotEmpty(said)
          if (maxTokensField === "max_tokens") assert.include(said, "max_tokens")
          for (const name of said) {
            const [was, is] = [before[name], after[name]]
            assert.isTrue(isCount(is))
            assert.isAtMost(is as number, isCount(was) ? Math.min(was, most) : most)
          }
        }
        // Untouched: the text of every other member, to the byte and in its place.
        const kept = members.filter(([name]) => changes.every(({ key }) => key !== name))
        let at = 0
        for (const [name, json, gap] of kept) {
          const member = `"${name}"${gap}:${gap}${json}`
          at = now.indexOf(member, at)
          assert.isAtLeast(at, 0, member)
        }
        for (const { key } of changes) assert.notDeepEqual(after[key], before[key])
        // Saying it again changes nothing.
        assert.isEmpty(overrides(after, settings))
      }),
      { numRuns: 5_000 }
    )
  })
})
