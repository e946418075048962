import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import { Attempt, type Outcome } from "../src/Attempt.ts"
import type { FailureClass } from "../src/Failure.ts"
import { refuse } from "../src/GatewayError.ts"
import { Health } from "../src/Health.ts"
import { Keys } from "../src/Keys.ts"
import { Ledger, type Refusal, type Reservation } from "../src/Ledger.ts"
import { make } from "../src/Pipeline.ts"
import type { PolicyEncoded, StrategyEncoded } from "../src/Policy.ts"
import { type CallRecord, Recorder } from "../src/Recorder.ts"
import { failures, policy, requestTo, script } from "./generators.ts"
import { Breakers, carryOut, type FactValues, type Play } from "./reference.ts"
import { account, accountOf, compiled, decoded, incomingOf, nobodyTold, only, surroundings } from "./scripted.ts"

const first = (...of: ReadonlyArray<StrategyEncoded>): StrategyEncoded => ({ _tag: "First", of: of as unknown as [StrategyEncoded] })
const within = (duration: string, of: StrategyEncoded): StrategyEncoded => ({ _tag: "Within", duration, of })

const fails = (failure: FailureClass, more: Partial<Play> = {}): Play => ({ failure, commitsAfter: undefined, endsAfter: 10, ...more })
const serves: Play = { failure: undefined, commitsAfter: 5, endsAfter: 10 }
const cut: Play = { failure: "stream-cut", commitsAfter: 5, endsAfter: 10 }

/** Input is estimated from whole bytes. */
const readable = (facts: FactValues): FactValues => ({
  ...facts,
  "request.inputTokens": Math.ceil(Math.min(1e12, Math.abs(Number(facts["request.inputTokens"]))))
})

describe("a call", () => {
  const gap = fc.constantFrom(0, 1, 9_999, 10_000, 20_000, 300_000)
  const cases = policy.chain((encoded) =>
    fc.record({
      policy: fc.constant(encoded),
      calls: fc.array(fc.record({ facts: requestTo(encoded).map(readable), plays: script, gap }), { minLength: 1, maxLength: 4 }),
      broken: fc.array(fc.record({ target: fc.constantFrom(...Object.keys(encoded.targets)), failures: fc.integer({ min: 1, max: 6 }) }), {
        maxLength: 4
      })
    })
  )
  const seen = {
    endings: new Set<string>(),
    codes: new Set<string>(),
    by: new Set<string>(),
    classes: new Set<string>(),
    probes: 0,
    deep: 0
  }

  it("is carried out as the reference says: attempts, deadlines, rejections, the ending, its status and code", () => {
    fc.assert(
      fc.property(cases, ({ broken, calls, policy: encoded }) => {
        const world = surroundings()
        const pipeline = world.link(compiled(encoded))
        const policy = decoded(encoded)
        const breakers = new Breakers()
        const alone = new Map(
          Object.keys(policy.targets).map((name) => [name, only(name, { ...encoded, routes: [{ name: "only", to: name }] })])
        )
        for (const { failures, target } of broken) {
          for (let i = 0; i < failures; i++) world.health.report(pipeline.compiled.targets.get(target)!.identity, "bad", 0)
          // The reference knows deployments by what calls do to them.
          const always = { breakers: silent(breakers), now: 0, play: () => fails("server-error", { endsAfter: 0 }) }
          for (let i = 0; i < failures; i++) carryOut(decoded(alone.get(target)!), { "request.model": "-" }, always)
        }
        for (const { facts, gap, plays } of calls) {
          world.clock.millis += gap
          const play = (n: number): Play => plays[n % plays.length]!
          const expected = carryOut(policy, facts, { play, breakers, now: world.clock.millis })
          const one = account(world.call(pipeline, facts, play))
          assert.deepStrictEqual(one, accountOf(expected))
          seen.endings.add(one.ending)
          if (one.code !== undefined) seen.codes.add(one.code)
          for (const { by } of one.refused!) seen.by.add(by)
          for (const { failure, probe } of one.tried!) {
            if (failure !== undefined) seen.classes.add(failure)
            if (probe) seen.probes++
          }
          if (one.tried!.length > 3) seen.deep++
        }
      }),
      { numRuns: 1_500 }
    )
  })

  it("…where every class, every rejection, probes and long failovers have occurred", () => {
    assert.includeMembers([...seen.classes], [...failures, "cancelled"])
    assert.includeMembers([...seen.by], ["breaker", "deadline", "unknown-model", "ambiguous-model"])
    assert.includeMembers([...seen.endings], ["served", "failed", "refused"])
    assert.includeMembers([...seen.codes], ["model_not_found", "model_ambiguous", "not_today", "invalid_value", "upstream_timeout"])
    assert.isAbove(seen.probes, 10)
    assert.isAbove(seen.deep, 10)
  })
})

/** Breakers that learn, but let everything through. */
const silent = (breakers: Breakers): Breakers =>
  Object.assign(Object.create(Breakers.prototype) as Breakers, {
    admits: () => true,
    report: (identity: string, failure: FailureClass | undefined, now: number) => breakers.report(identity, failure, now)
  })

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
    assert.deepStrictEqual(one.tried, [
      { target: "a", commitBy: 1_000, startedAt: 0, failure: "server-error", committed: false, probe: true }
    ])
    assert.deepStrictEqual(one.refused, [
      { target: "a", by: "breaker" },
      { target: "b", by: "breaker" }
    ])
    assert.strictEqual(account(world.call(pipeline, {}, up)).ending, "served")
    assert.deepStrictEqual(
      account(world.call(pipeline, {}, up)).tried!.map(({ probe }) => probe),
      [false],
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

/** Services of a test, on the clock in scope, with what has been recorded and settled. */
const linked = Effect.fnUntraced(function* (
  to: StrategyEncoded,
  attempt: Attempt["Service"]["run"],
  more: { readonly keys?: Keys["Service"]; readonly ledger?: Ledger["Service"] } = {}
) {
  const records: Array<CallRecord> = []
  const ledger = { reserved: 0, settled: 0 }
  const counting = Layer.succeed(Ledger, {
    reserve: (call, target) => {
      const count = (held: Reservation | Refusal): Reservation | Refusal => {
        if (held._tag === "Reservation") ledger.reserved++
        return held
      }
      const held = more.ledger?.reserve(call, target) ?? Effect.succeed<Reservation>({ _tag: "Reservation", nanoDollars: 0 })
      // What is known at once stays known at once, as it is with a ledger in memory.
      return Exit.isExit(held) && Exit.isSuccess(held)
        ? Effect.succeed(count(held.value as Reservation | Refusal))
        : Effect.map(held, count)
    },
    settle: () => Effect.sync(() => void ledger.settled++),
    release: () => Effect.void
  })
  const layer = Layer.mergeAll(
    Layer.succeed(Attempt, { run: attempt }),
    Health.layer(),
    more.keys === undefined ? Keys.layerLocal : Layer.succeed(Keys, more.keys),
    counting,
    Recorder.layerOf((record) => void records.push(record))
  )
  return yield* Effect.provide(
    Effect.gen(function* () {
      const pipeline = yield* make(compiled(only(to)))
      return { pipeline, health: yield* Health, records, ledger }
    }),
    layer
  )
})

const outcome = (failure: FailureClass | undefined, committed: boolean): Outcome => ({
  failure: failure === undefined ? undefined : { class: failure, message: "as written" },
  committed,
  status: undefined,
  usage: undefined,
  firstTokenAt: undefined,
  losses: []
})

describe("exactly one record, and one settlement for each reservation", () => {
  const told = nobodyTold

  it.effect("of a call whose caller goes away during an attempt", () =>
    Effect.gen(function* () {
      const letGo = yield* Deferred.make<void>()
      const { health, ledger, pipeline, records } = yield* linked(first("a", "b"), () =>
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
      assert.deepStrictEqual(ledger, { reserved: 1, settled: 1 })
      assert.deepStrictEqual(health.open(3_000), [])
      assert.deepStrictEqual(reply.heads, [])
    })
  )

  it.effect("of a call whose caller goes away after the commit", () =>
    Effect.gen(function* () {
      const { pipeline, records } = yield* linked("a", (call) =>
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
      let held = true
      const { health, pipeline, records } = yield* linked("a", () => Effect.succeed(outcome(undefined, true)), {
        ledger: {
          reserve: () => (held ? Effect.never : Effect.succeed({ _tag: "Reservation", nanoDollars: 0 })),
          settle: () => Effect.void,
          release: () => Effect.void
        }
      })
      const { identity } = pipeline.compiled.targets.get("a")!
      for (let i = 0; i < 5; i++) health.report(identity, "bad", 0)
      yield* TestClock.adjust("10 seconds")
      const fiber = yield* Effect.forkChild(pipeline.run(incomingOf({}, told())), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(
        records.map(({ call, ending }) => [ending, call!.attempts.length]),
        [["cancelled", 0]]
      )
      held = false
      assert.isTrue(health.admits(identity, 10_000), "the next call may probe")
    })
  )

  it.effect("of a call that dies in its attempt", () =>
    Effect.gen(function* () {
      const { ledger, pipeline, records } = yield* linked(first("a", "b"), () => Effect.die(new Error("ours")))
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
      assert.deepStrictEqual(ledger, { reserved: 1, settled: 1 })
      // The defect itself is not swallowed.
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    })
  )

  it.effect("of a call whose attempt throws before it is an effect, and the probe's place is free again", () =>
    Effect.gen(function* () {
      const { health, ledger, pipeline, records } = yield* linked("a", () => {
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
      assert.deepStrictEqual(ledger, { reserved: 1, settled: 1 })
      yield* TestClock.adjust("1 hours")
      assert.isTrue(health.admits(identity, 3_610_000), "a later call may probe")
    })
  )

  it.effect("of a call that is turned away", () =>
    Effect.gen(function* () {
      const never = () => Effect.die(new Error("nothing is tried"))
      const stranger = yield* linked("a", never, { keys: { find: () => undefined } })
      const { pipeline, records } = yield* linked("a", never)
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
      const error = refuse("no_target_available", "the budget is spent")
      const { ledger, pipeline, records } = yield* linked(
        { _tag: "First", of: ["a", "b"], on: ["timeout"] },
        () => Effect.succeed(outcome(undefined, true)),
        {
          ledger: {
            reserve: (_, target) =>
              Effect.succeed(target.name === "a" ? { _tag: "Refusal", error } : { _tag: "Reservation", nanoDollars: 0 }),
            settle: () => Effect.void,
            release: () => Effect.void
          }
        }
      )
      yield* pipeline.run(incomingOf({}, told()))
      const [record] = records
      assert.strictEqual(records.length, 1)
      assert.deepStrictEqual(
        record!.call!.rejections.map(({ by, target }) => [target, by]),
        [["a", "budget"]]
      )
      assert.strictEqual(record!.served?.name, "b")
      assert.deepStrictEqual(ledger, { reserved: 1, settled: 1 })
    })
  )

  it.effect("of each of a thousand calls at once, a third of them given up", () =>
    Effect.gen(function* () {
      const { ledger, pipeline, records } = yield* linked(first(within("2 seconds", first("a", "b")), "c"), (_, target, { commitBy }) =>
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
      assert.strictEqual(ledger.reserved, ledger.settled)
    })
  )
})

describe("deadlines on a running clock", () => {
  it.effect("an attempt is given what is left, and the next one starts when it has failed", () =>
    Effect.gen(function* () {
      const starts: Array<readonly [string, number, number]> = []
      const { pipeline, records } = yield* linked(
        within("10 seconds", first("a", within("3 seconds", "b"), "c")),
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
