/** The two plays of a story, what both must agree on, and what a theme must show. */
import { Duration, Effect, Layer, Result } from "effect"
import { fallbackApi } from "../../../src/Apis.ts"
import { Attempt } from "../../../src/Attempt.ts"
import { check } from "../../../src/Check.ts"
import { type Compiled, compile } from "../../../src/Compile.ts"
import { murmur3 } from "../../../src/Murmur3.ts"
import { toLine } from "../../../src/Recorder.ts"
import * as Simulate from "../../../src/Simulate.ts"
import { callers } from "../../../src/simulate/Callers.ts"
import * as ModelledAttempt from "../../../src/simulate/ModelledAttempt.ts"
import * as Traffic from "../../../src/simulate/Traffic.ts"
import {
  answerMillis,
  type CallSpec,
  gridMillis,
  leadMillis,
  modelOf,
  providerSecrets,
  type Story,
  targetNames,
  type Theme
} from "../story.ts"
import { type Line as AccessLine, send, startGateway, startUpstream, until } from "../support.ts"
import { heardAs, playing } from "./provider.ts"

export interface Line extends AccessLine {
  readonly shadow_of?: string
  readonly attempts?: ReadonlyArray<
    NonNullable<AccessLine["attempts"]>[number] & { readonly started_ms: number; readonly ended_ms: number; readonly queued_ms?: number }
  >
}

const callerSecrets: Readonly<Record<string, string>> = {
  ANN_KEY: "ann-secret-0123456789",
  BEN_KEY: "ben-secret-0123456789",
  CY_KEY: "cy-secret-0123456789a"
}

const bodyOf = ({ id, inputTokens, maxOutputTokens, model, outputTokens, stream, text }: CallSpec): string =>
  JSON.stringify({
    model,
    messages: [{ role: "user", content: `in=${inputTokens} out=${outputTokens} id=${id} ${text}` }],
    ...(stream ? { stream: true } : {}),
    ...(maxOutputTokens === undefined ? {} : { max_completion_tokens: maxOutputTokens })
  })

/** What both plays must agree on. */
export const told = ({ attempts = [], decision, ending, error, id, key, rejections = [], route, shadow_of, status, target }: Line) => ({
  id,
  shadow_of,
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
    why: attempt.why,
    credential: attempt.credential,
    input: attempt.input_tokens,
    output: attempt.output_tokens,
    charged: attempt.nano_dollars,
    reserved: attempt.reserved_nano_dollars,
    estimated: attempt.estimated
  })),
  rejections
})

/** What providers are asked in a play: by name, whose call with which key. */
export type Asked = Readonly<Record<string, ReadonlyArray<string>>>

export interface Play {
  /** In the order of the calls, a copy behind its own. */
  readonly lines: ReadonlyArray<Line>
  readonly asked: Asked
}

const listening = targetNames.filter((name) => name !== "dead")

const byId = (a: Line, b: Line): number => numberOf(a) - numberOf(b) || (a.id < b.id ? -1 : 1)
const numberOf = ({ id }: Line): number => Number(/\d+/.exec(id)![0])

/** How late calls and attempts are, at most, where a play is a little late everywhere; and how early calls. */
export const lagMillis = 90
const leadMillisOfCalls = 30

/** Attempts as the model plays them, but each begins up to `lagMillis` late. */
const lagging =
  (options: Omit<ModelledAttempt.ModelledOptions, "time">, lag: number): NonNullable<Simulate.Options["attempt"]> =>
  (time) =>
    Layer.effect(
      Attempt,
      Effect.map(Attempt, ({ run }) =>
        Attempt.of({
          run: (call, target, limits, account) => {
            const late = murmur3(`${call.id} ${call.begun} ${target.name}`, lag) % lagMillis
            return Effect.andThen(Effect.sleep(Duration.millis(late)), run(call, target, limits, account))
          }
        })
      )
    ).pipe(Layer.provide(ModelledAttempt.layer({ ...options, time })))

const compiledOf = ({ policy }: Story): Compiled => compile(check(policy).policy!)

/** A story over virtual time; with a `lag` everything is late, each time otherwise. */
export const simulated = (story: Story, lag?: number): Play => {
  const compiled = compiledOf(story)
  const lines = story.calls.map((call) => {
    const parsed = fallbackApi.parse(new TextEncoder().encode(bodyOf(call)), () => null)
    if (!("ask" in parsed)) throw new Error(parsed.message)
    return Traffic.toLine({
      time:
        leadMillis +
        call.slot * gridMillis +
        (lag === undefined ? 0 : (murmur3(call.id, lag) % (leadMillisOfCalls + lagMillis)) - leadMillisOfCalls),
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
  const plain = modelOf(story)
  const firstToken = { p50: `${answerMillis} millis`, p99: `${Math.round(1.1 * answerMillis)} millis` }
  const model = lag === undefined ? plain : { ...plain, default: { ...plain.default, firstToken } }
  const records: Array<Line> = []
  Effect.runSync(
    Simulate.simulate(compiled, traffic, {
      model,
      callers: Result.getOrThrow(callers(compiled, 1, {})),
      seed: lag ?? 1,
      onRecord: (record) => void records.push(JSON.parse(toLine(record)) as Line),
      ...(lag === undefined ? {} : { attempt: lagging({ model, seed: lag, startMillis: Simulate.usualStart }, lag) })
    })
  )
  const sorted = records.sort(byId)
  const asked: Record<string, Array<string>> = Object.fromEntries(listening.map((name) => [name, []]))
  for (const { attempts = [], id } of sorted)
    for (const { credential = "without", outcome, target } of attempts)
      if (outcome !== "connection") asked[target]?.push(`${id.split(".")[0]!} ${credential}`)
  return { lines: sorted, asked: Object.fromEntries(Object.entries(asked).map(([name, all]) => [name, all.sort()])) }
}

/** Whether a story comes out the same however late things are, and soon enough for a test. */
export const isNoRace = (story: Story, { lines }: Play): boolean => {
  if (lines.some(({ duration_ms }) => duration_ms > 5_000)) return false
  const expected = JSON.stringify(lines.map(told))
  return [2, 3, 4, 5, 6].every((lag) => JSON.stringify(simulated(story, lag).lines.map(told)) === expected)
}

type Attempted = NonNullable<Line["attempts"]>[number]

const some = (lines: ReadonlyArray<Line>, holds: (attempt: Attempted, next: Attempted | undefined, line: Line) => boolean): boolean =>
  lines.some((line) => line.attempts?.some((attempt, i) => holds(attempt, line.attempts![i + 1], line)) === true)

const hasRejection = (lines: ReadonlyArray<Line>, by: string): boolean =>
  lines.some(({ rejections = [] }) => rejections.some((rejected) => rejected.by === by))

const endsCredential = (outcome: string): boolean => outcome === "auth" || outcome === "quota-exhausted"

/** What a story of each theme has to show, by its simulation. */
export const shows: Readonly<Record<Theme, (lines: ReadonlyArray<Line>) => boolean>> = {
  keys: (lines) => some(lines, ({ outcome, why }) => why === "credential" && outcome === "served"),
  // A key that has died, and is not asked again though its target is.
  "dead key": (lines) =>
    lines.some((line, i) =>
      line.attempts?.some(
        ({ credential, outcome, target }) =>
          endsCredential(outcome) &&
          credential !== undefined &&
          lines.slice(i + 2).filter(({ attempts = [] }) => attempts.some((one) => one.target === target && one.credential !== credential))
            .length > 2
      )
    ),
  // Left alone, and then asked again.
  pause: (lines) =>
    lines.some(({ error }) => error === "target_paused") &&
    lines.some(({ rejections = [] }, i) =>
      rejections.some(
        ({ by, target }) => by === "breaker" && some(lines.slice(i + 1), (later) => later.target === target && later.outcome === "served")
      )
    ),
  silence: (lines) =>
    some(lines, ({ message, outcome }, next) => outcome === "timeout" && message === "no answer in time" && next !== undefined),
  stall: (lines) => some(lines, ({ committed, message }) => committed === true && message === "the answer stalled"),
  whole: (lines) =>
    some(lines, ({ outcome }, next, { stream }) => stream === true && outcome === "stream-cut" && next !== undefined) &&
    some(lines, ({ committed, message }) => committed !== true && message === "the answer stalled"),
  total: (lines) => some(lines, ({ message }) => message === "the answer was not whole in time"),
  deadline: (lines) => some(lines, ({ message }, next) => message === "nothing was committed before the deadline" && next === undefined),
  escalate: (lines) =>
    some(lines, ({ outcome }, next) => outcome === "escalated" && next?.why === "escalation" && next.outcome === "served"),
  shadow: (lines) => some(lines, ({ outcome }, _, { shadow_of }) => shadow_of !== undefined && outcome === "served"),
  spread: (lines) =>
    new Set(
      lines
        .flatMap(({ attempts, decision }) => (decision?.startsWith("routed") ? (attempts?.slice(0, 1) ?? []) : []))
        .map(({ target }) => target)
    ).size > 2,
  queue: (lines) => hasRejection(lines, "busy") && some(lines, ({ queued_ms = 0 }) => queued_ms > 0),
  retry: (lines) => some(lines, ({ outcome, why }) => why === "retry" && outcome === "served"),
  hedge: (lines) =>
    some(lines, ({ outcome, why }) => why === "hedge" && outcome === "served") && some(lines, ({ outcome }) => outcome === "cancelled"),
  budget: (lines) => hasRejection(lines, "budget")
}

/** A play over real HTTP, and the longest for which this process was held up meanwhile. */
export type Acted = Play & { readonly heldUpMillis: number }

/** Sets the stage for a story over real HTTP: its providers and a gateway. What is given back plays it, beginning after so many milliseconds. */
export const staged = async (unplaced: Story): Promise<(lineCount: number, afterMillis: number) => Promise<Acted>> => {
  let began = Infinity
  let placed = unplaced
  const upstreams = new Map<string, Awaited<ReturnType<typeof startUpstream>>>()
  for (const name of listening) {
    const upstream = await startUpstream(
      playing(
        () => placed,
        () => began,
        name
      )
    )
    upstreams.set(name, upstream)
    const provider = { ...placed.policy.providers[name]!, baseUrl: upstream.baseUrl }
    placed = { ...placed, policy: { ...placed.policy, providers: { ...placed.policy.providers, [name]: provider } } }
  }
  const gateway = await startGateway(placed.policy, { secrets: { ...callerSecrets, ...providerSecrets } })
  return async (lineCount, afterMillis) => {
    const start = performance.now() + afterMillis
    began = start
    let [heldUpMillis, last] = [0, performance.now()]
    const watch = setInterval(() => {
      const now = performance.now()
      heldUpMillis = Math.max(heldUpMillis, now - last)
      last = now
    }, 10)
    const answers = placed.calls.map(
      (call) =>
        new Promise<unknown>((resolve, reject) => {
          setTimeout(
            () => {
              const headers = { authorization: `Bearer ${callerSecrets[`${call.key.toUpperCase()}_KEY`]!}`, "x-request-id": call.id }
              // Whatever becomes of a call, its answer ends as HTTP says it should.
              send(gateway, { headers, body: bodyOf(call) }).then(resolve, reject)
            },
            start + call.slot * gridMillis - performance.now()
          )
        })
    )
    try {
      await Promise.all(answers)
      await until(() => gateway.lines.length >= lineCount, `${lineCount} access lines`)
    } finally {
      clearInterval(watch)
    }
    return {
      lines: ([...gateway.lines] as Array<Line>).sort(byId),
      asked: Object.fromEntries([...upstreams].map(([name, { heard }]) => [name, heard.flatMap(heardAs).sort()])),
      heldUpMillis
    }
  }
}
