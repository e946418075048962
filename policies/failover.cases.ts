import { cases } from "turnout"

export default cases({
  given: { request: { stream: true } },
  cases: [
    { name: "nothing is wrong", expect: { route: "default", tried: ["main"], served: "main" } },
    {
      name: "one key is over its limit: the other",
      fails: { main: ["rate-limited", "served"] },
      expect: { tried: ["main", "main"], served: "main" }
    },
    {
      name: "both keys are over their limits: another vendor",
      fails: { main: "rate-limited" },
      expect: { tried: ["main", "main", "second"], served: "second" }
    },
    {
      name: "one account is out of money: the other",
      fails: { main: ["quota-exhausted", "served"] },
      expect: { tried: ["main", "main"], served: "main" }
    },
    { name: "both keys are dead", fails: { main: "auth" }, expect: { tried: ["main", "main", "second"], served: "second" } },
    { name: "overloaded", fails: { main: "overloaded" }, expect: { tried: ["main", "second"], served: "second" } },
    { name: "an error on its side", fails: { main: "server-error" }, expect: { tried: ["main", "second"], served: "second" } },
    { name: "no connection", fails: { main: "connection" }, expect: { tried: ["main", "second"], served: "second" } },
    { name: "nonsense instead of an answer", fails: { main: "malformed" }, expect: { tried: ["main", "second"], served: "second" } },
    {
      name: "cut before its first word: nobody notices",
      fails: { main: "stream-cut" },
      expect: { tried: ["main", "second"], served: "second", status: 200 }
    },
    {
      name: "cut in the middle of its answer: the stream ends with an error, and nothing else is sent",
      fails: { main: { class: "stream-cut", committed: true } },
      expect: { tried: ["main"], served: "main", code: "upstream_stream_cut" }
    },
    {
      name: "silence is left after eight seconds, and the next still has time",
      takes: { main: "60 seconds", second: "3 seconds" },
      expect: { tried: ["main", "second"], served: "second" }
    },
    {
      name: "silence everywhere ends within half a minute",
      takes: { main: "60 seconds", second: "60 seconds", long: "60 seconds" },
      expect: { tried: ["main", "second", "long"], served: null, status: 504, code: "upstream_timeout" }
    },
    {
      name: "too long for the first: only to larger windows",
      fails: { main: "context-length" },
      expect: { tried: ["main", "second"], served: "second" }
    },
    {
      name: "too long for the second as well",
      fails: { main: "context-length", second: "context-length" },
      expect: { tried: ["main", "second", "long"], served: "long" }
    },
    {
      name: "a request that is wrong is wrong everywhere",
      fails: { main: "bad-request" },
      expect: { tried: ["main"], served: null, status: 400 }
    },
    {
      name: "what a filter has refused is not asked of others",
      fails: { main: "content-filter" },
      expect: { tried: ["main"], served: null, code: "content_filter" }
    },
    {
      name: "an open breaker costs no time",
      when: { health: { main: { up: false } } },
      expect: { rejected: { main: "breaker" }, tried: ["second"] }
    },
    {
      name: "everything fails: the first cause is told",
      fails: { main: "overloaded", second: "server-error", long: "rate-limited" },
      expect: { tried: ["main", "second", "long"], served: null, status: 503, code: "upstream_overloaded" }
    },
    {
      name: "a job waits and tries again, though its answer was cut",
      when: { request: { metadata: { job: "nightly" } } },
      fails: { main: ["stream-cut", "served"] },
      expect: { route: "jobs", tried: ["main", "main"], served: "main" }
    },
    {
      name: "a job whose provider asks for a minute is not kept waiting",
      when: { request: { metadata: { job: "nightly" } } },
      fails: { main: { class: "rate-limited", retryAfter: "60 seconds" } },
      expect: { tried: ["main", "main"], served: null, status: 429 }
    },
    {
      name: "a form that will do is handed on",
      when: { request: { needs: ["structuredOutput"] } },
      expect: { route: "forms", tried: ["main"], served: "main" }
    },
    {
      name: "a form that was cut short is asked for again",
      when: { request: { needs: ["structuredOutput"] } },
      answers: { main: { stop: "max-tokens" } },
      expect: { tried: ["main", "second"], served: "second" }
    },
    {
      name: "and so is one that was refused",
      when: { request: { needs: ["structuredOutput"] } },
      answers: { main: { refused: true } },
      expect: { tried: ["main", "second"], served: "second" }
    },
    {
      name: "a form goes to another vendor when the first is down",
      when: { request: { needs: ["structuredOutput"] } },
      fails: { main: "overloaded" },
      expect: { route: "forms", tried: ["main", "second"], served: "second" }
    },
    {
      name: "and to the third when both are",
      when: { request: { needs: ["structuredOutput"] } },
      fails: { main: "overloaded", second: "connection" },
      expect: { tried: ["main", "second", "long"], served: "long" }
    }
  ]
})
