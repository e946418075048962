/** The limits of a route through the running gateway: how long an attempt may take, and when its answer counts as begun, read by a real client. */
import { once } from "node:events"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import type { OpenAI } from "openai"
import type { PolicyEncoded } from "../../src/Policy.ts"
import { collect, raised, wordsOf } from "./client.ts"
import {
  afterwards,
  asking,
  body,
  chunk,
  chunks,
  claude,
  clientOf,
  closing,
  completion,
  cut,
  cutStream,
  done,
  event,
  json,
  messageEnd,
  messageStart,
  opening,
  openStream,
  paced,
  policyOver,
  refusal,
  type Script,
  send,
  silence,
  startGateway,
  startUpstream,
  stream,
  textBlock,
  until
} from "./support.ts"

const hello: Array<OpenAI.ChatCompletionMessageParam> = [{ role: "user", content: "Which way?" }]
const ask = { model: "any", messages: hello }
const streaming = { ...ask, stream: true } as const
const both = { _tag: "First", of: ["one", "two"] } as const
type Dialect = "openai" | "anthropic"

/** Words as the stream of a dialect. */
const spoken = (dialect: Dialect, ...words: ReadonlyArray<string>): ReadonlyArray<string> =>
  dialect === "openai" ? chunks(...words) : [messageStart, textBlock(0, ...words), messageEnd("end_turn")]

/** The beginning of such a stream, its first word included. */
const begunIn = (dialect: Dialect): string =>
  dialect === "openai"
    ? opening + chunk({ content: "Take the" })
    : messageStart +
      claude("content_block_start", { index: 0, content_block: { type: "text", text: "" } }) +
      claude("content_block_delta", { index: 0, delta: { type: "text_delta", text: "Take the" } })

/** A gateway whose one route tries `one`, then `two`, which answers in the caller's dialect. */
const pair = async (first: Script, more: Partial<PolicyEncoded>, dialect: Dialect = "openai") => {
  const second: Script = (response, heard) =>
    (heard.json["stream"] === true ? stream(chunks("from", " two")) : json(completion("from two")))(response, heard)
  const [one, two] = [await startUpstream(first), await startUpstream(second)]
  const gateway = await startGateway(policyOver({ one: { ...one, dialect }, two }, both, more))
  return { one, two, gateway, client: clientOf(gateway, 0) }
}

const outcomes = async (gateway: Awaited<ReturnType<typeof startGateway>>) =>
  (await gateway.line(0)).attempts?.map((attempt) => attempt.outcome)

describe("timeouts", () => {
  it("connect: a handshake that does not come about in time costs nothing, and lets go", async () => {
    // Takes the connection and never says its part of the handshake.
    const sockets: Array<Socket> = []
    const mute = createServer((socket) => {
      sockets.push(socket)
      socket.on("error", () => {})
      socket.resume()
    })
    mute.listen(0, "127.0.0.1")
    await once(mute, "listening")
    afterwards(() => {
      for (const socket of sockets) socket.destroy()
      mute.close()
    })
    const two = await startUpstream(json(completion("from two")))
    const baseUrl = `https://127.0.0.1:${(mute.address() as AddressInfo).port}/v1`
    const gateway = await startGateway(policyOver({ one: { baseUrl }, two }, both, { timeouts: { connect: "120 millis" } }))
    const began = performance.now()
    assert.strictEqual((await send(gateway, { body: asking() })).headers["x-turnout-target"], "two")
    const took = performance.now() - began
    assert.isAtLeast(took, 115)
    assert.isBelow(took, 3_000)
    const [first] = (await gateway.line(0)).attempts!
    assert.deepInclude(first, { outcome: "timeout", message: "no connection within 0.12 s", nano_dollars: 0 })
    await until(() => sockets.length > 0 && sockets.every((socket) => socket.closed), "the connection to be given up")
  })

  it("headers, as a route says for itself", async () => {
    const { gateway, one, two } = await pair(silence, { timeouts: { headers: "30 seconds" } })
    await gateway.exchange({
      ...policyOver({ one, two }, both, { timeouts: { headers: "30 seconds", idle: "20 seconds" } }),
      routes: [{ name: "only", timeouts: { headers: "100 millis" }, to: both }]
    })
    assert.strictEqual((await send(gateway, { body: asking() })).headers["x-turnout-target"], "two")
    assert.deepInclude((await gateway.line(0)).attempts?.[0], { outcome: "timeout", message: "no answer within 0.1 s" })
    await until(() => one.heard[0]?.dropped, "the silent provider's connection to be closed")
  })

  for (const dialect of ["openai", "anthropic"] as const) {
    it(`first token: a provider that is alive and says nothing is given up (${dialect})`, async () => {
      const open = paced()
      const { client, gateway } = await pair(open.script, { timeouts: { firstToken: "200 millis" } }, dialect)
      const answer = client.chat.completions.create(streaming)
      void answer.catch(() => {})
      await open.began
      open.write(dialect === "openai" ? opening : messageStart)
      const pinging = setInterval(() => open.write(dialect === "openai" ? ": ping\n\n" : claude("ping")), 20)
      afterwards(() => clearInterval(pinging))
      assert.strictEqual(wordsOf(await collect(await answer)), "from two")
      clearInterval(pinging)
      assert.deepStrictEqual(await outcomes(gateway), ["timeout", "served"])
      await until(open.dropped, "the provider's stream to be closed")
    })

    it(`first token: not of an answer that comes whole, nor of a stream that has begun (${dialect})`, async () => {
      const open = paced()
      const { client, gateway, one } = await pair(open.script, { timeouts: { firstToken: "4 seconds" } }, dialect)
      const answer = client.chat.completions.create(streaming)
      await open.began
      open.write(begunIn(dialect))
      const read = await answer
      gateway.pass(5_000)
      for (const rest of spoken(dialect, " left").slice(1)) open.write(rest)
      open.end()
      assert.strictEqual(wordsOf(await collect(read)), "Take the left")

      const late: Script = (response) => {
        gateway.pass(5_000)
        const text = dialect === "openai" ? completion("late") : { ...claudeMessage, content: [{ type: "text", text: "late" }] }
        json(text)(response, one.heard.at(-1)!)
      }
      one.plays(late)
      assert.strictEqual((await client.chat.completions.create(ask)).choices[0]?.message.content, "late")
    })

    it(`total: before the commit it fails over (${dialect})`, async () => {
      const { client, gateway } = await pair(silence, { timeouts: { total: "100 millis" } }, dialect)
      assert.strictEqual((await client.chat.completions.create(ask)).choices[0]?.message.content, "from two")
      assert.deepStrictEqual(await outcomes(gateway), ["timeout", "served"])
    })

    it(`total: after the commit the client raises, and nothing looks finished (${dialect})`, async () => {
      const open = paced()
      const { client, gateway, two } = await pair(open.script, { timeouts: { total: "5 seconds" } }, dialect)
      const answer = client.chat.completions.create(streaming)
      await open.began
      open.write(begunIn(dialect))
      const words: Array<string> = []
      const error = await raised(
        (async () => {
          for await (const { choices } of await answer) {
            words.push(choices[0]?.delta.content ?? "")
            if (words.at(-1) !== "") gateway.pass(5_000)
          }
        })()
      )
      assert.strictEqual(words.join(""), "Take the")
      assert.strictEqual(error.code, "upstream_timeout")
      assert.match(error.message, /not whole within 5 s/)
      assert.deepInclude(await gateway.line(0), { ending: "failed", status: 200, error: "upstream_timeout" })
      assert.deepInclude((await gateway.line(0)).attempts?.[0], { outcome: "timeout", committed: true })
      assert.strictEqual(two.heard.length, 0)
      await until(open.dropped, "the provider's stream to be closed")
    })
  }

  it("total: each attempt has its own", async () => {
    const [one, two] = [await startUpstream(silence), await startUpstream(silence)]
    const gateway = await startGateway(policyOver({ one, two }, both, { timeouts: { total: "100 millis" } }))
    const began = performance.now()
    assert.strictEqual((await send(gateway, { body: asking() })).status, 504)
    assert.isAtLeast(performance.now() - began, 195)
    assert.deepStrictEqual(await outcomes(gateway), ["timeout", "timeout"])
  })
})

const claudeMessage = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-sonnet-4-5-20250929",
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { input_tokens: 10, output_tokens: 6 }
}

describe("commit: headers", () => {
  const policy = { commit: "headers" } as const

  for (const dialect of ["openai", "anthropic"] as const) {
    it(`the caller has its head as soon as the provider has sent its own, and what keeps the stream alive (${dialect})`, async () => {
      const open = paced()
      const { gateway } = await pair(open.script, policy, dialect)
      const response = await openStream(gateway, asking({ stream: true }))
      assert.strictEqual(response.statusCode, 200)
      assert.strictEqual(response.headers["content-type"], "text/event-stream; charset=utf-8")
      assert.strictEqual(response.headers["x-turnout-target"], "one")
      let text = ""
      response.on("data", (part) => (text += String(part)))
      open.write(dialect === "openai" ? ": ping\n\n" : claude("ping"))
      await until(() => text !== "", "a sign of life")
      assert.match(text, /^: \w+\n\n$/)
      for (const piece of spoken(dialect, "Take", " the left")) open.write(piece)
      open.end()
      await until(() => text.endsWith("data: [DONE]\n\n"), "the end of the stream")
      assert.strictEqual((await gateway.line(0)).ending, "served")
    })

    it(`a client reads it, and its first token is the provider's (${dialect})`, async () => {
      const open = paced()
      const { client, gateway } = await pair(open.script, policy, dialect)
      // Gives the stream as soon as there are headers.
      const answer = await client.chat.completions.create(streaming)
      gateway.pass(2_000)
      for (const piece of spoken(dialect, "Take", " the left")) open.write(piece)
      open.end()
      assert.strictEqual(wordsOf(await collect(answer)), "Take the left")
      assert.isAtLeast((await gateway.line(0)).attempts?.[0]?.first_token_ms ?? 0, 2_000)
    })

    it(`from then on a failure ends the stream, although there has been no content (${dialect})`, async () => {
      const open = paced()
      const { client, gateway, two } = await pair(open.script, policy, dialect)
      const answer = await client.chat.completions.create(streaming)
      open.cut()
      const error = await raised(collect(answer))
      assert.strictEqual(error.code, "upstream_stream_cut")
      assert.deepInclude((await gateway.line(0)).attempts?.[0], { outcome: "stream-cut", committed: true })
      assert.strictEqual(two.heard.length, 0)
    })

    it(`so does a limit of time (${dialect})`, async () => {
      const open = paced()
      const { client, gateway } = await pair(open.script, { ...policy, timeouts: { firstToken: "5 seconds" } }, dialect)
      const answer = await client.chat.completions.create(streaming)
      gateway.pass(5_000)
      const error = await raised(collect(answer))
      assert.strictEqual(error.code, "upstream_timeout")
      assert.deepInclude((await gateway.line(0)).attempts?.[0], { outcome: "timeout", committed: true, message: "no content within 5 s" })
    })

    it(`before the head everything fails over as ever (${dialect})`, async () => {
      const { client, gateway } = await pair(refusal(503, { code: "engine_overloaded" }), policy, dialect)
      assert.strictEqual(wordsOf(await collect(await client.chat.completions.create(streaming))), "from two")
      assert.strictEqual((await outcomes(gateway))?.[1], "served")
    })
  }

  it("an error inside a 200 that is no stream fails over, and so does a whole answer that breaks", async () => {
    const { client, gateway, one } = await pair(json({ error: { message: "busy", type: "server_error" } }), policy)
    assert.strictEqual(wordsOf(await collect(await client.chat.completions.create(streaming))), "from two")
    assert.deepStrictEqual(await outcomes(gateway), ["server-error", "served"])
    one.plays(cut('{"id":"chatcmpl-1",'))
    assert.strictEqual((await client.chat.completions.create(ask)).choices[0]?.message.content, "from two")
  })
})

describe("commit: whole", () => {
  const policy = { commit: "whole" } as const

  for (const dialect of ["openai", "anthropic"] as const) {
    const begun = begunIn(dialect)
    const overloaded =
      dialect === "openai"
        ? event({ error: { message: "busy", type: "server_error", code: "engine_overloaded" } })
        : claude("error", { error: { type: "overloaded_error", message: "Overloaded" } })
    const breaks: ReadonlyArray<readonly [name: string, script: Script, outcome: string]> = [
      ["a cut after its content", cutStream(begun), "stream-cut"],
      ["an error event after its content", stream([begun, overloaded]), "overloaded"],
      ["an end without its marker", stream([begun]), "stream-cut"],
      ["everything but its marker", stream(spoken(dialect, "Take").slice(0, -1)), "stream-cut"],
      ["a broken event", stream([begun, "event: message_delta\ndata: {\n\n"]), "malformed"]
    ]
    for (const [name, script, outcome] of breaks) {
      it(`${name} fails over, and the caller never notices (${dialect})`, async () => {
        const { client, gateway } = await pair(script, policy, dialect)
        const { data, response } = await client.chat.completions.create(streaming).withResponse()
        assert.strictEqual(wordsOf(await collect(data)), "from two")
        assert.strictEqual(response.headers.get("x-turnout-attempts"), "2")
        assert.deepStrictEqual(await outcomes(gateway), [outcome, "served"])
        assert.notProperty((await gateway.line(0)).attempts![0], "committed")
      })
    }

    it(`nothing leaves until all of it has come (${dialect})`, async () => {
      const open = paced()
      const { client, gateway } = await pair(open.script, policy, dialect)
      let headed = false
      const answer = client.chat.completions.create(streaming)
      void answer.then(() => (headed = true))
      await open.began
      const pieces = spoken(dialect, "Take", " the", " left")
      for (const piece of pieces.slice(0, -1)) open.write(piece)
      // A call of its own that has gone there and back is time enough for a head to arrive.
      await send(gateway, { path: "/healthz", method: "GET" })
      assert.isFalse(headed)
      open.write(pieces.at(-1)!)
      assert.strictEqual(wordsOf(await collect(await answer)), "Take the left")
      assert.deepStrictEqual(await outcomes(gateway), ["served"])
    })

    it(`the limits of time apply while it is held (${dialect})`, async () => {
      for (const timeouts of [{ idle: "100 millis" }, { total: "150 millis" }] as const) {
        const open = paced()
        const { client, gateway } = await pair(open.script, { ...policy, timeouts }, dialect)
        const answer = client.chat.completions.create(streaming)
        void answer.catch(() => {})
        await open.began
        open.write(begun)
        assert.strictEqual(wordsOf(await collect(await answer)), "from two")
        assert.deepStrictEqual(await outcomes(gateway), ["timeout", "served"])
      }
    })

    it(`one that is too large is not held (${dialect})`, async () => {
      const { one, two } = await pair(stream(spoken(dialect, ...Array.from({ length: 40 }, () => "x".repeat(1_000)))), policy, dialect)
      const gateway = await startGateway(policyOver({ one: { ...one, dialect }, two }, both, policy), { maxAnswerBytes: 16 * 1024 })
      assert.strictEqual(wordsOf(await collect(await clientOf(gateway, 0).chat.completions.create(streaming))), "from two")
      assert.deepStrictEqual(await outcomes(gateway), ["malformed", "served"])
    })
  }

  it("a forwarded stream keeps its bytes, and the usage that was not asked for stays out", async () => {
    const { gateway } = await pair(stream(chunks("Take", " the left")), policy)
    const answer = await send(gateway, { body: asking({ stream: true }) })
    assert.strictEqual(answer.body.toString(), opening + chunk({ content: "Take" }) + chunk({ content: " the left" }) + closing + done)
    assert.strictEqual((await gateway.line(0)).attempts?.[0]?.output_tokens, 7)
  })

  it("`within` bounds the time until all of it has come", async () => {
    const open = paced()
    const [one, two] = [await startUpstream(open.script), await startUpstream(stream(chunks("from two")))]
    const gateway = await startGateway(
      policyOver({ one, two }, { _tag: "First", of: [{ _tag: "Within", duration: "150 millis", of: "one" }, "two"] }, policy)
    )
    const answer = clientOf(gateway, 0).chat.completions.create(streaming)
    void answer.catch(() => {})
    await open.began
    open.write(begunIn("openai"))
    assert.strictEqual(wordsOf(await collect(await answer)), "from two")
  })

  it("an answer that is not streamed is none of it", async () => {
    const { client } = await pair(body(JSON.stringify(completion("from one"))), policy)
    assert.strictEqual((await client.chat.completions.create(ask)).choices[0]?.message.content, "from one")
  })
})

describe("a hedge", () => {
  const hedged = { _tag: "Hedge", of: "one", after: "30 millis", with: "two" } as const

  for (const dialect of ["openai", "anthropic"] as const) {
    it(`the first to commit is the answer, and the other is let go of (${dialect})`, async () => {
      const [slow, quick] = [paced(), paced()]
      const [one, two] = [await startUpstream(slow.script), await startUpstream(quick.script)]
      const gateway = await startGateway(policyOver({ one: { ...one, dialect }, two }, hedged))
      const answer = clientOf(gateway, 0).chat.completions.create(streaming).withResponse()
      void answer.catch(() => {})
      await slow.began
      slow.write(dialect === "openai" ? opening : messageStart)
      await quick.began
      quick.write(opening + chunk({ content: "from" }))
      const { data, response } = await answer
      assert.strictEqual(response.headers.get("x-turnout-target"), "two")
      // Both have begun.
      assert.strictEqual(response.headers.get("x-turnout-attempts"), "2")
      await until(slow.dropped, "the other provider's stream to be closed")
      quick.write(chunk({ content: " two" }) + closing + done)
      quick.end()
      assert.strictEqual(wordsOf(await collect(data)), "from two")
      const attempts = (await gateway.line(0)).attempts?.map(({ outcome, target }) => [target, outcome])
      assert.sameDeepMembers(attempts ?? [], [
        ["one", "cancelled"],
        ["two", "served"]
      ])
    })
  }

  it("whose answers are held whole: the first to be whole is the answer, whoever began first", async () => {
    const [slow, quick] = [paced(), paced()]
    const [one, two] = [await startUpstream(slow.script), await startUpstream(quick.script)]
    const gateway = await startGateway(policyOver({ one, two }, hedged, { commit: "whole" }))
    const answer = clientOf(gateway, 0).chat.completions.create(streaming)
    void answer.catch(() => {})
    await slow.began
    slow.write(opening + chunk({ content: "from one" }))
    await quick.began
    for (const piece of chunks("from two")) quick.write(piece)
    quick.end()
    assert.strictEqual(wordsOf(await collect(await answer)), "from two")
    await until(slow.dropped, "the other provider's stream to be closed")
  })
})
