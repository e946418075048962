import { env, policy } from "turnout"

// One model in three regions of one provider, nearest first. A region that fails is left within five seconds, one whose breaker is open is not even tried, and the day's last resort is another vendor.
export default policy({
  name: "regional-failover",
  headers: ["x-region"],
  providers: {
    cloud: { dialect: "openai", baseUrl: "https://{region}.models.example.com/v1", key: env("CLOUD_API_KEY") },
    openai: { dialect: "openai", key: env("OPENAI_API_KEY") }
  },
  targets: {
    frankfurt: { provider: "cloud", model: "gpt-4o", region: "eu-central", deployment: "chat-fra" },
    virginia: { provider: "cloud", model: "gpt-4o", region: "us-east", deployment: "chat-iad" },
    oregon: { provider: "cloud", model: "gpt-4o", region: "us-west", deployment: "chat-pdx" },
    direct: { provider: "openai", model: "gpt-4o" }
  },
  timeouts: { connect: "2 seconds", firstToken: "20 seconds" },
  effort: { attempts: 4, time: "45 seconds" },
  routes: ({ first, request, spread, within }) => [
    {
      name: "europe",
      when: request.header("x-region").or("none").is("eu"),
      to: first(within("5 seconds", "frankfurt"), within("5 seconds", spread("latency", ["virginia", "oregon"])), "direct")
    },
    {
      name: "default",
      to: first(within("5 seconds", spread("latency", ["virginia", "oregon"])), within("5 seconds", "frankfurt"), "direct")
    }
  ]
})
