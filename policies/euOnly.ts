import { env, policy } from "turnout"

// Nothing leaves the European Union: the guard holds for every target on every path, so a target that is added later and served elsewhere is never reached, and `check` says so.
export default policy({
  name: "eu-only",
  providers: {
    mistral: { dialect: "mistral", key: env("MISTRAL_API_KEY"), region: "eu" },
    "openai-eu": { dialect: "openai", baseUrl: "https://eu.api.openai.com/v1", key: env("OPENAI_EU_API_KEY"), region: "eu" },
    openai: { dialect: "openai", key: env("OPENAI_API_KEY"), region: "us" }
  },
  targets: {
    large: { provider: "mistral", model: "mistral-large-2512" },
    "gpt-eu": {
      provider: "openai-eu",
      model: "gpt-4.1",
      capabilities: { contextWindow: 1_047_576, vision: true, tools: true, structuredOutput: true, reasoning: false }
    },
    gpt: { provider: "openai", model: "gpt-4.1" }
  },
  tags: ["public-data"],
  classes: {
    staff: { may: ["large", "gpt-eu", "gpt"] },
    website: { may: ["large", "gpt-eu", "gpt"] }
  },
  keys: {
    anna: { secret: env("ANNA_KEY"), class: "staff" },
    site: { secret: env("SITE_KEY"), class: "website", tags: ["public-data"] }
  },
  guards: ({ caller, not }) => [{ name: "stay-in-the-eu", when: not(caller.tag("public-data")), require: { regions: ["eu"] } }],
  routes: ({ first, request }) => [
    // What is not public is kept from `gpt` here by the guard, not by the order of the routes.
    { name: "gpt", when: request.model.is("gpt"), to: first("gpt", "gpt-eu", "large") },
    { name: "default", to: first("large", "gpt-eu") }
  ]
})
