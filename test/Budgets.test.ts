import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { exhausted, makeBudgets } from "../src/Budgets.ts"
import type { Caller } from "../src/Keys.ts"
import type { Binding } from "../src/Ledger.ts"
import type { PolicyEncoded } from "../src/Policy.ts"
import { loosePolicy, policy, prices, requestTo, script, sized } from "./generators.ts"
import type { FactValues, Play } from "./reference.ts"
import { account, compiled, decoded, only, paid, surroundings } from "./scripted.ts"

const caller = (more: Partial<Caller> = {}): Caller => ({ key: "alice", class: "eng", team: "core", organisation: null, tags: [], ...more })

describe("what binds a caller", () => {
  const usd = (dollars: number) => ({ usd: dollars })
  const budgets = makeBudgets(
    decoded(
      only("a", {
        budgets: {
          month: { per: "class", limit: usd(200), every: "month" },
          day: { per: "key", limit: usd(0.000000001), every: "day" },
          team: { per: "team", limit: usd(20), every: "day" },
          zero: { per: "class", limit: usd(0), every: "day" }
        },
        classes: {
          eng: { may: ["a"], within: ["team", "month", "day"] },
          twice: { may: ["a"], within: ["day", "month", "day"] },
          free: { may: ["a"] },
          none: { may: ["a"], within: ["zero"] }
        }
      })
    )
  )
  const month: Binding = { budget: "month", per: "class", scope: "eng", every: "month", limitNanoDollars: 200e9 }
  const day: Binding = { budget: "day", per: "key", scope: "alice", every: "day", limitNanoDollars: 1 }
  const team: Binding = { budget: "team", per: "team", scope: "core", every: "day", limitNanoDollars: 20e9 }

  it("are the budgets of its class, in the class's order, each for its key, class or team", () => {
    assert.deepStrictEqual(budgets.of(caller()), [team, month, day])
    assert.deepStrictEqual(budgets.of(caller({ key: "bob", team: "red" })), [{ ...team, scope: "red" }, month, { ...day, scope: "bob" }])
  })

  it("each once, however often its class names it", () => {
    const scoped = { ...month, scope: "twice" }
    assert.deepStrictEqual(budgets.of(caller({ class: "twice" })), [day, scoped])
  })

  it("nothing where the class has none, or nobody knows it", () => {
    for (const name of ["free", "nobody", "constructor", "toString", "__proto__", "local"])
      assert.deepStrictEqual(budgets.of(caller({ class: name })), [], name)
  })

  it("an account without a name where a key has no team", () => {
    assert.deepStrictEqual(budgets.of(caller({ team: null }))[0], { ...team, scope: "" })
  })

  it("the same bindings for the same caller each time", () => {
    const alice = caller()
    assert.strictEqual(budgets.of(alice), budgets.of(alice))
    assert.deepStrictEqual(budgets.of(caller({ class: "none" })), [
      { budget: "zero", per: "class", scope: "none", every: "day", limitNanoDollars: 0 }
    ])
  })

  it("limits are exact", () => assert.deepStrictEqual([budgets.limitOf("month"), budgets.limitOf("day")], [200e9, 1]))

  it("the refusal says whose budget, what is left, what was needed and when it starts anew", () => {
    const resetsAt = Date.parse("2026-12-01T00:00:00Z")
    const time = resetsAt - 90_500
    const refusal = { _tag: "Refusal", binding: month, remainingNanoDollars: 1_500_000_000, resetsAt } as const
    const error = exhausted(refusal, "sonnet", { nanoDollars: 2_250_000_000 }, time)
    assert.deepStrictEqual(error, {
      status: 402,
      code: "budget_exhausted",
      kind: "budget",
      message:
        "budget `month` of class `eng` has $1.50 left of $200 a month, and this call could cost $2.25 on `sonnet`; it starts anew at 2026-12-01T00:00:00.000Z",
      retryAfterMillis: 90_500,
      final: true
    })
    assert.include(exhausted({ ...refusal, remainingNanoDollars: -5 }, "sonnet", { nanoDollars: 1 }, time).message, "has $0 left of $200")
  })
})

describe("conservation", () => {
  const cases = fc.oneof(policy, loosePolicy).chain((encoded) =>
    fc.record({
      policy: fc.constant(encoded),
      calls: fc.array(fc.record({ facts: requestTo(encoded).map(sized), plays: script, hours: fc.constantFrom(0, 0, 0, 5, 24, 700) }), {
        minLength: 2,
        maxLength: 8
      })
    })
  )
  const windowOf = ({ every }: Binding, time: number): string => new Date(time).toISOString().slice(0, every === "day" ? 10 : 7)

  it(
    "what is settled on an account is what the attempts of its callers were charged, and nothing is held between calls",
    { timeout: 120_000 },
    () => {
      const seen = { accounts: 0, shared: 0, refused: 0, full: 0 }
      fc.assert(
        fc.property(cases, ({ calls, policy }) => {
          const world = surroundings()
          world.clock.epoch = Date.parse("2026-11-30T22:00:00Z")
          const pipeline = world.link(compiled(policy, prices))
          interface Taken {
            readonly held: number
            readonly nanoDollars: number
            readonly endedAt: number
          }
          const spent = new Map<string, { sum: number; overrun: number; readonly taken: Array<Taken>; readonly keys: Set<string> }>()
          const accountOf = (binding: Binding, time: number) => {
            const name = JSON.stringify([binding.budget, binding.scope, windowOf(binding, time)])
            if (!spent.has(name)) spent.set(name, { sum: 0, overrun: 0, taken: [], keys: new Set() })
            return spent.get(name)!
          }
          for (const { facts, hours, plays } of calls) {
            world.clock.epoch += hours * 3_600_000
            const { copies, records } = world.call(pipeline, facts, (n): Play => plays[n % plays.length]!)
            const { bindings, rejections } = records[0]!.call!
            // Copies are paid from the same accounts.
            const attempts = [records[0]!, ...copies.map(({ record }) => record)]
              .flatMap(({ call }) => call!.attempts.map((attempt) => ({ ...attempt, time: call!.time })))
              .sort((a, b) => a.time + a.startedMillis - (b.time + b.startedMillis))
            for (const { endedMillis, nanoDollars, reservedNanoDollars: held, startedMillis, time } of attempts) {
              if (bindings.length === 0) {
                assert.isUndefined(held)
                continue
              }
              for (const binding of bindings) {
                const account = accountOf(binding, time + startedMillis)
                // Nothing is promised that is not there: what is under way counts what is held for it, what is over what it was charged.
                const before = account.taken.reduce((all, { endedAt, held, nanoDollars }) => {
                  const since = endedAt - (time + startedMillis)
                  return all + (since < 0 ? nanoDollars : since > 0 ? held : Math.min(held, nanoDollars))
                }, 0)
                assert.isAtMost(before + held!, binding.limitNanoDollars)
                account.taken.push({ held: held!, nanoDollars: nanoDollars!, endedAt: time + endedMillis })
                account.sum += nanoDollars!
                account.overrun += Math.max(0, nanoDollars! - held!)
                account.keys.add(String(facts["caller.key"]))
                assert.isAtMost(account.sum, binding.limitNanoDollars + account.overrun)
              }
            }
            if (rejections.some(({ error }) => error.code === "budget_exhausted")) seen.refused++
            const now = world.clock.currentTimeMillisUnsafe()
            for (const binding of bindings) {
              const { sum } = accountOf(binding, now)
              assert.deepInclude(world.ledger.balance(binding, now), { spentNanoDollars: sum, reservedNanoDollars: 0 })
              if (sum >= binding.limitNanoDollars) seen.full++
            }
          }
          for (const { keys, sum } of spent.values()) {
            if (sum > 0) seen.accounts++
            if (keys.size > 1) seen.shared++
          }
        }),
        { numRuns: 2_000 }
      )
      for (const [name, count] of Object.entries(seen)) assert.isAbove(count, 1, name)
    }
  )
})

describe("a budget that runs out", () => {
  const cheap = { price: { input: { usd: 0 }, output: { usd: 0.1 } }, maxOutputTokens: 1_000 }
  const two = (more: Partial<PolicyEncoded> = {}) => {
    const { targets, ...rest } = paid({ _tag: "First", of: ["a", "b"], on: ["timeout"] }, more)
    return { ...rest, targets: { ...targets, b: { provider: "openai", model: "cheap", ...cheap } } }
  }
  const serves: Play = { failure: undefined, commitsAfter: 0, endsAfter: 0 }
  const day = (dollars: number, per: "class" | "key" = "class") => ({ day: { per, limit: { usd: dollars }, every: "day" } as const })
  const begin = (policy: PolicyEncoded) => {
    const world = surroundings()
    world.clock.epoch = Date.parse("2026-11-22T23:59:00Z")
    const pipeline = world.link(compiled(policy))
    return { world, call: (facts: FactValues = {}, play: Play = serves) => account(world.call(pipeline, facts, () => play)) }
  }

  it("leaves the cheaper target, then nothing, and starts anew at midnight in UTC", () => {
    const { call, world } = begin(two({ budgets: day(0.00215) }))
    assert.deepStrictEqual(
      Array.from({ length: 4 }, () => call()).map(({ code, refusals, served, status }) => [served ?? `${status} ${code}`, refusals]),
      [
        ["a", []],
        ["a", []],
        ["b", ["402 budget_exhausted after 60000"]],
        ["402 budget_exhausted", ["402 budget_exhausted after 60000", "402 budget_exhausted after 60000"]]
      ]
    )
    world.clock.epoch += 59_999
    assert.strictEqual(call().retryAfterMillis, 1)
    world.clock.epoch += 1
    assert.strictEqual(call().served, "a")
  })

  it("of one key leaves the other's", () => {
    const keys = { alice: { secret: { env: "A" }, class: "local" }, bob: { secret: { env: "B" }, class: "local" } }
    const { call } = begin(two({ budgets: day(0.001, "key"), keys }))
    const from = (key: string) => call({ "caller.key": key, "caller.class": "local", "caller.team": null, "caller.organisation": null })
    assert.deepStrictEqual([from("alice").served, from("alice").status, from("bob").served], ["a", 402, "a"])
  })

  it("does not hide a failure: the first failed attempt decides the answer", () => {
    const { call } = begin(two({ budgets: day(0.001) }))
    const one = call({}, { failure: "timeout", commitsAfter: undefined, endsAfter: 0 })
    assert.deepStrictEqual(
      [one.tried!.length, one.refusals, one.status, one.code],
      [1, ["402 budget_exhausted after 60000"], 504, "upstream_timeout"]
    )
  })

  it("lets nothing through where one of several is spent, and holds nothing of the others", () => {
    const policy = two({
      budgets: { ...day(1), small: { per: "class" as const, limit: { usd: 0 }, every: "month" as const } },
      classes: { local: { may: ["a", "b"], within: ["day", "small"] } }
    })
    const { call, world } = begin(policy)
    const one = call()
    assert.deepStrictEqual([one.status, one.tried], [402, []])
    assert.strictEqual(one.retryAfterMillis, Date.parse("2026-12-01T00:00:00Z") - Date.parse("2026-11-22T23:59:00Z"))
    const binding: Binding = { budget: "day", per: "class", scope: "local", every: "day", limitNanoDollars: 1e9 }
    assert.deepInclude(world.ledger.balance(binding, world.clock.epoch), { spentNanoDollars: 0, reservedNanoDollars: 0 })
  })

  it("is nobody else's: for a caller outside it nothing is spent, and all of it remains, though it be nothing", () => {
    const keys = { alice: { secret: { env: "A" }, class: "eng" }, bob: { secret: { env: "B" }, class: "ops" } }
    const may = ["a", "b", "c"]
    const rest = paid("a", {
      budgets: { ...day(0.004), none: { per: "class", limit: { usd: 0 }, every: "day" } },
      classes: { eng: { may, within: ["day"] }, ops: { may }, poor: { may, within: ["none"] } },
      keys: { ...keys, eve: { secret: { env: "C" }, class: "poor" } }
    })
    const is = (fact: string, value: number) => ({ "===": [{ var: `budget.${fact}` }, value] })
    const untouched = { and: [is("day.spent", 0), is("day.usedRatio", 0), is("day.remaining", 0.004)] }
    const { call } = begin({
      ...rest,
      routes: [
        { name: "none", when: is("none.usedRatio", 1), to: "c" },
        { name: "untouched", when: untouched, to: "a" },
        { name: "touched", to: "b" }
      ]
    })
    const from = (key: string, name: string) =>
      call({ "caller.key": key, "caller.class": name, "caller.team": null, "caller.organisation": null }).summary
    assert.deepStrictEqual(
      [from("alice", "eng"), from("bob", "ops"), from("alice", "eng"), from("bob", "ops"), from("eve", "poor")],
      ["untouched", "untouched", "touched", "untouched", "none"]
    )
  })

  it("is seen by conditions as it stands when a call is decided", () => {
    const policy = paid("a", { budgets: day(0.004) })
    const condition = { ">=": [{ var: "budget.day.usedRatio" }, 0.5] }
    const { call } = begin({ ...policy, routes: [{ name: "thrift", when: condition, to: "b" }, ...policy.routes] })
    assert.deepStrictEqual(
      Array.from({ length: 5 }, () => call()).map(({ served, summary }) => [summary, served]),
      [
        ["only", "a"],
        ["only", "a"],
        ["thrift", "b"],
        ["thrift", "b"],
        ["thrift", undefined]
      ]
    )
  })
})
