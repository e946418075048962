/**
 * The same outage played live and simulated gives the same story: over real HTTP with scripted providers, and over virtual time with modelled ones, every
 * decision, attempt, rejection, refusal and nano-dollar is compared.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as fc from "fast-check"
import { check } from "../../src/Check.ts"
import { type CallRecord, toLine } from "../../src/Recorder.ts"
import { compile } from "../../src/Compile.ts"
import * as Simulate from "../../src/Simulate.ts"
import { callers } from "../../src/simulate/Callers.ts"
import * as Traffic from "../../src/simulate/Traffic.ts"
import { fallbackApi } from "../../src/Apis.ts"
import {
  answerMillis,
  type CallSpec,
  gridMillis,
  leadMillis,
  modelOf,
  slowMillis,
  type Story,
  story,
  strikes,
  targetNames,
  type TargetName,
  troubles,
  type Trouble
} from "./story.ts"
import {
  body,
  chunk,
  closing,
  completion,
  cut,
  cutStream,
  done,
  event,
  type Heard,
  json,
  type Line,
  opening,
  refusal,
  type Script,
  send,
  startGateway,
  startUpstream,
  stream
} from "./support.ts"

const secrets = { ANN_KEY: "ann-secret-0123456789", BEN_KEY: "ben-secret-0123456789", CY_KEY: "cy-secret-0123456789a" }

const bodyOf = ({ inputTokens, maxOutputTokens, model, outputTokens, stream, text }: CallSpec): string =>
  JSON.stringify({
    model,
    messages: [{ role: "user", content: `in=${inputTokens} out=${outputTokens} ${text}` }],
    ...(stream ? { stream: true } : {}),
    ...(maxOutputTokens === undefined ? {} : { max_completion_tokens: maxOutputTokens })
  })

/** What a provider says when it fails. */
const saying: Record<Exclude<Trouble, "stream-cut" | "malformed">, Script> = {
  "rate-limited": refusal(429, { code: "rate_limit_exceeded" }),
  "quota-exhausted": refusal(429, { code: "insufficient_quota", type: "insufficient_quota" }),
  overloaded: refusal(503, {}),
  "server-error": refusal(500, {}),
  "context-length": refusal(400, { code: "context_length_exceeded", type: "invalid_request_error" }),
  "content-filter": refusal(400, { code: "content_filter" }),
  "bad-request": refusal(400, { type: "invalid_request_error" }),
  auth: refusal(401, { code: "invalid_api_key" })
}

/** The provider's answer to a call that says what it counts. */
const answering = ({ json: asked }: Heard, broken: "stream-cut" | "malformed" | undefined): Script => {
  const [, input, output] = /in=(\d+) out=(\d+)/.exec(asked["messages"][0].content as string)!
  const tokens = Math.min(Number(output), (asked["max_completion_tokens"] as number | undefined) ?? Infinity)
  const usage = { prompt_tokens: Number(input), completion_tokens: tokens, total_tokens: Number(input) + tokens }
  const head = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_700_000_000, model: asked["model"] as string }
  if (asked["stream"] === true) {
    if (broken === "malformed") return stream([event("{")])
    if (broken === "stream-cut") return cutStream(opening + chunk({ content: "half" }))
    return stream([opening, chunk({ content: "whole" }), closing, event({ ...head, choices: [], usage }), done])
  }
  if (broken === "malformed") return body("{")
  if (broken === "stream-cut") return cut('{"id":', { headers: { "content-length": "1000" } })
  return json({ ...completion("whole"), usage })
}

/** A provider's part in `told`, which began at `began()`. */
const playing =
  (told: () => Story, began: () => number, target: TargetName): Script =>
  (response, heard) => {
    const { slow, trouble } = strikes(told(), target, performance.now() - began())
    if (trouble !== undefined && trouble !== "stream-cut" && trouble !== "malformed") return saying[trouble](response, heard)
    setTimeout(() => answering(heard, trouble)(response, heard), slow ? slowMillis : answerMillis)
  }

/** What both plays must agree on. */
const told = ({ attempts = [], decision, ending, error, id, key, rejections = [], route, status, target }: Line) => ({
  id,
  key,
  route,
  decision,
  ending,
  status,
  error,
  target,
  attempts: attempts.map((attempt) => ({
    target: attempt.target,
    outcome: attempt.outcome,
    committed: attempt.committed,
    probe: attempt.probe,
    input: attempt.input_tokens,
    output: attempt.output_tokens,
    charged: attempt.nano_dollars,
    reserved: attempt.reserved_nano_dollars,
    estimated: attempt.estimated
  })),
  rejections
})

const byId = (a: { readonly id: string }, b: { readonly id: string }): number => Number(a.id.slice(5)) - Number(b.id.slice(5))

const live = async (
  story: Story,
  gateway: { readonly port: number; readonly line: (n: number) => Promise<Line>; readonly lines: ReadonlyArray<Line> },
  begin: () => void
): Promise<ReadonlyArray<ReturnType<typeof told>>> => {
  const start = performance.now() + 50
  const answers = story.calls.map(
    (call) =>
      new Promise<unknown>((resolve, reject) => {
        setTimeout(
          () => {
            if (call.slot === 0) begin()
            const headers = {
              authorization: `Bearer ${secrets[`${call.key.toUpperCase()}_KEY` as keyof typeof secrets]}`,
              "x-request-id": call.id
            }
            send(gateway, { headers, body: bodyOf(call) }).then(resolve, (error: NodeJS.ErrnoException) =>
              // A stream that is cut is cut for the caller too.
              error.code === "ECONNRESET" ? resolve(undefined) : reject(error)
            )
          },
          start + call.slot * gridMillis - performance.now()
        )
      })
  )
  await Promise.all(answers)
  await gateway.line(story.calls.length - 1)
  return gateway.lines.map(told).sort(byId)
}

const simulated = (story: Story): ReadonlyArray<ReturnType<typeof told>> => {
  const compiled = compile(check(story.policy).policy!)
  const lines = story.calls.map((call) => {
    const parsed = fallbackApi.parse(new TextEncoder().encode(bodyOf(call)), () => null)
    if (!("ask" in parsed)) throw new Error(parsed.message)
    return Traffic.toLine({
      time: leadMillis + call.slot * gridMillis,
      id: call.id,
      key: call.key,
      model: call.model,
      stream: call.stream,
      inputTokens: call.inputTokens,
      inputBytes: parsed.ask.inputBytes(),
      outputTokens: call.outputTokens,
      ...(call.maxOutputTokens === undefined ? {} : { maxOutputTokens: call.maxOutputTokens })
    })
  })
  const traffic = Traffic.open([Traffic.header(), ...lines])
  if ("_tag" in traffic) throw new Error(traffic.message)
  const records: Array<CallRecord> = []
  Effect.runSync(
    Simulate.simulate(compiled, traffic, {
      model: modelOf(story),
      callers: Result.getOrThrow(callers(compiled, 1, {})),
      seed: 1,
      onRecord: (record) => void records.push(record)
    })
  )
  return records.map((record) => told(JSON.parse(toLine(record)) as Line)).sort(byId)
}

describe("live and simulated", () => {
  const seen = { outcomes: new Set<string>(), by: new Set<string>(), errors: new Set<string>(), long: 0, estimated: 0 }

  it("tell the same story: every decision, attempt, rejection, refusal and nano-dollar", { timeout: 60_000 }, async () => {
    const seed = Number(process.env["STORY_SEED"] ?? Date.now() % 2 ** 31)
    const addresses = new Map<string, string>()
    const arbitrary = story((name) => addresses.get(name) ?? "http://127.0.0.1:1/v1").filter(
      ({ policy }) => check(policy).policy !== undefined
    )
    const stories = fc.sample(arbitrary, { seed, numRuns: 24 })

    const plays = stories.map(async (unplaced) => {
      let began = Infinity
      let placed = unplaced
      for (const name of targetNames) {
        const upstream = await startUpstream(
          playing(
            () => placed,
            () => began,
            name
          )
        )
        if (name === "dead") await upstream.kill()
        const provider = { ...placed.policy.providers[name]!, baseUrl: upstream.baseUrl }
        placed = { ...placed, policy: { ...placed.policy, providers: { ...placed.policy.providers, [name]: provider } } }
      }
      const gateway = await startGateway(placed.policy, { secrets })
      return { placed, gateway, begin: () => void (began = performance.now()) }
    })
    const ready = await Promise.all(plays)
    const lives = await Promise.all(ready.map(({ begin, gateway, placed }) => live(placed, gateway, begin)))
    for (const [i, { placed }] of ready.entries()) {
      const expected = simulated(placed)
      for (const [n, call] of expected.entries()) {
        const context = JSON.stringify({ routes: placed.policy.routes, episodes: placed.episodes, calls: placed.calls.slice(0, n + 1) })
        assert.deepStrictEqual(lives[i]![n], call, `${call.id} of story ${i}, seed ${seed}: ${context}`)
      }
      assert.strictEqual(lives[i]!.length, expected.length)
      for (const { attempts, error, rejections } of expected) {
        for (const { estimated, outcome } of attempts) {
          seen.outcomes.add(outcome)
          if (estimated === true) seen.estimated++
        }
        for (const { by } of rejections) seen.by.add(by)
        if (error !== undefined) seen.errors.add(error)
        if (attempts.length > 1) seen.long++
      }
    }
  })

  it("…in which nearly everything has gone wrong that can", () => {
    assert.isAtLeast(troubles.filter((trouble) => seen.outcomes.has(trouble)).length, 5)
    assert.includeMembers([...seen.outcomes], ["served", "connection"])
    assert.includeMembers([...seen.by], ["budget", "grant", "breaker"])
    assert.isAbove(seen.long, 0)
    assert.isAbove(seen.estimated, 0)
  })
})
