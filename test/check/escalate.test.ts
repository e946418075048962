import { assert, describe, it } from "@effect/vitest"
import { answerVocabulary, isRefusal, stopReasons } from "../../src/AnswerFacts.ts"
import { check } from "../../src/Check.ts"
import type { ConditionJson } from "../../src/Policy.ts"
import type { Row } from "./table.ts"
import { table } from "./table.ts"

const base = {
  name: "test",
  providers: { one: { dialect: "openai", key: { env: "A" } }, two: { dialect: "anthropic", key: { env: "B" } } },
  targets: { a: { provider: "one", model: "m1" }, b: { provider: "two", model: "m2" } }
}
const fact = (name: string) => ({ var: `answer.${name}` })
const isCut = { "===": [fact("stop"), "max-tokens"] }
const escalate = (condition: unknown, of: unknown = "a", to: unknown = "b") => ({ _tag: "Escalate", of, if: condition, to })
/** Where nobody streams, so that nothing is said of that. */
const notStreamed = (to: unknown, more: object = {}) => ({
  ...base,
  ...more,
  routes: [
    { name: "whole", when: { "===": [{ var: "request.stream" }, false] }, to },
    { name: "default", to: "a" }
  ]
})
const at = 'routes[0] "whole".to'
const place = `${at}.escalate.if`

const unknownStop = (where: string, value: string, fix: string): Row => [
  "error",
  "unknown-stop",
  where,
  `no answer ends for the reason "${value}"`,
  fix
]
const known = "known are end, stop-sequence, max-tokens, tool-calls, content-filter, refusal, paused, context-window, unknown"
const never: Row = [
  "warning",
  "dead-escalation",
  place,
  "this holds of no answer, so that nothing is ever escalated",
  "mend it, or write `first`"
]
const always: Row = [
  "warning",
  "dead-escalation",
  place,
  "this holds of every answer, so that each is paid for and thrown away",
  "mend it, or write `to` alone"
]
const same: Row = [
  "warning",
  "escalate-same",
  `${at}.escalate.to`,
  "`a` is asked again in the same way: what it answered once it may answer twice",
  "escalate to another target, or set something else for it"
]

table("what an escalation asks", {
  "about each fact of an answer": [
    notStreamed(
      escalate({
        or: [
          isCut,
          fact("refused"),
          { "!": [fact("isJson")] },
          { ">": [fact("toolCalls"), 3] },
          { "<": [fact("characters"), 20] },
          { and: [{ "!==": [fact("outputTokens"), null] }, { ">=": [fact("outputTokens"), 4_000] }] }
        ]
      })
    )
  ],
  "for a reason that there is not": [
    notStreamed(escalate({ "===": [fact("stop"), "max-token"] })),
    unknownStop(`${place}["==="][1]`, "max-token", "did you mean `max-tokens`?")
  ],
  "for one of several, of which some are not": [
    notStreamed(escalate({ or: [fact("refused"), { in: [fact("stop"), ["end", "length"]] }] })),
    unknownStop(`${place}.or[1].in[1][1]`, "length", known)
  ],
  "about the call": [
    notStreamed(escalate({ var: "request.stream" })),
    [
      "error",
      "unknown-fact",
      `${place}.var`,
      "unknown fact `request.stream`",
      "an answer has answer.stop, answer.outputTokens, answer.characters, answer.toolCalls, answer.refused, answer.isJson"
    ]
  ],
  "what cannot be analysed": [
    notStreamed(escalate({ and: [isCut, { opaque: { ">": [fact("characters"), 3] } }] })),
    [
      "error",
      "condition-operator",
      `${place}.and[1]`,
      "`opaque` cannot be asked of an answer: one that it throws at would be lost",
      "write it in conditions that can be analysed"
    ]
  ],
  "about a number that may be absent": [
    notStreamed(escalate({ ">": [fact("outputTokens"), 3] })),
    [
      "error",
      "condition-absent",
      `${place}[">"]`,
      "`answer.outputTokens` may be absent, and absence would count as 0",
      'put {"!==": [{"var": "answer.outputTokens"}, null]} before it in an `and`'
    ]
  ]
})

const when = (condition: unknown) => ({
  ...base,
  routes: [
    { name: "r", when: condition, to: "a" },
    { name: "default", to: "b" }
  ]
})
table("what asks about an answer elsewhere", {
  "a route": [
    when(fact("refused")),
    [
      "error",
      "unknown-fact",
      'routes[0] "r".when.var',
      "unknown fact `answer.refused`",
      "answers are asked about in the `if` of an `escalate` alone"
    ]
  ]
})

table("an escalation of nothing or everything", {
  "fewer characters than none": [notStreamed(escalate({ "<": [fact("characters"), 0] })), never],
  "half a tool call": [notStreamed(escalate({ "===": [fact("toolCalls"), 0.5] })), never],
  "two reasons at once": [notStreamed(escalate({ and: [isCut, { "===": [fact("stop"), "end"] }] })), never],
  "a refusal that is none": [notStreamed(escalate({ and: [{ "===": [fact("stop"), "refusal"] }, { "!": [fact("refused")] }] })), never],
  "JSON of one character": [notStreamed(escalate({ and: [fact("isJson"), { "<": [fact("characters"), 2] }] })), never],
  "a number below a half and above it": [
    notStreamed(escalate({ and: [{ ">": [fact("characters"), 3.2] }, { "<": [fact("characters"), 4] }] })),
    never
  ],
  "any number of characters": [notStreamed(escalate({ ">=": [fact("characters"), 0] })), always],
  "every reason but one that there is not": [notStreamed(escalate({ in: [fact("stop"), stopReasons] })), always],
  "what only a count that is absent could mean": [notStreamed(escalate({ "===": [fact("outputTokens"), null] }))],
  "JSON of two characters": [notStreamed(escalate({ and: [fact("isJson"), { "<": [fact("characters"), 3] }] }))]
})

const set = (more: object) => ({ _tag: "Send", target: "a", set: more })
table("an escalation to what has answered already", {
  "in the same way": [notStreamed(escalate(isCut, "a", "a")), same],
  "after something else": [notStreamed(escalate(isCut, "a", { _tag: "First", of: ["b", "a"] })), same],
  "with the same settings": [notStreamed(escalate(isCut, set({ temperature: 0 }), set({ temperature: 0 }))), same],
  "with others": [notStreamed(escalate(isCut, set({ maxOutputTokens: 100 }), set({ maxOutputTokens: 9_000 })))]
})

const held = (at: string): Row => [
  "note",
  "stream-held-back",
  at,
  "a stream is held back here until it is whole, so that its first token comes with its last"
]
const stream = { "===": [{ var: "request.stream" }, true] }
table("a stream that is held back", {
  "of any call": [{ ...base, routes: [{ name: "default", to: escalate(isCut) }] }, held('routes[0] "default".to')],
  "of a call that may stream": [
    {
      ...base,
      routes: [
        { name: "r", when: { ">": [{ var: "request.messages" }, 3] }, to: escalate(isCut) },
        { name: "default", to: "a" }
      ]
    },
    held('routes[0] "r".to')
  ],
  "in the branch of those that do": [
    { ...base, routes: [{ name: "default", to: { _tag: "When", if: stream, then: escalate(isCut), otherwise: "b" } }] },
    held('routes[0] "default".to.when.then')
  ],
  "not in the branch of those that do not": [
    { ...base, routes: [{ name: "default", to: { _tag: "When", if: stream, then: "b", otherwise: escalate(isCut) } }] }
  ]
})

/** All answers that small conditions could tell apart. */
const everyAnswer = stopReasons.flatMap((stop) =>
  [false, true].flatMap((refused) =>
    [false, true].flatMap((isJson) =>
      [null, 0, 1, 2, 3].flatMap((outputTokens) =>
        [0, 1, 2, 3].flatMap((characters) =>
          [0, 1].map((toolCalls) => ({ stop, outputTokens, characters, toolCalls, refused, isJson }) as Record<string, unknown>)
        )
      )
    )
  )
)
const isAnswer = ({ characters, isJson, refused, stop }: Record<string, unknown>): boolean =>
  (refused === true || !isRefusal(stop as (typeof stopReasons)[number])) && (isJson === false || (characters as number) >= 2)

describe("what is said of a condition", () => {
  it("is so of every answer that there could be", () => {
    const leaves: ReadonlyArray<readonly [ConditionJson, (answer: Record<string, unknown>) => boolean]> = [
      [isCut, ({ stop }) => stop === "max-tokens"],
      [{ "===": [fact("stop"), "refusal"] }, ({ stop }) => stop === "refusal"],
      [fact("refused"), ({ refused }) => refused === true],
      [fact("isJson"), ({ isJson }) => isJson === true],
      [{ "<": [fact("characters"), 2] }, ({ characters }) => (characters as number) < 2],
      [{ ">=": [fact("characters"), 2] }, ({ characters }) => (characters as number) >= 2],
      [{ ">": [fact("toolCalls"), 0] }, ({ toolCalls }) => (toolCalls as number) > 0],
      [{ "===": [fact("outputTokens"), null] }, ({ outputTokens }) => outputTokens === null],
      [{ "===": [fact("outputTokens"), 2] }, ({ outputTokens }) => outputTokens === 2]
    ]
    const literals = leaves.flatMap(([json, holds]) => [
      [json, holds] as const,
      [{ "!": [json] }, (answer: Record<string, unknown>) => !holds(answer)] as const
    ])
    const counts = { never: 0, always: 0, sometimes: 0 }
    for (const [one, first] of literals) {
      for (const [two, second] of literals) {
        for (const [json, holds] of [
          [{ and: [one, two] }, (answer: Record<string, unknown>) => first(answer) && second(answer)],
          [{ or: [one, two] }, (answer: Record<string, unknown>) => first(answer) || second(answer)]
        ] as const) {
          const of = everyAnswer.filter(isAnswer).filter(holds).length
          const expected = of === 0 ? "never" : of === everyAnswer.filter(isAnswer).length ? "always" : "sometimes"
          counts[expected]++
          const dead = check(notStreamed(escalate(json))).findings.find(({ code }) => code === "dead-escalation")
          const said = dead === undefined ? "sometimes" : dead.message.includes("no answer") ? "never" : "always"
          assert.strictEqual(said, expected, JSON.stringify(json))
        }
      }
    }
    assert.isAbove(counts.never, 20)
    assert.isAbove(counts.always, 20)
    assert.isAbove(counts.sometimes, 400)
    assert.lengthOf(answerVocabulary.names, 6)
  })
})
