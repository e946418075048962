/**
 * Conditions that the author has marked as opaque: any JsonLogic over known facts, evaluated by `json-logic-js` itself.
 *
 * Facts are named literally, so that it is known what a rule reads: it sees these alone, as frozen objects without prototypes. What it throws becomes a
 * `ConditionThrew`, by which deciding denies the call: a rule that cannot be evaluated lets nothing through. Operators that do more than compute (`log`) or whose
 * answer would mislead (`missing`: facts are always there) are refused at load. Evaluating costs about a microsecond for each few operators.
 *
 * Two things that `json-logic-js` takes in silence are refused, because what they come to is never what was meant. An object of several keys counts as data, and so as true,
 * though it looks like two operators. And in `map` and its like `var` reads the element at hand: a fact named there is null, and an inherited name is there. An element is
 * a value or a list, and in `reduce` has `current` and `accumulator`; whatever else could be named is neither.
 *
 * Evaluating throws seldom, since nearly everything is coerced: `*` of nothing does, and a text or a list that is doubled until it is too long.
 */
import jsonLogic from "json-logic-js"
import type { Condition, Report, Test, Vocabulary } from "../Condition.ts"
import type { Facts } from "../Facts.ts"
import type { Path } from "../Finding.ts"
import { didYouMean } from "../Suggest.ts"
import { unknownFactFix } from "./unknownFact.ts"

/** What evaluating an opaque condition has thrown. A plain value: nobody reads a stack of it. */
export class ConditionThrew {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

/** Every operator of json-logic-js 2.0 that only computes, of what it is given. */
export const opaqueOperators: ReadonlySet<string> = new Set(
  "var if ?: == === != !== ! !! or and > >= < <= max min + - * / % map reduce filter all none some merge in cat substr".split(" ")
)
/** Those within whose second operand `var` reads the element at hand. */
const binding = new Set(["map", "reduce", "filter", "all", "none", "some"])
/** What can be read of an element: itself, a place in a list, a length; in `reduce` the element and what has come of those before it. */
const elementPath = /^(?:(?:current|accumulator|length|\d+)(?:\.(?:length|\d+))*)?$/
/** As in conditions that can be analysed: what no author reaches and no stack minds. */
const maxDepth = 64

/** The facts that `rule` reads, or undefined after every fault has been reported. */
export const opaqueFacts = (rule: unknown, path: Path, vocabulary: Vocabulary, report: Report): ReadonlyArray<string> | undefined => {
  const facts = new Set<string>()
  let sound = true
  const fault = (at: Path, code: string, message: string, fix?: string): void => {
    sound = false
    report(at, code, message, fix)
  }
  const fact = (name: unknown, at: Path): void => {
    if (typeof name !== "string") fault(at, "condition", "an opaque condition names its facts as texts, so that it is known what it reads")
    else if (vocabulary.typeOf(name) === undefined)
      fault(at, "unknown-fact", `unknown fact \`${name}\``, unknownFactFix(name, vocabulary.names))
    else facts.add(name)
  }
  const element = (name: unknown, operator: string, at: Path): void => {
    if (name !== undefined && name !== null && !elementPath.test(String(name)))
      fault(
        at,
        "condition",
        `in \`${operator}\` a \`var\` reads the element at hand, of which ${JSON.stringify(name)} is no part`,
        'name "" for the element, an index, or in `reduce` `current` and `accumulator`; facts are named outside'
      )
  }
  /** `within`: the operator by which `var` reads an element, and so no fact. */
  const go = (json: unknown, at: Path, within: string | undefined, depth: number): void => {
    if (typeof json !== "object" || json === null) return
    if (depth > maxDepth) return fault(at, "condition", `conditions nest at most ${maxDepth} deep`)
    if (Array.isArray(json)) return json.forEach((item, i) => go(item, [...at, i], within, depth + 1))
    const [operator, ...others] = Object.keys(json)
    if (operator === undefined || others.length > 0) return fault(at, "condition", "expected JsonLogic: an object with one operator")
    const operands = (json as Record<string, unknown>)[operator]
    const inside = [...at, operator]
    if (operator === "missing" || operator === "missing_some")
      return fault(
        at,
        "condition-operator",
        `\`${operator}\` says nothing here: every fact is there, with null for absent`,
        'compare the fact with null: {"===": [{"var": "…"}, null]}'
      )
    if (!opaqueOperators.has(operator))
      return fault(
        at,
        "condition-operator",
        `\`${operator}\` is not an operator that only computes`,
        didYouMean(operator, [...opaqueOperators])
      )
    const list: ReadonlyArray<unknown> = Array.isArray(operands) ? operands : [operands]
    const places = list.map((_, i) => (Array.isArray(operands) ? [...inside, i] : inside))
    if (operator === "var") {
      if (within === undefined) fact(list[0], places[0] ?? inside)
      else element(list[0], within, places[0] ?? inside)
    }
    for (const [i, operand] of list.entries()) {
      if (operator !== "var" || i > 0) go(operand, places[i]!, binding.has(operator) && i === 1 ? operator : within, depth + 1)
    }
  }
  go(rule, path, undefined, 0)
  return sound ? [...facts] : undefined
}

/** Compiles an opaque rule over facts in slots. */
export const compileOpaque = (rule: unknown, names: ReadonlyArray<string>, slotOf: (fact: string) => number): Test => {
  const reads = names.map((name) => ({ keys: name.split("."), slot: slotOf(name) }))
  return (facts: Facts) => {
    const root: Record<string, unknown> = Object.create(null) as Record<string, unknown>
    const levels: Array<object> = [root]
    for (const { keys, slot } of reads) {
      let level = root
      for (let i = 0; i < keys.length - 1; i++) {
        const key = keys[i]!
        if (level[key] === undefined) levels.push((level[key] = Object.create(null) as object))
        level = level[key] as Record<string, unknown>
      }
      level[keys.at(-1)!] = facts[slot]
    }
    levels.forEach((level) => Object.freeze(level))
    try {
      return jsonLogic.truthy(jsonLogic.apply(rule as jsonLogic.RulesLogic, root))
    } catch (error) {
      throw new ConditionThrew(error instanceof Error ? error.message : String(error))
    }
  }
}

/** Whether any part of a condition is opaque, so that evaluating it may throw. */
export const mayThrow = (condition: Condition): boolean =>
  condition._tag === "Opaque" ||
  ((condition._tag === "All" || condition._tag === "Any") && condition.of.some(mayThrow)) ||
  (condition._tag === "Not" && mayThrow(condition.of))
