// A policy as authors write it. Type-checked by `test/AuthoringTypes.test.ts`, evaluated by `test/Authoring.test.ts`.
import { env, policy, usd } from "turnout"

export default policy({
  name: "acme",
  providers: {
    openai: { dialect: "openai", key: env("OPENAI_API_KEY") },
    anthropic: { dialect: "anthropic", key: env("ANTHROPIC_API_KEY") }
  },
  targets: {
    mini: { provider: "openai", model: "gpt-4o-mini" },
    gpt: { provider: "openai", model: "gpt-4o" },
    sonnet: { provider: "anthropic", model: "claude-sonnet-4-5" },
    next: { provider: "anthropic", model: "claude-sonnet-5" }
  },
  budgets: { engineering: { per: "class", limit: usd(200), every: "month" } },
  classes: { engineering: { may: ["sonnet", "next", "mini"], within: ["engineering"] } },
  keys: { alice: { secret: env("ALICE_KEY"), class: "engineering", team: "core" } },
  routes: ({ all, asked, budget, caller, deny, first, request, split, when, within }) => [
    { name: "retired", when: request.model.is("gpt-4"), to: deny(410, "model_retired", "gpt-4 is gone: ask for gpt-4o") },
    { name: "thrift", when: budget("engineering").usedRatio.gte(0.8), to: "mini" },
    { name: "long", when: all(request.inputTokens.gt(100_000), request.stream), to: within("60 seconds", "sonnet") },
    {
      name: "canary",
      when: caller.team.or("none").is("core"),
      to: first(split({ by: caller.key, salt: "sonnet-5" }, { sonnet: 95, next: 5 }), "mini")
    },
    { name: "nested", to: first(when(request.stream, "sonnet", within("5 seconds", "gpt")), asked()) },
    { name: "default", to: first("sonnet", "mini") }
  ]
})
