/**
 * What a policy means: an interpreter written to be read, against which the compiled policy and the pipeline are tested.
 *
 * It follows the words of the design and shares no code with what it judges: conditions are evaluated by `json-logic-js` itself, the hash is the textbook's
 * over bytes, names are looked up by walking the rules in their order, and a call is carried out by plain recursion over the policy as it was decoded. Only the
 * registry of providers is read, because it is data. Nothing here is fast.
 */
import jsonLogic from "json-logic-js"
import type { Arm, Overrides, Policy, Strategy } from "../src/Policy.ts"
import type { PriceSource } from "../src/Price.ts"
import { type Provider, providers } from "../src/Providers.ts"
import type { World } from "./reference/carry.ts"
import type { Breakers } from "./reference/health.ts"
import { budgetFacts, callerOf } from "./reference/money.ts"
import { type RuledOut, ruledOut } from "./reference/rules.ts"

export {
  answerOf,
  attemptUnder,
  type Carried,
  carryOut,
  type Course,
  type Ended,
  type Play,
  type Refused,
  type Told,
  type Tried,
  type World
} from "./reference/carry.ts"
export { Breakers, Watch } from "./reference/health.ts"
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

/** A rule without the marks of what is opaque, which mean nothing to JsonLogic. */
const unmarked = (rule: unknown): unknown => {
  if (Array.isArray(rule)) return rule.map(unmarked)
  if (typeof rule !== "object" || rule === null) return rule
  if (!Object.hasOwn(rule, "opaque")) return Object.fromEntries(Object.entries(rule).map(([name, value]) => [name, unmarked(value)]))
  const { opaque } = rule as { readonly opaque: unknown }
  return Array.isArray(opaque) ? opaque[0] : opaque
}

/** Whether a JsonLogic rule holds of the facts. Throws what evaluating it throws. */
export const holds = (rule: unknown, facts: FactValues): boolean => {
  const answer: unknown = jsonLogic.apply(unmarked(rule) as jsonLogic.RulesLogic, nested(facts))
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

/** The arm that a request falls to. */
export const armOf = (split: Extract<Strategy, { readonly _tag: "Split" }>, facts: FactValues): Arm => {
  const total = split.arms.reduce((sum, arm) => sum + arm.weight, 0)
  let left = bucket(split.salt, String(facts[split.by.fact] ?? split.by.or), total)
  for (const arm of split.arms) {
    if (left < arm.weight) return arm
    left -= arm.weight
  }
  throw new Error("a bucket lies below the sum of the weights")
}

// Names

/** A credential with which a deployment can be reached. */
export interface Account {
  /** The variable that holds it; undefined where there is none. */
  readonly name: string | undefined
  readonly weight: number
  /** What two targets share when they are one deployment under one credential. */
  readonly identity: string
  /** The credential at its provider, whatever it is used for. */
  readonly credential: string
}

/** A deployment as a call reaches it. `identity` is what two targets share when they are one deployment. */
export interface Deployment {
  readonly name: string
  readonly provider: string
  readonly model: string
  /** What the provider is asked for. */
  readonly deployment: string
  readonly region: string | null
  readonly set: Overrides | undefined
  readonly accounts: ReadonlyArray<Account>
  readonly identity: string
}

const deployed = (
  policy: Policy,
  name: string,
  spec: { readonly provider: string; readonly model: string; readonly deployment?: string; readonly region?: string },
  set?: Overrides
): Deployment => {
  const { baseUrl, dialect, key, keys, ...provider } = policy.providers[spec.provider]!
  const registered: Provider = providers[dialect]
  const region = set?.region ?? spec.region ?? provider.region ?? null
  const asked = set?.deployment ?? spec.deployment ?? spec.model
  const address = (baseUrl ?? registered.baseUrl ?? "").replaceAll("{region}", region ?? "").replace(/\/+$/, "")
  const accounts = (keys ?? [{ key, weight: 1 }]).map(({ key, weight }): Account => {
    const name = key?.env
    return {
      name,
      weight,
      identity: JSON.stringify([dialect, address, name ?? null, asked, region]),
      credential: JSON.stringify([dialect, address, name ?? null])
    }
  })
  const identity = accounts.map((account) => account.identity).join(" ")
  return { name, provider: spec.provider, model: spec.model, deployment: asked, region, set, accounts, identity }
}

/** A declared target, with what is set for it. */
export const declared = (policy: Policy, name: string, set?: Overrides): Deployment => deployed(policy, name, policy.targets[name]!, set)

export type Asked =
  | { readonly _tag: "Found"; readonly deployment: Deployment }
  | { readonly _tag: "RuledOut"; readonly deployment: Deployment; readonly rule: RuledOut }
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
  if (open) return { _tag: "Found", deployment: deployed(policy, model, { provider, model: rest }) }

  const vendors = targets.filter(([, spec]) => spec.model === model).map(([name]) => name)
  return vendors.length > 0 ? oneOf(vendors) : { _tag: "Unknown" }
}

// Deciding

export interface Decided {
  readonly route: number
  /** The route's name and every branch, arm and rejection by a rule on the part that can be reached, `canary/split.next/when.then/mini.not-granted`. */
  readonly summary: string
  /** Whether a condition could not be evaluated, which denies the call at the route where it stands. */
  readonly threw: boolean
  /** What the model asked for comes to, where the route has an `asked()`. */
  readonly asked: Asked | undefined
}

/** Whether a call is copied by a shadow: it is drawn, and nothing throws that the copy would ask. */
export const isCopied = (
  policy: Policy,
  route: string,
  { copy, sample }: Extract<Strategy, { readonly _tag: "Shadow" }>,
  facts: FactValues,
  prices: PriceSource
): boolean => {
  if (bucket(`shadow ${route}`, String(facts["request.id"]), 100) >= sample) return false
  try {
    settled(policy, { name: route, to: copy }, facts, prices)
    return true
  } catch {
    return false
  }
}

/** Everything that facts settle, in the author's order. */
const settled = (policy: Policy, { name, to }: Policy["routes"][0], facts: FactValues, prices: PriceSource): ReadonlyArray<string> => {
  const go = (strategy: Strategy): ReadonlyArray<string> => {
    switch (strategy._tag) {
      case "Send": {
        const rule = ruledOut(policy, declared(policy, strategy.target, strategy.set), facts, prices)
        return rule === undefined ? [] : [`${strategy.target}.${rule.word}`]
      }
      case "Asked":
      case "Deny":
        return []
      case "First":
      case "Spread":
        return strategy.of.flatMap(go)
      case "Pool":
        return policy.pools[strategy.pool]!.of.flatMap(go)
      case "Within":
      case "Retry":
        return go(strategy.of)
      case "Hedge":
        return [...go(strategy.of), ...go(strategy.with)]
      case "Escalate":
        return [...go(strategy.of), ...go(strategy.to)]
      case "Shadow":
        // Of every hundred calls so many are copied; which, is a matter of the call alone.
        return [
          ...(isCopied(policy, name, strategy, facts, prices) ? ["shadow"] : []),
          ...go(strategy.of),
          ...(isCopied(policy, name, strategy, facts, prices) ? go(strategy.copy) : [])
        ]
      case "Split": {
        const arm = armOf(strategy, facts)
        return [`split.${arm.name}`, ...go(arm.to)]
      }
      case "When":
        return holds(strategy.if, facts) ? ["when.then", ...go(strategy.then)] : ["when.otherwise", ...go(strategy.otherwise)]
    }
  }
  return go(to)
}

/** What the caller's model comes to, and what keeps it out. */
const askedBy = (policy: Policy, facts: FactValues, prices: PriceSource): Asked => {
  const asked = resolve(policy, String(facts["request.model"]))
  if (asked._tag !== "Found") return asked
  const rule = ruledOut(policy, asked.deployment, facts, prices)
  return rule === undefined ? asked : { ...asked, _tag: "RuledOut", rule }
}

const asks = (strategy: Strategy): boolean => JSON.stringify(strategy).includes('{"_tag":"Asked"}')

/** The first route whose condition holds, and what facts settle in it. */
export const decide = (policy: Policy, facts: FactValues, prices: PriceSource): Decided => {
  let route = -1
  try {
    do route++
    while (policy.routes[route]!.when !== undefined && !holds(policy.routes[route]!.when, facts))
    const chosen = policy.routes[route]!
    const summary = [chosen.name, ...settled(policy, chosen, facts, prices)].join("/")
    return { route, summary, threw: false, asked: asks(chosen.to) ? askedBy(policy, facts, prices) : undefined }
  } catch {
    return { route, summary: `${policy.routes[route]!.name}/condition-failed`, threw: true, asked: undefined }
  }
}

// What is read of the world when deciding

/** What a clock on the wall of a zone shows, by `Temporal`, which the engine does not use. */
export const zonedTime = (zone: string, time: number): FactValues => {
  interface Zoned {
    readonly hour: number
    readonly dayOfWeek: number
  }
  const { Temporal } = globalThis as unknown as {
    readonly Temporal: {
      readonly Instant: { readonly fromEpochMilliseconds: (time: number) => { readonly toZonedDateTimeISO: (zone: string) => Zoned } }
    }
  }
  const { dayOfWeek, hour } = Temporal.Instant.fromEpochMilliseconds(time).toZonedDateTimeISO(zone)
  const day = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"][dayOfWeek - 1]!
  return { "time.hour": hour, "time.weekday": day }
}

/** Whether a deployment may be tried under a credential: neither the deployment under it nor the credential itself is kept out. */
export const mayTry = (breakers: Breakers, { credential, identity }: Account, now: number): boolean =>
  breakers.shut(identity, now) === undefined && breakers.shut(credential, now) === undefined

/** The facts that a call is decided by: those of the request, and the time, budgets and deployments as they stand when it begins. */
export const factsNow = (
  policy: Policy,
  facts: FactValues,
  { accounts, breakers, now, time, watch }: Pick<World, "accounts" | "breakers" | "now" | "time" | "watch">
): FactValues => ({
  ...facts,
  ...zonedTime(policy.zone, time),
  ...Object.fromEntries(
    Object.keys(policy.targets).flatMap((name): ReadonlyArray<readonly [string, Value]> => [
      [`health.${name}.up`, declared(policy, name).accounts.some((account) => mayTry(breakers, account, now))],
      [`health.${name}.latencyMillis`, watch.latency(declared(policy, name).identity, now, 0)]
    ])
  ),
  ...budgetFacts(policy, callerOf(facts), accounts, time)
})
