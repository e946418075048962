/**
 * Where spend outlives the process: the seam under the ledger, one interface for SQLite, for memory, and later for a store that many gateways share.
 *
 * The store knows two amounts of each account: `booked`, which counts as spent whatever happens to this process, and `settled`, the part of it that is
 * known to be spent. The ledger draws more of an account before it promises it to anybody, and gives back what it no longer needs, so at every instant, on disk,
 * booked ≥ settled + what is open. Limits are the policy's, and come with each draw.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { makeMemory } from "./ledger/memory.ts"

/** A budget, for one scope value, in one window of time. */
export interface Account {
  readonly budget: string
  readonly scope: string
  /** `2026-11-22` for a day, `2026-11` for a month, in UTC. */
  readonly window: string
}

/** More that is to be booked on an account, as far as its limit allows. */
export interface Want {
  readonly account: Account
  readonly nanoDollars: number
  readonly limitNanoDollars: number
}

/** What a draw came to: `granted` is what was wanted, or what was left below the limit. */
export interface Drawn {
  readonly grantedNanoDollars: number
  /** Booked on the account by everybody, after the draw and all that was posted before it began, without what was posted since. */
  readonly bookedNanoDollars: number
}

/** What has changed on an account since it was last posted. */
export interface Posting {
  readonly account: Account
  /** Added to what is settled. */
  readonly settledNanoDollars: number
  /** Added to what is booked: below 0 for a slice given back, above 0 for an overrun, which is booked beyond any limit. */
  readonly bookedNanoDollars: number
}

/** What the store held of an account when it was opened. */
export interface Opened {
  readonly account: Account
  readonly bookedNanoDollars: number
}

export class LedgerStoreDown extends Schema.TaggedError<LedgerStoreDown>()("LedgerStoreDown", { why: Schema.String }) {
  override get message() {
    return this.why
  }
}

export class LedgerStore extends Context.Service<
  LedgerStore,
  {
    /** Opens it and gives every account that it holds whose window may still run. */
    readonly open: Effect.Effect<ReadonlyArray<Opened>, LedgerStoreDown>
    /**
     * Books more, durably before it answers; one answer for each want, in order. Its place among the postings is where the effect begins to run. It must come to
     * an end: the ledger has one draw under way at a time, and interrupts none while it serves.
     */
    readonly draw: (wants: ReadonlyArray<Want>) => Effect.Effect<ReadonlyArray<Drawn>, LedgerStoreDown>
    /** Takes a posting, in order with draws; durable with the next group commit. Never fails: a store in trouble keeps it and says so. */
    readonly post: (posting: Posting) => void
  }
>()("turnout/LedgerStore") {
  /** Forgets everything at its end, and answers every draw at once. */
  static readonly layerMemory: Layer.Layer<LedgerStore> = Layer.sync(LedgerStore, makeMemory)
}
