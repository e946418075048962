/**
 * Recorded Responses requests: decoded and written again they say the same, with the original out of reach; and what routing reads of them bounds what the provider counted.
 *
 * Two bodies say the same when their JSON is equal after `plain`, which knows the API's documented defaults and nothing of the code under test.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { parseResponses } from "../../src/providers/responses/ask.ts"
import { decodeRequest } from "../../src/providers/responses/decode.ts"
import { encodeRequest } from "../../src/providers/responses/request.ts"
import { counting } from "../../src/providers/responses/counting.ts"
import { present, recorded } from "./recorded.ts"

type Any = any

const files = ["openai-responses", "azure-openai-responses", "compat-openai-responses"]

/** Without nulls, which are absence. */
const bare = (value: Any): Any => {
  if (Array.isArray(value)) return value.map(bare)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== null)
      .map(([key, inner]) => [key, bare(inner)])
  )
}

/** The defaults: no stream, no tools, and whatever has a schema is strict. */
const plain = (body: Any): Any => {
  const { stream, tools, ...rest } = bare(body)
  const format = rest.text?.format
  return {
    ...rest,
    ...(stream === true ? { stream } : {}),
    ...(Array.isArray(tools) && tools.length > 0
      ? { tools: tools.map((tool: Any) => (tool.type === "function" ? { strict: true, ...tool } : tool)) }
      : {}),
    ...(format?.type === "json_schema" ? { text: { ...rest.text, format: { strict: true, ...format } } } : {})
  }
}

const copy = (value: Any): Any => JSON.parse(JSON.stringify(value))

const again = (body: Any) => {
  // The encoder gets a conversation that has been printed and read again: nothing can be hidden in it.
  const said = copy(Result.getOrThrow(decodeRequest(copy(body))))
  return encodeRequest(said, { model: body.model })
}

describe.runIf(present(...files, "openai-input-tokens"))("recorded requests", () => {
  for (const file of files) {
    it(`${file} are written again as they were, without a loss`, () => {
      const exchanges = recorded(file)
      const bodies = exchanges.flatMap(({ id, request }) =>
        typeof request?.body === "object" && request.body !== null ? [{ id, body: request.body as Any }] : []
      )
      for (const { body, id } of bodies) {
        const { body: written, losses } = again(body)
        assert.deepStrictEqual(plain(copy(written)), plain(body), id)
        assert.isEmpty(losses, id)
      }
      // What has no body was read back by its id (`GET /responses/…`) or recorded without its request.
      console.log(`${file}: ${bodies.length} of ${exchanges.length} say the same again; ${exchanges.length - bodies.length} have no body`)
      assert.isNotEmpty(bodies)
    })
  }

  it("have no item and no setting that vanishes for a caller of another dialect: its field is a part, a setting or an extra", () => {
    let items = 0
    for (const { id, request } of files.flatMap((file) => recorded(file))) {
      const body = request?.body as Any
      if (typeof body !== "object" || body === null) continue
      const said = Result.getOrThrow(decodeRequest(body))
      if (!Array.isArray(body.input)) continue
      const places = [
        ...said.system.map(({ at }) => at),
        ...said.messages.filter(({ parts }) => parts.length > 0).map(({ at }) => at),
        ...said.extras.map(({ field }) => field)
      ]
      for (const index of body.input.keys()) {
        items++
        assert.isTrue(
          places.some((at) => at === `input[${index}]` || at.startsWith(`input[${index}].`)),
          `${id} input[${index}]`
        )
      }
    }
    console.log(`items with a place: ${items}`)
    assert.isAbove(items, 500)
  })

  it("count no more input than their bytes say, but for what the provider keeps or adds", () => {
    let bounded = 0
    let kept = 0
    for (const { id, request, response } of files.flatMap((file) => recorded(file))) {
      const body = request?.body as Any
      const answer = response.body as Any
      if (typeof body !== "object" || body === null) continue
      const events: ReadonlyArray<Any> =
        typeof answer === "string"
          ? answer
              .split("\n")
              .filter((line) => line.startsWith("data: {"))
              .map((line) => JSON.parse(line.slice(6)).response?.usage)
          : [answer?.usage]
      const tokens = events.findLast((usage) => usage?.input_tokens !== undefined)?.input_tokens
      if (tokens === undefined) continue
      const parsed = parseResponses(new TextEncoder().encode(JSON.stringify(body)), () => null)
      if (!("ask" in parsed)) throw new Error(parsed.message)
      const { ask } = parsed
      const { files, images } = ask.media()
      if (ask.extras().length > 0 || files + images > 0) {
        kept++
        continue
      }
      bounded++
      // Around a request, its messages, tools and format, as the registry has it for a host of many models.
      const adds = 256 + 16 * ask.messages() + 1024 * Number(ask.needsTools()) + 512 * Number(ask.hasFormat())
      assert.isAtLeast(ask.inputBytes() + adds, tokens, id)
    }
    console.log(`input bounded by bytes: ${bounded}; with media, or something the provider bills besides: ${kept}`)
    assert.isAbove(bounded, 100)
  })

  it("of a count are written again as they were", () => {
    for (const { id, request, response } of recorded("openai-input-tokens")) {
      const body = request!.body as Any
      const { body: written, losses } = counting.encodeRequest(Result.getOrThrow(decodeRequest(body)), { model: body.model })
      assert.deepStrictEqual(plain(copy(written)), plain(body), id)
      assert.isEmpty(losses)
      assert.deepStrictEqual(counting.decodeAnswer(response.body), Result.succeed((response.body as Any).input_tokens))
    }
  })
})
