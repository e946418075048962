/**
 * What a policy means: an interpreter written to be read, against which the compiled policy and the pipeline are tested.
 *
 * It follows the words of the design and shares no code with what it judges: conditions are evaluated by `json-logic-js` itself, the hash is the textbook's
 * over bytes, names are looked up by walking the rules in their order, and a call is carried out by plain recursion over the policy as it was decoded. Only the
 * registry of providers is read, because it is data. Nothing here is fast.
 */
import jsonLogic from "json-logic-js"
import type { FailureClass } from "../src/Failure.ts"
import type { Arm, Policy, Strategy } from "../src/Policy.ts"
import type { PriceSource } from "../src/Price.ts"
import { type Provider, providers } from "../src/Providers.ts"
import { type Accounts, bound, budgetFacts, callerOf, cost, pursesOf, type Usage, windowOf } from "./reference/money.ts"

export { Accounts, callerOf, pursesOf, type Usage } from "./reference/money.ts"

// Facts and conditions

export type Value = string | number | boolean | null

/** Facts by their dotted names; and what no rule can read but a reservation does: `asks.choices`, `asks.images`, `asks.audio`, `asks.files`, `asks.extras`. */
export type FactValues = Readonly<Record<string, Value>>

/** The object that JsonLogic reads: dots are levels, and nothing is inherited. */
export const nested = (facts: FactValues): object => {
  const root: Record<string, unknown> = Object.create(null)
  for (const [name, value] of Object.entries(facts)) {
    const keys = name.split(".")
    const last = keys.pop()!
    let level = root
    for (const key of keys) level = (level[key] ??= Object.create(null)) as Record<string, unknown>
    level[last] = value
  }
  return root
}

/** Whether a JsonLogic rule holds of the facts. */
export const holds = (rule: unknown, facts: FactValues): boolean => {
  const answer: unknown = jsonLogic.apply(rule as jsonLogic.RulesLogic, nested(facts))
  return jsonLogic.truthy(answer)
}

// Splits

/** MurmurHash3 x86_32 as the textbook has it: whole blocks of four bytes, then the tail, then the finish. */
export const murmur3Bytes = (bytes: Uint8Array, seed = 0): number => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const rotate = (x: number, by: number): number => ((x << by) | (x >>> (32 - by))) >>> 0
  const scramble = (k: number): number => Math.imul(rotate(Math.imul(k, 0xcc9e2d51) >>> 0, 15), 0x1b873593) >>> 0
  const blocks = Math.floor(bytes.length / 4)
  let h = seed >>> 0
  for (let i = 0; i < blocks; i++) {
    h = rotate((h ^ scramble(view.getUint32(i * 4, true))) >>> 0, 13)
    h = (Math.imul(h, 5) + 0xe6546b64) >>> 0
  }
  const tail = bytes.subarray(blocks * 4)
  let k = 0
  for (let i = tail.length - 1; i >= 0; i--) k = ((k << 8) | tail[i]!) >>> 0
  if (tail.length > 0) h = (h ^ scramble(k)) >>> 0
  h = (h ^ bytes.length) >>> 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b) >>> 0
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) >>> 0
  return (h ^ (h >>> 16)) >>> 0
}

const utf8 = new TextEncoder()

/** `floor(hash × total / 2³²)`, of the salt, a NUL and the unit, in integers. */
export const bucket = (salt: string, unit: string, total: number): number =>
  Number((BigInt(murmur3Bytes(utf8.encode(`${salt}\0${unit}`))) * BigInt(total)) >> 32n)

const armOf = (split: Extract<Strategy, { readonly _tag: "Split" }>, facts: FactValues): Arm => {
  const total = split.arms.reduce((sum, arm) => sum + arm.weight, 0)
  let left = bucket(split.salt, String(facts[split.by.fact] ?? split.by.or), total)
  for (const arm of split.arms) {
    if (left < arm.weight) return arm
    left -= arm.weight
  }
  throw new Error("a bucket lies below the sum of the weights")
}

// Names

/** A deployment as a call reaches it. `identity` is what two targets share when they are one deployment. */
export interface Deployment {
  readonly name: string
  readonly provider: string
  readonly model: string
  readonly region: string | null
  readonly identity: string
}

const deployment = (policy: Policy, name: string, provider: string, model: string, region?: string): Deployment => {
  const spec = policy.providers[provider]!
  const registered: Provider = providers[spec.dialect]
  const address = (spec.baseUrl ?? registered.baseUrl ?? "").replace(/\/+$/, "")
  const served = region ?? spec.region ?? null
  const identity = JSON.stringify([spec.dialect, address, spec.key?.env ?? null, model, served])
  return { name, provider, model, region: served, identity }
}

const declared = (policy: Policy, name: string): Deployment => {
  const { model, provider, region } = policy.targets[name]!
  return deployment(policy, name, provider, model, region)
}

export type Asked =
  | { readonly _tag: "Found" | "NotGranted"; readonly deployment: Deployment }
  | { readonly _tag: "Ambiguous"; readonly names: ReadonlyArray<string> }
  | { readonly _tag: "Unknown" }

/** What a model that the caller names comes to: an exact target, then an alias, then `provider/model`, then a vendor's own name if unique. */
export const resolve = (policy: Policy, model: string): Asked => {
  const found = (name: string): Asked => ({ _tag: "Found", deployment: declared(policy, name) })
  const oneOf = (names: ReadonlyArray<string>): Asked => (names.length === 1 ? found(names[0]!) : { _tag: "Ambiguous", names })
  const targets = Object.entries(policy.targets)

  if (Object.hasOwn(policy.targets, model)) return found(model)

  if (Object.hasOwn(policy.aliases, model)) {
    let name = model
    while (!Object.hasOwn(policy.targets, name)) name = policy.aliases[name]!
    return found(name)
  }

  const qualified = targets.filter(([, spec]) => `${spec.provider}/${spec.model}` === model).map(([name]) => name)
  if (qualified.length > 0) return oneOf(qualified)
  const slash = model.indexOf("/")
  const provider = model.slice(0, slash)
  const rest = model.slice(slash + 1)
  const open =
    slash > 0 && rest !== "" && model.length <= 256 && Object.hasOwn(policy.providers, provider) && policy.providers[provider]!.open
  if (open) return { _tag: "Found", deployment: deployment(policy, model, provider, rest) }

  const vendors = targets.filter(([, spec]) => spec.model === model).map(([name]) => name)
  return vendors.length > 0 ? oneOf(vendors) : { _tag: "Unknown" }
}

// Grants

/**
 * Whether a class of callers may reach a deployment. Declared targets are granted by name, other models of an open provider as `provider/*`; of these only what the
 * class's providers serve in the class's regions. A class that the policy does not know is granted nothing. Nobody is restricted where there are no keys
 * and no rule for callers without one.
 */
export const granted = (policy: Policy, className: string, to: Deployment): boolean => {
  if (Object.keys(policy.keys).length === 0 && !Object.hasOwn(policy.classes, "local")) return true
  if (!Object.hasOwn(policy.classes, className)) return false
  const { may, providers, regions } = policy.classes[className]!
  const isDeclared = Object.hasOwn(policy.targets, to.name)
  return (
    may.includes(isDeclared ? to.name : `${to.provider}/*`) &&
    (providers === "any" || providers.includes(to.provider)) &&
    (regions === "any" || (to.region !== null && regions.includes(to.region)))
  )
}

// Deciding

export interface Decided {
  readonly route: number
  /** The route's name and every branch, arm and refusal by a grant on the part that can be reached, `canary/split.next/when.then/mini.not-granted`. */
  readonly summary: string
  /** What the model asked for comes to, where the route has an `asked()`. */
  readonly asked: Asked | undefined
}

/** Everything that facts settle, in the author's order. */
const settled = (policy: Policy, strategy: Strategy, facts: FactValues): ReadonlyArray<string> => {
  switch (strategy._tag) {
    case "Send":
      return granted(policy, callerOf(facts).class, declared(policy, strategy.target)) ? [] : [`${strategy.target}.not-granted`]
    case "Asked":
    case "Deny":
      return []
    case "First":
      return strategy.of.flatMap((part) => settled(policy, part, facts))
    case "Within":
      return settled(policy, strategy.of, facts)
    case "Split": {
      const arm = armOf(strategy, facts)
      return [`split.${arm.name}`, ...settled(policy, arm.to, facts)]
    }
    case "When":
      return holds(strategy.if, facts)
        ? ["when.then", ...settled(policy, strategy.then, facts)]
        : ["when.otherwise", ...settled(policy, strategy.otherwise, facts)]
  }
}

/** What the caller's model comes to for its class. */
const askedBy = (policy: Policy, facts: FactValues): Asked => {
  const asked = resolve(policy, String(facts["request.model"]))
  return asked._tag === "Found" && !granted(policy, callerOf(facts).class, asked.deployment) ? { ...asked, _tag: "NotGranted" } : asked
}

const asks = (strategy: Strategy): boolean => JSON.stringify(strategy).includes('{"_tag":"Asked"}')

/** The first route whose condition holds, and what facts settle in it. */
export const decide = (policy: Policy, facts: FactValues): Decided => {
  const route = policy.routes.findIndex(({ when }) => when === undefined || holds(when, facts))
  const { name, to } = policy.routes[route]!
  return {
    route,
    summary: [name, ...settled(policy, to, facts)].join("/"),
    asked: asks(to) ? askedBy(policy, facts) : undefined
  }
}

// Breakers

/** Failures that are the request's and say nothing of the deployment. */
const neutral: ReadonlySet<FailureClass> = new Set<FailureClass>(["context-length", "content-filter", "bad-request", "cancelled"])

/**
 * Circuit breakers by deployment. Five consecutive failures open one for ten seconds, doubled at each failed probe up to five minutes; then one call is
 * the probe; a success closes it.
 */
export class Breakers {
  readonly #failures = 5
  readonly #coolDown = 10_000
  readonly #maxCoolDown = 300_000
  readonly #states = new Map<
    string,
    | { readonly _tag: "Closed"; readonly failures: number }
    | { readonly _tag: "Open"; readonly until: number; readonly coolDown: number }
    | { readonly _tag: "HalfOpen"; readonly coolDown: number }
  >()

  admits(identity: string, now: number): boolean {
    const state = this.#states.get(identity)
    if (state === undefined || state._tag === "Closed") return true
    if (state._tag === "HalfOpen" || now < state.until) return false
    this.#states.set(identity, { _tag: "HalfOpen", coolDown: state.coolDown })
    return true
  }

  report(identity: string, failure: FailureClass | undefined, now: number): void {
    const state = this.#states.get(identity) ?? { _tag: "Closed", failures: 0 }
    if (failure === undefined) {
      this.#states.delete(identity)
    } else if (neutral.has(failure)) {
      // The probe has told nothing: the next call is the probe.
      if (state._tag === "HalfOpen") this.#states.set(identity, { _tag: "Open", until: now, coolDown: state.coolDown })
    } else if (state._tag === "Closed") {
      const failures = state.failures + 1
      this.#states.set(
        identity,
        failures < this.#failures ? { _tag: "Closed", failures } : { _tag: "Open", until: now + this.#coolDown, coolDown: this.#coolDown }
      )
    } else if (state._tag === "HalfOpen" || now >= state.until) {
      const coolDown = Math.min(this.#maxCoolDown, state.coolDown * 2)
      this.#states.set(identity, { _tag: "Open", until: now + coolDown, coolDown })
    }
  }
}

// Carrying out

/** What the world does with one attempt, if no deadline comes first. */
export interface Play {
  /** Undefined where the answer is handed on whole. */
  readonly failure: FailureClass | undefined
  /** When the first content reaches the caller, from the start; undefined where nothing does. A whole answer always commits. */
  readonly commitsAfter: number | undefined
  /** When it is over, from the start. */
  readonly endsAfter: number
  /** What the provider said beside the class. */
  readonly status?: number
  readonly code?: string
  readonly retryAfterMillis?: number
  /** What the provider said that it came to. */
  readonly usage?: Usage
  /** It certainly costs nothing. */
  readonly unbilled?: boolean
}

export interface Ended {
  readonly failure: FailureClass | undefined
  readonly committed: boolean
  readonly endedAt: number
  /** The deadline has ended it, and not the provider. */
  readonly expired: boolean
}

/** What an attempt comes to: a deadline bounds the time to its commit, and nothing after. */
export const attemptUnder = (play: Play, startedAt: number, commitBy: number): Ended => {
  const committed = play.commitsAfter !== undefined
  const decisive = startedAt + (play.commitsAfter ?? play.endsAfter)
  if (decisive >= commitBy) return { failure: "timeout", committed: false, endedAt: commitBy, expired: true }
  return { failure: play.failure, committed, endedAt: startedAt + play.endsAfter, expired: false }
}

/** An attempt that was made. */
export interface Tried {
  readonly target: string
  readonly commitBy: number
  readonly startedAt: number
  readonly failure: FailureClass | undefined
  readonly committed: boolean
  readonly probe: boolean
  /** What it was charged; undefined where that is not known. */
  readonly nanoDollars: number | undefined
  /** What was held for it, on every account of the caller. */
  readonly reservedNanoDollars: number | undefined
  /** It was charged what was held, because nobody knows what it has cost. */
  readonly estimated: boolean
}

/** A candidate that was not tried. */
export interface Refused {
  readonly target: string
  readonly by: "breaker" | "budget" | "deadline" | "grant" | "unknown-model" | "ambiguous-model"
  /** What the caller is told if this is what decides. */
  readonly error: Told
}

export interface Told {
  readonly status: number
  readonly code: string
  readonly retryAfterMillis?: number | undefined
}

export interface Carried {
  readonly decided: Decided
  readonly tried: ReadonlyArray<Tried>
  readonly refused: ReadonlyArray<Refused>
  readonly ending: "served" | "failed" | "refused"
  /** The status that the caller saw. */
  readonly status: number
  /** The error that the caller was told, or that cut the stream short. */
  readonly error: Told | undefined
  /** The target whose answer the caller got, all or a part of it. */
  readonly served: string | undefined
  readonly endedAt: number
}

/** The classes on which `first` moves on when the author names none. */
const usual: ReadonlyArray<FailureClass> = [
  "rate-limited",
  "quota-exhausted",
  "overloaded",
  "server-error",
  "timeout",
  "connection",
  "stream-cut",
  "malformed",
  "auth"
]

/** How a failure looks to the caller. A credential of ours that does not work is no fault of the caller's. */
const told = (failure: FailureClass, play: Partial<Play>): Told => {
  const table: Record<FailureClass, readonly [number, string]> = {
    "rate-limited": [429, "upstream_rate_limited"],
    "quota-exhausted": [429, "upstream_quota_exhausted"],
    overloaded: [503, "upstream_overloaded"],
    "server-error": [502, "upstream_error"],
    timeout: [504, "upstream_timeout"],
    connection: [502, "upstream_connection_failed"],
    "stream-cut": [502, "upstream_stream_cut"],
    malformed: [502, "upstream_malformed"],
    "context-length": [400, "context_length_exceeded"],
    "content-filter": [400, "content_filter"],
    "bad-request": [400, "upstream_bad_request"],
    auth: [502, "upstream_auth_failed"],
    cancelled: [499, "cancelled"]
  }
  const [status, code] = table[failure]
  // What the provider says of the caller's own mistake is more exact than a class.
  const mistake = failure === "context-length" || failure === "content-filter" || failure === "bad-request" || failure === "cancelled"
  return {
    status: mistake && play.status !== undefined && play.status >= 400 && play.status < 500 ? play.status : status,
    code: failure === "bad-request" ? (play.code ?? code) : code,
    retryAfterMillis: play.retryAfterMillis
  }
}

const unitMillis: Readonly<Record<string, number>> = { millis: 1, seconds: 1_000, minutes: 60_000, hours: 3_600_000, days: 86_400_000 }
const millisOf = (duration: string): number => {
  const [amount, unit] = duration.split(" ")
  return Number(amount) * unitMillis[unit!]!
}

/** How a strategy has come out. */
type Result =
  | { readonly _tag: "Served"; readonly target: string }
  | { readonly _tag: "Failed"; readonly target: string; readonly failure: FailureClass; readonly committed: boolean; readonly error: Told }
  | { readonly _tag: "Rejected" }
  | { readonly _tag: "Denied"; readonly error: Told }

/** The world of one call: what attempts meet, the breakers that stand, what has been spent, and the time at which it begins. */
export interface World {
  /** What the n-th attempt of the call meets. */
  readonly play: (n: number) => Play
  readonly breakers: Breakers
  readonly accounts: Accounts
  /** List prices. */
  readonly prices: PriceSource
  /** Monotonic milliseconds. */
  readonly now: number
  /** Unix milliseconds at that moment. */
  readonly time: number
}

/** The facts that a call is decided by: those of the request, and budgets as they stand when it begins. */
export const factsNow = (policy: Policy, facts: FactValues, { accounts, time }: Pick<World, "accounts" | "time">): FactValues => ({
  ...facts,
  ...budgetFacts(policy, callerOf(facts), accounts, time)
})

/** Carries out one call. */
export const carryOut = (policy: Policy, request: FactValues, world: World): Carried => {
  const facts = factsNow(policy, request, world)
  const decided = decide(policy, facts)
  const model = String(facts["request.model"])
  const caller = callerOf(facts)
  const purses = pursesOf(policy, caller)
  const { accounts, prices } = world
  const tried: Array<Tried> = []
  const refused: Array<Refused & { readonly candidate?: readonly [Deployment, number] }> = []
  let firstFailure: Told | undefined
  let now = world.now

  const refuse = (refusal: (typeof refused)[0]): Result => {
    refused.push(refusal)
    return { _tag: "Rejected" }
  }

  /** What an attempt is charged: nothing where it certainly cost nothing; what it has cost where that is known; else what was held for it. */
  const charge = (to: Deployment, play: Play, { expired, failure }: Ended, held: number | undefined) => {
    if (play.unbilled === true && !expired) return { nanoDollars: 0, estimated: false }
    const known = play.usage === undefined || expired ? undefined : cost(policy, to, play.usage, prices)
    if (held === undefined) return { nanoDollars: known, estimated: false }
    if (known !== undefined && failure === undefined) return { nanoDollars: known, estimated: false }
    // What a broken answer has told of its usage is the least that it costs.
    return { nanoDollars: Math.max(held, known ?? 0), estimated: true }
  }

  const run = (to: Deployment, commitBy: number, probe: boolean): Result => {
    const startedAt = now
    const time = world.time + (now - world.now)
    let held: number | undefined
    if (purses.length > 0) {
      // INVARIANT: what cannot be bounded has been refused before.
      held = bound(policy, to, facts, prices) as number
      const short = accounts.short(purses, time, held)
      if (short !== undefined) {
        // It says nothing of the deployment: if this was a probe, the next call is.
        world.breakers.report(to.identity, "cancelled", now)
        const wait = windowOf(short.every, time).end - time
        return refuse({ target: to.name, by: "budget", error: { status: 402, code: "budget_exhausted", retryAfterMillis: wait } })
      }
    }
    const play = world.play(tried.length)
    const ended = attemptUnder(play, startedAt, commitBy)
    const { committed, endedAt, expired, failure } = ended
    now = endedAt
    world.breakers.report(to.identity, failure, now)
    const charged = charge(to, play, ended, held)
    if (held !== undefined) for (const purse of purses) accounts.spend(purse, time, charged.nanoDollars!)
    tried.push({ target: to.name, commitBy, startedAt, failure, committed, probe, ...charged, reservedNanoDollars: held })
    if (failure === undefined) return { _tag: "Served", target: to.name }
    const error = told(failure, expired ? {} : play)
    firstFailure ??= error
    return { _tag: "Failed", target: to.name, failure, committed, error }
  }

  const attempt = (to: Deployment, commitBy: number): Result => {
    const target = to.name
    if (!granted(policy, caller.class, to)) return refuse({ target, by: "grant", error: { status: 403, code: "not_granted" } })
    if (now >= commitBy) return refuse({ target, by: "deadline", error: { status: 504, code: "deadline_exceeded" } })
    if (purses.length > 0) {
      const most = bound(policy, to, facts, prices)
      if (typeof most !== "number") return refuse({ target, by: "budget", error: most })
    }
    if (!world.breakers.admits(to.identity, now))
      return refuse({ target, by: "breaker", error: { status: 503, code: "no_target_available" }, candidate: [to, commitBy] })
    return run(to, commitBy, false)
  }

  const go = (strategy: Strategy, commitBy: number): Result => {
    switch (strategy._tag) {
      case "Send":
        return attempt(declared(policy, strategy.target), commitBy)
      case "Asked": {
        const asked = resolve(policy, model)
        if (asked._tag === "Found") return attempt(asked.deployment, commitBy)
        return refuse(
          asked._tag === "Ambiguous"
            ? { target: model, by: "ambiguous-model", error: { status: 404, code: "model_ambiguous" } }
            : { target: model.slice(0, 256), by: "unknown-model", error: { status: 404, code: "model_not_found" } }
        )
      }
      case "Deny":
        return { _tag: "Denied", error: { status: strategy.status, code: strategy.code } }
      case "First": {
        // `first(a) = a`, and otherwise: a rejected candidate is passed over whatever `on` says, a failed one before its commit if its class is one
        // to move on for. Where nothing is left, what has been tried last is what it came to.
        let last: Result = { _tag: "Rejected" }
        for (const part of strategy.of) {
          const result = go(part, commitBy)
          if (result._tag === "Rejected") continue
          if (result._tag !== "Failed") return result
          last = result
          if (result.committed || !(strategy.on ?? usual).includes(result.failure)) return result
        }
        return last
      }
      case "Split":
        // A failed arm moves outward, never sideways.
        return go(armOf(strategy, facts).to, commitBy)
      case "When":
        return go(holds(strategy.if, facts) ? strategy.then : strategy.otherwise, commitBy)
      case "Within":
        return go(strategy.of, Math.min(commitBy, now + millisOf(strategy.duration)))
    }
  }

  let result = go(policy.routes[decided.route]!.to, Infinity)
  // What a grant forbids is no candidate. If breakers alone have rejected every candidate, the first is probed rather than nothing tried.
  const candidates = refused.filter(({ by }) => by !== "grant")
  if (result._tag === "Rejected" && tried.length === 0 && candidates.length > 0 && candidates.every(({ by }) => by === "breaker")) {
    result = run(...candidates[0]!.candidate!, true)
  }

  const error =
    result._tag === "Served"
      ? undefined
      : result._tag === "Denied"
        ? result.error
        : result._tag === "Failed" && result.committed
          ? result.error
          : (firstFailure ?? refused[0]!.error)
  const committed = result._tag === "Served" || (result._tag === "Failed" && result.committed)
  return {
    decided,
    tried,
    refused: refused.map(({ by, error, target }) => ({ by, target, error })),
    ending: error === undefined ? "served" : tried.length > 0 ? "failed" : "refused",
    status: committed ? 200 : error!.status,
    error,
    served: result._tag === "Served" || (result._tag === "Failed" && result.committed) ? result.target : undefined,
    endedAt: now
  }
}
