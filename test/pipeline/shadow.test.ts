/**
 * What `shadow` copies, when, and that nobody notices: calls and their copies side by side in virtual time, where fibres are counted.
 *
 * The caller's side of a shadow is a law: with it, a call comes to what it comes to without.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, type Fiber, Layer, Logger, Result, Scope } from "effect"
import * as fc from "fast-check"
import { Attempt, type Outcome } from "../../src/Attempt.ts"
import { play as playCase, trace } from "../../src/cases/Play.ts"
import type { FailureClass } from "../../src/Failure.ts"
import { Health } from "../../src/Health.ts"
import { Keys } from "../../src/Keys.ts"
import { Ledger } from "../../src/Ledger.ts"
import { bucketOf } from "../../src/Murmur3.ts"
import * as Pipeline from "../../src/Pipeline.ts"
import { maxUnderway } from "../../src/pipeline/shadow.ts"
import type { PolicyEncoded, StrategyEncoded } from "../../src/Policy.ts"
import { type CallRecord, Recorder, toLine } from "../../src/Recorder.ts"
import { situate } from "../../src/Situation.ts"
import { Slots } from "../../src/Slots.ts"
import * as VirtualTime from "../../src/VirtualTime.ts"
import { requestTo, script, sized, strategyOver } from "../generators.ts"
import { type FactValues, type Play } from "../reference.ts"
import { attemptUnder } from "../reference/carry.ts"
import { compiled, incomingOf, nobodyTold, only, paid } from "../scripted.ts"
import { plainly, ran, compiled as sound, steady } from "../simulate/support.ts"

const shadow = (of: StrategyEncoded, copy: StrategyEncoded, sample = 100): StrategyEncoded => ({ _tag: "Shadow", of, copy, sample })
const first = (...of: ReadonlyArray<StrategyEncoded>): StrategyEncoded => ({ _tag: "First", of: of as [StrategyEncoded] })
const hedge = (of: StrategyEncoded, other: StrategyEncoded): StrategyEncoded => ({ _tag: "Hedge", of, after: "100 millis", with: other })
const retry = (of: StrategyEncoded): StrategyEncoded => ({
  _tag: "Retry",
  attempts: 3,
  backoff: { first: "1 seconds", longest: "3 seconds" },
  of
})

const fails = (failure: FailureClass, more: Partial<Play> = {}): Play => ({ failure, commitsAfter: undefined, endsAfter: 10, ...more })
const serves = (commitsAfter = 5, endsAfter = commitsAfter + 5): Play => ({ failure: undefined, commitsAfter, endsAfter })
const usage = { inputTokens: 0, cachedInputTokens: 0, cacheWriteInputTokens: 0, outputTokens: 400, reasoningTokens: 0 }

interface Sent {
  readonly id: string
  readonly target: string
  readonly at: number
}

interface WorldOptions {
  /** What an attempt meets: the `nth` of its call. */
  readonly plays: (copy: boolean, target: string, nth: number) => Play | "dies"
  readonly broken?: ReadonlyArray<string>
}

/** A pipeline under virtual time, and everything that it does. */
const world = (policy: PolicyEncoded, { broken = [], plays }: WorldOptions) => {
  const logged: Array<string> = []
  const logger = Logger.make<unknown, void>(({ message }) => void logged.push(String(message)))
  const time = VirtualTime.make(0, Context.make(Logger.CurrentLoggers, new Set([logger])))
  const millis = (): number => time.now() / 1_000
  const sent: Array<Sent> = []
  const begun = new Map<string, number>()
  const records: Array<CallRecord> = []
  const attempt = Layer.succeed(Attempt, {
    run: (call, target, { accepts, claim, commitBy }) =>
      Effect.callback<Outcome>((resume) => {
        const startedAt = millis()
        const nth = begun.get(call.id) ?? 0
        begun.set(call.id, nth + 1)
        sent.push({ id: call.id, target: target.name, at: startedAt })
        const written = plays(call.shadowOf !== undefined, target.name, nth)
        if (written === "dies") {
          resume(Effect.die(new Error("ours")))
          return
        }
        const { committed, committedAt, endedAt, expired, failure } = attemptUnder(written, startedAt, commitBy, accepts !== undefined)
        const outcome: Outcome = {
          failure:
            failure === undefined
              ? undefined
              : {
                  class: failure,
                  message: "as written",
                  ...(expired || written.retryAfterMillis === undefined ? {} : { retryAfterMillis: written.retryAfterMillis })
                },
          committed,
          status: committed ? 200 : undefined,
          usage: expired ? undefined : written.usage,
          firstTokenAt: committed && call.ask.stream ? committedAt : undefined,
          losses: [],
          unbilled: written.unbilled === true && !expired
        }
        const over = (): void => {
          if (committed) call.incoming.reply.end("answer")
          resume(Effect.succeed(outcome))
        }
        let timer =
          committedAt === undefined
            ? time.schedule(endedAt * 1_000, over)
            : time.schedule(committedAt * 1_000, () => {
                if (claim?.() === false) throw new Error("one that has lost is stopped")
                call.incoming.reply.begin(200, [])
                timer = time.schedule(endedAt * 1_000, over)
              })
        return Effect.sync(() => time.cancel(timer))
      })
  })
  const layer = Layer.mergeAll(
    attempt,
    Health.layer(),
    Slots.layer,
    Keys.layerNames,
    Ledger.layerMemory,
    Recorder.layerOf((record) => void records.push(record))
  )
  const built = time.fork(
    Effect.flatMap(Layer.buildWithScope(layer, Scope.makeUnsafe()), (context) =>
      Effect.map(
        Effect.andThen(Context.get(context, Ledger).open, Effect.provideContext(Pipeline.make(compiled(policy)), context)),
        (pipeline) => ({
          pipeline,
          health: Context.get(context, Health),
          ledger: Context.get(context, Ledger)
        })
      )
    )
  )
  time.run({ steps: 1_000, enough: () => built.pollUnsafe() !== undefined })
  const exit = built.pollUnsafe()
  if (exit?._tag !== "Success") throw new Error("nothing is linked")
  const { health, ledger, pipeline } = exit.value
  for (const name of broken)
    for (const { identity } of pipeline.compiled.targets.get(name)!.accounts) {
      time.schedule(0, () => {
        for (let i = 0; i < 20; i++) health.report(identity, "bad", 0)
      })
    }
  time.run({ steps: 100 })
  const fibres = time.unfinished()
  return {
    time,
    sent,
    records,
    logged,
    pipeline,
    /** Fibres of calls and copies that have not ended. */
    unfinished: () => time.unfinished() - fibres,
    balance: () => {
      const [binding] = pipeline.compiled.budgets.of({ key: "local", class: "local", team: null, organisation: null, tags: [] })
      return binding === undefined ? undefined : ledger.balance(binding, 0)
    },
    /** Begins a call. */
    call: (
      facts: FactValues = {},
      more: { readonly goneAfter?: number; readonly background?: (copy: Fiber.Fiber<unknown>) => void } = {}
    ) => {
      const told = nobodyTold()
      const background = more.background === undefined ? {} : { background: more.background }
      const fiber = time.fork(pipeline.run({ ...incomingOf(facts, told), ...background }))
      if (more.goneAfter !== undefined) time.schedule(time.now() + more.goneAfter * 1_000, () => fiber.interruptUnsafe())
      return told
    },
    run: () => {
      const stopped = time.run({ steps: 100_000 })
      assert.strictEqual(stopped, "idle")
      assert.strictEqual(time.unfinished() - fibres, 0)
      assert.strictEqual(pipeline.copies(), 0)
    }
  }
}

const always =
  (own: Play, copy: Play | "dies" = own): WorldOptions["plays"] =>
  (isCopy) =>
    isCopy ? copy : own

/** What the records of one call say: its own, and those of its copies. */
const parted = (records: ReadonlyArray<CallRecord>) => ({
  own: records.filter(({ call }) => call?.shadowOf === undefined),
  copies: records.filter(({ call }) => call?.shadowOf !== undefined)
})
const triedIn = ({ call }: CallRecord) => call!.attempts.map(({ failure, target }) => `${target.name} ${failure?.class ?? "served"}`)

describe("a copy", () => {
  it("is made of exactly the calls whose ids are drawn, the same every time", () => {
    const seen = [17, 100].map((sample) => {
      const { call, records, run } = world(only(shadow("a", "b", sample)), { plays: always(serves()) })
      const ids = Array.from({ length: 300 }, (_, i) => `request-${i}`)
      for (const id of ids) {
        call({ "request.id": id })
        run()
      }
      const drawn = ids.filter((id) => bucketOf("shadow only", id, 100) < sample)
      const { copies, own } = parted(records)
      assert.deepStrictEqual(
        copies.map(({ call, id }) => [call!.shadowOf, id]),
        drawn.map((id) => [id, `${id}.shadow`])
      )
      assert.strictEqual(own.length, 300)
      return drawn.length
    })
    assert.isAbove(seen[0]!, 30)
    assert.isBelow(seen[0]!, 75)
    assert.strictEqual(seen[1], 300)
  })

  it("begins in the moment after the answer has begun, and does not hold it up", () => {
    const { call, records, run, sent } = world(only(shadow(first("c", "a"), "b")), {
      plays: (isCopy, target) => (isCopy ? serves(50_000) : target === "c" ? fails("overloaded") : serves(20, 400))
    })
    const told = call()
    run()
    assert.deepStrictEqual(sent, [
      { id: "call-1", target: "c", at: 0 },
      { id: "call-1", target: "a", at: 10 },
      { id: "call-1.shadow", target: "b", at: 30 }
    ])
    const { copies, own } = parted(records)
    assert.deepStrictEqual([own[0]!.durationMillis, own[0]!.served?.name, told.ends], [410, "a", 1])
    // By a clock of its own.
    assert.deepInclude(copies[0]!.call!.attempts[0], { startedMillis: 0, endedMillis: 50_005 })
    assert.deepInclude(copies[0], { ending: "served", status: 200, durationMillis: 50_005 })
  })

  it("has a line of its own that names its call", () => {
    const { call, records, run } = world(only(shadow("a", "b")), { plays: always(serves()) })
    call({ "request.id": "one" })
    run()
    const lines = records.map((record) => JSON.parse(toLine(record)) as Record<string, unknown>)
    assert.deepStrictEqual(
      lines.map((line) => [line["id"], line["shadow_of"], line["target"], line["decision"]]),
      [
        ["one", undefined, "a", "only/shadow"],
        ["one.shadow", "one", "b", "only/shadow"]
      ]
    )
  })

  it("is paid from the same budget, and what was not billed is given back", () => {
    for (const [copy, spent] of [
      [serves(), 1_400_000],
      [{ ...serves(), usage }, 800_000],
      [fails("overloaded", { unbilled: true }), 400_000],
      [fails("timeout"), 1_400_000]
    ] as const) {
      const one = world(paid(shadow("a", "b")), { plays: always({ ...serves(), usage }, copy) })
      one.call()
      one.run()
      assert.deepInclude(one.balance(), { spentNanoDollars: spent, reservedNanoDollars: 0 })
    }
  })

  it("that its budget does not cover is refused, and its call is not", () => {
    const policy = paid(shadow("a", "b"), { budgets: { day: { per: "class", limit: { usd: 0.0015 }, every: "day" } } })
    const one = world(policy, { plays: always(serves()) })
    one.call()
    one.run()
    const { copies, own } = parted(one.records)
    assert.deepInclude(own[0], { ending: "served" })
    assert.deepInclude(copies[0], { ending: "refused", status: 402 })
    assert.deepStrictEqual(copies[0]!.error?.code, "budget_exhausted")
  })

  it("has an effort of its own", () => {
    const policy = only(shadow(first("a", "b"), first("c", "d")), { effort: { attempts: 2 } })
    const { call, records, run } = world(policy, {
      plays: (_, target) => (target === "b" || target === "d" ? serves() : fails("overloaded"))
    })
    call()
    run()
    assert.deepStrictEqual(records.map(triedIn), [
      ["a overloaded", "b served"],
      ["c overloaded", "d served"]
    ])
  })

  it("is kept from what guards forbid, and its call is not", () => {
    const policy = only(shadow("a", "b"), { guards: [{ name: "no-b", forbid: { targets: ["b"] } }] })
    const { call, records, run, sent } = world(policy, { plays: always(serves()) })
    call()
    run()
    const { copies, own } = parted(records)
    assert.deepStrictEqual([own[0]!.ending, copies[0]!.ending, copies[0]!.error!.code], ["served", "refused", "guard_forbids"])
    assert.strictEqual(sent.length, 1)
  })

  it("probes nothing that its breakers keep out", () => {
    const { call, records, run, sent } = world(only(shadow("a", "b")), { plays: always(serves()), broken: ["b"] })
    call()
    run()
    assert.deepStrictEqual([sent.length, parted(records).copies[0]!.error!.code], [1, "no_target_available"])
  })

  it("opens breakers like any call", () => {
    const one = world(only(shadow("a", "b")), { plays: always(serves(), fails("server-error")) })
    for (let i = 0; i < 8; i++) {
      one.call({ "request.id": `call-${i}` })
      one.run()
    }
    const { copies, own } = parted(one.records)
    assert.isTrue(own.every(({ ending }) => ending === "served"))
    assert.strictEqual(copies.at(-1)!.error!.code, "no_target_available")
  })

  it("may hedge, and the side that loses is stopped and charged once", () => {
    const one = world(paid(shadow("a", hedge("b", "c"))), { plays: (_, target) => (target === "b" ? serves(900) : serves(20)) })
    one.call()
    one.run()
    const [copy] = parted(one.records).copies
    assert.deepStrictEqual(triedIn(copy!), ["b cancelled", "c served"])
    assert.deepInclude(one.balance(), { spentNanoDollars: 3_000_000, reservedNanoDollars: 0 })
  })

  it("is not copied in turn", () => {
    const { call, records, run } = world(only(shadow("a", shadow("b", "c"))), { plays: always(serves()) })
    call()
    run()
    assert.deepStrictEqual(records.map(triedIn), [["a served"], ["b served"]])
  })

  it("in which something of ours throws is logged and recorded, and harms nobody", () => {
    const one = world(paid(shadow("a", "b")), { plays: always({ ...serves(), usage }, "dies") })
    one.call()
    one.run()
    const { copies, own } = parted(one.records)
    assert.deepStrictEqual([own[0]!.ending, copies[0]!.ending, copies[0]!.error!.code], ["served", "failed", "internal_error"])
    assert.deepStrictEqual(one.logged, ["call call-1.shadow failed inside the gateway"])
    assert.deepInclude(one.balance(), { spentNanoDollars: 1_400_000, reservedNanoDollars: 0 })
  })
})

describe("a call is copied once", () => {
  it("where it is retried: when its answer has begun", () => {
    const { call, records, run, sent } = world(only(retry(shadow("a", "b"))), {
      plays: (isCopy, _, nth) => (isCopy || nth === 2 ? serves() : fails("overloaded"))
    })
    call()
    run()
    const { copies, own } = parted(records)
    assert.deepStrictEqual([triedIn(own[0]!).length, copies.length], [3, 1])
    assert.strictEqual(sent.at(-1)!.at, sent[2]!.at + 5)
  })

  it("where another strategy answers it, or none: when it has ended", () => {
    for (const [to, b] of [
      [first(shadow("a", "c"), "b"), serves(5, 90)],
      [first(shadow("a", "c"), "b"), fails("overloaded", { endsAfter: 90 })]
    ] as const) {
      const { call, records, run, sent } = world(only(to), {
        plays: (isCopy, target) => (target === "b" ? b : isCopy ? serves() : fails("overloaded"))
      })
      call()
      run()
      assert.deepStrictEqual(parted(records).copies.map(triedIn), [["c served"]])
      assert.deepStrictEqual([sent.at(-1)!.target, sent.at(-1)!.at], ["c", 100])
    }
  })

  it("by each shadow that it comes to", () => {
    const { call, records, run } = world(only(shadow(shadow("a", "b"), "c")), { plays: always(serves()) })
    call()
    run()
    const { copies } = parted(records)
    assert.sameDeepMembers(
      copies.map((copy) => [copy.id, ...triedIn(copy)]),
      [
        ["call-1.shadow", "c served"],
        ["call-1.shadow2", "b served"]
      ]
    )
  })

  it("but not where it was refused before anything was sent", () => {
    const { call, records, run } = world(only(shadow("a", "b"), { guards: [{ name: "no-a", forbid: { targets: ["a"] } }] }), {
      plays: always(serves())
    })
    call()
    run()
    assert.deepStrictEqual([records.length, records[0]!.ending], [1, "refused"])
  })

  it("also where its caller leaves, before the answer or in the middle of it", () => {
    for (const goneAfter of [2, 50]) {
      const one = world(paid(shadow("a", "b")), { plays: always(serves(20, 400), { ...serves(1_000), usage }) })
      one.call({}, { goneAfter })
      one.run()
      const { copies, own } = parted(one.records)
      assert.deepStrictEqual([own[0]!.ending, copies[0]!.ending, copies[0]!.durationMillis], ["cancelled", "served", 1_005])
      assert.deepInclude(one.balance(), { spentNanoDollars: 1_400_000, reservedNanoDollars: 0 })
    }
  })
})

describe("copies under way", () => {
  it("are bounded: further ones are dropped with a record, and made again when there is room", () => {
    const { call, pipeline, records, run, time } = world(only(shadow("a", "b")), { plays: always(serves(), serves(10_000)) })
    for (let i = 0; i < maxUnderway + 6; i++) call({ "request.id": `call-${i}` })
    time.run({ enough: () => time.now() >= 1_000_000, steps: 3 * maxUnderway })
    assert.strictEqual(pipeline.copies(), maxUnderway)
    run()
    call({ "request.id": "later" })
    run()
    const { copies, own } = parted(records)
    assert.isTrue(own.every(({ ending }) => ending === "served"))
    assert.deepStrictEqual([own.length, copies.length], [maxUnderway + 7, maxUnderway + 7])
    const dropped = copies.filter(({ error }) => error?.code === "shadow_dropped")
    assert.deepStrictEqual(
      dropped.map(({ call, ending, status }) => [call!.shadowOf, call!.attempts.length, ending, status]),
      Array.from({ length: 6 }, (_, i) => [`call-${maxUnderway + i}`, 0, "refused", 503])
    )
    assert.deepInclude(copies.at(-1), { id: "later.shadow", ending: "served" })
  })

  it("are told to whoever stops them, at any moment, and are settled as estimated", () => {
    for (const at of [undefined, 6, 500, 5_000]) {
      const one = world(paid(shadow("a", "b")), { plays: always({ ...serves(), usage }, { ...serves(1_000, 9_000), usage }) })
      const told: Array<Fiber.Fiber<unknown>> = []
      one.call(
        {},
        {
          background: (copy) => {
            told.push(copy)
            if (at === undefined) copy.interruptUnsafe()
            else one.time.schedule(at * 1_000, () => copy.interruptUnsafe())
          }
        }
      )
      one.run()
      const { copies, own } = parted(one.records)
      assert.strictEqual(told.length, 1)
      assert.deepStrictEqual([own[0]!.ending, copies.length, copies[0]!.ending], ["served", 1, "cancelled"])
      assert.deepStrictEqual(
        copies[0]!.call!.attempts.map(({ estimated, failure, nanoDollars }) => [estimated, failure?.message, nanoDollars]),
        at === undefined ? [] : [[true, "the gateway has stopped", 1_000_000]]
      )
      assert.deepInclude(one.balance(), { spentNanoDollars: at === undefined ? 400_000 : 1_400_000, reservedNanoDollars: 0 })
    }
  })
})

/** The same without shadows. */
const bare = (strategy: StrategyEncoded): StrategyEncoded => {
  if (typeof strategy === "string") return strategy
  switch (strategy._tag) {
    case "Shadow":
      return bare(strategy.of)
    case "First":
      return { ...strategy, of: strategy.of.map(bare) as [StrategyEncoded] }
    case "Split":
      return { ...strategy, arms: strategy.arms.map((arm) => ({ ...arm, to: bare(arm.to) })) as never }
    case "When":
      return { ...strategy, then: bare(strategy.then), otherwise: bare(strategy.otherwise) }
    case "Hedge":
      return { ...strategy, of: bare(strategy.of), with: bare(strategy.with) }
    case "Escalate":
      return { ...strategy, of: bare(strategy.of), to: bare(strategy.to) }
    case "Within":
    case "Retry":
      return { ...strategy, of: bare(strategy.of) }
    default:
      return strategy
  }
}

describe("for the caller", () => {
  const names = [..."abcdef"]
  const facts = requestTo(only("a")).map(sized)

  it("a call comes to what it would without its shadows, and every copy has one record, nothing held and no fibre left", () => {
    const seen = { copies: 0, charged: 0, failed: 0, gone: 0 }
    fc.assert(
      fc.property(
        strategyOver(names),
        strategyOver(names),
        facts,
        script,
        script,
        fc.subarray(names),
        fc.option(fc.integer({ min: 0, max: 2_000 }), { nil: undefined }),
        (of, copy, facts, own, others, broken, goneAfter) => {
          const [shadowed, without] = [shadow(of, copy), bare(of)].map((to) => {
            const one = world(paid(to), {
              plays: (isCopy, _, nth) => (isCopy ? others[nth % others.length]! : own[nth % own.length]!),
              broken
            })
            const told = one.call(facts, goneAfter === undefined ? {} : { goneAfter })
            one.run()
            const { copies, own: calls } = parted(one.records)
            assert.strictEqual(calls.length, 1)
            const { call, durationMillis, ending, error, served, status } = calls[0]!
            const account = {
              tried: call?.attempts.map(({ account, target, ...attempted }) => ({
                ...attempted,
                account: account.identity,
                target: target.name
              })),
              refused: call?.rejections.map(({ by, error, target }) => ({ by, target, code: error.code })),
              told: [told.heads.map((head) => head.status), told.ends],
              durationMillis,
              ending,
              code: error?.code,
              served: served?.name,
              status
            }
            const charged = one.records.flatMap(({ call }) => call?.attempts ?? []).reduce((sum, { nanoDollars }) => sum + nanoDollars!, 0)
            assert.deepInclude(one.balance(), { spentNanoDollars: charged, reservedNanoDollars: 0 })
            assert.strictEqual(new Set(copies.map(({ id }) => id)).size, copies.length)
            for (const { call } of one.records) assert.deepStrictEqual(call?.underway, [])
            for (const { call } of one.records) assert.deepStrictEqual(call?.copies, [])
            return { account, copies }
          })
          assert.deepStrictEqual(shadowed!.account, without!.account)
          const wasSent = shadowed!.account.tried!.length > 0
          assert.strictEqual(shadowed!.copies.length > 0, wasSent)
          seen.copies += shadowed!.copies.length
          for (const { call, ending } of shadowed!.copies) {
            if (call!.attempts.some(({ nanoDollars }) => nanoDollars! > 0)) seen.charged++
            if (ending === "failed") seen.failed++
          }
          if (shadowed!.account.ending === "cancelled") seen.gone++
        }
      ),
      { numRuns: 400 }
    )
    for (const [name, count] of Object.entries(seen)) assert.isAbove(count, 30, name)
  })
})

describe("the simulator and cases", () => {
  it("a simulation counts copies apart, charges them, and ends when they have", async () => {
    const traffic = () => steady(2_000, 300, { stream: true })
    const alone = await ran(sound(plainly("a")), traffic())
    const copied = await ran(sound(plainly(shadow("a", "b", 25))), traffic())
    assert.deepStrictEqual(copied.total, alone.total)
    assert.isUndefined(alone.copies)
    const copies = copied.copies!.measured
    assert.isAbove(copies.calls, 400)
    assert.isBelow(copies.calls, 600)
    assert.strictEqual(copies.calls, copies.served + copies.failed)
    const [a, b] = ["a", "b"].map((name) => copied.targets.find(({ target }) => target === name)!.measured)
    assert.strictEqual(b!.attempts, copies.attempts)
    assert.strictEqual(a!.attempts, copied.total.measured.attempts)
    assert.strictEqual(a!.nanoDollars + b!.nanoDollars, copied.total.measured.nanoDollars + copies.nanoDollars)
  })

  it("a simulation waits for a copy that begins when the last call has ended, and its budget pays for both", async () => {
    const { targets, ...rest } = plainly(shadow("a", first("c", "b")))
    const policy = sound({
      ...rest,
      targets: Object.fromEntries(Object.entries(targets).map(([name, spec]) => [name, { ...spec, maxOutputTokens: 1_000 }])),
      budgets: { day: { per: "class", limit: { usd: 10 }, every: "day" } },
      classes: { local: { may: [..."abc"], within: ["day"] } }
    })
    const { budgets, copies, total } = await ran(policy, steady(1, 1_000, { stream: false }), {
      model: { events: [{ from: "0 seconds", providers: ["c"], outage: "server-error" }] }
    })
    assert.deepInclude(copies!.measured, { calls: 1, served: 1, attempts: 2, failovers: 1 })
    assert.strictEqual(budgets[0]!.measured.settledNanoDollars, total.measured.nanoDollars + copies!.measured.nanoDollars)
  })

  it("a case tells of the call alone, and its trace shows the copy", () => {
    const built = compiled(only(shadow("a", "b")))
    const situated = Result.getOrThrow(situate(built, { request: {} }))
    const seen = playCase(built, situated, { fails: { b: "overloaded" }, takes: { a: "1 seconds", b: "3 seconds" } })
    assert.deepStrictEqual([seen.tried, seen.served, seen.status], [["a"], "a", 200])
    assert.deepStrictEqual(
      seen.copies.map(({ call, ending }) => [call!.shadowOf, ending]),
      [["test", "failed"]]
    )
    const lines = trace(built, situated, seen)
    assert.deepStrictEqual(lines.slice(lines.indexOf("a copy, of which its caller sees nothing:")).slice(1, 3), [
      "  b: overloaded, from 0 ms to 3000 ms",
      `  failed, ${seen.copies[0]!.error!.code}: ${seen.copies[0]!.error!.message}`
    ])
  })
})
