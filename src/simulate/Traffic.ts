/**
 * What callers send in a simulation: lines of a file in, rows out, one at a time, so that a file may be longer than memory.
 *
 * Two formats, told apart by their first line. JSONL is Turnout's own and versioned: a header `{"traffic":1}`, then one object a line. CSV is what traces of
 * LLM services are published as: `TIMESTAMP`, `ContextTokens`, `GeneratedTokens`. Neither holds any text: routing reads sizes and facts, and a log of
 * sizes can be shared. `docs/simulation.md` describes both for users.
 *
 * Pure: reads no file and no clock. A line that cannot be read is a value with its number, and the last that is given.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type Media, noMedia } from "../Ask.ts"
import { placeOf, problemsOf, unknownName } from "./Form.ts"
import { parseTime, showTime } from "./Time.ts"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0, { expected: "a whole number of 0 or more" }))
const Some = Schema.Int.check(Schema.isGreaterThan(0, { expected: "a whole number above 0" }))
const optional = Schema.optionalKey

/** One request of JSONL traffic. */
export const Fields = Schema.Struct({
  /** An ISO time, or milliseconds since the start; all rows alike. */
  time: Schema.Union([
    Schema.String,
    Schema.Finite.check(
      Schema.isBetween({ minimum: 0, maximum: 3_155_760_000_000 }, { expected: "milliseconds since the start, a hundred years at most" })
    )
  ]),
  /** The name of the caller's key. */
  key: optional(Schema.NonEmptyString),
  /** The model that the caller asks for. */
  model: optional(Schema.NonEmptyString),
  id: optional(Schema.NonEmptyString),
  stream: optional(Schema.Boolean),
  /** What the provider counts. */
  inputTokens: Count,
  /** The part of `inputTokens` that the provider reads from its cache. */
  cachedInputTokens: optional(Count),
  /** UTF-8 bytes of the text; four times `inputTokens` where absent. */
  inputBytes: optional(Count),
  /** What the model would answer if nobody stopped it. */
  outputTokens: Count,
  /** The most that the caller takes. */
  maxOutputTokens: optional(Some),
  messages: optional(Some),
  needs: optional(Schema.Array(Schema.Literals(["tools", "vision", "structuredOutput", "reasoning"]))),
  metadata: optional(Schema.Record(Schema.String, Schema.String)),
  headers: optional(Schema.Record(Schema.String, Schema.String)),
  choices: optional(Some),
  media: optional(Schema.Struct({ images: optional(Count), audio: optional(Count), files: optional(Count) })),
  extras: optional(Schema.Array(Schema.String))
})
export type Fields = typeof Fields.Type

const Header = Schema.Struct({
  /** The version of this format. */
  traffic: Schema.Literal(1),
  /** The ISO time from which milliseconds count. */
  start: optional(Schema.String)
})

/** The first line of a JSONL file. */
export const header = (start?: string): string => JSON.stringify(start === undefined ? { traffic: 1 } : { traffic: 1, start })

const encodeFields = Schema.encodeSync(Fields)
/** A request as its line. */
export const toLine = (fields: Fields): string => JSON.stringify(encodeFields(fields))

/** A request, as far as it does not repeat: rows of a CSV share their details. */
export interface Row {
  /** Microseconds since the start of the traffic. */
  readonly at: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly details: Details
}

/** What routing reads of a request beside its size. */
export interface Details {
  readonly key: string | undefined
  readonly model: string | undefined
  readonly id: string | undefined
  readonly stream: boolean
  readonly cachedInputTokens: number
  /** Undefined for four a token. */
  readonly inputBytes: number | undefined
  readonly maxOutputTokens: number | null
  readonly messages: number
  readonly needs: ReadonlyArray<string>
  readonly metadata: Readonly<Record<string, string>>
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly choices: number
  readonly media: Media
  readonly extras: ReadonlyArray<string>
}

const none: Readonly<Record<string, string>> = {}

/** A row of a CSV: a conversation service streams. */
export const plain: Details = {
  key: undefined,
  model: undefined,
  id: undefined,
  stream: true,
  cachedInputTokens: 0,
  inputBytes: undefined,
  maxOutputTokens: null,
  messages: 1,
  needs: [],
  metadata: none,
  headers: none,
  choices: 1,
  media: noMedia,
  extras: []
}

const lowered = (headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

const detailsOf = (fields: Fields): Details => ({
  ...plain,
  stream: false,
  ...fields,
  headers: fields.headers === undefined ? none : lowered(fields.headers),
  media: fields.media === undefined ? noMedia : { ...noMedia, ...fields.media }
})

/** Why traffic cannot be read on. */
export interface TrafficProblem {
  readonly _tag: "TrafficProblem"
  /** Counted from 1. */
  readonly line: number
  readonly message: string
}

const problem = (line: number, message: string): TrafficProblem => ({ _tag: "TrafficProblem", line, message })

/** Traffic that has been opened: its first line is read. */
export interface Traffic {
  readonly format: "jsonl" | "csv"
  /** Unix milliseconds at which it starts; undefined where it does not say. */
  readonly startMillis: number | undefined
  /** The next row; undefined after the last. */
  readonly next: () => Row | TrafficProblem | undefined
}

export interface ReadOptions {
  /** The names of the keys that callers may have; any where undefined. */
  readonly keys?: ReadonlySet<string> | undefined
}

/** A reader of lines that knows their numbers and skips blank ones. */
interface Lines {
  readonly next: () => string | undefined
  readonly at: () => number
}

/** Gives `first`, which has been read already, and then whatever follows it. */
const following = (first: Row, lines: Lines, read: (text: string) => Row | TrafficProblem): Traffic["next"] => {
  let ahead: Row | undefined = first
  return () => {
    if (ahead !== undefined) {
      const row = ahead
      ahead = undefined
      return row
    }
    const text = lines.next()
    return text === undefined ? undefined : read(text)
  }
}

const linesOf = (source: Iterable<string>): Lines => {
  const iterator = source[Symbol.iterator]()
  let line = 0
  return {
    at: () => line,
    next: () => {
      for (;;) {
        const { done, value } = iterator.next()
        if (done === true) return undefined
        line++
        const text = line === 1 && value.charCodeAt(0) === 0xfeff ? value.slice(1) : value
        if (text.trim() !== "") return text
      }
    }
  }
}

/** Opens traffic by its first line. */
export const open = (source: Iterable<string>, options: ReadOptions = {}): Traffic | TrafficProblem => {
  const lines = linesOf(source)
  const first = lines.next()
  if (first === undefined) return problem(1, 'the file is empty: expected JSONL with the header `{"traffic":1}`, or a CSV')
  return first.trimStart().startsWith("{") ? openJsonl(first, lines, options) : openCsv(first, lines)
}

const backwards = (line: number, at: number, last: number, startMillis: number): TrafficProblem =>
  problem(line, `time goes backwards: ${showTime(startMillis + at / 1_000)} comes after ${showTime(startMillis + last / 1_000)}`)

const parseJson = (text: string): Result.Result<unknown, string> => {
  try {
    return Result.succeed(JSON.parse(text))
  } catch (error) {
    const { message } = error as Error
    return Result.fail(`malformed JSON: ${message.slice(0, 1).toLowerCase()}${message.slice(1, 200)}`)
  }
}

const decodeHeader = Schema.decodeUnknownResult(Header, { errors: "all", onExcessProperty: "error" })
const decodeFields = Schema.decodeUnknownResult(Fields, { errors: "all", onExcessProperty: "error" })

const isTime = (text: string): string => `expected a time such as "2026-01-05T09:00:00Z", but found \`${text.slice(0, 60)}\``

const openJsonl = (first: string, lines: Lines, { keys }: ReadOptions): Traffic | TrafficProblem => {
  const line = lines.at()
  const json = parseJson(first)
  if (Result.isFailure(json)) return problem(line, json.failure)
  const found = json.success as { readonly traffic?: unknown }
  if (found.traffic === undefined)
    return problem(line, 'expected the header `{"traffic":1}` before the first request; the number is the version of the format')
  if (found.traffic !== 1)
    return problem(line, `this is version \`${JSON.stringify(found.traffic)}\` of the traffic format; this Turnout reads version 1`)
  const decoded = decodeHeader(found)
  if (Result.isFailure(decoded)) return problem(line, worded(found, decoded.failure.issue))
  const { start } = decoded.success
  const startMicros = start === undefined ? undefined : parseTime(start)
  if (start !== undefined && startMicros === undefined) return problem(line, `start: ${isTime(start)}`)

  let origin = startMicros === undefined ? undefined : Math.floor(startMicros / 1_000) * 1_000
  let kind: "string" | "number" | undefined
  let last = 0
  const read = (text: string): Row | TrafficProblem => {
    const line = lines.at()
    const json = parseJson(text)
    if (Result.isFailure(json)) return problem(line, json.failure)
    const decoded = decodeFields(json.success)
    if (Result.isFailure(decoded)) return problem(line, worded(json.success, decoded.failure.issue))
    const fields = decoded.success
    const { cachedInputTokens = 0, inputTokens, key, outputTokens, time } = fields
    kind ??= typeof time as "string" | "number"
    if (typeof time !== kind)
      return problem(line, `time: expected all times to be alike: the first was ${kind === "string" ? "an ISO time" : "in milliseconds"}`)
    const micros = typeof time === "number" ? Math.round(time * 1_000) : parseTime(time)
    if (micros === undefined) return problem(line, `time: ${isTime(String(time))}`)
    if (kind === "string") origin ??= Math.floor(micros / 1_000) * 1_000
    const at = kind === "string" ? micros - origin! : micros
    if (at < last) return backwards(line, at, last, (origin ?? 0) / 1_000)
    last = at
    if (cachedInputTokens > inputTokens) return problem(line, "cachedInputTokens: expected no more than `inputTokens`")
    if (key !== undefined && keys !== undefined && !keys.has(key)) return problem(line, `key: ${unknownName("key", key, keys)}`)
    return { at, inputTokens, outputTokens, details: detailsOf(fields) }
  }

  // Where the header names no start, the first row does.
  const text = lines.next()
  if (text === undefined) return problem(lines.at(), "there is no request after the header")
  const begun = read(text)
  if ("_tag" in begun) return begun
  return {
    format: "jsonl",
    startMillis: origin === undefined ? undefined : origin / 1_000,
    next: following(begun, lines, read)
  }
}

/** The problems of one line, in one. */
const worded = (json: unknown, issue: Parameters<typeof problemsOf>[1]): string =>
  problemsOf(json, issue)
    .map(({ message, path }) => (path.length === 0 ? message : `${placeOf(path)}: ${message}`))
    .join("; ")

const columns = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"] as const

const openCsv = (first: string, lines: Lines): Traffic | TrafficProblem => {
  const names = first.split(",").map((name) => name.trim().replace(/^"(.*)"$/, "$1"))
  const places = columns.map((column) => names.findIndex((name) => name.toLowerCase() === column.toLowerCase()))
  const missing = columns.filter((_, i) => places[i] === -1)
  if (missing.length > 0) {
    return problem(
      lines.at(),
      `expected a CSV with the columns ${columns.map((name) => `\`${name}\``).join(", ")}, or JSONL with the header \`{"traffic":1}\`; ` +
        `${missing.map((name) => `\`${name}\``).join(", ")} ${missing.length === 1 ? "is" : "are"} missing from \`${first.trim().slice(0, 120)}\``
    )
  }
  const [timeAt, inputAt, outputAt] = places as [number, number, number]
  let origin: number | undefined
  let last = 0
  const size = (text: string, column: string): number | string => {
    const value = text.trim()
    return /^\d{1,15}$/.test(value) ? Number(value) : `${column}: expected a whole number of 0 or more, but found \`${value.slice(0, 60)}\``
  }
  const read = (text: string): Row | TrafficProblem => {
    const line = lines.at()
    const cells = text.split(",")
    if (cells.length !== names.length) return problem(line, `expected ${names.length} columns, but found ${cells.length}`)
    const time = cells[timeAt]!.trim()
    const micros = parseTime(time)
    if (micros === undefined) return problem(line, `${columns[0]}: ${isTime(time)}`)
    const inputTokens = size(cells[inputAt]!, columns[1])
    if (typeof inputTokens === "string") return problem(line, inputTokens)
    const outputTokens = size(cells[outputAt]!, columns[2])
    if (typeof outputTokens === "string") return problem(line, outputTokens)
    origin ??= Math.floor(micros / 1_000) * 1_000
    const at = micros - origin
    if (at < last) return backwards(line, at, last, origin / 1_000)
    last = at
    return { at, inputTokens, outputTokens, details: plain }
  }
  const text = lines.next()
  if (text === undefined) return problem(lines.at(), "there is no row after the names of the columns")
  const begun = read(text)
  if ("_tag" in begun) return begun
  return {
    format: "csv",
    startMillis: origin! / 1_000,
    next: following(begun, lines, read)
  }
}

/**
 * Traffic of exactly `calls` rows: cut off where it is longer, and read again from its beginning as often as it takes, each time later by its length and
 * one mean distance between two rows. Without `calls` it is read once.
 */
export const repeated = (reopen: () => Traffic | TrafficProblem, calls?: number): Traffic | TrafficProblem => {
  const opened = reopen()
  if ("_tag" in opened) return opened
  let traffic = opened
  let given = 0
  let [offset, first, last, rows] = [0, 0, 0, 0]
  return {
    format: opened.format,
    startMillis: opened.startMillis,
    next: () => {
      if (given === calls) return undefined
      let row = traffic.next()
      if (row === undefined) {
        if (calls === undefined) return undefined
        const span = last - first
        offset += span + (span === 0 ? 1_000_000 : Math.max(1, Math.round(span / (rows - 1))))
        rows = 0
        const again = reopen()
        if ("_tag" in again) return again
        traffic = again
        row = traffic.next()!
      }
      if ("_tag" in row) return row
      if (rows === 0) first = row.at
      last = row.at
      rows++
      given++
      return offset === 0 ? row : { ...row, at: row.at + offset }
    }
  }
}
