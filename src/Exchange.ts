/**
 * The live `Attempt`: encodes a request, sends it, reads the answer, commits, and hands every byte on.
 *
 * Where caller and target speak the same dialect the bytes are patched and forwarded; elsewhere they go through `Conversation` (`exchange/`). All deadlines of
 * all open transfers are kept by one fibre that looks every ten milliseconds while there are any: a timer for each would cost more than the decision, and a
 * deadline that is ten milliseconds late harms nobody. That of the connection is kept here too, although the HTTP client has one of its own, because the client's may
 * come a second late.
 *
 * Two things limit an attempt: what its route says of every attempt (`call.limits`), and what the strategy says of this one (`bounds`).
 *
 * Runs once per attempt, and `data` once per chunk: no exceptions, no closures made per chunk, nothing buffered that could be handed on.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import { Attempt, type Limits as Bounds, type Outcome } from "./Attempt.ts"
import { type Call, decisionHeaders, lossHeader } from "./Call.ts"
import type { Source, Usage } from "./Conversation.ts"
import type { Dialect, Loss } from "./Dialect.ts"
import { encoderOf, type Fetching, type Impossible, type Ready } from "./exchange/encode.ts"
import { relayOf } from "./exchange/relay.ts"
import type { Relay, Transfer } from "./exchange/transfer.ts"
import type { Failure } from "./Failure.ts"
import { failed } from "./GatewayError.ts"
import { Fetch } from "./Fetch.ts"
import { type Auth, type Secret, toMillis } from "./Policy.ts"
import type { Account, Target } from "./Target.ts"
import { type ReadUtf8, readUtf8 } from "./Text.ts"
import { Tokens } from "./Tokens.ts"
import { Upstream, type UpstreamCall, type UpstreamFailure, type UpstreamHeaders, type UpstreamSink } from "./Upstream.ts"

export interface ExchangeOptions {
  /** The secret behind a name; undefined where it is not set. */
  readonly secretOf: (secret: Secret) => string | undefined
  /** Reads answers that are held whole. */
  readonly readUtf8?: ReadUtf8
  /** The largest answer that is held whole, in bytes. */
  readonly maxAnswerBytes: number
}

export const defaults = { maxAnswerBytes: 32 * 1024 * 1024 }

/** More images than this are not fetched for one request. */
const maxFetches = 20

const sweepEvery = "10 millis"
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

const late = (message: string): Failure => ({ class: "timeout", message })

/** One request to a provider and its answer on the way to the caller. */
class OpenTransfer implements Transfer, UpstreamSink {
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
  readonly #resume: (outcome: Outcome) => void
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
    call: Call,
    target: Target,
    bounds: Bounds,
    { changed, clean, dialect, forwards, losses, redact }: Ready,
    options: ExchangeOptions,
    now: () => number,
    open: Set<OpenTransfer>,
    resume: (outcome: Outcome) => void
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
    this.maxAnswerBytes = options.maxAnswerBytes
    this.readUtf8 = options.readUtf8 ?? readUtf8
    this.#now = now
    this.#open = open
    this.#resume = resume
    this.#began = now()
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
    this.#relay = relayOf(this, status, headers)
  }

  data(chunk: Uint8Array): void {
    if (this.#settled) return
    this.#heard = true
    this.#relay!.data(chunk)
  }

  end(): void {
    this.#open.delete(this)
    if (!this.#settled) this.#relay!.end()
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
    if (failure !== undefined) this.fail(failure)
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

  #settle(failure: Failure | undefined): void {
    this.#settled = true
    this.#heard = true
    this.#resume({
      failure,
      committed: this.#committed,
      status: this.#status,
      usage: this.usage,
      firstTokenAt: this.#firstTokenAt,
      losses: this.losses,
      changed: this.#changed,
      pauseMillis: this.pauseMillis,
      unbilled: failure !== undefined && (this.#status === undefined ? this.#upstream?.sent !== true : isFree(this.#status, failure))
    })
  }
}

const notSent = (failure: Failure): Effect.Effect<Outcome> =>
  Effect.succeed({ failure, committed: false, status: undefined, usage: undefined, firstTokenAt: undefined, losses: [], unbilled: true })

/** Attempts over the `Upstream` in scope. */
export const layer = (options: ExchangeOptions): Layer.Layer<Attempt, never, Upstream> =>
  Layer.effect(
    Attempt,
    Effect.gen(function* () {
      const upstream = yield* Upstream
      const fetch = yield* Fetch
      const tokens = yield* Tokens
      const clock = yield* Clock.Clock
      const now = (): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
      const open = new Set<OpenTransfer>()
      const busy = Latch.makeUnsafe(false)
      const { encode, obstacle } = encoderOf(options.secretOf)

      yield* Effect.forkScoped(
        Effect.forever(
          Effect.flatMap(busy.await, () =>
            Effect.andThen(
              Effect.sleep(sweepEvery),
              Effect.sync(() => {
                const time = now()
                for (const transfer of open) transfer.check(time)
                if (open.size === 0) busy.closeUnsafe()
              })
            )
          )
        )
      )

      const send = (
        call: Call,
        target: Target,
        bounds: Bounds,
        encoded: Ready | Impossible,
        sending: { sent: boolean } | undefined
      ): Effect.Effect<Outcome> => {
        if (encoded._tag === "Impossible") return notSent(encoded.failure)
        return Effect.callback<Outcome>((resume) => {
          const transfer = new OpenTransfer(call, target, bounds, encoded, options, now, open, (outcome) => {
            // An interruption may still come before anybody reads the outcome.
            if (sending !== undefined) sending.sent = transfer.sent
            resume(Effect.succeed(outcome))
          })
          transfer.start(upstream.send(encoded.request, transfer))
          if (open.size > 0) busy.openUnsafe()
          return Effect.sync(() => {
            if (sending !== undefined) sending.sent = transfer.sent
            transfer.abort()
          })
        })
      }

      /** An image that cannot be got is the caller's to mend: leaving it out would answer another question. */
      const fetchThenSend = (
        call: Call,
        target: Target,
        bounds: Bounds,
        { encode: finish, urls }: Fetching,
        sending: { sent: boolean } | undefined
      ): Effect.Effect<Outcome> => {
        // INVARIANT: only a policy that names hosts has anything fetched.
        const { hosts, maxBytes, timeout } = call.compiled.policy.fetch!
        if (urls.size > maxFetches)
          return notSent({
            class: "bad-request",
            message: `at most ${maxFetches} images are fetched for a request, and this one names ${urls.size}`
          })
        const left = Math.min(toMillis(timeout), bounds.commitBy - now())
        if (left <= 0) return notSent(late("nothing was committed before the deadline"))
        // One deadline for all of them: what waits for its turn does not begin to count anew.
        const deadline = now() + left
        const fetched = Effect.forEach(
          urls,
          ([at, url]) =>
            Effect.mapBoth(
              Effect.suspend(() => fetch(url, { hosts, maxBytes, timeoutMillis: Math.max(1, Math.ceil(deadline - now())) })),
              {
                onSuccess: (found): readonly [string, Source] => [at, { _tag: "Base64", ...found }],
                onFailure: (why): Failure => ({ class: "bad-request", message: `\`${at}\` could not be fetched: ${why}`, param: at })
              }
            ),
          { concurrency: 4 }
        )
        return Effect.matchEffect(fetched, {
          onSuccess: (sources) => send(call, target, bounds, finish(new Map(sources)), sending),
          onFailure: notSent
        })
      }

      const attempt = (
        call: Call,
        target: Target,
        bounds: Bounds,
        account: Account,
        sending: { sent: boolean } | undefined,
        token?: string
      ): Effect.Effect<Outcome> => {
        const encoded = encode(call, target, account, token)
        return encoded._tag === "Fetching"
          ? fetchThenSend(call, target, bounds, encoded, sending)
          : send(call, target, bounds, encoded, sending)
      }

      /** A token that the provider does not know any more is of no use to the next attempt either. */
      const attemptWith = (
        call: Call,
        target: Target,
        bounds: Bounds,
        account: Account,
        sending: { sent: boolean } | undefined,
        auth: Auth,
        token: string
      ): Effect.Effect<Outcome> =>
        Effect.map(attempt(call, target, bounds, account, sending, token), (outcome) => {
          if (outcome.status !== 401) return outcome
          tokens.refused(auth, token)
          // The credential is not the token: the next one may do.
          const { endsCredential: _, ...failure } = outcome.failure!
          return { ...outcome, failure }
        })

      /** A token that has to be got first is waited for no longer than an answer would be. */
      const waitThenAttempt = (
        call: Call,
        target: Target,
        bounds: Bounds,
        account: Account,
        sending: { sent: boolean } | undefined,
        auth: Auth,
        token: Effect.Effect<string, Failure>
      ): Effect.Effect<Outcome> => {
        const { headersMillis, totalMillis } = call.limits
        const left = Math.min(headersMillis, totalMillis, bounds.commitBy - now())
        if (left <= 0) return notSent(late("nothing was committed before the deadline"))
        const timely = Number.isFinite(left)
          ? Effect.timeoutOrElse(token, { duration: left, orElse: () => Effect.fail(late("there was no token before the deadline")) })
          : token
        return Effect.matchEffect(timely, {
          onSuccess: (got) => attemptWith(call, target, bounds, account, sending, auth, got),
          onFailure: notSent
        })
      }

      return {
        obstacle,
        run: (call, target, bounds, account, sending) => {
          const { auth } = target
          // Interrupted while it waits for a token or an image it has sent nothing yet.
          if (sending !== undefined) sending.sent = false
          if (auth === undefined) return attempt(call, target, bounds, account, sending)
          const token = tokens.of(auth)
          return typeof token === "string"
            ? attemptWith(call, target, bounds, account, sending, auth, token)
            : waitThenAttempt(call, target, bounds, account, sending, auth, token)
        }
      }
    })
  )
