/**
 * The access log: one JSON line per call, and per copy of one, on standard output, and the counters behind `/metrics`.
 *
 * Lines are gathered and written every few milliseconds, because a write per call would cost as much as the decision. A reader who falls behind is waited for
 * up to a limit, then lines are dropped and counted, aloud: a log must not take the gateway down.
 */
import type { Writable } from "node:stream"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { type CallRecord, Recorder, toLine } from "../src/Recorder.ts"
import type { Target } from "../src/Target.ts"

export interface Lines {
  readonly write: (line: string) => void
  readonly flush: () => void
}

const flushAfterMillis = 20
const flushAtLength = 64 * 1024
const maxWaiting = 64 * 1024 * 1024

/** Gathers lines for a stream. One that cannot be written any more (a pipe whose reader has gone) is given up, aloud. */
export const gather = (stream: Writable, complain: (message: string) => void): Lines => {
  let text = ""
  let timer: NodeJS.Timeout | undefined
  let dropped = 0
  let gone = false
  stream.on("error", ({ message }) => {
    if (!gone) complain(`the access log cannot be written any more: ${message}`)
    gone = true
    text = ""
  })
  const flush = (): void => {
    if (timer !== undefined) clearTimeout(timer)
    timer = undefined
    if (text === "") return
    if (stream.writableLength > maxWaiting) {
      dropped += text.split("\n").length - 1
      complain(`the reader of the access log has fallen behind: ${dropped} lines dropped so far`)
    } else stream.write(text)
    text = ""
  }
  return {
    write: (line) => {
      if (gone) return
      text += `${line}\n`
      if (text.length >= flushAtLength) flush()
      else timer ??= setTimeout(flush, flushAfterMillis)
    },
    flush
  }
}

const context = Context.empty() as Context.Context<never>
const seconds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]

/**
 * A counter whose series are plain numbers, found by what is counted: adding to one costs nothing to speak of, and the registry asks for its value when
 * `/metrics` is read.
 */
const counter = <Subject extends object>(
  name: string,
  description: string,
  labels: (subject: Subject, what: string) => Readonly<Record<string, string>>
) => {
  const base = Metric.counter(name, { description, incremental: true })
  const bySubject = new WeakMap<Subject, Map<string, { count: number }>>()
  /** Series of equal labels are one, whichever policy they were counted under. */
  const byLabels = new Map<string, { count: number }>()
  return (subject: Subject, what: string): void => {
    let byWhat = bySubject.get(subject)
    if (byWhat === undefined) bySubject.set(subject, (byWhat = new Map()))
    let series = byWhat.get(what)
    if (series === undefined) {
      const attributes = labels(subject, what)
      const key = JSON.stringify(attributes)
      series = byLabels.get(key)
      if (series === undefined) {
        const made = { count: 0 }
        byLabels.set(key, (series = made))
        const get = () => ({ count: made.count, incremental: true })
        Metric.registerUnsafe(Metric.withAttributes(base, attributes), context, { get, update: () => {}, modify: () => {} })
      }
      byWhat.set(what, series)
    }
    series.count++
  }
}

interface Named {
  readonly name: string
}
const undecided: Named = { name: "" }
const calls = counter("turnout_calls_total", "Calls by route and ending", ({ name }: Named, ending) => ({ route: name, ending }))
const errors = counter("turnout_errors_total", "Errors that callers were told, by route and code", ({ name }: Named, code) => ({
  route: name,
  code
}))
const targetAndOutcome = (target: Target, outcome: string): Readonly<Record<string, string>> => ({
  // Callers choose the models of open providers, so those are counted together.
  target: target.declared ? target.name : `${target.provider}/*`,
  outcome
})
const attempts = counter("turnout_attempts_total", "Attempts by target and outcome", targetAndOutcome)

const shadowCalls = counter("turnout_shadow_calls_total", "Copies of calls by route and ending", ({ name }: Named, ending) => ({
  route: name,
  ending
}))
const shadowAttempts = counter("turnout_shadow_attempts_total", "Attempts of copies by target and outcome", targetAndOutcome)

/** A histogram of the same kind: buckets are plain numbers. */
const durations = (() => {
  const counts = seconds.map(() => 0)
  let [count, sum, min, max] = [0, 0, Infinity, 0]
  const get = () => {
    let below = 0
    const buckets = seconds.map((bound, i): [number, number] => [bound, (below += counts[i]!)])
    return { buckets, count, min: count === 0 ? 0 : min, max, sum }
  }
  const base = Metric.histogram("turnout_call_duration_seconds", {
    description: "From the first byte of a call to its last",
    boundaries: seconds
  })
  Metric.registerUnsafe(base, context, { get, update: () => {}, modify: () => {} })
  return (value: number): void => {
    count++
    sum += value
    if (value < min) min = value
    if (value > max) max = value
    for (let i = 0; i < seconds.length; i++) {
      if (value <= seconds[i]!) {
        counts[i]!++
        return
      }
    }
  }
})()

const count = ({ call, durationMillis, ending, error }: CallRecord): void => {
  const route = call === undefined ? undecided : call.compiled.routes[call.decision.route]!
  // Nobody has asked for a copy or waited for it: what it comes to says nothing of how callers fare.
  if (call?.shadowOf !== undefined) {
    shadowCalls(route, ending)
    for (const { failure, target } of call.attempts) shadowAttempts(target, failure?.class ?? "served")
    return
  }
  calls(route, ending)
  if (error !== undefined) errors(route, error.code)
  durations(durationMillis / 1_000)
  if (call !== undefined) for (const { failure, target } of call.attempts) attempts(target, failure?.class ?? "served")
}

/** Records every call, and every copy of one, as a line, and counts it. */
export const layer = (lines: Lines): Layer.Layer<Recorder> =>
  Recorder.layerOf((record) => {
    lines.write(toLine(record))
    count(record)
  })
