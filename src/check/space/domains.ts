/**
 * The variables of a policy's facts, what each can be, and where a comparison of one fact holds.
 *
 * Facts that hang together are one variable, so that no box holds what no call can have: the facts of a caller are one choice among the callers that the policy
 * knows, and the facts of a budget are functions of the nano-dollars spent. Two things are in no single variable, and a comparison of them holds in up to two boxes.
 * A caller of a class without keys is known by its class alone, so its other facts are variables of their own that count for such callers only. And a
 * budget reads as untouched for callers whom it does not bind. The health of targets that are one deployment is one; how it hangs together where they share some of their
 * credentials is in no box (`deployments.ts`), and taken from all of them before the first route (`../regions.ts`).
 *
 * Here bounds are rounded to values that there are: whole numbers where a fact counts something, doubles elsewhere (more than 5 and less than the next double is
 * nothing), nano-dollars where the real function of `Facts.ts` crosses the literal, found by halving.
 */
import { apiNames } from "../../Apis.ts"
import type { Condition, Order } from "../../Condition.ts"
import { budgetFacts, type FactSource, type FactValue, makeTable, typeOf } from "../../Facts.ts"
import { type Caller, callersOf, local } from "../../Keys.ts"
import { budgetsOf, budgetsOfAll } from "../../Layers.ts"
import { type Policy, toNanoDollars } from "../../Policy.ts"
import { weekdays } from "../../ZonedClock.ts"
import { type Box, boxOf, everything, type Region } from "./boxes.ts"
import { deploymentsOf } from "./deployments.ts"
import { join, type Members, meet, membersOf, minus, type Spans, type Values } from "./sets.ts"

/** A comparison of one fact. */
export type Atom = Extract<Condition, { readonly fact: string }>

export type Variable =
  /** One of a list of values, in which texts that are read later find their place. */
  | { readonly _tag: "Choice"; readonly fact: string; readonly values: Array<FactValue>; readonly numbers: Map<FactValue, number> }
  | { readonly _tag: "Number"; readonly fact: string }
  /** Nano-dollars spent of a budget by a caller whom it binds. */
  | { readonly _tag: "Spent"; readonly budget: string; readonly limit: number }
  | { readonly _tag: "Caller" }

/** Somebody who may call. */
export type Subject =
  | { readonly _tag: "Known"; readonly caller: Caller; readonly declared: boolean }
  /** Anybody of a class for which the policy has no key. */
  | { readonly _tag: "Anybody"; readonly class: string }

export interface Domains {
  readonly policy: Policy
  readonly subjects: ReadonlyArray<Subject>
  readonly variables: ReadonlyArray<Variable>
  /** Every value of each variable. */
  readonly universe: ReadonlyArray<Values>
  /** The variable of a fact that is its own, which it is given if it has none yet. */
  readonly variableOf: (fact: string) => number
  /** The variable of a budget. */
  readonly spentOf: (budget: string) => number
  /** The number of a member, which it is given if it has none yet. */
  readonly numberOf: (variable: Variable & { readonly _tag: "Choice" }, value: FactValue) => number
  /** The facts that are one with a fact: the health of targets that are one deployment. */
  readonly oneWith: (fact: string) => ReadonlyArray<string>
  /** Where a comparison holds; undefined where the policy has no such fact. */
  readonly where: (atom: Atom) => Region | undefined
  readonly binds: (subject: Subject, budget: string) => boolean
}

/** The variable that all facts of the caller are. */
export const callerVariable = 0

// Numbers

/** Absence lies below all numbers. */
export const absent: Spans = [-Infinity, -Number.MAX_VALUE]
const wholeTop = Number.MAX_SAFE_INTEGER + 1

const halves = new BigInt64Array(1)
const doubles = new Float64Array(halves.buffer)

/** The next larger double. */
const nextUp = (x: number): number => {
  if (x === 0) return Number.MIN_VALUE
  doubles[0] = x
  halves[0]! += x > 0 ? 1n : -1n
  // Not -0, which is no value of its own.
  return doubles[0]! + 0
}

/** How a literal cuts the numbers that a fact can be, or what the fact is a function of. */
interface Axis {
  /** The first number whose fact is at least the literal, the other way round on a falling axis. */
  readonly from: (literal: number) => number
  /** The first number whose fact is more than the literal. */
  readonly after: (literal: number) => number
  readonly falling: boolean
  readonly lowest: number
  readonly universe: Spans
}

const doubleAxis = (universe: Spans): Axis => ({
  from: (literal) => literal + 0,
  after: nextUp,
  falling: false,
  lowest: -Number.MAX_VALUE,
  universe
})
const wholeAxis = (universe: Spans): Axis => ({
  from: (literal) => Math.ceil(literal) + 0,
  after: (literal) => Math.floor(literal) + 1,
  falling: false,
  lowest: -Number.MAX_VALUE,
  universe
})

/** The first whole number that passes, where whatever follows one that passes does too. */
const first = (passes: (n: number) => boolean): number => {
  let [low, high] = [0, wholeTop]
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2)
    if (passes(middle)) high = middle
    else low = middle + 1
  }
  return low
}

const spentUniverse: Spans = [0, wholeTop]

/** The nano-dollars spent, under a fact that never falls or never rises with them. */
const spentAxis = (fact: (spent: number) => number): Axis => {
  const falling = fact(0) > fact(wholeTop - 1)
  return {
    from: (literal) => first((n) => (falling ? fact(n) <= literal : fact(n) >= literal)),
    after: (literal) => first((n) => (falling ? fact(n) < literal : fact(n) > literal)),
    falling,
    lowest: 0,
    universe: spentUniverse
  }
}

const turned: Readonly<Record<Order, Order>> = { "<": ">", "<=": ">=", ">": "<", ">=": "<=" }

const numbersWhere = (axis: Axis, atom: Atom): Values | undefined => {
  const { universe } = axis
  const span = (from: number, to: number): Spans | undefined => (from < to ? (meet(universe, [from, to]) as Spans | undefined) : undefined)
  const equal = (value: FactValue): Values | undefined => {
    if (value === null) return meet(universe, absent)
    return typeof value === "number" ? span(axis.from(value), axis.after(value)) : undefined
  }
  switch (atom._tag) {
    case "Is":
      return equal(atom.value)
    case "IsNot": {
      const values = equal(atom.value)
      return values === undefined ? universe : minus(universe, values)
    }
    case "OneOf":
      return atom.values.map(equal).reduce((a, b) => (a === undefined ? b : b === undefined ? a : join(a, b)), undefined)
    case "Ordered": {
      const { value } = atom
      const order = axis.falling ? turned[atom.order] : atom.order
      const [least, top] = [axis.lowest, universe.at(-1)!]
      const numbers =
        order === "<"
          ? span(least, axis.from(value))
          : order === "<="
            ? span(least, axis.after(value))
            : order === ">"
              ? span(axis.after(value), top)
              : span(axis.from(value), top)
      // Absence counts as 0 for JsonLogic. An author cannot get there, but so every rule holds of a fact or does not.
      const zero = order === "<" ? value > 0 : order === "<=" ? value >= 0 : order === ">" ? value < 0 : value <= 0
      const none = zero ? meet(universe, absent) : undefined
      return numbers === undefined || none === undefined ? (numbers ?? none) : join(numbers, none)
    }
    case "Flag":
      // INVARIANT: the parser accepts no flag but a boolean.
      return undefined
  }
}

/** The whole numbers that a fact counts, without its upper bound. */
const counts: Readonly<Record<string, Spans>> = {
  "request.inputTokens": [0, wholeTop],
  "request.messages": [0, wholeTop],
  "time.hour": [0, 24]
}

const numberAxis = (fact: string, optional: boolean): Axis => {
  if (Object.hasOwn(counts, fact)) return wholeAxis(counts[fact]!)
  if (fact.startsWith("health.")) return doubleAxis(optional ? [...absent, 0, Infinity] : [0, Infinity])
  return doubleAxis(optional ? [-Infinity, Infinity] : [-Number.MAX_VALUE, Infinity])
}

// Choices

const membersWhere = (universe: Values, membersFor: (value: FactValue) => Members | undefined, atom: Atom): Values | undefined => {
  const among = (values: ReadonlyArray<FactValue>): Values | undefined => {
    const members = values
      .map(membersFor)
      .reduce((a, b) => (a === undefined ? b : b === undefined ? a : (join(a, b) as Members)), undefined)
    return members === undefined ? undefined : meet(universe, members)
  }
  const but = (values: Values | undefined): Values | undefined => (values === undefined ? universe : minus(universe, values))
  switch (atom._tag) {
    case "Is":
      return among([atom.value])
    case "IsNot":
      return but(among([atom.value]))
    case "OneOf":
      return among(atom.values)
    case "Flag":
      return among([true])
    case "Ordered":
      // INVARIANT: the parser orders numbers alone.
      return undefined
  }
}

/** The texts of facts that take no others. */
const textsOf: Readonly<Record<string, ReadonlyArray<string>>> = {
  "request.api": apiNames,
  "time.weekday": weekdays
}

// Callers

/** Whose calls there are: those of the keys that the policy declares, or of any key that its classes might be given. */
export type Callers = "declared" | "any"

const subjectsOf = (policy: Policy, callers: Callers): ReadonlyArray<Subject> => {
  if (callers === "any") {
    const keys = Object.values(policy.keys)
    const names = new Set([...Object.keys(policy.classes), ...(keys.length === 0 ? [local.class] : keys.map((key) => key.class))])
    return [...names].map((name): Subject => ({ _tag: "Anybody", class: name }))
  }
  const declared = [...callersOf(policy).values()].map((caller): Subject => ({ _tag: "Known", caller, declared: true }))
  const known: ReadonlyArray<Subject> = declared.length > 0 ? declared : [{ _tag: "Known", caller: local, declared: false }]
  const withCaller = new Set(known.map((subject) => subject._tag === "Known" && subject.caller.class))
  const anybody = Object.keys(policy.classes)
    .filter((name) => !withCaller.has(name))
    .map((name): Subject => ({ _tag: "Anybody", class: name }))
  return [...known, ...anybody]
}

/** How a caller's fact reads, where the caller is known. */
export const callerReader = (policy: Policy, fact: string): ((caller: Caller) => FactValue) => {
  const table = makeTable(policy)
  table.slotOf(fact)
  // A fact of the caller is read from the caller alone.
  return (caller) => table.read({ caller } as FactSource)[0]!
}

// All together

export const domainsOf = (policy: Policy, callers: Callers): Domains => {
  const subjects = subjectsOf(policy, callers)
  const variables: Array<Variable> = [{ _tag: "Caller" }]
  const universe: Array<Values> = [membersOf(subjects.keys())!]
  const byName = new Map<string, number>()
  const budgets = budgetsOf(policy)
  const ofAll = new Set(budgetsOfAll(policy))
  const knownNames = subjects.flatMap((subject) => (subject._tag === "Known" ? [subject.caller.key] : []))

  const add = (name: string, make: () => readonly [Variable, Values]): number => {
    const found = byName.get(name)
    if (found !== undefined) return found
    const [variable, values] = make()
    byName.set(name, variables.push(variable) - 1)
    universe.push(values)
    return variables.length - 1
  }

  const numberOf = (variable: Variable & { readonly _tag: "Choice" }, value: FactValue): number => {
    const found = variable.numbers.get(value)
    if (found !== undefined) return found
    variable.numbers.set(value, variable.values.push(value) - 1)
    return variable.values.length - 1
  }

  const choice = (fact: string, optional: boolean, type: "string" | "boolean"): readonly [Variable, Values] => {
    const variable: Variable = { _tag: "Choice", fact, values: [], numbers: new Map() }
    const membersFor = (values: ReadonlyArray<FactValue>) => membersOf(values.map((value) => numberOf(variable, value)))
    const finite = type === "boolean" ? [false, true] : Object.hasOwn(textsOf, fact) ? textsOf[fact]! : undefined
    if (finite !== undefined) return [variable, membersFor(optional ? [null, ...finite] : finite)!]
    // A request without a model is refused, and a name belongs to one caller.
    const never = fact === "request.model" ? [""] : fact === "caller.key" ? knownNames : []
    const outside = membersFor([...(optional ? [] : [null]), ...never])
    return [variable, outside === undefined ? -1n : minus(-1n, outside)!]
  }

  let deployments: ReadonlyMap<string, ReadonlyArray<string>> | undefined
  const oneWith = (fact: string): ReadonlyArray<string> => {
    if (!fact.startsWith("health.")) return [fact]
    deployments ??= deploymentsOf(policy)
    const [, target, what] = fact.split(".") as [string, string, string]
    return deployments.get(target)!.map((name) => `health.${name}.${what}`)
  }

  const variableOf = (name: string): number => {
    const [fact] = oneWith(name) as [string]
    return add(fact, () => {
      const { optional, type } = typeOf(fact, policy)!
      return type === "number" ? [{ _tag: "Number", fact }, numberAxis(fact, optional).universe] : choice(fact, optional, type)
    })
  }

  const spentOf = (budget: string): number =>
    add(`budget.${budget}`, () => [{ _tag: "Spent", budget, limit: toNanoDollars(budgets[budget]!.limit) }, spentUniverse])

  const binds = (subject: Subject, budget: string): boolean => {
    const name = subject._tag === "Known" ? subject.caller.class : subject.class
    return ofAll.has(budget) || (Object.hasOwn(policy.classes, name) && policy.classes[name]!.within.includes(budget))
  }

  const subjectsWhere = (holds: (subject: Subject) => boolean): Members | undefined =>
    membersOf(subjects.flatMap((subject, i) => (holds(subject) ? [i] : [])))

  const region = (boxes: ReadonlyArray<Box | undefined>): Region => boxes.filter((box) => box !== undefined)

  /** Where a fact of its own holds. */
  const valuesWhere = (atom: Atom): readonly [variable: number, values: Values | undefined] => {
    const at = variableOf(atom.fact)
    const variable = variables[at]!
    return [
      at,
      variable._tag === "Choice"
        ? membersWhere(universe[at]!, (value) => numberOf(variable, value), atom)
        : numbersWhere(numberAxis(atom.fact, typeOf(atom.fact, policy)!.optional), atom)
    ]
  }

  const byFact = new Map<string, ReadonlyMap<FactValue, Members>>()
  /** The callers of whom a fact is known, by its value. */
  const callersBy = (fact: string): ReadonlyMap<FactValue, Members> => {
    const found = byFact.get(fact)
    if (found !== undefined) return found
    const read = callerReader(policy, fact)
    const lists = new Map<FactValue, Array<number>>()
    for (const [i, subject] of subjects.entries()) {
      if (subject._tag === "Anybody" && fact !== "caller.class") continue
      const value = subject._tag === "Anybody" ? subject.class : read(subject.caller)
      const list = lists.get(value)
      if (list === undefined) lists.set(value, [i])
      else list.push(i)
    }
    const members = new Map([...lists].map(([value, list]) => [value, membersOf(list)!]))
    byFact.set(fact, members)
    return members
  }

  const anybody = subjectsWhere(({ _tag }) => _tag === "Anybody")
  const known = subjectsWhere(({ _tag }) => _tag === "Known")

  const callersWhere = (atom: Atom): Region => {
    const members = callersBy(atom.fact)
    const certain = atom.fact === "caller.class" ? universe[callerVariable]! : known
    const sure =
      certain === undefined ? undefined : boxOf(universe, [[callerVariable, membersWhere(certain, (value) => members.get(value), atom)]])
    if (anybody === undefined || atom.fact === "caller.class") return region([sure])
    const own = valuesWhere(atom)
    return region([sure, boxOf(universe, [[callerVariable, anybody], own])])
  }

  const boundBy = new Map<string, { readonly inside: Members | undefined; readonly outside: Members | undefined }>()
  const callersOfBudget = (budget: string) => {
    const found = boundBy.get(budget)
    if (found !== undefined) return found
    const made = {
      inside: subjectsWhere((subject) => binds(subject, budget)),
      outside: subjectsWhere((subject) => !binds(subject, budget))
    }
    boundBy.set(budget, made)
    return made
  }

  const budgetWhere = (atom: Atom, budget: string, what: string): Region => {
    const at = spentOf(budget)
    const limit = toNanoDollars(budgets[budget]!.limit)
    const amount = budgetFacts[what]!
    const { inside, outside } = callersOfBudget(budget)
    const untouched = amount(0, limit, true)
    const reads = numbersWhere(doubleAxis([untouched, nextUp(untouched)]), atom) !== undefined
    const spent = numbersWhere(
      spentAxis((n) => amount(n, limit, false)),
      atom
    )
    return region([
      inside === undefined
        ? undefined
        : boxOf(universe, [
            [callerVariable, inside],
            [at, spent]
          ]),
      outside === undefined || !reads ? undefined : boxOf(universe, [[callerVariable, outside]])
    ])
  }

  return {
    policy,
    subjects,
    variables,
    universe,
    variableOf,
    spentOf,
    numberOf,
    oneWith,
    binds,
    where: (atom) => {
      const { fact } = atom
      if (typeOf(fact, policy) === undefined) return undefined
      if (fact.startsWith("caller.")) return callersWhere(atom)
      if (fact.startsWith("budget.")) {
        const [, budget, what] = fact.split(".") as [string, string, string]
        return budgetWhere(atom, budget, what)
      }
      const own = boxOf(universe, [valuesWhere(atom)])
      return own === undefined ? [] : own.at.length === 0 ? everything : [own]
    }
  }
}
