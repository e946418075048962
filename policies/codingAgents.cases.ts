import { cases } from "turnout"

export default cases({
  given: { as: "ada", at: "2026-03-02T09:00:00Z", request: { maxOutputTokens: 8_000 } },
  cases: [
    {
      name: "an agent gets the model that it asks for",
      when: { request: { model: "claude-opus" } },
      expect: { route: "default", served: "opus" }
    },
    {
      name: "a busy provider is waited for",
      when: { request: { model: "claude-opus" } },
      fails: { opus: ["overloaded", "overloaded", "served"] },
      expect: { tried: ["opus", "opus", "opus"], served: "opus" }
    },
    {
      name: "but not for ever",
      when: { request: { model: "claude-opus" } },
      fails: { opus: "overloaded" },
      expect: { tried: ["opus", "opus", "opus", "gpt"], served: "gpt" }
    },
    {
      name: "a broken one is not tried again",
      when: { request: { model: "sonnet" } },
      fails: { sonnet: "server-error" },
      expect: { tried: ["sonnet", "gpt"], served: "gpt" }
    },
    {
      name: "errands go to the small model",
      when: { request: { model: "claude-opus", metadata: { task: "title" } } },
      expect: { route: "errands", served: "haiku" }
    },
    {
      name: "or the next larger",
      when: { request: { model: "claude-opus", metadata: { task: "summary" } } },
      fails: { haiku: "overloaded" },
      expect: { served: "sonnet" }
    },
    {
      name: "an expensive day ends with the cheaper model",
      when: { request: { model: "claude-opus" }, budgets: { developer: { usedRatio: 0.8 } } },
      expect: { route: "thrift", served: "sonnet" }
    },
    {
      name: "and another vendor's where that fails",
      when: { request: { model: "claude-opus" }, budgets: { developer: { usedRatio: 0.9 } } },
      fails: { sonnet: "server-error" },
      expect: { served: "gpt" }
    },
    {
      name: "and then it ends",
      when: { request: { model: "claude-opus" }, budgets: { developer: { spent: 25 } } },
      expect: { status: 402, code: "budget_exhausted", tried: [] }
    },
    {
      name: "the department's month ends for everybody",
      when: { as: "grace", request: { model: "claude-opus" }, budgets: { department: { spent: 3_000 } } },
      expect: { status: 402, tried: [] }
    }
  ]
})
