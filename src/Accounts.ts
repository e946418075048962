/**
 * In which order a call takes the credentials of a target: by weight, drawn without replacement (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
 *
 * By a hash of the call's id and the target's name instead of a random number, so that a call takes the same when it is replayed and `explain` can say which. Asked once for each
 * target of a call that has several.
 */
import { murmur3 } from "./Murmur3.ts"
import type { Account, Target } from "./Target.ts"

/** Every credential waits for a time that is exponential in its weight; the soonest comes first. */
export const accountsInTurn = (id: string, { accounts, name }: Pick<Target, "accounts" | "name">): ReadonlyArray<Account> =>
  accounts
    .map((account, i) => ({ account, due: -Math.log((murmur3(`${id} ${name}`, i) + 1) / (2 ** 32 + 1)) / account.weight }))
    .sort((a, b) => a.due - b.due)
    .map(({ account }) => account)
