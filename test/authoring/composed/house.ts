// What teams share: where models are served, which there are, and the pools of them.
import { env, sections, usd } from "turnout"
import acme from "./organisation.ts"

/** Sections that only some teams take in. */
export const money = sections({ budgets: { search: { per: "team", limit: usd(300), every: "month" } } })

export const house = sections({
  layers: [acme],
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
  pools: { cheap: { by: "cost", of: ["mini", { target: "french", set: { temperature: 0.2 } }] } }
})
