import { cases } from "turnout"

export default cases({
  // Ids decide the arms of `chat`: this one gets the usual Sonnet, and 29 the next.
  given: { at: "2026-03-02T09:00:00Z", request: { id: "1" } },
  cases: [
    {
      name: "a nearly spent budget goes to the small model",
      when: { as: "alice", request: { model: "sonnet" }, budgets: { engineering: { usedRatio: 0.9 } } },
      expect: { route: "thrift", served: "mini" }
    },
    {
      name: "a spent one is the end of it",
      when: { as: "alice", request: { model: "sonnet" }, budgets: { engineering: { spent: 200 } } },
      expect: { status: 402, code: "budget_exhausted", rejected: { mini: "budget" } }
    },
    {
      name: "another class's budget is nothing to an agent",
      when: { as: "carol", request: { model: "gpt-4o" }, budgets: { agent: { usedRatio: 0.9 } } },
      expect: { route: "default", served: "gpt-4o" }
    },
    {
      name: "an outage of Sonnet is covered",
      when: { as: "bob", request: { model: "chat" } },
      fails: { sonnet: "overloaded" },
      expect: { decision: "chat/split.sonnet", tried: ["sonnet", "mini"], served: "mini" }
    },
    {
      name: "a request that Sonnet finds wrong is not sent again",
      when: { as: "bob", request: { model: "chat" } },
      fails: { sonnet: "bad-request" },
      expect: { tried: ["sonnet"], status: 400, served: null }
    }
  ],
  matrices: [
    {
      name: "engineers may use these by name",
      when: { as: ["alice", "bob"], request: { model: ["sonnet", "next", "mini", "claude-sonnet"], stream: [true, false] } },
      expect: { route: "default", status: 200, rejected: {} }
    }
  ],
  tables: [
    {
      name: "who gets what",
      columns: ["as", "request.model", "request.id", "expect.route", "expect.served", "expect.code"],
      rows: [
        ["alice", "chat", "1", "chat", "sonnet", null],
        ["carol", "chat", "1", "chat", "sonnet", null],
        ["carol", "chat", "29", "chat", "next", null],
        ["alice", "gpt-4o", "-", "default", null, "not_granted"],
        ["carol", "gpt-4o", "-", "default", "gpt-4o", null],
        ["carol", "gpt-4", "-", "default", null, "model_not_found"]
      ]
    }
  ]
})
