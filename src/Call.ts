/**
 * One call on its way through the pipeline: what came in, what was decided, and what has happened to it so far.
 *
 * The lists grow while the call is under way; everything else is fixed when it has been decided. The record that is written at its end is made from this.
 */
import type { Fiber } from "effect/Fiber"
import type { Ask } from "./Ask.ts"
import type { Bound } from "./Bound.ts"
import type { Compiled } from "./Compile.ts"
import type { Usage } from "./Conversation.ts"
import { type Decision, summary } from "./Decision.ts"
import type { CallerDialect, Loss, Operation } from "./Dialect.ts"
import type { Facts, FactSource } from "./Facts.ts"
import type { Failure } from "./Failure.ts"
import type { GatewayError } from "./GatewayError.ts"
import type { Gauge, Ticket } from "./Health.ts"
import type { Scan } from "./JsonScan.ts"
import type { Caller } from "./Keys.ts"
import type { Binding, Reservation } from "./Ledger.ts"
import type { Limits } from "./Limits.ts"
import type { Reply } from "./Reply.ts"
import type { Account, Target } from "./Target.ts"
import { headerValue, type ReadUtf8 } from "./Text.ts"

/** A request whose body has been read: what routing asks of it, and what an exchange sends on. */
export interface Parsed {
  readonly ask: Ask
  /** The parsed JSON. */
  readonly json: Readonly<Record<string, unknown>>
  /** The bytes as they came, valid UTF-8. */
  readonly bytes: Uint8Array
  /** Where the top-level members lie in them. */
  readonly scan: Scan
  /** Whether it carries seals of other dialects, which its own provider would refuse: then even a target of the same dialect gets it translated. */
  readonly sealed: boolean
}

/** An API that callers speak: its name, its dialect, and what it asks for. */
export interface Api {
  /** As facts and records name it: `chat.completions`, `embeddings`. */
  readonly name: string
  readonly operation: Operation
  readonly dialect: CallerDialect
  /** `model` is what the address names, where it does. */
  readonly parse: (bytes: Uint8Array, header: (name: string) => string | null, read?: ReadUtf8, model?: string) => Parsed | GatewayError
  /** The body of an error answer. */
  readonly errorBody: (error: GatewayError) => string
  /** A stream's last words after its commit, framed as its dialect frames an error. */
  readonly errorEvent: (error: GatewayError) => string
}

/** What the pipeline is given. */
export interface Incoming {
  readonly id: string
  readonly api: Api
  readonly secret: string | undefined
  readonly parse: () => Parsed | GatewayError
  readonly reply: Reply
  /** Why it was interrupted, where that is not because its caller has gone: the gateway stops. */
  readonly stopped?: () => GatewayError | undefined
  /** Whether there is room for a copy of the request; absent where there always is. */
  readonly mayCopy?: () => boolean
  /** Told of what goes on beside the call and after its end: its copies. Absent where nobody waits for them. */
  readonly background?: (fiber: Fiber<unknown>) => void
}

/** Why an attempt was made: as its route begins, or because of what came of those before it. */
export type Why = "first" | "failover" | "retry" | "credential" | "hedge" | "escalation" | "probe"

/** An attempt that was made, as recorded. */
export interface Attempted {
  readonly _tag: "Attempted"
  /** How many attempts of the call had begun before it. */
  readonly number: number
  readonly target: Target
  /** The credential that it was made with. */
  readonly account: Account
  readonly why: Why
  /** Undefined when it was served. */
  readonly failure: Failure | undefined
  /** Whether the caller had seen a part of it. */
  readonly committed: boolean
  /** The provider's status, where there was one. */
  readonly status: number | undefined
  readonly usage: Usage | undefined
  readonly losses: ReadonlyArray<Loss>
  /** The fields of the request that were changed besides the model's name, and the headers that were added. */
  readonly changed: ReadonlyArray<string>
  /** How long it has waited for a place on its target, before it started. */
  readonly queuedMillis: number
  /** Milliseconds from the beginning of the call. */
  readonly startedMillis: number
  readonly firstTokenMillis: number | undefined
  readonly endedMillis: number
  /** What it was charged in integer nano-dollars; undefined where that is not known, which no budget allows. */
  readonly nanoDollars: number | undefined
  /** What was held for it; undefined where no budget binds the caller. */
  readonly reservedNanoDollars: number | undefined
  /** It was charged the most that it can have cost, because its usage never came. */
  readonly estimated: boolean
}

/** A candidate that was not tried. */
export interface Rejected {
  readonly _tag: "Rejected"
  readonly target: string
  readonly by:
    | "breaker"
    | "busy"
    | "budget"
    | "ledger"
    | "deadline"
    | "effort"
    | "grant"
    | "guard"
    | "capability"
    | "translation"
    | "unknown-model"
    | "ambiguous-model"
  readonly error: GatewayError
  /** What a probe of it needs. */
  readonly candidate?: { readonly target: Target; readonly account: Account; readonly commitBy: number; readonly bound: Bound | undefined }
  /** Its provider has asked to be left alone, so that it is not even probed. */
  readonly asked?: boolean
}

/** The author said no. */
export interface Denied {
  readonly _tag: "Denied"
  readonly error: GatewayError
}

export type Settled = Attempted | Rejected | Denied

export interface Call extends FactSource {
  readonly incoming: Incoming
  readonly parsed: Parsed
  readonly caller: Caller
  readonly compiled: Compiled
  readonly facts: Facts
  readonly decision: Decision
  /** The limits of the route. */
  readonly limits: Limits
  /** Whether what it can cost must be known before anything is sent: a budget binds its caller, or its route may cost only so much. */
  readonly bounded: boolean
  /** The budgets that it is paid from. */
  readonly bindings: ReadonlyArray<Binding>
  /** Unix time in milliseconds. */
  readonly time: number
  /** Monotonic milliseconds at its beginning. */
  readonly began: number
  /** Those that have ended, in the order in which they have begun. */
  readonly attempts: Array<Attempted>
  readonly rejections: Array<Rejected>
  /** Attempts that have begun and not ended: more than one in a hedge. */
  readonly underway: Array<Underway>
  /** How many attempts have begun. */
  begun: number
  /** What ended attempts were charged, and the most that those under way can cost, where that is known of each. */
  spentNanoDollars: number
  /** Of a copy that a `shadow` has made, the id of the call that it is made of. */
  readonly shadowOf: string | undefined
  /** The shadows that it has come to, until it has ended. */
  copies: ReadonlyArray<Copy>
}

/** A copy of a call, which is made when the call has its answer. */
export interface Copy {
  /** The place of its shadow in the decision. */
  readonly slot: number
  /** `nth`: how many copies the call has before it. */
  readonly start: (nth: number) => void
  started: boolean
}

/** One side of a hedge. Opaque but for the side of another hedge that it lies in. */
export interface Side {
  readonly outer: Side | undefined
}

/** What must be known of an attempt under way to conclude it when its call is given up. */
export interface Underway {
  readonly number: number
  readonly target: Target
  readonly account: Account
  readonly why: Why
  /** What its breakers have let it through with: that of the deployment, and that of the credential. */
  readonly ticket: Ticket
  readonly credentialTicket: Ticket
  readonly gauge: Gauge
  /** Undefined outside of hedges. */
  readonly side: Side | undefined
  /** How long it has waited for a place on its target. */
  readonly queuedMillis: number
  /** Monotonic milliseconds. */
  readonly startedAt: number
  /** The most that it can cost, in nano-dollars; undefined where nobody asks. */
  readonly bound: number | undefined
  /** Undefined where no budget binds the caller. */
  readonly held: Reservation | undefined
  /** Whether the attempt has been given to its layer. */
  sent: boolean
}

/** The headers that tell a caller what was decided, names and values in turn. */
export const decisionHeaders = (call: Call, target: Target | undefined): Array<string> => {
  const headers = [
    "x-request-id",
    call.id,
    "x-turnout-decision",
    summary(call.compiled, call.decision),
    "x-turnout-route",
    call.compiled.routes[call.decision.route]!.name,
    "x-turnout-attempts",
    String(call.begun),
    "x-turnout-policy",
    call.compiled.shortHash
  ]
  if (target !== undefined) headers.push("x-turnout-target", target.label)
  return headers
}

/** The header that lists what a translation could not carry. */
export const lossHeader = (losses: ReadonlyArray<Loss>): Array<string> =>
  losses.length === 0 ? [] : ["x-turnout-loss", headerValue([...new Set(losses.map((loss) => loss.field))].join(",").slice(0, 1_000))]
