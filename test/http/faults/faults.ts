/**
 * What goes wrong upstream, and what has to come of it: one entry a fault, held against what is measured through every dialect, whole and streamed.
 *
 * The expectations are those of section 4 of the design, written down again and not taken from the engine: which class, what the caller is told, whether it may have cost something.
 */
import type { FailureClass } from "../../../src/Failure.ts"

/** Where the provider answers: at its port of HTTP, at one below it, or at a port of HTTP that is taken for one of TLS. */
export type Place = "http" | "refused" | "reset" | "garbage" | "alert" | "https" | "mute"

type ByForm<A> = A | { readonly whole: A; readonly streamed: A }

export interface Fault {
  readonly name: string
  /** Its row in the README's table, by the first cell. */
  readonly row: ByForm<string>
  readonly place?: Place
  /** For the upstream. */
  readonly scenario?: ByForm<string>
  /** Undefined where the answer is served in spite of it. */
  readonly outcome: ByForm<FailureClass | undefined>
  /** The status and code that a caller is told, where they are not those of the class. */
  readonly told?: readonly [status: number, code: string]
  /** A stream has begun to answer before it fails. */
  readonly late?: true
  /** It may have been billed, so that the reservation is charged; `either` where it is left to chance whether anything was sent. */
  readonly costs: boolean | "either"
  /** Another try after a wait answers. */
  readonly heals?: number
  /** The provider asks for longer than is waited. */
  readonly tooLong?: true
  /** The wait that the provider asks for, in milliseconds. */
  readonly asksMillis?: number
  /** Megabytes a call: a few at a time. */
  readonly heavy?: true
  /** What its headers say of limits pauses the credential for a moment, and a try that comes within it is not made. */
  readonly pauses?: true
  /** Limits of the attempt, which are far off where nothing is said. */
  readonly timeouts?: Readonly<Partial<Record<"connect" | "headers" | "firstToken" | "idle" | "total", `${number} millis`>>>
}

export const isStreamed = <A>(of: ByForm<A>, streamed: boolean): A =>
  typeof of === "object" && of !== null && "whole" in of ? (streamed ? of.streamed : of.whole) : of

/** What a caller is told of a class when nothing else could answer. */
export const toldOf: Readonly<Record<Exclude<FailureClass, "cancelled" | "escalated">, readonly [status: number, code: string]>> = {
  "rate-limited": [429, "upstream_rate_limited"],
  "quota-exhausted": [429, "upstream_quota_exhausted"],
  overloaded: [503, "upstream_overloaded"],
  "server-error": [502, "upstream_error"],
  timeout: [504, "upstream_timeout"],
  connection: [502, "upstream_connection_failed"],
  "stream-cut": [502, "upstream_stream_cut"],
  malformed: [502, "upstream_malformed"],
  "context-length": [400, "context_length_exceeded"],
  "content-filter": [400, "content_filter"],
  "bad-request": [400, "upstream_bad_request"],
  auth: [502, "upstream_auth_failed"]
}

/** Classes after which `first` moves on, and those after which `retry` tries again. */
export const movesOn: ReadonlySet<FailureClass> = new Set<FailureClass>([
  "rate-limited",
  "quota-exhausted",
  "overloaded",
  "server-error",
  "timeout",
  "connection",
  "stream-cut",
  "malformed",
  "auth"
])
export const triesAgain: ReadonlySet<FailureClass> = new Set([...movesOn].filter((name) => name !== "quota-exhausted" && name !== "auth"))

/** Far above what a busy machine adds to an answer that comes at once. */
const hasty = { headers: "800 millis", idle: "700 millis" } as const

const rows = {
  served: "it is slow, but answers",
  unreachable: "nobody listens, or TLS fails",
  unconnected: "no connection in time",
  broken: "the connection breaks before an answer, or what comes is not HTTP",
  silent: "it says nothing, stalls or trickles before the first content",
  cut: "the answer is cut, or ends without its terminator, before the first content",
  malformed: "the answer is broken JSON, a page, empty, compressed, of another type or too large",
  inside: "an error inside a 200, before the first content",
  silentLate: "a stream stalls after its first content",
  cutLate: "a stream is cut, or ends without its terminator, after its first content",
  malformedLate: "an event of a stream is broken after its first content",
  insideLate: "an error inside a stream after its first content",
  rate: "429, with or without `retry-after`",
  quota: "402, or a 429 for a quota that is used up",
  auth: "401, 403, 404: our credential, or no such model",
  givenUp: "408, 504: somebody gave up waiting",
  server: "409, 500, 502, a redirect",
  overloaded: "503, 529",
  context: "the request is too long for the model (400, 413)",
  filter: "a content filter refuses the request",
  bad: "any other 400"
} as const

/** The row of a fault that a stream shows only after its first content, and the class in both. */
const lateOf = (whole: string, streamed: string): Pick<Fault, "row" | "late"> => ({ row: { whole, streamed }, late: true })

const answered = (
  scenario: string,
  row: string,
  outcome: FailureClass,
  { name = scenario.replaceAll("~", " ").replaceAll(",", " "), ...more }: Partial<Fault> = {}
): Fault => ({ name, row, scenario, outcome, costs: false, ...more })

export const faults: ReadonlyArray<Fault> = [
  { name: "slow", row: rows.served, scenario: "delay~first=100", outcome: undefined, costs: false },
  {
    name: "trickles quickly",
    row: rows.served,
    scenario: "trickle~per=1",
    outcome: undefined,
    costs: false,
    timeouts: { idle: "1000 millis" }
  },

  { name: "refused", row: rows.unreachable, place: "refused", outcome: "connection", costs: false },
  { name: "no TLS at https", row: rows.unreachable, place: "https", outcome: "connection", costs: false },
  {
    name: "TLS never answered",
    row: rows.unconnected,
    place: "mute",
    outcome: "timeout",
    costs: false,
    timeouts: { connect: "500 millis" }
  },
  { name: "accepted, then reset", row: rows.broken, place: "reset", outcome: "connection", costs: "either" },
  { name: "not HTTP", row: rows.broken, place: "garbage", outcome: "connection", costs: true },
  { name: "TLS at http", row: rows.broken, place: "alert", outcome: "connection", costs: true },
  { name: "reset", row: rows.broken, scenario: "reset", outcome: "connection", costs: true },

  { name: "silence", row: rows.silent, scenario: "silence", outcome: "timeout", costs: true, timeouts: hasty },
  { name: "headers, then silence", row: rows.silent, scenario: "headers-silence", outcome: "timeout", costs: true, timeouts: hasty },
  {
    name: "only pings",
    row: rows.silent,
    scenario: "pings",
    outcome: "timeout",
    costs: true,
    timeouts: { firstToken: "700 millis", total: "1200 millis" }
  },
  { name: "stalls before content", row: rows.silent, scenario: "stall-early", outcome: "timeout", costs: true, timeouts: hasty },
  { name: "trickles slowly", row: rows.silent, scenario: "trickle~per=1700", outcome: "timeout", costs: true, timeouts: hasty },
  {
    name: "stalls after content",
    ...lateOf(rows.silent, rows.silentLate),
    scenario: "stall-late",
    outcome: "timeout",
    costs: true,
    timeouts: hasty
  },

  { name: "cut before content", row: rows.cut, scenario: "cut-early", outcome: "stream-cut", costs: true },
  {
    name: "ends before content",
    row: { whole: rows.malformed, streamed: rows.cut },
    scenario: "unfinished-early",
    outcome: { whole: "malformed", streamed: "stream-cut" },
    costs: true
  },
  { name: "cut after content", ...lateOf(rows.cut, rows.cutLate), scenario: "cut-late", outcome: "stream-cut", costs: true },
  { name: "reset after content", ...lateOf(rows.cut, rows.cutLate), scenario: "reset-late", outcome: "stream-cut", costs: true },
  { name: "content-length too large", ...lateOf(rows.cut, rows.cutLate), scenario: "cut-length", outcome: "stream-cut", costs: true },
  {
    name: "ends after content",
    ...lateOf(rows.malformed, rows.cutLate),
    scenario: "unfinished-late",
    outcome: { whole: "malformed", streamed: "stream-cut" },
    costs: true
  },
  {
    name: "no terminator",
    ...lateOf(rows.malformed, rows.cutLate),
    scenario: "unterminated",
    outcome: { whole: "malformed", streamed: "stream-cut" },
    costs: true
  },

  { name: "broken JSON before content", row: rows.malformed, scenario: "broken-json-early", outcome: "malformed", costs: true },
  {
    name: "broken JSON after content",
    ...lateOf(rows.malformed, rows.malformedLate),
    scenario: "broken-json",
    outcome: "malformed",
    costs: true
  },
  { name: "invalid UTF-8 in the first content", row: rows.malformed, scenario: "invalid-utf8-early", outcome: "malformed", costs: true },
  {
    name: "invalid UTF-8 after content",
    ...lateOf(rows.malformed, rows.malformedLate),
    scenario: "invalid-utf8",
    outcome: "malformed",
    costs: true
  },
  {
    name: "empty",
    row: { whole: rows.malformed, streamed: rows.cut },
    scenario: "empty",
    outcome: { whole: "malformed", streamed: "stream-cut" },
    costs: true
  },
  { name: "204", row: rows.malformed, scenario: "no-content", outcome: "malformed", costs: true },
  { name: "page", row: rows.malformed, scenario: "page", outcome: "malformed", costs: true },
  { name: "gzip", row: rows.malformed, scenario: "gzip", outcome: "malformed", costs: true },
  { name: "wrong type", row: rows.malformed, scenario: "wrong-type", outcome: "malformed", costs: true },
  {
    name: "oversized",
    row: rows.malformed,
    // The gateway of the test holds 64 KiB of a whole answer; an event of a stream may have 8 MiB.
    scenario: { whole: "oversized~bytes=100000", streamed: "oversized~bytes=8500000" },
    outcome: "malformed",
    costs: true,
    heavy: true
  },

  { name: "error inside a 200, before content", row: rows.inside, scenario: "error-early", outcome: "server-error", costs: true },
  { name: "error body inside a 200", row: rows.inside, scenario: "error-body", outcome: "server-error", costs: true },
  {
    name: "overloaded inside a 200, before content",
    row: rows.inside,
    scenario: "error-early~kind=overloaded",
    outcome: "overloaded",
    costs: true
  },
  {
    name: "error inside a 200, after content",
    ...lateOf(rows.inside, rows.insideLate),
    scenario: "error-late",
    outcome: "server-error",
    costs: true
  },

  answered("429", rows.rate, "rate-limited"),
  answered("429~by=seconds", rows.rate, "rate-limited", { asksMillis: 1_000 }),
  answered("429~by=date", rows.rate, "rate-limited", { asksMillis: 1_000 }),
  answered("429~by=ms,wait=150", rows.rate, "rate-limited", { asksMillis: 150 }),
  answered("429~by=x-ratelimit,wait=150", rows.rate, "rate-limited", { pauses: true }),
  answered("429~by=anthropic-ratelimit", rows.rate, "rate-limited", { pauses: true }),
  answered("429~by=seconds,wait=30000", rows.rate, "rate-limited", { tooLong: true, asksMillis: 30_000 }),
  answered("429-quota", rows.quota, "quota-exhausted"),
  answered("402", rows.quota, "quota-exhausted"),
  answered("401", rows.auth, "auth"),
  answered("403", rows.auth, "auth"),
  answered("404", rows.auth, "auth"),
  answered("408", rows.givenUp, "timeout", { costs: true }),
  answered("504", rows.givenUp, "timeout", { costs: true }),
  answered("409", rows.server, "server-error"),
  answered("500", rows.server, "server-error"),
  answered("502-page", rows.server, "server-error"),
  answered("redirect", rows.server, "server-error"),
  answered("503", rows.overloaded, "overloaded"),
  answered("503~by=seconds", rows.overloaded, "overloaded", { asksMillis: 1_000 }),
  answered("529", rows.overloaded, "overloaded"),
  answered("flap~fails=2", rows.overloaded, "overloaded", { name: "flaps: two fail", heals: 2 }),
  answered("400-context", rows.context, "context-length"),
  answered("413", rows.context, "context-length", { told: [413, "context_length_exceeded"] }),
  answered("400-filter", rows.filter, "content-filter", { costs: true }),
  answered("400", rows.bad, "bad-request")
]
