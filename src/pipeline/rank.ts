/**
 * In which order `spread` would take its members, read off synchronous views in the moment at which a call enters it.
 *
 * What is worth trying comes first, whatever the spread goes by: those whose breaker lets calls through and that this call has not met yet; then those that have failed it,
 * or that another side of a hedge is busy with; then those whose breaker is open; last, those that a rule keeps out. So `retry` around a `spread` goes elsewhere while there is
 * an elsewhere, a hedge over one pool has two targets, and the share of a member that is down falls to all others rather than to its neighbour. Among equals:
 *
 * - `round-robin`: by turns. The cursor moves once for each call that enters, and is shared by whatever shares its state (a pool, wherever it is used).
 * - `least-busy`: the fewest attempts under way on the deployment, whoever has begun them; among equals by turns.
 * - `latency`: the lowest estimate of the time to the first token (`Health.ts`), which fades while nobody measures it, so that what was slow once is tried again. What has never
 *   been measured is tried first, by one call at a time.
 * - `cost`: the lowest price to be expected of this request: its bytes over four at the input rate, and the most that its caller will take (1,000 tokens where it does not say,
 *   within the target's own maximum) at the output rate of that tier, for each choice. What has no price comes last.
 *
 * Ties of the last two go to the author's order. Not here: drawing two and taking the better one, which needs a random source and pays off for hundreds of members.
 */
import type { Call } from "../Call.ts"
import type { SendPlan } from "../Compile.ts"
import type { Health } from "../Health.ts"
import { costOfTwo, ratesFor } from "../Money.ts"
import type { SpreadBy } from "../Policy.ts"
import type { Target } from "../Target.ts"

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

/** The order in which a call that enters now takes `members`, as their places. */
export const rankOver = (
  by: SpreadBy,
  members: ReadonlyArray<SendPlan>,
  cursor: Cursor,
  health: Health["Service"],
  now: () => number
): ((call: Call) => ReadonlyArray<number>) => {
  const byTurns = by === "round-robin" || by === "least-busy"
  const keyOf = (call: Call, target: Target, latencyMillis: number | null): number => {
    switch (by) {
      case "round-robin":
        return 0
      case "least-busy":
        return health.busy(target.identity)
      case "latency":
        return latencyMillis ?? (health.busy(target.identity) === 0 ? -1 : Infinity)
      case "cost":
        return expectedCost(call, target)
    }
  }
  return (call) => {
    const turn = cursor.turn++
    const at = now()
    const alike = [0, 0, 0, 0]
    const ranks = members.map((member, place) => {
      const { latencyMillis, up } = health.view(member.target.identity, at)
      const standing = isRuledOut(call, member) ? 3 : !up ? 2 : hasMet(call, member.target) ? 1 : 0
      return { place, standing, key: keyOf(call, member.target, latencyMillis), turn: alike[standing]!++ }
    })
    // Turns go around those that stand alike, so that one of them that is out leaves its share to all the others.
    if (byTurns)
      for (const rank of ranks) rank.turn = (rank.turn + alike[rank.standing]! - (turn % alike[rank.standing]!)) % alike[rank.standing]!
    return ranks.sort((a, b) => a.standing - b.standing || (a.key === b.key ? a.turn - b.turn : a.key - b.key)).map(({ place }) => place)
  }
}
