/**
 * `escalate`: its `if` asks about answers and nothing else, it can hold and it can fail to, and whoever streams knows what it costs.
 *
 * An answer has few facts, each with few values that a condition can tell apart, so whether a condition can hold is tried with all of them.
 */
import { answerSlotOf, answerVocabulary, isRefusal, stopReasons } from "../AnswerFacts.ts"
import type { Found } from "../Check.ts"
import * as Condition from "../Condition.ts"
import type { StopReason } from "../Conversation.ts"
import type { FactValue } from "../Facts.ts"
import type { Path } from "../Finding.ts"
import type { Strategy } from "../Policy.ts"
import { didYouMean } from "../Suggest.ts"

type Escalate = Extract<Strategy, { readonly _tag: "Escalate" }>

/** More combinations than this are not tried. */
const maxTried = 100_000

/** What conditions compare a fact with, for each. */
const comparedIn = (
  condition: Condition.Condition,
  compared = new Map<string, Set<FactValue>>()
): ReadonlyMap<string, ReadonlySet<FactValue>> => {
  const note = (fact: string, values: ReadonlyArray<FactValue>): void => {
    const known = compared.get(fact) ?? new Set()
    for (const value of values) known.add(value)
    compared.set(fact, known)
  }
  switch (condition._tag) {
    case "All":
    case "Any":
      for (const part of condition.of) comparedIn(part, compared)
      break
    case "Not":
      comparedIn(condition.of, compared)
      break
    case "Is":
    case "IsNot":
    case "Ordered":
      note(condition.fact, [condition.value])
      break
    case "OneOf":
      note(condition.fact, condition.values)
      break
    case "Flag":
      note(condition.fact, [])
      break
    case "Opaque":
      break
  }
  return compared
}

/** Values of a fact of which each other behaves like one, as long as it is compared with these alone. */
const representatives = (fact: string, compared: ReadonlySet<FactValue>): ReadonlyArray<FactValue> => {
  const { optional, type } = answerVocabulary.typeOf(fact)!
  if (type === "boolean") return [true, false]
  if (type === "string") return stopReasons
  const near = [...compared].flatMap((value) =>
    typeof value === "number" ? [Math.ceil(value) - 1, Math.ceil(value), Math.floor(value) + 1] : []
  )
  const counts = new Set([0, ...near].filter((count) => count >= 0))
  return optional ? [null, ...counts] : [...counts]
}

/** What is so of every answer: some reasons are refusals, and the shortest JSON is `{}`. Facts that nobody asks about stand in no way. */
const isPossible = (asked: ReadonlyMap<string, unknown>, value: (fact: string) => FactValue): boolean => {
  const both = (a: string, b: string): boolean => asked.has(a) && asked.has(b)
  if (both("answer.stop", "answer.refused") && isRefusal(value("answer.stop") as StopReason) && value("answer.refused") === false)
    return false
  return !(both("answer.isJson", "answer.characters") && value("answer.isJson") === true && (value("answer.characters") as number) < 2)
}

/** Whether a condition holds of some answers, and whether of all; undefined where there is too much to try. */
const holdsOf = (condition: Condition.Condition): { readonly some: boolean; readonly all: boolean } | undefined => {
  const compared = comparedIn(condition)
  const domains = [...compared].map(([fact, values]) => ({ slot: answerSlotOf(fact), values: representatives(fact, values) }))
  if (domains.reduce((product, { values }) => product * values.length, 1) > maxTried) return undefined
  const test = Condition.compile(condition, answerSlotOf)
  const facts: Array<FactValue> = answerVocabulary.names.map(() => null)
  const value = (fact: string): FactValue => facts[answerSlotOf(fact)]!
  let [some, all] = [false, true]
  const go = (at: number): void => {
    const domain = domains[at]
    if (domain === undefined) {
      if (!isPossible(compared, value)) return
      if (test(facts)) some = true
      else all = false
      return
    }
    for (const one of domain.values) {
      facts[domain.slot] = one
      go(at + 1)
    }
  }
  go(0)
  return { some, all }
}

const isStop = (operand: unknown): boolean =>
  typeof operand === "object" && operand !== null && "var" in operand && operand.var === "answer.stop"

/** Finds what a well-formed condition says that no answer could mean; true where there is something. */
const misnamed = (json: unknown, path: Path, found: Found): boolean => {
  if (typeof json !== "object" || json === null) return false
  if (Array.isArray(json)) return json.map((part, i) => misnamed(part, [...path, i], found)).some(Boolean)
  return Object.entries(json)
    .map(([operator, operands]) => {
      const at = [...path, operator]
      if (operator === "opaque") {
        const fix = "write it in conditions that can be analysed"
        found("error", path, "condition-operator", "`opaque` cannot be asked of an answer: one that it throws at would be lost", fix)
        return true
      }
      if (!Array.isArray(operands) || !isStop(operands[0])) return misnamed(operands, at, found)
      const values: ReadonlyArray<readonly [unknown, Path]> = Array.isArray(operands[1])
        ? operands[1].map((value: unknown, i) => [value, [...at, 1, i]] as const)
        : [[operands[1], [...at, 1]]]
      const wrong = values.filter(([value]) => !(stopReasons as ReadonlyArray<unknown>).includes(value))
      for (const [value, place] of wrong) {
        const fix = didYouMean(String(value), stopReasons) ?? `known are ${stopReasons.join(", ")}`
        found("error", place, "unknown-stop", `no answer ends for the reason ${JSON.stringify(value)}`, fix)
      }
      return wrong.length > 0
    })
    .some(Boolean)
}

/** `streams`: whether calls come here that stream. `again`: a target that is asked the same question by `of` and by `to`. */
export const checkEscalate = (
  { if: json }: Escalate,
  path: Path,
  { again, streams }: { readonly again: string | undefined; readonly streams: boolean },
  found: Found
): void => {
  const at = [...path, "if"]
  const condition = Condition.parse(json, at, answerVocabulary, (place, code, message, fix) =>
    found(
      "error",
      place,
      code,
      message,
      fix ?? (code === "unknown-fact" ? `an answer has ${answerVocabulary.names.join(", ")}` : undefined)
    )
  )
  if (condition !== undefined && !misnamed(json, at, found)) {
    const holds = holdsOf(condition)
    if (holds?.some === false)
      found("warning", at, "dead-escalation", "this holds of no answer, so that nothing is ever escalated", "mend it, or write `first`")
    else if (holds?.all === true)
      found(
        "warning",
        at,
        "dead-escalation",
        "this holds of every answer, so that each is paid for and thrown away",
        "mend it, or write `to` alone"
      )
  }
  if (again !== undefined)
    found(
      "warning",
      [...path, "to"],
      "escalate-same",
      `\`${again}\` is asked again in the same way: what it answered once it may answer twice`,
      "escalate to another target, or set something else for it"
    )
  if (streams)
    found("note", path, "stream-held-back", "a stream is held back here until it is whole, so that its first token comes with its last")
}
