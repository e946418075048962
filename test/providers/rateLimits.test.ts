/**
 * What headers say of waiting, as providers send them and as nobody should.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { Dialect } from "../../src/Dialect.ts"
import { relayOf } from "../../src/exchange/relay.ts"
import type { Transfer } from "../../src/exchange/transfer.ts"
import { anthropic } from "../../src/providers/anthropic.ts"
import { gemini } from "../../src/providers/gemini.ts"
import { openai } from "../../src/providers/openai.ts"
import { type Headers, longestPauseMillis, longestWaitMillis, retryAfterMillis } from "../../src/providers/rateLimits.ts"
import { responses } from "../../src/providers/responses.ts"
import { present, recorded } from "./recorded.ts"

const date = "Sun, 22 Nov 2026 10:00:00 GMT"

describe("`retry-after`", () => {
  const table: ReadonlyArray<readonly [headers: Headers, millis: number | undefined]> = [
    [{ "retry-after": "7" }, 7000],
    [{ "retry-after": " 7 " }, 7000],
    [{ "retry-after": "0" }, 0],
    [{ "retry-after": "0.5" }, 500],
    [{ "retry-after": ["3", "9"] }, 3000],
    [{ "retry-after": "999999999" }, longestWaitMillis],
    [{ "retry-after-ms": "250", "retry-after": "7" }, 250],
    [{ "retry-after-ms": "36500.5" }, 36_501],
    [{ "retry-after-ms": "soon", "retry-after": "7" }, 7000],
    [{ "retry-after-ms": "-1", "retry-after": "7" }, 7000],
    // The three forms of RFC 9110, and the one of RFC 3339.
    [{ "retry-after": "Sun, 22 Nov 2026 10:00:30 GMT", date }, 30_000],
    [{ "retry-after": "Sunday, 22-Nov-26 10:00:30 GMT", date }, 30_000],
    [{ "retry-after": "Sun Nov 22 10:00:30 2026", date }, 30_000],
    [{ "retry-after": "2026-11-22T10:00:30Z", date }, 30_000],
    [{ "retry-after": "Sun, 22 Nov 2026 09:00:00 GMT", date }, 0],
    [{ "retry-after": "Fri, 31 Dec 9999 23:59:59 GMT", date }, longestWaitMillis],
    [{ "retry-after": "Sun, 22 Nov 2026 10:00:30 GMT" }, undefined],
    [{ "retry-after": "Sun, 22 Nov 2026 10:00:30 GMT", date: "today" }, undefined],
    [{ "retry-after": "Sun, 99 Nov 2026 10:00:30 GMT", date }, undefined],
    // Words in which a lenient parser of dates finds a year.
    [{ "retry-after": "attempt 1", date }, undefined],
    [{ "retry-after": "2026", date: "1" }, 2_026_000],
    [{ "retry-after": "" }, undefined],
    [{ "retry-after": " " }, undefined],
    [{ "retry-after": "-1" }, undefined],
    [{ "retry-after": "1e3" }, undefined],
    [{ "retry-after": "0x10" }, undefined],
    [{ "retry-after": "Infinity" }, undefined],
    [{ "retry-after": "NaN" }, undefined],
    [{ "retry-after": "9".repeat(400) }, undefined],
    [{ "retry-after": [] }, undefined],
    [{}, undefined]
  ]
  for (const [headers, millis] of table) {
    it(JSON.stringify(headers).slice(0, 90), () => assert.strictEqual(retryAfterMillis(headers), millis))
  }

  it("is read by the same code for a failure", () => {
    for (const [headers, millis] of table) {
      const single = Object.fromEntries(Object.entries(headers).filter(([, value]) => typeof value === "string")) as Record<string, string>
      if (Object.keys(single).length !== Object.keys(headers).length) continue
      assert.strictEqual(openai.classify(429, {}, single).retryAfterMillis, millis)
      assert.strictEqual(anthropic.classify(529, {}, single).retryAfterMillis, millis)
    }
  })
})

/** The headers of one of OpenAI's limits. */
const left = (kind: string, limit: string, remaining: string, reset: string, more: Headers = {}): Headers => ({
  [`x-ratelimit-limit-${kind}`]: limit,
  [`x-ratelimit-remaining-${kind}`]: remaining,
  [`x-ratelimit-reset-${kind}`]: reset,
  ...more
})

describe("OpenAI's limits", () => {
  const table: ReadonlyArray<readonly [why: string, headers: Headers, tokens: number | undefined, millis: number | undefined]> = [
    ["something is left", left("requests", "60", "59", "1s"), undefined, undefined],
    ["one is left", left("requests", "60", "1", "59s"), undefined, undefined],
    ["the share of one request of a minute", left("requests", "60", "0", "1m0s"), undefined, 1000],
    ["of six minutes", left("requests", "60", "0", "6m0s"), undefined, 6000],
    ["of a day", left("requests", "14400", "0", "23h59m60s"), undefined, 6000],
    ["of a part of a second", left("requests", "10", "0", "17.4s"), undefined, 1740],
    ["of milliseconds", left("requests", "2", "0", "20ms"), undefined, 10],
    ["of seconds and milliseconds", left("requests", "1", "0", "1s500ms"), undefined, 1500],
    ["of plain seconds", left("requests", "10", "0", "30"), undefined, 3000],
    [
      "of what must be milliseconds, for the window is shorter",
      left("requests", "10", "0", "500", { "x-ratelimit-renewalperiod-requests": "60" }),
      undefined,
      50
    ],
    ["a minute at most", left("requests", "1", "0", "6m0s"), undefined, longestPauseMillis],
    ["nothing, of a limit that is not told", left("requests", "", "0", "5s"), undefined, undefined],
    ["nothing, of a limit of none", left("requests", "0", "0", "5s"), undefined, undefined],
    ["the share of so many tokens", left("tokens", "100000", "0", "60s"), 5000, 3000],
    ["of more tokens than there are", left("tokens", "1000", "0", "10s"), 5000, 10_000],
    ["of unknown tokens: all of the reset", left("tokens", "1000", "0", "10s"), undefined, 10_000],
    ["of no tokens", left("tokens", "1000", "0", "10s"), 0, undefined],
    ["of nonsensical tokens: all of the reset", left("tokens", "1000", "0", "10s"), Number.NaN, 10_000],
    ["the longer of two", { ...left("requests", "60", "0", "1m0s"), ...left("tokens", "1000", "0", "10s") }, 500, 5000],
    ["a project's tokens", left("project-tokens", "1000", "0", "10s"), 100, 1000],
    ["a list of values", { ...left("requests", "60", "0", "1m0s"), "x-ratelimit-remaining-requests": ["0", "5"] }, undefined, 1000],
    // Azure writes so where it does not know.
    ["less than nothing is left", left("tokens", "-1", "-1", "0"), 100, undefined],
    ["of no reset", left("requests", "60", "0", "0s"), undefined, undefined],
    ["of a reset that is over", left("requests", "60", "0", "2026-11-22T09:00:00Z", { date }), undefined, undefined],
    ["a reset as a date", left("requests", "60", "0", "2026-11-22T10:01:00Z", { date }), undefined, 1000],
    ["a date without a date to compare it with", left("requests", "60", "0", "2026-11-22T10:01:00Z"), undefined, undefined],
    // OpenRouter counts from 1970.
    ["a reset in the far future", left("requests", "60", "0", "1741305600000"), undefined, undefined],
    ["a reset in the year 9999", left("requests", "60", "0", "9999-12-31T23:59:59Z", { date }), undefined, undefined],
    ["garbage that is left", left("requests", "60", "zero", "1s"), undefined, undefined],
    ["garbage as a reset", left("requests", "60", "0", "soon"), undefined, undefined],
    ["a reset that goes back", left("requests", "60", "0", "-5s"), undefined, undefined],
    ["a reset of nothing", left("requests", "60", "0", ""), undefined, undefined],
    ["a reset of too many digits", left("requests", "60", "0", `${"9".repeat(200)}s`), undefined, undefined],
    ["a minute that has no reset", { "x-ratelimit-limit-req-minute": "30", "x-ratelimit-remaining-req-minute": "0" }, undefined, 2000],
    ["without a kind", { "x-ratelimit-limit": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "2" }, undefined, 1000],
    ["`retry-after` alone, which says nothing beside a success", { "retry-after": "35" }, undefined, undefined],
    ["nothing", {}, undefined, undefined]
  ]
  for (const [why, headers, tokens, millis] of table) {
    it(why, () => {
      assert.strictEqual(openai.pauseMillis!(headers, tokens), millis)
      assert.strictEqual(responses.pauseMillis!(headers, tokens), millis)
    })
  }
})

describe("Anthropic's limits", () => {
  const of = (kind: string, limit: string, remaining: string, reset: string): Headers => ({
    [`anthropic-ratelimit-${kind}-limit`]: limit,
    [`anthropic-ratelimit-${kind}-remaining`]: remaining,
    [`anthropic-ratelimit-${kind}-reset`]: reset,
    date
  })
  const soon = "2026-11-22T10:00:30Z"
  const table: ReadonlyArray<readonly [why: string, headers: Headers, tokens: number | undefined, millis: number | undefined]> = [
    ["something is left", of("requests", "50", "49", soon), undefined, undefined],
    ["the share of one request", of("requests", "50", "0", soon), undefined, 600],
    ["in another zone", of("requests", "50", "0", "2026-11-22T11:00:30.000+01:00"), undefined, 600],
    ["the share of so many tokens", of("tokens", "40000", "0", soon), 4000, 3000],
    ["of input", of("input-tokens", "40000", "0", soon), 4000, 3000],
    ["of output", of("output-tokens", "8000", "0", soon), 4000, 15_000],
    ["a minute at most", of("output-tokens", "8000", "0", "2026-11-22T11:00:00Z"), 8000, longestPauseMillis],
    ["without the answer's date", { ...of("requests", "50", "0", soon), date: undefined }, undefined, undefined],
    ["with a date that is none", { ...of("requests", "50", "0", soon), date: "yesterday" }, undefined, undefined],
    ["of a day without a zone", of("requests", "50", "0", "2026-11-22T10:00:30"), undefined, undefined],
    ["of what is no day", of("requests", "50", "0", "2026-13-45T10:00:30Z"), undefined, undefined],
    ["`retry-after` beside a success", { "retry-after": "35", date }, undefined, undefined]
  ]
  for (const [why, headers, tokens, millis] of table) it(why, () => assert.strictEqual(anthropic.pauseMillis!(headers, tokens), millis))

  it("and Google has none in its headers", () => assert.isUndefined(gemini.pauseMillis))
})

describe("the head of an answer", () => {
  /** What the relay tells the transfer of a request with 4,000 bytes of text for which 500 tokens are asked at most. */
  const told = (dialect: Dialect, status: number, headers: Headers): { readonly pause: number | undefined; readonly counted: number } => {
    let counted = 0
    const ask = {
      stream: false,
      inputBytes: () => {
        counted++
        return 4000
      },
      maxOutputTokens: () => 500
    }
    const transfer = { call: { ask }, dialect, forwards: true, maxAnswerBytes: 1000, pauseMillis: undefined }
    relayOf(transfer as unknown as Transfer, status, headers)
    return { pause: transfer.pauseMillis, counted }
  }
  const empty = left("requests", "60", "0", "1m0s")

  it("tells how long to leave its credential alone, be it a success or not", () => {
    for (const status of [200, 400, 429, 500]) assert.strictEqual(told(openai, status, empty).pause, 1000)
    assert.strictEqual(told(openai, 200, left("requests", "60", "1", "1m0s")).pause, undefined)
    assert.strictEqual(told(gemini, 200, empty).pause, undefined)
  })

  it("tells what a 429 asks for, and a longer wait for the limits", () => {
    assert.strictEqual(told(gemini, 429, { "retry-after": "12" }).pause, 12_000)
    assert.strictEqual(told(openai, 429, { ...empty, "retry-after": "12" }).pause, 12_000)
    assert.strictEqual(told(openai, 429, { ...empty, "retry-after-ms": "12" }).pause, 1000)
    assert.strictEqual(told(openai, 429, {}).pause, undefined)
    // An overload is not the credential's, and Anthropic tells `retry-after` beside successes, too.
    assert.strictEqual(told(anthropic, 503, { "retry-after": "12" }).pause, undefined)
    assert.strictEqual(told(anthropic, 200, { "retry-after": "35" }).pause, undefined)
  })

  it("counts what the request takes only where nothing is left", () => {
    assert.deepStrictEqual(told(openai, 200, left("tokens", "100000", "0", "60s")), { pause: 900, counted: 1 })
    assert.deepStrictEqual(told(openai, 200, left("tokens", "100000", "5", "60s")), { pause: undefined, counted: 0 })
  })
})

describe("whatever headers say", () => {
  const odd = fc.oneof(
    fc.string(),
    fc.constantFrom(
      "0",
      "00",
      "-0",
      "0.0",
      "1",
      "-1",
      "60",
      "1e9",
      "NaN",
      "Infinity",
      "",
      " ",
      "0s",
      "6m0s",
      "1s",
      "20ms",
      "9".repeat(16),
      date
    ),
    fc.integer().map(String),
    fc.double().map(String),
    fc.bigInt().map(String),
    fc.date().map((day) => (Number.isNaN(day.getTime()) ? "never" : day.toISOString())),
    fc.date().map((day) => (Number.isNaN(day.getTime()) ? "never" : day.toUTCString())),
    fc.tuple(fc.nat(), fc.constantFrom("s", "ms", "m", "h", "d", "")).map(([count, unit]) => `${count}${unit}`)
  )
  const names = [
    ...["limit", "remaining", "reset", "renewalperiod"].flatMap((what) =>
      ["-requests", "-tokens", "-project-tokens", ""].map((kind) => `x-ratelimit-${what}${kind}`)
    ),
    ...["limit", "remaining", "reset"].flatMap((what) =>
      ["requests", "tokens", "input-tokens", "output-tokens"].map((kind) => `anthropic-ratelimit-${kind}-${what}`)
    ),
    "x-ratelimit-remaining-req-minute",
    "x-ratelimit-limit-req-minute"
  ]
  const value = fc.oneof(odd, fc.array(odd, { maxLength: 2 }))
  const headersOf = fc
    .tuple(
      fc.dictionary(fc.constantFrom(...names, "retry-after", "retry-after-ms", "date"), value, { maxKeys: 30 }),
      fc.subarray(names.filter((name) => name.includes("remaining"))),
      fc.boolean(),
      fc.nat({ max: 100_000 })
    )
    .map(([given, nothingLeft, hasDate, most]): Headers => ({
      ...given,
      ...Object.fromEntries(
        nothingLeft.flatMap((name) => [[name, "0"] as const, [name.replace("remaining", "limit"), String(most)] as const])
      ),
      ...(hasDate ? { date } : {})
    }))

  it("a pause is a whole number of milliseconds within its bound, or none, and none where something is left", () => {
    let paused = 0
    let waited = 0
    fc.assert(
      fc.property(headersOf, fc.option(fc.oneof(fc.double(), fc.nat()), { nil: undefined }), (headers, tokens) => {
        for (const { pauseMillis } of [openai, anthropic]) {
          const pause = pauseMillis!(headers, tokens)
          if (pause === undefined) continue
          paused++
          assert.isTrue(Number.isSafeInteger(pause) && pause > 0 && pause <= longestPauseMillis, String(pause))
          const isEmpty = (told: Headers[string]) => /^\s*0+(?:\.0+)?\s*$/.test(String(Array.isArray(told) ? told[0] : told))
          assert.isTrue(Object.entries(headers).some(([name, told]) => name.includes("remaining") && isEmpty(told)))
        }
        const wait = retryAfterMillis(headers)
        if (wait === undefined) return
        waited++
        assert.isTrue(Number.isSafeInteger(wait) && wait >= 0 && wait <= longestWaitMillis, String(wait))
      }),
      { numRuns: 20_000 }
    )
    assert.isAbove(paused, 1000)
    assert.isAbove(waited, 300)
  })
})

const files = ["openai-chat", "openai-responses", "openai-embeddings", "azure-openai-chat", "azure-openai-responses", "compat-openai-chat"]

describe.skipIf(!present(...files, "anthropic-messages"))("recorded answers", () => {
  it("ask for no pause while something is left, and for one when nothing is", () => {
    let emptied = 0
    for (const file of [...files, "anthropic-messages"]) {
      const dialect = file === "anthropic-messages" ? anthropic : openai
      for (const { id, response } of recorded(file)) {
        const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name.toLowerCase(), value]))
        assert.isUndefined(dialect.pauseMillis!(headers, 1000), `${file} ${id}`)
        // The same answer with nothing left of what it tells.
        const told = Object.keys(headers).filter(
          (name) => name.includes("reset") && !name.includes("images") && !/^0s?$/.test(headers[name]!)
        )
        if (told.length === 0) continue
        const empty = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, name.includes("remaining") ? "0" : value]))
        const pause = dialect.pauseMillis!(empty)
        // A recording without its date cannot tell how long a date is off.
        if (dialect === anthropic && headers["date"] === undefined) {
          assert.isUndefined(pause, id)
          continue
        }
        if (pause === undefined) continue
        emptied++
        assert.isTrue(pause > 0 && pause <= longestPauseMillis, id)
      }
    }
    assert.isAbove(emptied, 50)
  })
})
