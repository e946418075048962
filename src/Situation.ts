/**
 * A call and what surrounds it, as far as rules look at them: what a case of `turnout test` sets up, and what the checker gives as a witness.
 *
 * Everything is optional. What is not said is what an ordinary call has: one short message from the first caller, on a quiet Monday morning, with nothing spent and every
 * target up.
 *
 * `situate` makes of it what the pipeline is given. The request is a body in a real dialect, read by the parser that reads live ones; only what no body can say (a text of
 * no length with tools, a gigabyte) is put over what the parser found. So a case holds for the request that its author would paste, and for every fact that rules can read:
 * reading the facts of the call gives back what the situation says. A condition on a fact that cannot be said here would be one that no case can test.
 *
 * Runs in tests and tools, never for a call that is served.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Incoming } from "./Call.ts"
import { fallbackApi } from "./Apis.ts"
import { standingOver } from "./Budgets.ts"
import type { Compiled } from "./Compile.ts"
import { type FactSource, unmeasured } from "./Facts.ts"
import { type Path, shown } from "./Finding.ts"
import { type Caller, callersOf, type Find, local } from "./Keys.ts"
import { budgetsOf } from "./Layers.ts"
import type { Binding } from "./Ledger.ts"
import { Capability } from "./Policy.ts"
import type { Reply } from "./Reply.ts"
import { parseTime, type Problem, unknownName } from "./Simulate.ts"
import { momentOf } from "./situation/Moment.ts"
import { write } from "./situation/Request.ts"
import { type Weekday, weekdays } from "./ZonedClock.ts"

/** What is asked. */
export interface SituationRequest {
  /** The first target that the caller may use, where absent. */
  readonly model?: string
  readonly id?: string
  readonly api?: string
  readonly stream?: boolean
  /** The estimate that conditions read: the text is made as long as that. */
  readonly inputTokens?: number
  readonly maxOutputTokens?: number
  readonly messages?: number
  readonly needs?: ReadonlyArray<Capability>
  readonly metadata?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

/** A caller whose key the policy does not name, as keys that were issued since have. */
export interface SituationCaller {
  readonly class: string
  /** `issued` where absent. */
  readonly key?: string
  readonly team?: string
  readonly organisation?: string
  readonly tags?: ReadonlyArray<string>
}

export interface Situation {
  readonly request?: SituationRequest
  /** A key of the policy, or somebody described. */
  readonly as?: string | SituationCaller
  /** The clock: an instant (`2026-03-02T09:00:00Z`), or an hour and a weekday in the policy's zone. */
  readonly at?: string | { readonly weekday?: Weekday; readonly hour?: number }
  /** What the caller has spent of a budget, in dollars or as a ratio of its limit. */
  readonly budgets?: Readonly<Record<string, { readonly spent: number } | { readonly usedRatio: number }>>
  readonly health?: Readonly<Record<string, { readonly up?: boolean; readonly latencyMillis?: number }>>
}

const optional = Schema.optionalKey
const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0, { expected: "a whole number of 0 or more" }))
const Texts = Schema.Record(Schema.String, Schema.String)

const RequestSchema = Schema.Struct({
  model: optional(Schema.NonEmptyString),
  id: optional(Schema.String),
  api: optional(Schema.String),
  stream: optional(Schema.Boolean),
  inputTokens: optional(Count.check(Schema.isLessThanOrEqualTo(2 ** 50, { expected: "at most 2^50 tokens" }))),
  maxOutputTokens: optional(Schema.Finite),
  messages: optional(Count),
  needs: optional(Schema.Array(Capability)),
  metadata: optional(Texts),
  headers: optional(Texts)
})

const CallerSchema = Schema.Struct({
  class: Schema.NonEmptyString,
  key: optional(Schema.NonEmptyString),
  team: optional(Schema.String),
  organisation: optional(Schema.String),
  tags: optional(Schema.Array(Schema.String))
})

/** More would not be counted exactly. */
const Spent = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 9_007_199 }, { expected: "dollars, from 0 to 9,007,199" }))

/** The form of a situation; whether its names are those of a policy is asked by `situate`. */
export const Situation = Schema.Struct({
  request: optional(RequestSchema),
  as: optional(Schema.Union([Schema.NonEmptyString, CallerSchema])),
  at: optional(
    Schema.Union([
      Schema.String,
      Schema.Struct({
        weekday: optional(Schema.Literals(weekdays)),
        hour: optional(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 23 }, { expected: "an hour from 0 to 23" })))
      })
    ])
  ),
  budgets: optional(
    Schema.Record(
      Schema.String,
      Schema.Union([
        Schema.Struct({ spent: Spent }),
        Schema.Struct({
          usedRatio: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1_000 }, { expected: "a ratio of 0 or more" }))
        })
      ])
    )
  ),
  health: optional(
    Schema.Record(
      Schema.String,
      Schema.Struct({
        up: optional(Schema.Boolean),
        latencyMillis: optional(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0, { expected: "milliseconds, 0 or more" })))
      })
    )
  )
})

/** A situation under one policy, ready for its pipeline. */
export interface Situated {
  readonly caller: Caller
  /** The key of the call is the caller's name. */
  readonly find: Find
  readonly incoming: (reply: Reply) => Incoming
  /** Unix time in milliseconds at which the call comes. */
  readonly time: number
  /** What is spent on the caller's accounts before it comes. */
  readonly spent: ReadonlyArray<{ readonly binding: Binding; readonly nanoDollars: number }>
  /** Deployments whose breakers are open, by their identity under each credential. */
  readonly down: ReadonlySet<string>
  /** Deployments of which something has been measured, by their identity. */
  readonly latencies: ReadonlyMap<string, number>
  /** What rules read when the call is decided. */
  readonly source: FactSource
  /** The body of the request. */
  readonly body: string
  /** What the situation says to no effect. */
  readonly notes: ReadonlyArray<string>
}

/** The least amount whose ratio is what was said, or the first beyond it: what is said to be used is used. */
const amountOf = (limitNanoDollars: number, said: { readonly spent: number } | { readonly usedRatio: number }): number => {
  if ("spent" in said) return Math.round(said.spent * 1e9)
  const nearest = Math.round(said.usedRatio * limitNanoDollars)
  return nearest / limitNanoDollars < said.usedRatio ? nearest + 1 : nearest
}

/** What the pipeline of `compiled` is given in `situation`, or every name in it that the policy does not have. */
export const situate = (compiled: Compiled, situation: Situation): Result.Result<Situated, ReadonlyArray<Problem>> => {
  const { policy } = compiled
  const problems: Array<Problem> = []
  const problem = (path: Path, message: string): void => void problems.push({ path, message })
  const { request = {} } = situation

  const callers = callersOf(policy)
  const callerOf = (): Caller => {
    const { as } = situation
    if (as === undefined) return callers.values().next().value ?? local
    if (typeof as === "string") {
      const known = callers.get(as) ?? (callers.size === 0 && as === local.key ? local : undefined)
      if (known === undefined)
        problem(["as"], callers.size === 0 ? "the policy has no keys, so every caller is `local`" : unknownName("key", as, callers.keys()))
      return known ?? local
    }
    const classes = [...Object.keys(policy.classes), ...(callers.size === 0 ? [local.class] : [])]
    if (!classes.includes(as.class)) problem(["as", "class"], unknownName("class", as.class, classes))
    const { key = "issued", organisation = null, tags = [], team = null } = as
    if (callers.has(key)) problem(["as", "key"], `the policy has a key \`${key}\`: name it alone, \`as: ${JSON.stringify(key)}\``)
    for (const [i, tag] of tags.entries()) if (!policy.tags.includes(tag)) problem(["as", "tags", i], unknownName("tag", tag, policy.tags))
    return { key, class: as.class, team, organisation, tags }
  }
  const caller = callerOf()

  for (const name of Object.keys(request.metadata ?? {}))
    if (!policy.metadata.includes(name)) problem(["request", "metadata", name], unknownName("metadata", name, policy.metadata))
  const headers = new Map(Object.entries(request.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]))
  for (const name of headers.keys())
    if (!policy.headers.includes(name)) problem(["request", "headers", name], unknownName("header", name, policy.headers))

  const timeOf = (): number => {
    const { at } = situation
    if (typeof at !== "string") return momentOf(policy.zone, at)
    const micros = parseTime(at.length === 10 ? `${at}T00:00:00Z` : at)
    if (micros === undefined) problem(["at"], `expected a time such as "2026-03-02T09:00:00Z", but found ${shown(at)}`)
    return Math.floor((micros ?? 0) / 1_000)
  }
  const time = timeOf()

  const budgets = budgetsOf(policy)
  const bindings = compiled.budgets.of(caller)
  const spent: Array<{ readonly binding: Binding; readonly nanoDollars: number }> = []
  const notes: Array<string> = []
  for (const [name, said] of Object.entries(situation.budgets ?? {})) {
    const binding = bindings.find((one) => one.budget === name)
    if (budgets[name] === undefined) problem(["budgets", name], unknownName("budget", name, Object.keys(budgets)))
    else if (binding === undefined) notes.push(`budget \`${name}\` does not bind \`${caller.key}\`, so that nothing of it is spent`)
    else spent.push({ binding, nanoDollars: amountOf(binding.limitNanoDollars, said) })
  }

  const down = new Set<string>()
  const latencies = new Map<string, number>()
  const said = new Map<string, readonly [target: string, text: string]>()
  for (const [name, health] of Object.entries(situation.health ?? {})) {
    const target = compiled.targets.get(name)
    if (target === undefined) {
      problem(["health", name], unknownName("target", name, compiled.targets.keys()))
      continue
    }
    const { latencyMillis, up = true } = health
    const [other, text] = said.get(target.identity) ?? [name, JSON.stringify([up, latencyMillis])]
    if (text !== JSON.stringify([up, latencyMillis]))
      problem(["health", name], `\`${other}\` and \`${name}\` are one deployment, so that their health is one`)
    said.set(target.identity, [other, text])
    if (!up) for (const { identity } of target.accounts) down.add(identity)
    if (latencyMillis !== undefined) latencies.set(target.identity, latencyMillis)
  }

  // Targets that share a deployment and a key go down together.
  for (const [name, { up }] of Object.entries(situation.health ?? {})) {
    const target = compiled.targets.get(name)
    if (up !== true || target === undefined || target.accounts.some(({ identity }) => !down.has(identity))) continue
    const other = [...compiled.targets.values()].find(
      (one) => situation.health![one.name]?.up === false && one.accounts.some(({ identity }) => identity === target.accounts[0].identity)
    )
    problem(["health", name], `\`${other?.name ?? name}\` is down, and with it every key of \`${name}\``)
  }

  if (problems.length > 0) return Result.fail(problems)

  const grant = compiled.grants(caller.class)
  const first = [...compiled.targets.values()].find((target) => grant(target) === undefined) ?? compiled.targets.values().next().value
  const api = request.api ?? fallbackApi.name
  const id = request.id ?? "test"
  const { body, parsed } = write(request, request.model ?? first?.name ?? "any", (name) => headers.get(name) ?? null)
  const healthOf: FactSource["health"] = (name) => {
    const { accounts, identity } = compiled.targets.get(name)!
    return {
      up: accounts.some((account) => !down.has(account.identity)),
      latencyMillis: latencies.get(identity) ?? unmeasured.latencyMillis
    }
  }
  const standing = standingOver(compiled.budgets, ({ budget }) => spent.find(({ binding }) => binding.budget === budget)?.nanoDollars ?? 0)
  return Result.succeed({
    caller,
    find: (secret) => (secret === caller.key ? caller : undefined),
    incoming: (reply) => ({ id, api: { ...fallbackApi, name: api }, secret: caller.key, parse: () => parsed, reply }),
    time,
    spent,
    down,
    latencies,
    source: { id, api, ask: parsed.ask, caller, time, standing, health: healthOf },
    body,
    notes
  })
}
