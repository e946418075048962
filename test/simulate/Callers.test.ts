/** Who sends rows that name nobody, and what they ask for. */
import { assert, describe, it } from "@effect/vitest"
import { callers } from "../../src/simulate/Callers.ts"
import { compiled, plainly, ran, steady, team } from "./support.ts"

const policy = compiled(team)

describe("callers", () => {
  it("are the policy's keys by the seed, each with the first target that its class may use", async () => {
    const lines = steady(3_000, 100)
    const { classes, targets } = await ran(policy, lines)
    assert.deepStrictEqual(
      classes.map((seen) => seen.class),
      ["engineering", "support"]
    )
    assert.closeTo(classes[0]!.measured.calls, 2_000, 150)
    // Engineers get `sonnet`, support may use nothing but `mini`.
    assert.deepStrictEqual(
      targets.map(({ measured }) => measured.served),
      [classes[0]!.measured.calls, 0, classes[1]!.measured.calls]
    )
    const [as, ask] = [await ran(policy, lines, { as: "carol" }), await ran(policy, lines, { as: "bob", ask: "chat" })]
    assert.deepStrictEqual(
      as.classes.map(({ measured }) => measured.calls),
      [0, 3_000]
    )
    assert.deepStrictEqual(
      ask.routes.map(({ measured }) => measured.calls),
      [3_000, 0]
    )
  })

  it("are named wrongly with a hint", () => {
    const said = (options: object, of = policy) => {
      const result = callers(of, 1, options)
      return result._tag === "Failure" ? result.failure : undefined
    }
    assert.strictEqual(said({ as: "alcie" }), "--as: unknown key `alcie`; did you mean `alice`?")
    assert.strictEqual(said({ ask: "sonet" }), "--ask: unknown model `sonet`; did you mean `sonnet`?")
    assert.isUndefined(said({ ask: "claude-sonnet-4-5" }))
    const open = compiled(plainly("a"))
    assert.strictEqual(said({ as: "alice" }, open), "--as `alice`: the policy has no keys, so every caller is `local`")
    assert.isUndefined(said({}, open))
  })

  it("may be refused for what they ask, as live", async () => {
    const { total } = await ran(
      policy,
      steady(10, 1_000, (i) => ({ key: "carol", model: i % 2 === 0 ? "sonnet" : "sonet" }))
    )
    assert.deepStrictEqual(total.measured.refusedBy, { model_not_found: 5, not_granted: 5 })
  })
})
