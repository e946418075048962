import { env, policy, usd } from "turnout"

// The cheapest model that can do it. Short questions go to the cheapest of three, work with tools to a stronger one, and no call costs more than ten cents, whatever fails over.
export default policy({
  name: "cost-first",
  providers: {
    openai: { dialect: "openai", key: env("OPENAI_API_KEY") },
    mistral: { dialect: "mistral", key: env("MISTRAL_API_KEY") },
    groq: { dialect: "groq", key: env("GROQ_API_KEY") }
  },
  targets: {
    nano: { provider: "openai", model: "gpt-5-nano", maxOutputTokens: 8_192 },
    small: { provider: "mistral", model: "mistral-small-2603", maxOutputTokens: 8_192 },
    llama: { provider: "groq", model: "llama-3.3-70b-versatile", maxOutputTokens: 8_192 },
    mini: { provider: "openai", model: "gpt-5-mini", maxOutputTokens: 8_192 }
  },
  pools: { cheap: { by: "cost", of: ["nano", "small", "llama"] } },
  effort: { attempts: 3, dollars: usd(0.1) },
  routes: ({ any, deny, first, pool, request, send }) => [
    {
      name: "too-long",
      when: request.inputTokens.gt(250_000),
      to: deny(413, "prompt_too_long", "nothing cheap reads more than 250,000 tokens")
    },
    // What is more than a question is worth a better model.
    {
      name: "work",
      when: any(request.needs.tools, request.needs.structuredOutput, request.inputTokens.gt(8_000)),
      to: first("mini", pool("cheap"))
    },
    { name: "default", to: first(pool("cheap"), send("mini", { reasoningEffort: "low" })) }
  ]
})
