/**
 * The access log: one JSON line per call on standard output, and the counters behind `/metrics`.
 *
 * Lines are gathered and written every few milliseconds, because a write per call would cost as much as the decision. A reader who falls behind is waited for
 * up to a limit, then lines are dropped and counted, aloud: a log must not take the gateway down.
 */
import { Context, Layer, Metric } from "effect"
import { type CallRecord, Recorder, toJson } from "../src/Recorder.ts"
import type { Target } from "../src/Target.ts"

export interface Lines {
  readonly write: (line: string) => void
  readonly flush: () => void
}

const flushAfterMillis = 20
const flushAtLength = 64 * 1024
const maxWaiting = 64 * 1024 * 1024

/** Gathers lines for a stream. */
export const gather = (stream: NodeJS.WriteStream, complain: (message: string) => void): Lines => {
  let text = ""
  let timer: NodeJS.Timeout | undefined
  let dropped = 0
  let gone = false
  stream.on("error", () => {
    gone = true
  })
  const flush = (): void => {
    if (timer !== undefined) clearTimeout(timer)
    timer = undefined
    if (text === "" || gone) return
    if (stream.writableLength > maxWaiting) {
      dropped += text.split("\n").length - 1
      complain(`the reader of the access log has fallen behind: ${dropped} lines dropped so far`)
    } else stream.write(text)
    text = ""
  }
  return {
    write: (line) => {
      text += `${line}\n`
      if (text.length >= flushAtLength) flush()
      else timer ??= setTimeout(flush, flushAfterMillis)
    },
    flush
  }
}

// The attributes are named although they are empty: a default of theirs would be made, and the series' key with it, at every update.
const context = Context.make(Metric.CurrentMetricAttributes, {}) as Context.Context<never>
const seconds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]

/** One series of a counter, resolved once: finding it by its attributes costs more than counting. */
const series = <Subject extends object>(
  name: string,
  description: string,
  labels: (subject: Subject, what: string) => Readonly<Record<string, string>>
) => {
  const base = Metric.counter(name, { description, incremental: true })
  const bySubject = new WeakMap<Subject, Map<string, Metric.Counter<number>>>()
  return (subject: Subject, what: string): void => {
    let byWhat = bySubject.get(subject)
    if (byWhat === undefined) bySubject.set(subject, (byWhat = new Map()))
    let metric = byWhat.get(what)
    if (metric === undefined) byWhat.set(what, (metric = Metric.withAttributes(base, labels(subject, what))))
    metric.updateUnsafe(1, context)
  }
}

const undecided = { name: "" }
const callsByEnding = series("turnout_calls_total", "Calls by route and ending", ({ name }: { readonly name: string }, ending) => ({
  route: name,
  ending
}))
const refusals = series(
  "turnout_errors_total",
  "Errors that callers were told, by route and code",
  ({ name }: { readonly name: string }, code) => ({ route: name, code })
)
const attempts = series("turnout_attempts_total", "Attempts by target and outcome", (target: Target, outcome) => ({
  // Callers choose the models of open providers, so those are counted together.
  target: target.declared ? target.name : `${target.provider}/*`,
  outcome
}))
const duration = Metric.histogram("turnout_call_duration_seconds", {
  description: "From the first byte of a call to its last",
  boundaries: seconds
})

const count = ({ call, durationMillis, ending, error }: CallRecord): void => {
  const route = call === undefined ? undecided : call.compiled.routes[call.decision.route]!
  callsByEnding(route, ending)
  if (error !== undefined) refusals(route, error.code)
  duration.updateUnsafe(durationMillis / 1_000, context)
  if (call !== undefined) for (const { failure, target } of call.attempts) attempts(target, failure?.class ?? "served")
}

/** Records every call as a line, and counts it. */
export const layer = (lines: Lines): Layer.Layer<Recorder> =>
  Recorder.layerOf((record) => {
    lines.write(JSON.stringify(toJson(record)))
    count(record)
  })
