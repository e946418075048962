/** What the tests of simulations share: policies, traffic made by hand, and a run to its end. */
import { Effect, Result } from "effect"
import { check } from "../../src/Check.ts"
import { type Compiled, compile } from "../../src/Compile.ts"
import type { PolicyEncoded } from "../../src/Policy.ts"
import { type Options, make, simulate, type Simulation } from "../../src/Simulate.ts"
import { type CallerOptions, callers } from "../../src/simulate/Callers.ts"
import { type Model, parseModel } from "../../src/simulate/Model.ts"
import type { Report } from "../../src/simulate/Report.ts"
import { type Fields, header, open, type Traffic, toLine } from "../../src/simulate/Traffic.ts"

export const compiled = (json: unknown): Compiled => {
  const { findings, policy } = check(json)
  if (policy === undefined) throw new Error(findings.map(({ message, place }) => `${place}: ${message}`).join("\n"))
  return compile(policy)
}

const price = { input: { usd: 1 }, output: { usd: 5 } }

/** Two providers, three keys in two classes, a budget for each, a split inside a failover, and targets by name. */
export const team: PolicyEncoded = {
  name: "team",
  providers: {
    openai: { dialect: "openai", key: { env: "OPENAI_API_KEY" } },
    anthropic: { dialect: "anthropic", key: { env: "ANTHROPIC_API_KEY" } }
  },
  targets: {
    sonnet: {
      provider: "anthropic",
      model: "claude-sonnet-4-5",
      price: { input: { usd: 3 }, output: { usd: 15 } },
      maxOutputTokens: 4_096
    },
    next: { provider: "anthropic", model: "claude-sonnet-5", price, maxOutputTokens: 4_096 },
    mini: { provider: "openai", model: "gpt-4o-mini", price: { input: { usd: 0.15 }, output: { usd: 0.6 } }, maxOutputTokens: 4_096 }
  },
  budgets: {
    engineering: { per: "class", limit: { usd: 10_000 }, every: "month" },
    agent: { per: "key", limit: { usd: 10_000 }, every: "day" }
  },
  classes: {
    engineering: { may: ["sonnet", "next", "mini"], within: ["engineering"] },
    support: { may: ["mini"], within: ["agent"] }
  },
  keys: {
    alice: { secret: { env: "ALICE" }, class: "engineering", team: "core" },
    bob: { secret: { env: "BOB" }, class: "engineering", team: "search" },
    carol: { secret: { env: "CAROL" }, class: "support" }
  },
  routes: [
    {
      name: "chat",
      when: { "===": [{ var: "request.model" }, "chat"] },
      to: {
        _tag: "First",
        of: [
          {
            _tag: "Split",
            by: { fact: "request.id" },
            salt: "s",
            arms: [
              { name: "old", weight: 90, to: "sonnet" },
              { name: "new", weight: 10, to: "next" }
            ]
          },
          "mini"
        ]
      }
    },
    { name: "default", to: { _tag: "Asked" } }
  ]
}

/** Targets `a` to `d` at providers of the same names, without keys, classes and budgets. */
export const plainly = (to: PolicyEncoded["routes"][0]["to"], more: Partial<PolicyEncoded> = {}): PolicyEncoded => ({
  name: "plain",
  providers: Object.fromEntries([..."abcd"].map((name) => [name, { dialect: "openai", baseUrl: `http://${name}.test/v1` }])),
  targets: Object.fromEntries([..."abcd"].map((name) => [name, { provider: name, model: "m", price }])),
  routes: [{ name: "only", to }],
  ...more
})

/** `n` requests, one every `everyMillis`. */
export const steady = (
  n: number,
  everyMillis: number,
  more: Partial<Fields> | ((i: number) => Partial<Fields>) = {}
): ReadonlyArray<string> => [
  header("2026-01-05T00:00:00Z"),
  ...Array.from({ length: n }, (_, i) =>
    toLine({ time: i * everyMillis, inputTokens: 1_000, outputTokens: 100, stream: true, ...(typeof more === "function" ? more(i) : more) })
  )
]

export interface World extends Partial<Omit<Options, "model" | "callers">>, CallerOptions {
  readonly model?: unknown
}

export const modelOf = (json: unknown, { policy }: Compiled): Model => {
  const model = parseModel(json, policy)
  if (Result.isFailure(model)) throw new Error(JSON.stringify(model.failure))
  return model.success
}

/** A simulation that has not begun. */
export const simulation = (policy: Compiled, lines: Iterable<string>, world: World = {}): readonly [Traffic, Options] => {
  const { as, ask, model = { default: { errors: {} } }, seed = 1, ...more } = world
  const who = Result.getOrThrow(callers(policy, seed, { as, ask }))
  const traffic = open(lines, { keys: who.keys })
  if ("_tag" in traffic) throw new Error(`line ${traffic.line}: ${traffic.message}`)
  return [traffic, { ...more, seed, callers: who, model: modelOf(model, policy) }]
}

/** Runs to the end. */
export const ran = (policy: Compiled, lines: Iterable<string>, world?: World): Promise<Report> =>
  Effect.runPromise(simulate(policy, ...simulation(policy, lines, world)))

export const begun = (policy: Compiled, lines: Iterable<string>, world?: World): Simulation =>
  make(policy, ...simulation(policy, lines, world))

/** How the run fails. */
export const failing = (policy: Compiled, lines: Iterable<string>, world?: World): Promise<string> =>
  Effect.runPromise(Effect.map(Effect.flip(simulate(policy, ...simulation(policy, lines, world))), (error) => error.message))
