import { env, policy } from "turnout"

// Every failure goes where it can be mended, and nowhere else. A limit or a dead key moves to the other key, an outage to another vendor, a request that is too long to a larger window; what is wrong with
// the request itself is said at once. Nobody waits longer than the route allows, however many things go wrong.
export default policy({
  name: "failover",
  metadata: ["job"],
  providers: {
    openai: { dialect: "openai", keys: [{ key: env("OPENAI_API_KEY"), weight: 3 }, env("OPENAI_API_KEY_2")] },
    anthropic: { dialect: "anthropic", key: env("ANTHROPIC_API_KEY") },
    gemini: { dialect: "gemini", key: env("GEMINI_API_KEY") }
  },
  targets: {
    main: { provider: "openai", model: "gpt-4o-mini", capacity: { inFlight: 200, queued: 50, wait: "500 millis" } },
    second: { provider: "anthropic", model: "claude-haiku-4-5" },
    long: { provider: "gemini", model: "gemini-2.5-flash" }
  },
  timeouts: { connect: "2 seconds", headers: "8 seconds", firstToken: "8 seconds", idle: "15 seconds", total: "3 minutes" },
  effort: { attempts: 6, time: "30 seconds" },
  routes: ({ answer, any, escalate, first, request, retry, within }) => [
    {
      // Nobody waits for a job, so it is tried again rather than sent elsewhere, and no half an answer is of use to it.
      name: "jobs",
      when: request.metadata("job").present(),
      commit: "whole",
      effort: { attempts: 8, time: "2 minutes" },
      timeouts: { total: "1 minutes" },
      to: retry({ attempts: 4, first: "1 seconds", longest: "20 seconds" }, "main")
    },
    {
      // An answer that has been refused or cut short by its length is asked for again, of a model that costs more.
      name: "forms",
      when: request.needs.structuredOutput,
      to: escalate("main", { if: any(answer.refused, answer.stop.is("max-tokens")), to: first("second", "long") })
    },
    { name: "default", to: first(within("9 seconds", "main"), within("9 seconds", "second"), "long") }
  ]
})
