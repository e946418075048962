/**
 * `turnout simulate`: traffic through a policy over virtual time, without sending anything.
 */
import { text } from "node:stream/consumers"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import type { Compiled } from "../../src/Compile.ts"
import {
  assumedModel,
  callers,
  drive,
  make,
  open,
  parseTime,
  repeated,
  type Report,
  type Simulation,
  SimulationError,
  toJson,
  toText,
  usualStart
} from "../../src/Simulate.ts"
import { compiled } from "../Policies.ts"
import { openLines } from "../simulate/Lines.ts"
import { loadModel, type ModelFile } from "../simulate/ModelFile.ts"
import { makeBar } from "../simulate/Progress.ts"
import { orSay, policyArgument, policyFile, say, tell, underOption } from "./shared.ts"

/** What the command was given cannot be simulated. */
class BadInput extends Schema.TaggedError<BadInput>()("BadInput", { why: Schema.String }) {
  override get message() {
    return this.why
  }
}

const orFail = <A>(result: Result.Result<A, string>): Effect.Effect<A, BadInput> =>
  Result.isSuccess(result) ? Effect.succeed(result.success) : Effect.fail(new BadInput({ why: result.failure }))

const assumption: ModelFile = { model: assumedModel, problemsAt: () => [] }

interface Given {
  readonly traffic: string
  readonly model: string | undefined
  readonly seed: number
  readonly calls: number | undefined
  readonly as: string | undefined
  readonly ask: string | undefined
  readonly start: string | undefined
}

const momentOf = (start: string | undefined): Result.Result<number | undefined, string> => {
  if (start === undefined) return Result.succeed(undefined)
  const micros = parseTime(start.length === 10 ? `${start}T00:00:00Z` : start)
  return micros === undefined
    ? Result.fail(`--start: expected a time such as \`2026-01-05T09:00:00Z\`, but found \`${start}\``)
    : Result.succeed(Math.floor(micros / 1_000))
}

/** Everything that can be wrong before the first call, in the order in which the user gave it. */
const prepare = (built: Compiled, given: Given) =>
  Effect.gen(function* () {
    const { as, ask, calls, seed, start, traffic: file } = given
    if (calls !== undefined && calls < 1) return yield* new BadInput({ why: `--calls: expected at least 1, but found \`${calls}\`` })
    if (seed < 0 || seed >= 2 ** 32)
      return yield* new BadInput({ why: `--seed: expected a number from 0 to 4294967295, but found \`${seed}\`` })
    const modelFile = given.model === undefined ? assumption : yield* orFail(loadModel(given.model, built.policy))
    const who = yield* orFail(callers(built, seed, { as, ask }))
    const startAt = yield* orFail(momentOf(start))
    // A pipe that is slow to begin says so, where it is read synchronously, with an error.
    const stdin = file === "-" ? yield* Effect.promise(() => text(process.stdin)) : ""
    const lines = yield* orFail(Result.mapError(openLines(file, stdin), (why) => `cannot read the traffic \`${file}\`: ${why}`))
    const traffic = repeated(() => open(lines.lines(), { keys: who.keys }), calls)
    if ("_tag" in traffic) return yield* new BadInput({ why: `${file}:${traffic.line}: ${traffic.message}` })
    const startMillis = startAt ?? traffic.startMillis ?? usualStart
    const late = modelFile.problemsAt(startMillis)
    if (late.length > 0) return yield* new BadInput({ why: late.join("\n") })
    return { lines, simulation: make(built, traffic, { model: modelFile.model, callers: who, seed, startMillis }) }
  })

const placed =
  (file: string) =>
  (error: SimulationError): SimulationError | BadInput =>
    error.reason._tag === "BadTraffic" ? new BadInput({ why: `${file}:${error.reason.line}: ${error.reason.message}` }) : error

const optional = <A>(flag: Flag.Flag<A>): Flag.Flag<A | undefined> => Flag.map(Flag.optional(flag), Option.getOrUndefined)

export const simulate = Command.make(
  "simulate",
  {
    policy: policyArgument,
    under: underOption,
    traffic: Flag.String("traffic").pipe(
      Flag.withDescription(
        "what callers send: JSONL in Turnout's format, or a CSV with TIMESTAMP, ContextTokens, GeneratedTokens; - for standard input"
      )
    ),
    model: optional(
      Flag.String("model").pipe(
        Flag.withDescription(
          "how providers behave, JSON or YAML: latencies, errors, outages, storms; Turnout's own assumptions where absent"
        )
      )
    ),
    seed: Flag.Int("seed").pipe(
      Flag.withDescription("the source of all luck; the same seed gives the same report, byte for byte (default 1)"),
      Flag.withDefault(1)
    ),
    calls: optional(
      Flag.Int("calls").pipe(Flag.withDescription("exactly so many calls: the traffic is repeated, or cut off; once through where absent"))
    ),
    as: optional(
      Flag.String("as").pipe(Flag.withDescription("the key of rows that name none; one of the policy's, by the seed, where absent"))
    ),
    ask: optional(
      Flag.String("ask").pipe(
        Flag.withDescription("the model of rows that name none; the first target that the caller may use where absent")
      )
    ),
    start: optional(
      Flag.String("start").pipe(Flag.withDescription("when it starts, for budgets by day and month; the traffic's own time where absent"))
    ),
    json: Flag.Boolean("json").pipe(Flag.withDescription("print the report as JSON"), Flag.withDefault(false))
  },
  ({ json, policy, under, ...given }) =>
    orSay(
      Effect.gen(function* () {
        const { compiled: built, lines: findings } = yield* compiled(yield* policyFile(policy), under)
        for (const finding of findings) yield* tell(finding)
        const { lines, simulation } = yield* prepare(built, given)
        const print = (report: Report) => say(json ? toJson(report) : toText(report))
        yield* watched(simulation, given.traffic, ({ calls }) =>
          given.calls === undefined ? (lines.size === 0 ? undefined : lines.read() / lines.size) : calls / given.calls
        ).pipe(
          // What has been seen is worth as much when nobody waits for the rest.
          Effect.onInterrupt(() => print(simulation.report())),
          Effect.flatMap(print)
        )
      })
    )
).pipe(
  Command.withDescription(
    "Run traffic through a policy over virtual time, by the pipeline, the budgets and the breakers that serve live calls, with providers that behave as a model says. Prints what every route, arm, class, target and budget saw; nothing is sent. Counts and dollars are measured, latencies and failures are modelled. Ctrl-C prints what has been simulated so far."
  ),
  Command.withShortDescription("cost, latency, failures and budgets over virtual time"),
  Command.withExamples([
    {
      command: "turnout simulate policy.ts --traffic traffic.jsonl",
      description: "once through, with Turnout's own assumptions about providers"
    },
    {
      command: "turnout simulate policy.ts --traffic hour.csv --calls 500000 --ask chat --model providers.json",
      description: "an hour of a trace, repeated to half a million calls, with an outage from the model"
    },
    { command: "turnout simulate policy.ts --traffic traffic.jsonl --seed 7 --json", description: "other luck, and the report as data" }
  ])
)

const watched = (simulation: Simulation, file: string, fraction: Parameters<typeof makeBar>[1]) =>
  Effect.suspend(() => {
    const bar = makeBar(process.stderr, fraction, () => performance.now())
    return drive(simulation, bar.show).pipe(Effect.ensuring(Effect.sync(bar.clear)), Effect.mapError(placed(file)))
  })
