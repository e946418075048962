/** A gateway that is told to stop: what is under way is waited for, what takes too long is cut off and told so in its caller's dialect, and nothing is left. */
import { Agent, request as httpRequest, type IncomingMessage } from "node:http"
import { once } from "node:events"
import Anthropic from "@anthropic-ai/sdk"
import { GoogleGenAI } from "@google/genai"
import { assert, describe, it } from "@effect/vitest"
import OpenAI from "openai"
import { collect } from "./client.ts"
import {
  afterwards,
  asking,
  chunk,
  chunks,
  clientOf,
  dial,
  directory,
  opening,
  openStream,
  paced,
  policyOver,
  runHere,
  send,
  silence,
  soon,
  startCli,
  startGateway,
  startUpstream,
  until
} from "./support.ts"

const textOf = async (answer: IncomingMessage): Promise<string> => {
  let text = ""
  answer.setEncoding("utf8").on("data", (part: string) => (text += part))
  await until(() => answer.closed || answer.complete, "the end of the answer")
  return text
}

/** A gateway with one stream under way, which its provider goes on with when told to. */
const streaming = async (options: Parameters<typeof startGateway>[1]) => {
  const open = paced()
  const one = await startUpstream(open.script)
  const gateway = await startGateway(policyOver({ one }, "one"), options)
  const reading = openStream(gateway, asking({ stream: true }))
  await open.began
  open.write(opening + chunk({ content: "Take" }))
  const answer = await reading
  return { open, one, gateway, answer }
}

describe("a stop waits", () => {
  it("for streams and whole answers, refuses what comes meanwhile, and lets go of connections that are kept alive", async () => {
    const { answer, gateway, one, open } = await streaming({ drainMillis: 20_000 })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    afterwards(() => agent.destroy())
    const kept = async (path: string): Promise<IncomingMessage> => {
      const request = httpRequest({
        host: "127.0.0.1",
        port: gateway.port,
        agent,
        path,
        method: path === "/readyz" ? "GET" : "POST",
        headers: { "content-type": "application/json" }
      })
      request.end(path === "/readyz" ? undefined : asking())
      const [response] = (await once(request, "response")) as [IncomingMessage]
      return response
    }
    const late = paced()
    one.plays(late.script)
    const whole = kept("/v1/chat/completions")
    await late.began
    const connected = await dial(gateway)
    // A connection that has carried a call and waits for the next one is closed at once; one that has begun a request is not.
    connected.socket.write("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
    await send(gateway, { method: "GET", path: "/healthz" })
    let stopped = false
    const stopping = gateway.stop().then(() => (stopped = true))
    // The head of this one was on its way when the gateway was told to stop.
    connected.socket.write(`Content-Length: ${asking().length}\r\n\r\n${asking()}`)
    await until(() => connected.text().includes("}"), "a refusal")
    assert.match(connected.text(), /^HTTP\/1\.1 503 [\s\S]*connection: close[\s\S]*"code":"shutting_down"/i)
    await until(connected.closed, "the connection to be closed")
    assert.isFalse(stopped)
    const text = textOf(answer)
    open.write(chunks(" the left").slice(1).join(""))
    open.end()
    assert.match(await text, /Take[\s\S]* the left[\s\S]*\[DONE\]\n\n$/)
    assert.isFalse(stopped)
    late.write(JSON.stringify({ error: { message: "no" } }))
    late.end()
    const response = await whole
    response.resume()
    await soon(stopping, "the end of the stop")
    assert.deepStrictEqual(gateway.lines.map(({ ending }) => ending).toSorted(), ["failed", "refused", "served"])
    assert.notInclude(gateway.said(), "cut off")
  })

  it("for no longer than it is told, and says how many it has cut off", async () => {
    const { answer, gateway, open } = await streaming({ drainMillis: 50 })
    const text = textOf(answer)
    await gateway.stop()
    assert.include(gateway.said(), "stopped with 1 call cut off after 0.05 s")
    assert.deepInclude(gateway.lines[0], { ending: "failed", status: 200, error: "shutting_down" })
    assert.deepInclude(gateway.lines[0]?.attempts?.[0], { outcome: "cancelled", committed: true })
    assert.strictEqual(gateway.lines.length, 1)
    const events = (await text).split("\n\n").filter((event) => event !== "")
    assert.strictEqual(JSON.parse(events.at(-1)!.slice("data: ".length)).error.code, "shutting_down")
    assert.notInclude(await text, "[DONE]")
    await until(open.dropped, "the provider's stream to be let go")
  })
})

describe("what is cut off by a stop", () => {
  const words = "Take the"
  /** Each official client on a stream: reads it, tells when it has the first words, and raises what it raises. */
  const readers: Readonly<Record<string, (url: string, first: () => void) => Promise<unknown>>> = {
    "openai, chat": async (url, first) => {
      const stream = await clientOf({ url }, 0).chat.completions.create({
        model: "any",
        messages: [{ role: "user", content: "?" }],
        stream: true
      })
      for await (const part of stream) if (part.choices[0]?.delta.content === words) first()
    },
    "openai, responses": async (url, first) => {
      const client = new OpenAI({ apiKey: "any", baseURL: `${url}/v1`, maxRetries: 0 })
      for await (const part of await client.responses.create({ model: "any", input: "?", stream: true }))
        if (part.type === "response.output_text.delta") first()
    },
    anthropic: async (url, first) => {
      const client = new Anthropic({ apiKey: "any", baseURL: url, maxRetries: 0 })
      for await (const part of client.messages.stream({ model: "any", max_tokens: 100, messages: [{ role: "user", content: "?" }] }))
        if (part.type === "content_block_delta") first()
    },
    genai: async (url, first) => {
      const client = new GoogleGenAI({ apiKey: "any", httpOptions: { baseUrl: url } })
      for await (const part of await client.models.generateContentStream({ model: "any", contents: "?" }))
        if (part.text !== undefined) first()
    }
  }
  for (const [name, read] of Object.entries(readers)) {
    it(`is an error to the client that reads the stream (${name})`, async () => {
      const open = paced()
      const one = await startUpstream(open.script)
      const gateway = await startGateway(policyOver({ one }, "one"), { drainMillis: 30 })
      let begun = false
      const reading = read(gateway.url, () => (begun = true)).then(
        () => undefined,
        (error: unknown) => error
      )
      await open.began
      open.write(opening + chunk({ content: words }))
      await until(() => begun, "the first words")
      await gateway.stop()
      const error = await soon(reading, "the client's error")
      assert.instanceOf(error, Error)
      assert.match(JSON.stringify(error) + String(error), /the gateway is shutting down/)
      assert.strictEqual(gateway.lines.length, 1)
      assert.deepInclude(gateway.lines[0], { ending: "failed", error: "shutting_down", status: 200 })
    })
  }

  it("gets a 503 where nothing has been answered, in its dialect, for attempts, waits, hedges and bodies alike", async () => {
    const [one, two] = [await startUpstream(silence), await startUpstream(silence)]
    const policy = policyOver({ one, two }, "one", {
      routes: [
        {
          name: "hedged",
          when: { "===": [{ var: "request.model" }, "hedged"] },
          to: { _tag: "Hedge", of: "one", with: "two", after: "1 millis" }
        },
        { name: "only", to: "one" }
      ]
    })
    const gateway = await startGateway(
      {
        ...policy,
        targets: { ...policy.targets, one: { ...policy.targets["one"]!, capacity: { inFlight: 2, queued: 5, wait: "1 minutes" } } }
      },
      { drainMillis: 300 }
    )
    const hedged = send(gateway, { body: asking({ model: "hedged" }) })
    await until(() => one.heard.length === 1 && two.heard.length === 1, "both sides of the hedge")
    const plain = send(gateway, {
      path: "/v1/messages",
      body: JSON.stringify({ model: "any", max_tokens: 9, messages: [{ role: "user", content: "?" }] })
    })
    await until(() => one.heard.length === 2, "the attempt")
    const queued = send(gateway, { body: asking() })
    const arriving = await dial(gateway)
    arriving.socket.write(
      "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    // What was written before has been read when a later request on a later connection has been answered.
    await send(gateway, { method: "GET", path: "/healthz" })
    const began = performance.now()
    await gateway.stop()
    assert.isBelow(performance.now() - began, 5_000)
    for (const [answer, code] of [
      [await hedged, (json: Record<string, any>) => json["error"].code],
      [await plain, (json: Record<string, any>) => json["error"].details.error_code],
      [await queued, (json: Record<string, any>) => json["error"].code]
    ] as const) {
      assert.strictEqual(answer.status, 503)
      assert.strictEqual(code(answer.json), "shutting_down")
      assert.strictEqual(answer.headers["retry-after"], "1")
      assert.notProperty(answer.headers, "x-should-retry")
    }
    await until(arriving.closed, "the connection of the one that never came")
    assert.match(arriving.text(), /^HTTP\/1\.1 503 [\s\S]*"code":"shutting_down"/)
    assert.include(gateway.said(), "stopped with 4 calls cut off after 0.3 s")
    await until(() => [...one.heard, ...two.heard].every(({ dropped }) => dropped), "the providers' connections to be let go")
    assert.strictEqual(one.heard.length, 2)
    assert.deepStrictEqual(
      gateway.lines
        .map(({ attempts, ending, error }) => [ending, error, attempts?.map(({ outcome }) => outcome) ?? []])
        .toSorted((a, b) => b[2]!.length - a[2]!.length),
      [
        ["failed", "shutting_down", ["cancelled", "cancelled"]],
        ["failed", "shutting_down", ["cancelled"]],
        ["failed", "shutting_down", []],
        ["refused", "shutting_down", []]
      ]
    )
  })
})

describe("the process", () => {
  it("tells a stream that it is cut off, leaves 0, and has written every line", async () => {
    const open = paced()
    const one = await startUpstream(open.script)
    const at = directory({ "policy.json": JSON.stringify(policyOver({ one }, "one")) })
    const cli = await startCli(["serve", at("policy.json"), "--port", "0", "--drain", "1"], { ONE_KEY: "sk-one-0123456789" })
    const reading = openStream(cli, asking({ stream: true }))
    await open.began
    open.write(opening + chunk({ content: "Take" }))
    const text = textOf(await reading)
    cli.child.kill("SIGTERM")
    assert.match(await text, /Take[\s\S]*"code":"shutting_down"\}\}\n\n$/)
    assert.strictEqual(await cli.ended(), 0)
    assert.include(cli.stderr(), "stopped with 1 call cut off after 1 s")
    assert.deepStrictEqual(
      cli.lines().map(({ ending, error, status }) => [ending, error, status]),
      [["failed", "shutting_down", 200]]
    )
  })

  it("refuses bounds that leave no room", async () => {
    const at = directory({ "policy.json": "{}" })
    for (const [flags, says] of [
      [["--max-calls", "0"], "--max-calls must be at least 1"],
      [["--max-calls", "10", "--max-connections", "9"], "--max-connections must be at least 10"],
      [["--max-body", "64", "--max-bodies", "32"], "--max-bodies must be at least 64"]
    ] as const) {
      const { status, stderr } = await runHere("serve", at("policy.json"), ...flags)
      assert.strictEqual(status, 2)
      assert.include(stderr, says)
    }
  })
})

it("a stream that ends while the gateway stops is collected whole by its client", async () => {
  const open = paced()
  const one = await startUpstream(open.script)
  const gateway = await startGateway(policyOver({ one }, "one"), { drainMillis: 20_000 })
  const reading = clientOf(gateway, 0).chat.completions.create({ model: "any", messages: [{ role: "user", content: "?" }], stream: true })
  await open.began
  open.write(opening + chunk({ content: "Take" }))
  const stream = await reading
  const stopping = gateway.stop()
  for (const piece of chunks(" the left").slice(1)) open.write(piece)
  open.end()
  const parts = await collect(stream)
  assert.strictEqual(parts.map(({ choices }) => choices[0]?.delta.content ?? "").join(""), "Take the left")
  await soon(stopping, "the end of the stop")
})
