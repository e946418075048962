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
import { type AnswerFacts, Attempt, type Limits, type Outcome } from "../Attempt.ts"
import type { Call } from "../Call.ts"
import type { Failure, FailureClass } from "../Failure.ts"
import type { Account, Target } from "../Target.ts"
import type { VirtualTime } from "../VirtualTime.ts"
import { Arrival } from "./Arrival.ts"
import { type Drawn, type Fault, type Played, play, type Model } from "./Model.ts"
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

/** What a provider says of its credential, whatever is asked with it. */
const ending: ReadonlySet<FailureClass> = new Set<FailureClass>(["auth", "quota-exhausted"])

const failureOf = (name: FailureClass, message: string, retryAfterMillis?: number): Failure => ({
  class: name,
  message,
  ...(statuses[name] === undefined ? {} : { status: statuses[name] }),
  ...(retryAfterMillis === undefined ? {} : { retryAfterMillis }),
  ...(ending.has(name) ? { endsCredential: true as const } : {})
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
const malformedBehind: Outcome = { ...malformed, committed: true }
const escalated = failureOf("escalated", "its route asks for a better answer")
const cut = failureOf("stream-cut", "as modelled")
const cutBefore = before(cut, 200, false)
const stalled = failureOf("timeout", "the answer stalled")
const overdue = failureOf("timeout", "the answer was not whole in time")

/** How an attempt will end, in microseconds since the start. */
interface Course {
  readonly endsAt: number
  /** Infinity where nothing reaches the caller. */
  readonly commitsAt: number
  readonly outcome: Outcome
}

/** How an attempt ends at its deadline: what is held back has begun before, or not. */
const lateAfter = ({ outcome: { firstTokenAt } }: Course, deadline: number): Outcome =>
  firstTokenAt !== undefined && firstTokenAt * 1_000 < deadline ? { ...late, status: 200, firstTokenAt } : late

/** Microseconds, at least one, by draw `n` from `luck`. */
const span = ({ median, sigma }: Drawn, luck: number, n: number, factor: number): number =>
  Math.max(1, Math.round(factor * (sigma === 0 ? median : median * Math.exp(sigma * normalQuantile(uniform(luck, n))))))

/** What a route allows an attempt, in microseconds, and whether its answer is held back until it is whole. */
export interface Allowed {
  /** For which nothing need come. */
  readonly patience: number
  /** Between two tokens. */
  readonly idle: number
  readonly total: number
  readonly held: boolean
  /** The head of a stream goes on at once, before anybody knows of what comes behind it. */
  readonly eager: boolean
}

const micros = (millis: number): number => Math.min(millis, longestPatienceMillis) * 1_000

const allowedBy = ({ ask: { stream }, limits }: Call, held: boolean): Allowed => {
  const { commit, firstTokenMillis, headersMillis, idleMillis, totalMillis } = limits
  return {
    patience: micros(Math.min(headersMillis, totalMillis, stream ? firstTokenMillis : Infinity)),
    idle: micros(idleMillis),
    total: micros(totalMillis),
    held: held || commit === "whole",
    eager: !held && commit === "headers"
  }
}

/** What goes wrong with an attempt, and how much longer everything takes. */
const strikeOf = (
  { errors, strikes }: Played,
  credential: string | undefined,
  luck: number,
  now: number
): { readonly fault: Fault | undefined; readonly slow: number; readonly retryAfter: number | undefined } => {
  let fault: Fault | undefined
  let slow = 1
  let retryAfter: number | undefined
  for (const strike of strikes) {
    if (now < strike.from || now >= strike.to) continue
    if (strike.credentials !== undefined && (credential === undefined || !strike.credentials.includes(credential))) continue
    slow *= strike.slow
    fault ??= strike.outage
    if (fault === undefined && strike.storm > 0 && uniform(luck, draw.storm) < strike.storm) {
      fault = "rate-limited"
      retryAfter = strike.retryAfterMillis
    }
  }
  if (fault === undefined && errors.length > 0) {
    const chance = uniform(luck, draw.error)
    fault = errors.find(({ below }) => chance < below)?.fault
  }
  return { fault, slow, retryAfter }
}

/** What the model of a target does with one attempt that begins at `now`. */
export const courseOf = (
  played: Played,
  arrival: Arrival,
  credential: string | undefined,
  maxOutputTokens: number | undefined,
  luck: number,
  now: number,
  { eager, held, idle, patience, total }: Allowed,
  statusOutcomes: (name: FailureClass, retryAfterMillis: number | undefined) => Outcome
): Course => {
  const { failAfter, firstToken, perToken } = played
  const { fault, retryAfter, slow } = strikeOf(played, credential, luck, now)
  const { details, inputTokens, outputTokens } = arrival.row
  const { stream } = details
  // An answer that is not streamed and stalls is one that never comes.
  if (fault === "timeout" || (fault === "stall" && !stream)) return { endsAt: now + patience, commitsAt: Infinity, outcome: silent }
  if (fault !== undefined && fault !== "stream-cut" && fault !== "malformed" && fault !== "stall")
    return { endsAt: now + span(failAfter, luck, draw.failAfter, slow), commitsAt: Infinity, outcome: statusOutcomes(fault, retryAfter) }

  const tokens = Math.min(outputTokens, details.maxOutputTokens ?? Infinity, maxOutputTokens ?? Infinity)
  const first = span(firstToken, luck, draw.firstToken, slow)
  // Drawn even for an answer of one token, rounded only as a whole: a token may take less than a microsecond.
  const rest = tokens <= 1 ? 0 : span({ median: perToken.median * (tokens - 1), sigma: perToken.sigma }, luck, draw.perToken, slow)
  if ((stream ? first : first + rest) > patience) return { endsAt: now + patience, commitsAt: Infinity, outcome: silent }
  if (fault === "malformed") {
    const begins = stream && eager
    return {
      endsAt: now + (stream ? first : first + rest),
      commitsAt: begins ? now + first : Infinity,
      outcome: begins ? malformedBehind : malformed
    }
  }
  const brokenAt = fault === undefined ? 0 : first + Math.round(rest * uniform(luck, draw.cutAt))
  if (!stream && fault === "stream-cut") return { endsAt: now + brokenAt, commitsAt: Infinity, outcome: cutBefore }

  let ends = first + rest
  let failure: Failure | undefined
  if (stream) {
    if (fault === "stream-cut") [ends, failure] = [brokenAt, cut]
    else if (fault === "stall") [ends, failure] = [brokenAt + idle, stalled]
    // Tokens that come more slowly than the route waits for them.
    if (tokens > 1 && rest / (tokens - 1) > idle) [ends, failure] = [first + idle, stalled]
    if (ends > total) [ends, failure] = [total, overdue]
  }
  const firstTokenAt = stream ? (now + first) / 1_000 : undefined
  if (failure !== undefined) {
    // What is held back can still fail over.
    return {
      endsAt: now + ends,
      commitsAt: held ? Infinity : now + first,
      outcome: { ...cutBefore, failure, committed: !held, firstTokenAt }
    }
  }
  return {
    endsAt: now + ends,
    commitsAt: stream && !held ? now + first : now + ends,
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
      firstTokenAt,
      losses: [],
      unbilled: false
    }
  }
}

/** What the model knows of a whole answer: text of four characters a token, in the form that was asked for, cut where it comes to its maximum. */
const answerOf = (call: Call, { details, outputTokens }: Arrival["row"], { usage }: Outcome): AnswerFacts => {
  const told = usage?.outputTokens ?? 0
  const tokens = told / details.choices
  const whole = tokens >= outputTokens
  return {
    stop: whole ? "end" : "max-tokens",
    outputTokens: told,
    characters: tokens * 4,
    toolCalls: 0,
    refused: false,
    isJson: whole && call.ask.needsStructuredOutput()
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

  const run = (call: Call, target: Target, { accepts, claim, commitBy }: Limits, account: Account): Effect.Effect<Outcome> => {
    const { incoming, parsed: arrival } = call
    if (!(arrival instanceof Arrival)) return Effect.die(new Error("a modelled attempt was asked for a call that is not simulated"))
    return Effect.callback<Outcome>((resume) => {
      const { luck, played } = of(target)
      let earlier = 0
      for (const attempted of call.attempts) if (attempted.target.name === target.name) earlier++
      // It is under way itself.
      for (const underway of call.underway) if (underway.target.name === target.name) earlier++
      earlier--
      const now = time.now()
      const course = courseOf(
        played,
        arrival,
        account.name,
        target.maxOutputTokens,
        derive(derive(luck, arrival.number), earlier),
        now,
        allowedBy(call, accepts !== undefined),
        statusOutcomes
      )
      const deadline = commitBy === Infinity ? Infinity : Math.round(commitBy * 1_000)
      const inTime = (course.commitsAt === Infinity ? course.endsAt : course.commitsAt) < deadline
      const { commitsAt, endsAt, outcome } = inTime
        ? course
        : { commitsAt: Infinity, endsAt: deadline, outcome: lateAfter(course, deadline) }
      if ((claim === undefined && accepts === undefined) || !outcome.committed) {
        const timer = time.schedule(endsAt, () => {
          if (outcome.committed) incoming.reply.begin(200, [])
          resume(Exit.succeed(outcome))
        })
        return Effect.sync(() => {
          time.cancel(timer)
          if (time.now() >= commitsAt) incoming.reply.begin(200, [])
        })
      }
      let timer = time.schedule(commitsAt, () => {
        // What is judged was held back until now, when it is whole.
        if (outcome.failure === undefined && accepts?.(answerOf(call, arrival.row, outcome)) === false)
          return resume(Exit.succeed({ ...outcome, failure: escalated, committed: false }))
        if (claim?.() === false) return resume(Exit.succeed(lost))
        incoming.reply.begin(200, [])
        timer = time.schedule(endsAt, () => resume(Exit.succeed(outcome)))
      })
      return Effect.sync(() => time.cancel(timer))
    })
  }
  return Layer.succeed(Attempt, { run })
}
