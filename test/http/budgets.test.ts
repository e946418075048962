/** Budgets through the running gateway: what is reserved, charged and given back, what is refused and how, and what survives a restart. */
import { assert, describe, it } from "@effect/vitest"
import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"
import { DatabaseSync } from "node:sqlite"
import type { PolicyEncoded, StrategyEncoded } from "../../src/Policy.ts"
import {
  type Answered,
  asking,
  body,
  chunks,
  completion,
  cutStream,
  dial,
  directory,
  json,
  ledgerDirectory,
  type Line,
  opening,
  policyOver,
  refusal,
  reset,
  type Script,
  type ScriptedUpstream,
  send,
  silence,
  startCli,
  startGateway,
  type StartedGateway,
  type StartOptions,
  startUpstream,
  stream,
  until,
  usage
} from "./support.ts"

const secrets = {
  ONE_KEY: "sk-one-0123456789",
  TWO_KEY: "sk-two-0123456789",
  ALICE_KEY: "alice-secret-0123456789",
  BOB_KEY: "bob-secret-0123456789abc"
}
const alice = { authorization: `Bearer ${secrets.ALICE_KEY}` }
const bob = { authorization: `Bearer ${secrets.BOB_KEY}` }

/** $10 and $100 for a million tokens: 10,000 and 100,000 nano-dollars a token. */
const price = { input: { usd: 10 }, output: { usd: 100 } }
/** What the usual answer costs. */
const cost = usage.prompt_tokens * 10_000 + usage.completion_tokens * 100_000
const maxOutputTokens = 100

const usd = (nanoDollars: number): { readonly usd: number } => ({ usd: nanoDollars / 1e9 })

const policyOf = (
  upstreams: Readonly<Record<string, ScriptedUpstream>>,
  to: StrategyEncoded,
  limit: number,
  more: Partial<PolicyEncoded> = {}
): PolicyEncoded => {
  const policy = policyOver(upstreams, to)
  return {
    ...policy,
    targets: Object.fromEntries(Object.entries(policy.targets).map(([name, target]) => [name, { ...target, price, maxOutputTokens }])),
    budgets: { team: { per: "class", limit: usd(limit), every: "day" } },
    classes: { staff: { may: Object.keys(policy.targets), within: ["team"] } },
    keys: { alice: { secret: { env: "ALICE_KEY" }, class: "staff" }, bob: { secret: { env: "BOB_KEY" }, class: "staff" } },
    ...more
  }
}

const ask = (gateway: { readonly port: number }, more: Readonly<Record<string, unknown>> = {}, headers: Record<string, string> = alice) =>
  send(gateway, { headers, body: asking(more) })

/** What the answer to a refused call says is left, and was needed, in nano-dollars. */
const refusedWith = ({ json }: Pick<Answered, "json">): { readonly left: number; readonly needed: number } => {
  const match = /has \$([\d.]+) left of .* could cost \$([\d.]+) on/.exec(json["error"].message as string)
  if (match === null) assert.fail(json["error"].message)
  return { left: Math.round(Number(match[1]) * 1e9), needed: Math.round(Number(match[2]) * 1e9) }
}

/** What is left of alice's budget, asked by a call that no budget could cover. */
const leftOf = async (gateway: { readonly port: number }): Promise<number> => {
  const answer = await ask(gateway, { n: 100_000_000 })
  assert.strictEqual(answer.status, 402)
  return refusedWith(answer).left
}

const dollar = 1e9

/** A gateway over one provider that plays `script`, with a limit. */
const one = async (script: Script, limit = dollar, options: StartOptions = {}) => {
  const upstream = await startUpstream(script)
  const gateway = await startGateway(policyOf({ one: upstream }, "one", limit), { secrets, ...options })
  return { gateway, upstream }
}

const chargeOf = (line: Line) => line.attempts!.map(({ estimated, nano_dollars }) => ({ estimated: estimated ?? false, nano_dollars }))

describe("an attempt is charged", () => {
  it("what it has cost, once its usage is known; the rest of the reservation is free again", async () => {
    const { gateway } = await one(json(completion("yes")))
    await ask(gateway)
    const line = await gateway.line(0)
    assert.deepStrictEqual(chargeOf(line), [{ estimated: false, nano_dollars: cost }])
    assert.isAbove(line.attempts![0]!.reserved_nano_dollars!, maxOutputTokens * 100_000)
    assert.strictEqual(await leftOf(gateway), dollar - cost)
  })

  it("what a stream has cost, though its caller never asked for usage and does not see it", async () => {
    const { gateway, upstream } = await one(stream(chunks("yes")))
    const answer = await ask(gateway, { stream: true })
    assert.notInclude(answer.body.toString(), "completion_tokens")
    assert.deepStrictEqual(upstream.heard[0]!.json["stream_options"], { include_usage: true })
    assert.deepStrictEqual(chargeOf(await gateway.line(0)), [{ estimated: false, nano_dollars: cost }])
    assert.strictEqual(await leftOf(gateway), dollar - cost)
  })

  it("its reservation, marked as estimated, where it was sent and its usage never came", async () => {
    const usageless = json({ ...completion("yes"), usage: null })
    for (const [name, script, more] of [
      ["no usage", usageless, {}],
      ["usage without counts", json({ ...completion("yes"), usage: {} }), {}],
      ["usage under other names", json({ ...completion("yes"), usage: { input_tokens: 1_000, output_tokens: 1_000 } }), {}],
      ["given up on the way", refusal(504, {}), {}],
      ["reset", reset, {}],
      ["cut", cutStream(opening + chunks("half")[1]!), { stream: true }],
      ["not JSON", body("{"), {}]
    ] as const) {
      const { gateway } = await one(script)
      await ask(gateway, more).catch(() => {})
      const line = await gateway.line(0)
      const reserved = line.attempts![0]!.reserved_nano_dollars!
      assert.deepStrictEqual(chargeOf(line), [{ estimated: true, nano_dollars: reserved }], name)
      assert.strictEqual(await leftOf(gateway), dollar - reserved, name)
    }
  })

  it("its reservation where the caller has gone or the deadline has passed", async () => {
    const { gateway, upstream } = await one(silence)
    const gone = new AbortController()
    const call = fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { ...alice, "content-type": "application/json" },
      body: asking(),
      signal: gone.signal
    }).catch(() => {})
    await upstream.nth(0)
    gone.abort()
    await call
    const line = await gateway.line(0)
    const reserved = line.attempts![0]!.reserved_nano_dollars!
    assert.deepStrictEqual([line.ending, chargeOf(line)], ["cancelled", [{ estimated: true, nano_dollars: reserved }]])

    await gateway.exchange(policyOf({ one: upstream }, { _tag: "Within", duration: "30 millis", of: "one" }, dollar))
    assert.strictEqual((await ask(gateway)).status, 504)
    assert.deepStrictEqual(chargeOf(await gateway.line(1)), [{ estimated: true, nano_dollars: reserved }])
    assert.strictEqual(await leftOf(gateway), dollar - 2 * reserved)
  })

  it("nothing where its caller leaves, or its hedge is decided, before there was a connection to send it over", async () => {
    // Takes connections, and never begins to speak TLS.
    const mute = createServer((socket) => void socket.on("error", () => {}))
    await new Promise<void>((resolve) => void mute.listen(0, "127.0.0.1", resolve))
    const baseUrl = `https://127.0.0.1:${(mute.address() as AddressInfo).port}/v1`
    const quick = await startUpstream(json(completion("from the other")))
    const muted = (to: StrategyEncoded): PolicyEncoded => {
      const policy = policyOf({ one: quick, two: quick }, to, 1_000_000_000)
      return { ...policy, providers: { ...policy.providers, one: { ...policy.providers["one"]!, baseUrl } } }
    }
    const gateway = await startGateway(muted("one"), { secrets })
    const gone = new AbortController()
    const call = fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { ...alice, "content-type": "application/json" },
      body: asking(),
      signal: gone.signal
    }).catch(() => {})
    await once(mute, "connection")
    gone.abort()
    await call
    assert.deepStrictEqual(chargeOf(await gateway.line(0)), [{ estimated: false, nano_dollars: 0 }])

    await gateway.exchange(muted({ _tag: "Hedge", of: "one", after: "20 millis", with: "two" }))
    assert.strictEqual((await ask(gateway)).status, 200)
    assert.deepStrictEqual(chargeOf(await gateway.line(1)), [
      { estimated: false, nano_dollars: 0 },
      { estimated: false, nano_dollars: cost }
    ])
    mute.close()
  })

  it("nothing where it was provably not sent, or answered by an error that is not billed", async () => {
    for (const script of [refusal(500, {}), refusal(429, {}), refusal(401, {}), refusal(400, {}), refusal(503, {})]) {
      const { gateway } = await one(script)
      await ask(gateway)
      assert.deepStrictEqual(chargeOf(await gateway.line(0)), [{ estimated: false, nano_dollars: 0 }])
      // A dead credential is not what keeps the next one out.
      gateway.pass(600_000)
      assert.strictEqual(await leftOf(gateway), dollar)
    }
    const { gateway, upstream } = await one(silence)
    await upstream.kill()
    assert.strictEqual((await ask(gateway)).status, 502)
    assert.deepStrictEqual(chargeOf(await gateway.line(0)), [{ estimated: false, nano_dollars: 0 }])
    assert.strictEqual(await leftOf(gateway), dollar)
  })

  it("once each, where a failover makes several; what was abandoned is paid for too", async () => {
    const [one, two] = [await startUpstream(reset), await startUpstream(json(completion("yes")))]
    const gateway = await startGateway(policyOf({ one, two }, { _tag: "First", of: ["one", "two"] }, dollar), { secrets })
    await ask(gateway)
    const line = await gateway.line(0)
    const reserved = line.attempts![0]!.reserved_nano_dollars!
    assert.deepStrictEqual(chargeOf(line), [
      { estimated: true, nano_dollars: reserved },
      { estimated: false, nano_dollars: cost }
    ])
    assert.strictEqual(await leftOf(gateway), dollar - reserved - cost)
  })
})

describe("a budget", () => {
  it("binds the answer by the target's maximum where the caller names none, and leaves a caller's own as it is", async () => {
    const { gateway, upstream } = await one(json(completion("yes")))
    await ask(gateway)
    await ask(gateway, { max_tokens: 5 })
    await ask(gateway, { max_completion_tokens: 6 })
    const sent = upstream.heard.map(({ json }) => [json["max_tokens"], json["max_completion_tokens"]])
    assert.deepStrictEqual(sent, [
      [undefined, maxOutputTokens],
      [5, undefined],
      [undefined, 6]
    ])
    const reserved = await Promise.all([0, 1].map(async (n) => (await gateway.line(n)).attempts![0]!.reserved_nano_dollars!))
    assert.strictEqual(reserved[0]! - reserved[1]!, (maxOutputTokens - 5) * 100_000)
  })

  it("holds an answer to what is reserved for it, whatever maximum the caller names and under which name", async () => {
    const { gateway, upstream } = await one(json(completion("yes")))
    const cases: ReadonlyArray<readonly [asked: Readonly<Record<string, unknown>>, older: unknown, newer: unknown]> = [
      [{ max_tokens: 5_000 }, maxOutputTokens, undefined],
      [{ max_completion_tokens: 5_000 }, undefined, maxOutputTokens],
      [{ max_tokens: 7, max_completion_tokens: 9_000 }, 7, maxOutputTokens],
      [{ max_tokens: -1 }, maxOutputTokens, undefined],
      [{ max_tokens: 0 }, maxOutputTokens, undefined],
      [{ max_tokens: 50.5 }, maxOutputTokens, undefined],
      [{ max_tokens: "5000" }, maxOutputTokens, undefined],
      [{ max_tokens: null }, null, maxOutputTokens]
    ]
    for (const [asked] of cases) assert.strictEqual((await ask(gateway, asked)).status, 200)
    assert.deepStrictEqual(
      upstream.heard.map(({ json }) => [json["max_tokens"], json["max_completion_tokens"]]),
      cases.map(([, older, newer]) => [older, newer])
    )
    const lines = await Promise.all(cases.map((_, i) => gateway.line(i)))
    for (const { attempts } of lines) assert.isAtLeast(attempts![0]!.reserved_nano_dollars!, maxOutputTokens * 100_000)
  })

  it("says so to a host that may know only the older name of a maximum", async () => {
    const upstream = await startUpstream(json(completion("yes")))
    const policy = policyOf({ one: upstream }, "one", dollar)
    const gateway = await startGateway({ ...policy, providers: { one: { ...policy.providers["one"]!, dialect: "mistral" } } }, { secrets })
    await ask(gateway, { max_completion_tokens: 6 })
    await ask(gateway, { max_completion_tokens: 6_000 })
    assert.deepStrictEqual(
      upstream.heard.map(({ json }) => [json["max_tokens"], json["max_completion_tokens"]]),
      [
        [6, 6],
        [maxOutputTokens, maxOutputTokens]
      ]
    )
  })

  it("is a fact that a reload does not forget", async () => {
    const upstream = await startUpstream(json(completion("yes")))
    const routes = [
      { name: "spent", when: { ">": [{ var: "budget.team.usedRatio" }, 0] }, to: "one" },
      { name: "fresh", to: "one" }
    ] as const
    const policy = (every: "day" | "month") =>
      policyOf({ one: upstream }, "one", dollar, { budgets: { team: { per: "class", limit: usd(dollar), every } }, routes })
    const gateway = await startGateway(policy("day"), { secrets })
    const taken: Array<unknown> = []
    for (const every of ["day", "month", "day"] as const) {
      await gateway.exchange(policy(every))
      for (let i = 0; i < 2; i++) taken.push((await ask(gateway)).headers["x-turnout-route"])
    }
    assert.deepStrictEqual(taken, ["fresh", "spent", "fresh", "spent", "spent", "spent"])
  })

  it("refuses with its name, what is left, what was needed, and when it starts anew; and does so no longer then", async () => {
    const at = Date.UTC(2026, 10, 22, 23, 59, 58)
    const { gateway, upstream } = await one(json(completion("yes")), cost, { at })
    const answer = await ask(gateway)
    assert.strictEqual(answer.status, 402)
    assert.deepInclude(answer.json["error"], { code: "budget_exhausted", type: "insufficient_quota" })
    const { message } = answer.json["error"]
    for (const part of ["budget `team` of class `staff`", "left of $0.00081 a day", "on `one`", "2026-11-23T00:00:00.000Z"])
      assert.include(message, part)
    assert.deepStrictEqual([answer.headers["retry-after"], answer.headers["x-should-retry"]], ["2", "false"])
    assert.strictEqual(upstream.heard.length, 0)
    const line = await gateway.line(0)
    assert.deepInclude(line, { ending: "refused", status: 402, error: "budget_exhausted", rejections: [{ target: "one", by: "budget" }] })

    await gateway.exchange(policyOf({ one: upstream }, "one", dollar / 50))
    for (let spent = 0; (await ask(gateway)).status === 200; spent++) assert.isBelow(spent, 30)
    gateway.pass(2_000)
    const next = await ask(gateway)
    assert.strictEqual(next.status, 200, next.body.toString())
  })

  it("passes a call on to a cheaper candidate, whatever `on` says", async () => {
    const [one, two] = [await startUpstream(json(completion("one"))), await startUpstream(json(completion("two")))]
    const policy = policyOf({ one, two }, { _tag: "First", of: ["one", "two"], on: ["timeout"] }, dollar / 100)
    const gateway = await startGateway(
      {
        ...policy,
        targets: { ...policy.targets, two: { ...policy.targets["two"]!, price: { input: { usd: 0.1 }, output: { usd: 0.1 } } } }
      },
      { secrets }
    )
    const answer = await ask(gateway)
    assert.deepStrictEqual([answer.status, answer.headers["x-turnout-target"]], [200, "two"])
    assert.deepStrictEqual((await gateway.line(0)).rejections, [{ target: "one", by: "budget" }])
  })

  it("is a fact that steers, before it refuses", async () => {
    const [one, two] = [await startUpstream(json(completion("one"))), await startUpstream(json(completion("two")))]
    const thrift = { ">=": [{ var: "budget.team.usedRatio" }, 0.5] }
    const gateway = await startGateway(
      policyOf({ one, two }, "one", cost * 50, {
        routes: [
          { name: "thrift", when: thrift, to: "two" },
          { name: "default", to: "one" }
        ]
      }),
      { secrets }
    )
    const served: Array<unknown> = []
    for (let i = 0; i < 30; i++) served.push((await ask(gateway)).headers["x-turnout-target"])
    assert.deepStrictEqual(served, [...Array(25).fill("one"), ...Array(5).fill("two")])
  })

  it("is kept apart for each key where it says so, and all of a caller's budgets must cover a call", async () => {
    const upstream = await startUpstream(json(completion("yes")))
    const policy = policyOf({ one: upstream }, "one", dollar)
    const gateway = await startGateway(
      {
        ...policy,
        budgets: { ...policy.budgets, mine: { per: "key", limit: usd(dollar / 50), every: "month" } },
        classes: { staff: { may: ["one"], within: ["team", "mine"] } }
      },
      { secrets }
    )
    let served = 0
    while ((await ask(gateway)).status === 200) served++
    assert.isAbove(served, 0)
    assert.strictEqual((await ask(gateway, {}, bob)).status, 200, "bob's own is untouched")
    const answer = await ask(gateway)
    assert.include(answer.json["error"].message, "budget `mine` of key `alice`")
    // Nothing of the refused call is held on the other budget.
    await gateway.exchange({ ...policy, budgets: { team: policy.budgets!["team"]! } })
    assert.strictEqual(await leftOf(gateway), dollar - (served + 1) * cost)
  })

  it("of 500 calls at once serves what it covers, to the nano-dollar, and refuses only what exceeds what is left", async () => {
    let n = 0
    const { gateway, upstream } = await one(
      (response, heard) => void setTimeout(() => json(completion("yes"))(response, heard), (n++ * 7) % 40)
    )
    await ask(gateway)
    const reserved = (await gateway.line(0)).attempts![0]!.reserved_nano_dollars!
    // Nearly spent: twelve reservations and a little are left.
    const left = 12 * reserved + Math.floor(reserved / 3)
    await gateway.exchange(policyOf({ one: upstream }, "one", left + cost))
    assert.strictEqual(await leftOf(gateway), left)

    const answers = await Promise.all(Array.from({ length: 500 }, (_, i) => ask(gateway, {}, i % 2 === 0 ? alice : bob)))
    const served = answers.filter(({ status }) => status === 200)
    const refused = answers.filter(({ status }) => status === 402)
    assert.strictEqual(served.length + refused.length, 500)
    assert.isAtLeast(served.length, 12)
    for (const answer of refused) {
      const { left, needed } = refusedWith(answer)
      assert.isAbove(needed, left)
      assert.strictEqual(needed, reserved)
    }
    await gateway.line(501)
    const spent = gateway.lines.flatMap(({ attempts }) => attempts ?? []).reduce((sum, { nano_dollars }) => sum + nano_dollars!, 0)
    assert.strictEqual(spent, (served.length + 1) * cost)
    assert.isAtMost(spent, left + cost)
    assert.strictEqual(await leftOf(gateway), left - served.length * cost)
  }, 30_000)
})

/** Lets real time pass, of which the stop of a gateway takes a part. */
const since = (millis: number): Promise<unknown> => {
  const begun = performance.now()
  return until(() => performance.now() - begun >= millis, `${millis} ms to pass`)
}

describe("what is spent", () => {
  const rows = (file: string) => {
    const database = new DatabaseSync(file, { readOnly: true })
    try {
      return database.prepare("SELECT * FROM account").all() as ReadonlyArray<Record<string, unknown>>
    } finally {
      database.close()
    }
  }

  it("outlives a clean stop exactly", async () => {
    const upstream = await startUpstream(json(completion("yes")))
    const data = ledgerDirectory()
    const run = async (use: (gateway: StartedGateway) => Promise<void>) => {
      const gateway = await startGateway(policyOf({ one: upstream }, "one", dollar), { secrets, data })
      await use(gateway)
      await gateway.stop()
      assert.notInclude(gateway.said(), "without a stop")
    }
    await run(async (gateway) => {
      for (let i = 0; i < 3; i++) await ask(gateway)
    })
    await run(async (gateway) => {
      assert.strictEqual(await leftOf(gateway), dollar - 3 * cost)
      await ask(gateway)
    })
    await run(async (gateway) => assert.strictEqual(await leftOf(gateway), dollar - 4 * cost))
  })

  it("counts a call whose body was still coming when the gateway was told to stop", async () => {
    const upstream = await startUpstream(json(completion("yes")))
    const data = ledgerDirectory()
    const policy = policyOf({ one: upstream }, "one", dollar)
    const gateway = await startGateway(policy, { secrets, data, drainMillis: 10_000 })
    const body = asking()
    const { socket, text } = await dial(gateway)
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: ${alice.authorization}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`
    )
    // Answered after it: so the request before it has been accepted.
    await send(gateway, { method: "GET", path: "/healthz" })
    const stopped = gateway.stop()
    // Longer than answers get to leave once nothing is waited for any more.
    await since(700)
    socket.write(body)
    await stopped
    assert.match(text(), /^HTTP\/1\.1 200 /)
    assert.deepStrictEqual(chargeOf(gateway.lines[0]!), [{ estimated: false, nano_dollars: cost }])
    assert.notInclude(gateway.said(), "LOST")
    assert.deepStrictEqual(
      rows(`${data}/ledger.sqlite`).map(({ booked, settled }) => [booked, settled]),
      [[cost, cost]]
    )
  })

  it("is not added to by a call whose body comes when the gateway has stopped waiting", async () => {
    const upstream = await startUpstream(json(completion("yes")))
    const gateway = await startGateway(policyOf({ one: upstream }, "one", dollar), { secrets, drainMillis: 30 })
    const body = asking()
    const { socket } = await dial(gateway)
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: ${alice.authorization}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n{`
    )
    await send(gateway, { method: "GET", path: "/healthz" })
    const stopped = gateway.stop()
    // After the 30 ms, and before the connection is closed.
    await since(100)
    socket.write(body.slice(1))
    await stopped
    assert.strictEqual(upstream.heard.length, 0)
    assert.notInclude(gateway.said(), "LOST")
  })

  it("has one writer: a second gateway on the same folder is refused", async () => {
    const upstream = await startUpstream(json(completion("yes")))
    const data = ledgerDirectory()
    const policy = policyOf({ one: upstream }, "one", dollar)
    await startGateway(policy, { secrets, data })
    const second = await startGateway(policy, { secrets, data }).then(
      () => "started",
      (error: unknown) => String(error)
    )
    assert.match(second, /another gateway/)
    assert.include(second, data)
  })

  it("outlives `kill -9` during 50 open calls: nothing that was sent is free, and at most the slice is counted over, which the restart tells", async () => {
    const upstream = await startUpstream(json(completion("yes")))
    const limit = 2 * dollar
    const at = directory({ "policy.json": JSON.stringify(policyOf({ one: upstream }, "one", limit)) })
    const data = ledgerDirectory()
    const serve = () => startCli(["serve", at("policy.json"), "--port", "0", "--data", data], secrets)
    const first = await serve()
    for (let i = 0; i < 5; i++) await ask(first)
    const settled = 5 * cost
    const lines = await until(() => first.lines().length === 5 && first.lines(), "five access lines")
    const reserved = lines[0]!.attempts![0]!.reserved_nano_dollars!

    upstream.plays(silence)
    const open = Array.from({ length: 50 }, () => ask(first).catch(() => "cut"))
    await upstream.nth(54)
    first.child.kill("SIGKILL")
    assert.strictEqual(await first.ended(), "SIGKILL")
    await Promise.all(open)

    const second = await serve()
    await second.tells("without a stop")
    const left = await leftOf(second)
    const spent = limit - left
    const slice = Math.max(limit / 100, reserved)
    assert.isAtLeast(spent, settled + 50 * reserved, "nothing that was sent is free")
    assert.isAtMost(spent, settled + 50 * reserved + slice, "at most the slice is counted over")
    const told = /without a stop: \$([\d.]+) of budget `team`/.exec(second.stderr())
    assert.isNotNull(told, second.stderr())
    assert.isAtLeast(Math.round(Number(told![1]) * 1e9), spent - settled, "and what it tells covers all that was not settled")
    second.child.kill("SIGTERM")
    assert.strictEqual(await second.ended(), 0)
    const [row] = rows(`${data}/ledger.sqlite`)
    assert.deepStrictEqual([row!["booked"], row!["settled"]], [spent, spent])
  }, 60_000)
})
