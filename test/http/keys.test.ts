/** Keys and classes through the running gateway: who is let in, and that what a class may not reach it reaches by no path. */
import { assert, describe, it } from "@effect/vitest"
import { createHash } from "node:crypto"
import OpenAI, { AuthenticationError, PermissionDeniedError } from "openai"
import type { PolicyEncoded, StrategyEncoded } from "../../src/Policy.ts"
import { raised } from "./client.ts"
import {
  asking,
  completion,
  dial,
  json,
  policyOver,
  refusal,
  type Script,
  send,
  startGateway,
  type StartOptions,
  startUpstream,
  until
} from "./support.ts"

const secrets = {
  ONE_KEY: "sk-one-0123456789",
  TWO_KEY: "sk-two-0123456789",
  ALICE_KEY: "alice-secret-0123456789",
  BOB_KEY: "bob-secret-0123456789abc"
}
const hashed = "carol-secret-0123456789"

const callers: Partial<PolicyEncoded> = {
  classes: { narrow: { may: ["one"] }, wide: { may: ["one", "two"] } },
  keys: {
    alice: { secret: { env: "ALICE_KEY" }, class: "narrow", team: "core" },
    bob: { secret: { env: "BOB_KEY" }, class: "wide" },
    carol: { secret: { sha256: createHash("sha256").update(hashed).digest("hex") }, class: "wide" }
  }
}

/** The narrow class keeps out of routes of which nothing would be left for it. */
const wideOnly = { "===": [{ var: "caller.class" }, "wide"] }

const pair = async (to: StrategyEncoded, more: Partial<PolicyEncoded> = {}, first?: Script, options: StartOptions = {}) => {
  const [one, two] = [await startUpstream(first ?? json(completion("from one"))), await startUpstream(json(completion("from two")))]
  const gateway = await startGateway(policyOver({ one, two }, to, { ...callers, ...more }), { secrets, ...options })
  return { one, two, gateway }
}

const asked: StrategyEncoded = { _tag: "Asked" }
const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` })

describe("a key", () => {
  it("is taken from every header that SDKs use, and tells whose call it is", async () => {
    const { gateway, one } = await pair("one")
    const headers: ReadonlyArray<Record<string, string>> = [
      bearer(secrets.ALICE_KEY),
      { authorization: `bearer   ${secrets.ALICE_KEY}` },
      ...["x-api-key", "x-goog-api-key", "api-key", "x-turnout-key", "x-bf-vk"].map((name) => ({ [name]: secrets.ALICE_KEY })),
      { ...bearer(secrets.ALICE_KEY), "x-api-key": secrets.ALICE_KEY }
    ]
    for (const sent of headers)
      assert.strictEqual((await send(gateway, { headers: { ...sent }, body: asking() })).status, 200, JSON.stringify(sent))
    await gateway.line(headers.length - 1)
    for (const line of gateway.lines) assert.deepInclude(line, { key: "alice", ending: "served" })
    for (const { headers } of one.heard) {
      assert.strictEqual(headers.authorization, `Bearer ${secrets.ONE_KEY}`, "our key, not the caller's")
      assert.notInclude(JSON.stringify(headers), secrets.ALICE_KEY)
    }
  })

  it("may be known by its hash alone", async () => {
    const { gateway } = await pair("one")
    assert.strictEqual((await send(gateway, { headers: bearer(hashed), body: asking() })).status, 200)
    assert.strictEqual((await gateway.line(0)).key, "carol")
  })

  it("is needed, must be known, and there must be one: 401 and 400 in OpenAI's shape, and nothing is sent", async () => {
    const { gateway, one } = await pair("one")
    const cases: ReadonlyArray<readonly [headers: Record<string, string>, status: number, code: string]> = [
      [{}, 401, "invalid_api_key"],
      [bearer("alice"), 401, "invalid_api_key"],
      [bearer(""), 401, "invalid_api_key"],
      [bearer(`${secrets.ALICE_KEY}x`), 401, "invalid_api_key"],
      [bearer(secrets.ALICE_KEY.slice(0, -1)), 401, "invalid_api_key"],
      [bearer(secrets.ONE_KEY), 401, "invalid_api_key"],
      [bearer(createHash("sha256").update(hashed).digest("hex")), 401, "invalid_api_key"],
      [{ authorization: `Basic ${secrets.ALICE_KEY}` }, 401, "invalid_api_key"],
      [{ ...bearer(secrets.ALICE_KEY), "x-api-key": secrets.BOB_KEY }, 400, "conflicting_keys"]
    ]
    for (const [headers, status, code] of cases) {
      const answer = await send(gateway, { headers, body: asking() })
      assert.deepStrictEqual([answer.status, answer.json["error"]?.code], [status, code], JSON.stringify(headers))
    }
    assert.strictEqual(one.heard.length, 0)
    const client = new OpenAI({ apiKey: "nobody", baseURL: `${gateway.url}/v1`, maxRetries: 3 })
    assert.instanceOf(await raised(client.chat.completions.create({ model: "one", messages: [] })), AuthenticationError)
    for (const secret of [...Object.values(secrets), hashed]) assert.notInclude(gateway.said(), secret)
  })

  it("is looked at before the body: who has none is turned away without being listened to", async () => {
    const { gateway } = await pair("one")
    for (const key of ["", "authorization: Bearer nobody-knows-this-one\r\n"]) {
      const { socket, text } = await dial(gateway)
      socket.write(
        `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n${key}content-type: application/json\r\ncontent-length: 30000000\r\n\r\n{`
      )
      await until(() => text().includes("invalid_api_key"), "an answer before the body has come")
      assert.match(text(), /^HTTP\/1\.1 401 /)
    }
  })

  it("that is not set, short, or shared is told when the policy is loaded, without the secret", async () => {
    const { gateway } = await pair(
      "one",
      {
        keys: {
          alice: { secret: { env: "ALICE_KEY" }, class: "narrow" },
          twin: { secret: { env: "TWIN_KEY" }, class: "wide" },
          short: { secret: { env: "SHORT_KEY" }, class: "wide" },
          unset: { secret: { env: "UNSET_KEY" }, class: "wide" },
          empty: { secret: { env: "EMPTY_KEY" }, class: "wide" }
        }
      },
      undefined,
      { secrets: { ...secrets, TWIN_KEY: secrets.ALICE_KEY, SHORT_KEY: "hunter2", EMPTY_KEY: "" } }
    )
    const said = gateway.said()
    for (const part of ["UNSET_KEY is not set", "EMPTY_KEY is not set", "shorter than 16", "`alice` and `twin` have one secret"])
      assert.include(said, part)
    assert.notInclude(said, "hunter2")
    assert.notInclude(said, secrets.ALICE_KEY)
    assert.strictEqual((await send(gateway, { headers: bearer(""), body: asking() })).status, 401)
    await send(gateway, { headers: bearer(secrets.ALICE_KEY), body: asking() })
    assert.strictEqual((await gateway.line(1)).key, "alice", "the first of two, and never the wider one by chance")
  })
})

describe("what a class may not reach, it reaches by no path", () => {
  const refused = async (gateway: { readonly port: number }, model: string) => {
    const { headers, json } = await send(gateway, { headers: bearer(secrets.ALICE_KEY), body: asking({ model }) })
    return { error: json["error"], headers }
  }

  it("not by asking, under any of its names", async () => {
    const { gateway, two } = await pair(asked, { aliases: { second: "two", further: "second" } })
    for (const model of ["two", "second", "further", "two/gpt-two", "gpt-two"]) {
      const { error, headers } = await refused(gateway, model)
      assert.deepInclude(error, { code: "not_granted", type: "permission_error" }, model)
      assert.include(error.message, "`classes.narrow.may`")
      assert.strictEqual(headers["x-should-retry"], "false")
    }
    const client = new OpenAI({ apiKey: secrets.ALICE_KEY, baseURL: `${gateway.url}/v1`, maxRetries: 0 })
    assert.instanceOf(await raised(client.chat.completions.create({ model: "two", messages: [] })), PermissionDeniedError)
    assert.strictEqual(two.heard.length, 0)
    const allowed = await send(gateway, { headers: bearer(secrets.BOB_KEY), body: asking({ model: "further" }) })
    assert.strictEqual(allowed.headers["x-turnout-target"], "two")
    const line = await gateway.line(0)
    assert.deepInclude(line, {
      ending: "refused",
      status: 403,
      error: "not_granted",
      attempts: [],
      rejections: [{ target: "two", by: "grant" }]
    })
  })

  it("not by failover: the failed attempt decides the answer", async () => {
    const { gateway, one, two } = await pair({ _tag: "First", of: ["one", "two"] }, {}, refusal(503, {}))
    const { error, headers } = await refused(gateway, "any")
    assert.deepStrictEqual([error.code, headers["x-turnout-attempts"]], ["upstream_overloaded", "1"])
    assert.deepStrictEqual([one.heard.length, two.heard.length], [1, 0])
    assert.strictEqual(headers["x-turnout-decision"], "only/two.not-granted")
    const wide = await send(gateway, { headers: bearer(secrets.BOB_KEY), body: asking() })
    assert.strictEqual(wide.headers["x-turnout-target"], "two")
  })

  it("not by a split, whose other arms do not take its share over", async () => {
    const split: StrategyEncoded = {
      _tag: "Split",
      by: { fact: "request.id" },
      salt: "s",
      arms: [
        { name: "one", weight: 50, to: "one" },
        { name: "two", weight: 50, to: "two" }
      ]
    }
    const { gateway, one, two } = await pair(split)
    const statuses = new Map<number, number>()
    for (let i = 0; i < 40; i++) {
      const { status } = await send(gateway, { headers: { ...bearer(secrets.ALICE_KEY), "x-request-id": `call-${i}` }, body: asking() })
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
    assert.strictEqual(two.heard.length, 0)
    assert.deepStrictEqual([...statuses.keys()].sort(), [200, 403])
    assert.strictEqual(statuses.get(200), one.heard.length)
    assert.isAbove(statuses.get(403)!, 8)
  })

  it("not by open models, unless they are granted as `provider/*`", async () => {
    const open = await startUpstream(json(completion("open")))
    const policy = (may: ReadonlyArray<string>): PolicyEncoded => ({
      name: "open",
      providers: { open: { dialect: "openai", baseUrl: open.baseUrl, open: true } },
      targets: { declared: { provider: "open", model: "gpt-declared" }, mine: { provider: "open", model: "gpt-mine" } },
      classes: { narrow: { may } },
      keys: { alice: { secret: { env: "ALICE_KEY" }, class: "narrow" } },
      routes: [{ name: "default", to: asked }]
    })
    const gateway = await startGateway(policy(["mine"]), { secrets })
    assert.strictEqual((await refused(gateway, "open/gpt-free")).error.code, "not_granted")
    await gateway.exchange(policy(["mine", "open/*"]))
    const status = async (model: string) => (await send(gateway, { headers: bearer(secrets.ALICE_KEY), body: asking({ model }) })).status
    assert.strictEqual(await status("open/gpt-free"), 200)
    assert.strictEqual(await status("open/gpt-declared"), 403, "a declared target is granted by its name alone")
    assert.strictEqual(await status("mine"), 200)
    assert.deepStrictEqual(
      open.heard.map(({ json }) => json["model"]),
      ["gpt-free", "gpt-mine"]
    )
  })

  it("not in another region, nor at another provider", async () => {
    const { gateway, two } = await pair(asked, {
      classes: { narrow: { may: ["one", "two"], providers: ["one"] }, wide: { may: ["one", "two"], regions: ["eu"] } }
    })
    assert.include((await refused(gateway, "two")).error.message, "`classes.narrow.providers`")
    const nowhere = await send(gateway, { headers: bearer(secrets.BOB_KEY), body: asking({ model: "two" }) })
    assert.include(nowhere.json["error"].message, "`classes.wide.regions` needs a region")
    assert.strictEqual(two.heard.length, 0)
  })

  it("and does not learn of it: models that it may not use are neither listed nor suggested", async () => {
    const { gateway } = await pair(asked, {
      routes: [
        { name: "wide", when: wideOnly, to: "two" },
        { name: "default", to: asked }
      ]
    })
    const list = async (headers: Readonly<Record<string, string>>) =>
      (await send(gateway, { method: "GET", path: "/v1/models", headers })).json
    const ids = async (secret: string) => ((await list(bearer(secret)))["data"] as ReadonlyArray<{ id: string }>).map(({ id }) => id)
    assert.deepStrictEqual(await ids(secrets.ALICE_KEY), ["one"])
    assert.deepStrictEqual(await ids(secrets.BOB_KEY), ["one", "two"])
    assert.strictEqual((await list({}))["error"].code, "invalid_api_key")
    const { error } = await refused(gateway, "twoo")
    assert.strictEqual(error.code, "model_not_found")
    assert.notInclude(error.message, "`two`")
  })
})

describe("with keys", () => {
  it("the gateway may be reached by others, whatever they call it; without, it does not start there, and no reload opens it", async () => {
    const { gateway, one, two } = await pair("one", {}, undefined, { host: "0.0.0.0" })
    const abroad = { host: "gateway.example.com", origin: "https://example.com" }
    assert.strictEqual((await send(gateway, { headers: { ...abroad, ...bearer(secrets.BOB_KEY) }, body: asking() })).status, 200)
    assert.strictEqual((await send(gateway, { headers: abroad, body: asking() })).status, 401)
    const keyless = policyOver({ one, two }, "one")
    const refusedReload = await gateway.exchange(keyless).then(
      () => "opened",
      (error: unknown) => String(error)
    )
    assert.include(refusedReload, "without keys everybody")
    assert.strictEqual((await send(gateway, { headers: abroad, body: asking() })).status, 401, "the policy with keys still serves")
    const start = await startGateway(keyless, { host: "0.0.0.0" }).then(
      () => "opened",
      (error: unknown) => String(error)
    )
    assert.include(start, "without keys everybody")
  })

  it("health and readiness answer anybody, figures this machine or a key", async () => {
    const { gateway } = await pair("one")
    const get = async (path: string) => (await send(gateway, { method: "GET", path })).status
    assert.deepStrictEqual(
      [await get("/healthz"), await get("/readyz"), await get("/metrics"), await get("/v1/models")],
      [200, 200, 200, 401]
    )
  })

  it("a call keeps the keys and grants that it began with, and the next one has the new", async () => {
    const { gateway, one, two } = await pair(asked)
    const ask = async (secret: string, model: string) => (await send(gateway, { headers: bearer(secret), body: asking({ model }) })).status
    assert.strictEqual(await ask(secrets.ALICE_KEY, "two"), 403)
    await gateway.exchange(policyOver({ one, two }, asked, { ...callers, classes: { narrow: { may: ["two"] }, wide: { may: ["one"] } } }))
    assert.deepStrictEqual(
      [await ask(secrets.ALICE_KEY, "two"), await ask(secrets.ALICE_KEY, "one"), await ask(secrets.BOB_KEY, "two")],
      [200, 403, 403]
    )
    await gateway.exchange(policyOver({ one, two }, asked, { ...callers, keys: { bob: callers.keys!["bob"]! } }))
    assert.strictEqual(await ask(secrets.ALICE_KEY, "two"), 401, "a key that is taken away is nobody's")
  })
})
