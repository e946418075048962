/**
 * What a Messages caller reads, by the format's own rules: the grammar of a stream, and the message that it adds up to. Knows nothing of the code under test.
 */
import { assert } from "@effect/vitest"
import type { SseEvent } from "../../src/Dialect.ts"

export type Any = any

/** The message that a stream adds up to, as the documentation and the official clients add it. Fails where the order of events is not the documented one. */
export const accumulated = (events: ReadonlyArray<SseEvent>, what: string): Any => {
  let message: Any
  let open = -1
  let input = ""
  let ended = false
  let stopped = false
  for (const { data, event } of events) {
    const said = JSON.parse(data) as Any
    assert.isTrue(event === "" || event === said.type, `${what}: the event's name is its type`)
    if (said.type === "ping") continue
    assert.isFalse(stopped, `${what}: nothing follows message_stop`)
    if (said.type === "message_start") {
      assert.isUndefined(message, `${what}: one message_start`)
      message = said.message
      continue
    }
    assert.isDefined(message, `${what}: message_start is first`)
    const block = message.content[open]
    switch (said.type) {
      case "content_block_start":
        assert.isFalse(ended, `${what}: no block after message_delta`)
        assert.strictEqual(open, -1, `${what}: one block at a time`)
        assert.strictEqual(said.index, message.content.length, `${what}: indexes are consecutive`)
        message.content.push(said.content_block)
        open = said.index
        input = ""
        break
      case "content_block_delta": {
        assert.strictEqual(said.index, open, `${what}: a delta is of the open block`)
        const { delta } = said
        switch (delta.type) {
          case "text_delta":
            assert.strictEqual(block.type, "text", what)
            block.text += delta.text
            break
          case "citations_delta":
            assert.strictEqual(block.type, "text", what)
            block.citations = [...(block.citations ?? []), delta.citation]
            break
          case "thinking_delta":
            assert.strictEqual(block.type, "thinking", what)
            block.thinking += delta.thinking
            break
          case "signature_delta":
            assert.strictEqual(block.type, "thinking", what)
            block.signature = delta.signature
            break
          case "input_json_delta":
            assert.property(block, "input", what)
            input += delta.partial_json
            break
          case "compaction_delta":
            assert.strictEqual(block.type, "compaction", what)
            Object.assign(block, { ...delta, type: block.type })
            break
          default:
            assert.fail(`${what}: ${delta.type}`)
        }
        break
      }
      case "content_block_stop":
        assert.strictEqual(said.index, open, `${what}: the open block ends`)
        if (input !== "") block.input = JSON.parse(input)
        open = -1
        break
      case "message_delta": {
        assert.strictEqual(open, -1, `${what}: no block is open at the end`)
        assert.isFalse(ended, `${what}: one message_delta`)
        ended = true
        const { delta, type: _, usage, ...beside } = said
        Object.assign(message, present(delta), present(beside))
        assert.isNumber(usage.output_tokens, what)
        message.usage = { ...message.usage, ...present(usage) }
        break
      }
      case "message_stop":
        assert.strictEqual(open, -1, `${what}: no block is open at the end`)
        stopped = true
        break
      default:
        assert.fail(`${what}: ${said.type}`)
    }
  }
  assert.isTrue(stopped, `${what}: message_stop is last`)
  return message
}

const present = (value: object): object => Object.fromEntries(Object.entries(value).filter(([, one]) => one !== null))

const withoutNulls = (value: Any): Any =>
  Array.isArray(value)
    ? value.map(withoutNulls)
    : typeof value === "object" && value !== null
      ? Object.fromEntries(
          Object.entries(value)
            .filter(([, one]) => one !== null)
            .map(([key, one]) => [key, withoutNulls(one)])
        )
      : value

/** A message as the documentation means it: null is absence, and no count of cached tokens is none. */
export const meaning = (message: Any): Any => {
  const plain = withoutNulls(message)
  return plain.usage === undefined
    ? plain
    : { ...plain, usage: { cache_creation_input_tokens: 0, cache_read_input_tokens: 0, ...plain.usage } }
}
