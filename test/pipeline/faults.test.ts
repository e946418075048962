/**
 * What holds of a call whatever goes wrong upstream, under time that moves only when something happens: fault scripts are generated, with callers who go away in the middle.
 *
 * `Pipeline.test.ts` says what a call comes to, attempt by attempt; here are the promises that its author relies on without working that out.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Attempted, Call } from "../../src/Call.ts"
import { mostAttempts } from "../../src/check/worst.ts"
import { worstCasesOf } from "../../src/Costs.ts"
import { type FailureClass, recoverableByDefault } from "../../src/Failure.ts"
import { type Policy, type PolicyEncoded, type StrategyEncoded, toMillis } from "../../src/Policy.ts"
import { busier, loosePolicy, play, policy, prices, requestTo, sized, slow } from "../generators.ts"
import type { FactValues, Play } from "../reference.ts"
import { balancesOf, callerOf, compiled, decoded, only, type Seen, surroundings } from "../scripted.ts"

const durations = ["1 millis", "250 millis", "1 seconds", "1.5 seconds", "60 seconds"] as const
const departures = [0, 1, 99, 100, 101, 250, 251, 499, 500, 1_000, 1_500, 10_500]

/** Each route of a policy with something else in the place of what it does. */
const rerouted = (policy: PolicyEncoded, to: (strategy: StrategyEncoded) => StrategyEncoded): PolicyEncoded => ({
  ...policy,
  routes: policy.routes.map((route) => ({ ...route, to: to(route.to) })) as unknown as PolicyEncoded["routes"]
})

/** The same without hedges, of which either side goes on whatever the other meets, and without failovers that name the classes that they go on after. */
const plainly = (policy: PolicyEncoded): PolicyEncoded =>
  JSON.parse(JSON.stringify(policy), (_, value: unknown) => {
    if (typeof value !== "object" || value === null || !("_tag" in value)) return value
    if (value._tag === "Hedge") {
      const { of, with: other } = value as unknown as Extract<StrategyEncoded, { readonly _tag: "Hedge" }>
      return { _tag: "First", of: [of, other] }
    }
    if (value._tag !== "First" && value._tag !== "Retry") return value
    const { on: __, ...rest } = value as unknown as Extract<StrategyEncoded, { readonly _tag: "First" }>
    return rest
  }) as PolicyEncoded

/** Six targets, one after the other. */
const inTurn = only({ _tag: "First", of: ["a", "b", "c", "d", "e", "f"] })

/** The same where some windows are known, none of them too small for what the gateway counts. */
const windowed = (policy: PolicyEncoded): PolicyEncoded => {
  const windows = [1e10, undefined, 2e10, 3e10]
  const targets = Object.entries(policy.targets).map(([name, spec], i) => {
    const { contextWindow: _, ...capabilities } = spec.capabilities ?? {}
    const window = windows[i % windows.length]
    return [name, { ...spec, capabilities: { ...capabilities, ...(window === undefined ? {} : { contextWindow: window }) } }]
  })
  return { ...policy, targets: Object.fromEntries(targets) as PolicyEncoded["targets"] }
}

/** More of what is too long for a model. */
const tooLong = (play: Play): Play =>
  play.commitsAfter === undefined && (play.failure === "overloaded" || play.failure === "malformed" || play.failure === "connection")
    ? { ...play, failure: "context-length" }
    : play

interface Life {
  readonly policy: PolicyEncoded
  readonly calls: ReadonlyArray<{
    readonly facts: FactValues
    readonly plays: ReadonlyArray<Play>
    readonly gap: number
    readonly goneAfter: number | undefined
  }>
}

/** Calls to a policy, one after the other; of some the caller goes away. */
const livesOf = (policies: fc.Arbitrary<PolicyEncoded>): fc.Arbitrary<Life> =>
  policies.chain((policy) =>
    fc.record({
      policy: fc.constant(policy),
      calls: fc.array(
        fc.record({
          facts: requestTo(policy).map(sized),
          plays: fc.array(fc.oneof({ weight: 3, arbitrary: play }, { weight: 1, arbitrary: slow }), { minLength: 1, maxLength: 6 }),
          gap: fc.constantFrom(0, 1, 10_000),
          goneAfter: fc.option(fc.constantFrom(...departures), { nil: undefined, freq: 3 })
        }),
        { minLength: 1, maxLength: 5 }
      )
    })
  )
const anything = fc.oneof(policy, loosePolicy, busier(loosePolicy))

type World = ReturnType<typeof surroundings> & {
  readonly policy: Policy
  readonly pipeline: Parameters<ReturnType<typeof surroundings>["call"]>[0]
}

/** Lives a life, and looks after each call at what it and its copies have come to. */
const live = (
  { calls, policy: encoded }: Life,
  look: (world: World, seen: Seen, call: Life["calls"][0], startedAt: number) => void
): World => {
  const around = surroundings()
  const world = { ...around, policy: decoded(encoded), pipeline: around.link(compiled(encoded, prices)) }
  for (const call of calls) {
    around.clock.millis += call.gap
    const startedAt = around.clock.millis
    look(
      world,
      around.call(world.pipeline, call.facts, (n) => call.plays[n % call.plays.length]!, call.goneAfter),
      call,
      startedAt
    )
  }
  return world
}

/** A call and its copies, of each of which the same holds. */
const coursesOf = ({ copies, records }: Seen): ReadonlyArray<Call> =>
  [records[0]!, ...copies.map(({ record }) => record)].map(({ call }) => call!)

const terminal: ReadonlySet<FailureClass | undefined> = new Set<FailureClass>(["bad-request", "content-filter", "context-length"])
const isDecisive = ({ committed, failure }: Attempted): boolean =>
  failure === undefined ||
  committed ||
  (!recoverableByDefault.includes(failure.class) && failure.class !== "cancelled" && failure.class !== "escalated")

describe("whatever goes wrong upstream", () => {
  const seen = {
    commits: 0,
    expired: 0,
    gone: 0,
    stopped: 0,
    rotated: 0,
    terminal: 0,
    roomier: 0,
    opened: 0,
    condemned: 0,
    causes: 0,
    copies: 0,
    full: 0
  }

  it("a call commits within its `within`, or has ended by then; an answer takes as long as it takes", { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(fc.constantFrom(...durations), livesOf(anything), (duration, life) => {
        const millis = toMillis(duration)
        const policy = rerouted(life.policy, (of) => ({ _tag: "Within", duration, of }))
        live({ ...life, policy }, (_, { endedAt, records, sent }, { plays }, startedAt) => {
          const [{ call }] = records as [(typeof records)[0]]
          for (const { commitBy } of sent) assert.isAtMost(commitBy, startedAt + millis)
          const answer = call!.attempts.find(({ committed }) => committed)
          if (answer === undefined) {
            assert.isAtMost(endedAt, startedAt + millis)
            if (call!.attempts.some(({ failure }) => failure?.class === "timeout")) seen.expired++
            return
          }
          seen.commits++
          const { commitsAfter, endsAfter } = plays[answer.number % plays.length]!
          assert.isBelow(answer.startedMillis + commitsAfter!, millis)
          // What comes after the commit is the answer's own time, and nothing is waited for beside it.
          assert.isAtMost(endedAt, startedAt + answer.startedMillis + endsAfter)
        })
      }),
      { numRuns: 700 }
    )
  })

  it("makes no more attempts than its effort and its strategy allow, however many credentials there are", { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(livesOf(anything), (life) => {
        live(life, (world, seenOf) => {
          for (const call of coursesOf(seenOf)) {
            const { to } = world.policy.routes[call.decision.route]!
            if (call.shadowOf === undefined) assert.isAtMost(call.begun, mostAttempts(world.policy, to))
            assert.isAtMost(call.begun, call.limits.attempts)
            if (call.begun === call.limits.attempts && call.begun > 1) seen.full++
            seen.rotated += call.attempts.filter(({ why }) => why === "credential").length
          }
          seen.copies += seenOf.copies.length
        })
      }),
      { numRuns: 700 }
    )
  })

  it("costs no more than `costs` says of its route", { timeout: 120_000 }, () => {
    let known = 0
    fc.assert(
      fc.property(livesOf(policy), (life) => {
        const bytes = 4_000
        const worst = worstCasesOf(decoded(life.policy), prices, bytes)
        const calls = life.calls.map((call) => ({
          ...call,
          facts: Object.fromEntries(
            Object.entries({
              ...call.facts,
              "request.inputTokens": bytes / 4,
              "request.messages": 1,
              "request.maxOutputTokens": null
            }).filter(([name]) => !name.startsWith("asks.") && !name.startsWith("request.needs."))
          ),
          // An answer that costs more than it can is booked in full, and counted as an overrun.
          plays: call.plays.map(({ usage: _usage, ...play }) => play)
        }))
        live({ ...life, calls }, (_, { records }) => {
          const { attempts, decision } = records[0]!.call!
          const most = worst[decision.route]!.nanoDollars
          if (most === "unknown" || attempts.some(({ nanoDollars }) => nanoDollars === undefined)) return
          if (attempts.length > 0) known++
          assert.isAtMost(
            attempts.reduce((sum, { nanoDollars }) => sum + nanoDollars!, 0),
            most
          )
        })
      }),
      { numRuns: 300 }
    )
    assert.isAbove(known, 5)
  })

  it("nothing is tried after what no other target would mend, nor after a commit", { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(
        livesOf(fc.oneof({ weight: 6, arbitrary: anything.map(plainly) }, { weight: 1, arbitrary: fc.constant(inTurn) }).map(windowed)),
        (life) => {
          const calls = life.calls.map((call) => ({ ...call, plays: call.plays.map(tooLong) }))
          live({ ...life, calls }, (_, seenOf) => {
            for (const { attempts } of coursesOf(seenOf)) {
              for (const [i, one] of attempts.entries()) {
                const after = attempts.slice(i + 1)
                const window = one.target.capabilities.contextWindow
                if (one.failure?.class === "context-length" && !one.committed && window !== undefined) {
                  // A request does not get shorter on its way.
                  for (const { target } of after) assert.isAbove(target.capabilities.contextWindow ?? 0, window)
                  seen.roomier += after.length
                } else if (isDecisive(one)) {
                  assert.deepStrictEqual(
                    after.map(({ target }) => target.name),
                    []
                  )
                  if (terminal.has(one.failure?.class)) seen.terminal++
                }
              }
            }
          })
        }
      ),
      { numRuns: 900 }
    )
  })

  it("the caller is told the first cause, never what was stopped or thrown away", { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(livesOf(anything), (life) => {
        live(life, (_, { records }, { goneAfter }) => {
          const { call, error, ending } = records[0]!
          const cause = call!.attempts.find(
            ({ failure }) => failure !== undefined && failure.class !== "cancelled" && failure.class !== "escalated"
          )
          if (
            ending !== "failed" ||
            goneAfter !== undefined ||
            cause === undefined ||
            error!.code === "not_today" ||
            error!.code === "model_retired"
          )
            return
          const cut = call!.attempts.find(({ committed }) => committed)
          const { failure, target } = cut ?? cause
          seen.causes++
          assert.strictEqual(error!.retryAfterMillis, failure!.retryAfterMillis)
          assert.isTrue(error!.message.includes(failure!.message))
          if (error!.kind === "upstream") assert.isTrue(error!.message.includes(`\`${target.name}\` failed (${failure!.class})`))
        })
      }),
      { numRuns: 500 }
    )
  })

  it(
    "what is spent is what the attempts were charged, and nothing is left behind, whenever the caller goes away",
    { timeout: 240_000 },
    () => {
      fc.assert(
        fc.property(livesOf(anything), (life) => {
          live(life, (world, seenOf, { facts }) => {
            const { clock, health, ledger, pipeline } = world
            const courses = coursesOf(seenOf)
            for (const { attempts, begun, underway } of courses) {
              assert.deepStrictEqual(underway, [])
              assert.strictEqual(attempts.length, begun)
              seen.stopped += attempts.filter(({ failure }) => failure?.class === "cancelled").length
            }
            if (seenOf.records[0]!.ending === "cancelled") seen.gone++
            for (const { reservedNanoDollars } of balancesOf(
              ledger,
              pipeline.compiled.budgets.of(callerOf(facts)),
              clock.currentTimeMillisUnsafe()
            ))
              assert.strictEqual(reservedNanoDollars, 0)
            for (const { identity } of pipeline.compiled.targets.values())
              assert.deepStrictEqual([health.busy(identity), health.load(identity)], [0, 0])
            assert.strictEqual(pipeline.copies(), 0)
            assert.deepStrictEqual(world.open(), { fibres: 0, alarms: 0, connections: 0 })
          })
        }),
        { numRuns: 900 }
      )
    }
  )

  it("no breaker stays open: within its longest cool-down it admits a probe, and a success closes it", { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(livesOf(anything), (life) => {
        // The same calls over and over, so that something breaks.
        const calls = Array.from({ length: 4 }, () => life.calls).flat()
        const { clock, health, pipeline } = live({ ...life, calls }, () => {})
        const accounts = [...pipeline.compiled.targets.values()].flatMap(({ accounts }) => accounts)
        const names = new Set(accounts.flatMap(({ credential, identity }) => [credential, identity]))
        const now = clock.millis
        for (const name of names) {
          const shut = health.shut(name, now)
          if (shut === undefined) continue
          seen[shut.dead ? "condemned" : "opened"]++
          const longest = shut.dead ? 900_000 : 300_000
          assert.isAtMost(shut.forMillis, longest)
          const ticket = health.admits(name, now + longest)
          assert.isDefined(ticket, name)
          health.report(name, "good", now + longest, ticket)
          assert.isUndefined(health.shut(name, now + longest))
        }
      }),
      { numRuns: 500 }
    )
  })

  it("…where all of that has occurred", () => {
    for (const [name, count] of Object.entries(seen)) assert.isAbove(count, 0, name)
  })
})
