/** A policy that is exchanged again and again under calls that come without a pause, streams and whole answers: none is dropped, and each has one line. */
import { setTimeout as sleep } from "node:timers/promises"
import { assert, it } from "@effect/vitest"
import type { PolicyEncoded, StrategyEncoded } from "../../src/Policy.ts"
import { collect, wordsOf } from "./client.ts"
import {
  asking,
  chunk,
  chunks,
  clientOf,
  completion,
  json,
  opening,
  policyOver,
  type Script,
  send,
  startGateway,
  startUpstream,
  until
} from "./support.ts"

/** Answers whole or in a stream, which takes a moment. */
const answering =
  (word: string): Script =>
  (response, heard) => {
    if (heard.json["stream"] !== true) return void setTimeout(() => json(completion(word))(response, heard), 5)
    const pieces = chunks(...Array.from({ length: 10 }, () => word))
    response.writeHead(200, { "content-type": "text/event-stream" })
    const next = (i: number): void => {
      if (i === pieces.length) return void response.end()
      response.write(pieces[i])
      setTimeout(next, 2, i + 1)
    }
    next(0)
  }

const strategies: ReadonlyArray<StrategyEncoded> = [
  "one",
  { _tag: "First", of: ["two", "one"] },
  { _tag: "Spread", by: "least-busy", of: ["one", "two"] },
  { _tag: "Hedge", of: "one", with: "two", after: "3 millis" },
  { _tag: "First", of: ["one", "two"] }
]

const capacities = [
  undefined,
  { inFlight: 2, queued: 100, wait: "20 seconds" },
  { inFlight: 20 },
  { inFlight: 1, queued: 100, wait: "20 seconds" }
] as const

it("a reload under load drops nothing", async () => {
  const [one, two] = [await startUpstream(answering("one ")), await startUpstream(answering("two "))]
  /** The `n`th policy: another strategy, another name of its route, another capacity. */
  const policyOf = (n: number): PolicyEncoded => {
    const base = policyOver({ one, two }, strategies[n % strategies.length]!)
    const capacity = capacities[n % capacities.length]
    const targets = Object.fromEntries(
      Object.entries(base.targets).map(([name, spec]) => [name, capacity === undefined ? spec : { ...spec, capacity }])
    )
    return { ...base, targets, routes: [{ name: `route-${n}`, to: strategies[n % strategies.length]! }] }
  }
  const gateway = await startGateway(policyOf(0), { drainMillis: 20_000 })
  const client = clientOf(gateway, 0)
  const messages = [{ role: "user" as const, content: "Which way?" }]
  const ended = new AbortController()
  let calls = 0
  const worker = async (n: number): Promise<void> => {
    while (!ended.signal.aborted) {
      calls++
      if ((calls + n) % 2 === 0) {
        const parts = await collect(await client.chat.completions.create({ model: "any", messages, stream: true }))
        assert.match(wordsOf(parts), /^(one |two ){10}$/)
        assert.strictEqual(
          parts.some(({ choices }) => choices[0]?.finish_reason === "stop"),
          true
        )
      } else {
        const answer = await send(gateway, { body: asking() })
        assert.strictEqual(answer.status, 200, answer.body.toString())
      }
    }
  }
  const workers = Promise.all(Array.from({ length: 8 }, (_, n) => worker(n)))
  const reloads = 24
  await until(() => gateway.lines.length > 0, "a call by the first policy")
  for (let n = 1; n <= reloads; n++) {
    await gateway.exchange(policyOf(n))
    // A call of each policy has come to its end, and others are under way when the next one comes.
    await until(() => gateway.lines.some(({ route }) => route === `route-${n}`), "a call by the new policy")
    await sleep(n % 3)
  }
  ended.abort()
  await workers
  await until(() => gateway.lines.length === calls, "the last line")
  assert.deepStrictEqual(
    gateway.lines.filter(({ ending }) => ending !== "served").map(({ error, message }) => [error, message]),
    []
  )
  assert.strictEqual(new Set(gateway.lines.map(({ id }) => id)).size, calls)
  assert.strictEqual(new Set(gateway.lines.map(({ route }) => route)).size, reloads + 1)
  assert.isTrue(gateway.lines.some(({ attempts }) => (attempts?.[0] as { queued_ms?: number } | undefined)?.queued_ms !== undefined))
}, 60_000)

it("a call keeps the policy that it began with, its waiting for a place included, and the new capacity lets it in at once", async () => {
  const parts: Array<() => void> = []
  const one = await startUpstream((response) => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.write(opening + chunk({ content: "Take" }))
    parts.push(() => void response.end(chunks(" the left").slice(1).join("")))
  })
  const policyOf = (name: string, inFlight: number): PolicyEncoded => {
    const base = policyOver({ one }, "one")
    const capacity = { inFlight, queued: 5, wait: "20 seconds" }
    return { ...base, targets: { one: { ...base.targets["one"]!, capacity } }, routes: [{ name, to: "one" }] }
  }
  const gateway = await startGateway(policyOf("before", 1))
  const first = send(gateway, { body: asking({ stream: true }) })
  await one.nth(0)
  const second = send(gateway, { body: asking({ stream: true }) })
  await send(gateway, { method: "GET", path: "/healthz" })
  assert.strictEqual(one.heard.length, 1)
  await gateway.exchange(policyOf("after", 2))
  await one.nth(1)
  await until(() => parts.length === 2, "both streams")
  for (const end of parts) end()
  for (const answer of [await first, await second]) {
    assert.strictEqual(answer.headers["x-turnout-route"], "before")
    assert.include(answer.body.toString(), "[DONE]")
  }
})
