/**
 * `turnout test`: the cases beside a policy, and what of it they reach.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { coverageLines, failureLines, parseCases, passed, type Placed, run, type Verdict } from "../../src/Cases.ts"
import type { Compiled } from "../../src/Compile.ts"
import type { Path } from "../../src/Finding.ts"
import { placeOf, type Problem, render } from "../../src/Simulate.ts"
import { compiled } from "../Policies.ts"
import { type Loaded, load, PolicyFileError } from "../PolicyFile.ts"
import { besides, type CasesFile } from "../test/CasesFiles.ts"
import { answerNo, orSay, policyArgument, policyFile, say, tell, underOption } from "./shared.ts"

/** There is nothing to run, or it cannot be read. */
class NoCases extends Schema.TaggedError<NoCases>()("NoCases", { why: Schema.String }) {
  override get message() {
    return this.why
  }
}

/** What to write where there are no cases. */
const begin = (file: string, example: string, { models, targets }: Compiled): string => {
  const model = models.mentioned[0] ?? targets.keys().next().value ?? "gpt-4o-mini"
  return `there are no cases beside \`${file}\`; begin with \`${example}\`:

import { cases } from "turnout"

export default cases({
  cases: [{ name: "somebody asks for ${model}", when: { request: { model: ${JSON.stringify(model)} } }, expect: { status: 200 } }]
})`
}

interface Suite {
  readonly name: string
  readonly loaded: Loaded
  readonly cases: ReadonlyArray<Placed>
}

const at = (name: string, { locate }: Loaded, path: Path): string => {
  const place = locate(path)
  return place === undefined ? name : `${name}:${place.line}:${place.column}`
}

/** A file of cases is loaded like a policy; what it lacks is said in its own words. */
const loadSuite = (built: Compiled, { name, path }: CasesFile): Effect.Effect<Suite, NoCases | PolicyFileError> =>
  load(path).pipe(
    Effect.mapError((error) =>
      error.reason._tag === "NoDefaultExport"
        ? new NoCases({ why: `\`${name}\` has no default export: expected \`export default cases({ … })\`` })
        : new PolicyFileError({ ...error, file: name })
    ),
    Effect.flatMap((loaded) => {
      const parsed = parseCases(loaded.json, built)
      if (Result.isSuccess(parsed)) return Effect.succeed({ name, loaded, cases: parsed.success })
      const line = (problem: Problem): string => `${at(name, loaded, problem.path)}: ${render(problem)}`
      return Effect.fail(new NoCases({ why: parsed.failure.map(line).join("\n") }))
    })
  )

const plural = (n: number, word: string): string => `${n} ${word}${n === 1 ? "" : "s"}`

const optional = <A>(flag: Flag.Flag<A>): Flag.Flag<A | undefined> => Flag.map(Flag.optional(flag), Option.getOrUndefined)

export const test = Command.make(
  "test",
  {
    policy: policyArgument,
    under: underOption,
    filter: optional(Flag.String("filter").pipe(Flag.withDescription("only the cases whose names contain this text, in any case"))),
    threshold: optional(
      Flag.Finite("threshold").pipe(Flag.withDescription("fail where less than so many percent of the policy is reached"))
    ),
    json: Flag.Boolean("json").pipe(Flag.withDescription("print verdicts and coverage as JSON"), Flag.withDefault(false))
  },
  ({ filter, json, policy, threshold, under }) =>
    orSay(
      Effect.gen(function* () {
        if (threshold !== undefined && !(threshold >= 0 && threshold <= 100))
          return yield* new NoCases({ why: `--threshold: expected a percentage from 0 to 100, but found \`${threshold}\`` })
        const { compiled: built, file, lines } = yield* compiled(yield* policyFile(policy), under)
        if (!json) for (const line of lines) yield* tell(line)
        const { example, files } = besides(file)
        if (files.length === 0) return yield* new NoCases({ why: begin(file, example, built) })
        const suites = yield* Effect.forEach(files, (one) => loadSuite(built, one), { concurrency: 4 })

        const begun = performance.now()
        const wanted = suites.flatMap(({ cases, loaded, name }) =>
          cases
            .filter((placed) => filter === undefined || placed.case.name.toLowerCase().includes(filter.toLowerCase()))
            .map((placed) => ({ placed, name, at: `${at(name, loaded, placed.path)}: ${placeOf(placed.path)}` }))
        )
        if (wanted.length === 0) {
          const names = suites.flatMap(({ cases }) => cases.map((placed) => placed.case.name))
          return yield* new NoCases({ why: `--filter: no name of ${plural(names.length, "case")} contains \`${filter}\`` })
        }
        const { coverage, verdicts } = run(
          built,
          wanted.map(({ placed }) => placed)
        )
        const millis = performance.now() - begun
        const failed = verdicts.filter((verdict) => !passed(verdict)).length
        const short = threshold !== undefined && coverage.percent < threshold

        if (json) yield* say(toJson(built, file, verdicts, wanted, coverage, millis))
        else {
          for (const [i, verdict] of verdicts.entries())
            if (!passed(verdict)) for (const line of failureLines(verdict, wanted[i]!.at)) yield* say(line)
          const from = files.length === 1 ? files[0]!.name : `${files.length} files`
          yield* say(
            `${from}: ${plural(verdicts.length, "case")}, ${failed === 0 ? "all as expected" : `${failed} failed`}, in ${millis < 10 ? millis.toFixed(1) : Math.round(millis)} ms`
          )
          yield* say("")
          for (const line of coverageLines(coverage)) yield* say(line)
          if (short) yield* say(`\ncoverage is below ${threshold}%`)
        }
        if (failed > 0 || short) yield* answerNo
      })
    )
).pipe(
  Command.withDescription(
    "Run the cases beside a policy (policy.cases.ts and policy.*.cases.ts beside policy.ts; JSON and YAML too) over the pipeline that serves calls, with clock, budgets, breakers and failing providers as each case says, in virtual time. Prints every case that fails with the trace of its call, and which routes, outcomes, arms and fallbacks no case has reached. Exit status 0 when all hold, 1 when one does not, 2 when they cannot be read."
  ),
  Command.withShortDescription("the cases beside a policy, with coverage"),
  Command.withExamples([
    { command: "turnout test policies/quickstart.ts", description: "runs policies/quickstart.cases.ts" },
    { command: "turnout test policy.ts --threshold 90 --json", description: "for CI: fails below 90 % coverage, and the verdicts are data" }
  ])
)

const toJson = (
  { hash }: Compiled,
  file: string,
  verdicts: ReadonlyArray<Verdict>,
  wanted: ReadonlyArray<{ readonly name: string; readonly placed: Placed }>,
  coverage: ReturnType<typeof run>["coverage"],
  millis: number
): string => {
  const cases = verdicts.map((verdict, i) => {
    const { broken, differences, placed, seen, trace } = verdict
    const { code, decision, rejected, route, served, status, tried } = seen ?? {}
    const holds = passed(verdict)
    return {
      name: placed.case.name,
      file: wanted[i]!.name,
      place: placeOf(placed.path),
      passed: holds,
      differences,
      ...(broken === undefined ? {} : { broken }),
      got: { route, decision, tried, served, status, code, rejected },
      ...(holds ? {} : { trace: trace() })
    }
  })
  return JSON.stringify({ file, hash, passed: cases.every((one) => one.passed), cases, coverage, millis: Math.round(millis) }, null, 2)
}
