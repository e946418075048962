/**
 * The load of a soak: calls at a steady rate, however quick the answers are, up to a bound of calls under way; each written down as its caller saw it.
 *
 *     node bench/load/soak/generator.ts --port PORT --journal FILE --in-flight N
 *
 * What call `n` is stands in `plan.ts`. Its owner sets the rate over the channel of messages (`{ rate }`), which is answered with what has come about since the last time
 * (`Since`); at rate 0 the answer comes when the last call has ended, and the connections are closed.
 */
import { createWriteStream } from "node:fs"
import { parseArgs } from "node:util"
import { type Dispatcher, errors, Pool } from "undici"
import { type Seen, seenIn } from "../../../test/http/faults/callers.ts"
import { digestOf, idOf, planOf, requestOf, secretOf } from "./plan.ts"

/** A call as its caller saw it. */
export interface CallSeen {
  readonly n: number
  readonly millis: number
  /** `answered` to its end, `left` by its caller, or `broken`: the connection ended before the answer did. */
  readonly how: "answered" | "left" | "broken"
  readonly status?: number
  readonly code?: string
  readonly end?: Seen["end"]
  readonly isShapely?: boolean
  readonly text?: string
  readonly why?: string
}

/** What has come about since the rate was set last. */
export interface Since {
  readonly begun: number
  readonly ended: number
  /** Calls that were due while as many as may be were under way. */
  readonly skipped: number
  readonly mostUnderway: number
  /** Of answers to the end: the median in milliseconds, and the 99th percentile. */
  readonly p50: number
  readonly p99: number
}

const { values } = parseArgs({ options: { port: { type: "string" }, journal: { type: "string" }, "in-flight": { type: "string" } } })
const origin = `http://127.0.0.1:${Number(values.port)}`
const mostUnderway = Number(values["in-flight"])
const journal = createWriteStream(values.journal!)
const pool = new Pool(origin, { allowH2: false, pipelining: 1, headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 20_000 })

let next = 0
let underway = 0
let since = { begun: 0, ended: 0, skipped: 0, mostUnderway: 0 }
let latencies: Array<number> = []
let whenQuiet: (() => void) | undefined

const ended = (seen: CallSeen): void => {
  underway--
  since.ended++
  if (seen.how === "answered") latencies.push(seen.millis)
  journal.write(`${JSON.stringify(seen)}\n`)
  if (underway === 0) whenQuiet?.()
}

class Caller implements Dispatcher.DispatchHandler {
  readonly #n: number
  readonly #plan: ReturnType<typeof planOf>
  readonly #began = performance.now()
  #status = 0
  #headers: Readonly<Record<string, string | Array<string> | undefined>> = {}
  #parts: Array<Buffer> = []
  #controller: Dispatcher.DispatchController | undefined
  #leaving: NodeJS.Timeout | undefined
  #left = false
  #over = false

  constructor(n: number) {
    this.#n = n
    this.#plan = planOf(n)
    const { leavesAfter } = this.#plan
    if (leavesAfter !== undefined) this.#leaving = setTimeout(() => this.#leave(), leavesAfter)
  }

  #leave(): void {
    this.#left = true
    this.#controller?.abort(new errors.RequestAbortedError())
  }

  #end(seen: Omit<CallSeen, "n" | "millis">): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#leaving)
    ended({ n: this.#n, millis: Math.round((performance.now() - this.#began) * 10) / 10, ...seen })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#left) this.#leave()
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | Array<string> | undefined>>
  ): void {
    this.#status = status
    this.#headers = headers
    const { restsFor } = this.#plan
    if (restsFor === undefined) return
    controller.pause()
    setTimeout(() => controller.resume(), restsFor)
  }

  onResponseData(_: Dispatcher.DispatchController, part: Buffer): void {
    this.#parts.push(part)
  }

  onResponseEnd(): void {
    const answered = { status: this.#status, headers: this.#headers, body: Buffer.concat(this.#parts) } as Parameters<typeof seenIn>[1]
    const { code, end, isShapely, status, text } = seenIn(this.#plan.dialect, answered)
    this.#end({ how: "answered", status, end, isShapely, text: digestOf(text), ...(code === undefined ? {} : { code }) })
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#end(
      this.#left
        ? { how: "left" }
        : { how: "broken", status: this.#status, why: String((error as { code?: string }).code ?? error.message) }
    )
  }
}

const begin = (): void => {
  const n = next++
  const plan = planOf(n)
  const { body, path } = requestOf(n, plan)
  const headers = ["content-type", "application/json", "authorization", `Bearer ${secretOf(plan.caller)}`, "x-request-id", idOf(n)]
  underway++
  since.begun++
  since.mostUnderway = Math.max(since.mostUnderway, underway)
  pool.dispatch({ path, method: "POST", headers, body }, new Caller(n))
}

let rate = 0
let due = 0
let lastTick = performance.now()

/** A tick that comes late makes up for it: the rate is that of the clock. */
const tick = (): void => {
  const now = performance.now()
  due += ((now - lastTick) * rate) / 1_000
  lastTick = now
  for (; due >= 1; due--) {
    if (underway >= mostUnderway) since.skipped++
    else begin()
  }
}

const percentile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0

const report = (): Since => {
  const sorted = latencies.toSorted((a, b) => a - b)
  const told: Since = { ...since, p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) }
  since = { begun: 0, ended: 0, skipped: 0, mostUnderway: underway }
  latencies = []
  return told
}

/** Reports once everything has been written down and every connection closed. */
const close = async (): Promise<void> => {
  clearInterval(ticking)
  if (underway > 0) await new Promise<void>((resolve) => (whenQuiet = resolve))
  await pool.close()
  await new Promise<void>((resolve) => journal.end(resolve))
  process.send?.(report())
}

const ticking = setInterval(tick, 4)
process.on("message", (message: { readonly rate: number }) => {
  const { rate: wanted } = message
  if (wanted !== rate) due = 0
  rate = wanted
  if (rate === 0) void close()
  else process.send?.(report())
})
process.on("disconnect", () => process.exit())
process.send?.("ready")
