import { cases } from "turnout"

export default cases({
  cases: [
    { name: "the core team always gets the next model", when: { as: "core" }, expect: { route: "core-team", served: "next" } },
    {
      name: "and the stable one when it fails",
      when: { as: "core" },
      fails: { next: "server-error" },
      expect: { tried: ["next", "stable"], served: "stable" }
    },
    {
      name: "a conversation in the canary gets the stable model when the next one fails",
      when: { as: "shop", request: { metadata: { conversation: "c-34" } } },
      fails: { next: "overloaded" },
      expect: { decision: "default/split.next", tried: ["next", "stable"], served: "stable" }
    },
    {
      name: "a failing canary pauses itself",
      when: { as: "core", health: { next: { up: false } } },
      expect: { route: "paused", served: "stable" }
    },
    {
      name: "so does a slow one",
      when: { as: "core", health: { next: { latencyMillis: 4_500 } } },
      expect: { route: "paused", served: "stable" }
    },
    { name: "without a conversation there is one arm for all", when: { as: "desk" }, expect: { route: "default" } }
  ],
  tables: [
    {
      name: "a conversation keeps its side, whoever asks",
      columns: ["as", "request.metadata.conversation", "expect.served"],
      rows: [
        ["shop", "c-1", "stable"],
        ["desk", "c-1", "stable"],
        ["shop", "c-34", "next"],
        ["desk", "c-34", "next"]
      ]
    }
  ]
})
