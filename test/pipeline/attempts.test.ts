import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Outcome } from "../../src/Attempt.ts"
import type { Binding } from "../../src/Ledger.ts"
import type { PolicyEncoded, StrategyEncoded } from "../../src/Policy.ts"
import { paid } from "../scripted.ts"
import { stepped } from "../stepwise.ts"

const first = (...of: ReadonlyArray<string>): StrategyEncoded => ({ _tag: "First", of: of as [string] })

/** Both sides at once: time stands still here. */
const hedge = (of: StrategyEncoded, other: StrategyEncoded): StrategyEncoded => ({ _tag: "Hedge", of, after: "0 millis", with: other })

const served: Outcome = {
  failure: undefined,
  committed: true,
  status: 200,
  usage: { inputTokens: 10, cachedInputTokens: 0, cacheWriteInputTokens: 0, outputTokens: 400, reasoningTokens: 0 },
  firstTokenAt: undefined,
  losses: [],
  unbilled: false
}
const failed = (more: Partial<Outcome> = {}): Outcome => ({
  ...served,
  failure: { class: "overloaded", message: "as written" },
  committed: false,
  status: 503,
  usage: undefined,
  ...more
})

const rateLimited = failed({ failure: { class: "rate-limited", message: "as written", retryAfterMillis: 1_000 }, status: 429 })
const dead = failed({ failure: { class: "auth", message: "as written", endsCredential: true }, status: 401 })

/** Enough for two attempts at a time. */
const budget: Binding = { budget: "day", per: "class", scope: "local", every: "day", limitNanoDollars: 2_500_000 }
const policy = (to: StrategyEncoded): PolicyEncoded => {
  const { classes, providers, targets, ...rest } = paid(to)
  return {
    ...rest,
    providers: { ...providers, many: { dialect: "openai", keys: [{ env: "A_KEY" }, { env: "B_KEY" }] } },
    // With two credentials.
    targets: { ...targets, k: { ...targets["a"]!, provider: "many" } },
    classes: { local: { ...classes!["local"]!, may: [...classes!["local"]!.may, "k"] } },
    budgets: { day: { per: "class", limit: { usd: 0.0025 }, every: "day" } }
  }
}

/** What an attempt comes to in three steps. */
const slowly = (outcome: Outcome | "dies", claim?: () => boolean): Effect.Effect<Outcome> =>
  Effect.andThen(
    Effect.andThen(Effect.yieldNow, Effect.yieldNow),
    Effect.suspend(() =>
      outcome === "dies"
        ? Effect.die(new Error("ours"))
        : Effect.succeed(outcome.committed && claim?.() === false ? failed({ failure: { class: "cancelled", message: "lost" } }) : outcome)
    )
  )

const attempts: Readonly<Record<string, readonly [to: StrategyEncoded, outcomes: Readonly<Record<string, Outcome | "dies">>]>> = {
  "that is served": ["a", { a: served }],
  "that is served without usage": ["a", { a: { ...served, usage: undefined } }],
  "that is served by the second target": [first("a", "b"), { a: failed(), b: served }],
  "that is served by the second target, the first unbilled": [first("a", "b"), { a: failed({ unbilled: true }), b: served }],
  "that fails everywhere": [first("a", "b"), { a: failed(), b: failed() }],
  "that dies": [first("a", "b"), { a: failed({ unbilled: true }), b: "dies" }],
  "that goes from one credential to the other": [first("k", "b"), { k: rateLimited, b: served }],
  "that goes from one credential to the other, unbilled": [first("k", "b"), { k: { ...rateLimited, unbilled: true }, b: served }],
  "whose credentials are both dead": [first("k", "b"), { k: { ...dead, unbilled: true }, b: served }],
  "that is escalated": [
    { _tag: "Escalate", of: "a", if: { "===": [{ var: "answer.toolCalls" }, 0] }, to: "b" },
    { a: failed({ failure: { class: "escalated", message: "as written" }, status: 200, usage: served.usage }), b: served }
  ],
  "of which a hedge is served by its first side": [hedge("a", "b"), { a: served, b: served }],
  "of which a hedge is served by its second side": [hedge("a", "b"), { a: failed(), b: served }],
  "of which a hedge stops its second side": [
    hedge("a", "b"),
    { a: failed({ failure: { class: "bad-request", message: "as written" } }), b: served }
  ],
  "of which a hedge fails on both sides": [hedge("a", "b"), { a: failed(), b: failed() }],
  "of which a side of a hedge dies": [hedge("a", "b"), { a: failed(), b: "dies" }],
  "of hedges in hedges": [hedge(hedge("a", "b"), hedge("c", "a")), { a: failed({ unbilled: true }), b: failed(), c: served }]
}

describe("a caller who goes away after any number of steps", () => {
  for (const [name, [to, outcomes]] of Object.entries(attempts)) {
    for (const drawSteps of [0, 1, 4]) {
      it(`of a call ${name}, where the store takes ${drawSteps}: one record, nothing held, and what was charged is what was spent`, () => {
        const seen = { before: 0, held: 0, sent: 0, ended: 0 }
        for (let steps = 0; ; steps++) {
          assert.isBelow(steps, 500)
          const world = stepped(policy(to), (_, target, { claim }) => slowly(outcomes[target.name]!, claim), drawSteps)
          // Its circuit is half open: this call is its probe.
          world.trip("a")
          const fiber = world.call()
          world.steps(steps)
          const ended = fiber.pollUnsafe() !== undefined
          fiber.interruptUnsafe()
          world.steps(10_000)

          assert.isDefined(fiber.pollUnsafe())
          assert.strictEqual(world.records.length, 1)
          const { call } = world.records[0]!
          const charged = call!.attempts.map(({ nanoDollars }) => nanoDollars!)
          assert.deepInclude(world.ledger.balance(budget, 0), {
            reservedNanoDollars: 0,
            spentNanoDollars: charged.reduce((all, one) => all + one, 0)
          })
          assert.deepStrictEqual(call!.underway, [])
          for (const { account } of call!.attempts) {
            // Nobody is left a probe's place for ever.
            for (const name of [account.identity, account.credential]) assert.isUndefined(world.health.shut(name, 1e9))
          }
          assert.isAtMost(charged.filter((nanoDollars) => nanoDollars > 0).length, world.sent())
          for (const { estimated, nanoDollars, reservedNanoDollars } of call!.attempts) {
            assert.strictEqual(reservedNanoDollars, 1_000_000)
            if (estimated) assert.strictEqual(nanoDollars, reservedNanoDollars)
          }
          // Either the probe has told something, or its place is free.
          const told = call!.attempts.some(({ failure, target }) => target.name === "a" && failure?.class === "overloaded")
          assert.strictEqual(world.health.admits(world.identity("a"), 0) !== undefined, !told)

          const [one] = call!.attempts
          if (one === undefined) seen.before++
          else if (world.sent() === 0) {
            assert.deepInclude(one, { nanoDollars: 0, estimated: false })
            assert.strictEqual(one.failure?.class, "cancelled")
            seen.held++
          } else seen.sent++
          // The next caller has the budget that is left.
          const next = world.call()
          world.steps(10_000)
          assert.isDefined(next.pollUnsafe(), "nobody waits for ever")
          assert.strictEqual(world.records.length, 2)
          if (ended) {
            seen.ended++
            break
          }
        }
        assert.isAbove(Math.min(seen.before, seen.sent), 0)
        // The sides of a hedge come further in one step.
        if (!name.includes("hedge")) assert.isAbove(seen.held, 0, "it is held, and not yet sent")
      })
    }
  }
})

describe("both sides of a hedge that wait for their reservations", () => {
  it("do not both take the last attempt that their route allows", () => {
    let refused = 0
    for (const drawSteps of [0, 1, 2, 3, 4, 8]) {
      const world = stepped(
        { ...policy(hedge("a", "b")), effort: { attempts: 1 } },
        (_, __, { claim }) => slowly(failed({ unbilled: true }), claim),
        drawSteps
      )
      world.call()
      world.steps(10_000)
      const { call } = world.records[0]!
      assert.deepStrictEqual([call!.begun, call!.attempts.length, world.sent()], [1, 1, 1])
      refused += call!.rejections.filter(({ by }) => by === "effort").length
      assert.deepInclude(world.ledger.balance(budget, 0), { reservedNanoDollars: 0, spentNanoDollars: 0 })
      assert.isDefined(world.health.admits(world.identity("b"), 0))
    }
    assert.strictEqual(refused, 6)
  })
})

describe("many callers at once", () => {
  /** Numbers below `n`, the same ones in each run. */
  const random = (seed: number) => {
    let state = seed
    return (n: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((state / 2 ** 32) * n)
    }
  }
  const outcomes: ReadonlyArray<Outcome | "dies"> = [
    served,
    served,
    { ...served, usage: undefined },
    { ...served, usage: { ...served.usage!, outputTokens: 3_000 } },
    failed(),
    failed({ unbilled: true }),
    failed({ usage: served.usage }),
    "dies"
  ]

  it("never hold more than there is, and what is spent is what they were charged, whoever goes away when", () => {
    const seen = { cancelled: 0, refused: 0, charges: new Set<string>() }
    for (let seed = 1; seed <= 60; seed++) {
      const next = random(seed)
      const overruns = seed % 2 === 0
      const possible = outcomes.filter((outcome) => overruns || outcome === "dies" || (outcome.usage?.outputTokens ?? 0) <= 1_000)
      const limit = 1e6 * (1 + next(30))
      const here: Binding = { ...budget, limitNanoDollars: limit }
      const policy = paid(first("a", "b"), { budgets: { day: { per: "class", limit: { usd: limit / 1e9 }, every: "day" } } })
      const world = stepped(policy, () => slowly(possible[next(possible.length)]!), next(4))
      const fibers = Array.from({ length: 25 }, () => world.call())
      for (let moving = 1; moving > 0;) {
        moving = world.steps(1 + next(20))
        if (next(4) === 0) fibers[next(fibers.length)]!.interruptUnsafe()
        const { reservedNanoDollars, spentNanoDollars } = world.ledger.balance(here, 0)
        if (!overruns) assert.isAtMost(spentNanoDollars, limit)
        assert.isAtMost(reservedNanoDollars, limit)
      }
      assert.strictEqual(world.records.length, 25)
      const attempts = world.records.flatMap(({ call }) => call!.attempts)
      assert.deepInclude(world.ledger.balance(here, 0), {
        reservedNanoDollars: 0,
        spentNanoDollars: attempts.reduce((sum, { nanoDollars }) => sum + nanoDollars!, 0)
      })
      for (const { estimated, nanoDollars } of attempts) seen.charges.add(`${nanoDollars}${estimated ? " estimated" : ""}`)
      for (const { call, ending } of world.records) {
        if (ending === "cancelled") seen.cancelled++
        if (call!.rejections.some(({ by }) => by === "budget")) seen.refused++
      }
    }
    assert.isAbove(Math.min(seen.cancelled, seen.refused), 100)
    assert.deepStrictEqual([...seen.charges].sort(), ["0", "1000000 estimated", "3000000", "400000"])
  })
})
