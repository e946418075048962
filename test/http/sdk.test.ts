/**
 * The official client libraries against the running gateway, each over a provider of each dialect: judged by what the library's user sees, and by what the provider was sent.
 * The run prints the table of caller × target × feature.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { type DialectName, dialectNames } from "../../src/Providers.ts"
import { said } from "../providers/said.ts"
import { aiAnthropicDriver, aiOpenaiDriver } from "./sdk/ai.ts"
import { chatDriver } from "./sdk/chat.ts"
import type { Driver, Question } from "./sdk/driver.ts"
import { geminiDriver } from "./sdk/gemini.ts"
import { messagesDriver } from "./sdk/messages.ts"
import { responsesDriver } from "./sdk/responses.ts"
import { breaksOff, costs, dialectOf, piecesOf, plays, refuses, type Scene, sealOf } from "./sdk/scenes.ts"
import { paced, type ScriptedUpstream, soon, startGateway, startUpstream, until } from "./support.ts"

/** Targets whose models are of the generation that does everything; each answers in one dialect alone. */
const targets: Readonly<Record<DialectName, { readonly name: string; readonly model: string }>> = {
  "chat.completions": { name: "by-chat", model: "gpt-5.4" },
  responses: { name: "by-responses", model: "gpt-5.4" },
  messages: { name: "by-messages", model: "claude-sonnet-4-5" },
  generateContent: { name: "by-gemini", model: "gemini-3-pro-preview" }
}

const drivers: ReadonlyArray<(url: string) => Driver> = [
  chatDriver,
  responsesDriver,
  messagesDriver,
  geminiDriver,
  aiOpenaiDriver,
  aiAnthropicDriver
]

const table = new Map<string, string>()

const open = async () => {
  const upstream = await startUpstream(plays({ words: ["?"] }))
  const gateway = await startGateway(
    {
      name: "sdk",
      providers: {
        chat: { dialect: "openai", baseUrl: `${upstream.origin}/v1`, key: { env: "A_KEY" }, speaks: ["chat.completions"] },
        responses: { dialect: "openai", baseUrl: `${upstream.origin}/v1`, key: { env: "A_KEY" }, speaks: ["responses"] },
        messages: { dialect: "anthropic", baseUrl: `${upstream.origin}/v1`, key: { env: "A_KEY" } },
        gemini: { dialect: "gemini", baseUrl: `${upstream.origin}/v1beta`, key: { env: "A_KEY" } }
      },
      targets: {
        "by-chat": { provider: "chat", model: targets["chat.completions"].model },
        "by-responses": { provider: "responses", model: targets.responses.model },
        "by-messages": { provider: "messages", model: targets.messages.model, maxOutputTokens: 8_000 },
        "by-gemini": { provider: "gemini", model: targets.generateContent.model }
      },
      aliases: Object.fromEntries(
        Object.values(targets).flatMap(({ name }) => ["gpt-5", "claude-sonnet-4-5"].map((known) => [`${known}-${name}`, name]))
      ),
      routes: [{ name: "only", to: { _tag: "Asked" } }]
    },
    { secrets: { A_KEY: "sk-upstream-1" } as never }
  )
  return { upstream, gateway }
}

/** What the provider was sent, in the words of its own dialect. */
const sentTo = (upstream: ScriptedUpstream, at = -1) => {
  const heard = upstream.heard.at(at)!
  return { dialect: dialectOf(heard.path), body: heard.json, said: said[dialectOf(heard.path)](heard.json) }
}

const parallel: Scene = {
  words: ["Let me look. "],
  calls: [
    ["call_a1", "get_weather", { city: "Paris" }],
    ["call_b2", "get_weather", { city: "Rome", unit: "c" }]
  ],
  stop: "tools"
}

for (const makeDriver of drivers) {
  const { name: library, speaks } = makeDriver("http://127.0.0.1:1")
  for (const target of dialectNames) {
    const { name } = targets[target]
    describe(`${library} over ${target}`, () => {
      const question = (more: Partial<Question> = {}): Question => ({ model: name, text: "Which way?", stream: false, ...more })
      const feature = (what: string, run: () => Promise<string | void>) =>
        it(what, async () => {
          const said = await run()
          table.set(`${library}|${target}|${what}`, said ?? "yes")
        })

      for (const stream of [false, true]) {
        const manner = stream ? "streamed" : "whole"

        feature(`text, ${manner}`, async () => {
          const { gateway, upstream } = await open()
          upstream.plays(plays({ words: ["Left ", "at the ", "points 🚦."] }))
          const seen = await makeDriver(gateway.url).ask(question({ stream, system: "Be brief.", maxTokens: 300 }))
          assert.strictEqual(seen.text, "Left at the points 🚦.")
          assert.strictEqual(seen.stop, "end")
          assert.deepStrictEqual(seen.usage, { input: costs.input, output: costs.output })
          if (stream) assert.isAtLeast(seen.pieces, 3)
          const sent = sentTo(upstream)
          assert.strictEqual(sent.dialect, target)
          assert.deepStrictEqual(
            sent.said.instructions.map(({ value }) => value),
            ["Be brief."]
          )
          assert.deepStrictEqual(
            sent.said.texts.map(({ value }) => value),
            ["Which way?"]
          )
          assert.strictEqual(sent.said.maximum?.value, 300)
        })

        feature(`parallel calls and their results, ${manner}`, async () => {
          const { gateway, upstream } = await open()
          upstream.plays(plays(parallel), plays({ words: ["Sun in both."] }))
          const seen = await makeDriver(gateway.url).ask(question({ stream, tools: "offered" }))
          assert.strictEqual(seen.stop, "tools")
          assert.deepStrictEqual(seen.calls, [
            ["get_weather", { city: "Paris" }],
            ["get_weather", { city: "Rome", unit: "c" }]
          ])
          const [tool] = sentTo(upstream).said.tools
          assert.strictEqual(tool?.value[0], "get_weather")
          const schema = tool?.value[2] as { readonly required: unknown; readonly properties: { readonly unit: unknown } }
          assert.deepStrictEqual(schema.required, ["city"], "what is optional stays optional")
          assert.match(JSON.stringify(schema.properties.unit), /null/, "a nullable enum keeps its null")
          const after = await seen.again(["12 degrees", "21 degrees"])
          assert.strictEqual(after.text, "Sun in both.")
          const sent = sentTo(upstream).said
          assert.deepStrictEqual(
            sent.calls.map(({ value }) => value),
            [
              ["get_weather", { city: "Paris" }],
              ["get_weather", { city: "Rome", unit: "c" }]
            ]
          )
          assert.deepStrictEqual(
            sent.results.map(({ value }) => value),
            [
              [0, "12 degrees"],
              [1, "21 degrees"]
            ]
          )
        })

        feature(`structured output, ${manner}`, async () => {
          const { gateway, upstream } = await open()
          upstream.plays(plays({ words: ['{"line":"A1",', '"stops":["North"]}'] }))
          const seen = await makeDriver(gateway.url).ask(question({ stream, schema: true }))
          assert.deepStrictEqual(JSON.parse(seen.text), { line: "A1", stops: ["North"] })
          const format = sentTo(upstream).said.format?.value as { readonly required: unknown } | undefined
          assert.deepStrictEqual(format?.required, ["line", "stops"])
        })

        feature(`thoughts and their seal, ${manner}`, async () => {
          const { gateway, upstream } = await open()
          upstream.plays(plays({ thought: "Two lines meet.", words: ["Take A1."] }), plays({ words: ["Then north."] }))
          const seen = await makeDriver(gateway.url).ask(question({ stream, think: true }))
          assert.strictEqual(seen.text, "Take A1.")
          assert.strictEqual(seen.thought, "Two lines meet.")
          assert.strictEqual(sentTo(upstream).said.thinking?.value, "on")
          const seal = sealOf(target)
          if (seal === "") return "yes, not sealed by this API"
          await seen.again([])
          const again = JSON.stringify(sentTo(upstream).body)
          assert.notInclude(again, "dHVybm91dDp2MDE6", "no provider is sent a wrapped seal")
          if (!again.includes(JSON.stringify(seal).slice(1, -1))) {
            // Chat Completions has no place for a seal that its own library sends back.
            assert.isTrue(speaks === "chat.completions" && target !== "messages" && false, `the seal does not come back: ${again}`)
          }
          return undefined
        })

        feature(`a refusal, ${manner}`, async () => {
          const { gateway, upstream } = await open()
          upstream.plays(plays({ words: ["I cannot ", "help with that."], stop: "refusal" }))
          const seen = await makeDriver(gateway.url).ask(question({ stream }))
          assert.include(seen.text + seen.refusal, "I cannot help with that.")
          if (!library.startsWith("ai")) assert.strictEqual(seen.stop, "refusal")
        })

        feature(`an answer that is cut at its maximum, ${manner}`, async () => {
          const { gateway, upstream } = await open()
          upstream.plays(plays({ words: ["Once upon "], stop: "max" }))
          const seen = await makeDriver(gateway.url).ask(question({ stream, maxTokens: 16 }))
          assert.strictEqual(seen.stop, "max")
        })

        feature(`a provider's refusal of the request, ${manner}`, async () => {
          const { gateway, upstream } = await open()
          upstream.plays(refuses(400, "temperature is not for this model"))
          const error = await makeDriver(gateway.url)
            .ask(question({ stream }))
            .then(() => undefined)
            .catch((raised: unknown) => raised as { readonly status?: number; readonly statusCode?: number; readonly message: string })
          assert.strictEqual(error?.status ?? error?.statusCode, 400)
          assert.include(error?.message, "temperature is not for this model")
        })
      }

      feature("a picture", async () => {
        const { gateway, upstream } = await open()
        upstream.plays(plays({ words: ["A pixel."] }))
        await makeDriver(gateway.url).ask(question({ image: true }))
        const { images, texts } = sentTo(upstream).said
        assert.strictEqual(images.length, 1)
        assert.match(images[0]!.value, /^iVBORw0KGgo/)
        assert.deepStrictEqual(
          texts.map(({ value }) => value),
          ["Which way?"]
        )
      })

      feature("one call at a time", async () => {
        if (speaks === "generateContent") return "no: this API has no such word"
        const { gateway, upstream } = await open()
        upstream.plays(plays({ words: ["Well."] }))
        await makeDriver(gateway.url).ask(question({ tools: "only one" }))
        const sent = sentTo(upstream)
        if (sent.said.single === undefined) {
          assert.strictEqual(target, "generateContent", "only Gemini cannot be told")
          const [line] = gateway.lines
          assert.match(JSON.stringify(line), /"losses":\["(?:parallel_tool_calls|tool_choice[^"]*)"/)
          return "lost, and reported: Gemini calls as many as it likes"
        }
        return undefined
      })

      feature("a call that is demanded", async () => {
        const { gateway, upstream } = await open()
        upstream.plays(plays(parallel))
        await makeDriver(gateway.url).ask(question({ tools: "must" }))
        assert.strictEqual(sentTo(upstream).said.choice?.value, "required")
      })

      feature("a stream that is cut raises", async () => {
        const { gateway, upstream } = await open()
        const scene: Scene = { words: ["Left ", "at ", "the ", "points."] }
        const cutAt = piecesOf(target, scene).findIndex((piece) => piece.includes("the ")) + 1
        upstream.plays(breaksOff(scene, cutAt))
        const error = await makeDriver(gateway.url)
          .ask(question({ stream: true }))
          .then((seen) => `it looked finished: ${JSON.stringify(seen)}`)
          .catch((raised: unknown) => raised)
        assert.instanceOf(error, Error, String(error))
      })

      feature("a caller who goes away", async () => {
        const { gateway, upstream } = await open()
        const stream = paced()
        upstream.plays(stream.script)
        const gone = makeDriver(gateway.url).abandon(question())
        await stream.began
        const pieces = piecesOf(target, { words: ["Left ", "at ", "the points."] })
        for (const piece of pieces.slice(0, pieces.findIndex((one) => one.includes("at ")) + 1)) stream.write(piece)
        await soon(gone, "the library to let go")
        await until(() => stream.dropped(), "the provider's connection to be dropped")
      })
    })
  }
}

afterAll(() => {
  const features = [...new Set([...table.keys()].map((key) => key.split("|")[2]!))]
  const rows: Array<string> = []
  for (const makeDriver of drivers) {
    const { name } = makeDriver("http://127.0.0.1:1")
    rows.push(`\n${name} over: ${dialectNames.join(" | ")}`)
    for (const what of features)
      rows.push(`  ${what}: ${dialectNames.map((target) => table.get(`${name}|${target}|${what}`) ?? "FAILED").join(" | ")}`)
  }
  console.log(rows.join("\n"))
})
