/**
 * The facts that conditions and splits read: their names, their types, and where each comes from.
 *
 * Facts lie in numbered slots, one for each fact that a policy mentions, so nothing is computed that no rule reads and a compiled condition is one array
 * access and one comparison. Every fact is always present, with `null` for absent; which facts may be absent is part of their type. A null-prototype
 * object would do the same at several times the cost: V8 keeps those as hash tables. Runs once per call, after parsing.
 */
import type { Ask } from "./Ask.ts"
import type { Caller } from "./Keys.ts"
import { budgetsOf } from "./Layers.ts"
import type { Policy } from "./Policy.ts"
import { zonedClock } from "./ZonedClock.ts"

export type FactValue = string | number | boolean | null

/** One value for each slot of a `FactTable`. */
export type Facts = ReadonlyArray<FactValue>

export interface FactType {
  readonly type: "string" | "number" | "boolean"
  /** Whether it may be absent. */
  readonly optional: boolean
}

/** What facts are read from. */
export interface FactSource {
  readonly id: string
  readonly api: string
  readonly ask: Ask
  readonly caller: Caller
  /** Unix time in milliseconds. */
  readonly time: number
  readonly standing: Standing
  readonly health: TargetHealth
}

/** How a target stands when the call is decided. */
export type TargetHealth = (target: string) => {
  /** Whether its breaker lets calls through. */
  readonly up: boolean
  /** The estimate of the time to its first token in milliseconds; null where nothing has been measured. */
  readonly latencyMillis: number | null
}

/** A target that has not failed, and of which nothing has been measured. */
export const unmeasured: ReturnType<TargetHealth> = { up: true, latencyMillis: null }

/** What a caller has spent of a budget, settled and reserved, as it stands now; nothing of one that does not bind it. */
export type Standing = (
  caller: Caller,
  budget: string
) => {
  readonly spentNanoDollars: number
  readonly limitNanoDollars: number
  /** It does not bind the caller. */
  readonly outside?: boolean
}

interface Fact extends FactType {
  readonly read: (source: FactSource) => FactValue
}

const text = (read: (source: FactSource) => string): Fact => ({ type: "string", optional: false, read })
const textOrNone = (read: (source: FactSource) => string | null): Fact => ({ type: "string", optional: true, read })
const number = (read: (source: FactSource) => number): Fact => ({ type: "number", optional: false, read })
const numberOrNone = (read: (source: FactSource) => number | null): Fact => ({ type: "number", optional: true, read })
const flag = (read: (source: FactSource) => boolean): Fact => ({ type: "boolean", optional: false, read })

const known: Readonly<Record<string, Fact>> = {
  "request.id": text(({ id }) => id),
  "request.api": text(({ api }) => api),
  "request.model": text(({ ask }) => ask.model),
  "request.stream": flag(({ ask }) => ask.stream),
  "request.inputTokens": number(({ ask }) => Math.ceil(ask.inputBytes() / 4)),
  "request.maxOutputTokens": numberOrNone(({ ask }) => ask.maxOutputTokens()),
  "request.messages": number(({ ask }) => ask.messages()),
  "request.needs.tools": flag(({ ask }) => ask.needsTools()),
  "request.needs.vision": flag(({ ask }) => ask.needsVision()),
  "request.needs.structuredOutput": flag(({ ask }) => ask.needsStructuredOutput()),
  "request.needs.reasoning": flag(({ ask }) => ask.needsReasoning()),
  "request.needs.audio": flag(({ ask }) => ask.media().audio > 0),
  "request.needs.files": flag(({ ask }) => ask.media().files > 0),
  "caller.key": text(({ caller }) => caller.key),
  "caller.class": text(({ caller }) => caller.class),
  "caller.team": textOrNone(({ caller }) => caller.team),
  "caller.organisation": textOrNone(({ caller }) => caller.organisation)
}

/** Amounts in dollars, as conditions compare them. */
export const budgetFacts: Readonly<Record<string, (spent: number, limit: number, outside: boolean) => number>> = {
  spent: (spent) => spent / 1e9,
  remaining: (spent, limit) => (limit - spent) / 1e9,
  usedRatio: (spent, limit, outside) => (limit > 0 ? spent / limit : outside ? 0 : 1)
}

/** What a policy declares that adds facts. */
export type Declared = Pick<Policy, "metadata" | "headers" | "budgets" | "layers" | "tags" | "targets" | "zone">

const makeFacts = (policy: Declared): ReadonlyMap<string, Fact> => {
  const facts = new Map(Object.entries(known))
  for (const field of policy.metadata)
    facts.set(
      `request.metadata.${field}`,
      textOrNone(({ ask }) => ask.metadata(field))
    )
  for (const header of policy.headers)
    facts.set(
      `request.headers.${header}`,
      textOrNone(({ ask }) => ask.header(header))
    )
  for (const tag of policy.tags)
    facts.set(
      `caller.tags.${tag}`,
      flag(({ caller }) => caller.tags.includes(tag))
    )
  facts.set(
    "time.hour",
    number(({ time }) => zonedClock(policy.zone)(time).hour)
  )
  facts.set(
    "time.weekday",
    text(({ time }) => zonedClock(policy.zone)(time).weekday)
  )
  for (const target of Object.keys(policy.targets)) {
    facts.set(
      `health.${target}.up`,
      flag(({ health }) => health(target).up)
    )
    facts.set(
      `health.${target}.latencyMillis`,
      numberOrNone(({ health }) => health(target).latencyMillis)
    )
  }
  for (const budget of Object.keys(budgetsOf(policy))) {
    for (const [what, amount] of Object.entries(budgetFacts)) {
      const read = ({ caller, standing }: FactSource): number => {
        const { limitNanoDollars, outside, spentNanoDollars } = standing(caller, budget)
        return amount(spentNanoDollars, limitNanoDollars, outside === true)
      }
      facts.set(`budget.${budget}.${what}`, number(read))
    }
  }
  return facts
}

const made = new WeakMap<Declared, ReadonlyMap<string, Fact>>()

/** Every fact of a policy by its name, made once a policy. */
const factsOf = (policy: Declared): ReadonlyMap<string, Fact> => {
  const found = made.get(policy)
  if (found !== undefined) return found
  const facts = makeFacts(policy)
  made.set(policy, facts)
  return facts
}

/** The type of the fact `name`, or undefined where the policy has no such fact. */
export const typeOf = (name: string, policy: Declared): FactType | undefined => factsOf(policy).get(name)

/** Every fact that conditions of `policy` may name. */
export const factNames = (policy: Declared): ReadonlyArray<string> => [...factsOf(policy).keys()]

/** The facts that one policy mentions, each in its slot. */
export interface FactTable {
  readonly names: ReadonlyArray<string>
  /** The slot of `name`, which is given one if it has none yet; only while compiling. */
  readonly slotOf: (name: string) => number
  /** Reads every mentioned fact. */
  readonly read: (source: FactSource) => Facts
  /** Facts by name, for tests and tools; what is not given is absent, false, 0 or empty, by its type. */
  readonly of: (values: Readonly<Record<string, FactValue>>) => Facts
}

export const makeTable = (policy: Declared): FactTable => {
  const known = factsOf(policy)
  const names: Array<string> = []
  const readers: Array<Fact["read"]> = []
  const blanks: Array<FactValue> = []
  return {
    names,
    slotOf: (name) => {
      const slot = names.indexOf(name)
      if (slot !== -1) return slot
      // INVARIANT: the checker has refused every condition and split that names an unknown fact.
      const fact = known.get(name)!
      names.push(name)
      readers.push(fact.read)
      blanks.push(fact.optional ? null : fact.type === "string" ? "" : fact.type === "number" ? 0 : false)
      return names.length - 1
    },
    read: (source) => {
      const facts = new Array<FactValue>(readers.length)
      for (let i = 0; i < readers.length; i++) facts[i] = readers[i]!(source)
      return facts
    },
    of: (values) => names.map((name, slot) => (Object.hasOwn(values, name) ? values[name]! : blanks[slot]!))
  }
}
