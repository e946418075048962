/**
 * What `escalate` can ask of an answer: the facts of an answer that has come whole, typed like those of requests (`Facts.ts`) and read by the same conditions.
 *
 * They are few on purpose: what every dialect can say of every answer, and nothing that needs a second model to judge. Runs once an answer that may be escalated.
 */
import type { AnswerFacts } from "./Attempt.ts"
import type { Vocabulary } from "./Condition.ts"
import type { StopReason } from "./Conversation.ts"
import type { Facts, FactType, FactValue } from "./Facts.ts"

/** Whether a reason for stopping is a refusal, by the model or by a filter of its provider. */
const reasons: Readonly<Record<StopReason, boolean>> = {
  end: false,
  "stop-sequence": false,
  "max-tokens": false,
  "tool-calls": false,
  "content-filter": true,
  refusal: true,
  paused: false,
  "context-window": false,
  unknown: false
}

/** Every reason for which an answer ends. */
export const stopReasons = Object.keys(reasons) as ReadonlyArray<StopReason>

/** Whether answers that end for this reason are refusals. */
export const isRefusal = (stop: StopReason): boolean => reasons[stop]

interface Fact extends FactType {
  readonly read: (answer: AnswerFacts) => FactValue
}

const known: Readonly<Record<string, Fact>> = {
  "answer.stop": { type: "string", optional: false, read: ({ stop }) => stop },
  "answer.outputTokens": { type: "number", optional: true, read: ({ outputTokens }) => outputTokens },
  "answer.characters": { type: "number", optional: false, read: ({ characters }) => characters },
  "answer.toolCalls": { type: "number", optional: false, read: ({ toolCalls }) => toolCalls },
  "answer.refused": { type: "boolean", optional: false, read: ({ refused }) => refused },
  "answer.isJson": { type: "boolean", optional: false, read: ({ isJson }) => isJson }
}

const names = Object.keys(known)

/** What conditions of answers are typed against. */
export const answerVocabulary: Vocabulary = { names, typeOf: (name) => (Object.hasOwn(known, name) ? known[name] : undefined) }

/** The slot of a fact of answers. */
export const answerSlotOf = (name: string): number => names.indexOf(name)

export const factsOfAnswer = (answer: AnswerFacts): Facts => names.map((name) => known[name]!.read(answer))
