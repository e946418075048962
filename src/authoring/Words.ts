/**
 * The words that routes are written with, as functions that emit the policy language. Runs when a policy file is evaluated.
 *
 * Conditions come out as the analysable part of JsonLogic and nothing else. That part has no operator for "this or a default", so
 * `.or(…)` is resolved here, where the default is known: into the same comparison with an explicit case for `null`. The case for `null`
 * comes first in its list, and the condition checker relies on that. One set of words serves every policy; which names exist is known to
 * the types and to `Check.ts`.
 */
import type { ConditionJson } from "../Policy.ts"
import type * as Facts from "./Facts.ts"
import type { Names } from "./Names.ts"
import type * as Strategies from "./Strategies.ts"

type Literal = string | number | boolean | null
type Ordering = "<" | "<=" | ">" | ">="

const variable = (fact: string) => ({ var: fact })
const equals = (fact: string, value: Literal) => ({ "===": [variable(fact), value] })
const isIn = (fact: string, values: ReadonlyArray<Literal>) => ({ in: [variable(fact), values] })
const isAbsent = (fact: string) => equals(fact, null)
const isPresent = (fact: string) => ({ "!==": [variable(fact), null] })

const orders = {
  "<": (a: number, b: number) => a < b,
  "<=": (a: number, b: number) => a <= b,
  ">": (a: number, b: number) => a > b,
  ">=": (a: number, b: number) => a >= b
} satisfies Record<Ordering, (a: number, b: number) => boolean>

/** A default for absence; the wrapper tells "no default" from every value. */
type Default<A> = { readonly value: A } | undefined

/** `json`, which is false of `null`, with the answer that the default gives. */
const orAbsent = (fact: string, holdsOfDefault: boolean, json: ConditionJson): ConditionJson =>
  holdsOfDefault ? { or: [isAbsent(fact), json] } : json

// Conditions are JSON whose type the author never sees: the brand exists for the compiler only.
const condition = (json: ConditionJson) => json as unknown as Facts.Condition

const text = (fact: string, absent?: Default<string>) => ({
  is: (value: string) => condition(orAbsent(fact, absent?.value === value, equals(fact, value))),
  oneOf: (...values: ReadonlyArray<string>) =>
    condition(orAbsent(fact, absent !== undefined && values.includes(absent.value), isIn(fact, values))),
  toJSON: () => (absent === undefined ? { fact } : { fact, or: absent.value })
})

const numeric = (fact: string, absent?: Default<number>): Facts.Numeric => {
  const order = (operator: Ordering) => (value: number) => {
    const json = { [operator]: [variable(fact), value] }
    if (absent === undefined) return condition(json)
    // JsonLogic orders `null` as 0, so here the case for `null` has to be spelt out both ways.
    return condition(orders[operator](absent.value, value) ? { or: [isAbsent(fact), json] } : { and: [isPresent(fact), json] })
  }
  return {
    is: (value) => condition(orAbsent(fact, absent?.value === value, equals(fact, value))),
    gt: order(">"),
    gte: order(">="),
    lt: order("<"),
    lte: order("<=")
  }
}

const flag = (fact: string) => ({
  is: (value: boolean) => condition(equals(fact, value)),
  toJSON: () => variable(fact)
})

const textOrAbsent = (fact: string) => ({
  present: () => condition(isPresent(fact)),
  or: (value: string) => text(fact, { value })
})

const numberOrAbsent = (fact: string) => ({
  present: () => condition(isPresent(fact)),
  or: (value: number) => numeric(fact, { value })
})

const isOptions = (value: unknown): value is Strategies.FirstOptions => typeof value === "object" && value !== null && !("_tag" in value)

const first = (...of: ReadonlyArray<unknown>) => {
  const last = of.at(-1)
  const [strategies, on] = isOptions(last) ? [of.slice(0, -1), last] : [of, {}]
  if (strategies.some(isOptions)) throw new TypeError("`first(…)`: the options `{ on: [ … ] }` come once, after the last strategy")
  return { _tag: "First", of: strategies, ...on }
}

const isList = (arms: Strategies.Arms<string>): arms is ReadonlyArray<Strategies.Arm<string>> => Array.isArray(arms)
const armsOf = (arms: Strategies.Arms<string>): unknown =>
  isList(arms) ? arms : Object.entries(arms).map(([name, weight]) => ({ name, weight, to: name }))

const words = {
  request: {
    id: text("request.id"),
    api: text("request.api"),
    model: text("request.model"),
    stream: flag("request.stream"),
    inputTokens: numeric("request.inputTokens"),
    maxOutputTokens: numberOrAbsent("request.maxOutputTokens"),
    messages: numeric("request.messages"),
    needs: {
      tools: flag("request.needs.tools"),
      vision: flag("request.needs.vision"),
      structuredOutput: flag("request.needs.structuredOutput"),
      reasoning: flag("request.needs.reasoning"),
      audio: flag("request.needs.audio"),
      files: flag("request.needs.files")
    },
    metadata: (name: string) => textOrAbsent(`request.metadata.${name}`),
    header: (name: string) => textOrAbsent(`request.headers.${name}`)
  },
  caller: {
    key: text("caller.key"),
    class: text("caller.class"),
    team: textOrAbsent("caller.team"),
    organisation: textOrAbsent("caller.organisation"),
    tag: (name: string) => flag(`caller.tags.${name}`)
  },
  time: { hour: numeric("time.hour"), weekday: text("time.weekday") },
  budget: (name: string) => ({
    spent: numeric(`budget.${name}.spent`),
    remaining: numeric(`budget.${name}.remaining`),
    usedRatio: numeric(`budget.${name}.usedRatio`)
  }),
  health: (target: string) => ({ up: flag(`health.${target}.up`), latencyMillis: numberOrAbsent(`health.${target}.latencyMillis`) }),
  all: (...of: ReadonlyArray<unknown>) => ({ and: of }),
  any: (...of: ReadonlyArray<unknown>) => ({ or: of }),
  not: (of: unknown) => ({ "!": [of] }),
  opaque: (rule: unknown) => ({ opaque: rule }),
  asked: () => ({ _tag: "Asked" }),
  deny: (status: number, code: string, message: string) => ({ _tag: "Deny", status, code, message }),
  answer: {
    stop: text("answer.stop"),
    outputTokens: numberOrAbsent("answer.outputTokens"),
    characters: numeric("answer.characters"),
    toolCalls: numeric("answer.toolCalls"),
    refused: flag("answer.refused"),
    isJson: flag("answer.isJson")
  },
  escalate: (of: unknown, options: Strategies.EscalateOptions<string>) => ({ _tag: "Escalate", of, if: options.if, to: options.to }),
  first,
  hedge: (of: unknown, options: Strategies.HedgeOptions<string>) => ({ _tag: "Hedge", of, after: options.after, with: options.with }),
  pool: (name: string) => ({ _tag: "Pool", pool: name }),
  retry: ({ first, longest, ...options }: Strategies.RetryOptions, of: unknown) => ({
    _tag: "Retry",
    ...options,
    backoff: first === undefined && longest === undefined ? undefined : { first, longest },
    of
  }),
  shadow: (of: unknown, options: Strategies.ShadowOptions<string>) => ({ _tag: "Shadow", of, copy: options.copy, sample: options.sample }),
  send: (target: string, set?: Strategies.Overrides) => ({ _tag: "Send", target, set }),
  split: ({ by, salt }: Strategies.SplitOptions, arms: Strategies.Arms<string>) => ({ _tag: "Split", by, salt, arms: armsOf(arms) }),
  spread: (by: string, of: unknown) => ({ _tag: "Spread", by, of }),
  when: (condition: unknown, then: unknown, otherwise: unknown) => ({ _tag: "When", if: condition, then, otherwise }),
  within: (duration: string, of: unknown) => ({ _tag: "Within", duration, of })
} satisfies Record<keyof Strategies.Words<Names>, unknown>

/** The words for a policy; its names live in the types alone. */
export const wordsFor = <N extends Names>(): Strategies.Words<N> => words as unknown as Strategies.Words<N>
