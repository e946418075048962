/**
 * How many attempts a strategy comes to, at most and at least, and how long it takes where every attempt stalls.
 *
 * An attempt stalls where nothing comes: it fails when its headers are due, or at a deadline around it. One that trickles for ever is another matter, and has no bound but `total`.
 */
import { recoverableByDefault, retriedByDefault } from "../Failure.ts"
import type { Limits } from "../Limits.ts"
import { type Strategy, toMillis } from "../Policy.ts"

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((a, b) => a + b, 0)

/** How many attempts a strategy makes where nothing is rejected: at most, or before what comes after it is tried. */
const attemptsOf = (strategy: Strategy, most: boolean): number => {
  const inner = (part: Strategy): number => attemptsOf(part, most)
  const one = (parts: ReadonlyArray<Strategy>): number => (most ? Math.max : Math.min)(...parts.map(inner))
  switch (strategy._tag) {
    case "Send":
    case "Asked":
    case "Spread":
    case "Pool":
      return 1
    case "Deny":
      return 0
    case "First":
      return sum(strategy.of.map(inner))
    case "Hedge":
      return inner(strategy.of) + (most ? inner(strategy.with) : 0)
    case "Split":
      return one(strategy.arms.map((arm) => arm.to))
    case "When":
      return one([strategy.then, strategy.otherwise])
    case "Within":
      return inner(strategy.of)
    case "Retry":
      return (most ? strategy.attempts : 1) * inner(strategy.of)
  }
}

/** Over every failover, retry and hedge; without the limit of the call. */
export const mostAttempts = (strategy: Strategy): number => attemptsOf(strategy, true)

/** Before what comes after it is tried, where nothing is rejected. */
export const fewestAttempts = (strategy: Strategy): number => attemptsOf(strategy, false)

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
