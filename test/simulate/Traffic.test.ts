/** Both formats of traffic, there and back, and every way in which a line can be wrong. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type Fields, header, open, plain, type ReadOptions, repeated, type Row, toLine, type Traffic } from "../../src/simulate/Traffic.ts"

const opened = (lines: ReadonlyArray<string>, options?: ReadOptions): Traffic => {
  const traffic = open(lines, options)
  if ("_tag" in traffic) throw new Error(`line ${traffic.line}: ${traffic.message}`)
  return traffic
}

const rowsOf = (traffic: Traffic): ReadonlyArray<Row> => {
  const rows: Array<Row> = []
  for (let row = traffic.next(); row !== undefined; row = traffic.next()) {
    if ("_tag" in row) throw new Error(`line ${row.line}: ${row.message}`)
    rows.push(row)
  }
  return rows
}

/** What is wrong with the first line that is. */
const problemOf = (lines: ReadonlyArray<string>, options?: ReadOptions): string | undefined => {
  const traffic = open(lines, options)
  if ("_tag" in traffic) return `${traffic.line}: ${traffic.message}`
  for (let row = traffic.next(); row !== undefined; row = traffic.next()) if ("_tag" in row) return `${row.line}: ${row.message}`
  return undefined
}

const optionally = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary, { nil: undefined })
const count = fc.nat({ max: 1_000_000 })
const some = fc.integer({ min: 1, max: 100_000 })
const word = fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" })

/** A request whose optional fields may each be there or not. */
const fields: fc.Arbitrary<Omit<Fields, "time">> = fc
  .record({
    key: optionally(word),
    model: optionally(word),
    id: optionally(word),
    stream: optionally(fc.boolean()),
    inputTokens: count,
    cachedInputTokens: optionally(fc.constant(0)),
    inputBytes: optionally(count),
    outputTokens: count,
    maxOutputTokens: optionally(some),
    messages: optionally(some),
    needs: optionally(fc.subarray(["tools", "vision", "structuredOutput", "reasoning"] as const)),
    metadata: optionally(fc.dictionary(word, word, { noNullPrototype: true })),
    headers: optionally(fc.dictionary(fc.constantFrom("X-Region", "x-tier"), word, { noNullPrototype: true })),
    choices: optionally(some),
    media: optionally(fc.record({ images: count, audio: count, files: count })),
    extras: optionally(fc.array(word, { maxLength: 2 }))
  })
  .map((all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as unknown as Omit<Fields, "time">)

describe("JSONL", () => {
  it("comes back as it was written", () => {
    const start = Date.UTC(2026, 0, 5)
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat({ max: 100_000 }), fields), { minLength: 1, maxLength: 6 }), fc.boolean(), (requests, iso) => {
        let at = 0
        const written = requests.map(([gap, rest]) => {
          at += gap
          return { at, fields: { ...rest, time: iso ? new Date(start + at).toISOString() : at } as Fields }
        })
        const traffic = opened([header("2026-01-05T00:00:00Z"), ...written.map((one) => toLine(one.fields)), ""])
        assert.strictEqual(traffic.startMillis, start)
        const rows = rowsOf(traffic)
        assert.strictEqual(rows.length, written.length)
        rows.forEach((row, i) => {
          const { at, fields } = written[i]!
          assert.strictEqual(row.at, at * 1_000)
          assert.deepStrictEqual([row.inputTokens, row.outputTokens], [fields.inputTokens, fields.outputTokens])
          const { headers, ...details } = row.details
          for (const [name, value] of Object.entries(details)) {
            const given = (fields as Record<string, unknown>)[name]
            assert.deepStrictEqual(value, given ?? (name === "stream" ? false : (plain as unknown as Record<string, unknown>)[name]), name)
          }
          for (const [name, value] of Object.entries(fields.headers ?? {})) assert.strictEqual(headers[name.toLowerCase()], value)
        })
      }),
      { numRuns: 1_000 }
    )
  })

  const row = { time: 0, inputTokens: 10, outputTokens: 5 }
  const line = (more: object): string => JSON.stringify({ ...row, ...more })

  it("starts where its header says, or at its first time", () => {
    const at = (lines: ReadonlyArray<string>) => {
      const traffic = opened(lines)
      return [traffic.startMillis, ...rowsOf(traffic).map((one) => one.at)]
    }
    const first = Date.UTC(2026, 0, 5, 9)
    assert.deepStrictEqual(at([`{"traffic":1}`, line({ time: 5 })]), [undefined, 5_000])
    assert.deepStrictEqual(at([header("2026-01-05T09:00:00Z"), line({ time: 5.5 })]), [first, 5_500])
    assert.deepStrictEqual(at([header(), line({ time: "2026-01-05T09:00:00.000250Z" }), line({ time: "2026-01-05T09:00:01Z" })]), [
      first,
      250,
      1_000_000
    ])
    assert.deepStrictEqual(at([header("2026-01-05T08:00:00Z"), line({ time: "2026-01-05T09:00:00Z" })]), [first - 3_600_000, 3_600_000_000])
  })

  it("minds neither blank lines, nor CR LF, nor a byte order mark", () => {
    assert.strictEqual(rowsOf(opened(['\uFEFF{"traffic":1}\r', "", `${line({})}\r`, "  ", line({ time: 1 })])).length, 2)
  })

  const good = line({})
  const table: ReadonlyArray<readonly [name: string, lines: ReadonlyArray<string>, message: string]> = [
    ["an empty file", [], '1: the file is empty: expected JSONL with the header `{"traffic":1}`, or a CSV'],
    ["nothing but blanks", ["", " "], '1: the file is empty: expected JSONL with the header `{"traffic":1}`, or a CSV'],
    ["no header", [good], '1: expected the header `{"traffic":1}` before the first request; the number is the version of the format'],
    ["another version", [`{"traffic":2}`, good], "1: this is version `2` of the traffic format; this Turnout reads version 1"],
    ["a misspelt field of the header", [`{"traffic":1,"strat":"x"}`, good], "1: strat: unknown field `strat`; did you mean `start`?"],
    [
      "a start that is no time",
      [header("yesterday"), good],
      '1: start: expected a time such as "2026-01-05T09:00:00Z", but found `yesterday`'
    ],
    ["nothing after the header", [header(), ""], "2: there is no request after the header"],
    ["no list", [header(), "[1]"], "2: expected object, but found `[1]`"],
    ["a missing field", [header(), `{"time":0,"inputTokens":1}`], "2: `outputTokens` is missing"],
    [
      "a misspelt field",
      [header(), good, line({ outputTokns: 3 })],
      "3: outputTokns: unknown field `outputTokns`; did you mean `outputTokens`?"
    ],
    [
      "a negative size",
      [header(), good, line({ inputTokens: -1 })],
      "3: inputTokens: expected a whole number of 0 or more, but found `-1`"
    ],
    ["a part of a token", [header(), line({ outputTokens: 1.5 })], "2: outputTokens: expected an integer, but found `1.5`"],
    [
      "an output maximum of none",
      [header(), line({ maxOutputTokens: 0 })],
      "2: maxOutputTokens: expected a whole number above 0, but found `0`"
    ],
    [
      "a wrong need",
      [header(), line({ needs: ["tool"] })],
      '2: needs[0]: expected "tools" | "vision" | "structuredOutput" | "reasoning", but found `"tool"`'
    ],
    ["more cached than there is", [header(), line({ cachedInputTokens: 11 })], "2: cachedInputTokens: expected no more than `inputTokens`"],
    [
      "a time that is none",
      [header(), line({ time: "noon" })],
      '2: time: expected a time such as "2026-01-05T09:00:00Z", but found `noon`'
    ],
    [
      "two kinds of time",
      [header(), good, line({ time: "2026-01-05T09:00:00Z" })],
      "3: time: expected all times to be alike: the first was in milliseconds"
    ],
    [
      "time that goes backwards",
      [header(), line({ time: "2026-01-05T09:00:01Z" }), line({ time: "2026-01-05T09:00:00.500Z" })],
      "3: time goes backwards: 2026-01-05T09:00:00.500Z comes after 2026-01-05T09:00:01Z"
    ],
    [
      "time that goes backwards later, in milliseconds",
      [header("2026-01-05T09:00:00Z"), good, line({ time: 5 }), line({ time: 5 }), line({ time: 4.5 })],
      "5: time goes backwards: 2026-01-05T09:00:00.004Z comes after 2026-01-05T09:00:00.005Z"
    ],
    [
      "a time before the start",
      [header("2026-01-05T09:00:00Z"), line({ time: "2026-01-05T08:59:59Z" })],
      "2: time goes backwards: 2026-01-05T08:59:59Z comes after 2026-01-05T09:00:00Z"
    ]
  ]
  for (const [name, lines, message] of table) it(`says ${name}`, () => assert.strictEqual(problemOf(lines), message))

  it("says malformed JSON with its line", () => {
    assert.match(problemOf([header(), good, '{"time": 1, "inputTokens": 2,,}'])!, /^3: malformed JSON: /)
    assert.match(problemOf(["{nonsense", good])!, /^1: malformed JSON: /)
  })

  it("says all that is wrong with a line", () => {
    assert.strictEqual(
      problemOf([header(), line({ inputTokens: -1, outputTokens: "many" })]),
      '2: inputTokens: expected a whole number of 0 or more, but found `-1`; outputTokens: expected number, but found `"many"`'
    )
  })

  it("says a key that the policy does not have, where it has any", () => {
    const keys = new Set(["alice", "bob"])
    assert.strictEqual(problemOf([header(), good, line({ key: "alcie" })], { keys }), "3: key: unknown key `alcie`; did you mean `alice`?")
    assert.strictEqual(problemOf([header(), line({ key: "zzz" })], { keys }), "2: key: unknown key `zzz`; known are `alice`, `bob`")
    assert.isUndefined(problemOf([header(), line({ key: "anybody" })]))
  })
})

describe("CSV", () => {
  const head = "TIMESTAMP,ContextTokens,GeneratedTokens"
  const first = "2023-11-16 18:15:46.6805900,374,44"

  it("is read as traces are published, whatever the order and number of columns", () => {
    const traffic = opened([head, first, "2023-11-16 18:15:50.9951690,396,109", ""])
    assert.strictEqual(traffic.startMillis, Date.UTC(2023, 10, 16, 18, 15, 46, 680))
    assert.deepStrictEqual(rowsOf(traffic), [
      { at: 590, inputTokens: 374, outputTokens: 44, details: plain },
      { at: 4_315_169, inputTokens: 396, outputTokens: 109, details: plain }
    ])
    assert.deepStrictEqual(
      rowsOf(opened(['generatedtokens,Region,"TIMESTAMP",ContextTokens\r', "44,eu,2023-11-16 18:15:46+00:00,374\r"])).map((row) => [
        row.at,
        row.inputTokens,
        row.outputTokens
      ]),
      [[0, 374, 44]]
    )
    assert.isTrue(plain.stream)
  })

  const table: ReadonlyArray<readonly [name: string, lines: ReadonlyArray<string>, message: string]> = [
    [
      "a missing column",
      ["TIMESTAMP,ContextTokens", first],
      '1: expected a CSV with the columns `TIMESTAMP`, `ContextTokens`, `GeneratedTokens`, or JSONL with the header `{"traffic":1}`; `GeneratedTokens` is missing from `TIMESTAMP,ContextTokens`'
    ],
    [
      "something else",
      ["hello", first],
      '1: expected a CSV with the columns `TIMESTAMP`, `ContextTokens`, `GeneratedTokens`, or JSONL with the header `{"traffic":1}`; `TIMESTAMP`, `ContextTokens`, `GeneratedTokens` are missing from `hello`'
    ],
    ["no row", [head], "1: there is no row after the names of the columns"],
    ["a row too short", [head, first, "2023-11-16 18:15:50,396"], "3: expected 3 columns, but found 2"],
    [
      "a time that is none",
      [head, "16/11/2023 18:15,1,1"],
      '2: TIMESTAMP: expected a time such as "2026-01-05T09:00:00Z", but found `16/11/2023 18:15`'
    ],
    [
      "a negative size",
      [head, first, "2023-11-16 18:15:50,-3,1"],
      "3: ContextTokens: expected a whole number of 0 or more, but found `-3`"
    ],
    ["no size", [head, first, "2023-11-16 18:15:50,3,"], "3: GeneratedTokens: expected a whole number of 0 or more, but found ``"],
    [
      "a part of a token",
      [head, first, "2023-11-16 18:15:50,3,1.5"],
      "3: GeneratedTokens: expected a whole number of 0 or more, but found `1.5`"
    ],
    [
      "time that goes backwards",
      [head, first, "2023-11-16 18:15:48,1,1", "2023-11-16 18:15:47,1,1"],
      "4: time goes backwards: 2023-11-16T18:15:47Z comes after 2023-11-16T18:15:48Z"
    ]
  ]
  for (const [name, lines, message] of table) it(`says ${name}`, () => assert.strictEqual(problemOf(lines), message))
})

describe("repeated", () => {
  const head = "TIMESTAMP,ContextTokens,GeneratedTokens"
  const lines = (...seconds: ReadonlyArray<number>): ReadonlyArray<string> => [
    head,
    ...seconds.map((second) => `2026-01-05 00:00:${String(second).padStart(2, "0")},${second},1`)
  ]
  const times = (source: ReadonlyArray<string>, calls?: number): ReadonlyArray<number> => {
    const traffic = repeated(() => open(source), calls)
    if ("_tag" in traffic) throw new Error(traffic.message)
    return rowsOf(traffic).map(({ at }) => at / 1_000_000)
  }

  it("is once through without a number of calls", () => assert.deepStrictEqual(times(lines(0, 1, 4)), [0, 1, 4]))
  it("is cut off in the middle", () => assert.deepStrictEqual(times(lines(0, 1, 4), 2), [0, 1]))
  it("goes on one mean distance after its end, to any length", () => {
    assert.deepStrictEqual(times(lines(0, 1, 4), 8), [0, 1, 4, 6, 7, 10, 12, 13])
    assert.deepStrictEqual(times(lines(7), 3), [0, 1, 2])
    const many = times(lines(0, 0, 3), 1_000)
    assert.strictEqual(many.length, 1_000)
    many.forEach((at, i) => assert.isTrue(i === 0 || at >= many[i - 1]!))
  })
  it("gives the problem of a later reading too", () => {
    let reading = 0
    const traffic = repeated(() => open(reading++ === 0 ? lines(0, 1) : ["gone"]), 5)
    if ("_tag" in traffic) throw new Error(traffic.message)
    const tags = Array.from({ length: 3 }, () => {
      const row = traffic.next()
      return row !== undefined && "_tag" in row ? row._tag : "row"
    })
    assert.deepStrictEqual(tags, ["row", "row", "TrafficProblem"])
    assert.strictEqual((repeated(() => open([])) as { readonly _tag?: string })._tag, "TrafficProblem")
  })
})
