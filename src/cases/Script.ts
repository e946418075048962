/**
 * Attempts that come out as a case says: each target fails in a class, or serves an answer like the one that is said, after the time that it is said to take.
 *
 * Beside this layer everything is as it is live. What an exchange would keep is kept here too: the deadline of the strategies around it, the limits of the route, and that
 * of the attempts of a hedge one alone answers. A wait takes virtual time.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { isRefusal } from "../AnswerFacts.ts"
import { type AnswerFacts, Attempt, type Outcome } from "../Attempt.ts"
import type { Call } from "../Call.ts"
import type { Failure, FailureClass } from "../Failure.ts"
import { toMillis } from "../Policy.ts"
import type { Target } from "../Target.ts"
import type { AnswersLike, Case, Ending } from "./Form.ts"

/** An attempt that has begun. */
export interface Sent {
  readonly target: Target
  /** Candidates of the call that had been rejected by then. */
  readonly rejectedBefore: number
  /** Milliseconds from the beginning of the call. */
  readonly startedMillis: number
}

/** Answered or given up by the provider, so that it costs nothing. */
const unbilled: ReadonlySet<FailureClass> = new Set<FailureClass>([
  "rate-limited",
  "quota-exhausted",
  "overloaded",
  "server-error",
  "connection",
  "context-length",
  "bad-request",
  "auth"
])

/** The longest time to the first content that the limits of a route allow. */
const allowedMillis = ({ ask, limits }: Call): number =>
  Math.min(limits.headersMillis, limits.totalMillis, ask.stream ? limits.firstTokenMillis : Infinity)

const endingOf = (fails: Case["fails"], target: string, nth: number): Ending => {
  const script = fails !== undefined && Object.hasOwn(fails, target) ? fails[target]! : "served"
  // INVARIANT: a list has an ending.
  return typeof script === "string" || "class" in script ? script : script[Math.min(nth, script.length - 1)]!
}

/** The script of one call; `onSend` is told of every attempt that begins. */
export const scripted = (
  { answers, fails, takes }: Pick<Case, "answers" | "fails" | "takes">,
  onSend: (sent: Sent) => void
): Layer.Layer<Attempt> =>
  Layer.effect(
    Attempt,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const now = (): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6
      const tries = new Map<string, number>()
      return Attempt.of({
        run: (call, target, { accepts, claim, commitBy }) =>
          Effect.suspend(() => {
            const startedAt = now()
            // What is sent to a copy is in the copy's own record.
            if (call.shadowOf === undefined)
              onSend({ target, rejectedBefore: call.rejections.length, startedMillis: startedAt - call.began })
            const nth = tries.get(target.name) ?? 0
            tries.set(target.name, nth + 1)
            const ending = endingOf(fails, target.name, nth)
            const takesMillis = takes !== undefined && Object.hasOwn(takes, target.name) ? toMillis(takes[target.name]!) : 0
            const until = Math.min(commitBy, startedAt + allowedMillis(call))
            const late = takesMillis > 0 && startedAt + takesMillis >= until
            const waits = late ? until - startedAt : takesMillis
            const outcome = Effect.sync((): Outcome => {
              const spec = late ? "timeout" : ending
              const like = answers !== undefined && Object.hasOwn(answers, target.name) ? answers[target.name]! : {}
              const failure = failureOf(spec, late) ?? (accepts?.(answerOf(call, like)) === false ? escalated : undefined)
              // What is held back until it is whole has not begun where it fails.
              const begins = failure === undefined || (accepts === undefined && typeof spec === "object" && spec.committed === true)
              if (begins && claim !== undefined && !claim())
                return ended({ class: "cancelled", message: "another attempt has begun to answer" }, false, true)
              if (begins) {
                call.incoming.reply.begin(200, [])
                call.incoming.reply.end()
              }
              const firstTokenAt = begins ? now() : undefined
              return {
                ...ended(failure, begins, failure !== undefined && !begins && unbilled.has(failure.class)),
                firstTokenAt,
                usage: failure === undefined || failure === escalated ? usageOf(call, like) : undefined
              }
            })
            return waits > 0 ? Effect.andThen(Effect.sleep(waits), outcome) : outcome
          })
      })
    })
  )

const failureOf = (ending: Ending, late: boolean): Failure | undefined => {
  if (ending === "served") return undefined
  const message = late ? "nothing had come by the deadline" : "as the case says"
  if (typeof ending === "string") return { class: ending, message }
  return { class: ending.class, message, ...(ending.retryAfter === undefined ? {} : { retryAfterMillis: toMillis(ending.retryAfter) }) }
}

const ended = (failure: Failure | undefined, committed: boolean, unbilled: boolean): Outcome => ({
  failure,
  committed,
  status: committed ? 200 : undefined,
  usage: undefined,
  firstTokenAt: undefined,
  losses: [],
  unbilled
})

const escalated: Failure = { class: "escalated", message: "its route asks for a better answer" }

/** A short answer to what was asked. */
const usageOf = ({ ask }: Call, { outputTokens }: AnswersLike): NonNullable<Outcome["usage"]> => ({
  inputTokens: Math.ceil(ask.inputBytes() / 4),
  cachedInputTokens: 0,
  cacheWriteInputTokens: 0,
  outputTokens: outputTokens ?? Math.min(20, Math.max(1, ask.maxOutputTokens() ?? 20)),
  reasoningTokens: 0
})

const answerOf = (call: Call, like: AnswersLike): AnswerFacts => {
  const { outputTokens } = usageOf(call, like)
  const { characters = outputTokens * 4, isJson = call.ask.needsStructuredOutput(), stop = "end", toolCalls = 0 } = like
  return { stop, outputTokens, characters, toolCalls, refused: like.refused ?? isRefusal(stop), isJson }
}
