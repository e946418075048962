/** What a `send` sets of the request, as the provider gets it: patched into the caller's bytes, or said in the other dialect, and written down. */
import { assert, describe, it } from "@effect/vitest"
import { check } from "../../src/Check.ts"
import type { PolicyEncoded, Send, StrategyEncoded } from "../../src/Policy.ts"
import {
  asking,
  chunks,
  clientOf,
  completion,
  json,
  message,
  policyOver,
  refusal,
  type Script,
  secrets,
  send,
  startGateway,
  startUpstream,
  stream
} from "./support.ts"

type Set = NonNullable<Send["set"]>
type Dialect = "openai" | "anthropic"

const to = (target: string, set: Set): StrategyEncoded => ({ _tag: "Send", target, set })

const answering =
  (dialect: Dialect): Script =>
  (response, heard) =>
    (heard.json["stream"] === true
      ? stream(chunks("from one"))
      : json(dialect === "openai" ? completion("from one") : message([{ type: "text", text: "from one" }])))(response, heard)

/** A gateway that sends everything to one provider with `set`. */
const setting = async (set: Set, dialect: Dialect = "openai", more: Partial<PolicyEncoded> = {}) => {
  const one = await startUpstream(answering(dialect))
  const policy = policyOver({ one: { ...one, dialect } }, to("one", set), more)
  const gateway = await startGateway(policy)
  const changed = async (n = 0) => (await gateway.line(n)).attempts?.[0]?.changed
  return { one, gateway, changed }
}

describe("forwarded", () => {
  it("what the caller wrote is replaced where it stands, what is missing is added, and every other byte stays", async () => {
    const { changed, gateway, one } = await setting({ temperature: 0.25, reasoningEffort: "low", maxOutputTokens: 100 })
    const body = `{ "model":"any",
      "messages" : [{"role":"user","content":"caf\\u00e9 \\ud83d\\ude80"}], "temperature" :  1.70 ,
      "seed": 12345678901234567890, "max_completion_tokens":4e3, "x": {"temperature": 2, "big": 98765432109876543210} }`
    assert.strictEqual((await send(gateway, { body })).status, 200)
    assert.strictEqual(
      one.heard[0]!.body.toString(),
      body.replace('"any"', '"gpt-one"').replace("1.70 ,", "0.25 ,").replace("4e3", "100").replace(/ \}$/, ' ,"reasoning_effort":"low"}')
    )
    assert.deepStrictEqual(await changed(), ["temperature", "reasoning_effort", "max_completion_tokens"])
  })

  it("what the caller has said already, or fewer tokens, is left as it is", async () => {
    const { changed, gateway, one } = await setting({ temperature: 1, reasoningEffort: "high", maxOutputTokens: 100 })
    const body = '{"model":"gpt-one","messages":[],"temperature":1.0,"max_tokens":20,"max_completion_tokens":7e1,"reasoning_effort":"high"}'
    await send(gateway, { body })
    assert.strictEqual(one.heard[0]!.body.toString(), body)
    assert.strictEqual(await changed(), undefined)
    assert.notInclude(gateway.said(), "changed")
  })

  it("null is not said, and nothing that would contradict an effort stays beside it", async () => {
    const { changed, gateway, one } = await setting({ temperature: 0, reasoningEffort: "none", maxOutputTokens: 100 })
    await send(gateway, {
      body: asking({ temperature: null, max_tokens: null, reasoning: { effort: "high", max_tokens: 9_000, enabled: true, exclude: true } })
    })
    assert.deepInclude(one.heard[0]!.json, {
      temperature: 0,
      max_tokens: null,
      max_completion_tokens: 100,
      reasoning_effort: "none",
      reasoning: { exclude: true, effort: "none" }
    })
    assert.deepStrictEqual(await changed(), ["temperature", "reasoning_effort", "reasoning", "max_completion_tokens"])
  })

  it("both names of a maximum are capped, and a host of the older name gets that one", async () => {
    const { gateway, one } = await setting({ maxOutputTokens: 100 })
    await send(gateway, { body: asking({ max_tokens: 500, max_completion_tokens: 30 }) })
    assert.deepInclude(one.heard[0]!.json, { max_tokens: 100, max_completion_tokens: 30 })

    const older = await startUpstream(answering("openai"))
    const policy = policyOver({ one: older }, to("one", { maxOutputTokens: 100 }))
    const host = await startGateway({
      ...policy,
      providers: { one: { dialect: "mistral", baseUrl: older.baseUrl, key: { env: "ONE_KEY" } } }
    })
    await send(host, { body: asking() })
    await send(host, { body: asking({ max_completion_tokens: 500 }) })
    assert.strictEqual(older.heard[0]!.json["max_tokens"], 100)
    assert.deepInclude(older.heard[1]!.json, { max_tokens: 100, max_completion_tokens: 100 })
  })

  it("a target's own maximum caps only where a cap or a price is kept", async () => {
    const one = await startUpstream(answering("openai"))
    const policy = policyOver({ one }, "one")
    const targets = { one: { provider: "one", model: "gpt-one", maxOutputTokens: 50, price: { input: { usd: 1 }, output: { usd: 1 } } } }
    const gateway = await startGateway({ ...policy, targets })
    await send(gateway, { body: asking() })
    assert.notProperty(one.heard[0]!.json, "max_completion_tokens")
    await gateway.exchange({ ...policy, targets, effort: { dollars: { usd: 1 } } })
    await send(gateway, { body: asking() })
    assert.strictEqual(one.heard[1]!.json["max_completion_tokens"], 50)
    assert.deepStrictEqual((await gateway.line(1)).attempts?.[0]?.changed, ["max_completion_tokens"])
    // The smaller of the two.
    for (const [cap, most] of [
      [20, 20],
      [80, 50]
    ] as const) {
      await gateway.exchange({ ...policy, targets, routes: [{ name: "only", to: to("one", { maxOutputTokens: cap }) }] })
      await send(gateway, { body: asking({ max_completion_tokens: 60 }) })
      assert.strictEqual(one.heard.at(-1)!.json["max_completion_tokens"], most)
    }
  })

  it("a stream's request for usage is written down too, and only where it was not the caller's", async () => {
    const { changed, gateway, one } = await setting({ temperature: 0.5 })
    const client = clientOf(gateway, 0)
    const ask = { model: "any", messages: [{ role: "user" as const, content: "Which way?" }], stream: true as const }
    for await (const _ of await client.chat.completions.create(ask));
    for await (const _ of await client.chat.completions.create({ ...ask, stream_options: { include_usage: true } }));
    assert.deepStrictEqual(one.heard[0]!.json["stream_options"], { include_usage: true })
    assert.deepStrictEqual(await changed(0), ["temperature", "stream_options"])
    assert.deepStrictEqual(await changed(1), ["temperature"])
  })
})

describe("translated", () => {
  it("the conversation says what is set, and the caller's own is gone", async () => {
    const { changed, gateway, one } = await setting({ temperature: 0.25, maxOutputTokens: 100 }, "anthropic")
    const answer = await send(gateway, { body: asking({ temperature: 1.9, max_tokens: 5_000, seed: 1 }) })
    assert.deepInclude(one.heard[0]!.json, { model: "claude-sonnet-4-5", temperature: 0.25, max_tokens: 100 })
    // What was replaced is not lost.
    assert.strictEqual(answer.headers["x-turnout-loss"], "seed")
    assert.deepStrictEqual(await changed(), ["temperature", "max_tokens"])
  })

  it("a caller may ask for fewer tokens, and names a maximum it has not", async () => {
    const { changed, gateway, one } = await setting({ maxOutputTokens: 100 }, "anthropic")
    for (const more of [{ max_tokens: 20 }, { max_completion_tokens: 30 }, {}]) await send(gateway, { body: asking(more) })
    assert.deepStrictEqual(
      one.heard.map((heard) => heard.json["max_tokens"]),
      [20, 30, 100]
    )
    assert.deepStrictEqual([await changed(0), await changed(1), await changed(2)], [undefined, undefined, ["max_completion_tokens"]])
  })

  it("an effort is Claude's thinking, whatever the caller called its own", async () => {
    const { changed, gateway, one } = await setting({ reasoningEffort: "low", maxOutputTokens: 10_000 }, "anthropic")
    const answer = await send(gateway, { body: asking({ reasoning_effort: "ultra", reasoning: { effort: "high" } }) })
    assert.deepStrictEqual(one.heard[0]!.json["thinking"], { type: "enabled", budget_tokens: 2_000 })
    assert.strictEqual(answer.headers["x-turnout-loss"], undefined)
    assert.deepStrictEqual(await changed(), ["reasoning_effort", "reasoning", "max_completion_tokens"])
  })

  it("what Claude cannot be told of it is a loss like any other", async () => {
    const { gateway, one } = await setting({ temperature: 1.5 }, "anthropic")
    const answer = await send(gateway, { body: asking() })
    assert.strictEqual(one.heard[0]!.json["temperature"], 1)
    assert.strictEqual(answer.headers["x-turnout-loss"], "temperature")
  })
})

describe("where it goes", () => {
  for (const dialect of ["openai", "anthropic"] as const) {
    it(`a deployment is what the request names, by a send or by its target (${dialect})`, async () => {
      const one = await startUpstream(answering(dialect))
      const model = dialect === "openai" ? "gpt-4o" : "claude-opus-4-7"
      const policy = {
        ...policyOver({ one: { ...one, dialect } }, { _tag: "Asked" }),
        targets: {
          plain: { provider: "one", model },
          named: { provider: "one", model, deployment: "ours-1" }
        }
      } satisfies PolicyEncoded
      const gateway = await startGateway(policy)
      await send(gateway, { body: asking({ model: "plain", temperature: 0.5 }) })
      await send(gateway, { body: asking({ model: "named", temperature: 0.5 }) })
      await gateway.exchange({ ...policy, routes: [{ name: "only", to: to("named", { deployment: "ours-2" }) }] })
      await send(gateway, { body: asking({ model, temperature: 0.5 }) })
      // A caller who names what is sent leaves nothing to change.
      await send(gateway, { body: asking({ model: "ours-2", temperature: 0.5 }) })
      assert.deepStrictEqual(
        one.heard.map((heard) => heard.json["model"]),
        [model, "ours-1", "ours-2", "ours-2"]
      )
      // What the model can be asked depends on the model, not on what serves it: Opus 4.7 takes no temperature.
      for (const heard of one.heard) assert.strictEqual(heard.json["temperature"], dialect === "openai" ? 0.5 : undefined)
      if (dialect === "openai") assert.strictEqual(one.heard[3]!.body.toString(), asking({ model: "ours-2", temperature: 0.5 }))
    })

    it(`a region is a part of the address (${dialect})`, async () => {
      const one = await startUpstream(answering(dialect))
      const policy = policyOver({ one: { baseUrl: `${one.origin}/{region}/v1`, dialect } }, to("one", { region: "eu-west-1" }))
      const gateway = await startGateway({
        ...policy,
        providers: { one: { ...policy.providers["one"]!, region: "us-east-1" } },
        routes: [
          {
            name: "only",
            to: {
              _tag: "Split",
              by: { fact: "request.id" },
              salt: "s",
              arms: [
                { name: "eu", weight: 50, to: to("one", { region: "eu-west-1" }) },
                { name: "us", weight: 50, to: "one" }
              ]
            }
          }
        ]
      })
      for (let i = 0; i < 12; i++) await send(gateway, { body: asking(), headers: { "x-request-id": `call-${i}` } })
      const path = dialect === "openai" ? "chat/completions" : "messages"
      assert.sameMembers([...new Set(one.heard.map((heard) => heard.path))], [`/eu-west-1/v1/${path}`, `/us-east-1/v1/${path}`])
    })

    it(`headers go beside the dialect's own (${dialect})`, async () => {
      const { changed, gateway, one } = await setting(
        {
          headers: {
            "anthropic-beta": "context-1m",
            ...(dialect === "openai" ? { "anthropic-version": "1999-01-01" } : {}),
            "user-agent": "acme/1"
          }
        },
        dialect
      )
      await send(gateway, { body: asking(), headers: { "anthropic-beta": "the-callers", "x-team": "the-callers" } })
      const { headers } = one.heard[0]!
      assert.deepInclude(headers, {
        "anthropic-beta": "context-1m",
        "user-agent": "acme/1",
        "content-type": "application/json",
        "accept-encoding": "identity",
        "anthropic-version": dialect === "openai" ? "1999-01-01" : "2023-06-01",
        ...(dialect === "openai" ? { authorization: `Bearer ${secrets.ONE_KEY}` } : { "x-api-key": secrets.ONE_KEY })
      })
      assert.notProperty(headers, "x-team")
      const added = ["headers.anthropic-beta", ...(dialect === "openai" ? ["headers.anthropic-version"] : []), "headers.user-agent"]
      assert.deepStrictEqual(await changed(), added)
    })
  }

  it("credentials, the connection's headers and line breaks are refused before anything is sent", () => {
    const base = (headers: Readonly<Record<string, string>>) =>
      policyOver({ one: { baseUrl: "http://127.0.0.1:9/v1" } }, to("one", { headers }))
    assert.isDefined(check(base({ "x-team": "core" })).policy)
    for (const name of [
      "authorization",
      "x-api-key",
      "api-key",
      "x-goog-api-key",
      "cookie",
      "host",
      "content-length",
      "transfer-encoding",
      "X-Team",
      "x team"
    ])
      assert.isUndefined(check(base({ [name]: "core" })).policy, name)
    for (const value of ["a\r\nauthorization: Bearer x", "caf\u00e9", "\0"])
      assert.isUndefined(check(base({ "x-team": value })).policy, JSON.stringify(value))
  })
})

describe("each send has its own", () => {
  it("what is set for the first candidate is not set for the second", async () => {
    const [one, two] = [await startUpstream(refusal(503, {})), await startUpstream(json(completion("from two")))]
    const gateway = await startGateway(
      policyOver(
        { one, two },
        { _tag: "First", of: [to("one", { temperature: 0.1, headers: { "x-tier": "gold" } }), to("two", { maxOutputTokens: 9 })] }
      )
    )
    const body = asking({ temperature: 0.9 })
    await send(gateway, { body })
    assert.strictEqual(one.heard[0]!.json["temperature"], 0.1)
    assert.strictEqual(one.heard[0]!.headers["x-tier"], "gold")
    assert.deepInclude(two.heard[0]!.json, { temperature: 0.9, max_completion_tokens: 9 })
    assert.notProperty(two.heard[0]!.headers, "x-tier")
    assert.deepStrictEqual(
      (await gateway.line(0)).attempts?.map(({ changed }) => changed),
      [["temperature", "headers.x-tier"], ["max_completion_tokens"]]
    )
  })

  it("the same target with and without, and in a pool", async () => {
    const one = await startUpstream(refusal(503, {}), json(completion("from one")))
    const gateway = await startGateway(
      policyOver(
        { one },
        { _tag: "First", of: [to("one", { temperature: 0.1 }), { _tag: "Pool", pool: "rest" }] },
        {
          pools: { rest: { by: "round-robin", of: [{ _tag: "Send", target: "one", set: { temperature: 0.7, deployment: "spare" } }] } }
        }
      )
    )
    await send(gateway, { body: asking() })
    assert.deepStrictEqual(
      one.heard.map(({ json: { model, temperature } }) => [model, temperature]),
      [
        ["gpt-one", 0.1],
        ["spare", 0.7]
      ]
    )
  })
})
