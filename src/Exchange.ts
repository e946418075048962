/**
 * The live `Attempt`: encodes a request, gets what it needs first (a token, images), sends it, and has the answer handed on (`exchange/openTransfer.ts`).
 *
 * Where caller and target speak the same dialect the bytes are patched and forwarded; elsewhere they go through `Conversation` (`exchange/`). All deadlines of
 * all open transfers are kept by one fibre that looks every ten milliseconds while there are any: a timer for each would cost more than the decision, and a
 * deadline that is ten milliseconds late harms nobody. That of the connection is kept here too, although the HTTP client has one of its own, because the client's may
 * come a second late.
 *
 * Runs once per attempt, and `data` once per chunk: no exceptions, no closures made per chunk, nothing buffered that could be handed on.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import { Attempt, type Outcome } from "./Attempt.ts"
import type { Source } from "./Conversation.ts"
import { encoderOf, type Fetching, type Impossible, type Ready } from "./exchange/encode.ts"
import { type Errand, late, OpenTransfer } from "./exchange/openTransfer.ts"
import type { Failure } from "./Failure.ts"
import { Fetch } from "./Fetch.ts"
import { type Auth, type Secret, toMillis } from "./Policy.ts"
import { type ReadUtf8, readUtf8 } from "./Text.ts"
import { Tokens } from "./Tokens.ts"
import { Upstream } from "./Upstream.ts"

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
const tooLate = late("nothing was committed before the deadline")

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
      const services = { readUtf8: options.readUtf8 ?? readUtf8, maxAnswerBytes: options.maxAnswerBytes, now, open }
      /** How long an attempt may still take. */
      const leftOf = ({ began, bounds, call }: Errand): number => Math.min(began + call.limits.totalMillis, bounds.commitBy) - now()

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

      const send = (errand: Errand, encoded: Ready | Impossible): Effect.Effect<Outcome> => {
        if (encoded._tag === "Impossible") return notSent(encoded.failure)
        const { sending } = errand
        return Effect.callback<Outcome>((resume) => {
          const transfer = new OpenTransfer(errand, encoded, services, (outcome) => {
            // An interruption may still come before anybody reads the outcome.
            if (sending !== undefined) sending.sent = transfer.sent
            resume(outcome)
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
      const fetchThenSend = (errand: Errand, { encode: finish, urls }: Fetching): Effect.Effect<Outcome> => {
        // INVARIANT: only a policy that names hosts has anything fetched.
        const { hosts, maxBytes, timeout } = errand.call.compiled.policy.fetch!
        if (urls.size > maxFetches)
          return notSent({
            class: "bad-request",
            message: `at most ${maxFetches} images are fetched for a request, and this one names ${urls.size}`
          })
        const left = Math.min(toMillis(timeout), leftOf(errand))
        if (left <= 0) return notSent(tooLate)
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
          onSuccess: (sources) => send(errand, finish(new Map(sources))),
          onFailure: notSent
        })
      }

      const attempt = (errand: Errand, token?: string): Effect.Effect<Outcome> => {
        const encoded = encode(errand.call, errand.target, errand.account, token)
        return encoded._tag === "Fetching" ? fetchThenSend(errand, encoded) : send(errand, encoded)
      }

      /** A token that the provider does not know any more is of no use to the next attempt either. */
      const attemptWith = (errand: Errand, auth: Auth, token: string): Effect.Effect<Outcome> =>
        Effect.map(attempt(errand, token), (outcome) => {
          if (outcome.status !== 401) return outcome
          tokens.refused(auth, token)
          // The credential is not the token: the next one may do.
          const { endsCredential: _, ...failure } = outcome.failure!
          return { ...outcome, failure }
        })

      /** A token that has to be got first is waited for no longer than an answer would be. */
      const waitThenAttempt = (errand: Errand, auth: Auth, token: Effect.Effect<string, Failure>): Effect.Effect<Outcome> => {
        const left = Math.min(errand.call.limits.headersMillis, leftOf(errand))
        if (left <= 0) return notSent(tooLate)
        const timely = Number.isFinite(left)
          ? Effect.timeoutOrElse(token, { duration: left, orElse: () => Effect.fail(late("there was no token before the deadline")) })
          : token
        return Effect.matchEffect(timely, {
          onSuccess: (got) => attemptWith(errand, auth, got),
          onFailure: notSent
        })
      }

      return {
        obstacle,
        run: (call, target, bounds, account, sending) => {
          const { auth } = target
          const errand: Errand = { call, target, bounds, account, sending, began: now() }
          // Interrupted while it waits for a token or an image it has sent nothing yet.
          if (sending !== undefined) sending.sent = false
          if (auth === undefined) return attempt(errand)
          const token = tokens.of(auth)
          return typeof token === "string" ? attemptWith(errand, auth, token) : waitThenAttempt(errand, auth, token)
        }
      }
    })
  )
