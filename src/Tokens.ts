/**
 * Credentials that are tokens: got where they are given, kept while they are good, and got anew before they end.
 *
 * What a call sees is synchronous while there is a good token, which is nearly always: a token that has been used is got anew in the background when four fifths of its time
 * are over, and if that fails, again at half of what is left each time, without a word as long as the old one is good. One that nobody has used is let go. A call waits only for
 * the first token, or where nothing was sent for so long that the last one ended.
 *
 * - **One at a time.** Of one credential one token is got at a time, whoever waits for it; a caller who goes away does not take it from the others.
 * - **Time.** A token's age is the longer of what the monotonic clock and the wall clock say: the one stands still while a machine sleeps, the other may be set back. A clock
 *   that jumps costs a token too many, and never makes an old one good.
 * - **Refused.** A token that a provider answers with 401 is dropped, so that the next attempt has another; but not one after the other, since a provider that refuses
 *   everybody would make the gateway ask for tokens as often as it is called.
 * - **Failures** are remembered for a second, so that an authority that refuses is not asked by every call.
 *
 * Who gives tokens, and how, is the runtime's (`grant`). Nothing here is random: two replicas that begin together ask together, which authorities bear.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { Failure } from "./Failure.ts"
import type { Auth } from "./Policy.ts"

/** A token as it was given. */
export interface Granted {
  readonly token: string
  readonly lifetimeMillis: number
}

export interface TokenSource {
  /** A good token, at once where there is one. */
  readonly of: (auth: Auth) => string | Effect.Effect<string, Failure>
  /** A provider has answered `token` with 401. */
  readonly refused: (auth: Auth, token: string) => void
}

const nobody = Effect.fail<Failure>({ class: "auth", message: "there is nobody here to get a token from" })

/** Tokens by the way in which they are got. Without a layer there are none. */
export const Tokens = Context.Reference<TokenSource>("turnout/Tokens", {
  defaultValue: () => ({ of: () => nobody, refused: () => {} })
})

/** Gets a token, which takes as long as it takes. */
export type Grant = (auth: Auth) => Effect.Effect<Granted, Failure>

/** How long whoever gives tokens may take. */
const limitMillis = 10_000
/** How long a failure stands for those that would follow. */
const failureMillis = 1_000
/** How long after one token was refused no other is dropped. */
const refusalMillis = 10_000
/** The least that makes it worth to wait before another try. */
const leastWaitMillis = 5_000

const late: Failure = { class: "timeout", message: `no token within ${limitMillis / 1_000} s` }

interface Kept extends Granted {
  /** Monotonic milliseconds at which it was asked for. */
  readonly since: number
  /** Unix milliseconds of the same moment. */
  readonly sinceWall: number
  used: boolean
}

/** What is known of one credential. */
interface Keeper {
  readonly auth: Auth
  kept: Kept | undefined
  /** What is being got. */
  pending: Deferred.Deferred<string, Failure> | undefined
  failure: { readonly failure: Failure; readonly until: number } | undefined
  /** Monotonic milliseconds until which no token is dropped. */
  trustedUntil: number
}

/** A token travels for a moment, so that it is not sent in its last ones. */
const goodMillis = ({ lifetimeMillis }: Granted): number => lifetimeMillis - Math.min(10_000, lifetimeMillis / 20)

/** Tokens as `grant` gives them, kept. */
export const layer = (grant: Grant): Layer.Layer<never> =>
  Layer.effect(
    Tokens,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const scope = yield* Effect.scope
      const now = (): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
      const age = ({ since, sinceWall }: Kept): number => Math.max(now() - since, clock.currentTimeMillisUnsafe() - sinceWall)

      const keepers = new Map<string, Keeper>()
      /** The same by identity: a target's `auth` is one object for as long as its policy is served. */
      const known = new WeakMap<Auth, Keeper>()
      const keeperOf = (auth: Auth): Keeper => {
        let keeper = known.get(auth)
        if (keeper !== undefined) return keeper
        const name = JSON.stringify(auth)
        keeper = keepers.get(name) ?? { auth, kept: undefined, pending: undefined, failure: undefined, trustedUntil: 0 }
        keepers.set(name, keeper)
        known.set(auth, keeper)
        return keeper
      }

      /** Gets one, and tells everybody who waits for it. */
      const fetch = (keeper: Keeper, waiting: Deferred.Deferred<string, Failure>): Effect.Effect<unknown, Failure> =>
        Effect.suspend(() => {
          const [since, sinceWall] = [now(), clock.currentTimeMillisUnsafe()]
          return grant(keeper.auth).pipe(
            Effect.timeoutOrElse({ duration: limitMillis, orElse: () => Effect.fail(late) }),
            Effect.map((granted): Kept => (keeper.kept = { ...granted, since, sinceWall, used: false })),
            Effect.tapError((failure) => Effect.sync(() => (keeper.failure = { failure, until: now() + failureMillis }))),
            Effect.onExit((exit) =>
              Effect.sync(() => {
                keeper.pending = undefined
                Deferred.doneUnsafe(
                  waiting,
                  Exit.map(exit, ({ token }) => token)
                )
              })
            ),
            Effect.flatMap((kept) => Effect.forkIn(renew(keeper, kept, kept.lifetimeMillis * 0.8), scope))
          )
        })

      /** What is under way for a credential, or begun now. */
      const get = (keeper: Keeper): Effect.Effect<string, Failure> =>
        Effect.uninterruptibleMask((restore) => {
          if (keeper.pending !== undefined) return restore(Deferred.await(keeper.pending))
          const waiting = Deferred.makeUnsafe<string, Failure>()
          keeper.pending = waiting
          return Effect.andThen(
            Effect.forkIn(Effect.interruptible(Effect.ignore(fetch(keeper, waiting))), scope),
            restore(Deferred.await(waiting))
          )
        })

      /** Gets the next token before `kept` ends, where it is of use to somebody, and again where that fails. */
      const renew = (keeper: Keeper, kept: Kept, waitMillis: number): Effect.Effect<void> =>
        Effect.andThen(
          Effect.sleep(waitMillis),
          Effect.suspend(() => {
            if (keeper.kept !== kept || !kept.used) return Effect.void
            return Effect.matchEffect(get(keeper), {
              onSuccess: () => Effect.void,
              onFailure: () => {
                const next = (goodMillis(kept) - age(kept)) / 2
                return next < leastWaitMillis ? Effect.void : renew(keeper, kept, next)
              }
            })
          })
        )

      return {
        of: (auth) => {
          const keeper = keeperOf(auth)
          const { failure, kept } = keeper
          if (kept !== undefined && age(kept) < goodMillis(kept)) {
            kept.used = true
            return kept.token
          }
          if (failure !== undefined && now() < failure.until) return Effect.fail(failure.failure)
          return Effect.tap(get(keeper), () => {
            if (keeper.kept !== undefined) keeper.kept.used = true
            return Effect.void
          })
        },
        refused: (auth, token) => {
          const keeper = keeperOf(auth)
          if (keeper.kept?.token !== token || now() < keeper.trustedUntil) return
          keeper.kept = undefined
          keeper.trustedUntil = now() + refusalMillis
        }
      }
    })
  )
