/**
 * The access log: one JSON line per call on standard output, and the counters behind `/metrics`.
 *
 * Lines are gathered and written every few milliseconds, because a write per call would cost as much as the decision. A reader who falls behind is waited for
 * up to a limit, then lines are dropped and counted, aloud: a log must not take the gateway down.
 */
import { Context, Layer, Metric } from "effect"
import { type CallRecord, Recorder, toJson } from "../src/Recorder.ts"

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

const counted = (name: string, description: string) => {
  const base = Metric.counter(name, { description, incremental: true })
  const byLabels = new Map<string, Metric.Counter<number>>()
  // Resolving the attributes costs more than counting, so each combination is resolved once; names come from the policy, but for models of open providers.
  return (key: string, labels: () => Readonly<Record<string, string>>): void => {
    let metric = byLabels.get(key)
    if (metric === undefined) {
      if (byLabels.size >= 10_000) return
      metric = Metric.withAttributes(base, labels())
      byLabels.set(key, metric)
    }
    metric.updateUnsafe(1, context)
  }
}

const calls = counted("turnout_calls_total", "Calls by route, ending and status")
const attempts = counted("turnout_attempts_total", "Attempts by target and outcome")
const duration = Metric.histogram("turnout_call_duration_seconds", {
  description: "From the first byte of a call to its last",
  boundaries: seconds
})

const count = ({ call, durationMillis, ending, status }: CallRecord): void => {
  const route = call === undefined ? "" : call.compiled.routes[call.decision.route]!.name
  calls(`${route} ${ending} ${status}`, () => ({ route, ending, status: String(status) }))
  duration.updateUnsafe(durationMillis / 1_000, context)
  if (call === undefined) return
  for (const { failure, target } of call.attempts) {
    const outcome = failure?.class ?? "served"
    attempts(`${target.name} ${outcome}`, () => ({ target: target.name, outcome }))
  }
}

/** Records every call as a line, and counts it. */
export const layer = (lines: Lines): Layer.Layer<Recorder> =>
  Recorder.layerOf((record) => {
    lines.write(JSON.stringify(toJson(record)))
    count(record)
  })
