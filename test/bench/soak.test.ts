/**
 * The soak, short: all that it holds the gateway to in a long run is held here too, but for the slopes of memory, which ten seconds do not have. And the account itself, which has to find
 * what is wrong: each of these takes away, adds or changes one thing in a run in which everything is in order.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { accountOf, type AttemptLine, type Line } from "../../bench/load/soak/account.ts"
import type { CallSeen } from "../../bench/load/soak/generator.ts"
import { isKnown, mixOf, outcomeOf, usual } from "../../bench/load/soak/mix.ts"
import { type Caller, digestOf, idOf, type Model, planOf, wordsOf } from "../../bench/load/soak/plan.ts"
import { answerNanoDollars } from "../../bench/load/soak/policy.ts"
import { slopeOf } from "../../bench/load/soak/slope.ts"
import type { Played } from "../../bench/load/soak/upstream.ts"

const entry = fileURLToPath(new URL("../../bench/load/soak.ts", import.meta.url))

/** Runs it, and gives its exit status and what it has said. */
const soak = async (...options: ReadonlyArray<string>): Promise<{ readonly status: number | null; readonly said: string }> => {
  const child = spawn(process.execPath, [entry, ...options], { stdio: ["ignore", "pipe", "pipe"] })
  let said = ""
  for (const output of [child.stdout, child.stderr]) output.setEncoding("utf8").on("data", (part: string) => (said += part))
  await once(child, "close")
  return { status: child.exitCode, said }
}

describe("a soak", () => {
  it("of ten seconds finds everything in order", { timeout: 120_000 }, async () => {
    const { said, status } = await soak("--seconds", "8", "--warm-up", "2", "--rate", "60")
    assert.strictEqual(status, 0, said)
    assert.include(said, "Everything is accounted for.")
    // It has had something to account for.
    for (const kind of ["served", "upstream_stream_cut, after it had begun", "503", "reset", "cut-late"]) assert.include(said, kind)
    assert.isAbove(Number(/^calls +(\d+) in all/m.exec(said)?.[1]), 100)
  })

  it("says what it does not understand", async () => {
    for (const [option, value] of [
      ["--seconds", "x"],
      ["--rate", "0"],
      ["--mix", "ok=1,nonsense=1"]
    ] as const) {
      const { said, status } = await soak(option, value)
      assert.strictEqual(status, 2)
      assert.include(said, `${option}: expected`)
    }
  })
})

describe("the mix", () => {
  it("has only what the tests of faults say the outcome of", () => {
    for (const [scenario] of usual) assert.isTrue(isKnown(scenario), scenario)
    assert.strictEqual(outcomeOf("ok", true), "served")
    assert.strictEqual(outcomeOf("unterminated", false), "malformed")
    assert.strictEqual(outcomeOf("unterminated", true), "stream-cut")
  })

  it("is read from the command line", () => {
    assert.deepStrictEqual(mixOf("ok=9,503=1"), [
      ["ok", 9],
      ["503", 1]
    ])
    for (const wrong of ["", "ok", "ok=0", "ok=x", "never=1", "ok=1,,"]) assert.isUndefined(mixOf(wrong))
  })
})

describe("the slope", () => {
  it("is that of a line, whatever a few peaks say", () => {
    const samples = Array.from({ length: 30 }, (_, at) => ({ at, value: 5 + 2 * at + (at % 10 === 3 ? 1_000 : 0) }))
    assert.strictEqual(slopeOf(samples)?.slope, 2)
  })

  it("of noise is not told from none, and that of a rise is", () => {
    const noise = (at: number): number => ((at * 7_919) % 101) - 50
    const flat = slopeOf(Array.from({ length: 40 }, (_, at) => ({ at, value: noise(at) })))!
    assert.isBelow(flat.least, 0)
    assert.isAbove(flat.most, 0)
    const rising = slopeOf(Array.from({ length: 40 }, (_, at) => ({ at, value: noise(at) + 5 * at })))!
    assert.isAbove(rising.least, 0)
    assert.isTrue(rising.least < 5 && rising.most > 5)
  })

  it("needs four measurements, and time between them", () => {
    assert.isUndefined(slopeOf([1, 2, 3].map((at) => ({ at, value: at }))))
    assert.isUndefined(slopeOf([1, 2, 3, 4].map((value) => ({ at: 1, value }))))
  })
})

describe("the account", () => {
  /** The first call of a kind whose caller stays. */
  const callOf = (model: Model, stream: boolean, caller: Caller = "anna"): number => {
    for (let n = 0; ; n++) {
      const plan = planOf(n)
      const isPlain = plan.leavesAfter === undefined && plan.restsFor === undefined
      if (isPlain && plan.model === model && plan.stream === stream && plan.caller === caller) return n
    }
  }
  const text = (n: number): string => digestOf(`Left ${"on ".repeat(wordsOf(n) - 2)}end.`)
  const attempt = (target: string, outcome: string, more: Partial<AttemptLine> = {}): AttemptLine => ({
    target,
    outcome,
    why: "first",
    started_ms: 0,
    ended_ms: 5,
    reserved_nano_dollars: 20_000_000,
    ...(outcome === "served" ? { nano_dollars: answerNanoDollars } : { nano_dollars: 0 }),
    ...more
  })
  const play = (n: number, model: string, scenario: string): Played => ({
    n,
    model,
    scenario,
    dialect: "chat.completions",
    stream: planOf(n).stream,
    credential: "good"
  })
  interface Run {
    readonly seen: Array<CallSeen>
    readonly lines: Array<Line>
    readonly played: Array<Played>
  }
  const lineOf = (n: number, more: Partial<Line>): Line => ({
    time: "2026-11-22T10:00:00.000Z",
    id: idOf(n),
    ending: "served",
    status: 200,
    duration_ms: 6,
    key: "anna",
    ...more
  })

  const good = callOf("alone", false)
  const failing = callOf("first", false)
  const cut = callOf("alone", true)
  const kept = callOf("spread", false)
  /** A run in which a call is served, one fails over and fails, one is cut in its stream, and one is kept out. */
  const inOrder = (): Run => ({
    seen: [
      { n: good, millis: 6, how: "answered", status: 200, end: "whole", isShapely: true, text: text(good) },
      { n: failing, millis: 6, how: "answered", status: 503, code: "upstream_overloaded", end: "error", isShapely: true, text: "" },
      { n: cut, millis: 6, how: "answered", status: 200, code: "upstream_stream_cut", end: "error", isShapely: true, text: "Left " },
      { n: kept, millis: 6, how: "answered", status: 503, code: "no_target_available", end: "error", isShapely: true, text: "" }
    ],
    lines: [
      lineOf(good, { attempts: [attempt("own", "served")] }),
      lineOf(failing, {
        ending: "failed",
        status: 503,
        error: "upstream_overloaded",
        attempts: [attempt("main", "overloaded"), attempt("second", "server-error"), attempt("own", "bad-request")]
      }),
      lineOf(cut, {
        ending: "failed",
        error: "upstream_stream_cut",
        attempts: [attempt("own", "stream-cut", { committed: true, estimated: true, nano_dollars: 20_000_000 })]
      }),
      lineOf(kept, {
        ending: "refused",
        status: 503,
        error: "no_target_available",
        attempts: [],
        rejections: [{ target: "main", by: "breaker" }]
      })
    ],
    played: [
      play(good, "own", "ok"),
      play(failing, "main", "503"),
      play(failing, "second", "500"),
      play(failing, "own", "400"),
      play(cut, "own", "cut-late")
    ]
  })
  const kindsOf = ({ lines, played, seen }: Run): ReadonlyArray<string> => [
    ...new Set(accountOf(seen, lines, played).findings.map(({ kind }) => kind))
  ]
  /** The run with one line, or one sight, changed. */
  const withLine = (at: number, more: Partial<Line>): Run => {
    const run = inOrder()
    run.lines[at] = { ...run.lines[at]!, ...more }
    return run
  }
  const withSight = (at: number, more: Partial<CallSeen>): Run => {
    const run = inOrder()
    run.seen[at] = { ...run.seen[at]!, ...more }
    return run
  }

  it("finds nothing where everything is in order, and counts it", () => {
    const run = inOrder()
    const account = accountOf(run.seen, run.lines, run.played)
    assert.deepStrictEqual(account.findings, [])
    assert.strictEqual(account.calls, 4)
    assert.strictEqual(account.spent.get("anna"), answerNanoDollars + 20_000_000)
    assert.strictEqual(account.endings.get("failed, upstream_stream_cut, after it had begun"), 1)
    assert.strictEqual(account.attempts.get("503|overloaded"), 1)
  })

  it("finds a call without a record, and a record too many", () => {
    const without = inOrder()
    without.lines.splice(0, 1)
    assert.include(kindsOf(without), "no record")
    const twice = inOrder()
    twice.lines.push(twice.lines[0]!)
    assert.include(kindsOf(twice), "two records")
    const stray = inOrder()
    stray.lines.push(lineOf(callOf("retry", false), {}))
    assert.deepStrictEqual(kindsOf(stray), ["record without call"])
  })

  it("finds an attempt that nobody has recorded, and one that nobody has made", () => {
    const hidden = inOrder()
    hidden.played.push(play(good, "own", "ok"))
    assert.deepStrictEqual(kindsOf(hidden), ["attempt without record"])
    const invented = inOrder()
    invented.played.splice(2, 1)
    assert.deepStrictEqual(kindsOf(invented), ["attempt without cause"])
  })

  it("finds an attempt that came to something else than was played", () => {
    assert.deepStrictEqual(kindsOf(withLine(0, { attempts: [attempt("own", "served", { nano_dollars: 1 })] })), ["attempt unexplained"])
    const masked = inOrder()
    masked.played[1] = play(failing, "main", "429")
    assert.deepStrictEqual(kindsOf(masked), ["attempt unexplained"])
    const released = withLine(2, { attempts: [attempt("own", "stream-cut", { committed: true })] })
    assert.deepStrictEqual(kindsOf(released), ["attempt unexplained"])
    const hasty = inOrder()
    hasty.lines[0] = lineOf(good, { ending: "failed", status: 504, error: "upstream_timeout", attempts: [attempt("own", "timeout")] })
    assert.include(kindsOf(hasty), "attempt unexplained")
  })

  it("finds an error that does not follow from the first cause", () => {
    const later = withLine(1, { error: "upstream_error", status: 502 })
    later.seen[1] = { ...later.seen[1]!, code: "upstream_error", status: 502 }
    assert.deepStrictEqual(kindsOf(later), ["error unexplained"])
    const groundless = withLine(3, { rejections: [{ target: "main", by: "budget" }] })
    assert.deepStrictEqual(kindsOf(groundless), ["error unexplained"])
  })

  it("names the author's first candidate where none could be tried, whichever was considered first", () => {
    const rejections = [
      { target: "third", by: "budget" },
      { target: "main", by: "breaker" }
    ]
    assert.deepStrictEqual(kindsOf(withLine(3, { rejections })), [])
    assert.deepStrictEqual(kindsOf(withLine(3, { rejections: [{ target: "main", by: "busy" }, ...rejections.slice(0, 1)] })), [
      "error unexplained"
    ])
  })

  it("finds an answer that should have been escalated, unless nothing else was left", () => {
    const short = callOf("escalate", false)
    const run = (outcome: string, why: string): Run => {
      const attempts = [attempt("cheap", outcome, { why, nano_dollars: answerNanoDollars })]
      const seen = {
        n: short,
        millis: 6,
        how: "answered",
        status: 200,
        end: "whole",
        isShapely: true,
        text: digestOf("Left at the points. 🚦")
      } as const
      // What trickles says the usual words, which are few.
      return { seen: [seen], lines: [lineOf(short, { attempts })], played: [play(short, "cheap", "trickle~per=1")] }
    }
    assert.deepStrictEqual(kindsOf(run("served", "first")), ["attempt unexplained"])
    assert.deepStrictEqual(kindsOf(run("served", "probe")), [])
    // Others were kept from all that it could have been escalated to, about then.
    const others = (time: string, targets: ReadonlyArray<string>): Run => {
      const { lines, played, seen } = run("served", "first")
      const rejections = targets.map((target) => ({ target, by: "breaker" }))
      const other = inOrder()
      return { seen: [...seen, other.seen[3]!], lines: [...lines, { ...other.lines[3]!, time, rejections }], played }
    }
    assert.deepStrictEqual(kindsOf(others("2026-11-22T10:00:00.900Z", ["main", "own"])), [])
    assert.deepStrictEqual(kindsOf(others("2026-11-22T10:00:00.900Z", ["main"])), ["attempt unexplained"])
    assert.deepStrictEqual(kindsOf(others("2026-11-22T10:00:09.000Z", ["main", "own"])), ["attempt unexplained"])
  })

  it("finds a caller who saw something else than the record says", () => {
    const differing: ReadonlyArray<Run> = [
      withSight(0, { text: "Left on end." }),
      withSight(0, { end: "neither" }),
      withSight(0, { status: 502, end: "error", code: "upstream_error" }),
      withSight(1, { code: "upstream_error" }),
      withSight(1, { status: 502 }),
      withSight(1, { isShapely: false }),
      // A stream that looks finished and is not.
      withSight(2, { end: "whole" }),
      withSight(2, { end: "both" }),
      withSight(2, { how: "broken", why: "UND_ERR_SOCKET" }),
      withLine(0, { ending: "cancelled" })
    ]
    for (const run of differing) assert.deepStrictEqual(kindsOf(run), ["caller and record differ"], JSON.stringify(run.seen))
  })

  it("finds a call that hangs", () => assert.deepStrictEqual(kindsOf(withLine(0, { duration_ms: 60_000 })), ["hang"]))
})
