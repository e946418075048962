/**
 * How many attempts a strategy comes to, at most and at least, and how long it takes where every attempt stalls.
 *
 * An attempt stalls where nothing comes: it fails when its headers are due, or at a deadline around it. One that trickles for ever is another matter, and has no bound but `total`.
 */
import { recoverableByDefault, retriedByDefault } from "../Failure.ts"
import type { Limits } from "../Limits.ts"
import { type Policy, type Strategy, toMillis } from "../Policy.ts"

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((a, b) => a + b, 0)

/** How many credentials a target can be reached with: so many attempts it comes to at most, one after the other. */
export const credentialsOf = ({ providers, targets }: Pick<Policy, "providers" | "targets">, target: string): number => {
  const provider = Object.hasOwn(targets, target) ? targets[target]!.provider : ""
  return Object.hasOwn(providers, provider) ? (providers[provider]!.keys?.length ?? 1) : 1
}

/** How many credentials whatever a caller names can be reached with. */
const credentialsOfAny = (policy: Policy): number =>
  Math.max(
    1,
    ...Object.keys(policy.targets).map((target) => credentialsOf(policy, target)),
    ...Object.values(policy.providers).map(({ keys, open }) => (open ? (keys?.length ?? 1) : 1))
  )

/** How many attempts a strategy makes where nothing is rejected: at most, or before what comes after it is tried. */
const attemptsOf = (strategy: Strategy, most: Policy | undefined): number => {
  const inner = (part: Strategy): number => attemptsOf(part, most)
  const one = (parts: ReadonlyArray<Strategy>): number => (most === undefined ? Math.min : Math.max)(...parts.map(inner))
  switch (strategy._tag) {
    case "Send":
      return most === undefined ? 1 : credentialsOf(most, strategy.target)
    case "Asked":
      return most === undefined ? 1 : credentialsOfAny(most)
    case "Spread":
      return one(strategy.of)
    case "Pool":
      return most !== undefined && Object.hasOwn(most.pools, strategy.pool) ? one(most.pools[strategy.pool]!.of) : 1
    case "Deny":
      return 0
    case "First":
      return sum(strategy.of.map(inner))
    case "Hedge":
      return inner(strategy.of) + (most === undefined ? 0 : inner(strategy.with))
    // A copy is a call of its own.
    case "Shadow":
      return inner(strategy.of)
    case "Escalate":
      return inner(strategy.of) + inner(strategy.to)
    case "Split":
      return one(strategy.arms.map((arm) => arm.to))
    case "When":
      return one([strategy.then, strategy.otherwise])
    case "Within":
      return inner(strategy.of)
    case "Retry":
      return (most === undefined ? 1 : strategy.attempts) * inner(strategy.of)
  }
}

/** Over every failover, retry, hedge and credential; without the limit of the call. */
export const mostAttempts = (policy: Policy, strategy: Strategy): number => attemptsOf(strategy, policy)

/** Before what comes after it is tried, where nothing is rejected. */
export const fewestAttempts = (strategy: Strategy): number => attemptsOf(strategy, undefined)

/** Whether a failover tries the next after one that has taken too long. */
export const movesOnAfterTimeout = ({ on }: Extract<Strategy, { readonly _tag: "First" }>): boolean =>
  (on ?? recoverableByDefault).includes("timeout")

/** How long a strategy takes to fail where every attempt stalls, and whether its author has said so. */
export interface Stall {
  readonly millis: number
  readonly written: boolean
}

export const stallOf = (strategy: Strategy, limits: Limits): Stall => {
  const slowest = (parts: ReadonlyArray<Strategy>): Stall =>
    parts.map((part) => stallOf(part, limits)).reduce((a, b) => (b.millis > a.millis ? b : a))
  switch (strategy._tag) {
    case "Send":
    case "Asked":
    case "Spread":
    case "Pool":
      return { millis: Math.min(limits.headersMillis, limits.totalMillis), written: false }
    case "Deny":
      return { millis: 0, written: true }
    case "Within": {
      const inner = stallOf(strategy.of, limits)
      const millis = toMillis(strategy.duration)
      return millis <= inner.millis ? { millis, written: true } : inner
    }
    case "First": {
      const parts = movesOnAfterTimeout(strategy) ? strategy.of : strategy.of.slice(0, 1)
      const stalls = parts.map((part) => stallOf(part, limits))
      return { millis: stalls.reduce((sum, { millis }) => sum + millis, 0), written: stalls.every(({ written }) => written) }
    }
    case "Shadow":
      return stallOf(strategy.of, limits)
    case "Escalate": {
      const stalls = [stallOf(strategy.of, limits), stallOf(strategy.to, limits)] as const
      return { millis: stalls[0].millis + stalls[1].millis, written: stalls[0].written && stalls[1].written }
    }
    case "Split":
      return slowest(strategy.arms.map((arm) => arm.to))
    case "When":
      return slowest([strategy.then, strategy.otherwise])
    case "Hedge": {
      const [one, other] = [stallOf(strategy.of, limits), stallOf(strategy.with, limits)]
      const late = { ...other, millis: toMillis(strategy.after) + other.millis }
      return late.millis > one.millis ? late : one
    }
    case "Retry": {
      const inner = stallOf(strategy.of, limits)
      const tries = (strategy.on ?? retriedByDefault).includes("timeout") ? strategy.attempts : 1
      const [first, longest] = [toMillis(strategy.backoff.first), toMillis(strategy.backoff.longest)]
      let waits = 0
      for (let i = 0; i + 1 < tries; i++) waits += Math.min(longest, first * 2 ** i)
      return { ...inner, millis: tries * inner.millis + waits }
    }
  }
}
