/**
 * What has been posted and asked and is not yet on its way to the ledger's thread, in order. Runs on the request's thread, so a posting costs
 * one lookup and two additions: all postings to an account between two draws become one.
 */
import type { Account, Drawn, LedgerStoreDown, Posting, Want } from "../../src/LedgerStore.ts"
import type { Step } from "./Messages.ts"

/** Who waits for a draw. Forgotten, where nobody does any more. */
export interface Waiter {
  readonly answer: (drawn: ReadonlyArray<Drawn>) => void
  readonly fail: (error: LedgerStoreDown) => void
}

/** A draw that may outlive its waiter: what it books then goes back. */
export interface PendingDraw {
  readonly wants: ReadonlyArray<Want>
  waiter: Waiter | undefined
}

/** The steps of one write, and its draws in order. */
export interface Bundle {
  readonly steps: ReadonlyArray<Step>
  readonly draws: ReadonlyArray<PendingDraw>
}

type Sum = { -readonly [Field in keyof Posting]: Posting[Field] }

/** More identities of equal accounts than this are not remembered. */
const maxIdentities = 4_096

// Only the names are sent: an account may be part of something that a message cannot carry.
const named = ({ budget, scope, window }: Account): Account => ({ budget, scope, window })

export interface Outbox {
  readonly post: (posting: Posting) => void
  /** Ahead of everything else, draws included. */
  readonly postFirst: (posting: Posting) => void
  readonly draw: (draw: PendingDraw) => void
  readonly isEmpty: () => boolean
  /** Everything, as one bundle. */
  readonly take: () => Bundle
  /** The draws alone, which then will not be made. */
  readonly takeDraws: () => ReadonlyArray<PendingDraw>
}

export const make = (): Outbox => {
  let steps: Array<Step> = []
  let draws: Array<PendingDraw> = []
  // Of the postings behind the last draw. An account is found by identity, else by its names.
  let sums: Array<Sum> = []
  let byAccount = new Map<Account, Sum>()
  let byName = new Map<string, Sum>()

  const sumOf = (account: Account): Sum => {
    const { budget, scope, window } = account
    const name = `${budget.length}:${scope.length}:${budget}${scope}${window}`
    let sum = byName.get(name)
    if (sum === undefined) {
      sum = { account: named(account), settledNanoDollars: 0, bookedNanoDollars: 0 }
      byName.set(name, sum)
      sums.push(sum)
    }
    if (byAccount.size < maxIdentities) byAccount.set(account, sum)
    return sum
  }
  const seal = (): void => {
    if (sums.length === 0) return
    steps.push({ _tag: "Post", postings: sums })
    sums = []
    byAccount = new Map()
    byName = new Map()
  }

  return {
    post: ({ account, bookedNanoDollars, settledNanoDollars }) => {
      const sum = byAccount.get(account) ?? sumOf(account)
      sum.settledNanoDollars += settledNanoDollars
      sum.bookedNanoDollars += bookedNanoDollars
    },
    postFirst: (posting) => void steps.unshift({ _tag: "Post", postings: [posting] }),
    draw: (draw) => {
      seal()
      const wants = draw.wants.map(({ account, ...want }) => ({ ...want, account: named(account) }))
      steps.push({ _tag: "Draw", wants })
      draws.push(draw)
    },
    isEmpty: () => steps.length === 0 && sums.length === 0,
    take: () => {
      seal()
      const bundle = { steps, draws }
      steps = []
      draws = []
      return bundle
    },
    takeDraws: () => {
      const taken = draws
      steps = steps.filter(({ _tag }) => _tag === "Post")
      draws = []
      return taken
    }
  }
}
