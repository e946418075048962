/**
 * Situations are faithful: whatever fact a situation says of a call, the pipeline reads it so, and by way of a real body wherever a body can say it.
 *
 * Seen to catch: an hour read in UTC instead of the policy's zone, a text that is made too long by its tools, messages beyond the body's forgotten, media of a request without
 * messages lost, `spent` rounded to cents or not booked, a ratio rounded down, a breaker left closed, a latency off by one, header names in capitals, tags of a described
 * caller lost, a model that the caller may not use by default.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { play } from "../src/Cases.ts"
import { compile, type Compiled } from "../src/Compile.ts"
import { type FactValue, factNames } from "../src/Facts.ts"
import { callersOf } from "../src/Keys.ts"
import { budgetsOf } from "../src/Layers.ts"
import { Capability, decode, type PolicyEncoded, toNanoDollars } from "../src/Policy.ts"
import { type Situation, situate } from "../src/Situation.ts"
import { weekdays } from "../src/ZonedClock.ts"
import { loosePolicy } from "./generators.ts"
import { compiled, only } from "./scripted.ts"

const zones = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Pacific/Chatham"] as const

/** Reads every fact that the policy has, whether a rule mentions it or not. */
const readingAll = (policy: PolicyEncoded): Compiled => {
  const decoded = decode(policy)
  if (decoded._tag === "Failure") throw new Error(String(decoded.failure))
  const built = compile(decoded.success)
  for (const name of factNames(built.policy)) built.facts.slotOf(name)
  return built
}

/** What the pipeline has read of a situation, by name. */
const factsIn = (built: Compiled, situation: Situation): Readonly<Record<string, FactValue>> => {
  const situated = situate(built, situation)
  if (situated._tag === "Failure") throw new Error(situated.failure.map(({ message }) => message).join("; "))
  const { record } = play(built, situated.success)
  const facts = record.call!.facts
  // What tools are told of the call is what the pipeline reads.
  assert.deepStrictEqual(built.facts.read(situated.success.source), facts)
  return Object.fromEntries(built.facts.names.map((name, slot) => [name, facts[slot]!]))
}

const texts = fc.oneof(
  fc.constantFrom("", "core", "constructor", "müller", "a\u0000b", "\ud800", '"', "日本語"),
  fc.string({ unit: "binary", maxLength: 8 })
)
const counts = fc.oneof(
  fc.nat({ max: 20 }),
  fc.nat({ max: 3_000 }),
  fc.constantFrom(0, 1, 2_000, 2_001, 262_144, 262_145, 1_000_000, 2 ** 40)
)
const maybe = <A>(of: fc.Arbitrary<A>) => fc.option(of, { nil: undefined, freq: 3 })

const rawSituation = fc.record({
  model: maybe(
    fc.oneof(
      fc.constantFrom("mini", "router/x", "nobody"),
      texts.filter((text) => text !== "")
    )
  ),
  id: maybe(texts),
  api: maybe(fc.constantFrom("chat.completions", "messages")),
  stream: maybe(fc.boolean()),
  inputTokens: maybe(counts),
  maxOutputTokens: maybe(
    fc.oneof(
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0)
    )
  ),
  messages: maybe(fc.oneof(fc.nat({ max: 5 }), fc.constantFrom(0, 1_000, 1_001, 2 ** 40))),
  needs: maybe(fc.subarray([...Capability.literals])),
  values: fc.array(maybe(texts), { minLength: 5, maxLength: 5 }),
  caller: fc.nat(),
  described: fc.record({ team: maybe(texts), organisation: maybe(texts), tags: fc.subarray(["vip", "beta"]) }),
  at: maybe(
    fc.oneof(
      fc.record({ weekday: fc.constantFrom(...weekdays), hour: fc.nat({ max: 23 }) }),
      fc.integer({ min: 0, max: 4e9 }).map((seconds) => new Date(seconds * 1_000).toISOString())
    )
  ),
  spent: fc.array(
    maybe(
      fc.oneof(
        fc.record({ spent: fc.nat({ max: 2e9 }).map((nano) => nano / 1e9) }),
        fc.record({ usedRatio: fc.double({ min: 0, max: 3, noNaN: true }) })
      )
    ),
    { minLength: 4, maxLength: 4 }
  ),
  health: fc.array(maybe(fc.record({ up: maybe(fc.boolean()), latencyMillis: maybe(fc.double({ min: 0, max: 1e6, noNaN: true })) })), {
    minLength: 7,
    maxLength: 7
  })
})

const without = <A extends object>(fields: A): { [F in keyof A]?: Exclude<A[F], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as { [F in keyof A]?: Exclude<A[F], undefined> }

const situationOf = (built: Compiled, raw: typeof rawSituation extends fc.Arbitrary<infer A> ? A : never): Situation => {
  const { policy } = built
  const named = (names: ReadonlyArray<string>, from: number) =>
    Object.fromEntries(
      names.flatMap((name, i) => {
        const value = raw.values[(from + i) % raw.values.length]
        return value === undefined ? [] : [[name, value] as const]
      })
    )
  const keys = [...callersOf(policy).keys()]
  const classes = Object.keys(policy.classes)
  const described = classes.length > 0 && (keys.length === 0 || raw.caller % 3 === 0)
  const identities = new Map<string, string>()
  const down = new Set<string>()
  const health = Object.keys(policy.targets).flatMap((name, i) => {
    const said = raw.health[i % raw.health.length]
    const { identity } = built.targets.get(name)!
    // One deployment has one health.
    if (said === undefined || identities.has(identity)) return []
    identities.set(identity, name)
    return [[name, without(said)]] as const
  })
  for (const [name, { up }] of health) if (up === false) for (const account of built.targets.get(name)!.accounts) down.add(account.identity)
  // What shares every key with a target that is down is down too.
  const isOut = (name: string): boolean => built.targets.get(name)!.accounts.every((account) => down.has(account.identity))
  return {
    request: without({
      model: raw.model,
      id: raw.id,
      api: raw.api,
      stream: raw.stream,
      inputTokens: raw.inputTokens,
      maxOutputTokens: raw.maxOutputTokens,
      messages: raw.messages,
      needs: raw.needs,
      metadata: named(policy.metadata, 0),
      // HTTP names are alike in any case.
      headers: Object.fromEntries(Object.entries(named(policy.headers, 2)).map(([name, value]) => [name.toUpperCase(), value]))
    }),
    ...(described
      ? { as: { class: classes[raw.caller % classes.length]!, key: "from elsewhere", ...without(raw.described) } }
      : keys.length > 0
        ? { as: keys[raw.caller % keys.length]! }
        : {}),
    ...without({ at: raw.at }),
    budgets: without(
      Object.fromEntries(Object.keys(budgetsOf(policy)).map((name, i) => [name, raw.spent[i % raw.spent.length]])) as Record<
        string,
        { readonly spent: number } | { readonly usedRatio: number } | undefined
      >
    ) as NonNullable<Situation["budgets"]>,
    health: Object.fromEntries(health.filter(([name, { up }]) => up === false || !isOut(name)))
  }
}

describe("Situation", () => {
  it("says every fact so that the pipeline reads it", () => {
    fc.assert(
      fc.property(loosePolicy, fc.constantFrom(...zones), rawSituation, (generated, zone, raw) => {
        const among = (names: ReadonlyArray<string> | undefined, ...more: ReadonlyArray<string>) => [
          ...new Set([...(names ?? []), ...more])
        ]
        const { headers, metadata, tags } = generated
        const policy: PolicyEncoded = {
          ...generated,
          zone,
          tags: among(tags, "vip", "beta"),
          metadata: among(metadata, "tier", "app"),
          headers: among(headers, "x-app", "x-tenant")
        }
        // What the rules are does not matter here, and one that throws would be a denial.
        const json = JSON.parse(JSON.stringify({ ...policy, routes: [{ name: "all", to: { _tag: "Asked" } }] })) as PolicyEncoded
        const built = readingAll(json)
        const situation = situationOf(built, raw)
        const facts = factsIn(built, situation)
        const { request = {}, as } = situation
        const expected: Record<string, FactValue> = { "request.id": request.id ?? "test", "request.api": request.api ?? "chat.completions" }
        if (request.model !== undefined) expected["request.model"] = request.model
        expected["request.stream"] = request.stream ?? false
        expected["request.inputTokens"] = request.inputTokens ?? facts["request.inputTokens"]!
        expected["request.maxOutputTokens"] = request.maxOutputTokens ?? null
        expected["request.messages"] = request.messages ?? 1
        for (const need of Capability.literals) expected[`request.needs.${need}`] = request.needs?.includes(need) ?? false
        for (const name of ["tier", "app"]) expected[`request.metadata.${name}`] = request.metadata?.[name] ?? null
        for (const name of ["x-app", "x-tenant"]) expected[`request.headers.${name}`] = request.headers?.[name.toUpperCase()] ?? null
        if (typeof as === "object") {
          expected["caller.key"] = "from elsewhere"
          expected["caller.class"] = as.class
          expected["caller.team"] = as.team ?? null
          expected["caller.organisation"] = as.organisation ?? null
          for (const tag of ["vip", "beta"]) expected[`caller.tags.${tag}`] = as.tags!.includes(tag)
        } else if (as !== undefined) {
          expected["caller.key"] = as
          expected["caller.class"] = json.keys![as]!.class
          expected["caller.team"] = json.keys![as]!.team ?? null
        }
        if (typeof situation.at === "object") {
          expected["time.hour"] = situation.at.hour!
          expected["time.weekday"] = situation.at.weekday!
        } else if (situation.at !== undefined) {
          const said = new Intl.DateTimeFormat("en-GB", {
            timeZone: zone,
            hour: "2-digit",
            hourCycle: "h23",
            weekday: "long"
          }).formatToParts(new Date(situation.at))
          expected["time.hour"] = Number(said.find(({ type }) => type === "hour")!.value)
          expected["time.weekday"] = said.find(({ type }) => type === "weekday")!.value.toLowerCase()
        }
        for (const name of Object.keys(json.targets)) {
          const { accounts, identity } = built.targets.get(name)!
          const out = new Set(
            Object.entries(situation.health!).flatMap(([other, { up }]) =>
              up === false ? built.targets.get(other)!.accounts.map((account) => account.identity) : []
            )
          )
          const [, said] = Object.entries(situation.health!).find(([other]) => built.targets.get(other)!.identity === identity) ?? []
          expected[`health.${name}.up`] = !accounts.every((account) => out.has(account.identity))
          expected[`health.${name}.latencyMillis`] = said?.latencyMillis ?? null
        }
        for (const [name, value] of Object.entries(expected)) assert.deepStrictEqual([name, facts[name]], [name, value])

        const className = facts["caller.class"] as string
        for (const [name, budget] of Object.entries(budgetsOf(built.policy))) {
          const binds =
            built.policy.layers.some(({ budgets }) => Object.hasOwn(budgets, name)) ||
            built.policy.classes[className]?.within.includes(name)
          const said = binds === true && Object.hasOwn(situation.budgets!, name) ? situation.budgets![name] : undefined
          const limit = toNanoDollars(budget.limit)
          const [spent, ratio] = [facts[`budget.${name}.spent`] as number, facts[`budget.${name}.usedRatio`] as number]
          if (said === undefined) assert.strictEqual(spent, 0)
          else if ("spent" in said) assert.strictEqual(spent, said.spent)
          else if (limit > 0) {
            assert.isAtLeast(ratio, said.usedRatio)
            assert.isAtMost(ratio, said.usedRatio + 1.001 / limit)
          }
        }
      }),
      { numRuns: 400 }
    )
  })

  it("is the least that can be said, where nothing is said", () => {
    const built = readingAll({
      ...only("b"),
      keys: { alice: { secret: { env: "A" }, class: "eng" }, bob: { secret: { env: "B" }, class: "eng" } },
      classes: { eng: { may: ["b", "c"] } }
    })
    const facts = factsIn(built, {})
    assert.deepInclude(facts, {
      // The first target that the first caller may use.
      "request.model": "b",
      "request.messages": 1,
      "request.inputTokens": 3,
      "caller.key": "alice",
      "time.weekday": "monday",
      "time.hour": 9,
      "health.a.up": true
    })
  })

  it("has a body that can be pasted", () => {
    const situated = situate(compiled(only("a")), { request: { model: "a", stream: true, needs: ["vision", "tools"], inputTokens: 100 } })
    assert.strictEqual(situated._tag, "Success")
    if (situated._tag === "Failure") return
    const body = JSON.parse(situated.success.body) as Record<string, unknown>
    assert.deepStrictEqual(Object.keys(body), ["model", "stream", "messages", "tools"])
    // Not put over it: the body itself is as long as that.
    const parsed = situated.success.incoming({} as never).parse()
    assert.isTrue("ask" in parsed && parsed.ask === situated.success.source.ask && parsed.ask.constructor.name === "ChatAsk")
    assert.strictEqual(situated.success.source.ask.inputBytes(), 400)
  })

  it("names what the policy does not have", () => {
    const built = compiled({
      ...only("a"),
      tags: ["vip"],
      keys: { alice: { secret: { env: "A" }, class: "eng" } },
      classes: { eng: { may: ["a"] } },
      metadata: ["tier"],
      headers: ["x-app"],
      budgets: { day: { per: "key", limit: { usd: 1 }, every: "day" } }
    })
    const problems = (situation: Situation) => {
      const situated = situate(built, situation)
      return situated._tag === "Failure" ? situated.failure.map(({ message, path }) => `${path.join(".")}: ${message}`) : []
    }
    assert.deepStrictEqual(
      problems({
        as: "alcie",
        at: "2026-02-30T00:00:00Z",
        request: { metadata: { teir: "x" }, headers: { "X-Ap": "1" } },
        budgets: { dya: { spent: 1 } },
        health: { z: { up: false } }
      }),
      [
        "as: unknown key `alcie`; did you mean `alice`?",
        "request.metadata.teir: unknown metadata `teir`; did you mean `tier`?",
        "request.headers.x-ap: unknown header `x-ap`; did you mean `x-app`?",
        'at: expected a time such as "2026-03-02T09:00:00Z", but found `"2026-02-30T00:00:00Z"`',
        "budgets.dya: unknown budget `dya`; did you mean `day`?",
        "health.z: unknown target `z`; known are `a`, `b`, `c`, `d`, `e`, `f`"
      ]
    )
    assert.deepStrictEqual(problems({ as: { class: "egn", key: "alice", tags: ["vpi"] } }), [
      "as.class: unknown class `egn`; did you mean `eng`?",
      'as.key: the policy has a key `alice`: name it alone, `as: "alice"`',
      "as.tags.0: unknown tag `vpi`; did you mean `vip`?"
    ])
    const twins = compiled({ ...only("a"), targets: { a: { provider: "openai", model: "m" }, b: { provider: "openai", model: "m" } } })
    const apart = situate(twins, { health: { a: { up: false }, b: { up: true } } })
    assert.strictEqual(apart._tag === "Failure" && apart.failure[0]!.message, "`a` and `b` are one deployment, so that their health is one")
  })

  it("says what it says in vain", () => {
    const built = compiled({
      ...only("a"),
      budgets: { day: { per: "class", limit: { usd: 1 }, every: "day" } },
      classes: { local: { may: ["a"] }, other: { may: ["a"], within: ["day"] } }
    })
    const situated = situate(built, { budgets: { day: { spent: 1 } } })
    assert.deepStrictEqual(situated._tag === "Success" && situated.success.notes, [
      "budget `day` does not bind `local`, so that nothing of it is spent"
    ])
  })
})
