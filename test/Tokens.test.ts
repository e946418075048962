/** Tokens under virtual time: when one is got, who waits for it, and what becomes of the old one. Who gives them is played here. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import type { Failure } from "../src/Failure.ts"
import type { Auth } from "../src/Policy.ts"
import * as Tokens from "../src/Tokens.ts"

const account: Auth = { google: { credentials: { env: "ACCOUNT" } } }
const other: Auth = { google: {} }
const refusal: Failure = { class: "auth", message: "no" }

/** What gives tokens: the n-th time it is asked, it does as the n-th says, and from then on as the last. */
const authority = (...plays: ReadonlyArray<Effect.Effect<Tokens.Granted, Failure>>) => {
  const asked: Array<string> = []
  const grant: Tokens.Grant = (auth) =>
    Effect.suspend(() => {
      asked.push(JSON.stringify(auth))
      return plays[asked.length - 1] ?? plays.at(-1)!
    })
  return { asked, layer: Tokens.layer(grant) }
}
let serial = 0
/** A new token, good for an hour. */
const fresh = Effect.sync((): Tokens.Granted => ({ token: `t${++serial}`, lifetimeMillis: 3_600_000 }))
const named = (token: string, lifetimeMillis = 3_600_000) => Effect.succeed<Tokens.Granted>({ token, lifetimeMillis })

/** A token, however it comes. */
const get = (source: Tokens.TokenSource, auth = account): Effect.Effect<string, Failure> => {
  const token = source.of(auth)
  return typeof token === "string" ? Effect.succeed(token) : token
}
/** What is there at once; undefined where it would have to be waited for. */
const atOnce = (source: Tokens.TokenSource, auth = account): string | undefined => {
  const token = source.of(auth)
  return typeof token === "string" ? token : undefined
}

describe("a token", () => {
  it.effect("is got once, and then there at once", () => {
    const { asked, layer } = authority(named("one"))
    return Effect.gen(function* () {
      const source = yield* Tokens.Tokens
      assert.isUndefined(atOnce(source))
      assert.deepStrictEqual(asked, [], "nothing is asked before somebody waits")
      assert.strictEqual(yield* get(source), "one")
      assert.strictEqual(atOnce(source), "one")
      // Another object that says the same is the same credential: a policy that was loaded again.
      assert.strictEqual(atOnce(source, structuredClone(account)), "one")
      assert.isUndefined(atOnce(source, other))
      assert.lengthOf(asked, 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("is got once for everybody who waits, and one who goes away takes it from nobody", () => {
    const gate = Deferred.makeUnsafe<void>()
    const { asked, layer } = authority(Effect.andThen(Deferred.await(gate), named("one")))
    return Effect.gen(function* () {
      const source = yield* Tokens.Tokens
      const waiting = yield* Effect.forEach(Array.from({ length: 50 }), () => Effect.forkChild(get(source)))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(waiting[0]!)
      yield* Fiber.interrupt(waiting[7]!)
      yield* Deferred.succeed(gate, undefined)
      const rest = waiting.filter((_, i) => i !== 0 && i !== 7)
      assert.deepStrictEqual(new Set(yield* Effect.forEach(rest, Fiber.join)), new Set(["one"]))
      assert.lengthOf(asked, 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("is got anew at four fifths of its time while the old one serves", () => {
    const gate = Deferred.makeUnsafe<void>()
    const { asked, layer } = authority(named("one"), Effect.andThen(Deferred.await(gate), named("two")))
    return Effect.gen(function* () {
      const source = yield* Tokens.Tokens
      yield* get(source)
      yield* TestClock.adjust("47 minutes")
      assert.lengthOf(asked, 1)
      yield* TestClock.adjust("1 minutes")
      assert.lengthOf(asked, 2)
      assert.strictEqual(atOnce(source), "one", "nobody waits for it")
      yield* Deferred.succeed(gate, undefined)
      yield* Effect.yieldNow
      yield* TestClock.adjust(1)
      assert.strictEqual(atOnce(source), "two")
      // And so on for as long as it is used.
      yield* TestClock.adjust("48 minutes")
      assert.lengthOf(asked, 3)
    }).pipe(Effect.provide(layer))
  })

  it.effect("is let go where nobody uses it", () => {
    const { asked, layer } = authority(named("one"), named("two"), named("three"))
    return Effect.gen(function* () {
      const source = yield* Tokens.Tokens
      yield* get(source)
      yield* TestClock.adjust("48 minutes")
      assert.lengthOf(asked, 2, "it was used when it was got")
      yield* TestClock.adjust("10 hours")
      assert.lengthOf(asked, 2, "the next was not")
      assert.isUndefined(atOnce(source))
      assert.strictEqual(yield* get(source), "three")
    }).pipe(Effect.provide(layer))
  })

  it.effect("is not sent in its last seconds", () => {
    const { layer } = authority(named("one"), Effect.fail(refusal))
    return Effect.gen(function* () {
      const source = yield* Tokens.Tokens
      yield* get(source)
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual(atOnce(source), "one")
      yield* TestClock.adjust("50 seconds")
      assert.isUndefined(atOnce(source))
    }).pipe(Effect.provide(layer))
  })

  it.effect("that is short-lived does not make a storm", () => {
    const { asked, layer } = authority(named("one", 4_000))
    return Effect.gen(function* () {
      const source = yield* Tokens.Tokens
      for (let second = 0; second < 60; second++) {
        yield* get(source)
        yield* TestClock.adjust("1 seconds")
      }
      assert.isAtMost(asked.length, 20)
    }).pipe(Effect.provide(layer))
  })
})

describe("a failure", () => {
  it.effect("in the background is silent while the old token is good, and tried again", () => {
    const { asked, layer } = authority(named("one"), Effect.fail(refusal), Effect.fail(refusal), named("two"))
    return Effect.gen(function* () {
      const source = yield* Tokens.Tokens
      yield* get(source)
      yield* TestClock.adjust("48 minutes")
      assert.lengthOf(asked, 2)
      assert.strictEqual(atOnce(source), "one")
      // At half of what is left, and half of that.
      yield* TestClock.adjust("6 minutes")
      assert.lengthOf(asked, 3)
      assert.strictEqual(atOnce(source), "one")
      yield* TestClock.adjust("3 minutes")
      assert.lengthOf(asked, 4)
      assert.strictEqual(atOnce(source), "two")
    }).pipe(Effect.provide(layer))
  })

  it.effect("is what a call hears once the old token has ended", () => {
    const { asked, layer } = authority(named("one"), Effect.fail(refusal))
    return Effect.gen(function* () {
      const source = yield* Tokens.Tokens
      yield* get(source)
      yield* TestClock.adjust("61 minutes")
      const background = asked.length
      assert.isAtLeast(background, 6)
      assert.isAtMost(background, 12, "tries grow denser towards the end, but stay few")
      assert.deepStrictEqual(yield* Effect.flip(get(source)), refusal)
      assert.lengthOf(asked, background + 1)
    }).pipe(Effect.provide(layer))
  })

  it.effect("stands for a second, so that not every call asks", () => {
    const { asked, layer } = authority(Effect.fail(refusal), Effect.fail(refusal), named("one"))
    return Effect.gen(function* () {
      const source = yield* Tokens.Tokens
      for (let i = 0; i < 100; i++) assert.deepStrictEqual(yield* Effect.flip(get(source)), refusal)
      assert.lengthOf(asked, 1)
      yield* TestClock.adjust("1 seconds")
      yield* Effect.flip(get(source))
      assert.lengthOf(asked, 2)
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(yield* get(source), "one")
    }).pipe(Effect.provide(layer))
  })

  it.effect("of one credential is not another's", () => {
    const layer = Tokens.layer((auth) => (auth.google?.credentials === undefined ? named("adc") : Effect.fail(refusal)))
    return Effect.gen(function* () {
      const source = yield* Tokens.Tokens
      assert.deepStrictEqual(yield* Effect.flip(get(source)), refusal)
      assert.strictEqual(yield* get(source, other), "adc")
    }).pipe(Effect.provide(layer))
  })

  it.effect("is what comes of an authority that hangs, after ten seconds, and it is asked again", () => {
    const { asked, layer } = authority(Effect.never, named("one"))
    return Effect.gen(function* () {
      const source = yield* Tokens.Tokens
      const first = yield* Effect.forkChild(Effect.flip(get(source)))
      const second = yield* Effect.forkChild(Effect.flip(get(source)))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* Fiber.join(first), { class: "timeout", message: "no token within 10 s" })
      assert.strictEqual((yield* Fiber.join(second)).class, "timeout")
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(yield* get(source), "one")
      assert.lengthOf(asked, 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("of a grant that throws ends all that wait for it, and the next asks again", () => {
    const { layer } = authority(Effect.die(new Error("broken")), named("one"))
    return Effect.gen(function* () {
      const source = yield* Tokens.Tokens
      const exit = yield* Effect.exit(get(source))
      assert.strictEqual(exit._tag, "Failure")
      assert.strictEqual(yield* get(source), "one")
    }).pipe(Effect.provide(layer))
  })
})

describe("a refused token", () => {
  it.effect("is dropped, once in ten seconds, and only while it is the one that is kept", () => {
    const { asked, layer } = authority(fresh)
    return Effect.gen(function* () {
      const source = yield* Tokens.Tokens
      const first = yield* get(source)
      source.refused(account, "another")
      assert.strictEqual(atOnce(source), first)
      source.refused(account, first)
      assert.isUndefined(atOnce(source))
      const second = yield* get(source)
      assert.notStrictEqual(second, first)
      // A late refusal of the first one says nothing of the second.
      source.refused(account, first)
      assert.strictEqual(atOnce(source), second)
      source.refused(account, second)
      assert.strictEqual(atOnce(source), second, "a provider that refuses everything is no reason to ask again and again")
      yield* TestClock.adjust("10 seconds")
      source.refused(account, second)
      assert.isUndefined(atOnce(source))
      assert.lengthOf(asked, 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("is not got anew in the background any more", () => {
    const { asked, layer } = authority(fresh)
    return Effect.gen(function* () {
      const source = yield* Tokens.Tokens
      source.refused(account, yield* get(source))
      yield* TestClock.adjust("50 minutes")
      assert.lengthOf(asked, 1)
    }).pipe(Effect.provide(layer))
  })
})

describe("a clock that jumps", () => {
  /** The clock of the test, with a wall that can be moved by itself, and a monotonic clock that can stand still. */
  const skewed = (skew: { wall: number; monotonic: number }) =>
    Layer.effect(
      Clock.Clock,
      Effect.map(Clock.Clock, (clock) =>
        Object.assign(Object.create(clock) as Clock.Clock, {
          currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + skew.wall,
          monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe() + BigInt(skew.monotonic) * 1_000_000n
        })
      )
    )

  for (const [what, by, good] of [
    ["a wall clock set back an hour keeps a good token, and no longer than it is good", { wall: -3_600_000, monotonic: 0 }, true],
    ["a wall clock set forward ten minutes keeps it", { wall: 600_000, monotonic: 0 }, true],
    [
      "a wall clock that is two hours on, as after a sleep in which the monotonic one stood still, costs a token",
      { wall: 7_200_000, monotonic: 0 },
      false
    ],
    [
      "a wall clock that is set back by just the two hours that have passed makes nothing young again",
      { wall: 0, monotonic: 7_200_000 },
      false
    ]
  ] as const)
    it.effect(what, () => {
      const skew = { wall: 0, monotonic: 0 }
      const { asked, layer } = authority(fresh)
      return Effect.gen(function* () {
        const source = yield* Tokens.Tokens
        const first = yield* get(source)
        Object.assign(skew, by)
        assert.strictEqual(atOnce(source), good ? first : undefined)
        yield* get(source)
        assert.lengthOf(asked, good ? 1 : 2)
        yield* TestClock.adjust("60 minutes")
        assert.notStrictEqual(atOnce(source), first)
      }).pipe(Effect.provide(Layer.provide(layer, skewed(skew))))
    })
})

describe("without a layer", () => {
  it.effect("there are no tokens, and that is a failure of the credential", () =>
    Effect.gen(function* () {
      const source = yield* Tokens.Tokens
      const failure = yield* Effect.flip(get(source))
      assert.strictEqual(failure.class, "auth")
      source.refused(account, "x")
    })
  )
})
