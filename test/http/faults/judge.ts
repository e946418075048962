/** What is wrong with what was measured: a sentence for everything that is not as the fault's entry says. */
import type { FailureClass } from "../../../src/Failure.ts"
import { text as wholeText } from "../../faults/dialects.ts"
import { type Fault, isStreamed, movesOn, toldOf, triesAgain } from "./faults.ts"
import { answerNanoDollars, type Measured, pairs, type Way } from "./measure.ts"

/** The waits of `measure.ts`'s backoff are anything up to these: full jitter, so that nothing but the provider's own wish is a minimum. */
const longestWaits = [40, 80] as const
/** A busy machine wakes late. */
const lateMillis = 1_500
/** A timer of whole milliseconds may fire within the last of them. */
const earlyMillis = 1

/** What the attempts come to, in order: a class, or undefined for the answer. */
const attemptsOf = (fault: Fault, streamed: boolean, way: Way): ReadonlyArray<FailureClass | undefined> => {
  const outcome = isStreamed(fault.outcome, streamed)
  if (outcome === undefined || (streamed && fault.late === true)) return [outcome]
  if (way === "first" && movesOn.has(outcome)) return [outcome, undefined]
  if (way === "retry" && triesAgain.has(outcome) && fault.tooLong !== true)
    return fault.heals === undefined ? [outcome, outcome, outcome] : [...Array.from({ length: fault.heals }, () => outcome), undefined]
  return [outcome]
}

/** The milliseconds from the end of each attempt to the beginning of the next. */
export const waitsOf = ({ line: { attempts = [] } }: Measured): ReadonlyArray<number> =>
  attempts.slice(1).map(({ started_ms }, at) => started_ms - attempts[at]!.ended_ms)

/** The milliseconds between the arrivals at the upstream, where it reads requests. */
export const gapsOf = ({ count }: Measured): ReadonlyArray<number> =>
  (count?.arrivals ?? []).slice(1).map((arrival, at) => arrival - count!.arrivals[at]!)

export const judge = (fault: Fault, streamed: boolean, pair: number, way: Way, measured: Measured): ReadonlyArray<string> => {
  const { count, line, seen } = measured
  const { attempts = [] } = line
  const wrong: Array<string> = []
  const where = `${fault.name}, ${streamed ? "streamed" : "whole"}, ${pairs[pair]!.join(" over ")}, ${way}`
  const expect = (what: string, actual: unknown, expected: unknown): void => {
    if (!Object.is(actual, expected)) wrong.push(`${where}: ${what} is ${String(actual)}, and not ${String(expected)}`)
  }
  const late = streamed && fault.late === true
  const most = attemptsOf(fault, streamed, way)
  const expected = fault.pauses === true && way === "retry" ? most.slice(0, Math.max(1, attempts.length)) : most
  const last = expected.at(-1)
  expect("the attempts", attempts.map(({ outcome }) => outcome).join(", "), expected.map((outcome) => outcome ?? "served").join(", "))

  // What the caller gets.
  if (last === undefined) {
    expect("the status", seen.status, 200)
    expect("the end", seen.end, "whole")
    expect("the text", seen.text, wholeText)
    expect("the ending", line.ending, "served")
    expect("the number of attempts that the head tells", seen.headers["x-turnout-attempts"], String(expected.length))
    expect("the error of the line", line.error, undefined)
  } else {
    const [status, code] = fault.told ?? toldOf[last as keyof typeof toldOf]
    expect("the status", seen.status, late ? 200 : status)
    expect("the code", seen.code, code)
    expect("the end", seen.end, "error")
    expect("the shape of the error", seen.isShapely, true)
    if (late) expect("whether it has begun to answer", seen.text !== "" && wholeText.startsWith(seen.text), true)
    else expect("the text", seen.text, "")
    expect("the ending", line.ending, "failed")
    expect("the status of the line", line.status, seen.status)
    expect("the error of the line", line.error, code)
    if (!late) {
      expect("`x-should-retry`", seen.headers["x-should-retry"], "false")
      if (fault.asksMillis !== undefined)
        expect("`retry-after`", seen.headers["retry-after"], String(Math.max(1, Math.ceil(fault.asksMillis / 1_000))))
    }
  }

  // What was billed: the answer by its usage, a failure not at all, or with all that was held for it.
  attempts.forEach((attempt, at) => {
    const told = `attempt ${at + 1}`
    if (expected[at] === undefined) {
      expect(`what ${told} cost`, attempt.nano_dollars, answerNanoDollars)
      expect(`whether the cost of ${told} is estimated`, attempt.estimated, undefined)
      return
    }
    const costs = fault.costs === "either" ? attempt.estimated === true : fault.costs
    expect(`what ${told} cost`, attempt.nano_dollars, costs ? attempt.reserved_nano_dollars : 0)
    expect(`whether the cost of ${told} is estimated`, attempt.estimated, costs ? true : undefined)
    expect(`whether something was held for ${told}`, (attempt.reserved_nano_dollars ?? 0) > 100 * 100_000, true)
    expect(`whether ${told} was committed`, attempt.committed === true, late)
  })

  // What the upstream got, and when.
  const bad = way === "first" ? 1 : expected.length
  if (count !== undefined) expect("what has come to the upstream", count.requests, bad)
  if (way === "retry" && attempts.length === expected.length) {
    const asked = fault.asksMillis ?? 0
    waitsOf(measured).forEach((wait, at) => {
      const [least, most] = [asked, Math.max(asked, longestWaits[at]!) + lateMillis]
      if (wait < least - earlyMillis || wait > most) wrong.push(`${where}: wait ${at + 1} took ${wait} ms, and not ${least} to ${most}`)
    })
    // The upstream has a clock of its own, and the time of the way.
    for (const gap of gapsOf(measured))
      if (gap < asked - earlyMillis - 1)
        wrong.push(`${where}: the upstream was asked again after ${gap} ms, and not after ${asked} or more`)
  }
  return wrong
}
