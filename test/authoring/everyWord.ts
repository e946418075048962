// Every section and every word that `example.ts` does not use. Type-checked by `test/AuthoringTypes.test.ts`.
import { entra, env, google, organisation, policy, sha256, usd } from "turnout"

export default policy({
  name: "every-word",
  metadata: ["tier", "feature"],
  headers: ["x-app"],
  tags: ["beta", "batch"],
  zone: "Europe/Berlin",
  layers: [
    organisation({
      name: "acme",
      guards: ({ caller, request, time }) => [
        { name: "no-routers", forbid: { vendors: ["router"] } },
        {
          name: "quiet",
          when: caller.organisation.or("acme").is("acme"),
          forbid: { inputAbove: usd(50), capabilities: ["audio"] }
        },
        { name: "weekend", when: time.weekday.oneOf("saturday", "sunday"), forbid: { outputAbove: usd(500) } },
        { name: "files", when: request.needs.files, forbid: { models: ["tiny"], regions: ["moon"] } }
      ],
      budgets: { company: { per: "organisation", limit: usd(900), every: "month" } }
    }),
    organisation({ name: "holding" })
  ],
  providers: {
    openai: { dialect: "openai", key: env("OPENAI_API_KEY"), region: "us", open: true },
    shared: { dialect: "groq", keys: [env("GROQ_KEY_A"), { key: env("GROQ_KEY_B"), weight: 3 }, { key: env("GROQ_KEY_C") }] },
    azure: {
      dialect: "azure",
      baseUrl: "https://acme.openai.azure.com",
      auth: entra({
        tenant: "acme.com",
        client: "9f1b0a52-5d1e-4c39-8c1a-8b6f7f1a2c33",
        secret: env("ENTRA_SECRET"),
        scope: "https://cognitiveservices.azure.us/.default",
        authority: "https://login.microsoftonline.us"
      }),
      apiVersion: "2024-10-21",
      speaks: ["chat.completions", "responses"]
    },
    vertex: { dialect: "vertex", project: "acme-prod", region: "eu", auth: google({ credentials: env("GOOGLE_ACCOUNT") }) },
    machine: { dialect: "vertex", project: "acme-dev", region: "global", auth: google() },
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
      deployment: "chat-eu",
      region: "eu",
      capacity: { inFlight: 20, queued: 5, wait: "500 millis" },
      tags: ["cheap", "eu"],
      capabilities: {
        contextWindow: 128_000,
        vision: true,
        audio: false,
        files: false,
        tools: true,
        structuredOutput: true,
        reasoning: false
      },
      price: { input: usd(0.15), output: usd(0.6), cacheRead: usd(0.075), cacheWrite: usd(0.15) },
      maxOutputTokens: 16_384,
      addedTokens: 64,
      mediaTokens: { image: 1_445, audio: 2_000, file: 100_000 }
    },
    fast: {
      provider: "closed",
      model: "llama-3.1-8b-instant",
      price: { input: usd(0.05), output: usd(0.08) },
      mediaTokens: {},
      tags: ["quick"]
    },
    small: { provider: "local", model: "small" }
  },
  pools: {
    chat: { by: "latency", of: ["mini", "fast"] },
    quiet: { by: "least-busy", of: ["mini", { target: "fast", set: { temperature: 0.2, headers: { "x-tier": "batch" } } }] }
  },
  aliases: { "gpt-4o-mini": "mini", cheap: "fast", cheapest: "cheap" },
  budgets: { month: { per: "team", limit: usd(20), every: "month" }, day: { per: "key", limit: usd(1), every: "day" } },
  classes: {
    eng: { may: ["mini", "fast", "openai/*"], providers: ["openai", "closed"], regions: "any", within: ["month", "day"] },
    guest: { may: ["small"], providers: "any" },
    legal: { may: ["mini"], regions: ["eu"] }
  },
  keys: {
    alice: { secret: env("ALICE_KEY"), class: "eng", team: "core", organisation: "acme", tags: ["beta"] },
    bob: { secret: env("BOB_KEY"), class: "guest" },
    carol: { secret: sha256("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"), class: "legal" }
  },
  guards: ({ all, budget, caller, health, not, opaque, request }) => [
    { name: "named", forbid: { targets: ["small"], providers: ["local"] } },
    { name: "tagged", when: caller.tag("batch"), require: { tags: ["cheap", "quick"] } },
    { name: "able", when: all(request.needs.vision, not(caller.tag("beta").is(false))), require: { capabilities: ["vision", "tools"] } },
    { name: "spent", when: budget("company").usedRatio.gte(0.9), forbid: { vendors: ["maker", "cloud", "host", "router", "own"] } },
    { name: "slow", when: health("fast").latencyMillis.or(0).gt(2_000), forbid: { targets: ["fast"], models: ["llama-3.1-8b-instant"] } },
    { name: "odd", when: opaque({ "==": [{ "%": [{ var: "request.messages" }, 2] }, 1] }), require: { regions: ["eu"] } }
  ],
  commit: "first-content",
  translation: "report",
  fetch: { hosts: ["images.example.com", "*.example.org"], maxBytes: 1_000_000, timeout: "5 seconds" },
  timeouts: { connect: "3 seconds", headers: "30 seconds", firstToken: "20 seconds", idle: "none", total: "10 minutes" },
  effort: { attempts: 6, time: "2 minutes", dollars: usd(5) },
  accept: [
    { finding: "split-unit", at: "unit", because: "the feature is always set" },
    { finding: "unknown-region", because: "soon" }
  ],
  routes: ({
    all,
    answer,
    any,
    asked,
    budget,
    caller,
    deny,
    escalate,
    first,
    health,
    hedge,
    not,
    opaque,
    pool,
    request,
    retry,
    send,
    shadow,
    split,
    spread,
    time,
    when,
    within
  }) => [
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
    {
      name: "state",
      when: any(
        all(time.hour.gte(9), time.hour.lt(17), not(time.weekday.is("sunday"))),
        not(health("mini").up),
        all(health("mini").latencyMillis.present(), health("mini").latencyMillis.or(0).lte(300)),
        caller.tag("beta"),
        request.needs.audio,
        request.needs.files.is(true),
        budget("company").remaining.lt(1)
      ),
      commit: "whole",
      translation: "strict",
      timeouts: { headers: "10 seconds", total: "none" },
      effort: { attempts: 2, time: "none", dollars: "none" },
      to: hedge("mini", { after: "800 millis", with: retry({ attempts: 2 }, "fast") })
    },
    {
      name: "opaque",
      when: opaque({ ">": [{ "+": [{ var: "request.inputTokens" }, 1] }, 10] }),
      commit: "headers",
      to: retry({ attempts: 3, first: "250 millis", longest: "4 seconds", on: ["overloaded", "timeout"] }, pool("chat"))
    },
    {
      name: "spread",
      to: first(
        spread("latency", ["mini", "fast"]),
        spread("least-busy", ["mini", send("fast", { maxOutputTokens: 2_000 })]),
        shadow(spread("round-robin", [send("mini")]), { copy: "fast", sample: 10 }),
        spread("cost", ["small"]),
        pool("quiet")
      )
    },
    {
      name: "cascade",
      when: request.id.is("cascade"),
      to: escalate("fast", {
        if: any(
          answer.stop.oneOf("max-tokens", "content-filter"),
          answer.stop.is("paused"),
          answer.refused,
          not(answer.isJson),
          all(answer.toolCalls.is(0), answer.characters.lt(20)),
          answer.outputTokens.or(0).gt(4_000),
          not(answer.outputTokens.present())
        ),
        to: "mini"
      })
    },
    {
      name: "set",
      to: send("mini", {
        temperature: 0,
        maxOutputTokens: 2_000,
        reasoningEffort: "low",
        headers: { "x-tier": "batch" },
        region: "eu",
        deployment: "chat-2"
      })
    },
    {
      name: "arms",
      to: split({ by: caller.key, salt: "s0" }, [
        { name: "control", weight: 90, to: "mini" },
        { name: "trial", weight: 10, to: first("fast", pool("chat")) }
      ])
    },
    { name: "unit", to: split({ by: request.metadata("feature").or("none"), salt: "s1" }, { mini: 50, fast: 50 }) },
    { name: "rest", to: within("1.5 minutes", when(request.stream, "mini", first("fast"))) }
  ]
})
