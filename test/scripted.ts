/**
 * The pipeline over a world that is written down beforehand: attempts come out as a script says, time moves only when an attempt takes some, and
 * what the caller sees and what is recorded are kept.
 */
import { Cause, Clock, Context, Duration, Effect, Exit, Layer, Logger, Metric, Scheduler, Scope } from "effect"
import { type AnswerFacts, Attempt, type Outcome } from "../src/Attempt.ts"
import type { Ask } from "../src/Ask.ts"
import { type Api, decisionHeaders, type Incoming } from "../src/Call.ts"
import { type Compiled, compile } from "../src/Compile.ts"
import { summary } from "../src/Decision.ts"
import type { CallerDialect } from "../src/Dialect.ts"
import type { Failure, FailureClass } from "../src/Failure.ts"
import { Health } from "../src/Health.ts"
import { type Caller, callersOf, Keys, local } from "../src/Keys.ts"
import { type Binding, Ledger } from "../src/Ledger.ts"
import { make, type Pipeline } from "../src/Pipeline.ts"
import { decode, type Policy, type PolicyEncoded, type StrategyEncoded } from "../src/Policy.ts"
import type { PriceSource } from "../src/Price.ts"
import { type CallRecord, Recorder } from "../src/Recorder.ts"
import type { Reply } from "../src/Reply.ts"
import { Slots } from "../src/Slots.ts"
import { answerOf, attemptUnder, type Carried, type Course, type Ended, type FactValues, type Play } from "./reference.ts"

/** A policy that is known to decode. */
export const decoded = (encoded: PolicyEncoded): Policy => {
  const result = decode(encoded)
  if (result._tag === "Failure") throw new Error(String(result.failure))
  return result.success
}

export const compiled = (encoded: PolicyEncoded, prices?: PriceSource): Compiled => compile(decoded(encoded), prices)

/** A policy of one route over targets `a` to `f`, each a deployment of its own. */
export const only = (to: StrategyEncoded, more?: Partial<PolicyEncoded>): PolicyEncoded => ({
  name: "test",
  providers: { openai: { dialect: "openai" } },
  targets: Object.fromEntries([..."abcdef"].map((name) => [name, { provider: "openai", model: `model-${name}` }])),
  ...more,
  routes: [{ name: "only", to }]
})

/** The same under a budget of $1 a day for callers without keys; an attempt reserves a tenth of a cent, and everything costs what was reserved. */
export const paid = (to: StrategyEncoded, more?: Partial<PolicyEncoded>): PolicyEncoded => {
  const { targets, ...rest } = only(to)
  const price = { input: { usd: 0 }, output: { usd: 1 } }
  return {
    ...rest,
    targets: Object.fromEntries(Object.entries(targets).map(([name, spec]) => [name, { ...spec, price, maxOutputTokens: 1_000 }])),
    budgets: { day: { per: "class", limit: { usd: 1 }, every: "day" } },
    classes: { local: { may: [..."abcdef"], within: ["day"] } },
    ...more
  }
}

/** Something that a clock will do. */
interface Alarm {
  readonly at: number
  readonly ring: () => void
}

/** A clock that stands still unless it is told to move, and whose wall time can be set. */
export class ManualClock implements Clock.Clock {
  /** Monotonic. */
  millis = 0
  /** The wall time at which `millis` is 0, in Unix milliseconds. */
  epoch = 0
  /** In the order in which they were set. */
  readonly #alarms = new Set<Alarm>()
  /** How many things there are to do. */
  get pending(): number {
    return this.#alarms.size
  }
  currentTimeMillisUnsafe(): number {
    return this.epoch + this.millis
  }
  currentTimeNanosUnsafe(): bigint {
    return BigInt(Math.round(this.currentTimeMillisUnsafe() * 1e6))
  }
  monotonicTimeNanosUnsafe(): bigint {
    return BigInt(Math.round(this.millis * 1e6))
  }
  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = Effect.sync(() => this.monotonicTimeNanosUnsafe())
  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.callback<void>((resume) => Effect.sync(this.at(this.millis + Duration.toMillis(duration), () => resume(Effect.void))))
  }
  /** Has something done when it is `at`; the answer takes that back. */
  at(at: number, ring: () => void): () => void {
    const alarm = { at, ring }
    this.#alarms.add(alarm)
    return () => void this.#alarms.delete(alarm)
  }
  /** Moves to the next thing to do, the one set first where several are, and does it; false where there is none. */
  advance(): boolean {
    let next: Alarm | undefined
    for (const alarm of this.#alarms) if (next === undefined || alarm.at < next.at) next = alarm
    if (next === undefined) return false
    this.#alarms.delete(next)
    this.millis = Math.max(this.millis, next.at)
    next.ring()
    return true
  }
}

/** What a reply in memory has been told. */
export interface Told {
  readonly heads: Array<{ readonly status: number; readonly headers: Readonly<Record<string, string>> }>
  body: string
  ends: number
}

export const replyIn = (told: Told): Reply => ({
  get begun() {
    return told.heads.length > 0
  },
  begin: (status, headers) => {
    const pairs = headers.flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1]!] as const] : []))
    told.heads.push({ status, headers: Object.fromEntries(pairs) })
  },
  write: (chunk) => {
    told.body += String(chunk)
    return true
  },
  end: (chunk) => {
    told.body += chunk === undefined ? "" : String(chunk)
    told.ends++
  },
  onDrain: (resume) => resume()
})

export const nobodyTold = (): Told => ({ heads: [], body: "", ends: 0 })

const unused = (): never => {
  throw new Error("the script has no provider to speak to")
}
const dialect: CallerDialect = {
  name: "chat.completions",
  decodeRequest: unused,
  overrides: unused,
  modelField: "model",
  wantsUsage: unused,
  usageWish: unused,
  encodeAnswer: unused,
  streamEncoder: unused
}

export const api = (name = "chat.completions"): Api => ({
  name,
  operation: "generate",
  dialect,
  parse: unused,
  errorBody: (error) => JSON.stringify({ error: error.code }),
  errorEvent: (error) => `event: error\ndata: ${error.code}\n\n`
})

/** The request that these facts were read from. */
export const askOf = (facts: FactValues): Ask => {
  const at = <A>(name: string, otherwise: A): A => (Object.hasOwn(facts, name) ? (facts[name] as A) : otherwise)
  return {
    operation: "generate",
    model: at("request.model", "a"),
    stream: at("request.stream", false),
    inputBytes: () => at("request.inputTokens", 0) * 4,
    maxOutputTokens: () => at("request.maxOutputTokens", null),
    messages: () => at("request.messages", 1),
    needsTools: () => at("request.needs.tools", false),
    needsVision: () => at("request.needs.vision", false),
    needsStructuredOutput: () => at("request.needs.structuredOutput", false),
    hasFormat: () => at("request.needs.structuredOutput", false),
    needsReasoning: () => at("request.needs.reasoning", false),
    metadata: (name) => at(`request.metadata.${name}`, null),
    header: (name) => at(`request.headers.${name}`, null),
    choices: () => at("asks.choices", 1),
    media: () => ({ images: at("asks.images", 0), audio: at("asks.audio", 0), files: at("asks.files", 0) }),
    extras: () => (at<string | null>("asks.extras", null) === null ? [] : [at("asks.extras", "")])
  }
}

export const incomingOf = (facts: FactValues, told: Told): Incoming => ({
  id: (facts["request.id"] as string | undefined) ?? "call-1",
  api: api((facts["request.api"] as string | undefined) ?? "chat.completions"),
  secret: facts["caller.key"] as string | undefined,
  parse: () => ({
    ask: askOf(facts),
    json: {},
    bytes: new Uint8Array(0),
    scan: { members: [], duplicate: undefined, close: 0 },
    sealed: false
  }),
  reply: replyIn(told)
})

/** Who calls, by the facts; without any, a caller without a key. */
export const callerOf = (facts: FactValues): Caller => ({
  key: (facts["caller.key"] as string | undefined) ?? local.key,
  class: (facts["caller.class"] as string | undefined) ?? local.class,
  team: (facts["caller.team"] as string | null | undefined) ?? null,
  organisation: (facts["caller.organisation"] as string | null | undefined) ?? null,
  tags: Object.keys(facts).flatMap((name) =>
    name.startsWith("caller.tags.") && facts[name] === true ? [name.slice("caller.tags.".length)] : []
  )
})

/** A key's secret is its name. Callers that the policy does not know as they are have got a key of that name elsewhere, for as long as `issue` says so. */
export const keysWithIssued = () => {
  const issued = new Map<string, Caller>()
  let current: Caller | undefined
  const service: Keys["Service"] = {
    of: (policy) => {
      const callers = callersOf(policy)
      const find = namesOf(policy)
      return (secret) => {
        const declared = current === undefined ? undefined : callers.get(current.key)
        if (current === undefined || JSON.stringify(declared ?? (callers.size === 0 ? local : undefined)) === JSON.stringify(current))
          return find(secret)
        // The same caller is the same object, as it is where keys are issued.
        const text = JSON.stringify(current)
        if (!issued.has(text)) issued.set(text, current)
        return issued.get(text)
      }
    }
  }
  return { service, issue: (caller: Caller | undefined) => void (current = caller) }
}

const namesOf = Context.get(Effect.runSync(Effect.scoped(Layer.build(Keys.layerNames))), Keys).of

export interface Sent {
  readonly target: string
  readonly credential: string | undefined
  readonly commitBy: number
  readonly startedAt: number
}

/** What was seen of one call. */
export interface Seen {
  readonly sent: ReadonlyArray<Sent>
  readonly records: ReadonlyArray<CallRecord>
  /** What shadows have made of it: the record of each copy, and what it has sent. */
  readonly copies: ReadonlyArray<{ readonly record: CallRecord; readonly sent: ReadonlyArray<Sent> }>
  readonly told: Told
  readonly endedAt: number
}

/** Services that stay while policies come and go. */
export interface Surroundings {
  readonly clock: ManualClock
  readonly health: Health["Service"]
  readonly ledger: Ledger["Service"]
  readonly link: (compiled: Compiled) => Pipeline
  /** How much is under way: fibres that have begun and not ended, alarms that are set, attempts that hold a connection. */
  readonly open: () => { readonly fibres: number; readonly alarms: number; readonly connections: number }
  /**
   * Runs one call to its end, or until its caller goes away after so many milliseconds, and its copies to theirs. `play` says what the n-th attempt meets, of the call and of each
   * copy.
   */
  readonly call: (pipeline: Pipeline, facts: FactValues, play: (n: number) => Play, goneAfter?: number) => Seen
}

const scriptedFailure = (play: Play, failure: FailureClass | undefined, expired: boolean): Failure | undefined => {
  if (expired) return { class: "timeout", message: "nothing was committed before the deadline" }
  if (failure === undefined) return undefined
  return {
    class: failure,
    message: "as written",
    ...(play.status === undefined ? {} : { status: play.status }),
    ...(play.code === undefined ? {} : { code: play.code }),
    ...(play.retryAfterMillis === undefined ? {} : { retryAfterMillis: play.retryAfterMillis }),
    ...(play.endsCredential === true ? { endsCredential: true } : {})
  }
}

/** An answer as the engine's own conditions read it. */
const answerFacts = (answer: FactValues): AnswerFacts => ({
  stop: answer["answer.stop"] as AnswerFacts["stop"],
  outputTokens: answer["answer.outputTokens"] as number | null,
  characters: answer["answer.characters"] as number,
  toolCalls: answer["answer.toolCalls"] as number,
  refused: answer["answer.refused"] as boolean,
  isJson: answer["answer.isJson"] as boolean
})

export const surroundings = (): Surroundings => {
  const clock = new ManualClock()
  const keys = keysWithIssued()
  const tasks: Array<() => void> = []
  const scheduler: Scheduler.Scheduler = {
    executionMode: "async",
    shouldYield: () => false,
    makeDispatcher: () => ({ scheduleTask: (task) => void tasks.push(task), flush: () => {} })
  }
  let [fibres, connections] = [0, 0]
  const outside = Context.make(Clock.Clock, clock).pipe(
    Context.add(Scheduler.Scheduler, scheduler),
    Context.add(Metric.FiberRuntimeMetrics, {
      recordFiberStart: () => void fibres++,
      recordFiberEnd: () => void fibres--
    }),
    Context.add(Logger.CurrentLoggers, new Set())
  )
  let play: (n: number) => Play = unused
  /** By the call or copy that they are made for. */
  let sent = new Map<string, Array<Sent>>()
  let records: Array<CallRecord> = []

  const attempt = Layer.succeed(Attempt, {
    run: (call, target, { accepts, claim, commitBy }, account) =>
      Effect.callback<Outcome>((resume) => {
        const startedAt = clock.millis
        const own = sent.get(call.id) ?? []
        sent.set(call.id, own)
        const written = play(own.length)
        own.push({ target: target.name, credential: account.name, commitBy, startedAt })
        connections++
        const coming = attemptUnder(written, startedAt, commitBy, accepts !== undefined)
        const over = ({ committed, expired, failure }: Ended): void => {
          connections--
          if (committed) call.incoming.reply.end(failure === undefined ? "answer" : "cut")
          const isWhole = committed || failure === "escalated"
          resume(
            Effect.succeed<Outcome>({
              failure: scriptedFailure(written, failure, expired),
              committed,
              status: isWhole ? 200 : expired ? undefined : written.status,
              // Whoever gives an attempt up does not learn what it has cost.
              usage: expired ? undefined : written.usage,
              firstTokenAt: isWhole && call.ask.stream ? startedAt + written.commitsAfter! : undefined,
              losses: [],
              unbilled: written.unbilled === true && !expired,
              pauseMillis: expired ? undefined : written.pauseMillis
            })
          )
        }
        let cancel =
          coming.committedAt === undefined
            ? clock.at(coming.endedAt, () => over(coming))
            : clock.at(coming.committedAt, () => {
                if (accepts?.(answerFacts(answerOf(written))) === false) return over({ ...coming, failure: "escalated", committed: false })
                if (claim?.() === false) throw new Error("one that has lost is stopped")
                call.incoming.reply.begin(200, decisionHeaders(call, target))
                cancel = clock.at(coming.endedAt, () => over(coming))
              })
        return Effect.sync(() => {
          connections--
          cancel()
        })
      })
  })
  const layer = Layer.mergeAll(
    attempt,
    Health.layer(),
    Slots.layer,
    Layer.succeed(Keys, keys.service),
    Ledger.layerMemory,
    Recorder.layerOf((record) => void records.push(record))
  )
  // Never closed: a ledger at its end turns everybody away.
  const context = Effect.runSync(Layer.buildWithScope(layer, Scope.makeUnsafe()).pipe(Effect.provideService(Clock.Clock, clock)))
  const ledger = Context.get(context, Ledger)
  Effect.runSync(ledger.open)
  return {
    clock,
    health: Context.get(context, Health),
    ledger,
    open: () => ({ fibres, alarms: clock.pending, connections }),
    link: (compiled) => Effect.runSync(make(compiled).pipe(Effect.provideContext(context), Effect.provideService(Clock.Clock, clock))),
    call: (pipeline, facts, script, goneAfter) => {
      keys.issue(facts["caller.key"] === undefined ? undefined : callerOf(facts))
      play = script
      sent = new Map()
      records = []
      const told = nobodyTold()
      const fiber = Effect.runForkWith(outside)(pipeline.run(incomingOf(facts, told)))
      const stay = goneAfter === undefined ? undefined : clock.at(clock.millis + goneAfter, () => fiber.interruptUnsafe())
      const run = (): void => {
        for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) task()
      }
      do run()
      while (fiber.pollUnsafe() === undefined && clock.advance())
      const exit = fiber.pollUnsafe()
      if (exit === undefined) throw new Error("the call has not come to its end")
      if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause))
        throw new Error(`the pipeline has failed: ${Cause.pretty(exit.cause)}`)
      const endedAt = clock.millis
      stay?.()
      do run()
      while (pipeline.copies() > 0 && clock.advance())
      if (clock.advance()) throw new Error("something is left to happen after the end of the call")
      const isOwn = ({ call }: CallRecord): boolean => call?.shadowOf === undefined
      const copies = records
        .filter((record) => !isOwn(record))
        .map((record) => ({ record, sent: sent.get(record.id) ?? [] }))
        .toSorted((a, b) => (a.record.id < b.record.id ? -1 : 1))
      const own = records.filter(isOwn)
      return { sent: sent.get(own[0]?.id ?? "") ?? [], records: own, copies, told, endedAt }
    }
  }
}

/** An error in short. */
const spoken = ({
  code,
  retryAfterMillis,
  status
}: {
  readonly status: number
  readonly code: string
  readonly retryAfterMillis?: number | undefined
}) => `${status} ${code}${retryAfterMillis === undefined ? "" : ` after ${retryAfterMillis}`}`

/** Spend and what is held of it, of every account of a caller, at a time. */
export const balancesOf = (ledger: Ledger["Service"], bindings: ReadonlyArray<Binding>, time: number) =>
  bindings.map((binding) => {
    const { reservedNanoDollars, spentNanoDollars } = ledger.balance(binding, time)
    return { budget: binding.budget, scope: binding.scope, reservedNanoDollars, spentNanoDollars }
  })

/** What is agreed on of a call and of a copy alike. */
const courseOf = ({ call, ending, error, served, status }: CallRecord, sent: ReadonlyArray<Sent>) => ({
  tried: call?.attempts.map(({ account, committed, estimated, failure, nanoDollars, reservedNanoDollars, target, why }, i) => ({
    target: target.name,
    credential: account.name,
    commitBy: sent[i]?.commitBy,
    startedAt: sent[i]?.startedAt,
    failure: failure?.class,
    committed,
    why,
    nanoDollars,
    reservedNanoDollars,
    estimated
  })),
  refused: call?.rejections.map(({ by, target }) => ({ target, by })),
  refusals: call?.rejections.map((rejection) => spoken(rejection.error)),
  ending,
  status,
  code: error?.code,
  retryAfterMillis: error?.retryAfterMillis,
  served: served?.name
})

/** What two accounts of a call must agree on: what was tried and refused in which order, how it ended, and the same of its copies. */
export const account = ({ copies, endedAt, records, sent, told }: Seen) => {
  if (records.length !== 1) throw new Error(`${records.length} records of one call`)
  const { call } = records[0]!
  return {
    summary: call === undefined ? undefined : summary(call.compiled, call.decision),
    ...courseOf(records[0]!, sent),
    answered: told.heads.map((head) => head.status),
    ends: told.ends,
    begun: Number(told.heads[0]?.headers["x-turnout-attempts"]),
    endedAt,
    copies: copies.map(({ record, sent }) => ({ id: record.id, ...courseOf(record, sent) }))
  }
}

const carriedCourse = (course: Course): ReturnType<typeof courseOf> => ({
  tried: course.tried.map((one) => ({
    target: one.target,
    credential: one.credential,
    commitBy: one.commitBy,
    startedAt: one.startedAt,
    failure: one.failure,
    committed: one.committed,
    why: one.why,
    nanoDollars: one.nanoDollars,
    reservedNanoDollars: one.reservedNanoDollars,
    estimated: one.estimated
  })),
  refused: course.refused.map(({ by, target }) => ({ target, by })),
  refusals: course.refused.map(({ error }) => spoken(error)),
  ending: course.ending,
  status: course.status,
  code: course.error?.code,
  retryAfterMillis: course.error?.retryAfterMillis,
  served: course.served
})

/** The same of a call that the reference has carried out. */
export const accountOf = (carried: Carried): ReturnType<typeof account> => ({
  summary: carried.decided.summary,
  ...carriedCourse(carried),
  // The caller gets exactly one head and one end, of an answer or of an error.
  answered: [carried.status],
  ends: 1,
  begun: carried.begun,
  endedAt: carried.endedAt,
  copies: carried.copies.map((course) => ({ id: course.id, ...carriedCourse(course) }))
})
