/**
 * The APIs of the running gateway at all their addresses: models by every name, lists of models, keys, errors in the caller's shape, counting and embeddings over each dialect, what a
 * translation cannot carry, pictures that are named by an address, and seals of other dialects.
 */
import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { apiNames } from "../../src/Apis.ts"
import type { Api } from "../../src/Call.ts"
import * as Exchange from "../../src/Exchange.ts"
import { Fetch, type Fetched, type FetchLimits } from "../../src/Fetch.ts"
import { Health } from "../../src/Health.ts"
import { Keys } from "../../src/Keys.ts"
import { Ledger } from "../../src/Ledger.ts"
import { make } from "../../src/Pipeline.ts"
import type { PolicyEncoded, StrategyEncoded } from "../../src/Policy.ts"
import { type DialectName, dialectNames } from "../../src/Providers.ts"
import { messages } from "../../src/providers/anthropic.ts"
import { chatCompletions } from "../../src/providers/openai.ts"
import { responsesApi } from "../../src/providers/responses.ts"
import { type CallRecord, Recorder } from "../../src/Recorder.ts"
import { Slots } from "../../src/Slots.ts"
import { Upstream, type UpstreamRequest } from "../../src/Upstream.ts"
import { compiled } from "../scripted.ts"
import { pixel } from "./sdk/driver.ts"
import { plays, type Scene } from "./sdk/scenes.ts"
import { type Answered, type Heard, json, type Script, send, type StartedGateway, startGateway, startUpstream } from "./support.ts"

type Json = Readonly<Record<string, any>>

const scene: Scene = { words: ["Left ", "at the points."] }

/** Vectors of two numbers, one for each input. */
const vectors = (n: number): ReadonlyArray<ReadonlyArray<number>> => Array.from({ length: n }, (_, i) => [i + 0.5, -0.25])

/** What a provider of any dialect answers at the address that it is asked at. */
const provider: Script = (response, heard) => {
  const { json: asked, path } = heard
  const answer = (value: unknown) => json(value)(response, heard)
  if (path.endsWith("/messages/count_tokens")) answer({ input_tokens: 21 })
  else if (path.endsWith("/responses/input_tokens")) answer({ object: "response.input_tokens", input_tokens: 22 })
  else if (path.endsWith(":countTokens")) answer({ totalTokens: 23, promptTokensDetails: [{ modality: "TEXT", tokenCount: 23 }] })
  else if (path.endsWith("/embeddings")) {
    const inputs = [asked["input"]].flat()
    answer({
      object: "list",
      model: asked["model"],
      data: vectors(inputs.length).map((embedding, index) => ({
        object: "embedding",
        index,
        embedding: asked["encoding_format"] === "base64" ? Buffer.from(Float32Array.from(embedding).buffer).toString("base64") : embedding
      })),
      usage: { prompt_tokens: 8, total_tokens: 8 }
    })
  } else if (path.endsWith(":embedContent")) answer({ embedding: { values: vectors(1)[0] } })
  else if (path.endsWith(":batchEmbedContents")) answer({ embeddings: vectors(asked["requests"].length).map((values) => ({ values })) })
  else plays(scene)(response, heard)
}

const key = { env: "ONE_KEY" }

/** A provider of each dialect, all at one port, and one target for each. */
const open = async (more: Partial<PolicyEncoded> = {}, script: Script = provider, options: Parameters<typeof startGateway>[1] = {}) => {
  const upstream = await startUpstream(script)
  const { origin } = upstream
  const gateway = await startGateway(
    {
      name: "apis",
      providers: {
        chat: { dialect: "openai", baseUrl: `${origin}/v1`, key, speaks: ["chat.completions"] },
        responses: { dialect: "openai", baseUrl: `${origin}/v1`, key, speaks: ["responses"] },
        claude: { dialect: "anthropic", baseUrl: `${origin}/v1`, key },
        gemini: { dialect: "gemini", baseUrl: `${origin}/v1beta`, key, open: true }
      },
      targets: {
        "by-chat": { provider: "chat", model: "gpt-5.4" },
        "by-responses": { provider: "responses", model: "gpt-5.4-mini" },
        "by-claude": { provider: "claude", model: "claude-sonnet-4-5", maxOutputTokens: 8_000 },
        "by-gemini": { provider: "gemini", model: "gemini-3-pro-preview" },
        "by-old": { provider: "gemini", model: "gemini-2.0-flash" }
      },
      aliases: { best: "by-claude", "team/best": "best" },
      routes: [{ name: "only", to: { _tag: "Asked" } }],
      ...more
    },
    options
  )
  return { gateway, upstream }
}

const targets: Readonly<Record<DialectName, string>> = {
  "chat.completions": "by-chat",
  responses: "by-responses",
  messages: "by-claude",
  generateContent: "by-gemini"
}

const say = [{ role: "user", content: "Which way?" }]
const contents = [{ role: "user", parts: [{ text: "Which way?" }] }]

/** A request to each API that names its model in the body. */
const bodies: Readonly<Record<string, (model: string) => Json>> = {
  "chat.completions": (model) => ({ model, messages: say }),
  responses: (model) => ({ model, input: "Which way?" }),
  embeddings: (model) => ({ model, input: "Left" }),
  messages: (model) => ({ model, max_tokens: 100, messages: say }),
  "messages.count_tokens": (model) => ({ model, messages: say })
}

/** And to each method of the API whose address names it. */
const methods: Readonly<Record<string, Json>> = {
  generateContent: { contents },
  streamGenerateContent: { contents },
  countTokens: { contents },
  embedContent: { content: { parts: [{ text: "Left" }] } },
  batchEmbedContents: { requests: [{ model: "models/m", content: { parts: [{ text: "Left" }] } }] }
}

const post = (gateway: StartedGateway, path: string, value: unknown, headers: Readonly<Record<string, string>> = {}) =>
  send(gateway, { path, body: JSON.stringify(value), headers })

const get = (gateway: StartedGateway, path: string, headers: Readonly<Record<string, string>> = {}) =>
  send(gateway, { method: "GET", path, headers })

interface Told {
  readonly code: unknown
  readonly param: unknown
  readonly message: string
}

type Shape = "openai" | "anthropic" | "google"

/** What an error says, where it has the shape. */
const told = (shape: Shape, { json: body, status }: Answered): Told => {
  const { error } = body
  if (shape === "google") {
    assert.strictEqual(error.code, status, JSON.stringify(body))
    assert.match(error.status, /^[A-Z_]+$/)
    const [info, violation] = error.details
    return { code: info.reason, param: violation?.fieldViolations?.[0].field, message: error.message }
  }
  assert.strictEqual(body["type"], shape === "anthropic" ? "error" : undefined, JSON.stringify(body))
  if (shape === "anthropic") return { code: error.details.error_code, param: error.param, message: error.message }
  assert.deepStrictEqual(Object.keys(error), ["message", "type", "param", "code"])
  return error
}

const shapes: Readonly<Record<DialectName, Shape>> = {
  "chat.completions": "openai",
  responses: "openai",
  messages: "anthropic",
  generateContent: "google"
}

const paths: Readonly<Record<DialectName, (model: string) => string>> = {
  "chat.completions": () => "/v1/chat/completions",
  responses: () => "/v1/responses",
  messages: () => "/v1/messages",
  generateContent: (model) => `/v1beta/models/${encodeURIComponent(model)}:generateContent`
}

/** Asks for an answer in the words of a dialect. */
const ask = (
  gateway: StartedGateway,
  dialect: DialectName,
  model: string,
  more: Json = {},
  headers: Readonly<Record<string, string>> = {}
) => post(gateway, paths[dialect](model), { ...(dialect === "generateContent" ? { contents } : bodies[dialect]!(model)), ...more }, headers)

const textIn: Readonly<Record<DialectName, (json: Json) => unknown>> = {
  "chat.completions": (json) => json["choices"][0].message.content,
  responses: (json) => json["output"].find((item: Json) => item["type"] === "message").content[0].text,
  messages: (json) => json["content"].find((block: Json) => block["type"] === "text").text,
  generateContent: (json) => json["candidates"][0].content.parts.find((part: Json) => part["thought"] !== true).text
}

describe("addresses", () => {
  const fixed: ReadonlyArray<readonly [api: string, end: string, prefixes: ReadonlyArray<string>]> = [
    ["chat.completions", "chat/completions", ["/v1/", "/openai/v1/", "/openai/"]],
    ["responses", "responses", ["/v1/", "/openai/v1/", "/openai/"]],
    ["embeddings", "embeddings", ["/v1/", "/openai/v1/", "/openai/"]],
    ["messages", "messages", ["/v1/", "/anthropic/v1/", "/anthropic/"]],
    ["messages.count_tokens", "messages/count_tokens", ["/v1/", "/anthropic/v1/", "/anthropic/"]]
  ]
  const places = [
    "v1beta/models",
    "v1/models",
    "v1alpha/models",
    "v1beta1/models",
    "v1beta/tunedModels",
    "v1beta1/publishers/google/models",
    "v1beta1/projects/p-1/locations/europe-west4/publishers/google/models",
    "v1/projects/p-1/locations/global/publishers/google/models"
  ]

  it("each API answers under each of its prefixes", async () => {
    const { gateway } = await open()
    const seen = new Set<string>()
    let n = 0
    for (const [api, end, prefixes] of fixed) {
      for (const prefix of prefixes) {
        const answer = await post(gateway, `${prefix}${end}`, bodies[api]!(api === "messages.count_tokens" ? "by-claude" : "by-chat"))
        assert.strictEqual(answer.status, 200, `${prefix}${end}: ${answer.body.toString()}`)
        assert.deepInclude(await gateway.line(n++), { api, ending: "served", status: 200 })
        seen.add(api)
      }
    }
    for (const prefix of ["/", "/genai/"]) {
      for (const place of places) {
        for (const [method, body] of Object.entries(methods)) {
          const path = `${prefix}${place}/by-gemini:${method}`
          const answer = await post(gateway, method === "streamGenerateContent" ? `${path}?alt=sse` : path, body)
          assert.strictEqual(answer.status, 200, `${path}: ${answer.body.toString()}`)
          const { api, stream } = await gateway.line(n++)
          assert.strictEqual(api, method === "streamGenerateContent" ? "generateContent" : method)
          assert.strictEqual(stream, method === "streamGenerateContent")
          seen.add(api)
        }
      }
    }
    assert.deepStrictEqual([...seen].sort(), [...apiNames].sort(), "no API is left out here")
  })

  it("a model goes by every name that it has, in the body and in the address", async () => {
    const { gateway, upstream } = await open()
    const names: ReadonlyArray<readonly [name: string, target: string, sent: string]> = [
      ["by-claude", "by-claude", "claude-sonnet-4-5"],
      ["claude/claude-sonnet-4-5", "by-claude", "claude-sonnet-4-5"],
      ["claude-sonnet-4-5", "by-claude", "claude-sonnet-4-5"],
      ["best", "by-claude", "claude-sonnet-4-5"],
      ["team/best", "by-claude", "claude-sonnet-4-5"],
      ["gemini-3-pro-preview", "by-gemini", "gemini-3-pro-preview"],
      ["gemini/gemini-3-pro-preview", "by-gemini", "gemini-3-pro-preview"],
      ["gemini/some/model:of-theirs", "gemini/some/model:of-theirs", "some/model:of-theirs"]
    ]
    let n = 0
    for (const [name, target, sent] of names) {
      const asked: ReadonlyArray<readonly [path: string, body: Json]> = [
        ...(["chat.completions", "responses", "messages"] as const).map((api) => [paths[api](name), bodies[api]!(name)] as const),
        [`/v1beta/models/${name}:generateContent`, { contents }],
        [`/v1beta/models/${encodeURIComponent(name)}:generateContent`, { contents }],
        [`/genai/v1beta/models/${encodeURIComponent(name)}:streamGenerateContent?alt=sse`, { contents }]
      ]
      for (const [path, body] of asked) {
        const answer = await post(gateway, path, body)
        assert.strictEqual(answer.status, 200, `${path}: ${answer.body.toString()}`)
        assert.deepInclude(await gateway.line(n), { model: name, target })
        const heard = upstream.heard[n++]!
        if (target === "by-claude") assert.strictEqual(heard.json["model"], sent)
        else assert.include(heard.path, `/v1beta/models/${encodeURIComponent(sent)}:`)
      }
    }
  })

  it("an address of Google's that cannot be read, and a stream in another format than events, are refused", async () => {
    const { gateway, upstream } = await open()
    for (const [path, pattern] of [
      ["/v1beta/models/by-%zz:generateContent", /address/],
      ["/v1beta/models/by-gemini:streamGenerateContent", /alt=sse/],
      ["/v1beta/models/by-gemini:streamGenerateContent?alt=json", /alt=sse/]
    ] as const) {
      const answer = await post(gateway, path, { contents })
      assert.strictEqual(answer.status, 400)
      assert.match(told("google", answer).message, pattern)
    }
    assert.strictEqual(upstream.heard.length, 0)
    assert.strictEqual((await gateway.line(2)).ending, "refused")
  })

  const nowhere: ReadonlyArray<readonly [path: string, shape: Shape]> = [
    ["/", "openai"],
    ["/v1/nothing", "openai"],
    ["/openai/v1/nothing", "openai"],
    ["/openai", "openai"],
    ["/v1/messages/nothing", "anthropic"],
    ["/anthropic/v1/nothing", "anthropic"],
    ["/anthropic", "anthropic"],
    ["/v1beta/models/by-gemini:doWhatever", "google"],
    ["/v1beta/models/:generateContent", "google"],
    ["/v1beta/nothing", "google"],
    ["/genai/v1/nothing", "google"],
    ["/v1alpha/nothing", "google"]
  ]
  it("what is nowhere is a 404 in the shape of its prefix, with a line", async () => {
    const { gateway } = await open()
    for (const [n, [path, shape]] of nowhere.entries()) {
      const answer = await post(gateway, path, {})
      assert.strictEqual(answer.status, 404, path)
      assert.strictEqual(told(shape, answer).code, "not_found")
      // It has reached no API, whatever its answer looks like.
      assert.deepInclude(await gateway.line(n), { api: "none", ending: "refused", status: 404, error: "not_found" })
    }
  })

  it("another method is a 405 in the shape of its API, which says which one is taken, with a line", async () => {
    const { gateway } = await open()
    const cases: ReadonlyArray<readonly [method: string, path: string, shape: Shape, allow: string]> = [
      ["GET", "/v1/chat/completions", "openai", "POST"],
      ["PUT", "/openai/responses", "openai", "POST"],
      ["GET", "/v1/embeddings", "openai", "POST"],
      ["GET", "/v1/messages", "anthropic", "POST"],
      ["DELETE", "/anthropic/v1/messages/count_tokens", "anthropic", "POST"],
      ["GET", "/v1beta/models/by-gemini:generateContent", "google", "POST"],
      ["POST", "/v1/models", "openai", "GET"],
      ["DELETE", "/openai/v1/models/by-chat", "openai", "GET"],
      ["POST", "/anthropic/v1/models", "anthropic", "GET"],
      ["POST", "/v1beta/models", "google", "GET"],
      ["PATCH", "/genai/v1beta/models/by-gemini", "google", "GET"]
    ]
    for (const [n, [method, path, shape, allow]] of cases.entries()) {
      const answer = await send(gateway, { method, path })
      assert.strictEqual(answer.status, 405, `${method} ${path}`)
      assert.strictEqual(answer.headers["allow"], allow)
      assert.strictEqual(told(shape, answer).code, "method_not_allowed")
      assert.deepInclude(await gateway.line(n), { ending: "refused", status: 405, error: "method_not_allowed" })
    }
  })
})

describe("lists of models", () => {
  const names = ["by-chat", "by-responses", "by-claude", "by-gemini", "by-old", "best", "team/best"]

  it("come in the shape of each API", async () => {
    const { gateway } = await open()
    for (const path of ["/v1/models", "/openai/v1/models", "/openai/models"]) {
      const { json: list, status } = await get(gateway, path)
      assert.strictEqual(status, 200)
      assert.strictEqual(list["object"], "list")
      assert.sameMembers(
        list["data"].map(({ id }: Json) => id),
        names
      )
      assert.deepStrictEqual(
        list["data"].find(({ id }: Json) => id === "by-chat"),
        {
          id: "by-chat",
          object: "model",
          created: 0,
          owned_by: "chat"
        }
      )
    }
    const versions: Readonly<Record<string, string>> = { "anthropic-version": "2023-06-01" }
    for (const [path, headers] of [
      ["/v1/models", versions],
      ["/anthropic/v1/models", {}],
      ["/anthropic/models", {}]
    ] as const) {
      const { json: list } = await get(gateway, path, headers)
      assert.strictEqual(list["has_more"], false)
      assert.sameMembers(
        list["data"].map(({ id }: Json) => id),
        names
      )
      assert.strictEqual(list["first_id"], list["data"][0].id)
      assert.strictEqual(list["last_id"], list["data"].at(-1).id)
      for (const { created_at, type } of list["data"])
        assert.deepStrictEqual([type, Number.isNaN(Date.parse(created_at))], ["model", false])
    }
    const google: Readonly<Record<string, string>> = { "x-goog-api-key": "any" }
    for (const [path, headers] of [
      ["/v1beta/models", {}],
      ["/genai/v1beta/models", {}],
      ["/genai/v1/models", {}],
      ["/v1alpha/models", {}],
      ["/v1/models", google]
    ] as const) {
      const { json: list } = await get(gateway, path, headers)
      assert.sameMembers(
        list["models"].map(({ name }: Json) => name),
        names.map((name) => `models/${name}`)
      )
      assert.strictEqual(list["models"].find(({ name }: Json) => name === "models/by-claude").outputTokenLimit, 8_000)
    }
  })

  it("of Gemini say of a model that its tokens are counted where its target counts them, and of a name of a route where all do", async () => {
    const routes = [
      { name: "chat", when: { "===": [{ var: "request.model" }, "assistant"] }, to: "by-claude" },
      { name: "default", to: { _tag: "Asked" } }
    ] as const
    const { gateway } = await open({ routes })
    const counts = async (model: string): Promise<boolean> => {
      const { json: one } = await get(gateway, `/v1beta/models/${model}`)
      assert.includeMembers(one["supportedGenerationMethods"], ["generateContent", "streamGenerateContent"])
      return one["supportedGenerationMethods"].includes("countTokens")
    }
    for (const model of ["by-chat", "by-responses", "by-claude", "by-gemini"]) {
      const { status } = await post(gateway, `/v1beta/models/${model}:countTokens`, { contents })
      assert.strictEqual(await counts(model), status === 200, model)
      assert.strictEqual(status, model === "by-chat" ? 422 : 200, model)
    }
    assert.isFalse(await counts("assistant"))
    const { gateway: other } = await open({ routes, guards: [{ name: "no-chat", forbid: { targets: ["by-chat"] } }] })
    const { json: one } = await get(other, "/v1beta/models/assistant")
    assert.include(one["supportedGenerationMethods"], "countTokens")
  })

  it("one by one, whatever slashes its name has; one that there is not is a 404 in the same shape", async () => {
    const { gateway } = await open()
    const addresses: ReadonlyArray<readonly [path: string, shape: Shape, headers: Readonly<Record<string, string>>]> = [
      ["/v1/models", "openai", {}],
      ["/openai/models", "openai", {}],
      ["/v1/models", "anthropic", { "anthropic-version": "2023-06-01" }],
      ["/anthropic/v1/models", "anthropic", {}],
      ["/v1beta/models", "google", {}],
      ["/genai/v1/models", "google", {}],
      ["/v1/models", "google", { "x-goog-api-key": "any" }]
    ]
    for (const [path, shape, headers] of addresses) {
      for (const written of ["by-chat", "team/best", "team%2Fbest"]) {
        const { json: one, status } = await get(gateway, `${path}/${written}`, headers)
        assert.strictEqual(status, 200, `${path}/${written}`)
        const name = decodeURIComponent(written)
        assert.strictEqual(shape === "google" ? one["name"] : one["id"], shape === "google" ? `models/${name}` : name)
      }
      for (const written of ["nobody", "team"]) {
        const answer = await get(gateway, `${path}/${written}`, headers)
        assert.strictEqual(answer.status, 404, `${path}/${written}`)
        assert.strictEqual(told(shape, answer).code, "model_not_found")
      }
      // Which API is meant cannot be seen from an address that nobody can read, but from its prefix.
      const unreadable = await get(gateway, `${path}/%zz`)
      assert.strictEqual(unreadable.status, 404)
      assert.strictEqual(told(path === "/v1/models" ? "openai" : shape, unreadable).code, "not_found")
    }
  })
})

describe("keys", () => {
  const secret = "callers-secret-0123456789"
  const other = "another-secret-0123456789"
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex")
  const keyed: Partial<PolicyEncoded> = {
    classes: { staff: { may: ["by-chat", "by-responses", "by-claude", "by-gemini"] } },
    keys: { alice: { secret: { sha256: sha256(secret) }, class: "staff" }, bob: { secret: { sha256: sha256(other) }, class: "staff" } }
  }
  const carried: ReadonlyArray<(text: string) => Readonly<Record<string, string>>> = [
    (text) => ({ authorization: `Bearer ${text}` }),
    ...["x-api-key", "x-goog-api-key", "api-key", "x-turnout-key"].map((name) => (text: string) => ({ [name]: text }))
  ]

  it("are taken from every header at every API, and none goes on", async () => {
    const { gateway, upstream } = await open(keyed)
    let n = 0
    for (const dialect of dialectNames) {
      for (const headers of carried) {
        assert.strictEqual((await ask(gateway, dialect, targets[dialect], {}, headers(secret))).status, 200)
        assert.strictEqual((await gateway.line(n++)).key, "alice")
        assert.strictEqual((await get(gateway, "/v1/models", headers(secret))).status, 200)
      }
      const wrong = await ask(gateway, dialect, targets[dialect], {}, { authorization: "Bearer nobody" })
      assert.strictEqual(wrong.status, 401)
      assert.strictEqual(told(shapes[dialect], wrong).code, "invalid_api_key")
      n++
    }
    for (const { headers } of upstream.heard) assert.notInclude(JSON.stringify(headers), secret)
  })

  it("stand in the address where Google's clients put them, and only there", async () => {
    const { gateway, upstream } = await open(keyed)
    for (const path of [
      `/v1beta/models/by-gemini:generateContent?key=${secret}`,
      `/genai/v1beta/models/by-gemini:streamGenerateContent?alt=sse&key=${secret}`,
      `/v1beta/models/by-gemini:countTokens?key=${secret}`
    ])
      assert.strictEqual((await post(gateway, path, { contents })).status, 200, path)
    for (const path of [`/v1beta/models?key=${secret}`, `/genai/v1beta/models/by-gemini?key=${secret}`])
      assert.strictEqual((await get(gateway, path)).status, 200, path)
    for (const { path } of upstream.heard) assert.notInclude(path, secret)
    for (const [path, body] of [
      ["/v1/chat/completions", bodies["chat.completions"]!("by-chat")],
      ["/v1/messages", bodies["messages"]!("by-claude")]
    ] as const)
      assert.strictEqual((await post(gateway, `${path}?key=${secret}`, body)).status, 401, path)
    assert.strictEqual((await get(gateway, `/v1/models?key=${secret}`)).status, 401)
    assert.strictEqual((await get(gateway, "/v1beta/models?key=nobody")).status, 401)
    for (const line of gateway.lines) assert.notInclude(JSON.stringify(line), secret)
  })

  it("that differ are refused, because either could be meant", async () => {
    const { gateway, upstream } = await open(keyed)
    for (const dialect of dialectNames) {
      const answer = await ask(gateway, dialect, targets[dialect], {}, { authorization: `Bearer ${secret}`, "x-goog-api-key": other })
      assert.strictEqual(answer.status, 400)
      assert.strictEqual(told(shapes[dialect], answer).code, "conflicting_keys")
    }
    const both = await post(gateway, `/v1beta/models/by-gemini:generateContent?key=${other}`, { contents }, { "x-goog-api-key": secret })
    assert.strictEqual(both.status, 400)
    assert.strictEqual(told("google", both).code, "conflicting_keys")
    const same = await post(gateway, `/v1beta/models/by-gemini:generateContent?key=${secret}`, { contents }, { "x-goog-api-key": secret })
    assert.strictEqual(same.status, 200)
    assert.strictEqual(upstream.heard.length, 1)
  })

  it("are asked for in the shape of the API, lists of models too", async () => {
    const { gateway } = await open(keyed)
    for (const [path, shape, headers] of [
      ["/v1/models", "openai", {}],
      ["/v1/models", "anthropic", { "anthropic-version": "2023-06-01" }],
      ["/anthropic/v1/models", "anthropic", {}],
      ["/v1beta/models", "google", {}]
    ] as const) {
      const answer = await get(gateway, path, headers)
      assert.strictEqual(answer.status, 401)
      assert.strictEqual(told(shape, answer).code, "invalid_api_key")
    }
  })
})

describe("counting tokens", () => {
  const counts: Readonly<Record<string, readonly [tokens: number, path: string]>> = {
    "by-claude": [21, "/v1/messages/count_tokens"],
    "by-responses": [22, "/v1/responses/input_tokens"],
    "by-gemini": [23, "/v1beta/models/gemini-3-pro-preview:countTokens"]
  }
  const callers: ReadonlyArray<
    readonly [name: string, path: (model: string) => string, body: (model: string) => Json, answer: (n: number) => Json]
  > = [
    [
      "messages",
      () => "/v1/messages/count_tokens",
      (model) => ({ model, system: "Be brief.", messages: say }),
      (input_tokens) => ({ input_tokens })
    ],
    [
      "generateContent",
      (model) => `/v1beta/models/${model}:countTokens`,
      () => ({ contents, systemInstruction: { parts: [{ text: "Be brief." }] } }),
      (totalTokens) => ({ totalTokens })
    ]
  ]
  for (const [caller, path, body, answer] of callers) {
    for (const [target, [tokens, asked]] of Object.entries(counts)) {
      it(`of ${caller}, over ${target}`, async () => {
        const { gateway, upstream } = await open()
        const { json: counted, status } = await post(gateway, path(target), body(target))
        assert.strictEqual(status, 200)
        assert.deepInclude(counted, answer(tokens))
        const heard = upstream.heard[0]!
        assert.strictEqual(heard.path, asked)
        assert.include(heard.body.toString(), "Be brief.")
        assert.include(heard.body.toString(), "Which way?")
        assert.notProperty(heard.json, "max_tokens")
        assert.deepInclude(await gateway.line(0), { ending: "served", target, stream: false })
      })
    }

    it(`of ${caller}, over a target that cannot: 422, and nothing is sent`, async () => {
      const { gateway, upstream } = await open()
      const refused = await post(gateway, path("by-chat"), body("by-chat"))
      assert.strictEqual(refused.status, 422)
      assert.strictEqual(told(caller === "messages" ? "anthropic" : "google", refused).code, "missing_capability")
      assert.strictEqual(upstream.heard.length, 0)
      assert.deepInclude(await gateway.line(0), { ending: "refused", status: 422, attempts: [] })
    })

    it(`of ${caller}: the next candidate counts instead`, async () => {
      const { gateway } = await open({ routes: [{ name: "only", to: { _tag: "First", of: ["by-chat", "by-responses"] } }] })
      const { json: counted } = await post(gateway, path("any"), body("any"))
      assert.deepInclude(counted, answer(22))
      assert.strictEqual((await gateway.line(0)).target, "by-responses")
    })
  }
})

describe("embeddings", () => {
  const expected = vectors(2)
  const floats = (text: string): ReadonlyArray<number> => {
    const bytes = Buffer.from(text, "base64")
    return [...new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))]
  }
  for (const target of ["by-chat", "by-gemini"]) {
    for (const format of [undefined, "float", "base64"]) {
      it(`over ${target}, as ${format ?? "usual"}`, async () => {
        const { gateway } = await open()
        const answer = await post(gateway, "/v1/embeddings", {
          model: target,
          input: ["Left", "Right"],
          ...(format === undefined ? {} : { encoding_format: format })
        })
        assert.strictEqual(answer.status, 200, answer.body.toString())
        const { data, object } = answer.json
        assert.strictEqual(object, "list")
        assert.deepStrictEqual(
          data.map(({ index }: Json) => index),
          [0, 1]
        )
        const got = data.map(({ embedding }: Json) => (format === "base64" ? floats(embedding as unknown as string) : embedding))
        assert.deepStrictEqual(got, expected)
      })
    }

    it(`over ${target}, as Google's clients ask`, async () => {
      const { gateway, upstream } = await open()
      const one = await post(gateway, `/v1beta/models/${target}:embedContent`, { content: { parts: [{ text: "Left" }] } })
      assert.deepStrictEqual(one.json["embedding"].values, expected[0], one.body.toString())
      const request = (text: string) => ({ model: `models/${target}`, content: { parts: [{ text }] } })
      const two = await post(gateway, `/v1beta/models/${target}:batchEmbedContents`, { requests: [request("Left"), request("Right")] })
      assert.deepStrictEqual(
        two.json["embeddings"].map(({ values }: Json) => values),
        expected,
        two.body.toString()
      )
      for (const { body } of upstream.heard) assert.notInclude(body.toString(), target, "the provider's own name of the model")
    })
  }
  for (const target of ["by-claude", "by-responses"]) {
    it(`over ${target}: 422, and nothing is sent`, async () => {
      const { gateway, upstream } = await open()
      const answer = await post(gateway, "/v1/embeddings", { model: target, input: "Left" })
      assert.strictEqual(answer.status, 422)
      assert.strictEqual(told("openai", answer).code, "missing_capability")
      const google = await post(gateway, `/v1beta/models/${target}:embedContent`, methods["embedContent"])
      assert.strictEqual(google.status, 422)
      assert.strictEqual(told("google", google).code, "missing_capability")
      assert.strictEqual(upstream.heard.length, 0)
    })
  }

  it("of what another API cannot read are refused, and never made of nothing", async () => {
    const { gateway, upstream } = await open()
    for (const [input, param] of [
      [[1, 2, 3], "input"],
      [[[1, 2], [3]], "input[0]"]
    ] as const) {
      const answer = await post(gateway, "/v1/embeddings", { model: "by-gemini", input })
      assert.strictEqual(answer.status, 400, answer.body.toString())
      assert.deepInclude(told("openai", answer), { code: "untranslatable", param })
    }
    const parts = [{ text: "Left" }, { text: "Right" }]
    const lone = await post(gateway, "/v1beta/models/by-chat:embedContent", { content: { parts } })
    assert.deepInclude(told("google", lone), { code: "untranslatable", param: "content" })
    const batch = await post(gateway, "/v1beta/models/by-chat:batchEmbedContents", {
      requests: [
        { content: { parts: [{ text: "Left" }] } },
        { content: { parts: [{ inlineData: { mimeType: "image/png", data: "AAAA" } }] } }
      ]
    })
    assert.deepInclude(told("google", batch), { code: "untranslatable", param: "requests[1].content" })
    assert.strictEqual(upstream.heard.length, 0)
    // Their own providers are sent them as they are.
    const tokens = await post(gateway, "/v1/embeddings", { model: "by-chat", input: [1, 2, 3] })
    assert.deepStrictEqual([tokens.status, upstream.heard[0]?.json["input"]], [200, [1, 2, 3]])
    const whole = await post(gateway, "/v1beta/models/by-gemini:embedContent", { content: { parts } })
    assert.deepStrictEqual([whole.status, upstream.heard[1]?.json["content"]], [200, { parts }])
  })

  it("tell OpenAI's callers a usage where the provider has none, and that it is not known", async () => {
    const { gateway } = await open()
    const answer = await post(gateway, "/v1/embeddings", { model: "by-gemini", input: "Left" })
    assert.deepStrictEqual(answer.json["usage"], { prompt_tokens: 0, total_tokens: 0 })
    assert.deepStrictEqual((await gateway.line(0)).attempts![0]!.losses, ["usage"])
  })
})

describe("budgets", () => {
  const secret = "callers-secret-0123456789"
  const headers = { authorization: `Bearer ${secret}` }
  /** $10 and $100 for a million tokens: 10,000 and 100,000 nano-dollars a token. */
  const price = { input: { usd: 10 }, output: { usd: 100 } }
  const limited = async (limit: number) => {
    const upstream = await startUpstream(provider)
    const { origin } = upstream
    const gateway = await startGateway({
      name: "apis",
      providers: {
        chat: { dialect: "openai", baseUrl: `${origin}/v1`, key, speaks: ["chat.completions"] },
        claude: { dialect: "anthropic", baseUrl: `${origin}/v1`, key }
      },
      targets: {
        "by-chat": { provider: "chat", model: "text-embedding-3-small", price, addedTokens: 0, maxOutputTokens: 1_000 },
        "by-claude": { provider: "claude", model: "claude-sonnet-4-5", price, maxOutputTokens: 1_000 }
      },
      budgets: { team: { per: "class", limit: { usd: limit }, every: "day" } },
      classes: { staff: { may: ["by-chat", "by-claude"], within: ["team"] } },
      keys: { alice: { secret: { sha256: createHash("sha256").update(secret).digest("hex") }, class: "staff" } },
      routes: [{ name: "only", to: { _tag: "Asked" } }]
    })
    return { gateway, upstream }
  }

  it("counting costs nothing and needs nothing, also where nothing is left", async () => {
    const { gateway } = await limited(0.000_001)
    const counted = await post(gateway, "/v1/messages/count_tokens", bodies["messages.count_tokens"]!("by-claude"), headers)
    assert.strictEqual(counted.status, 200, counted.body.toString())
    const { attempts } = await gateway.line(0)
    assert.deepInclude(attempts![0], { outcome: "served", nano_dollars: 0, reserved_nano_dollars: 0 })
    const answered = await post(gateway, "/v1/messages", bodies["messages"]!("by-claude"), headers)
    assert.strictEqual(answered.status, 402)
    assert.strictEqual(told("anthropic", answered).code, "budget_exhausted")
  })

  it("embeddings are held and charged by their input alone", async () => {
    const { gateway } = await limited(1)
    const answer = await post(gateway, "/v1/embeddings", { model: "by-chat", input: "Left at the points" }, headers)
    assert.strictEqual(answer.status, 200, answer.body.toString())
    const { attempts } = await gateway.line(0)
    assert.deepInclude(attempts![0], { nano_dollars: 8 * 10_000, input_tokens: 8, output_tokens: 0 })
    const held = attempts![0]!.reserved_nano_dollars!
    assert.isAtLeast(held, "Left at the points".length * 10_000)
    assert.isBelow(held, 100 * 10_000)
  })

  it("embeddings are refused where the budget does not cover them", async () => {
    const { gateway, upstream } = await limited(0.000_01)
    const answer = await post(gateway, "/v1/embeddings", { model: "by-chat", input: "Left at the points" }, headers)
    assert.strictEqual(answer.status, 402)
    assert.strictEqual(told("openai", answer).code, "budget_exhausted")
    assert.strictEqual(upstream.heard.length, 0)
  })
})

describe("what a translation cannot carry", () => {
  const kept = { previous_response_id: "resp_123" }

  it("a conversation that a provider keeps goes on to one of the same API as it is", async () => {
    const { gateway, upstream } = await open()
    const answer = await ask(gateway, "responses", "by-responses", kept)
    assert.strictEqual(answer.status, 200)
    assert.strictEqual(upstream.heard[0]!.json["previous_response_id"], "resp_123")
  })

  for (const target of ["by-chat", "by-claude", "by-gemini"]) {
    it(`and is refused for ${target}`, async () => {
      const { gateway, upstream } = await open()
      const answer = await ask(gateway, "responses", target, kept)
      assert.strictEqual(answer.status, 400)
      assert.deepInclude(told("openai", answer), { code: "untranslatable", param: "previous_response_id" })
      assert.strictEqual(upstream.heard.length, 0)
      assert.deepInclude(await gateway.line(0), { ending: "refused", rejections: [{ target, by: "translation" }] })
    })

    it(`and passes ${target} over for one that can`, async () => {
      const { gateway } = await open({ routes: [{ name: "only", to: { _tag: "First", of: [target, "by-responses"] } }] })
      assert.strictEqual((await ask(gateway, "responses", "any", kept)).status, 200)
      assert.strictEqual((await gateway.line(0)).target, "by-responses")
    })
  }

  /** Claude takes `top_k`, and Chat Completions has no such word. */
  const odd = { top_k: 7, max_tokens: 100 }
  const first: StrategyEncoded = { _tag: "First", of: ["by-chat", "by-claude"] }

  it("is reported in a header and in the line", async () => {
    const { gateway, upstream } = await open()
    const answer = await ask(gateway, "messages", "by-chat", odd)
    assert.strictEqual(answer.status, 200)
    assert.strictEqual(answer.headers["x-turnout-loss"], "top_k")
    assert.notProperty(upstream.heard[0]!.json, "top_k")
    assert.deepStrictEqual((await gateway.line(0)).attempts![0]!.losses, ["top_k"])
    const stream = await ask(gateway, "messages", "by-chat", { ...odd, stream: true })
    assert.strictEqual(stream.headers["x-turnout-loss"], "top_k")
    const whole = await ask(gateway, "messages", "by-claude", odd)
    assert.isUndefined(whole.headers["x-turnout-loss"])
    assert.isUndefined((await gateway.line(2)).attempts![0]!.losses)
  })

  const strict: ReadonlyArray<readonly [name: string, more: (to: StrategyEncoded) => Partial<PolicyEncoded>]> = [
    ["the policy", (to) => ({ translation: "strict", routes: [{ name: "only", to }] })],
    ["the route", (to) => ({ routes: [{ name: "only", to, translation: "strict" }] })]
  ]
  for (const [name, more] of strict) {
    it(`keeps a target out where ${name} is strict, and the next one answers`, async () => {
      const { gateway, upstream } = await open(more(first))
      const answer = await ask(gateway, "messages", "any", odd)
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(upstream.heard.length, 1)
      assert.deepInclude(await gateway.line(0), { target: "by-claude", rejections: [{ target: "by-chat", by: "translation" }] })
      // What loses nothing is for the first.
      assert.strictEqual((await ask(gateway, "messages", "any")).status, 200)
      assert.strictEqual((await gateway.line(1)).target, "by-chat")
    })

    it(`is refused by its field where ${name} is strict and no other target is left`, async () => {
      const { gateway, upstream } = await open(more({ _tag: "First", of: ["by-chat", "by-responses"] }))
      const answer = await ask(gateway, "messages", "any", odd)
      assert.strictEqual(answer.status, 400)
      const error = told("anthropic", answer)
      assert.deepInclude(error, { code: "translation_loss", param: "top_k" })
      assert.include(error.message, "`top_k`")
      assert.strictEqual(upstream.heard.length, 0)
      const line = await gateway.line(0)
      assert.deepInclude(line, { ending: "refused", error: "translation_loss" })
      assert.deepStrictEqual(line.rejections, [
        { target: "by-chat", by: "translation" },
        { target: "by-responses", by: "translation" }
      ])
    })
  }

  it("what a caller names at length is told in part, to it and in the record", async () => {
    const many = Object.fromEntries(Array.from({ length: 3_000 }, (_, i) => [`field_${i}_${"x".repeat(400)}`, 1]))
    const strict = await open({ translation: "strict", routes: [{ name: "only", to: "by-chat" }] })
    const refused = await ask(strict.gateway, "messages", "any", many)
    assert.strictEqual(refused.status, 400)
    assert.match(told("anthropic", refused).message, /and the route forbids/)
    assert.include(told("anthropic", refused).message, "2980 more")
    assert.isBelow(refused.body.length, 8_000)
    const { gateway } = await open({ routes: [{ name: "only", to: "by-chat" }] })
    assert.strictEqual((await ask(gateway, "messages", "m".repeat(10_000), many)).status, 200)
    const line = await gateway.line(0)
    assert.isBelow(JSON.stringify(line).length, 20_000)
    assert.strictEqual(line.attempts![0]!.losses!.length, 50)
    assert.deepInclude(line.attempts![0], { more_losses: 2_950 })
    assert.deepInclude(line, { model: "m".repeat(256) })
  })

  it("a route may report what its policy forbids", async () => {
    const { gateway } = await open({ translation: "strict", routes: [{ name: "only", to: "by-chat", translation: "report" }] })
    assert.strictEqual((await ask(gateway, "messages", "any", odd)).headers["x-turnout-loss"], "top_k")
  })
})

describe("pictures", () => {
  const url = "https://images.example.com/line.png"
  /** A picture by its address, in the words of each dialect, and where that stands. */
  const pictured: Readonly<Record<DialectName, readonly [body: Json, at: string]>> = {
    "chat.completions": [
      { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url } }] }] },
      "messages[0].content[0].image_url"
    ],
    responses: [{ input: [{ role: "user", content: [{ type: "input_image", image_url: url }] }] }, "input[0].content[0]"],
    messages: [{ messages: [{ role: "user", content: [{ type: "image", source: { type: "url", url } }] }] }, "messages[0].content[0]"],
    generateContent: [
      { contents: [{ role: "user", parts: [{ fileData: { mimeType: "image/png", fileUri: url } }] }] },
      "contents[0].parts[0]"
    ]
  }
  const broken: Readonly<Record<DialectName, Json>> = {
    "chat.completions": {
      messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:image/png;base64,SGVsbG8=" } }] }]
    },
    responses: { input: [{ role: "user", content: [{ type: "input_image", image_url: "data:image/png;base64,SGVsbG8=" }] }] },
    messages: {
      messages: [{ role: "user", content: [{ type: "image", source: { type: "base64", media_type: "image/png", data: "SGVsbG8=" } }] }]
    },
    generateContent: { contents: [{ role: "user", parts: [{ inlineData: { mimeType: "image/png", data: "SGVsbG8=" } }] }] }
  }
  for (const caller of dialectNames) {
    it(`${caller}: base64 that is no picture is a 400 that names its place`, async () => {
      const { gateway, upstream } = await open()
      for (const target of dialectNames.filter((name) => name !== caller)) {
        const answer = await ask(gateway, caller, targets[target], broken[caller])
        assert.strictEqual(answer.status, 400, `${target}: ${answer.body.toString()}`)
        assert.strictEqual(told(shapes[caller], answer).param, pictured[caller][1])
      }
      assert.strictEqual(upstream.heard.length, 0)
    })
  }

  it("a private address is not fetched from, whatever the policy names", async () => {
    const host = await startUpstream(json({}))
    const { gateway, upstream } = await open({ fetch: { hosts: [new URL(host.origin).host] } })
    const at = `${host.origin}/line.png`
    const answer = await ask(gateway, "chat.completions", "by-old", {
      messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: at } }] }]
    })
    assert.strictEqual(answer.status, 400, answer.body.toString())
    const error = told("openai", answer)
    assert.strictEqual(error.param, "messages[0].content[0].image_url")
    assert.match(error.message, /not a public address/)
    assert.strictEqual(host.heard.length + upstream.heard.length, 0)
  })

  const apis: Readonly<Record<Exclude<DialectName, "generateContent">, Api>> = {
    "chat.completions": chatCompletions,
    responses: responsesApi,
    messages
  }

  const usageMetadata = { promptTokenCount: 9, candidatesTokenCount: 3, totalTokenCount: 12 }

  /** A call to a model of Google's that takes no addresses, and what it comes to. */
  const calling = async (
    caller: keyof typeof apis,
    more: Partial<PolicyEncoded>,
    fetch: (url: URL, limits: FetchLimits) => Effect.Effect<Fetched, string>
  ) => {
    const records: Array<CallRecord> = []
    const sent: Array<UpstreamRequest> = []
    let [status, text] = [0, ""]
    const layer = Layer.mergeAll(
      Exchange.layer({ secretOf: () => undefined, maxAnswerBytes: 1_000_000 }).pipe(
        Layer.provide(
          Layer.mergeAll(
            Layer.succeed(Upstream, {
              send: (request, sink) => {
                sent.push(request)
                queueMicrotask(() => {
                  sink.head(200, { "content-type": "application/json" })
                  const answer = {
                    candidates: [{ content: { role: "model", parts: [{ text: "A line." }] }, finishReason: "STOP" }],
                    usageMetadata
                  }
                  sink.data(new TextEncoder().encode(JSON.stringify(answer)))
                  sink.end()
                })
                return { sent: true, abort: () => {}, pause: () => {}, resume: () => {} }
              }
            }),
            Layer.succeed(Fetch, fetch)
          )
        )
      ),
      Health.layer(),
      Slots.layer,
      Keys.layerNames,
      Ledger.layerMemory,
      Recorder.layerOf((record) => void records.push(record))
    )
    const policy: PolicyEncoded = {
      name: "test",
      providers: { gemini: { dialect: "gemini" } },
      targets: { gemini: { provider: "gemini", model: "gemini-2.0-flash" } },
      routes: [{ name: "only", to: "gemini" }],
      ...more
    }
    const api = apis[caller]
    const body = new TextEncoder().encode(JSON.stringify({ ...bodies[caller]!("any"), ...pictured[caller][0] }))
    await Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const services = yield* Layer.build(layer)
          const pipeline = yield* Effect.provideContext(make(compiled(policy)), services)
          yield* pipeline.run({
            id: "call-1",
            api,
            secret: undefined,
            parse: () => api.parse(body, () => null),
            reply: {
              begun: false,
              begin: (code) => void (status = code),
              write: () => true,
              end: (last) => void (text = String(last)),
              onDrain: () => {}
            }
          })
        })
      )
    )
    const [record] = records
    return {
      request: sent[0],
      status,
      json: JSON.parse(text) as Json,
      losses: record!.call!.attempts[0]?.losses.map(({ field }) => field) ?? []
    }
  }

  const hosts = ["images.example.com"] as const
  const found: Fetched = { mediaType: "image/png", data: pixel }
  const inline = (request: UpstreamRequest | undefined) => {
    const { contents: sent } = JSON.parse(String(request!.body)) as Json
    return sent
      .flatMap(({ parts }: Json) => parts)
      .filter((part: Json) => part["inlineData"] !== undefined || part["fileData"] !== undefined)
  }

  for (const caller of ["chat.completions", "responses", "messages"] as const) {
    const at = pictured[caller][1]

    it(`${caller}: one that lies where the policy lets be fetched from goes on as bytes`, async () => {
      const asked: Array<FetchLimits & { readonly from: string }> = []
      const { losses, request, status } = await calling(
        caller,
        { fetch: { hosts, maxBytes: 1_000 }, translation: "strict" },
        (from, limits) => {
          asked.push({ from: from.href, ...limits })
          return Effect.succeed(found)
        }
      )
      assert.strictEqual(status, 200)
      assert.strictEqual(asked.length, 1)
      assert.deepInclude(asked[0], { from: url, hosts, maxBytes: 1_000 })
      assert.isAtMost(asked[0]!.timeoutMillis, 10_000)
      assert.deepStrictEqual(inline(request), [{ inlineData: { mimeType: "image/png", data: pixel } }])
      assert.deepStrictEqual(losses, [])
    })

    it(`${caller}: one that lies elsewhere is a loss`, async () => {
      const never = () => assert.fail("nothing may be fetched")
      for (const more of [{}, { fetch: { hosts: ["other.example.com"] } }] satisfies ReadonlyArray<Partial<PolicyEncoded>>) {
        const { losses, request, status } = await calling(caller, more, never)
        assert.strictEqual(status, 200)
        assert.deepStrictEqual(inline(request), [])
        assert.deepStrictEqual(losses, [at])
        const strict = await calling(caller, { ...more, translation: "strict" }, never)
        assert.strictEqual(strict.status, 400)
        assert.isUndefined(strict.request)
        assert.include(strict.json["error"].message, at)
      }
    })

    it(`${caller}: one that cannot be got is the caller's to mend`, async () => {
      const { json: body, request, status } = await calling(caller, { fetch: { hosts } }, () => Effect.fail("the server answered 404"))
      assert.strictEqual(status, 400)
      assert.isUndefined(request)
      assert.strictEqual(body["error"].param, at)
      assert.match(body["error"].message, /could not be fetched: the server answered 404/)
    })

    it(`${caller}: what came and is no picture is the caller's to mend`, async () => {
      const {
        json: body,
        request,
        status
      } = await calling(caller, { fetch: { hosts } }, () => Effect.succeed({ mediaType: "text/plain", data: "SGVsbG8=" }))
      assert.strictEqual(status, 400)
      assert.isUndefined(request)
      assert.deepInclude(body["error"], { param: at })
      assert.match(body["error"].message, /expected an image/)
    })
  }

  it("Google's own API gets addresses as they are", async () => {
    const { gateway, upstream } = await open({ fetch: { hosts } })
    assert.strictEqual((await ask(gateway, "generateContent", "by-gemini", pictured.generateContent[0])).status, 200)
    assert.strictEqual(upstream.heard[0]!.json["contents"][0].parts[0].fileData.fileUri, url)
  })
})

describe("seals of other dialects", () => {
  const marker = Buffer.from("turnout:v01:").toString("base64")
  const sealed = (dialect: DialectName): string => Buffer.from(`turnout:v01:${dialect}:rs_1:gAAAAABsecret`).toString("base64")
  /** A conversation with a seal of another dialect in it, as the caller got it from the gateway. */
  const requests: Readonly<Partial<Record<DialectName, (seal: string) => Json>>> = {
    messages: (seal) => ({
      max_tokens: 2_000,
      messages: [
        ...say,
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "Two lines meet.", signature: seal },
            { type: "text", text: "Left." }
          ]
        },
        { role: "user", content: "And then?" }
      ]
    }),
    responses: (seal) => ({
      input: [
        ...say,
        { type: "reasoning", id: "rs_9", summary: [{ type: "summary_text", text: "Two lines meet." }], encrypted_content: seal },
        { type: "message", role: "assistant", content: [{ type: "output_text", text: "Left.", annotations: [] }] },
        { role: "user", content: "And then?" }
      ]
    }),
    generateContent: (seal) => ({
      contents: [
        ...contents,
        { role: "model", parts: [{ text: "Left.", thoughtSignature: seal }] },
        { role: "user", parts: [{ text: "And then?" }] }
      ]
    })
  }
  for (const caller of ["messages", "responses", "generateContent"] as const) {
    const from = caller === "messages" ? "responses" : "messages"
    for (const stream of [false, true]) {
      it(`${caller}: never reach a provider of the caller's own dialect, ${stream ? "streamed" : "whole"}`, async () => {
        const { gateway, upstream } = await open()
        const body = requests[caller]!(sealed(from))
        const headers = { "anthropic-beta": "context-1m-2025-08-07", "openai-beta": "responses=v1" }
        const path = paths[caller](targets[caller])
        const answer = await post(
          gateway,
          stream ? path.replace(":generateContent", ":streamGenerateContent?alt=sse") : path,
          caller === "generateContent" ? body : { model: targets[caller], ...body, ...(stream ? { stream } : {}) },
          headers
        )
        assert.strictEqual(answer.status, 200, answer.body.toString())
        const heard: Heard = upstream.heard[0]!
        assert.notInclude(heard.body.toString(), marker.slice(0, 16))
        assert.notInclude(heard.body.toString(), "gAAAAABsecret")
        for (const text of ["Which way?", "Left.", "And then?"]) assert.include(heard.body.toString(), text)
        // The headers of the dialect go on as they do with bytes.
        assert.strictEqual(heard.headers["anthropic-beta"], caller === "messages" ? headers["anthropic-beta"] : undefined)
        assert.strictEqual(heard.headers["openai-beta"], caller === "responses" ? headers["openai-beta"] : undefined)
        if (stream) assert.include(answer.body.toString(), "at the points.")
        else assert.strictEqual(textIn[caller](answer.json), "Left at the points.")
        assert.deepInclude(await gateway.line(0), { ending: "served" })
      })
    }

    it(`${caller}: of its own go on with the rest of the bytes`, async () => {
      const { gateway, upstream } = await open()
      const body = requests[caller]!("EqQBown+signature==")
      assert.strictEqual((await ask(gateway, caller, targets[caller], body, { "anthropic-beta": "some-beta" })).status, 200)
      assert.include(upstream.heard[0]!.body.toString(), "EqQBown+signature==")
      assert.strictEqual(upstream.heard[0]!.headers["anthropic-beta"], caller === "messages" ? "some-beta" : undefined)
    })
  }

  it("no header of one dialect goes to a provider of another", async () => {
    const { gateway, upstream } = await open()
    for (const target of ["by-chat", "by-responses", "by-gemini"])
      await ask(gateway, "messages", target, {}, { "anthropic-beta": "some-beta", "anthropic-version": "2023-06-01" })
    for (const { headers } of upstream.heard) {
      assert.notProperty(headers, "anthropic-beta")
      assert.notProperty(headers, "anthropic-version")
    }
    assert.strictEqual(upstream.heard.length, 3)
  })
})
