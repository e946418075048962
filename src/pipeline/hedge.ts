/**
 * `hedge(a, { after, with: b })`: two strategies of which the first to commit is the answer, before anything has reached the caller.
 *
 * `a` starts. If it has neither committed nor settled after `after`, `b` starts beside it; if it has failed by then in a class that is recoverable, or was rejected, `b`
 * starts at once. Who commits first is asked once (`claim`), in the moment before the first byte leaves, and stops the other there and then; an answer that comes whole
 * commits when it is whole. But for time and for who wins, a hedge comes to what `first(a, b)` would: a denial of `a`, and a failure of it that no other target would
 * mend, is the answer, and `b` is stopped; what `b` comes to never stops `a`, and is the answer only where `a` has failed.
 *
 * What is stopped is interrupted and settled as estimated, as `cancelled`, which says nothing of its deployment. Each side is a fibre, so that a strategy of any kind can be one;
 * both have ended before the hedge has, however it ends: by an answer, by a defect, or because its own surroundings are given up, a hedge around it among them.
 *
 * Roads not taken: `Effect.race` knows who ends first, not who commits first, and would cut an answer short; committing and stopping the loser only once the winner has
 * ended, which pays for two answers.
 */
import type * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Call, Settled, Side, Why } from "../Call.ts"
import { type Failure, type FailureClass, recoverableByDefault } from "../Failure.ts"
import type { Lane, Step } from "./lane.ts"

export interface HedgeServices {
  readonly clock: Clock.Clock
  /** Monotonic milliseconds. */
  readonly now: () => number
  /** Ends what is under way on one side. */
  readonly abandon: (call: Call, failure: Failure, side: Side) => void
}

interface Runner {
  readonly lane: Lane
  readonly side: Side
  begun: boolean
  fiber: Fiber.Fiber<Settled> | undefined
  /** It may neither begin nor claim any more. */
  stopped: boolean
  ended: boolean
  settled: Settled | undefined
}

const lost: Failure = { class: "cancelled", message: "the other side of its hedge has decided the answer" }

const recoverable: ReadonlySet<FailureClass> = new Set(recoverableByDefault)

const hasAnswered = (settled: Settled): boolean => settled._tag === "Attempted" && (settled.failure === undefined || settled.committed)

/** Whether the other side may still be the answer where this is what the first has come to. */
const passesOn = (settled: Settled): boolean =>
  settled._tag === "Rejected" || (settled._tag === "Attempted" && !hasAnswered(settled) && recoverable.has(settled.failure!.class))

/** What both come to where neither has answered and the first passes on. */
const together = (one: Settled, two: Settled): Settled => (two._tag === "Rejected" ? one : two)

const isStill = ({ begun, ended }: Runner): boolean => !begun || ended

/** Links a hedge. */
export const hedge =
  ({ abandon, clock, now }: HedgeServices, a: Step, afterMillis: number, b: Step): Step =>
  (call, lane) =>
    Effect.withFiber(({ context }) =>
      Effect.callback<Settled>((resume) => {
        const fork = Effect.runForkWith(context)
        let winner: Runner | undefined
        let died: Cause.Cause<never> | undefined
        /** The hedge has come to something, or is given up. */
        let over = false
        let timer: Fiber.Fiber<void> | undefined

        const stop = (runner: Runner): void => {
          runner.stopped = true
          runner.fiber?.interruptUnsafe()
        }
        const runner = (rival: () => Runner, why: Why): Runner => {
          const side: Side = { outer: lane.side }
          const self: Runner = {
            lane: {
              ...lane,
              why,
              side,
              claim: () => {
                if (winner !== undefined || self.stopped) return winner === self
                // The hedges around this one have a say too, and are not asked by one that has lost here.
                if (lane.claim?.() === false) return false
                winner = self
                stop(rival())
                return true
              }
            },
            side,
            begun: false,
            fiber: undefined,
            stopped: false,
            ended: false,
            settled: undefined
          }
          return self
        }
        const one: Runner = runner(() => two, lane.why)
        const two: Runner = runner(() => one, "hedge")

        const start = (self: Runner, step: Step): void => {
          if (self.begun || self.stopped || over) return
          self.begun = true
          self.fiber = fork(Effect.suspend(() => step(call, self.lane)))
          self.fiber.addObserver((exit) => {
            self.ended = true
            if (Exit.isSuccess(exit)) {
              self.settled = exit.value
              // A layer that commits without asking has won all the same.
              if (hasAnswered(exit.value)) self.lane.claim!()
            } else if (over) {
              // Whoever has given up the hedge ends what it held.
              return
            } else if (self.stopped) abandon(call, lost, self.side)
            else died ??= exit.cause
            decide()
          })
        }
        const finish = (exit: Exit.Exit<Settled>): void => {
          over = true
          timer?.interruptUnsafe()
          resume(exit)
        }
        const decide = (): void => {
          if (over) return
          const first = one.settled
          const decided = died !== undefined || winner !== undefined || (first !== undefined && !passesOn(first))
          if (!decided) {
            if (first !== undefined) start(two, b)
            if (over || first === undefined || two.settled === undefined) return
            return finish(Exit.succeed(together(first, two.settled)))
          }
          if (winner === undefined) {
            stop(one)
            stop(two)
          }
          if (over || !isStill(one) || !isStill(two)) return
          finish(died === undefined ? Exit.succeed((winner?.settled ?? first)!) : Exit.failCause(died))
        }

        start(one, a)
        // What could not begin before the deadline need not be woken for.
        if (!over && !two.begun && !two.stopped && now() + afterMillis < lane.commitBy) {
          timer = fork(
            Effect.andThen(
              clock.sleep(Duration.millis(afterMillis)),
              Effect.sync(() => start(two, b))
            )
          )
        }
        return Effect.suspend(() => {
          over = true
          return Fiber.interruptAll([timer, one.fiber, two.fiber].filter((fiber) => fiber !== undefined))
        })
      })
    )
