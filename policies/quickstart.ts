import { policy } from "turnout"

// Needs no account: `turnout serve` starts the mock deployments named here on a port of their own.
export default policy({
  name: "quickstart",
  providers: {
    mock: {
      dialect: "openai",
      baseUrl: "http://127.0.0.1:8081/v1",
      mock: {
        "mock-small": { firstToken: "30 millis", perToken: "15 millis" },
        "mock-next": { firstToken: "20 millis", perToken: "10 millis" },
        "mock-large": { firstToken: "80 millis", perToken: "25 millis" },
        "mock-broken": { fault: 503 }
      }
    }
  },
  targets: {
    small: { provider: "mock", model: "mock-small" },
    next: { provider: "mock", model: "mock-next" },
    large: { provider: "mock", model: "mock-large" },
    broken: { provider: "mock", model: "mock-broken" }
  },
  routes: ({ asked, first, request, split }) => [
    // A condition: long prompts go to the large model, whatever was asked for.
    { name: "long", when: request.inputTokens.gt(2_000), to: "large" },
    // A split: one request in ten tries the next model.
    { name: "assistant", when: request.model.is("assistant"), to: split({ by: request.id, salt: "next-1" }, { small: 90, next: 10 }) },
    // A failover: the first deployment always fails, and the caller never notices.
    { name: "sturdy", when: request.model.is("sturdy"), to: first("broken", "small") },
    // Everything else gets the target it names.
    { name: "default", to: asked() }
  ]
})
