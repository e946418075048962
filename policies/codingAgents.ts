import { env, policy, usd } from "turnout"

// Agents that run for hours: the large model thinks, the small one does errands, a busy provider is waited for instead of failed, and each developer's agent stops at $25 a day.
export default policy({
  name: "coding-agents",
  metadata: ["task"],
  providers: {
    anthropic: { dialect: "anthropic", key: env("ANTHROPIC_API_KEY") },
    openai: { dialect: "openai", key: env("OPENAI_API_KEY") }
  },
  targets: {
    opus: { provider: "anthropic", model: "claude-opus-4-8", maxOutputTokens: 32_000 },
    sonnet: { provider: "anthropic", model: "claude-sonnet-4-6", maxOutputTokens: 32_000 },
    haiku: { provider: "anthropic", model: "claude-haiku-4-5", maxOutputTokens: 16_000 },
    gpt: { provider: "openai", model: "gpt-5.2", maxOutputTokens: 32_000 }
  },
  aliases: { "claude-opus": "opus", "claude-sonnet": "sonnet", "claude-haiku": "haiku" },
  budgets: {
    developer: { per: "key", limit: usd(25), every: "day" },
    department: { per: "class", limit: usd(3_000), every: "month" }
  },
  classes: { developers: { may: ["opus", "sonnet", "haiku", "gpt"], within: ["developer", "department"] } },
  keys: {
    ada: { secret: env("ADA_KEY"), class: "developers" },
    grace: { secret: env("GRACE_KEY"), class: "developers" }
  },
  timeouts: { firstToken: "90 seconds", idle: "2 minutes", total: "15 minutes" },
  effort: { attempts: 6 },
  routes: ({ asked, budget, first, request, retry }) => [
    // Titles, summaries, file names: nobody waits for the large model to do these.
    { name: "errands", when: request.metadata("task").or("none").oneOf("title", "summary", "search"), to: first("haiku", "sonnet") },
    { name: "thrift", when: budget("developer").usedRatio.gte(0.8), to: first("sonnet", "gpt") },
    {
      name: "default",
      to: first(retry({ attempts: 3, first: "2 seconds", longest: "20 seconds", on: ["rate-limited", "overloaded"] }, asked()), "gpt")
    }
  ]
})
