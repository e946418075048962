/** In which order a spread takes its members, over health as attempts have left it. What it means in a call is tested against the reference in `Pipeline.test.ts`. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import * as fc from "fast-check"
import type { Call } from "../../src/Call.ts"
import type { SendPlan } from "../../src/Compile.ts"
import { Health } from "../../src/Health.ts"
import { rankOver } from "../../src/pipeline/rank.ts"
import type { PolicyEncoded, SpreadBy } from "../../src/Policy.ts"
import { murmur3Bytes } from "../reference.ts"
import { compiled, only } from "../scripted.ts"

const targets = compiled({
  ...only("a"),
  providers: { openai: { dialect: "openai", keys: [{ env: "ONE" }, { env: "TWO" }] } },
  targets: Object.fromEntries(["a", "b", "c", "d", "e", "f"].map((name) => [name, { provider: "openai", model: name }]))
} as PolicyEncoded).targets

/** Six members with two credentials each, ranked for calls whose requests are so many bytes. */
const spread = (by: SpreadBy, size = 6, isFull: (name: string) => boolean = () => false) => {
  const health = Context.get(Effect.runSync(Effect.scoped(Layer.build(Health.layer()))), Health)
  const members = [...targets.values()].slice(0, size)
  const plans = members.map((target): SendPlan => ({ _tag: "Send", target, slot: -1, rules: [] }))
  const world = { now: 0, turn: 0 }
  const order = rankOver(
    by,
    plans,
    { turn: 0 },
    health,
    () => world.now,
    (target) => isFull(target.name)
  )
  const call = (id: string, bytes: number): Call =>
    ({ id, attempts: [], underway: [], parsed: { bytes: new Uint8Array(bytes) } }) as unknown as Call
  return {
    health,
    members,
    world,
    rank: (id = `call ${world.turn}`, bytes = 4_000): ReadonlyArray<number> => {
      world.turn++
      return order(call(id, bytes))
    },
    measured: (place: number, millis: number): void => {
      const gauge = health.begin(members[place]!.identity, 1_000)
      health.measure(gauge, millis, world.now)
      health.end(gauge, 1_000, "good", world.now)
    }
  }
}

const utf8 = new TextEncoder()

describe("rank", () => {
  it("by latency puts the better of two that are drawn first, and all others behind by score", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 9_999 }), { minLength: 2, maxLength: 6 }),
        fc.array(fc.string(), { minLength: 1, maxLength: 5 }),
        (times, ids) => {
          const { measured, rank } = spread("latency", times.length)
          for (const [place, millis] of times.entries()) measured(place, millis)
          const byScore = times.map((_, place) => place).sort((a, b) => times[a]! - times[b]!)
          for (const [turn, id] of ids.entries()) {
            const n = times.length
            const hash = murmur3Bytes(utf8.encode(id), turn)
            const one = hash % n
            const other = (one + 1 + (Math.floor(hash / n) % (n - 1))) % n
            assert.notStrictEqual(one, other)
            const first = byScore[Math.min(one, other)]!
            assert.deepStrictEqual(rank(id), [first, ...byScore.filter((place) => place !== first)])
          }
        }
      ),
      { numRuns: 300 }
    )
  })

  it("by latency draws every pair, so that the slowest is first for nobody and the quickest for a third", () => {
    const { measured, rank } = spread("latency")
    for (const place of [0, 1, 2, 3, 4, 5]) measured(place, 100 * (place + 1))
    const first = [0, 0, 0, 0, 0, 0]
    for (let i = 0; i < 6_000; i++) first[rank()[0]!]!++
    // Of fifteen pairs five have the quickest, four the second without it, and so on.
    for (const [place, pairs] of [5, 4, 3, 2, 1, 0].entries()) assert.closeTo(first[place]!, (6_000 * pairs) / 15, 200)
  })

  it("by latency takes the quickest of two, what nobody has measured before it, and what was slow again when it has been forgotten", () => {
    const { health, measured, members, rank, world } = spread("latency", 2)
    measured(0, 300)
    assert.deepStrictEqual(rank(), [1, 0])
    const measuring = health.begin(members[1]!.identity, 1_000)
    assert.deepStrictEqual(rank(), [0, 1], "by one call at a time")
    health.end(measuring, 1_000)
    measured(1, 4_000)
    assert.deepStrictEqual(rank(), [0, 1])
    for (; world.now < 120_000; world.now += 1_000) measured(0, 300)
    assert.deepStrictEqual(rank(), [1, 0])
  })

  it("by latency weighs what is under way by its tokens, and what fails", () => {
    const { health, measured, members, rank, world } = spread("latency", 2)
    measured(0, 300)
    measured(1, 320)
    assert.strictEqual(rank()[0], 0)
    const long = health.begin(members[0]!.identity, 30_000)
    const short = [1, 2, 3].map(() => health.begin(members[1]!.identity, 1_000))
    assert.strictEqual(rank()[0], 1)
    health.end(long, 30_000)
    for (const gauge of short) health.end(gauge, 1_000)
    assert.strictEqual(rank()[0], 0)
    health.end(health.begin(members[0]!.identity), undefined, "bad", world.now)
    assert.strictEqual(rank()[0], 1)
    world.now += 120_000
    assert.strictEqual(rank()[0], 0, "a healed member comes back")
  })

  it("by load counts tokens, not attempts", () => {
    const { health, members, rank } = spread("least-busy", 2)
    health.begin(members[0]!.identity, 30_000)
    for (let i = 0; i < 5; i++) health.begin(members[1]!.identity, 1_000)
    assert.deepStrictEqual(
      [rank(), rank()],
      [
        [1, 0],
        [1, 0]
      ]
    )
  })

  it("has a member out only where none of its credentials is let through, and draws among those that stand best", () => {
    for (const by of ["latency", "round-robin", "cost", "least-busy"] as const) {
      const { health, members, rank, world } = spread(by, 3)
      const [one, two] = members[0]!.accounts
      // Every member has the other one still.
      health.condemn(one.credential, 0)
      assert.isTrue(members.every((member) => health.isUp(member, 0)))
      health.pause(two!.identity, 60_000, 0)
      for (let i = 0; i < 20; i++) assert.strictEqual(rank().at(-1), 0)
      world.now = 60_000
      assert.isTrue(Array.from({ length: 20 }, () => rank()).some((order) => order.at(-1) !== 0))
    }
  })

  it("comes to a full member after those that have room, and before those that are out", () => {
    for (const by of ["latency", "round-robin", "cost", "least-busy"] as const) {
      const { health, members, rank } = spread(by, 4, (name) => name === "a")
      for (const { identity } of members[1]!.accounts) health.pause(identity, 60_000, 0)
      for (let i = 0; i < 20; i++) assert.deepStrictEqual(rank().slice(2), [0, 1])
    }
  })

  it("by cost leaves those without a price in the author's order", () => {
    const { rank } = spread("cost", 3)
    assert.strictEqual(targets.get("a")!.price, undefined)
    const priceless = rank("call", 0)
    assert.deepStrictEqual(priceless, [0, 1, 2])
  })
})
