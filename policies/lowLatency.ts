import { env, policy } from "turnout"

// The first words within a second. What has not begun after 700 ms is asked for again elsewhere, the first to begin is served, and the other is stopped. By day, when people wait; at night nobody pays twice.
export default policy({
  name: "low-latency",
  zone: "Europe/Berlin",
  providers: {
    openai: { dialect: "openai", key: env("OPENAI_API_KEY") },
    groq: { dialect: "groq", key: env("GROQ_API_KEY") },
    together: { dialect: "together", key: env("TOGETHER_API_KEY") }
  },
  targets: {
    mini: { provider: "openai", model: "gpt-4.1-mini" },
    groq: { provider: "groq", model: "llama-3.3-70b-versatile" },
    together: { provider: "together", model: "meta-llama/Llama-3.3-70B-Instruct-Turbo" }
  },
  pools: { llama: { by: "latency", of: ["groq", "together"] } },
  routes: ({ all, first, hedge, pool, request, time, within }) => [
    {
      name: "live",
      when: all(request.stream, time.hour.gte(7), time.hour.lt(20)),
      to: within("5 seconds", hedge(pool("llama"), { after: "700 millis", with: "mini" }))
    },
    { name: "default", to: first(pool("llama"), "mini") }
  ]
})
