/** Cascades in the simulator: a modelled answer is held back, judged by what the model knows of it, and paid for. */
import { assert, describe, it } from "@effect/vitest"
import type { ConditionJson, PolicyEncoded } from "../../src/Policy.ts"
import type { CallRecord } from "../../src/Recorder.ts"
import { compiled, plainly, ran, steady } from "./support.ts"

const quiet = { default: { firstToken: "100 millis", perToken: "10 millis", failAfter: "10 millis", errors: {} } }
const fact = (name: string) => ({ var: `answer.${name}` })
const isCut: ConditionJson = { "===": [fact("stop"), "max-tokens"] }

type Fields = NonNullable<Exclude<Parameters<typeof steady>[2], (i: number) => unknown>>

/** How each attempt of one call of a hundred tokens ends, when, and what it is charged. */
const attempts = async (condition: ConditionJson, fields: Fields = {}, more: Partial<PolicyEncoded> = {}, model: unknown = quiet) => {
  const records: Array<CallRecord> = []
  const to = { _tag: "Escalate", of: { _tag: "Send", target: "a" }, if: condition, to: "b" } as const
  await ran(compiled(plainly(to, more)), steady(1, 1_000, fields), { model, onRecord: (record) => void records.push(record) })
  return records[0]!.call!.attempts.map(({ committed, endedMillis, failure, target, usage, why }) => [
    target.name,
    why,
    failure?.class ?? "served",
    Math.round(endedMillis),
    committed,
    usage?.outputTokens
  ])
}
const kept = [["a", "first", "served", 1_090, true, 100]]
const thrown = [
  ["a", "first", "escalated", 1_090, false, 100],
  ["b", "escalation", "served", 2_180, true, 100]
]

describe("a simulated cascade", () => {
  it("judges the answer that is modelled, streamed or whole", async () => {
    for (const stream of [true, false]) {
      assert.deepStrictEqual(await attempts(isCut, { stream }), kept)
      assert.deepStrictEqual(await attempts({ "===": [fact("stop"), "end"] }, { stream }), thrown)
      assert.deepStrictEqual(await attempts({ ">=": [fact("characters"), 400] }, { stream }), thrown)
      assert.deepStrictEqual(await attempts({ ">": [fact("characters"), 400] }, { stream }), kept)
      assert.deepStrictEqual(await attempts({ "===": [fact("outputTokens"), 100] }, { stream }), thrown)
      assert.deepStrictEqual(await attempts({ or: [fact("refused"), { ">": [fact("toolCalls"), 0] }, fact("isJson")] }, { stream }), kept)
    }
    assert.deepStrictEqual(await attempts(fact("isJson"), { needs: ["structuredOutput"] }), thrown)
  })

  it("knows an answer that its maximum has cut", async () => {
    const cut = [
      ["a", "first", "escalated", 490, false, 40],
      ["b", "escalation", "served", 980, true, 40]
    ]
    assert.deepStrictEqual(await attempts(isCut, { maxOutputTokens: 40 }), cut)
    assert.deepStrictEqual(await attempts(isCut, { maxOutputTokens: 100 }), kept)
    assert.deepStrictEqual(await attempts(fact("isJson"), { maxOutputTokens: 40, needs: ["structuredOutput"] }), [
      ["a", "first", "served", 490, true, 40]
    ])
  })

  it("must be whole before its deadline and its route's total, and fails over where it is cut", async () => {
    const [late, next] = await attempts(isCut, {}, { timeouts: { total: "1 seconds" } })
    assert.deepStrictEqual(late, ["a", "first", "timeout", 1_000, false, undefined])
    assert.deepStrictEqual(next!.slice(0, 2), ["b", "failover"])
    const cut = { ...quiet, targets: { a: { errors: { "stream-cut": 1 } } } }
    const [first, second] = await attempts(isCut, {}, {}, cut)
    assert.deepStrictEqual([first![2], first![4], second![0], second![1]], ["stream-cut", false, "b", "failover"])
  })
})
