/**
 * Counting what a Responses request takes in, without an answer to it.
 *
 * Source: developers.openai.com, "Get input token counts" (`POST /responses/input_tokens`).
 */
import * as Result from "effect/Result"
import type { Conversation } from "../../Conversation.ts"
import type { CountingDialect } from "../../Dialect.ts"
import { malformed } from "../failures.ts"
import { field } from "../json.ts"
import { encodeRequest } from "./request.ts"

/** What the endpoint reads; it refuses other fields. */
const counted = new Set(
  "conversation input instructions model parallel_tool_calls personality previous_response_id reasoning text tool_choice tools truncation".split(
    " "
  )
)

/** What is said to the model, without what only steers its answer. */
const saidIn = ({ maxOutputTokens: _most, metadata: _metadata, userId: _user, ...said }: Conversation): Conversation => ({
  ...said,
  sampling: {},
  answers: 1,
  stream: false,
  extras: said.extras.filter(({ field }) => counted.has(/^\w*/.exec(field)![0]))
})

/** Counting tokens with Responses. */
export const counting: CountingDialect = {
  path: () => "/responses/input_tokens",
  encodeRequest: (conversation, target) => {
    const { body, losses } = encodeRequest(saidIn(conversation), target)
    return { body: Object.fromEntries(Object.entries(body).filter(([name]) => counted.has(name))), losses }
  },
  decodeAnswer: (body) => {
    const tokens = field(body, "input_tokens")
    return typeof tokens === "number" && Number.isSafeInteger(tokens) && tokens >= 0
      ? Result.succeed(tokens)
      : Result.fail(malformed("expected `input_tokens` in the provider's count"))
  }
}
