/** What limits and ends an attempt beside its provider: the time that it took to get what it needs first, and faults of our own. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Exchange from "../../src/Exchange.ts"
import { Fetch } from "../../src/Fetch.ts"
import { Health } from "../../src/Health.ts"
import { Keys } from "../../src/Keys.ts"
import { Ledger } from "../../src/Ledger.ts"
import { make } from "../../src/Pipeline.ts"
import type { PolicyEncoded } from "../../src/Policy.ts"
import { chatCompletions } from "../../src/providers/openai.ts"
import { type CallRecord, Recorder } from "../../src/Recorder.ts"
import { type Reply, silent } from "../../src/Reply.ts"
import { Slots } from "../../src/Slots.ts"
import { Tokens } from "../../src/Tokens.ts"
import { Upstream, type UpstreamSink } from "../../src/Upstream.ts"
import { chunk, completion, opening } from "../http/support.ts"
import { compiled } from "../scripted.ts"

const encoder = new TextEncoder()
const policyOf = (more: Pick<PolicyEncoded, "providers" | "targets" | "fetch">): PolicyEncoded => ({
  name: "test",
  timeouts: { total: "2 seconds" },
  ...more,
  routes: [{ name: "only", to: "a" }]
})
const own = policyOf({ providers: { one: { dialect: "openai" } }, targets: { a: { provider: "one", model: "m" } } })

/** A gateway whose tokens and images take 1.9 s, and whose provider is played by hand. */
const gateway = Effect.fnUntraced(function* (policy: PolicyEncoded) {
  const records: Array<CallRecord> = []
  const sinks: Array<UpstreamSink> = []
  const slowly = <A>(value: A): Effect.Effect<A> => Effect.as(Effect.sleep("1900 millis"), value)
  const outside = Layer.mergeAll(
    Layer.succeed(Upstream, {
      send: (_, sink) => (sinks.push(sink), { sent: true, abort: () => {}, pause: () => {}, resume: () => {} })
    }),
    Layer.succeed(Tokens, { of: () => slowly("token"), refused: () => {} }),
    Layer.succeed(Fetch, () => slowly({ mediaType: "image/png", data: "iVBORw0KGgo=" }))
  )
  const services = yield* Layer.build(
    Layer.mergeAll(
      Layer.provide(Exchange.layer({ secretOf: () => "key", maxAnswerBytes: 1_000_000 }), outside),
      Health.layer(),
      Slots.layer,
      Keys.layerNames,
      Ledger.layerMemory,
      Recorder.layerOf((record) => void records.push(record))
    )
  )
  const pipeline = yield* Effect.provideContext(make(compiled(policy)), services)
  const call = (content: unknown, reply: Reply = silent(), stream = false) => {
    const body = encoder.encode(JSON.stringify({ model: "any", stream, messages: [{ role: "user", content }] }))
    const parse = () => chatCompletions.parse(body, () => null)
    return Effect.forkChild(pipeline.run({ id: `call-${sinks.length}`, api: chatCompletions, secret: undefined, reply, parse }), {
      startImmediately: true
    })
  }
  return { call, records, sinks }
})

describe("the beginning of an attempt", () => {
  const image = [{ type: "image_url", image_url: { url: "https://images.example/a.png" } }]
  // Takes no addresses of images.
  const targets = { a: { provider: "g", model: "gemini-1.5-pro" } }
  const vertex: PolicyEncoded["providers"] = { g: { dialect: "vertex", project: "acme", region: "us-central1" } }
  const gemini: PolicyEncoded["providers"] = { g: { dialect: "gemini", key: { env: "K" } } }
  for (const [what, policy, content] of [
    ["a token", policyOf({ providers: vertex, targets }), "Which way?"],
    ["an image", policyOf({ providers: gemini, targets, fetch: { hosts: ["images.example"] } }), image]
  ] as const)
    it.effect(`is before ${what} was got for it: limits count from there`, () =>
      Effect.gen(function* () {
        const { call, records, sinks } = yield* gateway(policy)
        yield* call(content)
        yield* TestClock.adjust("1950 millis")
        assert.deepStrictEqual([sinks.length, records.length], [1, 0])
        yield* TestClock.adjust("60 millis")
        const [attempt] = records[0]!.call!.attempts
        assert.deepStrictEqual(
          [attempt?.failure, Math.round((attempt!.endedMillis - attempt!.startedMillis) / 100)],
          [{ class: "timeout", message: "the answer was not whole within 2 s" }, 20]
        )
      })
    )

  it.effect("is not spent on more images than a request may name", () =>
    Effect.gen(function* () {
      const { call, records, sinks } = yield* gateway(policyOf({ providers: gemini, targets, fetch: { hosts: ["images.example"] } }))
      const other = (_: unknown, i: number) => ({ type: "image_url", image_url: { url: `https://images.example/${i}.png` } })
      yield* call(Array.from({ length: 21 }, other))
      yield* TestClock.adjust("1 millis")
      assert.deepInclude(records[0]!.call!.attempts[0]!.failure, {
        class: "bad-request",
        message: "at most 20 images are fetched for a request, and this one names 21"
      })
      yield* call(Array.from({ length: 20 }, other))
      // Four at a time.
      yield* TestClock.adjust("1900 millis")
      assert.deepStrictEqual([records.length, sinks.length], [1, 0])
    })
  )
})

describe("a fault of our own", () => {
  const breaking = (what: "begin" | "write" | "end"): Reply => {
    const good = silent()
    const fault = (): never => {
      throw new Error("ours")
    }
    return {
      get begun() {
        return good.begun
      },
      begin: what === "begin" ? fault : good.begin,
      write: what === "write" ? fault : good.write,
      end: what === "end" ? fault : good.end,
      onDrain: good.onDrain
    }
  }
  for (const [what, stream] of [
    ["begin", false],
    ["begin", true],
    ["write", true],
    ["end", false]
  ] as const)
    it.effect(`in \`${what}\` of a ${stream ? "stream" : "whole answer"} ends its call at once, with a record, and no other`, () =>
      Effect.gen(function* () {
        const { call, records, sinks } = yield* gateway(own)
        yield* call("Which way?", breaking(what), stream)
        yield* call("And now?")
        const [sink, other] = sinks
        sink!.head(200, { "content-type": stream ? "text/event-stream" : "application/json" })
        sink!.data(encoder.encode(stream ? opening + chunk({ content: "Left" }) : JSON.stringify(completion("Left"))))
        sink!.end()
        yield* TestClock.adjust("20 millis")
        assert.deepStrictEqual(
          records.map(({ ending, error, id }) => [id, ending, error?.code]),
          [["call-0", "failed", "internal_error"]]
        )
        other!.head(200, { "content-type": "application/json" })
        other!.data(encoder.encode(JSON.stringify(completion("Right"))))
        other!.end()
        yield* TestClock.adjust("20 millis")
        assert.deepStrictEqual([records[1]?.id, records[1]?.ending], ["call-1", "served"])
      })
    )

  it.effect("at a deadline leaves the deadlines of others alone", () =>
    Effect.gen(function* () {
      const { call, records, sinks } = yield* gateway({ ...own, commit: "headers" })
      yield* call("Which way?", breaking("end"), true)
      yield* call("And now?", silent(), true)
      for (const sink of sinks) {
        sink.head(200, { "content-type": "text/event-stream" })
        sink.data(encoder.encode(opening))
      }
      yield* TestClock.adjust("2100 millis")
      assert.deepStrictEqual(records.map(({ error, id }) => [id, error?.code]).sort(), [
        ["call-0", "internal_error"],
        ["call-1", "upstream_timeout"]
      ])
    })
  )
})
