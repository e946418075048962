/**
 * `Attempt` as a model of the providers plays it, under virtual time: what comes of it and when is settled as it begins, and one timer waits for its end.
 *
 * All luck is a hash of seed, call, target and how often the call has tried that target before, so a policy that tries something else first leaves
 * the luck of what comes after as it was. An event strikes the attempts that begin while it lasts. Rules of time are those of the live gateway: a commit that comes
 * at the deadline is late, an answer of which nothing has come within its route's timeouts has timed out, and what such attempts cost is not known.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { Attempt, type Limits, type Outcome } from "../Attempt.ts"
import type { Call } from "../Call.ts"
import type { Failure, FailureClass } from "../Failure.ts"
import type { Target } from "../Target.ts"
import type { VirtualTime } from "../VirtualTime.ts"
import { Arrival } from "./Arrival.ts"
import { type Drawn, type Played, play, type Model } from "./Model.ts"
import { derive, deriveText, normalQuantile, uniform } from "./Random.ts"

/** What each draw of an attempt is for. */
const draw = { error: 0, firstToken: 1, perToken: 2, failAfter: 3, cutAt: 4, storm: 5 } as const

/** The statuses with which providers say it; none where nothing is said. */
const statuses: Readonly<Partial<Record<FailureClass, number>>> = {
  "rate-limited": 429,
  "quota-exhausted": 429,
  overloaded: 503,
  "server-error": 500,
  "context-length": 400,
  "content-filter": 400,
  "bad-request": 400,
  auth: 401
}

/** Where a route waits for ever, whoever is behind the caller does not. */
const longestPatienceMillis = 24 * 60 * 60 * 1_000

/** Microseconds for which nothing need come of an answer. */
const patienceOf = ({ ask: { stream }, limits: { firstTokenMillis, headersMillis, totalMillis } }: Call): number =>
  Math.min(headersMillis, stream ? firstTokenMillis : Infinity, totalMillis, longestPatienceMillis) * 1_000

const failureOf = (name: FailureClass, message: string, retryAfterMillis?: number): Failure => ({
  class: name,
  message,
  ...(statuses[name] === undefined ? {} : { status: statuses[name] }),
  ...(retryAfterMillis === undefined ? {} : { retryAfterMillis })
})

/** An attempt that ends before anything has reached the caller. */
const before = (failure: Failure, status: number | undefined, unbilled: boolean): Outcome => ({
  failure,
  committed: false,
  status,
  usage: undefined,
  firstTokenAt: undefined,
  losses: [],
  unbilled
})

const late = before(failureOf("timeout", "nothing was committed before the deadline"), undefined, false)
const silent = before(failureOf("timeout", "no answer in time"), undefined, false)
const lost = before(failureOf("cancelled", "another attempt has begun to answer"), undefined, false)
const malformed = before(failureOf("malformed", "as modelled"), 200, false)
const cut = failureOf("stream-cut", "as modelled")
const cutBefore = before(cut, 200, false)

/** How an attempt will end, in microseconds since the start. */
interface Course {
  readonly endsAt: number
  /** Infinity where nothing reaches the caller. */
  readonly commitsAt: number
  readonly outcome: Outcome
}

/** Microseconds, at least one, by draw `n` from `luck`. */
const span = ({ median, sigma }: Drawn, luck: number, n: number, factor: number): number =>
  Math.max(1, Math.round(factor * (sigma === 0 ? median : median * Math.exp(sigma * normalQuantile(uniform(luck, n))))))

/** What the model of a target does with one attempt that begins at `now`. */
export const courseOf = (
  { errors, failAfter, firstToken, perToken, strikes }: Played,
  arrival: Arrival,
  maxOutputTokens: number | undefined,
  luck: number,
  now: number,
  patience: number,
  statusOutcomes: (name: FailureClass, retryAfterMillis: number | undefined) => Outcome
): Course => {
  let failing: FailureClass | undefined
  let slow = 1
  let retryAfter: number | undefined
  for (const strike of strikes) {
    if (now < strike.from || now >= strike.to) continue
    slow *= strike.slow
    failing ??= strike.outage
    if (failing === undefined && strike.storm > 0 && uniform(luck, draw.storm) < strike.storm) {
      failing = "rate-limited"
      retryAfter = strike.retryAfterMillis
    }
  }
  if (failing === undefined && errors.length > 0) {
    const chance = uniform(luck, draw.error)
    for (const { below, class: name } of errors) {
      if (chance < below) {
        failing = name
        break
      }
    }
  }
  if (failing === "timeout") return { endsAt: now + patience, commitsAt: Infinity, outcome: silent }
  if (failing !== undefined && failing !== "stream-cut" && failing !== "malformed") {
    return { endsAt: now + span(failAfter, luck, draw.failAfter, slow), commitsAt: Infinity, outcome: statusOutcomes(failing, retryAfter) }
  }

  const { details, inputTokens, outputTokens } = arrival.row
  const tokens = Math.min(outputTokens, details.maxOutputTokens ?? Infinity, maxOutputTokens ?? Infinity)
  const first = span(firstToken, luck, draw.firstToken, slow)
  // Drawn even for an answer of one token, rounded only as a whole: a token may take less than a microsecond.
  const rest = tokens <= 1 ? 0 : span({ median: perToken.median * (tokens - 1), sigma: perToken.sigma }, luck, draw.perToken, slow)
  const { stream } = details
  if ((stream ? first : first + rest) > patience) return { endsAt: now + patience, commitsAt: Infinity, outcome: silent }
  if (failing === "malformed") return { endsAt: now + (stream ? first : first + rest), commitsAt: Infinity, outcome: malformed }
  if (failing === "stream-cut") {
    const endsAt = now + first + Math.round(rest * uniform(luck, draw.cutAt))
    if (!stream) return { endsAt, commitsAt: Infinity, outcome: cutBefore }
    return { endsAt, commitsAt: now + first, outcome: { ...cutBefore, committed: true, firstTokenAt: (now + first) / 1_000 } }
  }
  const endsAt = now + first + rest
  return {
    endsAt,
    commitsAt: stream ? now + first : endsAt,
    outcome: {
      failure: undefined,
      committed: true,
      status: 200,
      usage: {
        inputTokens,
        cachedInputTokens: details.cachedInputTokens,
        cacheWriteInputTokens: 0,
        outputTokens: tokens * details.choices,
        reasoningTokens: 0
      },
      firstTokenAt: stream ? (now + first) / 1_000 : undefined,
      losses: [],
      unbilled: false
    }
  }
}

/** Outcomes of attempts that end with an error status or without a connection; each is made once. */
const refusals = (): ((name: FailureClass, retryAfterMillis: number | undefined) => Outcome) => {
  const made = new Map<string, Outcome>()
  return (name, retryAfterMillis) => {
    const key = retryAfterMillis === undefined ? name : `${name} ${retryAfterMillis}`
    let outcome = made.get(key)
    // A filter has looked at the prompt, which providers bill.
    if (outcome === undefined)
      made.set(key, (outcome = before(failureOf(name, "as modelled", retryAfterMillis), statuses[name], name !== "content-filter")))
    return outcome
  }
}

export interface ModelledOptions {
  readonly model: Model
  readonly time: VirtualTime
  readonly seed: number
  /** Unix milliseconds. */
  readonly startMillis: number
}

/** Attempts that come out as `model` says. */
export const layer = ({ model, seed, startMillis, time }: ModelledOptions): Layer.Layer<Attempt> => {
  const played = play(model, startMillis)
  const known = new WeakMap<Target, { readonly played: Played; readonly luck: number }>()
  const of = (target: Target): { readonly played: Played; readonly luck: number } => {
    let found = known.get(target)
    if (found === undefined) known.set(target, (found = { played: played(target), luck: deriveText(seed, target.name) }))
    return found
  }
  const statusOutcomes = refusals()

  const run = (call: Call, target: Target, { claim, commitBy }: Limits): Effect.Effect<Outcome> => {
    const arrival = call.incoming
    if (!(arrival instanceof Arrival)) return Effect.die(new Error("a modelled attempt was asked for a call that is not simulated"))
    return Effect.callback<Outcome>((resume) => {
      const { luck, played } = of(target)
      let earlier = 0
      for (const attempted of call.attempts) if (attempted.target.name === target.name) earlier++
      // It is under way itself.
      for (const underway of call.underway) if (underway.target.name === target.name) earlier++
      earlier--
      const now = time.now()
      const patience = patienceOf(call)
      const course = courseOf(
        played,
        arrival,
        target.maxOutputTokens,
        derive(derive(luck, arrival.number), earlier),
        now,
        patience,
        statusOutcomes
      )
      const deadline = commitBy === Infinity ? Infinity : Math.round(commitBy * 1_000)
      const inTime = (course.commitsAt === Infinity ? course.endsAt : course.commitsAt) < deadline
      const { commitsAt, endsAt, outcome } = inTime ? course : { commitsAt: Infinity, endsAt: deadline, outcome: late }
      if (claim === undefined || !outcome.committed) {
        const timer = time.schedule(endsAt, () => {
          if (outcome.committed) arrival.begin()
          resume(Exit.succeed(outcome))
        })
        return Effect.sync(() => {
          time.cancel(timer)
          if (time.now() >= commitsAt) arrival.begin()
        })
      }
      let timer = time.schedule(commitsAt, () => {
        if (!claim()) return resume(Exit.succeed(lost))
        arrival.begin()
        timer = time.schedule(endsAt, () => resume(Exit.succeed(outcome)))
      })
      return Effect.sync(() => time.cancel(timer))
    })
  }
  return Layer.succeed(Attempt, { run })
}
