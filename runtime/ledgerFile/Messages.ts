/**
 * What the ledger's owner and its thread say to each other: data alone, so that every message survives the structured clone.
 */
import type { Drawn, Opened, Posting, Want } from "../../src/LedgerStore.ts"

/** What the thread starts with. */
export interface WorkerInput {
  /** Absolute. */
  readonly file: string
  /** The file as its owner named it, for messages. */
  readonly name: string
  /** Names this owner of the file: a thread that starts again under the same name goes on, any other finds what the last run left behind. */
  readonly run: string
  /** The first day (`2026-11-22`, UTC) whose accounts are still of interest. */
  readonly since: string
}

/** A part of a write: postings whose order among themselves does not matter, or one draw, whose order does. */
export type Step =
  | { readonly _tag: "Post"; readonly postings: ReadonlyArray<Posting> }
  | { readonly _tag: "Draw"; readonly wants: ReadonlyArray<Want> }

/** One transaction. It is written once however often it is sent: its number says whether it has been. */
export interface Write {
  readonly _tag: "Write"
  /** From 1, without gaps, within a run. */
  readonly number: number
  readonly steps: ReadonlyArray<Step>
}

/** The answers to the draws of a write, in order. */
export type Answers = ReadonlyArray<ReadonlyArray<Drawn>>

/** What the owner asks. */
export type Ask = Write | { readonly _tag: "Close" }

/** An account that the last run had booked and not settled. */
export interface Unsettled {
  readonly budget: string
  readonly scope: string
  readonly window: string
  readonly nanoDollars: number
}

/** What the last run left behind if it did not stop: the greatest remainders, and the sum of all others. */
export interface Unclean {
  readonly greatest: ReadonlyArray<Unsettled>
  readonly others: number
  readonly othersNanoDollars: number
}

/** What the thread tells. */
export type Told =
  | { readonly _tag: "Opened"; readonly accounts: ReadonlyArray<Opened>; readonly unclean: Unclean }
  | { readonly _tag: "Refused"; readonly why: string }
  | { readonly _tag: "Written"; readonly number: number; readonly answers: Answers }
  | { readonly _tag: "Failed"; readonly number: number; readonly why: string }
  | { readonly _tag: "Closed" }
