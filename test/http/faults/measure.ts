/**
 * Asks a running gateway for every fault, through every dialect, whole and streamed, in three ways: the faulty target alone, with another behind it, and with retries.
 *
 * One gateway for each fault, because its limits belong to the fault; a target and a provider with a credential of its own for each call, because health remembers both.
 */
import { randomUUID } from "node:crypto"
import type { PolicyEncoded, StrategyEncoded } from "../../../src/Policy.ts"
import type { DialectName } from "../../../src/Providers.ts"
import type { FaultyUpstream } from "../../faults/client.ts"
import type { Count } from "../../faults/upstream.ts"
import { type Line, send, type StartedGateway, startGateway, until } from "../support.ts"
import { requestIn, type Seen, seenIn } from "./callers.ts"
import { type Fault, isStreamed } from "./faults.ts"

export const ways = ["only", "first", "retry"] as const
export type Way = (typeof ways)[number]

/** Who asks, and what the provider speaks: each dialect over itself, and over one other. */
export const pairs: ReadonlyArray<readonly [caller: DialectName, provider: DialectName]> = [
  ["chat.completions", "chat.completions"],
  ["responses", "responses"],
  ["messages", "messages"],
  ["generateContent", "generateContent"],
  ["chat.completions", "messages"],
  ["responses", "generateContent"],
  ["messages", "chat.completions"],
  ["generateContent", "responses"]
]

type Attempts = NonNullable<Line["attempts"]>

/** An access line with the times of its attempts. */
export interface TimedLine extends Line {
  readonly attempts?: ReadonlyArray<Attempts[number] & { readonly started_ms: number; readonly ended_ms: number }>
}

/** What came of one call. */
export interface Measured {
  readonly seen: Seen
  readonly line: TimedLine
  readonly count: Count | undefined
}

export const keyOf = (fault: Fault, streamed: boolean, pair: number, way: Way): string => `${fault.name}|${streamed}|${pair}|${way}`

/** $10 and $100 for a million tokens: 10,000 and 100,000 nano-dollars a token. */
const price = { input: { usd: 10 }, output: { usd: 100 } }
/** What the upstream's answer costs: 20 tokens of input, 9 of output. */
export const answerNanoDollars = 20 * 10_000 + 9 * 100_000
export const backoff = { first: "40 millis", longest: "2 seconds" } as const

const kind = (dialect: DialectName): Pick<PolicyEncoded["providers"][string], "dialect" | "speaks"> =>
  dialect === "messages"
    ? { dialect: "anthropic" }
    : dialect === "generateContent"
      ? { dialect: "gemini" }
      : { dialect: "openai", speaks: [dialect] }

interface Cell {
  readonly key: string
  readonly target: string
  readonly caller: DialectName
  readonly provider: DialectName
  readonly streamed: boolean
  readonly way: Way
  /** The upstream's name for it. */
  readonly scenario: string | undefined
}

const cellsOf = (fault: Fault): ReadonlyArray<Cell> =>
  [false, true].flatMap((streamed) =>
    pairs.flatMap(([caller, provider], pair) =>
      ways.map((way) => ({
        key: keyOf(fault, streamed, pair, way),
        target: `${way}-${pair}-${streamed ? "stream" : "whole"}`,
        caller,
        provider,
        streamed,
        way,
        scenario: fault.scenario === undefined ? undefined : `${isStreamed(fault.scenario, streamed)}@${randomUUID()}`
      }))
    )
  )

const good = (dialect: DialectName): string => `good-${dialect.replace(".", "-")}`

const policyOf = (fault: Fault, cells: ReadonlyArray<Cell>, { origin, ports }: FaultyUpstream): PolicyEncoded => {
  const place = fault.place ?? "http"
  const faulty =
    place === "https"
      ? `https://127.0.0.1:${ports.http}`
      : place === "mute"
        ? `https://127.0.0.1:${ports.mute}`
        : `http://127.0.0.1:${ports[place]}`
  const at = (base: string, dialect: DialectName): string => `${base}/${dialect === "generateContent" ? "v1beta" : "v1"}`
  const dialects = pairs.slice(0, 4).map(([caller]) => caller)
  const target = (provider: string, model: string) => ({ provider, model, price, maxOutputTokens: 100, addedTokens: 0 })
  const asked = { _tag: "Asked" } as const
  const route = (name: string, to: StrategyEncoded) => ({ name, when: { "===": [{ var: "request.headers.x-way" }, name] }, to })
  return {
    name: "faults",
    headers: ["x-way"],
    ...(fault.timeouts === undefined ? {} : { timeouts: fault.timeouts }),
    providers: Object.fromEntries([
      ...dialects.map((dialect) => [good(dialect), { ...kind(dialect), baseUrl: at(origin, dialect), key: { env: "GOOD" } }] as const),
      ...cells.map(
        ({ provider, target }, n) => [target, { ...kind(provider), baseUrl: at(faulty, provider), key: { env: `KEY_${n}` } }] as const
      )
    ]),
    targets: Object.fromEntries([
      ...dialects.map((dialect) => [good(dialect), target(good(dialect), `ok@${dialect}`)] as const),
      ...cells.map(({ scenario, target: name }) => [name, target(name, scenario ?? name)] as const)
    ]),
    budgets: { all: { per: "class", limit: { usd: 100_000 }, every: "day" } },
    classes: { staff: { may: [...dialects.map(good), ...cells.map(({ target: name }) => name)], within: ["all"] } },
    keys: { anna: { secret: { env: "ANNA" }, class: "staff" } },
    routes: [
      route("retry", { _tag: "Retry", attempts: 3, backoff, of: asked }),
      ...dialects.map((dialect) => route(`first-${good(dialect)}`, { _tag: "First", of: [asked, good(dialect)] })),
      { name: "only", to: asked }
    ]
  }
}

/** Does `all`, so many at a time. */
export const inTurns = async <A>(all: ReadonlyArray<A>, atOnce: number, f: (one: A) => Promise<void>): Promise<void> => {
  const left = all.values()
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const one of left) await f(one)
    })
  )
}

const authorization = "Bearer anna-secret-0123456789"

/** Asks the good target until it answers. */
const ready = async (gateway: StartedGateway): Promise<void> => {
  for (let tries = 0; tries < 20; tries++) {
    const { status } = await send(gateway, {
      ...requestIn("chat.completions", good("chat.completions"), false),
      headers: { authorization }
    })
    if (status === 200) return
  }
  throw new Error("the good target does not answer")
}

const measureFault = async (fault: Fault, upstream: FaultyUpstream, results: Map<string, Measured>): Promise<void> => {
  const cells = cellsOf(fault)
  const secrets = Object.fromEntries([
    ["GOOD", "sk-good-0123456789"],
    ["ANNA", "anna-secret-0123456789"],
    ...cells.map((_, n) => [`KEY_${n}`, `sk-key-${n}-0123456789`])
  ]) as Record<string, string>
  const gateway = await startGateway(policyOf(fault, cells, upstream), { secrets, maxAnswerBytes: 64 * 1024 })
  // A ledger that has just been made may take longer to answer its first call than a call waits for it.
  await ready(gateway)
  await inTurns(cells, fault.heavy === true ? 2 : 24, async ({ caller, key, scenario, streamed, target, way }) => {
    const headers = {
      authorization,
      ...(way === "only" ? {} : { "x-way": way === "first" ? `first-${good(caller)}` : way })
    }
    const answer = await send(gateway, { ...requestIn(caller, target, streamed), headers }).catch((error: unknown) => {
      throw new Error(`no answer for ${key}`, { cause: error })
    })
    const line: Line = await until(() => gateway.lines.find(({ id }) => id === answer.headers["x-request-id"]), `the access line of ${key}`)
    results.set(key, {
      seen: seenIn(caller, answer),
      line: line as TimedLine,
      count: scenario === undefined ? undefined : await upstream.count(scenario)
    })
  })
  await gateway.stop()
}

/** What all faults come to, by `keyOf`. */
export const measure = async (faults: ReadonlyArray<Fault>, upstream: FaultyUpstream): Promise<ReadonlyMap<string, Measured>> => {
  const results = new Map<string, Measured>()
  await inTurns(faults, 3, (fault) => measureFault(fault, upstream, results))
  return results
}
