/** Providers that take tokens, through the running gateway: what they are sent, who waits for the first token, and what becomes of one that is refused. */
import { assert, describe, it } from "@effect/vitest"
import type { PolicyEncoded } from "../../src/Policy.ts"
import { asking, completion, json, type Script, secrets, send, silence, startGateway, startUpstream } from "./support.ts"

const granting = (...tokens: ReadonlyArray<string>): ReadonlyArray<Script> =>
  tokens.map((access_token) => json({ token_type: "Bearer", expires_in: 3_600, access_token }))
const answering = json(completion("hello"))

/** A gateway over an Azure resource of which only an application may use a deployment. */
const starting = async (
  { authority, resource }: { readonly authority: ReadonlyArray<Script>; readonly resource: ReadonlyArray<Script> },
  provider: Partial<PolicyEncoded["providers"][string]> = {},
  more: Partial<PolicyEncoded> = {}
) => {
  const [login, azure] = [await startUpstream(...authority), await startUpstream(...resource)]
  const entra = { tenant: "acme.com", client: "1-2", secret: { env: "ONE_KEY" }, authority: login.origin }
  const policy: PolicyEncoded = {
    name: "test",
    providers: { azure: { dialect: "azure", baseUrl: azure.origin, auth: { entra }, ...provider } },
    targets: { chat: { provider: "azure", model: "gpt-4o", deployment: "chat-eu" } },
    routes: [{ name: "only", to: "chat" }],
    ...more
  }
  return { login, azure, gateway: await startGateway(policy) }
}
const body = asking({ messages: [{ role: "user", content: "hello" }] })

describe("tokens", () => {
  it("are got once and sent as bearer tokens to the resource, and the application's secret to nobody but its authority", async () => {
    const { azure, gateway, login } = await starting({ authority: granting("ey.one"), resource: [answering] })
    const all = await Promise.all(Array.from({ length: 10 }, () => send(gateway, { body })))
    assert.deepStrictEqual(
      all.map(({ status }) => status),
      all.map(() => 200)
    )
    assert.lengthOf(login.heard, 1)
    assert.strictEqual(login.heard[0]!.path, "/acme.com/oauth2/v2.0/token")
    for (const { body: sent, headers, json: asked, path } of azure.heard) {
      assert.deepStrictEqual([path, headers.authorization, headers["api-key"]], ["/openai/v1/chat/completions", "Bearer ey.one", undefined])
      assert.strictEqual(asked["model"], "chat-eu")
      assert.notInclude(JSON.stringify(headers) + sent.toString(), secrets.ONE_KEY)
    }
  })

  it("go to a deployment's own address where a dated version is named", async () => {
    const { azure, gateway } = await starting({ authority: granting("one"), resource: [answering] }, { apiVersion: "2024-10-21" })
    assert.strictEqual((await send(gateway, { body })).status, 200)
    assert.strictEqual(azure.heard[0]!.path, "/openai/deployments/chat-eu/chat/completions?api-version=2024-10-21")
  })

  it("that the resource refuses are dropped, so that the next attempt has another", async () => {
    const refused = json({ error: { code: "401", message: "token one is revoked" } }, { status: 401 })
    const { azure, gateway, login } = await starting({ authority: granting("one", "two"), resource: [refused, answering] })
    const first = await send(gateway, { body })
    assert.strictEqual(first.status, 502)
    assert.strictEqual((await send(gateway, { body })).status, 200)
    assert.lengthOf(login.heard, 2)
    assert.deepStrictEqual(
      azure.heard.map(({ headers }) => headers.authorization),
      ["Bearer one", "Bearer two"]
    )
  })

  it("are told to nobody, should the resource repeat them", async () => {
    const token = "ey.header-payload.signature~x"
    for (const status of [400, 401, 500]) {
      const repeating = json({ error: { code: token, message: `bad: Bearer ${token}`, param: token } }, { status })
      const { gateway } = await starting({ authority: granting(token), resource: [repeating] })
      const { body: text } = await send(gateway, { body })
      assert.notInclude(text.toString(), token, String(status))
      assert.notInclude(JSON.stringify(await gateway.line(0)), token)
    }
  })

  it("that cannot be got are a failure like another: another provider answers, and nothing is billed", async () => {
    const denied = json({ error: "invalid_client", error_description: "AADSTS7000215: Invalid client secret" }, { status: 401 })
    const two = await startUpstream(answering)
    const { azure, gateway } = await starting({ authority: [denied], resource: [answering] }, {}, {})
    const alone = await send(gateway, { body })
    assert.strictEqual(alone.status, 502)
    assert.include(alone.body.toString(), "AADSTS7000215")
    assert.lengthOf(azure.heard, 0)

    const over = await starting({ authority: [denied], resource: [answering] })
    const { baseUrl } = two
    const policy: PolicyEncoded = {
      name: "test",
      providers: {
        azure: {
          dialect: "azure",
          baseUrl: over.azure.origin,
          auth: { entra: { tenant: "t", client: "c", secret: { env: "ONE_KEY" }, authority: over.login.origin } }
        },
        two: { dialect: "openai", baseUrl, key: { env: "TWO_KEY" } }
      },
      targets: { chat: { provider: "azure", model: "m" }, other: { provider: "two", model: "m" } },
      routes: [{ name: "only", to: { _tag: "First", of: ["chat", "other"] } }]
    }
    const failing = await startGateway(policy)
    assert.strictEqual((await send(failing, { body })).status, 200)
    const { attempts } = await failing.line(0)
    assert.deepStrictEqual(
      attempts?.map(({ outcome, target }) => [target, outcome]),
      [
        ["chat", "auth"],
        ["other", "served"]
      ]
    )
  })

  it("are waited for no longer than the route lets an attempt begin", { timeout: 15_000 }, async () => {
    const { azure, gateway } = await starting(
      { authority: [silence], resource: [answering] },
      {},
      { routes: [{ name: "only", to: { _tag: "Within", duration: "300 millis", of: "chat" } }] }
    )
    const began = performance.now()
    const { body: text, status } = await send(gateway, { body })
    assert.isBelow(performance.now() - began, 3_000)
    assert.strictEqual(status, 504)
    assert.include(text.toString(), "token")
    assert.lengthOf(azure.heard, 0)
  })
})

describe("keys", () => {
  it("go to Azure in a header of its own, and to Gemini in Google's", async () => {
    const one = await startUpstream(answering)
    const azure: PolicyEncoded = {
      name: "test",
      providers: { azure: { dialect: "azure", baseUrl: `${one.origin}/openai/`, key: { env: "ONE_KEY" } } },
      targets: { chat: { provider: "azure", model: "m" } },
      routes: [{ name: "only", to: "chat" }]
    }
    assert.strictEqual((await send(await startGateway(azure), { body })).status, 200)
    const { headers, path } = one.heard[0]!
    assert.deepStrictEqual([path, headers["api-key"], headers.authorization], ["/openai/v1/chat/completions", secrets.ONE_KEY, undefined])

    const said = {
      candidates: [{ content: { role: "model", parts: [{ text: "hi" }] }, finishReason: "STOP" }],
      usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 }
    }
    const two = await startUpstream(json(said))
    const gemini: PolicyEncoded = {
      name: "test",
      providers: { gemini: { dialect: "gemini", baseUrl: `${two.origin}/v1beta`, key: { env: "TWO_KEY" } } },
      targets: { flash: { provider: "gemini", model: "gemini-3.8-flash" } },
      routes: [{ name: "only", to: "flash" }]
    }
    assert.strictEqual((await send(await startGateway(gemini), { body })).status, 200)
    const asked = two.heard[0]!
    assert.deepStrictEqual(
      [asked.path, asked.headers["x-goog-api-key"], asked.headers.authorization],
      ["/v1beta/models/gemini-3.8-flash:generateContent", secrets.TWO_KEY, undefined]
    )
  })
})
