/**
 * The `Upstream` over undici: its `dispatch`, by hand, with pooled keep-alive connections to every provider.
 *
 * Undici's own header and body timeouts are off: `Exchange.ts` keeps all deadlines but the connect timeout, which only the connector can keep.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Dispatcher, errors, Pool } from "undici"
import { Upstream, type UpstreamCall, type UpstreamHeaders, type UpstreamSink } from "../src/Upstream.ts"

export interface UpstreamOptions {
  readonly connectTimeoutMillis: number
}

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

/** One pool for each origin; origins come from policies, so they are few. */
const pools = (options: UpstreamOptions) => {
  const byOrigin = new Map<string, Pool>()
  return {
    of: (origin: string): Pool => {
      let pool = byOrigin.get(origin)
      if (pool === undefined) {
        pool = new Pool(origin, {
          connect: { timeout: options.connectTimeoutMillis },
          allowH2: false,
          headersTimeout: 0,
          bodyTimeout: 0,
          keepAliveTimeout: 30_000,
          pipelining: 1
        })
        byOrigin.set(origin, pool)
      }
      return pool
    },
    destroy: async (): Promise<void> => {
      await Promise.all([...byOrigin.values()].map((pool) => pool.destroy()))
    }
  }
}

export const layer = (options: UpstreamOptions): Layer.Layer<Upstream> =>
  Layer.effect(
    Upstream,
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => pools(options)),
        (open) => Effect.promise(open.destroy)
      ),
      (open) => ({
        send: ({ body, headers, origin, path }, sink) => {
          const handler = new Handler(sink)
          open.of(origin).dispatch({ path, method: "POST", headers: headers as Array<string>, body }, handler)
          return handler
        }
      })
    )
  )
