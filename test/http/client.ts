/** What tests do with the official client: read a stream to its end, join its words, catch what it raises. */
import { assert } from "@effect/vitest"
import { APIError, type OpenAI } from "openai"

export const collect = async <A>(items: AsyncIterable<A>): Promise<Array<A>> => {
  const all: Array<A> = []
  for await (const item of items) all.push(item)
  return all
}

export const wordsOf = (chunks: ReadonlyArray<OpenAI.ChatCompletionChunk>): string =>
  chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")

/** What the client raises. */
export const raised = async (promise: Promise<unknown>): Promise<APIError> => {
  try {
    await promise
  } catch (error) {
    assert.instanceOf(error, APIError)
    return error
  }
  return assert.fail("expected an error")
}
