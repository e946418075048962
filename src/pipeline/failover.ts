/**
 * When a strategy goes on after a failure, and where what comes next runs: what `first` and `escalate` share.
 */
import type { Attempted, Call, Why } from "../Call.ts"
import type { FailureClass } from "../Failure.ts"
import { because, type Lane } from "./lane.ts"

/** The largest known window that a call has been found too long for: it does not get shorter on its way. */
const windowExceeded = ({ attempts }: Call): number | undefined => {
  let largest: number | undefined
  for (const { failure, target } of attempts)
    if (failure?.class === "context-length" && target.capabilities.contextWindow !== undefined)
      largest = Math.max(largest ?? 0, target.capabilities.contextWindow)
  return largest
}

/** `lane` for what comes next; with `roomier` only for targets with a larger window than has been found too small. */
export const onwards = (call: Call, lane: Lane, roomier: boolean, why: Why): Lane => {
  const room = roomier ? windowExceeded(call) : undefined
  return room === undefined ? because(lane, why) : { ...lane, why, roomierThan: Math.max(room, lane.roomierThan ?? 0) }
}

/** Whether another target may mend what an attempt has failed of. */
export const goesOn = ({ failure, target }: Attempted, on: ReadonlySet<FailureClass>, roomier: boolean): boolean =>
  failure !== undefined &&
  (on.has(failure.class) || (roomier && failure.class === "context-length" && target.capabilities.contextWindow !== undefined))
