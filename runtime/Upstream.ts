/**
 * The `Upstream` over undici: its `dispatch`, by hand, with pooled keep-alive connections to every provider.
 *
 * Undici's own header and body timeouts are off: `Exchange.ts` keeps all deadlines. Its connect timeout is on, although it may come up to a second late: a request that
 * is given up leaves its connection to the connector, which has to let go of it too. It belongs to a pool, so there is one for each limit that routes set.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Dispatcher, errors, Pool } from "undici"
import { Upstream, type UpstreamCall, type UpstreamHeaders, type UpstreamSink } from "../src/Upstream.ts"

/** One message for people: what happened to the connection, without the provider's address in full. */
const describe = (error: Error): string => {
  const code = (error as { readonly code?: unknown }).code
  const cause = error instanceof AggregateError && error.errors[0] instanceof Error ? (error.errors[0] as Error).message : error.message
  return typeof code === "string" && !cause.includes(code) ? `${cause} (${code})` : cause || "the connection failed"
}

class Handler implements Dispatcher.DispatchHandler, UpstreamCall {
  readonly #sink: UpstreamSink
  #controller: Dispatcher.DispatchController | undefined = undefined
  #over = false
  sent = false

  constructor(sink: UpstreamSink) {
    this.#sink = sink
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#over) {
      controller.abort(new errors.RequestAbortedError())
      return
    }
    // Undici says so when it has a connection and before it writes.
    this.sent = true
    this.#controller = controller
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: UpstreamHeaders): void {
    // Early hints and the like are not the answer.
    if (status >= 200 && !this.#over) this.#sink.head(status, headers)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#over) this.#sink.data(chunk)
  }

  onResponseEnd(): void {
    if (this.#over) return
    this.#over = true
    this.#sink.end()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#over) return
    this.#over = true
    this.#sink.failed({ kind: error instanceof errors.ConnectTimeoutError ? "connect-timeout" : "connection", message: describe(error) })
  }

  abort(): void {
    if (this.#over) return
    this.#over = true
    this.#controller?.abort(new errors.RequestAbortedError())
  }

  pause(): void {
    this.#controller?.pause()
  }

  resume(): void {
    this.#controller?.resume()
  }
}

/** Policies come and go, and their addresses and limits with them; what is idle has no connections and costs little. */
const maxPools = 1_000

/** A pool for each origin and each limit of connecting; both come from policies, so they are few. */
const pools = () => {
  const byOrigin = new Map<string, Map<number, Pool>>()
  /** In the order in which they were made. */
  const made: Array<{ readonly origin: string; readonly connectMillis: number; readonly pool: Pool }> = []
  const make = (origin: string, connectMillis: number): Pool => {
    if (made.length >= maxPools) {
      // It serves what it has begun. Should anything still be sent there, the next pool is as good.
      const oldest = made.shift()!
      const left = byOrigin.get(oldest.origin)!
      left.delete(oldest.connectMillis)
      if (left.size === 0) byOrigin.delete(oldest.origin)
      void oldest.pool.close()
    }
    const pool = new Pool(origin, {
      connect: { timeout: connectMillis },
      allowH2: false,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: 30_000,
      pipelining: 1
    })
    const ofOrigin = byOrigin.get(origin)
    if (ofOrigin === undefined) byOrigin.set(origin, new Map([[connectMillis, pool]]))
    else ofOrigin.set(connectMillis, pool)
    made.push({ origin, connectMillis, pool })
    return pool
  }
  return {
    of: (origin: string, connectMillis: number): Pool => byOrigin.get(origin)?.get(connectMillis) ?? make(origin, connectMillis),
    destroy: async (): Promise<void> => {
      await Promise.all(made.map(({ pool }) => pool.destroy()))
    }
  }
}

export const layer: Layer.Layer<Upstream> = Layer.effect(
  Upstream,
  Effect.map(
    Effect.acquireRelease(Effect.sync(pools), (open) => Effect.promise(open.destroy)),
    (open) => ({
      send: ({ body, connectMillis, headers, origin, path }, sink) => {
        const handler = new Handler(sink)
        open.of(origin, connectMillis).dispatch({ path, method: "POST", headers: headers as Array<string>, body }, handler)
        return handler
      }
    })
  )
)
