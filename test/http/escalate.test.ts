/**
 * Cascades through the running gateway: every fact by every target's API, told to every caller's, whole and streamed; what is thrown away is paid for and never seen; and what becomes of deadlines,
 * readers that leave, and answers that cannot be read.
 */
import { assert, describe, it } from "@effect/vitest"
import type { ConditionJson, PolicyEncoded, StrategyEncoded } from "../../src/Policy.ts"
import { usd } from "../../src/Authoring.ts"
import type { DialectName } from "../../src/Dialect.ts"
import { dialects, spokenIn } from "../faults/dialects.ts"
import { answerFeatures, streamOf } from "../fixtures/answers.ts"
import { plain } from "../fixtures/features.ts"
import {
  asking,
  body,
  completion,
  dial,
  json,
  paced,
  policyOver,
  refusal,
  type Script,
  send,
  type StartedGateway,
  startGateway,
  startUpstream,
  stream,
  until
} from "./support.ts"

type Json = Readonly<Record<string, any>>

const left = "Left at the points. 🚦"
const better = "The better answer."

const answer = (name: string, dialect: DialectName): Json | string =>
  answerFeatures.find((feature) => feature.name === name)!.answers[dialect]

const fact = (name: string) => ({ var: `answer.${name}` })

const escalating = (of: StrategyEncoded, condition: ConditionJson, to: StrategyEncoded): StrategyEncoded => ({
  _tag: "Escalate",
  of,
  if: condition,
  to
})

interface Asked {
  /** What the cheaper target answers. */
  readonly says: (dialect: DialectName) => Json
  /** What it shows of that to a caller. */
  readonly shows: RegExp
  /** A condition that holds of it, and the nearest that does not. */
  readonly holds: ConditionJson
  readonly not: ConditionJson
}

const text = (dialect: DialectName): Json => answer("text", dialect) as Json

/** Each fact, by an answer that two neighbouring conditions tell apart. */
const asked: Readonly<Record<string, Asked>> = {
  stop: {
    says: (dialect) => answer("stop: the maximum", dialect) as Json,
    shows: /Left/,
    holds: { "===": [fact("stop"), "max-tokens"] },
    not: { "===": [fact("stop"), "end"] }
  },
  outputTokens: {
    says: text,
    shows: /Left/,
    holds: { and: [{ "!==": [fact("outputTokens"), null] }, { ">": [fact("outputTokens"), 8] }] },
    not: { or: [{ "===": [fact("outputTokens"), null] }, { ">": [fact("outputTokens"), 9] }] }
  },
  characters: {
    says: text,
    shows: /Left/,
    holds: { ">=": [fact("characters"), left.length] },
    not: { ">": [fact("characters"), left.length] }
  },
  toolCalls: {
    says: (dialect) => answer("parallel calls and their ids", dialect) as Json,
    shows: /weather/,
    holds: { "===": [fact("toolCalls"), 2] },
    not: { "!==": [fact("toolCalls"), 2] }
  },
  refused: {
    says: (dialect) => {
      const said = answer("refusal", dialect)
      return typeof said === "string" ? (answer("stop: a content filter", dialect) as Json) : said
    },
    shows: /I will| not\.|Left/,
    holds: fact("refused"),
    not: { "!": [fact("refused")] }
  },
  isJson: {
    says: (dialect) => JSON.parse(JSON.stringify(text(dialect)).replaceAll(JSON.stringify(left), JSON.stringify('{"way":"left"}'))) as Json,
    shows: /"way|way\\":/,
    holds: fact("isJson"),
    not: { "!": [fact("isJson")] }
  }
}

const providerOf: Readonly<Record<DialectName, string>> = {
  "chat.completions": "chat",
  responses: "responses",
  messages: "claude",
  generateContent: "gemini"
}

const isStreamed = (path: string, asked: Json): boolean => path.includes(":streamGenerateContent") || asked["stream"] === true

/** Speaks the API that it is asked in, as the model that it is asked for. */
const speaker: Script = (response, heard) => {
  const dialect = dialects.find((name) =>
    heard.path.includes({ "chat.completions": "/chat/", responses: "/responses", messages: "/messages", generateContent: "Content" }[name])
  )!
  const model = /models\/([^:]+):/.exec(heard.path)?.[1] ?? String(heard.json["model"])
  const said = model === "best" ? (JSON.parse(JSON.stringify(text(dialect)).replaceAll(left, better)) as Json) : asked[model]!.says(dialect)
  const script = isStreamed(heard.path, heard.json) ? stream([streamOf[dialect](said)]) : json(said)
  script(response, heard)
}

const price = { input: usd(1), output: usd(2) }

/** A cheaper target for each API and fact, a better one, and a cascade for each condition, by the model that is asked for. */
const everyFact = (origin: string): PolicyEncoded => {
  const key = { env: "ONE_KEY" }
  const cascades = dialects.flatMap((dialect) =>
    Object.entries(asked).flatMap(([name, { holds, not }]) =>
      Object.entries({ holds, not }).map(([which, condition]) => ({
        name: `${providerOf[dialect]}-${name}-${which}`,
        when: { "===": [{ var: "request.model" }, `${providerOf[dialect]}-${name}-${which}`] },
        to: escalating(`${providerOf[dialect]}-${name}`, condition, "best")
      }))
    )
  )
  return {
    name: "cascades",
    providers: {
      chat: { dialect: "openai", baseUrl: `${origin}/v1`, key, speaks: ["chat.completions"] },
      responses: { dialect: "openai", baseUrl: `${origin}/v1`, key, speaks: ["responses"] },
      claude: { dialect: "anthropic", baseUrl: `${origin}/v1`, key },
      gemini: { dialect: "gemini", baseUrl: `${origin}/v1beta`, key }
    },
    targets: {
      best: { provider: "chat", model: "best", price },
      ...Object.fromEntries(
        dialects.flatMap((dialect) =>
          Object.keys(asked).map((model) => [
            `${providerOf[dialect]}-${model}`,
            { provider: providerOf[dialect], model, price, maxOutputTokens: 4_000 }
          ])
        )
      )
    },
    routes: [cascades[0]!, ...cascades.slice(1), { name: "rest", to: "best" }]
  }
}

/** A call of one API for a model. */
const call = (gateway: StartedGateway, caller: DialectName, model: string, streams: boolean) => {
  const { model: _, ...request } = plain[caller] as Json
  if (caller === "generateContent") {
    const method = streams ? "streamGenerateContent?alt=sse" : "generateContent"
    return send(gateway, { path: `/v1beta/models/${model}:${method}`, body: JSON.stringify(request) })
  }
  const path = { "chat.completions": "/v1/chat/completions", responses: "/v1/responses", messages: "/v1/messages" }[caller]
  return send(gateway, { path, body: JSON.stringify({ ...request, model, ...(streams ? { stream: true } : {}) }) })
}

describe("every fact", () => {
  for (const target of dialects) {
    for (const streams of [false, true]) {
      it(`of an answer ${streams ? "streamed" : "whole"} by ${target}, whoever calls`, { timeout: 60_000 }, async () => {
        const { origin } = await startUpstream(speaker)
        const gateway = await startGateway(everyFact(origin))
        let n = 0
        for (const [name, { shows }] of Object.entries(asked)) {
          for (const caller of dialects) {
            const cheap = `${providerOf[target]}-${name}`
            const what = `${name} for ${caller}`
            const thrown = await call(gateway, caller, `${cheap}-holds`, streams)
            assert.strictEqual(thrown.status, 200, `${what}: ${thrown.body}`)
            assert.strictEqual(thrown.headers["x-turnout-target"], "best", what)
            const told = JSON.stringify(thrown.body.toString())
            assert.match(told, streams ? /r answer\./ : /The better answer\./, what)
            assert.notMatch(told.replaceAll(better, ""), /Left|points|weather|I will|\bway\b/, what)
            const line = await gateway.line(n++)
            assert.deepStrictEqual(
              line.attempts!.map(({ nano_dollars, outcome, output_tokens, target, why }) => [
                target,
                why,
                outcome,
                output_tokens,
                nano_dollars
              ]),
              [
                [cheap, "first", "escalated", 9, 38_000],
                ["best", "escalation", "served", 9, 38_000]
              ],
              what
            )

            const kept = await call(gateway, caller, `${cheap}-not`, streams)
            assert.strictEqual(kept.status, 200, `${what}: ${kept.body}`)
            assert.strictEqual(kept.headers["x-turnout-target"], cheap, what)
            assert.match(kept.body.toString(), shows, what)
            const { attempts } = await gateway.line(n++)
            assert.deepStrictEqual(
              attempts!.map(({ outcome, target, why }) => [target, why, outcome]),
              [[cheap, "first", "served"]],
              what
            )
          }
        }
      })
    }
  }
})

const isCut: ConditionJson = { "===": [fact("stop"), "max-tokens"] }
const isSmall: ConditionJson = { "<": [fact("characters"), 10] }

const short = completion("Left", {}, "length")
const good = completion(better)
const chatSpoken = spokenIn("chat.completions")

const outcomes = ({ attempts }: Awaited<ReturnType<StartedGateway["line"]>>) =>
  attempts!.map(({ outcome, target }) => `${target} ${outcome}`)

const twoOver = async (one: Script, two: Script, to: StrategyEncoded, more: Partial<PolicyEncoded> = {}) => {
  const [first, second] = [await startUpstream(one), await startUpstream(two)]
  return { first, second, gateway: await startGateway(policyOver({ one: first, two: second }, to, more)) }
}

describe("what becomes of the call", () => {
  it("an answer that will do goes on byte for byte, whole and streamed, and however its route commits", async () => {
    const { first, gateway, second } = await twoOver(json(good), json(good), escalating("one", isCut, "two"), { commit: "headers" })
    const whole = await send(gateway, { body: asking() })
    assert.strictEqual(whole.body.toString(), JSON.stringify(good))
    first.plays(stream(chatSpoken.events))
    const streamed = await send(gateway, { body: asking({ stream: true, stream_options: { include_usage: true } }) })
    assert.strictEqual(streamed.body.toString(), chatSpoken.streamed)
    assert.match(streamed.headers["content-type"]!, /event-stream/)
    assert.lengthOf(second.heard, 0)
    assert.isUndefined((await gateway.line(1)).attempts![0]!.message)
  })

  it("a chain of three pays for each and shows the last", async () => {
    const upstreams = {
      one: await startUpstream(json(short)),
      two: await startUpstream(json(completion("Shor", {}, "stop"))),
      three: await startUpstream(json(good))
    }
    const policy = policyOver(upstreams, escalating("one", isCut, escalating("two", isSmall, "three")))
    const price = { input: usd(1), output: usd(2) }
    const targets = Object.fromEntries(Object.entries(policy.targets).map(([name, target]) => [name, { ...target, price }]))
    const gateway = await startGateway(
      { ...policy, targets },
      { secrets: { ONE_KEY: "a".repeat(9), TWO_KEY: "b".repeat(9), THREE_KEY: "c".repeat(9) } }
    )
    const answered = await send(gateway, { body: asking() })
    assert.strictEqual(answered.json["choices"][0].message.content, better)
    const line = await gateway.line(0)
    assert.deepStrictEqual(
      line.attempts!.map(({ nano_dollars, outcome, target, why }) => [target, outcome, why, nano_dollars]),
      // 11 tokens of input, of which nothing is cheaper by this price, and 7 of output.
      [
        ["one", "escalated", "first", 25_000],
        ["two", "escalated", "escalation", 25_000],
        ["three", "served", "escalation", 25_000]
      ]
    )
    assert.deepStrictEqual([line.ending, line.target, line.status], ["served", "three", 200])
  })

  it("where what it is escalated to fails, its failure is the answer", async () => {
    const { gateway } = await twoOver(json(short), refusal(503, { message: "no room" }), escalating("one", isCut, "two"))
    const answered = await send(gateway, { body: asking() })
    assert.strictEqual(answered.status, 503)
    assert.include(answered.body.toString(), "no room")
    assert.notInclude(answered.body.toString(), "Left")
    assert.deepStrictEqual(outcomes(await gateway.line(0)), ["one escalated", "two overloaded"])
  })

  it("where what it is escalated to is kept out, the answer in hand is handed on", async () => {
    const { gateway } = await twoOver(json(short), refusal(429, {}, { "retry-after": "5" }), escalating("one", isCut, "two"))
    await send(gateway, { body: asking() })
    const answered = await send(gateway, { body: asking() })
    assert.deepStrictEqual(outcomes(await gateway.line(1)), ["one served"])
    assert.strictEqual(answered.status, 200)
    assert.include(answered.body.toString(), "Left")
  })

  it("a `deny` says in its own words that no answer was good enough", async () => {
    const deny: StrategyEncoded = { _tag: "Deny", status: 422, code: "no_good_answer", message: "nothing was good enough" }
    const { first, gateway } = await twoOver(json(short), json(good), escalating("one", isCut, deny))
    const answered = await send(gateway, { body: asking() })
    assert.deepStrictEqual([answered.status, answered.json["error"].code], [422, "no_good_answer"])
    assert.lengthOf(first.heard, 1)
    assert.deepStrictEqual(outcomes(await gateway.line(0)), ["one escalated"])
  })

  it("a failure that another target may mend goes on as a failover, and one that none may does not", async () => {
    const { first, gateway, second } = await twoOver(refusal(500, {}), json(good), escalating("one", isCut, "two"))
    assert.strictEqual((await send(gateway, { body: asking() })).json["choices"][0].message.content, better)
    assert.deepStrictEqual(
      (await gateway.line(0)).attempts!.map(({ why }) => why),
      ["first", "failover"]
    )
    first.plays(refusal(400, { code: "content_filter", message: "filtered" }))
    assert.strictEqual((await send(gateway, { body: asking() })).status, 400)
    assert.lengthOf(second.heard, 1)
  })

  it("usage settles what was reserved, for what is thrown away too", async () => {
    const price = { input: usd(1), output: usd(2) }
    const { gateway } = await twoOver(json(short), json(good), escalating("one", isCut, "two"), {
      targets: {
        one: { provider: "one", model: "gpt-one", price, maxOutputTokens: 1_000 },
        two: { provider: "two", model: "gpt-two", price, maxOutputTokens: 1_000 }
      },
      budgets: { day: { per: "class", limit: usd(1), every: "day" } },
      classes: { local: { may: ["one", "two"], within: ["day"] } }
    })
    await send(gateway, { body: asking() })
    const { attempts } = await gateway.line(0)
    assert.deepStrictEqual(
      attempts!.map(({ estimated, nano_dollars }) => [nano_dollars, estimated]),
      [
        [25_000, undefined],
        [25_000, undefined]
      ]
    )
    assert.isAbove(attempts![0]!.reserved_nano_dollars!, 2_000_000)
  })

  it("a thrown-away answer is no fault of its deployment, and leaves its connection to the next", async () => {
    const sockets = new Set<unknown>()
    const counting: Script = (response, heard) => {
      sockets.add(response.socket)
      const script = stream(chatSpoken.events.map((event) => event.replace('"finish_reason":"stop"', '"finish_reason":"length"')))
      script(response, heard)
    }
    const { first, gateway } = await twoOver(counting, stream(chatSpoken.events), escalating("one", isCut, "two"))
    for (let n = 0; n < 30; n++) {
      await send(gateway, { body: asking({ stream: true }) })
      assert.deepStrictEqual(outcomes(await gateway.line(n)), ["one escalated", "two served"])
    }
    assert.lengthOf(first.heard, 30)
    assert.isBelow(sockets.size, 5)
  })
})

describe("a stream that is held back", () => {
  it("shows nothing of itself, though its route commits with the head", async () => {
    const held = paced()
    const { gateway } = await twoOver(held.script, stream(chatSpoken.events), escalating("one", isCut, "two"), { commit: "headers" })
    const connection = await dial(gateway)
    const body = asking({ stream: true })
    connection.socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:${gateway.port}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
    )
    await held.began
    const events = chatSpoken.events.map((event) =>
      event.replace('"finish_reason":"stop"', '"finish_reason":"length"').replaceAll("Left ", "Wrong ")
    )
    for (const event of events.slice(0, -1)) held.write(event)
    assert.strictEqual(connection.text(), "")
    held.write(events.at(-1)!)
    held.end()
    await until(() => connection.text().includes("[DONE]"), "the answer")
    assert.notInclude(connection.text(), "Wrong")
    assert.strictEqual(connection.text().split("HTTP/1.1 200").length, 2)
    assert.deepStrictEqual(outcomes(await gateway.line(0)), ["one escalated", "two served"])
  })

  it("must be whole before the deadline, though its content has begun", async () => {
    const slow = paced()
    const within: StrategyEncoded = { _tag: "Within", duration: "5 seconds", of: "one" }
    const { first, gateway } = await twoOver(slow.script, stream(chatSpoken.events), escalating(within, isCut, "two"))
    const answered = send(gateway, { body: asking({ stream: true }) })
    await slow.began
    for (const event of chatSpoken.events.slice(0, 3)) slow.write(event)
    gateway.pass(6_000)
    assert.include((await answered).body.toString(), "[DONE]")
    assert.deepStrictEqual(
      (await gateway.line(0)).attempts!.map(({ committed, outcome, target, why }) => [target, outcome, why, committed]),
      [
        ["one", "timeout", "first", undefined],
        ["two", "served", "failover", undefined]
      ]
    )
    assert.isTrue(await until(() => first.heard[0]!.dropped, "the slow stream to be let go of"))
  })

  it("fails over where it is cut, stalls or cannot be read", async () => {
    const cutShort: Script = (response) => {
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.write(chatSpoken.events.slice(0, 3).join(""), () => response.socket?.end())
    }
    const { first, gateway } = await twoOver(cutShort, stream(chatSpoken.events), escalating("one", isCut, "two"), {
      timeouts: { idle: "5 seconds" }
    })
    assert.strictEqual((await send(gateway, { body: asking({ stream: true }) })).body.toString().includes("[DONE]"), true)
    assert.deepStrictEqual(outcomes(await gateway.line(0)), ["one stream-cut", "two served"])

    const stalled = paced()
    first.plays(stalled.script)
    const answered = send(gateway, { body: asking({ stream: true }) })
    await stalled.began
    stalled.write(chatSpoken.events[1]!)
    // What is still on its way when time passes is no stall.
    await until(() => (gateway.pass(6_000), gateway.lines[1]), "the stalled stream to be given up")
    assert.include((await answered).body.toString(), "[DONE]")
    assert.deepStrictEqual(outcomes(gateway.lines[1]!), ["one timeout", "two served"])
  })

  it("is malformed where it cannot be read, though it could be forwarded", async () => {
    const { events } = spokenIn("messages")
    const first = await startUpstream(stream(events.map((event) => event.replace(',"text":"Left "', ""))))
    const second = await startUpstream(stream(events))
    const upstreams = {
      one: { baseUrl: first.baseUrl, dialect: "anthropic" as const },
      two: { baseUrl: second.baseUrl, dialect: "anthropic" as const }
    }
    const request = { path: "/v1/messages", body: JSON.stringify({ ...plain["messages"], stream: true }) }
    const lenient = await startGateway(policyOver(upstreams, "one"))
    assert.strictEqual((await send(lenient, request)).headers["x-turnout-target"], "one")
    const gateway = await startGateway(policyOver(upstreams, escalating("one", isCut, "two")))
    assert.strictEqual((await send(gateway, request)).body.toString(), events.join(""))
    assert.deepStrictEqual(outcomes(await gateway.line(0)), ["one malformed", "two served"])
  })

  it("is let go of when its reader leaves", async () => {
    const held = paced()
    const { first, gateway, second } = await twoOver(held.script, stream(chatSpoken.events), escalating("one", isCut, "two"))
    const connection = await dial(gateway)
    const body = asking({ stream: true })
    connection.socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:${gateway.port}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
    )
    await held.began
    held.write(chatSpoken.events[1]!)
    connection.socket.destroy()
    const line = await gateway.line(0)
    assert.deepStrictEqual([line.ending, outcomes(line)], ["cancelled", ["one cancelled"]])
    assert.isTrue(await until(() => first.heard[0]!.dropped, "the stream to be let go of"))
    assert.lengthOf(second.heard, 0)
  })

  it("is no larger than an answer may be", async () => {
    const events = spokenIn("chat.completions", 2_000).events
    const first = await startUpstream(stream(events))
    const second = await startUpstream(stream(chatSpoken.events))
    const gateway = await startGateway(policyOver({ one: first, two: second }, escalating("one", isCut, "two")), { maxAnswerBytes: 10_000 })
    assert.include((await send(gateway, { body: asking({ stream: true }) })).body.toString(), "[DONE]")
    assert.deepStrictEqual(outcomes(await gateway.line(0)), ["one malformed", "two served"])
  })
})

describe("beside other strategies", () => {
  it("in a hedge the other side answers while a cascade is still thinking, and is not asked what it wants", async () => {
    const held = paced()
    const upstreams = {
      one: await startUpstream(held.script),
      two: await startUpstream(json(short)),
      three: await startUpstream(stream(chatSpoken.events))
    }
    const gateway = await startGateway(
      policyOver(upstreams, { _tag: "Hedge", of: escalating("one", isSmall, "two"), after: "20 millis", with: "three" }),
      { secrets: { ONE_KEY: "a".repeat(9), TWO_KEY: "b".repeat(9), THREE_KEY: "c".repeat(9) } }
    )
    const answered = await send(gateway, { body: asking({ stream: true }) })
    assert.strictEqual(answered.headers["x-turnout-target"], "three")
    assert.deepStrictEqual(outcomes(await gateway.line(0)), ["one cancelled", "three served"])
    assert.lengthOf(upstreams.two.heard, 0)
  })

  it("around a hedge both sides are judged, and the better of two late answers is the one that will do", async () => {
    const held = paced()
    const upstreams = {
      one: await startUpstream(held.script),
      two: await startUpstream(stream(chatSpoken.events)),
      three: await startUpstream(json(good))
    }
    const hedge: StrategyEncoded = { _tag: "Hedge", of: "one", after: "20 millis", with: "two" }
    const gateway = await startGateway(policyOver(upstreams, escalating(hedge, isSmall, "three")), {
      secrets: { ONE_KEY: "a".repeat(9), TWO_KEY: "b".repeat(9), THREE_KEY: "c".repeat(9) }
    })
    const answered = await send(gateway, { body: asking({ stream: true }) })
    assert.strictEqual(answered.headers["x-turnout-target"], "two")
    assert.deepStrictEqual(outcomes(await gateway.line(0)), ["one cancelled", "two served"])
    assert.lengthOf(upstreams.three.heard, 0)
  })

  it("embeddings and counts are no answers: nothing is held against them", async () => {
    const vectors: Script = json({
      object: "list",
      model: "m",
      data: [{ object: "embedding", index: 0, embedding: [0.5] }],
      usage: { prompt_tokens: 1, total_tokens: 1 }
    })
    const { gateway, second } = await twoOver(vectors, vectors, escalating("one", { ">=": [fact("characters"), 0] }, "two"))
    const answered = await send(gateway, { path: "/v1/embeddings", body: JSON.stringify({ model: "any", input: "Left" }) })
    assert.deepStrictEqual([answered.status, answered.headers["x-turnout-target"]], [200, "one"])
    assert.lengthOf(second.heard, 0)
  })

  it("a whole answer that cannot be read fails over, though it could be forwarded", async () => {
    const { first, gateway } = await twoOver(json({ choices: [], usage: null }), json(good), escalating("one", isCut, "two"))
    assert.strictEqual((await send(gateway, { body: asking() })).json["choices"][0].message.content, better)
    assert.deepStrictEqual(outcomes(await gateway.line(0)), ["one malformed", "two served"])
    first.plays(body("{"))
    assert.strictEqual((await send(gateway, { body: asking() })).json["choices"][0].message.content, better)
    assert.deepStrictEqual(outcomes(await gateway.line(1)), ["one malformed", "two served"])
  })
})
