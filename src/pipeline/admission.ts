/**
 * What lets an attempt through: the breaker of its deployment under its credential, and that of the credential itself, which both have a say, and are both told what came of it.
 */
import type { Outcome } from "../Attempt.ts"
import type { Underway } from "../Call.ts"
import type { Health, Shut, Ticket, Verdict } from "../Health.ts"
import type { Account, Target } from "../Target.ts"

/** What an attempt was let through with. */
export interface Admission {
  readonly account: Account
  readonly ticket: Ticket
  readonly credentialTicket: Ticket
}

/** All times are monotonic milliseconds. */
export interface Admissions {
  /** Undefined where a breaker keeps the credential out. What is given must be told of, or given back. */
  readonly admit: (account: Account, at: number) => Admission | undefined
  /** Lets a probe through where nothing else is left. */
  readonly force: (account: Account, at: number) => Admission
  /** Gives back what an attempt was let through with that is not made. */
  readonly giveBack: (admission: Admission, at: number) => void
  /** Says that what an attempt tests works, as soon as its answer has begun. */
  readonly vouch: (underway: Underway, at: number) => void
  /** Tells what an attempt says of its deployment under its credential, and of the credential. */
  readonly tell: (underway: Underway, outcome: Outcome, verdict: Verdict, at: number) => void
  /** Why a credential would be kept out. */
  readonly shut: (account: Account, at: number) => Shut | undefined
  /** The credential of a target that may be tried soonest, and what it waits for. */
  readonly soonest: (target: Target, at: number) => { readonly account: Account; readonly shut: Shut | undefined }
}

export const admissionsOver = (health: Health["Service"]): Admissions => {
  const shut = ({ credential, identity }: Account, at: number): Shut | undefined => {
    const [deployment, own] = [health.shut(identity, at), health.shut(credential, at)]
    if (deployment === undefined || own === undefined) return deployment ?? own
    // What either asks for is asked for, however long the other keeps it out.
    const { forMillis } = own.forMillis > deployment.forMillis ? own : deployment
    return { forMillis, asked: own.asked || deployment.asked, dead: own.dead || deployment.dead }
  }
  return {
    admit: (account, at) => {
      const ticket = health.admits(account.identity, at)
      if (ticket === undefined) return undefined
      const credentialTicket = health.admits(account.credential, at)
      if (credentialTicket !== undefined) return { account, ticket, credentialTicket }
      health.report(account.identity, "neutral", at, ticket)
      return undefined
    },
    force: (account, at) => ({
      account,
      ticket: health.force(account.identity, at),
      credentialTicket: health.force(account.credential, at)
    }),
    giveBack: ({ account, credentialTicket, ticket }, at) => {
      health.report(account.identity, "neutral", at, ticket)
      health.report(account.credential, "neutral", at, credentialTicket)
    },
    vouch: ({ account, credentialTicket, ticket }, at) => {
      if (ticket.tests) health.report(account.identity, "good", at, ticket)
      if (credentialTicket.tests) health.report(account.credential, "good", at, credentialTicket)
    },
    tell: ({ account, credentialTicket, ticket }, { failure, pauseMillis, status }, verdict, at) => {
      health.report(account.identity, verdict, at, ticket)
      // Only a limit is a promise to refuse until then: a page with an error on it may name any time.
      const pause = Math.max(pauseMillis ?? 0, failure?.class === "rate-limited" ? (failure.retryAfterMillis ?? 0) : 0)
      if (pause > 0) health.pause(account.identity, pause, at)
      if (failure?.endsCredential === true) health.condemn(account.credential, at, credentialTicket)
      // A provider that has answered anything else knows the credential.
      else if (credentialTicket.tests) health.report(account.credential, status === undefined ? "neutral" : "good", at, credentialTicket)
    },
    shut,
    soonest: ({ accounts }, at) => {
      let account = accounts[0]
      let first = shut(account, at)
      for (const other of accounts) {
        const found = shut(other, at)
        if (first !== undefined && (found === undefined || found.forMillis < first.forMillis)) [account, first] = [other, found]
      }
      return { account, shut: first }
    }
  }
}
