/**
 * What models are known to do: which names count, what every table must hold, and the windows against those that `@pydantic/genai-prices` has on its own.
 */
import { assert, describe, it } from "@effect/vitest"
import { findProvider, type MatchLogic } from "@pydantic/genai-prices"
import * as fc from "fast-check"
import { type Capabilities, capabilitiesOf, type ModelTable } from "../src/Models.ts"
import { type Provider, providers, startingKinds } from "../src/Providers.ts"

const registry = Object.entries(providers as Readonly<Record<string, Provider>>)
const tables = registry.flatMap(([kind, { models }]) => (models === undefined ? [] : [{ kind, table: models }]))
const lines = tables.flatMap(({ kind, table }) => [...table.names].map(([name, known]) => ({ kind, table, name, known })))

const tableOf = (kind: keyof typeof providers): ModelTable => (providers[kind] as Provider).models!
const known = (kind: keyof typeof providers, model: string): Capabilities | undefined => capabilitiesOf(tableOf(kind), model)

const twoDigits = (from: number, to: number): ReadonlyArray<string> =>
  Array.from({ length: to - from + 1 }, (_, index) => String(from + index).padStart(2, "0"))
const monthDays = twoDigits(1, 12).flatMap((month) => twoDigits(1, 31).map((day) => [month, day] as const))
/** Every date of the century, written out: a reading of what a date is that shares nothing with the tables' expressions. */
const dates = twoDigits(0, 99).flatMap((year) => monthDays.map(([month, day]) => [`20${year}`, month, day] as const))
const dashed = new Set(dates.map((date) => `-${date.join("-")}`))
const plain = new Set(dates.map((date) => `-${date.join("")}`))
const monthDay = new Set(monthDays.map((date) => `-${date.join("")}`))

/** What stands behind a name for a snapshot, by kind. */
const isSnapshot: Readonly<Record<string, (suffix: string) => boolean>> = {
  openai: (suffix) => dashed.has(suffix),
  azure: (suffix) => dashed.has(suffix),
  anthropic: (suffix) => plain.has(suffix) || suffix === "-latest",
  openrouter: (suffix) => plain.has(suffix),
  xai: (suffix) => monthDay.has(suffix) || suffix === "-latest"
}

/** What is known of a name, found by trying every model of the table. */
const reference = (kind: string, table: ModelTable, name: string): Capabilities | undefined => {
  const snapshot = (suffix: string): boolean => isSnapshot[kind]?.(suffix) ?? false
  const ends = (model: string): boolean => [5, 7, 9, 11].some((length) => snapshot(model.slice(-length)))
  const of = ([model]: readonly [string, Capabilities]): boolean =>
    name.startsWith(model) && snapshot(name.slice(model.length)) && !ends(model)
  return table.names.get(name) ?? [...table.names].find(of)?.[1]
}

describe("names", () => {
  it("takes a snapshot for its model", () => {
    const snapshots = [
      ["openai", "gpt-4o-mini-2024-07-18", "gpt-4o-mini"],
      ["openai", "gpt-4o-2024-11-20", "gpt-4o"],
      ["openai", "o3-2025-04-16", "o3"],
      ["openai", "gpt-5.4-mini-2026-03-17", "gpt-5.4-mini"],
      ["anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"],
      ["anthropic", "claude-3-5-haiku-latest", "claude-3-5-haiku"],
      ["anthropic", "claude-opus-4-20250514", "claude-opus-4-0"],
      ["xai", "grok-4-0709", "grok-4"],
      ["xai", "grok-4.20-reasoning-latest", "grok-4.20-reasoning"],
      ["openrouter", "openai/gpt-5.4-20260305", "openai/gpt-5.4"]
    ] as const
    for (const [kind, snapshot, model] of snapshots) {
      assert.isDefined(known(kind, model), model)
      assert.deepStrictEqual(known(kind, snapshot), known(kind, model), snapshot)
    }
  })

  it("keeps what a snapshot is known to do apart from its model", () => {
    assert.strictEqual(known("openai", "gpt-4o-2024-05-13")?.maxOutputTokens, 4_096)
    assert.strictEqual(known("openai", "gpt-4o")?.maxOutputTokens, 16_384)
  })

  it("knows nothing of names that only begin or end like one", () => {
    const unknown = [
      ["anthropic", "claude-sonnet-5-6"],
      ["anthropic", "claude-opus-4-9"],
      ["anthropic", "claude-opus-4-2"],
      ["anthropic", "claude-sonnet-5-fast"],
      ["anthropic", "claude-haiku-4"],
      ["anthropic", "us.anthropic.claude-opus-4-6-v1:0"],
      ["anthropic", "claude-opus-latest"],
      ["openai", "ft:gpt-4o-mini-2024-07-18:acme::abc123"],
      ["openai", "ft:gpt-4o-mini-2024-07-18"],
      ["openai", "gpt-4o-latest"],
      ["openai", "gpt-5-latest"],
      ["openai", "gpt-5-pro"],
      ["openai", "gpt-5.7"],
      ["openai", "gpt-50"],
      ["openai", "gpt-4o-mini-tts"],
      ["openai", "gpt-4o-2024-13-01"],
      ["openai", "gpt-4o-2024-05-13-2025-01-01"],
      ["openai", "gpt-4o-2024-05-13-mini"],
      ["openai", "openai/gpt-4o"],
      ["openai", ""],
      ["mistral", "mistral-large-2611"],
      ["mistral", "mistral-large-20251201"],
      ["groq", "openai/gpt-oss-120b-20260101"],
      ["openrouter", "openai/gpt-oss-120b:free"],
      ["openrouter", "gpt-4o"],
      ["xai", "grok-4.5-1345"]
    ] as const
    for (const [kind, name] of unknown) assert.isUndefined(known(kind, name), name)
    for (const { table } of tables)
      for (const name of ["__proto__", "constructor", "toString"]) assert.isUndefined(capabilitiesOf(table, name), name)
  })

  it("reads names in any case", () => {
    assert.deepStrictEqual(known("together", "Qwen/Qwen3.5-9B"), known("together", "qwen/qwen3.5-9b"))
    assert.isDefined(known("together", "Qwen/Qwen3.5-9B"))
    for (const { known: line, name, table } of lines) assert.strictEqual(capabilitiesOf(table, name.toUpperCase()), line, name)
  })

  it("knows nothing without a table", () => {
    assert.isUndefined(capabilitiesOf(undefined, "gpt-4o"))
  })

  it("adds nothing to a name but a snapshot of its own provider", () => {
    const suffix = fc.oneof(
      fc.constantFrom(...dashed),
      fc.constantFrom(...plain),
      fc.constantFrom(...monthDay),
      fc.constantFrom("-latest", "-preview", "-0", "-5", ":free", "-2025-00-10", "-20251301", "-2025-1-1", "-1301"),
      fc.stringMatching(/^[-.:@/]?[a-z0-9.:-]{1,10}$/)
    )
    fc.assert(
      fc.property(fc.constantFrom(...lines), fc.constantFrom("", "ft:", "x/", "-"), suffix, ({ kind, name, table }, before, behind) => {
        const whole = before + name + behind
        assert.strictEqual(capabilitiesOf(table, whole), reference(kind, table, whole), whole)
      }),
      { numRuns: 5_000 }
    )
  })
})

describe("the tables", () => {
  it("are there for every provider that a policy can begin with, and are not empty", () => {
    assert.includeMembers(
      tables.map(({ kind }) => kind),
      [...startingKinds]
    )
    for (const { kind, table } of tables) assert.isAbove(table.names.size, 0, kind)
  })

  it("have names in lower case, and no global expression, which would remember its last match", () => {
    for (const { name } of lines) assert.strictEqual(name, name.toLowerCase())
    for (const { kind, table } of tables) assert.isFalse(table.snapshot?.global ?? false, kind)
  })

  it("have limits that are positive integers, and windows that answers fit in", () => {
    for (const { kind, known: line, name } of lines) {
      for (const limit of [line.contextWindow, line.maxOutputTokens])
        if (limit !== undefined) assert.isTrue(Number.isSafeInteger(limit) && limit > 0, `${kind}/${name}: ${limit}`)
      if (line.contextWindow !== undefined && line.maxOutputTokens !== undefined)
        assert.isAtMost(line.maxOutputTokens, line.contextWindow, `${kind}/${name}`)
    }
  })

  it("have no field that is undefined, and none of an unknown name", () => {
    const fields = ["contextWindow", "maxOutputTokens", "vision", "audio", "files", "tools", "structuredOutput", "reasoning"]
    for (const { kind, known: line, name } of lines) {
      assert.isAbove(Object.keys(line).length, 0, `${kind}/${name}`)
      for (const [field, value] of Object.entries(line)) {
        assert.include(fields, field, `${kind}/${name}`)
        assert.isDefined(value, `${kind}/${name}: ${field}`)
      }
    }
  })

  // A lack rejects requests, so that each is written down twice.
  it("know of these lacks and no others", () => {
    const lacks = lines.flatMap(({ kind, known: line, name }) => {
      const fields = Object.entries(line).flatMap(([field, value]) => (value === false ? [field] : []))
      return fields.length === 0 ? [] : [`${kind}/${name}: ${fields.toSorted().join(" ")}`]
    })
    const claude = [...tableOf("anthropic").names.keys()].map((name) => `anthropic/${name}: audio`)
    const mistral = {
      "audio vision": ["open-mistral-nemo", "open-mistral-nemo-2407", "mistral-large-2411", "codestral-2508", "devstral-2512"],
      vision: ["voxtral-small-2507"],
      audio: [
        "pixtral-12b-2409",
        "pixtral-large-2411",
        "mistral-large-2512",
        "mistral-large-4",
        "mistral-large-4-0",
        "mistral-medium-2505",
        "mistral-medium-2508",
        "mistral-medium-2604",
        "mistral-medium-3-5",
        "mistral-medium-3.5",
        "mistral-small-2506",
        "mistral-small-2603",
        "ministral-3b-2512",
        "ministral-8b-2512",
        "ministral-14b-2512",
        "magistral-small-2509",
        "magistral-medium-2509"
      ]
    }
    const openai = [
      "openai/gpt-3.5-turbo: structuredOutput vision",
      "openai/gpt-3.5-turbo-0125: structuredOutput vision",
      "openai/gpt-3.5-turbo-1106: structuredOutput vision",
      "openai/gpt-4: structuredOutput",
      "openai/gpt-4-0613: structuredOutput",
      "openai/gpt-4-1106-preview: structuredOutput",
      "openai/gpt-4-0125-preview: structuredOutput",
      "openai/gpt-4-turbo-preview: structuredOutput",
      "openai/gpt-4-turbo: structuredOutput",
      "openai/gpt-4o-2024-05-13: structuredOutput",
      "openai/o1-preview: structuredOutput tools",
      "openai/o1-mini: structuredOutput tools",
      "openai/o3-mini: vision",
      "openai/gpt-6.1-terra: audio"
    ]
    const expected = [
      ...openai,
      // The same models at another address.
      ...openai.map((lack) => lack.replace("openai/", "azure/")),
      ...claude,
      ...Object.entries(mistral).flatMap(([fields, names]) => names.map((name) => `mistral/${name}: ${fields}`)),
      "groq/openai/gpt-oss-20b: audio vision",
      "groq/openai/gpt-oss-120b: audio vision",
      "groq/openai/gpt-oss-safeguard-20b: audio vision",
      "together/openai/gpt-oss-20b: audio vision",
      "together/openai/gpt-oss-120b: audio vision",
      "fireworks/accounts/fireworks/models/gpt-oss-20b: audio vision",
      "fireworks/accounts/fireworks/models/gpt-oss-120b: audio vision",
      "xai/grok-4.20-non-reasoning: reasoning",
      "xai/grok-4.20-0309-non-reasoning: reasoning"
    ]
    assert.deepStrictEqual(lacks.toSorted(), expected.toSorted())
  })

  it("say of a wandering name only what holds for every model that it may stand for", () => {
    for (const { known: line, name } of lines.filter(({ kind, name }) => kind === "mistral" && /-latest$|-medium-3$/.test(name))) {
      assert.isUndefined(line.contextWindow, name)
      for (const value of Object.values(line)) assert.isTrue(value, name)
    }
  })

  it("have the vendor's limits for its models at a router", () => {
    const vendors = { openai: "openai", anthropic: "anthropic", "x-ai": "xai", mistralai: "mistral" } as const
    let compared = 0
    for (const [name, line] of tableOf("openrouter").names) {
      const slash = name.indexOf("/")
      const vendor = vendors[name.slice(0, slash) as keyof typeof vendors]
      if (vendor === undefined) continue
      const model = name.slice(slash + 1)
      const own = known(vendor, vendor === "anthropic" ? model.replaceAll(".", "-") : model)
      if (own === undefined) continue
      for (const limit of ["contextWindow", "maxOutputTokens"] as const) {
        if (line[limit] === undefined || own[limit] === undefined) continue
        compared++
        assert.strictEqual(line[limit], own[limit], `${name}: ${limit}`)
      }
    }
    assert.isAbove(compared, 70)
  })
})

describe("windows against genai-prices", () => {
  const spelled = (rule: MatchLogic): ReadonlyArray<string> =>
    "or" in rule ? rule.or.flatMap(spelled) : "equals" in rule ? [rule.equals] : []

  const compared = tables.flatMap(({ kind, table }) =>
    findProvider({ providerId: (providers as Readonly<Record<string, Provider>>)[kind]!.catalog! })!.models.flatMap(
      ({ context_window, id, match }) => {
        if (context_window === undefined) return []
        return [...new Set([id, ...spelled(match)])].flatMap((name) => {
          const ours = capabilitiesOf(table, name)?.contextWindow
          return ours === undefined ? [] : [{ name: `${kind}/${name}`, ours, theirs: context_window }]
        })
      }
    )
  )

  it("compares enough of them", () => {
    assert.isAbove(compared.length, 150)
  })

  it("differs only where it was decided", () => {
    const decided: Readonly<Record<string, string>> = {
      // Its windows are rounded; the provider's page has all digits.
      "openai/gpt-4.1": "1047576, not 1000000",
      "openai/gpt-4.1-2025-04-14": "1047576, not 1000000",
      "openai/gpt-4.1-mini": "1047576, not 1000000",
      "openai/gpt-4.1-mini-2025-04-14": "1047576, not 1000000",
      "openai/gpt-4.1-nano": "1047576, not 1000000",
      "openai/gpt-4.1-nano-2025-04-14": "1047576, not 1000000",
      "openai/gpt-5.5": "1050000, not 1000000",
      "openai/gpt-5.5-2026-04-23": "1050000, not 1000000",
      "openai/gpt-5.5-2026-04-24": "1050000, not 1000000",
      "fireworks/accounts/fireworks/models/deepseek-r1-0528": "163840, not 160000",
      "fireworks/accounts/fireworks/models/deepseek-v3-0324": "163840, not 160000",
      "fireworks/accounts/fireworks/models/kimi-k3": "1048576, not 1040000",
      "fireworks/accounts/fireworks/models/llama-v3p1-8b-instruct": "131072, not 131000",
      "fireworks/accounts/fireworks/models/qwen3-235b-a22b": "131072, not 128000",
      ...Object.fromEntries(
        ["gemini", "vertex"].flatMap((kind) =>
          ["2.5-flash-lite", "3-flash-preview", "3.1-flash-lite", "3.5-flash", "3.5-flash-lite", "3.6-flash", "3.7-flash", "3.8-flash"].map(
            (model) => [`${kind}/gemini-${model}`, "1048576, not 1000000"]
          )
        )
      ),
      // It has the chat models as names of the reasoning ones, for their price.
      "openai/gpt-5-chat-latest": "128000, not 400000",
      "openai/gpt-5.1-chat-latest": "128000, not 400000",
      "openai/gpt-5.2-chat-latest": "128000, not 400000"
    }
    const differing = compared.filter(({ ours, theirs }) => ours !== theirs)
    assert.deepStrictEqual(
      differing.map(({ name, ours, theirs }) => `${name}: ${ours}, not ${theirs}`).toSorted(),
      Object.entries(decided)
        .map(([name, windows]) => `${name}: ${windows}`)
        .toSorted()
    )
  })
})
