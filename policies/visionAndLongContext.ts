import { env, policy } from "turnout"

// Pictures go where pictures are read, long prompts where they fit. A request that a target is known not to manage is never sent there, on any path.
export default policy({
  name: "vision-and-long-context",
  providers: {
    openai: { dialect: "openai", key: env("OPENAI_API_KEY") },
    anthropic: { dialect: "anthropic", key: env("ANTHROPIC_API_KEY") },
    groq: { dialect: "groq", key: env("GROQ_API_KEY") }
  },
  targets: {
    quick: { provider: "groq", model: "llama-3.3-70b-versatile" },
    sees: { provider: "openai", model: "gpt-4.1-mini" },
    sonnet: { provider: "anthropic", model: "claude-sonnet-4-6", maxOutputTokens: 16_384 },
    million: { provider: "openai", model: "gpt-4.1" }
  },
  timeouts: { firstToken: "30 seconds" },
  routes: ({ any, deny, first, request, within }) => [
    {
      name: "too-long",
      when: request.inputTokens.gt(900_000),
      to: deny(413, "prompt_too_long", "no model here reads more than 900,000 tokens")
    },
    { name: "unheard", when: request.needs.audio, to: deny(422, "no_audio", "nothing here listens: send text or pictures") },
    { name: "long", when: request.inputTokens.gt(100_000), to: first("million", "sonnet"), timeouts: { firstToken: "2 minutes" } },
    { name: "pictures", when: any(request.needs.vision, request.needs.files), to: first(within("10 seconds", "sees"), "sonnet") },
    { name: "thinking", when: request.needs.reasoning, to: "sonnet" },
    { name: "default", to: first(within("3 seconds", "quick"), "sees", "sonnet") }
  ]
})
