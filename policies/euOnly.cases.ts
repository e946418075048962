import { cases } from "turnout"

export default cases({
  cases: [
    { name: "staff stay in the EU", when: { as: "anna" }, expect: { route: "default", served: "large" } },
    {
      name: "also when the first has failed",
      when: { as: "anna" },
      fails: { large: "server-error" },
      expect: { tried: ["large", "gpt-eu"], served: "gpt-eu" }
    },
    {
      name: "and when everything there has failed",
      when: { as: "anna" },
      fails: { large: "server-error", "gpt-eu": "overloaded" },
      expect: { tried: ["large", "gpt-eu"], status: 502 }
    },
    {
      name: "whatever they ask for",
      when: { as: "anna", request: { model: "gpt" } },
      expect: { route: "gpt", rejected: { gpt: "guard" }, tried: ["gpt-eu"], served: "gpt-eu" }
    },
    { name: "public data may go to the US", when: { as: "site", request: { model: "gpt" } }, expect: { route: "gpt", served: "gpt" } },
    {
      name: "and comes back when that fails",
      when: { as: "site", request: { model: "gpt" } },
      fails: { gpt: "timeout", "gpt-eu": "timeout" },
      expect: { tried: ["gpt", "gpt-eu", "large"], served: "large" }
    }
  ]
})
