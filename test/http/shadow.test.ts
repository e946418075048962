/** A shadow over real connections: the caller gets what it would without it, and the copy goes on by itself. */
import { assert, describe, it } from "@effect/vitest"
import type { StrategyEncoded } from "../../src/Policy.ts"
import {
  asking,
  chunk,
  chunks,
  clientOf,
  closing,
  completion,
  done,
  json,
  type Line,
  opening,
  openStream,
  paced,
  policyOver,
  refusal,
  type Script,
  send,
  silence,
  type StartedGateway,
  startGateway,
  type StartOptions,
  startUpstream,
  stream,
  until,
  usageChunk
} from "./support.ts"

interface ShadowLine extends Line {
  readonly shadow_of?: string
}

const shadow = (sample = 100): StrategyEncoded => ({ _tag: "Shadow", of: "one", copy: "two", sample })

const started = async (one: Script, two: Script, options: StartOptions = {}, to = shadow()) => {
  const upstreams = { one: await startUpstream(one), two: await startUpstream(two) }
  return { ...upstreams, gateway: await startGateway(policyOver(upstreams, to), options) }
}

const lineOf = (gateway: StartedGateway, isCopy: boolean): Promise<ShadowLine> =>
  until(
    () => (gateway.lines as ReadonlyArray<ShadowLine>).find(({ shadow_of: of }) => (of !== undefined) === isCopy),
    isCopy ? "the line of the copy" : "the line of the call"
  )

/** A whole answer on command. */
const held = () => {
  let answer: (() => void) | undefined
  const script: Script = (response, heard) => {
    answer = () => json(completion("from two"))(response, heard)
  }
  return { script, asked: () => until(() => answer, "the copy to be asked for"), answer: () => answer!() }
}

describe("a shadow whose copy is slow", () => {
  it("leaves a whole answer as it is, and has a line of its own", async () => {
    const two = held()
    const { gateway, two: copied } = await started(json(completion("from one")), two.script)
    const answer = await send(gateway, { body: asking(), headers: { "x-request-id": "mine" } })
    assert.deepStrictEqual([answer.status, answer.json["choices"][0].message.content], [200, "from one"])
    assert.deepInclude(answer.headers, { "x-request-id": "mine", "x-turnout-target": "one", "x-turnout-attempts": "1" })
    const own = await lineOf(gateway, false)
    assert.deepInclude(own, { id: "mine", ending: "served", target: "one" })
    await two.asked()
    assert.strictEqual(gateway.lines.length, 1)
    two.answer()
    const line = await lineOf(gateway, true)
    assert.deepInclude(line, { id: "mine.shadow", shadow_of: "mine", ending: "served", target: "two", route: "only" })
    assert.deepInclude(line.attempts![0], { target: "two", outcome: "served", input_tokens: 11, output_tokens: 7 })
    assert.strictEqual(copied.heard[0]!.json["messages"][0].content, "Which way?")
    assert.strictEqual(gateway.lines.length, 2)
  })

  it("leaves a stream as it is, before the copy has begun and after its caller has all", async () => {
    const [one, two] = [paced(), paced()]
    const { gateway, two: copied } = await started(one.script, two.script)
    const answer = clientOf(gateway, 0).chat.completions.create({ model: "any", messages: [{ role: "user", content: "?" }], stream: true })
    void answer.catch(() => {})
    await one.began
    assert.strictEqual(copied.heard.length, 0)
    one.write(opening + chunk({ content: "from one" }))
    await two.began
    two.write(opening + chunk({ content: "from two" }))
    one.write(closing + usageChunk + done)
    one.end()
    let words = ""
    for await (const part of await answer) words += part.choices[0]?.delta.content ?? ""
    assert.strictEqual(words, "from one")
    await lineOf(gateway, false)
    assert.isFalse(two.dropped())
    two.write(closing + usageChunk + done)
    two.end()
    assert.deepInclude(await lineOf(gateway, true), { ending: "served", target: "two", stream: true })
    assert.strictEqual(gateway.lines.length, 2)
  })

  it("goes on where its caller has left", async () => {
    const [one, two] = [paced(), paced()]
    const { gateway } = await started(one.script, two.script)
    const answer = openStream(gateway, asking({ stream: true }))
    await one.began
    one.write(opening + chunk({ content: "from one" }))
    const response = await answer
    await two.began
    response.destroy()
    assert.deepInclude(await lineOf(gateway, false), { ending: "cancelled" })
    assert.isFalse(two.dropped())
    two.write(opening + chunk({ content: "from two" }) + closing + usageChunk + done)
    two.end()
    assert.deepInclude(await lineOf(gateway, true), { ending: "served", target: "two" })
  })
})

describe("a shadow whose copy fails", () => {
  it("is none of its caller's business, nor of its caller's error rate", async () => {
    const { gateway } = await started(stream(chunks("from one")), refusal(500, {}))
    const answer = await send(gateway, { body: asking({ stream: true }) })
    assert.include(answer.body.toString(), "from one")
    assert.match(answer.body.toString(), /data: \[DONE\]\n\n$/)
    assert.deepInclude(await lineOf(gateway, true), { ending: "failed", error: "upstream_error" })
    const metrics = (await send(gateway, { method: "GET", path: "/metrics" })).body.toString()
    assert.match(metrics, /^turnout_shadow_attempts_total\{(?=.*outcome="server-error")(?=.*target="two").*\} \d+$/m)
    assert.match(metrics, /^turnout_shadow_calls_total\{[^}]*ending="failed"[^}]*\} \d+$/m)
    assert.notMatch(metrics, /^turnout_attempts_total\{[^}]*target="two"/m)
    assert.notMatch(metrics, /^turnout_errors_total\{[^}]*code="upstream_error"/m)
  })
})

describe("a gateway that stops", () => {
  it("waits for a copy under way", async () => {
    const two = held()
    const { gateway } = await started(json(completion("from one")), two.script, { drainMillis: 20_000 })
    await send(gateway, { body: asking() })
    await two.asked()
    let isStopped = false
    const stopped = gateway.stop().then(() => {
      isStopped = true
    })
    const isListening = (): Promise<boolean> =>
      send(gateway, { method: "GET", path: "/healthz" }).then(
        () => true,
        () => false
      )
    while (await isListening());
    assert.isFalse(isStopped)
    two.answer()
    await stopped
    assert.deepInclude(await lineOf(gateway, true), { ending: "served", target: "two" })
  })

  it("gives a copy up that takes longer, and says what has become of it", async () => {
    const { gateway, two } = await started(json(completion("from one")), silence, { drainMillis: 50 })
    await send(gateway, { body: asking() })
    await two.nth(0)
    await gateway.stop()
    const line = await lineOf(gateway, true)
    assert.deepInclude(line, { ending: "cancelled" })
    assert.deepInclude(line.attempts![0], { target: "two", outcome: "cancelled" })
    assert.strictEqual(gateway.lines.length, 2)
    await until(() => two.heard[0]!.dropped, "the copy's connection to be closed")
  })
})
