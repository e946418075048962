/**
 * What is changed of a request besides its model: what its policy sets, and what the gateway itself asks for. Runs once an attempt.
 */
import { longestAnswer } from "../Bound.ts"
import type { Call } from "../Call.ts"
import type { Conversation } from "../Conversation.ts"
import type { Settings } from "../Dialect.ts"
import type { Change } from "../JsonScan.ts"
import type { Target } from "../Target.ts"

const none: ReadonlyArray<never> = []

/** What the policy sets of a request to `target`; undefined where that is nothing. */
export const settingsOf = ({ ask, bounded }: Call, target: Target, forwards: boolean): Settings | undefined => {
  const { set } = target
  // What is reserved for an answer is as long as it may get; and a caller who asks for more than the policy's maximum gets that. INVARIANT: a bounded call is
  // not sent where no maximum is known, and none is sent that asks for more than the model itself can.
  const most = bounded || set?.maxOutputTokens !== undefined || (ask.maxOutputTokens() ?? 0) > (target.maxOutputTokens ?? Infinity)
  const maxOutputTokens = most ? longestAnswer(ask, target) : undefined
  if (set?.temperature === undefined && set?.reasoningEffort === undefined && maxOutputTokens === undefined) return undefined
  const maxTokensField = forwards ? target.habits.maxTokensField : undefined
  return { model: target.model, temperature: set?.temperature, reasoningEffort: set?.reasoningEffort, maxOutputTokens, maxTokensField }
}

/** The request for usage at the end of a stream, for a caller who did not make it. */
export const usageWish = ({ ask, incoming, parsed }: Call, { habits }: Target): ReadonlyArray<Change> => {
  const { dialect } = incoming.api
  if (!ask.stream || !habits.reportsStreamUsage || dialect.wantsUsage(parsed.json)) return none
  const wish = dialect.usageWish(parsed.json)
  return wish === undefined ? none : [wish]
}

/** The conversation that says what is set. A maximum that only the target demands stays the encoder's, which tells the caller. */
export const withSettings = (
  conversation: Conversation,
  { maxOutputTokens, reasoningEffort, temperature }: Settings,
  cap: number | undefined,
  changes: ReadonlyArray<Change>
): Conversation => ({
  ...conversation,
  ...(temperature === undefined ? {} : { sampling: { ...conversation.sampling, temperature } }),
  ...(reasoningEffort === undefined
    ? {}
    : {
        thinking: {
          _tag: "Effort",
          effort: reasoningEffort,
          ...(conversation.thinking?.show === undefined ? {} : { show: conversation.thinking.show })
        }
      }),
  ...(maxOutputTokens === undefined
    ? {}
    : {
        maxOutputTokens:
          conversation.maxOutputTokens === undefined ? maxOutputTokens : Math.min(conversation.maxOutputTokens, cap ?? Infinity)
      }),
  // What is replaced is not lost.
  extras: conversation.extras.filter(({ field }) => changes.every(({ key }) => key !== field))
})
