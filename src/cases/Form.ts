/**
 * What a file of cases holds, and how it is read: written out into single cases (`WriteOut.ts`), decoded, and held against the policy.
 *
 * Everything is plain data and decoded strictly, after it was written out, so that a misspelt word is found wherever it stands. Names that the policy does not have are
 * found here too: an expectation of a route that does not exist could never be met, and a failure of a target that does not would never come.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { stopReasons } from "../AnswerFacts.ts"
import type { Compiled, Plan } from "../Compile.ts"
import type { StopReason } from "../Conversation.ts"
import { type Path, shown } from "../Finding.ts"
import { FailureClass } from "../Failure.ts"
import { Duration, type Duration as DurationText } from "../Policy.ts"
import { type Problem, problemsOf, unknownName } from "../Simulate.ts"
import { Situation, situate, type SituationCaller, type SituationRequest } from "../Situation.ts"
import { didYouMean } from "../Suggest.ts"
import { isObject, writtenOut } from "./WriteOut.ts"

/** How an attempt ends. `committed`: after a part of the answer has reached the caller. */
export type Ending =
  | FailureClass
  | "served"
  | { readonly class: FailureClass; readonly committed?: boolean; readonly retryAfter?: DurationText }

/** What the answers of a target are like, for `escalate`. What is not stated is as of a short text that has ended by itself. */
export interface AnswersLike {
  readonly stop?: StopReason
  readonly outputTokens?: number
  /** Four for each token unless said. */
  readonly characters?: number
  readonly toolCalls?: number
  readonly refused?: boolean
  /** As the request asks unless said. */
  readonly isJson?: boolean
}

/** What keeps a candidate from being tried. */
export const RejectedBy = Schema.Literals([
  "breaker",
  "budget",
  "ledger",
  "deadline",
  "effort",
  "grant",
  "guard",
  "capability",
  "unknown-model",
  "ambiguous-model",
  "busy",
  "translation"
])
export type RejectedBy = typeof RejectedBy.Type

/** What must have become of the call. What is not stated is not compared. */
export interface Expectation {
  /** The route that was chosen. */
  readonly route?: string
  /** The decision in one line, as `x-turnout-decision` shows it: `chat/split.next`. */
  readonly decision?: string
  /** The arm to which the call was assigned; where it was to several, all of them, the outermost first. */
  readonly arm?: string | ReadonlyArray<string>
  /** The targets that were tried, all of them, in the order in which attempts began. */
  readonly tried?: ReadonlyArray<string>
  /** The target whose answer the caller got; null where it got none. */
  readonly served?: string | null
  readonly status?: number
  /** The code of the error; null where there is none. */
  readonly code?: string | null
  /** The candidates that were not tried and what kept each out, all of them. */
  readonly rejected?: Readonly<Record<string, RejectedBy>>
}

/** One call, how providers behave, and what must become of it. */
export interface Case {
  readonly name: string
  readonly when?: Situation
  /** How attempts on a target end: always so, or in turn, where the last goes on. Targets that are not named serve. */
  readonly fails?: Readonly<Record<string, Ending | ReadonlyArray<Ending>>>
  /** How long a target takes to its first content or its failure; no time where it is not named. */
  readonly takes?: Readonly<Record<string, DurationText>>
  /** What a target answers, where it does. */
  readonly answers?: Readonly<Record<string, AnswersLike>>
  readonly expect: Expectation
}

/** A value, or each of several. */
export type Each<A> = A | ReadonlyArray<A>

type EachOf<A> = { readonly [F in keyof A]: Each<A[F]> }

/** A case for every combination of what has several values; they all expect the same. */
export interface Matrix {
  readonly name: string
  readonly when: {
    readonly request?: EachOf<Omit<SituationRequest, "metadata" | "headers">> & {
      readonly metadata?: Readonly<Record<string, Each<string>>>
      readonly headers?: Readonly<Record<string, Each<string>>>
    }
    readonly as?: Each<string | SituationCaller>
    readonly at?: Each<NonNullable<Situation["at"]>>
    readonly budgets?: { readonly [name: string]: Each<NonNullable<Situation["budgets"]>[string]> }
    readonly health?: { readonly [target: string]: Each<NonNullable<Situation["health"]>[string]> }
  }
  readonly fails?: Each<NonNullable<Case["fails"]>>
  readonly takes?: Case["takes"]
  readonly answers?: Case["answers"]
  readonly expect: Expectation
}

/** A place in a situation, what fails, takes how long or is answered, or what is expected. */
export type Column =
  | `request.${"model" | "id" | "api" | "stream" | "inputTokens" | "maxOutputTokens" | "messages" | "needs"}`
  | `request.${"metadata" | "headers"}.${string}`
  | "as"
  | "at"
  | `at.${"weekday" | "hour"}`
  | `budgets.${string}.${"spent" | "usedRatio"}`
  | `health.${string}.${"up" | "latencyMillis"}`
  | `fails.${string}`
  | `takes.${string}`
  | `answers.${string}`
  | `expect.${"route" | "decision" | "arm" | "tried" | "served" | "status" | "code" | "rejected"}`

type Cell = string | number | boolean | null | ReadonlyArray<unknown> | { readonly [name: string]: unknown }

/** A case for every row. */
export interface Table {
  readonly name: string
  /** What all rows share. */
  readonly when?: Situation
  readonly fails?: Case["fails"]
  readonly takes?: Case["takes"]
  readonly answers?: Case["answers"]
  readonly columns: ReadonlyArray<Column>
  /** As many cells as there are columns; `"-"` says nothing in its place. */
  readonly rows: ReadonlyArray<ReadonlyArray<Cell>>
}

/** A file of cases. */
export interface CasesSource {
  /** What all cases share, under what each says itself. */
  readonly given?: Situation
  readonly cases?: ReadonlyArray<Case>
  readonly matrices?: ReadonlyArray<Matrix>
  readonly tables?: ReadonlyArray<Table>
}

/** A case with its place in its file. */
export interface Placed {
  readonly path: Path
  readonly case: Case
}

const optional = Schema.optionalKey
const raw = Schema.Record(Schema.String, Schema.Unknown)

const EndingSchema = Schema.Union([
  Schema.Literals([...FailureClass.literals, "served"]),
  Schema.Struct({ class: FailureClass, committed: optional(Schema.Boolean), retryAfter: optional(Duration) })
])

const amount = optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)))
const AnswersSchema = Schema.Struct({
  stop: optional(Schema.Literals(stopReasons)),
  outputTokens: amount,
  characters: amount,
  toolCalls: amount,
  refused: optional(Schema.Boolean),
  isJson: optional(Schema.Boolean)
})

const ExpectationSchema = Schema.Struct({
  route: optional(Schema.String),
  decision: optional(Schema.String),
  arm: optional(Schema.Union([Schema.String, Schema.Array(Schema.String)])),
  tried: optional(Schema.Array(Schema.String)),
  served: optional(Schema.NullOr(Schema.String)),
  status: optional(Schema.Int),
  code: optional(Schema.NullOr(Schema.String)),
  rejected: optional(Schema.Record(Schema.String, RejectedBy))
})

const CaseSchema = Schema.Struct({
  name: Schema.NonEmptyString,
  when: optional(Situation),
  fails: optional(Schema.Record(Schema.String, Schema.Union([EndingSchema, Schema.NonEmptyArray(EndingSchema)]))),
  takes: optional(Schema.Record(Schema.String, Duration)),
  answers: optional(Schema.Record(Schema.String, AnswersSchema)),
  expect: ExpectationSchema
})

/** The file as it is written: situations are looked at when they have been written out. */
const FileSchema = Schema.Struct({
  given: optional(Situation),
  cases: optional(Schema.Array(Schema.Unknown)),
  matrices: optional(
    Schema.Array(
      Schema.Struct({
        name: Schema.NonEmptyString,
        when: raw,
        fails: optional(Schema.Unknown),
        takes: optional(raw),
        answers: optional(raw),
        expect: raw
      })
    )
  ),
  tables: optional(
    Schema.Array(
      Schema.Struct({
        name: Schema.NonEmptyString,
        when: optional(raw),
        fails: optional(raw),
        takes: optional(raw),
        answers: optional(raw),
        columns: Schema.NonEmptyArray(Schema.String),
        rows: Schema.NonEmptyArray(Schema.Array(Schema.Unknown))
      })
    )
  )
})

const strict = { errors: "all", onExcessProperty: "error" } as const
const decodeFile = Schema.decodeUnknownResult(FileSchema, strict)
const decodeCase = Schema.decodeUnknownResult(CaseSchema, strict)

/** A word that is none of those that may stand there, with the nearest. */
const nearer = ({ message, path }: Problem): Problem => {
  const [, words = "", found = ""] = /^expected ("[^]*"), but found `"([^]*)"`$/.exec(message) ?? []
  const hint =
    found === ""
      ? undefined
      : didYouMean(
          found,
          [...words.matchAll(/"([^"]+)"/g)].map(([, word]) => word!)
        )
  return { path, message: hint === undefined ? message : `unknown word \`${found}\`; ${hint}` }
}

/** The names of the arms of a plan. */
const armsOf = (plan: Plan): ReadonlyArray<string> => {
  switch (plan._tag) {
    case "Split":
      return plan.arms.flatMap((arm) => [arm.name, ...armsOf(arm.plan)])
    case "First":
      return plan.of.flatMap(armsOf)
    case "When":
      return [...armsOf(plan.then), ...armsOf(plan.otherwise)]
    case "Hedge":
      return [...armsOf(plan.of), ...armsOf(plan.with)]
    case "Escalate":
      return [...armsOf(plan.of), ...armsOf(plan.to)]
    case "Shadow":
      return [...armsOf(plan.of), ...armsOf(plan.copy)]
    case "Within":
    case "Retry":
      return armsOf(plan.of)
    default:
      return []
  }
}

/** Every name in a case that the policy does not have. */
const unknownNames = (compiled: Compiled, one: Case, problem: (path: Path, message: string) => void): void => {
  const { expect } = one
  const targets = [...compiled.targets.keys()]
  const target = (path: Path, name: string): void => {
    // A model of an open provider is a target once somebody asks for it.
    if (compiled.targets.has(name) || compiled.models.resolve(name)._tag === "Found") return
    problem(path, unknownName("target", name, targets))
  }
  for (const name of Object.keys(one.fails ?? {})) target(["fails", name], name)
  for (const name of Object.keys(one.takes ?? {})) target(["takes", name], name)
  for (const name of Object.keys(one.answers ?? {})) target(["answers", name], name)
  if (Object.keys(expect).length === 0) problem(["expect"], "it states nothing, so that nothing is tested")
  const routes = compiled.routes.map((route) => route.name)
  if (expect.route !== undefined && !routes.includes(expect.route)) problem(["expect", "route"], unknownName("route", expect.route, routes))
  if (expect.decision !== undefined) {
    const [route] = expect.decision.split("/") as [string]
    if (!routes.includes(route)) problem(["expect", "decision"], unknownName("route", route, routes))
  }
  const arms = [...new Set(compiled.routes.flatMap(({ plan }) => armsOf(plan)))]
  for (const arm of expect.arm === undefined ? [] : [expect.arm].flat())
    if (!arms.includes(arm)) problem(["expect", "arm"], unknownName("arm", arm, arms))
  for (const [i, name] of (expect.tried ?? []).entries()) target(["expect", "tried", i], name)
  if (typeof expect.served === "string") target(["expect", "served"], expect.served)
  // What was not tried may be a model that is nowhere.
  for (const [name, by] of Object.entries(expect.rejected ?? {}))
    if (by !== "unknown-model" && by !== "ambiguous-model") target(["expect", "rejected", name], name)
}

/** The cases of one file, written out and decoded, or everything that is wrong with it. */
export const parseCases = (json: unknown, compiled: Compiled): Result.Result<ReadonlyArray<Placed>, ReadonlyArray<Problem>> => {
  const problems = new Map<string, Problem>()
  // A matrix has the same fault in each of its cases.
  const problem = (path: Path, message: string): void => void problems.set(JSON.stringify([path, message]), { path, message })
  if (!isObject(json)) return Result.fail([{ path: [], message: `expected cases, an object, but found ${shown(json)}` }])
  const file = decodeFile(json)
  if (Result.isFailure(file)) return Result.fail(problemsOf(json, file.failure.issue).map(nearer))
  const placed: Array<Placed> = []
  for (const { json: written, path, place } of writtenOut(file.success, problem)) {
    const decoded = decodeCase(written)
    if (Result.isFailure(decoded)) {
      for (const one of problemsOf(written, decoded.failure.issue).map(nearer)) problem(place(one.path), one.message)
      continue
    }
    const one = decoded.success as Case
    unknownNames(compiled, one, (inner, message) => problem(place(inner), message))
    const situated = situate(compiled, one.when ?? {})
    if (Result.isFailure(situated)) for (const { message, path: inner } of situated.failure) problem(place(["when", ...inner]), message)
    placed.push({ path, case: one })
  }
  if (problems.size > 0) return Result.fail([...problems.values()])
  return placed.length === 0
    ? Result.fail([{ path: [], message: "there is no case in it: expected `cases`, `matrices` or `tables`" }])
    : Result.succeed(placed)
}
