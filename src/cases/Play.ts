/**
 * One case over the pipeline that serves live calls: its breakers and its ledger as the case says, attempts by its script, in virtual time.
 *
 * Nothing of routing, failover, budgets or breakers is done again here, so that a case holds of what serves. A call that does not end, or in which something of ours
 * throws, is a `CaseBroken`.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import type { Call, Why } from "../Call.ts"
import type { Compiled, Plan } from "../Compile.ts"
import { summary } from "../Decision.ts"
import { explain } from "../Explain.ts"
import { Health } from "../Health.ts"
import { Keys } from "../Keys.ts"
import { Ledger } from "../Ledger.ts"
import * as Pipeline from "../Pipeline.ts"
import { type CallRecord, Recorder } from "../Recorder.ts"
import { silent } from "../Reply.ts"
import type { Situated } from "../Situation.ts"
import { Slots } from "../Slots.ts"
import * as VirtualTime from "../VirtualTime.ts"
import type { Case, RejectedBy } from "./Form.ts"
import { scripted, type Sent } from "./Script.ts"

/** What became of a call. */
export interface Seen {
  /** Null where the call was refused before it was decided. */
  readonly route: string | null
  readonly decision: string | null
  /** The arms to which it was assigned, the outermost first. */
  readonly arms: ReadonlyArray<string>
  readonly tried: ReadonlyArray<string>
  readonly served: string | null
  readonly status: number
  readonly code: string | null
  readonly rejected: Readonly<Record<string, RejectedBy>>
  readonly record: CallRecord
  readonly sent: ReadonlyArray<Sent>
  /** What became of the copies that shadows have made of it. */
  readonly copies: ReadonlyArray<CallRecord>
}

/** A case could not be carried out; a defect of the program, never of the case. */
export class CaseBroken extends Error {
  override readonly name = "CaseBroken"
}

/** Failures that open any breaker. */
const maxFailures = 1_000
/** Timers of one call. */
const maxSteps = 1_000_000

/** The health of deployments before the call: what is down has failed until its breaker opened, and what is estimated was measured once, just now. */
const healthAs = ({ down, latencies }: Situated) =>
  Layer.effect(
    Health,
    Effect.gen(function* () {
      const health = yield* Health
      const clock = yield* Clock.Clock
      const now = Number(clock.monotonicTimeNanosUnsafe()) / 1e6
      for (const identity of down)
        for (let i = 0; i < maxFailures && health.shut(identity, now) === undefined; i++) health.report(identity, "bad", now)
      for (const [identity, millis] of latencies) {
        const gauge = health.begin(identity)
        health.measure(gauge, millis, now)
        health.end(gauge)
      }
      return health
    })
  ).pipe(Layer.provide(Health.layer()))

/** Books what is spent already; a settlement beyond its reservation is booked in full. */
const spend = (ledger: Ledger["Service"], { spent, time }: Situated): Effect.Effect<void> =>
  Effect.forEach(
    spent,
    ({ binding, nanoDollars }) =>
      Effect.map(ledger.reserve([binding], 0, time), (held) => {
        if (held._tag !== "Reservation") throw new CaseBroken(`nothing can be booked on budget \`${binding.budget}\``)
        ledger.settle(held, nanoDollars)
      }),
    { discard: true }
  )

/** The arms that the decision has assigned, the outermost first. */
const armsIn = (plan: Plan, slots: ReadonlyArray<number>): ReadonlyArray<string> => {
  switch (plan._tag) {
    case "Split": {
      const arm = plan.arms[slots[plan.slot]!]
      return arm === undefined ? [] : [arm.name, ...armsIn(arm.plan, slots)]
    }
    case "When":
      return slots[plan.slot] === -1 ? [] : armsIn(slots[plan.slot] === 1 ? plan.then : plan.otherwise, slots)
    case "First":
      return plan.of.flatMap((part) => armsIn(part, slots))
    case "Hedge":
      return [...armsIn(plan.of, slots), ...armsIn(plan.with, slots)]
    case "Escalate":
      return [...armsIn(plan.of, slots), ...armsIn(plan.to, slots)]
    case "Shadow":
    case "Within":
    case "Retry":
      return armsIn(plan.of, slots)
    default:
      return []
  }
}

const rejectionsOf = (call: Call | undefined): Seen["rejected"] => {
  const rejected: Record<string, RejectedBy> = Object.create(null) as Record<string, RejectedBy>
  // Of several causes the first stands: a retry meets the same again.
  for (const { by, target } of call?.rejections ?? []) rejected[target] ??= by
  return rejected
}

/** Carries one call out, to its record. */
export const play = (compiled: Compiled, situated: Situated, script: Pick<Case, "answers" | "fails" | "takes"> = {}): Seen => {
  let logged: string | undefined
  const logger = Logger.make<unknown, void>(({ cause, logLevel, message }) => {
    if (logLevel !== "Error" && logLevel !== "Fatal") return
    const said = (Array.isArray(message) ? message : [message]).map(String).join(" ")
    logged ??= cause.reasons.length === 0 ? said : `${said}: ${Cause.pretty(cause)}`
  })
  const time = VirtualTime.make(situated.time, Context.make(Logger.CurrentLoggers, new Set([logger])))
  const sent: Array<Sent> = []
  let record: CallRecord | undefined
  const copies: Array<CallRecord> = []
  let linked: Pipeline.Pipeline | undefined
  const services = Layer.mergeAll(
    scripted(script, (one) => void sent.push(one)),
    healthAs(situated),
    Ledger.layerMemory,
    Slots.layer,
    Layer.succeed(Keys, { of: () => situated.find }),
    Recorder.layerOf((written) => {
      if (written.call?.shadowOf === undefined) record = written
      else copies.push(written)
    })
  )
  const fiber = time.fork(
    Effect.flatMap(Layer.buildWithScope(services, Scope.makeUnsafe()), (context) => {
      const ledger = Context.get(context, Ledger)
      return Effect.andThen(
        Effect.andThen(ledger.open, spend(ledger, situated)),
        Effect.flatMap(Pipeline.make(compiled), (pipeline) => {
          linked = pipeline
          return pipeline.run(situated.incoming(silent()))
        })
      ).pipe(Effect.provideContext(context))
    })
  )
  const underway = (): boolean => linked !== undefined && linked.copies() > 0
  time.run({ steps: maxSteps, enough: () => (record !== undefined || fiber.pollUnsafe() !== undefined) && !underway() })
  const exit = fiber.pollUnsafe()
  if (record === undefined) {
    const why = exit?._tag === "Failure" ? Cause.pretty(exit.cause) : "it waits for something that never comes"
    throw new CaseBroken(`the call has not ended: ${why}`)
  }
  if (underway()) throw new CaseBroken("a copy of the call has not ended: it waits for something that never comes")
  if (logged !== undefined) throw new CaseBroken(logged)
  const { call, error, served, status } = record
  return {
    route: call === undefined ? null : compiled.routes[call.decision.route]!.name,
    decision: call === undefined ? null : summary(compiled, call.decision),
    arms: call === undefined ? [] : armsIn(compiled.routes[call.decision.route]!.plan, call.decision.slots),
    tried: sent.map(({ target }) => target.name),
    served: served?.name ?? null,
    status,
    code: error?.code ?? null,
    rejected: rejectionsOf(call),
    record,
    sent,
    copies
  }
}

const millis = (value: number): string => `${Math.round(value * 100) / 100} ms`

/** What came of a copy, by the clock of its own. */
const copyLines = ({ call, ending, error }: CallRecord): ReadonlyArray<string> => [
  ...(call?.attempts ?? []).map(
    ({ endedMillis, failure, startedMillis, target }) =>
      `  ${target.name}: ${failure?.class ?? "served"}, from ${millis(startedMillis)} to ${millis(endedMillis)}`
  ),
  ...(call?.rejections ?? []).map(({ by, error: { message }, target }) => `  ${target}, not tried, by ${by}: ${message}`),
  `  ${ending}${error === undefined ? "" : `, ${error.code}: ${error.message}`}`
]

/** Why an attempt was made, where that does not go without saying. */
const whys: Readonly<Record<Why, string>> = {
  first: "",
  failover: "",
  retry: ", tried again",
  credential: ", with its next key",
  hedge: ", as a hedge",
  escalation: ", for a better answer",
  probe: ", as a probe"
}

/** The decision step by step, then what was tried and what was not, then how it ended. */
export const trace = (compiled: Compiled, { body, notes, source }: Situated, { copies, record, sent }: Seen): ReadonlyArray<string> => {
  const explained = explain(compiled, source)
  const end = explained.indexOf("order of a call:")
  const { call, error } = record
  const left = [...(call?.attempts ?? [])]
  const attempts = sent.map(({ startedMillis, target }) => {
    const at = left.findIndex((attempted) => attempted.target === target && attempted.startedMillis === startedMillis)
    const [attempted] = at === -1 ? [] : left.splice(at, 1)
    const outcome =
      attempted === undefined
        ? "given up"
        : `${attempted.failure?.class ?? "served"}${attempted.failure !== undefined && attempted.committed ? " after a part of the answer" : ""}`
    const key = target.accounts.length > 1 && attempted?.account.name !== undefined ? ` with ${attempted.account.name}` : ""
    const why = attempted === undefined ? "" : whys[attempted.why]
    return `  ${target.name}${key}: ${outcome}, from ${millis(startedMillis)} to ${attempted === undefined ? "the end" : millis(attempted.endedMillis)}${why}`
  })
  return [
    ...notes.map((note) => `note: ${note}`),
    `request   ${body.length > 300 ? `${body.slice(0, 297)}...` : body}`,
    ...(end === -1 ? explained : explained.slice(0, end - 1)),
    "",
    "attempts, in the order in which they began:",
    ...(attempts.length === 0 ? ["  none"] : attempts),
    ...(call === undefined || call.rejections.length === 0
      ? []
      : ["not tried:", ...call.rejections.map(({ by, error: { message }, target }) => `  ${target}, by ${by}: ${message}`)]),
    `ended     ${record.ending}, ${record.status}${error === undefined ? "" : ` ${error.code}: ${error.message}`}`,
    ...copies.flatMap((copy) => ["a copy, of which its caller sees nothing:", ...copyLines(copy)])
  ]
}
