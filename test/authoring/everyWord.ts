// Every section and every word that `example.ts` does not use. Type-checked by `test/AuthoringTypes.test.ts`.
import { env, policy, sha256, usd } from "turnout"

export default policy({
  name: "every-word",
  metadata: ["tier", "feature"],
  headers: ["x-app"],
  providers: {
    openai: { dialect: "openai", key: env("OPENAI_API_KEY"), region: "us", open: true },
    closed: { dialect: "groq", key: env("GROQ_API_KEY"), open: false },
    local: {
      dialect: "openai",
      baseUrl: "http://127.0.0.1:4010/v1",
      mock: { small: { firstToken: "20 millis", perToken: "1 millis" }, broken: { fault: 503 }, gone: { fault: "reset" } }
    }
  },
  targets: {
    mini: {
      provider: "openai",
      model: "gpt-4o-mini",
      region: "eu",
      price: { input: usd(0.15), output: usd(0.6), cacheRead: usd(0.075), cacheWrite: usd(0.15) },
      maxOutputTokens: 16_384,
      addedTokens: 64,
      mediaTokens: { image: 1_445, audio: 2_000, file: 100_000 }
    },
    fast: { provider: "closed", model: "llama-3.1-8b-instant", price: { input: usd(0.05), output: usd(0.08) }, mediaTokens: {} },
    small: { provider: "local", model: "small" }
  },
  aliases: { "gpt-4o-mini": "mini", cheap: "fast", cheapest: "cheap" },
  budgets: { month: { per: "team", limit: usd(20), every: "month" }, day: { per: "key", limit: usd(1), every: "day" } },
  classes: {
    eng: { may: ["mini", "fast", "openai/*"], providers: ["openai", "closed"], regions: "any", within: ["month", "day"] },
    guest: { may: ["small"], providers: "any" },
    legal: { may: ["mini"], regions: ["eu"] }
  },
  keys: {
    alice: { secret: env("ALICE_KEY"), class: "eng", team: "core" },
    bob: { secret: env("BOB_KEY"), class: "guest" },
    carol: { secret: sha256("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"), class: "legal" }
  },
  routes: ({ all, any, asked, budget, caller, deny, first, not, request, send, split, when, within }) => [
    {
      name: "needs",
      when: any(
        request.needs.tools,
        request.needs.vision.is(false),
        not(request.needs.structuredOutput),
        request.needs.reasoning,
        request.stream.is(true)
      ),
      to: first("mini", "fast", { on: ["rate-limited", "overloaded", "context-length"] })
    },
    {
      name: "numbers",
      when: all(request.messages.is(1), request.inputTokens.lt(10), request.maxOutputTokens.or(4_096).lte(1_000)),
      to: send("fast")
    },
    {
      name: "absent",
      when: all(request.maxOutputTokens.present(), not(request.metadata("tier").present()), request.header("x-app").or("").is("")),
      to: asked()
    },
    {
      name: "texts",
      when: any(request.api.is("chat"), request.id.oneOf("a", "b"), caller.organisation.or("none").oneOf("acme", "none")),
      to: "small"
    },
    {
      name: "callers",
      when: any(caller.class.is("eng"), caller.class.oneOf("guest", "local"), caller.key.is("alice"), caller.key.is("issued-later")),
      to: "mini"
    },
    {
      name: "money",
      when: any(budget("day").spent.gt(0.5), budget("month").remaining.lt(1), budget("day").usedRatio.gte(1)),
      to: deny(402, "spent", "come back tomorrow")
    },
    { name: "unit", to: split({ by: request.metadata("feature").or("none"), salt: "s1" }, { mini: 50, fast: 50 }) },
    { name: "rest", to: within("1.5 minutes", when(request.stream, "mini", first("fast"))) }
  ]
})
