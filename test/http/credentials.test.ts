/** Several keys of one provider, through the running gateway: who is asked with which, what becomes of one that is refused, and that none is told to anybody. */
import { assert, describe, it } from "@effect/vitest"
import { murmur3 } from "../../src/Murmur3.ts"
import type { PolicyEncoded, StrategyEncoded } from "../../src/Policy.ts"
import {
  asking,
  chunk,
  chunks,
  claudeRefusal,
  completion,
  type Heard,
  json,
  message,
  messageEnd,
  messageStart,
  opening,
  openStream,
  paced,
  refusal,
  type Script,
  send,
  type Sent,
  startGateway,
  type StartedGateway,
  startUpstream,
  stream,
  textBlock
} from "./support.ts"

/** No text that looks like a key to a dialect, so that only what knows the secret can take it out. */
const secrets = { A_KEY: "left~hush~0123456789", B_KEY: "right~hush~0123456789", C_KEY: "third~hush~0123456789" }
type Name = keyof typeof secrets
const names = Object.keys(secrets) as ReadonlyArray<Name>

const nameOf = ({ headers }: Heard): Name | undefined =>
  names.find((name) => headers.authorization === `Bearer ${secrets[name]}` || headers["x-api-key"] === secrets[name])

const answering = json(completion("hello"))
const limited = (headers: Readonly<Record<string, string>> = {}): Script => refusal(429, { code: "rate_limit_exceeded" }, headers)
const revoked = refusal(401, { code: "invalid_api_key" })

/** A provider that answers each key in its own way, and keeps the order in which it was asked with them. */
const startKeyed = async (ways: Partial<Record<Name, Script>> = {}) => {
  const table = { ...ways }
  const asked: Array<Name | undefined> = []
  const upstream = await startUpstream((response, heard) => {
    const name = nameOf(heard)
    asked.push(name)
    const script = name === undefined ? refusal(401, { code: "no_key" }) : (table[name] ?? answering)
    script(response, heard)
  })
  return { ...upstream, asked, answers: (next: Partial<Record<Name, Script>>) => void Object.assign(table, next) }
}
type Keyed = Awaited<ReturnType<typeof startKeyed>>

type Keys = NonNullable<PolicyEncoded["providers"][string]["keys"]>
const env = (name: string) => ({ env: name })
const two: Keys = [env("A_KEY"), env("B_KEY")]

const price = { input: { usd: 1 }, output: { usd: 2 } }

/** Targets `big` and `small` of one provider with several keys. */
const policyOf = (
  { baseUrl }: { readonly baseUrl: string },
  keys: Keys,
  {
    dialect = "openai",
    to = "big",
    ...more
  }: Partial<PolicyEncoded> & { readonly dialect?: "openai" | "anthropic"; readonly to?: StrategyEncoded } = {}
): PolicyEncoded => ({
  name: "test",
  providers: { one: { dialect, baseUrl, keys } },
  targets: {
    big: { provider: "one", model: "big-1", price, maxOutputTokens: 100 },
    small: { provider: "one", model: "small-1", price, maxOutputTokens: 100 }
  },
  routes: [{ name: "only", to }],
  ...more
})

/**
 * The order in which a call takes keys, worked out apart: every key waits for a time that is exponential in its weight, drawn by a hash of the call's id, and the soonest
 * comes first.
 */
const orderOf = (id: string, keys: ReadonlyArray<readonly [Name, number]>, target = "big"): ReadonlyArray<Name> =>
  keys
    .map(([name, weight], i) => ({ name, due: -Math.log((murmur3(`${id} ${target}`, i) + 1) / (2 ** 32 + 1)) / weight }))
    .toSorted((a, b) => a.due - b.due)
    .map(({ name }) => name)

const evenly: ReadonlyArray<readonly [Name, number]> = [
  ["A_KEY", 1],
  ["B_KEY", 1]
]

/** Ids of calls that take this key first. */
const idsFor = (first: Name, count: number, keys = evenly): ReadonlyArray<string> => {
  const found: Array<string> = []
  for (let i = 0; found.length < count; i++) if (orderOf(`call-${i}`, keys)[0] === first) found.push(`call-${i}`)
  return found
}
const [first] = idsFor("A_KEY", 1) as readonly [string]

const ask = (gateway: StartedGateway, id = first, more: Omit<Sent, "headers"> = {}) =>
  send(gateway, { body: asking(), ...more, headers: { "x-request-id": id } })

const attemptsOf = async (gateway: StartedGateway, n: number) =>
  ((await gateway.line(n)).attempts ?? []).map(({ credential, outcome, target, why }) => [target, why, credential, outcome])

const start = (policy: PolicyEncoded, more: Parameters<typeof startGateway>[1] = {}) => startGateway(policy, { secrets, ...more })

/** Nothing that was said, to whomever, holds a secret. */
const assertDiscreet = (gateway: StartedGateway, ...more: ReadonlyArray<string>): void => {
  for (const secret of Object.values(secrets)) for (const text of [gateway.said(), ...more]) assert.notInclude(text, secret)
}

describe("several keys", () => {
  it("share the calls by their weights, each call by its id, the same when it comes again", async () => {
    const one = await startKeyed()
    const keys: ReadonlyArray<readonly [Name, number]> = [
      ["A_KEY", 3],
      ["B_KEY", 1],
      ["C_KEY", 2]
    ]
    const gateway = await start(policyOf(one, keys.map(([name, weight]) => ({ key: env(name), weight })) as unknown as Keys))
    const ids = Array.from({ length: 300 }, (_, i) => `call-${i}`)
    for (const id of ids) assert.strictEqual((await ask(gateway, id)).status, 200)
    assert.deepStrictEqual(
      one.asked,
      ids.map((id) => orderOf(id, keys)[0])
    )
    const share = (name: Name): number => one.asked.filter((asked) => asked === name).length / ids.length
    assert.closeTo(share("A_KEY"), 3 / 6, 0.08)
    assert.closeTo(share("B_KEY"), 1 / 6, 0.08)
    assert.closeTo(share("C_KEY"), 2 / 6, 0.08)
    await ask(gateway, ids[0])
    assert.strictEqual(one.asked.at(-1), one.asked[0])
    assert.deepStrictEqual(await attemptsOf(gateway, 0), [["big", "first", one.asked[0], "served"]])
    assertDiscreet(gateway)
  })

  const claudeAnswer = json(message([{ type: "text", text: "hello" }]))
  const claudeStream = stream([messageStart, textBlock(0, "hel", "lo"), messageEnd("end_turn")])
  const refusals = {
    openai: {
      "a limit": [limited({ "retry-after": "7" }), "rate-limited"],
      "no money": [refusal(402, { message: "Payment required" }), "quota-exhausted"],
      "a quota that is used up": [refusal(429, { type: "insufficient_quota", code: "insufficient_quota" }), "quota-exhausted"],
      "a key that was revoked": [revoked, "auth"]
    },
    anthropic: {
      "a limit": [claudeRefusal(429, "rate_limit_error", "slow down", { "retry-after": "7" }), "rate-limited"],
      "no money": [claudeRefusal(402, "billing_error", "no credit"), "quota-exhausted"],
      "credit that is used up": [
        claudeRefusal(400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
        "quota-exhausted"
      ],
      "a key that was revoked": [claudeRefusal(401, "authentication_error", "invalid x-api-key"), "auth"]
    }
  } satisfies Record<string, Readonly<Record<string, readonly [Script, string]>>>
  const bodies = {
    openai: { path: "/v1/chat/completions", body: (more: object) => asking({ max_tokens: 50, ...more }) },
    anthropic: {
      path: "/v1/messages",
      body: (more: object) => JSON.stringify({ model: "any", max_tokens: 50, messages: [{ role: "user", content: "Which way?" }], ...more })
    }
  }
  for (const dialect of ["openai", "anthropic"] as const)
    for (const [what, [refused, outcome]] of Object.entries(refusals[dialect]))
      for (const streamed of [false, true])
        it(`${dialect}${streamed ? ", streamed" : ""}: after ${what} the next is asked within the call, and what was refused costs nothing`, async () => {
          const answer =
            dialect === "openai" ? (streamed ? stream(chunks("hel", "lo")) : answering) : streamed ? claudeStream : claudeAnswer
          const one = await startKeyed({ A_KEY: refused, B_KEY: answer })
          const gateway = await start(policyOf(one, two, { dialect }))
          const { body, path } = bodies[dialect]
          const { body: text, headers, status } = await ask(gateway, first, { path, body: body(streamed ? { stream: true } : {}) })
          assert.strictEqual(status, 200)
          assert.strictEqual(headers["x-turnout-attempts"], "2")
          assert.include(text.toString(), streamed ? "hel" : "hello")
          assert.notInclude(text.toString(), "error")
          assert.deepStrictEqual(one.asked, ["A_KEY", "B_KEY"])
          assert.deepStrictEqual(await attemptsOf(gateway, 0), [
            ["big", "first", "A_KEY", outcome],
            ["big", "credential", "B_KEY", "served"]
          ])
          const { attempts, ending } = await gateway.line(0)
          assert.strictEqual(ending, "served")
          assert.strictEqual(attempts?.[0]?.nano_dollars ?? 0, 0)
          assert.isAbove(attempts?.[1]?.nano_dollars ?? 0, 0)
          // It is known from now on: nobody asks with it again.
          await ask(gateway, first, { path, body: body({}) })
          assert.deepStrictEqual(one.asked.slice(2), ["B_KEY"])
          assertDiscreet(gateway, text.toString())
        })

  it("are of no use where the provider itself fails, or the request", async () => {
    for (const [status, code] of [
      [500, "server_error"],
      [503, "overloaded"],
      [400, "invalid_value"]
    ] as const) {
      const one = await startKeyed({ A_KEY: refusal(status, { code }) })
      const gateway = await start(policyOf(one, two))
      assert.isAtLeast((await ask(gateway)).status, 400)
      assert.deepStrictEqual(one.asked, ["A_KEY"], String(status))
    }
  })

  it("are asked for what one may not use, which says nothing of it elsewhere", async () => {
    const one = await startKeyed({ A_KEY: refusal(403, { code: "permission_denied" }) })
    const gateway = await start(policyOf(one, two, { to: { _tag: "Asked" } }))
    assert.strictEqual((await ask(gateway, first, { body: asking({ model: "big" }) })).status, 200)
    one.answers({ A_KEY: answering })
    const small = Array.from({ length: 50 }, (_, i) => `call-${i}`).find((id) => orderOf(id, evenly, "small")[0] === "A_KEY")
    assert.strictEqual((await ask(gateway, small!, { body: asking({ model: "small" }) })).status, 200)
    assert.deepStrictEqual(one.asked, ["A_KEY", "B_KEY", "A_KEY"])
  })

  it("are attempts like any other: none is made beyond those that a call has, in number and in dollars", async () => {
    const one = await startKeyed({ A_KEY: limited(), B_KEY: limited() })
    const few = await start(policyOf(one, two, { effort: { attempts: 1 } }))
    const answer = await ask(few)
    assert.strictEqual(answer.status, 429)
    assert.deepStrictEqual(one.asked, ["A_KEY"])
    assert.deepStrictEqual(await attemptsOf(few, 0), [["big", "first", "A_KEY", "rate-limited"]])

    // An error inside a success may have been billed: it counts as the most that it can have cost, and no second fits.
    const inside = await startKeyed({ A_KEY: json({ error: { message: "later", type: "requests", code: "rate_limit_exceeded" } }) })
    const poor = await start(policyOf(inside, two, { effort: { dollars: { usd: 0.0005 } } }))
    assert.strictEqual((await ask(poor)).status, 429)
    assert.deepStrictEqual(inside.asked, ["A_KEY"])
  })
})

describe("a dead key", () => {
  const dead = async (more: Parameters<typeof policyOf>[2] = {}): Promise<{ readonly one: Keyed; readonly gateway: StartedGateway }> => {
    const one = await startKeyed({ A_KEY: revoked })
    return { one, gateway: await start(policyOf(one, two, more)) }
  }

  it("is remembered for every target of its provider, and not asked again by the next fifty calls", async () => {
    const { gateway, one } = await dead({ to: { _tag: "Asked" } })
    await ask(gateway, first, { body: asking({ model: "big" }) })
    assert.deepStrictEqual(one.asked, ["A_KEY", "B_KEY"])
    for (let i = 0; i < 50; i++)
      assert.strictEqual((await ask(gateway, `call-${i}`, { body: asking({ model: i % 2 === 0 ? "big" : "small" }) })).status, 200)
    assert.deepStrictEqual(new Set(one.asked.slice(2)), new Set<Name | undefined>(["B_KEY"]))
    assert.deepStrictEqual(await attemptsOf(gateway, 2), [["small", "first", "B_KEY", "served"]])
  })

  it("is known to serve again as soon as a probe's answer has begun, however long it goes on", async () => {
    const upstream = await startKeyed({ A_KEY: revoked })
    const gateway = await startGateway(policyOf(upstream, [env("A_KEY")]), { secrets })
    assert.strictEqual((await send(gateway, { body: asking({ model: "big" }) })).status, 502)
    assert.strictEqual((await send(gateway, { body: asking({ model: "big" }) })).status, 503)
    gateway.pass(61_000)
    const held = paced()
    upstream.answers({ A_KEY: held.script })
    const open = openStream(gateway, asking({ model: "big", stream: true }))
    await held.began
    held.write(opening + chunk({ content: "on and" }))
    assert.strictEqual((await open).statusCode, 200)
    upstream.answers({ A_KEY: answering })
    assert.strictEqual((await send(gateway, { body: asking({ model: "big" }) })).status, 200)
  })

  it("is probed by one call when a while has passed, by the next when twice as much has, and serves again when it is mended", async () => {
    const { gateway, one } = await dead()
    const ids = idsFor("A_KEY", 8)
    const all = async (): Promise<ReadonlyArray<Name | undefined>> => {
      const from = one.asked.length
      const answers = await Promise.all(ids.map((id) => ask(gateway, id)))
      for (const { status } of answers) assert.strictEqual(status, 200)
      return one.asked.slice(from)
    }
    const withDead = (asked: ReadonlyArray<Name | undefined>): number => asked.filter((name) => name === "A_KEY").length
    await ask(gateway)
    assert.strictEqual(withDead(await all()), 0)
    gateway.pass(59_000)
    assert.strictEqual(withDead(await all()), 0)
    gateway.pass(2_000)
    assert.strictEqual(withDead(await all()), 1)
    gateway.pass(61_000)
    assert.strictEqual(withDead(await all()), 0, "twice as long after a probe that has failed")
    gateway.pass(60_000)
    one.answers({ A_KEY: answering })
    assert.isAtLeast(withDead(await all()), 1)
    assert.strictEqual(withDead(await all()), ids.length, "mended")
  })

  it("is known after a reload, whatever becomes of its weight and its place in the list", async () => {
    const { gateway, one } = await dead()
    await ask(gateway)
    await gateway.exchange(policyOf(one, [env("B_KEY"), { key: env("A_KEY"), weight: 90 }]))
    for (let i = 0; i < 20; i++) await ask(gateway, `again-${i}`)
    assert.deepStrictEqual(new Set(one.asked.slice(2)), new Set<Name | undefined>(["B_KEY"]))
    // Another key is another matter.
    await gateway.exchange(policyOf(one, [env("C_KEY"), env("A_KEY")]))
    await ask(gateway)
    assert.strictEqual(one.asked.at(-1), "C_KEY")
  })

  it("leaves the call to the next candidate where all are dead, and else an answer that says when to come again", async () => {
    const one = await startKeyed({ A_KEY: revoked, B_KEY: refusal(402, {}) })
    const other = await startKeyed()
    const over = (to: StrategyEncoded): PolicyEncoded => {
      const policy = policyOf(one, two, { to })
      return {
        ...policy,
        providers: { ...policy.providers, other: { dialect: "openai", baseUrl: other.baseUrl, key: env("C_KEY") } },
        targets: { ...policy.targets, elsewhere: { provider: "other", model: "m" } }
      }
    }
    const gateway = await start(over("big"))
    assert.strictEqual((await ask(gateway)).status, 502, "the first failure is the answer")
    const closed = await ask(gateway)
    assert.strictEqual(closed.status, 503)
    assert.strictEqual(closed.json["error"].code, "no_target_available")
    assert.isAbove(Number(closed.headers["retry-after"]), 50)
    assert.isAtMost(Number(closed.headers["retry-after"]), 60)
    assert.deepStrictEqual(one.asked, ["A_KEY", "B_KEY"], "and nothing is asked")
    assert.deepInclude(await gateway.line(1), { ending: "refused", rejections: [{ target: "big", by: "breaker" }] })
    await gateway.exchange(over({ _tag: "First", of: ["big", "elsewhere"] }))
    assert.strictEqual((await ask(gateway)).headers["x-turnout-target"], "elsewhere")
    assert.lengthOf(one.asked, 2)
    assertDiscreet(gateway, closed.body.toString())
  })

  it("that is the only one is not rediscovered by every call either", async () => {
    const one = await startKeyed({ A_KEY: revoked })
    const policy = policyOf(one, two)
    const gateway = await start({ ...policy, providers: { one: { dialect: "openai", baseUrl: one.baseUrl, key: env("A_KEY") } } })
    const statuses: Array<number> = []
    for (let i = 0; i < 10; i++) statuses.push((await ask(gateway, `call-${i}`)).status)
    assert.deepStrictEqual(statuses, [502, ...Array.from({ length: 9 }, () => 503)])
    assert.lengthOf(one.asked, 1)
    one.answers({ A_KEY: answering })
    gateway.pass(61_000)
    assert.strictEqual((await ask(gateway)).status, 200)
  })
})

describe("a limit", () => {
  it("is of one key: it is left alone for as long as its provider asks, while the other serves", async () => {
    const one = await startKeyed({ A_KEY: limited({ "retry-after": "20" }) })
    const gateway = await start(policyOf(one, two))
    const ids = idsFor("A_KEY", 10)
    for (const id of ids) assert.strictEqual((await ask(gateway, id)).status, 200)
    assert.deepStrictEqual(one.asked, ["A_KEY", ...ids.map((): Name => "B_KEY")])
    gateway.pass(18_000)
    await ask(gateway)
    assert.strictEqual(one.asked.at(-1), "B_KEY")
    one.answers({ A_KEY: answering })
    gateway.pass(2_000)
    await ask(gateway)
    assert.strictEqual(one.asked.at(-1), "A_KEY")
  })

  it("of all leaves them alone, and the caller is told when the first is free", async () => {
    const one = await startKeyed({ A_KEY: limited({ "retry-after": "40" }), B_KEY: limited({ "retry-after": "20" }) })
    const gateway = await start(policyOf(one, two))
    const answer = await ask(gateway)
    assert.strictEqual(answer.status, 429)
    assert.isAtLeast(Number(answer.headers["retry-after"]), 20)
    for (let i = 0; i < 5; i++) {
      const { headers, json: said, status } = await ask(gateway, `call-${i}`)
      assert.strictEqual(status, 429)
      assert.strictEqual(said["error"].code, "target_paused")
      assert.isAbove(Number(headers["retry-after"]), 10)
      assert.isAtMost(Number(headers["retry-after"]), 20)
    }
    assert.deepStrictEqual(one.asked, ["A_KEY", "B_KEY"])
    one.answers({ B_KEY: answering })
    gateway.pass(20_000)
    assert.strictEqual((await ask(gateway)).status, 200)
    assert.deepStrictEqual(one.asked.slice(2), ["B_KEY"], "the other still waits")
  })

  it("is of one model: the key serves another", async () => {
    const one = await startKeyed({ A_KEY: limited({ "retry-after": "20" }), B_KEY: revoked })
    const gateway = await start(policyOf(one, two, { to: { _tag: "Asked" } }))
    await ask(gateway, first, { body: asking({ model: "big" }) })
    one.answers({ A_KEY: answering })
    const { status } = await ask(gateway, first, { body: asking({ model: "small" }) })
    assert.strictEqual(status, 200)
    assert.deepStrictEqual(one.asked, ["A_KEY", "B_KEY", "A_KEY"])
  })
})

describe("a key that is not set", () => {
  it("is told once, when the policy is loaded, and calls go on without it", async () => {
    const one = await startKeyed()
    const gateway = await start(policyOf(one, two), { secrets: { B_KEY: secrets.B_KEY } })
    const told = () =>
      gateway
        .said()
        .split("\n")
        .filter((line) => line.startsWith("warning:"))
    assert.deepStrictEqual(told(), ["warning: A_KEY is not set, so `one` is called with B_KEY alone"])
    for (const id of idsFor("A_KEY", 20)) assert.strictEqual((await ask(gateway, id)).status, 200)
    assert.deepStrictEqual(new Set(one.asked), new Set<Name | undefined>(["B_KEY"]))
    const counts = await Promise.all(Array.from({ length: 20 }, async (_, n) => (await attemptsOf(gateway, n)).length))
    assert.strictEqual(
      counts.reduce((sum, count) => sum + count, 0),
      21,
      "the first call finds it out, and no other"
    )
    const [found] = (await gateway.line(0)).attempts!
    assert.strictEqual(found?.nano_dollars ?? 0, 0)
    assert.lengthOf(told(), 1)
  })

  it("is the cause that the caller is told where none is", async () => {
    const one = await startKeyed()
    const gateway = await start(policyOf(one, two), { secrets: {} })
    assert.include(gateway.said(), "A_KEY and B_KEY are not set, so every call to `one` will fail")
    const answer = await ask(gateway)
    assert.strictEqual(answer.status, 502)
    assert.include(answer.json["error"].message, "`A_KEY` is not set")
    assert.lengthOf(one.asked, 0)
  })

  it("and one that holds what another does are told without their values", async () => {
    const one = await startKeyed()
    const gateway = await start(policyOf(one, two), { secrets: { A_KEY: secrets.A_KEY, B_KEY: secrets.A_KEY } })
    assert.include(gateway.said(), "A_KEY and B_KEY hold one key")
    assertDiscreet(gateway)
  })
})

describe("secrets", () => {
  it("are told to nobody, should the provider repeat any of them", async () => {
    for (const status of [400, 401, 402, 429, 500])
      for (const streamed of [false, true]) {
        const repeating: Script = (response, heard) => {
          const text = `Bearer ${secrets.A_KEY} and ${secrets.B_KEY}`
          refusal(status, { message: text, code: secrets.B_KEY, param: secrets.A_KEY })(response, heard)
        }
        const one = await startKeyed({ A_KEY: repeating, B_KEY: repeating })
        const gateway = await start(policyOf(one, two))
        const answer = await ask(gateway, first, { body: asking({ stream: streamed }) })
        assert.isAtLeast(answer.status, 400)
        await gateway.line(0)
        assertDiscreet(gateway, answer.body.toString(), JSON.stringify(answer.headers))
      }
  })

  it("and their names alone stand in what is told of a decision, a stream that breaks off included", async () => {
    const broken = stream([...chunks("hel").slice(0, 2), `data: ${JSON.stringify({ error: { message: `bad key ${secrets.A_KEY}` } })}\n\n`])
    const one = await startKeyed({ A_KEY: broken })
    const gateway = await start(policyOf(one, two))
    const answer = await ask(gateway, first, { body: asking({ stream: true }) })
    const line = await gateway.line(0)
    assert.strictEqual(line.attempts?.[0]?.credential, "A_KEY")
    assertDiscreet(gateway, answer.body.toString())
    const metrics = await send(gateway, { method: "GET", path: "/metrics" })
    assertDiscreet(gateway, metrics.body.toString())
  })
})
