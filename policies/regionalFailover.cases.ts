import { cases } from "turnout"

export default cases({
  given: { request: { headers: { "x-region": "eu" } } },
  cases: [
    { name: "Europe is served in Frankfurt", expect: { route: "europe", served: "frankfurt" } },
    {
      name: "Frankfurt is down: the nearest other region",
      fails: { frankfurt: "connection" },
      expect: { tried: ["frankfurt", "virginia"], served: "virginia" }
    },
    {
      name: "of the others the quicker one",
      when: { health: { virginia: { latencyMillis: 900 }, oregon: { latencyMillis: 400 } } },
      fails: { frankfurt: "connection" },
      expect: { tried: ["frankfurt", "oregon"] }
    },
    {
      name: "the whole provider is down",
      fails: { frankfurt: "overloaded", virginia: "overloaded", oregon: "overloaded" },
      expect: { tried: ["frankfurt", "virginia", "direct"], served: "direct" }
    },
    {
      name: "an open breaker costs no time",
      when: { health: { frankfurt: { up: false } } },
      expect: { rejected: { frankfurt: "breaker" }, tried: ["virginia"] }
    },
    {
      name: "America is served in America",
      when: { request: { headers: { "x-region": "us" } } },
      expect: { route: "default", served: "virginia" }
    },
    {
      name: "by the region that is quicker",
      when: { request: { headers: { "x-region": "us" } }, health: { virginia: { latencyMillis: 900 }, oregon: { latencyMillis: 400 } } },
      expect: { served: "oregon" }
    },
    {
      name: "America is down, Frankfurt helps out",
      when: { request: { headers: { "x-region": "us" } }, health: { virginia: { up: false }, oregon: { up: false } } },
      expect: { served: "frankfurt" }
    },
    {
      name: "and then another vendor",
      when: { request: { headers: { "x-region": "us" } } },
      fails: { virginia: "timeout", frankfurt: "timeout" },
      expect: { tried: ["virginia", "frankfurt", "direct"], served: "direct" }
    }
  ]
})
