/**
 * What each call of a soak is: who asks what, how, and whether its caller leaves or reads slowly. All of it follows from the number of the call, so that the
 * generator that makes it and the account that judges it (`account.ts`) need not tell each other.
 */
import { createHash } from "node:crypto"
import type { DialectName } from "../../../src/Providers.ts"
import { murmur3 } from "../../../src/Murmur3.ts"
import { requestIn } from "../../../test/http/faults/callers.ts"

/** What callers ask for: each has a route of its own in `policy.ts`. */
export const models = ["first", "retry", "hedge", "spread", "escalate", "shadow", "whole", "outage", "alone"] as const
export type Model = (typeof models)[number]

/** Callers by the name of their key. `poor` has a budget that is soon spent, and `stranger` is nobody. */
export const callers = ["anna", "bert", "carl", "poor", "stranger"] as const
export type Caller = (typeof callers)[number]

export const secretOf = (name: string): string => `soak-${name}-0123456789`

export interface Planned {
  readonly caller: Caller
  readonly dialect: DialectName
  readonly model: Model
  readonly stream: boolean
  /** After how many milliseconds the caller hangs up. */
  readonly leavesAfter: number | undefined
  /** For how many milliseconds the caller reads nothing, once the answer has begun. */
  readonly restsFor: number | undefined
}

const dialects: ReadonlyArray<DialectName> = [
  "chat.completions",
  "messages",
  "chat.completions",
  "responses",
  "messages",
  "generateContent"
]

/** A number for a call, in [0, 1), that has nothing to do with that of another salt. */
export const shareOf = (number: number, salt: number): number => murmur3(`${number} ${salt}`) / 2 ** 32

const oneOf = <A>(all: ReadonlyArray<A>, share: number): A => all[Math.floor(share * all.length)]!

const callerOf = (share: number): Caller =>
  share < 0.005 ? "stranger" : share < 0.04 ? "poor" : oneOf(callers.slice(0, 3), (share * 100) % 1)

export const planOf = (n: number): Planned => ({
  caller: callerOf(shareOf(n, 1)),
  dialect: oneOf(dialects, shareOf(n, 2)),
  model: oneOf(models, shareOf(n, 3)),
  stream: shareOf(n, 4) < 0.6,
  leavesAfter: shareOf(n, 5) < 0.02 ? Math.floor(shareOf(n, 6) * 150) : undefined,
  restsFor: isLong(n) || shareOf(n, 7) < 0.005 ? 200 + Math.floor(shareOf(n, 8) * 600) : undefined
})

/** Whether the answer is longer than what the sockets on its way hold, so that a slow reader is felt by whoever hands it on. */
const isLong = (n: number): boolean => shareOf(n, 9) < 0.002

/** Of how many words a good answer to a call is. They differ, so that one that reaches the wrong caller is seldom taken for his. */
export const wordsOf = (n: number): number => (isLong(n) ? 4_000 : 3 + Math.floor(shareOf(n, 10) * 40))

/** The id of a call, which is also in its question: so it reaches the upstream, whatever dialect it is put into. */
export const idOf = (n: number): string => `soak-${n}`

/** The text of an answer, or what stands for it where it is long. */
export const digestOf = (text: string): string => (text.length <= 200 ? text : createHash("sha256").update(text).digest("hex"))

const question = "Which way?"

export const requestOf = (n: number, { dialect, model, stream }: Planned): { readonly path: string; readonly body: string } => {
  const { body, path } = requestIn(dialect, model, stream)
  return { path, body: body.replace(question, `${question} (${idOf(n)})`) }
}
