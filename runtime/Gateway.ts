/**
 * A gateway that listens: the data plane and the control plane on one port, over one set of services, with a policy that can be exchanged.
 *
 * Starting is all or nothing, and leaving the scope is a graceful stop: no new calls, those under way are waited for up to `drainMillis`.
 */
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Compiled } from "../src/Compile.ts"
import { credentialTroublesOf, troublesOf } from "../src/Keys.ts"
import { budgetsOf } from "../src/Layers.ts"
import { Ledger } from "../src/Ledger.ts"
import * as Pipeline from "../src/Pipeline.ts"
import * as Control from "./Control.ts"
import { isLoopback } from "./Guard.ts"
import * as Http from "./Http.ts"
import { live, type Settings } from "./Live.ts"

export interface GatewayOptions extends Settings, Http.HttpOptions {
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  readonly drainMillis: number
}

export class GatewayRefused extends Schema.TaggedError<GatewayRefused>()("GatewayRefused", { why: Schema.String }) {
  override get message() {
    return this.why
  }
}

export interface Gateway {
  readonly url: string
  readonly port: number
  /** The policy that serves now. */
  readonly compiled: () => Compiled
  /** Serves new calls by `compiled`; those under way keep theirs. */
  readonly exchange: (compiled: Compiled) => Effect.Effect<void, GatewayRefused>
}

const listen = (server: Http.DataPlane["server"], host: string, port: number): Effect.Effect<AddressInfo, GatewayRefused> =>
  Effect.tryPromise({
    try: async () => {
      server.listen(port, host)
      await once(server, "listening")
      return server.address() as AddressInfo
    },
    catch: (error) => {
      const code = (error as { readonly code?: string }).code
      if (code === "EADDRINUSE")
        return new GatewayRefused({ why: `port ${port} of ${host} is in use: stop what listens there, or choose another with --port` })
      if (code === "EACCES")
        return new GatewayRefused({ why: `port ${port} needs rights that this process does not have: choose one above 1023 with --port` })
      return new GatewayRefused({ why: `cannot listen on ${host}:${port}: ${error instanceof Error ? error.message : String(error)}` })
    }
  })

/** Says that connections are closed as they come, at most once a minute. */
const warnOfDropped = (server: Http.DataPlane["server"], { maxConnections, tell }: GatewayOptions): void => {
  let dropped = 0
  let saidAt = -Infinity
  server.on("drop", () => {
    dropped++
    const at = performance.now()
    if (at - saidAt < 60_000) return
    tell(`warning: ${maxConnections} connections are open, which is the most: ${dropped} more closed as they came`)
    saidAt = at
    dropped = 0
  })
}

/** Starts a gateway on `compiled`. */
export const start = (compiled: Compiled, options: GatewayOptions): Effect.Effect<Gateway, GatewayRefused, Scope.Scope> =>
  Effect.gen(function* () {
    const { drainMillis, host, tell } = options
    const services = yield* Layer.build(live(options))
    const ledger = Context.get(services, Ledger)
    const link = (next: Compiled): Effect.Effect<Pipeline.Pipeline, GatewayRefused> =>
      Effect.gen(function* () {
        const keys = Object.keys(next.policy.keys)
        if (keys.length === 0 && !isLoopback(host)) {
          return yield* new GatewayRefused({
            why: `\`${host}\` can be reached by others, and without keys everybody who reaches the gateway spends your money: name \`keys\` in the policy, or listen on 127.0.0.1`
          })
        }
        for (const { message } of troublesOf(next.policy, options.secretOf)) tell(`warning: ${message}`)
        for (const message of credentialTroublesOf(next.policy, options.secretOf)) tell(`warning: ${message}`)
        if (Object.keys(budgetsOf(next.policy)).length > 0)
          yield* Effect.mapError(ledger.open, ({ why }) => new GatewayRefused({ why: `budgets cannot be kept: ${why}` }))
        return yield* Effect.provideContext(Pipeline.make(next), services)
      })
    let pipeline = yield* link(compiled)
    let ready = true

    const control = yield* Control.make({ pipeline: () => pipeline, ready: () => ready })
    const plane = Http.make({ pipeline: () => pipeline, control }, options)
    warnOfDropped(plane.server, options)
    const address = yield* listen(plane.server, host, options.port)
    yield* Effect.addFinalizer(() =>
      Effect.promise(async () => {
        ready = false
        const left = await plane.drain(drainMillis)
        if (left > 0) tell(`stopped with ${left} call${left === 1 ? "" : "s"} cut off after ${drainMillis / 1_000} s`)
        options.lines.flush()
      })
    )
    const name = host.includes(":") ? `[${host}]` : host
    return {
      url: `http://${name}:${address.port}`,
      port: address.port,
      compiled: () => pipeline.compiled,
      exchange: (next) =>
        Effect.map(link(next), (linked) => {
          pipeline = linked
        })
    }
  })
