import { cases } from "turnout"

export default cases({
  cases: [
    {
      name: "a long prompt goes to the large model, whatever was asked for",
      when: { request: { model: "small", inputTokens: 2_001 } },
      expect: { route: "long", served: "large" }
    },
    {
      name: "a prompt of 2,000 tokens is not long",
      when: { request: { model: "small", inputTokens: 2_000 } },
      expect: { route: "default", served: "small" }
    },
    {
      name: "a broken deployment is covered",
      when: { request: { model: "sturdy" } },
      fails: { broken: "overloaded" },
      expect: { tried: ["broken", "small"], served: "small" }
    },
    { name: "and one that works is kept", when: { request: { model: "sturdy" } }, expect: { tried: ["broken"], served: "broken" } },
    {
      name: "an open breaker is not even tried",
      when: { request: { model: "sturdy" }, health: { broken: { up: false } } },
      expect: { tried: ["small"], rejected: { broken: "breaker" } }
    },
    {
      name: "a model that nobody knows",
      when: { request: { model: "gpt-5" } },
      expect: { status: 404, code: "model_not_found", tried: [] }
    }
  ],
  tables: [
    {
      name: "one request in ten tries the next model, always the same ones",
      when: { request: { model: "assistant" } },
      columns: ["request.id", "expect.decision", "expect.served"],
      rows: [
        ["a", "assistant/split.small", "small"],
        ["b", "assistant/split.next", "next"]
      ]
    }
  ]
})
