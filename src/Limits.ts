/**
 * The limits of a route, its own over the policy's, in milliseconds and nano-dollars: when its answers count as begun, how long an attempt may take, and how much a
 * call may cost over all its attempts. `Infinity` is no limit. Runs at load.
 */
import { type Commit, type Policy, type Route, toMillis, toNanoDollars } from "./Policy.ts"

export interface Limits {
  readonly commit: Commit
  /** Whether what a target cannot be told keeps it out. */
  readonly strict: boolean
  readonly connectMillis: number
  readonly headersMillis: number
  readonly firstTokenMillis: number
  readonly idleMillis: number
  readonly totalMillis: number
  /** Over retries, failovers and hedges. */
  readonly attempts: number
  /** From the beginning of the call until an answer has begun. */
  readonly effortMillis: number
  /** What attempts have cost, and the most that the next can. */
  readonly effortNanoDollars: number
}

const millis = (limit: string): number => (limit === "none" ? Infinity : toMillis(limit))

export const limitsOf = (
  policy: Pick<Policy, "commit" | "translation" | "timeouts" | "effort">,
  route: Pick<Route, "commit" | "translation" | "timeouts" | "effort">
): Limits => {
  const timeouts = { ...policy.timeouts, ...route.timeouts }
  const { attempts, dollars, time } = { ...policy.effort, ...route.effort }
  return {
    commit: route.commit ?? policy.commit,
    strict: (route.translation ?? policy.translation) === "strict",
    connectMillis: millis(timeouts.connect),
    headersMillis: millis(timeouts.headers),
    firstTokenMillis: millis(timeouts.firstToken),
    idleMillis: millis(timeouts.idle),
    totalMillis: millis(timeouts.total),
    attempts,
    effortMillis: millis(time),
    effortNanoDollars: dollars === "none" ? Infinity : toNanoDollars(dollars)
  }
}
