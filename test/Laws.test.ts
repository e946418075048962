/**
 * The laws of the algebra, and the promises that hold whatever a policy says: no attempt breaks a rule, none goes beyond the effort of its route, and each settles once, however
 * a call ends.
 *
 * A law has two sides that come to the same for every request, whatever attempts meet and whichever breakers are open: what was tried when, what was rejected, what the caller was
 * told and when it was over. `Pipeline.test.ts` says what each strategy means; here only how they hang together.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Call } from "../src/Call.ts"
import { type ConditionJson, type Policy, type PolicyEncoded, type SpreadBy, type StrategyEncoded, toMillis } from "../src/Policy.ts"
import type { Target } from "../src/Target.ts"
import { busier, failures, loosePolicy, play, prices, requestTo, script, sized, slow, strategyOver } from "./generators.ts"
import { Accounts, Breakers, declared, type Deployment, factsNow, type FactValues, type Play, resolve, Watch } from "./reference.ts"
import { bound } from "./reference/money.ts"
import { ruledOut } from "./reference/rules.ts"
import { account, balancesOf, callerOf, compiled, decoded, only, type Sent, surroundings } from "./scripted.ts"

type Sides = readonly [StrategyEncoded, StrategyEncoded]
type Seen = ReturnType<typeof account>

const names = [..."abcdef"]
const facts = requestTo(only("a")).map(sized)
const strategy = strategyOver(names)
const target = fc.constantFrom(...names)
const by = fc.constantFrom<SpreadBy>("round-robin", "least-busy", "latency", "cost")
const on = fc.oneof(fc.constant(undefined), fc.subarray([...failures], { minLength: 1 }))
const duration = fc.constantFrom("1 millis", "250 millis", "500 millis", "1 seconds", "1.5 seconds", "2 minutes")
const millis = (duration: string): number =>
  Number(duration.split(" ")[0]) * { millis: 1, seconds: 1_000, minutes: 60_000 }[duration.split(" ")[1] as "millis"]

const first = (of: ReadonlyArray<StrategyEncoded>, on?: ReadonlyArray<(typeof failures)[number]>): StrategyEncoded => ({
  _tag: "First",
  of: of as [StrategyEncoded],
  ...(on === undefined ? {} : { on: on as never })
})
const deny: StrategyEncoded = { _tag: "Deny", status: 403, code: "not_today", message: "no" }
const within = (duration: string, of: StrategyEncoded): StrategyEncoded => ({ _tag: "Within", duration, of })
const split = (weights: ReadonlyArray<number>, arms: ReadonlyArray<StrategyEncoded>): StrategyEncoded => ({
  _tag: "Split",
  by: { fact: "request.id" },
  salt: "s",
  arms: arms.map((to, i) => ({ name: `arm-${i}`, weight: weights[i]!, to })) as never
})
const when = (then: StrategyEncoded, otherwise: StrategyEncoded): StrategyEncoded => ({
  _tag: "When",
  if: { "===": [{ var: "request.stream" }, true] },
  then,
  otherwise
})
const spread = (by: SpreadBy, of: ReadonlyArray<string>): StrategyEncoded => ({ _tag: "Spread", by, of: of as [string] })
const retry = (attempts: number, of: StrategyEncoded): StrategyEncoded => ({ _tag: "Retry", attempts, of })
const escalate = (of: StrategyEncoded, json: ConditionJson, to: StrategyEncoded): StrategyEncoded => ({
  _tag: "Escalate",
  of,
  if: json,
  to
})
const hedge = (of: StrategyEncoded, after: string, other: StrategyEncoded): StrategyEncoded => ({ _tag: "Hedge", of, after, with: other })

/** Calls to a policy, one after the other, in a world of its own. */
const seeAll = (
  policy: PolicyEncoded,
  facts: FactValues,
  plays: ReadonlyArray<Play>,
  broken: ReadonlyArray<string>,
  calls: number
): ReadonlyArray<Seen> => {
  const world = surroundings()
  const pipeline = world.link(compiled(policy))
  for (const name of broken) {
    const { identity } = pipeline.compiled.targets.get(name)!
    for (let i = 0; i < 5; i++) world.health.report(identity, "bad", 0)
  }
  return Array.from({ length: calls }, () => account(world.call(pipeline, facts, (n) => plays[n % plays.length]!)))
}

const see = (policy: PolicyEncoded, facts: FactValues, plays: ReadonlyArray<Play>, broken: ReadonlyArray<string>): Seen =>
  seeAll(policy, facts, plays, broken, 1)[0]!

/** The same without the words for why each attempt was made. */
const unexplained = <A extends Pick<Seen, "tried">>(seen: A): object => ({
  ...seen,
  tried: seen.tried!.map((one) => ({ ...one, why: "" }))
})

/** What a call came to, whatever was looked at on the way: where nothing was tried, what was looked at decides what its caller is told. */
const outcomeOf = (seen: Seen): unknown => {
  // What was thrown away for a better answer is no reason for anything.
  const told =
    seen.tried!.some(({ failure }) => failure !== "escalated" && failure !== "cancelled") ||
    seen.code === "not_today" ||
    seen.code === "model_retired"
  return {
    ...unexplained(seen),
    copies: seen.copies.map((one) => unexplained({ ...one, refusals: [], refused: [] })),
    refusals: [],
    refused: [],
    summary: "",
    ...(told ? {} : { answered: [], status: 0, code: "", retryAfterMillis: 0 })
  }
}

interface LawOptions {
  readonly plays?: fc.Arbitrary<ReadonlyArray<Play>>
  readonly policy?: Partial<PolicyEncoded>
  readonly calls?: number
  /** What of a call both sides agree on: all of it, unless a side has other words for it. */
  readonly agree?: (seen: Seen) => unknown
}
const unlabelled = (seen: Seen): unknown => ({ ...seen, summary: "" })

const law = (
  name: string,
  sides: fc.Arbitrary<Sides>,
  { agree = (seen) => seen, calls = 1, plays = script, policy = {} }: LawOptions = {}
) =>
  it(name, () => {
    fc.assert(
      fc.property(sides, facts, plays, fc.subarray(names), ([left, right], facts, plays, broken) => {
        const [one, other] = [left, right].map((to) =>
          seeAll({ ...only(to), ...policy, routes: [{ name: "only", to }] }, facts, plays, broken, calls).map(agree)
        )
        assert.deepStrictEqual(one, other)
      }),
      { numRuns: 400 }
    )
  })

/** Attempts that hand on all that they hand on at once, so that it makes no difference whether an answer is held back until it is whole. */
const wholly = script.map((plays) =>
  plays.map((play): Play => (play.failure === undefined ? { ...play, commitsAfter: play.endsAfter } : { ...play, commitsAfter: undefined }))
)

/** Attempts that are served, as soon as they are asked or a little later. */
const served = fc.array(
  fc
    .record({ commitsAfter: fc.constantFrom(0, 1, 99), more: fc.constantFrom(0, 1, 10_000) })
    .map(({ commitsAfter, more }): Play => ({ failure: undefined, commitsAfter, endsAfter: commitsAfter + more })),
  { minLength: 1, maxLength: 4 }
)

/** Attempts that no deadline can cut short, whether their answers are held back until they are whole or not. */
const atOnce = served.map((plays) => plays.map((play) => ({ ...play, commitsAfter: 0, endsAfter: 0 })))

describe("the laws", () => {
  law(
    "first(a) = a",
    fc.tuple(strategy, on).map(([a, on]): Sides => [first([a], on), a])
  )
  law(
    "first(first(a, b), c) = first(a, first(b, c)) for equal `on`",
    fc
      .tuple(strategy, strategy, strategy, on)
      .map(([a, b, c, on]): Sides => [first([first([a, b], on), c], on), first([a, first([b, c], on)], on)])
  )
  law(
    "first(first(a, b), c) = first(a, b, c) for equal `on`",
    fc.tuple(strategy, strategy, strategy, on).map(([a, b, c, on]): Sides => [first([first([a, b], on), c], on), first([a, b, c], on)])
  )
  law(
    "first(deny, x) = deny",
    fc.tuple(strategy, on).map(([x, on]): Sides => [first([deny, x], on), deny]),
    { agree: unlabelled }
  )
  law(
    "a one-armed split is its arm",
    strategy.map((arm): Sides => [split([100], [arm]), arm]),
    { agree: unlabelled }
  )
  law(
    "scaling all weights changes nothing",
    fc.tuple(fc.array(strategy, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 96 })).map(([arms, share]): Sides => {
      const weights = arms.map((_, i) => (i === 0 ? share : 1))
      weights[weights.length - 1]! += 100 - weights.reduce((sum, weight) => sum + weight, 0)
      return [
        split(weights, arms),
        split(
          weights.map((weight) => weight * 100),
          arms
        )
      ]
    })
  )
  law(
    "within nests to the minimum",
    fc
      .tuple(duration, duration, strategy)
      .map(([outer, inner, s]): Sides => [within(outer, within(inner, s)), within(millis(outer) < millis(inner) ? outer : inner, s)])
  )
  law(
    "when(c, a, a) = a",
    strategy.map((a): Sides => [when(a, a), a]),
    { agree: unlabelled }
  )
  law(
    "within(d, when(c, a, b)) = when(c, within(d, a), within(d, b))",
    fc.tuple(duration, strategy, strategy).map(([d, a, b]): Sides => [within(d, when(a, b)), when(within(d, a), within(d, b))])
  )
  law(
    "a spread of one member is that member",
    fc.tuple(by, target).map(([by, member]): Sides => [spread(by, [member]), member])
  )
  for (const by of ["round-robin", "least-busy", "latency", "cost"] as const) {
    const members = ["c", "a", "e"] as const
    const priced = Object.entries(only("a").targets).map(([name, spec], i) => [
      name,
      { ...spec, price: { input: { usd: 6 - i }, output: { usd: 0 } } }
    ])
    const pool = { pools: { shared: { by, of: members } }, targets: Object.fromEntries(priced) as PolicyEncoded["targets"] }
    law(
      `a pool is its spread: ${by}`,
      fc
        .tuple(strategy, fc.boolean())
        .map(([s, before]): ReadonlyArray<StrategyEncoded> =>
          before ? [s, { _tag: "Pool", pool: "shared" }] : [{ _tag: "Pool", pool: "shared" }, s]
        )
        .map((of): Sides => [
          first(of),
          first(of.map((part) => (typeof part === "object" && part._tag === "Pool" ? spread(by, members) : part)))
        ]),
      { policy: pool, calls: 4 }
    )
  }
  law(
    "retry(a) = a where nothing fails",
    fc.tuple(fc.integer({ min: 2, max: 5 }), strategy).map(([attempts, a]): Sides => [retry(attempts, a), a]),
    { plays: atOnce }
  )
  law(
    "hedge(a, with b) = a where a commits before it is time for b",
    fc.tuple(target, strategy).map(([a, b]): Sides => [hedge(a, "100 millis", b), first([a, b])]),
    { plays: served, agree: unexplained }
  )
  law(
    "hedge(a, with b) = first(a, b) where it is never time for b",
    fc.tuple(strategy, strategy).map(([a, b]): Sides => [hedge(a, "1 days", b), first([a, b])]),
    { agree: unexplained }
  )
  for (const [name, never] of [
    ["no answer", { "===": [{ var: "answer.characters" }, -1] }],
    ["nobody", { and: [{ var: "answer.refused" }, { "!": [{ var: "answer.refused" }] }] }]
  ] as const) {
    law(
      `escalate(a, to b) = first(a, b) where it holds of ${name}`,
      fc.tuple(strategy, strategy).map(([a, b]): Sides => [escalate(a, never as ConditionJson, b), first([a, b])]),
      { plays: wholly, calls: 2 }
    )
  }
  law(
    "escalate(a, to b) = b where it holds of everything and a is served, but for what a has cost",
    fc
      .tuple(target, strategy)
      .map(([a, b]): Sides => [escalate(a, { ">=": [{ var: "answer.characters" }, 0] }, first([a, b])), first([a, b])]),
    {
      plays: atOnce,
      // The first attempt is thrown away, and whoever is asked next begins as if it had not been.
      agree: ({ served, status }) => ({ served: served === undefined, status })
    }
  )
  law(
    "shadow(a) = a, but for its copies",
    fc
      .tuple(strategy, strategy, fc.constantFrom(1, 50, 100))
      .map(([of, copy, sample]): Sides => [{ _tag: "Shadow", of, copy, sample }, of]),
    { agree: (seen) => ({ ...seen, summary: "", copies: [] }) }
  )
  law(
    "hedge(deny, with b) = deny",
    fc.tuple(strategy, duration).map(([b, after]): Sides => [hedge(deny, after, b), deny]),
    { agree: unlabelled }
  )
  law(
    "within(d, retry(a)) = retry(within(d, a)) where nothing fails",
    fc.tuple(duration, target).map(([d, a]): Sides => [within(d, retry(3, a)), retry(3, within(d, a))]),
    { plays: atOnce }
  )
})

describe("a guard", () => {
  /** `s` without the targets that are out; undefined where nothing is left of it. An arm of a split is never left out, because it is not chosen anew. */
  const without = (out: ReadonlyArray<string>, s: StrategyEncoded): StrategyEncoded | undefined => {
    if (typeof s === "string") return out.includes(s) ? undefined : s
    const all = (parts: ReadonlyArray<StrategyEncoded>): ReadonlyArray<StrategyEncoded> =>
      parts.flatMap((part) => {
        const left = without(out, part)
        return left === undefined ? [] : [left]
      })
    switch (s._tag) {
      case "Send":
        return out.includes(s.target) ? undefined : s
      case "First":
      case "Spread": {
        const of = all(s.of)
        return of.length === 0 ? undefined : ({ ...s, of } as unknown as StrategyEncoded)
      }
      case "Hedge": {
        const [of, other] = [without(out, s.of), without(out, s.with)]
        return of === undefined ? other : other === undefined ? of : { ...s, of, with: other }
      }
      case "Escalate": {
        const [of, to] = [without(out, s.of), without(out, s.to)]
        return of === undefined ? to : to === undefined ? s : { ...s, of, to }
      }
      case "Within":
      case "Retry": {
        const of = without(out, s.of)
        return of === undefined ? undefined : { ...s, of }
      }
      case "When":
        return { ...s, then: without(out, s.then) ?? s.then, otherwise: without(out, s.otherwise) ?? s.otherwise }
      case "Split":
        return { ...s, arms: s.arms.map((arm) => ({ ...arm, to: without(out, arm.to) ?? arm.to })) as unknown as typeof s.arms }
      default:
        return s
    }
  }
  let changed = 0

  it("commutes with every strategy: what it forbids might as well not be named", () => {
    fc.assert(
      fc.property(
        strategy,
        fc.subarray(names, { minLength: 1, maxLength: 5 }),
        facts,
        script,
        fc.subarray(names),
        (to, out, facts, plays, broken) => {
          const guarded = (to: StrategyEncoded) => ({ ...only(to), guards: [{ name: "out", forbid: { targets: out as [string] } }] })
          const left = without(out, to) ?? to
          if (JSON.stringify(left) !== JSON.stringify(to)) changed++
          const [one, other] = [to, left].map((s) => seeAll(guarded(s), facts, plays, broken, 3).map(outcomeOf))
          assert.deepStrictEqual(one, other)
        }
      ),
      { numRuns: 1_000 }
    )
    assert.isAbove(changed, 200)
  })

  it("never adds to what is tried or reached", () => {
    fc.assert(
      fc.property(
        strategy,
        fc.subarray(names),
        fc.subarray(names),
        facts,
        script,
        fc.subarray(names),
        (to, some, more, facts, plays, broken) => {
          const reached = (...forbidden: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
            const guards = forbidden.flatMap((of, i) => (of.length === 0 ? [] : [{ name: `g${i}`, forbid: { targets: of as [string] } }]))
            // Whatever fails last passes on, so that everything in reach is tried once.
            const down: ReadonlyArray<Play> = [{ failure: "overloaded", commitsAfter: undefined, endsAfter: 1 }]
            const tried = [plays, down].flatMap((plays) => see({ ...only(to), guards }, facts, plays, broken).tried!)
            return tried.map(({ target }) => target)
          }
          const [alone, both] = [reached(some), reached(some, more)]
          assert.isFalse(both.some((target) => some.includes(target) || more.includes(target)))
          assert.isFalse(alone.some((target) => some.includes(target)))
          const named = new Set(
            JSON.stringify(to)
              .match(/"[a-f]"/g)
              ?.map((name) => name.slice(1, -1))
          )
          // The model that the caller names is in reach too, where the policy asks for it.
          if (!JSON.stringify(to).includes('"Asked"')) for (const target of both) assert.isTrue(named.has(target))
        }
      ),
      { numRuns: 500 }
    )
  })
})

/** A policy with all that there is, and calls to it, one after the other, some of whose callers go away. */
const lives = fc.oneof(loosePolicy, busier(loosePolicy), busier(loosePolicy)).chain((policy) =>
  fc.record({
    policy: fc.constant(policy),
    broken: fc.subarray(Object.keys(policy.targets)).map((names) => names.slice(0, 2)),
    calls: fc.array(
      fc.record({
        facts: requestTo(policy).map(sized),
        plays: fc.array(fc.oneof({ weight: 2, arbitrary: play }, { weight: 1, arbitrary: slow }), { minLength: 1, maxLength: 6 }),
        gap: fc.constantFrom(0, 1, 10_000),
        goneAfter: fc.option(fc.constantFrom(0, 1, 100, 250, 251, 600, 1_000, 10_500), { nil: undefined, freq: 2 })
      }),
      { minLength: 1, maxLength: 5 }
    )
  })
)

/** What the reference calls the target of an attempt. */
const deploymentOf = (policy: Policy, { declared: isDeclared, name, set }: Target): Deployment => {
  if (isDeclared) return declared(policy, name, set)
  const asked = resolve(policy, name)
  if (asked._tag !== "Found") throw new Error(`${name} is nobody's`)
  return asked.deployment
}

describe("whatever a policy says and whatever happens", () => {
  const seen = {
    attempts: 0,
    probes: 0,
    guarded: 0,
    granted: 0,
    lacking: 0,
    noAttemptsLeft: 0,
    noDollarsLeft: 0,
    stopped: 0,
    gone: 0,
    abandoned: 0,
    copies: 0,
    together: 0
  }

  /** A world of `policy` in which some deployments are out, and the calls to it with what is read of each. */
  const live = (encoded: PolicyEncoded, broken: ReadonlyArray<string>) => {
    const world = surroundings()
    world.clock.epoch = Date.parse("2026-11-22T10:00:00Z")
    const pipeline = world.link(compiled(encoded, prices))
    for (const name of broken) for (let i = 0; i < 5; i++) world.health.report(pipeline.compiled.targets.get(name)!.identity, "bad", 0)
    return { world, pipeline, policy: decoded(encoded) }
  }

  /** The facts of a call by an independent reading; of budgets and health as the call has read them, which is tested elsewhere. */
  const factsOf = (policy: Policy, facts: FactValues, call: Call, now: number): FactValues => {
    const read = factsNow(policy, facts, { accounts: new Accounts(), breakers: new Breakers(), watch: new Watch(), now, time: call.time })
    const moving = call.compiled.facts.names.flatMap((name, slot) =>
      /^(budget|health)\./.test(name) ? [[name, call.facts[slot]!] as const] : []
    )
    return { ...read, ...Object.fromEntries(moving) }
  }

  const keepsTheRules = (policy: Policy, facts: FactValues, { attempts, rejections }: Call): void => {
    for (const { target, why } of attempts) {
      assert.isUndefined(ruledOut(policy, deploymentOf(policy, target), facts, prices), `${target.name} is out`)
      seen.attempts++
      if (why === "probe") seen.probes++
    }
    for (const { by } of rejections) {
      if (by === "guard") seen.guarded++
      if (by === "grant") seen.granted++
      if (by === "capability") seen.lacking++
    }
  }

  const keepsTheEffort = (policy: Policy, facts: FactValues, call: Call, sent: ReadonlyArray<Sent>, now: number): void => {
    const { attempts, dollars, time } = { ...policy.effort, ...policy.routes[call.decision.route]!.effort }
    assert.isAtMost(call.begun, attempts)
    if (time !== "none") for (const { commitBy } of sent) assert.isAtMost(commitBy, now + toMillis(time))
    if (dollars !== "none") {
      for (const next of call.attempts) {
        // Of those that had begun, the ones under way count what they may cost, and the ones that were over what they did.
        const cost = call.attempts.slice(0, next.number + 1).reduce((all, one) => {
          const isOver = one !== next && one.endedMillis <= next.startedMillis
          return all + (isOver ? one.nanoDollars! : (bound(policy, deploymentOf(policy, one.target), facts, prices) as number))
        }, 0)
        assert.isAtMost(cost, Math.round(dollars.usd * 1e9))
      }
    }
    for (const { error } of call.rejections)
      if (error.code === "effort_exhausted") seen[error.message.startsWith("no attempt") ? "noAttemptsLeft" : "noDollarsLeft"]++
  }

  const settles = (call: Call, sent: ReadonlyArray<Sent>): void => {
    assert.deepStrictEqual(call.underway, [])
    assert.deepStrictEqual(
      call.attempts.map(({ number }) => number),
      Array.from({ length: call.begun }, (_, i) => i)
    )
    assert.isAtMost(sent.length, call.begun)
    if (call.bounded) for (const { nanoDollars } of call.attempts) assert.isDefined(nanoDollars)
    for (const { failure, number, startedMillis } of call.attempts) {
      if (failure?.message.includes("its hedge") === true) seen.stopped++
      if (failure?.message === "the caller has gone") seen.abandoned++
      if (number > 0 && call.attempts[number - 1]!.endedMillis > startedMillis) seen.together++
    }
  }

  it(
    "no attempt breaks a grant or a guard or asks for what its target lacks; none goes beyond the effort of its route; each settles once",
    { timeout: 240_000 },
    () => {
      fc.assert(
        fc.property(lives, ({ broken, calls, policy: encoded }) => {
          const { pipeline, policy, world } = live(encoded, broken)
          for (const { facts, gap, goneAfter, plays } of calls) {
            world.clock.millis += gap
            const now = world.clock.millis
            const time = world.clock.currentTimeMillisUnsafe()
            const bindings = pipeline.compiled.budgets.of(callerOf(facts))
            const before = balancesOf(world.ledger, bindings, time)
            const { copies, records, sent } = world.call(pipeline, facts, (n) => plays[n % plays.length]!, goneAfter)
            assert.strictEqual(records.length, 1)
            const read = factsOf(policy, facts, records[0]!.call!, now)
            let charged = 0
            // What holds of a call holds of each copy of it.
            for (const one of [{ record: records[0]!, sent }, ...copies]) {
              const call = one.record.call!
              keepsTheRules(policy, read, call)
              keepsTheEffort(policy, read, call, one.sent, call.began)
              settles(call, one.sent)
              charged += call.attempts.reduce((all, { nanoDollars }) => all + (nanoDollars ?? 0), 0)
            }
            seen.copies += copies.length
            assert.deepStrictEqual(world.open(), { fibres: 0, alarms: 0, connections: 0 })
            assert.deepStrictEqual(
              balancesOf(world.ledger, bindings, time),
              before.map((balance) => ({ ...balance, reservedNanoDollars: 0, spentNanoDollars: balance.spentNanoDollars + charged }))
            )
            if (records[0]!.ending === "cancelled") seen.gone++
            for (const { identity } of pipeline.compiled.targets.values()) assert.strictEqual(world.health.busy(identity), 0)
          }
        }),
        { numRuns: 2_500 }
      )
    }
  )

  it("…where probes, every rule, every limit, hedges and callers who go away have occurred", () => {
    for (const [name, count] of Object.entries(seen)) assert.isAbove(count, 1, name)
  })
})
