/**
 * What the official client libraries make of a provider's faults through the gateway: the class that they raise and its status, whole and streamed, and whether their own retries
 * multiply ours.
 */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { type DialectName, dialectNames } from "../../../src/Providers.ts"
import { text as wholeText } from "../../faults/dialects.ts"
import { type FaultyUpstream, startFaulty } from "../../faults/client.ts"
import { startGateway } from "../support.ts"
import { type Fault, faults, isStreamed, toldOf } from "./faults.ts"
import { inTurns } from "./measure.ts"
import { librariesAt, type Raised } from "./sdks.ts"

/** A dozen and a few that stand for all. */
const chosen = [
  "refused",
  "reset",
  "silence",
  "stalls after content",
  "cut after content",
  "no terminator",
  "broken JSON after content",
  "page",
  "error inside a 200, before content",
  "error inside a 200, after content",
  "429 by=seconds",
  "429-quota",
  "401",
  "503",
  "529",
  "400-context",
  "400-filter",
  "400"
].map((name) => faults.find((fault) => fault.name === name)!)

/** The classes of errors with a status, as each library names them. */
const openaiClasses = (status: number): string =>
  status === 400 ? "BadRequestError" : status === 429 ? "RateLimitError" : "InternalServerError"
const classes: Readonly<Record<DialectName, (status: number) => string>> = {
  "chat.completions": openaiClasses,
  responses: openaiClasses,
  messages: (status) => (status === 503 ? "ServiceUnavailableError" : status === 504 ? "GatewayTimeoutError" : openaiClasses(status)),
  generateContent: () => "ApiError"
}

const kinds = {
  "chat.completions": { dialect: "openai", speaks: ["chat.completions"] },
  responses: { dialect: "openai", speaks: ["responses"] },
  messages: { dialect: "anthropic" },
  generateContent: { dialect: "gemini" }
} as const

interface Cell {
  readonly fault: Fault
  readonly dialect: DialectName
  readonly streamed: boolean
  /** With the retries that the library makes where nobody says. */
  readonly retries: boolean
  /** Of its target, and of a provider of its own, because health remembers what a credential was refused. */
  readonly name: string
}

const cells: ReadonlyArray<Cell> = chosen.flatMap((fault, at) =>
  dialectNames.flatMap((dialect, of) =>
    [false, true].flatMap((streamed) =>
      [false, true].map((retries) => ({
        fault,
        dialect,
        streamed,
        retries,
        name: `${retries ? "again" : "once"}-${at}-${of}-${streamed ? "stream" : "whole"}`
      }))
    )
  )
)

const scenarioOf = ({ fault: { scenario }, name, streamed }: Cell): string =>
  scenario === undefined ? name : `${isStreamed(scenario, streamed)}@${name}`

interface Result {
  readonly raised: Raised
  /** How many requests have come to the upstream; undefined where nothing listens. */
  readonly requests: number | undefined
}

const results = new Map<Cell, Result>()
let upstream: FaultyUpstream

beforeAll(async () => {
  upstream = await startFaulty()
  const baseUrl = ({ dialect, fault: { place = "http" } }: Cell): string =>
    `http://127.0.0.1:${upstream.ports[place === "refused" ? place : "http"]}/${dialect === "generateContent" ? "v1beta" : "v1"}`
  const envOf = ({ name }: Cell): string => name.toUpperCase().replaceAll("-", "_")
  const gateway = await startGateway(
    {
      name: "libraries",
      timeouts: { headers: "300 millis", idle: "250 millis" },
      providers: Object.fromEntries(
        cells.map((cell) => [cell.name, { ...kinds[cell.dialect], baseUrl: baseUrl(cell), key: { env: envOf(cell) } }] as const)
      ),
      targets: Object.fromEntries(
        cells.map((cell) => [cell.name, { provider: cell.name, model: scenarioOf(cell), maxOutputTokens: 100 }] as const)
      ),
      routes: [{ name: "only", to: { _tag: "Asked" } }]
    },
    { secrets: Object.fromEntries(cells.map((cell) => [envOf(cell), `sk-${cell.name}-0123456789`])) }
  )
  const [once, again] = [librariesAt(gateway.url, 0), librariesAt(gateway.url)]
  await inTurns(cells, 16, async (cell) => {
    const { dialect, fault, name, retries, streamed } = cell
    const raised = await (retries ? again : once)[dialect](name, streamed)
    results.set(cell, { raised, requests: fault.scenario === undefined ? undefined : (await upstream.count(scenarioOf(cell))).requests })
  })
  await gateway.stop()
}, 120_000)

afterAll(async () => {
  await upstream.stop()
  const rows = chosen.flatMap((fault) =>
    [false, true].map((streamed) => {
      const seen = dialectNames.map((dialect) => {
        const { raised } = results.get(
          cells.find((cell) => cell.fault === fault && cell.dialect === dialect && cell.streamed === streamed && !cell.retries)!
        )!
        return `${raised.class} ${raised.status ?? "without a status"}${raised.text === "" ? "" : " after words"}`
      })
      return `  ${fault.name}, ${streamed ? "stream" : "whole"}: ${seen.join(" | ")}`
    })
  )
  console.log([`what libraries raise: ${dialectNames.join(" | ")}`, ...rows].join("\n"))
})

for (const fault of chosen)
  for (const streamed of [false, true])
    describe(`${fault.name}, ${streamed ? "streamed" : "whole"}`, () => {
      const late = streamed && fault.late === true
      const outcome = isStreamed(fault.outcome, streamed) as keyof typeof toldOf
      const [status, code] = toldOf[outcome]
      for (const cell of cells.filter((one) => one.fault === fault && one.streamed === streamed))
        it(`${cell.dialect}${cell.retries ? ", with its own retries" : ""}`, () => {
          const { raised, requests } = results.get(cell)!
          if (late) {
            // What came is the user's to keep, and no end of it looks like success.
            assert.isNotEmpty(raised.text)
            assert.isTrue(wholeText.startsWith(raised.text))
            if (cell.dialect !== "generateContent") assert.deepStrictEqual([raised.class, raised.status], ["APIError", undefined])
            // Google's client reads an error only where it comes in a read of its own; elsewhere it says that what it has read is incomplete.
            else if (raised.class === "Error") assert.match(raised.message, /^Incomplete JSON segment/)
            else assert.deepStrictEqual([raised.class, raised.status], ["ApiError", status])
          } else {
            assert.deepStrictEqual([raised.class, raised.status, raised.text], [classes[cell.dialect](status), status, ""])
            if (cell.dialect === "messages" || cell.dialect === "generateContent") assert.include(raised.message, code)
          }
          // Neither the gateway, where one target is all there is, nor the library asks again.
          assert.strictEqual(requests, fault.scenario === undefined ? undefined : 1)
        })
    })
