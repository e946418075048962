/**
 * Secrets that a policy sets as headers, repeated by a provider in what it says of a failure: they reach neither the caller nor the record.
 */
import { assert, describe, it } from "@effect/vitest"
import { event, json, type Script, send, startGateway, startUpstream, stream } from "../http/support.ts"

const secrets = {
  "x-portkey-virtual-key": "vk-live-0001",
  "cf-aig-authorization": "Bearer cfaig-0002",
  "x-access-token": `quo"ted\\0003`,
  "x-client-secret": "vk-live-0001-and-more"
}
/** What stands for each in what a provider repeats. */
const told = ["vk-live-0001", "cfaig-0002", `quo"ted\\0003`, "vk-live-0001-and-more"]
const open = { "x-team": "platform-team", "x-max-token-count": "4096" }

const asking = (stream: boolean) => JSON.stringify({ model: "one", messages: [{ role: "user", content: "Which way?" }], stream })

const begin = async (script: Script) => {
  const upstream = await startUpstream(script)
  const gateway = await startGateway({
    name: "test",
    providers: { p: { dialect: "openai", baseUrl: upstream.baseUrl, key: { env: "ONE_KEY" }, speaks: ["chat.completions"] } },
    targets: { one: { provider: "p", model: "m-1" } },
    routes: [{ name: "only", to: { _tag: "Send", target: "one", set: { headers: { ...secrets, ...open } } } }]
  })
  return { gateway, upstream }
}

const message = `no ${told.join(", no ")}, and neither platform-team nor 4096`
const isClean = (text: string): void => {
  for (const secret of told) {
    assert.notInclude(text, secret)
    assert.notInclude(text, JSON.stringify(secret).slice(1, -1))
  }
  assert.notInclude(text, "and-more")
}

describe("what a policy sets", () => {
  it("is sent, and its secrets are not told when a provider repeats them", async () => {
    const { gateway, upstream } = await begin(
      json({ error: { message, type: "invalid_request_error", param: null, code: "vk-live-0001" } }, { status: 400 })
    )
    const answer = await send(gateway, { body: asking(false) })
    for (const [name, value] of Object.entries({ ...secrets, ...open })) assert.strictEqual(upstream.heard[0]!.headers[name], value)
    assert.strictEqual(answer.status, 400)
    isClean(answer.body.toString())
    assert.include(answer.body.toString(), "no [redacted], no [redacted], no [redacted], no [redacted], and neither platform-team nor 4096")
    isClean(JSON.stringify(await gateway.line(0)))
  })

  it("inside a success and inside a stream as well", async () => {
    const error = { error: { message, type: "server_error", param: null, code: null } }
    for (const streamed of [false, true]) {
      const { gateway } = await begin(streamed ? stream([event(error)]) : json(error))
      const answer = await send(gateway, { body: asking(streamed) })
      assert.isAtLeast(answer.status, 500)
      isClean(answer.body.toString())
      assert.include(answer.body.toString(), "platform-team nor 4096")
      isClean(JSON.stringify(await gateway.line(0)))
    }
  })
})
