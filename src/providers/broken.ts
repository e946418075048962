/**
 * Answers that their provider ended with a word of its own for something that went wrong: what has come of them is told as unfinished, and where nothing has come they are no answers.
 */
import type { Part, StopReason } from "../Conversation.ts"
import type { Failure, FailureClass } from "../Failure.ts"

/** The reason that is told to callers of another dialect: what is broken is as little finished as a turn that was paused. */
export const toldOf = (stop: StopReason, broken: boolean | undefined): StopReason => (broken === true ? "paused" : stop)

/** Whether a part is of the thinking that comes before an answer. */
export const isThought = ({ _tag }: Part): boolean => _tag === "Reasoning" || _tag === "SealedReasoning"

/** Why an answer that ended with this word, and says nothing, is none. */
export const emptyAnswer = (reason: unknown, found: FailureClass = "malformed"): Failure => ({
  class: found,
  message: `the provider's answer is empty and ends with \`${String(reason).slice(0, 64)}\``
})
