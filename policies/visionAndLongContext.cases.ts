import { cases } from "turnout"

export default cases({
  cases: [
    {
      name: "a long prompt has a second home",
      when: { request: { inputTokens: 200_000 } },
      fails: { million: "timeout" },
      expect: { tried: ["million", "sonnet"] }
    },
    { name: "a short question is answered quickly", expect: { route: "default", served: "quick" } },
    {
      name: "a slow quick model is not waited for",
      fails: { quick: "timeout", sees: "overloaded" },
      expect: { tried: ["quick", "sees", "sonnet"], served: "sonnet" }
    },
    {
      name: "a picture among tools, and the cheap one fails",
      when: { request: { needs: ["vision", "tools"] } },
      fails: { sees: "connection" },
      expect: { served: "sonnet" }
    }
  ],
  tables: [
    {
      name: "what a request needs decides",
      columns: ["request.needs", "request.inputTokens", "expect.route", "expect.served", "expect.code"],
      rows: [
        [["vision"], 500, "pictures", "sees", null],
        [["files"], 500, "pictures", "sees", null],
        [["reasoning"], 500, "thinking", "sonnet", null],
        [[], 100_000, "default", "quick", null],
        [[], 100_001, "long", "million", null],
        [["vision"], 300_000, "long", "million", null],
        [["audio"], 500, "unheard", null, "no_audio"],
        [[], 900_001, "too-long", null, "prompt_too_long"]
      ]
    }
  ]
})
