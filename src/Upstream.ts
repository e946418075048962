/**
 * One encoded request out, status, headers and bytes back: the seam to the network. Live it is an HTTP client.
 *
 * Callbacks and not a stream, because this is the innermost loop of the gateway and nothing composes here: `Exchange.ts` is its only user.
 */
import * as Context from "effect/Context"

export interface UpstreamRequest {
  /** Scheme, host and port. */
  readonly origin: string
  /** Path with query. */
  readonly path: string
  /** Names and values in turn. */
  readonly headers: ReadonlyArray<string>
  readonly body: Uint8Array | string
  /** How long a new connection may take to come about. */
  readonly connectMillis: number
}

/** Names in lower case; a repeated header has a list of values. */
export type UpstreamHeaders = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

/** Told what happens, in this order: `head`, `data` any number of times, then `end` or `failed`, which is last. Nothing after `abort`. */
export interface UpstreamSink {
  readonly head: (status: number, headers: UpstreamHeaders) => void
  readonly data: (chunk: Uint8Array) => void
  readonly end: () => void
  readonly failed: (failure: UpstreamFailure) => void
}

export interface UpstreamFailure {
  readonly kind: "connect-timeout" | "connection"
  readonly message: string
}

export interface UpstreamCall {
  /** Whether any of the request may have reached the provider. */
  readonly sent: boolean
  readonly abort: () => void
  readonly pause: () => void
  readonly resume: () => void
}

export class Upstream extends Context.Service<
  Upstream,
  {
    readonly send: (request: UpstreamRequest, sink: UpstreamSink) => UpstreamCall
  }
>()("turnout/Upstream") {}
