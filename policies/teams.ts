import { env, policy, usd } from "turnout"

// An engineering team with $200 a month may use Claude Sonnet and GPT-4o mini, but not GPT-4o. Support may use all of them, each agent within $5 a day.
export default policy({
  name: "teams",
  providers: {
    openai: { dialect: "openai", key: env("OPENAI_API_KEY") },
    anthropic: { dialect: "anthropic", key: env("ANTHROPIC_API_KEY") }
  },
  targets: {
    sonnet: { provider: "anthropic", model: "claude-sonnet-4-5", maxOutputTokens: 4_096 },
    next: { provider: "anthropic", model: "claude-sonnet-5", maxOutputTokens: 4_096 },
    mini: { provider: "openai", model: "gpt-4o-mini", maxOutputTokens: 4_096 },
    "gpt-4o": { provider: "openai", model: "gpt-4o", maxOutputTokens: 4_096 }
  },
  aliases: { "claude-sonnet": "sonnet" },
  budgets: {
    engineering: { per: "class", limit: usd(200), every: "month" },
    agent: { per: "key", limit: usd(5), every: "day" }
  },
  classes: {
    engineering: { may: ["sonnet", "next", "mini"], within: ["engineering"] },
    support: { may: ["sonnet", "next", "mini", "gpt-4o"], within: ["agent"] }
  },
  keys: {
    alice: { secret: env("ALICE_KEY"), class: "engineering", team: "core" },
    bob: { secret: env("BOB_KEY"), class: "engineering", team: "search" },
    carol: { secret: env("CAROL_KEY"), class: "support" }
  },
  routes: ({ asked, budget, first, request, split }) => [
    // Nearly spent: the small model, whatever was asked for.
    { name: "thrift", when: budget("engineering").usedRatio.gte(0.9), to: "mini" },
    // One chat in ten tries the next Sonnet; where either fails, the small model answers.
    {
      name: "chat",
      when: request.model.is("chat"),
      to: first(split({ by: request.id, salt: "sonnet-5" }, { sonnet: 90, next: 10 }), "mini")
    },
    // Everything else gets the target it names, if its class may use it.
    { name: "default", to: asked() }
  ]
})
