/**
 * What the whole pipeline costs over an `Attempt` in memory, under a deadline: authenticate, facts, decide, health, reserve, attempt, settle, record; the
 * body is read beforehand. Once served by the first target, once by the second after the first has failed; by the quickest of four targets; and by the first side of a hedge,
 * in time.
 */
import { Effect, Layer } from "effect"
import { fallbackApi } from "../src/Apis.ts"
import { Attempt, type Outcome } from "../src/Attempt.ts"
import type { Incoming } from "../src/Call.ts"
import { Health } from "../src/Health.ts"
import { Keys } from "../src/Keys.ts"
import { Ledger } from "../src/Ledger.ts"
import * as Pipeline from "../src/Pipeline.ts"
import { Recorder } from "../src/Recorder.ts"
import { silent } from "../src/Reply.ts"
import { Slots } from "../src/Slots.ts"
import { body, failover, hedged, parsed, quickest } from "./scenarios.ts"
import { measure } from "./measure.ts"

const served: Outcome = {
  failure: undefined,
  committed: true,
  status: 200,
  usage: undefined,
  firstTokenAt: undefined,
  losses: [],
  unbilled: false
}
const overloaded: Outcome = { ...served, failure: { class: "overloaded", message: "no capacity" }, committed: false, status: 503 }

const request = parsed(body(2_000))
const parse = () => request

for (const [name, failing, policy] of [
  ["the pipeline under a deadline, served at once", "", failover],
  ["the pipeline under a deadline, served after a failover", "one", failover],
  ["the pipeline, served by the quickest of four", "", quickest],
  ["the pipeline, served by a hedge in time", "", hedged]
] as const) {
  const [good, bad] = [Effect.succeed(served), Effect.succeed(overloaded)]
  let recorded = 0
  const services = Layer.mergeAll(
    Layer.succeed(Attempt, { run: (_, target) => (target.name === failing ? bad : good) }),
    // The breaker must go on admitting a target that always fails.
    Health.layer({ failures: Infinity }),
    Slots.layer,
    Keys.layerNames,
    Ledger.layerMemory,
    Recorder.layerOf(() => void recorded++)
  )
  const pipeline = Effect.runSync(
    Effect.scoped(Effect.flatMap(Layer.build(services), (context) => Effect.provideContext(Pipeline.make(policy()), context)))
  )
  const { run } = pipeline
  const runFork = Effect.runFork
  let calls = 0
  measure(
    name,
    () => {
      const incoming: Incoming = { id: `request-${calls++}`, api: fallbackApi, secret: undefined, parse, reply: silent() }
      runFork(run(incoming))
    },
    { limit: 10_000 }
  )
  if (recorded !== calls) throw new Error(`${calls} calls, but ${recorded} records`)
}
