/**
 * Who is calling: a secret in, a caller out. The policy's keys and the issued ones are layers of this one service.
 *
 * `find` is synchronous, because it stands before everything else on every call; a layer over a database keeps its view in memory.
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"

export interface Caller {
  readonly key: string
  readonly class: string
  readonly team: string | null
  readonly organisation: string | null
}

/** The caller of a gateway without keys, which listens on loopback only. */
export const local: Caller = { key: "local", class: "local", team: null, organisation: null }

export class Keys extends Context.Service<
  Keys,
  {
    /** The caller whose secret this is; undefined where nobody's. `secret` is undefined where the request carries none. */
    readonly find: (secret: string | undefined) => Caller | undefined
  }
>()("turnout/Keys") {
  /** Every caller is `local`, whatever key an SDK insists on sending. */
  static readonly layerLocal = Layer.succeed(Keys, { find: () => local })
}
