import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { makeBudgets } from "../src/Budgets.ts"
import type { Compiled, Plan } from "../src/Compile.ts"
import type { Facts } from "../src/Facts.ts"
import type { Caller } from "../src/Keys.ts"
import { budgetsOf, budgetsOfAll, guardsOf, lay } from "../src/Layers.ts"
import { decode, hash, type PolicyEncoded } from "../src/Policy.ts"
import { layer, loosePolicy, policy, prices, requestTo, script, sized } from "./generators.ts"
import type { FactValues, Play } from "./reference.ts"
import { account, compiled, decoded, only, paid, surroundings } from "./scripted.ts"

type LayerEncoded = NonNullable<PolicyEncoded["layers"]>[number]

const laid = (over: LayerEncoded, policy: PolicyEncoded): PolicyEncoded => lay(over, policy) as PolicyEncoded

/** Every target that a decision leaves to be attempted, by any path: with what is set for it. */
const reach = (compiled: Compiled, facts: Facts): ReadonlySet<string> => {
  const found = new Set<string>()
  const decision = compiled.decide(facts)
  if (decision.threw !== undefined) return found
  const { asked, slots } = decision
  const go = (plan: Plan): void => {
    switch (plan._tag) {
      case "Send":
        if (plan.slot === -1 || slots[plan.slot] === 0)
          found.add(`${plan.target.name} ${plan.target.identity} ${JSON.stringify(plan.target.set)}`)
        return
      case "Asked":
        if (asked?._tag === "Found") found.add(`${asked.target.name} ${asked.target.identity} undefined`)
        return
      case "Deny":
        return
      case "First":
      case "Spread":
        return plan.of.forEach(go)
      case "Split":
        return go(plan.arms[slots[plan.slot]!]!.plan)
      case "When":
        return go(slots[plan.slot] === 1 ? plan.then : plan.otherwise)
      case "Hedge":
        go(plan.of)
        return go(plan.with)
      case "Within":
      case "Retry":
        return go(plan.of)
    }
  }
  go(compiled.routes[decision.route]!.plan)
  return found
}

describe("laying a layer over a policy", () => {
  const cases = fc.oneof(policy, loosePolicy).chain((encoded) =>
    fc.record({
      policy: fc.constant(encoded),
      over: layer(encoded),
      facts: fc.array(requestTo(encoded), { minLength: 1, maxLength: 4 })
    })
  )

  it("never adds to what anyone can reach, by any path", { timeout: 120_000 }, () => {
    const seen = { fewer: 0, none: 0, same: 0, asked: 0 }
    fc.assert(
      fc.property(cases, ({ facts, over, policy }) => {
        const before = compiled(policy, prices)
        const after = compiled(laid(over, policy), prices)
        for (const values of facts) {
          const could = reach(before, before.facts.of(values))
          const can = reach(after, after.facts.of(values))
          for (const target of can) assert.isTrue(could.has(target), `${target} was out of reach`)
          if (could.size > 0) seen[can.size === 0 ? "none" : can.size < could.size ? "fewer" : "same"]++
          if (before.decide(before.facts.of(values)).asked !== undefined) seen.asked++
        }
      }),
      { numRuns: 1_500 }
    )
    for (const [name, count] of Object.entries(seen)) assert.isAbove(count, 10, name)
  })

  it("changes no route, and hides no condition that cannot be evaluated, which denies a call", { timeout: 120_000 }, () => {
    let seen = 0
    fc.assert(
      fc.property(cases, ({ facts, over, policy }) => {
        const [before, after] = [policy, laid(over, policy)].map((one) => compiled(one, prices))
        for (const values of facts) {
          const [one, other] = [before!, after!].map((made) => made.decide(made.facts.of(values)))
          assert.strictEqual(other!.route, one!.route)
          if (one!.threw !== undefined) seen++
          if (one!.threw !== undefined) assert.isDefined(other!.threw)
        }
      }),
      { numRuns: 1_000 }
    )
    assert.isAbove(seen, 4)
  })

  it(
    "never lets a call through that a budget refused: every budget that bound a caller still does, on the same account",
    { timeout: 120_000 },
    () => {
      const seen = { refused: 0, kept: 0, spends: 0, newly: 0 }
      const paying = cases.chain((one) =>
        fc.record({
          one: fc.constant(one),
          calls: fc.array(fc.record({ facts: requestTo(one.policy).map(sized), plays: script }), { minLength: 1, maxLength: 6 })
        })
      )
      fc.assert(
        fc.property(paying, ({ calls, one: { over, policy } }) => {
          const run = (encoded: PolicyEncoded) => {
            const world = surroundings()
            world.clock.epoch = Date.parse("2026-11-22T10:00:00Z")
            return { world, pipeline: world.link(compiled(encoded, prices)) }
          }
          const [before, after] = [run(policy), run(laid(over, policy))]
          for (const { facts, plays } of calls) {
            const play = (n: number): Play => plays[n % plays.length]!
            const one = before.world.call(before.pipeline, facts, play)
            const other = after.world.call(after.pipeline, facts, play)
            const bindings = [one, other].map(({ records }) => records[0]!.call?.bindings ?? [])
            for (const binding of bindings[0]!) assert.deepInclude(bindings[1]!, binding)
            assert.includeMembers(
              bindings[1]!.map(({ budget }) => budget),
              Object.keys(over.budgets ?? {})
            )
            if (bindings[1]!.length > 0) seen.spends++
            // Nothing is sent on an account that cannot cover it.
            for (const { reservedNanoDollars } of other.records[0]!.call?.attempts ?? []) {
              assert.strictEqual(reservedNanoDollars === undefined, bindings[1]!.length === 0)
              seen.kept++
            }
            const refusals = (call: typeof one) =>
              account(call)
                .refused!.filter(({ by }) => by === "budget")
                .map(({ target }) => target)
            if (refusals(one).length > 0) seen.refused++
            if (refusals(other).some((target) => !refusals(one).includes(target))) seen.newly++
          }
        }),
        { numRuns: 500 }
      )
      for (const [name, count] of Object.entries(seen)) assert.isAbove(count, 1, name)
    }
  )

  it("refuses a call whose budget is spent, whatever is laid over it, as before", () => {
    fc.assert(
      fc.property(layer(only("a")), requestTo(only("a")).map(sized), (over, request) => {
        const facts: FactValues = {
          ...request,
          "request.model": "a",
          "request.maxOutputTokens": null,
          "caller.key": "local",
          "caller.class": "local"
        }
        const spent = paid("a", { budgets: { day: { per: "class", limit: { usd: 0.0009 }, every: "day" } } })
        const refused = (encoded: PolicyEncoded) => {
          const world = surroundings()
          return account(world.call(world.link(compiled(encoded)), facts, () => ({ failure: undefined, commitsAfter: 0, endsAfter: 0 })))
            .tried
        }
        assert.deepStrictEqual([refused(spent), refused(laid(over, spent))], [[], []])
      }),
      { numRuns: 300 }
    )
  })

  it("in any order is the same to a caller, but for which rule is told first", () => {
    const both = cases.chain((one) => fc.record({ one: fc.constant(one), other: layer(one.policy) }))
    fc.assert(
      fc.property(both, ({ one: { facts, over, policy }, other }) => {
        const second = { ...other, name: "second", budgets: {} }
        const [ab, ba] = [laid(over, laid(second, policy)), laid(second, laid(over, policy))].map((encoded) => compiled(encoded, prices))
        for (const values of facts) {
          const [one, two] = [ab!, ba!].map((made) => ({
            reach: reach(made, made.facts.of(values)),
            threw: made.decide(made.facts.of(values)).threw
          }))
          assert.deepStrictEqual(one!.reach, two!.reach)
          assert.strictEqual(one!.threw === undefined, two!.threw === undefined)
        }
      }),
      { numRuns: 500 }
    )
  })
})

describe("a layer", () => {
  const budget = (per: "class" | "organisation") => ({ per, limit: { usd: 1 }, every: "day" as const })
  const guard = (name: string) => ({ name, forbid: { targets: ["b"] as const } })
  const org = { name: "org", guards: [guard("org-guard")], budgets: { org: budget("organisation") } } satisfies LayerEncoded
  const group = { name: "group", guards: [guard("group-guard")], budgets: { group: budget("class") } } satisfies LayerEncoded
  const team = only("a", {
    guards: [guard("own")],
    budgets: { own: budget("class") },
    classes: { eng: { may: ["a"], within: ["own", "org"] }, free: { may: ["a"] } },
    keys: { alice: { secret: { env: "A" }, class: "eng", organisation: "acme" } }
  })
  const made = decoded(laid(org, laid(group, team)))

  it("is laid above those that are there, which is a part of the policy and of its hash", () => {
    assert.deepStrictEqual(
      made.layers.map(({ name }) => name),
      ["org", "group"]
    )
    assert.notStrictEqual(hash(made), hash(decoded(team)))
    assert.deepStrictEqual(laid(org, laid(group, team)).layers, [org, group])
  })

  it("adds its guards before the policy's own, each with its place", () => {
    assert.deepStrictEqual(
      guardsOf(made).map(({ guard, layer, path }) => [guard.name, layer, path.join(".")]),
      [
        ["org-guard", "org", "layers.0.guards.0"],
        ["group-guard", "group", "layers.1.guards.0"],
        ["own", undefined, "guards.0"]
      ]
    )
  })

  it("binds every caller by its budgets, once, whatever class it has or lacks", () => {
    assert.deepStrictEqual(Object.keys(budgetsOf(made)), ["org", "group", "own"])
    assert.deepStrictEqual(budgetsOfAll(made), ["org", "group"])
    const budgets = makeBudgets(made)
    const caller = (name: string, organisation: string | null = null): Caller => ({
      key: "k",
      class: name,
      team: null,
      organisation,
      tags: []
    })
    const bound = (one: Caller) => budgets.of(one).map(({ budget, scope }) => `${budget} ${scope}`)
    assert.deepStrictEqual(bound(caller("eng", "acme")), ["org acme", "group eng", "own eng"])
    assert.deepStrictEqual(bound(caller("free")), ["org ", "group free"])
    for (const name of ["nobody", "local", "__proto__"]) assert.deepStrictEqual(bound(caller(name)), ["org ", `group ${name}`])
  })

  it("is kept for an organisation by itself, however many keys and classes it has", () => {
    const keys = Object.fromEntries(
      [
        ["alice", "acme"],
        ["bob", "acme"],
        ["eve", "zeta"]
      ].map(([name, organisation]) => [
        name!,
        { secret: { env: name!.toUpperCase() }, class: name === "bob" ? "ops" : "eng", organisation: organisation! }
      ])
    )
    const may = ["a"]
    const policy = laid(
      { name: "org", budgets: { org: { per: "organisation", limit: { usd: 0.001 }, every: "day" } } },
      paid("a", { budgets: {}, classes: { eng: { may }, ops: { may } }, keys })
    )
    const world = surroundings()
    const pipeline = world.link(compiled(policy))
    const from = (key: string) =>
      account(
        world.call(
          pipeline,
          { "caller.key": key, "caller.class": keys[key]!.class, "caller.team": null, "caller.organisation": keys[key]!.organisation },
          () => ({ failure: undefined, commitsAfter: 0, endsAfter: 0 })
        )
      ).status
    assert.deepStrictEqual([from("alice"), from("bob"), from("eve"), from("eve")], [200, 402, 200, 402])
  })

  it("that is no layer, over a policy that is none, is left for decoding to refuse", () => {
    assert.isNull(lay(org, null))
    assert.strictEqual(decode(lay({ name: "org", routes: [] }, team))._tag, "Failure")
    assert.strictEqual(decode(lay(org, { ...team, layers: "none" }))._tag, "Failure")
  })
})
