import { cases } from "turnout"

export default cases({
  cases: [
    { name: "too long for any", when: { request: { inputTokens: 250_001 } }, expect: { status: 413, code: "prompt_too_long" } },
    {
      name: "a short question goes to the cheapest",
      when: { request: { inputTokens: 200 } },
      expect: { route: "default", served: "nano" }
    },
    {
      name: "the cheapest fails, and a better one answers instead of the next cheapest",
      when: { request: { inputTokens: 200 } },
      fails: { nano: "overloaded" },
      expect: { tried: ["nano", "mini"], served: "mini" }
    },
    {
      name: "an open breaker is passed over within the pool",
      when: { request: { inputTokens: 200 }, health: { nano: { up: false } } },
      expect: { tried: ["small"], served: "small" }
    },
    {
      name: "and the dearest of them is left",
      when: { request: { inputTokens: 200 }, health: { nano: { up: false }, small: { up: false } } },
      expect: { served: "llama" }
    },
    {
      name: "but a picture is never shown to the blind one",
      when: { request: { needs: ["vision"] }, health: { nano: { up: false }, small: { up: false } } },
      expect: { tried: ["mini"], served: "mini" }
    },
    { name: "tools are worth a better model", when: { request: { needs: ["tools"] } }, expect: { route: "work", served: "mini" } },
    {
      name: "which the pool covers",
      when: { request: { needs: ["tools"] } },
      fails: { mini: "rate-limited" },
      expect: { tried: ["mini", "nano"], served: "nano" }
    },
    {
      name: "three attempts and no more",
      when: { request: { needs: ["tools"] } },
      fails: { mini: "overloaded", nano: "overloaded" },
      expect: { tried: ["mini", "nano"], status: 503 }
    }
  ]
})
