/**
 * Capacities that do not mean what they say: a queue that nobody waits in, a wait without a queue, a wait that a deadline of every call always ends first, and one deployment under two names of which
 * each says something else.
 */
import type { Found } from "../Check.ts"
import { valueAt } from "../Finding.ts"
import { limitsOf } from "../Limits.ts"
import { type Policy, toMillis } from "../Policy.ts"
import { makeTargets } from "../Target.ts"
import { isSound } from "./sound.ts"

export const checkCapacity = (policy: Policy, json: unknown, found: Found): void => {
  /** The longest that any call may wait for an answer to begin. */
  const longest = Math.max(...policy.routes.map((route) => limitsOf(policy, route).effortMillis))
  for (const [name, { capacity }] of Object.entries(policy.targets)) {
    if (capacity === undefined) continue
    const path = ["targets", name, "capacity"]
    const { queued, wait } = capacity
    const waitMillis = toMillis(wait)
    if (queued > 0 && waitMillis === 0)
      found("warning", [...path, "wait"], "capacity-wait", "a queue in which nobody waits", "give it some time, or leave `queued` out")
    else if (queued === 0 && valueAt(json, [...path, "wait"]) !== undefined)
      found("warning", [...path, "wait"], "capacity-wait", "nobody waits where there is no queue", "say how many may wait: `queued`")
    else if (queued > 0 && waitMillis > longest)
      found(
        "warning",
        [...path, "wait"],
        "capacity-wait",
        `nobody waits for ${wait}: the \`effort\` of every route ends after ${longest / 1_000} s`,
        "make `wait` shorter, or the time of `effort` longer"
      )
  }

  const sound = Object.fromEntries(Object.entries(policy.targets).filter(([name]) => isSound(policy, name)))
  const first = new Map<string, string>()
  for (const { capacity, identity, name } of makeTargets({ ...policy, targets: sound }).values()) {
    const twin = first.get(identity)
    if (twin === undefined) {
      first.set(identity, name)
      continue
    }
    const other = policy.targets[twin]!.capacity
    if (capacity?.inFlight === other?.inFlight) continue
    found(
      "warning",
      ["targets", name],
      "capacity-differs",
      capacity === undefined || other === undefined
        ? `\`${name}\` and \`${twin}\` are one deployment: what goes to \`${capacity === undefined ? name : twin}\` does not count for the capacity of the other`
        : `\`${name}\` and \`${twin}\` are one deployment: the smaller of their capacities holds for both`,
      "say the same of both"
    )
  }
}
