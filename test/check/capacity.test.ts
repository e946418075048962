/** What `check` says of capacities. */
import { assert, describe, it } from "@effect/vitest"
import { check } from "../../src/Check.ts"
import type { PolicyEncoded } from "../../src/Policy.ts"

type Capacity = NonNullable<PolicyEncoded["targets"][string]["capacity"]>

const found = (capacities: ReadonlyArray<Capacity | undefined>, more: Partial<PolicyEncoded> = {}) => {
  const target = { provider: "openai", model: "gpt-4o-mini" }
  const policy: PolicyEncoded = {
    name: "places",
    providers: { openai: { dialect: "openai", key: { env: "KEY" } } },
    targets: Object.fromEntries(capacities.map((capacity, i) => ["abc"[i]!, capacity === undefined ? target : { ...target, capacity }])),
    routes: [{ name: "only", to: "a" }],
    ...more
  }
  return check(policy)
    .findings.filter(({ code }) => code.startsWith("capacity-"))
    .map(({ code, level, message, place }) => `${level} ${code} ${place}: ${message}`)
}

describe("capacity", () => {
  it("a queue in which nobody waits", () => {
    assert.deepStrictEqual(found([{ inFlight: 1, queued: 3, wait: "0 seconds" }]), [
      "warning capacity-wait targets.a.capacity.wait: a queue in which nobody waits"
    ])
  })

  it("a wait without a queue, where its author has written it", () => {
    assert.deepStrictEqual(found([{ inFlight: 1, wait: "3 seconds" }]), [
      "warning capacity-wait targets.a.capacity.wait: nobody waits where there is no queue"
    ])
    assert.deepStrictEqual(found([{ inFlight: 1 }]), [])
  })

  it("a wait that every route's effort ends", () => {
    const capacity = { inFlight: 1, queued: 1, wait: "10 seconds" }
    assert.deepStrictEqual(found([capacity], { effort: { time: "4 seconds" } }), [
      "warning capacity-wait targets.a.capacity.wait: nobody waits for 10 seconds: the `effort` of every route ends after 4 s"
    ])
    assert.deepStrictEqual(found([capacity], { effort: { time: "10 seconds" } }), [])
    assert.deepStrictEqual(
      found([capacity], { effort: { time: "4 seconds" }, routes: [{ name: "only", effort: { time: "none" }, to: "a" }] }),
      []
    )
  })

  it("one deployment with two capacities, or with one that counts for one name alone", () => {
    assert.deepStrictEqual(found([{ inFlight: 1 }, { inFlight: 2 }, { inFlight: 1, queued: 4 }]), [
      "warning capacity-differs targets.b: `b` and `a` are one deployment: the smaller of their capacities holds for both"
    ])
    assert.deepStrictEqual(found([{ inFlight: 1 }, undefined]), [
      "warning capacity-differs targets.b: `b` and `a` are one deployment: what goes to `b` does not count for the capacity of the other"
    ])
  })
})
