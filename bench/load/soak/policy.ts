/**
 * The policy of a soak: a route for each model of `plan.ts`, so that every strategy meets faults at once, over four providers that speak the four APIs, one that is down now and then and one that hangs up on everybody.
 *
 * Limits are hundreds of milliseconds, so that what stalls does not gather. Prices are such that an answer of the upstream costs a known amount.
 */
import { env, type PolicyEncoded, policy, usd } from "../../../src/index.ts"
import type { Model } from "./plan.ts"
import type { Ports } from "./upstream.ts"

/** Attempts that end as `timeout` have lasted at least as long as the shortest of these, or the provider has said so. */
export const limitMillis = { connect: 500, headers: 800, firstToken: 800, idle: 600, total: 8_000, within: 700, effort: 3_000 } as const

/** What each route names first: where nothing could be tried, it is told of that one, whichever was considered first. */
export const firstOf: Readonly<Record<Model, string>> = {
  first: "main",
  retry: "second",
  hedge: "third",
  spread: "main",
  escalate: "cheap",
  shadow: "main",
  whole: "main",
  outage: "nobody",
  alone: "own"
}

/** Answers of fewer characters than this are escalated, to these. */
export const tooFewCharacters = 30
export const betterThanCheap = ["own", "main"] as const

/** What the upstream's answer costs in nano-dollars: 20 tokens of input and 9 of output, at $10 and $100 for a million. */
export const answerNanoDollars = 20 * 10_000 + 9 * 100_000

/** What the class `poor` may spend in a month, in nano-dollars. */
export const poorNanoDollars = 30_000_000

const millis = (of: keyof typeof limitMillis): `${number} millis` => `${limitMillis[of]} millis`

export const policyOf = ({ http, reset }: Ports): PolicyEncoded => {
  const [openai, gemini, resets] = [`http://127.0.0.1:${http}/v1`, `http://127.0.0.1:${http}/v1beta`, `http://127.0.0.1:${reset}/v1`]
  const more = { price: { input: usd(10), output: usd(100) }, maxOutputTokens: 100, addedTokens: 0 } as const
  const may = ["main", "second", "third", "own", "cheap", "copy", "outage", "nobody"] as const
  return policy({
    name: "soak",
    providers: {
      chat: {
        dialect: "openai",
        speaks: ["chat.completions"],
        baseUrl: openai,
        keys: [{ key: env("SOAK_A"), weight: 3 }, env("SOAK_B"), env("SOAK_REVOKED"), env("SOAK_USED_UP")]
      },
      claude: { dialect: "anthropic", baseUrl: openai, keys: [env("SOAK_A"), env("SOAK_B")] },
      gemini: { dialect: "gemini", baseUrl: gemini, key: env("SOAK_A") },
      responses: { dialect: "openai", speaks: ["responses"], baseUrl: openai, key: env("SOAK_A") },
      flapping: { dialect: "openai", speaks: ["chat.completions"], baseUrl: openai, key: env("SOAK_B") },
      nobody: { dialect: "openai", speaks: ["chat.completions"], baseUrl: resets, key: env("SOAK_A") }
    },
    targets: {
      main: { provider: "chat", model: "main", ...more, capacity: { inFlight: 24, queued: 16, wait: "200 millis" } },
      second: { provider: "claude", model: "second", ...more },
      third: { provider: "gemini", model: "third", ...more },
      own: { provider: "responses", model: "own", ...more },
      cheap: { provider: "claude", model: "cheap", ...more },
      copy: { provider: "gemini", model: "copy", ...more, capacity: { inFlight: 16 } },
      outage: { provider: "flapping", model: "outage", ...more },
      nobody: { provider: "nobody", model: "nobody", ...more }
    },
    timeouts: {
      connect: millis("connect"),
      headers: millis("headers"),
      firstToken: millis("firstToken"),
      idle: millis("idle"),
      total: millis("total")
    },
    effort: { attempts: 5, time: millis("effort") },
    budgets: {
      all: { per: "class", limit: usd(1_000_000), every: "month" },
      little: { per: "class", limit: usd(poorNanoDollars / 1e9), every: "month" }
    },
    classes: { staff: { may: [...may], within: ["all"] }, poor: { may: [...may], within: ["little"] } },
    keys: {
      anna: { secret: env("SOAK_ANNA"), class: "staff" },
      bert: { secret: env("SOAK_BERT"), class: "staff" },
      carl: { secret: env("SOAK_CARL"), class: "staff" },
      poor: { secret: env("SOAK_POOR"), class: "poor" }
    },
    routes: ({ answer, escalate, first, hedge, request, retry, shadow, spread, within }) => [
      { name: "first", when: request.model.is("first"), to: first(within(millis("within"), "main"), "second", "own") },
      { name: "retry", when: request.model.is("retry"), to: retry({ attempts: 3, first: "50 millis", longest: "200 millis" }, "second") },
      { name: "hedge", when: request.model.is("hedge"), to: hedge("third", { after: "25 millis", with: "own" }) },
      { name: "spread", when: request.model.is("spread"), to: first(spread("latency", ["main", "second", "third", "own"]), "own") },
      {
        name: "escalate",
        when: request.model.is("escalate"),
        to: escalate("cheap", { if: answer.characters.lt(tooFewCharacters), to: first(...betterThanCheap) })
      },
      { name: "shadow", when: request.model.is("shadow"), to: shadow(first("main", "third"), { copy: "copy", sample: 25 }) },
      { name: "whole", when: request.model.is("whole"), commit: "whole", to: first("main", "second", "own") },
      { name: "outage", when: request.model.is("outage"), to: first("nobody", "outage", "own") },
      { name: "alone", to: "own" }
    ]
  })
}
