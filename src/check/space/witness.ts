/**
 * A call that lies in a box: a point, its facts, and the situation that a case says it with.
 *
 * A point is as a call of a case is where nothing is said of it (`Situation.ts`), as far as its box lets it: so the situation says what is out of the ordinary and
 * nothing else, and means this very point. Where a box leaves no usual value, it prefers fields that are left out, a model that the policy knows, a round sum of money.
 */
import { fallbackApi } from "../../Apis.ts"
import { budgetFacts, type FactValue, typeOf } from "../../Facts.ts"
import { makeGrants } from "../../Grants.ts"
import type { Situation } from "../../Situation.ts"
import { regionOf } from "../../Target.ts"
import { type Box, sideOf } from "./boxes.ts"
import { absent, callerReader, callerVariable, type Domains, type Subject, type Variable } from "./domains.ts"
import { hasMember, hasNumber, lowest, type Members, type Spans, type Values } from "./sets.ts"

/** A value for each variable: a member's number, a number, an amount in nano-dollars; what means nothing for the point's caller may be anything. */
export type Point = ReadonlyArray<number | undefined>

export interface Witness {
  /** Every fact that conditions have named, and all facts of the caller and of the budgets among them. */
  readonly facts: Readonly<Record<string, FactValue>>
  /** What of the call is out of the ordinary, and who calls. */
  readonly situation: Situation
}

type Choice = Variable & { readonly _tag: "Choice" }

/** The estimate of a request of which nothing is said, in tokens. */
const usualTokens = 3

const classOf = (subject: Subject): string => (subject._tag === "Known" ? subject.caller.class : subject.class)

const models = new WeakMap<Domains, Map<string, string>>()

/** The model that a case asks for where it does not say one: the first target that the class may use. */
const usualModel = (domains: Domains, name: string): string => {
  let byClass = models.get(domains)
  if (byClass === undefined) models.set(domains, (byClass = new Map()))
  const known = byClass.get(name)
  if (known !== undefined) return known
  const { policy } = domains
  const grant = makeGrants(policy)(name)
  const targets = Object.entries(policy.targets)
  const granted = targets.find(
    ([target, spec]) =>
      grant({
        name: target,
        declared: true,
        provider: spec.provider,
        region: Object.hasOwn(policy.providers, spec.provider) ? regionOf(policy, spec) : null
      }) === undefined
  )
  const model = (granted ?? targets[0])?.[0] ?? "any"
  byClass.set(name, model)
  return model
}

/** What a fact mostly is, the usual value first; `null` goes without saying where it may be. */
const usual = (domains: Domains, fact: string, subject: Subject): ReadonlyArray<FactValue> => {
  switch (fact) {
    case "request.model":
      return [usualModel(domains, classOf(subject)), ...Object.keys(domains.policy.targets)]
    case "request.id":
      return ["test"]
    case "request.api":
      return [fallbackApi.name]
    case "request.inputTokens":
      return [usualTokens]
    case "caller.key":
      return ["issued"]
    case "time.hour":
      return [9, 12]
    case "time.weekday":
      return ["monday"]
    default:
      if (fact.startsWith("health.")) return fact.endsWith(".up") ? [true] : [null, 100]
      return typeOf(fact, domains.policy)?.type === "number" ? [null, 1] : [null, false]
  }
}

const member = (domains: Domains, { fact, numbers, values }: Choice, members: Members, subject: Subject): FactValue => {
  const isIn = (value: FactValue): boolean => hasMember(members, numbers.get(value) ?? values.length)
  const { optional, type } = typeOf(fact, domains.policy)!
  const fits = (value: FactValue): boolean => (value === null ? optional : typeof value === type)
  const found = usual(domains, fact, subject).find((value) => fits(value) && isIn(value))
  if (found !== undefined) return found
  if (typeof members === "number" || members > 0n) return values[lowest(members)]!
  const word = fact === "caller.key" ? "issued" : "anything"
  for (let i = 1; ; i++) {
    const text = i === 1 ? word : `${word}-${i}`
    if (isIn(text)) return text
  }
}

/** The first round number from `from` on and below `to`. */
const round = (from: number, to: number): number => {
  for (let step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, from))) - 1); step > 1; step /= 10) {
    const rounded = Math.ceil(from / step) * step
    if (rounded >= from && rounded < to) return rounded
  }
  return from
}

/** The least number that is not negative and whole if there is one. */
const plain = (spans: Spans): number => {
  for (let i = 0; i < spans.length; i += 2) {
    const whole = Math.ceil(Math.max(0, spans[i]!)) + 0
    if (whole >= spans[i]! && whole < spans[i + 1]!) return whole
  }
  const [from, to] = spans.slice(-2) as [number, number]
  const whole = Math.ceil(to) - 1 + 0
  return whole >= from && whole < to ? whole : from
}

const numberIn = (domains: Domains, fact: string, spans: Spans, subject: Subject): number => {
  for (const value of usual(domains, fact, subject)) {
    const x = value ?? absent[0]!
    if (typeof x === "number" && hasNumber(spans, x)) return x
  }
  return hasNumber(spans, absent[0]!) ? absent[0]! : plain(spans)
}

const valueIn = (domains: Domains, variable: Variable, side: Values, subject: Subject): number => {
  switch (variable._tag) {
    case "Caller":
      return lowest(side as Members)
    case "Choice":
      return domains.numberOf(variable, member(domains, variable, side as Members, subject))
    case "Number":
      return numberIn(domains, variable.fact, side as Spans, subject)
    case "Spent":
      return hasNumber(side as Spans, 0) ? 0 : round((side as Spans)[0]!, (side as Spans)[1]!)
  }
}

const usualPoints = new WeakMap<Domains, Map<number, Array<number>>>()

/** The most usual call of a subject; of those variables that there are. */
const usualPoint = (domains: Domains, caller: number): ReadonlyArray<number> => {
  const { subjects, universe, variables } = domains
  let bySubject = usualPoints.get(domains)
  if (bySubject === undefined) usualPoints.set(domains, (bySubject = new Map()))
  let point = bySubject.get(caller)
  if (point === undefined) bySubject.set(caller, (point = [caller]))
  for (let i = point.length; i < variables.length; i++) point.push(valueIn(domains, variables[i]!, universe[i]!, subjects[caller]!))
  return point
}

/** A point with what is usual of variables that are newer than it. */
export const completed = (domains: Domains, point: Point): Point =>
  point.length >= domains.variables.length ? point : [...point, ...usualPoint(domains, point[callerVariable]!).slice(point.length)]

/** The most usual call that lies in `box`. */
export const pointIn = (domains: Domains, box: Box): Point => {
  const { subjects, universe, variables } = domains
  const caller = lowest((sideOf(box, callerVariable) ?? universe[callerVariable]!) as Members)
  const point = usualPoint(domains, caller).slice()
  for (let i = 0; i < box.at.length; i++) {
    const variable = box.at[i]!
    if (variable !== callerVariable) point[variable] = valueIn(domains, variables[variable]!, box.to[i]!, subjects[caller]!)
  }
  return point
}

const known = new WeakMap<Subject, Readonly<Record<string, FactValue>>>()

/** Facts of whoever calls. */
const callerFacts = (domains: Domains, point: Point): Readonly<Record<string, FactValue>> => {
  const { policy, subjects, variables } = domains
  const subject = subjects[point[callerVariable]!]!
  const facts = known.get(subject)
  if (facts !== undefined) return facts
  const names = ["caller.key", "caller.class", "caller.team", "caller.organisation", ...policy.tags.map((tag) => `caller.tags.${tag}`)]
  const valueOf = (fact: string): FactValue => {
    if (subject._tag === "Known") return callerReader(policy, fact)(subject.caller)
    if (fact === "caller.class") return subject.class
    const at = domains.variableOf(fact)
    return (variables[at] as Choice).values[completed(domains, point)[at]!]!
  }
  const read = Object.fromEntries(names.map((fact) => [fact, valueOf(fact)]))
  if (subject._tag === "Known") known.set(subject, read)
  return read
}

/** The value of a fact that is a variable of its own. */
const valueAt = (variable: Choice | (Variable & { readonly _tag: "Number" }), x: number): FactValue =>
  variable._tag === "Choice" ? variable.values[x]! : x === absent[0] ? null : x

/** The facts of a point. */
export const factsAt = (domains: Domains, some: Point): Readonly<Record<string, FactValue>> => {
  const point = completed(domains, some)
  const { binds, subjects } = domains
  const subject = subjects[point[callerVariable]!]!
  const facts: Record<string, FactValue> = { ...callerFacts(domains, point) }
  for (const [i, variable] of domains.variables.entries()) {
    const x = point[i]
    if (x === undefined) continue
    switch (variable._tag) {
      case "Caller":
        break
      case "Choice":
      case "Number":
        if (!variable.fact.startsWith("caller.")) for (const fact of domains.oneWith(variable.fact)) facts[fact] = valueAt(variable, x)
        break
      case "Spent": {
        const bound = binds(subject, variable.budget)
        for (const [what, amount] of Object.entries(budgetFacts))
          facts[`budget.${variable.budget}.${what}`] = amount(bound ? x : 0, variable.limit, !bound)
      }
    }
  }
  return facts
}

const isEmptyObject = (object: object): boolean => Object.keys(object).length === 0

/** What a case says to have this very call. */
export const situationAt = (domains: Domains, some: Point): Situation => {
  const point = completed(domains, some)
  const { binds, subjects, variables } = domains
  const subject = subjects[point[callerVariable]!]!
  const request: Record<string, unknown> = {}
  const parts: { needs: Array<string>; metadata: Record<string, FactValue>; headers: Record<string, FactValue> } = {
    needs: [],
    metadata: {},
    headers: {}
  }
  const at: Record<string, FactValue> = {}
  const health: Record<string, Record<string, FactValue>> = {}
  const budgets: Record<string, { spent: number }> = {}
  const ordinary = usualPoint(domains, point[callerVariable]!)
  let inputTokens: FactValue | undefined
  for (let i = 0; i < point.length; i++) {
    const [variable, x] = [variables[i]!, point[i]]
    if (variable._tag === "Caller" || x === undefined) continue
    if (variable._tag === "Spent") {
      if (x > 0 && binds(subject, variable.budget)) budgets[variable.budget] = { spent: x / 1e9 }
      continue
    }
    const { fact } = variable
    if (fact === "request.inputTokens") inputTokens = x
    if (x === ordinary[i] || fact.startsWith("caller.")) continue
    const value = valueAt(variable, x)
    const [section, name, field] = fact.split(".") as [string, string, string]
    if (section === "time") at[name] = value
    else if (section === "health") health[name] = { ...(Object.hasOwn(health, name) ? health[name] : {}), [field]: value }
    else if (name === "needs") parts.needs.push(field)
    else if (name === "metadata" || name === "headers") parts[name][fact.slice(`request.${name}.`.length)] = value
    else request[name] = value
  }
  // What a request needs adds to its length, and without messages it has none: then the length is said where anything depends on it.
  if ((parts.needs.length > 0 || request["messages"] === 0) && inputTokens !== undefined) request["inputTokens"] = inputTokens
  for (const [name, part] of Object.entries(parts)) if (!isEmptyObject(part)) request[name] = part

  const caller = (): Situation["as"] => {
    if (subject._tag === "Known") return subject.declared ? subject.caller.key : undefined
    const facts = callerFacts(domains, point)
    const said = Object.entries(facts).filter(
      ([fact, value]) => typeof value === "string" && !(fact === "caller.key" && value === "issued")
    )
    const tags = domains.policy.tags.filter((tag) => facts[`caller.tags.${tag}`] === true)
    return {
      class: subject.class,
      ...Object.fromEntries(said.map(([fact, value]) => [fact.slice("caller.".length), value])),
      ...(tags.length === 0 ? {} : { tags })
    }
  }
  const as = caller()
  return {
    ...(isEmptyObject(request) ? {} : { request }),
    ...(as === undefined ? {} : { as }),
    ...(isEmptyObject(budgets) ? {} : { budgets }),
    ...(isEmptyObject(at) ? {} : { at }),
    ...(isEmptyObject(health) ? {} : { health })
  }
}

export const witnessAt = (domains: Domains, point: Point): Witness => ({
  facts: factsAt(domains, point),
  situation: situationAt(domains, point)
})

/**
 * Where facts lie: a member or a number for each variable, undefined for one that means nothing for this caller. Undefined where no call can have such a caller.
 */
export const pointOf = ({ binds, subjects, variables }: Domains, facts: Readonly<Record<string, FactValue>>): Point | undefined => {
  const [key, name] = [facts["caller.key"], facts["caller.class"]]
  const byKey = subjects.findIndex((subject) => subject._tag === "Known" && subject.caller.key === key)
  const caller = subjects.findIndex((subject, i) =>
    subject._tag === "Known" ? i === byKey && subject.caller.class === name : byKey === -1 && subject.class === name
  )
  if (caller === -1) return undefined
  return variables.map((variable) => {
    switch (variable._tag) {
      case "Caller":
        return caller
      case "Choice":
        if (variable.fact.startsWith("caller.") && subjects[caller]!._tag === "Known") return undefined
        return variable.numbers.get(facts[variable.fact] ?? null) ?? variable.values.length
      case "Number":
        return (facts[variable.fact] as number | null | undefined) ?? absent[0]!
      case "Spent":
        if (!binds(subjects[caller]!, variable.budget)) return undefined
        return Math.round(((facts[`budget.${variable.budget}.spent`] as number | undefined) ?? 0) * 1e9)
    }
  })
}

/** Whether a box holds the point. */
export const holdsPoint = ({ at, to }: Box, point: Point): boolean => {
  // Most sides are of one member, and most boxes are left by one of those.
  for (let i = 0; i < at.length; i++) {
    const [side, x] = [to[i]!, point[at[i]!]]
    if (typeof side === "number" && x !== side && x !== undefined) return false
  }
  for (let i = 0; i < at.length; i++) {
    const [side, x] = [to[i]!, point[at[i]!]]
    if (x === undefined || typeof side === "number") continue
    if (!(typeof side === "object" ? hasNumber(side, x) : hasMember(side, x))) return false
  }
  return true
}
