/**
 * In which order `spread` would take its members, read off synchronous views in the moment at which a call enters it.
 *
 * What is worth trying comes first, whatever the spread goes by: those whose breaker lets calls through and that this call has not met yet; then those that have failed it,
 * that another side of a hedge is busy with, or that have as much under way as they take; then those whose breakers are open for every credential; last, those that a rule keeps
 * out. So `retry` around a `spread` goes elsewhere while there is an elsewhere, a hedge over one pool has two targets, and the share of a member that is down falls to all others rather than to its neighbour. Among equals:
 *
 * - `round-robin`: by turns. The cursor moves once for each call that enters, and is shared by whatever shares its state (a pool, wherever it is used).
 * - `least-busy`: the fewest tokens under way on the deployment, whoever has begun them; among equals by turns. Counting attempts instead made half of the first tokens of six
 *   members of our own later than 676 ms instead of 602, and one in a hundred later than 22 s instead of 11 (the runs of `health/gauges.ts`).
 * - `latency`: of two, drawn by a hash of the call's id and its turn, the one with the better score first, then all others by score. The score (`Health.ts`) is the estimate of the
 *   time to the first token, more where much is under way and where much fails. The estimate fades while nobody measures it, so that what was slow once is tried again. What has
 *   never been measured has the best score, for one call at a time.
 * - `cost`: the lowest price to be expected of this request: its bytes over four at the input rate, and the most that its caller will take (1,000 tokens where it does not say,
 *   within the target's own maximum) at the output rate of that tier, for each choice. What has no price comes last.
 *
 * Ties of the last two go to the author's order.
 */
import type { Call } from "../Call.ts"
import type { SendPlan } from "../Compile.ts"
import type { Health } from "../Health.ts"
import { costOfTwo, ratesFor } from "../Money.ts"
import { murmur3 } from "../Murmur3.ts"
import type { SpreadBy } from "../Policy.ts"
import type { Target } from "../Target.ts"
import { tokensOf } from "./settlement.ts"

/** Whose turn it is. */
export interface Cursor {
  turn: number
}

/** How many tokens an answer is taken to have where its caller does not say. */
const usualOutputTokens = 1_000

/** What `call` may be expected to cost at `target`, in nano-dollars; infinite where there is no price. */
export const expectedCost = ({ ask }: Pick<Call, "ask">, { maxOutputTokens, price }: Pick<Target, "maxOutputTokens" | "price">): number => {
  if (price === undefined) return Infinity
  const inputTokens = Math.ceil(ask.inputBytes() / 4)
  const most = ask.maxOutputTokens()
  const asked = most !== null && most > 0 && Number.isSafeInteger(most) ? most : usualOutputTokens
  const { input, output } = ratesFor(price, inputTokens)
  return costOfTwo(inputTokens, input, ask.choices() * Math.min(asked, maxOutputTokens ?? asked), output)
}

const isRuledOut = (call: Call, { slot }: SendPlan): boolean => slot !== -1 && call.decision.slots[slot]! > 0

/** Whether a call has failed on a deployment, or is busy with it. */
const hasMet = ({ attempts, underway }: Call, { identity }: Target): boolean =>
  attempts.some(({ failure, target }) => failure !== undefined && target.identity === identity) ||
  underway.some(({ target }) => target.identity === identity)

interface Rank {
  readonly place: number
  readonly standing: number
  readonly key: number
  turn: number
}

const better = (a: Rank, b: Rank): number => a.standing - b.standing || (a.key === b.key ? a.turn - b.turn : a.key - b.key)

/** Of `among` that are the best by standing two are drawn, and the better of them put first. `ranks` are in their order. */
const drawTwo = (ranks: Array<Rank>, among: number, { id }: Call, turn: number): void => {
  if (among < 3) return
  const hash = murmur3(id, turn)
  const one = hash % among
  const other = (one + 1 + (Math.floor(hash / among) % (among - 1))) % among
  const at = Math.min(one, other)
  const drawn = ranks[at]!
  ranks.copyWithin(1, 0, at)
  ranks[0] = drawn
}

/** The order in which a call that enters now takes `members`, as their places. */
export const rankOver = (
  by: SpreadBy,
  members: ReadonlyArray<SendPlan>,
  cursor: Cursor,
  health: Health["Service"],
  now: () => number,
  isFull: (target: Target) => boolean
): ((call: Call) => ReadonlyArray<number>) => {
  const byTurns = by === "round-robin" || by === "least-busy"
  const keyOf = (call: Call, target: Target, tokens: number, at: number): number => {
    switch (by) {
      case "round-robin":
        return 0
      case "least-busy":
        return health.load(target.identity)
      case "latency":
        return health.score(target.identity, tokens, at)
      case "cost":
        return expectedCost(call, target)
    }
  }
  return (call) => {
    const turn = cursor.turn++
    const at = now()
    const tokens = tokensOf(call)
    const alike = [0, 0, 0, 0]
    const ranks = members.map((member, place): Rank => {
      const { target } = member
      const standing = isRuledOut(call, member) ? 3 : !health.isUp(target, at) ? 2 : hasMet(call, target) || isFull(target) ? 1 : 0
      return { place, standing, key: keyOf(call, target, tokens, at), turn: alike[standing]!++ }
    })
    // Turns go around those that stand alike, so that one of them that is out leaves its share to all the others.
    if (byTurns)
      for (const rank of ranks) rank.turn = (rank.turn + alike[rank.standing]! - (turn % alike[rank.standing]!)) % alike[rank.standing]!
    ranks.sort(better)
    if (by === "latency") drawTwo(ranks, alike[ranks[0]!.standing]!, call, turn)
    return ranks.map(({ place }) => place)
  }
}
