// The same policy as `search.ts` with all that it imports, in one file.
import { env, organisation, policy, usd } from "turnout"

export default policy({
  name: "search",
  layers: [
    organisation({
      name: "acme",
      guards: ({ any, caller, request }) => [
        { name: "no-routers", forbid: { vendors: ["router"] } },
        { name: "eu-only", when: any(caller.organisation.or("").is("acme-eu"), request.needs.files), require: { regions: ["eu"] } }
      ],
      budgets: { company: { per: "organisation", limit: usd(5_000), every: "month" } }
    })
  ],
  tags: ["beta"],
  providers: {
    openai: { dialect: "openai", key: env("OPENAI_API_KEY") },
    mistral: { dialect: "mistral", key: env("MISTRAL_API_KEY"), region: "eu", open: true }
  },
  targets: {
    mini: { provider: "openai", model: "gpt-4o-mini", tags: ["cheap"], maxOutputTokens: 16_384 },
    gpt: { provider: "openai", model: "gpt-4o", maxOutputTokens: 16_384 },
    french: {
      provider: "mistral",
      model: "mistral-small-latest",
      tags: ["cheap"],
      maxOutputTokens: 8_192,
      price: { input: usd(0.1), output: usd(0.3) }
    }
  },
  pools: { cheap: { by: "cost", of: ["mini", { target: "french", set: { temperature: 0.2 } }] } },
  budgets: { search: { per: "team", limit: usd(300), every: "month" } },
  classes: { search: { may: ["mini", "gpt", "french", "mistral/*"], within: ["search"] } },
  keys: { crawler: { secret: env("CRAWLER_KEY"), class: "search", team: "search", organisation: "acme", tags: ["beta"] } },
  guards: ({ caller }) => [
    { name: "cheap-only", when: caller.tag("beta"), require: { tags: ["cheap"], providers: ["mistral"] } },
    { name: "no-gpt", forbid: { targets: ["gpt"], capabilities: ["audio"] } }
  ],
  routes: ({ any, asked, budget, caller, first, pool }) => [
    { name: "thrift", when: any(budget("search").usedRatio.gte(0.8), budget("company").usedRatio.gte(0.9)), to: pool("cheap") },
    { name: "beta", when: caller.tag("beta"), commit: "whole", to: "french" },
    { name: "default", to: first(asked(), "mini") }
  ]
})
