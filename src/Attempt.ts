/**
 * One attempt on one target, within limits: the seam between what is decided and what the world does.
 *
 * Live it is `Exchange.ts` over an upstream; tests script it, the simulator models it. It ends when the last byte has been handed on or the attempt has
 * failed, and failing is an outcome, never an error. No Promise may live above this seam: a virtual clock cannot see one.
 *
 * The deadline is passed as data and kept by the layer, not wrapped around the attempt as `Effect.timeout`: it bounds the time to the commit only, which
 * just the layer knows, and nesting is then a minimum. Interruption means that the caller has gone, or that
 * another attempt of its hedge has begun to answer; the layer lets go of everything it holds.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Call } from "./Call.ts"
import type { Usage } from "./Conversation.ts"
import type { Loss } from "./Dialect.ts"
import type { Failure } from "./Failure.ts"
import type { GatewayError } from "./GatewayError.ts"
import type { Account, Target } from "./Target.ts"

export interface Limits {
  /** Monotonic milliseconds by which the attempt must have committed, or fail with class `timeout`; `Infinity` for no limit. */
  readonly commitBy: number
  /**
   * Asked once, in the moment before anything is handed to the caller: false where another attempt of a hedge has begun to answer, and this one lets go of everything and
   * ends as `cancelled`. Undefined where there is no other.
   */
  readonly claim?: (() => boolean) | undefined
  /**
   * Asked once of an answer that has come whole and is held back until then, whatever its route says of commits: false where its route wants a better one, and the attempt ends as
   * `escalated`, with its usage. Undefined where any answer will do.
   */
  readonly accepts?: ((answer: AnswerFacts) => boolean) | undefined
}

/** What `escalate` can ask of an answer. */
export interface AnswerFacts {
  /** Why it has ended, as `Conversation.ts` names it. */
  readonly stop: string
  readonly outputTokens: number | null
  /** UTF-16 code units of its text, without reasoning and tool calls. */
  readonly characters: number
  readonly toolCalls: number
  readonly refused: boolean
  /** Whether its text is JSON and nothing else. */
  readonly isJson: boolean
}

export interface Outcome {
  /** Undefined when the answer was handed on whole. */
  readonly failure: Failure | undefined
  /** Whether anything has reached the caller. */
  readonly committed: boolean
  readonly status: number | undefined
  readonly usage: Usage | undefined
  /** Monotonic milliseconds of the first content. */
  readonly firstTokenAt: number | undefined
  readonly losses: ReadonlyArray<Loss>
  /** The fields of the request that were changed besides the model's name, and the headers that were added; absent where nothing was. */
  readonly changed?: ReadonlyArray<string>
  /** It certainly costs nothing: provably not sent, or answered by an error that is not billed. */
  readonly unbilled: boolean
  /** For how many milliseconds the account should be left alone on this deployment, as the headers of the answer say; absent where they say nothing. */
  readonly pauseMillis?: number | undefined
}

export class Attempt extends Context.Service<
  Attempt,
  {
    /** Where it is interrupted it says whether anything was `sent`, for what was not costs nothing. */
    readonly run: (call: Call, target: Target, limits: Limits, account: Account, sending?: { sent: boolean }) => Effect.Effect<Outcome>
    /**
     * Why what is asked cannot be put to `target` at all, or only with a loss that its route forbids: asked before anything is held or sent. Undefined where nothing stands in the
     * way; absent where nothing ever does.
     */
    readonly obstacle?: (call: Call, target: Target) => GatewayError | undefined
  }
>()("turnout/Attempt") {}
