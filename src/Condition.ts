/**
 * Conditions: the part of JsonLogic (https://jsonlogic.com) that can be analysed, typed against a policy's facts and compiled to closures.
 *
 * Accepted are `===` and `!==` of a fact and a literal, ordering of a number fact and a literal, `in` over a literal array, a boolean fact by itself, and
 * `and`, `or`, `!`. Everything else in JsonLogic fails open on missing data, substrings, coercion or prototypes, and is refused. `json-logic-js` defines the
 * meaning: for every accepted condition and every well-typed facts object the closure agrees with it, and a property test says so.
 *
 * A fact that may be absent has an ordering only where an earlier operand of the same `and` or `or` has settled that it is present: `null < 5` holds.
 */
import * as Match from "effect/Match"
import type { FactType, Facts, FactValue } from "./Facts.ts"
import { compileOpaque, opaqueFacts, opaqueOperators } from "./condition/opaque.ts"
import type { Path } from "./Finding.ts"
import { unknownFactFix } from "./condition/unknownFact.ts"
import { didYouMean } from "./Suggest.ts"

export type Order = "<" | "<=" | ">" | ">="

export type Condition =
  | { readonly _tag: "Is"; readonly fact: string; readonly value: FactValue }
  | { readonly _tag: "IsNot"; readonly fact: string; readonly value: FactValue }
  | { readonly _tag: "Ordered"; readonly fact: string; readonly order: Order; readonly value: number }
  | { readonly _tag: "OneOf"; readonly fact: string; readonly values: ReadonlyArray<FactValue> }
  | { readonly _tag: "Flag"; readonly fact: string }
  | { readonly _tag: "All"; readonly of: ReadonlyArray<Condition> }
  | { readonly _tag: "Any"; readonly of: ReadonlyArray<Condition> }
  | { readonly _tag: "Not"; readonly of: Condition }
  /** Any other JsonLogic, which the author has marked: what it comes to can be computed, but not analysed. */
  | { readonly _tag: "Opaque"; readonly facts: ReadonlyArray<string>; readonly rule: unknown }

/** What a condition is typed against. */
export interface Vocabulary {
  readonly typeOf: (name: string) => FactType | undefined
  readonly names: ReadonlyArray<string>
}

/** Told of each fault: where, which, what, and what would mend it. */
export type Report = (path: Path, code: string, message: string, fix?: string) => void

const operators = ["===", "!==", "<", "<=", ">", ">=", "in", "and", "or", "!", "var", "opaque"]
const orders: ReadonlySet<string> = new Set(["<", "<=", ">", ">="])
/** Nesting that no author reaches, and no stack minds. */
const maxDepth = 64

const isRecord = (json: unknown): json is Record<string, unknown> => typeof json === "object" && json !== null && !Array.isArray(json)
const describe = (json: unknown): string => {
  const text = JSON.stringify(json) ?? String(json)
  return `\`${text.length > 60 ? `${text.slice(0, 57)}...` : text}\``
}
const isLiteral = (json: unknown): json is FactValue =>
  json === null || typeof json === "string" || typeof json === "boolean" || (typeof json === "number" && Number.isFinite(json))

/** The facts that are known to be present once `condition` has come out as `outcome`. */
const presentAfter = (condition: Condition, outcome: boolean): ReadonlyArray<string> => {
  switch (condition._tag) {
    case "Is":
      return (condition.value === null) === outcome ? [] : condition.value === null || outcome ? [condition.fact] : []
    case "IsNot":
      return presentAfter({ ...condition, _tag: "Is" }, !outcome)
    case "OneOf":
      return outcome && !condition.values.includes(null) ? [condition.fact] : []
    case "All":
      return outcome ? condition.of.flatMap((part) => presentAfter(part, true)) : []
    case "Any":
      return outcome ? [] : condition.of.flatMap((part) => presentAfter(part, false))
    case "Not":
      return presentAfter(condition.of, !outcome)
    case "Flag":
    case "Ordered":
    case "Opaque":
      return []
  }
}

/** Reads JsonLogic as a condition, or reports everything that is wrong with it and returns undefined. */
export const parse = (json: unknown, path: Path, vocabulary: Vocabulary, report: Report): Condition | undefined => {
  const factAt = (operand: unknown, at: Path): { readonly name: string; readonly type: FactType } | undefined => {
    if (!isRecord(operand) || Object.keys(operand).length !== 1 || typeof operand["var"] !== "string") {
      report(
        at,
        "condition",
        `expected a fact, {"var": "…"}, but found ${describe(operand)}`,
        "write the fact first and the literal second"
      )
      return undefined
    }
    const name = operand["var"]
    const type = vocabulary.typeOf(name)
    if (type === undefined) {
      const fix = unknownFactFix(name, vocabulary.names)
      report([...at, "var"], "unknown-fact", `unknown fact \`${name}\``, fix)
      return undefined
    }
    return { name, type }
  }

  const literalFits = (value: unknown, fact: { readonly name: string; readonly type: FactType }, at: Path): value is FactValue => {
    if (!isLiteral(value)) {
      report(at, "condition", `expected a literal to compare \`${fact.name}\` with, but found ${describe(value)}`)
      return false
    }
    if (value === null) {
      if (fact.type.optional) return true
      report(at, "condition-type", `\`${fact.name}\` is always present, so comparing it with null says nothing`)
      return false
    }
    if (typeof value === fact.type.type) return true
    report(at, "condition-type", `\`${fact.name}\` is a ${fact.type.type}, but is compared with ${describe(value)}, a ${typeof value}`)
    return false
  }

  const list = (
    operands: unknown,
    at: Path,
    present: ReadonlySet<string>,
    outcome: boolean,
    depth: number
  ): ReadonlyArray<Condition> | undefined => {
    if (!Array.isArray(operands) || operands.length === 0) {
      report(at, "condition", "expected a list of at least one condition")
      return undefined
    }
    const known = new Set(present)
    const parts: Array<Condition> = []
    for (const [i, operand] of operands.entries()) {
      const part = go(operand, [...at, i], known, depth)
      if (part === undefined) continue
      parts.push(part)
      for (const fact of presentAfter(part, outcome)) known.add(fact)
    }
    return parts.length === operands.length ? parts : undefined
  }

  const go = (rule: unknown, at: Path, present: ReadonlySet<string>, depth: number): Condition | undefined => {
    if (depth > maxDepth) {
      report(at, "condition", `conditions nest at most ${maxDepth} deep`)
      return undefined
    }
    if (!isRecord(rule) || Object.keys(rule).length !== 1) {
      report(at, "condition", `expected a condition, an object with one operator, but found ${describe(rule)}`)
      return undefined
    }
    const operator = Object.keys(rule)[0]!
    const operands = rule[operator]
    const inside = [...at, operator]
    if (operator === "var") {
      const fact = factAt(rule, at)
      if (fact === undefined) return undefined
      if (fact.type.type === "boolean") return { _tag: "Flag", fact: fact.name }
      report(at, "condition-type", `\`${fact.name}\` is a ${fact.type.type}, not a condition by itself`, "compare it with something")
      return undefined
    }
    if (operator === "and" || operator === "or") {
      const of = list(operands, inside, present, operator === "and", depth + 1)
      return of === undefined ? undefined : { _tag: operator === "and" ? "All" : "Any", of }
    }
    if (operator === "!") {
      const alone =
        Array.isArray(operands) && operands.length === 1 ? { operand: operands[0], at: [...inside, 0] } : { operand: operands, at: inside }
      const of = go(alone.operand, alone.at, present, depth + 1)
      return of === undefined ? undefined : { _tag: "Not", of }
    }
    if (operator === "opaque") {
      const [rule, ...others] = Array.isArray(operands) ? (operands as ReadonlyArray<unknown>) : [operands]
      if (rule === undefined || others.length > 0) {
        report(inside, "condition", "`opaque` takes one rule")
        return undefined
      }
      const facts = opaqueFacts(rule, Array.isArray(operands) ? [...inside, 0] : inside, vocabulary, report)
      return facts === undefined ? undefined : { _tag: "Opaque", facts, rule }
    }
    if (!operators.includes(operator)) {
      const near = didYouMean(operator, operators)
      const mark = `what cannot be analysed can be marked: {"opaque": {"${operator}": …}}`
      const fix = opaqueOperators.has(operator)
        ? near === undefined
          ? mark
          : `${near} ${mark}`
        : (near ?? `known are ${operators.join(" ")}`)
      report(at, "condition-operator", `\`${operator}\` is not an operator that can be analysed`, fix)
      return undefined
    }
    if (!Array.isArray(operands) || operands.length !== 2) {
      report(inside, "condition", `\`${operator}\` takes a fact and a literal`)
      return undefined
    }
    const fact = factAt(operands[0], [...inside, 0])
    if (fact === undefined) return undefined
    const value: unknown = operands[1]
    const valueAt = [...inside, 1]
    if (operator === "in") {
      if (!Array.isArray(value) || value.length === 0) {
        report(valueAt, "condition", "`in` takes a literal list of at least one value: on a text it would look for a substring")
        return undefined
      }
      const fits = value.map((entry, i) => literalFits(entry, fact, [...valueAt, i]))
      return fits.every(Boolean) ? { _tag: "OneOf", fact: fact.name, values: value } : undefined
    }
    if (orders.has(operator)) {
      if (fact.type.type !== "number" || typeof value !== "number" || !Number.isFinite(value)) {
        report(
          valueAt,
          "condition-type",
          `\`${operator}\` orders a number fact and a number, but \`${fact.name}\` is a ${fact.type.type} and the other is ${describe(value)}`
        )
        return undefined
      }
      if (fact.type.optional && !present.has(fact.name)) {
        report(
          inside,
          "condition-absent",
          `\`${fact.name}\` may be absent, and absence would count as 0`,
          `put {"!==": [{"var": "${fact.name}"}, null]} before it in an \`and\``
        )
        return undefined
      }
      return { _tag: "Ordered", fact: fact.name, order: operator as Order, value }
    }
    if (!literalFits(value, fact, valueAt)) return undefined
    return { _tag: operator === "===" ? "Is" : "IsNot", fact: fact.name, value }
  }

  return go(json, path, new Set(), 0)
}

export type Test = (facts: Facts) => boolean

/** Compiles a condition to a closure over facts in slots. Total: `parse` has refused what could fail. */
export const compile = (condition: Condition, slotOf: (fact: string) => number): Test => lower(slotOf)(condition)

const lower = (slotOf: (fact: string) => number): ((condition: Condition) => Test) => {
  const go: (condition: Condition) => Test = Match.typeTags<Condition>()({
    Is: ({ fact, value }): Test => {
      const slot = slotOf(fact)
      return (facts) => facts[slot] === value
    },
    IsNot: ({ fact, value }): Test => {
      const slot = slotOf(fact)
      return (facts) => facts[slot] !== value
    },
    Ordered: ({ fact, order, value }): Test => {
      const slot = slotOf(fact)
      // INVARIANT: an ordered fact is a number wherever this is reached.
      switch (order) {
        case "<":
          return (facts) => (facts[slot] as number) < value
        case "<=":
          return (facts) => (facts[slot] as number) <= value
        case ">":
          return (facts) => (facts[slot] as number) > value
        case ">=":
          return (facts) => (facts[slot] as number) >= value
      }
    },
    OneOf: ({ fact, values }): Test => {
      const slot = slotOf(fact)
      const set = new Set(values)
      return (facts) => set.has(facts[slot]!)
    },
    Flag: ({ fact }): Test => {
      const slot = slotOf(fact)
      return (facts) => facts[slot] === true
    },
    All: ({ of }): Test => of.map(go).reduce((a, b) => (facts) => a(facts) && b(facts)),
    Any: ({ of }): Test => of.map(go).reduce((a, b) => (facts) => a(facts) || b(facts)),
    Not: ({ of }): Test => {
      const test = go(of)
      return (facts) => !test(facts)
    },
    Opaque: ({ facts, rule }): Test => compileOpaque(rule, facts, slotOf)
  })
  return go
}

/** A condition in the author's manner of writing, for `explain`. */
export const show: (condition: Condition) => string = Match.typeTags<Condition>()({
  Is: ({ fact, value }) => `${fact} is ${JSON.stringify(value)}`,
  IsNot: ({ fact, value }) => `${fact} is not ${JSON.stringify(value)}`,
  Ordered: ({ fact, order, value }) => `${fact} ${order} ${value}`,
  OneOf: ({ fact, values }) => `${fact} is one of ${values.map((value) => JSON.stringify(value)).join(", ")}`,
  Flag: ({ fact }) => fact,
  All: ({ of }): string => `(${of.map(show).join(" and ")})`,
  Any: ({ of }): string => `(${of.map(show).join(" or ")})`,
  Not: ({ of }): string => `not ${show(of)}`,
  Opaque: ({ rule }) => `opaque ${JSON.stringify(rule)}`
})

/** Whether a condition holds where only some facts are known (`undefined` for the others): true or false for certain, or undefined. */
export const given = (condition: Condition, known: (fact: string) => FactValue | undefined): boolean | undefined => {
  switch (condition._tag) {
    case "All":
    case "Any": {
      const settles = condition._tag === "Any"
      const parts = new Set(condition.of.map((part) => given(part, known)))
      if (parts.has(settles)) return settles
      return parts.has(undefined) ? undefined : !settles
    }
    case "Not": {
      const holds = given(condition.of, known)
      return holds === undefined ? undefined : !holds
    }
    case "Opaque":
      return undefined
    default:
      return known(condition.fact) === undefined ? undefined : compile(condition, () => 0)([known(condition.fact)!])
  }
}
