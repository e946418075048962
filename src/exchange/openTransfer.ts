/**
 * One request to a provider and its answer on the way to the caller: what the provider does, what the relay of its answer asks for, and what time does.
 *
 * Two things limit it: what its route says of every attempt (`call.limits`), and what the strategy says of this one (`bounds`). Whatever throws here, within the provider's events or at a deadline, ends the
 * attempt as a defect, which the call survives to its record.
 */
import * as Effect from "effect/Effect"
import type { Limits as Bounds, Outcome } from "../Attempt.ts"
import { type Call, decisionHeaders, lossHeader } from "../Call.ts"
import type { Usage } from "../Conversation.ts"
import type { Dialect, Loss } from "../Dialect.ts"
import type { Failure } from "../Failure.ts"
import { failed } from "../GatewayError.ts"
import type { Account, Target } from "../Target.ts"
import type { ReadUtf8 } from "../Text.ts"
import type { UpstreamCall, UpstreamFailure, UpstreamHeaders, UpstreamSink } from "../Upstream.ts"
import type { Ready } from "./encode.ts"
import { relayOf } from "./relay.ts"
import type { Relay, Transfer } from "./transfer.ts"

/** What an attempt is to send, and where. */
export interface Errand {
  readonly call: Call
  readonly target: Target
  readonly bounds: Bounds
  readonly account: Account
  /** Told of whether anything has been sent. */
  readonly sending: { sent: boolean } | undefined
  /** Monotonic milliseconds at which the attempt began: before a token or an image was got for it. */
  readonly began: number
}

/** What all transfers share. */
export interface TransferServices {
  /** Reads answers that are held whole. */
  readonly readUtf8: ReadUtf8
  /** The largest answer that is held whole, in bytes. */
  readonly maxAnswerBytes: number
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Those that have still something to come, whose deadlines somebody looks after. */
  readonly open: Set<OpenTransfer>
}

/** How long a provider may keep its connection open after it has said that its stream is over. */
const lingerMillis = 1_000

/** Statuses with which somebody gives up waiting for a model that may still be answering. */
const givenUp: ReadonlySet<number> = new Set([408, 499, 504, 524])

/**
 * Whether an error answer costs nothing. An error inside a success may have cost something; so may a prompt that a filter has looked at, and a request that was
 * given up (Azure OpenAI bills both).
 */
const isFree = (status: number, failure: Failure): boolean => status >= 300 && !givenUp.has(status) && failure.class !== "content-filter"

const seconds = (millis: number): string => `${millis / 1_000} s`

/** What has taken too long. */
export const late = (message: string): Failure => ({ class: "timeout", message })

export class OpenTransfer implements Transfer, UpstreamSink {
  readonly call: Call
  readonly target: Target
  readonly dialect: Dialect
  readonly forwards: boolean
  readonly maxAnswerBytes: number
  readonly accepts: Bounds["accepts"]
  readonly readUtf8: ReadUtf8
  readonly clean: (text: string) => string
  readonly losses: Array<Loss>
  usage: Usage | undefined = undefined
  pauseMillis: number | undefined = undefined

  readonly #bounds: Bounds
  readonly #changed: ReadonlyArray<string>
  readonly #redact: (failure: Failure) => Failure
  readonly #now: () => number
  readonly #open: Set<OpenTransfer>
  readonly #resume: (outcome: Effect.Effect<Outcome>) => void
  #upstream: UpstreamCall | undefined = undefined
  #relay: Relay | undefined = undefined
  #status: number | undefined = undefined
  /** Monotonic milliseconds. */
  readonly #began: number
  #quietSince = 0
  /** Something has come since the last look, as the beginning has: the clock is read by the looking fibre, not once per chunk. */
  #heard = true
  #paused = false
  #committed = false
  #firstTokenAt: number | undefined = undefined
  /** The outcome has been told. */
  #settled = false

  constructor(
    { began, bounds, call, target }: Errand,
    { changed, clean, dialect, forwards, losses, redact }: Ready,
    { maxAnswerBytes, now, open, readUtf8 }: TransferServices,
    resume: (outcome: Effect.Effect<Outcome>) => void
  ) {
    this.call = call
    this.target = target
    this.dialect = dialect
    this.forwards = forwards
    this.losses = [...losses]
    this.#bounds = bounds
    // INVARIANT: absent where what is asked for is no answer but a number or a vector.
    this.accepts = bounds.accepts
    this.#changed = changed
    this.#redact = redact
    this.clean = clean
    this.maxAnswerBytes = maxAnswerBytes
    this.readUtf8 = readUtf8
    this.#now = now
    this.#open = open
    this.#resume = resume
    this.#began = began
  }

  /** Whether anything of the request may have left. */
  get sent(): boolean {
    return this.#upstream?.sent === true
  }

  start(upstream: UpstreamCall): void {
    this.#upstream = upstream
    if (this.#settled) upstream.abort()
    else this.#open.add(this)
  }

  // What the provider does.

  head(status: number, headers: UpstreamHeaders): void {
    if (this.#settled) return
    this.#status = status
    this.#heard = true
    try {
      this.#relay = relayOf(this, status, headers)
    } catch (error) {
      this.#die(error)
    }
  }

  data(chunk: Uint8Array): void {
    if (this.#settled) return
    this.#heard = true
    try {
      this.#relay!.data(chunk)
    } catch (error) {
      this.#die(error)
    }
  }

  end(): void {
    this.#open.delete(this)
    if (this.#settled) return
    try {
      this.#relay!.end()
    } catch (error) {
      this.#die(error)
    }
  }

  failed({ kind, message }: UpstreamFailure): void {
    this.#open.delete(this)
    if (kind === "connect-timeout") this.fail({ class: "timeout", message })
    // A connection that breaks inside an answer has cut it short.
    else this.fail({ class: this.#status === undefined ? "connection" : "stream-cut", message })
  }

  // What the relay asks for.

  begin(): void {
    this.#firstTokenAt ??= this.#now()
  }

  commit(contentType: string, more: ReadonlyArray<string>): void {
    if (this.#committed || this.#settled) return
    const { claim } = this.#bounds
    if (claim !== undefined && !claim()) {
      this.fail({ class: "cancelled", message: "another attempt has begun to answer" })
      return
    }
    this.#committed = true
    const { call } = this
    const headers = decisionHeaders(call, this.target)
    headers.push("content-type", contentType, ...more)
    if (this.losses.length > 0) headers.push(...lossHeader(this.losses))
    call.incoming.reply.begin(200, headers)
  }

  get committed(): boolean {
    return this.#committed
  }

  write(bytes: Uint8Array | string): void {
    if (this.#settled || this.call.incoming.reply.write(bytes) || this.#paused) return
    this.#paused = true
    this.#upstream?.pause()
    this.call.incoming.reply.onDrain(() => {
      this.#paused = false
      this.#heard = true
      if (!this.#settled) this.#upstream?.resume()
    })
  }

  /** The answer is whole: `bytes` are its last. */
  done(bytes?: Uint8Array | string): void {
    if (this.#settled) return
    this.call.incoming.reply.end(bytes)
    this.#settle(undefined)
  }

  fail(said: Failure): void {
    if (this.#settled) return
    const failure = this.#redact(said)
    if (this.#committed) this.call.incoming.reply.end(this.call.incoming.api.errorEvent(failed(this.target.name, failure)))
    this.#settle(failure)
    // What is thrown away has come whole, so that its connection may serve again.
    if (failure.class !== "escalated") this.abort()
  }

  // What time does.

  /** Fails what is overdue at `now`. */
  check(now: number): void {
    if (this.#heard) {
      this.#heard = false
      this.#quietSince = now
    }
    if (this.#settled) {
      if (now - this.#quietSince > lingerMillis) this.abort()
      return
    }
    const failure = this.#overdue(now)
    if (failure === undefined) return
    try {
      this.fail(failure)
    } catch (error) {
      this.#die(error)
    }
  }

  /** What has taken too long at `now`. While a reader takes nothing the provider is not waited for, so that what is late then is not the provider's doing. */
  #overdue(now: number): Failure | undefined {
    const { connectMillis, firstTokenMillis, headersMillis, idleMillis, totalMillis } = this.call.limits
    const elapsed = now - this.#began
    if (this.#paused) {
      const idle = now - this.#quietSince >= idleMillis
      if (!idle && elapsed < totalMillis) return undefined
      return {
        class: "cancelled",
        message: `the caller took ${idle ? `nothing for ${seconds(idleMillis)}` : `longer than ${seconds(totalMillis)}`}`
      }
    }
    if (elapsed >= totalMillis) return late(`the answer was not whole within ${seconds(totalMillis)}`)
    if (!this.#committed && now >= this.#bounds.commitBy) return late("nothing was committed before the deadline")
    if (this.call.ask.stream && this.#firstTokenAt === undefined && elapsed >= firstTokenMillis)
      return late(`no content within ${seconds(firstTokenMillis)}`)
    if (this.#status !== undefined)
      return now - this.#quietSince >= idleMillis ? late(`the answer stalled for ${seconds(idleMillis)}`) : undefined
    if (elapsed >= connectMillis && this.#upstream?.sent === false) return late(`no connection within ${seconds(connectMillis)}`)
    return elapsed >= headersMillis ? late(`no answer within ${seconds(headersMillis)}`) : undefined
  }

  /** Lets go of the connection. */
  abort(): void {
    this.#settled = true
    this.#open.delete(this)
    this.#upstream?.abort()
  }

  /** What is ours to mend ends this attempt, and nothing beside it. */
  #die(error: unknown): void {
    if (this.#settled) return
    this.abort()
    this.#resume(Effect.die(error))
  }

  #settle(failure: Failure | undefined): void {
    this.#settled = true
    this.#heard = true
    const outcome: Outcome = {
      failure,
      committed: this.#committed,
      status: this.#status,
      usage: this.usage,
      firstTokenAt: this.#firstTokenAt,
      losses: this.losses,
      changed: this.#changed,
      pauseMillis: this.pauseMillis,
      unbilled: failure !== undefined && (this.#status === undefined ? this.#upstream?.sent !== true : isFree(this.#status, failure))
    }
    this.#resume(Effect.succeed(outcome))
  }
}
