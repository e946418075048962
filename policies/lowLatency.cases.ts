import { cases } from "turnout"

export default cases({
  given: { at: { weekday: "tuesday", hour: 10 }, request: { stream: true } },
  cases: [
    { name: "by day a stream is hedged, but only if it is late", expect: { route: "live", served: "groq", tried: ["groq"] } },
    {
      name: "by the quicker of two hosts",
      when: { health: { groq: { latencyMillis: 500 }, together: { latencyMillis: 250 } } },
      expect: { served: "together" }
    },
    { name: "a host that fails is covered at once", fails: { groq: "overloaded" }, expect: { tried: ["groq", "mini"], served: "mini" } },
    { name: "both hosts are down", when: { health: { groq: { up: false }, together: { up: false } } }, expect: { served: "mini" } },
    { name: "at night nobody pays twice", when: { at: { weekday: "tuesday", hour: 23 } }, expect: { route: "default", served: "groq" } },
    {
      name: "nor where nobody waits for the first word",
      when: { request: { stream: false } },
      expect: { route: "default", served: "groq" }
    },
    {
      name: "and a failure is covered all the same",
      when: { request: { stream: false } },
      fails: { groq: "connection" },
      expect: { tried: ["groq", "mini"], served: "mini" }
    }
  ]
})
