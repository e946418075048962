import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Deferred, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { Attempt, type Outcome } from "../src/Attempt.ts"
import type { FailureClass } from "../src/Failure.ts"
import { refuse } from "../src/GatewayError.ts"
import { Health } from "../src/Health.ts"
import { Keys } from "../src/Keys.ts"
import { Ledger, type Refusal, type Reservation, type Unavailable } from "../src/Ledger.ts"
import { make } from "../src/Pipeline.ts"
import type { PolicyEncoded, Strategy, StrategyEncoded } from "../src/Policy.ts"
import { type CallRecord, Recorder } from "../src/Recorder.ts"
import { Slots } from "../src/Slots.ts"
import { busier, failures, loosePolicy, play, policy, prices, requestTo, script, sized, slow } from "./generators.ts"
import { Accounts, Breakers, callerOf, carryOut, declared, type Play, pursesOf, Watch } from "./reference.ts"
import { account, accountOf, balancesOf, compiled, decoded, incomingOf, nobodyTold, only, paid, surroundings } from "./scripted.ts"

const first = (...of: ReadonlyArray<StrategyEncoded>): StrategyEncoded => ({ _tag: "First", of: of as unknown as [StrategyEncoded] })
const within = (duration: string, of: StrategyEncoded): StrategyEncoded => ({ _tag: "Within", duration, of })

const fails = (failure: FailureClass, more: Partial<Play> = {}): Play => ({ failure, commitsAfter: undefined, endsAfter: 10, ...more })
const serves: Play = { failure: undefined, commitsAfter: 5, endsAfter: 10 }
const cut: Play = { failure: "stream-cut", commitsAfter: 5, endsAfter: 10 }

describe("a call", () => {
  const gap = fc.constantFrom(0, 0, 1, 9_999, 10_000, 20_000, 300_000)
  /** How far the wall clock moves beside: not at all, over midnight, over the end of a month, or back a little. */
  const jump = fc.constantFrom(0, 0, 0, 0, 1_000, -1_000, 43_200_000, 86_400_000, 2_592_000_000)
  const slowly = fc.array(fc.oneof(play, slow), { minLength: 1, maxLength: 6 })
  const start = fc.constantFrom("2026-11-22T10:00:00Z", "2026-12-31T23:59:58Z", "2028-02-28T23:59:59.500Z", "2026-03-29T01:59:59+01:00")
  const cases = fc.oneof(policy, loosePolicy, busier(loosePolicy)).chain((encoded) =>
    fc.record({
      policy: fc.constant(encoded),
      start,
      calls: fc.array(fc.record({ facts: requestTo(encoded).map(sized), plays: fc.oneof(script, slowly), gap, jump }), {
        minLength: 1,
        maxLength: 6
      }),
      broken: fc.array(
        fc.record({
          target: fc.constantFrom(...Object.keys(encoded.targets)),
          failures: fc.integer({ min: 1, max: 6 }),
          // Under all credentials, or under the first alone.
          everywhere: fc.boolean()
        }),
        { maxLength: 4 }
      )
    })
  )
  const seen = {
    endings: new Set<string>(),
    codes: new Set<string>(),
    by: new Set<string>(),
    classes: new Set<string>(),
    reasons: new Set<string>(),
    probes: 0,
    strategies: { stopped: 0, together: 0, again: 0, hedgesWon: 0, elsewhere: 0 },
    deep: 0,
    charges: { settled: 0, estimated: 0, released: 0, overrun: 0, unknown: 0, unbound: 0 },
    passed: { grant: 0, budget: 0 },
    windows: 0,
    facts: 0
  }

  it(
    "is carried out as the reference says: attempts, deadlines, rejections, charges, the ending, its status and code, and every balance",
    { timeout: 300_000 },
    () => {
      fc.assert(
        fc.property(cases, ({ broken, calls, policy: encoded, start }) => {
          const world = surroundings()
          world.clock.epoch = Date.parse(start)
          const pipeline = world.link(compiled(encoded, prices))
          const policy = decoded(encoded)
          const breakers = new Breakers()
          const [accounts, watch] = [new Accounts(), new Watch()]
          for (const { everywhere, failures, target } of broken) {
            const [mine, theirs] = [declared(policy, target).accounts, pipeline.compiled.targets.get(target)!.accounts]
            assert.strictEqual(mine.length, theirs.length)
            for (const [i, { identity }] of theirs.entries()) {
              if (i > 0 && !everywhere) continue
              for (let n = 0; n < failures; n++) {
                world.health.report(identity, "bad", 0)
                breakers.report(mine[i]!.identity, "server-error", 0)
              }
            }
          }
          let window: string | undefined
          for (const { facts, gap, jump, plays } of calls) {
            world.clock.millis += gap
            world.clock.epoch += jump
            const play = (n: number): Play => plays[n % plays.length]!
            const time = world.clock.currentTimeMillisUnsafe()
            const expected = carryOut(policy, facts, { play, breakers, accounts, watch, prices, now: world.clock.millis, time })
            const one = account(world.call(pipeline, facts, play))
            assert.deepStrictEqual(one, accountOf(expected))

            const caller = callerOf(facts)
            const purses = pursesOf(policy, caller)
            const bindings = pipeline.compiled.budgets.of({ ...caller, tags: [] })
            // Of windows that are over the ledger keeps nothing in sight; what was reserved in one must not turn up in the next.
            const after = world.clock.currentTimeMillisUnsafe()
            assert.deepStrictEqual(
              balancesOf(world.ledger, bindings, after),
              purses.map((purse) => ({
                budget: purse.budget,
                scope: purse.scope,
                reservedNanoDollars: 0,
                spentNanoDollars: accounts.spent(purse, after)
              }))
            )

            seen.endings.add(one.ending)
            if (one.code !== undefined) seen.codes.add(one.code)
            for (const { by } of one.refused!) seen.by.add(by)
            for (const { estimated, failure, nanoDollars, reservedNanoDollars: held, why } of one.tried!) {
              if (failure !== undefined) seen.classes.add(failure)
              seen.reasons.add(why)
              if (why === "probe") seen.probes++
              if (held === undefined) seen.charges[nanoDollars === undefined ? "unknown" : "unbound"]++
              else seen.charges[estimated ? "estimated" : nanoDollars === 0 ? "released" : nanoDollars! > held ? "overrun" : "settled"]++
            }
            if (one.tried!.length > 3) seen.deep++
            for (const [i, { failure, committed, startedAt, target }] of one.tried!.entries()) {
              if (failure === "cancelled" && !committed) seen.strategies.stopped++
              if (failure === "cancelled" && !committed && one.served !== undefined && one.served !== target && i === 0)
                seen.strategies.hedgesWon++
              if (one.tried!.slice(0, i).some((other) => other.target === target)) seen.strategies.again++
              if (one.tried!.slice(0, i).some((other) => other.startedAt === startedAt)) seen.strategies.together++
            }
            if (one.tried!.length > 0 && firstOf(policy.routes[expected.decided.route]!.to) !== one.tried![0]!.target)
              seen.strategies.elsewhere++
            if (one.served !== undefined) {
              for (const by of ["grant", "budget"] as const) if (one.refused!.some((refused) => refused.by === by)) seen.passed[by]++
            }
            const day = new Date(time).toISOString().slice(0, 10)
            if (purses.length > 0 && window !== undefined && day !== window) seen.windows++
            window = day
            if (purses.length > 0 && accounts.spent(purses[0]!, time) > 0 && JSON.stringify(policy.routes).includes('"budget.'))
              seen.facts++
          }
        }),
        { numRuns: 3_000 }
      )
    }
  )

  it("…where every class, every rejection, every way of charging, probes, long failovers and new windows have occurred", () => {
    assert.includeMembers([...seen.classes], [...failures, "cancelled", "escalated"])
    assert.includeMembers([...seen.reasons], ["first", "failover", "retry", "credential", "hedge", "escalation", "probe"])
    assert.includeMembers(
      [...seen.by],
      ["breaker", "budget", "deadline", "effort", "grant", "guard", "capability", "unknown-model", "ambiguous-model"]
    )
    assert.includeMembers([...seen.endings], ["served", "failed", "refused"])
    assert.includeMembers(
      [...seen.codes],
      ["model_not_found", "model_ambiguous", "not_today", "invalid_value", "upstream_timeout", "target_paused"]
    )
    assert.includeMembers([...seen.codes], ["not_granted", "budget_exhausted", "unpriced_model", "unpriced_request", "unbounded_request"])
    assert.isAbove(seen.probes, 1)
    assert.isAbove(seen.deep, 0)
    for (const [name, count] of Object.entries(seen.strategies)) assert.isAbove(count, 0, name)
    for (const [name, count] of Object.entries({ ...seen.charges, ...seen.passed, windows: seen.windows, facts: seen.facts }))
      assert.isAbove(count, 0, name)
  })
})

/** The target that a spread at the beginning of a strategy names first. */
const firstOf = (strategy: Strategy): string | undefined =>
  strategy._tag === "Spread"
    ? strategy.of[0].target
    : "of" in strategy
      ? firstOf(Array.isArray(strategy.of) ? strategy.of[0] : strategy.of)
      : undefined

describe("failover", () => {
  const call = (to: StrategyEncoded, plays: ReadonlyArray<Play>) => {
    const world = surroundings()
    return account(world.call(world.link(compiled(only(to))), { "request.model": "-" }, (n) => plays[n]!))
  }

  it("the first failed attempt decides the answer", () => {
    const { code, status, tried } = call(first("a", "b", "c"), [fails("rate-limited"), fails("overloaded"), fails("auth")])
    assert.deepStrictEqual([tried!.map(({ target }) => target), status, code], [["a", "b", "c"], 429, "upstream_rate_limited"])
  })

  it("what cuts a stream that has begun is the cause that is recorded, whatever failed before", () => {
    const { answered, code, ending, served, status } = call(first("a", "b", "c"), [fails("rate-limited"), cut])
    assert.deepStrictEqual(
      { answered, code, ending, served, status },
      { answered: [200], code: "upstream_stream_cut", ending: "failed", served: "b", status: 200 }
    )
  })

  it("nothing is tried after a commit", () => {
    assert.deepStrictEqual(
      call(first("a", "b"), [cut]).tried!.map(({ target }) => target),
      ["a"]
    )
  })

  it("a provider's wish to be left alone reaches the caller, in whole seconds", () => {
    for (const [millis, seconds] of [
      [1, "1"],
      [1_000, "1"],
      [1_001, "2"],
      [30_000, "30"],
      [0, "1"]
    ] as const) {
      const world = surroundings()
      const { told } = world.call(world.link(compiled(only("a"))), { "request.model": "-" }, () =>
        fails("rate-limited", { retryAfterMillis: millis })
      )
      assert.strictEqual(told.heads[0]!.headers["retry-after"], seconds)
      assert.strictEqual(told.heads[0]!.headers["x-should-retry"], "false")
      assert.strictEqual(told.heads[0]!.headers["x-turnout-attempts"], "1")
    }
  })
})

describe("deadlines", () => {
  it("no attempt starts after its deadline, and the attempt that it cut short decides", () => {
    const world = surroundings()
    const slow = fails("overloaded", { endsAfter: 5_000 })
    const one = account(
      world.call(world.link(compiled(only(first(within("1 seconds", first("a", "b")), "c")))), {}, (n) => [slow, serves][n]!)
    )
    assert.deepStrictEqual(
      one.tried!.map(({ commitBy, failure, startedAt, target }) => ({ commitBy, failure, startedAt, target })),
      [
        { target: "a", commitBy: 1_000, startedAt: 0, failure: "timeout" },
        { target: "c", commitBy: Infinity, startedAt: 1_000, failure: undefined }
      ]
    )
    assert.deepStrictEqual(one.refused, [{ target: "b", by: "deadline" }])
  })

  it("runs from the time of entering, and only to the commit", () => {
    const world = surroundings()
    const long: Play = { failure: undefined, commitsAfter: 900, endsAfter: 3_600_000 }
    const plays = [fails("overloaded", { endsAfter: 700 }), long]
    const one = account(world.call(world.link(compiled(only(first("a", within("1 seconds", "b"))))), {}, (n) => plays[n]!))
    assert.deepStrictEqual([one.tried![1]!.commitBy, one.ending, one.endedAt], [1_700, "served", 3_600_700])
  })
})

describe("breakers", () => {
  const down = () => fails("server-error", { endsAfter: 0 })
  const up = (): Play => ({ failure: undefined, commitsAfter: 0, endsAfter: 0 })

  it("open after five failures in a row; one call probes when the cool-down has passed; a success closes", () => {
    const world = surroundings()
    const pipeline = world.link(compiled(only(first("a", "b"))))
    const targets = (play: (n: number) => Play) => account(world.call(pipeline, {}, play)).tried!.map(({ target }) => target)
    const aDown = (n: number) => (n === 0 ? down() : up())
    for (let i = 0; i < 5; i++) assert.deepStrictEqual(targets(aDown), ["a", "b"])
    assert.deepStrictEqual(targets(up), ["b"], "open")
    world.clock.millis += 9_999
    assert.deepStrictEqual(targets(up), ["b"], "still open")
    world.clock.millis += 1
    assert.deepStrictEqual(targets(aDown), ["a", "b"], "the probe, which fails")
    world.clock.millis += 19_999
    assert.deepStrictEqual(targets(up), ["b"], "twice the cool-down")
    world.clock.millis += 1
    assert.deepStrictEqual(targets(up), ["a"], "the probe, which succeeds")
    assert.deepStrictEqual(targets(up), ["a"], "closed")
  })

  it("a success in between starts the count anew", () => {
    const world = surroundings()
    const pipeline = world.link(compiled(only(first("a", "b"))))
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 4; i++) world.call(pipeline, {}, (n) => (n === 0 ? down() : up()))
      assert.deepStrictEqual(
        account(world.call(pipeline, {}, up)).tried!.map(({ target }) => target),
        ["a"]
      )
    }
  })

  it("failures that are the request's do not count", () => {
    for (const failure of ["context-length", "content-filter", "bad-request"] as const) {
      const world = surroundings()
      const pipeline = world.link(compiled(only("a")))
      for (let i = 0; i < 20; i++) world.call(pipeline, {}, () => fails(failure))
      assert.deepStrictEqual(world.health.open(world.clock.millis), [])
    }
  })

  it("if breakers alone have rejected every candidate, the first is probed, and nothing after it", () => {
    const world = surroundings()
    const pipeline = world.link(compiled(only(first(within("1 seconds", "a"), "b"))))
    for (const name of ["a", "b"]) for (let i = 0; i < 5; i++) world.health.report(pipeline.compiled.targets.get(name)!.identity, "bad", 0)
    const one = account(world.call(pipeline, {}, down))
    assert.deepStrictEqual(
      one.tried!.map(({ commitBy, failure, target, why }) => [target, commitBy, failure, why]),
      [["a", 1_000, "server-error", "probe"]]
    )
    assert.deepStrictEqual(one.refused, [
      { target: "a", by: "breaker" },
      { target: "b", by: "breaker" }
    ])
    assert.strictEqual(account(world.call(pipeline, {}, up)).ending, "served")
    assert.deepStrictEqual(
      account(world.call(pipeline, {}, up)).tried!.map(({ why }) => why),
      ["first"],
      "a probe that succeeds closes"
    )
  })

  it("a deny at the end is the answer where breakers have rejected the rest", () => {
    const world = surroundings()
    const pipeline = world.link(compiled(only(first("a", { _tag: "Deny", status: 503, code: "come_back", message: "later" }))))
    for (let i = 0; i < 5; i++) world.health.report(pipeline.compiled.targets.get("a")!.identity, "bad", 0)
    assert.deepInclude(account(world.call(pipeline, {}, up)), { ending: "refused", status: 503, code: "come_back", tried: [] })
  })

  it("stay with the deployment when the policy is replaced, under whatever name", () => {
    const world = surroundings()
    const deployment = (name: string, model: string, region?: string, key = "OPENAI_API_KEY"): PolicyEncoded =>
      only(first(name, "spare"), {
        providers: { [`p-${name}`]: { dialect: "openai", key: { env: key } } },
        targets: {
          [name]: { provider: `p-${name}`, model, ...(region === undefined ? {} : { region }) },
          spare: { provider: `p-${name}`, model: "spare" }
        }
      })
    const tried = (policy: PolicyEncoded) => account(world.call(world.link(compiled(policy)), {}, up)).tried!.map(({ target }) => target)
    const before = world.link(compiled(deployment("old", "m")))
    for (let i = 0; i < 5; i++) world.call(before, {}, (n) => (n === 0 ? down() : up()))
    assert.deepStrictEqual(tried(deployment("old", "m")), ["spare"])
    assert.deepStrictEqual(tried(deployment("new", "m")), ["spare"], "another name for the same deployment")
    assert.deepStrictEqual(tried(deployment("old", "n")), ["old"], "another model under the same name")
    assert.deepStrictEqual(tried(deployment("old", "m", "eu")), ["old"], "another region")
    assert.deepStrictEqual(tried(deployment("old", "m", undefined, "OPENAI_API_KEY_2")), ["old"], "another account at the same provider")
  })
})

interface Linked {
  readonly keys?: Keys["Service"]
  /** Takes the place of what the ledger in memory does. */
  readonly ledger?: (real: Ledger["Service"]) => Partial<Ledger["Service"]>
}

/** Services of a test, on the clock in scope, with what has been recorded, and every reservation until it is settled or released. */
const linked = Effect.fnUntraced(function* (policy: PolicyEncoded, attempt: Attempt["Service"]["run"], more: Linked = {}) {
  const records: Array<CallRecord> = []
  const held = new Map<Reservation, ReadonlyArray<string>>()
  const note = (reservation: Reservation, what: string) => void held.set(reservation, [...(held.get(reservation) ?? []), what])
  const layer = Layer.mergeAll(
    Layer.succeed(Attempt, { run: attempt }),
    Health.layer(),
    Slots.layer,
    more.keys === undefined ? Keys.layerNames : Layer.succeed(Keys, more.keys),
    Ledger.layerMemory,
    Recorder.layerOf((record) => void records.push(record))
  )
  // The scope is the test's: a ledger at its end turns everybody away.
  const context = yield* Layer.build(layer)
  const real = Context.get(context, Ledger)
  yield* real.open
  const ledger: Ledger["Service"] = { ...real, ...more.ledger?.(real) }
  const noting: Ledger["Service"] = {
    ...ledger,
    reserve: (bindings, nanoDollars, time) => {
      const noted = (answer: Reservation | Refusal | Unavailable) => {
        if (answer._tag === "Reservation") held.set(answer, [])
        return answer
      }
      const answer = ledger.reserve(bindings, nanoDollars, time)
      // What is known at once stays known at once, as it is with a ledger in memory.
      return Exit.isExit(answer) && Exit.isSuccess(answer)
        ? Effect.succeed(noted(answer.value as Reservation | Refusal | Unavailable))
        : Effect.map(answer, noted)
    },
    settle: (reservation, nanoDollars) => {
      note(reservation, nanoDollars === reservation.nanoDollars ? "settled in full" : "settled")
      ledger.settle(reservation, nanoDollars)
    },
    release: (reservation) => {
      note(reservation, "released")
      ledger.release(reservation)
    }
  }
  const pipeline = yield* make(compiled(policy)).pipe(Effect.provideService(Ledger, noting), Effect.provideContext(context))
  return {
    pipeline,
    health: Context.get(context, Health),
    ledger: real,
    records,
    /** What has become of each reservation, in their order. */
    held: () => [...held.values()].map((ends) => ends.join(", "))
  }
})

const outcome = (failure: FailureClass | undefined, committed: boolean): Outcome => ({
  failure: failure === undefined ? undefined : { class: failure, message: "as written" },
  committed,
  status: undefined,
  usage: undefined,
  firstTokenAt: undefined,
  losses: [],
  unbilled: false
})

describe("exactly one record, and one settlement for each reservation", () => {
  const told = nobodyTold

  it.effect("of a call whose caller goes away during an attempt", () =>
    Effect.gen(function* () {
      const letGo = yield* Deferred.make<void>()
      const { health, held, pipeline, records } = yield* linked(paid(first("a", "b")), () =>
        Effect.onInterrupt(Effect.never, () => Deferred.succeed(letGo, undefined))
      )
      const reply = told()
      const fiber = yield* Effect.forkChild(pipeline.run(incomingOf({}, reply)), { startImmediately: true })
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(letGo)
      assert.strictEqual(records.length, 1)
      const [record] = records
      assert.deepInclude(record, { ending: "cancelled", status: 499, durationMillis: 3_000, served: undefined })
      assert.deepStrictEqual(
        record!.call!.attempts.map(({ failure, target }) => [target.name, failure?.class]),
        [["a", "cancelled"]]
      )
      // It was sent, so it may have been billed.
      assert.deepStrictEqual(held(), ["settled in full"])
      assert.deepInclude(record!.call!.attempts[0], { nanoDollars: 1_000_000, reservedNanoDollars: 1_000_000, estimated: true })
      assert.deepStrictEqual(health.open(3_000), [])
      assert.deepStrictEqual(reply.heads, [])
    })
  )

  it.effect("of a call whose caller goes away after the commit", () =>
    Effect.gen(function* () {
      const { pipeline, records } = yield* linked(paid("a"), (call) =>
        Effect.andThen(
          Effect.sync(() => call.incoming.reply.begin(200, [])),
          Effect.never
        )
      )
      const fiber = yield* Effect.forkChild(pipeline.run(incomingOf({}, told())), { startImmediately: true })
      yield* TestClock.adjust("1 seconds")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(records.length, 1)
      assert.strictEqual(records[0]!.ending, "cancelled")
      assert.isTrue(records[0]!.call!.attempts[0]!.committed)
    })
  )

  it.effect("of a call whose caller goes away while a reservation is awaited, and the probe's place is free again", () =>
    Effect.gen(function* () {
      let slow = true
      const { health, held, ledger, pipeline, records } = yield* linked(paid("a"), () => Effect.succeed(outcome(undefined, true)), {
        ledger: ({ reserve }) => ({
          reserve: (bindings, nanoDollars, time) =>
            slow ? Effect.delay(reserve(bindings, nanoDollars, time), "50 millis") : reserve(bindings, nanoDollars, time)
        })
      })
      const { identity } = pipeline.compiled.targets.get("a")!
      for (let i = 0; i < 5; i++) health.report(identity, "bad", 0)
      yield* TestClock.adjust("10 seconds")
      const fiber = yield* Effect.forkChild(pipeline.run(incomingOf({}, told())), { startImmediately: true })
      const gone = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
      yield* TestClock.adjust("50 millis")
      yield* Fiber.await(gone)
      assert.deepStrictEqual(
        records.map(({ call, ending }) => [ending, call!.attempts.map(({ estimated, nanoDollars }) => [nanoDollars, estimated])]),
        [["cancelled", [[0, false]]]]
      )
      assert.deepStrictEqual(held(), ["released"])
      assert.deepInclude(ledger.balance(records[0]!.call!.bindings[0]!, 10_050), { reservedNanoDollars: 0, spentNanoDollars: 0 })
      slow = false
      assert.isDefined(health.admits(identity, 10_050), "the next call may probe")
    })
  )

  it.effect("of a call that dies in its attempt", () =>
    Effect.gen(function* () {
      const { held, pipeline, records } = yield* linked(paid(first("a", "b")), () => Effect.die(new Error("ours")))
      const reply = told()
      const exit = yield* Effect.exit(pipeline.run(incomingOf({}, reply)))
      assert.strictEqual(records.length, 1)
      assert.deepInclude(records[0], { ending: "failed", status: 500, served: undefined })
      assert.strictEqual(records[0]!.error!.code, "internal_error")
      assert.deepStrictEqual(
        reply.heads.map(({ status }) => status),
        [500]
      )
      assert.strictEqual(reply.ends, 1)
      assert.deepStrictEqual(held(), ["settled in full"])
      // The defect itself is not swallowed.
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    })
  )

  it.effect("of a call whose attempt throws before it is an effect, and the probe's place is free again", () =>
    Effect.gen(function* () {
      const { health, held, pipeline, records } = yield* linked(paid("a"), () => {
        throw new RangeError("nested beyond the stack")
      })
      const { identity } = pipeline.compiled.targets.get("a")!
      for (let i = 0; i < 5; i++) health.report(identity, "bad", 0)
      yield* TestClock.adjust("10 seconds")
      const reply = told()
      yield* Effect.exit(pipeline.run(incomingOf({}, reply)))
      assert.deepStrictEqual(
        records.map(({ call, ending, status }) => [ending, status, call!.attempts.length]),
        [["failed", 500, 1]]
      )
      assert.deepStrictEqual(
        reply.heads.map(({ status }) => status),
        [500]
      )
      assert.deepStrictEqual(held(), ["settled in full"])
      yield* TestClock.adjust("1 hours")
      assert.isDefined(health.admits(identity, 3_610_000), "a later call may probe")
    })
  )

  it.effect("of a call that is turned away", () =>
    Effect.gen(function* () {
      const never = () => Effect.die(new Error("nothing is tried"))
      const stranger = yield* linked(paid("a"), never, { keys: { of: () => () => undefined } })
      const { pipeline, records } = yield* linked(paid("a"), never)
      const statuses: Array<number> = []
      const run = (pipeline: typeof stranger.pipeline, parse?: () => never | ReturnType<typeof refuse>) =>
        Effect.gen(function* () {
          const reply = told()
          const incoming = incomingOf({}, reply)
          yield* pipeline.run(parse === undefined ? incoming : { ...incoming, parse })
          statuses.push(...reply.heads.map(({ status }) => status))
        })
      yield* run(stranger.pipeline)
      assert.deepStrictEqual(
        stranger.records.map(({ call, ending, status }) => [ending, status, call]),
        [["refused", 401, undefined]]
      )
      yield* run(pipeline, () => refuse("invalid_json", "no"))
      yield* run(pipeline, () => {
        throw new RangeError("nested beyond the stack")
      })
      const reply = told()
      pipeline.refuse(incomingOf({}, reply), refuse("body_too_large", "no"))
      statuses.push(...reply.heads.map(({ status }) => status))
      assert.deepStrictEqual(
        records.map(({ ending, status }) => [ending, status]),
        [
          ["refused", 400],
          ["refused", 500],
          ["refused", 413]
        ]
      )
      assert.deepStrictEqual(statuses, [401, 400, 500, 413])
    })
  )

  it.effect("of a call whose budget refuses a candidate: `first` passes on whatever `on` says", () =>
    Effect.gen(function* () {
      const dear = { provider: "openai", model: "dear", price: { input: { usd: 0 }, output: { usd: 1 } }, maxOutputTokens: 2_000_000 }
      const { targets, ...rest } = paid({ _tag: "First", of: ["a", "b"], on: ["timeout"] })
      const { held, pipeline, records } = yield* linked({ ...rest, targets: { ...targets, a: dear } }, () =>
        Effect.succeed(outcome(undefined, true))
      )
      yield* pipeline.run(incomingOf({}, told()))
      const [record] = records
      assert.strictEqual(records.length, 1)
      assert.deepStrictEqual(
        record!.call!.rejections.map(({ by, error, target }) => [target, by, error.status, error.code]),
        [["a", "budget", 402, "budget_exhausted"]]
      )
      assert.strictEqual(record!.served?.name, "b")
      assert.deepStrictEqual(held(), ["settled in full"])
    })
  )

  it.effect("of a call that is released, settled or estimated, by what its attempts came to", () =>
    Effect.gen(function* () {
      const usage = { inputTokens: 5, cachedInputTokens: 0, cacheWriteInputTokens: 0, outputTokens: 300, reasoningTokens: 0 }
      const outcomes: Record<string, Outcome> = {
        a: { ...outcome("rate-limited", false), unbilled: true },
        b: { ...outcome("server-error", false), usage },
        c: { ...outcome("timeout", false) },
        d: { ...outcome(undefined, true), usage }
      }
      const { held, pipeline, records } = yield* linked(paid(first("a", "b", "c", "d")), (_, target) =>
        Effect.succeed(outcomes[target.name]!)
      )
      yield* pipeline.run(incomingOf({}, told()))
      assert.deepStrictEqual(held(), ["released", "settled in full", "settled in full", "settled"])
      assert.deepStrictEqual(
        records[0]!.call!.attempts.map(({ estimated, nanoDollars, reservedNanoDollars }) => [nanoDollars, reservedNanoDollars, estimated]),
        [
          [0, 1_000_000, false],
          [1_000_000, 1_000_000, true],
          [1_000_000, 1_000_000, true],
          [300_000, 1_000_000, false]
        ]
      )
    })
  )

  it.effect("of a call whose ledger does not answer: 503 and when to come back, nothing is sent, and the probe's place is free", () =>
    Effect.gen(function* () {
      const down: Unavailable = { _tag: "Unavailable", why: "the disk is full" }
      for (const slow of [false, true]) {
        const { health, held, pipeline, records } = yield* linked(paid(first("a", "b")), () => Effect.die(new Error("nothing is sent")), {
          ledger: () => ({ reserve: () => (slow ? Effect.delay(Effect.succeed(down), "100 millis") : Effect.succeed(down)) })
        })
        const { identity } = pipeline.compiled.targets.get("a")!
        const now = slow ? 20_000 : 10_000
        for (let i = 0; i < 5; i++) health.report(identity, "bad", now - 10_000)
        yield* TestClock.setTime(now)
        const reply = told()
        const fiber = yield* Effect.forkChild(pipeline.run(incomingOf({}, reply)), { startImmediately: true })
        yield* TestClock.adjust("1 seconds")
        yield* Fiber.join(fiber)
        const [record] = records
        assert.deepInclude(record, { ending: "refused", status: 503 })
        assert.deepInclude(record!.error, {
          code: "ledger_unavailable",
          message: "budgets cannot be kept now, so nothing is sent: the disk is full"
        })
        assert.deepStrictEqual(
          record!.call!.rejections.map(({ by, target }) => [target, by]),
          [
            ["a", "ledger"],
            ["b", "ledger"]
          ]
        )
        assert.strictEqual(reply.heads[0]!.headers["retry-after"], "1")
        assert.notProperty(reply.heads[0]!.headers, "x-should-retry", "an SDK may try again")
        assert.deepStrictEqual(held(), [])
        assert.isDefined(health.admits(identity, now + 1_000))
      }
    })
  )

  it.effect("of calls that see what others hold: a condition on a budget counts what is reserved", () =>
    Effect.gen(function* () {
      const used = (ratio: number) => ({ ">=": [{ var: "budget.day.usedRatio" }, ratio] })
      const { routes, ...rest } = paid("a", { budgets: { day: { per: "class", limit: { usd: 0.004 }, every: "day" } } })
      const policy = { ...rest, routes: [{ name: "thrift", when: used(0.5), to: "b" }, ...routes] } as PolicyEncoded
      const { pipeline, records } = yield* linked(policy, () => Effect.as(Effect.sleep("1 seconds"), outcome("rate-limited", false)))
      const fibers = yield* Effect.forEach([1, 2, 3], () =>
        Effect.forkChild(pipeline.run(incomingOf({}, told())), { startImmediately: true })
      )
      yield* TestClock.adjust("2 seconds")
      yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(
        records.map(({ call }) => call!.attempts[0]!.target.name),
        ["a", "a", "b"]
      )
    })
  )

  it.effect("of each of a thousand calls at once, a third of them given up", () =>
    Effect.gen(function* () {
      const { held, ledger, pipeline, records } = yield* linked(
        paid(first(within("2 seconds", first("a", "b")), "c")),
        (_, target, { commitBy }) =>
          Effect.map(Effect.sleep(target.name === "c" ? 100 : 700), () =>
            outcome(target.name === "c" ? undefined : "bad-request", commitBy < 0)
          )
      )
      const fibers = yield* Effect.forEach(
        Array.from({ length: 1_000 }, (_, i) => i),
        (i) => Effect.forkChild(pipeline.run(incomingOf({ "request.id": `call-${i}` }, told())))
      )
      yield* TestClock.adjust("350 millis")
      yield* Effect.forEach(fibers, (fiber, i) => (i % 3 === 0 ? Fiber.interrupt(fiber) : Effect.void))
      yield* TestClock.adjust("1 minutes")
      yield* Effect.forEach(fibers, Fiber.await)
      assert.strictEqual(records.length, 1_000)
      assert.strictEqual(new Set(records.map(({ id }) => id)).size, 1_000)
      assert.strictEqual(records.filter(({ ending }) => ending === "cancelled").length, 334)
      // A tenth of a cent each: the budget of a dollar is just enough for all.
      assert.deepStrictEqual(new Set(held()), new Set(["settled in full"]))
      const { reservedNanoDollars, spentNanoDollars } = ledger.balance(records[0]!.call!.bindings[0]!, 0)
      const charged = records.flatMap(({ call }) => call!.attempts).reduce((sum, { nanoDollars }) => sum + nanoDollars!, 0)
      assert.deepStrictEqual([reservedNanoDollars, spentNanoDollars, charged], [0, 1e9, 1e9])
    })
  )
})

describe("deadlines on a running clock", () => {
  it.effect("an attempt is given what is left, and the next one starts when it has failed", () =>
    Effect.gen(function* () {
      const starts: Array<readonly [string, number, number]> = []
      const { pipeline, records } = yield* linked(
        only(within("10 seconds", first("a", within("3 seconds", "b"), "c"))),
        (_, target, { commitBy }) =>
          Effect.gen(function* () {
            const now = Number(yield* TestClock.testClockWith((clock) => clock.monotonicTimeNanos)) / 1e6
            starts.push([target.name, now, commitBy])
            yield* Effect.sleep(Math.min(8_000, commitBy - now))
            return outcome(target.name === "c" ? undefined : "timeout", target.name === "c")
          })
      )
      const fiber = yield* Effect.forkChild(pipeline.run(incomingOf({}, nobodyTold())), { startImmediately: true })
      yield* TestClock.adjust("1 minutes")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(starts, [
        ["a", 0, 10_000],
        ["b", 8_000, 10_000]
      ])
      assert.deepStrictEqual(
        records[0]!.call!.rejections.map(({ by, target }) => [target, by]),
        [["c", "deadline"]]
      )
      assert.deepInclude(records[0], { status: 504, durationMillis: 10_000 })
    })
  )
})
