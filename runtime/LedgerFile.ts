/**
 * The store of spend in one SQLite file that one gateway owns: `LedgerStore` over `node:sqlite` in a thread of its own.
 *
 * The thread, because SQLite is synchronous and a commit waits for the disk: the request's thread only adds numbers up. A posting is in the file with
 * the group commit that follows it within `commitMillis`; a draw is answered when it and everything posted before it has been synced to the disk, so it survives
 * `kill -9` and a power failure alike. Nothing is made before `open`: a policy without budgets costs neither a file
 * nor a thread. What a run that did not stop had booked and not settled counts as spent, and the next start says so, account by account.
 *
 * `ledgerFile/Database.ts` is the file, `ledgerFile/Writer.ts` the life of the thread and what happens when it fails.
 *
 * Roads not taken: a transaction for each settlement, because 8,000 syncs a second are more than a disk does; the call that waits for its settlement,
 * because the slice already counts as spent; a pool of threads, because SQLite has one writer.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { LedgerStore, type LedgerStoreDown } from "../src/LedgerStore.ts"
import { make } from "./ledgerFile/Writer.ts"

export interface LedgerFileOptions {
  /** The database; its folder is made, with a `.gitignore` in it, where there is none. */
  readonly file: string
  /** How long a posting may wait for company on its way to the disk; 50 unless said. */
  readonly commitMillis?: number
  /** How long a stop may take before it says what is lost; 5,000 unless said. */
  readonly stopMillis?: number
  /** Tells people what they need to know: what the last run left behind, that the disk is full, that it works again. */
  readonly tell: (message: string) => void
}

/** The store in `file`. Its scope's end writes everything, closes the file and stops the thread. */
export const layer = ({ commitMillis = 50, file, stopMillis = 5_000, tell }: LedgerFileOptions): Layer.Layer<LedgerStore> =>
  Layer.effect(
    LedgerStore,
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => make({ commitMillis, file, stopMillis, tell })),
        (writer) => Effect.promise(writer.stop)
      ),
      (writer) => ({
        open: Effect.flatMap(Clock.currentTimeMillis, (now) =>
          Effect.tryPromise({ try: () => writer.open(now), catch: (error) => error as LedgerStoreDown })
        ),
        draw: (wants) =>
          Effect.callback((resume) => {
            const forget = writer.draw(wants, {
              answer: (drawn) => resume(Effect.succeed(drawn)),
              fail: (error) => resume(Effect.fail(error))
            })
            return Effect.sync(forget)
          }),
        post: writer.post
      })
    )
  )
